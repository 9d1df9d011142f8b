//! A client whose DTLS is passed on: its hello is read, and not answered.
//!
//! The server behind asks for cookies, if anybody does, so an address may be forged until the client has answered something
//! that a server says only to who has sent a cookie back.

use std::time::Duration;

use bytes::Bytes;
use portcullis::{AlertDescription, ClientHelloView, DatagramPeek, PeekedDatagram};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::flows::Flow;

/// What is kept of a client until its hello is whole: datagrams, and their bytes. A hello has at most 16 KiB.
const DATAGRAMS: usize = 64;
const BYTES: usize = 32 << 10;

/// A hello, and all that has come up to its end.
pub(super) struct Hello {
    pub(super) view: ClientHelloView,
    pub(super) read: Vec<Bytes>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHello {
    Slow,
    TooLong,
}

impl NoHello {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Slow => "the hello was not whole in time",
            Self::TooLong => "this is no hello, or it is longer than 16 KiB",
        }
    }
}

/// Reads until the hello is whole.
///
/// # Cancel safety
/// Dropped, what was read is lost.
pub(super) async fn read(flow: &mut Flow, within: Duration) -> Result<Hello, NoHello> {
    let until = Instant::now() + within;
    let (mut peek, mut read, mut bytes) = (DatagramPeek::new(), Vec::new(), 0);
    loop {
        let Ok(datagram) = timeout_at(until, flow.recv()).await else {
            return Err(NoHello::Slow);
        };
        bytes += datagram.len();
        let peeked = peek.on_datagram(&datagram);
        // Also what is no part of it: early data may overtake its hello, and what somebody else has sent the server drops.
        read.push(datagram);
        if let PeekedDatagram::Hello(view) = peeked {
            return Ok(Hello { view, read });
        }
        if read.len() >= DATAGRAMS || bytes > BYTES {
            return Err(NoHello::TooLong);
        }
    }
}

/// Tells a client that was answered nothing yet why there is no answer: a record with a fatal alert (RFC 9147 §4, §4.5.2;
/// RFC 6347 §4.1). It is shorter than any hello.
pub(super) async fn alert(flow: &Flow, description: AlertDescription) {
    let [major, minor] = [0xfe, 0xfd];
    let record = [
        21,
        major,
        minor,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        2,
        2,
        description.0,
    ];
    let _ = flow.send(&record).await;
}

/// A client whose address may be forged. It has a place of a handshake for so long.
pub(super) struct Trial {
    until: Instant,
    /// Whether its server has said what it says to who has sent a cookie back.
    is_answered: bool,
    _place: OwnedSemaphorePermit,
}

impl Trial {
    pub(super) fn new(within: Duration, place: OwnedSemaphorePermit) -> Self {
        Self {
            until: Instant::now() + within,
            is_answered: false,
            _place: place,
        }
    }

    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    pub(super) fn on_answer(&mut self, datagram: &[u8]) {
        self.is_answered |= !DatagramPeek::is_said_to_anybody(datagram);
    }

    /// Whether the client, which has said something now, has passed.
    pub(super) const fn is_over(&self) -> bool {
        self.is_answered
    }
}
