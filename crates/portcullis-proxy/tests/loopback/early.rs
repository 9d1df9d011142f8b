//! Early data: what comes before a handshake is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::{EarlyDataOutcome, TlsConnector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::{Files, connect, echo, talk, terminating};

const LOG: &str = "log = { access = \"@/access.log\" }";
const EARLY: &str = "early_data = { backend_is_idempotent = true }";
const LONG: Duration = Duration::from_secs(20);

/// A server that says `seen:` when it has heard five bytes, and then what it is told.
struct Server {
    address: SocketAddr,
    /// Five bytes were heard.
    heard: Arc<Notify>,
    connections: Arc<AtomicUsize>,
    /// One was reset.
    resets: Arc<Notify>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            heard: Arc::default(),
            connections: Arc::default(),
            resets: Arc::default(),
        };
        let (heard, resets) = (Arc::clone(&server.heard), Arc::clone(&server.resets));
        let connections = Arc::clone(&server.connections);
        tokio::spawn(async move {
            loop {
                let (mut io, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (heard, resets) = (Arc::clone(&heard), Arc::clone(&resets));
                tokio::spawn(async move {
                    let mut said = [0; 5];
                    if io.read_exact(&mut said).await.is_err() {
                        return;
                    }
                    assert_eq!(&said, b"early");
                    heard.notify_one();
                    io.write_all(b"seen:").await.unwrap();
                    let (mut from, mut to) = io.split();
                    if copy(&mut from, &mut to).await.is_err() {
                        resets.notify_one();
                    }
                    let _ = to.shutdown().await;
                });
            }
        });
        server
    }
}

/// A connection that gives tickets.
async fn first(connector: &TlsConnector, proxy: SocketAddr, name: &str) {
    let mut stream = connect(connector, proxy, name).await.unwrap();
    talk(&mut stream, "early").await.unwrap();
}

/// What becomes of early data, and the answer.
async fn second(
    connector: &TlsConnector,
    proxy: SocketAddr,
    name: &str,
) -> (EarlyDataOutcome, String) {
    let io = TcpStream::connect(proxy).await.unwrap();
    let early = connector.upgrade_with_early_data(io, name, "early").await;
    let (mut stream, outcome) = early.unwrap();
    (outcome, talk(&mut stream, "x").await.unwrap())
}

/// The client hears nothing of the proxy's until its server has heard the client, and the proxy nothing more of the client's
/// until the client has its answer: there is no round trip in between. What was recorded of it is worth nothing later.
#[tokio::test]
async fn a_server_that_can_take_it_hears_it_before_the_handshake_is_over() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let server = Server::start().await;
    // With a route that passes the hello is read before.
    let more =
        "[[route]]\nlisten = \"in\"\nnames = \"pass.test\"\ntls = \"pass\"\nbackend = \"back\"\n";
    let proxy = files.start(&(terminating(LOG, server.address, EARLY) + more));
    let connector = files.connector(&[]);
    first(&connector, proxy.address(), "one.test").await;
    timeout(LONG, server.heard.notified()).await.unwrap();

    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let io = TcpStream::connect(between.local_addr().unwrap())
        .await
        .unwrap();
    let (mut near, _) = between.accept().await.unwrap();
    let mut far = TcpStream::connect(proxy.address()).await.unwrap();
    let has_answer = Arc::new(Notify::new());
    let client = tokio::spawn({
        let (connector, has_answer) = (connector.clone(), Arc::clone(&has_answer));
        async move {
            let early = connector.upgrade_with_early_data(io, "one.test", "early");
            let (mut stream, outcome) = early.await.unwrap();
            assert_eq!(outcome, EarlyDataOutcome::Accepted);
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"seen:");
            has_answer.notify_one();
            talk(&mut stream, "rest").await.unwrap()
        }
    });
    let mut recorded = Vec::new();
    let mut bytes = [0; 4_096];
    let hears = async {
        loop {
            let count = near.read(&mut bytes).await.unwrap();
            assert!(count > 0);
            recorded.extend_from_slice(&bytes[..count]);
            far.write_all(&bytes[..count]).await.unwrap();
        }
    };
    tokio::select! {
        () = hears => {}
        () = server.heard.notified() => {}
        () = tokio::time::sleep(LONG) => panic!("the server hears nothing"),
    }
    tokio::select! {
        _ = copy(&mut far, &mut near) => panic!("the proxy has ended it"),
        () = has_answer.notified() => {}
        () = tokio::time::sleep(LONG) => panic!("the client has no answer"),
    }
    tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
    assert_eq!(client.await.unwrap(), "rest");
    let line = files.lines(2).await.remove(1);
    for (key, expected) in [
        ("early_data", 5.into()),
        ("bytes_in", 9.into()),
        ("bytes_out", 9.into()),
        ("resumed", true.into()),
        ("server_name", "one.test".into()),
        ("outcome", "clean".into()),
    ] as [(&str, serde_json::Value); 6]
    {
        assert_eq!(line[key], expected, "{key}: {line}");
    }

    // Whoever has recorded it gets the flight of a server, and its own one goes nowhere.
    let before = server.connections.load(Ordering::SeqCst);
    let mut thief = TcpStream::connect(proxy.address()).await.unwrap();
    thief.write_all(&recorded).await.unwrap();
    thief.read_exact(&mut [0; 128]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.connections.load(Ordering::SeqCst), before);
}

