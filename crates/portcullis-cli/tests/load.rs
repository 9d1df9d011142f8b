//! The proxy under load, as a program beside others: many connections that rest and some that do not, a server that is
//! killed and comes back, a certificate that changes all the time, clients that never finish their hello, and no descriptors
//! left. Nobody loses a byte, and no honest client is refused but by the server that was killed.
//!
//! A few seconds in the default run. The long one, for a minute, 10,000 connections that rest and 200 that do not:
//!
//! ```sh
//! PORTCULLIS_LOAD=long cargo test -p portcullis-cli --test load -- --nocapture
//! ```

#![cfg(unix)]

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::{ClientConfig, Roots, TlsConnector, TlsStream};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the proxy waits for a hello that does not come.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// How much of everything.
#[derive(Clone, Copy, Debug)]
struct Size {
    resting: usize,
    active: usize,
    /// Connections to the server that is killed.
    unlucky: usize,
    half_open: usize,
    /// Connections beyond those that the proxy has descriptors for.
    waiting: usize,
    time: Duration,
    rotation: Duration,
    /// How much the proxy may have grown in that time, in MiB.
    growth: u64,
}

impl Size {
    fn of_environment() -> Self {
        match std::env::var("PORTCULLIS_LOAD").as_deref() {
            Ok("long") => Self {
                resting: 10_000,
                active: 200,
                unlucky: 20,
                half_open: 1_000,
                waiting: 200,
                time: Duration::from_secs(60),
                rotation: Duration::from_secs(1),
                growth: 64,
            }
            .within(descriptors()),
            _ => Self {
                resting: 150,
                active: 15,
                unlucky: 5,
                half_open: 60,
                waiting: 40,
                time: Duration::from_secs(3),
                rotation: Duration::from_millis(100),
                growth: 24,
            },
        }
    }

    /// Connections that the proxy is to have at a time.
    fn places(&self) -> usize {
        self.resting + self.active + self.unlucky + self.half_open
    }

    /// What the system gives: two descriptors for each connection, and 100 for the rest.
    fn within(mut self, descriptors: usize) -> Self {
        let most = descriptors.saturating_sub(100) / 2;
        let others = self.places() - self.resting;
        self.resting = self.resting.min(most.saturating_sub(others));
        self
    }
}

/// As many as this process can have, and so those that it starts.
fn descriptors() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.current.map_or(usize::MAX, |it| it as usize)
}

/// A program of ours that runs; it is killed when dropped.
struct Program {
    child: Child,
    address: String,
    admin: String,
}

impl Program {
    /// With so many descriptors, if that is less than there are.
    fn start(arguments: &[&str], descriptors: Option<usize>) -> Self {
        let limit = descriptors.map_or_else(|| "-n".to_owned(), |it| format!("-n {it}"));
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit {limit} >&2; exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = |expected: &str| {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            let address = line.strip_prefix(expected);
            address
                .unwrap_or_else(|| panic!("{line}"))
                .trim()
                .to_owned()
        };
        let address = line("READY ");
        let admin = match arguments.first() {
            Some(&"proxy") => line("ADMIN "),
            _ => String::new(),
        };
        Self {
            child,
            address,
            admin,
        }
    }

    /// A server that gives back what it gets.
    fn echo(address: &str) -> Self {
        Self::start(&["bench", "serve", "--plain", "--listen", address], None)
    }

    fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Memory that is really there, in MiB.
    #[cfg(target_os = "linux")]
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() / 1_024
    }

    #[cfg(not(target_os = "linux"))]
    fn memory(&self) -> u64 {
        0
    }

    /// One of its figures.
    async fn figure(&self, name: &str) -> u64 {
        let mut io = TcpStream::connect(&self.admin).await.unwrap();
        io.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut page = String::new();
        io.read_to_string(&mut page).await.unwrap();
        let of_name = page.lines().filter(|it| it.starts_with(name));
        of_name
            .filter_map(|it| it.rsplit_once(' ')?.1.parse::<u64>().ok())
            .sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An authority, and what it issues.
struct Files {
    folder: tempfile::TempDir,
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            authority_pem: params.self_signed(&key).unwrap().pem(),
            authority: Issuer::new(params, key),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another certificate and key, in one file, which is whole at any time.
    fn rotate(&self) {
        let names = ["steady.test".to_owned(), "unlucky.test".to_owned()];
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let text = certificate.pem() + &key.serialize_pem();
        std::fs::write(self.path("new.pem"), text).unwrap();
        std::fs::rename(self.path("new.pem"), self.path("now.pem")).unwrap();
    }

    fn connector(&self) -> TlsConnector {
        let config = ClientConfig::builder(Roots::from_pem(&self.authority_pem).unwrap());
        TlsConnector::new(config.build().unwrap()).handshake_timeout(PATIENCE)
    }

    /// A proxy with these lines in its configuration, and so many descriptors.
    fn proxy(&self, more: &str, steady: &str, unlucky: &str, descriptors: usize) -> Program {
        self.rotate();
        let text = format!(
            r#"
            version = 1
            log = {{ access = "off" }}
            admin = {{ listen = "127.0.0.1:0" }}
            timeouts = {{ first_byte = "{seconds}s", handshake = "{seconds}s", connect = "10s" }}
            {more}
            [[listen]]
            name = "in"
            address = "127.0.0.1:0"
            [[identity]]
            name = "both"
            certificate = "{certificate}"
            [[route]]
            names = ["steady.test"]
            identity = "both"
            backend = {{ servers = ["{steady}"] }}
            [[route]]
            names = ["unlucky.test"]
            identity = "both"
            backend = {{ servers = ["{unlucky}"] }}
            "#,
            seconds = HELLO_WITHIN.as_secs(),
            certificate = self.path("now.pem").display(),
        );
        let path = self.path("proxy.toml");
        std::fs::write(&path, text).unwrap();
        Program::start(&["proxy", path.to_str().unwrap()], Some(descriptors))
    }
}

/// A client of the proxy's.
#[derive(Clone)]
struct Client {
    connector: TlsConnector,
    proxy: String,
    name: &'static str,
}

/// Why a conversation came to nothing.
#[derive(Debug)]
enum Failed {
    /// The connection ended early, or did not begin.
    Ended(String),
    /// What came back is not what was sent: nothing excuses that.
    Wrong(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(why) => f.write_str(why),
            Self::Wrong(what) => write!(f, "not what was sent: {what}"),
        }
    }
}

fn ended(what: &str) -> impl Fn(std::io::Error) -> Failed + '_ {
    move |error| Failed::Ended(format!("{what}: {error}"))
}

impl Client {
    async fn connect(&self) -> Result<TlsStream<TcpStream>, Failed> {
        let io = TcpStream::connect(&self.proxy).await;
        let io = io.map_err(ended("connecting"))?;
        let stream = self.connector.upgrade(io, self.name).await;
        stream.map_err(|error| Failed::Ended(format!("handshake: {error}")))
    }

    /// Sends so many bytes and takes them back, in pieces of any size, up to the end of both sides.
    async fn converse(&self, seed: u64, length: usize) -> Result<(), Failed> {
        let mut stream = self.connect().await?;
        exchange(&mut stream, seed, length).await?;
        stream.shutdown().await.map_err(ended("ending"))?;
        let mut rest = Vec::new();
        let count = stream.read_to_end(&mut rest).await;
        match count.map_err(ended("waiting for the end"))? {
            0 => Ok(()),
            count => Err(Failed::Wrong(format!("{count} bytes too many"))),
        }
    }
}

/// Bytes that no two connections have in common.
fn data(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

async fn exchange(
    stream: &mut TlsStream<TcpStream>,
    seed: u64,
    length: usize,
) -> Result<(), Failed> {
    let sent = data(seed, length);
    let (mut reading, mut writing) = tokio::io::split(stream);
    let send = async {
        // Pieces of 1 byte to 20 KiB.
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let piece = rest.len().min(1 + (seed as usize ^ rest.len()) % 20_480);
            writing.write_all(&rest[..piece]).await?;
            rest = &rest[piece..];
        }
        writing.flush().await
    };
    let take = async {
        let (mut at, mut part) = (0, vec![0; 16_384]);
        while at < sent.len() {
            let count = reading.read(&mut part).await.map_err(ended("reading"))?;
            if count == 0 {
                return Err(Failed::Ended(format!(
                    "an end after {at} of {length} bytes"
                )));
            }
            if sent.get(at..at + count) != Some(&part[..count]) {
                return Err(Failed::Wrong(format!(
                    "between bytes {at} and {}",
                    at + count
                )));
            }
            at += count;
        }
        Ok(())
    };
    let (sent, taken) = tokio::join!(send, take);
    taken?;
    sent.map_err(ended("writing"))
}

/// What must not be.
#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<Vec<String>>>);

