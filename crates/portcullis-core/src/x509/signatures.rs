//! The signatures on the way from an anchor to a leaf: each is verified once, and not too many.
//!
//! What was found good for earlier chains comes from the memo and is not counted.

use rustls_pki_types::{InvalidSignature, SignatureVerificationAlgorithm, alg_id};

use super::certificate::Certificate;
use super::chain::PresentedChain;
use super::memo::Log;
use super::path::{Path, Wanted};
use super::policy::ChainPolicy;
use super::signature_algorithm::SignatureAlgorithm;
use super::signed_path::SignedPath;
use crate::SignatureScheme;
use crate::crypto::verification::Algorithm;
use crate::crypto::{HAS_DSA, ID_DSA, USUAL_KEY_BITS, dsa_bits, prime_bits, verify_before_tls13};
use crate::der;

/// The most signatures that one chain may cost: enough for a leaf whose issuer is the last of as
/// many as a chain can have, all of one name.
pub(super) const MAX_SIGNATURES: usize = 80;

/// Those that take half a millisecond and more, several times as long as others, count as so many.
const SLOW: usize = 3;

/// How many a signature by this key counts as.
fn cost(key_algorithm: &[u8], key: &[u8]) -> usize {
    /// 1.3.101.113
    const ED448: &[u8] = b"\x06\x03\x2b\x65\x71";
    // Of RSA, more than 4,096 bits; no other key has so many bytes.
    let is_long = (560..1_200).contains(&key.len());
    let is_slow = *key_algorithm == *alg_id::ECDSA_P521
        || *key_algorithm == *ED448
        || key_algorithm.starts_with(ID_DSA);
    match is_long || is_slow {
        true => SLOW,
        false => 1,
    }
}

/// The signatures of one chain, which must stay where it is.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    /// Of `MAX_SIGNATURES`.
    spent: usize,
    /// Whether good ones are kept too, because some come back.
    several_paths: bool,
    seen: Vec<Seen>,
    log: Log,
    /// Whether one was good that is not in the log: the chain came with the proof of it, or it is by a key that
    /// only some policies accept, so that nothing remembers it.
    has_unlogged: bool,
}

#[derive(Debug)]
struct Seen {
    /// The address of what was signed: the chain does not move, so it stands for its bytes.
    message: usize,
    /// Certificates may differ and have one key.
    key: Box<[u8]>,
    /// Of a good one, where the memo's log has it.
    good: Option<usize>,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// By an algorithm that the policy does not have, or not for such a key.
    Unsupported,
    Bad,
    /// It was not verified: there were too many.
    TooMany,
}

impl Signatures {
    /// From here on, paths are tried one after the other.
    pub(super) fn expect_several_paths(&mut self) {
        self.several_paths = true;
    }

    /// What the memo shall remember of a chain that was found good: the signatures of its path, which were the last.
    /// The chain, which may be shared, knows them too, unless there is no key of an anchor.
    pub(super) fn commit(
        &self,
        Wanted { policy, chain, .. }: Wanted<'_>,
        path: &Path,
        anchor: Option<(&[u8], &[u8])>,
    ) -> PresentedChain {
        if self.has_unlogged {
            return chain.clone();
        }
        let chain = self.log.commit(&policy.memo, chain, path.len());
        if chain.known().get().is_none()
            && let Some(signed) = anchor.and_then(|anchor| SignedPath::new(path, anchor))
        {
            chain.note_signed(signed);
        }
        chain
    }

    /// Notes that a leaf is trusted itself.
    pub(super) fn note_root(&mut self, policy: &ChainPolicy, leaf: &[u8]) {
        self.log.note_root(&policy.memo, leaf);
    }

    /// Whether a key has signed a certificate, by an algorithm that the policy has. The key is
    /// given as [`der::public_key_info`] does: its algorithm, and what it is.
    pub(super) fn verify(
        &mut self,
        Wanted { policy, chain, .. }: Wanted<'_>,
        certificate: &Certificate<'_>,
        (key_algorithm, key): (&[u8], &[u8]),
    ) -> Result<(), Refused> {
        let Some(algorithm) =
            Verifier::find(policy, certificate.signature_algorithm, key_algorithm)
        else {
            return Err(Refused::Unsupported);
        };
        let Some((0, signature)) = certificate.signature.split_first() else {
            return Err(Refused::Bad);
        };
        let is_short = algorithm.takes_as_short((key_algorithm, key));
        if !is_short && chain.known().says(chain, certificate, (key_algorithm, key)) {
            self.has_unlogged = true;
            return Ok(());
        }
        let message = certificate.tbs;
        let address = message.as_ptr().addr();
        let is_same = |seen: &&Seen| seen.message == address && *seen.key == *key;
        if let Some(seen) = self.seen.iter().find(is_same) {
            let at = seen.good.ok_or(Refused::Bad)?;
            self.log.repeat(at);
            return Ok(());
        }
        let mut too_many = false;
        let spent = &mut self.spent;
        // Nothing here is secret, so nothing has to take constant time.
        let mut verify = || {
            if *spent >= MAX_SIGNATURES {
                too_many = true;
                return Err(InvalidSignature);
            }
            *spent += cost(key_algorithm, key);
            algorithm.verify(policy, (key_algorithm, key), message, signature)
        };
        let parts = [
            certificate.signature_algorithm,
            key_algorithm,
            key,
            signature,
            message,
        ];
        let verdict = match is_short {
            false => self.log.verify(&policy.memo, parts, verify),
            true => {
                self.has_unlogged = true;
                verify().map(|()| 0)
            }
        };
        if too_many {
            return Err(Refused::TooMany);
        }
        if verdict.is_err() || self.several_paths {
            self.seen.push(Seen {
                message: address,
                key: key.into(),
                good: verdict.ok(),
            });
        }
        verdict.map(|_| ()).map_err(|InvalidSignature| Refused::Bad)
    }
}

