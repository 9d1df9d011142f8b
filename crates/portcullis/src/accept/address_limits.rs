//! What one address may have of an acceptor: so that one client does not take the place of all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::error::Error;

/// The most addresses that are remembered. Others share one place, so that many addresses are no way around
/// the limits.
const ADDRESSES: usize = 65_536;

/// What one address may have: [`Connections::per_address`](crate::Connections::per_address).
///
/// An address of IPv6 counts with all others of its /64, which one client can have, and one that stands for
/// IPv4 as that. What is over a limit is closed at once, before a byte is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddressLimits {
    handshakes: usize,
    rate: Option<Rate>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    burst: f64,
    per_second: f64,
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self {
            handshakes: 64,
            rate: None,
        }
    }
}

impl AddressLimits {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many handshakes may be under way at once, at least 1. Default: 64.
    #[must_use]
    pub fn handshakes(mut self, at_once: usize) -> Self {
        self.handshakes = at_once.max(1);
        self
    }

    /// How many connections may come: `burst` at once, and then so many a second. Both at least 1.
    /// Default: any.
    #[must_use]
    pub fn rate(mut self, burst: u32, per_second: u32) -> Self {
        self.rate = Some(Rate {
            burst: burst.max(1).into(),
            per_second: per_second.max(1).into(),
        });
        self
    }
}

/// Who has what.
#[derive(Debug)]
pub(crate) struct Addresses {
    limits: AddressLimits,
    /// Hashed with a key of this map's own: nobody can choose addresses that fall together.
    known: HashMap<Address, Usage>,
    /// Of all whom the map has no room for.
    crowd: Usage,
}

/// What counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Address {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => Self::V6(prefix(v6)),
        }
    }
}

/// What counts as one client, in bytes that no other has.
#[cfg(feature = "dtls")]
pub(crate) fn host(address: IpAddr) -> [u8; 8] {
    match Address::from(address) {
        // No prefix that is given out begins with zeros.
        Address::V4([a, b, c, d]) => [0, 0, 0, 0, a, b, c, d],
        Address::V6(prefix) => prefix,
    }
}

fn prefix(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

#[derive(Debug)]
struct Usage {
    handshakes: usize,
    /// Connections that may come now, and since when.
    tokens: f64,
    since: Instant,
}

impl Usage {
    fn new(limits: &AddressLimits, now: Instant) -> Self {
        Self {
            handshakes: 0,
            tokens: limits.rate.map_or(0.0, |rate| rate.burst),
            since: now,
        }
    }

    fn enter(&mut self, limits: &AddressLimits, now: Instant) -> Result<(), Error> {
        if self.handshakes >= limits.handshakes {
            return Err(Error::crowded(
                "the address has as many handshakes under way as it may: `AddressLimits::handshakes`",
            ));
        }
        if let Some(rate) = limits.rate {
            self.refill(rate, now);
            if self.tokens < 1.0 {
                return Err(Error::crowded(
                    "the address connects more often than it may: `AddressLimits::rate`",
                ));
            }
            self.tokens -= 1.0;
        }
        self.handshakes += 1;
        Ok(())
    }

    /// Whether it could enter.
    #[cfg(feature = "dtls")]
    fn has_room(&mut self, limits: &AddressLimits, now: Instant) -> bool {
        let Some(rate) = limits.rate else {
            return self.handshakes < limits.handshakes;
        };
        self.refill(rate, now);
        self.handshakes < limits.handshakes && self.tokens >= 1.0
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.tokens = (self.tokens + passed * rate.per_second).min(rate.burst);
        self.since = now;
    }

    /// Whether it says nothing that a new one would not say.
    fn is_idle(&mut self, limits: &AddressLimits, now: Instant) -> bool {
        if let Some(rate) = limits.rate {
            self.refill(rate, now);
            return self.handshakes == 0 && self.tokens >= rate.burst;
        }
        self.handshakes == 0
    }
}

/// A handshake that counts until it is over, however it ends.
#[derive(Debug)]
pub(crate) struct Place {
    addresses: Arc<Mutex<Addresses>>,
    /// `None`: of the crowd.
    address: Option<Address>,
}

impl Addresses {
    pub(crate) fn new(limits: AddressLimits) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            limits,
            known: HashMap::new(),
            crowd: Usage::new(&limits, Instant::now()),
        }))
    }

    /// A place for one more handshake of this address.
    pub(crate) fn enter(this: &Arc<Mutex<Self>>, address: IpAddr) -> Result<Place, Error> {
        let now = Instant::now();
        let key = Address::from(address);
        let mut addresses = lock(this);
        let Self {
            limits,
            known,
            crowd,
        } = &mut *addresses;
        if known.len() >= ADDRESSES && !known.contains_key(&key) {
            known.retain(|_, usage| !usage.is_idle(limits, now));
        }
        let has_room = known.len() < ADDRESSES || known.contains_key(&key);
        let usage = match has_room {
            true => known.entry(key).or_insert_with(|| Usage::new(limits, now)),
            false => crowd,
        };
        usage.enter(limits, now)?;
        Ok(Place {
            addresses: this.clone(),
            address: has_room.then_some(key),
        })
    }
}

