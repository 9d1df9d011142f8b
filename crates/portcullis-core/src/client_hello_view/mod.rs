//! What a client said in its ClientHello, for those who decide what to do with it.
//!
//! RFC 8446 §4.1.2, §4.2.

#[cfg(feature = "dtls")]
mod datagrams;
mod peek;

use std::sync::Arc;

use bytes::Bytes;

use crate::named_group::NamedGroup;
use crate::record::HandshakeBytes;
use crate::signature_scheme::SignatureScheme;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;
use crate::wire::codec::DecodeError;
use crate::wire::extension::{
    Alpn, CertificateAuthorities, Extension, Extensions, KeyShareClientHello, RawExtension,
    ServerName, SignatureAlgorithms, SupportedGroups, SupportedVersions,
};
use crate::wire::list::{Element, List};
use crate::wire::{
    ClientHello, ExtensionType, HandshakeHeader, HandshakeMessage, HandshakeType, Syntax,
};

#[cfg(feature = "dtls")]
pub use datagrams::{DatagramPeek, PeekedDatagram};
pub use peek::Peek;

/// A ClientHello as it came, unauthenticated and in the client's order.
///
/// Cheap to clone. An extension that is absent or malformed reads as an empty list; what is
/// wrong with it is for the handshake to say.
#[derive(Clone)]
pub struct ClientHelloView {
    message: Bytes,
    legacy_version: ProtocolVersion,
    random: [u8; 32],
    session_id: Place,
    cipher_suites: Place,
    extensions: Place,
    server_name: Option<Arc<str>>,
}

/// Where something is in the message.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    end: u32,
}

impl Place {
    /// Of a part of the message, whose length has three bytes (§4). What is not there is empty, and somewhere else.
    fn of(part: &[u8], message: &[u8]) -> Result<Self, DecodeError> {
        let start = match part.is_empty() {
            true => 0,
            false => (part.as_ptr() as usize).wrapping_sub(message.as_ptr() as usize),
        };
        Ok(Self {
            start: u32::try_from(start).map_err(|_| DecodeError)?,
            end: u32::try_from(start.wrapping_add(part.len())).map_err(|_| DecodeError)?,
        })
    }
}

impl ClientHelloView {
    /// Takes a whole message, header included.
    ///
    /// # Errors
    /// When it is not a ClientHello or does not have its syntax.
    pub(crate) fn new(message: Bytes, syntax: Syntax) -> Result<Self, DecodeError> {
        let (msg_type, body) = HandshakeHeader::split(&message)?;
        if msg_type != HandshakeType::CLIENT_HELLO {
            return Err(DecodeError);
        }
        let hello = ClientHello::decode_as(syntax, body)?;
        let name = hello.extensions.find::<ServerName<'_>>();
        Ok(Self {
            legacy_version: hello.legacy_version,
            random: *hello.random,
            session_id: Place::of(hello.legacy_session_id, &message)?,
            cipher_suites: Place::of(hello.cipher_suites.as_bytes(), &message)?,
            extensions: Place::of(hello.extensions.as_bytes(), &message)?,
            server_name: name.and_then(|name| Some(host(name.ok()?.host_name)?.into())),
            message,
        })
    }

    /// Shares the memory of a message.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn of(message: &mut HandshakeBytes) -> Result<Self, DecodeError> {
        Self::new(message.share(), message.syntax())
    }

    fn at(&self, place: Place) -> &[u8] {
        let range = place.start as usize..place.end as usize;
        self.message.get(range).unwrap_or_default()
    }

    /// The message as it came, with its four-byte header.
    pub fn raw_bytes(&self) -> &[u8] {
        &self.message
    }

    /// 0x0303 since TLS 1.2; see [`Self::supported_versions`].
    pub const fn legacy_version(&self) -> ProtocolVersion {
        self.legacy_version
    }

    /// The client's 32 random bytes.
    pub const fn random(&self) -> &[u8; 32] {
        &self.random
    }

    /// `legacy_session_id`, 0 to 32 bytes.
    pub fn session_id(&self) -> &[u8] {
        self.at(self.session_id)
    }

    /// The suites, preferred ones first; GREASE and signalling values included.
    pub fn cipher_suites(&self) -> impl Iterator<Item = CipherSuite> + '_ {
        List::<CipherSuite>::checked(self.at(self.cipher_suites)).iter()
    }

    /// All extensions with their bodies, in order; GREASE and unknown ones included.
    pub fn extensions(&self) -> impl Iterator<Item = (ExtensionType, &[u8])> + '_ {
        self.block().iter().map(RawExtension::parts)
    }

    /// The body of the extension of that type.
    pub fn extension(&self, extension_type: ExtensionType) -> Option<&[u8]> {
        self.block().raw(extension_type)
    }

    /// The host the client wants to talk to, in lower case, without a trailing dot.
    ///
    /// `None` when there is no name (RFC 6066 §3), or one that is not made of the letters, digits, hyphens,
    /// underscores and dots of a DNS name.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The application protocols, preferred ones first (RFC 7301).
    pub fn alpn_protocols(&self) -> impl Iterator<Item = &[u8]> + '_ {
        self.list(|alpn: Alpn<'_>| alpn.protocols)
            .map(|name| name.0)
    }

    /// The versions of `supported_versions`; none from a client of TLS 1.2 or older.
    pub fn supported_versions(&self) -> impl Iterator<Item = ProtocolVersion> + '_ {
        self.list(|versions: SupportedVersions<'_>| versions.versions)
    }

    /// The groups, preferred ones first.
    pub fn groups(&self) -> impl Iterator<Item = NamedGroup> + '_ {
        self.list(|groups: SupportedGroups<'_>| groups.groups)
    }

    /// The groups there are key shares for.
    pub fn key_share_groups(&self) -> impl Iterator<Item = NamedGroup> + '_ {
        self.list(|shares: KeyShareClientHello<'_>| shares.client_shares)
            .map(|share| share.group)
    }

    /// The schemes of `signature_algorithms`, preferred ones first.
    pub fn signature_schemes(&self) -> impl Iterator<Item = SignatureScheme> + '_ {
        self.list(|schemes: SignatureAlgorithms<'_>| schemes.schemes)
    }

    /// The DER of the names of the authorities the client trusts.
    pub fn certificate_authorities(&self) -> impl Iterator<Item = &[u8]> + '_ {
        self.list(|names: CertificateAuthorities<'_>| names.authorities)
            .map(|name| name.0)
    }

    fn block(&self) -> Extensions<'_> {
        Extensions::checked(self.at(self.extensions))
    }

    /// The elements of an extension that is a list.
    pub(crate) fn list<'v, E: Extension<'v>, T: Element<'v> + 'v>(
        &'v self,
        elements: impl FnOnce(E) -> List<'v, T>,
    ) -> impl Iterator<Item = T> + 'v {
        let found = self.block().find::<E>().and_then(Result::ok);
        found.map(elements).unwrap_or_default().iter()
    }
}

