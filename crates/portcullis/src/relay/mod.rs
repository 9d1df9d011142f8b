//! Two connections joined: what one says, the other is told, until both have ended.
//!
//! Between two polls a relay owns its two streams and nothing else: bytes go through an area of the thread
//! (`scratch.rs`), and only what an end refuses is kept. [`way`] moves the bytes of one direction, [`drive`] decides
//! what the end of one means for the other; RFC 8446 §6.1 says what an end is.

mod drive;
mod end;
mod options;
mod way;

pub use drive::Relay;
pub use end::RelayEnd;
pub use options::{RelayMemory, RelayOptions};

use std::io;

use portcullis_core::{Direction, Stage};

use crate::error::Error;

/// Moves bytes both ways until both directions have ended. Holds no memory while it waits.
///
/// An end is mirrored, never invented:
///
/// | what one end does | what the other is told | the way back |
/// |---|---|---|
/// | ends: TLS by close_notify, others by FIN | all that came, then the same end, in its own manner | goes on, until its own end, or for [`half_close`](RelayOptions::half_close) without a byte |
/// | TLS: its transport ends without close_notify | all that came, then a cut: whoever reads shall not take a part for the whole. With [`EofPolicy::Lenient`](crate::EofPolicy::Lenient) it is an end | over, and cut |
/// | is reset, or fails, before it has ended | what it takes at once, then a cut | over |
/// | the same after it has ended | all that came, and the end | is read and forgotten for as long, and up to [`discard`](RelayOptions::discard) bytes, so that nobody is reset over data that was accepted |
/// | TLS: sends a fatal alert, or breaks a rule and is sent one | what it takes at once, then a cut | over |
/// | takes no byte for [`stall`](RelayOptions::stall) while some wait | a cut of both | over |
/// | neither moves a byte for [`idle`](RelayOptions::idle) | a cut of both | over |
///
/// A cut is no close_notify, and over TCP a reset. Other transports have none: there a cut is a close, which can be told
/// from an end only where TLS is spoken. An end that was told all, its end included, is closed and not cut.
///
/// "All that came" is what the system had of an end when it was read last, and the other end's system has taken. On Linux a
/// cut of a TCP socket, because the other end was cut short or has failed, waits until the system has sent that, for at most
/// [`stall`](RelayOptions::stall); elsewhere, and for all other reasons, a reset discards what was taken and not sent yet. What
/// was sent and lost on the way is not sent again. Not passed on is what comes of an end while the other one takes nothing,
/// and what was left unread when a limit was reached.
///
/// It reads up to 64 KiB at once while both ends keep up, 16 KiB as long as one does not, and reads nothing while something
/// waits that the other end has refused. In one poll each direction has 8 turns at most. Where a TLS stream is an end, its
/// KeyUpdates, tickets and alerts are seen to as ever. Both streams are one task's.
///
/// ```
/// use portcullis::{RelayOptions, relay};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (mut client, accepted) = connected().await;
/// # let (backend, mut server) = tokio::io::duplex(4096);
/// // TLS at one end, plain text at the other.
/// let proxied = tokio::spawn(relay(accepted, backend, RelayOptions::new()));
/// client.write_all(b"hello").await?;
/// client.shutdown().await?;
///
/// let mut text = String::new();
/// server.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// server.write_all(b"good-bye").await?;
/// drop(server);
///
/// let outcome = proxied.await?;
/// assert!(outcome.is_clean());
/// assert_eq!((outcome.a_to_b.bytes, outcome.b_to_a.bytes), (5, 8));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// None: how each end has ended is the [`RelayOutcome`].
///
/// # Panics
/// When it is polled in a runtime without a timer, or after it was over.
///
/// # Cancel safety
/// It can be polled anywhere and left alone at any time. Dropped before it is over, it cuts both ends, but for one that was
/// told the other's end already; [`Relay::cut`] does the same and gives the outcome.
pub fn relay<A: RelayEnd, B: RelayEnd>(a: A, b: B, options: RelayOptions) -> Relay<A, B> {
    Relay::new(a, b, options)
}

/// What a [`relay`] has moved, and how its ends have ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayOutcome {
    /// What came from the first end, and how that has ended.
    pub a_to_b: Relayed,
    /// The same of the second.
    pub b_to_a: Relayed,
}

impl RelayOutcome {
    /// Whether both ends have ended in good order, so that each knows all that the other has said; but for what came for one
    /// that had ended and gone ([`Relayed::discarded`]).
    pub fn is_clean(&self) -> bool {
        let is_clean = |way: &Relayed| matches!(way.end, HowEnded::Clean);
        is_clean(&self.a_to_b) && is_clean(&self.b_to_a)
    }
}

/// One direction of a [`relay`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Relayed {
    /// Bytes of data that the other end has taken. They need not have arrived: what a socket has taken is the system's.
    pub bytes: u64,
    /// Bytes that were read, and that nobody took.
    pub discarded: u64,
    /// What became of the end that they came from.
    pub end: HowEnded,
    /// Whether the other end was told all of it, and that this is all. If not, it was cut, unless it has heard a reason;
    /// behind a Unix socket without TLS that looks like an end.
    pub is_told: bool,
}

/// What became of one end of a [`relay`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HowEnded {
    /// It said that this is all: close_notify, or FIN where TLS is not spoken.
    Clean,
    /// Its transport ended without close_notify: data may be missing (RFC 8446 §6.1).
    Truncated,
    /// It was reset, or went away without a word while it was written to.
    Reset,
    /// It failed otherwise; of TLS with what the alert was, and who sent it.
    Failed(Error),
    /// Neither end moved a byte for [`idle`](RelayOptions::idle).
    Idle,
    /// The other end had ended, and for [`half_close`](RelayOptions::half_close) this one said nothing more.
    HalfClosed,
    /// The other end had ended and gone, and for nobody this one said more than [`discard`](RelayOptions::discard) bytes.
    Unheard,
    /// It took nothing for [`stall`](RelayOptions::stall) while bytes waited for it; or too many wait for those who take
    /// nothing, see [`RelayMemory`].
    Stalled,
    /// Nothing was wrong with it: the relay ended because of the other end, or was cut.
    Cut,
}

impl HowEnded {
    /// What an error of an end's stream says of it.
    fn of(error: io::Error) -> Self {
        let error = Error::io(error, Stage::Connected);
        if error.is_truncated() {
            return Self::Truncated;
        }
        if error.is_timeout() {
            return Self::Stalled;
        }
        match error.transport().map(io::Error::kind) {
            Some(io::ErrorKind::UnexpectedEof) => Self::Truncated,
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected,
            ) => Self::Reset,
            _ => Self::Failed(error),
        }
    }

    /// Whether it was told a reason: it is to have that, and not a reset.
    fn is_refused(&self) -> bool {
        matches!(self, Self::Failed(error) if matches!(error.alert(), Some((Direction::Sent, _))))
    }
}
