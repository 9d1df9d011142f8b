//! The client says hello, and learns what the server chose.
//!
//! RFC 8446 §4.1; the version is decided here.

use std::sync::Arc;

use bytes::Bytes;
use rustls_pki_types::{ServerName, UnixTime};

use super::super::offer::{Offer, Place};
use super::super::{Cx, Next, State, expect, wrong_answer};
use super::resumption::{self, OfferedSession, Resumed};
use super::tls13::Keyed;
use super::tls13::server_parameters::{WaitEncryptedExtensions, find};
use crate::ServerHelloView;
use crate::config::{ClientConfig, ClientOptions, KeyShares};
use crate::crypto::key_exchange::ActiveKeyExchange;
use crate::crypto::secret::SharedSecret;
use crate::error::{Abort, list};
use crate::key_schedule::{EarlySecret, Transcript, TranscriptBuffer};
use crate::question::{AnswerContent, Question, QuestionId, ReviewServerHello};
use crate::record::{HandshakeBytes, Keys};
use crate::session::ClientSession;
use crate::suite::CipherSuite;
use crate::version::{DOWNGRADE_TO_TLS_1_1, DOWNGRADE_TO_TLS_1_2, ProtocolVersion};
use crate::wire::extension::{
    Alpn, CertificateAuthorities, Cookie, Extensions, KeyShareClientHello, KeyShareEntry,
    KeyShareHelloRetryRequest, KeyShareServerHello, MaxFragmentLength, RecordSizeLimit,
    SelectedIdentity, SelectedVersion, ServerName as ServerNameExtension, SignatureAlgorithms,
    SignatureAlgorithmsCert, StatusRequest, SupportedGroups, SupportedVersions,
};
use crate::wire::{ClientHello, CompressionMethod, ExtensionType, HandshakeMessage, ServerHello};
use crate::{NamedGroup, Violation};

/// What stays the same over the client's whole handshake.
pub(super) struct Session {
    pub(super) config: Arc<ClientOptions>,
    pub(super) offer: Offer,
    pub(super) name: ServerName<'static>,
    pub(super) client_random: [u8; 32],
    /// `legacy_session_id`: 32 random bytes in middlebox compatibility mode, else none (D.4).
    session_id: Option<[u8; 32]>,
}

/// Sends the ClientHello.
pub(crate) fn start(
    config: Arc<ClientOptions>,
    name: ServerName<'static>,
    sessions: Vec<ClientSession>,
    cx: &mut Cx<'_>,
) -> Result<State, Abort> {
    let sessions = resumption::usable(&config, &name, sessions, cx.now)?;
    let (client_random, session_id) = if config.policy.middlebox_compatibility {
        // One call, because each has a price whatever it is asked for.
        let [random, id] = cx.random_bytes::<2>()?;
        (random, Some(id))
    } else {
        let [random] = cx.random_bytes()?;
        (random, None)
    };
    let (groups, classical) = match &config.key_shares {
        KeyShares::Preferred => (config.policy.groups.get(..1).unwrap_or_default(), true),
        KeyShares::Groups(groups) => (groups.as_slice(), false),
    };
    let mut exchanges = Vec::with_capacity(groups.len());
    for group in groups {
        exchanges.push(ActiveKeyExchange::start(*group, cx.random)?);
    }
    let mut session = Session {
        offer: Offer::new(config.clone()),
        config,
        name,
        client_random,
        session_id,
    };
    let shares = Shares {
        exchanges,
        classical,
    };
    let mut transcript = TranscriptBuffer::new();
    cx.outgoing
        .set_max_fragment(session.config.policy.max_fragment_sent);
    cx.incoming.allow_ccs(true);
    let (mut offered, now) = (Ok(()), cx.now);
    cx.send_first(&mut transcript, |out| {
        let start = out.len();
        offered = session.put_hello(out, &shares, &sessions, None, now);
        resumption::bind(out, start, &sessions, None);
    });
    offered?;
    Ok(WaitServerHello(Box::new(Offered {
        session,
        shares,
        sessions,
        transcript: Hashing::Buffered(transcript),
        retry: None,
    }))
    .into())
}

/// The private halves of the key shares in the hello.
struct Shares {
    exchanges: Vec<ActiveKeyExchange>,
    /// Whether a hybrid's classical half stands for itself too, when its group is offered: that
    /// share costs nothing more to make.
    classical: bool,
}

