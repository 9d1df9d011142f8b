//! Another handshake on a stream that was split: its halves answer, begin, wait for each other, and are dropped.

use super::*;

/// What was read, and the half that has read it.
type HeardHalf = ([u8; 4], ReadHalf<DuplexStream>);

/// What both halves of the other end do: one task writes much, one reads.
fn working(
    other: Stream,
    data: &[u8],
) -> (JoinHandle<WriteHalf<DuplexStream>>, JoinHandle<HeardHalf>) {
    let (mut reader, mut writer) = other.into_split();
    let data = data.to_vec();
    let write = tokio::spawn(async move {
        writer.write_all(&data).await.unwrap();
        writer.flush().await.unwrap();
        // Also while there is nothing to write.
        let _ = timeout(Duration::from_millis(500), writer.serve()).await;
        writer
    });
    let read = tokio::spawn(async move {
        let mut received = [0; 4];
        reader.read_exact(&mut received).await.unwrap();
        (received, reader)
    });
    (write, read)
}

/// In two tasks, with data under way; the peer begins.
#[tokio::test]
async fn halves_answer() {
    for of_client in [true, false] {
        let (client, server) = pair(ALWAYS, ALWAYS).await;
        let (mut one, other) = match of_client {
            true => (client, server),
            false => (server, client),
        };
        let before = *one.information().client_random();
        let data = pattern(LONG);
        let (write, read) = working(other, &data);
        let begin = async {
            one.renegotiate().await.unwrap();
            one.write_all(b"done").await.unwrap();
            one.flush().await.unwrap();
            let mut received = vec![0; LONG];
            one.read_exact(&mut received).await.unwrap();
            received
        };
        assert!(soon(begin).await == data);
        let mut writer = soon(write).await.unwrap();
        let (received, reader) = soon(read).await.unwrap();
        assert_eq!(&received, b"done");
        assert_ne!(*one.information().client_random(), before);
        for information in [reader.information(), writer.information()] {
            assert_eq!(
                information.client_random(),
                one.information().client_random()
            );
        }
        passes_any(&mut writer, &mut one).await;
        let mut other = reader.reunite(writer).unwrap();
        same(&one, &other);
        passes(&mut one, &mut other).await;
        passes(&mut other, &mut one).await;
    }
}

/// Both are halves, and one begins, again and again, or both at once.
#[tokio::test]
async fn halves_begin() {
    for both in [false, true] {
        let (client, server) = pair(ALWAYS, ALWAYS).await;
        let (mut client_reader, mut client_writer) = client.into_split();
        let (mut server_reader, mut server_writer) = server.into_split();
        for _ in 0..3 {
            let before = *client_reader.information().client_random();
            let done = async {
                let begin = client_reader.renegotiate();
                if both {
                    let (one, other) = tokio::join!(begin, server_reader.renegotiate());
                    one.unwrap();
                    other.unwrap();
                } else {
                    tokio::select! {
                        begun = begin => begun.unwrap(),
                        read = server_reader.read_u8() => panic!("{read:?}"),
                    }
                }
            };
            tokio::select! {
                () = soon(done) => {}
                error = client_writer.serve() => panic!("{error}"),
                error = server_writer.serve() => panic!("{error}"),
            }
            assert_ne!(*client_reader.information().client_random(), before);
            passes_any(&mut client_writer, &mut server_reader).await;
            passes_any(&mut server_writer, &mut client_reader).await;
        }
        let client = client_reader.reunite(client_writer).unwrap();
        same(&client, &server_reader.reunite(server_writer).unwrap());
    }
}

/// In messages.
#[tokio::test]
async fn an_active_half_answers() {
    let (mut client, server) = pair(ALWAYS, ALWAYS).await;
    let (reader, mut writer) = server.into_split();
    let mut reader = reader.into_active(Active::True);
    let begin = async {
        client.write_all(b"one").await.unwrap();
        client.renegotiate().await.unwrap();
        client.write_all(b"two").await.unwrap();
        client.flush().await.unwrap();
    };
    let answer = async {
        for expected in ["one", "two"] {
            let message = reader.next().await.unwrap();
            assert!(matches!(&message, Message::Data(data) if data == expected.as_bytes()));
        }
    };
    tokio::select! {
        ((), ()) = soon(async { tokio::join!(begin, answer) }) => {}
        error = writer.serve() => panic!("{error}"),
    }
    passes_any(&mut writer, &mut client).await;
}

/// Whose writing half nobody polls cannot answer: in the time of a handshake that is declined, and the
/// connection goes on.
#[tokio::test]
async fn a_writing_half_that_is_not_polled() {
    let (connector, acceptor) = ends(ALWAYS, ALWAYS);
    let acceptor = acceptor.handshake_timeout(Duration::from_millis(200));
    let (mut client, server) = connected(&connector, &acceptor).await;
    let (mut reader, mut writer) = server.into_split();
    let begin = async {
        let error = client.renegotiate().await.unwrap_err();
        assert!(error.is_renegotiation_refused(), "{error}");
        client.write_all(b"done").await.unwrap();
        client.flush().await.unwrap();
    };
    let answer = async {
        // Nothing is to be read, and the time passes.
        assert!(
            timeout(Duration::from_millis(400), reader.read_u8())
                .await
                .is_err()
        );
        writer.flush().await.unwrap();
        let mut received = [0; 4];
        reader.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"done");
    };
    soon(async { tokio::join!(begin, answer) }).await;
    passes_any(&mut writer, &mut client).await;
    // Its own request fails likewise.
    let error = soon(reader.renegotiate()).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    passes_any(&mut client, &mut reader).await;
    passes_any(&mut writer, &mut client).await;
}

