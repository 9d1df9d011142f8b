//! Keying material for the application.
//!
//! RFC 5705; RFC 7627 §5.4 says when there is none.

use super::MasterSecret;
use crate::key_schedule::exporter::ExportError;

/// The labels that the protocol uses itself (RFC 5705 §4, RFC 7627 §7). What they give would be
/// keys of this connection, or of its session.
const LABELS_OF_THE_PROTOCOL: [&[u8]; 5] = [
    b"client finished",
    b"server finished",
    b"master secret",
    b"extended master secret",
    b"key expansion",
];

impl MasterSecret {
    /// Fills `out`, however long, with what RFC 5705 §4 derives; `randoms` are the client's and the
    /// server's. No context and an empty one differ.
    ///
    /// # Errors
    /// When the label is one of the protocol's own, or the context longer than the 65,535 bytes
    /// that its length can say; nothing is written then.
    pub(crate) fn export(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
        (client_random, server_random): (&[u8; 32], &[u8; 32]),
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        let randoms: [&[u8]; 2] = [client_random, server_random];
        match context {
            None => self.prf_of_application(label, &randoms, out),
            Some(context) => {
                let length = u16::try_from(context.len()).map_err(|_| ExportError)?;
                let [client, server] = randoms;
                let seed = [client, server, &length.to_be_bytes(), context];
                self.prf_of_application(label, &seed, out)
            }
        }
    }

    /// Fills `out` with what the PRF gives for a label and a seed of the application.
    ///
    /// # Errors
    /// When both together begin with one of the protocol's own labels, since the function does not know
    /// where one ends; nothing is written then.
    pub(crate) fn prf_of_application(
        &self,
        label: &[u8],
        seed: &[&[u8]],
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        let said = || label.iter().chain(seed.iter().copied().flatten());
        let begins_with = |own: &&[u8]| own.iter().eq(said().take(own.len()));
        if LABELS_OF_THE_PROTOCOL.iter().any(begins_with) {
            return Err(ExportError);
        }
        self.prf(label, seed, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::tls_prf;

    use super::*;
    use crate::crypto::hash::HashAlgorithm;

    const RANDOMS: (&[u8; 32], &[u8; 32]) = (&[1; 32], &[2; 32]);

    fn secret() -> MasterSecret {
        MasterSecret::from_bytes(HashAlgorithm::Sha384.into(), &[7; 48]).unwrap()
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
                .export(b"EXPORTER-test", context, RANDOMS, &mut out)
                .unwrap();
            assert_eq!(out.as_slice(), expected(seed));
        }
        let long = vec![9; 65_535];
        secret()
            .export(b"EXPORTER-test", Some(&long), RANDOMS, &mut out)
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
            let refused = secret().export(label, None, RANDOMS, &mut out);
            assert_eq!(refused, Err(ExportError));
            let refused = secret().export(label, Some(b"context"), RANDOMS, &mut out);
            assert_eq!(refused, Err(ExportError));
        }
        // The function does not know where a label ends.
        let parts: [&[u8]; 2] = [b" expan", b"sion and more"];
        let refused = secret().prf_of_application(b"key", &parts, &mut out);
        assert_eq!(refused, Err(ExportError));
        let refused = secret().export(b"EXPORTER-test", Some(&vec![0; 65_536]), RANDOMS, &mut out);
        assert_eq!(refused, Err(ExportError));
        assert_eq!(out, [0; 12]);
    }
}
