//! webpki's opinion of a path that this walk has found good: it may refuse it, and cannot make a
//! refused one good.
//!
//! webpki does not know everything that is accepted here. What it is asked is cut beforehand, by
//! facts of the certificates: of those that it cannot express, the one closest to the leaf stands
//! as the anchor, and it judges what is below. Then every error of it refuses. It verifies no
//! signature a second time, and knows no others than those of the path.

use core::array::from_fn;

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, Der, InvalidSignature, SignatureVerificationAlgorithm,
    TrustAnchor,
};
use webpki::{
    EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, VerifiedPath,
};

use crate::crypto::verification::{self, Algorithm};
use crate::der;
use crate::x509::certificate::Certificate;
use crate::x509::error::Purpose;
use crate::x509::extension::alt_name::{DNS_NAME, IP_ADDRESS};
use crate::x509::extension::name_constraints::NameConstraints;
use crate::x509::extension::{BasicConstraints, Known};
use crate::x509::name;
use crate::x509::path::{Path, Top, Wanted};
use crate::x509::policy::USUAL_ALGORITHMS;
use crate::x509::signatures::is_signed_with_dsa;

/// How many intermediates webpki takes.
const MAX_INTERMEDIATES: usize = 6;

/// What webpki has said of a path that was found good here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gate {
    /// It accepts so many certificates, from the leaf up; what is above them it does not know.
    Agreed {
        /// How many.
        certificates: usize,
    },
    /// It was not asked, and why.
    NotAsked(&'static str),
}

/// Asks webpki about the lower part of a path, some of whose certificates have critical extensions
/// that somebody knows: a bit for each, the lowest for the leaf. An error is what it says.
pub(super) fn ask(
    wanted: Wanted<'_>,
    path: &Path,
    top: Top,
    critical: u64,
) -> Result<Gate, String> {
    let anchor = match top {
        Top::Pinned => return Ok(Gate::NotAsked("it is trusted itself")),
        Top::Unknown => return Ok(Gate::NotAsked("there is no anchor")),
        Top::Trusted(place) => Anchor::Trusted(place),
        Top::Root(at) => Anchor::Root(at),
    };
    if critical & 1 != 0 {
        return Ok(Gate::NotAsked(
            "it has a critical extension that somebody knows",
        ));
    }
    let Some(leaf) = wanted.certificate(0) else {
        return Err(Error::BadDer.to_string());
    };
    if let Some(why) = beyond(&leaf) {
        return Ok(Gate::NotAsked(why));
    }
    let part = Part::of(wanted, path, anchor, &leaf, critical);
    let part = part.ok_or_else(|| Error::BadDer.to_string())?;
    let verdict = part.verify(wanted, path);
    verdict.map_err(|error| error.to_string())?;
    let certificates = part.intermediates + 1;
    Ok(Gate::Agreed { certificates })
}

/// What has issued the highest certificate of a path.
enum Anchor {
    Root(usize),
    Trusted(usize),
}

/// Why webpki cannot read a certificate that may be good.
fn beyond(certificate: &Certificate<'_>) -> Option<&'static str> {
    if certificate.has_unique_ids {
        return Some("it has unique identifiers");
    }
    if is_signed_with_dsa(certificate) {
        return Some("it is signed with DSA");
    }
    let is_early = |certificate: &Certificate<'_>| {
        let validity = certificate.validity();
        validity.is_some_and(|own| own.not_before < 0 || own.not_after < 0)
    };
    is_early(certificate).then_some("its validity begins or ends before 1970")
}

/// Whether webpki knows all of what a CA says.
fn is_expressible(issuer: &Certificate<'_>, known: &Known<'_>) -> bool {
    // It counts those that are self-issued, too.
    let is_self_issued = name::is_same(issuer.subject, issuer.issuer, &mut 0);
    let constraints = known.name_constraints.map(NameConstraints::read);
    let are_known = match constraints {
        None => true,
        Some(Ok(constraints)) => are_expressible(constraints),
        Some(Err(_)) => false,
    };
    let length = known.basic_constraints.and_then(BasicConstraints::read);
    let is_short = |length| length <= usize::from(u8::MAX);
    !is_self_issued
        && are_known
        && length.is_some_and(|own| own.path_length.is_none_or(is_short))
        && beyond(issuer).is_none()
}

