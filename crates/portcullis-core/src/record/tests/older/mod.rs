//! Records of before TLS 1.3 (RFC 5246 §6.2.3.3, RFC 5288, RFC 7905), made by the crypto library
//! alone and read here, and the reverse.

mod cbc;
mod messages;
#[cfg(feature = "legacy-ciphers")]
mod stream;

use std::io::IoSlice;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};

use super::*;
use crate::ProtocolVersion;
use crate::alert::AlertDescription;
use crate::crypto::ccm::CcmAlgorithm;
use crate::crypto::secret::Inline;
use crate::error::{Direction, Error};
use crate::key_schedule::tls12::{DirectionKeys, OlderCipher, OlderParameters};
use crate::record::{Frame, Opened};
use crate::wire::MAX_PLAINTEXT;

const KEY: [u8; 32] = [0x42; 32];
const IV: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// GCM and CCM.
fn is_explicit(aead: AeadAlgorithm) -> bool {
    aead != AeadAlgorithm::ChaCha20Poly1305
}

/// Bytes besides header and content.
fn overhead(aead: AeadAlgorithm) -> usize {
    aead.tag_len() + if is_explicit(aead) { 8 } else { 0 }
}

pub(super) fn keys(aead: AeadAlgorithm) -> Keys {
    let mut iv = IV;
    if is_explicit(aead) {
        iv[4..].fill(0);
    }
    Keys::older(DirectionKeys {
        suite: OlderParameters {
            version: ProtocolVersion::TLS_1_2,
            hash: HashAlgorithm::Sha256.into(),
            cipher: OlderCipher::Aead(aead),
        },
        mac_key: Inline::empty(),
        key: Inline::new(&KEY[..aead.key_len().into()]).unwrap(),
        iv: Inline::new(&iv).unwrap(),
    })
}

fn reader_of(aead: AeadAlgorithm, role: Role, limit: usize) -> Reader {
    Reader::new(role, keys(aead), limit, 1 << 16, Arc::default())
}

fn writer_of(aead: AeadAlgorithm, size: RecordSize) -> Writer {
    Writer::new(keys(aead), size, 1_000, Arc::default())
}

/// Seals as the RFCs say, with nothing of ours.
pub(super) struct Plain {
    aead: AeadAlgorithm,
    seq: u64,
    /// What GCM writes into the record; the sequence number, unless a peer likes another.
    explicit: fn(u64) -> u64,
}

impl Plain {
    pub(super) fn new(aead: AeadAlgorithm) -> Self {
        let explicit = |seq| seq;
        Self {
            aead,
            seq: 0,
            explicit,
        }
    }

    fn seal(&self, nonce: [u8; 12], data: &[u8], content: &[u8]) -> Vec<u8> {
        let key = &KEY[..self.aead.key_len().into()];
        let algorithm: &'static Algorithm = match self.aead {
            AeadAlgorithm::Aes128Gcm => &AES_128_GCM,
            AeadAlgorithm::Aes256Gcm => &AES_256_GCM,
            AeadAlgorithm::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            AeadAlgorithm::Ccm(ccm) => return seal_ccm(ccm, key, &nonce, data, content),
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap());
        let (nonce, mut sealed) = (Nonce::assume_unique_for_key(nonce), content.to_vec());
        key.seal_in_place_append_tag(nonce, Aad::from(data), &mut sealed)
            .unwrap();
        sealed
    }

    /// The nonce, and the part of it that is in the record.
    fn nonce(&self) -> ([u8; 12], Vec<u8>) {
        let mut nonce = IV;
        if is_explicit(self.aead) {
            let explicit = (self.explicit)(self.seq).to_be_bytes();
            nonce[4..].copy_from_slice(&explicit);
            return (nonce, explicit.to_vec());
        }
        let seq = self.seq.to_be_bytes();
        nonce[4..]
            .iter_mut()
            .zip(seq)
            .for_each(|(to, byte)| *to ^= byte);
        (nonce, Vec::new())
    }

    pub(super) fn record(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        let (nonce, explicit) = self.nonce();
        let [.., high, low] = content.len().to_be_bytes();
        let data = [&self.seq.to_be_bytes()[..], &[typ.0, 3, 3, high, low]].concat();
        let sealed = self.seal(nonce, &data, content);
        self.seq += 1;
        plain(typ, &[explicit, sealed].concat())
    }
}

