//! The key schedules and record protections of TLS 1.3 and of older versions, written once more and on
//! their own, so that someone between two ends can read, change and check everything.
//!
//! RFC 8446 §5.2, §7.1, §7.3, §4.4.4; RFC 5246 §5, §6.2.3.3, §6.3, §7.4.9, RFC 5288, RFC 7905; RFC 2246 §5. What is no AEAD is in
//! [`older_cipher`](crate::older_cipher).

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use portcullis_core::suite::{Authentication, CipherSuite, KeyExchange};

use crate::messages::{extension, random, version};
use crate::older_cipher::{self, Block, Direction, Mac, Rc4, md5};

pub const HEADER: usize = 5;
pub const TAG: usize = 16;

/// What a suite computes with.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    hash: &'static digest::Algorithm,
    mac: hmac::Algorithm,
    cipher: Cipher,
    code_point: u16,
    /// Before TLS 1.3.
    older: Option<Older>,
}

/// What protects records.
#[derive(Clone, Copy, Debug)]
enum Cipher {
    Aead(&'static aead::Algorithm),
    Block(Block, Mac),
    Rc4(Mac),
}

/// What else the hellos say before TLS 1.3.
#[derive(Clone, Copy, Debug, Default)]
pub struct Older {
    /// Of the client's and the server's hello: keys come of them as well.
    pub randoms: [[u8; 32]; 2],
    pub version: u16,
    pub encrypt_then_mac: bool,
}

impl Older {
    pub fn of(client_hello: &[u8], server_hello: &[u8]) -> Option<Self> {
        const ENCRYPT_THEN_MAC: u16 = 22;
        Some(Self {
            randoms: [random(client_hello)?, random(server_hello)?],
            version: version(server_hello)?,
            encrypt_then_mac: extension(server_hello, ENCRYPT_THEN_MAC).is_some(),
        })
    }

    /// RFC 5246 §7.4.1.4.1: before TLS 1.2 nothing says how is signed.
    pub fn says_scheme(self) -> bool {
        self.version >= 0x0303
    }
}

/// How keys are agreed on before TLS 1.3, as far as messages show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub key_exchange: KeyExchange,
    pub authentication: Authentication,
}

impl Exchange {
    pub fn shows_certificate(self) -> bool {
        matches!(
            self.authentication,
            Authentication::Rsa | Authentication::Dss | Authentication::Ecdsa
        )
    }

    /// Nobody here gives a hint.
    pub fn has_share(self) -> bool {
        let in_field = [KeyExchange::Dhe, KeyExchange::DhePsk, KeyExchange::Srp];
        self.has_curve() || in_field.contains(&self.key_exchange)
    }

    pub fn has_curve(self) -> bool {
        matches!(
            self.key_exchange,
            KeyExchange::Ecdhe | KeyExchange::EcdhePsk
        )
    }

    pub fn has_key(self) -> bool {
        self.authentication == Authentication::Psk
    }

    pub fn is_signed(self) -> bool {
        self.shows_certificate() && self.has_share()
    }
}

