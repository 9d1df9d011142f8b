//! The client's handshake.
//!
//! RFC 8446 Appendix A.1; a row for each state that waits or pauses, in the order of the
//! figure. START is `start`, CONNECTED is `Next::Connected`. A ServerHello is handled in
//! `tls13/server_hello.rs`, a HelloRetryRequest in `tls13/retry.rs`.

mod hello;
mod resumption;
mod tls13;

pub(crate) use hello::start;

use super::table::states;

states! {
    Client:
    // state                 in file                               takes                                => goes to
    WaitServerHello          in hello                        waits for ServerHello                      => WaitServerHello /* after HelloRetryRequest */ | ReviewingServerHello | WaitEncryptedExtensions;
    ReviewingServerHello     in tls13::server_hello         pauses for ReviewServerHello                => WaitEncryptedExtensions;
    WaitEncryptedExtensions  in tls13::server_parameters     waits for EncryptedExtensions              => WaitCertificateOrRequest | VerifyingChain /* resumed */ | WaitFinished /* resumed */;
    WaitCertificateOrRequest in tls13::server_parameters     waits for CertificateRequest | Certificate => WaitCertificate | VerifyingChain | WaitCertificateVerify;
    WaitCertificate          in tls13::server_authentication waits for Certificate                      => VerifyingChain | WaitCertificateVerify;
    VerifyingChain           in tls13::server_authentication pauses for VerifyChain                     => WaitCertificateVerify | WaitFinished /* resumed */;
    WaitCertificateVerify    in tls13::server_authentication waits for CertificateVerify                => WaitFinished;
    WaitFinished             in tls13::finished              waits for Finished                         => ChoosingIdentity | Signing | Connected;
    ChoosingIdentity         in tls13::client_authentication pauses for ChooseIdentity                  => Signing | Connected;
    Signing                  in tls13::client_authentication pauses for Sign                            => Connected;
}
