//! Records with a block cipher and a MAC (RFC 5246 §6.2.3.2, RFC 7366), of either order; those of TLS
//! 1.0, too, whose IVs are chained (RFC 2246 §6.2.3.2).

mod chains;

use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::*;
use crate::ProtocolVersion;
use crate::crypto::cbc::{CbcAlgorithm, MAX_BLOCK};
use crate::crypto::legacy::{self, DesAlgorithm};
use crate::crypto::record_mac::MacAlgorithm;
use crate::key_schedule::tls12::CbcParameters;
use crate::rules::{BeastMitigation, Iv};

const MAC_KEY: [u8; 48] = [0x24; 48];
/// Of a direction whose IVs are chained.
const FIRST_IV: [u8; MAX_BLOCK] = [0x77; MAX_BLOCK];
/// Of 3DES, whose keys have to differ, and of DES, which refuses its weak ones.
const DES_KEY: &[u8; 24] = b"one key, another, third.";

/// Every cipher with every MAC, which of them comes first, and where IVs are.
fn all() -> impl Iterator<Item = CbcParameters> {
    let macs = [
        MacAlgorithm::Sha1,
        MacAlgorithm::Sha256,
        MacAlgorithm::Sha384,
    ];
    let both = macs.map(|mac| [(mac, false), (mac, true)]);
    let aes = [CbcAlgorithm::Aes128, CbcAlgorithm::Aes256];
    let des = [DesAlgorithm::TRIPLE, DesAlgorithm::SINGLE];
    let des = des.into_iter().flatten().map(CbcAlgorithm::Des);
    aes.into_iter().chain(des).flat_map(move |cipher| {
        let both = both.into_iter().flatten();
        both.flat_map(move |(mac, encrypt_then_mac)| {
            [Iv::Explicit, Iv::Chained].map(|iv| CbcParameters {
                encrypt_then_mac,
                iv,
                beast_mitigation: BeastMitigation::Off,
                ..CbcParameters::new(cipher, mac)
            })
        })
    })
}

/// Bytes of a block.
fn block(cbc: CbcParameters) -> usize {
    cbc.cipher.block_len()
}

fn cipher_key(cbc: CbcParameters) -> &'static [u8] {
    let all = match cbc.cipher {
        CbcAlgorithm::Aes128 | CbcAlgorithm::Aes256 => &KEY[..],
        CbcAlgorithm::Des(_) => DES_KEY,
    };
    &all[..cbc.cipher.key_len().into()]
}

fn version(cbc: CbcParameters) -> ProtocolVersion {
    match cbc.iv {
        Iv::Explicit => ProtocolVersion::TLS_1_2,
        Iv::Chained => ProtocolVersion::TLS_1_0,
    }
}

fn keys(cbc: CbcParameters) -> Keys {
    Keys::older(DirectionKeys {
        suite: OlderParameters {
            version: version(cbc),
            hash: HashAlgorithm::Sha256.into(),
            cipher: OlderCipher::Cbc(cbc),
        },
        mac_key: Inline::new(&MAC_KEY[..cbc.mac.len().into()]).unwrap(),
        key: Inline::new(cipher_key(cbc)).unwrap(),
        iv: match cbc.iv {
            Iv::Explicit => Inline::zeros(12),
            // As the key block leaves them.
            Iv::Chained => Inline::new(&FIRST_IV[..block(cbc).max(12)]).unwrap(),
        },
    })
}

fn reader_of(cbc: CbcParameters, limit: usize) -> Reader {
    Reader::new(Role::Server, keys(cbc), limit, 1 << 16, Arc::default())
}

fn readers(cbc: CbcParameters) -> (Reader, Reader) {
    let reader = || reader_of(cbc, MAX_PLAINTEXT);
    (reader(), reader())
}

fn writer_of(cbc: CbcParameters, size: RecordSize) -> Writer {
    Writer::new(keys(cbc), size, 1_000, Arc::default())
}

/// Seals and opens as the RFCs say, with nothing of ours.
struct Plain {
    cbc: CbcParameters,
    seq: u64,
    /// The next IV, where IVs are chained.
    chained: Vec<u8>,
}

impl Plain {
    fn new(cbc: CbcParameters) -> Self {
        Self {
            cbc,
            seq: 0,
            chained: FIRST_IV[..block(cbc)].to_vec(),
        }
    }