#[cfg(feature = "ffi")]
fn seal_ccm(
    algorithm: CcmAlgorithm,
    key: &[u8],
    nonce: &[u8; 12],
    data: &[u8],
    content: &[u8],
) -> Vec<u8> {
    use portcullis_ffi::{Ccm, TagLen};
    let tag_len = match algorithm.tag_len() {
        8 => TagLen::Eight,
        _ => TagLen::Sixteen,
    };
    let (mut sealed, mut tag) = (content.to_vec(), vec![0; tag_len.bytes()]);
    let mut key = Ccm::new(key, tag_len).unwrap();
    key.seal(nonce, data, &mut sealed, &mut tag).unwrap();
    [sealed, tag].concat()
}

#[cfg(not(feature = "ffi"))]
fn seal_ccm(algorithm: CcmAlgorithm, _: &[u8], _: &[u8; 12], _: &[u8], _: &[u8]) -> Vec<u8> {
    match algorithm {}
}

/// Opens in both ways, which must agree.
fn open(
    (into, in_place): (&mut Reader, &mut Reader),
    record: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let frame = into.frame(record);
    assert_eq!(frame.as_ref().ok(), in_place.frame(record).as_ref().ok());
    let Frame::Record { len, plaintext } = frame? else {
        panic!("no record");
    };
    assert_eq!(len, record.len());
    let (mut out, mut own) = (vec![0xaa; plaintext + 3], record.to_vec());
    let ours = into.open_into(record, &mut out);
    let theirs = in_place.open_in_place(&mut own);
    assert_eq!(out[plaintext..], [0xaa; 3], "beyond the plaintext");
    match (ours, theirs) {
        (Ok(Opened::Data(a)), Ok(Opened::Data(b))) => {
            assert_eq!(out[a.clone()], own[b]);
            Ok(Some(out[a].to_vec()))
        }
        (ours, theirs) => {
            assert_eq!(out[..plaintext], vec![0; plaintext], "nothing is exposed");
            assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok());
            ours.map(|_| None)
        }
    }
}

fn readers(aead: AeadAlgorithm, role: Role) -> (Reader, Reader) {
    let reader = || reader_of(aead, role, MAX_PLAINTEXT);
    (reader(), reader())
}

/// The rule for which the record is refused, after those before it were taken.
fn refused(aead: AeadAlgorithm, role: Role, before: &[Vec<u8>], record: &[u8]) -> Violation {
    let (mut into, mut in_place) = readers(aead, role);
    for record in before {
        open((&mut into, &mut in_place), record).unwrap();
    }
    let error = open((&mut into, &mut in_place), record).unwrap_err();
    let violation = error.violation().unwrap();
    assert_eq!(error.alert(), Some((Direction::Sent, violation.alert())));
    assert!(into.writer_has_work());
    // For ever.
    assert_eq!(into.frame(record).unwrap_err().violation(), Some(violation));
    violation
}

#[test]
fn what_the_library_seals_opens_here() {
    for &aead in ALGORITHMS {
        let (mut into, mut in_place) = readers(aead, Role::Server);
        let mut plain = Plain::new(aead);
        for length in [1, 2, 100, 16_383, 16_384] {
            let content = vec![7; length];
            let record = plain.record(DATA, &content);
            let read = open((&mut into, &mut in_place), &record).unwrap();
            assert_eq!(read, Some(content));
        }
        assert_eq!(into.sequence_number(), 5);
    }
}

