//! RFC 8446 §5, D.4, §4.2.10: what the peer may send during the handshake.

use super::*;
use crate::alert::{AlertDescription, AlertLevel};
use crate::error::Abort;
use crate::record::Message;
use crate::record::stream::Incoming;

pub(super) fn incoming(role: Role) -> Incoming {
    Incoming::new(role, 1 << 16)
}

/// Everything that comes out, and how it ends.
pub(super) fn drain(incoming: &mut Incoming) -> (Vec<Vec<u8>>, Option<Violation>) {
    let mut seen = Vec::new();
    loop {
        match incoming.next() {
            Ok(Some(Message::Handshake(message))) => seen.push(message.raw().to_vec()),
            Ok(Some(Message::Alert { level, description })) => {
                seen.push(vec![level.0, description.0]);
            }
            Ok(Some(Message::ChangeCipherSpec)) => seen.push(vec![1]),
            Ok(Some(Message::ApplicationData(_) | Message::EarlyData(_))) => seen.push(vec![]),
            Ok(None) => return (seen, None),
            Err(Abort(reason)) => return (seen, Some(violation(&reason))),
        }
    }
}

pub(super) fn refused(incoming: &mut Incoming, bytes: &[u8]) -> Violation {
    incoming.feed(bytes);
    drain(incoming).1.expect("refused")
}

pub(super) fn accepted(incoming: &mut Incoming, bytes: &[u8]) -> Vec<Vec<u8>> {
    incoming.feed(bytes);
    let (seen, end) = drain(incoming);
    assert_eq!(end, None);
    seen
}

/// With read keys of seed 1.
fn protected(role: Role) -> (Incoming, Forge) {
    let mut incoming = incoming(role);
    incoming.install_read(secret(1)).unwrap();
    (incoming, Forge::new(1))
}

