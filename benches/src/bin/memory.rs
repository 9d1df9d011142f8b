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

#[allow(dead_code, reason = "the other program uses the rest")]
#[path = "../stack.rs"]
mod stack;

use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use portcullis::pki_types::pem::PemObject as _;
use portcullis::suite::CipherSuite;
use portcullis::{CertificateDer, NamedGroup};
use portcullis_tests::pki::pki;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use stack::{Choice, Portcullis, Rustls, Stack, Transport};

/// Connections that are there before the first look.
const WARM_UP: usize = 200;
/// Handshakes or transfers at a time.
const AT_A_TIME: usize = 16;
/// What a transfer moves in each direction.
const TRANSFER: usize = 1024 * 1024;

/// How long connections have to be idle.
const HIBERNATE_AFTER: Duration = Duration::from_secs(1);

/// No TLS: what a connection costs anyhow.
struct Plain;

impl Stack for Plain {
    type Client<IO: Transport> = IO;
    type Server<IO: Transport> = IO;
    const NAME: &'static str = "plain";

    fn new(_: Choice) -> Self {
        Self
    }

    async fn connect<IO: Transport>(&self, io: IO) -> io::Result<IO> {
        Ok(io)
    }

    async fn accept<IO: Transport>(&self, io: IO) -> io::Result<IO> {
        Ok(io)
    }
}

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

fn choice(root: &'static CertificateDer<'static>, state: State) -> Choice {
    Choice {
        group: NamedGroup::X25519,
        suite: CipherSuite::TLS_AES_128_GCM_SHA256,
        root,
        hibernate_after: (state == State::Hibernated).then_some(HIBERNATE_AFTER),
    }
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
        let mut received = stream.read(&mut first).await?;
        if received == 0 {
            return Ok(());
        }
        let mut buffer = vec![0; 64 * 1024];
        while received < TRANSFER {
            received += stream.read(&mut buffer).await?;
        }
        for _ in 0..TRANSFER / buffer.len() {
            stream.write_all(&buffer).await?;
        }
        stream.flush().await?;
    }
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

async fn server<S: Stack + 'static>(state: State) -> io::Result<()> {
    let root = &pki().root;
    let stack = Rc::new(S::new(choice(&root.certificate, state)));
    // More than are opened at once while the acceptor is busy.
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener: TcpListener = socket.listen(4096)?;
    say(listener.local_addr()?);
    say(root.file.display());
    let held = Rc::new(Cell::new(0_usize));
    let count = Rc::clone(&held);
    tokio::task::spawn_local(async move {
        while let Ok((io, _)) = listener.accept().await {
            let (stack, count) = (Rc::clone(&stack), Rc::clone(&count));
            tokio::task::spawn_local(async move {
                count.set(count.get() + 1);
                if let Ok(mut stream) = stack.accept(io).await {
                    let _ = hold(&mut stream).await;
                }
                count.set(count.get() - 1);
            });
        }
    });
    loop {
        if told().await.is_empty() {
            return Ok(());
        }
        say(held.get());
        say(resident());
    }
}

/// What a client sends first.
async fn client_hello(choice: Choice) -> Vec<u8> {
    let stack = Portcullis::new(choice);
    let (client, mut server) = tokio::io::duplex(64 * 1024);
    let mut hello = vec![0; 64 * 1024];
    tokio::select! {
        length = server.read(&mut hello) => hello.truncate(length.expect("a hello")),
        _ = stack.connect(client) => unreachable!("there is no server"),
    }
    hello
}

async fn client<S: Stack + 'static>(
    state: State,
    server: SocketAddr,
    root: &str,
) -> io::Result<()> {
    let root = CertificateDer::from_pem_file(root).expect("the server's root");
    let choice = choice(Box::leak(Box::new(root)), state);
    let stack = Rc::new(S::new(choice));
    let mut hello = client_hello(choice).await;
    hello.truncate(hello.len() / 2);
    let mut half_open = Vec::new();
    for count in [WARM_UP, connections()] {
        let turns = Rc::new(Semaphore::new(AT_A_TIME));
        for _ in 0..count {
            let turn = Rc::clone(&turns).acquire_owned_local().await;
            let mut io = TcpStream::connect(server).await?;
            io.set_nodelay(true)?;
            if state.is_half_open() {
                if state == State::HalfHello {
                    io.write_all(&hello).await?;
                }
                half_open.push(io);
                continue;
            }
            let stack = Rc::clone(&stack);
            tokio::task::spawn_local(async move {
                let mut stream = stack.connect(io).await.expect("connected");
                if matches!(state, State::Moved | State::Hibernated) {
                    transfer(&mut stream).await.expect("moved");
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

/// A turn of a semaphore in an `Rc`.
struct Turn(Rc<Semaphore>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

trait AcquireLocal {
    async fn acquire_owned_local(self) -> Turn;
}

impl AcquireLocal for Rc<Semaphore> {
    async fn acquire_owned_local(self) -> Turn {
        self.acquire().await.expect("it is not closed").forget();
        Turn(self)
    }
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
fn measure(stack: &str, state: State) -> (f64, f64) {
    let mut server = Role::start(&["server", stack, &format!("{state:?}")]);
    let (address, root) = (server.line(), server.line());
    let mut client = Role::start(&["client", stack, &format!("{state:?}"), &address, &root]);
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

fn run<S: Stack + 'static>(arguments: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let ran = LocalSet::new().block_on(&runtime, async {
        match arguments {
            ["server", state] => server::<S>(State::named(state).expect("a state")).await,
            ["client", state, address, root] => {
                let state = State::named(state).expect("a state");
                client::<S>(state, address.parse().expect("an address"), root).await
            }
            _ => unreachable!("only this program starts its roles"),
        }
    });
    ran.expect("the role ran");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let [role @ ("server" | "client"), stack, rest @ ..] = arguments.as_slice() {
        let rest = [&[*role], rest].concat();
        match *stack {
            Plain::NAME => run::<Plain>(&rest),
            Portcullis::NAME => run::<Portcullis>(&rest),
            Rustls::NAME => run::<Rustls>(&rest),
            other => panic!("there is no stack {other}"),
        }
        return;
    }
    let stacks = match arguments.as_slice() {
        [] => &[Plain::NAME, Rustls::NAME, Portcullis::NAME],
        named => named,
    };
    println!("| bytes of resident memory for each connection | server | client |\n|---|---|---|");
    for stack in stacks {
        for state in State::ALL.into_iter().filter(|state| state.is_of(stack)) {
            let (server, client) = measure(stack, state);
            match state.is_half_open() {
                true => println!("| {stack}, {state:?} | {server:.0} | |"),
                false => println!("| {stack}, {state:?} | {server:.0} | {client:.0} |"),
            }
        }
    }
}
