//! A stack's process: says what the stack is called, then reads [`Job`]s from standard input, a line
//! of JSON each, and answers each with a line.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::cases;
use crate::job::{Answer, Job};
use crate::pki::Pki;
use crate::stack::Stack;

/// Serves jobs for a stack until standard input ends. The first argument is the folder of the
/// certificates.
///
/// # Errors
/// When the certificates or a job cannot be read, or nobody reads the answers.
pub fn run<S: Stack>() -> io::Result<()> {
    serve(S::NAME, |pki, job| {
        S::new(pki, job.choice)
            .and_then(|stack| cases::measure(&stack, job).map_err(|error| error.to_string()))
    })
}

/// Serves jobs with `answer`, as [`run`] does with a stack.
///
/// # Errors
/// As [`run`].
pub fn serve(name: &str, answer: impl Fn(&Pki, Job) -> Answer) -> io::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: worker FOLDER-OF-CERTIFICATES"))?;
    let pki = Pki::load(Path::new(&folder))?;
    say(name)?;
    for line in io::stdin().lock().lines() {
        say(&answer(&pki, serde_json::from_str(&line?)?))?;
    }
    Ok(())
}

fn say(what: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, what)?;
    out.write_all(b"\n")?;
    out.flush()
}
