//! A live Erlang peer in each mode, both ways, passive and active.

use std::fmt::Write as _;

use portcullis::packet::{Packet, PacketOptions};
use portcullis::{Active, Message};
use portcullis_tests::peers::Settings;
use portcullis_tests::peers::erlang::{self, Session};
use portcullis_tests::pki::pki;

use crate::ours;
use crate::packet_text::{line, text};

/// What is sent both ways in a mode.
struct Talk {
    mode: &'static str,
    packet: Packet,
    /// What `send` gets: in the modes with a length without it.
    sent: &'static [u8],
    /// What comes of it here, and there.
    ours: &'static [&'static str],
    theirs: &'static [&'static str],
}

const HEAD: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: a.b\r\nX-Foo: 1\r\n two\r\n\r\n";
const HEAD_HERE: &[&str] = &[
    "REQUEST GET /index.html 1.1",
    "HEADER 14 Host=a.b",
    "HEADER 0 X-Foo=1\\r\\n two",
    "END",
];

const TALKS: &[Talk] = &[
    Talk {
        mode: "1",
        packet: Packet::Length1,
        sent: b"hello",
        ours: &["hello"],
        theirs: &["<<\"hello\">>"],
    },
    Talk {
        mode: "2",
        packet: Packet::Length2,
        sent: b"",
        ours: &[""],
        theirs: &["<<>>"],
    },
    Talk {
        mode: "4",
        packet: Packet::Length4,
        sent: b"hello",
        ours: &["hello"],
        theirs: &["<<\"hello\">>"],
    },
    Talk {
        mode: "line",
        packet: Packet::Line,
        sent: b"one\ntwo\r\n",
        ours: &["one\\n", "two\\r\\n"],
        theirs: &["<<\"one\\n\">>", "<<\"two\\r\\n\">>"],
    },
    Talk {
        mode: "http_bin",
        packet: Packet::Http,
        sent: HEAD,
        ours: HEAD_HERE,
        theirs: &[
            "{http_request, 'GET', {abs_path, <<\"/index.html\">>}, {1, 1}}",
            "{http_header, 14, 'Host', <<\"Host\">>, <<\"a.b\">>}",
            "{http_header, 0, <<\"X-Foo\">>, <<\"X-Foo\">>, <<\"1\\r\\n two\">>}",
            "http_eoh",
        ],
    },
    Talk {
        mode: "http",
        packet: Packet::Http,
        sent: b"HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\nbad\r\n\r\n",
        ours: &[
            "RESPONSE 1.0 404 Not Found",
            "HEADER 38 Content-Length=3",
            "UNPARSED bad\\r\\n",
            "END",
        ],
        theirs: &[
            "{http_response, {1, 0}, 404, \"Not Found\"}",
            "{http_header, 38, 'Content-Length', \"Content-Length\", \"3\"}",
            "{http_error, \"bad\\r\\n\"}",
            "http_eoh",
        ],
    },
    Talk {
        mode: "httph_bin",
        packet: Packet::HttpHeaders,
        sent: b"host: a.b\r\n\r\n",
        ours: &["HEADER 14 Host(host)=a.b", "END"],
        theirs: &[
            "{http_header, 14, 'Host', <<\"host\">>, <<\"a.b\">>}",
            "http_eoh",
        ],
    },
    Talk {
        mode: "httph",
        packet: Packet::HttpHeaders,
        sent: b"X-Foo: 1\r\n\r\n",
        ours: &["HEADER 0 X-Foo=1", "END"],
        theirs: &["{http_header, 0, \"X-Foo\", \"X-Foo\", \"1\"}", "http_eoh"],
    },
    Talk {
        mode: "asn1",
        packet: Packet::Asn1,
        sent: b"\x30\x03\x02\x01\x05\x04\x02hi",
        ours: &["0\\x03\\x02\\x01\\x05", "\\x04\\x02hi"],
        theirs: &["<<48,3,2,1,5>>", "<<4,2,\"hi\">>"],
    },
    Talk {
        mode: "cdr",
        packet: Packet::Cdr,
        sent: b"GIOP\x01\0\0\x01\0\0\0\x04body",
        ours: &["GIOP\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x04body"],
        theirs: &["<<\"GIOP\",1,0,0,1,0,0,0,4,\"body\">>"],
    },
    Talk {
        mode: "sunrm",
        packet: Packet::SunRm,
        sent: b"\x80\0\0\x04body",
        ours: &["\\x80\\x00\\x00\\x04body"],
        theirs: &["<<128,0,0,4,\"body\">>"],
    },
    Talk {
        mode: "fcgi",
        packet: Packet::Fcgi,
        sent: b"\x01\x06\0\x01\0\x04\x03\0body\0\0\0",
        ours: &["\\x01\\x06\\x00\\x01\\x00\\x04\\x03\\x00body"],
        theirs: &["<<1,6,0,1,0,4,3,0,\"body\">>"],
    },
    Talk {
        mode: "tpkt",
        packet: Packet::Tpkt,
        sent: b"\x03\0\0\x08body",
        ours: &["\\x03\\x00\\x00\\x08body"],
        theirs: &["<<3,0,0,8,\"body\">>"],
    },
    Talk {
        mode: "raw",
        packet: Packet::Raw,
        sent: b"hello",
        ours: &["hello"],
        theirs: &["<<\"hello\">>"],
    },
];

