//! What the peer may send on an established connection, rule by rule.

use super::*;
use crate::alert::AlertDescription;
use crate::error::{Direction, Error};
use crate::record::{Frame, Opened};
use crate::wire::NewSessionTicket;

/// Opens records as a driver does, by both ways at once, which must agree.
struct Ways {
    into: Reader,
    in_place: Reader,
}

impl Ways {
    fn new(role: Role) -> (Self, Forge) {
        let ways = Self {
            into: reader(role),
            in_place: reader(role),
        };
        (ways, Forge::new(1))
    }

    fn open(&mut self, record: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let frame = self.into.frame(record);
        assert_eq!(
            frame.as_ref().ok(),
            self.in_place.frame(record).as_ref().ok()
        );
        let plaintext = match frame? {
            Frame::Record { len, plaintext } => {
                assert_eq!(len, record.len());
                plaintext
            }
            other => panic!("{other:?}"),
        };
        let mut out = vec![0xaa; plaintext + 3];
        let mut own = record.to_vec();
        let into = self.into.open_into(record, &mut out);
        let in_place = self.in_place.open_in_place(&mut own);
        assert_eq!(out[plaintext..], [0xaa; 3], "beyond the plaintext");
        match (into, in_place) {
            (Ok(Opened::Data(a)), Ok(Opened::Data(b))) => {
                assert_eq!(out[a.clone()], own[b]);
                Ok(Some(out[a].to_vec()))
            }
            (into, in_place) => {
                assert_eq!(out[..plaintext], vec![0; plaintext], "nothing is exposed");
                assert_eq!(own[HEADER..HEADER + plaintext], vec![0; plaintext]);
                assert_eq!(into.as_ref().ok(), in_place.as_ref().ok());
                into.map(|_| None)
            }
        }
    }

    fn refused(&mut self, record: &[u8]) -> Violation {
        let error = self.open(record).unwrap_err();
        let violation = error.violation().expect("a violation");
        assert_eq!(
            error.alert(),
            Some((Direction::Sent, violation.alert())),
            "{violation:?}"
        );
        assert!(self.into.writer_has_work());
        // For ever.
        let again = self.into.frame(record).unwrap_err();
        assert_eq!(again.violation(), Some(violation));
        let again = self.into.open_into(record, &mut [0; 100]).unwrap_err();
        assert_eq!(again.violation(), Some(violation));
        assert!(self.into.eof().is_err());
        violation
    }
}

#[test]
fn frames() {
    let mut reader = reader(Role::Client);
    let record = Forge::new(1).record(DATA, b"hello");
    for n in 0..5 {
        let needed = Frame::NeedMore { at_least: 5 - n };
        assert_eq!(reader.frame(&record[..n]).unwrap(), needed);
    }
    for n in 5..27 {
        let needed = Frame::NeedMore { at_least: 27 - n };
        assert_eq!(reader.frame(&record[..n]).unwrap(), needed);
    }
    let complete = Frame::Record {
        len: 27,
        plaintext: 6,
    };
    assert_eq!(reader.frame(&record).unwrap(), complete);
    let two = record.repeat(2);
    assert_eq!(reader.frame(&two).unwrap(), complete);
}

#[test]
fn headers() {
    let cases: &[([u8; 5], Violation)] = &[
        ([0, 3, 3, 0, 20], Violation::UnknownRecordType),
        ([24, 3, 3, 0, 20], Violation::UnknownRecordType),
        ([22, 3, 3, 0, 20], Violation::UnprotectedRecord),
        ([21, 3, 3, 0, 2], Violation::UnprotectedRecord),
        ([20, 3, 3, 0, 1], Violation::UnexpectedChangeCipherSpec),
        ([23, 3, 1, 0, 20], Violation::RecordVersionChanged),
        ([23, 2, 3, 0, 20], Violation::WrongRecordVersion),
        ([23, 3, 3, 0x41, 1], Violation::RecordTooLong),
        ([23, 3, 3, 0x40, 0x12], Violation::PlaintextTooLong),
        ([23, 3, 3, 0, 15], Violation::BadRecordMac),
    ];
    for (header, expected) in cases {
        let error = reader(Role::Client).frame(header).unwrap_err();
        assert_eq!(error.violation(), Some(*expected));
    }
    let limited = |header: &[u8]| reader_with(Role::Client, 1, 64).frame(header).map(|_| ());
    assert!(limited(&[23, 3, 3, 0, 80]).is_ok());
    let error = limited(&[23, 3, 3, 0, 81]).unwrap_err();
    assert_eq!(error.violation(), Some(Violation::RecordBeyondLimit));
}

#[test]
fn data_with_and_without_padding() {
    let (mut ways, mut forge) = Ways::new(Role::Server);
    for (length, zeros) in [(1, 0), (1, 1), (300, 77), (16384, 0), (16000, 384)] {
        let content: Vec<u8> = (0..length).map(|i| (i % 253) as u8).collect();
        let record = forge.padded(DATA, &content, zeros);
        assert_eq!(ways.open(&record).unwrap(), Some(content));
    }
    // Content may end in zeros; only what follows the type is padding.
    let record = forge.padded(DATA, &[0, 0, 0], 2);
    assert_eq!(ways.open(&record).unwrap(), Some(vec![0, 0, 0]));
}

