//! What a file says, key by key, with the places of what is checked later.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;

use super::report::Report;
use super::section::Section;
use crate::proxy_header::Version;

pub(super) type Text = Spanned<String>;

pub(super) struct File {
    pub(super) admin: Option<Admin>,
    pub(super) access: Option<Text>,
    /// Who the proxy is once it has its sockets.
    pub(super) user: Option<Text>,
    pub(super) group: Option<Text>,
    /// Where another proxy may ask for the sockets.
    pub(super) take_over: Option<Text>,
    /// Threads that serve connections.
    pub(super) workers: Option<usize>,
    pub(super) tickets: Option<Tickets>,
    /// How often files are looked at.
    pub(super) watch: Option<Duration>,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) listeners: Vec<Listener>,
    pub(super) identities: Vec<Identity>,
    pub(super) backends: Vec<Backend>,
    pub(super) routes: Vec<Route>,
}

/// What clients come back with.
pub(super) struct Tickets {
    /// The file of the keys that seal tickets.
    pub(super) file: Option<Text>,
    /// Where sessions are kept.
    pub(super) store: Option<Text>,
    /// What they are sealed with there.
    pub(super) store_key: Option<Text>,
    /// Who remembers early data, where others have the keys, too.
    pub(super) replay_guard: Option<Text>,
    /// The authorities of a Redis that speaks TLS.
    pub(super) redis_roots: Option<Text>,
    /// The password of Redis, where it is not in its URL.
    pub(super) redis_password_file: Option<Text>,
    pub(super) span: Range<usize>,
}

pub(super) struct Admin {
    pub(super) listen: Text,
    pub(super) allow_remote: bool,
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) proxy_header: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) handshake: Duration,
    pub(crate) connect: Duration,
    pub(crate) idle: Duration,
    /// Of clients that speak DTLS, and of those that speak UDP without it.
    pub(crate) dtls_idle: Duration,
    pub(crate) udp_idle: Duration,
    pub(crate) half_close: Duration,
    pub(crate) stall: Duration,
    pub(crate) drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            proxy_header: Duration::from_secs(3),
            first_byte: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(3600),
            dtls_idle: Duration::from_secs(600),
            udp_idle: Duration::from_secs(60),
            half_close: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}

/// How many there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) handshakes: usize,
    /// 0: no limit.
    pub(crate) per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: most_connections().clamp(16, 20_000),
            handshakes: 4_096,
            per_address: 0,
        }
    }
}

/// For how many the system gives descriptors: two a connection, and some for all else.
fn most_connections() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| files.try_into().unwrap_or(usize::MAX));
    files.saturating_sub(100) / 2
}

pub(super) struct Listener {
    pub(super) name: Text,
    pub(super) addresses: Vec<Text>,
    pub(super) proxies: Vec<Text>,
    pub(super) proxy_span: Range<usize>,
}

pub(super) struct Identity {
    pub(super) name: Text,
    pub(super) certificate: Text,
    pub(super) key: Option<Text>,
}

pub(super) struct Backend {
    /// One of a route alone has none.
    pub(super) name: Option<Text>,
    pub(super) servers: Vec<Text>,
    pub(super) tls: Option<BackendTls>,
    pub(super) send_proxy: Option<Version>,
    pub(super) send_proxy_span: Range<usize>,
    pub(super) health: Option<Health>,
    pub(super) health_span: Range<usize>,
}

pub(super) struct BackendTls {
    pub(super) name: Option<Text>,
    pub(super) roots: Option<Text>,
    pub(super) identity: Option<Text>,
    pub(super) alpn: Vec<Text>,
    pub(super) lenient: Option<bool>,
    pub(super) truncation_span: Range<usize>,
    pub(super) span: Range<usize>,
}

/// When a server counts as down, and as up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) every: Duration,
    pub(crate) fail: usize,
    pub(crate) pass: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Terminate,
    Pass,
    Off,
}

pub(super) struct Route {
    pub(super) listen: Option<Text>,
    pub(super) names: Vec<Text>,
    pub(super) tls: Option<Tls>,
    pub(super) tls_span: Range<usize>,
    pub(super) identities: Vec<Text>,
    pub(super) alpn: Vec<Text>,
    pub(super) clients: Option<Clients>,
    pub(super) early_data: Option<EarlyData>,
    pub(super) backend: RouteBackend,
    pub(super) lenient: Option<bool>,
    pub(super) truncation_span: Range<usize>,
    pub(super) span: Range<usize>,
}

