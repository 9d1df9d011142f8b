//! Several who say hello at one address: whose a hello is, and who goes on.
//!
//! A hello in the clear can be forged, and so can its address until a cookie has come back from there. A client that has shown
//! that it reads there takes the place of a handshake, and of a connection when its own handshake is over (RFC 9147 §5.11 and RFC 6347
//! §4.2.8 let the cookie do for both): a client that starts anew waits for nothing. Of two hellos with cookies the first that was
//! given up does not come back, nor do those before it, so copies of them that were late on their way do not take turns.

use super::association::{Association, Phase, Standing};
use super::{hello, lock};
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

/// What somebody has said who wants to be at an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// The random of the hello.
    pub(super) hello: Option<[u8; 32]>,
    /// A cookie came with it, which was sent there.
    pub(super) has_cookie: bool,
}

/// Whose a datagram may be that comes from where an association is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Its,
    /// Or of somebody who begins anew.
    Either,
    /// Or of somebody who begins anew, where the gate has the beginning of his hello.
    Rest,
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
            // Another random is of a client that starts anew; or of the one that is really at this address, where the
            // association was let in without a cookie and is not.
            Some(Some(random)) => match self.hello.get() {
                Some(own) if *own != random => Whose::Strangers,
                _ => Whose::Its,
            },
            Some(None) if self.is_unproved() => Whose::Either,
            // The gate keeps nothing of one whom it has let in with the first of several pieces.
            Some(None) => Whose::Rest,
            None => Whose::Its,
        }
    }

    /// Whether it began with this hello.
    pub(super) fn is_of(&self, hello: Option<[u8; 32]>) -> bool {
        hello.is_some_and(|hello| self.hello.get() == Some(&hello))
    }

    fn is_unproved(&self) -> bool {
        self.is_unproved.load(Ordering::Acquire)
    }

    /// The peer reads where it says. Whether that was not known before.
    pub(super) fn is_proved(&self) -> bool {
        self.is_unproved.swap(false, Ordering::AcqRel)
    }

    /// Whether a handshake that begins with this hello, whose sender reads at this address, may begin beside this, or
    /// in its place.
    pub(super) fn leaves_room_for(&self, said: &Said) -> bool {
        !self.is_of(said.hello)
            && match &lock(&self.reading).phase {
                Phase::Handshake(waiting) => self.is_weaker_than(said, &waiting.instead_of),
                _ => true,
            }
    }

    /// Of two calls that cross, both sides go on with the one whose hello has the greater random: each knows both. Of two
    /// clients it is the later one that has shown that it is there, but for those in whose place this is.
    pub(super) fn is_weaker_than(&self, said: &Said, instead_of: &[[u8; 32]]) -> bool {
        match self.is_called {
            true => said.hello.as_ref() > self.hello.get(),
            false => {
                let is_back = said.hello.is_some_and(|hello| instead_of.contains(&hello));
                self.is_unproved() || said.has_cookie && !is_back
            }
        }
    }
}