#[test]
fn what_is_sealed_here_is_what_the_library_seals() {
    for &aead in ALGORITHMS {
        let mut writer = writer_of(aead, RecordSize::default());
        let mut plain = Plain::new(aead);
        let data: Vec<u8> = (0..40_000).map(|at| (at % 251) as u8).collect();
        let mut out = vec![0xff; writer.max_sealed_len(data.len())];
        let sealed = writer.seal(&data, &mut out).unwrap();
        assert_eq!(sealed.consumed, data.len());
        let expected: Vec<u8> = data
            .chunks(MAX_PLAINTEXT)
            .flat_map(|content| plain.record(DATA, content))
            .collect();
        assert!(out[..sealed.written] == expected, "{aead:?}");
        assert_eq!(sealed.written, data.len() + 3 * (HEADER + overhead(aead)));
        // From two slices, which is another way of sealing.
        let slices = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        let sealed = writer.seal_vectored(&slices, &mut out).unwrap();
        assert_eq!(out[..sealed.written], plain.record(DATA, b"hello"));
        assert_eq!(writer.overhead(5), HEADER + overhead(aead));
        let reader = reader_of(aead, Role::Client, MAX_PLAINTEXT);
        assert_eq!(reader.record_len(5), 5 + HEADER + overhead(aead));
        // An alert is of its own type, for all to see.
        let written = writer.close_notify(&mut out).unwrap();
        assert_eq!(out[..written], plain.record(ALERT, &[1, 0]));
        assert!(written <= writer.control_len());
    }
}

/// The number is not a secret: the outputs are short, and no two records may have the same.
#[test]
fn a_nonce_is_used_once() {
    for &aead in ALGORITHMS {
        let mut writer = writer_of(aead, RecordSize::default());
        let mut plain = Plain::new(aead);
        let mut data = &[9; 400][..];
        for room in (0..60).cycle().take(240) {
            let mut out = vec![0; room];
            let sealed = writer.seal(data, &mut out).unwrap();
            data = &data[sealed.consumed..];
            for record in records(&out[..sealed.written]) {
                let content = vec![9; record.len() - HEADER - overhead(aead)];
                assert_eq!(record, plain.record(DATA, &content));
            }
            assert_eq!(writer.sequence_number(), plain.seq);
        }
        assert!(plain.seq > 5);
    }
}

/// RFC 5288 §3: what a peer writes there is for it to choose.
#[test]
fn an_explicit_nonce_is_what_it_is() {
    for &aead in ALGORITHMS {
        let (mut into, mut in_place) = readers(aead, Role::Server);
        let mut plain = Plain::new(aead);
        plain.explicit = |seq| u64::MAX - 77 * seq;
        for content in [b"one", b"two"] {
            let record = plain.record(DATA, content);
            let read = open((&mut into, &mut in_place), &record).unwrap();
            assert_eq!(read.as_deref(), Some(&content[..]));
        }
    }
}

#[test]
fn forgeries() {
    for &aead in ALGORITHMS {
        let record = Plain::new(aead).record(DATA, b"hello");
        for at in HEADER..record.len() {
            let mut forged = record.clone();
            forged[at] ^= 1;
            let violation = refused(aead, Role::Server, &[], &forged);
            assert_eq!(violation, Violation::BadRecordMac, "byte {at}");
        }
        // The type is authenticated, and so is the number: replayed, left out, exchanged.
        for typ in [20, 21, 22] {
            let mut forged = record.clone();
            forged[0] = typ;
            let violation = refused(aead, Role::Server, &[], &forged);
            assert_eq!(violation, Violation::BadRecordMac);
        }
        let mut plain = Plain::new(aead);
        let [one, two] = [b"1", b"2"].map(|content| plain.record(DATA, content));
        let again = refused(aead, Role::Server, core::slice::from_ref(&one), &one);
        assert_eq!(again, Violation::BadRecordMac);
        assert_eq!(
            refused(aead, Role::Server, &[], &two),
            Violation::BadRecordMac
        );
        // Shorter, with a header that says so.
        for length in 0..record.len() - HEADER {
            let short = super::plain(DATA, &record[HEADER..HEADER + length]);
            let violation = refused(aead, Role::Server, &[], &short);
            assert_eq!(violation, Violation::BadRecordMac, "{length} bytes");
        }
    }
}

