//! Peers that go on from another address: who they are says a connection id, where they are a test.
//!
//! RFC 9146 §6, RFC 9147 §11, RFC 9853. Whoever has copied a record on its way can send it from anywhere, and an
//! address in a datagram is nobody's word. So only the newest record of all says that a peer may have moved; what is
//! sent goes to the old address until something has come back from the new one that was sent there alone, and until
//! then that is no more than three times what came from there.

use std::net::SocketAddr;

use portcullis_core::{DatagramWriter, Handshake, Monotonic};

use super::association::{Association, Seen};
use super::link::Path;
use super::lock;
use crate::scratch::Scratch;

/// What becomes of a connection whose peer sends from another address. Only a peer with a connection id can
/// ([`DtlsOptions::connection_ids`](crate::DtlsOptions::connection_ids)): others are not known there.
///
/// Messages from there are received in any case: they are the peer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migration {
    /// What is sent goes there once the peer has shown that it reads there (RFC 9853). A peer that does not know of that
    /// cannot show it, and is not followed. The default.
    #[default]
    Verify,
    /// What is sent goes there at once. Whoever can copy a record on its way can have it sent anywhere then, so only for
    /// where something else has proved the path, as ICE.
    Trust,
    /// What is sent goes where it went.
    Refuse,
}

/// How long an answer from another address is waited for, before it is asked anew (RFC 9853 §5.5).
const TRIAL: std::time::Duration = std::time::Duration::from_secs(1);
/// How many challenges of an address may be answered: the newest, and those before it, for paths that are slower.
const CHALLENGES: usize = 4;
/// How many bytes go to an address that is not proved, for each that has come from there (RFC 9853 §5).
const AMPLIFICATION: usize = 3;

/// Of an association.
#[derive(Debug, Default)]
pub(super) struct Moves {
    trial: Option<Box<Trial>>,
    pub(super) moved: u64,
    pub(super) refused: u64,
}

/// Whether the peer reads there.
#[derive(Debug)]
struct Trial {
    peer: SocketAddr,
    /// Challenges that went there, the newest first, and by which address of this host each did: what an answer proves is
    /// the way of the question, wherever it has come to itself.
    challenges: Vec<([u8; 8], Path)>,
    /// When another one may be sent.
    again: Monotonic,
}

impl Trial {
    /// The way that a challenge went which was answered.
    fn proved(&self, seen: &Seen) -> Option<Path> {
        let response = seen.response?;
        let mut challenges = self.challenges.iter();
        let answered = challenges.find(|(cookie, _)| *cookie == response);
        answered.map(|(_, path)| *path)
    }
}

/// Who seals what is said about paths.
pub(super) enum Sealer<'a> {
    /// The connection's writer.
    Writer,
    /// The handshake that goes on with the connection.
    Handshake(&'a mut Handshake),
}

impl Sealer<'_> {
    fn challenge(&mut self, of: &Association, out: &mut [u8]) -> Option<([u8; 8], usize)> {
        match self {
            Self::Writer => of.with_writer(|writer| writer.path_challenge(out)).ok()?,
            Self::Handshake(handshake) => handshake.path_challenge(out),
        }
        .ok()
    }

    fn response(&mut self, of: &Association, cookie: [u8; 8], out: &mut [u8]) -> Option<usize> {
        let respond = |writer: &mut DatagramWriter| writer.path_response(cookie, out);
        match self {
            Self::Writer => of.with_writer(respond).ok()?,
            Self::Handshake(handshake) => handshake.path_response(cookie, out),
        }
        .ok()
    }
}

impl Association {
    /// Something has come from `from`, `length` bytes. Whether the peer is there from here on.
    pub(super) fn heard_from(
        &self,
        from: Path,
        length: usize,
        seen: &Seen,
        now: Monotonic,
        mut sealer: Sealer<'_>,
    ) -> bool {
        if let Some(cookie) = seen.challenge {
            self.answer(cookie, from, &mut sealer);
        }
        if from.peer == self.path().peer {
            if seen.is_newest
                && let Some(moves) = &mut *lock(&self.moves)
            {
                // It is where it was.
                moves.trial = None;
            }
            return false;
        }
        let mut moves = lock(&self.moves);
        let moves = moves.get_or_insert_default();
        let moved_to = match self.migration {
            Migration::Refuse => {
                moves.refused += u64::from(seen.is_newest);
                None
            }
            Migration::Trust => seen.is_newest.then_some(from),
            Migration::Verify => {
                let there = moves.trial.take_if(|trial| trial.peer == from.peer);
                let proved = there.as_ref().and_then(|trial| trial.proved(seen));
                match there {
                    _ if proved.is_some() => proved,
                    Some(trial) if trial.again > now || !seen.is_newest => {
                        moves.trial = Some(trial);
                        None
                    }
                    // Of several the newest counts.
                    there if seen.is_newest => {
                        let before = there.map(|trial| trial.challenges);
                        let before = before.unwrap_or_default();
                        let trial = self.try_path((from, length), before, now, &mut sealer);
                        moves.refused += u64::from(trial.is_none());
                        moves.trial = trial.or(moves.trial.take());
                        None
                    }
                    _ => None,
                }
            }
        };
        if let Some(to) = moved_to {
            moves.trial = None;
            moves.moved += 1;
            self.set_path(to);
            // RFC 9147 §9: nobody is to see that it is the same connection.
            let _none_left = self.with_writer(|writer| writer.use_next_connection_id());
        }
        moved_to.is_some()
    }

    /// Sends a challenge there, which only those who read there can answer; `None` if that is not agreed on. What the peer
    /// could foresee, as the number of a record that it acknowledges, would prove nothing.
    fn try_path(
        &self,
        (to, length): (Path, usize),
        mut challenges: Vec<([u8; 8], Path)>,
        now: Monotonic,
        sealer: &mut Sealer<'_>,
    ) -> Option<Box<Trial>> {
        let mut scratch = Scratch::take();
        let (cookie, sealed) = sealer.challenge(self, &mut scratch)?;
        if sealed > length.saturating_mul(AMPLIFICATION) {
            return None;
        }
        let datagram = scratch.get(..sealed)?;
        let _lost = self.endpoint.link.try_send(&to, datagram, None);
        challenges.insert(0, (cookie, to));
        challenges.truncate(CHALLENGES);
        Some(Box::new(Trial {
            peer: to.peer,
            challenges,
            again: Monotonic(now.0.saturating_add(TRIAL)),
        }))
    }

    fn answer(&self, cookie: [u8; 8], to: Path, sealer: &mut Sealer<'_>) {
        let mut scratch = Scratch::take();
        if let Some(length) = sealer.response(self, cookie, &mut scratch) {
            let datagram = scratch.get(..length).unwrap_or_default();
            let _lost = self.endpoint.link.try_send(&to, datagram, None);
        }
    }
}
