//! Early data with every way to disturb the wire, and undisturbed with every choice.

use portcullis_fuzz::early_data;
use portcullis_fuzz::plan::{Flags, Operation, Plan, What};

fn plan(settings: [u8; 8], operations: Vec<Operation>) -> Plan {
    let flags = Flags {
        early_data: true,
        ..Flags::default()
    };
    let plan = Plan {
        settings,
        flags,
        answers: 0,
        operations,
    };
    let decoded = Plan::decode(&plan.encode());
    assert!(
        decoded.flags.early_data,
        "it is one of these when it is read"
    );
    decoded
}

#[test]
fn undisturbed() {
    for choice in 0..128 {
        for (records, length, limit) in [(0, 0, 0), (3, 40, 0), (15, 255, 100), (2, 9, 20)] {
            let settings = [choice, records, length, limit, 0, 0, 0, 0];
            early_data::run(&plan(settings, Vec::new()));
        }
    }
}

#[test]
fn disturbed() {
    for what in What::ALL.iter().copied().filter(|what| what.is_wire()) {
        for writer in [0, 1] {
            for unit in 0..8 {
                for (position, value) in [(0, 1), (3, 255), (0x0107, 1), (0xffff, 0x80)] {
                    let operation = Operation {
                        what,
                        writer,
                        unit,
                        position,
                        value,
                    };
                    let settings = [0, 3, 40, 0, 0, 0, 0, 0];
                    early_data::run(&plan(settings, vec![operation]));
                }
            }
        }
    }
}
