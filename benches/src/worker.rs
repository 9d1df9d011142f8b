//! A stack's process: reads [`Job`]s from standard input, a line of JSON each, and answers each
//! with a line.

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;

use crate::cases;
use crate::job::{Answer, Job};
use crate::pki::Pki;
use crate::stack::Stack;

/// Serves jobs until standard input ends. The first argument is the folder of the certificates.
///
/// # Errors
/// When the certificates or a job cannot be read, or nobody reads the answers.
pub fn run<S: Stack>() -> io::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: worker FOLDER-OF-CERTIFICATES"))?;
    let pki = Pki::load(Path::new(&folder))?;
    for line in io::stdin().lock().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let answer: Answer = S::new(&pki, job.choice)
            .and_then(|stack| cases::measure(&stack, job).map_err(|error| error.to_string()));
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}
