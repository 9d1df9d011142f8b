//! Ciphers that are given back come again, and only where they belong.

use super::*;
use crate::record::Opened;

/// Sends `content` and gives what is read.
fn pass(writer: &mut Writer, reader: &mut Reader, content: &[u8]) -> Vec<u8> {
    let mut out = vec![0; writer.max_sealed_len(content.len())];
    let sealed = writer.seal(content, &mut out).unwrap();
    assert_eq!(sealed.consumed, content.len());
    let mut read = Vec::new();
    for mut record in records(&out[..sealed.written]) {
        if let Opened::Data(range) = reader.open_in_place(&mut record).unwrap() {
            read.extend_from_slice(&record[range]);
        }
    }
    read
}

#[test]
fn goes_on_after_hibernation_under_every_cipher() {
    for &aead in ALGORITHMS {
        let keys = || Keys::from(secret_for(aead, 5));
        let mut writer = Writer::new(keys(), RecordSize::default(), u64::MAX, Arc::default());
        let mut reader = Reader::new(
            Role::Client,
            keys(),
            MAX_INNER_PLAINTEXT,
            1 << 16,
            Arc::default(),
        );
        assert!(writer.is_hibernating() && reader.is_hibernating());
        for round in 0..20_u8 {
            assert_eq!(pass(&mut writer, &mut reader, &[round; 100]), [round; 100]);
            assert!(!writer.is_hibernating() && !reader.is_hibernating());
            match round % 5 {
                0 => writer.hibernate(),
                1 => reader.hibernate(),
                2 => {
                    let parked = writer.park().unwrap();
                    assert!(writer.is_hibernating() && writer.park().is_none());
                    writer.unpark(parked);
                    assert!(!writer.is_hibernating());
                }
                3 => drop(writer.park()),
                _ => {
                    let mut out = vec![0; writer.control_len()];
                    let length = writer.key_update(false, &mut out).unwrap();
                    assert!(writer.is_hibernating());
                    let opened = reader.open_in_place(&mut out[..length]).unwrap();
                    assert_eq!(opened, Opened::Nothing);
                    assert!(reader.is_hibernating());
                }
            }
        }
        assert_eq!((writer.key_generation(), reader.key_generation()), (4, 4));
        assert_eq!(writer.sequence_number(), reader.sequence_number());
    }
}

#[test]
fn a_cipher_goes_back_to_its_own_key_only() {
    let (mut one, mut other) = (writer(), writer());
    let mut out = vec![0; one.max_sealed_len(1)];
    one.seal(b"x", &mut out).unwrap();
    other.unpark(one.park().unwrap());
    assert!(other.is_hibernating(), "of another connection");

    one.seal(b"x", &mut out).unwrap();
    let old = one.park().unwrap();
    one.key_update(false, &mut out).unwrap();
    one.unpark(old);
    assert!(one.is_hibernating(), "of an older key");
}

#[test]
fn damage_is_found_after_hibernation_too() {
    let (mut writer, mut reader) = (writer(), reader(Role::Client));
    assert_eq!(pass(&mut writer, &mut reader, b"x"), b"x");
    reader.hibernate();
    let mut out = vec![0; writer.max_sealed_len(1)];
    let written = writer.seal(b"y", &mut out).unwrap().written;
    out[written - 1] ^= 1;
    let error = reader.open_in_place(&mut out[..written]).unwrap_err();
    assert_eq!(violation(error.reason()), Violation::BadRecordMac);
}
