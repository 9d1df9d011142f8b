//! The one table from our reasons to BoringSSL's error tokens.

use portcullis_core::x509::CertificateErrorKind;
use portcullis_core::{AlertDescription, Error, Reason, Stage, Violation};

/// What the hellos decided, where BoringSSL has other words for the same.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hellos {
    /// A second ServerHello is read with another parser than the first.
    pub(crate) retried: bool,
    pub(crate) before_tls13: bool,
    /// The client offers a session, be it of TLS 1.3.
    pub(crate) offers_session: bool,
    pub(crate) dtls: bool,
    /// The peer has shown a key for Ed25519.
    pub(crate) ed25519: bool,
}

/// BoringSSL's token for the reason; `None` where it has none.
pub(crate) fn of(error: &Error, hellos: Hellos) -> Option<&'static str> {
    match error.reason() {
        Reason::Violation(violation) | Reason::Explained { violation, .. } => {
            violation_token(*violation, error.stage(), hellos)
        }
        Reason::Unexpected { expected, .. } => Some(match *expected {
            "change_cipher_spec" => ":UNEXPECTED_RECORD:",
            _ => ":UNEXPECTED_MESSAGE:",
        }),
        Reason::NotTls { first_bytes } => Some(not_tls(first_bytes)),
        Reason::AlertReceived(alert) => alert_token(*alert, error.stage()),
        Reason::Certificate(error) => certificate_token(error.kind()),
        Reason::NumbersUsedUp => Some(":TOO_MANY_KEY_UPDATES:"),
        Reason::NoAnswer { .. } => Some(":READ_TIMEOUT_EXPIRED:"),
        Reason::EchRejected(_) => Some(":ECH_REJECTED:"),
        _ => None,
    }
}

fn stage_of_client_hello(stage: Stage) -> bool {
    matches!(stage, Stage::WaitClientHello | Stage::WaitSecondClientHello)
}

