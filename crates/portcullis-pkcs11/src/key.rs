//! A private key in a token.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis::pki_types::SignatureVerificationAlgorithm;
use portcullis::{CertificateDer, Identity, Misuse, SignatureScheme};
use tokio::time::timeout;
use webpki::EndEntityCert;
use zeroize::Zeroizing;

use crate::error::TokenError;
use crate::pin::PinFrom;
use crate::token::Token;
use crate::uri::Pkcs11Uri;
use crate::worker::{Work, Workers};

const WORKERS: usize = 2;
const MOST_WORKERS: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(5);

/// A private key in a token, opened. Cheap to clone; when the last clone is dropped its threads end.
///
/// It is opened again when its token was lost, after a time that grows to half a minute. A wrong PIN
/// is not tried twice.
///
/// A key that wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE) gets it, also if somebody was [asked](Builder::ask_pin)
/// for it: it is kept as long as the key. Such a key makes one signature at a time, whatever the number of
/// [workers](Builder::workers), does not decrypt, and needs a token that hashes: Ed25519 is not among what it signs with.
///
/// Dropping the last clone waits for its threads for at most a second: some modules, SoftHSM2 among them, crash a process
/// that ends while a thread closes its session.
#[derive(Clone)]
pub struct Pkcs11Key(Arc<Inner>);

struct Inner {
    uri: Pkcs11Uri,
    /// Of an RSA key.
    modulus: Vec<u8>,
    schemes: Vec<SignatureScheme>,
    decrypts: bool,
    workers: Workers,
    timeout: Duration,
}

/// How a [`Pkcs11Key`] is opened.
#[derive(Clone, Debug)]
pub struct Builder {
    uri: Pkcs11Uri,
    module: Option<PathBuf>,
    pin: PinFrom,
    workers: usize,
    timeout: Duration,
}

impl Builder {
    /// The module, a shared library; it takes the place of `module-path` in the URI.
    #[must_use]
    pub fn module(mut self, path: impl AsRef<Path>) -> Self {
        self.module = Some(path.as_ref().to_owned());
        self
    }

    /// The PIN; it takes the place of what the URI says.
    #[must_use]
    pub fn pin(mut self, pin: impl Into<Vec<u8>>) -> Self {
        self.pin = PinFrom::Given(Zeroizing::new(pin.into()));
        self
    }

    /// The PIN is in this file, which may end with a newline.
    #[must_use]
    pub fn pin_file(mut self, path: impl AsRef<Path>) -> Self {
        self.pin = PinFrom::File(path.as_ref().to_owned());
        self
    }

    /// Asks for the PIN, with what the URI says of the key; once, and for at most a minute. A key that wants it for each
    /// signature gets the same.
    #[must_use]
    pub fn ask_pin<F, Fut, P, E>(mut self, ask: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<P, E>> + Send + 'static,
        P: Into<Vec<u8>>,
        E: fmt::Display,
    {
        self.pin = PinFrom::asking(ask);
        self
    }

    /// How many threads use the token, each with a session: 2 unless something else is said, at most 64. A token that has a
    /// single session wants 1.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count.clamp(1, MOST_WORKERS);
        self
    }