    fn mac_len(&self) -> usize {
        self.cbc.mac.len().into()
    }

    fn mac(&self, typ: ContentType, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self.cbc.mac {
            MacAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            MacAlgorithm::Sha256 => hmac::HMAC_SHA256,
            MacAlgorithm::Sha384 => hmac::HMAC_SHA384,
            #[cfg(feature = "legacy-ciphers")]
            MacAlgorithm::Md5 => panic!("no block cipher has it"),
        };
        let key = hmac::Key::new(algorithm, &MAC_KEY[..self.mac_len()]);
        let [.., high, low] = bytes.len().to_be_bytes();
        let seq = self.seq.to_be_bytes();
        let [major, minor] = version(self.cbc).0.to_be_bytes();
        let message = [&seq[..], &[typ.0, major, minor, high, low], bytes].concat();
        hmac::sign(&key, &message).as_ref().to_vec()
    }

    fn key(&self) -> UnboundCipherKey {
        let algorithm = match self.cbc.cipher {
            CbcAlgorithm::Aes128 => &AES_128,
            CbcAlgorithm::Aes256 => &AES_256,
            CbcAlgorithm::Des(des) => return des.key(cipher_key(self.cbc)).unwrap(),
        };
        UnboundCipherKey::new(algorithm, cipher_key(self.cbc)).unwrap()
    }

    /// What is encrypted, whatever it is.
    fn blocks(&mut self, typ: ContentType, mut blocks: Vec<u8>) -> Vec<u8> {
        let (iv, shown) = match self.cbc.iv {
            Iv::Explicit => (
                vec![self.seq as u8 ^ 0x5a; block(self.cbc)],
                block(self.cbc),
            ),
            Iv::Chained => (self.chained.clone(), 0),
        };
        let context = match <[u8; MAX_BLOCK]>::try_from(&iv[..]) {
            Ok(iv) => EncryptionContext::Iv128(FixedLength::from(iv)),
            Err(_) => legacy::encryption(&iv).unwrap(),
        };
        let key = EncryptingKey::cbc(self.key()).unwrap();
        key.less_safe_encrypt(&mut blocks, context).unwrap();
        if let Some(before) = blocks.len().checked_sub(block(self.cbc)) {
            self.chained = blocks[before..].to_vec();
        }
        let mut body = [&iv[..shown], &blocks].concat();
        if self.cbc.encrypt_then_mac {
            let mac = self.mac(typ, &body);
            body.extend(mac);
        }
        self.seq += 1;
        self.headed(typ, &body)
    }

    fn headed(&self, typ: ContentType, body: &[u8]) -> Vec<u8> {
        plain_with_version(typ, version(self.cbc).0, body)
    }

    /// With the MAC of the content, if it is inside, and with this padding.
    fn padded(&mut self, typ: ContentType, content: &[u8], padding: &[u8]) -> Vec<u8> {
        let mut blocks = content.to_vec();
        if !self.cbc.encrypt_then_mac {
            blocks.extend(self.mac(typ, content));
        }
        blocks.extend_from_slice(padding);
        self.blocks(typ, blocks)
    }

    /// The least padding, as its last byte.
    fn least_padding(&self, content: usize) -> usize {
        let inside = match self.cbc.encrypt_then_mac {
            true => 0,
            false => self.mac_len(),
        };
        block(self.cbc) - 1 - (content + inside) % block(self.cbc)
    }

    /// With `more` blocks of padding than needed.
    fn record_with(&mut self, typ: ContentType, content: &[u8], more: usize) -> Vec<u8> {
        let last = self.least_padding(content.len()) + more * block(self.cbc);
        self.padded(typ, content, &vec![last as u8; last + 1])
    }

    fn record(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        self.record_with(typ, content, 0)
    }

