//! Which certificate this client gets, and with it which suite: before TLS 1.3 a suite says what key
//! there must be.
//!
//! RFC 5246 §7.4.2, RFC 8422 §5.3, RFC 6066 §3.

use super::super::super::negotiate;
use super::super::super::{Cx, Next, expect, wrong_answer};
use super::super::wishes::{check_name, wanted};
use super::Negotiated;
use super::flight::send_flight;
use crate::client_hello_view::ClientHelloView;
use crate::error::Abort;
use crate::question::{AnswerContent, ChooseIdentity, Question, QuestionId, WantedIdentity};
use crate::suite::CipherSuite;
use crate::wire::ClientHello;
use crate::x509::Identity;
use crate::{Misuse, SignatureScheme, Violation};

/// What this side will show.
pub(super) struct Chosen {
    pub(super) identity: Identity,
    pub(super) scheme: SignatureScheme,
    pub(super) suite: CipherSuite,
}

/// Chooses an identity and the suite that goes with it, or asks.
pub(super) fn choose_identity(negotiated: Negotiated, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&negotiated.hello)?;
    let config = &negotiated.config;
    let mut wanted = wanted(&hello, negotiated.version)?;
    let suites = suites(&negotiated, &hello, cx);
    if suites.is_empty() {
        return Err(Violation::NoSharedCipherSuite.into());
    }
    // Only schemes whose keys a suite can have.
    wanted
        .schemes
        .retain(|scheme| suites.iter().any(|suite| suite.goes_with(*scheme)));
    if config.policy.asked.identity {
        let question = ChooseIdentity {
            id: QuestionId::next(),
            configured: config.identities.clone(),
            hello: Some(ClientHelloView::new(negotiated.hello.share())?),
            wanted: wanted.clone(),
        };
        let paused = ChoosingIdentity(Box::new(Undecided {
            negotiated,
            wanted,
            suites,
        }));
        return Ok(Next::ask(Question::ChooseIdentity(question), paused));
    }
    check_name(config, wanted.server_name.as_deref())?;
    let (identity, scheme) = wanted
        .choose(&config.identities)
        .ok_or(Violation::NoSharedSignatureScheme)?;
    show(
        negotiated,
        &suites,
        identity,
        scheme,
        wanted.server_name,
        cx,
    )
}

/// The suites that both sides have, by the order that counts.
fn suites(negotiated: &Negotiated, hello: &ClientHello<'_>, cx: &Cx<'_>) -> Vec<CipherSuite> {
    let version = cx.dialect.code(negotiated.version);
    let offered = hello.cipher_suites.iter();
    let usable = offered.filter(|suite| suite.is_usable_in(version));
    negotiate::cipher_suites(&negotiated.config, usable)
}

fn show(
    negotiated: Negotiated,
    suites: &[CipherSuite],
    identity: Identity,
    scheme: SignatureScheme,
    server_name: Option<String>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let mut fitting = suites.iter().filter(|suite| suite.goes_with(scheme));
    let suite = *fitting.next().ok_or(Violation::NoSharedCipherSuite)?;
    let chosen = Chosen {
        identity,
        scheme,
        suite,
    };
    send_flight(negotiated, chosen, server_name, cx)
}

/// Paused: the user chooses what to show.
pub(crate) struct ChoosingIdentity(Box<Undecided>);

struct Undecided {
    negotiated: Negotiated,
    wanted: WantedIdentity,
    suites: Vec<CipherSuite>,
}

impl ChoosingIdentity {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let Undecided {
            negotiated,
            wanted,
            suites,
        } = *self.0;
        let (identity, scheme) = match answer {
            AnswerContent::Identity(identity) => (identity, None),
            AnswerContent::ConfiguredIdentity(chosen) => {
                check_name(&negotiated.config, wanted.server_name.as_deref())?;
                chosen.unzip()
            }
            _ => return Err(wrong_answer()),
        };
        let identity = identity.ok_or(Violation::NoSharedSignatureScheme)?;
        let scheme = scheme
            .or_else(|| identity.scheme_for(&wanted.schemes, negotiated.version))
            .ok_or_else(|| {
                Misuse::new(
                    "the chosen identity's key cannot sign with any scheme, or goes with no cipher \
                     suite, that the client accepts",
                )
            })?;
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
