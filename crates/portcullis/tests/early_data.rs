//! Data before the handshake is over: what arrives, what comes back, and what does not arrive twice.

mod early_messages;
mod ends;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ends::*;
use futures_util::StreamExt as _;
use portcullis::answers::{Answers, Questions};
use portcullis::config::ServerConfigBuilder;
use portcullis::packet::{Packet, Piece};
use portcullis::pki_types::{ServerName, UnixTime};
use portcullis::question::{Answer, ClaimEarlyData};
use portcullis::session::{AntiReplay, BloomFilters, ClientSession, ServerSession, TicketKeys};
use portcullis::{
    Active, Claim, EarlyDataOutcome, EarlyDataRejection, EarlyDataStatus, EarlyHandshake,
    LayeredServerSessionStore, MemoryReplayGuard, MemoryServerSessionStore, MemorySessionStore,
    Message, ReplayGuard, ServerConfig, ServerSessionStore, StoreFuture, TlsAcceptor, TlsConnector,
    TlsListener, TlsStream,
};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex,
};

/// What a server remembers that has been there for long.
fn local() -> AntiReplay {
    let since = UnixTime::since_unix_epoch(Duration::ZERO);
    AntiReplay::local(BloomFilters::SMALL, since).unwrap()
}

fn accepting(anti_replay: AntiReplay) -> ServerConfig {
    let server = server_config().to_builder().resumption(true);
    server.early_data(anti_replay).build().unwrap()
}

fn shared(anti_replay: AntiReplay) -> ServerConfig {
    let keys = TicketKeys::shared([&[7; 48]]).unwrap();
    let server = server_config().to_builder().ticket_keys(keys);
    server.early_data(anti_replay).build().unwrap()
}

/// A client that keeps sessions.
fn keeping() -> TlsConnector {
    connector().session_store(Arc::new(MemorySessionStore::default()))
}

/// A client that has sessions of the acceptor's.
async fn acquainted(acceptor: &TlsAcceptor) -> TlsConnector {
    let connector = keeping();
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"!"]).await.unwrap();
    client.recv(1).await.unwrap();
    connector
}

type Client = (TlsStream<DuplexStream>, EarlyDataOutcome);

/// A client that sends this, and a server that takes early data.
async fn send(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
    data: &'static [u8],
) -> (
    tokio::task::JoinHandle<Client>,
    EarlyHandshake<DuplexStream>,
) {
    let (near, far) = duplex(64 * 1024);
    let connector = connector.clone();
    let client = tokio::spawn(async move {
        let data = Bytes::from_static(data);
        connector
            .upgrade_with_early_data(near, name(), data)
            .await
            .unwrap()
    });
    let early = acceptor.accept_with_early_data(far).await.unwrap();
    (client, early)
}

async fn read_all(early: &mut EarlyHandshake<DuplexStream>) -> Vec<u8> {
    let mut data = Vec::new();
    early.reader().read_to_end(&mut data).await.unwrap();
    data
}

async fn works(mut client: TlsStream<DuplexStream>, mut server: TlsStream<DuplexStream>) {
    client.send(&[b"ping"]).await.unwrap();
    assert_eq!(&server.recv(4).await.unwrap()[..], b"ping");
    server.send(&[b"pong"]).await.unwrap();
    assert_eq!(&client.recv(4).await.unwrap()[..], b"pong");
}

#[tokio::test]
async fn read_and_answered_before_the_handshake_is_over() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let (client, mut early) = send(&connector, &acceptor, b"question").await;
    assert!(early.is_accepted());
    let mut question = [0; 8];
    early.reader().read_exact(&mut question).await.unwrap();
    assert_eq!(&question, b"question");
    early.writer().unwrap().write_all(b"answer").await.unwrap();
    assert!(read_all(&mut early).await.is_empty());
    // The client may have said its last word by now.
    early
        .writer()
        .unwrap()
        .write_all(b", and more")
        .await
        .unwrap();
    let mut server = early.handshake().await.unwrap();
    assert_eq!(server.take_early_data(), None);
    let (mut client, outcome) = client.await.unwrap();
    assert_eq!(outcome, EarlyDataOutcome::Accepted);
    assert_eq!(&client.recv(16).await.unwrap()[..], b"answer, and more");
    for end in [&client, &server] {
        assert_eq!(end.information().early_data(), EarlyDataStatus::Accepted);
    }
    works(client, server).await;
}

