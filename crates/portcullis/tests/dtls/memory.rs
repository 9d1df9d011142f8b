//! Over a transport in memory, with a clock that runs by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::{
    CookiePolicy, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsOptions, Environment, Error,
    NamedGroup, ProtocolVersion, TlsAcceptor, TlsConnector,
};

use crate::ends::*;
use crate::link::{End, at_random, link};
use crate::{ask, echo, eventually};

pub(crate) async fn shake(
    client: End,
    server: End,
) -> (Result<DtlsConnection, Error>, Result<DtlsConnection, Error>) {
    let dtls = DtlsConnector::new(connector().handshake_timeout(Duration::from_secs(60)));
    let tls = acceptor().handshake_timeout(Duration::from_secs(60));
    let acceptor = DtlsAcceptor::new(tls);
    tokio::join!(dtls.upgrade(client, name()), acceptor.accept(server))
}

#[tokio::test(start_paused = true)]
async fn any_transport_will_do() {
    let (client, server) = link(64);
    // Its share is in the first hello.
    let config = client_config().to_builder().groups([NamedGroup::X25519]);
    let dtls = DtlsConnector::new(TlsConnector::new(config.build().unwrap()));
    let dtls_acceptor = DtlsAcceptor::new(acceptor());
    let (client, server) = tokio::join!(dtls.upgrade(client, name()), dtls_acceptor.accept(server));
    let (mut client, server) = (client.unwrap(), server.unwrap());
    assert_eq!((client.peer_addr(), client.local_addr()), (None, None));
    // No cookie was asked for.
    assert!(!client.information().hello_retried());
    let server = tokio::spawn(echo(server));
    ask(&mut client, b"hello").await;
    client.close(Duration::from_secs(5)).await.unwrap();
    server.await.unwrap().unwrap();
}

/// Configurations for datagrams have versions of their own in an environment.
#[tokio::test(start_paused = true)]
async fn versions_of_an_environment() {
    let environment = Environment::builder()
        .versions([ProtocolVersion::TLS_1_3])
        .datagram_versions([ProtocolVersion::TLS_1_2])
        .build()
        .unwrap();
    let roots = || pki().roots.clone();
    let identity = || pki().server.clone();
    // What is said more closely counts.
    let newer = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let server = environment.datagram_server_config().identity(identity());
    for (server, version) in [
        (server.clone(), ProtocolVersion::DTLS_1_2),
        (server.versions(newer), ProtocolVersion::DTLS_1_3),
    ] {
        let client = environment.datagram_client_config(roots());
        let client = match version == ProtocolVersion::DTLS_1_3 {
            true => client.versions(newer),
            false => client,
        };
        let dtls = DtlsConnector::new(environment.connector(client.build().unwrap()));
        let acceptor = DtlsAcceptor::new(environment.acceptor(server.build().unwrap()));
        let (near, far) = link(64);
        let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
        server.unwrap();
        assert_eq!(client.unwrap().information().version(), version);
    }
    // Those of streams are theirs.
    let server = environment.server_config().identity(identity());
    let acceptor = environment.acceptor(server.build().unwrap());
    let connector = environment.connector(environment.client_config(roots()).build().unwrap());
    let (near, far) = tokio::io::duplex(65_536);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    server.unwrap();
    assert_eq!(
        client.unwrap().information().version(),
        ProtocolVersion::TLS_1_3
    );
}

#[tokio::test(start_paused = true)]
async fn a_cookie_may_be_asked_for_all_the_same() {
    let (client, server) = link(64);
    let options = DtlsOptions::new().cookies(CookiePolicy::Always);
    let acceptor = DtlsAcceptor::new(acceptor()).options(options);
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.upgrade(client, name()), acceptor.accept(server));
    server.unwrap();
    assert!(client.unwrap().information().hello_retried());
}

