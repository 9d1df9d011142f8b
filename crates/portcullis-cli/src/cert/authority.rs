//! The authority of a folder: made once, and used for every certificate there.

use std::fs;
use std::io;
use std::path::Path;

use portcullis::CertificateDer;
use portcullis::pki_types::pem::PemObject as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::certificate;
use crate::failure::Failure;
use crate::files::{self, Readers};

pub(super) const CERTIFICATE: &str = "ca.pem";
pub(super) const KEY: &str = "ca-key.pem";

/// How long an authority is trusted; whoever trusts it should not have to do so every year.
const VALID: Duration = Duration::days(3650);
/// The clocks of other machines may be behind.
pub(super) const SKEW: Duration = Duration::hours(1);

/// Who signs.
pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) not_after: OffsetDateTime,
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// Makes one whose name nobody else has: verifiers look for an issuer by its name, and two
    /// with one name would be taken for each other.
    pub(super) fn make() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = OffsetDateTime::now_utc() - SKEW;
        params.not_after = params.not_before + VALID;
        let number: Vec<u8> = params.key_identifier(&key).into_iter().take(6).collect();
        let number = crate::text::hex(&number, "");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(
            DnType::CommonName,
            format!("portcullis development authority {number}"),
        );
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self {
            not_after: params.not_after,
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// The one of a folder; `None` if it has none.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>, Failure> {
        let (path, key_path) = (folder.join(CERTIFICATE), folder.join(KEY));
        let remedy = format!(
            "remove {CERTIFICATE} and {KEY} to have a new authority, or choose another folder \
             with --out"
        );
        let damaged = |what: &str| Failure::usage(format!("{}: {what}; {remedy}", path.display()));
        match (is_there(&path)?, is_there(&key_path)?) {
            (false, false) => return Ok(None),
            (true, true) => {}
            (true, false) => {
                return Err(damaged(&format!("there is no {KEY} for it")));
            }
            (false, true) => return Err(damaged(&format!("is not there, and {KEY} is"))),
        }
        check_readers(&key_path)?;
        let key = Zeroizing::new(read(&key_path)?);
        let key = KeyPair::from_pem(&key)
            .map_err(|_| damaged(&format!("{KEY} is not a key in PKCS #8")))?;
        let certificate = CertificateDer::from_pem_slice(read(&path)?.as_bytes())
            .map_err(|_| damaged("is not a certificate"))?;
        let not_after = {
            let (_, read) = X509Certificate::from_der(&certificate)
                .map_err(|_| damaged("is not a certificate"))?;
            if read.public_key().raw != key.subject_public_key_info() {
                return Err(damaged(&format!("{KEY} is the key of another certificate")));
            }
            if !read.is_ca() {
                return Err(damaged("is not the certificate of an authority"));
            }
            read.validity().not_after.to_datetime()
        };
        if not_after <= OffsetDateTime::now_utc() {
            return Err(damaged("has expired"));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|error| damaged(&error.to_string()))?;
        Ok(Some(Self {
            issuer,
            not_after,
            certificate,
        }))
    }

    pub(super) fn pem(&self) -> String {
        certificate::pem([&self.certificate])
    }

    /// Writes a new one to a folder that has none.
    pub(super) fn store(&self, folder: &Path) -> Result<(), Failure> {
        let key = Zeroizing::new(self.issuer.key().serialize_pem());
        let key_path = folder.join(KEY);
        let path = folder.join(CERTIFICATE);
        files::create(&key_path, key.as_bytes(), Readers::Owner)
            .map_err(|error| failed(&key_path, &error))?;
        files::create(&path, self.pem().as_bytes(), Readers::Everyone)
            .map_err(|error| failed(&path, &error))
    }
}

/// With the key of an authority one can be any server to those that trust it.
#[cfg(unix)]
fn check_readers(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::metadata(path).map_err(|error| failed(path, &error))?;
    let mode = metadata.permissions().mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(Failure::usage(format!(
            "{}: others may read or write it (mode {:03o}); chmod 600 it, or make a new authority \
             if they have",
            path.display(),
            mode & 0o777
        ))),
    }
}

#[cfg(not(unix))]
fn check_readers(_: &Path) -> Result<(), Failure> {
    Ok(())
}

/// Whether there is something; also a link that leads nowhere.
pub(super) fn is_there(path: &Path) -> Result<bool, Failure> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path, &error)),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| failed(path, &error))
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