/// Much, both ways, byte by byte and all at once.
#[tokio::test]
async fn much() {
    let server = accepting(local()).to_builder().max_early_data(1 << 20);
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let connector = acquainted(&acceptor).await;
    static DATA: [u8; 1 << 20] = [7; 1 << 20];
    let (client, mut early) = send(&connector, &acceptor, &DATA).await;
    let mut bytes = vec![0; 1_000];
    early.reader().read_exact(&mut bytes[..1]).await.unwrap();
    early.reader().read_exact(&mut bytes[1..]).await.unwrap();
    let answer = vec![8; 300_000];
    let client = tokio::spawn(async move {
        let (mut client, outcome) = client.await.unwrap();
        assert_eq!(outcome, EarlyDataOutcome::Accepted);
        // What the server had no room for goes out while it is read from, and at a flush.
        assert_eq!(client.recv(300_000).await.unwrap(), vec![8; 300_000]);
        client.flush().await.unwrap();
        client
    });
    early.writer().unwrap().write_all(&answer).await.unwrap();
    bytes.extend(read_all(&mut early).await);
    assert_eq!(bytes, DATA);
    let server = early.handshake().await.unwrap();
    works(client.await.unwrap(), server).await;
}

/// What nobody has read is not among the data of the stream.
#[tokio::test]
async fn what_nobody_has_read() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    for is_active in [false, true] {
        let (client, early) = send(&connector, &acceptor, b"replayed?").await;
        let mut server = early.handshake().await.unwrap();
        let (mut client, _) = client.await.unwrap();
        client.send(&[b"fresh"]).await.unwrap();
        if is_active {
            let mut messages = server.into_active(Active::N(2));
            let Some(Message::EarlyData(early)) = messages.next().await else {
                panic!("early data is first")
            };
            assert_eq!(early, Piece::Data("replayed?".into()));
            assert!(matches!(messages.next().await, Some(Message::Data(data)) if data == "fresh"));
        } else {
            assert_eq!(&server.recv(0).await.unwrap()[..], b"fresh");
            assert_eq!(server.take_early_data().as_deref(), Some(&b"replayed?"[..]));
            assert_eq!(server.take_early_data(), None);
        }
    }
}

/// Written piece by piece before the server answers, up to the limit.
#[tokio::test]
async fn a_stream_of_it() {
    let server = accepting(local()).to_builder().max_early_data(10);
    let server = server.build().unwrap();
    let acceptor = TlsAcceptor::new(server);
    let connector = acquainted(&acceptor).await;
    let other = TlsAcceptor::new(accepting(local()));
    for (acceptor, is_accepted) in [(&acceptor, true), (&other, false)] {
        let (near, far) = duplex(64 * 1024);
        let mut early = connector.upgrade_early(near, name()).await.unwrap();
        assert_eq!(early.room(), 10);
        early.write_all(b"123").await.unwrap();
        early.write_all(b"456").await.unwrap();
        early.flush().await.unwrap();
        assert_eq!(early.room(), 4);
        assert_eq!(early.write(b"7890a").await.unwrap(), 4);
        let error = early.write_all(b"b").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
        let accept = async {
            let mut early = acceptor.accept_with_early_data(far).await.unwrap();
            let data = read_all(&mut early).await;
            (data, early.handshake().await.unwrap())
        };
        let (client, (data, server)) = tokio::join!(early.handshake(), accept);
        let (client, status) = client.unwrap();
        assert_eq!(status == EarlyDataStatus::Accepted, is_accepted);
        assert_eq!(data, if is_accepted { &b"1234567890"[..] } else { b"" });
        works(client, server).await;
    }
    // Without a session there is no room, and a handshake all the same.
    let (near, far) = duplex(64 * 1024);
    let mut early = keeping().upgrade_early(near, name()).await.unwrap();
    assert_eq!((early.room(), early.write(b"x").await.unwrap()), (0, 0));
    let (client, server) = tokio::join!(early.handshake(), acceptor.accept(far));
    let (client, status) = client.unwrap();
    assert_eq!(status, EarlyDataStatus::NotOffered);
    works(client, server.unwrap()).await;

    // Nobody is there any more.
    let (near, far) = duplex(64 * 1024);
    let mut early = connector.upgrade_early(near, name()).await.unwrap();
    drop(far);
    early.write_all(b"x").await.unwrap_err();
    early.handshake().await.unwrap_err();
}

