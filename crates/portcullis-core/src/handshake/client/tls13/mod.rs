//! The client's handshake in TLS 1.3, from the ServerHello on.
//!
//! RFC 8446 §4.3, §4.4; states named as in Appendix A.1.

pub(super) mod client_authentication;
pub(super) mod finished;
mod retry;
pub(super) mod server_authentication;
pub(super) mod server_hello;
pub(super) mod server_parameters;

use super::hello::Client;
use super::resumption::Resumed;
use crate::NamedGroup;
use crate::key_schedule::{FinishedKey, MasterSecret, Transcript};
use crate::suite::CipherSuite;

/// What is known from the ServerHello on.
pub(super) struct Keyed {
    pub(super) client: Client,
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
