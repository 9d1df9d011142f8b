//! ServerHelloDone: the server's flight is over.
//!
//! RFC 5246 §7.4.5.

use crate::wire::handshake::empty_message;

empty_message! {
    /// After it the server waits for the client.
    ServerHelloDone = SERVER_HELLO_DONE
}
