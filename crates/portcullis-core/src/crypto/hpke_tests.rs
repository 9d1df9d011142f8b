use super::*;
use crate::crypto::hex;

const INFO: &[u8] = b"Ode on a Grecian Urn";
const PLAINTEXT: &[u8] = b"Beauty is truth, truth beauty";

struct Vector {
    kem: Kem,
    suite: Suite,
    ephemeral: Option<Vec<u8>>,
    private: Vec<u8>,
    enc: Vec<u8>,
    sealed: Vec<(u64, Vec<u8>)>,
}

fn vectors() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in include_str!("hpke_vectors.txt").lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["#", ..] => {}
            ["key", kem, kdf, aead, ephemeral, private, enc] => vectors.push(Vector {
                kem: Kem::from_id(kem.parse().unwrap()).unwrap(),
                suite: Suite::from_ids(kdf.parse().unwrap(), aead.parse().unwrap()).unwrap(),
                ephemeral: (*ephemeral != "-").then(|| hex(ephemeral)),
                private: hex(private),
                enc: hex(enc),
                sealed: Vec::new(),
            }),
            [number, sealed] => {
                let last = vectors.last_mut().unwrap();
                last.sealed.push((number.parse().unwrap(), hex(sealed)));
            }
            _ => panic!("{line}"),
        }
    }
    vectors
}

fn aad(number: u64) -> Vec<u8> {
    format!("Count-{number}").into_bytes()
}

fn seal(sealer: &mut Sealer, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut out = [plaintext, &[0; TAG_LEN]].concat();
    sealer.seal_in_place(aad, &mut out).unwrap();
    out
}

/// RFC 9180 A.1, A.2, A.3, A.5, and Go for the KDF and the AEAD that they have not.
#[test]
fn what_the_rfc_and_go_have_sealed_opens() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 12);
    for vector in vectors {
        let private = HpkePrivateKey::from_bytes(vector.kem, &vector.private).unwrap();
        let mut opener = Opener::new(&private, &vector.enc, vector.suite, INFO).unwrap();
        assert_eq!(vector.sealed.len(), 6);
        for (number, sealed) in &vector.sealed {
            opener.0.next = *number;
            assert_eq!(opener.open(&aad(*number), sealed).unwrap(), PLAINTEXT);
            assert_eq!(opener.0.next, number + 1);
        }
    }
}

#[test]
fn what_is_sealed_is_what_the_rfc_has() {
    let mut count = 0;
    for vector in vectors() {
        let Some(ephemeral) = vector.ephemeral else {
            continue;
        };
        let private = HpkePrivateKey::from_bytes(vector.kem, &vector.private).unwrap();
        let mut random = Random::script(ephemeral);
        let public = private.public_key();
        let mut sealer = Sealer::new(vector.kem, public, vector.suite, INFO, &mut random).unwrap();
        assert_eq!(sealer.enc(), vector.enc);
        for (number, sealed) in &vector.sealed {
            sealer.context.next = *number;
            assert_eq!(seal(&mut sealer, &aad(*number), PLAINTEXT), *sealed);
        }
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn every_suite_goes_both_ways_and_a_forgery_is_not_counted() {
    for kem in [Kem::X25519, Kem::P256] {
        let (private, scalar) = HpkePrivateKey::generate(kem, &mut Random::system()).unwrap();
        assert_eq!(scalar.len(), 32);
        for (kdf, aead) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)] {
            let suite = Suite::from_ids(kdf, aead).unwrap();
            assert_eq!(suite.ids(), (kdf, aead));
            let public = private.public_key();
            let mut sealer = Sealer::new(kem, public, suite, INFO, &mut Random::system()).unwrap();
            let mut opener = Opener::new(&private, sealer.enc(), suite, INFO).unwrap();
            for message in [&b"one"[..], b"", b"two"] {
                let sealed = seal(&mut sealer, b"aad", message);
                assert_eq!(opener.open(b"other", &sealed), Err(HpkeError));
                assert_eq!(opener.open(b"aad", &sealed[1..]), Err(HpkeError));
                assert_eq!(opener.open(b"aad", &sealed).unwrap(), message);
            }
            assert_eq!(opener.open(b"aad", &[0; TAG_LEN - 1]), Err(HpkeError));
            let mut other = Opener::new(&private, sealer.enc(), suite, b"info").unwrap();
            let sealed = seal(&mut sealer, b"", b"");
            assert_eq!(other.open(b"", &sealed), Err(HpkeError));
        }
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let suite = Suite::from_ids(1, 1).unwrap();
    for kem in [Kem::X25519, Kem::P256] {
        let (private, _) = HpkePrivateKey::generate(kem, &mut Random::system()).unwrap();
        let good = private.public_key();
        let mut compressed = good.get(..33).unwrap_or_default().to_vec();
        if let Some(first) = compressed.first_mut() {
            *first = 2;
        }
        // Of X25519 zero is a point of small order; of P-256 it is none.
        let zero = match kem {
            Kem::X25519 => vec![0; 32],
            Kem::P256 => [&[4][..], &[0; 64]].concat(),
        };
        for bad in [
            &[][..],
            &good[1..],
            &[good, &[0]].concat(),
            &compressed,
            &zero,
        ] {
            let sealer = Sealer::new(kem, bad, suite, INFO, &mut Random::system());
            assert!(sealer.is_err(), "{kem:?} {bad:02x?}");
            assert!(Opener::new(&private, bad, suite, INFO).is_err());
        }
        assert!(HpkePrivateKey::from_bytes(kem, &[1; 31]).is_err());
    }
    assert!(HpkePrivateKey::from_bytes(Kem::P256, &[0; 32]).is_err());
    for (kdf, aead) in [(3, 1), (0, 1), (1, 0xffff), (1, 0), (1, 4)] {
        assert_eq!(Suite::from_ids(kdf, aead), None);
    }
    assert_eq!(Kem::from_id(0x0012), None);
}

#[test]
fn nothing_of_a_key_is_printed() {
    let (private, _) = HpkePrivateKey::generate(Kem::X25519, &mut Random::system()).unwrap();
    let suite = Suite::from_ids(1, 1).unwrap();
    let public = private.public_key();
    let sealer = Sealer::new(Kem::X25519, public, suite, INFO, &mut Random::system()).unwrap();
    let opener = Opener::new(&private, sealer.enc(), suite, INFO).unwrap();
    let printed = format!("{private:?} {sealer:?} {opener:?}");
    assert_eq!(printed, "HpkePrivateKey(X25519) Sealer(..) Opener(..)");
}

#[test]
fn keys_are_written_and_read() {
    for kem in [Kem::X25519, Kem::P256] {
        let (private, scalar) = HpkePrivateKey::generate(kem, &mut Random::system()).unwrap();
        let der = HpkePrivateKey::pkcs8(kem, &scalar);
        let again = HpkePrivateKey::from_pkcs8(&der).unwrap();
        assert_eq!(again.kem(), kem);
        assert_eq!(again.public_key(), private.public_key());
        assert!(HpkePrivateKey::from_pkcs8(&der[..der.len() - 1]).is_err());
    }
    assert!(HpkePrivateKey::from_pkcs8(&[]).is_err());
}
