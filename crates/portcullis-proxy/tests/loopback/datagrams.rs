//! Datagrams: DTLS ends here, begins here, or both, and a message stays a message.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::{AlertDescription, ClientConfig, DtlsConnector, ProtocolVersion, TlsConnector};
use portcullis_proxy::Config;
use tokio::net::UdpSocket;

use crate::support::{Files, ask, ask_udp, dtls_echo, dtls_terminating, get, udp_echo};

const LOG: &str = r#"log = { access = "@/access.log" }"#;

/// A listener without DTLS, whose servers speak it.
fn originating(more: &str, server: SocketAddr, tls: &str) -> String {
    format!(
        r#"
        {more}
        [[listen]]
        name = "in"
        address = "udp:127.0.0.1:0"
        [[route]]
        tls = "off"
        backend = {{ servers = ["udp:{server}"], tls = {{ {tls} }} }}
        "#
    )
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// An address that nobody listens on, and that no other test gets.
async fn nobody() -> SocketAddr {
    let socket = UdpSocket::bind("127.66.0.1:0").await.unwrap();
    socket.local_addr().unwrap()
}

#[tokio::test]
async fn dtls_ends_here_and_routes_are_found_by_name_and_protocol() {
    let files = Files::new();
    files.server("one", &["one.test", "*.wild.test"]);
    let [a, b, c] = [
        udp_echo("a").await,
        udp_echo("b").await,
        udp_echo("c").await,
    ];
    let more = format!(
        r#"
        [[route]]
        names = ["one.test"]
        identity = "one"
        alpn = ["coap"]
        backend = {{ servers = ["udp:{b}"] }}
        [[route]]
        names = ["*.wild.test"]
        identity = "one"
        alpn = ["x"]
        backend = {{ servers = ["udp:{c}"] }}
        "#
    );
    let proxy = files.start(&(dtls_terminating("", a, "") + &more));
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let connect = |name: &'static str, alpn: &[&str]| {
            let config = ClientConfig::builder(files.roots())
                .versions([version])
                .alpn(alpn);
            let connector = DtlsConnector::new(config.build().unwrap());
            connector.connect(proxy.address(), name)
        };
        for (name, alpn, answer) in [
            ("one.test", &[][..], "a:hello"),
            ("one.test", &["coap"], "b:hello"),
            ("one.test", &["y"], "a:hello"),
            ("x.wild.test", &["x"], "c:hello"),
        ] {
            let mut connection = connect(name, alpn).await.unwrap();
            let said = ask(&mut connection, b"hello").await;
            assert_eq!(said, answer.as_bytes(), "{name} {alpn:?} {version:?}");
        }
        for (name, alpn, alert) in [
            ("two.test", &[][..], AlertDescription::UNRECOGNIZED_NAME),
            (
                "x.wild.test",
                &["y"],
                AlertDescription::NO_APPLICATION_PROTOCOL,
            ),
        ] {
            let (_, seen) = connect(name, alpn).await.unwrap_err().alert().expect(name);
            assert_eq!(seen, alert, "{name}");
        }
    }
}

