//! A key is replaced before it is worn out, whatever the connection is written to by.

use super::*;

/// What one key protects.
const AT: u64 = 100_000;

fn wearing(client: Renegotiation, server: Renegotiation) -> (TlsConnector, TlsAcceptor) {
    let versions = [ProtocolVersion::TLS_1_2];
    let client = client_config()
        .to_builder()
        .versions(versions)
        .key_update_at(AT)
        .renegotiation(client);
    let server = server_config()
        .to_builder()
        .versions(versions)
        .key_update_at(AT)
        .renegotiation(server);
    let connector = TlsConnector::new(client.build().unwrap()).without_resumption();
    (connector, TlsAcceptor::new(server.build().unwrap()))
}

/// The one that writes, and the other.
async fn pair(of_client: bool, own: Renegotiation, peers: Renegotiation) -> (Stream, Stream) {
    let (client, server) = match of_client {
        true => (own, peers),
        false => (peers, own),
    };
    let (connector, acceptor) = wearing(client, server);
    let (client, server) = connected(&connector, &acceptor).await;
    match of_client {
        true => (client, server),
        false => (server, client),
    }
}

/// Who only writes, and reads nothing, has another key now and then, and nothing is lost or comes twice.
#[tokio::test]
async fn a_stream_has_another_key() {
    for of_client in [true, false] {
        let (mut one, mut other) = pair(of_client, ALWAYS, ALWAYS).await;
        let mut before = *one.information().client_random();
        for _ in 0..3 {
            for _ in 0..5 {
                passes(&mut one, &mut other).await;
            }
            assert!(one.information().is_renegotiated());
            assert_ne!(*one.information().client_random(), before);
            before = *one.information().client_random();
            same(&one, &other);
        }
        // What the other end writes is under a key of its own.
        passes(&mut other, &mut one).await;
    }
}

/// Who reads messages and is written to meanwhile.
#[tokio::test]
async fn an_active_stream_has_another_key() {
    for of_client in [true, false] {
        let (one, mut other) = pair(of_client, ALWAYS, ALWAYS).await;
        let mut one = one.into_active(Active::True);
        let data = pattern(LONG);
        let answer = async {
            let mut received = vec![0; LONG];
            other.read_exact(&mut received).await.unwrap();
            other.write_all(b"enough").await.unwrap();
            other.flush().await.unwrap();
            received
        };
        let write = async {
            one.write_all(&data).await.unwrap();
            one.flush().await.unwrap();
            one.next().await.unwrap()
        };
        let (received, message) = soon(async { tokio::join!(answer, write) }).await;
        assert!(received == data);
        assert!(matches!(&message, Message::Data(data) if data[..] == b"enough"[..]));
        assert!(other.information().is_renegotiated());
    }
}

/// Both write at once, more than either end's transport holds.
#[tokio::test]
async fn both_ends_have_another_key() {
    let (client, server) = pair(true, ALWAYS, ALWAYS).await;
    let data = pattern(LONG);
    let talk = |stream: Stream| {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let data = &data;
        async move {
            let write = async {
                writer.write_all(data).await.unwrap();
                writer.flush().await.unwrap();
            };
            let mut received = vec![0; LONG];
            let read = async { reader.read_exact(&mut received).await.unwrap() };
            tokio::join!(write, read);
            (reader.unsplit(writer), received)
        }
    };
    let ends = async { tokio::join!(talk(client), talk(server)) };
    let ((client, ours), (server, theirs)) = soon(ends).await;
    assert!(ours == data && theirs == data);
    assert!(client.information().is_renegotiated());
    assert!(server.information().is_renegotiated());
}