fn violation_token(violation: Violation, stage: Stage, hellos: Hellos) -> Option<&'static str> {
    use Violation as V;
    Some(match violation {
        V::UnknownRecordType | V::UnexpectedChangeCipherSpec => ":UNEXPECTED_RECORD:",
        V::InterleavedRecord | V::ApplicationDataTooEarly => ":UNEXPECTED_RECORD:",
        V::EmptyRecord | V::TooManyEmptyRecords => ":TOO_MANY_EMPTY_FRAGMENTS:",
        V::TooManyChangeCipherSpecs => ":TOO_MANY_EMPTY_FRAGMENTS:",
        V::MalformedChangeCipherSpec => ":BAD_CHANGE_CIPHER_SPEC:",
        V::WrongRecordVersion | V::RecordVersionChanged => ":WRONG_VERSION_NUMBER:",
        V::RecordTooLong => ":ENCRYPTED_LENGTH_TOO_LONG:",
        V::PlaintextTooLong | V::RecordBeyondLimit => ":DATA_LENGTH_TOO_LONG:",
        V::WrongOuterType => ":INVALID_OUTER_RECORD_TYPE:",
        V::BadRecordMac | V::UnprotectedRecord | V::NoContentType => {
            ":DECRYPTION_FAILED_OR_BAD_RECORD_MAC:"
        }
        V::VersionChangedAfterVerify => ":INVALID_MESSAGE:",
        V::MessageSpansKeyChange | V::MessageAfterFlight | V::MessageInOldEpoch => {
            ":EXCESS_HANDSHAKE_DATA:"
        }
        V::TooMuchEarlyData => ":TOO_MUCH_SKIPPED_EARLY_DATA:",
        V::EarlyDataBeyondLimit => ":TOO_MUCH_READ_EARLY_DATA:",
        V::OlderVersionAfterEarlyData => ":WRONG_VERSION_ON_EARLY_DATA:",
        V::EarlyDataWithAnotherPsk => ":UNEXPECTED_EXTENSION:",
        V::EarlyDataWithAnotherSuite => ":CIPHER_MISMATCH_ON_EARLY_DATA:",
        V::EarlyDataWithAnotherProtocol => ":ALPN_MISMATCH_ON_EARLY_DATA:",
        V::MalformedAlert | V::WrongAlertLevel => ":BAD_ALERT:",
        V::UnknownAlertLevel => ":UNKNOWN_ALERT_TYPE:",
        V::TooManyWarnings => ":TOO_MANY_WARNING_ALERTS:",
        V::UnexpectedMessage | V::UnknownHandshakeType | V::SecondRetry => ":UNEXPECTED_MESSAGE:",
        V::MalformedFragment => ":BAD_HANDSHAKE_RECORD:",
        V::FragmentContradictsMessage => ":FRAGMENT_MISMATCH:",
        V::MalformedAck | V::LegacyCookieInHello => ":DECODE_ERROR:",
        // Over datagrams it has no renegotiation, and so no hello request that could be a bad one.
        V::UnexpectedPostHandshakeMessage if hellos.dtls && hellos.before_tls13 => {
            ":UNEXPECTED_RECORD:"
        }
        V::MalformedMessage | V::UnexpectedPostHandshakeMessage
            if stage == Stage::Connected && hellos.before_tls13 =>
        {
            ":BAD_HELLO_REQUEST:"
        }
        V::UnexpectedPostHandshakeMessage => ":UNEXPECTED_MESSAGE:",
        V::HandshakeMessageTooLong => ":EXCESSIVE_MESSAGE_SIZE:",
        V::CompressionNotOffered => ":UNSUPPORTED_COMPRESSION_ALGORITHM:",
        V::SuiteOfAnotherVersion => ":WRONG_CIPHER_RETURNED:",
        V::EchTypeUnknown => ":ERROR_PARSING_EXTENSION:",
        V::EchInnerFromNetwork | V::EchOuterAtBackend => ":UNEXPECTED_EXTENSION:",
        V::EchPaddingNotZero | V::EchChangedInSecondHello => ":DECODE_ERROR:",
        V::EchSessionIdNotEmpty | V::InnerWithoutEch | V::InnerOffersOldVersion => {
            ":INVALID_CLIENT_HELLO_INNER:"
        }
        V::OuterExtensionMissing | V::OuterExtensionSelfReference => ":INVALID_OUTER_EXTENSION:",
        V::EchMissingInSecondHello => ":MISSING_EXTENSION:",
        V::SecondEchNotOpened => ":DECRYPTION_FAILED:",
        V::EchAcceptanceRevoked => ":INCONSISTENT_ECH_NEGOTIATION:",
        V::EchRejectedButResumed => ":UNEXPECTED_EXTENSION:",
        V::CompatibilitySessionIdEchoed if hellos.offers_session => {
            ":OLD_SESSION_VERSION_NOT_RETURNED:"
        }
        V::CompatibilitySessionIdEchoed => ":SERVER_ECHOED_INVALID_SESSION_ID:",
        V::RenegotiationInfoMismatch | V::RenegotiationInfoMissing => ":RENEGOTIATION_MISMATCH:",
        V::SecureRenegotiationMissing => ":UNSAFE_LEGACY_RENEGOTIATION_DISABLED:",
        V::BothProtocolNegotiations => ":NEGOTIATED_BOTH_NPN_AND_ALPN:",
        V::RenegotiationForbidden => ":NO_RENEGOTIATION:",
        V::RenegotiationChangedVersion => ":WRONG_SSL_VERSION:",
        V::RenegotiationChangedCertificate => ":SERVER_CERT_CHANGED:",
        V::RenegotiationChangedProtection => ":RENEGOTIATION_EMS_MISMATCH:",
        V::ResumedWithAnotherVersion => ":OLD_SESSION_VERSION_NOT_RETURNED:",
        V::ResumedWithAnotherSuite => ":OLD_SESSION_CIPHER_NOT_RETURNED:",
        V::ResumedWithoutExtendedMasterSecret | V::ExtendedMasterSecretMissing => {
            ":RESUMED_EMS_SESSION_WITHOUT_EMS_EXTENSION:"
        }
        V::ResumedWithExtendedMasterSecret => ":RESUMED_NON_EMS_SESSION_WITH_EMS_EXTENSION:",
        V::UncompressedPointsMissing => ":ERROR_PARSING_EXTENSION:",
        V::CurveNotOffered | V::NoSharedCertificateCurve => ":WRONG_CURVE:",
        V::LeafCurveNotOffered => ":BAD_ECC_CERT:",
        V::DuplicateCompression => ":ERROR_PARSING_EXTENSION:",
        V::CertificateCompressionNotOffered => ":UNKNOWN_CERT_COMPRESSION_ALG:",
        V::CompressedCertificateTooLong => ":UNCOMPRESSED_CERT_TOO_LARGE:",
        V::BadCompressedCertificate => ":CERT_DECOMPRESSION_FAILED:",
        V::BadCertificateTypes => ":DECODE_ERROR:",
        V::NoSharedServerCertificateType => ":UNKNOWN_CERTIFICATE_TYPE:",
        V::NoSharedClientCertificateType | V::CertificateTypeNotOffered => {
            ":UNSUPPORTED_CERTIFICATE:"
        }
        V::RawPublicKeyWithMore => ":INVALID_RAW_PUBLIC_KEY:",
        V::KeyDoesNotFitSuite => ":WRONG_CERTIFICATE_TYPE:",
        V::NoClientCertificateBefore13 => ":PEER_DID_NOT_RETURN_A_CERTIFICATE:",
        V::NullCompressionMissing => ":INVALID_COMPRESSION_LIST:",
        V::MalformedMessage if stage_of_client_hello(stage) => ":CLIENTHELLO_PARSE_FAILED:",
        V::MalformedMessage => ":DECODE_ERROR:",
        V::MalformedExtension => ":ERROR_PARSING_EXTENSION:",
        V::DuplicateExtension | V::DuplicateNegotiation => ":DUPLICATE_EXTENSION:",
        V::ExtensionMisplaced if stage == Stage::WaitEncryptedExtensions => {
            ":ERROR_PARSING_EXTENSION:"
        }
        V::ExtensionNotOffered | V::ExtensionMisplaced => ":UNEXPECTED_EXTENSION:",
        V::VersionNotOffered | V::UnsupportedVersion => ":UNSUPPORTED_PROTOCOL:",
        V::LegacyVersionInServerHello if hellos.retried => ":DECODE_ERROR:",
        V::LegacyVersionInServerHello | V::LegacyVersionInClientHello => ":UNSUPPORTED_PROTOCOL:",
        V::InappropriateFallback => ":INAPPROPRIATE_FALLBACK:",
        // Of an older version it is an extension that has no place there.
        V::SelectedVersionNotOffered if hellos.before_tls13 => ":UNEXPECTED_EXTENSION:",
        V::SelectedVersionNotOffered => ":UNSUPPORTED_PROTOCOL:",
        V::DowngradeDetected => ":TLS13_DOWNGRADE:",
        V::SessionIdNotEchoed if hellos.dtls => ":DECODE_ERROR:",
        V::SessionIdNotEchoed => ":SERVER_ECHOED_INVALID_SESSION_ID:",
        V::SuiteNotOffered | V::SuiteChangedAfterRetry => ":WRONG_CIPHER_RETURNED:",
        V::CompressionSelected => ":DECODE_ERROR:",
        V::VersionChangedAfterRetry => ":SECOND_SERVERHELLO_VERSION_MISMATCH:",
        V::ServerKeyShareMissing | V::PskWithoutKeyShare | V::KeyShareMissing => {
            ":MISSING_KEY_SHARE:"
        }
        V::KeyShareGroupNotOffered | V::GroupChangedAfterRetry => ":WRONG_CURVE:",
        V::RetryGroupNotOffered | V::RetryGroupAlreadyShared | V::RetryIgnored => ":WRONG_CURVE:",
        V::BadKeyShare => ":BAD_ECPOINT:",
        V::RetryWithoutChange => ":EMPTY_HELLO_RETRY_REQUEST:",
        V::ProtocolNotOffered => ":INVALID_ALPN_PROTOCOL:",
        V::SrtpProfileNotOffered => ":BAD_SRTP_PROTECTION_PROFILE_LIST:",
        V::SrtpMkiChanged => ":BAD_SRTP_MKI_VALUE:",
        V::ServerNameAckNotEmpty => ":ERROR_PARSING_EXTENSION:",
        V::RequestWithoutSignatureAlgorithms => ":MISSING_EXTENSION:",
        V::SignatureAlgorithmsMissing => ":NO_COMMON_SIGNATURE_ALGORITHMS:",
        V::SupportedGroupsMissing => ":NO_SHARED_GROUP:",
        V::RequestContextNotEmpty | V::CertificateContextMismatch => ":DECODE_ERROR:",
        V::NoServerCertificate if hellos.before_tls13 => ":DECODE_ERROR:",
        V::NoServerCertificate | V::NoClientCertificate => ":PEER_DID_NOT_RETURN_A_CERTIFICATE:",
        V::SchemeNotOffered | V::SchemeDoesNotFitKey => ":WRONG_SIGNATURE_TYPE:",
        V::UnsupportedKey if hellos.before_tls13 && hellos.ed25519 => {
            ":PEER_ERROR_UNSUPPORTED_CERTIFICATE_TYPE:"
        }
        V::UnsupportedKey => ":UNSUPPORTED_ALGORITHM:",
        V::BadSignature => ":BAD_SIGNATURE:",
        V::FinishedMismatch => ":DIGEST_CHECK_FAILED:",
        V::CompressionOffered => ":INVALID_COMPRESSION_LIST:",
        V::NoSharedCipherSuite => ":NO_SHARED_CIPHER:",
        // Before TLS 1.3 it is a matter of the suites.
        V::NoSharedFiniteField => ":NO_SHARED_CIPHER:",
        V::NoSharedGroup if hellos.before_tls13 => ":NO_SHARED_CIPHER:",
        V::NoSharedGroup => ":NO_SHARED_GROUP:",
        // A server leaves out the suites that it has no key for.
        V::NoSharedSignatureScheme if hellos.before_tls13 && stage_of_client_hello(stage) => {
            ":NO_SHARED_CIPHER:"
        }
        V::NoSharedSignatureScheme => ":NO_COMMON_SIGNATURE_ALGORITHMS:",
        V::NoSharedProtocol => ":NO_APPLICATION_PROTOCOL:",
        V::BadServerName => ":CLIENTHELLO_PARSE_FAILED:",
        V::DuplicateKeyShare => ":DUPLICATE_KEY_SHARE:",
        V::PskNotLast => ":PRE_SHARED_KEY_MUST_BE_LAST:",
        V::UnknownPskIdentity | V::PskReplacedAfterRetry => ":PSK_IDENTITY_NOT_FOUND:",
        V::NoSharedPskMode => ":NO_SUPPORTED_PSK_MODE:",
        V::PskNotSelected | V::PskNotOffered => ":MISSING_EXTENSION:",
        V::SelectedPskNotOffered => ":PSK_IDENTITY_NOT_FOUND:",
        V::PskHashMismatch => ":OLD_SESSION_PRF_HASH_MISMATCH:",
        V::PskBinderCount => ":PSK_IDENTITY_BINDER_COUNT_MISMATCH:",
        V::BadPskBinder => ":DIGEST_CHECK_FAILED:",
        V::PskWithoutModes | V::PskOmittedAfterRetry => ":MISSING_EXTENSION:",
        V::BadKeyUpdate => ":DECODE_ERROR:",
        V::TooManyKeyUpdates => ":TOO_MANY_KEY_UPDATES:",
        V::TicketLifetimeTooLong => ":DECODE_ERROR:",
        _ => return None,
    })
}