#[tokio::test]
async fn a_message_is_a_datagram_and_what_is_too_long_is_dropped_and_told() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    // What it is told says how long its answer is.
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = server.local_addr().unwrap();
    tokio::spawn(async move {
        let mut area = vec![0; 65_536];
        loop {
            let (length, peer) = server.recv_from(&mut area).await.unwrap();
            let wanted = std::str::from_utf8(&area[..length]).unwrap().parse();
            let answer = vec![b'x'; wanted.unwrap_or(length)];
            server.send_to(&answer, peer).await.unwrap();
        }
    });
    let more = format!("admin = {{ listen = \"127.0.0.1:0\" }}\n{LOG}");
    let proxy = files.start(&dtls_terminating(&more, back, ""));
    let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
    for length in [0, 1, 1_000, 1_400, 9_000, 16_384] {
        let answer = ask(&mut client, length.to_string().as_bytes()).await;
        assert_eq!(answer, vec![b'x'; length]);
    }
    // Without content, too.
    assert_eq!(ask(&mut client, b"").await, b"");
    // 16,384 bytes and no more are in a record: what is longer is dropped, and not cut.
    client.send(&[b"16385"]).await.unwrap();
    client.send(&[b"60000"]).await.unwrap();
    assert_eq!(ask(&mut client, b"3").await, b"xxx");
    client.close(Duration::from_secs(5)).await.unwrap();
    let line = files.lines(1).await.remove(0);
    assert_eq!(line["outcome"], "clean", "{line}");
    assert_eq!(line["end_client"], "clean", "{line}");
    assert_eq!(line["server"], format!("udp:{back}"), "{line}");
    assert_eq!(line["version"], "DTLSv1.3", "{line}");
    assert_eq!(line["server_name"], "one.test", "{line}");
    assert_eq!(line["datagrams_in"], 10, "{line}");
    assert_eq!(line["datagrams_out"], 8, "{line}");
    assert_eq!(line["bytes_out"], 1 + 1_000 + 1_400 + 9_000 + 16_384 + 3);
    assert_eq!(line["too_long_out"], 2, "{line}");
    assert!(line["too_long_in"].is_null(), "{line}");
    let (_, page) = get(proxy.0.admin().unwrap(), "/metrics").await;
    for row in [
        "portcullis_proxy_datagrams_total{direction=\"in\"} 10",
        "portcullis_proxy_datagrams_total{direction=\"out\"} 8",
        "portcullis_proxy_datagrams_dropped_total{direction=\"out\",reason=\"too_long\"} 2",
        "portcullis_proxy_datagrams_dropped_total{direction=\"in\",reason=\"too_long\"} 0",
        "portcullis_proxy_connections_total{outcome=\"clean\"} 1",
        "portcullis_proxy_connections_open 0",
    ] {
        assert!(page.contains(row), "{row}\n{page}");
    }
}

#[tokio::test]
async fn dtls_begins_here_with_a_connection_for_each_address() {
    let files = Files::new();
    files.server("back", &["back.test"]);
    let back = dtls_echo(loopback(), "back", files.shown("back")).await;
    let tls = r#"name = "back.test", roots = "@/ca.pem""#;
    let more = format!("timeouts = {{ udp_idle = \"1s\" }}\n{LOG}");
    let proxy = files.start(&originating(&more, back, tls));
    let [one, two] = [
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    ];
    let to = proxy.address();
    assert_eq!(ask_udp(&one, to, b"hello").await, b"back,new:hello");
    // Another address is another connection, with the session of the first one.
    assert_eq!(ask_udp(&two, to, b"hello").await, b"back,again:hello");
    assert_eq!(ask_udp(&one, to, b"").await, b"back,new:");
    let long = vec![b'x'; 16_000];
    assert_eq!(ask_udp(&one, to, &long).await.len(), 16_000 + 9);
    // What is no record's is dropped.
    one.send_to(&vec![b'x'; 20_000], to).await.unwrap();
    assert_eq!(ask_udp(&one, to, b"again").await, b"back,new:again");
    // Both are over when they have been silent for so long.
    let lines = files.lines(2).await;
    for line in &lines {
        assert_eq!(line["outcome"], "idle", "{line}");
        assert_eq!(line["end_client"], "idle", "{line}");
    }
    let first = lines.iter().find(|line| line["datagrams_in"] == 4);
    assert_eq!(first.expect("that of the first")["too_long_in"], 1);
    // Who comes back later is a new one.
    assert_eq!(ask_udp(&one, to, b"x").await, b"back,again:x");
}

/// Nobody can be answered from the address of a network.
#[tokio::test]
async fn who_asks_a_whole_network_is_answered_too() {
    let files = Files::new();
    let back = udp_echo("a").await;
    let proxy = files.start(&format!(
        r#"
        [[listen]]
        name = "in"
        address = "udp:0.0.0.0:0"
        [[route]]
        tls = "off"
        backend = {{ servers = ["udp:{back}"] }}
        "#
    ));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.set_broadcast(true).unwrap();
    let to = ([127, 255, 255, 255], proxy.address().port()).into();
    assert_eq!(ask_udp(&client, to, b"x").await, b"a:x");
}

