//! The client says hello, and learns with which version the server goes on.
//!
//! RFC 8446 §4.1; the version is decided here.

use std::sync::Arc;

use rustls_pki_types::{ServerName, UnixTime};

use super::super::machine::{self, End, Hello, Machine};
use super::super::offer::Offer;
use super::super::renegotiation::Previous;
use super::super::{Cx, expect, versions};
use super::early_data::OfferedEarlyData;
use super::ech::{self, Disguise, Which};
use super::hello_extensions::Said;
use super::resumption::{self, OfferedPsk, OlderSession};
use super::{Next, State, early_data, padding, tls12, tls13};
use crate::config::{ClientOptions, KeyShares, Policy};
use crate::crypto::key_exchange::{ActiveKeyExchange, classical_half, share_len};
use crate::crypto::secret::SharedSecret;
use crate::dialect::Dialect;
use crate::error::{Abort, list};
use crate::information::EarlyDataStatus;
use crate::key_schedule::{Transcript, TranscriptBuffer};
use crate::psk::Shared;
use crate::record::{ConnectionId, HandshakeBytes};
use crate::session::ClientSession;
use crate::suite::CipherSuite;
use crate::version::{ProtocolVersion, Version};
use crate::wire::extension::{Cookie, KeyShareEntry};
use crate::wire::{
    ClientHello, HandshakeMessage, HandshakeType, HelloVerifyRequest, ServerHello, Syntax,
};
use crate::{AlertDescription, NamedGroup, Violation};

/// What every state of the client carries. A review of the ServerHello may replace `config`; `offer`
/// keeps the one that the hello was made from.
pub(super) struct Client {
    pub(super) config: Arc<ClientOptions>,
    pub(super) offer: Offer,
    pub(super) name: ServerName<'static>,
    pub(super) client_random: [u8; 32],
    /// `legacy_session_id`, unless a session is offered by its id: 32 random bytes in middlebox
    /// compatibility mode of TLS 1.3 (D.4) and with a ticket of before (RFC 5077 §3.4), else none.
    session_id: Option<[u8; 32]>,
    /// Offered to a server of before TLS 1.3.
    pub(super) older: Option<Box<OlderSession>>,
    /// In a renegotiation.
    pub(super) previous: Option<Arc<Previous>>,
    /// While it may still be accepted.
    pub(super) early_data: Option<Box<OfferedEarlyData>>,
    pub(super) early_data_status: EarlyDataStatus,
    /// If the hello has more than it means.
    pub(super) disguise: Option<Box<Disguise>>,
    /// What a HelloVerifyRequest had, if one came.
    pub(super) hello_cookie: Option<Box<[u8]>>,
    /// What is to stand on the server's records, over datagrams.
    pub(super) connection_id: Option<(ConnectionId, bool)>,
    /// How often a server has asked for a cookie by HelloVerifyRequest.
    verify_requests: u8,
    pub(super) dialect: Dialect,
}

/// Sends the ClientHello. `early_data`: offers some if a session allows it.
pub(crate) fn start(
    config: Arc<ClientOptions>,
    name: ServerName<'static>,
    sessions: Vec<ClientSession>,
    early_data: bool,
    cx: &mut Cx<'_>,
) -> Result<Box<dyn Machine>, Abort> {
    if cx.dialect == Dialect::Tls {
        config.policy.srtp.check_stream()?;
    }
    let disguise = ech::disguise(&config, cx)?;
    let encrypts = disguise.as_deref().is_some_and(Disguise::encrypts);
    // RFC 9849 §6.1: it would be seen.
    let older = match encrypts {
        true => None,
        false => resumption::older(&config, &name, &sessions, cx),
    };
    let sessions = resumption::usable(&config, &name, sessions, older.as_deref(), cx)?;
    let speaks_tls13 = config.policy.speaks(Version::V1_3);
    let has_id = config.policy.middlebox_compatibility && speaks_tls13 || older.is_some();
    let (client_random, session_id) = if has_id {
        // One call, because each has a price whatever it is asked for.
        let [random, id] = cx.random_bytes::<2>()?;
        (random, Some(id))
    } else {
        let [random] = cx.random_bytes()?;
        (random, None)
    };
    let mut client = Client {
        offer: Offer::new(config.clone()),
        early_data: match early_data {
            true => early_data::offer(&config, &sessions),
            false => None,
        },
        early_data_status: EarlyDataStatus::NotOffered,
        config: config.clone(),
        name,
        client_random,
        session_id,
        older,
        previous: None,
        disguise,
        hello_cookie: None,
        connection_id: cx.connection_id(),
        verify_requests: 0,
        dialect: cx.dialect,
    };
    let (groups, classical) = match &config.key_shares {
        _ if !speaks_tls13 => (Vec::new(), false),
        KeyShares::Preferred => match client.preferred_group(&sessions, cx)? {
            Some((group, classical)) => (vec![group], classical),
            None => (Vec::new(), false),
        },
        KeyShares::Groups(groups) => (groups.clone(), false),
    };
    let mut exchanges = Vec::with_capacity(groups.len());
    for group in groups {
        exchanges.push(ActiveKeyExchange::start(group, cx.random)?);
    }
    let shares = Shares {
        exchanges,
        classical,
    };
    say_hello(client, shares, sessions, cx)
}

