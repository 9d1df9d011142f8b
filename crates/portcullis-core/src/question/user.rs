//! Which user.
//!
//! RFC 5054 §2.5.1.

use super::{Answer, AnswerContent, QuestionId};
use crate::config::SrpVerifier;
use crate::error::Refusal;
use crate::version::ProtocolVersion;

/// A client logs in with a password (SRP): what is known of the user? Asked before the server says
/// anything, and again before it resumes a session in which the user had logged in. `Debug` shows no
/// name.
pub struct LookUpUser {
    pub(crate) id: QuestionId,
    pub(crate) version: ProtocolVersion,
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) user: Box<[u8]>,
    pub(crate) resumed: bool,
    /// What the configuration has.
    pub(crate) configured: Option<SrpVerifier>,
}

impl core::fmt::Debug for LookUpUser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LookUpUser")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("server_name", &self.server_name)
            .field("resumed", &self.resumed)
            .finish_non_exhaustive()
    }
}

impl LookUpUser {
    /// The version of the handshake.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// The host name the client asked for, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The name as the client has sent it, or as the session has it: 1 to 255 bytes. They should be UTF-8
    /// in the form of RFC 4013 (RFC 5054 §2.3), which nobody has checked.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// Whether the client resumes a session in which this user had logged in. Unless the answer is the same
    /// verifier again there is a full handshake instead.
    pub fn is_resumption(&self) -> bool {
        self.resumed
    }

    /// Takes what the configuration has ([`srp_users`]), and if that is nothing, goes on as
    /// [`unknown`](Self::unknown) does. The default.
    ///
    /// [`srp_users`]: crate::config::ServerConfigBuilder::srp_users
    pub fn choose_configured(self) -> Answer {
        let configured = self.configured;
        self.id.answer(AnswerContent::User(configured))
    }

    /// Takes this verifier, which must be of the [`user`](Self::user).
    pub fn use_verifier(self, verifier: SrpVerifier) -> Answer {
        self.id.answer(AnswerContent::User(Some(verifier)))
    }

    /// There is no such user. The client is not told: the handshake goes on with a salt that is the same
    /// each time for the name, and ends as with a wrong password, with `bad_record_mac` at its Finished
    /// (RFC 5054 §2.5.1.3). Only the time that this answer takes can then tell.
    pub fn unknown(self) -> Answer {
        self.id.answer(AnswerContent::User(None))
    }

    /// Ends the handshake.
    pub fn refuse(self, refusal: Refusal) -> Answer {
        self.id.answer(AnswerContent::Refused(refusal))
    }
}
