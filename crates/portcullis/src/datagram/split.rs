//! The halves of a connection: one task receives, any number send.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::{ConnectionInformation, Stage};

use super::association::{Owner, Together};
use super::connection::{self, DtlsConnection};
use super::statistics::DtlsStatistics;
use crate::delivery::{Active, ActiveStream};
use crate::error::Error;

/// How many messages are sealed before they are sent.
const TOGETHER: usize = 64;

/// The half that receives. The connection ends when it and all that send are dropped.
#[derive(Debug)]
pub struct DtlsReceiver {
    pub(super) connection: DtlsConnection,
}

impl DtlsReceiver {
    /// As [`DtlsConnection::recv`].
    ///
    /// # Errors
    /// As [`DtlsConnection::recv`].
    ///
    /// # Cancel safety
    /// Dropped, no message is lost.
    pub async fn recv(&mut self) -> Result<Bytes, Error> {
        self.connection.recv().await
    }

    /// As [`DtlsConnection::recv_timeout`].
    ///
    /// # Errors
    /// As [`DtlsConnection::recv_timeout`].
    ///
    /// # Cancel safety
    /// Dropped, no message is lost.
    pub async fn recv_timeout(&mut self, within: Duration) -> Result<Bytes, Error> {
        self.connection.recv_timeout(within).await
    }

    /// As [`DtlsConnection::into_active`].
    pub fn into_active(self, mode: Active) -> ActiveStream<Self> {
        ActiveStream::new(self, mode)
    }

    /// What was negotiated.
    pub fn information(&self) -> &ConnectionInformation {
        self.connection.information()
    }

    /// What has come and gone, and why anything was dropped.
    pub fn statistics(&self) -> DtlsStatistics {
        self.connection.statistics()
    }
}

/// The half that sends. Its clones send on the same connection, from any tasks.
#[derive(Clone)]
pub struct DtlsSender {
    pub(super) owner: Arc<Owner>,
    pub(super) information: Arc<ConnectionInformation>,
}

impl fmt::Debug for DtlsSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsSender").finish_non_exhaustive()
    }
}

impl DtlsSender {
    /// As [`DtlsConnection::send`].
    ///
    /// # Errors
    /// As [`DtlsConnection::send`].
    ///
    /// # Cancel safety
    /// Dropped, the message was sent, or not, but whole.
    pub async fn send(&self, message: &[&[u8]]) -> Result<(), Error> {
        connection::send(&self.owner, message).await
    }

    /// As [`DtlsConnection::try_send`].
    ///
    /// # Errors
    /// As [`DtlsConnection::try_send`].
    pub fn try_send(&self, message: &[&[u8]]) -> Result<(), Error> {
        connection::try_send(&self.owner, message)
    }

    /// As [`DtlsConnection::send_many`].
    ///
    /// # Errors
    /// As [`DtlsConnection::send_many`].
    ///
    /// # Cancel safety
    /// Dropped, some of them were sent, in their order.
    pub async fn send_many(&self, messages: &[&[u8]]) -> Result<(), Error> {
        send_many(&self.owner, messages).await
    }

    /// Says close_notify: nothing can be sent afterwards, by nobody.
    pub fn close_notify(&self) {
        self.owner.close_notify();
    }
}

/// Sends messages that follow each other in one length together.
pub(super) async fn send_many(owner: &Owner, messages: &[&[u8]]) -> Result<(), Error> {
    let link = &owner.endpoint.link;
    let mut rest = messages;
    while let Some(first) = rest.first() {
        let most = link
            .most_together(owner.sealed_len(first.len()))
            .min(TOGETHER);
        let same = rest.iter().take(most);
        let mut count = same
            .take_while(|message| message.len() == first.len())
            .count();
        // The last one may be shorter.
        if count < most && rest.get(count).is_some_and(|next| next.len() < first.len()) {
            count += 1;
        }
        let together = rest.get(..count).unwrap_or_default();
        let sent = match owner.send_together(together)? {
            Together::Sent(count) => count,
            Together::Unsent {
                count,
                datagrams,
                length,
                error,
            } => {
                send_later(owner, &datagrams, length, error).await?;
                count
            }
            Together::Paused => {
                std::future::poll_fn(|cx| owner.poll_sendable(cx)).await;
                0
            }
        };
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Sends what was not sent at once because of this error.
async fn send_later(
    owner: &Owner,
    datagrams: &[u8],
    length: usize,
    error: io::Error,
) -> Result<(), Error> {
    let link = &owner.endpoint.link;
    let is_one = datagrams.len() == length;
    let sent = match error.kind() {
        io::ErrorKind::WouldBlock => {
            let each = (!is_one).then_some(length);
            link.send(&owner.path(), datagrams, each).await
        }
        _ => Err(error),
    };
    match sent {
        Err(error) if is_one => return Err(refused(owner, error, length)),
        Ok(()) => return Ok(()),
        Err(_) => {}
    }
    // The device cannot do it after all.
    for datagram in datagrams.chunks(length) {
        let sent = link.send(&owner.path(), datagram, None).await;
        sent.map_err(|error| refused(owner, error, datagram.len()))?;
    }
    Ok(())
}

fn refused(owner: &Owner, error: io::Error, length: usize) -> Error {
    owner.is_refused(&error, length);
    Error::io(error, Stage::Connected)
}
