//! Clients that mean no good, or do not know what they do.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Files, Running, connect, echo, talk};

/// A listener with a route that passes and one that does not, with short times.
async fn proxy(files: &Files, more: &str) -> Running {
    files.server("one", &["one.test"]);
    let back = echo("a").await;
    files.start(&format!(
        r#"
        timeouts = {{ first_byte = "200ms", handshake = "600ms", proxy_header = "200ms", idle = "1s" }}
        {more}
        [[identity]]
        name = "one"
        certificate = "@/one.pem"
        key = "@/one.key"
        [[route]]
        names = ["one.test"]
        identity = "one"
        backend = {{ servers = ["{back}"] }}
        [[route]]
        names = ["pass.test"]
        tls = "pass"
        backend = {{ servers = ["{back}"] }}
        "#
    ))
}

const LISTEN: &str = "[[listen]]\nname = \"in\"\naddress = \"127.0.0.1:0\"\n";

/// How long it takes until the proxy closes, and what it has said.
async fn closed(io: &mut TcpStream) -> (Duration, Vec<u8>) {
    let began = Instant::now();
    let mut all = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(5), io.read_to_end(&mut all));
    let _ = reading.await.expect("closed within 5 seconds");
    (began.elapsed(), all)
}

/// A hello for this name, as a client of ours sends it.
pub(crate) async fn hello(name: &str) -> Vec<u8> {
    let (near, mut far) = tokio::io::duplex(65_536);
    let files = Files::new();
    let connector = files.connector(&[]);
    let name = name.to_owned();
    tokio::spawn(async move { connector.upgrade(near, name).await.map(drop) });
    let mut hello = vec![0; 5];
    far.read_exact(&mut hello).await.unwrap();
    let length = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
    hello.resize(5 + length, 0);
    far.read_exact(&mut hello[5..]).await.unwrap();
    hello
}

#[tokio::test]
async fn who_is_silent_or_slow_is_closed_in_time() {
    let files = Files::new();
    let proxy = proxy(&files, LISTEN).await;
    let mut silent = TcpStream::connect(proxy.address()).await.unwrap();
    let (time, _) = closed(&mut silent).await;
    assert!((150..500).contains(&time.as_millis()), "{time:?}");

    let hello = hello("pass.test").await;
    let mut slow = TcpStream::connect(proxy.address()).await.unwrap();
    slow.write_all(&hello[..hello.len() - 1]).await.unwrap();
    let (time, _) = closed(&mut slow).await;
    assert!((500..1_500).contains(&time.as_millis()), "{time:?}");

    // A handshake that stops halfway.
    let own = self::hello("one.test").await;
    let mut half = TcpStream::connect(proxy.address()).await.unwrap();
    half.write_all(&own).await.unwrap();
    let (time, all) = closed(&mut half).await;
    assert!((500..1_500).contains(&time.as_millis()), "{time:?}");
    assert_eq!(all.first(), Some(&22), "it was answered");
}

#[tokio::test]
async fn a_hello_in_the_smallest_pieces_is_found() {
    let files = Files::new();
    let proxy = proxy(&files, LISTEN).await;
    let hello = hello("pass.test").await;
    // The backend gives back what it gets.
    for in_records in [false, true] {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        let sent: Vec<u8> = match in_records {
            // A record for each byte.
            true => hello[5..]
                .iter()
                .flat_map(|byte| [22, 3, 1, 0, 1, *byte])
                .collect(),
            false => hello.clone(),
        };
        for byte in &sent[..64] {
            io.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        io.write_all(&sent[64..]).await.unwrap();
        io.write_all(b"early").await.unwrap();
        io.shutdown().await.unwrap();
        let (_, all) = closed(&mut io).await;
        let expected = [b"a:", &sent[..], b"early"].concat();
        assert!(all == expected, "each byte once");
    }
}

#[tokio::test]
async fn what_is_no_hello_is_told_or_left_alone() {
    let files = Files::new();
    let proxy = proxy(&files, LISTEN).await;
    let mut endless = vec![1, 0xff, 0xff, 0xff];
    endless.resize(70_000, 0);
    let endless: Vec<u8> = endless
        .chunks(16_384)
        .flat_map(|chunk| {
            let length = u16::try_from(chunk.len()).unwrap().to_be_bytes();
            [&[22, 3, 1], &length[..], chunk].concat()
        })
        .collect();
    let alert = |description| Some(vec![21, 3, 3, 0, 2, 2, description]);
    for (name, sent, answer) in [
        (
            "another protocol",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            Some(Vec::new()),
        ),
        ("an alert", vec![21, 3, 3, 0, 2, 1, 0], alert(50)),
        ("a hello of 16 MiB", endless, alert(50)),
        (
            "a hello of nonsense",
            vec![22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3],
            alert(50),
        ),
    ] {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        let _ = io.write_all(&sent).await;
        let (time, all) = closed(&mut io).await;
        assert!(time < Duration::from_secs(2), "{name}: {time:?}");
        assert_eq!(Some(all), answer, "{name}");
    }
    // And it is still there.
    let connector = files.connector(&[]);
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    assert_eq!(talk(&mut stream, "x").await.unwrap(), "a:x");
}

#[tokio::test]
async fn headers_are_read_from_proxies_alone() {
    let files = Files::new();
    let from = |network: &str| format!("{LISTEN}proxy_protocol = {{ from = [\"{network}\"] }}\n");
    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\n";
    let hello = hello("pass.test").await;

    // Of a stranger it is no header, and so no TLS.
    let strict = proxy(&files, &from("192.0.2.0/24")).await;
    let mut io = TcpStream::connect(strict.address()).await.unwrap();
    io.write_all(&[HEADER, &hello[..]].concat()).await.unwrap();
    assert_eq!(closed(&mut io).await.1, b"");
    let mut io = TcpStream::connect(strict.address()).await.unwrap();
    io.write_all(&hello).await.unwrap();
    io.shutdown().await.unwrap();
    assert_eq!(closed(&mut io).await.1[..2], *b"a:");

    // Of a proxy it is required, and whole in time.
    let asked = proxy(&files, &from("127.0.0.0/8")).await;
    for sent in [&hello[..], &HEADER[..20], b""] {
        let mut io = TcpStream::connect(asked.address()).await.unwrap();
        io.write_all(sent).await.unwrap();
        let (time, all) = closed(&mut io).await;
        assert!(all.is_empty() && time < Duration::from_secs(1), "{time:?}");
    }
    let mut io = TcpStream::connect(asked.address()).await.unwrap();
    io.write_all(&[HEADER, &hello[..]].concat()).await.unwrap();
    io.shutdown().await.unwrap();
    assert_eq!(closed(&mut io).await.1[..2], *b"a:");
}

#[tokio::test]
async fn an_address_has_so_many_connections_also_behind_a_proxy() {
    let files = Files::new();
    let more = format!(
        "limits = {{ per_address = 2 }}\n{LISTEN}proxy_protocol = {{ from = [\"127.0.0.1\"] }}\n"
    );
    let proxy = proxy(&files, &more).await;
    let hello = hello("pass.test").await;
    let ask = async |client: &str| {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        let header = format!("PROXY TCP4 {client} 192.0.2.1 1 443\r\n");
        io.write_all(header.as_bytes()).await.unwrap();
        io.write_all(&hello).await.unwrap();
        let mut first = [0; 2];
        io.read_exact(&mut first).await.map(|_| io)
    };
    let held = [
        ask("192.0.2.7").await.unwrap(),
        ask("192.0.2.7").await.unwrap(),
    ];
    assert!(ask("192.0.2.7").await.is_err());
    let other = ask("192.0.2.8").await.unwrap();
    drop((held, other));
    for _ in 0..100 {
        if ask("192.0.2.7").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("places come back");
}

#[tokio::test]
async fn many_that_never_finish_keep_nobody_out_for_long() {
    let files = Files::new();
    let more = format!("limits = {{ handshakes = 8 }}\n{LISTEN}");
    let proxy = proxy(&files, &more).await;
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(proxy.address()).await.unwrap());
    }
    let connector = files.connector(&[]);
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    assert_eq!(talk(&mut stream, "x").await.unwrap(), "a:x");
}

