//! `portcullis cert`: certificates for development, never for the world; what is in one, and what it is worth.

mod authority;
mod bundle;
mod dev;
mod fingerprint;
mod key_password;
mod names;
mod p12;
mod show;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;

pub(crate) use bundle::issued;
pub(crate) use dev::Leaf;
pub(crate) use key_password::{KeyPassword, about_files};
pub(crate) use show::read;

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Make a certificate for development, signed by an authority of its own.
    Dev(dev::Dev),
    /// Show what is in certificates: those of a file, or those of a server.
    Show(Box<show::Show>),
    /// Say whether a chain is trusted, and the way to its authority.
    Verify(Box<verify::Verify>),
    /// Print hashes of certificates, or of their public keys.
    Fingerprint(fingerprint::Fingerprint),
    /// Put a chain in order, and complete it from certificates of authorities.
    Bundle(bundle::Bundle),
    /// Read and make files of PKCS#12: a key and its certificates with a password.
    P12(p12::P12),
}

impl Cert {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Dev(dev) => dev.run(),
            Self::Show(show) => show.run().await,
            Self::Verify(verify) => verify.run().await,
            Self::Fingerprint(fingerprint) => fingerprint.run(),
            Self::Bundle(bundle) => bundle.run(),
            Self::P12(p12) => p12.run(),
        }
    }
}
