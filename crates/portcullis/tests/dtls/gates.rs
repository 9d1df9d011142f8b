//! Who is asked for a cookie, and by whom it is taken.

use portcullis::{
    ClientConfig, CookiePolicy, CookieSecret, DtlsAcceptor, DtlsConnector, DtlsListener,
    DtlsOptions, ProtocolVersion, ServerConfig,
};
use tokio::net::UdpSocket;

use crate::ends::*;
use crate::{accept, ask, echo, eventually, listen};

/// Whose hello is long enough for the server's answer.
pub(crate) fn talkative() -> DtlsConnector {
    let names = (0..40).map(|number| format!("protocol {number}"));
    let builder = ClientConfig::builder(pki().roots.clone()).alpn(names);
    DtlsConnector::new(builder.build().unwrap())
}

/// Of any version, and without names of protocols.
pub(crate) fn server() -> ServerConfig {
    let builder = ServerConfig::builder().identity(pki().server.clone());
    builder.build().unwrap()
}

#[tokio::test]
async fn cookies_are_asked_for_when_so_many_shake_hands() {
    let options = DtlsOptions::new().cookies(CookiePolicy::UnderLoad { handshakes: 2 });
    let acceptor = DtlsAcceptor::new(server()).options(options);
    let (listener, address) = listen(acceptor).await;
    let mut clients = Vec::new();
    // Nobody shakes hands with them: they are under way. The third and the fourth are asked.
    for (number, asked) in [0, 0, 1, 2].into_iter().enumerate() {
        let client = talkative();
        clients.push(tokio::spawn(async move {
            let mut client = client.connect(address, name()).await.unwrap();
            ask(&mut client, b"in the end").await;
        }));
        let admitted = number as u64 + 1;
        eventually("it is let in", || {
            listener.statistics().admitted == admitted
        })
        .await;
        assert_eq!(listener.statistics().sent.operations(), asked, "{number}");
    }
    for _ in 0..4 {
        let incoming = listener.accept().await.unwrap();
        tokio::spawn(async move { echo(incoming.handshake().await?).await });
    }
    for client in clients {
        client.await.unwrap();
    }
    // All is quiet again.
    let (client, server) = tokio::join!(talkative().connect(address, name()), accept(&listener));
    let (mut client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(listener.statistics().sent.operations(), 2);
    tokio::spawn(echo(server));
    ask(&mut client, b"and on").await;
}

/// What leads to two servers: the first datagram of a client to one, all others to the other.
#[tokio::test]
async fn a_cookie_of_one_server_is_good_at_another() {
    let seed = [7; 32];
    for (is_shared, is_older) in [(true, false), (true, true), (false, false)] {
        let mut listeners = Vec::new();
        for _ in 0..2 {
            let mut acceptor = DtlsAcceptor::new(server());
            if is_shared {
                acceptor = acceptor.cookie_secret(CookieSecret::new([&seed[..]]).unwrap());
            }
            listeners.push(listen(acceptor).await);
        }
        let [first, second] = [listeners[0].1, listeners[1].1];
        let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = near.local_addr().unwrap();
        let balancer = tokio::spawn(async move {
            let (mut up, mut down) = ([0; 2_000], [0; 2_000]);
            let mut client = None;
            loop {
                tokio::select! {
                    came = near.recv_from(&mut up) => {
                        let (length, from) = came.unwrap();
                        let to = if client.replace(from).is_none() { first } else { second };
                        far.send_to(&up[..length], to).await.unwrap();
                    }
                    came = far.recv_from(&mut down) => {
                        let (length, _) = came.unwrap();
                        if let Some(client) = client {
                            near.send_to(&down[..length], client).await.unwrap();
                        }
                    }
                }
            }
        });
        let mut config = ClientConfig::builder(pki().roots.clone());
        if is_older {
            config = config.versions([ProtocolVersion::TLS_1_2]);
        }
        let dtls = DtlsConnector::new(config.build().unwrap());
        let connect = dtls.connect(address, name());
        let admits = async {
            let incoming = listeners[1].0.accept().await?;
            echo(incoming.handshake().await?).await
        };
        let client = tokio::select! {
            client = connect => match client {
                Ok(client) => client,
                Err(error) => {
                    assert!(!is_shared, "{error}");
                    balancer.abort();
                    continue;
                }
            },
            ended = admits => panic!("{ended:?}"),
        };
        assert!(is_shared);
        drop(client);
        let statistics = [&listeners[0], &listeners[1]].map(|one| one.0.statistics());
        assert_eq!(statistics[0].admitted, 0);
        assert_eq!(statistics[1].admitted, 1);
        assert_eq!(statistics[1].sent.operations(), 0);
        balancer.abort();
    }
}

/// A listener goes, and with it its socket: what comes from its peers is for the other one from there on, their second hellos as
/// well.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn listeners_of_one_address_take_each_others_cookies() {
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let mut listeners = DtlsListener::bind_many("127.0.0.1:0", server(), 2)
            .await
            .unwrap();
        let address = listeners[0].local_addr().unwrap();
        // Between the client and them: the answer to the first hello waits until there is one listener left.
        let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let relay = near.local_addr().unwrap();
        let client = ClientConfig::builder(pki().roots.clone()).versions([version]);
        let dtls = DtlsConnector::new(client.build().unwrap());
        let connecting = tokio::spawn(async move { dtls.connect(relay, name()).await });
        let mut buffer = [0; 2_000];
        let (length, client) = near.recv_from(&mut buffer).await.unwrap();
        far.send_to(&buffer[..length], address).await.unwrap();
        let (length, _) = far.recv_from(&mut buffer).await.unwrap();
        let has_answered = |listener: &DtlsListener| listener.statistics().sent.operations() > 0;
        let gone = listeners.iter().position(has_answered).unwrap();
        drop(listeners.remove(gone));
        let left = listeners.remove(0);
        // The system gives it what is for the one that has gone when its task has ended.
        let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        eventually("there is one socket", || {
            probe.send_to(b"x", address).unwrap();
            let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
            let port = format!("0100007F:{:04X} ", address.port());
            sockets.matches(&port).count() == 1
        })
        .await;
        near.send_to(&buffer[..length], client).await.unwrap();
        tokio::spawn(async move {
            let (mut up, mut down) = ([0; 2_000], [0; 2_000]);
            loop {
                tokio::select! {
                    came = near.recv_from(&mut up) => {
                        let (length, _) = came.unwrap();
                        far.send_to(&up[..length], address).await.unwrap();
                    }
                    came = far.recv_from(&mut down) => {
                        let (length, _) = came.unwrap();
                        near.send_to(&down[..length], client).await.unwrap();
                    }
                }
            }
        });
        let server = accept(&left).await.unwrap();
        connecting.await.unwrap().unwrap();
        // Its own answers are to what is no hello, of which there are none.
        assert_eq!(left.statistics().sent.operations(), 0, "{version}");
        assert_eq!(left.statistics().admitted, 1);
        drop(server);
    }
}