#[test]
fn headers() {
    for &aead in ALGORITHMS {
        let most = (MAX_PLAINTEXT + overhead(aead)) as u16;
        let [high, low] = most.to_be_bytes();
        let [higher, lower] = (most + 1).to_be_bytes();
        let frame = |header: [u8; 5], limit| reader_of(aead, Role::Client, limit).frame(&header);
        for typ in 20..=23 {
            assert!(frame([typ, 3, 3, high, low], MAX_PLAINTEXT).is_ok());
            let error = frame([typ, 3, 3, higher, lower], MAX_PLAINTEXT).unwrap_err();
            assert_eq!(error.violation(), Some(Violation::PlaintextTooLong));
            let error = frame([typ, 3, 3, high, low], 64).unwrap_err();
            assert_eq!(error.violation(), Some(Violation::RecordBeyondLimit));
            let [high, low] = (64 + overhead(aead) as u16).to_be_bytes();
            assert!(frame([typ, 3, 3, high, low], 64).is_ok());
        }
        for (header, expected) in [
            ([23, 3, 1, 0, 40], Violation::RecordVersionChanged),
            ([23, 3, 4, 0, 40], Violation::RecordVersionChanged),
            ([22, 2, 3, 0, 40], Violation::WrongRecordVersion),
            ([24, 3, 3, 0, 40], Violation::UnknownRecordType),
            ([19, 3, 3, 0, 40], Violation::UnknownRecordType),
            // RFC 5246 §6.2.3: 2^14 + 2,048, though no AEAD needs them.
            ([23, 3, 3, 0x48, 0], Violation::PlaintextTooLong),
            ([23, 3, 3, 0x48, 1], Violation::RecordTooLong),
            ([23, 3, 3, 0, 15], Violation::BadRecordMac),
        ] {
            let error = frame(header, MAX_PLAINTEXT).unwrap_err();
            assert_eq!(error.violation(), Some(expected), "{header:?}");
        }
    }
}

/// RFC 8449 §4: before TLS 1.3 the limit counts content; `RecordSize` counts as TLS 1.3 does.
#[test]
fn limits_of_the_peer() {
    for &aead in ALGORITHMS {
        for (limit, fragment) in [(65, u16::MAX), (u16::MAX, 64)] {
            let mut size = RecordSize::default();
            size.set_record_size_limit(limit);
            size.set_max_fragment(fragment);
            let mut writer = writer_of(aead, size);
            assert_eq!(writer.fragment_len(), 64);
            let mut out = vec![0; writer.max_sealed_len(200)];
            let sealed = writer.seal(&[1; 200], &mut out).unwrap();
            let lengths: Vec<_> = records(&out[..sealed.written])
                .iter()
                .map(|record| record.len() - HEADER - overhead(aead))
                .collect();
            assert_eq!(lengths, [64, 64, 64, 8]);
        }
    }
}

#[test]
fn empty_records_are_not_many() {
    for &aead in ALGORITHMS {
        let (mut into, mut in_place) = readers(aead, Role::Server);
        let mut plain = Plain::new(aead);
        for round in 0..2 {
            for _ in 0..32 {
                let empty = plain.record(DATA, b"");
                assert_eq!(open((&mut into, &mut in_place), &empty).unwrap(), None);
            }
            if round == 0 {
                let data = plain.record(DATA, b"x");
                open((&mut into, &mut in_place), &data).unwrap();
            }
        }
        let error = open((&mut into, &mut in_place), &plain.record(DATA, b"")).unwrap_err();
        assert_eq!(error.violation(), Some(Violation::TooManyEmptyRecords));
    }
}

/// A key that was given back is set up again, also in another place, and goes on with its number.
#[test]
fn hibernation() {
    for &aead in ALGORITHMS {
        let mut writer = writer_of(aead, RecordSize::default());
        let (mut into, mut in_place) = readers(aead, Role::Server);
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
        let mut other = writer_of(aead, RecordSize::default());
        other.unpark(writer.park().unwrap_or_else(|| {
            writer.seal(b"x", &mut out).unwrap();
            writer.park().unwrap()
        }));
        assert!(other.is_hibernating(), "of another connection");
        assert_eq!((writer.key_generation(), into.key_generation()), (0, 0));
        assert_eq!(
            (writer.traffic_secret(), into.traffic_secret()),
            (None, None)
        );
    }
}

