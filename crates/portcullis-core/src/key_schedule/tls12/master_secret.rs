//! From the result of the key exchange to the master secret, and what proves that both have it.
//!
//! RFC 5246 §7.4.9, §8.1; RFC 7627 §4.

use zeroize::Zeroizing;

use super::{KeyBlock, OlderParameters, Transcript};
use crate::crypto::CryptoFailure;
use crate::crypto::hash::Digest;
use crate::crypto::prf::{PrfHash, PrfKey};
use crate::crypto::secret::{ConstantTimeEq as _, Secret, SharedSecret};
use crate::role::Role;

/// `master_secret[48]`.
const MASTER_SECRET_LEN: usize = 48;
/// `verify_data_length` of every suite (RFC 5246 §7.4.9).
const VERIFY_DATA_LEN: usize = 12;

/// What the key exchange gave. Of an elliptic curve it is the x-coordinate as it is, zeros at the
/// front included (RFC 8422 §5.10).
pub(crate) enum PremasterSecret {
    Shared(SharedSecret),
    /// Of any length.
    Long(Zeroizing<Box<[u8]>>),
}

impl From<SharedSecret> for PremasterSecret {
    fn from(shared: SharedSecret) -> Self {
        Self::Shared(shared)
    }
}

impl From<Zeroizing<Box<[u8]>>> for PremasterSecret {
    fn from(secret: Zeroizing<Box<[u8]>>) -> Self {
        Self::Long(secret)
    }
}

/// What goes into the master secret beside the premaster secret.
#[derive(Clone, Copy)]
pub(crate) enum MasterSeed<'a> {
    /// The session_hash, of all messages up to ClientKeyExchange: the extended master secret
    /// (RFC 7627 §4).
    Extended(Digest),
    /// RFC 5246 §8.1.
    Randoms {
        client: &'a [u8; 32],
        server: &'a [u8; 32],
    },
}

impl<'a> MasterSeed<'a> {
    /// Once ClientKeyExchange is in the transcript.
    pub(crate) fn new(
        extended: bool,
        transcript: &Transcript,
        client: &'a [u8; 32],
        server: &'a [u8; 32],
    ) -> Self {
        match extended {
            true => Self::Extended(transcript.current()),
            false => Self::Randoms { client, server },
        }
    }
}

impl PremasterSecret {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Shared(shared) => shared.as_slice(),
            Self::Long(secret) => secret,
        }
    }

    /// The same where no move of it leaves a copy.
    pub(crate) fn boxed(self) -> Self {
        match self {
            Self::Shared(shared) => Self::Long(Zeroizing::new(shared.as_slice().into())),
            long @ Self::Long(_) => long,
        }
    }

    /// RFC 4279 §2, RFC 5489 §2: what the key exchange gave, and a key that both sides have; where
    /// there is no other, zeros stand for it.
    pub(crate) fn with_psk(other: Option<Self>, key: &[u8]) -> Self {
        let zeros;
        let other = match &other {
            Some(other) => other.as_slice(),
            None => {
                zeros = vec![0; key.len()];
                &zeros
            }
        };
        // Of its last size from the start: what had grown would have left its beginning in memory.
        let mut secret = Zeroizing::new(vec![0; 4 + other.len() + key.len()].into_boxed_slice());
        let mut rest = &mut secret[..];
        for part in [other, key] {
            // Both are far below this.
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes();
            for bytes in [&length[..], part] {
                let (now, later) = rest.split_at_mut(bytes.len());
                now.copy_from_slice(bytes);
                rest = later;
            }
        }
        Self::Long(secret)
    }

    pub(crate) fn into_master(self, hash: PrfHash, seed: MasterSeed<'_>) -> MasterSecret {
        let key = PrfKey::new(hash, self.as_slice());
        let mut secret = Secret::zeros(MASTER_SECRET_LEN);
        let out = secret.as_mut_slice();
        match seed {
            MasterSeed::Extended(session_hash) => {
                let seed = [session_hash.as_slice()];
                key.prf(b"extended master secret", &seed, out);
            }
            MasterSeed::Randoms { client, server } => {
                key.prf(b"master secret", &[client, server], out);
            }
        }
        MasterSecret::new(hash, secret)
    }
}

