//! TLS for Tokio.
//!
//! [`TlsListener`], [`TlsAcceptor`] and [`TlsConnector`] make [`TlsStream`]s. A stream is read
//! and written as any other (passive delivery), or turned into a stream of messages with
//! [`TlsStream::into_active`]. Everything a handshake has to decide can be answered
//! asynchronously: see [`Answers`].
//!
//! ```no_run
//! use portcullis::{ClientConfig, Roots, ServerName, TlsConnector};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connector = TlsConnector::new(ClientConfig::builder(Roots::os()?).build()?);
//! let mut stream = connector.connect("example.org:443", ServerName::try_from("example.org")?).await?;
//! stream.send(&[b"GET / HTTP/1.0\r\n", b"Host: example.org\r\n\r\n"]).await?;
//! println!("{:?}", stream.recv(0).await?);
//! # Ok(())
//! # }
//! ```
//!
//! ```no_run
//! use portcullis::{Identity, ServerConfig, TlsListener};
//! use tokio::io;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = Identity::from_pem_files("chain.pem", Some("key.pem".as_ref()))?;
//! let listener = TlsListener::bind("0.0.0.0:443", ServerConfig::builder().identity(identity).build()?).await?;
//! loop {
//!     // Cheap: a client that stalls does so in its own task.
//!     let incoming = listener.accept().await?;
//!     tokio::spawn(async move {
//!         let (mut reader, mut writer) = io::split(incoming.handshake().await?);
//!         io::copy(&mut reader, &mut writer).await
//!     });
//! }
//! # }
//! ```
//!
//! The protocol itself is in `portcullis-core`, which does no I/O; what users need of it is
//! re-exported here.

#![forbid(unsafe_code)]

mod acceptor;
pub mod answers;
mod conduct;
mod connections;
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
mod split_io;
mod statistics;
mod stream;
mod write;

pub use acceptor::TlsAcceptor;
pub use answers::{Answers, Questions};
pub use connections::{ConnectionError, Connections};
pub use connector::TlsConnector;
pub use delivery::{Active, ActiveStream, Message, Source};
pub use error::{Error, HandshakeError};
pub use handshake::{PausedClient, PausedServer};
pub use key_log::{KeyLog, KeyLogFile};
pub use listener::{Incoming, TlsListener};
pub use read::EofPolicy;
pub use shutdown::{DowngradeError, Downgraded};
pub use socket::ListenOptions;
pub use split::{ReadHalf, ReuniteError, WriteHalf};
pub use split_io::SplitIo;
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
