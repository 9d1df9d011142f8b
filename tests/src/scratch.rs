//! Files of one test process, in one directory that the next test process removes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The directory of this process. Directories of processes that have ended are removed on the way.
///
/// # Panics
/// If the directory for temporary files is not writable.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let all = std::env::temp_dir().join("portcullis-tests");
        for entry in fs::read_dir(&all).into_iter().flatten().flatten() {
            if !Path::new("/proc").join(entry.file_name()).exists() {
                // Another test process may be removing it at the same time.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let own = all.join(std::process::id().to_string());
        fs::create_dir_all(&own)
            .unwrap_or_else(|error| panic!("cannot create {}: {error}", own.display()));
        own
    })
}

/// Writes `contents` to a new file whose name ends in `suffix`.
///
/// # Panics
/// If the file cannot be written.
pub fn file(suffix: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = directory().join(format!("{number}-{suffix}"));
    fs::write(&path, contents)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path
}
