//! The bridge does what it claims: without these, silence of the fuzzer would prove little.

use std::sync::{Mutex, PoisonError};

use portcullis_fuzz::conversation::{Ending, run};
use portcullis_fuzz::plan::{Flags, Operation, Plan, What};

/// The heap is measured: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A change of the server's or the client's unit, with Finished and CertificateVerify made right
/// again or not; whether the client and the server are connected then.
fn ending(repair: bool, what: What, writer: usize, unit: usize, position: u16) -> (bool, bool) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = Plan {
        flags: Flags {
            repair,
            ..Flags::default()
        },
        operations: vec![Operation {
            what,
            writer,
            unit,
            position,
            value: 1,
        }],
        ..Plan::default()
    };
    let Ending {
        client_connected,
        server_connected,
    } = run(&plan);
    (client_connected, server_connected)
}

#[test]
fn who_has_all_keys_can_change_a_random_value() {
    // Byte 6 is the first of the random value in either hello.
    assert_eq!(ending(true, What::Flip, 0, 0, 6), (true, true));
    assert_eq!(ending(true, What::Flip, 1, 0, 6), (true, true));
    assert_eq!(ending(false, What::Flip, 0, 0, 6), (false, false));
    assert_eq!(ending(false, What::Flip, 1, 0, 6), (false, false));
}

#[test]
fn what_was_not_asked_for_is_refused_however_well_it_is_signed() {
    // Unit 2 of the server is EncryptedExtensions, after ServerHello and change_cipher_spec.
    assert_eq!(ending(true, What::ExtensionInsert, 1, 2, 0), (false, false));
    assert_eq!(
        ending(true, What::ExtensionDuplicate, 1, 2, 0),
        (false, false)
    );
    assert_eq!(ending(true, What::ExtensionDrop, 1, 2, 0), (true, true));
    assert_eq!(ending(false, What::ExtensionDrop, 1, 2, 0), (false, false));
}

#[test]
fn every_message_is_needed() {
    for unit in 2..6 {
        assert_eq!(
            ending(true, What::Drop, 1, unit, 0),
            (false, false),
            "{unit}"
        );
        let (client, _) = ending(true, What::Duplicate, 1, unit, 0);
        assert!(!client || unit == 5, "{unit}");
    }
    // The client is connected as soon as it has said its own Finished.
    assert_eq!(ending(true, What::Drop, 0, 2, 0), (true, false));
}

#[test]
fn a_key_that_is_not_the_certificates_is_noticed() {
    // CertificateVerify with one bit of its signature changed, then made right again; and
    // without a right one.
    assert_eq!(ending(true, What::Flip, 1, 4, 20), (true, true));
    assert_eq!(ending(false, What::Flip, 1, 4, 20), (false, false));
}

#[test]
fn records_may_be_cut_joined_and_padded() {
    for what in [What::Fragment, What::Coalesce, What::Pad] {
        for (writer, unit) in [(0, 0), (0, 2), (1, 0), (1, 2), (1, 3), (1, 5)] {
            assert_eq!(
                ending(false, what, writer, unit, 9),
                (true, true),
                "{what:?} {unit}"
            );
        }
    }
}