/// A client whose early data the server has heard, and which hears nothing of the handshake; and what it is on.
async fn heard(server: &Server, files: &Files, proxy: SocketAddr) -> TcpStream {
    let connector = files.connector(&[]);
    first(&connector, proxy, "one.test").await;
    timeout(LONG, server.heard.notified()).await.unwrap();
    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let io = TcpStream::connect(between.local_addr().unwrap())
        .await
        .unwrap();
    let (mut near, _) = between.accept().await.unwrap();
    let mut far = TcpStream::connect(proxy).await.unwrap();
    let client = connector.upgrade_with_early_data(io, "one.test", "early");
    tokio::select! {
        _ = client => panic!("nobody has answered it"),
        _ = copy(&mut near, &mut far) => panic!("it has ended"),
        () = server.heard.notified() => {}
        () = tokio::time::sleep(LONG) => panic!("the server hears nothing"),
    }
    far
}

/// Its hello and its early data were enough for the server to begin. What it has got is in the log.
#[tokio::test]
async fn a_client_that_goes_before_the_end_of_its_handshake_is_cut() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let server = Server::start().await;
    let proxy = files.start(&terminating(LOG, server.address, EARLY));
    drop(heard(&server, &files, proxy.address()).await);
    timeout(LONG, server.resets.notified())
        .await
        .expect("a reset");
    let line = files.lines(2).await.remove(1);
    assert_eq!(line["outcome"], "handshake", "{line}");
    assert_eq!(line["backend"], "back", "{line}");
    assert_eq!(line["early_data"], 5, "{line}");
    assert_eq!(line["bytes_in"], 5, "{line}");
}

/// The proxy ends meanwhile: the server has a part, and not the whole.
#[tokio::test]
async fn a_server_that_has_early_data_alone_is_reset_at_the_end_of_a_drain() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let server = Server::start().await;
    let proxy = files.start(&terminating(LOG, server.address, EARLY));
    let _client = heard(&server, &files, proxy.address()).await;
    // Until its answer was read, which would be a reset by itself.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(proxy.0.drain_until(std::future::ready(())).await, 1);
    timeout(LONG, server.resets.notified())
        .await
        .expect("a reset");
    let line = files.lines(2).await.remove(1);
    assert_eq!(line["outcome"], "drained", "{line}");
    assert_eq!(line["early_data"], 5, "{line}");
}

/// No other route takes any, and none that did, once it is said: the client goes on without.
#[tokio::test]
async fn a_route_takes_it_whose_configuration_says_so() {
    let files = Files::new();
    files.server("one", &["one.test", "two.test"]);
    let back = echo("a").await;
    let more = "[[route]]\nlisten = \"in\"\nnames = \"two.test\"\nidentity = \"one\"\nbackend = \"back\"\n";
    let with = terminating("", back, EARLY) + more;
    let proxy = files.start(&with);
    let connector = files.connector(&[]);
    for name in ["one.test", "two.test"] {
        first(&connector, proxy.address(), name).await;
    }
    let sent = EarlyDataOutcome::NotOffered("early".into());
    let other = second(&connector, proxy.address(), "two.test").await;
    assert_eq!(other, (sent, "a:x".to_owned()));
    let taken = second(&connector, proxy.address(), "one.test").await;
    assert_eq!(taken, (EarlyDataOutcome::Accepted, "a:earlyx".to_owned()));
    // Ticket keys and what is remembered go on.
    proxy.0.reload(files.config(&with)).await.unwrap();
    let taken = second(&connector, proxy.address(), "one.test").await;
    assert_eq!(taken, (EarlyDataOutcome::Accepted, "a:earlyx".to_owned()));
    let without = files.config(&with.replace(EARLY, ""));
    proxy.0.reload(without).await.unwrap();
    let refused = second(&connector, proxy.address(), "one.test").await;
    let sent = EarlyDataOutcome::Rejected("early".into());
    assert_eq!(refused, (sent, "a:x".to_owned()));
}
