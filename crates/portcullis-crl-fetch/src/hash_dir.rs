//! A directory of lists, as `openssl rehash` lays it out (`ssl_crl_hash_dir`).

use std::collections::HashMap;
use std::future::ready;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use portcullis_core::x509::{Crl, CrlQuery, crl_issuer_hash, shown_path};

use crate::{CrlFuture, CrlSource, Lookup, may_be_wanted};

/// More files of one hash are not looked for.
const MAX_FILES: usize = 64;
/// More reasons are not told why there is no list.
const MAX_TOLD: usize = 4;
/// Of lists that are remembered.
const MAX_BYTES: usize = 128 << 20;

/// Revocation lists in a directory whose files are called by the hash of their issuer and a number from 0 on without
/// gaps: `47a90fce.r0`, `47a90fce.r1`. `openssl rehash` makes such names, as links. Cheap to clone; clones share what
/// they have read.
///
/// A file has one list in DER, or some in PEM. What is of another issuer with the same hash, over, or damaged is
/// passed over, and named by an event of `tracing`; it hides nothing. Where there is no list, what was damaged or could
/// not be read, and that there is no such directory, becomes part of the error of the handshake. What was read is looked
/// at again every 2 minutes, and read again if the file is another by then, or could not be read. With feature `hash-dir`; needs a Tokio runtime.
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
    /// What could not be looked at.
    faults: Vec<String>,
}

#[derive(Clone, Debug)]
struct File {
    state: FileState,
    /// Or what is wrong with it.
    lists: Result<Vec<Arc<Crl>>, String>,
}

/// By what it is told that a file is another now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    length: u64,
    modified: Option<SystemTime>,
    /// Device, number, and when the latter was changed.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl FileState {
    fn of(path: &Path) -> std::io::Result<Self> {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        // Of what a link leads to.
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (
                metadata.dev(),
                metadata.ino(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ),
        })
    }
}

