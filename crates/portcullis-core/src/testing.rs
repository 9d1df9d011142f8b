//! Two ends in memory, for the tests of this crate.

use core::cell::RefCell;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::OnceLock;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::config::{ClientConfig, ServerConfig};
use crate::connection::Connection;
use crate::error::Error;
use crate::handshake::Handshake;
use crate::question::{Answer, Question};
use crate::record::{Frame, Opened};
use crate::session::{ClientSession, ServerSession};
use crate::step::{Event, Step};
use crate::x509::{Identity, Roots};

/// 2026-07-01, inside the validity of every certificate made here.
pub(crate) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_782_864_000))
}

pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// A root and what it has signed.
pub(crate) struct Pki {
    pub(crate) roots: Roots,
    pub(crate) server: Identity,
    pub(crate) client: Identity,
}

pub(crate) fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        use rcgen::{
            BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        };

        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name
            .push(rcgen::DnType::CommonName, "testing root");
        let root_key = KeyPair::generate().unwrap();
        let root_der = root.self_signed(&root_key).unwrap().der().clone();
        let issuer = Issuer::new(root, root_key);
        let leaf = |name: &str, purpose| {
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate().unwrap();
            let der: CertificateDer<'static> =
                params.signed_by(&key, &issuer).unwrap().der().clone();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            Identity::from_der(vec![der], &key).unwrap()
        };
        let mut roots = Roots::empty();
        roots.add_der(root_der).unwrap();
        Pki {
            roots,
            server: leaf("localhost", ExtendedKeyUsagePurpose::ServerAuth),
            client: leaf("client.example", ExtendedKeyUsagePurpose::ClientAuth),
        }
    })
}

pub(crate) fn client_config() -> ClientConfig {
    ClientConfig::builder(pki().roots.clone()).build().unwrap()
}

/// Its first hello has the post-quantum share over datagrams, too, where it takes two of them, and no retry.
#[cfg(feature = "dtls")]
pub(crate) fn client_config_in_pieces() -> ClientConfig {
    let builder = client_config().to_builder();
    let shares = vec![crate::NamedGroup::X25519_MLKEM768];
    let shares = crate::config::KeyShares::Groups(shares);
    builder.key_shares(shares).build().unwrap()
}

pub(crate) fn server_config() -> ServerConfig {
    ServerConfig::builder()
        .identity(pki().server.clone())
        .resumption(false)
        .build()
        .unwrap()
}

thread_local! {
    /// What servers of this test keep by its id, each id once.
    static KEPT: RefCell<HashMap<Vec<u8>, ServerSession>> = RefCell::default();
}

/// The default, but that sessions of before TLS 1.3 are kept and found.
pub(crate) fn answer(question: Question) -> Answer {
    KEPT.with_borrow_mut(|kept| match question {
        Question::KeepSession(question) => {
            let session = question.session().clone();
            let before = kept.insert(question.session_id().to_vec(), session);
            assert!(before.is_none(), "an id came twice");
            question.done()
        }
        Question::FindSession(question) => match kept.get(question.session_id()).cloned() {
            Some(session) => question.resume(session),
            None => question.none(),
        },
        other => other.default_answer(),
    })
}

/// A client and a server whose wires are two vectors.
pub(crate) struct Pair {
    pub(crate) client: Handshake,
    pub(crate) server: Handshake,
    pub(crate) events: Vec<Event>,
    /// Everything each side has sent.
    pub(crate) client_sent: Vec<u8>,
    pub(crate) server_sent: Vec<u8>,
    /// The data that the client and the server were given on the way.
    pub(crate) delivered: [Vec<u8>; 2],
}

/// A pair whose client offers these sessions.
pub(crate) fn resuming(
    client: ClientConfig,
    server: ServerConfig,
    sessions: Vec<ClientSession>,
) -> Pair {
    Pair {
        client: Handshake::client_resuming(client, name(), sessions, now()).unwrap(),
        ..Pair::new(client_config(), server)
    }
}

