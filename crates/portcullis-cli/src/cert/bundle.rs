//! `portcullis cert bundle`: a chain as servers send it, of certificates in any order.

use std::path::PathBuf;

use clap::Args;
use portcullis::CertificateDer;
use portcullis::x509::subject;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::show::read;
use crate::certificate;
use crate::failure::Failure;
use crate::files::{self, Readers};

/// No chain is longer.
const MOST: usize = 32;

#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// Files with certificates (PEM or DER), among them the one of the server or client.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A file with certificates of authorities (PEM or DER), of which those are taken that belong to the chain. Can be given
    /// again.
    #[arg(long = "from", value_name = "FILE")]
    authorities: Vec<PathBuf>,
    /// With the root, which peers have already, if it is there.
    #[arg(long)]
    root: bool,
    /// Write it to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Bundle {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let load = |paths: &[PathBuf]| -> Result<Vec<_>, Failure> {
            let mut all = Vec::new();
            for path in paths {
                all.extend(read(path)?);
            }
            Ok(all)
        };
        let (own, more) = (load(&self.files)?, load(&self.authorities)?);
        let mut own = parse(&own);
        let leaf = self.leaf(&own)?;
        own.extend(parse(&more));
        let (chain, end) = complete(leaf, &own);
        match end {
            End::Root => {}
            End::Missing(last) => eprintln!(
                "portcullis: the chain ends with {}; if {} is no root that peers trust, give its certificate with --from",
                last.subject(),
                last.issuer()
            ),
            End::Circle(last) => {
                return Err(Failure::usage(format!(
                    "the certificates have issued each other in a circle, at {}",
                    last.subject()
                )));
            }
        }
        let is_kept = |at: usize, one: &One<'_>| at == 0 || self.root || !one.is_self_issued();
        let kept = chain
            .iter()
            .enumerate()
            .filter(|(at, one)| is_kept(*at, one));
        let kept: Vec<_> = kept.map(|(_, one)| one.der).collect();
        let pem = certificate::pem(kept);
        match &self.out {
            None => print!("{pem}"),
            Some(path) => files::replace(path, pem.as_bytes(), Readers::Everyone)
                .map_err(|error| Failure::usage(format!("--out {}: {error}", path.display())))?,
        }
        Ok(())
    }

    /// The one that has issued none of the others.
    fn leaf<'a>(&self, own: &[One<'a>]) -> Result<One<'a>, Failure> {
        let has_issued = |one: &One<'_>| {
            let mut others = own.iter().filter(|other| other.der != one.der);
            others.any(|other| one.issued(other))
        };
        let mut leaves: Vec<_> = own.iter().filter(|one| !has_issued(one)).collect();
        leaves.dedup_by_key(|one| one.der);
        match leaves[..] {
            [leaf] => Ok(leaf.clone()),
            [] => Err(Failure::usage(
                "each certificate has issued another one: which is the server's?",
            )),
            [first, second, ..] => Err(Failure::usage(format!(
                "{} and {} have both issued none of the others: give authorities with --from, and one certificate \
                 of a server or client",
                first.subject(),
                second.subject()
            ))),
        }
    }
}

/// A certificate, read.
#[derive(Clone)]
struct One<'a> {
    der: &'a CertificateDer<'static>,
    read: X509Certificate<'a>,
}

fn parse<'a>(all: &'a [CertificateDer<'static>]) -> Vec<One<'a>> {
    let read = all.iter().filter_map(|der| {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        Some(One { der, read })
    });
    read.collect()
}

impl One<'_> {
    fn subject(&self) -> String {
        subject(self.der).unwrap_or_default()
    }

    fn issuer(&self) -> String {
        crate::text::printable(&self.read.issuer().to_string())
    }

    fn is_self_issued(&self) -> bool {
        self.read.subject().as_raw() == self.read.issuer().as_raw()
    }

    fn issued(&self, other: &One<'_>) -> bool {
        issued(&self.read, &other.read)
    }
}

/// Whether one has issued another: by its names and identifiers of keys (RFC 5280 §4.2.1.1), and because it is an
/// authority. What the signature says is found out by whoever verifies.
pub(crate) fn issued(issuer: &X509Certificate<'_>, other: &X509Certificate<'_>) -> bool {
    let own = extension(issuer, |extension| match extension {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    let wanted = extension(other, |extension| match extension {
        ParsedExtension::AuthorityKeyIdentifier(id) => {
            id.key_identifier.as_ref().map(|id| id.0.to_vec())
        }
        _ => None,
    });
    let is_authority = issuer.is_ca() || issuer.version.0 == 0;
    is_authority
        && issuer.subject().as_raw() == other.issuer().as_raw()
        && (own.is_none() || wanted.is_none() || own == wanted)
}

fn extension(
    of: &X509Certificate<'_>,
    find: impl Fn(&ParsedExtension<'_>) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut all = of.extensions().iter();
    all.find_map(|extension| find(extension.parsed_extension()))
}

enum End<'a> {
    /// With one that has issued itself.
    Root,
    /// The issuer of this one is not there.
    Missing(One<'a>),
    /// The issuer of this one is below it.
    Circle(One<'a>),
}

/// From the leaf up; of several issuers the one that is valid longest.
fn complete<'a>(leaf: One<'a>, all: &[One<'a>]) -> (Vec<One<'a>>, End<'a>) {
    let (mut chain, mut last) = (vec![leaf.clone()], leaf);
    while !last.is_self_issued() {
        let issuers = all.iter().filter(|one| one.issued(&last));
        let end = |one: &&One<'_>| one.read.validity().not_after.timestamp();
        let Some(issuer) = issuers.max_by_key(end).cloned() else {
            return (chain, End::Missing(last));
        };
        if chain.len() >= MOST || chain.iter().any(|one| one.der == issuer.der) {
            return (chain, End::Circle(last));
        }
        chain.push(issuer.clone());
        last = issuer;
    }
    (chain, End::Root)
}