#[tokio::test]
async fn who_says_nothing_more_is_cut() {
    let files = Files::new();
    let proxy = proxy(&files, LISTEN).await;
    let connector = files.connector(&[]);
    let mut stream = connect(&connector, proxy.address(), "one.test")
        .await
        .unwrap();
    let began = Instant::now();
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    let time = began.elapsed();
    assert!((800..3_000).contains(&time.as_millis()), "{time:?}");
}

/// Who takes nothing of a hello that is passed on keeps a place for handshakes no longer than `stall`.
#[tokio::test]
async fn a_server_that_takes_no_hello_keeps_no_place() {
    let files = Files::new();
    let (_listener, stuck) = stuck();
    let back = echo("a").await;
    let proxy = files.start(&format!(
        r#"
        timeouts = {{ stall = "1s", idle = "10s" }}
        limits = {{ handshakes = 1 }}
        [[listen]]
        name = "passed"
        address = "127.0.0.1:0"
        [[listen]]
        name = "other"
        address = "127.0.0.1:0"
        [[route]]
        listen = "passed"
        tls = "pass"
        backend = {{ servers = ["{stuck}"] }}
        [[route]]
        listen = "other"
        tls = "off"
        backend = {{ servers = ["{back}"] }}
        "#
    ));
    let mut client = TcpStream::connect(proxy.at(0)).await.unwrap();
    client
        .write_all(&long_hello(&hello("one.test").await))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    let mut other = TcpStream::connect(proxy.at(1)).await.unwrap();
    let said = tokio::time::timeout(Duration::from_secs(5), talk(&mut other, "x"));
    assert_eq!(said.await.expect("there is a place").unwrap(), "a:x");
    assert!(
        began.elapsed() > Duration::from_millis(300),
        "it took the hello"
    );
}

/// A server that takes hardly anything: its window is as small as can be, and it is never read.
pub(crate) fn stuck() -> (socket2::Socket, std::net::SocketAddr) {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.set_recv_buffer_size(1).unwrap();
    listener.set_tcp_mss(536).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(8).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    (listener, address)
}

/// The same hello with padding (RFC 7685), so that it is as long as one may be.
pub(crate) fn long_hello(record: &[u8]) -> Vec<u8> {
    let message = &record[5..];
    // Type, length, version, random; session id; suites; compression.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(message[at]);
    at += 2 + usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
    at += 1 + usize::from(message[at]);
    let padding = 65_000 - message.len();
    let extensions = message.len() - at - 2 + 4 + padding;
    let mut long = message[..at].to_vec();
    long.extend(u16::try_from(extensions).unwrap().to_be_bytes());
    // In front: a pre-shared key has to be the last.
    long.extend([0, 21]);
    long.extend(u16::try_from(padding).unwrap().to_be_bytes());
    long.resize(long.len() + padding, 0);
    long.extend(&message[at + 2..]);
    let length = u32::try_from(long.len() - 4).unwrap().to_be_bytes();
    long[1..4].copy_from_slice(&length[1..]);
    let records = long.chunks(16_384).flat_map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1, length[0], length[1]], part].concat()
    });
    records.collect()
}
