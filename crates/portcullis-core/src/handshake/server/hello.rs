//! The server reads a hello, chooses, and perhaps asks for a second one.
//!
//! RFC 8446 §4.1; the version is decided here.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::super::negotiate::{self, Group};
use super::super::{Cx, Next, State, expect, find, wrong_answer};
use super::tls13::{Negotiated, check_omitted, negotiated};
use crate::client_hello_view::ClientHelloView;
use crate::config::{ServerConfig, ServerOptions};
use crate::crypto::hash::Digest;
use crate::error::{Abort, list};
use crate::key_schedule::{AddMessage, Transcript};
use crate::question::{AnswerContent, ChooseConfiguration, Question, QuestionId};
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;
use crate::wire::extension::{
    Cookie, EarlyData, KeyShareClientHello, KeyShareHelloRetryRequest, OfferedPsks, RawExtension,
    SelectedVersion, SignatureAlgorithms, SupportedGroups, SupportedVersions,
};
use crate::wire::{
    ClientHello, CompressionMethod, ExtensionType, HELLO_RETRY_REQUEST_RANDOM, ServerHello,
};
use crate::{NamedGroup, Violation};

/// Early data that is thrown away because 0-RTT is not accepted here, in bytes of content (A12):
/// what servers of OpenSSL and GnuTLS allow with their tickets unless told otherwise, and a client
/// may come here with a ticket of theirs.
const MAX_SKIPPED_EARLY_DATA: usize = 16_384;

/// Key shares that are looked at; those behind them are ignored. Clients have one to three.
const MAX_SHARES: usize = 32;

/// Waits for a client.
pub(crate) fn start(config: Arc<ServerOptions>) -> State {
    WaitClientHello { config }.into()
}

pub(crate) struct WaitClientHello {
    config: Arc<ServerOptions>,
}

impl WaitClientHello {
    pub(super) fn on_message(
        self,
        mut message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let hello: ClientHello<'_> = expect(&message)?;
        check_hello(&hello, &self.config.policy.versions)?;
        cx.incoming.allow_ccs(true);
        if self.config.policy.asked.hello {
            let question = ChooseConfiguration {
                id: QuestionId::next(),
                hello: ClientHelloView::new(message.share())?,
                config: ServerConfig(Arc::clone(&self.config)),
            };
            let paused = ChoosingConfiguration {
                config: self.config,
                hello: message,
            };
            return Ok(Next::ask(Question::ChooseConfiguration(question), paused));
        }
        choose(self.config, message, cx)
    }
}

/// Paused: the user looks at the hello and says which configuration serves it.
pub(crate) struct ChoosingConfiguration {
    config: Arc<ServerOptions>,
    hello: HandshakeBytes,
}

impl ChoosingConfiguration {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let config = match answer {
            AnswerContent::KeepConfiguration => self.config,
            AnswerContent::Configuration(ServerConfig(config)) => {
                *cx.observe = config.policy.observe_messages;
                cx.alerts.clone_from(&config.policy.alerts);
                cx.incoming
                    .set_strict_alert_levels(config.policy.strict_alert_levels);
                config
            }
            _ => return Err(wrong_answer()),
        };
        choose(config, self.hello, cx)
    }
}

/// §4.1.2: what must hold of every ClientHello, whatever the configuration; `enabled` versions
/// are for the error.
fn check_hello(hello: &ClientHello<'_>, enabled: &[ProtocolVersion]) -> Result<(), Abort> {
    if hello.extensions.duplicate().is_some() {
        return Err(Violation::DuplicateNegotiation.into());
    }
    if hello.legacy_version < ProtocolVersion::TLS_1_0 {
        return Err(unsupported(
            Violation::LegacyVersionInClientHello,
            &hello.legacy_version.to_string(),
            enabled,
        ));
    }
    let versions = find::<SupportedVersions<'_>>(&hello.extensions)?;
    let has_1_3 = |offered: &SupportedVersions<'_>| {
        let mut versions = offered.versions.iter();
        versions.any(|version| version == ProtocolVersion::TLS_1_3)
    };
    if !versions.as_ref().is_some_and(has_1_3) {
        let fell_back = hello.cipher_suites.contains(CipherSuite::TLS_FALLBACK_SCSV);
        let violation = match fell_back {
            true => Violation::InappropriateFallback,
            false => Violation::UnsupportedVersion,
        };
        let offered = offered_versions(hello.legacy_version, versions.as_ref());
        return Err(unsupported(violation, &offered, enabled));
    }
    if !hello
        .legacy_compression_methods
        .iter()
        .eq([CompressionMethod::NULL])
    {
        return Err(Violation::CompressionOffered.into());
    }
    // §4.2.11: binders cover everything before them.
    let mut types = hello
        .extensions
        .iter()
        .map(|extension| extension.extension_type);
    if types.any(|typ| typ == ExtensionType::PRE_SHARED_KEY) {
        if types.next().is_some() {
            return Err(Violation::PskNotLast.into());
        }
        if !hello
            .extensions
            .contains(ExtensionType::PSK_KEY_EXCHANGE_MODES)
        {
            return Err(Violation::PskWithoutModes.into());
        }
        let offered = find::<OfferedPsks<'_>>(&hello.extensions)?;
        if offered.is_some_and(|psks| psks.identities.iter().count() != psks.binders.iter().count())
        {
            return Err(Violation::PskBinderCount.into());
        }
    }
    Ok(())
}

