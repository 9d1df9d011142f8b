//! What commands that serve say on standard error, and as JSON on standard output, which nobody has to read.
//!
//! A pipe that is not read stops whoever writes to it. So a thread of its own writes, and what it has no room for is
//! left out and counted: connections wait for nobody.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::wording::{line_with_options, with_options};

/// How many lines wait to be written.
const MOST: usize = 256;
/// How long the end of the command waits until all is written.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

static STANDARD_ERROR: OnceLock<Sayer> = OnceLock::new();
static STANDARD_OUTPUT: OnceLock<Sayer> = OnceLock::new();

/// Says something, a line or several, and does not wait until it is written.
pub(crate) fn say(text: impl Into<String>) {
    let sayer = STANDARD_ERROR.get_or_init(|| Sayer::start(io::stderr(), messages));
    sayer.say(with_options(&text.into()).into_owned());
}

/// Says something to programs, as a line of standard output, and does not wait until it is written.
pub(crate) fn tell(line: &Value) {
    let sayer = STANDARD_OUTPUT.get_or_init(|| Sayer::start(io::stdout(), lines));
    sayer.say(line.to_string());
}

/// What is said of what was left out.
type LeftOut = fn(u64) -> String;

fn messages(count: u64) -> String {
    format!(
        "portcullis: {count} messages are left out here: standard error was not read as fast as they came"
    )
}

fn lines(count: u64) -> String {
    json!({ "left_out": count }).to_string()
}

/// Waits, for a second at most, until what was said is written. Whether it is: if not, nobody reads it, and whoever
/// writes more waits without end.
pub(crate) fn flush() -> bool {
    if let Some(sayer) = STANDARD_OUTPUT.get() {
        sayer.flush(FLUSH_WITHIN);
    }
    let sayer = STANDARD_ERROR.get();
    sayer.is_none_or(|sayer| sayer.flush(FLUSH_WITHIN))
}

/// Says what is logged by a command that serves.
pub(crate) fn log() -> BoxMakeWriter {
    BoxMakeWriter::new(|| Log { waits: false })
}

/// The same of one that has nobody to serve, and waits until it is written.
pub(crate) fn log_at_once() -> BoxMakeWriter {
    BoxMakeWriter::new(|| Log { waits: true })
}

struct Log {
    waits: bool,
}

impl Write for Log {
    /// An event comes as a whole.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = line_with_options(&text);
        match self.waits {
            true => io::stderr().write_all(line.as_bytes())?,
            false => say(line),
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What says things, and the thread that writes them.
struct Sayer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    waiting: VecDeque<String>,
    /// For how many there was no room.
    left_out: u64,
    is_writing: bool,
}

impl Said {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.left_out == 0 && !self.is_writing
    }

    /// What is to be written next: what was left out came last.
    fn next(&mut self, say: LeftOut) -> Option<String> {
        let next = self.waiting.pop_front();
        next.or_else(|| match std::mem::take(&mut self.left_out) {
            0 => None,
            count => Some(say(count)),
        })
    }
}

impl Sayer {
    fn start(mut into: impl Write + Send + 'static, say: LeftOut) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("said".to_owned());
        // Without the thread nothing is written, and all goes on.
        let _ = thread.spawn(move || {
            let mut said = theirs.said();
            loop {
                let next = said.next(say);
                said.is_writing = next.is_some();
                theirs.changed.notify_all();
                let Some(text) = next else {
                    let changed = theirs.changed.wait_while(said, |said| said.is_idle());
                    said = changed.unwrap_or_else(PoisonError::into_inner);
                    continue;
                };
                drop(said);
                // Standard error that is closed is no reason to end.
                let _ = into.write_all(format!("{}\n", text.trim_end_matches('\n')).as_bytes());
                let _ = into.flush();
                said = theirs.said();
            }
        });
        Self(shared)
    }

    fn say(&self, text: String) {
        let mut said = self.0.said();
        // Once something was left out, nothing comes before that is said.
        if said.waiting.len() < MOST && said.left_out == 0 {
            said.waiting.push_back(text);
        } else {
            said.left_out = said.left_out.saturating_add(1);
        }
        self.0.changed.notify_all();
    }

    fn flush(&self, limit: Duration) -> bool {
        let said = self.0.said();
        let flushed = self
            .0
            .changed
            .wait_timeout_while(said, limit, |said| !said.is_idle());
        let (said, _) = flushed.unwrap_or_else(PoisonError::into_inner);
        said.is_idle()
    }
}

impl Shared {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing while somebody else has the lock, and is what a pipe is that nobody reads.
    struct Pipe(Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_says_something_does_not_wait_for_who_reads_it() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let held = written.lock().unwrap();
        let sayer = Sayer::start(Pipe(Arc::clone(&written)), messages);
        for number in 0..10 * MOST {
            sayer.say(number.to_string());
        }
        assert!(!sayer.flush(Duration::from_millis(50)), "nobody reads");
        drop(held);
        assert!(sayer.flush(Duration::from_secs(60)));
        sayer.say("several\nlines\n".to_owned());
        assert!(sayer.flush(Duration::from_secs(60)));
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let mut lines = written.lines();
        let mut number = 0;
        let left_out = loop {
            let line = lines.next().unwrap();
            if line != number.to_string() {
                break line;
            }
            number += 1;
        };
        // The thread may have taken the first one before there were others.
        assert!((MOST..=MOST + 1).contains(&number), "{number}");
        let count = 10 * MOST - number;
        assert!(left_out.starts_with(&format!("portcullis: {count} messages ")));
        assert_eq!(lines.collect::<Vec<_>>(), ["several", "lines"]);
    }
}