/// A peer that declines, or says nothing, keeps its connection: it is asked once.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_want_to() {
    let ignore = Renegotiation::Ignore;
    for (of_client, peers) in [
        (true, Renegotiation::Decline),
        (false, Renegotiation::Decline),
        (false, ignore),
    ] {
        let (mut one, mut other) = pair(of_client, ALWAYS, peers).await;
        let data = pattern(LONG);
        let write = async {
            one.write_all(&data).await.unwrap();
            one.flush().await.unwrap();
        };
        let mut received = vec![0; LONG];
        let read = async { other.read_exact(&mut received).await.unwrap() };
        let start = tokio::time::Instant::now();
        tokio::join!(write, read);
        assert!(received == data);
        // It is waited for as long as a handshake may take.
        let waited = start.elapsed() >= Duration::from_secs(1);
        assert_eq!(waited, peers == ignore);
        assert!(!one.information().is_renegotiated());
        passes(&mut other, &mut one).await;
    }
}

/// It is not allowed here: then nobody is asked, and the peer may do as it likes.
#[tokio::test]
async fn nobody_is_asked_by_default() {
    for of_client in [true, false] {
        let (mut one, mut other) = pair(of_client, Renegotiation::Decline, ALWAYS).await;
        for _ in 0..4 {
            passes(&mut one, &mut other).await;
        }
        assert!(!one.information().is_renegotiated());
    }
}

/// The peer reads nothing for longer than it is waited for. What it answers then is an answer all the same.
#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_its_time() {
    /// What fits into whole records under one key.
    const BEFORE: usize = 6 * 16_384;
    for of_client in [true, false] {
        let (mut one, mut other) = pair(of_client, ALWAYS, ALWAYS).await;
        let data = pattern(LONG);
        let write = async {
            one.write_all(&data).await.unwrap();
            one.flush().await.unwrap();
        };
        let mut received = vec![0; LONG];
        let read = async {
            let (before, behind) = received.split_at_mut(BEFORE);
            other.read_exact(before).await.unwrap();
            tokio::time::sleep(Duration::from_secs(100)).await;
            other.read_exact(behind).await.unwrap();
        };
        tokio::join!(write, read);
        assert!(received == data);
        passes(&mut other, &mut one).await;
        assert!(one.information().is_renegotiated());
        same(&one, &other);
        passes(&mut one, &mut other).await;
    }
}

/// In halves the one that reads begins, as soon as somebody polls it.
#[tokio::test]
async fn halves_have_another_key() {
    for of_client in [true, false] {
        for both in [false, true] {
            let (one, other) = pair(of_client, ALWAYS, ALWAYS).await;
            let data = pattern(LONG);
            let (mut reader, mut writer) = one.into_split();
            let (mut receiver, mut answers) = other.into_split();
            let mut received = vec![0; LONG];
            let talk = async {
                let write = async {
                    writer.write_all(&data).await.unwrap();
                    writer.flush().await.unwrap();
                };
                let read = async { receiver.read_exact(&mut received).await.unwrap() };
                tokio::join!(write, read);
            };
            tokio::select! {
                () = soon(talk) => {}
                // Without it the key is used up.
                read = reader.read_u8(), if both => panic!("{read:?}"),
                error = answers.serve() => panic!("{error}"),
            }
            assert!(received == data);
            assert_eq!(reader.information().is_renegotiated(), both);
            passes_any(&mut answers, &mut reader).await;
        }
    }
}

/// The peer takes nothing before all that it writes is out, and there is not even room for what asks it for a handshake:
/// it is read from meanwhile, and who waits to read in a task of its own has what comes.
#[tokio::test(start_paused = true)]
async fn a_peer_that_writes_before_it_reads() {
    const BEFORE: usize = 6 * 16_384;
    for of_client in [true, false] {
        let (client, server) = wearing(ALWAYS, ALWAYS);
        let (near, far) = duplex(16);
        let (client, server) = tokio::join!(client.upgrade(near, name()), server.upgrade(far));
        let (one, mut other) = match of_client {
            true => (client.unwrap(), server.unwrap()),
            false => (server.unwrap(), client.unwrap()),
        };
        let (mut reader, mut writer) = tokio::io::split(one);
        let read = tokio::spawn(async move {
            let mut received = vec![0; 90_000];
            reader.read_exact(&mut received).await.unwrap();
            (reader, received)
        });
        let write = tokio::spawn(async move {
            writer.write_all(&pattern(LONG)).await.unwrap();
            writer.flush().await.unwrap();
            writer
        });
        let peer = async {
            let mut received = vec![0; LONG];
            let (before, behind) = received.split_at_mut(BEFORE);
            other.read_exact(before).await.unwrap();
            other.write_all(&pattern(90_000)).await.unwrap();
            other.flush().await.unwrap();
            other.read_exact(behind).await.unwrap();
            received
        };
        let (received, read, write) = soon(async { tokio::join!(peer, read, write) }).await;
        assert!(received == pattern(LONG));
        let (reader, received) = read.unwrap();
        assert!(received == pattern(90_000));
        let one = reader.unsplit(write.unwrap());
        assert!(one.information().is_renegotiated());
    }
}

