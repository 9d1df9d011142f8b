//! The bridge does before TLS 1.3 what it claims, and undisturbed ends connect.

use std::sync::{Mutex, PoisonError};

use portcullis_fuzz::conversation::{Ending, run};
use portcullis_fuzz::differential;
use portcullis_fuzz::plan::{Flags, Operation, Plan, What};
use portcullis_fuzz::settings::{OLDER, Settings};

/// The heap is measured: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

// The units of the ends by default, a change_cipher_spec before each Finished.
const CLIENT_HELLO: (usize, usize) = (0, 0);
const CLIENT_KEY_EXCHANGE: (usize, usize) = (0, 1);
const CLIENT_CHANGE: (usize, usize) = (0, 2);
const CLIENT_FINISHED: (usize, usize) = (0, 3);
const SERVER_HELLO: (usize, usize) = (1, 0);
const CERTIFICATE: (usize, usize) = (1, 1);
const SERVER_KEY_EXCHANGE: (usize, usize) = (1, 2);
const SERVER_HELLO_DONE: (usize, usize) = (1, 3);
const SERVER_CHANGE: (usize, usize) = (1, 4);
const SERVER_FINISHED: (usize, usize) = (1, 5);

const NOBODY: Ending = Ending {
    client_connected: false,
    server_connected: false,
};
const BOTH: Ending = Ending {
    client_connected: true,
    server_connected: true,
};
/// The server is connected as soon as it has said its own Finished.
const SERVER: Ending = Ending {
    client_connected: false,
    server_connected: true,
};

const SETTINGS: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, OLDER];

/// One change of one unit.
fn change(what: What, (writer, unit): (usize, usize), position: u16, value: u8) -> Plan {
    Plan {
        settings: SETTINGS,
        operations: vec![Operation {
            what,
            writer,
            unit,
            position,
            value,
        }],
        ..Plan::default()
    }
}

/// The same with signatures and Finished made right again.
fn repaired(plan: Plan) -> Plan {
    let flags = Flags {
        repair: true,
        ..plan.flags
    };
    Plan { flags, ..plan }
}

#[track_caller]
fn ends(plan: Plan, expected: Ending) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(run(&plan), expected, "{plan:?}");
}

#[test]
fn who_has_all_keys_can_change_a_random_value() {
    for hello in [CLIENT_HELLO, SERVER_HELLO] {
        let flip = change(What::Flip, hello, 6, 1);
        ends(flip.clone(), NOBODY);
        ends(repaired(flip), BOTH);
    }
}

#[test]
fn what_was_not_asked_for_or_offered_is_refused_however_well_it_is_signed() {
    let added = change(What::ExtensionInsert, SERVER_HELLO, 0, 77);
    ends(repaired(added), NOBODY);
    let twice = change(What::ExtensionDuplicate, SERVER_HELLO, 0, 0);
    ends(repaired(twice), NOBODY);
    // The suite that the client has not, in place of 0xc02b.
    let mut suite = change(What::Flip, SERVER_HELLO, 40, 7);
    suite.settings = [0x09, 0, 0, 0, 0, 0, 0, OLDER];
    ends(repaired(suite), NOBODY);
    // The curve secp384r1 in place of x25519.
    let curve = change(What::Flip, SERVER_KEY_EXCHANGE, 6, 29 ^ 24);
    ends(repaired(curve), NOBODY);
}

#[test]
fn every_message_is_needed() {
    for message in [
        SERVER_HELLO,
        CERTIFICATE,
        SERVER_KEY_EXCHANGE,
        SERVER_HELLO_DONE,
        CLIENT_KEY_EXCHANGE,
        CLIENT_FINISHED,
    ] {
        ends(repaired(change(What::Drop, message, 0, 0)), NOBODY);
    }
    for message in [
        SERVER_HELLO,
        CERTIFICATE,
        SERVER_KEY_EXCHANGE,
        CLIENT_KEY_EXCHANGE,
    ] {
        ends(repaired(change(What::Duplicate, message, 0, 0)), NOBODY);
    }
    // The client has answered the first.
    let twice = change(What::Duplicate, SERVER_HELLO_DONE, 0, 0);
    ends(repaired(twice), SERVER);
    ends(repaired(change(What::Drop, SERVER_FINISHED, 0, 0)), SERVER);
    // CVE-2014-0224, and its reverse.
    ends(
        repaired(change(What::WireDrop, CLIENT_CHANGE, 0, 0)),
        NOBODY,
    );
    ends(
        repaired(change(What::WireDrop, SERVER_CHANGE, 0, 0)),
        SERVER,
    );
    let early = change(What::WireInsert, CLIENT_KEY_EXCHANGE, 0, 0);
    ends(repaired(early), NOBODY);
}

#[test]
fn every_proof_is_checked() {
    ends(change(What::Flip, SERVER_KEY_EXCHANGE, 60, 1), NOBODY);
    ends(change(What::Flip, CLIENT_FINISHED, 10, 1), NOBODY);
    ends(change(What::Flip, SERVER_FINISHED, 10, 1), SERVER);
    for proof in [SERVER_KEY_EXCHANGE, SERVER_FINISHED, CLIENT_FINISHED] {
        ends(repaired(change(What::Flip, proof, 60, 1)), BOTH);
    }
    // The client's, which is its fourth message.
    let mut verify = change(What::Flip, (0, 3), 20, 1);
    verify.settings = [0, 0, 0, 6, 0, 0, 0, OLDER];
    ends(verify.clone(), NOBODY);
    ends(repaired(verify), BOTH);
}

#[test]
fn records_may_be_cut() {
    for unit in [
        CLIENT_HELLO,
        CLIENT_KEY_EXCHANGE,
        CLIENT_FINISHED,
        SERVER_HELLO,
        CERTIFICATE,
        SERVER_KEY_EXCHANGE,
        SERVER_FINISHED,
    ] {
        for what in [What::Fragment, What::Coalesce, What::Pad] {
            ends(change(what, unit, 2, 0), BOTH);
        }
    }
}

/// Whatever the settings: `run` judges. Each version is there, with full and resumed handshakes.
#[test]
fn undisturbed_ends_connect_if_they_fit() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut connected = 0;
    for at in 0..400_u32 {
        let mut settings: [u8; 8] = std::array::from_fn(|place| {
            // SplitMix64's constants.
            let mixed = (u64::from(at) << 8 | place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
        });
        settings[7] = settings[7] & 0x1f | [1, 2, 4, 5][at as usize % 4] << 5;
        let plan = Plan {
            settings,
            ..Plan::default()
        };
        println!("{at}: {settings:02x?}");
        let ending = run(&plan);
        let settings = Settings::new(settings);
        if !settings.may_fit_by_resuming() {
            assert_eq!(ending.client_connected, settings.client_connects());
        }
        connected += u32::from(ending.server_connected);
        if at % 4 == 0 {
            differential::run(&Plan {
                settings: Settings::of_both(plan.settings),
                ..plan
            });
        }
    }
    assert!(connected > 100, "{connected}");
}
