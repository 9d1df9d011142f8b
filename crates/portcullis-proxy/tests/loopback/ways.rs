//! What becomes of connections: TLS ends here, begins here, both, or passes; and which route they take.

use std::time::Duration;

use portcullis::{AlertDescription, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::support::{Files, connect, echo, nobody, talk, terminating, tls_echo};

fn identity(files: &Files, name: &str) -> ServerConfig {
    let (chain, key) = (
        files.path(&format!("{name}.pem")),
        files.path(&format!("{name}.key")),
    );
    let identity = portcullis::Identity::from_pem_files(chain, key).unwrap();
    ServerConfig::builder().identity(identity).build().unwrap()
}

#[tokio::test]
async fn tls_ends_here_and_routes_are_found_by_name_and_protocol() {
    let files = Files::new();
    files.server("one", &["one.test", "*.wild.test"]);
    let [a, b, c] = [echo("a").await, echo("b").await, echo("c").await];
    let more = format!(
        r#"
        [[route]]
        names = ["one.test"]
        identity = "one"
        alpn = ["mqtt"]
        backend = {{ servers = ["{b}"] }}
        [[route]]
        names = ["*.wild.test"]
        identity = "one"
        alpn = ["h2"]
        backend = {{ servers = ["{c}"] }}
        "#
    );
    let proxy = files.start(&(terminating("", a, "") + &more));
    for (name, alpn, answer) in [
        ("one.test", &[][..], "a:hello"),
        ("one.test", &["mqtt"], "b:hello"),
        ("one.test", &["x"], "a:hello"),
        ("x.wild.test", &["h2"], "c:hello"),
        ("x.wild.test", &[], "c:hello"),
    ] {
        let connector = files.connector(alpn);
        let mut stream = connect(&connector, proxy.address(), name).await.unwrap();
        assert_eq!(
            talk(&mut stream, "hello").await.unwrap(),
            answer,
            "{name} {alpn:?}"
        );
    }
    for (name, alpn, alert) in [
        ("two.test", &[][..], AlertDescription::UNRECOGNIZED_NAME),
        ("x.y.wild.test", &[], AlertDescription::UNRECOGNIZED_NAME),
        (
            "x.wild.test",
            &["h3"],
            AlertDescription::NO_APPLICATION_PROTOCOL,
        ),
    ] {
        let error = connect(&files.connector(alpn), proxy.address(), name).await;
        let (_, seen) = error.unwrap_err().alert().expect(name);
        assert_eq!(seen, alert, "{name}");
    }
}

#[tokio::test]
async fn tls_begins_here_and_is_verified_and_resumed() {
    let files = Files::new();
    files.server("back", &["back.test"]);
    let back = tls_echo("back", identity(&files, "back")).await;
    let text = |name: &str| {
        format!(
            r#"
            [[listen]]
            name = "in"
            address = "127.0.0.1:0"
            [[backend]]
            name = "back"
            servers = ["{back}"]
            tls = {{ name = "{name}", roots = "@/ca.pem" }}
            [[route]]
            tls = "off"
            backend = "back"
            "#
        )
    };
    let proxy = files.start(&text("back.test"));
    for answer in ["back,new:hello", "back,again:hello"] {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(talk(&mut io, "hello").await.unwrap(), answer);
    }
    // Who is not the one that is expected gets nothing.
    let proxy = files.start(&text("other.test"));
    let mut io = TcpStream::connect(proxy.address()).await.unwrap();
    let error = talk(&mut io, "hello").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn tls_on_both_sides() {
    let files = Files::new();
    files.server("front", &["front.test"]);
    files.server("back", &["back.test"]);
    let back = tls_echo("back", identity(&files, "back")).await;
    let proxy = files.start(&format!(
        r#"
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        [[identity]]
        name = "front"
        certificate = "@/front.pem"
        key = "@/front.key"
        [[route]]
        identity = "front"
        backend = {{ servers = ["{back}"], tls = {{ name = "back.test", roots = "@/ca.pem" }} }}
        "#
    ));
    let connector = files.connector(&[]);
    let mut stream = connect(&connector, proxy.address(), "front.test")
        .await
        .unwrap();
    let sent = "x".repeat(300_000);
    let answer = talk(&mut stream, &sent).await.unwrap();
    assert_eq!(answer, format!("back,new:{sent}"));
}

#[tokio::test]
async fn what_passes_is_not_touched_and_what_ends_here_goes_beside_it() {
    let files = Files::new();
    files.server("own", &["own.test"]);
    files.server("mail", &["mail.test"]);
    let plain = echo("plain").await;
    let mail = tls_echo("mail", identity(&files, "mail")).await;
    let proxy = files.start(&format!(
        r#"
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        [[identity]]
        name = "own"
        certificate = "@/own.pem"
        key = "@/own.key"
        [[route]]
        names = ["own.test"]
        identity = "own"
        backend = {{ servers = ["{plain}"] }}
        [[route]]
        names = ["mail.test"]
        tls = "pass"
        backend = {{ servers = ["{mail}"] }}
        [[route]]
        names = ["gone.test"]
        tls = "pass"
        backend = {{ servers = ["{}"] }}
        "#,
        nobody().await
    ));
    let connector = files.connector(&[]);
    // The server's own certificate, and its own session, which are none of the proxy's.
    for answer in ["mail,new:hello", "mail,again:hello"] {
        let mut stream = connect(&connector, proxy.address(), "mail.test")
            .await
            .unwrap();
        assert_eq!(talk(&mut stream, "hello").await.unwrap(), answer);
    }
    let mut stream = connect(&connector, proxy.address(), "own.test")
        .await
        .unwrap();
    assert_eq!(talk(&mut stream, "hello").await.unwrap(), "plain:hello");
    for (name, alert) in [
        ("else.test", AlertDescription::UNRECOGNIZED_NAME),
        ("gone.test", AlertDescription::INTERNAL_ERROR),
    ] {
        let error = connect(&connector, proxy.address(), name)
            .await
            .unwrap_err();
        assert_eq!(error.alert().expect(name).1, alert);
    }
}

#[tokio::test]
async fn sockets_of_unix_on_both_sides() {
    let files = Files::new();
    let server = UnixListener::bind(files.path("back.sock")).unwrap();
    let serving = tokio::spawn(async move {
        let (mut io, _) = server.accept().await.unwrap();
        let mut all = String::new();
        io.read_to_string(&mut all).await.unwrap();
        io.write_all(all.to_uppercase().as_bytes()).await.unwrap();
    });
    // One that was left behind by a program that has died.
    drop(UnixListener::bind(files.path("in.sock")).unwrap());
    let text = r#"
        [[listen]]
        name = "in"
        address = "unix:@/in.sock"
        [[route]]
        tls = "off"
        backend = { servers = ["unix:@/back.sock"] }
        "#;
    let proxy = files.start(text);
    let mut io = UnixStream::connect(files.path("in.sock")).await.unwrap();
    assert_eq!(talk(&mut io, "hello").await.unwrap(), "HELLO");
    serving.await.unwrap();
    // One that is in use is not taken away.
    let second = portcullis_proxy::Proxy::start(files.config(text));
    assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(proxy);
}

#[tokio::test]
async fn connections_go_where_there_are_fewest_and_past_what_is_dead() {
    let files = Files::new();
    let [a, b] = [echo("a").await, echo("b").await];
    let dead = nobody().await;
    let proxy = files.start(&format!(
        r#"
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        [[route]]
        tls = "off"
        backend = {{ servers = ["{a}", "{dead}", "{b}"] }}
        "#
    ));
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        let mut name = [0; 2];
        io.read_exact(&mut name).await.unwrap();
        held.push((name, io));
    }
    let of_a = held.iter().filter(|(name, _)| name == b"a:").count();
    assert_eq!(of_a, 4, "half of them, and none was lost");
}

#[tokio::test]
async fn health_checks_take_a_server_out_and_back() {
    let files = Files::new();
    let a = echo("a").await;
    let later = nobody().await;
    let proxy = files.start(&format!(
        r#"
        timeouts = {{ connect = "1s" }}
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        [[route]]
        tls = "off"
        backend = {{ servers = ["{a}", "{later}"], health = {{ every = "20ms", fail = 1, pass = 1 }} }}
        "#
    ));
    let ask = async || {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        talk(&mut io, "").await.unwrap()
    };
    for _ in 0..4 {
        assert_eq!(ask().await, "a:");
    }
    let listener = TcpListener::bind(later).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            let _ = io.write_all(b"b:").await;
        }
    });
    for _ in 0..200 {
        if ask().await == "b:" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("what is up again gets nothing");
}

/// §4 of the design, row 1: a client that asks, ends and waits while its server is being connected.
#[tokio::test]
async fn an_end_passes_on_each_way_by_itself() {
    let files = Files::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let back = listener.local_addr().unwrap();
    let proxy = files.start(&format!(
        r#"
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        [[route]]
        tls = "off"
        backend = {{ servers = ["{back}"] }}
        "#
    ));
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut all = String::new();
    server.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "question");
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut all = String::new();
    client.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "answer");
}