    /// Type and content.
    fn open(&mut self, record: &[u8]) -> (ContentType, Vec<u8>) {
        let (head, body) = record.split_at(HEADER);
        assert_eq!(head[1..3], version(self.cbc).0.to_be_bytes());
        assert_eq!(usize::from(head[3]) << 8 | usize::from(head[4]), body.len());
        let typ = ContentType(head[0]);
        let mut body = body.to_vec();
        if self.cbc.encrypt_then_mac {
            let mac = body.split_off(body.len() - self.mac_len());
            assert_eq!(mac, self.mac(typ, &body));
        }
        let (iv, mut blocks) = match self.cbc.iv {
            Iv::Explicit => {
                let blocks = body.split_off(block(self.cbc));
                (body, blocks)
            }
            Iv::Chained => (self.chained.clone(), body),
        };
        self.chained = blocks[blocks.len() - block(self.cbc)..].to_vec();
        let context = decryption(&iv);
        let key = DecryptingKey::cbc(self.key()).unwrap();
        key.decrypt(&mut blocks, context).unwrap();
        let padding = usize::from(*blocks.last().unwrap()) + 1;
        assert!(padding <= block(self.cbc), "as short as it can be");
        let tail = blocks.split_off(blocks.len() - padding);
        assert_eq!(tail, vec![padding as u8 - 1; padding]);
        if !self.cbc.encrypt_then_mac {
            let mac = blocks.split_off(blocks.len() - self.mac_len());
            assert_eq!(mac, self.mac(typ, &blocks));
        }
        self.seq += 1;
        (typ, blocks)
    }
}

fn decryption(iv: &[u8]) -> DecryptionContext {
    match <[u8; MAX_BLOCK]>::try_from(iv) {
        Ok(iv) => DecryptionContext::Iv128(FixedLength::from(iv)),
        Err(_) => legacy::decryption(iv).unwrap(),
    }
}

/// The rule for which the record is refused.
fn refused(cbc: CbcParameters, before: &[Vec<u8>], record: &[u8]) -> Violation {
    let (mut into, mut in_place) = readers(cbc);
    for record in before {
        open((&mut into, &mut in_place), record).unwrap();
    }
    let error = open((&mut into, &mut in_place), record).unwrap_err();
    let violation = error.violation().unwrap();
    assert_eq!(error.alert(), Some((Direction::Sent, violation.alert())));
    assert_eq!(into.frame(record).unwrap_err().violation(), Some(violation));
    violation
}

#[test]
fn what_the_library_seals_opens_here() {
    for cbc in all() {
        let (mut into, mut in_place) = readers(cbc);
        let mut plain = Plain::new(cbc);
        for length in (1..70).chain([1_000, 16_383, 16_384]) {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let record = plain.record(DATA, &content);
            let read = open((&mut into, &mut in_place), &record).unwrap();
            assert_eq!(read, Some(content), "{cbc:?}");
        }
        assert_eq!(into.sequence_number(), plain.seq);
    }
}

#[test]
fn what_is_sealed_here_the_library_opens() {
    for cbc in all() {
        let mut writer = writer_of(cbc, RecordSize::default());
        let mut plain = Plain::new(cbc);
        let data: Vec<u8> = (0..40_000).map(|at| (at % 251) as u8).collect();
        let mut out = vec![0xff; writer.max_sealed_len(data.len())];
        let sealed = writer.seal(&data, &mut out).unwrap();
        assert_eq!(sealed.consumed, data.len());
        let sent = records(&out[..sealed.written]);
        assert_eq!(sent.len(), 3);
        let opened = sent.iter().flat_map(|record| {
            let (typ, content) = plain.open(record);
            assert_eq!(typ, DATA);
            let overhead = record.len() - content.len();
            assert_eq!(writer.overhead(content.len()), overhead);
            let reader = reader_of(cbc, MAX_PLAINTEXT);
            assert_eq!(reader.record_len(content.len()), record.len());
            content
        });
        assert!(opened.collect::<Vec<u8>>() == data, "{cbc:?}");
        // From two slices, which is another way of sealing.
        let slices = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        let sealed = writer.seal_vectored(&slices, &mut out).unwrap();
        let opened = plain.open(&out[..sealed.written]);
        assert_eq!(opened, (DATA, b"hello".to_vec()));
        let written = writer.close_notify(&mut out).unwrap();
        assert_eq!(plain.open(&out[..written]), (ALERT, vec![1, 0]));
        assert!(written <= writer.control_len());
    }
}

