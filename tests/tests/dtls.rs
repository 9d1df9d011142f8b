//! DTLS 1.3 with dimpl, in memory and in both roles: datagrams are lost on the way, and come twice.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dimpl::crypto::Dtls13CipherSuite;
use dimpl::{Config, Dtls, DtlsCertificate, NamedGroup as Group, Output};
use portcullis_core::config::{ClientAuthentication, ClientConfig, ServerConfig};
use portcullis_core::suite::CipherSuite;
use portcullis_core::x509::{Identity, Roots};
use portcullis_core::{
    Control, CookiePolicy, DatagramConnection, DatagramOptions, Discarded, Gate, Handshake,
    Monotonic, NamedGroup, Now, ProtocolVersion, Received, Step, Verdict,
};
use portcullis_tests::pki::pki;
use rustls::pki_types::{ServerName, UnixTime};

/// The time of both ends, moved by hand.
struct Clock {
    start: Instant,
    passed: Duration,
}

impl Clock {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Now {
            wall: UnixTime::since_unix_epoch(wall),
            monotonic: Monotonic(self.passed),
        }
    }

    fn instant(&self) -> Instant {
        self.start + self.passed
    }
}

/// This side.
enum Ours {
    /// A server that has admitted nobody.
    Idle(Box<(ServerConfig, Gate)>),
    Handshake(Box<Handshake>),
    Connected(Box<DatagramConnection>),
    /// Between the two.
    Gone,
}

/// Both ends, and what was heard.
struct Pair {
    ours: Ours,
    theirs: Dtls,
    clock: Clock,
    their_connected: bool,
    heard: Vec<Vec<u8>>,
    they_heard: Vec<Vec<u8>>,
    they_heard_close: bool,
    closed: bool,
    their_certificate: Option<Vec<u8>>,
    sent: usize,
}

fn dimpl_config(
    suite: Dtls13CipherSuite,
    cookie: bool,
    certificates: bool,
    limit: u64,
) -> Arc<Config> {
    let config = Config::builder()
        .dtls13_cipher_suites(&[suite])
        .kx_groups(&[Group::X25519, Group::Secp256r1])
        .use_server_cookie(cookie)
        .aead_encryption_limit(limit)
        .require_client_certificate(certificates);
    Arc::new(config.build().unwrap())
}

fn dimpl(config: Arc<Config>, is_client: bool, start: Instant) -> Dtls {
    let identity = match is_client {
        true => &pki().client,
        false => &pki().ecdsa_p256,
    };
    let certificate = DtlsCertificate {
        certificate: identity.chain[0].to_vec(),
        private_key: identity.key.secret_der().to_vec(),
    };
    let mut dtls = Dtls::new_13(config, certificate, start);
    dtls.set_active(is_client);
    dtls
}

/// What dimpl shows is a leaf alone, so its issuer is the anchor.
fn roots() -> Roots {
    let mut roots = Roots::empty();
    roots.add_der(pki().intermediate.clone()).unwrap();
    roots
}

fn identity(of: &portcullis_tests::pki::Identity) -> Identity {
    Identity::from_der(of.chain.clone(), &of.key).unwrap()
}

const SUITES: [(CipherSuite, Dtls13CipherSuite); 3] = [
    (
        CipherSuite::TLS_AES_128_GCM_SHA256,
        Dtls13CipherSuite::AES_128_GCM_SHA256,
    ),
    (
        CipherSuite::TLS_AES_256_GCM_SHA384,
        Dtls13CipherSuite::AES_256_GCM_SHA384,
    ),
    (
        CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
        Dtls13CipherSuite::CHACHA20_POLY1305_SHA256,
    ),
];

/// What can differ.
#[derive(Clone, Copy, Debug)]
struct Case {
    we_are_client: bool,
    suite: usize,
    group: NamedGroup,
    cookie: bool,
    certificates: bool,
    mtu: u16,
    /// After how many records dimpl updates its key.
    limit: u64,
}

const CASE: Case = Case {
    we_are_client: true,
    suite: 0,
    group: NamedGroup::X25519,
    cookie: true,
    certificates: false,
    mtu: 1_200,
    limit: 1 << 20,
};

