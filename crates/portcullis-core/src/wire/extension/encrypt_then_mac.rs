//! `encrypt_then_mac`: suites with CBC encrypt first and authenticate the ciphertext.
//!
//! RFC 7366 §2.

use super::empty_extension;

empty_extension! {
    /// In ClientHello, and in ServerHello of TLS 1.2 and older.
    EncryptThenMac = ENCRYPT_THEN_MAC
}
