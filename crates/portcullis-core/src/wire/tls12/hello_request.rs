//! HelloRequest: the server asks the client to begin a handshake.
//!
//! RFC 5246 §7.4.1.1.

use crate::wire::handshake::empty_message;

empty_message! {
    /// In no transcript.
    HelloRequest = HELLO_REQUEST
}
