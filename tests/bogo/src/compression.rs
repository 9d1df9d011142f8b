//! The mock algorithms of BoringSSL's shim, each with its number.

use portcullis_core::compression::{CertificateCompression, CompressCertificate};
use portcullis_core::wire::extension::CertificateCompressionAlgorithm as Algorithm;

use crate::options::Options;

/// What the flags install, in BoringSSL's order.
pub(crate) fn installed(options: &Options) -> Vec<CertificateCompression> {
    let all = [Mock::Expanding, Mock::Shrinking, Mock::Random];
    all.into_iter()
        .filter(|mock| {
            options.install_cert_compression_algs
                || options.install_one_cert_compression_alg == Some(mock.algorithm().0)
        })
        .map(CertificateCompression::custom)
        .collect()
}

#[derive(Clone, Copy)]
enum Mock {
    /// Puts four bytes in front.
    Expanding,
    /// Takes the two zeros off that every Certificate begins with.
    Shrinking,
    /// Puts a byte in front, another one each time.
    Random,
}

const PREFIX: [u8; 4] = [1, 2, 3, 4];

impl CompressCertificate for Mock {
    fn algorithm(&self) -> Algorithm {
        Algorithm(match self {
            Self::Shrinking => 0xff01,
            Self::Expanding => 0xff02,
            Self::Random => 0xff03,
        })
    }

    fn compress(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Expanding => Some([&PREFIX, message].concat()),
            Self::Shrinking => message.strip_prefix(&[0, 0]).map(<[u8]>::to_vec),
            Self::Random => {
                let address = std::ptr::from_ref(message).cast::<u8>() as usize;
                let byte = (address >> 4) as u8 ^ std::process::id() as u8;
                Some([&[byte], message].concat())
            }
        }
    }

    fn decompress(&self, compressed: &[u8], out: &mut [u8]) -> bool {
        let (zeros, rest) = match self {
            Self::Expanding => (0, compressed.strip_prefix(&PREFIX)),
            Self::Shrinking => (2, Some(compressed)),
            Self::Random => (0, compressed.get(1..)),
        };
        let (Some(rest), Some((head, tail))) = (rest, out.split_at_mut_checked(zeros)) else {
            return false;
        };
        if tail.len() != rest.len() {
            return false;
        }
        head.fill(0);
        tail.copy_from_slice(rest);
        true
    }
}