/// What clients may say before their handshake is over.
pub(super) struct EarlyData {
    /// In bytes.
    pub(super) limit: u32,
    pub(super) span: Range<usize>,
}

pub(super) enum RouteBackend {
    Named(Text),
    Own(Box<Backend>),
    Missing,
}

pub(super) struct Clients {
    pub(super) roots: Option<Text>,
    pub(super) allow: Vec<Allow>,
    pub(super) span: Range<usize>,
}

/// All of it has to hold.
pub(super) struct Allow {
    pub(super) uri: Option<Text>,
    pub(super) dns: Option<Text>,
    pub(super) email: Option<Text>,
    pub(super) issuer: Option<Text>,
    pub(super) spki: Option<Text>,
    pub(super) span: Range<usize>,
}

/// What an end without close_notify is, and whether it counts as an end.
const TRUNCATION: [(&str, bool); 2] = [("strict", false), ("lenient", true)];

/// Each is a thread.
const MOST_WORKERS: usize = 256;
/// Limits are no higher.
const MOST: usize = 1_000_000;

impl File {
    pub(super) fn read(report: &Report<'_>, table: &Spanned<DeTable<'_>>) -> Self {
        let top = Section::new(
            report,
            "the file",
            table.get_ref(),
            table.span(),
            &[
                "version", "admin", "log", "process", "reload", "tickets", "timeouts", "limits",
                "listen", "identity", "backend", "route",
            ],
        );
        if !top.has("version") {
            report.wrong(&(0..0), "the file has no `version`: write version = 1");
        } else {
            top.count("version", 1..2);
        }
        let log = top.table("log", &["access"]);
        let timeouts = top.table(
            "timeouts",
            &[
                "proxy_header",
                "first_byte",
                "handshake",
                "connect",
                "idle",
                "dtls_idle",
                "udp_idle",
                "half_close",
                "stall",
                "drain",
            ],
        );
        let limits = top.table("limits", &["connections", "handshakes", "per_address"]);
        let process = top.table("process", &["user", "group", "take_over", "workers"]);
        let of_process = |key| process.as_ref().and_then(|process| process.text(key));
        let listeners = top.tables(
            "listen",
            "[[listen]]",
            &["name", "address", "proxy_protocol"],
        );
        let identities = top.tables("identity", "[[identity]]", &["name", "certificate", "key"]);
        let backends = top.tables("backend", "[[backend]]", &BACKEND);
        let routes = top.tables(
            "route",
            "[[route]]",
            &[
                "listen",
                "names",
                "tls",
                "identity",
                "alpn",
                "clients",
                "early_data",
                "backend",
                "truncation",
            ],
        );
        Self {
            admin: top
                .table("admin", &["listen", "allow_remote"])
                .and_then(|admin| {
                    let listen = required(&admin, "listen", "give it, e.g. \"127.0.0.1:9180\"")?;
                    let allow_remote = admin.flag("allow_remote").unwrap_or(false);
                    Some(Admin {
                        listen,
                        allow_remote,
                    })
                }),
            access: log.and_then(|log| log.text("access")),
            user: of_process("user"),
            group: of_process("group"),
            take_over: of_process("take_over"),
            workers: process
                .as_ref()
                .and_then(|process| process.count("workers", 1..MOST_WORKERS + 1)),
            tickets: top.table("tickets", &TICKETS).map(|it| Tickets::read(&it)),
            watch: top
                .table("reload", &["watch"])
                .and_then(|reload| reload.duration("watch")),
            timeouts: timeouts.map_or_else(Timeouts::default, |table| Timeouts::read(&table)),
            limits: limits.map_or_else(Limits::default, |table| Limits::read(&table)),
            listeners: listeners.iter().filter_map(Listener::read).collect(),
            identities: identities.iter().filter_map(Identity::read).collect(),
            backends: backends
                .iter()
                .filter_map(|table| {
                    let name = required(table, "name", "routes name the backend by it")?;
                    Some(Backend::read(table, Some(name)))
                })
                .collect(),
            routes: routes.iter().map(Route::read).collect(),
        }
    }
}

