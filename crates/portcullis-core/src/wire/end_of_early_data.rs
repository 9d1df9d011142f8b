//! EndOfEarlyData: the client's 0-RTT data is complete.
//!
//! RFC 8446 §4.5.

use super::handshake::empty_message;

empty_message! {
    /// Under the keys of the early data.
    EndOfEarlyData = END_OF_EARLY_DATA
}
