//! What a client's handshake begins with, over a stream or over datagrams: a configuration that asks what it has to,
//! and the sessions that may be offered.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};

use portcullis_core::config::ClientConfig;
use portcullis_core::session::{ClientSession, SessionKey};
use portcullis_core::{Misuse, Reason};
use rustls_pki_types::ServerName;
use tokio::time::{Instant, timeout_at};

use crate::answers::Questions;
use crate::conduct::Conduct;
use crate::connector::TlsConnector;
use crate::error::Error;
use crate::sessions::{Place, Store};

/// Over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Stream,
    #[cfg(feature = "dtls")]
    Datagrams,
}

/// What is known before a handshake.
pub(crate) struct Prepared {
    pub(crate) config: ClientConfig,
    /// Where sessions are kept.
    pub(crate) place: Option<Place>,
    /// Given by hand.
    pub(crate) sessions: Vec<ClientSession>,
}

impl TlsConnector {
    /// `port` is that of the server, if it is known; what `more` says is asked as well.
    pub(crate) fn prepare(
        &self,
        name: &ServerName<'static>,
        more: Questions,
        port: Option<u16>,
        over: Transport,
    ) -> Result<Prepared, Misuse> {
        let offered = self.offered.as_ref().map(|offered| {
            let mut offered = offered.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *offered)
        });
        let sessions = offered.unwrap_or_default();
        let config = self.config.current();
        // Sessions by hand are what a connector without resumption still has.
        let take_tickets =
            !sessions.is_empty() && !config.takes_tickets() && config.session_tickets().is_none();
        if over == Transport::Stream {
            config.check_stream()?;
        }
        let config = self.conduct.client_config(&config, more, take_tickets)?;
        let place = self.store.as_ref().map(|Store(store)| {
            // Two ports of one host are two services.
            let port = port.map(|port| port.to_string());
            let service = self.service.as_deref().or(port.as_deref());
            let key = SessionKey::new(&config, name.clone(), service);
            let key = match over {
                Transport::Stream => key,
                #[cfg(feature = "dtls")]
                Transport::Datagrams => key.for_dtls(),
            };
            // Shares stand in the clear: what is first there would say which of the hidden servers is meant.
            let is_hidden = config.seen_name().is_some();
            let shares = (!is_hidden).then(|| Arc::clone(&self.first_shares));
            Place::new(Arc::clone(store), key, shares).within(self.conduct.life.clone())
        });
        let config = place
            .as_ref()
            .and_then(Place::first_share)
            // Such a share makes a hello longer than a datagram, and the server has to ask for it anew.
            .filter(|group| over == Transport::Stream || !group.is_post_quantum())
            .and_then(|group| config.with_first_share(group))
            .unwrap_or(config);
        Ok(Prepared {
            config,
            place,
            sessions,
        })
    }
}

/// Asks the store in `place`, for as long as a store may take; then, as long once more, who has revocation lists in
/// memory. `None`: the sessions are those that were given.
pub(crate) fn look(
    conduct: &Conduct,
    config: &ClientConfig,
    place: Option<Place>,
    mut sessions: Vec<ClientSession>,
    deadline: Instant,
) -> Pin<Box<dyn Future<Output = Vec<ClientSession>> + Send>> {
    let budget = conduct.store_timeout();
    let limit = deadline.min(Instant::now() + budget);
    let Some(crls) = conduct.crls.clone() else {
        return Box::pin(async move {
            match place {
                Some(place) => place.take(limit).await,
                None => sessions,
            }
        });
    };
    let config = config.clone();
    Box::pin(async move {
        if let Some(place) = place {
            sessions = place.take(limit).await;
        }
        let sifting = crls.sift(sessions, config, budget);
        let sifted = timeout_at(deadline, sifting).await;
        sifted.unwrap_or_default()
    })
}

/// There are servers that end every connection with a ticket in its hello. One has to fail to
/// know that, and no second one: the sessions of this server are forgotten, whatever it was
/// that the connection failed of, unless this side gave up by itself, or it was another server's.
pub(crate) fn blame(place: Option<Place>, error: &Error) {
    let is_innocent = matches!(
        error.reason(),
        // A server that has rejected the hello has not seen them.
        Some(Reason::Cancelled | Reason::Refused(_) | Reason::EchRejected(_))
    );
    if let Some(place) = place.filter(|_| !is_innocent) {
        place.forget();
    }
}
