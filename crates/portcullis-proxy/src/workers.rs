//! Threads that serve connections, each with a runtime of its own: what one has accepted stays there.
//!
//! All accept from the same queues, so nobody waits in that of a thread which is busy, and another proxy can take them over.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use socket2::Socket;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::ListenAddress;
use crate::listener::{self, Listening};
use crate::proxy::{Phase, Shared};

/// A socket of a listener's, for one thread.
pub(crate) struct Share {
    pub(crate) name: Arc<str>,
    pub(crate) address: ListenAddress,
    pub(crate) socket: OwnedFd,
}

/// Threads that have all that they need, and wait. Dropped, they end.
pub(crate) struct Workers(Vec<oneshot::Sender<Start>>);

struct Start {
    shared: Arc<Shared>,
    /// Dropped when nothing is accepted any more.
    accepts: oneshot::Sender<()>,
}

impl Workers {
    /// One for each list of sockets.
    ///
    /// # Errors
    /// When there is no thread or no runtime for one.
    pub(crate) fn prepare(shares: Vec<Vec<Share>>) -> io::Result<Self> {
        let mut waiting = Vec::new();
        for (at, shares) in shares.into_iter().enumerate() {
            let (start, starts) = oneshot::channel();
            let (tells, told) = mpsc::channel();
            std::thread::Builder::new()
                .name(format!("proxy-worker-{at}"))
                .spawn(move || work(shares, &tells, starts))?;
            let prepared = told.recv();
            prepared.unwrap_or_else(|_| Err(io::Error::other("the thread has failed")))?;
            waiting.push(start);
        }
        Ok(Self(waiting))
    }

    /// They accept from now on. What is given is ready when one accepts no more.
    pub(crate) fn start(self, shared: &Arc<Shared>) -> Vec<oneshot::Receiver<()>> {
        let started = self.0.into_iter().map(|start| {
            let (accepts, ends) = oneshot::channel();
            let shared = Arc::clone(shared);
            // Its thread waits for it.
            let _ = start.send(Start { shared, accepts });
            ends
        });
        started.collect()
    }
}

fn work(
    shares: Vec<Share>,
    tells: &mpsc::Sender<io::Result<()>>,
    starts: oneshot::Receiver<Start>,
) {
    let prepared = Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| {
            let entered = runtime.enter();
            let sockets = shares.into_iter().map(|share| {
                let socket = Socket::from(share.socket);
                Ok((share.name, Listening::inherited(socket, &share.address)?))
            });
            let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
            drop(entered);
            Ok((runtime, sockets))
        });
    let (runtime, sockets) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return drop(tells.send(Err(error))),
    };
    if tells.send(Ok(())).is_err() {
        return;
    }
    let Ok(Start { shared, accepts }) = starts.blocking_recv() else {
        return;
    };
    runtime.block_on(async move {
        let mut tasks = JoinSet::new();
        for (name, socket) in sockets {
            tasks.spawn(listener::run(Arc::clone(&shared), name, socket));
        }
        while tasks.join_next().await.is_some() {}
        drop(accepts);
        // Connections go on here.
        shared.phase().over(Phase::Draining).await;
        let _ = timeout(Duration::from_secs(1), shared.ended()).await;
    });
}