impl HashDirCrls {
    /// The lists in this directory. It is not looked at before something is asked.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self::with_recheck(path, Duration::from_secs(120))
    }

    /// The same, and looked at again when so much time has passed.
    pub fn with_recheck(path: impl AsRef<Path>, every: Duration) -> Self {
        Self(Arc::new(Directory {
            path: path.as_ref().to_owned(),
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
            Some(known) => {
                found.push(known);
                false
            }
            None => !memory_only,
        });
        let query = query.clone();
        let current = move |found: Vec<Known>| {
            let mut lists: Vec<_> = found.iter().flat_map(Known::lists).cloned().collect();
            lists.retain(|list| !list.is_stale(now) && may_be_wanted(list, &query));
            let mut faults: Vec<_> = found.iter().flat_map(Known::faults).collect();
            faults.truncate(MAX_TOLD);
            match lists.is_empty() && !faults.is_empty() {
                true => Lookup::NotAvailable(Some(faults.join("; "))),
                false => Lookup::of(lists),
            }
        };
        if hashes.is_empty() {
            return Box::pin(ready(current(found)));
        }
        let directory = Arc::clone(&self.0);
        let reading = tokio::task::spawn_blocking(move || {
            hashes
                .into_iter()
                .map(|hash| directory.read(hash))
                .collect::<Vec<_>>()
        });
        Box::pin(async move {
            match reading.await {
                Ok(known) => found.extend(known),
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
    fn remembered(&self, hash: u32, whatever_its_age: bool) -> Option<Known> {
        let known = self.known();
        let known = known.get(&hash)?;
        let is_recent = known.checked.elapsed() < self.recheck_every;
        (is_recent || whatever_its_age).then(|| known.clone())
    }

    /// Looks at the files of a hash, and reads those that are new, or could not be read before.
    fn read(&self, hash: u32) -> Known {
        let _one_at_a_time = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.remembered(hash, false) {
            return known;
        }
        let before = self.known().get(&hash).cloned();
        let (mut files, mut faults) = (Vec::new(), Vec::new());
        for number in 0..MAX_FILES {
            let path = self.path.join(format!("{hash:08x}.r{number}"));
            let state = match FileState::of(&path) {
                Ok(state) => state,
                // It is there, and leads to nothing that could be read: it hides none of those behind it.
                Err(error) if path.symlink_metadata().is_ok() => {
                    faults.push(fault(&path, &error));
                    continue;
                }
                // Behind the last of an issuer there is none, but the directory is.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if let Err(error) = std::fs::metadata(&self.path) {
                        faults.push(fault(&self.path, &error));
                    }
                    break;
                }
                Err(error) => {
                    faults.push(fault(&path, &error));
                    break;
                }
            };
            let mut same = before.iter().flat_map(|known| &known.files);
            let same = same.find(|file| file.state == state && file.lists.is_ok());
            files.push(same.cloned().unwrap_or_else(|| File {
                lists: lists_in(&path, hash),
                state,
            }));
        }
        let known = Known {
            checked: Instant::now(),
            files,
            faults,
        };
        let mut all = self.known();
        all.insert(hash, known.clone());
        // What was looked at longest ago goes.
        while all.len() > 1 && all.values().map(Known::bytes).sum::<usize>() > MAX_BYTES {
            let oldest = all.iter().filter(|(own, _)| **own != hash);
            let oldest = oldest
                .min_by_key(|(_, known)| known.checked)
                .map(|(own, _)| *own);
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        known
    }
}

fn lists_in(path: &Path, hash: u32) -> Result<Vec<Arc<Crl>>, String> {
    // Whoever opens a pipe waits for somebody to write.
    if !path.is_file() {
        let error = std::io::Error::other("it is no file");
        return Err(fault(path, &error));
    }
    let lists = Crl::from_file(path).map_err(|error| {
        tracing::warn!(%error, "a file of revocation lists is passed over");
        error.to_string()
    })?;
    let is_called_so = |list: &Arc<Crl>| crl_issuer_hash(list.issuer()) == Some(hash);
    let (own, others): (Vec<_>, Vec<_>) = lists.into_iter().partition(is_called_so);
    if !others.is_empty() {
        tracing::debug!(path = %path.display(), "revocation lists of another issuer than the file's name says");
    }
    Ok(own)
}

fn fault(path: &Path, error: &std::io::Error) -> String {
    let path = shown_path(path);
    tracing::warn!(path, %error, "revocation lists cannot be looked at");
    format!("{path}: {error}")
}

impl Known {
    fn lists(&self) -> impl Iterator<Item = &Arc<Crl>> {
        self.files
            .iter()
            .flat_map(|file| file.lists.iter().flatten())
    }

    fn faults(&self) -> impl Iterator<Item = &str> {
        let files = self
            .files
            .iter()
            .filter_map(|file| file.lists.as_ref().err());
        self.faults.iter().chain(files).map(String::as_str)
    }

    fn bytes(&self) -> usize {
        self.lists().map(|list| list.bytes()).sum()
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

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair,
        SerialNumber, date_time_ymd,
    };

    use super::*;

    /// Nothing that is looked at tells that a file can be read now, e.g. since there are descriptors again.
    #[test]
    fn what_could_not_be_read_is_read_again_though_it_looks_the_same() {
        let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2049, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&issuer).unwrap().der().to_vec();
        let hash = crl_issuer_hash(Crl::from_der(&*list).unwrap().issuer()).unwrap();
        let folder =
            std::env::temp_dir().join(format!("portcullis-hash-dir-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join(format!("{hash:08x}.r0"));
        std::fs::write(&path, list).unwrap();
        let crls = HashDirCrls::with_recheck(&folder, Duration::ZERO);
        let read_after = |lists| {
            let state = FileState::of(&path).unwrap();
            let known = Known {
                checked: Instant::now(),
                files: vec![File { state, lists }],
                faults: Vec::new(),
            };
            crls.0.known().insert(hash, known);
            let known = crls.0.read(hash);
            (known.lists().count(), known.faults().count())
        };
        // What was read is not read again.
        assert_eq!(read_after(Ok(Vec::new())), (0, 0));
        assert_eq!(read_after(Err("too many open files".to_owned())), (1, 0));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
