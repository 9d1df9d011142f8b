use super::*;

/// With the feature `ffi` those of CCM as well.
fn all() -> impl Iterator<Item = AeadAlgorithm> {
    let ccm = [
        CcmAlgorithm::AES_128,
        CcmAlgorithm::AES_256,
        CcmAlgorithm::AES_128_8,
        CcmAlgorithm::AES_256_8,
    ];
    let ccm = ccm.into_iter().flatten().map(AeadAlgorithm::Ccm);
    [
        AeadAlgorithm::Aes128Gcm,
        AeadAlgorithm::Aes256Gcm,
        AeadAlgorithm::ChaCha20Poly1305,
    ]
    .into_iter()
    .chain(ccm)
}

/// The same key by everything that has the algorithm: with the feature `ring-aead` ring too, on every processor.
fn implementations(algorithm: AeadAlgorithm, key: &[u8], iv: &[u8; 12]) -> Vec<AeadKey> {
    let library = AeadKey::of_library(algorithm, key, iv).unwrap();
    if let Cipher::Library(key) = &library.cipher {
        assert_eq!(key.algorithm().key_len(), algorithm.key_len().into());
        assert_eq!(key.algorithm().tag_len(), algorithm.tag_len());
    }
    let ring = RingKey::new(algorithm, key)
        .map(|key| AeadKey::from_cipher(Cipher::Ring(key.unwrap()), iv));
    let is_gcm = matches!(
        algorithm,
        AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm
    );
    assert_eq!(ring.is_some(), is_gcm && cfg!(feature = "ring-aead"));
    [library].into_iter().chain(ring).collect()
}

fn keys(algorithm: AeadAlgorithm) -> Vec<AeadKey> {
    implementations(algorithm, &vec![7; algorithm.key_len().into()], &[9; 12])
}

fn all_keys() -> impl Iterator<Item = (AeadAlgorithm, AeadKey)> {
    all().flat_map(|algorithm| keys(algorithm).into_iter().map(move |key| (algorithm, key)))
}

/// TLS 1.3 has one for each direction: CCM, which few have, makes it no larger, nor does ring.
#[test]
fn others_take_no_room() {
    let alone = size_of::<LessSafeKey>() + size_of::<[u8; IV_LEN as usize]>();
    let aligned = alone.next_multiple_of(align_of::<LessSafeKey>());
    assert_eq!(size_of::<AeadKey>(), aligned);
}

#[test]
fn all_forms_agree() {
    for (algorithm, mut key) in all_keys() {
        let tag_len = algorithm.tag_len();
        for len in [0, 1, 15, 16, 17, 1000, 16384] {
            let plaintext: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let aad = [23, 3, 3, 0, 9];
            let seq = 0x0102_0304_0506_0708;

            let mut scattered = vec![0; len + 3 + tag_len];
            key.seal_scatter(seq, &aad, &plaintext, &[23, 0, 0], &mut scattered)
                .unwrap();

            let expected = [plaintext.as_slice(), &[23, 0, 0]].concat();
            let mut in_place = [&*expected, &vec![0xaa; tag_len]].concat();
            key.seal_in_place(seq, &aad, &mut in_place).unwrap();
            assert_eq!(scattered, in_place);

            let (ciphertext, tag) = scattered.split_at(len + 3);
            let mut out = vec![0; len + 3];
            key.open_into(seq, &aad, ciphertext, tag, &mut out).unwrap();
            assert_eq!(out, expected);

            let mut other = scattered.clone();
            assert!(key.open_in_place(seq + 1, &aad, &mut other).is_err());
            let mut other = scattered.clone();
            assert!(key.open_in_place(seq, &aad[1..], &mut other).is_err());
            scattered[len] ^= 1;
            let mut other = scattered.clone();
            assert!(key.open_in_place(seq, &aad, &mut other).is_err());
            scattered[len] ^= 1;
            assert_eq!(
                key.open_in_place(seq, &aad, &mut scattered).unwrap(),
                expected
            );
        }
    }
}

#[test]
fn wrong_lengths_are_errors() {
    for (algorithm, mut key) in all_keys() {
        let tag_len = algorithm.tag_len();
        for wrong in [[0; 15].as_slice(), &[0; 24]] {
            assert!(AeadKey::new(algorithm, wrong, &[0; 12]).is_err());
            assert!(AeadKey::of_library(algorithm, wrong, &[0; 12]).is_err());
            assert!(RingKey::new(algorithm, wrong).is_none_or(|key| key.is_err()));
        }
        let right = 5 + 1 + tag_len;
        for len in [0, 4, 5, 6, right - 1, right, right + 1] {
            let mut out = vec![0; len];
            let sealed = key.seal_scatter(0, &[], &[1, 2, 3, 4, 5], &[23], &mut out);
            assert_eq!(sealed.is_ok(), len == right, "{algorithm:?} {len}");
        }
        for short in 0..tag_len {
            assert!(key.seal_in_place(0, &[], &mut vec![0; short]).is_err());
            assert!(key.open_in_place(0, &[], &mut vec![0; short]).is_err());
        }
        let (mut four, mut tag) = ([0; 4], vec![0; tag_len]);
        let opened = key.open_into(0, &[], &[1, 2, 3, 4, 5], &tag, &mut four);
        assert!(opened.is_err());
        // A tag that is right as far as it goes.
        let mut sealed = vec![0; 5 + tag_len];
        key.seal_in_place(0, &[], &mut sealed).unwrap();
        tag.copy_from_slice(&sealed[5..]);
        for len in 0..tag_len {
            let opened = key.open_into(0, &[], &sealed[..5], &tag[..len], &mut [0; 5]);
            assert!(opened.is_err(), "{algorithm:?} {len}");
        }
    }
}