/// Requests and responses, with halves in two tasks: whoever is polled first, nothing stands still.
#[tokio::test(start_paused = true)]
async fn halves_that_take_turns_have_another_key() {
    const REQUEST: usize = 30_000;
    for of_client in [true, false] {
        let (one, mut other) = pair(of_client, ALWAYS, ALWAYS).await;
        let (mut reader, mut writer) = one.into_split();
        let (answered, mut answers) = tokio::sync::mpsc::channel(1);
        let start = tokio::time::Instant::now();
        let write = tokio::spawn(async move {
            for _ in 0..20 {
                writer.write_all(&pattern(REQUEST)).await.unwrap();
                writer.flush().await.unwrap();
                let () = answers.recv().await.unwrap();
            }
            writer
        });
        let read = tokio::spawn(async move {
            for _ in 0..20 {
                assert_eq!(reader.read_u8().await.unwrap(), 7);
                answered.send(()).await.unwrap();
            }
            reader
        });
        let serve = async {
            let mut request = vec![0; REQUEST];
            for _ in 0..20 {
                other.read_exact(&mut request).await.unwrap();
                assert!(request == pattern(REQUEST));
                other.write_u8(7).await.unwrap();
                other.flush().await.unwrap();
            }
        };
        let ((), write, read) = soon(async { tokio::join!(serve, write, read) }).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        let one = read.unwrap().reunite(write.unwrap()).unwrap();
        assert!(one.information().is_renegotiated());
        same(&one, &other);
    }
}

/// The same in one task, which does one thing at a time, or where nobody reads at all: the key is used up, and that costs a
/// moment.
#[tokio::test(start_paused = true)]
async fn halves_in_one_task_go_on() {
    for (of_client, reads) in [(true, true), (false, true), (true, false), (false, false)] {
        let (one, mut other) = pair(of_client, ALWAYS, ALWAYS).await;
        let (mut reader, mut writer) = one.into_split();
        let start = tokio::time::Instant::now();
        // Apart, so that nothing it does wakes the one.
        let serve = tokio::spawn(async move {
            let mut request = vec![0; 30_000];
            for _ in 0..10 {
                other.read_exact(&mut request).await.unwrap();
                if reads {
                    other.write_u8(7).await.unwrap();
                    other.flush().await.unwrap();
                }
            }
        });
        soon(async {
            for _ in 0..10 {
                writer.write_all(&pattern(30_000)).await.unwrap();
                writer.flush().await.unwrap();
                if reads {
                    assert_eq!(reader.read_u8().await.unwrap(), 7);
                }
            }
            serve.await.unwrap();
        })
        .await;
        assert!(start.elapsed() < Duration::from_secs(1));
        assert!(!reader.information().is_renegotiated());
    }
}

