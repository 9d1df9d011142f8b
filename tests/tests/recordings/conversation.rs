//! What this side does in each scenario, whoever is at the other end of the wire.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use portcullis_core::config::{ClientAuthentication, ClientConfig, Renegotiation, ServerConfig};
use portcullis_core::question::{Answer, Question};
use portcullis_core::session::{ClientSession, ServerSession, TicketKeys};
use portcullis_core::suite::CipherSuite;
use portcullis_core::x509::{Identity, Roots};
use portcullis_core::{
    Connection, Frame, Handshake, NamedGroup, Opened, PeerRequest, ProtocolVersion,
    SignatureScheme, Step,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::wire::Wire;

/// What this side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    OpenSsl,
    GnuTls,
    Erlang,
}

/// What is special about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A full handshake, and one that resumes by a ticket (RFC 5077).
    Ticket,
    /// The same by an id (RFC 5246 §7.3).
    Id,
    /// The client shows a certificate.
    ClientCertificate,
    /// With data before and behind it.
    Renegotiation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) role: Role,
    pub(crate) program: Program,
    pub(crate) what: What,
}

impl Scenario {
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for program in [Program::OpenSsl, Program::GnuTls, Program::Erlang] {
            for role in [Role::Client, Role::Server] {
                for what in [
                    What::Ticket,
                    What::Id,
                    What::ClientCertificate,
                    What::Renegotiation,
                ] {
                    // Erlang/OTP 25 has no tickets of TLS 1.2.
                    if (program, what) != (Program::Erlang, What::Ticket) {
                        all.push(Self {
                            role,
                            program,
                            what,
                        });
                    }
                }
            }
        }
        all
    }

    /// As its file is called.
    pub(crate) fn name(&self) -> String {
        let program = match self.program {
            Program::OpenSsl => "openssl",
            Program::GnuTls => "gnutls",
            Program::Erlang => "erlang",
        };
        let peer = match self.role {
            Role::Client => "server",
            Role::Server => "client",
        };
        let what = match self.what {
            What::Ticket => "ticket",
            What::Id => "id",
            What::ClientCertificate => "client-certificate",
            What::Renegotiation => "renegotiation",
        };
        format!("{program}-{peer}-{what}")
    }

    fn connections(&self) -> u64 {
        match self.what {
            What::Ticket | What::Id => 2,
            What::ClientCertificate | What::Renegotiation => 1,
        }
    }
}

/// The certificates and keys of the recordings, which are of nothing else.
pub(crate) struct Materials {
    root: Vec<u8>,
    server: Vec<u8>,
    client: Vec<u8>,
}

impl Materials {
    pub(crate) const FILES: [&str; 3] = ["root.pem", "server.pem", "client.pem"];

    pub(crate) fn read(folder: &Path) -> Self {
        let [root, server, client] =
            Self::FILES.map(|name| fs::read(folder.join(name)).expect("certificates"));
        Self {
            root,
            server,
            client,
        }
    }

    fn of(&self, role: Role) -> &[u8] {
        match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    /// With a key that is asked to sign, as [`key`](Self::key) does it.
    pub(crate) fn identity(&self, role: Role) -> Identity {
        let chain = CertificateDer::pem_slice_iter(self.of(role));
        let chain = chain.collect::<Result<_, _>>().expect("a chain");
        Identity::with_external_key(chain, vec![SignatureScheme::RSA_PKCS1_SHA256])
            .expect("an identity")
    }

    pub(crate) fn key(&self, role: Role) -> RsaKeyPair {
        let key = PrivateKeyDer::from_pem_slice(self.of(role)).expect("a key");
        RsaKeyPair::from_pkcs8(key.secret_der()).expect("an RSA key")
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::from_pem(&self.root).expect("a root")
    }
}

/// What a client says, and the server says back.
pub(crate) const LINE: &[u8] = b"for the record\n";
/// What makes GnuTLS's server begin.
const COMMAND: &[u8] = b"**REHANDSHAKE**\n";

/// What is the same each time.
pub(crate) const SUITES: [CipherSuite; 1] = [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
pub(crate) const GROUPS: [NamedGroup; 2] = [NamedGroup::SECP256R1, NamedGroup::X25519];
pub(crate) const SCHEMES: [SignatureScheme; 2] = [
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::ECDSA_SECP256R1_SHA256,
];
const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};

/// Has the conversation; gives what is to be known of it.
pub(crate) fn converse(
    scenario: &Scenario,
    materials: &Materials,
    now: u64,
    wire: &mut dyn Wire,
) -> Vec<String> {
    let mut side = Side {
        scenario: *scenario,
        now: UnixTime::since_unix_epoch(Duration::from_secs(now)),
        wire,
        seed: 0,
        key: materials.key(scenario.role),
        kept: HashMap::new(),
        result: Vec::new(),
    };
    match scenario.role {
        Role::Client => side.client(materials),
        Role::Server => side.server(materials),
    }
    side.result
}

/// As PKCS #1 has it, with SHA-256.
pub(crate) fn sign(key: &RsaKeyPair, content: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    let signed = key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        content,
        &mut signature,
    );
    signed.expect("a signature");
    signature
}

