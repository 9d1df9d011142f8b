use super::*;
use crate::hex;

/// Keys and signatures of OpenSSL 3.
const OPENSSL: &str = include_str!("tests/rsa_openssl.txt");

fn section(title: &str) -> Vec<u8> {
    let (_, rest) = OPENSSL
        .split_once(&format!("[{title}]\n"))
        .unwrap_or_else(|| panic!("{title}"));
    hex(rest.split('[').next().unwrap())
}

const BITS: [usize; 4] = [512, 1_024, 1_536, 2_048];
const HASHES: [(Hash, &str); 5] = [
    (Hash::Md5Sha1, "md5-sha1"),
    (Hash::Sha1, "sha1"),
    (Hash::Sha256, "sha256"),
    (Hash::Sha384, "sha384"),
    (Hash::Sha512, "sha512"),
];

fn private(bits: usize) -> RsaPrivateKey {
    RsaPrivateKey::from_der(&section(&format!("private {bits}"))).unwrap()
}

fn public(bits: usize) -> RsaPublicKey {
    RsaPublicKey::from_der(&section(&format!("public {bits}"))).unwrap()
}

/// Whether OpenSSL signs so with a key of this length.
fn fits_pkcs1(bits: usize, hash: Hash) -> bool {
    !(bits == 512 && matches!(hash, Hash::Sha384 | Hash::Sha512))
}

#[test]
fn openssl_signs_the_same() {
    for bits in BITS {
        let (private, public) = (private(bits), public(bits));
        assert_eq!(
            (private.modulus_len(), public.modulus_len()),
            (bits / 8, bits / 8)
        );
        for (hash, name) in HASHES {
            let digest = section(&format!("digest {name}"));
            let mut signature = vec![0; bits / 8];
            let signed = private.sign_pkcs1(hash, &digest, &mut signature);
            assert_eq!(signed.is_ok(), fits_pkcs1(bits, hash), "{bits} {name}");
            if !fits_pkcs1(bits, hash) {
                continue;
            }
            assert_eq!(signature, section(&format!("pkcs1 {bits} {name}")));
            assert_good(&digest, &signature, |digest, signature| {
                public.verify_pkcs1(hash, digest, signature)
            });
            // By no other hash, whose digest could be as long or not.
            for (other, _) in HASHES {
                let verified = public.verify_pkcs1(other, &digest, &signature);
                assert_eq!(verified.is_ok(), other == hash);
            }
            assert!(public.verify_pss(hash, &digest, &signature).is_err());
        }
    }
}

#[test]
fn openssl_and_pss() {
    for bits in [1_024, 2_048] {
        let (private, public) = (private(bits), public(bits));
        for (hash, name) in HASHES {
            let digest = section(&format!("digest {name}"));
            let mut signature = vec![0; bits / 8];
            let signed = private.sign_pss(hash, &digest, &mut signature);
            let fits = match hash {
                Hash::Md5Sha1 | Hash::Sha1 => false,
                // Two hashes and two bytes (RFC 8017 §9.1.1).
                Hash::Sha512 => bits > 1_024,
                _ => true,
            };
            assert_eq!(signed.is_ok(), fits, "{bits} {name}");
            if !fits {
                continue;
            }
            for signature in [signature, section(&format!("pss {bits} {name}"))] {
                assert_good(&digest, &signature, |digest, signature| {
                    public.verify_pss(hash, digest, signature)
                });
                assert!(public.verify_pkcs1(hash, &digest, &signature).is_err());
            }
        }
    }
}

/// `signature` is good, and nothing that is like it.
fn assert_good(
    digest: &[u8],
    signature: &[u8],
    verify: impl Fn(&[u8], &[u8]) -> Result<(), Failed>,
) {
    assert_eq!(verify(digest, signature), Ok(()));
    let mut other = digest.to_vec();
    other[0] ^= 1;
    assert!(verify(&other, signature).is_err());
    assert!(verify(&digest[1..], signature).is_err());
    assert!(verify(&[digest, &[0]].concat(), signature).is_err());
    for end in [0, 1, signature.len() - 1] {
        assert!(verify(digest, &signature[..end]).is_err());
    }
    assert!(verify(digest, &[signature, &[0]].concat()).is_err());
    assert!(verify(digest, &[&[0], signature].concat()).is_err());
    for at in [0, signature.len() / 2, signature.len() - 1] {
        let mut changed = signature.to_vec();
        changed[at] ^= 1;
        assert!(verify(digest, &changed).is_err());
    }
}