#[test]
fn wrong_lengths_change_nothing() {
    let (mut ways, mut forge) = Ways::new(Role::Server);
    let record = forge.record(DATA, b"hello");
    let long = [&record[..], b"x"].concat();
    for (bytes, room) in [
        (&record[..26], 6),
        (&record[..4], 6),
        (&[], 6),
        (&long, 6),
        (&record, 5),
    ] {
        let error = ways.into.open_into(bytes, &mut vec![0; room]).unwrap_err();
        assert!(matches!(error.reason(), Reason::Misuse(_)));
    }
    let error = ways.in_place.open_in_place(&mut long.clone()).unwrap_err();
    assert!(matches!(error.reason(), Reason::Misuse(_)));
    assert_eq!(ways.open(&record).unwrap(), Some(b"hello".to_vec()));
}

#[test]
fn forgeries() {
    let (_, mut forge) = Ways::new(Role::Server);
    let record = forge.record(DATA, b"hello");
    for at in HEADER..record.len() {
        let (mut ways, _) = Ways::new(Role::Server);
        let mut forged = record.clone();
        forged[at] ^= 0x80;
        assert_eq!(ways.refused(&forged), Violation::BadRecordMac);
    }
    // Replayed, and out of order.
    let (mut ways, mut forge) = Ways::new(Role::Server);
    let first = forge.record(DATA, b"1");
    ways.open(&first).unwrap();
    assert_eq!(ways.refused(&first), Violation::BadRecordMac);
}

#[test]
fn refused_contents() {
    let cases: &[(&[u8], Violation)] = &[
        (&[], Violation::NoContentType),
        (&[0, 0], Violation::NoContentType),
        (&[1, 20], Violation::UnexpectedChangeCipherSpec),
        (&[1, 19], Violation::UnknownRecordType),
        (&[22], Violation::EmptyRecord),
        (&[21], Violation::EmptyRecord),
        (&[2, 21], Violation::MalformedAlert),
        (&[2, 40, 1, 21], Violation::MalformedAlert),
        (&[0, 40, 21], Violation::UnknownAlertLevel),
        (&[24, 0, 0, 1, 2, 22], Violation::BadKeyUpdate),
        (&[24, 0, 0, 0, 22], Violation::MalformedMessage),
        (&[24, 0, 0, 2, 0, 0, 22], Violation::MalformedMessage),
        (&[24, 0, 0, 1, 0, 24, 22], Violation::MessageSpansKeyChange),
        (&[1, 0, 0, 0, 22], Violation::UnexpectedPostHandshakeMessage),
        // Refused on the first byte: the rest is not waited for.
        (&[11, 22], Violation::UnexpectedPostHandshakeMessage),
        (&[24, 0, 1, 0, 22], Violation::HandshakeMessageTooLong),
        (&[13, 0, 0, 0, 22], Violation::AuthenticationNotOffered),
        (
            &[99, 0, 0, 0, 22],
            Violation::UnexpectedPostHandshakeMessage,
        ),
        (&[4, 1, 0, 1, 22], Violation::HandshakeMessageTooLong),
        (&[4, 0, 0, 0, 22], Violation::MalformedMessage),
    ];
    for (inner, expected) in cases {
        let (mut ways, mut forge) = Ways::new(Role::Client);
        assert_eq!(ways.refused(&forge.inner(inner)), *expected, "{inner:?}");
    }
}

#[test]
fn alerts() {
    let (mut ways, mut forge) = Ways::new(Role::Client);
    for level in [1, 2] {
        // §6: the level says nothing.
        assert_eq!(ways.open(&forge.record(ALERT, &[level, 90])).unwrap(), None);
    }
    ways.open(&forge.record(DATA, b"x")).unwrap();
    for _ in 0..4 {
        ways.open(&forge.record(ALERT, &[1, 90])).unwrap();
    }
    assert_eq!(
        ways.refused(&forge.record(ALERT, &[1, 90])),
        Violation::TooManyWarnings
    );

    for alert in [[2, 40], [1, 40], [1, 42], [2, 255]] {
        let (mut ways, mut forge) = Ways::new(Role::Client);
        let error = ways.open(&forge.record(ALERT, &alert)).unwrap_err();
        let description = AlertDescription(alert[1]);
        assert!(matches!(error.reason(), Reason::AlertReceived(d) if *d == description));
        assert_eq!(error.alert(), Some((Direction::Received, description)));
        assert!(ways.into.mailbox().failure().is_some());
    }
}

