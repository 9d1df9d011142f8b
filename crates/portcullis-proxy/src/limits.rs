//! How many connections one address may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections by address; of IPv6 by the network of 64 bits, which one host has to itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place among those of its address, until it is dropped.
#[derive(Debug)]
pub(crate) struct AddressPlace(Option<(Addresses, IpAddr)>);

impl Addresses {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless there are `most` already; 0 is no limit, and a client that has no address has none.
    pub(crate) fn enter(&self, address: Option<IpAddr>, most: usize) -> Option<AddressPlace> {
        let Some(address) = address.filter(|_| most > 0) else {
            return Some(AddressPlace(None));
        };
        let address = network(address);
        let mut all = self.lock();
        let count = all.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(AddressPlace(Some((self.clone(), address))))
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let Some((addresses, address)) = &self.0 else {
            return;
        };
        let mut all = addresses.lock();
        if let Some(count) = all.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                all.remove(address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_places_and_nothing_is_kept_of_it_afterwards() {
        let addresses = Addresses::default();
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let same: IpAddr = "2001:db8::ffff".parse().unwrap();
        let other: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let places = [
            addresses.enter(Some(one), 2),
            addresses.enter(Some(same), 2),
        ];
        assert!(addresses.enter(Some(one), 2).is_none());
        let others = [addresses.enter(Some(other), 1)];
        assert!(addresses.enter(Some(mapped), 1).is_none());
        assert!(addresses.enter(Some(one), 0).is_some());
        assert!(addresses.enter(None, 1).is_some());
        drop((places, others));
        assert!(addresses.lock().is_empty());
    }
}
