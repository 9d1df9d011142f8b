//! Files that somebody else writes: all of them as they are at one time.

use std::fs::{self, File, Metadata};
#[cfg(feature = "watch")]
use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use portcullis_core::Misuse;
use portcullis_core::x509::shown_path;
use zeroize::Zeroizing;

/// The largest file that is read: the lists of a large authority have tens of megabytes.
const MOST: u64 = 128 * 1024 * 1024;

/// What was read of one file.
pub(super) struct Contents {
    pub(super) path: PathBuf,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    stamp: Stamp,
}

/// What changes when somebody writes a file, or puts another one in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// Device, number, and when the latter was changed.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (
                metadata.dev(),
                metadata.ino(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ),
        }
    }
}

/// Of the files at these paths as they are now; `None` for one that is not there.
pub(super) fn stamps(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |path: &PathBuf| Some(Stamp::of(&fs::metadata(path).ok()?));
    paths.iter().map(stamp).collect()
}

impl Contents {
    /// The same for the same bytes, and for others only by a chance that nobody can choose.
    #[cfg(feature = "watch")]
    pub(super) fn digest(&self, hash: &RandomState) -> u64 {
        hash.hash_one(&*self.bytes)
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        Some(self.stamp.clone())
    }
}

/// Reads them all.
///
/// # Errors
/// When one cannot be read, or was changed meanwhile: then they may be of two times.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Contents>, Misuse> {
    let all: Vec<Contents> = paths
        .iter()
        .map(|path| one(path))
        .collect::<Result<_, _>>()?;
    let now = stamps(paths);
    match all.iter().zip(now).find(|(one, now)| one.stamp() != *now) {
        None => Ok(all),
        Some((changed, _)) => Err(being_written(&changed.path)),
    }
}

fn one(path: &Path) -> Result<Contents, Misuse> {
    let cannot =
        |error: std::io::Error| Misuse::new(format!("cannot read {}: {error}", shown_path(path)));
    let no_file = || Misuse::new(format!("{} is no file", shown_path(path)));
    // Whoever opens a pipe waits for somebody to write.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(no_file());
    }
    let mut file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(no_file());
    }
    if metadata.len() > MOST {
        return Err(Misuse::new(format!(
            "{} has more than {MOST} bytes",
            shown_path(path)
        )));
    }
    // One byte more than there is, and it does not grow: what had grown would have left a key in memory.
    let room = usize::try_from(metadata.len()).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut length = 0;
    while let Some(free) = bytes.get_mut(length..)
        && !free.is_empty()
    {
        match file.read(free).map_err(cannot)? {
            0 => break,
            count => length += count,
        }
    }
    if length == room {
        return Err(being_written(path));
    }
    bytes.truncate(length);
    Ok(Contents {
        path: path.to_owned(),
        bytes,
        stamp: Stamp::of(&metadata),
    })
}

fn being_written(path: &Path) -> Misuse {
    Misuse::new(format!("{} changed while it was read", shown_path(path)))
}
