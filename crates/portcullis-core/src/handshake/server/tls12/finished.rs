//! The client changes its keys and sends Finished. In a full handshake the server does the same
//! after it, in an abbreviated one it has done so before.
//!
//! RFC 5246 §7.1, §7.3, §7.4.9.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};

use super::super::super::peer::tell_second_opinion;
use super::super::super::renegotiation::{Previous, Settled, VerifyData, agrees};
use super::super::super::{Cx, Outcome, expect, wrong_answer};
use super::super::Next;
use super::super::hello::ServerEnd;
use super::flight::Answering;
use super::tickets::issue;
use crate::config::ServerOptions;
use crate::configured::InForce;
use crate::ech::EchStatus;
use crate::error::Abort;
use crate::information::{EarlyDataStatus, Information, Local, Older, Rare};
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{DirectionKeys, MasterSecret, Transcript};
use crate::psk::SharedSecretName;
use crate::question::{AnswerContent, KeepSession, Question, QuestionId};
use crate::record::{HandshakeBytes, Keys};
use crate::role::Role;
use crate::session::{
    Established, MAX_AUTHENTICATION, MAX_SESSION_LIFETIME, Peer, Secret, ServerSession, age,
};
use crate::srtp::Srtp;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::Finished;
use crate::wire::tls12::NextProtocol;
use crate::x509::{LeafDigests, PeerProof};
use crate::{NamedGroup, SignatureScheme, Violation};

