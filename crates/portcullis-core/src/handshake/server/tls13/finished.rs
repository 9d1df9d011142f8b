//! The client's Finished, which ends the handshake.
//!
//! RFC 8446 §4.4.4.

use super::super::super::{Cx, Next, Outcome, expect};
use super::flight::Answered;
use crate::error::Abort;
use crate::information::Information;
use crate::record::HandshakeBytes;
use crate::wire::Finished;
use crate::x509::VerifiedChain;
use crate::{SignatureScheme, Violation};

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
        let Answered {
            keyed,
            read_secret,
            exporter,
        } = *self.answered;
        let finished: Finished<'_> = expect(&message)?;
        if !keyed
            .client_secret
            .verify_finished(&keyed.transcript.current(), finished.verify_data)
        {
            return Err(Violation::FinishedMismatch.into());
        }
        cx.incoming.install_read(read_secret)?;
        cx.incoming.allow_ccs(false);
        let (peer_chain, peer_scheme) = self.peer.unzip();
        let information = Information {
            is_server: true,
            cipher_suite: keyed.suite,
            group: keyed.group,
            retried: keyed.retried,
            alpn: keyed.alpn,
            server_name: keyed.server_name.map(String::into_boxed_str),
            client_random: keyed.client_random,
            server_random: keyed.server_random,
            peer_chain,
            peer_scheme,
            local_chain: Some(keyed.identity.shared_chain()),
            local_scheme: Some(keyed.scheme),
            exporter,
        };
        Ok(Next::Connected(Outcome::new(
            information,
            keyed.config.policy.key_update_at,
        )))
    }
}
