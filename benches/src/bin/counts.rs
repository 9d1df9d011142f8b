//! Instructions, allocations, copied bytes and system calls of one operation, for each side: counts,
//! which are the same on a loaded machine. Prints lines of JSON and a Markdown table.
//!
//! `cargo build --release -p portcullis-benches && cargo run --release -p portcullis-benches --bin counts`
//!
//! * `--check FILE [TURN/OF]`: only portcullis, and fails when it does more than FILE allows; with `1/2` of all
//!   operations only each second, beginning with the second
//! * `--write FILE`: writes that file
//! * `WORKERS=folder:folder`: where to look for more `worker-NAME` programs
//!
//! Needs valgrind, and strace for the system calls. Under valgrind the crypto library takes the
//! code for processors without AVX-512, so instructions of it are more than in reality, and the
//! same on every x86-64 processor with AVX2; `OPENSSL_ia32cap` would change them and is refused. Copied
//! bytes are those of `memcpy`, `memmove` and their like, the transport's own copies among them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portcullis_benches::floor;
use portcullis_benches::pki::Pki;
use portcullis_benches::processor::{MASK, Processor};
use portcullis_benches::programs::workers;
use serde::Deserialize;
use serde_json::json;

/// How much more than the committed count is a failure, in percent.
const TOLERANCE: u64 = 5;
/// What is counted, with how many operations the longer run has more than the shorter.
const WORK: [(&str, u64); 12] = [
    ("handshake", 20),
    ("record", 64),
    ("bulk", 16),
    ("ping-pong", 200),
    ("small-writes", 4),
    ("resumed", 20),
    ("tls12-handshake", 20),
    ("tls12-resumed", 20),
    ("tls12-ping-pong", 200),
    ("tls12-record", 64),
    ("tls12-cbc-record", 64),
    ("tls12-renegotiation", 20),
];
/// How many of them, from the first on, are counted of other stacks, too.
const WORK_OF_OTHERS: usize = 5;
const SIDES: [&str; 2] = ["client", "server"];
/// What gives out memory, in the C library; a reallocation counts as an allocation.
const ALLOCATORS: [&str; 5] = [
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
];

/// The columns of the committed file.
const COLUMNS: [&str; 3] = ["instructions", "allocations", "copied"];
/// Of one operation of one side.
type Each = [f64; COLUMNS.len()];

/// What callgrind and DHAT have seen.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    instructions: u64,
    allocations: u64,
    copied: u64,
}

impl Count {
    /// For one of `operations`, from a run that had so many more than `less`.
    fn each(self, less: Self, operations: u64) -> Each {
        let each = |more: u64, less: u64| more.saturating_sub(less) as f64 / operations as f64;
        [
            each(self.instructions, less.instructions),
            each(self.allocations, less.allocations),
            each(self.copied, less.copied),
        ]
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )))
}

/// Runs `program` under callgrind, collecting in the function of one side.
fn callgrind(
    program: &Path,
    folder: &Path,
    work: &str,
    side: &str,
    operations: u64,
) -> io::Result<Count> {
    let out = folder.join("callgrind.out");
    let mut out_option = OsString::from("--callgrind-out-file=");
    out_option.push(&out);
    run(Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-atstart=no",
            "--dump-instr=yes",
        ])
        .args(["--compress-pos=no", "--compress-strings=no"])
        .arg(format!("--toggle-collect=*{side}_side*"))
        .arg(out_option)
        .arg(program)
        .arg(folder)
        .args(["count", work, "duplex", &operations.to_string()]))?;
    let count = parse(&std::fs::read_to_string(&out)?);
    if count.instructions == 0 {
        return Err(io::Error::other(format!(
            "{work}: callgrind saw nothing of the {side}'s side"
        )));
    }
    Ok(count)
}

/// Reads callgrind's output: its total, and how often the allocators were entered.
///
/// <https://valgrind.org/docs/manual/cl-format.html>: below `fn=`, a line is an instruction's
/// address, its source line and how often it ran; the line after `calls=` is the cost of a call.
/// The counts of calls themselves do not heed what is to be collected, so an allocator was entered
/// as often as its first instruction ran.
fn parse(text: &str) -> Count {
    let mut count = Count::default();
    let mut entries: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut function = "";
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = name;
        } else if line.starts_with("calls=") {
            lines.next();
        } else if let Some(total) = line.strip_prefix("totals: ") {
            count.instructions = total.trim().parse().unwrap_or(0);
        } else if ALLOCATORS.contains(&function)
            && let Some((address, times)) = instruction(line)
        {
            let entry = entries.entry(function).or_insert((address, times));
            *entry = (*entry).min((address, times));
        }
    }
    count.allocations = entries.values().map(|(_, times)| times).sum();
    count
}

