//! A stream between its handshake and its end.

mod ends;

use std::io::{ErrorKind, IoSlice};
use std::sync::atomic::Ordering;
use std::time::Duration;

use ends::*;
use portcullis::{EofPolicy, Error};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufWriter, duplex};

#[tokio::test]
async fn data_goes_both_ways_and_information_agrees() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"hello").await.unwrap();
    let mut buf = [0; 5];
    server.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"hello");
    server.write_all(b"world").await.unwrap();
    client.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"world");

    assert_eq!(client.alpn_protocol(), Some(&b"echo"[..]));
    assert_eq!(server.server_name(), Some("localhost"));
    assert_eq!(client.information().version(), version());
    assert_eq!(
        client.information().cipher_suite(),
        server.information().cipher_suite()
    );
    assert_eq!(client.peer_certificates(), &pki().server_chain[..]);
    let (mut ours, mut theirs) = ([0; 32], [0; 32]);
    client
        .export_keying_material(b"label", Some(b"context"), &mut ours)
        .unwrap();
    server
        .export_keying_material(b"label", Some(b"context"), &mut theirs)
        .unwrap();
    assert_eq!(ours, theirs);
    assert!(client.shared_information().client_random() == server.information().client_random());
}

#[tokio::test]
async fn large_transfers_in_every_capacity() {
    let data = pattern(700_000);
    for capacity in [1, 7, 300, 16_000, 70_000, 1_000_000] {
        let data = if capacity < 300 {
            &data[..50_000]
        } else {
            &data[..]
        };
        let (mut client, mut server) = pair_with(capacity).await;
        let send = async {
            client.write_all(data).await.unwrap();
            client.shutdown().await.unwrap();
            let mut back = Vec::new();
            client.read_to_end(&mut back).await.unwrap();
            back
        };
        let echo = async {
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.unwrap();
            server.write_all(&all).await.unwrap();
            server.shutdown().await.unwrap();
            all
        };
        let (back, all) = tokio::join!(send, echo);
        assert!(all == data && back == data, "capacity {capacity}");
    }
}

#[tokio::test]
async fn every_size_of_read_buffer() {
    let data = pattern(100_000);
    for size in [1, 100, 8_192, 16_384, 16_385, 40_000, 200_000] {
        let (mut client, mut server) = pair_with(256 * 1024).await;
        client.write_all(&data).await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        let mut buf = vec![0; size];
        loop {
            match server.read(&mut buf).await.unwrap() {
                0 => break,
                count => all.extend_from_slice(&buf[..count]),
            }
        }
        assert!(all == data, "buffer of {size}");
    }
}

#[tokio::test]
async fn vectored_writes_fill_one_record() {
    let (mut client, mut server) = pair().await;
    assert!(tokio::io::AsyncWrite::is_write_vectored(&client));
    let before = client.statistics().sent.bytes();
    let slices = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two "),
        IoSlice::new(b"three"),
    ];
    assert_eq!(client.write_vectored(&slices).await.unwrap(), 13);
    assert_eq!(
        client.statistics().sent.bytes() - before,
        13 + record_overhead() as u64,
        "one record"
    );
    assert_eq!(&server.recv(0).await.unwrap()[..], b"one two three");

    let many: Vec<&[u8]> = vec![b"ab"; 100];
    client.send(&many).await.unwrap();
    assert_eq!(
        &server.recv(200).await.unwrap()[..],
        "ab".repeat(100).as_bytes()
    );
    client.send(&[]).await.unwrap();
    client.send(&[b""]).await.unwrap();
}

#[tokio::test]
async fn half_close_lets_the_other_direction_go_on() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut all = Vec::new();
    server.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"question");
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"answer");
    let error = client.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(Error::from_io(&error).unwrap().is_closed());
}

#[tokio::test]
async fn truncation_is_an_error_unless_told_otherwise() {
    for policy in [EofPolicy::Strict, EofPolicy::Lenient] {
        let (client, server) = duplex(64 * 1024);
        let tap = Tap::new(server);
        let cut = tap.cut.clone();
        let (mut client, mut server) = pair_over(client, tap).await;
        server.set_eof_policy(policy);
        client.write_all(b"tail").await.unwrap();
        let mut buf = [0; 4];
        server.read_exact(&mut buf).await.unwrap();
        cut.store(true, Ordering::Relaxed);
        let end = server.read(&mut buf).await;
        match policy {
            EofPolicy::Lenient => assert_eq!(end.unwrap(), 0),
            _ => {
                let error = end.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                assert!(Error::from_io(&error).unwrap().is_truncated());
                // The same error for everyone who asks again.
                assert!(server.recv(1).await.unwrap_err().is_truncated());
            }
        }
    }
}

