//! Every committed input, on any toolchain: `cargo test --manifest-path fuzz/Cargo.toml`.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_fuzz::bytes_from_peer::{self, variants};
use portcullis_fuzz::difference::{self, EXPLAINED};
use portcullis_fuzz::end::Ours;
use portcullis_fuzz::plan::{MAX_OPERATIONS, Plan, What};
use portcullis_fuzz::{
    certificate, codec, conversation, crl, datagrams, differential, dist_terms, dtls_hello, ech,
    encrypted_key, gates, hello_view, later, ocsp, p12, packets, pem, proxy_config, proxy_header,
    record, renegotiation, sealed, walk,
};

/// The heap is measured: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn each(target: &str, run: impl Fn(&[u8])) {
    let _turn = turn();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("it can be read").path();
        println!("{}", path.display());
        run(&fs::read(path).expect("it can be read"));
        count += 1;
    }
    assert!(count > 3, "{target} has {count} inputs");
}

#[test]
fn certificates() {
    each("certificate", certificate::run);
}

#[test]
fn revocation_lists() {
    each("crl", crl::run);
}

#[test]
fn responses() {
    each("ocsp", ocsp::run);
}

#[test]
fn encrypted_keys() {
    each("encrypted_key", encrypted_key::run);
}

/// Those that are whole have a key and a certificate.
#[test]
fn files_of_pkcs12() {
    each("p12", |data| {
        p12::run(data);
        let (what, file) = data.split_first().expect("a file");
        assert_eq!(p12::reads(file, what % 2 == 1), Some((1, 1)));
        // And what is next to them.
        for at in 0..data.len() {
            let mut other = data.to_vec();
            other[at] ^= 1 << (at % 8);
            p12::run(&other);
            p12::run(&data[..at]);
        }
    });
}

#[test]
fn conversations_over_datagrams() {
    each("dtls_conversation", datagrams::conversation);
}

#[test]
fn gates() {
    each("dtls_gate", datagrams::gate);
}

#[test]
fn gates_of_a_fleet() {
    each("dtls_gates", gates::run);
}

#[test]
fn hellos_over_datagrams() {
    each("dtls_hello", |data| {
        dtls_hello::run(data);
        // And what is next to them.
        for at in 0..data.len() {
            let mut other = data.to_vec();
            other[at] ^= 1 << (at % 8);
            dtls_hello::run(&other);
            dtls_hello::run(&data[..at]);
        }
    });
}

#[test]
fn records_over_datagrams() {
    each("dtls_record", datagrams::record);
}

/// Undisturbed, of every length and with all ids, and then with what nobody has thought of.
#[test]
fn early_data_over_datagrams() {
    let _turn = turn();
    let mut state = 9_u64;
    let mut next = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % bound
    };
    for shape in (0..=0x7f).filter(|shape| shape & 0x0c == 0x0c) {
        datagrams::conversation(&[shape]);
        for _ in 0..8 {
            let script = (0..1 + next(60)).map(|_| next(256) as u8);
            let input: Vec<u8> = std::iter::once(shape).chain(script).collect();
            datagrams::conversation(&input);
        }
    }
}

/// Without a fuzzer: what nobody has thought of.
#[test]
fn datagrams_of_random_bytes() {
    let _turn = turn();
    let mut state = 7_u64;
    let mut next = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % bound
    };
    for _ in 0..300 {
        let input: Vec<u8> = (0..next(60)).map(|_| next(256) as u8).collect();
        datagrams::conversation(&input);
        datagrams::gate(&input);
        datagrams::record(&input);
    }
}

#[test]
fn walks() {
    each("walk", walk::run);
}

#[test]
fn pem_texts() {
    each("pem", pem::run);
}

/// Some are decoded, and some end a decoder that is not protected.
#[test]
fn terms_of_erlangs_distribution() {
    let decoded = std::cell::Cell::new([0, 0]);
    each("dist_terms", |data| {
        let mut counts = decoded.get();
        counts[usize::from(dist_terms::run(data))] += 1;
        decoded.set(counts);
    });
    assert!(decoded.get().iter().all(|count| *count > 5), "{decoded:?}");
}

