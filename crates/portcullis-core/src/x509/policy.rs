//! What is required of a peer's chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls_pki_types::CertificateDer;

use super::certificate::Certificate;
use super::certificate_policies::CertificatePolicies;
use super::chain::MAX_CERTIFICATES;
use super::host_name_rules::HostNameRules;
use super::memo::SignatureMemo;
use super::ocsp::{OcspPolicy, Staples};
use super::revocation::CrlCheck;
use super::roots::Roots;
use super::through::Through;
use super::verify::{Lax, walk_lax};
use crate::SignatureScheme;
#[cfg(feature = "ffi")]
use crate::crypto::LEAST_KEY_BITS;
use crate::crypto::verification::{self as algorithms, Algorithm};
use crate::crypto::{USUAL_KEY_BITS, named};
use crate::misuse::Misuse;

/// The most intermediate certificates that a path can be allowed to have.
pub(super) const MAX_DEPTH: usize = 32;

/// What the default schemes stand for.
pub(super) const USUAL_ALGORITHMS: usize = 22;

/// Tells policies apart. Clones have the same, because they demand the same, and so has one that was set to what it
/// demanded before: what was judged by it still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PolicyId(u64);

impl PolicyId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Sets what is demanded: where that is something else it is another policy.
    fn set<T: PartialEq>(&mut self, demand: &mut T, value: T) {
        if *demand != value {
            *demand = value;
            *self = Self::next();
        }
    }
}

/// What is required of a peer's chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChainPolicy {
    /// New with every change of what is demanded.
    pub(super) id: PolicyId,
    pub(super) roots: Roots,
    depth: usize,
    pub(super) algorithms: Arc<[Algorithm]>,
    schemes: Vec<SignatureScheme>,
    /// The shortest RSA keys, in bits.
    pub(super) key_minimum: u32,
    pub(super) check_name: bool,
    /// What a path may lead through besides the peer's chain.
    pub(super) intermediates: Arc<[CertificateDer<'static>]>,
    pub(super) host_names: Option<Arc<HostNameRules>>,
    pub(super) policies: Option<Arc<CertificatePolicies>>,
    /// Whether the dates of anchors count.
    pub(super) anchor_dates: bool,
    /// Whether anyExtendedKeyUsage counts.
    pub(super) any_purpose: bool,
    /// Whether what is bad is accepted unless somebody refuses it.
    pub(super) lax: Option<Through<Lax>>,
    pub(super) memo: SignatureMemo,
    pub(super) crl_check: CrlCheck,
    pub(super) staples: Staples,
}

impl ChainPolicy {
    /// Requires a path to one of the roots, signed with the default schemes of this library,
    /// with at most 10 intermediates, and that a server has the expected name.
    pub fn new(roots: Roots) -> Self {
        // What is for certificates only is among them.
        let schemes = SignatureScheme::DEFAULT;
        Self {
            id: PolicyId::next(),
            roots,
            depth: 10,
            algorithms: algorithms_of(schemes, USUAL_KEY_BITS),
            schemes: schemes.to_vec(),
            key_minimum: USUAL_KEY_BITS,
            check_name: true,
            intermediates: Arc::new([]),
            host_names: None,
            policies: None,
            anchor_dates: true,
            any_purpose: false,
            lax: None,
            memo: SignatureMemo::default(),
            crl_check: CrlCheck::off(),
            staples: Staples::OFF,
        }
    }

    /// Sets how many intermediate certificates a path may have; 0 asks for certificates issued
    /// by a root directly. More than 32 count as 32.
    #[must_use]
    pub fn depth(mut self, intermediates: usize) -> Self {
        self.id.set(&mut self.depth, intermediates);
        self
    }

    /// Sets the schemes that certificates may be signed with. An ECDSA scheme stands for its
    /// hash with any of the curves P-256, P-384 and P-521; `rsa_pss_pss` schemes stand for authorities whose own
    /// keys are in RSA-PSS form. SHA-1 is accepted only if it is among them, and so is DSA, with the feature `ffi`.
    #[must_use]
    pub fn schemes(self, schemes: &[SignatureScheme]) -> Self {
        let key_minimum = self.key_minimum;
        self.signed_with(schemes, key_minimum)
    }

    /// Sets the shortest keys of RSA and DSA that are accepted, in bits: 1,024 to 2,048, the default; what is outside counts
    /// as the nearest. Fewer than 2,048 with the feature `ffi` only.
    #[cfg(feature = "ffi")]
    #[cfg_attr(docsrs, doc(cfg(feature = "ffi")))]
    #[must_use]
    pub fn key_minimum(self, bits: u32) -> Self {
        let schemes = self.schemes.clone();
        self.signed_with(&schemes, bits.clamp(LEAST_KEY_BITS, USUAL_KEY_BITS))
    }

