//! Makes one of our own ends a peer that breaks the rules, with the right keys: what it sends is
//! changed before it enters its own transcript and the wire.

use super::super::Cx;
use crate::key_schedule::{AddMessage, Hashed, Unhashed};
use crate::wire::{ContentType, HandshakeType};

/// One thing that goes out.
#[derive(Clone, Debug)]
pub(crate) enum Put {
    /// Handshake bytes, hashed as they are. Those that follow each other share records.
    Message(Vec<u8>),
    /// Handshake bytes that are not hashed.
    Unhashed(Vec<u8>),
    /// Handshake bytes that are hashed and not sent.
    Hashed(Vec<u8>),
    /// Ends the record.
    Cut,
    /// Bytes on the wire, unprotected.
    Raw(Vec<u8>),
    /// One record of this type and content under the current keys.
    Record(ContentType, Vec<u8>),
    /// Goes on with the next write keys, as after a KeyUpdate.
    UpdateKeys,
}

/// Says for every handshake message what goes out instead.
pub(crate) type Tamper = Box<dyn FnMut(&[u8]) -> Vec<Put> + Send>;

/// Sends what the tamperer wants instead of what `put` writes; gives `put` back where there is no
/// tamperer.
pub(crate) fn tampered<P: FnOnce(&mut Vec<u8>)>(
    cx: &mut Cx<'_>,
    message: P,
    into: &mut impl AddMessage,
) -> Option<P> {
    let Some(tamper) = cx.tamper else {
        return Some(message);
    };
    let mut raw = Vec::new();
    message(&mut raw);
    for instead in tamper(&raw) {
        put(cx, &instead, into);
    }
    None
}

pub(crate) fn put(cx: &mut Cx<'_>, put: &Put, into: &mut impl AddMessage) {
    match put {
        Put::Message(message) => cx.queue(into, |out| out.extend_from_slice(message)),
        Put::Unhashed(message) => cx.queue(&mut Unhashed, |out| out.extend_from_slice(message)),
        Put::Hashed(message) => into.add(Hashed::new(message)),
        Put::Cut => cx.outgoing.raw(&[]),
        Put::Raw(bytes) => cx.outgoing.raw(bytes),
        Put::Record(typ, content) => cx.outgoing.any_record(*typ, content),
        Put::UpdateKeys => cx.outgoing.update_keys(),
    }
}

/// Changes the `nth` message (from 1) of a type; everything else goes out as it is.
pub(super) fn nth(
    nth: u8,
    typ: HandshakeType,
    mut change: impl FnMut(&[u8]) -> Vec<Put> + Send + 'static,
) -> Tamper {
    let mut seen = 0;
    Box::new(move |raw| {
        if raw.first() == Some(&typ.0) {
            seen += 1;
            if seen == nth {
                return change(raw);
            }
        }
        vec![Put::Message(raw.to_vec())]
    })
}

/// Changes the first message of a type.
pub(super) fn first(
    typ: HandshakeType,
    change: impl FnMut(&[u8]) -> Vec<Put> + Send + 'static,
) -> Tamper {
    nth(1, typ, change)
}

/// Puts every message into a record of its own.
pub(super) fn one_message_per_record() -> Tamper {
    Box::new(|raw| vec![Put::Message(raw.to_vec()), Put::Cut])
}
