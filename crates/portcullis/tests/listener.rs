//! Accepting: two phases, many at once, and under attack.

mod ends;

use std::io::Read as _;
use std::process::Command;
use std::time::Duration;

use ends::*;
use futures_util::StreamExt as _;
use portcullis::{ListenOptions, ServerConfig, TlsAcceptor, TlsListener};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn accept_is_cheap_and_the_handshake_runs_elsewhere() {
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    // This one never says anything, and stops nobody.
    let _silent = TcpStream::connect(address).await.unwrap();
    let client = tokio::spawn(async move {
        let mut client = connector().connect(address, name()).await.unwrap();
        client.send(&[b"hello"]).await.unwrap();
    });
    let _first = listener.accept().await.unwrap();
    let second = listener.accept().await.unwrap();
    assert!(second.peer_addr().ip().is_loopback());
    let mut stream = tokio::spawn(second.handshake()).await.unwrap().unwrap();
    assert_eq!(&stream.recv(5).await.unwrap()[..], b"hello");
    client.await.unwrap();
}

#[tokio::test]
async fn one_handshake_with_other_options() {
    let options = ListenOptions::new()
        .backlog(16)
        .reuse_address(true)
        .accepted(
            portcullis::SocketOptions::new()
                .nodelay(true)
                .receive_buffer(64 * 1024)
                .send_buffer(64 * 1024),
        );
    let listener = TlsListener::bind_with("127.0.0.1:0", acceptor(), &options)
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let connector = connector();
    let serve = async {
        let incoming = listener.accept().await.unwrap();
        let config = ServerConfig::builder()
            .identity(pki().server.clone())
            .alpn(["h2"])
            .build()
            .unwrap();
        incoming.handshake_with(config).await
    };
    let (client, server) = tokio::join!(connector.connect(address, name()), serve);
    assert_eq!(client.unwrap().alpn_protocol(), Some(&b"h2"[..]));
    server.unwrap();
    let serve = async {
        listener
            .accept()
            .await
            .unwrap()
            .pause_at_hello()
            .await
            .unwrap()
            .proceed()
            .await
    };
    let (client, server) = tokio::join!(connector.connect(address, name()), serve);
    client.unwrap();
    server.unwrap();
}

#[tokio::test]
async fn sockets_of_the_callers() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TlsListener::from_std(socket, acceptor()).unwrap();
    let address = listener.local_addr().unwrap();
    let connector = connector();
    let serve = async { listener.accept().await.unwrap().handshake().await };
    let (client, server) = tokio::join!(connector.connect(address, name()), serve);
    client.unwrap();
    server.unwrap();
}

/// Whoever watches descriptors, or sets options of them, finds them.
#[cfg(unix)]
#[tokio::test]
async fn descriptors_of_a_listener_and_of_what_it_accepts() {
    use std::os::fd::{AsFd as _, AsRawFd as _};

    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    assert_eq!(listener.as_raw_fd(), listener.get_ref().as_raw_fd());
    let address = listener.local_addr().unwrap();
    let socket = socket2::SockRef::from(&listener.as_fd()).local_addr();
    assert_eq!(socket.unwrap().as_socket(), Some(address));
    let near = TcpStream::connect(address).await.unwrap();
    let incoming = listener.accept().await.unwrap();
    assert_eq!(incoming.as_raw_fd(), incoming.get_ref().as_raw_fd());
    let peer = socket2::SockRef::from(&incoming.as_fd()).peer_addr();
    assert_eq!(peer.unwrap().as_socket(), near.local_addr().ok());
}

