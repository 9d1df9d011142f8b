//! Writes the committed seeds: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

use std::fs;
use std::path::Path;

use portcullis_core::wire::HandshakeType;
use portcullis_fuzz::bridge::Bridge;
use portcullis_fuzz::bytes_from_peer::{OTHER_VARIANTS, recorded, variants};
use portcullis_fuzz::codec::{CLIENT_SESSION, SERVER_SESSION};
use portcullis_fuzz::end::{Ours, sessions};
use portcullis_fuzz::pki::{Leaf, ROOT, pki};
use portcullis_fuzz::plan::{Flags, Operation, Plan, What};
use portcullis_fuzz::settings::{OLDER, Settings};

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder).expect("the folder can be made");
    fs::write(folder.join(name), bytes).expect("the seed can be written");
}

fn main() {
    for (byte, name, _) in variants() {
        let [to_server, to_client] = recorded(byte);
        write("server", name, &to_server);
        write("client", name, &to_client);
    }
    write(
        "server",
        "http",
        b"\0\0GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    write(
        "server",
        "sslv2",
        &[0, 0, 0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16, 1, 0, 0x80],
    );
    write("client", "alert", &[0, 0, 21, 3, 3, 0, 2, 2, 40]);
    messages();
    plans();
    records();
    certificates();
    proxy_headers();
    proxy_configs();
}

/// The example of the manual, parts of it, and what is wrong in several ways.
fn proxy_configs() {
    let page = include_str!("../../docs/proxy.md");
    let example = page.split("```toml\n").nth(1).expect("there is one");
    let example = example.split("```").next().unwrap_or_default();
    let wrong = example
        .replace("version  = 1", "version = 2")
        .replace("\"10s\"", "10")
        .replace("names = ", "name = ")
        .replace("identity = [\"api\"]", "identity = {}");
    let half = &example[..example.len() / 2];
    let operation = "version = 1\nprocess = { take_over = \"/run/a.sock\", user = \"www\" }\nreload = { watch = \"5s\" }\n\
                     tickets = { file = \"/etc/tickets\" }\nlimits = { connections = 1_000_000 }\n";
    for (name, text) in [
        ("example", example),
        ("wrong", &wrong),
        ("half", half),
        ("operation", operation),
        ("unfinished", "version = 1\n[[listen]]\nname = \"a"),
    ] {
        write("proxy_config", name, text.as_bytes());
    }
}

/// Of both versions: who the client is, the proxy for itself, and what is no header.
fn proxy_headers() {
    let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 220, 4, 1, 187];
    let mut v6 = [0; 36];
    v6[..2].copy_from_slice(&[0x20, 1]);
    v6[15] = 1;
    v6[16..18].copy_from_slice(&[0x20, 1]);
    v6[31..].copy_from_slice(&[2, 0, 1, 255, 255]);
    let with_tlvs = [&v4[..], b"\x01\0\x02h2\x02\0\x09a.example"].concat();
    let unix = [0; 216];
    for (name, command, family, body) in [
        ("v2-tcp4", 0x21, 0x11, &v4[..]),
        ("v2-tcp4-with-tlvs", 0x21, 0x11, &with_tlvs),
        ("v2-tcp6", 0x21, 0x21, &v6),
        ("v2-local", 0x20, 0x00, &[]),
        ("v2-unix", 0x21, 0x31, &unix),
        ("v2-udp4", 0x21, 0x12, &v4),
        ("v2-short", 0x21, 0x11, &v4[..11]),
    ] {
        let head = [command, family, 0, body.len() as u8];
        let header = [b"\r\n\r\n\0\r\nQUIT\n", &head[..], body, b"\x16\x03\x01"].concat();
        write("proxy_header", name, &header);
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    for (name, line) in [
        (
            "v1-tcp4",
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n\u{16}\u{3}",
        ),
        ("v1-tcp6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"),
        ("v1-unknown", "PROXY UNKNOWN\r\n"),
        ("v1-longest", &long),
        ("v1-no-port", "PROXY TCP4 192.0.2.1 198.51.100.2 443\r\n"),
        ("http", "GET / HTTP/1.1\r\n\r\n"),
    ] {
        write("proxy_header", name, line.as_bytes());
    }
}