/// What another handshake on a connection begins with.
pub(super) struct ClientEnd {
    pub(super) config: Arc<ClientOptions>,
    pub(super) name: ServerName<'static>,
    /// What the server has asked for by HelloVerifyRequest, if it did: it is said once more. A server of OpenSSL 3.0 that
    /// asks for cookies does not read the hello of a further handshake that has none, and answers it with what it knows
    /// of the first.
    pub(super) hello_cookie: Option<Box<[u8]>>,
}

impl End for ClientEnd {
    fn policy(&self) -> &Policy {
        &self.config.policy
    }

    /// Sends the ClientHello of it (RFC 5246 §7.4.1.2): it has the version of the one before, and no
    /// session.
    fn restart(
        &self,
        previous: Arc<Previous>,
        asked: bool,
        cx: &mut Cx<'_>,
    ) -> Result<Box<dyn Machine>, Abort> {
        if asked {
            // The HelloRequest itself is in no transcript (§7.4.1.1).
            cx.incoming.forget_message();
        }
        let [client_random] = cx.random_bytes()?;
        let client = Client {
            offer: Offer::new(self.config.clone()),
            config: self.config.clone(),
            name: self.name.clone(),
            client_random,
            session_id: None,
            older: None,
            previous: Some(previous),
            early_data: None,
            early_data_status: EarlyDataStatus::NotOffered,
            disguise: None,
            hello_cookie: self.hello_cookie.clone(),
            connection_id: cx.connection_id(),
            verify_requests: 0,
            dialect: cx.dialect,
        };
        say_hello(client, Shares::none(), Vec::new(), cx)
    }
}

fn say_hello(
    mut client: Client,
    shares: Shares,
    sessions: Vec<OfferedPsk>,
    cx: &mut Cx<'_>,
) -> Result<Box<dyn Machine>, Abort> {
    let mut transcript = TranscriptBuffer::new();
    cx.outgoing
        .set_max_fragment(client.config.policy.max_fragment_sent);
    cx.incoming.allow_ccs(true);
    let newest = client.config.policy.newest();
    if newest < Version::V1_2 {
        cx.outgoing
            .offered_before_tls12(client.dialect.code(newest));
    }
    client.say_first(&shares, &sessions, &mut transcript, cx)?;
    early_data::begin(&client, &sessions, &transcript, cx)?;
    let offered = WaitServerHello(Box::new(Offered {
        client,
        shares,
        sessions,
        transcript: Hashing::Buffered(transcript),
        retry: None,
    }));
    Ok(machine::begin(State::from(offered)))
}

/// The private halves of the key shares in the hello.
pub(super) struct Shares {
    exchanges: Vec<ActiveKeyExchange>,
    /// Whether a hybrid's classical half stands for itself too, when its group is offered: that
    /// share costs nothing more to make.
    classical: bool,
}

/// Bytes of a share in the hello besides it: its group, and its length.
const SHARE_HEADER: usize = 4;

impl Shares {
    fn none() -> Self {
        Self {
            exchanges: Vec::new(),
            classical: false,
        }
    }

    /// One share, and nothing else that its key pair could be used for.
    pub(super) fn one(exchange: ActiveKeyExchange) -> Self {
        Self {
            exchanges: vec![exchange],
            classical: false,
        }
    }

