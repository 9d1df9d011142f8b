//! Going on with another configuration when the ServerHello is here. What was offered was offered by the one before it,
//! and bounds what the server may choose; of that the new one has nothing that it would refuse. What comes with the
//! ServerHello is looked at with the answer, the rest when it is here.

use std::sync::Arc;

use super::super::expect;
use super::hello::Client;
use super::parameters::Parameters;
use crate::config::{ClientConfig, ClientOptions, ExtendedMasterSecret, SecureRenegotiation};
use crate::crypto::ecdsa_curve;
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::CertificateType;
use crate::wire::{CompressedCertificate, HandshakeType};
use crate::x509::{PeerProof, check_key_length};
use crate::{Misuse, NamedGroup, SignatureScheme};

/// What the server has chosen.
pub(super) struct Chosen {
    pub(super) version: Version,
    pub(super) suite: CipherSuite,
    /// Of the extensions of before TLS 1.3.
    pub(super) older: Option<Protections>,
    /// Of TLS 1.3: `None` where a pre-shared key is used alone.
    pub(super) group: Option<NamedGroup>,
}

/// Which protections of the handshake the server has before TLS 1.3.
pub(super) struct Protections {
    pub(super) extended_master_secret: bool,
    pub(super) secure_renegotiation: bool,
}

/// The configuration to go on with, if what was chosen suits it.
pub(super) fn review(
    config: ClientConfig,
    chosen: &Chosen,
    dialect: Dialect,
) -> Result<Arc<ClientOptions>, Misuse> {
    let config = match dialect {
        Dialect::Tls => config.0,
        Dialect::Dtls => config.for_datagrams()?.0,
    };
    match refused(&config, chosen, dialect) {
        None => Ok(config),
        Some(why) => Err(not_taken(&why)),
    }
}

fn not_taken(why: &str) -> Misuse {
    Misuse::new(format!(
        "{why}; refuse the ServerHello, or go on with a configuration that takes it"
    ))
}

fn not_in(what: impl core::fmt::Display, option: &str) -> String {
    format!(
        "{option}: the server chose {what}, which is not in the list of the configuration to go on with"
    )
}

fn refused(config: &ClientOptions, chosen: &Chosen, dialect: Dialect) -> Option<String> {
    let Chosen {
        version,
        suite,
        older,
        group,
    } = chosen;
    let policy = &config.policy;
    let lacks = |option: &str, what: &str| {
        Some(format!(
            "{option}: the server does not know {what}, and the configuration to go on with demands it"
        ))
    };
    if !policy.speaks(*version) {
        return Some(not_in(dialect.code(*version), "versions"));
    }
    if !policy.cipher_suites.contains(suite) {
        return Some(not_in(suite, "cipher_suites"));
    }
    let Some(older) = older else {
        return match group {
            Some(group) if policy.groups.contains(group) => None,
            Some(group) => Some(not_in(group, "groups")),
            None if policy.psk_ke => None,
            None => Some(
                "psk_ke: the server uses a pre-shared key without a key exchange, which the configuration to go \
                 on with does not allow"
                    .to_owned(),
            ),
        };
    };
    let Protections {
        extended_master_secret,
        secure_renegotiation,
    } = older;
    if !extended_master_secret && policy.extended_master_secret == ExtendedMasterSecret::Required {
        return lacks("extended_master_secret", "RFC 7627");
    }
    if !secure_renegotiation && policy.secure_renegotiation == SecureRenegotiation::Demanded {
        return lacks("secure_renegotiation", "RFC 5746");
    }
    None
}

/// What is looked at later on, if there was a review. Each of these has been offered.
impl Client {
    /// The configuration that a reviewer has gone on with.
    fn in_force(&self) -> Option<&ClientOptions> {
        let is_another = !core::ptr::eq(&*self.config, self.offer.config());
        is_another.then_some(&*self.config)
    }

