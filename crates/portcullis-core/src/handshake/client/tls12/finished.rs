//! The server changes its keys and sends Finished, which ends the handshake.
//!
//! RFC 5246 §7.1, §7.4.9; RFC 5077 §3.3.

use super::super::super::{Cx, Next, Outcome, expect};
use super::super::shown_identity::ShownIdentity;
use super::Negotiated;
use crate::error::Abort;
use crate::information::{Exporter, Information};
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{DirectionKeys, MasterSecret, Side};
use crate::record::{HandshakeBytes, Keys};
use crate::wire::Finished;
use crate::wire::tls12::NewSessionTicket;
use crate::x509::VerifiedChain;
use crate::{NamedGroup, SignatureScheme, Violation};

/// Our flight is out.
pub(super) struct Flight {
    pub(super) negotiated: Box<Negotiated>,
    pub(super) peer: VerifiedChain,
    pub(super) peer_scheme: SignatureScheme,
    pub(super) group: NamedGroup,
    pub(super) shown: ShownIdentity,
    pub(super) master: MasterSecret,
    /// What the server writes with, once it says so.
    pub(super) read: DirectionKeys,
}

pub(crate) struct WaitNewSessionTicket(pub(super) Box<Flight>);

impl WaitNewSessionTicket {
    pub(super) fn on_message(self, message: HandshakeBytes, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self(mut flight) = self;
        let _: NewSessionTicket<'_> = expect(&message)?;
        flight.negotiated.transcript.add(message.hashed());
        Ok(WaitChangeCipherSpec(flight).into())
    }
}

/// The server must change its keys now.
pub(crate) struct WaitChangeCipherSpec(pub(super) Box<Flight>);

impl WaitChangeCipherSpec {
    pub(super) fn on_change_cipher_spec(self, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self(mut flight) = self;
        let version = flight.negotiated.version;
        // No part of a message may have come under the old keys.
        cx.incoming
            .install_read(Keys::older(version, flight.read.take()))?;
        Ok(WaitFinished(flight).into())
    }
}

pub(crate) struct WaitFinished(Box<Flight>);

impl WaitFinished {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self(mut flight) = self;
        let finished: Finished<'_> = expect(&message)?;
        let hash = flight.negotiated.transcript.current();
        if !flight
            .master
            .verify_finished(Side::Server, &hash, finished.verify_data)
        {
            return Err(Violation::FinishedMismatch.into());
        }
        Ok(Next::Connected(connected(*flight, cx)))
    }
}

fn connected(mut flight: Flight, cx: &Cx<'_>) -> Outcome {
    let negotiated = *flight.negotiated;
    let client = negotiated.client;
    let server_name = client
        .offer
        .config()
        .indicated(&client.name)
        .map(|name| name.to_ascii_lowercase().into());
    let information = Information {
        dialect: cx.dialect,
        version: negotiated.version,
        is_server: false,
        cipher_suite: negotiated.suite,
        group: Some(flight.group),
        retried: false,
        resumed: false,
        authenticated_at: cx.now,
        alpn: negotiated.parameters.alpn,
        server_name,
        client_random: client.client_random,
        server_random: negotiated.server_random,
        peer_chain: Some(flight.peer.into_chain()),
        peer_scheme: Some(flight.peer_scheme),
        local_chain: flight.shown.chain,
        local_scheme: flight.shown.scheme,
        exporter: Exporter::before_tls13(negotiated.extended, flight.master.take()),
    };
    Outcome::new(information, client.config.policy.key_update_at)
}
