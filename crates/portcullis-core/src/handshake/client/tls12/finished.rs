//! The server changes its keys and sends Finished. In a full handshake that is the end; where a
//! session is resumed, this side does the same.
//!
//! RFC 5246 §7.1, §7.3, §7.4.9; RFC 5077 §3.3.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::super::super::peer::tell_second_opinion;
use super::super::super::renegotiation::{Settled, VerifyData, agrees};
use super::super::super::{Cx, Outcome, expect};
use super::super::Next;
use super::super::hello::{Client, ClientEnd};
use super::super::resumption::Origin;
use super::super::shown_identity::ShownIdentity;
use super::Negotiated;
use super::client_flight::ServerPeer;
use crate::configured::InForce;
use crate::error::{Abort, Misuse};
use crate::information::{EarlyDataStatus, Information, Local, Older, Rare, TlsUnique};
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{DirectionKeys, MasterSecret};
use crate::psk::SharedSecretName;
use crate::record::{HandshakeBytes, Keys};
use crate::role::Role;
use crate::session::{Established, MAX_SESSION_LIFETIME, MAX_TICKET, Peer, ReceivedTicket, Secret};
use crate::wire::Finished;
use crate::wire::tls12::{NewSessionTicket, NextProtocol};
use crate::{NamedGroup, Violation};

/// The server's Finished is awaited.
pub(super) struct AwaitingFinished {
    pub(super) negotiated: Box<Negotiated>,
    /// There once it is settled who that is.
    pub(super) peer: Option<ServerPeer>,
    /// Where a session is resumed: its own.
    pub(super) group: Option<NamedGroup>,
    /// The pre-shared key, here or where the session began, or who has logged in.
    pub(super) psk: Option<Arc<SharedSecretName>>,
    pub(super) shown: ShownIdentity,
    pub(super) master: Box<MasterSecret>,
    /// What the server writes with, once it says so.
    pub(super) read: DirectionKeys,
    /// What this side writes with from its Finished on, until it does.
    pub(super) write: DirectionKeys,
    pub(super) finished: VerifyData,
    /// If a session is resumed.
    pub(super) resumed: Option<Origin>,
}

pub(crate) struct WaitNewSessionTicket(pub(super) Box<AwaitingFinished>);

impl WaitNewSessionTicket {
    pub(super) fn on_message(self, message: HandshakeBytes, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self(mut flight) = self;
        let ticket: NewSessionTicket<'_> = expect(&message)?;
        // RFC 5077 §3.3: an empty one means that there is none after all.
        if (1..=MAX_TICKET).contains(&ticket.ticket.len()) {
            flight.negotiated.new_ticket = Some(Ticket {
                ticket: ticket.ticket.into(),
                lifetime: ticket.ticket_lifetime_hint,
            });
        }
        flight.negotiated.transcript.add(message.hashed());
        Ok(WaitChangeCipherSpec(flight).into())
    }
}

/// What came in a NewSessionTicket.
pub(super) struct Ticket {
    ticket: Box<[u8]>,
    /// In seconds; 0 says nothing.
    lifetime: u32,
}

/// The server must change its keys now.
pub(crate) struct WaitChangeCipherSpec(pub(super) Box<AwaitingFinished>);

impl WaitChangeCipherSpec {
    pub(super) fn on_change_cipher_spec(self, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self(mut flight) = self;
        // No part of a message may have come under the old keys.
        cx.incoming.install_read(Keys::older(flight.read.take()))?;
        Ok(WaitFinished(flight).into())
    }
}

pub(crate) struct WaitFinished(Box<AwaitingFinished>);

impl WaitFinished {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self(mut flight) = self;
        let finished: Finished<'_> = expect(&message)?;
        let transcript = &mut flight.negotiated.transcript;
        let hash = transcript.current();
        if !flight
            .master
            .verify_finished(Role::Server, &hash, finished.verify_data)
        {
            return Err(Violation::FinishedMismatch.into());
        }
        flight.finished.add(finished.verify_data);
        // The handshake is over, or the server waits now: nothing may follow.
        cx.incoming.end_of_flight()?;
        transcript.add(message.hashed());
        // §7.3: the side that resumes, answers.
        if flight.resumed.is_some() {
            let (keys, master) = (&mut flight.write, &flight.master);
            let verify_data = flight.negotiated.send_finished(keys, master, cx)?;
            flight.finished.add(&verify_data);
        }
        Ok(Next::Connected(connected(*flight, cx)?))
    }
}

impl Negotiated {
    /// Changes the keys of this side, and sends Finished, whose content it gives (§7.1, §7.4.9).
    pub(super) fn send_finished(
        &mut self,
        keys: &mut DirectionKeys,
        master: &MasterSecret,
        cx: &mut Cx<'_>,
    ) -> Result<TlsUnique, Abort> {
        cx.outgoing.switch_keys(Keys::older(keys.take()))?;
        if let Some(selected) = &self.next_protocol {
            cx.send(&mut self.transcript, |out| NextProtocol::put(out, selected));
        }
        let verify_data = master.verify_data(Role::Client, &self.transcript.current());
        cx.send(&mut self.transcript, |out| {
            Finished::put(out, &verify_data);
        });
        Ok(verify_data)
    }
}

