//! Many handshakes at once, each in a task of its own, over streams and over datagrams: how many there are, what one
//! address may have of them, who hears of those that fail, and how they come to an end.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::address_limits::{AddressLimits, Addresses, Place};
use super::connections::ConnectionError;
use super::stop::{StopHandle, Stopping};
use crate::conduct::Conduct;
use crate::environment::Life;
use crate::error::Error;
use crate::log_level::{LogLevel, log_at};

/// A handshake that is over, and whose it was.
pub(crate) type Shaken<C, P, A = P> = Result<(C, P), ConnectionError<A>>;
/// What comes next: a `T`, a fault of whoever is asked, or nothing any more.
pub(crate) type PollNext<T, E> = Poll<Option<Result<T, E>>>;
type OnFailed<A> = Box<dyn FnMut(&ConnectionError<A>) + Send>;
type AddressOf<P> = Box<dyn Fn(&P) -> Option<IpAddr> + Send>;

/// Handshakes that become connections `C`, with peers `P` whose address is an `A`.
pub(crate) struct Handshakes<C, P, A = P> {
    limit: usize,
    tasks: JoinSet<Shaken<C, P, A>>,
    stopping: Stopping,
    /// Of the environment.
    ending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    on_failed: Option<OnFailed<A>>,
    limits: Option<Limits<P>>,
    log: Option<LogLevel>,
}

/// What one address may have, and which it is.
struct Limits<P> {
    addresses: Arc<Mutex<Addresses>>,
    address_of: AddressOf<P>,
}

impl<P> Limits<P> {
    fn place(&self, peer: &P) -> Result<Option<Place>, Error> {
        let address = (self.address_of)(peer);
        address
            .map(|address| Addresses::enter(&self.addresses, address))
            .transpose()
    }
}

impl<C, P, A> Handshakes<C, P, A>
where
    C: Send + 'static,
    P: Into<Option<A>> + Send + Sync + 'static,
    A: Send + 'static,
{
    /// Up to `limit` at once, and at least one.
    pub(crate) fn new(limit: usize, conduct: &Conduct) -> Self {
        let life = conduct.life.clone();
        Self {
            limit: limit.max(1),
            tasks: JoinSet::new(),
            stopping: Stopping::new(),
            ending: life.map(|life| Box::pin(Life::ending(life)) as Pin<Box<_>>),
            on_failed: None,
            limits: None,
            log: conduct.log,
        }
    }

    pub(crate) fn on_failed(&mut self, call: impl FnMut(&ConnectionError<A>) + Send + 'static) {
        self.on_failed = Some(Box::new(call));
    }

    pub(crate) fn per_address(
        &mut self,
        limits: AddressLimits,
        address_of: impl Fn(&P) -> Option<IpAddr> + Send + 'static,
    ) {
        self.limits = Some(Limits {
            addresses: Addresses::new(limits),
            address_of: Box::new(address_of),
        });
    }

    /// From here on it is logged as this acceptor says.
    pub(crate) fn set_log(&mut self, conduct: &Conduct) {
        self.log = conduct.log;
    }

    pub(crate) fn stop_handle(&self) -> StopHandle {
        self.stopping.handle()
    }

    /// Those that are under way, or finished and not taken.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// One that failed was passed over; `None` where it may not be told why.
    pub(crate) fn report(&self, error: Option<&ConnectionError<A>>)
    where
        A: fmt::Debug,
    {
        match error {
            None => log_at!(self.log, DEBUG, "a handshake failed"),
            Some(error) => log_at!(self.log, DEBUG, %error, "a handshake failed"),
        }
    }

    fn note(&mut self, shaken: &Shaken<C, P, A>) {
        if let (Err(error), Some(call)) = (shaken, &mut self.on_failed) {
            call(error);
        }
    }

    /// Those that are under way, once they are over; nobody else comes.
    pub(crate) async fn finish(mut self) -> Vec<Result<C, ConnectionError<A>>> {
        let mut finished = Vec::with_capacity(self.tasks.len());
        while let Some(joined) = self.tasks.join_next().await {
            if let Ok(shaken) = joined {
                self.note(&shaken);
                finished.push(shaken.map(|(connection, _)| connection));
            }
        }
        finished
    }

    /// The next that is over. `next` gives who comes to the listener, `None` when nobody will; `shake` begins the
    /// handshake. Stopped, there is no listener any more, and `None` behind the last handshake.
    pub(crate) fn poll<L, W, F, E>(
        &mut self,
        listener: &mut Option<L>,
        mut next: impl FnMut(&mut L, &mut Context<'_>) -> PollNext<(W, P), E>,
        mut shake: impl FnMut(W, Instant, &P) -> F,
        cx: &mut Context<'_>,
    ) -> PollNext<Shaken<C, P, A>, E>
    where
        F: Future<Output = Result<C, Error>> + Send + 'static,
    {
        if let Some(ending) = &mut self.ending
            && ending.as_mut().poll(cx).is_ready()
        {
            self.ending = None;
            self.stopping.handle().stop();
        }
        if self.stopping.poll(cx) {
            *listener = None;
        }
        loop {
            match self.tasks.poll_join_next(cx) {
                Poll::Ready(Some(Ok(shaken))) => {
                    self.note(&shaken);
                    return Poll::Ready(Some(Ok(shaken)));
                }
                // An answer that panicked costs its own connection only.
                Poll::Ready(Some(Err(error))) => {
                    log_at!(self.log, ERROR, %error, "a handshake did not come to its end");
                    continue;
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
            let Some(there) = listener else {
                if !self.tasks.is_empty() {
                    return Poll::Pending;
                }
                self.stopping.over();
                return Poll::Ready(None);
            };
            if self.tasks.len() >= self.limit {
                return Poll::Pending;
            }
            let (waiting, peer) = match ready!(next(there, cx)) {
                Some(Ok(client)) => client,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    *listener = None;
                    continue;
                }
            };
            let since = Instant::now();
            let place = self.limits.as_ref().map(|limits| limits.place(&peer));
            let place = match place.transpose() {
                Ok(place) => place,
                Err(error) => {
                    drop(waiting);
                    let failed = Err(failed(peer, error, Duration::ZERO));
                    self.note(&failed);
                    return Poll::Ready(Some(Ok(failed)));
                }
            };
            let handshake = shake(waiting, since, &peer);
            self.tasks.spawn(async move {
                // Given back however it ends.
                let _place = place;
                match handshake.await {
                    Ok(connection) => Ok((connection, peer)),
                    Err(error) => Err(failed(peer, error, since.elapsed())),
                }
            });
        }
    }
}

fn failed<A>(peer: impl Into<Option<A>>, error: Error, after: Duration) -> ConnectionError<A> {
    ConnectionError {
        peer_addr: peer.into(),
        error,
        after,
    }
}

impl<C, P, A> fmt::Debug for Handshakes<C, P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshakes")
            .field("limit", &self.limit)
            .field("under_way", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
