//! Resident memory for each connection, server and client apart: each is a process of its own.
//!
//! `cargo build --release -p portcullis-benches && cargo run --release -p portcullis-benches --bin memory [STACK…]`
//! measures every stack named (all without names) in every state and prints a Markdown table.
//!
//! * `CONNECTIONS=n`: more or fewer than 5,000
//! * `ROUNDS=n`: of how many measurements the median is taken (default 5): what the allocator keeps
//!   changes from one to the next
//! * `WORKERS=folder:folder`: where to look for more `worker-NAME` programs
//!
//! `portcullis_benches::memory` says what the processes do. The resident set is read when 200
//! connections are open, so that what belongs to thread and process is not counted, and again
//! with 5,000 more; the difference is divided by 5,000.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portcullis_benches::memory::{HIBERNATE_AFTER, State, WARM_UP, connections};
use portcullis_benches::pki::Pki;
use portcullis_benches::processor::Processor;
use portcullis_benches::programs::stacks;
use portcullis_benches::report::median;

/// A worker's process, and its two ends.
struct Role {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Role {
    /// With as many open files as the connections need.
    fn start(program: &Path, folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n $(ulimit -Hn); exec \"$@\"", "sh"])
            .arg(program)
            .arg(folder)
            .arg("memory")
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
fn measure(program: &Path, state: State, folder: &Path) -> (f64, f64) {
    let state_name = format!("{state:?}");
    let mut server = Role::start(program, folder, &[&state_name]);
    let address = server.line();
    let mut client = Role::start(program, folder, &[&state_name, &address]);
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

/// Whether a stack has this state: without TLS half a hello is data.
fn has(stack: &str, state: State) -> bool {
    match state {
        State::Hibernated => stack == "portcullis",
        // Nobody has written it for the others.
        State::Resumed => matches!(stack, "portcullis" | "rustls"),
        State::HalfHello => stack != "plain",
        _ => true,
    }
}

fn main() -> io::Result<()> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let rounds = std::env::var("ROUNDS").ok();
    let rounds = rounds.and_then(|text| text.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    Pki::generate().map_err(io::Error::other)?.store(folder)?;
    let here = Processor::here();
    println!("{}\n\nProcessor: {here}.\n", serde_json::to_string(&here)?);
    println!("| bytes of resident memory for each connection | server | client |\n|---|---|---|");
    for (stack, program) in stacks()? {
        if !named.is_empty() && !named.contains(&stack) {
            continue;
        }
        for state in State::ALL.into_iter().filter(|state| has(&stack, *state)) {
            let (server, client): (Vec<_>, Vec<_>) = (0..rounds)
                .map(|_| measure(&program, state, folder))
                .unzip();
            let (server, client) = (median(server), median(client));
            match state.is_half_open() {
                true => println!("| {stack}, {state:?} | {server:.0} | |"),
                false => println!("| {stack}, {state:?} | {server:.0} | {client:.0} |"),
            }
        }
    }
    Ok(())
}
