//! The client offers the sessions and the pre-shared keys it has.
//!
//! RFC 8446 §4.2.11.

use std::borrow::Cow;
use std::sync::Arc;

use rustls_pki_types::{ServerName, UnixTime};

use super::super::peer::{Judge, Reverified};
use super::super::{Cx, external_psk};
use crate::config::{ClientOptions, ExtendedMasterSecret, PreSharedKey};
use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::{Digest, HashAlgorithm};
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::key_schedule::tls12::MasterSecret;
use crate::key_schedule::{EarlySecret, TrafficSecret, Transcript};
use crate::psk::SharedSecretName;
use crate::session::{ClientSession, Established, MAX_DATAGRAM_TICKET, MAX_TICKET, Peer, Secret};
use crate::suite::{CipherSuite, NoCertificate};
use crate::version::Version;
use crate::wire::extension::{OfferedPsks, PskIdentity, PskKeyExchangeMode, PskKeyExchangeModes};
use crate::x509::Sha256Digest;
use crate::{Misuse, NamedGroup, Violation};

/// The most bytes of sessions in one hello. Its extensions have 65,535 together, of which the
/// names of authorities may take half.
const MAX_SESSION_BYTES: usize = MAX_TICKET + 8_192;
/// The same over datagrams, where a hello is put together before anybody knows who sends it: two tickets as
/// long as they are issued.
const MAX_DATAGRAM_SESSION_BYTES: usize = 2 * MAX_DATAGRAM_TICKET;

/// What a session takes besides ticket and binder: their lengths, and the age.
const PSK_OVERHEAD: usize = 2 + 4 + 1;

/// A pre-shared key in the hello.
pub(super) struct OfferedPsk {
    early: EarlySecret,
    origin: Offered,
}

/// Where it comes from. A box for the larger one would be an allocation for every session.
#[allow(
    clippy::large_enum_variant,
    reason = "of the smaller ones there are few"
)]
enum Offered {
    Session(ClientSession, ProvedByKey),
    /// Both sides had it before: its identity as it is sent, and what it is called here.
    External(Box<[u8]>, Arc<SharedSecretName>),
}

/// Who the server is that has the key.
pub(super) enum ProvedByKey {
    /// The one that showed in the first connection who it is.
    Session(Resumed),
    /// The one that has the key that goes by this name, here or, with an origin, in the first connection.
    External(Arc<SharedSecretName>, Option<Origin>),
}

impl ProvedByKey {
    /// The user goes on with another configuration, whose rules have not been asked.
    pub(super) fn review(&mut self, config: &ClientOptions) -> Result<(), Misuse> {
        match self {
            Self::Session(resumed) => resumed.review(config),
            Self::External(name, _) => check_key(config, name),
        }
    }
}

/// The server has a key already that the configuration to go on with may not have.
fn check_key(config: &ClientOptions, name: &SharedSecretName) -> Result<(), Misuse> {
    match config.knows(name) {
        true => Ok(()),
        false => Err(Misuse::new(
            "the server has selected a pre-shared key, or resumes a session that began with one or with a user, \
             which the configuration to go on with does not have; refuse the ServerHello",
        )),
    }
}

impl OfferedPsk {
    /// Of a session.
    pub(super) fn established(&self) -> Option<&Established> {
        match &self.origin {
            Offered::Session(session, _) => Some(&session.established),
            Offered::External(..) => None,
        }
    }

    /// As it stands in the hello; what is no ticket has no age (§4.2.11).
    fn identity(&self, now: UnixTime) -> PskIdentity<'_> {
        match &self.origin {
            Offered::Session(session, _) => PskIdentity {
                identity: &session.ticket,
                obfuscated_ticket_age: session.obfuscated_age(now),
            },
            Offered::External(identity, _) => PskIdentity {
                identity,
                obfuscated_ticket_age: 0,
            },
        }
    }

    /// For early data with it; `transcript` is the hash of the hello.
    pub(super) fn early_traffic_secret(
        &self,
        aead: AeadAlgorithm,
        transcript: &Digest,
    ) -> Option<TrafficSecret> {
        self.early.client_early_traffic_secret(aead, transcript)
    }
}

/// A session of before TLS 1.3 in the hello.
pub(super) struct OlderSession {
    pub(super) version: Version,
    pub(super) suite: CipherSuite,
    pub(super) master: Box<MasterSecret>,
    pub(super) extended: bool,
    /// Of the key exchange that the master secret came from.
    pub(super) group: Option<NamedGroup>,
    pub(super) ticket: Box<[u8]>,
    pub(super) is_id: bool,
    pub(super) peer: OlderPeer,
    /// The pre-shared key that it began with, or as whom this side had logged in.
    pub(super) psk: Option<Arc<SharedSecretName>>,
}

