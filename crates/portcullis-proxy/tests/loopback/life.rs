//! Reload, drain, the log, and the administration's port.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Files, connect, echo, get, nobody, talk, terminating};

#[tokio::test]
async fn a_reload_is_whole_or_nothing_and_moves_no_connection() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let [a, b] = [echo("a").await, echo("b").await];
    let proxy = files.start(&terminating("", a, ""));
    let connector = files.connector(&[]);
    let mut before = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    let mut name = [0; 2];
    before.read_exact(&mut name).await.unwrap();
    assert_eq!(&name, b"a:");

    // A new certificate, another backend. The session that there is still resumes: keys of tickets go on.
    let old = before.peer_certificates()[0].clone();
    files.server("one", &["one.test"]);
    proxy
        .0
        .reload(files.config(&terminating("", b, "")))
        .await
        .unwrap();
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    assert!(stream.is_resumed());
    assert_eq!(talk(&mut stream, "x").await.unwrap(), "b:x");
    let fresh = files.connector(&[]);
    let stream = connect(&fresh, proxy.address(), "one.test").await.unwrap();
    assert_ne!(stream.peer_certificates()[0], old);

    // What needs a restart changes nothing, the rest of it included.
    let more = "limits = { handshakes = 7 }";
    let refused = proxy
        .0
        .reload(files.config(&terminating(more, a, "")))
        .await;
    let said = refused.unwrap_err().to_string();
    assert!(said.starts_with("needs a restart: "), "{said}");
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    assert_eq!(talk(&mut stream, "x").await.unwrap(), "b:x");
    // The first connection is where it was.
    assert_eq!(talk(&mut before, "still").await.unwrap(), "still");
}

#[tokio::test]
async fn draining_waits_and_then_cuts() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = echo("a").await;
    let text = terminating("timeouts = { drain = \"300ms\" }", back, "");
    let connector = files.connector(&[]);

    // One that ends by itself is waited for.
    let proxy = files.start(&text);
    let address = proxy.address();
    let mut stream = connect(&connector, address, "one.test").await.unwrap();
    let draining = tokio::spawn(proxy.0.drain());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(talk(&mut stream, "last").await.unwrap(), "a:last");
    assert_eq!(draining.await.unwrap(), 0);

    // One that does not is cut, and knows it.
    let proxy = files.start(&text);
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    let draining = tokio::spawn(proxy.0.drain());
    let mut all = Vec::new();
    let error = stream.read_to_end(&mut all).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    assert_eq!(draining.await.unwrap(), 1);
}

/// Who waits for a place does not keep the proxy.
#[tokio::test]
async fn draining_ends_in_time_also_when_there_is_no_place() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let more = "timeouts = { drain = \"300ms\" }\nlimits = { connections = 2 }";
    let proxy = files.start(&terminating(more, echo("a").await, ""));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(proxy.address()).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let draining = tokio::time::timeout(Duration::from_secs(5), proxy.0.drain());
    assert_eq!(draining.await.expect("it ends"), 2);
}

/// Only a check would find that a server is up again, and there is none any more.
#[tokio::test]
async fn a_reload_without_health_checks_takes_servers_back() {
    let files = Files::new();
    let (a, later) = (echo("a").await, nobody().await);
    let text = |health: &str| {
        format!(
            r#"
            [[listen]]
            name = "in"
            address = "127.0.0.1:0"
            [[route]]
            tls = "off"
            backend = {{ servers = ["{a}", "{later}"]{health} }}
            "#
        )
    };
    let checked = ", health = { every = \"20ms\", fail = 1, pass = 1000 }";
    let proxy = files.start(&text(checked));
    let ask = async || {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        talk(&mut io, "").await.unwrap()
    };
    // The checks find it down.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ask().await, "a:");
    proxy.0.reload(files.config(&text(""))).await.unwrap();
    let listener = tokio::net::TcpListener::bind(later).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            let _ = io.write_all(b"b:").await;
        }
    });
    for _ in 0..100 {
        if ask().await == "b:" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("what is up again gets nothing");
}

