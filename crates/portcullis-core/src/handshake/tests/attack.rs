//! Runs a handshake in which one end breaks the rules, and checks what both ends say.

use std::sync::OnceLock;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;

use super::tamper::{Put, Tamper};
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use crate::connection::Connection;
use crate::crypto::random::Random;
use crate::session::{ClientSession, TicketKeys};
use crate::testing::{Pair, name, now, pki, sessions_of};
use crate::x509::Identity;
use crate::{
    AlertDescription, Direction, Error, Handshake, NamedGroup, Opened, ProtocolVersion, Reader,
    Stage, Step, Violation,
};

/// Which end breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Client,
    Server,
}

/// A client of TLS 1.3 with small shares, so that many handshakes are quick.
pub(super) fn client() -> ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone())
        .versions([ProtocolVersion::TLS_1_3])
        .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        .alpn(["h2", "http/1.1"])
}

/// A server of TLS 1.3.
pub(super) fn server() -> ServerConfigBuilder {
    ServerConfig::builder()
        .versions([ProtocolVersion::TLS_1_3])
        .resumption(false)
        .identity(pki().server.clone())
        .alpn(["h2"])
}

/// A server that has to ask for another key share.
pub(super) fn retrying_server() -> ServerConfigBuilder {
    server().groups([NamedGroup::SECP256R1])
}

/// A server that wants to see a certificate.
pub(super) fn authenticating_server() -> ServerConfigBuilder {
    server().client_authentication(ClientAuthentication::Required(pki().roots.clone()))
}

pub(super) fn authenticated_client() -> ClientConfigBuilder {
    client().identity(pki().client.clone())
}

/// An identity with a key of a kind that no other has: Ed25519, self-signed.
pub(super) fn ed25519_identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Identity::from_der(vec![der], &key).unwrap()
    })
}

/// A client and a server that would resume; clones of the keys are the same keys.
pub(super) fn resuming_client() -> ClientConfigBuilder {
    client().session_tickets(true)
}

pub(super) fn ticket_keys() -> TicketKeys {
    TicketKeys::rotating(Duration::from_secs(7_200)).unwrap()
}

/// A session that no server of a test knows: whoever offers it has a full handshake.
pub(super) fn unknown_session() -> ClientSession {
    static SESSION: OnceLock<ClientSession> = OnceLock::new();
    let session = SESSION.get_or_init(|| {
        let server = server().ticket_keys(ticket_keys()).build().unwrap();
        sessions_of(resuming_client().build().unwrap(), server).remove(0)
    });
    session.clone()
}

/// Two ends, one of which sends what `tamper` makes of its messages.
pub(super) fn pair(client: ClientConfig, server: ServerConfig, by: By, tamper: Tamper) -> Pair {
    pair_resuming(client, server, Vec::new(), by, tamper)
}

/// The same with a client that offers sessions.
pub(super) fn pair_resuming(
    client: ClientConfig,
    server: ServerConfig,
    sessions: Vec<ClientSession>,
    by: By,
    tamper: Tamper,
) -> Pair {
    let mut server = Handshake::server(server);
    let random = Random::system();
    let client = match by {
        By::Client => {
            Handshake::client_resuming_tampering(client, name(), sessions, random, tamper)
        }
        By::Server => {
            server.tamper(tamper);
            Handshake::client_resuming(client, name(), sessions, now()).unwrap()
        }
    };
    Pair {
        client,
        server,
        events: Vec::new(),
        client_sent: Vec::new(),
        server_sent: Vec::new(),
        delivered: Default::default(),
    }
}

/// Lets both ends talk as long as they have something to say.
pub(super) fn talk(pair: &mut Pair) {
    pair.turn(&mut |_, question| Some(question.default_answer()));
}

/// Runs the pair; gives the error of the end that was wronged, having checked that the other end
/// was sent the alert that belongs to it.
pub(super) fn refused(mut pair: Pair, by: By) -> Error {
    talk(&mut pair);
    let (mut victim, attacker) = match by {
        By::Client => (pair.server, pair.client),
        By::Server => (pair.client, pair.server),
    };
    let error = match victim.poll() {
        Err(error) => error,
        Ok(step) => panic!(
            "the victim did not object: it is at {step:?}, {:?}",
            victim.stage()
        ),
    };
    let Some((Direction::Sent, alert)) = error.alert() else {
        panic!("no alert was sent for: {error}");
    };
    assert_eq!(alert_seen_by(attacker), Some(alert), "{error}");
    assert_eq!(victim.stage(), Stage::Closed);
    error
}