/// Every length of content and every padding that goes with it, also the most that there can be.
#[test]
fn every_padding() {
    for cbc in all() {
        let (mut into, mut in_place) = readers(cbc);
        let mut plain = Plain::new(cbc);
        for length in (1..=block(cbc)).chain([16_384 - 5, 16_384]) {
            let content = vec![7; length];
            let most = (255 - plain.least_padding(length)) / block(cbc);
            for more in 0..=most {
                let record = plain.record_with(DATA, &content, more);
                let read = open((&mut into, &mut in_place), &record).unwrap();
                assert_eq!(read.as_deref(), Some(&content[..]), "{cbc:?} {more}");
            }
        }
    }
}

/// Every byte of a record counts, and so does its number.
#[test]
fn forgeries() {
    for cbc in all() {
        for more in [0, 2] {
            let record = Plain::new(cbc).record_with(DATA, b"hello, world", more);
            for at in HEADER..record.len() {
                for bit in [1, 0x80] {
                    let mut forged = record.clone();
                    forged[at] ^= bit;
                    let violation = refused(cbc, &[], &forged);
                    assert_eq!(violation, Violation::BadRecordMac, "{cbc:?} byte {at}");
                }
            }
            for typ in [20, 21, 22] {
                let mut forged = record.clone();
                forged[0] = typ;
                assert_eq!(refused(cbc, &[], &forged), Violation::BadRecordMac);
            }
        }
        let mut plain = Plain::new(cbc);
        let [one, two] = [b"1", b"2"].map(|content| plain.record(DATA, content));
        let again = refused(cbc, core::slice::from_ref(&one), &one);
        assert_eq!(again, Violation::BadRecordMac);
        assert_eq!(refused(cbc, &[], &two), Violation::BadRecordMac);
    }
}

/// POODLE: a byte of the padding that is not its length.
#[test]
fn every_byte_of_the_padding_is_looked_at() {
    for cbc in all() {
        let last = Plain::new(cbc).least_padding(9) + 14 * block(cbc);
        for at in 0..last {
            let mut padding = vec![last as u8; last + 1];
            padding[at] ^= 4;
            // The MAC is right, also the one behind all that.
            let record = Plain::new(cbc).padded(DATA, b"no poodle", &padding);
            assert_eq!(refused(cbc, &[], &record), Violation::BadRecordMac);
        }
    }
}

/// Whatever the padding says of what is too short for it, for a MAC, or for both: CVE-2016-2107.
#[test]
fn what_is_too_short() {
    for cbc in all() {
        for blocks in 1..6 * MAX_BLOCK / block(cbc) {
            for byte in [0, 1, 7, 8, 15, 16, 31, 63, 64, 79, 255] {
                let mut bytes = vec![byte; blocks * block(cbc)];
                if cbc.encrypt_then_mac && usize::from(byte) < bytes.len() {
                    // It is padding, and a byte of it is not.
                    let before = bytes.len() - 2;
                    bytes[before] ^= 1;
                }
                if cbc.encrypt_then_mac && byte == 0 {
                    continue;
                }
                let record = Plain::new(cbc).blocks(DATA, bytes);
                let violation = refused(cbc, &[], &record);
                assert_eq!(violation, Violation::BadRecordMac, "{blocks}, {byte}");
            }
        }
        // Shorter, with a header that says so.
        let record = Plain::new(cbc).record_with(DATA, b"hello", 3);
        for length in 0..record.len() - HEADER {
            let short = Plain::new(cbc).headed(DATA, &record[HEADER..HEADER + length]);
            let violation = refused(cbc, &[], &short);
            assert_eq!(violation, Violation::BadRecordMac, "{length} bytes");
        }
    }
}

/// A MAC on the wrong side of the encryption: neither form is taken for the other (RFC 7366 §3).
#[test]
fn one_form_is_not_the_other() {
    for cbc in all() {
        let other = CbcParameters {
            encrypt_then_mac: !cbc.encrypt_then_mac,
            ..cbc
        };
        let record = Plain::new(other).record(DATA, &[7; 100]);
        assert_eq!(refused(cbc, &[], &record), Violation::BadRecordMac);
    }
}

