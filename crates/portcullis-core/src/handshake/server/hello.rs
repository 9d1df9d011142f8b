//! The server reads a hello, and decides with which version and configuration to go on.
//!
//! RFC 8446 §4.1.2, §4.2.1.

use std::sync::Arc;

use super::super::compressed::check_list;
use super::super::machine::{self, End, Machine};
use super::super::renegotiation::Previous;
use super::super::{Cx, expect, versions, wrong_answer};
use super::ech::{self, Ech};
use super::requested::host_name_of;
use super::returned_cookie::ReturnedCookie;
use super::{Next, State, tls12, tls13};
use crate::Violation;
use crate::client_hello_view::ClientHelloView;
use crate::config::{Policy, ServerConfig, ServerOptions};
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::key_schedule::Unhashed;
use crate::question::{AnswerContent, ChooseConfiguration, Question, QuestionId};
use crate::record::HandshakeBytes;
use crate::version::Version;
use crate::wire::ClientHello;
use crate::wire::tls12::HelloRequest;

/// Waits for a client.
pub(crate) fn start(config: Arc<ServerOptions>) -> Box<dyn Machine> {
    start_with(config, None)
}

/// The same, and if a cookie has come back already, for the second hello.
pub(super) fn start_with(
    config: Arc<ServerOptions>,
    returned: Option<Box<ReturnedCookie>>,
) -> Box<dyn Machine> {
    machine::begin(State::from(WaitClientHello {
        config,
        previous: None,
        returned,
    }))
}

/// What another handshake on a connection begins with.
pub(super) struct ServerEnd {
    pub(super) config: Arc<ServerOptions>,
}

impl End for ServerEnd {
    fn policy(&self) -> &Policy {
        &self.config.policy
    }

    /// Asks for the client's hello, if the client has not begun by itself, and waits for it.
    fn restart(
        &self,
        previous: Arc<Previous>,
        asked: bool,
        cx: &mut Cx<'_>,
    ) -> Result<Box<dyn Machine>, Abort> {
        if !asked {
            cx.send(&mut Unhashed, HelloRequest::put);
            // Nothing may be behind it, whatever comes before it is out.
            cx.outgoing.end_record()?;
        }
        let (config, previous) = (Arc::clone(&self.config), Some(previous));
        Ok(machine::begin(State::from(WaitClientHello {
            config,
            previous,
            returned: None,
        })))
    }
}

pub(crate) struct WaitClientHello {
    config: Arc<ServerOptions>,
    /// In a renegotiation.
    previous: Option<Arc<Previous>>,
    /// Over datagrams: this is the second hello.
    returned: Option<Box<ReturnedCookie>>,
}

impl WaitClientHello {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let hello: ClientHello<'_> = expect(&message)?;
        check_syntax(&hello)?;
        if let Some(previous) = self.previous {
            // It goes on with the configuration that the connection has begun with.
            let version = versions::choose_again(cx.dialect, previous.version(), &hello)?;
            let (config, previous) = (self.config, Some(previous));
            return tls12::client_hello::on_hello(config, version, message, previous, cx);
        }
        // §5: from the first hello on, whatever the client may have been told by a middlebox.
        cx.incoming.allow_ccs(true);
        let (mut message, ech) = match &self.returned {
            None => ech::peel(&self.config, message, cx.dialect)?,
            Some(returned) => returned.peel(&self.config, message)?,
        };
        if self.config.policy.asked.hello {
            let question = ChooseConfiguration {
                id: QuestionId::next(),
                hello: ClientHelloView::of(&mut message)?,
                config: ServerConfig(Arc::clone(&self.config)),
            };
            let paused = ChoosingConfiguration {
                config: self.config,
                hello: message,
                ech,
                returned: self.returned,
            };
            return Ok(Next::ask(
                Question::ChooseConfiguration(Box::new(question)),
                paused,
            ));
        }
        decide(self.config, message, ech, self.returned, cx)
    }
}

/// Paused: the user looks at the hello and says which configuration serves it.
pub(crate) struct ChoosingConfiguration {
    config: Arc<ServerOptions>,
    hello: HandshakeBytes,
    ech: Option<Box<Ech>>,
    returned: Option<Box<ReturnedCookie>>,
}

impl ChoosingConfiguration {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let config = match answer {
            AnswerContent::KeepConfiguration => self.config,
            AnswerContent::Configuration(config) => {
                let ServerConfig(config) = match cx.dialect {
                    Dialect::Tls => config,
                    Dialect::Dtls => config.for_datagrams()?,
                };
                *cx.observe = config.policy.observe_messages;
                cx.alerts.clone_from(&config.policy.alerts);
                cx.incoming
                    .set_strict_alert_levels(config.policy.strict_alert_levels);
                config
            }
            _ => return Err(wrong_answer()),
        };
        decide(config, self.hello, self.ech, self.returned, cx)
    }
}

/// §4.2: what must hold of the hello of every version, so that somebody can look at it.
pub(super) fn check_syntax(hello: &ClientHello<'_>) -> Result<(), Violation> {
    match hello.extensions.duplicate() {
        Some(_) => Err(Violation::DuplicateNegotiation),
        None => check_list(&hello.extensions),
    }
}

/// The configuration is known, which says what versions there are.
fn decide(
    config: Arc<ServerOptions>,
    message: HandshakeBytes,
    ech: Option<Box<Ech>>,
    returned: Option<Box<ReturnedCookie>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    if cx.dialect == Dialect::Tls {
        config.policy.srtp.check_stream()?;
    }
    let hello: ClientHello<'_> = expect(&message)?;
    let version = versions::choose(cx.dialect, &config.policy.versions, &hello)?;
    if config.require_server_name && host_name_of(&hello)?.is_none() {
        return Err(Violation::ServerNameMissing.into());
    }
    if let Some(returned) = returned {
        // Such a cookie is asked for with TLS 1.3 alone.
        if version != Version::V1_3 {
            return Err(Violation::SecondHelloChanged.into());
        }
        return returned.go_on(config, message, ech, cx);
    }
    match version {
        Version::V1_3 => tls13::client_hello::choose_suite_and_group(config, message, ech, cx),
        version => tls12::client_hello::on_hello(config, version, message, None, cx),
    }
}
