//! Which extension may stand in which message.
//!
//! RFC 8446 §4.2, its table.

use super::super::extension_type::ExtensionType;
use super::Extensions;
use crate::violation::Violation;

/// In which message an extension comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    ServerHello,
    HelloRetryRequest,
    EncryptedExtensions,
    Certificate,
    /// That of TLS 1.2 and older, which answers everything itself.
    ServerHelloBefore13,
}

impl Place {
    /// §4.2's table: which of the extensions this build knows belong here.
    pub(crate) const fn admits(self, typ: ExtensionType) -> bool {
        use ExtensionType as E;
        match self {
            Self::ServerHello => matches!(
                typ,
                // RFC 9147 §9 has connection_id there, so that what follows can have it.
                E::KEY_SHARE
                    | E::SUPPORTED_VERSIONS
                    | E::PRE_SHARED_KEY
                    | E::CONNECTION_ID
                    | E::RRC
            ),
            Self::HelloRetryRequest => {
                matches!(
                    typ,
                    E::KEY_SHARE
                        | E::SUPPORTED_VERSIONS
                        | E::COOKIE
                        // RFC 9849 §5.
                        | E::ENCRYPTED_CLIENT_HELLO
                )
            }
            Self::EncryptedExtensions => matches!(
                typ,
                E::SERVER_NAME
                    | E::MAX_FRAGMENT_LENGTH
                    | E::SUPPORTED_GROUPS
                    | E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION
                    | E::EARLY_DATA
                    | E::RECORD_SIZE_LIMIT
                    | E::TICKET_REQUEST
                    | E::USE_SRTP
                    | E::CLIENT_CERTIFICATE_TYPE
                    | E::SERVER_CERTIFICATE_TYPE
                    | E::ENCRYPTED_CLIENT_HELLO
            ),
            // supported_groups has no place there; some servers send it all the same.
            Self::ServerHelloBefore13 => matches!(
                typ,
                E::SERVER_NAME
                    | E::MAX_FRAGMENT_LENGTH
                    | E::STATUS_REQUEST
                    | E::SIGNED_CERTIFICATE_TIMESTAMP
                    | E::SUPPORTED_GROUPS
                    | E::EC_POINT_FORMATS
                    | E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION
                    | E::ENCRYPT_THEN_MAC
                    | E::EXTENDED_MASTER_SECRET
                    | E::RECORD_SIZE_LIMIT
                    | E::SESSION_TICKET
                    | E::RENEGOTIATION_INFO
                    | E::NEXT_PROTOCOL_NEGOTIATION
                    | E::CONNECTION_ID
                    | E::RRC
                    | E::USE_SRTP
                    | E::CLIENT_CERTIFICATE_TYPE
                    | E::SERVER_CERTIFICATE_TYPE
            ),
            Self::Certificate => matches!(typ, E::STATUS_REQUEST | E::SIGNED_CERTIFICATE_TIMESTAMP),
        }
    }
}

/// §4.2: an extension that this build knows does not belong into a request of the peer's, while
/// unknown ones are let pass.
pub(crate) fn check_request(extensions: &Extensions<'_>, place: Request) -> Result<(), Violation> {
    use ExtensionType as E;
    if extensions.duplicate().is_some() {
        return Err(Violation::DuplicateExtension);
    }
    let misplaced = |typ| match typ {
        E::EARLY_DATA => place != Request::NewSessionTicket,
        E::SIGNATURE_ALGORITHMS
        | E::SIGNATURE_ALGORITHMS_CERT
        | E::CERTIFICATE_AUTHORITIES
        | E::OID_FILTERS
        | E::COMPRESS_CERTIFICATE
        | E::STATUS_REQUEST
        | E::SIGNED_CERTIFICATE_TIMESTAMP => place != Request::CertificateRequest,
        E::SERVER_NAME
        | E::MAX_FRAGMENT_LENGTH
        | E::SUPPORTED_GROUPS
        | E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION
        | E::PADDING
        | E::RECORD_SIZE_LIMIT
        | E::TICKET_REQUEST
        | E::USE_SRTP
        | E::CLIENT_CERTIFICATE_TYPE
        | E::SERVER_CERTIFICATE_TYPE
        | E::PRE_SHARED_KEY
        | E::SUPPORTED_VERSIONS
        | E::CONNECTION_ID
        | E::RRC
        | E::COOKIE
        | E::PSK_KEY_EXCHANGE_MODES
        | E::POST_HANDSHAKE_AUTH
        | E::ENCRYPTED_CLIENT_HELLO
        | E::KEY_SHARE => true,
        _ => false,
    };
    let mut types = extensions.iter().map(|extension| extension.extension_type);
    match types.any(misplaced) {
        true => Err(Violation::ExtensionMisplaced),
        false => Ok(()),
    }
}

/// A message whose extensions answer nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    CertificateRequest,
    NewSessionTicket,
}
