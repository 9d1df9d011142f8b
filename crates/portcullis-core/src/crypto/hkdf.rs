//! HKDF and HKDF-Expand-Label.
//!
//! RFC 5869; RFC 8446 §7.1.

use core::iter;
use std::sync::LazyLock;

use super::CryptoFailure;
use super::hash::{Digest, HashAlgorithm};
use super::hmac::{HmacKey, Short};
use super::secret::Secret;

/// HKDF-Extract without a salt, which stands for zeros (RFC 5869 §2.2): a key that is the same for all connections.
pub(crate) fn extract_without_salt(algorithm: HashAlgorithm, ikm: &[u8]) -> Secret {
    static SHA256: LazyLock<HmacKey> = LazyLock::new(|| HmacKey::new(HashAlgorithm::Sha256, &[]));
    static SHA384: LazyLock<HmacKey> = LazyLock::new(|| HmacKey::new(HashAlgorithm::Sha384, &[]));
    let salt = match algorithm {
        HashAlgorithm::Sha256 => &SHA256,
        HashAlgorithm::Sha384 => &SHA384,
    };
    salt.mac(iter::once(ikm))
}

/// HKDF-Extract (RFC 5869 §2.2).
pub(crate) fn extract(algorithm: HashAlgorithm, salt: &[u8], ikm: &[u8]) -> Secret {
    HmacKey::new(algorithm, salt).mac(iter::once(ikm))
}

/// A label of RFC 8446, without its prefix; short enough by construction. Behind it are zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    bytes: [u8; MAX_LABEL_LEN],
    len: u8,
}

impl Label {
    /// For use in constants.
    pub(crate) const fn new(label: &'static [u8]) -> Self {
        assert!(!label.is_empty() && label.len() <= MAX_LABEL_LEN);
        let mut bytes = [0; MAX_LABEL_LEN];
        bytes.split_at_mut(label.len()).0.copy_from_slice(label);
        #[allow(clippy::cast_possible_truncation, reason = "asserted above")]
        let len = label.len() as u8;
        Self { bytes, len }
    }
}

/// Longer than any label of RFC 8446.
const MAX_LABEL_LEN: usize = 18;

/// What stands before every label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelPrefix {
    /// RFC 8446 §7.1.
    Tls13,
    /// RFC 9147 §5.9.
    Dtls13,
}

const PREFIX_LEN: usize = 6;

impl LabelPrefix {
    const fn as_bytes(self) -> &'static [u8; PREFIX_LEN] {
        match self {
            Self::Tls13 => b"tls13 ",
            Self::Dtls13 => b"dtls13",
        }
    }
}

/// A secret that others are expanded from: the PRK of RFC 5869 §2.3.
#[derive(Debug)]
pub(crate) struct Prk {
    algorithm: HashAlgorithm,
    prefix: LabelPrefix,
    key: HmacKey,
}

impl Prk {
    pub(crate) fn new(algorithm: HashAlgorithm, prefix: LabelPrefix, secret: &Secret) -> Self {
        Self {
            algorithm,
            prefix,
            key: HmacKey::new(algorithm, secret.as_slice()),
        }
    }

