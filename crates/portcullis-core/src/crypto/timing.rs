//! How long a comparison of secrets takes, by where it fails, the refusal of a record, by how much of it is
//! padding, and a premaster secret, by whether it has any. By hand, on a machine at rest:
//! `cargo test --release -p portcullis-core --features ffi --lib -- --ignored --nocapture crypto::timing`.
//!
//! As dudect does it (Reparaz, Balasch, Verbauwhede 2017): two classes of input in a random order,
//! the slowest times dropped, Welch's t between the rest. Beyond 4.5 either way something leaks.

use core::hint::black_box;
use std::time::Instant;

use super::hash::HashAlgorithm;
use super::hmac::HmacKey;
use super::random::Random;
use super::record_mac::{Front, MacAlgorithm, RecordMac};
use super::rsa_premaster::Substitute;
use super::secret::ConstantTimeEq as _;
use crate::version::ProtocolVersion;

/// Measured times of one class.
const SAMPLES: usize = 50_000;
/// Comparisons of one time: a clock does not see a single one.
const BATCH: usize = 16;

/// What is compared has the length of a Finished with SHA-384.
const LENGTH: usize = 48;

/// Welch's t between the times of `compare` with what is wrong in its first byte, and in its last.
fn t(compare: impl Fn(&[u8]) -> bool, right: &[u8]) -> f64 {
    let wrong_at = |at: usize| {
        let mut bytes = right.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    t_between(&[wrong_at(0), wrong_at(right.len() - 1)], BATCH, compare)
}

/// The same for two inputs of one length.
fn t_between(inputs: &[Vec<u8>; 2], batch: usize, check: impl Fn(&[u8]) -> bool) -> f64 {
    let mut order = vec![0; 2 * SAMPLES];
    Random::system().fill(&mut order).unwrap();
    let mut times = [Vec::new(), Vec::new()];
    let mut input = inputs[0].clone();
    for class in order {
        let class = usize::from(class & 1);
        // Both classes are read from the same memory.
        input.copy_from_slice(&inputs[class]);
        let start = Instant::now();
        for _ in 0..batch {
            black_box(check(black_box(&input[..])));
        }
        times[class].push(start.elapsed().as_nanos() as f64);
    }
    let [one, other] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        // What was interrupted.
        times.truncate(times.len() * 9 / 10);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares = times.iter().map(|time| (time - mean).powi(2));
        (mean, squares.sum::<f64>() / (count - 1.0) / count)
    });
    (one.0 - other.0) / (one.1 + other.1).sqrt()
}

/// The comparison of the standard library shows that the measurement sees what there is to see.
#[ignore = "measures time"]
#[test]
fn comparisons_take_no_longer_for_what_is_nearly_right() {
    let key = HmacKey::new(HashAlgorithm::Sha384, &[7; LENGTH]);
    let message = [9; LENGTH];
    let mac = key.mac(core::iter::once(&message[..]));
    let right = mac.as_slice();
    let early_out = |received: &[u8]| {
        let pairs = right.iter().zip(received);
        pairs
            .take_while(|(one, other)| black_box(one == other))
            .count()
            == right.len()
    };
    let leaking = t(early_out, right);
    let compared = t(|received| right.ct_eq(received), right);
    let finished = t(|received| key.verify(&message, received), right);
    println!("t: {leaking:.1} byte by byte, {compared:.1} by ct_eq, {finished:.1} of a Finished");
    assert!(leaking.abs() > 4.5, "nothing is seen: {leaking}");
    assert!(compared.abs() < 4.5, "{compared}");
    assert!(finished.abs() < 4.5, "{finished}");
}

/// Neither has a right MAC; one has no padding, the other as much as there can be.
fn with_and_without_padding(length: usize) -> [Vec<u8>; 2] {
    let mut without = vec![0x55; length];
    without[length - 1] = 0;
    let mut with = vec![0x55; length];
    with[length - 256..].fill(255);
    [without, with]
}

