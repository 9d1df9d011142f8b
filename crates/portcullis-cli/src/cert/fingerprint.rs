//! `portcullis cert fingerprint`: hashes of certificates, and of their public keys.

use std::path::PathBuf;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use clap::{Args, ValueEnum};
use serde_json::json;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::show::read;
use crate::certificate::Certificate;
use crate::failure::Failure;
use crate::text::hex;

#[derive(Debug, Args)]
pub(crate) struct Fingerprint {
    /// Files with certificates (PEM or DER).
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Which hash.
    #[arg(long, value_enum, default_value_t = Hash::Sha256, value_name = "NAME")]
    hash: Hash,
    /// Of the public key (SubjectPublicKeyInfo), which a renewed certificate may keep, instead of the certificate.
    #[arg(long)]
    spki: bool,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
    /// For comparing with old lists alone.
    Sha1,
}

impl Hash {
    fn of(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm: &'static Algorithm = match self {
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
        };
        digest(algorithm, bytes).as_ref().to_vec()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha1 => "sha1",
        }
    }
}

impl Fingerprint {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut all = Vec::new();
        for file in &self.files {
            for der in read(file)? {
                // What is no certificate was refused by `read`.
                let Ok((_, parsed)) = X509Certificate::from_der(&der) else {
                    continue;
                };
                let hash = match self.spki {
                    true => self.hash.of(parsed.public_key().raw),
                    false => self.hash.of(&der),
                };
                let certificate = Certificate::read(&der);
                let subject = certificate.as_ref().map(Certificate::subject);
                all.push((hash, subject.unwrap_or_default().to_owned(), file));
            }
        }
        if self.json {
            let certificates = all.iter().map(|(hash, subject, file)| {
                json!({ "fingerprint": hex(hash, ""), "subject": subject, "file": file })
            });
            println!(
                "{}",
                json!({
                    "schema": "portcullis.fingerprints/1",
                    "hash": self.hash.name(),
                    "of": if self.spki { "spki" } else { "certificate" },
                    "certificates": certificates.collect::<Vec<_>>(),
                })
            );
            return Ok(());
        }
        for (hash, subject, _) in &all {
            println!("{} {}  {subject}", self.hash.name(), hex(hash, ":"));
        }
        Ok(())
    }
}
