//! portcullis beside other TLS stacks: the same certificates, group, suite, runtime and buffer
//! sizes, rounds alternating within one run.
//!
//! Each stack is a worker process of its own ([`worker`]), because the C libraries below some of
//! them have the same symbols; the workers of those are in `peers`, a workspace of its own.
//! `compare` starts the workers, gives each the same [`job`]s in turn, and prints a line of JSON for
//! each case and stack, then a table of costs and one of ratios. `memory` and `counts` start the
//! same programs.

pub mod cases;
mod cores;
pub mod counted;
#[cfg(feature = "dtls")]
pub mod datagrams;
pub mod floor;
pub mod job;
pub mod memory;
pub mod pipe;
pub mod pki;
pub mod processor;
pub mod programs;
pub mod report;
pub mod stack;
pub mod stacks;
pub mod timed;
pub mod worker;
