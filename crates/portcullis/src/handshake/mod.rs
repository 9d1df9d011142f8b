//! A handshake from its first byte to its stream, its error, or its pause at the hello.

mod driver;
mod paused;
mod running;
pub(crate) mod span;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use portcullis_core::question::Question;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::Instrument as _;

use crate::error::{Error, HandshakeError};
use crate::stream::TlsStream;

pub(crate) use driver::Driver;
pub use paused::{PausedClient, PausedServer};

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

/// How far a handshake is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// A server's: up to the question for a configuration.
    ClientHello,
    /// A client's: up to the review of what the server has selected.
    ServerHello,
    End,
}

/// How far a handshake has come.
enum Reached {
    Question(Box<Question>),
    End,
}

impl Until {
    fn is_at(self, question: &Question) -> bool {
        match self {
            Self::ClientHello => matches!(question, Question::ChooseConfiguration(_)),
            Self::ServerHello => matches!(question, Question::ReviewServerHello(_)),
            Self::End => false,
        }
    }
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
    until: Until,
) -> Result<Result<Reached, Error>, Late>
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
    let run = before(timer, driver.run(until)).await;
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
        match run_in_time(&mut driver, deadline, Until::End).await {
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
    until: Until,
) -> Result<(Box<Driver<IO>>, Question), HandshakeError<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let span = driver.span().clone();
    async move {
        match run_in_time(&mut driver, deadline, until).await {
            Ok(Ok(Reached::Question(question))) => Ok((driver, *question)),
            Ok(Ok(Reached::End)) => Err(driver
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
