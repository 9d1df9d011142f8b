//! What a client authenticates with after the handshake, where it may be asked.
//!
//! RFC 8446 §4.6.2; RFC 9147 §5.8.4, §7.1. Messages come in the order of their numbers, however they were sent: what comes
//! out of it may not be judged before its turn.

use std::sync::Arc;

use super::Fault;
use super::epochs::WriteEpoch;
use super::reader::Reader;
use super::writer::Writer;
use crate::clock::Monotonic;
use crate::record::MAX_IDLE;
use crate::record::assembler::{HandshakeBytes, MESSAGE_HEADER};
use crate::record::post_handshake::count;
use crate::role::Role;
use crate::violation::Violation;
use crate::wire::{HandshakeType, HandshakeType as T};

/// Whether a message may be of an authentication.
pub(super) const fn is_of_authentication(typ: HandshakeType) -> bool {
    matches!(
        typ,
        T::CERTIFICATE_REQUEST
            | T::CERTIFICATE
            | T::COMPRESSED_CERTIFICATE
            | T::CERTIFICATE_VERIFY
            | T::FINISHED
    )
}

impl Reader {
    /// What may come of an authentication. Which of its messages may, is known when all before it have come: here it
    /// is whether anybody has asked.
    pub(super) fn check_authentication(&self, typ: HandshakeType) -> Result<(), Violation> {
        match (self.mail.authentication(), self.role, typ) {
            (None, Role::Client, T::CERTIFICATE_REQUEST) => {
                Err(Violation::AuthenticationNotOffered)
            }
            (Some(_), Role::Client, T::CERTIFICATE_REQUEST) => Ok(()),
            (None, ..) | (_, Role::Client, _) | (_, _, T::CERTIFICATE_REQUEST) => {
                Err(Violation::UnexpectedPostHandshakeMessage)
            }
            (Some(authentication), Role::Server, _) => match authentication.longest(T::CERTIFICATE)
            {
                // One has begun to come.
                Err(Violation::AuthenticationInterleaved) => Ok(()),
                longest => longest.map(drop),
            },
        }
    }

    /// RFC 8446 §4.6.2, when all before it has come.
    pub(super) fn on_authentication(
        &mut self,
        epoch: u16,
        message: &HandshakeBytes,
    ) -> Result<(), Fault> {
        let authentication = self.mail.authentication();
        let authentication = authentication.ok_or(Violation::UnexpectedPostHandshakeMessage)?;
        authentication.longest(message.typ())?;
        // Each costs a signature, as each KeyUpdate costs a key.
        if message.typ() == HandshakeType::CERTIFICATE_REQUEST {
            let beyond = Violation::TooManyAuthenticationRequests;
            count(&mut self.requests_seen, MAX_IDLE, beyond)?;
        }
        let secret = self.epochs.secret(epoch);
        let secret = secret.ok_or(Violation::MessageInOldEpoch)?;
        let taken = authentication.on_message(message, secret);
        self.is_authenticating = taken.map_err(Fault::Abort)?;
        // A request that is answered is not sent again.
        self.mail.authenticate();
        Ok(())
    }
}

impl Writer {
    /// §7.1: the client's certificate has come, so the request for it need not be acknowledged.
    pub(super) fn is_request_answered(&self) -> bool {
        let is_answered = || {
            self.mail
                .authentication()
                .is_some_and(|one| one.is_answered())
        };
        self.is_authenticating && is_answered()
    }

    /// What waits next, in one run (RFC 8446 §4.4), which is one flight.
    pub(super) fn send_authentication(&mut self, now: Monotonic) {
        if self.transmitter.is_in_flight() || !self.is_open() {
            return;
        }
        let mail = Arc::clone(&self.mail);
        let waiting = mail.authentication().filter(|one| one.waiting() > 0);
        let secret = self.transmitter.newest().and_then(WriteEpoch::secret);
        let Some((authentication, secret)) = waiting.zip(secret) else {
            return;
        };
        let run = authentication.take(secret);
        for message in messages(&run) {
            if let Err(abort) = self.transmitter.message(message.to_vec()) {
                self.fail(abort);
                return;
            }
        }
        self.is_authenticating = true;
        self.transmitter.end_of_flight(false, now);
    }
}

/// What only a test does.
#[cfg(test)]
impl Writer {
    /// Takes what waits next, under the keys of now, and leaves the sending to the test.
    pub(crate) fn take_authentication(&mut self) -> Vec<Vec<u8>> {
        let mail = Arc::clone(&self.mail);
        let secret = self.transmitter.newest().and_then(WriteEpoch::secret);
        let (authentication, secret) = mail.authentication().zip(secret).unwrap();
        let run = authentication.take(secret);
        messages(&run).map(<[u8]>::to_vec).collect()
    }
}

/// Of a run, each with its header of four bytes.
fn messages(mut run: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let [_, a, b, c] = *run.first_chunk()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let (message, rest) = run.split_at_checked(MESSAGE_HEADER + length)?;
        run = rest;
        Some(message)
    })
}
