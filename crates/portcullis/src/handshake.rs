//! A handshake from its first byte to its stream, its error, or its pause at the hello.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::{Answer, ChooseConfiguration, Question, ReviewServerHello};
use portcullis_core::{ClientHelloView, ServerHelloView};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::Instrument as _;

use crate::answers::Questions;
use crate::driver::Driver;
use crate::error::{Error, HandshakeError};
use crate::stream::TlsStream;

/// Thirty years: a timeout that is longer is cut to this, so that clocks do not overflow.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(86_400 * 365 * 30);

/// When something that may take `timeout` has to be over.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + within_bounds(timeout)
}

/// A timeout that can be added to any time.
pub(crate) fn within_bounds(timeout: Duration) -> Duration {
    timeout.min(LONGEST_TIMEOUT)
}

/// What a handshake may fail with before its work does.
enum Late {
    /// The client has said nothing.
    Silent,
    Handshake,
}

impl Late {
    fn error<IO: AsyncRead + AsyncWrite + Unpin>(&self, driver: &Driver<IO>) -> Error {
        match self {
            Self::Silent => Error::silence(driver.conduct().first_byte_timeout),
            Self::Handshake => Error::timeout(driver.stage()),
        }
    }
}

/// Runs a handshake within its limits: that of the client's first byte, then that of the whole.
async fn run_in_time<IO>(
    driver: &mut Driver<IO>,
    deadline: Instant,
    wanted: fn(&Question) -> bool,
) -> Result<Result<Option<Box<Question>>, Error>, Late>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // One timer for both: the second limit only moves it.
    let first = driver.first_byte_by().filter(|first| *first < deadline);
    let mut timer = pin!(sleep_until(first.unwrap_or(deadline)));
    if first.is_some() {
        let heard = before(timer.as_mut(), driver.hear()).await;
        if let Err(error) = heard.ok_or(Late::Silent)? {
            return Ok(Err(error));
        }
        timer.as_mut().reset(deadline);
    }
    let run = before(timer, driver.run(wanted)).await;
    run.ok_or(Late::Handshake)
}

/// What `work` gives before the timer ends.
async fn before<T>(mut timer: Pin<&mut Sleep>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        // Work that uses up the task's budget each time must end all the same.
        let mut timer = pin!(unconstrained(timer.as_mut()));
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Runs a handshake to its end.
pub(crate) async fn complete<IO>(
    driver: Box<Driver<IO>>,
    deadline: Instant,
) -> Result<TlsStream<IO>, HandshakeError<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let span = driver.span().clone();
    async move {
        let mut driver = driver;
        match run_in_time(&mut driver, deadline, |_| false).await {
            Ok(Ok(_)) => driver.finish(),
            Ok(Err(error)) => Err(driver.fail(error).await),
            Err(late) => {
                let error = late.error(&driver);
                Err(driver.time_out(error))
            }
        }
    }
    .instrument(span)
    .await
}

/// Runs a handshake up to the question about the peer's hello.
async fn pause<IO>(
    mut driver: Box<Driver<IO>>,
    deadline: Instant,
    wanted: fn(&Question) -> bool,
) -> Result<(Box<Driver<IO>>, Question), HandshakeError<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let span = driver.span().clone();
    async move {
        match run_in_time(&mut driver, deadline, wanted).await {
            Ok(Ok(Some(question))) => Ok((driver, *question)),
            Ok(Ok(None)) => Err(driver
                .fail(Error::limit("the handshake did not pause"))
                .await),
            Ok(Err(error)) => Err(driver.fail(error).await),
            Err(late) => {
                let error = late.error(&driver);
                Err(driver.time_out(error))
            }
        }
    }
    .instrument(span)
    .await
}

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
        match pause(driver, deadline, |question| {
            matches!(question, Question::ChooseConfiguration(_))
        })
        .await?
        {
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
        match pause(driver, deadline, |question| {
            matches!(question, Question::ReviewServerHello(_))
        })
        .await?
        {
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
