//! Authentication after the handshake, as far as records know of it.
//!
//! RFC 8446 §4.4, §4.6.2. What the messages mean is known where the handshake is; here is when they may come, and
//! that what belongs together goes out in one run.

use std::sync::Arc;

use super::Mailbox;
use super::assembler::HandshakeBytes;
#[cfg(feature = "dtls")]
use super::datagram::Mail;
use crate::error::{Abort, Error};
use crate::key_schedule::TrafficSecret;
use crate::violation::Violation;
use crate::wire::HandshakeType;
use crate::x509::Sha256Digest;

/// The most bytes of handshake messages that are sent in one run: what fits into the output that a driver
/// has for a write, however short the records are.
pub(crate) const MAX_RUN: usize = 32 * 1024;

/// What a connection has whose client may be asked for a certificate after the handshake.
pub(crate) trait Authentication: Send + Sync + core::fmt::Debug {
    /// How long the body of a message of this type may be.
    ///
    /// # Errors
    /// When none may come now.
    fn longest(&self, typ: HandshakeType) -> Result<usize, Violation>;

    /// Takes one that came under `secret`. Whether another one has to follow at once.
    fn on_message(&self, message: &HandshakeBytes, secret: &TrafficSecret) -> Result<bool, Abort>;

    /// How long the next run is that waits to be sent; 0 if none does.
    fn waiting(&self) -> usize;

    /// Takes it, to be sent under `secret`.
    fn take(&self, secret: &TrafficSecret) -> Vec<u8>;

    /// Over datagrams: whether the run that was taken last is answered, which acknowledges it (RFC 9147 §7.1).
    #[cfg_attr(not(feature = "dtls"), allow(dead_code))]
    fn is_answered(&self) -> bool;

    /// Client: the key of the certificate that it has shown last.
    fn shown(&self) -> Option<Arc<Sha256Digest>>;
}

/// How the writer hears of an authentication, over either transport.
#[derive(Clone, Debug)]
pub(crate) enum ToWriter {
    Stream(Arc<Mailbox>),
    #[cfg(feature = "dtls")]
    Datagram(Arc<Mail>),
}

impl ToWriter {
    /// What waits is to be sent.
    pub(crate) fn authenticate(&self) {
        match self {
            Self::Stream(mailbox) => mailbox.authenticate(),
            #[cfg(feature = "dtls")]
            Self::Datagram(mail) => mail.authenticate(),
        }
    }

    /// Whether this side has said close_notify, so that nothing more goes out.
    pub(crate) fn is_silent(&self) -> bool {
        match self {
            Self::Stream(mailbox) => mailbox.is_silent(),
            #[cfg(feature = "dtls")]
            Self::Datagram(mail) => mail.is_closed(),
        }
    }

    /// The connection is over.
    pub(crate) fn fail(&self, error: Error) {
        match self {
            Self::Stream(mailbox) => mailbox.fail(error),
            #[cfg(feature = "dtls")]
            Self::Datagram(mail) => mail.fail(error),
        }
    }
}

/// What records of the peer are read with, where it may authenticate.
pub(super) type Authenticating<'a> = (&'a dyn Authentication, &'a TrafficSecret);
