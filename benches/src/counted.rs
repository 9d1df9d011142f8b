//! A stack that does one thing a given number of times, so that a tool around the process can count:
//! callgrind the instructions and allocations of one side, DHAT the bytes it copies, strace the
//! system calls.
//!
//! The sides run on one thread inside `client_side` and `server_side`, the functions that a
//! tool is told to look at. What a count is for one operation follows from two runs of which one
//! does more.

use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::cases::run;
use crate::floor::Failed;
use crate::floor::handshake::{Ends, Sides};
use crate::job::{Choice, Resumed, Suite, Transport, Version};
use crate::pki::Pki;
use crate::stack::{Io, Stack, exchange};

const RECORD: usize = 16 * 1024;
const MIB: usize = 1024 * 1024;

/// Does some work `count` times: `handshake`; `record`, one of 16 KiB; `bulk`, a MiB in writes of
/// 64 KiB; `ping-pong`, of 64 bytes; or `small-writes`, 1,000 of 100 bytes; or `resumed`, a handshake
/// that resumes a session, which before TLS 1.3 `resumed-id` does by its id. With `tls12-` before it the same in TLS 1.2, with `tls12-cbc-` that with AES-128-CBC and
/// SHA-256; `tls12-renegotiation`: another handshake of one connection.
///
/// # Errors
/// When an argument is not understood, or the stack fails.
pub(crate) fn run<S: Stack>(pki: &Pki, work: &str, transport: &str, count: &str) -> io::Result<()> {
    let (version, work) = match work.strip_prefix("tls12-") {
        Some(work) => (Version::Tls12, work),
        None => (Version::Tls13, work),
    };
    let (suite, work) = match (version, work.strip_prefix("cbc-")) {
        (Version::Tls12, Some(work)) => (Suite::Aes128CbcSha256, work),
        _ => (Suite::Aes128Gcm, work),
    };
    let choice = Choice {
        version,
        suite,
        renegotiates: work == "renegotiation",
        resumed: match work {
            "resumed" => Resumed::Ticket,
            "resumed-id" => Resumed::Id,
            _ => Resumed::No,
        },
        // As it is by default; the others do not look at the chain of a session again.
        remember_chains: work.starts_with("resumed"),
        ..Choice::default()
    };
    // Nor before a handshake has begun that would be over by its time limit: on a loaded machine it takes longer than
    // that under valgrind.
    aws_lc_rs::rand::fill(&mut [0; 32]).map_err(io::Error::other)?;
    let stack = S::new(pki, choice).map_err(io::Error::other)?;
    let transport = match transport {
        "duplex" => Transport::Duplex,
        "tcp" => Transport::TcpOneThread,
        _ => return Err(io::Error::other("the transport is duplex or tcp")),
    };
    let count: usize = count.parse().map_err(io::Error::other)?;
    run::runtime()?.block_on(async {
        // What is done once in a process is not what is to be counted: seeding random numbers
        // takes longer than a thousand handshakes.
        let (client, server) = run::pipe();
        let (mut client, mut server) = run::connected(&stack, client, server).await?;
        if matches!(work, "handshake" | "resumed" | "resumed-id") {
            exchange(&mut client, &mut server).await?;
            for _ in 0..count {
                let (mut client, mut server) = connected(&stack, transport).await?;
                if work.starts_with("resumed") {
                    // The ticket for the next one comes before the byte.
                    exchange(&mut client, &mut server).await?;
                }
            }
            return Ok(());
        }
        if work == "renegotiation" {
            exchange(&mut client, &mut server).await?;
            for _ in 0..count {
                renegotiation::<S>(&mut client, &mut server).await?;
            }
            return Ok(());
        }
        let (mut client, mut server) = connected(&stack, transport).await?;
        let data = vec![7; 64 * 1024];
        // Longer than what is in flight, so that no record fills it exactly.
        let mut buffer = vec![0; 256 * 1024];
        match work {
            "record" => {
                // One at a time: the next is written when this one has arrived.
                for _ in 0..count {
                    one_way(&mut client, &mut server, &data[..RECORD], &mut buffer, 1).await?;
                }
                Ok(())
            }
            "bulk" => {
                let writes = count * MIB / data.len();
                one_way(&mut client, &mut server, &data, &mut buffer, writes).await
            }
            "small-writes" => {
                let writes = count * 1_000;
                one_way(&mut client, &mut server, &data[..100], &mut buffer, writes).await
            }
            "ping-pong" => ping_pong(client, server, count).await,
            _ => Err(io::Error::other("no such work")),
        }
    })
}

