//! What is sent of an association: messages, and what is due besides.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};

use portcullis_core::{Control, DatagramWriter, Monotonic, Stage};

use super::super::lock;
use super::super::transport::is_too_long;
use super::Association;
use crate::error::Error;
use crate::scratch::Scratch;
use crate::statistics::Flow;

#[derive(Debug, Default)]
pub(in super::super) struct Writing {
    pub(in super::super) writer: Option<Box<DatagramWriter>>,
    /// While another handshake has the writer.
    paused: Option<Box<Paused>>,
    pub(super) sent: Flow,
    pub(super) failures: u64,
}

#[derive(Debug)]
struct Paused {
    /// The longest message that fits the path, and the longest that there is.
    lengths: (usize, usize),
    /// How long datagrams may be, if somebody has said so meanwhile.
    path_mtu: Option<u16>,
    /// Who waits to send.
    senders: Vec<Waker>,
}

/// What became of a message.
pub(in super::super) enum Sent {
    Done,
    /// It is sealed, and there is no room for it.
    Full(Vec<u8>),
    /// Nothing is sealed while another handshake goes on.
    Paused,
}

/// What became of several.
pub(in super::super) enum Together {
    /// So many of them are sent.
    Sent(usize),
    /// So many are sealed, and there was no room for them, or they are refused: in pieces of this length.
    Unsent {
        count: usize,
        datagrams: Vec<u8>,
        length: usize,
        error: io::Error,
    },
    /// Nothing is sealed while another handshake goes on.
    Paused,
}

impl Writing {
    /// Another handshake has taken over from the writer.
    pub(in super::super) fn pause(&mut self, lengths: (usize, usize)) {
        self.writer = None;
        self.paused = Some(Box::new(Paused {
            lengths,
            path_mtu: None,
            senders: Vec::new(),
        }));
    }

    pub(in super::super) const fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// It is over; gives whom to wake.
    pub(in super::super) fn go_on(&mut self, writer: Option<Box<DatagramWriter>>) -> Vec<Waker> {
        self.writer = writer;
        let Some(paused) = self.paused.take() else {
            return Vec::new();
        };
        if let (Some(bytes), Some(writer)) = (paused.path_mtu, &mut self.writer) {
            writer.set_path_mtu(bytes);
        }
        paused.senders
    }

