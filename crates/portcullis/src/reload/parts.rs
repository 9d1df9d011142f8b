//! What a configuration is made of, as it was in files at one time.

use std::sync::Arc;
use std::time::SystemTime;

use portcullis_core::Misuse;
use portcullis_core::session::TicketKeys;
use portcullis_core::x509::{Crl, Identity, Roots};

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
