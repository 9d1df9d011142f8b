//! Lists from where certificates say they are (`{http, Timeout}` of `ssl_crl_cache`).

pub(crate) mod client;
pub(crate) mod guard;
mod schedule;

pub use client::Resolve;
pub use ipnet::IpNet;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::x509::{Crl, CrlQuery};
use tokio::time::timeout;

use self::client::{Bounds, Fetched, SystemResolver, Validators, fetch};
use self::guard::Guard;
use self::schedule::{Kept, Place, Schedule, State};
use crate::{CrlFuture, CrlSource, Lookup};

/// More URLs of one distribution point are not tried.
const MAX_URLS: usize = 4;

/// Fetches revocation lists by HTTP from the distribution points of certificates, keeps them, and fetches them again
/// before they are over. Cheap to clone; clones share all but their options. With feature `http`; needs a Tokio
/// runtime with its timer.
///
/// * Only where an authority that leads to a trust anchor has said that a list is, nothing is fetched before that is
///   known, and [nothing from addresses that are not everybody's](Self::allow).
/// * A handshake [waits](Self::wait) for 2 seconds at most for each URL, and for all of them no longer than its own
///   budget; the request goes on behind it. However many want a list at once, there is one request.
/// * A request takes 10 seconds at most, 3 of them to connect. A list has at most [16 MiB](Self::max_bytes); no
///   redirection is followed, and nothing is unpacked.
/// * After a failure the URL is left alone for 30 seconds, then for twice as long each time, up to an hour.
/// * At three quarters of its time a list that was used is fetched anew, by a task that ends with the source.
/// * A new list stands beside the one before until a handshake has verified it: whoever forges answers of HTTP pushes no
///   good one out. If within 10 seconds none has, that counts as a failure: the list is fetched again, and the other
///   URLs of the point are tried, too. One that is older than what is there is not taken.
/// * 256 URLs and 128 MiB of lists are remembered; what was used longest ago goes.
///
/// LDAP, https and other schemes are passed over.
#[derive(Clone)]
pub struct HttpCrls {
    guard: Guard,
    resolver: Arc<dyn Resolve>,
    bounds: Bounds,
    wait: Duration,
    schedule: Arc<Schedule>,
}

impl Default for HttpCrls {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpCrls {
    /// With the bounds above, and nothing fetched yet.
    pub fn new() -> Self {
        Self {
            guard: Guard::default(),
            resolver: Arc::new(SystemResolver),
            bounds: Bounds {
                connect: Duration::from_secs(3),
                whole: Duration::from_secs(10),
                body: 16 << 20,
            },
            wait: Duration::from_secs(2),
            schedule: Arc::default(),
        }
    }

    /// How long a handshake waits for a list that is not there, at most as long as its own budget for lists: for each
    /// URL, of which a distribution point may have four. Default: 2 seconds.
    #[must_use]
    pub fn wait(mut self, at_most: Duration) -> Self {
        self.wait = at_most;
        self
    }

    /// How long a request may take in all. Default: 10 seconds; connecting may take 3 of them at most.
    #[must_use]
    pub fn request_timeout(mut self, at_most: Duration) -> Self {
        self.bounds.whole = at_most;
        self.bounds.connect = self.bounds.connect.min(at_most);
        self
    }

    /// How long a list may be, in bytes. Default: 16 MiB.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.bounds.body = bytes;
        self
    }