/// RFC 5246 has no KeyUpdate: asked for here it is a misuse, and from a peer a violation.
#[test]
fn keys_are_not_updated() {
    for &aead in ALGORITHMS {
        let mut writer = writer_of(aead, RecordSize::default());
        let mut out = vec![0; 200];
        for request in [false, true] {
            let error = writer.key_update(request, &mut out).unwrap_err();
            assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
            assert_eq!(error.alert(), None, "the peer hears nothing of it");
        }
        // Nothing has changed.
        let sealed = writer.seal(b"x", &mut out).unwrap();
        assert_eq!(out[..sealed.written], Plain::new(aead).record(DATA, b"x"));
        for role in [Role::Client, Role::Server] {
            let update = Plain::new(aead).record(HANDSHAKE, &message(24, &[0]));
            let violation = refused(aead, role, &[], &update);
            assert_eq!(violation, Violation::UnexpectedPostHandshakeMessage);
        }
    }
}

/// Where another handshake may bring one, it is wished for while enough is left of the key, and told once. Nobody
/// need listen: then the key is used up.
#[test]
fn a_key_is_to_be_replaced_before_it_is_worn_out() {
    let aead = AeadAlgorithm::Aes128Gcm;
    let (records, bytes) = aead.limits_for_good();
    let mut out = vec![0; 100_000];
    let wishing = |at| {
        let mut writer = writer_of(aead, RecordSize::default());
        writer.renegotiate_at(at);
        writer
    };
    let mut wishes = |writer: &mut Writer| {
        assert!(!writer.mailbox().wishes_to_renegotiate());
        let sealed = writer.seal(b"xy", &mut out).unwrap();
        assert_eq!((sealed.consumed, sealed.written), (0, 0));
        assert!(!writer.mailbox().has_work(), "the writer can do nothing");
        assert!(writer.mailbox().take_wish());
        assert!(!writer.mailbox().take_wish(), "told once");
        assert_eq!(writer.seal(b"xy", &mut out).unwrap().consumed, 2);
        assert!(!writer.mailbox().wishes_to_renegotiate());
    };
    let early = bytes - bytes / 8;
    let mut writer = wishing(None);
    writer.bytes = early - 1;
    wishes(&mut writer);
    // The end is where it is without.
    writer.bytes = bytes - 1;
    assert!(writer.seal(b"xy", &mut [0; 200]).unwrap().written > 0);
    let error = writer.seal(b"xy", &mut [0; 200]).unwrap_err();
    assert!(matches!(error.reason(), Reason::KeyWornOut), "{error}");

    // By records.
    let mut writer = wishing(None);
    assert_eq!(writer.keys.left, records - records / 8);
    writer.keys.seq = writer.keys.left - 1;
    writer.keys.left = 1;
    wishes(&mut writer);
    assert_eq!(writer.keys.left, records / 8);

    // By what is configured, but not later than that.
    let mut writer = wishing(Some(10));
    assert_eq!(writer.seal(b"12345678", &mut [0; 100]).unwrap().consumed, 8);
    assert_eq!(writer.seal(b"90", &mut [0; 100]).unwrap().consumed, 2);
    wishes(&mut writer);
    let mut writer = wishing(Some(u64::MAX));
    writer.bytes = early - 1;
    wishes(&mut writer);

    // What was sealed before is told first.
    let mut writer = wishing(Some(20_000));
    let mut out = vec![0; 100_000];
    let sealed = writer.seal(&[7; 50_000], &mut out).unwrap();
    assert_eq!(sealed.consumed, MAX_PLAINTEXT);
    assert!(!writer.mailbox().wishes_to_renegotiate());
    let sealed = writer.seal(&[7; 50_000], &mut out).unwrap();
    assert_eq!((sealed.consumed, sealed.written), (0, 0));
    assert!(writer.mailbox().take_wish());

    // An alert need not wait for it, and a handshake has all that is left.
    let mut writer = wishing(None);
    writer.keys.left = 0;
    assert!(
        writer
            .alert(AlertDescription::INTERNAL_ERROR, &mut out)
            .is_ok()
    );
    let mut writer = wishing(None);
    assert_eq!(writer.hand_over().unwrap().keys.left, records);

    // A cipher without a limit keeps its key, unless that is not wanted.
    let aead = AeadAlgorithm::ChaCha20Poly1305;
    for at in [None, Some(10)] {
        let mut writer = writer_of(aead, RecordSize::default());
        writer.renegotiate_at(at);
        writer.bytes = 1 << 60;
        let consumed = writer.seal(b"xy", &mut out).unwrap().consumed;
        assert_eq!(consumed == 0, at.is_some());
        assert_eq!(writer.mailbox().take_wish(), at.is_some());
    }
}

