//! Which certificate this client gets, and with it which suite: before TLS 1.3 a suite says what key
//! there must be.
//!
//! RFC 5246 §7.4.2, RFC 8422 §5.3, RFC 6066 §3.

use super::super::super::negotiate;
use super::super::super::{Cx, find};
use super::super::requested::{check_name, identity_in, wanted};
use super::super::shortfall::{no_identity, no_key_for, no_scheme, no_suite, no_type};
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::flight::{send_abbreviated_flight, send_flight};
use super::groups::none_fits;
use super::resumption::Resumption;
use crate::client_hello_view::ClientHelloView;
use crate::error::Abort;
use crate::question::{AnswerContent, ChooseIdentity, Question, QuestionId, WantedIdentity};
use crate::suite::{CipherSuite, Exchange};
use crate::wire::ClientHello;
use crate::wire::extension::SrpUser;
use crate::x509::Identity;
use crate::{Misuse, SignatureScheme, Violation};

/// The suite, and what this side will show.
pub(super) struct Chosen {
    pub(super) suite: CipherSuite,
    /// `None` where the suite's key exchange has no certificate.
    pub(super) shown: Option<Shown>,
}

pub(super) struct Shown {
    pub(super) identity: Identity,
    /// `None` where the key signs nothing.
    pub(super) scheme: Option<SignatureScheme>,
}

/// Chooses a suite and the identity that goes with it, or asks.
pub(super) fn choose_identity(negotiated: Negotiated, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let config = &negotiated.config;
    let (wanted, suites) = wanted_with_suites(&negotiated, cx)?;
    let Some(&first) = suites.first() else {
        return Err(no_common_suite(&negotiated, cx)?);
    };
    if shows_nothing(&first) {
        return show_nothing(negotiated, first, wanted.server_name, cx);
    }
    if config.policy.asked.identity {
        return ask(negotiated, wanted, suites, None);
    }
    check_name(config, wanted.server_name.as_deref())?;
    if let Some((identity, scheme)) = wanted.choose_any(&config.identities) {
        return show(
            negotiated,
            &suites,
            identity,
            scheme,
            wanted.server_name,
            cx,
        );
    }
    // What is without a certificate was named, and comes after what is better.
    match suites.iter().copied().find(shows_nothing) {
        Some(suite) => show_nothing(negotiated, suite, wanted.server_name, cx),
        None => Err(nothing_fits(&negotiated, &wanted, &suites, cx)?),
    }
}

fn shows_nothing(suite: &CipherSuite) -> bool {
    let exchange = suite.exchange();
    exchange.is_some_and(|exchange| exchange.without_certificate().is_some())
}

/// Goes on without a certificate.
fn show_nothing(
    negotiated: Negotiated,
    suite: CipherSuite,
    server_name: Option<String>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    check_name(&negotiated.config, server_name.as_deref())?;
    let chosen = Chosen { suite, shown: None };
    send_flight(negotiated, chosen, server_name, cx)
}

/// Why no identity will do: no suite goes with any of the keys, the client takes no signature that
/// they make, or it lists none of their curves.
fn nothing_fits(
    negotiated: &Negotiated,
    wanted: &WantedIdentity,
    suites: &[CipherSuite],
    cx: &Cx<'_>,
) -> Result<Abort, Abort> {
    let identities = &negotiated.config.identities;
    if wanted.choose_on_any_curve(identities).is_some() {
        return Ok(Violation::NoSharedCertificateCurve.into());
    }
    if let Some(abort) = no_type(&negotiated.config, wanted) {
        return Ok(abort);
    }
    let version = negotiated.version;
    let goes_with = |scheme| suites.iter().any(|suite| suite.goes_with(scheme));
    let any_goes = identities
        .iter()
        .any(|identity| identity.schemes_for(version).any(goes_with));
    Ok(match any_goes {
        true => {
            let hello = decoded_hello(&negotiated.hello)?;
            no_scheme(&negotiated.config, cx.dialect.code(version), &hello)
        }
        false => no_key_for(suites, identities),
    })
}

/// Why there is no suite: none is shared, or no curve, which those need that are.
#[cold]
fn no_common_suite(negotiated: &Negotiated, cx: &Cx<'_>) -> Result<Abort, Abort> {
    let (config, version) = (&negotiated.config, cx.dialect.code(negotiated.version));
    let hello = decoded_hello(&negotiated.hello)?;
    let mut shared = negotiate::cipher_suites(config, version, hello.cipher_suites.iter());
    Ok(match shared.next() {
        Some(first) if has_user(&first) || shared.any(|suite| has_user(&suite)) => {
            Violation::SrpUserMissing.into()
        }
        Some(_) => none_fits(config, version, &hello),
        None => no_suite(config, version, &hello),
    })
}

/// Asks for an identity where a session could be resumed: an application that refuses the client, or
/// has no certificate with its name any more, must be able to do so here too.
pub(super) fn ask_again(
    negotiated: Negotiated,
    session: Box<Resumption>,
    cx: &Cx<'_>,
) -> Result<Next, Abort> {
    let (wanted, suites) = wanted_with_suites(&negotiated, cx)?;
    ask(negotiated, wanted, suites, Some(session))
}

