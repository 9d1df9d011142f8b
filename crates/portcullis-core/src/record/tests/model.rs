//! The mailbox in every interleaving of its two threads, by loom: `CONTRIBUTING.md` says how to
//! run it. What crosses the wire is real records.

use loom::thread::{Builder, JoinHandle};

use super::*;
use crate::alert::AlertDescription;
use crate::error::Error;
use crate::record::Opened;
use crate::wire::KeyUpdateRequest;

/// In words: loom's own stacks are too short for debug builds of AWS-LC's callers.
const STACK: usize = 1 << 16;

fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().stack_size(STACK).spawn(body).unwrap()
}

/// Runs `body` once for every interleaving.
fn model(body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    loom::model(move || {
        let body = Arc::clone(&body);
        spawn(move || body()).join().unwrap();
    });
}

fn an_error() -> Error {
    reader(Role::Server).frame(&[99; 5]).unwrap_err()
}

#[test]
fn what_is_posted_is_taken_once() {
    model(|| {
        let mailbox = Arc::<Mailbox>::default();
        let posting = spawn({
            let mailbox = Arc::clone(&mailbox);
            move || {
                mailbox.answer_key_update();
                mailbox.request_key_update();
                mailbox.answer_key_update();
                mailbox.close();
            }
        });
        let mut taken = Vec::new();
        // Twice while it is being filled, the second time without room for an answer.
        taken.extend(mailbox.take().key_update());
        let work = mailbox.take();
        mailbox.put_back(work);
        posting.join().unwrap();

        assert!(mailbox.peer_closed());
        assert!(work.key_update().is_none() || mailbox.has_work());
        taken.extend(mailbox.take().key_update());
        assert!(!mailbox.has_work() && mailbox.take().key_update().is_none());
        assert!((1..=2).contains(&taken.len()), "{taken:?}");
        // The peer is asked for its own KeyUpdate once.
        let requests = taken.iter().filter(|request| **request).count();
        assert_eq!(requests, 1, "{taken:?}");
    });
}

#[test]
fn who_sees_the_failure_sees_its_reason() {
    model(|| {
        let mailbox = Arc::<Mailbox>::default();
        let failing = spawn({
            let mailbox = Arc::clone(&mailbox);
            move || mailbox.fail(an_error())
        });
        let work = mailbox.take();
        if work.failed() {
            assert!(mailbox.failure().is_some());
        }
        failing.join().unwrap();
        // Whatever was posted before a failure is seen with it.
        assert!(work.failed() || mailbox.has_work() && mailbox.has_failed());
        assert!(mailbox.failure().is_some());
    });
}

/// What the peer makes of what our writer has sent.
#[derive(Default)]
struct Peer {
    data: Vec<u8>,
    key_updates: u64,
    alert: Option<AlertDescription>,
}

impl Peer {
    /// Nothing may follow an alert.
    fn read(bytes: &[u8]) -> Self {
        let mut this = Self::default();
        let mut reader = reader_with(Role::Client, 2, MAX_INNER_PLAINTEXT);
        for mut record in records(bytes) {
            assert_eq!(this.alert, None, "a record after the alert");
            match reader.open_in_place(&mut record) {
                Ok(Opened::Data(range)) => this.data.extend_from_slice(&record[range]),
                Ok(Opened::Nothing) => {}
                Ok(Opened::Closed) => this.alert = Some(AlertDescription::CLOSE_NOTIFY),
                Err(error) => match error.reason() {
                    Reason::AlertReceived(alert) => this.alert = Some(*alert),
                    reason => panic!("{reason:?}"),
                },
            }
        }
        this.key_updates = reader.key_generation();
        this
    }
}

/// A server's reader that is given these records, and its writer, which writes data while that
/// happens and closes after it; gives what the peer reads.
fn converse(incoming: impl FnOnce(&mut Forge) -> Vec<Vec<u8>>) -> Peer {
    let incoming = incoming(&mut Forge::new(1));
    let mailbox = Arc::<Mailbox>::default();
    let keys = |seed| Keys::from(secret(seed));
    let mut reader = Reader::new(
        Role::Server,
        keys(1),
        MAX_INNER_PLAINTEXT,
        1 << 16,
        Arc::clone(&mailbox),
    );
    let mut writer = Writer::new(keys(2), RecordSize::default(), u64::MAX, mailbox);
    let reading = spawn(move || {
        for mut record in incoming {
            let _ = reader.open_in_place(&mut record);
        }
    });
    let mut sent = Vec::new();
    let mut out = [0; 256];
    if let Ok(sealed) = writer.seal(b"data", &mut out) {
        sent.extend_from_slice(&out[..sealed.written]);
    }
    // With no room for it, work stays where it is.
    let _ = writer.drain_mailbox(&mut []);
    reading.join().unwrap();
    for last in [Writer::drain_mailbox, Writer::close_notify] {
        if let Ok(written) = last(&mut writer, &mut out) {
            sent.extend_from_slice(&out[..written]);
        }
    }
    Peer::read(&sent)
}

fn key_update(forge: &mut Forge) -> Vec<u8> {
    let request = message(24, &[KeyUpdateRequest::UPDATE_REQUESTED.0]);
    let record = forge.record(HANDSHAKE, &request);
    forge.update();
    record
}

#[test]
fn requests_of_a_peer_are_answered_at_least_once_and_at_most_as_often() {
    model(|| {
        let peer = converse(|forge| vec![key_update(forge), key_update(forge)]);
        assert!((1..=2).contains(&peer.key_updates), "{}", peer.key_updates);
        assert_eq!(peer.data, b"data");
        assert_eq!(peer.alert, Some(AlertDescription::CLOSE_NOTIFY));
    });
}

#[test]
fn a_failed_reader_s_alert_is_the_writer_s_last_word() {
    model(|| {
        let peer = converse(|forge| vec![key_update(forge), forge.record(CCS, b"")]);
        // The data may have come first, or not at all; an alert needs no KeyUpdate before it.
        assert!(peer.data.is_empty() || peer.data == b"data");
        assert!(peer.key_updates <= 1);
        assert_eq!(peer.alert, Some(AlertDescription::UNEXPECTED_MESSAGE));
    });
}

#[test]
fn a_peer_that_closes_stops_no_writer() {
    model(|| {
        let peer = converse(|forge| vec![key_update(forge), forge.record(ALERT, &[1, 0])]);
        assert_eq!((peer.key_updates, &peer.data[..]), (1, &b"data"[..]));
        assert_eq!(peer.alert, Some(AlertDescription::CLOSE_NOTIFY));
    });
}
