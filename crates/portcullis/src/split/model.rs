//! The two halves of a connection in every interleaving of two threads, by loom:
//! `CONTRIBUTING.md` says how to run it. A wake-up that is lost is a deadlock of the model.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use loom::future::block_on;
use loom::thread::{Builder, JoinHandle};
use portcullis_core::config::{ClientConfig, Renegotiation, ServerConfig};
use portcullis_core::x509::Identity;
use portcullis_core::{
    AlertDescription, Connection, Frame, Handshake, NamedGroup, Opened, ProtocolVersion, Reason,
    Step,
};
use rustls_pki_types::{PrivateKeyDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, Join, ReadBuf, join};

use crate::conduct::Conduct;
use crate::delivery::{Active, Message};
use crate::hibernation::Hibernation;
use crate::metrics::Meter;
use crate::read::Receiving;
use crate::split::{ReadHalf, SplitIo, WriteHalf};
use crate::statistics::Flow;
use crate::stream::{Parts, TlsStream};
use crate::write::Sending;

/// In words: loom's own stacks are too short for debug builds of AWS-LC's callers.
const STACK: usize = 1 << 16;

fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().stack_size(STACK).spawn(body).unwrap()
}

/// Runs `body` once for every interleaving.
fn model(body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    loom::model(move || {
        let body = Arc::clone(&body);
        spawn(move || body()).join().unwrap();
    });
}

/// The same for a meeting, which takes a handshake: with three switches between the tasks that none of
/// them asked for, since all that there can be would take days.
fn model_of_a_meeting(body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let body = Arc::clone(&body);
        // Loom's threads share a thread, and so the runtime.
        let _timers = timers().enter();
        spawn(move || body()).join().unwrap();
    });
}

/// A transport whose halves share nothing: neither can hide what the halves of TLS do not say to
/// each other.
type Wire = Join<Incoming, Outgoing>;

/// Gives these bytes, and then nothing for good.
struct Incoming(Vec<u8>);

/// Keeps what is written, unless it is broken.
#[derive(Clone)]
struct Outgoing {
    sent: Arc<Mutex<Vec<u8>>>,
    broken: bool,
}

impl SplitIo for Wire {
    type Read = Incoming;
    type Write = Outgoing;

    fn split_io(self) -> (Incoming, Outgoing) {
        self.into_inner()
    }

    fn reunite_io(incoming: Incoming, outgoing: Outgoing) -> Self {
        join(incoming, outgoing)
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let count = self.0.len().min(buf.remaining());
        buf.put_slice(&self.0[..count]);
        self.0.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.sent.lock().unwrap().extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Two ends after a handshake in memory.
fn connected(version: ProtocolVersion) -> (Connection, Connection) {
    static SERVER: OnceLock<Identity> = OnceLock::new();
    let identity = SERVER.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        Identity::from_der(vec![made.cert.der().clone()], &key).unwrap()
    });
    let client = ClientConfig::dangerous_builder_without_verification()
        .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        .versions([version])
        .renegotiation(Renegotiation::Once)
        .build()
        .unwrap();
    let server = ServerConfig::builder()
        .identity(identity.clone())
        .versions([version])
        .renegotiation(Renegotiation::Once)
        .build()
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = Handshake::client(client, name).unwrap();
    let mut server = Handshake::server(server);
    for _ in 0..2 {
        let sent = said(&mut client);
        server.receive(&sent, now());
        let sent = said(&mut server);
        client.receive(&sent, now());
    }
    // Before TLS 1.3 the server has the last word.
    assert!(said(&mut client).is_empty());
    (
        client.into_connection().unwrap(),
        server.into_connection().unwrap(),
    )
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_782_864_000))
}

fn said(end: &mut Handshake) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        match end.poll().unwrap() {
            Step::Transmit(bytes) => sent.extend(bytes),
            Step::Wait { .. } | Step::Connected => return sent,
            _ => {}
        }
    }
}

/// A client's connection, as bytes.
struct Peer {
    connection: Connection,
    output: Vec<u8>,
    /// How long the server waits for a handshake.
    patience: Duration,
}

impl Peer {
    fn ask_for_a_key_update(mut self) -> Self {
        let mut out = [0; 64];
        let written = self.connection.writer.key_update(true, &mut out).unwrap();
        self.output.extend_from_slice(&out[..written]);
        self
    }

    /// Says hello again.
    fn ask_for_a_renegotiation(mut self) -> Self {
        let Connection { reader, writer, .. } = &mut self.connection;
        let mut handshake = Handshake::renegotiate(reader, writer, now()).unwrap();
        self.output.extend(said(&mut handshake));
        self
    }

    fn say(mut self, data: &[u8]) -> Self {
        let mut out = [0; 64];
        let sealed = self.connection.writer.seal(data, &mut out).unwrap();
        self.output.extend_from_slice(&out[..sealed.written]);
        self
    }

