//! Another handshake on a connection of DTLS 1.2, by either side, while messages flow, or are lost.

use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis::config::Renegotiation;
use portcullis::{
    Active, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsOptions, Error, Message,
    ProtocolVersion, Reason, TlsAcceptor, TlsConnector, answers,
};

use crate::ends::*;
use crate::link::{at_random, link};
use crate::{ask, echo};

/// Longer than any of it takes.
const LIMIT: Duration = Duration::from_secs(600);
const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};

/// A key of the client is used for so many bytes.
fn ends(client: Renegotiation, server: Renegotiation, bytes: u64) -> (TlsConnector, TlsAcceptor) {
    let versions = [ProtocolVersion::TLS_1_2];
    let ours = client_config().to_builder().versions(versions);
    let ours = ours.renegotiation(client).key_update_at(bytes);
    let theirs = server_config().to_builder().versions(versions);
    let theirs = theirs.renegotiation(server);
    let connector = TlsConnector::new(ours.build().unwrap()).without_resumption();
    let acceptor = TlsAcceptor::new(theirs.build().unwrap());
    (
        connector.handshake_timeout(LIMIT),
        acceptor.handshake_timeout(LIMIT),
    )
}

/// Of a thousand datagrams in each direction so many are lost.
async fn connected(
    (connector, acceptor): (TlsConnector, TlsAcceptor),
    lost: u64,
) -> (DtlsConnection, DtlsConnection) {
    let (near, far) = link(64);
    let (near, far) = (
        near.losing(at_random(7, lost)),
        far.losing(at_random(11, lost)),
    );
    let (dtls, acceptor) = (DtlsConnector::new(connector), DtlsAcceptor::new(acceptor));
    let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
    (client.unwrap(), server.unwrap())
}

async fn pair(lost: u64) -> (DtlsConnection, DtlsConnection) {
    connected(ends(ALWAYS, ALWAYS, u64::MAX), lost).await
}

fn keys(connection: &DtlsConnection) -> [u8; 32] {
    let (mut out, information) = ([0; 32], connection.information());
    let exported = information.export_keying_material(b"EXPORTER-test", None, &mut out);
    exported.unwrap();
    out
}

/// The peer need not do anything: its socket's task answers, also where it never looks at its connection.
#[tokio::test(start_paused = true)]
async fn either_side_begins_and_the_other_need_not_look() {
    for lost in [0, 100] {
        let (mut client, mut server) = pair(lost).await;
        let before = keys(&client);
        client.renegotiate().await.unwrap();
        assert!(client.information().is_renegotiated());
        assert_ne!(keys(&client), before);
        server.renegotiate().await.unwrap();
        server.renegotiate().await.unwrap();
        client.renegotiate().await.unwrap();
        assert!(server.information().is_renegotiated());
    }
}