impl core::fmt::Debug for ClientHelloView {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let types = || self.extensions().map(|(extension_type, _)| extension_type);
        f.debug_struct("ClientHelloView")
            .field("legacy_version", &self.legacy_version)
            .field("server_name", &self.server_name)
            .field("cipher_suites", &self.cipher_suites().collect::<Vec<_>>())
            .field("extensions", &types().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A host name that can be one, in lower case.
pub(crate) fn host(name: &[u8]) -> Option<String> {
    let name = core::str::from_utf8(name.strip_suffix(b".").unwrap_or(name)).ok()?;
    let plausible = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.split('.')
        .all(plausible)
        .then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::extension::{KeyShareEntry, put_extension};

    fn hello(extensions: impl FnOnce(&mut Vec<u8>)) -> ClientHelloView {
        let mut out = Vec::new();
        let suites = [CipherSuite(0x1a1a), CipherSuite::TLS_AES_128_GCM_SHA256];
        ClientHello::put(
            &mut out,
            ProtocolVersion::TLS_1_2,
            &[3; 32],
            &[4; 32],
            suites,
            extensions,
        );
        ClientHelloView::new(out.into(), Syntax::Tls).unwrap()
    }

    #[test]
    fn everything_in_order() {
        let view = hello(|out| {
            put_extension(out, ExtensionType(0x2a2a), |_| {});
            ServerName::put(out, "WWW.Example.com");
            Alpn::put(out, ["h2"]);
            SupportedVersions::put(out, [ProtocolVersion::TLS_1_3]);
            SupportedGroups::put(out, [NamedGroup::X25519]);
            SignatureAlgorithms::put(out, [SignatureScheme::ED25519]);
            CertificateAuthorities::put(out, [b"ca"]);
            let group = NamedGroup::X25519;
            let key_exchange = &[0; 32];
            let share = KeyShareEntry {
                group,
                key_exchange,
            };
            KeyShareClientHello::put(out, [share]);
        });
        let view = std::thread::spawn(move || view).join().unwrap();
        assert_eq!(view.random(), &[3; 32]);
        assert_eq!(view.session_id(), [4; 32]);
        assert_eq!(view.cipher_suites().next(), Some(CipherSuite(0x1a1a)));
        assert_eq!(view.extensions().count(), 8);
        assert_eq!(
            view.extensions().next(),
            Some((ExtensionType(0x2a2a), &[][..]))
        );
        assert_eq!(view.server_name(), Some("www.example.com"));
        assert!(view.alpn_protocols().eq([b"h2"]));
        assert!(view.supported_versions().eq([ProtocolVersion::TLS_1_3]));
        assert!(view.groups().eq([NamedGroup::X25519]));
        assert!(view.key_share_groups().eq([NamedGroup::X25519]));
        assert!(view.signature_schemes().eq([SignatureScheme::ED25519]));
        assert!(view.certificate_authorities().eq([b"ca"]));
        assert_eq!(view.raw_bytes()[0], HandshakeType::CLIENT_HELLO.0);
    }

    #[test]
    fn names_of_hosts() {
        let name = |name: &str| host(name.as_bytes()).map(|name| name.to_string());
        assert_eq!(name("A.b-c_d.E."), Some("a.b-c_d.e".into()));
        for wrong in ["", ".", "a..b", "a b", "a/b", "[::1]", "é.com"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
