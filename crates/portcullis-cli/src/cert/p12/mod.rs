//! `portcullis cert p12`: a key and its certificates in one file with a password, as browsers, Windows and Java have it.
//!
//! RFC 7292.

mod der;
mod mac;
mod oids;
mod read;
mod write;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use portcullis::pki_types::PrivateKeyDer;
use portcullis::pki_types::pem::PemObject as _;
use portcullis::{CertificateDer, Identity};
use zeroize::Zeroizing;

use super::{key_password, show};
use crate::certificate;
use crate::failure::Failure;
use crate::files::{self, Readers};
use crate::text::printable;
use read::Contents;

/// The largest file that is read.
const MOST: usize = 4 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct P12 {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the certificates in a file, and which keys are there.
    Show(Show),
    /// Write the certificates and the key in a file as PEM.
    Extract(Extract),
    /// Make a file of a certificate and its key.
    Make(Make),
}

/// Where the password of the file is.
#[derive(Debug, Args)]
struct Password {
    /// The password: the first line of this file.
    #[arg(
        id = "password_file",
        long = "password-file",
        value_name = "FILE",
        conflicts_with = "variable"
    )]
    file: Option<PathBuf>,
    /// The password is in this variable of the environment.
    #[arg(long = "password-env", value_name = "NAME")]
    variable: Option<String>,
}

#[derive(Debug, Args)]
struct Show {
    /// The file (PKCS#12, as .p12 and .pfx).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    password: Password,
}

#[derive(Debug, Args)]
struct Extract {
    /// The file (PKCS#12, as .p12 and .pfx).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    password: Password,
    /// Write to this new file, which its owner alone can read: the certificate of the key first, and the key, without a
    /// password.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leave the key out; without --out the certificates are printed.
    #[arg(long)]
    no_key: bool,
}

#[derive(Debug, Args)]
struct Make {
    /// The certificate of the key and those above it (PEM or DER).
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// The private key (PEM, not encrypted), if it is not in the file of the certificates.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The new file, which its owner alone can read.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What programs call it when they show it.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    password: Password,
}

impl P12 {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Command::Show(show) => show.run(),
            Command::Extract(extract) => extract.run(),
            Command::Make(make) => make.run(),
        }
    }
}

impl Password {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        key_password::load(self.file.as_deref(), self.variable.as_deref())
    }

    /// Opens a file with it, or with an empty one, which many have.
    fn open(&self, path: &Path) -> Result<Contents, Failure> {
        let about =
            |what: &dyn std::fmt::Display| Failure::usage(format!("{}: {what}", path.display()));
        let file = files::secret(path, MOST).map_err(|error| about(&error))?;
        let password = self.load()?;
        let given = password.as_ref().map_or(&[][..], |password| password);
        let contents = read::read(&file, given).map_err(|error| match password {
            Some(_) => about(&error),
            None => about(&format!(
                "{error}; no password was given: --password-file or --password-env does"
            )),
        })?;
        if !contents.has_mac {
            eprintln!(
                "portcullis: {} has no MAC: whoever could write to it may have changed it",
                path.display()
            );
        }
        if contents.others > 0 {
            eprintln!(
                "portcullis: {} has {} other things, which are passed over",
                path.display(),
                contents.others
            );
        }
        Ok(contents)
    }
}

impl Contents {
    /// Which of the certificates is that of a key.
    fn certificate_of(&self, key: &PrivateKeyDer<'_>) -> Option<usize> {
        let mut all = self.certificates.iter();
        all.position(|der| Identity::from_der(vec![der.clone()], key).is_ok())
    }
}

impl Show {
    fn run(&self) -> Result<(), Failure> {
        let contents = self.password.open(&self.file)?;
        for (number, der) in contents.certificates.iter().enumerate() {
            print!("{}", certificate::text(number, der));
        }
        for (number, key) in contents.keys.iter().enumerate() {
            let of = key.as_der().and_then(|der| contents.certificate_of(&der));
            let of = of.map_or_else(
                || "none of the certificates".to_owned(),
                |of| format!("certificate {of}"),
            );
            let name = key.name.as_deref().map(printable);
            let name = name.map(|name| format!(", called {name}"));
            println!("private key {number}: of {of}{}", name.unwrap_or_default());
        }
        Ok(())
    }
}