/// This side.
struct Side<'a> {
    scenario: Scenario,
    now: UnixTime,
    wire: &'a mut dyn Wire,
    seed: u64,
    /// It signs as PKCS #1 has it, which is not random, unlike what is signed otherwise.
    key: RsaKeyPair,
    /// What a server keeps, by its id.
    kept: HashMap<Vec<u8>, ServerSession>,
    result: Vec<String>,
}

/// A connection, what has come that is not read, and data that was under way when another handshake began.
struct Talk {
    connection: Connection,
    unread: Vec<u8>,
    under_way: Vec<u8>,
}

impl Side<'_> {
    fn seed(&mut self) -> u64 {
        self.seed += 1;
        self.seed
    }

    fn client(&mut self, materials: &Materials) {
        let what = self.scenario.what;
        let mut config = ClientConfig::builder(materials.roots())
            .versions([ProtocolVersion::TLS_1_2])
            .cipher_suites(SUITES)
            .groups(GROUPS)
            .signature_schemes(SCHEMES)
            .session_tickets(matches!(what, What::Ticket | What::Id))
            .renegotiation(ALWAYS);
        if what == What::ClientCertificate {
            config = config.identity(materials.identity(Role::Client));
        }
        let config = config.build().expect("a client's configuration");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut sessions: Vec<ClientSession> = Vec::new();
        for _ in 0..self.scenario.connections() {
            self.wire.connect();
            let seed = self.seed();
            let sessions_offered = core::mem::take(&mut sessions);
            let handshake = Handshake::client_resuming_seeded(
                config.clone(),
                name.clone(),
                sessions_offered,
                self.now,
                seed,
            );
            let mut talk = self.connected(handshake.expect("a hello"));
            self.say(&mut talk, LINE);
            if what == What::Renegotiation {
                // GnuTLS's program has a command for it, and none to let others.
                if self.scenario.program == Program::GnuTls {
                    self.say(&mut talk, COMMAND);
                } else {
                    self.renegotiate(&mut talk);
                }
                self.say(&mut talk, LINE);
            }
            let reader = &mut talk.connection.reader;
            let tickets = core::iter::from_fn(|| reader.take_ticket());
            sessions.extend(tickets.map(|ticket| ticket.into_session(self.now)));
            self.close(&mut talk);
        }
    }

    fn server(&mut self, materials: &Materials) {
        let what = self.scenario.what;
        let mut config = ServerConfig::builder()
            .identity(materials.identity(Role::Server))
            .versions([ProtocolVersion::TLS_1_2])
            .cipher_suites(SUITES)
            .groups(GROUPS)
            .signature_schemes(SCHEMES)
            .resumption(false)
            .renegotiation(ALWAYS);
        config = match what {
            What::Ticket => {
                let keys = TicketKeys::shared([&[7; TicketKeys::SECRET_LEN]]).expect("a key");
                config.ticket_keys(keys)
            }
            What::Id => config.ask_sessions(true),
            What::ClientCertificate => {
                config.client_authentication(ClientAuthentication::Required(materials.roots()))
            }
            What::Renegotiation => config,
        };
        let config = config.build().expect("a server's configuration");
        for _ in 0..self.scenario.connections() {
            self.wire.connect();
            let seed = self.seed();
            let handshake = Handshake::server_seeded(config.clone(), seed);
            let mut talk = self.connected(handshake);
            while let Some(data) = self.read(&mut talk) {
                self.fact(format!("echoed {:?}", String::from_utf8_lossy(&data)));
                self.send(&mut talk, &data);
            }
            self.close(&mut talk);
        }
    }

    /// Takes a handshake to its end.
    fn connected(&mut self, mut handshake: Handshake) -> Talk {
        let (mut sent, mut under_way) = (Vec::new(), Vec::new());
        loop {
            match handshake.poll() {
                Ok(Step::Transmit(bytes)) => sent.extend_from_slice(&bytes),
                Ok(Step::Event(_)) => {}
                Ok(Step::Ask(question)) => {
                    let answer = self.answer(question);
                    handshake.answer(answer, self.now).expect("an answer");
                }
                Ok(Step::Wait { .. }) => {
                    self.flush(&mut sent);
                    let bytes = self.wire.receive();
                    assert!(!bytes.is_empty(), "closed in the handshake");
                    handshake.receive(&bytes, self.now);
                }
                Ok(Step::Data(data)) => under_way.extend(data),
                Ok(Step::Connected) => break,
                Ok(step) => panic!("{step:?}"),
                Err(error) => panic!("{}: {error}", self.scenario.name()),
            }
        }
        self.flush(&mut sent);
        let mut connection = handshake.into_connection().expect("a connection");
        assert!(connection.transmit.is_empty());
        let unread = core::mem::take(&mut connection.unread);
        let information = &connection.information;
        self.fact(format!(
            "{} {} in {}, resumed: {}, certificates of the peer: {}, shown: {}",
            information.version(),
            information.cipher_suite(),
            information
                .group()
                .map_or("no group".to_owned(), |group| group.to_string()),
            information.is_resumed(),
            information.peer_certificates().len(),
            information.local_certificate().is_some(),
        ));
        Talk {
            connection,
            unread,
            under_way,
        }
    }

    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::KeepSession(question) => {
                let session = question.session().clone();
                self.kept.insert(question.session_id().to_vec(), session);
                question.done()
            }
            Question::FindSession(question) => {
                match self.kept.get(question.session_id()).cloned() {
                    Some(session) => question.resume(session),
                    None => question.none(),
                }
            }
            Question::Sign(question) => {
                assert_eq!(question.scheme(), SignatureScheme::RSA_PKCS1_SHA256);
                let signature = sign(&self.key, question.content());
                question.signature(signature)
            }
            other => other.default_answer(),
        }
    }

    fn flush(&mut self, sent: &mut Vec<u8>) {
        if !sent.is_empty() {
            self.wire.send(sent);
            sent.clear();
        }
    }

    fn fact(&mut self, fact: String) {
        self.result.push(fact);
    }

    /// Begins another handshake, or goes on with the peer's.
    fn renegotiate(&mut self, talk: &mut Talk) {
        let Connection { reader, writer, .. } = &mut talk.connection;
        let seed = self.seed();
        let mut handshake =
            Handshake::renegotiate_seeded(reader, writer, self.now, seed).expect("a beginning");
        let unread = core::mem::take(&mut talk.unread);
        if !unread.is_empty() {
            handshake.receive(&unread, self.now);
        }
        *talk = self.connected(handshake);
    }

    fn send(&mut self, talk: &mut Talk, data: &[u8]) {
        let writer = &mut talk.connection.writer;
        let mut out = vec![0; writer.max_sealed_len(data.len())];
        let sealed = writer.seal(data, &mut out).expect("a record");
        assert_eq!(sealed.consumed, data.len());
        out.truncate(sealed.written);
        self.wire.send(&out);
    }

    /// Sends it, and reads as much as an answer to it.
    fn say(&mut self, talk: &mut Talk, data: &[u8]) {
        self.send(talk, data);
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n") {
            answer.extend(self.read(talk).expect("an answer"));
        }
        self.fact(format!("answered {:?}", String::from_utf8_lossy(&answer)));
    }

    /// The data that comes next; `None` when the peer has closed.
    fn read(&mut self, talk: &mut Talk) -> Option<Vec<u8>> {
        loop {
            if !talk.under_way.is_empty() {
                return Some(core::mem::take(&mut talk.under_way));
            }
            let reader = &mut talk.connection.reader;
            match reader.frame(&talk.unread).expect("records") {
                Frame::Closed => return None,
                Frame::NeedMore { .. } => {
                    let bytes = self.wire.receive();
                    if bytes.is_empty() {
                        return None;
                    }
                    talk.unread.extend(bytes);
                }
                Frame::Record { len, .. } => {
                    let mut record: Vec<u8> = talk.unread.drain(..len).collect();
                    match reader.open_in_place(&mut record).expect("a record") {
                        Opened::Data(range) => return record.get(range).map(<[u8]>::to_vec),
                        Opened::Closed => return None,
                        Opened::Nothing => {}
                    }
                    if reader.take_request(self.now) == Some(PeerRequest::Renegotiation) {
                        self.renegotiate(talk);
                    }
                }
            }
        }
    }

    fn close(&mut self, talk: &mut Talk) {
        let writer = &mut talk.connection.writer;
        let mut out = vec![0; writer.control_len()];
        let len = writer.close_notify(&mut out).expect("close_notify");
        out.truncate(len);
        self.wire.send(&out);
    }
}