/// What verifies a signature.
pub(super) enum Verifier<'a> {
    Row(&'a Algorithm),
    /// In the algorithm of the key stands its group, so there is no row that has it.
    Dsa(SignatureScheme),
}

impl<'a> Verifier<'a> {
    /// What a policy has for a signature of this algorithm by a key of that one.
    pub(super) fn find(
        policy: &'a ChainPolicy,
        algorithm: &[u8],
        key_algorithm: &[u8],
    ) -> Option<Self> {
        if key_algorithm.starts_with(ID_DSA) {
            return dsa_scheme(algorithm)
                .filter(|scheme| HAS_DSA && policy.has_scheme(*scheme))
                .map(Self::Dsa);
        }
        let mut algorithms = policy.algorithms.iter();
        let row = algorithms.find(|row| {
            *row.signature_alg_id() == *algorithm && *row.public_key_alg_id() == *key_algorithm
        });
        row.map(Self::Row)
    }

    /// Whether the key is one that is only taken because the policy says so.
    fn takes_as_short(&self, (algorithm, key): (&[u8], &[u8])) -> bool {
        match self {
            Self::Row(row) => row.takes_as_short(key),
            Self::Dsa(_) => {
                let bits = prime_bits(&der::put_public_key_info(algorithm, key));
                bits.is_none_or(|bits| bits < USUAL_KEY_BITS as usize)
            }
        }
    }

    pub(super) fn verify(
        &self,
        policy: &ChainPolicy,
        (algorithm, key): (&[u8], &[u8]),
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match self {
            Self::Row(row) => match policy.roots.key(key) {
                // Parsed before.
                Some(key) => row.verify_with(key, message, signature),
                None => row.verify_signature(key, message, signature),
            },
            Self::Dsa(scheme) => {
                let spki = der::put_public_key_info(algorithm, key);
                let bits = prime_bits(&spki);
                if !bits.is_some_and(|bits| dsa_bits(policy.key_minimum).contains(&bits)) {
                    return Err(InvalidSignature);
                }
                let verified = verify_before_tls13(*scheme, &spki, message, signature);
                verified.map_err(|_| InvalidSignature)
            }
        }
    }
}

/// Whether a certificate is signed with DSA (RFC 3279 §2.2.2, RFC 5758 §3.1).
pub(super) fn is_signed_with_dsa(certificate: &Certificate<'_>) -> bool {
    dsa_scheme(certificate.signature_algorithm).is_some()
}

/// Whether the algorithm of a key is DSA without its group (RFC 3279 §2.3.2): nothing, or NULL.
pub(super) fn lacks_parameters(algorithm: &[u8]) -> bool {
    matches!(algorithm.strip_prefix(ID_DSA), Some([] | [5, 0]))
}

fn dsa_scheme(algorithm: &[u8]) -> Option<SignatureScheme> {
    let known = SignatureAlgorithm::find(algorithm)?;
    let scheme = known.scheme.filter(|scheme| scheme.is_dsa())?;
    known
        .wrong_parameters(algorithm)
        .is_none()
        .then_some(scheme)
}

/// Whether one key has signed a certificate; for a certificate that is looked at by itself.
pub(super) fn is_signed_by(
    signatures: &mut Signatures,
    wanted: Wanted<'_>,
    certificate: &Certificate<'_>,
    spki: &[u8],
) -> bool {
    der::public_key_info(spki)
        .is_some_and(|key| signatures.verify(wanted, certificate, key).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RSA of 2,048, 4,096, 4,400 and 8,192 bits, and others.
    #[test]
    fn slow_keys_cost_more() {
        let rsa: &[u8] = &alg_id::RSA_ENCRYPTION;
        for (algorithm, length, expected) in [
            (rsa, 270, 1),
            (rsa, 526, 1),
            (rsa, 560, SLOW),
            (rsa, 1_038, SLOW),
            (&alg_id::ECDSA_P256, 65, 1),
            (&alg_id::ECDSA_P384, 97, 1),
            (&alg_id::ECDSA_P521, 133, SLOW),
            (&alg_id::ED25519, 32, 1),
            (b"\x06\x03\x2b\x65\x71", 57, SLOW),
            (b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11", 1_312, 1),
        ] {
            assert_eq!(cost(algorithm, &vec![0; length]), expected, "{length}");
        }
    }
}
