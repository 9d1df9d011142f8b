//! One stack doing one thing a given number of times, so that a tool around the process can count:
//! callgrind the instructions and allocations of one side, strace the system calls.
//!
//! The sides run on one thread inside `client_side` and `server_side`, the functions that a
//! tool is told to look at. What a count is for one operation follows from two runs of which one
//! does more.

use std::hint::black_box;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::cases::run;
use crate::floor::Failed;
use crate::floor::handshake::{Ends, Sides};
use crate::job::{Choice, Transport};
use crate::pki::Pki;
use crate::stack::{Io, Stack};

const RECORD: usize = 16 * 1024;

/// Does what the arguments say: FOLDER-OF-CERTIFICATES `handshake|record|ping-pong`
/// `duplex|tcp` COUNT.
///
/// # Errors
/// When an argument is not understood, or the stack fails.
pub fn run<S: Stack>() -> io::Result<()> {
    let Asked {
        pki,
        what,
        transport,
        count,
    } = Asked::for_this()?;
    let stack = S::new(&pki, Choice::default()).map_err(io::Error::other)?;
    run::runtime()?.block_on(async {
        // What is done once in a process is not what is to be counted: seeding random numbers
        // takes longer than a thousand handshakes.
        let (client, server) = run::pipe();
        drop(run::connected(&stack, client, server).await?);
        match what.as_str() {
            "handshake" => {
                for _ in 0..count {
                    drop(connected(&stack, transport).await?);
                }
                Ok(())
            }
            "record" => {
                let (client, server) = connected(&stack, transport).await?;
                records(client, server, count).await
            }
            "ping-pong" => {
                let (client, server) = connected(&stack, transport).await?;
                ping_pong(client, server, count).await
            }
            _ => Err(io::Error::other(
                "what to do is handshake, record or ping-pong",
            )),
        }
    })
}

/// Does the public-key operations of handshakes and nothing else. The arguments are those of
/// [`run`], of which only `handshake` means anything here.
///
/// # Errors
/// When an argument is not understood, or a primitive fails.
pub fn run_primitives() -> io::Result<()> {
    let Asked {
        pki, what, count, ..
    } = Asked::for_this()?;
    if what != "handshake" {
        return Err(io::Error::other("the primitives are those of a handshake"));
    }
    let work = || {
        let ends = Ends::new(&pki, Choice::default())?;
        for _ in 0..=count {
            ends.shake_hands(&mut Counted)?;
        }
        Ok(())
    };
    work().map_err(|Failed(why)| io::Error::other(why))
}

/// What the arguments of this program ask for.
struct Asked {
    pki: Pki,
    what: String,
    transport: Transport,
    count: usize,
}

impl Asked {
    fn for_this() -> io::Result<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [folder, what, transport, count] = arguments.as_slice() else {
            return Err(io::Error::other(
                "usage: single FOLDER-OF-CERTIFICATES handshake|record|ping-pong duplex|tcp COUNT",
            ));
        };
        Ok(Self {
            pki: Pki::load(Path::new(folder))?,
            what: what.clone(),
            transport: match transport.as_str() {
                "duplex" => Transport::Duplex,
                "tcp" => Transport::Tcp,
                _ => return Err(io::Error::other("the transport is duplex or tcp")),
            },
            count: count.parse().map_err(io::Error::other)?,
        })
    }
}

/// Has each side's work done where a tool is told to look.
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
        Transport::Tcp => {
            let (client, server) = run::sockets().await?;
            let (client, server) = both(stack.connect(client), stack.accept(server)).await?;
            Ok((Box::new(client), Box::new(server)))
        }
    }
}

/// Client to server, 16 KiB each, one at a time.
async fn records(mut client: Box<dyn Io>, mut server: Box<dyn Io>, count: usize) -> io::Result<()> {
    let data = vec![7; RECORD];
    let mut buffer = vec![0; RECORD + 1];
    for _ in 0..count {
        both(
            async {
                client.write_all(&data).await?;
                client.flush().await
            },
            async {
                let mut received = 0;
                while received < RECORD {
                    match server.read(&mut buffer).await? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        count => received += count,
                    }
                }
                Ok(())
            },
        )
        .await?;
    }
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
