//! `portcullis cert dev`: what strict verifiers accept, and nobody else's authority.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::authority::{self, Authority, SKEW, failed, is_there};
use super::names::Name;
use crate::failure::Failure;
use crate::files::{self, Readers};

/// What browsers take at most, less a day.
const MOST_DAYS: u16 = 397;
/// ub-common-name (RFC 5280 appendix A.1).
const LONGEST_COMMON_NAME: usize = 64;

const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Host names, IP addresses, e-mail addresses and a SPIFFE ID (spiffe://a.test/web) the certificate is for; the first is
    /// also its common name, for a server the first that is a host name or an IP address.
    /// [default for a server: localhost 127.0.0.1 ::1]
    names: Vec<String>,
    /// Make a certificate for a client: client.pem and client-key.pem.
    #[arg(long, requires = "names")]
    client: bool,
    /// Where to write cert.pem and key.pem. Its authority is in ca.pem and ca-key.pem, and is made
    /// if there is none.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// How long the certificate is valid.
    #[arg(long, value_name = "DAYS", default_value_t = MOST_DAYS, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_DAYS)))]
    days: u16,
    /// Replace a certificate and key that are there; the authority stays.
    #[arg(long)]
    force: bool,
}

impl Dev {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let names = self.names()?;
        let [cert, key] = match self.client {
            false => ["cert.pem", "key.pem"],
            true => ["client.pem", "client-key.pem"],
        };
        let (cert_path, key_path) = (self.out.join(cert), self.out.join(key));
        for path in [&cert_path, &key_path] {
            if !self.force && is_there(path)? {
                return Err(Failure::usage(format!(
                    "{} is there already; use --force to replace it",
                    path.display()
                )));
            }
        }
        fs::create_dir_all(&self.out).map_err(|error| failed(&self.out, &error))?;
        let found = Authority::load(&self.out)?;
        let is_new = found.is_none();
        let authority = match found {
            Some(authority) => authority,
            None => Authority::make().map_err(|error| cannot(&names, &error))?,
        };
        let leaf = Leaf::make(&names, self.client, self.days, &authority)
            .map_err(|error| cannot(&names, &error))?;
        if is_new {
            authority.store(&self.out)?;
        }
        let write = match self.force {
            true => files::replace,
            false => files::create,
        };
        write(&key_path, leaf.key.as_bytes(), Readers::Owner)
            .and_then(|()| write(&cert_path, leaf.certificate.as_bytes(), Readers::Everyone))
            .map_err(|error| failed(&self.out, &error))?;
        let how = match is_new {
            true => "made now",
            false => "that was there",
        };
        println!(
            "{}: {cert} and {key} for {}, until {}, signed by the authority {how}: trust {}",
            self.out.display(),
            listed(&names),
            leaf.not_after.date(),
            authority::CERTIFICATE,
        );
        Ok(())
    }

    fn names(&self) -> Result<Vec<Name>, Failure> {
        if self.names.is_empty() {
            return parse(&LOCALHOST);
        }
        let names = parse(&self.names)?;
        if !self.client && !names.iter().any(Name::is_host) {
            return Err(Failure::usage(
                "a server has a host name or an IP address; for the certificate of a person or a workload use --client",
            ));
        }
        if names.iter().filter(|name| name.is_spiffe()).count() > 1 {
            return Err(Failure::usage(
                "a certificate has one SPIFFE ID at most: whoever has two is taken by nobody",
            ));
        }
        Ok(names)
    }
}

/// Each once.
fn parse(texts: &[impl AsRef<str>]) -> Result<Vec<Name>, Failure> {
    let mut names = Vec::new();
    for text in texts {
        let name = Name::parse(text.as_ref()).map_err(Failure::usage)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn listed(names: &[Name]) -> String {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn cannot(names: &[Name], error: &rcgen::Error) -> Failure {
    Failure::usage(format!(
        "a certificate for {} cannot be made: {error}",
        listed(names)
    ))
}

/// A certificate with its key, as PEM.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: Zeroizing<String>,
    not_after: OffsetDateTime,
}

impl Leaf {
    /// For a server that was given none. Its authority is forgotten: nobody can trust it.
    pub(crate) fn for_localhost() -> Result<Self, Failure> {
        let names = parse(&LOCALHOST)?;
        Authority::make()
            .and_then(|authority| Self::make(&names, false, MOST_DAYS, &authority))
            .map_err(|error| cannot(&names, &error))
    }

    fn make(
        names: &[Name],
        client: bool,
        days: u16,
        authority: &Authority,
    ) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.subject_alt_names = names.iter().map(Name::to_san).collect::<Result<_, _>>()?;
        params.distinguished_name = DistinguishedName::new();
        // A server is a host: a person's address is one of its names (nodes of Erlang are `a@host`), never what it is
        // shown as.
        let mut fit = names.iter().filter(|name| client || name.is_host());
        let first = fit.next().map(ToString::to_string);
        // A name that is too long stands in the subjectAltName alone.
        if let Some(first) = first.filter(|name| name.len() <= LONGEST_COMMON_NAME) {
            params.distinguished_name.push(DnType::CommonName, first);
        }
        params.not_before = OffsetDateTime::now_utc() - SKEW;
        // The last second counts (RFC 5280 §4.1.2.5).
        let end = params.not_before + Duration::days(days.into()) - Duration::SECOND;
        params.not_after = end.min(authority.not_after);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match client {
            true => ExtendedKeyUsagePurpose::ClientAuth,
            false => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority.issuer)?;
        Ok(Self {
            certificate: crate::certificate::pem([certificate.der()]),
            key: Zeroizing::new(key.serialize_pem()),
            not_after: params.not_after,
        })
    }
}
