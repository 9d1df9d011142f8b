//! What the client has encrypted for the server's key.
//!
//! RFC 5246 §7.4.7.1, RFC 8017 §5.1.2. The answer is the block with its padding, and not the secret in it:
//! the code that takes the padding away learns whether it was right, and from there on it can leak: by an error, an
//! alert, or time (Bleichenbacher 1998).

use zeroize::Zeroizing;

use super::{Answer, AnswerContent, QuestionId};
use crate::AlertDescription;
use crate::error::Refusal;
use crate::x509::{Identity, IdentityKey};

/// A server's RSA key has to decrypt what the client sent (RFC 5246 §7.4.7.1). Asked with the cipher suites of
/// `RSA` and `RSA_PSK` for a key that is
/// [elsewhere](crate::x509::Identity::with_external_key_that_decrypts), and with `ask_signature`.
///
/// What is wanted is the plain RSA operation (RSADP of RFC 8017 §5.1.2; PKCS#11: `CKM_RSA_X_509`, OpenSSL:
/// `RSA_NO_PADDING`): [`block_len`](Self::block_len) bytes, with the padding, whatever that looks like. It is
/// looked at here, in a time that does not depend on it, and a wrong one is told to nobody, neither peer nor
/// caller: the handshake goes on with a secret that nobody knows, and ends as it does for a client
/// that has made a mistake, with `bad_record_mac` at its Finished.
///
/// **An operation that takes the padding away will not do** (`CKM_RSA_PKCS`, `RSA_PKCS1_PADDING`): it
/// tells a right padding from a wrong one, and that is all that an attacker needs to decrypt recorded
/// connections with some ten thousand handshakes. For the same reason the code that answers must
/// neither log nor count what the block looks like, and must take as long for each: with blinding.
///
/// ```
/// # use portcullis_core as portcullis;
/// use portcullis::question::{Answer, Decrypt};
///
/// // A module that computes with the key, and leaves the padding alone.
/// fn answer(question: Decrypt, raw: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Answer {
///     match raw(question.ciphertext()) {
///         Some(block) => question.decrypted(block),
///         None => question.failed(),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Decrypt {
    pub(crate) id: QuestionId,
    pub(crate) identity: Identity,
    pub(crate) ciphertext: Vec<u8>,
}

impl Decrypt {
    /// Whose key is to decrypt.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the client sent: 0 to 65,535 bytes. An honest client has sent [`block_len`](Self::block_len) of them.
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    /// How long the decrypted block is, in bytes: as long as the key, 256 to 1,024; from 128 on
    /// where `key_minimum` allows it (feature `ffi`).
    pub fn block_len(&self) -> usize {
        let bits = self.identity.key_bits().unwrap_or_default();
        usize::try_from(bits.div_ceil(8)).unwrap_or_default()
    }

    /// Decrypts with the identity's own key; ends the handshake when that key is external. The default.
    pub fn decrypt_with_local_key(self) -> Answer {
        let IdentityKey::Local(key) = self.identity.key() else {
            let why =
                "decrypting the client's secret: the key is external, and nobody answers `Decrypt`";
            return self.refuse(Refusal::new(AlertDescription::INTERNAL_ERROR, why));
        };
        // Nobody looks whether it has worked.
        let block = key.decrypt_raw(&self.ciphertext).unwrap_or_default();
        self.id.answer(AnswerContent::Decrypted(block))
    }

    /// The block, with its padding; it is wiped when it has been used. One that has not
    /// [`block_len`](Self::block_len) bytes, with the zeros in front, is as one with a wrong padding: if
    /// every handshake ends with `bad_record_mac`, that is the first thing to look at.
    pub fn decrypted(self, block: Vec<u8>) -> Answer {
        let is_whole = block.len() == self.block_len();
        let block = Zeroizing::new(block);
        let block = if is_whole {
            block
        } else {
            Zeroizing::default()
        };
        self.id.answer(AnswerContent::Decrypted(block))
    }

    /// The key makes nothing of this ciphertext: its length or its number is none that anybody encrypts. Goes on
    /// as with a wrong padding.
    pub fn failed(self) -> Answer {
        self.decrypted(Vec::new())
    }

    /// Ends the handshake at once. **Only for what has nothing to do with the ciphertext**, as a module that
    /// cannot be reached: the client sees that this is another end than that of a wrong padding.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}
