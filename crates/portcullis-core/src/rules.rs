//! What a version before TLS 1.3 changes in the one handshake and the records that these versions
//! share.
//!
//! RFC 5246 §1.2 and RFC 4346 §1.1 list it. What a transport changes is another matter
//! ([`dialect`](crate::dialect)).

use crate::crypto::hash::HashAlgorithm;
use crate::crypto::prf::PrfHash;
use crate::version::Version;

/// The rules of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    prf: Prf,
    pub(crate) signatures: Signatures,
    pub(crate) iv: Iv,
}

/// What the pseudorandom function and the hash of the handshake are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prf {
    /// RFC 2246 §5, RFC 4346 §5.
    Md5Sha1,
    /// RFC 5246 §5.
    OfSuite,
}

/// How ServerKeyExchange and CertificateVerify are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signatures {
    /// By the kind of the key; nothing says so (RFC 4346 §7.4.3).
    OfKey,
    /// As stands beside the signature, out of what the peer has offered (RFC 5246 §7.4.1.4.1).
    Said,
}

/// The IV of a record with a block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Iv {
    /// The end of the record before (RFC 2246 §6.2.3.2): who sees that knows the next IV.
    Chained,
    /// In front of the record, and random (RFC 4346 §6.2.3.2).
    Explicit,
}

impl Rules {
    /// Those of `version`; TLS 1.3, which has none of this, does not ask.
    pub(crate) const fn of(version: Version) -> Self {
        match version {
            Version::V1_0 => Self {
                iv: Iv::Chained,
                ..Self::of(Version::V1_1)
            },
            Version::V1_1 => Self {
                prf: Prf::Md5Sha1,
                signatures: Signatures::OfKey,
                iv: Iv::Explicit,
            },
            Version::V1_2 | Version::V1_3 => Self {
                prf: Prf::OfSuite,
                signatures: Signatures::Said,
                iv: Iv::Explicit,
            },
        }
    }

    /// The hash of a handshake whose suite says `suite`.
    pub(crate) const fn prf_hash(self, suite: HashAlgorithm) -> PrfHash {
        match self.prf {
            Prf::Md5Sha1 => PrfHash::Md5Sha1,
            Prf::OfSuite => PrfHash::Suite(suite),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4346 §1.1: the IV is what TLS 1.1 changed; RFC 5246 §1.2: the rest came with TLS 1.2.
    #[test]
    fn each_version_changes_what_its_rfc_says() {
        let [oldest, old, newest] = [Version::V1_0, Version::V1_1, Version::V1_2].map(Rules::of);
        assert_eq!(
            (oldest.iv, old.iv, newest.iv),
            (Iv::Chained, Iv::Explicit, Iv::Explicit)
        );
        for rules in [oldest, old] {
            assert_eq!(rules.signatures, Signatures::OfKey);
            assert_eq!(rules.prf_hash(HashAlgorithm::Sha384), PrfHash::Md5Sha1);
        }
        assert_eq!(newest.signatures, Signatures::Said);
        let sha384 = HashAlgorithm::Sha384;
        assert_eq!(newest.prf_hash(sha384), PrfHash::Suite(sha384));
    }
}
