//! zlib (RFC 1950).

use zlib_rs::{
    Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status, compress_bound,
};

use super::{Algorithm, CompressCertificate, if_smaller};

const BEST: i32 = 9;
const WINDOW_BITS: u8 = 15;

pub(super) struct Zlib;

impl CompressCertificate for Zlib {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ZLIB
    }

    fn compress(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut deflate = Deflate::new_with_config(DeflateConfig::new(BEST));
        let mut out = vec![0; compress_bound(message.len())];
        let ended = deflate
            .compress(message, &mut out, DeflateFlush::Finish)
            .ok()?;
        if ended != Status::StreamEnd {
            return None;
        }
        out.truncate(usize::try_from(deflate.total_out()).ok()?);
        if_smaller(out, message)
    }

    /// The library says that all is well where a byte is left, and where the room is full before the end, so both
    /// counts are looked at.
    fn decompress(&self, compressed: &[u8], out: &mut [u8]) -> bool {
        let mut inflate = Inflate::new(true, WINDOW_BITS);
        let ended = inflate.decompress(compressed, out, InflateFlush::Finish);
        ended == Ok(Status::StreamEnd)
            && usize::try_from(inflate.total_in()) == Ok(compressed.len())
            && usize::try_from(inflate.total_out()) == Ok(out.len())
    }
}
