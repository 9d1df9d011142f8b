//! What decodes is encoded again byte for byte.

use portcullis_core::wire::{HandshakeType, round_trip};

/// Takes a handshake type and a body.
pub fn run(data: &[u8]) {
    if let Some((&msg_type, body)) = data.split_first() {
        assert!(round_trip(HandshakeType(msg_type), body));
    }
}
