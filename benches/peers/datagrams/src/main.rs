//! What a message over DTLS 1.3 costs in memory: one end seals it, the other one opens it. Processor time of the thread, in
//! rounds in which every stack has its turn.
//!
//! `SIZES=1200`, `ROUNDS=15`, `MESSAGES=20000` in the environment are the defaults.

mod boring;
mod dimpl;
mod floor;
mod portcullis;

use std::error::Error;
use std::time::Duration;

use cpu_time::ThreadTime;
use portcullis_benches::pki::Pki;

/// What goes wrong ends the program.
type Failure = Box<dyn Error>;

/// Two ends of one stack that are connected, with TLS_AES_128_GCM_SHA256.
trait Pair {
    /// Seals a message at the client and opens it at the server; gives how long it was there.
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure>;
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Processor time of a message.
fn measure(pair: &mut dyn Pair, message: &[u8], times: u32) -> Result<Duration, Failure> {
    let start = ThreadTime::now();
    for _ in 0..times {
        let length = pair.pass(message)?;
        if length != message.len() {
            return Err(format!("{length} bytes came of {}", message.len()).into());
        }
    }
    Ok(start.elapsed() / times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Failure> {
    let pki = Pki::generate()?;
    let (rounds, times) = (number("ROUNDS", 15_usize), number("MESSAGES", 20_000_u32));
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "1200".to_owned());
    let mut stacks: Vec<(&str, Box<dyn Pair>)> = vec![
        ("primitives", Box::new(floor::Primitives::new()?)),
        (
            "portcullis",
            Box::new(portcullis::Portcullis::connected(&pki)?),
        ),
        ("BoringSSL", Box::new(boring::Boring::connected(&pki)?)),
        ("dimpl", Box::new(dimpl::Dimpl::connected(&pki)?)),
    ];
    println!("| bytes | stack | best, ns | of portcullis', in the same round |\n|---|---|---|---|");
    for size in sizes.split(',') {
        let message = vec![7; size.trim().parse()?];
        let mut spent = vec![Vec::new(); stacks.len()];
        for _ in 0..rounds.max(1) {
            for ((_, pair), spent) in stacks.iter_mut().zip(&mut spent) {
                spent.push(measure(pair.as_mut(), &message, times)?.as_nanos() as f64);
            }
        }
        for ((name, _), each) in stacks.iter().zip(&spent) {
            let best = each.iter().copied().fold(f64::INFINITY, f64::min);
            let ratios = each
                .iter()
                .zip(&spent[1])
                .map(|(theirs, ours)| theirs / ours);
            println!(
                "| {size} | {name} | {best:.0} | {:.2} |",
                median(ratios.collect())
            );
        }
    }
    Ok(())
}