/// How much is content is known only once a record is opened.
#[test]
fn limits_of_this_side() {
    for cbc in all() {
        for (limit, beyond) in [
            (MAX_PLAINTEXT, Violation::PlaintextTooLong),
            (100, Violation::RecordBeyondLimit),
        ] {
            for more in [0, 1] {
                let readers = || (reader_of(cbc, limit), reader_of(cbc, limit));
                let (mut into, mut in_place) = readers();
                let mut plain = Plain::new(cbc);
                let most = plain.record_with(DATA, &vec![7; limit], more);
                let read = open((&mut into, &mut in_place), &most).unwrap();
                assert_eq!(read.map(|content| content.len()), Some(limit));
                let record = plain.record_with(DATA, &vec![7; limit + 1], more);
                let error = open((&mut into, &mut in_place), &record).unwrap_err();
                assert_eq!(error.violation(), Some(beyond), "{cbc:?} {limit}");
            }
            // What cannot be right however much of it is padding is refused on its header.
            let mut reader = reader_of(cbc, limit);
            let room = limit + 256 + usize::from(cbc.mac.len()) + block(cbc) + 1;
            let [.., high, low] = room.to_be_bytes();
            let [major, minor] = version(cbc).0.to_be_bytes();
            let error = reader.frame(&[23, major, minor, high, low]).unwrap_err();
            assert_eq!(error.violation(), Some(beyond));
        }
    }
}

#[test]
fn limits_of_the_peer() {
    for cbc in all() {
        for (limit, fragment) in [(65, u16::MAX), (u16::MAX, 64)] {
            let mut size = RecordSize::default();
            size.set_record_size_limit(limit);
            size.set_max_fragment(fragment);
            let mut writer = writer_of(cbc, size);
            let mut plain = Plain::new(cbc);
            let mut out = vec![0; writer.max_sealed_len(200)];
            let sealed = writer.seal(&[1; 200], &mut out).unwrap();
            let records = records(&out[..sealed.written]);
            let lengths: Vec<_> = records
                .iter()
                .map(|record| plain.open(record).1.len())
                .collect();
            assert_eq!(lengths, [64, 64, 64, 8]);
        }
    }
}

/// However short the outputs are: each record fits, and is as long as it can be.
#[test]
fn short_outputs() {
    for cbc in all() {
        let mut writer = writer_of(cbc, RecordSize::default());
        let mut plain = Plain::new(cbc);
        for room in 0..260 {
            let mut out = vec![0; room];
            let sealed = writer.seal(&[9; 400], &mut out).unwrap();
            let fits = (1..=400).rev().find(|n| n + writer.overhead(*n) <= room);
            assert_eq!(sealed.consumed, fits.unwrap_or_default(), "{cbc:?} {room}");
            if let Some(length) = fits {
                let (_, content) = plain.open(&out[..sealed.written]);
                assert_eq!(content, vec![9; length]);
            }
        }
        assert_eq!(writer.sequence_number(), plain.seq);
    }
}

/// RFC 5246 §6.2.3.2: an IV that could be foreseen lets an attacker try what a block holds (BEAST).
#[test]
fn no_iv_comes_again() {
    for cbc in all().filter(|cbc| cbc.iv == Iv::Explicit) {
        let mut writer = writer_of(cbc, RecordSize::default());
        let mut out = vec![0; writer.max_sealed_len(1)];
        let mut seen = std::collections::HashSet::new();
        for _ in 0..300 {
            let sealed = writer.seal(b"x", &mut out).unwrap();
            assert!(sealed.written > 0);
            let body = &out[HEADER..sealed.written];
            let (iv, blocks) = body.split_at(block(cbc));
            assert!(seen.insert(iv.to_vec()));
            // Nor is it the end of the record before it.
            assert!(seen.insert(blocks[..block(cbc)].to_vec()));
        }
    }
}

/// CVE-2019-1559: an empty record is like every other, also one that is forged.
#[test]
fn empty_records_are_not_many() {
    for cbc in all() {
        let mut forged = Plain::new(cbc).record(DATA, b"");
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(refused(cbc, &[], &forged), Violation::BadRecordMac);
        let (mut into, mut in_place) = readers(cbc);
        let mut plain = Plain::new(cbc);
        for _ in 0..32 {
            let empty = plain.record(DATA, b"");
            assert_eq!(open((&mut into, &mut in_place), &empty).unwrap(), None);
        }
        let error = open((&mut into, &mut in_place), &plain.record(DATA, b"")).unwrap_err();
        assert_eq!(error.violation(), Some(Violation::TooManyEmptyRecords));
    }
}

