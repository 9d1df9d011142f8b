//! A session of one configuration, offered to every other one, by every kind of ticket (nginx CVE-2025-23419, Go
//! CVE-2025-68121): what a full handshake would decide otherwise is not had by resuming, and what does not fit costs a
//! full handshake and is never an error.

use core::cell::RefCell;
use std::collections::HashMap;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::config::ServerNameIndication;

/// How sessions are known to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// TLS 1.3, sealed.
    Stateless,
    /// TLS 1.3, in a store.
    Stateful,
    /// TLS 1.2, sealed.
    Ticket,
    /// TLS 1.2, in a store.
    Id,
}

const KINDS: [Kind; 4] = [Kind::Stateless, Kind::Stateful, Kind::Ticket, Kind::Id];

impl Kind {
    fn is_tls13(self) -> bool {
        matches!(self, Self::Stateless | Self::Stateful)
    }

    fn version(self) -> ProtocolVersion {
        match self.is_tls13() {
            true => ProtocolVersion::TLS_1_3,
            false => ProtocolVersion::TLS_1_2,
        }
    }
}

struct Authority(Roots, Issuer<'static, KeyPair>, CertificateDer<'static>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let mut roots = Roots::empty();
        roots.add_der(der.clone()).unwrap();
        Self(roots, Issuer::new(params, key), der)
    }

    fn issue(&self, names: &[&str]) -> Identity {
        let names = names.iter().map(|name| (*name).to_owned());
        let params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        let key = KeyPair::generate().unwrap();
        let der: CertificateDer<'static> = params.signed_by(&key, &self.1).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Identity::from_der(vec![der], &key).unwrap()
    }
}

/// Everybody here.
struct World {
    /// Of servers and of alice; of bella.
    authorities: [Authority; 2],
    both: Roots,
    server: Identity,
    renewed: Identity,
    more_names: Identity,
    alice: Identity,
    bella: Identity,
    keys: TicketKeys,
    other_keys: TicketKeys,
    store: RefCell<HashMap<Vec<u8>, ServerSession>>,
}

impl World {
    fn new() -> Self {
        let authorities = [Authority::new("A"), Authority::new("B")];
        let [a, b] = &authorities;
        let mut both = Roots::empty();
        both.add_der(a.2.clone()).unwrap();
        both.add_der(b.2.clone()).unwrap();
        Self {
            server: a.issue(&["localhost"]),
            renewed: a.issue(&["localhost"]),
            more_names: a.issue(&["localhost", "b.example"]),
            alice: a.issue(&["alice"]),
            bella: b.issue(&["bella"]),
            both,
            authorities,
            keys: keys(),
            other_keys: keys(),
            store: RefCell::default(),
        }
    }

    /// A server of that name, which shares keys and store with all others but one.
    fn server(&self, name: &str, kind: Kind) -> ServerConfigBuilder {
        use ClientAuthentication as Asks;
        let identity = match name {
            "renewed" => &self.renewed,
            "more names" => &self.more_names,
            _ => &self.server,
        };
        let is_tls13 = kind.is_tls13() != (name == "other version");
        let version = match is_tls13 {
            true => ProtocolVersion::TLS_1_3,
            false => ProtocolVersion::TLS_1_2,
        };
        let server = ServerConfig::builder()
            .versions([version])
            .identity(identity.clone());
        let keys = match name {
            "other keys" => &self.other_keys,
            _ => &self.keys,
        };
        let server = match kind {
            Kind::Stateless | Kind::Ticket => server.ticket_keys(keys.clone()),
            Kind::Stateful => server.ask_tickets(true).resumption(false),
            // Not TLS 1.2 then, and without ids.
            Kind::Id if is_tls13 => server.ticket_keys(keys.clone()),
            Kind::Id => server.ask_sessions(true).resumption(false),
        };
        let [a, b] = &self.authorities;
        match name {
            "optional A" => server.client_authentication(Asks::Optional(a.0.clone())),
            "required A" => server.client_authentication(Asks::Required(a.0.clone())),
            "required B" => server.client_authentication(Asks::Required(b.0.clone())),
            "unverified" => server.client_authentication(Asks::DangerouslyUnverified),
            "AES-128" => server.cipher_suites(suites(version, true)),
            "ChaCha20" => server.cipher_suites(suites(version, false)),
            "ALPN" => server.alpn(["h2"]),
            "plain" | "renewed" | "more names" | "other keys" | "other version" => server,
            _ => unreachable!("{name}"),
        }
    }