    /// Both, as a configuration has checked them.
    pub(crate) fn signed_with(mut self, schemes: &[SignatureScheme], key_minimum: u32) -> Self {
        if self.schemes == schemes && self.key_minimum == key_minimum {
            return self;
        }
        self.algorithms = algorithms_of(schemes, key_minimum);
        self.schemes = schemes.to_vec();
        self.key_minimum = key_minimum;
        self.id = PolicyId::next();
        self
    }

    /// Sets which certificates are looked for in revocation lists. [`verify_server`](super::verify_server) and
    /// [`verify_client`](super::verify_client) have no lists, so with these nothing can be determined: a
    /// [`RevocationCheck`](super::RevocationCheck) asks for them.
    #[must_use]
    pub fn crl_check(mut self, check: CrlCheck) -> Self {
        self.id.set(&mut self.crl_check, check);
        self
    }

    /// Sets what becomes of a chain by the OCSP responses that came with it. Default: [`OcspPolicy::Off`], as nobody
    /// was asked for any. A certificate that is trusted itself needs none. They are looked at behind the certificates;
    /// whoever [listens](crate::x509::ChainWalk) to the walk is asked about them then, and [lax](Self::dangerous_lax)
    /// means them, too.
    #[must_use]
    pub fn ocsp(self, policy: OcspPolicy) -> Self {
        self.staples(Staples::by(policy))
    }

    /// The same, of a configuration.
    pub(crate) fn staples(mut self, staples: Staples) -> Self {
        self.id.set(&mut self.staples, staples);
        self
    }

    /// The same policy, for a chain that came with an earlier connection: what a responder said then is not looked at
    /// again, and nothing can come with it now.
    pub(crate) fn of_resumption(&self) -> Self {
        Self {
            staples: Staples::OFF,
            ..self.clone()
        }
    }

    /// Sets whether an anchor that came with a certificate counts only within the dates of that.
    /// Where another anchor has issued the same certificate, it is tried. Default: yes; no is
    /// what browsers do, whose roots are replaced with the browser.
    #[must_use]
    pub fn anchor_dates(mut self, count: bool) -> Self {
        self.id.set(&mut self.anchor_dates, count);
        self
    }

    /// Sets whether a certificate whose extended key usage has anyExtendedKeyUsage in it may be
    /// used by servers and clients (RFC 5280 §4.2.1.12). Default: no, it has to name the purpose;
    /// one without the extension may be used for everything all the same.
    #[must_use]
    pub fn any_purpose(mut self, counts: bool) -> Self {
        self.id.set(&mut self.any_purpose, counts);
        self
    }

    /// Accepts whatever is bad about a chain unless somebody who
    /// [listens](crate::x509::ChainWalk) refuses it: **anybody** can impersonate the peer if nobody does.
    #[must_use]
    pub fn dangerous_lax(mut self) -> Self {
        self.id.set(&mut self.lax, Some(Through(walk_lax)));
        self
    }

