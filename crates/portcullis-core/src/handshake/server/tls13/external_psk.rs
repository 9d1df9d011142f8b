//! Whose pre-shared key the client has, where no session is resumed.
//!
//! RFC 8446 §4.2.9, §4.2.11; RFC 9258; §E.6 for what a stranger may learn.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::super::{Cx, external_psk, find, wrong_answer};
use super::super::requested::{check_name, host_name_of};
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::flight::{ProvedBy, send_flight};
use super::identity::choose_identity;
use super::psk::{Resumption, check_binder, resume_session};
use crate::config::{PreSharedKey, ServerOptions};
use crate::crypto::CryptoFailure;
use crate::crypto::hash::HashAlgorithm;
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::key_schedule::EarlySecret;
use crate::psk::SharedSecretName;
use crate::question::{AnswerContent, ChoosePsk, PskSide, Question, QuestionId};
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::ClientHello;
use crate::wire::extension::{OfferedPsks, PskBinder, PskKeyExchangeMode, PskKeyExchangeModes};
use crate::{Misuse, Violation};

/// How many of the offered identities are looked at: each may be looked up in a database. Clients have a few.
const MAX_IDENTITIES: usize = 16;

/// A key that the client has proved to have.
pub(super) struct ExternalPsk {
    pub(super) index: u16,
    pub(super) early: EarlySecret,
    pub(super) name: Arc<SharedSecretName>,
    /// Without a key exchange.
    pub(super) alone: bool,
}

/// In which way keys are used with this client: alone (`psk_ke`) if it can do nothing else and that is allowed.
/// `None` if they are not.
fn is_used_alone(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
) -> Result<Option<bool>, Violation> {
    let Some(modes) = find::<PskKeyExchangeModes<'_>>(&hello.extensions)? else {
        return Ok(None);
    };
    let has = |mode| modes.ke_modes.contains(mode);
    Ok(if has(PskKeyExchangeMode::PSK_DHE_KE) {
        Some(false)
    } else {
        (config.policy.psk_ke && has(PskKeyExchangeMode::PSK_KE)).then_some(true)
    })
}

/// Whether this client has keys and cannot but use them without a key exchange, which need not begin then.
pub(super) fn needs_no_share(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
) -> Result<bool, Violation> {
    Ok(config.policy.psk_ke
        && config.takes_keys_in_tls13()
        && find::<OfferedPsks<'_>>(&hello.extensions)?.is_some()
        && is_used_alone(config, hello)? == Some(true))
}

/// The identities that are looked at, each with its binder. There are as many of these as of those.
fn offered<'a>(
    hello: &ClientHello<'a>,
) -> Result<impl Iterator<Item = (&'a [u8], PskBinder<'a>)>, Violation> {
    let offered = find::<OfferedPsks<'_>>(&hello.extensions)?;
    Ok(offered
        .into_iter()
        .flat_map(|offered| offered.identities.into_iter().zip(offered.binders))
        .map(|(identity, binder)| (identity.identity, binder))
        .take(MAX_IDENTITIES))
}

/// Whether the client's key may go with suites of this hash: a binder that is as long as the other hash says that it
/// goes with that. Any other length is one that does not verify.
fn may_go_with(hash: HashAlgorithm, binder: &PskBinder<'_>) -> bool {
    let other = match hash {
        HashAlgorithm::Sha256 => HashAlgorithm::Sha384,
        HashAlgorithm::Sha384 => HashAlgorithm::Sha256,
    };
    binder.0.len() != other.output_len()
}

/// Of the suites in common, in the order of preference, the first whose hash is that of a key: a suite without one
/// would lead to a certificate, or nowhere. The question for keys does not know the suite, but the length of a
/// binder says what the client's key goes with.
pub(super) fn prefer_suite_of_key(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    suites: impl Iterator<Item = CipherSuite>,
    dialect: Dialect,
) -> Result<Option<CipherSuite>, Abort> {
    if !config.takes_keys_in_tls13() || is_used_alone(config, hello)?.is_none() {
        return Ok(None);
    }
    let policy = &config.policy;
    for suite in suites {
        let hash = suite.handshake_hash()?;
        let mut offered = offered(hello)?;
        let goes_with_key = offered.any(|(identity, binder)| match policy.asked.psk {
            true => binder.0.len() == hash.output_len(),
            false => {
                may_go_with(hash, &binder)
                    && external_psk::find(&policy.psks, identity, hash, dialect).is_some()
            }
        });
        if goes_with_key {
            return Ok(Some(suite));
        }
    }
    Ok(None)
}