impl File {
    /// The files that it names, with their places.
    pub(super) fn named(&self) -> impl Iterator<Item = &Text> {
        let of_identities = self.identities.iter();
        let of_identities = of_identities.flat_map(|it| [Some(&it.certificate), it.key.as_ref()]);
        let own = self.routes.iter().filter_map(|route| match &route.backend {
            RouteBackend::Own(backend) => Some(&**backend),
            _ => None,
        });
        let tls = self.backends.iter().chain(own).map(|it| it.tls.as_ref());
        let of_backends = tls.map(|tls| tls.and_then(|tls| tls.roots.as_ref()));
        let clients = self.routes.iter().map(|route| route.clients.as_ref());
        let of_clients = clients.map(|it| it.and_then(|it| it.roots.as_ref()));
        let all = of_identities.chain(of_backends).chain(of_clients);
        let tickets = self.tickets.iter();
        let of_tickets = tickets.flat_map(|it| {
            [
                &it.file,
                &it.store_key,
                &it.redis_roots,
                &it.redis_password_file,
            ]
        });
        all.chain(of_tickets.map(Option::as_ref)).flatten()
    }

    /// The files that it names, each once.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.named().map(|text| text.get_ref().into()).collect();
        files.sort();
        files.dedup();
        files
    }
}

/// What a backend may say; one of a route alone has no name.
const BACKEND: [&str; 5] = ["name", "servers", "tls", "send_proxy", "health"];

const TICKETS: [&str; 6] = [
    "file",
    "store",
    "store_key",
    "replay_guard",
    "redis_roots",
    "redis_password_file",
];

fn required(table: &Section<'_>, key: &str, expected: &str) -> Option<Text> {
    if !table.has(key) {
        table.missing(key, expected);
    }
    table.text(key)
}

impl Tickets {
    fn read(table: &Section<'_>) -> Self {
        if !table.has("file") && !table.has("store") {
            table.missing(
                "file",
                "name the file that `portcullis ticket-key new` has made, or a `store`",
            );
        }
        Self {
            file: table.text("file"),
            store: table.text("store"),
            store_key: table.text("store_key"),
            replay_guard: table.text("replay_guard"),
            redis_roots: table.text("redis_roots"),
            redis_password_file: table.text("redis_password_file"),
            span: table.span(),
        }
    }
}

impl Timeouts {
    fn read(table: &Section<'_>) -> Self {
        let usual = Self::default();
        let time = |key, usual| table.duration(key).unwrap_or(usual);
        Self {
            proxy_header: time("proxy_header", usual.proxy_header),
            first_byte: time("first_byte", usual.first_byte),
            handshake: time("handshake", usual.handshake),
            connect: time("connect", usual.connect),
            idle: time("idle", usual.idle),
            dtls_idle: time("dtls_idle", usual.dtls_idle),
            udp_idle: time("udp_idle", usual.udp_idle),
            half_close: time("half_close", usual.half_close),
            stall: time("stall", usual.stall),
            drain: time("drain", usual.drain),
        }
    }
}

impl Limits {
    fn read(table: &Section<'_>) -> Self {
        let usual = Self::default();
        let count = |key, least, usual| table.count(key, least..MOST + 1).unwrap_or(usual);
        let connections = table.count("connections", 1..MOST + 1);
        if let Some(wanted) = connections
            && wanted > most_connections()
        {
            let (files, most) = (wanted * 2 + 100, most_connections());
            let text = format!(
                "connections = {wanted} takes {files} open files, and the system gives as many as {most} connections \
                 need: raise the limit (ulimit -n, LimitNOFILE= of systemd), or accepting will fail"
            );
            table.warn("connections", text);
        }
        Self {
            connections: connections.unwrap_or(usual.connections),
            handshakes: count("handshakes", 1, usual.handshakes),
            per_address: count("per_address", 0, usual.per_address),
        }
    }
}

impl Listener {
    fn read(table: &Section<'_>) -> Option<Self> {
        let name = required(table, "name", "routes name the listener by it")?;
        if !table.has("address") {
            table.missing("address", "give it, e.g. [\"0.0.0.0:443\", \"[::]:443\"]");
        }
        let proxy = table.table("proxy_protocol", &["from"]);
        if let Some(proxy) = &proxy
            && !proxy.has("from")
        {
            proxy.missing(
                "from",
                "name the networks of the proxies, e.g. [\"10.1.0.0/16\"]",
            );
        }
        Some(Self {
            name,
            addresses: table.texts("address"),
            proxies: proxy.map_or_else(Vec::new, |proxy| proxy.texts("from")),
            proxy_span: table.span_of("proxy_protocol"),
        })
    }
}

