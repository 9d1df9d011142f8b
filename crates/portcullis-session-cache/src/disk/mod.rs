//! Sessions in a file, which survive the process (feature `disk`).

mod client;
mod file;
mod server;
mod tables;
mod thread;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::UnixTime;

use self::file::File;
use self::tables::Tables;
use self::thread::Thread;
use crate::sealed::{Place, Seal};
use crate::{StoreError, StoreKeys};

/// The sessions of a client or a server in a file, which survive a restart, and `kill -9` at any time. Cheap to
/// clone; clones are the same store.
///
/// What was put is on the disk when the future of `put` is ready, and what was claimed or taken is
/// gone from it before it is given, so that nothing is given twice. Work that is asked for at the same time is
/// written together. A thread of the store's own does it, and none of a runtime's; any executor will
/// do. Once in 10 seconds, and whenever something is written, it removes what has expired.
///
/// Sessions are [sealed](StoreKeys) in the file, which only its owner may read (mode 0600), and which is for one
/// process at a time. When it cannot be written, because the disk is full, sessions are lost and nothing else:
/// [`last_error`](Self::last_error) tells, and the store tries the file again once a second.
///
/// ```
/// # use portcullis_session_cache as portcullis;
/// use portcullis::{DiskStore, SessionStore, StoreKeys};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("portcullis-example-{}", std::process::id()));
/// # let secret = [7; 32];
/// // Read from where your other secrets are.
/// let keys = StoreKeys::new([&secret])?;
/// let store = DiskStore::options().capacity(10_000).open(&path, keys).await?;
/// // `TlsConnector::session_store(Arc::new(store.clone()))`, and at the end of the program:
/// SessionStore::close(&store).await;
/// # std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DiskStore {
    thread: Thread,
    keys: Seal,
}

/// How a [`DiskStore`] is opened.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DiskOptions {
    capacity: u64,
    begin_anew: bool,
}

impl DiskStore {
    /// Where each option has its default.
    pub fn options() -> DiskOptions {
        DiskOptions {
            capacity: 100_000,
            begin_anew: false,
        }
    }

    /// Opens the file, which is made if there is none.
    ///
    /// # Errors
    /// As [`DiskOptions::open`].
    ///
    /// # Cancel safety
    /// As [`DiskOptions::open`].
    pub async fn open(path: impl AsRef<Path>, keys: StoreKeys) -> Result<Self, StoreError> {
        Self::options().open(path, keys).await
    }

    /// How many sessions were asked for, had not expired, and could be opened with none of the store's
    /// [keys](StoreKeys): those it was written with are others. There is a full handshake for each.
    pub fn unopened(&self) -> u64 {
        self.keys.unopened()
    }

    /// What has failed last, if anything has. The first session that was asked for and that none of its keys opens
    /// ([`Keys`](crate::StoreErrorKind::Keys)) is among that; [`unopened`](Self::unopened) counts them all.
    pub fn last_error(&self) -> Option<StoreError> {
        self.thread.last_error()
    }

    /// All of them, as they are sealed; whether there were no errors.
    async fn each(&self, kinds: Kinds, visit: &mut (dyn FnMut(&Place, &[u8]) + Send)) -> bool {
        let mut after = None;
        loop {
            let page = move |tables: &mut Tables<'_>| tables.page(kinds, after);
            let Some(page) = self.thread.ask(page).await else {
                return false;
            };
            let Some((last, _)) = page.last() else {
                return true;
            };
            after = Some(*last);
            for (key, sealed) in &page {
                visit(&key.place(), sealed);
            }
        }
    }
}

impl DiskOptions {
    /// How many sessions there are at most, 1 at least; where there would be more, those that expire first make
    /// room. Default: 100,000, which take about 100 MB.
    pub fn capacity(mut self, sessions: u64) -> Self {
        self.capacity = sessions.max(1);
        self
    }

    /// Whether a file that is damaged, or no file of sessions at all, is put aside, under its name with `.damaged`
    /// behind it, and a new one made. Default: no, that is an error.
    pub fn begin_anew(mut self, on: bool) -> Self {
        self.begin_anew = on;
        self
    }

    /// Opens the file, which is made if there is none. All of it is read, to see whether it is damaged.
    ///
    /// # Errors
    /// When it is damaged, is in use by another process or another store of this one, or cannot be opened. That
    /// a file was cut short redb may find out by a panic, which is caught, but written to standard error; in a program
    /// that is built with `panic = "abort"` nothing can catch it.
    ///
    /// # Cancel safety
    /// Dropped, the file may be open for a moment longer.
    pub async fn open(
        self,
        path: impl AsRef<Path>,
        keys: StoreKeys,
    ) -> Result<DiskStore, StoreError> {
        let file = File::new(path.as_ref(), self.begin_anew);
        let thread = Thread::start(Arc::new(file), self.capacity).await?;
        let keys = Seal::new(keys, thread.errors());
        Ok(DiskStore { thread, keys })
    }
}

/// What a session is in the file: of whom, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key([u8; Key::LEN]);

/// The first byte of a [`Key`].
const SERVER: u8 = 0;
/// A client's that is given once; the last bytes count those of one place.
const SINGLE: u8 = 1;
/// A client's that is given many times.
const MANY: u8 = 2;

/// From one to another.
type Kinds = (u8, u8);

impl Key {
    const LEN: usize = 1 + 32 + 8;

    fn new(kind: u8, place: &Place, number: u64) -> Self {
        let mut out = [kind; Self::LEN];
        out[1..33].copy_from_slice(&place.0);
        out[33..].copy_from_slice(&number.to_be_bytes());
        Self(out)
    }

    fn place(&self) -> Place {
        let mut place = [0; 32];
        place.copy_from_slice(&self.0[1..33]);
        Place(place)
    }

    fn number(&self) -> u64 {
        let mut number = [0; 8];
        number.copy_from_slice(&self.0[33..]);
        u64::from_be_bytes(number)
    }
}

fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime::since_unix_epoch(since.unwrap_or_default())
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore")
            .field("last_error", &self.last_error())
            .finish_non_exhaustive()
    }
}