/// §5.5 of RFC 8446 for the same ciphers: where no other key comes, writing ends. What the peer
/// still sends is read, until its sequence number would wrap (§6.1).
#[test]
fn a_key_is_worn_out() {
    let aead = AeadAlgorithm::Aes128Gcm;
    let mut writer = writer_of(aead, RecordSize::default());
    writer.keys.left = 3;
    let mut out = vec![0; 100_000];
    // What is sealed is told, and then that there is no more.
    let sealed = writer.seal(&[7; 50_000], &mut out).unwrap();
    assert_eq!(sealed.consumed, 2 * MAX_PLAINTEXT);
    assert_eq!(writer.sequence_number(), 2);
    let mut plain = Plain::new(aead);
    plain.seq = 2;
    // There is no room for it yet.
    let short = writer.control_len() - 20;
    let sealed = writer.seal(b"x", &mut out[..short]).unwrap();
    assert_eq!((sealed.consumed, sealed.written), (0, 0));
    let sealed = writer.seal(b"x", &mut out).unwrap();
    assert_eq!(sealed.consumed, 0);
    let last_words = plain.record(ALERT, &[2, AlertDescription::INTERNAL_ERROR.0]);
    assert_eq!(out[..sealed.written], last_words);
    for _ in 0..2 {
        let error = writer.seal(b"x", &mut out).unwrap_err();
        assert!(matches!(error.reason(), Reason::KeyWornOut), "{error}");
        let alert = (Direction::Sent, AlertDescription::INTERNAL_ERROR);
        assert_eq!(error.alert(), Some(alert));
    }
    // Small records are counted by their bytes, and there may be many more of them.
    let (records, bytes) = aead.limits_for_good();
    assert_eq!(writer_of(aead, RecordSize::default()).keys.left, records);
    let blocks = aead.record_limit() * (MAX_PLAINTEXT as u64 / 16);
    assert_eq!(2 * records + bytes / 16, blocks);
    let mut writer = writer_of(aead, RecordSize::default());
    writer.bytes = bytes - 2;
    assert_eq!(writer.seal(b"x", &mut out).unwrap().consumed, 1);
    assert_eq!(writer.seal(b"xy", &mut out).unwrap().consumed, 0);
    let error = writer.seal(b"x", &mut out).unwrap_err();
    assert!(matches!(error.reason(), Reason::KeyWornOut), "{error}");
    // Another alert takes the last record, and it is close_notify that is told.
    let mut writer = writer_of(aead, RecordSize::default());
    writer.keys.left = 1;
    assert!(writer.close_notify(&mut out).unwrap() > 0);
    assert!(writer.is_closed());
    // A warning does: then there is nothing to protect an alert with.
    let mut writer = writer_of(aead, RecordSize::default());
    writer.keys.left = 1;
    writer.mailbox().decline_renegotiation();
    assert!(writer.drain_mailbox(&mut out).unwrap() > 0);
    let error = writer.seal(b"x", &mut out).unwrap_err();
    assert!(matches!(error.reason(), Reason::KeyWornOut), "{error}");
    assert_eq!(error.alert(), None);

    let mut plain = Plain::new(aead);
    let mut reader = reader_of(aead, Role::Server, MAX_PLAINTEXT);
    reader.keys.left = 1;
    for content in [b"1", b"2", b"3"] {
        let opened = reader.open_in_place(&mut plain.record(DATA, content));
        assert!(matches!(opened, Ok(Opened::Data(_))), "{opened:?}");
    }
    (reader.keys.seq, reader.keys.left) = (u64::MAX, 0);
    let error = reader
        .open_in_place(&mut plain.record(DATA, b"4"))
        .unwrap_err();
    assert_eq!(error.violation(), Some(Violation::AeadLimitReached));
}