fn not_tls(first_bytes: &[u8]) -> &'static str {
    const HTTP: [&[u8]; 4] = [b"GET ", b"POST", b"HEAD", b"PUT "];
    if HTTP.iter().any(|start| first_bytes.starts_with(start)) {
        ":HTTP_REQUEST:"
    } else if first_bytes.starts_with(b"CONNE") {
        ":HTTPS_PROXY_REQUEST:"
    } else {
        ":WRONG_VERSION_NUMBER:"
    }
}

fn alert_token(alert: AlertDescription, stage: Stage) -> Option<&'static str> {
    use AlertDescription as A;
    Some(match alert {
        A::HANDSHAKE_FAILURE if stage == Stage::WaitServerHello => {
            ":HANDSHAKE_FAILURE_ON_CLIENT_HELLO:"
        }
        A::HANDSHAKE_FAILURE => ":SSLV3_ALERT_HANDSHAKE_FAILURE:",
        A::DECOMPRESSION_FAILURE => ":SSLV3_ALERT_DECOMPRESSION_FAILURE:",
        A::RECORD_OVERFLOW => ":TLSV1_ALERT_RECORD_OVERFLOW:",
        A::ACCESS_DENIED => ":TLSV1_ALERT_ACCESS_DENIED:",
        _ => return None,
    })
}

fn certificate_token(kind: &CertificateErrorKind) -> Option<&'static str> {
    use CertificateErrorKind as K;
    Some(match kind {
        K::KeyUsage | K::NoKeyEncipherment | K::NoKeyAgreement => ":KEY_USAGE_BIT_INCORRECT:",
        K::Malformed(_) => ":CANNOT_PARSE_LEAF_CERT:",
        K::MalformedKey => ":DECODE_ERROR:",
        K::Rejected {
            alert: AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE,
            ..
        } => ":OCSP_CB_ERROR:",
        _ => ":CERTIFICATE_VERIFY_FAILED:",
    })
}
