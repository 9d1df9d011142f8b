//! RFC 8446 §5.1: how messages become records.

use super::*;
use crate::alert::AlertDescription;
use crate::record::stream::{Incoming, Outgoing};
use crate::record::{Message, PaddingPolicy};

fn types(bytes: &[u8]) -> Vec<(u8, u8, usize)> {
    records(bytes)
        .iter()
        .map(|record| (record[0], record[2], record.len() - HEADER))
        .collect()
}

#[test]
fn only_the_first_hello_says_tls_1_0() {
    let mut outgoing = Outgoing::new(Role::Client);
    outgoing.queue(&message(1, &[0; 10]));
    assert_eq!(types(&outgoing.take().unwrap()), [(22, 1, 14)]);
    outgoing.change_cipher_spec().unwrap();
    outgoing.queue(&message(1, &[0; 10]));
    assert_eq!(types(&outgoing.take().unwrap()), [(20, 3, 1), (22, 3, 14)]);
    let mut outgoing = Outgoing::new(Role::Server);
    outgoing.queue(&message(2, &[0; 10]));
    assert_eq!(types(&outgoing.take().unwrap()), [(22, 3, 14)]);
}

#[test]
fn a_flight_is_as_few_records_as_possible() {
    let mut outgoing = Outgoing::new(Role::Server);
    outgoing.queue(&message(2, &[0; 86]));
    outgoing.change_cipher_spec().unwrap();
    outgoing.install_write(secret(1)).unwrap();
    for typ in [8, 11, 15, 20] {
        outgoing.queue(&message(typ, &[typ; 1000]));
    }
    let bytes = outgoing.take().unwrap();
    assert_eq!(
        types(&bytes),
        [(22, 3, 90), (20, 3, 1), (23, 3, 4 * 1004 + 17)]
    );
    let mut incoming = Incoming::new(Role::Client, 1 << 16);
    incoming.allow_ccs(true);
    incoming.feed(&bytes);
    assert!(incoming.next().unwrap().is_some());
    incoming.install_read(secret(1)).unwrap();
    for typ in [8, 11, 15, 20] {
        let Some(Message::Handshake(seen)) = incoming.next().unwrap() else {
            panic!("no message");
        };
        assert_eq!((seen.typ().0, seen.body()), (typ, &[typ; 1000][..]));
    }
}

#[test]
fn limits_cut_messages() {
    let mut outgoing = Outgoing::new(Role::Server);
    outgoing.set_max_fragment(512);
    outgoing.queue(&message(2, &[0; 600]));
    outgoing.install_write(secret(1)).unwrap();
    outgoing.set_record_size_limit(64);
    outgoing.queue(&message(11, &[7; 122]));
    let bytes = outgoing.take().unwrap();
    assert_eq!(
        types(&bytes),
        [(22, 3, 512), (22, 3, 92), (23, 3, 80), (23, 3, 80)]
    );
}

#[test]
fn padding() {
    let mut outgoing = Outgoing::new(Role::Server);
    outgoing.set_padding(PaddingPolicy::Block(128));
    outgoing.queue(&message(2, b"in the clear"));
    outgoing.install_write(secret(1)).unwrap();
    outgoing.queue(&message(8, b""));
    outgoing.alert(AlertDescription::INTERNAL_ERROR).unwrap();
    let bytes = outgoing.take().unwrap();
    assert_eq!(
        types(&bytes),
        [(22, 3, 16), (23, 3, 128 + TAG), (23, 3, 128 + TAG)]
    );
    let mut incoming = Incoming::new(Role::Client, 1 << 16);
    incoming.feed(&bytes);
    incoming.next().unwrap();
    incoming.install_read(secret(1)).unwrap();
    assert!(matches!(incoming.next(), Ok(Some(Message::Handshake(m))) if m.raw() == [8, 0, 0, 0]));
    assert!(matches!(incoming.next(), Ok(Some(Message::Alert { .. }))));
}

#[test]
fn alerts_follow_what_was_queued_and_have_their_level() {
    let mut outgoing = Outgoing::new(Role::Client);
    outgoing.queue(&message(1, b""));
    outgoing.alert(AlertDescription::DECODE_ERROR).unwrap();
    outgoing.alert(AlertDescription::USER_CANCELED).unwrap();
    let seen: Vec<_> = records(&outgoing.take().unwrap())
        .iter()
        .map(|record| record[HEADER..].to_vec())
        .collect();
    assert_eq!(
        seen,
        [vec![1, 0, 0, 0], vec![2, 50], vec![2, 90], vec![1, 0]]
    );
}

#[test]
fn the_data_path_takes_over_keys_and_queued_bytes() {
    let mut outgoing = Outgoing::new(Role::Client);
    assert!(
        Outgoing::new(Role::Client)
            .take_writer(Arc::default(), 1)
            .is_err(),
        "there are no keys"
    );
    outgoing.install_write(secret(1)).unwrap();
    outgoing.queue(&message(20, b"x"));
    let (writer, bytes) = outgoing.take_writer(Arc::default(), u64::MAX).unwrap();
    assert_eq!(types(&bytes), [(23, 3, 5 + 17)]);
    assert_eq!(writer.sequence_number(), 1);
}

#[test]
fn what_cannot_be_sealed_does_not_go_out() {
    let mut outgoing = Outgoing::new(Role::Client);
    outgoing.queue(&message(1, b"in the clear"));
    outgoing.install_write(secret(1)).unwrap();
    outgoing.wear_out();
    outgoing.queue(&message(20, b"not in the clear"));
    assert!(outgoing.take().is_err());
    assert!(outgoing.alert(AlertDescription::INTERNAL_ERROR).is_err());
    assert_eq!(types(&outgoing.take().unwrap()), [(22, 1, 16)]);
}