#[tokio::test]
async fn a_server_of_another_name_gets_nothing() {
    let files = Files::new();
    files.server("back", &["back.test"]);
    let back = dtls_echo(loopback(), "back", files.shown("back")).await;
    let tls = r#"name = "other.test", roots = "@/ca.pem""#;
    let proxy = files.start(&originating(LOG, back, tls));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.send_to(b"hello", proxy.address()).await.unwrap();
    let line = files.lines(1).await.remove(0);
    assert_eq!(line["outcome"], "no_backend", "{line}");
    assert!(
        line["reason"].as_str().unwrap().contains("back.test"),
        "{line}"
    );
}

#[tokio::test]
async fn dtls_on_both_sides_and_ends_are_passed_on() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    files.server("back", &["back.test"]);
    let back = dtls_echo(loopback(), "back", files.shown("back")).await;
    let text = format!(
        r#"
        {LOG}
        [[listen]]
        name = "in"
        address = "udp:127.0.0.1:0"
        [[identity]]
        name = "one"
        certificate = "@/one.pem"
        key = "@/one.key"
        [[route]]
        identity = "one"
        backend = {{ servers = ["udp:{back}"], tls = {{ name = "back.test", roots = "@/ca.pem" }} }}
        "#
    );
    let proxy = files.start(&text);
    let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
    assert_eq!(ask(&mut client, b"hello").await, b"back,new:hello");
    drop(client);
    let line = files.lines(1).await.remove(0);
    assert_eq!(line["outcome"], "clean", "{line}");
    // A server that closes.
    let listener = portcullis::DtlsListener::bind(loopback(), files.shown("back"));
    let listener = listener.await.unwrap();
    let other = listener.local_addr().unwrap();
    let text = text.replace(&back.to_string(), &other.to_string());
    let proxy = files.start(&text);
    let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
    let server = listener.accept().await.unwrap().handshake().await.unwrap();
    drop(server);
    let ended = client.recv_timeout(Duration::from_secs(10)).await;
    assert!(ended.unwrap_err().is_closed());
    let line = files.lines(2).await.remove(1);
    assert_eq!(line["end_backend"], "clean", "{line}");
}

#[tokio::test]
async fn servers_have_the_fewest_and_those_that_are_not_there_are_passed_over() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let [a, b, dead] = [udp_echo("a").await, udp_echo("b").await, nobody().await];
    let text = dtls_terminating(LOG, "X", "");
    let proxy = files.start(&text.replace("udp:X", &format!("udp:{a}\", \"udp:{b}")));
    let mut clients = Vec::new();
    let mut seen = [0, 0];
    for _ in 0..4 {
        let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
        match &ask(&mut client, b"x").await[..] {
            b"a:x" => seen[0] += 1,
            _ => seen[1] += 1,
        }
        clients.push(client);
    }
    assert_eq!(seen, [2, 2]);
    drop(clients);
    files.lines(4).await;
    // The network says that nobody is there: the datagram is lost, and the next one goes to the other one.
    let text = text.replace("udp:X", &format!("udp:{dead}\", \"udp:{a}"));
    let text = format!("admin = {{ listen = \"127.0.0.1:0\" }}\n{text}");
    let proxy = files.start(&text);
    for at in 4..12 {
        let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
        let mut answer = None;
        for _ in 0..50 {
            client.send(&[b"x"]).await.unwrap();
            answer = client.recv_timeout(Duration::from_millis(200)).await.ok();
            if answer.is_some() {
                break;
            }
        }
        assert_eq!(answer.expect("an answer"), "a:x");
        drop(client);
        let line = files.lines(at + 1).await.remove(at);
        assert_eq!(line["server"], format!("udp:{a}"), "{line}");
    }
    // Three times in a row put it out of use.
    let (_, page) = get(proxy.0.admin().unwrap(), "/metrics").await;
    let row = format!("backend_up{{backend=\"back\",server=\"udp:{dead}\"}} 0");
    assert!(page.contains(&row), "{page}");
    // When there is none left, the client is told.
    let text = dtls_terminating("", dead, "");
    let proxy = files.start(&text);
    let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
    client.send(&[b"x"]).await.unwrap();
    let ended = client.recv_timeout(Duration::from_secs(10)).await;
    assert!(ended.unwrap_err().is_closed());
}

