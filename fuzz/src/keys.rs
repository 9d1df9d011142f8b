//! The key schedule and record protection of TLS 1.3, written once more and on its own, so that
//! someone between two ends can read, change and check everything.
//!
//! RFC 8446 §5.2, §7.1, §7.3, §4.4.4.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};

pub const HEADER: usize = 5;
pub const TAG: usize = 16;

/// What a suite computes with.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    hash: &'static digest::Algorithm,
    mac: hmac::Algorithm,
    aead: &'static aead::Algorithm,
}

impl Suite {
    pub fn of(code_point: u16) -> Option<Self> {
        let (hash, mac, aead) = match code_point {
            0x1301 => (&digest::SHA256, hmac::HMAC_SHA256, &aead::AES_128_GCM),
            0x1302 => (&digest::SHA384, hmac::HMAC_SHA384, &aead::AES_256_GCM),
            0x1303 => (&digest::SHA256, hmac::HMAC_SHA256, &aead::CHACHA20_POLY1305),
            _ => return None,
        };
        Some(Self { hash, mac, aead })
    }

    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        digest::digest(self.hash, data).as_ref().to_vec()
    }

    fn mac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(self.mac, key);
        hmac::sign(&key, data).as_ref().to_vec()
    }

    /// HKDF-Expand-Label with an empty context; one block is enough for all that is needed here.
    fn expand_label(self, secret: &[u8], label: &str, length: usize) -> Vec<u8> {
        let label = format!("tls13 {label}");
        let mut info = vec![0, length as u8, label.len() as u8];
        info.extend_from_slice(label.as_bytes());
        info.extend_from_slice(&[0, 1]);
        let mut block = self.mac(secret, &info);
        assert!(length <= block.len());
        block.truncate(length);
        block
    }

    /// verify_data of the side that writes under `secret`.
    pub fn finished(self, secret: &[u8], transcript: &[u8]) -> Vec<u8> {
        let key = self.expand_label(secret, "finished", self.hash.output_len());
        self.mac(&key, &self.hash(transcript))
    }
}

/// The keys of one direction.
pub struct Keys {
    suite: Suite,
    secret: Vec<u8>,
    key: LessSafeKey,
    iv: Vec<u8>,
    seq: u64,
}

/// What was in a protected record.
pub struct Inner {
    pub typ: u8,
    pub content: Vec<u8>,
    pub padding: usize,
}

impl Keys {
    pub fn new(suite: Suite, secret: &[u8]) -> Self {
        let key = suite.expand_label(secret, "key", suite.aead.key_len());
        let key = UnboundKey::new(suite.aead, &key).expect("the key has the cipher's length");
        Self {
            suite,
            secret: secret.to_vec(),
            key: LessSafeKey::new(key),
            iv: suite.expand_label(secret, "iv", 12),
            seq: 0,
        }
    }

    /// Goes on as after a KeyUpdate.
    pub fn update(&mut self) {
        let length = self.secret.len();
        let next = self.suite.expand_label(&self.secret, "traffic upd", length);
        *self = Self::new(self.suite, &next);
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.iv);
        for (to, byte) in nonce[4..].iter_mut().zip(self.seq.to_be_bytes()) {
            *to ^= byte;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Opens a whole record; the sequence number moves only if it opens to something.
    pub fn open(&mut self, record: &[u8]) -> Option<Inner> {
        let (head, body) = record.split_at_checked(HEADER)?;
        let mut body = body.to_vec();
        let inner = self
            .key
            .open_in_place(self.nonce(), Aad::from(head), &mut body)
            .ok()?;
        let end = inner.iter().rposition(|byte| *byte != 0)?;
        let opened = Inner {
            typ: inner[end],
            content: inner[..end].to_vec(),
            padding: inner.len() - end - 1,
        };
        self.seq += 1;
        Some(opened)
    }

    /// Seals one record, of any type and length.
    pub fn seal(&mut self, typ: u8, content: &[u8], padding: usize) -> Vec<u8> {
        let mut inner = content.to_vec();
        inner.push(typ);
        inner.resize(inner.len() + padding, 0);
        let mut record = header(23, inner.len() + TAG);
        self.key
            .seal_in_place_append_tag(self.nonce(), Aad::from(&record), &mut inner)
            .expect("sealing works");
        self.seq += 1;
        record.extend_from_slice(&inner);
        record
    }
}

/// The header of a record.
pub fn header(typ: u8, length: usize) -> Vec<u8> {
    let [high, low] = (length as u16).to_be_bytes();
    vec![typ, 3, 3, high, low]
}

/// An unprotected record.
pub fn plain(typ: u8, content: &[u8]) -> Vec<u8> {
    let mut record = header(typ, content.len());
    record.extend_from_slice(content);
    record
}
