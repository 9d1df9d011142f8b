//! IVs that are chained (RFC 2246 §6.2.3.2), and what is written so that nobody can use it.

use super::*;

/// RFC 2246 §6.2.3.2: all records of a direction are one stream of blocks, whoever hibernates between.
#[test]
fn a_chain_goes_through_every_record() {
    for cbc in all().filter(|cbc| cbc.iv == Iv::Chained && !cbc.encrypt_then_mac) {
        let mut writer = writer_of(cbc, RecordSize::default());
        let mut stream = Vec::new();
        for round in 0..9_u8 {
            let mut out = vec![0; writer.max_sealed_len(40)];
            let sealed = writer.seal(&[round; 40], &mut out).unwrap();
            stream.extend_from_slice(&out[HEADER..sealed.written]);
            match round % 3 {
                0 => writer.hibernate(),
                1 => drop(writer.park()),
                _ => {}
            }
        }
        let context = decryption(&FIRST_IV[..block(cbc)]);
        let key = DecryptingKey::cbc(Plain::new(cbc).key()).unwrap();
        let plaintext = key.decrypt(&mut stream, context).unwrap();
        let size = plaintext.len() / 9;
        for (round, record) in (0..).zip(plaintext.chunks(size)) {
            assert_eq!(record[..40], [round; 40]);
        }
    }
}

/// The lengths of the contents that a write of so many bytes becomes.
fn lengths(cbc: CbcParameters, slices: &[&[u8]], room: Option<usize>) -> Vec<usize> {
    let mut writer = writer_of(cbc, RecordSize::default());
    let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
    let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
    let most = writer.max_sealed_len(bytes);
    let mut out = vec![0; room.unwrap_or(most)];
    let sealed = writer.seal_vectored(&slices, &mut out).unwrap();
    assert!(room.is_some() || sealed.consumed == bytes);
    let mut plain = Plain::new(cbc);
    let opened = records(&out[..sealed.written]);
    let opened: Vec<_> = opened.iter().map(|record| plain.open(record).1).collect();
    let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
    assert_eq!(opened.concat(), all[..sealed.consumed]);
    opened.iter().map(Vec::len).collect()
}

/// BEAST: a byte, or a MAC alone, goes out before what an attacker may have chosen, in each write.
#[test]
fn the_first_byte_of_a_write_goes_alone() {
    let slices: &[&[u8]] = &[b"", b"h", b"ello, ", b"world"];
    for cbc in all() {
        for (mitigation, one, few, many) in [
            (
                BeastMitigation::OneNMinusOne,
                &[1][..],
                &[1, 11][..],
                &[1, 16_384, 16_384, 7_231][..],
            ),
            (
                BeastMitigation::ZeroN,
                &[0, 1],
                &[0, 12],
                &[0, 16_384, 16_384, 7_232],
            ),
            (BeastMitigation::Off, &[1], &[12], &[16_384, 16_384, 7_232]),
        ] {
            let cbc = CbcParameters {
                beast_mitigation: mitigation,
                ..cbc
            };
            let many_bytes = [7; 40_000];
            let all = [
                (&[&b"x"[..]][..], one),
                (slices, few),
                (&[&many_bytes], many),
            ];
            for (slices, expected) in all {
                let lengths = lengths(cbc, slices, None);
                match cbc.iv {
                    Iv::Chained => assert_eq!(lengths, expected, "{mitigation:?}"),
                    Iv::Explicit => assert!(lengths[0] > 1 || slices == [b"x"]),
                }
            }
        }
    }
}

/// An output that has not room for all: what goes out goes on, and its front is its own.
#[test]
fn a_write_cut_short_has_its_front_too() {
    for cbc in all().filter(|cbc| cbc.iv == Iv::Chained) {
        for mitigation in [BeastMitigation::OneNMinusOne, BeastMitigation::ZeroN] {
            let cbc = CbcParameters {
                beast_mitigation: mitigation,
                ..cbc
            };
            let front = usize::from(mitigation == BeastMitigation::OneNMinusOne);
            let least = writer_of(cbc, RecordSize::default()).max_sealed_len(2);
            for room in 0..400 {
                let lengths = lengths(cbc, &[&[7; 1_000]], Some(room));
                match lengths[..] {
                    [] => assert!(room < least, "{room}"),
                    [first, rest] => assert!(first == front && rest > 0),
                    _ => panic!("{lengths:?}"),
                }
            }
        }
    }
}

/// A key is asked for before the front is sealed, and for what follows it as well: else each write would be a byte, or
/// none at all, for ever, or there would be nothing left to say the end with.
#[test]
fn a_front_does_not_hide_that_a_key_is_due() {
    for cbc in all().filter(|cbc| cbc.iv == Iv::Chained) {
        for mitigation in [BeastMitigation::OneNMinusOne, BeastMitigation::ZeroN] {
            let cbc = CbcParameters {
                beast_mitigation: mitigation,
                ..cbc
            };
            let mut out = vec![0; 60_000];
            let mut wishing = |writer: &mut Writer| {
                let sealed = writer.seal(&[7; 40_000], &mut out).unwrap();
                assert_eq!((sealed.consumed, sealed.written), (0, 0), "{cbc:?}");
                assert!(writer.mailbox().take_wish());
                assert_eq!(
                    writer.seal(&[7; 40_000], &mut out).unwrap().consumed,
                    40_000
                );
            };
            // By bytes. A first record is never too much, however little is wanted.
            let mut writer = writer_of(cbc, RecordSize::default());
            writer.renegotiate_at(Some(10));
            let sealed = writer.seal(&[7; 40_000], &mut [0; 60_000]).unwrap();
            assert!(sealed.consumed >= MAX_PLAINTEXT, "{}", sealed.consumed);
            wishing(&mut writer);
            // By records: two are no longer enough for a front, what follows it, and the end.
            for left in [1, 2] {
                let mut writer = writer_of(cbc, RecordSize::default());
                writer.renegotiate_at(Some(1 << 20));
                writer.keys.left = left;
                wishing(&mut writer);
            }
            for left in [1, 2, 3] {
                let mut writer = writer_of(cbc, RecordSize::default());
                writer.keys.left = left;
                let mut consumed = 0;
                let error = loop {
                    match writer.seal(&[7; 40], &mut out) {
                        Ok(sealed) => {
                            assert!(sealed.written > 0);
                            consumed += sealed.consumed;
                        }
                        Err(error) => break error,
                    }
                };
                assert!(matches!(error.reason(), Reason::KeyWornOut), "{error}");
                let said = Some((Direction::Sent, AlertDescription::INTERNAL_ERROR));
                assert_eq!(error.alert(), said);
                assert_eq!(consumed, if left == 3 { 40 } else { 0 });
            }
        }
    }
}