#[tokio::test]
async fn many_at_once_with_failures_between() {
    let mut connections = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap()
        .connections(4);
    let address = connections.local_addr().unwrap();
    let clients = tokio::spawn(async move {
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..20 {
            tasks.spawn(async move {
                if i % 4 == 0 {
                    let mut bad = TcpStream::connect(address).await.unwrap();
                    bad.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
                } else {
                    let client = connector().connect(address, name()).await.unwrap();
                    client.close(Duration::from_secs(5)).await.unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
    let (mut good, mut bad) = (0, 0);
    while good + bad < 20 {
        match connections.next().await.unwrap() {
            Ok(stream) => {
                good += 1;
                drop(stream);
            }
            Err(failed) => {
                assert!(failed.error.is_not_tls(), "{failed}");
                bad += 1;
            }
        }
    }
    assert_eq!((good, bad), (15, 5));
    clients.await.unwrap();
    assert!(connections.finish().await.is_empty());
}

/// Runs a test of this file in a process of its own with a limit on file descriptors.
fn with_descriptors(limit: u32, test: &str) {
    let status = Command::new("sh")
        .args(["-c", &format!("ulimit -S -n {limit} && exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[cfg(unix)]
fn a_slow_loris_stops_nobody() {
    with_descriptors(4096, "slow_loris");
}

#[tokio::test]
#[ignore = "run by a_slow_loris_stops_nobody, which gives it the descriptors"]
async fn slow_loris() {
    let mut connections = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap()
        .connections(2_000);
    let address = connections.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut served = 0;
        let mut failed = 0;
        while failed < 1_000 {
            match connections.next().await.unwrap() {
                Ok(mut stream) => {
                    served += 1;
                    stream.send(&[b"served"]).await.unwrap();
                }
                Err(error) => {
                    assert!(error.error.is_timeout(), "{error}");
                    failed += 1;
                }
            }
        }
        (served, connections.handshakes())
    });
    // Half say nothing, half start a ClientHello and stop.
    let mut half_open = Vec::new();
    for i in 0..1_000 {
        let mut io = TcpStream::connect(address).await.unwrap();
        if i % 2 == 0 {
            io.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
        }
        half_open.push(io);
    }
    let start = std::time::Instant::now();
    for _ in 0..10 {
        let mut client = connector().connect(address, name()).await.unwrap();
        assert_eq!(&client.recv(6).await.unwrap()[..], b"served");
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    // Ten seconds later they are gone.
    tokio::time::pause();
    assert_eq!(server.await.unwrap(), (10, 0));
    tokio::time::resume();
    let mut alert = [0; 7];
    let mut io = half_open.swap_remove(1).into_std().unwrap();
    io.set_nonblocking(false).unwrap();
    io.read_exact(&mut alert).unwrap();
    assert_eq!(alert[..5], [21, 3, 3, 0, 2]);
    assert_eq!(alert[6], 90, "user_canceled");
}

/// Clients that say nothing give their places to those that do.
#[tokio::test]
async fn silent_clients_do_not_hold_the_places() {
    let acceptor = acceptor().first_byte_timeout(Duration::from_millis(200));
    let mut connections = TlsListener::bind("127.0.0.1:0", acceptor)
        .await
        .unwrap()
        .connections(2);
    let address = connections.local_addr().unwrap();
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let connector = connector();
    let served = tokio::time::timeout(Duration::from_secs(5), async {
        tokio::join!(connector.connect(address, name()), connections.accept())
    });
    let (client, server) = served.await.expect("the places are held");
    client.unwrap();
    server.unwrap();
}

/// Time runs from where TCP has accepted, also for a connection that waits for its task.
#[tokio::test]
async fn the_first_byte_is_due_from_accept_on() {
    let acceptor = acceptor().first_byte_timeout(Duration::from_millis(300));
    let listener = TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let address = listener.local_addr().unwrap();
    let _silent = TcpStream::connect(address).await.unwrap();
    let incoming = listener.accept().await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let start = std::time::Instant::now();
    let failed = incoming.handshake().await.unwrap_err();
    assert!(failed.is_silent_peer(), "{failed}");
    assert!(start.elapsed() < Duration::from_millis(200));
    // What it has said by then counts.
    let connector = connector();
    let serve = async {
        let incoming = listener.accept().await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        incoming.handshake().await
    };
    let (client, server) = tokio::join!(connector.connect(address, name()), serve);
    client.unwrap();
    server.unwrap();
}

/// A listening socket that was shut down gives an error each time, at once.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_broken_listener_is_asked_less_and_less() {
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    socket2::SockRef::from(listener.get_ref())
        .shutdown(std::net::Shutdown::Both)
        .unwrap();
    let start = tokio::time::Instant::now();
    for error in 0..12 {
        if error > 0 {
            // Who gives up waiting does not begin anew.
            assert!(now(listener.accept()).await.is_none(), "{error}");
        }
        listener.accept().await.unwrap_err();
    }
    // 5 + 10 + … + 640 ms, then a second each.
    let elapsed = start.elapsed().as_millis();
    assert!((4_275..4_400).contains(&elapsed), "{elapsed} ms");
    // The same for many at once.
    let mut connections = listener.connections(2);
    assert!(now(connections.accept()).await.is_none());
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        connections.accept().await.unwrap_err();
    }
    assert!(start.elapsed().as_millis() >= 2_990);
}

#[test]
#[cfg(unix)]
fn running_out_of_descriptors_is_survived() {
    with_descriptors(64, "exhausted");
}

#[tokio::test]
#[ignore = "run by running_out_of_descriptors_is_survived, which limits them"]
async fn exhausted() {
    let mut connections = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap()
        .connections(100);
    let address = connections.local_addr().unwrap();
    // The client's half of a connection has its descriptor; the server's will get none.
    let client = TcpStream::connect(address).await.unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
    }
    assert!(
        tokio::time::timeout(Duration::from_millis(50), connections.accept())
            .await
            .is_err(),
        "no error, no end"
    );
    hoard.clear();
    let connector = connector();
    let (client, accepted) = tokio::join!(connector.upgrade(client, name()), connections.accept());
    client.unwrap();
    accepted.unwrap();
}

#[test]
fn an_acceptor_can_be_exchanged() {
    let _: fn(&TlsAcceptor, ServerConfig) -> TlsAcceptor = TlsAcceptor::with_config;
}
