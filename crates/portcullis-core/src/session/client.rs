//! What a client keeps of a connection to resume it.
//!
//! RFC 8446 §4.6.1, §4.2.11.1.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{ServerName, UnixTime};
use zeroize::Zeroizing;

use super::established::{Established, MOST_FIELDS, Names, Peer, Secret, put_time, read_time};
use super::{EarlyDataTerms, MAX_TICKET, MAX_TICKET_LIFETIME, age};
use crate::error::{Abort, Misuse};
use crate::information::ConnectionInformation;
use crate::key_schedule::ResumptionMasterSecret;
use crate::psk::Shared;
use crate::role::Role;
use crate::suite::CipherSuite;
use crate::version::{ProtocolVersion, Version};
use crate::violation::Violation;
use crate::wire::NewSessionTicket;
use crate::wire::codec::{Cursor, DecodeError, put_vec8, put_vec16};
use crate::wire::extension::MaxEarlyDataSize;
use crate::x509::{PresentedKind, RevocationCheck, Sha256Digest, SignedPath, VerifiedChain};

/// A session with a server: a ticket and the key it stands for.
///
/// One of TLS 1.3 is to be used once: a ticket that is sent twice tells an observer that both
/// connections are of the same client (RFC 8446 C.4). Before TLS 1.3 a session may be used as long as
/// it lives: an observer of both connections sees that they belong together anyway.
///
/// It belongs to the identity it was made with: a session in which this side showed a certificate
/// is offered only by a configuration that has an identity with the same key, because to the
/// server the client that resumes is the client that began; so is one that began with a pre-shared
/// key. With `ask_identity` and `ask_psk` this cannot be checked: the caller that gives the session
/// answers for it.
///
/// `Debug` shows neither secrets nor the ticket.
#[derive(Clone)]
pub struct ClientSession {
    pub(crate) established: Established,
    pub(crate) server_name: ServerName<'static>,
    /// What the server knows it by.
    pub(crate) ticket: Box<[u8]>,
    /// Whether that is a session id of before TLS 1.3, and no ticket.
    pub(crate) is_id: bool,
    age_add: u32,
    lifetime: u32,
    received_at: UnixTime,
    /// That nothing of the server's chain was revoked a moment ago. Hardly any session has it.
    unrevoked: Option<Arc<Unrevoked>>,
}

#[derive(Clone)]
struct Unrevoked {
    proof: VerifiedChain,
    at: UnixTime,
}

/// For how long what revocation lists said before the hello may be used for it, in seconds.
const UNREVOKED_FOR: u64 = 60;

