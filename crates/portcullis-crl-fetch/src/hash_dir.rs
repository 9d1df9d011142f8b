//! A directory of lists, as `openssl rehash` lays it out (`ssl_crl_hash_dir`).

use std::collections::HashMap;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use portcullis_core::x509::{Crl, CrlQuery, crl_issuer_hash};

use crate::{CrlFuture, CrlSource, Lookup, may_be_wanted};

/// More files of one hash are not looked for.
const MAX_FILES: usize = 64;
/// Of lists that are remembered.
const MAX_BYTES: usize = 128 << 20;

/// Revocation lists in a directory whose files are called by the hash of their issuer and a number from 0 on without
/// gaps: `47a90fce.r0`, `47a90fce.r1`. `openssl rehash` makes such names, as links. Cheap to clone; clones share what
/// they have read.
///
/// A file has one list in DER, or some in PEM. What is of another issuer with the same hash, over, or damaged is
/// passed over, and named by an event of `tracing`; it hides nothing. What was read is looked at again every 2
/// minutes, and read again if the file is another by then. With feature `hash-dir`; needs a Tokio runtime.
#[derive(Clone, Debug)]
pub struct HashDirCrls(Arc<Directory>);

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    recheck_every: Duration,
    /// Held while files are read, by one thread that does nothing else.
    reading: Mutex<()>,
    known: Mutex<HashMap<u32, Known>>,
}

/// What was read of one hash.
#[derive(Clone, Debug)]
struct Known {
    checked: Instant,
    files: Vec<File>,
}

#[derive(Clone, Debug)]
struct File {
    state: FileState,
    lists: Vec<Arc<Crl>>,
}

/// By what it is told that a file is another now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
}

impl FileState {
    fn of(path: &Path) -> std::io::Result<Self> {
        // Of what a link leads to.
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }
}

impl HashDirCrls {
    /// The lists in this directory. It is not looked at before something is asked.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_recheck(path, Duration::from_secs(120))
    }

    /// The same, and looked at again when so much time has passed.
    pub fn with_recheck(path: impl Into<PathBuf>, every: Duration) -> Self {
        Self(Arc::new(Directory {
            path: path.into(),
            recheck_every: every,
            reading: Mutex::new(()),
            known: Mutex::default(),
        }))
    }

    /// Looks at the files again when something is asked next.
    pub fn recheck(&self) {
        self.0.known().values_mut().for_each(|known| {
            known.checked = known
                .checked
                .checked_sub(self.0.recheck_every)
                .unwrap_or(known.checked);
        });
    }

    fn find(&self, query: &CrlQuery) -> CrlFuture<'static, Lookup> {
        let mut hashes: Vec<u32> = query.issuers().filter_map(crl_issuer_hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let now = query.now();
        // Whoever says where the list is: here nobody goes there.
        let memory_only = query.is_memory_only() && query.is_authenticated();
        let mut found = Vec::new();
        hashes.retain(|hash| match self.0.remembered(*hash, memory_only) {
            Some(lists) => {
                found.extend(lists);
                false
            }
            None => !memory_only,
        });
        let query = query.clone();
        let current = move |mut lists: Vec<Arc<Crl>>| {
            lists.retain(|list| !list.is_stale(now) && may_be_wanted(list, &query));
            Lookup::of(lists)
        };
        if hashes.is_empty() {
            return Box::pin(ready(current(found)));
        }
        let directory = Arc::clone(&self.0);
        let reading = tokio::task::spawn_blocking(move || {
            hashes
                .into_iter()
                .flat_map(|hash| directory.read(hash))
                .collect::<Vec<_>>()
        });
        Box::pin(async move {
            match reading.await {
                Ok(lists) => found.extend(lists),
                Err(error) => tracing::error!(%error, "reading revocation lists"),
            }
            current(found)
        })
    }
}

impl Directory {
    fn known(&self) -> MutexGuard<'_, HashMap<u32, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a hash, unless it has to be looked at again.
    fn remembered(&self, hash: u32, whatever_its_age: bool) -> Option<Vec<Arc<Crl>>> {
        let known = self.known();
        let known = known.get(&hash)?;
        let is_recent = known.checked.elapsed() < self.recheck_every;
        (is_recent || whatever_its_age).then(|| known.lists())
    }

    /// Looks at the files of a hash, and reads those that are new.
    fn read(&self, hash: u32) -> Vec<Arc<Crl>> {
        let _one_at_a_time = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lists) = self.remembered(hash, false) {
            return lists;
        }
        let before = self.known().get(&hash).cloned();
        let mut files = Vec::new();
        for number in 0..MAX_FILES {
            let path = self.path.join(format!("{hash:08x}.r{number}"));
            let state = match FileState::of(&path) {
                Ok(state) => state,
                Err(error) => {
                    // Behind the last of an issuer there is none.
                    if error.kind() != std::io::ErrorKind::NotFound {
                        let path = path.display();
                        tracing::warn!(%path, %error, "a file of revocation lists cannot be looked at");
                    }
                    break;
                }
            };
            let same = before
                .iter()
                .flat_map(|known| &known.files)
                .find(|file| file.state == state)
                .cloned();
            files.push(same.unwrap_or_else(|| File {
                lists: lists_in(&path, hash),
                state,
            }));
        }
        let known = Known {
            checked: Instant::now(),
            files,
        };
        let lists = known.lists();
        let mut all = self.known();
        all.insert(hash, known);
        // What was looked at longest ago goes.
        while all.len() > 1 && all.values().map(Known::bytes).sum::<usize>() > MAX_BYTES {
            let oldest = all.iter().filter(|(own, _)| **own != hash);
            let oldest = oldest
                .min_by_key(|(_, known)| known.checked)
                .map(|(own, _)| *own);
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        lists
    }
}

fn lists_in(path: &Path, hash: u32) -> Vec<Arc<Crl>> {
    let lists = match Crl::from_file(path) {
        Ok(lists) => lists,
        Err(error) => {
            tracing::warn!(%error, "a file of revocation lists is passed over");
            return Vec::new();
        }
    };
    let is_called_so = |list: &Arc<Crl>| crl_issuer_hash(list.issuer()) == Some(hash);
    let (own, others): (Vec<_>, Vec<_>) = lists.into_iter().partition(is_called_so);
    if !others.is_empty() {
        tracing::debug!(path = %path.display(), "revocation lists of another issuer than the file's name says");
    }
    own
}

impl Known {
    fn lists(&self) -> Vec<Arc<Crl>> {
        self.files
            .iter()
            .flat_map(|file| file.lists.iter().cloned())
            .collect()
    }

    fn bytes(&self) -> usize {
        let lists = self.files.iter().flat_map(|file| &file.lists);
        lists.map(|list| list.bytes()).sum()
    }
}

impl CrlSource for HashDirCrls {
    fn lookup<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        self.find(query)
    }

    fn select<'a>(&'a self, query: &'a CrlQuery) -> CrlFuture<'a, Lookup> {
        self.find(query)
    }
}
