//! Real TLS stacks as peers, on loopback: OpenSSL, GnuTLS, curl, Erlang, Python, wolfSSL, Mbed TLS, BoringSSL, Go, Java
//! and NSS as child processes, rustls in this process.
//!
//! All echo servers and clients are driven through [`Peer`]: [`Peer::server`] starts one and returns
//! when it listens, [`Peer::exchange`] makes one connection, sends a line and waits for the answer.
//! curl speaks HTTP only and has its own [`curl::fetch`].

pub mod curl;
pub mod erlang;
pub mod fetched;
pub mod gnutls;
mod message;
pub mod nss;
pub mod openssl;
pub mod program;
pub mod python;
mod reports;
pub mod rustls;
pub mod scripted;
pub mod settings;
pub mod wolfssl;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use message::Message;
pub use program::{Output, Program};
pub use settings::{Group, Settings, Suite, Version};

use crate::pki::Identity;

/// A TLS stack that can be both an echo server and its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// `openssl s_server -rev` and `openssl s_client`.
    Openssl,
    /// `gnutls-serv --echo` and `gnutls-cli`.
    Gnutls,
    /// Erlang/OTP `ssl`.
    Erlang,
    /// Python's `ssl`, which is OpenSSL behind other defaults.
    Python,
    /// rustls with aws-lc-rs, in this process.
    Rustls,
}

/// What a peer says about a connection; `None` where it does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The protocol version.
    pub version: Option<Version>,
    /// The cipher suite, as IANA spells it.
    pub suite: Option<String>,
    /// The group of the key exchange.
    pub group: Option<Group>,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
}

/// What became of one [`Peer::exchange`].
#[derive(Debug)]
pub struct Exchange {
    /// The answer to the line sent, or why there is none: what the client printed or returned.
    pub reply: Result<String, String>,
    /// What the client tells about the connection.
    pub report: Report,
    /// How the server answered close_notify, if the client waits for it and tells.
    pub closed: Option<Result<(), String>>,
}

/// A running echo server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    peer: Peer,
    reverses: bool,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Program(Box<Program>),
    Task(JoinHandle<()>, watch::Receiver<Vec<Handshake>>),
}

/// What a server says about one handshake: the connection, or why there is none.
type Handshake = Result<Report, String>;

impl Server {
    fn of_program(peer: Peer, program: Program, address: SocketAddr) -> Self {
        Self {
            address,
            peer,
            reverses: false,
            running: Running::Program(Box::new(program)),
        }
    }

    /// What the server answers to `line`: the same, or its characters in reverse order.
    pub fn answer_to(&self, line: &str) -> String {
        if self.reverses {
            line.chars().rev().collect()
        } else {
            line.to_owned()
        }
    }

    /// What the server answers to a whole message, likewise.
    pub fn answer_to_message(&self, message: &Message<'_>) -> String {
        if self.reverses {
            message.reversed()
        } else {
            message.data()
        }
    }

    /// The server's process, unless it runs in this one.
    pub fn program(&self) -> Option<&Program> {
        match &self.running {
            Running::Program(program) => Some(program),
            Running::Task(..) => None,
        }
    }

    /// The same, to write to it.
    pub fn program_mut(&mut self) -> Option<&mut Program> {
        match &mut self.running {
            Running::Program(program) => Some(program),
            Running::Task(..) => None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match &self.running {
            Running::Program(_) => {} // kills its child itself
            Running::Task(task, _) => task.abort(),
        }
    }
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Openssl,
        Self::Gnutls,
        Self::Erlang,
        Self::Python,
        Self::Rustls,
    ];

