//! TLS and DTLS that end here: which route a client takes, and whether it may, is decided in its handshake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis::question::{Answer, ChooseConfiguration, VerifyChain};
use portcullis::x509::CertificateError;
use portcullis::{AlertDescription, Answers, Error, Questions, Refusal, ServerConfig, TlsAcceptor};

use crate::config::{Listener, Plan};
use crate::meter::Outcome;
use crate::record::Record;
use crate::route::{Mode, NoRoute, Route};

/// How long a client that is refused may take to hear why.
pub(crate) const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Why a connection comes to nothing.
pub(crate) struct Refused {
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) outcome: Outcome,
}

impl Refused {
    pub(crate) const fn internal() -> Self {
        Self {
            route: None,
            outcome: Outcome::Internal,
        }
    }
}

/// What a handshake begins with, before it is known which route the client takes; `None` if TLS ends on none.
pub(crate) fn first(listener: &Listener) -> Option<ServerConfig> {
    let configs = || {
        let routes = listener.routes.0.iter();
        routes.filter_map(|route| match &route.mode {
            Mode::Terminate(config, _) => Some(config),
            _ => None,
        })
    };
    // Of early data the first one is asked whether somebody remembers it; which of them it is, the hello says.
    let asks = || configs().find(|config| config.asks_early_data());
    let first = listener.takes_early_data.then(asks).flatten();
    first.or_else(|| configs().next()).cloned()
}

/// The handshake of one client.
pub(crate) struct Termination {
    pub(crate) acceptor: TlsAcceptor,
    decided: Arc<Decided>,
}

impl Termination {
    /// `None` if TLS ends on no route of the listener.
    pub(crate) fn begin(plan: &Plan, listener: &Arc<Listener>) -> Option<Self> {
        let decided = Arc::new(Decided::default());
        let acceptor = (plan.kept.acceptor(first(listener)?))
            .handshake_timeout(plan.timeouts.handshake)
            .first_byte_timeout(plan.timeouts.first_byte)
            .alert_timeout(TOLD_WITHIN)
            .answers(Decide {
                listener: Arc::clone(listener),
                decided: Arc::clone(&decided),
            });
        Some(Self { acceptor, decided })
    }

    /// The route that the client takes, once its hello is here.
    pub(crate) fn route(&self) -> Option<Arc<Route>> {
        self.decided.route.get().cloned()
    }

    /// What a handshake that has failed comes to.
    pub(crate) fn failed(&self, error: &Error, record: &mut Record) -> Refused {
        record.note_error(error);
        record.note("stage", format!("{:?}", error.stage()));
        let outcome = if self.decided.no_route.load(Ordering::Relaxed) {
            Outcome::NoRoute
        } else if self.decided.rule.load(Ordering::Relaxed) {
            Outcome::Rule
        } else if error.is_silent_peer() || error.is_not_tls() || error.is_closed_in_handshake() {
            Outcome::Probe
        } else {
            Outcome::Handshake
        };
        Refused {
            route: self.route(),
            outcome,
        }
    }
}

/// What was decided during a handshake.
#[derive(Default)]
struct Decided {
    route: OnceLock<Arc<Route>>,
    no_route: AtomicBool,
    rule: AtomicBool,
}

/// Decides which route a client takes, and whether it may.
struct Decide {
    listener: Arc<Listener>,
    decided: Arc<Decided>,
}

impl Answers for Decide {
    fn questions(&self) -> Questions {
        match self.listener.has_rules {
            true => Questions::none().and_hello().and_chain(),
            false => Questions::none().and_hello(),
        }
    }

    async fn choose_configuration(&self, question: ChooseConfiguration) -> Answer {
        let hello = question.client_hello();
        let protocols: Vec<_> = hello.alpn_protocols().collect();
        let routes = &self.listener.routes;
        let chosen = routes.choose(hello.server_name(), protocols.into_iter());
        let chosen = chosen.and_then(|route| match &route.mode {
            Mode::Terminate(config, _) => Ok((route, config.clone())),
            Mode::Pass | Mode::Off => Err(NoRoute::Name),
        });
        match chosen {
            Ok((route, config)) => {
                let _ = self.decided.route.set(Arc::clone(route));
                question.use_config(config)
            }
            Err(why) => {
                self.decided.no_route.store(true, Ordering::Relaxed);
                question.refuse(Refusal::new(why.alert(), why.reason()))
            }
        }
    }

    async fn verify_chain(&self, question: VerifyChain) -> Answer {
        let proof = match question.check() {
            Ok(proof) => proof,
            Err(error) => return question.refuse(error),
        };
        let route = self.decided.route.get().map(|route| &route.mode);
        let Some(Mode::Terminate(_, Some(rules))) = route else {
            return question.accept(proof);
        };
        if rules.allow(&proof) {
            return question.accept(proof);
        }
        self.decided.rule.store(true, Ordering::Relaxed);
        question.refuse(CertificateError::rejected(
            AlertDescription::ACCESS_DENIED,
            "no rule of the route lets this client in",
        ))
    }
}
