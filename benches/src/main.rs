//! portcullis beside tokio-rustls: the same certificate, group, suite, runtime and buffer sizes,
//! rounds alternating within one run. Prints a line of JSON for each case and stack, then a
//! Markdown table of medians with ratios.
//!
//! `cargo run --release -p portcullis-benches` (about a minute; `ROUNDS=n` for more or fewer).

mod stack;
mod timed;

use std::time::Duration;

use portcullis::NamedGroup;
use portcullis::suite::CipherSuite;
use portcullis_tests::pki::pki;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use stack::{Choice, Portcullis, Rustls, Stack};
use timed::Timed;

/// What one round of one case costs each side, for one operation.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    client: Duration,
    server: Duration,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Case {
    Handshake,
    /// One direction, client to server, in writes of this size; the operation is one MiB.
    Bulk {
        write: usize,
    },
    /// 64 bytes there and back.
    PingPong,
}

const HANDSHAKES: u32 = 100;
const BULK_MIB: u32 = 64;
const ROUND_TRIPS: u32 = 5_000;
/// The size of the duplex pipe between both ends.
const PIPE: usize = 256 * 1024;

async fn handshakes<S: Stack>(stack: &S) -> Cost {
    let mut cost = Cost::default();
    for _ in 0..HANDSHAKES {
        let (client_io, server_io) = tokio::io::duplex(PIPE);
        let client = Timed::new(&mut cost.client, stack.connect(client_io));
        let server = Timed::new(&mut cost.server, stack.accept(server_io));
        let (client, server) = tokio::join!(client, server);
        drop((client.expect("connected"), server.expect("accepted")));
    }
    Cost {
        client: cost.client / HANDSHAKES,
        server: cost.server / HANDSHAKES,
    }
}

async fn bulk<S: Stack>(stack: &S, write: usize) -> Cost {
    let (client_io, server_io) = tokio::io::duplex(PIPE);
    let (client, server) = tokio::join!(stack.connect(client_io), stack.accept(server_io));
    let (mut client, mut server) = (client.expect("connected"), server.expect("accepted"));
    let data = vec![7; write];
    let mut buffer = vec![0; 256 * 1024];
    let total = BULK_MIB as usize * 1024 * 1024;
    let mut cost = Cost::default();
    let send = Timed::new(&mut cost.client, async {
        for _ in 0..total / write {
            client.write_all(&data).await.expect("written");
        }
        client.flush().await.expect("flushed");
    });
    let receive = Timed::new(&mut cost.server, async {
        let mut received = 0;
        while received < total {
            received += server.read(&mut buffer).await.expect("read");
        }
    });
    tokio::join!(send, receive);
    Cost {
        client: cost.client / BULK_MIB,
        server: cost.server / BULK_MIB,
    }
}

async fn ping_pong<S: Stack>(stack: &S) -> Cost {
    let (client_io, server_io) = tokio::io::duplex(PIPE);
    let (client, server) = tokio::join!(stack.connect(client_io), stack.accept(server_io));
    let (mut client, mut server) = (client.expect("connected"), server.expect("accepted"));
    let mut cost = Cost::default();
    let mut ball = [0; 64];
    let mut echoed = [0; 64];
    let ping = Timed::new(&mut cost.client, async {
        for _ in 0..ROUND_TRIPS {
            client.write_all(&ball).await.expect("written");
            client.flush().await.expect("flushed");
            client.read_exact(&mut ball).await.expect("read");
        }
    });
    let pong = Timed::new(&mut cost.server, async {
        for _ in 0..ROUND_TRIPS {
            server.read_exact(&mut echoed).await.expect("read");
            server.write_all(&echoed).await.expect("written");
            server.flush().await.expect("flushed");
        }
    });
    tokio::join!(ping, pong);
    Cost {
        client: cost.client / ROUND_TRIPS,
        server: cost.server / ROUND_TRIPS,
    }
}

async fn measure<S: Stack>(case: Case, choice: Choice) -> Cost {
    let stack = S::new(choice);
    match case {
        Case::Handshake => handshakes(&stack).await,
        Case::Bulk { write } => bulk(&stack, write).await,
        Case::PingPong => ping_pong(&stack).await,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The medians of one stack in one case, in microseconds for an operation.
fn medians(name: &str, stack: &str, rounds: &[Cost]) -> (f64, f64) {
    let micros = |side: fn(&Cost) -> Duration| {
        median(
            rounds
                .iter()
                .map(|cost| side(cost).as_secs_f64() * 1e6)
                .collect(),
        )
    };
    let (client, server) = (micros(|cost| cost.client), micros(|cost| cost.server));
    println!(
        "{}",
        serde_json::json!({ "case": name, "stack": stack, "client_us": client, "server_us": server })
    );
    (client, server)
}

fn main() {
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(7);
    let aes = CipherSuite::TLS_AES_128_GCM_SHA256;
    let aes_256 = CipherSuite::TLS_AES_256_GCM_SHA384;
    let chacha = CipherSuite::TLS_CHACHA20_POLY1305_SHA256;
    let x25519 = NamedGroup::X25519;
    let cases = [
        (
            "full handshake, P-256, X25519",
            Case::Handshake,
            x25519,
            aes,
        ),
        (
            "full handshake, P-256, X25519MLKEM768",
            Case::Handshake,
            NamedGroup::X25519_MLKEM768,
            aes,
        ),
        (
            "bulk AES-128-GCM, 16 KiB writes, 1 MiB",
            Case::Bulk { write: 16 * 1024 },
            x25519,
            aes,
        ),
        (
            "bulk AES-128-GCM, 64 KiB writes, 1 MiB",
            Case::Bulk { write: 64 * 1024 },
            x25519,
            aes,
        ),
        (
            "bulk AES-128-GCM, 1 MiB writes, 1 MiB",
            Case::Bulk { write: 1024 * 1024 },
            x25519,
            aes,
        ),
        (
            "bulk AES-256-GCM, 64 KiB writes, 1 MiB",
            Case::Bulk { write: 64 * 1024 },
            x25519,
            aes_256,
        ),
        (
            "bulk ChaCha20, 64 KiB writes, 1 MiB",
            Case::Bulk { write: 64 * 1024 },
            x25519,
            chacha,
        ),
        ("ping-pong 64 B", Case::PingPong, x25519, aes),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut table = String::from(
        "| case (in-memory duplex, one thread) | tokio-rustls client / server, µs | portcullis client / server, µs | ratio client | ratio server | ratio both |\n|---|---|---|---|---|---|\n",
    );
    for (name, case, group, suite) in cases {
        let choice = Choice {
            group,
            suite,
            root: &pki().root.certificate,
            hibernate_after: None,
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(runtime.block_on(measure::<Portcullis>(case, choice)));
            theirs.push(runtime.block_on(measure::<Rustls>(case, choice)));
        }
        let (client, server) = medians(name, Portcullis::NAME, &ours);
        let (their_client, their_server) = medians(name, Rustls::NAME, &theirs);
        table.push_str(&format!(
            "| {name} | {their_client:.2} / {their_server:.2} | {client:.2} / {server:.2} | {:.2} | {:.2} | {:.2} |\n",
            client / their_client,
            server / their_server,
            (client + server) / (their_client + their_server),
        ));
    }
    println!("\nCost of one operation; a ratio below 1 means portcullis is cheaper.\n\n{table}");
}
