//! TLS for Tokio.
//!
//! [`TlsListener`], [`TlsAcceptor`] and [`TlsConnector`] make [`TlsStream`]s. A stream is read
//! and written as any other (passive delivery), or turned into a stream of messages with
//! [`TlsStream::into_active`]. Everything a handshake has to decide can be answered
//! asynchronously: see [`Answers`].
//!
//! The protocol itself is in `portcullis-core`, which does no I/O; what users need of it is
//! re-exported here.

#![forbid(unsafe_code)]

mod acceptor;
pub mod answers;
mod connector;
mod delivery;
mod driver;
mod error;
mod handshake;
mod key_log;
mod listener;
mod read;
mod scratch;
mod shutdown;
mod socket;
mod split;
mod statistics;
mod stream;
mod write;

pub use acceptor::TlsAcceptor;
pub use answers::{Answers, Questions};
pub use connector::TlsConnector;
pub use delivery::{Active, ActiveStream, Message, Source};
pub use error::{Error, HandshakeError};
pub use handshake::{PausedClient, PausedServer};
pub use key_log::{KeyLog, KeyLogFile};
pub use listener::{ConnectionError, Connections, Incoming, TlsListener};
pub use read::EofPolicy;
pub use shutdown::{DowngradeError, Downgraded};
pub use socket::ListenOptions;
pub use split::{ReadHalf, ReuniteError, SplitIo, WriteHalf};
pub use statistics::{Flow, TransportStatistics};
pub use stream::TlsStream;

pub use portcullis_core::config::{ClientAuthentication, ClientConfig, ServerConfig};
pub use portcullis_core::x509::{Identity, Roots};
pub use portcullis_core::{
    AlertDescription, AlertLevel, ClientHelloView, ConnectionInformation, Direction, KeyLogLine,
    Misuse, NamedGroup, ProtocolVersion, Reason, Refusal, ServerHelloView, SignatureScheme, Stage,
    Violation, config, question, suite, x509,
};
pub use rustls_pki_types::{self as pki_types, CertificateDer, ServerName};
