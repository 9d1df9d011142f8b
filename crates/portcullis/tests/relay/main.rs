//! Two connections joined: how each end is passed on, and what a relay must not do on the way.

#[path = "../ends/mod.rs"]
mod ends;

mod passing_on;
mod passing_through;
mod traps;
mod wire;

use std::time::Duration;

use portcullis::RelayOptions;

/// Limits that no test reaches which does not mean to.
fn patient() -> RelayOptions {
    let long = Duration::from_secs(30);
    RelayOptions::new().half_close(long).stall(long)
}