fn binary(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(u8::to_string).collect();
    format!("<<{}>>", bytes.join(","))
}

/// What Erlang does: in each mode it sends and receives, once passive and once active.
fn steps() -> String {
    let mut steps = String::new();
    for talk in TALKS {
        let _ = write!(steps, "{{setopts, [{{packet, {}}}]}}, ", talk.mode);
        for how in ["packet", "message"] {
            let _ = write!(steps, "{{send, {}}}, ", binary(talk.sent));
            for packet in talk.theirs {
                let _ = write!(steps, "{{{how}, {packet}}}, ");
            }
        }
    }
    let header = "{setopts, [{packet, 2}, {header, 2}]}, {send, \"abcde\"}, {packet, [97, 98 | <<\"cde\">>]}, ";
    let long = "{setopts, [{packet, 1}, {header, 0}]}, \
        {send_fails, <<0:2048>>, {badarg, {packet_to_large, 256, 255}}}, {send, \"on\"}, ";
    steps + header + long + "close"
}

async fn talk<S>(stream: portcullis::TlsStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    use futures_util::StreamExt as _;

    let mut packets = stream.into_packets(Packet::Raw);
    for talk in TALKS {
        packets.set_packet(talk.packet);
        for expected in talk.ours {
            let piece = ours::soon(packets.recv()).await;
            let piece = piece.unwrap_or_else(|error| panic!("{}: {error}", talk.mode));
            assert_eq!(text(&piece), *expected, "{}", talk.mode);
        }
        packets.send(&[talk.sent]).await.expect("data");
        let mut active = packets.into_active(Active::True);
        for expected in talk.ours {
            let found = match ours::soon(active.next()).await {
                Some(Message::Data(data)) => data.escape_ascii().to_string(),
                Some(Message::Http(http)) => line(&http),
                other => panic!("{}: {other:?}", talk.mode),
            };
            assert_eq!(found, *expected, "{}", talk.mode);
        }
        packets = active.into_passive();
        packets.send(&[talk.sent]).await.expect("data");
    }
    let apart = PacketOptions::new(Packet::Length2).header(2).expect("two");
    packets.set_packet(apart);
    let piece = ours::soon(packets.recv()).await.expect("a packet");
    assert_eq!(text(&piece), "ab|cde");
    packets.send(&[b"abcde"]).await.expect("data");
    packets.set_packet(Packet::Length1);
    let piece = ours::soon(packets.recv()).await.expect("a packet");
    assert_eq!(text(&piece), "on");
    let end = ours::soon(packets.recv()).await.expect_err("the end");
    assert!(end.is_closed(), "{end}");
}

#[tokio::test]
async fn with_an_erlang_server() {
    let steps = steps();
    let session = Session {
        steps: &steps,
        ..Session::default()
    };
    let settings = Settings::server(&pki().ecdsa_p256);
    let (program, address) = erlang::server_session(&settings, session).await;
    let stream = ours::connect(address, ours::client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    talk(stream).await;
    erlang::finish_session(program).await;
}

#[tokio::test]
async fn with_an_erlang_client() {
    let steps = steps();
    let session = Session {
        steps: &steps,
        ..Session::default()
    };
    let config = ours::server(&pki().ecdsa_p256)
        .build()
        .expect("a configuration");
    let listener = portcullis::TlsListener::bind("127.0.0.1:0", config)
        .await
        .expect("a listener");
    let address = listener.local_addr().expect("an address");
    let program = erlang::client_session(address, &Settings::client(), session);
    let incoming = ours::soon(listener.accept()).await.expect("a client");
    let stream = ours::soon(incoming.handshake()).await;
    talk(stream.unwrap_or_else(|error| panic!("{error}"))).await;
    erlang::finish_session(program).await;
}
