//! Messages and packets that came early: marked, before the handshake is over, and truly across its border.

use std::io::ErrorKind;
use std::pin::pin;

use futures_util::poll;
use portcullis::Packets;
use portcullis::packet::PacketError;
use tokio::sync::oneshot;

use super::*;

/// A client that says `early` with its hello and `late` when the handshake is over, and closes; a server that takes early
/// data, over a transport that holds so many bytes.
async fn says(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
    (early, late): (&[u8], &[u8]),
    room: usize,
) -> (tokio::task::JoinHandle<()>, EarlyHandshake<DuplexStream>) {
    let (near, far) = duplex(room);
    let connector = connector.clone();
    let (early, late) = (Bytes::copy_from_slice(early), late.to_vec());
    let client = tokio::spawn(async move {
        let is_early = !early.is_empty();
        let connecting = connector.upgrade_with_early_data(near, name(), early);
        let (mut client, outcome) = connecting.await.unwrap();
        assert_eq!(outcome == EarlyDataOutcome::Accepted, is_early);
        client.send(&[&late]).await.unwrap();
        // The server may have seen enough.
        let _ = client.shutdown().await;
        while client.recv(0).await.is_ok() {}
    });
    (client, acceptor.accept_with_early_data(far).await.unwrap())
}

#[tokio::test]
async fn lines_are_answered_before_the_handshake_is_over() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let (near, far) = duplex(64 * 1024);
    let (go_on, may_go_on) = oneshot::channel();
    let client = tokio::spawn(async move {
        let mut early = connector.upgrade_early(near, name()).await.unwrap();
        early.write_all(b"one\ntwo\nthr").await.unwrap();
        early.flush().await.unwrap();
        may_go_on.await.unwrap();
        let (mut client, status) = early.handshake().await.unwrap();
        assert_eq!(status, EarlyDataStatus::Accepted);
        assert_eq!(&client.recv(4).await.unwrap()[..], b"1\n2\n");
        client.send(&[b"ee\nfour\n"]).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(&client.recv(2).await.unwrap()[..], b"4\n");
    });
    let early = acceptor.accept_with_early_data(far).await.unwrap();
    let mut lines = early.into_packets(Packet::Line).into_active(Active::True);
    for (line, answer) in [("one\n", b"1\n"), ("two\n", b"2\n")] {
        let message = lines.next().await;
        assert!(matches!(message, Some(Message::EarlyData(Piece::Data(early))) if early == line));
        lines.get_mut().send(&[answer]).await.unwrap();
        assert!(lines.get_ref().get_ref().stream().is_none());
    }
    // The client has not said its last word, and the third line has not ended.
    assert!(poll!(lines.next()).is_pending());
    go_on.send(()).unwrap();
    let message = lines.next().await;
    assert!(matches!(message, Some(Message::EarlyData(Piece::Data(line))) if line == "three\n"));
    let stream = lines.get_ref().get_ref().stream().unwrap();
    assert_eq!(stream.information().early_data(), EarlyDataStatus::Accepted);
    assert!(matches!(lines.next().await, Some(Message::Data(line)) if line == "four\n"));
    lines.get_mut().send(&[b"4\n"]).await.unwrap();
    assert!(matches!(lines.next().await, Some(Message::Closed)));
    client.await.unwrap();
}

/// What a message is, whether it is early, and how many bytes it took.
fn read(message: Message, packet: Packet) -> Option<(Piece, bool)> {
    let (piece, is_early) = match message {
        Message::EarlyData(piece) => (piece, true),
        Message::Data(data) => (Piece::Data(data), false),
        Message::Http(line) => (Piece::Http(line), false),
        Message::Closed => return None,
        other => panic!("{packet:?}: {other:?}"),
    };
    Some((piece, is_early))
}

