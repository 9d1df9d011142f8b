//! The command as a child process, and what it needs.

#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod plain;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) fn portcullis<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the command without input to its end.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: &[A]) -> Output {
    let mut command = portcullis(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

/// What it printed, if it went well.
pub(crate) fn printed(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one sentence of a failure with this exit code.
pub(crate) fn sentence(output: Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// A server that runs, and where it listens. It is killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Serves until it is dropped.
    pub(crate) fn start<A: AsRef<OsStr>>(arguments: &[A]) -> Self {
        let mut command = portcullis(&["server", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(arguments).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.strip_prefix("READY ").expect("READY first").trim();
        Self {
            address: address.to_owned(),
            child,
        }
    }

    /// Serves one connection.
    pub(crate) fn once(arguments: &[&str]) -> Self {
        let mut all = vec!["--once"];
        all.extend(arguments);
        Self::start(&all)
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    /// Waits for the end of one that serves once, or that was told to end.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn client(arguments: &[&str], input: &[u8]) -> Output {
    let mut client = portcullis(&["client"]);
    client.args(arguments);
    with_input(client, input)
}

/// Runs it to its end.
pub(crate) fn with_input(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // One that fails closes its input early.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// A folder with an authority, and a certificate for a server and for a client.
pub(crate) struct Certificates {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) ca: String,
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) client_cert: String,
    pub(crate) client_key: String,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        printed(run(&["cert", "dev", "--out", out]));
        printed(run(&[
            "cert",
            "dev",
            "--out",
            out,
            "--client",
            "alice@a.test",
        ]));
        Self {
            ca: path(folder.path(), "ca.pem"),
            cert: path(folder.path(), "cert.pem"),
            key: path(folder.path(), "key.pem"),
            client_cert: path(folder.path(), "client.pem"),
            client_key: path(folder.path(), "client-key.pem"),
            folder,
        }
    }

    pub(crate) fn server(&self) -> [&str; 4] {
        ["--cert", &self.cert, "--key", &self.key]
    }

    pub(crate) fn path(&self, name: &str) -> String {
        path(self.folder.path(), name)
    }
}

pub(crate) fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}
