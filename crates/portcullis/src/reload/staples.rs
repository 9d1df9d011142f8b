//! OCSP responses of identities in files. What fetches those of an identity lives as long as it is served.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Misuse;
use portcullis_core::x509::{Identity, shown_path};
#[cfg(feature = "ocsp-stapler")]
use portcullis_crl_fetch::Stapling;
use rustls_pki_types::UnixTime;
use tokio::time::{Instant, sleep, timeout_at};

use super::identity_files::IdentityFiles;
use crate::handshake::within_bounds;

/// How long files wait for a first response.
pub(super) const STAPLE_WITHIN: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(1);

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), Misuse>> + Send + 'a>>;

/// What fetches the responses of an identity until it is dropped. Without the feature `ocsp-stapler` nothing does.
pub(super) trait Fetching: Send + Sync {
    /// Waits until it has tried once; or why that has failed.
    fn ready(&self) -> Waiting<'_>;

    /// Waits until a response is shown.
    fn shown(&self) -> Waiting<'_>;

    /// Does not wait for the next time.
    fn fetch_now(&self);
}

/// How it begins.
pub(super) type Start = Arc<dyn Fn(&Identity) -> Result<Arc<dyn Fetching>, Misuse> + Send + Sync>;

#[cfg(feature = "ocsp-stapler")]
impl Fetching for Stapling {
    fn ready(&self) -> Waiting<'_> {
        Box::pin(Self::ready(self))
    }

    fn shown(&self) -> Waiting<'_> {
        Box::pin(Self::shown(self))
    }

    fn fetch_now(&self) {
        Self::fetch_now(self);
    }
}

/// For each identity what fetches its responses, if something does.
#[derive(Default)]
pub(super) struct Staples(Vec<Option<Staple>>);

#[derive(Clone)]
struct Staple {
    identity: Identity,
    fetching: Arc<dyn Fetching>,
}

/// An identity that has no response, and why.
pub(super) struct Lack {
    pub(super) path: PathBuf,
    identity: Identity,
    why: Misuse,
    /// What goes on fetching it.
    fetching: Option<Arc<dyn Fetching>>,
}

impl Staples {
    /// Begins for those identities that are not served, and waits for what is said first; the others have what they had.
    pub(super) async fn start(
        files: &[IdentityFiles],
        identities: &[Identity],
        served: &[Identity],
        before: &Self,
    ) -> (Self, Vec<Lack>) {
        let begun = Instant::now();
        let (mut all, mut lacks, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (files, identity)) in files.iter().zip(identities).enumerate() {
            let is_served = served.get(at).is_some_and(|served| served.same(identity));
            let lack = |why, fetching| Lack {
                path: files.paths().0.to_owned(),
                identity: identity.clone(),
                why,
                fetching,
            };
            let started = files.fetches().filter(|_| !is_served);
            all.push(match started.map(|start| start(identity)) {
                None if is_served => before.0.get(at).cloned().flatten(),
                None => None,
                Some(Err(why)) => {
                    lacks.push(lack(why, None));
                    None
                }
                Some(Ok(fetching)) => {
                    new.push((files.fetches_within(), Arc::clone(&fetching), lack));
                    Some(Staple {
                        identity: identity.clone(),
                        fetching,
                    })
                }
            });
        }
        // All ask at once; they are only waited for one after the other.
        for (within, fetching, lack) in new {
            let ready = timeout_at(begun + within_bounds(within), fetching.ready()).await;
            let late = |_| {
                Err(Misuse::new(format!(
                    "its responder has not answered within {within:?}"
                )))
            };
            if let Err(why) = ready.unwrap_or_else(late) {
                lacks.push(lack(why, Some(fetching)));
            }
        }
        (Self(all), lacks)
    }

    /// Has those ask now that have nothing.
    pub(super) fn fetch_now(&self) {
        let now = UnixTime::now();
        for Staple { identity, fetching } in self.0.iter().flatten() {
            if identity.ocsp_response(now).is_none() {
                fetching.fetch_now();
            }
        }
    }
}

impl Lack {
    pub(super) const fn is_fetched(&self) -> bool {
        self.fetching.is_some()
    }

    /// Whether nobody who asks would accept the certificate.
    pub(super) fn is_grave(&self) -> bool {
        self.identity.demands_ocsp_response()
    }

    /// Whether it is still so.
    pub(super) fn stays(&self) -> bool {
        self.identity.ocsp_response(UnixTime::now()).is_none()
    }

    /// Waits until it is not.
    pub(super) async fn end(&self) {
        while self.stays() {
            match &self.fetching {
                Some(fetching) if fetching.shown().await.is_ok() => {}
                // Nothing comes any more.
                _ => std::future::pending().await,
            }
            // One may be over that has only just come.
            if self.stays() {
                sleep(AGAIN).await;
            }
        }
    }

    pub(super) fn why(&self) -> String {
        self.why.to_string()
    }

    /// Why the files are not taken over.
    pub(super) fn refusal(&self) -> Misuse {
        let path = shown_path(&self.path);
        let then = match self.is_fetched() {
            true => "; it is asked for again, and then all is taken over",
            false => "",
        };
        Misuse::new(format!(
            "{path}: the certificate demands an OCSP response (RFC 7633), and there is none: {}{then}",
            self.why
        ))
    }

    /// Why there never is one.
    pub(super) fn error(&self) -> Misuse {
        Misuse::new(format!("{}: {}", shown_path(&self.path), self.why))
    }
}
