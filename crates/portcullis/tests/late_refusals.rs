//! A client of TLS 1.3 is through with its handshake before the server refuses it: what it does
//! next says why.

mod ends;

use std::time::Duration;

use std::io;

use ends::*;
use futures_util::StreamExt as _;
use portcullis::{
    Active, AlertDescription, ClientAuthentication, Direction, Error, Message, ServerConfig,
    TlsAcceptor, TlsStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(5);

/// A server that wants a certificate.
fn demanding() -> TlsAcceptor {
    let config = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .build()
        .unwrap();
    TlsAcceptor::new(config)
}

/// A client without a certificate, through with its handshake, and the server that refuses it
/// and is gone afterwards.
async fn refused() -> (TlsStream<TcpStream>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let failed = demanding().accept(io).await.unwrap_err();
        assert_alert(&failed, Direction::Sent);
    });
    let client = connector().connect(address, name()).await.unwrap();
    (client, server)
}

fn assert_alert(error: &Error, direction: Direction) {
    let alert = AlertDescription::CERTIFICATE_REQUIRED;
    assert_eq!(error.alert(), Some((direction, alert)), "{error}");
}

fn assert_said(error: io::Error) {
    match Error::from_io(&error) {
        Some(error) => assert_alert(error, Direction::Received),
        None => panic!("{error}"),
    }
}

/// As the sequence `write` of the reports: who uploads is told why it is refused.
#[tokio::test]
async fn an_upload_that_is_refused_says_why() {
    for _ in 0..20 {
        let (mut client, _server) = refused().await;
        let data = vec![0; 8 * 1024 * 1024];
        assert_said(client.write_all(&data).await.unwrap_err());
        // And whatever comes next says the same.
        assert_said(client.flush().await.unwrap_err());
        assert_said(client.write_all(b"x").await.unwrap_err());
        assert_said(client.shutdown().await.unwrap_err());
        assert_alert(&client.recv(1).await.unwrap_err(), Direction::Received);
    }
}

#[tokio::test]
async fn whatever_finds_the_transport_broken_says_why() {
    for how in ["write", "send", "flush", "update", "shutdown", "close"] {
        let (mut client, server) = refused().await;
        // It has read what it wants to and is gone; then its system resets.
        while !server.is_finished() && client.get_mut().write_all(&[0; 4_096]).await.is_ok() {
            tokio::task::yield_now().await;
        }
        while client.get_mut().write_all(&[0; 4_096]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let error = match how {
            "write" => client.write_all(b"x").await.unwrap_err(),
            "send" => client.send(&[b"x"]).await.unwrap_err().into(),
            "flush" => {
                let _ = now(client.write(b"x")).await;
                client.flush().await.unwrap_err()
            }
            "update" => client.update_keys(true).await.unwrap_err().into(),
            "shutdown" => client.shutdown().await.unwrap_err(),
            _ => client.close(SOON).await.unwrap_err().into(),
        };
        assert_said(error);
    }
}

#[tokio::test]
async fn halves_say_why_while_a_task_reads() {
    for how in ["halves", "tokio"] {
        for _ in 0..5 {
            let (client, _server) = refused().await;
            let data = vec![0; 8 * 1024 * 1024];
            let (read, written) = if how == "halves" {
                let (mut reader, mut writer) = client.into_split();
                let reading = tokio::spawn(async move { reader.recv(1).await.unwrap_err() });
                let written = writer.write_all(&data).await.unwrap_err();
                assert_alert(
                    &writer.send(&[b"x"]).await.unwrap_err(),
                    Direction::Received,
                );
                (reading.await.unwrap(), written)
            } else {
                let (mut reader, mut writer) = tokio::io::split(client);
                let reading = tokio::spawn(async move { reader.read_u8().await.unwrap_err() });
                let written = writer.write_all(&data).await.unwrap_err();
                let read = reading.await.unwrap();
                (Error::from_io(&read).unwrap().clone(), written)
            };
            assert_alert(&read, Direction::Received);
            assert_said(written);
        }
    }
}

/// Nobody can look for the alert: the transport's error is given, and soon.
#[tokio::test]
async fn a_half_whose_reader_does_not_read_waits_no_longer_than_told() {
    let (client, _server) = refused().await;
    let (mut reader, mut writer) = client.into_split();
    let data = vec![0; 8 * 1024 * 1024];
    let written = tokio::time::timeout(SOON, writer.write_all(&data)).await;
    let written = written.expect("it ends").unwrap_err();
    assert!(Error::from_io(&written).unwrap().transport().is_some());
    assert_alert(&reader.recv(1).await.unwrap_err(), Direction::Received);
    // A reader that is gone is not waited for.
    let (client, _server) = refused().await;
    let (reader, mut writer) = client.into_split();
    drop(reader);
    assert!(writer.write_all(&data).await.is_err());
}

/// A client of HTTP/2 that goes on writing before it reads (curl): nothing resets.
#[tokio::test]
async fn a_refused_client_that_still_writes_gets_the_alert() {
    let (mut client, server) = refused().await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        client.get_mut().write_all(&[7; 1_000]).await.unwrap();
    }
    assert!(!server.is_finished(), "it waits for the client to close");
    assert_alert(&client.recv(1).await.unwrap_err(), Direction::Received);
    let mut rest = [0];
    assert_eq!(client.get_mut().read(&mut rest).await.unwrap(), 0);
    drop(client);
    tokio::time::timeout(Duration::from_secs(2), server)
        .await
        .expect("it waits no longer")
        .unwrap();
}

/// In TLS 1.3 a client may learn after its handshake that the server refuses it.
#[tokio::test(start_paused = true)]
async fn otp_19236_a_late_alert_of_the_server_surfaces() {
    let config = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
        .build()
        .unwrap();
    let (connector, acceptor) = (connector(), TlsAcceptor::new(config));
    for active in [false, true] {
        let (client, server) = duplex(64 * 1024);
        let (client, server) =
            tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
        assert!(server.is_err());
        let mut client = client.unwrap();
        let error = if active {
            match client.into_active(Active::True).next().await {
                Some(Message::Error(error)) => error,
                other => panic!("{other:?}"),
            }
        } else {
            let error = client.recv(1).await.unwrap_err();
            assert!(client.send(&[b"x"]).await.is_err(), "writes know it too");
            error
        };
        assert_eq!(
            error.alert(),
            Some((Direction::Received, AlertDescription::CERTIFICATE_REQUIRED))
        );
    }
}
