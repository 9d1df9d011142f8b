//! Encrypted ClientHello: configurations from DNS, and inner hellos as a client has encrypted them.

use portcullis_core::ech::{EchConfigList, reconstruct};
use portcullis_core::wire::HandshakeType;
use portcullis_core::wire::codec::Cursor;
use portcullis_core::wire::list::{Element, List};
use portcullis_core::wire::{EchConfigEntry, round_trip};

/// An odd first byte: a list of configurations. An even one: the length of an outer hello in two bytes, the hello, and what
/// was in it.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 2 {
        1 => config_list(rest),
        _ => inner(rest),
    }
}

fn config_list(bytes: &[u8]) {
    let Ok(list) = EchConfigList::from_bytes(bytes) else {
        return;
    };
    assert_eq!(list.as_bytes(), bytes);
    let _ = (list.is_usable(), list.to_string(), format!("{list:?}"));
    assert!(list.public_names().count() <= bytes.len());
    let entries = List::<EchConfigEntry<'_>>::decode_non_empty(&bytes[2..]).expect("it was read");
    let mut again = Vec::new();
    for entry in entries {
        entry.put(&mut again);
        if let Some(contents) = entry.known() {
            let mut written = Vec::new();
            contents.expect("it was read").encode(&mut written);
            assert_eq!(written, entry.contents);
        }
    }
    assert_eq!(again, bytes[2..]);
}

fn inner(bytes: &[u8]) {
    let mut cursor = Cursor::new(bytes);
    let Ok(outer) = cursor.vec16() else {
        return;
    };
    let encoded = cursor.rest();
    if let Ok(Ok(message)) = reconstruct(outer, encoded) {
        // Each extension of the outer hello is there once at most.
        assert!(message.len() <= outer.len() + encoded.len() + 4);
        assert!(round_trip(HandshakeType::CLIENT_HELLO, &message[4..]));
    }
}
