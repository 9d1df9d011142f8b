//! Packets of a connection: passive and active, with the mode changed on the way, and at the end.

mod ends;
mod packet_text;

use std::time::Duration;

use bytes::Bytes;
use ends::*;
use futures_util::StreamExt as _;
use packet_text::{line, text};
use portcullis::packet::{Packet, PacketError, PacketOptions, Piece};
use portcullis::{Active, ActiveStream, Message, Packets, Source};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn messages<S: Source + Unpin>(active: &mut ActiveStream<S>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(Some(message)) = now(active.next()).await {
        all.push(match message {
            Message::Data(data) => data.escape_ascii().to_string(),
            Message::Split(split) => text(&Piece::Split(split)),
            Message::Http(http) => line(&http),
            Message::Passive => "PASSIVE".to_owned(),
            Message::Closed => "CLOSED".to_owned(),
            Message::Error(error) => match error.packet() {
                Some(PacketError::TooLong { .. }) => "TOO LONG".to_owned(),
                Some(PacketError::Invalid { .. }) => "INVALID".to_owned(),
                Some(PacketError::Unfinished { .. }) => "UNFINISHED".to_owned(),
                _ => format!("ERROR {error}"),
            },
            _ => "?".to_owned(),
        });
    }
    all
}

fn data(bytes: &'static [u8]) -> Piece {
    Piece::Data(Bytes::from_static(bytes))
}

/// What `recv` gives of these writes, each a record of its own, until it waits.
async fn received(options: impl Into<PacketOptions>, writes: &[&[u8]]) -> Vec<String> {
    let (mut client, server) = pair().await;
    for write in writes {
        client.send(&[write]).await.unwrap();
    }
    let mut server = server.into_packets(options);
    let mut all = Vec::new();
    while let Some(piece) = now(server.recv()).await {
        all.push(text(&piece.unwrap()));
    }
    all
}

#[tokio::test]
async fn every_mode_passive_and_active_as_observed_in_erlang() {
    let cases: [(Packet, &[u8], &[&str]); 14] = [
        (Packet::Raw, b"hello", &["hello"]),
        (Packet::Length1, b"\x05hello\x02hi", &["hello", "hi"]),
        (Packet::Length2, b"\0\x05hello\0\x02hi", &["hello", "hi"]),
        (
            Packet::Length4,
            b"\0\0\0\x05hello\0\0\0\0\0\0\0\x02hi",
            &["hello", "", "hi"],
        ),
        (Packet::Line, b"one\ntwo\r\nrest", &["one\\n", "two\\r\\n"]),
        (
            Packet::Http,
            b"GET /index.html HTTP/1.1\r\nHost: a.b\r\nX-Foo: 1\r\n two\r\n\r\nBODY",
            &[
                "REQUEST GET /index.html 1.1",
                "HEADER 14 Host=a.b",
                "HEADER 0 X-Foo=1\\r\\n two",
                "END",
            ],
        ),
        (
            Packet::HttpHeaders,
            b"Host: a.b\r\nX-Foo: 1\r\n\r\nBODY",
            &["HEADER 14 Host=a.b", "HEADER 0 X-Foo=1", "END"],
        ),
        (
            Packet::Asn1,
            b"\x30\x03\x02\x01\x05\x04\x02hi",
            &["0\\x03\\x02\\x01\\x05", "\\x04\\x02hi"],
        ),
        (
            Packet::Cdr,
            b"GIOP\x01\0\0\x01\0\0\0\x04body",
            &["GIOP\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x04body"],
        ),
        (
            Packet::Http,
            b"HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\n\r\nxyz",
            &[
                "RESPONSE 1.0 404 Not Found",
                "HEADER 38 Content-Length=3",
                "END",
            ],
        ),
        (
            Packet::Http,
            b"nonsense\r\n\r\n",
            &["UNPARSED nonsense\\r\\n", "UNPARSED \\r\\n"],
        ),
        (
            Packet::SunRm,
            b"\x80\0\0\x04body",
            &["\\x80\\x00\\x00\\x04body"],
        ),
        (
            Packet::Fcgi,
            b"\x01\x06\0\x01\0\x04\0\0body",
            &["\\x01\\x06\\x00\\x01\\x00\\x04\\x00\\x00body"],
        ),
        (
            Packet::Tpkt,
            b"\x03\0\0\x08body",
            &["\\x03\\x00\\x00\\x08body"],
        ),
    ];
    for (packet, bytes, expected) in cases {
        assert_eq!(received(packet, &[bytes]).await, expected, "{packet}");
        let (mut client, server) = pair().await;
        client.send(&[bytes]).await.unwrap();
        let mut active = server.into_packets(packet).into_active(Active::True);
        assert_eq!(messages(&mut active).await, expected, "{packet}");
    }
}