/// Without a fuzzer: real messages with bytes of a meaning in their places.
#[test]
fn terms_with_changes() {
    const BYTES: &[u8] = b"\x00\x01\x02\x7f\xff\x46MPRXYZabdhijklmnopqstvwx\x83";
    let _turn = turn();
    let mut state = 3_u64;
    let mut next = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % bound
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/dist_terms");
    let mut decoded = 0;
    for entry in fs::read_dir(folder).expect("the corpus is there") {
        let seed = fs::read(entry.expect("it can be read").path()).expect("it can be read");
        for _ in 0..1_000 {
            let mut input = seed.clone();
            for _ in 0..1 + next(4) {
                let at = next(input.len());
                input[at] = BYTES[next(BYTES.len())];
            }
            decoded += usize::from(dist_terms::run(&input));
        }
    }
    assert!(decoded > 500, "{decoded}");
}

#[test]
fn configurations_of_proxies() {
    each("proxy_config", proxy_config::run);
}

#[test]
fn headers_of_proxies() {
    each("proxy_header", proxy_header::run);
}

#[test]
fn encrypted_hellos() {
    each("ech", ech::run);
}

/// What is not changed arrives, in pieces of any length and with a second hello; what is changed is refused by somebody.
#[test]
fn a_server_in_front() {
    let _turn = turn();
    for first in [0x00, 0x06, 0x7f, 0x80, 0x86, 0xff] {
        let went = ech::front(&[first]);
        let whole = ech::Fronted {
            routed: true,
            transparent: true,
            accepted: true,
            refused: false,
        };
        assert_eq!(went, whole, "{first:#x}");
    }
    // Each byte of the client's first, and of the server's.
    let (mut routed, mut accepted, mut refused) = (0, 0, 0);
    for at in (0..700_u16).step_by(7) {
        let [high, low] = at.to_be_bytes();
        for (first, whose) in [(0x7f, 0), (0xff, 0), (0xff, 1)] {
            let went = ech::front(&[first, whose, high, low, 1]);
            routed += u32::from(went.routed);
            accepted += u32::from(went.accepted);
            refused += u32::from(went.refused);
        }
    }
    assert!(routed > 50 && refused > 0, "{routed} {refused}");
    assert!(accepted < routed, "{accepted} of {routed}");
}

#[test]
fn clients() {
    each("client", bytes_from_peer::client);
}

#[test]
fn codecs() {
    each("codec", codec::run);
}

/// Sessions of every kind, and their keys, are among the inputs, and are read.
#[test]
fn sessions_of_every_kind() {
    let _turn = turn();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/codec");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("session-") || name.contains("Session-") {
            let data = fs::read(&path).expect("it can be read");
            assert!(codec::kept(&data), "{name}");
            count += 1;
        }
    }
    assert!(count >= 27, "{count}");
}

#[test]
fn conversations() {
    each("conversation", |data| {
        conversation::run(&Plan::decode(data));
    });
}

/// A plan in which the server asks for a certificate after the handshake, `count` times.
fn asking_later(authentication: u8, count: u8, flags: u8) -> Plan {
    let mut bytes = [0; 10];
    bytes[3] = authentication;
    bytes[5] = (count - 1) << 4;
    bytes[8] = later::MARK | flags;
    Plan::decode(&bytes)
}

/// Who has a certificate shows it each time, who has none says so, while keys are updated, and however bytes come.
#[test]
fn certificates_after_the_handshake() {
    let _turn = turn();
    for count in 1..=4 {
        for flags in [0, 2, 4, 6] {
            // Optional, required and unverified, with a certificate; and without.
            for (authentication, shows) in [(5, true), (6, true), (7, true), (1, false), (3, false)]
            {
                let heard = conversation::heard(&asking_later(authentication, count, flags));
                assert_eq!(heard.requests, usize::from(count));
                let answers = (heard.presented.len(), heard.declined);
                let wanted = match shows {
                    true => (heard.requests, 0),
                    false => (0, heard.requests),
                };
                assert_eq!(answers, wanted, "{authentication} {count} {flags}");
            }
        }
    }
    // Nobody goes on without the one that is required.
    let heard = conversation::heard(&asking_later(2, 2, 0));
    assert_eq!((heard.presented.len(), heard.declined), (0, 0));
}

/// Each message of the answers, changed in every way by somebody who has all keys.
#[test]
fn changed_certificates_after_the_handshake() {
    let _turn = turn();
    let (mut all, mut presented) = (0, 0);
    for what in What::ALL {
        for unit in 0..16 {
            for writer in [0, 1] {
                let mut plan = asking_later(5, 2, 2);
                let (position, value) = (11_000 + 3_000 * unit as u16, 1 + unit as u8);
                plan.operations.push(portcullis_fuzz::plan::Operation {
                    what: *what,
                    writer,
                    unit,
                    position,
                    value,
                });
                let heard = conversation::heard(&plan);
                all += heard.requests;
                presented += heard.presented.len();
            }
        }
    }
    assert!(
        presented > all / 4 && presented < all,
        "{presented} of {all}"
    );
}

