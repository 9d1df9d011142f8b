//! Which records open, and what one that does not has changed.

use core::time::Duration;

use super::super::connection_id::OwnIds;
use super::super::epochs::{Opened, ReadEpochs, WriteEpoch};
use super::super::header::{self, Header};
use super::super::{ConnectionId, Fault};
use crate::clock::Monotonic;
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hkdf::LabelPrefix;
use crate::crypto::secret::SharedSecret;
use crate::key_schedule::{EarlySecret, TrafficSecret};
use crate::record::{Discarded, MAX_INNER_PLAINTEXT};
use crate::wire::ContentType;

const ALGORITHMS: &[AeadAlgorithm] = &[
    AeadAlgorithm::Aes128Gcm,
    AeadAlgorithm::Aes256Gcm,
    AeadAlgorithm::ChaCha20Poly1305,
    #[cfg(feature = "ffi")]
    AeadAlgorithm::Ccm(crate::crypto::ccm::CcmAlgorithm::AES_256.unwrap()),
    #[cfg(feature = "ffi")]
    AeadAlgorithm::Ccm(crate::crypto::ccm::CcmAlgorithm::AES_128_8.unwrap()),
];

fn secret(aead: AeadAlgorithm) -> TrafficSecret {
    let hash = HashAlgorithm::Sha256;
    EarlySecret::without_psk(hash, LabelPrefix::Dtls13)
        .into_handshake(aead, &SharedSecret::new(&[7; 32]))
        .client_handshake_traffic_secret(&hash.of_nothing())
}

struct Ends {
    write: WriteEpoch,
    read: ReadEpochs,
    ids: OwnIds,
}

impl Ends {
    fn new(aead: AeadAlgorithm) -> Self {
        let mut read = ReadEpochs::default();
        read.install(3, secret(aead).into());
        let write = WriteEpoch::new(3, secret(aead).into());
        let ids = OwnIds::default();
        Self { write, read, ids }
    }

    fn with_id(mut self, id: &[u8]) -> Self {
        let id = ConnectionId::of(id).unwrap();
        self.write.set_id(id);
        self.ids = OwnIds::offer(Some(id));
        self
    }

    fn seal(&mut self, content: &[u8]) -> Vec<u8> {
        let mut record = vec![0; self.write.record_len(content.len())];
        let head = self.write.head_len();
        record[head..head + content.len()].copy_from_slice(content);
        let typ = ContentType::APPLICATION_DATA;
        self.write.seal(typ, content.len(), &mut record).unwrap();
        record
    }

    fn open(&mut self, record: &[u8], now: u64) -> Result<(Opened, Vec<u8>), Fault> {
        let mut record = record.to_vec();
        let Ok((Header::Unified(unified), _)) = header::split(&record, &self.ids) else {
            panic!("it is no protected record");
        };
        let now = Monotonic(Duration::from_secs(now));
        let opened = self
            .read
            .open(unified, &mut record, MAX_INNER_PLAINTEXT, now)?;
        let content = record[opened.content.clone()].to_vec();
        Ok((opened, content))
    }

