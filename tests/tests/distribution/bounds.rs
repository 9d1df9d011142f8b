//! What one node can make ours wait, keep or say. The other node is a few lines here, and no Erlang.

use std::net::SocketAddr;
use std::time::Duration;

use erl_dist::DistributionFlags;
use erl_dist::handshake::ClientSideHandshake;
use erl_dist::message::Message;
use erl_dist::node::{Creation, LocalNode};
use erl_dist::term::{Atom, Binary, List, Pid, Term};
use portcullis::{TlsListener, TlsStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::erlang::Options;
use super::frames::HandshakeFrames;
use super::link::{Link, atom, frame, tuple};
use super::{COOKIE, OptionFile, Ours, Settings, ours_at, soon};

async fn ours(change: impl FnOnce(&mut Settings)) -> Ours {
    ours_at(None, Options::new(), change).await
}

/// TLS to our node, with little that the systems below keep.
async fn tls(address: SocketAddr) -> TlsStream<TcpStream> {
    let file = OptionFile::open(&Options::new().file()).expect("a file");
    let connector = file.client.client().expect("a configuration");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 << 10).expect("a size");
    socket.set_send_buffer_size(16 << 10).expect("a size");
    let io = socket.connect(address).await.expect("TCP");
    soon(connector.upgrade(io, "localhost")).await.expect("TLS")
}

/// A link of our node, and its other end.
async fn linked(ours: &mut Ours, name: &str) -> (Link, TlsStream<TcpStream>) {
    let (link, stream) = link_as(ours, name).await;
    (link.expect("a link"), stream)
}

async fn link_as(ours: &mut Ours, name: &str) -> (super::Result<Link>, TlsStream<TcpStream>) {
    let local = LocalNode {
        name: name.parse().expect("a name"),
        flags: DistributionFlags::mandatory(),
        creation: Creation::new(1),
    };
    let frames = HandshakeFrames::new(tls(ours.address).await.compat());
    let mut handshake = ClientSideHandshake::new(frames, local, COOKIE);
    soon(handshake.execute_send_name(6))
        .await
        .expect("a status");
    let (frames, _) = soon(handshake.execute_rest(true)).await.expect("a link");
    let stream = frames
        .into_inner()
        .expect("the end of a frame")
        .into_inner();
    (soon(ours.accepted.recv()).await.expect("it runs"), stream)
}

fn pid() -> Pid {
    Pid::new("other@localhost", 1, 2, 3)
}

fn to_nobody(term: Term) -> Vec<u8> {
    frame(Message::reg_send(pid(), Atom::from("nobody"), term)).expect("a message")
}