impl Identity {
    fn read(table: &Section<'_>) -> Option<Self> {
        let name = required(table, "name", "routes name the identity by it");
        let certificate = required(table, "certificate", "name the file with the chain (PEM)");
        Some(Self {
            name: name?,
            certificate: certificate?,
            key: table.text("key"),
        })
    }
}

impl Backend {
    fn read(table: &Section<'_>, name: Option<Text>) -> Self {
        if !table.has("servers") {
            table.missing("servers", "give it, e.g. [\"127.0.0.1:8080\"]");
        }
        Self {
            name,
            servers: table.texts("servers"),
            tls: table
                .table("tls", &["name", "roots", "identity", "alpn", "truncation"])
                .map(|tls| BackendTls {
                    name: tls.text("name"),
                    roots: tls.text("roots"),
                    identity: tls.text("identity"),
                    alpn: tls.texts("alpn"),
                    lenient: tls.word("truncation", &TRUNCATION),
                    truncation_span: tls.span_of("truncation"),
                    span: tls.span(),
                }),
            send_proxy: table.word("send_proxy", &[("v1", Version::V1), ("v2", Version::V2)]),
            send_proxy_span: table.span_of("send_proxy"),
            health_span: table.span_of("health"),
            health: table
                .table("health", &["every", "fail", "pass"])
                .map(|health| Health {
                    every: health.duration("every").unwrap_or(Duration::from_secs(5)),
                    fail: health.count("fail", 1..1_001).unwrap_or(3),
                    pass: health.count("pass", 1..1_001).unwrap_or(2),
                }),
        }
    }
}

impl Route {
    fn read(table: &Section<'_>) -> Self {
        let backend = if table.is_table("backend") {
            match table.table("backend", &BACKEND[1..]) {
                Some(own) => RouteBackend::Own(Box::new(Backend::read(&own, None))),
                None => RouteBackend::Missing,
            }
        } else {
            match required(table, "backend", "name one, or give { servers = [\"…\"] }") {
                Some(name) => RouteBackend::Named(name),
                None => RouteBackend::Missing,
            }
        };
        let modes = [
            ("terminate", Tls::Terminate),
            ("pass", Tls::Pass),
            ("off", Tls::Off),
        ];
        Self {
            listen: table.text("listen"),
            names: table.texts("names"),
            tls: table.word("tls", &modes),
            tls_span: table.span_of("tls"),
            identities: table.texts("identity"),
            alpn: table.texts("alpn"),
            clients: table
                .table("clients", &["roots", "allow"])
                .map(|clients| Clients {
                    roots: required(&clients, "roots", "name the file of the authorities (PEM)"),
                    allow: Allow::read_all(&clients),
                    span: clients.span(),
                }),
            early_data: table
                .table("early_data", &["backend_is_idempotent", "limit"])
                .map(|early| EarlyData::read(&early)),
            backend,
            lenient: table.word("truncation", &TRUNCATION),
            truncation_span: table.span_of("truncation"),
            span: table.span(),
        }
    }
}

impl EarlyData {
    /// What servers of OpenSSL and GnuTLS allow, and one record holds.
    const USUAL: usize = 16_384;
    /// What sockets have room for, so that nobody waits for a server that waits for its answer to be read.
    const MOST: usize = 1 << 16;

    fn read(table: &Section<'_>) -> Self {
        if table.flag("backend_is_idempotent") != Some(true) {
            table.missing(
                "backend_is_idempotent = true",
                "early data may be replayed by whoever has seen it, so say that the backend does no harm when it gets what a \
                 client has said a second time (RFC 8470), or leave `early_data` out",
            );
        }
        let limit = table.count("limit", 1..Self::MOST + 1);
        Self {
            limit: u32::try_from(limit.unwrap_or(Self::USUAL)).unwrap_or(u32::MAX),
            span: table.span(),
        }
    }
}

impl Allow {
    fn read_all(clients: &Section<'_>) -> Vec<Self> {
        let rules = clients.tables("allow", "allow", &["uri", "dns", "email", "issuer", "spki"]);
        let rules = rules.iter().map(|rule| Self {
            uri: rule.text("uri"),
            dns: rule.text("dns"),
            email: rule.text("email"),
            issuer: rule.text("issuer"),
            spki: rule.text("spki"),
            span: rule.span(),
        });
        rules.collect()
    }
}
