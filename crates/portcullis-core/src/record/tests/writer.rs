//! How data becomes records, and what else a writer sends.

use std::io::IoSlice;

use super::*;
use crate::alert::AlertDescription;
use crate::error::{Direction, Error};
use crate::record::{Opened, PaddingPolicy, Sealed};

fn lengths(bytes: &[u8]) -> Vec<usize> {
    records(bytes)
        .iter()
        .map(|record| record.len() - HEADER - 1 - TAG)
        .collect()
}

/// What a peer reads from these bytes, which must be data only.
fn read(bytes: &[u8]) -> Vec<u8> {
    let mut reader = reader(Role::Server);
    let mut data = Vec::new();
    for mut record in records(bytes) {
        match reader.open_in_place(&mut record).unwrap() {
            Opened::Data(range) => data.extend_from_slice(&record[range]),
            other => panic!("{other:?}"),
        }
    }
    data
}

fn is_misuse(error: &Error) -> bool {
    matches!(error.reason(), Reason::Misuse(_))
}

#[test]
fn full_records_straight_from_the_slice() {
    let data: Vec<u8> = (0..40_000).map(|i| (i % 249) as u8).collect();
    let mut writer = writer();
    let mut out = vec![0; writer.max_sealed_len(data.len())];
    let sealed = writer.seal(&data, &mut out).unwrap();
    let expected = Sealed {
        consumed: 40_000,
        written: 40_000 + 3 * 22,
    };
    assert_eq!(sealed, expected);
    assert_eq!(lengths(&out[..sealed.written]), [16384, 16384, 7232]);
    assert_eq!(read(&out[..sealed.written]), data);
    assert_eq!(writer.bytes_under_key(), 40_000);
    assert_eq!(writer.sequence_number(), 3);
}

#[test]
fn only_the_first_record_is_cut_to_fit() {
    let data = [7; 40_000];
    let mut writer = writer();
    let mut out = vec![0; 2 * 16406 + 100];
    let sealed = writer.seal(&data, &mut out).unwrap();
    assert_eq!((sealed.consumed, sealed.written), (32768, 32812));
    let sealed = writer.seal(&data, &mut out[..100]).unwrap();
    assert_eq!((sealed.consumed, sealed.written), (78, 100));
    for (room, consumed) in [(0, 0), (22, 0), (23, 1), (24, 2)] {
        let sealed = writer.seal(&data, &mut out[..room]).unwrap();
        assert_eq!(sealed.consumed, consumed);
    }
    assert_eq!(writer.seal(&[], &mut out).unwrap(), Sealed::default());
}

#[test]
fn small_slices_are_gathered() {
    let parts: Vec<Vec<u8>> = [0, 1, 5, 0, 16380, 20, 16384, 3, 0]
        .iter()
        .map(|&n| (0..n).map(|i| (i % 241) as u8).collect())
        .collect();
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut writer = writer();
    let mut out = vec![0; 50_000];
    let sealed = writer.seal_vectored(&slices, &mut out).unwrap();
    assert_eq!(sealed.consumed, 32_793);
    assert_eq!(lengths(&out[..sealed.written]), [16384, 16384, 25]);
    assert_eq!(read(&out[..sealed.written]), parts.concat());
}

#[test]
fn limits_of_the_peer() {
    let mut size = RecordSize::default();
    size.set_record_size_limit(64);
    let mut writer = writer_with(size, u64::MAX, Arc::default());
    assert_eq!(writer.fragment_len(), 63);
    let mut out = vec![0; writer.max_sealed_len(200)];
    let sealed = writer.seal(&[1; 200], &mut out).unwrap();
    assert_eq!(lengths(&out[..sealed.written]), [63, 63, 63, 11]);
}

#[test]
fn padding() {
    let mut size = RecordSize::default();
    size.set_padding(PaddingPolicy::Block(100));
    let mut writer = writer_with(size, u64::MAX, Arc::default());
    assert_eq!(writer.overhead(1), 120);
    let mut out = vec![0xff; writer.max_sealed_len(16400)];
    let sealed = writer.seal(&[1; 16400], &mut out).unwrap();
    assert_eq!(sealed.consumed, 16400);
    assert_eq!(
        records(&out[..sealed.written])
            .iter()
            .map(Vec::len)
            .collect::<Vec<_>>(),
        [16406, 121]
    );
    assert_eq!(read(&out[..sealed.written]), [1; 16400]);
    // Cut to fit, the padded record still fits.
    for (room, consumed) in [(120, 0), (121, 99), (220, 99), (221, 199), (222, 199)] {
        let sealed = writer.seal(&[1; 500], &mut out[..room]).unwrap();
        assert_eq!(sealed.consumed, consumed);
    }
}

