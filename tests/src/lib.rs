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

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/quick-start.md")]
struct QuickStart;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/mutual-tls.md")]
struct MutualTls;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/starttls.md")]
struct StartTls;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/messages.md")]
struct Messages;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/stores.md")]
struct Stores;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/reload.md")]
struct Reload;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/revocation.md")]
struct Revocation;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/fleet.md")]
struct Fleet;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/keys.md")]
struct Keys;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/old-devices.md")]
struct OldDevices;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/dtls.md")]
struct Dtls;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/hsm.md")]
struct Hsm;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/ech.md")]
struct Ech;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/later.md")]
struct Later;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/environment.md")]
struct SharedEnvironment;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/dtls-early-data.md")]
struct DtlsEarlyData;

/// The code of the page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to/ech-front.md")]
struct EchFront;
