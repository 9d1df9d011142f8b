//! What the peer's hello tells: which version it leads to, and what is asked for before there are keys.

use std::collections::BTreeMap;

use portcullis_core::wire::extension::{SelectedVersion, SessionTicket, SupportedVersions};
use portcullis_core::wire::tls10;
use portcullis_core::wire::tls12::{CertificateRequest, ClientCertificateType};
use portcullis_core::wire::{
    ClientHello, ContentType, HandshakeHeader, HandshakeMessage, HandshakeType, ServerHello, Syntax,
};
use portcullis_core::{ProtocolVersion, SignatureScheme};

use crate::options::{EVERY_VERSION, Options, of_tls};

/// What the peer's hello leads to: a server's decides, of a client's it is the newest that we have.
pub(crate) fn version(heard: &[u8], options: &Options) -> Option<ProtocolVersion> {
    let messages = messages(heard);
    let mut messages = messages
        .iter()
        .map(|message| HandshakeHeader::split(message));
    let is_hello = |message: &Result<(HandshakeType, &[u8]), _>| {
        !matches!(message, Ok((HandshakeType::HELLO_VERIFY_REQUEST, _)))
    };
    match messages.find(is_hello) {
        Some(Ok((HandshakeType::SERVER_HELLO, body))) => selected(body),
        Some(Ok((HandshakeType::CLIENT_HELLO, body))) => offered(body, options)
            .into_iter()
            .filter(|version| options.allows(*version))
            .max(),
        _ => None,
    }
}

/// Whether the server has asked for a certificate, and not for one with a key that signs like this
/// (RFC 5246 §7.4.4, RFC 8422 §5.5).
pub(crate) fn asks_for_other_keys(heard: &[u8], schemes: &[SignatureScheme]) -> bool {
    const ECDSA: [SignatureScheme; 4] = [
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        SignatureScheme::ECDSA_SECP384R1_SHA384,
        SignatureScheme::ECDSA_SECP521R1_SHA512,
        SignatureScheme::ED25519,
    ];
    let mut own = Vec::new();
    if schemes.iter().any(|scheme| ECDSA.contains(scheme)) {
        own.push(ClientCertificateType::ECDSA_SIGN);
    }
    if schemes.contains(&SignatureScheme::RSA_PSS_RSAE_SHA256)
        || schemes.contains(&SignatureScheme::RSA_PKCS1_SHA256)
    {
        own.push(ClientCertificateType::RSA_SIGN);
    }
    messages(heard)
        .iter()
        .any(|message| match HandshakeHeader::split(message) {
            Ok((HandshakeType::CERTIFICATE_REQUEST, body)) => {
                let types = CertificateRequest::decode(body).map(|one| one.certificate_types);
                // Before TLS 1.2 it has no schemes.
                types
                    .or_else(|_| {
                        tls10::CertificateRequest::decode(body).map(|one| one.certificate_types)
                    })
                    .is_ok_and(|types| !own.iter().any(|typ| types.contains(*typ)))
            }
            _ => false,
        })
}

/// Whether a certificate that came in the clear is of Ed25519 (RFC 8410 §3).
pub(crate) fn shows_ed25519(heard: &[u8]) -> bool {
    const OID: [u8; 5] = [6, 3, 0x2b, 0x65, 0x70];
    heard.windows(OID.len()).any(|bytes| bytes == OID)
}

/// The types of certificates that the server has asked for (RFC 5246 §7.4.4).
pub(crate) fn certificate_types(heard: &[u8]) -> Vec<u8> {
    let of_message = |message: &Vec<u8>| match HandshakeHeader::split(message) {
        Ok((HandshakeType::CERTIFICATE_REQUEST, body)) => CertificateRequest::decode(body)
            .ok()
            .map(|request| request.certificate_types.iter().map(|typ| typ.0).collect()),
        _ => None,
    };
    let messages = messages(heard);
    messages.iter().find_map(of_message).unwrap_or_default()
}