/// The configured key that is offered for suites of this hash, and where it stands in the hello; of several the
/// one that was configured first.
pub(super) fn configured(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    hash: HashAlgorithm,
    cx: &Cx<'_>,
) -> Result<Option<(usize, PreSharedKey)>, Violation> {
    let found = (0..)
        .zip(offered(hello)?)
        .filter(|(_, (_, binder))| may_go_with(hash, binder))
        .filter_map(|(at, (identity, _))| {
            let (place, psk) = external_psk::find(&config.policy.psks, identity, hash, cx.dialect)?;
            Some((place, at, psk))
        });
    let first = found.min_by_key(|(place, at, _)| (*place, *at));
    Ok(first.map(|(_, at, psk)| (at, psk.clone())))
}

/// No session is resumed: takes a key of the client's, or asks for one, or goes on without.
pub(super) fn choose_key(negotiated: Negotiated, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let config = &negotiated.config;
    if !config.takes_keys_in_tls13() {
        return choose_identity(negotiated, cx);
    }
    if negotiated.binder_hash.is_none() {
        return without_key(negotiated, Violation::PskNotOffered, cx);
    }
    let hello = decoded_hello(&negotiated.hello)?;
    let Some(alone) = is_used_alone(config, &hello)? else {
        return without_key(negotiated, Violation::NoSharedPskMode, cx);
    };
    let hash = negotiated.suite.handshake_hash()?;
    let configured = configured(config, &hello, hash, cx)?;
    if !config.policy.asked.psk {
        return go_on(negotiated, configured, alone, cx);
    }
    let identities = (0..)
        .zip(offered(&hello)?)
        .filter(|(_, (_, binder))| may_go_with(hash, binder))
        .map(|(at, (identity, _))| (at, Box::from(identity)));
    let identities: Identities = identities.collect();
    let shown = identities.iter().map(|(_, identity)| identity.clone());
    let question = ask(
        &negotiated,
        shown.collect(),
        false,
        configured.map(|(_, psk)| psk),
        cx,
    )?;
    let paused = ChoosingPsk(Box::new((negotiated, identities, alone)));
    Ok(Next::ask(question, paused))
}

fn ask(
    negotiated: &Negotiated,
    identities: Vec<Box<[u8]>>,
    resumed: bool,
    configured: Option<PreSharedKey>,
    cx: &Cx<'_>,
) -> Result<Question, Abort> {
    let hello = decoded_hello(&negotiated.hello)?;
    Ok(Question::ChoosePsk(Box::new(ChoosePsk {
        id: QuestionId::next(),
        version: cx.dialect.code(Version::V1_3),
        server_name: host_name_of(&hello)?.map(String::into_boxed_str),
        side: PskSide::Server {
            identities,
            resumed,
        },
        configured,
    })))
}

/// Paused: somebody looks for the key.
pub(crate) struct ChoosingPsk(Box<(Negotiated, Identities, bool)>);

/// Those that were asked about, each with its place in the hello.
type Identities = Vec<(usize, Box<[u8]>)>;

impl ChoosingPsk {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (negotiated, identities, alone) = *self.0;
        let AnswerContent::Psk(psk) = answer else {
            return Err(wrong_answer());
        };
        let hash = negotiated.suite.handshake_hash()?;
        let Some(psk) = psk.filter(|psk| psk.context().is_some() || psk.hash() == hash) else {
            return go_on(negotiated, None, alone, cx);
        };
        let mut identities = identities.iter();
        let offered =
            identities.find(|(_, identity)| external_psk::is_of(&psk, identity, hash, cx.dialect));
        let (at, _) = offered.ok_or_else(|| {
            Misuse::new(
                "the pre-shared key in the answer is of another identity than the client's; give it one of the \
                 identities of the question, or import it with the context that is in one",
            )
        })?;
        go_on(negotiated, Some((*at, psk)), alone, cx)
    }
}