impl Complaints {
    fn add(&self, who: &str, why: impl fmt::Display) {
        self.0.lock().unwrap().push(format!("{who}: {why}"));
    }

    fn check(&self) {
        let all = self.0.lock().unwrap();
        let first: Vec<_> = all.iter().take(10).collect();
        assert!(
            all.is_empty(),
            "{} complaints, first of all {first:#?}",
            all.len()
        );
    }
}

/// Talks until time is up, a new connection for each conversation. How often that went well.
async fn talk(client: Client, number: usize, end: Instant, complaints: Complaints) -> u64 {
    let mut done = 0;
    while Instant::now() < end {
        let seed = (number as u64) << 32 | done;
        let length = 1 + (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 46) as usize;
        match timeout(PATIENCE, client.converse(seed, length)).await {
            Ok(Ok(())) => done += 1,
            Ok(Err(failed)) => complaints.add("active", failed),
            Err(_) => complaints.add("active", "no end"),
        }
    }
    done
}

/// The server that is killed: 0 while it is not there, else how often it has come back.
#[derive(Default)]
struct Life(AtomicU64);

/// The same with the server that is killed: it excuses what fails while it is not there all the time.
async fn suffer(
    client: Client,
    number: usize,
    end: Instant,
    life: Arc<Life>,
    complaints: Complaints,
) -> (u64, u64) {
    let (mut done, mut failures) = (0, 0);
    while Instant::now() < end {
        let before = life.0.load(Ordering::SeqCst);
        let seed = u64::MAX - ((number as u64) << 32 | done);
        let said = timeout(PATIENCE, client.converse(seed, 100_000)).await;
        let is_excused = before == 0 || before != life.0.load(Ordering::SeqCst);
        match said {
            Ok(Ok(())) => done += 1,
            Ok(Err(Failed::Ended(_))) if is_excused => {
                failures += 1;
                sleep(Duration::from_millis(10)).await;
            }
            Ok(Err(failed)) => complaints.add("unlucky", failed),
            Err(_) => complaints.add("unlucky", "no end"),
        }
    }
    (done, failures)
}

/// Opens connections that rest, some at a time.
async fn rest(client: &Client, count: usize) -> Vec<TlsStream<TcpStream>> {
    let (mut opening, mut open) = (JoinSet::new(), Vec::new());
    for number in 0..count {
        if opening.len() >= 32 {
            open.push(opening.join_next().await.unwrap().unwrap());
        }
        let client = client.clone();
        opening.spawn(async move {
            let mut stream = client.connect().await.unwrap();
            exchange(&mut stream, number as u64, 1_000).await.unwrap();
            stream
        });
    }
    while let Some(stream) = opening.join_next().await {
        open.push(stream.unwrap());
    }
    open
}

