//! What is kept of each place, and when it is asked for again: one request for all who want it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use portcullis_core::x509::Crl;
use rustls_pki_types::UnixTime;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

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

/// A list that no handshake has found genuine for so long after one got it counts as a failure: a signature is looked
/// at at once.
const TRIAL: Duration = Duration::from_secs(10);

/// Whose list is wanted, and from where: what another authority says is at the same URL is another list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) url: String,
    /// Names with their headers.
    pub(super) issuers: Vec<Vec<u8>>,
}

/// What is known of a place.
pub(super) enum State {
    Kept(Kept),
    Flying(Flight),
    /// It is left alone for so long.
    Failed {
        why: String,
        again_in: Duration,
    },
    Unknown,
}

/// The lists of a place.
pub(super) struct Kept {
    /// The newest first.
    pub(super) lists: Vec<Arc<Crl>>,
    /// No handshake has found one genuine, and something has gone wrong: there may be a better one elsewhere.
    pub(super) doubtful: bool,
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
    places: Mutex<HashMap<Place, Entry>>,
    /// At once, and of one host.
    room: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
    requests: AtomicU64,
    jitter: RandomState,
}

#[derive(Default)]
struct Entry {
    /// The newest that a handshake has found genuine.
    genuine: Option<Answer>,
    /// What came after it, of which nobody knows yet.
    new: Option<Trial>,
    flight: Option<Flight>,
    failure: Option<Failure>,
    /// When it is to be fetched ahead, and the task that waits for that.
    due: Option<Instant>,
    ahead: Option<AbortHandle>,
    used: Option<Instant>,
    fetched: Option<Instant>,
}

/// A list, and what the server said with it.
#[derive(Clone)]
struct Answer {
    list: Arc<Crl>,
    validators: Validators,
    max_age: Option<Duration>,
}

impl Answer {
    fn is_over(&self) -> bool {
        self.list.is_stale(now())
    }
}

/// What came last: whoever answers instead of the server may have made it.
struct Trial {
    answer: Answer,
    /// When a handshake got it first.
    given: Option<Instant>,
    has_failed: bool,
}

struct Failure {
    why: String,
    pause: Duration,
    until: Instant,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            places: Mutex::default(),
            room: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)),
            hosts: Mutex::default(),
            requests: AtomicU64::new(0),
            jitter: RandomState::new(),
        }
    }
}

impl Schedule {
    fn places(&self) -> MutexGuard<'_, HashMap<Place, Entry>> {
        // An entry is whole after each line that changes it.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.places()
            .values()
            .map(|entry| entry.lists().count())
            .sum()
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What is known of a place; `wanted`: by somebody who has not waited for its request.
    pub(super) fn state(&self, place: &Place, wanted: bool) -> State {
        let mut places = self.places();
        let Some(entry) = places.get_mut(place) else {
            return State::Unknown;
        };
        if wanted {
            entry.used = Some(Instant::now());
        }
        self.settle(place, entry);
        if entry.flight.as_ref().is_some_and(Flight::is_over) {
            entry.flight = None;
        }
        if entry.has_good() {
            return entry.give();
        }
        if let Some(flight) = &entry.flight {
            return State::Flying(flight.clone());
        }
        let Some(failure) = &entry.failure else {
            return State::Unknown;
        };
        let again_in = failure.until.saturating_duration_since(Instant::now());
        match (again_in.is_zero(), &entry.new) {
            (true, _) => State::Unknown,
            // The walk says what is wrong with it.
            (false, Some(new)) if !new.answer.is_over() => entry.give(),
            (false, _) => State::Failed {
                why: failure.why.clone(),
                again_in,
            },
        }
    }

    /// What handshakes have found out since.
    fn settle(&self, place: &Place, entry: &mut Entry) {
        let Some(new) = &mut entry.new else {
            return;
        };
        if new.answer.list.is_verified() {
            let answer = new.answer.clone();
            (entry.new, entry.failure) = (None, None);
            entry.due = self.due(place, &answer, entry.fetched);
            entry.genuine = Some(answer);
        } else if !new.has_failed && new.given.is_some_and(|given| given.elapsed() >= TRIAL) {
            new.has_failed = true;
            entry.fail(
                place,
                "no handshake has found the list there genuine".to_owned(),
            );
        }
    }

