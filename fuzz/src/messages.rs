//! Handshake messages as bytes: where they begin, what is in them, what is hashed.

use core::ops::Range;

use portcullis_core::suite::KeyExchange;
use portcullis_core::wire::HELLO_RETRY_REQUEST_RANDOM;

use crate::keys::Suite;

pub const CLIENT_HELLO: u8 = 1;
pub const SERVER_HELLO: u8 = 2;
pub const NEW_SESSION_TICKET: u8 = 4;
pub const ENCRYPTED_EXTENSIONS: u8 = 8;
pub const CERTIFICATE: u8 = 11;
pub const SERVER_KEY_EXCHANGE: u8 = 12;
pub const CERTIFICATE_REQUEST: u8 = 13;
pub const SERVER_HELLO_DONE: u8 = 14;
pub const CERTIFICATE_VERIFY: u8 = 15;
pub const CLIENT_KEY_EXCHANGE: u8 = 16;
pub const FINISHED: u8 = 20;
pub const KEY_UPDATE: u8 = 24;
const MESSAGE_HASH: u8 = 254;

/// Puts handshake messages together.
#[derive(Default)]
pub struct Assembler(Vec<u8>);

impl Assembler {
    /// Adds the content of a record; gives the messages that are complete.
    pub fn push(&mut self, content: &[u8]) -> Vec<Vec<u8>> {
        self.0.extend_from_slice(content);
        let mut messages = Vec::new();
        while let Some(length) = length(&self.0)
            && self.0.len() >= length
        {
            let rest = self.0.split_off(length);
            messages.push(core::mem::replace(&mut self.0, rest));
        }
        messages
    }

    /// What is left of a message that is not complete.
    pub fn take_rest(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.0)
    }
}

/// How long the message at the front says it is, its header included.
fn length(bytes: &[u8]) -> Option<usize> {
    let [_, a, b, c] = *bytes.first_chunk()?;
    Some(4 + u32::from_be_bytes([0, a, b, c]) as usize)
}

/// Whether these bytes are exactly one message of that type.
pub fn is_whole(bytes: &[u8], typ: u8) -> bool {
    bytes.first() == Some(&typ) && length(bytes) == Some(bytes.len())
}

/// Writes the length of the body into the header.
pub fn fix_length(message: &mut [u8]) {
    if let Some(body) = message.len().checked_sub(4) {
        message[1..4].copy_from_slice(&(body as u32).to_be_bytes()[1..]);
    }
}

/// A message with its header.
pub fn message(typ: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![typ, 0, 0, 0];
    message.extend_from_slice(body);
    fix_length(&mut message);
    message
}

pub fn is_retry(message: &[u8]) -> bool {
    message.first() == Some(&SERVER_HELLO)
        && message.get(6..38) == Some(&HELLO_RETRY_REQUEST_RANDOM)
}

/// The suite in a ServerHello.
pub fn suite(server_hello: &[u8]) -> Option<u16> {
    let at = 39 + usize::from(*server_hello.get(38)?);
    Some(u16::from_be_bytes([
        *server_hello.get(at)?,
        *server_hello.get(at + 1)?,
    ]))
}

/// What has been said so far, as it is hashed: `client` and `server` are all messages of either
/// up to there (§4.4.1).
pub fn transcript(suite: Suite, client: &[Vec<u8>], server: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (hellos, client) = match server.first() {
        Some(retry) if is_retry(retry) => client.split_at(client.len().min(2)),
        _ => client.split_at(client.len().min(1)),
    };
    let mut server = server;
    for hello in hellos {
        if let [retry, rest @ ..] = server
            && is_retry(retry)
            && bytes.is_empty()
        {
            bytes.extend_from_slice(&message(MESSAGE_HASH, &suite.hash(hello)));
            bytes.extend_from_slice(retry);
            server = rest;
        } else {
            bytes.extend_from_slice(hello);
        }
    }
    for message in server.iter().chain(client) {
        bytes.extend_from_slice(message);
    }
    bytes
}

/// The same before TLS 1.3: all messages in the order in which they were said (RFC 5246 §7.3).
pub fn older_transcript(client: &[Vec<u8>], server: &[Vec<u8>]) -> Vec<u8> {
    let (hello, client) = client.split_at(client.len().min(1));
    // Where the server has waited for the client; a resumed session has no such place.
    let done = server
        .iter()
        .position(|message| message[0] == SERVER_HELLO_DONE);
    let (first, last) = server.split_at(done.map_or(server.len(), |at| at + 1));
    [hello, first, client, last].concat().concat()
}

