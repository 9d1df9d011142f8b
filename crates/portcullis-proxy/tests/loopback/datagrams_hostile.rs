//! Datagrams that are lost, forged, too many, or nobody's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis::{DtlsConnector, TlsConnector};
use tokio::net::UdpSocket;

use crate::support::{Files, ask, ask_udp, dtls_terminating, get, udp_echo};

const LOG: &str = r#"log = { access = "@/access.log" }"#;
const ADMIN: &str = r#"admin = { listen = "127.0.0.1:0" }"#;

/// The value of a row of the metrics; 0 without one.
pub(crate) async fn metric(admin: SocketAddr, row: &str) -> u64 {
    let (_, page) = get(admin, "/metrics").await;
    let row = format!("portcullis_proxy_{row} ");
    let mut values = page.lines().filter_map(|line| line.strip_prefix(&row));
    values.next().map_or(0, |value| value.parse().unwrap())
}

pub(crate) async fn until_metric(admin: SocketAddr, row: &str, holds: impl Fn(u64) -> bool) {
    for _ in 0..200 {
        if holds(metric(admin, row).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{row} is {} for 10 seconds", metric(admin, row).await);
}

/// The datagrams of a client's first hello.
pub(crate) async fn hello(files: &Files) -> Vec<Vec<u8>> {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let connector = DtlsConnector::new(files.connector(&[]));
    let connecting = connector.connect(server.local_addr().unwrap(), "one.test");
    let receiving = async {
        let (mut pieces, mut peek) = (Vec::new(), portcullis::DatagramPeek::new());
        let mut area = vec![0; 65_536];
        loop {
            let length = server.recv(&mut area).await.unwrap();
            pieces.push(area[..length].to_vec());
            let peeked = peek.on_datagram(&area[..length]);
            if matches!(peeked, portcullis::PeekedDatagram::Hello(_)) {
                return pieces;
            }
        }
    };
    tokio::select! {
        pieces = receiving => pieces,
        _ = connecting => panic!("nobody has answered"),
    }
}

#[tokio::test]
async fn hellos_from_forged_addresses_leave_nothing() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = udp_echo("a").await;
    let more = format!("{ADMIN}\n{LOG}\nlimits = {{ connections = 4, handshakes = 2 }}");
    let proxy = files.start(&dtls_terminating(&more, back, ""));
    let admin = proxy.0.admin().unwrap();
    let hello = hello(&files).await.remove(0);
    for at in 0..2_000 {
        // Another port each time, and nobody reads there.
        let forged = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        forged.send_to(&hello, proxy.address()).await.unwrap();
        forged.send_to(b"no DTLS", proxy.address()).await.unwrap();
        if at % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let row = "dtls_discarded_total{reason=\"foreign_byte\"}";
    until_metric(admin, row, |it| it > 500).await;
    // Nobody has a place, of so few: whoever reads at his address comes in.
    assert_eq!(metric(admin, "connections_open").await, 0);
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
        assert_eq!(ask(&mut client, b"x").await, b"a:x");
        clients.push(client);
    }
    assert_eq!(metric(admin, "connections_open").await, 4);
    // What was counted is there while it ends, too.
    let before = metric(admin, row).await;
    let to = proxy.address();
    let late = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    assert!(!ask_udp(&late, to, &hello).await.is_empty(), "a cookie");
    let draining = tokio::spawn(proxy.0.drain());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(metric(admin, row).await >= before);
    // Nobody answers any more.
    late.send_to(&hello, to).await.unwrap();
    let mut area = [0; 100];
    let answered = late.recv(&mut area);
    let answered = tokio::time::timeout(Duration::from_millis(500), answered);
    assert!(answered.await.is_err());
    drop(clients);
    assert_eq!(draining.await.unwrap(), 0);
    // And nobody else has a line.
    let lines = files.lines(4).await;
    assert!(
        lines.iter().all(|line| line["outcome"] == "clean"),
        "{lines:#?}"
    );
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn flows_from_forged_addresses_have_a_bound_and_those_who_are_there_go_on() {
    let files = Files::new();
    let back = udp_echo("a").await;
    let proxy = files.start(&format!(
        r#"
        {ADMIN}
        timeouts = {{ udp_idle = "2s" }}
        limits = {{ connections = 64 }}
        [[listen]]
        name = "in"
        address = "udp:127.0.0.1:0"
        [[route]]
        tls = "off"
        backend = {{ servers = ["udp:{back}"] }}
        "#
    ));
    let (to, admin) = (proxy.address(), proxy.0.admin().unwrap());
    let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(ask_udp(&there, to, b"x").await, b"a:x");
    let datagram = vec![0; 1_200];
    let mut ports = Vec::new();
    for _ in 0..600 {
        let forged = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        forged.send_to(&datagram, to).await.unwrap();
        ports.push(forged);
    }
    // 64 are served, one has come, and 256 wait.
    until_metric(admin, "datagrams_refused_total{full=\"newcomers\"}", |it| {
        it > 50
    })
    .await;
    assert!(metric(admin, "connections_open").await <= 64);
    assert_eq!(ask_udp(&there, to, b"still").await, b"a:still");
    // Those that say nothing more make room.
    drop(ports);
    let late = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut answer = vec![0; 100];
    let answered = async {
        loop {
            assert_eq!(ask_udp(&there, to, b"still").await, b"a:still");
            late.send_to(b"late", to).await.unwrap();
            let answer = tokio::time::timeout(Duration::from_millis(500), late.recv(&mut answer));
            if let Ok(length) = answer.await {
                return length.unwrap();
            }
        }
    };
    let answered = tokio::time::timeout(Duration::from_secs(60), answered);
    assert_eq!(
        answered.await.expect("there is room again"),
        b"a:late".len()
    );
}

#[tokio::test]
async fn what_is_forged_into_a_connection_is_dropped_and_counted() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = udp_echo("a").await;
    let proxy = files.start(&dtls_terminating(&format!("{ADMIN}\n{LOG}"), back, ""));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(proxy.address()).await.unwrap();
    let socket = socket.into_std().unwrap();
    let other = UdpSocket::from_std(socket.try_clone().unwrap()).unwrap();
    let socket = UdpSocket::from_std(socket).unwrap();
    let connector = DtlsConnector::new(files.connector(&[]));
    let mut client = connector.upgrade(socket, "one.test").await.unwrap();
    assert_eq!(ask(&mut client, b"x").await, b"a:x");
    // From the same address: what is no record, what is one that nobody has sealed, and an alert in plain text.
    for forged in [
        &b"no DTLS"[..],
        &[0x2b; 60],
        &[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 3, 1, 2, 3],
        &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
    ] {
        other.send(forged).await.unwrap();
    }
    assert_eq!(ask(&mut client, b"y").await, b"a:y");
    client.close(Duration::from_secs(5)).await.unwrap();
    let line = files.lines(1).await.remove(0);
    assert_eq!(line["outcome"], "clean", "{line}");
    assert!(line["dtls_discarded"].as_u64().unwrap() >= 3, "{line}");
    let admin = proxy.0.admin().unwrap();
    let row = "dtls_discarded_total{reason=\"does_not_open\"}";
    assert!(metric(admin, row).await >= 1);
}

#[tokio::test]
async fn an_address_has_so_many_connections_of_datagrams_too() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = udp_echo("a").await;
    let more = format!("{LOG}\nlimits = {{ per_address = 1 }}");
    let proxy = files.start(&dtls_terminating(&more, back, ""));
    let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
    assert_eq!(ask(&mut client, b"x").await, b"a:x");
    let soon = files
        .connector(&[])
        .handshake_timeout(Duration::from_secs(1));
    let second = DtlsConnector::new(soon).connect(proxy.address(), "one.test");
    assert!(second.await.is_err());
    let line = files.lines(1).await.remove(0);
    assert_eq!(line["outcome"], "limit", "{line}");
    drop(client);
    for _ in 0..50 {
        let soon = files
            .connector(&[])
            .handshake_timeout(Duration::from_secs(1));
        let next = DtlsConnector::new(soon).connect(proxy.address(), "one.test");
        if let Ok(mut client) = next.await {
            assert_eq!(ask(&mut client, b"x").await, b"a:x");
            return;
        }
    }
    panic!("the place is not free again");
}

