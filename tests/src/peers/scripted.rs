//! Stacks that are no [`super::Peer`]s, driven by programs of ours that have words in common: Go's `crypto/tls` and
//! Java's JSSE (Debian packages `golang-go` and `default-jdk-headless`; `tests/peers/go` and `tests/peers/java`, which are
//! compiled when they are first wanted), wolfSSL, Mbed TLS and BoringSSL (`tests/peers/tls`, made by `tests/peers/fetch.sh`), and
//! Python's `ssl` once more, whose program here makes several connections.
//!
//! Starting Java takes a second: what has many cases is not for them.
//!
//! Arguments: `server` or `client`, then `NAME=VALUE`: `version` (`1.2`), `suites` and `groups`
//! (registered names), `alpn`, each with commas; `chain`, `key`, `root` (files), `server_name`; of a
//! client also `host`, `port`, `line`, `count` and `connections`. `renegotiate=yes` (TLS 1.2): Go's client does as
//! its server asks, and its server never does; the clients of the others renegotiate behind their first answer and send the
//! message again, and their servers ask behind their first answer, wolfSSL's before it. `renegotiate=eagerly`: Java's client sends it right behind
//! its hello. `tickets=no` (TLS 1.2; Python, wolfSSL, Mbed TLS, BoringSSL): sessions have ids. Python has its words in a JSON object
//! (`super::python`), and does not renegotiate, nor does BoringSSL.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::{
    Exchange, Message, Output, Program, Report, Settings, Version, fetched, python, ready_port,
    reports, script, scripted_exchange, scripted_object,
};
use crate::scratch;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripted {
    /// Go's standard library.
    Go,
    /// Java's standard library. It cannot be limited to groups.
    Java,
    /// Python's standard library, which is OpenSSL. It cannot be limited to groups.
    Python,
    /// wolfSSL, of TLS 1.2 and 1.3. Its program takes neither suites nor groups.
    Wolfssl,
    /// Mbed TLS, of TLS 1.2 and 1.3. It has no Ed25519; its program takes neither suites nor groups.
    Mbedtls,
    /// BoringSSL, of TLS 1.2 and 1.3. Its program takes neither suites nor groups.
    Boringssl,
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
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Go,
        Self::Java,
        Self::Python,
        Self::Wolfssl,
        Self::Mbedtls,
        Self::Boringssl,
    ];

    /// Starts an echo server on 127.0.0.1 and returns when it accepts connections. With a root it
    /// demands a client certificate.
    ///
    /// # Panics
    /// If the program cannot be compiled, or does not listen in time.
    pub async fn server(self, settings: &Settings) -> Server {
        let mut program = match self {
            Self::Python => python::start("server.py", settings, None),
            _ => self.start("server", settings, Vec::new()),
        };
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
        let program = match self {
            Self::Python => {
                let transfer = Some((address, message, connections));
                python::start("client.py", settings, transfer)
            }
            _ => {
                let words = vec![
                    format!("host={}", address.ip()),
                    format!("port={}", address.port()),
                    format!("line={}", message.line),
                    format!("count={}", message.count),
                    format!("connections={connections}"),
                ];
                self.start("client", settings, words)
            }
        };
        let (_, output) = program.finish().await;
        // Java's program has but texts.
        let resumed = scripted_object(&output)["resumed"].clone();
        let resumed = resumed == true || resumed == "true";
        (scripted_exchange(&output), resumed)
    }

    fn start(self, role: &str, settings: &Settings, more: Vec<String>) -> Program {
        assert!(
            self == Self::Go || settings.groups.is_empty(),
            "{self:?} cannot be limited to groups"
        );
        let version = match settings.version {
            Version::Tls10 => "1.0",
            Version::Tls11 => "1.1",
            Version::Tls12 => "1.2",
            Version::Tls13 => "1.3",
        };
        let mut words = match self {
            Self::Go | Self::Python | Self::Wolfssl | Self::Mbedtls | Self::Boringssl => vec![],
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
            Self::Java => Program::start("java", self.package(), words),
            _ => Program::start(self.program(), self.package(), words),
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Go => "golang-go",
            Self::Java => "default-jdk-headless",
            Self::Python => "python3",
            Self::Wolfssl | Self::Mbedtls => "gcc",
            Self::Boringssl => "gcc g++",
        }
    }

    /// The program; of Java the folder with its classes.
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
            Self::Python => "python3",
            Self::Wolfssl => fetched::wolfssl_tls(),
            Self::Mbedtls => fetched::mbedtls_tls(),
            Self::Boringssl => fetched::boringssl_tls(),
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
