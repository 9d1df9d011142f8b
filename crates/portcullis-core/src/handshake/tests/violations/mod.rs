//! Each line of `violation.rs`: a peer that breaks just that rule, what its victim says, and the
//! alert that arrives.

mod after;
mod client_hello;
mod client_flight;
mod records;
mod server_flight;
mod server_hello;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::attack::Case;
use crate::Violation;

/// All cases that happen during a handshake.
fn cases() -> Vec<Case> {
    let mut cases = records::cases();
    cases.extend(server_hello::cases());
    cases.extend(server_flight::cases());
    cases.extend(client_hello::cases());
    cases.extend(client_flight::cases());
    cases
}

#[test]
fn each_costs_its_alert() {
    let mut failed = Vec::new();
    for (at, case) in cases().into_iter().enumerate() {
        let violation = case.violation;
        // All that are wrong are told at once.
        if catch_unwind(AssertUnwindSafe(|| case.check())).is_err() {
            failed.push((at, violation));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn none_is_without_a_case() {
    let during = cases().into_iter().map(|case| case.violation.name());
    let after = after::CASES.iter().map(|(violation, ..)| violation.name());
    let covered: BTreeSet<_> = during.chain(after).collect();
    let missing: Vec<_> = Violation::ALL
        .iter()
        .map(|violation| violation.name())
        .filter(|name| !covered.contains(name))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
