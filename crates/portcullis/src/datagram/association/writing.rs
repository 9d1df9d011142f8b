//! What is sent of an association: messages, and what is due besides.

use std::io::{self, IoSlice};

use portcullis_core::{Control, DatagramWriter, Monotonic, Stage};

use super::super::lock;
use super::super::transport::is_too_long;
use super::Association;
use crate::error::Error;
use crate::scratch::Scratch;
use crate::statistics::Flow;

#[derive(Debug, Default)]
pub(super) struct Writing {
    pub(super) writer: Option<Box<DatagramWriter>>,
    pub(super) sent: Flow,
    pub(super) failures: u64,
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

    /// Seals and sends a message. `Some`: it is sealed, and there is no room for it.
    pub(in super::super) fn send(&self, message: &[IoSlice<'_>]) -> Result<Option<Vec<u8>>, Error> {
        let mut scratch = Scratch::take();
        let (sealed, has_work) = {
            let mut writing = lock(&self.writing);
            let Some(writer) = &mut writing.writer else {
                return Err(Error::closed());
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
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(datagram.to_vec())),
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

    /// Seals messages, each as a datagram, one behind the other, all but the last of one length; gives that length.
    pub(in super::super) fn seal_many(
        &self,
        messages: &[&[u8]],
    ) -> Result<(Vec<u8>, usize), Error> {
        let mut datagrams = Vec::new();
        let mut first = None;
        let mut writing = lock(&self.writing);
        let Writing { writer, sent, .. } = &mut *writing;
        let Some(writer) = writer else {
            return Err(Error::closed());
        };
        for message in messages {
            let (at, length) = (datagrams.len(), writer.sealed_len(message.len()));
            datagrams.resize(at + length, 0);
            let place = datagrams.get_mut(at..).unwrap_or_default();
            writer.seal(&[IoSlice::new(message)], place)?;
            sent.count(length);
            first.get_or_insert(length);
        }
        let has_work = writer.has_work();
        drop(writing);
        if has_work {
            self.ring();
        }
        Ok((datagrams, first.unwrap_or_default()))
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
        let said = self.with_writer(DatagramWriter::close_notify);
        if said.is_ok() {
            // Now: the runtime may be about to end, and the driver with it.
            let _ = self.control(self.endpoint.monotonic());
        }
    }
}
