//! Answers with keys that are elsewhere.

use portcullis_core::question::{Answer, Decrypt, Sign};
use portcullis_core::x509::Identity;
use portcullis_core::{AlertDescription, Refusal, SignatureScheme};

use super::{Answers, Questions};

/// Signs with keys that are elsewhere; see [`signer`].
#[derive(Clone, Debug)]
pub struct Signer<F>(F);

/// Answers that sign with a key that is elsewhere: in a hardware module or a service.
///
/// The function gets the identity whose key is to sign, the scheme, and the bytes to sign, not
/// hashed. An error ends the handshake with `internal_error`.
///
/// ```
/// use portcullis::answers;
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_, acceptor) = dev_ends();
/// # async fn ask_the_module(content: Vec<u8>) -> std::io::Result<Vec<u8>> { Ok(content) }
/// let acceptor = acceptor.answers(answers::signer(|identity, scheme, content| async move {
///     println!("{scheme} for {:?}", identity.names().next());
///     ask_the_module(content).await
/// }));
/// # Ok(())
/// # }
/// ```
pub fn signer<F, Fut, E>(sign: F) -> Signer<F>
where
    F: Fn(Identity, SignatureScheme, Vec<u8>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<u8>, E>> + Send + 'static,
    E: std::fmt::Display,
{
    Signer(sign)
}

impl<F, Fut, E> Answers for Signer<F>
where
    F: Fn(Identity, SignatureScheme, Vec<u8>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<u8>, E>> + Send + 'static,
    E: std::fmt::Display + 'static,
{
    fn questions(&self) -> Questions {
        Questions::none().and_signature()
    }

    fn sign(&self, question: Sign) -> impl Future<Output = Answer> + Send {
        let signature = (self.0)(
            question.identity().clone(),
            question.scheme(),
            question.content().to_vec(),
        );
        async move {
            let refusal = match signature.await {
                Ok(signature) => return question.signature(signature),
                Err(error) => format!("the signer failed: {error}"),
            };
            question.refuse(Refusal::new(AlertDescription::INTERNAL_ERROR, refusal))
        }
    }
}

/// Signs and decrypts with keys that are elsewhere; see [`Signer::and_decrypter`].
#[derive(Clone, Debug)]
pub struct SignerAndDecrypter<F, G> {
    signer: Signer<F>,
    decrypt: G,
}

impl<F> Signer<F> {
    /// Decrypts as well, which servers need for the cipher suites of `RSA` and `RSA_PSK` (RFC 5246 §7.4.7.1).
    ///
    /// The function gets the identity whose key is to decrypt, and what the client sent: 0 to 65,535 bytes. It
    /// gives the block as the plain RSA operation makes it, **with its padding**, or `None` if the key makes nothing
    /// of these bytes. [`Decrypt`] says why no operation will do that takes the padding away, and how the block has
    /// to be kept. An error is only for what has nothing to do with the ciphertext, such as a module that
    /// cannot be reached: it ends the handshake with `internal_error`.
    ///
    /// ```
    /// use portcullis::answers;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// # async fn ask_the_module(content: Vec<u8>) -> std::io::Result<Vec<u8>> { Ok(content) }
    /// # async fn raw_rsa(ciphertext: Vec<u8>) -> std::io::Result<Option<Vec<u8>>> { Ok(None) }
    /// let keys = answers::signer(|_, _, content| ask_the_module(content))
    ///     .and_decrypter(|_, ciphertext| raw_rsa(ciphertext));
    /// let acceptor = acceptor.answers(keys);
    /// # Ok(())
    /// # }
    /// ```
    pub fn and_decrypter<G, Fut, E>(self, decrypt: G) -> SignerAndDecrypter<F, G>
    where
        G: Fn(Identity, Vec<u8>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Vec<u8>>, E>> + Send + 'static,
        E: std::fmt::Display,
    {
        SignerAndDecrypter {
            signer: self,
            decrypt,
        }
    }
}

impl<F, SignFut, SignError, G, Fut, E> Answers for SignerAndDecrypter<F, G>
where
    F: Fn(Identity, SignatureScheme, Vec<u8>) -> SignFut + Send + Sync + 'static,
    SignFut: Future<Output = Result<Vec<u8>, SignError>> + Send + 'static,
    SignError: std::fmt::Display + 'static,
    G: Fn(Identity, Vec<u8>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Vec<u8>>, E>> + Send + 'static,
    E: std::fmt::Display + 'static,
{
    fn questions(&self) -> Questions {
        self.signer.questions()
    }

    fn sign(&self, question: Sign) -> impl Future<Output = Answer> + Send {
        self.signer.sign(question)
    }

    fn decrypt(&self, question: Decrypt) -> impl Future<Output = Answer> + Send {
        let block = (self.decrypt)(question.identity().clone(), question.ciphertext().to_vec());
        async move {
            let refusal = match block.await {
                Ok(Some(block)) => return question.decrypted(block),
                Ok(None) => return question.failed(),
                Err(error) => format!("the decrypter failed: {error}"),
            };
            question.refuse(Refusal::new(AlertDescription::INTERNAL_ERROR, refusal))
        }
    }
}
