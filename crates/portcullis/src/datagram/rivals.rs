//! Several who say hello at one address: whose a hello is, and who goes on.
//!
//! A hello in the clear can be forged, and so can its address until a cookie has come back from there. Who has shown that he
//! reads there takes the place of a handshake that has not, and of a connection when his own handshake is over.

use super::association::{Association, Standing};
use super::hello;
use crate::sync::Ordering;

/// How an association began.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// This side says hello.
    Called,
    /// The peer has: with this random, and with a cookie or without.
    Admitted {
        hello: Option<[u8; 32]>,
        is_unproved: bool,
    },
}

/// Whose a datagram may be that comes from where an association is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Its,
    /// Or of somebody who begins anew.
    Either,
    Strangers,
}

impl Association {
    /// Whose a datagram is that has come from its peer's address, as far as that can be seen.
    pub(super) fn whose(&self, datagram: &[u8]) -> Whose {
        if self.standing() != Standing::Handshake {
            return match hello::is_in_the_clear(datagram) {
                true => Whose::Either,
                false => Whose::Its,
            };
        }
        match hello::client_hello(datagram) {
            // No server says that.
            Some(_) if self.is_called => Whose::Strangers,
            // Who was let in without a cookie need not be at his address: whoever is there has another random.
            Some(Some(random)) if self.is_unproved() => match self.is_of(Some(random)) {
                true => Whose::Its,
                false => Whose::Strangers,
            },
            Some(None) if self.is_unproved() => Whose::Either,
            _ => Whose::Its,
        }
    }

    /// Whether it began with this hello.
    pub(super) fn is_of(&self, hello: Option<[u8; 32]>) -> bool {
        hello.is_some_and(|hello| self.hello.get() == Some(&hello))
    }

    fn is_unproved(&self) -> bool {
        self.is_unproved.load(Ordering::Acquire)
    }

    /// The peer reads where he says. Whether that was not known before.
    pub(super) fn is_proved(&self) -> bool {
        self.is_unproved.swap(false, Ordering::AcqRel)
    }

    /// Whether a handshake that begins with this hello, whose sender reads at this address, may begin beside this, or
    /// in its place.
    pub(super) fn leaves_room_for(&self, hello: Option<[u8; 32]>) -> bool {
        !self.is_of(hello) && (self.standing() != Standing::Handshake || self.is_weaker_than(hello))
    }

    /// Of two calls that cross, both sides go on with the one whose hello has the greater random: each knows both.
    pub(super) fn is_weaker_than(&self, hello: Option<[u8; 32]>) -> bool {
        match self.is_called {
            true => hello.as_ref() > self.hello.get(),
            false => self.is_unproved(),
        }
    }
}
