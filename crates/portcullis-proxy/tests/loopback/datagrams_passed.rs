//! DTLS that is passed on: the hello is read, and not answered.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use portcullis::{
    AlertDescription, ClientConfig, DatagramOptions, DtlsConnector, DtlsOptions, ProtocolVersion,
};
use tokio::net::UdpSocket;

use crate::datagrams_hostile::{hello, metric, until_metric};
use crate::support::{Files, ask, ask_udp, dtls_echo, get, udp_echo};

const LOG: &str = r#"log = { access = "@/access.log" }"#;
const ADMIN: &str = r#"admin = { listen = "127.0.0.1:0" }"#;

/// A listener that passes DTLS on; `routes` has the names and the servers.
fn passing(more: &str, routes: &[(&str, &str)]) -> String {
    let mut text = format!(
        r#"
        {more}
        [[listen]]
        name = "in"
        address = "udp:127.0.0.1:0"
        "#
    );
    for (names, backend) in routes {
        text += &format!(
            r#"
            [[route]]
            {names}
            tls = "pass"
            backend = {{ {backend} }}
            "#
        );
    }
    text
}

fn to(server: SocketAddr) -> String {
    format!("servers = [\"udp:{server}\"]")
}

async fn server(files: &Files, said: &'static str, host: &str) -> SocketAddr {
    files.server(said, &[host]);
    dtls_echo(([127, 0, 0, 1], 0).into(), said, files.shown(said)).await
}

#[tokio::test]
async fn names_and_protocols_lead_to_servers_that_shake_hands_themselves() {
    let files = Files::new();
    let [a, b] = [
        server(&files, "a", "one.test").await,
        server(&files, "b", "two.test").await,
    ];
    let more = format!("{LOG}\ntimeouts = {{ drain = \"100ms\" }}");
    let proxy = files.start(&passing(
        &more,
        &[
            ("names = [\"one.test\"]", &to(a)),
            ("names = [\"*.test\"]", &to(b)),
        ],
    ));
    let mut count = 0;
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        // Sessions are of each version's connector.
        let config = ClientConfig::builder(files.roots()).versions([version]);
        let connector = DtlsConnector::new(config.build().unwrap());
        for (name, again, answer) in [
            ("one.test", "new", "a"),
            ("two.test", "new", "b"),
            // The server behind opens its own ticket.
            ("one.test", "again", "a"),
        ] {
            let connecting = connector.connect(proxy.address(), name);
            let mut connection = connecting.await.unwrap();
            for said in ["x", "y"] {
                let answered = ask(&mut connection, said.as_bytes()).await;
                let expected = format!("{answer},{again}:{said}");
                assert_eq!(answered, expected.as_bytes(), "{name} {version:?}");
            }
            count += 1;
        }
    }
    assert_eq!(proxy.0.drain().await, count);
    let lines = files.lines(count).await;
    let of = |name: &str| lines.iter().filter(|it| it["server_name"] == name).count();
    assert_eq!((of("one.test"), of("two.test")), (4, 2));
    for line in &lines {
        assert_eq!(line["outcome"], "drained", "{line}");
        assert!(line["datagrams_in"].as_u64().unwrap() > 2, "{line}");
        assert!(line["version"].is_null(), "{line}");
    }
}

/// A flow stays with the server that has its first hello: the second one, with the cookie of that server, is for it.
#[tokio::test]
async fn each_client_stays_with_its_server_and_hellos_come_in_fragments() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
    let [a, b] = [
        dtls_echo(loopback, "a", files.shown("one")).await,
        dtls_echo(loopback, "b", files.shown("one")).await,
    ];
    let servers = format!("servers = [\"udp:{a}\", \"udp:{b}\"]");
    let proxy = files.start(&passing("", &[("names = \"one.test\"", &servers)]));
    let small = DtlsOptions::new().datagrams(DatagramOptions::default().mtu(256));
    let mut clients = Vec::new();
    let mut seen = [0, 0];
    for at in 0..6 {
        let mut connector = DtlsConnector::new(files.connector(&[]));
        if at % 2 == 0 {
            connector = connector.options(small);
        }
        let connecting = connector.connect(proxy.address(), "one.test");
        let mut client = connecting.await.unwrap();
        let first = ask(&mut client, b"x").await;
        seen[usize::from(first.starts_with(b"b"))] += 1;
        clients.push((client, first));
    }
    assert_eq!(seen, [3, 3]);
    for (client, first) in &mut clients {
        assert_eq!(ask(client, b"x").await, *first);
    }
}

