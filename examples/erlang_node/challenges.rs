//! The challenges that are being answered, and those that are no honest node's.
//!
//! What answers a challenge is the same from either side: the MD5 of cookie and challenge. So a node without the
//! cookie could have ours answer its own challenge, on another connection. [`Challenges`] has those that wait for
//! an answer; who is asked one of them is asked by somebody who has it from us.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

/// As many bytes of a frame tell its challenge.
const HEAD: usize = 13;

/// Challenges of a node, on all of its connections, that wait for an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Challenges(Arc<Mutex<HashSet<u32>>>);

impl Challenges {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which part a node has in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Those of one handshake. Dropped, they wait no longer.
#[derive(Debug)]
pub(crate) struct Watch {
    all: Challenges,
    side: Side,
    own: Vec<u32>,
    /// What the frame that is coming begins with.
    head: Vec<u8>,
}

impl Watch {
    pub(crate) fn new(all: Challenges, side: Side) -> Self {
        Self {
            all,
            side,
            own: Vec::new(),
            head: Vec::new(),
        }
    }

    /// Enters the challenge of a frame that is sent.
    pub(crate) fn sent(&mut self, frame: &[u8]) {
        if let Some(challenge) = challenge(frame, self.side) {
            self.all.locked().insert(challenge);
            self.own.push(challenge);
        }
    }

    /// Looks at the next bytes of a frame that comes to a client. A server answers nobody who has not answered.
    ///
    /// # Errors
    /// When its challenge is one of ours.
    pub(crate) fn comes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.side == Side::Server {
            return Ok(());
        }
        let missing = HEAD - self.head.len();
        self.head.extend(bytes.iter().take(missing));
        match challenge(&self.head, Side::Server) {
            Some(challenge) if self.all.locked().contains(&challenge) => Err(io::Error::new(
                ErrorKind::PermissionDenied,
                "the challenge is one of our own, which somebody without the cookie wants answered",
            )),
            _ => Ok(()),
        }
    }

    /// The frame that came is at its end.
    pub(crate) fn came(&mut self) {
        self.head.clear();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut all = self.all.locked();
        for challenge in &self.own {
            all.remove(challenge);
        }
    }
}

/// The challenge in a frame from this side: of `N` and `n`, with which a server asks, and of `r`, with which a
/// client answers and asks back. The `N` of a client is its name.
fn challenge(frame: &[u8], from: Side) -> Option<u32> {
    let at = match (frame.first()?, from) {
        (b'N', Side::Server) => 9,
        (b'n', Side::Server) => 7,
        (b'r', Side::Client) => 1,
        _ => return None,
    };
    let bytes = frame.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}