/// What is sent waits, and what comes is received: not a message is lost where the network loses none.
#[tokio::test(start_paused = true)]
async fn messages_flow_meanwhile() {
    let (mut client, server) = pair(0).await;
    let echo = tokio::spawn(echo(server));
    let (mut receiver, sender) = {
        client.renegotiate().await.unwrap();
        client.into_split()
    };
    let sending = tokio::spawn(async move {
        for number in 0..200_u8 {
            sender.send(&[&[number]]).await?;
            tokio::task::yield_now().await;
        }
        Ok::<_, Error>(sender)
    });
    for round in 0..4_u8 {
        receiver.renegotiate().await.unwrap();
        for number in 0..50 {
            let message = receiver.recv().await.unwrap();
            assert_eq!(message[..], [round * 50 + number]);
        }
    }
    let sender = sending.await.unwrap().unwrap();
    assert!(receiver.information().is_renegotiated());
    drop((receiver, sender));
    echo.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_asks_while_messages_are_delivered() {
    let (client, mut server) = pair(0).await;
    let mut stream = client.into_active(Active::True);
    server.renegotiate().await.unwrap();
    server.send(&[b"behind it"]).await.unwrap();
    match stream.next().await {
        Some(Message::Data(message)) => assert_eq!(message[..], *b"behind it"),
        other => panic!("{other:?}"),
    }
    let connection = stream.into_passive();
    assert!(connection.information().is_renegotiated());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_want_to_says_so() {
    let (mut client, server) = connected(ends(ALWAYS, Renegotiation::Decline, u64::MAX), 0).await;
    let echo = tokio::spawn(echo(server));
    let error = client.renegotiate().await.unwrap_err();
    assert!(error.is_renegotiation_refused(), "{error}");
    assert!(!client.information().is_renegotiated());
    ask(&mut client, b"and yet it goes on").await;
    drop(client);
    echo.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_there_is_none_it_says_why() {
    let declining = ends(Renegotiation::Decline, Renegotiation::Decline, u64::MAX);
    let newest = (
        TlsConnector::new(client_config()).without_resumption(),
        TlsAcceptor::new(server_config()),
    );
    for (ends, why) in [
        (declining, "Renegotiation::Once"),
        (newest, "TLS 1.3 has no renegotiation"),
    ] {
        let (mut client, server) = connected(ends, 0).await;
        let echo = tokio::spawn(echo(server));
        let error = client.renegotiate().await.unwrap_err();
        assert!(matches!(error.reason(), Some(Reason::Misuse(_))), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        ask(&mut client, b"and yet it goes on").await;
        drop(client);
        echo.await.unwrap().unwrap();
    }
}

/// Nobody asks for it: a key that is used up is replaced, and where the peer does not want to the connection goes on.
#[tokio::test(start_paused = true)]
async fn a_key_that_wears_out_is_replaced() {
    for (server, is_replaced) in [(ALWAYS, true), (Renegotiation::Decline, false)] {
        let (mut client, server) = connected(ends(ALWAYS, server, 1_000), 0).await;
        let echo = tokio::spawn(echo(server));
        for _ in 0..20 {
            ask(&mut client, &[7; 100]).await;
        }
        assert_eq!(client.information().is_renegotiated(), is_replaced);
        drop(client);
        echo.await.unwrap().unwrap();
    }
}

/// A peer that says nothing more: who asks by himself hears so, and senders are not kept for ever.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_ends_it() {
    let (connector, acceptor) = ends(Renegotiation::Ignore, ALWAYS, u64::MAX);
    let ends = (
        connector,
        acceptor.handshake_timeout(Duration::from_secs(10)),
    );
    let (client, server) = connected(ends, 0).await;
    let (mut receiver, sender) = server.into_split();
    let sending = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(sender.try_send(&[b"there is no room"]).is_err());
        sender.send(&[b"it waits"]).await
    });
    let error = receiver.renegotiate().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(sending.await.unwrap().is_err());
    assert!(receiver.recv().await.unwrap_err().is_timeout());
    drop(client);
}

/// A client that asks again and again is there: a handshake that takes longer than it may be silent ends nothing.
#[tokio::test(start_paused = true)]
async fn a_long_handshake_is_no_silence() {
    let (connector, acceptor) = ends(ALWAYS, ALWAYS, u64::MAX);
    let slow = answers::identity_by_name(|_| async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        Ok(Some(pki().server.clone()))
    });
    let options = DtlsOptions::new().idle_timeout(Some(Duration::from_secs(4)));
    let (near, far) = link(64);
    let dtls = DtlsConnector::new(connector);
    let acceptor = DtlsAcceptor::new(acceptor.answers(slow)).options(options);
    let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    client.renegotiate().await.unwrap();
    client.send(&[b"it goes on"]).await.unwrap();
    assert_eq!(&server.recv().await.unwrap()[..], b"it goes on");
    // And who says nothing is silent.
    assert!(server.recv().await.unwrap_err().is_timeout());
}

/// Dropped in the middle of it, the peer hears so.
#[tokio::test(start_paused = true)]
async fn who_drops_it_ends_the_connection() {
    let (mut client, mut server) = pair(0).await;
    {
        let begun = client.renegotiate();
        tokio::pin!(begun);
        let soon = tokio::time::timeout(Duration::ZERO, begun).await;
        assert!(soon.is_err() || soon.is_ok());
    }
    drop(client);
    assert!(server.recv().await.is_err());
}
