//! TLS for Tokio, on a protocol core that does no I/O (`portcullis-core`, re-exported here as far
//! as users need it).
//!
//! Whatever waits, waits with a limit. So the runtime needs its timer: a handshake panics in one that was
//! built without [`enable_time`](tokio::runtime::Builder::enable_time). `#[tokio::main]` and
//! [`enable_all`](tokio::runtime::Builder::enable_all) have it.
//!
//! # A guided tour
//!
//! **Configure.** A [`ServerConfig`] has an [`Identity`], which is a certificate chain with its
//! key; a [`ClientConfig`] has the [`Roots`] it trusts. Both are made by builders that refuse what
//! cannot work, and are cheap to clone. What else can be set: [`config`], [`suite`], [`NamedGroup`].
//!
//! **Connect.** [`TlsConnector`] connects over TCP, or [upgrades](TlsConnector::upgrade) any
//! transport. [`TlsListener`] accepts in two steps, so that a slow client stops nobody:
//! [`accept`](TlsListener::accept) and then [`Incoming::handshake`] in any task; or it runs many
//! handshakes at once, as [`Connections`], which other crates' servers take and a [`StopHandle`]
//! stops. [`TlsAcceptor`] is the server's side of a transport
//! that is there already.
//!
//! **Decide.** Which configuration, which certificate, the signature, whether to trust the peer:
//! each is a question, and [`Answers`] answers it in an `async fn`. For the frequent ones there
//! are [`answers::identity_by_name`], [`answers::signer`] and [`answers::further_check`], and
//! [`answers::together`] makes one of two. A
//! handshake can also be stopped at the peer's hello and looked at: [`Incoming::pause_at_hello`],
//! [`PausedServer`], [`PausedClient`].
//!
//! **Resume.** Connections are resumed unless told otherwise: a [`ServerConfig`] gives tickets
//! that are sealed with keys of its own, and a connector keeps and offers them in a store of its
//! own. Servers share [`ticket_keys`](config::ServerConfigBuilder::ticket_keys), connectors a
//! [`session_store`](TlsConnector::session_store); or a client
//! [takes](TlsStream::take_session) sessions and [offers](TlsConnector::offering) them itself.
//! [`resumption`](config::ServerConfigBuilder::resumption) and
//! [`without_resumption`](TlsConnector::without_resumption) turn it off.
//!
//! **Share.** What many connectors and acceptors have in common is an [`Environment`]: stores, files, defaults, and an
//! [end](Environment::shut_down) that is waited for. Without one each has its own.
//!
//! **Read and write.** [`TlsStream`] is an `AsyncRead`, `AsyncBufRead` and `AsyncWrite`, with
//! [`recv`](TlsStream::recv) and [`send`](TlsStream::send) besides. It knows what was
//! [negotiated](TlsStream::information), [splits](TlsStream::into_split) into halves for two
//! tasks, and [turns](TlsStream::into_active) into an [`ActiveStream`] of [`Message`]s that come
//! by themselves, as many as [`Active`] says. What is sent in packets, lines or heads of HTTP comes so:
//! [`TlsStream::into_packets`], [`packet`]. Where many tasks use one connection, it has a task of its own, a
//! [`Handle`] for each of them, and an [`Inbox`] for what comes: [`TlsStream::into_mailbox`].
//!
//! **End.** [`shutdown`](tokio::io::AsyncWriteExt::shutdown) closes the write side,
//! [`close`](TlsStream::close) both, [`downgrade`](TlsStream::downgrade) gives the transport back
//! for plain text. An [`Error`] says what happened, at which [`Stage`], and who sent which alert.
//!
//! **Pass on.** [`relay()`] joins two streams, TLS or not, and passes on how each of them ends;
//! [`ClientHelloView::peek`] says whom a connection is for before anybody answers it.
//!
//! ```
//! use portcullis::{ClientConfig, Identity, Roots, ServerConfig, TlsConnector, TlsListener};
//! use tokio::io::AsyncWriteExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A certificate made just now; see `Identity::from_pem_files` for one that is there.
//! let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! let pem = made.cert.pem() + &made.signing_key.serialize_pem();
//! let config = ServerConfig::builder()
//!     .identity(Identity::from_pem(pem.as_bytes(), None)?)
//!     .build()?;
//! let listener = TlsListener::bind("127.0.0.1:0", config).await?;
//! let address = listener.local_addr()?;
//! let server = tokio::spawn(async move {
//!     let mut stream = listener.accept().await?.handshake().await?;
//!     let word = stream.recv(5).await?;
//!     stream.send(&[b"<", &word, b">"]).await?;
//!     stream.shutdown().await
//! });
//!
//! let config = ClientConfig::builder(Roots::from_pem(made.cert.pem().as_bytes())?).build()?;
//! let mut stream = TlsConnector::new(config).connect(address, "localhost").await?;
//! stream.send(&[b"hello"]).await?;
//! assert_eq!(&stream.recv(0).await?[..], b"<hello>");
//! // Then the server closes.
//! assert!(stream.recv(0).await.is_err_and(|error| error.is_closed()));
//! # server.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! * `os-roots` (on by default): `Roots::os`.
//! * `key-log` (on by default): `key_log` of connectors and acceptors, `KeyLog`, `KeyLogFile`.
//! * `dtls`: DTLS over UDP and other transports of datagrams: `DtlsListener`, `DtlsConnector`, `DtlsConnection`.
//! * `fingerprint`: `ClientHelloView::ja3` and `ja4`.
//! * `finite-field`: the groups of RFC 7919, and DHE before TLS 1.3.
//! * `curve448`: the group x448, and keys of Ed448.
//! * `ffi`: for configurations that name them, AES-CCM, RSA key exchange, RSA keys in TLS 1.1 and 1.0, DSA, and
//!   brainpool's curves before TLS 1.3.
//! * `legacy-ciphers`: for configurations that name them, 3DES, RC4 and DES before TLS 1.3, which protect little.
//! * `ring-aead`: records are protected by `ring` on processors with VAES and without AVX-512, where it is faster.
//! * `zlib`, `brotli`, `zstd`: certificates that are compressed on their way.
//! * `codec`: `packet::PacketCodec`, the same packets for `tokio_util::codec`.
//! * `metrics`: numbers of handshakes, connections and stores for the recorder of the `metrics` crate.
//! * `disk`, `redis`: `DiskStore` and `RedisStore`, which keep sessions in a file, and for many servers.
//! * `crl-hash-dir`, `crl-http`: revocation lists from a directory, and from where certificates say.
//! * `ocsp-stapler`: a server gets the OCSP responses for its certificate from the responder.
//! * `scrypt`, `legacy-keys`: private keys that are encrypted with scrypt, and as older programs encrypted them.
//! * `watch`: `Reloader`, which takes over what changes in files.
//! * `axum`: [`Connections`] go into `axum::serve`, `TlsConnectInfo` into handlers.
//! * `hyper-util`: `HttpsConnector` for hyper-util's pooled client.
//! * `tokio-postgres`: a [`TlsConnector`] goes into `tokio_postgres::connect`.
//! * `tonic`: [`Connections`] go into tonic's server, `HttpsConnector` into its channels.
//!
//! Features add, and none changes what another does.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

