//! The client's share; the master secret follows.
//!
//! RFC 5246 §7.4.7, §8.1, RFC 7627 §4, RFC 8422 §5.7.

use super::super::super::{Cx, Next, expect};
use super::client_authentication::WaitCertificateVerify;
use super::finished::{Keyed, WaitChangeCipherSpec};
use super::flight::Showing;
use crate::Violation;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{MasterSeed, PremasterSecret};
use crate::record::HandshakeBytes;
use crate::wire::tls12::ClientKeyExchange;
use crate::x509::VerifiedChain;

pub(crate) struct WaitClientKeyExchange {
    showing: Box<Showing>,
    /// If it has shown a chain, which it will have to prove is its own.
    peer: Option<VerifiedChain>,
}

impl WaitClientKeyExchange {
    pub(super) fn without_certificate(mut showing: Box<Showing>) -> Self {
        // Nobody will sign them.
        showing.answering.transcript.forget_messages();
        Self {
            showing,
            peer: None,
        }
    }

    pub(super) fn with_certificate(showing: Box<Showing>, peer: VerifiedChain) -> Self {
        Self {
            showing,
            peer: Some(peer),
        }
    }

    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self { showing, peer } = self;
        let Showing {
            mut answering,
            identity,
            scheme,
            exchange,
        } = *showing;
        let share: ClientKeyExchange<'_> = expect(&message)?;
        let shared = exchange
            .finish(share.public)
            .map_err(|_| Violation::BadKeyShare)?;
        answering.transcript.add(message.hashed());
        let session_hash;
        let seed = if answering.negotiated.extended {
            session_hash = answering.transcript.current();
            MasterSeed::Extended(&session_hash)
        } else {
            MasterSeed::Randoms {
                client: &answering.client_random,
                server: &answering.server_random,
            }
        };
        let master = PremasterSecret::from(shared).into_master(answering.keys.hash, seed);
        let names = *identity.names_digest();
        let shown = Some((identity.shared_chain(), scheme));
        let keyed = Keyed::new(answering, shown, Box::new(master), names, cx)?;
        let keyed = Box::new(keyed);
        Ok(match peer {
            Some(peer) => WaitCertificateVerify { keyed, peer }.into(),
            None => WaitChangeCipherSpec(keyed).into(),
        })
    }
}
