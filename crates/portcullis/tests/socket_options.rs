//! Options of sockets reach the system, for connections of either role.

mod ends;

use std::net::SocketAddr;
use std::time::Duration;

use ends::*;
use portcullis::{ListenOptions, SocketOptions, TlsConnector, TlsListener, TlsStream};
use socket2::SockRef;
use tokio::net::TcpStream;

fn options() -> SocketOptions {
    SocketOptions::new()
        .keepalive(Duration::from_secs(61), Duration::from_secs(7), 4)
        .unwrap()
        .linger(Some(Duration::from_secs(3)))
        .ttl(33)
        .unwrap()
        .traffic_class(0x20)
        .receive_buffer(50_000)
        .send_buffer(60_000)
}

fn check(stream: &TlsStream<TcpStream>, v6: bool) {
    let socket = SockRef::from(stream.get_ref());
    assert!(socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_eq!(
        socket.tcp_keepalive_time().unwrap(),
        Duration::from_secs(61)
    );
    assert_eq!(
        socket.tcp_keepalive_interval().unwrap(),
        Duration::from_secs(7)
    );
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
    assert_eq!(socket.linger().unwrap(), Some(Duration::from_secs(3)));
    match v6 {
        true => {
            assert_eq!(socket.unicast_hops_v6().unwrap(), 33);
            assert_eq!(socket.tclass_v6().unwrap(), 0x20);
        }
        false => {
            assert_eq!(socket.ttl_v4().unwrap(), 33);
            assert_eq!(socket.tos_v4().unwrap(), 0x20);
        }
    }
    // The system doubles what it is asked for.
    assert!((50_000..=120_000).contains(&socket.recv_buffer_size().unwrap()));
    assert!((60_000..=120_000).contains(&socket.send_buffer_size().unwrap()));
}

async fn connected(
    address: &str,
    listen: ListenOptions,
    connector: TlsConnector,
) -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
    let listener = TlsListener::bind_with(address, server_config(), &listen)
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let accept = async { listener.accept().await.unwrap().handshake().await.unwrap() };
    let (client, server) = tokio::join!(connector.connect(address, "localhost"), accept);
    (client.unwrap(), server)
}

#[tokio::test]
async fn of_both_roles() {
    for (address, v6) in [("127.0.0.1:0", false), ("[::1]:0", true)] {
        let listen = ListenOptions::new().accepted(options());
        let (client, server) =
            connected(address, listen, connector().socket_options(options())).await;
        check(&client, v6);
        check(&server, v6);
    }
}

#[tokio::test]
async fn of_a_connection_that_is_there() {
    let (client, server) = connected("127.0.0.1:0", ListenOptions::new(), connector()).await;
    client.set_socket_options(&options()).unwrap();
    check(&client, false);
    let socket = SockRef::from(server.get_ref());
    assert!(!socket.keepalive().unwrap());
    let own = SocketOptions::new().nodelay(false);
    server.set_socket_options(&own).unwrap();
    assert!(!socket.tcp_nodelay().unwrap());
    let local = SocketOptions::new().local_address("127.0.0.1:0".parse().unwrap());
    assert!(server.set_socket_options(&local).is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn of_linux() {
    let options = SocketOptions::new()
        .priority(5)
        .user_timeout(Duration::from_secs(9));
    let (client, _server) = connected(
        "127.0.0.1:0",
        ListenOptions::new(),
        connector().socket_options(options),
    )
    .await;
    let socket = SockRef::from(client.get_ref());
    assert_eq!(socket.priority().unwrap(), 5);
    assert_eq!(
        socket.tcp_user_timeout().unwrap(),
        Some(Duration::from_secs(9))
    );
}

#[tokio::test]
async fn the_address_of_this_end() {
    let local: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let options = SocketOptions::new().local_address(local);
    let connector = connector().socket_options(options);
    let (client, server) = connected("127.0.0.1:0", ListenOptions::new(), connector.clone()).await;
    assert_eq!(client.local_addr().unwrap().ip(), local.ip());
    assert_eq!(server.peer_addr().unwrap().ip(), local.ip());
    // Of another kind than the server's.
    let error = connector.connect("[::1]:1", "localhost").await.unwrap_err();
    assert!(error.to_string().contains("local_address"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_is_told_by_its_name() {
    let second = Duration::from_secs(1);
    let new = SocketOptions::new;
    assert!(new().keepalive(Duration::ZERO, second, 1).is_err());
    assert!(new().keepalive(second, second, 0).is_err());
    assert!(new().ttl(0).is_err());
    let nowhere = new().device("no-such-device");
    let error = connector()
        .socket_options(nowhere.clone())
        .connect("127.0.0.1:1", "localhost")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("device: "), "{error}");
    // A listener says so when it is bound.
    for options in [nowhere, new().local_address("127.0.0.1:0".parse().unwrap())] {
        let listen = ListenOptions::new().accepted(options);
        let bound = TlsListener::bind_with("127.0.0.1:0", server_config(), &listen).await;
        assert!(bound.is_err());
    }
}