#[tokio::test]
async fn length_field_split_over_records() {
    let parts: [&[u8]; 5] = [b"\0\0", b"\0", b"\x05he", b"ll", b"o\0\0\0\x02hi"];
    assert_eq!(received(Packet::Length4, &parts).await, ["hello", "hi"]);
    assert_eq!(
        received(Packet::Line, &[b"a", b"b\nc", b"\n"]).await,
        ["ab\\n", "c\\n"]
    );
}

#[tokio::test]
async fn packets_over_many_records_arrive_whole() {
    let (client, server) = pair().await;
    let (mut client, mut server) = (
        client.into_packets(Packet::Length4),
        server.into_packets(Packet::Length4),
    );
    let large: Vec<u8> = (0..1_000_000_u32).map(|index| index as u8).collect();
    let sending = tokio::spawn(async move {
        for part in [0, 1, 65_535, 1_000_000] {
            client.send(&[&large[..part]]).await.unwrap();
        }
        (client, large)
    });
    let mut lengths = Vec::new();
    let mut last = Bytes::new();
    for _ in 0..4 {
        let Piece::Data(packet) = server.recv().await.unwrap() else {
            panic!();
        };
        lengths.push(packet.len());
        last = packet;
    }
    assert_eq!(lengths, [0, 1, 65_535, 1_000_000]);
    let (_client, large) = sending.await.unwrap();
    assert!(last == large);
}

#[tokio::test]
async fn changing_the_mode_loses_no_byte() {
    let (mut client, server) = pair().await;
    client.send(&[b"\x01abc\n\0\0\0\x02hirest"]).await.unwrap();
    let mut server = server.into_packets(Packet::Length1);
    assert_eq!(server.recv().await.unwrap(), data(b"a"));
    server.set_packet(Packet::Line);
    assert_eq!(server.recv().await.unwrap(), data(b"bc\n"));
    server.set_packet(Packet::Length4);
    assert_eq!(server.recv().await.unwrap(), data(b"hi"));
    server.set_packet(Packet::Raw);
    assert_eq!(&server.recv_exact(2).await.unwrap()[..], b"re");
    let mut stream = server.into_inner();
    let mut rest = [0; 2];
    stream.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"st");
}

/// The length is taken off when a packet is delivered, and not before.
#[tokio::test]
async fn prefix_kept_when_mode_changes_mid_packet() {
    let (mut client, server) = pair().await;
    client.send(&[b"\0\0\0\x0apart"]).await.unwrap();
    let mut server = server.into_packets(Packet::Length4);
    assert!(now(server.recv()).await.is_none());
    client.send(&[b"-p"]).await.unwrap();
    assert!(now(server.recv()).await.is_none());
    server.set_packet(Packet::Raw);
    assert_eq!(server.recv().await.unwrap(), data(b"\0\0\0\x0apart-p"));
}

