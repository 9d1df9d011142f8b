//! Sealing and opening of records with AES-GCM, and setting up a key, by several libraries, for each
//! class of processor that can be had on this machine. Prints a line of JSON for each figure, then a
//! Markdown table for each class.
//!
//! `cargo run --release --manifest-path benches/aead/Cargo.toml --target-dir target`
//!
//! * `ROUNDS=n`: how often each library does each thing, all of them in turn (default 101)
//!
//! The classes are processes of their own, which are asked in turn too. They differ by
//! `OPENSSL_ia32cap`, which AWS-LC reads when it starts. ring and graviola do not read it: ring stands
//! in the tables of classes for which it has the same code as for this machine's, graviola in that
//! of this machine's own.

mod libraries;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use portcullis_benches::processor::{Class, MASK, Processor};
use portcullis_benches::report::median;

use crate::libraries::{BASE, OPERATIONS, libraries};

/// What a round is to take at least: less is lost in what else happens.
const ROUND: std::time::Duration = std::time::Duration::from_micros(400);

/// This program again, as it is for a class.
struct Worker {
    class: Class,
    mask: Option<&'static str>,
    child: Child,
    from: BufReader<std::process::ChildStdout>,
}

impl Worker {
    fn start(class: Class, mask: Option<&'static str>) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        match mask {
            Some(mask) => command.env(MASK, mask),
            None => command.env_remove(MASK),
        };
        let mut child = command.spawn()?;
        let from = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            class,
            mask,
            child,
            from: BufReader::new(from),
        })
    }

    /// Nanoseconds of each library.
    fn round(&mut self, operation: usize) -> io::Result<Vec<f64>> {
        let to = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(to, "{operation}")?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends when there is nothing more to read; nothing can be done when it does not.
        let _ = self.child.wait();
    }
}

/// Answers each number of an operation with a round of it.
fn work() -> io::Result<()> {
    let libraries = libraries();
    // Of one call, so that all have the same number of them in a round.
    let mut times = vec![None; OPERATIONS.len()];
    for line in io::stdin().lock().lines() {
        let at: usize = line?.parse().map_err(io::Error::other)?;
        let operation = OPERATIONS[at];
        let times = *times[at].get_or_insert_with(|| {
            let one = (libraries[0].run)(operation, 16) / 16;
            (ROUND.as_nanos() / one.as_nanos().max(1)).clamp(1, 1 << 16) as u32
        });
        let round: Vec<f64> = libraries
            .iter()
            .map(|library| (library.run)(operation, times).as_nanos() as f64 / f64::from(times))
            .collect();
        println!("{}", serde_json::to_string(&round)?);
    }
    Ok(())
}

fn main() -> io::Result<()> {
    if std::env::args()
        .nth(1)
        .is_some_and(|argument| argument == "worker")
    {
        return work();
    }
    let rounds: usize = std::env::var("ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(101);
    let own = Class::here();
    let mut workers = Vec::new();
    for (class, mask) in own.forcible() {
        workers.push(Worker::start(*class, *mask)?);
    }
    // By class, operation and round.
    let mut costs = vec![vec![Vec::new(); OPERATIONS.len()]; workers.len()];
    for _ in 0..rounds {
        for at in 0..OPERATIONS.len() {
            for (worker, costs) in workers.iter_mut().zip(&mut costs) {
                costs[at].push(worker.round(at)?);
            }
        }
    }
    println!("{}", serde_json::to_string(&Processor::here())?);
    let mut tables = String::new();
    for (worker, costs) in workers.iter().zip(&costs) {
        tables.push_str(&table(own, worker, costs)?);
    }
    println!("\nMedians of {rounds} rounds.\n{tables}");
    Ok(())
}

/// Of one class, its lines of JSON printed.
fn table(own: Class, worker: &Worker, costs: &[Vec<Vec<f64>>]) -> io::Result<String> {
    let libraries = libraries();
    let shown: Vec<usize> = (0..libraries.len())
        .filter(|at| (libraries[*at].stands_for)(own, worker.class))
        .collect();
    let mask = worker.mask.map(|mask| format!(", {MASK}={mask}"));
    let mask = mask.unwrap_or_default();
    let mut text = format!(
        "\nClass {}{mask}: ns of {}, and time of the others as a part of it in the same round.\n\n| |",
        worker.class, libraries[BASE].name,
    );
    for at in &shown {
        text.push_str(&format!(" {} |", libraries[*at].name));
    }
    text.push_str(&format!("\n|---|{}\n", "---|".repeat(shown.len())));
    for (operation, rounds) in OPERATIONS.iter().zip(costs) {
        text.push_str(&format!("| {operation} |"));
        for at in &shown {
            let of = |value: &dyn Fn(&Vec<f64>) -> f64| median(rounds.iter().map(value).collect());
            let nanoseconds = of(&|round| round[*at]);
            let ratio = of(&|round| round[*at] / round[BASE]);
            println!(
                "{}",
                serde_json::json!({
                    "processor": worker.class, MASK: worker.mask, "operation": operation.to_string(),
                    "library": libraries[*at].name, "ns": nanoseconds, "ratio": ratio,
                })
            );
            match *at {
                BASE => text.push_str(&format!(" {nanoseconds:.0} |")),
                _ => text.push_str(&format!(" {ratio:.2} |")),
            }
        }
        text.push('\n');
    }
    Ok(text)
}
