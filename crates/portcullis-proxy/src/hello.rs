//! Reading a hello that may not be answered here: to its last byte, and every byte is kept.

use portcullis::{AlertDescription, ClientHelloView, Peek};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};

use crate::config::Timeouts;
use crate::meter::Outcome;
use crate::stream::Plain;

/// So many bytes are looked at one by one, if they come so.
const FIRST: usize = 64;
/// What is read at once.
const CHUNK: usize = 4_096;

/// A hello, and all that was read for it.
pub(crate) struct Hello {
    pub(crate) view: ClientHelloView,
    /// What came behind the hello as well, as early data does.
    pub(crate) read: Vec<u8>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHello {
    Silent,
    Slow,
    Closed,
    Broken,
    NotTls,
    Malformed,
}

impl NoHello {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Silent => "the client said nothing in time",
            Self::Slow => "the hello was not whole in time",
            Self::Closed => "the client closed before its hello was whole",
            Self::Broken => "the connection broke before the hello was whole",
            Self::NotTls => "the client does not speak TLS",
            Self::Malformed => "this is no hello, or it is longer than 64 KiB",
        }
    }

    /// What the client is told; `None` if it would not understand, or is not there.
    pub(crate) const fn alert(self) -> Option<AlertDescription> {
        match self {
            Self::Silent | Self::Slow | Self::Closed | Self::Broken | Self::NotTls => None,
            Self::Malformed => Some(AlertDescription::DECODE_ERROR),
        }
    }

    /// Health checks and scanners connect and go, or say something else: nobody's handshake has failed.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Silent | Self::Closed | Self::Broken | Self::NotTls => Outcome::Probe,
            Self::Slow | Self::Malformed => Outcome::Handshake,
        }
    }
}

/// Reads until the hello is whole.
///
/// # Cancel safety
/// Dropped, what was read is lost.
pub(crate) async fn read(io: &mut Plain, times: &Timeouts) -> Result<Hello, NoHello> {
    let began = Instant::now();
    let mut read = Vec::with_capacity(CHUNK);
    loop {
        let missing = match ClientHelloView::peek(&read) {
            Peek::Hello(view) => return Ok(Hello { view, read }),
            Peek::More { at_least } => at_least,
            Peek::NotTls => return Err(NoHello::NotTls),
            Peek::Malformed => return Err(NoHello::Malformed),
        };
        // What it cannot be shows in the first bytes; beyond them it is looked at no more often than it takes.
        let whole = match read.len() < FIRST {
            true => read.len() + 1,
            false => read.len() + missing,
        };
        while read.len() < whole {
            let (limit, late) = match read.is_empty() {
                true => (times.first_byte.min(times.handshake), NoHello::Silent),
                false => (times.handshake, NoHello::Slow),
            };
            read.reserve(CHUNK);
            match timeout_at(began + limit, io.read_buf(&mut read)).await {
                Err(_) => return Err(late),
                Ok(Err(_)) => return Err(NoHello::Broken),
                Ok(Ok(0)) => return Err(NoHello::Closed),
                Ok(Ok(_)) => {}
            }
        }
    }
}
