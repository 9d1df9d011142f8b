//! Block functions of hashes, for what a hash for inputs of any length cannot do.
//!
//! FIPS 180-4, RFC 1321. HMAC goes on from states that it keeps ([`hmac`](super::hmac)), and records before
//! TLS 1.3 have a MAC over content whose length is a secret ([`record_mac`](super::record_mac)).

use md5::block_api::compress as compress_md5;
use sha1::block_api::compress as compress1;
use sha2::block_api::{compress256, compress512};
use zeroize::optimization_barrier;

/// A hash of the family of MD5, SHA-1 and SHA-2.
pub(crate) trait BlockHash {
    /// What is compressed at once.
    type Block: AsRef<[u8]> + AsMut<[u8]>;

    /// The words of a state.
    type Words: Copy;

    /// Zeros.
    const EMPTY: Self::Block;

    /// The state before the first block (FIPS 180-4 §5.3).
    const START: Self::Words;

    /// Bytes of the state that are given out.
    const OUTPUT_LEN: usize;

    fn compress(state: &mut Self::Words, block: &Self::Block);

    /// Compresses the whole blocks at the front of `data`, and gives what is behind them.
    fn compress_front<'a>(state: &mut Self::Words, data: &'a [u8]) -> &'a [u8];

    /// Writes the front of the state into `out`.
    fn put(state: &Self::Words, out: &mut [u8]);

    /// The number of bits that were hashed, as it stands at the end of the last block.
    fn length(bits: u64) -> [u8; 8] {
        bits.to_be_bytes()
    }
}

macro_rules! block_hash {
    ($(#[$about:meta])* $name:ident: [$word:ty; $words:literal], $block:literal, $output:literal,
     $compress:path, $start:expr) => {
        $(#[$about])*
        #[derive(Clone, Copy)]
        pub(crate) enum $name {}

        impl BlockHash for $name {
            type Block = [u8; $block];
            type Words = [$word; $words];

            const EMPTY: Self::Block = [0; $block];
            const START: Self::Words = $start;
            const OUTPUT_LEN: usize = $output;

            fn compress(state: &mut Self::Words, block: &Self::Block) {
                $compress(state, core::slice::from_ref(block));
            }

            fn compress_front<'a>(state: &mut Self::Words, data: &'a [u8]) -> &'a [u8] {
                let (blocks, rest) = data.as_chunks();
                $compress(state, blocks);
                rest
            }

            fn put(state: &Self::Words, out: &mut [u8]) {
                // By reference: the words are the output, and a copy of them would not be wiped.
                for (bytes, word) in out.chunks_exact_mut(size_of::<$word>()).zip(state) {
                    bytes.copy_from_slice(&word.to_be_bytes());
                }
            }
        }
    };
}

block_hash! {
    /// Only in HMAC, which nobody has found a way to forge by collisions (RFC 6194 §3.3).
    Sha1: [u32; 5], 64, 20, compress1, [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ]
}

block_hash! {
    Sha256: [u32; 8], 64, 32, compress256, [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]
}

block_hash! {
    Sha384: [u64; 8], 128, 48, compress512, [
        0xcbbb_9d5d_c105_9ed8,
        0x629a_292a_367c_d507,
        0x9159_015a_3070_dd17,
        0x152f_ecd8_f70e_5939,
        0x6733_2667_ffc0_0b31,
        0x8eb4_4a87_6858_1511,
        0xdb0c_2e0d_64f9_8fa7,
        0x47b5_481d_befa_4fa4,
    ]
}

/// RFC 1321, which has the lowest byte of a number first. Only in the pseudorandom function of TLS
/// 1.1 and 1.0, where SHA-1 stands beside it, and in HMAC beside RC4 (RFC 6151 §2.3).
#[derive(Clone, Copy)]
pub(crate) enum Md5 {}

impl BlockHash for Md5 {
    type Block = [u8; 64];
    type Words = [u32; 4];

    const EMPTY: Self::Block = [0; 64];
    const START: Self::Words = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    const OUTPUT_LEN: usize = 16;

    fn compress(state: &mut Self::Words, block: &Self::Block) {
        compress_md5(state, core::slice::from_ref(block));
    }

    fn compress_front<'a>(state: &mut Self::Words, data: &'a [u8]) -> &'a [u8] {
        let (blocks, rest) = data.as_chunks();
        compress_md5(state, blocks);
        rest
    }

    fn put(state: &Self::Words, out: &mut [u8]) {
        for (bytes, word) in out.chunks_exact_mut(size_of::<u32>()).zip(state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    fn length(bits: u64) -> [u8; 8] {
        bits.to_le_bytes()
    }
}

/// As [`Inline`](super::secret::Inline) does it on drop.
pub(super) fn wipe<B: AsMut<[u8]>>(block: &mut B) {
    block.as_mut().fill(0);
    optimization_barrier(block);
}
