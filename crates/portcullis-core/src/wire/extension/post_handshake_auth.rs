//! `post_handshake_auth`: the client can be asked for its certificate later.
//!
//! RFC 8446 §4.2.6.

use super::empty_extension;

empty_extension! {
    /// In ClientHello.
    PostHandshakeAuth = POST_HANDSHAKE_AUTH
}
