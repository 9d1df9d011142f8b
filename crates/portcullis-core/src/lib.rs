//! TLS as a state machine: no sockets, no clock, no callbacks.
//!
//! The contract in one sentence: after any call to [`Handshake`], poll it until it says
//! [`Step::Wait`] or [`Step::Connected`], or fails.
//!
//! A handshake runs no code of the caller: time is an argument, and decisions are answers to typed
//! [questions](question). A pause is a state of the machine, so every decision can be made late, in
//! another task, or never.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod alert;
mod client_hello_view;
mod code_point;
pub mod config;
mod connection;
mod crypto;
mod der;
#[cfg(feature = "deterministic")]
mod deterministic;
mod dialect;
mod error;
#[cfg(feature = "fingerprint")]
mod fingerprint;
mod handshake;
mod information;
mod key_schedule;
mod named_group;
pub mod question;
mod record;
mod rules;
mod server_hello_view;
pub mod session;
mod signature_scheme;
mod step;
pub mod suite;
#[cfg(not(portcullis_loom))]
mod sync;
#[cfg(portcullis_loom)]
pub mod sync;
#[cfg(test)]
mod testing;
mod version;
mod violation;
pub mod wire;
pub mod x509;

pub use alert::{AlertDescription, AlertLevel};
pub use client_hello_view::ClientHelloView;
pub use connection::Connection;
pub use crypto::CryptoFailure;
pub use error::{Direction, Error, Misuse, Reason, Refusal, Stage};
pub use handshake::Handshake;
pub use information::ConnectionInformation;
pub use named_group::NamedGroup;
pub use record::{Frame, Mailbox, Opened, PaddingPolicy, ParkedCipher, Reader, Sealed, Writer};
pub use server_hello_view::ServerHelloView;
pub use signature_scheme::SignatureScheme;
pub use step::{Event, KeyLogLine, Monotonic, Now, Step};
pub use version::ProtocolVersion;
pub use violation::Violation;
