//! Messages and packets of a server from its early data on.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::Stage;
use portcullis_core::session::ClientSession;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;

use super::active::Message;
use super::packets::{Packets, Unsent};
use super::source::{Records, Sends, Source, poll_content, sealed};
use crate::error::Error;
use crate::handshake::{EarlyConnection, deadline};
use crate::read::Turn;
use crate::stream::TlsStream;

impl<IO: AsyncRead + AsyncWrite + Unpin> sealed::Sealed for EarlyConnection<IO> {}

impl<IO: AsyncRead + AsyncWrite + Unpin> Source for EarlyConnection<IO> {
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Message>, Error>> {
        poll_content(self, cx, records, turn)
    }

    /// A server has no sessions.
    fn take_session(&mut self) -> Option<ClientSession> {
        None
    }

    /// What a client is told.
    fn take_early_data_status(&mut self) -> Option<Message> {
        None
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) {
        match self.stream_mut() {
            Some(stream) => stream.parts_mut().idle(cx),
            // What was written goes out; an error comes again.
            None => drop(Pin::new(self).poll_flush(cx)),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Records for EarlyConnection<IO> {
    fn poll_early_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        self.poll_next_early(cx)
    }

    fn poll_record(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        ready!(self.poll_complete(cx))?.poll_record(cx, records, turn)
    }

    fn unread(&mut self, data: &[u8]) {
        if let Some(stream) = self.stream_mut() {
            stream.unread(data);
        }
    }

    fn unread_early_data(&mut self, data: &[u8]) {
        self.put_back_early(data);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Sends for EarlyConnection<IO> {
    fn send_limit(&self) -> Option<Duration> {
        self.time_to_send()
    }

    async fn send_within(&mut self, buffers: &[&[u8]], within: Duration) -> Result<(), Error> {
        let total = buffers.iter().map(|buffer| buffer.len()).sum();
        // Their length, where they have one, is the first of them.
        let mut unsent = Unsent::new(&[], buffers);
        let mut sent = 0;
        let sending = async {
            while sent < total {
                let taken = poll_fn(|cx| unsent.poll_write(Pin::new(&mut *self), cx)).await;
                sent += taken.map_err(|error| Error::io(error, Stage::Connected))?;
            }
            let flushed = poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await;
            flushed.map_err(|error| Error::io(error, Stage::Connected))
        };
        match timeout_at(deadline(within), sending).await {
            Ok(done) => done,
            Err(_) => Err(match self.stream_mut() {
                Some(stream) => stream.parts_mut().write.give_up_waiting(within, sent),
                None => Error::late_send(within, sent),
            }),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Packets<EarlyConnection<IO>> {
    /// Goes on to the end of the handshake, with what was not delivered and the mode. Early packets that nobody has taken
    /// are given by [`recv_early`](Self::recv_early) still.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub async fn handshake(mut self) -> Result<Packets<TlsStream<IO>>, Error> {
        self.get_mut().complete_handshake().await?;
        self.of_source(EarlyConnection::into_stream)
    }
}
