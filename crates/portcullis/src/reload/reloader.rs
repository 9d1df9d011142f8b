//! Configurations that are made of files, and made again when these change.

use std::fmt;
use std::hash::RandomState;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Misuse;
use portcullis_core::session::TicketKeys;
use portcullis_core::x509::{Crl, Identity, PemIdentity, Roots, shown_path};
use portcullis_crl_fetch::MemoryCrls;
use rustls_pki_types::UnixTime;

use super::files::{self, Contents, Stamp};
use super::identity_files::{IdentityFiles, blocking};
use super::lists;
use super::parts::{Parts, ReloadWarning, Warning, check_time};
use super::staples::{Lack, Staples};
use super::watching::Watching;
use super::{Configuration, Reloadable};
use crate::ticket_key_file;

/// The most files of one reloader.
const MOST_FILES: usize = 256;
const POLL_EVERY: Duration = Duration::from_secs(120);
const SETTLE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(10);

/// Files that a configuration is made of. With feature `watch`.
///
/// [`load`](Self::load) reads them and makes the first configuration; [`LoadedFiles::watch`] makes
/// another one whenever they change, and puts it where new handshakes look for theirs. All files are taken over
/// together or not at all: what cannot be read, a key that does not belong to its certificate, a certificate that has
/// expired, or a configuration that cannot be built changes nothing, and what was good last stays. Connections are not touched, and handshakes keep what they
/// began with.
///
/// The system tells of changes, also where a link on the way to a file is replaced, as Kubernetes does; besides, the
/// files are read every two minutes, for file systems that tell nothing. Files that do not fit together
/// are read again for 10 seconds, since their writer may be between two of them.
///
/// With feature `ocsp-stapler`, [`IdentityFiles::stapler`](IdentityFiles) shows OCSP responses with whatever identity the files
/// have.
///
/// ```no_run
/// use portcullis::{IdentityFiles, Reloader, ServerConfig, TlsListener};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let files = Reloader::new()
///     .identity(IdentityFiles::new("/etc/tls/tls.crt").key("/etc/tls/tls.key"))
///     .load(|parts| ServerConfig::builder().identity(parts.identity()?).build())
///     .await?;
/// let listener = TlsListener::bind("[::]:443", files.config()).await?;
/// let mut watching = files.watch(listener.reloadable());
/// tokio::spawn(async move {
///     while let Some(event) = watching.next_event().await {
///         println!("{event}");
///     }
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Reloader {
    identities: Vec<IdentityFiles>,
    roots: Option<PathBuf>,
    ticket_keys: Option<PathBuf>,
    crls: Vec<(PathBuf, MemoryCrls)>,
    poll_every: Duration,
    settle: Duration,
    patience: Duration,
}

impl Default for Reloader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reloader {
    /// Without any file.
    pub const fn new() -> Self {
        Self {
            identities: Vec::new(),
            roots: None,
            ticket_keys: None,
            crls: Vec::new(),
            poll_every: POLL_EVERY,
            settle: SETTLE,
            patience: PATIENCE,
        }
    }

    /// Adds the files of an identity.
    #[must_use]
    pub fn identity(mut self, files: IdentityFiles) -> Self {
        self.identities.push(files);
        self
    }

    /// The roots, in PEM.
    #[must_use]
    pub fn roots(mut self, path: impl AsRef<Path>) -> Self {
        self.roots = Some(path.as_ref().to_owned());
        self
    }

    /// Ticket keys as [`TicketKeyFile`](crate::TicketKeyFile) has them.
    #[must_use]
    pub fn ticket_keys(mut self, path: impl AsRef<Path>) -> Self {
        self.ticket_keys = Some(path.as_ref().to_owned());
        self
    }

    /// Adds a file of revocation lists, in PEM or one in DER, which are kept in `crls`: give that to the acceptor
    /// or connector. A list that is not in the file any more is removed, unless somebody else has put it there as well, or
    /// the file has an older one of the same kind: that is not taken, and a [warning](ReloadWarning::OlderList) says so.
    #[must_use]
    pub fn crls(mut self, path: impl AsRef<Path>, crls: &MemoryCrls) -> Self {
        self.crls.push((path.as_ref().to_owned(), crls.clone()));
        self
    }

    /// How often the files are read although nothing tells of a change: every two minutes unless
    /// something else is said, and at least every 10 milliseconds.
    #[must_use]
    pub fn poll_every(mut self, time: Duration) -> Self {
        self.poll_every = time.max(Duration::from_millis(10));
        self
    }