/// A write that waits for another key is given up: nothing waits for it, and who reads is given what comes at once. The next
/// one has the key.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_given_up_stops_no_reading() {
    for of_client in [true, false] {
        // When: before the reading half has seen it, in between, and when it has the writer.
        for polls in 0..4 {
            let (one, mut other) = pair(of_client, ALWAYS, ALWAYS).await;
            let (mut reader, mut writer) = one.into_split();
            let (data, mut sent) = (pattern(LONG), 0);
            let start = tokio::time::Instant::now();
            // As much as one key protects.
            let mut received = vec![0; LONG];
            loop {
                let write = writer.write(&data[sent..sent + 10_000]).now_or_never();
                let Some(written) = write else { break };
                let written = written.unwrap();
                let (flushed, read) = tokio::join!(
                    writer.flush(),
                    other.read_exact(&mut received[sent..sent + written])
                );
                flushed.unwrap();
                read.unwrap();
                sent += written;
                assert!(sent < LONG - 10_000, "the key is never worn out");
            }
            for _ in 0..polls {
                assert!(reader.read_u8().now_or_never().is_none());
                if polls == 2 {
                    let write = writer.write(&data[sent..sent + 10_000]).now_or_never();
                    assert!(write.is_none());
                }
            }
            // Nobody writes now.
            for round in 0..3 {
                passes_any(&mut other, &mut reader).await;
                assert_eq!(
                    start.elapsed(),
                    Duration::ZERO,
                    "{of_client}, {polls}, {round}"
                );
            }
            let write = async {
                writer.write_all(&data[sent..]).await.unwrap();
                writer.flush().await.unwrap();
            };
            let read = async { other.read_exact(&mut received[sent..]).await.unwrap() };
            let talk = async { tokio::join!(write, read) };
            tokio::select! {
                _ = soon(talk) => {}
                read = reader.read_u8() => panic!("{read:?}"),
            }
            assert!(received == data);
            assert!(
                start.elapsed() < Duration::from_secs(1),
                "{of_client}, {polls}"
            );
            let one = reader.reunite(writer).unwrap();
            assert!(one.information().is_renegotiated(), "{of_client}, {polls}");
            same(&one, &other);
        }
    }
}

/// The same, and the peer begins a handshake of its own meanwhile: that is declined as by any writing half that nobody polls,
/// and the connection goes on.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_given_up_ends_no_connection() {
    let soon_over = Duration::from_millis(200);
    for of_client in [true, false] {
        let (mut connector, mut acceptor) = wearing(ALWAYS, ALWAYS);
        match of_client {
            true => connector = connector.handshake_timeout(soon_over),
            false => acceptor = acceptor.handshake_timeout(soon_over),
        }
        let (client, server) = connected(&connector, &acceptor).await;
        let (one, mut other) = match of_client {
            true => (client, server),
            false => (server, client),
        };
        let (mut reader, mut writer) = one.into_split();
        let mut sent = 0;
        let mut received = vec![0; 10_000];
        while let Some(written) = writer.write(&pattern(10_000)).now_or_never() {
            let written = written.unwrap();
            let read = other.read_exact(&mut received[..written]);
            let (flushed, read) = tokio::join!(writer.flush(), read);
            flushed.unwrap();
            read.unwrap();
            sent += written;
            assert!(sent < LONG, "the key is never worn out");
        }
        assert!(reader.read_u8().now_or_never().is_none());
        let begin = async {
            let error = other.renegotiate().await.unwrap_err();
            assert!(error.is_renegotiation_refused(), "{error}");
        };
        let decline = async {
            let read = timeout(2 * soon_over, reader.read_u8()).await;
            assert!(read.is_err(), "{of_client}: {read:?}");
            writer.flush().await.unwrap();
        };
        soon(async { tokio::join!(begin, decline) }).await;
        passes_any(&mut other, &mut reader).await;
    }
}

