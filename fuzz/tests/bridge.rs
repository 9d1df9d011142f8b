//! The bridge does what it claims: without these, silence of the fuzzer would prove little.

use std::sync::{Mutex, PoisonError};

use portcullis_fuzz::conversation::{Ending, run};
use portcullis_fuzz::plan::{Flags, Operation, Plan, What};

/// The heap is measured: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

// The units of the ends by default.
const CLIENT_HELLO: (usize, usize) = (0, 0);
const CLIENT_FINISHED: (usize, usize) = (0, 2);
const SERVER_HELLO: (usize, usize) = (1, 0);
const ENCRYPTED_EXTENSIONS: (usize, usize) = (1, 2);
const CERTIFICATE: (usize, usize) = (1, 3);
const CERTIFICATE_VERIFY: (usize, usize) = (1, 4);
const SERVER_FINISHED: (usize, usize) = (1, 5);

const NOBODY: Ending = Ending {
    client_connected: false,
    server_connected: false,
};
const BOTH: Ending = Ending {
    client_connected: true,
    server_connected: true,
};
/// The client is connected as soon as it has said its own Finished.
const CLIENT: Ending = Ending {
    client_connected: true,
    server_connected: false,
};

/// One change of one unit.
fn change(what: What, (writer, unit): (usize, usize), position: u16, value: u8) -> Plan {
    Plan {
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

/// The same with CertificateVerify and Finished made right again.
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
fn what_was_not_asked_for_is_refused_however_well_it_is_signed() {
    for hello in [SERVER_HELLO, ENCRYPTED_EXTENSIONS] {
        ends(
            repaired(change(What::ExtensionInsert, hello, 0, 77)),
            NOBODY,
        );
    }
    // record_size_limit, well formed and in its place.
    let limit = change(What::ExtensionInsert, ENCRYPTED_EXTENSIONS, 0x4010, 28);
    ends(repaired(limit), NOBODY);
    let twice = change(What::ExtensionDuplicate, ENCRYPTED_EXTENSIONS, 0, 0);
    ends(repaired(twice), NOBODY);
    let less = change(What::ExtensionDrop, ENCRYPTED_EXTENSIONS, 0, 0);
    ends(less.clone(), NOBODY);
    ends(repaired(less), BOTH);
}

#[test]
fn what_was_not_offered_is_refused_however_well_it_is_signed() {
    // TLS_AES_256_GCM_SHA384 to a client that has offered TLS_AES_128_GCM_SHA256 alone.
    let mut suite = change(What::Flip, SERVER_HELLO, 72, 3);
    suite.settings = [0x09, 0, 0, 0, 0, 0, 0, 0];
    ends(repaired(suite), NOBODY);
    // The protocol `i2`.
    let mut protocol = change(What::ExtensionFlip, ENCRYPTED_EXTENSIONS, 0x0101, 1);
    protocol.settings = [0, 0, 0x0f, 0, 0, 0, 0, 0];
    ends(repaired(protocol), NOBODY);
}

#[test]
fn every_message_is_needed() {
    let flight = [
        ENCRYPTED_EXTENSIONS,
        CERTIFICATE,
        CERTIFICATE_VERIFY,
        SERVER_FINISHED,
    ];
    for message in flight {
        ends(repaired(change(What::Drop, message, 0, 0)), NOBODY);
    }
    for message in [ENCRYPTED_EXTENSIONS, CERTIFICATE, CERTIFICATE_VERIFY] {
        ends(repaired(change(What::Duplicate, message, 0, 0)), NOBODY);
    }
    ends(repaired(change(What::Drop, CLIENT_FINISHED, 0, 0)), CLIENT);
}

#[test]
fn every_proof_is_checked() {
    ends(change(What::Flip, CERTIFICATE_VERIFY, 20, 1), NOBODY);
    ends(change(What::Flip, SERVER_FINISHED, 10, 1), NOBODY);
    ends(change(What::Flip, CLIENT_FINISHED, 10, 1), CLIENT);
    for proof in [CERTIFICATE_VERIFY, SERVER_FINISHED, CLIENT_FINISHED] {
        ends(repaired(change(What::Flip, proof, 20, 1)), BOTH);
    }
}

#[test]
fn records_may_be_cut_joined_and_padded() {
    for what in [What::Fragment, What::Coalesce, What::Pad] {
        for unit in [
            CLIENT_HELLO,
            CLIENT_FINISHED,
            SERVER_HELLO,
            ENCRYPTED_EXTENSIONS,
            CERTIFICATE,
            SERVER_FINISHED,
        ] {
            ends(change(what, unit, 9, 0), BOTH);
        }
    }
}

/// By a shared key the server's flight is shorter, and the client's hello cannot be changed by who does not have it:
/// the bridge makes Finished right again, and no binder.
#[test]
fn a_shared_key_is_proved_in_the_hello() {
    const FINISHED: (usize, usize) = (1, 3);
    // As it is, and imported; looked up.
    for settings in [4, 4 | 8] {
        for asks in [0, 0x20] {
            let by_key = |plan: Plan| Plan {
                settings: [0, 0, 0, 0, 0, 0, asks, settings],
                ..plan
            };
            ends(by_key(Plan::default()), BOTH);
            let hello = change(What::Flip, CLIENT_HELLO, 6, 1);
            ends(by_key(repaired(hello)), NOBODY);
            let hello = change(What::Flip, SERVER_HELLO, 6, 1);
            ends(by_key(repaired(hello)), BOTH);
            for message in [ENCRYPTED_EXTENSIONS, FINISHED] {
                ends(by_key(repaired(change(What::Drop, message, 0, 0))), NOBODY);
            }
            ends(by_key(change(What::Flip, FINISHED, 10, 1)), NOBODY);
            ends(by_key(repaired(change(What::Flip, FINISHED, 10, 1))), BOTH);
        }
    }
}
