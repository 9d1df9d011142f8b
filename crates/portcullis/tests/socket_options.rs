//! Options of sockets reach the system, for connections of either role.

mod ends;

use std::net::SocketAddr;
use std::time::Duration;

use ends::*;
use portcullis::packet::{Packet, PacketOptions};
use portcullis::{
    Active, Delivery, Inbox, ListenOptions, LogLevel, RuntimeOptions, SocketOptions, TlsConnector,
    TlsListener, TlsStream,
};
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

/// What the system says of all options but the sizes of buffers, in words.
fn facts(socket: &SockRef<'_>) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        socket.tcp_nodelay(),
        socket.keepalive(),
        socket.tcp_keepalive_time(),
        socket.tcp_keepalive_retries(),
        socket.linger(),
        socket.ttl_v4(),
        socket.tos_v4(),
        (socket.recv_buffer_size(), socket.send_buffer_size()),
    )
}

/// All that can be said, with a socket option that no system takes, behind others that it does take.
fn with_a_bad_one() -> RuntimeOptions {
    RuntimeOptions::new()
        .log_level(Some(LogLevel::Error))
        .send_timeout(Some(Duration::from_secs(9)))
        .socket(options().nodelay(false).device("no-such-device"))
}

/// The options in force, but for those of the configuration.
fn in_force<IO>(stream: &TlsStream<IO>) -> String {
    let options = stream.options();
    let told = options
        .iter()
        .map(|option| format!("{}: {}", option.name, option.value));
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_changes_when_one_option_is_bad() {
    let (mut client, server) = connected("127.0.0.1:0", ListenOptions::new(), connector()).await;
    let (before, told_before) = (facts(&SockRef::from(client.get_ref())), in_force(&client));
    let bad = with_a_bad_one();
    // Of the socket alone.
    let of_socket = options().nodelay(false).device("no-such-device");
    let error = client.set_socket_options(&of_socket).unwrap_err();
    assert!(error.to_string().starts_with("device: "), "{error}");
    assert_eq!(facts(&SockRef::from(client.get_ref())), before);
    // Of a stream: the first that is wrong is named.
    let error = client.apply(&bad).unwrap_err();
    assert!(error.to_string().contains("device: "), "{error}");
    let error = client
        .apply(&bad.clone().packet(Packet::Line))
        .unwrap_err()
        .to_string();
    assert!(error.contains("packet: "), "{error}");
    let error = client.apply(&bad.clone().active(Active::True)).unwrap_err();
    assert!(error.to_string().contains("active: "), "{error}");
    assert_eq!(facts(&SockRef::from(client.get_ref())), before);
    assert_eq!(in_force(&client), told_before);
    // Of packets, and of packets that are delivered.
    let mut packets = client.into_packets(Packet::Length4);
    let error = packets.apply(&bad.clone().packet(Packet::Line));
    assert!(error.unwrap_err().to_string().contains("device: "));
    assert_eq!(packets.packet().packet(), Packet::Length4);
    let mut messages = packets.into_active(Active::N(5));
    let all = bad.clone().packet(Packet::Line).active(Active::True);
    let error = messages.apply(&all).unwrap_err();
    assert!(error.to_string().contains("device: "), "{error}");
    let error = messages
        .apply(&all.active(Active::N(i16::MAX)))
        .unwrap_err();
    assert!(error.to_string().contains("active: "), "{error}");
    assert_eq!(messages.active(), Active::N(5));
    let packets = messages.into_passive();
    assert_eq!(packets.packet().packet(), Packet::Length4);
    let client = packets.into_inner();
    assert_eq!(facts(&SockRef::from(client.get_ref())), before);
    assert_eq!(in_force(&client), told_before);
    // By a handle.
    let (_inbox, owner) = Inbox::new(16);
    let delivery = Delivery {
        active: Active::N(5),
        packet: PacketOptions::from(Packet::Length2),
    };
    let handle = server.into_mailbox(delivery, &owner);
    let all = bad.packet(Packet::Line).active(Active::True);
    let error = handle.apply(all).await.unwrap_err();
    assert!(error.to_string().contains("device: "), "{error}");
    let status = handle.status().await.unwrap();
    assert_eq!(status.active, Active::N(5));
    assert_eq!(status.packet.packet(), Packet::Length2);
}

/// Linux derives a priority from a traffic class.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_priority_survives_a_traffic_class_that_is_taken_back() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (client, _server) = connected(address, ListenOptions::new(), connector()).await;
        let own = SocketOptions::new().traffic_class(0x08).priority(5);
        client.set_socket_options(&own).unwrap();
        let bad = SocketOptions::new()
            .traffic_class(0x10)
            .device("no-such-device");
        client.set_socket_options(&bad).unwrap_err();
        let socket = SockRef::from(client.get_ref());
        assert_eq!(socket.priority().unwrap(), 5);
    }
}

#[tokio::test]
async fn several_options_are_set_at_once() {
    let (mut client, server) = connected("127.0.0.1:0", ListenOptions::new(), connector()).await;
    let all = RuntimeOptions::new()
        .log_level(Some(LogLevel::Error))
        .eof_policy(portcullis::EofPolicy::Lenient)
        .reads_per_turn(std::num::NonZeroU16::MIN)
        .send_timeout(Some(Duration::from_millis(50)))
        .send_timeout_close(true)
        .write_timeout(Some(Duration::from_secs(8)))
        .socket(options());
    client.apply(&all).unwrap();
    check(&client, false);
    let told = in_force(&client);
    for one in [
        "log_level: Error",
        "eof_policy: Lenient",
        "reads_per_turn: 1",
        "send_timeout: 50ms",
        "send_timeout_close: true",
        "write_timeout: 8s",
    ] {
        assert!(told.contains(one), "{one}: {told}");
    }
    let mut messages = client.into_packets(Packet::Raw).into_active(Active::False);
    messages
        .apply(&all.clone().packet(Packet::Line).active(Active::N(3)))
        .unwrap();
    assert_eq!(messages.active(), Active::N(3));
    assert_eq!(messages.get_ref().packet().packet(), Packet::Line);
    // What is not said stays.
    messages.apply(&RuntimeOptions::new()).unwrap();
    assert_eq!(messages.active(), Active::N(3));
    let client = messages.into_passive().into_inner();
    assert!(in_force(&client).contains("send_timeout: 50ms"));

    let (_inbox, owner) = Inbox::new(16);
    let handle = server.into_mailbox(Delivery::default(), &owner);
    let other = handle.clone();
    handle
        .apply(all.packet(Packet::Length2).active(Active::Once))
        .await
        .unwrap();
    let status = handle.status().await.unwrap();
    assert_eq!(status.active, Active::Once);
    assert_eq!(status.packet.packet(), Packet::Length2);
    // How long sending may take is seen by every handle: nobody reads, and what takes longer ends it.
    let late = loop {
        if let Err(error) = other.send(vec![7; 60_000]).await {
            break error;
        }
    };
    assert!(late.is_timeout(), "{late}");
    assert!(other.is_closed());
    drop(client);
}

#[tokio::test]
async fn what_goes_over_no_socket_has_no_options_of_one() {
    let (mut client, _server) = pair().await;
    let error = client
        .apply(&RuntimeOptions::new().socket(options()))
        .unwrap_err();
    assert!(error.to_string().contains("socket: "), "{error}");
    client
        .apply(&RuntimeOptions::new().send_timeout(Some(Duration::from_secs(1))))
        .unwrap();
}
