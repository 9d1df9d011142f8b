//! Clients that come back again and again, and what became of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis::TlsConnector;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Between two connections.
const PAUSE: Duration = Duration::from_millis(25);
/// How long anything may take.
const AT_MOST: Duration = Duration::from_secs(20);

/// Whether Redis is there, or has been back for so short that its sessions are not.
#[derive(Clone, Default)]
pub(crate) struct Phase(Arc<AtomicUsize>);

impl Phase {
    pub(crate) fn outage(&self) {
        self.0.store(1, Ordering::SeqCst);
    }

    pub(crate) fn normal(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

/// One connection.
pub(crate) struct Connected {
    pub(crate) resumed: bool,
    /// From the first byte of the handshake to its end.
    handshake: Duration,
}

/// Connects, has an echo, and closes in good order; by then the tickets are there.
pub(crate) async fn connect(connector: &TlsConnector, port: u16) -> Result<Connected, String> {
    let connected = timeout(AT_MOST, connect_now(connector, port)).await;
    connected.map_err(|_| "it hangs".to_owned())?
}

async fn connect_now(connector: &TlsConnector, port: u16) -> Result<Connected, String> {
    let text = |error: std::io::Error| error.to_string();
    let io = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(text)?;
    io.set_nodelay(true).map_err(text)?;
    let start = Instant::now();
    let stream = connector.upgrade(io, "localhost").await;
    let mut stream = stream.map_err(|error| error.to_string())?;
    let handshake = start.elapsed();
    let resumed = stream.is_resumed();
    stream
        .send(&[b"ping"])
        .await
        .map_err(|error| error.to_string())?;
    let pong = stream.recv(4).await.map_err(|error| error.to_string())?;
    assert_eq!(&pong[..], b"ping");
    let closed = stream.close(AT_MOST).await;
    closed.map_err(|error| error.to_string())?;
    Ok(Connected { resumed, handshake })
}

/// A client that comes back until it is ended.
pub(crate) struct Traffic {
    ends: Arc<AtomicBool>,
    task: JoinHandle<Figures>,
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) failures: Vec<String>,
    /// With Redis, and without.
    pub(crate) phases: [Counted; 2],
}

/// Reconnections.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) count: usize,
    pub(crate) resumed: usize,
    pub(crate) slowest: Duration,
    total: Duration,
}

impl Traffic {
    pub(crate) fn start(
        name: &'static str,
        connector: TlsConnector,
        port: u16,
        phase: &Phase,
    ) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (ended, phase) = (Arc::clone(&ends), phase.clone());
        let task = tokio::spawn(async move {
            let mut figures = Figures {
                name,
                ..Figures::default()
            };
            let mut is_first = true;
            while !ended.load(Ordering::SeqCst) {
                let before = phase.0.load(Ordering::SeqCst);
                let connected = connect(&connector, port).await;
                // What the end of an outage has left behind belongs to it.
                let counted = &mut figures.phases[before.max(phase.0.load(Ordering::SeqCst))];
                match connected {
                    // The first has nothing to resume.
                    Ok(_) if is_first => is_first = false,
                    Ok(connected) => {
                        counted.count += 1;
                        counted.resumed += usize::from(connected.resumed);
                        counted.slowest = counted.slowest.max(connected.handshake);
                        counted.total += connected.handshake;
                    }
                    Err(error) => figures.failures.push(error),
                }
                sleep(PAUSE).await;
            }
            figures
        });
        Self { ends, task }
    }

    pub(crate) async fn end(self) -> Figures {
        self.ends.store(true, Ordering::SeqCst);
        self.task.await.expect("it ends")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} failed", self.name, self.failures.len())?;
        for (name, of) in ["with Redis", "without"].iter().zip(&self.phases) {
            let mean = of.total / u32::try_from(of.count.max(1)).unwrap_or(u32::MAX);
            write!(
                f,
                "; {name} {} of {} reconnections resumed, handshakes {:.1?} on average, {:.1?} at most",
                of.resumed, of.count, mean, of.slowest
            )?;
        }
        Ok(())
    }
}