/// Address and executions of `0xaddress line times`.
fn instruction(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split(' ');
    let address = fields.next()?.strip_prefix("0x")?;
    let address = u64::from_str_radix(address, 16).ok()?;
    Some((address, fields.nth(1)?.parse().ok()?))
}

/// The bytes that each side copies.
fn copied(program: &Path, folder: &Path, work: &str, operations: u64) -> io::Result<[u64; 2]> {
    let out = folder.join("dhat.out");
    let mut out_option = OsString::from("--dhat-out-file=");
    out_option.push(&out);
    // A side is known by its function, which is far above most copies.
    run(Command::new("valgrind")
        .args(["--tool=dhat", "--mode=copy", "--num-callers=200"])
        .arg(out_option)
        .arg(program)
        .arg(folder)
        .args(["count", work, "duplex", &operations.to_string()]))?;
    let out: Copies = serde_json::from_str(&std::fs::read_to_string(&out)?)?;
    Ok(SIDES.map(|side| {
        let side = format!("{side}_side");
        let is_of = |frame: &usize| out.ftbl[*frame].contains(&side);
        let of_side = out.pps.iter().filter(|point| point.fs.iter().any(is_of));
        of_side.map(|point| point.tb).sum()
    }))
}

/// What DHAT writes, as far as it matters here.
#[derive(Deserialize)]
struct Copies {
    pps: Vec<Place>,
    /// All stack frames.
    ftbl: Vec<String>,
}

/// Where something is copied.
#[derive(Deserialize)]
struct Place {
    /// Bytes.
    tb: u64,
    /// The stack, as places in the table of frames.
    fs: Vec<usize>,
}

/// System calls that read from a socket, that write to one, and all others, over TCP, both ends.
///
/// `read` and `write` are among the others: on sockets nobody here uses them, and the runtime
/// wakes itself with a `write`.
fn strace(program: &Path, folder: &Path, work: &str, operations: u64) -> io::Result<[u64; 3]> {
    let out = folder.join("strace.out");
    run(Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&out)
        .arg(program)
        .arg(folder)
        .args(["count", work, "tcp", &operations.to_string()]))?;
    let mut calls = [0; 3];
    for line in std::fs::read_to_string(&out)?.lines() {
        let name = line
            .split_once(' ')
            .map_or("", |(_, rest)| rest.trim_start());
        let name = name.split('(').next().unwrap_or_default();
        let [reads, writes, others] = &mut calls;
        *match name {
            "recvfrom" | "readv" | "recvmsg" => reads,
            "sendto" | "writev" | "sendmsg" => writes,
            _ => others,
        } += 1;
    }
    Ok(calls)
}

/// What is counted of a worker: the primitives do only handshakes, and not every stack is measured with sessions or
/// TLS 1.2.
fn work(name: &str) -> &'static [(&'static str, u64)] {
    match name {
        floor::NAME => &WORK[..1],
        _ if name.starts_with("portcullis") => &WORK,
        _ => &WORK[..WORK_OF_OTHERS],
    }
}

/// Of everything that is done each `of`th, beginning with number `turn`.
fn counts(
    name: &str,
    program: &Path,
    folder: &Path,
    (turn, of): (usize, usize),
) -> io::Result<BTreeMap<String, Each>> {
    let mut counts = BTreeMap::new();
    for &(work, operations) in work(name).iter().skip(turn % of).step_by(of) {
        let copied_less = copied(program, folder, work, operations)?;
        let copied_more = copied(program, folder, work, 2 * operations)?;
        for (at, side) in SIDES.into_iter().enumerate() {
            let mut less = callgrind(program, folder, work, side, operations)?;
            let mut more = callgrind(program, folder, work, side, 2 * operations)?;
            (less.copied, more.copied) = (copied_less[at], copied_more[at]);
            counts.insert(format!("{work} {side}"), more.each(less, operations));
        }
    }
    Ok(counts)
}