/// What a server was seen to want makes no first hello of two datagrams, which not every server puts together.
#[tokio::test(start_paused = true)]
async fn every_first_hello_is_one_datagram() {
    let groups = [NamedGroup::X25519, NamedGroup::X25519_MLKEM768];
    let config = client_config().to_builder().groups(groups).build().unwrap();
    let dtls = DtlsConnector::new(TlsConnector::new(config));
    let server = server_config()
        .to_builder()
        .honor_group_order(true)
        .build()
        .unwrap();
    let acceptor = DtlsAcceptor::new(TlsAcceptor::new(server));
    for _ in 0..2 {
        let hellos = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&hellos);
        let (near, far) = link(64);
        let near = near.losing(move |datagram| {
            // A record in the clear with a ClientHello: its length, and that of the fragment.
            if datagram[0] == 22 && datagram[13] == 1 {
                seen.lock()
                    .unwrap()
                    .push(datagram[14..17] == datagram[22..25]);
            }
            false
        });
        let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
        let client = client.unwrap();
        assert_eq!(client.information().group(), Some(groups[1]));
        drop((client, server));
        assert_eq!(*hellos.lock().unwrap(), [true, false, false]);
    }
}

/// RFC 9147 §5: there is no mode for middleboxes. A server of DTLS 1.3 sees an id that a client of DTLS 1.2 may have, too.
#[tokio::test(start_paused = true)]
async fn nothing_is_echoed_and_no_change_cipher_spec_is_sent() {
    // Records in the clear have their length at 11; behind them are protected ones.
    let check = |mut datagram: &[u8]| {
        while datagram.first() == Some(&22) {
            let length = u16::from_be_bytes([datagram[11], datagram[12]]);
            datagram = &datagram[13 + usize::from(length)..];
        }
        assert!(datagram.first().is_none_or(|first| first & 0xe0 == 0x20));
        false
    };
    let (near, far) = link(64);
    let (client, server) = shake(near.losing(check), far.losing(check)).await;
    drop((client.unwrap(), server.unwrap()));

    let (near, far) = link(64);
    let to_server = far.stranger();
    let first_of = |end: End| {
        let first = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&first);
        let end = end.losing(move |datagram| {
            seen.lock().unwrap().get_or_insert(datagram.to_vec());
            true
        });
        (first, end)
    };
    let ((hello, near), (answer, far)) = (first_of(near), first_of(far));
    let config = client_config().to_builder().groups([NamedGroup::X25519]);
    let dtls = DtlsConnector::new(TlsConnector::new(config.build().unwrap()));
    let client = tokio::spawn(dtls.upgrade(near, name()));
    let server = tokio::spawn(DtlsAcceptor::new(acceptor()).accept(far));
    eventually("the hello", || hello.lock().unwrap().is_some()).await;
    let mut hello = hello.lock().unwrap().clone().unwrap();
    // Behind the headers of record and fragment: the version, 32 random bytes, no id, and no cookie.
    assert_eq!(hello[25..27], [0xfe, 0xfd]);
    assert_eq!(hello[59..61], [0, 0]);
    hello.splice(59..60, [32].into_iter().chain([7; 32]));
    // The lengths of the record, the message, and its only piece.
    for at in [12, 16, 24] {
        let longer = u16::from_be_bytes([hello[at - 1], hello[at]]) + 32;
        hello[at - 1..=at].copy_from_slice(&longer.to_be_bytes());
    }
    to_server.send(&hello);
    eventually("the answer", || answer.lock().unwrap().is_some()).await;
    let answer = answer.lock().unwrap().clone().unwrap();
    assert_eq!((answer[0], answer[13]), (22, 2), "no ServerHello");
    assert_eq!(answer[25..27], [0xfe, 0xfd]);
    assert_eq!(answer[59], 0, "it is echoed");
    client.abort();
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn a_tenth_is_lost_in_both_directions() {
    for seed in 0..60 {
        let (client, server) = link(64);
        let client = client.losing(at_random(2 * seed + 1, 100));
        let server = server.losing(at_random(2 * seed + 2, 100));
        let (client, server) = shake(client, server).await;
        let mut client = client.unwrap_or_else(|error| panic!("{seed}: {error}"));
        let server = server.unwrap_or_else(|error| panic!("{seed}: {error}"));
        let server = tokio::spawn(echo(server));
        for round in 0..10 {
            ask(&mut client, b"hello").await;
            client.update_keys(round % 2 == 1).unwrap();
        }
        drop(client);
        // close_notify may be lost.
        server.abort();
    }
}

