//! `portcullis cert`: certificates for development, never for the world; and what is in one.

mod authority;
mod dev;
mod names;
mod show;

use clap::Subcommand;

use crate::failure::Failure;

pub(crate) use dev::Leaf;

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
