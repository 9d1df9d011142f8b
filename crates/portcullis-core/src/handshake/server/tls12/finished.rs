//! The client changes its keys and sends Finished; the server does the same, which ends the
//! handshake.
//!
//! RFC 5246 §7.1, §7.4.9.

use super::super::super::{Cx, Next, Outcome, expect};
use super::key_exchange::Keyed;
use crate::Violation;
use crate::error::Abort;
use crate::information::{Exporter, Information};
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{DirectionKeys, Side};
use crate::record::{HandshakeBytes, Keys};
use crate::wire::Finished;
use crate::x509::VerifiedChain;

/// The client must change its keys now.
pub(crate) struct WaitChangeCipherSpec(pub(super) Box<Keyed>);

impl WaitChangeCipherSpec {
    pub(super) fn on_change_cipher_spec(self, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self(keyed) = self;
        let answering = &keyed.answering;
        let block = keyed.master.key_block(
            answering.keys,
            &answering.client_random,
            &answering.server_random,
        )?;
        let version = answering.negotiated.version;
        // No part of a message may have come under the old keys.
        cx.incoming
            .install_read(Keys::older(version, block.client))?;
        Ok(WaitFinished {
            keyed,
            write: Box::new(block.server),
        }
        .into())
    }
}

pub(crate) struct WaitFinished {
    keyed: Box<Keyed>,
    write: Box<DirectionKeys>,
}

impl WaitFinished {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self {
            mut keyed,
            mut write,
        } = self;
        let finished: Finished<'_> = expect(&message)?;
        let transcript = &mut keyed.answering.transcript;
        let hash = transcript.current();
        if !keyed
            .master
            .verify_finished(Side::Client, &hash, finished.verify_data)
        {
            return Err(Violation::FinishedMismatch.into());
        }
        transcript.add(message.hashed());
        // The client waits now, so nothing may follow.
        cx.incoming.end_of_flight()?;
        let version = keyed.answering.negotiated.version;
        cx.outgoing
            .switch_keys(Keys::older(version, write.take()))?;
        let verify_data = keyed
            .master
            .verify_data(Side::Server, &transcript.current());
        cx.send(transcript, |out| Finished::put(out, &verify_data));
        Ok(Next::Connected(connected(*keyed, cx)))
    }
}

fn connected(mut keyed: Keyed, cx: &Cx<'_>) -> Outcome {
    let exporter = Exporter::before_tls13(keyed.answering.negotiated.extended, keyed.master.take());
    let answering = *keyed.answering;
    let negotiated = answering.negotiated;
    let (peer, peer_scheme) = keyed.peer.unzip();
    let information = Information {
        dialect: cx.dialect,
        version: negotiated.version,
        is_server: true,
        cipher_suite: answering.chosen.suite,
        group: Some(negotiated.group),
        retried: false,
        resumed: false,
        authenticated_at: cx.now,
        alpn: answering.alpn,
        server_name: answering.server_name.map(String::into_boxed_str),
        client_random: answering.client_random,
        server_random: answering.server_random,
        peer_chain: peer.map(VerifiedChain::into_chain),
        peer_scheme,
        local_chain: Some(answering.chosen.identity.shared_chain()),
        local_scheme: Some(answering.chosen.scheme),
        exporter,
    };
    Outcome::new(information, negotiated.config.policy.key_update_at)
}