/// Who the server was when the session began.
pub(super) enum OlderPeer {
    Known(Resumed),
    /// It showed no certificate.
    Nobody(NoCertificate, Origin),
}

impl OlderSession {
    /// The user goes on with another configuration, whose rules have not been asked.
    pub(super) fn review(&mut self, config: &ClientOptions) -> Result<(), Misuse> {
        if let Some(name) = &self.psk {
            check_key(config, name)?;
        }
        match &mut self.peer {
            OlderPeer::Known(resumed) => resumed.review(config),
            OlderPeer::Nobody(_, origin) => origin.check(config),
        }
    }
}

/// Who the ends were when the session began.
pub(super) struct Resumed {
    pub(super) peer: Peer,
    pub(super) origin: Origin,
    /// Whether its chain is still to be trusted.
    pub(super) verdict: Reverified,
}

impl Resumed {
    /// The user goes on with another configuration, whose rules have not been asked.
    pub(super) fn review(&mut self, config: &ClientOptions) -> Result<(), Misuse> {
        self.origin.check(config)?;
        self.verdict = Reverified::Asked;
        Ok(())
    }
}

/// What the sessions of a resumed connection take over from its own.
pub(super) struct Origin {
    /// When the server signed.
    pub(super) authenticated_at: UnixTime,
    /// The key of the certificate that this side showed then.
    pub(super) shown: Option<Arc<Sha256Digest>>,
}

impl Origin {
    /// Whether this side may be who it was then: to the server it is. With `ask_identity` this
    /// cannot be checked: the caller that gave the session answers for it.
    pub(super) fn belongs_to(&self, config: &ClientOptions) -> bool {
        let Some(shown) = &self.shown else {
            return true;
        };
        let mut identities = config.identities.iter();
        config.policy.asked.identity || identities.any(|one| one.key_digest() == shown)
    }

    /// The same where the server resumes the session already.
    fn check(&self, config: &ClientOptions) -> Result<(), Misuse> {
        match self.belongs_to(config) {
            true => Ok(()),
            false => Err(Misuse::new(
                "the server resumes a session in which this side showed a certificate, and the \
                 configuration to go on with has no identity with its key; give it that one, or \
                 offer no session",
            )),
        }
    }
}

/// The sessions that can be offered now beside the `older` one, in the order given; behind them the pre-shared
/// keys of the configuration, whose size it has checked.
pub(super) fn usable(
    config: &ClientOptions,
    name: &ServerName<'static>,
    sessions: Vec<ClientSession>,
    older: Option<&OlderSession>,
    cx: &Cx<'_>,
) -> Result<Vec<OfferedPsk>, Abort> {
    if !config.takes_tickets() && !sessions.is_empty() {
        return Err(Misuse::new(
            "a session was given, but session_tickets is off in the client's configuration",
        )
        .into());
    }
    let most = match cx.dialect {
        Dialect::Tls => MAX_SESSION_BYTES,
        Dialect::Dtls => MAX_DATAGRAM_SESSION_BYTES,
    };
    let mut room = most.saturating_sub(older.map_or(0, |older| older.ticket.len()));
    let keys = match config.policy.speaks(Version::V1_3) {
        true => external(config, cx)?,
        false => Vec::new(),
    };
    room = keys.iter().fold(room, |room, (_, identity, hash, _)| {
        room.saturating_sub(PSK_OVERHEAD + identity.len() + hash.output_len())
    });
    // It does not grow: what had been moved would stay where it was.
    let mut offered = Vec::with_capacity(sessions.len() + keys.len());
    for session in sessions {
        let Some(psk) = session.established.psk() else {
            continue;
        };
        let size = PSK_OVERHEAD + session.ticket.len() + psk.hash().output_len();
        let Some(left) = room.checked_sub(size) else {
            continue;
        };
        let Some(proved) = proved_by(config, name, &session, cx) else {
            continue;
        };
        room = left;
        offered.push(OfferedPsk {
            early: EarlySecret::with_psk(psk, cx.dialect.label_prefix()),
            origin: Offered::Session(session, proved),
        });
    }
    for (psk, identity, hash, name) in keys {
        offered.push(OfferedPsk {
            early: external_psk::early_secret(psk, hash, &identity, cx.dialect)?,
            origin: Offered::External(identity.into(), name),
        });
    }
    Ok(offered)
}

