//! A hostile length allocates nothing. In a binary of its own: the allocator counts for the whole process.

mod ends;

use std::alloc::System;

use ends::*;
use portcullis::packet::{Packet, PacketOptions};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Memory follows what has come, whatever is promised.
#[tokio::test(flavor = "current_thread")]
async fn four_gigabyte_prefix_allocates_nothing() {
    let (mut client, server) = pair().await;
    let options = PacketOptions::new(Packet::Length4);
    let mut server = server.into_packets(options.unlimited_size().unwrap());
    // What the stream needs once.
    client.send(&[b"\0\0\0\x01a"]).await.unwrap();
    server.recv().await.unwrap();
    let mut allocated = Vec::new();
    for part in [
        &b"\xff\xff\xff\xff"[..],
        b"some",
        &[0; 10_000],
        &[0; 16_384],
    ] {
        client.send(&[part]).await.unwrap();
        let region = Region::new(ALLOCATOR);
        assert!(now(server.recv()).await.is_none());
        let change = region.change();
        allocated.push(
            change
                .bytes_allocated
                .saturating_sub(change.bytes_deallocated),
        );
    }
    // Twice of what is there at most, and what a stream keeps of a record.
    let total: usize = allocated.iter().sum();
    assert!(total < 4 * 30_000, "{allocated:?}");
    assert!(allocated[0] < 1_000, "{allocated:?}");
}
