//! Encrypted ClientHello: configurations from DNS, inner hellos as a client has encrypted them, and a server in front
//! between a client and the server behind.

use std::sync::OnceLock;

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::ech::{
    EchConfigList, EchKey, EchKeys, EchStatus, reconstruct, reconstruct_of_datagrams,
};
use portcullis_core::wire::HandshakeType;
use portcullis_core::wire::codec::Cursor;
use portcullis_core::wire::list::{Element, List};
use portcullis_core::wire::{EchConfigEntry, round_trip};
use portcullis_core::{EchFront, FrontStep, Handshake, NamedGroup, Step};

use crate::pki::{NOW, name, pki};

/// An odd first byte: a list of configurations. One that four divides: the length of an outer hello in two bytes, the hello,
/// and what was in it; over datagrams, if eight does not divide it. Another even one: a server in front.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        1 | 3 => config_list(rest),
        2 => drop(front(rest)),
        _ => inner(rest, kind & 4 != 0),
    }
}

/// How a conversation through a server in front went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fronted {
    /// The hello was decrypted.
    pub routed: bool,
    /// Both directions are passed on as they are.
    pub transparent: bool,
    /// The client is connected, with an encrypted hello.
    pub accepted: bool,
    /// The client has broken a rule.
    pub refused: bool,
}

/// A byte: in pieces of which length bytes come, and, by its highest bit, whether another share is asked for. Then
/// changes of four bytes: whose bytes, where among all that it sends, and what is added there.
pub fn front(bytes: &[u8]) -> Fronted {
    let (first, changes) = bytes.split_first().unwrap_or((&0x7f, &[]));
    let group = match first & 0x80 {
        0 => NamedGroup::X25519,
        // The client has it, and no share of it.
        _ => NamedGroup::SECP384R1,
    };
    let (keys, list) = keys();
    let client = ClientConfig::builder(pki().roots.clone())
        .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
        .ech(list.clone());
    let backend = ServerConfig::builder()
        .identity(pki().server.identity.clone())
        .groups([group])
        .ech_backend(true);
    let client = client.build().expect("a client");
    let backend = backend.build().expect("a server");
    let client = Handshake::client_resuming_seeded(client, name(), Vec::new(), NOW, 1);
    let mut client = client.expect("a client can always start");
    let mut backend = Handshake::server_seeded(backend, 2);
    let mut front = EchFront::new(keys.clone());
    let mut went = Fronted::default();
    let piece = usize::from(first & 0x7f) + 1;
    let (mut of_client, mut of_backend) = (0, 0);
    let (mut to_client, mut to_backend) = (0, 0);
    loop {
        let said = changed(drive(&mut client), &mut of_client, changes, 0);
        let answered = changed(drive(&mut backend), &mut of_backend, changes, 1);
        if said.is_empty() && answered.is_empty() {
            break;
        }
        if went.transparent {
            backend.receive(&said, NOW);
            client.receive(&answered, NOW);
            continue;
        }
        for (bytes, is_client) in said
            .chunks(piece)
            .map(|bytes| (bytes, true))
            .chain(answered.chunks(piece).map(|bytes| (bytes, false)))
        {
            match is_client {
                // What comes too late for the front is for who is at the other end.
                _ if went.transparent && is_client => backend.receive(bytes, NOW),
                _ if went.transparent => client.receive(bytes, NOW),
                true => front.receive_client(bytes),
                false => front.receive_backend(bytes),
            }
            while !went.transparent {
                match front.poll() {
                    Ok(FrontStep::Wait) => break,
                    Ok(FrontStep::Routed(hello)) => {
                        assert!(!went.routed, "once");
                        assert!(hello.server_name().is_some());
                        went.routed = true;
                    }
                    Ok(FrontStep::NotOurs(received)) => {
                        assert!(!went.routed && received.len() <= of_client);
                        return went;
                    }
                    Ok(FrontStep::ToBackend(bytes)) => {
                        assert!(went.routed && !bytes.is_empty());
                        to_backend += bytes.len();
                        backend.receive(&bytes, NOW);
                    }
                    Ok(FrontStep::ToClient(bytes)) => {
                        assert!(went.routed && !bytes.is_empty());
                        to_client += bytes.len();
                        client.receive(&bytes, NOW);
                    }
                    Ok(FrontStep::Transparent) => went.transparent = true,
                    Ok(step) => panic!("an unknown step: {step:?}"),
                    Err(error) => {
                        assert!(went.routed, "{error:?}");
                        assert!(!format!("{error:?}").contains("Misuse("), "{error:?}");
                        went.refused = true;
                        return went;
                    }
                }
            }
            // An inner hello is no longer than the outer one that it was in, but for the headers of its records.
            assert!(to_backend <= of_client + 64, "{to_backend} of {of_client}");
            assert!(to_client <= of_backend, "{to_client} of {of_backend}");
        }
    }
    if let Ok(connection) = client.into_connection() {
        went.accepted = connection.information.ech() == EchStatus::Accepted;
        assert!(went.accepted, "no client is connected without");
    }
    went
}

pub(crate) fn keys() -> &'static (EchKeys, EchConfigList) {
    static KEYS: OnceLock<(EchKeys, EchConfigList)> = OnceLock::new();
    KEYS.get_or_init(|| {
        let made = EchKey::builder("public.example").config_id(1).generate();
        let (key, _) = made.expect("a key");
        let list = key.config_list();
        (EchKeys::new(vec![key]).expect("keys"), list)
    })
}

/// What an end sends next, all its questions answered as configured.
fn drive(end: &mut Handshake) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        match end.poll() {
            Ok(Step::Transmit(bytes)) => sent.extend_from_slice(&bytes),
            Ok(Step::Ask(question)) => {
                let answer = question.default_answer();
                end.answer(answer, NOW).expect("it is of this question");
            }
            Ok(Step::Event(_)) => {}
            _ => return sent,
        }
    }
}

/// With the changes that are in these bytes, which are behind others.
fn changed(mut bytes: Vec<u8>, before: &mut usize, changes: &[u8], whose: u8) -> Vec<u8> {
    for change in changes.chunks_exact(4) {
        let at = usize::from(u16::from_be_bytes([change[1], change[2]]));
        let at = at.checked_sub(*before).filter(|_| change[0] & 1 == whose);
        if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
            *byte = byte.wrapping_add(change[3]);
        }
    }
    *before += bytes.len();
    bytes
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

fn inner(bytes: &[u8], is_of_datagrams: bool) {
    let mut cursor = Cursor::new(bytes);
    let Ok(outer) = cursor.vec16() else {
        return;
    };
    let encoded = cursor.rest();
    let reconstructed = match is_of_datagrams {
        false => reconstruct(outer, encoded),
        true => reconstruct_of_datagrams(outer, encoded),
    };
    if let Ok(Ok(message)) = reconstructed {
        // Each extension of the outer hello is there once at most.
        assert!(message.len() <= outer.len() + encoded.len() + 4);
        assert!(round_trip(HandshakeType::CLIENT_HELLO, &message[4..]));
    }
}