fn check(
    counts: &BTreeMap<String, Each>,
    allowed: &str,
    (turn, of): (usize, usize),
) -> io::Result<()> {
    let mut worse = Vec::new();
    for line in allowed.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let name = fields.next().unwrap_or_default();
        let work = name.split(' ').next().unwrap_or_default();
        let at = WORK.iter().position(|(known, _)| *known == work);
        if at.is_some_and(|at| at % of != turn % of) {
            continue;
        }
        let committed: Vec<f64> = fields
            .map(|field| field.parse().map_err(io::Error::other))
            .collect::<io::Result<_>>()?;
        let now = counts
            .get(name)
            .filter(|_| committed.len() == COLUMNS.len())
            .ok_or_else(|| io::Error::other(format!("nothing is counted like this: {line}")))?;
        for ((what, now), committed) in COLUMNS.iter().zip(now).zip(committed) {
            let bound = committed * (100 + TOLERANCE) as f64 / 100.0;
            println!("{name}: {now:.1} {what}, committed {committed:.1}");
            if *now > bound + 0.5 {
                worse.push(format!("{name}: {now:.1} {what}, more than {bound:.1}"));
            }
        }
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "more work than before:\n{}",
        worse.join("\n")
    )))
}

/// Reads, writes and other system calls of one operation.
fn calls(program: &Path, folder: &Path, work: &str, operations: u64) -> io::Result<[f64; 3]> {
    let less = strace(program, folder, work, operations)?;
    let more = strace(program, folder, work, 2 * operations)?;
    let each = |at: usize| more[at].saturating_sub(less[at]) as f64 / operations as f64;
    Ok([each(0), each(1), each(2)])
}

fn table(programs: &[(String, PathBuf)], folder: &Path) -> io::Result<()> {
    let mut table = String::from(
        "| operation | stack | instructions client / server | allocations client / server | bytes copied client / server | reads, writes, other system calls (TCP, both ends) |\n|---|---|---|---|---|---|\n",
    );
    let mut all = BTreeMap::new();
    for (name, program) in programs {
        all.insert(name, counts(name, program, folder, (0, 1))?);
    }
    for (operation, operations) in WORK {
        for (name, program) in programs {
            let [client, server] = SIDES.map(|side| all[name].get(&format!("{operation} {side}")));
            let (Some(client), Some(server)) = (client, server) else {
                continue;
            };
            let calls = match name.as_str() {
                floor::NAME => [0.0; 3],
                _ => calls(program, folder, operation, operations)?,
            };
            println!(
                "{}",
                json!({ "operation": operation, "stack": name, "client": client, "server": server, "calls": calls })
            );
            table.push_str(&format!(
                "| {operation} | {name} | {:.0} / {:.0} | {:.1} / {:.1} | {:.0} / {:.0} | {:.1}, {:.1}, {:.1} |\n",
                client[0],
                server[0],
                client[1],
                server[1],
                client[2],
                server[2],
                calls[0],
                calls[1],
                calls[2],
            ));
        }
    }
    println!("\n{table}");
    Ok(())
}

/// `TURN/OF`.
fn part(text: &str) -> io::Result<(usize, usize)> {
    let numbers = text.split_once('/').and_then(|(turn, of)| {
        let of = of.parse().ok().filter(|of| *of > 0)?;
        Some((turn.parse().ok()?, of))
    });
    numbers.ok_or_else(|| io::Error::other(format!("{text}: a part is TURN/OF, as 0/2")))
}

fn main() -> io::Result<()> {
    let here = Processor::here();
    if here.mask.is_some() {
        return Err(io::Error::other(format!(
            "counts are of the processor as valgrind shows it: unset {MASK}"
        )));
    }
    println!("{}", serde_json::to_string(&here)?);
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    Pki::generate().map_err(io::Error::other)?.store(folder)?;
    let programs = workers()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => table(&programs, folder),
        [option @ ("--check" | "--write"), file, part @ ..]
            if part.len() <= usize::from(*option == "--check") =>
        {
            let part = match part.first() {
                Some(part) => self::part(part)?,
                None => (0, 1),
            };
            let ours = programs.iter().find(|(name, _)| name == "portcullis");
            let (_, program) = ours.ok_or_else(|| {
                io::Error::other("build it first: cargo build --release -p portcullis-benches")
            })?;
            let counts = counts("portcullis", program, folder, part)?;
            if *option == "--check" {
                return check(&counts, &std::fs::read_to_string(file)?, part);
            }
            let mut text = format!("# operation\t{}\n", COLUMNS.join("\t"));
            for (name, [instructions, allocations, copied]) in counts {
                text.push_str(&format!(
                    "{name}\t{instructions:.0}\t{allocations:.1}\t{copied:.0}\n"
                ));
            }
            std::fs::write(file, text)
        }
        _ => Err(io::Error::other(
            "usage: counts [--check FILE [TURN/OF] | --write FILE]",
        )),
    }
}