/// What the server has sent after the handshake, as sessions.
pub(crate) fn sessions(client: &mut Connection) -> Vec<ClientSession> {
    let mut bytes = core::mem::take(&mut client.unread);
    let mut rest = &mut bytes[..];
    while let Frame::Record { len, .. } = client.reader.frame(rest).unwrap() {
        let (record, behind) = rest.split_at_mut(len);
        assert_eq!(
            client.reader.open_in_place(record).unwrap(),
            Opened::Nothing
        );
        rest = behind;
    }
    assert!(rest.is_empty());
    core::iter::from_fn(|| client.reader.take_ticket())
        .map(|ticket| ticket.into_session(now()))
        .collect()
}

/// The sessions that a full handshake of these two leaves.
pub(crate) fn sessions_of(client: ClientConfig, server: ServerConfig) -> Vec<ClientSession> {
    let (client, _) = Pair::new(client, server).run();
    sessions(&mut client.unwrap())
}

/// How a handshake ended for one side.
pub(crate) type Ended = Result<Connection, Error>;

impl Pair {
    pub(crate) fn new(client: ClientConfig, server: ServerConfig) -> Self {
        Self {
            client: Handshake::client(client, name()).unwrap(),
            server: Handshake::server(server),
            events: Vec::new(),
            client_sent: Vec::new(),
            server_sent: Vec::new(),
            delivered: Default::default(),
        }
    }

    /// Runs both ends until neither moves, answering questions as [`answer`] does.
    pub(crate) fn run(self) -> (Ended, Ended) {
        self.run_answering(|_, question| Some(answer(question)))
    }

    /// Runs both ends; `answer` may leave a question open by giving `None`.
    pub(crate) fn run_answering(
        mut self,
        mut answer: impl FnMut(bool, Question) -> Option<Answer>,
    ) -> (Ended, Ended) {
        self.turn(&mut answer);
        (Self::end(self.client), Self::end(self.server))
    }

    /// Lets both ends talk until neither has anything to say.
    pub(crate) fn turn(&mut self, answer: &mut impl FnMut(bool, Question) -> Option<Answer>) {
        loop {
            let [delivered, _] = &mut self.delivered;
            let events = &mut self.events;
            let to_server = step(&mut self.client, false, events, delivered, answer);
            self.client_sent.extend_from_slice(&to_server);
            if !to_server.is_empty() {
                self.server.receive(&to_server, now());
            }
            let [_, delivered] = &mut self.delivered;
            let events = &mut self.events;
            let to_client = step(&mut self.server, true, events, delivered, answer);
            self.server_sent.extend_from_slice(&to_client);
            if !to_client.is_empty() {
                self.client.receive(&to_client, now());
            }
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
        }
    }

    fn end(mut handshake: Handshake) -> Ended {
        handshake.receive_eof();
        match handshake.poll() {
            Ok(Step::Connected) => handshake.into_connection(),
            Ok(step) => panic!("still at {step:?}"),
            Err(error) => Err(error),
        }
    }
}

/// Polls one end until it waits; gives what it sent.
fn step(
    handshake: &mut Handshake,
    is_server: bool,
    events: &mut Vec<Event>,
    delivered: &mut Vec<u8>,
    answer: &mut impl FnMut(bool, Question) -> Option<Answer>,
) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        match handshake.poll() {
            Ok(Step::Transmit(bytes)) => sent.extend_from_slice(&bytes),
            Ok(Step::Event(event)) => events.push(event),
            Ok(Step::Ask(question)) => {
                if let Some(answer) = answer(is_server, question) {
                    handshake.answer(answer, now()).unwrap();
                }
            }
            Ok(Step::Data(data) | Step::EarlyData(data)) => delivered.extend_from_slice(&data),
            Ok(Step::Connected | Step::Wait { .. }) | Err(_) => return sent,
        }
    }
}

/// Of what takes long without optimization a part is tried: the first of eight, or that which `PORTCULLIS_DATAGRAMS` says.
/// With `3/8` it is the fourth of eight, with `0/1` all.
#[cfg(feature = "dtls")]
pub(crate) fn part() -> (usize, usize) {
    let part = std::env::var("PORTCULLIS_DATAGRAMS").unwrap_or_else(|_| "0/8".to_owned());
    let (turn, of) = part.split_once('/').expect("a part is TURN/OF");
    let (turn, of): (usize, usize) = (turn.parse().unwrap(), of.parse().unwrap());
    assert!(turn < of, "{part}");
    (turn, of)
}