impl Suite {
    /// `older` is what else the hellos say, which TLS 1.3 has no use for.
    pub fn of(code_point: u16, older: Older) -> Option<Self> {
        use Block::{Aes128, Aes256, Des, TripleDes};
        use Cipher::{Aead, Block as Cbc, Rc4};

        let is_384 = matches!(code_point, 0xc02c | 0x1302 | 0xc024 | 0x00b3);
        let (hash, mac) = match is_384 {
            true => (&digest::SHA384, hmac::HMAC_SHA384),
            false => (&digest::SHA256, hmac::HMAC_SHA256),
        };
        let cipher = match code_point {
            0x1301 | 0xc02b | 0xc02f | 0x009e | 0x009c | 0x00a8 | 0x00aa | 0x00a6 | 0x00ac
            | 0xc02d | 0x00a2 => Aead(&aead::AES_128_GCM),
            0x1302 | 0xc02c => Aead(&aead::AES_256_GCM),
            0x1303 | 0xcca9 | 0xccac => Aead(&aead::CHACHA20_POLY1305),
            0xc009 | 0xc018 | 0x0033 | 0x002f | 0x008c | 0xc035 | 0x0034 | 0xc01d | 0xc01e
            | 0x0094 | 0xc004 => Cbc(Aes128, Mac::Sha1),
            0xc014 => Cbc(Aes256, Mac::Sha1),
            0xc023 => Cbc(Aes128, Mac::Sha256),
            0x003d => Cbc(Aes256, Mac::Sha256),
            0xc024 | 0x00b3 => Cbc(Aes256, Mac::Sha384),
            0xc008 | 0x000a | 0xc017 => Cbc(TripleDes, Mac::Sha1),
            0x0015 => Cbc(Des, Mac::Sha1),
            0xc007 | 0x008a | 0x008e => Rc4(Mac::Sha1),
            0x0004 | 0x0018 => Rc4(Mac::Md5),
            _ => return None,
        };
        Some(Self {
            hash,
            mac,
            cipher,
            code_point,
            older: Self::is_older(code_point).then_some(older),
        })
    }

    /// Whether the suite is of before TLS 1.3.
    pub fn is_older(code_point: u16) -> bool {
        code_point >> 8 != 0x13
    }

    /// What else the hellos say, if this is of before TLS 1.3.
    pub fn older(self) -> Option<Older> {
        self.older
    }

    /// How keys are agreed on, if this is of before TLS 1.3.
    pub fn exchange(self) -> Exchange {
        let info = CipherSuite(self.code_point).info();
        let info = info.expect("a suite of the table");
        Exchange {
            key_exchange: info.key_exchange,
            authentication: info.authentication,
        }
    }

    /// RFC 2246 §5, RFC 4346 §5.
    fn has_two_hashes(self) -> bool {
        self.older.is_some_and(|older| !older.says_scheme())
    }

    /// RFC 5246 §5, RFC 2246 §5.
    fn prf(self, secret: &[u8], label: &str, seed: &[u8], length: usize) -> Vec<u8> {
        let seed = [label.as_bytes(), seed].concat();
        if !self.has_two_hashes() {
            return p_hash(|data| self.mac(secret, data), &seed, length);
        }
        let half = secret.len().div_ceil(2);
        let (one, two) = (&secret[..half], &secret[secret.len() - half..]);
        let mut out = p_hash(|data| Mac::Md5.of(one, data), &seed, length);
        let other = p_hash(|data| Mac::Sha1.of(two, data), &seed, length);
        out.iter_mut().zip(other).for_each(|(to, byte)| *to ^= byte);
        out
    }

    /// verify_data of `writer` before TLS 1.3 (RFC 5246 §7.4.9).
    pub fn older_finished(self, master: &[u8], writer: usize, transcript: &[u8]) -> Vec<u8> {
        let label = ["client finished", "server finished"][writer];
        let hash = match self.has_two_hashes() {
            true => [md5(transcript), sha1(transcript)].concat(),
            false => self.hash(transcript),
        };
        self.prf(master, label, &hash, 12)
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
        !matches!(self.cipher, Cipher::Aead(aead) if aead == &aead::CHACHA20_POLY1305)
    }

    /// What a secret becomes by a KeyUpdate.
    pub fn next_secret(self, secret: &[u8]) -> Vec<u8> {
        self.expand_label(secret, "traffic upd", secret.len())
    }

    /// verify_data of the side that writes under `secret`.
    pub fn finished(self, secret: &[u8], transcript: &[u8]) -> Vec<u8> {
        let key = self.expand_label(secret, "finished", self.hash.output_len());
        self.mac(&key, &self.hash(transcript))
    }
}

fn p_hash(mac: impl Fn(&[u8]) -> Vec<u8>, seed: &[u8], length: usize) -> Vec<u8> {
    let (mut a, mut out) = (seed.to_vec(), Vec::new());
    while out.len() < length {
        a = mac(&a);
        out.extend(mac(&[&a[..], seed].concat()));
    }
    out.truncate(length);
    out
}

