//! A connection is passed on by its hello, and somebody else answers it; relays over Unix sockets.

use portcullis::{
    ClientConfig, ClientHelloView, NamedGroup, Peek, ProtocolVersion, ServerConfig, TlsAcceptor,
    TlsConnector, relay,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ends::{client_config, name, pki, server_config};
use crate::patient;
use crate::wire::{sockets, within};

/// Reads until it is known for whom a connection is, as somebody does who passes it on.
async fn read_hello(client: &mut TcpStream) -> (ClientHelloView, Vec<u8>) {
    let mut received = Vec::new();
    loop {
        match ClientHelloView::peek(&received) {
            Peek::Hello(view) => return (view, received),
            Peek::More { at_least } => {
                let wanted = received.len() + at_least;
                while received.len() < wanted {
                    let read = client.read_buf(&mut received);
                    assert!(within(read).await.unwrap() > 0);
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A client and a server with one in between that has no keys.
async fn through(client: ClientConfig, server: ServerConfig) {
    let (near, mut accepted) = sockets().await;
    let (mut backend, far) = sockets().await;
    let between = tokio::spawn(async move {
        let (hello, received) = read_hello(&mut accepted).await;
        assert_eq!(hello.server_name(), Some("localhost"));
        // As it came, with what has come behind it.
        backend.write_all(&received).await.unwrap();
        relay(accepted, backend, patient()).await
    });
    let (connector, acceptor) = (TlsConnector::new(client), TlsAcceptor::new(server));
    let (client, server) =
        within(async { tokio::join!(connector.upgrade(near, name()), acceptor.upgrade(far)) })
            .await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    client.write_all(b"request").await.unwrap();
    client.shutdown().await.unwrap();
    let mut text = String::new();
    within(server.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "request");
    server.write_all(b"response").await.unwrap();
    server.shutdown().await.unwrap();
    text.clear();
    within(client.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "response");
    assert!(within(between).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_hello_is_looked_at_and_passed_on() {
    through(client_config(), server_config()).await;
}

#[tokio::test]
async fn a_second_hello_goes_the_way_of_the_first() {
    let groups = [NamedGroup::X25519, NamedGroup::SECP384R1];
    let client = client_config().to_builder().groups(groups).build();
    let server = server_config().to_builder();
    let server = server.groups([NamedGroup::SECP384R1]).build();
    through(client.unwrap(), server.unwrap()).await;
}

#[tokio::test]
async fn a_hello_of_tls_1_2_is_passed_on() {
    let versions = [ProtocolVersion::TLS_1_2];
    let client = client_config().to_builder().versions(versions).build();
    let server = ServerConfig::builder()
        .versions(versions)
        .identity(pki().server.clone())
        .alpn(["echo"])
        .build();
    through(client.unwrap(), server.unwrap()).await;
}

/// TLS over a Unix socket at one end, a plain one at the other. There is no reset: TLS says that something is missing.
#[cfg(unix)]
#[tokio::test]
async fn unix_sockets() {
    use tokio::net::UnixStream;

    for is_cut in [false, true] {
        let (near, accepted) = UnixStream::pair().unwrap();
        let (backend, mut server) = UnixStream::pair().unwrap();
        let (mut client, accepted) = within(crate::ends::pair_over(near, accepted)).await;
        let mut relay = relay(accepted, backend, patient());
        let asking = async {
            client.write_all(b"request").await.unwrap();
            client.flush().await.unwrap();
            let mut text = [0; 7];
            server.read_exact(&mut text).await.unwrap();
            assert_eq!(&text, b"request");
        };
        tokio::select! {
            _ = &mut relay => panic!("it is not over"),
            () = within(asking) => {}
        }
        if is_cut {
            relay.cut();
            let error = within(client.read(&mut [0])).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
            assert_eq!(within(server.read(&mut [0])).await.unwrap(), 0);
            continue;
        }
        drop(server);
        client.shutdown().await.unwrap();
        assert!(within(relay).await.is_clean());
        assert_eq!(within(client.read(&mut [0])).await.unwrap(), 0);
    }
}
