//! Whatever the server selects must be in what the client offered: the one place that checks it.
//!
//! RFC 8446 §4.1.3, §4.2.

use std::sync::Arc;

use crate::config::ClientOptions;
use crate::error::Abort;
use crate::named_group::NamedGroup;
use crate::signature_scheme::SignatureScheme;
use crate::suite::CipherSuite;
use crate::wire::ExtensionType;
use crate::wire::extension::Extensions;
use crate::{Misuse, Violation};

/// What a ClientHello has offered.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    config: Arc<ClientOptions>,
    /// A bit for each type.
    extensions: u64,
}

/// In which message an extension comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    ServerHello,
    HelloRetryRequest,
    EncryptedExtensions,
    Certificate,
}

impl Place {
    /// §4.2's table: which of the extensions this build knows belong here.
    fn admits(self, typ: ExtensionType) -> bool {
        use ExtensionType as E;
        match self {
            Self::ServerHello => matches!(
                typ,
                E::KEY_SHARE | E::SUPPORTED_VERSIONS | E::PRE_SHARED_KEY
            ),
            Self::HelloRetryRequest => {
                matches!(typ, E::KEY_SHARE | E::SUPPORTED_VERSIONS | E::COOKIE)
            }
            Self::EncryptedExtensions => matches!(
                typ,
                E::SERVER_NAME
                    | E::MAX_FRAGMENT_LENGTH
                    | E::SUPPORTED_GROUPS
                    | E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION
                    | E::EARLY_DATA
                    | E::RECORD_SIZE_LIMIT
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
        | E::STATUS_REQUEST
        | E::SIGNED_CERTIFICATE_TIMESTAMP => place != Request::CertificateRequest,
        E::SERVER_NAME
        | E::MAX_FRAGMENT_LENGTH
        | E::SUPPORTED_GROUPS
        | E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION
        | E::PADDING
        | E::RECORD_SIZE_LIMIT
        | E::PRE_SHARED_KEY
        | E::SUPPORTED_VERSIONS
        | E::COOKIE
        | E::PSK_KEY_EXCHANGE_MODES
        | E::POST_HANDSHAKE_AUTH
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

/// Checks the extensions of a message from the peer, which answer `offered`.
///
/// # Errors
/// Twice the same, in the wrong message, or an answer to something that was not offered.
pub(super) fn check_extensions(
    extensions: &Extensions<'_>,
    place: Place,
    offered: impl Fn(ExtensionType) -> bool,
) -> Result<(), Abort> {
    if extensions.duplicate().is_some() {
        return Err(match place {
            Place::EncryptedExtensions => Violation::DuplicateNegotiation,
            _ => Violation::DuplicateExtension,
        }
        .into());
    }
    for typ in extensions.iter().map(|extension| extension.extension_type) {
        // A cookie comes unasked, and only in a HelloRetryRequest (§4.2.2).
        let unasked = place == Place::HelloRetryRequest && typ == ExtensionType::COOKIE;
        if !offered(typ) && !unasked {
            return Err(Violation::ExtensionNotOffered.into());
        }
        if !place.admits(typ) {
            return Err(Violation::ExtensionMisplaced.into());
        }
    }
    Ok(())
}

/// Where a type stands in the set of those that a hello of ours can have.
const fn bit(typ: ExtensionType) -> u64 {
    match typ.0 {
        0..=63 => 1 << typ.0,
        // None of ours.
        _ => 0,
    }
}

impl Offer {
    pub(super) fn new(config: Arc<ClientOptions>) -> Self {
        Self {
            config,
            extensions: 0,
        }
    }

    /// Notes what the hello that is being sent contains.
    pub(super) fn set_extensions(&mut self, hello: &Extensions<'_>) -> Result<(), Abort> {
        self.extensions = 0;
        for extension in hello.iter() {
            self.extensions |= bit(extension.extension_type);
        }
        if hello.duplicate().is_some() {
            return Err(Misuse::new("the ClientHello would have an extension twice").into());
        }
        Ok(())
    }

    pub(super) fn check_extensions(
        &self,
        extensions: &Extensions<'_>,
        place: Place,
    ) -> Result<(), Abort> {
        check_extensions(extensions, place, |typ| self.has(typ))
    }

    /// The configuration the hello was made from.
    pub(super) fn config(&self) -> &ClientOptions {
        &self.config
    }

    pub(super) fn has(&self, typ: ExtensionType) -> bool {
        self.extensions & bit(typ) != 0
    }

    pub(super) fn check_suite(&self, suite: CipherSuite) -> Result<CipherSuite, Violation> {
        if self.config.policy.cipher_suites.contains(&suite) {
            Ok(suite)
        } else {
            Err(Violation::SuiteNotOffered)
        }
    }

    pub(super) fn check_retry_group(&self, group: NamedGroup) -> Result<NamedGroup, Violation> {
        if self.config.policy.groups.contains(&group) {
            Ok(group)
        } else {
            Err(Violation::RetryGroupNotOffered)
        }
    }

    pub(super) fn check_protocol(&self, protocol: &[u8]) -> Result<Box<[u8]>, Violation> {
        let mut offered = self.config.alpn_protocols();
        if self.config.accept_unoffered_alpn || offered.any(|name| name == protocol) {
            Ok(protocol.into())
        } else {
            Err(Violation::ProtocolNotOffered)
        }
    }

    pub(super) fn check_scheme(
        &self,
        scheme: SignatureScheme,
    ) -> Result<SignatureScheme, Violation> {
        check_scheme(&self.config.policy.schemes, scheme)
    }
}

/// A signature's scheme must be one we said we accept, and one that TLS 1.3 allows there (§4.4.3).
pub(super) fn check_scheme(
    offered: &[SignatureScheme],
    scheme: SignatureScheme,
) -> Result<SignatureScheme, Violation> {
    if offered.contains(&scheme) && scheme.allowed_in_tls13_certificate_verify() {
        Ok(scheme)
    } else {
        Err(Violation::SchemeNotOffered)
    }
}
