//! Programs of others, as peers that speak by their standard input and output.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program whose output is read line by line.
pub struct Program {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Program {
    /// Starts it with these words, the name first.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn start(words: &[&str]) -> Self {
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", words[0]));
        let (sender, lines) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let to = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                let _ = to.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        std::thread::spawn(move || {
            for line in BufReader::new(err).split(b'\n').map_while(Result::ok) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let input = child.stdin.take().unwrap();
        Self {
            child,
            input,
            lines,
            said: Vec::new(),
        }
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// If it has ended.
    pub fn say(&mut self, line: &str) {
        self.input.write_all(line.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// Waits for a line that contains `what`, and gives the line.
    ///
    /// # Panics
    /// If none comes.
    pub fn wait_for(&mut self, what: &str) -> &str {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.said.iter().position(|line| line.contains(what)) {
                return &self.said[at];
            }
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.said.push(line),
                Err(error) => panic!("no {what:?} ({error}): {:#?}", self.said),
            }
        }
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not end: {:#?}", self.said);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
