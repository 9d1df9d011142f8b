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
    ByKeyType,
    /// As stands beside the signature, out of what the peer has offered (RFC 5246 §7.4.1.4.1).
    Explicit,
}

/// The IV of a record with a block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Iv {
    /// The end of the record before (RFC 2246 §6.2.3.2): whoever sees that knows the next IV.
    Chained,
    /// In front of the record, and random (RFC 4346 §6.2.3.2).
    Explicit,
}

/// How data of TLS 1.0 under a block cipher is protected against BEAST (Duong and Rizzo 2011).
///
/// RFC 4346 §F.3: an attacker that sees a record knows the IV of the next. If it can also choose the
/// beginning of what the next holds, as a web page can, it tries guesses of an earlier block with it. A record in
/// front whose MAC nobody foresees takes that away. TLS 1.1 and newer have no need of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeastMitigation {
    /// The first byte of each write goes out in a record of its own, as browsers have done since.
    #[default]
    OneNMinusOne,
    /// A record without content goes out before each write, as OpenSSL does it. There are peers that
    /// take it for the end.
    ZeroN,
    /// Nothing is done: for a peer that fails over more records than it expects, and where nobody
    /// but the application can choose what is sent.
    Off,
}

impl BeastMitigation {
    /// How much of `data` bytes goes out in front, if anything has to.
    pub(crate) const fn in_front(self, data: usize) -> Option<usize> {
        match self {
            // A single byte is its own front: nobody can choose a whole block with it.
            Self::OneNMinusOne if data > 1 => Some(1),
            Self::ZeroN if data > 0 => Some(0),
            _ => None,
        }
    }
}

impl Rules {
    /// Those of `version`. Of TLS 1.3 only how signatures are made means anything: as in TLS 1.2.
    pub(crate) const fn of(version: Version) -> Self {
        match version {
            Version::V1_0 => Self {
                iv: Iv::Chained,
                ..Self::of(Version::V1_1)
            },
            Version::V1_1 => Self {
                prf: Prf::Md5Sha1,
                signatures: Signatures::ByKeyType,
                iv: Iv::Explicit,
            },
            Version::V1_2 | Version::V1_3 => Self {
                prf: Prf::OfSuite,
                signatures: Signatures::Explicit,
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
            assert_eq!(rules.signatures, Signatures::ByKeyType);
            assert_eq!(rules.prf_hash(HashAlgorithm::Sha384), PrfHash::Md5Sha1);
        }
        assert_eq!(newest.signatures, Signatures::Explicit);
        let sha384 = HashAlgorithm::Sha384;
        assert_eq!(newest.prf_hash(sha384), PrfHash::Suite(sha384));
    }
}
