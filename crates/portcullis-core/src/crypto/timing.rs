//! How long a comparison of secrets takes, by where it fails. By hand, on a machine at rest:
//! `cargo test --release -p portcullis-core --lib -- --ignored --nocapture crypto::timing`.
//!
//! As dudect does it (Reparaz, Balasch, Verbauwhede 2017): two classes of input in a random order,
//! the slowest times dropped, Welch's t between the rest. Beyond 4.5 either way something leaks.

use core::hint::black_box;
use std::time::Instant;

use super::hash::HashAlgorithm;
use super::hmac::HmacKey;
use super::random::Random;
use super::secret::ConstantTimeEq as _;

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
    let inputs = [wrong_at(0), wrong_at(right.len() - 1)];
    let mut order = vec![0; 2 * SAMPLES];
    Random::system().fill(&mut order).unwrap();
    let mut times = [Vec::new(), Vec::new()];
    let mut input = [0; LENGTH];
    for class in order {
        let class = usize::from(class & 1);
        // Both classes are read from the same memory.
        input.copy_from_slice(&inputs[class]);
        let start = Instant::now();
        for _ in 0..BATCH {
            black_box(compare(black_box(&input[..])));
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
