//! A hello that is longer than it need be.
//!
//! RFC 7685 §4: a ClientHello of 256 to 511 bytes looks like a record of SSL 2.0 to load balancers of before 2013, which never
//! answer it.

use crate::wire::codec::DecodeError;
use crate::wire::extension::Padding;
use crate::wire::{ClientHello, ExtensionType, HandshakeMessage as _};

/// Lengths of the message, with its header of 4 bytes, that were not understood.
const MISTAKEN: core::ops::Range<usize> = 256..512;
/// The header of an extension.
const HEADER: usize = 4;

/// Makes the hello that begins at `at` long enough, if it has one of those lengths. pre_shared_key stays the last extension (RFC
/// 8446 §4.2.11).
pub(super) fn pad(out: &mut Vec<u8>, at: usize) -> Result<(), DecodeError> {
    let message = out.get(at..).unwrap_or_default();
    if !MISTAKEN.contains(&message.len()) {
        return Ok(());
    }
    let extensions = ClientHello::decode(message.get(4..).unwrap_or_default())?.extensions;
    let block = extensions.as_bytes().len();
    let behind = match extensions.iter().last() {
        Some(last) if last.extension_type == ExtensionType::PRE_SHARED_KEY => {
            HEADER + last.body.len()
        }
        _ => 0,
    };
    // An empty extension at the end is something that other old servers did not understand.
    let missing = MISTAKEN.end - message.len();
    let zeros = u16::try_from(missing.saturating_sub(HEADER).max(1)).map_err(|_| DecodeError)?;
    let tail = out.split_off(out.len() - behind);
    Padding::put(out, zeros);
    let added = HEADER + usize::from(zeros);
    out.extend_from_slice(&tail);
    // The lengths of the block and of the message.
    let end = out.len();
    let block_at = end - added - block - 2;
    add(out, block_at, 2, added);
    add(out, at + 1, 3, added);
    Ok(())
}

/// Adds to a number of so many bytes.
fn add(out: &mut [u8], at: usize, bytes: usize, more: usize) {
    let mut carry = more;
    for byte in out.iter_mut().skip(at).take(bytes).rev() {
        carry += usize::from(*byte);
        #[allow(clippy::cast_possible_truncation, reason = "the lowest byte of it")]
        let lowest = carry as u8;
        *byte = lowest;
        carry >>= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::CipherSuite;
    use crate::version::ProtocolVersion;
    use crate::wire::extension::put_extension;

    /// A hello of so many bytes behind something else, with a pre_shared_key if that is said.
    fn hello(length: usize, psk: bool) -> Vec<u8> {
        let mut out = vec![7; 3];
        let empty = 4 + 2 + 32 + 1 + 4 + 2 + 2;
        let psk_len = if psk { HEADER + 30 } else { 0 };
        ClientHello::put(
            &mut out,
            ProtocolVersion::TLS_1_2,
            &[1; 32],
            &[],
            [CipherSuite::TLS_AES_128_GCM_SHA256],
            |out| {
                put_extension(out, ExtensionType(0xfafa), |out| {
                    out.resize(out.len() + length - empty - HEADER - psk_len, 3);
                });
                if psk {
                    put_extension(out, ExtensionType::PRE_SHARED_KEY, |out| {
                        out.resize(out.len() + 30, 4);
                    });
                }
            },
        );
        assert_eq!(out.len(), 3 + length);
        out
    }

    #[test]
    fn lengths_that_were_mistaken() {
        for psk in [false, true] {
            for length in 200..600 {
                let before = hello(length, psk);
                let mut after = before.clone();
                pad(&mut after, 3).unwrap();
                let expected = match length {
                    256..=507 => 512,
                    // The shortest padding has 5 bytes.
                    508..=511 => length + 5,
                    _ => length,
                };
                assert_eq!(after.len(), 3 + expected, "{length}");
                assert_eq!(&after[..3], &[7; 3]);
                let parsed = ClientHello::decode(&after[7..]).unwrap();
                assert_eq!(
                    usize::from(after[5]) << 8 | usize::from(after[6]),
                    expected - 4
                );
                let types: Vec<_> = parsed
                    .extensions
                    .iter()
                    .map(|one| one.extension_type)
                    .collect();
                let is_padded = expected != length;
                assert_eq!(types.contains(&ExtensionType::PADDING), is_padded);
                if psk {
                    assert_eq!(types.last(), Some(&ExtensionType::PRE_SHARED_KEY));
                    assert_eq!(after[after.len() - 30..], [4; 30]);
                }
                if is_padded {
                    let padding = parsed.extensions.raw(ExtensionType::PADDING).unwrap();
                    assert!(!padding.is_empty() && padding.iter().all(|byte| *byte == 0));
                }
            }
        }
    }
}