    fn review(
        &self,
        option: &str,
        what: impl core::fmt::Display,
        takes: impl FnOnce(&ClientOptions) -> bool,
    ) -> Result<(), Misuse> {
        match self.in_force() {
            Some(config) if !takes(config) => Err(not_taken(&not_in(what, option))),
            _ => Ok(()),
        }
    }

    /// Before TLS 1.3: of the key exchange.
    pub(super) fn review_group(&self, group: NamedGroup) -> Result<(), Misuse> {
        let takes = |config: &ClientOptions| config.policy.groups.contains(&group);
        self.review("groups", group, takes)
    }

    /// With which the server has signed.
    pub(super) fn review_scheme(&self, scheme: SignatureScheme) -> Result<(), Misuse> {
        let takes = |config: &ClientOptions| config.policy.schemes.contains(&scheme);
        self.review("signature_schemes", scheme, takes)
    }

    /// What the server will show, in a handshake in which it shows something.
    pub(super) fn review_type(&self, typ: CertificateType) -> Result<(), Misuse> {
        let takes = |config: &ClientOptions| config.accepted.accepts(typ);
        self.review("server_certificate_types", typ, takes)
    }

    /// TLS 1.3: how the certificate is compressed, if it is.
    pub(super) fn review_compression(&self, message: &HandshakeBytes) -> Result<(), Abort> {
        if self.in_force().is_none() || message.typ() != HandshakeType::COMPRESSED_CERTIFICATE {
            return Ok(());
        }
        let CompressedCertificate { algorithm, .. } = expect(message)?;
        let takes = |config: &ClientOptions| {
            let mut taken = config.policy.compression.iter();
            taken.any(|one| one.algorithm() == algorithm)
        };
        Ok(self.review("certificate_compression", algorithm, takes)?)
    }

    /// What was settled besides keys.
    pub(super) fn review_parameters(&self, parameters: &Parameters) -> Result<(), Misuse> {
        let Some(config) = self.in_force() else {
            return Ok(());
        };
        if let Some(protocol) = &parameters.alpn
            && !config.accept_unoffered_alpn
            && !config.alpn_protocols().any(|name| *name == **protocol)
        {
            return Err(not_taken(&not_in(protocol.escape_ascii(), "alpn")));
        }
        // X.509 is what a server asks for that says nothing.
        let of_client = parameters.of_client;
        if of_client != CertificateType::X509
            && !config.client_certificate_types.contains(&of_client)
        {
            return Err(not_taken(&not_in(of_client, "client_certificate_types")));
        }
        if let Some(srtp) = &parameters.srtp
            && !config.policy.srtp.profiles.contains(&srtp.profile)
        {
            return Err(not_taken(&not_in(srtp.profile, "srtp")));
        }
        Ok(())
    }

    /// Before TLS 1.3: what NPN comes to, which this side has settled by what was configured at first.
    pub(super) fn review_next_protocol(&self, protocol: &[u8]) -> Result<(), Misuse> {
        let Some(config) = self.in_force() else {
            return Ok(());
        };
        let fallback = config.next_protocol_fallback.as_deref();
        let mut known = config.policy.next_protocols.iter().flatten();
        if fallback == Some(protocol) || known.any(|name| **name == *protocol) {
            return Ok(());
        }
        Err(not_taken(&format!(
            "next_protocols: {} was settled by NPN, which is not in the list of the configuration to go on with",
            protocol.escape_ascii()
        )))
    }

    /// Before TLS 1.3: the key that the server has shown. In TLS 1.3 it is looked at by the configuration in force. Of which
    /// kind it may be, the suite and the scheme say, which were looked at.
    pub(super) fn review_key(&self, proof: &PeerProof) -> Result<(), Abort> {
        let Some(config) = self.in_force() else {
            return Ok(());
        };
        if let Some(curve) = ecdsa_curve(proof.spki())
            && !config.policy.groups.contains(&curve)
        {
            let what = format!("a certificate with a key on {curve}");
            return Err(not_taken(&not_in(what, "groups")).into());
        }
        Ok(check_key_length(
            &proof.presented(),
            config.policy.key_minimum,
        )?)
    }
}
