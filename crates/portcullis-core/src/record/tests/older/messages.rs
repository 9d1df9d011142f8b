//! What is no data: the request for another handshake, alerts, and the change of keys.

use super::super::incoming::{accepted, refused as not_taken};
use super::*;
use crate::record::stream::{Incoming, Outgoing};
use crate::record::{MAX_CLIENT_HELLO, Message as M};

/// With the version decided.
fn decided(role: Role) -> Incoming {
    let mut incoming = Incoming::new(role, 1 << 16);
    incoming
        .decided_before_tls13(ProtocolVersion::TLS_1_2)
        .unwrap();
    incoming
}

/// And the keys installed.
fn protected(aead: AeadAlgorithm, role: Role) -> Incoming {
    let mut incoming = decided(role);
    incoming.install_read(keys(aead)).unwrap();
    incoming
}

#[test]
fn messages_come_out_whole_however_the_bytes_are_cut() {
    let messages = [
        message(11, &[5; 700]),
        message(14, b""),
        message(20, &[6; 12]),
    ];
    let flight = messages.concat();
    for &aead in ALGORITHMS {
        for fragment in [1, 3, 4, 5, 100, 703, 704, 705, 728] {
            let mut peer = Plain::new(aead);
            let clear: Vec<u8> = flight
                .chunks(fragment)
                .flat_map(|content| plain(HANDSHAKE, content))
                .collect();
            let sealed: Vec<u8> = flight
                .chunks(fragment)
                .flat_map(|content| peer.record(HANDSHAKE, content))
                .collect();
            for step in [1, 5, 6, 21, 1000, sealed.len()] {
                let (mut open, mut shut) = (decided(Role::Client), protected(aead, Role::Client));
                for (incoming, bytes) in [(&mut open, &clear), (&mut shut, &sealed)] {
                    let mut seen = Vec::new();
                    for piece in bytes.chunks(step) {
                        seen.extend(accepted(incoming, piece));
                    }
                    assert_eq!(seen, messages, "fragments of {fragment}, reads of {step}");
                }
            }
        }
    }
}

/// RFC 5246 §6.2: refused on the header alone, whatever is to come behind it.
#[test]
fn lengths() {
    for typ in [20, 21, 22, 23] {
        let header = |length: u16| [&[typ, 3, 3][..], &length.to_be_bytes()].concat();
        let (longest, sealed) = (1 << 14, (1 << 14) + 2_048);
        assert!(accepted(&mut decided(Role::Client), &header(longest)).is_empty());
        let refused = not_taken(&mut decided(Role::Client), &header(longest + 1));
        assert_eq!(refused, Violation::PlaintextTooLong);
        for &aead in ALGORITHMS {
            let mut incoming = protected(aead, Role::Client);
            assert!(accepted(&mut incoming, &header(sealed)).is_empty());
            let mut incoming = protected(aead, Role::Client);
            let refused = not_taken(&mut incoming, &header(sealed + 1));
            assert_eq!(refused, Violation::RecordTooLong);
        }
    }
}

/// RFC 8449 §4: the limit counts content, and binds only what is protected.
#[test]
fn limits_of_this_side() {
    for &aead in ALGORITHMS {
        let mut incoming = decided(Role::Client);
        incoming.set_record_size_limit(64);
        assert_eq!(
            accepted(&mut incoming, &plain(HANDSHAKE, &message(11, &[0; 61]))).len(),
            1
        );
        incoming.install_read(keys(aead)).unwrap();
        let mut peer = Plain::new(aead);
        let fits = peer.record(HANDSHAKE, &message(20, &[0; 60]));
        assert_eq!(accepted(&mut incoming, &fits).len(), 1);
        let beyond = peer.record(HANDSHAKE, &message(20, &[0; 61]));
        assert_eq!(
            not_taken(&mut incoming, &beyond),
            Violation::RecordBeyondLimit
        );
    }
}

#[test]
fn forgeries_in_a_handshake() {
    for &aead in ALGORITHMS {
        let record = Plain::new(aead).record(HANDSHAKE, &message(20, &[7; 12]));
        for at in HEADER..record.len() {
            let mut forged = record.clone();
            forged[at] ^= 0x80;
            let refused = not_taken(&mut protected(aead, Role::Server), &forged);
            assert_eq!(refused, Violation::BadRecordMac, "byte {at}");
        }
        let mut skipped = Plain::new(aead);
        skipped.seq = 1;
        let late = skipped.record(HANDSHAKE, &message(20, &[7; 12]));
        let refused = not_taken(&mut protected(aead, Role::Server), &late);
        assert_eq!(refused, Violation::BadRecordMac);
    }
}