fn sha1(data: &[u8]) -> Vec<u8> {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data);
    hash.as_ref().to_vec()
}

/// The keys of one direction.
pub struct Keys {
    suite: Suite,
    /// Before TLS 1.3 there is none of a direction.
    secret: Vec<u8>,
    key: Key,
    iv: Vec<u8>,
    seq: u64,
}

enum Key {
    Aead(LessSafeKey),
    /// Before TLS 1.3.
    Other(Direction),
}

/// What was in a protected record.
pub struct Inner {
    pub typ: u8,
    pub content: Vec<u8>,
    pub padding: usize,
}

impl Keys {
    pub fn new(suite: Suite, secret: &[u8]) -> Self {
        let Cipher::Aead(aead) = suite.cipher else {
            panic!("TLS 1.3 has no other ciphers");
        };
        let key = suite.expand_label(secret, "key", aead.key_len());
        Self {
            suite,
            secret: secret.to_vec(),
            key: aead_key(aead, &key),
            iv: suite.expand_label(secret, "iv", 12),
            seq: 0,
        }
    }

    /// What `writer` protects with before TLS 1.3 (RFC 5246 §6.3).
    pub fn of_master(suite: Suite, master: &[u8], writer: usize) -> Option<Self> {
        let older = suite.older?;
        let is_chained = older.version == 0x0301;
        let (mac_len, key_len, iv_len) = match suite.cipher {
            Cipher::Aead(aead) if suite.has_explicit_nonce() => (0, aead.key_len(), 4),
            Cipher::Aead(aead) => (0, aead.key_len(), 12),
            Cipher::Block(block, mac) if is_chained => (mac.len(), block.key_len(), block.len()),
            Cipher::Block(block, mac) => (mac.len(), block.key_len(), 0),
            Cipher::Rc4(mac) => (mac.len(), 16, 0),
        };
        let [client_random, server_random] = older.randoms;
        let seed = [server_random, client_random].concat();
        let length = 2 * (mac_len + key_len + iv_len);
        let block = suite.prf(master, "key expansion", &seed, length);
        let mut rest = &block[..];
        let [mac_key, key, iv] = [mac_len, key_len, iv_len].map(|length| {
            let (both, behind) = rest.split_at(2 * length);
            rest = behind;
            both[writer * length..][..length].to_vec()
        });
        let mut nonce = iv.clone();
        nonce.resize(12, 0);
        let other = |mac, cipher| {
            Key::Other(Direction {
                mac,
                mac_key: mac_key.clone(),
                cipher,
            })
        };
        let key = match suite.cipher {
            Cipher::Aead(aead) => aead_key(aead, &key),
            Cipher::Block(block, mac) => {
                let cipher = older_cipher::Cipher::Block {
                    block,
                    key,
                    chained: is_chained.then_some(iv),
                    encrypt_then_mac: older.encrypt_then_mac,
                };
                other(mac, cipher)
            }
            Cipher::Rc4(mac) => other(mac, older_cipher::Cipher::Stream(Rc4::new(&key))),
        };
        Some(Self {
            suite,
            secret: Vec::new(),
            key,
            iv: nonce,
            seq: 0,
        })
    }

    /// Goes on as after a KeyUpdate; before TLS 1.3 there is none.
    pub fn update(&mut self) {
        if self.suite.older.is_some() {
            return;
        }
        *self = Self::new(self.suite, &self.suite.next_secret(&self.secret));
    }

    fn nonce(&self, number: [u8; 8]) -> Nonce {
        nonce_of(&self.iv, number)
    }

