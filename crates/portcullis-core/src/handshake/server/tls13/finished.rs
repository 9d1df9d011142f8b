//! The client's Finished, which ends the handshake.
//!
//! RFC 8446 §4.4.4.

use std::sync::Arc;

use super::super::super::peer::tell_second_opinion;
use super::super::super::post_handshake_auth::PostHandshakeEnd;
use super::super::super::{Cx, Outcome, expect};
use super::super::Next;
use super::flight::{FlightSent, ProvedBy};
use super::post_handshake_auth::{PostHandshakeServer, Tickets};
use super::psk::Resumption;
use super::tickets::Issuing;
use crate::configured::InForce;
use crate::error::Abort;
use crate::information::{Exporter, Information, Local, Rare};
use crate::key_schedule::{AddMessage, ExporterSecret};
use crate::record::HandshakeBytes;
use crate::version::Version;
use crate::wire::Finished;
use crate::x509::PeerProof;
use crate::{SignatureScheme, Violation};

pub(crate) struct WaitFinished {
    pub(super) sent: Box<FlightSent>,
    pub(super) peer: Option<(PeerProof, SignatureScheme)>,
}

impl WaitFinished {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let mut sent = self.sent;
        let finished: Finished<'_> = expect(&message)?;
        // The key is used once, so it is gone when the box is.
        let client_finished = sent.answering.client_finished.take();
        let hash = sent.answering.transcript.current();
        if !client_finished.verify(&hash, finished.verify_data) {
            return Err(Violation::FinishedMismatch.into());
        }
        cx.incoming.install_read(sent.read_secret.take())?;
        cx.incoming.allow_ccs(false);
        let resumption = (sent.answering.tickets > 0).then(|| sent.resumption.take());
        let mut answering = sent.answering;
        if resumption.is_some() || answering.asks_later {
            answering.transcript.add(message.hashed());
        }
        let resumption =
            resumption.map(|master| master.into_secret(&answering.transcript.current()));
        let (mut peer, peer_scheme) = self.peer.unzip();
        tell_second_opinion(peer.as_ref(), cx.events);
        let ocsp = peer.as_mut().and_then(PeerProof::take_ocsp_verdict);
        let (local, local_scheme, resumed, leaf, psk) = match answering.authentication {
            ProvedBy::Certificate(identity, scheme) => {
                let leaf = Arc::clone(identity.leaf_digests());
                let local = Local::Showed(identity.shared_chain());
                (local, Some(scheme), None, Some(leaf), None)
            }
            ProvedBy::Resumed(resumption) => {
                let Resumption {
                    authenticated_at,
                    leaf,
                    psk,
                    ..
                } = *resumption;
                let local = Local::HadShown(leaf.clone());
                (local, None, Some(authenticated_at), leaf, psk)
            }
            ProvedBy::External(psk) => {
                let name = Arc::clone(&psk.name);
                (Local::HadShown(None), None, None, None, Some(name))
            }
        };
        let information = Information {
            dialect: cx.dialect,
            version: Version::V1_3,
            is_server: true,
            cipher_suite: answering.suite,
            encrypt_then_mac: false,
            secure_renegotiation: true,
            group: answering.group,
            retried: answering.retried,
            ech: answering.ech,
            early_data: answering.early_data,
            resumed: resumed.is_some(),
            authenticated_at: resumed.unwrap_or(cx.now),
            alpn: answering.alpn,
            server_name: answering.server_name.map(String::into_boxed_str),
            client_random: answering.client_random,
            server_random: answering.server_random,
            peer: peer.map(PeerProof::into_presented),
            peer_scheme,
            rare: Rare {
                ocsp,
                preferred_share: None,
                configured: answering
                    .config
                    .policy
                    .keeps_options
                    .then(|| answering.config.clone() as InForce),
                srtp: answering.srtp,
            }
            .boxed(),
            psk,
            local,
            local_scheme,
            exporter: Exporter::Tls13(ExporterSecret::pending()),
        };
        let key_update_at = answering.config.policy.key_update_at;
        let mut outcome = Outcome::new(information, key_update_at).exporting(&mut sent.exporter);
        if answering.asks_later {
            let tickets = resumption.as_ref().map(|secret| Tickets {
                secret: secret.duplicate(),
                leaf: leaf.clone(),
                count: answering.tickets,
            });
            let server = PostHandshakeServer::new(
                answering.transcript,
                Arc::clone(&answering.config),
                Arc::clone(&outcome.information),
                tickets,
            );
            outcome.authentication = Some(PostHandshakeEnd::Server(Arc::new(server)));
        }
        let Some(secret) = resumption else {
            return Ok(Next::Connected(outcome));
        };
        let issuing = Issuing {
            config: answering.config,
            secret,
            leaf,
            outcome,
            count: answering.tickets,
        };
        issuing.issue(cx)
    }
}
