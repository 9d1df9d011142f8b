//! Algorithms alone: what comes back, and what a peer can send instead.

use super::*;
use crate::testing::pki;
use crate::x509::Form;

/// Those that are built.
pub(crate) fn all() -> Vec<CertificateCompression> {
    vec![
        #[cfg(feature = "zlib")]
        CertificateCompression::zlib(),
        #[cfg(feature = "brotli")]
        CertificateCompression::brotli(),
        #[cfg(feature = "zstd")]
        CertificateCompression::zstd(),
    ]
}

/// Takes the two zeros at the front of each Certificate of a server away: for tests where no library is built.
pub(crate) struct Shrinking;

impl CompressCertificate for Shrinking {
    fn algorithm(&self) -> Algorithm {
        Algorithm(0xff01)
    }

    fn compress(&self, message: &[u8]) -> Option<Vec<u8>> {
        message.strip_prefix(&[0, 0]).map(<[u8]>::to_vec)
    }

    fn decompress(&self, compressed: &[u8], out: &mut [u8]) -> bool {
        match out.split_first_chunk_mut() {
            Some((zeros, rest)) if rest.len() == compressed.len() => {
                *zeros = [0, 0];
                rest.copy_from_slice(compressed);
                true
            }
            _ => false,
        }
    }
}

fn message() -> Vec<u8> {
    pki().server.certificate_message(Form::Tls13).repeat(4)
}

#[test]
fn what_was_compressed_comes_back() {
    let message = message();
    for algorithm in all() {
        let compressed = algorithm.compress(&message).unwrap();
        assert!(compressed.len() < message.len() / 2, "{algorithm:?}");
        let mut out = vec![7; message.len()];
        assert!(algorithm.decompress(&compressed, &mut out), "{algorithm:?}");
        assert_eq!(out, message);
        // What is as good as random is sent as it is.
        let mut random = [0; 64];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        assert_eq!(algorithm.compress(&random), None, "{algorithm:?}");
    }
}

/// RFC 8879 §4: just the bytes that were announced.
#[test]
fn another_length_is_refused() {
    let message = message();
    for algorithm in all() {
        let compressed = algorithm.compress(&message).unwrap();
        let is_taken = |compressed: &[u8], room: usize| {
            let mut out = vec![0; room];
            algorithm.decompress(compressed, &mut out)
        };
        let room = message.len();
        assert!(is_taken(&compressed, room), "{algorithm:?}");
        for other in [0, 1, room - 1, room + 1, 0xff_ffff] {
            assert!(!is_taken(&compressed, other), "{algorithm:?} {other}");
        }
        let with = |more: &[u8]| [&compressed[..], more].concat();
        assert!(!is_taken(&with(&[0]), room), "{algorithm:?}");
        assert!(!is_taken(&with(&compressed), room), "{algorithm:?}");
        assert!(!is_taken(&[], room), "{algorithm:?}");
        for cut in [1, compressed.len() / 2, compressed.len() - 1] {
            assert!(!is_taken(&compressed[..cut], room), "{algorithm:?} {cut}");
        }
        // One bit: it is refused, or gives other bytes, and never harms.
        for at in 0..compressed.len() {
            let mut damaged = compressed.clone();
            damaged[at] ^= 0x10;
            is_taken(&damaged, room);
        }
    }
}

/// A few bytes for 16 MiB, in a room that is small.
#[test]
fn bombs() {
    let zeros = vec![0; 16 << 20];
    for algorithm in all() {
        let bomb = algorithm.compress(&zeros).unwrap();
        assert!(bomb.len() < 20_000, "{algorithm:?}");
        let mut out = vec![7; 2_552];
        assert!(!algorithm.decompress(&bomb, &mut out), "{algorithm:?}");
    }
}

/// The library would take the whole window at once.
#[cfg(feature = "brotli")]
#[test]
fn a_window_of_brotli_that_is_too_large() {
    let message = message();
    let brotli = CertificateCompression::brotli();
    for (bits, taken) in [(16, true), (17, true), (22, true), (23, false), (24, false)] {
        let params = ::brotli::enc::BrotliEncoderParams {
            lgwin: bits,
            ..Default::default()
        };
        let mut compressed = Vec::new();
        ::brotli::BrotliCompress(&mut &message[..], &mut compressed, &params).unwrap();
        let mut out = vec![0; message.len()];
        assert_eq!(brotli.decompress(&compressed, &mut out), taken, "{bits}");
    }
    // A window of the kind that is no part of RFC 7932.
    let mut out = vec![0; message.len()];
    assert!(!brotli.decompress(&[0x11, 0x1e, 0, 0, 0, 0], &mut out));
}

/// A stream of Brotli by the bit, the lowest of each byte first (RFC 7932 §1.5.1).
#[cfg(feature = "brotli")]
#[derive(Default)]
struct Bits(Vec<u8>, u8);

#[cfg(feature = "brotli")]
impl Bits {
    fn put(mut self, value: u32, count: u8) -> Self {
        for at in 0..count {
            if self.1 == 0 {
                self.0.push(0);
            }
            let bit = u8::try_from(value >> at & 1).unwrap();
            *self.0.last_mut().unwrap() |= bit << self.1;
            self.1 = (self.1 + 1) % 8;
        }
        self
    }

    /// A meta-block that is not the last, of so many bytes as `digits` can say, which are as they are (§9.2).
    fn meta_block(self, digits: u8, length: u32, is_raw: bool) -> Self {
        let block = self.put(0, 1).put(u32::from(digits) - 4, 2);
        let block = block.put(length - 1, 4 * digits).put(is_raw.into(), 1);
        match is_raw {
            true => Self(block.0, 0),
            false => block,
        }
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// The window is small, the first block is what was announced, and the second says that it has 16 MiB.
#[cfg(feature = "brotli")]
#[test]
fn a_second_block_of_brotli_that_claims_much() {
    let brotli = CertificateCompression::brotli();
    let first = || {
        Bits::default()
            .put(0, 1)
            .meta_block(4, 4, true)
            .bytes(b"only")
    };
    // The last one, which is empty: the stream is whole.
    let whole = first().put(3, 2);
    let mut out = [0; 4];
    assert!(brotli.decompress(&whole.0, &mut out));
    assert_eq!(&out, b"only");
    for is_raw in [true, false] {
        let claim = || first().meta_block(6, 1 << 24, is_raw);
        for more in [0, 1, 100, 5_000] {
            let stream = claim().bytes(&vec![0; more]);
            for room in [4, 5, 2_552] {
                let mut out = vec![7; room];
                assert!(
                    !brotli.decompress(&stream.0, &mut out),
                    "{is_raw} {more} {room}"
                );
            }
        }
    }
}
