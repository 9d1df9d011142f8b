//! What protects records before TLS 1.3 besides AEADs, and what the versions before TLS 1.2 hash
//! with, written once more: block ciphers with a MAC, RC4, HMAC with MD5.
//!
//! RFC 5246 §6.2.3.1, §6.2.3.2; RFC 2246 §5, §6.2.3.2; RFC 7366; RFC 2104.

use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, DecryptingKey, DecryptionContext, EncryptingKey,
    EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use md5::{Digest as _, Md5};

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mac {
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

impl Mac {
    pub fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    pub fn of(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return hmac_md5(key, data),
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        };
        let key = hmac::Key::new(algorithm, key);
        hmac::sign(&key, data).as_ref().to_vec()
    }
}

fn hmac_md5(key: &[u8], data: &[u8]) -> Vec<u8> {
    let key = match key.len() {
        65.. => Md5::digest(key).to_vec(),
        _ => key.to_vec(),
    };
    let pad = |with: u8| {
        let mut block = [with; 64];
        block
            .iter_mut()
            .zip(&key)
            .for_each(|(to, byte)| *to ^= byte);
        block
    };
    let inner = Md5::digest([&pad(0x36)[..], data].concat());
    Md5::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}

pub fn md5(data: &[u8]) -> Vec<u8> {
    Md5::digest(data).to_vec()
}

/// A block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    Aes128,
    Aes256,
    TripleDes,
    Des,
}

impl Block {
    pub fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
            Self::TripleDes => 24,
            Self::Des => 8,
        }
    }

    pub fn len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes256 => 16,
            Self::TripleDes | Self::Des => 8,
        }
    }

    #[expect(deprecated, reason = "old ciphers are what this is about")]
    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Aes128 => &AES_128,
            Self::Aes256 => &AES_256,
            Self::TripleDes => &aws_lc_rs::cipher::DES_EDE3_FOR_LEGACY_USE_ONLY,
            Self::Des => &aws_lc_rs::cipher::DES_FOR_LEGACY_USE_ONLY,
        }
    }

    fn key(self, key: &[u8]) -> UnboundCipherKey {
        UnboundCipherKey::new(self.algorithm(), key).expect("the key has the cipher's length")
    }

    fn encrypt(self, key: &[u8], iv: &[u8], blocks: &mut [u8]) {
        let context = match <[u8; 16]>::try_from(iv) {
            Ok(iv) => EncryptionContext::Iv128(FixedLength::from(iv)),
            Err(_) => EncryptionContext::Iv64(short(iv)),
        };
        let key = EncryptingKey::cbc(self.key(key)).expect("a key");
        key.less_safe_encrypt(blocks, context)
            .expect("whole blocks");
    }

    fn decrypt(self, key: &[u8], iv: &[u8], blocks: &mut [u8]) {
        let context = match <[u8; 16]>::try_from(iv) {
            Ok(iv) => DecryptionContext::Iv128(FixedLength::from(iv)),
            Err(_) => DecryptionContext::Iv64(short(iv)),
        };
        let key = DecryptingKey::cbc(self.key(key)).expect("a key");
        key.decrypt(blocks, context).expect("whole blocks");
    }
}

fn short(iv: &[u8]) -> FixedLength<8> {
    let iv: [u8; 8] = iv.try_into().expect("the IV has the length of a block");
    FixedLength::from(iv)
}

/// One direction with a MAC of its own.
pub struct Direction {
    pub mac: Mac,
    pub mac_key: Vec<u8>,
    pub cipher: Cipher,
}

pub enum Cipher {
    Block {
        block: Block,
        key: Vec<u8>,
        /// TLS 1.0: the IV of the next record (RFC 2246 §6.2.3.2).
        chained: Option<Vec<u8>>,
        encrypt_then_mac: bool,
    },
    Stream(Rc4),
}

