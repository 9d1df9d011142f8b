//! What a program's recorder is told: each number moves by what happened, and by nothing else.

mod ends;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use portcullis::metrics::METRICS;
use portcullis::{ClientConfig, Roots, TlsAcceptor, TlsConnector};
use tokio::io::{AsyncWriteExt as _, duplex};

use ends::{client_config, name, pki, server_config};

/// The numbers since the last look, by `name{label="value",…}`; of a gauge, how it has
/// changed, of a histogram, how many values it got.
fn numbers(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let snapshot = snapshotter.snapshot().into_vec();
    let numbers = snapshot.into_iter().map(|(key, _, description, value)| {
        assert!(description.is_some(), "{key:?} is described");
        let (_, key) = key.into_parts();
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(level) => level.into_inner(),
            DebugValue::Histogram(values) => values.len() as f64,
        };
        (format!("{}{{{}}}", key.name(), labels.join(",")), value)
    });
    numbers.filter(|(_, value)| *value != 0.0).collect()
}

fn is(numbers: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    let expected: BTreeMap<_, _> = expected
        .iter()
        .map(|(key, value)| ((*key).to_owned(), *value))
        .collect();
    assert_eq!(numbers, &expected);
}

#[tokio::test]
async fn handshakes_and_open_connections() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    portcullis::metrics::describe();

    let connector = TlsConnector::new(client_config());
    let acceptor = TlsAcceptor::new(server_config());
    let (near, far) = duplex(65_536);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.upgrade(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    is(
        &numbers(&snapshotter),
        &[
            ("tls_connections_open{side=client}", 1.0),
            ("tls_connections_open{side=server}", 1.0),
            ("tls_handshake_seconds{side=client,resumed=no}", 1.0),
            ("tls_handshake_seconds{side=server,resumed=no}", 1.0),
            (
                "tls_handshakes_total{side=client,version=1.3,resumed=no,result=ok}",
                1.0,
            ),
            (
                "tls_handshakes_total{side=server,version=1.3,resumed=no,result=ok}",
                1.0,
            ),
            (
                "tls_session_store_ops_total{operation=take,outcome=miss}",
                1.0,
            ),
        ],
    );

    // Tickets come with the first data. A connection is open as long as its write half is there.
    server.send(&[b"x"]).await.unwrap();
    client.recv(1).await.unwrap();
    let (read, write) = client.into_split();
    drop(read);
    let (near, far) = duplex(65_536);
    let (again, resumed) = tokio::join!(connector.upgrade(near, name()), acceptor.upgrade(far));
    assert!(again.unwrap().information().is_resumed());
    drop((write, server, resumed));
    is(
        &numbers(&snapshotter),
        &[
            // All four are gone, and two had come before the last look.
            ("tls_connections_open{side=client}", -1.0),
            ("tls_connections_open{side=server}", -1.0),
            ("tls_handshake_seconds{side=client,resumed=yes}", 1.0),
            ("tls_handshake_seconds{side=server,resumed=yes}", 1.0),
            (
                "tls_handshakes_total{side=client,version=1.3,resumed=yes,result=ok}",
                1.0,
            ),
            (
                "tls_handshakes_total{side=server,version=1.3,resumed=yes,result=ok}",
                1.0,
            ),
            (
                "tls_session_store_ops_total{operation=put,outcome=kept}",
                3.0,
            ),
            (
                "tls_session_store_ops_total{operation=take,outcome=hit}",
                1.0,
            ),
        ],
    );
}

#[tokio::test]
async fn failures_probes_and_alerts() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    portcullis::metrics::describe();

    let stranger = ClientConfig::builder(Roots::from_pem(other_root().as_bytes()).unwrap());
    let stranger = TlsConnector::new(stranger.build().unwrap()).without_resumption();
    let acceptor = TlsAcceptor::new(server_config());
    let (near, far) = duplex(65_536);
    let (client, server) = tokio::join!(stranger.upgrade(near, name()), acceptor.upgrade(far));
    assert!(client.is_err() && server.is_err());
    is(
        &numbers(&snapshotter),
        &[
            (
                "tls_alerts_total{direction=received,description=unknown_ca}",
                1.0,
            ),
            (
                "tls_alerts_total{direction=sent,description=unknown_ca}",
                1.0,
            ),
            (
                "tls_handshake_failures_total{side=client,reason=unknown_ca}",
                1.0,
            ),
            (
                "tls_handshake_failures_total{side=server,reason=alert_received}",
                1.0,
            ),
            (
                "tls_handshakes_total{side=client,version=unknown,resumed=no,result=failed}",
                1.0,
            ),
            (
                "tls_handshakes_total{side=server,version=unknown,resumed=no,result=failed}",
                1.0,
            ),
        ],
    );

    // Nobody: no failure. Silence that goes on, and one who is cut off in the middle, and who is dropped.
    let (near, far) = duplex(65_536);
    drop(near);
    acceptor.upgrade(far).await.unwrap_err();
    let (mut near, far) = duplex(65_536);
    near.write_all(b"\x16\x03\x01").await.unwrap();
    let hasty = acceptor.clone().handshake_timeout(Duration::from_millis(5));
    hasty.upgrade(far).await.unwrap_err();
    let (near, far) = duplex(65_536);
    assert!(ends::drop_after(1, acceptor.upgrade(far)).await.is_none());
    drop(near);
    let (mut near, far) = duplex(65_536);
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    acceptor.upgrade(far).await.unwrap_err();
    is(
        &numbers(&snapshotter),
        &[
            (
                "tls_alerts_total{direction=sent,description=unexpected_message}",
                1.0,
            ),
            (
                "tls_handshake_failures_total{side=server,reason=cancelled}",
                1.0,
            ),
            (
                "tls_handshake_failures_total{side=server,reason=not_tls}",
                1.0,
            ),
            (
                "tls_handshake_failures_total{side=server,reason=timeout}",
                1.0,
            ),
            (
                "tls_handshakes_total{side=server,version=unknown,resumed=no,result=failed}",
                3.0,
            ),
            (
                "tls_handshakes_total{side=server,version=unknown,resumed=no,result=probe}",
                1.0,
            ),
        ],
    );
}