/// Does the public-key operations of `count` handshakes and nothing else.
///
/// # Errors
/// When other work is asked for, or a primitive fails.
pub(crate) fn run_primitives(pki: &Pki, work: &str, count: &str) -> io::Result<()> {
    if work != "handshake" {
        return Err(io::Error::other("the primitives are those of a handshake"));
    }
    let count: usize = count.parse().map_err(io::Error::other)?;
    let handshakes = || {
        let ends = Ends::new(pki, Choice::default())?;
        for _ in 0..=count {
            ends.shake_hands(&mut Counted)?;
        }
        Ok(())
    };
    handshakes().map_err(|Failed(why)| io::Error::other(why))
}

/// Does each side's work where a tool is told to look.
struct Counted;

impl Sides for Counted {
    fn client<T>(&mut self, work: impl FnOnce() -> T) -> T {
        client_side(work)
    }

    fn server<T>(&mut self, work: impl FnOnce() -> T) -> T {
        server_side(work)
    }
}

/// A client's work.
#[inline(never)]
fn client_side<T>(poll: impl FnOnce() -> T) -> T {
    // What differs keeps the two functions apart for the linker.
    black_box("client");
    black_box(poll())
}

/// A server's work.
#[inline(never)]
fn server_side<T>(poll: impl FnOnce() -> T) -> T {
    black_box("server");
    black_box(poll())
}

/// Polls inside one of these two functions.
enum Side<F> {
    Client(Pin<Box<F>>),
    Server(Pin<Box<F>>),
}

impl<F: Future> Future for Side<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match &mut *self {
            Self::Client(future) => client_side(|| future.as_mut().poll(cx)),
            Self::Server(future) => server_side(|| future.as_mut().poll(cx)),
        }
    }
}

async fn both<T>(
    client: impl Future<Output = io::Result<T>>,
    server: impl Future<Output = io::Result<T>>,
) -> io::Result<(T, T)> {
    tokio::try_join!(
        Side::Client(Box::pin(client)),
        Side::Server(Box::pin(server))
    )
}

async fn connected<S: Stack>(
    stack: &S,
    transport: Transport,
) -> io::Result<(Box<dyn Io>, Box<dyn Io>)> {
    match transport {
        Transport::Duplex => {
            let (client, server) = run::pipe();
            let (client, server) = both(stack.connect(client), stack.accept(server)).await?;
            Ok((Box::new(client), Box::new(server)))
        }
        Transport::Tcp | Transport::TcpOneThread => {
            let (client, server) = run::sockets().await?;
            let (client, server) = both(stack.connect(client), stack.accept(server)).await?;
            Ok((Box::new(client), Box::new(server)))
        }
    }
}

/// Another handshake, by the client's request. The server answers while it reads the byte behind.
async fn renegotiation<S: Stack>(
    client: &mut S::Stream<DuplexStream>,
    server: &mut S::Stream<DuplexStream>,
) -> io::Result<()> {
    both(
        async {
            S::renegotiate(client).await?;
            client.write_u8(7).await?;
            client.flush().await
        },
        async {
            server.read_u8().await?;
            Ok(())
        },
    )
    .await?;
    Ok(())
}

/// Client to server, `writes` times `data`.
async fn one_way(
    client: &mut Box<dyn Io>,
    server: &mut Box<dyn Io>,
    data: &[u8],
    buffer: &mut [u8],
    writes: usize,
) -> io::Result<()> {
    both(
        async {
            for _ in 0..writes {
                client.write_all(data).await?;
            }
            client.flush().await
        },
        async {
            let mut received = 0;
            while received < data.len() * writes {
                match server.read(buffer).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => received += count,
                }
            }
            Ok(())
        },
    )
    .await?;
    Ok(())
}

async fn ping_pong(
    mut client: Box<dyn Io>,
    mut server: Box<dyn Io>,
    count: usize,
) -> io::Result<()> {
    both(
        async {
            let mut ball = [7; 64];
            for _ in 0..count {
                client.write_all(&ball).await?;
                client.flush().await?;
                client.read_exact(&mut ball).await?;
            }
            Ok(())
        },
        async {
            let mut ball = [0; 64];
            for _ in 0..count {
                server.read_exact(&mut ball).await?;
                server.write_all(&ball).await?;
                server.flush().await?;
            }
            Ok(())
        },
    )
    .await?;
    Ok(())
}