#[tokio::test]
async fn http_body_after_raw() {
    let (mut client, server) = pair().await;
    client
        .send(&[b"POST http://h:81/p HTTP/1.0\r\n\r\nbody"])
        .await
        .unwrap();
    let mut server = server.into_packets(Packet::Http).into_active(Active::Once);
    assert_eq!(
        messages(&mut server).await,
        ["REQUEST POST http(h,Some(81),/p) 1.0"]
    );
    server.set_active(Active::Once).unwrap();
    assert_eq!(messages(&mut server).await, ["END"]);
    server.set_packet(Packet::Raw);
    server.set_active(Active::Once).unwrap();
    assert_eq!(messages(&mut server).await, ["body"]);
}

#[tokio::test]
async fn credits_count_packets_not_records() {
    let (mut client, server) = pair().await;
    client.send(&[b"\x01a\x01b\x01c\0\x01e"]).await.unwrap();
    let mut server = server
        .into_packets(Packet::Length1)
        .into_active(Active::N(2));
    assert_eq!(messages(&mut server).await, ["a", "b", "PASSIVE"]);
    server.set_active(Active::N(2)).unwrap();
    assert_eq!(messages(&mut server).await, ["c", "", "PASSIVE"]);
    // What is left is read by the stream.
    let mut stream = server.into_passive().into_inner();
    assert_eq!(&stream.recv(0).await.unwrap()[..], b"\x01e");
}

/// Without credit the peer is held up, whatever is missing of a packet.
#[tokio::test]
async fn zero_credits_read_nothing_though_a_packet_is_half_there() {
    let (mut client, server) = pair().await;
    client.send(&[b"\x01a\x0ahalf"]).await.unwrap();
    let mut server = server
        .into_packets(Packet::Length1)
        .into_active(Active::N(1));
    assert_eq!(messages(&mut server).await, ["a", "PASSIVE"]);
    let before = server.get_ref().get_ref().statistics().received.bytes();
    client.send(&[&[b'x'; 10_000]]).await.unwrap();
    assert!(messages(&mut server).await.is_empty());
    let after = server.get_ref().get_ref().statistics().received.bytes();
    assert_eq!(before, after);
}

#[tokio::test]
async fn invalid_packet_leaves_writing() {
    let options = PacketOptions::new(Packet::Length4).size(5).unwrap();
    let (mut client, server) = pair().await;
    client
        .send(&[b"\0\0\0\x0512345\0\0\0\x06123456"])
        .await
        .unwrap();
    let mut server = server.into_packets(options);
    assert_eq!(server.recv().await.unwrap(), data(b"12345"));
    for _ in 0..2 {
        let error = server.recv().await.unwrap_err();
        assert!(error.is_invalid_packet(), "{error}");
        assert!(matches!(
            error.packet(),
            Some(PacketError::TooLong {
                len: 6,
                limit: 5,
                ..
            })
        ));
    }
    server.send(&[b"no!"]).await.unwrap();
    assert_eq!(&client.recv(7).await.unwrap()[..], b"\0\0\0\x03no!");
    server.set_packet(Packet::Length4);
    assert_eq!(server.recv().await.unwrap(), data(b"123456"));

    // Active: the packets, then the one terminal message. Passive again, all is there.
    client
        .send(&[b"\0\0\0\x011\0\0\0\x06234567"])
        .await
        .unwrap();
    server.set_packet(options);
    let mut active = server.into_active(Active::True);
    assert_eq!(messages(&mut active).await, ["1", "TOO LONG"]);
    let mut server = active.into_passive();
    server.send(&[b"no!"]).await.unwrap();
    assert_eq!(&server.take_rest()[..], b"\0\0\0\x06234567");
}