/// §5.3: the sequence number is exclusive-or'ed into the right end of the IV.
#[test]
fn nonce_is_iv_xor_seq() {
    let key = keys(AeadAlgorithm::Aes128Gcm).swap_remove(0);
    assert_eq!(key.nonce(0), [9; 12]);
    assert_eq!(
        key.nonce(0xff00_0000_0000_0102),
        [9, 9, 9, 9, 0xf6, 9, 9, 9, 9, 9, 8, 11]
    );
}

/// What is chosen for this process is what a key then is, and what callers are told.
#[test]
fn keys_are_of_the_library_that_was_chosen() {
    let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, &[7; 32], &[9; 12]).unwrap();
    let library = match key.cipher {
        Cipher::Library(_) => "AWS-LC",
        Cipher::Ring(_) => "ring",
        Cipher::Ccm(_) => "AWS-LC's CCM",
    };
    assert_eq!(library, aes_gcm());
    let key = AeadKey::new(AeadAlgorithm::ChaCha20Poly1305, &[7; 32], &[9; 12]).unwrap();
    assert!(matches!(key.cipher, Cipher::Library(_)));
}

/// Wycheproof's vectors by every implementation, sealed and opened in every form.
#[test]
fn wycheproof() {
    const VECTORS: &str = include_str!("tests/wycheproof_aead.txt");

    let mut seen = [0; 2];
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let [name, _number, result] = std::array::from_fn(|_| words.next().unwrap());
        let [key, nonce, aad, plaintext, ciphertext, tag] =
            std::array::from_fn(|_| unhex(words.next().unwrap()));
        let is_named = |algorithm: &AeadAlgorithm| {
            let own = match algorithm {
                AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => "AES-GCM",
                AeadAlgorithm::ChaCha20Poly1305 => "ChaCha20-Poly1305",
                AeadAlgorithm::Ccm(_) => "AES-CCM",
            };
            let lengths = (usize::from(algorithm.key_len()), algorithm.tag_len());
            own == name && lengths == (key.len(), tag.len())
        };
        // CCM comes with a feature.
        let Some(algorithm) = all().find(is_named) else {
            continue;
        };
        let nonce = nonce.as_slice().try_into().unwrap();
        let sealed = [ciphertext, tag].concat();
        let is_good = result == "valid";
        for mut key in implementations(algorithm, &key, nonce) {
            let plaintext = is_good.then_some(plaintext.as_slice());
            vector(&mut key, &aad, &sealed, algorithm.tag_len(), plaintext);
            seen[usize::from(is_good)] += 1;
        }
    }
    let gcm = 1 + usize::from(cfg!(feature = "ring-aead"));
    let ccm = usize::from(cfg!(feature = "ffi"));
    assert_eq!(seen, [54 * gcm + 60 + 54 * ccm, 79 * gcm + 256 + 118 * ccm]);
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_start_matches('-').as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// `sealed` is of `plaintext`, or a forgery.
fn vector(key: &mut AeadKey, aad: &[u8], sealed: &[u8], tag_len: usize, plaintext: Option<&[u8]>) {
    let (ciphertext, tag) = sealed.split_at(sealed.len() - tag_len);
    let mut in_place = sealed.to_vec();
    let opened = key.open_in_place(0, aad, &mut in_place);
    assert_eq!(opened.ok().as_deref(), plaintext);
    let mut out = vec![0; ciphertext.len()];
    let opened = key.open_into(0, aad, ciphertext, tag, &mut out);
    assert_eq!(opened.is_ok(), plaintext.is_some());
    let Some(plaintext) = plaintext else {
        return;
    };
    assert_eq!(out, plaintext);
    let mut in_place = [plaintext, &vec![0; tag_len]].concat();
    key.seal_in_place(0, aad, &mut in_place).unwrap();
    assert_eq!(in_place, sealed);
    for at in [0, plaintext.len() / 2, plaintext.len()] {
        let (front, behind) = plaintext.split_at(at);
        let mut out = vec![0xaa; sealed.len()];
        key.seal_scatter(0, aad, front, behind, &mut out).unwrap();
        assert_eq!(out, sealed);
    }
}
