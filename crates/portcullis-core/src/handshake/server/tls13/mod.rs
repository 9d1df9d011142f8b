//! The server's handshake in TLS 1.3, once the version is decided.
//!
//! RFC 8446 §4.3, §4.4; states named as in Appendix A.2. Nothing waits in RECVD_CH
//! (`client_hello.rs`), NEGOTIATED (`psk.rs`, `external_psk.rs`, `identity.rs`, `flight.rs`) and WAIT_FLIGHT2 (the end
//! of `flight.rs`).

mod client_authentication;
pub(super) mod client_hello;
mod early_data;
mod external_psk;
mod finished;
mod flight;
mod identity;
pub(super) mod post_handshake_auth;
mod psk;
mod retry;
mod tickets;

#[cfg(feature = "dtls")]
pub(super) use retry::cookie::on_returned_cookie;
#[cfg(feature = "dtls")]
pub(in super::super) use retry::{
    UNCHANGING,
    cookie::{Requested, ask_for_cookie},
};

use std::sync::Arc;

use super::super::table::states;
use super::Next;
use super::ech::Ech;
use crate::NamedGroup;
use crate::config::ServerOptions;
use crate::crypto::hash::Digest;
use crate::information::EarlyDataStatus;
use crate::key_schedule::Transcript;
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;

/// What the hello settled.
pub(super) struct Negotiated {
    pub(super) config: Arc<ServerOptions>,
    pub(super) hello: HandshakeBytes,
    pub(super) suite: CipherSuite,
    /// `None` if a pre-shared key is used alone, or nothing works.
    pub(super) group: Option<NamedGroup>,
    pub(super) transcript: Transcript,
    /// The transcript without the binders, if the client offers pre-shared keys.
    pub(super) binder_hash: Option<Digest>,
    pub(super) retried: bool,
    /// If the hello was encrypted, or should have been.
    pub(super) ech: Option<Box<Ech>>,
    /// What becomes of early data, as far as that is decided.
    pub(super) early_data: EarlyDataStatus,
}

states! {
    Server of Tls13:
    // state              in file                  takes                                          => goes to
    WaitSecondClientHello in retry                 waits  for ClientHello                         => OpeningTickets | ReverifyingPsk | ReverifyingChain | ChoosingPsk | ChoosingIdentity | Signing | WaitCertificate | WaitFinished;
    OpeningTickets        in psk                   pauses for OpenTickets                         => ReverifyingPsk | ReverifyingChain | ChoosingPsk | ChoosingIdentity | ClaimingEarlyData | Signing | WaitCertificate | WaitEndOfEarlyData | WaitFinished;
    ReverifyingPsk        in external_psk          pauses for ChoosePsk                           => ChoosingPsk | ClaimingEarlyData | WaitEndOfEarlyData | WaitFinished;
    // The chain of a session, judged by somebody who was asked: after a refusal there is a full handshake.
    ReverifyingChain      in psk                   pauses for VerifyChain | VerifyRawKey          => ChoosingPsk | ChoosingIdentity | ClaimingEarlyData | Signing | WaitCertificate | WaitEndOfEarlyData | WaitFinished;
    ChoosingPsk           in external_psk          pauses for ChoosePsk                           => ChoosingIdentity | Signing | WaitCertificate | WaitFinished;
    ChoosingIdentity      in identity              pauses for ChooseIdentity                      => ClaimingEarlyData | Signing | WaitCertificate | WaitEndOfEarlyData | WaitFinished;
    ClaimingEarlyData     in early_data            pauses for ClaimEarlyData                      => WaitEndOfEarlyData | WaitFinished;
    Signing               in flight                pauses for Sign                                => WaitCertificate | WaitFinished;
    WaitCertificate       in client_authentication waits  for Certificate | CompressedCertificate => VerifyingChain | WaitCertificateVerify | WaitFinished;
    VerifyingChain        in client_authentication pauses for VerifyChain | VerifyRawKey          => WaitCertificateVerify;
    WaitCertificateVerify in client_authentication waits  for CertificateVerify                   => WaitFinished;
    WaitEndOfEarlyData    in early_data            waits  for EndOfEarlyData                      => WaitFinished;
    WaitFinished          in finished              waits  for Finished                            => IssuingTickets | Connected;
    IssuingTickets        in tickets               pauses for IssueTickets                        => Connected;
}
