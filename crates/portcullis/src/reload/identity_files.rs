//! An identity in files, and where the password of its key is from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Misuse;
use portcullis_core::x509::{Identity, PemIdentity, shown_path};
#[cfg(all(feature = "ocsp-stapler", feature = "watch"))]
use portcullis_crl_fetch::Stapler;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

#[cfg(feature = "watch")]
use super::staples::{STAPLE_WITHIN, Start};

/// How long whoever has the password may take.
const ASK_WITHIN: Duration = Duration::from_secs(60);

type Secret = Zeroizing<Vec<u8>>;
type Asking = Pin<Box<dyn Future<Output = Result<Secret, Misuse>> + Send>>;

/// A chain and its key in PEM files, and how the key is opened if it is encrypted.
///
/// ```no_run
/// use portcullis::IdentityFiles;
///
/// # async fn ask_the_vault(file: std::path::PathBuf) -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let identity = IdentityFiles::new("chain.pem")
///     .key("key.pem")
///     .ask_password(|file| async move { ask_the_vault(file).await })
///     .load()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IdentityFiles {
    chain: PathBuf,
    key: Option<PathBuf>,
    password: Password,
    ask_within: Duration,
    #[cfg(feature = "watch")]
    stapler: Option<Start>,
    #[cfg(feature = "watch")]
    staple_within: Duration,
}

#[derive(Clone)]
enum Password {
    Unknown,
    Given(Arc<Secret>),
    Asked(Arc<dyn Fn(PathBuf) -> Asking + Send + Sync>),
}

impl IdentityFiles {
    /// A file with certificates, leaf first, and the key, unless that [is elsewhere](Self::key).
    pub fn new(chain: impl AsRef<Path>) -> Self {
        Self {
            chain: chain.as_ref().to_owned(),
            key: None,
            password: Password::Unknown,
            ask_within: ASK_WITHIN,
            #[cfg(feature = "watch")]
            stapler: None,
            #[cfg(feature = "watch")]
            staple_within: STAPLE_WITHIN,
        }
    }

    /// The key is in this file.
    #[must_use]
    pub fn key(mut self, key: impl AsRef<Path>) -> Self {
        self.key = Some(key.as_ref().to_owned());
        self
    }

