//! Files that are looked at: whether there is something else in them.

use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

/// What is read of one file.
const LONGEST: u64 = 16 << 20;

/// What was in a configuration's file, and in those that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Those that the configuration names that runs.
    files: Vec<PathBuf>,
    /// And those that one names that was refused: it may be for what is in them.
    of_refused: Vec<PathBuf>,
    text: [u8; 32],
    digest: [u8; 32],
}

impl Seen {
    /// This is the text of the file, and these are named there.
    pub(crate) fn now(text: &[u8], files: Vec<PathBuf>) -> Self {
        Self::of(Sha256::digest(text).into(), files, Vec::new())
    }

    fn of(text: [u8; 32], files: Vec<PathBuf>, of_refused: Vec<PathBuf>) -> Self {
        let mut all = Sha256::new();
        all.update(text);
        for file in files.iter().chain(&of_refused) {
            all.update(contents(file).map_or([0; 32], |it| Sha256::digest(it).into()));
        }
        let digest = all.finalize().into();
        Self {
            files,
            of_refused,
            text,
            digest,
        }
    }

    fn again(&self, file: &Path) -> Self {
        let text = contents(file).unwrap_or_default();
        let digest = Sha256::digest(&text).into();
        let of_refused = match digest == self.text {
            true => self.of_refused.clone(),
            false => crate::config::named(&text),
        };
        Self::of(digest, self.files.clone(), of_refused)
    }
}

/// `None` where it cannot be read: then it is another one, too.
fn contents(file: &Path) -> Option<Vec<u8>> {
    let mut contents = Vec::new();
    let mut options = std::fs::OpenOptions::new();
    let unblocked = OFlags::NONBLOCK.bits().cast_signed();
    let file = options.read(true).custom_flags(unblocked).open(file).ok()?;
    // Neither a device nor a pipe: they have no end, or nobody who writes. What was opened is asked, as a path may by now be
    // that of another one.
    file.metadata().ok().filter(Metadata::is_file)?;
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

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc::channel;

    use super::*;

    /// Also one that was put there a moment ago.
    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let [file, next] = ["file", "next"].map(|name| folder.path().join(name));
        std::fs::write(&file, "x").unwrap();
        let path = file.clone();
        let (told, hears) = channel();
        std::thread::spawn(move || {
            let seen = (0..20_000).map(|_| contents(&path));
            let _ = told.send(seen.filter(Option::is_some).count());
        });
        let mkfifo = Command::new("mkfifo").arg(&next).status().unwrap();
        assert!(mkfifo.success());
        let kept = folder.path().join("kept");
        std::fs::hard_link(&next, &kept).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(30);
        let read = loop {
            let pipe = std::fs::hard_link(&kept, &next);
            std::fs::rename(&next, &file).unwrap();
            drop(pipe);
            std::fs::write(&next, "x").unwrap();
            std::fs::rename(&next, &file).unwrap();
            match hears.try_recv() {
                Ok(read) => break read,
                Err(_) => assert!(std::time::Instant::now() < until, "it hangs"),
            }
        };
        assert!(read > 0);
    }
}