fn go_on(
    negotiated: Negotiated,
    psk: Option<(usize, PreSharedKey)>,
    alone: bool,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Some((at, psk)) = psk else {
        return without_key(negotiated, Violation::UnknownPskIdentity, cx);
    };
    let hello = decoded_hello(&negotiated.hello)?;
    let (identity, _) = offered(&hello)?.nth(at).ok_or_else(wrong_answer)?;
    let hash = negotiated.suite.handshake_hash()?;
    let early = external_psk::early_secret(&psk, hash, identity, cx.dialect)?;
    check_binder(&hello, at, &early, negotiated.binder_hash.as_ref())?;
    let server_name = host_name_of(&hello)?;
    check_name(&negotiated.config, server_name.as_deref())?;
    let proved = ExternalPsk {
        // Below `MAX_IDENTITIES`.
        index: u16::try_from(at).unwrap_or_default(),
        early,
        name: Arc::clone(psk.name()),
        alone,
    };
    let authentication = ProvedBy::External(Box::new(proved));
    send_flight(negotiated, server_name, authentication, cx)
}

/// There is no key in common. §4.2.11: a full handshake comes in its place, if there is a certificate for it.
fn without_key(
    negotiated: Negotiated,
    violation: Violation,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let config = &negotiated.config;
    let has_certificate = !config.identities.is_empty() || config.policy.asked.identity;
    if has_certificate && negotiated.group.is_some() {
        return choose_identity(negotiated, cx);
    }
    if violation != Violation::UnknownPskIdentity || !config.hide_unknown_psk_identities {
        return Err(violation.into());
    }
    // §6.2, §E.6: as if the identity were known and the client's key wrong. Nobody has this one.
    let hello = decoded_hello(&negotiated.hello)?;
    let mut key = Zeroizing::new([0; 32]);
    cx.random
        .fill(key.as_mut_slice())
        .map_err(CryptoFailure::from)?;
    let (hash, prefix) = (
        negotiated.suite.handshake_hash()?,
        cx.dialect.label_prefix(),
    );
    let early = EarlySecret::with_external_psk(hash, key.as_slice(), prefix);
    check_binder(&hello, 0, &early, negotiated.binder_hash.as_ref())?;
    Err(Violation::BadPskBinder.into())
}

/// Goes on with a session that began with a pre-shared key, if a full handshake would take that key today.
pub(super) fn resume_with_key(
    negotiated: Negotiated,
    server_name: Option<String>,
    resumption: Box<Resumption>,
    name: Arc<SharedSecretName>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let policy = &negotiated.config.policy;
    if !policy.asked.psk {
        return match policy.psks.contains(&name) {
            true => resume_session(negotiated, server_name, resumption, cx),
            false => choose_key(negotiated, cx),
        };
    }
    let configured = policy.psks.find(&name.identity);
    let configured = configured.map(|(_, psk)| psk.clone());
    let question = ask(
        &negotiated,
        vec![name.identity.clone()],
        true,
        configured,
        cx,
    )?;
    let paused = ReverifyingPsk(Box::new((negotiated, server_name, resumption, name)));
    Ok(Next::ask(question, paused))
}

/// Paused: somebody looks for the key that a session began with.
pub(crate) struct ReverifyingPsk(Box<Reverifying>);

/// With the server name and the name of the key.
type Reverifying = (
    Negotiated,
    Option<String>,
    Box<Resumption>,
    Arc<SharedSecretName>,
);

impl ReverifyingPsk {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let (negotiated, server_name, resumption, name) = *self.0;
        let AnswerContent::Psk(psk) = answer else {
            return Err(wrong_answer());
        };
        if psk.is_some_and(|psk| **psk.name() == *name) {
            return resume_session(negotiated, server_name, resumption, cx);
        }
        // Another key by now, or none: a full handshake will say so.
        choose_key(negotiated, cx)
    }
}
