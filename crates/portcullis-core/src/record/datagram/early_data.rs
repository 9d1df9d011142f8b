//! Early data: messages under keys of their own, epoch 1, before the handshake is over; and what a server says meanwhile,
//! under the keys of data.
//!
//! RFC 8446 §2.3, §4.2.10; RFC 9147 §5.6, §6.1. Like any data it is lost, or comes in another order, and nothing sends it again;
//! where it ends says the epoch of what follows.

use std::collections::VecDeque;

use super::epochs::{EARLY_DATA, Opened, ReadEpochs, WriteEpoch};
use super::{Discarded, Fault};
use crate::error::Abort;
use crate::record::MAX_IDLE;
use crate::record::keys::Keys;
use crate::record::size::RecordSize;
use crate::violation::Violation;
use crate::wire::ContentType;

/// How many messages wait for somebody who reads them, and how many bytes of them. What comes beyond that is lost.
const MOST_MESSAGES: usize = 64;
const MOST_BYTES: usize = 64 * 1024;

/// What a client sends.
pub(super) struct Sending {
    epoch: WriteEpoch,
    /// Bytes that may still be sent.
    pub(super) room: u64,
    datagrams: VecDeque<Vec<u8>>,
}

impl Sending {
    pub(super) fn new(keys: Keys, room: u64) -> Box<Self> {
        Box::new(Self {
            epoch: WriteEpoch::new(EARLY_DATA, keys),
            room,
            datagrams: VecDeque::new(),
        })
    }

    /// Seals a message, whole or not at all, in a datagram of at most so many bytes; gives how much of it that is.
    ///
    /// # Errors
    /// When the crypto library fails, or the key has done what it may.
    pub(super) fn message(
        &mut self,
        data: &[u8],
        size: &RecordSize,
        mtu: usize,
    ) -> Result<usize, Abort> {
        let length = data.len() as u64;
        if length > self.room {
            return Ok(0);
        }
        let Some(datagram) = sealed(&mut self.epoch, data, size, mtu)? else {
            return Ok(0);
        };
        self.room -= length;
        self.datagrams.push_back(datagram);
        Ok(data.len())
    }

    /// A record of any type and content, beyond any limit.
    #[cfg(test)]
    pub(super) fn forge(&mut self, typ: ContentType, content: &[u8]) {
        let mut record = vec![0; self.epoch.record_len(content.len())];
        let head = self.epoch.head_len();
        record[head..head + content.len()].copy_from_slice(content);
        self.epoch.seal(typ, content.len(), &mut record).unwrap();
        self.datagrams.push_back(record);
    }

    /// The next datagram, if one waits.
    pub(super) fn datagram(&mut self) -> Option<Vec<u8>> {
        self.datagrams.pop_front()
    }
}

/// A message as one record, which is one datagram of at most so many bytes. None if it is empty or too long: nothing sends it
/// again, so a path that refuses it would lose it for good.
///
/// # Errors
/// When the crypto library fails, or the key has done what it may.
pub(super) fn sealed(
    epoch: &mut WriteEpoch,
    data: &[u8],
    size: &RecordSize,
    most: usize,
) -> Result<Option<Vec<u8>>, Abort> {
    let length = data.len();
    if length == 0 || length > size.protected() {
        return Ok(None);
    }
    let total = epoch.record_len(length + size.padding(length));
    if total > most {
        return Ok(None);
    }
    let mut record = vec![0; total];
    let head = epoch.head_len();
    if let Some(content) = record.get_mut(head..head + length) {
        content.copy_from_slice(data);
    }
    epoch.seal(ContentType::APPLICATION_DATA, length, &mut record)?;
    Ok(Some(record))
}

/// What a server says before it has the client's Finished.
#[derive(Default)]
pub(super) struct Answering {
    /// Of what was said, so that its key is changed in time.
    pub(super) bytes: u64,
    pub(super) datagrams: VecDeque<Vec<u8>>,
}

/// What a server has accepted.
pub(super) struct Receiving {
    pub(super) epochs: ReadEpochs,
    /// Bytes that may still come.
    left: usize,
    /// Messages without a byte that may still come, which no limit of bytes ends.
    empty_left: u8,
    messages: VecDeque<Vec<u8>>,
}

impl Receiving {
    pub(super) fn new(keys: Keys, max_bytes: u32) -> Box<Self> {
        let mut epochs = ReadEpochs::default();
        epochs.install(EARLY_DATA, keys);
        Box::new(Self {
            epochs,
            left: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            empty_left: MAX_IDLE,
            messages: VecDeque::new(),
        })
    }

    /// Takes what a record has brought, which has opened.
    pub(super) fn take(&mut self, opened: &Opened, content: &[u8]) -> Result<(), Fault> {
        match opened.typ {
            ContentType::APPLICATION_DATA => {}
            ContentType::HANDSHAKE => return Err(Violation::MessageInOldEpoch.into()),
            _ => return Err(Violation::UnknownRecordType.into()),
        }
        let left = self.left.checked_sub(content.len());
        self.left = left.ok_or(Violation::EarlyDataBeyondLimit)?;
        if content.is_empty() {
            // They come in any order with the others, so this is of all, and ends nothing.
            let empty_left = self.empty_left.checked_sub(1);
            self.empty_left = empty_left.ok_or(Discarded::EarlyFull)?;
        }
        if self.messages.len() >= MOST_MESSAGES || self.held() + content.len() > MOST_BYTES {
            return Err(Discarded::EarlyFull.into());
        }
        self.messages.push_back(content.to_vec());
        Ok(())
    }

    /// The next message, if one waits.
    pub(super) fn message(&mut self) -> Option<Vec<u8>> {
        self.messages.pop_front()
    }

    /// Bytes of messages that wait.
    pub(super) fn held(&self) -> usize {
        self.messages.iter().map(Vec::len).sum()
    }
}
