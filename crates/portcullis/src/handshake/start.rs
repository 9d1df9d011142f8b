//! How a client's handshake starts: with the sessions that it may resume.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use portcullis_core::Handshake;
use portcullis_core::config::ClientConfig;
use portcullis_core::session::ClientSession;
use rustls_pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::driver::Driver;
use super::{Goal, Handshaking, span};
use crate::conduct::Conduct;
use crate::error::HandshakeError;
use crate::preparation::look;
use crate::sessions::Place;

/// What a client's handshake starts with.
pub(crate) struct Start<IO> {
    pub(crate) io: IO,
    pub(crate) name: ServerName<'static>,
    pub(crate) prefix: Bytes,
    pub(crate) peer: Option<std::net::SocketAddr>,
    pub(crate) config: ClientConfig,
    pub(crate) conduct: Conduct,
    /// When it has to be over, if its time has begun.
    pub(crate) deadline: Option<Instant>,
    pub(crate) place: Option<Place>,
    /// Given by hand.
    pub(crate) sessions: Vec<ClientSession>,
    /// What goes out behind the hello, if a session allows it.
    pub(crate) early_data: Early,
}

/// Early data of a client.
pub(crate) enum Early {
    None,
    Whole(Bytes),
    /// It is written when the hello is out.
    Streamed,
}

impl Early {
    /// Whether there is some that the session allows, and what there is of it by now. As a whole or not at
    /// all: half a request is none.
    fn fitting(&self, sessions: &[ClientSession]) -> Option<&[u8]> {
        let limit = sessions.first()?.max_early_data();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        match self {
            Self::Whole(data) => (1..=limit).contains(&data.len()).then_some(data),
            Self::Streamed => (limit > 0).then_some(&[]),
            Self::None => None,
        }
    }
}

/// A handshake that offers early data, if there is room for all that there is by now in the session that is offered in fact:
/// the first one may be passed over, and half a request is none.
fn offering(
    data: &[u8],
    config: ClientConfig,
    name: ServerName<'static>,
    sessions: Vec<ClientSession>,
    now: UnixTime,
) -> Result<Handshake, portcullis_core::Error> {
    // Of one session the room is known.
    let others = (sessions.len() > 1).then(|| (config.clone(), name.clone(), sessions.clone()));
    let handshake = Handshake::client_with_early_data(config, name, sessions, now)?;
    match others {
        // Nothing of this hello was sent.
        Some((config, name, sessions)) if handshake.room() < data.len() => {
            Handshake::client_resuming(config, name, sessions, now)
        }
        _ => Ok(handshake),
    }
}

/// A start that looks for sessions first, or whether those that it has may be offered.
pub(crate) struct Looking<IO> {
    start: Start<IO>,
    from_store: bool,
    taking: Option<Pin<Box<dyn Future<Output = Vec<ClientSession>> + Send>>>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Start<IO> {
    pub(crate) fn handshake<T: Goal<IO>>(self) -> Handshaking<IO, T> {
        let from_store = self.place.is_some() && self.sessions.is_empty();
        let is_sifted = self.conduct.crls.is_some() && !self.sessions.is_empty();
        match from_store || is_sifted {
            true => {
                let looking = Looking {
                    start: self,
                    from_store,
                    taking: None,
                };
                Handshaking::looking(Box::new(looking))
            }
            false => match self.begin(false) {
                Ok(driver) => Handshaking::running(driver),
                Err(error) => Handshaking::failed(error),
            },
        }
    }

    /// `from_store` says where the sessions are from.
    pub(super) fn begin(self, from_store: bool) -> Result<Box<Driver<IO>>, HandshakeError<IO>> {
        let span = {
            let peer = self.peer.as_ref().map(|peer| peer as &dyn std::fmt::Debug);
            span::client(&self.name, self.config.seen_name(), peer, self.conduct.log)
        };
        let (config, name, prefix) = (self.config, self.name, self.prefix);
        let mut conduct = self.conduct;
        conduct.hide(config.seen_name().is_some());
        let (sessions, now) = (self.sessions, UnixTime::now());
        let early_data = self.early_data.fitting(&sessions);
        let started = match early_data {
            Some(data) => offering(data, config, name, sessions, now),
            None if sessions.is_empty() => Handshake::client(config, name),
            None => Handshake::client_resuming(config, name, sessions, now),
        };
        match started {
            Ok(handshake) => {
                let mut driver = Driver::new(None, self.io, handshake, &prefix, conduct, span);
                driver.keep_sessions(self.place, from_store);
                driver.set_deadline(self.deadline);
                if let Some(data) = early_data {
                    driver.send_early_data(data);
                }
                Ok(driver)
            }
            Err(error) => Err(HandshakeError::new(
                error.into(),
                Some(self.io),
                prefix.to_vec(),
            )),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Looking<IO> {
    /// Gathers the sessions to be offered.
    pub(super) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Start {
            conduct,
            deadline,
            place,
            sessions,
            config,
            ..
        } = &mut self.start;
        let taking = self.taking.get_or_insert_with(|| {
            let limit = conduct.handshake_timeout;
            let deadline = *deadline.get_or_insert_with(|| super::deadline(limit));
            let place = place.clone().filter(|_| self.from_store);
            look(conduct, config, place, std::mem::take(sessions), deadline)
        });
        *sessions = ready!(taking.as_mut().poll(cx));
        Poll::Ready(())
    }

    pub(super) fn begin(self) -> Result<Box<Driver<IO>>, HandshakeError<IO>> {
        let from_store = self.from_store && !self.start.sessions.is_empty();
        self.start.begin(from_store)
    }
}