    /// How long nothing has to change before files are read: half a second unless something else is said. After 5
    /// seconds they are read in any case.
    #[must_use]
    pub const fn settle(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// How long files that do not fit together are read again before that is said: 10 seconds unless something else
    /// is said.
    #[must_use]
    pub const fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Reads the files and makes a configuration of them; `build` is called again whenever they have changed. The first OCSP
    /// responses are waited for, if there are to be any.
    ///
    /// ```no_run
    /// use portcullis::{ClientConfig, Misuse, Reloader, TlsConnector};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let files = Reloader::new()
    ///     .roots("/etc/tls/roots.pem")
    ///     .load(|parts| {
    ///         let roots = parts.roots().ok_or_else(|| Misuse::new("there are no roots"))?;
    ///         ClientConfig::builder(roots.clone()).build()
    ///     })
    ///     .await?;
    /// let connector = TlsConnector::new(files.config());
    /// let watching = files.watch(connector.reloadable());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a file cannot be read, changes while it is read, or is wrong; there are none, or more than 256; or
    /// what `build` says; when the `stapler` of an identity cannot be started. A certificate that has expired is no error
    /// here, nor is one without the OCSP response that it demands, since nothing better is served.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn load<C, F>(self, build: F) -> Result<LoadedFiles<C>, Misuse>
    where
        C: Configuration + Send + Sync + 'static,
        F: Fn(&Parts) -> Result<C, Misuse> + Send + Sync + 'static,
    {
        let paths = self.paths();
        if paths.is_empty() || paths.len() > MOST_FILES {
            return Err(Misuse::new(format!(
                "a reloader has 1 to {MOST_FILES} files, and not {}",
                paths.len()
            )));
        }
        let read = {
            let paths = paths.clone();
            blocking(move || files::read(&paths)).await?
        };
        let hash = RandomState::new();
        let served = Served {
            digests: read.iter().map(|one| one.digest(&hash)).collect(),
            stamps: read.iter().map(Contents::stamp).collect(),
            parts: Parts::default(),
            staples: Staples::default(),
        };
        let is_new = vec![true; paths.len()];
        let before = Parts::default();
        let mut parts = self.parts(read, &is_new, &before).await?;
        let config = build(&parts)?;
        let nobody = Staples::default();
        let (staples, lacks) =
            Staples::start(&self.identities, &parts.identities, &[], &nobody).await;
        if let Some(lack) = lacks.iter().find(|lack| !lack.is_fetched()) {
            return Err(lack.error());
        }
        lists::publish(&self.crls, &mut parts, &before)?;
        let mut warnings = warnings_of(&self, &parts, &before);
        warnings.extend(lacks.iter().map(no_response));
        Ok(LoadedFiles {
            files: self,
            paths,
            build: Arc::new(build),
            config,
            hash,
            warnings,
            expiring: Vec::new(),
            served: Served {
                parts,
                staples,
                ..served
            },
            waiting: None,
            wrong: None,
            rejected: None,
        })
    }

    /// In the order in which [`parts`](Self::parts) takes them.
    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for identity in &self.identities {
            let (chain, key) = identity.paths();
            paths.push(chain.to_owned());
            paths.extend(key.map(Path::to_owned));
        }
        paths.extend(self.roots.clone());
        paths.extend(self.ticket_keys.clone());
        paths.extend(self.crls.iter().map(|(path, _)| path.clone()));
        paths
    }

