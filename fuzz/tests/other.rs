//! The bridge does with the key exchanges, ciphers and versions that nobody has by default what it claims.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use portcullis_fuzz::conversation::{Ending, run};
use portcullis_fuzz::other::{OTHER, Other, bytes};
use portcullis_fuzz::plan::{Flags, Operation, Plan, What};
use portcullis_fuzz::settings::Settings;

/// The heap is measured: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

const NOBODY: Ending = Ending {
    client_connected: false,
    server_connected: false,
};
const BOTH: Ending = Ending {
    client_connected: true,
    server_connected: true,
};

/// Every suite in every version that it has, with P-256 for whoever needs it.
fn all() -> impl Iterator<Item = [u8; 8]> {
    let versions = [0, 0x10, 0x20, 0x30];
    let all = bytes()
        .flat_map(move |suite| versions.map(|version| [suite, 0x33, version, 0, 0, 0, 0, OTHER]));
    let mut seen = BTreeSet::new();
    all.filter(move |raw| {
        let other = Other::new(*raw).expect("one of these");
        seen.insert((other.suite, other.versions))
    })
}

fn plan(settings: [u8; 8]) -> Plan {
    Plan {
        settings,
        ..Plan::default()
    }
}

fn changed(settings: [u8; 8], what: What, writer: usize, unit: usize, repair: bool) -> Plan {
    let operations = vec![Operation {
        what,
        writer,
        unit,
        position: 40,
        value: 1,
    }];
    Plan {
        settings,
        flags: Flags {
            repair,
            ..Flags::default()
        },
        answers: 0,
        operations,
    }
}

#[track_caller]
fn ends(plan: &Plan) -> Ending {
    let other = Other::new(plan.settings);
    println!("{other:?} {plan:?}");
    run(plan)
}

/// Full and resumed; MAC first and last; with the extended master secret and without; with and
/// without a certificate of the client.
#[test]
fn undisturbed_ends_connect() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut resumed = 0;
    for raw in all() {
        for (authentication, rest) in [(0, 0), (6, 1), (0, 0x10), (6, 0x0f), (0, 0x20)] {
            for last in [OTHER, 7 | OTHER] {
                let [suite, groups, versions, ..] = raw;
                let raw = [suite, groups, versions, authentication, 0, rest, 0, last];
                resumed += Settings::new(raw).sessions.len();
                assert_eq!(ends(&plan(raw)), BOTH);
            }
        }
    }
    assert!(resumed > 200, "{resumed}");
}

/// Records that are cut, joined or padded are no reason to refuse anything.
#[test]
fn records_may_be_cut() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for raw in all() {
        for unit in 0..4 {
            for (writer, what) in [
                (0, What::Fragment),
                (1, What::Fragment),
                (1, What::Coalesce),
            ] {
                let plan = changed(raw, what, writer, unit, false);
                assert_eq!(ends(&plan), BOTH);
            }
        }
    }
}

/// What has all keys and signs anew: a message that is left out or comes twice is found all the same, and
/// a random value that is changed is not.
#[test]
fn every_message_has_its_place() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for raw in all() {
        let other = Other::new(raw).expect("one of these");
        for writer in [0, 1] {
            for unit in 0..2 {
                let plan = changed(raw, What::Drop, writer, unit, true);
                assert_eq!(ends(&plan), NOBODY);
            }
        }
        // ClientKeyExchange.
        let twice = changed(raw, What::Duplicate, 0, 1, true);
        assert_eq!(ends(&twice), NOBODY);
        // The random of a hello, in the middle of it.
        for writer in [0, 1] {
            let mut flip = changed(raw, What::Flip, writer, 0, false);
            flip.operations[0].position = 20;
            assert_eq!(ends(&flip), NOBODY);
            flip.flags.repair = true;
            // The last bytes of the server's random say what it could do better.
            assert_eq!(ends(&flip), BOTH, "{other:?}");
        }
    }
}

/// Whatever protects it: a record that is changed does not open, in the handshake or after it.
#[test]
fn every_record_is_checked() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for raw in all() {
        for unit in 0..7 {
            for writer in [0, 1] {
                // `run` judges; both may be connected before data comes.
                let plan = changed(raw, What::WireFlip, writer, unit, false);
                let ending = ends(&plan);
                assert!(
                    unit > 3 || ending != BOTH || writer == 1 && unit > 2,
                    "{ending:?}"
                );
            }
        }
    }
}
