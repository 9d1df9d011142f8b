//! A gate in front of other servers: it decrypts second hellos, and somebody passes them on.
//!
//! RFC 9849 §3.1, §7.1. A server that forwards a first hello has to keep what opens the second, of addresses that may be forged.
//! So this one asks for the cookie itself, and the servers behind have the secret that it was sealed with: what was said
//! before is in the cookie, for both of them.

use super::super::server::{ReturnedEch, ServerHelloWatch};
use crate::client_hello_view::ClientHelloView;
use crate::record::{ConnectionId, HandshakeBytes, plain_message_in_pieces};

/// The second hello of a client whose cookie has come back, decrypted. It is for a server behind, by its name, or for this
/// side's own.
///
/// Between this side and the server behind has to be something that others cannot read, or they see what was hidden.
pub struct FrontedHello {
    pub(super) view: ClientHelloView,
    pub(super) inner: HandshakeBytes,
    pub(super) message_seq: u16,
    /// The number of the client's last record.
    pub(super) sequence: u64,
}

/// Not what was encrypted.
impl core::fmt::Debug for FrontedHello {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FrontedHello")
            .field("length", &self.inner.raw().len())
            .finish_non_exhaustive()
    }
}

impl FrontedHello {
    /// What the client says to the server that it wants.
    pub const fn client_hello(&self) -> &ClientHelloView {
        &self.view
    }

    /// The hello for a server behind, in datagrams of at most so many bytes, but of at least 256: it is of a
    /// [configuration](crate::config::ServerConfigBuilder::ech_backend) that has no keys, and has the same
    /// [`CookieSecret`](crate::CookieSecret). What it answers, and what the client says from here on, is passed on as it is.
    pub fn datagrams(&self, longest: usize) -> Vec<Vec<u8>> {
        plain_message_in_pieces(
            self.sequence,
            self.message_seq,
            self.inner.raw(),
            longest.max(256),
        )
    }
}

/// Looks at what a server behind answers, for the [`ConnectionId`] that the client's records are to have: by it a
/// client is found that goes on from another address.
#[derive(Debug)]
pub struct FrontedAnswer(Option<ServerHelloWatch>);

impl FrontedAnswer {
    /// Of the server that has got this hello.
    pub fn new(hello: &FrontedHello) -> Self {
        Self(Some(ServerHelloWatch::new(hello.message_seq)))
    }

    /// Takes a datagram of the server's. Gives the id, once, when the ServerHello is whole and has one that is not empty.
    /// It holds as much as a ServerHello may have, 4 KiB, and nothing once that was seen.
    pub fn on_datagram(&mut self, datagram: &[u8]) -> Option<ConnectionId> {
        let found = self.0.as_mut()?.on_datagram(datagram)?;
        self.0 = None;
        found
    }
}

/// Whether a hello with this is for servers behind: it was decrypted here.
pub(super) fn is_decrypted(returned: Option<&ReturnedEch>) -> bool {
    matches!(returned, Some(ReturnedEch::Outer(outer)) if outer.declined.is_none())
}