    /// Sets certificates that a path may lead through besides those that the peer sends, which come first. They are
    /// trusted no more than these.
    ///
    /// # Errors
    /// When there are more than 64, or one is no certificate.
    pub fn intermediates(
        mut self,
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, Misuse> {
        let all: Vec<_> = certificates
            .into_iter()
            .take(MAX_CERTIFICATES + 1)
            .collect();
        if *self.intermediates == *all {
            return Ok(self);
        }
        if all.len() > MAX_CERTIFICATES {
            return Err(Misuse::new(format!(
                "intermediates: there are more than {MAX_CERTIFICATES}; what all peers lead to is better among the roots"
            )));
        }
        if let Some(at) = all.iter().position(|own| Certificate::read(own).is_none()) {
            return Err(Misuse::new(format!(
                "intermediates: certificate {} is not DER-encoded X.509",
                at + 1
            )));
        }
        self.intermediates = all.into();
        self.id = PolicyId::next();
        Ok(self)
    }

    /// Looks for certificate policies. By default none are, and a certificate with a critical extension about
    /// policies is refused.
    #[must_use]
    pub fn policies(mut self, policies: CertificatePolicies) -> Self {
        self.id.set(&mut self.policies, Some(Arc::new(policies)));
        self
    }

    /// Sets what counts as the name of a server.
    #[must_use]
    pub fn host_name_rules(mut self, rules: HostNameRules) -> Self {
        if !self
            .host_names
            .as_ref()
            .is_some_and(|own| own.is_same(&rules))
        {
            self.host_names = Some(Arc::new(rules));
            self.id = PolicyId::next();
        }
        self
    }

    /// Accepts a server whatever its name: **any** holder of a certificate from one of the roots
    /// can impersonate it.
    #[must_use]
    pub fn dangerous_skip_name_check(mut self) -> Self {
        self.id.set(&mut self.check_name, false);
        self
    }

    /// Sets how many signatures of certificates are remembered as good, so that they are not
    /// verified again when a chain comes back; 0 remembers none. Default: 1,024, about 200 bytes
    /// each. Everything else about a chain is verified each time, unless it is the chain of a session, that is resumed by the
    /// same policy before a date of it passes. Clones made from here on share
    /// what they remember.
    #[must_use]
    pub fn remembered_signatures(self, count: usize) -> Self {
        self.memo(SignatureMemo::new(count))
    }

    /// Remembers signatures together with others.
    #[must_use]
    pub(crate) fn memo(mut self, memo: SignatureMemo) -> Self {
        self.memo = memo;
        self
    }

    pub(super) fn has_scheme(&self, scheme: SignatureScheme) -> bool {
        self.schemes.contains(&scheme)
    }

    /// The depth that is in force.
    pub(super) fn effective_depth(&self) -> usize {
        self.depth.min(MAX_DEPTH)
    }

    /// The same policy for a server of which nothing counts but the name that it is known by: no rules for names but those of
    /// everybody.
    pub(crate) fn by_name_alone(&self) -> Self {
        Self {
            id: PolicyId::next(),
            check_name: true,
            host_names: None,
            ..self.clone()
        }
    }

    /// Whether what one has judged counts for the other.
    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    pub(crate) fn checks_staples(&self) -> bool {
        self.staples.policy() != OcspPolicy::Off
    }

    pub(crate) fn checks_crls(&self) -> bool {
        self.crl_check.is_on()
    }

    /// The trust anchors.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }
}

/// What verifies the signatures of certificates that schemes stand for, by RSA keys of at least so many bits.
fn algorithms_of(schemes: &[SignatureScheme], key_minimum: u32) -> Arc<[Algorithm]> {
    let mut all = Vec::new();
    for (at, scheme) in schemes.iter().copied().enumerate() {
        if schemes.iter().take(at).any(|before| *before == scheme) {
            continue;
        }
        let first = all.len();
        match scheme {
            SignatureScheme::ECDSA_SECP256R1_SHA256 => all.extend([
                algorithms::ECDSA_P256_SHA256,
                algorithms::ECDSA_P384_SHA256,
                algorithms::ECDSA_P521_SHA256,
            ]),
            SignatureScheme::ECDSA_SECP384R1_SHA384 => all.extend([
                algorithms::ECDSA_P384_SHA384,
                algorithms::ECDSA_P256_SHA384,
                algorithms::ECDSA_P521_SHA384,
            ]),
            SignatureScheme::ECDSA_SECP521R1_SHA512 => all.extend([
                algorithms::ECDSA_P521_SHA512,
                algorithms::ECDSA_P384_SHA512,
                algorithms::ECDSA_P256_SHA512,
            ]),
            SignatureScheme::ED25519 => all.push(algorithms::ED25519),
            #[cfg(feature = "curve448")]
            SignatureScheme::ED448 => all.push(algorithms::ED448),
            SignatureScheme::MLDSA44 => all.push(algorithms::ML_DSA_44),
            SignatureScheme::MLDSA65 => all.push(algorithms::ML_DSA_65),
            SignatureScheme::MLDSA87 => all.push(algorithms::ML_DSA_87),
            SignatureScheme::RSA_PSS_RSAE_SHA256 => {
                all.push(algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY)
            }
            SignatureScheme::RSA_PSS_RSAE_SHA384 => {
                all.push(algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY)
            }
            SignatureScheme::RSA_PSS_RSAE_SHA512 => {
                all.push(algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY)
            }
            SignatureScheme::RSA_PKCS1_SHA256 => all.extend([
                algorithms::RSA_PKCS1_2048_8192_SHA256,
                algorithms::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
            ]),
            SignatureScheme::RSA_PKCS1_SHA384 => all.extend([
                algorithms::RSA_PKCS1_2048_8192_SHA384,
                algorithms::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
            ]),
            SignatureScheme::RSA_PKCS1_SHA512 => all.extend([
                algorithms::RSA_PKCS1_2048_8192_SHA512,
                algorithms::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
            ]),
            other => all.extend(named(other)),
        }
        if scheme.is_rsa() && key_minimum < USUAL_KEY_BITS {
            for algorithm in all.iter_mut().skip(first) {
                *algorithm = algorithm.with_short_keys(scheme, key_minimum);
            }
        }
    }
    all.into()
}
