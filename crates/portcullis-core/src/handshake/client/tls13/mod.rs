//! The client's handshake in TLS 1.3, from the ServerHello on.
//!
//! RFC 8446 §4.3, §4.4; states named as in Appendix A.1. CONNECTED is `Next::Connected`. A
//! ServerHello is handled in `server_hello.rs`, a HelloRetryRequest in `retry.rs`.

mod client_authentication;
mod early_data;
mod finished;
pub(super) mod post_handshake_auth;
mod retry;
mod server_authentication;
pub(super) mod server_hello;
mod server_parameters;

use super::super::table::states;
use super::Next;
use super::hello::Client;
use super::resumption::ProvedByKey;
use crate::NamedGroup;
use crate::key_schedule::{FinishedKey, MasterSecret, Transcript};
use crate::record::Keys;
use crate::suite::CipherSuite;

/// What is known from the ServerHello on.
pub(super) struct Keyed {
    pub(super) client: Client,
    pub(super) suite: CipherSuite,
    /// `None` if a pre-shared key is used alone.
    pub(super) group: Option<NamedGroup>,
    pub(super) retried: bool,
    pub(super) server_random: [u8; 32],
    pub(super) transcript: Transcript,
    pub(super) client_finished: FinishedKey,
    pub(super) server_finished: FinishedKey,
    pub(super) master_secret: MasterSecret,
    /// There if the server has selected a pre-shared key.
    pub(super) by_key: Option<Box<ProvedByKey>>,
    /// The keys for the rest of the handshake, while those of early data are in their place.
    pub(super) write_keys: Option<Box<Keys>>,
}

states! {
    Client of Tls13:
    // state                 in file                  takes                                                               => goes to
    ReviewingServerHello     in server_hello          pauses for ReviewServerHello                                        => WaitEncryptedExtensions;
    WaitEncryptedExtensions  in server_parameters     waits  for EncryptedExtensions                                      => WaitCertificateOrRequest | VerifyingChain /* resumed */ | WaitFinished /* by a key */;
    WaitCertificateOrRequest in server_parameters     waits  for CertificateRequest | Certificate | CompressedCertificate => WaitCertificate | VerifyingChain | WaitCertificateVerify;
    WaitCertificate          in server_authentication waits  for Certificate | CompressedCertificate                      => VerifyingChain | WaitCertificateVerify;
    VerifyingChain           in server_authentication pauses for VerifyChain | VerifyRawKey                               => WaitCertificateVerify | WaitFinished /* resumed */;
    WaitCertificateVerify    in server_authentication waits  for CertificateVerify                                        => WaitFinished;
    WaitFinished             in finished              waits  for Finished                                                 => ChoosingIdentity | Signing | Connected;
    ChoosingIdentity         in client_authentication pauses for ChooseIdentity                                           => Signing | Connected;
    Signing                  in client_authentication pauses for Sign                                                     => Connected;
}