impl Pair {
    fn new(case: Case) -> Self {
        let clock = Clock {
            start: Instant::now(),
            passed: Duration::ZERO,
        };
        let (ours, theirs) = SUITES[case.suite];
        let options = DatagramOptions::default().mtu(case.mtu);
        let theirs = dimpl_config(theirs, case.cookie, case.certificates, case.limit);
        let theirs = dimpl(theirs, !case.we_are_client, clock.start);
        let ours = if case.we_are_client {
            let config = ClientConfig::builder(roots())
                .cipher_suites([ours])
                .groups([case.group])
                .identity(identity(&pki().client))
                .build();
            let name = ServerName::try_from("localhost").unwrap();
            let client =
                Handshake::datagram_client(config.unwrap(), name, vec![], options, clock.now());
            Ours::Handshake(Box::new(client.unwrap()))
        } else {
            let clients = match case.certificates {
                true => ClientAuthentication::Required(roots()),
                false => ClientAuthentication::None,
            };
            let config = ServerConfig::builder()
                .cipher_suites([ours])
                .groups([case.group])
                .identity(identity(&pki().ecdsa_p256))
                .client_authentication(clients)
                .build();
            let config = config.unwrap();
            let policy = match case.cookie {
                true => CookiePolicy::Always,
                false => CookiePolicy::Never,
            };
            let gate = Gate::new(&config, policy).unwrap();
            Ours::Idle(Box::new((config, gate)))
        };
        Self {
            ours,
            theirs,
            clock,
            their_connected: false,
            heard: Vec::new(),
            they_heard: Vec::new(),
            they_heard_close: false,
            closed: false,
            their_certificate: None,
            sent: 0,
        }
    }

