//! How the halves come together for another handshake before TLS 1.3: the reading half runs it, and
//! the writing half lends its writer and sends what the handshake says.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use portcullis_core::{ConnectionInformation, Handshake, Writer};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::meeting::Found;
use super::{REUNITED, ReadHalf, Shared, SplitIo};
use crate::error::Error;
use crate::read::Receiving;
use crate::renegotiation::Ends;
use crate::write::Sending;

/// Before the writing half does anything else: leaves its writer for a handshake, sends what that says,
/// takes back what it has made. Whether it then does that: whoever `writes` may have to wait for another key.
#[cold]
pub(super) fn attend<W: AsyncWrite + Unpin>(
    shared: &Shared,
    write: &mut Sending,
    io: &mut W,
    cx: &mut Context<'_>,
    information: &mut Arc<ConnectionInformation>,
    writes: bool,
) -> bool {
    let Some(meeting) = &shared.meeting else {
        return true;
    };
    // First, so that nothing that is left from here on is missed.
    shared.writer.register(cx.waker());
    match meeting.attend(write) {
        Found::Nothing => return true,
        Found::Information(new) => {
            *information = new;
            return true;
        }
        Found::Waiting if !writes || !write.wishes_to_renegotiate() => return true,
        Found::Waiting if meeting.poll_late(write, cx).is_ready() => return true,
        Found::Waiting => {
            if meeting.offer(write) {
                shared.reader.wake();
                // From then on it is not waited for long.
                cx.waker().wake_by_ref();
            }
            let _ = write.poll_flush(io, cx);
            return false;
        }
        Found::Left => shared.reader.wake(),
        Found::Handshake => {
            if meeting.poll_late(write, cx).is_ready() {
                shared.reader.wake();
                return true;
            }
        }
        Found::Failed(error) => {
            let _ = write.poll_flush(io, cx);
            if error.transport().is_none() {
                let _ = Pin::new(io).poll_shutdown(cx);
            }
            write.fail(error);
            return true;
        }
    }
    // What is written next waits; an error is kept for it.
    let _ = write.poll_flush(io, cx);
    true
}

impl<IO: SplitIo> Ends for ReadHalf<IO> {
    fn read(&mut self) -> &mut Receiving {
        &mut self.parts_mut().read
    }

    /// That is for the other half to do.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.reader.register(cx.waker());
        if let Some(error) = self.shared.write_failure.get() {
            return Poll::Ready(Err(error.clone()));
        }
        Poll::Ready(match self.shared.meeting.as_ref() {
            Some(meeting) if meeting.is_deserted() => Err(Error::limit(
                "the writing half was dropped, or has given up, while the connection was renegotiated",
            )),
            _ => Ok(()),
        })
    }

    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Handshake, Error>> {
        self.shared.reader.register(cx.waker());
        let Some(meeting) = &self.shared.meeting else {
            return Poll::Ready(Err(Error::closed()));
        };
        let Some(mut writer) = meeting.take_writer()? else {
            self.shared.writer.wake();
            return Poll::Pending;
        };
        let read = &mut self.parts.as_mut().expect(REUNITED).read;
        let (reader, _) = read.hand_over();
        let begun = Handshake::renegotiate(reader, &mut writer, UnixTime::now());
        Poll::Ready(begun.map_err(|error| {
            meeting.give_back(writer, Vec::new(), None);
            self.shared.writer.wake();
            error.into()
        }))
    }

    fn say(&mut self, bytes: &[u8]) {
        if let Some(meeting) = &self.shared.meeting {
            meeting.say(bytes);
            self.shared.writer.wake();
        }
    }

    fn go_on(&mut self, connection: (Writer, Vec<u8>), information: Arc<ConnectionInformation>) {
        self.information = Arc::clone(&information);
        if let Some(meeting) = &self.shared.meeting {
            let (writer, transmit) = connection;
            meeting.give_back(writer, transmit, Some(information));
            self.shared.writer.wake();
        }
    }

    fn give_up(&mut self) {
        if let Some(meeting) = &self.shared.meeting {
            meeting.give_up();
            self.shared.writer.wake();
        }
    }

    fn waits_for_another(&self) -> bool {
        true
    }

    fn break_off(&mut self, error: Error, _: &mut Context<'_>) {
        if let Some(meeting) = &self.shared.meeting {
            meeting.fail(error);
            self.shared.writer.wake();
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.parts_mut().io).poll_read(cx, buf)
    }

    fn blocked(&self) -> Option<&Waker> {
        None
    }
}
