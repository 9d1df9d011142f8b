//! The client's handshake once the keys of the handshake are known.
//!
//! RFC 8446 §4.3, §4.4; states named as in Appendix A.1.
//!
//! ```text
//! WaitEncryptedExtensions -EncryptedExtensions-> WaitCertificateOrRequest
//! WaitCertificateOrRequest -CertificateRequest-> WaitCertificate
//! WaitEncryptedExtensions -EncryptedExtensions, resumed-> [VerifyingChain] => WaitFinished
//! WaitCertificateOrRequest, WaitCertificate -Certificate-> [VerifyingChain] => WaitCertificateVerify
//! WaitCertificateVerify -CertificateVerify-> WaitFinished
//! WaitFinished -Finished-> [ChoosingIdentity] => [Signing] => connected
//! ```

mod client_authentication;
mod finished;
mod server_authentication;
mod server_parameters;

pub(crate) use client_authentication::{ChoosingIdentity, Signing};
pub(crate) use finished::WaitFinished;
pub(crate) use server_authentication::{VerifyingChain, WaitCertificate, WaitCertificateVerify};
pub(in super::super) use server_authentication::{check_signature, presented_chain, proving};
pub(super) use server_parameters::find;
pub(crate) use server_parameters::{WaitCertificateOrRequest, WaitEncryptedExtensions};

use super::hello::Session;
use super::resumption::Resumed;
use crate::NamedGroup;
use crate::key_schedule::{FinishedKey, MasterSecret, Transcript};
use crate::suite::CipherSuite;

/// What is known from the ServerHello on.
pub(super) struct Keyed {
    pub(super) session: Session,
    pub(super) suite: CipherSuite,
    pub(super) group: NamedGroup,
    pub(super) retried: bool,
    pub(super) server_random: [u8; 32],
    pub(super) transcript: Transcript,
    pub(super) client_finished: FinishedKey,
    pub(super) server_finished: FinishedKey,
    pub(super) master_secret: MasterSecret,
    /// There if the server resumes a session.
    pub(super) resumed: Option<Box<Resumed>>,
}
