//! RFC 8446 §4.6.3, §5.5: keys that are asked to change, and keys that wear out.

use super::*;
use crate::record::{Opened, Sealed};

/// One end: both directions, and its mailbox.
struct End {
    reader: Reader,
    writer: Writer,
}

fn pair(key_update_at: u64) -> (End, End) {
    let end = |role, read, write| {
        let mailbox = Arc::<Mailbox>::default();
        let keys = |seed| Keys::from(secret(seed));
        let reader = Reader::new(
            role,
            keys(read),
            MAX_INNER_PLAINTEXT,
            1 << 16,
            Arc::clone(&mailbox),
        );
        let writer = Writer::new(keys(write), RecordSize::default(), key_update_at, mailbox);
        End { reader, writer }
    };
    (end(Role::Client, 2, 1), end(Role::Server, 1, 2))
}

impl End {
    /// Reads records, gives the data in them.
    fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        for mut record in records(bytes) {
            match self.reader.open_in_place(&mut record).unwrap() {
                Opened::Data(range) => data.extend_from_slice(&record[range]),
                Opened::Nothing => {}
                Opened::Closed => panic!("closed"),
            }
        }
        data
    }

    fn send(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 200_000];
        let sealed = self.writer.seal(data, &mut out).unwrap();
        assert_eq!(sealed.consumed, data.len());
        out.truncate(sealed.written);
        out
    }

    fn key_update(&mut self, request: bool) -> Vec<u8> {
        let mut out = vec![0; self.writer.control_len()];
        let written = self.writer.key_update(request, &mut out).unwrap();
        out.truncate(written);
        out
    }
}

#[test]
fn requested_updates_are_answered_once_before_the_next_data() {
    let (mut client, mut server) = pair(u64::MAX);
    for _ in 0..3 {
        let update = client.key_update(true);
        assert_eq!(update.len(), 27);
        assert!(server.receive(&update).is_empty());
    }
    assert!(server.reader.writer_has_work());
    assert_eq!(server.reader.key_generation(), 3);
    assert_eq!(
        client.writer.traffic_secret(),
        server.reader.traffic_secret()
    );
    assert_ne!(client.writer.traffic_secret(), Some(secret(1).as_bytes()));

    let answer = server.send(b"pong");
    assert_eq!(records(&answer).len(), 2, "one answer, then the data");
    assert_eq!(client.receive(&answer), b"pong");
    assert_eq!(client.reader.key_generation(), 1);
    assert!(!client.reader.writer_has_work(), "an answer asks for none");
    assert!(!server.reader.writer_has_work());
    assert_eq!(server.receive(&client.send(b"ping")), b"ping");
}

#[test]
fn an_idle_writer_answers_through_the_mailbox() {
    let (mut client, mut server) = pair(u64::MAX);
    let update = client.key_update(true);
    server.receive(&update);
    let mut out = [0; 27];
    assert_eq!(server.writer.drain_mailbox(&mut out[..26]).unwrap(), 0);
    assert!(server.reader.writer_has_work());
    assert_eq!(server.writer.drain_mailbox(&mut out).unwrap(), 27);
    assert_eq!(server.writer.drain_mailbox(&mut out[..0]).unwrap(), 0);
    client.receive(&out);
    assert_eq!(client.reader.key_generation(), 1);
}

#[test]
fn an_update_that_is_not_requested_is_not_answered() {
    let (mut client, mut server) = pair(u64::MAX);
    let update = client.key_update(false);
    server.receive(&update);
    assert!(!server.reader.writer_has_work());
    assert_eq!(server.receive(&client.send(b"x")), b"x");
}

#[test]
fn updates_cut_in_pieces() {
    let mut reader = reader(Role::Server);
    let mut forge = Forge::new(1);
    for at in 1..5 {
        let update = [24, 0, 0, 1, 1];
        for part in [&update[..at], &update[at..]] {
            let mut record = forge.record(HANDSHAKE, part);
            let opened = reader.open_in_place(&mut record).unwrap();
            assert_eq!(opened, Opened::Nothing);
        }
        forge.update();
        assert_eq!(reader.key_generation(), at as u64);
        assert_eq!(reader.sequence_number(), 0);
    }
}

#[test]
fn too_many_updates_without_data() {
    let (mut client, mut server) = pair(u64::MAX);
    for _ in 0..2 {
        for _ in 0..32 {
            let update = client.key_update(false);
            server.receive(&update);
        }
        assert_eq!(server.receive(&client.send(b"x")), b"x");
    }
    for _ in 0..32 {
        let update = client.key_update(false);
        server.receive(&update);
    }
    let mut update = client.key_update(false);
    let error = server.reader.open_in_place(&mut update).unwrap_err();
    assert_eq!(error.violation(), Some(Violation::TooManyKeyUpdates));
}

