//! The server in front (§3.1, split mode), however what it passes on is cut.

use super::*;
use crate::{EchFront, FrontStep, Step};

/// A conversation with a backend behind a front.
struct Said {
    keys: EchKeys,
    first: Vec<u8>,
    /// The backend's answer to it.
    answer: Vec<u8>,
    /// What the client says to that.
    second: Vec<u8>,
    /// What the backend gets of the first hello, and of what follows.
    inner: [Vec<u8>; 2],
}

fn sent(handshake: &mut Handshake) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        match handshake.poll().unwrap() {
            Step::Transmit(bytes) => sent.extend_from_slice(&bytes),
            Step::Wait { .. } | Step::Connected => return sent,
            _ => {}
        }
    }
}

/// What a front passes on, and whether it has nothing more to do.
#[derive(Default)]
struct Passed {
    to_backend: Vec<u8>,
    to_client: Vec<u8>,
    is_transparent: bool,
}

impl Passed {
    fn turn(&mut self, front: &mut EchFront) {
        loop {
            match front.poll().unwrap() {
                FrontStep::Wait => return,
                FrontStep::Routed(hello) => assert_eq!(hello.server_name(), Some(SECRET)),
                FrontStep::ToBackend(bytes) => self.to_backend.extend(bytes),
                FrontStep::ToClient(bytes) => self.to_client.extend(bytes),
                FrontStep::Transparent => {
                    self.is_transparent = true;
                    return;
                }
                FrontStep::NotOurs(_) => panic!("it is ours"),
            }
        }
    }

    fn client(&mut self, front: &mut EchFront, bytes: &[u8]) {
        front.receive_client(bytes);
        self.turn(front);
    }

    fn backend(&mut self, front: &mut EchFront, bytes: &[u8]) {
        front.receive_backend(bytes);
        self.turn(front);
    }
}

fn said(is_retried: bool) -> Said {
    let key = key(1);
    let keys = EchKeys::new([key.clone()]).unwrap();
    let config = client(key.config_list())
        .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
        .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]));
    let backend = both_names().ech_backend(true).groups([match is_retried {
        true => NamedGroup::SECP384R1,
        false => NamedGroup::X25519,
    }]);
    let mut pair = pair(config.build().unwrap(), backend.build().unwrap());
    let (mut front, mut passed) = (EchFront::new(keys.clone()), Passed::default());
    let first = sent(&mut pair.client);
    passed.client(&mut front, &first);
    let before = passed.to_backend.clone();
    pair.server.receive(&before, now());
    let answer = sent(&mut pair.server);
    pair.client.receive(&answer, now());
    let second = sent(&mut pair.client);
    passed.backend(&mut front, &answer);
    assert_eq!(passed.is_transparent, !is_retried);
    if is_retried {
        passed.client(&mut front, &second);
        assert!(passed.is_transparent);
    }
    let after = passed.to_backend.split_off(before.len());
    if is_retried {
        // It is the hello that the backend wants.
        pair.server.receive(&after, now());
        let finished = sent(&mut pair.server);
        pair.client.receive(&finished, now());
        sent(&mut pair.client);
        assert!(matches!(pair.client.poll(), Ok(Step::Connected)));
    }
    Said {
        keys,
        first,
        answer,
        second,
        inner: [before, after],
    }
}

/// Two records of early data, which the front cannot read.
fn early_data() -> Vec<u8> {
    let record = |length: u8| [&[23, 3, 3, 0, length][..], &vec![0xed; length.into()]].concat();
    [record(150), record(30)].concat()
}

#[test]
fn early_data_before_a_second_hello_may_be_cut_anywhere() {
    let Said {
        keys,
        first,
        answer,
        second,
        inner: [before, after],
    } = said(true);
    let early = early_data();
    let behind = [&early[..], &second].concat();
    let wanted = [&before[..], &early, &after].concat();
    // Where the answer comes in between.
    for cut in 0..=early.len() {
        let (mut front, mut passed) = (EchFront::new(keys.clone()), Passed::default());
        passed.client(&mut front, &[&first[..], &early[..cut]].concat());
        passed.backend(&mut front, &answer);
        assert!(!passed.is_transparent);
        passed.client(&mut front, &behind[cut..]);
        assert!(passed.is_transparent, "{cut}");
        assert_eq!(passed.to_backend, wanted, "{cut}");
        assert_eq!(passed.to_client, answer);
    }
    // And behind it.
    for cut in 0..behind.len() {
        let (mut front, mut passed) = (EchFront::new(keys.clone()), Passed::default());
        passed.client(&mut front, &first);
        passed.backend(&mut front, &answer);
        passed.client(&mut front, &behind[..cut]);
        assert!(!passed.is_transparent);
        passed.client(&mut front, &behind[cut..]);
        assert!(passed.is_transparent, "{cut}");
        assert_eq!(passed.to_backend, wanted, "{cut}");
    }
}

#[test]
fn what_was_kept_is_passed_on_before_the_front_steps_aside() {
    let said = said(false);
    let early = early_data();
    for cut in 0..=early.len() {
        let (mut front, mut passed) = (EchFront::new(said.keys.clone()), Passed::default());
        passed.client(&mut front, &[&said.first[..], &early[..cut]].concat());
        passed.backend(&mut front, &said.answer);
        assert!(passed.is_transparent);
        let wanted = [&said.inner[0][..], &early[..cut]].concat();
        assert_eq!(passed.to_backend, wanted, "{cut}");
    }
}

/// It would be kept until it is there.
#[test]
fn a_record_that_is_too_long_is_not_waited_for() {
    let said = said(true);
    for is_answered in [false, true] {
        let (mut front, mut passed) = (EchFront::new(said.keys.clone()), Passed::default());
        passed.client(&mut front, &said.first);
        if is_answered {
            passed.backend(&mut front, &said.answer);
        }
        // What a record may have is waited for.
        passed.client(&mut front, &[23, 3, 3, 0x48]);
        front.receive_client(&[1]);
        let error = front.poll().unwrap_err();
        assert_eq!(error.violation(), Some(Violation::RecordTooLong));
        let description = AlertDescription::RECORD_OVERFLOW.0;
        assert_eq!(front.alert(), Some([21, 3, 3, 0, 2, 2, description]));
    }
}

#[test]
fn what_was_encrypted_is_not_printed() {
    let said = said(true);
    let mut front = EchFront::new(said.keys.clone());
    front.receive_client(&said.first);
    let routed = front.poll().unwrap();
    let hello = front.poll().unwrap();
    let length = said.inner[0].len();
    assert_eq!(format!("{routed:?}"), "Routed(..)");
    assert_eq!(format!("{hello:?}"), format!("ToBackend({length})"));
    front.receive_client(b"data");
    assert_eq!(
        format!("{front:?}"),
        "EchFront { state: Answer, client: 4, backend: 0, .. }"
    );
}