/// With a transport that takes much from `one`, whether the other end reads or not. That does for half a minute not, which is
/// longer than it is waited for, and `begins` another handshake itself or not.
async fn a_late_answer(of_client: bool, begins: bool) {
    const BEFORE: usize = 6 * 16_384;
    let (client, server) = wearing(ALWAYS, ALWAYS);
    let (near, far) = duplex(1024 * 1024);
    let (client, server) = tokio::join!(client.upgrade(near, name()), server.upgrade(far));
    let (mut one, mut other) = match of_client {
        true => (client.unwrap(), server.unwrap()),
        false => (server.unwrap(), client.unwrap()),
    };
    let start = tokio::time::Instant::now();
    let write = async {
        one.write_all(&pattern(LONG)).await.unwrap();
        one.flush().await.unwrap();
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(30));
        for _ in 0..60 {
            one.write_all(b"more").await.unwrap();
            one.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let mut received = vec![0; LONG + 60 * 4];
    let read = async {
        let (before, behind) = received.split_at_mut(BEFORE);
        other.read_exact(before).await.unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        if begins {
            other.renegotiate().await.unwrap();
        }
        other.read_exact(behind).await.unwrap();
    };
    tokio::join!(write, read);
    assert!(received[..LONG] == pattern(LONG) && received[LONG..] == b"more".repeat(60));
    assert!(one.information().is_renegotiated(), "{of_client}");
    same(&one, &other);
    passes(&mut other, &mut one).await;
    passes(&mut one, &mut other).await;
}

/// Who writes and reads nothing answers it: else the peer would end the connection.
#[tokio::test(start_paused = true)]
async fn who_only_writes_sees_a_late_answer() {
    for of_client in [true, false] {
        a_late_answer(of_client, false).await;
    }
}

/// The peer asks before it has seen that it was asked: its HelloRequest and the hello cross.
#[tokio::test(start_paused = true)]
async fn late_requests_that_cross() {
    for of_client in [true, false] {
        a_late_answer(of_client, true).await;
    }
}

/// The peer answers later than a writer waits for its own reading half: from there on a handshake has its usual time.
#[tokio::test(start_paused = true)]
async fn halves_whose_peer_takes_its_time() {
    for of_client in [true, false] {
        let (one, mut other) = pair(of_client, ALWAYS, ALWAYS).await;
        let (mut reader, mut writer) = one.into_split();
        let write = tokio::spawn(async move {
            writer.write_all(&pattern(LONG)).await.unwrap();
            writer.flush().await.unwrap();
            writer
        });
        let read = tokio::spawn(async move {
            // The writer is there already.
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(reader.read_u8().await.unwrap(), 7);
            reader
        });
        let mut received = vec![0; LONG];
        let serve = async {
            let (before, behind) = received.split_at_mut(6 * 16_384);
            other.read_exact(before).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            other.read_exact(behind).await.unwrap();
            other.write_u8(7).await.unwrap();
            other.flush().await.unwrap();
        };
        let ((), write, read) = soon(async { tokio::join!(serve, write, read) }).await;
        assert!(received == pattern(LONG));
        let one = read.unwrap().reunite(write.unwrap()).unwrap();
        assert!(one.information().is_renegotiated());
        same(&one, &other);
    }
}

/// Nobody waits any more for the write whose key is to be replaced, and the halves become one: that has the writer, and
/// goes on.
#[tokio::test(start_paused = true)]
async fn halves_become_one_while_a_key_is_to_be_replaced() {
    for of_client in [true, false] {
        let (one, mut other) = pair(of_client, ALWAYS, ALWAYS).await;
        let (reader, mut writer) = one.into_split();
        let (data, mut written) = (pattern(LONG), 0);
        let mut received = vec![0; LONG];
        let moment = Duration::from_millis(10);
        // Up to the first that waits for something else than the peer.
        while let Ok(taken) = timeout(moment, writer.write(&data[written..])).await {
            let until = written + taken.unwrap();
            let read = other.read_exact(&mut received[written..until]);
            let (flushed, read) = tokio::join!(writer.flush(), read);
            flushed.unwrap();
            read.unwrap();
            written = until;
        }
        assert_eq!(written, 6 * 16_384);
        let mut one = reader.reunite(writer).unwrap();
        assert!(!one.information().is_renegotiated());
        let write = async {
            one.write_all(&data[written..]).await.unwrap();
            one.flush().await.unwrap();
        };
        let read = other.read_exact(&mut received[written..]);
        let ((), read) = soon(async { tokio::join!(write, read) }).await;
        read.unwrap();
        assert!(received == data);
        assert!(one.information().is_renegotiated());
        same(&one, &other);
        passes(&mut other, &mut one).await;
    }
}