impl Shares {
    /// The shares as they stand in the hello.
    fn entries<'a>(&'a self, config: &'a ClientOptions) -> impl Iterator<Item = KeyShareEntry<'a>> {
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

    fn contains(&self, config: &ClientOptions, group: NamedGroup) -> bool {
        self.entries(config).any(|entry| entry.group == group)
    }

    /// Ends the exchange that `group` belongs to, if the hello had a share of it, with the
    /// server's share; the others are of no use then.
    fn finish(
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

impl Session {
    /// Encodes the second ClientHello (§4.1.4).
    fn second_hello(
        &mut self,
        shares: &Shares,
        sessions: &[OfferedSession],
        cookie: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<Vec<u8>, Abort> {
        let mut hello = Vec::new();
        self.put_hello(&mut hello, shares, sessions, None, now)?;
        if let Some(cookie) = cookie {
            // The block of extensions has a length of two bytes, and the server can fill it.
            let block = ClientHello::decode(hello.get(4..).unwrap_or_default())?.extensions;
            let length = block.as_bytes().len() + Cookie::OVERHEAD + cookie.len();
            if length > usize::from(u16::MAX) {
                return Err(Violation::CookieTooLong.into());
            }
            hello.clear();
            self.put_hello(&mut hello, shares, sessions, Some(cookie), now)?;
        }
        Ok(hello)
    }

    /// Encodes a ClientHello (§4.1.2), its binders excepted, and notes what it offers.
    fn put_hello(
        &mut self,
        hello: &mut Vec<u8>,
        shares: &Shares,
        sessions: &[OfferedSession],
        cookie: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<(), Abort> {
        let config = &self.config;
        let policy = &config.policy;
        let extensions = |out: &mut Vec<u8>| {
            if let Some(host) = config.indicated(&self.name) {
                ServerNameExtension::put(out, host);
            }
            if let Some(length) = config.max_fragment_length {
                MaxFragmentLength::put(out, length.into());
            }
            if config.request_ocsp_response {
                StatusRequest::put(out);
            }
            SupportedGroups::put(out, &policy.groups);
            SignatureAlgorithms::put(out, &policy.schemes);
            // §4.2.3: what may sign certificates differs from what may sign the handshake.
            if !policy
                .certificate_schemes()
                .eq(policy.schemes.iter().copied())
            {
                SignatureAlgorithmsCert::put(out, policy.certificate_schemes());
            }
            if !policy.alpn.is_empty() {
                Alpn::put(out, config.alpn_protocols());
            }
            if let Some(limit) = policy.record_size_limit {
                RecordSizeLimit::put(out, limit);
            }
            if let Some(cookie) = cookie {
                Cookie::put(out, cookie);
            }
            SupportedVersions::put(out, &policy.versions);
            if let (true, Some(chain)) =
                (config.send_certificate_authorities, config.chain_policy())
            {
                CertificateAuthorities::put(out, chain.roots().subjects());
            }
            KeyShareClientHello::put(out, shares.entries(config).by_ref());
            if config.session_tickets {
                resumption::put_psks(out, sessions, now);
            }
        };
        let at = hello.len();
        // X25519MLKEM768's share alone has 1,216 bytes.
        hello.reserve(512 + shares.len());
        let session_id = self.session_id.as_ref().map_or(&[][..], |id| id);
        // RFC 7507 §4: after all suites.
        let fallback = config.fallback.then_some(&CipherSuite::TLS_FALLBACK_SCSV);
        ClientHello::put(
            hello,
            &self.client_random,
            session_id,
            policy.cipher_suites.iter().chain(fallback),
            extensions,
        );
        let parsed = ClientHello::decode(hello.get(at + 4..).unwrap_or_default())?;
        self.offer.set_extensions(&parsed.extensions)
    }
}

/// The transcript, before and after the hash is known.
enum Hashing {
    Buffered(TranscriptBuffer),
    Running(Box<Transcript>),
}

/// What a HelloRetryRequest has fixed.
#[derive(Clone, Copy)]
struct Retry {
    suite: CipherSuite,
    group: Option<NamedGroup>,
}

pub(crate) struct WaitServerHello(Box<Offered>);

/// What the hello has said, and what only this side knows of it.
struct Offered {
    session: Session,
    shares: Shares,
    sessions: Vec<OfferedSession>,
    transcript: Hashing,
    retry: Option<Retry>,
}

impl WaitServerHello {
    pub(in super::super) fn offered_versions(&self) -> &[ProtocolVersion] {
        &self.0.session.config.policy.versions
    }

    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        self.0.on_server_hello_of_either_kind(&message, cx)
    }
}

impl Offered {
    fn on_server_hello_of_either_kind(
        self: Box<Self>,
        message: &HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let hello: ServerHello<'_> = expect(message)?;
        check_version(&hello).map_err(|violation| match violation {
            // §4.1.4: what the HelloRetryRequest has selected stays.
            Violation::VersionNotOffered | Violation::SelectedVersionNotOffered
                if self.retry.is_some() =>
            {
                Violation::VersionChangedAfterRetry.into()
            }
            Violation::VersionNotOffered | Violation::SelectedVersionNotOffered => {
                let offered = list(&self.session.config.policy.versions);
                let selected = selected_version(&hello);
                violation.explained(format!("it selected {selected}; offered: {offered}"))
            }
            other => other.into(),
        })?;
        let echoed = hello.legacy_session_id_echo
            == self.session.session_id.as_ref().map_or(&[][..], |id| id);
        if hello.is_hello_retry_request() {
            if self.retry.is_some() {
                return Err(Violation::SecondRetry.into());
            }
            self.session
                .offer
                .check_extensions(&hello.extensions, Place::HelloRetryRequest)?;
        } else {
            self.session
                .offer
                .check_extensions(&hello.extensions, Place::ServerHello)?;
        }
        if !echoed {
            return Err(Violation::SessionIdNotEchoed.into());
        }
        if hello.legacy_compression_method != CompressionMethod::NULL {
            return Err(Violation::CompressionSelected.into());
        }
        let suite = self.session.offer.check_suite(hello.cipher_suite)?;
        if hello.is_hello_retry_request() {
            self.on_hello_retry_request(suite, &hello, message, cx)
        } else {
            self.on_server_hello(suite, &hello, message, cx)
        }
    }

    /// §4.1.4: the server wants another key share, or its cookie back.
    fn on_hello_retry_request(
        mut self: Box<Self>,
        suite: CipherSuite,
        hello: &ServerHello<'_>,
        message: &HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        cx.incoming.end_of_flight()?;
        let cookie = find::<Cookie<'_>>(&hello.extensions)?;
        let group = find::<KeyShareHelloRetryRequest>(&hello.extensions)?
            .map(|share| self.session.offer.check_retry_group(share.selected_group))
            .transpose()?;
        match group {
            Some(group) if self.shares.contains(&self.session.config, group) => {
                return Err(Violation::RetryGroupAlreadyShared.into());
            }
            None if cookie.is_none() => return Err(Violation::RetryWithoutChange.into()),
            Some(group) => {
                let exchange = ActiveKeyExchange::start(group, cx.random)?;
                // Only the share that was asked for (§4.1.2).
                self.shares = Shares {
                    exchanges: vec![exchange],
                    classical: false,
                };
            }
            None => {}
        }
        // §4.4.1: the first hello goes into the transcript as its hash.
        let Hashing::Buffered(buffered) = &self.transcript else {
            return Err(Violation::SecondRetry.into());
        };
        let mut transcript = buffered.start(suite.handshake_hash()?);
        transcript.replace_with_message_hash();
        transcript.add(message.raw());

        let retry = Retry { suite, group };
        resumption::retain(&mut self.sessions, suite.handshake_hash()?);
        let cookie = cookie.map(|cookie| cookie.cookie);
        let mut second = self
            .session
            .second_hello(&self.shares, &self.sessions, cookie, cx.now)?;
        resumption::bind(&mut second, 0, &self.sessions, Some(&transcript));
        if self.session.session_id.is_some() {
            cx.outgoing.change_cipher_spec()?;
        }
        cx.send(&mut transcript, |out| out.extend_from_slice(&second));
        self.transcript = Hashing::Running(Box::new(transcript));
        self.retry = Some(retry);
        Ok(WaitServerHello(self).into())
    }

    /// §4.1.3: everything is chosen; the keys of the handshake follow.
    fn on_server_hello(
        self: Box<Self>,
        suite: CipherSuite,
        hello: &ServerHello<'_>,
        message: &HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let share = hello
            .extensions
            .find::<KeyShareServerHello<'_>>()
            .ok_or_else(|| missing_share(&hello.extensions))?
            .map_err(|_| Violation::MalformedExtension)?
            .server_share;
        let Self {
            session,
            shares,
            sessions,
            transcript,
            retry,
        } = *self;
        if let Some(retry) = retry {
            if retry.suite != suite {
                return Err(Violation::SuiteChangedAfterRetry.into());
            }
            if retry.group.is_some_and(|group| group != share.group) {
                return Err(Violation::GroupChangedAfterRetry.into());
            }
        }
        let config = &session.config;
        let group = share.group;
        let secret = shares.finish(config, group, share.key_exchange)?;

        let parameters = suite.parameters()?;
        let selected = find::<SelectedIdentity>(&hello.extensions)?;
        let (early_secret, resumed) = match selected {
            None => (EarlySecret::without_psk(parameters.hash), None),
            Some(SelectedIdentity(index)) => {
                let (early, resumed) = resumption::selected(sessions, index, parameters.hash)?;
                (early, Some(Box::new(resumed)))
            }
        };
        let mut transcript = match transcript {
            Hashing::Buffered(buffered) => buffered.start(parameters.hash),
            Hashing::Running(transcript) => *transcript,
        };
        transcript.add(message.raw());
        let handshake_secret = early_secret.into_handshake(parameters.aead, &secret);
        let hash = transcript.current();
        let client_secret = handshake_secret.client_handshake_traffic_secret(&hash);
        let server_secret = handshake_secret.server_handshake_traffic_secret(&hash);
        let wanted = config.policy.key_log;
        let random = &session.client_random;
        cx.log_secret(
            wanted,
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            random,
            client_secret.as_bytes(),
        );
        cx.log_secret(
            wanted,
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            random,
            server_secret.as_bytes(),
        );
        let (key, server_finished) = server_secret.handshake_keys()?;
        cx.incoming.install_read(Keys::ready(server_secret, key))?;
        let (key, client_finished) = client_secret.handshake_keys()?;
        cx.outgoing.install_write(Keys::ready(client_secret, key))?;
        // D.4: before the second flight, unless one went out with a second hello.
        if session.session_id.is_some() && retry.is_none() {
            cx.outgoing.change_cipher_spec_before_protected();
        }

        let asked = config.policy.asked.hello;
        let keyed = Box::new(Keyed {
            suite,
            group,
            retried: retry.is_some(),
            server_random: *hello.random,
            transcript,
            client_finished,
            server_finished,
            master_secret: handshake_secret.into_master(),
            session,
            resumed,
        });
        if asked {
            let question = ReviewServerHello {
                id: QuestionId::next(),
                hello: ServerHelloView::new(Bytes::copy_from_slice(message.raw()))?,
                config: ClientConfig(Arc::clone(&keyed.session.config)),
            };
            return Ok(Next::ask(
                Question::ReviewServerHello(question),
                ReviewingServerHello { keyed },
            ));
        }
        Ok(WaitEncryptedExtensions { keyed }.into())
    }
}

/// §4.2.11: only keys with a key exchange are offered.
fn missing_share(extensions: &Extensions<'_>) -> Violation {
    if extensions.contains(ExtensionType::PRE_SHARED_KEY) {
        Violation::PskWithoutKeyShare
    } else {
        Violation::ServerKeyShareMissing
    }
}

/// §4.2.1: before TLS 1.3 it stands in legacy_version.
fn selected_version(hello: &ServerHello<'_>) -> ProtocolVersion {
    match hello.extensions.find::<SelectedVersion>() {
        Some(Ok(SelectedVersion(selected))) => selected,
        _ => hello.legacy_version,
    }
}

/// §4.1.3, §4.2.1: TLS 1.3 is selected in supported_versions and nowhere else.
fn check_version(hello: &ServerHello<'_>) -> Result<(), Violation> {
    let Some(selected) = hello.extensions.find::<SelectedVersion>() else {
        let end = hello.random.last_chunk::<8>().copied().unwrap_or_default();
        if end == DOWNGRADE_TO_TLS_1_2 || end == DOWNGRADE_TO_TLS_1_1 {
            return Err(Violation::DowngradeDetected);
        }
        return Err(Violation::VersionNotOffered);
    };
    let SelectedVersion(selected) = selected.map_err(|_| Violation::MalformedExtension)?;
    if hello.legacy_version != ProtocolVersion::TLS_1_2 {
        return Err(Violation::LegacyVersionInServerHello);
    }
    if selected != ProtocolVersion::TLS_1_3 {
        return Err(Violation::SelectedVersionNotOffered);
    }
    Ok(())
}

/// Paused: the user looks at what the server chose (B5).
pub(crate) struct ReviewingServerHello {
    keyed: Box<Keyed>,
}

impl ReviewingServerHello {
    pub(super) fn on_answer(
        mut self,
        answer: AnswerContent,
        _: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        match answer {
            AnswerContent::Proceed => {}
            AnswerContent::ProceedWith(config) => {
                self.keyed.session.config = config.0;
                if let Some(Resumed { proof, .. }) = self.keyed.resumed.as_deref_mut() {
                    // It was given by the rules of the other configuration.
                    *proof = None;
                }
            }
            _ => return Err(wrong_answer()),
        }
        Ok(WaitEncryptedExtensions { keyed: self.keyed }.into())
    }
}