/// An alert that ends a connection which has stood for long is counted, too.
#[tokio::test]
async fn an_alert_after_the_handshake() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    portcullis::metrics::describe();

    let (client, mut server) = ends::pair().await;
    numbers(&snapshotter);
    let mut transport = client.into_inner();
    // A record that nobody has sealed.
    transport
        .write_all(&[
            23, 3, 3, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ])
        .await
        .unwrap();
    server.recv(1).await.unwrap_err();
    drop(server);
    is(
        &numbers(&snapshotter),
        &[
            ("tls_connections_open{side=client}", -1.0),
            ("tls_connections_open{side=server}", -1.0),
            (
                "tls_alerts_total{direction=sent,description=bad_record_mac}",
                1.0,
            ),
        ],
    );
}

/// The pages for people have all numbers, and no other.
#[test]
fn pages_and_dashboards_name_what_there_is() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/");
    let read = |file: &str| std::fs::read_to_string(format!("{docs}{file}")).unwrap();
    let known: BTreeSet<_> = METRICS
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect();
    assert_eq!(named(&read("metrics.md")), known);
    assert_eq!(named(&read("metrics/dashboard.json")), known);
    let alerts = named(&read("metrics/alerts.yml"));
    assert!(!alerts.is_empty() && alerts.is_subset(&known), "{alerts:?}");
    let page = read("metrics.md");
    let of_datagrams = METRICS.iter().filter(|one| one.name.starts_with("dtls_"));
    let of_datagrams = of_datagrams.flat_map(|one| one.labels[0].1);
    for reason in METRICS[1].labels[1].1.iter().chain(of_datagrams) {
        assert!(
            page.contains(&format!("`{reason}`")),
            "{reason} is not explained"
        );
    }
}

