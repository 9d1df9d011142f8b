//! Over UDP on loopback.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis::answers;
use portcullis::suite::CipherSuite;
use portcullis::{
    Active, AlertDescription, ClientAuthentication, ClientConfig, Direction, DtlsAcceptor,
    DtlsConnector, DtlsListener, MemoryServerSessionStore, MemorySessionStore, Message,
    PreSharedKey, ProtocolVersion, ServerConfig, SrtpProfile, TlsAcceptor, TlsConnector,
    TlsListener,
};
use tokio::io::AsyncReadExt as _;

use crate::ends::*;
use crate::{accept, ask, echo, eventually, listen, over_udp};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn messages_go_to_and_fro() {
    let (mut client, mut server, listener) = over_udp().await;
    for side in [&client, &server] {
        let information = side.information();
        assert_eq!(information.version(), ProtocolVersion::DTLS_1_3);
        assert_eq!(information.alpn_protocol(), Some(&b"echo"[..]));
    }
    // The cookie.
    assert!(client.information().hello_retried());
    assert_eq!(client.peer_addr(), listener.local_addr().ok());
    assert_eq!(
        server.peer_addr().map(|peer| peer.port()),
        client.local_addr().map(|own| own.port())
    );
    let longest = vec![7; client.most_message_len()];
    assert_eq!(longest.len(), 16_384);
    for message in [&b""[..], b"x", &longest] {
        client.send(&[message]).await.unwrap();
        assert_eq!(server.recv().await.unwrap(), message);
        server
            .send(&[b"<", message.get(..100).unwrap_or(message), b">"])
            .await
            .unwrap();
        assert_eq!(
            client.recv().await.unwrap().len(),
            message.len().min(100) + 2
        );
    }
    // A message of many slices is one.
    let slices = [&b"ab"[..]; 20];
    client.send(&slices).await.unwrap();
    assert_eq!(server.recv().await.unwrap().len(), 40);
    // One that is too long is refused, and that is all.
    let error = client.send(&[&longest, b"x"]).await.unwrap_err();
    assert!(error.to_string().contains("16385"), "{error}");
    let mut short = [0; 3];
    client.send(&[b"longer"]).await.unwrap();
    assert_eq!(server.recv_into(&mut short).await.unwrap(), 6);
    assert_eq!(&short, b"lon");
    assert!(client.max_message_len() > 1_000 && client.max_message_len() < 1_200);
    client.set_path_mtu(9_000);
    assert!(client.max_message_len() > 8_900);
    let statistics = server.statistics();
    assert_eq!(statistics.discards.total(), 0, "{statistics:?}");
    assert!(statistics.received.bytes() > 16_384 && statistics.sent.operations() > 3);
}

