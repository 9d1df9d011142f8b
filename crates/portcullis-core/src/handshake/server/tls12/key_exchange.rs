//! The client's share; the master secret follows.
//!
//! RFC 5246 §7.4.7, §8.1, RFC 7627 §4, RFC 8422 §5.7.

use super::super::super::{Cx, Next, expect};
use super::client_authentication::WaitCertificateVerify;
use super::finished::WaitChangeCipherSpec;
use super::flight::Answering;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{MasterSecret, MasterSeed, PremasterSecret};
use crate::record::HandshakeBytes;
use crate::wire::tls12::ClientKeyExchange;
use crate::x509::VerifiedChain;
use crate::{SignatureScheme, Violation};

pub(crate) struct WaitClientKeyExchange {
    answering: Box<Answering>,
    /// If it has shown a chain, which it will have to prove is its own.
    peer: Option<VerifiedChain>,
}

impl WaitClientKeyExchange {
    pub(super) fn without_certificate(mut answering: Box<Answering>) -> Self {
        // Nobody will sign them.
        answering.transcript.forget_messages();
        Self {
            answering,
            peer: None,
        }
    }

    pub(super) fn with_certificate(answering: Box<Answering>, peer: VerifiedChain) -> Self {
        Self {
            answering,
            peer: Some(peer),
        }
    }

    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self {
            mut answering,
            peer,
        } = self;
        let exchange: ClientKeyExchange<'_> = expect(&message)?;
        let shared = answering
            .exchange
            .finish(exchange.public)
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
        cx.secret_log(
            &answering.negotiated.config.policy,
            &answering.client_random,
        )
        .of_session(&master);
        let keyed = Box::new(Keyed {
            answering,
            master,
            peer: None,
        });
        Ok(match peer {
            Some(peer) => WaitCertificateVerify { keyed, peer }.into(),
            None => WaitChangeCipherSpec(keyed).into(),
        })
    }
}

/// The master secret is known.
pub(super) struct Keyed {
    pub(super) answering: Box<Answering>,
    pub(super) master: MasterSecret,
    /// The client, if it has proved who it is, and with what it has signed.
    pub(super) peer: Option<(VerifiedChain, SignatureScheme)>,
}
