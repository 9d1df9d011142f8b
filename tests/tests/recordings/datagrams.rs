//! What this side does over datagrams, whoever is at the other end. No time passes, so nothing is said again.

use std::io::IoSlice;
use std::time::Duration;

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::Question;
use portcullis_core::{
    Admission, Control, DatagramConnection, DatagramOptions, Handshake, Monotonic, NamedGroup, Now,
    ProtocolVersion, Received, Step,
};
use rustls::pki_types::{ServerName, UnixTime};

use crate::conversation::{GROUPS, LINE, Materials, Role, SCHEMES, SUITES, sign};
use crate::wire::Wire;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    OpenSsl,
    GnuTls,
    Wolfssl,
    Boringssl,
}

/// A connection, a message and its answer, and close_notify of this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) role: Role,
    pub(crate) program: Program,
}

impl Scenario {
    /// A server of DTLS 1.3 signs by chance (RSA-PSS), so this side is none.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [
            (Role::Client, Program::OpenSsl),
            (Role::Server, Program::OpenSsl),
            (Role::Client, Program::GnuTls),
            (Role::Server, Program::GnuTls),
            (Role::Client, Program::Wolfssl),
            (Role::Client, Program::Boringssl),
        ]
        .into_iter()
        .map(|(role, program)| Self { role, program })
    }

    pub(crate) fn is_13(self) -> bool {
        matches!(self.program, Program::Wolfssl | Program::Boringssl)
    }

    /// As its file is called.
    pub(crate) fn name(self) -> String {
        let program = match self.program {
            Program::OpenSsl => "openssl",
            Program::GnuTls => "gnutls",
            Program::Wolfssl => "wolfssl",
            Program::Boringssl => "boringssl",
        };
        let peer = match self.role {
            Role::Client => "server",
            Role::Server => "client",
        };
        format!("{program}-{peer}-datagrams")
    }
}

/// Has the conversation; gives what is to be known of it.
pub(crate) fn converse(
    scenario: Scenario,
    materials: &Materials,
    now: u64,
    wire: &mut dyn Wire,
) -> Vec<String> {
    let mut side = Side {
        scenario,
        materials,
        now: Now {
            wall: UnixTime::since_unix_epoch(Duration::from_secs(now)),
            monotonic: Monotonic(Duration::ZERO),
        },
        wire,
        result: Vec::new(),
    };
    side.wire.connect();
    let handshake = match scenario.role {
        Role::Client => side.client(),
        Role::Server => side.server(),
    };
    let mut connection = side.connected(handshake);
    match scenario.role {
        Role::Client => {
            side.say(&mut connection, LINE);
            let answer = side.hear(&mut connection);
            side.fact(format!("answered {:?}", String::from_utf8_lossy(&answer)));
        }
        Role::Server => {
            let message = side.hear(&mut connection);
            side.fact(format!("echoed {:?}", String::from_utf8_lossy(&message)));
            side.say(&mut connection, &message);
        }
    }
    connection.writer.close_notify();
    side.do_work(&mut connection);
    side.result
}

/// This side.
struct Side<'a> {
    scenario: Scenario,
    materials: &'a Materials,
    now: Now,
    wire: &'a mut dyn Wire,
    result: Vec<String>,
}

impl Side<'_> {
    fn fact(&mut self, fact: String) {
        self.result.push(fact);
    }

    fn client(&mut self) -> Handshake {
        let config = ClientConfig::builder(self.materials.roots());
        let config = match self.scenario.is_13() {
            // A share of ML-KEM is another one each time.
            true => config
                .versions([ProtocolVersion::TLS_1_3])
                .groups([NamedGroup::X25519]),
            false => config
                .versions([ProtocolVersion::TLS_1_2])
                .cipher_suites(SUITES)
                .groups(GROUPS)
                .signature_schemes(SCHEMES),
        };
        let config = config.build().expect("a client's configuration");
        let name = ServerName::try_from("localhost").expect("a name");
        let options = DatagramOptions::default();
        Handshake::datagram_client_seeded(config, name, Vec::new(), options, self.now, 1)
            .expect("a hello")
    }

    /// Without a cookie, whose secret is another one each time.
    fn server(&mut self) -> Handshake {
        let config = ServerConfig::builder()
            .identity(self.materials.identity(Role::Server))
            .versions([ProtocolVersion::TLS_1_2])
            .cipher_suites(SUITES)
            .groups(GROUPS)
            .signature_schemes(SCHEMES)
            .resumption(false)
            .build()
            .expect("a server's configuration");
        let admission = Admission::without_cookie(self.wire.receive());
        let options = DatagramOptions::default();
        Handshake::datagram_server_seeded(config, admission, options, self.now, 1).expect("a hello")
    }

    fn connected(&mut self, mut handshake: Handshake) -> DatagramConnection {
        loop {
            match handshake.poll() {
                Ok(Step::Transmit(datagram)) => self.wire.send(&datagram),
                Ok(Step::Event(_)) => {}
                Ok(Step::Ask(Question::Sign(question))) => {
                    let key = self.materials.key(self.scenario.role);
                    let signature = sign(&key, question.content());
                    let answer = question.signature(signature);
                    handshake.answer(answer, self.now).expect("an answer");
                }
                Ok(Step::Ask(question)) => {
                    let answer = question.default_answer();
                    handshake.answer(answer, self.now).expect("an answer");
                }
                Ok(Step::Wait { .. }) => {
                    let datagram = self.wire.receive();
                    handshake.receive(&datagram, self.now);
                }
                Ok(Step::Connected) => break,
                Ok(step) => panic!("{step:?}"),
                Err(error) => panic!("{}: {error}", self.scenario.name()),
            }
        }
        let connection = handshake.into_datagram_connection().expect("a connection");
        let information = &connection.information;
        let fact = format!(
            "{} {} in {}, certificates of the peer: {}",
            information.version(),
            information.cipher_suite(),
            information
                .group()
                .map_or("no group".to_owned(), |group| group.to_string()),
            information.peer_certificates().len(),
        );
        self.fact(fact);
        connection
    }

    fn say(&mut self, connection: &mut DatagramConnection, message: &[u8]) {
        let writer = &mut connection.writer;
        let mut out = vec![0; writer.sealed_len(message.len())];
        let sealed = writer.seal(&[IoSlice::new(message)], &mut out);
        out.truncate(sealed.expect("a record"));
        self.wire.send(&out);
    }

    /// Acknowledges, and says what else there is to say.
    fn do_work(&mut self, connection: &mut DatagramConnection) {
        let writer = &mut connection.writer;
        let mut out = vec![0; writer.control_len()];
        while let Control::Transmit(length) = writer
            .poll_control(self.now.monotonic, &mut out)
            .expect("a connection")
        {
            self.wire.send(&out[..length]);
        }
    }

    /// The message that comes next.
    fn hear(&mut self, connection: &mut DatagramConnection) -> Vec<u8> {
        let mut waiting = core::mem::take(&mut connection.unread).into_iter();
        loop {
            self.do_work(connection);
            let mut datagram = match waiting.next() {
                Some(datagram) => datagram.to_vec(),
                None => self.wire.receive(),
            };
            let mut records = connection.reader.open(&mut datagram, self.now.monotonic);
            while let Some(received) = records.next().expect("records") {
                match received {
                    Received::Data(message) if !message.is_empty() => return message.to_vec(),
                    Received::Closed => panic!("{}: closed", self.scenario.name()),
                    _ => {}
                }
            }
        }
    }
}
