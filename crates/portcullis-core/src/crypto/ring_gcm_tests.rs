use proptest::prelude::*;

use super::super::aead::AeadKey;
use super::leaf7::{AVX2, AVX512BW, LONG, SHORT, VAES};
use super::*;

#[test]
fn ring_is_for_vaes_without_avx512() {
    assert!(is_for(SHORT));
    // A part of AVX-512 is none to AWS-LC.
    assert!(is_for(SHORT | LONG & !AVX512BW));
    assert!(!is_for(SHORT | LONG));
    assert!(!is_for(AVX2));
    assert!(!is_for(SHORT & !VAES));
    assert!(!is_for(0));
}

/// As AWS-LC reads it.
#[test]
fn the_variable_is_the_librarys() {
    let all = SHORT | LONG;
    for (variable, left) in [
        ("", all),
        ("~0x0", all),
        ("0x0", all),
        // The values that docs/performance.md gives.
        ("~0x0:~0x5842d0230000", SHORT),
        ("~0x0:~0x5e42d0230000", AVX2),
        ("~0x0:~97043983040512", SHORT),
        ("~0x0:0x20", AVX2),
        (":~0x20", all & !AVX2),
        ("~0x0:|0x0", all),
        ("~0x0:", all),
        ("~0x0:nonsense", all),
    ] {
        assert_eq!(masked(all, variable), left, "{variable}");
    }
    assert_eq!(masked(0, "~0x0:|0xffffffffffffffff"), 0);
}

/// A key of the library and one of ring.
fn both(algorithm: AeadAlgorithm, key: &[u8], iv: &[u8; 12]) -> (AeadKey, RingKey) {
    let library = AeadKey::of_library(algorithm, key, iv).unwrap();
    (library, RingKey::new(algorithm, key).unwrap().unwrap())
}

fn algorithm() -> impl Strategy<Value = AeadAlgorithm> {
    prop_oneof![
        Just(AeadAlgorithm::Aes128Gcm),
        Just(AeadAlgorithm::Aes256Gcm)
    ]
}

/// All around the sizes at which the code changes, and up to a record of full size.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![0..=300_usize, 300..=2100_usize, 16_300..=16_640_usize]
}

/// Bytes that start at any place of a cache line.
fn placed(at: usize, bytes: &[u8]) -> Vec<u8> {
    [&vec![0xee; at], bytes].concat()
}

proptest! {
    #[test]
    fn ring_does_what_the_library_does(
        algorithm in algorithm(),
        key in any::<[u8; 32]>(),
        iv in any::<[u8; 12]>(),
        aad in proptest::collection::vec(any::<u8>(), 0..=40),
        length in length(),
        seed in any::<u8>(),
        split in any::<prop::sample::Index>(),
        places in any::<[u8; 3]>(),
        bad in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let key = &key[..algorithm.key_len().into()];
        let (mut library, ring) = both(algorithm, key, &iv);
        let [from, to, other] = places.map(|place| usize::from(place % 64));
        let text: Vec<u8> = (0..length).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect();
        let mut expected = vec![0; length + TAG_LEN];
        library.seal_scatter(0, &aad, &text, &[], &mut expected).unwrap();

        // Sealed: from anywhere to anywhere, cut anywhere, and in place.
        let at = split.index(length + 1);
        let (front, behind) = (placed(from, &text[..at]), placed(other, &text[at..]));
        let mut out = vec![0; to + length + TAG_LEN];
        ring.seal_scatter(iv, &aad, &front[from..], &behind[other..], &mut out[to..]).unwrap();
        prop_assert_eq!(&out[to..], &expected);
        let mut out = placed(to, &[&*text, &[0; TAG_LEN]].concat());
        ring.seal_in_place(iv, &aad, &mut out[to..]).unwrap();
        prop_assert_eq!(&out[to..], &expected);

        // Opened: into anywhere, and in place.
        let sealed = placed(from, &expected);
        let (ciphertext, tag) = sealed[from..].split_at(length);
        let mut opened = vec![0; to + length];
        ring.open_into(iv, &aad, ciphertext, tag, &mut opened[to..]).unwrap();
        prop_assert_eq!(&opened[to..], &text);
        let mut in_place = placed(to, &expected);
        prop_assert_eq!(ring.open_in_place(iv, &aad, &mut in_place[to..]).unwrap(), &text);

        // One bit is another, of ciphertext or tag: nothing of the text is left for anybody to see.
        let mut forged = expected;
        forged[bad.index(length + TAG_LEN)] ^= 1 << bit;
        let (ciphertext, tag) = forged.split_at(length);
        let mut opened = vec![0xaa; length];
        prop_assert!(ring.open_into(iv, &aad, ciphertext, tag, &mut opened).is_err());
        prop_assert_eq!(opened, vec![0; length]);
        let mut in_place = forged.clone();
        prop_assert!(ring.open_in_place(iv, &aad, &mut in_place).is_err());
        prop_assert_eq!(&in_place[..length], &vec![0; length]);
        prop_assert!(library.open_in_place(0, &aad, &mut forged).is_err());
    }
}

/// What an idle connection holds of it is no more than of the library's.
#[test]
fn a_key_is_no_larger_than_the_librarys() {
    const LIBRARY: usize = 600;
    assert!(
        size_of::<LessSafeKey>() <= LIBRARY,
        "{}",
        size_of::<LessSafeKey>()
    );
}