    pub(crate) const fn prefix(&self) -> LabelPrefix {
        self.prefix
    }

    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            algorithm: self.algorithm,
            prefix: self.prefix,
            key: self.key.take(),
        }
    }

    /// HKDF-Expand (RFC 5869 §2.3); fills `out`. The parts of `info` are taken as one string.
    ///
    /// # Errors
    /// When `out` is longer than 255 outputs of the hash; nothing is written then.
    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Result<(), CryptoFailure> {
        if out.len() > 255 * self.algorithm.output_len() {
            return Err(CryptoFailure::KeyDerivation);
        }
        let mut previous = Secret::empty();
        let chunks = out.chunks_mut(self.algorithm.output_len());
        for (chunk, counter) in chunks.zip(1..=u8::MAX) {
            previous = self.key.mac(
                iter::once(previous.as_slice())
                    .chain(info.iter().copied())
                    .chain(iter::once([counter].as_slice())),
            );
            for (to, byte) in chunk.iter_mut().zip(previous.as_slice()) {
                *to = *byte;
            }
        }
        Ok(())
    }

    /// HKDF-Expand-Label (RFC 8446 §7.1) for labels known beforehand, a context that is a hash
    /// or empty, and at most as many bytes as the hash gives: one HMAC, which cannot fail.
    pub(crate) fn expand_label(&self, label: Label, context: Option<&Digest>, len: u8) -> Secret {
        debug_assert!(usize::from(len) <= self.algorithm.output_len());
        #[allow(clippy::cast_possible_truncation, reason = "it is 6")]
        const PREFIX: u8 = PREFIX_LEN as u8;
        type Info = Short<128>;
        // All that is pushed, at its longest.
        const LONGEST: usize =
            3 + PREFIX_LEN + MAX_LABEL_LEN + 1 + HashAlgorithm::MAX_OUTPUT_LEN + 1;
        const { assert!(LONGEST <= Info::ROOM) };
        // In one piece, by copies of sizes that are known: there are some twenty of these in a handshake.
        let mut info = Info::new();
        info.push(&[0, len, PREFIX + label.len], 3);
        info.push(self.prefix.as_bytes(), PREFIX_LEN);
        info.push(&label.bytes, label.len.into());
        info.push(&[context.map_or(0, Digest::len)], 1);
        if let Some(context) = context {
            info.push(context.padded(), context.len().into());
        }
        info.push(&[1], 1); // the counter of HKDF-Expand
        let mut expanded = self.key.mac_short(&mut info);
        expanded.truncate(len.into());
        expanded
    }

    /// Derive-Secret (RFC 8446 §7.1), given the hash of the messages.
    pub(crate) fn derive_secret(&self, label: Label, transcript_hash: &Digest) -> Secret {
        let len = self.algorithm.output_len_u8();
        self.expand_label(label, Some(transcript_hash), len)
    }

    /// HKDF-Expand-Label (RFC 8446 §7.1) in general; fills `out`. `label` is without its prefix;
    /// an empty one is against the RFC's syntax and usual all the same.
    ///
    /// # Errors
    /// When `label` is longer than 249 bytes, `context` longer than 255, or `out` longer
    /// than 255 outputs of the hash; nothing is written then.
    pub(crate) fn expand_any_label(
        &self,
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::KeyDerivation;
        let length = u16::try_from(out.len()).map_err(|_| FAILURE)?.to_be_bytes();
        let label_len = u8::try_from(PREFIX_LEN + label.len()).map_err(|_| FAILURE)?;
        let context_len = u8::try_from(context.len()).map_err(|_| FAILURE)?;
        let info: [&[u8]; 6] = [
            &length,
            &[label_len],
            self.prefix.as_bytes(),
            label,
            &[context_len],
            context,
        ];
        self.expand(&info, out)
    }

    /// Derive-Secret with any label, for exporters.
    ///
    /// # Errors
    /// When `label` is longer than 249 bytes.
    pub(crate) fn derive_any_secret(
        &self,
        label: &[u8],
        transcript_hash: &Digest,
    ) -> Result<Secret, CryptoFailure> {
        let mut derived = Secret::zeros(self.algorithm.output_len());
        let context = transcript_hash.as_slice();
        self.expand_any_label(label, context, derived.as_mut_slice())?;
        Ok(derived)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// RFC 5869 Appendix A.1 to A.3.
    #[test]
    fn rfc_5869() {
        let count = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        for (ikm, salt, info, prk, okm) in [
            (
                vec![0x0b; 22],
                count(0, 0x0c),
                count(0xf0, 0xf9),
                "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b8871858
                 65",
            ),
            (
                count(0, 0x4f),
                count(0x60, 0xaf),
                count(0xb0, 0xff),
                "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271
                 cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
            (
                vec![0x0b; 22],
                vec![],
                vec![],
                "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96
                 c8",
            ),
        ] {
            let extracted = extract(HashAlgorithm::Sha256, &salt, &ikm);
            assert_eq!(extracted.as_slice(), hex(prk));
            if salt.is_empty() {
                let without = extract_without_salt(HashAlgorithm::Sha256, &ikm);
                assert_eq!(without.as_slice(), hex(prk));
            }
            let mut out = vec![0; hex(okm).len()];
            Prk::new(HashAlgorithm::Sha256, LabelPrefix::Tls13, &extracted)
                .expand(&[&info], &mut out)
                .unwrap();
            assert_eq!(out, hex(okm));
        }
    }

    /// The library's HKDF is another implementation to compare with.
    #[test]
    fn expand_any_label_is_what_the_library_expands() {
        use aws_lc_rs::hkdf;
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        for (algorithm, library) in [
            (HashAlgorithm::Sha256, hkdf::HKDF_SHA256),
            (HashAlgorithm::Sha384, hkdf::HKDF_SHA384),
        ] {
            let secret = vec![5; algorithm.output_len()];
            for (label_len, context_len, len) in
                [(1, 0, 12), (12, 48, 48), (249, 255, 100), (5, 32, 255 * 32)]
            {
                let (label, context) = (vec![b'x'; label_len], vec![3; context_len]);
                let mut info = u16::try_from(len).unwrap().to_be_bytes().to_vec();
                info.push(u8::try_from(6 + label_len).unwrap());
                info.extend_from_slice(b"tls13 ");
                info.extend_from_slice(&label);
                info.push(u8::try_from(context_len).unwrap());
                info.extend_from_slice(&context);
                let mut expected = vec![0; len];
                hkdf::Prk::new_less_safe(library, &secret)
                    .expand(&[&info], Length(len))
                    .unwrap()
                    .fill(&mut expected)
                    .unwrap();
                let mut out = vec![0; len];
                let secret = Secret::new(&secret).unwrap();
                let prk = Prk::new(algorithm, LabelPrefix::Tls13, &secret);
                prk.expand_any_label(&label, &context, &mut out).unwrap();
                assert_eq!(out, expected);
            }
        }
    }

    #[test]
    fn the_short_form_is_the_general_one() {
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384] {
            let prk = Prk::new(
                algorithm,
                LabelPrefix::Tls13,
                &Secret::zeros(algorithm.output_len()),
            );
            let hash = algorithm.of_nothing();
            for len in [0, 12, 32, algorithm.output_len_u8()] {
                for context in [None, Some(&hash)] {
                    let mut expected = vec![0; len.into()];
                    let bytes = context.map_or(&[][..], Digest::as_slice);
                    prk.expand_any_label(b"key", bytes, &mut expected).unwrap();
                    let label = const { Label::new(b"key") };
                    let short = prk.expand_label(label, context, len);
                    assert_eq!(short.as_slice(), expected);
                }
            }
        }
    }

    #[test]
    fn bounds() {
        let expand = |label_len, context_len, len| {
            let mut out = vec![0; len];
            let (label, context) = (vec![b'x'; label_len], vec![0; context_len]);
            Prk::new(
                HashAlgorithm::Sha256,
                LabelPrefix::Tls13,
                &Secret::zeros(32),
            )
            .expand_any_label(&label, &context, &mut out)
            .is_ok()
        };
        assert!(expand(1, 0, 0));
        assert!(expand(249, 255, 255 * 32));
        assert!(expand(0, 0, 1));
        assert!(!expand(250, 0, 1));
        assert!(!expand(1, 256, 1));
        assert!(!expand(1, 0, 255 * 32 + 1));
    }
}