    /// What opens the key, if it is encrypted; one in the clear needs none.
    #[must_use]
    pub fn password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.password = Password::Given(Arc::new(Zeroizing::new(password.into())));
        self
    }

    /// Asks for the password when there is an encrypted key, with the path of its file: once for each
    /// [`load`](Self::load), and by a `Reloader` once for each content of the files.
    #[must_use]
    pub fn ask_password<F, Fut, P, E>(mut self, ask: F) -> Self
    where
        F: Fn(PathBuf) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<P, E>> + Send + 'static,
        P: Into<Vec<u8>>,
        E: fmt::Display,
    {
        self.password = Password::Asked(Arc::new(move |path| {
            let asking = ask(path);
            Box::pin(async move {
                match asking.await {
                    Ok(password) => Ok(Zeroizing::new(password.into())),
                    Err(error) => Err(Misuse::new(format!(
                        "there is no password for the private key: {error}"
                    ))),
                }
            })
        }));
        self
    }

    /// How long [`ask_password`](Self::ask_password) may take; one minute unless something else is said.
    #[must_use]
    pub const fn ask_within(mut self, time: Duration) -> Self {
        self.ask_within = time;
        self
    }

    /// Has a [`Reloader`](super::Reloader) fetch the identity's OCSP responses: `stapler(Stapler::new)` from where the
    /// certificate says, and a closure may [say otherwise](Stapler::responder). With features `watch` and `ocsp-stapler`.
    ///
    /// Each identity that the files come to have gets one, which ends when another identity takes its place. Before it is
    /// served its first response is [waited for](Self::staple_within). If there is none, one whose certificate demands
    /// a response ([`Identity::demands_ocsp_response`]) is not taken over until there is, and what was good last stays;
    /// another is served without, and has one as soon as it comes.
    ///
    /// ```no_run
    /// use portcullis::{IdentityFiles, Reloader, ServerConfig, Stapler};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let files = IdentityFiles::new("/etc/tls/tls.crt").key("/etc/tls/tls.key");
    /// let loaded = Reloader::new()
    ///     .identity(files.stapler(Stapler::new))
    ///     .load(|parts| ServerConfig::builder().identity(parts.identity()?).build())
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(all(feature = "ocsp-stapler", feature = "watch"))]
    #[cfg_attr(docsrs, doc(cfg(all(feature = "ocsp-stapler", feature = "watch"))))]
    #[must_use]
    pub fn stapler<F>(mut self, start: F) -> Self
    where
        F: Fn(&Identity) -> Stapler + Send + Sync + 'static,
    {
        self.stapler = Some(Arc::new(move |identity| {
            Ok(Arc::new(start(identity).start()?))
        }));
        self
    }

    /// How long the first OCSP response of a [`stapler`](Self::stapler) is waited for; 10 seconds unless something else is
    /// said. What is served goes on being served meanwhile.
    #[cfg(all(feature = "ocsp-stapler", feature = "watch"))]
    #[cfg_attr(docsrs, doc(cfg(all(feature = "ocsp-stapler", feature = "watch"))))]
    #[must_use]
    pub const fn staple_within(mut self, time: Duration) -> Self {
        self.staple_within = time;
        self
    }

    /// Reads the files. Reading and decrypting, which may take seconds, are done on threads for what blocks.
    ///
    /// # Errors
    /// As [`PemIdentity::identity`]; when a file cannot be read, or who was asked for the password has none, or
    /// took too long; when there is a `stapler`, which only a `Reloader` keeps.
    ///
    /// # Cancel safety
    /// It can be dropped at any time.
    pub async fn load(&self) -> Result<Identity, Misuse> {
        self.check_alone()?;
        let (chain, key) = (self.chain.clone(), self.key.clone());
        let reading = move || match key {
            Some(key) => PemIdentity::read_files(chain, key),
            None => PemIdentity::read_file(chain),
        };
        self.open(blocking(reading).await?).await
    }

    /// Makes the identity of what was read.
    pub(super) async fn open(&self, read: PemIdentity) -> Result<Identity, Misuse> {
        let password = match (&self.password, read.needs_password()) {
            (_, false) | (Password::Unknown, _) => None,
            (Password::Given(password), true) => Some(Arc::clone(password)),
            (Password::Asked(ask), true) => {
                let path = self.key.as_ref().unwrap_or(&self.chain);
                let asked = timeout(self.ask_within, ask(path.clone())).await;
                let password = asked.unwrap_or_else(|_| {
                    Err(Misuse::new(format!(
                        "there is no password for the private key: it was not given within {:?}",
                        self.ask_within
                    )))
                });
                let about = |error| Misuse::new(format!("{}: {error}", shown_path(path)));
                Some(Arc::new(password.map_err(about)?))
            }
        };
        blocking(move || read.identity(password.as_ref().map(|password| password.as_slice()))).await
    }

    /// Refuses what nobody would keep.
    pub(super) fn check_alone(&self) -> Result<(), Misuse> {
        #[cfg(feature = "watch")]
        if self.stapler.is_some() {
            return Err(Misuse::new(
                "IdentityFiles::stapler is for a Reloader, which keeps it as long as the identity is served: start one with \
                 `Stapler::new` for the identity that was read, and keep it",
            ));
        }
        Ok(())
    }

    #[cfg(feature = "watch")]
    pub(super) const fn fetches(&self) -> Option<&Start> {
        self.stapler.as_ref()
    }

    #[cfg(feature = "watch")]
    pub(super) const fn fetches_within(&self) -> Duration {
        self.staple_within
    }

    pub(super) fn paths(&self) -> (&Path, Option<&Path>) {
        (&self.chain, self.key.as_deref())
    }
}

/// Does what may take long where nobody waits for the thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Misuse> + Send + 'static,
) -> Result<T, Misuse> {
    let ended = |_| Misuse::new("reading files: the runtime has ended");
    spawn_blocking(work).await.map_err(ended)?
}

impl fmt::Debug for IdentityFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityFiles")
            .field("chain", &shown_path(&self.chain))
            .field("key", &self.key.as_deref().map(shown_path))
            .finish_non_exhaustive()
    }
}