impl AwaitingFinished {
    /// Who the server is.
    fn take_peer(&mut self) -> Result<ServerPeer, Abort> {
        let peer = self.peer.take();
        let peer = peer.ok_or_else(|| Misuse::new("nobody has verified the server's chain"))?;
        self.negotiated.client.check_not_rejected(match &peer {
            ServerPeer::Proved { proof, .. } => Some(proof),
            ServerPeer::None(_) => None,
        })?;
        Ok(peer)
    }

    /// What can be resumed of the connection, if the server has given it a name.
    fn take_session(
        &mut self,
        peer: Option<&Peer>,
        authenticated_at: UnixTime,
        cx: &Cx<'_>,
    ) -> Option<ReceivedTicket> {
        let negotiated = &mut self.negotiated;
        let (ticket, is_id, lifetime) = match negotiated.new_ticket.take() {
            // RFC 5077 §3.3: 0 leaves it to the client.
            Some(Ticket {
                ticket,
                lifetime: 0,
            }) => (ticket, false, MAX_SESSION_LIFETIME),
            Some(Ticket { ticket, lifetime }) => {
                (ticket, false, lifetime.min(MAX_SESSION_LIFETIME))
            }
            // A session that is resumed is known as before.
            None if self.resumed.is_some() || negotiated.session_id.is_empty() => return None,
            None => (negotiated.session_id.clone(), true, MAX_SESSION_LIFETIME),
        };
        let established = Established {
            dialect: cx.dialect,
            version: negotiated.version,
            suite: negotiated.suite,
            secret: Secret::Master {
                secret: self.master.copy(),
                extended: negotiated.extended,
                group: self.group,
            },
            authenticated_at,
            peer: peer.cloned(),
            shared_key: self.psk.clone(),
            early_data: None,
            shown: match &self.resumed {
                Some(origin) => origin.shown.clone(),
                None => self.shown.key.clone(),
            },
        };
        let name = negotiated.client.name.clone();
        Some(ReceivedTicket::before_tls13(
            established,
            name,
            ticket,
            is_id,
            lifetime,
        ))
    }
}

fn connected(mut flight: AwaitingFinished, cx: &mut Cx<'_>) -> Result<Outcome, Abort> {
    let (peer, ocsp) = match flight.take_peer()? {
        ServerPeer::Proved { mut proof, scheme } => {
            tell_second_opinion(Some(&proof), cx.events);
            let ocsp = proof.take_ocsp_verdict();
            (Some(Peer::new(proof.into_presented(), scheme)), ocsp)
        }
        ServerPeer::None(_) => (None, None),
    };
    let authenticated_at = flight
        .resumed
        .as_ref()
        .map_or(cx.now, |origin| origin.authenticated_at);
    let client = &flight.negotiated.client;
    // The session of a renegotiation would be that of two handshakes.
    let session = match client.config.takes_tickets() && client.previous.is_none() {
        true => flight.take_session(peer.as_ref(), authenticated_at, cx),
        false => None,
    };
    let AwaitingFinished {
        negotiated,
        group,
        psk,
        shown,
        master,
        finished,
        resumed,
        ..
    } = flight;
    let Negotiated {
        client,
        version,
        suite,
        keys,
        server_random,
        parameters,
        extended,
        session_id,
        secure_renegotiation,
        next_protocol,
        ..
    } = *negotiated;
    let next_protocol = match &client.previous {
        None => next_protocol,
        Some(previous) => previous.next_protocol(),
    };
    let server_name = client
        .offer
        .config()
        .indicated(&client.name)
        .map(|name| name.to_ascii_lowercase().into());
    let protocol = parameters.alpn.as_deref().or(next_protocol.as_deref());
    let may_renegotiate = agrees(&client.config.policy, secure_renegotiation, protocol);
    let older = Older {
        master: Some(master),
        extended,
        tls_unique: finished.first,
        next_protocol,
        session_id,
        renegotiated: client.previous.is_some(),
        may_renegotiate,
    };
    let exports = client.config.policy.exports_without_extended_master_secret;
    let peer_scheme = peer.as_ref().and_then(Peer::signed_with);
    let peer = peer.map(|peer| peer.shown);
    let information = Information {
        dialect: cx.dialect,
        version,
        is_server: false,
        cipher_suite: suite,
        encrypt_then_mac: keys.has_encrypt_then_mac(),
        secure_renegotiation,
        group,
        retried: false,
        ech: client.ech_status(),
        early_data: EarlyDataStatus::NotOffered,
        resumed: resumed.is_some(),
        authenticated_at,
        alpn: parameters.alpn,
        server_name,
        client_random: client.client_random,
        server_random,
        peer,
        peer_scheme,
        rare: Rare {
            ocsp,
            preferred_share: None,
            configured: client
                .config
                .policy
                .keeps_options
                .then(|| client.config.clone() as InForce),
            srtp: parameters.srtp,
        }
        .boxed(),
        psk,
        local: Local::of(shown.chain),
        local_scheme: shown.scheme,
        exporter: older.settled(resumed.is_some(), exports),
    };
    let outcome = Outcome::new(information, client.config.policy.key_update_at);
    let settled = Settled {
        secure: secure_renegotiation,
        extended,
        finished,
        previous: client.previous,
    };
    let Client {
        config,
        name,
        hello_cookie,
        ..
    } = client;
    let end = ClientEnd {
        config,
        name,
        hello_cookie,
    };
    Ok(outcome.before_tls13(session, end, settled, cx.now))
}
