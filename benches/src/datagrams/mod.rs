//! What DTLS costs in memory, where one end seals and the other one opens: a message, and a handshake. Processor time of the
//! thread, in rounds in which every stack has its turn.
//!
//! `SIZES=1200`, `ROUNDS=15`, `MESSAGES=20000` and `HANDSHAKES=100` in the environment are the defaults.

mod loss;
mod portcullis;
mod sockets;
mod stream;
mod wire;

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use cpu_time::ThreadTime;

pub use portcullis::{Portcullis, Prepared};
pub use sockets::{TOGETHER, acceptor, timed};
pub use wire::End;

/// What goes wrong ends the program.
pub type Failure = Box<dyn Error>;

/// Two ends of one stack that are connected, with AES-128-GCM.
pub trait Pair {
    /// Seals a message at the client and opens it at the server; gives how long it was there.
    ///
    /// # Errors
    /// When it does not come.
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure>;
}

/// A full handshake, both ends.
pub type Connects = Box<dyn FnMut() -> Result<(), Failure>>;

/// A number that the environment sets.
pub fn number<T: FromStr>(name: &str, default: T) -> T {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time of one of so many.
fn time_of_one(
    times: u32,
    mut one: impl FnMut() -> Result<(), Failure>,
) -> Result<Duration, Failure> {
    let start = ThreadTime::now();
    for _ in 0..times {
        one()?;
    }
    Ok(start.elapsed() / times)
}

/// The stack that the others are compared with.
const OURS: &str = "portcullis";

/// Rows of a table: the best round of each stack, and the median of its ratios to this one in one round.
fn rows<T>(
    what: &str,
    unit: f64,
    base: &str,
    stacks: &mut [(&str, T)],
    mut measure: impl FnMut(&mut T) -> Result<Duration, Failure>,
) -> Result<(), Failure> {
    let mut spent = vec![Vec::new(); stacks.len()];
    for _ in 0..number("ROUNDS", 15_usize).max(1) {
        for ((_, stack), spent) in stacks.iter_mut().zip(&mut spent) {
            spent.push(measure(stack)?.as_nanos() as f64);
        }
    }
    let of_base = stacks.iter().position(|(name, _)| *name == base);
    let of_base = of_base.ok_or_else(|| format!("{base} is not among the stacks"))?;
    let of_base = spent[of_base].clone();
    for ((name, _), each) in stacks.iter().zip(&spent) {
        let best = each.iter().copied().fold(f64::INFINITY, f64::min);
        let ratios = each.iter().zip(&of_base).map(|(this, base)| this / base);
        println!(
            "| {what} | {name} | {:.2} | {:.2} |",
            best / unit,
            median(ratios.collect())
        );
    }
    Ok(())
}

/// Prints a Markdown table of messages.
///
/// # Errors
/// When one does not come, or not whole.
pub fn messages(stacks: &mut [(&str, Box<dyn Pair>)]) -> Result<(), Failure> {
    let times = number("MESSAGES", 20_000_u32);
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "1200".to_owned());
    println!("| bytes | stack | best, ns | of portcullis, in the same round |\n|---|---|---|---|");
    for size in sizes.split(',') {
        let message = vec![7; size.trim().parse()?];
        rows(size, 1.0, OURS, stacks, |pair| {
            time_of_one(times, || match pair.pass(&message)? {
                length if length == message.len() => Ok(()),
                length => Err(format!("{length} bytes came of {}", message.len()).into()),
            })
        })?;
    }
    Ok(())
}

/// Prints a Markdown table of handshakes.
///
/// # Errors
/// When one fails.
pub fn handshakes(stacks: &mut [(&str, Connects)]) -> Result<(), Failure> {
    handshakes_beside(OURS, stacks)
}

/// The same beside another one of them.
///
/// # Errors
/// When one fails, or the other one is not there.
pub fn handshakes_beside(base: &str, stacks: &mut [(&str, Connects)]) -> Result<(), Failure> {
    let times = number("HANDSHAKES", 100_u32);
    println!("| what | stack | best, us | of {base}, in the same round |\n|---|---|---|---|");
    rows("full handshake", 1e3, base, stacks, |connect| {
        time_of_one(times, connect)
    })
}
