//! What is kept of each URL, and when it is asked for again: one request for all who want it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use portcullis_core::x509::Crl;
use rustls_pki_types::UnixTime;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::HttpCrls;
use super::client::{Fetched, Validators, fetch};
use super::guard::Target;

const MAX_URLS: usize = 256;
const MAX_BYTES: usize = 128 << 20;
const REQUESTS_AT_ONCE: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// Nothing is fetched ahead more often.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);

/// What is known of a URL.
pub(super) enum State {
    Kept(Vec<Arc<Crl>>),
    Flying(Flight),
    /// It is left alone for so long.
    Failed {
        why: String,
        again_in: Duration,
    },
    Unknown,
}

/// A request that is under way.
#[derive(Clone)]
pub(super) struct Flight(watch::Receiver<()>);

impl Flight {
    /// Also where its task was ended with its runtime.
    fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }

    /// Waits until it is over.
    pub(super) async fn landed(mut self) {
        // The sender is dropped then, and sends nothing.
        while self.0.changed().await.is_ok() {}
    }
}

/// What is kept, and the requests that are under way.
pub(super) struct Schedule {
    urls: Mutex<HashMap<String, Entry>>,
    /// At once, and of one host.
    room: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
    requests: AtomicU64,
    jitter: RandomState,
}

#[derive(Default)]
struct Entry {
    /// The newest first; the second was verified, and stays until the first is.
    lists: Vec<Arc<Crl>>,
    validators: Validators,
    flight: Option<Flight>,
    failure: Option<Failure>,
    /// When it is fetched ahead.
    ahead: Option<AbortHandle>,
    used: Option<Instant>,
    fetched: Option<Instant>,
}

struct Failure {
    why: String,
    pause: Duration,
    until: Instant,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            urls: Mutex::default(),
            room: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)),
            hosts: Mutex::default(),
            requests: AtomicU64::new(0),
            jitter: RandomState::new(),
        }
    }
}

impl Schedule {
    fn urls(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // An entry is whole after each line that changes it.
        self.urls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.urls().values().map(|entry| entry.lists.len()).sum()
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What is known of a URL; `wanted`: by somebody who has not waited for its request.
    pub(super) fn state(&self, url: &str, wanted: bool) -> State {
        let mut urls = self.urls();
        let Some(entry) = urls.get_mut(url) else {
            return State::Unknown;
        };
        if wanted {
            entry.used = Some(Instant::now());
        }
        entry.settle();
        if entry.flight.as_ref().is_some_and(Flight::is_over) {
            entry.flight = None;
        }
        let is_good = entry.lists.iter().any(|list| !list.is_stale(now()));
        if let (false, Some(flight)) = (is_good, &entry.flight) {
            return State::Flying(flight.clone());
        }
        match &entry.failure {
            Some(failure) if !is_good => {
                let again_in = failure.until.saturating_duration_since(Instant::now());
                match again_in.is_zero() {
                    true => State::Unknown,
                    false => State::Failed {
                        why: failure.why.clone(),
                        again_in,
                    },
                }
            }
            _ if entry.lists.is_empty() => State::Unknown,
            _ => State::Kept(entry.lists.clone()),
        }
    }

    /// Begins a request, or joins the one that is under way.
    pub(super) fn begin(
        self: &Arc<Self>,
        url: &str,
        target: Target,
        source: &HttpCrls,
    ) -> Result<Flight, String> {
        let mut urls = self.urls();
        let flight = urls.get(url).and_then(|entry| entry.flight.clone());
        if let Some(flight) = flight.filter(|flight| !flight.is_over()) {
            return Ok(flight);
        }
        if !urls.contains_key(url) && urls.len() >= MAX_URLS && !evict(&mut urls, None) {
            return Err(format!("{MAX_URLS} other lists are being fetched"));
        }
        let entry = urls.entry(url.to_owned()).or_default();
        entry.used = Some(Instant::now());
        let (sender, receiver) = watch::channel(());
        let flight = Flight(receiver);
        entry.flight = Some(flight.clone());
        let validators = entry.validators.clone();
        drop(urls);
        let (schedule, url) = (Arc::clone(self), url.to_owned());
        let host = self.host(&target.host);
        let (guard, resolver, bounds) = (
            source.guard.clone(),
            Arc::clone(&source.resolver),
            source.bounds,
        );
        let ahead = Ahead {
            source: WeakSource::of(source),
            target: target.clone(),
        };
        tokio::spawn(async move {
            // Neither is ever closed.
            let _of_host = host.acquire().await;
            let _of_all = schedule.room.acquire().await;
            schedule.requests.fetch_add(1, Ordering::Relaxed);
            let fetched = fetch(&target, &guard, &*resolver, &validators, bounds).await;
            schedule.land(&url, fetched, ahead);
            drop(sender);
        });
        Ok(flight)
    }

    fn host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, room| room.strong_count() > 0);
        if let Some(room) = hosts.get(host).and_then(Weak::upgrade) {
            return room;
        }
        let room = Arc::new(Semaphore::new(1));
        hosts.insert(host.to_owned(), Arc::downgrade(&room));
        room
    }

    fn land(self: &Arc<Self>, url: &str, fetched: Result<Fetched, String>, ahead: Ahead) {
        let mut urls = self.urls();
        let Some(entry) = urls.get_mut(url) else {
            return;
        };
        entry.flight = None;
        let (verdict, max_age) = match fetched {
            Ok(Fetched::List {
                list,
                validators,
                max_age,
            }) => {
                let verdict = entry.take(list);
                if verdict.is_ok() {
                    entry.validators = validators;
                }
                (verdict, max_age)
            }
            Ok(Fetched::NotModified) if !entry.lists.is_empty() => (Ok(()), None),
            Ok(Fetched::NotModified) => (Err("304, though nothing was there".to_owned()), None),
            Err(why) => (Err(why), None),
        };
        let is_over = entry.lists.first().is_none_or(|list| list.is_stale(now()));
        let verdict = match verdict {
            Ok(()) if is_over => Err("what is there is over".to_owned()),
            verdict => verdict,
        };
        let again = match verdict {
            Ok(()) => {
                entry.failure = None;
                entry.fetched = Some(Instant::now());
                self.next(url, entry, max_age)
            }
            Err(why) => {
                tracing::warn!(url, why, "no revocation list");
                let pause = entry.failure.as_ref().map_or(FIRST_PAUSE, |failure| {
                    (failure.pause * 2).min(LONGEST_PAUSE)
                });
                entry.failure = Some(Failure {
                    why,
                    pause,
                    until: Instant::now() + pause,
                });
                // A good one is there still: it is to be replaced before it is over.
                (!is_over).then_some(pause)
            }
        };
        if let Some(after) = again {
            entry.fly_ahead(url, after, ahead);
        }
        while urls.values().map(Entry::bytes).sum::<usize>() > MAX_BYTES
            && evict(&mut urls, Some(url))
        {}
    }

    /// After how long a list is fetched again: at three quarters of its time, or when the server said so if that is
    /// sooner, a tenth more or less, so that not all come at once.
    fn next(&self, url: &str, entry: &Entry, max_age: Option<Duration>) -> Option<Duration> {
        let list = entry.lists.first()?;
        let (begin, end) = (list.this_update().as_secs(), list.next_update()?.as_secs());
        let due = begin + end.saturating_sub(begin) / 4 * 3;
        let left = Duration::from_secs(due.saturating_sub(now().as_secs()));
        let left = max_age.map_or(left, |max_age| left.min(max_age));
        // 90 to 110 hundredths.
        let hundredths = 90 + u32::try_from(self.jitter.hash_one(url) % 21).unwrap_or(0);
        Some((left / 100 * hundredths).max(SHORTEST_LIFE))
    }
}

