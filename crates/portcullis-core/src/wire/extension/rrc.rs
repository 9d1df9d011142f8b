//! `rrc`: its sender answers when it is asked whether it reads where it seems to be.
//!
//! RFC 9853 §3.

use super::empty_extension;

empty_extension! {
    /// In ClientHello and ServerHello, beside `connection_id`.
    Rrc = RRC
}