    /// Opens a whole record; the sequence number moves only if it opens to something.
    pub fn open(&mut self, record: &[u8]) -> Option<Inner> {
        let (head, body) = record.split_at_checked(HEADER)?;
        if self.suite.older.is_some() {
            let content = self.open_older(head, body)?;
            self.seq += 1;
            return Some(Inner {
                typ: head[0],
                content,
                padding: 0,
            });
        }
        let mut body = body.to_vec();
        let Key::Aead(key) = &self.key else {
            return None;
        };
        let inner = key
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

    fn open_older(&mut self, head: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let front = [&self.seq.to_be_bytes()[..], &head[..3]].concat();
        let key = match &mut self.key {
            Key::Other(direction) => return direction.open(&front, body),
            Key::Aead(key) => key,
        };
        let explicit = if self.suite.has_explicit_nonce() {
            8
        } else {
            0
        };
        let (nonce, sealed) = body.split_at_checked(explicit)?;
        let number = nonce.try_into().unwrap_or(self.seq.to_be_bytes());
        let length = sealed.len().checked_sub(TAG)?;
        let data = [&front[..], &(length as u16).to_be_bytes()].concat();
        let nonce = nonce_of(&self.iv, number);
        let mut body = sealed.to_vec();
        let content = key.open_in_place(nonce, Aad::from(data), &mut body).ok()?;
        Some(content.to_vec())
    }

    fn seal_older(&mut self, older: Older, typ: u8, content: &[u8]) -> Vec<u8> {
        let number = self.seq.to_be_bytes();
        let front = [&number[..], &[typ], &older.version.to_be_bytes()].concat();
        self.seq += 1;
        let key = match &mut self.key {
            Key::Other(direction) => {
                let body = direction.seal(&front, content);
                let mut record = header_of(older.version, typ, body.len());
                record.extend(body);
                return record;
            }
            Key::Aead(key) => key,
        };
        let explicit = &number[..if self.suite.has_explicit_nonce() {
            8
        } else {
            0
        }];
        let mut record = header(typ, explicit.len() + content.len() + TAG);
        let data = [&front[..], &(content.len() as u16).to_be_bytes()].concat();
        let mut sealed = content.to_vec();
        let nonce = nonce_of(&self.iv, number);
        key.seal_in_place_append_tag(nonce, Aad::from(data), &mut sealed)
            .expect("sealing works");
        record.extend_from_slice(explicit);
        record.extend_from_slice(&sealed);
        record
    }

    /// Seals one record, of any type and length. Before TLS 1.3 there is no padding.
    pub fn seal(&mut self, typ: u8, content: &[u8], padding: usize) -> Vec<u8> {
        if let Some(older) = self.suite.older {
            return self.seal_older(older, typ, content);
        }
        let mut inner = content.to_vec();
        inner.push(typ);
        inner.resize(inner.len() + padding, 0);
        let mut record = header(23, inner.len() + TAG);
        let Key::Aead(key) = &self.key else {
            panic!("TLS 1.3 has no other ciphers");
        };
        key.seal_in_place_append_tag(
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

fn aead_key(aead: &'static aead::Algorithm, key: &[u8]) -> Key {
    let key = UnboundKey::new(aead, key).expect("the key has the cipher's length");
    Key::Aead(LessSafeKey::new(key))
}

fn nonce_of(iv: &[u8], number: [u8; 8]) -> Nonce {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(iv);
    for (to, byte) in nonce[4..].iter_mut().zip(number) {
        *to ^= byte;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// The header of a record.
pub fn header(typ: u8, length: usize) -> Vec<u8> {
    header_of(0x0303, typ, length)
}

fn header_of(version: u16, typ: u8, length: usize) -> Vec<u8> {
    let [major, minor] = version.to_be_bytes();
    let [high, low] = (length as u16).to_be_bytes();
    vec![typ, major, minor, high, low]
}

/// An unprotected record.
pub fn plain(typ: u8, content: &[u8]) -> Vec<u8> {
    let mut record = header(typ, content.len());
    record.extend_from_slice(content);
    record
}

/// The same with the version of another record.
pub fn plain_like(other: &[u8], typ: u8, content: &[u8]) -> Vec<u8> {
    let mut record = plain(typ, content);
    if let Some(version) = other.get(1..3) {
        record[1..3].copy_from_slice(version);
    }
    record
}