/// Every message of a handshake with everything in it, and some that we do not send.
fn messages() {
    let rich = [0x00, 0x7f, 0x1f, 0x16, 0x77, 0, 0, 0];
    let plain = [0, 0, 0, 0, 1, 0, 0, 0];
    for (kind, settings) in [("rich", rich), ("plain", plain)] {
        let settings = Settings::new(settings);
        let plan = Plan {
            flags: Flags {
                key_updates: true,
                ..Flags::default()
            },
            ..Plan::default()
        };
        let ends = (
            Ours::client(&settings, &plan),
            Ours::server(&settings, &plan),
        );
        let mut bridge = Bridge::new(ends.0, ends.1, &plan, settings.fragment());
        bridge.run();
        for (writer, who) in ["client", "server"].into_iter().enumerate() {
            for (place, message) in bridge.sent(writer).messages.iter().enumerate() {
                let typ = HandshakeType(message[0]).name().unwrap_or_default();
                let input = [&message[..1], &message[4..]].concat();
                write("codec", &format!("{kind}-{who}-{place}-{typ}"), &input);
                if message[0] == 1 {
                    write("hello_view", &format!("{kind}-{place}"), &message[4..]);
                }
            }
        }
    }
    let ticket = [
        4, 0, 0, 28, 32, 1, 2, 3, 4, 1, 0, 0, 2, 7, 7, 0, 8, 0, 42, 0, 4, 0, 0, 64, 0,
    ];
    write("codec", "NewSessionTicket", &ticket);
    write("codec", "EndOfEarlyData", &[5]);
    write(
        "codec",
        "ImportedIdentity",
        b"\x01\0\x02me\0\x01c\x03\x04\0\x02",
    );
    older_messages();
    for (kind, authentication) in [("anonymous", 0), ("authenticated", 6)] {
        let settings = Settings::new([0, 0, 0, authentication, 0, 0, 0, 0x13]);
        let (of_client, of_server) = sessions(&settings);
        let of_client = [&[CLIENT_SESSION], &of_client[0].to_bytes()[..]].concat();
        let of_server = [&[SERVER_SESSION], &of_server[0].to_bytes()[..]].concat();
        write("codec", &format!("ClientSession-{kind}"), &of_client);
        write("codec", &format!("ServerSession-{kind}"), &of_server);
    }
    write("hello_view", "old", &OLD_HELLO);
    write("hello_view", "grease", &grease_hello());
}

/// The messages of TLS 1.2.
fn older_messages() {
    let share = [&[32][..], &[9; 32]].concat();
    let signed = [&[3, 0, 29][..], &share, &[4, 3, 0, 4, 1, 2, 3, 4]].concat();
    let hinted = [&[0, 4][..], b"hint", &[3, 0, 29], &share].concat();
    let named = [&[0, 8][..], b"identity", &share].concat();
    let bare = [&[3, 0, 29][..], &share, &[0, 4, 1, 2, 3, 4]].concat();
    let number = [&[0, 4][..], &[9; 4]].concat();
    let field = [&number[..], &[0, 1, 2], &number].concat();
    let signed_field = [&field[..], &[4, 1, 0, 4, 1, 2, 3, 4]].concat();
    let hinted_field = [&[0, 0][..], &field].concat();
    let named_number = [&[0, 8][..], b"identity", &number].concat();
    let messages: [(&str, u8, &[u8]); 18] = [
        ("ServerKeyExchange-field", 12, &signed_field),
        ("ServerKeyExchange-hint-and-field", 12, &hinted_field),
        ("ClientKeyExchange-number", 16, &number),
        ("ClientKeyExchange-identity-and-number", 16, &named_number),
        ("HelloRequest", 0, &[]),
        ("ServerHelloDone", 14, &[]),
        ("Certificate", 11, b"\0\0\x0e\0\0\x04leaf\0\0\x04root"),
        ("CertificateStatus", 22, b"\x01\0\0\x04ocsp"),
        (
            "CertificateRequest",
            13,
            b"\x02\x40\x01\0\x04\x04\x03\x04\x01\0\x06\0\x04name",
        ),
        ("ServerKeyExchange", 12, &signed),
        ("ServerKeyExchange-unsaid", 12, &bare),
        ("ServerKeyExchange-hint", 12, b"\0\x04hint"),
        ("ServerKeyExchange-hint-and-share", 12, &hinted),
        ("ClientKeyExchange", 16, &share),
        ("ClientKeyExchange-identity", 16, b"\0\x08identity"),
        ("ClientKeyExchange-identity-and-share", 16, &named),
        ("NewSessionTicket", 4, b"\0\0\x1c\x20\0\x06ticket"),
        ("ServerHello", 2, &old_server_hello()),
    ];
    for (name, typ, body) in messages {
        let input = [&[typ][..], body].concat();
        write("codec", &format!("tls12-{name}"), &input);
    }
}

