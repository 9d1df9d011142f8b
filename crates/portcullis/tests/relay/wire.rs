//! Peers of a relay over TCP, which know a FIN from a reset and close_notify from none.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis::{
    EofPolicy, Error, ProtocolVersion, RelayEnd, RelayOptions, RelayOutcome, Relayed, TlsAcceptor,
    TlsConnector, TlsStream, relay,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::ends::{client_config, name, server_config};

/// What an end speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Tls12,
    Tls13,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Tls12, Self::Tls13];
    pub(crate) const TLS: [Self; 2] = [Self::Tls12, Self::Tls13];

    fn version(self) -> ProtocolVersion {
        match self {
            Self::Tls12 => ProtocolVersion::TLS_1_2,
            _ => ProtocolVersion::TLS_1_3,
        }
    }
}

/// A socket of a peer that can be made to misbehave.
pub(crate) struct Rogue {
    pub(crate) io: TcpStream,
    pub(crate) pranks: Arc<Pranks>,
}

#[derive(Default)]
pub(crate) struct Pranks {
    /// What is read has a byte that is another.
    pub(crate) garbles_reads: AtomicBool,
    /// What is written has a byte that is another.
    pub(crate) garbles_writes: AtomicBool,
    /// close_notify is sent, and no FIN.
    pub(crate) keeps_fin: AtomicBool,
}

fn garble(bytes: &mut [u8], prank: &AtomicBool) {
    if prank.load(Ordering::Relaxed)
        && let Some(last) = bytes.last_mut()
    {
        *last ^= 1;
    }
}

impl AsyncRead for Rogue {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        garble(&mut buf.filled_mut()[before..], &self.pranks.garbles_reads);
        polled
    }
}

impl AsyncWrite for Rogue {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut data = data.to_vec();
        garble(&mut data, &self.pranks.garbles_writes);
        Pin::new(&mut self.io).poll_write(cx, &data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pranks.keeps_fin.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl RelayEnd for Rogue {
    fn reset(&mut self) {
        self.io.reset();
    }
}

pub(crate) enum Peer {
    Plain(TcpStream),
    Tls(Box<TlsStream<Rogue>>),
}

/// How a peer has seen the other side end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    /// FIN; over TLS close_notify.
    End,
    /// FIN without close_notify.
    Truncation,
    Reset,
    /// A fatal alert.
    Alert,
}

impl Peer {
    pub(crate) async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(io) => io.write_all(data).await,
            Self::Tls(tls) => {
                tls.write_all(data).await?;
                tls.flush().await
            }
        }
    }

    pub(crate) async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(io) => io.read(buf).await,
            Self::Tls(tls) => tls.read(buf).await,
        }
    }

    /// All that is known to come.
    pub(crate) async fn expect(&mut self, data: &[u8]) {
        let mut received = vec![0; data.len()];
        let mut count = 0;
        while count < data.len() {
            let more = within(self.read(&mut received[count..])).await.unwrap();
            assert!(more > 0, "an end after {count} of {} bytes", data.len());
            count += more;
        }
        assert!(received == data);
    }

    /// Ends in good order.
    pub(crate) async fn end(&mut self) {
        match self {
            Self::Plain(io) => io.shutdown().await.unwrap(),
            Self::Tls(tls) => tls.shutdown().await.unwrap(),
        }
    }

    pub(crate) fn reset(self) {
        match self {
            Self::Plain(mut io) => io.reset(),
            Self::Tls(mut tls) => tls.reset(),
        }
    }

    /// Until something has come that was not read.
    pub(crate) async fn unread(&self) {
        let socket = match self {
            Self::Plain(io) => io,
            Self::Tls(tls) => &tls.get_ref().io,
        };
        assert!(within(socket.peek(&mut [0])).await.unwrap() > 0);
    }

    /// The socket, without a word over TLS.
    pub(crate) fn into_socket(self) -> TcpStream {
        match self {
            Self::Plain(io) => io,
            Self::Tls(tls) => tls.into_inner().io,
        }
    }

    pub(crate) fn prank(&self, prank: impl FnOnce(&Pranks) -> &AtomicBool) {
        match self {
            Self::Tls(tls) => prank(&tls.get_ref().pranks).store(true, Ordering::Relaxed),
            Self::Plain(_) => panic!("it does not speak TLS"),
        }
    }

    /// Reads to the end: how many bytes, and how it ended.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Saw) {
        let mut all = Vec::new();
        let mut buf = vec![0; 65_536];
        loop {
            match within(self.read(&mut buf)).await {
                Ok(0) => return (all, Saw::End),
                Ok(count) => all.extend_from_slice(&buf[..count]),
                Err(error) => return (all, saw(&error)),
            }
        }
    }
}