#[tokio::test]
async fn a_server_that_was_there_may_be_away_for_a_moment() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let server = UdpSocket::bind("127.66.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let proxy = files.start(&dtls_terminating(LOG, address, ""));
    let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
    let answer = async |server: &UdpSocket, client: &mut portcullis::DtlsConnection| {
        client.send(&[b"x"]).await.unwrap();
        let mut area = [0; 10];
        let (_, peer) = server.recv_from(&mut area).await.unwrap();
        server.send_to(b"y", peer).await.unwrap();
        let said = client.recv_timeout(Duration::from_secs(10)).await;
        assert_eq!(said.unwrap(), "y");
    };
    answer(&server, &mut client).await;
    drop(server);
    for _ in 0..5 {
        client.send(&[b"lost"]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let server = UdpSocket::bind(address).await.unwrap();
    answer(&server, &mut client).await;
    drop(server);
    // That is no moment any more.
    for _ in 0..40 {
        let _ = client.send(&[b"lost"]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ended = client.recv_timeout(Duration::from_secs(10)).await;
    assert!(ended.unwrap_err().is_closed());
    let line = files.lines(1).await.remove(0);
    assert_eq!(line["outcome"], "backend_reset", "{line}");
    assert_eq!(line["end_backend"], "unreachable", "{line}");
}

#[tokio::test]
async fn servers_of_dtls_are_tried_in_turn_and_checked_by_a_handshake() {
    let files = Files::new();
    files.server("back", &["back.test"]);
    let back = dtls_echo(loopback(), "back", files.shown("back")).await;
    let dead = nobody().await;
    let text = format!(
        r#"
        admin = {{ listen = "127.0.0.1:0" }}
        timeouts = {{ connect = "2s" }}
        [[listen]]
        name = "in"
        address = "udp:127.0.0.1:0"
        [[backend]]
        name = "back"
        servers = ["udp:{dead}", "udp:{back}"]
        tls = {{ name = "back.test", roots = "@/ca.pem" }}
        health = {{ every = "100ms", fail = 1, pass = 1 }}
        [[route]]
        tls = "off"
        backend = "back"
        "#
    );
    let proxy = files.start(&text);
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let answer = ask_udp(&client, proxy.address(), b"hello").await;
    assert!(answer.starts_with(b"back,"));
    let admin = proxy.0.admin().unwrap();
    let until = async |up: u8| {
        let row = format!("backend_up{{backend=\"back\",server=\"udp:{dead}\"}} {up}");
        for _ in 0..200 {
            if get(admin, "/metrics").await.1.contains(&row) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not {up} within 10 seconds");
    };
    until(0).await;
    dtls_echo(dead, "late", files.shown("back")).await;
    until(1).await;
}

#[tokio::test]
async fn clients_show_certificates_by_the_rules_of_their_route() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = udp_echo("a").await;
    let rules = r#"clients = { roots = "@/ca.pem", allow = [{ uri = "spiffe://x/good" }] }"#;
    let proxy = files.start(&dtls_terminating(LOG, back, rules));
    let connect = |identity: Option<portcullis::Identity>| {
        let mut config = ClientConfig::builder(files.roots());
        if let Some(identity) = identity {
            config = config.identity(identity);
        }
        let connector = DtlsConnector::new(TlsConnector::new(config.build().unwrap()));
        connector.connect(proxy.address(), "one.test")
    };
    let mut good = connect(Some(files.client("spiffe://x/good")))
        .await
        .unwrap();
    assert_eq!(ask(&mut good, b"x").await, b"a:x");
    drop(good);
    for (identity, alert) in [
        (
            Some(files.client("spiffe://x/bad")),
            AlertDescription::ACCESS_DENIED,
        ),
        (None, AlertDescription::CERTIFICATE_REQUIRED),
        (
            Some(Files::new().client("spiffe://x/good")),
            AlertDescription::BAD_CERTIFICATE,
        ),
    ] {
        // In TLS 1.3 a client is there before it is refused.
        let ended = match connect(identity).await {
            Ok(mut client) => client.recv_timeout(Duration::from_secs(10)).await.map(drop),
            Err(error) => Err(error),
        };
        assert_eq!(ended.unwrap_err().alert().map(|(_, it)| it), Some(alert));
    }
    let lines = files.lines(4).await;
    let outcome = |at: usize| lines[at]["outcome"].as_str().unwrap().to_owned();
    assert_eq!(lines[0]["client_uris"][0], "spiffe://x/good");
    assert_eq!(outcome(1), "rule");
    assert_eq!(outcome(2), "handshake");
    assert_eq!(outcome(3), "handshake");
}

#[tokio::test]
async fn a_reload_is_for_those_who_come_and_a_drain_waits_for_those_who_are_there() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let other = Files::new();
    let [a, b] = [udp_echo("a").await, udp_echo("b").await];
    let more = format!("timeouts = {{ drain = \"1s\" }}\n{LOG}");
    let proxy = files.start(&dtls_terminating(&more, a, ""));
    let to = proxy.address();
    let mut there = files.dtls(to, "one.test").await.unwrap();
    assert_eq!(ask(&mut there, b"x").await, b"a:x");
    // Another certificate, of another authority, and another server.
    other.server("one", &["one.test"]);
    for name in ["one.pem", "one.key"] {
        files.write(name, &std::fs::read_to_string(other.path(name)).unwrap());
    }
    let at = format!("address = \"udp:{to}\"");
    let fixed = |text: String| text.replace("address = \"udp:127.0.0.1:0\"", &at);
    // Port 0 in the file is what was listened on.
    let next = files.config(&dtls_terminating(&more, b, ""));
    proxy.0.reload(next).await.unwrap();
    assert!(files.dtls(to, "one.test").await.is_err());
    let mut new = other.dtls(to, "one.test").await.unwrap();
    assert_eq!(ask(&mut new, b"x").await, b"b:x");
    assert_eq!(ask(&mut there, b"x").await, b"a:x");
    // What changes the socket is for a restart, and the last one goes on.
    let moved = files.config(&fixed(dtls_terminating(&more, a, "")));
    let refused = proxy.0.reload(moved).await.unwrap_err().to_string();
    assert!(refused.contains("addresses"), "{refused}");
    let mut new = other.dtls(to, "one.test").await.unwrap();
    assert_eq!(ask(&mut new, b"x").await, b"b:x");
    // Who is there goes on while it ends, and nobody else comes in.
    let draining = tokio::spawn(proxy.0.drain());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ask(&mut there, b"x").await, b"a:x");
    let config = ClientConfig::builder(files.roots()).build().unwrap();
    let late = TlsConnector::new(config).handshake_timeout(Duration::from_millis(400));
    let late = DtlsConnector::new(late).connect(to, "one.test").await;
    assert!(late.unwrap_err().is_timeout());
    assert_eq!(draining.await.unwrap(), 3);
    let ended = there.recv_timeout(Duration::from_secs(10)).await;
    assert!(ended.unwrap_err().is_closed());
    let lines = files.lines(4).await;
    let drained = lines.iter().filter(|line| line["outcome"] == "drained");
    assert_eq!(drained.count(), 3, "{lines:#?}");
}

#[tokio::test]
async fn what_means_nothing_over_datagrams_is_refused_by_name() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let usual = dtls_terminating("", "127.0.0.1:9", "");
    let refused = |text: &str, expected: &str| {
        let folder = format!("{}/", files.path("").display());
        let text = format!("version = 1\n{}", text.replace("@/", &folder));
        let problems = Config::parse("a.toml", &text)
            .expect_err(expected)
            .to_string();
        assert!(problems.contains(expected), "{expected}\n{problems}");
        // With its line.
        let line = problems.split(':').nth(1).unwrap();
        let line: usize = line.parse().unwrap();
        text.lines().nth(line - 1).unwrap().to_owned()
    };
    let with = |from: &str, to: &str| {
        assert!(usual.contains(from), "{from}");
        usual.replace(from, to)
    };
    let address = "address = \"udp:127.0.0.1:0\"";
    let servers = "servers = [\"udp:127.0.0.1:9\"]";
    for (text, expected, line) in [
        (
            with(
                address,
                &format!("{address}\nproxy_protocol = {{ from = \"10.0.0.0/8\" }}"),
            ),
            "proxy_protocol: headers of the PROXY protocol are not read before datagrams",
            "proxy_protocol",
        ),
        (
            with(address, "address = [\"udp:127.0.0.1:0\", \"127.0.0.1:0\"]"),
            "addresses with udp: and others",
            "name = \"in\"",
        ),
        (
            with(servers, "servers = [\"udp:127.0.0.1:9\", \"127.0.0.1:9\"]"),
            "servers with udp: and others",
            "servers",
        ),
        (
            with(servers, "servers = \"127.0.0.1:9\""),
            "leads from datagrams (listener \"in\") to servers without udp: (backend \"back\")",
            "[[route]]",
        ),
        (
            with(address, "address = \"127.0.0.1:0\""),
            "leads from streams (listener \"in\") to servers with udp:",
            "[[route]]",
        ),
        (
            with(servers, &format!("{servers}\nsend_proxy = \"v1\"")),
            "send_proxy: version 1 of the header has no form for datagrams",
            "send_proxy",
        ),
        (
            with(
                servers,
                &format!("{servers}\nsend_proxy = \"v2\"\ntls = {{ name = \"a\" }}"),
            ),
            "send_proxy: over udp: the header stands in each datagram",
            "send_proxy",
        ),
        (
            with(
                servers,
                &format!("{servers}\nhealth = {{ every = \"1s\" }}"),
            ),
            "health: over UDP without TLS nobody says",
            "health",
        ),
        (
            with(
                servers,
                &format!("{servers}\ntls = {{ name = \"a\", truncation = \"lenient\" }}"),
            ),
            "truncation: datagrams get lost",
            "truncation",
        ),
        (
            with(
                "identity = \"one\"",
                "identity = \"one\"\ntruncation = \"lenient\"",
            ),
            "truncation: datagrams get lost",
            "truncation",
        ),
        (
            format!("{usual}\n[[route]]\ntls = \"pass\"\nbackend = \"back\""),
            "listener \"in\" passes DTLS on for some names and terminates it for others",
            "name = \"in\"",
        ),
        (
            with(
                "identity = \"one\"",
                "identity = \"one\"\nearly_data = { backend_is_idempotent = true }",
            ),
            "early_data: over datagrams each client is asked for a cookie",
            "early_data",
        ),
        (
            format!("process = {{ take_over = \"/run/x\" }}\n{usual}"),
            "process.take_over: a socket of datagrams cannot be given away",
            "take_over",
        ),
        (
            with(address, "address = \"udp:localhost\""),
            "\"udp:IP:PORT\" for datagrams",
            "address",
        ),
        (
            with(servers, "servers = \"udp:127.0.0.1\""),
            "\"udp:HOST:PORT\" for datagrams",
            "servers",
        ),
    ] {
        let seen = refused(&text, expected);
        assert!(seen.contains(line), "{expected}: {seen}");
    }
    files.config(&usual);
    // TCP and UDP at one port are two addresses.
    let both = usual.replace(
        "[[identity]]",
        "[[listen]]\nname = \"tcp\"\naddress = [\"127.0.0.1:4433\"]\n[[identity]]",
    );
    let both = both.replace("udp:127.0.0.1:0", "udp:127.0.0.1:4433").replace(
        "[[route]]",
        "[[route]]\nlisten = \"tcp\"\ntls = \"off\"\nbackend = { servers = \"127.0.0.1:9\" }\n[[route]]\nlisten = \"in\"",
    );
    files.config(&both);
    // DTLS that is passed on, with what its hello is read for.
    let passed = usual.replace(
        "identity = \"one\"\n",
        "tls = \"pass\"\nalpn = [\"coap\"]\n",
    );
    assert!(passed.contains("pass"));
    files.config(&passed);
    files.config(&with(servers, &format!("{servers}\nsend_proxy = \"v2\"")));
}