    /// A client of that name, whose servers are all of one.
    fn client(&self, name: &str, version: ProtocolVersion) -> ClientConfigBuilder {
        let [a, b] = &self.authorities;
        let client = match name {
            "unverified" => ClientConfig::dangerous_builder_without_verification(),
            "trusts B" => ClientConfig::builder(b.0.clone()),
            "trusts both" => ClientConfig::builder(self.both.clone()),
            _ => ClientConfig::builder(a.0.clone()),
        };
        let client = client.versions([version]).session_tickets(true);
        let client = match name {
            "AES-128" => client.cipher_suites(suites(version, true)),
            "ChaCha20" => client.cipher_suites(suites(version, false)),
            _ => client.groups([NamedGroup::X25519, NamedGroup::SECP256R1]),
        };
        match name {
            "alice" => client.identity(self.alice.clone()),
            "bella" => client.identity(self.bella.clone()),
            "alice, bella" => client
                .identity(self.alice.clone())
                .identity(self.bella.clone()),
            "ALPN" => client.alpn(["h2"]),
            "no name sent" => client.server_name_indication(ServerNameIndication::Omit),
            "asks" => client.ask_identity(true),
            _ => client,
        }
    }

    /// How the two connect with these sessions: whether they resume, or `None` if they do not connect.
    fn connect(
        &self,
        client: ClientConfigBuilder,
        server: ServerConfigBuilder,
        kind: Kind,
        offered: Vec<ClientSession>,
    ) -> Option<(bool, Vec<ClientSession>)> {
        let pair = resuming(client.build().unwrap(), server.build().unwrap(), offered);
        let mut store = self.store.borrow_mut();
        let (client, server) = pair.run_answering(|_, question| {
            Some(match question {
                Question::IssueTickets(question) if kind == Kind::Stateful => {
                    let names = question.names().iter().map(|name| name.to_vec());
                    store.extend(names.zip(question.sessions().iter().cloned()));
                    question.send_names()
                }
                Question::OpenTickets(question) if kind == Kind::Stateful => {
                    let ticket = question.tickets().next().unwrap().to_vec();
                    // It stays: here it is shown to many.
                    match store.get(&ticket) {
                        Some(session) => question.resume(0, session.clone()),
                        None => question.none(),
                    }
                }
                Question::KeepSession(question) => {
                    let id = question.session_id().to_vec();
                    store.insert(id, question.session().clone());
                    question.done()
                }
                Question::FindSession(question) => match store.get(question.session_id()) {
                    Some(session) => question.resume(session.clone()),
                    None => question.none(),
                },
                other => other.default_answer(),
            })
        });
        let (mut client, server) = (client.ok()?, server.ok()?);
        let resumed = client.information.is_resumed();
        assert_eq!(server.information.is_resumed(), resumed);
        Some((resumed, sessions(&mut client)))
    }
}

/// With another hash than that of the suite that is taken by default, or with the same.
fn suites(version: ProtocolVersion, aes: bool) -> [Suite; 1] {
    [match (version == ProtocolVersion::TLS_1_3, aes) {
        (true, true) => Suite::TLS_AES_128_GCM_SHA256,
        (true, false) => Suite::TLS_CHACHA20_POLY1305_SHA256,
        (false, true) => Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        (false, false) => Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    }]
}

/// What becomes of a session: `R` where it is resumed, `-` for a full handshake, `x` where there is no
/// connection, with the session or without.
fn verdict(resumed: Option<bool>) -> char {
    match resumed {
        Some(true) => 'R',
        Some(false) => '-',
        None => 'x',
    }
}