#[tokio::test]
async fn the_end_within_a_packet_is_told() {
    let (mut client, server) = pair().await;
    client.send(&[b"\0\0\0\x01a\0\0\0\x0ahalf"]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut server = server.into_packets(Packet::Length4);
    assert_eq!(server.recv().await.unwrap(), data(b"a"));
    let error = server.recv().await.unwrap_err();
    assert!(matches!(
        error.packet(),
        Some(PacketError::Unfinished {
            have: 8,
            needed: 14,
            ..
        })
    ));
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(!error.is_closed() && !error.is_truncated());
    assert_eq!(&server.take_rest()[..], b"\0\0\0\x0ahalf");
    server.set_packet(Packet::Raw);
    assert!(server.recv().await.unwrap_err().is_closed());

    let (mut client, server) = pair().await;
    client.send(&[b"one\nrest"]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut active = server.into_packets(Packet::Line).into_active(Active::True);
    assert_eq!(messages(&mut active).await, ["one\\n", "UNFINISHED"]);
}

#[tokio::test]
async fn last_packet_and_close_notify_in_one_record() {
    let (mut client, server) = pair().await;
    client.send(&[b"\x01a\x01b"]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut active = server
        .into_packets(Packet::Length1)
        .into_active(Active::True);
    assert_eq!(messages(&mut active).await, ["a", "b", "CLOSED"]);
    assert!(active.next().await.is_none());
}

#[tokio::test]
async fn truncation_inside_a_packet_is_truncation() {
    let (mut client, server) = pair().await;
    client.send(&[b"\x01a\x0ahalf"]).await.unwrap();
    drop(client.into_inner());
    let mut server = server.into_packets(Packet::Length1);
    assert_eq!(server.recv().await.unwrap(), data(b"a"));
    assert!(server.recv().await.unwrap_err().is_truncated());
    assert_eq!(&server.take_rest()[..], b"\x0ahalf");
}

#[tokio::test]
async fn sending_adds_the_length() {
    let (mut client, server) = pair().await;
    let mut server = server.into_packets(Packet::Raw);
    for (packet, wire) in [
        (Packet::Raw, &b"ab"[..]),
        (Packet::Length1, b"\x02ab"),
        (Packet::Length2, b"\0\x02ab"),
        (Packet::Length4, b"\0\0\0\x02ab"),
        (Packet::Line, b"ab"),
        (Packet::Http, b"ab"),
        (Packet::HttpHeaders, b"ab"),
        (Packet::Asn1, b"ab"),
        (Packet::Cdr, b"ab"),
        (Packet::SunRm, b"ab"),
        (Packet::Fcgi, b"ab"),
        (Packet::Tpkt, b"ab"),
    ] {
        server.set_packet(packet);
        server.send(&[b"a", b"", b"b"]).await.unwrap();
        assert_eq!(client.recv(0).await.unwrap(), wire, "{packet}");
    }
    // An empty packet is one.
    server.set_packet(Packet::Length2);
    server.send(&[]).await.unwrap();
    server.send(&[b""]).await.unwrap();
    assert_eq!(&client.recv(4).await.unwrap()[..], b"\0\0\0\0");
    // More buffers than go into one call.
    let many: Vec<&[u8]> = vec![b"x"; 100];
    server.send(&many).await.unwrap();
    let mut client = client.into_packets(Packet::Length2);
    let Piece::Data(packet) = client.recv().await.unwrap() else {
        panic!();
    };
    assert_eq!(packet, vec![b'x'; 100]);
}

#[tokio::test]
async fn too_long_to_send_sends_nothing() {
    let (mut client, server) = pair().await;
    let mut server = server.into_packets(Packet::Length1);
    server.send(&[&[b'x'; 255]]).await.unwrap();
    let error = server.send(&[&[b'x'; 256]]).await.unwrap_err();
    assert!(matches!(
        error.packet(),
        Some(PacketError::TooLong {
            len: 256,
            limit: 255,
            ..
        })
    ));
    server.set_packet(Packet::Length2);
    assert!(server.send(&[&[b'x'; 65_536]]).await.is_err());
    server.set_packet(PacketOptions::new(Packet::Length4).size(2).unwrap());
    assert!(server.send(&[b"abc"]).await.is_err());
    server.send(&[b"ok"]).await.unwrap();
    assert_eq!(client.recv(256).await.unwrap()[0], 255);
    assert_eq!(&client.recv(0).await.unwrap()[..], b"\0\0\0\x02ok");
}

#[tokio::test]
async fn dropped_send_cannot_be_followed() {
    let (client, server) = pair().await;
    let mut client = client.into_packets(Packet::Length4);
    let large = vec![0; 8 * 1024 * 1024];
    // The peer does not read.
    assert!(now(client.send(&[&large])).await.is_none());
    let error = client.send(&[b"x"]).await.unwrap_err();
    assert!(matches!(
        error.packet(),
        Some(PacketError::SendInterrupted { missing: 1.. })
    ));
    drop(server);
}

#[tokio::test]
async fn recv_exact_in_packet_mode_is_refused() {
    let (mut client, server) = pair().await;
    client.send(&[b"\x02ab"]).await.unwrap();
    let mut server = server.into_packets(Packet::Length1);
    let error = server.recv_exact(3).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    // Nothing was taken for it.
    assert_eq!(server.recv().await.unwrap(), data(b"ab"));
}

#[tokio::test]
async fn a_timeout_keeps_what_came() {
    let (mut client, server) = pair().await;
    client.send(&[b"\0\0\0\x0apart"]).await.unwrap();
    let mut server = server.into_packets(Packet::Length4);
    let error = server.recv_timeout(Duration::from_millis(10)).await;
    assert!(error.unwrap_err().is_timeout());
    client.send(&[b"-packe"]).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), data(b"part-packe"));
}

#[tokio::test]
async fn bytes_that_are_asked_for_apart() {
    let (mut client, server) = pair().await;
    client.send(&[b"\0\x05abcde\0\x01a"]).await.unwrap();
    let options = PacketOptions::new(Packet::Length2).header(2).unwrap();
    let mut active = server.into_packets(options).into_active(Active::True);
    assert_eq!(messages(&mut active).await, ["ab|cde", "a|"]);
}

#[tokio::test]
async fn packets_over_halves_with_key_updates() {
    let (client, server) = pair().await;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let mut to_server = client_write.into_packets(Packet::Length2);
    let mut from_client = server_read.into_packets(Packet::Length2);
    let mut to_client = server_write.into_packets(Packet::Length2);
    let mut from_server = client_read.into_packets(Packet::Length2);
    for round in 0..10_u8 {
        to_server.send(&[&[round; 3]]).await.unwrap();
        if has_key_updates() {
            to_server.get_mut().update_keys(true).await.unwrap();
        }
        let packet = from_client.recv().await.unwrap();
        assert_eq!(packet, Piece::Data(vec![round; 3].into()));
        to_client.send(&[&[round; 4]]).await.unwrap();
        let packet = from_server.recv().await.unwrap();
        assert_eq!(packet, Piece::Data(vec![round; 4].into()));
    }
    let halves = (from_server.into_inner(), to_server.into_write_half());
    assert!(halves.0.reunite(halves.1).is_ok());
}

/// A record of 16,384 empty packets is as many messages: others have their turn between them.
#[tokio::test(flavor = "current_thread")]
async fn empty_packets_yield_to_others() {
    let (mut client, server) = pair().await;
    client.send(&[&[0; 16_384]]).await.unwrap();
    let mut active = server
        .into_packets(Packet::Length1)
        .into_active(Active::True);
    let other = tokio::spawn(async {});
    let mut before = 0;
    while !other.is_finished() {
        assert!(matches!(active.next().await, Some(Message::Data(_))));
        before += 1;
    }
    assert!(before < 1_000, "{before}");
}

/// Who keeps a few bytes is not to keep a record.
#[tokio::test]
async fn a_kept_piece_keeps_no_record() {
    let (mut client, server) = pair().await;
    client
        .send(&[b"\x05small", b"\xff", &[b'x'; 255], &[0; 10_000]])
        .await
        .unwrap();
    let mut server = server.into_packets(Packet::Length1);
    let Piece::Data(small) = server.recv().await.unwrap() else {
        panic!();
    };
    // Memory of its own can be taken back.
    assert!(small.try_into_mut().is_ok());
}

#[tokio::test]
async fn into_inner_gives_every_byte() {
    let (mut client, server) = pair().await;
    client.send(&[b"\x01a\x0apart"]).await.unwrap();
    client.send(&[b" of it"]).await.unwrap();
    client.send(&[b"last"]).await.unwrap();
    let mut server = server.into_packets(Packet::Length1);
    assert_eq!(server.recv().await.unwrap(), data(b"a"));
    server.set_packet(
        PacketOptions::new(Packet::Length4)
            .unlimited_size()
            .unwrap(),
    );
    assert!(now(server.recv()).await.is_none());
    let mut stream = server.into_inner();
    let mut all = [0; 15];
    stream.read_exact(&mut all).await.unwrap();
    assert_eq!(&all, b"\x0apart of itlast");
}

/// A stream's own plaintext is the beginning of its packets.
#[tokio::test]
async fn what_was_not_read_is_the_first_packet() {
    let (mut client, mut server) = pair().await;
    client.send(&[b"STARTpacket\n"]).await.unwrap();
    let mut start = [0; 5];
    server.read_exact(&mut start).await.unwrap();
    let mut server = server.into_packets(Packet::Line);
    assert_eq!(server.recv().await.unwrap(), data(b"packet\n"));
}

#[cfg(feature = "codec")]
#[tokio::test]
async fn the_codec_does_the_same() {
    use bytes::BytesMut;
    use portcullis::packet::PacketCodec;
    use tokio_util::codec::{Encoder as _, FramedRead};

    let mut wire = BytesMut::new();
    let mut codec = PacketCodec::new(Packet::Length1);
    codec.encode(Bytes::from_static(b"one"), &mut wire).unwrap();
    codec.encode(&b""[..], &mut wire).unwrap();
    assert!(codec.encode(&[0; 256][..], &mut wire).is_err());
    assert_eq!(&wire[..], b"\x03one\0");

    let (mut near, far) = tokio::io::duplex(64);
    let mut far = FramedRead::new(far, PacketCodec::new(Packet::Length1));
    near.write_all(b"\x03one\0\x02a\n\0\x02hi\0").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(far.next().await.unwrap().unwrap(), data(b"one"));
    assert_eq!(far.next().await.unwrap().unwrap(), data(b""));
    assert_eq!(far.next().await.unwrap().unwrap(), data(b"a\n"));
    // What was read is scanned anew when the mode changes.
    far.decoder_mut().set_packet(Packet::Length2);
    assert_eq!(far.next().await.unwrap().unwrap(), data(b"hi"));
    let error = far.next().await.unwrap().unwrap_err();
    assert!(matches!(
        error,
        PacketError::Unfinished {
            have: 1,
            needed: 2,
            ..
        }
    ));
}

/// Records are not packets: before TLS 1.1 one with a byte, or with nothing, goes out in front of each write.
#[tokio::test]
async fn tls12_empty_records_are_no_packets() {
    use portcullis::config::BeastMitigation;
    use portcullis::suite::CipherSuite;
    use portcullis::{
        ClientConfig, PreSharedKey, ProtocolVersion, Roots, ServerConfig, TlsAcceptor, TlsConnector,
    };

    let psk = || PreSharedKey::new("meter-17", [7; 32]).unwrap();
    let suites = [CipherSuite::TLS_PSK_WITH_AES_128_CBC_SHA];
    for mitigation in [BeastMitigation::OneNMinusOne, BeastMitigation::ZeroN] {
        let client = ClientConfig::builder(Roots::empty()).versions([ProtocolVersion::TLS_1_0]);
        let client = client.cipher_suites(suites).psk(psk());
        let client = client.beast_mitigation(mitigation).build().unwrap();
        let server = ServerConfig::builder().versions([ProtocolVersion::TLS_1_0]);
        let server = server.cipher_suites(suites).psk(psk()).build().unwrap();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (client, server) = tokio::join!(
            TlsConnector::new(client).upgrade(near, name()),
            TlsAcceptor::new(server).upgrade(far)
        );
        let (mut client, server) = (client.unwrap(), server.unwrap());
        let mut server = server.into_packets(Packet::Length2);
        for write in [&b"\0\x05hello"[..], b"\0", b"\0", b"\0\x02hi\0\0"] {
            client.send(&[write]).await.unwrap();
        }
        for packet in [&b"hello"[..], b"", b"hi", b""] {
            assert_eq!(now(server.recv()).await.unwrap().unwrap(), data(packet));
        }
        assert!(now(server.recv()).await.is_none());
        client.shutdown().await.unwrap();
        assert!(server.recv().await.unwrap_err().is_closed());
    }
}

#[tokio::test]
async fn hibernates_with_a_half_packet() {
    let (mut client, server) = pair().await;
    let mut server = server.into_packets(Packet::Length2);
    client.send(&[b"\0\x05he"]).await.unwrap();
    assert!(now(server.recv()).await.is_none());
    server.get_mut().hibernate();
    assert!(server.get_ref().is_hibernating());
    assert!(now(server.recv()).await.is_none());
    client.send(&[b"llo\0\x02hi"]).await.unwrap();
    for packet in [b"hello", &b"hi"[..]] {
        assert_eq!(now(server.recv()).await.unwrap().unwrap(), data(packet));
    }
}

/// What is left over has no reader, and keeps nobody from closing in good order.
#[tokio::test]
async fn close_after_unparsed_rest() {
    let soon = Duration::from_secs(5);
    for (packet, rest) in [
        (Packet::Length2, &b"\0\x05he"[..]),
        (Packet::Tpkt, b"\x02no TPKT"),
    ] {
        let (mut client, server) = pair().await;
        let mut server = server.into_packets(packet);
        client.send(&[rest]).await.unwrap();
        let scanned = now(server.recv()).await;
        assert!(scanned.is_none_or(|piece| piece.is_err()));
        let closing = tokio::spawn(client.close(soon));
        server.into_inner().close(soon).await.unwrap();
        closing.await.unwrap().unwrap();
    }
}

/// What a codec has read of the hello that follows goes to the acceptor.
#[cfg(feature = "codec")]
#[tokio::test]
async fn codec_then_upgrade_keeps_the_buffer() {
    use portcullis::packet::PacketCodec;
    use tokio_util::codec::Framed;

    let (near, far) = tokio::io::duplex(64 * 1024);
    let mut far = Framed::new(far, PacketCodec::new(Packet::Line));
    let client = async {
        let mut near = near;
        near.write_all(b"STARTTLS\n").await.unwrap();
        // It waits for no answer.
        connector().upgrade(near, name()).await.unwrap()
    };
    let server = async {
        assert_eq!(far.next().await.unwrap().unwrap(), data(b"STARTTLS\n"));
        let parts = far.into_parts();
        assert!(!parts.read_buf.is_empty());
        let upgrading = acceptor().upgrade_with_prefix(parts.io, parts.read_buf.freeze());
        upgrading.await.unwrap()
    };
    let (mut client, mut server) = tokio::join!(client, server);
    client.send(&[b"ping"]).await.unwrap();
    assert_eq!(&server.recv(4).await.unwrap()[..], b"ping");
}

#[test]
fn idle_packets_are_as_small_as_their_stream() {
    assert!(size_of::<Packets<portcullis::TlsStream<tokio::io::DuplexStream>>>() < 256);
}
