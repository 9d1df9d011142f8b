//! Records with RC4 and a MAC (RFC 5246 §6.2.3.1), against the RFC's formula over another RC4.

use super::*;
use crate::crypto::legacy::StreamAlgorithm;
use crate::crypto::record_mac::{MacAlgorithm, RecordMac};
use crate::key_schedule::tls12::StreamParameters;

const MAC_KEY: [u8; 20] = [0x24; 20];
const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_2, ProtocolVersion::TLS_1_0];

#[derive(Clone, Copy, Debug)]
struct Kind {
    mac: MacAlgorithm,
    version: ProtocolVersion,
}

fn all() -> impl Iterator<Item = Kind> {
    let macs = [MacAlgorithm::Md5, MacAlgorithm::Sha1];
    let of = |mac| VERSIONS.map(|version| Kind { mac, version });
    macs.into_iter().flat_map(of)
}

fn keys(kind: Kind) -> Keys {
    Keys::older(DirectionKeys {
        suite: OlderParameters {
            version: kind.version,
            hash: HashAlgorithm::Sha256.into(),
            cipher: OlderCipher::Stream(StreamParameters {
                cipher: StreamAlgorithm::Rc4_128,
                mac: kind.mac,
            }),
        },
        mac_key: Inline::new(&MAC_KEY[..kind.mac.len().into()]).unwrap(),
        key: Inline::new(&KEY[..16]).unwrap(),
        iv: Inline::zeros(12),
    })
}

fn reader_of(kind: Kind, limit: usize) -> Reader {
    Reader::new(Role::Server, keys(kind), limit, 1 << 16, Arc::default())
}

fn readers(kind: Kind) -> (Reader, Reader) {
    let reader = || reader_of(kind, MAX_PLAINTEXT);
    (reader(), reader())
}

fn writer_of(kind: Kind) -> Writer {
    Writer::new(keys(kind), RecordSize::default(), 1_000, Arc::default())
}

/// Seals and opens as the RFC says. The stream is written down here once more, since the one of the
/// crate is what is tested.
struct Plain {
    kind: Kind,
    seq: u64,
    state: Vec<u8>,
    i: u8,
    j: u8,
}

impl Plain {
    fn new(kind: Kind) -> Self {
        let mut state: Vec<u8> = (0..=255).collect();
        let mut j = 0_u8;
        for i in 0..256 {
            j = j.wrapping_add(state[i]).wrapping_add(KEY[i % 16]);
            state.swap(i, j.into());
        }
        let (seq, i, j) = (0, 0, 0);
        Self {
            kind,
            seq,
            state,
            i,
            j,
        }
    }

    fn stream(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.i = self.i.wrapping_add(1);
            self.j = self.j.wrapping_add(self.state[usize::from(self.i)]);
            self.state.swap(self.i.into(), self.j.into());
            let [a, b] = [self.i, self.j].map(|at| self.state[usize::from(at)]);
            *byte ^= self.state[usize::from(a.wrapping_add(b))];
        }
    }

    fn mac(&self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        let mut front = [0; 11];
        front[..8].copy_from_slice(&self.seq.to_be_bytes());
        front[8] = typ.0;
        front[9..].copy_from_slice(&self.kind.version.0.to_be_bytes());
        // Tested against the RFC beside its own definition.
        let mac = RecordMac::new(self.kind.mac, &MAC_KEY[..self.kind.mac.len().into()]);
        mac.mac(&front, content).as_slice().to_vec()
    }

    fn record(&mut self, typ: ContentType, content: &[u8]) -> Vec<u8> {
        let mut body = [content, &self.mac(typ, content)].concat();
        self.stream(&mut body);
        self.seq += 1;
        plain_with_version(typ, self.kind.version.0, &body)
    }

    fn open(&mut self, record: &[u8]) -> (ContentType, Vec<u8>) {
        let (head, body) = record.split_at(HEADER);
        assert_eq!(head[1..3], self.kind.version.0.to_be_bytes());
        let (typ, mut body) = (ContentType(head[0]), body.to_vec());
        self.stream(&mut body);
        let mac = body.split_off(body.len() - usize::from(self.kind.mac.len()));
        assert_eq!(mac, self.mac(typ, &body));
        self.seq += 1;
        (typ, body)
    }
}

fn refused(kind: Kind, record: &[u8]) -> Violation {
    let (mut into, mut in_place) = readers(kind);
    let error = open((&mut into, &mut in_place), record).unwrap_err();
    let violation = error.violation().unwrap();
    assert_eq!(error.alert(), Some((Direction::Sent, violation.alert())));
    violation
}

#[test]
fn what_the_rfc_seals_opens_here() {
    for kind in all() {
        let (mut into, mut in_place) = readers(kind);
        let mut plain = Plain::new(kind);
        for length in (0..70).chain([1_000, 16_383, 16_384]) {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let record = plain.record(DATA, &content);
            let read = open((&mut into, &mut in_place), &record).unwrap();
            assert_eq!(read.unwrap_or_default(), content, "{kind:?}");
        }
        assert_eq!(into.sequence_number(), plain.seq);
    }
}

