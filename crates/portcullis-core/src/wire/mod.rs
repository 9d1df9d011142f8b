//! Bytes to values and back: no policy, no crypto, no panic.
//!
//! RFC 8446 §4 and Appendix B. Know one message file, know them all: a message is a borrowed
//! view that implements [`HandshakeMessage`], its `decode` checks the whole syntax and nothing
//! else, and its `put` writes one from native values. Extensions are built likewise.

pub mod codec;
pub mod extension;
pub mod list;
pub mod tls10;
pub mod tls12;

mod ack;
mod alert;
mod certificate;
mod certificate_request;
mod certificate_verify;
mod client_hello;
mod compressed_certificate;
mod connection_ids;
mod content_type;
pub(crate) mod ech_config;
mod encrypted_extensions;
mod end_of_early_data;
mod extension_type;
mod finished;
mod fragment_header;
mod grease;
mod handshake;
mod handshake_type;
mod hello_verify_request;
mod imported_identity;
mod key_update;
mod new_session_ticket;
mod record_header;
mod return_routability;
mod round_trip;
mod server_hello;

pub use ack::{Ack, RecordNumber};
pub use alert::Alert;
pub use certificate::{Certificate, CertificateEntry};
pub use certificate_request::CertificateRequest;
pub use certificate_verify::CertificateVerify;
pub use client_hello::{ClientHello, CompressionMethod, MAX_SESSION_ID};
pub use compressed_certificate::CompressedCertificate;
pub use connection_ids::{
    ConnectionIdUsage, ListedConnectionId, NewConnectionId, RequestConnectionId,
};
pub use content_type::ContentType;
pub use ech_config::{EchConfigContents, EchConfigEntry, HpkeCipherSuite};
pub use encrypted_extensions::EncryptedExtensions;
pub use end_of_early_data::EndOfEarlyData;
pub use extension_type::ExtensionType;
pub use finished::Finished;
pub use fragment_header::FragmentHeader;
pub(crate) use grease::grease_point;
pub use grease::is_grease;
pub use handshake::{HandshakeHeader, HandshakeMessage, Syntax, put_message};
pub use handshake_type::HandshakeType;
pub use hello_verify_request::HelloVerifyRequest;
pub use imported_identity::{ImportedIdentity, KdfIdentifier};
pub use key_update::{KeyUpdate, KeyUpdateRequest};
pub use new_session_ticket::NewSessionTicket;
pub use record_header::{MAX_CIPHERTEXT_TLS12, MAX_CIPHERTEXT_TLS13, MAX_PLAINTEXT, RecordHeader};
pub use return_routability::{PathMessageType, ReturnRoutabilityCheck};
pub use round_trip::round_trip;
pub use server_hello::{HELLO_RETRY_REQUEST_RANDOM, ServerHello};
