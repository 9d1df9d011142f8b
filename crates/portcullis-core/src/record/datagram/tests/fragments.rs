//! Fragments in any cut and order give the same messages.

use proptest::prelude::*;

use super::super::Discarded;
use super::super::reassembly::{Reassembly, Taken};
use crate::violation::Violation;
use crate::wire::{FragmentHeader, HandshakeType};

fn header(message_seq: u16, length: usize, start: usize, end: usize) -> FragmentHeader {
    FragmentHeader {
        msg_type: HandshakeType::CERTIFICATE,
        length: length as u32,
        message_seq,
        fragment_offset: start as u32,
        fragment_length: (end - start) as u32,
    }
}

fn body(message_seq: u16, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at * 7 + usize::from(message_seq)) as u8)
        .collect()
}

proptest! {
    /// Each message once, in order, whatever overlaps; and never more held than is allowed.
    #[test]
    fn any_cut_gives_the_same_messages(
        lengths in proptest::collection::vec(0_usize..300, 1..6),
        pieces in proptest::collection::vec((0_usize..6, 0_usize..300, 1_usize..200), 0..60),
    ) {
        let mut reassembly = Reassembly::new(0, 300);
        let mut given = Vec::new();
        let take = |reassembly: &mut Reassembly, given: &mut Vec<Vec<u8>>| {
            while let Some(message) = reassembly.pop(2) {
                given.push(message.body().to_vec());
            }
        };
        for (which, start, length) in pieces {
            let which = which % lengths.len();
            let total = lengths[which];
            let start = start.min(total);
            let end = (start + length).min(total);
            let message_seq = which as u16;
            let bytes = body(message_seq, total);
            let taken = reassembly.put(2, header(message_seq, total, start, end), &bytes[start..end]);
            prop_assert!(matches!(taken, Taken::New | Taken::Old));
            prop_assert!(reassembly.held() <= 300 + 16 * 1024);
            take(&mut reassembly, &mut given);
        }
        // What is missing comes whole.
        for (which, total) in lengths.iter().enumerate() {
            let message_seq = which as u16;
            reassembly.put(2, header(message_seq, *total, 0, *total), &body(message_seq, *total));
            take(&mut reassembly, &mut given);
        }
        let expected: Vec<_> = lengths.iter().enumerate().map(|(which, total)| body(which as u16, *total)).collect();
        prop_assert_eq!(given, expected);
        prop_assert_eq!(reassembly.held(), 0);
    }
}

#[test]
fn seven_messages_are_looked_at_ahead() {
    let mut reassembly = Reassembly::new(3, 100);
    assert_eq!(reassembly.put(2, header(9, 4, 0, 4), &[0; 4]), Taken::New);
    let beyond = Taken::Dropped(Discarded::BeyondWindow);
    assert_eq!(reassembly.put(2, header(10, 4, 0, 4), &[0; 4]), beyond);
    assert_eq!(reassembly.put(2, header(2, 4, 0, 4), &[0; 4]), Taken::Old);
    assert!(reassembly.has_gap());
}

#[test]
fn what_contradicts_is_kept_apart_in_the_clear_and_refused_under_keys() {
    let mut reassembly = Reassembly::new(0, 100);
    reassembly.put(0, header(0, 50, 0, 50), &[0; 50]);
    let contradicts = Taken::Dropped(Discarded::ContradictsFragment);
    assert_eq!(reassembly.put(0, header(0, 60, 4, 8), &[0; 4]), contradicts);
    assert_eq!(reassembly.put(0, header(0, 50, 4, 8), &[1; 4]), contradicts);
    assert_eq!(reassembly.put(0, header(0, 50, 4, 8), &[0; 4]), Taken::New);
    let too_long = Taken::Dropped(Discarded::UnprotectedFault);
    assert_eq!(reassembly.put(0, header(1, 101, 0, 4), &[0; 4]), too_long);
    // Under keys nobody but the peer has sent it.
    reassembly.put(2, header(1, 50, 0, 4), &[0; 4]);
    let broken = Taken::Broken(Violation::FragmentContradictsMessage);
    assert_eq!(reassembly.put(2, header(1, 60, 4, 8), &[0; 4]), broken);
    let broken = Taken::Broken(Violation::HandshakeMessageTooLong);
    assert_eq!(reassembly.put(2, header(2, 101, 0, 4), &[0; 4]), broken);
}

