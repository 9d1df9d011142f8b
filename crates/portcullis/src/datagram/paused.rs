//! Handshakes over datagrams that stand still at the peer's hello.

use std::fmt;
use std::net::SocketAddr;

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::{Answer, ChooseConfiguration, Question, ReviewServerHello};
use portcullis_core::{ClientHelloView, Refusal, ServerHelloView};
use tracing::Instrument as _;

use super::connection::DtlsConnection;
use super::handshake::Running;
use crate::error::Error;
use crate::handshake::Until;

/// A handshake that has come to its peer's hello.
struct Paused {
    running: Running,
    span: tracing::Span,
}

impl Paused {
    async fn reach(
        mut running: Running,
        until: Until,
        span: tracing::Span,
    ) -> Result<(Self, Question), Error> {
        let reached = running.reach(until, &span).instrument(span.clone()).await?;
        match reached {
            Some(question) => Ok((Self { running, span }, question)),
            None => Err(Error::limit("the handshake did not pause")),
        }
    }

    async fn go_on(self, answer: Answer) -> Result<DtlsConnection, Error> {
        let Self { mut running, span } = self;
        running.resume(answer)?;
        running.run(&span).instrument(span.clone()).await
    }

    async fn refuse(self, refusal: Answer) -> Error {
        match self.go_on(refusal).await {
            Err(error) => error,
            Ok(_) => Error::closed(),
        }
    }
}

/// A server's handshake over datagrams that stands still because the ClientHello is here.
///
/// While it is paused no timeout of this side runs, and nobody answers the client, who says its hello again in growing
/// intervals and gives up in its time. It is one of the [`handshakes`](crate::DtlsOptions::handshakes) that may be under
/// way. Dropped, it tells the client `user_canceled` if that can be done at once.
#[must_use = "the client waits"]
pub struct PausedDtlsServer {
    paused: Paused,
    question: ChooseConfiguration,
}

impl PausedDtlsServer {
    pub(super) async fn reach(running: Running, span: tracing::Span) -> Result<Self, Error> {
        match Paused::reach(running, Until::ClientHello, span).await? {
            (paused, Question::ChooseConfiguration(question)) => Ok(Self {
                paused,
                question: *question,
            }),
            _ => Err(Error::limit("the handshake did not pause")),
        }
    }

    /// The client's address; `None` over a transport that has none.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.paused.running.peer_addr()
    }

    /// What the client sent.
    pub fn client_hello(&self) -> &ClientHelloView {
        self.question.client_hello()
    }

    /// Goes on as configured. The [`handshake_timeout`](crate::TlsAcceptor::handshake_timeout) begins anew.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub fn proceed(self) -> impl Future<Output = Result<DtlsConnection, Error>> + Send + 'static {
        Box::pin(self.paused.go_on(self.question.keep()))
    }

    /// Goes on with another configuration; of its versions and lists, those that DTLS has.
    ///
    /// # Errors
    /// As [`proceed`](Self::proceed), and when nothing is left of them.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub fn continue_with(
        self,
        config: ServerConfig,
    ) -> impl Future<Output = Result<DtlsConnection, Error>> + Send + 'static {
        Box::pin(self.paused.go_on(self.question.use_config(config)))
    }

    /// Refuses with an alert of the caller's; gives the error that the handshake has failed with.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn refuse(self, refusal: Refusal) -> Error {
        self.paused.refuse(self.question.refuse(refusal)).await
    }
}

impl fmt::Debug for PausedDtlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PausedDtlsServer")
            .field("peer", &self.peer_addr())
            .field("question", &self.question)
            .finish_non_exhaustive()
    }
}

/// A client's handshake over datagrams that stands still because the ServerHello is here.
///
/// While it is paused no timeout of this side runs, and nobody answers the server, who says again what it has said and gives
/// up in its time. Dropped, it tells the server `user_canceled` if that can be done at once.
#[must_use = "the server waits"]
pub struct PausedDtlsClient {
    paused: Paused,
    question: ReviewServerHello,
}

impl PausedDtlsClient {
    pub(super) async fn reach(running: Running, span: tracing::Span) -> Result<Self, Error> {
        match Paused::reach(running, Until::ServerHello, span).await? {
            (paused, Question::ReviewServerHello(question)) => Ok(Self {
                paused,
                question: *question,
            }),
            _ => Err(Error::limit("the handshake did not pause")),
        }
    }

    /// What the server sent.
    pub fn server_hello(&self) -> &ServerHelloView {
        self.question.server_hello()
    }

    /// Goes on as configured. The [`handshake_timeout`](crate::TlsConnector::handshake_timeout) begins anew.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub fn proceed(self) -> impl Future<Output = Result<DtlsConnection, Error>> + Send + 'static {
        Box::pin(self.paused.go_on(self.question.proceed()))
    }

    /// Goes on with other trust anchors and identities. What the ClientHello has offered stays.
    ///
    /// # Errors
    /// As [`proceed`](Self::proceed). [`Reason::Misuse`](crate::Reason::Misuse) where the server chooses what the
    /// configuration does not have:
    /// [`proceed_with`](crate::question::ReviewServerHello::proceed_with) has the list.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub fn continue_with(
        self,
        config: ClientConfig,
    ) -> impl Future<Output = Result<DtlsConnection, Error>> + Send + 'static {
        Box::pin(self.paused.go_on(self.question.proceed_with(config)))
    }

    /// Refuses with an alert of the caller's; gives the error that the handshake has failed with.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn refuse(self, refusal: Refusal) -> Error {
        self.paused.refuse(self.question.refuse(refusal)).await
    }
}

impl fmt::Debug for PausedDtlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PausedDtlsClient")
            .field("question", &self.question)
            .finish_non_exhaustive()
    }
}
