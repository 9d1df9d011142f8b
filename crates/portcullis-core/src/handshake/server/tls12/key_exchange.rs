//! The client's part of the key exchange; the master secret follows.
//!
//! RFC 5246 §7.4.7, §8.1, RFC 7627 §4, RFC 8422 §5.7.

use super::super::super::legacy::client_key_exchange;
use super::super::super::{Cx, Next, expect};
use super::client_authentication::WaitCertificateVerify;
use super::finished::{Keyed, WaitChangeCipherSpec};
use super::flight::{Answering, OwnShare, Showing};
use super::identity::Shown;
use crate::crypto::rsa_premaster::Substitute;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{MasterSeed, PremasterSecret};
use crate::record::HandshakeBytes;
use crate::wire::ClientHello;
use crate::wire::tls12::{ClientKeyExchange, ClientShare};
use crate::x509::{IdentityKey, VerifiedChain};
use crate::{Misuse, Violation};

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
            shown,
            share,
        } = *showing;
        let received = client_key_exchange(answering.exchange, &message)?;
        let group = share.as_ref().and_then(OwnShare::group);
        let premaster = match received.share {
            Some(ClientShare::Encrypted(encrypted)) => {
                decrypt(&answering, shown.as_ref(), encrypted, cx)?
            }
            _ => agree(share, received)?,
        };
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
        let master = Box::new(premaster.into_master(answering.keys.hash, seed));
        let names = shown.as_ref().map(|shown| *shown.identity.names_digest());
        let mut keyed = Box::new(Keyed::new(answering, master, names, cx)?);
        keyed.shown = shown.map(|shown| (shown.identity.shared_chain(), shown.scheme));
        keyed.group = group;
        Ok(match peer {
            Some(peer) => WaitCertificateVerify { keyed, peer }.into(),
            None => WaitChangeCipherSpec(keyed).into(),
        })
    }
}

/// What the client has encrypted for this side's key (§7.4.7.1); the errors have nothing to do with that.
fn decrypt(
    answering: &Answering,
    shown: Option<&Shown>,
    encrypted: &[u8],
    cx: &mut Cx<'_>,
) -> Result<PremasterSecret, Abort> {
    let substitute = Substitute::new(cx.random)?;
    let hello: ClientHello<'_> = expect(&answering.negotiated.hello)?;
    let Some(IdentityKey::Local(key)) = shown.map(|shown| shown.identity.key()) else {
        return Err(Misuse::new("nothing was shown that decrypts").into());
    };
    // Nobody looks whether it has worked.
    let block = key.decrypt_raw(encrypted).unwrap_or_default();
    // What the hello said, and not what was chosen.
    let premaster = substitute.or_decrypted(&block, hello.legacy_version)?;
    Ok(premaster.into())
}

/// What both sides know of the shares (RFC 8422 §5.10).
fn agree(own: Option<OwnShare>, received: ClientKeyExchange<'_>) -> Result<PremasterSecret, Abort> {
    match (own, received.share) {
        (Some(OwnShare::Curve(own)), Some(ClientShare::Point(point))) => {
            let shared = own.finish(point).map_err(|_| Violation::BadKeyShare)?;
            Ok(shared.into())
        }
        // The form of the message is by the row.
        _ => Err(Misuse::new("the client's share is of another key exchange").into()),
    }
}