    /// The shares as they stand in the hello.
    pub(super) fn entries<'a>(
        &'a self,
        config: &'a ClientOptions,
    ) -> impl Iterator<Item = KeyShareEntry<'a>> {
        self.exchanges.iter().flat_map(move |exchange| {
            let classical = exchange
                .classical_share()
                .filter(|_| self.classical)
                .filter(|(group, _)| config.policy.groups.contains(group));
            [Some((exchange.group(), exchange.public_key())), classical]
                .into_iter()
                .flatten()
                .map(|(group, key_exchange)| KeyShareEntry {
                    group,
                    key_exchange,
                })
        })
    }

    /// Bytes of all shares, about.
    fn len(&self) -> usize {
        let lengths = self.exchanges.iter().map(|one| one.public_key().len());
        lengths.sum()
    }

    pub(super) fn contains(&self, config: &ClientOptions, group: NamedGroup) -> bool {
        self.entries(config).any(|entry| entry.group == group)
    }

    /// Ends the exchange that `group` belongs to, if the hello had a share of it, with the
    /// server's share; the others are of no use then.
    pub(super) fn finish(
        self,
        config: &ClientOptions,
        group: NamedGroup,
        server_share: &[u8],
    ) -> Result<SharedSecret, Violation> {
        if !self.contains(config, group) {
            return Err(Violation::KeyShareGroupNotOffered);
        }
        for exchange in &self.exchanges {
            let half = exchange.classical_share().filter(|_| self.classical);
            let secret = if exchange.group() == group {
                exchange.finish(server_share)
            } else if half.is_some_and(|(other, _)| other == group) {
                exchange.finish_classical(server_share)
            } else {
                continue;
            };
            return secret.map_err(|_| Violation::BadKeyShare);
        }
        Err(Violation::KeyShareGroupNotOffered)
    }
}

impl Client {
    /// The group of the only share, and whether a hybrid's classical half stands for itself, too: the first group that a
    /// share can be of. Over datagrams a share that makes the hello longer than one of them is left out: servers
    /// that remember nothing of a stranger read its hello from one datagram, and not all others put pieces together before
    /// they know that it reads there (wolfSSL). A server that wants such a group asks for it by the
    /// HelloRetryRequest that its cookie takes anyway.
    fn preferred_group(
        &mut self,
        sessions: &[OfferedPsk],
        cx: &Cx<'_>,
    ) -> Result<Option<(NamedGroup, bool)>, Abort> {
        let groups = self.config.policy.groups.clone();
        let mut usable = groups.iter().filter(|group| group.is_usable_in_tls13());
        let Some(first) = usable.next().copied() else {
            return Ok(None);
        };
        let Some(room) = cx.outgoing.longest_whole_message() else {
            return Ok(Some((first, true)));
        };
        let (mut hello, none) = (Vec::new(), Shares::none());
        self.put_hello(&mut hello, &none, sessions, None, cx.now)?;
        let added = self.disguise.as_deref();
        let added = added.map_or(Ok(0), |disguise| disguise.adds(&hello, cx.dialect))?;
        let room = room.saturating_sub(hello.len() + added);
        let entry = |group| SHARE_HEADER + share_len(group);
        let half = classical_half(first).filter(|half| groups.contains(half));
        let whole = entry(first) + half.map_or(0, entry);
        Ok(match half {
            // It is in pieces whatever is left out.
            Some(half) if entry(half) > room => Some((first, true)),
            None if room == 0 => Some((first, true)),
            _ if whole <= room => Some((first, true)),
            Some(half) => Some((half, false)),
            None => None,
        })
    }

    /// Sends the first hello, or after a HelloVerifyRequest once more.
    fn say_first(
        &mut self,
        shares: &Shares,
        sessions: &[OfferedPsk],
        transcript: &mut TranscriptBuffer,
        cx: &mut Cx<'_>,
    ) -> Result<(), Abort> {
        let now = cx.now;
        if self.disguise.is_some() {
            let mut plain = Vec::new();
            self.put_hello(&mut plain, shares, sessions, None, now)?;
            let bind = |out: &mut Vec<u8>| {
                resumption::bind(out, 0, sessions, None);
            };
            let said = self.disguised(plain, Which::First, bind, cx)?;
            said.send(self, transcript, cx);
            return Ok(());
        }
        let (mut offered, mut bound) = (Ok(()), None);
        cx.send(transcript, |out| {
            let start = out.len();
            offered = self.put_hello(out, shares, sessions, None, now);
            bound = resumption::bind(out, start, sessions, None);
        });
        // What a test says instead is not what was bound.
        #[cfg(test)]
        let bound = bound.filter(|_| cx.tamper.is_none());
        transcript.begin_with(bound);
        offered
    }