    /// Makes what has changed of what was read, and takes the rest from before.
    async fn parts(
        &self,
        read: Vec<Contents>,
        is_new: &[bool],
        before: &Parts,
    ) -> Result<Parts, Misuse> {
        let mut read = read.into_iter().zip(is_new.iter().copied());
        let mut parts = Parts::default();
        let missing = || Misuse::new("a file was not read");
        for (at, files) in self.identities.iter().enumerate() {
            let (chain, is_new) = read.next().ok_or_else(missing)?;
            let key = match files.paths().1 {
                Some(_) => Some(read.next().ok_or_else(missing)?),
                None => None,
            };
            let is_new = is_new || key.as_ref().is_some_and(|(_, is_new)| *is_new);
            let identity = match before.identities.get(at) {
                Some(before) if !is_new => before.clone(),
                before => {
                    let about = |error| {
                        let with = key.as_ref().map(|(key, _)| shown_path(&key.path));
                        let with = with.map(|key| format!(" with the key {key}"));
                        Misuse::new(format!(
                            "{}{}: {error}",
                            shown_path(&chain.path),
                            with.unwrap_or_default()
                        ))
                    };
                    let key = key.as_ref().map(|(key, _)| key.bytes.as_slice());
                    let pem = PemIdentity::read(&*chain.bytes, key).map_err(about)?;
                    let identity = files.open(pem).await.map_err(about)?;
                    match before.filter(|before| is_same(before, &identity)) {
                        // It has its response, and whatever else was made for it.
                        Some(before) => before.clone(),
                        None => identity,
                    }
                }
            };
            parts.identities.push(identity);
        }
        if self.roots.is_some() {
            let (roots, is_new) = read.next().ok_or_else(missing)?;
            parts.roots = match &before.roots {
                Some(before) if !is_new => Some(before.clone()),
                _ => Some(Roots::from_pem(&*roots.bytes).map_err(|error| in_file(&roots, &error))?),
            };
        }
        if self.ticket_keys.is_some() {
            let (secrets, is_new) = read.next().ok_or_else(missing)?;
            ticket_key_file::check(&secrets.path, &secrets.bytes)?;
            let keys = || {
                let keys = TicketKeys::shared(ticket_key_file::split(&secrets.bytes));
                keys.map_err(|error| ticket_key_file::about(&secrets.path, &error))
            };
            parts.ticket_keys = match &before.ticket_keys {
                Some(before) if !is_new => Some(before.clone()),
                _ => Some(keys()?),
            };
        }
        for at in 0..self.crls.len() {
            let (lists, is_new) = read.next().ok_or_else(missing)?;
            parts.crls.push(match before.crls.get(at) {
                Some(before) if !is_new => before.clone(),
                _ => {
                    blocking(move || {
                        let read = Crl::from_der_or_pem(&lists.bytes);
                        read.map_err(|error| in_file(&lists, &error))
                    })
                    .await?
                }
            });
        }
        Ok(parts)
    }
}

/// Whether two identities are the same, maybe in other words.
fn is_same(one: &Identity, other: &Identity) -> bool {
    one.chain() == other.chain() && one.key().schemes() == other.key().schemes()
}

fn no_response(lack: &Lack) -> Warning {
    let why = lack.why();
    (lack.path.clone(), ReloadWarning::NoOcspResponse { why })
}

/// What is to be told of identities, each with the file of its chain.
fn warnings_of(files: &Reloader, parts: &Parts, before: &Parts) -> Vec<Warning> {
    let mut all = Vec::new();
    for (at, (files, identity)) in files.identities.iter().zip(&parts.identities).enumerate() {
        let before = before.identities.get(at);
        if before.is_none_or(|before| before.chain() != identity.chain()) {
            let path = files.paths().0;
            let warnings = ReloadWarning::of(identity, before);
            all.extend(
                warnings
                    .into_iter()
                    .map(|warning| (path.to_owned(), warning)),
            );
        }
    }
    all
}

fn in_file(read: &Contents, error: &dyn fmt::Display) -> Misuse {
    Misuse::new(format!("{}: {error}", shown_path(&read.path)))
}

type Build<C> = Arc<dyn Fn(&Parts) -> Result<C, Misuse> + Send + Sync>;

/// Files that were read, and the configuration that was made of them. What fetches OCSP responses goes with it.
pub struct LoadedFiles<C> {
    files: Reloader,
    paths: Vec<PathBuf>,
    build: Build<C>,
    config: C,
    hash: RandomState,
    served: Served,
    /// What was read last and is right, but for an OCSP response that has not come yet.
    waiting: Option<Made<C>>,
    /// What was read last and is wrong, and why.
    wrong: Option<(Vec<u64>, Misuse)>,
    /// What was said to be wrong.
    rejected: Option<Misuse>,
    /// What is to be told.
    warnings: Vec<Warning>,
    /// Of these that they expire soon was told.
    expiring: Vec<usize>,
}

/// What handshakes get.
struct Served {
    digests: Vec<u64>,
    stamps: Vec<Option<Stamp>>,
    parts: Parts,
    staples: Staples,
}

/// All that is made of files before anything is put anywhere.
struct Made<C> {
    parts: Parts,
    config: C,
    /// Of ticket keys, if they are new.
    secrets: Option<ticket_key_file::Secrets>,
    staples: Staples,
    lacks: Vec<Lack>,
}

impl<C> Made<C> {
    fn grave(&self) -> impl Iterator<Item = &Lack> {
        self.lacks.iter().filter(|lack| lack.is_grave())
    }

