//! What a process does whose resident memory is measured: it is the server or the client of many
//! connections.
//!
//! Each connection is one task of a current-thread runtime that stands in `read()` with a buffer
//! of 16 bytes, over loopback TCP. Handshakes and transfers run 16 at a time; half-open
//! connections are all open at once. The program `memory` says when to read the resident set
//! (`/proc/self/statm`).

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use crate::cases::run::runtime;
use crate::job::{Choice, Resumed};
use crate::pki::Pki;
use crate::stack::Stack;
use crate::stacks::Portcullis;

/// Connections that are there before the first look.
pub const WARM_UP: usize = 200;
/// Handshakes or transfers at a time.
const AT_A_TIME: usize = 16;
/// What a transfer moves in each direction.
const TRANSFER: usize = 1024 * 1024;

/// How long connections have to be idle.
pub const HIBERNATE_AFTER: Duration = Duration::from_millis(100);

/// In which state connections are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// After the handshake, without tickets.
    Idle,
    /// After a handshake that gave the client tickets and resumed a session.
    Resumed,
    /// After a transfer both ways.
    Moved,
    /// After a transfer and `hibernate_after`; only where there is such a thing.
    Hibernated,
    /// The client has connected and says nothing.
    Silent,
    /// The client has sent half of a ClientHello.
    HalfHello,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::Resumed,
        Self::Moved,
        Self::Hibernated,
        Self::Silent,
        Self::HalfHello,
    ];

    /// Whether nothing but the server is looked at.
    pub fn is_half_open(self) -> bool {
        matches!(self, Self::Silent | Self::HalfHello)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| format!("{state:?}") == name)
    }
}

/// How many connections are counted.
pub fn connections() -> usize {
    let wanted = std::env::var("CONNECTIONS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

/// A stack as it comes.
fn stack<S: Stack>(pki: &Pki, state: State) -> io::Result<S> {
    let choice = Choice {
        remember_chains: true,
        resumed: match state {
            State::Resumed => Resumed::Ticket,
            _ => Resumed::No,
        },
        hibernate_after: (state == State::Hibernated).then_some(HIBERNATE_AFTER),
        ..Choice::default()
    };
    S::new(pki, choice).map_err(io::Error::other)
}

/// Bytes of this process in memory.
///
/// # Panics
/// Where there is no `/proc/self/statm`.
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split_whitespace().nth(1).expect("resident pages");
    pages.parse::<usize>().expect("a number") * 4096
}

/// A task's life: it waits for bytes, and if they come, moves a transfer both ways.
async fn hold<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut first = [0; 16];
    loop {
        let received = stream.read(&mut first).await?;
        if received == 0 {
            return Ok(());
        }
        // Boxed: the task is measured while it waits.
        Box::pin(answer(stream, received)).await?;
    }
}

/// A transfer of which `received` bytes have come.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut received: usize,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while received < TRANSFER {
        received += stream.read(&mut buffer).await?;
    }
    for _ in 0..TRANSFER / buffer.len() {
        stream.write_all(&buffer).await?;
    }
    stream.flush().await
}

/// The other end of a transfer.
async fn transfer<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..TRANSFER / buffer.len() {
        stream.write_all(&buffer).await?;
    }
    stream.flush().await?;
    let mut received = 0;
    while received < TRANSFER {
        received += stream.read(&mut buffer).await?;
    }
    Ok(())
}

/// The next line of whoever started this process.
async fn told() -> String {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    line.await.expect("a line").expect("readable")
}

fn say(what: impl std::fmt::Display) {
    println!("{what}");
    io::stdout().flush().expect("a reader");
}

async fn server<S: Stack>(stack: S) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    // Half-open connections come all at once.
    let listener: TcpListener = socket.listen(4096)?;
    say(listener.local_addr()?);
    // One pointer for each task: with a second one a plain stream's is 128 bytes longer, to which
    // the runtime rounds up.
    let shared = Arc::new((stack, AtomicUsize::new(0)));
    let held = Arc::clone(&shared);
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                shared.1.fetch_add(1, Ordering::Relaxed);
                if let Ok(mut stream) = shared.0.accept(io).await {
                    let _ = hold(&mut stream).await;
                }
                shared.1.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    while !told().await.is_empty() {
        say(held.1.load(Ordering::Relaxed));
        say(resident());
    }
    Ok(())
}

/// The first half of what a client sends first.
async fn half_hello(pki: &Pki) -> io::Result<Vec<u8>> {
    let stack: Portcullis = stack(pki, State::HalfHello)?;
    let (client, mut server) = tokio::io::duplex(64 * 1024);
    let mut hello = vec![0; 64 * 1024];
    tokio::select! {
        length = server.read(&mut hello) => hello.truncate(length.expect("a hello") / 2),
        _ = stack.connect(client) => unreachable!("there is no server"),
    }
    Ok(hello)
}

async fn client<S: Stack>(
    stack: S,
    state: State,
    server: SocketAddr,
    half_hello: &[u8],
) -> io::Result<()> {
    let stack = Arc::new(stack);
    let mut half_open = Vec::new();
    for count in [WARM_UP, connections()] {
        let turns = Arc::new(Semaphore::new(AT_A_TIME));
        for _ in 0..count {
            let turn = Arc::clone(&turns).acquire_owned().await;
            let mut io = TcpStream::connect(server).await?;
            io.set_nodelay(true)?;
            if state.is_half_open() {
                if state == State::HalfHello {
                    io.write_all(half_hello).await?;
                }
                half_open.push(io);
                continue;
            }
            let stack = Arc::clone(&stack);
            tokio::spawn(async move {
                let mut stream = stack.connect(io).await.expect("connected");
                if matches!(state, State::Moved | State::Hibernated) {
                    Box::pin(transfer(&mut stream)).await.expect("moved");
                }
                drop(turn);
                hold(&mut stream).await
            });
        }
        drop(turns.acquire_many(AT_A_TIME as u32).await);
        say("opened");
        told().await;
        say(resident());
        told().await;
    }
    Ok(())
}

/// One role of a measurement: a server, or the client of the server at an address.
///
/// # Errors
/// When an argument is not understood, or the stack fails.
pub(crate) fn run<S: Stack>(
    pki: &Pki,
    state: &str,
    server_address: Option<&str>,
) -> io::Result<()> {
    let state = State::named(state).ok_or_else(|| io::Error::other("no such state"))?;
    let stack: S = stack(pki, state)?;
    runtime()?.block_on(async {
        match server_address {
            None => server(stack).await,
            Some(address) => {
                let half_hello = half_hello(pki).await?;
                let address = address.parse().map_err(io::Error::other)?;
                client(stack, state, address, &half_hello).await
            }
        }
    })
}
