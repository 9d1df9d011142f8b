//! Active delivery: messages come by themselves, as over TLS.

use std::task::{Context, Poll};

use portcullis_core::session::ClientSession;

use super::connection::DtlsConnection;
use super::split::DtlsReceiver;
use crate::delivery::{Message, Source, sealed};
use crate::error::Error;
use crate::read::Turn;

impl sealed::Sealed for DtlsConnection {}
impl sealed::Sealed for DtlsReceiver {}

/// What waits in the inbox has come already, so nothing is done while nothing may be delivered.
impl Source for DtlsConnection {
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        _records: usize,
        _turn: &mut Turn,
    ) -> Poll<Result<Option<Message>, Error>> {
        match self.poll_recv(cx) {
            Poll::Ready(Err(error)) if error.is_closed() => Poll::Ready(Ok(None)),
            other => other.map_ok(|message| Some(Message::Data(message))),
        }
    }

    fn take_session(&mut self) -> Option<ClientSession> {
        Self::take_session(self)
    }

    fn take_early_data_status(&mut self) -> Option<Message> {
        None
    }

    fn poll_idle(&mut self, _: &mut Context<'_>) {}
}

impl Source for DtlsReceiver {
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        records: usize,
        turn: &mut Turn,
    ) -> Poll<Result<Option<Message>, Error>> {
        self.connection.poll_message(cx, records, turn)
    }

    fn take_session(&mut self) -> Option<ClientSession> {
        self.connection.take_session()
    }

    fn take_early_data_status(&mut self) -> Option<Message> {
        None
    }

    fn poll_idle(&mut self, _: &mut Context<'_>) {}
}