#[test]
fn differentials() {
    each("differential", |data| {
        differential::run(&Plan::decode(data))
    });
}

/// The table in the code, the one in the documentation and the cases belong together.
#[test]
fn every_explained_difference_has_its_case() {
    let _turn = turn();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/differential");
    let documentation = include_str!("../../docs/fuzzing.md");
    let mut wrong = Vec::new();
    for explained in EXPLAINED {
        let case = fs::read(folder.join(explained.case())).expect("the case can be read");
        let found = difference::find(&Plan::decode(&case));
        let is_right = found.as_ref().is_some_and(|found| {
            (found.receiver, found.refuses, &found.reason[..])
                == (explained.receiver, explained.refuses, explained.reason)
        });
        if !is_right {
            wrong.push(format!("{}: {found:?}", explained.case()));
        }
        let named = format!("`{}`", explained.reason);
        assert!(
            documentation.contains(&named),
            "{named} is not in the table"
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn views_of_hellos() {
    each("hello_view", hello_view::run);
}

#[test]
fn packets_of_every_mode() {
    each("packets", packets::run);
}

/// Without a fuzzer: bytes of those that have a meaning in some mode.
#[test]
fn packets_of_random_bytes() {
    const BYTES: &[u8] =
        b"\x00\x01\x02\x03\x04\x08\x30\x80\x81\x82\xff\r\n\n\n :/*aHGETIOP.1 HTTP/";
    let mut state = 1_u64;
    let mut next = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % bound
    };
    for _ in 0..50_000 {
        let mut input = vec![next(256) as u8, next(20) as u8, 1 + next(7) as u8];
        for _ in 0..next(80) {
            input.push(BYTES[next(BYTES.len())]);
        }
        packets::run(&input);
    }
}

#[test]
fn records() {
    each("record", |data| {
        record::run(data);
    });
}

/// Nothing of these is damaged: what they say is read to its end.
#[test]
fn records_before_tls_1_2_are_read() {
    let _turn = turn();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/record");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with("tls1") {
            let data = fs::read(&path).expect("it can be read");
            assert_eq!(record::run(&data), 5 + 5 + 0x4000 + 3, "{name}");
            count += 1;
        }
    }
    assert_eq!(count, 12);
}

#[test]
fn renegotiations() {
    each("renegotiation", renegotiation::run);
}

/// Sessions of each side that come out again are among them.
#[test]
fn sealed_sessions() {
    let opened = std::cell::Cell::new([0; 2]);
    each("sealed", |data| {
        let mut counts = opened.get();
        counts[usize::from(data[0] & 1)] += usize::from(sealed::opens(data));
        opened.set(counts);
    });
    assert!(opened.get().iter().all(|count| *count > 1), "{opened:?}");
}

#[test]
fn servers() {
    each("server", bytes_from_peer::server);
}

/// What a peer has said once is answered today as it was then: both ends connect.
#[test]
fn recorded_handshakes_connect() {
    let _turn = turn();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (_, name, _) in variants() {
        let seed =
            |target: &str| fs::read(corpus.join(target).join(name)).expect("the seed can be read");
        // The padding of what RSA encrypts is the library's, and new each time (RFC 8017 §7.2.1).
        let is_new = name.starts_with("other-rsa");
        let connected = (is_new || bytes_from_peer::feed(&seed("client"), Ours::client))
            && bytes_from_peer::feed(&seed("server"), Ours::server);
        assert!(connected, "{name} is out of date: run the example `seeds`");
    }
}

#[test]
fn plans_are_read_as_written() {
    let _turn = turn();
    let mut plan = Plan::decode(&[]);
    assert!(plan.operations.is_empty());
    for (at, what) in What::ALL.iter().take(MAX_OPERATIONS).enumerate() {
        let (position, value) = (at as u16 * 1_000, at as u8);
        plan.operations.push(portcullis_fuzz::plan::Operation {
            what: *what,
            writer: at % 2,
            unit: at % 16,
            position,
            value,
        });
    }
    let again = Plan::decode(&plan.encode());
    assert_eq!(format!("{again:?}"), format!("{plan:?}"));
}