/// Whatever a stranger begins before, or puts between: other lengths, types and bytes.
#[test]
fn a_strangers_fragment_keeps_none_of_the_peers_out() {
    let ours = body(0, 90);
    let peers = |reassembly: &mut Reassembly, start: usize| {
        let bytes = &ours[start..start + 30];
        reassembly.put(0, header(0, 90, start, start + 30), bytes)
    };
    let strangers = |reassembly: &mut Reassembly| {
        for length in 80..100 {
            reassembly.put(0, header(0, length, 10, 50), &[0xee; 40]);
        }
        let other = FragmentHeader {
            msg_type: HandshakeType::FINISHED,
            ..header(0, 90, 0, 60)
        };
        reassembly.put(0, other, &[0xee; 60]);
    };
    let mut reassembly = Reassembly::new(0, 100);
    strangers(&mut reassembly);
    for start in [0, 30, 60] {
        assert_eq!(peers(&mut reassembly, start), Taken::New);
    }
    assert_eq!(reassembly.pop(0).unwrap().body(), ours);
    assert_eq!(reassembly.held(), 0);
    // With one of them behind each of the peer's.
    let mut reassembly = Reassembly::new(0, 100);
    for start in [0, 60, 30] {
        reassembly.put(0, header(0, 90, 10, 80), &[0xee; 70]);
        peers(&mut reassembly, start);
    }
    assert_eq!(reassembly.pop(0).unwrap().body(), ours);
    // However much they are, it is bounded, and the peer's has room.
    let mut reassembly = Reassembly::bounded(0, 100, 200);
    strangers(&mut reassembly);
    for start in [0, 30, 60] {
        assert_eq!(peers(&mut reassembly, start), Taken::New);
        assert!(reassembly.held() <= 300);
    }
    assert_eq!(reassembly.pop(0).unwrap().body(), ours);
}

#[test]
fn a_message_belongs_to_one_epoch() {
    let mut reassembly = Reassembly::new(0, 100);
    // The whole message in the clear, where it is due under keys.
    reassembly.put(0, header(0, 4, 0, 4), &[1; 4]);
    assert!(reassembly.pop(2).is_none());
    reassembly.put(0, header(0, 4, 0, 2), &[1; 2]);
    reassembly.put(2, header(0, 4, 2, 4), &[2; 2]);
    assert!(reassembly.pop(2).is_none());
    let dropped = Taken::Dropped(Discarded::UnprotectedFault);
    assert_eq!(reassembly.put(0, header(0, 4, 0, 2), &[1; 2]), dropped);
    reassembly.put(2, header(0, 4, 0, 2), &[2; 2]);
    assert_eq!(reassembly.pop(2).unwrap().body(), [2; 4]);
}

#[test]
fn what_is_far_makes_room_for_what_is_near() {
    let mut reassembly = Reassembly::new(0, 40_000);
    for message_seq in (1..7).rev() {
        reassembly.put(2, header(message_seq, 40_000, 0, 20_000), &[0; 20_000]);
        assert!(reassembly.held() <= 40_000 + 16 * 1024);
    }
    let full = Taken::Dropped(Discarded::ReassemblyFull);
    assert_eq!(
        reassembly.put(2, header(6, 40_000, 20_000, 40_000), &[0; 20_000]),
        full
    );
    assert_eq!(
        reassembly.put(2, header(0, 40_000, 0, 40_000), &[0; 40_000]),
        Taken::New
    );
    assert!(reassembly.pop(2).is_some());
}

/// A fragment costs about its bytes, wherever it stands: from behind, each byte comes before a long piece.
#[test]
fn a_message_may_come_from_behind() {
    let length = 100_000;
    let bytes = body(0, length);
    for epoch in [0, 2] {
        let mut reassembly = Reassembly::new(0, length);
        for at in (0..length).rev() {
            let taken = reassembly.put(epoch, header(0, length, at, at + 1), &bytes[at..=at]);
            assert_eq!(taken, Taken::New);
        }
        assert_eq!(reassembly.pop(epoch).unwrap().body(), bytes);
        assert_eq!(reassembly.held(), 0);
    }
}

/// What closes a gap is still taken.
#[test]
fn there_are_so_many_gaps_and_no_more() {
    let bytes = body(0, 1_000);
    let mut reassembly = Reassembly::new(0, 1_000);
    let mut put = |at: usize| reassembly.put(2, header(0, 1_000, at, at + 1), &bytes[at..=at]);
    let full = Taken::Dropped(Discarded::ReassemblyFull);
    for at in (0..1_000).step_by(2) {
        assert_eq!(put(at), if at < 512 { Taken::New } else { full }, "{at}");
    }
    for at in (1..510).step_by(2).chain(511..1_000) {
        assert_eq!(put(at), Taken::New, "{at}");
    }
    assert_eq!(reassembly.pop(2).unwrap().body(), bytes);
}

#[test]
fn nobody_prints_what_has_come() {
    let mut reassembly = Reassembly::new(0, 1_000);
    reassembly.put(0, header(0, 8, 0, 4), &[222; 4]);
    assert!(!format!("{reassembly:?}").contains("222"));
}