    pub(super) fn legacy_session_id(&self) -> &[u8] {
        match &self.older {
            Some(session) if session.is_id => &session.ticket,
            _ => self.session_id.as_ref().map_or(&[], |id| id),
        }
    }

    /// Encodes a ClientHello (§4.1.2), its binders excepted, and notes what it offers.
    fn put_hello(
        &mut self,
        hello: &mut Vec<u8>,
        shares: &Shares,
        sessions: &[OfferedPsk],
        cookie: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<(), Abort> {
        let config = &self.config;
        let policy = &config.policy;
        let previous = self.previous.as_deref();
        let said = Said {
            client: self,
            shares,
            sessions,
            cookie,
            now,
        };
        let at = hello.len();
        // X25519MLKEM768's share alone has 1,216 bytes.
        hello.reserve(512 + shares.len());
        // RFC 7507 §4: after all suites.
        let fallback =
            (config.fallback && previous.is_none()).then_some(&CipherSuite::TLS_FALLBACK_SCSV);
        let version = previous.map(|previous| self.dialect.code(previous.version()));
        let suites = policy
            .cipher_suites
            .iter()
            .filter(|suite| version.is_none_or(|version| suite.is_usable_in(version)));
        ClientHello::put_with_cookie(
            hello,
            // §4.1.2: what is newer is in supported_versions alone.
            self.dialect.code(policy.newest().min(Version::V1_2)),
            &self.client_random,
            (
                self.legacy_session_id(),
                self.dialect
                    .legacy_cookie(self.hello_cookie.as_deref().unwrap_or_default()),
            ),
            suites.chain(fallback),
            |out| said.put(out),
        );
        if config.hello_padding && self.disguise.is_none() && self.dialect == Dialect::Tls {
            padding::pad(hello, at)?;
        }
        let body = hello.get(at + 4..).unwrap_or_default();
        let parsed = ClientHello::decode_as(Syntax::of(self.dialect), body)?;
        self.offer.set_extensions(&parsed.extensions)
    }
}

/// The transcript, before and after the hash is known.
pub(super) enum Hashing {
    Buffered(TranscriptBuffer),
    Running(Box<Transcript>),
}

/// What a HelloRetryRequest has fixed.
#[derive(Clone, Copy)]
pub(super) struct Retry {
    pub(super) suite: CipherSuite,
    pub(super) group: Option<NamedGroup>,
}

pub(crate) struct WaitServerHello(pub(super) Box<Offered>);

/// What the hello has said, and what only this side knows of it.
pub(super) struct Offered {
    pub(super) client: Client,
    pub(super) shares: Shares,
    pub(super) sessions: Vec<OfferedPsk>,
    pub(super) transcript: Hashing,
    pub(super) retry: Option<Retry>,
}

impl Offered {
    /// Encodes the second ClientHello (§4.1.4).
    pub(super) fn second_hello(
        &mut self,
        cookie: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<Vec<u8>, Abort> {
        let (shares, sessions) = (&self.shares, &self.sessions);
        let mut hello = Vec::new();
        self.client
            .put_hello(&mut hello, shares, sessions, None, now)?;
        if let Some(cookie) = cookie {
            // The block of extensions has a length of two bytes, and the server can fill it.
            let body = hello.get(4..).unwrap_or_default();
            let block = ClientHello::decode_as(Syntax::of(self.client.dialect), body)?.extensions;
            let length = block.as_bytes().len() + Cookie::OVERHEAD + cookie.len();
            if length > usize::from(u16::MAX) {
                return Err(Violation::CookieTooLong.into());
            }
            hello.clear();
            self.client
                .put_hello(&mut hello, shares, sessions, Some(cookie), now)?;
        }
        Ok(hello)
    }
}

impl Hello for WaitServerHello {
    fn offered_versions(&self) -> &[ProtocolVersion] {
        &self.0.client.config.policy.versions
    }