/// The border may be anywhere: a message of which one byte came early is early, and none else.
#[tokio::test]
async fn wherever_the_border_is() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let modes: [(Packet, &[&[u8]]); 5] = [
        (Packet::Length1, &[b"\x03one", b"\x00", b"\x05three"]),
        (
            Packet::Length2,
            &[b"\x00\x03one", b"\x00\x00", b"\x00\x01x"],
        ),
        (
            Packet::Length4,
            &[b"\x00\x00\x00\x02ab", b"\x00\x00\x00\x01c"],
        ),
        (Packet::Line, &[b"one\n", b"\n", b"three\n"]),
        (Packet::Http, &[b"GET / HTTP/1.1\r\n", b"A: b\r\n", b"\r\n"]),
    ];
    for (packet, packets) in modes {
        let all = packets.concat();
        let mut expected = None;
        for border in 0..=all.len() {
            let (early, late) = all.split_at(border);
            let (client, server) = says(&connector, &acceptor, (early, late), 65_536).await;
            let mut found = Vec::new();
            // In turn as messages, and as packets that are asked for.
            if border % 2 == 0 {
                let mut messages = server.into_packets(packet).into_active(Active::True);
                while let Some(piece) = read(messages.next().await.unwrap(), packet) {
                    found.push(piece);
                }
            } else {
                let mut server = server.into_packets(packet);
                while let Some(piece) = server.recv_early().await.unwrap() {
                    found.push((piece, true));
                }
                let mut server = server.handshake().await.unwrap();
                loop {
                    match server.recv().await {
                        Ok(piece) => found.push((piece, false)),
                        Err(error) if error.is_closed() => break,
                        Err(error) => panic!("{packet:?} {border}: {error}"),
                    }
                }
            }
            client.await.unwrap();
            let mut from = 0;
            for (bytes, (piece, is_early)) in packets.iter().zip(&found) {
                assert_eq!(*is_early, from < border, "{packet:?} {border}: {piece:?}");
                from += bytes.len();
            }
            let pieces: Vec<_> = found.into_iter().map(|(piece, _)| piece).collect();
            assert_eq!(pieces.len(), packets.len(), "{packet:?} {border}");
            assert_eq!(pieces, *expected.get_or_insert_with(|| pieces.clone()));
        }
    }
}

/// Where there are no packets: as much as has come, and never of both.
#[tokio::test]
async fn bytes_cost_credits() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let (client, server) = says(&connector, &acceptor, (b"early", b"late"), 65_536).await;
    let mut messages = server.into_active(Active::N(1));
    let message = messages.next().await;
    assert!(matches!(message, Some(Message::EarlyData(Piece::Data(data))) if data == "early"));
    assert!(matches!(messages.next().await, Some(Message::Passive)));
    assert!(poll!(messages.next()).is_pending());
    assert!(messages.get_ref().stream().is_none());
    // By hand, also without credit.
    let stream = messages.get_mut().complete_handshake().await.unwrap();
    assert!(stream.information().is_server());
    messages.set_active(Active::Once).unwrap();
    assert!(matches!(messages.next().await, Some(Message::Data(data)) if data == "late"));
    messages.set_active(Active::True).unwrap();
    assert!(matches!(messages.next().await, Some(Message::Closed)));
    drop(messages);
    client.await.unwrap();
}

/// A handshake that is completed first leaves what was early early, in packets of the connection, too.
#[tokio::test]
async fn what_came_early_stays_early() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let words: (&[u8], &[u8]) = (b"one\ntw", b"o\nthree\n");
    for is_completed_first in [false, true] {
        let (client, server) = says(&connector, &acceptor, words, 65_536).await;
        let mut lines = match is_completed_first {
            true => server.handshake().await.unwrap().into_packets(Packet::Line),
            false => server.into_packets(Packet::Line).handshake().await.unwrap(),
        };
        // Who does not ask for it does not get it, and it stays.
        for _ in 0..2 {
            let error = lines.recv().await.unwrap_err().to_string();
            assert!(error.contains("recv_early"), "{error}");
        }
        lines.set_packet(Packet::Raw);
        let error = lines.recv_exact(1).await.unwrap_err().to_string();
        assert!(error.contains("recv_early"), "{error}");
        assert_eq!(lines.early_rest(), 6);
        lines.set_packet(Packet::Line);
        let first = lines.recv_early().await.unwrap();
        assert_eq!(first, Some(Piece::Data("one\n".into())));
        assert_eq!(lines.early_rest(), 2);
        // Apart in the stream, and back.
        let mut lines = lines.into_inner().into_packets(Packet::Line);
        assert_eq!(
            lines.recv_early().await.unwrap(),
            Some(Piece::Data("two\n".into()))
        );
        assert_eq!(lines.recv_early().await.unwrap(), None);
        assert_eq!(lines.recv().await.unwrap(), Piece::Data("three\n".into()));
        drop(lines);
        client.await.unwrap();
    }

    // Out of packets before the handshake is over, and behind it.
    let (client, server) = says(&connector, &acceptor, words, 65_536).await;
    let mut lines = server.into_packets(Packet::Line);
    assert!(
        lines
            .recv()
            .await
            .unwrap_err()
            .to_string()
            .contains("recv_early")
    );
    let mut stream = lines.into_inner().handshake().await.unwrap();
    assert_eq!(stream.take_early_data().as_deref(), Some(&b"one\ntw"[..]));
    assert_eq!(&stream.recv(8).await.unwrap()[..], b"o\nthree\n");
    drop(stream);
    client.await.unwrap();
    let (client, server) = says(&connector, &acceptor, words, 65_536).await;
    let mut lines = server.into_packets(Packet::Line);
    lines.recv_early().await.unwrap();
    lines.set_packet(Packet::Length2);
    // It has read on beyond the border.
    let no_length = lines.recv_early().await.unwrap_err();
    assert!(
        matches!(no_length.packet(), Some(PacketError::Unfinished { .. })),
        "{no_length}"
    );
    let mut stream = lines.into_inner().handshake().await.unwrap();
    assert_eq!(stream.take_early_data().as_deref(), Some(&b"tw"[..]));
    assert_eq!(&stream.recv(8).await.unwrap()[..], b"o\nthree\n");
    drop(stream);
    client.await.unwrap();
}

