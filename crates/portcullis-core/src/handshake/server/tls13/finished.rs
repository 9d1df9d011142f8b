//! The client's Finished, which ends the handshake.
//!
//! RFC 8446 §4.4.4.

use super::super::super::{Cx, Next, Outcome, expect};
use super::flight::{Answered, Authentication};
use super::psk::Resumption;
use super::tickets::Issuing;
use crate::error::Abort;
use crate::information::Information;
use crate::key_schedule::{AddMessage, ResumptionMaster};
use crate::record::HandshakeBytes;
use crate::wire::Finished;
use crate::x509::VerifiedChain;
use crate::{ProtocolVersion, SignatureScheme, Violation};

pub(crate) struct WaitFinished {
    pub(super) answered: Box<Answered>,
    pub(super) peer: Option<(VerifiedChain, SignatureScheme)>,
}

impl WaitFinished {
    pub(in super::super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let mut answered = self.answered;
        let finished: Finished<'_> = expect(&message)?;
        // The key is used once, so it is gone when the box is.
        let client_finished = answered.keyed.client_finished.take();
        let hash = answered.keyed.transcript.current();
        if !client_finished.verify(&hash, finished.verify_data) {
            return Err(Violation::FinishedMismatch.into());
        }
        cx.incoming.install_read(answered.read_secret.take())?;
        cx.incoming.allow_ccs(false);
        let exporter = answered.exporter.take();
        let resumption = answered.resumption.as_mut().map(ResumptionMaster::take);
        let Answered { mut keyed, .. } = *answered;
        let resumption = resumption.map(|master| {
            keyed.transcript.add(message.hashed());
            master.into_secret(&keyed.transcript.current())
        });
        let (peer, peer_scheme) = self.peer.unzip();
        let (local_chain, local_scheme, resumed, names) = match keyed.authentication {
            Authentication::Certificate(identity, scheme) => {
                let names = *identity.names_digest();
                (Some(identity.shared_chain()), Some(scheme), None, names)
            }
            Authentication::Resumed(resumption) => {
                let Resumption {
                    authenticated_at,
                    names,
                    ..
                } = *resumption;
                (None, None, Some(authenticated_at), names)
            }
        };
        let information = Information {
            version: ProtocolVersion::TLS_1_3,
            is_server: true,
            cipher_suite: keyed.suite,
            group: Some(keyed.group),
            retried: keyed.retried,
            resumed: resumed.is_some(),
            authenticated_at: resumed.unwrap_or(cx.now),
            alpn: keyed.alpn,
            server_name: keyed.server_name.map(String::into_boxed_str),
            client_random: keyed.client_random,
            server_random: keyed.server_random,
            peer_chain: peer.map(VerifiedChain::into_chain),
            peer_scheme,
            local_chain,
            local_scheme,
            exporter,
        };
        let outcome = Outcome::new(information, keyed.config.policy.key_update_at);
        let Some(secret) = resumption else {
            return Ok(Next::Connected(outcome));
        };
        let issuing = Issuing {
            config: keyed.config,
            secret,
            names,
            outcome,
        };
        issuing.issue(cx)
    }
}