/// RFC 5246 §6.2.3.2 to the letter, and no further: as it was done before Lucky Thirteen.
fn checks_naively(mac_len: usize, mac: &RecordMac, front: Front, plaintext: &[u8]) -> bool {
    let split = plaintext.split_last().and_then(|(last, before)| {
        let padded = before.len().checked_sub(usize::from(*last))?;
        let content = padded.checked_sub(mac_len)?;
        let is_padding = before[padded..].iter().all(|byte| byte == last);
        Some((content, padded, is_padding))
    });
    split.is_some_and(|(content, padded, is_padding)| {
        let expected = mac.mac(&front, &plaintext[..content]);
        is_padding & expected.as_slice().ct_eq(&plaintext[content..padded])
    })
}

/// Lucky Thirteen (Al Fardan and Paterson 2013).
#[test]
#[ignore = "measures time"]
fn refusals_take_as_long_for_every_padding() {
    const FRONT: Front = [0; 11];
    for algorithm in [
        MacAlgorithm::Sha1,
        MacAlgorithm::Sha256,
        MacAlgorithm::Sha384,
    ] {
        let mac_len = algorithm.len().into();
        let mac = RecordMac::new(algorithm, &vec![7; mac_len]);
        for length in [320, 1_024] {
            let inputs = with_and_without_padding(length);
            let leaking = t_between(&inputs, 1, |plaintext| {
                checks_naively(mac_len, &mac, FRONT, plaintext)
            });
            let checked = t_between(&inputs, 1, |plaintext| {
                mac.check_padded(&FRONT, plaintext, true).is_some()
            });
            println!("{algorithm:?}, {length} bytes: t: {leaking:.1} naively, {checked:.1} here");
            assert!(leaking.abs() > 4.5, "nothing is seen: {leaking}");
            assert!(checked.abs() < 4.5, "{checked}");
        }
    }
}

/// What RSA may make of a ciphertext: a premaster secret with its padding, and one whose second byte says
/// that it is something else.
fn with_and_without_a_premaster() -> [Vec<u8>; 2] {
    let good = [&[0, 2][..], &[0x99; 205], &[0], &[3, 3], &[0x77; 46]].concat();
    let mut bad = good.clone();
    bad[1] = 1;
    [good, bad]
}

/// RFC 8017 §7.2.2 to the letter, as it was done before Bleichenbacher.
fn unpads_naively(block: &[u8]) -> bool {
    let Some([0, 2, rest @ ..]) = black_box(Some(block)) else {
        return false;
    };
    let padding = rest
        .iter()
        .take_while(|byte| black_box(**byte != 0))
        .count();
    padding >= 8 && rest.len() - padding - 1 == 48
}

fn takes_premaster(block: &[u8]) -> bool {
    let substitute = Substitute::new(&mut Random::seeded(1)).unwrap();
    let premaster = substitute.or_decrypted(block, ProtocolVersion::TLS_1_2);
    black_box(premaster).as_slice().len() == 48
}

/// Bleichenbacher 1998, Marvin 2023.
#[test]
#[ignore = "measures time"]
fn premaster_secrets_take_as_long_for_every_padding() {
    let blocks = with_and_without_a_premaster();
    let leaking = t_between(&blocks, BATCH, unpads_naively);
    let chosen = t_between(&blocks, BATCH, takes_premaster);
    println!("t: {leaking:.1} unpadded naively, {chosen:.1} here");
    assert!(leaking.abs() > 4.5, "nothing is seen: {leaking}");
    assert!(chosen.abs() < 4.5, "{chosen}");
}

/// The same with the decryption before it: two ciphertexts, of which one has a premaster secret.
#[cfg(feature = "ffi")]
#[test]
#[ignore = "measures time"]
fn ciphertexts_take_as_long_with_and_without_a_premaster() {
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let pair = pair.unwrap();
    let der = rustls_pki_types::PrivateKeyDer::Pkcs8(pair.serialize_der().into());
    let key = super::PrivateKey::from_der(&der).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
    let version = ProtocolVersion::TLS_1_2;
    let (good, _) = super::rsa_premaster::encrypt(&spki, version, &mut Random::system()).unwrap();
    let mut bad = good.clone();
    bad[255] ^= 1;
    // The first decryption reads the key.
    assert!(key.decrypt_raw(&bad).is_ok());
    let t = t_between(&[good, bad], 1, |ciphertext| {
        takes_premaster(&key.decrypt_raw(ciphertext).unwrap_or_default())
    });
    println!("t: {t:.1} with the decryption");
    assert!(t.abs() < 4.5, "{t}");
}