#[test]
fn keys_change_after_key_update_at_bytes() {
    let (mut client, mut server) = pair(20_000);
    let sent = [3; 50_000];
    let bytes = client.send(&sent);
    // 16384 | update | 16384 | update | 16384, 848
    assert_eq!(records(&bytes).len(), 4 + 2);
    assert_eq!(server.receive(&bytes), sent);
    assert_eq!(server.reader.key_generation(), 2);
    assert_eq!(client.writer.bytes_under_key(), 17_232);
    // A single record above the limit is sent all the same, each under its own key.
    let (mut client, mut server) = pair(10);
    let bytes = [client.send(&[1; 100]), client.send(&[1; 100])].concat();
    assert_eq!(server.receive(&bytes), [1; 200]);
    assert_eq!(client.writer.key_generation(), 1);
}

#[test]
fn an_update_that_does_not_fit_waits() {
    let (mut client, mut server) = pair(10);
    let first = client.send(b"0123456789");
    let mut out = [0; 100];
    let sealed = client.writer.seal(b"more", &mut out[..26]).unwrap();
    assert_eq!(sealed, Sealed::default());
    let sealed = client.writer.seal(b"more", &mut out[..40]).unwrap();
    assert_eq!((sealed.consumed, sealed.written), (0, 27));
    assert_eq!(
        server.receive(&[&first, &out[..27]].concat()),
        b"0123456789"
    );
    assert_eq!(server.receive(&client.send(b"more")), b"more");
}

#[test]
fn the_writer_updates_before_the_cipher_s_limit() {
    let (mut client, mut server) = pair(u64::MAX);
    client.writer.keys.left = 3;
    server.reader.keys.left = 3;
    let bytes = [client.send(b"1"), client.send(b"2"), client.send(b"3")].concat();
    assert_eq!(records(&bytes).len(), 4);
    assert_eq!(server.receive(&bytes), b"123");
    assert_eq!(client.writer.key_generation(), 1);
    assert!(!server.reader.writer_has_work());
}

#[test]
fn a_peer_that_wears_out_its_key_is_asked_then_refused() {
    let (mut client, mut server) = pair(u64::MAX);
    server.reader.keys.left = 1;
    assert_eq!(server.receive(&client.send(b"1")), b"1");
    assert!(!server.reader.writer_has_work());
    assert_eq!(server.receive(&client.send(b"2")), b"2");
    let mut out = [0; 27];
    let written = server.writer.drain_mailbox(&mut out).unwrap();
    client.receive(&out[..written]);
    assert_eq!(server.receive(&client.send(b"3")), b"3");
    assert_eq!(server.reader.key_generation(), 1);

    // The next key: asked once more, but this peer does not listen.
    server.reader.keys.left = 1;
    server.receive(&client.send(b"4"));
    server.receive(&client.send(b"5"));
    server.reader.keys.left = 0;
    let mut record = client.send(b"6");
    let error = server.reader.open_in_place(&mut record).unwrap_err();
    assert_eq!(error.violation(), Some(Violation::AeadLimitReached));
}

#[test]
fn a_request_and_an_answer_are_one_update() {
    let mailbox = Mailbox::default();
    mailbox.answer_key_update();
    mailbox.request_key_update();
    assert_eq!(mailbox.take().key_update(), Some(true));
    assert_eq!(mailbox.take().key_update(), None);
}

/// A few bytes of data between the KeyUpdates, again and again: each of them costs this side two
/// keys, so there is an end to it.
#[test]
fn updates_that_protect_next_to_nothing_are_counted_over_the_connection() {
    let (mut client, mut server) = pair(u64::MAX);
    // Once a minute beside a heartbeat this is more than three weeks.
    for _ in 0..32_768 - 5 {
        server.reader.post_handshake.count_key(2).unwrap();
    }
    let mut round = || {
        assert_eq!(server.receive(&client.send(b"x")), b"x");
        let mut update = client.key_update(false);
        server.reader.open_in_place(&mut update)
    };
    for _ in 0..5 {
        round().unwrap();
    }
    let error = round().unwrap_err();
    assert_eq!(error.violation(), Some(Violation::TooManyKeyUpdates));
}

/// Who protects a few records with each key may go on for ever, and keys that protect many earn
/// back those that protected none.
#[test]
fn updates_that_protect_something_are_not_counted() {
    let (mut client, mut server) = pair(u64::MAX);
    let wasted = |server: &mut End| {
        let mut spare = 0;
        while server.reader.post_handshake.count_key(1).is_ok() {
            spare += 1;
        }
        spare
    };
    assert_eq!(wasted(&mut server), 32_768);
    for _ in 0..100 {
        server.receive(&client.send(&[1; 8 * 16_384]));
        server.receive(&client.key_update(false));
    }
    assert_eq!(wasted(&mut server), 100);
    // As many records as a key may protect.
    server.reader.post_handshake.count_key(u64::MAX).unwrap();
    assert_eq!(wasted(&mut server), 32_768);
}
