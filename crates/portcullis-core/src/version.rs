//! Protocol versions and the downgrade sentinels.
//!
//! RFC 8446 §4.1.3, §4.2.1; DTLS values from RFC 6347 and RFC 9147.

use crate::code_point::code_points;

code_points! {
    /// A protocol version as it appears on the wire.
    pub struct ProtocolVersion(u16) {
        /// Refused.
        SSL_3_0 = 0x0300, "SSLv3";
        /// RFC 2246.
        TLS_1_0 = 0x0301, "TLSv1.0";
        /// RFC 4346.
        TLS_1_1 = 0x0302, "TLSv1.1";
        /// RFC 5246.
        TLS_1_2 = 0x0303, "TLSv1.2";
        /// RFC 8446.
        TLS_1_3 = 0x0304, "TLSv1.3";
        /// RFC 4347.
        DTLS_1_0 = 0xfeff, "DTLSv1.0";
        /// RFC 6347.
        DTLS_1_2 = 0xfefd, "DTLSv1.2";
        /// RFC 9147.
        DTLS_1_3 = 0xfefc, "DTLSv1.3";
    }
}

impl ProtocolVersion {
    /// The versions this build can speak, newest first.
    ///
    /// TLS 1.1 and 1.0 are deprecated (RFC 8996), and are there for peers that have nothing else.
    /// Their handshake is hashed and signed with MD5 and SHA-1, so whoever finds a collision of both
    /// can be the server, or the client; their records have block ciphers alone, which TLS 1.0
    /// chains so that the next IV is known ([`BeastMitigation`](crate::config::BeastMitigation)).
    pub const SUPPORTED: &'static [Self] =
        &[Self::TLS_1_3, Self::TLS_1_2, Self::TLS_1_1, Self::TLS_1_0];

    /// The versions that are negotiated unless a configuration says otherwise, newest first.
    pub const DEFAULT: &'static [Self] = &[Self::TLS_1_3, Self::TLS_1_2];
}

/// A generation of the protocol, oldest first. TLS and DTLS have codes of their own for it, and
/// those of DTLS count down: versions are compared as generations, never as codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V1_0,
    /// DTLS 1.0 was made from it.
    V1_1,
    V1_2,
    V1_3,
}

impl Version {
    pub(crate) const ALL: [Self; 4] = [Self::V1_0, Self::V1_1, Self::V1_2, Self::V1_3];

    /// The generation that a code of TLS or DTLS stands for; `None` for SSL and for what this
    /// build does not know.
    pub(crate) const fn of(code: ProtocolVersion) -> Option<Self> {
        match code {
            ProtocolVersion::TLS_1_0 => Some(Self::V1_0),
            ProtocolVersion::TLS_1_1 | ProtocolVersion::DTLS_1_0 => Some(Self::V1_1),
            ProtocolVersion::TLS_1_2 | ProtocolVersion::DTLS_1_2 => Some(Self::V1_2),
            ProtocolVersion::TLS_1_3 | ProtocolVersion::DTLS_1_3 => Some(Self::V1_3),
            _ => None,
        }
    }
}

/// The end of ServerHello.random when a TLS 1.3 server was talked down to TLS 1.2 (§4.1.3).
pub(crate) const DOWNGRADE_TO_TLS_1_2: [u8; 8] = *b"DOWNGRD\x01";
/// The same for TLS 1.1 and below.
pub(crate) const DOWNGRADE_TO_TLS_1_1: [u8; 8] = *b"DOWNGRD\x00";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_in_order_where_codes_are_not() {
        use ProtocolVersion as P;
        let of = |code| Version::of(code).unwrap();
        assert!(of(P::TLS_1_0) < of(P::TLS_1_1));
        assert!(of(P::TLS_1_1) < of(P::TLS_1_2));
        assert!(of(P::TLS_1_2) < of(P::TLS_1_3));
        assert!(of(P::DTLS_1_0) < of(P::DTLS_1_2));
        assert!(of(P::DTLS_1_2) < of(P::DTLS_1_3));
        // As codes they are the other way round.
        const { assert!(P::DTLS_1_2.0 > P::DTLS_1_3.0) };
        assert_eq!(of(P::DTLS_1_0), of(P::TLS_1_1));
        for code in [P::SSL_3_0, P(0x0002), P(0x0305), P(0xfefe)] {
            assert_eq!(Version::of(code), None);
        }
    }
}