/// The block that OpenSSL has encrypted, with its padding.
#[test]
fn what_is_decrypted_has_its_padding() {
    for bits in BITS {
        let key = private(bits);
        let ciphertext = section(&format!("encrypted {bits}"));
        let mut block = vec![0; bits / 8];
        key.decrypt_raw(&ciphertext, &mut block).unwrap();
        assert_eq!(block[..2], [0, 2]);
        assert!(block.ends_with(b"\0to be encrypted"), "{block:02x?}");
        // Another number is another block, which is no error.
        let mut changed = ciphertext.clone();
        *changed.last_mut().unwrap() ^= 1;
        let mut other = vec![0; bits / 8];
        key.decrypt_raw(&changed, &mut other).unwrap();
        assert_ne!(other, block);
    }
}

#[test]
fn what_is_encrypted_is_decrypted() {
    for bits in BITS {
        let (size, message) = (bits / 8, b"to be encrypted");
        let mut ciphertext = vec![0; size];
        public(bits)
            .encrypt_pkcs1(message, &mut ciphertext)
            .unwrap();
        let mut block = vec![0; size];
        private(bits).decrypt_raw(&ciphertext, &mut block).unwrap();
        assert!(block.ends_with(b"\0to be encrypted"), "{block:02x?}");
        // RFC 8017 §7.2.1: eleven bytes are the padding's.
        assert!(
            public(bits)
                .encrypt_pkcs1(&vec![7; size - 11], &mut ciphertext)
                .is_ok()
        );
        assert!(
            public(bits)
                .encrypt_pkcs1(&vec![7; size - 10], &mut ciphertext)
                .is_err()
        );
        for len in [0, size - 1, size + 1] {
            assert!(
                public(bits)
                    .encrypt_pkcs1(message, &mut vec![0; len])
                    .is_err()
            );
        }
    }
}

/// What OpenSSL makes with it is among the core's tests.
#[test]
fn sha224_is_signed_by_pkcs1_alone() {
    let (private, public, digest) = (private(1_024), public(1_024), [7; 28]);
    let mut signature = vec![0; 128];
    private
        .sign_pkcs1(Hash::Sha224, &digest, &mut signature)
        .unwrap();
    assert_good(&digest, &signature, |digest, signature| {
        public.verify_pkcs1(Hash::Sha224, digest, signature)
    });
    assert!(
        private
            .sign_pss(Hash::Sha224, &digest, &mut signature)
            .is_err()
    );
}

#[test]
fn numbers_that_nobody_encrypts_and_wrong_lengths_are_errors() {
    let (key, size) = (private(1_024), 128);
    let n = section("public 1024")[7..7 + size].to_vec();
    let n_less = |by: u8| {
        let mut number = n.clone();
        *number.last_mut().unwrap() -= by;
        number
    };
    let small = |value: u8| [vec![0; size - 1], vec![value]].concat();
    let mut out = vec![0; size];
    for bad in [small(0), small(1), n.clone(), n_less(1), vec![0xff; size]] {
        assert!(key.decrypt_raw(&bad, &mut out).is_err(), "{bad:02x?}");
    }
    for good in [small(2), n_less(2)] {
        assert!(key.decrypt_raw(&good, &mut out).is_ok());
    }
    for len in [0, 1, size - 1, size + 1] {
        assert!(key.decrypt_raw(&vec![2; len], &mut out).is_err());
        assert!(key.decrypt_raw(&vec![2; size], &mut vec![0; len]).is_err());
        let digest = [0; 32];
        assert!(
            key.sign_pkcs1(Hash::Sha256, &digest, &mut vec![0; len])
                .is_err()
        );
        let is_room = len > size;
        let signed = key.sign_pss(Hash::Sha256, &digest, &mut vec![0; len]);
        assert!(signed.is_err(), "{is_room}");
    }
}

