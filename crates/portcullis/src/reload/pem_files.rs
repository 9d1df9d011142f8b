//! PEM files that are read once and looked at from time to time (`ssl_pem_cache`).

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::Misuse;
use portcullis_core::x509::{Identity, PemIdentity, Roots, shown_path};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::files::{self, Contents, Stamp};
use super::identity_files::{IdentityFiles, blocking};

const RECHECK_EVERY: Duration = Duration::from_secs(120);
const MOST: usize = 1_000;

/// Identities and roots out of PEM files, each of which is read once, and again when it has changed: for whoever chooses
/// among many, e.g. by the name that a client asks for. Cheap to clone; clones are the same files.
///
/// Whether a file has changed is looked for when it is asked for, at most every two minutes. What then cannot be read, or
/// is wrong, changes nothing: what was good last is given. `Reloader`, with the feature `watch`, is for a
/// configuration that follows its files by itself.
///
/// ```no_run
/// use portcullis::{IdentityFiles, PemFiles};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let files = PemFiles::new();
/// let identity = files.identity(&IdentityFiles::new("/etc/tls/a.example.pem")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PemFiles {
    identities: Arc<Cache<Identity>>,
    roots: Arc<Cache<Roots>>,
    recheck_every: Duration,
    bypass: bool,
}

/// What was read of which files.
type Places<T> = HashMap<Vec<PathBuf>, Place<T>>;
/// Whoever reads files lets others wait for the same ones, and for no others.
type Place<T> = Arc<AsyncMutex<Option<Kept<T>>>>;

struct Cache<T>(Mutex<Places<T>>);

struct Kept<T> {
    value: T,
    stamps: Vec<Option<Stamp>>,
    checked: Instant,
}

impl<T: Clone> Cache<T> {
    fn places(&self) -> MutexGuard<'_, Places<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where these files are kept; when there are too many, others make room.
    fn place(&self, paths: &[PathBuf]) -> Place<T> {
        let mut places = self.places();
        if let Some(place) = places.get(paths) {
            return Arc::clone(place);
        }
        if places.len() >= MOST {
            // Whichever it is is read again; those that somebody waits for stay.
            let idle = places
                .iter()
                .find(|(_, place)| Arc::strong_count(place) == 1);
            if let Some(gone) = idle.map(|(paths, _)| paths.clone()) {
                places.remove(&gone);
            }
        }
        let place = Place::default();
        places.insert(paths.to_vec(), Arc::clone(&place));
        place
    }

    /// What is kept, or what `make` makes of the files.
    async fn get<Fut: Future<Output = Result<T, Misuse>>>(
        &self,
        paths: Vec<PathBuf>,
        recheck_every: Duration,
        make: impl FnOnce(Vec<Contents>) -> Fut,
    ) -> Result<T, Misuse> {
        let place = self.place(&paths);
        let mut kept = place.lock().await;
        let known = kept.as_ref().map(|kept| kept.stamps.clone());
        if let Some(kept) = kept.as_mut() {
            if kept.checked.elapsed() < recheck_every {
                return Ok(kept.value.clone());
            }
            kept.checked = Instant::now();
        }
        let reading = blocking(move || {
            if known.is_some_and(|known| known == files::stamps(&paths)) {
                return Ok(None);
            }
            files::read(&paths).map(Some)
        });
        let made = match reading.await {
            Ok(None) => None,
            Ok(Some(read)) => {
                let stamps = read.iter().map(Contents::stamp).collect();
                Some(make(read).await.map(|value| (value, stamps)))
            }
            Err(error) => Some(Err(error)),
        };
        match (made, kept.as_mut()) {
            (Some(Ok((value, stamps))), _) => {
                let checked = Instant::now();
                *kept = Some(Kept {
                    value: value.clone(),
                    stamps,
                    checked,
                });
                Ok(value)
            }
            (None, Some(kept)) => Ok(kept.value.clone()),
            (Some(Err(error)), Some(kept)) => {
                tracing::warn!(%error, "files stay as they were");
                Ok(kept.value.clone())
            }
            (Some(Err(error)), None) => Err(error),
            (None, None) => Err(Misuse::new("a file was not read")),
        }
    }
}

impl Default for PemFiles {
    fn default() -> Self {
        Self::new()
    }
}

impl PemFiles {
    /// Without any file; up to 1,000 identities and 1,000 roots are kept.
    pub fn new() -> Self {
        Self {
            identities: Arc::new(Cache(Mutex::default())),
            roots: Arc::new(Cache(Mutex::default())),
            recheck_every: RECHECK_EVERY,
            bypass: false,
        }
    }

    /// How often it is looked for whether a file has changed: at most every two minutes unless something else is
    /// said.
    #[must_use]
    pub const fn recheck_every(mut self, time: Duration) -> Self {
        self.recheck_every = time;
        self
    }

    /// Reads files each time, and keeps nothing (`bypass_pem_cache`). Of this clone alone.
    #[must_use]
    pub const fn bypass(mut self, yes: bool) -> Self {
        self.bypass = yes;
        self
    }

    /// Forgets all files: each is read when it is asked for next (`clear_pem_cache`).
    pub fn clear(&self) {
        self.identities.places().clear();
        self.roots.places().clear();
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.identities.places().len() + self.roots.places().len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The identity in these files. They are told apart by their paths, and not by their passwords.
    ///
    /// # Errors
    /// As [`IdentityFiles::load`], if they were not read before.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn identity(&self, files: &IdentityFiles) -> Result<Identity, Misuse> {
        if self.bypass {
            return files.load().await;
        }
        files.check_alone()?;
        let (chain, key) = files.paths();
        let paths = [Some(chain), key].into_iter().flatten().map(Path::to_owned);
        let make = |read: Vec<Contents>| async move {
            let mut read = read.iter();
            let (chain, key) = (read.next(), read.next());
            let about = |read: Option<&Contents>| read.map(|read| shown_path(&read.path));
            let with = about(key).map(|key| format!(" with the key {key}"));
            let about = about(chain).unwrap_or_default() + &with.unwrap_or_default();
            let named = |error| Misuse::new(format!("{about}: {error}"));
            let chain = chain
                .map(|chain| chain.bytes.as_slice())
                .unwrap_or_default();
            let pem = PemIdentity::read(chain, key.map(|key| key.bytes.as_slice()));
            files.open(pem.map_err(named)?).await.map_err(named)
        };
        let identities = &self.identities;
        identities
            .get(paths.collect(), self.recheck_every, make)
            .await
    }

    /// The roots in this file.
    ///
    /// # Errors
    /// As [`Roots::from_pem_file`], if it was not read before.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn roots(&self, path: impl AsRef<Path>) -> Result<Roots, Misuse> {
        let path = path.as_ref().to_owned();
        if self.bypass {
            return blocking(move || Roots::from_pem_file(path)).await;
        }
        let make = |read: Vec<Contents>| {
            blocking(move || {
                let read = read
                    .first()
                    .ok_or_else(|| Misuse::new("a file was not read"))?;
                let roots = Roots::from_pem(&*read.bytes);
                roots.map_err(|error| Misuse::new(format!("{}: {error}", shown_path(&read.path))))
            })
        };
        self.roots.get(vec![path], self.recheck_every, make).await
    }
}

impl fmt::Debug for PemFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemFiles")
            .field("kept", &self.len())
            .field("recheck_every", &self.recheck_every)
            .field("bypass", &self.bypass)
            .finish()
    }
}