/// Every other way to shake hands accepts none, so that it is never mixed with other data.
#[tokio::test]
async fn who_does_not_ask_for_it_gets_none() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    for pauses in [false, true] {
        let (near, far) = duplex(64 * 1024);
        let accept = async {
            match pauses {
                false => acceptor.accept(far).await,
                true => acceptor.pause_at_hello(far).await.unwrap().proceed().await,
            }
        };
        let client = connector.upgrade_with_early_data(near, name(), "lost");
        let (client, server) = tokio::join!(client, accept);
        let ((client, outcome), server) = (client.unwrap(), server.unwrap());
        assert_eq!(outcome, EarlyDataOutcome::Rejected(Bytes::from("lost")));
        assert!(client.is_resumed() && server.is_resumed());
        assert_eq!(
            server.information().early_data(),
            EarlyDataStatus::Rejected(EarlyDataRejection::Disabled)
        );
        works(client, server).await;
    }
}

#[tokio::test]
async fn what_was_not_sent_comes_back() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    // There is no session.
    let (client, early) = send(&connector(), &acceptor, b"first").await;
    assert!(!early.is_accepted());
    let server = early.handshake().await.unwrap();
    let (client, outcome) = client.await.unwrap();
    assert_eq!(outcome.into_unsent().as_deref(), Some(&b"first"[..]));
    works(client, server).await;

    // It is longer than the ticket allows: half a request is none.
    let connector = acquainted(&acceptor).await;
    static LONG: [u8; 16_385] = [7; 16_385];
    for (length, is_sent) in [(16_385, false), (16_384, true)] {
        let (client, mut early) = send(&connector, &acceptor, &LONG[..length]).await;
        assert_eq!(early.is_accepted(), is_sent);
        assert!(early.writer().is_some() == is_sent);
        let read = read_all(&mut early).await;
        assert_eq!(read.len(), if is_sent { length } else { 0 });
        let server = early.handshake().await.unwrap();
        let (client, outcome) = client.await.unwrap();
        let expected = match is_sent {
            true => EarlyDataOutcome::Accepted,
            false => EarlyDataOutcome::NotOffered(Bytes::from_static(&LONG)),
        };
        assert_eq!(outcome, expected);
        works(client, server).await;
    }

    // Nothing is nothing.
    let (client, early) = send(&connector, &acceptor, b"").await;
    assert!(!early.is_accepted());
    let server = early.handshake().await.unwrap();
    let (client, outcome) = client.await.unwrap();
    assert_eq!(outcome, EarlyDataOutcome::NotOffered(Bytes::new()));
    works(client, server).await;
}

/// Erlang's `ssl` says `accepted` where its server has thrown the data away.
#[tokio::test]
async fn messages_say_what_became_of_it() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let other = TlsAcceptor::new(accepting(local()));
    for (acceptor, is_accepted) in [(&acceptor, true), (&other, false)] {
        let (client, early) = send(&connector, acceptor, b"early").await;
        let mut server = early.handshake().await.unwrap();
        server.send(&[b"late"]).await.unwrap();
        let (client, outcome) = client.await.unwrap();
        assert_eq!(outcome == EarlyDataOutcome::Accepted, is_accepted);
        let mut messages = client.into_active(Active::Once);
        match messages.next().await {
            Some(Message::EarlyDataAccepted) => assert!(is_accepted),
            Some(Message::EarlyDataRejected) => assert!(!is_accepted),
            other => panic!("{other:?}"),
        }
        assert!(matches!(messages.next().await, Some(Message::Data(data)) if data == "late"));
        // Once.
        messages.set_active(Active::Once).unwrap();
        server.send(&[b"later"]).await.unwrap();
        let mut again = messages.into_passive().into_active(Active::Once);
        assert!(matches!(again.next().await, Some(Message::Data(data)) if data == "later"));
    }
}