/// Whose reading half nobody polls does not see the request: its writes go on, and when it reads it answers.
#[tokio::test]
async fn a_reading_half_that_is_not_polled() {
    let (mut client, server) = pair(ALWAYS, ALWAYS).await;
    let (mut reader, mut writer) = server.into_split();
    let begin = async {
        client.renegotiate().await.unwrap();
        client.write_all(b"done").await.unwrap();
        client.flush().await.unwrap();
    };
    let mut received = [0; 4];
    let answer = async {
        for _ in 0..10 {
            writer.write_all(b"more").await.unwrap();
            writer.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::select! {
            read = reader.read_exact(&mut received) => drop(read.unwrap()),
            error = writer.serve() => panic!("{error}"),
        }
    };
    soon(async { tokio::join!(begin, answer) }).await;
    assert_eq!(&received, b"done");
    assert_eq!(client.recv(40).await.unwrap()[..], b"more".repeat(10)[..]);
}

/// The peer begins and falls silent, and nobody polls the reading half any more: what waits to be
/// written does not wait for ever.
#[tokio::test]
async fn a_reading_half_that_is_left_alone_on_the_way() {
    let (connector, acceptor) = ends(ALWAYS, ALWAYS);
    let acceptor = acceptor.handshake_timeout(Duration::from_millis(100));
    let (mut client, server) = connected(&connector, &acceptor).await;
    let (mut reader, mut writer) = server.into_split();
    let mut begin = std::pin::pin!(client.renegotiate());
    // Its hello is out, and no more.
    let begun = timeout(Duration::from_millis(10), begin.as_mut()).await;
    assert!(begun.is_err());
    let met = async {
        tokio::select! {
            read = reader.read_u8() => panic!("{read:?}"),
            error = writer.serve() => panic!("{error}"),
        }
    };
    assert!(timeout(Duration::from_millis(50), met).await.is_err());
    let error = soon(writer.shutdown()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
    // Whoever reads again hears of it.
    assert!(soon(reader.read_u8()).await.is_err());
}

/// The client begins a renegotiation, the halves of the server answer, and then nobody goes on.
async fn begin_and_stop(
    client: &mut Stream,
    reader: &mut ReadHalf<DuplexStream>,
    writer: &mut WriteHalf<DuplexStream>,
) {
    {
        let mut begin = Box::pin(client.renegotiate());
        assert!(futures_util::poll!(&mut begin).is_pending());
    }
    let mut read = Box::pin(reader.read_u8());
    for _ in 0..3 {
        assert!(futures_util::poll!(&mut read).is_pending());
        writer.flush().await.unwrap();
    }
}

#[tokio::test]
async fn a_writing_half_that_is_dropped() {
    // Before: it has said close_notify, so the request is declined without a word.
    let (mut client, server) = pair(ALWAYS, ALWAYS).await;
    let (mut reader, writer) = server.into_split();
    drop(writer);
    let begin = async {
        let error = client.renegotiate().await.unwrap_err();
        assert!(error.is_renegotiation_refused(), "{error}");
        client.write_all(b"done").await.unwrap();
        client.flush().await.unwrap();
    };
    let mut received = [0; 4];
    let answer = async { reader.read_exact(&mut received).await.unwrap() };
    soon(async { tokio::join!(begin, answer) }).await;
    assert_eq!(&received, b"done");
    assert!(soon(reader.renegotiate()).await.is_err());

    // On the way.
    let (mut client, server) = pair(ALWAYS, ALWAYS).await;
    let (mut reader, mut writer) = server.into_split();
    begin_and_stop(&mut client, &mut reader, &mut writer).await;
    drop(writer);
    let error = soon(reader.read_u8()).await.unwrap_err();
    assert!(error.to_string().contains("dropped"), "{error}");
}

#[tokio::test]
async fn a_reading_half_that_is_dropped() {
    let (mut client, server) = pair(ALWAYS, ALWAYS).await;
    let (mut reader, mut writer) = server.into_split();
    begin_and_stop(&mut client, &mut reader, &mut writer).await;
    drop(reader);
    let error = soon(writer.write_all(b"more")).await.unwrap_err();
    assert!(error.to_string().contains("dropped"), "{error}");
    // The peer is told.
    let error = soon(client.recv(1)).await.unwrap_err();
    assert!(
        matches!(error.reason(), Some(Reason::AlertReceived(_))),
        "{error}"
    );
}

/// RFC 8446 §4.1.2; and halves of a stream that may not.
#[tokio::test]
async fn halves_that_may_not_say_so_at_once() {
    let (client, _server) = ends::pair().await;
    let (mut reader, _writer) = client.into_split();
    let error = soon(reader.renegotiate()).await.unwrap_err();
    assert!(error.to_string().contains("TLS 1.3 has no renegotiation"));

    let (client, mut server) = pair(Renegotiation::Decline, ALWAYS).await;
    let (mut reader, mut writer) = client.into_split();
    let error = soon(reader.renegotiate()).await.unwrap_err();
    assert!(matches!(error.reason(), Some(Reason::Misuse(_))), "{error}");
    let begin = async {
        let error = server.renegotiate().await.unwrap_err();
        assert!(error.is_renegotiation_refused(), "{error}");
    };
    tokio::select! {
        () = soon(begin) => {}
        read = reader.read_u8() => panic!("{read:?}"),
        error = writer.serve() => panic!("{error}"),
    }
}