impl Extract {
    fn run(&self) -> Result<(), Failure> {
        let contents = self.password.open(&self.file)?;
        let about = |what: &str| Failure::usage(format!("{}: {what}", self.file.display()));
        if self.no_key {
            if contents.certificates.is_empty() {
                return Err(about("there is no certificate in it"));
            }
            let pem = certificate::pem(&self.order(&contents, None));
            return match &self.out {
                None => {
                    print!("{pem}");
                    Ok(())
                }
                Some(out) => write(out, pem.as_bytes(), Readers::Everyone),
            };
        }
        let key = match contents.keys.as_slice() {
            [key] => key,
            [] => {
                return Err(about(
                    "there is no private key in it; --no-key is for the certificates alone",
                ));
            }
            keys => {
                let count = keys.len();
                return Err(about(&format!(
                    "there are {count} private keys in it, and one is written at a time: take it apart with `openssl pkcs12`"
                )));
            }
        };
        let Some(out) = &self.out else {
            return Err(Failure::usage(
                "a private key is never printed: give --out, or --no-key",
            ));
        };
        let chain = certificate::pem(&self.order(&contents, key.as_der().as_ref()));
        let key = Zeroizing::new(encode(&key.der));
        let mut both = Zeroizing::new(String::with_capacity(chain.len() + key.len()));
        both.push_str(&chain);
        both.push_str(&key);
        write(out, both.as_bytes(), Readers::Owner)
    }

    /// The certificate of the key first, as who shows them has to.
    fn order(
        &self,
        contents: &Contents,
        key: Option<&PrivateKeyDer<'_>>,
    ) -> Vec<CertificateDer<'static>> {
        let first = contents.keys.first().and_then(read::Key::as_der);
        let own = key
            .or(first.as_ref())
            .and_then(|key| contents.certificate_of(key));
        let mut chain = contents.certificates.clone();
        if let Some(part) = own.and_then(|own| chain.get_mut(..=own)) {
            part.rotate_right(1);
        }
        chain
    }
}

impl Make {
    fn run(&self) -> Result<(), Failure> {
        let chain = show::read(&self.cert)?;
        let path = self.key.as_ref().unwrap_or(&self.cert);
        let about =
            |what: &dyn std::fmt::Display| Failure::usage(format!("{}: {what}", path.display()));
        let text = files::secret(path, MOST).map_err(|error| about(&error))?;
        let key = PrivateKeyDer::from_pem_slice(&text).map(Zeroizing::new);
        let key = key.map_err(|_| {
            // The parser's error may quote the file.
            about(&match text.windows(9).any(|window| window == b"ENCRYPTED") {
                true => "the private key is encrypted: decrypt it first, e.g. with `openssl pkey -in FILE -out FILE`",
                false => "there is no private key in it, or it is damaged",
            })
        })?;
        // Whether they belong together.
        Identity::from_der(chain.clone(), &key).map_err(|error| about(&error))?;
        let password = self.password.load()?;
        let Some(password) = password.filter(|password| !password.is_empty()) else {
            return Err(Failure::usage(
                "there is no password to protect the key with: give --password-file or --password-env",
            ));
        };
        let made = write::write(&key, &chain, self.name.as_deref(), &password);
        let made = made.map_err(|error| about(&error))?;
        write(&self.out, &made, Readers::Owner)
    }
}

fn write(out: &Path, contents: &[u8], readers: Readers) -> Result<(), Failure> {
    files::create(out, contents, readers)
        .map_err(|error| Failure::usage(format!("--out {}: {error}", out.display())))
}

/// PEM (RFC 7468 §10).
fn encode(key: &[u8]) -> String {
    let section = pem::Pem::new("PRIVATE KEY", key);
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&section, config)
}