#[tokio::test]
async fn recv_gives_exactly_what_is_asked_for() {
    let (mut client, mut server) = pair().await;
    client.send(&[b"0123456789"]).await.unwrap();
    assert_eq!(&server.recv(4).await.unwrap()[..], b"0123");
    assert_eq!(&server.recv(0).await.unwrap()[..], b"456789");
    client.send(&[b"ab"]).await.unwrap();
    client.send(&[b"cde"]).await.unwrap();
    assert_eq!(&server.recv(5).await.unwrap()[..], b"abcde");

    // What came before the close is not lost.
    client.send(&[b"abc"]).await.unwrap();
    client.shutdown().await.unwrap();
    assert!(server.recv(5).await.unwrap_err().is_closed());
    assert_eq!(&server.recv(0).await.unwrap()[..], b"abc");
    assert!(server.recv(0).await.unwrap_err().is_closed());
    assert!(server.recv(1).await.unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn recv_timeout_keeps_what_came() {
    let (mut client, mut server) = pair().await;
    client.send(&[b"abc"]).await.unwrap();
    let error = server
        .recv_timeout(5, Duration::from_millis(200))
        .await
        .unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(
        &server.recv_timeout(0, Duration::ZERO).await.unwrap()[..],
        b"abc"
    );
    assert!(
        server
            .recv_timeout(0, Duration::ZERO)
            .await
            .unwrap_err()
            .is_timeout()
    );
}

#[tokio::test]
async fn buffered_reading() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"one\ntwo\nrest").await.unwrap();
    client.shutdown().await.unwrap();
    let mut line = String::new();
    server.read_line(&mut line).await.unwrap();
    server.read_line(&mut line).await.unwrap();
    assert_eq!(line, "one\ntwo\n");
    assert_eq!(server.fill_buf().await.unwrap(), b"rest");
    server.consume(4);
    assert_eq!(server.fill_buf().await.unwrap(), b"");
}

#[tokio::test]
async fn a_read_pushes_what_a_write_has_left() {
    // The transport holds what it is given until it is flushed.
    let (client, server) = duplex(64 * 1024);
    let (mut client, mut server) =
        pair_over(BufWriter::with_capacity(100_000, client), server).await;
    client.write_all(b"ping").await.unwrap();
    let echo = async {
        let ping = server.recv(4).await.unwrap();
        server.send(&[&ping]).await.unwrap();
    };
    let (pong, ()) = tokio::join!(client.recv(4), echo);
    assert_eq!(&pong.unwrap()[..], b"ping");

    // The transport takes a part, and the rest is pushed while reading.
    let (mut client, mut server) = pair_with(64).await;
    let data = pattern(5_000);
    let taken = client.write(&data).await.unwrap();
    assert_eq!(taken, data.len());
    assert!(client.statistics().send_pending > 0);
    let echo = async {
        let all = server.recv(5_000).await.unwrap();
        server.send(&[&all]).await.unwrap();
    };
    let (back, ()) = tokio::join!(client.recv(5_000), echo);
    assert_eq!(&back.unwrap()[..], data);
    assert_eq!(client.statistics().send_pending, 0);
}

#[tokio::test]
async fn a_writer_is_woken_when_a_reader_pushed_its_bytes() {
    // Halves of `tokio::io::split` share one stream between two tasks.
    let (client, mut server) = pair_with(64).await;
    let (mut reader, mut writer) = tokio::io::split(client);
    let data = pattern(300_000);
    let expected = data.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&data).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        all
    });
    for _ in 0..30 {
        server.send(&[b"x"]).await.unwrap();
        assert_eq!(server.recv(10_000).await.unwrap().len(), 10_000);
    }
    server.shutdown().await.unwrap();
    writing.await.unwrap();
    assert_eq!(reading.await.unwrap().len(), 30);
    drop(expected);
}

#[tokio::test]
async fn keys_are_updated_both_ways() {
    if no_key_updates().await {
        return;
    }
    let (mut client, mut server) = pair().await;
    for request in [false, true] {
        client.update_keys(request).await.unwrap();
        client.send(&[b"a"]).await.unwrap();
        assert_eq!(&server.recv(1).await.unwrap()[..], b"a");
        server.send(&[b"b"]).await.unwrap();
        assert_eq!(&client.recv(1).await.unwrap()[..], b"b");
    }
    // A stream that only reads answers too.
    client.update_keys(true).await.unwrap();
    let before = server.statistics().sent.operations();
    assert!(now(server.recv(1)).await.is_none());
    assert_eq!(server.statistics().sent.operations(), before + 1);
}

