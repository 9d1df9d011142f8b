//! Configurations that are replaced while connections are made, and what reads them from files.

mod files;
#[cfg(feature = "watch")]
mod folders;
mod identity_files;
#[cfg(feature = "watch")]
mod lists;
#[cfg(feature = "watch")]
mod parts;
mod pem_files;
#[cfg(feature = "watch")]
mod reloader;
#[cfg(feature = "watch")]
mod staples;
#[cfg(feature = "watch")]
mod watching;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use portcullis_core::config::{ClientConfig, ServerConfig};

pub use identity_files::IdentityFiles;
#[cfg(feature = "watch")]
pub use parts::{Parts, ReloadWarning};
pub use pem_files::PemFiles;
#[cfg(feature = "watch")]
pub use reloader::{LoadedFiles, Reloader};
#[cfg(feature = "watch")]
pub use watching::{ReloadEvent, Watching};

/// The configuration that new connections get, in a place where it can be replaced.
///
/// Its clones, and all clones of the acceptor, listener or connector that it is of, share one
/// place: it works wherever those have gone, e.g. into `axum::serve`. A handshake takes the
/// configuration once, when it starts, and keeps it; connections that are there keep theirs. To take it is to
/// copy a pointer under a lock that readers share; only [`replace`](Self::replace) makes others wait, for as long as it
/// takes to put the new one there. A configuration that cannot be built is never put here: the old one stays.
pub struct Reloadable<C>(Arc<RwLock<Loaded<C>>>);

struct Loaded<C> {
    config: C,
    generation: u64,
}

/// A [`ServerConfig`] or [`ClientConfig`].
pub trait Configuration: sealed::Sealed + Clone {
    #[doc(hidden)]
    fn replacing(&self, before: &Self) -> Self;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::ServerConfig {}
    impl Sealed for super::ClientConfig {}
}

impl Configuration for ServerConfig {
    fn replacing(&self, before: &Self) -> Self {
        Self::replacing(self, before)
    }
}

impl Configuration for ClientConfig {
    fn replacing(&self, before: &Self) -> Self {
        Self::replacing(self, before)
    }
}

impl<C: Configuration> Reloadable<C> {
    pub(crate) fn new(config: C) -> Self {
        let generation = 0;
        Self(Arc::new(RwLock::new(Loaded { config, generation })))
    }

    /// A thread that has panicked in between has changed nothing, or everything.
    fn read(&self) -> RwLockReadGuard<'_, Loaded<C>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration that a handshake gets that starts now.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_, acceptor) = dev_ends();
    /// let place = acceptor.reloadable();
    /// // The same but for one option.
    /// let config = place.current().to_builder().alpn(["h2"]).build()?;
    /// place.replace(config);
    /// assert_eq!(place.generation(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn current(&self) -> C {
        self.read().config.clone()
    }

    /// How often it was replaced.
    pub fn generation(&self) -> u64 {
        self.read().generation
    }

    /// Replaces it; gives the new generation.
    ///
    /// What was chosen for the new one counts. What nobody chose is carried over, so
    /// that a new certificate costs nothing else: see [`ServerConfig::replacing`] and
    /// [`ClientConfig::replacing`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (identity, _) = dev_identity();
    /// # let (_, acceptor) = dev_ends();
    /// let certificates = acceptor.reloadable();
    /// let config = certificates.current().to_builder().clear_identities().identity(identity).build()?;
    /// assert_eq!(certificates.replace(config), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace(&self, config: C) -> u64 {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let generation = now.generation + 1;
        let config = config.replacing(&now.config);
        // What was there is dropped when nobody waits any more.
        let _before = std::mem::replace(&mut *now, Loaded { config, generation });
        drop(now);
        generation
    }
}

impl<C> Clone for Reloadable<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Configuration> fmt::Debug for Reloadable<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloadable")
            .field("generation", &self.read().generation)
            .finish_non_exhaustive()
    }
}