/// Each datagram of the handshake, by each side.
#[tokio::test(start_paused = true)]
async fn any_one_datagram_may_be_lost() {
    for at in 0..6 {
        for is_client in [true, false] {
            let (mut client, mut server) = link(64);
            let mut count = 0;
            let once = move |_: &[u8]| {
                count += 1;
                count == at + 1
            };
            match is_client {
                true => client = client.losing(once),
                false => server = server.losing(once),
            }
            let (client, server) = shake(client, server).await;
            let (mut client, server) = (client.unwrap(), server.unwrap());
            let server = tokio::spawn(echo(server));
            ask(&mut client, b"hello").await;
            drop(client);
            server.abort();
        }
    }
}

/// A transport without room makes senders wait, and loses nothing of theirs.
#[tokio::test(start_paused = true)]
async fn senders_wait_for_room() {
    let (client, server) = link(2);
    let (client, server) = shake(client, server).await;
    let (client, mut server) = (client.unwrap(), server.unwrap());
    let (_receiver, sender) = client.into_split();
    for number in 0..4_u8 {
        let sender = sender.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                sender.send(&[&[number; 100]]).await.unwrap();
            }
        });
    }
    let mut sums = [0; 4];
    for _ in 0..200 {
        let message = server.recv_timeout(Duration::from_secs(5)).await.unwrap();
        sums[usize::from(message[0])] += 1;
    }
    assert_eq!(sums, [50; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_ends_ends_the_connection() {
    let (client, server) = link(64);
    let stranger = client.stranger();
    let (client, server) = shake(client, server).await;
    let (mut client, server) = (client.unwrap(), server.unwrap());
    drop(server);
    assert!(client.recv().await.unwrap_err().is_closed());
    drop(stranger);
    // In the handshake.
    let (client, server) = link(64);
    drop(server);
    let error = DtlsConnector::new(connector())
        .upgrade(client, name())
        .await
        .unwrap_err();
    assert!(error.transport().is_some(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up() {
    let (client, server) = link(64);
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let client = client.losing(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        true
    });
    let _server = server;
    let error = DtlsConnector::new(connector())
        .upgrade(client, name())
        .await
        .unwrap_err();
    assert!(error.is_timeout() && !error.is_closed(), "{error}");
    // At 0, 1, 3 and 7 seconds of 10, in two datagrams each; and what is said at the end.
    let sent = sent.load(Ordering::Relaxed);
    assert!((4..=10).contains(&sent), "{sent}");
    // A server waits for a client as long.
    let (_client, server) = link(64);
    let error = DtlsAcceptor::new(acceptor())
        .accept(server)
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_silent_ends_if_that_is_wanted() {
    let idle = DtlsOptions::new().idle_timeout(Some(Duration::from_secs(60)));
    let (client, server) = link(64);
    let acceptor = DtlsAcceptor::new(acceptor()).options(idle);
    let dtls = DtlsConnector::new(connector());
    let (client, server) = tokio::join!(dtls.upgrade(client, name()), acceptor.accept(server));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(40)).await;
        client.send(&[b"x"]).await.unwrap();
        server.recv().await.unwrap();
    }
    let began = tokio::time::Instant::now();
    let error = server.recv().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let took = began.elapsed().as_secs();
    assert!((60..=75).contains(&took), "{took}");
    assert!(client.recv().await.unwrap_err().is_closed());
}

/// Ciphers are given back, and set up again by themselves.
#[tokio::test(start_paused = true)]
async fn a_connection_that_hibernates_wakes_up() {
    let (client, server) = link(64);
    let after = Duration::from_secs(1);
    let acceptor = DtlsAcceptor::new(acceptor().hibernate_after(after));
    let dtls = DtlsConnector::new(connector().hibernate_after(after));
    let (client, server) = tokio::join!(dtls.upgrade(client, name()), acceptor.accept(server));
    let (mut client, server) = (client.unwrap(), server.unwrap());
    let server = tokio::spawn(echo(server));
    for _ in 0..3 {
        ask(&mut client, b"hello").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    drop(client);
    server.await.unwrap().unwrap();
}