/// Cut, with something behind, and with each byte another.
#[test]
fn damaged_keys_are_refused() {
    for (good, read) in [
        (
            section("private 512"),
            (|der| RsaPrivateKey::from_der(der).is_ok()) as fn(&[u8]) -> bool,
        ),
        (section("public 512"), |der| {
            RsaPublicKey::from_der(der).is_ok()
        }),
    ] {
        assert!(read(&good));
        for end in 0..good.len() {
            assert!(!read(&good[..end]));
        }
        assert!(!read(&[&good[..], &[0]].concat()));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut changed = good.clone();
                changed[at] ^= 1 << bit;
                // Another modulus may be one; nothing else is looked at here than that nothing breaks.
                read(&changed);
            }
        }
    }
    // A private key is not a public one, nor the reverse.
    assert!(RsaPublicKey::from_der(&section("private 512")).is_err());
    assert!(RsaPrivateKey::from_der(&section("public 512")).is_err());
}

/// Without its public exponent a key cannot be blinded.
#[test]
fn a_key_without_exponent_is_refused() {
    let whole = section("private 512");
    assert_eq!(whole[..4], [0x30, 0x82, 0x01, whole[3]]);
    // version, n, e, d, p, q, and what follows from them.
    let mut fields = Vec::new();
    let mut rest = &whole[4..];
    while let [2, len, after @ ..] = rest {
        let (field, behind) = after.split_at((*len).into());
        fields.push(field.to_vec());
        rest = behind;
    }
    assert_eq!(fields.len(), 9);
    let encode = |fields: &[Vec<u8>]| {
        let body: Vec<u8> = fields
            .iter()
            .flat_map(|field| [&[2, field.len() as u8][..], field].concat())
            .collect();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        match length {
            [0, short @ 0..=0x7f] => [&[0x30, short][..], &body].concat(),
            [0, short] => [&[0x30, 0x81, short][..], &body].concat(),
            _ => [&[0x30, 0x82][..], &length, &body].concat(),
        }
    };
    assert!(RsaPrivateKey::from_der(&encode(&fields)).is_ok());
    let mut stripped = fields.clone();
    for (at, field) in stripped.iter_mut().enumerate() {
        if !matches!(at, 0 | 1 | 3) {
            *field = vec![0];
        }
    }
    assert!(RsaPrivateKey::from_der(&encode(&stripped)).is_err());
    let mut exchanged = fields;
    exchanged.swap(3, 6);
    assert!(RsaPrivateKey::from_der(&encode(&exchanged)).is_err());
}

/// Threads that share a key share its blinding.
#[test]
fn threads_share_a_key() {
    let key = private(1_024);
    let ciphertext = section("encrypted 1024");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut block = vec![0; 128];
                    key.decrypt_raw(&ciphertext, &mut block).unwrap();
                    assert!(block.ends_with(b"\0to be encrypted"));
                    let mut signature = vec![0; 128];
                    key.sign_pkcs1(Hash::Sha1, &[7; 20], &mut signature)
                        .unwrap();
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
    let key = private(512);
    assert!(key.decrypt_raw(&[0; 64], &mut [0; 64]).is_err());
    assert_eq!(error(), 0);
    assert!(
        public(512)
            .verify_pkcs1(Hash::Sha1, &[0; 20], &[1; 64])
            .is_err()
    );
    assert_eq!(error(), 0);
    assert!(RsaPublicKey::from_der(b"no key").is_err());
    assert!(RsaPrivateKey::from_der(b"no key").is_err());
    assert_eq!(error(), 0);
    assert_eq!(
        format!("{key:?} {:?} {Failed}", public(512)),
        "RsaPrivateKey(..) RsaPublicKey(..) the crypto library refused its input or failed"
    );
}