/// What a ServerKeyExchange signs (RFC 5246 §7.4.3, RFC 8422 §5.4), and where what is behind it
/// stands: the scheme, if it is said, and the signature.
pub fn signed_share(suite: Suite, message: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (older, exchange) = (suite.older()?, suite.exchange());
    if !exchange.is_signed() {
        return None;
    }
    let end = match exchange.has_curve() {
        true => 8 + usize::from(*message.get(7)?),
        // Prime, generator and number; of SRP there is a salt before that (RFC 5054 §2.8.2).
        false => {
            let mut at = 4;
            for number in 0..3 {
                if number == 2 && exchange.key_exchange == KeyExchange::Srp {
                    at += 1 + usize::from(*message.get(at)?);
                }
                let length: [u8; 2] = message.get(at..at + 2)?.try_into().ok()?;
                at += 2 + usize::from(u16::from_be_bytes(length));
            }
            at
        }
    };
    let share = message.get(4..end)?;
    Some(([&older.randoms.concat()[..], share].concat(), end))
}

/// `legacy_version` of a hello.
pub fn version(hello: &[u8]) -> Option<u16> {
    let version = hello.get(4..6)?.try_into().ok()?;
    Some(u16::from_be_bytes(version))
}

/// The first certificate of a Certificate message of before TLS 1.3 (RFC 5246 §7.4.2).
pub fn older_leaf(certificate: &[u8]) -> Option<&[u8]> {
    let [a, b, c] = *certificate.get(7..)?.first_chunk()?;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    certificate.get(10..10 + length)
}

/// The random of a hello.
pub fn random(hello: &[u8]) -> Option<[u8; 32]> {
    hello.get(6..38)?.try_into().ok()
}

/// What a CertificateVerify signs (§4.4.3).
pub fn signed_content(by_server: bool, transcript_hash: &[u8]) -> Vec<u8> {
    let mut content = vec![b' '; 64];
    let role = if by_server { "server" } else { "client" };
    content.extend_from_slice(format!("TLS 1.3, {role} CertificateVerify\0").as_bytes());
    content.extend_from_slice(transcript_hash);
    content
}

/// The first certificate of a Certificate message.
pub fn leaf(certificate: &[u8]) -> Option<&[u8]> {
    let at = 5 + usize::from(*certificate.get(4)?) + 3;
    let [a, b, c] = *certificate.get(at..)?.first_chunk()?;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    certificate.get(at + 3..at + 3 + length)
}

/// Where the block of extensions begins, its length included.
pub fn extensions_at(message: &[u8]) -> Option<usize> {
    let skip = |at: usize, width: usize| {
        let length = message.get(at..at + width)?;
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        Some(at + width + length)
    };
    match *message.first()? {
        CLIENT_HELLO => skip(skip(skip(38, 1)?, 2)?, 1),
        SERVER_HELLO => Some(skip(38, 1)? + 3),
        ENCRYPTED_EXTENSIONS => Some(4),
        CERTIFICATE_REQUEST => skip(4, 1),
        _ => None,
    }
    .filter(|at| at + 2 <= message.len())
}

/// Where each extension is, its type and length included.
pub fn extensions(message: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let Some(at) = extensions_at(message) else {
        return found;
    };
    let mut at = at + 2;
    while let Some(&[_, _, high, low]) = message.get(at..).and_then(<[u8]>::first_chunk) {
        let end = at + 4 + usize::from(u16::from_be_bytes([high, low]));
        if end > message.len() {
            break;
        }
        found.push(at..end);
        at = end;
    }
    found
}

/// The types of the extensions.
pub fn extension_types(message: &[u8]) -> Vec<u16> {
    extensions(message)
        .into_iter()
        .map(|range| u16::from_be_bytes([message[range.start], message[range.start + 1]]))
        .collect()
}

/// The body of an extension.
pub fn extension(message: &[u8], typ: u16) -> Option<&[u8]> {
    extensions(message).into_iter().find_map(|range| {
        let extension = &message[range];
        (extension[..2] == typ.to_be_bytes()).then_some(&extension[4..])
    })
}