/// A hello of TLS 1.2 with the extensions that TLS 1.3 does not have.
fn old_server_hello() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([9; 32]);
    hello.extend([0, 0xc0, 0x2b, 0]);
    let extensions = b"\0\x17\0\0\0\x16\0\0\0\x05\0\0\xff\x01\0\x01\0\0\x0b\0\x02\x01\0\0\x23\0\0";
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    hello
}

/// A hello of TLS 1.0 without extensions.
const OLD_HELLO: [u8; 43] = {
    let mut hello = [7; 43];
    hello[0] = 3;
    hello[1] = 1;
    hello[34] = 0;
    hello[35] = 0;
    hello[36] = 4;
    hello[37] = 0;
    hello[38] = 47;
    hello[39] = 0;
    hello[40] = 53;
    hello[41] = 1;
    hello[42] = 0;
    hello
};

/// As browsers send them: GREASE among suites, groups, versions and extensions.
fn grease_hello() -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([9; 32]);
    hello.extend([0, 0, 6, 0x1a, 0x1a, 0x13, 1, 0x13, 2, 1, 0]);
    let extensions = [
        (0x2a2a, &[][..]),
        (0, &[0, 7, 0, 0, 4, b'a', b'.', b'd', b'e']),
        (10, &[0, 6, 0x3a, 0x3a, 0, 29, 0, 23]),
        (11, &[1, 0]),
        (13, &[0, 4, 4, 3, 8, 4]),
        (16, &[0, 3, 2, b'h', b'2']),
        (43, &[4, 0x4a, 0x4a, 3, 4]),
        (51, &[0, 7, 0x3a, 0x3a, 0, 1, 0, 0, 29]),
        (0x5a5a, &[0]),
    ];
    let mut block = Vec::new();
    for (typ, body) in extensions {
        block.extend(u16::to_be_bytes(typ));
        block.extend((body.len() as u16).to_be_bytes());
        block.extend(body);
    }
    hello.extend((block.len() as u16).to_be_bytes());
    hello.extend(block);
    hello
}