    /// Begins a request, or joins the one that is under way.
    pub(super) fn begin(
        self: &Arc<Self>,
        place: &Place,
        target: Target,
        source: &HttpCrls,
    ) -> Result<Flight, String> {
        let mut places = self.places();
        let flight = places.get(place).and_then(|entry| entry.flight.clone());
        if let Some(flight) = flight.filter(|flight| !flight.is_over()) {
            return Ok(flight);
        }
        if !places.contains_key(place) && places.len() >= MAX_URLS && !evict(&mut places, None) {
            return Err(format!("{MAX_URLS} other lists are being fetched"));
        }
        let entry = places.entry(place.clone()).or_default();
        entry.used = Some(Instant::now());
        let (sender, receiver) = watch::channel(());
        let flight = Flight(receiver);
        entry.flight = Some(flight.clone());
        // What is not known to be genuine is not asked to stay.
        let genuine = entry.genuine.as_ref();
        let validators = genuine.map(|own| own.validators.clone());
        drop(places);
        let (schedule, place) = (Arc::clone(self), place.clone());
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
            let validators = validators.unwrap_or_default();
            let fetched = fetch(&target, &guard, &*resolver, &validators, bounds).await;
            schedule.land(&place, fetched, ahead);
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

    fn land(self: &Arc<Self>, place: &Place, fetched: Result<Fetched, String>, ahead: Ahead) {
        let mut places = self.places();
        let Some(entry) = places.get_mut(place) else {
            return;
        };
        entry.flight = None;
        self.settle(place, entry);
        let landed = match fetched {
            Ok(Fetched::List { list, .. }) if list.is_stale(now()) => {
                Err("what is there is over".to_owned())
            }
            Ok(Fetched::List {
                list,
                validators,
                max_age,
            }) => entry.take(Answer {
                list,
                validators,
                max_age,
            }),
            Ok(Fetched::NotModified) => entry.keep(),
            Err(why) => Err(why),
        };
        match landed {
            Ok(()) => {
                entry.fetched = Some(Instant::now());
                entry.due = match (&entry.new, &entry.genuine) {
                    (None, Some(genuine)) => self.due(place, genuine, entry.fetched),
                    _ => None,
                };
            }
            Err(why) => entry.fail(place, why),
        }
        if entry.has_good() {
            entry.fly_ahead(place, ahead);
        }
        while places.values().map(Entry::bytes).sum::<usize>() > MAX_BYTES
            && evict(&mut places, Some(place))
        {}
    }

    /// When a list is fetched again: at three quarters of its time, or when the server said so if that is sooner, a
    /// tenth more or less, so that not all come at once.
    fn due(&self, place: &Place, answer: &Answer, fetched: Option<Instant>) -> Option<Instant> {
        let list = &answer.list;
        let (begin, end) = (list.this_update().as_secs(), list.next_update()?.as_secs());
        let due = begin + end.saturating_sub(begin) / 4 * 3;
        let left = Duration::from_secs(due.saturating_sub(now().as_secs()));
        let age = fetched.map_or(Duration::ZERO, |fetched| fetched.elapsed());
        let left = match answer.max_age {
            Some(max_age) => left.min(max_age.saturating_sub(age)),
            None => left,
        };
        // 90 to 110 hundredths.
        let hundredths = 90 + u32::try_from(self.jitter.hash_one(place) % 21).unwrap_or(0);
        Instant::now().checked_add((left / 100 * hundredths).max(SHORTEST_LIFE))
    }
}

/// Makes room by what was used longest ago; whether there was anything.
fn evict(places: &mut HashMap<Place, Entry>, but: Option<&Place>) -> bool {
    let idle = places
        .iter()
        .filter(|(place, entry)| entry.flight.is_none() && Some(*place) != but);
    let oldest = idle.min_by_key(|(_, entry)| entry.used);
    match oldest.map(|(place, _)| place.clone()) {
        Some(place) => places.remove(&place).is_some(),
        None => false,
    }
}

impl Entry {
    /// The newest first.
    fn lists(&self) -> impl Iterator<Item = &Arc<Crl>> {
        let new = self.new.as_ref().map(|new| &new.answer);
        let answers = new.into_iter().chain(&self.genuine);
        answers.map(|answer| &answer.list)
    }