#[tokio::test]
async fn many_messages_are_given_to_the_system_together() {
    let (client, mut server, _listener) = over_udp().await;
    let sender = tokio::spawn(async move {
        let message = [5_u8; 1_000];
        let mut messages = vec![&message[..]; 99];
        messages.push(&message[..10]);
        messages.extend([&message[..900]; 3]);
        for _ in 0..3 {
            client.send_many(&messages).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        client
    });
    let mut lengths = Vec::new();
    for _ in 0..3 * 103 {
        lengths.push(server.recv_timeout(10 * SECOND).await.unwrap().len());
    }
    let count = |length| lengths.iter().filter(|one| **one == length).count();
    assert_eq!((count(1_000), count(10), count(900)), (297, 3, 9));
    sender.await.unwrap();
}

#[tokio::test]
async fn many_clients_have_one_socket() {
    let (listener, address) = listen(acceptor()).await;
    let listener = Arc::new(listener);
    let accepting = Arc::clone(&listener);
    tokio::spawn(async move {
        while let Ok(incoming) = accepting.accept().await {
            tokio::spawn(async move { echo(incoming.handshake().await?).await });
        }
    });
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..20_u8 {
        clients.spawn(async move {
            let dtls = DtlsConnector::new(connector());
            let mut client = dtls.connect(address, name()).await.unwrap();
            ask(&mut client, &[number; 20]).await;
            client.close(5 * SECOND).await.unwrap();
        });
    }
    clients.join_all().await;
    assert_eq!(listener.statistics().admitted, 20);
    eventually("all are gone", || listener.statistics().connections == 0).await;
}

#[tokio::test]
async fn either_side_closes() {
    // By name.
    let (client, mut server, _listener) = over_udp().await;
    client.send(&[b"last"]).await.unwrap();
    let closing = tokio::spawn(client.close(5 * SECOND));
    assert_eq!(&server.recv().await.unwrap()[..], b"last");
    assert!(server.recv().await.unwrap_err().is_closed());
    assert!(server.recv().await.unwrap_err().is_closed());
    // The other direction is open until it is closed, too.
    server.send(&[b"not read"]).await.unwrap();
    server.close(5 * SECOND).await.unwrap();
    closing.await.unwrap().unwrap();
    // By dropping it.
    let (mut client, server, _listener) = over_udp().await;
    drop(server);
    assert!(client.recv().await.unwrap_err().is_closed());
    // By one half of it.
    let (client, mut server, _listener) = over_udp().await;
    let (_receiver, sender) = client.into_split();
    sender.close_notify();
    assert!(sender.send(&[b"x"]).await.unwrap_err().is_closed());
    assert!(server.recv().await.unwrap_err().is_closed());
}

#[tokio::test]
async fn halves_are_used_in_tasks_of_their_own() {
    let (client, server, _listener) = over_udp().await;
    let server = tokio::spawn(echo(server));
    let (mut receiver, sender) = client.into_split();
    let senders: Vec<_> = (0..4_u8)
        .map(|number| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    sender.send(&[&[number]]).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut sums = [0; 4];
    for _ in 0..100 {
        let message = receiver.recv_timeout(10 * SECOND).await.unwrap();
        sums[usize::from(message[0])] += 1;
    }
    assert_eq!(sums, [25; 4]);
    for task in senders {
        task.await.unwrap();
    }
    drop((receiver, sender));
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn messages_are_delivered_for_credits() {
    let (client, server, _listener) = over_udp().await;
    let mut messages = server.into_active(Active::N(2));
    for number in 0..4_u8 {
        client.send(&[&[number]]).await.unwrap();
    }
    for number in 0..2 {
        let message = messages.next().await;
        assert!(matches!(message, Some(Message::Data(data)) if data[..] == [number]));
    }
    assert!(matches!(messages.next().await, Some(Message::Passive)));
    let nothing = tokio::time::timeout(Duration::from_millis(100), messages.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    messages.set_active(Active::Once).unwrap();
    assert!(matches!(messages.next().await, Some(Message::Data(data)) if data[..] == [2]));
    drop(client);
    messages.set_active(Active::True).unwrap();
    assert!(matches!(messages.next().await, Some(Message::Data(data)) if data[..] == [3]));
    assert!(matches!(messages.next().await, Some(Message::Closed)));
    assert!(messages.next().await.is_none());
}

/// The same answers as over TCP.
#[tokio::test]
async fn questions_are_answered_as_over_tcp() {
    let acceptor = acceptor().answers(answers::identity_by_name(|name| async move {
        // Longer than a client waits before it sends again.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        Ok((name.as_deref() == Some("other.example")).then(|| pki().other.clone()))
    }));
    let (listener, address) = listen(acceptor).await;
    let asked = answers::further_check(|chain| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(chain.certificates().len(), 1);
        Ok(())
    });
    let dtls = DtlsConnector::new(connector().answers(asked));
    let (client, server) = tokio::join!(dtls.connect(address, other_name()), accept(&listener));
    server.unwrap();
    assert_eq!(
        client.unwrap().information().peer_certificates(),
        pki().other.chain()
    );
}

#[tokio::test]
async fn clients_show_certificates_or_are_refused() {
    let config = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .build();
    let (listener, address) = listen(config.unwrap()).await;
    let client = ClientConfig::builder(pki().roots.clone());
    let known = client.identity(pki().client.clone()).build().unwrap();
    let dtls = DtlsConnector::new(known);
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    client.unwrap();
    let shown = server.unwrap().shared_information();
    assert_eq!(shown.peer_certificates(), pki().client.chain());

    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let alert = AlertDescription::CERTIFICATE_REQUIRED;
    assert_eq!(server.unwrap_err().alert(), Some((Direction::Sent, alert)));
    // Its handshake was over.
    let error = client.unwrap().recv().await.unwrap_err();
    assert_eq!(error.alert(), Some((Direction::Received, alert)));
}

#[tokio::test]
async fn ends_share_a_key() {
    let key = || PreSharedKey::new("meter-17", [7; 32]).unwrap();
    let server = ServerConfig::builder().ask_psk(true).build().unwrap();
    let server =
        TlsAcceptor::new(server).answers(answers::psk_by_identity(move |identity| async move {
            Ok((identity == b"meter-17").then(key))
        }));
    let (listener, address) = listen(server).await;
    let client = ClientConfig::builder(pki().roots.clone()).psk(key());
    let dtls = DtlsConnector::new(client.build().unwrap());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    assert!(server.unwrap().information().peer_certificates().is_empty());
    assert!(client.unwrap().information().peer_certificates().is_empty());
}

#[tokio::test]
async fn connections_are_resumed_and_not_those_of_tls() {
    let (listener, address) = listen(acceptor()).await;
    let tls = TlsConnector::new(client_config());
    let dtls = DtlsConnector::new(tls.clone());
    for is_resumed in [false, true, true] {
        let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
        let (mut client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.information().is_resumed(), is_resumed);
        assert_eq!(server.information().is_resumed(), is_resumed);
        let server = tokio::spawn(echo(server));
        // Its tickets are there when it has answered.
        ask(&mut client, b"x").await;
        client.close(5 * SECOND).await.unwrap();
        server.await.unwrap().unwrap();
    }
    let tcp = TlsListener::bind(address, acceptor()).await.unwrap();
    let accepting = async { tcp.accept().await.unwrap().handshake().await };
    let (client, _server) = tokio::join!(tls.connect(address, name()), accepting);
    assert!(!client.unwrap().is_resumed());
}

#[tokio::test]
async fn a_configuration_is_replaced() {
    let (listener, address) = listen(acceptor()).await;
    let place = listener.reloadable();
    let config = place.current().to_builder().clear_identities();
    place.replace(config.identity(pki().other.clone()).build().unwrap());
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.connect(address, other_name()), accept(&listener));
    client.unwrap();
    server.unwrap();
    // One that does not do for datagrams is not taken.
    place.replace(not_for_datagrams());
    let (client, server) = tokio::join!(dtls.connect(address, other_name()), accept(&listener));
    client.unwrap();
    server.unwrap();
}

/// Of TLS 1.0 there is nothing over datagrams.
fn not_for_datagrams() -> ServerConfig {
    let builder = server_config().to_builder();
    let builder = builder.versions([ProtocolVersion::TLS_1_0]);
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA;
    builder.cipher_suites([suite]).build().unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn several_sockets_share_an_address() {
    let listeners = DtlsListener::bind_many("127.0.0.1:0", acceptor(), 3)
        .await
        .unwrap();
    let address = listeners[0].local_addr().unwrap();
    assert_eq!(listeners.len(), 3);
    let (done, mut counted) = tokio::sync::mpsc::unbounded_channel();
    for (at, listener) in listeners.into_iter().enumerate() {
        assert_eq!(listener.local_addr().unwrap(), address);
        let done = done.clone();
        tokio::spawn(async move {
            while let Ok(incoming) = listener.accept().await {
                done.send(at).unwrap();
                tokio::spawn(async move { echo(incoming.handshake().await?).await });
            }
        });
    }
    for number in 0..16_u8 {
        let dtls = DtlsConnector::new(connector());
        let mut client = dtls.connect(address, name()).await.unwrap();
        ask(&mut client, &[number]).await;
    }
    let mut by = [0; 3];
    for _ in 0..16 {
        by[counted.recv().await.unwrap()] += 1;
    }
    assert!(by.iter().filter(|count| **count > 0).count() > 1, "{by:?}");
}

/// What reaches the system is looked at where the sockets are made.
#[tokio::test]
async fn options_of_udp() {
    use portcullis::UdpOptions;

    let new = UdpOptions::new;
    let buffers = new().receive_buffer(100_000).send_buffer(100_000);
    let listener = DtlsListener::bind_with("127.0.0.1:0", acceptor(), &buffers)
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let local = new().local_address("127.0.0.2:0".parse().unwrap());
    let dtls = DtlsConnector::new(connector()).udp_options(local.clone());
    let (client, incoming) = tokio::join!(dtls.connect(address, name()), async {
        let incoming = listener.accept().await.unwrap();
        let peer = incoming.peer_addr().unwrap();
        incoming.handshake().await.unwrap();
        peer
    });
    client.unwrap();
    assert_eq!(incoming.ip().to_string(), "127.0.0.2");
    // Of another kind than the server's, and those that nobody has.
    let error = dtls.connect("[::1]:1", name()).await.unwrap_err();
    assert!(error.to_string().contains("local_address"), "{error}");
    let bound = DtlsListener::bind_with("127.0.0.1:0", acceptor(), &local).await;
    assert!(bound.unwrap_err().to_string().contains("local_address"));
    let nowhere = new().device("no-such-device");
    let bound = DtlsListener::bind_with("127.0.0.1:0", acceptor(), &nowhere).await;
    assert!(bound.unwrap_err().to_string().contains("device: "));
    let dtls = DtlsConnector::new(connector()).udp_options(nowhere);
    let error = dtls.connect(address, name()).await.unwrap_err();
    assert!(error.to_string().contains("device: "), "{error}");
    assert!(new().ttl(0).is_err());
}

#[tokio::test]
async fn what_cannot_work_is_said_before() {
    let binding = DtlsListener::bind("127.0.0.1:0", not_for_datagrams());
    let sentence = binding.await.unwrap_err().to_string();
    assert!(sentence.contains("versions: over datagrams"), "{sentence}");
    let fallback = acceptor().plaintext_fallback(true);
    let sentence = DtlsListener::bind("127.0.0.1:0", fallback)
        .await
        .unwrap_err()
        .to_string();
    assert!(sentence.contains("plaintext_fallback"), "{sentence}");
    let options = portcullis::DtlsOptions::new().handshakes(0);
    let zero = DtlsAcceptor::new(acceptor()).options(options);
    assert!(zero.check().is_err());
    assert!(DtlsListener::bind("127.0.0.1:0", zero).await.is_err());
    let client = connector().socket_options(portcullis::SocketOptions::new());
    let connecting = DtlsConnector::new(client).connect("127.0.0.1:9", name());
    let sentence = connecting.await.unwrap_err().to_string();
    assert!(sentence.contains("socket_options"), "{sentence}");
}

/// That nobody listens there is said by anybody on the path; time ends it, or the server that comes.
#[tokio::test]
async fn a_server_may_come_later() {
    let (listener, address) = listen(acceptor()).await;
    drop(listener);
    let limited = connector().handshake_timeout(Duration::from_millis(300));
    let mut error = DtlsConnector::new(limited)
        .connect(address, name())
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
    error = DtlsConnector::new(connector().handshake_timeout(Duration::ZERO))
        .connect(address, name())
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let late = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let listener = DtlsListener::bind(address, acceptor()).await.unwrap();
        let server = accept(&listener).await;
        (listener, server)
    };
    let dtls = DtlsConnector::new(connector());
    let (client, (_listener, server)) = tokio::join!(dtls.connect(address, name()), late);
    client.unwrap();
    server.unwrap();
}

/// The address is free again when the listener and its connections are gone, and not before.
#[tokio::test]
async fn connections_outlive_their_listener() {
    let (mut client, server, listener) = over_udp().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = tokio::spawn(echo(server));
    ask(&mut client, b"still here").await;
    assert!(std::net::UdpSocket::bind(address).is_err());
    client.close(5 * SECOND).await.unwrap();
    server.await.unwrap().unwrap();
    eventually("the socket is closed", || {
        std::net::UdpSocket::bind(address).is_ok()
    })
    .await;
}

/// On a socket that listens everywhere, the answer comes from the address that was asked.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn answers_come_from_the_address_that_was_asked() {
    let listener = DtlsListener::bind("0.0.0.0:0", acceptor()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for address in ["127.0.0.1", "127.0.0.2"] {
        let dtls = DtlsConnector::new(connector());
        let connecting = dtls.connect((address, port), name());
        let (client, server) = tokio::join!(connecting, accept(&listener));
        client.unwrap();
        server.unwrap();
    }
}

/// Sessions of either version are in the server's store, and of 1.3 each is there once.
#[tokio::test]
async fn a_servers_store_keeps_sessions() {
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let store = Arc::new(MemoryServerSessionStore::new(8, 65_536));
        let config = server_config().to_builder().versions([version]);
        let acceptor = TlsAcceptor::new(config.build().unwrap()).session_store(store.clone());
        DtlsAcceptor::new(acceptor.clone()).check().unwrap();
        let (listener, address) = listen(acceptor).await;
        let config = client_config().to_builder().versions([version]);
        let config = config.build().unwrap();
        let connector = DtlsConnector::new(
            TlsConnector::new(config).session_store(Arc::new(MemorySessionStore::new(8))),
        );
        for round in 0..3 {
            let both = tokio::try_join!(connector.connect(address, name()), accept(&listener));
            let (mut client, server) = both.unwrap();
            let information = client.information();
            assert_eq!(information.is_resumed(), round > 0, "{version} {round}");
            assert_eq!(server.information().is_resumed(), round > 0);
            let echo = tokio::spawn(echo(server));
            // Tickets come before this.
            ask(&mut client, b"x").await;
            client.close(SECOND).await.unwrap();
            echo.await.unwrap().unwrap();
        }
        assert!(!store.is_empty(), "{version}");
        // What the store has forgotten is not resumed: nothing is in the tickets.
        store.clear();
        let both = tokio::try_join!(connector.connect(address, name()), accept(&listener));
        let (client, server) = both.unwrap();
        assert!(!client.information().is_resumed());
        assert!(!server.information().is_resumed());
    }
}

/// Keys of SRTP over sockets; over TLS there are none, which is said before anything is sent or accepted.
#[tokio::test]
async fn keys_for_srtp() {
    let profiles = [SrtpProfile::AEAD_AES_128_GCM];
    let server = server_config().to_builder().srtp(profiles).build().unwrap();
    let client = client_config().to_builder().srtp(profiles).build().unwrap();
    let acceptor = TlsAcceptor::new(server);
    let why = "srtp: keys for SRTP are settled over datagrams alone";
    let refused = |error: String| assert!(error.contains(why), "{error}");
    refused(acceptor.check().unwrap_err().to_string());
    assert_eq!(DtlsAcceptor::new(acceptor.clone()).check(), Ok(()));
    let bound = TlsListener::bind("127.0.0.1:0", acceptor.clone()).await;
    refused(bound.unwrap_err().to_string());
    let (near, mut far) = tokio::io::duplex(65_536);
    refused(acceptor.accept(near).await.unwrap_err().to_string());
    // Nothing was said.
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    assert!(said.is_empty());
    let (listener, address) = listen(acceptor).await;
    let connector = TlsConnector::new(client);
    // Nobody listens there, which is not found out.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = nobody.local_addr().unwrap();
    drop(nobody);
    let connected = connector.connect(nowhere, name()).await;
    refused(connected.unwrap_err().to_string());
    let dtls = DtlsConnector::new(connector.clone());
    let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
    let (client, server) = (client.unwrap(), server.unwrap());
    let (client, server) = (client.information(), server.information());
    assert_eq!(client.srtp_profile(), Some(profiles[0]));
    let (ours, theirs) = (client.srtp_keys().unwrap(), server.srtp_keys().unwrap());
    assert_eq!(ours.client_key(), theirs.client_key());
    assert_eq!(ours.server_salt(), theirs.server_salt());
    assert_ne!(ours.client_key(), ours.server_key());
    let (near, _far) = tokio::io::duplex(65_536);
    let upgraded = connector.upgrade(near, name()).await;
    refused(upgraded.unwrap_err().to_string());
}

/// A client's socket may have two connections with a host: it is known by both addresses (RFC 9147 §5.11).
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_client_at_two_addresses_of_a_host() {
    let listener = DtlsListener::bind("0.0.0.0:0", acceptor()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dtls = DtlsConnector::new(connector());
    // Whose packets both have one source: that of the relay.
    let outside = Arc::new(tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let mut connections = Vec::new();
    let mut ways = Vec::new();
    for host in ["127.0.0.1", "127.0.0.2"] {
        let inside = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        ways.push((
            std::net::SocketAddr::new(host.parse().unwrap(), port),
            Arc::new(inside),
        ));
    }
    let addresses: Vec<_> = ways
        .iter()
        .map(|(_, inside)| inside.local_addr().unwrap())
        .collect();
    let of_clients = Arc::new(std::sync::Mutex::new(std::collections::HashMap::new()));
    for (to, inside) in ways.clone() {
        let (outside, of_clients) = (outside.clone(), of_clients.clone());
        tokio::spawn(async move {
            let mut buffer = vec![0; 2_000];
            loop {
                let (length, from) = inside.recv_from(&mut buffer).await.unwrap();
                of_clients
                    .lock()
                    .unwrap()
                    .insert(to, (from, inside.clone()));
                outside.send_to(&buffer[..length], to).await.unwrap();
            }
        });
    }
    tokio::spawn(async move {
        let mut buffer = vec![0; 2_000];
        loop {
            let (length, from) = outside.recv_from(&mut buffer).await.unwrap();
            let way = of_clients.lock().unwrap().get(&from).cloned();
            let (client, inside) = way.unwrap();
            inside.send_to(&buffer[..length], client).await.unwrap();
        }
    });
    for address in addresses {
        let (client, server) = tokio::join!(dtls.connect(address, name()), accept(&listener));
        connections.push((client.unwrap(), tokio::spawn(echo(server.unwrap()))));
    }
    for (mut client, server) in connections {
        ask(&mut client, b"both are there").await;
        client.close(Duration::from_secs(1)).await.unwrap();
        server.await.unwrap().unwrap();
    }
}

/// A listener's clients may have an acceptor each.
#[tokio::test]
async fn a_client_is_answered_by_another_acceptor_than_the_listeners() {
    let (listener, address) = listen(acceptor()).await;
    let dtls = DtlsConnector::new(connector());
    // Its answers, and its identity.
    let other = ServerConfig::builder().identity(pki().server.clone());
    let other = TlsAcceptor::new(other.build().unwrap()).answers(answers::identity_by_name(
        |name| async move {
            Ok((name.as_deref() == Some("other.example")).then(|| pki().other.clone()))
        },
    ));
    let accepting = async {
        let incoming = listener.accept().await.unwrap();
        incoming.with_acceptor(other).unwrap().handshake().await
    };
    let (client, server) = tokio::join!(dtls.connect(address, other_name()), accepting);
    server.unwrap();
    let information = client.unwrap().shared_information();
    assert_eq!(information.peer_certificates(), pki().other.chain());
    // Its time.
    let accepting = async {
        let incoming = listener.accept().await.unwrap();
        let soon = acceptor().handshake_timeout(Duration::from_millis(1));
        let incoming = incoming.with_acceptor(soon).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        incoming.handshake().await
    };
    let connecting = dtls.connect(address, name());
    let (server, _) = tokio::join!(accepting, tokio::time::timeout(SECOND, connecting));
    assert!(server.unwrap_err().is_timeout());
    // One that would not do for a listener does not do here.
    let accepting = async {
        let incoming = listener.accept().await.unwrap();
        let falls_back = acceptor().plaintext_fallback(true);
        incoming.with_acceptor(falls_back).unwrap_err().to_string()
    };
    let connecting = dtls.connect(address, name());
    let (refused, _) = tokio::join!(accepting, tokio::time::timeout(SECOND, connecting));
    assert!(refused.starts_with("plaintext_fallback"), "{refused}");
}