/// Each operation once on each writer, with and without repairing what it breaks.
fn plans() {
    let both = |name: &str, plan: &Plan| {
        write("conversation", name, &plan.encode());
        write("differential", name, &plan.encode());
    };
    for (_, name, settings) in variants() {
        let plan = Plan {
            settings,
            ..Plan::default()
        };
        if OTHER_VARIANTS.iter().any(|(other, _)| *other == name) {
            // rustls has none of it.
            write("conversation", &format!("settings-{name}"), &plan.encode());
            continue;
        }
        both(&format!("settings-{name}"), &plan);
    }
    // Ends of TLS 1.3 that share a key, which the server is asked for, as it is and imported.
    for (name, key) in [("shared-key", 4), ("imported-key", 4 | 8)] {
        for (kind, flags, answers) in [
            ("", 0, 0),
            ("-repaired", 1, 0),
            ("-without-answer", 0, 0x10 | 8),
        ] {
            let plan = Plan {
                settings: [0, 0, 0, 0, 0, 0, 0x20, key],
                flags: Flags {
                    repair: flags == 1,
                    ..Flags::default()
                },
                answers,
                ..Plan::default()
            };
            write(
                "conversation",
                &format!("settings-{name}{kind}"),
                &plan.encode(),
            );
        }
    }
    let answers = [
        ("refuse", 0x10),
        ("late", 0x20),
        ("never", 0x30),
        ("otherwise", 0x40),
    ];
    for (name, answers) in answers.into_iter().chain([("cancel", 0x50)]) {
        for question in 0..4 {
            for role in [0, 8] {
                let plan = Plan {
                    settings: [0, 0, 0x0f, 6, 0, 0, 0xff, 0],
                    answers: answers | question | role,
                    ..Plan::default()
                };
                let role = if role == 0 { "client" } else { "server" };
                write(
                    "conversation",
                    &format!("{name}-{role}-{question}"),
                    &plan.encode(),
                );
            }
        }
    }
    for what in What::ALL {
        // The signed share and the first protected message of TLS 1.2, and its hellos.
        for (writer, unit) in [(0, 0), (0, 5), (1, 0), (1, 2)] {
            let operation = Operation {
                what: *what,
                writer,
                unit,
                position: 0x0107,
                value: 1,
            };
            let plan = Plan {
                settings: [0, 0, 0x0f, 6, 0, 0, 0, OLDER],
                flags: Flags {
                    repair: what.is_keyed() && !what.is_legal() && unit != 0,
                    ..Flags::default()
                },
                answers: 0,
                operations: vec![operation],
            };
            both(&format!("older-{what:?}-{writer}-{unit}"), &plan);
        }
        other_plans(*what);
        if what.is_wire() {
            early_data_plans(*what);
        }
        for (writer, unit) in [(0, 0), (1, 3)] {
            let operation = Operation {
                what: *what,
                writer,
                unit,
                position: 0x0107,
                value: 1,
            };
            let plan = Plan {
                settings: [0, 0, 0x0f, 6, 0, 0, 0, 0],
                flags: Flags {
                    repair: what.is_keyed() && !what.is_legal() && unit == 3,
                    key_updates: unit == 3,
                    ..Flags::default()
                },
                answers: 0,
                operations: vec![operation],
            };
            both(&format!("{what:?}-{writer}-{unit}"), &plan);
        }
    }
}

/// One change of a record of early data, and of the server's answer.
fn early_data_plans(what: What) {
    for (writer, unit) in [(0, 3), (1, 1)] {
        let plan = Plan {
            settings: [0, 3, 40, 0, 0, 0, 0, 0],
            flags: Flags {
                early_data: true,
                ..Flags::default()
            },
            answers: 0,
            operations: vec![Operation {
                what,
                writer,
                unit,
                position: 0x0107,
                value: 1,
            }],
        };
        let name = format!("early-{what:?}-{writer}-{unit}");
        write("conversation", &name, &plan.encode());
    }
}

/// One change of some message, of each operation with another three key exchanges.
fn other_plans(what: What) {
    for (at, (writer, unit)) in [(0, 1), (1, 0), (1, 1)].into_iter().enumerate() {
        let mut settings = OTHER_VARIANTS[(what as usize + 5 * at) % OTHER_VARIANTS.len()].1;
        settings[2] = settings[2] & 0x0f | (what as u8 % 4) << 4;
        let plan = Plan {
            settings,
            flags: Flags {
                repair: what.is_keyed() && !what.is_legal() && writer == 1,
                ..Flags::default()
            },
            answers: 0,
            operations: vec![Operation {
                what,
                writer,
                unit,
                position: 0x0107,
                value: 1,
            }],
        };
        let name = format!("other-{what:?}-{writer}-{unit}");
        write("conversation", &name, &plan.encode());
    }
}

