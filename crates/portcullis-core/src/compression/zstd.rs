//! Zstandard (RFC 8878).

use super::{Algorithm, CompressCertificate, if_smaller};

const BEST: i32 = 19;

pub(super) struct Zstd;

impl CompressCertificate for Zstd {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ZSTD
    }

    fn compress(&self, message: &[u8]) -> Option<Vec<u8>> {
        if_smaller(zstd::bulk::compress(message, BEST).ok()?, message)
    }

    /// In one call, which needs no window beside the output and takes all of the input or fails.
    fn decompress(&self, compressed: &[u8], out: &mut [u8]) -> bool {
        let written = zstd::bulk::decompress_to_buffer(compressed, out);
        written.is_ok_and(|written| written == out.len())
    }
}
