//! The key schedules and record protections of TLS 1.3 and 1.2, written once more and on their own,
//! so that someone between two ends can read, change and check everything.
//!
//! RFC 8446 §5.2, §7.1, §7.3, §4.4.4; RFC 5246 §5, §6.2.3.3, §6.3, §7.4.9, RFC 5288, RFC 7905.

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
    /// Before TLS 1.3, where keys come of the hellos' randoms as well.
    older: Option<[[u8; 32]; 2]>,
}

impl Suite {
    /// `randoms` are those of the client's and the server's hello.
    pub fn of(code_point: u16, randoms: [[u8; 32]; 2]) -> Option<Self> {
        let (hash, mac, aead) = match code_point {
            0xc02b => (&digest::SHA256, hmac::HMAC_SHA256, &aead::AES_128_GCM),
            0xc02c => (&digest::SHA384, hmac::HMAC_SHA384, &aead::AES_256_GCM),
            0xcca9 => (&digest::SHA256, hmac::HMAC_SHA256, &aead::CHACHA20_POLY1305),
            0x1301 => (&digest::SHA256, hmac::HMAC_SHA256, &aead::AES_128_GCM),
            0x1302 => (&digest::SHA384, hmac::HMAC_SHA384, &aead::AES_256_GCM),
            0x1303 => (&digest::SHA256, hmac::HMAC_SHA256, &aead::CHACHA20_POLY1305),
            _ => return None,
        };
        let older = Self::is_older(code_point).then_some(randoms);
        Some(Self {
            hash,
            mac,
            aead,
            older,
        })
    }

    /// Whether the suite is of before TLS 1.3.
    pub fn is_older(code_point: u16) -> bool {
        code_point >> 8 != 0x13
    }

    /// The randoms of client and server, if this is of before TLS 1.3.
    pub fn older(self) -> Option<[[u8; 32]; 2]> {
        self.older
    }

    /// RFC 5246 §5.
    fn prf(self, secret: &[u8], label: &str, seed: &[u8], length: usize) -> Vec<u8> {
        let seed = [label.as_bytes(), seed].concat();
        let (mut a, mut out) = (seed.clone(), Vec::new());
        while out.len() < length {
            a = self.mac(secret, &a);
            out.extend(self.mac(secret, &[&a[..], &seed].concat()));
        }
        out.truncate(length);
        out
    }

    /// verify_data of `writer` before TLS 1.3 (RFC 5246 §7.4.9).
    pub fn older_finished(self, master: &[u8], writer: usize, transcript: &[u8]) -> Vec<u8> {
        let label = ["client finished", "server finished"][writer];
        self.prf(master, label, &self.hash(transcript), 12)
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

    /// RFC 5288 §3: GCM writes a part of its nonce into each record.
    fn has_explicit_nonce(self) -> bool {
        self.aead != &aead::CHACHA20_POLY1305
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
    /// Before TLS 1.3 there is none of a direction.
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

    /// What `writer` protects with before TLS 1.3 (RFC 5246 §6.3).
    pub fn of_master(suite: Suite, master: &[u8], writer: usize) -> Option<Self> {
        let [client_random, server_random] = suite.older?;
        let key_len = suite.aead.key_len();
        let iv_len = if suite.has_explicit_nonce() { 4 } else { 12 };
        let seed = [server_random, client_random].concat();
        let block = suite.prf(master, "key expansion", &seed, 2 * (key_len + iv_len));
        let (keys, ivs) = block.split_at(2 * key_len);
        let key = keys.chunks_exact(key_len).nth(writer)?;
        let mut iv = ivs.chunks_exact(iv_len).nth(writer)?.to_vec();
        iv.resize(12, 0);
        let key = UnboundKey::new(suite.aead, key).expect("the key has the cipher's length");
        Some(Self {
            suite,
            secret: Vec::new(),
            key: LessSafeKey::new(key),
            iv,
            seq: 0,
        })
    }

    /// Goes on as after a KeyUpdate; before TLS 1.3 there is none.
    pub fn update(&mut self) {
        if self.suite.older.is_some() {
            return;
        }
        let length = self.secret.len();
        let next = self.suite.expand_label(&self.secret, "traffic upd", length);
        *self = Self::new(self.suite, &next);
    }

    fn nonce(&self, number: [u8; 8]) -> Nonce {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.iv);
        for (to, byte) in nonce[4..].iter_mut().zip(number) {
            *to ^= byte;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Opens a whole record; the sequence number moves only if it opens to something.
    pub fn open(&mut self, record: &[u8]) -> Option<Inner> {
        let (head, body) = record.split_at_checked(HEADER)?;
        if self.suite.older.is_some() {
            return self.open_older(head, body);
        }
        let mut body = body.to_vec();
        let inner = self
            .key
            .open_in_place(
                self.nonce(self.seq.to_be_bytes()),
                Aad::from(head),
                &mut body,
            )
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

    fn open_older(&mut self, head: &[u8], body: &[u8]) -> Option<Inner> {
        let explicit = if self.suite.has_explicit_nonce() {
            8
        } else {
            0
        };
        let (nonce, sealed) = body.split_at_checked(explicit)?;
        let number = nonce.try_into().unwrap_or(self.seq.to_be_bytes());
        let length = sealed.len().checked_sub(TAG)?;
        let data = self.additional_data(head, length);
        let mut body = sealed.to_vec();
        let content = self
            .key
            .open_in_place(self.nonce(number), Aad::from(data), &mut body)
            .ok()?
            .to_vec();
        self.seq += 1;
        Some(Inner {
            typ: head[0],
            content,
            padding: 0,
        })
    }

    fn seal_older(&mut self, typ: u8, content: &[u8]) -> Vec<u8> {
        let number = self.seq.to_be_bytes();
        let explicit = &number[..if self.suite.has_explicit_nonce() {
            8
        } else {
            0
        }];
        let mut record = header(typ, explicit.len() + content.len() + TAG);
        let data = self.additional_data(&record, content.len());
        let mut sealed = content.to_vec();
        self.key
            .seal_in_place_append_tag(self.nonce(number), Aad::from(data), &mut sealed)
            .expect("sealing works");
        self.seq += 1;
        record.extend_from_slice(explicit);
        record.extend_from_slice(&sealed);
        record
    }

    /// `length` is that of the content.
    fn additional_data(&self, head: &[u8], length: usize) -> Vec<u8> {
        let length = (length as u16).to_be_bytes();
        [&self.seq.to_be_bytes()[..], &head[..3], &length].concat()
    }

    /// Seals one record, of any type and length. Before TLS 1.3 there is no padding.
    pub fn seal(&mut self, typ: u8, content: &[u8], padding: usize) -> Vec<u8> {
        if self.suite.older.is_some() {
            return self.seal_older(typ, content);
        }
        let mut inner = content.to_vec();
        inner.push(typ);
        inner.resize(inner.len() + padding, 0);
        let mut record = header(23, inner.len() + TAG);
        self.key
            .seal_in_place_append_tag(
                self.nonce(self.seq.to_be_bytes()),
                Aad::from(&record),
                &mut inner,
            )
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
