//! Whether the time that a refusal takes says how much padding there is: statistics, so run by hand.
//!
//! ```text
//! cargo test --release -p portcullis-core --lib -- --ignored --nocapture lucky_thirteen
//! ```
//!
//! After dudect (Reparaz, Balasch and Verbauwhede 2017): two classes of records, measured in turn by
//! chance, and Welch's t for the difference of their means without the slowest tenth. Above 10 the
//! difference is real. A check as it was before Lucky Thirteen is measured as well: a test that does
//! not see that one sees nothing.

use core::hint::black_box;
use std::time::Instant;

use super::record_mac::{Front, MacAlgorithm, RecordMac};
use super::secret::ConstantTimeEq as _;

const FRONT: Front = [0; 11];
const MEASUREMENTS: usize = 200_000;

/// Neither has a right MAC; one has no padding, the other as much as there can be.
fn classes(length: usize) -> [Vec<u8>; 2] {
    let mut short = vec![0x55; length];
    short[length - 1] = 0;
    let mut long = vec![0x55; length];
    long[length - 256..].fill(255);
    [short, long]
}

/// RFC 5246 §6.2.3.2 to the letter, and no further.
fn naive(algorithm: MacAlgorithm, mac: &RecordMac, plaintext: &[u8]) -> Option<usize> {
    let (last, before) = plaintext.split_last()?;
    let padded = before.len().checked_sub(usize::from(*last))?;
    let content = padded.checked_sub(algorithm.len().into())?;
    let right = before[padded..].iter().all(|byte| byte == last);
    let expected = mac.mac(FRONT, &plaintext[..content]);
    (right & expected.as_slice().ct_eq(&plaintext[content..padded])).then_some(content)
}

/// Welch's t for the times of the two.
fn welch(length: usize, check: impl Fn(&[u8]) -> Option<usize>) -> f64 {
    let classes = classes(length);
    let mut times = [Vec::new(), Vec::new()];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    // The first are not counted: caches and clocks are still cold.
    for round in 0..MEASUREMENTS + 1_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let class = usize::from(state >> 63 == 1);
        let plaintext = black_box(&classes[class]);
        let start = Instant::now();
        assert_eq!(black_box(check(plaintext)), None);
        let time = start.elapsed().as_nanos() as f64;
        if round >= 1_000 {
            times[class].push(time);
        }
    }
    let [short, long] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * 9 / 10);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    });
    println!("    {:.1} ns without padding, {:.1} with", short.0, long.0);
    (short.0 - long.0) / (short.1 + long.1).sqrt()
}

#[test]
#[ignore = "measures time: needs a quiet machine and an optimised build"]
fn lucky_thirteen() {
    for algorithm in [
        MacAlgorithm::Sha1,
        MacAlgorithm::Sha256,
        MacAlgorithm::Sha384,
    ] {
        let mac = RecordMac::new(algorithm, &vec![7; algorithm.len().into()]);
        for length in [320, 1_024] {
            println!("{algorithm:?}, {length} bytes");
            let ours = welch(length, |plaintext| mac.check_padded(FRONT, plaintext, true));
            println!("  t = {ours:.1}");
            let control = welch(length, |plaintext| naive(algorithm, &mac, plaintext));
            println!("  control: t = {control:.1}");
            assert!(control.abs() > 100.0, "the machine is too loud");
            assert!(ours.abs() < 10.0, "the padding can be told");
        }
    }
}
