//! How a server shows that it has read the inner hello: eight bytes that only who has can know.
//!
//! RFC 9849 §7.2, §7.2.1.

use crate::crypto::CryptoFailure;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hkdf::{LabelPrefix, Prk, extract};
use crate::key_schedule::Transcript;

/// How long a confirmation is.
pub(crate) const LENGTH: usize = 8;

/// Where it stands in a ServerHello with its header: at the end of the random.
pub(crate) const IN_SERVER_HELLO: core::ops::Range<usize> = 30..38;

/// In which message it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    ServerHello,
    HelloRetryRequest,
}

/// The confirmation. `transcript` has the inner hello, and the message that confirms with zeros in the place of the
/// confirmation.
pub(crate) fn confirmation(
    within: Within,
    hash: HashAlgorithm,
    prefix: LabelPrefix,
    inner_random: &[u8; 32],
    transcript: &mut Transcript,
) -> Result<[u8; LENGTH], CryptoFailure> {
    let label: &[u8] = match within {
        Within::ServerHello => b"ech accept confirmation",
        Within::HelloRetryRequest => b"hrr ech accept confirmation",
    };
    let secret = extract(hash, &[], inner_random);
    let mut out = [0; LENGTH];
    let context = transcript.current();
    Prk::new(hash, prefix, &secret).expand_any_label(label, context.as_slice(), &mut out)?;
    Ok(out)
}
