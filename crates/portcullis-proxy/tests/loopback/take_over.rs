//! What goes wrong when one proxy takes the place of another.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use portcullis_proxy::{Inherited, Proxy};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::restart::{start, text};
use crate::support::{Files, echo, get, talk};

const ANY: &str = "127.0.0.1:0";

/// One without an administration's port of its own, and this instead.
fn alone(address: &str, more: &str, server: std::net::SocketAddr) -> String {
    let admin = format!("admin = {{ listen = \"{ANY}\" }}");
    text(&format!("\"{address}\""), ANY, server).replace(&admin, more)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_socket_or_somebodys_is_left() {
    let files = Files::new();
    let back = echo("a").await;
    let path = files.path("take.sock");
    let failed = || Proxy::start(files.config(&alone(ANY, "", back))).unwrap_err();
    let nothing_else = || {
        let names = std::fs::read_dir(files.path("")).unwrap();
        let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.filter(|it| it.contains("take.sock.")).count() == 0
    };
    files.write("take.sock", "precious");
    let error = failed();
    assert!(error.to_string().contains("no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    assert!(nothing_else());

    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    assert_eq!(failed().kind(), io::ErrorKind::AddrInUse);
    drop(UnixStream::connect(&path).unwrap());
    // Of one that has been killed.
    drop(other);
    let before = files.start(&alone(ANY, "", back));
    assert!(nothing_else());

    // Who takes over gives up what it has connected to, and nothing else.
    files.write("other", "precious");
    let address = before.address().to_string();
    let elsewhere = alone(&address, "", back).replace("take.sock", "other");
    let error = start(files.config(&elsewhere), path.clone()).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no socket"), "{error}");
    assert_eq!(
        std::fs::read_to_string(files.path("other")).unwrap(),
        "precious"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_fails_takes_nothing_away() {
    let files = Files::new();
    let back = echo("a").await;
    let path = files.path("take.sock");
    let before = files.start(&alone(ANY, "", back));
    let address = before.address().to_string();
    let more = "log = { access = \"@/missing/access.log\" }";
    let config = files.config(&alone(&address, more, back));
    let error = start(config, path.clone()).await.unwrap_err().to_string();
    assert!(error.starts_with("log.access: "), "{error}");
    let config = files.config(&alone(&address, "", back));
    let next = start(config, path).await.unwrap();
    timeout(Duration::from_secs(10), before.0.taken_over())
        .await
        .expect("it has heard that");
    assert_eq!(before.0.drain().await + next.drain().await, 0);
}

/// It was ended, or was killed, while this one started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_one_goes_on_when_the_old_one_has_ended() {
    let files = Files::new();
    let back = echo("a").await;
    let before = files.start(&text(&format!("\"{ANY}\""), ANY, back));
    let (address, admin) = (before.address(), before.0.admin().unwrap());
    let path = files.path("take.sock");
    let config = files.config(&text(&format!("\"{address}\""), &admin.to_string(), back));
    let taking = tokio::task::spawn_blocking(move || {
        let inherited = Inherited::take_over(&path, &config).unwrap();
        (inherited, config)
    });
    let (inherited, config) = taking.await.unwrap();
    before.0.drain().await;
    let next = Proxy::start_with(config, inherited).unwrap();
    let mut io = TcpStream::connect(address).await.unwrap();
    assert_eq!(talk(&mut io, "x").await.unwrap(), "a:x");
    assert_eq!(get(admin, "/ready").await.0, "HTTP/1.1 200 OK");
    drop(next);
}

/// Two would run then, and the old one would be told by nobody to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_one_ends_when_the_old_one_has_given_it_up() {
    let files = Files::new();
    let back = echo("a").await;
    let path = files.path("take.sock");
    let before = UnixListener::bind(&path).unwrap();
    let socket = std::net::TcpListener::bind(ANY).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let giving = std::thread::spawn(move || {
        let (io, _) = before.accept().unwrap();
        let descriptors = [socket.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let greeting = [IoSlice::new(b"portcullis proxy 1\n")];
        sendmsg(&io, &greeting, &mut ancillary, SendFlags::empty()).unwrap();
        drop(io);
        before
    });
    let config = files.config(&alone(&address, "", back));
    let taking = Inherited::take_over(&path, &config).unwrap();
    let before = giving.join().unwrap();
    let error = Proxy::start_with(config, taking).unwrap_err().to_string();
    assert!(error.contains("goes on"), "{error}");
    // Who asked whether somebody is there; the next one finds it, too.
    before.set_nonblocking(true).unwrap();
    while before.accept().is_ok() {}
    let _next = UnixStream::connect(&path).unwrap();
    before.accept().expect("it is at its path");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_another_one_there_is_told() {
    let files = Files::new();
    let back = echo("a").await;
    let _before = files.start(&alone(ANY, "", back));
    let path = files.path("take.sock");
    let address = SockAddr::unix(&path).unwrap();
    let mut silent = Vec::new();
    // The first is served, and others wait; after a while there is no room.
    for _ in 0..50 {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        if socket.connect(&address).is_ok() {
            silent.push(socket);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(silent.len() < 50, "nobody is served but one");
    let config = files.config(&alone(ANY, "", back));
    let error = Inherited::take_over(&path, &config).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("another one is taking over"), "{error}");
}

/// One that asks and is silent keeps the next one out for 5 seconds, and not for 30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_and_says_nothing_makes_room() {
    let files = Files::new();
    let back = echo("a").await;
    let before = files.start(&alone(ANY, "", back));
    let path = files.path("take.sock");
    let mut silent = UnixStream::connect(&path).unwrap();
    let mut greeting = [0; 19];
    io::Read::read_exact(&mut silent, &mut greeting).unwrap();
    let config = files.config(&alone(&before.address().to_string(), "", back));
    let next = start(config, path).await.unwrap();
    timeout(Duration::from_secs(10), before.0.taken_over())
        .await
        .expect("it has heard that");
    assert_eq!(before.0.drain().await + next.drain().await, 0);
}