/// The next message, asked for again and again: each future is dropped when it is pending.
async fn insist(lines: &mut Packets<portcullis::EarlyConnection<DuplexStream>>) -> Option<Piece> {
    loop {
        if let std::task::Poll::Ready(piece) = poll!(pin!(lines.recv_early())) {
            return piece.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn dropped_at_any_time_nothing_is_lost() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    // A transport for a few bytes at a time.
    let words: (&[u8], &[u8]) = (b"one\ntwo\nthr", b"ee\nfour\n");
    let (client, server) = says(&connector, &acceptor, words, 7).await;
    let mut lines = server.into_packets(Packet::Line);
    for line in ["one\n", "two\n", "three\n"] {
        assert_eq!(insist(&mut lines).await, Some(Piece::Data(line.into())));
    }
    assert_eq!(insist(&mut lines).await, None);
    loop {
        let completing = poll!(pin!(lines.get_mut().complete_handshake())).map_ok(drop);
        if let std::task::Poll::Ready(done) = completing {
            break done.unwrap();
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(lines.recv().await.unwrap(), Piece::Data("four\n".into()));
    drop(lines);
    client.await.unwrap();
}

/// Early data that was not accepted is no message, and what is written waits for the end of the handshake.
#[tokio::test]
async fn what_is_not_accepted() {
    let connector = acquainted(&TlsAcceptor::new(accepting(local()))).await;
    let other = TlsAcceptor::new(accepting(local()));
    let (client, server) = send(&connector, &other, b"early\n").await;
    let mut lines = server.into_packets(Packet::Line);
    lines.send(&[b"hello"]).await.unwrap();
    assert!(lines.get_ref().stream().is_some());
    assert_eq!(lines.recv_early().await.unwrap(), None);
    let (mut client, outcome) = client.await.unwrap();
    assert_eq!(outcome, EarlyDataOutcome::Rejected("early\n".into()));
    assert_eq!(&client.recv(5).await.unwrap()[..], b"hello");
    client.send(&[b"late\n"]).await.unwrap();
    assert_eq!(lines.recv().await.unwrap(), Piece::Data("late\n".into()));
}

/// A client that goes, or stays away: what came is delivered, and then why there is no more.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_afterwards() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    for (is_silent, packet) in [
        (false, Packet::Raw),
        (true, Packet::Raw),
        (true, Packet::Line),
    ] {
        let flight = recorded(&connector).await;
        let (mut near, far) = duplex(64 * 1024);
        near.write_all(&flight).await.unwrap();
        let early = acceptor.accept_with_early_data(far).await.unwrap();
        let _silent = is_silent.then_some(near);
        let mut messages = early.into_packets(packet).into_active(Active::True);
        if packet == Packet::Raw {
            let message = messages.next().await;
            assert!(
                matches!(message, Some(Message::EarlyData(Piece::Data(data))) if data == "pay")
            );
        }
        let Some(Message::Error(error)) = messages.next().await else {
            panic!("no error");
        };
        assert_eq!(error.is_timeout(), is_silent, "{error}");
        assert!(messages.next().await.is_none());
        let error = messages.get_mut().send(&[b"x"]).await.unwrap_err();
        assert_eq!(error.is_timeout(), is_silent, "{error}");
    }
}

/// How many records of data these bytes are.
fn records(mut sent: &[u8]) -> usize {
    let mut count = 0;
    while let [kind, _, _, high, low, rest @ ..] = sent {
        count += usize::from(*kind == 23);
        sent = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    count
}

/// What is sent together is sealed together, as that of a stream is: before the handshake is over and afterwards, and
/// whether sending has a time or not.
#[tokio::test]
async fn a_packet_is_one_record() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    let (near, far) = duplex(64 * 1024);
    let client = tokio::spawn(async move {
        let connecting = connector.upgrade_with_early_data(near, name(), "early\n");
        let (mut client, outcome) = connecting.await.unwrap();
        assert_eq!(outcome, EarlyDataOutcome::Accepted);
        client.send(&[b"late\n"]).await.unwrap();
        client.recv(4 * 8 + 20_000 + 108).await.unwrap()
    });
    let sent = Arc::default();
    let recorder = Recorder {
        inner: far,
        sent: Arc::clone(&sent),
    };
    let early = acceptor.accept_with_early_data(recorder).await.unwrap();
    let mut lines = early.into_packets(Packet::Line);
    assert!(lines.recv_early().await.unwrap().is_some());
    let since = |from: usize| records(&sent.lock().unwrap()[from..]);
    let length = || sent.lock().unwrap().len();
    let within = Duration::from_secs(20);

    let from = length();
    lines.send(&[b"one", b"", b" two\n"]).await.unwrap();
    assert!(lines.get_ref().stream().is_none());
    assert_eq!(since(from), 1);
    let from = length();
    let timed = lines.send_timeout(&[b"one", b" two\n"], within);
    timed.await.unwrap();
    assert_eq!(since(from), 1);
    // As many as it takes of what is longer than one.
    let from = length();
    lines
        .send(&[&[b'x'; 12_000], &[b'x'; 8_000]])
        .await
        .unwrap();
    assert_eq!(since(from), 2);

    assert!(matches!(lines.recv_early().await, Ok(None)));
    assert!(lines.recv().await.is_ok());
    assert!(lines.get_ref().stream().is_some());
    let from = length();
    lines.send(&[b"one", b" two\n"]).await.unwrap();
    let timed = lines.send_timeout(&[b"one", b" two\n"], within);
    timed.await.unwrap();
    assert_eq!(since(from), 2);
    let mut lines = lines.handshake().await.unwrap();
    let from = length();
    lines.send(&[&[b'.'; 100], &[b'.'; 8]]).await.unwrap();
    assert_eq!(since(from), 1);
    let all = client.await.unwrap();
    let two: &[u8] = b"one two\n";
    let long = [b'x'; 20_000];
    assert_eq!(&all[..], [two, two, &long, two, two, &[b'.'; 108]].concat());
}

/// Of a clock that is paused.
const AN_HOUR: Duration = Duration::from_secs(3_600);

/// A client that does not read: writing ends with the time of the handshake, whoever writes.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing() {
    let acceptor = TlsAcceptor::new(accepting(local()));
    let connector = acquainted(&acceptor).await;
    for is_packets in [false, true] {
        let flight = recorded(&connector).await;
        let (mut near, far) = duplex(4096);
        near.write_all(&flight).await.unwrap();
        let mut early = acceptor.accept_with_early_data(far).await.unwrap();
        let long = [0; 100_000];
        if is_packets {
            let mut packets = early.into_packets(Packet::Raw);
            let within = Duration::from_millis(10);
            let error = packets.send_timeout(&[&long], within).await.unwrap_err();
            assert!(error.is_timeout() && error.sent().unwrap() > 0, "{error}");
            let sent = tokio::time::timeout(AN_HOUR, packets.send(&[&long])).await;
            assert!(sent.unwrap().unwrap_err().is_timeout());
        } else {
            let mut writer = early.writer().unwrap();
            let written = tokio::time::timeout(AN_HOUR, writer.write_all(&long)).await;
            assert_eq!(written.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
        }
    }
}

/// Without credit nothing is read, so a client that sends much is held up; with one it is read record by record.
#[tokio::test]
async fn much_of_it_waits_in_the_transport() {
    let server = accepting(local()).to_builder().max_early_data(1 << 20);
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let connector = acquainted(&acceptor).await;
    let early = vec![7; 1_000_000];
    let (client, server) = says(&connector, &acceptor, (&early, b"."), 65_536).await;
    let mut messages = server.into_active(Active::False);
    for _ in 0..100 {
        assert!(poll!(messages.next()).is_pending());
        tokio::task::yield_now().await;
    }
    messages.set_active(Active::True).unwrap();
    let mut length = 0;
    loop {
        match messages.next().await.unwrap() {
            Message::EarlyData(Piece::Data(data)) => {
                assert!(data.len() <= 2 * 16_384, "{}", data.len());
                length += data.len();
            }
            Message::Data(data) => assert_eq!(data, "."),
            Message::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(length, 1_000_000);
    drop(messages);
    client.await.unwrap();
}
