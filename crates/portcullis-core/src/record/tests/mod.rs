//! Two ends over fixed secrets, no handshake.

mod data_path;
mod hibernation;
mod incoming;
mod key_update;
#[cfg(portcullis_loom)]
mod model;
mod older;
mod outgoing;
mod reader;
mod unprotected;
mod writer;

use std::sync::Arc;

use super::keys::Keys;
use super::protect::{Protection, Tls13};
use super::size::RecordSize;
use super::{HEADER, MAX_INNER_PLAINTEXT, Mailbox, Reader, Role, Writer, header};
use crate::crypto::aead::{AeadAlgorithm, TAG_LEN as TAG};
#[cfg(feature = "ffi")]
use crate::crypto::ccm::CcmAlgorithm;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hkdf::LabelPrefix;
use crate::crypto::secret::SharedSecret;
use crate::error::Reason;
use crate::key_schedule::{EarlySecret, TrafficSecret};
use crate::violation::Violation;
use crate::wire::ContentType;

const ALGORITHMS: &[AeadAlgorithm] = &[
    AeadAlgorithm::Aes128Gcm,
    AeadAlgorithm::Aes256Gcm,
    AeadAlgorithm::ChaCha20Poly1305,
    #[cfg(feature = "ffi")]
    AeadAlgorithm::Ccm(CcmAlgorithm::AES_256.unwrap()),
    #[cfg(feature = "ffi")]
    AeadAlgorithm::Ccm(CcmAlgorithm::AES_128_8.unwrap()),
];

const HANDSHAKE: ContentType = ContentType::HANDSHAKE;
const ALERT: ContentType = ContentType::ALERT;
const DATA: ContentType = ContentType::APPLICATION_DATA;
const CCS: ContentType = ContentType::CHANGE_CIPHER_SPEC;

/// A secret made of one byte.
fn secret_for(aead: AeadAlgorithm, seed: u8) -> TrafficSecret {
    let hash = HashAlgorithm::Sha256;
    EarlySecret::without_psk(hash, LabelPrefix::Tls13)
        .into_handshake(aead, &SharedSecret::new(&[seed; 32]))
        .client_handshake_traffic_secret(&hash.of_nothing())
}

fn secret(seed: u8) -> TrafficSecret {
    secret_for(AeadAlgorithm::Aes128Gcm, seed)
}

/// Whatever protects; its lengths are those of every cipher of TLS 1.3.
pub(super) fn protection() -> Protection {
    Protection::Tls13(Tls13::new(secret(1)))
}

/// Seals records as no honest peer would.
struct Forge {
    secret: TrafficSecret,
    seq: u64,
}

impl Forge {
    fn new(seed: u8) -> Self {
        Self {
            secret: secret(seed),
            seq: 0,
        }
    }

    /// Goes on under the next key.
    fn update(&mut self) {
        self.secret = self.secret.next();
        self.seq = 0;
    }

    /// A record with any inner plaintext.
    fn inner(&mut self, inner: &[u8]) -> Vec<u8> {
        self.outer(DATA, 0x0303, inner)
    }

    /// A record with any header.
    fn outer(&mut self, typ: ContentType, version: u16, inner: &[u8]) -> Vec<u8> {
        let mut record = header::header(typ, version, inner.len() + TAG).to_vec();
        record.extend_from_slice(inner);
        record.extend_from_slice(&[0; TAG]);
        let (head, body) = record.split_at_mut(HEADER);
        let mut key = self.secret.aead_key().unwrap();
        key.seal_in_place(self.seq, head, body).unwrap();
        self.seq += 1;
        record
    }

    fn record(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        self.inner(&[content, &[typ.0]].concat())
    }

    fn padded(&mut self, typ: ContentType, content: &[u8], zeros: usize) -> Vec<u8> {
        self.inner(&[content, &[typ.0], &vec![0; zeros]].concat())
    }
}

fn plain(typ: ContentType, content: &[u8]) -> Vec<u8> {
    plain_with_version(typ, 0x0303, content)
}

fn plain_with_version(typ: ContentType, version: u16, content: &[u8]) -> Vec<u8> {
    let [major, minor] = version.to_be_bytes();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[typ.0, major, minor, high, low], content].concat()
}

fn message(typ: u8, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[typ, a, b, c], body].concat()
}

fn reader_with(role: Role, seed: u8, limit: usize) -> Reader {
    let keys = Keys::from(secret(seed));
    Reader::new(role, keys, limit, 1 << 16, Arc::default())
}

fn reader(role: Role) -> Reader {
    reader_with(role, 1, MAX_INNER_PLAINTEXT)
}

fn writer_with(size: RecordSize, key_update_at: u64, mailbox: Arc<Mailbox>) -> Writer {
    Writer::new(Keys::from(secret(1)), size, key_update_at, mailbox)
}

fn writer() -> Writer {
    writer_with(RecordSize::default(), u64::MAX, Arc::default())
}

/// Cuts bytes into records.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = HEADER + usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let (record, rest) = bytes.split_at(length);
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}

/// The rule a reason stands for.
fn violation(reason: &Reason) -> Violation {
    match reason {
        Reason::Violation(violation) | Reason::Explained { violation, .. } => *violation,
        other => panic!("no violation: {other:?}"),
    }
}
