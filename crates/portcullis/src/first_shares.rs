//! Which key share a server wants, remembered for the next connection to it.
//!
//! RFC 8446 §4.2.7.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::NamedGroup;
use portcullis_core::session::SessionKey;
use tokio::time::Instant;

/// How many servers are remembered; then the oldest makes room.
const SERVERS: usize = 1_000;
/// How long: a server that has got a better group since is to be asked for it.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// What servers wanted.
#[derive(Debug, Default)]
pub(crate) struct FirstShares(Mutex<HashMap<SessionKey, Wanted>>);

#[derive(Debug)]
struct Wanted {
    group: NamedGroup,
    since: Instant,
}

impl Wanted {
    fn is_old(&self) -> bool {
        self.since.elapsed() >= REMEMBERED
    }
}

impl FirstShares {
    fn wanted(&self) -> MutexGuard<'_, HashMap<SessionKey, Wanted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server wants, if it is known.
    pub(crate) fn of(&self, server: &SessionKey) -> Option<NamedGroup> {
        let mut wanted = self.wanted();
        // Mostly nothing is known of anybody.
        if wanted.is_empty() {
            return None;
        }
        let known = wanted.get(server)?;
        if known.is_old() {
            wanted.remove(server);
            return None;
        }
        Some(known.group)
    }

    /// The server wants this; said by one whose handshake is over.
    pub(crate) fn note(&self, server: &SessionKey, group: NamedGroup) {
        let mut wanted = self.wanted();
        if wanted.len() >= SERVERS && !wanted.contains_key(server) {
            wanted.retain(|_, known| !known.is_old());
            if wanted.len() >= SERVERS {
                let oldest = wanted.iter().min_by_key(|(_, known)| known.since);
                if let Some(oldest) = oldest.map(|(server, _)| server.clone()) {
                    wanted.remove(&oldest);
                }
            }
        }
        let since = Instant::now();
        wanted.insert(server.clone(), Wanted { group, since });
    }

    pub(crate) fn clear(&self) {
        self.wanted().clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.wanted().len()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::config::ClientConfig;
    use rustls_pki_types::ServerName;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_many_as_there_is_room_for_and_for_a_day() {
        let config = ClientConfig::dangerous_builder_without_verification();
        let config = config.build().unwrap();
        let key = |at: usize| {
            let name = ServerName::try_from(format!("{at}.example")).unwrap();
            SessionKey::new(&config, name, None)
        };
        let shares = FirstShares::default();
        for at in 0..SERVERS + 5 {
            shares.note(&key(at), NamedGroup::SECP256R1);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(shares.len(), SERVERS);
        assert_eq!(shares.of(&key(4)), None);
        assert_eq!(shares.of(&key(5)), Some(NamedGroup::SECP256R1));
        shares.note(&key(5), NamedGroup::X25519);
        assert_eq!(shares.of(&key(5)), Some(NamedGroup::X25519));
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(shares.of(&key(5)), None);
        // That one has made room; the others go when room is wanted, all at once.
        shares.note(&key(0), NamedGroup::X25519);
        assert_eq!(shares.len(), SERVERS);
        shares.note(&key(1), NamedGroup::X25519);
        assert_eq!(shares.len(), 2);
        assert_eq!(shares.of(&key(0)), Some(NamedGroup::X25519));
    }
}