    /// What the server may have missed: the alert says no more.
    fn advice(&self, alert: AlertDescription) -> Option<String> {
        let policy = &self.0.client.config.policy;
        match alert {
            AlertDescription::PROTOCOL_VERSION => {
                Some(format!("this side offered {}", list(&policy.versions)))
            }
            // OpenSSL says ILLEGAL_PARAMETER of a binder that is not right.
            AlertDescription::DECRYPT_ERROR
            | AlertDescription::UNKNOWN_PSK_IDENTITY
            | AlertDescription::ILLEGAL_PARAMETER
                if !policy.psks.is_empty() && policy.speaks(Version::V1_3) =>
            {
                Some(Shared::Psk.advice().to_owned())
            }
            AlertDescription::HANDSHAKE_FAILURE if !policy.psks.is_empty() => Some(
                "so ends a handshake with a server that knows no pre-shared key, none of this identity, or no cipher \
                 suite that goes with one"
                    .to_owned(),
            ),
            // RFC 5054 §2.5.1.3.
            AlertDescription::UNKNOWN_PSK_IDENTITY if self.0.client.config.srp.is_some() => {
                Some("with SRP this is said of a user whom the server does not know".to_owned())
            }
            AlertDescription::HANDSHAKE_FAILURE if policy.speaks_older() => {
                let mut suites = policy.cipher_suites.iter();
                let has_more = suites.any(|suite| !CipherSuite::DEFAULT.contains(suite));
                (!has_more).then(|| {
                    "suites with CBC, and others that servers of TLS 1.2 and older may want, are offered \
                     only if `cipher_suites` names them"
                        .to_owned()
                })
            }
            _ => None,
        }
    }
}

/// How often a server may ask for a cookie by HelloVerifyRequest (RFC 6347 §4.2.1).
const MOST_VERIFY_REQUESTS: u8 = 3;

impl WaitServerHello {
    /// RFC 6347 §4.2.1: the hello is said again, with the server's cookie and else the same. Neither the first nor
    /// the request is hashed.
    fn on_hello_verify_request(
        mut self,
        message: &HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let request: HelloVerifyRequest<'_> = expect(message)?;
        let policy = &self.0.client.config.policy;
        if !policy.speaks_older() {
            let offered = list(&policy.versions);
            return Err(Violation::VersionNotOffered.explained(format!(
                "it asks for a cookie by HelloVerifyRequest, as DTLSv1.2 and older do; offered: {offered}"
            )));
        }
        // A server that has started anew, or another one behind the same address, knows nothing of the first cookie.
        if self.0.client.verify_requests >= MOST_VERIFY_REQUESTS || self.0.retry.is_some() {
            return Err(Violation::SecondRetry.into());
        }
        ech::resolve_unread(&mut self.0);
        let Offered {
            client,
            shares,
            sessions,
            transcript,
            ..
        } = &mut *self.0;
        client.verify_requests += 1;
        client.hello_cookie = Some(request.cookie.into());
        cx.outgoing.say_hello_again();
        let mut buffer = TranscriptBuffer::new();
        client.say_first(shares, sessions, &mut buffer, cx)?;
        *transcript = Hashing::Buffered(buffer);
        Ok(self.into())
    }

    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        if message.typ() == HandshakeType::HELLO_VERIFY_REQUEST && cx.dialect == Dialect::Dtls {
            return self.on_hello_verify_request(&message, cx);
        }
        let hello: ServerHello<'_> = expect(&message)?;
        let client = &self.0.client;
        let version = match &client.previous {
            None => {
                let offered = &client.offer.config().policy.versions;
                versions::selected(cx.dialect, offered, &hello, self.0.retry.is_some())?
            }
            Some(previous) => versions::selected_again(cx.dialect, previous.version(), &hello)?,
        };
        if version == Version::V1_3 && self.0.client.hello_cookie.is_some() {
            // RFC 9147 §5.1: a server that speaks that does not ask for cookies so.
            return Err(Violation::VersionChangedAfterVerify.into());
        }
        if version != Version::V1_3 && self.0.client.sends_early_data() {
            // Such a server reads no alert under those keys.
            cx.outgoing.drop_keys()?;
            return Err(Violation::OlderVersionAfterEarlyData.into());
        }
        let mut this = self;
        ech::resolve(&mut this.0, version, &hello, &message, cx.dialect)?;
        match version {
            Version::V1_3 => tls13::server_hello::on_hello(this.0, &hello, &message, cx),
            version => tls12::server_hello::on_hello(*this.0, version, &hello, &message, cx),
        }
    }
}
