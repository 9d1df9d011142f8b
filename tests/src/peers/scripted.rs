//! Go's `crypto/tls` and Java's JSSE (Debian packages `golang-go` and `default-jdk-headless`), driven
//! by the programs in `tests/peers/go` and `tests/peers/java`, which are compiled when they are first
//! wanted.
//!
//! They are no [`super::Peer`]s, because starting Java takes a second: what has many cases is not for them.
//!
//! Arguments of both: `server` or `client`, then `NAME=VALUE`: `version` (`1.2`), `suites` and `groups`
//! (registered names), `alpn`, each with commas; `chain`, `key`, `root` (files), `server_name`; of a
//! client also `host`, `port`, `line`, `count` and `connections`. `renegotiate=yes` (TLS 1.2): Go's client does as
//! its server asks, and its server never does; Java's client renegotiates behind its first answer and sends the
//! message again, and its server asks behind its first answer. `renegotiate=eagerly`: Java's client sends it right behind
//! its hello.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::{
    Exchange, Message, Output, Program, Report, Settings, Version, ready_port, reports, script,
    scripted_exchange,
};
use crate::scratch;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripted {
    /// Go's standard library.
    Go,
    /// Java's standard library. It cannot be limited to groups.
    Java,
}

/// A running echo server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    program: Program,
}

impl Server {
    /// What it says about the handshake with this number, from 0.
    ///
    /// # Panics
    /// If it says nothing in time, or that the handshake has failed.
    pub async fn report(&self, number: usize) -> Report {
        let told = |output: &Output| {
            let complete = output
                .stdout
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            let mut told = complete.filter(|line| line.starts_with('{'));
            told.nth(number).map(str::to_owned)
        };
        let output = self
            .program
            .wait_until(|output| told(output).is_some())
            .await;
        let output =
            output.unwrap_or_else(|output| panic!("nothing of connection {number}:\n{output}"));
        let line = told(&output).unwrap_or_default();
        let object: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        assert!(object.get("error").is_none(), "the server says {line}");
        reports::of_json(&object)
    }
}

impl Scripted {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Go, Self::Java];

    /// Starts an echo server on 127.0.0.1 and returns when it accepts connections. With a root it
    /// demands a client certificate.
    ///
    /// # Panics
    /// If the program cannot be compiled, or does not listen in time.
    pub async fn server(self, settings: &Settings) -> Server {
        let mut program = self.start("server", settings, Vec::new());
        let address = ready_port(&mut program).await;
        Server { address, program }
    }

    /// Makes so many connections, one after the other, each but the first offering to resume, and
    /// sends the message over each. Gives what became of the last, and whether it was resumed.
    ///
    /// # Panics
    /// If the program cannot be compiled, or does not end in time.
    pub async fn exchange(
        self,
        address: SocketAddr,
        settings: &Settings,
        message: Message<'_>,
        connections: usize,
    ) -> (Exchange, bool) {
        let words = vec![
            format!("host={}", address.ip()),
            format!("port={}", address.port()),
            format!("line={}", message.line),
            format!("count={}", message.count),
            format!("connections={connections}"),
        ];
        let (_, output) = self.start("client", settings, words).finish().await;
        let resumed = ["\"resumed\":true", "\"resumed\": \"true\""];
        let resumed = resumed.iter().any(|text| output.stdout.contains(text));
        (scripted_exchange(&output), resumed)
    }

    fn start(self, role: &str, settings: &Settings, more: Vec<String>) -> Program {
        assert!(
            self == Self::Go || settings.groups.is_empty(),
            "Java cannot be limited to groups"
        );
        let version = match settings.version {
            Version::Tls10 => "1.0",
            Version::Tls11 => "1.1",
            Version::Tls12 => "1.2",
            Version::Tls13 => "1.3",
        };
        let mut words = match self {
            Self::Go => vec![],
            Self::Java => vec![
                "-XX:TieredStopAtLevel=1".to_owned(),
                "-cp".to_owned(),
                self.program().to_owned(),
                "Peer".to_owned(),
            ],
        };
        words.push(role.to_owned());
        words.push(format!("version={version}"));
        words.push(format!("server_name={}", settings.server_name));
        words.push(format!("alpn={}", settings.alpn.join(",")));
        words.push(format!(
            "suites={}",
            settings.spell_suites(|suite| suite.name().to_owned(), ",")
        ));
        words.push(format!(
            "groups={}",
            settings.spell_groups(|group| group.name().to_owned(), ",")
        ));
        if let Some(identity) = settings.identity {
            words.push(format!("chain={}", identity.chain_file.display()));
            words.push(format!("key={}", identity.key_file.display()));
        }
        if let Some(root) = settings.root {
            words.push(format!("root={}", root.file.display()));
        }
        words.extend(settings.extra.iter().cloned());
        words.extend(more);
        match self {
            Self::Go => Program::start(self.program(), self.package(), words),
            Self::Java => Program::start("java", self.package(), words),
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Go => "golang-go",
            Self::Java => "default-jdk-headless",
        }
    }

    /// Go: the program. Java: the folder with its classes.
    fn program(self) -> &'static str {
        static GO: OnceLock<String> = OnceLock::new();
        static JAVA: OnceLock<String> = OnceLock::new();
        let scratch = scratch::directory();
        match self {
            Self::Go => GO.get_or_init(|| {
                let path = scratch.join("go-peer");
                let mut command = Command::new("go");
                command
                    .args(["build", "-o"])
                    .arg(&path)
                    .arg(script("go").join("peer.go"));
                // The program has no dependencies; there may be no home to keep a cache in.
                command
                    .env("GO111MODULE", "off")
                    .env("GOCACHE", scratch.join("go-cache"));
                self.compile(command, &path)
            }),
            Self::Java => JAVA.get_or_init(|| {
                let path = scratch.join("java-peer");
                let mut command = Command::new("javac");
                command
                    .arg("-d")
                    .arg(&path)
                    .arg(script("java").join("Peer.java"));
                self.compile(command, &path)
            }),
        }
    }

    fn compile(self, mut command: Command, path: &Path) -> String {
        let package = self.package();
        let output = command.output().unwrap_or_else(|error| {
            panic!("cannot start {command:?}: {error}; on Debian: apt-get install {package}")
        });
        assert!(
            output.status.success(),
            "{command:?}; on Debian: apt-get install {package}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        path.display().to_string()
    }
}
