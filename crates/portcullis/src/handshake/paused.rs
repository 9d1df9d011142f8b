//! Handshakes that stand still at the peer's hello.

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::{Answer, ChooseConfiguration, Question, ReviewServerHello};
use portcullis_core::{ClientHelloView, ServerHelloView};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::driver::Driver;
use super::{Until, complete, deadline, pause};
use crate::answers::Questions;
use crate::error::{Error, HandshakeError};
use crate::stream::TlsStream;

/// A server's handshake that stands still because the ClientHello is here (B5).
///
/// While it is paused no timeout runs. Dropped, it tells the client `user_canceled` if that can
/// be done at once.
#[derive(Debug)]
#[must_use = "the client waits"]
pub struct PausedServer<IO: AsyncRead + AsyncWrite + Unpin> {
    driver: Box<Driver<IO>>,
    question: ChooseConfiguration,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> PausedServer<IO> {
    pub(crate) async fn start(driver: Box<Driver<IO>>) -> Result<Self, HandshakeError<IO>> {
        let deadline = deadline(driver.conduct().handshake_timeout);
        match pause(driver, deadline, Until::ClientHello).await? {
            (driver, Question::ChooseConfiguration(question)) => Ok(Self { driver, question }),
            (driver, _) => Err(driver
                .fail(Error::limit("the handshake did not pause"))
                .await),
        }
    }

    /// What the client sent.
    pub fn client_hello(&self) -> &ClientHelloView {
        self.question.client_hello()
    }

    /// Goes on as configured.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub async fn proceed(self) -> Result<TlsStream<IO>, HandshakeError<IO>> {
        resume(self.driver, self.question.keep()).await
    }

    /// Goes on with another configuration.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub async fn continue_with(
        self,
        config: ServerConfig,
    ) -> Result<TlsStream<IO>, HandshakeError<IO>> {
        match self
            .driver
            .conduct()
            .server_config(&config, Questions::none())
        {
            Ok(config) => resume(self.driver, self.question.use_config(config)).await,
            Err(misuse) => Err(self.driver.fail(misuse.into()).await),
        }
    }

    /// Gives up: the client is sent the fatal alert `user_canceled`. The transport comes back.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn cancel(self) -> Option<IO> {
        self.driver.cancel().await.into_parts().1
    }

    /// Refuses with an alert of the caller's.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn refuse(self, refusal: portcullis_core::Refusal) -> HandshakeError<IO> {
        refused(self.driver, self.question.refuse(refusal)).await
    }
}

/// A client's handshake that stands still because the ServerHello is here (B5).
///
/// While it is paused no timeout runs. Dropped, it tells the server `user_canceled` if that can
/// be done at once.
#[derive(Debug)]
#[must_use = "the server waits"]
pub struct PausedClient<IO: AsyncRead + AsyncWrite + Unpin> {
    driver: Box<Driver<IO>>,
    question: ReviewServerHello,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> PausedClient<IO> {
    pub(crate) async fn start(
        driver: Box<Driver<IO>>,
        deadline: Instant,
    ) -> Result<Self, HandshakeError<IO>> {
        match pause(driver, deadline, Until::ServerHello).await? {
            (driver, Question::ReviewServerHello(question)) => Ok(Self { driver, question }),
            (driver, _) => Err(driver
                .fail(Error::limit("the handshake did not pause"))
                .await),
        }
    }

    /// What the server sent.
    pub fn server_hello(&self) -> &ServerHelloView {
        self.question.server_hello()
    }

    /// Goes on as configured.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub async fn proceed(self) -> Result<TlsStream<IO>, HandshakeError<IO>> {
        resume(self.driver, self.question.proceed()).await
    }

    /// Goes on with other trust anchors and identities. What the ClientHello has offered stays.
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub async fn continue_with(
        self,
        config: ClientConfig,
    ) -> Result<TlsStream<IO>, HandshakeError<IO>> {
        match self
            .driver
            .conduct()
            .client_config(&config, Questions::none())
        {
            Ok(config) => resume(self.driver, self.question.proceed_with(config)).await,
            Err(misuse) => Err(self.driver.fail(misuse.into()).await),
        }
    }

    /// Gives up: the server is sent the fatal alert `user_canceled`. The transport comes back.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn cancel(self) -> Option<IO> {
        self.driver.cancel().await.into_parts().1
    }

    /// Refuses with an alert of the caller's.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn refuse(self, refusal: portcullis_core::Refusal) -> HandshakeError<IO> {
        refused(self.driver, self.question.refuse(refusal)).await
    }
}

async fn resume<IO>(
    mut driver: Box<Driver<IO>>,
    answer: Answer,
) -> Result<TlsStream<IO>, HandshakeError<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    match driver.answer(answer) {
        Ok(()) => {
            let deadline = deadline(driver.conduct().handshake_timeout);
            complete(driver, deadline).await
        }
        Err(error) => Err(driver.fail(error).await),
    }
}

async fn refused<IO>(driver: Box<Driver<IO>>, refusal: Answer) -> HandshakeError<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    match resume(driver, refusal).await {
        Err(error) => error,
        Ok(stream) => HandshakeError::new(Error::closed(), Some(stream.into_inner()), Vec::new()),
    }
}
