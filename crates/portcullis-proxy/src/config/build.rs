//! From what a file says to what the proxy runs with.

mod account;
mod allow;
mod datagrams;
mod tickets;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ipnet::IpNet;
use portcullis::pki_types::ServerName;
use portcullis::{
    ClientAuthentication, ClientConfig, Identity, Misuse, Roots, ServerConfig, ToServerName as _,
};

use self::tickets::Tickets;
use super::model::{self, File, RouteBackend, Text, Tls};
use super::plan::{Access, Admin, Listener, Plan, days_left};
use super::report::Report;
use super::section::did_you_mean;
use crate::address::{ListenAddress, ServerAddress, is_host};
use crate::backend::{Backend, Originate, Server};
use crate::route::{Mode, Route, Routes};
use crate::rules::Rules;

/// A certificate that ends earlier is warned of.
const SOON: usize = 14;
/// The longest name of a protocol (RFC 7301 §3.1).
const LONGEST_PROTOCOL: usize = 255;

/// `None` where something is wrong, which stands in the report.
pub(super) fn build(report: &Report<'_>, path: Option<&Path>, file: &File) -> Option<Plan> {
    let mut maker = Maker {
        report,
        path,
        file,
        tickets: Tickets::default(),
    };
    maker.tickets = maker.tickets();
    let account = maker.account();
    let identities = maker.identities();
    let backends = maker.backends(&identities);
    let listeners = maker.listeners();
    maker.check_take_over(&listeners);
    let (routes, own) = maker.routes(&identities, &backends, &listeners);
    let admin = maker.admin();
    let mut all: Vec<_> = backends.into_iter().map(|(_, backend)| backend).collect();
    all.extend(own);
    let listeners = maker.join(listeners, routes);
    let kept = maker.tickets.kept(&listeners);
    report.is_clean().then(|| Plan {
        account,
        admin,
        access: (file.access.as_ref()).map_or(Access::Stdout, |text| super::access(text.get_ref())),
        take_over: (file.take_over.as_ref()).map(|text| text.get_ref().into()),
        workers: file.workers,
        watch: file.watch,
        timeouts: file.timeouts.clone(),
        limits: file.limits.clone(),
        kept,
        listeners: listeners.into_iter().map(Arc::new).collect(),
        identities,
        backends: all,
    })
}

struct Maker<'f> {
    report: &'f Report<'f>,
    /// Where it was read, if it was.
    path: Option<&'f Path>,
    file: &'f File,
    /// What the tickets of all routes are.
    tickets: Tickets,
}

type Identities = Vec<(String, Identity)>;
type Backends = Vec<(String, Arc<Backend>)>;
/// A route, and the listener that it is of.
type Placed = (usize, Route);

