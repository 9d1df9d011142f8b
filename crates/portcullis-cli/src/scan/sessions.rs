//! Sessions: what a server gives to be resumed with, whether it does resume, also under another name, and early data.
//!
//! RFC 8446 §4.6.1, §2.3; RFC 5077; RFC 5246 §7.3.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis::pki_types::{DnsName, UnixTime};
use portcullis::session::{ClientSession, SessionKey};
use portcullis::{
    DatagramOptions, DtlsOptions, EarlyDataOutcome, MemorySessionStore, ProtocolVersion,
    SessionStore, StoreFuture,
};

use super::checks::{Offered, Seen};
use super::codes::Over;
use super::hello::{TLS_1_2, TLS_1_3};
use super::library::{
    Connection, Found, Wish, connect, connecting, has_short_groups, is_answered, within,
};
use super::names::Said;
use super::prober::Prober;
use crate::connecting::Connecting;
use crate::failure::Failure;

/// A datagram with a hello in which there is a share of ML-KEM-1024 and a curve, and a ticket.
const LONG: u16 = 4_096;

/// What a server gives in a full handshake to be resumed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tickets {
    pub(super) count: u32,
    /// The longest that one of them lives, as the server says; before TLS 1.3 a day at most, and where it does not say. An id
    /// of a session has no such time.
    pub(super) lifetime: Option<Duration>,
}

/// A store that notes what comes.
#[derive(Default)]
struct Noting {
    store: MemorySessionStore,
    noted: Mutex<Tickets>,
}