#[test]
fn a_worn_out_key_protects_no_message() {
    for &aead in ALGORITHMS {
        let mut incoming = protected(aead, Role::Client);
        incoming.wear_out();
        let record = Plain::new(aead).record(HANDSHAKE, &message(20, &[7; 12]));
        assert_eq!(
            not_taken(&mut incoming, &record),
            Violation::AeadLimitReached
        );
        let mut outgoing = Outgoing::new(Role::Client);
        outgoing.switch_keys(keys(aead)).unwrap();
        assert_eq!(outgoing.take().unwrap(), plain(CCS, &[1]));
        outgoing.queue(&message(20, &[7; 12]));
        outgoing.wear_out();
        assert!(outgoing.take().is_err());
        assert!(outgoing.take().unwrap().is_empty(), "nothing in the clear");
    }
}

/// What is queued is cut as the peer wants it, and its alerts are of their own type.
#[test]
fn messages_and_alerts_under_keys() {
    for &aead in ALGORITHMS {
        let mut outgoing = Outgoing::new(Role::Server);
        outgoing.set_max_fragment(512);
        outgoing.switch_keys(keys(aead)).unwrap();
        let long = message(22, &[3; 600]);
        outgoing.queue(&long);
        outgoing.alert(AlertDescription::USER_CANCELED).unwrap();
        let mut expected = Plain::new(aead);
        let expected = [
            plain(CCS, &[1]),
            expected.record(HANDSHAKE, &long[..512]),
            expected.record(HANDSHAKE, &long[512..]),
            expected.record(ALERT, &[2, 90]),
            expected.record(ALERT, &[1, 0]),
        ];
        assert!(outgoing.take().unwrap() == expected.concat(), "{aead:?}");
    }
}

/// Who asks for a renegotiation is told once that there is none, and goes on; asking again and
/// again is a flood (CVE-2011-1473).
#[test]
fn renegotiation_is_declined() {
    for (role, typ, body) in [(Role::Client, 0, 0), (Role::Server, 1, 40)] {
        let aead = AeadAlgorithm::Aes256Gcm;
        let mailbox: Arc<Mailbox> = Arc::default();
        let mut reader = Reader::new(role, keys(aead), MAX_PLAINTEXT, 1 << 16, mailbox.clone());
        let mut writer = Writer::new(keys(aead), RecordSize::default(), u64::MAX, mailbox);
        let (mut peer, mut expected) = (Plain::new(aead), Plain::new(aead));
        let asks = message(typ, &vec![0; body]);
        let mut out = vec![0; 200];
        for round in 0..4 {
            // In pieces, the last time.
            let cut = if round == 3 { 3 } else { asks.len() };
            for part in [&asks[..cut], &asks[cut..]] {
                if !part.is_empty() {
                    let mut record = peer.record(HANDSHAKE, part);
                    let opened = reader.open_in_place(&mut record).unwrap();
                    assert_eq!(opened, Opened::Nothing);
                }
            }
            assert!(reader.writer_has_work());
            let short = writer.control_len() - 20;
            assert_eq!(writer.drain_mailbox(&mut out[..short]).unwrap(), 0);
            assert!(reader.writer_has_work(), "it is still to be said");
            let written = writer.drain_mailbox(&mut out).unwrap();
            let warning = [1, AlertDescription::NO_RENEGOTIATION.0];
            assert_eq!(out[..written], expected.record(ALERT, &warning));
            assert_eq!(writer.drain_mailbox(&mut out).unwrap(), 0);
            let sealed = writer.seal(b"goes on", &mut out).unwrap();
            assert_eq!(out[..sealed.written], expected.record(DATA, b"goes on"));
        }
        let error = reader.open_in_place(&mut peer.record(HANDSHAKE, &asks));
        let violation = error.unwrap_err().violation();
        assert_eq!(violation, Some(Violation::TooManyRenegotiations));
    }
}

/// Two that come before the writer looks are one.
/// The longest hello there may be, in records of any length: of it nothing is kept.
#[test]
fn a_hello_that_is_declined_is_not_held() {
    let asks = message(1, &vec![7; MAX_CLIENT_HELLO]);
    for cut in [1_usize, 2, 3, 5, 1_000, MAX_PLAINTEXT] {
        let aead = AeadAlgorithm::Aes256Gcm;
        let mut reader = reader_of(aead, Role::Server, MAX_PLAINTEXT);
        let mut peer = Plain::new(aead);
        for part in asks.chunks(cut) {
            assert!(!reader.writer_has_work());
            let mut record = peer.record(HANDSHAKE, part);
            let opened = reader.open_in_place(&mut record).unwrap();
            assert_eq!(opened, Opened::Nothing);
            assert!(reader.post_handshake.held() <= 64);
        }
        assert!(reader.writer_has_work(), "records of {cut}");
        let mut record = peer.record(DATA, b"goes on");
        let opened = reader.open_in_place(&mut record);
        assert!(matches!(opened, Ok(Opened::Data(_))), "{opened:?}");
    }
}

