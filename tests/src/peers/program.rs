//! A peer as a child process: its output captured, every wait limited, killed when dropped.

use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Message;

/// How long any one wait may take; a machine under load needs seconds to start Erlang.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A program that prints more than this is killed by the pipe filling up.
const MAX_OUTPUT: usize = 4 << 20;

/// What a program has printed so far.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// The first complete line, of standard output or else standard error, that contains `marker`.
    pub fn line(&self, marker: &str) -> Option<&str> {
        let complete = |text: &'_ str| text.rfind('\n').unwrap_or(0);
        let stdout = self
            .stdout
            .get(..complete(&self.stdout))
            .unwrap_or_default();
        let stderr = self
            .stderr
            .get(..complete(&self.stderr))
            .unwrap_or_default();
        stdout
            .lines()
            .chain(stderr.lines())
            .find(|line| line.contains(marker))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--- stdout\n{}\n--- stderr\n{}",
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    output: watch::Receiver<Output>,
}

impl Program {
    /// Starts `name` with `arguments`. It is killed when the value is dropped.
    ///
    /// # Panics
    /// If the program cannot be started; when it is not installed, the message names `package`, the
    /// Debian packages it comes with.
    pub fn start<A: AsRef<OsStr>>(
        name: &'static str,
        package: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = Command::new(name);
        command
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => {
                panic!(
                    "the program `{name}` is not installed; on Debian: apt-get install {package}"
                )
            }
            _ => panic!("cannot start `{name}`: {error}"),
        });
        let (sender, output) = watch::channel(Output::default());
        let sender = Arc::new(sender);
        capture(child.stdout.take(), sender.clone(), |output| {
            &mut output.stdout
        });
        capture(child.stderr.take(), sender, |output| &mut output.stderr);
        Self {
            name,
            stdin: child.stdin.take(),
            child,
            output,
        }
    }

    /// What it has printed until now.
    pub fn output(&self) -> Output {
        self.output.borrow().clone()
    }

    /// Waits until it has printed a line that contains `marker`, and returns that line.
    ///
    /// # Panics
    /// If it ends, or [`LIMIT`] passes, before.
    pub async fn wait_for_line(&mut self, marker: &str) -> String {
        match self.try_wait_for_line(marker).await {
            Ok(line) => line,
            Err(output) => panic!("`{}` did not print {marker:?}:\n{output}", self.name),
        }
    }

    /// As [`Self::wait_for_line`]; gives what was printed if the line did not come.
    pub async fn try_wait_for_line(&mut self, marker: &str) -> Result<String, Output> {
        let mut output = self.output.clone();
        let found = timeout(
            LIMIT,
            output.wait_for(|output| output.line(marker).is_some()),
        )
        .await;
        drop(found);
        let output = self.output();
        output.line(marker).map(str::to_owned).ok_or(output)
    }

    /// Waits until what it has printed fulfils `condition`, and gives that.
    ///
    /// # Errors
    /// What it has printed, if it ends or [`LIMIT`] passes before.
    pub async fn wait_until(
        &self,
        mut condition: impl FnMut(&Output) -> bool,
    ) -> Result<Output, Output> {
        let mut output = self.output.clone();
        match timeout(LIMIT, output.wait_for(|output| condition(output))).await {
            Ok(Ok(output)) => Ok(output.clone()),
            Ok(Err(_)) | Err(_) => Err(self.output()),
        }
    }

    /// Writes to its standard input. That it has ended already is not an error: its output and
    /// status tell why.
    pub async fn send(&mut self, bytes: &[u8]) {
        if let Some(stdin) = &mut self.stdin
            && (stdin.write_all(bytes).await.is_err() || stdin.flush().await.is_err())
        {
            self.stdin = None;
        }
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Closes its standard input, and waits until it ends.
    ///
    /// # Panics
    /// If it does not end within [`LIMIT`].
    pub async fn finish(mut self) -> (ExitStatus, Output) {
        self.close_stdin();
        let status = match timeout(LIMIT, self.child.wait()).await {
            Ok(status) => {
                status.unwrap_or_else(|error| panic!("cannot wait for `{}`: {error}", self.name))
            }
            Err(_) => panic!(
                "`{}` did not end within {LIMIT:?}:\n{}",
                self.name,
                self.output()
            ),
        };
        // Both captures drop their sender at the end of the pipe; a grandchild may hold it open.
        let _ = timeout(Duration::from_secs(1), self.output.wait_for(|_| false)).await;
        (status, self.output())
    }
}

fn capture(
    pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
    sender: Arc<watch::Sender<Output>>,
    field: fn(&mut Output) -> &mut String,
) {
    let Some(mut pipe) = pipe else { return };
    tokio::spawn(async move {
        let mut bytes = Vec::new();
        while bytes.len() < MAX_OUTPUT && matches!(pipe.read_buf(&mut bytes).await, Ok(1..)) {
            sender.send_modify(|output| {
                *field(output) = String::from_utf8_lossy(&bytes).into_owned()
            });
        }
    });
}

/// Waits until the program has printed what was sent, or the characters of its lines in reverse
/// order, on standard output; gives the line. It need not be on a line of its own: OpenSSL writes
/// what it receives past the buffer of its own messages, into the middle of one. `None` if the
/// program ends first.
pub(super) async fn reply(program: &mut Program, sent: &Message<'_>) -> Option<String> {
    let replies = [
        (sent.data(), sent.line.to_owned()),
        (sent.reversed(), sent.line.chars().rev().collect()),
    ];
    let find = |output: &Output| {
        // What follows the last line may be missing, and the length is quicker to compare.
        let complete = |data: &str| {
            output.stdout.len() >= data.trim_end().len() && output.stdout.contains(data.trim_end())
        };
        let mut replies = replies.iter();
        Some(replies.find(|(data, _)| complete(data))?.1.clone())
    };
    let mut output = program.output.clone();
    match timeout(LIMIT, output.wait_for(|output| find(output).is_some())).await {
        Ok(Ok(output)) => find(&output),
        Ok(Err(_)) => None,
        Err(_) => panic!(
            "`{}` neither answered nor ended within {LIMIT:?}:\n{}",
            program.name,
            program.output()
        ),
    }
}