#[test]
fn messages_come_out_whole_however_the_bytes_are_cut() {
    let messages = [message(1, &[5; 700]), message(2, b""), message(3, &[6; 3])];
    let flight = messages.concat();
    for fragment in [1, 2, 3, 4, 5, 7, 100, 703, 704, 705, 715] {
        let mut forge = Forge::new(1);
        let clear: Vec<u8> = flight
            .chunks(fragment)
            .flat_map(|content| plain(HANDSHAKE, content))
            .collect();
        let sealed: Vec<u8> = flight
            .chunks(fragment)
            .flat_map(|content| forge.record(HANDSHAKE, content))
            .collect();
        for step in [1, 2, 3, 5, 6, 21, 64, 1000, sealed.len()] {
            let mut open = incoming(Role::Server);
            let (mut shut, _) = protected(Role::Server);
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

#[test]
fn versions() {
    for version in [0x0300, 0x0301, 0x0303, 0x0304, 0x03ff] {
        let record = plain_with_version(HANDSHAKE, version, &message(1, b""));
        assert_eq!(accepted(&mut incoming(Role::Server), &record).len(), 1);
    }
    let record = plain_with_version(HANDSHAKE, 0x0203, &message(1, b""));
    assert_eq!(
        refused(&mut incoming(Role::Server), &record),
        Violation::WrongRecordVersion
    );
    let (mut incoming, mut forge) = protected(Role::Client);
    let record = forge.outer(DATA, 0x0301, &[0, 0, 0, 0, 22]);
    assert_eq!(
        refused(&mut incoming, &record),
        Violation::RecordVersionChanged
    );
}

#[test]
fn lengths() {
    let header = |typ: ContentType, length: usize| header::header(typ, 0x0303, length).to_vec();
    // Refused on the header alone.
    assert_eq!(
        refused(&mut incoming(Role::Server), &[22, 3, 3, 0x41, 1]),
        Violation::RecordTooLong
    );
    assert_eq!(
        refused(&mut incoming(Role::Server), &header(HANDSHAKE, 16385)),
        Violation::PlaintextTooLong
    );
    assert!(accepted(&mut incoming(Role::Server), &header(HANDSHAKE, 16384)).is_empty());
    let (mut shut, _) = protected(Role::Server);
    assert!(accepted(&mut shut, &header(DATA, 16384 + 256)).is_empty());

    // §5.4: content, type and padding together have at most 2^14 + 1 bytes.
    let (mut longest, mut forge) = protected(Role::Server);
    let content = message(1, &[0; 16380 - 100]);
    let record = forge.padded(HANDSHAKE, &content, 100);
    assert_eq!(accepted(&mut longest, &record).len(), 1);
    let record = forge.padded(HANDSHAKE, &content, 101);
    assert_eq!(refused(&mut longest, &record), Violation::PlaintextTooLong);

    let (mut limited, mut forge) = protected(Role::Server);
    limited.set_record_size_limit(64);
    let record = forge.padded(HANDSHAKE, &message(1, b""), 59);
    assert_eq!(accepted(&mut limited, &record).len(), 1);
    let record = forge.padded(HANDSHAKE, &message(1, b""), 60);
    assert_eq!(refused(&mut limited, &record), Violation::RecordBeyondLimit);
}

#[test]
fn empty_and_malformed_records() {
    let cases: &[(ContentType, &[u8], Violation)] = &[
        (HANDSHAKE, &[], Violation::EmptyRecord),
        (ALERT, &[], Violation::EmptyRecord),
        (ALERT, &[2], Violation::MalformedAlert),
        (ALERT, &[2, 40, 0], Violation::MalformedAlert),
        (ALERT, &[3, 40], Violation::UnknownAlertLevel),
    ];
    for (typ, content, expected) in cases {
        let (mut shut, mut forge) = protected(Role::Client);
        assert_eq!(refused(&mut shut, &forge.record(*typ, content)), *expected);
        let mut open = incoming(Role::Client);
        assert_eq!(refused(&mut open, &plain(*typ, content)), *expected);
    }
}

#[test]
fn inner_types() {
    let cases: &[(&[u8], Violation)] = &[
        (&[], Violation::NoContentType),
        (&[0, 0, 0], Violation::NoContentType),
        (&[1, 20], Violation::UnexpectedChangeCipherSpec),
        (&[1, 24], Violation::UnknownRecordType),
    ];
    for (inner, expected) in cases {
        let (mut shut, mut forge) = protected(Role::Client);
        shut.allow_ccs(true);
        assert_eq!(refused(&mut shut, &forge.inner(inner)), *expected);
    }
    let (mut shut, mut forge) = protected(Role::Client);
    assert_eq!(accepted(&mut shut, &forge.record(DATA, b"x")), [vec![]]);
}

#[test]
fn unprotected_records_under_keys() {
    for typ in [HANDSHAKE, ALERT] {
        let (mut client, _) = protected(Role::Client);
        assert_eq!(
            refused(&mut client, &plain(typ, &[2, 40])),
            Violation::UnprotectedRecord
        );
    }
    // A client that could not derive the keys can only complain in the clear ...
    let (mut server, _) = protected(Role::Server);
    assert_eq!(
        accepted(&mut server, &plain(ALERT, &[2, 47])),
        [vec![2, 47]]
    );
    // ... but one that has used them can do better.
    let (mut server, mut forge) = protected(Role::Server);
    accepted(&mut server, &forge.record(HANDSHAKE, &message(20, b"x")));
    assert_eq!(
        refused(&mut server, &plain(ALERT, &[2, 47])),
        Violation::UnprotectedRecord
    );
}

#[test]
fn protected_records_of_another_outer_type() {
    let (mut client, mut forge) = protected(Role::Client);
    let record = forge.outer(HANDSHAKE, 0x0303, &[8, 0, 0, 2, 0, 0, 22]);
    assert_eq!(refused(&mut client, &record), Violation::WrongOuterType);
}

#[test]
fn forgeries_do_not_open() {
    for at in [5, 8, 20, 29] {
        let (mut incoming, mut forge) = protected(Role::Server);
        let mut record = forge.record(HANDSHAKE, &message(1, &[0; 4]));
        record[at] ^= 1;
        assert_eq!(refused(&mut incoming, &record), Violation::BadRecordMac);
    }
    let (mut incoming, mut forge) = protected(Role::Server);
    forge.seq = 1;
    let record = forge.record(HANDSHAKE, &message(1, b""));
    assert_eq!(refused(&mut incoming, &record), Violation::BadRecordMac);
    let (mut incoming, _) = protected(Role::Server);
    let short = plain(DATA, &[0; 15]);
    assert_eq!(refused(&mut incoming, &short), Violation::BadRecordMac);
}

#[test]
fn change_cipher_spec() {
    let ccs = plain(CCS, &[1]);
    assert_eq!(
        refused(&mut incoming(Role::Server), &ccs),
        Violation::UnexpectedChangeCipherSpec
    );
    for body in [&[][..], &[0], &[2], &[1, 1]] {
        let (mut incoming, _) = protected(Role::Server);
        incoming.allow_ccs(true);
        assert_eq!(
            refused(&mut incoming, &plain(CCS, body)),
            Violation::MalformedChangeCipherSpec
        );
    }
    let (mut incoming, mut forge) = protected(Role::Server);
    incoming.allow_ccs(true);
    assert!(accepted(&mut incoming, &ccs.repeat(16)).is_empty());
    let finished = forge.record(HANDSHAKE, &message(20, b"x"));
    assert_eq!(accepted(&mut incoming, &finished).len(), 1);
    assert!(accepted(&mut incoming, &ccs.repeat(16)).is_empty());
    assert_eq!(
        refused(&mut incoming, &ccs),
        Violation::TooManyChangeCipherSpecs
    );
    let (mut incoming, _) = protected(Role::Server);
    incoming.allow_ccs(true);
    incoming.allow_ccs(false);
    assert_eq!(
        refused(&mut incoming, &ccs),
        Violation::UnexpectedChangeCipherSpec
    );
}

#[test]
fn nothing_comes_between_the_fragments_of_a_message() {
    let part = plain(HANDSHAKE, &message(1, &[0; 9])[..7]);
    for other in [
        plain(CCS, &[1]),
        plain(DATA, &[9; 40]),
        plain(ALERT, &[1, 0]),
    ] {
        let mut incoming = incoming(Role::Server);
        incoming.allow_ccs(true);
        assert!(accepted(&mut incoming, &part).is_empty());
        assert_eq!(refused(&mut incoming, &other), Violation::InterleavedRecord);
    }
    // A fatal alert is the end anyway, and says why.
    let mut incoming = incoming(Role::Server);
    let bytes = [part, plain(ALERT, &[2, 80])].concat();
    assert_eq!(accepted(&mut incoming, &bytes), [vec![2, 80]]);
}

#[test]
fn warnings_are_counted() {
    let warning = plain(ALERT, &[1, 90]);
    let mut incoming = incoming(Role::Server);
    assert_eq!(accepted(&mut incoming, &warning.repeat(3)).len(), 3);
    // What stands between them counts for nothing: the peer may cut a message into as many records as it has bytes.
    accepted(&mut incoming, &plain(HANDSHAKE, &message(1, b"")));
    incoming.feed(&warning);
    assert!(matches!(
        incoming.next(),
        Ok(Some(Message::Alert {
            level: AlertLevel::WARNING,
            description: AlertDescription::USER_CANCELED
        }))
    ));
    assert_eq!(refused(&mut incoming, &warning), Violation::TooManyWarnings);
}

#[test]
fn keys_do_not_change_in_the_middle_of_a_message() {
    let mut bytes = message(2, b"server hello");
    bytes.push(8);
    let mut incoming = incoming(Role::Client);
    incoming.feed(&plain(HANDSHAKE, &bytes));
    assert!(incoming.next().unwrap().is_some());
    let Err(Abort(reason)) = incoming.install_read(secret(1)) else {
        panic!("installed");
    };
    assert_eq!(violation(&reason), Violation::MessageSpansKeyChange);
}

#[test]
fn records_of_two_epochs_in_one_read() {
    let mut forge = Forge::new(1);
    let bytes = [
        plain(HANDSHAKE, &message(2, b"hello")),
        plain(CCS, &[1]),
        forge.record(HANDSHAKE, &message(8, b"")),
    ]
    .concat();
    let mut incoming = incoming(Role::Client);
    incoming.allow_ccs(true);
    incoming.feed(&bytes);
    assert!(matches!(incoming.next(), Ok(Some(Message::Handshake(m))) if m.typ().0 == 2));
    incoming.install_read(secret(1)).unwrap();
    assert_eq!(drain(&mut incoming), (vec![message(8, b"")], None));
}

#[test]
fn early_data_is_skipped_until_a_record_opens() {
    let mut early = Forge::new(9);
    let skipped: Vec<u8> = (0..3).flat_map(|_| early.record(DATA, &[1; 100])).collect();
    // The content counts, and not header, type and tag.
    for (budget, fits) in [(300, true), (299, false)] {
        let (mut server, mut forge) = protected(Role::Server);
        server.allow_ccs(true);
        server.skip_early_data(budget);
        let bytes = [
            skipped.clone(),
            plain(CCS, &[1]),
            forge.record(HANDSHAKE, &message(20, b"x")),
        ]
        .concat();
        server.feed(&bytes);
        let (seen, end) = drain(&mut server);
        if fits {
            assert_eq!((seen.len(), end), (1, None));
            // From the first that opens on, all must.
            let late = early.record(DATA, b"late");
            assert_eq!(refused(&mut server, &late), Violation::BadRecordMac);
        } else {
            assert_eq!((seen.len(), end), (0, Some(Violation::TooMuchEarlyData)));
        }
    }
}

#[test]
fn early_data_after_a_retry_is_skipped_until_the_second_hello() {
    let mut early = Forge::new(9);
    let skipped = early.record(DATA, &[1; 100]);
    let mut server = incoming(Role::Server);
    server.skip_early_data(200);
    let bytes = [
        skipped.repeat(2),
        plain(HANDSHAKE, &message(1, b"second")),
        skipped.clone(),
    ]
    .concat();
    assert_eq!(
        accepted(&mut server, &bytes),
        [message(1, b"second"), vec![]],
        "application data after the second hello is not skipped"
    );
    let mut server = incoming(Role::Server);
    server.skip_early_data(199);
    assert_eq!(
        refused(&mut server, &skipped.repeat(2)),
        Violation::TooMuchEarlyData
    );
    // Of empty records there may be as many as of records with a byte.
    let mut server = incoming(Role::Server);
    server.skip_early_data(50);
    assert!(accepted(&mut server, &plain(DATA, &[]).repeat(50)).is_empty());
    assert_eq!(
        refused(&mut server, &plain(DATA, &[])),
        Violation::TooMuchEarlyData
    );
}

#[test]
fn the_data_path_takes_over_keys_and_unread_bytes() {
    let (mut incoming, mut forge) = protected(Role::Server);
    let finished = forge.record(HANDSHAKE, &message(20, b"x"));
    let data = forge.record(DATA, b"early bird");
    incoming.feed(&[finished, data.clone()].concat());
    assert!(incoming.next().unwrap().is_some());
    let (mut reader, mut unread) = incoming.take_reader(Arc::default()).unwrap();
    assert_eq!(unread, data);
    assert_eq!(reader.sequence_number(), 1);
    let opened = reader.open_in_place(&mut unread).unwrap();
    assert_eq!(opened, super::super::Opened::Data(5..15));
    assert_eq!(&unread[5..15], b"early bird");
}