/// A key, and how it goes with suites of this hash.
type ExternalPsk<'a> = (
    &'a PreSharedKey,
    Cow<'a, [u8]>,
    HashAlgorithm,
    Arc<SharedSecretName>,
);

/// The pre-shared keys of the configuration, each for every hash that it can be used with and that a suite has.
fn external<'a>(config: &'a ClientOptions, cx: &Cx<'_>) -> Result<Vec<ExternalPsk<'a>>, Abort> {
    let mut keys = Vec::new();
    if config.policy.psks.is_empty() {
        return Ok(keys);
    }
    let version = cx.dialect.code(Version::V1_3);
    let mut hashes = Vec::new();
    for suite in &config.policy.cipher_suites {
        if suite.is_usable_in(version) {
            let hash = suite.handshake_hash()?;
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
    }
    for psk in config.policy.psks.iter() {
        for hash in &hashes {
            if let Some(identity) = external_psk::identity(psk, *hash, cx.dialect) {
                keys.push((psk, identity, *hash, Arc::clone(psk.name())));
            }
        }
    }
    Ok(keys)
}

/// Who resumes the session, if it can be offered now.
fn proved_by(
    config: &ClientOptions,
    name: &ServerName<'static>,
    session: &ClientSession,
    cx: &Cx<'_>,
) -> Option<ProvedByKey> {
    match &session.established.shared_key {
        None => resumable(config, name, session, cx).map(ProvedByKey::Session),
        Some(key) => {
            let origin = fitting(config, name, session, cx).filter(|_| config.knows(key))?;
            Some(ProvedByKey::External(Arc::clone(key), Some(origin)))
        }
    }
}

/// The first session of before TLS 1.3 that can be offered now: the hello has room for one.
pub(super) fn older(
    config: &ClientOptions,
    name: &ServerName<'static>,
    sessions: &[ClientSession],
    cx: &Cx<'_>,
) -> Option<Box<OlderSession>> {
    let mut sessions = sessions.iter();
    sessions.find_map(|session| {
        let Secret::Master {
            secret,
            extended,
            group,
        } = &session.established.secret
        else {
            return None;
        };
        // RFC 7627 §5.3: what resumes it has the extended master secret if it has, and only then.
        match config.policy.extended_master_secret {
            ExtendedMasterSecret::Off if *extended => return None,
            ExtendedMasterSecret::Required if !extended => return None,
            _ => {}
        }
        let exchange = session.established.suite.exchange()?;
        let peer = match (&session.established.peer, exchange.without_certificate()) {
            (Some(_), None) => OlderPeer::Known(resumable(config, name, session, cx)?),
            (None, Some(nobody)) => OlderPeer::Nobody(nobody, fitting(config, name, session, cx)?),
            _ => return None,
        };
        match &session.established.shared_key {
            Some(name) if exchange.shared() == Some(name.kind) && config.knows(name) => {}
            None if exchange.shared().is_none() => {}
            _ => return None,
        }
        Some(Box::new(OlderSession {
            version: session.established.version,
            suite: session.established.suite,
            master: secret.copy(),
            extended: *extended,
            group: *group,
            ticket: session.ticket.clone(),
            is_id: session.is_id,
            peer,
            psk: session.established.shared_key.clone(),
        }))
    })
}

/// Who the ends were in the session, if it can be offered now and the server had shown a certificate.
fn resumable(
    config: &ClientOptions,
    name: &ServerName<'static>,
    session: &ClientSession,
    cx: &Cx<'_>,
) -> Option<Resumed> {
    let peer = session.established.peer.as_ref()?;
    let origin = fitting(config, name, session, cx)?;
    let version = session.established.version;
    let policy = &config.policy;
    if !policy.accepts_again(&peer.shown, peer.signed_with(), version) {
        return None;
    }
    // A full handshake will say what is wrong, or find another chain.
    let judge = Judge::of_server(config, name).of_session();
    if !judge.has_judged_staples(&peer.shown, cx.now) {
        return None;
    }
    let verdict = match judge.checks_crls(&peer.shown) {
        false => match judge.verify_again(&peer.shown, cx.now).ok()? {
            Some(proof) => Reverified::Proved(proof),
            None => Reverified::Asked,
        },
        // After the ServerHello there is no way back to a full handshake.
        true => judge.verify_with_lists(&peer.shown, session.unrevoked(cx.now)?, cx.now)?,
    };
    Some(Resumed {
        peer: peer.clone(),
        origin,
        verdict,
    })
}

/// What the session takes over, if it fits this connection: its records and version, a suite, the
/// server's name, and who this side is.
fn fitting(
    config: &ClientOptions,
    name: &ServerName<'static>,
    session: &ClientSession,
    cx: &Cx<'_>,
) -> Option<Origin> {
    let established = &session.established;
    let version = established.version;
    let code = cx.dialect.code(version);
    let mut suites = config.policy.cipher_suites.iter();
    let fits = established.is_of(cx.dialect, version)
        && config.policy.versions.contains(&code)
        && session.server_name == *name
        && !session.is_expired(cx.now)
        && suites.any(|suite| match established.psk() {
            // §4.2.11: another suite with the same hash will do.
            Some(psk) => suite.handshake_hash() == Ok(psk.hash()),
            None => *suite == established.suite,
        });
    let origin = Origin {
        authenticated_at: established.authenticated_at,
        shown: established.shown.clone(),
    };
    (fits && origin.belongs_to(config)).then_some(origin)
}

/// Writes `psk_key_exchange_modes`, and as the last extension `pre_shared_key` with room for
/// the binders.
pub(super) fn put_psks(
    out: &mut Vec<u8>,
    config: &ClientOptions,
    offered: &[OfferedPsk],
    now: UnixTime,
) {
    let alone = config.policy.psk_ke.then_some(PskKeyExchangeMode::PSK_KE);
    let modes = [PskKeyExchangeMode::PSK_DHE_KE].into_iter().chain(alone);
    PskKeyExchangeModes::put(out, modes);
    if offered.is_empty() {
        return;
    }
    let identities = offered.iter().map(|offered| offered.identity(now));
    OfferedPsks::put(out, identities, binder_lengths(offered));
}

fn binder_lengths(offered: &[OfferedPsk]) -> impl Iterator<Item = u8> {
    offered
        .iter()
        .map(|offered| offered.early.hash().output_len_u8())
}

/// §4.2.11.2: fills the room for the binders at the end of the hello, which is all of `out`
/// from `start` on. `before` has the messages before it, if there are any. Gives the transcript of one of them up to the
/// binders, and how long it is there.
pub(super) fn bind(
    out: &mut Vec<u8>,
    start: usize,
    offered: &[OfferedPsk],
    before: Option<&Transcript>,
) -> Option<(Transcript, usize)> {
    if offered.is_empty() {
        return None;
    }
    let size = OfferedPsks::size_of_binders(binder_lengths(offered));
    out.truncate(out.len().saturating_sub(size));
    let truncated = out.get(start..).unwrap_or_default();
    let (mut bound, length) = (None, truncated.len());
    let binders: Vec<Digest> = offered
        .iter()
        .filter_map(|offered| {
            let mut transcript =
                before.map_or_else(|| Transcript::new(offered.early.hash()), Transcript::clone);
            transcript.add_bytes(truncated);
            let binder = offered.early.binder(&transcript.current());
            bound = Some((transcript, length));
            binder
        })
        .collect();
    OfferedPsks::put_binders(out, binders.iter().map(Digest::as_slice));
    bound
}

/// §4.1.4: drops what cannot go with the suite that a HelloRetryRequest has chosen.
pub(super) fn retain(offered: &mut Vec<OfferedPsk>, hash: HashAlgorithm) {
    if offered.iter().all(|offered| offered.early.hash() == hash) {
        return;
    }
    // What moves up in the list would leave its secret where it was, and nobody wipes that. A secret that is taken
    // still has its hash.
    let mut secrets = Vec::with_capacity(offered.len());
    secrets.extend(
        offered
            .iter_mut()
            .filter(|offered| offered.early.hash() == hash)
            .map(|offered| offered.early.take()),
    );
    offered.retain(|offered| offered.early.hash() == hash);
    for (offered, secret) in offered.iter_mut().zip(&mut secrets) {
        offered.early = secret.take();
    }
}

/// The key that the server has selected, with the suite that it has.
pub(super) fn selected(
    mut offered: Vec<OfferedPsk>,
    index: u16,
    hash: HashAlgorithm,
) -> Result<(EarlySecret, ProvedByKey), Violation> {
    let selected = offered
        .get_mut(usize::from(index))
        .ok_or(Violation::SelectedPskNotOffered)?;
    // Out of the memory of the list, which nobody wipes.
    let early = selected.early.take();
    if early.hash() != hash {
        return Err(Violation::PskHashMismatch);
    }
    let proved = match offered.swap_remove(index.into()).origin {
        Offered::Session(_, proved) => proved,
        Offered::External(_, name) => ProvedByKey::External(name, None),
    };
    Ok((early, proved))
}
