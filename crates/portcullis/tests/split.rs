//! Halves of a connection in two tasks.

mod ends;

use std::time::Duration;

use ends::*;
use portcullis::{AlertDescription, Direction};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halves_run_in_parallel_with_key_updates_both_ways() {
    let (client, server) = tcp_pair().await;
    let data = pattern(2_000_000);
    let side = |stream: portcullis::TlsStream<tokio::net::TcpStream>, data: Vec<u8>| async move {
        let (mut reader, mut writer) = stream.into_split();
        let expected = data.clone();
        let writing = tokio::spawn(async move {
            for (index, part) in data.chunks(50_000).enumerate() {
                if index % 5 == 0 && has_key_updates() {
                    writer.update_keys(index % 2 == 0).await.unwrap();
                }
                writer.send(&[part]).await.unwrap();
            }
            writer.shutdown().await.unwrap();
            writer
        });
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            (reader, all)
        });
        let (writer, (reader, all)) = (writing.await.unwrap(), reading.await.unwrap());
        assert!(all == expected);
        reader.reunite(writer).unwrap()
    };
    let (client, server) = tokio::join!(side(client, data.clone()), side(server, data));
    assert_eq!(client.alpn_protocol(), server.alpn_protocol());
}

#[tokio::test]
async fn a_key_update_is_answered_with_the_next_write_or_flush() {
    if no_key_updates().await {
        return;
    }
    let (mut client, server) = pair().await;
    let (mut reader, mut writer) = server.into_split();
    client.update_keys(true).await.unwrap();
    assert!(now(reader.recv(1)).await.is_none());
    let before = writer.sent().operations();
    writer.flush().await.unwrap();
    assert_eq!(writer.sent().operations(), before + 1);
    writer.flush().await.unwrap();
    assert_eq!(writer.sent().operations(), before + 1);
    assert!(now(client.recv(1)).await.is_none());
    // Under the new keys, both ways.
    writer.send(&[b"x"]).await.unwrap();
    assert_eq!(&client.recv(1).await.unwrap()[..], b"x");
    client.send(&[b"y"]).await.unwrap();
    assert_eq!(&reader.recv(1).await.unwrap()[..], b"y");
}

#[tokio::test]
async fn serve_sends_what_the_reader_leaves() {
    let (mut client, server) = pair().await;
    let (mut reader, mut writer) = server.into_split();
    let serving = tokio::spawn(async move { writer.serve().await });
    let reading = tokio::spawn(async move { reader.recv(1).await });
    tokio::task::yield_now().await;
    // A record that does not open: the alert goes out although nobody writes.
    client
        .get_mut()
        .write_all(&[23, 3, 3, 0, 32])
        .await
        .unwrap();
    client.get_mut().write_all(&[0; 32]).await.unwrap();
    assert_eq!(
        reading.await.unwrap().unwrap_err().alert(),
        Some((Direction::Sent, AlertDescription::BAD_RECORD_MAC))
    );
    let error = client.recv(1).await.unwrap_err();
    assert_eq!(
        error.alert(),
        Some((Direction::Received, AlertDescription::BAD_RECORD_MAC))
    );
    assert!(serving.await.unwrap().violation().is_some());
}

#[tokio::test]
async fn a_dropped_writer_closes_and_the_reader_goes_on() {
    let (mut client, server) = tcp_pair().await;
    let (mut reader, writer) = server.into_split();
    drop(writer);
    assert!(client.recv(1).await.unwrap_err().is_closed());
    client.send(&[b"still there"]).await.unwrap();
    assert_eq!(&reader.recv(11).await.unwrap()[..], b"still there");
    client.close(Duration::from_secs(1)).await.unwrap();
    assert!(reader.recv(1).await.unwrap_err().is_closed());
}

#[tokio::test]
async fn only_halves_of_one_connection_are_reunited() {
    let (client, server) = pair().await;
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    let halves = client_reader.reunite(server_writer).unwrap_err().0;
    let (client_reader, server_writer) = *halves;
    let mut client = client_reader.reunite(client_writer).unwrap();
    let mut server = server_reader.reunite(server_writer).unwrap();
    client.send(&[b"whole again"]).await.unwrap();
    assert_eq!(&server.recv(11).await.unwrap()[..], b"whole again");
}

