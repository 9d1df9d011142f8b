//! Whether a chain leads from the peer to a trust anchor: path, dates, purpose, name, usage.
//!
//! RFC 5280 §6, RFC 9525 for names, RFC 8446 §4.4.2.2 for the key usage, by the [walk].
//! Pure: the same arguments give the same answer.

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::authority;
use super::certificate::Certificate;
use super::chain::{PresentedChain, VerifiedChain};
use super::error::{CertificateError, CertificateErrorKind as Kind, Purpose};
use super::extension::KeyUsage;
use super::ocsp;
use super::path::Wanted;
use super::policy::ChainPolicy;
use super::presented::Presented;
use super::through::Through;
use super::walk::{self, ChainWalk};
use crate::crypto::{
    HAS_RSA, LEAST_KEY_BITS, dsa_bits, ecdsa_curve, encrypting_bits, modulus_bits, prime_bits,
    rsa_bits,
};

/// Verifies the chain of a server that is expected to have this name.
///
/// The name is looked for in the subjectAltName only: a DNS name in dNSName (a wildcard is a
/// whole leftmost label), an IP address in iPAddress.
///
/// If the leaf has a key usage, digitalSignature has to be in it. Here keyAgreement is enough for an ECDSA key,
/// and with the feature `ffi` keyEncipherment for an RSA key, as some cipher suites before TLS 1.3 need no more
/// (RFC 5246 §7.4.2): a handshake refuses the key for what it may not do.
///
/// # Errors
/// Why the chain is not accepted.
pub fn verify_server(
    chain: &PresentedChain,
    name: &ServerName<'_>,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    verify_chain(chain, Some(name.to_owned()), now, policy)
}

/// Verifies the chain of a client. Who it is remains to be decided from its certificate.
///
/// # Errors
/// Why the chain is not accepted.
pub fn verify_client(
    chain: &PresentedChain,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    verify_chain(chain, None, now, policy)
}

/// Verifies the chain of the server of this name, or of a client.
pub(crate) fn verify_chain(
    chain: &PresentedChain,
    server_name: Option<ServerName<'static>>,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    let proof = verify_path(chain, server_name, now, policy)?;
    policy.crl_check.without_lists(proof, now, policy)
}

/// How a chain is judged of which everything is accepted that nobody refuses.
pub(super) type Lax = fn(
    &PresentedChain,
    Option<ServerName<'static>>,
    UnixTime,
    &ChainPolicy,
) -> Result<VerifiedChain, CertificateError>;

pub(super) fn walk_lax(
    chain: &PresentedChain,
    server_name: Option<ServerName<'static>>,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    ChainWalk::new(chain.clone(), server_name, now, policy.clone()).into_proof()
}

/// Verifies a chain but for revocation.
pub(super) fn verify_path(
    chain: &PresentedChain,
    server_name: Option<ServerName<'static>>,
    now: UnixTime,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    if let Some(Through(walk)) = policy.lax {
        return walk(chain, server_name, now, policy);
    }
    let purpose = match server_name {
        Some(_) => Purpose::ServerAuth,
        None => Purpose::ClientAuth,
    };
    let wanted = Wanted {
        chain,
        purpose,
        server_name: server_name.as_ref(),
        now,
        policy,
    };
    // The same walk ends the same; a session brings the chain along.
    let proof = match chain.judged(server_name.as_ref(), now, policy) {
        Some(known) => known,
        None => {
            let proof = walk::check(wanted)?;
            VerifiedChain::proven(proof, server_name, policy)
        }
    };
    ocsp::judge(proof, now, policy)
}

/// Checks the key usage of a leaf that was accepted without verification (§4.4.2.2).
pub(crate) fn check_key_usage(chain: &PresentedChain) -> Result<(), CertificateError> {
    let leaf = chain.end_entity();
    let fields = Certificate::read(leaf).ok_or_else(|| CertificateError::malformed_at(0))?;
    verify_key_usage(leaf, &fields)
}

/// §4.4.2.2: "if the X.509 certificate contains the Key Usage extension, the digitalSignature
/// bit MUST be set".
fn verify_key_usage(
    leaf: &CertificateDer<'_>,
    fields: &Certificate<'_>,
) -> Result<(), CertificateError> {
    let at = |kind| CertificateError::at(kind, 0, leaf);
    match authority::key_usage(fields).map_err(at)? {
        Some(usage) if !usage.digital_signature() => Err(at(Kind::KeyUsage)),
        _ => Ok(()),
    }
}

/// RFC 5246 §7.4.2: "the keyEncipherment bit MUST be set if the key usage extension is present".
pub(crate) fn check_encipherment(chain: &PresentedChain) -> Result<(), CertificateError> {
    let leaf = chain.end_entity();
    let fields = Certificate::read(leaf).ok_or_else(|| CertificateError::malformed_at(0))?;
    match enciphers(&fields) {
        true => Ok(()),
        false => Err(CertificateError::at(Kind::NoKeyEncipherment, 0, leaf)),
    }
}

/// RFC 5246 §7.4.2: "the keyAgreement bit MUST be set if the key usage extension is present".
pub(crate) fn check_agreement(chain: &PresentedChain) -> Result<(), CertificateError> {
    let leaf = chain.end_entity();
    let fields = Certificate::read(leaf).ok_or_else(|| CertificateError::malformed_at(0))?;
    match allows(&fields, KeyUsage::key_agreement) {
        true => Ok(()),
        false => Err(CertificateError::at(Kind::NoKeyAgreement, 0, leaf)),
    }
}

fn enciphers(fields: &Certificate<'_>) -> bool {
    allows(fields, KeyUsage::key_encipherment)
}

fn allows(fields: &Certificate<'_>, usage: impl Fn(KeyUsage) -> bool) -> bool {
    authority::key_usage(fields).is_ok_and(|allowed| allowed.is_none_or(usage))
}

/// Whether a server's key is of use although it may not sign: what it may do instead, such a key does.
pub(super) fn may_exchange_keys(fields: &Certificate<'_>) -> bool {
    HAS_RSA && enciphers(fields) || agrees(fields)
}

/// Whether the key of a leaf can be half of a secret (RFC 4492 §2.1): it is one for ECDSA, on a curve that is
/// there, and may be used so.
pub(super) fn agrees(fields: &Certificate<'_>) -> bool {
    ecdsa_curve(fields.spki).is_some() && allows(fields, KeyUsage::key_agreement)
}

/// Whether something can be encrypted for a leaf (RFC 5246 §7.4.2): it has an RSA key, of a length that is
/// accepted somewhere, and may be used so.
pub(super) fn decrypts(fields: &Certificate<'_>) -> bool {
    let bits = encrypting_bits(fields.spki);
    bits.is_some_and(|bits| rsa_bits(LEAST_KEY_BITS).contains(&bits)) && enciphers(fields)
}

/// Why no signature by the leaf's key verifies, if it is a key of RSA or DSA of a length that is not
/// accepted: to be asked when one of RSA did not, and before one of DSA is tried.
pub(crate) fn check_key_length(shown: &Presented, least: u32) -> Result<(), CertificateError> {
    let spki = shown.spki();
    let kind = match (modulus_bits(spki), prime_bits(spki)) {
        (Some(bits), _) if !rsa_bits(least).contains(&bits) => Kind::RsaKeyLength { bits, least },
        (_, Some(bits)) if !dsa_bits(least).contains(&bits) => Kind::DsaKeyLength { bits, least },
        _ => return Ok(()),
    };
    Err(CertificateError::at(kind, 0, shown.end_entity()))
}