async fn write(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

#[tokio::test]
async fn a_node_that_does_not_read_is_down() {
    let mut ours = ours(|settings| settings.tick_time = Duration::from_millis(1600)).await;
    let (mut link, mut stream) = linked(&mut ours, "other@localhost").await;
    // The answer to each is as long as itself.
    let tag = Binary::from(vec![7; 60 << 10]).into();
    let call = tuple([
        atom("$gen_call"),
        tuple([pid().into(), tag]),
        tuple([atom("is_auth"), atom("other@localhost")]),
    ]);
    let ping = frame(Message::reg_send(pid(), Atom::from("net_kernel"), call));
    let ping = ping.expect("a message");
    let pings = tokio::spawn(async move { while write(&mut stream, &ping).await.is_ok() {} });
    let why = timeout(Duration::from_secs(20), link.recv()).await;
    let why = why.expect("it is down").expect_err("it is down");
    assert!(why.to_string().contains("does not read"), "{why}");
    soon(link.send(pid(), atom("late")))
        .await
        .expect_err("it is down");
    pings.abort();
}

#[tokio::test]
async fn nothing_waits_for_a_link_that_is_replaced() {
    let mut ours = ours(|settings| settings.tick_time = Duration::from_secs(3600)).await;
    let (first, _stream) = linked(&mut ours, "other@localhost").await;
    // What waits takes no more than its room: two of these are more.
    let large = Term::from(Binary::from(vec![7; 40 << 20]));
    soon(first.send(pid(), large.clone()))
        .await
        .expect("there is room");
    let sends = tokio::spawn(async move { first.send(pid(), large).await });
    sleep(Duration::from_millis(500)).await;
    assert!(!sends.is_finished());
    let (second, _again) = linked(&mut ours, "other@localhost").await;
    timeout(Duration::from_secs(20), sends)
        .await
        .expect("sending ends")
        .expect("it does not panic")
        .expect_err("the link is down");
    soon(second.send(pid(), atom("hello")))
        .await
        .expect("it is up");
}

/// What is said about a node goes to terminals and logs.
#[tokio::test]
async fn names_do_not_control_a_terminal() {
    let mut ours = ours(|_| {}).await;
    let mut stream = tls(ours.address).await;
    let flags = DistributionFlags::mandatory().bits().to_be_bytes();
    let name = b"a\x1b[2J@localhost";
    let length = [0, 0, 0, 1, 0, name.len() as u8];
    let says = [b"N", &flags[..], &length, name].concat();
    write_frame(&mut stream, &says).await.expect("TLS");
    let refused = soon(ours.accepted.recv()).await.expect("it runs");
    let why = refused.expect_err("a refusal").to_string();
    assert!(why.contains("\\u{1b}"), "{why:?}");
    assert!(!why.contains(char::is_control), "{why:?}");
}

#[tokio::test]
async fn links_are_counted() {
    let mut ours = ours(|settings| settings.max_links = 1).await;
    let _first = linked(&mut ours, "other@localhost").await;
    let (second, _stream) = link_as(&mut ours, "one.more@localhost").await;
    let why = second.expect_err("one too many").to_string();
    assert!(why.contains("1 links already"), "{why}");
    // The same again is not one more.
    linked(&mut ours, "other@localhost").await;
}

/// Of messages that take 56 times their bytes, and more, when they are decoded.
#[tokio::test]
async fn what_nobody_receives_is_not_decoded() {
    const MESSAGES: usize = 4;
    let mut ours = ours(|settings| settings.tick_time = Duration::from_secs(3600)).await;
    let (mut link, mut stream) = linked(&mut ours, "other@localhost").await;
    // Each takes all of the room.
    let nils = vec![Term::from(List::nil()); 400_000];
    let message = to_nobody(List::from(nils).into());
    let writing = async {
        for _ in 0..MESSAGES {
            write(&mut stream, &message).await.expect("a link");
        }
    };
    let receiving = async {
        for _ in 0..MESSAGES {
            while link.ready() == 0 {
                sleep(Duration::from_millis(10)).await;
            }
            sleep(Duration::from_millis(500)).await;
            assert_eq!(link.ready(), 1);
            link.recv().await.expect("a message");
        }
    };
    soon(async { tokio::join!(writing, receiving) }).await;
}

#[tokio::test]
async fn a_slow_node_is_not_silent() {
    let mut ours = ours(|settings| settings.tick_time = Duration::from_millis(1600)).await;
    let (mut link, mut stream) = linked(&mut ours, "other@localhost").await;
    // What is not decoded is none of the link's business.
    let mut deep = to_nobody(List::nil().into());
    let last = deep.split_off(deep.len() - 1);
    deep.extend([104, 1].repeat(300));
    deep.extend(last);
    let length = u32::try_from(deep.len() - 4).expect("a short message");
    deep[..4].copy_from_slice(&length.to_be_bytes());
    write(&mut stream, &deep).await.expect("a link");
    let message = to_nobody(Binary::from(vec![7; 40_000]).into());
    let slowly = async {
        for part in message.chunks(1000) {
            write(&mut stream, part).await.expect("a link");
            sleep(Duration::from_millis(100)).await;
        }
    };
    let (received, ()) = soon(async { tokio::join!(link.recv(), slowly) }).await;
    received.expect("a message");
    // Within a packet, too.
    write(&mut stream, &message[..1000]).await.expect("a link");
    let why = soon(link.recv()).await.expect_err("silence");
    assert!(why.to_string().contains("silent"), "{why}");
}

async fn read_frame(stream: &mut TlsStream<TcpStream>) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

async fn write_frame(stream: &mut TlsStream<TcpStream>, frame: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(frame.len()).expect("a short frame");
    write(stream, &[&length.to_be_bytes(), frame].concat()).await
}

/// A node has a certificate, and not the cookie: it has our node answer our own challenge.
#[tokio::test]
async fn a_node_without_the_cookie_does_not_reflect() {
    let mut ours = ours(|_| {}).await;
    let file = OptionFile::open(&Options::new().file()).expect("a file");
    let server = file.server.server().expect("a configuration");
    let listener = TlsListener::bind("127.0.0.1:0", server)
        .await
        .expect("it listens");
    let port = listener.local_addr().expect("an address").port();
    let address = ours.address;
    let attack = async {
        let incoming = listener.accept().await.expect("our node connects");
        let mut called = incoming.handshake().await.expect("TLS");
        read_frame(&mut called).await?;
        write_frame(&mut called, b"sok").await?;
        // Their call, with a name of its own.
        let mut calling = tls(address).await;
        let flags = DistributionFlags::mandatory().bits().to_be_bytes();
        let name = b"m2@localhost";
        let creation = [0, 0, 0, 1, 0, name.len() as u8];
        write_frame(&mut calling, &[b"N", &flags[..], &creation, name].concat()).await?;
        assert_eq!(read_frame(&mut calling).await?, b"sok");
        let asked = read_frame(&mut calling).await?;
        let challenge = &asked[9..13];
        let creation = [0, 0, 0, 1, 0, 12];
        let asks = [b"N", &flags[..], challenge, &creation, b"m1@localhost"].concat();
        write_frame(&mut called, &asks).await?;
        let answer = read_frame(&mut called).await?;
        write_frame(&mut calling, &answer).await?;
        read_frame(&mut calling).await
    };
    let connect = ours.node.connect_at("m1@localhost", port);
    let (connected, attacked) = soon(async { tokio::join!(connect, attack) }).await;
    attacked.expect_err("no answer");
    let why = connected.expect_err("no link").to_string();
    assert!(why.contains("one of our own"), "{why}");
    soon(ours.accepted.recv())
        .await
        .expect("it runs")
        .expect_err("no link");
}
