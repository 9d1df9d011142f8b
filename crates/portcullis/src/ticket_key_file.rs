//! Ticket keys from a file, which somebody else changes.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::Misuse;
use portcullis_core::session::TicketKeys;
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

/// The most secrets that [`TicketKeys`] take.
const MOST: usize = 16;
const SECRET: usize = TicketKeys::SECRET_LEN;

/// [Shared](TicketKeys::shared) ticket keys from a file that is looked at again and again, so that what gives
/// keys to a fleet has nothing to do but to write a file. Cheap to clone; when the last clone is dropped nobody
/// looks any more, and the keys stay as they are.
///
/// The file has 1 to 16 secrets of 48 random bytes and nothing else, as nginx has one of in each file; the first
/// one seals, all open. `openssl rand 48 > FILE` makes one. To change keys, put the new one behind the old one
/// everywhere, then before it, and later leave the old one out; and put the file in its place by renaming, so that
/// no half of it is read. A file that is wrong, or gone, changes nothing: [`last_error`](Self::last_error) tells.
///
/// ```no_run
/// use std::time::Duration;
/// use portcullis::{ServerConfig, TicketKeyFile};
///
/// # async fn example(identity: portcullis::Identity) -> Result<(), Box<dyn std::error::Error>> {
/// let file = TicketKeyFile::open("/run/tickets.key", Duration::from_secs(10)).await?;
/// let config = ServerConfig::builder().identity(identity).ticket_keys(file.keys()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TicketKeyFile(Arc<Watch>);

struct Watch {
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    path: PathBuf,
    keys: TicketKeys,
    last_error: Mutex<Option<Misuse>>,
}

/// What was read.
pub(crate) type Secrets = Zeroizing<Vec<u8>>;

impl TicketKeyFile {
    /// Reads the file now, and again after each time `every`, at least 10 milliseconds, in a task of this Tokio
    /// runtime; reading is done on one of its threads for what blocks.
    ///
    /// # Errors
    /// When the file cannot be read, or has no such keys.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn open(path: impl AsRef<Path>, every: Duration) -> Result<Self, Misuse> {
        let path = path.as_ref().to_owned();
        let secrets = read(path.clone()).await?;
        let keys = TicketKeys::shared(split(&secrets)).map_err(|error| about(&path, &error))?;
        let last_error = Mutex::default();
        let shared = Arc::new(Shared {
            path,
            keys,
            last_error,
        });
        let every = every.max(Duration::from_millis(10));
        let task = tokio::spawn(watch(Arc::clone(&shared), secrets, every)).abort_handle();
        Ok(Self(Arc::new(Watch { shared, task })))
    }

    /// Reads such a file once, in this thread: for those who read it again by themselves, as at a reload.
    ///
    /// # Errors
    /// When the file cannot be read, or has no such keys.
    pub fn load(path: impl AsRef<Path>) -> Result<TicketKeys, Misuse> {
        let path = path.as_ref();
        let secrets = read_now(path)?;
        TicketKeys::shared(split(&secrets)).map_err(|error| about(path, &error))
    }

    /// The keys, which change with the file.
    pub fn keys(&self) -> TicketKeys {
        self.0.shared.keys.clone()
    }

    /// What was wrong with the file when it was last looked at; `None` if nothing was.
    pub fn last_error(&self) -> Option<Misuse> {
        let last = self.0.shared.last_error.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(shared: Arc<Shared>, mut known: Secrets, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let result = match read(shared.path.clone()).await {
            Ok(secrets) if *secrets == *known => Ok(()),
            Ok(secrets) => shared
                .keys
                .replace(split(&secrets))
                .map(|()| known = secrets)
                .map_err(|error| about(&shared.path, &error)),
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            tracing::warn!(%error, "ticket keys stay as they are");
        }
        let mut last = shared
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = result.err();
    }
}

async fn read(path: PathBuf) -> Result<Secrets, Misuse> {
    let reading = tokio::task::spawn_blocking(move || read_now(&path));
    let ended = |_| Misuse::new("ticket keys: the runtime has ended");
    reading.await.map_err(ended)?
}

fn read_now(path: &Path) -> Result<Secrets, Misuse> {
    // One byte more than there may be, and no more of what is no such file. It does not grow: what had grown
    // would have left its beginning in memory.
    let mut secrets = Zeroizing::new(vec![0; MOST * SECRET + 1]);
    let mut length = 0;
    let mut file = File::open(path).map_err(|error| about(path, &error))?;
    while let Some(room) = secrets.get_mut(length..)
        && !room.is_empty()
    {
        match file.read(room).map_err(|error| about(path, &error))? {
            0 => break,
            count => length += count,
        }
    }
    secrets.truncate(length);
    check(path, &secrets)?;
    Ok(secrets)
}

/// Whether a file with these bytes has secrets and nothing else.
pub(crate) fn check(path: &Path, secrets: &[u8]) -> Result<(), Misuse> {
    let length = secrets.len();
    if length == 0 || !length.is_multiple_of(SECRET) || length > MOST * SECRET {
        let bytes = match length > MOST * SECRET {
            true => "more than 768 bytes".to_owned(),
            false => format!("{length} bytes"),
        };
        let sentence = format!(
            "the file has {bytes}; it is 1 to 16 secrets of 48 bytes, such as those of `openssl rand 48`, and \
             nothing else"
        );
        return Err(about(path, &sentence));
    }
    Ok(())
}

pub(crate) fn split(secrets: &[u8]) -> impl Iterator<Item = &[u8; SECRET]> {
    secrets.as_chunks().0.iter()
}

pub(crate) fn about(path: &Path, what: &dyn fmt::Display) -> Misuse {
    Misuse::new(format!("ticket keys from {}: {what}", path.display()))
}

impl fmt::Debug for TicketKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeyFile")
            .field("path", &self.0.shared.path)
            .field("last_error", &self.last_error())
            .finish_non_exhaustive()
    }
}
