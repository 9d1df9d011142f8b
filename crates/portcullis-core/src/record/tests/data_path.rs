//! Whatever is written is read, by every way, under every suite and limit.

use std::io::IoSlice;

use proptest::prelude::*;

use super::*;
use crate::record::{Frame, Opened, PaddingPolicy};

fn ends(aead: usize, is_older: bool, limit: u16, padding: u16) -> (Writer, Reader) {
    let aead = ALGORITHMS[aead];
    let keys = || match is_older {
        true => older::keys(aead),
        false => Keys::from(secret_for(aead, 3)),
    };
    let mut size = RecordSize::default();
    size.set_record_size_limit(limit);
    // Before TLS 1.3 there is none, and nobody sets it.
    if !is_older {
        size.set_padding(PaddingPolicy::Block(padding));
    }
    let writer = Writer::new(keys(), size, 50_000, Arc::default());
    let reader = Reader::new(Role::Server, keys(), limit.into(), 1000, Arc::default());
    (writer, reader)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        aead in 0..ALGORITHMS.len(),
        is_older in any::<bool>(),
        limit in prop_oneof![Just(16385_u16), 64_u16..16385],
        padding in prop_oneof![Just(0_u16), 0_u16..2000],
        parts in proptest::collection::vec(0_usize..20_000, 0..5),
        room in 2_500_usize..40_000,
        reads in proptest::collection::vec(1_usize..20_000, 1..5),
        caller in prop_oneof![Just(16384_usize), Just(65536), 1_usize..20_000],
    ) {
        let (mut writer, mut reader) = ends(aead, is_older, limit, padding);
        let data: Vec<Vec<u8>> = parts
            .iter()
            .enumerate()
            .map(|(part, &n)| (0..n).map(|i| (i * 7 + part) as u8).collect())
            .collect();
        let whole = data.concat();

        let mut wire = Vec::new();
        let mut out = vec![0; room];
        let mut at = 0;
        while at < whole.len() {
            // The slices that are left, as a driver advances them.
            let mut skip = at;
            let slices: Vec<IoSlice<'_>> = data
                .iter()
                .map(|part| {
                    let cut = skip.min(part.len());
                    skip -= cut;
                    IoSlice::new(&part[cut..])
                })
                .collect();
            let sealed = writer.seal_vectored(&slices, &mut out).unwrap();
            prop_assert!(sealed.written > 0);
            wire.extend_from_slice(&out[..sealed.written]);
            at += sealed.consumed;
        }

        let mut seen = Vec::new();
        let mut buffer: Vec<u8> = Vec::new();
        let mut user = vec![0; caller];
        let mut pieces = reads.iter().cycle();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let n = (*pieces.next().unwrap()).min(rest.len());
            buffer.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
            let mut used = 0;
            while let Frame::Record { len, plaintext } = reader.frame(&buffer[used..]).unwrap() {
                let record = &mut buffer[used..used + len];
                used += len;
                if plaintext <= user.len() {
                    if let Opened::Data(range) = reader.open_into(record, &mut user).unwrap() {
                        seen.extend_from_slice(&user[range]);
                    }
                } else if let Opened::Data(range) = reader.open_in_place(record).unwrap() {
                    seen.extend_from_slice(&record[range]);
                }
            }
            buffer.drain(..used);
        }
        prop_assert!(buffer.is_empty());
        prop_assert!(seen == whole);
        prop_assert_eq!(reader.key_generation(), writer.key_generation());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut reader = reader(Role::Client);
        if let Ok(Frame::Record { len, .. }) = reader.frame(&bytes) {
            prop_assert!(reader.open_into(&bytes[..len], &mut [0; 100]).is_err());
        }
        let _ = reader.open_into(&bytes, &mut [0; 100]);
        let mut forge = Forge::new(1);
        let mut reader = super::reader(Role::Client);
        let _ = reader.open_in_place(&mut forge.inner(&bytes));
    }

    #[test]
    fn no_bytes_make_a_reader_of_older_records_panic(
        aead in 0..ALGORITHMS.len(),
        typ in 18_u8..26,
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let (_, mut reader) = ends(aead, true, 16384, 0);
        if let Ok(Frame::Record { len, .. }) = reader.frame(&bytes) {
            prop_assert!(reader.open_into(&bytes[..len], &mut [0; 100]).is_err());
        }
        let _ = reader.open_into(&bytes, &mut [0; 100]);
        // Under the keys, and without them, in a whole record.
        let sealed = older::Plain::new(ALGORITHMS[aead]).record(ContentType(typ), &bytes);
        for record in [sealed, plain(ContentType(typ), &bytes)] {
            let (_, mut reader) = ends(aead, true, 16384, 0);
            let _ = reader.open_in_place(&mut record.clone());
            let (_, mut reader) = ends(aead, true, 16384, 0);
            let _ = reader.open_into(&record, &mut [0; 200]);
        }
    }

    #[test]
    fn no_bytes_make_incoming_of_older_records_panic(
        aead in 0..ALGORITHMS.len(),
        typ in 18_u8..26,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let typ = ContentType(typ);
        let sealed = older::Plain::new(ALGORITHMS[aead]).record(typ, &bytes);
        for (has_keys, bytes) in [
            (false, bytes.clone()),
            (true, bytes.clone()),
            (false, plain(typ, &bytes)),
            (true, plain(typ, &bytes)),
            (true, sealed),
        ] {
            let mut incoming = crate::record::stream::Incoming::new(Role::Server, 1000);
            incoming.decided_before_tls13(crate::ProtocolVersion::TLS_1_2).unwrap();
            if has_keys {
                incoming.install_read(older::keys(ALGORITHMS[aead])).unwrap();
            }
            incoming.feed(&bytes);
            while let Ok(Some(_)) = incoming.next() {}
        }
    }

    #[test]
    fn no_bytes_make_incoming_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut incoming = crate::record::stream::Incoming::new(Role::Server, 1000);
        incoming.feed(&bytes);
        while let Ok(Some(_)) = incoming.next() {}
        let mut incoming = crate::record::stream::Incoming::new(Role::Server, 1000);
        incoming.feed(&plain(HANDSHAKE, &bytes));
        while let Ok(Some(_)) = incoming.next() {}
    }
}

/// The case that has no direct way: the caller's buffer is exactly the content.
#[test]
fn a_buffer_of_exactly_one_record() {
    let (mut writer, mut reader) = ends(0, false, 16385, 0);
    let data = [5; 16384];
    let mut out = vec![0; 20_000];
    let sealed = writer.seal(&data, &mut out).unwrap();
    let record = &mut out[..sealed.written];
    let Frame::Record { plaintext, .. } = reader.frame(record).unwrap() else {
        panic!("no record");
    };
    assert_eq!(plaintext, 16385);
    assert!(reader.open_into(record, &mut [0; 16384]).is_err());
    assert_eq!(
        reader.open_in_place(record).unwrap(),
        Opened::Data(5..16389)
    );
    assert_eq!(record[5..16389], data);
    assert_eq!(reader.record_len(16384), sealed.written);
}