/// Whether it is a client's with a ticket in it (RFC 5077 §3.2).
pub(crate) fn offers_ticket(heard: &[u8]) -> bool {
    match first_message(heard).as_deref().map(HandshakeHeader::split) {
        Some(Ok((HandshakeType::CLIENT_HELLO, body))) => {
            let hello = ClientHello::decode(body);
            let hello = hello.or_else(|_| ClientHello::decode_as(Syntax::Dtls, body));
            hello.is_ok_and(|hello| {
                let ticket = hello.extensions.find::<SessionTicket<'_>>();
                ticket.is_some_and(|ticket| ticket.is_ok_and(|ticket| !ticket.0.is_empty()))
            })
        }
        _ => false,
    }
}

/// RFC 8446 §4.2.1: supported_versions, or legacy_version and all below.
fn offered(body: &[u8], options: &Options) -> Vec<ProtocolVersion> {
    let syntax = match options.dtls {
        true => Syntax::Dtls,
        false => Syntax::Tls,
    };
    let Ok(hello) = ClientHello::decode_as(syntax, body) else {
        return Vec::new();
    };
    match hello.extensions.find::<SupportedVersions<'_>>() {
        Some(Ok(offered)) => offered.versions.iter().map(of_tls).collect(),
        Some(Err(_)) => Vec::new(),
        None => EVERY_VERSION
            .into_iter()
            .filter(|version| *version <= of_tls(hello.legacy_version))
            .filter(|version| *version < ProtocolVersion::TLS_1_3)
            .collect(),
    }
}

fn selected(body: &[u8]) -> Option<ProtocolVersion> {
    let hello = ServerHello::decode(body).ok()?;
    match hello.extensions.find::<SelectedVersion>() {
        Some(selected) => selected
            .ok()
            .map(|SelectedVersion(version)| of_tls(version)),
        None => Some(of_tls(hello.legacy_version)),
    }
}

/// The first handshake message.
pub(crate) fn first_message(heard: &[u8]) -> Option<Vec<u8>> {
    messages(heard).into_iter().next()
}

/// The same of datagrams, each message as far as it came in order.
fn messages_of_datagrams(mut heard: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: BTreeMap<u16, (u8, usize, Vec<u8>)> = BTreeMap::new();
    while let Some((head, rest)) = heard.split_first_chunk::<13>() {
        let length = usize::from(u16::from_be_bytes([head[11], head[12]]));
        let Some((mut content, rest)) = rest.split_at_checked(length) else {
            break;
        };
        heard = rest;
        if head[1] != 0xfe || head[3..5] != [0, 0] {
            break;
        }
        while head[0] == ContentType::HANDSHAKE.0
            && let Some((fragment, rest)) = content.split_first_chunk::<12>()
        {
            let number = |at: usize| {
                let bytes = [0, fragment[at], fragment[at + 1], fragment[at + 2]];
                u32::from_be_bytes(bytes) as usize
            };
            let Some((body, rest)) = rest.split_at_checked(number(9)) else {
                break;
            };
            content = rest;
            let message_seq = u16::from_be_bytes([fragment[4], fragment[5]]);
            let part = parts.entry(message_seq);
            let (_, _, bytes) = part.or_insert((fragment[0], number(1), Vec::new()));
            if number(6) == bytes.len() {
                bytes.extend_from_slice(body);
            }
        }
    }
    let whole = parts
        .into_values()
        .filter(|(_, length, bytes)| *length == bytes.len());
    whole
        .map(|(typ, length, bytes)| {
            let length = u32::try_from(length).unwrap_or_default().to_be_bytes();
            [&[typ, length[1], length[2], length[3]][..], &bytes].concat()
        })
        .collect()
}

/// The handshake messages, put together from the plaintext records at the front.
fn messages(mut heard: &[u8]) -> Vec<Vec<u8>> {
    if heard.get(1) == Some(&0xfe) {
        return messages_of_datagrams(heard);
    }
    let mut bytes = Vec::new();
    while let Some((&[typ, _, _, high, low], rest)) = heard.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((content, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if ContentType(typ) != ContentType::HANDSHAKE {
            break;
        }
        bytes.extend_from_slice(content);
        heard = rest;
    }
    let mut messages = Vec::new();
    let whole = |bytes: &[u8]| {
        let header = HandshakeHeader::decode(bytes.get(..HandshakeHeader::SIZE)?).ok()?;
        let length = HandshakeHeader::SIZE + usize::try_from(header.length).ok()?;
        (length <= bytes.len()).then_some(length)
    };
    while let Some(length) = whole(&bytes) {
        messages.push(bytes.drain(..length).collect());
    }
    messages
}