fn records() {
    // A suite of each kind: CBC, a stream, and an AEAD of the same versions.
    for (name, suite) in [("cbc", 0), ("triple-des", 11), ("rc4", 12), ("aead", 2)] {
        let script = [
            &[0x60, suite][..],
            b"\x01\x05hello\x01\x05world\x06\x04data\x08\x01",
        ];
        write("record", &format!("other-{name}"), &script.concat());
    }
    // Of TLS 1.1 and 1.0, the MAC first and last; a record of data comes behind what is none, and behind an empty one.
    for (name, suite, what) in [
        ("tls11-cbc", 0, 1),
        ("tls11-cbc-mac-first", 13, 5),
        ("tls10-cbc", 0, 2),
        ("tls10-cbc-mac-first", 13, 6),
        ("tls10-triple-des", 11, 2),
        ("tls10-rc4", 12, 2),
    ] {
        for (end, role) in [("client", 0), ("server", 1)] {
            let script = [
                &[0x70 | role, suite, what][..],
                b"\x01\x05hello\x01\0\x01\x05world\x05\x40\x00\0\x15\0\x02\x01\x5a\x01\x03end",
            ];
            write("record", &format!("{name}-{end}"), &script.concat());
        }
    }
    write(
        "record",
        "data",
        b"\0\x01\x05hello\x01\x05world\x05\x40\x00",
    );
    write(
        "record",
        "key-updates",
        b"\x05\x01\x01a\x02\0\x01\x01b\x02\x01\x01\x01c",
    );
    write("record", "ticket", b"\0\x03\x04tick\x09\x01\x04data");
    write(
        "record",
        "close",
        b"\x04\x01\x02hi\0\x15\0\x02\x01\0\x01\x01x",
    );
    write("record", "warnings", b"\x08\x07\x15\x06\x02\x01\x5a");
    write("record", "empty", b"\0\x07\x17\x27\0");
    write(
        "record",
        "padded",
        b"\x01\0\x17\xff\x03abc\0\x17\x10\x10abcdefghijklmnop",
    );
    write(
        "record",
        "small-limit",
        b"\x02\x01\x10abcdefghijklmnop\x05\x10\0",
    );
    write("record", "flipped", b"\0\x01\x01a\x06\x04data\x08\x01");
    write("record", "raw", b"\0\x04\x08\x17\x03\x03\x00\x03abc");
    write(
        "record",
        "older-data",
        b"\x50\x01\x05hello\x01\x05world\x05\x40\x00",
    );
    write(
        "record",
        "older-hello-request",
        b"\x58\x01\x01a\x00\x16\0\x04\0\0\0\0\x01\x01b",
    );
    write("record", "older-warnings", b"\x55\x07\x15\x06\x02\x01\x5a");
    write(
        "record",
        "older-close",
        b"\x54\x01\x02hi\0\x15\0\x02\x01\0\x01\x01x",
    );
    write("record", "ccs", b"\x04\x04\x06\x14\x03\x03\x00\x01\x01");
}

fn certificates() {
    for (name, leaf) in ["server", "server-p256", "client"]
        .into_iter()
        .zip(pki().leaves())
    {
        let Leaf {
            certificate, key, ..
        } = leaf;
        let der = leaf.certificate_der();
        write(
            "certificate",
            &format!("chain-{name}"),
            &[&[0][..], &der].concat(),
        );
        let length = (der.len() as u16).to_be_bytes();
        let twice = [&[1][..], &length, &der, &length, &der].concat();
        write("certificate", &format!("chain-twice-{name}"), &twice);
        for (kind, verdicts) in [
            ("default", [0xff; 8]),
            ("accept", [0; 8]),
            ("refuse", [0x55; 8]),
            ("mixed", [0x1b, 0xe4, 0x72, 0x8d, 0x36, 0xc9, 0xa5, 0x0f]),
        ] {
            let walk = [&verdicts[..], &length, &der].concat();
            write("walk", &format!("{name}-{kind}"), &walk);
        }
        write(
            "certificate",
            &format!("pkcs8-{name}"),
            &[&[2][..], leaf.key_der().secret_der()].concat(),
        );
        write(
            "certificate",
            &format!("pem-{name}"),
            &[&[4][..], certificate, key].concat(),
        );
        write("pem", name, &[*certificate, key].concat());
        write(
            "certificate",
            &format!("key-pem-{name}"),
            &[&[4][..], key].concat(),
        );
    }
    write("pem", "root", ROOT);
    write(
        "pem",
        "key-on-one-line",
        b"-----BEGIN PRIVATE KEY-----\\n\x01\\n-----END PRIVATE KEY-----",
    );
    write(
        "pem",
        "unknown-label",
        b"-----BEGIN \x01-----\n\x01\n-----END \x01-----\n",
    );
    write("certificate", "roots-pem", &[&[5][..], ROOT].concat());
    // RFC 5915: a P-256 scalar with its public key, out of the PKCS#8 key of the same leaf.
    let pkcs8 = pki().server_p256.key_der();
    let at = pkcs8
        .secret_der()
        .windows(2)
        .rposition(|two| two == [0x30, 0x6b]);
    let sec1 = &pkcs8.secret_der()[at.expect("ECPrivateKey")..];
    write("certificate", "sec1", &[&[3][..], sec1].concat());
}
