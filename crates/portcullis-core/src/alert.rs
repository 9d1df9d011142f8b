//! Alerts: how one side tells the other why it stops.
//!
//! RFC 8446 §6; the older descriptions are those of RFC 5246 §7.2 and earlier.

use crate::code_point::code_points;

code_points! {
    /// The reason in an alert message (RFC 8446 §6).
    pub struct AlertDescription(u8) {
        /// The sender will send no more data. Not an error.
        CLOSE_NOTIFY = 0, "close_notify";
        /// A message that does not belong here.
        UNEXPECTED_MESSAGE = 10, "unexpected_message";
        /// A record that could not be opened.
        BAD_RECORD_MAC = 20, "bad_record_mac";
        /// TLS 1.0 and older only.
        DECRYPTION_FAILED = 21, "decryption_failed";
        /// A record longer than allowed.
        RECORD_OVERFLOW = 22, "record_overflow";
        /// TLS 1.2 and older only.
        DECOMPRESSION_FAILURE = 30, "decompression_failure";
        /// No acceptable set of parameters.
        HANDSHAKE_FAILURE = 40, "handshake_failure";
        /// SSL 3.0 only.
        NO_CERTIFICATE = 41, "no_certificate";
        /// A corrupt certificate or one whose signature does not verify.
        BAD_CERTIFICATE = 42, "bad_certificate";
        /// A certificate of a type that is not supported.
        UNSUPPORTED_CERTIFICATE = 43, "unsupported_certificate";
        /// A certificate revoked by its issuer.
        CERTIFICATE_REVOKED = 44, "certificate_revoked";
        /// A certificate out of its validity period.
        CERTIFICATE_EXPIRED = 45, "certificate_expired";
        /// Any other problem with a certificate.
        CERTIFICATE_UNKNOWN = 46, "certificate_unknown";
        /// A field out of range or inconsistent with others.
        ILLEGAL_PARAMETER = 47, "illegal_parameter";
        /// No trust anchor for the chain.
        UNKNOWN_CA = 48, "unknown_ca";
        /// A valid certificate that is not let in.
        ACCESS_DENIED = 49, "access_denied";
        /// A message that cannot be parsed.
        DECODE_ERROR = 50, "decode_error";
        /// A signature, binder or Finished that does not verify.
        DECRYPT_ERROR = 51, "decrypt_error";
        /// The peer asks for more connection ids than it gets (RFC 9147 §9).
        TOO_MANY_CIDS_REQUESTED = 52, "too_many_cids_requested";
        /// TLS 1.0 and older only.
        EXPORT_RESTRICTION = 60, "export_restriction";
        /// The version is recognised and not supported.
        PROTOCOL_VERSION = 70, "protocol_version";
        /// Stronger parameters are required.
        INSUFFICIENT_SECURITY = 71, "insufficient_security";
        /// An error that is nobody's message.
        INTERNAL_ERROR = 80, "internal_error";
        /// A client retried with a lower version for no reason (RFC 7507).
        INAPPROPRIATE_FALLBACK = 86, "inappropriate_fallback";
        /// The user gave up.
        USER_CANCELED = 90, "user_canceled";
        /// TLS 1.2 and older only.
        NO_RENEGOTIATION = 100, "no_renegotiation";
        /// A mandatory extension is not there.
        MISSING_EXTENSION = 109, "missing_extension";
        /// An extension that was not offered or does not belong here.
        UNSUPPORTED_EXTENSION = 110, "unsupported_extension";
        /// Could not fetch a certificate (RFC 6066).
        CERTIFICATE_UNOBTAINABLE = 111, "certificate_unobtainable";
        /// No server of that name here.
        UNRECOGNIZED_NAME = 112, "unrecognized_name";
        /// A stapled OCSP response that is not acceptable.
        BAD_CERTIFICATE_STATUS_RESPONSE = 113, "bad_certificate_status_response";
        /// RFC 6066; obsolete.
        BAD_CERTIFICATE_HASH_VALUE = 114, "bad_certificate_hash_value";
        /// No pre-shared key of that identity.
        UNKNOWN_PSK_IDENTITY = 115, "unknown_psk_identity";
        /// A client certificate is required.
        CERTIFICATE_REQUIRED = 116, "certificate_required";
        /// No application protocol in common (RFC 7301).
        NO_APPLICATION_PROTOCOL = 120, "no_application_protocol";
        /// The server did not accept the encrypted ClientHello (RFC 9849).
        ECH_REQUIRED = 121, "ech_required";
    }
}

