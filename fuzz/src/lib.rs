//! What the fuzz targets do, as functions of bytes, so that it can be tested as well.
//!
//! `docs/fuzzing.md` says what each target proves and how to run it.

pub mod bridge;
pub mod bytes_from_peer;
pub mod certificate;
pub mod codec;
pub mod conversation;
pub mod crl;
pub mod datagrams;
pub mod difference;
pub mod differential;
pub mod dist_terms;
pub mod dtls_hello;
pub mod early_data;
pub mod early_datagrams;
pub mod ech;
pub mod encrypted_key;
pub mod end;
pub mod gates;
pub mod hello_view;
pub mod keys;
pub mod later;
pub mod memory;
pub mod messages;
pub mod mutation;
pub mod observer;
pub mod ocsp;
pub mod older_cipher;
pub mod other;
pub mod p12;
pub mod packets;
pub mod pem;
pub mod pki;
pub mod plan;
pub mod proxy_config;
pub mod proxy_header;
pub mod record;
pub mod renegotiation;
pub mod rustls_end;
pub mod sealed;
pub mod settings;
pub mod verdict;
pub mod verdict_older;
pub mod walk;

/// Of the example that is a node of Erlang's.
#[path = "../../examples/erlang_node/terms.rs"]
mod terms;

/// Of the stores whose seal is a target.
#[path = "../../crates/portcullis-session-cache/src/error.rs"]
#[allow(dead_code, reason = "a part of it is taken")]
mod store_error;

use store_error::{StoreError, StoreErrorKind};
