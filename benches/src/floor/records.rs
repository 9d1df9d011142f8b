//! Records sealed and opened in place.

use std::time::Duration;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use cpu_time::ThreadTime;

use super::Failed;
use crate::job::Suite;

const CONTENT_TYPE: usize = 1;
const TAG: usize = 16;
const HEADER: [u8; 5] = [23, 3, 3, 0, 0];

/// The processor time of sealing and of opening records with content of these sizes, `times` over.
pub(super) fn measure(
    suite: Suite,
    sizes: &[usize],
    times: usize,
) -> Result<(Duration, Duration), Failed> {
    let algorithm = match suite {
        Suite::Aes128Gcm => &AES_128_GCM,
        Suite::Aes256Gcm => &AES_256_GCM,
        Suite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        Suite::Aes128CbcSha256 => return Err(Failed("TLS 1.3 has no CBC".to_owned())),
    };
    let key = vec![7; algorithm.key_len()];
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &key)?);
    let mut records: Vec<_> = sizes
        .iter()
        .map(|size| vec![7; size + CONTENT_TYPE + TAG])
        .collect();
    let (mut sealed, mut opened) = (0, 0);
    let (mut sealing, mut opening) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..times {
        let start = ThreadTime::now();
        for record in &mut records {
            let length = record.len() - TAG;
            let (content, tag) = record.split_at_mut(length);
            let made = key.seal_in_place_separate_tag(nonce(sealed), Aad::from(HEADER), content)?;
            tag.copy_from_slice(made.as_ref());
            sealed += 1;
        }
        sealing += start.elapsed();
        let start = ThreadTime::now();
        for record in &mut records {
            key.open_in_place(nonce(opened), Aad::from(HEADER), record)?;
            opened += 1;
        }
        opening += start.elapsed();
    }
    Ok((sealing, opening))
}

fn nonce(sequence_number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&sequence_number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
