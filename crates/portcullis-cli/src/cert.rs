//! `portcullis cert`: certificates for development, never for the world.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Make an authority and a certificate signed by it.
    Dev(Dev),
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Host names and IP addresses the certificate is for.
    #[arg(default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()])]
    names: Vec<String>,
    /// Where to write ca.pem, cert.pem and key.pem.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

impl Cert {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Self::Dev(dev) = self;
        let made = Development::new(&dev.names)?;
        let write = |name: &str, text: &str| write(&dev.out.join(name), text, dev.force);
        fs::create_dir_all(&dev.out)
            .map_err(|error| Failure::usage(format!("{}: {error}", dev.out.display())))?;
        write("ca.pem", &made.authority)?;
        write("cert.pem", &made.leaf)?;
        write("key.pem", &made.key)?;
        println!(
            "{}: ca.pem (to trust), cert.pem and key.pem (for the server)",
            dev.out.display()
        );
        Ok(())
    }
}

/// Writes a file that only its owner may read.
///
/// What is replaced is replaced whole, by rename: an old file keeps neither its mode nor a reader
/// that has it open, and a symbolic link is not followed.
fn write(path: &Path, text: &str, replace: bool) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists if !replace => Failure::usage(format!(
            "{} is there already; use --force to replace it",
            path.display()
        )),
        _ => Failure::usage(format!("{}: {error}", path.display())),
    };
    if !replace {
        return create(path, text).map_err(failed);
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    create(&fresh, text).map_err(failed)?;
    fs::rename(&fresh, path).map_err(|error| {
        // The failure to rename is what is told.
        let _ = fs::remove_file(&fresh);
        failed(error)
    })
}

/// Makes a file that was not there; a symbolic link counts as there.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)?.write_all(text.as_bytes())
}

/// An authority and a leaf, as PEM. The authority's key is thrown away.
pub(crate) struct Development {
    pub(crate) authority: String,
    pub(crate) leaf: String,
    pub(crate) key: String,
}

impl Development {
    /// Makes both for these names.
    pub(crate) fn new(names: &[String]) -> Result<Self, Failure> {
        let made = || -> Result<Self, rcgen::Error> {
            let mut authority = CertificateParams::default();
            authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            authority
                .distinguished_name
                .push(DnType::CommonName, "portcullis development authority");
            let authority_key = KeyPair::generate()?;
            let authority_pem = authority.self_signed(&authority_key)?.pem();
            let issuer = Issuer::new(authority, authority_key);

            let mut leaf = CertificateParams::new(names)?;
            leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            leaf.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
            let key = KeyPair::generate()?;
            let leaf = leaf.signed_by(&key, &issuer)?.pem();
            Ok(Self {
                authority: authority_pem,
                leaf,
                key: key.serialize_pem(),
            })
        };
        made().map_err(|error| {
            Failure::usage(format!(
                "a certificate for {names:?} cannot be made: {error}"
            ))
        })
    }
}
