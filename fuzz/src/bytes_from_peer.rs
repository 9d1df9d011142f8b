//! A peer of which nothing is known but its bytes.
//!
//! Both ends take their random bytes from a seed, so that a recorded peer is answered as it was
//! when it was recorded: the seeds lead to connected ends.

use crate::bridge::Bridge;
use crate::end::{End, Ours};
use crate::memory;
use crate::other::OTHER;
use crate::plan::Plan;
use crate::settings::{OLDER, Settings};

/// Settings whose handshakes repeat byte for byte: no ML-KEM, no ECDSA.
pub const VARIANTS: [(&str, [u8; 8]); 10] = [
    ("default", [0; 8]),
    ("alpn", [0x12, 0, 0x0f, 0, 0, 0, 0, 0]),
    ("client-certificate", [0x24, 0, 0, 6, 0, 0, 0, 0]),
    ("retry-with-cookie", [0, 0x23, 0x10, 0x10, 0, 0, 0, 0]),
    ("questions", [0, 0, 0, 6, 0, 0, 0xff, 0]),
    ("small-records", [0, 0, 0, 0, 0x15, 0, 0, 0]),
    ("padding", [0, 0, 0, 8, 1, 0x89, 0, 0]),
    ("tickets", [0, 0, 0, 0, 0, 0, 0, 0x13]),
    ("resumed", [0, 0, 0, 6, 0, 0, 0, 0x07]),
    (
        "resumed-with-questions",
        [0, 0x23, 0x10, 6, 0, 0, 0xff, 0x17],
    ),
];

/// The same of TLS 1.2; the first byte of an input is then 0xf0 and more.
pub const OLDER_VARIANTS: [(&str, [u8; 8]); 6] = [
    ("older", [0, 0, 0, 0, 0, 0, 0, OLDER]),
    (
        "older-client-certificate",
        [0x24, 0, 0x0f, 6, 0, 0, 0, OLDER],
    ),
    ("older-questions", [0x12, 0, 0, 6, 0, 0, 0xff, 0x13 | OLDER]),
    ("older-small-records", [0, 0, 0, 0, 0x15, 0, 0, OLDER]),
    ("older-resumed", [0, 0, 0, 6, 0, 0, 0, 0x07 | OLDER]),
    ("talked-down", [0, 0, 0, 0, 0, 0, 0, 2 << 5]),
];

/// The first byte of the first of them.
const FIRST_OLDER: u8 = 0xf0;

/// The same of what is no default, each key exchange in some version; the first byte is then 0xd0 and more.
pub const OTHER_VARIANTS: [(&str, [u8; 8]); 13] = [
    ("other-dhe", [1, 0x33, 0, 6, 0, 0, 0, OTHER]),
    ("other-dhe-tls10", [14, 0x33, 0x20, 6, 0, 0, 0, OTHER]),
    ("other-rsa", [2, 0x33, 0, 6, 0, 0, 0, OTHER]),
    ("other-rsa-tls11", [19, 0x33, 0x10, 0, 0, 0, 0, OTHER]),
    ("other-psk", [3, 0x33, 0, 0, 0, 0, 0x0f, OTHER]),
    ("other-ecdhe-psk-tls10", [4, 0x33, 0x20, 0, 0, 0, 0, OTHER]),
    ("other-dhe-psk", [5, 0x33, 0, 0, 0, 0, 0xff, OTHER]),
    ("other-ecdh-anon-tls11", [6, 0x33, 0x10, 0, 0, 4, 0, OTHER]),
    ("other-dh-anon", [7, 0x33, 0, 0, 0, 0, 0, OTHER]),
    ("other-ecdhe-rsa-down", [13, 0x33, 0x30, 6, 0, 0, 0, OTHER]),
    ("other-dhe-psk-rc4", [24, 0x33, 0x20, 0, 0, 0, 0, OTHER]),
    ("other-dhe-resumed", [1, 0x33, 0, 6, 0, 0, 0, 7 | OTHER]),
    (
        "other-psk-resumed-tls10",
        [20, 0x33, 0x20, 0, 0, 0x10, 0, 7 | OTHER],
    ),
];

const FIRST_OTHER: u8 = 0xd0;

/// Every variant, with the byte that chooses it.
pub fn variants() -> impl Iterator<Item = (u8, &'static str, [u8; 8])> {
    let newest = (0..).zip(VARIANTS);
    let older = (FIRST_OLDER..).zip(OLDER_VARIANTS);
    let other = (FIRST_OTHER..).zip(OTHER_VARIANTS);
    newest
        .chain(older)
        .chain(other)
        .map(|(byte, (name, raw))| (byte, name, raw))
}

fn variant(byte: u8) -> [u8; 8] {
    let (variants, at) = match byte {
        FIRST_OLDER.. => (&OLDER_VARIANTS[..], byte - FIRST_OLDER),
        FIRST_OTHER.. => (&OTHER_VARIANTS[..], byte - FIRST_OTHER),
        _ => (&VARIANTS[..], byte),
    };
    variants[usize::from(at) % variants.len()].1
}

/// How much may be held before anything is fed: configuration, keys, states.
const BASE: usize = 48 << 10;

/// Feeds a client.
pub fn client(data: &[u8]) {
    feed(data, Ours::client);
}

/// Feeds a server.
pub fn server(data: &[u8]) {
    feed(data, Ours::server);
}

/// Takes a variant, the length of the pieces, and what the peer sends; whether the end connected.
pub fn feed(data: &[u8], start: fn(&Settings, &Plan) -> Ours) -> bool {
    let [byte, piece, bytes @ ..] = data else {
        return false;
    };
    let settings = Settings::new(variant(*byte));
    let piece = match piece {
        0 => usize::MAX,
        piece => usize::from(*piece),
    };
    let before = memory::held();
    let mut end = start(&settings, &Plan::default());
    end.take_sent();
    let mut fed = 0;
    for bytes in bytes.chunks(piece) {
        end.receive(bytes);
        end.take_sent();
        fed += bytes.len();
        let held = memory::held().saturating_sub(before);
        assert!(held <= BASE + 6 * fed, "{held} bytes are held after {fed}");
    }
    end.eof();
    end.facts().is_some()
}

/// What a client and a server of ours send each other, as seeds for [`server`] and [`client`].
pub fn recorded(byte: u8) -> [Vec<u8>; 2] {
    let settings = Settings::new(variant(byte));
    let plan = Plan::default();
    let ends = (
        Ours::client(&settings, &plan),
        Ours::server(&settings, &plan),
    );
    let mut bridge = Bridge::new(ends.0, ends.1, &plan, settings.fragment());
    bridge.run();
    bridge.given.map(|bytes| {
        let mut seed = vec![byte, 0];
        seed.extend(bytes);
        seed
    })
}
