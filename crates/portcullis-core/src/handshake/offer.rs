//! Whatever the server selects must be in what the client offered: the one place that checks it.
//!
//! RFC 8446 §4.1.3, §4.2.

use std::sync::Arc;

use crate::config::ClientOptions;
use crate::crypto::ecdsa_curve;
use crate::error::Abort;
use crate::named_group::NamedGroup;
use crate::signature_scheme::SignatureScheme;
use crate::suite::CipherSuite;
use crate::version::{ProtocolVersion, Version};
use crate::wire::ExtensionType;
use crate::wire::extension::{Extensions, Place};
use crate::{Misuse, Violation};

/// What a ClientHello has offered.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    config: Arc<ClientOptions>,
    /// A bit for each type.
    extensions: u128,
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
            Place::EncryptedExtensions | Place::ServerHelloBefore13 => {
                Violation::DuplicateNegotiation
            }
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

/// Where a type stands in the set of those that a hello of ours can have: at its number, or
/// behind 63 where that is large.
const fn bit(typ: ExtensionType) -> u128 {
    match typ {
        ExtensionType(number @ 0..=63) => 1 << number,
        ExtensionType::RENEGOTIATION_INFO => 1 << 64,
        ExtensionType::NEXT_PROTOCOL_NEGOTIATION => 1 << 65,
        ExtensionType::ENCRYPTED_CLIENT_HELLO => 1 << 66,
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

    /// The same of another configuration.
    pub(super) fn of(self, config: Arc<ClientOptions>) -> Self {
        Self { config, ..self }
    }

    /// An answer to encrypted_client_hello is none any more.
    pub(super) fn forget_ech(&mut self) {
        self.extensions &= !bit(ExtensionType::ENCRYPTED_CLIENT_HELLO);
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

    /// The suite was offered, and is one of the version that was selected.
    pub(super) fn check_suite(
        &self,
        suite: CipherSuite,
        version: ProtocolVersion,
    ) -> Result<CipherSuite, Violation> {
        if !self.config.policy.cipher_suites.contains(&suite) {
            Err(Violation::SuiteNotOffered)
        } else if !suite.is_usable_in(version) {
            Err(Violation::SuiteOfAnotherVersion)
        } else {
            Ok(suite)
        }
    }

    /// RFC 8422 §5.4: the curve was offered, and is one.
    pub(super) fn check_curve(&self, group: NamedGroup) -> Result<NamedGroup, Violation> {
        if self.config.policy.groups.contains(&group) && group.is_curve() {
            Ok(group)
        } else {
            Err(Violation::CurveNotOffered)
        }
    }

    /// RFC 8422 §5.1: what was offered are curves of keys for ECDSA, too. OpenSSL and BoringSSL
    /// refuse others, so no server counts on them.
    pub(super) fn check_leaf_curve(&self, spki: &[u8]) -> Result<(), Violation> {
        match ecdsa_curve(spki) {
            Some(curve) if !self.config.policy.groups.contains(&curve) => {
                Err(Violation::LeafCurveNotOffered)
            }
            _ => Ok(()),
        }
    }

    /// Those that were offered.
    pub(super) fn groups(&self) -> impl Iterator<Item = NamedGroup> + Clone {
        self.config.policy.groups.iter().copied()
    }

    pub(super) fn check_retry_group(&self, group: NamedGroup) -> Result<NamedGroup, Violation> {
        if self.config.policy.groups.contains(&group) && group.is_usable_in_tls13() {
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

/// RFC 5246 §7.4.1.4.1: the same before TLS 1.3.
pub(super) fn check_scheme_before_tls13(
    offered: &[SignatureScheme],
    scheme: SignatureScheme,
) -> Result<SignatureScheme, Violation> {
    if offered.contains(&scheme) && scheme.signs_in(Version::V1_2) {
        Ok(scheme)
    } else {
        Err(Violation::SchemeNotOffered)
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