/// Who has the session, by whom it is asked for in the order of the lines.
fn at_servers(kind: Kind) -> [&'static str; 12] {
    match kind {
        Kind::Stateless => [
            "RR-R--R--R-- plain",
            "RR-R--R--R-- renewed",
            "--R--------- more names",
            "---RR-R----- optional A",
            "---RR-R----- required A",
            "-----RR----- required B",
            "---RR-R----- unverified",
            "-------RR--- AES-128",
            "-------RR--- ChaCha20",
            "RR-R--R--R-- ALPN",
            "----------R- other keys",
            "-----------R other version",
        ],
        Kind::Stateful => [
            "RR-R--R--RR- plain",
            "RR-R--R--RR- renewed",
            "--R--------- more names",
            "---RR-R----- optional A",
            "---RR-R----- required A",
            "-----RR----- required B",
            "---RR-R----- unverified",
            "-------RR--- AES-128",
            "-------RR--- ChaCha20",
            "RR-R--R--RR- ALPN",
            "RR-R--R--RR- other keys",
            "-----------R other version",
        ],
        Kind::Ticket => [
            "RR-R--R--R-- plain",
            "RR-R--R--R-- renewed",
            "--R--------- more names",
            "---RR-R----- optional A",
            "---RR-R----- required A",
            "-----RR----- required B",
            "---RR-R----- unverified",
            "-------R---- AES-128",
            "--------R--- ChaCha20",
            "RR-R--R--R-- ALPN",
            "----------R- other keys",
            "-----------R other version",
        ],
        Kind::Id => [
            "RR-R--R--RR- plain",
            "RR-R--R--RR- renewed",
            "--R--------- more names",
            "---RR-R----- optional A",
            "---RR-R----- required A",
            "-----RR----- required B",
            "---RR-R----- unverified",
            "-------R---- AES-128",
            "--------R--- ChaCha20",
            "RR-R--R--RR- ALPN",
            "RR-R--R--RR- other keys",
            "-----------R other version",
        ],
    }
}

/// Every server's session, offered to every server by whoever has it.
#[test]
fn servers() {
    let world = World::new();
    for kind in KINDS {
        let client = || {
            let of_version = world.client("alice, bella", kind.version());
            of_version.alpn(["h2", "http/1.1"])
        };
        let both = || client().versions([ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2]);
        let table = at_servers(kind);
        let names = table.map(|line| &line[13..]);
        for (from, expected) in names.into_iter().zip(table) {
            let first = both();
            let made = world.connect(first, world.server(from, kind), kind, Vec::new());
            let (_, sessions) = made.expect("they connect");
            let session = sessions.into_iter().next().expect("there is one");
            let mut line = String::new();
            for to in names {
                let offered = vec![session.clone()];
                let made = world.connect(both(), world.server(to, kind), kind, offered);
                line.push(verdict(made.map(|(resumed, _)| resumed)));
            }
            assert_eq!(format!("{line} {from}"), expected, "{kind:?}");
        }
    }
}

/// The same of clients, where nothing depends on how the server knows the session, or on the version.
const AT_CLIENTS: [&str; 12] = [
    "RRRRRxRR--R- plain",
    "-R-R-x----R- alice",
    "--RR-x----R- bella",
    "-R-R-x----R- alice, bella",
    "RRRRRxRR--R- unverified",
    "xxxxxxxxxxxx trusts B",
    "RRRRRxRR--R- trusts both",
    "RRRRRxRR--R- ALPN",
    "-----x--R--- AES-128",
    "-----x---R-- ChaCha20",
    "RRRRRxRR--R- asks",
    "-----x-----R no name sent",
];

/// Every client's session, in the hands of every client, at a server that asks who they are.
#[test]
fn clients() {
    let world = World::new();
    for kind in KINDS {
        let server = || {
            let server = world.server("plain", kind).alpn(["h2"]);
            server.client_authentication(ClientAuthentication::Optional(world.both.clone()))
        };
        let client = |name| world.client(name, kind.version());
        let table = AT_CLIENTS;
        let names = table.map(|line| &line[13..]);
        for (from, expected) in names.into_iter().zip(table) {
            let made = world.connect(client(from), server(), kind, Vec::new());
            let mut line = String::new();
            for to in names {
                // Who does not connect has no session, and is no better off with that of another.
                let session = made.as_ref().and_then(|(_, sessions)| sessions.first());
                let verdict = match session {
                    Some(session) => {
                        let offered = vec![session.clone()];
                        let made = world.connect(client(to), server(), kind, offered);
                        verdict(made.map(|(resumed, _)| resumed))
                    }
                    None => 'x',
                };
                line.push(verdict);
            }
            assert_eq!(format!("{line} {from}"), expected, "{kind:?}");
        }
    }
}
