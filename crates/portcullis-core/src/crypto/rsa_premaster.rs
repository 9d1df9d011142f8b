//! The premaster secret that a client encrypts with the server's RSA key.
//!
//! RFC 5246 §7.4.7.1, RFC 8017 §7.2. An attacker that learns whether a ciphertext was padded rightly can
//! decrypt any other, one question at a time (Bleichenbacher 1998; ROBOT 2018, Marvin 2023). So nobody is told: a
//! ciphertext that is no good gives a random secret, made before it was looked at, and the handshake goes
//! on to a Finished that does not fit. Nothing here takes longer, or another way, for either.

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use zeroize::Zeroizing;

use super::CryptoFailure;
use super::mask::Mask;
use super::random::Random;
use super::rsa;
use super::secret::SharedSecret;
use crate::der;
use crate::version::ProtocolVersion;

const PREMASTER_LEN: usize = 48;

/// `client_version` and 46 random bytes.
type Premaster = [u8; PREMASTER_LEN];

/// Makes a premaster secret and encrypts it for the key in a SubjectPublicKeyInfo (§7.4.7.1).
///
/// `version` is what this client's hello has said, not what was chosen.
///
/// # Errors
/// When there are no random bytes, or the key is none of RSA or of a length that the library has not.
pub(crate) fn encrypt(
    spki_der: &[u8],
    version: ProtocolVersion,
    random: &mut Random,
) -> Result<(Vec<u8>, SharedSecret), CryptoFailure> {
    const FAILURE: CryptoFailure = CryptoFailure::EncryptingPremaster;
    let mut premaster: Zeroizing<Premaster> = Zeroizing::new([0; PREMASTER_LEN]);
    random.fill(&mut *premaster)?;
    put_version(&mut premaster, version);
    let (_, key) = der::public_key_info(spki_der).ok_or(FAILURE)?;
    let ciphertext = match rsa::encrypt_short(key, &*premaster) {
        Ok(ciphertext) => ciphertext,
        // It is not short.
        Err(_) => {
            let key = PublicEncryptingKey::from_der(spki_der).map_err(|_| FAILURE)?;
            let key = Pkcs1PublicEncryptingKey::new(key).map_err(|_| FAILURE)?;
            let mut ciphertext = vec![0; key.ciphertext_size()];
            let encrypted = key.encrypt(&*premaster, &mut ciphertext);
            encrypted.map_err(|_| FAILURE)?;
            ciphertext
        }
    };
    Ok((ciphertext, SharedSecret::new(&*premaster)))
}

/// What stands in for a premaster secret that does not decrypt. It is made before anyone tries, and stays
/// where it is while somebody does.
pub(crate) struct Substitute(Box<Zeroizing<Premaster>>);

impl Substitute {
    /// # Errors
    /// When there are no random bytes.
    pub(crate) fn new(random: &mut Random) -> Result<Self, CryptoFailure> {
        let mut bytes = Box::new(Zeroizing::new([0; PREMASTER_LEN]));
        random.fill(&mut **bytes)?;
        Ok(Self(bytes))
    }

    /// The premaster secret in `block`, which is what RSA has made of the client's ciphertext, or this one. An
    /// empty block stands for a ciphertext that RSA has refused: its length or its number was wrong, as
    /// everybody can see.
    ///
    /// §7.4.7.1: the version that the client has encrypted is not compared with that of its hello, but replaced
    /// by it. If they differ both sides have different secrets, as with everything else that is wrong.
    pub(crate) fn or_decrypted(self, block: &[u8], version: ProtocolVersion) -> SharedSecret {
        let Self(mut premaster) = self;
        // How long the key is everybody knows.
        if let Some((padding, decrypted)) = block.split_last_chunk::<PREMASTER_LEN>() {
            let is_good = is_padding(padding);
            for (to, from) in premaster.iter_mut().zip(decrypted) {
                *to = is_good.keep_byte(*from) | is_good.not().keep_byte(*to);
            }
        }
        put_version(&mut premaster, version);
        SharedSecret::new(&**premaster)
    }
}

/// 00 02, at least eight bytes that are not 0, 00 (RFC 8017 §7.2.2): all that is in front of 48 bytes.
fn is_padding(front: &[u8]) -> Mask {
    let [zero, two, padding @ .., end] = front else {
        return Mask::from_bool(false);
    };
    let mut is_good = Mask::from_bool(padding.len() >= 8);
    for (byte, expected) in [(zero, 0), (two, 2), (end, 0)] {
        is_good = is_good.and(Mask::equal((*byte).into(), expected));
    }
    for byte in padding {
        is_good = is_good.and(Mask::equal((*byte).into(), 0).not());
    }
    is_good
}