fn saw(error: &io::Error) -> Saw {
    match Error::from_io(error) {
        Some(error) if error.is_truncated() => Saw::Truncation,
        Some(error) if error.alert().is_some() => Saw::Alert,
        // The system says either, by what was read before.
        Some(error) if error.transport().is_some() => Saw::Reset,
        None if error.kind() == io::ErrorKind::ConnectionReset => Saw::Reset,
        _ => panic!("{error}"),
    }
}

/// What a test waits for comes soon, or the test fails.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("it comes within 20 seconds")
}

pub(crate) async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, far) = (near.unwrap(), far.unwrap().0);
    // What was written is out, whatever comes behind it.
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

/// A peer, and the end of a relay that it talks to.
pub(crate) async fn end(kind: Kind, eof: EofPolicy) -> (Peer, Box<dyn RelayEnd + Send>) {
    let (io, far) = sockets().await;
    if kind == Kind::Plain {
        return (Peer::Plain(io), Box::new(far));
    }
    let versions = [kind.version()];
    let client = client_config().to_builder().versions(versions);
    let server = server_config().to_builder().versions(versions);
    let connector = TlsConnector::new(client.build().unwrap()).without_resumption();
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let pranks = Arc::default();
    let near = Rogue { io, pranks };
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.upgrade(far));
    let mut server = server.unwrap();
    server.set_eof_policy(eof);
    (Peer::Tls(Box::new(client.unwrap())), Box::new(server))
}

/// A relay between two peers, the first of which may be either end of it.
pub(crate) struct Joined {
    pub(crate) x: Peer,
    pub(crate) y: Peer,
    relay: JoinHandle<RelayOutcome>,
    is_swapped: bool,
}

pub(crate) async fn joined(x: Kind, y: Kind, options: RelayOptions, is_swapped: bool) -> Joined {
    joined_with(x, y, options, is_swapped, EofPolicy::Strict).await
}

pub(crate) async fn joined_with(
    x: Kind,
    y: Kind,
    options: RelayOptions,
    is_swapped: bool,
    eof: EofPolicy,
) -> Joined {
    let ((x, near), (y, far)) = tokio::join!(end(x, eof), end(y, eof));
    let relay = match is_swapped {
        false => tokio::spawn(relay(near, far, options)),
        true => tokio::spawn(relay(far, near, options)),
    };
    Joined {
        x,
        y,
        relay,
        is_swapped,
    }
}

/// What a relay says of its peers.
pub(crate) struct Outcome {
    pub(crate) is_clean: bool,
    pub(crate) of_x: Relayed,
    pub(crate) of_y: Relayed,
}

impl Joined {
    /// The peers, and what becomes of the relay.
    pub(crate) fn parts(self) -> (Peer, Peer, impl Future<Output = Outcome>) {
        let outcome = async move {
            let outcome = within(self.relay).await.unwrap();
            let is_clean = outcome.is_clean();
            let (of_x, of_y) = match self.is_swapped {
                false => (outcome.a_to_b, outcome.b_to_a),
                true => (outcome.b_to_a, outcome.a_to_b),
            };
            Outcome {
                is_clean,
                of_x,
                of_y,
            }
        };
        (self.x, self.y, outcome)
    }
}