    /// Whether all has come that has to.
    fn is_right(&self) -> bool {
        !self.grave().any(Lack::stays)
    }
}

pub(super) enum Looked {
    Nothing,
    /// What was wrong is as it was before.
    Restored,
    Published {
        generation: u64,
        changed: Vec<PathBuf>,
    },
    Wrong(Misuse),
}

impl<C: Configuration + Send + Sync + 'static> LoadedFiles<C> {
    /// The configuration, for an acceptor, listener or connector.
    pub fn config(&self) -> C {
        self.config.clone()
    }

    /// What it was made of.
    pub fn parts(&self) -> &Parts {
        &self.served.parts
    }

    /// Takes over what changes from now on, in a task of this Tokio runtime: see [`Reloader`].
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use = "dropping it ends the watching"]
    pub fn watch(self, reloadable: Reloadable<C>) -> Watching {
        Watching::start(self, reloadable)
    }

    pub(super) const fn poll_every(&self) -> Duration {
        self.files.poll_every
    }

    pub(super) const fn settle(&self) -> Duration {
        self.files.settle
    }

    pub(super) const fn patience(&self) -> Duration {
        self.files.patience
    }

    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    pub(super) fn is_rejected(&self, error: &Misuse) -> bool {
        self.rejected.as_ref() == Some(error)
    }

    /// Remembers that this was said; `None` if it was before.
    pub(super) fn reject(&mut self, error: Misuse) -> Option<Misuse> {
        let is_known = self.is_rejected(&error);
        self.rejected = Some(error.clone());
        (!is_known).then_some(error)
    }

    /// Reads the files, unless they look the same and that is enough, and publishes what is new and right.
    pub(super) async fn look(&mut self, is_thorough: bool, place: &Reloadable<C>) -> Looked {
        let paths = self.paths.clone();
        let known = (!is_thorough && self.rejected.is_none()).then(|| self.served.stamps.clone());
        let reading = blocking(move || {
            if known.is_some_and(|known| known == files::stamps(&paths)) {
                return Ok(None);
            }
            files::read(&paths).map(Some)
        });
        let read = match reading.await {
            Ok(Some(read)) => read,
            Ok(None) => return Looked::Nothing,
            Err(error) => {
                // What was there is not there any more.
                if self.waiting.take().is_some() {
                    self.wrong = None;
                }
                return Looked::Wrong(error);
            }
        };
        let digests: Vec<u64> = read.iter().map(|one| one.digest(&self.hash)).collect();
        let stamps = read.iter().map(Contents::stamp).collect();
        if digests == self.served.digests {
            self.served.stamps = stamps;
            (self.waiting, self.wrong) = (None, None);
            return match self.rejected.take() {
                Some(_) => Looked::Restored,
                None => Looked::Nothing,
            };
        }
        // One content is judged once: a password is not asked for again.
        let made = match &self.wrong {
            Some((wrong, error)) if *wrong == digests => {
                match self.waiting.take_if(|made| made.is_right()) {
                    Some(made) => Ok(made),
                    None => return Looked::Wrong(error.clone()),
                }
            }
            _ => {
                // What it waits for is not wanted any more.
                self.waiting = None;
                self.make(read, &digests).await
            }
        };
        let published = made.and_then(|made| self.publish(made, place));
        match published {
            Ok((served, warnings, generation)) => {
                let changed = self.changed(&digests);
                self.warnings = warnings;
                let chain = |parts: &Parts, at: usize| {
                    let identity = parts.identities.get(at);
                    identity.map(|identity| identity.chain().to_vec())
                };
                self.expiring
                    .retain(|at| chain(&served.parts, *at) == chain(&self.served.parts, *at));
                self.served = Served {
                    digests,
                    stamps,
                    ..served
                };
                (self.wrong, self.rejected) = (None, None);
                Looked::Published {
                    generation,
                    changed,
                }
            }
            Err(error) => {
                self.wrong = Some((digests, error.clone()));
                Looked::Wrong(error)
            }
        }
    }

    /// Whether nothing is wrong with what was read last, but that a response has not come.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Waits until it has come.
    pub(super) async fn response(&self) {
        match &self.waiting {
            Some(made) => {
                for lack in made.grave() {
                    lack.end().await;
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Has responders asked now that had nothing to say.
    pub(super) fn fetch_now(&self) {
        self.served.staples.fetch_now();
        if let Some(made) = &self.waiting {
            made.staples.fetch_now();
        }
    }

    /// What is to be told of what is served, each with its file. Once for each content.
    pub(super) fn take_warnings(&mut self) -> Vec<Warning> {
        let now = UnixTime::now();
        let identities = self.served.parts.identities.iter();
        for (at, (files, identity)) in self.files.identities.iter().zip(identities).enumerate() {
            if !self.expiring.contains(&at)
                && let Some(warning) = ReloadWarning::of_time(identity, now)
            {
                self.expiring.push(at);
                self.warnings.push((files.paths().0.to_owned(), warning));
            }
        }
        std::mem::take(&mut self.warnings)
    }

    fn changed(&self, digests: &[u64]) -> Vec<PathBuf> {
        let all = self
            .paths
            .iter()
            .zip(digests.iter().zip(&self.served.digests));
        let changed = all.filter(|(_, (now, before))| now != before);
        changed.map(|(path, _)| path.clone()).collect()
    }

    async fn make(&mut self, read: Vec<Contents>, digests: &[u64]) -> Result<Made<C>, Misuse> {
        let before = &self.served.parts;
        let both = digests.iter().zip(&self.served.digests);
        let is_new: Vec<bool> = both.map(|(now, before)| now != before).collect();
        let secrets = self.ticket_secrets(&read, &is_new);
        let mut parts = self.files.parts(read, &is_new, before).await?;
        self.check_times(&parts)?;
        // The keys that configurations have are those of the beginning, which change.
        if before.ticket_keys.is_some() {
            parts.ticket_keys.clone_from(&before.ticket_keys);
        }
        let config = (self.build)(&parts)?;
        let (staples, lacks) = Staples::start(
            &self.files.identities,
            &parts.identities,
            &before.identities,
            &self.served.staples,
        )
        .await;
        let made = Made {
            parts,
            config,
            secrets,
            staples,
            lacks,
        };
        // Of several the one for which there is no hope.
        match made.grave().min_by_key(|lack| lack.is_fetched()) {
            None => Ok(made),
            Some(lack) => {
                let error = lack.refusal();
                self.waiting = lack.is_fetched().then_some(made);
                Err(error)
            }
        }
    }

    fn check_times(&self, parts: &Parts) -> Result<(), Misuse> {
        let before = &self.served.parts.identities;
        for (at, identity) in parts.identities.iter().enumerate() {
            let is_served = before.get(at).is_some_and(|before| before.same(identity));
            if let (false, Some(files)) = (is_served, self.files.identities.get(at)) {
                let path = shown_path(files.paths().0);
                let about = |error| Misuse::new(format!("{path}: {error}"));
                check_time(identity).map_err(about)?;
            }
        }
        Ok(())
    }

    /// Puts all where it is looked for, or nothing.
    fn publish(
        &self,
        made: Made<C>,
        place: &Reloadable<C>,
    ) -> Result<(Served, Vec<Warning>, u64), Misuse> {
        let before = &self.served.parts;
        let mut parts = made.parts;
        // It may have waited long.
        self.check_times(&parts)?;
        // From here on nothing fails but for want of room, which changes nothing.
        let of_lists = lists::publish(&self.files.crls, &mut parts, before)?;
        if let (Some(keys), Some(secrets)) = (&parts.ticket_keys, made.secrets) {
            keys.replace(ticket_key_file::split(&secrets))?;
        }
        let mut warnings = warnings_of(&self.files, &parts, before);
        let lacks = made.lacks.iter().filter(|lack| lack.stays());
        warnings.extend(lacks.map(no_response));
        warnings.extend(of_lists);
        let generation = place.replace(made.config);
        let served = Served {
            digests: Vec::new(),
            stamps: Vec::new(),
            parts,
            staples: made.staples,
        };
        Ok((served, warnings, generation))
    }

    /// Those of the file of ticket keys, if they are new.
    fn ticket_secrets(
        &self,
        read: &[Contents],
        is_new: &[bool],
    ) -> Option<ticket_key_file::Secrets> {
        let path = self.files.ticket_keys.as_ref()?;
        let all = read.iter().zip(is_new).rev();
        let mut all = all.skip(self.files.crls.len());
        let (secrets, is_new) = all.find(|(one, _)| one.path == *path)?;
        is_new.then(|| secrets.bytes.clone())
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader")
            .field("files", &self.paths().len())
            .field("poll_every", &self.poll_every)
            .finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for LoadedFiles<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedFiles")
            .field("files", &self.files)
            .field("parts", &self.served.parts)
            .finish_non_exhaustive()
    }
}
