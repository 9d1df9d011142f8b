//! Resident memory for each connection, server and client apart: each is a process of its own.
//!
//! `cargo run --release -p portcullis-benches --bin memory [STACK…]` measures every stack named
//! (all without names) in every state and prints a Markdown table. `CONNECTIONS=n` for more or
//! fewer than 5,000.
//!
//! Each connection is one task of a current-thread runtime that stands in `read()` with a buffer
//! of 16 bytes, over loopback TCP. Handshakes and transfers run 16 at a time; half-open
//! connections are all open at once. The resident set (`/proc/self/statm`) is read when 200
//! connections are open, so that what belongs to thread and process is not counted, and again
//! with 5,000 more; the difference is divided by 5,000.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_benches::job::Choice;
use portcullis_benches::pki::Pki;
use portcullis_benches::stack::Stack;
use portcullis_benches::stacks::{Plain, Portcullis, Rustls};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;

/// Connections that are there before the first look.
const WARM_UP: usize = 200;
/// Handshakes or transfers at a time.
const AT_A_TIME: usize = 16;
/// What a transfer moves in each direction.
const TRANSFER: usize = 1024 * 1024;

/// How long connections have to be idle.
const HIBERNATE_AFTER: Duration = Duration::from_secs(1);

/// In which state connections are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// After the handshake.
    Idle,
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
    const ALL: [Self; 5] = [
        Self::Idle,
        Self::Moved,
        Self::Hibernated,
        Self::Silent,
        Self::HalfHello,
    ];

    /// Whether a stack has this state: without TLS half a hello is data.
    fn is_of(self, stack: &str) -> bool {
        match self {
            Self::Hibernated => stack == Portcullis::NAME,
            Self::HalfHello => stack != Plain::NAME,
            _ => true,
        }
    }

    fn is_half_open(self) -> bool {
        matches!(self, Self::Silent | Self::HalfHello)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| format!("{state:?}") == name)
    }
}

fn connections() -> usize {
    let wanted = std::env::var("CONNECTIONS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

/// A stack as it comes.
fn stack<S: Stack>(folder: &str, state: State) -> S {
    let pki = Pki::load(Path::new(folder)).expect("certificates");
    let choice = Choice {
        remember_chains: true,
        hibernate_after: (state == State::Hibernated).then_some(HIBERNATE_AFTER),
        ..Choice::default()
    };
    S::new(&pki, choice).expect("a stack")
}

/// Bytes of this process in memory.
fn resident() -> usize {
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
    let stack = Arc::new(stack);
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    // Half-open connections come all at once.
    let listener: TcpListener = socket.listen(4096)?;
    say(listener.local_addr()?);
    let held = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&held);
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let (stack, count) = (Arc::clone(&stack), Arc::clone(&count));
            tokio::spawn(async move {
                count.fetch_add(1, Ordering::Relaxed);
                if let Ok(mut stream) = stack.accept(io).await {
                    let _ = hold(&mut stream).await;
                }
                count.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    while !told().await.is_empty() {
        say(held.load(Ordering::Relaxed));
        say(resident());
    }
    Ok(())
}

/// The first half of what a client sends first.
async fn half_hello(folder: &str, state: State) -> Vec<u8> {
    let stack: Portcullis = stack(folder, state);
    let (client, mut server) = tokio::io::duplex(64 * 1024);
    let mut hello = vec![0; 64 * 1024];
    tokio::select! {
        length = server.read(&mut hello) => hello.truncate(length.expect("a hello") / 2),
        _ = stack.connect(client) => unreachable!("there is no server"),
    }
    hello
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

/// A process of this program, and its two ends.
struct Role {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Role {
    /// With as many open files as the connections need.
    fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n $(ulimit -Hn); exec \"$@\"", "sh"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, output }
    }

    fn tell(&mut self) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input.write_all(b"go\n").expect("a reader");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    fn number(&mut self) -> usize {
        self.line().parse().expect("a number")
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes for each connection of the server and of the client.
fn measure(stack: &str, state: State, folder: &str) -> (f64, f64) {
    let state_name = format!("{state:?}");
    let mut server = Role::start(&[folder, stack, &state_name]);
    let address = server.line();
    let mut client = Role::start(&[folder, stack, &state_name, &address]);
    let mut seen = Vec::new();
    for open in [WARM_UP, WARM_UP + connections()] {
        assert_eq!(client.line(), "opened", "the client failed");
        // For the server to have taken what was sent last.
        std::thread::sleep(Duration::from_millis(500));
        if state == State::Hibernated {
            std::thread::sleep(HIBERNATE_AFTER * 2);
        }
        server.tell();
        assert_eq!(server.number(), open, "the server lost connections");
        client.tell();
        seen.push((server.number() as f64, client.number() as f64));
        client.tell();
    }
    let each = |before: f64, after: f64| (after - before) / connections() as f64;
    (each(seen[0].0, seen[1].0), each(seen[0].1, seen[1].1))
}

/// One role of a measurement: a server, or the client of a server at an address.
fn run<S: Stack>(folder: &str, state: &str, server_address: Option<&&str>) -> io::Result<()> {
    let state = State::named(state).expect("a state");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stack: S = stack(folder, state);
    runtime.block_on(async {
        match server_address {
            None => server(stack).await,
            Some(address) => {
                let half_hello = half_hello(folder, state).await;
                let address = address.parse().expect("an address");
                client(stack, state, address, &half_hello).await
            }
        }
    })
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [folder, stack, state, rest @ ..] = arguments.as_slice()
        && State::named(state).is_some()
    {
        return match *stack {
            Plain::NAME => run::<Plain>(folder, state, rest.first()),
            Rustls::NAME => run::<Rustls>(folder, state, rest.first()),
            _ => run::<Portcullis>(folder, state, rest.first()),
        };
    }
    let stacks = match arguments.as_slice() {
        [] => &[Plain::NAME, Rustls::NAME, Portcullis::NAME],
        named => named,
    };
    let folder = tempfile::tempdir()?;
    Pki::generate()
        .map_err(io::Error::other)?
        .store(folder.path())?;
    let folder = folder.path().to_str().expect("a path in UTF-8");
    println!("| bytes of resident memory for each connection | server | client |\n|---|---|---|");
    for stack in stacks {
        for state in State::ALL.into_iter().filter(|state| state.is_of(stack)) {
            let (server, client) = measure(stack, state, folder);
            match state.is_half_open() {
                true => println!("| {stack}, {state:?} | {server:.0} | |"),
                false => println!("| {stack}, {state:?} | {server:.0} | {client:.0} |"),
            }
        }
    }
    Ok(())
}
