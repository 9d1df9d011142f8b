//! The messages that this side has sent and the peer has not acknowledged.
//!
//! RFC 9147 §5.8, §7.2; RFC 6347 §4.2.4, where change_cipher_spec is sent again with the messages.

use core::ops::Range;
use std::collections::VecDeque;

use crate::wire::{HandshakeHeader, RecordNumber};

/// How many of the records that were sent are remembered, the newest.
const MOST_SENT: usize = 32;

/// One message.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) epoch: u16,
    pub(super) message_seq: u16,
    /// It is change_cipher_spec, which is no message of the handshake: its body is its content.
    pub(super) is_change_cipher_spec: bool,
    /// With the header of four bytes that is hashed.
    pub(super) message: Vec<u8>,
    /// What of the body was acknowledged, apart and in order.
    acknowledged: Vec<Range<usize>>,
    is_acknowledged: bool,
    /// What of the body is to be sent next.
    pub(super) to_send: VecDeque<Range<usize>>,
}

impl Queued {
    fn new(epoch: u16, message_seq: u16, message: Vec<u8>) -> Self {
        let mut this = Self {
            epoch,
            message_seq,
            is_change_cipher_spec: false,
            message,
            acknowledged: Vec::new(),
            is_acknowledged: false,
            to_send: VecDeque::new(),
        };
        this.send_again();
        this
    }

    pub(super) fn body(&self) -> &[u8] {
        self.message
            .get(HandshakeHeader::SIZE..)
            .unwrap_or_default()
    }

    /// All that was not acknowledged is to be sent.
    fn send_again(&mut self) {
        self.to_send.clear();
        if self.is_acknowledged {
            return;
        }
        let (mut at, end) = (0, self.body().len());
        for known in &self.acknowledged {
            if known.start > at {
                self.to_send.push_back(at..known.start);
            }
            at = at.max(known.end);
        }
        if at < end || end == 0 {
            self.to_send.push_back(at..end);
        }
    }

    fn acknowledge(&mut self, range: Range<usize>) {
        self.acknowledged.push(range);
        self.acknowledged.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in self.acknowledged.drain(..) {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        self.acknowledged = merged;
        let length = self.body().len();
        self.is_acknowledged = matches!(self.acknowledged.as_slice(), [all] if *all == (0..length));
    }
}

/// What was in a record.
#[derive(Debug)]
struct Sent {
    number: RecordNumber,
    fragments: Vec<(u16, Range<usize>)>,
}

/// The messages that belong together, in order.
#[derive(Debug, Default)]
pub(super) struct Flight {
    pub(super) messages: Vec<Queued>,
    sent: VecDeque<Sent>,
}

impl Flight {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds a message, and gives it as it is hashed.
    pub(super) fn push(&mut self, epoch: u16, message_seq: u16, message: Vec<u8>) -> &[u8] {
        self.messages.push(Queued::new(epoch, message_seq, message));
        self.messages.last().map_or(&[], |queued| &queued.message)
    }

    /// Adds a change_cipher_spec.
    pub(super) fn push_change_cipher_spec(&mut self, epoch: u16) {
        let content = [&[0; HandshakeHeader::SIZE][..], &[1]].concat();
        let mut queued = Queued::new(epoch, 0, content);
        queued.is_change_cipher_spec = true;
        self.messages.push(queued);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether something is to be sent.
    pub(super) fn has_to_send(&self) -> bool {
        self.messages
            .iter()
            .any(|queued| !queued.to_send.is_empty())
    }

    /// Whether the peer has said of all of it that it has come.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.messages.iter().all(|queued| queued.is_acknowledged)
    }

    /// The oldest epoch that a message names.
    pub(super) fn oldest_epoch(&self) -> Option<u16> {
        self.messages.iter().map(|queued| queued.epoch).min()
    }

    /// All that was not acknowledged is to be sent again.
    pub(super) fn send_again(&mut self) {
        for queued in &mut self.messages {
            queued.send_again();
        }
    }

    /// A record was sent with these fragments.
    pub(super) fn sent(&mut self, number: RecordNumber, fragments: Vec<(u16, Range<usize>)>) {
        if self.sent.len() == MOST_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { number, fragments });
    }

    /// The peer has this record. Whether that was news.
    pub(super) fn acknowledge(&mut self, number: RecordNumber) -> bool {
        let Some(at) = self.sent.iter().position(|sent| sent.number == number) else {
            return false;
        };
        let Some(Sent { fragments, .. }) = self.sent.remove(at) else {
            return false;
        };
        for (message_seq, range) in fragments {
            let mut messages = self.messages.iter_mut();
            if let Some(queued) = messages.find(|one| one.message_seq == message_seq) {
                queued.acknowledge(range);
            }
        }
        true
    }

    /// The memory held, in bytes.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let of_sent = |sent: &Sent| size_of::<Sent>() + size_of_val(sent.fragments.as_slice());
        let of_message = |queued: &Queued| {
            let ranges = queued.acknowledged.len() + queued.to_send.len();
            size_of::<Queued>() + queued.message.len() + ranges * size_of::<Range<usize>>()
        };
        let messages: usize = self.messages.iter().map(of_message).sum();
        messages + self.sent.iter().map(of_sent).sum::<usize>()
    }

    /// Whether something that was sent before what was acknowledged is missing there.
    pub(super) fn has_gap(&self) -> bool {
        let mut messages = self.messages.iter();
        let first_missing = messages.position(|queued| !queued.is_acknowledged);
        let Some(at) = first_missing else {
            return false;
        };
        let behind = self.messages.iter().skip(at);
        behind.clone().any(|queued| !queued.acknowledged.is_empty())
    }
}
