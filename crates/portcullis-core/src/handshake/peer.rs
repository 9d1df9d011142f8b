//! What the peer shows of itself: its chain, the proof of it, and its signature.
//!
//! RFC 8446 §4.4.2, §4.4.3; the same for either role.

use std::collections::VecDeque;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::offer::check_extensions;
use super::{expect, find, wrong_answer};
use crate::config::certificate_types::AcceptedOfPeer;
use crate::config::{ClientOptions, Policy, ServerOptions};
use crate::crypto::{
    encrypting_bits, is_known_key, point_in_key, scheme_before_tls12, scheme_fits_key,
    scheme_fits_key_before_tls13, verify_before_tls13, verify_tls13, verify_with_short_key,
};
use crate::error::Abort;
use crate::question::{
    AnswerContent, ExpectedPeer, Question, QuestionId, VerifyChain, VerifyRawKey,
};
use crate::record::HandshakeBytes;
use crate::step::Event;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::{CertificateStatus, CertificateType, Place, SctList};
use crate::wire::tls12::RawPublicKeyCertificate;
use crate::wire::{Certificate, ExtensionType, tls12};
use crate::x509::{
    CertificateError, ChainPolicy, Gate, PeerProof, Presented, PresentedChain, PresentedKind,
    RawKeys, RawPublicKey, VerifiedChain, VerifiedRawKey, check_agreement, check_encipherment,
    check_key_length, check_key_usage, check_length, kind_of_issuer,
};
use crate::{Misuse, SignatureScheme, Violation};

/// What a Certificate message shows, of the type that was negotiated; `None` if it is empty.
pub(super) fn presented(
    certificate: &Certificate<'_>,
    typ: CertificateType,
    offered: impl Fn(ExtensionType) -> bool,
) -> Result<Option<Presented>, Abort> {
    match typ {
        CertificateType::RAW_PUBLIC_KEY => presented_raw_key(certificate),
        _ => presented_chain(certificate, offered),
    }
}

/// §4.4.2: at most one entry, to which nothing belongs that could be stapled to a certificate.
fn presented_raw_key(certificate: &Certificate<'_>) -> Result<Option<Presented>, Abort> {
    let mut entries = certificate.certificate_list.iter();
    match (entries.next(), entries.next()) {
        (None, _) => Ok(None),
        (Some(entry), None) if entry.extensions.is_empty() => {
            Ok(Some(RawPublicKey::new(entry.cert_data)?.into()))
        }
        _ => Err(Violation::RawPublicKeyWithMore.into()),
    }
}

