//! What a configuration is made of, as it was in files at one time.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use portcullis_core::Misuse;
use portcullis_core::session::TicketKeys;
use portcullis_core::x509::{Crl, Identity, Roots};
use rustls_pki_types::UnixTime;

/// What a configuration is made of, all from one time.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub(super) identities: Vec<Identity>,
    pub(super) roots: Option<Roots>,
    pub(super) ticket_keys: Option<TicketKeys>,
    /// For each file of them.
    pub(super) crls: Vec<Vec<Arc<Crl>>>,
}

impl Parts {
    /// The identities, in the order in which their files were given.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// The first identity.
    ///
    /// # Errors
    /// When no files of one were given.
    pub fn identity(&self) -> Result<Identity, Misuse> {
        let first = self.identities.first().cloned();
        first.ok_or_else(|| Misuse::new("the reloader was given no files of an identity"))
    }

    /// The roots, if a file of them was given.
    pub fn roots(&self) -> Option<&Roots> {
        self.roots.as_ref()
    }

    /// The ticket keys, if a file of them was given: always the same value, whose keys change with the file.
    pub fn ticket_keys(&self) -> Option<&TicketKeys> {
        self.ticket_keys.as_ref()
    }
}

/// With the file that it is about.
pub(super) type Warning = (PathBuf, ReloadWarning);

/// What is to be told of what is served although nothing is wrong with it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadWarning {
    /// Less than a tenth of its certificate's time is left, and less than 30 days.
    Expires {
        /// When it is over.
        at: UnixTime,
    },
    /// The certificate begins earlier than the one that was served before: maybe an old file was put back.
    OlderThanServed {
        /// When it begins.
        begins: UnixTime,
        /// When that which was served before does.
        served: UnixTime,
    },
    /// The chain [looks](Identity::missing_issuer) as if the certificate of whoever has issued the first one had been
    /// forgotten.
    Incomplete {
        /// Who has issued it.
        issuer: String,
    },
    /// No OCSP response is shown with the certificate, although [`IdentityFiles::stapler`](super::IdentityFiles) is to fetch
    /// one. If there is somebody to ask, it is asked for again, and shown as soon as it comes.
    NoOcspResponse {
        /// Why there is none.
        why: String,
    },
    /// A file has a revocation list that is older than the one that was served before, which stays: maybe an old file
    /// was put back.
    OlderList {
        /// Who has issued both.
        issuer: String,
        /// The number of the older one, if it has one.
        number: Option<String>,
        /// The number of that which stays.
        served: Option<String>,
    },
}

impl fmt::Display for ReloadWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expires { at } => write!(
                f,
                "the certificate expires in {} hours: renew it",
                at.as_secs().saturating_sub(UnixTime::now().as_secs()) / 3_600
            ),
            Self::OlderThanServed { begins, served } => write!(
                f,
                "the certificate begins {} hours before the one that was served until now: see that no old file was \
                 put back",
                served.as_secs().saturating_sub(begins.as_secs()) / 3_600
            ),
            Self::Incomplete { issuer } => write!(
                f,
                "the certificate of {issuer} is not in the chain, and peers that do not have it refuse the chain: add \
                 it behind the first one"
            ),
            Self::NoOcspResponse { why } => {
                write!(f, "no OCSP response is shown with the certificate: {why}")
            }
            Self::OlderList {
                issuer,
                number,
                served,
            } => {
                let with_number = |number: &Option<String>| match number {
                    Some(number) => format!("CRL {number}"),
                    None => "CRL".to_owned(),
                };
                write!(
                    f,
                    "the {} of {issuer} is older than the {} that was served until now, which stays: see that no old \
                     file was put back",
                    with_number(number),
                    with_number(served)
                )
            }
        }
    }
}

/// In seconds.
const MONTH: u64 = 30 * 24 * 3_600;

impl ReloadWarning {
    /// Of an identity that takes the place of another, or of none.
    pub(super) fn of(identity: &Identity, before: Option<&Identity>) -> Vec<Self> {
        let mut warnings = Vec::new();
        let served = before.and_then(Identity::not_before);
        if let (Some(begins), Some(served)) = (identity.not_before(), served)
            && begins.as_secs() < served.as_secs()
        {
            warnings.push(Self::OlderThanServed { begins, served });
        }
        if let Some(issuer) = identity.missing_issuer() {
            warnings.push(Self::Incomplete { issuer });
        }
        warnings
    }

    /// That it expires soon.
    pub(super) fn of_time(identity: &Identity, now: UnixTime) -> Option<Self> {
        let at = identity.not_after()?;
        let all = at
            .as_secs()
            .saturating_sub(identity.not_before()?.as_secs());
        let left = at.as_secs().saturating_sub(now.as_secs());
        (left < (all / 10).min(MONTH)).then_some(Self::Expires { at })
    }
}

/// Refuses a leaf that has expired.
pub(super) fn check_time(identity: &Identity) -> Result<(), Misuse> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    match identity.not_after() {
        Some(end) if end.as_secs() < now => Err(Misuse::new(format!(
            "the certificate has expired, {} seconds ago",
            now - end.as_secs()
        ))),
        _ => Ok(()),
    }
}