impl Direction {
    /// `front` is what is authenticated before the length: number, type and version.
    fn mac(&self, front: &[u8], content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u16).to_be_bytes();
        self.mac
            .of(&self.mac_key, &[front, &length, content].concat())
    }

    /// The content of a body; nothing moves on if there is none.
    pub fn open(&mut self, front: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let mac_len = self.mac.len();
        let (plaintext, next) = match &self.cipher {
            Cipher::Stream(stream) => {
                let mut next = stream.clone();
                let mut plaintext = body.to_vec();
                next.apply(&mut plaintext);
                (plaintext, Next::Stream(next))
            }
            Cipher::Block {
                block,
                key,
                chained,
                encrypt_then_mac,
            } => {
                let mut body = body;
                if *encrypt_then_mac {
                    let (sealed, mac) = body.split_at_checked(body.len().checked_sub(mac_len)?)?;
                    (self.mac(front, sealed) == mac).then_some(())?;
                    body = sealed;
                }
                let (iv, blocks) = match chained {
                    Some(iv) => (&iv[..], body),
                    None => body.split_at_checked(block.len())?,
                };
                if blocks.is_empty() || blocks.len() % block.len() != 0 {
                    return None;
                }
                let next = blocks[blocks.len() - block.len()..].to_vec();
                let mut plaintext = blocks.to_vec();
                block.decrypt(key, iv, &mut plaintext);
                let padding = usize::from(*plaintext.last()?) + 1;
                let end = plaintext.len().checked_sub(padding)?;
                let tail = plaintext.split_off(end);
                tail.iter()
                    .all(|byte| usize::from(*byte) + 1 == padding)
                    .then_some(())?;
                (plaintext, Next::Iv(next))
            }
        };
        let content = match self.cipher {
            Cipher::Block {
                encrypt_then_mac: true,
                ..
            } => plaintext,
            _ => {
                let at = plaintext.len().checked_sub(mac_len)?;
                let (content, mac) = plaintext.split_at(at);
                (self.mac(front, content) == mac).then_some(())?;
                content.to_vec()
            }
        };
        self.advance(next);
        Some(content)
    }

    /// The body of a record, with as little padding as there can be.
    pub fn seal(&mut self, front: &[u8], content: &[u8]) -> Vec<u8> {
        let inside = self.mac(front, content);
        match &self.cipher {
            Cipher::Stream(stream) => {
                let mut next = stream.clone();
                let mut body = [content, &inside].concat();
                next.apply(&mut body);
                self.advance(Next::Stream(next));
                body
            }
            Cipher::Block {
                block,
                key,
                chained,
                encrypt_then_mac,
            } => {
                let mut blocks = content.to_vec();
                if !encrypt_then_mac {
                    blocks.extend(inside);
                }
                let padding = block.len() - 1 - blocks.len() % block.len();
                blocks.resize(blocks.len() + padding + 1, padding as u8);
                // Nobody attacks what is sealed here: the IV is any.
                let (iv, shown) = match chained {
                    Some(iv) => (iv.clone(), &[][..]),
                    None => (vec![0x5a; block.len()], &[0x5a; 16][..block.len()]),
                };
                block.encrypt(key, &iv, &mut blocks);
                let next = blocks[blocks.len() - block.len()..].to_vec();
                let mut body = [shown, &blocks].concat();
                if *encrypt_then_mac {
                    let mac = self.mac(front, &body);
                    body.extend(mac);
                }
                self.advance(Next::Iv(next));
                body
            }
        }
    }

    fn advance(&mut self, to: Next) {
        match (&mut self.cipher, to) {
            (Cipher::Stream(stream), Next::Stream(next)) => *stream = next,
            (
                Cipher::Block {
                    chained: Some(iv), ..
                },
                Next::Iv(next),
            ) => *iv = next,
            _ => {}
        }
    }
}

enum Next {
    Stream(Rc4),
    Iv(Vec<u8>),
}

#[derive(Clone)]
pub struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    pub fn new(key: &[u8]) -> Self {
        let mut state = std::array::from_fn(|at| at as u8);
        let mut j = 0_u8;
        for at in 0..256 {
            j = j.wrapping_add(state[at]).wrapping_add(key[at % key.len()]);
            state.swap(at, j.into());
        }
        Self { state, i: 0, j: 0 }
    }

    fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.i = self.i.wrapping_add(1);
            self.j = self.j.wrapping_add(self.state[usize::from(self.i)]);
            self.state.swap(self.i.into(), self.j.into());
            let [a, b] = [self.i, self.j].map(|at| self.state[usize::from(at)]);
            *byte ^= self.state[usize::from(a.wrapping_add(b))];
        }
    }
}