impl ClientSession {
    /// The server the session is with.
    pub fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }

    /// The cipher suite of the connection that the ticket came with.
    pub fn cipher_suite(&self) -> CipherSuite {
        self.established.suite
    }

    /// The version of the connection that the session comes from, which is that of every connection
    /// that resumes it.
    pub fn version(&self) -> ProtocolVersion {
        self.established.dialect.code(self.established.version)
    }

    /// The id that the session is known by, if it is an id and not a ticket (before TLS 1.3, RFC 5246 §7.4.1.3): 1 to
    /// 32 bytes, as [`ConnectionInformation::session_id`](crate::ConnectionInformation::session_id) has it.
    pub fn session_id(&self) -> Option<&[u8]> {
        self.is_id.then_some(&*self.ticket)
    }

    /// Whether the session is to be offered once.
    pub fn is_single_use(&self) -> bool {
        self.established.version == Version::V1_3
    }

    /// How long the server remembers the session, from when it was received: at most 7 days
    /// (RFC 8446 §4.6.1), in whole seconds.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime.into())
    }

    /// The most early data that the server accepts when the session is resumed, in bytes of content (RFC
    /// 8446 §4.6.1); 0 if it accepts none.
    pub fn max_early_data(&self) -> u32 {
        let terms = self.established.early_data.as_ref();
        terms.map_or(0, |terms| terms.limit())
    }

    /// When the ticket was received.
    pub fn received_at(&self) -> UnixTime {
        self.received_at
    }

    /// Whether the session can no longer be resumed. One that comes from the future cannot
    /// either: the clock is wrong, or was. Nor can one that goes back, by resumptions, to a
    /// full handshake of 7 days ago.
    pub fn is_expired(&self, now: UnixTime) -> bool {
        self.received_at > now
            || age(self.received_at, now) >= self.lifetime.into()
            || self.established.is_outdated(now, 0)
    }

    /// Whether this side showed a certificate when the session began, or used a pre-shared key or a password: to the
    /// server, the client that resumes it is the same client.
    pub fn is_authenticated(&self) -> bool {
        self.established.shown.is_some() || self.established.shared_key.is_some()
    }

    /// Whether it can be told if another client is the one that began it: not by the name of a user alone.
    pub(crate) fn says_whose_it_is(&self) -> bool {
        let name = self.established.shared_key.as_ref();
        name.is_none_or(|name| name.kind != Shared::Password || name.has_digest())
    }

    /// The identity of the pre-shared key that the session began with.
    pub fn psk_identity(&self) -> Option<&[u8]> {
        self.established.shared_key.as_ref()?.psk()
    }

    /// The name of the user of SRP whose password the session began with, before TLS 1.3.
    pub fn srp_user(&self) -> Option<&[u8]> {
        self.established.shared_key.as_ref()?.user()
    }

    /// Takes what a [`revocation_check`](Self::revocation_check) of this session has ended in. Whether the session may
    /// be offered now, for a minute, by that configuration: not if something is revoked, nor if that could not be
    /// told, also where a full handshake would accept that, because it would ask for more than is in memory.
    pub fn note_revocation(&mut self, check: RevocationCheck) -> bool {
        let at = check.now();
        let is_known = check.query().is_none() && check.undetermined().is_empty();
        let proof = is_known.then(|| check.conclude().ok()).flatten();
        let proof = proof.filter(VerifiedChain::is_verified);
        self.unrevoked = proof.map(|proof| Arc::new(Unrevoked { proof, at }));
        self.unrevoked.is_some()
    }

    /// What was found when the lists were asked a moment ago.
    pub(crate) fn unrevoked(&self, now: UnixTime) -> Option<&VerifiedChain> {
        let unrevoked = self.unrevoked.as_deref()?;
        let age = now.as_secs().checked_sub(unrevoked.at.as_secs())?;
        (age <= UNREVOKED_FOR).then_some(&unrevoked.proof)
    }

    /// About how many bytes it takes, in memory or written down.
    pub fn size(&self) -> usize {
        let (name, ticket) = (self.server_name.to_str(), &self.ticket);
        self.established.size() + name.len() + ticket.len() + MOST_FIELDS
    }

    /// Writes the session down, for another process or a later day. With these bytes
    /// one can take the place of either end of a connection that resumes it; before TLS 1.3 one can also read the
    /// connection that it comes from and all that have resumed it, for as long as anybody has recorded them. Keep them as
    /// a key. Not written down are OCSP responses that the server had stapled, and what would tell the password of a user of
    /// SRP from another: whoever offers the session again answers for it that this is the same user, and a connector takes none from a
    /// store ([`SessionKey::admits`](super::SessionKey::admits)).
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.written(None)
    }

    /// The same with the proof that the signatures of the server's chain were verified, so that whoever resumes need not
    /// do that again. For those who seal these bytes, so that nobody else can write them: what
    /// [`from_sealed_bytes`](Self::from_sealed_bytes) reads it believes.
    pub fn to_bytes_to_seal(&self) -> Zeroizing<Vec<u8>> {
        let peer = self.established.peer.as_ref();
        self.written(Some(peer.and_then(|peer| peer.shown.signed_path())))
    }

    fn written(&self, proof: Option<Option<SignedPath>>) -> Zeroizing<Vec<u8>> {
        let room = proof.map_or(0, |_| 1 + SignedPath::MOST_BYTES);
        let size = self.size() + room;
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        let names = Names {
            server_name: &self.server_name.to_str(),
            leaf: None,
        };
        self.established.put(&mut out, &names, Role::Client);
        out.push(self.is_id.into());
        put_vec16(&mut out, |out| out.extend_from_slice(&self.ticket));
        out.extend_from_slice(&self.age_add.to_be_bytes());
        out.extend_from_slice(&self.lifetime.to_be_bytes());
        put_time(&mut out, self.received_at);
        if let Some(proof) = proof {
            put_vec8(&mut out, |out| {
                if let Some(path) = proof {
                    path.put(out);
                }
            });
        }
        // What had grown would have left its beginning, and the key, in memory.
        debug_assert!(out.len() <= size);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    /// When it is something else, or of a version of this library that writes another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        Cursor::whole(bytes, Self::read).map_err(|_| {
            Misuse::new("these bytes are no session of this version; connect without it")
        })
    }

    /// Reads what [`to_bytes_to_seal`](Self::to_bytes_to_seal) has written, or [`to_bytes`](Self::to_bytes), after
    /// the seal was opened. **Whoever could have written these bytes** can have a chain accepted, the next time the
    /// session is resumed, that no authority has signed: for others take [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub fn from_sealed_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        let read = |cursor: &mut Cursor<'_>| {
            let session = Self::read(cursor)?;
            if cursor.is_empty() {
                return Ok(session);
            }
            let proof = cursor.vec8()?;
            if !proof.is_empty() {
                let path = Cursor::whole(proof, SignedPath::read)?;
                let peer = session.established.peer.as_ref().ok_or(DecodeError)?;
                match peer.shown.kind() {
                    PresentedKind::Chain(chain) => chain.note_signed(path),
                    PresentedKind::RawKey(_) => return Err(DecodeError),
                }
            }
            Ok(session)
        };
        Cursor::whole(bytes, read).map_err(|_| {
            Misuse::new("these bytes are no session of this version; connect without it")
        })
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let (established, names) = Established::read(cursor, Role::Client)?;
        let server_name = ServerName::try_from(names.server_name).map_err(|_| DecodeError)?;
        let is_id = match cursor.u8()? {
            0 => false,
            1 if established.version < Version::V1_3 => true,
            _ => return Err(DecodeError),
        };
        let ticket = cursor.vec16()?;
        if ticket.is_empty() || ticket.len() > MAX_TICKET {
            return Err(DecodeError);
        }
        Ok(Self {
            established,
            server_name: server_name.to_owned(),
            ticket: ticket.into(),
            is_id,
            age_add: cursor.u32()?,
            lifetime: cursor.u32()?.min(MAX_TICKET_LIFETIME),
            received_at: read_time(cursor)?,
            unrevoked: None,
        })
    }

    /// §4.2.11.1: the age in milliseconds, hidden from anyone who has not seen the ticket come.
    pub(crate) fn obfuscated_age(&self, now: UnixTime) -> u32 {
        let age = age(self.received_at, now).wrapping_mul(1_000);
        #[allow(clippy::cast_possible_truncation, reason = "modulo 2^32, says the RFC")]
        let age = age as u32;
        age.wrapping_add(self.age_add)
    }
}