#[test]
fn close_notify_ends_in_order() {
    let (mut ways, mut forge) = Ways::new(Role::Client);
    let record = forge.record(ALERT, &[1, 0]);
    let mut reader = ways.into;
    assert!(!reader.mailbox().peer_closed());
    let mut out = [1; 3];
    assert_eq!(reader.open_into(&record, &mut out).unwrap(), Opened::Closed);
    assert_eq!(out, [0; 3]);
    assert!(reader.is_closed() && reader.mailbox().peer_closed());
    assert!(!reader.writer_has_work());
    assert!(reader.eof().is_ok());
    // §6.1: what follows is ignored.
    assert_eq!(reader.frame(b"anything").unwrap(), Frame::Closed);
    let more = forge.record(DATA, b"x");
    assert_eq!(
        reader.open_into(&more, &mut [0; 9]).unwrap(),
        Opened::Closed
    );
    ways.in_place.open_in_place(&mut record.clone()).unwrap();
}

#[test]
fn the_end_of_the_transport_alone_is_truncation() {
    let mut reader = reader(Role::Client);
    assert!(matches!(
        reader.eof().unwrap_err().reason(),
        Reason::Truncated
    ));
    assert!(reader.frame(&[]).is_err());
    assert!(!reader.writer_has_work(), "this side may go on sending");
}

#[test]
fn empty_data() {
    let (mut ways, mut forge) = Ways::new(Role::Client);
    for _ in 0..2 {
        for _ in 0..32 {
            assert_eq!(ways.open(&forge.record(DATA, b"")).unwrap(), None);
        }
        ways.open(&forge.record(DATA, b"x")).unwrap();
    }
    for _ in 0..32 {
        ways.open(&forge.padded(DATA, b"", 9)).unwrap();
    }
    assert_eq!(
        ways.refused(&forge.record(DATA, b"")),
        Violation::TooManyEmptyRecords
    );
}

fn ticket(lifetime: u32, extensions: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    NewSessionTicket::put(&mut out, lifetime, 1, &[0], b"ticket", |out| {
        out.extend_from_slice(extensions);
    });
    out
}

#[test]
fn tickets() {
    let (mut ways, mut forge) = Ways::new(Role::Client);
    let good = ticket(604_800, &[]);
    // Cut at every byte, and two in one record.
    for at in 1..good.len() {
        ways.open(&forge.record(HANDSHAKE, &good[..at])).unwrap();
        ways.open(&forge.record(HANDSHAKE, &good[at..])).unwrap();
        ways.open(&forge.record(DATA, b"x")).unwrap();
    }
    for _ in 0..51 {
        let five = forge.record(HANDSHAKE, &good.repeat(5));
        assert_eq!(ways.open(&five).unwrap(), None);
    }
    assert_eq!(
        ways.refused(&forge.record(HANDSHAKE, &good)),
        Violation::TooManyTickets
    );

    let early_data = [0, 42, 0, 4, 0, 0, 0, 1];
    let cases = [
        (ticket(604_801, &[]), Violation::TicketLifetimeTooLong),
        (
            ticket(1, &early_data.repeat(2)),
            Violation::DuplicateExtension,
        ),
        (ticket(1, &[0]), Violation::MalformedMessage),
    ];
    for (bytes, expected) in cases {
        let (mut ways, mut forge) = Ways::new(Role::Client);
        assert_eq!(ways.refused(&forge.record(HANDSHAKE, &bytes)), expected);
    }
    let (mut server, mut forge) = Ways::new(Role::Server);
    assert_eq!(
        server.refused(&forge.record(HANDSHAKE, &good)),
        Violation::UnexpectedPostHandshakeMessage
    );
}

/// An idle client holds no more of a ticket than one can have, whatever a handshake may.
#[test]
fn a_ticket_longer_than_any_is_refused_on_its_header() {
    let begun = |length: u32| {
        let (keys, mut forge) = (Keys::from(secret(1)), Forge::new(1));
        let mut reader = Reader::new(Role::Client, keys, 100, 1 << 18, Arc::default());
        let [_, high, middle, low] = length.to_be_bytes();
        let mut record = forge.record(HANDSHAKE, &[4, high, middle, low]);
        reader.open_in_place(&mut record)
    };
    assert_eq!(begun(131_337).unwrap(), Opened::Nothing);
    assert_eq!(
        begun(131_338).unwrap_err().violation(),
        Some(Violation::HandshakeMessageTooLong)
    );
}

#[test]
fn nothing_comes_between_the_fragments_of_a_message() {
    for (typ, content) in [
        (DATA, &b"x"[..]),
        (DATA, b""),
        (ALERT, &[1, 0]),
        (ALERT, &[1, 90]),
    ] {
        let (mut ways, mut forge) = Ways::new(Role::Client);
        ways.open(&forge.record(HANDSHAKE, &[4, 0, 0])).unwrap();
        assert_eq!(
            ways.refused(&forge.record(typ, content)),
            Violation::InterleavedRecord
        );
    }
}

#[test]
fn a_reader_is_small() {
    assert!(size_of::<Reader>() <= 168, "{}", size_of::<Reader>());
    assert!(size_of::<Writer>() <= 168, "{}", size_of::<Writer>());
}
