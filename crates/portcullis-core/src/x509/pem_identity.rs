//! A chain and a key in PEM, whose key may be encrypted.
//!
//! RFC 7468 §10, §11 and §13; RFC 5958 §3 for encrypted keys, RFC 1421 §4.6 for those of older programs.

use std::path::Path;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::identity::Identity;
use super::pem::{self, Contents};
use crate::crypto::PrivateKey;
use crate::crypto::encrypted_key::EncryptedKey;
use crate::misuse::Misuse;

/// The most encrypted keys of one file: each has to be decrypted to see whether it is the right one.
const MOST_ENCRYPTED: usize = 8;

/// A chain and its key as they stand in PEM, before the key is decrypted.
///
/// [`Identity::from_pem`] and those beside it do all of it for keys that are not encrypted. What takes a password is
/// PKCS#8 (`ENCRYPTED PRIVATE KEY`) with PBKDF2 and AES; with the feature `scrypt` also scrypt, and with the feature
/// `legacy-keys` also 3DES, DES, RC2, the schemes of PKCS#5 1.5 and PKCS#12, and keys with `Proc-Type: 4,ENCRYPTED`.
/// Decrypting may take as long as somebody wanted it to: it is at most 10 million rounds of PBKDF2, or 256 MiB
/// of scrypt 16 times, and belongs on a thread that may block.
///
/// ```
/// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
/// use portcullis::PemIdentity;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
/// let read = PemIdentity::read(&pem, None)?;
/// let password = read.needs_password().then(|| "from somewhere".as_bytes());
/// let identity = read.identity(password)?;
/// # assert_eq!(identity.names().next(), Some("localhost"));
/// # Ok(())
/// # }
/// ```
pub struct PemIdentity {
    chain: Contents,
    /// What has the key, if it is another text.
    apart: Option<Contents>,
    /// What errors are about.
    about: Option<String>,
}

impl PemIdentity {
    /// Reads a chain and its key from one PEM text, or the chain from one and the key from another.
    ///
    /// # Errors
    /// When there is no certificate, or something looks like a section and cannot be read.
    pub fn read(chain: impl AsRef<[u8]>, key: Option<&[u8]>) -> Result<Self, Misuse> {
        let chain = Contents::read(chain.as_ref())?;
        if chain.certificates.is_empty() {
            return Err(chain.no_certificate());
        }
        let apart = key.map(Contents::read).transpose()?;
        Ok(Self {
            chain,
            apart,
            about: None,
        })
    }

    /// Reads one PEM file, in which certificates and keys stand in any order.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the file cannot be read.
    pub fn read_file(bundle: impl AsRef<Path>) -> Result<Self, Misuse> {
        let path = bundle.as_ref();
        let pem = pem::read_file(path)?;
        Self::read(&*pem, None).map_or_else(
            |error| Err(pem::in_file(path, &error)),
            |read| Ok(read.about(pem::shown(path).to_string())),
        )
    }

