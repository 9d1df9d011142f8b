//! What the gate lets in: a hello from an address at which somebody reads, as far as is known.

use core::time::Duration;

use super::front::{FrontedHello, is_decrypted};
use crate::handshake::server::ReturnedCookie;

/// Proof that somebody reads at an address, and what was received from there:
/// [`Handshake::datagram_server`](crate::Handshake::datagram_server) begins with it.
pub struct Admission {
    pub(in super::super) datagram: Vec<u8>,
    /// If it was asked for by a HelloRetryRequest.
    pub(in super::super) returned: Option<Box<ReturnedCookie>>,
    /// The message_seq of the hello that it begins with, and of the server's first message.
    pub(in super::super) next_message: u16,
    /// The number of the first record that the server sends.
    pub(in super::super) next_record: u64,
    pub(super) hello_random: Option<[u8; 32]>,
    /// Nobody has asked whether somebody reads there.
    pub(in super::super) is_unproved: bool,
    pub(super) has_cookie: bool,
    /// How long the cookie was under way: no shorter than a round trip.
    pub(in super::super) round_trip: Option<Duration>,
    /// Whose cookie it is, if a server in front has asked for it.
    pub(super) client: Option<Box<[u8]>>,
    /// What was decrypted, if it may be for a server behind.
    pub(super) fronted: Option<Box<FrontedHello>>,
}

impl core::fmt::Debug for Admission {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Admission")
            .field("datagram", &self.datagram.len())
            .field("returned", &self.returned.is_some())
            .finish_non_exhaustive()
    }
}

impl Admission {
    /// Begins without a cookie: the caller says that the address was proved by other means. `datagram` is
    /// the first that came from there.
    pub fn without_cookie(datagram: impl Into<Vec<u8>>) -> Self {
        Self {
            datagram: datagram.into(),
            returned: None,
            next_message: 0,
            next_record: 0,
            hello_random: None,
            is_unproved: false,
            has_cookie: false,
            round_trip: None,
            client: None,
            fronted: None,
        }
    }

    /// Of a gate that is [in front](super::Gate::in_front) of other servers: the hello that was decrypted, for the one that it is
    /// for. `None` if there is none, or it was taken: whoever it is from is this side's own client.
    pub fn take_fronted(&mut self) -> Option<Box<FrontedHello>> {
        self.fronted.take()
    }

    /// Whether a cookie has come back: somebody reads at this address, for all that the transport knows. With
    /// [`CookiePolicy::Never`](super::CookiePolicy::Never) nobody has asked.
    pub const fn has_cookie(&self) -> bool {
        self.has_cookie
    }

    /// Whether nobody has asked if somebody reads at the address: without load
    /// ([`CookiePolicy::UnderLoad`](super::CookiePolicy::UnderLoad)). A handshake that succeeds shows it.
    pub fn is_unproved(&self) -> bool {
        self.is_unproved
    }

    /// The client's address as a server in front of this one knows it (RFC 9849 §3.1), in whose cookie it is: what that
    /// has given its gate for `peer`.
    pub fn fronted_client(&self) -> Option<&[u8]> {
        self.client.as_deref()
    }

    /// The random of the hello: one that comes twice is not from two clients. `None` without a policy that asks for
    /// cookies.
    pub fn hello_random(&self) -> Option<[u8; 32]> {
        self.hello_random
    }

    /// Whether its hello was encrypted, and its first was decrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        let cookie = self.returned.as_ref();
        cookie.is_some_and(|cookie| is_decrypted(cookie.requested.ech.as_ref()))
    }
}
