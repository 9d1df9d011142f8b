//! Starts a worker for each stack that is built, gives all of them the same jobs in turn, and
//! prints lines of JSON, then a Markdown table of costs and one of ratios. The first line, and a line
//! above each table, say what the processor has for AES-GCM: figures of another class are others.
//!
//! `cargo build --release -p portcullis-benches && cargo run --release -p portcullis-benches`
//!
//! * `ROUNDS=n`: how often each stack does each case (default 7)
//! * `CASES=text`: only cases whose name contains it
//! * `UNPINNED=1`: threads are not kept on a core each
//! * `AGAINST=file`: a table of ratios to what an earlier run has printed, too; refused when that was
//!   on a processor of another class or with another `OPENSSL_ia32cap`
//! * `WORKERS=folder:folder`: where to look for more workers, besides the folder of this program

mod earlier;
mod jobs;
mod tables;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use portcullis_benches::job::{Answer, Cost, Job};
use portcullis_benches::pki::Pki;
use portcullis_benches::processor::Processor;
use portcullis_benches::programs;
use portcullis_benches::report::medians;

use crate::earlier::Earlier;
use crate::tables::Row;

struct Worker {
    name: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    fn start(program: &Path, certificates: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg(certificates)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else {
            return Err(io::Error::other("a child without pipes"));
        };
        let mut worker = Self {
            name: program.display().to_string(),
            child,
            to,
            from: BufReader::new(from),
        };
        worker.name = serde_json::from_str(&worker.line()?)?;
        Ok(worker)
    }

    fn ask(&mut self, job: Job) -> io::Result<Answer> {
        let mut line = serde_json::to_string(&job)?;
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    /// Ends it, which it does by itself when nothing more can come.
    fn end(self) -> io::Result<()> {
        let Self { mut child, to, .. } = self;
        drop(to);
        child.wait().map(drop)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        if line.is_empty() {
            let status = self.child.wait()?;
            return Err(io::Error::other(format!("{} ended: {status}", self.name)));
        }
        Ok(line)
    }
}

fn main() -> io::Result<()> {
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(7);
    let only = std::env::var("CASES").unwrap_or_default();
    let here = Processor::here();
    let earlier = match std::env::var_os("AGAINST") {
        Some(file) => Some(Earlier::read(&std::fs::read_to_string(file)?, &here)?),
        None => None,
    };
    let folder = tempfile::tempdir()?;
    Pki::generate()
        .map_err(io::Error::other)?
        .store(folder.path())?;
    let mut workers = Vec::new();
    for (_, program) in programs::workers()? {
        workers.push(Worker::start(&program, folder.path())?);
    }
    workers.sort_by_key(|worker| tables::place(&worker.name));
    if !workers.iter().any(|worker| worker.name == tables::BASE) {
        return Err(io::Error::other(
            "build the workers first: cargo build --release -p portcullis-benches",
        ));
    }
    println!("{}", serde_json::to_string(&here)?);
    let mut rows = Vec::new();
    for (case, job) in jobs::jobs() {
        if !case.contains(&only) {
            continue;
        }
        let costs = measure(&mut workers, job, rounds)?;
        for (worker, rounds) in workers.iter().zip(&costs) {
            let cost = rounds.as_ref().map(|rounds| medians(rounds));
            println!(
                "{}",
                serde_json::json!({ "case": case, "stack": worker.name, "cost_us": cost })
            );
        }
        let rounds = costs.into_iter().map(Result::ok).collect();
        rows.push(Row { case, job, rounds });
    }
    let stacks: Vec<_> = workers.iter().map(|worker| worker.name.as_str()).collect();
    println!(
        "\nMedians of {rounds} rounds.\n\n{}",
        tables::tables(&here, &stacks, &rows)
    );
    if let Some(earlier) = earlier {
        println!(
            "Ratios to the earlier run, client / server / clock; below 1 is cheaper. Processor of \
             both: {here}.\n\n{}",
            earlier.table(&stacks, &rows)
        );
    }
    workers.into_iter().try_for_each(Worker::end)
}

/// What each round cost every worker, or why it cannot do that, all of them asked in turn.
fn measure(
    workers: &mut [Worker],
    job: Job,
    rounds: usize,
) -> io::Result<Vec<Result<Vec<Cost>, String>>> {
    let mut costs = vec![Ok(Vec::new()); workers.len()];
    for _ in 0..rounds {
        for (worker, costs) in workers.iter_mut().zip(&mut costs) {
            if let Ok(rounds) = costs {
                match worker.ask(job)? {
                    Ok(cost) => rounds.push(cost),
                    Err(why) => *costs = Err(why),
                }
            }
        }
    }
    Ok(costs)
}
