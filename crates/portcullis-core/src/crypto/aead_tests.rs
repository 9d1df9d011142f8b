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

fn key(algorithm: AeadAlgorithm) -> AeadKey {
    let key = AeadKey::new(algorithm, &vec![7; algorithm.key_len().into()], &[9; 12]).unwrap();
    if let Cipher::Library(key) = &key.cipher {
        assert_eq!(key.algorithm().key_len(), algorithm.key_len().into());
        assert_eq!(key.algorithm().tag_len(), algorithm.tag_len());
    }
    key
}

/// TLS 1.3 has one for each direction: CCM, which few have, makes it no larger.
#[test]
fn ccm_takes_no_room() {
    let alone = size_of::<LessSafeKey>() + size_of::<[u8; IV_LEN as usize]>();
    let aligned = alone.next_multiple_of(align_of::<LessSafeKey>());
    assert_eq!(size_of::<AeadKey>(), aligned);
}

#[test]
fn all_forms_agree() {
    for algorithm in all() {
        let tag_len = algorithm.tag_len();
        let mut key = key(algorithm);
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
    for algorithm in all() {
        let tag_len = algorithm.tag_len();
        assert!(AeadKey::new(algorithm, &[0; 15], &[0; 12]).is_err());
        assert!(AeadKey::new(algorithm, &[0; 24], &[0; 12]).is_err());
        let mut key = key(algorithm);
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
    let key = key(AeadAlgorithm::Aes128Gcm);
    assert_eq!(key.nonce(0), [9; 12]);
    assert_eq!(
        key.nonce(0xff00_0000_0000_0102),
        [9, 9, 9, 9, 0xf6, 9, 9, 9, 9, 9, 8, 11]
    );
}
