//! Brotli (RFC 7932).

use brotli::BrotliCompress;
use brotli::enc::BrotliEncoderParams;
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Algorithm, CompressCertificate, if_smaller};

/// The largest window that is decompressed: what encoders choose by themselves. The library takes the memory
/// of the window at once, whatever the message needs, and a peer can ask for 16 MiB.
const LARGEST_WINDOW_BITS: u8 = 22;

pub(super) struct Brotli;

impl CompressCertificate for Brotli {
    fn algorithm(&self) -> Algorithm {
        Algorithm::BROTLI
    }

    fn compress(&self, mut message: &[u8]) -> Option<Vec<u8>> {
        let whole = message;
        let params = BrotliEncoderParams {
            quality: 11,
            lgwin: LARGEST_WINDOW_BITS.into(),
            ..BrotliEncoderParams::default()
        };
        let mut out = Vec::new();
        BrotliCompress(&mut message, &mut out, &params).ok()?;
        if_smaller(out, whole)
    }

    fn decompress(&self, compressed: &[u8], out: &mut [u8]) -> bool {
        let mut room = out.len();
        if window_bits(compressed).is_none_or(|bits| bits > LARGEST_WINDOW_BITS) {
            return false;
        }
        let alloc = StandardAlloc::default;
        let mut state = BrotliState::new(alloc(), alloc(), alloc());
        let (mut left, mut read, mut written, mut total) = (compressed.len(), 0, 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            compressed,
            &mut room,
            &mut written,
            out,
            &mut total,
            &mut state,
        );
        matches!(result, BrotliResult::ResultSuccess) && left == 0 && room == 0
    }
}

/// What the stream asks for in its first bits (RFC 7932 §9.1); `None` of what is no window, or too large for
/// the RFC.
fn window_bits(compressed: &[u8]) -> Option<u8> {
    let first = *compressed.first()?;
    if first & 1 == 0 {
        return Some(16);
    }
    match (first >> 1 & 7, first >> 4 & 7) {
        (0, 0) => Some(17),
        // Large windows, which are no part of the RFC.
        (0, 1) => None,
        (0, bits) => Some(8 + bits),
        (bits, _) => Some(17 + bits),
    }
}