fn ask(
    mut negotiated: Negotiated,
    wanted: WantedIdentity,
    suites: Vec<CipherSuite>,
    session: Option<Box<Resumption>>,
) -> Result<Next, Abort> {
    let question = ChooseIdentity {
        id: QuestionId::next(),
        configured: negotiated.config.identities.clone(),
        hello: Some(ClientHelloView::of(&mut negotiated.hello)?),
        wanted: wanted.clone().into(),
    };
    let paused = ChoosingIdentity(Box::new(UndecidedIdentity {
        negotiated,
        wanted,
        suites,
        session,
    }));
    Ok(Next::ask(
        Question::ChooseIdentity(Box::new(question)),
        paused,
    ))
}

/// What the client said about certificates, of which only what a suite can have.
fn wanted_with_suites(
    negotiated: &Negotiated,
    cx: &Cx<'_>,
) -> Result<(WantedIdentity, Vec<CipherSuite>), Abort> {
    let hello = decoded_hello(&negotiated.hello)?;
    let mut wanted = wanted(&negotiated.config, &hello, negotiated.version)?;
    // Another handshake is of the same connection: a client that names nobody in it means whom the first has named.
    if let (None, Some(previous)) = (&wanted.server_name, &negotiated.previous) {
        wanted.server_name = previous.information.server_name().map(str::to_owned);
    }
    let suites = suites(negotiated, &hello, cx);
    wanted
        .schemes
        .retain(|scheme| suites.iter().any(|suite| suite.goes_with(*scheme)));
    let unsigned = suites.iter().copied().filter(is_unsigned);
    wanted.unsigned = unsigned.collect();
    Ok((wanted, suites))
}

fn is_unsigned(suite: &CipherSuite) -> bool {
    suite.exchange().is_some_and(Exchange::is_unsigned)
}

/// The suites that both sides have, by the order that counts.
fn suites(negotiated: &Negotiated, hello: &ClientHello<'_>, cx: &Cx<'_>) -> Vec<CipherSuite> {
    let version = cx.dialect.code(negotiated.version);
    let groups = &negotiated.groups;
    negotiate::cipher_suites(&negotiated.config, version, hello.cipher_suites.iter())
        .filter(|suite| groups.fit(*suite) && (!has_user(suite) || names_user(hello)))
        .collect()
}

fn has_user(suite: &CipherSuite) -> bool {
    suite.exchange().is_some_and(Exchange::has_user)
}

/// RFC 5054 §2.5.1.2. What is there and malformed is refused where it is read.
fn names_user(hello: &ClientHello<'_>) -> bool {
    !matches!(find::<SrpUser<'_>>(&hello.extensions), Ok(None))
}

fn show(
    negotiated: Negotiated,
    suites: &[CipherSuite],
    identity: Identity,
    scheme: Option<SignatureScheme>,
    server_name: Option<String>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let fits = |suite: &&CipherSuite| {
        scheme.is_some_and(|scheme| suite.goes_with(scheme)) || identity.exchanges_keys(**suite)
    };
    let suite = suites.iter().find(fits);
    let suite = *suite.ok_or(Violation::NoSharedCipherSuite)?;
    let scheme = scheme.filter(|_| !is_unsigned(&suite));
    let chosen = Chosen {
        suite,
        shown: Some(Shown { identity, scheme }),
    };
    send_flight(negotiated, chosen, server_name, cx)
}

/// Paused: the user chooses what to show.
pub(crate) struct ChoosingIdentity(Box<UndecidedIdentity>);

struct UndecidedIdentity {
    negotiated: Negotiated,
    wanted: WantedIdentity,
    suites: Vec<CipherSuite>,
    /// What is resumed if the identity that would be shown fits.
    session: Option<Box<Resumption>>,
}

impl ChoosingIdentity {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let UndecidedIdentity {
            negotiated,
            wanted,
            suites,
            session,
        } = *self.0;
        let was_left = matches!(answer, AnswerContent::ConfiguredIdentity(_));
        let (identity, scheme) = identity_in(answer, &negotiated.config, &wanted)?;
        // As in `would_show`.
        let shown = identity.as_ref().map(Identity::names_digest);
        let would_show = |session: &Resumption| {
            let leaf = session.leaf.as_ref();
            shown.is_some() && shown == leaf.map(|leaf| &leaf.names)
        };
        if let Some(mut session) = session.filter(|session| would_show(session)) {
            session.shown = identity.as_ref().map(Identity::certificate_type);
            return send_abbreviated_flight(negotiated, *session, cx);
        }
        let Some(identity) = identity else {
            return Err(match negotiated.config.identities.is_empty() {
                false if was_left => nothing_fits(&negotiated, &wanted, &suites, cx)?,
                _ => no_identity(),
            });
        };
        if !wanted.accepts(&identity) {
            return Err(Misuse::new(
                "the chosen identity's key cannot sign with any scheme, or goes with no cipher \
                 suite, that the client accepts",
            )
            .into());
        }
        let scheme = scheme.or_else(|| identity.scheme_for(&wanted.schemes, negotiated.version));
        if !wanted.is_on_listed_curve(&identity) {
            return Err(Misuse::new(
                "the chosen identity's key is on a curve that the client does not list: see \
                 `certificate_curves` of the question",
            )
            .into());
        }
        show(
            negotiated,
            &suites,
            identity,
            scheme,
            wanted.server_name,
            cx,
        )
    }
}
