//! The server's handshake.
//!
//! RFC 8446 Appendix A.2, and its predecessors; a row for each state that waits or pauses, in the
//! order of the figure. START is `WaitClientHello`. What follows the choice of a version stands in
//! the table of that version.

mod certificate_types;
mod ech;
mod front;
mod hello;
#[cfg(feature = "dtls")]
mod hello_watch;
mod record_sizes;
mod requested;
#[cfg(feature = "dtls")]
mod returned_cookie;
#[cfg(not(feature = "dtls"))]
#[path = "no_returned_cookie.rs"]
mod returned_cookie;
#[cfg(feature = "dtls")]
mod returned_ech;
mod session;
mod shortfall;
mod tls12;
mod tls13;

#[cfg(feature = "dtls")]
pub(super) use ech::Named;
pub use front::{EchFront, FrontStep};
pub(crate) use hello::start;
#[cfg(feature = "dtls")]
pub(super) use hello_watch::ServerHelloWatch;
#[cfg(feature = "dtls")]
pub(crate) use returned_cookie::{ReturnedCookie, start_after_cookie};
#[cfg(feature = "dtls")]
pub(super) use returned_ech::{
    ReturnedEch, ReturnedOuter, keys_tried, peel_forgetting, peel_fronted,
};
pub(crate) use tls13::post_handshake_auth::{AnsweredLater, IssuingLater, VerifyingLater};
#[cfg(feature = "dtls")]
pub(super) use tls13::{Requested, UNCHANGING, ask_for_cookie};

use super::machine::Hello;
use super::table::states;
use crate::error::{Abort, Misuse};
use crate::record::HandshakeBytes;
use crate::wire::ClientHello;

/// The hello that was read as one when it came: its syntax is not checked again.
fn decoded_hello(message: &HandshakeBytes) -> Result<ClientHello<'_>, Abort> {
    Ok(ClientHello::of_decoded(message.syntax(), message.body())?)
}

/// An answer to [`OpenTickets`](crate::question::OpenTickets) with an index of its own.
fn unknown_ticket() -> Abort {
    Misuse::new("the answer names a ticket that the client has not offered").into()
}

impl State {
    /// A server has said none.
    fn hello(&self) -> Option<&dyn Hello> {
        None
    }
}

states! {
    Server with Tls13 in tls13 with Tls12 in tls12:
    // state              in file  takes                       => goes to
    WaitClientHello       in hello waits for ClientHello         => ChoosingConfiguration | WaitSecondClientHello | OpeningTickets | FindingSession | ReverifyingChain | ReverifyingPsk | ReverifyingUser | LookingUpUser | ChoosingPsk | ChoosingIdentity | ClaimingEarlyData | Signing | WaitCertificate | WaitEndOfEarlyData | WaitFinished /* TLS 1.3 */ | WaitClientKeyExchange | WaitChangeCipherSpec /* before */;
    ChoosingConfiguration in hello pauses for ChooseConfiguration => WaitSecondClientHello | OpeningTickets | FindingSession | ReverifyingChain | ReverifyingPsk | ReverifyingUser | LookingUpUser | ChoosingPsk | ChoosingIdentity | ClaimingEarlyData | Signing | WaitCertificate | WaitEndOfEarlyData | WaitFinished /* TLS 1.3 */ | WaitClientKeyExchange | WaitChangeCipherSpec /* before */;
}