#[tokio::test]
async fn a_forged_record_ends_both_sides_with_an_alert() {
    let (mut client, mut server) = pair().await;
    client
        .get_mut()
        .write_all(&[23, 3, 3, 0, 32])
        .await
        .unwrap();
    client.get_mut().write_all(&[0; 32]).await.unwrap();
    let closing = async {
        let error = client.recv(1).await.unwrap_err();
        client.get_mut().shutdown().await.unwrap();
        error
    };
    let (refused, error) = tokio::join!(server.recv(1), closing);
    let violation = refused.unwrap_err().violation();
    assert_eq!(violation, Some(portcullis::Violation::BadRecordMac));
    assert_eq!(
        error.alert().unwrap(),
        (
            portcullis::Direction::Received,
            portcullis::AlertDescription::BAD_RECORD_MAC
        )
    );
    assert!(server.send(&[b"x"]).await.is_err());
    assert!(client.send(&[b"x"]).await.is_err());
}

#[tokio::test]
async fn statistics_count_the_transport() {
    let (mut client, mut server) = pair().await;
    let (before, there) = (client.statistics().sent, server.statistics().received);
    assert!(before.bytes() > 0 && there.bytes() == before.bytes());
    client.send(&[&[0; 1000]]).await.unwrap();
    server.recv(400).await.unwrap();
    let (sent, received) = (client.statistics().sent, server.statistics().received);
    assert_eq!(
        sent.bytes() - before.bytes(),
        1000 + record_overhead() as u64
    );
    assert_eq!(
        (
            sent.operations() - before.operations(),
            received.operations() - there.operations()
        ),
        (1, 1)
    );
    assert_eq!(server.statistics().receive_pending, 600);
}

#[tokio::test]
async fn drop_says_good_bye() {
    let (mut client, server) = pair().await;
    drop(server);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);

    let (mut client, server) = pair().await;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _server = server;
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert!(
        client.recv(1).await.unwrap_err().is_truncated(),
        "a reply cut short must not look complete"
    );
}

#[tokio::test]
async fn tls_inside_tls() {
    let (outer_client, outer_server) = pair().await;
    let (mut client, mut server) = pair_over(outer_client, outer_server).await;
    let data = pattern(40_000);
    let buffers = [&data[..]];
    let (sent, all) = tokio::join!(client.send(&buffers), server.recv(40_000));
    sent.unwrap();
    assert_eq!(&all.unwrap()[..], data);
    client.shutdown().await.unwrap();
    assert!(server.recv(0).await.unwrap_err().is_closed());
}

/// As many full records as are good for the processor's caches and for the kernel; what is longer
/// takes several calls.
#[tokio::test]
async fn a_call_takes_some_records_and_no_more() {
    const RECORD: usize = 1 << 14;
    let (mut client, mut server) = pair_with(1 << 20).await;
    let data = pattern(10 * RECORD);
    assert_eq!(client.write(&data).await.unwrap(), 4 * RECORD);
    client.write_all(&data[4 * RECORD..]).await.unwrap();
    let mut received = vec![0; 1 << 20];
    assert_eq!(server.read(&mut received).await.unwrap(), 6 * RECORD);
    let rest = server.read(&mut received[6 * RECORD..]).await.unwrap();
    assert_eq!(rest, 4 * RECORD);
    assert_eq!(received[..10 * RECORD], data);
}

#[tokio::test]
async fn an_empty_write_sends_nothing() {
    let (mut client, _server) = pair().await;
    let before = client.statistics();
    assert_eq!(client.write(b"").await.unwrap(), 0);
    client.flush().await.unwrap();
    assert_eq!(client.statistics(), before);
}

#[tokio::test]
async fn a_stream_over_tcp_knows_its_addresses() {
    let (client, server) = tcp_pair().await;
    assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
}

/// While the transport is busy, small writes are taken up to a bound and a large one waits; all
/// of them arrive, in order.
#[tokio::test]
async fn a_busy_transport_gathers_small_writes_within_bounds() {
    const PIPE: usize = 3_000;
    let (mut client, mut server) = pair_with(PIPE).await;
    let data = pattern(200_000);
    let mut taken = 0;
    while let Some(written) = now(client.write(&data[taken..taken + 100])).await {
        taken += written.unwrap();
    }
    let pending = client.statistics().send_pending;
    assert!(pending > 125_000, "only {pending} bytes were gathered");
    assert!(pending < 132_000, "{pending} bytes wait");

    let mut received = vec![0; taken];
    let (flushed, read) = tokio::join!(client.flush(), server.read_exact(&mut received));
    flushed.unwrap();
    read.unwrap();
    assert_eq!(received, data[..taken]);

    // Room for a small write is none for a large one.
    while client.statistics().send_pending == 0 {
        now(client.write(&data[..100])).await.unwrap().unwrap();
    }
    assert!(now(client.write(&data[..5_000])).await.is_none());
    now(client.write(&data[..100])).await.unwrap().unwrap();
}
