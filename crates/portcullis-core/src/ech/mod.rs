//! Encrypted ClientHello: whom a client wants to talk to is between it and the server.
//!
//! RFC 9849. A client has an [`EchConfigList`] of the server, from the server's HTTPS record in DNS (RFC 9848), and
//! gives it to [`ech`](crate::config::ClientConfigBuilder::ech). What it says in the clear then is the *outer* hello, with
//! the *public name* of whoever takes such hellos; the *inner* one is encrypted in it. A server has [`EchKeys`], and gives
//! them to [`ech_keys`](crate::config::ServerConfigBuilder::ech_keys).
//!
//! A server that cannot decrypt goes on with the outer hello, and proves that it is the one with the public name. Then
//! the client has no connection but an error with an [`EchRejection`], which says what it can try.
//!
//! Two things are still seen: addresses, and the lengths of what is sent.

mod config_list;
pub(crate) mod confirmation;
pub(crate) mod encoded_inner;
mod keys;
mod rejection;
#[cfg(test)]
mod tests;

pub use config_list::{EchConfigError, EchConfigList};
pub use encoded_inner::{reconstruct, reconstruct_of_datagrams};
pub use keys::{EchKem, EchKey, EchKeyBuilder, EchKeys};
pub use rejection::{EchRejection, Retry};

pub(crate) use config_list::Selected;
pub(crate) use keys::{Opened, Snapshot};

/// What became of the encrypted ClientHello of a connection (RFC 9849 §6.1.4, §7). A client whose server has not accepted
/// it has no connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EchStatus {
    /// The client has offered none; of a server also: it does not look for it.
    #[default]
    NotOffered,
    /// A client pretended to offer some (§6.2).
    Grease,
    /// The inner hello counts.
    Accepted,
    /// A server could not decrypt it, and went on with the outer hello.
    Declined,
}

/// What HPKE binds a configuration with (§6.1, §7.1).
pub(crate) fn info(config: &[u8]) -> Vec<u8> {
    [b"tls ech\0".as_slice(), config].concat()
}