    /// How long a signature may take: 5 seconds unless something else is said.
    #[must_use]
    pub const fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// Loads the module, logs in and looks for the key, on a thread for what blocks.
    ///
    /// # Errors
    /// When there is no module, no such token or key, or several; the PIN is missing or wrong; or the key is
    /// none that TLS has a use for.
    ///
    /// # Cancel safety
    /// It can be dropped at any time; a PIN that was being tried is tried.
    pub async fn open(self) -> Result<Pkcs11Key, TokenError> {
        let module = self.module.or_else(|| self.uri.module_path.clone());
        let module = module.ok_or_else(|| {
            TokenError::new(
                "there is no PKCS#11 module: name it in the URI with `module-path`, or with `module`",
            )
        })?;
        let pin = self.pin.get(&self.uri).await?;
        let (uri, workers, timeout) = (self.uri, self.workers, self.timeout);
        let opening = tokio::task::spawn_blocking(move || {
            let token = Arc::new(Token::load(&module, uri.clone(), pin)?);
            let opened = token.open()?;
            let facts = token.facts(&opened)?;
            let schemes = facts.kind.schemes(&facts.mechanisms, opened.parts());
            if schemes.is_empty() && !facts.decrypts {
                return Err(TokenError::new(match opened.wants_pin {
                    false => format!(
                        "the PKCS#11 token has no mechanism that TLS needs of the key for {uri}"
                    ),
                    true => format!(
                        "the private key for {uri} wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE), for which its \
                         token has to have a mechanism that hashes, such as CKM_ECDSA_SHA256 or CKM_SHA256_RSA_PKCS_PSS, and \
                         has none for this key: make one without that, or of another kind"
                    ),
                }));
            }
            let workers = Workers::start(&token, workers, opened);
            let workers = workers.map_err(|error| {
                TokenError::new(format!("threads for the PKCS#11 token: {error}"))
            })?;
            Ok(Pkcs11Key(Arc::new(Inner {
                uri,
                modulus: facts.modulus,
                schemes,
                decrypts: facts.decrypts,
                workers,
                timeout,
            })))
        });
        let ended = |_| TokenError::new("the runtime has ended");
        opening.await.map_err(ended)?
    }
}

impl Pkcs11Key {
    /// The key that this URI says.
    pub const fn builder(uri: Pkcs11Uri) -> Builder {
        Builder {
            uri,
            module: None,
            pin: PinFrom::Uri,
            workers: WORKERS,
            timeout: TIMEOUT,
        }
    }

    /// What it signs with, best first: what the key and the mechanisms of its token allow.
    pub fn schemes(&self) -> &[SignatureScheme] {
        &self.0.schemes
    }

    /// Whether it decrypts, too, as RSA key exchange needs it.
    pub fn decrypts(&self) -> bool {
        self.0.decrypts
    }

    /// Joins a chain, leaf first, with this key, which signs a text to prove that it is that of the leaf. With the
    /// feature `ffi` it is one that [decrypts](Identity::with_external_key_that_decrypts), if the key does and the leaf
    /// allows it.
    ///
    /// # Errors
    /// When the key is that of another certificate, or does not sign; and as
    /// [`Identity::with_external_key`].
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn identity(&self, chain: Vec<CertificateDer<'static>>) -> Result<Identity, Misuse> {
        let said = |error: &dyn fmt::Display| Misuse::new(error.to_string());
        let leaf = chain
            .first()
            .ok_or_else(|| Misuse::new("the certificate chain is empty"))?;
        let scheme = self.schemes().first().copied();
        let scheme = scheme.ok_or_else(|| Misuse::new("the PKCS#11 key signs nothing"))?;
        let text = b"portcullis: whether this key is that of the certificate".to_vec();
        let signature = self.sign(scheme, text.clone()).await;
        let signature = signature.map_err(|error| said(&error))?;
        let leaf = EndEntityCert::try_from(leaf)
            .map_err(|_| Misuse::new("the leaf, the first certificate of the chain, is damaged"))?;
        let algorithm = verification(scheme);
        let is_right = algorithm
            .is_some_and(|algorithm| leaf.verify_signature(algorithm, &text, &signature).is_ok());
        if !is_right {
            return Err(Misuse::new(format!(
                "the PKCS#11 key for {} does not belong to the certificate: its signature is not that of the \
                 certificate's key",
                self.0.uri
            )));
        }
        let schemes = self.0.schemes.clone();
        if cfg!(feature = "ffi") && self.0.decrypts {
            let both = Identity::with_external_key_that_decrypts(chain.clone(), schemes.clone());
            if let Ok(identity) = both {
                return Ok(identity);
            }
        }
        Identity::with_external_key(chain, schemes)
    }

