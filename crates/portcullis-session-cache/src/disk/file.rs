//! The file: opened, found damaged, and begun anew.

use std::fs::{self, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, Database};

use super::tables::{Answer, Tables};
use crate::{StoreError, StoreErrorKind};

/// What a file of redb begins with.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// How much of the file is kept in memory, in bytes.
const CACHE: usize = 8 * 1024 * 1024;

pub(super) struct File {
    path: PathBuf,
    begin_anew: bool,
}

impl File {
    pub(super) fn new(path: &Path, begin_anew: bool) -> Self {
        let path = path.to_owned();
        Self { path, begin_anew }
    }

    /// Opens the file. Blocks.
    pub(super) fn open(&self) -> Result<Database, StoreError> {
        match self.open_once() {
            Err(error) if self.begin_anew && error.kind() == StoreErrorKind::Damaged => {
                let mut aside = self.path.clone().into_os_string();
                aside.push(".damaged");
                fs::rename(&self.path, aside).map_err(|error| self.unavailable(&error))?;
                self.open_once()
            }
            other => other,
        }
    }

    fn open_once(&self) -> Result<Database, StoreError> {
        let file = self.open_for_its_owner()?;
        let length = file.metadata().map_err(|error| self.unavailable(&error))?;
        if length.len() > 0 && !begins_with(&file, MAGIC) {
            return Err(self.damaged(&"it does not begin as such a file does"));
        }
        // What is damaged enough makes redb panic.
        catch_unwind(AssertUnwindSafe(|| open_checked(file)))
            .map_err(|_| self.damaged(&"it makes no sense"))?
            .map_err(|fault| self.error(&fault.0))
    }

    fn open_for_its_owner(&self) -> Result<fs::File, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = options
            .open(&self.path)
            .map_err(|error| self.unavailable(&error))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            file.set_permissions(fs::Permissions::from_mode(0o600))
                .map_err(|error| self.unavailable(&error))?;
        }
        Ok(file)
    }

    /// What an error of redb's means for the file.
    pub(super) fn error(&self, error: &redb::Error) -> StoreError {
        match error {
            redb::Error::DatabaseAlreadyOpen => StoreError::new(
                StoreErrorKind::Unavailable,
                format!(
                    "the file of sessions {} is in use, by another process or another store; each needs a \
                     file of its own",
                    self.path.display()
                ),
            ),
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                self.damaged(error)
            }
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                self.damaged(error)
            }
            redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::RepairAborted => self.damaged(error),
            other => self.unavailable(other),
        }
    }

    pub(super) fn damaged(&self, what: &dyn std::fmt::Display) -> StoreError {
        let path = self.path.display();
        StoreError::new(
            StoreErrorKind::Damaged,
            format!(
                "the file of sessions {path} is damaged, or another kind of file: {what}; open it with \
                 `begin_anew(true)`, which puts it aside, or remove it: without its sessions there are full \
                 handshakes, and nothing else is lost"
            ),
        )
    }

    fn unavailable(&self, what: &dyn std::fmt::Display) -> StoreError {
        let path = self.path.display();
        let sentence = format!("the file of sessions {path} cannot be used: {what}");
        StoreError::new(StoreErrorKind::Unavailable, sentence)
    }
}

fn begins_with(mut file: &fs::File, bytes: &[u8]) -> bool {
    use std::io::{Read as _, Seek as _};
    let mut begin = vec![0; bytes.len()];
    file.read_exact(&mut begin).is_ok() && begin == bytes && file.rewind().is_ok()
}

/// Opens it, and reads all of it.
fn open_checked(file: fs::File) -> Answer<Database> {
    let mut database = Builder::new()
        .set_cache_size(CACHE)
        .create_with_file_format_v3(true)
        .create_file(file)?;
    // That it was repaired is no damage: so it is after a `kill -9`.
    let _ = database.check_integrity()?;
    let making = database.begin_write()?;
    drop(Tables::open(&making)?);
    making.commit()?;
    Ok(database)
}
