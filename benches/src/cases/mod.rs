//! What is measured. Every case is generic over the stack; an end is a future that is the same
//! over a pipe on one thread and over TCP on two.

mod full_duplex;
mod handshake;
mod one_way;
mod ping_pong;
pub(crate) mod run;

use std::io;

use crate::job::{Case, Cost, Job};
use crate::stack::Stack;

/// Runs one job.
///
/// # Errors
/// When the stack fails.
pub fn measure<S: Stack>(stack: &S, job: Job) -> io::Result<Cost> {
    match job.case {
        Case::Handshake => handshake::measure(stack, job.transport),
        Case::Bulk { write } => one_way::bulk(stack, job.transport, write),
        Case::FullDuplex { write } => full_duplex::measure(stack, job.transport, write),
        Case::PingPong => ping_pong::measure(stack, job.transport),
        Case::SmallWrites { write } => one_way::small_writes(stack, job.transport, write),
    }
}
