//! `extended_master_secret`: the master secret is bound to the whole handshake before it.
//!
//! RFC 7627 §5.1.

use super::empty_extension;

empty_extension! {
    /// In ClientHello, and in ServerHello of TLS 1.2 and older.
    ExtendedMasterSecret = EXTENDED_MASTER_SECRET
}