/// Makes room by what was used longest ago; whether there was anything.
fn evict(urls: &mut HashMap<String, Entry>, but: Option<&str>) -> bool {
    let mut idle = urls
        .iter()
        .filter(|(url, entry)| entry.flight.is_none() && Some(url.as_str()) != but)
        .map(|(url, entry)| (entry.used, url.clone()))
        .collect::<Vec<_>>();
    idle.sort();
    match idle.into_iter().next() {
        Some((_, url)) => urls.remove(&url).is_some(),
        None => false,
    }
}

impl Entry {
    /// A list that a handshake has verified needs no other beside it.
    fn settle(&mut self) {
        if self.lists.first().is_some_and(|list| list.is_verified()) {
            self.lists.truncate(1);
        }
    }

    /// Takes a list, unless it is older than one that is there and known to be good.
    fn take(&mut self, list: Arc<Crl>) -> Result<(), String> {
        self.settle();
        let verified = self.lists.iter().find(|list| list.is_verified()).cloned();
        if let Some(verified) = &verified {
            if verified.as_der() == list.as_der() {
                self.lists = vec![Arc::clone(verified)];
                return Ok(());
            }
            if verified.replaces(&list) {
                return Err("it is older than the one before".to_owned());
            }
        }
        self.lists = std::iter::once(list).chain(verified).collect();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.lists.iter().map(|list| list.bytes()).sum()
    }

    fn fly_ahead(&mut self, url: &str, after: Duration, ahead: Ahead) {
        let url = url.to_owned();
        let task = tokio::spawn(async move {
            sleep(after).await;
            ahead.fly(&url);
        });
        if let Some(before) = self.ahead.replace(task.abort_handle()) {
            before.abort();
        }
    }

    /// Whether somebody has wanted it since it was fetched.
    fn is_used(&self) -> bool {
        self.used > self.fetched
    }
}

/// The request that is made before a list is over. A task that waits for it holds nothing of the source.
struct Ahead {
    source: WeakSource,
    target: Target,
}

impl Ahead {
    fn fly(self, url: &str) {
        let Some(source) = self.source.upgrade() else {
            return;
        };
        let is_used = source.schedule.urls().get(url).is_some_and(Entry::is_used);
        if is_used {
            let _ = source.schedule.begin(url, self.target, &source);
        }
    }
}

/// A source without its lists.
struct WeakSource {
    options: HttpCrls,
    schedule: Weak<Schedule>,
}

impl WeakSource {
    fn of(source: &HttpCrls) -> Self {
        Self {
            schedule: Arc::downgrade(&source.schedule),
            options: HttpCrls {
                schedule: Arc::default(),
                ..source.clone()
            },
        }
    }

    fn upgrade(self) -> Option<HttpCrls> {
        Some(HttpCrls {
            schedule: self.schedule.upgrade()?,
            ..self.options
        })
    }
}

/// Tasks that wait end with what they would work for.
impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::since_unix_epoch(since.unwrap_or_default())
}