/// Everything that an end sends, e.g. a client up to the answer, again and again.
struct Recorder {
    inner: DuplexStream,
    sent: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl AsyncRead for Recorder {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        data: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        let written = std::pin::Pin::new(&mut self.inner).poll_write(cx, data);
        if let std::task::Poll::Ready(Ok(count)) = written {
            self.sent.lock().unwrap().extend_from_slice(&data[..count]);
        }
        written
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The first flight of a client with early data, which no server has got.
async fn recorded(connector: &TlsConnector) -> Vec<u8> {
    let (near, _far) = duplex(64 * 1024);
    let sent = Arc::default();
    let recorder = Recorder {
        inner: near,
        sent: Arc::clone(&sent),
    };
    let connecting = connector.upgrade_with_early_data(recorder, name(), "pay");
    let late = tokio::time::timeout(Duration::from_millis(100), connecting).await;
    assert!(late.is_err(), "nobody answers");
    let sent = sent.lock().unwrap().clone();
    // It was given up, which would be said after it.
    let mut length = 0;
    for _ in 0..3 {
        length += 5 + usize::from(u16::from_be_bytes([sent[length + 3], sent[length + 4]]));
    }
    sent[..length].to_vec()
}

/// Whether the server takes it.
async fn takes(acceptor: &TlsAcceptor, flight: &[u8]) -> bool {
    let (mut near, far) = duplex(64 * 1024);
    near.write_all(flight).await.unwrap();
    let accepting = acceptor.accept_with_early_data(far);
    let accepted = tokio::time::timeout(Duration::from_millis(200), accepting).await;
    let Ok(Ok(mut early)) = accepted else {
        // It waits for a Finished that nobody can make.
        return false;
    };
    assert!(early.is_accepted());
    let mut data = [0; 3];
    early.reader().read_exact(&mut data).await.unwrap();
    assert_eq!(&data, b"pay");
    true
}

#[tokio::test]
async fn a_replay_is_delivered_once() {
    // By two filters in this process.
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let flight = recorded(&connector).await;
    assert!(takes(&acceptor, &flight).await);
    for _ in 0..3 {
        assert!(!takes(&acceptor, &flight).await);
    }
    // By a guard that two servers share, one of which has come later.
    let guard = Arc::new(Remembers::default());
    let server = || TlsAcceptor::new(shared(AntiReplay::asked())).replay_guard(guard.clone());
    let connector = acquainted(&server()).await;
    let flight = recorded(&connector).await;
    assert!(takes(&server(), &flight).await);
    for _ in 0..3 {
        assert!(!takes(&server(), &flight).await);
    }
}

/// A guard that knows everything from the start.
#[derive(Default)]
struct Remembers(std::sync::Mutex<std::collections::HashSet<[u8; 16]>>);

impl ReplayGuard for Remembers {
    fn claim<'a>(&'a self, token: &'a [u8; 16], lifetime: Duration) -> StoreFuture<'a, Claim> {
        assert_eq!(lifetime, Duration::from_secs(81));
        let is_new = self.0.lock().unwrap().insert(*token);
        Box::pin(async move {
            match is_new {
                true => Claim::First,
                false => Claim::Seen,
            }
        })
    }
}

fn of_a_store(anti_replay: AntiReplay) -> ServerConfigBuilder {
    let server = server_config().to_builder().resumption(true);
    server.ask_tickets(true).early_data(anti_replay)
}

/// A store that does not say whether it gives each session once.
struct Forgetful(MemoryServerSessionStore);

impl ServerSessionStore for Forgetful {
    fn put<'a>(
        &'a self,
        id: &'a [u8],
        session: ServerSession,
        until: UnixTime,
    ) -> StoreFuture<'a, ()> {
        self.0.put(id, session, until)
    }

    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        self.0.get(id, now)
    }

    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        self.0.claim(id, now)
    }

    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        self.0.forget(id)
    }
}

/// Tickets of a store are good for one connection, and so is their early data.
#[tokio::test]
async fn tickets_of_a_store() {
    let config = of_a_store(AntiReplay::single_use_tickets());
    let store = Arc::new(MemoryServerSessionStore::default());
    let acceptor = TlsAcceptor::new(config.build().unwrap()).session_store(store);
    acceptor.check().unwrap();
    let connector = acquainted(&acceptor).await;
    let flight = recorded(&connector).await;
    assert!(takes(&acceptor, &flight).await);
    assert!(!takes(&acceptor, &flight).await);
    let (client, mut early) = send(&connector, &acceptor, b"early").await;
    assert_eq!(read_all(&mut early).await, b"early");
    let server = early.handshake().await.unwrap();
    works(client.await.unwrap().0, server).await;
}

