//! OCSP responses for a server's own certificate: fetched, verified and renewed (`stapling` of a server).
//!
//! RFC 6960 appendix A.1, RFC 5019 §6.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portcullis_core::Misuse;
use portcullis_core::x509::{
    ChainPolicy, Identity, MAX_OCSP_RESPONSE, OcspStatus, OcspVerdict, Roots, ocsp_request,
    ocsp_responders, verify_ocsp_response,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::http::Resolve;
use crate::http::client::{Bounds, SystemResolver, post_ocsp};
use crate::http::guard::{Guard, Target};

/// After a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// What a responder says that gives out responses which are as good as over.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The clock of the machine is looked at as often, because it may be corrected.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// Fetches the OCSP responses of an [`Identity`], which it then shows to clients that ask for one. With feature
/// `ocsp-stapler` of the crate `portcullis`, which is `stapler` of `portcullis-crl-fetch`; needs a Tokio runtime with its
/// timer.
///
/// * A response is verified as a client would before it is shown; what the responder says is shown, also that the
///   certificate was revoked. That it does not know the certificate is a failure.
/// * It is fetched anew when half of its time is over, a tenth more or less. If that fails, it is tried again after a
///   minute ([`retry_after`](Self::retry_after)), and then after twice as long each time, up to an hour. The last good one is shown until it is over, and
///   then none.
/// * No handshake waits for any of this: it shows what there is. All clones of the identity show it, also those in
///   configurations that are in use.
/// * A request takes 10 seconds at most, 3 of them to connect, and a response has 64 KiB at most. No redirection is
///   followed. The responder may be anywhere, also where addresses are private: the certificate is one's own.
///
/// ```no_run
/// # mod portcullis { pub use {portcullis_core::x509::Identity, portcullis_crl_fetch::*}; }
/// use portcullis::{Identity, Stapler};
///
/// # async fn start(identity: Identity) -> Result<(), Box<dyn std::error::Error>> {
/// // Keep it as long as the server runs.
/// let stapling = Stapler::new(&identity).start()?;
/// // Of a certificate that demands a response nobody accepts a handshake without.
/// stapling.ready().await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Stapler {
    identity: Identity,
    issuer: Option<CertificateDer<'static>>,
    responders: Vec<String>,
    policy: ChainPolicy,
    resolver: Arc<dyn Resolve>,
    bounds: Bounds,
    first_pause: Duration,
}

impl Stapler {
    /// For this identity, by the responder that its certificate names, with the bounds above.
    pub fn new(identity: &Identity) -> Self {
        Self {
            identity: identity.clone(),
            issuer: None,
            responders: Vec::new(),
            policy: ChainPolicy::new(Roots::empty()),
            resolver: Arc::new(SystemResolver),
            bounds: Bounds {
                connect: Duration::from_secs(3),
                whole: Duration::from_secs(10),
                body: MAX_OCSP_RESPONSE,
            },
            first_pause: FIRST_PAUSE,
        }
    }

    /// The certificate of whoever has issued that of the identity. Default: the second of its chain.
    pub fn issuer(mut self, certificate: CertificateDer<'static>) -> Self {
        self.issuer = Some(certificate);
        self
    }

    /// Asks here (`http://`) and not where the certificate says. Call again for further ones, which are asked where
    /// those before have failed.
    pub fn responder(mut self, url: impl Into<String>) -> Self {
        self.responders.push(url.into());
        self
    }

    /// Sets with which schemes a response may be signed: those that this policy has for certificates. Default: those
    /// of [`ChainPolicy::new`].
    pub fn policy(mut self, policy: ChainPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How long a request may take in all. Default: 10 seconds; connecting may take 3 of them at most.
    pub fn request_timeout(mut self, at_most: Duration) -> Self {
        self.bounds.whole = at_most;
        self.bounds.connect = self.bounds.connect.min(at_most);
        self
    }

    /// How long after a failure it is tried again, if that was the first: one minute unless something else is said, at least
    /// a second and at most an hour. After further ones it is twice as long each time.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.first_pause = pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self
    }