/// `finished_label` of the end that sends it (RFC 5246 §7.4.9).
const fn finished_label(sender: Role) -> &'static [u8] {
    match sender {
        Role::Client => b"client finished",
        Role::Server => b"server finished",
    }
}

/// The secret of a session.
pub(crate) struct MasterSecret {
    hash: PrfHash,
    secret: Secret,
    /// The secret again, set up once for all that a handshake derives from it.
    key: PrfKey,
}

impl MasterSecret {
    fn new(hash: PrfHash, secret: Secret) -> Self {
        let key = PrfKey::new(hash, secret.as_slice());
        Self { hash, secret, key }
    }

    /// Takes the secret of a session that was written down.
    ///
    /// # Errors
    /// When it does not have 48 bytes.
    pub(crate) fn from_bytes(hash: PrfHash, bytes: &[u8]) -> Result<Self, CryptoFailure> {
        if bytes.len() != MASTER_SECRET_LEN {
            return Err(CryptoFailure::KeyDerivation);
        }
        Ok(Self::new(hash, Secret::new(bytes)?))
    }

    /// For a session.
    pub(crate) fn copy(&self) -> Box<Self> {
        Box::new(Self {
            hash: self.hash,
            secret: self.secret.clone(),
            key: self.key.copy(),
        })
    }

    /// Moves the secret and leaves none, as [`Secret::take`].
    pub(crate) fn take(&mut self) -> Self {
        Self {
            hash: self.hash,
            secret: self.secret.take(),
            key: self.key.take(),
        }
    }

    /// For the key log and for sessions, and nothing else.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.secret.as_slice()
    }

    /// The keys of the records (RFC 5246 §6.3).
    ///
    /// # Errors
    /// When the suite has another hash than this secret was made with.
    pub(crate) fn key_block(
        &self,
        suite: OlderParameters,
        client_random: &[u8; 32],
        server_random: &[u8; 32],
    ) -> Result<KeyBlock, CryptoFailure> {
        if suite.hash != self.hash {
            return Err(CryptoFailure::KeyDerivation);
        }
        KeyBlock::new(suite, |out| {
            // The server's random comes first here, and only here.
            self.prf(b"key expansion", &[server_random, client_random], out);
        })
    }

    /// What stands in the Finished of `sender` (RFC 5246 §7.4.9); `transcript` is the hash of all
    /// messages before it.
    pub(crate) fn verify_data(&self, sender: Role, transcript: &Digest) -> [u8; VERIFY_DATA_LEN] {
        let mut verify_data = [0; VERIFY_DATA_LEN];
        let seed = [transcript.as_slice()];
        self.prf(finished_label(sender), &seed, &mut verify_data);
        verify_data
    }

    /// Whether `received` is that, in constant time.
    pub(crate) fn verify_finished(
        &self,
        sender: Role,
        transcript: &Digest,
        received: &[u8],
    ) -> bool {
        let expected = self.verify_data(sender, transcript);
        expected.as_slice().ct_eq(received)
    }

    /// Fills `out` with what the PRF gives for this secret.
    pub(super) fn prf(&self, label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        self.key.prf(label, seed, out);
    }
}

impl core::fmt::Debug for PremasterSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PremasterSecret(..)")
    }
}