#[test]
fn nothing_follows_close_notify() {
    let mut writer = writer();
    let mut out = vec![0; 200];
    assert!(is_misuse(&writer.close_notify(&mut out[..23]).unwrap_err()));
    let written = writer.close_notify(&mut out).unwrap();
    let opened = reader(Role::Server).open_in_place(&mut out[..written]);
    assert_eq!(opened.unwrap(), Opened::Closed);
    assert!(writer.is_closed());
    assert_eq!(writer.close_notify(&mut out).unwrap(), 0);
    let error = writer.seal(b"x", &mut out).unwrap_err();
    assert!(matches!(error.reason(), Reason::Closed));
    assert!(writer.key_update(false, &mut out).is_err());
    assert!(
        writer
            .alert(AlertDescription::INTERNAL_ERROR, &mut out)
            .is_err()
    );
    writer.mailbox().answer_key_update();
    assert_eq!(writer.drain_mailbox(&mut out).unwrap(), 0);
    assert!(!writer.mailbox().has_work());
}

#[test]
fn an_alert_ends_the_connection() {
    let mut writer = writer();
    let mut out = vec![0; 200];
    let written = writer
        .alert(AlertDescription::INTERNAL_ERROR, &mut out)
        .unwrap();
    let error = reader(Role::Server)
        .open_in_place(&mut out[..written])
        .unwrap_err();
    assert!(matches!(
        error.reason(),
        Reason::AlertReceived(AlertDescription::INTERNAL_ERROR)
    ));
    let error = writer.seal(b"x", &mut out).unwrap_err();
    let alert = Some((Direction::Sent, AlertDescription::INTERNAL_ERROR));
    assert_eq!(error.alert(), alert);
    assert!(writer.close_notify(&mut out).is_err());
}

/// Two halves of one end, and the forged peer.
fn ends() -> (Reader, Writer, Forge) {
    let reader = reader(Role::Client);
    let writer = writer_with(
        RecordSize::default(),
        u64::MAX,
        Arc::clone(reader.mailbox()),
    );
    (reader, writer, Forge::new(1))
}

#[test]
fn the_reader_s_alert_goes_out_once() {
    let mut out = vec![0; 200];
    for by_seal in [true, false] {
        let (mut reader, mut writer, mut forge) = ends();
        let error = reader
            .open_in_place(&mut forge.record(HANDSHAKE, b""))
            .unwrap_err();
        assert!(writer.mailbox().has_work());
        assert_eq!(writer.drain_mailbox(&mut out[..20]).unwrap(), 0);
        assert!(writer.mailbox().has_work(), "it did not fit");
        let written = if by_seal {
            let sealed = writer.seal(b"data", &mut out).unwrap();
            assert_eq!(sealed.consumed, 0);
            sealed.written
        } else {
            writer.close_notify(&mut out).unwrap()
        };
        let seen = super::reader(Role::Server)
            .open_in_place(&mut out[..written])
            .unwrap_err();
        assert!(matches!(
            seen.reason(),
            Reason::AlertReceived(AlertDescription::UNEXPECTED_MESSAGE)
        ));
        for again in [
            writer.seal(b"data", &mut out).map(|_| ()),
            writer.drain_mailbox(&mut out).map(|_| ()),
            writer.close_notify(&mut out).map(|_| ()),
        ] {
            assert_eq!(again.unwrap_err().violation(), error.violation());
        }
    }
}

#[test]
fn the_peer_s_fatal_alert_stops_the_writer_without_another() {
    let (mut reader, mut writer, mut forge) = ends();
    reader
        .open_in_place(&mut forge.record(ALERT, &[2, 80]))
        .unwrap_err();
    let error = writer.seal(b"data", &mut [0; 100]).unwrap_err();
    assert!(matches!(error.reason(), Reason::AlertReceived(_)));
}

#[test]
fn the_peer_s_close_notify_leaves_the_writer_open() {
    let (mut reader, mut writer, mut forge) = ends();
    reader
        .open_in_place(&mut forge.record(ALERT, &[1, 0]))
        .unwrap();
    assert!(writer.mailbox().peer_closed());
    let mut out = [0; 100];
    assert_eq!(writer.seal(b"data", &mut out).unwrap().consumed, 4);
    assert!(writer.close_notify(&mut out).unwrap() > 0);
}
