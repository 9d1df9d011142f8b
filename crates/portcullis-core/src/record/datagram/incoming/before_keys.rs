//! Records that come before their keys.
//!
//! Datagrams overtake one another, and what is protected may stand behind a ServerHello that is still being answered
//! (RFC 9147 §4.2.1).

use super::Incoming;
use crate::clock::Monotonic;
use crate::error::Abort;
use crate::record::datagram::epochs::{APPLICATION, HANDSHAKE};
use crate::record::datagram::header::{self, Unified};
use crate::record::datagram::{Discarded, Fault};

/// How many records are held that came before their keys, and how many bytes of them: what one datagram has
/// behind a ServerHello, and more.
const MOST_EARLY: usize = 64;
const MOST_EARLY_BYTES: usize = 16 * 1024;
/// A part of both is kept for the handshake: of four parts, data has three.
const PARTS: usize = 4;
const DATA_PARTS: usize = 3;

impl Incoming {
    /// Tries the records that came before their keys.
    pub(super) fn try_early(&mut self, now: Monotonic) -> Result<(), Abort> {
        for mut record in core::mem::take(&mut self.early) {
            if let Ok((header, _)) = header::split(&record, &self.ids) {
                let taken = self.on_record(header, &mut record, now);
                self.count_discarded(taken)?;
            }
        }
        Ok(())
    }

    /// Keeps a record whose keys may come.
    pub(super) fn hold(&mut self, unified: Unified, record: &[u8]) -> Result<(), Fault> {
        if ![HANDSHAKE, APPLICATION].contains(&unified.epoch.into()) {
            return Err(Discarded::UnknownEpoch.into());
        }
        match unified.epoch == (APPLICATION & 3) as u8 {
            // Else what a server says behind its flight, and the network before, would keep the flight out.
            true => self.hold_within(record, DATA_PARTS),
            false => self.hold_record(record),
        }
    }

    pub(super) fn hold_record(&mut self, record: &[u8]) -> Result<(), Fault> {
        self.hold_within(record, PARTS)
    }

    /// Within so many [`PARTS`] of what may be held.
    fn hold_within(&mut self, record: &[u8], parts: usize) -> Result<(), Fault> {
        let held: usize = self.early.iter().map(Vec::len).sum();
        let (records, bytes) = (MOST_EARLY / PARTS * parts, MOST_EARLY_BYTES / PARTS * parts);
        if self.early.len() >= records || held + record.len() > bytes {
            return Err(Discarded::EarlyFull.into());
        }
        self.early.push(record.to_vec());
        Ok(())
    }
}