#[tokio::test]
async fn who_says_nothing_more_is_told_so() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = udp_echo("a").await;
    let more = format!("{LOG}\ntimeouts = {{ dtls_idle = \"500ms\" }}");
    let proxy = files.start(&dtls_terminating(&more, back, ""));
    let mut client = files.dtls(proxy.address(), "one.test").await.unwrap();
    for _ in 0..4 {
        assert_eq!(ask(&mut client, b"x").await, b"a:x");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let ended = client.recv_timeout(Duration::from_secs(10)).await;
    assert!(ended.unwrap_err().is_closed());
    let line = files.lines(1).await.remove(0);
    assert_eq!(line["outcome"], "idle", "{line}");
    assert_eq!(line["datagrams_in"], 4, "{line}");
}

/// Passes datagrams on between one client and the proxy, but every third one.
async fn lossy(to: SocketAddr) -> SocketAddr {
    let [front, back] = [
        Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
        Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
    ];
    back.connect(to).await.unwrap();
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut one, mut other) = (vec![0; 65_536], vec![0; 65_536]);
        let (mut client, mut count) = (None, 0_u32);
        loop {
            let (length, is_in) = tokio::select! {
                received = front.recv_from(&mut one) => {
                    let (length, peer) = received.unwrap();
                    client = Some(peer);
                    (length, true)
                }
                received = back.recv(&mut other) => (received.unwrap(), false),
            };
            count += 1;
            if count % 3 == 0 {
                continue;
            }
            match (is_in, client) {
                (true, _) => drop(back.send(&one[..length]).await),
                (false, Some(client)) => drop(front.send_to(&other[..length], client).await),
                (false, None) => {}
            }
        }
    });
    address
}

#[tokio::test]
async fn what_gets_lost_is_lost_alone() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let back = udp_echo("a").await;
    let proxy = files.start(&dtls_terminating("", back, ""));
    let way = lossy(proxy.address()).await;
    let patient = TlsConnector::new(
        portcullis::ClientConfig::builder(files.roots())
            .build()
            .unwrap(),
    );
    let patient = patient.handshake_timeout(Duration::from_secs(60));
    let mut client = DtlsConnector::new(patient)
        .connect(way, "one.test")
        .await
        .unwrap();
    let mut answers = 0;
    for at in 0..30 {
        let said = format!("{at}-{}", "x".repeat(at * 30));
        client.send(&[said.as_bytes()]).await.unwrap();
        if let Ok(answer) = client.recv_timeout(Duration::from_millis(300)).await {
            // Whole, whichever it is.
            let answer = std::str::from_utf8(&answer).unwrap().strip_prefix("a:");
            let (number, rest) = answer.unwrap().split_once('-').unwrap();
            assert_eq!(rest.len(), number.parse::<usize>().unwrap() * 30);
            answers += 1;
        }
    }
    assert!((5..30).contains(&answers), "{answers}");
}
