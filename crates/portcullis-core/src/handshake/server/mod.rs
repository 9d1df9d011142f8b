//! The server's handshake.
//!
//! RFC 8446 Appendix A.2; one row for each state, in the order of the figure.

mod hello;
mod tls13;

pub(crate) use hello::start;

use self::hello::{ChoosingConfiguration, WaitClientHello, WaitSecondClientHello};
use self::tls13::{
    ChoosingIdentity, IssuingTickets, OpeningTickets, ReverifyingChain, Signing, VerifyingChain,
    WaitCertificate, WaitCertificateVerify, WaitFinished,
};
use super::table::states;

// State                     kind      takes                                   goes to
states! {
    Server:
    WaitClientHello          waits; // ClientHello                             ChoosingConfiguration, WaitSecondClientHello, OpeningTickets, ChoosingIdentity, Signing, WaitCertificate, WaitFinished
    ChoosingConfiguration    pauses; // configuration                          the same but itself
    WaitSecondClientHello    waits; // ClientHello                             OpeningTickets, ChoosingIdentity, Signing, WaitCertificate, WaitFinished
    OpeningTickets           pauses; // session or none                        ReverifyingChain, ChoosingIdentity, Signing, WaitCertificate, WaitFinished
    ReverifyingChain         pauses; // verdict                                ChoosingIdentity, WaitFinished
    ChoosingIdentity         pauses; // identity                               Signing, WaitCertificate, WaitFinished
    Signing                  pauses; // signature                              WaitCertificate, WaitFinished
    WaitCertificate          waits; // Certificate                             VerifyingChain, WaitCertificateVerify, WaitFinished
    VerifyingChain           pauses; // verdict                                WaitCertificateVerify
    WaitCertificateVerify    waits; // CertificateVerify                       WaitFinished
    WaitFinished             waits; // Finished                                IssuingTickets, connected
    IssuingTickets           pauses; // tickets                                connected
}