    /// A record that does not open.
    fn forge(mut self) -> Self {
        self.output.extend([23, 3, 3, 0, 32]);
        self.output.extend([0; 32]);
        self
    }

    /// Halves of the server's connection, which receives what was said.
    fn meet(
        mut self,
        server: Connection,
        broken: bool,
    ) -> (Self, ReadHalf<Wire>, WriteHalf<Wire>, Outgoing) {
        let outgoing = Outgoing {
            sent: Arc::default(),
            broken,
        };
        let mut read = Receiving::new(
            server.reader,
            server.unread,
            Flow::default(),
            None,
            Duration::ZERO,
            None,
        );
        let mut conduct = Conduct::default();
        conduct.handshake_timeout = self.patience;
        read.keep_conduct(&conduct);
        let stream = TlsStream::from_parts(Parts {
            io: join(Incoming(std::mem::take(&mut self.output)), outgoing.clone()),
            read,
            write: Sending::new(
                server.writer,
                server.transmit,
                false,
                Flow::default(),
                crate::send_limits::SendLimits::default(),
                Meter::begin(true).connected(&server.information),
            ),
            information: server.information,
            hibernation: Hibernation::new(None),
        });
        let (reading, writing) = stream.into_split();
        (self, reading, writing, outgoing)
    }

    /// Reads what the server has sent so far: data, and an alert, which nothing may follow.
    fn read(&mut self, outgoing: &Outgoing) -> (Vec<u8>, Option<AlertDescription>) {
        let mut bytes = std::mem::take(&mut *outgoing.sent.lock().unwrap());
        let reader = &mut self.connection.reader;
        let (mut data, mut alert, mut at) = (Vec::new(), None, 0);
        while at < bytes.len() {
            assert_eq!(alert, None, "a record after the alert");
            let Ok(Frame::Record { len, .. }) = reader.frame(&bytes[at..]) else {
                panic!("no whole record");
            };
            let record = &mut bytes[at..at + len];
            at += len;
            match reader.open_in_place(record) {
                Ok(Opened::Data(range)) => data.extend_from_slice(&record[range]),
                Ok(Opened::Nothing) => {}
                Ok(Opened::Closed) => alert = Some(AlertDescription::CLOSE_NOTIFY),
                Err(error) => match error.reason() {
                    Reason::AlertReceived(description) => alert = Some(*description),
                    reason => panic!("{reason:?}"),
                },
            }
        }
        (data, alert)
    }

    fn key_updates(&self) -> u64 {
        self.connection.reader.key_generation()
    }
}

fn peer() -> (Peer, Connection) {
    peer_of(ProtocolVersion::TLS_1_3)
}

fn peer_of(version: ProtocolVersion) -> (Peer, Connection) {
    let (connection, server) = connected(version);
    let peer = Peer {
        connection,
        output: Vec::new(),
        patience: Duration::from_secs(10),
    };
    (peer, server)
}

const BAD_RECORD_MAC: Option<AlertDescription> = Some(AlertDescription::BAD_RECORD_MAC);

#[test]
fn a_writer_that_serves_hears_of_a_key_update() {
    model(|| {
        let (peer, server) = peer();
        let peer = peer.ask_for_a_key_update().say(b"x");
        let (mut peer, mut reading, mut writing, outgoing) = peer.meet(server, false);
        let sent = outgoing.clone();
        let serving = spawn(move || {
            block_on(async {
                let mut serve = pin!(writing.serve());
                poll_fn(|cx| match serve.as_mut().poll(cx) {
                    Poll::Ready(error) => panic!("{error}"),
                    Poll::Pending if sent.sent.lock().unwrap().is_empty() => Poll::Pending,
                    Poll::Pending => Poll::Ready(()),
                })
                .await;
            });
            writing
        });
        assert_eq!(&block_on(reading.recv(1)).unwrap()[..], b"x");
        let writing = serving.join().unwrap();
        assert_eq!(peer.read(&outgoing), (Vec::new(), None));
        assert_eq!(peer.key_updates(), 1);
        drop(writing);
    });
}

#[test]
fn a_writer_that_serves_sends_the_readers_alert() {
    model(|| {
        let (peer, server) = peer();
        let peer = peer.ask_for_a_key_update().forge();
        let (mut peer, mut reading, mut writing, outgoing) = peer.meet(server, false);
        let serving = spawn(move || block_on(writing.serve()));
        assert!(block_on(reading.recv(1)).unwrap_err().violation().is_some());
        assert!(serving.join().unwrap().violation().is_some());
        assert_eq!(peer.read(&outgoing), (Vec::new(), BAD_RECORD_MAC));
        assert!(peer.key_updates() <= 1);
    });
}