impl Maker<'_> {
    fn wrong(&self, span: &Range<usize>, text: impl Into<String>) {
        self.report.wrong(span, text);
    }

    /// Every name once.
    fn unique<'n>(&self, what: &str, names: impl Iterator<Item = &'n Text>) {
        let mut lines = HashMap::new();
        for name in names {
            let line = self.report.line(&name.span());
            if let Some(first) = lines.insert(name.get_ref(), line) {
                let text = format!(
                    "there are two {what} \"{}\", the first in line {first}; give this one another name",
                    name.get_ref()
                );
                self.wrong(&name.span(), text);
            }
        }
    }

    fn identities(&self) -> Identities {
        self.unique("identities", self.file.identities.iter().map(|it| &it.name));
        let mut identities = Vec::new();
        for entry in &self.file.identities {
            let name = entry.name.get_ref();
            let chain = entry.certificate.get_ref();
            let made = match &entry.key {
                Some(key) => Identity::from_pem_files(chain, key.get_ref()),
                None => Identity::from_pem_file(chain),
            };
            let identity = match made {
                Ok(identity) => identity,
                Err(misuse) => {
                    let place = entry.key.as_ref().unwrap_or(&entry.certificate);
                    self.wrong(&place.span(), format!("identity \"{name}\": {misuse}"));
                    continue;
                }
            };
            if let Some(days @ ..SOON) = days_left(&identity) {
                let text = format!("identity \"{name}\": the certificate has {days} days left");
                self.report.warn(&entry.certificate.span(), text);
            }
            let key = entry.key.as_ref().unwrap_or(&entry.certificate);
            if is_readable_by_others(Path::new(key.get_ref())) {
                let text = format!(
                    "identity \"{name}\": others can read the key {}; chmod 600 it",
                    key.get_ref()
                );
                self.report.warn(&key.span(), text);
            }
            identities.push((name.clone(), identity));
        }
        identities
    }

    /// What a name stands for; `None` also if there was something wrong with it, which was told.
    fn identity<'i>(&self, identities: &'i Identities, name: &Text) -> Option<&'i Identity> {
        let known = || self.file.identities.iter().map(|it| it.name.get_ref());
        let found = identities.iter().find(|(it, _)| it == name.get_ref());
        if found.is_none() && !known().any(|it| it == name.get_ref()) {
            let meant = did_you_mean(name.get_ref(), known().map(String::as_str));
            let text = format!("there is no identity \"{}\"{meant}", name.get_ref());
            self.wrong(&name.span(), text);
        }
        found.map(|(_, identity)| identity)
    }

    fn roots(&self, file: &Text) -> Option<Roots> {
        match Roots::from_pem_file(file.get_ref()) {
            Ok(roots) if !roots.is_empty() => Some(roots),
            Ok(_) => {
                let text = format!("{} has no certificate of an authority", file.get_ref());
                self.wrong(&file.span(), text);
                None
            }
            Err(misuse) => {
                self.wrong(&file.span(), misuse.to_string());
                None
            }
        }
    }

    fn backends(&self, identities: &Identities) -> Backends {
        let names = self.file.backends.iter().filter_map(|it| it.name.as_ref());
        self.unique("backends", names.clone());
        for name in names {
            let number = name.get_ref().strip_prefix("route ");
            if number.is_some_and(|number| number.parse::<usize>().is_ok()) {
                let text = "a backend that stands in a route alone is called so; give this one another name";
                self.wrong(&name.span(), text);
            }
        }
        let backends = self.file.backends.iter().filter_map(|entry| {
            let name = entry.name.as_ref()?.get_ref();
            let made = self.backend(entry, name, identities)?;
            Some((name.clone(), Arc::new(made)))
        });
        backends.collect()
    }

    fn backend(
        &self,
        entry: &model::Backend,
        name: &str,
        identities: &Identities,
    ) -> Option<Backend> {
        let mut servers = Vec::new();
        for text in &entry.servers {
            match ServerAddress::parse(text.get_ref()) {
                Ok(address) => servers.push(Arc::new(Server::new(address))),
                Err(expected) => {
                    self.wrong(&text.span(), format!("\"{}\": {expected}", text.get_ref()));
                }
            }
        }
        let tls = entry.tls.as_ref().map(|tls| {
            let has_no_host = servers.iter().any(|server| server.address.host().is_none());
            if tls.name.is_none() && has_no_host {
                let text = "a server on a Unix socket has no name; give tls.name, which its certificate is for";
                self.wrong(&tls.span, text);
            }
            self.originate(tls, identities)
        });
        self.check_servers(entry, name, &servers);
        if servers.is_empty() || tls.as_ref().is_some_and(Option::is_none) {
            return None;
        }
        Some(Backend {
            name: name.to_owned(),
            servers,
            tls: tls.flatten(),
            send_proxy: entry.send_proxy,
            health: entry.health.clone(),
            turn: AtomicUsize::new(0),
        })
    }

    fn originate(&self, tls: &model::BackendTls, identities: &Identities) -> Option<Originate> {
        let usage = |misuse: Misuse| self.wrong(&tls.span, misuse.to_string());
        let name = match &tls.name {
            Some(text) => match text.get_ref().to_server_name() {
                Ok(name) => Some(ServerName::to_owned(&name)),
                Err(error) => {
                    self.wrong(&text.span(), format!("\"{}\": {error}", text.get_ref()));
                    None
                }
            },
            None => None,
        };
        let roots = match &tls.roots {
            Some(file) => self.roots(file)?,
            None => Roots::os().map_err(usage).ok()?,
        };
        let mut builder = ClientConfig::builder(roots).alpn(self.protocols(&tls.alpn));
        if let Some(name) = &tls.identity {
            builder = builder.identity(self.identity(identities, name)?.clone());
        }
        let config = builder.build().map_err(usage).ok()?;
        Some(Originate::new(config, name, tls.lenient.unwrap_or(false)))
    }

    fn protocols(&self, texts: &[Text]) -> Vec<String> {
        for text in texts {
            if !(1..=LONGEST_PROTOCOL).contains(&text.get_ref().len()) {
                let text_of = "a protocol is 1 to 255 bytes, e.g. \"h2\" or \"http/1.1\"";
                self.wrong(&text.span(), text_of);
            }
        }
        texts.iter().map(|text| text.get_ref().clone()).collect()
    }

    fn listeners(&self) -> Vec<Listener> {
        if self.file.listeners.is_empty() {
            let text = "there is no listener: write [[listen]] with name and address";
            self.wrong(&(0..0), text);
        }
        self.unique("listeners", self.file.listeners.iter().map(|it| &it.name));
        let mut taken: HashMap<ListenAddress, &str> = HashMap::new();
        let mut listeners = Vec::new();
        for entry in &self.file.listeners {
            let name = entry.name.get_ref();
            let mut addresses = Vec::new();
            for place in &entry.addresses {
                let address = match ListenAddress::parse(place.get_ref()) {
                    Ok(address) => address,
                    Err(expected) => {
                        self.wrong(
                            &place.span(),
                            format!("\"{}\": {expected}", place.get_ref()),
                        );
                        continue;
                    }
                };
                // Port 0 is another one each time.
                let is_free = matches!(&address, ListenAddress::Tcp(it) if it.port() == 0);
                if let Some(other) = taken.insert(address.clone(), name)
                    && !is_free
                {
                    let text = match other == name {
                        true => format!("listener \"{name}\" has the address {address} twice"),
                        false => format!(
                            "listeners \"{other}\" and \"{name}\" both have the address {address}"
                        ),
                    };
                    self.wrong(&place.span(), text);
                }
                addresses.push(address);
            }
            self.check_addresses(entry, &addresses);
            let proxies = entry.proxies.iter().filter_map(|text| self.network(text));
            let proxies: Vec<_> = proxies.collect();
            let is_unix = |it: &ListenAddress| matches!(it, ListenAddress::Unix(_));
            if !entry.proxies.is_empty() && addresses.iter().any(is_unix) {
                let text = "proxy_protocol does not go with a Unix socket, whose peers have no address; give the \
                            socket a listener of its own";
                self.wrong(&entry.proxies[0].span(), text);
            }
            listeners.push(Listener {
                name: name.clone(),
                addresses,
                proxies: proxies.into(),
                routes: Routes(Vec::new()),
                has_rules: false,
                takes_early_data: false,
            });
        }
        listeners
    }

    fn network(&self, text: &Text) -> Option<IpNet> {
        let address = text.get_ref().parse::<IpAddr>().map(IpNet::from);
        let network = text.get_ref().parse::<IpNet>().or(address);
        if network.is_err() {
            let expected = "a network is ADDRESS/BITS, e.g. \"10.1.0.0/16\", or one address";
            self.wrong(&text.span(), format!("\"{}\": {expected}", text.get_ref()));
        }
        network.ok()
    }

    /// The routes, and those backends that are of one route alone.
    fn routes(
        &self,
        identities: &Identities,
        backends: &Backends,
        listeners: &[Listener],
    ) -> (Vec<Placed>, Vec<Arc<Backend>>) {
        let (mut routes, mut own) = (Vec::new(), Vec::new());
        for (at, entry) in self.file.routes.iter().enumerate() {
            let title = title(at, entry);
            let backend = match &entry.backend {
                RouteBackend::Named(name) => self.named(&title, name, backends),
                RouteBackend::Own(backend) => {
                    let made = self.backend(backend, &format!("route {}", at + 1), identities);
                    let made = made.map(Arc::new);
                    own.extend(made.clone());
                    made
                }
                RouteBackend::Missing => None,
            };
            let listener = self.listener_of(&title, entry);
            if let Some(listener) = listener.and_then(|at| listeners.get(at)) {
                self.check_datagrams(&title, entry, listener, backend.as_deref());
            }
            let mode = self.mode(&title, entry, identities);
            for name in &entry.names {
                self.check_name(name);
            }
            let (Some(backend), Some(listener), Some(mode)) = (backend, listener, mode) else {
                continue;
            };
            let label = entry.names.first().map_or("*", |name| name.get_ref());
            let route = Route {
                label: label.to_owned(),
                names: entry.names.iter().map(|it| it.get_ref().clone()).collect(),
                alpn: self.protocols(&entry.alpn),
                mode,
                backend,
                is_lenient: entry.lenient.unwrap_or(false),
                takes_early_data: entry.early_data.is_some(),
                counts: Arc::default(),
            };
            routes.push((listener, route));
        }
        self.check_doubles();
        (routes, own)
    }

    fn named(&self, title: &str, name: &Text, backends: &Backends) -> Option<Arc<Backend>> {
        let known = || self.file.backends.iter().filter_map(|it| it.name.as_ref());
        let found = backends.iter().find(|(it, _)| it == name.get_ref());
        if found.is_none() && !known().any(|it| it.get_ref() == name.get_ref()) {
            let meant = did_you_mean(name.get_ref(), known().map(|it| it.get_ref().as_str()));
            let text = format!("{title}: there is no backend \"{}\"{meant}", name.get_ref());
            self.wrong(&name.span(), text);
        }
        found.map(|(_, backend)| Arc::clone(backend))
    }

    fn listener_of(&self, title: &str, entry: &model::Route) -> Option<usize> {
        let known = || self.file.listeners.iter().map(|it| it.name.get_ref());
        let Some(name) = &entry.listen else {
            if self.file.listeners.len() > 1 {
                let text = format!("{title} has no `listen`: name one of the listeners");
                self.wrong(&entry.span, text);
            }
            return Some(0);
        };
        let found = known().position(|it| it == name.get_ref());
        if found.is_none() {
            let meant = did_you_mean(name.get_ref(), known().map(String::as_str));
            let text = format!(
                "{title}: there is no listener \"{}\"{meant}",
                name.get_ref()
            );
            self.wrong(&name.span(), text);
        }
        found
    }

    fn check_name(&self, name: &Text) {
        let text = name.get_ref();
        let host = text.strip_prefix("*.").unwrap_or(text);
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if !is_lower || !is_host(host) {
            let expected = "a name is that of a host in lower case, of A-labels (xn--…), e.g. \"api.example.com\", or \
                            \"*.example.com\" for one label";
            self.wrong(&name.span(), format!("\"{text}\": {expected}"));
        }
    }

    fn mode(&self, title: &str, entry: &model::Route, identities: &Identities) -> Option<Mode> {
        let tls = match (entry.tls, entry.identities.is_empty()) {
            (Some(tls), _) => tls,
            (None, false) => Tls::Terminate,
            (None, true) => {
                let text = format!(
                    "{title}: what becomes of TLS? Name an `identity` to terminate it, or say tls = \"pass\" or \
                     tls = \"off\""
                );
                // Where something else is said of it, that was told.
                if entry.tls_span == entry.span {
                    self.wrong(&entry.span, text);
                }
                return None;
            }
        };
        let unused = |span: &Range<usize>, key: &str, why: &str| {
            let word = if tls == Tls::Pass { "pass" } else { "off" };
            self.wrong(
                span,
                format!(
                    "tls = \"{word}\" does not use `{key}`: {why}. Remove `{key}`, or terminate"
                ),
            );
        };
        let sees_nothing = match tls {
            Tls::Pass => "whoever passes TLS through sees no certificate",
            _ => "there is no TLS on this side",
        };
        if tls != Tls::Terminate {
            if let Some(clients) = &entry.clients {
                unused(&clients.span, "clients", sees_nothing);
            }
            if let Some(identity) = entry.identities.first() {
                unused(
                    &identity.span(),
                    "identity",
                    "this side shows no certificate",
                );
            }
            if let Some(early) = &entry.early_data {
                unused(&early.span, "early_data", sees_nothing);
            }
            if entry.lenient.is_some() {
                unused(
                    &entry.truncation_span,
                    "truncation",
                    "close_notify is not seen",
                );
            }
        }
        match tls {
            Tls::Pass => Some(Mode::Pass),
            Tls::Off => {
                for (texts, key) in [(&entry.names, "names"), (&entry.alpn, "alpn")] {
                    if let Some(text) = texts.first() {
                        unused(&text.span(), key, "without TLS there is no hello");
                    }
                }
                Some(Mode::Off)
            }
            Tls::Terminate => self.terminate(title, entry, identities),
        }
    }

    fn terminate(
        &self,
        title: &str,
        entry: &model::Route,
        identities: &Identities,
    ) -> Option<Mode> {
        if entry.identities.is_empty() {
            let text = format!("{title}: to terminate TLS it takes an `identity`");
            self.wrong(&entry.span, text);
        }
        let named = entry.identities.iter();
        let named: Vec<_> = named
            .filter_map(|name| Some((name, self.identity(identities, name)?)))
            .collect();
        for name in &entry.names {
            let covers = |certificate: &str| covers(certificate, name.get_ref());
            if named.is_empty() || named.iter().any(|(_, it)| it.names().any(covers)) {
                continue;
            }
            let (identity, shown) = named[0];
            let names: Vec<_> = shown.names().map(|it| format!("\"{it}\"")).collect();
            let names = if names.is_empty() {
                "no name".to_owned()
            } else {
                names.join(", ")
            };
            self.wrong(
                &identity.span(),
                format!(
                    "identity \"{}\": the certificate is for {names}; {title} answers for \"{}\" and would show it to \
                     clients that refuse it",
                    identity.get_ref(),
                    name.get_ref()
                ),
            );
        }
        let mut builder = ServerConfig::builder().alpn(self.protocols(&entry.alpn));
        builder = self.tickets.configure(builder);
        if let Some(early) = &entry.early_data {
            builder = self.early_data(title, early, entry, builder)?;
        }
        for (_, identity) in &named {
            builder = builder.identity((*identity).clone());
        }
        let rules = match &entry.clients {
            None => None,
            Some(clients) => {
                let rules = clients.allow.iter().filter_map(|rule| self.rule(rule));
                let rules = Rules(rules.collect());
                let roots = self.roots(clients.roots.as_ref()?)?;
                builder = builder
                    .client_authentication(ClientAuthentication::Required(roots))
                    // The rules are looked at where the chain is verified.
                    .ask_verification(true);
                Some(rules)
            }
        };
        if named.len() < entry.identities.len() || named.is_empty() {
            return None;
        }
        match builder.build() {
            Ok(config) => Some(Mode::Terminate(config, rules)),
            Err(misuse) => {
                self.wrong(&entry.span, format!("{title}: {misuse}"));
                None
            }
        }
    }

    /// A name and a protocol lead to one route of a listener.
    fn check_doubles(&self) {
        let mut seen: HashMap<(&str, &str, &str), usize> = HashMap::new();
        for (at, entry) in self.file.routes.iter().enumerate() {
            let only = self
                .file
                .listeners
                .first()
                .map(|it| it.name.get_ref().as_str());
            let listen = entry.listen.as_ref().map(|it| it.get_ref().as_str());
            let Some(listen) = listen.or(only) else {
                continue;
            };
            let names = entry
                .names
                .iter()
                .map(|it| (it.get_ref().as_str(), it.span()));
            let names: Vec<_> = match entry.names.is_empty() {
                true => vec![("", entry.span.clone())],
                false => names.collect(),
            };
            for (name, span) in names {
                let alpn = entry.alpn.iter().map(|it| it.get_ref().as_str());
                let alpn: Vec<_> = if entry.alpn.is_empty() {
                    vec![""]
                } else {
                    alpn.collect()
                };
                for protocol in alpn {
                    let Some(first) = seen.insert((listen, name, protocol), at) else {
                        continue;
                    };
                    let line = self.report.line(&self.file.routes[first].span);
                    let (first, second) = (first + 1, at + 1);
                    let what = match name {
                        "" => "every name that no other route has".to_owned(),
                        _ => format!("\"{name}\""),
                    };
                    let with = match protocol {
                        "" => String::new(),
                        _ => format!(" with \"{protocol}\""),
                    };
                    self.wrong(
                        &span,
                        match first == second {
                            true => format!("{what}{with} is named twice by route {first}"),
                            false => format!(
                                "{what}{with} is named by route {first} (line {line}) and route {second} of the same \
                                 listener \"{listen}\""
                            ),
                        },
                    );
                    break;
                }
            }
        }
    }

    fn admin(&self) -> Option<Admin> {
        let admin = self.file.admin.as_ref()?;
        let text = admin.listen.get_ref();
        let Ok(listen) = text.parse::<SocketAddr>() else {
            let expected = "this is IP:PORT, e.g. \"127.0.0.1:9180\"";
            self.wrong(
                &admin.listen.span(),
                format!("admin.listen = \"{text}\": {expected}"),
            );
            return None;
        };
        if !listen.ip().to_canonical().is_loopback() && !admin.allow_remote {
            self.wrong(
                &admin.listen.span(),
                format!(
                    "admin.listen = \"{text}\" lets everybody read the metrics; use a loopback address, or say \
                     allow_remote = true"
                ),
            );
        }
        Some(Admin { listen })
    }

    /// Routes to their listeners.
    fn join(&self, mut listeners: Vec<Listener>, routes: Vec<Placed>) -> Vec<Listener> {
        for (at, route) in routes {
            if let Some(listener) = listeners.get_mut(at) {
                listener.has_rules |= matches!(route.mode, Mode::Terminate(_, Some(_)));
                listener.takes_early_data |= route.takes_early_data;
                listener.routes.0.push(Arc::new(route));
            }
        }
        if !self.report.is_clean() {
            return listeners;
        }
        for (listener, entry) in listeners.iter().zip(&self.file.listeners) {
            let name = &listener.name;
            let routes = &listener.routes;
            if routes.0.is_empty() {
                let text = format!(
                    "listener \"{name}\" has no route: write [[route]] with listen = \"{name}\""
                );
                self.wrong(&entry.name.span(), text);
            }
            self.check_passing(entry, listener);
            if routes.plain().is_some() && routes.0.len() > 1 {
                let text = format!(
                    "listener \"{name}\" has a route with tls = \"off\" and others: without TLS there is nothing to tell \
                     them apart by"
                );
                self.wrong(&entry.name.span(), text);
            }
        }
        listeners
    }
}

/// `[[route]] 2 (mail.example.com)`.
fn title(at: usize, entry: &model::Route) -> String {
    let name = entry.names.first();
    let name = name.map_or_else(String::new, |name| format!(" ({})", name.get_ref()));
    format!("[[route]] {}{name}", at + 1)
}

/// Whether clients that want `name`, which may be `*.` and a name, find it in a certificate's.
fn covers(certificate: &str, name: &str) -> bool {
    if certificate.eq_ignore_ascii_case(name) {
        return true;
    }
    let parent = name.split_once('.').map(|(_, parent)| parent);
    let wildcard = certificate.strip_prefix("*.");
    wildcard.is_some_and(|it| parent.is_some_and(|parent| it.eq_ignore_ascii_case(parent)))
}

fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}