/// Says what the client offered, and what is enabled here.
#[cold]
fn unsupported(violation: Violation, offered: &str, enabled: &[ProtocolVersion]) -> Abort {
    let enabled = list(enabled);
    violation.explained(format!("it offered {offered}; enabled here: {enabled}"))
}

/// The versions of a hello that have a name; without supported_versions those up to
/// legacy_version (§4.2.1).
#[cold]
fn offered_versions(
    legacy_version: ProtocolVersion,
    versions: Option<&SupportedVersions<'_>>,
) -> String {
    let Some(offered) = versions else {
        return format!("{legacy_version} and older");
    };
    let named = offered.versions.iter().filter(|one| one.name().is_some());
    // A list may have 127; there are not so many names, but they may be repeated.
    match list(&named.take(8).collect::<Vec<_>>()) {
        names if names.is_empty() => "none that is known".to_owned(),
        names => names,
    }
}

/// §4.1.1: chooses suite and group; asks for a second hello when there is no share of the group.
fn choose(
    config: Arc<ServerOptions>,
    message: HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&message)?;
    cx.outgoing
        .set_max_fragment(config.policy.max_fragment_sent);
    let suite = negotiate::cipher_suite(&config, hello.cipher_suites.iter())
        .ok_or(Violation::NoSharedCipherSuite)?;
    // §9.2: only a session can do without; whether there is one turns out later.
    if find::<SignatureAlgorithms<'_>>(&hello.extensions)?.is_none()
        && !hello.extensions.contains(ExtensionType::PRE_SHARED_KEY)
    {
        return Err(Violation::SignatureAlgorithmsMissing.into());
    }
    let groups =
        find::<SupportedGroups<'_>>(&hello.extensions)?.ok_or(Violation::SupportedGroupsMissing)?;
    let shares =
        find::<KeyShareClientHello<'_>>(&hello.extensions)?.ok_or(Violation::KeyShareMissing)?;
    check_shares(&groups, &shares)?;
    let share_groups = shares
        .client_shares
        .iter()
        .take(MAX_SHARES)
        .map(|entry| entry.group);
    let group = negotiate::group(&config, groups.groups.iter(), share_groups)
        .ok_or(Violation::NoSharedGroup)?;
    let early_data = find::<EarlyData>(&hello.extensions)?.is_some();
    if early_data {
        cx.incoming.skip_early_data(MAX_SKIPPED_EARLY_DATA);
    }

    let mut transcript = Transcript::new(suite.handshake_hash()?);
    match group {
        Group::Shared(group) => {
            let binder_hash = add_hello(&mut transcript, &message)?;
            negotiated(
                Negotiated {
                    config,
                    hello: message,
                    suite,
                    group,
                    transcript,
                    binder_hash,
                    retried: false,
                },
                cx,
            )
        }
        Group::Retry(group) => {
            transcript.add(message.hashed());
            cx.incoming.end_of_flight()?;
            // §4.4.1: the first hello goes into the transcript as its hash.
            transcript.replace_with_message_hash();
            let cookie = if config.cookie {
                let [cookie] = cx.random_bytes()?;
                Some(cookie)
            } else {
                None
            };
            let request = hello_retry_request(&hello, suite, group, cookie.as_ref());
            cx.send(&mut transcript, |out| out.extend_from_slice(&request));
            if looks_like_tls12(&config, &hello) {
                cx.outgoing.change_cipher_spec()?;
            }
            Ok(WaitSecondClientHello(Box::new(Requested {
                config,
                first: message,
                suite,
                group,
                cookie,
                transcript,
            }))
            .into())
        }
    }
}

/// Adds the last hello to the transcript; gives what it was before the binders of pre-shared
/// keys, if there are any (§4.2.11.2).
fn add_hello(
    transcript: &mut Transcript,
    message: &HandshakeBytes,
) -> Result<Option<Digest>, Abort> {
    let hello: ClientHello<'_> = expect(message)?;
    let Some(offered) = find::<OfferedPsks<'_>>(&hello.extensions)? else {
        transcript.add(message.hashed());
        return Ok(None);
    };
    let raw = message.raw();
    let truncated = raw.len().saturating_sub(offered.binders_size());
    let (truncated, binders) = raw.split_at_checked(truncated).unwrap_or((raw, &[]));
    transcript.add_bytes(truncated);
    let hash = transcript.current();
    transcript.add_bytes(binders);
    Ok(Some(hash))
}

/// D.4: a client that sends a session id must get a change_cipher_spec once; any may.
pub(super) fn looks_like_tls12(config: &ServerOptions, hello: &ClientHello<'_>) -> bool {
    config.policy.middlebox_compatibility || !hello.legacy_session_id.is_empty()
}