#[test]
fn a_write_and_a_flush_fail_only_after_the_readers_alert() {
    model(|| {
        let (peer, server) = peer();
        let (mut peer, mut reading, mut writing, outgoing) = peer.forge().meet(server, false);
        let reading = spawn(move || block_on(reading.recv(1)).unwrap_err());
        let sent = block_on(writing.send(&[b"data"]));
        let flushed = block_on(writing.flush());
        let (data, mut alert) = peer.read(&outgoing);
        // Data may be out although `send`, which flushes, fails.
        assert!(data == b"data" || data.is_empty() && sent.is_err());
        assert_eq!(flushed.is_err(), alert.is_some());
        reading.join().unwrap();
        if alert.is_none() {
            block_on(writing.flush()).unwrap_err();
            alert = peer.read(&outgoing).1;
        }
        assert_eq!(alert, BAD_RECORD_MAC);
    });
}

#[test]
fn who_waits_for_messages_hears_of_a_failed_write() {
    model(|| {
        let (peer, server) = peer();
        let (_peer, reading, mut writing, _) = peer.meet(server, true);
        let writing = spawn(move || block_on(writing.send(&[b"data"])).unwrap_err());
        let mut messages = reading.into_active(Active::True);
        let message = block_on(messages.next());
        assert!(matches!(message, Some(Message::Error(_))));
        writing.join().unwrap();
    });
}

/// Timers fire at once if they are for no time, and never if they are for some.
fn timers() -> &'static tokio::runtime::Runtime {
    static TIMERS: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    TIMERS.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    })
}

/// Reads until a handshake has begun, or reading is over.
fn read_until_it_has_begun(reading: &mut ReadHalf<Wire>) -> Option<io::Result<()>> {
    block_on(poll_fn(|cx| {
        let mut byte = [0];
        match Pin::new(&mut *reading).poll_read(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending if reading.has_begun_to_renegotiate() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }))
}

/// The request wakes the writing half, its writer wakes the reading half, and what the handshake says wakes
/// the writing half again.
#[test]
fn a_writer_that_serves_comes_to_the_meeting() {
    model_of_a_meeting(|| {
        let (peer, server) = peer_of(ProtocolVersion::TLS_1_2);
        let (_peer, mut reading, mut writing, outgoing) =
            peer.ask_for_a_renegotiation().meet(server, false);
        let sent = outgoing.clone();
        let serving = spawn(move || {
            block_on(async {
                let mut serve = pin!(writing.serve());
                poll_fn(|cx| match serve.as_mut().poll(cx) {
                    Poll::Ready(error) => panic!("{error}"),
                    Poll::Pending if sent.sent.lock().unwrap().is_empty() => Poll::Pending,
                    Poll::Pending => Poll::Ready(()),
                })
                .await;
            });
            writing
        });
        assert!(read_until_it_has_begun(&mut reading).is_none());
        let writing = serving.join().unwrap();
        // ServerHello, under the old keys.
        assert_eq!(outgoing.sent.lock().unwrap().first(), Some(&22));
        drop((reading, writing));
    });
}

/// However far it has come: the reading half goes on without, or says so.
#[test]
fn a_writer_that_is_dropped_does_not_come_to_the_meeting() {
    model_of_a_meeting(|| {
        let (peer, server) = peer_of(ProtocolVersion::TLS_1_2);
        let peer = peer.ask_for_a_renegotiation();
        let (_peer, mut reading, mut writing, _outgoing) = peer.meet(server, false);
        let dropping = spawn(move || {
            let _ = block_on(poll_fn(|cx| {
                Poll::Ready(Pin::new(&mut writing).poll_flush(cx))
            }));
        });
        // After a peer that was declined comes nothing more: the end of the transport.
        match read_until_it_is_settled(&mut reading) {
            None => {}
            Some(read) => assert!(read.is_err()),
        }
        dropping.join().unwrap();
    });
}

/// The time is over before it has begun: the request is declined by whoever has the writer then, and writing
/// goes on; or the writer has come after all, and the handshake fails.
#[test]
fn a_request_that_nobody_comes_for_is_declined() {
    model_of_a_meeting(|| {
        let (mut peer, server) = peer_of(ProtocolVersion::TLS_1_2);
        peer.patience = Duration::ZERO;
        let peer = peer.ask_for_a_renegotiation();
        let (_peer, mut reading, mut writing, _outgoing) = peer.meet(server, false);
        let flushing = spawn(move || {
            let _ = block_on(poll_fn(|cx| {
                Poll::Ready(Pin::new(&mut writing).poll_flush(cx))
            }));
            writing
        });
        let settled = read_until_it_is_settled(&mut reading);
        let mut writing = flushing.join().unwrap();
        let sent = block_on(writing.send(&[b"data"]));
        match settled {
            None => sent.unwrap(),
            Some(read) => assert!(read.is_err() && sent.is_err()),
        }
        drop(reading);
    });
}

/// Reads until nothing more is to be waited for: a handshake was declined, or has failed.
fn read_until_it_is_settled(reading: &mut ReadHalf<Wire>) -> Option<io::Result<()>> {
    block_on(poll_fn(|cx| {
        let mut byte = [0];
        match Pin::new(&mut *reading).poll_read(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending if !reading.is_renegotiating() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }))
}
