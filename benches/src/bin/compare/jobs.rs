//! The cases.

use portcullis_benches::job::{Case, Choice, Group, Job, Leaf, Resumed, Suite, Transport, Version};

/// Every case with its name.
pub(crate) fn jobs() -> Vec<(String, Job)> {
    let choice = Choice::default();
    let tls12 = Choice {
        version: Version::Tls12,
        ..choice
    };
    let mut jobs = Vec::new();
    let mut add = |name: &str, case, transport, choice| {
        jobs.push((
            name.to_owned(),
            Job {
                case,
                transport,
                choice,
            },
        ));
    };
    let (duplex, tcp) = (Transport::Duplex, Transport::Tcp);
    for (name, choice) in [
        ("P-256, X25519", choice),
        (
            "P-256, X25519, chain seen before",
            Choice {
                remember_chains: true,
                ..choice
            },
        ),
        (
            "P-256, X25519MLKEM768",
            Choice {
                group: Group::X25519Mlkem768,
                ..choice
            },
        ),
        (
            "RSA-2048, X25519",
            Choice {
                leaf: Leaf::Rsa2048,
                ..choice
            },
        ),
        (
            "P-256, X25519, mutual",
            Choice {
                mutual: true,
                ..choice
            },
        ),
        (
            "resumed, X25519",
            Choice {
                resumed: Resumed::Ticket,
                remember_chains: true,
                ..choice
            },
        ),
        ("TLS 1.2, P-256, X25519", tls12),
        (
            "TLS 1.2, RSA-2048, X25519",
            Choice {
                leaf: Leaf::Rsa2048,
                ..tls12
            },
        ),
        (
            "TLS 1.2, resumed by a ticket",
            Choice {
                resumed: Resumed::Ticket,
                remember_chains: true,
                ..tls12
            },
        ),
        (
            "TLS 1.2, resumed by an id",
            Choice {
                resumed: Resumed::Id,
                remember_chains: true,
                ..tls12
            },
        ),
    ] {
        add(
            &format!("handshake {name}"),
            Case::Handshake,
            duplex,
            choice,
        );
    }
    add("handshake P-256, X25519, TCP", Case::Handshake, tcp, choice);
    let kib = 1024;
    for (name, transport) in [("duplex", duplex), ("TCP", tcp)] {
        for (size, write) in [
            ("16 KiB", 16 * kib),
            ("64 KiB", 64 * kib),
            ("1 MiB", kib * kib),
        ] {
            for suite in [Suite::Aes128Gcm, Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
                add(
                    &format!("bulk {suite:?}, {size}, {name}"),
                    Case::Bulk { write },
                    transport,
                    Choice { suite, ..choice },
                );
            }
        }
    }
    for suite in [Suite::Aes128Gcm, Suite::Aes128CbcSha256] {
        add(
            &format!("bulk TLS 1.2 {suite:?}, 64 KiB, duplex"),
            Case::Bulk { write: 64 * kib },
            duplex,
            Choice { suite, ..tls12 },
        );
    }
    let one_thread = Transport::TcpOneThread;
    for (size, write) in [("16 KiB", 16 * kib), ("64 KiB", 64 * kib)] {
        add(
            &format!("bulk Aes128Gcm, {size}, TCP, one thread"),
            Case::Bulk { write },
            one_thread,
            choice,
        );
    }
    let write = 64 * kib;
    for (name, transport) in [
        ("duplex", duplex),
        ("TCP", tcp),
        ("TCP, one thread", one_thread),
    ] {
        add(
            &format!("full duplex, 64 KiB, {name}"),
            Case::FullDuplex { write },
            transport,
            choice,
        );
    }
    for (name, transport) in [
        ("duplex", duplex),
        ("TCP", tcp),
        ("TCP, one thread", one_thread),
    ] {
        add(
            &format!("ping-pong 64 B, {name}"),
            Case::PingPong,
            transport,
            choice,
        );
        add(
            &format!("1,000 writes of 100 B, {name}"),
            Case::SmallWrites { write: 100 },
            transport,
            choice,
        );
    }
    jobs
}
