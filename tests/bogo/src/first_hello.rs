//! What the peer's hello tells: whether a test needs TLS 1.1 or older, or a cipher suite that is not
//! there, or checks how such a peer is refused.
//!
//! The runner enables every version and suite unless a flag says otherwise, and often lets its own
//! choice decide. portcullis-core speaks TLS 1.3 and 1.2, so where both the flags and the peer's
//! first message would have led to an older version the test is not implemented.

use portcullis_core::suite::CipherSuite;
use portcullis_core::wire::extension::{SelectedVersion, SupportedVersions};
use portcullis_core::wire::{
    ClientHello, ContentType, ExtensionType, HandshakeHeader, HandshakeMessage, HandshakeType,
    ServerHello,
};
use portcullis_core::{AlertDescription, Error, ProtocolVersion, Reason, Violation};

use crate::options::{EVERY_VERSION, Options};

/// Whether `error` means that the peer wanted a version that the flags allow and nobody here
/// speaks; `heard` is what the peer sent.
pub(crate) fn is_of_an_older_version(error: &Error, heard: &[u8], options: &Options) -> bool {
    let about_version = match error.reason() {
        Reason::Violation(violation) | Reason::Explained { violation, .. } => matches!(
            violation,
            Violation::UnsupportedVersion
                | Violation::VersionNotOffered
                | Violation::DowngradeDetected
                | Violation::SelectedVersionNotOffered
                | Violation::LegacyVersionInClientHello
        ),
        // A server that wants an older version may also find no suite of it in our hello, as one
        // of TLS 1.3 may: flags about versions say that the test is about those.
        Reason::AlertReceived(alert) => {
            *alert == AlertDescription::PROTOCOL_VERSION
                || (*alert == AlertDescription::HANDSHAKE_FAILURE && options.limits_versions())
        }
        _ => false,
    };
    let older =
        |version: &ProtocolVersion| *version < ProtocolVersion::TLS_1_2 && options.allows(*version);
    if !about_version {
        return false;
    }
    match first_message(heard).as_deref().map(HandshakeHeader::split) {
        Some(Ok((HandshakeType::CLIENT_HELLO, body))) => offered(body).iter().any(older),
        Some(Ok((HandshakeType::SERVER_HELLO, body))) => selected(body).iter().any(older),
        // The server had nothing to say to our hello but an alert.
        _ => !options.server && EVERY_VERSION.iter().any(older),
    }
}

/// Whether `error` means that the client has no suite but those that are not there: of RSA key
/// exchange, with CBC, or with a PSK.
pub(crate) fn has_other_suites(error: &Error, heard: &[u8]) -> bool {
    let (Reason::Violation(violation) | Reason::Explained { violation, .. }) = error.reason()
    else {
        return false;
    };
    let suites = match first_message(heard).as_deref().map(HandshakeHeader::split) {
        Some(Ok((HandshakeType::CLIENT_HELLO, body))) => suites_offered(body),
        Some(Ok((HandshakeType::SERVER_HELLO, body))) => ServerHello::decode(body)
            .map(|hello| vec![hello.cipher_suite])
            .unwrap_or_default(),
        _ => return false,
    };
    *violation == Violation::NoSharedCipherSuite
        && suites.iter().any(|suite| OTHER_SUITES.contains(&suite.0))
}

/// What BoringSSL has besides.
const OTHER_SUITES: &[u16] = &[
    0x000a, 0x002f, 0x0035, 0x009c, 0x009d, // RSA
    0x008c, 0x008d, 0xc035, 0xc036, 0xccac, // PSK, ECDHE_PSK
    0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc027, // ECDHE with CBC
];

fn suites_offered(body: &[u8]) -> Vec<CipherSuite> {
    ClientHello::decode(body)
        .map(|hello| hello.cipher_suites.iter().collect())
        .unwrap_or_default()
}

/// RFC 5746 §3.4, §3.6.
pub(crate) fn knows_rfc_5746(heard: &[u8]) -> bool {
    match first_message(heard).as_deref().map(HandshakeHeader::split) {
        Some(Ok((HandshakeType::CLIENT_HELLO, body))) => {
            ClientHello::decode(body).is_ok_and(|hello| {
                hello.extensions.contains(ExtensionType::RENEGOTIATION_INFO)
                    || hello
                        .cipher_suites
                        .contains(CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV)
            })
        }
        Some(Ok((HandshakeType::SERVER_HELLO, body))) => ServerHello::decode(body)
            .is_ok_and(|hello| hello.extensions.contains(ExtensionType::RENEGOTIATION_INFO)),
        _ => false,
    }
}

/// RFC 8446 §4.2.1: supported_versions, or legacy_version and all below.
fn offered(body: &[u8]) -> Vec<ProtocolVersion> {
    let Ok(hello) = ClientHello::decode(body) else {
        return Vec::new();
    };
    match hello.extensions.find::<SupportedVersions<'_>>() {
        Some(Ok(offered)) => offered.versions.iter().collect(),
        Some(Err(_)) => Vec::new(),
        None => EVERY_VERSION
            .into_iter()
            .filter(|version| *version <= hello.legacy_version)
            .filter(|version| *version < ProtocolVersion::TLS_1_3)
            .collect(),
    }
}

fn selected(body: &[u8]) -> Option<ProtocolVersion> {
    let hello = ServerHello::decode(body).ok()?;
    match hello.extensions.find::<SelectedVersion>() {
        Some(selected) => selected.ok().map(|SelectedVersion(version)| version),
        None => Some(hello.legacy_version),
    }
}

/// The first handshake message, put together from the plaintext records at the front.
fn first_message(mut heard: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let (&[typ, _, _, high, low], rest) = heard.split_first_chunk::<5>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (content, rest) = rest.split_at_checked(length)?;
        if ContentType(typ) != ContentType::HANDSHAKE {
            return None;
        }
        message.extend_from_slice(content);
        if let Some(head) = message.get(..HandshakeHeader::SIZE) {
            let header = HandshakeHeader::decode(head).ok()?;
            let whole = HandshakeHeader::SIZE + usize::try_from(header.length).ok()?;
            if message.len() >= whole {
                message.truncate(whole);
                return Some(message);
            }
        }
        heard = rest;
    }
}