/// The master secret is known, and with it all keys.
pub(super) struct Keyed {
    pub(super) config: Arc<ServerOptions>,
    pub(super) version: Version,
    pub(super) suite: CipherSuite,
    /// Of the key exchange, if it has one; where a session is resumed: that of its own.
    pub(super) group: Option<NamedGroup>,
    /// The pre-shared key, here or where the session began, or who has logged in.
    pub(super) psk: Option<Arc<SharedSecretName>>,
    pub(super) extended: bool,
    /// Whether the client gets a ticket.
    wants_ticket: bool,
    /// What the ServerHello has called it: in a full handshake 32 bytes, if somebody may keep it, or none.
    session_id_sent: Box<[u8]>,
    client_random: [u8; 32],
    server_random: [u8; 32],
    pub(super) server_name: Option<String>,
    alpn: Option<Box<[u8]>>,
    srtp: Option<Srtp>,
    /// Whether the client still has to say by NPN what it has chosen.
    awaits_next_protocol: bool,
    next_protocol: Option<Box<[u8]>>,
    pub(super) transcript: Transcript,
    /// What this side has shown here.
    pub(super) shown: Option<(Arc<[CertificateDer<'static>]>, Option<SignatureScheme>)>,
    /// Of the certificate that the client was shown, here or when the session began; the key exchange
    /// may have none.
    pub(super) leaf: Option<Arc<LeafDigests>>,
    pub(super) master: Box<MasterSecret>,
    /// The client, if it has proved who it is, and with what it has signed.
    pub(super) peer: Option<(PeerProof, SignatureScheme)>,
    /// If a session is resumed: when its first handshake was.
    pub(super) resumed: Option<UnixTime>,
    /// What the client writes with, once it says so.
    read: DirectionKeys,
    /// What this side writes with, until it does.
    write: DirectionKeys,
    finished: VerifyData,
    secure_renegotiation: bool,
    /// In a renegotiation.
    previous: Option<Arc<Previous>>,
}

impl Keyed {
    pub(super) fn new(
        answering: Answering,
        master: Box<MasterSecret>,
        leaf: Option<Arc<LeafDigests>>,
        cx: &mut Cx<'_>,
    ) -> Result<Box<Self>, Abort> {
        let Answering {
            negotiated,
            suite,
            keys,
            client_random,
            server_random,
            session_id_sent,
            server_name,
            alpn,
            srtp,
            awaits_next_protocol,
            transcript,
            ..
        } = answering;
        let previous = negotiated.previous.as_ref();
        cx.secret_log(&negotiated.config.policy, &client_random)
            .of_session(&master);
        let block = master.key_block(keys, &client_random, &server_random)?;
        Ok(Box::new(Self {
            version: negotiated.version,
            suite,
            group: None,
            psk: None,
            extended: negotiated.extended,
            wants_ticket: negotiated.wants_ticket,
            session_id_sent,
            config: negotiated.config,
            client_random,
            server_random,
            server_name,
            alpn,
            srtp,
            awaits_next_protocol,
            next_protocol: previous.and_then(|previous| previous.next_protocol()),
            transcript,
            shown: None,
            leaf,
            master,
            peer: None,
            resumed: None,
            read: block.client,
            write: block.server,
            finished: VerifyData::default(),
            secure_renegotiation: negotiated.secure_renegotiation,
            previous: negotiated.previous,
        }))
    }

    /// Changes the keys of this side, and sends Finished.
    pub(super) fn send_finished(&mut self, cx: &mut Cx<'_>) -> Result<(), Abort> {
        if !self.write.are_there() {
            return Ok(());
        }
        cx.outgoing.switch_keys(Keys::older(self.write.take()))?;
        let verify_data = self
            .master
            .verify_data(Role::Server, &self.transcript.current());
        self.finished.add(&verify_data);
        cx.send(&mut self.transcript, |out| {
            Finished::put(out, &verify_data);
        });
        Ok(())
    }

    /// What can be resumed of this connection, for so many seconds at most.
    pub(super) fn session(&self, most: u32, cx: &Cx<'_>) -> ServerSession {
        let peer = self.peer.as_ref().map(|(peer, scheme)| Peer {
            shown: peer.presented(),
            scheme: *scheme,
        });
        // A new ticket begins no new life.
        let authenticated_at = self.resumed.unwrap_or(cx.now);
        let left = MAX_AUTHENTICATION.saturating_sub(age(authenticated_at, cx.now));
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        ServerSession {
            established: Established {
                dialect: cx.dialect,
                version: self.version,
                suite: self.suite,
                secret: Secret::Master {
                    secret: self.master.copy(),
                    extended: self.extended,
                    group: self.group,
                },
                authenticated_at,
                peer,
                shared_key: self.psk.clone(),
                early_data: None,
                shown: None,
            },
            server_name: self.server_name.as_deref().map(Box::from),
            leaf: self.leaf.clone(),
            age_add: 0,
            lifetime: self.config.ticket_lifetime_in_seconds().min(most).min(left),
            issued_at: cx.now,
        }
    }

    /// The handshake is over.
    pub(super) fn connected(self: Box<Self>, cx: &mut Cx<'_>) -> Outcome {
        let (peer, peer_scheme) = self.peer.unzip();
        tell_second_opinion(peer.as_ref(), cx.events);
        let is_resumed = self.resumed.is_some();
        let (local, local_scheme) = match self.shown {
            Some((chain, scheme)) => (Local::Showed(chain), scheme),
            None => (Local::HadShown(self.leaf.filter(|_| is_resumed)), None),
        };
        let unique = self.finished.first;
        let protocol = self.alpn.as_deref().or(self.next_protocol.as_deref());
        let may_renegotiate = agrees(&self.config.policy, self.secure_renegotiation, protocol);
        let older = Older {
            master: Some(self.master),
            extended: self.extended,
            tls_unique: unique,
            next_protocol: self.next_protocol,
            session_id: self.session_id_sent,
            renegotiated: self.previous.is_some(),
            may_renegotiate,
        };
        let exports = self.config.policy.exports_without_extended_master_secret;
        let exporter = older.settled(is_resumed, exports);
        let information = Information {
            dialect: cx.dialect,
            version: self.version,
            is_server: true,
            cipher_suite: self.suite,
            encrypt_then_mac: self.read.suite.has_encrypt_then_mac(),
            secure_renegotiation: self.secure_renegotiation,
            group: self.group,
            retried: false,
            ech: EchStatus::NotOffered,
            early_data: EarlyDataStatus::NotOffered,
            resumed: is_resumed,
            authenticated_at: self.resumed.unwrap_or(cx.now),
            alpn: self.alpn,
            server_name: self.server_name.map(String::into_boxed_str),
            client_random: self.client_random,
            server_random: self.server_random,
            peer: peer.map(PeerProof::into_presented),
            peer_scheme,
            rare: Rare {
                ocsp: None,
                preferred_share: None,
                configured: self
                    .config
                    .policy
                    .keeps_options
                    .then(|| self.config.clone() as InForce),
                srtp: self.srtp,
            }
            .boxed(),
            psk: self.psk,
            local,
            local_scheme,
            exporter,
        };
        let settled = Settled {
            secure: self.secure_renegotiation,
            extended: self.extended,
            finished: self.finished,
            previous: self.previous,
        };
        let outcome = Outcome::new(information, self.config.policy.key_update_at);
        let end = ServerEnd {
            config: self.config,
        };
        outcome.before_tls13(None, end, settled, cx.now)
    }
}

/// The client must change its keys now.
pub(crate) struct WaitChangeCipherSpec(pub(super) Box<Keyed>);

impl WaitChangeCipherSpec {
    pub(super) fn on_change_cipher_spec(self, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self(mut keyed) = self;
        // No part of a message may have come under the old keys.
        let keys = Keys::older(keyed.read.take());
        cx.incoming.install_read(keys)?;
        Ok(match keyed.awaits_next_protocol {
            true => WaitNextProtocol(keyed).into(),
            false => WaitFinished(keyed).into(),
        })
    }
}

/// The client says what it has chosen (draft-agl-tls-nextprotoneg-04 §3).
pub(crate) struct WaitNextProtocol(Box<Keyed>);

impl WaitNextProtocol {
    pub(super) fn on_message(self, message: HandshakeBytes, _: &mut Cx<'_>) -> Result<Next, Abort> {
        let Self(mut keyed) = self;
        let next: NextProtocol<'_> = expect(&message)?;
        keyed.next_protocol = Some(next.selected.into());
        keyed.transcript.add(message.hashed());
        Ok(WaitFinished(keyed).into())
    }
}

pub(crate) struct WaitFinished(Box<Keyed>);

impl WaitFinished {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let Self(mut keyed) = self;
        let finished: Finished<'_> = expect(&message)?;
        let hash = keyed.transcript.current();
        if !keyed
            .master
            .verify_finished(Role::Client, &hash, finished.verify_data)
        {
            return Err(Violation::FinishedMismatch.into());
        }
        keyed.finished.add(finished.verify_data);
        // The handshake is over, or the client waits now: nothing may follow.
        cx.incoming.end_of_flight()?;
        if keyed.resumed.is_some() {
            return Ok(Next::Connected(keyed.connected(cx)));
        }
        keyed.transcript.add(message.hashed());
        if keyed.wants_ticket {
            return issue(keyed, cx);
        }
        keyed.send_finished(cx)?;
        let Ok(session_id) = keyed.session_id_sent.as_ref().try_into() else {
            return Ok(Next::Connected(keyed.connected(cx)));
        };
        let question = KeepSession {
            id: QuestionId::next(),
            session_id,
            session: keyed.session(MAX_SESSION_LIFETIME, cx),
        };
        let paused = KeepingSession(keyed);
        Ok(Next::ask(Question::KeepSession(Box::new(question)), paused))
    }
}

/// Paused: somebody keeps the session. All has been said.
pub(crate) struct KeepingSession(Box<Keyed>);

impl KeepingSession {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        match answer {
            AnswerContent::Kept => Ok(Next::Connected(self.0.connected(cx))),
            _ => Err(wrong_answer()),
        }
    }
}
