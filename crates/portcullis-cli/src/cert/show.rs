//! `portcullis cert show`: what is in the certificates of a file or of a server.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use portcullis::x509::pem_certificates;
use portcullis::{CertificateDer, ClientConfig};
use serde_json::json;

use crate::certificate::{self, Certificate};
use crate::connect::Route;
use crate::connecting::{Connecting, Trust};
use crate::failure::Failure;

/// The largest file that is read: all roots of a system have a quarter of a megabyte.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// How long the server may take to close after we have.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// What ends so and has no port is a file.
const EXTENSIONS: [&str; 5] = ["pem", "crt", "cer", "cert", "der"];

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A file (PEM or DER), or a server: HOST, HOST:PORT or a URL.
    #[arg(value_name = "FILE|HOST:PORT")]
    source: String,
    #[command(flatten)]
    route: Route,
    /// Judge the server by the certificates in this PEM file, not by those of the operating system.
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    /// Exit with code 3 if a certificate shown has fewer days left.
    #[arg(long, value_name = "DAYS")]
    expires_within: Option<u32>,
}

impl Show {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let chain = match self.is_file() {
            true => self.file()?,
            false => self.server().await?,
        };
        self.check_expiry(&chain)
    }

    /// A file that is there, or what can only be one.
    fn is_file(&self) -> bool {
        let path = Path::new(&self.source);
        let has_extension = || {
            let extension = path.extension().unwrap_or_default();
            EXTENSIONS
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        };
        path.exists()
            || !self.source.contains("://")
                && (self.source.contains(['/', std::path::MAIN_SEPARATOR]) || has_extension())
    }

    fn file(&self) -> Result<Vec<CertificateDer<'static>>, Failure> {
        let without_effect = self.route.used();
        if let Some(option) = without_effect.or(self.cafile.as_ref().map(|_| "--cafile")) {
            let source = &self.source;
            return Err(Failure::usage(format!(
                "{option} has no effect: {source} is a file"
            )));
        }
        let chain = read(Path::new(&self.source))?;
        if self.json {
            let certificates = chain.iter().map(|der| certificate::json(der, true));
            println!(
                "{}",
                json!({
                    "schema": "portcullis.certificates/1",
                    "file": self.source,
                    "certificates": certificates.collect::<Vec<_>>(),
                })
            );
        } else {
            for (number, der) in chain.iter().enumerate() {
                print!("{}", certificate::text(number, der));
            }
        }
        Ok(chain)
    }

    /// Accepts whoever answers, since it is what is shown that matters; the verdict is part of it.
    async fn server(&self) -> Result<Vec<CertificateDer<'static>>, Failure> {
        let misuse = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let destination = self.route.to(&self.source)?;
        let trust = Trust::load(self.cafile.as_deref()).map_err(misuse)?;
        let config = ClientConfig::dangerous_builder_without_verification();
        let config = config.build().map_err(misuse)?;
        let mut connecting = Connecting::new(destination, config, Some(trust));
        let connected = connecting.connect().await;
        let chain = connecting.chain();
        if chain.is_empty() {
            // Without a chain there is nothing to show.
            return connected.map(|_| chain);
        }
        let information = connected.as_ref().ok().map(|stream| stream.information());
        let report = connecting.report(information, &chain);
        match self.json {
            true => println!("{}", report.json(true)),
            false => print!("{}", report.text()),
        }
        // A server that does not say goodbye has shown what it has all the same.
        let _ = connected?.close(CLOSE_WITHIN).await;
        Ok(chain)
    }

    fn check_expiry(&self, chain: &[CertificateDer<'_>]) -> Result<(), Failure> {
        let Some(limit) = self.expires_within else {
            return Ok(());
        };
        for (place, der) in chain.iter().enumerate() {
            let Some(certificate) = Certificate::read(der) else {
                continue;
            };
            let days = certificate.days_left();
            if days < i64::from(limit) {
                let how = match days {
                    ..0 => "has expired".to_owned(),
                    _ => format!("expires in {days} days"),
                };
                let subject = certificate.subject();
                return Err(Failure::certificate(format!(
                    "certificate {} ({subject}) {how}",
                    certificate::number(place)
                )));
            }
        }
        Ok(())
    }
}

/// The certificates of a file. What else is in it is passed over, and never printed: it may be a
/// key.
pub(crate) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let failed = |what: String| Failure::usage(format!("{}: {what}", path.display()));
    let mut contents = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut contents))
        .map_err(|error| failed(format!("cannot be read: {error}")))?;
    if contents.len() as u64 > MAX_FILE {
        return Err(failed(format!("has more than {MAX_FILE} bytes")));
    }
    let is_pem = contents.windows(11).any(|window| window == b"-----BEGIN ");
    let chain = match is_pem {
        true => pem_certificates(&contents).map_err(|error| failed(error.to_string()))?,
        false => vec![CertificateDer::from(contents)],
    };
    for (place, der) in chain.iter().enumerate() {
        if Certificate::read(der).is_none() {
            return Err(failed(match is_pem {
                true => format!("certificate {} is damaged", certificate::number(place)),
                false => "is neither PEM nor a certificate in DER".to_owned(),
            }));
        }
    }
    Ok(chain)
}