/// The names of numbers in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("tls_") || word.starts_with("dtls_"));
    names
        .map(|name| name.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// An authority that has signed nothing here.
fn other_root() -> String {
    let _ = pki();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .self_signed(&rcgen::KeyPair::generate().unwrap())
        .unwrap()
        .pem()
}

/// Over datagrams: handshakes of both versions, one that fails, one that nobody answers, and what is dropped.
#[cfg(feature = "dtls")]
#[tokio::test]
async fn over_datagrams() {
    use portcullis::{DtlsConnector, DtlsListener, ProtocolVersion};

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    portcullis::metrics::describe();
    // What honest peers send: hellos in pieces, and before DTLS 1.3 change_cipher_spec.
    let numbers = || {
        let mut numbers = numbers(&snapshotter);
        numbers.remove("dtls_discarded_total{reason=not_whole}");
        numbers.remove("dtls_discarded_total{reason=change_cipher_spec}");
        numbers
    };

    for (version, label) in [
        (ProtocolVersion::TLS_1_3, "dtls1.3"),
        (ProtocolVersion::TLS_1_2, "dtls1.2"),
    ] {
        let server = server_config().to_builder().versions([version]);
        let server = TlsAcceptor::new(server.build().unwrap());
        let listener = DtlsListener::bind("127.0.0.1:0", server).await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = client_config().to_builder().versions([version]);
        let client = TlsConnector::new(client.build().unwrap()).without_resumption();
        let dtls = DtlsConnector::new(client);
        let accepting = async { listener.accept().await?.handshake().await };
        let both = tokio::try_join!(dtls.connect(address, name()), accepting).unwrap();
        let expected: Vec<_> = ["client", "server"]
            .into_iter()
            .flat_map(|side| {
                [
                    format!("tls_connections_open{{side={side}}}"),
                    format!("tls_handshake_seconds{{side={side},resumed=no}}"),
                    format!(
                        "tls_handshakes_total{{side={side},version={label},resumed=no,result=ok}}"
                    ),
                ]
            })
            .collect();
        let expected: Vec<_> = expected.iter().map(|key| (key.as_str(), 1.0)).collect();
        is(&numbers(), &expected);
        // The write half alone keeps it open.
        let (client, server) = both;
        let (receiver, sender) = client.into_split();
        drop(receiver);
        is(&numbers(), &[]);
        drop((sender, server));
        is(
            &numbers(),
            &[
                ("tls_connections_open{side=client}", -1.0),
                ("tls_connections_open{side=server}", -1.0),
            ],
        );
    }

    // A client that does not trust the server.
    let listener = DtlsListener::bind("127.0.0.1:0", server_config()).await;
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap();
    let stranger = ClientConfig::builder(Roots::from_pem(other_root().as_bytes()).unwrap());
    let stranger = TlsConnector::new(stranger.build().unwrap()).without_resumption();
    let dtls = DtlsConnector::new(stranger);
    let accepting = async { listener.accept().await?.handshake().await };
    let (client, server) = tokio::join!(dtls.connect(address, name()), accepting);
    assert!(client.is_err() && server.is_err());
    is(
        &numbers(),
        &[
            (
                "tls_alerts_total{direction=received,description=unknown_ca}",
                1.0,
            ),
            (
                "tls_alerts_total{direction=sent,description=unknown_ca}",
                1.0,
            ),
            (
                "tls_handshake_failures_total{side=client,reason=unknown_ca}",
                1.0,
            ),
            (
                "tls_handshake_failures_total{side=server,reason=alert_received}",
                1.0,
            ),
            (
                "tls_handshakes_total{side=client,version=unknown,resumed=no,result=failed}",
                1.0,
            ),
            (
                "tls_handshakes_total{side=server,version=unknown,resumed=no,result=failed}",
                1.0,
            ),
        ],
    );

    // Something that is no hello, and a client that gives up.
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(b"no hello at all", address).await.unwrap();
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nowhere = silent.local_addr().unwrap();
    let client = TlsConnector::new(client_config()).without_resumption();
    let dtls = DtlsConnector::new(client.handshake_timeout(Duration::from_millis(200)));
    let connecting = dtls.connect(nowhere, name());
    assert!(connecting.await.unwrap_err().is_timeout());
    let dropped = tokio::time::timeout(Duration::from_millis(50), dtls.connect(nowhere, name()));
    assert!(dropped.await.is_err());
    is(
        &numbers(),
        &[
            ("dtls_discarded_total{reason=foreign_byte}", 1.0),
            (
                "tls_handshake_failures_total{side=client,reason=cancelled}",
                1.0,
            ),
            (
                "tls_handshake_failures_total{side=client,reason=timeout}",
                1.0,
            ),
            (
                "tls_handshakes_total{side=client,version=unknown,resumed=no,result=failed}",
                2.0,
            ),
        ],
    );
}

/// Over datagrams: what is not DTLS, and what is for a connection of another socket.
#[cfg(all(feature = "dtls", unix))]
#[tokio::test]
async fn what_is_passed_on() {
    use portcullis::{DtlsAcceptor, DtlsListener, DtlsOptions};
    use tokio::net::UdpSocket;

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    portcullis::metrics::describe();

    let listener = DtlsListener::bind("127.0.0.1:0", server_config()).await;
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap();
    let mut foreign = listener.foreign();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // 1 MiB waits, and no more.
    while listener.statistics().foreign_full == 0 {
        socket.send_to(&[0x80; 30_000], address).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let statistics = listener.statistics();
    is(
        &numbers(&snapshotter),
        &[
            (
                "dtls_foreign_total{outcome=full}",
                statistics.foreign_full as f64,
            ),
            ("dtls_foreign_total{outcome=taken}", 34.0),
        ],
    );
    assert!(foreign.recv().await.is_some());

    let options = DtlsOptions::new().connection_ids(Some(8));
    let acceptor = TlsAcceptor::new(server_config());
    let acceptor = DtlsAcceptor::new(acceptor).options(options);
    let listeners = DtlsListener::bind_many("127.0.0.1:0", acceptor, 2).await;
    let listeners = listeners.unwrap();
    let address = listeners[0].local_addr().unwrap();
    // For connections of the second socket; which one it comes to the system says by the sender.
    let record = [&[0x3f, 1][..], &[7; 40]].concat();
    let handed = || {
        let all = listeners.iter().map(DtlsListener::statistics);
        all.map(|seen| seen.handed_over).sum::<u64>()
    };
    let mut senders = Vec::new();
    while handed() < 3 {
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        sender.send_to(&record, address).await.unwrap();
        senders.push(sender);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut seen = numbers(&snapshotter);
    seen.retain(|name, _| name.starts_with("dtls_handed_over"));
    is(
        &seen,
        &[("dtls_handed_over_total{outcome=taken}", handed() as f64)],
    );
}
