//! Extensions: what every one has in common, and the block that holds them.
//!
//! RFC 8446 §4.2. A message whose extension has another form there has another type here:
//! `KeyShareClientHello`, `KeyShareServerHello`, `KeyShareHelloRetryRequest`.

mod alpn;
mod block;
mod certificate_authorities;
mod certificate_type;
mod compress_certificate;
mod connection_id;
mod cookie;
mod early_data;
mod ec_point_formats;
mod ech_outer_extensions;
mod encrypt_then_mac;
mod encrypted_client_hello;
mod extended_master_secret;
mod key_share;
mod max_fragment_length;
mod next_protocol;
mod oid_filters;
mod padding;
mod placement;
mod post_handshake_auth;
mod pre_shared_key;
mod psk_key_exchange_modes;
mod record_size_limit;
mod renegotiation_info;
mod rrc;
mod server_name;
mod session_ticket;
mod signature_algorithms;
mod signed_certificate_timestamp;
mod srp;
mod status_request;
mod supported_groups;
mod supported_versions;
mod ticket_request;
mod use_srtp;

pub use alpn::{Alpn, AlpnSelected, ProtocolName};
pub use block::{Extensions, RawExtension};
pub(super) use certificate_authorities::put_names;
pub use certificate_authorities::{CertificateAuthorities, DistinguishedName};
pub use certificate_type::{
    CertificateType, ClientCertificateTypeSelected, ClientCertificateTypes,
    ServerCertificateTypeSelected, ServerCertificateTypes,
};
pub use compress_certificate::{CertificateCompressionAlgorithm, CompressCertificate};
pub use connection_id::ConnectionId;
pub use cookie::Cookie;
pub use early_data::{EarlyData, MaxEarlyDataSize};
pub use ec_point_formats::{EcPointFormat, EcPointFormats};
pub use ech_outer_extensions::EchOuterExtensions;
pub use encrypt_then_mac::EncryptThenMac;
pub use encrypted_client_hello::{
    EchConfirmation, EchOuter, EchRetryConfigs, EncryptedClientHello,
};
pub use extended_master_secret::ExtendedMasterSecret;
pub use key_share::{
    KeyShareClientHello, KeyShareEntry, KeyShareHelloRetryRequest, KeyShareServerHello,
};
pub use max_fragment_length::MaxFragmentLength;
pub use next_protocol::{NextProtocolOffer, NextProtocols};
pub use oid_filters::{OidFilter, OidFilters};
pub use padding::Padding;
pub(crate) use placement::{Place, Request, check_request};
pub use post_handshake_auth::PostHandshakeAuth;
pub use pre_shared_key::{OfferedPsks, PskBinder, PskIdentity, SelectedIdentity};
pub use psk_key_exchange_modes::{PskKeyExchangeMode, PskKeyExchangeModes};
pub use record_size_limit::RecordSizeLimit;
pub use renegotiation_info::RenegotiationInfo;
pub use rrc::Rrc;
pub use server_name::{ServerName, ServerNameAcknowledgement};
pub use session_ticket::SessionTicket;
pub use signature_algorithms::{SignatureAlgorithms, SignatureAlgorithmsCert};
pub use signed_certificate_timestamp::{SctList, SignedCertificateTimestamp};
pub use srp::SrpUser;
pub use status_request::{
    CertificateStatus, ResponderId, StatusRequest, StatusRequestEmpty, StatusType,
};
pub use supported_groups::SupportedGroups;
pub use supported_versions::{SelectedVersion, SupportedVersions};
pub use ticket_request::{ExpectedTickets, TicketRequest};
pub use use_srtp::{UseSrtp, UseSrtpSelected};

use super::codec::{DecodeError, put_u16, put_vec16};
use super::extension_type::ExtensionType;

/// The body of an extension: a borrowed view of it, and back.
///
/// What we send ourselves is written by each type's `put`, from native values.
pub trait Extension<'a>: Sized {
    /// The type before the body.
    const TYPE: ExtensionType;

    /// Reads a body to its end.
    ///
    /// # Errors
    /// When `body` does not have the syntax of the extension, or bytes are left over.
    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError>;

    /// Writes the body.
    fn encode_body(&self, out: &mut Vec<u8>);

    /// Writes the extension: type, length and body.
    fn encode(&self, out: &mut Vec<u8>) {
        put_extension(out, Self::TYPE, |out| self.encode_body(out));
    }
}

/// Writes an extension of type `extension_type` with what `body` writes as its body.
pub fn put_extension(
    out: &mut Vec<u8>,
    extension_type: ExtensionType,
    body: impl FnOnce(&mut Vec<u8>),
) {
    put_u16(out, extension_type.0);
    put_vec16(out, body);
}

/// Defines an extension that says what it says by being there.
macro_rules! empty_extension {
    ($(#[$meta:meta])* $name:ident = $extension_type:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl $name {
            /// Writes the extension.
            pub fn put(out: &mut Vec<u8>) {
                $crate::wire::extension::Extension::encode(&Self, out);
            }
        }

        impl $crate::wire::extension::Extension<'_> for $name {
            const TYPE: $crate::wire::extension_type::ExtensionType =
                $crate::wire::extension_type::ExtensionType::$extension_type;

            fn decode_body(body: &[u8]) -> Result<Self, $crate::wire::codec::DecodeError> {
                $crate::wire::codec::Cursor::new(body).end().map(|()| Self)
            }

            fn encode_body(&self, _: &mut Vec<u8>) {}
        }
    };
}

use empty_extension;

#[cfg(test)]
mod tests;
