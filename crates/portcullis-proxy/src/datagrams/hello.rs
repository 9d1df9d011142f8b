//! A client whose DTLS is passed on: its hello is read, and not answered.
//!
//! The server behind asks for cookies, if anybody does, so an address may be forged until the client has answered something
//! that a server says only to those who have sent a cookie back.

use std::time::Duration;

use bytes::Bytes;
use portcullis::{AlertDescription, ClientHelloView, DatagramPeek, Discarded, PeekedDatagram};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::flows::Flow;

/// What is kept of a client until its hello is whole: datagrams with pieces of it, and their bytes. A hello has at most 16 KiB.
const DATAGRAMS: usize = 64;
const BYTES: usize = 32 << 10;
/// The same of what is no piece of it. More is dropped.
const OTHER_DATAGRAMS: usize = 16;
const OTHER_BYTES: usize = 16 << 10;

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
    let (mut peek, mut read) = (DatagramPeek::new(), Vec::new());
    let (mut pieces, mut others) = (
        Room::new(DATAGRAMS, BYTES),
        Room::new(OTHER_DATAGRAMS, OTHER_BYTES),
    );
    loop {
        let Ok(datagram) = timeout_at(until, flow.recv()).await else {
            return Err(NoHello::Slow);
        };
        match peek.on_datagram(&datagram) {
            PeekedDatagram::Hello(view) => {
                read.push(datagram);
                return Ok(Hello { view, read });
            }
            PeekedDatagram::More => {
                if !pieces.take(&datagram) {
                    return Err(NoHello::TooLong);
                }
                read.push(datagram);
            }
            // Anybody can have sent it, so it ends nothing. Early data may overtake its hello.
            PeekedDatagram::Dropped(why) => {
                if why != Discarded::ForeignByte && !datagram.is_empty() && others.take(&datagram) {
                    read.push(datagram);
                }
            }
        }
    }
}

/// For so many datagrams, and bytes of them.
struct Room {
    datagrams: usize,
    bytes: usize,
}

impl Room {
    const fn new(datagrams: usize, bytes: usize) -> Self {
        Self { datagrams, bytes }
    }

    /// Whether it fits.
    fn take(&mut self, datagram: &Bytes) -> bool {
        let left = self.datagrams.checked_sub(1);
        let left = left.zip(self.bytes.checked_sub(datagram.len()));
        if let Some((datagrams, bytes)) = left {
            *self = Self { datagrams, bytes };
        }
        left.is_some()
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
    /// Whether its server has said what it says to those who have sent a cookie back.
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

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::super::flows::{Beginning, Flows};
    use super::*;

    /// A record with a fragment of a hello.
    fn record(body: &[u8], from: usize, to: usize) -> Vec<u8> {
        let three = |length: usize| u32::try_from(length).unwrap().to_be_bytes()[1..].to_vec();
        let fragment = &body[from..to];
        let length = u16::try_from(12 + fragment.len()).unwrap().to_be_bytes();
        [
            &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &length,
            &[1],
            &three(body.len()),
            &[0, 0],
            &three(from),
            &three(fragment.len()),
            fragment,
        ]
        .concat()
    }

    async fn sent(datagrams: &[Vec<u8>]) -> Result<Hello, NoHello> {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut flows = Flows::new(socket, Beginning::Anything).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sending = async {
            for datagram in datagrams {
                client.send_to(datagram, address).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let reading = async {
            let mut flow = flows.accept().await.unwrap();
            read(&mut flow, Duration::from_secs(20)).await
        };
        tokio::join!(sending, reading).1
    }

    #[tokio::test]
    async fn what_is_no_piece_ends_no_hello_and_little_of_it_is_kept() {
        let random = [3; 32];
        let end = [0, 0, 0, 2, 0x13, 1, 1, 0, 0, 0];
        let body = [&[0xfe, 0xfd][..], &random, &end].concat();
        let (first, last) = (record(&body, 0, 20), record(&body, 20, body.len()));
        let sealed = vec![0x2d, 0, 1, 0, 3, 1, 2, 3];
        let mut all = vec![first.clone()];
        for _ in 0..DATAGRAMS + 20 {
            all.extend([b"no DTLS".to_vec(), Vec::new(), sealed.clone()]);
        }
        all.push(last.clone());
        let hello = sent(&all).await.unwrap();
        assert_eq!(hello.view.raw_bytes()[4..], body);
        let mut kept = vec![first.clone()];
        kept.extend(vec![sealed; OTHER_DATAGRAMS]);
        kept.push(last);
        assert_eq!(hello.read, kept);
        // Pieces have a bound.
        let pieces = vec![first; DATAGRAMS + 1];
        assert_eq!(sent(&pieces).await.err(), Some(NoHello::TooLong));
    }
}