impl Noting {
    fn noted(&self) -> Tickets {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for Noting {
    fn take<'a>(
        &'a self,
        key: &'a SessionKey,
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<ClientSession>> {
        self.store.take(key, now)
    }

    fn put<'a>(&'a self, key: &'a SessionKey, session: ClientSession) -> StoreFuture<'a, ()> {
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            let is_ticket = session.session_id().is_none();
            let lifetime = is_ticket.then(|| session.lifetime());
            noted.count = noted.count.saturating_add(is_ticket.into());
            noted.lifetime = noted.lifetime.max(lifetime);
        }
        self.store.put(key, session)
    }

    fn forget<'a>(&'a self, key: &'a SessionKey) -> StoreFuture<'a, ()> {
        self.store.forget(key)
    }
}

pub(super) async fn all(
    prober: &mut Prober,
    seen: &Seen,
    found: &mut Found,
    other: &DnsName<'static>,
) -> Result<(), Failure> {
    for (code, version) in [
        (TLS_1_3, ProtocolVersion::TLS_1_3),
        (TLS_1_2, ProtocolVersion::TLS_1_2),
    ] {
        if !seen.offers(code) {
            continue;
        }
        let wish = |name| Wish {
            version: Some(version),
            name,
            ..Wish::default()
        };
        let at = |prober: &Prober, store: &Arc<Noting>, name| {
            let connecting = connecting(prober, seen, wish(name))?;
            let store = store.clone();
            Ok::<_, Failure>(connecting.with(|connector| connector.session_store(store)))
        };
        let store = Arc::new(Noting::default());
        let mut own = at(prober, &store, Said::Own)?;
        let (offered, tickets) = resumption(prober, [&mut own], &store).await;
        if code == TLS_1_3 {
            let early_data = early_data(prober, seen, &mut own, &offered).await;
            found.early_data = Some(early_data);
        }
        if let Some(tickets) = tickets {
            found.tickets.push((code, tickets));
        }
        if offered == Offered::Yes {
            // Sessions of the own name alone.
            let store = Arc::new(Noting::default());
            let mut own = at(prober, &store, Said::Own)?;
            let mut other = at(prober, &store, Said::Other(other.clone()))?;
            let (offered, _) = resumption(prober, [&mut own, &mut other], &store).await;
            found.at_other_name.push((code, offered));
        }
        found.resumption.push((code, offered));
    }
    Ok(())
}

/// Whether what the first connection brings is resumed by the next, which the last of these makes; and what it has brought.
async fn resumption<const N: usize>(
    prober: &mut Prober,
    connecting: [&mut Connecting; N],
    store: &Noting,
) -> (Offered, Option<Tickets>) {
    let mut connecting = connecting.into_iter();
    let Some(first) = connecting.next() else {
        return (Offered::No, None);
    };
    let tickets = match first_of(prober, first).await {
        Ok(()) => store.noted(),
        Err(why) => return (Offered::Unknown(why), None),
    };
    let second = connecting.next().unwrap_or(first);
    let offered = match connect(prober, second).await {
        Ok(stream) => {
            let is_resumed = stream.information().is_resumed();
            // Whoever is refused gets no session, which says nothing of others.
            match stream.close().await {
                Ok(()) => Offered::of(is_resumed),
                Err(refused) => Offered::Unknown(refused.to_string()),
            }
        }
        // Nobody is resumed who is sent away for the name that is said.
        Err(refused) if N > 1 && refused.alert.is_some() => Offered::No,
        Err(refused) => Offered::Unknown(refused.why),
    };
    (offered, Some(tickets))
}

/// A full handshake. An error says why there is none.
async fn first_of(prober: &mut Prober, connecting: &mut Connecting) -> Result<(), String> {
    let connected = connect(prober, connecting).await;
    let stream = connected.map_err(|refused| refused.why)?;
    stream.close().await.map_err(|refused| refused.to_string())
}

/// One byte, which is sent with the ticket and never again. Whoever does not resume takes none.
async fn early_data(
    prober: &mut Prober,
    seen: &Seen,
    connecting: &mut Connecting,
    resumption: &Offered,
) -> Offered {
    if *resumption != Offered::Yes {
        return resumption.clone();
    }
    if let Err(why) = prober.turn().await {
        return Offered::Unknown(why);
    }
    let until = prober.until();
    let byte = vec![b'\n'];
    let connected = match prober.over {
        Over::Stream => {
            let connected = within(until, connecting.connect_with_early_data(byte)).await;
            connected.map(|(stream, outcome)| (Connection::Stream(stream), outcome))
        }
        Over::Datagrams => {
            // Where all shares are long the hello is, too, and has to be one datagram all the same: it is cut on its way.
            let options = match has_short_groups(seen) {
                true => DtlsOptions::default(),
                false => DtlsOptions::default().datagrams(DatagramOptions::default().mtu(LONG)),
            };
            let connecting = connecting.connect_dtls_with_early_data(options, byte);
            let connected = within(until, connecting).await;
            connected.map(|(connection, outcome)| (Connection::Datagrams(connection), outcome))
        }
    };
    prober.note(is_answered(&connected));
    match connected {
        Ok((connection, outcome)) => {
            let _ = connection.close().await;
            Offered::of(matches!(outcome, EarlyDataOutcome::Accepted))
        }
        Err(failure) => Offered::Unknown(failure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::connect::Route;

    #[tokio::test]
    async fn early_data_is_as_unknown_as_resumption() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody answers any more.
        drop(listener);
        let route = Route {
            starttls: None,
            name: None,
            resolve: Vec::new(),
            ipv4: false,
            ipv6: false,
            bind: None,
            proxy: None,
            unix: None,
            timeout: Some(1),
        };
        let destination = route.to(&address.to_string()).unwrap();
        let mut prober = Prober::new(destination, 300, 1_000, Duration::from_secs(60));
        let new = Some(ProtocolVersion::TLS_1_3);
        let seen = Seen::default();
        let wish = Wish {
            version: new,
            ..Wish::default()
        };
        let mut connecting = connecting(&prober, &seen, wish).unwrap();
        let late = Offered::Unknown("late".to_owned());
        for resumption in [Offered::No, late] {
            let offered = early_data(&mut prober, &seen, &mut connecting, &resumption).await;
            assert_eq!(offered, resumption);
        }
        assert_eq!(prober.used(), 0);
        // A server that does not answer is left alone after a while, also if it is asked for this.
        let mut offered = Offered::No;
        for _ in 0..7 {
            offered = early_data(&mut prober, &seen, &mut connecting, &Offered::Yes).await;
        }
        assert_eq!(offered.why(), Some("the server stopped answering"));
    }
}
