//! `portcullis cert`: certificates for development, never for the world; and what is in one.

mod authority;
mod dev;
mod names;
mod show;

use std::path::Path;

use clap::Subcommand;
use portcullis::{Identity, Misuse};

use crate::failure::Failure;

pub(crate) use dev::Leaf;
pub(crate) use show::read;

/// What `--cert` and `--key` name; without a key it is in the file of the certificates.
pub(crate) fn identity(cert: &Path, key: Option<&Path>) -> Result<Identity, Misuse> {
    match key {
        Some(key) => Identity::from_pem_files(cert, key),
        None => Identity::from_pem_file(cert),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Make a certificate for development, signed by an authority of its own.
    Dev(dev::Dev),
    /// Show what is in certificates: those of a file, or those of a server.
    Show(Box<show::Show>),
}

impl Cert {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Dev(dev) => dev.run(),
            Self::Show(show) => show.run().await,
        }
    }
}