fn put_version(premaster: &mut Premaster, version: ProtocolVersion) {
    let [high, low, ..] = premaster;
    [*high, *low] = version.0.to_be_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: ProtocolVersion = ProtocolVersion::TLS_1_2;

    fn substitute() -> Substitute {
        Substitute::new(&mut Random::script([0xee; PREMASTER_LEN])).unwrap()
    }

    fn premaster() -> Vec<u8> {
        [&[3, 3][..], &[0x77; 46]].concat()
    }

    /// As a client of TLS pads it, for a modulus of `len` bytes.
    fn block(len: usize) -> Vec<u8> {
        let padding = vec![0x99; len - 3 - PREMASTER_LEN];
        [&[0, 2][..], &padding, &[0], &premaster()].concat()
    }

    fn decrypted(block: &[u8]) -> Vec<u8> {
        let premaster = substitute().or_decrypted(block, VERSION);
        premaster.as_slice().to_vec()
    }

    fn substituted() -> Vec<u8> {
        [&[3, 3][..], &[0xee; 46]].concat()
    }

    #[test]
    fn a_good_one_is_taken() {
        // The shortest block that has room for it.
        for len in [PREMASTER_LEN + 11, 64, 128, 256, 512] {
            assert_eq!(decrypted(&block(len)), premaster(), "{len}");
        }
    }

    #[test]
    fn what_is_wrong_gives_the_substitute() {
        let good = block(256);
        let end = 256 - PREMASTER_LEN - 1;
        let mut bad = vec![
            ("nothing".to_owned(), Vec::new()),
            ("zeros".to_owned(), vec![0; 256]),
            ("too short a key".to_owned(), block(PREMASTER_LEN + 10)),
            (
                "without padding".to_owned(),
                good[256 - PREMASTER_LEN..].to_vec(),
            ),
        ];
        // Every byte of the front: a value that does not belong there.
        for at in 0..=end {
            let mut changed = good.clone();
            changed[at] = match at {
                0 | 1 => 1,
                at if at == end => 0x10,
                _ => 0,
            };
            bad.push((format!("byte {at}"), changed));
        }
        // The secret is a byte longer or shorter.
        for moved in [end - 1, end + 1] {
            let mut changed = good.clone();
            changed.swap(end, moved);
            bad.push((format!("ends at {moved}"), changed));
        }
        let mut signature = good.clone();
        signature[1] = 1;
        bad.push(("block type 1".to_owned(), signature));
        for (name, block) in bad {
            assert_eq!(decrypted(&block), substituted(), "{name}");
        }
    }

    /// Each bit of the version, by itself, makes another secret than the client's.
    #[test]
    fn the_version_is_that_of_the_hello() {
        let mut good = block(256);
        let theirs = good.last_chunk_mut::<PREMASTER_LEN>().unwrap();
        theirs[..2].copy_from_slice(&[3, 1]);
        let expected = premaster();
        assert_eq!(decrypted(&good), expected);
        assert_ne!(expected, good[256 - PREMASTER_LEN..]);
    }

    #[test]
    fn a_client_encrypts_for_the_key() {
        let pair =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        let pair = pair.unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let mut random = Random::system();
        let (ciphertext, premaster) = encrypt(&spki, VERSION, &mut random).unwrap();
        assert_eq!((ciphertext.len(), premaster.as_slice().len()), (256, 48));
        assert_eq!(premaster.as_slice()[..2], [3, 3]);
        let (other, another) = encrypt(&spki, VERSION, &mut random).unwrap();
        assert!(ciphertext != other && premaster != another);
        #[cfg(feature = "ffi")]
        {
            let key = private(&pair);
            let decrypt = |ciphertext: &[u8], version| {
                let block = key.decrypt_raw(ciphertext).unwrap_or_default();
                let premaster = substitute().or_decrypted(&block, version);
                premaster.as_slice().to_vec()
            };
            assert_eq!(decrypt(&ciphertext, VERSION), premaster.as_slice());
            assert_eq!(decrypt(&other, VERSION), another.as_slice());
            let old = decrypt(&ciphertext, ProtocolVersion::TLS_1_0);
            assert_ne!(old, premaster.as_slice());
            // c = 0, 1, n - 1 and n, and wrong lengths.
            let (_, public) = der::public_key_info(&spki).unwrap();
            let n = &public[9..9 + 256];
            let mut less = n.to_vec();
            *less.last_mut().unwrap() -= 1;
            let small = |value| [vec![0; 255], vec![value]].concat();
            for bad in [
                small(0),
                small(1),
                less,
                n.to_vec(),
                Vec::new(),
                vec![2; 255],
                vec![2; 257],
            ] {
                assert_eq!(decrypt(&bad, VERSION), substituted(), "{bad:02x?}");
            }
            // What nobody has padded.
            assert_eq!(decrypt(&small(2), VERSION), substituted());
        }
    }

    #[cfg(feature = "ffi")]
    fn private(pair: &rcgen::KeyPair) -> crate::crypto::PrivateKey {
        let der = rustls_pki_types::PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        crate::crypto::PrivateKey::from_der(&der).unwrap()
    }

    #[test]
    fn keys_that_cannot_encrypt() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        for key in [&spki[..], &[], b"no key"] {
            let encrypted = encrypt(key, VERSION, &mut Random::system());
            assert_eq!(encrypted.err(), Some(CryptoFailure::EncryptingPremaster));
        }
        let failed = Substitute::new(&mut Random::script([])).err();
        assert_eq!(failed, Some(CryptoFailure::RandomBytes));
    }
}