    /// Signs what a handshake gives to be signed, not hashed.
    ///
    /// # Errors
    /// When the token is not there, does not sign, or takes longer than [`timeout`](Builder::timeout); 256
    /// operations wait for it already; or the scheme is none of this key.
    ///
    /// # Cancel safety
    /// What was not begun is not done.
    pub async fn sign(
        &self,
        scheme: SignatureScheme,
        content: Vec<u8>,
    ) -> Result<Vec<u8>, TokenError> {
        if !self.0.schemes.contains(&scheme) {
            return Err(TokenError::new(format!(
                "the PKCS#11 key does not sign {scheme}"
            )));
        }
        let signature = self.within(Work::Sign(scheme, content), "sign").await?;
        let signature = signature.map(|mut signature| std::mem::take(&mut *signature));
        signature.ok_or_else(|| TokenError::new("the PKCS#11 token gave no signature"))
    }

    /// The plain RSA operation: the block with its padding, as long as the modulus; `None` for what is no
    /// ciphertext of this key. See [`Decrypt`](portcullis::question::Decrypt).
    ///
    /// # Errors
    /// As [`sign`](Self::sign), never because of the ciphertext.
    ///
    /// # Cancel safety
    /// What was not begun is not done.
    pub async fn decrypt(
        &self,
        ciphertext: Vec<u8>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, TokenError> {
        if !self.0.decrypts {
            return Err(TokenError::new(
                "the PKCS#11 key does not decrypt: it is no RSA key, has no CKA_DECRYPT, or its token no CKM_RSA_X_509",
            ));
        }
        // Tokens say all kinds of things to a number that is not below the modulus (RFC 8017 §5.1.2).
        let length = self.0.modulus.len();
        if ciphertext.len() != length || ciphertext >= self.0.modulus {
            return Ok(None);
        }
        let block = self.within(Work::Decrypt(ciphertext), "decrypt").await?;
        Ok(block.map(|block| {
            // Some leave zeros out that it begins with.
            let mut whole = Zeroizing::new(vec![0; length]);
            let from = length.saturating_sub(block.len());
            if let Some(room) = whole.get_mut(from..) {
                room.iter_mut()
                    .zip(&*block)
                    .for_each(|(to, from)| *to = *from);
            }
            whole
        }))
    }

    async fn within(
        &self,
        work: Work,
        what: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, TokenError> {
        let done = timeout(self.0.timeout, self.0.workers.run(work)).await;
        done.unwrap_or_else(|_| {
            Err(TokenError::new(format!(
                "the PKCS#11 token ({}) did not {what} within {:?}",
                self.0.uri, self.0.timeout
            )))
        })
    }
}

/// What verifies a signature of this kind with the key of a certificate.
fn verification(scheme: SignatureScheme) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    use webpki::aws_lc_rs as with;
    Some(match scheme {
        SignatureScheme::RSA_PSS_RSAE_SHA256 => with::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        SignatureScheme::RSA_PSS_RSAE_SHA384 => with::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        SignatureScheme::RSA_PSS_RSAE_SHA512 => with::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        SignatureScheme::RSA_PKCS1_SHA256 => with::RSA_PKCS1_2048_8192_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384 => with::RSA_PKCS1_2048_8192_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512 => with::RSA_PKCS1_2048_8192_SHA512,
        SignatureScheme::ECDSA_SECP256R1_SHA256 => with::ECDSA_P256_SHA256,
        SignatureScheme::ECDSA_SECP384R1_SHA384 => with::ECDSA_P384_SHA384,
        SignatureScheme::ECDSA_SECP521R1_SHA512 => with::ECDSA_P521_SHA512,
        SignatureScheme::ED25519 => with::ED25519,
        _ => return None,
    })
}

impl fmt::Debug for Pkcs11Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Key")
            .field("uri", &self.0.uri)
            .field("schemes", &self.0.schemes)
            .field("decrypts", &self.0.decrypts)
            .finish_non_exhaustive()
    }
}
