//! Who goes away before the end, and what the log says of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::hostile::{hello, long_hello, stuck};
use crate::keys::silent;
use crate::support::{self, Files, Running, connect, echo};

const LOG: &str = "log = { access = \"@/access.log\" }";

/// A listener that terminates, with this server and a log.
fn terminating(files: &Files, server: &str) -> Running {
    files.server("one", &["one.test"]);
    files.start(&support::terminating(LOG, server, ""))
}

/// Closes it as a program that has gone.
fn reset(io: TcpStream) {
    let linger = socket2::SockRef::from(&io).set_linger(Some(Duration::ZERO));
    linger.unwrap();
}

/// A server that sends and sends.
async fn endless() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        while io.write_all(&[7; 10_000]).await.is_ok() {}
    });
    address
}

/// Its client has said that this is all, and has gone: what the server says then is nobody's.
#[tokio::test]
async fn what_a_server_says_to_nobody_has_a_bound_and_is_counted() {
    let files = Files::new();
    let server = endless().await;
    let proxy = terminating(&files, &server.to_string());
    let connector = files.connector(&[]);
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    stream.read_exact(&mut [0; 1_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    reset(stream.into_inner());
    let line = &files.lines(1).await[0];
    assert_eq!(line["outcome"], "discarded", "{line:#}");
    assert_eq!(line["end_client"], "clean");
    assert_eq!(line["end_backend"], "unheard");
    let discarded = line["discarded_out"].as_u64().unwrap();
    assert!((1 << 20..2 << 20).contains(&discarded), "{line:#}");
    assert!(line["discarded_in"].is_null());
}

#[tokio::test]
async fn who_leaves_while_its_server_is_connected_is_not_waited_for() {
    let files = Files::new();
    let server = silent().await;
    let proxy = files.start(&format!(
        r#"
        {LOG}
        timeouts = {{ connect = "30s" }}
        [[listen]]
        name = "in"
        address = ["127.0.0.1:0", "unix:@/in.sock"]
        [[route]]
        tls = "off"
        backend = {{ servers = "{server}", tls = {{ name = "one.test", roots = "@/ca.pem" }} }}
        "#
    ));
    let began = Instant::now();
    let tcp = TcpStream::connect(proxy.address()).await.unwrap();
    let unix = UnixStream::connect(files.path("in.sock")).await.unwrap();
    // One that has asked, and waits, is not one that has left.
    let mut waits = TcpStream::connect(proxy.address()).await.unwrap();
    waits.write_all(b"question").await.unwrap();
    waits.shutdown().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    reset(tcp);
    drop(unix);
    let lines = files.lines(2).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    for line in &lines {
        assert_eq!(line["outcome"], "client_reset", "{line:#}");
        let reason = line["reason"].as_str().unwrap();
        assert!(
            reason.contains("left while its server was being"),
            "{reason}"
        );
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(files.lines(2).await.len(), 2, "the third is waited for");
    drop(waits);
}

#[tokio::test]
async fn who_leaves_while_its_hello_is_passed_on_is_not_waited_for() {
    let files = Files::new();
    let (server, address) = stuck();
    let proxy = files.start(&format!(
        r#"
        {LOG}
        timeouts = {{ stall = "30s" }}
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        [[route]]
        tls = "pass"
        backend = {{ servers = "{address}" }}
        "#
    ));
    let began = Instant::now();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let long = long_hello(&hello("one.test").await);
    client.write_all(&long).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    reset(client);
    let line = &files.lines(1).await[0];
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(line["outcome"], "client_reset", "{line:#}");
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.contains("while its hello was passed on"), "{reason}");
    drop(server);
}

/// Behind a Unix socket nobody hears of a cut, but who reads the log.
#[tokio::test]
async fn a_cut_that_looks_like_an_end_is_in_the_log() {
    let files = Files::new();
    let listener = tokio::net::UnixListener::bind(files.path("back.sock")).unwrap();
    let proxy = terminating(&files, "unix:@/back.sock");
    let connector = files.connector(&[]);
    for is_cut in [true, false] {
        let mut stream = connect(&connector, proxy.address(), "one.test")
            .await
            .unwrap();
        stream.write_all(b"a part").await.unwrap();
        stream.flush().await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.read_exact(&mut [0; 6]).await.unwrap();
        match is_cut {
            // No close_notify.
            true => stream.into_inner().shutdown().await.unwrap(),
            false => {
                stream.shutdown().await.unwrap();
                server.shutdown().await.unwrap();
            }
        }
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    }
    let lines = files.lines(2).await;
    assert_eq!(lines[0]["outcome"], "truncated");
    assert_eq!(lines[0]["cut_unseen"], serde_json::json!(["backend"]));
    assert!(lines[1]["cut_unseen"].is_null(), "{:#}", lines[1]);
}

/// Who is to send a header has a place among connections while it does not, and a line.
#[tokio::test]
async fn headers_are_read_within_limits_and_are_in_the_log() {
    let files = Files::new();
    let back = echo("a").await;
    let proxy = files.start(&format!(
        r#"
        {LOG}
        timeouts = {{ proxy_header = "500ms" }}
        limits = {{ connections = 1 }}
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        proxy_protocol = {{ from = "127.0.0.1" }}
        [[route]]
        tls = "off"
        backend = {{ servers = "{back}" }}
        "#
    ));
    let began = Instant::now();
    let silent = TcpStream::connect(proxy.address()).await.unwrap();
    let ask = async |header: &[u8]| {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        io.write_all(header).await.unwrap();
        io.shutdown().await.unwrap();
        let mut all = Vec::new();
        let _ = io.read_to_end(&mut all).await;
        all
    };
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\n";
    assert_eq!(ask(header).await, b"a:");
    assert!(
        began.elapsed() >= Duration::from_millis(450),
        "it had the place"
    );
    assert_eq!(ask(b"GET / HTTP/1.1\r\n\r\n").await, b"");
    assert_eq!(ask(b"").await, b"");
    let lines = files.lines(4).await;
    let said: Vec<_> = lines
        .iter()
        .map(|line| line["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["proxy_header", "clean", "proxy_header", "probe"]);
    for line in [&lines[0], &lines[2], &lines[3]] {
        assert!(line["client"].is_null(), "{line:#}");
        assert!(line["via"].as_str().unwrap().starts_with("127.0.0.1:"));
    }
    assert_eq!(lines[1]["client"], "192.0.2.7");
    let reason = lines[2]["reason"].as_str().unwrap();
    assert!(reason.contains("neither PROXY nor"), "{reason}");
    drop(silent);
}
