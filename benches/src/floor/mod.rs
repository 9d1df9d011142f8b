//! The primitives alone, with aws-lc-rs: what a stack on that library cannot be cheaper than.
//!
//! * Handshake: key generation and agreement (with ML-KEM when chosen) on both sides, the
//!   signature of CertificateVerify, its verification, and that of the leaf's signature unless the
//!   chain has been seen before. None of the signatures where a session is resumed (the stacks take sessions of a
//!   handshake before, which is not counted). No transcript hash, no key schedule, no record, no certificate is
//!   parsed, no transport.
//! * Everything else: each byte sealed once and opened once, in place and in as few records as
//!   hold it. No transport: the cost of the plain transport comes on top.

pub(crate) mod handshake;
mod records;

use std::time::Duration;

use aws_lc_rs::error::{KeyRejected, Unspecified};

use crate::job::{Answer, Case, Cost, Job};
use crate::pki::Pki;

/// What it is called in tables.
pub const NAME: &str = "primitives";

const MIB: usize = 1024 * 1024;
/// A record's most: RFC 8446 §5.1.
const RECORD: usize = 16 * 1024;
/// What is sealed before any of it is opened, at least: the size of a pipe.
const AHEAD: usize = 256 * 1024;

/// Why a primitive failed.
pub(crate) struct Failed(pub(crate) String);

impl From<Unspecified> for Failed {
    fn from(why: Unspecified) -> Self {
        Self(why.to_string())
    }
}

impl From<KeyRejected> for Failed {
    fn from(why: KeyRejected) -> Self {
        Self(why.to_string())
    }
}

/// Does what a stack would do with the library for this job.
///
/// # Errors
/// When a primitive fails.
pub fn measure(pki: &Pki, job: Job) -> Answer {
    measured(pki, job).map_err(|Failed(why)| why)
}

fn measured(pki: &Pki, job: Job) -> Result<Cost, Failed> {
    job.choice.only_tls13().map_err(Failed)?;
    let suite = job.choice.suite;
    let one_way = |sizes: &[usize], times: usize, operations: f64| {
        let (seal, open) = records::measure(suite, sizes, times)?;
        Ok((each(seal, operations), each(open, operations)))
    };
    match job.case {
        Case::Handshake => {
            const HANDSHAKES: u32 = 100;
            let (client, server) = handshake::measure(pki, job.choice, HANDSHAKES)?;
            let each = |time| each(time, f64::from(HANDSHAKES));
            Ok(in_turn(each(client), each(server)))
        }
        Case::Bulk { write } => {
            let (seal, open) = bulk(write, one_way)?;
            Ok(in_turn(seal, open))
        }
        Case::FullDuplex { write } => {
            let (seal, open) = bulk(write, one_way)?;
            Ok(Cost {
                client: seal + open,
                server: seal + open,
                wall: seal + open,
            })
        }
        Case::PingPong => {
            const BALLS: usize = 256;
            const TIMES: usize = 20;
            let (seal, open) = one_way(&[64; BALLS], TIMES, (BALLS * TIMES) as f64)?;
            Ok(in_turn(seal + open, seal + open))
        }
        Case::SmallWrites { write } => {
            const THOUSANDS: usize = 20;
            let mut sizes = vec![RECORD; 1_000 * write / RECORD];
            sizes.push(1_000 * write % RECORD);
            let (seal, open) = one_way(&sizes, THOUSANDS, THOUSANDS as f64)?;
            Ok(in_turn(seal, open))
        }
    }
}

/// The cost of a MiB, sealed and opened.
fn bulk(
    write: usize,
    one_way: impl FnOnce(&[usize], usize, f64) -> Result<(f64, f64), Failed>,
) -> Result<(f64, f64), Failed> {
    const TOTAL: usize = 64 * MIB;
    let size = write.min(RECORD);
    let sizes = vec![size; write.max(AHEAD) / size];
    let times = TOTAL / (size * sizes.len());
    let moved = (times * size * sizes.len()) as f64 / MIB as f64;
    one_way(&sizes, times, moved)
}

/// In microseconds.
fn each(time: Duration, operations: f64) -> f64 {
    time.as_secs_f64() * 1e6 / operations
}

/// One side waits for the other.
fn in_turn(client: f64, server: f64) -> Cost {
    Cost {
        client,
        server,
        wall: client + server,
    }
}