/// The alert that ended a connection from this end's point of view, also if this end was through
/// with its handshake when the alert came.
pub(super) fn alert_seen_by(mut end: Handshake) -> Option<AlertDescription> {
    let error = match end.poll() {
        Ok(Step::Connected) => {
            let mut connection = end.into_connection().unwrap();
            let unread = core::mem::take(&mut connection.unread);
            read_all(&mut connection.reader, unread).unwrap_err()
        }
        Ok(step) => panic!("no alert has come: {step:?}"),
        Err(error) => error,
    };
    match error.alert() {
        Some((Direction::Received, alert)) => Some(alert),
        other => panic!("{other:?} and no alert from the peer: {error}"),
    }
}

/// Opens all records; gives the application data, and how often something else came.
pub(super) fn read_all(reader: &mut Reader, mut bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let mut rest = &mut bytes[..];
    while let crate::Frame::Record { len, .. } = reader.frame(rest)? {
        let (record, after) = core::mem::take(&mut rest).split_at_mut(len);
        if let Opened::Data(range) = reader.open_in_place(record)? {
            data.extend_from_slice(&record[range]);
        }
        rest = after;
    }
    Ok(data)
}

/// One rule and one way to break it.
pub(super) struct Case {
    pub(super) violation: Violation,
    by: By,
    stage: Stage,
    tamper: Tamper,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    session_of: Option<ServerConfigBuilder>,
}

impl Case {
    pub(super) fn new(violation: Violation, by: By, stage: Stage, tamper: Tamper) -> Self {
        Self {
            violation,
            by,
            stage,
            tamper,
            client: client(),
            server: server(),
            session_of: None,
        }
    }

    /// The client has a session of the server's, and the server would resume it.
    pub(super) fn resuming(mut self) -> Self {
        self.server = self.server.ticket_keys(ticket_keys());
        let server = self.server.clone();
        self.session_of(server)
    }

    /// The client has a session of this server's.
    pub(super) fn session_of(mut self, server: ServerConfigBuilder) -> Self {
        self.client = self.client.session_tickets(true);
        self.session_of = Some(server);
        self
    }

    pub(super) fn client(mut self, client: ClientConfigBuilder) -> Self {
        self.client = client;
        self
    }

    pub(super) fn server(mut self, server: ServerConfigBuilder) -> Self {
        self.server = server;
        self
    }

    pub(super) fn check(self) {
        let client = self.client.build().unwrap();
        let server = self.server.build().unwrap();
        let sessions = self.session_of.map_or_else(Vec::new, |from| {
            let from = from.ticket_count(1).build().unwrap();
            sessions_of(client.clone(), from)
        });
        let pair = pair_resuming(client, server, sessions, self.by, self.tamper);
        let error = refused(pair, self.by);
        assert_eq!(error.violation(), Some(self.violation), "{error}");
        assert_eq!(error.stage(), self.stage, "{error}");
        let alert = (Direction::Sent, self.violation.alert());
        assert_eq!(error.alert(), Some(alert), "{error}");
    }
}

/// A finished handshake whose one end puts these on the wire; gives the error of the other.
pub(super) fn refused_after(by: By, puts: &[Put]) -> Error {
    refused_after_with(by, client(), server(), puts)
}

/// The same with these configurations.
pub(super) fn refused_after_with(
    by: By,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    puts: &[Put],
) -> Error {
    let (mut victim, mut attacker) = connected_with(by, client, server);
    for put in puts {
        attacker.put(put);
    }
    let bytes = transmitted(&mut attacker);
    let error = read_all(&mut victim.reader, bytes).unwrap_err();
    let mut alert = vec![0; 256];
    let written = victim.writer.drain_mailbox(&mut alert).unwrap();
    attacker.receive(&alert[..written], now());
    let Some((Direction::Sent, sent)) = error.alert() else {
        panic!("no alert was sent for: {error}");
    };
    assert_eq!(alert_seen_by(attacker), Some(sent), "{error}");
    // From then on it is always the same.
    assert_eq!(
        victim.reader.frame(&[]).unwrap_err().violation(),
        error.violation()
    );
    error
}

/// The victim's connection and the attacker's handshake, which is over.
pub(super) fn connected(by: By) -> (Connection, Handshake) {
    connected_with(by, client(), server())
}

/// The same with these configurations.
pub(super) fn connected_with(
    by: By,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (Connection, Handshake) {
    let mut pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    talk(&mut pair);
    let (victim, attacker) = match by {
        By::Client => (pair.server, pair.client),
        By::Server => (pair.client, pair.server),
    };
    (victim.into_connection().unwrap(), attacker)
}

/// Everything that goes out before this end waits.
pub(super) fn transmitted(end: &mut Handshake) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(Step::Transmit(more)) = end.poll() {
        bytes.extend_from_slice(&more);
    }
    bytes
}
