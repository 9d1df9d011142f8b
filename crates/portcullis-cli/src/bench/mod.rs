//! `portcullis bench`: what a TLS server bears, and what this client needs for it.
//!
//! Every mode is a [`Work`](work::Work) that slots repeat: [`engine`] runs them on as many threads as are wanted and keeps
//! time, [`meter`] counts, [`results`] says what came of it. [`hold`] keeps connections and repeats nothing.

mod dialer;
mod engine;
mod handshake;
mod hold;
mod meter;
mod pingpong;
mod plain;
pub(crate) mod process;
mod results;
mod serve;
mod settings;
mod throughput;
mod work;

use clap::Subcommand;

use crate::failure::Failure;

/// Measures a TLS server.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Connections from the first packet to the close, full, resumed or with early data.
    Handshake(handshake::Handshake),
    /// Bytes in one direction or in both.
    Throughput(throughput::Throughput),
    /// Messages that come back.
    Pingpong(pingpong::Pingpong),
    /// Opens connections and keeps them.
    Hold(hold::Hold),
    /// A server to measure, which echoes, throws away, or sends without end.
    Serve(serve::Serve),
}

impl Bench {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Handshake(handshake) => handshake.run().await,
            Self::Throughput(throughput) => throughput.run().await,
            Self::Pingpong(pingpong) => pingpong.run().await,
            Self::Hold(hold) => hold.run().await,
            Self::Serve(serve) => serve.run().await,
        }
    }
}
