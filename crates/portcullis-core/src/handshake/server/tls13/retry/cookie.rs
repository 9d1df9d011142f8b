//! Over datagrams: HelloRetryRequest without a state, by a cookie that has what the server needs back.
//!
//! RFC 9147 §5.1.

use std::sync::Arc;

use super::super::super::super::negotiate::Group;
use super::super::super::super::{Cx, expect, versions};
use super::super::super::Next;
use super::super::super::ech::Ech;
use super::super::super::hello::check_syntax;
use super::super::super::returned_cookie::ReturnedCookie;
use super::super::super::returned_ech::ReturnedEch;
use super::super::super::shortfall::{no_group, no_suite};
use super::super::client_hello::{check_hello, choose_any_group, choose_suite};
use super::super::psk::FirstPsks;
use super::{Asked, FirstHello, RetryRequested, UNCHANGING, unchanging};
use crate::NamedGroup;
use crate::config::ServerOptions;
use crate::crypto::hash::{Digest, hash};
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::information::EarlyDataStatus;
use crate::key_schedule::Transcript;
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::{ClientHello, ExtensionType};

/// What a server that keeps nothing of a first hello has to have back (RFC 9147 §5.1): it is in the cookie.
pub(in super::super::super::super) struct Requested {
    pub(in super::super::super::super) suite: CipherSuite,
    /// If a share of it was asked for.
    pub(in super::super::super::super) group: Option<NamedGroup>,
    pub(in super::super::super::super) had_psk: bool,
    pub(in super::super::super::super) unchanging: [u8; UNCHANGING],
    /// The hash of the first hello.
    pub(in super::super::super::super) hello: Digest,
    /// If that was in another one, or could have been.
    pub(in super::super::super::super) ech: Option<ReturnedEch>,
}

/// Asks for a cookie, and for a share where one is missing, without a state. Gives the HelloRetryRequest,
/// whose cookie `seal` makes. The hello is the one that counts.
pub(in super::super::super::super) fn ask_for_cookie(
    config: &ServerOptions,
    message: &HandshakeBytes,
    (ech, returned): (Option<&Ech>, Option<ReturnedEch>),
    seal: impl FnOnce(&Requested) -> Vec<u8>,
) -> Result<Vec<u8>, Abort> {
    let dialect = Dialect::Dtls;
    let hello: ClientHello<'_> = expect(message)?;
    check_syntax(&hello)?;
    versions::choose(dialect, &config.policy.versions, &hello)?;
    check_hello(&hello)?;
    let suite = choose_suite(config, &hello, dialect)?;
    let group = match choose_any_group(config, &hello, dialect)? {
        Some(Group::Retry(group)) => Some(group),
        Some(Group::Shared(_)) | None => None,
    };
    let requested = Requested {
        suite,
        group,
        had_psk: hello.extensions.contains(ExtensionType::PRE_SHARED_KEY),
        unchanging: unchanging(&hello, true),
        hello: hash(suite.handshake_hash()?, message.raw()),
        ech: returned,
    };
    let cookie = seal(&requested);
    let asked = Asked {
        dialect,
        suite,
        group,
        cookie: Some(&cookie),
    };
    let transcript = Transcript::after_hello(suite.handshake_hash()?, &requested.hello);
    asked.of(&hello, ech, &transcript)
}

/// Goes on where the cookie has come back.
pub(in super::super::super) fn on_returned_cookie(
    config: Arc<ServerOptions>,
    ReturnedCookie { requested, cookie }: ReturnedCookie,
    message: HandshakeBytes,
    ech: Option<Box<Ech>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&message)?;
    let Requested { suite, group, .. } = requested;
    // Another configuration may serve this client than the one that has asked.
    let version = cx.dialect.code(Version::V1_3);
    if !config.policy.cipher_suites.contains(&suite) {
        return Err(no_suite(&config, version, &hello));
    }
    if group.is_some_and(|group| !config.policy.groups.contains(&group)) {
        return Err(no_group(&config, version, &hello));
    }
    cx.outgoing
        .set_max_fragment(config.policy.max_fragment_sent);
    let mut transcript = Transcript::after_hello(suite.handshake_hash()?, &requested.hello);
    let asked = Asked {
        dialect: cx.dialect,
        suite,
        group,
        cookie: Some(&cookie),
    };
    let request = asked.of(&hello, ech.as_deref(), &transcript)?;
    transcript.add_bytes(&request);
    let psks = match requested.had_psk {
        // Tickets are not opened for strangers, so nobody knows what it was.
        true => FirstPsks::Unknown,
        false => FirstPsks::None,
    };
    let unchanging = requested.unchanging;
    Box::new(RetryRequested {
        config,
        first: FirstHello {
            unchanging,
            may_change: true,
            psks,
        },
        ech,
        suite,
        group,
        cookie: Some(cookie),
        transcript,
        early_data: EarlyDataStatus::NotOffered,
    })
    .go_on(message, cx)
}
