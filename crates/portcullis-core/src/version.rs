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
    /// The versions this build can speak, newest first (B24).
    pub const SUPPORTED: &'static [Self] = &[Self::TLS_1_3];

    /// The versions that are negotiated unless a configuration says otherwise, newest first.
    pub const DEFAULT: &'static [Self] = &[Self::TLS_1_3];
}

/// The end of ServerHello.random when a TLS 1.3 server was talked down to TLS 1.2 (§4.1.3).
pub(crate) const DOWNGRADE_TO_TLS_1_2: [u8; 8] = *b"DOWNGRD\x01";
/// The same for TLS 1.1 and below.
pub(crate) const DOWNGRADE_TO_TLS_1_1: [u8; 8] = *b"DOWNGRD\x00";