#[cfg(feature = "dtls")]
impl Addresses {
    /// Whether an address that is not yet known to be the client's may have one more; nothing is counted.
    pub(crate) fn have_room_for(this: &Mutex<Self>, address: IpAddr) -> bool {
        let mut addresses = lock(this);
        let Self {
            limits,
            known,
            crowd,
        } = &mut *addresses;
        let is_full = known.len() >= ADDRESSES;
        let usage = match known.get_mut(&Address::from(address)) {
            Some(usage) => usage,
            None if is_full => crowd,
            None => return true,
        };
        usage.has_room(limits, Instant::now())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut addresses = lock(&self.addresses);
        let Addresses {
            limits,
            known,
            crowd,
        } = &mut *addresses;
        let usage = match self.address {
            Some(key) => known.get_mut(&key),
            None => Some(crowd),
        };
        let Some(usage) = usage else {
            return;
        };
        usage.handshakes -= 1;
        if let Some(key) = self.address
            && usage.is_idle(limits, Instant::now())
        {
            known.remove(&key);
        }
    }
}

fn lock(addresses: &Mutex<Addresses>) -> MutexGuard<'_, Addresses> {
    addresses.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[tokio::test(start_paused = true)]
    async fn caps_count_prefixes_of_v6() {
        let limits = AddressLimits::new().handshakes(1);
        let addresses = Addresses::new(limits);
        let enter = |text: &str| Addresses::enter(&addresses, text.parse().unwrap());
        let first = enter("2001:db8::1").unwrap();
        assert!(enter("2001:db8::ffff:1").is_err());
        let _other = enter("2001:db8:0:1::1").unwrap();
        let _mapped = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_err());
        drop(first);
        assert!(enter("2001:db8::2").is_ok());
    }

    #[cfg(feature = "dtls")]
    #[test]
    fn a_gate_tells_the_same_clients_apart() {
        let host = |text: &str| host(text.parse().unwrap());
        assert_eq!(host("2001:db8::1"), host("2001:db8::ffff:1"));
        assert_ne!(host("2001:db8::1"), host("2001:db8:0:1::1"));
        assert_eq!(host("::ffff:192.0.2.1"), host("192.0.2.1"));
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_a_bucket() {
        let addresses = Addresses::new(AddressLimits::new().rate(3, 2));
        let enter = || Addresses::enter(&addresses, v4(1)).map(drop);
        for _ in 0..3 {
            enter().unwrap();
        }
        assert!(enter().is_err());
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        enter().unwrap();
        enter().unwrap();
        assert!(enter().is_err());
        // Another address has its own.
        assert!(Addresses::enter(&addresses, v4(2)).is_ok());
    }

    /// Those who do not fit into the map share one place.
    #[tokio::test(start_paused = true)]
    async fn full_map_is_no_hole() {
        let addresses = Addresses::new(AddressLimits::new().handshakes(2));
        let places: Vec<_> = (0..ADDRESSES as u32)
            .map(|number| Addresses::enter(&addresses, v4(number)).unwrap())
            .collect();
        let new = |number: u32| Addresses::enter(&addresses, v4(0x0100_0000 + number));
        let crowd = [new(0).unwrap(), new(1).unwrap()];
        assert!(new(2).is_err());
        // Who is known is not of it.
        assert!(Addresses::enter(&addresses, v4(7)).is_ok());
        drop(crowd);
        assert!(new(3).is_ok());
        drop(places);
        assert!(lock(&addresses).known.is_empty());
    }
}
