//! An established connection that moves data allocates nothing: no record, no round trip.
//!
//! One test in a binary of its own: the allocator counts for the whole process.

mod ends;

use std::alloc::System;

use ends::*;
use portcullis::TlsStream;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Stream = TlsStream<DuplexStream>;

/// The most content of a record (RFC 8446 §5.1).
const RECORD: usize = 16 * 1024;

async fn bulk(from: &mut Stream, to: &mut Stream, data: &[u8], buffer: &mut [u8]) {
    const WRITES: usize = 4;
    let send = async {
        for _ in 0..WRITES {
            from.write_all(data).await.unwrap();
        }
        from.flush().await.unwrap();
    };
    let receive = async {
        let mut received = 0;
        while received < WRITES * data.len() {
            let count = to.read(buffer).await.unwrap();
            let mut got = &buffer[..count];
            while !got.is_empty() {
                let expected = &data[received % data.len()..];
                let (part, rest) = got.split_at(got.len().min(expected.len()));
                assert!(part == &expected[..part.len()], "byte {received} and on");
                received += part.len();
                got = rest;
            }
        }
    };
    tokio::join!(send, receive);
}

async fn ping_pong(client: &mut Stream, server: &mut Stream, ball: &mut [u8], echo: &mut [u8]) {
    let ping = async {
        client.write_all(ball).await.unwrap();
        client.flush().await.unwrap();
        client.read_exact(ball).await.unwrap();
    };
    let pong = async {
        server.read_exact(echo).await.unwrap();
        server.write_all(echo).await.unwrap();
        server.flush().await.unwrap();
    };
    tokio::join!(ping, pong);
}

/// Both, both ways, for many sizes of writes and reads; gives what was allocated on the way.
async fn exchanges(ends: &mut (Stream, Stream), data: &mut [u8], buffer: &mut [u8]) -> Vec<String> {
    let (client, server) = ends;
    let mut allocated = Vec::with_capacity(64);
    for write in [1, 64, RECORD, RECORD + 1, 4 * RECORD, 64 * RECORD] {
        for read in [64, RECORD / 2, RECORD, RECORD + 1, 4 * RECORD, 16 * RECORD] {
            let (data, buffer) = (&mut data[..write], &mut buffer[..read]);
            let region = Region::new(ALLOCATOR);
            bulk(client, server, data, buffer).await;
            bulk(server, client, data, buffer).await;
            let ball = write.min(read).min(1_000);
            ping_pong(client, server, &mut data[..ball], &mut buffer[..ball]).await;
            let change = region.change();
            if change.allocations + change.reallocations > 0 {
                allocated.push(format!("writes {write}, reads {read}: {change:?}"));
            }
        }
    }
    allocated
}

#[tokio::test(flavor = "current_thread")]
async fn neither_records_nor_round_trips_allocate() {
    let mut data = pattern(64 * RECORD);
    let mut buffer = vec![0; 16 * RECORD];
    // A pipe that takes much at once, and one that refuses most of each batch; over records of
    // TLS 1.3, and of TLS 1.2 with and without an explicit nonce, and with CBC.
    let [with, _, without, mac_first, mac_last] = TLS12_SUITES.map(Some);
    let suites = [None, with, without, mac_first, mac_last];
    for (pipe, suite) in [256 * 1024, 10_000]
        .into_iter()
        .flat_map(|pipe| suites.map(|suite| (pipe, suite)))
    {
        let (client, server) = tokio::io::duplex(pipe);
        let mut ends = match suite {
            None => pair_over(client, server).await,
            Some(suite) => tls12_pair_over(suite, client, server).await,
        };
        // A timer is made each time the pipe is full: the limit is not of records.
        ends.1.set_write_timeout(None);
        // The thread's areas and the buffers of the pipe come with first use.
        exchanges(&mut ends, &mut data, &mut buffer).await;
        let allocated = exchanges(&mut ends, &mut data, &mut buffer).await;
        assert!(
            allocated.is_empty(),
            "pipe {pipe}, {suite:?}: {allocated:#?}"
        );
    }
}