#[test]
fn what_is_sealed_here_the_rfc_opens() {
    for kind in all() {
        let mut writer = writer_of(kind);
        let mut plain = Plain::new(kind);
        let data: Vec<u8> = (0..40_000).map(|at| (at % 251) as u8).collect();
        let mut out = vec![0xff; writer.max_sealed_len(data.len())];
        let sealed = writer.seal(&data, &mut out).unwrap();
        assert_eq!(sealed.consumed, data.len());
        let sent = records(&out[..sealed.written]);
        // No front of its own in TLS 1.0: there is no IV to foresee.
        assert_eq!(sent.len(), 3);
        let opened = sent.iter().flat_map(|record| {
            let (typ, content) = plain.open(record);
            assert_eq!(typ, DATA);
            let overhead = record.len() - content.len();
            assert_eq!(writer.overhead(content.len()), overhead);
            content
        });
        assert!(opened.collect::<Vec<u8>>() == data, "{kind:?}");
        let slices = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        let sealed = writer.seal_vectored(&slices, &mut out).unwrap();
        let opened = plain.open(&out[..sealed.written]);
        assert_eq!(opened, (DATA, b"hello".to_vec()));
        let written = writer.close_notify(&mut out).unwrap();
        assert_eq!(plain.open(&out[..written]), (ALERT, vec![1, 0]));
        assert!(written <= writer.control_len());
    }
}

/// A stream cipher hides nothing of what is changed: the MAC does, for every byte.
#[test]
fn forgeries() {
    for kind in all() {
        let record = Plain::new(kind).record(DATA, b"hello, world");
        for at in HEADER..record.len() {
            for bit in [1, 0x80] {
                let mut forged = record.clone();
                forged[at] ^= bit;
                assert_eq!(refused(kind, &forged), Violation::BadRecordMac, "{at}");
            }
        }
        for typ in [20, 21, 22] {
            let mut forged = record.clone();
            forged[0] = typ;
            assert_eq!(refused(kind, &forged), Violation::BadRecordMac);
        }
        // Shorter, also than a MAC, with a header that says so.
        for length in 0..record.len() - HEADER {
            let short = &record[HEADER..HEADER + length];
            let short = plain_with_version(DATA, kind.version.0, short);
            assert_eq!(refused(kind, &short), Violation::BadRecordMac, "{length}");
        }
        let mut plain = Plain::new(kind);
        let [_, second] = [b"1", b"2"].map(|content| plain.record(DATA, content));
        assert_eq!(refused(kind, &second), Violation::BadRecordMac);
    }
}

#[test]
fn limits_of_this_side() {
    for kind in all() {
        for (limit, beyond) in [
            (MAX_PLAINTEXT, Violation::PlaintextTooLong),
            (100, Violation::RecordBeyondLimit),
        ] {
            let mut plain = Plain::new(kind);
            let (mut into, mut in_place) = (reader_of(kind, limit), reader_of(kind, limit));
            let most = plain.record(DATA, &vec![7; limit]);
            let read = open((&mut into, &mut in_place), &most).unwrap();
            assert_eq!(read.map(|content| content.len()), Some(limit));
            let record = plain.record(DATA, &vec![7; limit + 1]);
            let error = open((&mut into, &mut in_place), &record).unwrap_err();
            assert_eq!(error.violation(), Some(beyond), "{kind:?} {limit}");
        }
    }
}

/// The state of a stream cannot be set up again: it stays, whoever hibernates or parks.
#[test]
fn hibernation_keeps_the_stream() {
    for kind in all() {
        let mut writer = writer_of(kind);
        let (mut into, mut in_place) = readers(kind);
        let mut out = vec![0; writer.max_sealed_len(100)];
        for round in 0..20_u8 {
            let sealed = writer.seal(&[round; 100], &mut out).unwrap();
            assert_eq!(sealed.consumed, 100);
            let read = open((&mut into, &mut in_place), &out[..sealed.written]).unwrap();
            assert_eq!(read, Some(vec![round; 100]));
            // There is nothing to give back.
            assert!(writer.is_hibernating() && into.is_hibernating());
            match round % 4 {
                0 => writer.hibernate(),
                1 => into.hibernate(),
                2 => assert!(writer.park().is_none()),
                // Moved, as for a renegotiation.
                _ => writer = writer.take(),
            }
        }
        assert_eq!(writer.sequence_number(), 20);
    }
}

#[test]
fn empty_records_are_not_many() {
    for kind in all() {
        let (mut into, mut in_place) = readers(kind);
        let mut plain = Plain::new(kind);
        for _ in 0..32 {
            let empty = plain.record(DATA, b"");
            assert_eq!(open((&mut into, &mut in_place), &empty).unwrap(), None);
        }
        let error = open((&mut into, &mut in_place), &plain.record(DATA, b"")).unwrap_err();
        assert_eq!(error.violation(), Some(Violation::TooManyEmptyRecords));
    }
}
