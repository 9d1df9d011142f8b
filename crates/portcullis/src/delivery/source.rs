//! Where messages come from.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::session::ClientSession;
use tokio::io::{AsyncRead, AsyncWrite};

use super::active::Message;
use crate::error::Error;
use crate::packet::Piece;
use crate::read::{Receiving, Turn};
use crate::split::{ReadHalf, SplitIo, WriteHalf};
use crate::stream::TlsStream;

/// What messages come from: [`TlsStream`], [`ReadHalf`](crate::ReadHalf), or
/// [`Packets`](crate::Packets) of one of them.
pub trait Source: sealed::Sealed {
    /// The next message, `None` after close_notify. At most what `records` records may take is read
    /// from the transport, or what a packet needs, and no oftener than the turn allows.
    #[doc(hidden)]
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Message>, Error>>;

    /// The next session that has come.
    #[doc(hidden)]
    fn take_session(&mut self) -> Option<ClientSession>;

    /// Client: what became of its early data, told once.
    #[doc(hidden)]
    fn take_early_data_status(&mut self) -> Option<Message>;

    /// What is due although nothing may be read.
    #[doc(hidden)]
    fn poll_idle(&mut self, cx: &mut Context<'_>);
}

/// What packets come from: [`TlsStream`], [`ReadHalf`](crate::ReadHalf), or
/// [`EarlyConnection`](crate::EarlyConnection).
pub trait Records: Source {
    /// Server: the next early data that nobody has read, `None` when there is no more, and then for ever. It is
    /// before all records.
    #[doc(hidden)]
    fn poll_early_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>>;

    /// The next record's content, `None` after close_notify. At most what `records` records may
    /// take is read from the transport.
    #[doc(hidden)]
    fn poll_record(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Bytes>, Error>>;

    /// What was taken and is to be read again.
    #[doc(hidden)]
    fn unread(&mut self, data: &[u8]);

    /// The same of what came early.
    #[doc(hidden)]
    fn unread_early_data(&mut self, data: &[u8]);
}

/// What packets are sent to: [`TlsStream`], [`WriteHalf`](crate::WriteHalf), or
/// [`EarlyConnection`](crate::EarlyConnection).
pub trait Sends: AsyncWrite + Unpin + sealed::Sealed {
    /// How long sending may take, if that was said.
    #[doc(hidden)]
    fn send_limit(&self) -> Option<Duration>;

    /// Sends these buffers within this time, and says how much was taken if that is over.
    #[doc(hidden)]
    fn send_within(
        &mut self,
        buffers: &[&[u8]],
        within: Duration,
    ) -> impl Future<Output = Result<(), Error>>;
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sends for TlsStream<IO> {
    fn send_limit(&self) -> Option<Duration> {
        self.parts().write.limits().send_timeout()
    }

    fn send_within(
        &mut self,
        buffers: &[&[u8]],
        within: Duration,
    ) -> impl Future<Output = Result<(), Error>> {
        self.send_timeout(buffers, within)
    }
}

impl<IO: SplitIo> Sends for WriteHalf<IO> {
    fn send_limit(&self) -> Option<Duration> {
        self.send_limits().and_then(|limits| limits.send_timeout())
    }

    fn send_within(
        &mut self,
        buffers: &[&[u8]],
        within: Duration,
    ) -> impl Future<Output = Result<(), Error>> {
        self.send_timeout(buffers, within)
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}

    impl<IO: super::SplitIo> Sealed for super::WriteHalf<IO> {}

    impl<IO> Sealed for super::TlsStream<IO> {}
    impl<IO: super::SplitIo> Sealed for super::ReadHalf<IO> {}
}

/// What is to be said of the early data of a client.
fn early_data_status(read: &mut Receiving) -> Option<Message> {
    read.take_early_data_status()
        .map(|is_accepted| match is_accepted {
            true => Message::EarlyDataAccepted,
            false => Message::EarlyDataRejected,
        })
}

/// The next message where there are no packets: early data, then a record.
pub(super) fn poll_content<S: Records>(
    source: &mut S,
    cx: &mut Context<'_>,
    records: usize,
    turn: &mut Turn,
) -> Poll<Result<Option<Message>, Error>> {
    if let Some(early) = ready!(source.poll_early_data(cx))? {
        return Poll::Ready(Ok(Some(Message::EarlyData(Piece::Data(early)))));
    }
    source
        .poll_record(cx, records, turn)
        .map_ok(|content| content.map(Message::Data))
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Records for TlsStream<IO> {
    fn poll_record(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        let parts = self.parts_mut();
        let message = parts.read.poll_message(&mut parts.io, cx, records, turn);
        let message = parts.serve(cx, message);
        // What has ended reading is told by reading, when our alert has arrived.
        if message.is_ready() || parts.read.has_ended() {
            return message;
        }
        let Some(error) = parts.write.broken() else {
            return message;
        };
        let error = error.clone();
        ready!(turn.poll_exhausted(cx));
        let broken = Poll::Ready(Err(error));
        let explained = parts.explained(cx, broken);
        if parts.read.plain().is_empty() {
            return explained;
        }
        // Data that came before.
        parts.read.poll_message(&mut parts.io, cx, records, turn)
    }

    fn poll_early_data(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        Poll::Ready(Ok(self.parts_mut().read.take_early_data()))
    }

    fn unread(&mut self, data: &[u8]) {
        self.parts_mut().read.unread(data);
    }

    fn unread_early_data(&mut self, data: &[u8]) {
        self.parts_mut().read.unread_early_data(data);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Source for TlsStream<IO> {
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Message>, Error>> {
        poll_content(self, cx, records, turn)
    }

    fn take_session(&mut self) -> Option<ClientSession> {
        Self::take_session(self)
    }

    fn take_early_data_status(&mut self) -> Option<Message> {
        early_data_status(&mut self.parts_mut().read)
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) {
        self.parts_mut().idle(cx);
    }
}

impl<IO: SplitIo> Records for ReadHalf<IO> {
    fn poll_record(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        let message = self.poll_with(cx, |read, io, cx| read.poll_message(io, cx, records, turn));
        match self.write_failure(cx) {
            // Data that came before is not passed over.
            Some(error) if message.is_pending() => turn.poll_exhausted(cx).map(|()| Err(error)),
            _ => message,
        }
    }

    fn poll_early_data(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        Poll::Ready(Ok(self.reading().take_early_data()))
    }

    fn unread(&mut self, data: &[u8]) {
        self.reading().unread(data);
    }

    fn unread_early_data(&mut self, data: &[u8]) {
        self.reading().unread_early_data(data);
    }
}

impl<IO: SplitIo> Source for ReadHalf<IO> {
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Message>, Error>> {
        poll_content(self, cx, records, turn)
    }

    fn take_session(&mut self) -> Option<ClientSession> {
        Self::take_session(self)
    }

    fn take_early_data_status(&mut self) -> Option<Message> {
        early_data_status(self.reading())
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) {
        self.rest(cx);
    }
}
