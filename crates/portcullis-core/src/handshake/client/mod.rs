//! The client's handshake.
//!
//! RFC 8446 Appendix A.1, and its predecessors; a row for each state that waits or pauses, in the
//! order of the figure. START is `start`. What follows the choice of a version stands in the table
//! of that version.

mod both_hellos;
mod early_data;
mod ech;
mod grease;
mod hello;
mod hello_extensions;
mod padding;
mod parameters;
mod resumption;
mod review;
mod shown_identity;
mod tls12;
mod tls13;

pub(crate) use hello::start;
pub(crate) use shown_identity::Unshown;
pub(crate) use tls13::post_handshake_auth::{
    Asked, ChoosingLater, PostHandshakeClient, SigningLater,
};

use super::machine::Hello;
use super::table::states;

/// What a test begins another handshake with.
#[cfg(test)]
pub(crate) fn end(config: crate::config::ClientConfig) -> std::sync::Arc<dyn super::machine::End> {
    let name = crate::testing::name();
    let config = config.0;
    std::sync::Arc::new(hello::ClientEnd {
        config,
        name,
        hello_cookie: None,
    })
}

impl State {
    fn hello(&self) -> Option<&dyn Hello> {
        match self {
            Self::WaitServerHello(state) => Some(state),
            _ => None,
        }
    }
}

states! {
    Client with Tls13 in tls13 with Tls12 in tls12:
    // state        in file  takes                => goes to
    WaitServerHello in hello waits for ServerHello => WaitServerHello /* after HelloRetryRequest */ | ReviewingServerHello | WaitEncryptedExtensions /* TLS 1.3 */ | WaitCertificate | WaitServerKeyExchange /* before; or resumed: */ | ReverifyingChain | WaitNewSessionTicket | WaitChangeCipherSpec;
}
