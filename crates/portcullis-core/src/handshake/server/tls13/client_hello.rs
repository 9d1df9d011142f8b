//! ClientHello of TLS 1.3: suite and group are chosen, or another hello is asked for.
//!
//! RFC 8446 §4.1.1, §4.1.2.

use std::sync::Arc;

use super::super::super::negotiate::{self, Group};
use super::super::super::{Cx, expect, find};
use super::super::Next;
use super::super::ech::Ech;
use super::super::shortfall::{no_group, no_suite};
use super::Negotiated;
use super::external_psk::{needs_no_share, prefer_suite_of_key};
use super::psk::resume_or_authenticate;
use super::retry::ask_for_another;
use crate::Violation;
use crate::config::ServerOptions;
use crate::crypto::hash::Digest;
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::information::{EarlyDataRejection, EarlyDataStatus};
use crate::key_schedule::{AddMessage, Transcript};
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::{
    EarlyData, KeyShareClientHello, OfferedPsks, SignatureAlgorithms, SupportedGroups,
};
use crate::wire::{ClientHello, CompressionMethod, ExtensionType};

/// Early data that is thrown away because it is not accepted here, in bytes of content at least:
/// what servers of OpenSSL and GnuTLS allow with their tickets unless told otherwise, and a client
/// may come here with a ticket of theirs.
const MAX_SKIPPED_EARLY_DATA: usize = 16_384;

/// Key shares that are looked at; those behind them are ignored. Clients have one to three.
const MAX_SHARES: usize = 32;

/// §4.1.1: chooses suite and group; asks for a second hello when there is no share of the group.
pub(in super::super) fn choose_suite_and_group(
    config: Arc<ServerOptions>,
    message: HandshakeBytes,
    ech: Option<Box<Ech>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&message)?;
    check_hello(&hello)?;
    cx.outgoing
        .set_max_fragment(config.policy.max_fragment_sent);
    let suite = choose_suite(&config, &hello, cx.dialect)?;
    let group = choose_any_group(&config, &hello, cx.dialect)?;
    let early_data = early_data(&config, &hello, cx)?;

    let mut transcript = Transcript::new(suite.handshake_hash()?);
    match group {
        None | Some(Group::Shared(_)) => {
            let group = match group {
                Some(Group::Shared(group)) => Some(group),
                _ => None,
            };
            let binder_hash = add_hello(&mut transcript, &message)?;
            resume_or_authenticate(
                Negotiated {
                    config,
                    hello: message,
                    suite,
                    group,
                    transcript,
                    binder_hash,
                    retried: false,
                    ech,
                    early_data,
                },
                cx,
            )
        }
        Some(Group::Retry(group)) => {
            let (chosen, begun) = ((suite, group), (transcript, early_data));
            ask_for_another(config, message, ech, chosen, begun, cx)
        }
    }
}

/// §4.1.1, and what must be there besides.
pub(super) fn choose_suite(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    dialect: Dialect,
) -> Result<CipherSuite, Abort> {
    let version = dialect.code(Version::V1_3);
    let suites = || negotiate::cipher_suites(config, version, hello.cipher_suites.iter());
    let suite = match prefer_suite_of_key(config, hello, suites(), dialect)? {
        Some(suite) => suite,
        None => suites()
            .next()
            .ok_or_else(|| no_suite(config, version, hello))?,
    };
    // §9.2: only a session can do without; whether there is one turns out later.
    if find::<SignatureAlgorithms<'_>>(&hello.extensions)?.is_none()
        && !hello.extensions.contains(ExtensionType::PRE_SHARED_KEY)
    {
        return Err(Violation::SignatureAlgorithmsMissing.into());
    }
    Ok(suite)
}

/// The group, unless a pre-shared key is used alone.
pub(super) fn choose_any_group(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    dialect: Dialect,
) -> Result<Option<Group>, Abort> {
    match needs_no_share(config, hello)? {
        true => group_beside_key(config, hello),
        false => choose_group(config, hello, dialect).map(Some),
    }
}

/// §4.2.7, §4.2.8.
fn choose_group(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    dialect: Dialect,
) -> Result<Group, Abort> {
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
    negotiate::group(config, groups.groups.iter(), share_groups)
        .ok_or_else(|| no_group(config, dialect.code(Version::V1_3), hello))
}

/// The same of a client that uses pre-shared keys alone: nothing need be there, and no other hello is asked for
/// only to show it a certificate in the end.
fn group_beside_key(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
) -> Result<Option<Group>, Abort> {
    let (Some(groups), Some(shares)) = (
        find::<SupportedGroups<'_>>(&hello.extensions)?,
        find::<KeyShareClientHello<'_>>(&hello.extensions)?,
    ) else {
        return Ok(None);
    };
    check_shares(&groups, &shares)?;
    let share_groups = shares.client_shares.iter().take(MAX_SHARES);
    let share_groups = share_groups.map(|entry| entry.group);
    let group = negotiate::group(config, groups.groups.iter(), share_groups);
    Ok(group.filter(|group| matches!(group, Group::Shared(_))))
}

/// §4.2.10: unless a session is resumed that allows it, early data is skipped.
fn early_data(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    cx: &mut Cx<'_>,
) -> Result<EarlyDataStatus, Violation> {
    if find::<EarlyData>(&hello.extensions)?.is_none() {
        return Ok(EarlyDataStatus::NotOffered);
    }
    let granted = usize::try_from(config.early_data.granted()).unwrap_or(usize::MAX);
    cx.incoming
        .skip_early_data(granted.max(MAX_SKIPPED_EARLY_DATA));
    Ok(EarlyDataStatus::Rejected(match granted {
        0 => EarlyDataRejection::Disabled,
        _ if cx.incoming.declines_early_data() => EarlyDataRejection::Disabled,
        _ => EarlyDataRejection::NotResumed,
    }))
}

/// §4.1.2, §4.2.11: what must hold of a hello of TLS 1.3, the first and the second.
pub(super) fn check_hello(hello: &ClientHello<'_>) -> Result<(), Abort> {
    if !hello
        .legacy_compression_methods
        .iter()
        .eq([CompressionMethod::NULL])
    {
        return Err(Violation::CompressionOffered.into());
    }
    // RFC 9147 §5.3.
    if hello.legacy_cookie.is_some_and(|cookie| !cookie.is_empty()) {
        return Err(Violation::LegacyCookieInHello.into());
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

/// Adds the last hello to the transcript; gives what it was before the binders of pre-shared
/// keys, if there are any (§4.2.11.2).
pub(super) fn add_hello(
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
