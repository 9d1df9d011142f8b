//! Keying material for the application.
//!
//! RFC 5705; RFC 7627 §5.4 says when there is none.

use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hmac::HmacKey;
use crate::crypto::prf::prf;
use crate::crypto::secret::Secret;

/// The labels that the protocol uses itself (RFC 5705 §4, RFC 7627 §7). What they give would be
/// keys of this connection, or of its session.
const LABELS_OF_THE_PROTOCOL: [&[u8]; 5] = [
    b"client finished",
    b"server finished",
    b"master secret",
    b"extended master secret",
    b"key expansion",
];

/// Why nothing was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportError {
    /// The label is one of the protocol's own.
    ReservedLabel,
    /// The context is longer than the 65,535 bytes that its length can say.
    LongContext,
}

/// The master secret once more, for as long as the connection lives, with the randoms of both.
pub(crate) struct ExporterSecret {
    hash: HashAlgorithm,
    secret: Secret,
    /// The client's, then the server's.
    randoms: [[u8; 32]; 2],
}

impl ExporterSecret {
    pub(super) const fn new(hash: HashAlgorithm, secret: Secret, randoms: [[u8; 32]; 2]) -> Self {
        Self {
            hash,
            secret,
            randoms,
        }
    }

    /// Fills `out`, however long, with what RFC 5705 §4 derives. No context and an empty one
    /// differ.
    ///
    /// # Errors
    /// When the label or the context may not be used; nothing is written then.
    pub(crate) fn export(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        if LABELS_OF_THE_PROTOCOL.contains(&label) {
            return Err(ExportError::ReservedLabel);
        }
        let key = HmacKey::new(self.hash, self.secret.as_slice());
        let [client, server] = &self.randoms;
        match context {
            None => prf(&key, label, &[client, server], out),
            Some(context) => {
                let length = u16::try_from(context.len()).map_err(|_| ExportError::LongContext)?;
                let length = length.to_be_bytes();
                prf(&key, label, &[client, server, &length, context], out);
            }
        }
        Ok(())
    }
}

impl core::fmt::Debug for ExporterSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ExporterSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::tls_prf;

    use super::*;

    fn secret() -> ExporterSecret {
        let secret = Secret::new(&[7; 48]).unwrap();
        ExporterSecret::new(HashAlgorithm::Sha384, secret, [[1; 32], [2; 32]])
    }

    /// The library's PRF over the seed as the RFC writes it.
    fn expected(seed_after_randoms: &[u8]) -> Vec<u8> {
        let seed = [&[1; 32], &[2; 32], seed_after_randoms].concat();
        let secret = tls_prf::Secret::new(&tls_prf::P_SHA384, &[7; 48]).unwrap();
        let out = secret.derive(b"EXPORTER-test", &seed, 100).unwrap();
        out.as_ref().to_vec()
    }

    #[test]
    fn context_is_length_and_bytes_or_not_there() {
        let mut out = [0; 100];
        for (context, seed) in [
            (None, &[][..]),
            (Some(&[][..]), &[0, 0]),
            (Some(b"abc"), b"\0\x03abc"),
        ] {
            secret()
                .export(b"EXPORTER-test", context, &mut out)
                .unwrap();
            assert_eq!(out.as_slice(), expected(seed));
        }
        let long = vec![9; 65_535];
        secret()
            .export(b"EXPORTER-test", Some(&long), &mut out)
            .unwrap();
        assert_eq!(
            out.as_slice(),
            expected(&[&[0xff, 0xff], &long[..]].concat())
        );
    }

    #[test]
    fn what_may_not_be_exported_is_not() {
        let mut out = [0; 12];
        for label in LABELS_OF_THE_PROTOCOL {
            let refused = secret().export(label, None, &mut out);
            assert_eq!(refused, Err(ExportError::ReservedLabel));
            let refused = secret().export(label, Some(b"context"), &mut out);
            assert_eq!(refused, Err(ExportError::ReservedLabel));
        }
        let refused = secret().export(b"EXPORTER-test", Some(&vec![0; 65_536]), &mut out);
        assert_eq!(refused, Err(ExportError::LongContext));
        assert_eq!(out, [0; 12]);
        assert_eq!(format!("{:?}", secret()), "ExporterSecret(..)");
    }
}
