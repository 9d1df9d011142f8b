//! The client's handshake.
//!
//! RFC 8446 Appendix A.1; one row for each state, in the order of the figure.

mod hello;
mod resumption;
mod tls13;

pub(crate) use hello::start;
pub(super) use tls13::{check_signature, presented_chain, proving};

use self::hello::{ReviewingServerHello, WaitServerHello};
use self::tls13::{
    ChoosingIdentity, Signing, VerifyingChain, WaitCertificate, WaitCertificateOrRequest,
    WaitCertificateVerify, WaitEncryptedExtensions, WaitFinished,
};
use super::table::states;

// State                     kind      takes                                   goes to
states! {
    Client:
    WaitServerHello          waits; // ServerHello                             ReviewingServerHello, WaitEncryptedExtensions
                                    // HelloRetryRequest                       WaitServerHello
    ReviewingServerHello     pauses; // go on                                  WaitEncryptedExtensions
    WaitEncryptedExtensions  waits; // EncryptedExtensions                     WaitCertificateOrRequest
                                    // the same, resumed                       VerifyingChain, WaitFinished
    WaitCertificateOrRequest waits; // CertificateRequest                      WaitCertificate
                                    // Certificate                             VerifyingChain, WaitCertificateVerify
    WaitCertificate          waits; // Certificate                             VerifyingChain, WaitCertificateVerify
    VerifyingChain           pauses; // verdict                                WaitCertificateVerify, WaitFinished (resumed)
    WaitCertificateVerify    waits; // CertificateVerify                       WaitFinished
    WaitFinished             waits; // Finished                                ChoosingIdentity, Signing, connected
    ChoosingIdentity         pauses; // identity or none                       Signing, connected
    Signing                  pauses; // signature                              connected
}
