//! A stack's process, which does one of these:
//!
//! | arguments | |
//! |---|---|
//! | `FOLDER` | says what the stack is called, then reads [`Job`]s from standard input, a line of JSON each, and answers each with a line |
//! | `FOLDER memory STATE [ADDRESS]` | is one end of many connections ([`memory`]) |
//! | `FOLDER count WORK TRANSPORT COUNT` | does one thing so often, for a tool that counts ([`counted`]) |
//!
//! `FOLDER` is that of the certificates.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::cases;
use crate::cores::Side;
use crate::counted;
use crate::floor;
use crate::job::{Answer, Job};
use crate::memory;
use crate::pki::Pki;
use crate::stack::Stack;

/// Does what the arguments say with a stack.
///
/// # Errors
/// When an argument is not understood, the certificates or a job cannot be read, the stack fails,
/// or nobody reads the answers.
pub fn run<S: Stack>() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        [folder] => serve(S::NAME, &pki(folder)?, |pki, job| {
            S::new(pki, job.choice)
                .and_then(|stack| cases::measure(&stack, job).map_err(|error| error.to_string()))
        }),
        [folder, "memory", state] => memory::run::<S>(&pki(folder)?, state, None),
        [folder, "memory", state, server] => memory::run::<S>(&pki(folder)?, state, Some(server)),
        [folder, "count", work, transport, count] => {
            counted::run::<S>(&pki(folder)?, work, transport, count)
        }
        _ => Err(io::Error::other(
            "usage: worker FOLDER-OF-CERTIFICATES [memory STATE [ADDRESS] | count WORK TRANSPORT COUNT]",
        )),
    }
}

/// Does what the arguments say with the primitives alone, which have neither memory nor transport.
///
/// # Errors
/// As [`run`].
pub fn run_primitives() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        [folder] => serve(floor::NAME, &pki(folder)?, floor::measure),
        [folder, "count", work, _, count] => counted::run_primitives(&pki(folder)?, work, count),
        _ => Err(io::Error::other(
            "usage: worker FOLDER-OF-CERTIFICATES [count WORK TRANSPORT COUNT]",
        )),
    }
}

fn pki(folder: &str) -> io::Result<Pki> {
    Pki::load(Path::new(folder))
}

/// Serves jobs with `answer`.
fn serve(name: &str, pki: &Pki, answer: impl Fn(&Pki, Job) -> Answer) -> io::Result<()> {
    Side::Client.settle();
    say(name)?;
    for line in io::stdin().lock().lines() {
        say(&answer(pki, serde_json::from_str(&line?)?))?;
    }
    Ok(())
}

fn say(what: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, what)?;
    out.write_all(b"\n")?;
    out.flush()
}
