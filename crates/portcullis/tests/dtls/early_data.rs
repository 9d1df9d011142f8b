//! Early data (RFC 8446 §2.3, RFC 9147 §5.6): a message with the hello.

use std::time::Duration;

use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters};
use portcullis::{
    CookiePolicy, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsListener, DtlsOptions,
    EarlyDataOutcome, EarlyDataRejection, EarlyDataStatus, Error, NamedGroup, TlsAcceptor,
    TlsConnector,
};

use crate::ends::*;
use crate::link::link;
use crate::listen;

/// Which takes early data, and remembers it by itself.
fn acceptor() -> TlsAcceptor {
    let long_ago = UnixTime::since_unix_epoch(Duration::ZERO);
    let anti_replay = AntiReplay::local(BloomFilters::SMALL, long_ago).unwrap();
    let server = server_config().to_builder().early_data(anti_replay);
    // Of a group whose share is in the first hello: a second one has no early data.
    let server = server.groups([NamedGroup::X25519]);
    TlsAcceptor::new(server.build().unwrap())
}

/// A listener that asks for no cookie.
async fn listener() -> (DtlsListener, std::net::SocketAddr) {
    let options = DtlsOptions::new().cookies(CookiePolicy::UnderLoad { handshakes: 100 });
    listen(DtlsAcceptor::new(acceptor()).options(options)).await
}

fn connector() -> DtlsConnector {
    DtlsConnector::new(TlsConnector::new(client_config()))
}

/// The server's side of a connection without early data, after which the client has a session.
async fn first(listener: &DtlsListener) -> Result<DtlsConnection, Error> {
    let server = listener.accept().await?.handshake().await?;
    // Behind the ticket.
    server.send(&[b"hello"]).await?;
    Ok(server)
}

async fn with_session(
    dtls: &DtlsConnector,
    listener: &DtlsListener,
    address: std::net::SocketAddr,
) {
    let connecting = dtls.connect_with_early_data(address, name(), "too early");
    let (client, server) = tokio::join!(connecting, first(listener));
    let (mut client, outcome) = client.unwrap();
    // There was no session yet.
    assert_eq!(outcome, EarlyDataOutcome::NotOffered("too early".into()));
    let _server = server.unwrap();
    assert_eq!(&client.recv().await.unwrap()[..], b"hello");
}

#[tokio::test]
async fn a_message_comes_with_the_hello() {
    let (listener, address) = listener().await;
    let dtls = connector();
    with_session(&dtls, &listener, address).await;
    let connecting = dtls.connect_with_early_data(address, name(), "what time is it?");
    let serving = async {
        let mut early = listener.accept().await?.handshake_with_early_data()?;
        assert!(early.peer_addr().is_some());
        let mut messages = Vec::new();
        while let Some(message) = early.recv().await? {
            messages.push(message);
        }
        assert!(early.recv().await?.is_none());
        Ok::<_, Error>((messages, early.handshake().await?))
    };
    let (client, served) = tokio::join!(connecting, serving);
    let ((mut client, outcome), (messages, server)) = (client.unwrap(), served.unwrap());
    assert_eq!(outcome, EarlyDataOutcome::Accepted);
    assert_eq!(messages, ["what time is it?"]);
    assert_eq!(server.information().early_data(), EarlyDataStatus::Accepted);
    server.send(&[b"noon"]).await.unwrap();
    assert_eq!(&client.recv().await.unwrap()[..], b"noon");
}

/// Nobody reads it, a server asks for a cookie, or it is longer than the session allows: it comes back.
#[tokio::test]
async fn what_is_not_taken_comes_back() {
    let (listener, address) = listener().await;
    let dtls = connector();
    with_session(&dtls, &listener, address).await;
    let connecting = dtls.connect_with_early_data(address, name(), "hello?");
    let (client, server) = tokio::join!(connecting, first(&listener));
    let (mut client, outcome) = client.unwrap();
    assert_eq!(outcome.into_unsent().unwrap(), "hello?");
    let server = server.unwrap();
    let why = EarlyDataStatus::Rejected(EarlyDataRejection::Disabled);
    assert_eq!(server.information().early_data(), why);
    assert!(server.information().is_resumed());
    assert_eq!(&client.recv().await.unwrap()[..], b"hello");

    let long = vec![7; 17_000];
    let connecting = dtls.connect_with_early_data(address, name(), long.clone());
    let (client, server) = tokio::join!(connecting, first(&listener));
    assert_eq!(client.unwrap().1, EarlyDataOutcome::NotOffered(long.into()));
    let status = server.unwrap().information().early_data();
    assert_eq!(status, EarlyDataStatus::NotOffered);
}

#[tokio::test(start_paused = true)]
async fn over_a_transport_and_with_a_cookie() {
    for cookies in [CookiePolicy::Never, CookiePolicy::Always] {
        let options = DtlsOptions::new().cookies(cookies);
        let (dtls, acceptor) = (connector(), DtlsAcceptor::new(acceptor()).options(options));
        let (near, far) = link(64);
        let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
        let (client, server) = (client.unwrap(), server.unwrap());
        // Tickets come behind the handshake.
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop((client, server));
        let (near, far) = link(64);
        let serving = async {
            let mut early = acceptor.accept_with_early_data(far).await?;
            let first = early.recv().await?;
            Ok::<_, Error>((first, early.handshake().await?))
        };
        let connecting = dtls.upgrade_with_early_data(near, name(), "early");
        let (client, served) = tokio::join!(connecting, serving);
        let ((_client, outcome), (message, server)) = (client.unwrap(), served.unwrap());
        assert!(server.information().is_resumed());
        match cookies {
            CookiePolicy::Never => {
                assert_eq!(outcome, EarlyDataOutcome::Accepted);
                assert_eq!(message.unwrap(), "early");
            }
            _ => {
                assert_eq!(outcome, EarlyDataOutcome::Rejected("early".into()));
                assert!(message.is_none());
            }
        }
    }
}
