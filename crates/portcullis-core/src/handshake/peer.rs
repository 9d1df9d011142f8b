//! What the peer shows of itself: its chain, the proof of it, and its signature.
//!
//! RFC 8446 §4.4.2, §4.4.3; the same for either role.

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::offer::check_extensions;
use super::{find, wrong_answer};
use crate::config::{ClientOptions, Policy, ServerOptions};
use crate::crypto::{
    encrypting_bits, is_known_key, point_in_key, scheme_before_tls12, scheme_fits_key,
    scheme_fits_key_before_tls13, verify_before_tls13, verify_tls13, verify_with_short_key,
};
use crate::error::Abort;
use crate::question::{AnswerContent, ExpectedPeer, Question, QuestionId, VerifyChain};
use crate::suite::CipherSuite;
use crate::wire::extension::{CertificateStatus, Place};
use crate::wire::{Certificate, ExtensionType, tls12};
use crate::x509::{
    CertificateError, ChainPolicy, PresentedChain, VerifiedChain, check_agreement,
    check_encipherment, check_key_length, check_key_usage, check_length,
};
use crate::{Misuse, SignatureScheme, Violation};

/// The chain in a Certificate message; `None` if it is empty.
pub(super) fn presented_chain(
    certificate: &Certificate<'_>,
    offered: impl Fn(ExtensionType) -> bool,
) -> Result<Option<PresentedChain>, Abort> {
    // Counted first: each is cheap to send, and looking at its extensions is not.
    check_length(certificate.certificate_list.iter())?;
    for entry in certificate.certificate_list {
        check_extensions(&entry.extensions, Place::Certificate, &offered)?;
        find::<CertificateStatus<'_>>(&entry.extensions)?;
    }
    if certificate.certificate_list.is_empty() {
        return Ok(None);
    }
    let list = certificate.certificate_list;
    let entries = list.iter().map(|entry| {
        let status = find::<CertificateStatus<'_>>(&entry.extensions);
        (
            CertificateDer::from(entry.cert_data.to_vec()),
            status
                .ok()
                .flatten()
                .map(|status| status.ocsp_response.into()),
        )
    });
    Ok(Some(PresentedChain::from_counted(
        entries,
        list.iter().count(),
    )?))
}

/// The chain in a Certificate of before TLS 1.3; `None` if it is empty.
pub(super) fn presented_before_tls13(
    certificate: &tls12::Certificate<'_>,
) -> Result<Option<PresentedChain>, Abort> {
    let list = certificate.certificate_list;
    check_length(list.iter())?;
    if list.is_empty() {
        return Ok(None);
    }
    let entries = list
        .iter()
        .map(|entry| (CertificateDer::from(entry.0.to_vec()), None));
    Ok(Some(PresentedChain::from_counted(
        entries,
        list.iter().count(),
    )?))
}

/// By whose rules a peer's chain is judged: one for both roles and all versions.
pub(super) struct Judge<'a> {
    /// The name that the server must have; `None`: the peer is a client.
    server_name: Option<&'a ServerName<'static>>,
    /// `None`: any chain is accepted.
    policy: Option<&'a ChainPolicy>,
    /// Whether the configuration leaves it to a question.
    is_asked: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn of_server(config: &'a ClientOptions, name: &'a ServerName<'static>) -> Self {
        Self {
            server_name: Some(name),
            policy: config.chain_policy(),
            is_asked: config.policy.asked.verification,
        }
    }

    pub(super) fn of_client(config: &'a ServerOptions) -> Self {
        Self {
            server_name: None,
            policy: config.client_policy(),
            is_asked: config.policy.asked.verification,
        }
    }

    /// Verifies the chain that the peer has shown; `None` if somebody wants to be asked instead.
    pub(super) fn verify(
        &self,
        chain: &PresentedChain,
        now: UnixTime,
    ) -> Result<Option<VerifiedChain>, CertificateError> {
        match self.is_asked {
            true => Ok(None),
            false => self.conclude(chain, now).map(Some),
        }
    }

    /// Verifies the chain of a session again, by the rules of today; `None` if somebody wants to be
    /// asked. If it has expired meanwhile nobody is: the peer may have another by now.
    pub(super) fn verify_again(
        &self,
        chain: &PresentedChain,
        now: UnixTime,
    ) -> Result<Option<VerifiedChain>, CertificateError> {
        match self.conclude(chain, now) {
            Err(error) if error.is_expired() => Err(error),
            _ if self.is_asked => Ok(None),
            proof => proof.map(Some),
        }
    }

    fn conclude(
        &self,
        chain: &PresentedChain,
        now: UnixTime,
    ) -> Result<VerifiedChain, CertificateError> {
        match self.policy {
            Some(policy) => self.expected().verify(chain, policy, now),
            None => Ok(VerifiedChain::dangerous_accept_without_verification(
                chain.clone(),
            )),
        }
    }

    fn expected(&self) -> ExpectedPeer {
        match self.server_name {
            Some(name) => ExpectedPeer::Server(name.clone()),
            None => ExpectedPeer::Client,
        }
    }

    /// Asks whether the chain is to be trusted; `resumed`: it is that of a session.
    pub(super) fn ask(&self, chain: &PresentedChain, resumed: bool, now: UnixTime) -> Question {
        Question::VerifyChain(VerifyChain {
            id: QuestionId::next(),
            chain: chain.clone(),
            purpose: self.expected(),
            policy: self.policy.cloned(),
            resumed,
            now,
        })
    }

    /// Takes the answer. Its proof must be about the chain of this connection, and about nothing
    /// less than its configuration demands of the server of this name, or of a client.
    pub(super) fn on_answer(
        &self,
        answer: AnswerContent,
        chain: &PresentedChain,
    ) -> Result<VerifiedChain, Abort> {
        let AnswerContent::Chain(verdict) = answer else {
            return Err(wrong_answer());
        };
        let proof = verdict?;
        if !proof.proves(chain) {
            return Err(Misuse::new(
                "the proof in the answer is about another chain than the one this peer showed",
            )
            .into());
        }
        if !proof.is_for(self.server_name, self.policy) {
            return Err(Misuse::new(
                "the proof in the answer was made for another name, for the other role, or by \
                 another policy than this connection's: take the one that `check` of its question \
                 gives",
            )
            .into());
        }
        Ok(proof)
    }
}

