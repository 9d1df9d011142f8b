//! What a worker is asked to measure, and what it answers: one line of JSON each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What is done.
    pub case: Case,
    /// Over what.
    pub transport: Transport,
    /// How the ends are configured.
    pub choice: Choice,
}

impl Job {
    /// Whether the ends work at the same time, each on a thread of its own.
    pub fn ends_overlap(&self) -> bool {
        match self.case {
            Case::Handshake | Case::PingPong => false,
            Case::Bulk { .. } | Case::SmallWrites { .. } => self.transport == Transport::Tcp,
            Case::FullDuplex { .. } => self.transport != Transport::TcpOneThread,
        }
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Case {
    /// A full handshake, until both ends have their stream.
    Handshake,
    /// One direction, client to server, in writes of this many bytes; the operation is one MiB.
    Bulk {
        /// Bytes in a write, and at most this many in a read, but at least 64 KiB.
        write: usize,
    },
    /// Both directions of one connection at once, its halves on two threads; the operation is one
    /// MiB in each direction.
    FullDuplex {
        /// Bytes in a write.
        write: usize,
    },
    /// 64 bytes there and back.
    PingPong,
    /// Writes of this many bytes without a flush between them; the operation is 1,000 of them.
    SmallWrites {
        /// Bytes in a write.
        write: usize,
    },
}

/// Over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// A pipe in memory, both ends on one thread; two threads for full duplex.
    Duplex,
    /// Loopback TCP, each end on a thread of its own; both on one thread for handshakes.
    Tcp,
    /// Loopback TCP, both ends on one thread: nobody sleeps while there is work, and the clock is
    /// the thread's processor time.
    TcpOneThread,
}

/// Whether a session is resumed, and how its server knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resumed {
    /// Full handshakes.
    No,
    /// By a ticket, which has the session in it.
    Ticket,
    /// By an id, under which the server has it in memory; before TLS 1.3.
    Id,
}

/// How the ends are configured: the same for every stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The one version.
    pub version: Version,
    /// Whether each handshake but the first resumes a session.
    pub resumed: Resumed,
    /// The one key-exchange group.
    pub group: Group,
    /// The one cipher suite.
    pub suite: Suite,
    /// The key of the server's certificate.
    pub leaf: Leaf,
    /// Whether the client shows a certificate (ECDSA P-256) as well.
    pub mutual: bool,
    /// Whether an end may remember that it has verified a chain before.
    pub remember_chains: bool,
    /// Whether either end may ask for another handshake, before TLS 1.3.
    pub renegotiates: bool,
    /// After how long an idle connection gives its memory back, where there is such a thing.
    pub hibernate_after: Option<Duration>,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            version: Version::Tls13,
            resumed: Resumed::No,
            group: Group::X25519,
            suite: Suite::Aes128Gcm,
            leaf: Leaf::EcdsaP256,
            mutual: false,
            remember_chains: false,
            renegotiates: false,
            hibernate_after: None,
        }
    }
}

impl Choice {
    /// For stacks that are measured with TLS 1.3 and full handshakes only.
    ///
    /// # Errors
    /// When something else is chosen.
    pub fn only_full_tls13(self) -> Result<(), String> {
        match (self.version, self.resumed) {
            (Version::Tls13, Resumed::No) => Ok(()),
            _ => Err("only full handshakes of TLS 1.3 are measured of this stack".to_owned()),
        }
    }

    /// For stacks that are measured with TLS 1.3 only.
    ///
    /// # Errors
    /// When something else is chosen.
    pub fn only_tls13(self) -> Result<(), String> {
        match self.version {
            Version::Tls13 => Ok(()),
            _ => Err("only TLS 1.3 is measured of this stack".to_owned()),
        }
    }

    /// For stacks that are measured with full handshakes only.
    ///
    /// # Errors
    /// When something else is chosen.
    pub fn only_full(self) -> Result<(), String> {
        match self.resumed {
            Resumed::No => Ok(()),
            _ => Err("only full handshakes are measured of this stack".to_owned()),
        }
    }

    /// The suite by its name in the registry.
    ///
    /// # Errors
    /// When the version does not have it.
    pub fn suite_name(self) -> Result<&'static str, &'static str> {
        Ok(match (self.version, self.leaf, self.suite) {
            (Version::Tls13, _, Suite::Aes128Gcm) => "TLS_AES_128_GCM_SHA256",
            (Version::Tls13, _, Suite::Aes256Gcm) => "TLS_AES_256_GCM_SHA384",
            (Version::Tls13, _, Suite::ChaCha20Poly1305) => "TLS_CHACHA20_POLY1305_SHA256",
            (Version::Tls13, _, Suite::Aes128CbcSha256) => return Err("TLS 1.3 has no CBC"),
            (Version::Tls12, Leaf::EcdsaP256, suite) => match suite {
                Suite::Aes128Gcm => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                Suite::Aes256Gcm => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                Suite::ChaCha20Poly1305 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
                Suite::Aes128CbcSha256 => "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
            },
            (Version::Tls12, Leaf::Rsa2048, suite) => match suite {
                Suite::Aes128Gcm => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                Suite::Aes256Gcm => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                Suite::ChaCha20Poly1305 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
                Suite::Aes128CbcSha256 => "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
            },
        })
    }
}

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// TLS 1.3.
    Tls13,
    /// TLS 1.2, with an ECDHE suite for the server's key.
    Tls12,
}

/// A key-exchange group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Group {
    /// x25519.
    X25519,
    /// X25519MLKEM768.
    X25519Mlkem768,
}

/// What protects the records: a cipher suite of TLS 1.3, or the ECDHE suites of TLS 1.2 with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Suite {
    /// TLS_AES_128_GCM_SHA256.
    Aes128Gcm,
    /// TLS_AES_256_GCM_SHA384.
    Aes256Gcm,
    /// TLS_CHACHA20_POLY1305_SHA256.
    ChaCha20Poly1305,
    /// AES-128-CBC with SHA-256, which only TLS 1.2 has; encrypted first where the stack can.
    Aes128CbcSha256,
}

/// The key of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leaf {
    /// ECDSA with P-256.
    EcdsaP256,
    /// RSA with 2,048 bits.
    Rsa2048,
}

/// What one operation cost, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The client's processor time: the sender's, in bulk.
    pub client: f64,
    /// The server's processor time: the receiver's, in bulk.
    pub server: f64,
    /// Time on the clock.
    pub wall: f64,
}

/// A worker's answer: a cost, or why there is none.
pub type Answer = Result<Cost, String>;
