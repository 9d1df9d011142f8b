//! How often a full handshake takes memory from the allocator.
//!
//! Alone in its process, on one thread: the count is that of the process.

mod ends;

use std::alloc::System;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::duplex;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Adds what `work` allocates to `count`.
fn counting<T>(count: &Cell<usize>, work: impl FnOnce() -> T) -> T {
    let before = allocations();
    let result = work();
    count.set(count.get() + allocations() - before);
    result
}

async fn counted<F: Future>(count: &Cell<usize>, start: impl FnOnce() -> F) -> F::Output {
    let mut future = pin!(counting(count, start));
    poll_fn(|cx| counting(count, || future.as_mut().poll(cx))).await
}

/// From the call until the stream is there, with configurations that were built before; what
/// the C library of the cryptography takes is not in it. The transport, which is in memory,
/// takes one for each side.
#[tokio::test]
async fn a_full_handshake_allocates_little() {
    let (connector, acceptor) = (ends::connector(), ends::acceptor());
    let handshake = async || {
        let (client_io, server_io) = duplex(64 * 1024);
        let (client, server) = (Cell::new(0), Cell::new(0));
        let streams = tokio::join!(
            counted(&client, || connector.upgrade(client_io, ends::name())),
            counted(&server, || acceptor.accept(server_io)),
        );
        assert!(streams.0.is_ok() && streams.1.is_ok());
        (client.get(), server.get())
    };
    // What belongs to the thread or to the configuration is made by the first.
    handshake().await;
    let (client, server) = handshake().await;
    println!("client {client}, server {server}");
    // ring's ciphers, one for each direction, are on this heap.
    let ciphers = match portcullis::aes_gcm() {
        "ring" => 2,
        _ => 0,
    };
    assert!(
        client <= 32 + ciphers,
        "a client's handshake allocates {client} times"
    );
    assert!(
        server <= 25 + ciphers,
        "a server's handshake allocates {server} times"
    );
}
