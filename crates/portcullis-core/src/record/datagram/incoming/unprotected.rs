//! What is in the clear while keys come, which anybody can have sent (RFC 9147 §4.5.2, §11).
//!
//! So nothing wrong in it ends a handshake: it is dropped and counted, unless
//! [`dangerous_trust_unprotected`](super::super::DatagramOptions::dangerous_trust_unprotected) is on.

use super::{Incoming, MOST_ALERTS, keep_dropped};
use crate::error::{Abort, Reason};
use crate::record::alert;
use crate::record::datagram::{Discarded, Fault};
use crate::record::stream::Message;
use crate::role::Role;
use crate::violation::Violation;
use crate::wire::{Ack, ContentType, FragmentHeader, RecordNumber};

impl Incoming {
    /// What is not protected is taken for the peer's.
    pub(crate) const fn trust_unprotected(&mut self) {
        self.trusts_unprotected = true;
    }

    /// Of a fault in what anybody can have sent.
    const fn unprotected(&self, violation: Violation, why: Discarded) -> Fault {
        match self.trusts_unprotected {
            true => Fault::Abort(Abort(Reason::Violation(violation))),
            false => Fault::Discard(why),
        }
    }

    /// What anybody can have sent.
    pub(super) fn on_plain(
        &mut self,
        typ: ContentType,
        sequence: u64,
        content: &[u8],
    ) -> Result<(), Fault> {
        let was_protected = self.epochs.current() > 0;
        match typ {
            ContentType::HANDSHAKE => self.on_plain_handshake(sequence, content),
            ContentType::CHANGE_CIPHER_SPEC if content != [1] => {
                let violation = Violation::MalformedChangeCipherSpec;
                Err(self.unprotected(violation, Discarded::ChangeCipherSpec))
            }
            ContentType::CHANGE_CIPHER_SPEC => Err(Discarded::ChangeCipherSpec.into()),
            ContentType::ALERT if was_protected => Err(Discarded::UnprotectedAfterKeys.into()),
            // A peer that refuses the hello cannot say so otherwise.
            ContentType::ALERT => {
                let alert = alert::decode(content).map_err(|_| Discarded::UnprotectedFault)?;
                if self.alerts.len() >= MOST_ALERTS || !self.counts_warning(alert.level) {
                    return Err(Discarded::UnprotectedFault.into());
                }
                self.alerts.push_back(Message::Alert {
                    level: alert.level,
                    description: alert.description,
                });
                Ok(())
            }
            // It may name parts of a ServerHello (§7; wolfSSL's client sends it). Nobody has
            // sealed it: if it were heeded, one datagram of a stranger would keep this side from sending again
            // what was lost, and the handshake would not end. Without it some bytes come twice.
            ContentType::ACK if !self.trusts_unprotected => Err(Discarded::UnprotectedFault.into()),
            ContentType::ACK => self.on_plain_acknowledgement(content),
            ContentType::APPLICATION_DATA => {
                let violation = Violation::ApplicationDataTooEarly;
                Err(self.unprotected(violation, Discarded::UnprotectedFault))
            }
            _ => Err(Discarded::UnprotectedFault.into()),
        }
    }

    /// Where it counts: once the version is known, and of what is not protected either.
    fn on_plain_acknowledgement(&mut self, content: &[u8]) -> Result<(), Fault> {
        let ack = Ack::decode(content).map_err(|_| Violation::MalformedAck)?;
        if ack.record_numbers.iter().any(|number| number.epoch > 0) {
            return Err(Violation::MalformedAck.into());
        }
        match self.reassembly.is_old(0) {
            true => self.on_acknowledgement(0, content),
            false => Ok(()),
        }
    }

    fn on_plain_handshake(&mut self, sequence: u64, content: &[u8]) -> Result<(), Fault> {
        let mut rest = content;
        if rest.is_empty() {
            return Err(Discarded::UnprotectedFault.into());
        }
        let is_over = self.epochs.newest() > 0;
        let mut dropped = None;
        while !rest.is_empty() {
            let split = FragmentHeader::split(rest).map_err(|_| {
                self.unprotected(Violation::MalformedFragment, Discarded::UnprotectedFault)
            })?;
            let (header, fragment, behind) = split;
            rest = behind;
            let is_old = self.reassembly.is_old(header.message_seq);
            let put = if is_over && !is_old {
                let violation = Violation::MessageInOldEpoch;
                Err(self.unprotected(violation, Discarded::UnprotectedAfterKeys))
            } else if self.trusts_unprotected && self.reassembly.contradicts(header) {
                Err(Violation::FragmentContradictsMessage.into())
            } else {
                self.put(0, header, fragment)
            };
            keep_dropped(put, &mut dropped)?;
        }
        if let Some(why) = dropped {
            return Err(why.into());
        }
        // A hello that comes again comes from a client that has no keys to read an ACK with, or from anybody.
        if self.role == Role::Client {
            self.notes.arrived(RecordNumber {
                epoch: 0,
                sequence_number: sequence,
            });
        }
        Ok(())
    }
}
