//! Which route a client takes, by what is in its hello.

use std::sync::Arc;

use portcullis::{AlertDescription, ServerConfig};

use crate::backend::Backend;
use crate::meter::Counts;
use crate::rules::Rules;

/// What becomes of a connection.
#[derive(Debug)]
pub(crate) struct Route {
    /// For the log: its first name, or what it is.
    pub(crate) label: String,
    pub(crate) names: Vec<String>,
    pub(crate) alpn: Vec<String>,
    pub(crate) mode: Mode,
    pub(crate) backend: Arc<Backend>,
    /// Whether a client that ends without close_notify counts as one that has ended.
    pub(crate) is_lenient: bool,
    pub(crate) takes_early_data: bool,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Debug)]
pub(crate) enum Mode {
    /// TLS ends here; with rules for clients, if they have to show a certificate.
    Terminate(ServerConfig, Option<Rules>),
    /// The hello is read, and not answered.
    Pass,
    /// There is no TLS.
    Off,
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    Name,
    Protocol,
}

impl NoRoute {
    /// What the client is told (RFC 6066 §3, RFC 7301 §3.2).
    pub(crate) const fn alert(self) -> AlertDescription {
        match self {
            Self::Name => AlertDescription::UNRECOGNIZED_NAME,
            Self::Protocol => AlertDescription::NO_APPLICATION_PROTOCOL,
        }
    }

    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Name => "no route has the name in the hello",
            Self::Protocol => "no route has an application protocol of the hello",
        }
    }
}

/// The routes of a listener, in the order of the file.
#[derive(Debug)]
pub(crate) struct Routes(pub(crate) Vec<Arc<Route>>);

impl Routes {
    /// The route of a listener without TLS.
    pub(crate) fn plain(&self) -> Option<&Arc<Route>> {
        self.0.iter().find(|route| matches!(route.mode, Mode::Off))
    }

    /// Whether a hello may be read that is not answered here.
    pub(crate) fn passes(&self) -> bool {
        self.0.iter().any(|route| matches!(route.mode, Mode::Pass))
    }

    /// The exact name; else `*.` and all but the first label; else what has no names. Of the routes of one name that
    /// which has a protocol of the client's, the first in the file; else that which has no protocols. A client that
    /// names none takes that, or the first (RFC 7301 §3.2: it did not ask).
    pub(crate) fn choose<'p>(
        &self,
        name: Option<&str>,
        protocols: impl Iterator<Item = &'p [u8]> + Clone,
    ) -> Result<&Arc<Route>, NoRoute> {
        let wildcard = name.and_then(|name| name.split_once('.'));
        let wildcard = wildcard.map(|(_, parent)| format!("*.{parent}"));
        let levels = [name, wildcard.as_deref()];
        for wanted in levels.into_iter().flatten() {
            let of_name = |route: &&Arc<Route>| route.names.iter().any(|it| it == wanted);
            if self.0.iter().any(|route| of_name(&route)) {
                return Self::by_protocol(self.0.iter().filter(of_name), protocols);
            }
        }
        let mut unnamed = self.0.iter().filter(|route| route.names.is_empty());
        if unnamed.clone().next().is_none() {
            return Err(NoRoute::Name);
        }
        Self::by_protocol(&mut unnamed, protocols)
    }

    fn by_protocol<'r, 'p>(
        routes: impl Iterator<Item = &'r Arc<Route>>,
        protocols: impl Iterator<Item = &'p [u8]> + Clone,
    ) -> Result<&'r Arc<Route>, NoRoute> {
        let routes: Vec<_> = routes.collect();
        let speaks = |route: &Route| {
            let mut protocols = protocols.clone();
            protocols.any(|protocol| route.alpn.iter().any(|it| it.as_bytes() == protocol))
        };
        let asks = protocols.clone().next().is_some();
        let spoken = routes.iter().find(|route| speaks(route));
        let silent = routes.iter().find(|route| route.alpn.is_empty());
        let first = routes.first().filter(|_| !asks);
        let chosen = spoken.or(silent).or(first);
        chosen.copied().ok_or(NoRoute::Protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(label: &str, names: &[&str], alpn: &[&str]) -> Arc<Route> {
        Arc::new(Route {
            label: label.to_owned(),
            names: names.iter().map(ToString::to_string).collect(),
            alpn: alpn.iter().map(ToString::to_string).collect(),
            mode: Mode::Pass,
            backend: Arc::new(Backend::for_tests()),
            is_lenient: false,
            takes_early_data: false,
            counts: Arc::default(),
        })
    }

    fn chosen(routes: &Routes, name: Option<&str>, protocols: &[&str]) -> Result<String, NoRoute> {
        let protocols = protocols.iter().map(|it| it.as_bytes());
        routes.choose(name, protocols).map(|it| it.label.clone())
    }

    #[test]
    fn exact_names_then_wildcards_of_one_label_then_the_rest() {
        let routes = Routes(vec![
            route("rest", &[], &[]),
            route("wild", &["*.a.b"], &[]),
            route("exact", &["x.a.b"], &[]),
        ]);
        for (name, label) in [
            (Some("x.a.b"), "exact"),
            (Some("y.a.b"), "wild"),
            (Some("x.y.a.b"), "rest"),
            (Some("a.b"), "rest"),
            (Some("b"), "rest"),
            (None, "rest"),
        ] {
            assert_eq!(chosen(&routes, name, &[]).unwrap(), label, "{name:?}");
        }
        let strict = Routes(routes.0[1..].to_vec());
        assert_eq!(chosen(&strict, Some("a.b"), &[]), Err(NoRoute::Name));
        assert_eq!(chosen(&strict, None, &[]), Err(NoRoute::Name));
    }

    #[test]
    fn of_one_name_the_protocol_decides() {
        let routes = Routes(vec![
            route("web", &["a.b"], &["h2", "http/1.1"]),
            route("mqtt", &["a.b"], &["mqtt"]),
        ]);
        for (protocols, label) in [
            (&["mqtt"][..], Ok("mqtt".to_owned())),
            (&["http/1.1"], Ok("web".to_owned())),
            (&["x", "mqtt"], Ok("mqtt".to_owned())),
            (&[], Ok("web".to_owned())),
            (&["x"], Err(NoRoute::Protocol)),
        ] {
            assert_eq!(chosen(&routes, Some("a.b"), protocols), label);
        }
        let mut all = routes.0;
        all.push(route("other", &["a.b"], &[]));
        let routes = Routes(all);
        assert_eq!(chosen(&routes, Some("a.b"), &["x"]).unwrap(), "other");
        assert_eq!(chosen(&routes, Some("a.b"), &[]).unwrap(), "other");
    }
}