/// The version of this crate, as `ssl:versions()` has it of `ssl_app`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

mod accept;
mod acceptor;
pub mod answers;
mod authentication;
mod conduct;
mod connector;
mod crls;
#[cfg(feature = "dtls")]
mod datagram;
mod delivery;
mod early_data;
mod ech_front;
mod ech_retry;
mod environment;
mod error;
mod first_shares;
mod handshake;
mod hibernation;
mod integrations;
#[cfg(feature = "key-log")]
mod key_log;
mod last_words;
mod log_level;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "metrics/none.rs"]
mod metrics;
mod name;
mod options;
pub mod packet;
mod preparation;
mod read;
mod relay;
mod reload;
mod renegotiation;
mod runtime_options;
mod scratch;
mod send;
mod send_limits;
mod server_sessions;
mod sessions;
mod shutdown;
mod socket;
mod socket_options;
mod split;
mod statistics;
mod stream;
mod sync;
mod ticket_key_file;
mod wakers;
mod write;

pub use accept::{
    Accept, AddressLimits, ConnectionError, Connections, Forwarded, Incoming, ProxyProtocol,
    StopHandle, TlsListener, read_proxy_header,
};
pub use acceptor::TlsAcceptor;
pub use answers::{Answers, Questions};
pub use authentication::{ClientCertificate, PendingCertificate};
pub use connector::TlsConnector;
#[cfg(feature = "dtls")]
#[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
pub use datagram::{
    DatagramTransport, DtlsAcceptor, DtlsConnection, DtlsConnections, DtlsConnector,
    DtlsEarlyHandshake, DtlsEchFront, DtlsFrontStatistics, DtlsIncoming, DtlsListener,
    DtlsListenerStatistics, DtlsOptions, DtlsReceiver, DtlsSender, DtlsStatistics, Foreign,
    ForeignDatagram, Migration, PausedDtlsClient, PausedDtlsServer, UdpOptions,
};
pub use delivery::{
    Active, ActiveStream, ConnectionId, ConnectionStatus, Delivery, Handle, Inbox, Message, Owner,
    Packets, Records, SendOutcome, Sends, Source,
};
pub use early_data::EarlyDataOutcome;
pub use ech_front::{EchFront, Fronted, Routed};
pub use environment::{Environment, EnvironmentBuilder, EnvironmentStatistics, ShutdownReport};
pub use error::{Error, HandshakeError};
pub use handshake::{
    EarlyConnection, EarlyHandshake, EarlyReader, EarlyStream, EarlyWriter, Handshaking,
    OrTransport, PausedClient, PausedServer,
};
#[cfg(any(feature = "axum", feature = "tonic"))]
pub use integrations::TlsConnectInfo;
#[cfg(feature = "hyper-util")]
pub use integrations::{HttpsConnector, MaybeHttpsStream};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use integrations::{redis_over_tls, replay_guard_over_tls};
#[cfg(feature = "key-log")]
pub use key_log::{KeyLog, KeyLogFile};
pub use log_level::LogLevel;
pub use name::ToServerName;
pub use read::EofPolicy;
pub use relay::{
    HowEnded, Relay, RelayEnd, RelayMemory, RelayOptions, RelayOutcome, Relayed, relay,
};
pub use reload::{Configuration, IdentityFiles, PemFiles, Reloadable};
#[cfg(feature = "watch")]
#[cfg_attr(docsrs, doc(cfg(feature = "watch")))]
pub use reload::{LoadedFiles, Parts, ReloadEvent, ReloadWarning, Reloader, Watching};
pub use runtime_options::RuntimeOptions;
pub use shutdown::{DowngradeError, Downgraded};
pub use socket::ListenOptions;
pub use socket_options::SocketOptions;
pub use split::{Locked, ReadHalf, ReuniteError, SplitIo, WriteHalf};
pub use statistics::{Flow, TransportStatistics};
pub use stream::TlsStream;
pub use ticket_key_file::TicketKeyFile;

