//! What the tests of portcullis stand on: a PKI made at run time, and real TLS peers.
//!
//! Everything here is for tests: a precondition that does not hold (a missing program, a peer that
//! does not start) panics with a sentence that says what to do.

pub mod peers;
pub mod pki;
pub mod program;
pub mod scratch;

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-erlang-ssl.md")]
struct FromErlangSsl;

/// The code of the guide compiles, that of both sides.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-tokio-rustls.md")]
struct FromTokioRustls;