/// It compares DNS names and IP addresses.
fn are_expressible(constraints: NameConstraints<'_>) -> bool {
    let mut all = constraints.permitted().chain(constraints.excluded());
    all.all(|subtree| subtree.is_plain && matches!(subtree.base.tag, DNS_NAME | IP_ADDRESS))
}

/// The part of a path that webpki can express.
struct Part<'a> {
    anchor: TrustAnchor<'a>,
    /// How many there are between the leaf and the anchor.
    intermediates: usize,
    signed: [Signed<'a>; 1 + MAX_INTERMEDIATES],
}

/// A signature that is known to be good.
#[derive(Clone, Copy, Debug, Default)]
struct Signed<'a> {
    message: &'a [u8],
    signature: &'a [u8],
    /// What was found good was made by this key.
    key: &'a [u8],
}

impl<'a> Signed<'a> {
    fn of(certificate: &Certificate<'a>, key: &'a [u8]) -> Option<Self> {
        Some(Self {
            message: certificate.tbs,
            signature: certificate.signature.split_first()?.1,
            key,
        })
    }
}

impl<'a> Part<'a> {
    fn of(
        wanted: Wanted<'a>,
        path: &Path,
        anchor: Anchor,
        leaf: &Certificate<'a>,
        critical: u64,
    ) -> Option<Self> {
        let mut signed = [Signed::default(); 1 + MAX_INTERMEDIATES];
        let mut below = *leaf;
        for above in 1..path.len() {
            let issuer = wanted.certificate(path.place(above)?)?;
            let known = Known::read(&issuer).ok()?;
            let (_, key) = der::public_key_info(issuer.spki)?;
            *signed.get_mut(above - 1)? = Signed::of(&below, key)?;
            if above > MAX_INTERMEDIATES
                || issuer.subject != below.issuer
                || !is_expressible(&issuer, &known)
                || critical & (1 << above) != 0
            {
                let spki = der::only(issuer.spki, der::SEQUENCE)?;
                return Some(Self {
                    anchor: cut(&below, spki)?,
                    intermediates: above - 1,
                    signed,
                });
            }
            below = issuer;
        }
        let read;
        let (spki, subject, constraints) = match anchor {
            Anchor::Root(at) => {
                let (anchor, _) = wanted.policy.roots.anchor(at)?;
                let spki = &*anchor.subject_public_key_info;
                (spki, &*anchor.subject, anchor.name_constraints.as_deref())
            }
            Anchor::Trusted(place) => {
                read = wanted.certificate(place)?;
                let constraints = match Known::read(&read).ok()?.name_constraints {
                    Some(value) => Some(der::only(value, der::SEQUENCE)?),
                    None => None,
                };
                let name = |whole| der::only(whole, der::SEQUENCE);
                (name(read.spki)?, name(read.subject)?, constraints)
            }
        };
        let (_, key) = der::public_key_info_contents(spki)?;
        let intermediates = path.len() - 1;
        *signed.get_mut(intermediates)? = Signed::of(&below, key)?;
        let are_known = constraints.is_none_or(|contents| {
            NameConstraints::from_contents(contents).is_ok_and(are_expressible)
        });
        let is_named = der::only(below.issuer, der::SEQUENCE) == Some(subject);
        let anchor = match are_known && is_named {
            true => TrustAnchor {
                subject: Der::from_slice(subject),
                subject_public_key_info: Der::from_slice(spki),
                name_constraints: constraints.map(Der::from_slice),
            },
            false => cut(&below, spki)?,
        };
        Some(Self {
            anchor,
            intermediates,
            signed,
        })
    }