/// §4.4.3: the key in the certificate made this signature, and may make any (§4.4.2.2): who
/// accepts a chain without verifying it says nothing about that.
pub(super) fn check_signature(
    peer: &VerifiedChain,
    policy: &Policy,
    scheme: SignatureScheme,
    content: &[u8],
    signature: &[u8],
) -> Result<(), Abort> {
    let key = signing_key(peer, policy)?;
    if !scheme_fits_key(scheme, key) {
        return Err(Violation::SchemeDoesNotFitKey.into());
    }
    verify_tls13(scheme, key, content, signature)
        .or_else(|_| with_short_key(peer, policy, scheme, content, signature))
}

/// The same before TLS 1.3 (RFC 5246 §7.4.3, §7.4.8); a server's key has to be of the kind that
/// its suite says. Gives how the signature was made: as was said, or as such a key does (RFC 4346
/// §7.4.3).
pub(super) fn check_signature_before_tls13(
    peer: &VerifiedChain,
    policy: &Policy,
    suite: Option<CipherSuite>,
    scheme: Option<SignatureScheme>,
    content: &[u8],
    signature: &[u8],
) -> Result<SignatureScheme, Abort> {
    let key = signing_key(peer, policy)?;
    let scheme = scheme.or_else(|| scheme_before_tls12(key));
    let scheme = scheme.ok_or(Violation::UnsupportedKey)?;
    if !scheme_fits_key_before_tls13(scheme, key) {
        return Err(Violation::SchemeDoesNotFitKey.into());
    }
    if suite.is_some_and(|suite| !suite.goes_with(scheme)) {
        return Err(Violation::KeyDoesNotFitSuite.into());
    }
    if scheme.is_dsa() {
        check_key_length(peer.chain(), policy.key_minimum)?;
    }
    verify_before_tls13(scheme, key, content, signature)
        .or_else(|_| with_short_key(peer, policy, scheme, content, signature))?;
    Ok(scheme)
}

/// A server's key decrypts what this client encrypts for it (RFC 5246 §7.4.2): it is an RSA key, of a length that
/// is accepted, and may be used for that.
pub(super) fn check_encrypts(
    peer: &VerifiedChain,
    policy: &Policy,
    suite: CipherSuite,
) -> Result<(), Abort> {
    let chain = peer.chain();
    if !is_known_key(chain.end_entity_spki(), &policy.schemes) {
        return Err(Violation::UnsupportedKey.into());
    }
    if encrypting_bits(chain.end_entity_spki()).is_none() {
        let violation = Violation::KeyDoesNotFitSuite;
        return Err(violation.explained(format!("{suite} needs an RSA key")));
    }
    check_key_length(chain, policy.key_minimum)?;
    check_encipherment(chain)?;
    Ok(())
}

/// A server's key is half of the secret (RFC 4492 §2.1, RFC 5246 §7.4.2): it is an ECDSA key on a curve that is there, and
/// may be used for that. That its curve was offered is another rule.
pub(super) fn check_agrees(peer: &VerifiedChain, suite: CipherSuite) -> Result<(), Abort> {
    const UNCOMPRESSED: u8 = 4;
    let chain = peer.chain();
    match point_in_key(chain.end_entity_spki()) {
        None => {
            let violation = Violation::KeyDoesNotFitSuite;
            return Err(violation.explained(format!("{suite} needs an ECDSA key")));
        }
        Some((_, [UNCOMPRESSED, ..])) => {}
        Some(_) => {
            let violation = Violation::UnsupportedKey;
            return Err(violation.explained("its point is compressed".to_owned()));
        }
    }
    check_agreement(chain)?;
    Ok(())
}

/// The key of the peer's certificate, if it is of a kind that this configuration knows, and may sign.
fn signing_key<'a>(peer: &'a VerifiedChain, policy: &Policy) -> Result<&'a [u8], Abort> {
    let key = peer.chain().end_entity_spki();
    if !is_known_key(key, &policy.schemes) {
        return Err(Violation::UnsupportedKey.into());
    }
    if !peer.may_sign() {
        check_key_usage(peer.chain())?;
    }
    Ok(key)
}

/// What did not verify, by a key of RSA that is too short for the library, and not for this configuration. A
/// length that is not accepted verifies nothing, and is named.
#[cold]
fn with_short_key(
    peer: &VerifiedChain,
    policy: &Policy,
    scheme: SignatureScheme,
    content: &[u8],
    signature: &[u8],
) -> Result<(), Abort> {
    let (chain, least) = (peer.chain(), policy.key_minimum);
    check_key_length(chain, least)?;
    verify_with_short_key(scheme, chain.end_entity_spki(), least, content, signature)
        .map_err(|_| Violation::BadSignature.into())
}
