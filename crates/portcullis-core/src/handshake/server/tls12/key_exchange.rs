//! The client's part of the key exchange; the master secret follows.
//!
//! RFC 5246 §7.4.7, §8.1, RFC 7627 §4, RFC 8422 §5.7, RFC 4492 §2.1, RFC 4279 §2.

use std::sync::Arc;

use super::super::super::Cx;
use super::super::super::older::client_key_exchange;
use super::super::Next;
use super::client_authentication::WaitCertificateVerify;
use super::decryption::decrypt;
use super::finished::{Keyed, WaitChangeCipherSpec};
use super::flight::{Answering, OwnShare, Showing};
use super::identity::Shown;
use super::psk::choose_psk;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{MasterSeed, PremasterSecret};
use crate::psk::SharedSecretName;
use crate::record::HandshakeBytes;
use crate::wire::tls12::ClientShare;
use crate::x509::{Identity, IdentityKey, PeerProof};
use crate::{Misuse, NamedGroup, Violation};

pub(crate) struct WaitClientKeyExchange {
    showing: Box<Showing>,
    /// If it has shown a chain, which it will have to prove is its own.
    peer: Option<PeerProof>,
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

    pub(super) fn with_certificate(showing: Box<Showing>, peer: PeerProof) -> Self {
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
        answering.transcript.add(message.hashed());
        let user = match &share {
            Some(OwnShare::Srp(share)) => Some(Arc::clone(share.name())),
            _ => None,
        };
        let psk_identity = received.psk_identity.map(Box::from);
        let mut exchanged = Exchanged {
            answering,
            shown,
            group: share.as_ref().and_then(OwnShare::group),
            user,
            agreed: None,
            peer,
        };
        match received.share {
            Some(ClientShare::Encrypted(encrypted)) => {
                return decrypt(exchanged, psk_identity, encrypted, cx);
            }
            Some(ClientShare::Point(point)) if share.is_none() => {
                exchanged.agree_with_own_key(point)?;
            }
            received => exchanged.agreed = agree(share, received)?,
        }
        go_on(exchanged, psk_identity, cx)
    }
}

/// What the shares give is there, if there are any.
pub(super) fn go_on(
    exchanged: Exchanged,
    psk_identity: Option<Box<[u8]>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    match psk_identity {
        None => master_secret(exchanged, None, cx),
        Some(identity) => choose_psk(exchanged, identity, cx),
    }
}

/// What both sides know of the shares (RFC 8422 §5.10, RFC 5246 §8.1.2); `None` where a pre-shared key is
/// all.
fn agree(
    own: Option<OwnShare>,
    received: Option<ClientShare<'_>>,
) -> Result<Option<PremasterSecret>, Abort> {
    match (own, received) {
        (Some(OwnShare::Curve(own)), Some(ClientShare::Point(point))) => {
            let shared = own.finish(point).map_err(|_| Violation::BadKeyShare)?;
            Ok(Some(shared.into()))
        }
        (Some(OwnShare::Field(own)), Some(ClientShare::Number(number))) => {
            let shared = own.pair.agree_before_tls13(number);
            Ok(Some(shared.map_err(|_| Violation::BadDhShare)?.into()))
        }
        (Some(OwnShare::Srp(own)), Some(ClientShare::Number(number))) => {
            Ok(Some(own.half.agree(number)?.into()))
        }
        (None, None) => Ok(None),
        // The form of the message is by the row.
        _ => Err(another_exchange()),
    }
}

fn another_exchange() -> Abort {
    Misuse::new("the client's message is of another key exchange").into()
}

/// ClientKeyExchange is in.
pub(super) struct Exchanged {
    pub(super) answering: Answering,
    pub(super) shown: Option<Shown>,
    group: Option<NamedGroup>,
    /// Who logs in.
    user: Option<Arc<SharedSecretName>>,
    pub(super) agreed: Option<PremasterSecret>,
    peer: Option<PeerProof>,
}

impl Exchanged {
    /// RFC 4492 §2.1, RFC 8422 §5.10: this side's half is the key that it has shown.
    fn agree_with_own_key(&mut self, point: &[u8]) -> Result<(), Abort> {
        let identity = self.shown.as_ref().map(|shown| &shown.identity);
        let (Some(IdentityKey::Local(key)), Some(curve)) = (
            identity.map(Identity::key),
            identity.and_then(Identity::curve),
        ) else {
            return Err(another_exchange());
        };
        let shared = key.agree(curve, point);
        let shared = shared.map_err(|_| Violation::BadKeyShare)?;
        self.agreed = Some(shared.into());
        self.group = Some(curve);
        Ok(())
    }
}

/// Makes the master secret, with a pre-shared key where the row of the key exchange has one.
pub(super) fn master_secret(
    exchanged: Exchanged,
    psk: Option<(&[u8], &Arc<SharedSecretName>)>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Exchanged {
        answering,
        shown,
        group,
        user,
        agreed,
        peer,
    } = exchanged;
    if let Some(previous) = &answering.negotiated.previous {
        let identity = psk.map(|(_, name)| &*name.identity);
        previous.check_psk_identity(identity)?;
        previous.check_user(user.as_ref().map(|name| &*name.identity))?;
    }
    let premaster = match (psk, agreed) {
        (Some((key, _)), agreed) => PremasterSecret::with_psk(agreed, key),
        (None, Some(agreed)) => agreed,
        (None, None) => return Err(another_exchange()),
    };
    *cx.shared = answering.exchange.shared();
    let seed = MasterSeed::new(
        answering.negotiated.extended,
        &answering.transcript,
        &answering.client_random,
        &answering.server_random,
    );
    let master = Box::new(premaster.into_master(answering.keys.hash, seed));
    let leaf = shown
        .as_ref()
        .map(|shown| Arc::clone(shown.identity.leaf_digests()));
    let mut keyed = Keyed::new(answering, master, leaf, cx)?;
    keyed.shown = shown.map(|shown| (shown.identity.shared_chain(), shown.scheme));
    keyed.group = group;
    keyed.psk = psk.map(|(_, name)| Arc::clone(name)).or(user);
    Ok(match peer {
        Some(peer) => WaitCertificateVerify { keyed, peer }.into(),
        None => WaitChangeCipherSpec(keyed).into(),
    })
}
