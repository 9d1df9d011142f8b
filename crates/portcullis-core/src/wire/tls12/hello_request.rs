//! HelloRequest: the server wishes that the client begins a handshake.
//!
//! RFC 5246 §7.4.1.1.

use crate::wire::handshake::empty_message;

empty_message! {
    /// In no transcript.
    HelloRequest = HELLO_REQUEST
}