pub use portcullis_core::compression::CertificateCompression;
pub use portcullis_core::config::{
    ClientAuthentication, ClientConfig, PreSharedKey, ServerConfig, SrpGroup, SrpUsers, SrpVerifier,
};
pub use portcullis_core::wire::{ImportedIdentity, KdfIdentifier};
pub use portcullis_core::x509::{
    Crl, CrlCheck, Identity, OcspPolicy, PemIdentity, PrivateKey, RawKeys, Roots,
};
pub use portcullis_core::{
    AlertDescription, AlertLevel, CertificateType, ClientHelloView, ConfiguredOption,
    ConnectionInformation, Direction, EarlyDataRejection, EarlyDataStatus, KeyLogLine, Misuse,
    NamedGroup, OptionValue, Peek, PrfSecret, ProtocolVersion, Reason, Refusal, ServerHelloView,
    SignatureScheme, Stage, Violation, aes_gcm, compression, config, ech, question, session, suite,
    x509,
};
#[cfg(feature = "dtls")]
#[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
pub use portcullis_core::{
    ConnectionId as DtlsConnectionId, CookiePolicy, CookieSecret, DatagramOptions, DatagramPeek,
    Discarded, Discards, PeekedDatagram, Retransmission, SrtpKeys, SrtpProfile,
};
#[cfg(feature = "crl-hash-dir")]
#[cfg_attr(docsrs, doc(cfg(feature = "crl-hash-dir")))]
pub use portcullis_crl_fetch::HashDirCrls;
#[cfg(feature = "crl-http")]
#[cfg_attr(docsrs, doc(cfg(feature = "crl-http")))]
pub use portcullis_crl_fetch::HttpCrls;
pub use portcullis_crl_fetch::{
    self as crl, CrlInput, CrlSource, Layered as LayeredCrls, MemoryCrls,
};
#[cfg(feature = "ocsp-stapler")]
#[cfg_attr(docsrs, doc(cfg(feature = "ocsp-stapler")))]
pub use portcullis_crl_fetch::{Stapler, StaplerState, Stapling};
pub use portcullis_session_cache::{
    Claim, LayeredServerSessionStore, LayeredSessionStore, MemoryReplayGuard,
    MemoryServerSessionStore, MemorySessionStore, ReplayGuard, ServerSessionStore, SessionStore,
    StoreFuture,
};
#[cfg(feature = "disk")]
#[cfg_attr(docsrs, doc(cfg(feature = "disk")))]
pub use portcullis_session_cache::{DiskOptions, DiskStore};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use portcullis_session_cache::{RedisReplayGuard, RedisStore, redis_url_with_password};
#[cfg(any(feature = "disk", feature = "redis"))]
pub use portcullis_session_cache::{StoreError, StoreErrorKind, StoreKeys};
pub use rustls_pki_types::{self as pki_types, CertificateDer, ServerName};

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
