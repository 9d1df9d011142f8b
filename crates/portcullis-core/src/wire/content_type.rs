//! What a record carries.
//!
//! RFC 8446 §5.1; heartbeat from RFC 6520, the others from RFC 9146, RFC 9147 and RFC 9853.

use crate::code_point::code_points;

code_points! {
    /// The type of a record (RFC 8446 §5.1).
    pub struct ContentType(u8) {
        /// RFC 5246 §7.1; in TLS 1.3 for middleboxes only.
        CHANGE_CIPHER_SPEC = 20, "change_cipher_spec";
        /// RFC 8446 §6.
        ALERT = 21, "alert";
        /// RFC 8446 §4.
        HANDSHAKE = 22, "handshake";
        /// Application data, and the outer type of everything protected in TLS 1.3.
        APPLICATION_DATA = 23, "application_data";
        /// RFC 6520; not supported.
        HEARTBEAT = 24, "heartbeat";
        /// RFC 9146.
        TLS12_CID = 25, "tls12_cid";
        /// RFC 9147 §7.
        ACK = 26, "ack";
        /// RFC 9853.
        RETURN_ROUTABILITY_CHECK = 27, "return_routability_check";
    }
}
