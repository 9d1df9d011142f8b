//! What the transport changes in the handshake: the codes of versions, and the prefix of labels.
//!
//! RFC 8446 over streams, RFC 9147 over datagrams. What a version changes is another matter.

use crate::crypto::hkdf::LabelPrefix;
use crate::version::{ProtocolVersion, Version};

/// TLS or DTLS. The numbers are those in the record of a session, and in its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    Tls = 1,
    Dtls = 2,
}

impl Dialect {
    /// The one with this number.
    pub(crate) const fn numbered(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Tls),
            2 => Some(Self::Dtls),
            _ => None,
        }
    }

    /// What the version is called on the wire. DTLS began with the second of them.
    pub(crate) const fn code(self, version: Version) -> ProtocolVersion {
        match (self, version) {
            (Self::Tls, Version::V1_0) => ProtocolVersion::TLS_1_0,
            (Self::Tls, Version::V1_1) => ProtocolVersion::TLS_1_1,
            (Self::Tls, Version::V1_2) => ProtocolVersion::TLS_1_2,
            (Self::Tls, Version::V1_3) => ProtocolVersion::TLS_1_3,
            (Self::Dtls, Version::V1_0 | Version::V1_1) => ProtocolVersion::DTLS_1_0,
            (Self::Dtls, Version::V1_2) => ProtocolVersion::DTLS_1_2,
            (Self::Dtls, Version::V1_3) => ProtocolVersion::DTLS_1_3,
        }
    }

    /// The newest version up to TLS 1.2 that a client has which says `legacy` and nothing else: what
    /// is newer than that is said elsewhere (RFC 8446 §4.2.1). `None` for SSL.
    pub(crate) const fn up_to(self, legacy: ProtocolVersion) -> Option<Version> {
        match (self, legacy.0) {
            (Self::Tls, 0x0301) => Some(Version::V1_0),
            (Self::Tls, 0x0302) => Some(Version::V1_1),
            (Self::Tls, 0x0303..) => Some(Version::V1_2),
            // The codes of DTLS count down; those of TLS are none.
            (Self::Dtls, 0xfefe..=0xfeff) => Some(Version::V1_1),
            (Self::Dtls, 0x0400..=0xfefd) => Some(Version::V1_2),
            _ => None,
        }
    }

    /// What hellos of TLS 1.3 say in legacy_version (RFC 8446 §4.1.2, RFC 9147 §5.3).
    pub(crate) const fn legacy_version(self) -> ProtocolVersion {
        self.code(Version::V1_2)
    }

    /// What stands in a hello's legacy_cookie, if there is one: what a HelloVerifyRequest had, for which DTLS
    /// 1.3 has another message (RFC 9147 §5.3).
    pub(crate) const fn legacy_cookie(self, cookie: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Tls => None,
            Self::Dtls => Some(cookie),
        }
    }

    /// What a server of TLS 1.3 says to this session id of a client (RFC 8446 §4.1.3); over datagrams
    /// nothing (RFC 9147 §5).
    pub(crate) const fn session_id_echo(self, of_client: &[u8]) -> &[u8] {
        match self {
            Self::Tls => of_client,
            Self::Dtls => &[],
        }
    }

    /// Whether a message says where early data ends (RFC 8446 §4.5); over datagrams the epoch of what follows does (RFC
    /// 9147 §5.6).
    pub(crate) const fn has_end_of_early_data(self) -> bool {
        matches!(self, Self::Tls)
    }

    /// RFC 8446 §7.1, RFC 9147 §5.9.
    pub(crate) const fn label_prefix(self) -> LabelPrefix {
        match self {
            Self::Tls => LabelPrefix::Tls13,
            Self::Dtls => LabelPrefix::Dtls13,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5246 §E.1: a peer that says a version which is not known is answered with the newest one that is.
    #[test]
    fn versions_to_come_are_newer() {
        let up_to = |dialect: Dialect, code| dialect.up_to(ProtocolVersion(code));
        for code in [0xfefd, 0xfefc, 0xfe00, 0xfdff, 0xfcff, 0x0400] {
            assert_eq!(up_to(Dialect::Dtls, code), Some(Version::V1_2), "{code:x}");
        }
        for code in [0xfeff, 0xfefe] {
            assert_eq!(up_to(Dialect::Dtls, code), Some(Version::V1_1), "{code:x}");
        }
        // Of TLS, and what was before there was a standard.
        for code in [0xffff, 0xff00, 0x03ff, 0x0303, 0x0100, 0] {
            assert_eq!(up_to(Dialect::Dtls, code), None, "{code:x}");
        }
        for code in [0x0303, 0x0304, 0x0400, 0xffff] {
            assert_eq!(up_to(Dialect::Tls, code), Some(Version::V1_2), "{code:x}");
        }
    }

    #[test]
    fn codes_are_of_the_generation_and_of_the_transport() {
        for dialect in [Dialect::Tls, Dialect::Dtls] {
            for version in [Version::V1_1, Version::V1_2, Version::V1_3] {
                let code = dialect.code(version);
                assert_eq!(Version::of(code), Some(version));
                assert_eq!(
                    code.name().unwrap().starts_with('D'),
                    dialect == Dialect::Dtls
                );
            }
        }
        assert_eq!(
            Version::of(Dialect::Tls.code(Version::V1_0)),
            Some(Version::V1_0)
        );
    }
}