    /// Whether there is one that is genuine, as far as is known, and not over.
    fn has_good(&self) -> bool {
        let new = self.new.as_ref().filter(|new| !new.has_failed);
        self.has_genuine() || new.is_some_and(|new| !new.answer.is_over())
    }

    fn has_genuine(&self) -> bool {
        self.genuine.as_ref().is_some_and(|own| !own.is_over())
    }

    fn give(&mut self) -> State {
        if let Some(new) = &mut self.new {
            new.given.get_or_insert_with(Instant::now);
        }
        State::Kept(Kept {
            lists: self.lists().cloned().collect(),
            doubtful: !self.has_genuine() && self.failure.is_some(),
        })
    }

    /// Takes a list, unless it is older than one that is there and known to be genuine. Until a handshake has found it
    /// genuine, too, it stands beside that.
    fn take(&mut self, answer: Answer) -> Result<(), String> {
        if let Some(genuine) = &mut self.genuine {
            if genuine.list.as_der() == answer.list.as_der() {
                let list = Arc::clone(&genuine.list);
                *genuine = Answer { list, ..answer };
                return self.keep();
            }
            if genuine.list.replaces(&answer.list) {
                return Err("it is older than the one before".to_owned());
            }
        }
        let same = self.new.as_ref();
        let same = same.filter(|new| new.answer.list.as_der() == answer.list.as_der());
        match same.map(|new| new.has_failed) {
            Some(true) => return Err("no handshake has found the list there genuine".to_owned()),
            Some(false) => {}
            None => {
                self.new = Some(Trial {
                    answer,
                    given: None,
                    has_failed: false,
                });
            }
        }
        Ok(())
    }

    /// The server has nothing newer than what is known to be genuine.
    fn keep(&mut self) -> Result<(), String> {
        match &self.genuine {
            Some(genuine) if genuine.is_over() => Err("what is there is over".to_owned()),
            Some(_) => {
                (self.new, self.failure) = (None, None);
                Ok(())
            }
            None => Err("304, though nothing was there".to_owned()),
        }
    }

    /// Leaves the place alone for longer each time.
    fn fail(&mut self, place: &Place, why: String) {
        tracing::warn!(url = place.url, why, "no revocation list");
        let pause = self.failure.as_ref().map_or(FIRST_PAUSE, |failure| {
            (failure.pause * 2).min(LONGEST_PAUSE)
        });
        let until = Instant::now() + pause;
        self.failure = Some(Failure { why, pause, until });
        // A genuine one may be there still: it is to be replaced before it is over.
        self.due = Some(until);
    }

    fn bytes(&self) -> usize {
        self.lists().map(|list| list.bytes()).sum()
    }

    fn fly_ahead(&mut self, place: &Place, ahead: Ahead) {
        let (place, first) = (place.clone(), self.due);
        let task = tokio::spawn(async move {
            let mut next = first;
            loop {
                // Until a list is known to be genuine, what it says of its time counts for nothing.
                sleep_until(next.unwrap_or_else(|| Instant::now() + SHORTEST_LIFE)).await;
                match ahead.look(&place) {
                    Look::Fly(source) => {
                        let _ = source.schedule.begin(&place, ahead.target, &source);
                        return;
                    }
                    Look::Later(due) => next = due,
                    Look::Never => return,
                }
            }
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

/// What becomes of that request.
enum Look {
    Fly(HttpCrls),
    Later(Option<Instant>),
    Never,
}

impl Ahead {
    fn look(&self, place: &Place) -> Look {
        let Some(source) = self.source.upgrade() else {
            return Look::Never;
        };
        let mut places = source.schedule.places();
        let Some(entry) = places.get_mut(place) else {
            return Look::Never;
        };
        source.schedule.settle(place, entry);
        let due = entry.due;
        if due.is_none_or(|due| due > Instant::now()) {
            return Look::Later(due);
        }
        let is_wanted = entry.is_used() && entry.has_good();
        drop(places);
        match is_wanted {
            true => Look::Fly(source),
            false => Look::Never,
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

    fn upgrade(&self) -> Option<HttpCrls> {
        Some(HttpCrls {
            schedule: self.schedule.upgrade()?,
            ..self.options.clone()
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