#[tokio::test]
async fn nested_halves() {
    let (outer_client, outer_server) = tcp_pair().await;
    let (client, server) = pair_over(outer_client, outer_server).await;
    let (mut from_server, mut to_server) = client.into_split();
    let (mut from_client, mut to_client) = server.into_split();
    let (a, b) = tokio::join!(to_server.send(&[b"ping"]), from_client.recv(4));
    a.unwrap();
    assert_eq!(&b.unwrap()[..], b"ping");
    to_client.send(&[b"pong"]).await.unwrap();
    assert_eq!(&from_server.recv(4).await.unwrap()[..], b"pong");
}

#[tokio::test]
#[cfg(unix)]
async fn halves_over_unix_sockets() {
    let (client, server) = tokio::net::UnixStream::pair().unwrap();
    let (client, server) = pair_over(client, server).await;
    let (_reader, mut writer) = client.into_split();
    let (mut reader, _writer) = server.into_split();
    writer.send(&[b"unix"]).await.unwrap();
    assert_eq!(&reader.recv(4).await.unwrap()[..], b"unix");
}

/// Both halves have the descriptor of the connection, over TCP and over Unix sockets.
#[cfg(unix)]
#[tokio::test]
async fn descriptors_of_halves() {
    use std::os::fd::{AsFd, AsRawFd};

    fn same(descriptor: i32, reader: &(impl AsFd + AsRawFd), writer: &(impl AsFd + AsRawFd)) {
        assert_eq!([reader.as_raw_fd(), writer.as_raw_fd()], [descriptor; 2]);
        let borrowed = [reader.as_fd(), writer.as_fd()];
        assert_eq!(borrowed.map(|fd| fd.as_raw_fd()), [descriptor; 2]);
    }
    let (client, _server) = tcp_pair().await;
    let descriptor = client.as_raw_fd();
    let (reader, writer) = client.into_split();
    same(descriptor, &reader, &writer);
    let (client, server) = tokio::net::UnixStream::pair().unwrap();
    let (client, _server) = pair_over(client, server).await;
    let descriptor = client.as_raw_fd();
    let (reader, writer) = client.into_split();
    same(descriptor, &reader, &writer);
}

#[tokio::test]
async fn serving_ends_with_the_own_shutdown() {
    let (client, _server) = tcp_pair().await;
    let (_reader, mut writer) = client.into_split();
    writer.shutdown().await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), writer.serve()).await;
    assert!(ended.unwrap().is_closed());
}

/// A transport that has no halves of its own.
#[tokio::test]
async fn halves_of_any_transport_by_a_lock() {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let client = Tap::new(client);
    let seen = client.seen.clone();
    let (client, mut server) = pair_over(client, server).await;
    let (mut reader, mut writer) = client.split_with_lock();
    let reading = tokio::spawn(async move { (reader.recv(5).await, reader) });
    writer.send(&[b"hello"]).await.unwrap();
    assert_eq!(&server.recv(5).await.unwrap()[..], b"hello");
    server.send(&[b"world"]).await.unwrap();
    let (word, reader) = reading.await.unwrap();
    assert_eq!(&word.unwrap()[..], b"world");
    let whole = reader.reunite(writer).unwrap();
    assert!(whole.get_ref().get_ref().seen.lock().unwrap().len() > 5);
    assert!(!seen.lock().unwrap().is_empty());
}

/// Whoever reads nothing any more does not hold the peer up, and hears its alert.
#[tokio::test]
async fn a_read_side_that_is_shut_down_does_not_stop_the_peer() {
    let (mut client, server) = pair().await;
    let (read, mut write) = server.into_split();
    let reading = tokio::spawn(read.shutdown_read());
    // More than all buffers hold.
    let megabyte = vec![0; 1024 * 1024];
    for _ in 0..4 {
        client.send(&[&megabyte]).await.unwrap();
    }
    if has_key_updates() {
        client.update_keys(true).await.unwrap();
    }
    write.send(&[b"still written"]).await.unwrap();
    assert_eq!(&client.recv(0).await.unwrap()[..], b"still written");
    client.shutdown().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
