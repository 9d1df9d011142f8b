//! Starts a worker for each stack that is built, gives all of them the same jobs in turn, and
//! prints lines of JSON and a Markdown table.
//!
//! `cargo build --release -p portcullis-benches && cargo run --release -p portcullis-benches`
//!
//! * `ROUNDS=n`: how often each stack does each case (default 7)
//! * `CASES=text`: only cases whose name contains it
//! * `WORKERS=folder:folder`: where to look for more workers, besides the folder of this program

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use portcullis_benches::job::{Answer, Case, Choice, Cost, Group, Job, Leaf, Suite, Transport};
use portcullis_benches::pki::Pki;
use portcullis_benches::programs::{BASE, programs};
use portcullis_benches::report::medians;

struct Worker {
    name: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    fn start(program: &Path, name: &str, certificates: &Path) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg(certificates)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else {
            return Err(io::Error::other("a child without pipes"));
        };
        Ok(Self {
            name: name.to_owned(),
            child,
            to,
            from: BufReader::new(from),
        })
    }

    fn ask(&mut self, job: Job) -> io::Result<Answer> {
        let mut line = serde_json::to_string(&job)?;
        line.push('\n');
        self.to.write_all(line.as_bytes())?;
        line.clear();
        self.from.read_line(&mut line)?;
        if line.is_empty() {
            let status = self.child.wait()?;
            return Err(io::Error::other(format!("{} ended: {status}", self.name)));
        }
        Ok(serde_json::from_str(&line)?)
    }
}

fn jobs() -> Vec<(String, Job)> {
    let choice = Choice::default();
    let mut jobs = Vec::new();
    let mut add = |name: &str, case, transport, choice| {
        jobs.push((
            name.to_owned(),
            Job {
                case,
                transport,
                choice,
            },
        ));
    };
    let (duplex, tcp) = (Transport::Duplex, Transport::Tcp);
    for (name, choice) in [
        ("P-256, X25519", choice),
        (
            "P-256, X25519, chain seen before",
            Choice {
                remember_chains: true,
                ..choice
            },
        ),
        (
            "P-256, X25519MLKEM768",
            Choice {
                group: Group::X25519Mlkem768,
                ..choice
            },
        ),
        (
            "RSA-2048, X25519",
            Choice {
                leaf: Leaf::Rsa2048,
                ..choice
            },
        ),
        (
            "P-256, X25519, mutual",
            Choice {
                mutual: true,
                ..choice
            },
        ),
    ] {
        add(
            &format!("handshake {name}"),
            Case::Handshake,
            duplex,
            choice,
        );
    }
    add("handshake P-256, X25519, TCP", Case::Handshake, tcp, choice);
    let kib = 1024;
    for (name, transport) in [("duplex", duplex), ("TCP", tcp)] {
        for (size, write) in [
            ("16 KiB", 16 * kib),
            ("64 KiB", 64 * kib),
            ("1 MiB", kib * kib),
        ] {
            for suite in [Suite::Aes128Gcm, Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
                add(
                    &format!("bulk {suite:?}, {size}, {name}"),
                    Case::Bulk { write },
                    transport,
                    Choice { suite, ..choice },
                );
            }
        }
    }
    let write = 64 * kib;
    add(
        "full duplex, 64 KiB, TCP",
        Case::FullDuplex { write },
        tcp,
        choice,
    );
    add("ping-pong 64 B, duplex", Case::PingPong, duplex, choice);
    add("ping-pong 64 B, TCP", Case::PingPong, tcp, choice);
    let write = 100;
    add(
        "1,000 writes of 100 B, duplex",
        Case::SmallWrites { write },
        duplex,
        choice,
    );
    add(
        "1,000 writes of 100 B, TCP",
        Case::SmallWrites { write },
        tcp,
        choice,
    );
    jobs
}

fn main() -> io::Result<()> {
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(7);
    let only = std::env::var("CASES").unwrap_or_default();
    let folder = tempfile::tempdir()?;
    Pki::generate()
        .map_err(io::Error::other)?
        .store(folder.path())?;
    let mut workers = Vec::new();
    for (name, program) in programs("worker")? {
        workers.push(Worker::start(&program, &name, folder.path())?);
    }
    if !workers.iter().any(|worker| worker.name == BASE) {
        return Err(io::Error::other(
            "build the workers first: cargo build --release -p portcullis-benches",
        ));
    }
    let mut table = String::from("| case |");
    let mut rule = String::from("|---|");
    for worker in &workers {
        table.push_str(&format!(" {} |", worker.name));
        rule.push_str("---|");
    }
    table.push_str(&format!("\n{rule}\n"));
    for (name, job) in jobs() {
        if !name.contains(&only) {
            continue;
        }
        let mut costs: Vec<Result<Vec<Cost>, String>> = vec![Ok(Vec::new()); workers.len()];
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
        let medians: Vec<_> = costs
            .into_iter()
            .map(|costs| costs.map(|rounds| medians(&rounds)))
            .collect();
        let base = medians.first().and_then(|cost| cost.as_ref().ok()).copied();
        table.push_str(&format!("| {name} |"));
        for (worker, cost) in workers.iter().zip(&medians) {
            println!(
                "{}",
                serde_json::json!({ "case": name, "stack": worker.name, "cost_us": cost })
            );
            match cost {
                Ok(cost) => {
                    let ratio =
                        |of: fn(&Cost) -> f64| base.map_or(f64::NAN, |base| of(cost) / of(&base));
                    table.push_str(&format!(
                        " {:.2} / {:.2} / {:.2} ({:.2} / {:.2} / {:.2}) |",
                        cost.client,
                        cost.server,
                        cost.wall,
                        ratio(|cost| cost.client),
                        ratio(|cost| cost.server),
                        ratio(|cost| cost.wall),
                    ));
                }
                Err(_) => table.push_str(" – |"),
            }
        }
        table.push('\n');
    }
    println!(
        "\nMedians of {rounds} rounds, µs for an operation: client / server / clock (ratios to {BASE})\n\n{table}"
    );
    Ok(())
}