    /// What this side sends now.
    fn ours_sends(&mut self) -> Vec<Vec<u8>> {
        let now = self.clock.now();
        let mut datagrams = Vec::new();
        loop {
            match &mut self.ours {
                Ours::Idle(_) | Ours::Gone => return datagrams,
                Ours::Connected(connection) => {
                    let mut out = vec![0; connection.writer.control_len()];
                    match connection
                        .writer
                        .poll_control(now.monotonic, &mut out)
                        .unwrap()
                    {
                        Control::Transmit(length) => datagrams.push(out[..length].to_vec()),
                        Control::Wait { .. } => return datagrams,
                    }
                }
                Ours::Handshake(handshake) => {
                    if handshake
                        .deadline()
                        .is_some_and(|deadline| deadline <= now.monotonic)
                    {
                        handshake.handle_timeout(now);
                    }
                    match handshake.poll().unwrap() {
                        Step::Transmit(datagram) => datagrams.push(datagram),
                        Step::Connected => self.connect(),
                        Step::Wait { .. } => return datagrams,
                        Step::Event(_) => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }

    fn connect(&mut self) {
        let Ours::Handshake(handshake) = std::mem::replace(&mut self.ours, Ours::Gone) else {
            panic!("only a handshake becomes a connection");
        };
        let mut connection = handshake.into_datagram_connection().unwrap();
        let unread = std::mem::take(&mut connection.unread);
        self.ours = Ours::Connected(Box::new(connection));
        for datagram in unread {
            self.ours_receives(datagram);
        }
    }

    fn ours_receives(&mut self, mut datagram: Vec<u8>) {
        let now = self.clock.now();
        match &mut self.ours {
            Ours::Idle(idle) => {
                let (config, gate) = &mut **idle;
                let admission = match gate.on_datagram(b"dimpl", &datagram, now) {
                    Verdict::Admit(admission) => admission,
                    Verdict::Reply(reply) => {
                        assert!(reply.len() <= 2 * datagram.len());
                        self.theirs.handle_packet(&reply).unwrap();
                        return;
                    }
                    Verdict::Discard(why) => {
                        assert_eq!(why, Discarded::NotWhole);
                        return;
                    }
                };
                let options = DatagramOptions::default();
                let server = Handshake::datagram_server(config.clone(), admission, options, now);
                self.ours = Ours::Handshake(Box::new(server.unwrap()));
            }
            Ours::Gone => unreachable!("it is replaced at once"),
            Ours::Handshake(handshake) => handshake.receive(&datagram, now),
            Ours::Connected(connection) => {
                let mut records = connection.reader.open(&mut datagram, now.monotonic);
                while let Some(received) = records.next().unwrap() {
                    match received {
                        Received::Data(data) => self.heard.push(data.to_vec()),
                        Received::Closed => self.closed = true,
                        _ => {}
                    }
                }
            }
        }
    }

    fn theirs_sends(&mut self) -> Vec<Vec<u8>> {
        self.theirs.handle_timeout(self.clock.instant()).unwrap();
        let (mut datagrams, mut buffer) = (Vec::new(), vec![0; 4_096]);
        loop {
            match self.theirs.poll_output(&mut buffer) {
                Output::Packet(packet) => datagrams.push(packet.to_vec()),
                Output::Connected => self.their_connected = true,
                Output::PeerCert(certificate) => {
                    self.their_certificate = Some(certificate.to_vec())
                }
                Output::ApplicationData(data) => self.they_heard.push(data.to_vec()),
                Output::CloseNotify => self.they_heard_close = true,
                Output::Timeout(_) => return datagrams,
                _ => {}
            }
        }
    }

    /// Lets this much time pass. `lost` says which datagrams do not come.
    fn run(&mut self, time: Duration, lost: &mut dyn FnMut(usize) -> bool) {
        let end = self.clock.passed + time;
        while self.clock.passed < end {
            let (ours, theirs) = (self.ours_sends(), self.theirs_sends());
            for datagram in ours {
                self.sent += 1;
                if !lost(self.sent - 1) {
                    self.theirs.handle_packet(&datagram).unwrap();
                }
            }
            for datagram in theirs {
                self.sent += 1;
                if !lost(self.sent - 1) {
                    self.ours_receives(datagram);
                }
            }
            self.clock.passed += Duration::from_millis(5);
        }
    }

    fn connection(&mut self) -> &mut DatagramConnection {
        match &mut self.ours {
            Ours::Connected(connection) => connection,
            Ours::Handshake(handshake) => panic!("still at {:?}", handshake.stage()),
            Ours::Idle(_) | Ours::Gone => panic!("nobody was admitted"),
        }
    }

    fn say(&mut self, message: &[u8]) {
        let writer = &mut self.connection().writer;
        let mut out = vec![0; writer.sealed_len(message.len())];
        let length = writer
            .seal(&[std::io::IoSlice::new(message)], &mut out)
            .unwrap();
        self.theirs.handle_packet(&out[..length]).unwrap();
    }

    /// Connects, and exchanges a message each way.
    fn must_succeed(&mut self, what: &dyn std::fmt::Debug, lost: &mut dyn FnMut(usize) -> bool) {
        self.run(Duration::from_secs(12), lost);
        assert!(self.their_connected, "{what:?}");
        let information = &self.connection().information;
        assert_eq!(information.version(), ProtocolVersion::DTLS_1_3);
        self.exchange(what);
        assert!(self.connection().writer.is_acknowledged(), "{what:?}");
    }

    fn exchange(&mut self, what: &dyn std::fmt::Debug) {
        self.heard.clear();
        self.they_heard.clear();
        self.say(b"from portcullis");
        self.theirs.send_application_data(b"from dimpl").unwrap();
        self.run(Duration::from_millis(100), &mut |_| false);
        assert_eq!(self.they_heard, [b"from portcullis"], "{what:?}");
        assert_eq!(self.heard, [b"from dimpl"], "{what:?}");
    }
}

#[test]
fn every_suite_in_both_roles_with_and_without_a_cookie() {
    for we_are_client in [true, false] {
        for (suite, (name, ..)) in SUITES.iter().enumerate() {
            for group in [NamedGroup::X25519, NamedGroup::SECP256R1] {
                for cookie in [true, false] {
                    let case = Case {
                        we_are_client,
                        suite,
                        group,
                        cookie,
                        ..CASE
                    };
                    let mut pair = Pair::new(case);
                    pair.must_succeed(&case, &mut |_| false);
                    let information = &pair.connection().information;
                    assert_eq!(information.cipher_suite(), *name);
                    assert_eq!(information.group(), Some(group));
                    assert!(information.hello_retried() || !cookie);
                }
            }
        }
    }
}

#[test]
fn clients_show_certificates() {
    for we_are_client in [true, false] {
        let case = Case {
            we_are_client,
            certificates: true,
            ..CASE
        };
        let mut pair = Pair::new(case);
        pair.must_succeed(&case, &mut |_| false);
        if we_are_client {
            let shown = pair.their_certificate.as_deref();
            assert_eq!(shown, Some(&*pki().client.chain[0]));
        } else {
            let information = &pair.connection().information;
            assert_eq!(information.peer_certificates()[0], pki().client.chain[0]);
        }
    }
}

#[test]
fn any_datagram_of_the_handshake_may_be_lost() {
    for we_are_client in [true, false] {
        let case = Case {
            we_are_client,
            certificates: true,
            ..CASE
        };
        let mut whole = Pair::new(case);
        whole.must_succeed(&case, &mut |_| false);
        for at in 0..whole.sent {
            let mut pair = Pair::new(case);
            pair.must_succeed(&(case, at), &mut |index| index == at);
        }
    }
}

#[test]
fn flights_are_cut_to_small_datagrams() {
    let case = Case {
        mtu: 300,
        certificates: true,
        ..CASE
    };
    Pair::new(case).must_succeed(&case, &mut |_| false);
}

#[test]
fn keys_are_updated_by_either_side() {
    for we_are_client in [true, false] {
        let case = Case {
            we_are_client,
            limit: 20,
            ..CASE
        };
        let mut pair = Pair::new(case);
        pair.must_succeed(&case, &mut |_| false);
        for round in 0..40 {
            if round % 5 == 0 {
                pair.connection().writer.key_update(round % 2 == 0).unwrap();
            }
            pair.exchange(&(case, round));
        }
    }
}

#[test]
fn either_side_closes() {
    for we_close in [true, false] {
        let mut pair = Pair::new(CASE);
        pair.must_succeed(&CASE, &mut |_| false);
        if we_close {
            pair.connection().writer.close_notify();
        } else {
            pair.theirs.close().unwrap();
        }
        pair.run(Duration::from_millis(100), &mut |_| false);
        assert_eq!((pair.they_heard_close, pair.closed), (we_close, !we_close));
    }
}