/// What was given back is set up again, in the right direction, and goes on with its number.
#[test]
fn hibernation() {
    for cbc in all() {
        let mut writer = writer_of(cbc, RecordSize::default());
        let (mut into, mut in_place) = readers(cbc);
        assert!(writer.is_hibernating() && into.is_hibernating());
        let mut out = vec![0; writer.max_sealed_len(100)];
        for round in 0..20_u8 {
            let sealed = writer.seal(&[round; 100], &mut out).unwrap();
            assert_eq!(sealed.consumed, 100, "no KeyUpdate after 1,000 bytes");
            let read = open((&mut into, &mut in_place), &out[..sealed.written]).unwrap();
            assert_eq!(read, Some(vec![round; 100]));
            assert!(!writer.is_hibernating() && !into.is_hibernating());
            match round % 4 {
                0 => writer.hibernate(),
                1 => into.hibernate(),
                2 => {
                    let parked = writer.park().unwrap();
                    assert!(writer.is_hibernating() && writer.park().is_none());
                    writer.unpark(parked);
                    assert!(!writer.is_hibernating());
                }
                _ => drop(writer.park()),
            }
        }
        assert_eq!(
            (writer.traffic_secret(), into.traffic_secret()),
            (None, None)
        );
    }
}

/// A record of another version than was negotiated, whatever is in it (RFC 5246 §6.2.1).
#[test]
fn records_of_another_version() {
    for cbc in all() {
        let record = Plain::new(cbc).record(DATA, b"hello");
        for minor in 0..5 {
            let mut other = record.clone();
            other[2] = minor;
            if other != record {
                assert_eq!(refused(cbc, &[], &other), Violation::RecordVersionChanged);
            }
        }
    }
}

/// Where only the length of the padding is looked at, it may be anything; the MAC may not.
#[test]
fn padding_that_is_not_looked_at() {
    for cbc in all().filter(|cbc| cbc.iv == Iv::Chained) {
        let lenient = CbcParameters {
            checks_padding: false,
            ..cbc
        };
        for more in [0, 1, 14] {
            let last = Plain::new(cbc).least_padding(5) + more * block(cbc);
            let padding: Vec<u8> = (0..last).map(|at| at as u8).chain([last as u8]).collect();
            let record = Plain::new(cbc).padded(DATA, b"hello", &padding);
            let (mut into, mut in_place) = readers(lenient);
            let read = open((&mut into, &mut in_place), &record).unwrap();
            assert_eq!(read.as_deref(), Some(&b"hello"[..]));
            assert_eq!(refused(cbc, &[], &record), Violation::BadRecordMac);
            for at in [HEADER, record.len() - 1] {
                let mut forged = record.clone();
                forged[at] ^= 1;
                assert_eq!(refused(lenient, &[], &forged), Violation::BadRecordMac);
            }
        }
        // Longer than what is there.
        let blocks = Plain::new(cbc).blocks(DATA, vec![0xff; 6 * MAX_BLOCK]);
        assert_eq!(refused(lenient, &[], &blocks), Violation::BadRecordMac);
    }
}

/// Sweet32: after 2^26 blocks of 64 bits nothing more is sealed, and it is said why.
#[cfg(feature = "legacy-ciphers")]
#[test]
fn a_key_of_des_is_worn_out_before_blocks_repeat() {
    for cbc in all() {
        let (records, bytes) = cbc.cipher.limits_for_good();
        let has_limit = matches!(cbc.cipher, CbcAlgorithm::Des(_));
        assert_eq!(has_limit, bytes < 1 << 29, "{cbc:?}");
        assert_eq!(writer_of(cbc, RecordSize::default()).keys.left, records);
        if !has_limit {
            continue;
        }
        let mut writer = writer_of(cbc, RecordSize::default());
        let mut out = vec![0; writer.max_sealed_len(8)];
        writer.bytes = bytes - 2;
        assert_eq!(writer.seal(b"x", &mut out).unwrap().consumed, 1);
        assert_eq!(writer.seal(b"xy", &mut out).unwrap().consumed, 0);
        let error = writer.seal(b"x", &mut out).unwrap_err();
        assert!(matches!(error.reason(), Reason::KeyWornOut), "{error}");
    }
}
