//! What a driver does with clients of servers behind it.

use portcullis_core::{FrontedAnswer, FrontedHello};

use super::driver::Driver;
use super::hello;
use super::link::Path;
use super::lock;
use crate::accept::Addresses;
use crate::metrics::{self, Full};

impl Driver {
    /// Whether a datagram is of a client that is passed on, and of nobody else.
    pub(super) fn is_passed_on(&mut self, path: Path, datagram: &[u8]) -> bool {
        let Some(passages) = &self.passages else {
            return false;
        };
        // A hello may be of a client that begins anew, which is asked for a cookie; and what is not DTLS (RFC 7983) is for nobody.
        let is_hello = hello::client_hello(datagram).is_some();
        if is_hello || !matches!(datagram, [20..=63, ..]) {
            return false;
        }
        let is_own = self.peers.at(&path).is_some();
        if passages.are_at(&path) {
            passages.pass_on(&path, datagram);
            return !is_own;
        }
        if is_own {
            return false;
        }
        let Some(from) = passages.identified(datagram) else {
            return false;
        };
        // Nobody has shown yet to be there, so no place of that address is taken.
        if !from.may_move() || self.is_full() {
            return true;
        }
        if let Some(passages) = &mut self.passages {
            let opened = passages.follow(&self.endpoint, &from, path, datagram);
            let mut statistics = lock(&self.endpoint.statistics);
            statistics.fronted.moved += u64::from(opened.is_ok());
            statistics.fronted.opened += u64::from(opened.is_ok());
            statistics.fronted.socket_failures += u64::from(opened.is_err());
        }
        self.publish();
        true
    }

    /// Passes a hello on that was decrypted, if it is for a server behind.
    pub(super) fn forward(
        &mut self,
        path: Path,
        fronted: &FrontedHello,
        random: Option<[u8; 32]>,
    ) -> bool {
        let Some(front) = self.door.as_ref().and_then(|door| door.front.clone()) else {
            return false;
        };
        let datagrams = || fronted.datagrams(front.longest);
        let is_known = self
            .passages
            .as_ref()
            .is_some_and(|passages| passages.again(&path, random, datagrams));
        if is_known {
            return true;
        }
        let Some(server) = (front.route)(fronted.client_hello()) else {
            return false;
        };
        let Some(place) = self.room_for_another(path) else {
            return true;
        };
        if let Some(passages) = &mut self.passages {
            let opened = passages.open(
                &self.endpoint,
                (path, server),
                (random, FrontedAnswer::new(fronted)),
                Some(place),
                &datagrams(),
            );
            let mut statistics = lock(&self.endpoint.statistics);
            statistics.fronted.opened += u64::from(opened.is_ok());
            statistics.fronted.socket_failures += u64::from(opened.is_err());
        }
        self.publish();
        true
    }

    /// Whether so many clients are passed on that there is no room for another, which is counted.
    fn is_full(&self) -> bool {
        let front = self.door.as_ref().and_then(|door| door.front.as_ref());
        let most = front.map_or(0, |front| front.clients);
        let is_full = self
            .passages
            .as_ref()
            .is_none_or(|passages| passages.len() >= most);
        if is_full {
            lock(&self.endpoint.statistics).fronted.clients_full += 1;
            metrics::full(Full::Clients);
        }
        is_full
    }

    /// A place for another client that is passed on, if there is one.
    fn room_for_another(&self, path: Path) -> Option<crate::accept::Place> {
        if self.is_full() {
            return None;
        }
        let door = self.door.as_ref()?;
        let place = Addresses::enter(&door.addresses, path.peer.ip()).ok();
        if place.is_none() {
            lock(&self.endpoint.statistics).address_full += 1;
            metrics::full(Full::Address);
        }
        place
    }
}