    /// The groups that the peer can be restricted to in this version.
    pub fn groups(self, version: Version) -> &'static [Group] {
        use Group::{Secp256r1, Secp256r1MlKem768, Secp384r1, Secp521r1, X25519, X25519MlKem768};
        match (self, version) {
            (Self::Erlang, Version::Tls10 | Version::Tls11 | Version::Tls12) => {
                &[Secp256r1, Secp384r1, Secp521r1]
            }
            (Self::Openssl | Self::Gnutls | Self::Erlang, _) => {
                &[X25519, Secp256r1, Secp384r1, Secp521r1]
            }
            (Self::Python, _) => &[],
            (Self::Rustls, Version::Tls10 | Version::Tls11) => &[],
            (Self::Rustls, Version::Tls12) => &[X25519, Secp256r1, Secp384r1],
            (Self::Rustls, Version::Tls13) => &[
                X25519,
                Secp256r1,
                Secp384r1,
                X25519MlKem768,
                Secp256r1MlKem768,
            ],
        }
    }

    /// The cipher suites of TLS 1.3 that the peer can be restricted to; to those of TLS 1.2, all can
    /// be.
    pub fn suites(self) -> &'static [Suite] {
        match self {
            Self::Openssl | Self::Gnutls | Self::Erlang | Self::Rustls => &Suite::TLS13,
            Self::Python => &[],
        }
    }

    /// Whether it can use and verify this server's key in TLS 1.2, where that of an ECDSA certificate
    /// must be on one of the curves for the key exchange (RFC 8422 §5.1).
    pub fn has_key_before_tls13(self, identity: &Identity) -> bool {
        match self {
            Self::Erlang => identity.name != "ed25519",
            Self::Rustls => identity.name != "ecdsa-p521",
            Self::Openssl | Self::Gnutls | Self::Python => true,
        }
    }

    /// Starts an echo server on 127.0.0.1 and returns when it accepts connections.
    ///
    /// # Panics
    /// If the program is missing, or does not listen within [`program::LIMIT`].
    pub async fn server(self, settings: &Settings) -> Server {
        match self {
            Self::Openssl => openssl::server(openssl::Mode::Reverse, settings).await,
            Self::Gnutls => gnutls::server(gnutls::Mode::Echo, settings).await,
            Self::Erlang => erlang::server(settings).await,
            Self::Python => python::server(settings).await,
            Self::Rustls => rustls::server(settings).await,
        }
    }

    /// Connects, sends `line` and a line feed, and waits for the answer: the line as it is or with
    /// its characters in reverse order. It must be something that no program prints by itself.
    ///
    /// # Panics
    /// If the program is missing, or neither answers nor ends within [`program::LIMIT`]; if `line`
    /// has fewer than ten bytes or starts with one of `KkQR`, commands of `s_client`.
    pub async fn exchange(self, address: SocketAddr, settings: &Settings, line: &str) -> Exchange {
        self.transfer(address, settings, Message { line, count: 1 })
            .await
    }

    /// As [`Self::exchange`], with as many lines as the message has. The reply is its line, or
    /// that in reverse order, when the answer to all lines is complete.
    ///
    /// # Panics
    /// As [`Self::exchange`].
    pub async fn transfer(
        self,
        address: SocketAddr,
        settings: &Settings,
        message: Message<'_>,
    ) -> Exchange {
        let line = message.line;
        assert!(
            line.len() >= 10 && !line.starts_with(['K', 'k', 'Q', 'R']),
            "{line:?} could be a command, or part of what a program prints by itself"
        );
        match self {
            Self::Openssl => openssl::exchange(address, settings, message).await,
            Self::Gnutls => gnutls::exchange(address, settings, message).await,
            Self::Erlang => erlang::exchange(address, settings, message).await,
            Self::Python => python::exchange(address, settings, message).await,
            Self::Rustls => rustls::exchange(address, settings, message).await,
        }
    }
}

/// A port of 127.0.0.1 that is free, for programs that cannot take port 0. It is below those that systems give away by
/// themselves, so that nobody else gets it before the program does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1_000 {
        let next = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from(next % 12_000).unwrap_or_default();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
            && std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok()
        {
            return port;
        }
    }
    panic!("no free port on 127.0.0.1");
}

/// A file of `tests/peers`.
fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(name)
}

/// The port in a line `READY <port>`, which our scripts print when they listen.
async fn ready_port(program: &mut Program) -> SocketAddr {
    let line = program.wait_for_line("READY ").await;
    let port = line
        .trim()
        .rsplit(' ')
        .next()
        .and_then(|port| port.parse().ok());
    SocketAddr::from((
        [127, 0, 0, 1],
        port.unwrap_or_else(|| panic!("no port in {line:?}")),
    ))
}

/// The one JSON object that our client scripts print.
fn scripted_object(output: &Output) -> serde_json::Value {
    let line = output.stdout.lines().find(|line| line.starts_with('{'));
    line.and_then(|line| serde_json::from_str(line).ok())
        .unwrap_or_default()
}

/// What it says: `reply` or `error`, and the report.
fn scripted_exchange(output: &Output) -> Exchange {
    let object = scripted_object(output);
    let text = |name: &str| {
        object
            .get(name)
            .and_then(|value| value.as_str())
            .map(str::to_owned)
    };
    Exchange {
        reply: text("reply").ok_or_else(|| text("error").unwrap_or_else(|| output.to_string())),
        report: reports::of_json(&object),
        closed: text("close").map(|close| match close.as_str() {
            "ok" => Ok(()),
            _ => Err(close),
        }),
    }
}
