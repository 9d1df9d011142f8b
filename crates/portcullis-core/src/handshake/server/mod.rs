//! The server's handshake.
//!
//! RFC 8446 Appendix A.2; a row for each state that waits or pauses, in the order of the
//! figure. START is `WaitClientHello`. Nothing waits in RECVD_CH (`tls13/client_hello.rs`), NEGOTIATED
//! (`tls13/{psk,identity,flight}.rs`) and WAIT_FLIGHT2 (the end of `flight.rs`). There is no WAIT_EOED:
//! early data is not accepted.

mod hello;
mod tls13;

pub(crate) use hello::start;

use super::table::states;

states! {
    Server:
    // state              in file                               takes                  => goes to
    WaitClientHello       in hello                        waits for ClientHello         => ChoosingConfiguration | WaitSecondClientHello | OpeningTickets | ReverifyingChain | ChoosingIdentity | Signing | WaitCertificate | WaitFinished;
    ChoosingConfiguration in hello                       pauses for ChooseConfiguration => WaitSecondClientHello | OpeningTickets | ReverifyingChain | ChoosingIdentity | Signing | WaitCertificate | WaitFinished;
    WaitSecondClientHello in tls13::retry                 waits for ClientHello         => OpeningTickets | ReverifyingChain | ChoosingIdentity | Signing | WaitCertificate | WaitFinished;
    OpeningTickets        in tls13::psk                  pauses for OpenTickets         => ReverifyingChain | ChoosingIdentity | Signing | WaitCertificate | WaitFinished;
    // The chain of a session, judged by somebody who was asked: a refusal ends the handshake.
    ReverifyingChain      in tls13::psk                  pauses for VerifyChain         => ChoosingIdentity | WaitFinished;
    ChoosingIdentity      in tls13::identity             pauses for ChooseIdentity      => Signing | WaitCertificate | WaitFinished;
    Signing               in tls13::flight               pauses for Sign                => WaitCertificate | WaitFinished;
    WaitCertificate       in tls13::client_authentication waits for Certificate         => VerifyingChain | WaitCertificateVerify | WaitFinished;
    VerifyingChain        in tls13::client_authentication pauses for VerifyChain        => WaitCertificateVerify;
    WaitCertificateVerify in tls13::client_authentication waits for CertificateVerify   => WaitFinished;
    WaitFinished          in tls13::finished              waits for Finished            => IssuingTickets | Connected;
    IssuingTickets        in tls13::tickets              pauses for IssueTickets        => Connected;
}
