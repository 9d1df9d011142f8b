//! A peer of which nothing is known but its bytes.
//!
//! Both ends take their random bytes from a seed, so that a recorded peer is answered as it was
//! when it was recorded: the seeds lead to connected ends.

use crate::bridge::Bridge;
use crate::end::{End, Ours};
use crate::memory;
use crate::plan::Plan;
use crate::settings::Settings;

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
    let [variant, piece, bytes @ ..] = data else {
        return false;
    };
    let (_, settings) = VARIANTS[usize::from(*variant) % VARIANTS.len()];
    let settings = Settings::new(settings);
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
pub fn recorded(variant: usize) -> [Vec<u8>; 2] {
    let (_, settings) = VARIANTS[variant];
    let settings = Settings::new(settings);
    let plan = Plan::default();
    let ends = (
        Ours::client(&settings, &plan),
        Ours::server(&settings, &plan),
    );
    let mut bridge = Bridge::new(ends.0, ends.1, &plan, settings.fragment());
    bridge.run();
    bridge.given.map(|bytes| {
        let mut seed = vec![variant as u8, 0];
        seed.extend(bytes);
        seed
    })
}
