//! Pre-shared keys of before the connection, in TLS 1.3: as they are, or imported.
//!
//! RFC 8446 §4.2.11, RFC 9258. What both roles need.

use std::borrow::Cow;

use crate::config::PreSharedKey;
use crate::crypto::CryptoFailure;
use crate::crypto::hash::HashAlgorithm;
use crate::dialect::Dialect;
use crate::key_schedule::EarlySecret;
use crate::psk::Psks;
use crate::version::Version;
use crate::wire::{ImportedIdentity, KdfIdentifier};

const fn kdf_of(hash: HashAlgorithm) -> KdfIdentifier {
    match hash {
        HashAlgorithm::Sha256 => KdfIdentifier::HKDF_SHA256,
        HashAlgorithm::Sha384 => KdfIdentifier::HKDF_SHA384,
    }
}

/// What the key goes by in a hello, with cipher suites of this hash; `None` if it does not go with them. An
/// identity has at least one byte (§4.2.11), which before TLS 1.3 it need not have.
pub(super) fn identity(
    psk: &PreSharedKey,
    hash: HashAlgorithm,
    dialect: Dialect,
) -> Option<Cow<'_, [u8]>> {
    let external_identity = psk.identity();
    let Some(context) = psk.context() else {
        let fits = psk.hash() == hash && !external_identity.is_empty();
        return fits.then_some(Cow::Borrowed(external_identity));
    };
    let length = external_identity.len() + context.len() + ImportedIdentity::OVERHEAD;
    let mut identity = Vec::with_capacity(length);
    ImportedIdentity {
        external_identity,
        context,
        target_protocol: dialect.code(Version::V1_3),
        target_kdf: kdf_of(hash),
    }
    .put(&mut identity);
    Some(Cow::Owned(identity))
}

/// The start of the key schedule by the key, which goes by this identity with suites of this hash.
pub(super) fn early_secret(
    psk: &PreSharedKey,
    hash: HashAlgorithm,
    identity: &[u8],
    dialect: Dialect,
) -> Result<EarlySecret, CryptoFailure> {
    let (key, prefix) = (psk.key(), dialect.label_prefix());
    match psk.context() {
        None => Ok(EarlySecret::with_external_psk(hash, key, prefix)),
        Some(_) => EarlySecret::with_imported_psk(hash, key, psk.hash(), identity, prefix),
    }
}

/// Whether an identity in a hello is this key's, for suites of this hash.
pub(super) fn is_of(
    psk: &PreSharedKey,
    offered: &[u8],
    hash: HashAlgorithm,
    dialect: Dialect,
) -> bool {
    identity(psk, hash, dialect).is_some_and(|identity| *identity == *offered)
}

/// The key of an identity in a hello, if it goes with suites of this hash, and its place among those that are
/// configured.
pub(super) fn find<'a>(
    psks: &'a Psks,
    offered: &[u8],
    hash: HashAlgorithm,
    dialect: Dialect,
) -> Option<(usize, &'a PreSharedKey)> {
    let fits = |found: &(usize, &PreSharedKey)| is_of(found.1, offered, hash, dialect);
    if let Some(found) = psks.find(offered).filter(fits) {
        return Some(found);
    }
    let imported = ImportedIdentity::decode(offered).ok()?;
    psks.find(imported.external_identity).filter(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::hash;
    use crate::crypto::hex;

    /// RFC 9258 has no vectors. These were computed with Python's `hmac` and `hashlib` from the text of RFC 5869,
    /// RFC 8446 §7.1 and RFC 9258 §5: the binder of a hello that hashes as `hello` does.
    #[test]
    fn binders_as_another_implementation_computes_them() {
        use HashAlgorithm::{Sha256, Sha384};
        let psk = || PreSharedKey::new("psk1", b"ABCD".repeat(8)).unwrap();
        let imported = || psk().imported("context1").unwrap();
        for (psk, hash_of_suite, name, binder) in [
            (
                psk(),
                Sha256,
                "70736b31",
                "a5a2210d0de1131471241547e5919654bed75ad2ea6a844e2a70acde88fbb26a",
            ),
            (
                psk().for_hash(Sha384),
                Sha384,
                "70736b31",
                "ee065ba28d257cd54be0ac69aaad371b055fc3e514daffb3a404a9fc0067b46f\
                 c6442c836c5482bb22dd84c7d141b718",
            ),
            (
                imported(),
                Sha256,
                "000470736b310008636f6e746578743103040001",
                "557b96eead81444b17a11ca597546381f08d76ad8f771943ac72b4c05a6ca655",
            ),
            (
                imported(),
                Sha384,
                "000470736b310008636f6e746578743103040002",
                "48bf42c7436573ed116480afe520d1ea33eef44e1ae3b6711631e3fa4a3ac1e9\
                 1993399746735b3a6a22bf4d19bd1181",
            ),
            (
                imported().for_hash(Sha384),
                Sha256,
                "000470736b310008636f6e746578743103040001",
                "01ef7ee20ead9992bc37a553afb8a9f8494728c4e2e53000b6d4690ad14c9d61",
            ),
            (
                imported().for_hash(Sha384),
                Sha384,
                "000470736b310008636f6e746578743103040002",
                "640e4efbf35f3566fb3c1b8444de66d5b3ef49b06e27ade1c18bd20fa19fada0\
                 5399a91ffdc6ed45320c183bd3e19310",
            ),
        ] {
            let identity = identity(&psk, hash_of_suite, Dialect::Tls).unwrap();
            assert_eq!(*identity, hex(name));
            let early = early_secret(&psk, hash_of_suite, &identity, Dialect::Tls).unwrap();
            let hello = hash(hash_of_suite, b"hello");
            assert_eq!(early.binder(&hello).unwrap().as_slice(), hex(binder));
        }
        // Not with suites of another hash.
        assert_eq!(identity(&psk(), Sha384, Dialect::Tls), None);
    }

    #[test]
    fn imported_identities_match_in_all_or_not_at_all() {
        use HashAlgorithm::{Sha256, Sha384};
        let imported = PreSharedKey::new("psk1", b"key").unwrap().imported("c");
        let imported = imported.unwrap();
        let mut psks = Psks::default();
        psks.add(imported.clone());
        psks.add(PreSharedKey::new("plain", b"key").unwrap());
        psks.settle().unwrap();
        let offered = identity(&imported, Sha256, Dialect::Tls).unwrap();
        let found = |identity: &[u8], hash, dialect| {
            find(&psks, identity, hash, dialect).map(|found| found.0)
        };
        assert_eq!(found(&offered, Sha256, Dialect::Tls), Some(0));
        assert_eq!(found(&offered, Sha384, Dialect::Tls), None);
        assert_eq!(found(&offered, Sha256, Dialect::Dtls), None);
        for at in 0..offered.len() {
            let mut other = offered.to_vec();
            other[at] ^= 1;
            assert_eq!(found(&other, Sha256, Dialect::Tls), None, "{at}");
        }
        // As it is, it is no key.
        assert_eq!(found(b"psk1", Sha256, Dialect::Tls), None);
        assert_eq!(found(b"plain", Sha256, Dialect::Tls), Some(1));
        assert_eq!(found(b"plain", Sha384, Dialect::Tls), None);
    }
}
