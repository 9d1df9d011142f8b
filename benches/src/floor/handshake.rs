//! The public-key operations of a handshake.

use std::time::Duration;

use aws_lc_rs::agreement::{
    EphemeralPrivateKey, PublicKey, UnparsedPublicKey as UnparsedShare, X25519, agree_ephemeral,
};
use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    ParsedPublicKey, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use cpu_time::ThreadTime;

use super::Failed;
use crate::job::{Choice, Group, Leaf, Resumed};
use crate::pki::{Identity, Pki};

/// The length of what CertificateVerify signs with SHA-256: RFC 8446 §4.4.3.
const SIGNED: [u8; 64 + 33 + 1 + 32] = [32; 130];

enum Key {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A side that proves who it is, and the other side's view of it.
struct Prover {
    key: Key,
    /// The length of a certificate counts, for its hash.
    certificate: Vec<u8>,
    issuer: ParsedPublicKey,
    issued: Vec<u8>,
    /// Whether the issuer's signature was verified before.
    seen_before: bool,
}

/// What is signed is hashed here: given the message, the library sets up contexts to do so.
fn sha256(message: &[u8]) -> Digest {
    digest(&SHA256, message)
}

impl Prover {
    fn new(identity: &Identity, leaf: Leaf, seen_before: bool) -> Result<Self, Failed> {
        let key = match leaf {
            Leaf::EcdsaP256 => Key::Ecdsa(EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_ASN1_SIGNING,
                &identity.key,
            )?),
            Leaf::Rsa2048 => Key::Rsa(RsaKeyPair::from_pkcs8(&identity.key)?),
        };
        // Not the root's key, but one of its kind.
        let issuer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let issued = issuer.sign(&SystemRandom::new(), &identity.certificate)?;
        Ok(Self {
            key,
            certificate: identity.certificate.clone(),
            issuer: UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, issuer.public_key().as_ref())
                .parse()?,
            issued: issued.as_ref().to_vec(),
            seen_before,
        })
    }

    fn prove(&self) -> Result<Vec<u8>, Failed> {
        match &self.key {
            Key::Ecdsa(key) => Ok(key.sign_digest(&sha256(&SIGNED))?.as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(
                    &RSA_PSS_SHA256,
                    &SystemRandom::new(),
                    &SIGNED,
                    &mut signature,
                )?;
                Ok(signature)
            }
        }
    }

    fn verify(&self, signature: &[u8]) -> Result<(), Failed> {
        if !self.seen_before {
            self.issuer
                .verify_digest_sig(&sha256(&self.certificate), &self.issued)?;
        }
        let (algorithm, key): (&'static dyn VerificationAlgorithm, _) = match &self.key {
            Key::Ecdsa(key) => (&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref()),
            Key::Rsa(key) => (&RSA_PSS_2048_8192_SHA256, key.public_key().as_ref()),
        };
        Ok(UnparsedPublicKey::new(algorithm, key).verify_digest(&sha256(&SIGNED), signature)?)
    }
}

/// Runs the work of each side, and may look at the clock.
pub(crate) trait Sides {
    fn client<T>(&mut self, work: impl FnOnce() -> T) -> T;
    fn server<T>(&mut self, work: impl FnOnce() -> T) -> T;
}

/// Processor time.
#[derive(Default)]
struct Times {
    client: Duration,
    server: Duration,
}

impl Sides for Times {
    fn client<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.client, work)
    }

    fn server<T>(&mut self, work: impl FnOnce() -> T) -> T {
        timed(&mut self.server, work)
    }
}

fn timed<T>(time: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = ThreadTime::now();
    let done = work();
    *time += start.elapsed();
    done
}

/// The ends of handshakes.
pub(crate) struct Ends {
    /// `None` where a session is resumed.
    server: Option<Prover>,
    client: Option<Prover>,
    group: Group,
}

impl Ends {
    pub(crate) fn new(pki: &Pki, choice: Choice) -> Result<Self, Failed> {
        let remember = choice.remember_chains;
        let full = choice.resumed == Resumed::No;
        let server = full.then(|| Prover::new(pki.server(choice.leaf), choice.leaf, remember));
        let client =
            (full && choice.mutual).then(|| Prover::new(&pki.client, Leaf::EcdsaP256, remember));
        Ok(Self {
            server: server.transpose()?,
            client: client.transpose()?,
            group: choice.group,
        })
    }

    /// One handshake.
    pub(crate) fn shake_hands(&self, sides: &mut impl Sides) -> Result<(), Failed> {
        let offered = sides.client(|| Share::generate(self.group))?;
        let (answered, proof) = sides.server(|| {
            let answered = Answered::to(&offered)?;
            let proof = self.server.as_ref().map(Prover::prove).transpose()?;
            Ok::<_, Failed>((answered, proof))
        })?;
        let client_proof = sides.client(|| {
            offered.agree(answered)?;
            if let (Some(server), Some(proof)) = (&self.server, &proof) {
                server.verify(proof)?;
            }
            self.client.as_ref().map(Prover::prove).transpose()
        })?;
        if let (Some(client), Some(proof)) = (&self.client, &client_proof) {
            sides.server(|| client.verify(proof))?;
        }
        Ok(())
    }
}

/// The client's processor time, and the server's.
pub(super) fn measure(
    pki: &Pki,
    choice: Choice,
    times: u32,
) -> Result<(Duration, Duration), Failed> {
    let ends = Ends::new(pki, choice)?;
    // One more than is counted, as with a stack.
    ends.shake_hands(&mut Times::default())?;
    let mut spent = Times::default();
    for _ in 0..times {
        ends.shake_hands(&mut spent)?;
    }
    Ok((spent.client, spent.server))
}

/// What the client offers.
struct Share {
    x25519: EphemeralPrivateKey,
    public: PublicKey,
    ml_kem: Option<(DecapsulationKey, Vec<u8>)>,
}

/// What the server answers.
struct Answered {
    public: PublicKey,
    ciphertext: Option<Ciphertext<'static>>,
}

impl Share {
    fn generate(group: Group) -> Result<Self, Failed> {
        let x25519 = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new())?;
        let ml_kem = match group {
            Group::X25519 => None,
            Group::X25519Mlkem768 => {
                let key = DecapsulationKey::generate(&ML_KEM_768)?;
                let public = key.encapsulation_key()?.key_bytes()?.as_ref().to_vec();
                Some((key, public))
            }
        };
        Ok(Self {
            public: x25519.compute_public_key()?,
            x25519,
            ml_kem,
        })
    }

    fn agree(self, answered: Answered) -> Result<(), Failed> {
        agree(self.x25519, &answered.public)?;
        if let (Some((key, _)), Some(ciphertext)) = (self.ml_kem, answered.ciphertext) {
            key.decapsulate(ciphertext)?;
        }
        Ok(())
    }
}

impl Answered {
    fn to(offered: &Share) -> Result<Self, Failed> {
        let x25519 = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new())?;
        let public = x25519.compute_public_key()?;
        agree(x25519, &offered.public)?;
        let ciphertext = match &offered.ml_kem {
            Some((_, key)) => {
                let (ciphertext, _) = EncapsulationKey::new(&ML_KEM_768, key)?.encapsulate()?;
                Some(ciphertext)
            }
            None => None,
        };
        Ok(Self { public, ciphertext })
    }
}

fn agree(own: EphemeralPrivateKey, peer: &PublicKey) -> Result<(), Failed> {
    let peer = UnparsedShare::new(&X25519, peer.as_ref());
    agree_ephemeral(own, peer, Unspecified, |_| Ok(()))?;
    Ok(())
}