#[tokio::test]
async fn clients_that_nobody_serves_are_told() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let nobody = {
        let socket = UdpSocket::bind("127.66.0.1:0").await.unwrap();
        socket.local_addr().unwrap()
    };
    let proxy = files.start(&passing(
        LOG,
        &[
            ("names = \"one.test\"\nalpn = \"coap\"", &to(nobody)),
            ("names = \"gone.test\"", &to(nobody)),
        ],
    ));
    for (at, (name, alert, outcome)) in [
        ("two.test", AlertDescription::UNRECOGNIZED_NAME, "no_route"),
        (
            "one.test",
            AlertDescription::NO_APPLICATION_PROTOCOL,
            "no_route",
        ),
        ("gone.test", AlertDescription::INTERNAL_ERROR, "no_backend"),
    ]
    .into_iter()
    .enumerate()
    {
        // A line of each outcome a second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let connector = DtlsConnector::new(files.connector(&["x"]));
        let error = connector.connect(proxy.address(), name).await.unwrap_err();
        assert_eq!(error.alert().map(|(_, it)| it), Some(alert), "{name}");
        let line = files.lines(at + 1).await.remove(at);
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["server_name"], name, "{line}");
    }
}

/// Who never answers what the server says to everybody has a place for as long as a handshake may take, and who has answered
/// stays for as long as clients of DTLS do.
#[tokio::test]
async fn an_address_that_may_be_forged_has_little_time() {
    let files = Files::new();
    let a = server(&files, "a", "one.test").await;
    let more = format!("{ADMIN}\n{LOG}\ntimeouts = {{ handshake = \"1s\" }}");
    let proxy = files.start(&passing(&more, &[("", &to(a))]));
    let (to, admin) = (proxy.address(), proxy.0.admin().unwrap());
    let mut there = files.dtls(to, "one.test").await.unwrap();
    assert_eq!(ask(&mut there, b"x").await, b"a,new:x");
    // It is asked for a cookie, and goes on saying the same without one.
    let hello = hello(&files).await;
    let forged = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for piece in &hello {
        forged.send_to(piece, to).await.unwrap();
    }
    let mut area = [0; 2_000];
    let asked = tokio::time::timeout(Duration::from_secs(10), forged.recv(&mut area));
    asked.await.expect("a cookie").unwrap();
    let began = std::time::Instant::now();
    while metric(admin, "connections_open").await > 1 {
        assert!(began.elapsed() < Duration::from_secs(10), "it stays");
        for piece in &hello {
            forged.send_to(piece, to).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        if began.elapsed() > Duration::from_millis(900) {
            // What comes behind its end is another one.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    let line = files.lines(1).await.remove(0);
    assert_eq!(line["outcome"], "handshake", "{line}");
    assert_eq!(line["reason"], "no handshake came about in time", "{line}");
    // A part of a hello alone.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    silent.send_to(&hello[0][..], to).await.unwrap();
    if hello.len() > 1 {
        let line = files.lines(2).await.remove(1);
        assert_eq!(line["reason"], "the hello was not whole in time", "{line}");
    }
    assert_eq!(ask(&mut there, b"y").await, b"a,new:y");
}

#[tokio::test]
async fn what_is_no_hello_begins_nothing() {
    let files = Files::new();
    let a = server(&files, "a", "one.test").await;
    let more = format!("{ADMIN}\n{LOG}\nlimits = {{ connections = 2, handshakes = 2 }}");
    let proxy = files.start(&passing(&more, &[("", &to(a))]));
    let (to, admin) = (proxy.address(), proxy.0.admin().unwrap());
    for _ in 0..300 {
        let forged = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for datagram in [
            &b"no DTLS"[..],
            &[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 3, 1, 2, 3],
            &[],
        ] {
            forged.send_to(datagram, to).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
    let row = "dtls_discarded_total{reason=\"no_hello\"}";
    until_metric(admin, row, |it| it > 300).await;
    assert_eq!(metric(admin, "connections_open").await, 0);
    let mut client = files.dtls(to, "one.test").await.unwrap();
    assert_eq!(ask(&mut client, b"x").await, b"a,new:x");
    drop(proxy);
}

/// Whoever has all places of an address costs no line for each datagram.
#[tokio::test]
async fn forged_datagrams_make_few_lines() {
    let files = Files::new();
    let back = udp_echo("a").await;
    let more = format!("{ADMIN}\n{LOG}\nlimits = {{ per_address = 1 }}");
    let text = passing(&more, &[("", &to(back))]).replace("\"pass\"", "\"off\"");
    let proxy = files.start(&text);
    let (to, admin) = (proxy.address(), proxy.0.admin().unwrap());
    let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(ask_udp(&there, to, b"x").await, b"a:x");
    let forged = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let row = "connections_total{outcome=\"limit\"}";
    for at in 1..=100 {
        forged.send_to(b"x", to).await.unwrap();
        until_metric(admin, row, |it| it >= at).await;
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    forged.send_to(b"x", to).await.unwrap();
    until_metric(admin, row, |it| it == 101).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let lines = files.lines(2).await;
    // One a second, however long that took.
    let left_out = |line: &serde_json::Value| line["lines_left_out"].as_u64().unwrap_or(0);
    let all: u64 = lines.iter().map(|line| 1 + left_out(line)).sum();
    assert_eq!(all, 101, "{lines:#?}");
    assert!(lines.len() < 50, "{}", lines.len());
}

/// Version 2 of the PROXY protocol, in front of each datagram (`proxy-protocol.txt`, 2.2: UDP over IPv4).
#[tokio::test]
async fn servers_are_told_in_each_datagram_who_has_sent_it() {
    let files = Files::new();
    let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let backend = format!(
        "{}, send_proxy = \"v2\"",
        to(back.local_addr().unwrap()).as_str()
    );
    let plain = passing("", &[("", &backend)]).replace("\"pass\"", "\"off\"");
    let proxy = files.start(&plain.replace("127.0.0.1:0", "0.0.0.0:0"));
    let port = proxy.address().port();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut area = [0; 4_000];
    for said in [&b"one"[..], b"", b"three"] {
        client.send_to(said, ("127.0.0.5", port)).await.unwrap();
        let (length, peer) = back.recv_from(&mut area).await.unwrap();
        let from = client.local_addr().unwrap();
        let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c".to_vec();
        expected.extend([127, 0, 0, 1, 127, 0, 0, 5]);
        expected.extend(from.port().to_be_bytes());
        expected.extend(port.to_be_bytes());
        expected.extend(said);
        assert_eq!(&area[..length], expected);
        // What comes back has none, and comes from where it was asked.
        back.send_to(b"answer", peer).await.unwrap();
        let (length, peer) = client.recv_from(&mut area).await.unwrap();
        assert_eq!(&area[..length], b"answer");
        assert_eq!(peer, ([127, 0, 0, 5], port).into());
    }
    // One that has sent to a group is said all the same.
    if cfg!(target_os = "linux") {
        let socket = socket2::SockRef::from(&client);
        socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        client.send_to(b"all", ("224.0.0.1", port)).await.unwrap();
        let (length, _) = back.recv_from(&mut area).await.unwrap();
        let from = client.local_addr().unwrap();
        let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c".to_vec();
        expected.extend([127, 0, 0, 1, 0, 0, 0, 0]);
        expected.extend(from.port().to_be_bytes());
        expected.extend(b"\0\0all");
        assert_eq!(&area[..length], expected);
    }
    // Before hellos that are passed on, with what they say.
    let proxy = files.start(&passing("", &[("", &backend)]));
    let pieces = hello(&files).await;
    for piece in &pieces {
        client.send_to(piece, proxy.address()).await.unwrap();
    }
    for piece in &pieces {
        let (length, _) = back.recv_from(&mut area).await.unwrap();
        assert!(area[..length].ends_with(piece));
        let said = &area[..length - piece.len()];
        assert_eq!(said[12..14], [0x21, 0x12]);
        let name = b"\x02\0\x08one.test";
        assert!(said.windows(name.len()).any(|it| it == name), "{said:?}");
    }
}

#[tokio::test]
async fn metrics_say_what_was_passed() {
    let files = Files::new();
    let a = server(&files, "a", "one.test").await;
    let proxy = files.start(&passing(ADMIN, &[("names = \"one.test\"", &to(a))]));
    let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
    assert_eq!(ask(&mut client, b"x").await, b"a,new:x");
    let (_, page) = get(proxy.0.admin().unwrap(), "/metrics").await;
    let row = "route_connections_open{listener=\"in\",route=\"one.test\"} 1";
    assert!(page.contains(row), "{page}");
}
