//! Answers of keys in tokens.

use portcullis::question::{Answer, Decrypt, Sign};
use portcullis::{AlertDescription, Answers, Identity, Questions, Refusal};

use crate::error::TokenError;
use crate::key::Pkcs11Key;

/// Answers that sign, and decrypt, with keys in tokens. [`answers::together`](portcullis::answers::together) makes one
/// of these and others.
///
/// What the token does not do ends the handshake with `internal_error`.
#[derive(Clone, Debug)]
pub struct Pkcs11Signer {
    keys: Vec<(Identity, Pkcs11Key)>,
}

impl Pkcs11Signer {
    /// For one identity, which [`Pkcs11Key::identity`] has made.
    pub fn new(identity: Identity, key: Pkcs11Key) -> Self {
        let keys = vec![(identity, key)];
        Self { keys }
    }

    /// For another one, too.
    #[must_use]
    pub fn with(mut self, identity: Identity, key: Pkcs11Key) -> Self {
        self.keys.push((identity, key));
        self
    }

    /// A single key is that of every identity: certificates are renewed.
    fn key(&self, identity: &Identity) -> Result<Pkcs11Key, TokenError> {
        let mut all = self.keys.iter();
        let found = match &self.keys[..] {
            [only] => Some(only),
            _ => all.find(|(known, _)| known.same(identity)),
        };
        let found = found.map(|(_, key)| key.clone());
        found.ok_or_else(|| TokenError::new("no key in a token is that of this identity"))
    }
}

impl Answers for Pkcs11Signer {
    /// What external keys have to do is asked in any case.
    fn questions(&self) -> Questions {
        Questions::none()
    }

    async fn sign(&self, question: Sign) -> Answer {
        let signed = match self.key(question.identity()) {
            Ok(key) => {
                key.sign(question.scheme(), question.content().to_vec())
                    .await
            }
            Err(error) => Err(error),
        };
        match signed {
            Ok(signature) => question.signature(signature),
            Err(error) => question.refuse(refusal(&error)),
        }
    }

    async fn decrypt(&self, question: Decrypt) -> Answer {
        let block = match self.key(question.identity()) {
            Ok(key) => key.decrypt(question.ciphertext().to_vec()).await,
            Err(error) => Err(error),
        };
        match block {
            Ok(Some(mut block)) => question.decrypted(std::mem::take(&mut *block)),
            Ok(None) => question.failed(),
            Err(error) => question.refuse(refusal(&error)),
        }
    }
}

fn refusal(error: &TokenError) -> Refusal {
    tracing::warn!(%error, "a key in a token");
    Refusal::new(AlertDescription::INTERNAL_ERROR, error.to_string())
}