    fn discarded(&mut self, record: &[u8]) -> Discarded {
        match self.open(record, 0) {
            Err(Fault::Discard(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

/// Also with a tag of eight bytes and nothing in it, where the number is hidden with what pads it.
#[test]
fn every_cipher_opens_what_it_seals() {
    for (aead, id) in ALGORITHMS
        .iter()
        .flat_map(|aead| [(aead, &[][..]), (aead, &[7; 9])])
    {
        let mut ends = Ends::new(*aead).with_id(id);
        for content in [&b""[..], b"x", &[8; 5_000]] {
            let record = ends.seal(content);
            assert!(record.len() >= 5 + id.len() + 16);
            assert!(record[1..].starts_with(id));
            assert_eq!(record[0] & 0x10 != 0, !id.is_empty());
            assert_eq!(ends.open(&record, 0).unwrap().1, content);
            assert_eq!(ends.discarded(&record), Discarded::Replayed);
            let mut from_elsewhere = vec![0; ends.write.record_len(content.len())];
            if from_elsewhere.len() == ends.write.overhead() + content.len() {
                let typ = ContentType::APPLICATION_DATA;
                ends.write
                    .seal_from(typ, content, &mut from_elsewhere)
                    .unwrap();
                assert_eq!(ends.open(&from_elsewhere, 0).unwrap().1, content);
            }
        }
    }
}

/// RFC 9147 §4: what is authenticated is the header with its id, the number as it is.
#[test]
fn an_id_is_authenticated() {
    let mut ends = Ends::new(AeadAlgorithm::Aes128Gcm).with_id(&[7; 9]);
    let record = ends.seal(b"first");
    let other = OwnIds::offer(ConnectionId::of(&[7, 7, 7, 7, 7, 7, 7, 7, 8]));
    let mut forged = record.clone();
    forged[9] = 8;
    let ids = core::mem::replace(&mut ends.ids, other);
    assert_eq!(ends.discarded(&forged), Discarded::DoesNotOpen);
    ends.ids = ids;
    assert_eq!(ends.open(&record, 0).unwrap().1, b"first");
}

/// Whence a peer has moved only the newest record tells.
#[test]
fn which_record_is_the_newest() {
    let mut ends = Ends::new(AeadAlgorithm::Aes128Gcm);
    let [first, second, third] = [b"1", b"2", b"3"].map(|content| ends.seal(content));
    ends.read.update().unwrap();
    let mut is_newest = |record: &[u8]| ends.open(record, 0).unwrap().0.is_newest;
    assert!(is_newest(&second));
    assert!(!is_newest(&first));
    ends.write = ends.write.next().unwrap();
    let next = ends.seal(b"under the next key");
    let mut is_newest = |record: &[u8]| ends.open(record, 0).unwrap().0.is_newest;
    assert!(is_newest(&next));
    // The highest of a key that was replaced.
    assert!(!is_newest(&third));
}

#[test]
fn a_forged_number_moves_nothing() {
    let mut ends = Ends::new(AeadAlgorithm::Aes128Gcm);
    let first = ends.seal(b"first");
    for at in 1..first.len() {
        for bit in 0..8 {
            let mut forged = first.clone();
            forged[at] ^= 1 << bit;
            // The length is the header's matter.
            if !(3..5).contains(&at) {
                assert_eq!(
                    ends.discarded(&forged),
                    Discarded::DoesNotOpen,
                    "{at}.{bit}"
                );
            }
        }
    }
    assert_eq!(ends.open(&first, 0).unwrap().0.number.sequence_number, 0);
}

#[test]
fn records_come_in_any_order() {
    let mut ends = Ends::new(AeadAlgorithm::Aes128Gcm);
    let records: Vec<_> = (0..300_u16).map(|n| ends.seal(&n.to_be_bytes())).collect();
    for at in [299, 44, 150, 298, 45] {
        let (opened, content) = ends.open(&records[at], 0).unwrap();
        assert_eq!(opened.number.sequence_number, at as u64);
        assert_eq!(content, (at as u16).to_be_bytes());
    }
    assert_eq!(ends.discarded(&records[43]), Discarded::TooOld);
}

#[test]
fn short_ciphertexts_are_dropped() {
    let mut ends = Ends::new(AeadAlgorithm::Aes128Gcm);
    for length in 0..16 {
        let record = [&[0x2f, 0, 0, 0, length][..], &vec![9; length.into()]].concat();
        assert_eq!(ends.discarded(&record), Discarded::TooShort);
    }
    let record = [&[0x2f, 0, 0, 0, 16][..], &[9; 16]].concat();
    assert_eq!(ends.discarded(&record), Discarded::DoesNotOpen);
}

/// An epoch is kept for 240 seconds after the next one was used, and told from it by two bits.
#[test]
fn old_epochs_are_kept_for_a_while() {
    let mut ends = Ends::new(AeadAlgorithm::Aes128Gcm);
    let late = ends.seal(b"late");
    let later = ends.seal(b"later");
    ends.read.update().unwrap();
    let mut next = ends.write.next().unwrap();
    core::mem::swap(&mut ends.write, &mut next);
    let record = ends.seal(b"new");
    assert_eq!(ends.open(&record, 10).unwrap().0.number.epoch, 4);
    assert_eq!(ends.read.current(), 4);
    ends.read.expire(Monotonic(Duration::from_secs(249)));
    assert_eq!(ends.open(&late, 249).unwrap().1, b"late");
    ends.read.expire(Monotonic(Duration::from_secs(250)));
    assert_eq!(ends.discarded(&later), Discarded::UnknownEpoch);
}

#[test]
fn no_record_is_sealed_beyond_the_limit() {
    let mut ends = Ends::new(AeadAlgorithm::Aes128Gcm);
    ends.write.wear_out(1);
    assert!(ends.write.is_worn());
    ends.seal(b"the last");
    let mut record = vec![1; ends.write.record_len(1)];
    let typ = ContentType::APPLICATION_DATA;
    assert!(ends.write.seal(typ, 1, &mut record).is_err());
    assert!(record.iter().all(|byte| *byte == 0));
}

#[test]
fn there_are_no_epochs_beyond_16_bits() {
    let mut read = ReadEpochs::default();
    read.install(u16::MAX, secret(AeadAlgorithm::Aes128Gcm).into());
    assert!(read.update().is_err());
    let write = WriteEpoch::new(u16::MAX, secret(AeadAlgorithm::Aes128Gcm).into());
    assert!(write.next().is_none());
}

/// §4.5.3: as much as a key may refuse ends the connection if it is in use, and only the key if it is not.
#[test]
fn an_old_key_that_has_refused_too_much_is_dropped() {
    for is_old in [false, true] {
        let mut ends = Ends::new(AeadAlgorithm::Aes128Gcm);
        let (mut forged, late) = (ends.seal(b"forged"), ends.seal(b"late"));
        forged[10] ^= 1;
        if is_old {
            ends.read.update().unwrap();
            ends.write = ends.write.next().unwrap();
            let record = ends.seal(b"new");
            ends.open(&record, 0).unwrap();
        }
        ends.read.leave_forgeries(3, 2);
        assert_eq!(ends.discarded(&forged), Discarded::DoesNotOpen);
        match (is_old, ends.open(&forged, 0)) {
            (false, Err(Fault::Abort(_))) => {}
            (true, Err(Fault::Discard(Discarded::DoesNotOpen))) => {
                assert_eq!(ends.discarded(&late), Discarded::UnknownEpoch);
                let record = ends.seal(b"as before");
                assert_eq!(ends.open(&record, 0).unwrap().1, b"as before");
            }
            (_, other) => panic!("{other:?}"),
        }
    }
}
