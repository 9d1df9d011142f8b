//! Whose key signs a list.
//!
//! RFC 5280 §6.3.3 (f). Either it is one that stands above the certificate on its path, or it is in a certificate that
//! one of these has issued: so what signs a list about a certificate leads to the same anchor as it.

use super::crl::{Crl, Verified};
use super::decide::{Decision, Halt, Status, Subject};
use super::is_same_name;
use crate::der::{self, NotDer};
use crate::x509::certificate::Certificate;
use crate::x509::extension::KeyUsage;
use crate::x509::policy::ChainPolicy;
use crate::x509::signatures::Verifier;

/// Extensions that may be critical in the certificate of a signer: basicConstraints, keyUsage, subjectAltName,
/// extendedKeyUsage.
const UNDERSTOOD: [&[u8]; 4] = [
    b"\x55\x1d\x13",
    b"\x55\x1d\x0f",
    b"\x55\x1d\x11",
    b"\x55\x1d\x25",
];

impl Decision<'_> {
    /// The key, a SubjectPublicKeyInfo, that has signed the list and may; or why there is none.
    pub(super) fn signer(
        &mut self,
        subject: &Subject<'_>,
        list: &Crl,
    ) -> Result<Result<Vec<u8>, &'static str>, Halt> {
        let mut why = "nobody who may sign it is known";
        let above = subject.issuer..self.check.path.members();
        for member in above.clone() {
            if !is_same_name(self.check.path.name(member), list.issuer()) {
                continue;
            }
            if !self.may_sign(member) {
                why = "its issuer may not sign lists (cRLSign)";
                continue;
            }
            self.spend_signature()?;
            let spki = self.check.path.spki(member);
            if is_signed_by(list, spki, &self.check.policy) {
                return Ok(Ok(spki.to_vec()));
            }
            why = "its signature does not verify";
        }
        if subject.is_signer {
            return Ok(Err(why));
        }
        let check = self.check;
        for other in check.others() {
            let Some(fields) = Certificate::read(other) else {
                continue;
            };
            if !is_same_name(fields.subject, list.issuer()) || check.path.has(other) {
                continue;
            }
            match self.vouched_for(&above, other, &fields, list)? {
                Ok(()) => return Ok(Ok(fields.spki.to_vec())),
                Err(reason) => why = reason,
            }
        }
        Ok(Err(why))
    }

    /// Whether a certificate that is not on the path has signed the list, and one above the subject stands behind it.
    fn vouched_for(
        &mut self,
        above: &core::ops::Range<usize>,
        certificate: &[u8],
        fields: &Certificate<'_>,
        list: &Crl,
    ) -> Result<Result<(), &'static str>, Halt> {
        let check = self.check;
        let is_valid = fields
            .validity()
            .is_some_and(|validity| validity.contains(check.now));
        if !is_valid || fields.version != 3 || !is_understood(fields) {
            return Ok(Err("the certificate of its issuer is not valid"));
        }
        if !allows_crls(fields) {
            return Ok(Err("its issuer may not sign lists (cRLSign)"));
        }
        let mut members = above.clone();
        let issuer = loop {
            let Some(member) = members.next() else {
                return Ok(Err(
                    "nobody on the peer's path has issued the certificate of its issuer",
                ));
            };
            if is_same_name(check.path.name(member), fields.issuer) {
                self.spend_signature()?;
                if is_issued_by(fields, check.path.spki(member), &check.policy) {
                    break member;
                }
            }
        };
        self.spend_signature()?;
        if !is_signed_by(list, fields.spki, &check.policy) {
            return Ok(Err("its signature does not verify"));
        }
        // It may be revoked itself. The signer of lists about it stands on the path: else this would not end.
        let Some(signer) = Subject::read(certificate, issuer, true) else {
            return Ok(Err("the certificate of its issuer is damaged"));
        };
        match self.status(&signer)? {
            Status::Good => Ok(Ok(())),
            Status::Revoked { .. } => Ok(Err("the certificate of its issuer is revoked")),
            Status::Undetermined(_) => Ok(Err(
                "it cannot be told whether the certificate of its issuer is revoked",
            )),
        }
    }

    /// Whether one on the path may sign lists.
    fn may_sign(&self, member: usize) -> bool {
        let path = &self.check.path;
        match path.certificate(member) {
            Some(certificate) => {
                Certificate::read(certificate).is_some_and(|own| allows_crls(&own))
            }
            // The anchor: what is trusted is a name and a key; the certificate may say more.
            None => {
                let (name, spki) = (path.name(member), path.spki(member));
                let mut roots = self
                    .check
                    .policy
                    .roots
                    .certificates()
                    .filter_map(|own| Certificate::read(own));
                let own = roots.find(|own| own.subject == name && own.spki == spki);
                own.is_none_or(|own| allows_crls(&own))
            }
        }
    }
}

/// §4.2.1.3: cRLSign, where there is a key usage.
fn allows_crls(certificate: &Certificate<'_>) -> bool {
    match KeyUsage::of(certificate) {
        Ok(usage) => usage.is_none_or(KeyUsage::crl_sign),
        Err(NotDer) => false,
    }
}

fn is_understood(certificate: &Certificate<'_>) -> bool {
    certificate.extensions().all(|extension| {
        extension.is_ok_and(|extension| !extension.critical || UNDERSTOOD.contains(&extension.oid))
    })
}

/// Whether the key has signed the list, by an algorithm of the policy. That it has is remembered in the list.
pub(super) fn is_signed_by(list: &Crl, spki: &[u8], policy: &ChainPolicy) -> bool {
    let (tbs, algorithm, signature) = list.signed();
    let is_known = list
        .verified_by
        .get()
        .is_some_and(|known| *known.spki == *spki && known.key_minimum >= policy.key_minimum);
    let is_good = verify(algorithm, signature, tbs, spki, policy, is_known);
    if is_good && !is_known {
        // By another key it may have been verified before; that one stays.
        let _ = list.verified_by.set(Verified {
            spki: spki.into(),
            key_minimum: policy.key_minimum,
        });
    }
    is_good
}

fn is_issued_by(certificate: &Certificate<'_>, spki: &[u8], policy: &ChainPolicy) -> bool {
    let Certificate {
        tbs,
        signature_algorithm,
        signed_algorithm,
        signature,
        ..
    } = *certificate;
    // §4.1.1.2.
    signature_algorithm == signed_algorithm
        && is_signed(signature_algorithm, signature, tbs, spki, policy)
}

/// Whether the key has signed that, by an algorithm of the policy. `signature` is the contents of a BIT STRING.
pub(in crate::x509) fn is_signed(
    algorithm: &[u8],
    signature: &[u8],
    message: &[u8],
    spki: &[u8],
    policy: &ChainPolicy,
) -> bool {
    verify(algorithm, signature, message, spki, policy, false)
}

/// `signature` is the contents of a BIT STRING; with `is_known` it was found good before, and only whether the policy
/// has its algorithm is looked at.
fn verify(
    algorithm: &[u8],
    signature: &[u8],
    message: &[u8],
    spki: &[u8],
    policy: &ChainPolicy,
    is_known: bool,
) -> bool {
    let (Some((key_algorithm, key)), Some((0, signature))) =
        (der::public_key_info(spki), signature.split_first())
    else {
        return false;
    };
    Verifier::find(policy, algorithm, key_algorithm).is_some_and(|found| {
        is_known
            || found
                .verify(policy, (key_algorithm, key), message, signature)
                .is_ok()
    })
}