impl AlertDescription {
    /// One sentence for a person, in the words of the RFC.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::CLOSE_NOTIFY => "the sender will not send any more data",
            Self::UNEXPECTED_MESSAGE => "an inappropriate message was received",
            Self::BAD_RECORD_MAC => "a record could not be deprotected",
            Self::DECRYPTION_FAILED => "a record could not be decrypted",
            Self::RECORD_OVERFLOW => "a record was too long",
            Self::DECOMPRESSION_FAILURE => "a record could not be decompressed",
            Self::HANDSHAKE_FAILURE => "no acceptable set of security parameters was found",
            Self::NO_CERTIFICATE => "there is no certificate",
            Self::BAD_CERTIFICATE => {
                "a certificate was corrupt, its signature did not verify, or it is not for the host name \
                 that the peer wanted"
            }
            Self::UNSUPPORTED_CERTIFICATE => "a certificate was of an unsupported type",
            Self::CERTIFICATE_REVOKED => "a certificate was revoked by its issuer",
            Self::CERTIFICATE_EXPIRED => "a certificate has expired or is not yet valid",
            Self::CERTIFICATE_UNKNOWN => "a certificate was not acceptable",
            Self::ILLEGAL_PARAMETER => "a handshake field was incorrect or inconsistent",
            Self::UNKNOWN_CA => "the certificate chain leads to no known trust anchor",
            Self::ACCESS_DENIED => "access was denied",
            Self::DECODE_ERROR => "a message could not be decoded",
            Self::DECRYPT_ERROR => "a handshake signature or Finished did not verify",
            Self::TOO_MANY_CIDS_REQUESTED => "too many connection ids were asked for",
            Self::EXPORT_RESTRICTION => "export restrictions were not met",
            Self::PROTOCOL_VERSION => "the protocol version is not supported",
            Self::INSUFFICIENT_SECURITY => "more secure parameters are required",
            Self::INTERNAL_ERROR => "an internal error made it impossible to continue",
            Self::INAPPROPRIATE_FALLBACK => {
                "the client fell back to an older version for no reason"
            }
            Self::USER_CANCELED => "the peer gave the handshake up, or took too long over it",
            Self::NO_RENEGOTIATION => "renegotiation is refused",
            Self::MISSING_EXTENSION => "a mandatory extension is missing",
            Self::UNSUPPORTED_EXTENSION => "an extension was not offered or is prohibited here",
            Self::CERTIFICATE_UNOBTAINABLE => "a certificate could not be obtained",
            Self::UNRECOGNIZED_NAME => "there is no server of that name",
            Self::BAD_CERTIFICATE_STATUS_RESPONSE => "a stapled OCSP response was not acceptable",
            Self::BAD_CERTIFICATE_HASH_VALUE => "a certificate hash did not match",
            Self::UNKNOWN_PSK_IDENTITY => "the pre-shared key identity is unknown",
            Self::CERTIFICATE_REQUIRED => "a client certificate is required",
            Self::NO_APPLICATION_PROTOCOL => "there is no application protocol in common",
            Self::ECH_REQUIRED => "the encrypted ClientHello could not be decrypted",
            _ => "an alert this version does not know",
        }
    }
}

code_points! {
    /// The level in an alert message; in TLS 1.3 it says nothing (RFC 8446 §6).
    pub struct AlertLevel(u8) {
        /// Not fatal by itself.
        WARNING = 1, "warning";
        /// The connection is over.
        FATAL = 2, "fatal";
    }
}