impl core::fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MasterSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::OlderCipher;
    use super::*;
    use crate::crypto::aead::AeadAlgorithm;
    use crate::crypto::hash::{HashAlgorithm, hash};
    use crate::version::ProtocolVersion;

    const HASH: HashAlgorithm = HashAlgorithm::Sha256;
    const SUITE: OlderParameters = OlderParameters {
        version: ProtocolVersion::TLS_1_2,
        hash: PrfHash::Suite(HASH),
        cipher: OlderCipher::Aead(AeadAlgorithm::Aes128Gcm),
    };

    fn master(byte: u8) -> MasterSecret {
        MasterSecret::from_bytes(SUITE.hash, &[byte; 48]).unwrap()
    }

    #[test]
    fn a_secret_written_down_is_the_secret() {
        let (session_hash, transcript) = (hash(HASH, b"1"), hash(HASH, b"2"));
        let premaster = PremasterSecret::from(SharedSecret::new(&[7; 32]));
        let mut made = premaster.into_master(SUITE.hash, MasterSeed::Extended(session_hash));
        let again = MasterSecret::from_bytes(SUITE.hash, made.as_bytes()).unwrap();
        let expected = made.verify_data(Role::Client, &transcript);
        assert_eq!(again.verify_data(Role::Client, &transcript), expected);
        for len in [0, 47, 49] {
            assert!(MasterSecret::from_bytes(SUITE.hash, &vec![7; len]).is_err());
        }
        let moved = made.take();
        assert_eq!(made.as_bytes(), []);
        assert_ne!(made.verify_data(Role::Client, &transcript), expected);
        assert_eq!(moved.verify_data(Role::Client, &transcript), expected);
        assert_eq!(moved.as_bytes(), again.as_bytes());
        assert_eq!(format!("{moved:?}"), "MasterSecret(..)");
    }

    /// RFC 4279 §2: both parts with their lengths; with the key alone, as many zeros as it has bytes.
    #[test]
    fn a_pre_shared_key_is_part_of_the_premaster_secret() {
        let premaster = |other: Option<&[u8]>, key: &[u8]| {
            let other = other.map(|bytes| SharedSecret::new(bytes).into());
            PremasterSecret::with_psk(other, key).as_slice().to_vec()
        };
        assert_eq!(premaster(None, b"key"), b"\0\x03\0\0\0\0\x03key");
        assert_eq!(premaster(Some(b"shared"), b"key"), b"\0\x06shared\0\x03key");
        let longest = premaster(None, &[7; 65_535]);
        assert_eq!(longest.len(), 4 + 2 * 65_535);
        assert_eq!(longest[..4], [0xff, 0xff, 0, 0]);
        assert_eq!(longest[65_537..][..3], [0xff, 0xff, 7]);
        let long = PremasterSecret::Long(Zeroizing::new([7; 1_024].into()));
        let key = PremasterSecret::with_psk(Some(long), b"key");
        assert_eq!(key.as_slice().len(), 1_024 + 4 + 3);
        let shared = PremasterSecret::from(SharedSecret::new(b"shared"));
        assert_eq!(shared.boxed().as_slice(), b"shared");
    }

    #[test]
    fn finished_is_of_a_side_and_of_all_its_bytes() {
        let (master, transcript) = (master(1), hash(HASH, b"messages"));
        let client = master.verify_data(Role::Client, &transcript);
        assert!(master.verify_finished(Role::Client, &transcript, &client));
        assert!(!master.verify_finished(Role::Server, &transcript, &client));
        assert!(!master.verify_finished(Role::Client, &hash(HASH, b""), &client));
        for len in 0..client.len() {
            assert!(!master.verify_finished(Role::Client, &transcript, &client[..len]));
        }
        let longer = [&client[..], &[0]].concat();
        assert!(!master.verify_finished(Role::Client, &transcript, &longer));
        for at in 0..client.len() {
            let mut changed = client;
            changed[at] ^= 1;
            assert!(!master.verify_finished(Role::Client, &transcript, &changed));
        }
    }

    #[test]
    fn keys_of_a_suite_with_another_hash_are_refused() {
        let suite = OlderParameters {
            hash: PrfHash::Suite(HashAlgorithm::Sha384),
            ..SUITE
        };
        assert!(master(1).key_block(SUITE, &[1; 32], &[2; 32]).is_ok());
        let refused = master(1).key_block(suite, &[1; 32], &[2; 32]);
        assert_eq!(refused.unwrap_err(), CryptoFailure::KeyDerivation);
    }
}