    /// Also fetches from these addresses, for authorities of one's own. By default a host is refused that has any
    /// address which is private, of this machine, link-local, multicast, reserved, or contains another: then a
    /// certificate could make this machine talk to whom its network trusts.
    ///
    /// ```
    /// # use portcullis_crl_fetch as portcullis;
    /// use portcullis::HttpCrls;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let crls = HttpCrls::new().allow("10.1.2.0/24".parse()?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn allow(mut self, net: IpNet) -> Self {
        self.guard.nets.push(net);
        self
    }

    /// Also fetches from this host, whatever its addresses are: whoever answers for its name is trusted with that.
    #[must_use]
    pub fn allow_host(mut self, name: &str) -> Self {
        self.guard.hosts.insert(name.to_ascii_lowercase());
        self
    }

    /// Also fetches from this port. By default 80, and 1,024 and higher.
    #[must_use]
    pub fn allow_port(mut self, port: u16) -> Self {
        self.guard.ports.insert(port);
        self
    }

    /// Finds addresses in another way than the system does.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Fetches the list at a URL now, within the same bounds, and does not keep it. Nothing says that it is genuine.
    ///
    /// # Errors
    /// Why there is none.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub async fn fetch(&self, url: &str) -> Result<Arc<Crl>, String> {
        let target = self.guard.target(url)?;
        match fetch(
            &target,
            &self.guard,
            &*self.resolver,
            &Validators::default(),
            self.bounds,
        )
        .await?
        {
            Fetched::List { list, .. } => Ok(list),
            Fetched::NotModified => Err("304, though nothing was there".to_owned()),
        }
    }

    /// How many lists are kept.
    pub fn len(&self) -> usize {
        self.schedule.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many requests were made so far.
    pub fn requests(&self) -> u64 {
        self.schedule.requests()
    }

    async fn find(&self, query: &CrlQuery, stale: Option<&Arc<Crl>>) -> Lookup {
        let (mut found, mut why) = (Vec::new(), Vec::new());
        for url in query.uris().iter().take(MAX_URLS) {
            match self.at(url, query, stale).await {
                Ok(Kept { lists, doubtful }) => {
                    found.extend(lists);
                    if !doubtful {
                        break;
                    }
                }
                Err(reason) => {
                    tracing::debug!(url, reason, "no revocation list");
                    why.push(format!("{url}: {reason}"));
                }
            }
        }
        match found.is_empty() {
            true => Lookup::NotAvailable((!why.is_empty()).then(|| why.join("; "))),
            false => Lookup::Found(found),
        }
    }

    /// The lists at a URL: those that are there if one of them is good, else those that can be had now.
    async fn at(
        &self,
        url: &str,
        query: &CrlQuery,
        stale: Option<&Arc<Crl>>,
    ) -> Result<Kept, String> {
        let target = self.guard.target(url)?;
        let place = Place {
            url: url.to_owned(),
            issuers: query.issuers().map(<[u8]>::to_vec).collect(),
        };
        let is_wanted = |kept: &Kept| {
            kept.lists.iter().any(|list| {
                !list.is_stale(query.now()) && stale.is_none_or(|stale| !Arc::ptr_eq(stale, list))
            })
        };
        let flight = match self.schedule.state(&place, true) {
            State::Kept(kept) if is_wanted(&kept) => return Ok(kept),
            _ if query.is_memory_only() => return Err("there is no good one in memory".to_owned()),
            State::Failed { why, again_in } => {
                return Err(format!("{why}; asked again in {} s", again_in.as_secs()));
            }
            State::Flying(flight) => flight,
            State::Kept(_) | State::Unknown => self.schedule.begin(&place, target, self)?,
        };
        let budget = self.wait.min(query.budget());
        match timeout(budget, flight.landed()).await {
            Ok(()) => {}
            Err(_) => {
                return Err(format!(
                    "it took longer than {budget:?}, and may be there next time"
                ));
            }
        }
        match self.schedule.state(&place, false) {
            State::Kept(kept) if is_wanted(&kept) => Ok(kept),
            State::Failed { why, again_in } => {
                Err(format!("{why}; asked again in {} s", again_in.as_secs()))
            }
            _ => Err("what is there is over".to_owned()),
        }
    }
}

impl CrlSource for HttpCrls {
    fn lookup<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        Box::pin(self.find(query, None))
    }

    fn fresh<'a>(&'a self, query: &'a CrlQuery, stale: &'a Arc<Crl>) -> CrlFuture<'a, Lookup> {
        Box::pin(self.find(query, Some(stale)))
    }
}

impl fmt::Debug for HttpCrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCrls")
            .field("guard", &self.guard)
            .field("bounds", &self.bounds)
            .field("wait", &self.wait)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
