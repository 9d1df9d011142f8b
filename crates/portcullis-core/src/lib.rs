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

// The layers, the lowest first: a module uses what stands in its own or an earlier group, never what
// comes later. docs/architecture.md says what each is for, `layers.rs` holds both to the code.

mod alert;
mod apart;
mod clock;
mod code_point;
mod misuse;
mod named_group;
mod role;
mod signature_scheme;
mod sort;
#[cfg(not(portcullis_loom))]
mod sync;
#[cfg(portcullis_loom)]
pub mod sync;
mod version;
mod violation;

mod der;

mod crypto;

mod rules;

mod key_schedule;

mod dialect;
mod psk;
#[cfg_attr(not(feature = "finite-field"), allow(dead_code))]
mod srp;
mod srtp;
pub mod suite;

pub mod wire;

pub mod ech;

pub mod compression;

pub mod x509;

mod configured;
mod error;
mod information;

pub mod session;

mod record;

pub mod config;

mod client_hello_view;
pub mod question;
mod server_hello_view;
mod step;

mod connection;
mod handshake;

#[cfg(feature = "deterministic")]
mod deterministic;
#[cfg(feature = "fingerprint")]
mod fingerprint;

#[cfg(test)]
mod layers;
#[cfg(test)]
mod testing;

pub use alert::{AlertDescription, AlertLevel};
pub use client_hello_view::{ClientHelloView, Peek};
#[cfg(feature = "dtls")]
#[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
pub use client_hello_view::{DatagramPeek, PeekedDatagram};
pub use clock::{Monotonic, Now};
pub use configured::{ConfiguredOption, OptionValue};
pub use connection::Connection;
#[cfg(feature = "dtls")]
#[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
pub use connection::DatagramConnection;
pub use crypto::{CryptoFailure, aes_gcm};
pub use error::{Direction, Error, Reason, Refusal, Stage};
#[cfg(feature = "dtls")]
#[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
pub use handshake::{
    Admission, CookiePolicy, CookieSecret, FrontedAnswer, FrontedHello, Gate, Verdict,
};
pub use handshake::{
    Authenticating, AuthenticationId, AuthenticationStep, EchFront, FrontStep, Handshake,
    PostHandshakeAuthentication,
};
pub use information::{ConnectionInformation, EarlyDataRejection, EarlyDataStatus, PrfSecret};
pub use misuse::Misuse;
pub use named_group::NamedGroup;
#[cfg(feature = "dtls")]
#[cfg_attr(docsrs, doc(cfg(feature = "dtls")))]
pub use record::{
    ConnectionId, Control, DatagramOptions, DatagramReader, DatagramWriter, Discarded, Discards,
    Heard, Received, Records, Retransmission,
};
pub use record::{
    Frame, Mailbox, Opened, PaddingPolicy, ParkedCipher, PeerRequest, Reader, Sealed, Writer,
};
pub use server_hello_view::ServerHelloView;
pub use signature_scheme::SignatureScheme;
pub use srtp::{SrtpKeys, SrtpProfile};
pub use step::{Event, KeyLogLine, Step};
pub use version::ProtocolVersion;
pub use violation::Violation;
pub use wire::extension::CertificateType;