fn presented_chain(
    certificate: &Certificate<'_>,
    offered: impl Fn(ExtensionType) -> bool,
) -> Result<Option<Presented>, Abort> {
    // Counted first: each is cheap to send, and looking at its extensions is not.
    check_length(certificate.certificate_list.iter())?;
    for entry in certificate.certificate_list {
        check_extensions(&entry.extensions, Place::Certificate, &offered)?;
        find::<CertificateStatus<'_>>(&entry.extensions)?;
        find::<SctList<'_>>(&entry.extensions)?;
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
    let chain = PresentedChain::from_counted(entries, list.iter().count())?;
    // Timestamps of those above are nobody's business.
    let leaf = list.iter().next();
    let scts = leaf.and_then(|leaf| find::<SctList<'_>>(&leaf.extensions).ok().flatten());
    Ok(Some(chain.with_scts(scts.map(|list| list.0)).into()))
}

/// The same of a Certificate of before TLS 1.3, where a raw key stands alone (RFC 7250 §3).
pub(super) fn presented_before_tls13(
    message: &HandshakeBytes,
    typ: CertificateType,
) -> Result<Option<Presented>, Abort> {
    match typ {
        CertificateType::RAW_PUBLIC_KEY => {
            let RawPublicKeyCertificate { spki } = expect(message)?;
            match spki {
                [] => Ok(None),
                spki => Ok(Some(RawPublicKey::new(spki)?.into())),
            }
        }
        _ => chain_before_tls13(&expect(message)?),
    }
}

fn chain_before_tls13(certificate: &tls12::Certificate<'_>) -> Result<Option<Presented>, Abort> {
    let list = certificate.certificate_list;
    check_length(list.iter())?;
    if list.is_empty() {
        return Ok(None);
    }
    let entries = list
        .iter()
        .map(|entry| (CertificateDer::from(entry.0.to_vec()), None));
    let chain = PresentedChain::from_counted(entries, list.iter().count())?;
    Ok(Some(chain.into()))
}

/// By whose rules a peer's chain or key is judged: one for both roles and all versions.
pub(super) struct Judge<'a> {
    /// The name that the server must have; `None`: the peer is a client.
    server_name: Option<&'a ServerName<'static>>,
    /// `None`: any chain is accepted, and any key.
    policy: Option<&'a ChainPolicy>,
    accepted: &'a AcceptedOfPeer,
    /// Whether the configuration leaves it to a question.
    is_asked: bool,
    /// Whether the chain or key is that of a session.
    resumed: bool,
    /// Whether OCSP responses can come with the chain.
    may_staple: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn of_server(config: &'a ClientOptions, name: &'a ServerName<'static>) -> Self {
        Self {
            server_name: Some(name),
            policy: config.chain_policy(),
            accepted: &config.accepted,
            is_asked: config.policy.asked.verification,
            resumed: false,
            may_staple: true,
        }
    }

    pub(super) fn of_client(config: &'a ServerOptions) -> Self {
        Self {
            server_name: None,
            policy: config.client_policy(),
            accepted: &config.accepted,
            is_asked: config.policy.asked.verification,
            resumed: false,
            may_staple: true,
        }
    }

    /// Of a client before TLS 1.3, which has no way to show OCSP responses (RFC 6066 §8).
    pub(super) fn without_staples(mut self) -> Self {
        self.may_staple = false;
        self
    }

    /// Of a session that is resumed: OCSP responses came with its first connection, and come with none after it.
    pub(super) fn of_session(mut self) -> Self {
        self.resumed = true;
        self.may_staple = false;
        self
    }

    /// Verifies the chain that the peer has shown; `None` if somebody wants to be asked instead.
    pub(super) fn verify(
        &self,
        shown: &Presented,
        now: UnixTime,
    ) -> Result<Option<PeerProof>, CertificateError> {
        match self.is_asked || self.checks_crls(shown) {
            true => Ok(None),
            false => self.conclude(shown, now).map(Some),
        }
    }

    /// Verifies the chain of a session again, by the rules of today; `None` if somebody wants to be
    /// asked. If it has expired meanwhile nobody is: the peer may have another by now.
    pub(super) fn verify_again(
        &self,
        shown: &Presented,
        now: UnixTime,
    ) -> Result<Option<PeerProof>, CertificateError> {
        let checks_crls = self.checks_crls(shown);
        match self.conclude(shown, now) {
            Err(error) if error.is_expired() => Err(error),
            // Only the lists are missing here.
            Err(error) if error.is_about_revocation() => Ok(None),
            Ok(_) if checks_crls => Ok(None),
            _ if self.is_asked => Ok(None),
            proof => proof.map(Some),
        }
    }

    /// A client's session that was kept as it is has the OCSP response that came with its first connection. The client may
    /// show that until it is over (RFC 6960 §4.2.2.1), so it is judged anew as if it came now: a proof, if it calls the
    /// certificate good. `None` if there is none, as in all that was written down, or if somebody wants to be asked.
    pub(super) fn verify_with_staple(&self, shown: &Presented, now: UnixTime) -> Option<PeerProof> {
        if self.is_asked || self.checks_crls(shown) {
            return None;
        }
        let proof = self.conclude(shown, now).ok()?;
        proof.is_called_good().then_some(proof)
    }

    /// Whether a response has to come with this chain each time.
    pub(super) fn asks_for_staples(&self, shown: &Presented) -> bool {
        let is_chain = matches!(shown.kind(), PresentedKind::Chain(_));
        is_chain && self.policy.is_some_and(ChainPolicy::checks_staples)
    }

    /// Whether a session of this peer may be offered by a configuration that looks at OCSP responses. A session has none, and
    /// what one said then is not asked again: so it has to have been this configuration that has judged the chain, with
    /// the response that came with it.
    pub(super) fn has_judged_staples(&self, shown: &Presented, now: UnixTime) -> bool {
        match (self.policy, shown.kind()) {
            (Some(policy), PresentedKind::Chain(chain)) if policy.checks_staples() => {
                chain.judged(self.server_name, now, policy).is_some()
            }
            _ => true,
        }
    }

    /// The same of a session whose chain was looked for in revocation lists, and was found good: a proof, unless
    /// somebody wants to be asked, who finds it in the question. `None` if it is one of something else.
    pub(super) fn verify_with_lists(
        &self,
        shown: &Presented,
        known: &VerifiedChain,
        now: UnixTime,
    ) -> Option<Reverified> {
        let PresentedKind::Chain(chain) = shown.kind() else {
            return None;
        };
        if !self.accepted.accepts(shown.certificate_type())
            || !known.proves(&chain)
            || !known.is_for(self.server_name, self.policy)
        {
            return None;
        }
        // A date may have passed since. Here only the lists are missing.
        match self.conclude(shown, now) {
            Err(error) if !error.is_about_revocation() => return None,
            _ => {}
        }
        Some(match self.is_asked {
            true => Reverified::Known(Box::new(known.clone())),
            false => Reverified::Proved(PeerProof::Chain(known.clone())),
        })
    }

    /// Whether certificates are looked for in revocation lists, for which somebody is asked.
    pub(super) fn checks_crls(&self, shown: &Presented) -> bool {
        let policy = self.policy;
        policy.is_some_and(ChainPolicy::checks_crls)
            && matches!(shown.kind(), PresentedKind::Chain(_))
    }

    /// Whether a session of this client is not resumed after this answer, but the handshake goes on in full: the client
    /// may show another certificate by now, and what it shows is judged again, with lists that are not only looked for
    /// in memory. So that refusing a session refuses nobody who would be let in without one.
    pub(super) const fn prefers_full_handshake(answer: &AnswerContent) -> bool {
        matches!(
            answer,
            AnswerContent::Chain(Err(_)) | AnswerContent::RawKey(Err(_))
        )
    }

    fn conclude(&self, shown: &Presented, now: UnixTime) -> Result<PeerProof, CertificateError> {
        // A session may be of another time.
        if !self.accepted.accepts(shown.certificate_type()) {
            return Err(CertificateError::of_another_type());
        }
        match shown.kind() {
            PresentedKind::Chain(chain) => match self.policy {
                Some(policy) if !self.may_staple && policy.checks_staples() => {
                    self.expected().verify(&chain, &policy.of_resumption(), now)
                }
                Some(policy) => self.expected().verify(&chain, policy, now),
                None => Ok(VerifiedChain::dangerous_accept_without_verification(chain)),
            }
            .map(PeerProof::Chain),
            PresentedKind::RawKey(key) => self.verify_raw_key(key).map(PeerProof::RawKey),
        }
    }

    /// RFC 7250 §6: it is known, or nobody wants to know.
    fn verify_raw_key(&self, key: RawPublicKey) -> Result<VerifiedRawKey, CertificateError> {
        match self.trusted_keys() {
            Some(keys) => keys.verify(&key),
            None => Ok(VerifiedRawKey::dangerous_accept_without_verification(key)),
        }
    }

    fn expected(&self) -> ExpectedPeer {
        match self.server_name {
            Some(name) => ExpectedPeer::Server(name.clone()),
            None => ExpectedPeer::Client,
        }
    }

    /// Asks whether the chain is to be trusted.
    pub(super) fn ask(&self, shown: &Presented, now: UnixTime) -> Question {
        let (resumed, may_staple) = (self.resumed, self.may_staple);
        let (id, purpose) = (QuestionId::next(), self.expected());
        match shown.kind() {
            PresentedKind::Chain(chain) => Question::VerifyChain(Box::new(VerifyChain {
                id,
                chain,
                purpose,
                policy: self.policy.map(|policy| match may_staple {
                    true => policy.clone().into(),
                    false => policy.of_resumption().into(),
                }),
                resumed,
                now,
                concluded: None,
            })),
            PresentedKind::RawKey(key) => Question::VerifyRawKey(Box::new(VerifyRawKey {
                id,
                key,
                purpose,
                trusted: self.trusted_keys(),
                resumed,
            })),
        }
    }

    /// Asks whether that of a session is still to be trusted, about which lists may have been asked before.
    pub(super) fn ask_again(
        &self,
        shown: &Presented,
        known: Option<Box<VerifiedChain>>,
        now: UnixTime,
    ) -> Question {
        let mut question = self.ask(shown, now);
        if let (Question::VerifyChain(question), Some(known)) = (&mut question, known) {
            question.concluded = Some(Arc::new(Ok(*known)));
        }
        question
    }

    /// `None` where any key is accepted.
    fn trusted_keys(&self) -> Option<RawKeys> {
        self.policy?;
        Some(self.accepted.raw_keys.clone().unwrap_or_default())
    }

    /// Takes the answer. Its proof must be about what the peer of this connection has shown, and about
    /// nothing less than its configuration demands of the server of this name, or of a client.
    pub(super) fn on_answer(
        &self,
        answer: AnswerContent,
        shown: &Presented,
    ) -> Result<PeerProof, Abort> {
        let (proves, is_for, proof) = match (answer, shown.kind()) {
            (AnswerContent::Chain(verdict), PresentedKind::Chain(chain)) => {
                let proof = verdict?;
                let is_for = proof.is_for(self.server_name, self.policy);
                (proof.proves(&chain), is_for, PeerProof::Chain(proof))
            }
            (AnswerContent::RawKey(verdict), PresentedKind::RawKey(key)) => {
                let proof = verdict?;
                let is_for = proof.is_by(self.trusted_keys().as_ref());
                (proof.proves(&key), is_for, PeerProof::RawKey(proof))
            }
            _ => return Err(wrong_answer()),
        };
        if !proves {
            return Err(Misuse::new(
                "the proof in the answer is about another chain or key than the one this peer showed",
            )
            .into());
        }
        if !is_for {
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

/// Tells what webpki could not judge of a chain that is accepted, and what it has refused. Nearly always it is nothing.
pub(super) fn tell_second_opinion(peer: Option<&PeerProof>, events: &mut VecDeque<Event>) {
    let Some(PeerProof::Chain(chain)) = peer else {
        return;
    };
    if let Some(error) = chain.disagreement() {
        events.push_back(Event::Disagreement(error.clone()));
    }
    let path = chain.path().count();
    match chain.gate() {
        None => {}
        Some(Gate::Agreed { certificates }) if certificates == path => {}
        Some(gate) => events.push_back(Event::SecondOpinion {
            gate,
            certificates: path,
        }),
    }
}

/// What is known of the chain of a session before it is offered.
pub(super) enum Reverified {
    Proved(PeerProof),
    /// Somebody is asked, and told what lists said.
    Known(Box<VerifiedChain>),
    /// Somebody is asked.
    Asked,
}

/// §4.4.3: the key in the certificate made this signature, and may make any (§4.4.2.2): who
/// accepts a chain without verifying it says nothing about that.
pub(super) fn check_signature(
    peer: &PeerProof,
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
    peer: &PeerProof,
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
        check_key_length(&peer.presented(), policy.key_minimum)?;
    }
    verify_before_tls13(scheme, key, content, signature)
        .or_else(|_| with_short_key(peer, policy, scheme, content, signature))?;
    Ok(scheme)
}

/// A server's key decrypts what this client encrypts for it (RFC 5246 §7.4.2): it is an RSA key, of a length that
/// is accepted, and may be used for that.
pub(super) fn check_encrypts(
    peer: &PeerProof,
    policy: &Policy,
    suite: CipherSuite,
) -> Result<(), Abort> {
    let key = peer.spki();
    if !is_known_key(key, &policy.schemes) {
        return Err(Violation::UnsupportedKey.into());
    }
    if encrypting_bits(key).is_none() {
        let violation = Violation::KeyDoesNotFitSuite;
        return Err(violation.explained(format!("{suite} needs an RSA key")));
    }
    check_key_length(&peer.presented(), policy.key_minimum)?;
    peer.chain().map_or(Ok(()), check_encipherment)?;
    Ok(())
}

/// A server's key is half of the secret (RFC 4492 §2.1, RFC 5246 §7.4.2): it is an ECDSA key on a curve that is there, and
/// may be used for that. That its curve was offered is another rule. Before TLS 1.2 its certificate was also signed
/// by a key of the kind that the suite says (RFC 4492 §2.1, §2.3, which RFC 5246 §7.4.2 has lifted).
pub(super) fn check_agrees(
    peer: &PeerProof,
    suite: CipherSuite,
    version: Version,
) -> Result<(), Abort> {
    const UNCOMPRESSED: u8 = 4;
    match point_in_key(peer.spki()) {
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
    let Some(chain) = peer.chain() else {
        return Ok(());
    };
    check_agreement(chain)?;
    let wanted = suite.info().map(|info| info.authentication);
    if version < Version::V1_2 && kind_of_issuer(chain.end_entity()) != wanted {
        let violation = Violation::KeyDoesNotFitSuite;
        return Err(violation.explained(format!(
            "before TLS 1.2 {suite} needs a certificate that a key of the kind in its name has signed"
        )));
    }
    Ok(())
}

/// The key of the peer's certificate, if it is of a kind that this configuration knows, and may sign.
fn signing_key<'a>(peer: &'a PeerProof, policy: &Policy) -> Result<&'a [u8], Abort> {
    let key = peer.spki();
    if !is_known_key(key, &policy.schemes) {
        return Err(Violation::UnsupportedKey.into());
    }
    if let (false, Some(chain)) = (peer.may_sign(), peer.chain()) {
        check_key_usage(chain)?;
    }
    Ok(key)
}

/// What did not verify, by a key of RSA that is too short for the library, and not for this configuration. A
/// length that is not accepted verifies nothing, and is named.
#[cold]
fn with_short_key(
    peer: &PeerProof,
    policy: &Policy,
    scheme: SignatureScheme,
    content: &[u8],
    signature: &[u8],
) -> Result<(), Abort> {
    let least = policy.key_minimum;
    check_key_length(&peer.presented(), least)?;
    verify_with_short_key(scheme, peer.spki(), least, content, signature)
        .map_err(|_| Violation::BadSignature.into())
}