/// Sends the beginning of a hello, and waits until the proxy has had enough.
async fn half_open(proxy: String, complaints: Complaints) {
    let Ok(mut io) = TcpStream::connect(proxy).await else {
        return complaints.add("half-open", "not accepted");
    };
    // A record with a ClientHello of which most is missing.
    let _ = io.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await;
    let mut rest = Vec::new();
    if timeout(PATIENCE, io.read_to_end(&mut rest)).await.is_err() {
        complaints.add("half-open", "the proxy keeps it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_loses_a_byte() {
    let size = Size::of_environment();
    println!("{size:?}");
    let files = Files::new();
    let (steady, unlucky) = (Program::echo("127.0.0.1:0"), Program::echo("127.0.0.1:0"));
    let at = unlucky.address.clone();
    // As many descriptors as those need that are to be there at a time, and no more: others wait.
    let limit = 2 * size.places() + 100;
    let proxy = files.proxy("", &steady.address, &at, limit);
    let client = |name| Client {
        connector: files.connector(),
        proxy: proxy.address.clone(),
        name,
    };
    let complaints = Complaints::default();
    let mut resting = rest(&client("steady.test"), size.resting).await;
    println!(
        "{} rest, the proxy has {} MiB",
        resting.len(),
        proxy.memory()
    );

    let end = Instant::now() + size.time;
    let mut half_opens = JoinSet::new();
    for _ in 0..size.half_open {
        half_opens.spawn(half_open(proxy.address.clone(), complaints.clone()));
    }
    let (mut active, mut unlucky_ones) = (JoinSet::new(), JoinSet::new());
    for number in 0..size.active {
        let talking = talk(client("steady.test"), number, end, complaints.clone());
        active.spawn(talking);
    }
    let life = Arc::new(Life(AtomicU64::new(1)));
    for number in 0..size.unlucky {
        let (life, complaints) = (Arc::clone(&life), complaints.clone());
        unlucky_ones.spawn(suffer(
            client("unlucky.test"),
            number,
            end,
            life,
            complaints,
        ));
    }
    let kill = async {
        let (mut server, mut lives) = (Some(unlucky), 1);
        while Instant::now() < end {
            sleep(size.time / 6).await;
            life.0.store(0, Ordering::SeqCst);
            drop(server.take());
            sleep(size.time / 12).await;
            server = Some(Program::echo(&at));
            lives += 1;
            life.0.store(lives, Ordering::SeqCst);
        }
        server
    };
    let is_over = AtomicBool::new(false);
    let rotate = async {
        let mut times = 0;
        while !is_over.load(Ordering::SeqCst) {
            files.rotate();
            proxy.hang_up();
            times += 1;
            sleep(size.rotation).await;
        }
        times
    };
    let watch = async {
        // When all of it has begun.
        sleep(size.time / 3).await;
        let memory = proxy.memory();
        // More than the proxy has places for: they wait until others have gone.
        let mut waiting = JoinSet::new();
        for number in 0..size.waiting {
            let client = client("steady.test");
            waiting.spawn(async move { client.converse(!(number as u64), 10_000).await });
        }
        while let Some(said) = waiting.join_next().await {
            if let Err(failed) = said.unwrap() {
                complaints.add("waiting", failed);
            }
        }
        let mut conversations = 0;
        while let Some(done) = active.join_next().await {
            conversations += done.unwrap();
        }
        let grown = proxy.memory().saturating_sub(memory);
        is_over.store(true, Ordering::SeqCst);
        (conversations, grown)
    };
    let (server, rotations, (conversations, grown)) = tokio::join!(kill, rotate, watch);
    let (mut lucky, mut failures) = (0, 0);
    while let Some(said) = unlucky_ones.join_next().await {
        let (done, failed) = said.unwrap();
        (lucky, failures) = (lucky + done, failures + failed);
    }
    while half_opens.join_next().await.is_some() {}
    // All is as it was: those that rested, and the server that was killed.
    for (number, stream) in resting.iter_mut().enumerate() {
        if let Err(failed) = exchange(stream, !(number as u64), 500).await {
            complaints.add("resting", failed);
        }
    }
    client("unlucky.test").converse(7, 1_000).await.unwrap();
    println!(
        "{conversations} conversations, {rotations} certificates, {lucky} conversations with the server that was killed and \
         {failures} failures, {grown} MiB more"
    );
    complaints.check();
    assert!(conversations > 0 && lucky > 0 && rotations > 2);
    assert!(failures > 0, "the server was never killed");
    let reloads = proxy
        .figure("portcullis_proxy_reloads_total{result=\"ok\"}")
        .await;
    assert!(reloads > 0, "nothing was reloaded");
    assert!(grown <= size.growth, "{grown} MiB more");
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_those_who_are_there_go_on() {
    let files = Files::new();
    let steady = Program::echo("127.0.0.1:0");
    // The configuration promises what the system does not have.
    let limits = "limits = { connections = 1000 }";
    let proxy = files.proxy(limits, &steady.address, &steady.address, 100);
    let client = Client {
        connector: files.connector(),
        proxy: proxy.address.clone(),
        name: "steady.test",
    };
    let mut resting = rest(&client, 10).await;
    let mut silent = Vec::new();
    // The admin's port needs a descriptor, too: it says afterwards what was.
    for _ in 0..150 {
        silent.push(TcpStream::connect(&proxy.address).await.unwrap());
    }
    sleep(Duration::from_millis(300)).await;
    for (number, stream) in resting.iter_mut().enumerate() {
        exchange(stream, number as u64, 50_000).await.unwrap();
    }
    drop(silent);
    let accepted = timeout(PATIENCE, async {
        // One that was accepted with the last descriptor has none for its server, and is told so.
        while client.converse(1, 1_000).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    accepted
        .await
        .expect("new clients when there are descriptors again");
    let failed = proxy.figure("portcullis_proxy_accept_failures_total").await;
    assert!(failed > 0, "there were descriptors all the time");
    for (number, stream) in resting.iter_mut().enumerate() {
        exchange(stream, number as u64, 1_000).await.unwrap();
    }
}
