//! PEM files: certificates and keys, and clear words about what is in them otherwise.
//!
//! RFC 7468.

use std::path::Path;

use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::error::Misuse;

/// What a PEM text contains, in its order.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) keys: Zeroizing<Vec<PrivateKeyDer<'static>>>,
    /// A private key that is there and cannot be read.
    pub(super) unreadable_key: Option<&'static str>,
}

impl Contents {
    /// Reads all sections; those of other kinds are passed over.
    ///
    /// # Errors
    /// When a section has no end or is not base64.
    pub(super) fn read(pem: &[u8]) -> Result<Self, Misuse> {
        let mut contents = Self {
            unreadable_key: unreadable_key(pem),
            ..Self::default()
        };
        for (at, section) in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).enumerate() {
            let (kind, der) = match section {
                Ok(section) => section,
                // Its header lines are not base64.
                Err(_) if contents.unreadable_key.is_some() => continue,
                Err(error) => {
                    return Err(Misuse::new(format!(
                        "section {} of the PEM is damaged: {error}",
                        at + 1
                    )));
                }
            };
            match kind {
                SectionKind::Certificate => contents.certificates.push(der.into()),
                SectionKind::PrivateKey => contents.keys.push(PrivateKeyDer::Pkcs8(der.into())),
                SectionKind::RsaPrivateKey => contents.keys.push(PrivateKeyDer::Pkcs1(der.into())),
                SectionKind::EcPrivateKey => contents.keys.push(PrivateKeyDer::Sec1(der.into())),
                _ => {}
            }
        }
        Ok(contents)
    }
}

fn unreadable_key(pem: &[u8]) -> Option<&'static str> {
    const ENCRYPTED: &str = "the private key is encrypted, which is not supported: decrypt it \
                             with `openssl pkey -in key.pem -out plain.pem`";
    const MARKS: &[(&[u8], &str)] = &[
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", ENCRYPTED),
        (b"Proc-Type: 4,ENCRYPTED", ENCRYPTED),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----",
            "the private key is in OpenSSH's format: convert it with `ssh-keygen -p -m PKCS8`",
        ),
        (
            b"-----BEGIN DSA PRIVATE KEY-----",
            "the private key is for DSA, which TLS 1.3 does not have: use ECDSA, RSA or Ed25519",
        ),
    ];
    MARKS
        .iter()
        .find(|(mark, _)| pem.windows(mark.len()).any(|window| window == *mark))
        .map(|(_, sentence)| *sentence)
}

/// Reads a file that may contain a key.
pub(super) fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Misuse> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| Misuse::new(format!("cannot read {}: {error}", path.display())))
}

/// Puts the file's name before what is wrong with its contents.
pub(super) fn in_file(path: &Path, error: &Misuse) -> Misuse {
    Misuse::new(format!("{}: {error}", path.display()))
}