impl core::fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ClientSession")
            .field("server_name", &self.server_name)
            .field("cipher_suite", &self.established.suite)
            .field("lifetime", &self.lifetime)
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}

/// A ticket as it came, which does not know yet when that was.
#[derive(Debug)]
pub struct ReceivedTicket(Box<ClientSession>);

impl ReceivedTicket {
    /// A session of before TLS 1.3, known to the server by `ticket`, for `lifetime` seconds.
    pub(crate) fn before_tls13(
        established: Established,
        server_name: ServerName<'static>,
        ticket: Box<[u8]>,
        is_id: bool,
        lifetime: u32,
    ) -> Self {
        Self(Box::new(ClientSession {
            established,
            server_name,
            ticket,
            is_id,
            age_add: 0,
            lifetime,
            received_at: UnixTime::since_unix_epoch(Duration::ZERO),
            unrevoked: None,
        }))
    }

    /// The session that the ticket stands for, received at `now`.
    pub fn into_session(self, now: UnixTime) -> ClientSession {
        ClientSession {
            received_at: now,
            ..*self.0
        }
    }
}

/// What a client holds on to as long as tickets may come.
#[derive(Debug)]
pub(crate) struct Resumable {
    pub(crate) secret: ResumptionMasterSecret,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) information: Arc<ConnectionInformation>,
    /// The key of the certificate that this side showed, here or where the connection that is
    /// resumed began: a ticket belongs to the owner of that key.
    pub(crate) shown: Option<Arc<Sha256Digest>>,
}

impl Resumable {
    /// `None` for a ticket that cannot be used: its lifetime is 0 (§4.6.1), or it is longer
    /// than any that would be sent back.
    pub(crate) fn on_ticket(
        &self,
        ticket: &NewSessionTicket<'_>,
    ) -> Result<Option<ReceivedTicket>, Abort> {
        if ticket.ticket_lifetime == 0 || ticket.ticket.len() > MAX_TICKET {
            return Ok(None);
        }
        let limit = ticket.extensions.find::<MaxEarlyDataSize>().transpose();
        let limit = limit.map_err(|_| Violation::MalformedExtension)?;
        let limit = limit.map_or(0, |MaxEarlyDataSize(limit)| limit);
        let information = &self.information.0;
        let peer = information.peer.as_ref().zip(information.peer_scheme);
        Ok(Some(ReceivedTicket(Box::new(ClientSession {
            established: Established {
                dialect: information.dialect,
                version: information.version,
                suite: information.cipher_suite,
                secret: Secret::Psk(self.secret.psk(ticket.ticket_nonce)?),
                peer: peer.map(|(shown, scheme)| Peer {
                    shown: shown.clone(),
                    scheme,
                }),
                shared_key: information.psk.clone(),
                authenticated_at: information.authenticated_at,
                shown: self.shown.clone(),
                early_data: EarlyDataTerms::new(limit, information.alpn.as_deref()).map(Arc::new),
            },
            server_name: self.server_name.clone(),
            ticket: ticket.ticket.into(),
            is_id: false,
            age_add: ticket.ticket_age_add,
            lifetime: ticket.ticket_lifetime,
            received_at: UnixTime::since_unix_epoch(Duration::ZERO),
            unrevoked: None,
        }))))
    }
}