    fn verify(&self, wanted: Wanted<'_>, path: &Path) -> Result<(), Error> {
        let leaf = EndEntityCert::try_from(wanted.chain.end_entity())?;
        let intermediates: [CertificateDer<'_>; MAX_INTERMEDIATES] = from_fn(|at| {
            let certificate = path.place(at + 1).and_then(|place| wanted.der(place));
            CertificateDer::from(certificate.map_or(&[][..], |certificate| certificate.as_ref()))
        });
        let intermediates = intermediates.get(..self.intermediates).unwrap_or_default();
        let is_all = |path: &VerifiedPath<'_>| match path.intermediate_certificates().count()
            == self.intermediates
        {
            true => Ok(()),
            false => Err(Error::UnknownIssuer),
        };
        let judge = |algorithms: &[&dyn SignatureVerificationAlgorithm]| {
            let anchors = core::slice::from_ref(&self.anchor);
            let path = leaf.verify_for_usage(
                algorithms,
                anchors,
                intermediates,
                wanted.now,
                Usage::of(wanted),
                None,
                Some(&is_all),
            );
            // Looked at where it stands: a path is 1.4 KB, and nobody wants it.
            match &path {
                Ok(_) => Ok(()),
                Err(error) => Err(error.clone()),
            }
        };
        self.with_algorithms(&wanted.policy.algorithms, judge)?;
        // Rules of somebody's own it does not know.
        let is_asked = wanted.policy.check_name && wanted.policy.host_names.is_none();
        match wanted.server_name.filter(|_| is_asked) {
            Some(name) => leaf.verify_is_valid_for_subject_name(name),
            None => Ok(()),
        }
    }

    fn with_algorithms(
        &self,
        all: &[Algorithm],
        judge: impl FnOnce(&[&dyn SignatureVerificationAlgorithm]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let signed = self.signed.get(..=self.intermediates).unwrap_or_default();
        let known = |algorithm| Verified { algorithm, signed };
        if all.len() > USUAL_ALGORITHMS {
            let algorithms: Vec<_> = all.iter().map(known).collect();
            let algorithms: Vec<_> = algorithms
                .iter()
                .map(|one| one as &dyn SignatureVerificationAlgorithm)
                .collect();
            return judge(&algorithms);
        }
        // On the stack: nearly all of them are in vain.
        let algorithms: [_; USUAL_ALGORITHMS] =
            from_fn(|at| known(all.get(at).unwrap_or(&verification::ED25519)));
        let algorithms = algorithms
            .each_ref()
            .map(|one| one as &dyn SignatureVerificationAlgorithm);
        judge(algorithms.get(..all.len()).unwrap_or_default())
    }
}

/// The issuer of a certificate as an anchor, of which nothing but the key counts: how its name is
/// encoded is no matter.
fn cut<'a>(below: &Certificate<'a>, spki: &'a [u8]) -> Option<TrustAnchor<'a>> {
    Some(TrustAnchor {
        subject: Der::from_slice(der::only(below.issuer, der::SEQUENCE)?),
        subject_public_key_info: Der::from_slice(spki),
        name_constraints: None,
    })
}

/// An algorithm that verifies nothing: it knows what has been verified, by where that is.
#[derive(Debug)]
struct Verified<'a> {
    algorithm: &'a Algorithm,
    signed: &'a [Signed<'a>],
}

impl SignatureVerificationAlgorithm for Verified<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let is_it = |signed: &&Signed<'_>| {
            core::ptr::eq(signed.message, message)
                && core::ptr::eq(signed.signature, signature)
                && core::ptr::eq(signed.key, public_key)
        };
        match self.signed.iter().find(is_it) {
            Some(_) => Ok(()),
            None => Err(InvalidSignature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// What the key is used for.
struct Usage {
    usage: KeyUsage,
    any: bool,
}

impl Usage {
    const fn of(wanted: Wanted<'_>) -> Self {
        Self {
            usage: match wanted.purpose {
                Purpose::ServerAuth => KeyUsage::server_auth(),
                Purpose::ClientAuth => KeyUsage::client_auth(),
            },
            any: wanted.policy.any_purpose,
        }
    }
}

impl ExtendedKeyUsageValidator for Usage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        match self.any {
            // Whether it is among them has been found out.
            true => Ok(()),
            false => self.usage.validate(purposes),
        }
    }
}
