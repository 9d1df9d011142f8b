//! How long datagrams may be on the path: what was said, or found out.
//!
//! RFC 9147 §4.4, RFC 9853.

use super::super::options::LEAST_MTU;
use super::Transmitter;
use crate::crypto::CryptoFailure;
use crate::error::Abort;
use crate::wire::{ContentType, PathMessageType, ReturnRoutabilityCheck};

/// What is tried when two, and when four timeouts in a row may be because of the length of datagrams.
const SMALLER: [(u8, u16); 2] = [(2, 1_024), (4, 548)];

impl Transmitter {
    pub(in super::super) fn mtu(&self) -> usize {
        self.mtu.into()
    }

    /// Seals a message about the path (RFC 9853 §4.1) under the newest keys; gives its length, or `None` where `out` is
    /// shorter.
    ///
    /// # Errors
    /// When the crypto library fails, or the key has done what it may.
    pub(in super::super) fn seal_path_message(
        &mut self,
        msg_type: PathMessageType,
        cookie: [u8; 8],
        out: &mut [u8],
    ) -> Result<Option<usize>, Abort> {
        let content = ReturnRoutabilityCheck { msg_type, cookie }.encode();
        let Some(epoch) = self.newest_mut() else {
            return Err(CryptoFailure::SealingRecord.into());
        };
        let total = epoch.record_len(content.len());
        let head = epoch.head_len();
        let Some(record) = out.get_mut(..total) else {
            return Ok(None);
        };
        if let Some(place) = record.get_mut(head..head + content.len()) {
            place.copy_from_slice(&content);
        }
        epoch.seal(ContentType::RETURN_ROUTABILITY_CHECK, content.len(), record)?;
        Ok(Some(total))
    }

    pub(in super::super) fn set_mtu(&mut self, bytes: u16) {
        self.mtu = bytes.max(LEAST_MTU);
    }

    /// A flight was sent so often without an answer.
    pub(super) fn back_off(&mut self, sendings: u8) {
        for (timeouts, mtu) in SMALLER {
            if sendings > timeouts {
                self.mtu = self.mtu.min(mtu);
            }
        }
    }

    /// The network does not take a datagram of this length: those to come are shorter, and what is under way is cut anew
    /// and sent again at once. `false` if that is no news: a message of the application may be longer than the path was
    /// said to take, and nothing is shorter than the least.
    pub(in super::super) fn shrink(&mut self, length: usize) -> bool {
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        if length > self.mtu || length <= LEAST_MTU {
            return false;
        }
        let sizes = SMALLER.iter().map(|(_, mtu)| *mtu);
        let shorter = sizes.filter(|mtu| *mtu < length).max();
        self.mtu = shorter.unwrap_or(LEAST_MTU);
        if let Some(busy) = &mut self.busy {
            busy.flight.send_again();
        }
        true
    }
}
