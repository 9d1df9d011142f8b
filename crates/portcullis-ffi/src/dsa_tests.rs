use super::*;
use crate::hex;

/// Keys and signatures of OpenSSL 3.
const OPENSSL: &str = include_str!("tests/dsa_openssl.txt");

fn section(title: &str) -> Vec<u8> {
    let (_, rest) = OPENSSL
        .split_once(&format!("[{title}]\n"))
        .unwrap_or_else(|| panic!("{title}"));
    hex(rest.split('[').next().unwrap())
}

/// The order of the first has 160 bits, that of the others 256.
const BITS: [usize; 3] = [1_024, 2_048, 3_072];
const HASHES: [&str; 5] = ["sha1", "sha224", "sha256", "sha384", "sha512"];

fn private(bits: usize) -> DsaPrivateKey {
    DsaPrivateKey::from_pkcs8(&section(&format!("private {bits}"))).unwrap()
}

fn public(bits: usize) -> DsaPublicKey {
    DsaPublicKey::from_spki(&section(&format!("public {bits}"))).unwrap()
}

#[test]
fn what_openssl_has_signed_is_good_and_what_is_signed_here() {
    for bits in BITS {
        let (private, public) = (private(bits), public(bits));
        for hash in HASHES {
            let digest = section(&format!("digest {hash}"));
            let signed = private.sign(&digest).unwrap();
            // The number in it is random.
            assert_ne!(signed, private.sign(&digest).unwrap());
            for signature in [section(&format!("signature {bits} {hash}")), signed] {
                assert_good(&public, &digest, &signature);
            }
        }
    }
}

/// `signature` is good, and nothing that is like it.
fn assert_good(public: &DsaPublicKey, digest: &[u8], signature: &[u8]) {
    assert_eq!(public.verify(digest, signature), Ok(()));
    let mut other = digest.to_vec();
    other[0] ^= 1;
    assert!(public.verify(&other, signature).is_err());
    for end in 0..signature.len() {
        assert!(public.verify(digest, &signature[..end]).is_err());
    }
    assert!(public.verify(digest, &[signature, &[0]].concat()).is_err());
    for at in 0..signature.len() {
        let mut changed = signature.to_vec();
        changed[at] ^= 1;
        assert!(public.verify(digest, &changed).is_err(), "{at}");
    }
}

/// FIPS 186-4 §4.6: of a hash that is longer than the order its beginning counts.
#[test]
fn a_long_hash_is_cut_off() {
    let (private, public) = (private(1_024), public(1_024));
    let digest = section("digest sha512");
    let signature = private.sign(&digest).unwrap();
    assert_eq!(public.verify(&digest[..20], &signature), Ok(()));
    assert!(public.verify(&digest[..19], &signature).is_err());
}

#[test]
fn digests_of_other_lengths_are_refused() {
    let (private, public) = (private(1_024), public(1_024));
    let signature = section("signature 1024 sha1");
    for digest in [&[][..], &[7; 65]] {
        assert_eq!(private.sign(digest), Err(Failed));
        assert_eq!(public.verify(digest, &signature), Err(Failed));
    }
}

/// r or s that is 0 or at least the order makes some verifiers take any message (CVE-2022-21449).
#[test]
fn numbers_out_of_range_are_refused() {
    let public = public(2_048);
    let digest = section("digest sha256");
    let long = [&[2, 33, 0][..], &[0xff; 32]].concat();
    let numbers: [&[u8]; 4] = [&[2, 1, 0], &[2, 1, 1], &[2, 1, 0xff], &long];
    for one in numbers {
        for other in numbers {
            let both = [one, other].concat();
            let sealed = [&[0x30, both.len() as u8][..], &both].concat();
            assert!(public.verify(&digest, &sealed).is_err(), "{sealed:02x?}");
        }
    }
    for len in [0, 1, 64] {
        assert!(public.verify(&digest, &vec![0; len]).is_err());
    }
}

#[test]
fn a_key_knows_its_public_half() {
    for bits in BITS {
        for other in BITS {
            assert_eq!(private(bits).is_key_of(&public(other)), bits == other);
        }
    }
}

/// Cut, with something behind, and with each byte another.
#[test]
fn damaged_keys_are_refused() {
    for (good, read) in [
        (
            section("private 1024"),
            (|der| DsaPrivateKey::from_pkcs8(der).is_ok()) as fn(&[u8]) -> bool,
        ),
        (section("public 1024"), |der| {
            DsaPublicKey::from_spki(der).is_ok()
        }),
    ] {
        assert!(read(&good));
        for end in 0..good.len() {
            assert!(!read(&good[..end]));
        }
        assert!(!read(&[&good[..], &[0]].concat()));
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            // Another prime may be one; nothing else is looked at here than that nothing breaks.
            read(&changed);
        }
    }
    assert!(DsaPublicKey::from_spki(&section("private 1024")).is_err());
    assert!(DsaPrivateKey::from_pkcs8(&section("public 1024")).is_err());
}

/// What a changed public key verifies with must end, whatever its numbers are.
#[test]
fn groups_that_are_none_end_too() {
    let good = section("public 1024");
    let (digest, signature) = (section("digest sha1"), section("signature 1024 sha1"));
    for at in (0..good.len()).step_by(3) {
        let mut changed = good.clone();
        changed[at] ^= 1;
        if let Ok(key) = DsaPublicKey::from_spki(&changed) {
            assert!(key.verify(&digest, &signature).is_err(), "{at}");
        }
    }
}

/// A key of another kind is none of DSA.
#[test]
fn keys_of_rsa_are_refused() {
    let rsa = hex("30 1a 30 0d 06 09 2a864886f70d010101 0500 03 09 00 30 06 02 01 0f 02 01 03");
    assert!(DsaPublicKey::from_spki(&rsa).is_err());
}

#[test]
fn threads_share_a_key() {
    let (private, public) = (private(1_024), public(1_024));
    let digest = section("digest sha1");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let signature = private.sign(&digest).unwrap();
                    public.verify(&digest, &signature).unwrap();
                }
            });
        }
    });
}

/// Nothing of a failure is left for whoever looks at the thread's errors.
#[test]
fn the_queue_of_errors_stays_empty() {
    let error = || {
        // SAFETY: takes nothing, and looks at what belongs to this thread.
        unsafe { aws_lc_sys::ERR_peek_error() }
    };
    let (private, public) = (private(1_024), public(1_024));
    assert!(public.verify(&[7; 20], &[0; 46]).is_err());
    assert_eq!(error(), 0);
    assert!(
        public
            .verify(&[7; 20], &section("signature 1024 sha1"))
            .is_err()
    );
    assert_eq!(error(), 0);
    assert!(DsaPublicKey::from_spki(b"no key").is_err());
    assert!(DsaPrivateKey::from_pkcs8(b"no key").is_err());
    assert_eq!(error(), 0);
    assert_eq!(
        format!("{private:?} {public:?}"),
        "DsaPrivateKey(..) DsaPublicKey(..)"
    );
}
