//! `portcullis cert verify`: whether a chain is trusted, without a connection.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use portcullis::pki_types::UnixTime;
use portcullis::x509::{
    CertificateError, ChainPolicy, PresentedChain, RevocationCheck, VerifiedChain, subject,
};
use portcullis::{Roots, ServerName};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::show::read;
use crate::crl::{self, Lists};
use crate::failure::Failure;
use crate::wording::{OF_ANOTHER_TIME, OF_FILES};

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Files with certificates (PEM or DER): the one in question first, then those that may lead to an authority, in
    /// any order.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The authorities that are trusted (PEM), instead of those of the operating system.
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// The host name or address that the certificate has to be for.
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<ServerName<'static>>,
    /// When: seconds since 1970, or as 2027-01-31T12:00:00Z; now, unless it is given.
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<UnixTime>,
    /// What the certificate is for.
    #[arg(long, value_enum, default_value_t = Purpose::Server, value_name = "WHAT")]
    purpose: Purpose,
    #[command(flatten)]
    lists: Lists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Purpose {
    Server,
    Client,
}

fn name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<UnixTime, String> {
    let seconds = text.parse::<u64>().ok().or_else(|| {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(time.unix_timestamp()).ok()
    });
    let seconds = seconds.ok_or("neither seconds since 1970 nor as 2027-01-31T12:00:00Z")?;
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

impl Verify {
    /// Here is no peer, and the time may be one that was named.
    fn reworded(&self, failure: Failure) -> Failure {
        let failure = failure.worded(OF_FILES);
        match self.time {
            Some(_) => failure.worded(OF_ANOTHER_TIME),
            None => failure,
        }
    }

    pub(crate) async fn run(self) -> Result<(), Failure> {
        if self.name.is_some() && self.purpose == Purpose::Client {
            return Err(Failure::usage(
                "--name has no effect with --purpose client: clients are not looked for by name",
            ));
        }
        let usage = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let refused =
            |error: CertificateError| self.reworded(Failure::certificate(error.to_string()));
        let mut certificates = Vec::new();
        for file in &self.files {
            certificates.extend(read(file)?);
        }
        let roots = match &self.cafile {
            Some(file) => Roots::from_pem_file(file),
            None => Roots::os(),
        };
        let mut policy = ChainPolicy::new(roots.map_err(usage)?).crl_check(self.lists.check());
        let nobody = ServerName::try_from("localhost").ok();
        let name = match (self.purpose, &self.name) {
            (Purpose::Client, _) => None,
            (Purpose::Server, Some(name)) => Some(name),
            (Purpose::Server, None) => {
                policy = policy.dangerous_skip_name_check();
                nobody.as_ref()
            }
        };
        let chain = PresentedChain::new(certificates).map_err(refused)?;
        let now = self.time.unwrap_or_else(UnixTime::now);
        let mut check = RevocationCheck::begin(&chain, name, now, &policy).map_err(refused)?;
        if let Some(source) = self.lists.patient_source()? {
            crl::answer(&mut check, &*source).await;
        }
        for error in check.undetermined() {
            eprintln!("portcullis: {}", refused(error.clone()));
        }
        print(&check.conclude().map_err(refused)?);
        Ok(())
    }
}

/// The way to the authority, the one in question first.
fn print(verified: &VerifiedChain) {
    let named = |der: &[u8]| match subject(der).unwrap_or_default() {
        subject if subject.is_empty() => "(empty)".to_owned(),
        subject => subject,
    };
    for (above, der) in verified.path().enumerate() {
        let what = match above {
            0 => "trusted:",
            _ => "  issued by",
        };
        println!("{what} {}", named(der));
    }
    if let Some(anchor) = verified.anchor_certificate() {
        println!("  issued by {}, which is trusted", named(anchor));
    }
}