/// §4.2.8: each share is of a listed group, and there is one of a group at most.
fn check_shares(
    groups: &SupportedGroups<'_>,
    shares: &KeyShareClientHello<'_>,
) -> Result<(), Violation> {
    // A bound on the work: each share is looked for in the list of groups.
    for (at, entry) in shares.client_shares.iter().take(MAX_SHARES).enumerate() {
        let mut before = shares.client_shares.iter().take(at);
        if before.any(|other| other.group == entry.group) {
            return Err(Violation::DuplicateKeyShare);
        }
        if !groups.groups.contains(entry.group) {
            return Err(Violation::KeyShareOutsideGroups);
        }
    }
    Ok(())
}

/// §4.1.4.
fn hello_retry_request(
    hello: &ClientHello<'_>,
    suite: CipherSuite,
    group: NamedGroup,
    cookie: Option<&[u8; 32]>,
) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    ServerHello::put(
        &mut message,
        ProtocolVersion::TLS_1_2,
        &HELLO_RETRY_REQUEST_RANDOM,
        hello.legacy_session_id,
        suite,
        |out| {
            SelectedVersion::put(out, ProtocolVersion::TLS_1_3);
            KeyShareHelloRetryRequest::put(out, group);
            if let Some(cookie) = cookie {
                Cookie::put(out, cookie);
            }
        },
    );
    message
}

pub(crate) struct WaitSecondClientHello(Box<Requested>);

/// What the second hello is compared with.
struct Requested {
    config: Arc<ServerOptions>,
    first: HandshakeBytes,
    suite: CipherSuite,
    group: NamedGroup,
    cookie: Option<[u8; 32]>,
    transcript: Transcript,
}

impl WaitSecondClientHello {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let mut requested = *self.0;
        let hello: ClientHello<'_> = expect(&message)?;
        check_hello(&hello, &requested.config.policy.versions)?;
        let first: ClientHello<'_> = expect(&requested.first)?;
        // Early data that is offered once more (§4.1.2 forbids it) is not accepted either, and
        // does not open where it comes.
        requested.check_cookie(&hello)?;
        let shares = find::<KeyShareClientHello<'_>>(&hello.extensions)?
            .ok_or(Violation::KeyShareMissing)?;
        let mut entries = shares.client_shares.iter();
        match (entries.next(), entries.next()) {
            (Some(only), None) if only.group == requested.group => {}
            _ => return Err(Violation::RetryIgnored.into()),
        }
        check_unchanged(&first, &hello)?;
        check_omitted(&requested.config, &first, &hello, requested.suite, cx)?;
        let binder_hash = add_hello(&mut requested.transcript, &message)?;
        let Requested {
            config,
            suite,
            group,
            transcript,
            ..
        } = requested;
        negotiated(
            Negotiated {
                config,
                hello: message,
                suite,
                group,
                transcript,
                binder_hash,
                retried: true,
            },
            cx,
        )
    }
}

impl Requested {
    /// §4.2.2: our cookie comes back as it was.
    fn check_cookie(&self, hello: &ClientHello<'_>) -> Result<(), Violation> {
        let returned = find::<Cookie<'_>>(&hello.extensions)?;
        match (&self.cookie, returned) {
            (None, None) => Ok(()),
            (Some(ours), Some(cookie)) if bool::from(ours.ct_eq(cookie.cookie)) => Ok(()),
            (Some(_), _) => Err(Violation::BadCookie),
            (None, Some(_)) => Err(Violation::UnexpectedCookie),
        }
    }
}

/// §4.1.2: the second hello repeats the first, except for what the RFC lists. It says nothing of
/// the order of extensions, which means nothing (§4.2), and wolfSSL 5.5 has another one.
fn check_unchanged(first: &ClientHello<'_>, second: &ClientHello<'_>) -> Result<(), Violation> {
    let same = first.legacy_version == second.legacy_version
        && first.random == second.random
        && first.legacy_session_id == second.legacy_session_id
        && first.cipher_suites == second.cipher_suites
        && first.legacy_compression_methods == second.legacy_compression_methods
        && (unchanging(first).eq(unchanging(second))
            || sorted_by_type(unchanging(first)) == sorted_by_type(unchanging(second)));
    if same {
        Ok(())
    } else {
        Err(Violation::SecondHelloChanged)
    }
}

/// The extensions that a second hello has to repeat.
fn unchanging<'a>(hello: &ClientHello<'a>) -> impl Iterator<Item = RawExtension<'a>> {
    hello.extensions.iter().filter(|extension| {
        !matches!(
            extension.extension_type,
            ExtensionType::KEY_SHARE
                | ExtensionType::EARLY_DATA
                | ExtensionType::COOKIE
                | ExtensionType::PRE_SHARED_KEY
                | ExtensionType::PADDING
        )
    })
}

/// As a set, because no type comes twice.
fn sorted_by_type<'a>(extensions: impl Iterator<Item = RawExtension<'a>>) -> Vec<RawExtension<'a>> {
    let mut all: Vec<_> = extensions.collect();
    all.sort_unstable_by_key(|extension| extension.extension_type.0);
    all
}