#[tokio::test]
async fn each_connection_has_a_line() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = echo("a").await;
    let proxy = files.start(&terminating(
        "log = { access = \"@/access.log\" }",
        back,
        "",
    ));
    let connector = files.connector(&[]);
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    let port = stream.get_ref().local_addr().unwrap().port();
    talk(&mut stream, "hello").await.unwrap();
    assert!(
        connect(&connector, proxy.address(), "two.test")
            .await
            .is_err()
    );
    drop(TcpStream::connect(proxy.address()).await.unwrap());
    let mut io = TcpStream::connect(proxy.address()).await.unwrap();
    io.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = io.read_to_end(&mut Vec::new()).await;
    drop(io);
    let path = files.path("access.log");
    let mut lines: Vec<Value> = Vec::new();
    for _ in 0..200 {
        let text = std::fs::read_to_string(&path).unwrap();
        lines = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if lines.len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let of = |outcome: &'static str| lines.iter().filter(move |line| line["outcome"] == outcome);
    let clean = of("clean").next().unwrap();
    for (key, value) in [
        ("listener", Value::from("in")),
        ("route", "one.test".into()),
        ("client", "127.0.0.1".into()),
        ("client_port", port.into()),
        ("server_name", "one.test".into()),
        ("version", "TLSv1.3".into()),
        ("resumed", false.into()),
        ("backend", "back".into()),
        ("server", back.to_string().into()),
        ("bytes_in", 5.into()),
        ("bytes_out", 7.into()),
        ("end_client", "clean".into()),
        ("end_backend", "clean".into()),
    ] {
        assert_eq!(clean[key], value, "{key}");
    }
    let no_route = of("no_route").next().unwrap();
    assert_eq!(no_route["alert"]["name"], "unrecognized_name");
    // Who says nothing, or something else, has not failed.
    assert_eq!(of("probe").count(), 2);
}

const ROUTE: &str = "listener=\"in\",route=\"one.test\"";

#[tokio::test]
async fn the_administration_is_asked_by_http() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = echo("a").await;
    let more = "admin = { listen = \"127.0.0.1:0\" }\ntimeouts = { drain = \"2s\" }";
    let proxy = files.start(&terminating(more, back, ""));
    let admin = proxy.0.admin().unwrap();
    let connector = files.connector(&[]);
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    talk(&mut stream, "hello").await.unwrap();
    let mut held = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    held.read_exact(&mut [0; 2]).await.unwrap();

    assert_eq!(get(admin, "/health").await.0, "HTTP/1.1 200 OK");
    assert_eq!(get(admin, "/ready").await.0, "HTTP/1.1 200 OK");
    assert_eq!(get(admin, "/other").await.0, "HTTP/1.1 404 Not Found");
    let (_, metrics) = get(admin, "/metrics").await;
    for line in [
        "portcullis_proxy_connections_total{outcome=\"clean\"} 1".to_owned(),
        "portcullis_proxy_connections_open 1".to_owned(),
        "portcullis_proxy_bytes_total{direction=\"in\"} 5".to_owned(),
        format!("portcullis_proxy_route_connections_total{{{ROUTE},outcome=\"clean\"}} 1"),
        format!("portcullis_proxy_route_connections_open{{{ROUTE}}} 1"),
        format!("portcullis_proxy_route_bytes_total{{{ROUTE},direction=\"out\"}} 7"),
        format!("portcullis_proxy_backend_up{{backend=\"back\",server=\"{back}\"}} 1"),
        format!(
            "portcullis_proxy_backend_connections_open{{backend=\"back\",server=\"{back}\"}} 1"
        ),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    }
    // Counts of a route go on.
    let text = terminating(more, back, "");
    proxy.0.reload(files.config(&text)).await.unwrap();
    let (_, metrics) = get(admin, "/metrics").await;
    let line = format!("portcullis_proxy_route_connections_open{{{ROUTE}}} 1");
    assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    proxy.0.reload_failed("proxy.toml:1:1: no");
    let (_, status) = get(admin, "/status").await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["last_reload_error"], "proxy.toml:1:1: no");
    assert_eq!(status["backends"][0]["servers"][0]["open"], 1);

    let draining = tokio::spawn(proxy.0.drain());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        get(admin, "/ready").await.0,
        "HTTP/1.1 503 Service Unavailable"
    );
    drop(held);
    draining.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_had_is_said_with_its_name() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let text = terminating("", nobody().await, "").replace("127.0.0.1:0", &address.to_string());
    let error = portcullis_proxy::Proxy::start(files.config(&text)).unwrap_err();
    let expected = format!("listening on {address} (listener \"in\"): ");
    assert!(error.to_string().starts_with(&expected), "{error}");
}
