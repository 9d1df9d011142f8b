//! Files that are looked at: whether there is something else in them.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// What is read of one file.
const LONGEST: u64 = 16 << 20;

/// What was in a configuration's file, and in those that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    files: Vec<PathBuf>,
    digest: [u8; 32],
}

impl Seen {
    /// This is the text of the file, and these are named there.
    pub(crate) fn now(text: &[u8], files: Vec<PathBuf>) -> Self {
        let mut all = Sha256::new();
        all.update(Sha256::digest(text));
        for file in &files {
            all.update(contents(file).map_or([0; 32], |it| Sha256::digest(it).into()));
        }
        let digest = all.finalize().into();
        Self { files, digest }
    }

    fn again(&self, file: &Path) -> Self {
        let text = contents(file).unwrap_or_default();
        Self::now(&text, self.files.clone())
    }
}

/// `None` where it cannot be read: then it is another one, too.
fn contents(file: &Path) -> Option<Vec<u8>> {
    let mut contents = Vec::new();
    // Neither a device nor a pipe: they have no end, or nobody who writes.
    std::fs::metadata(file).ok().filter(|it| it.is_file())?;
    let file = std::fs::File::open(file).ok()?;
    file.take(LONGEST).read_to_end(&mut contents).ok()?;
    Some(contents)
}

/// What was seen last.
#[derive(Debug)]
pub(crate) struct Watch(Mutex<Seen>);

impl Watch {
    pub(crate) fn new(seen: Seen) -> Self {
        Self(Mutex::new(seen))
    }

    pub(crate) fn set(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    fn seen(&self) -> Seen {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// Until there is something else in them, which was the same for two looks: files may be written in pieces, and a
    /// certificate before its key.
    ///
    /// # Cancel safety
    /// Dropped, what has changed is found the next time.
    pub(crate) async fn changed(&self, file: &Path, every: Duration) {
        let mut candidate = None;
        loop {
            tokio::time::sleep(every).await;
            let (seen, path) = (self.seen(), file.to_owned());
            let before = seen.clone();
            let looking = tokio::task::spawn_blocking(move || before.again(&path));
            let Ok(now) = looking.await else { continue };
            if now == seen {
                candidate = None;
            } else if candidate.as_ref() == Some(&now) {
                // It is read once, also if it is refused.
                return self.set(now);
            } else {
                candidate = Some(now);
            }
        }
    }
}
