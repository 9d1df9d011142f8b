//! Peers that go on from another address: who they are says a connection id, where they are a test.
//!
//! RFC 9146 §6, RFC 9147 §11, RFC 9853. Whoever has copied a record on its way can send it from anywhere, and an
//! address in a datagram is nobody's word. So only the newest record of all says that a peer may have moved; what is
//! sent goes to the old address until something has come back from the new one that was sent there alone, and until
//! then that is no more than three times what came from there.

use std::sync::atomic::Ordering;

use portcullis_core::{Control, Monotonic};

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
    /// What is sent goes there once the peer has shown that it reads there: by RFC 9853 if both sides know of it,
    /// else by acknowledging a KeyUpdate that went there alone. A peer of DTLS 1.2 that does not know of RFC 9853 cannot
    /// show it, and is not followed. The default.
    #[default]
    Verify,
    /// What is sent goes there at once. Whoever can copy a record on its way can have it sent anywhere then, so only for
    /// where something else has proved the path, as ICE.
    Trust,
    /// What is sent goes where it went.
    Refuse,
}

/// How long an answer from another address is waited for, before it is asked anew.
const TRIAL: std::time::Duration = std::time::Duration::from_secs(1);
/// How many bytes go to an address that is not proved, for each that has come from there (RFC 9853 §5).
const AMPLIFICATION: usize = 3;

/// Of an association.
#[derive(Debug, Default)]
pub(super) struct Moves {
    policy: Migration,
    trial: Option<Trial>,
    pub(super) moved: u64,
    pub(super) refused: u64,
}

/// Whether the peer reads there.
#[derive(Debug)]
struct Trial {
    path: Path,
    proof: Proof,
    until: Monotonic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// A challenge with this cookie went there.
    Cookie([u8; 8]),
    /// A KeyUpdate did.
    KeyUpdate,
}

impl Moves {
    pub(super) fn new(policy: Migration) -> Self {
        Self {
            policy,
            ..Self::default()
        }
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
    ) -> bool {
        if let Some(cookie) = seen.challenge {
            self.answer(cookie, from);
        }
        if from.peer == self.path().peer {
            if seen.is_newest {
                // It is where it was.
                lock(&self.moves).trial = None;
            }
            return false;
        }
        let mut moves = lock(&self.moves);
        let moves = &mut *moves;
        let has_moved = match moves.policy {
            Migration::Refuse => {
                moves.refused += u64::from(seen.is_newest);
                false
            }
            Migration::Trust => seen.is_newest,
            Migration::Verify => {
                let there = moves.trial.take_if(|trial| trial.path.peer == from.peer);
                let there = there.filter(|trial| trial.until > now);
                match there {
                    Some(trial) if self.has_proved(trial.proof, seen, now) => true,
                    Some(trial) => {
                        moves.trial = Some(trial);
                        false
                    }
                    // Of several the newest counts.
                    None if seen.is_newest => {
                        moves.trial = self.try_path(from, length, now);
                        moves.refused += u64::from(moves.trial.is_none());
                        false
                    }
                    None => false,
                }
            }
        };
        if has_moved {
            moves.trial = None;
            moves.moved += 1;
            self.set_path(from);
            // RFC 9147 §9: nobody is to see that it is the same connection.
            let _none_left = self.with_writer(|writer| writer.use_next_connection_id());
        }
        has_moved
    }

    fn has_proved(&self, proof: Proof, seen: &Seen, now: Monotonic) -> bool {
        match proof {
            Proof::Cookie(cookie) => seen.response == Some(cookie),
            Proof::KeyUpdate => {
                let is_alone = self.went_alone.load(Ordering::Acquire);
                let was_acknowledged = self.is_acknowledged();
                // Takes in what has come.
                let _deadline = self.control(now);
                is_alone && !was_acknowledged && self.is_acknowledged()
            }
        }
    }

    /// Sends something there that only who reads there can answer.
    fn try_path(&self, to: Path, length: usize, now: Monotonic) -> Option<Trial> {
        let mut scratch = Scratch::take();
        let challenge = self.with_writer(|writer| writer.path_challenge(&mut scratch));
        let (proof, datagram) = match challenge {
            Ok(Ok((cookie, length))) => (Proof::Cookie(cookie), scratch.get(..length)?.to_vec()),
            // Not agreed on.
            Ok(Err(_)) => (Proof::KeyUpdate, self.key_update_alone(now)?),
            Err(_) => return None,
        };
        if datagram.len() > length.saturating_mul(AMPLIFICATION) {
            return None;
        }
        let _lost = self.endpoint.link.try_send(&to, &datagram, None);
        Some(Trial {
            path: to,
            proof,
            until: Monotonic(now.0.saturating_add(TRIAL)),
        })
    }

    /// A KeyUpdate, which is sent nowhere else until it is sent again; `None` where there is none, or something else
    /// is under way, of which nobody could tell what was answered.
    fn key_update_alone(&self, now: Monotonic) -> Option<Vec<u8>> {
        let _deadline = self.control(now);
        if !self.is_acknowledged() {
            return None;
        }
        let mut scratch = Scratch::take();
        let sealed = self.with_writer(|writer| {
            writer.key_update(false)?;
            writer.poll_control(now, &mut scratch)
        });
        let Ok(Ok(Control::Transmit(length))) = sealed else {
            return None;
        };
        self.went_alone.store(true, Ordering::Release);
        scratch.get(..length).map(<[u8]>::to_vec)
    }

    fn is_acknowledged(&self) -> bool {
        let acknowledged = self.with_writer(|writer| writer.is_acknowledged());
        acknowledged.unwrap_or_default()
    }

    fn answer(&self, cookie: [u8; 8], to: Path) {
        let mut scratch = Scratch::take();
        let sealed = self.with_writer(|writer| writer.path_response(cookie, &mut scratch));
        if let Ok(Ok(length)) = sealed {
            let datagram = scratch.get(..length).unwrap_or_default();
            let _lost = self.endpoint.link.try_send(&to, datagram, None);
        }
    }
}
