//! A connection as two halves that share no lock, but for another handshake before TLS 1.3.
//!
//! The reading half leaves control work (the answer to a KeyUpdate, an alert) in the core's
//! mailbox; the writing half does it with its next write or flush.

mod io;
mod lock;
mod meeting;
#[cfg(all(test, portcullis_loom))]
mod model;
mod read_half;
mod renegotiation;
mod socket;
mod write_half;

use std::sync::{Arc, Mutex};

pub use self::io::SplitIo;
pub use self::lock::Locked;
use self::meeting::Meeting;
pub use self::read_half::ReadHalf;
use self::read_half::ReadParts;
pub use self::write_half::WriteHalf;
use self::write_half::WriteParts;
use crate::authentication::Authentication;
use crate::environment::Member;
use crate::error::Error;
use crate::hibernation::Parking;
use crate::last_words::Bequest;
use crate::stream::{Parts, TlsStream};
use crate::sync::{OnceLock, WakerCell};
use crate::wakers::Task;

/// What the halves know of each other besides the core's mailbox.
#[derive(Debug, Default)]
struct Shared {
    /// The task that waits in [`WriteHalf::serve`].
    writer: WakerCell,
    /// The task that waits for messages; a failed write ends its wait.
    reader: WakerCell,
    write_failure: OnceLock<Error>,
    /// Set when nothing more is read.
    read_end: OnceLock<()>,
    /// The writing half's cipher between two writes, if they hibernate.
    parking: Option<Box<Parking>>,
    /// Touched only when a half is dropped.
    bequest: Mutex<Bequest>,
    /// Where they meet to renegotiate, if they may.
    meeting: Option<Box<Meeting>>,
    /// There if the client may be asked for a certificate.
    authentication: Option<Authentication>,
    /// In an environment: until both are gone.
    member: Option<Member>,
}

/// Why a half has its parts: `reunite` consumes it.
const REUNITED: &str = "parts are taken only by a reunion, which consumes the half";

/// Halves that are not of one connection.
pub struct ReuniteError<IO: SplitIo>(pub Box<(ReadHalf<IO>, WriteHalf<IO>)>);

impl<IO: SplitIo> std::fmt::Display for ReuniteError<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the halves are not of one connection")
    }
}

impl<IO: SplitIo> std::error::Error for ReuniteError<IO> {}

impl<IO: SplitIo> TlsStream<IO> {
    /// Takes the connection apart into halves that can be used by two tasks.
    ///
    /// Another handshake, before TLS 1.3, needs both directions at once, so where the configuration
    /// [allows it](crate::config::Renegotiation) the halves meet for it: the reading half runs it,
    /// and the writing half has to be polled meanwhile, by a write, a flush, or
    /// [`serve`](WriteHalf::serve). If that does not happen in the time of a handshake, what the peer
    /// has asked for is declined. One that is under way goes on. A write whose key is to be replaced waits up to
    /// 100 ms for the reading half to be polled; then the key is used up.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (client, mut server) = connected().await;
    /// let (mut read, mut write) = client.into_split();
    /// let writing = tokio::spawn(async move {
    ///     write.write_all(b"ping").await?;
    ///     write.flush().await?;
    ///     Ok::<_, std::io::Error>(write)
    /// });
    /// # server.recv(4).await?;
    /// # server.send(&[b"pong"]).await?;
    /// let mut answer = [0; 4];
    /// read.read_exact(&mut answer).await?;
    /// let stream = read.reunite(writing.await??)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split(self) -> (ReadHalf<IO>, WriteHalf<IO>) {
        let Parts {
            io,
            mut read,
            mut write,
            information,
            hibernation,
        } = self.into_parts();
        let member = read.leave();
        let meeting = match read.renegotiation_limit() {
            Some(limit) => Some(Box::new(Meeting::new(write.is_renegotiating(), limit))),
            None => {
                read.decline_renegotiations();
                None
            }
        };
        write.reader = Task::NONE;
        let (read_io, write_io) = io.split_io();
        let shared = Arc::new(Shared {
            parking: hibernation.is_on().then(Box::default),
            meeting,
            authentication: read.authentication().cloned(),
            member,
            ..Shared::default()
        });
        let reading = ReadHalf {
            parts: Some(ReadParts {
                io: read_io,
                read,
                hibernation,
            }),
            information: information.clone(),
            shared: shared.clone(),
        };
        let writing = WriteHalf {
            parts: Some(WriteParts {
                io: write_io,
                write,
            }),
            information,
            shared,
        };
        (reading, writing)
    }
}

impl<IO: SplitIo> std::fmt::Debug for ReuniteError<IO> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ReuniteError").field(&self.0).finish()
    }
}