#[test]
fn two_requests_are_declined_at_once() {
    let aead = AeadAlgorithm::ChaCha20Poly1305;
    let mailbox: Arc<Mailbox> = Arc::default();
    let limit = MAX_PLAINTEXT;
    let mut reader = Reader::new(Role::Client, keys(aead), limit, 1 << 16, mailbox.clone());
    let mut writer = Writer::new(keys(aead), RecordSize::default(), u64::MAX, mailbox);
    let mut peer = Plain::new(aead);
    for _ in 0..2 {
        let mut record = peer.record(HANDSHAKE, &message(0, &[]));
        reader.open_in_place(&mut record).unwrap();
    }
    let mut out = vec![0; 200];
    assert!(writer.drain_mailbox(&mut out).unwrap() > 0);
    assert_eq!(writer.drain_mailbox(&mut out).unwrap(), 0);
}

/// RFC 5246 §7.2: the level counts, and of warnings there are not many.
#[test]
fn alerts() {
    let aead = AeadAlgorithm::Aes128Gcm;
    let (mut into, mut in_place) = readers(aead, Role::Client);
    let mut plain = Plain::new(aead);
    for description in [100, 90, 110, 200] {
        let warning = plain.record(ALERT, &[1, description]);
        assert_eq!(open((&mut into, &mut in_place), &warning).unwrap(), None);
    }
    let error = open((&mut into, &mut in_place), &plain.record(ALERT, &[1, 100])).unwrap_err();
    assert_eq!(error.violation(), Some(Violation::TooManyWarnings));
    for fatal in [[2, 100], [2, 40]] {
        let (mut into, mut in_place) = readers(aead, Role::Client);
        let alert = Plain::new(aead).record(ALERT, &fatal);
        let error = open((&mut into, &mut in_place), &alert).unwrap_err();
        let expected = AlertDescription(fatal[1]);
        assert_eq!(error.alert(), Some((Direction::Received, expected)));
    }
    let mut reader = reader_of(aead, Role::Client, MAX_PLAINTEXT);
    let mut closing = Plain::new(aead).record(ALERT, &[1, 0]);
    assert_eq!(reader.open_in_place(&mut closing).unwrap(), Opened::Closed);
}

/// RFC 5246 §7.1: the record that says so is the last under the old keys.
#[test]
fn change_cipher_spec_and_keys() {
    for &aead in ALGORITHMS {
        let mut outgoing = Outgoing::new(Role::Server);
        outgoing.queue(&message(14, &[]));
        outgoing.switch_keys(keys(aead)).unwrap();
        outgoing.queue(&message(20, &[7; 12]));
        let bytes = outgoing.take().unwrap();
        let expected = [
            plain(HANDSHAKE, &message(14, &[])),
            plain(CCS, &[1]),
            Plain::new(aead).record(HANDSHAKE, &message(20, &[7; 12])),
        ];
        assert_eq!(bytes, expected.concat());

        let mut incoming = Incoming::new(Role::Client, 1 << 16);
        incoming.allow_ccs(true);
        incoming
            .decided_before_tls13(ProtocolVersion::TLS_1_2)
            .unwrap();
        incoming.feed(&bytes);
        let done = incoming.next().unwrap();
        assert!(matches!(done, Some(M::Handshake(bytes)) if bytes.typ().0 == 14));
        assert!(matches!(
            incoming.next().unwrap(),
            Some(M::ChangeCipherSpec)
        ));
        incoming.install_read(keys(aead)).unwrap();
        let finished = incoming.next().unwrap();
        assert!(matches!(finished, Some(M::Handshake(bytes)) if bytes.body() == [7; 12]));
        assert!(incoming.next().unwrap().is_none());
        // The data path goes on with the number.
        let (mut reader, unread) = incoming.take_reader(Arc::default()).unwrap();
        assert!(unread.is_empty());
        let (mut writer, _) = outgoing.take_writer(Arc::default(), u64::MAX).unwrap();
        let mut out = vec![0; 200];
        let sealed = writer.seal(b"data", &mut out).unwrap();
        assert_eq!((reader.sequence_number(), writer.sequence_number()), (1, 2));
        let opened = reader.open_in_place(&mut out[..sealed.written]).unwrap();
        assert!(matches!(opened, Opened::Data(_)));
    }
}