    /// Finds addresses in another way than the system does.
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Begins, in a task that ends when what this gives is dropped.
    ///
    /// # Errors
    /// When the issuer is not known, or no responder of which a URL can be read; outside of a runtime.
    pub fn start(self) -> Result<Stapling, Misuse> {
        let runtime = tokio::runtime::Handle::try_current();
        let runtime = runtime.map_err(|_| Misuse::new("a Stapler needs a Tokio runtime"))?;
        let chain = self.identity.chain();
        let Some(leaf) = chain.first().cloned() else {
            return Err(Misuse::new(
                "a raw public key has no OCSP response: nobody has issued it",
            ));
        };
        let issuer = self.issuer.or_else(|| chain.get(1).cloned());
        let issuer = issuer.ok_or_else(|| {
            Misuse::new(
                "the identity's chain has one certificate only: give the one of its issuer with `issuer`",
            )
        })?;
        let request = ocsp_request(&leaf, &issuer)
            .ok_or_else(|| Misuse::new("the issuer is no certificate in DER"))?;
        let urls = match self.responders.is_empty() {
            true => ocsp_responders(&leaf),
            false => self.responders,
        };
        if urls.is_empty() {
            return Err(Misuse::new(
                "the certificate names no OCSP responder (authorityInfoAccess): give one with `responder`",
            ));
        }
        let guard = Guard::open();
        let mut targets = Vec::new();
        for url in urls {
            let target = guard.target(&url);
            let target =
                target.map_err(|why| Misuse::new(format!("the responder {url}: {why}")))?;
            targets.push((url, target));
        }
        let (state, watched) = watch::channel(StaplerState::default());
        let asked = Arc::new(Notify::new());
        let worker = Worker {
            identity: self.identity,
            leaf,
            issuer,
            request,
            targets,
            guard,
            policy: self.policy,
            resolver: self.resolver,
            bounds: self.bounds,
            first_pause: self.first_pause,
            state,
            asked: Arc::clone(&asked),
        };
        Ok(Stapling {
            task: runtime.spawn(worker.run()),
            state: watched,
            asked,
        })
    }
}

impl fmt::Debug for Stapler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stapler")
            .field("identity", &self.identity)
            .field("responders", &self.responders)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// How far a [`Stapler`] has come.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StaplerState {
    /// What the response says that is shown, until it is over.
    pub verdict: Option<OcspVerdict>,
    /// Why there is no newer one, if the last attempt has failed.
    pub failure: Option<String>,
    /// How many attempts were made.
    pub attempts: u64,
}

/// A [`Stapler`] that was started. Dropped, nothing more is fetched, and the last response is shown until it is over.
#[derive(Debug)]
pub struct Stapling {
    task: JoinHandle<()>,
    state: watch::Receiver<StaplerState>,
    asked: Arc<Notify>,
}

impl Stapling {
    /// How far it has come.
    pub fn state(&self) -> StaplerState {
        self.state.borrow().clone()
    }

    /// Waits until the first attempt is over.
    ///
    /// # Errors
    /// Why it has failed; it goes on being tried.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ready(&self) -> Result<(), Misuse> {
        let mut state = self.state.clone();
        // The sender lives as long as the task.
        let state = state.wait_for(|state| state.attempts > 0).await;
        let state = state.map_err(|_| runtime_has_ended())?;
        match (&state.verdict, &state.failure) {
            (Some(_), _) => Ok(()),
            (None, failure) => Err(Misuse::new(failure.clone().unwrap_or_default())),
        }
    }

    /// Waits until a response is shown.
    ///
    /// # Errors
    /// When the runtime has ended that [`start`](Stapler::start) was called in.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn shown(&self) -> Result<(), Misuse> {
        let mut state = self.state.clone();
        let state = state.wait_for(|state| state.verdict.is_some()).await;
        state.map(drop).map_err(|_| runtime_has_ended())
    }

    /// Asks the responder now, whenever it was asked before: for a caller that knows that it is there again.
    pub fn fetch_now(&self) {
        self.asked.notify_one();
    }

    /// Waits until the next attempt is over, and gives how far it has come by then. If several are since this was last
    /// called, the last. `None` when the runtime has ended that [`start`](Stapler::start) was called in.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn changed(&mut self) -> Option<StaplerState> {
        self.state.changed().await.ok()?;
        Some(self.state.borrow_and_update().clone())
    }
}

fn runtime_has_ended() -> Misuse {
    Misuse::new("the Stapler's runtime has ended")
}

impl Drop for Stapling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    identity: Identity,
    leaf: CertificateDer<'static>,
    issuer: CertificateDer<'static>,
    request: Vec<u8>,
    targets: Vec<(String, Target)>,
    guard: Guard,
    policy: ChainPolicy,
    resolver: Arc<dyn Resolve>,
    bounds: Bounds,
    first_pause: Duration,
    state: watch::Sender<StaplerState>,
    /// Somebody wants to know now.
    asked: Arc<Notify>,
}