/// A guard that is not there yet, or does not answer, costs the early data and nothing else.
#[tokio::test(start_paused = true)]
async fn guards_that_cannot_tell() {
    struct Silent;
    impl ReplayGuard for Silent {
        fn claim<'a>(&'a self, _: &'a [u8; 16], _: Duration) -> StoreFuture<'a, Claim> {
            Box::pin(std::future::pending())
        }
    }
    let guards: [Arc<dyn ReplayGuard>; 2] = [
        Arc::new(Silent),
        // It has begun just now.
        Arc::new(MemoryReplayGuard::new(10)),
    ];
    for guard in guards {
        let acceptor = TlsAcceptor::new(shared(AntiReplay::asked())).replay_guard(guard);
        let connector = acquainted(&acceptor).await;
        let (client, early) = send(&connector, &acceptor, b"early").await;
        assert!(!early.is_accepted());
        let server = early.handshake().await.unwrap();
        assert_eq!(
            server.information().early_data(),
            EarlyDataStatus::Rejected(EarlyDataRejection::Replayed)
        );
        let (client, outcome) = client.await.unwrap();
        assert_eq!(outcome, EarlyDataOutcome::Rejected(Bytes::from("early")));
        works(client, server).await;
    }
}

/// What would let replays through is said when a listener is bound.
#[tokio::test]
async fn configurations_without_anybody_who_remembers() {
    let refused = |acceptor: TlsAcceptor| async move {
        let bound = TlsListener::bind("127.0.0.1:0", acceptor).await;
        bound.unwrap_err().to_string()
    };
    let guard = || Arc::new(MemoryReplayGuard::new(10));
    let says = refused(TlsAcceptor::new(shared(AntiReplay::asked()))).await;
    assert!(says.contains("replay_guard"), "{says}");
    let says = refused(TlsAcceptor::new(accepting(local())).replay_guard(guard())).await;
    assert!(says.contains("does not ask it"), "{says}");
    let store = Arc::new(MemoryServerSessionStore::default());
    let says = refused(TlsAcceptor::new(accepting(local())).session_store(store)).await;
    assert!(says.contains("single_use_tickets"), "{says}");
    let acceptor = TlsAcceptor::new(shared(AntiReplay::asked())).replay_guard(guard());
    TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();

    // A store that could bring back what was claimed takes a guard, and so does one that does not say.
    let forgetful = || Arc::new(Forgetful(MemoryServerSessionStore::default()));
    let with_store = |anti_replay, store: Arc<dyn ServerSessionStore>| {
        let config = of_a_store(anti_replay).build().unwrap();
        TlsAcceptor::new(config).session_store(store)
    };
    let single_use = AntiReplay::single_use_tickets;
    let says = refused(TlsAcceptor::new(of_a_store(single_use()).build().unwrap())).await;
    assert!(says.contains("nobody keeps tickets"), "{says}");
    let says = refused(with_store(single_use(), forgetful())).await;
    assert!(says.contains("gives_once"), "{says}");
    let near = MemoryServerSessionStore::default;
    let layered = Arc::new(LayeredServerSessionStore::new(near(), forgetful()));
    let says = refused(with_store(single_use(), layered)).await;
    assert!(says.contains("gives_once"), "{says}");
    let layered = Arc::new(LayeredServerSessionStore::new(near(), Arc::new(near())));
    for acceptor in [
        with_store(single_use(), layered),
        with_store(AntiReplay::asked(), forgetful()).replay_guard(guard()),
    ] {
        TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    }

    // Answers of the caller's are asked as well.
    struct Trusting;
    impl Answers for Trusting {
        fn questions(&self) -> Questions {
            Questions::none().and_early_data()
        }

        async fn claim_early_data(&self, question: ClaimEarlyData) -> Answer {
            question.accept()
        }
    }
    let acceptor = TlsAcceptor::new(shared(AntiReplay::asked())).answers(Trusting);
    let connector = acquainted(&acceptor).await;
    let (client, mut early) = send(&connector, &acceptor, b"early").await;
    assert_eq!(read_all(&mut early).await, b"early");
    let server = early.handshake().await.unwrap();
    works(client.await.unwrap().0, server).await;
}

