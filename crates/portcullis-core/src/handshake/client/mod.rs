//! The client's handshake.
//!
//! RFC 8446 Appendix A.1, and its predecessors; a row for each state that waits or pauses, in the
//! order of the figure. START is `start`. What follows the choice of a version stands in the table
//! of that version.

mod hello;
mod resumption;
mod tls13;

pub(crate) use hello::start;

use super::table::states;

states! {
    Client with Tls13 in tls13:
    // state        in file  takes                => goes to
    WaitServerHello in hello waits for ServerHello => WaitServerHello /* after HelloRetryRequest */ | ReviewingServerHello | WaitEncryptedExtensions;
}