impl Worker {
    async fn run(self) {
        let mut pause = self.first_pause;
        loop {
            let due = match self.attempt().await {
                Ok(verdict) => {
                    pause = self.first_pause;
                    let due = self.due(&verdict);
                    self.succeeded(verdict);
                    due
                }
                Err(why) => {
                    self.failed(why, pause);
                    let due = now() + pause.as_secs();
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    due
                }
            };
            sleep_until(due, &self.asked).await;
        }
    }

    /// Asks one responder after the other, and shows what the first has said that says something.
    async fn attempt(&self) -> Result<OcspVerdict, String> {
        let mut failures = Vec::new();
        for (url, target) in &self.targets {
            let failure = match self.ask(target).await {
                Ok(verdict) => return Ok(verdict),
                Err(why) => format!("{url}: {why}"),
            };
            failures.push(failure);
        }
        Err(failures.join("; "))
    }

    async fn ask(&self, target: &Target) -> Result<OcspVerdict, String> {
        let request = self.request.clone();
        let response =
            post_ocsp(target, &self.guard, &*self.resolver, request, self.bounds).await?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now()));
        let verdict = verify_ocsp_response(&response, &self.leaf, &self.issuer, now, &self.policy)
            .map_err(|error| format!("the response {error}"))?;
        if verdict.status() == OcspStatus::Unknown {
            return Err(format!(
                "{} does not know the certificate",
                verdict.responder()
            ));
        }
        let state = self.state.borrow();
        let before = state.verdict.as_ref();
        if before.is_some_and(|before| verdict.this_update() < before.this_update()) {
            return Err("the response is older than the one before".to_owned());
        }
        drop(state);
        let set = self.identity.set_ocsp_response(Some(response));
        set.map_err(|error| error.to_string())?;
        Ok(verdict)
    }

    /// When a response is replaced: when half of what is left of it is over, a tenth more or less, so that not all
    /// servers come at once.
    fn due(&self, verdict: &OcspVerdict) -> u64 {
        let now = now();
        let left = verdict.expires_at().as_secs().saturating_sub(now);
        let life = verdict.expires_at().as_secs();
        let life = life.saturating_sub(verdict.this_update().as_secs());
        // At half of its time; of one that came late, at half of the rest.
        let half = left.saturating_sub(life / 2).max(left / 2);
        let hundredths = 90 + RandomState::new().hash_one(now) % 21;
        let pause = Duration::from_secs(half.saturating_mul(hundredths) / 100);
        now + pause.max(SHORTEST_PAUSE).as_secs()
    }

    fn succeeded(&self, verdict: OcspVerdict) {
        let until = verdict.expires_at().as_secs();
        match verdict.status() {
            OcspStatus::Revoked { reason, .. } => tracing::error!(
                until,
                %reason,
                "the server's certificate was revoked, says its OCSP responder"
            ),
            _ => tracing::debug!(until, "an OCSP response is shown"),
        }
        self.state.send_modify(|state| {
            state.verdict = Some(verdict);
            state.failure = None;
            state.attempts += 1;
        });
    }

    fn failed(&self, why: String, again_in: Duration) {
        self.state.send_modify(|state| {
            let now = now();
            let is_over = |verdict: &OcspVerdict| verdict.expires_at().as_secs() <= now;
            state.verdict = state.verdict.take().filter(|verdict| !is_over(verdict));
            let again_in = again_in.as_secs();
            match &state.verdict {
                Some(verdict) => {
                    let until = verdict.expires_at().as_secs();
                    tracing::warn!(
                        why,
                        until,
                        again_in,
                        "no newer OCSP response; the last one stays"
                    );
                }
                None => tracing::error!(why, again_in, "no OCSP response is shown"),
            }
            state.failure = Some(why);
            state.attempts += 1;
        });
    }
}

/// In seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Unless somebody asks before.
async fn sleep_until(due: u64, asked: &Notify) {
    loop {
        let left = Duration::from_secs(due.saturating_sub(now()));
        if left.is_zero() {
            return;
        }
        let slept = timeout(left.min(LONGEST_SLEEP), asked.notified()).await;
        if slept.is_ok() {
            return;
        }
    }
}