    pub(in super::super) fn poll_sendable(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(paused) = &mut self.paused else {
            return Poll::Ready(());
        };
        let mut senders = paused.senders.iter();
        if !senders.any(|sender| sender.will_wake(cx.waker())) {
            paused.senders.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Association {
    pub(in super::super) fn count_sent(&self, bytes: usize) {
        lock(&self.writing).sent.count(bytes);
    }

    /// Sends what is due besides messages; gives when something will be due.
    pub(in super::super) fn control(&self, now: Monotonic) -> Result<Option<Monotonic>, Error> {
        let mut scratch = Scratch::take();
        let mut writing = lock(&self.writing);
        let Some(mut writer) = writing.writer.take() else {
            return Ok(None);
        };
        let deadline = loop {
            match writer.poll_control(now, &mut scratch) {
                Ok(Control::Transmit(length)) => {
                    writing.sent.count(length);
                    let datagram = scratch.get(..length).unwrap_or_default();
                    // There is a timer for all that has to arrive.
                    let path = self.path();
                    if let Err(error) = self.endpoint.link.try_send(&path, datagram, None) {
                        writing.failures += 1;
                        if is_too_long(&error) {
                            writer.datagram_too_long(length);
                        }
                    }
                }
                Ok(Control::Wait { deadline }) => break Ok(deadline),
                Err(error) => break Err(error.into()),
            }
        };
        writing.writer = Some(writer);
        deadline
    }

    /// Seals and sends a message.
    pub(in super::super) fn send(&self, message: &[IoSlice<'_>]) -> Result<Sent, Error> {
        let mut scratch = Scratch::take();
        let (sealed, has_work) = {
            let mut writing = lock(&self.writing);
            let Some(writer) = &mut writing.writer else {
                return match writing.paused {
                    Some(_) => Ok(Sent::Paused),
                    None => Err(Error::closed()),
                };
            };
            let sealed = writer.seal(message, &mut scratch);
            let has_work = writer.has_work();
            if let Ok(length) = sealed {
                writing.sent.count(length);
            }
            (sealed, has_work)
        };
        if has_work {
            self.ring();
        }
        let length = sealed.map_err(Error::from)?;
        let datagram = scratch.get(..length).unwrap_or_default();
        match self.endpoint.link.try_send(&self.path(), datagram, None) {
            Ok(()) => Ok(Sent::Done),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Ok(Sent::Full(datagram.to_vec()))
            }
            Err(error) => {
                self.is_refused(&error, length);
                Err(Error::io(error, Stage::Connected))
            }
        }
    }

    /// The network has not taken a datagram; if it was for its length, the path takes less than was known.
    pub(in super::super) fn is_refused(&self, error: &io::Error, length: usize) {
        if is_too_long(error) {
            let _closed = self.with_writer(|writer| writer.datagram_too_long(length));
        }
    }

    /// How long the datagram of a message of this length is.
    pub(in super::super) fn sealed_len(&self, length: usize) -> usize {
        let writing = lock(&self.writing);
        let writer = writing.writer.as_ref();
        writer.map_or(0, |writer| writer.sealed_len(length))
    }

    /// Seals messages, each as a datagram, one behind the other, all but the last of one length, and gives them to the
    /// system in one call. They stand where the thread has room for them, so nothing is allocated.
    ///
    /// # Errors
    /// Of the first message. When a later one cannot be sealed, those before it are sent.
    pub(in super::super) fn send_together(&self, messages: &[&[u8]]) -> Result<Together, Error> {
        let mut scratch = Scratch::take();
        let (mut end, mut length, mut count, mut failure) = (0, 0, 0, None);
        let mut writing = lock(&self.writing);
        let Writing {
            writer,
            sent,
            paused,
            ..
        } = &mut *writing;
        let Some(writer) = writer else {
            return match paused {
                Some(_) => Ok(Together::Paused),
                None => Err(Error::closed()),
            };
        };
        for message in messages {
            let place = scratch.get_mut(end..).unwrap_or_default();
            match writer.seal(&[IoSlice::new(message)], place) {
                Ok(sealed) => {
                    sent.count(sealed);
                    end += sealed;
                    length = length.max(sealed);
                    count += 1;
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let has_work = writer.has_work();
        drop(writing);
        if has_work {
            self.ring();
        }
        if let Some(error) = failure.filter(|_| count == 0) {
            return Err(error.into());
        }
        let datagrams = scratch.get(..end).unwrap_or_default();
        let each = (count > 1).then_some(length);
        match self.endpoint.link.try_send(&self.path(), datagrams, each) {
            Ok(()) => Ok(Together::Sent(count)),
            Err(error) => Ok(Together::Unsent {
                count,
                datagrams: datagrams.to_vec(),
                length,
                error,
            }),
        }
    }

    /// Does something with the writer, and has the driver look whether there is something to be sent then.
    pub(in super::super) fn with_writer<T>(
        &self,
        act: impl FnOnce(&mut DatagramWriter) -> T,
    ) -> Result<T, Error> {
        let done = match &mut lock(&self.writing).writer {
            Some(writer) => act(writer),
            None => return Err(Error::closed()),
        };
        self.ring();
        Ok(done)
    }

    /// The longest message that fits the path, and the longest that there is, in bytes; 0 after the end.
    pub(in super::super) fn lengths(&self) -> (usize, usize) {
        let writing = lock(&self.writing);
        match (&writing.writer, &writing.paused) {
            (Some(writer), _) => (writer.max_message_len(), writer.most_message_len()),
            (None, Some(paused)) => paused.lengths,
            (None, None) => (0, 0),
        }
    }

    pub(in super::super) fn set_path_mtu(&self, bytes: u16) {
        {
            let mut writing = lock(&self.writing);
            if let Some(paused) = &mut writing.paused {
                paused.path_mtu = Some(bytes);
                return;
            }
        }
        let _closed = self.with_writer(|writer| writer.set_path_mtu(bytes));
    }

    /// Whether there is something to be sent besides messages.
    pub(in super::super) fn writer_has_work(&self) -> bool {
        let writing = lock(&self.writing);
        writing
            .writer
            .as_ref()
            .is_some_and(|writer| writer.has_work())
    }

    /// Says that no more comes.
    pub(in super::super) fn close_notify(&self) {
        self.close_again();
        let said = self.with_writer(DatagramWriter::close_notify);
        if said.is_ok() {
            // Now: the runtime may be about to end, and the driver with it.
            let _ = self.control(self.endpoint.monotonic());
        }
    }
}
