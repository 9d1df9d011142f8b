//! Connections to the server that is measured, with nothing in them that only a curious client needs.

use std::sync::Arc;
use std::time::Duration;

use portcullis::{EarlyDataOutcome, MemorySessionStore, TlsConnector, TlsStream};
use serde_json::{Value, json};

use crate::connect::{self, Destination};
use crate::connecting;
use crate::failure::Failure;
use crate::io::Io;

/// How long a server may take to close after we have.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// How many sessions a slot keeps: each connection takes one, and servers give one or two.
const SESSIONS: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct Dialer {
    destination: Destination,
    connector: TlsConnector,
    /// Where the server's sessions are, if they are kept.
    sessions: Option<Arc<MemorySessionStore>>,
}

impl Dialer {
    pub(super) fn new(destination: Destination, connector: TlsConnector) -> Self {
        Self {
            destination,
            connector,
            sessions: None,
        }
    }

    /// One that keeps the server's sessions, and offers them.
    pub(super) fn resuming(&self) -> Self {
        let store = Arc::new(MemorySessionStore::new(SESSIONS));
        Self {
            destination: self.destination.clone(),
            connector: self.connector.clone().session_store(store.clone()),
            sessions: Some(store),
        }
    }

    /// Whether there is a session that can be offered.
    pub(super) fn has_session(&self) -> bool {
        let sessions = self.sessions.as_ref();
        sessions.is_some_and(|sessions| !sessions.is_empty())
    }

    /// Connects and shakes hands.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub(super) async fn connect(&self) -> Result<TlsStream<Io>, Failure> {
        let (connector, io) = self.reach().await?;
        let connected = connector.upgrade(io, self.destination.name.clone()).await;
        connected.map_err(|error| Failure::handshake(&error))
    }

    /// The same, with data that goes out before the handshake is over, if a session allows it.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed; the server may have got the data.
    pub(super) async fn connect_with_early_data(
        &self,
        data: bytes::Bytes,
    ) -> Result<(TlsStream<Io>, EarlyDataOutcome), Failure> {
        let (connector, io) = self.reach().await?;
        let name = self.destination.name.clone();
        let connected = connector.upgrade_with_early_data(io, name, data).await;
        connected.map_err(|error| Failure::handshake(&error))
    }

    async fn reach(&self) -> Result<(TlsConnector, Io), Failure> {
        let deadline = self.destination.deadline();
        let io = self.destination.connect(deadline).await?;
        let left = connect::left(deadline);
        Ok((self.connector.clone().handshake_timeout(left), io))
    }

    /// How long a connection, a handshake or an answer is waited for.
    pub(super) fn limit(&self) -> Duration {
        self.destination.limit
    }

    /// What the server agrees on, found out by a connection before all others.
    pub(super) async fn agreed(&self) -> Result<Value, Failure> {
        let stream = self.connect().await?;
        let information = stream.information();
        let alpn = information.alpn_protocol();
        let agreed = json!({
            "version": information.version().to_string(),
            "cipher_suite": information.cipher_suite().to_string(),
            "group": information.group().map(|group| group.to_string()),
            "alpn": alpn.map(String::from_utf8_lossy),
        });
        close(stream).await?;
        Ok(agreed)
    }
}

/// Closes, and waits until the server has, too.
pub(super) async fn close(stream: TlsStream<Io>) -> Result<(), Failure> {
    connecting::close(stream, CLOSE_WITHIN).await
}
