//! Handshakes that stand still at the peer's hello.

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::{Answer, ChooseConfiguration, Question, ReviewServerHello};
use portcullis_core::{ClientHelloView, ServerHelloView};
use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::Driver;
use super::handshaking::{Goal, Handshaking};
use super::{Reached, Until};
use crate::error::{Error, HandshakeError};

/// A server's handshake that stands still because the ClientHello is here.
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
    /// What the client sent.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (far, transport) = tokio::io::duplex(65_536);
    /// # tokio::spawn(async move { connector.upgrade(far, "localhost").await });
    /// let paused = acceptor.pause_at_hello(transport).await?;
    /// let hello = paused.client_hello();
    /// println!("{:?} {:?}", hello.server_name(), hello.alpn_protocols().collect::<Vec<_>>());
    /// # paused.proceed().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_hello(&self) -> &ClientHelloView {
        self.question.client_hello()
    }

    /// Goes on as configured.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (far, transport) = tokio::io::duplex(65_536);
    /// # tokio::spawn(async move { connector.upgrade(far, "localhost").await });
    /// let paused = acceptor.pause_at_hello(transport).await?;
    /// // While a database is asked, no timeout runs.
    /// let stream = paused.proceed().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub fn proceed(self) -> Handshaking<IO> {
        resume(self.driver, self.question.keep())
    }

    /// Goes on with another configuration.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (far, transport) = tokio::io::duplex(65_536);
    /// # tokio::spawn(async move { connector.upgrade(far, "localhost").await });
    /// # let of_the_name = acceptor.reloadable().current();
    /// let paused = acceptor.pause_at_hello(transport).await?;
    /// let stream = match paused.client_hello().server_name() {
    ///     Some("localhost") => paused.continue_with(of_the_name).await?,
    ///     _ => paused.proceed().await?,
    /// };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the handshake fails or times out.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub fn continue_with(self, config: ServerConfig) -> Handshaking<IO> {
        resume(self.driver, self.question.use_config(config))
    }

    /// Gives up: the client is sent the fatal alert `user_canceled`. The transport comes back.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (far, transport) = tokio::io::duplex(65_536);
    /// # let client = tokio::spawn(async move { connector.upgrade(far, "localhost").await });
    /// let paused = acceptor.pause_at_hello(transport).await?;
    /// let transport = paused.cancel().await;
    /// assert!(transport.is_some());
    /// # assert!(client.await?.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn cancel(self) -> Option<IO> {
        self.driver.cancel().await
    }

    /// Refuses with an alert of the caller's.
    ///
    /// ```
    /// use portcullis::{AlertDescription, Refusal};
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (connector, acceptor) = dev_ends();
    /// # let (far, transport) = tokio::io::duplex(65_536);
    /// # let client = tokio::spawn(async move { connector.upgrade(far, "localhost").await });
    /// let paused = acceptor.pause_at_hello(transport).await?;
    /// let refusal = Refusal::new(AlertDescription::UNRECOGNIZED_NAME, "nobody has this name here");
    /// let failed = paused.refuse(refusal).await;
    /// eprintln!("{}", failed.error());
    /// # assert!(client.await?.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn refuse(self, refusal: portcullis_core::Refusal) -> HandshakeError<IO> {
        refused(self.driver, self.question.refuse(refusal)).await
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Goal<IO> for PausedServer<IO> {
    const UNTIL: Until = Until::ClientHello;

    fn reach(mut driver: Box<Driver<IO>>, reached: Reached) -> Result<Self, HandshakeError<IO>> {
        if let Reached::Question(question) = reached
            && let Question::ChooseConfiguration(question) = question
        {
            return Ok(Self {
                driver,
                question: *question,
            });
        }
        Err(driver.give_back(Error::limit("the handshake did not pause")))
    }
}

/// A client's handshake that stands still because the ServerHello is here.
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
    pub fn proceed(self) -> Handshaking<IO> {
        resume(self.driver, self.question.proceed())
    }

    /// Goes on with other trust anchors and identities. What the ClientHello has offered stays.
    ///
    /// # Errors
    /// When the handshake fails or times out. [`Reason::Misuse`](crate::Reason::Misuse) where the server chooses
    /// what the configuration does not have:
    /// [`proceed_with`](crate::question::ReviewServerHello::proceed_with) has the list.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over.
    pub fn continue_with(self, config: ClientConfig) -> Handshaking<IO> {
        resume(self.driver, self.question.proceed_with(config))
    }

    /// Gives up: the server is sent the fatal alert `user_canceled`. The transport comes back.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn cancel(self) -> Option<IO> {
        self.driver.cancel().await
    }

    /// Refuses with an alert of the caller's.
    ///
    /// # Cancel safety
    /// Dropped, the handshake is over; the alert may not have been sent.
    pub async fn refuse(self, refusal: portcullis_core::Refusal) -> HandshakeError<IO> {
        refused(self.driver, self.question.refuse(refusal)).await
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Goal<IO> for PausedClient<IO> {
    const UNTIL: Until = Until::ServerHello;

    fn reach(mut driver: Box<Driver<IO>>, reached: Reached) -> Result<Self, HandshakeError<IO>> {
        if let Reached::Question(question) = reached
            && let Question::ReviewServerHello(question) = question
        {
            return Ok(Self {
                driver,
                question: *question,
            });
        }
        Err(driver.give_back(Error::limit("the handshake did not pause")))
    }
}

/// The answer that somebody has thought about.
fn resume<IO>(mut driver: Box<Driver<IO>>, answer: Answer) -> Handshaking<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    driver.answer(answer);
    Handshaking::running(driver)
}

async fn refused<IO>(driver: Box<Driver<IO>>, refusal: Answer) -> HandshakeError<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    match resume(driver, refusal).or_transport().await {
        Err(error) => error,
        Ok(stream) => HandshakeError::new(Error::closed(), Some(stream.into_inner()), Vec::new()),
    }
}