    /// Reads a chain from one PEM file and its key from another.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when a file cannot be read.
    pub fn read_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Misuse> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let (chain_pem, key_pem) = (pem::read_file(chain)?, pem::read_file(key)?);
        let about = format!("{} with the key {}", pem::shown(chain), pem::shown(key));
        match Self::read(&*chain_pem, Some(&key_pem)) {
            Ok(read) => Ok(read.about(about)),
            Err(error) => Err(Misuse::new(format!("{about}: {error}"))),
        }
    }

    fn about(mut self, about: String) -> Self {
        self.about = Some(about);
        self
    }

    /// The certificates, in their order.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain.certificates
    }

    fn source(&self) -> &Contents {
        self.apart.as_ref().unwrap_or(&self.chain)
    }

    /// Whether there is an encrypted key, and none in the clear that belongs to the first certificate.
    pub fn needs_password(&self) -> bool {
        let source = self.source();
        !source.encrypted_keys.is_empty() && self.fitting(&source.keys).is_none()
    }

    /// Joins the chain with the key that belongs to its first certificate. A password that is not
    /// [needed](Self::needs_password) is not looked at. It is taken byte for byte, except by the schemes of
    /// PKCS#12, for which it is text in UTF-8.
    ///
    /// # Errors
    /// As [`Identity::from_der`]; and when there is no key, it is encrypted and there is no password, the
    /// password is wrong, the key is encrypted in a way that is not supported or is too expensive, or more than 8 keys
    /// are encrypted. No error has anything of the file or of the password.
    pub fn identity(&self, password: Option<&[u8]>) -> Result<Identity, Misuse> {
        let identity = self.join(password);
        identity.map_err(|error| match &self.about {
            Some(about) => Misuse::new(format!("{about}: {error}")),
            None => error,
        })
    }

    fn join(&self, password: Option<&[u8]>) -> Result<Identity, Misuse> {
        let chain = self.chain.certificates.clone();
        let source = self.source();
        let with = |key: &PrivateKeyDer<'_>| Identity::from_der(chain.clone(), key);
        if let Some(key) = self.fitting(&source.keys) {
            return with(key);
        }
        let encrypted = match password {
            Some(_) => source.encrypted_keys.as_slice(),
            None => &[],
        };
        check_count(encrypted)?;
        let mut keys = Zeroizing::new(Vec::with_capacity(encrypted.len()));
        let mut refused = None;
        for key in encrypted {
            match decrypt(key, password.unwrap_or_default()) {
                Ok(key) => keys.push(key),
                Err(error) => refused = refused.or(Some(error)),
            }
            if let Some(key) = self.fitting(&keys) {
                return with(key);
            }
        }
        // None belongs to the certificate: of those that are there the first is found fault with.
        match (source.keys.first().or(keys.first()), refused) {
            (_, Some(refused)) => Err(refused),
            (Some(key), None) => with(key),
            (None, None) => Err(source.no_key()),
        }
    }

    fn fitting<'a>(
        &self,
        keys: &'a [PrivateKeyDer<'static>],
    ) -> Option<&'a PrivateKeyDer<'static>> {
        let spki = Certificate::read(self.chain.certificates.first()?)?.spki;
        let fits = |key: &PrivateKey| key.is_key_of(spki);
        let mut keys = keys.iter();
        keys.find(|key| PrivateKey::from_der(key).as_ref().is_ok_and(fits))
    }
}

impl PrivateKey {
    /// Reads the first key of a PEM text, decrypting it if it is encrypted: see [`PemIdentity`].
    ///
    /// # Errors
    /// As [`PemIdentity::identity`], but for what is said there of certificates.
    pub fn from_pem(pem: impl AsRef<[u8]>, password: Option<&[u8]>) -> Result<Self, Misuse> {
        let contents = Contents::read(pem.as_ref())?;
        match (
            contents.keys.first(),
            contents.encrypted_keys.first(),
            password,
        ) {
            (Some(key), _, _) => Self::from_der(key),
            (None, Some(key), Some(password)) => {
                Self::from_der(&Zeroizing::new(decrypt(key, password)?))
            }
            _ => Err(contents.no_key()),
        }
    }

    /// Reads a key from PKCS#8 with a password (EncryptedPrivateKeyInfo, RFC 5958 §3) in DER.
    ///
    /// # Errors
    /// As [`PemIdentity::identity`], but for what is said there of certificates.
    pub fn from_encrypted_der(der: &[u8], password: &[u8]) -> Result<Self, Misuse> {
        let key = decrypt(&EncryptedKey::pkcs8(der.to_vec()), password)?;
        Self::from_der(&Zeroizing::new(key))
    }
}

fn check_count(encrypted: &[EncryptedKey]) -> Result<(), Misuse> {
    match encrypted.len() > MOST_ENCRYPTED {
        true => Err(Misuse::new(format!(
            "there are {} encrypted private keys, of which at most {MOST_ENCRYPTED} are looked at: leave those out that \
             belong to other certificates",
            encrypted.len()
        ))),
        false => Ok(()),
    }
}

fn decrypt(key: &EncryptedKey, password: &[u8]) -> Result<PrivateKeyDer<'static>, Misuse> {
    let mut der = key.decrypt(password)?;
    pem::key(core::mem::take(&mut *der)).ok_or_else(no_key)
}

fn no_key() -> Misuse {
    Misuse::new(
        "the password opens the private key, and what comes out is not a private key in DER",
    )
}

impl core::fmt::Debug for PemIdentity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PemIdentity")
            .field("certificates", &self.chain.certificates.len())
            .field("needs_password", &self.needs_password())
            .finish_non_exhaustive()
    }
}