/// Over TCP, with a listener.
#[tokio::test]
async fn over_tcp() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let listener = TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let incoming = listener.accept().await.unwrap();
            let mut early = incoming.handshake_with_early_data().await.unwrap();
            let mut data = Vec::new();
            early.reader().read_to_end(&mut data).await.unwrap();
            seen.push(data);
            let mut stream = early.handshake().await.unwrap();
            stream.send(&[b"done"]).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.recv(1).await;
        }
        seen
    });
    let connector = keeping();
    for is_first in [true, false] {
        let connecting = connector.connect_with_early_data(address, name(), "hello");
        let (mut stream, outcome) = connecting.await.unwrap();
        assert_eq!(outcome.into_unsent().is_some(), is_first);
        assert_eq!(&stream.recv(4).await.unwrap()[..], b"done");
        stream.shutdown().await.unwrap();
        let _ = stream.recv(1).await;
    }
    assert_eq!(server.await.unwrap(), [b"".to_vec(), b"hello".to_vec()]);
}

/// A client that stops in the midst of it: reading, writing and the handshake say so, within the time
/// of a handshake.
#[tokio::test(start_paused = true)]
async fn a_client_that_stops() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let flight = recorded(&connector).await;
    let (mut near, far) = duplex(64 * 1024);
    near.write_all(&flight).await.unwrap();
    let mut early = acceptor.accept_with_early_data(far).await.unwrap();
    let mut data = [0; 3];
    early.reader().read_exact(&mut data).await.unwrap();
    let error = early.reader().read(&mut data).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    early.writer().unwrap().write(b"x").await.unwrap_err();
    assert!(early.handshake().await.unwrap_err().is_timeout());

    // The transport is gone.
    let flight = recorded(&connector).await;
    let (mut near, far) = duplex(64 * 1024);
    near.write_all(&flight).await.unwrap();
    let mut early = acceptor.accept_with_early_data(far).await.unwrap();
    early.reader().read_exact(&mut data).await.unwrap();
    drop(near);
    early.reader().read(&mut data).await.unwrap_err();
    assert!(early.handshake().await.is_err());
}

/// A client that is given sessions by hand.
fn by_hand() -> TlsConnector {
    let client = client_config().to_builder().session_tickets(true);
    TlsConnector::new(client.build().unwrap())
}

/// A session of the server with this name.
async fn session(acceptor: &TlsAcceptor, name: ServerName<'static>) -> ClientSession {
    let (near, far) = duplex(64 * 1024);
    let connecting = by_hand();
    let (client, server) = tokio::join!(connecting.upgrade(near, name), acceptor.accept(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.send(&[b"!"]).await.unwrap();
    client.recv(1).await.unwrap();
    client.take_session().unwrap()
}

/// The first session is another server's and is passed over, and the second one allows less: half of it is not sent.
#[tokio::test]
async fn what_the_session_that_is_offered_does_not_allow_comes_back() {
    let taking = || server_config().to_builder().resumption(true);
    let other = taking().identity(pki().other.clone()).early_data(local());
    let other = TlsAcceptor::new(other.build().unwrap());
    let small = taking().early_data(local()).max_early_data(10);
    let small = TlsAcceptor::new(small.build().unwrap());
    let sessions = [
        session(&other, other_name()).await,
        session(&small, name()).await,
    ];
    assert!(sessions[0].max_early_data() > 20);
    let few: &'static [u8] = &[7; 10];
    let many: &'static [u8] = &[7; 20];
    for (data, expected) in [
        (few, EarlyDataOutcome::Accepted),
        (many, EarlyDataOutcome::NotOffered(many.into())),
    ] {
        let connector = by_hand().offering(sessions.clone());
        let (client, mut early) = send(&connector, &small, data).await;
        let is_taken = expected == EarlyDataOutcome::Accepted;
        assert_eq!(early.is_accepted(), is_taken);
        let all = if is_taken { data } else { &[] };
        assert_eq!(read_all(&mut early).await, all);
        let server = early.handshake().await.unwrap();
        let (client, outcome) = client.await.unwrap();
        assert_eq!(outcome, expected);
        assert!(client.is_resumed());
        works(client, server).await;
    }
}
