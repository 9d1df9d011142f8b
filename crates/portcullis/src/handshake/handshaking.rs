//! The future of a handshake, by its name.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::Driver;
use super::start::Looking;
use super::{Reached, Until};
use crate::error::{Error, HandshakeError};
use crate::stream::TlsStream;

/// A handshake under way: a future of its [`TlsStream`], or of the [`PausedServer`] or
/// [`PausedClient`] that stands at the peer's hello.
///
/// It owns its transport, which may be borrowed, and is as large as two pointers. Its time begins
/// when it is polled first. On failure the transport is dropped, so that the [`Error`] goes
/// wherever `?` takes it; [`or_transport`](Self::or_transport) gives both.
///
/// Dropped before it is ready, the transport is closed, and the peer is told `user_canceled` if
/// that can be done at once.
///
/// [`PausedServer`]: crate::PausedServer
/// [`PausedClient`]: crate::PausedClient
#[must_use = "the peer waits"]
pub struct Handshaking<IO: AsyncRead + AsyncWrite + Unpin, T = TlsStream<IO>> {
    state: State<IO>,
    goal: PhantomData<fn() -> T>,
}

/// What a handshake is to come to: a stream, or a pause.
pub trait Goal<IO: AsyncRead + AsyncWrite + Unpin>: Sized {
    #[doc(hidden)]
    const UNTIL: Until;

    #[doc(hidden)]
    fn reach(driver: Box<Driver<IO>>, reached: Reached) -> Result<Self, HandshakeError<IO>>;
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Goal<IO> for TlsStream<IO> {
    const UNTIL: Until = Until::End;

    fn reach(mut driver: Box<Driver<IO>>, _: Reached) -> Result<Self, HandshakeError<IO>> {
        driver.finish()
    }
}

/// Boxed: the caller's task outlives the handshake, and this is given back after it.
enum State<IO: AsyncRead + AsyncWrite + Unpin> {
    Looking(Box<Looking<IO>>),
    Running(Box<Driver<IO>>),
    Failed(Box<HandshakeError<IO>>),
    Over,
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Goal<IO>> Handshaking<IO, T> {
    /// A client's that looks for sessions first.
    pub(super) fn looking(looking: Box<Looking<IO>>) -> Self {
        let state = State::Looking(looking);
        let goal = PhantomData;
        Self { state, goal }
    }

    pub(crate) fn running(driver: Box<Driver<IO>>) -> Self {
        let state = State::Running(driver);
        let goal = PhantomData;
        Self { state, goal }
    }

    /// One that has failed before its first byte.
    pub(crate) fn failed(error: HandshakeError<IO>) -> Self {
        let state = State::Failed(Box::new(error));
        let goal = PhantomData;
        Self { state, goal }
    }

    /// The same handshake, which on failure gives the transport back, with what was read from it
    /// and not used.
    ///
    /// ```
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// let (mut client, transport) = tokio::io::duplex(4096);
    /// client.write_all(b"this is no TLS").await?;
    /// # client.shutdown().await?;
    /// match acceptor.accept(transport).or_transport().await {
    ///     Ok(stream) => println!("{:?}", stream.alpn_protocol()),
    ///     Err(failed) => {
    ///         let (error, transport, unread) = failed.into_parts();
    ///         println!("{error}; {} bytes were read", unread.len());
    /// #       assert!(transport.is_some());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn or_transport(self) -> OrTransport<IO, T> {
        OrTransport(self)
    }

    fn poll_reach(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, HandshakeError<IO>>> {
        loop {
            let reached = match &mut self.state {
                State::Looking(looking) => {
                    ready!(looking.poll_look(cx));
                    Ok(Reached::End)
                }
                State::Running(driver) => {
                    let span = driver.span().clone();
                    let _entered = span.enter();
                    ready!(driver.poll(cx, T::UNTIL))
                }
                State::Failed(_) | State::Over => Err(Error::closed()),
            };
            let state = std::mem::replace(&mut self.state, State::Over);
            return Poll::Ready(match (state, reached) {
                (State::Running(driver), Ok(reached)) => T::reach(driver, reached),
                (State::Running(mut driver), Err(error)) => Err(driver.give_back(error)),
                (State::Looking(looking), _) => match looking.begin() {
                    Ok(driver) => {
                        self.state = State::Running(driver);
                        continue;
                    }
                    Err(error) => Err(error),
                },
                (State::Failed(error), _) => Err(*error),
                (State::Over, _) => Err(HandshakeError::new(Error::closed(), None, Vec::new())),
            });
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Goal<IO>> Future for Handshaking<IO, T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_reach(cx).map_err(Error::from)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T> fmt::Debug for Handshaking<IO, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Handshaking");
        match &self.state {
            State::Running(driver) => debug.field("driver", driver),
            State::Failed(error) => debug.field("error", error),
            State::Looking(_) | State::Over => &mut debug,
        };
        debug.finish_non_exhaustive()
    }
}

/// A handshake that gives the transport back when it fails: see [`Handshaking::or_transport`].
#[derive(Debug)]
#[must_use = "the peer waits"]
pub struct OrTransport<IO: AsyncRead + AsyncWrite + Unpin, T = TlsStream<IO>>(Handshaking<IO, T>);

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Goal<IO>> Future for OrTransport<IO, T> {
    type Output = Result<T, HandshakeError<IO>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_reach(cx)
    }
}
