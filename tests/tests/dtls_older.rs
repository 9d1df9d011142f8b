//! DTLS 1.2 and 1.0 with OpenSSL and GnuTLS, in both roles, over UDP; also where datagrams are lost.

use std::cell::Cell;
use std::io::{ErrorKind, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::suite::CipherSuite;
use portcullis_core::x509::{Identity, Roots};
use portcullis_core::{
    Control, CookiePolicy, DatagramConnection, DatagramOptions, Gate, Handshake, Monotonic, Now,
    ProtocolVersion, Received, Step, Verdict,
};
use portcullis_tests::peers::free_port;
use portcullis_tests::pki::pki;
use portcullis_tests::program::Program;
use rustls::pki_types::{ServerName, UnixTime};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether this datagram is lost.
type IsLost = fn(&[u8]) -> bool;

/// A socket, and which of what is sent in a handshake is lost.
struct Link {
    socket: UdpSocket,
    peer: SocketAddr,
    start: Instant,
    lost: fn(usize) -> bool,
    sent: usize,
    /// Of what the peer sends: by which datagram that is, whether it does not come, once.
    unheard: Cell<Option<IsLost>>,
}

impl Link {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Now {
            wall: UnixTime::since_unix_epoch(wall),
            monotonic: Monotonic(self.start.elapsed()),
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        self.sent += 1;
        if !(self.lost)(self.sent) {
            // That nobody listens (yet) comes back by ICMP, and is as if it were lost.
            let _ = self.socket.send_to(datagram, self.peer);
        }
    }

    /// One datagram, or time.
    fn receive(&self, deadline: Option<Monotonic>) -> Option<Vec<u8>> {
        let longest = Duration::from_millis(200);
        let wait = deadline.map_or(longest, |due| due.0.saturating_sub(self.start.elapsed()));
        let wait = wait.clamp(Duration::from_millis(1), longest);
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut buffer = [0; 65_536];
        match self.socket.recv_from(&mut buffer) {
            Ok((length, _)) => {
                let datagram = buffer[..length].to_vec();
                match self.unheard.get() {
                    Some(is_lost) if is_lost(&datagram) => {
                        self.unheard.set(None);
                        None
                    }
                    _ => Some(datagram),
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
                ) =>
            {
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn run(&mut self, mut handshake: Handshake) -> DatagramConnection {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match handshake.poll().unwrap() {
                Step::Transmit(datagram) => self.send(&datagram),
                Step::Ask(question) => {
                    let now = self.now();
                    handshake.answer(question.default_answer(), now).unwrap();
                }
                Step::Wait { deadline } => {
                    if let Some(datagram) = self.receive(deadline) {
                        handshake.receive(&datagram, self.now());
                    }
                    handshake.handle_timeout(self.now());
                }
                Step::Connected => return handshake.into_datagram_connection().unwrap(),
                _ => {}
            }
        }
        panic!(
            "the handshake does not come to an end: {:?}",
            handshake.stage()
        );
    }

    fn say(&mut self, connection: &mut DatagramConnection, message: &[u8]) {
        let mut out = vec![0; connection.writer.sealed_len(message.len())];
        let sealed = connection.writer.seal(&[IoSlice::new(message)], &mut out);
        self.lost = |_| false;
        self.send(&out[..sealed.unwrap()]);
    }

    /// The next message; what is due besides is done.
    fn hear(&mut self, connection: &mut DatagramConnection) -> Vec<u8> {
        let end = Instant::now() + PATIENCE;
        let mut waiting = std::mem::take(&mut connection.unread);
        loop {
            for mut datagram in std::mem::take(&mut waiting) {
                let mut records = connection.reader.open(&mut datagram, self.now().monotonic);
                while let Some(received) = records.next().unwrap() {
                    if let Received::Data(data) = received
                        && !data.is_empty()
                    {
                        return data.to_vec();
                    }
                }
            }
            let mut out = vec![0; connection.writer.control_len()];
            let control = connection
                .writer
                .poll_control(self.now().monotonic, &mut out);
            match control.unwrap() {
                Control::Transmit(length) => self.send(&out[..length]),
                Control::Wait { deadline } => waiting.extend(self.receive(deadline)),
            }
            assert!(Instant::now() < end, "nothing is heard");
        }
    }
}

fn link(peer: SocketAddr, lost: fn(usize) -> bool) -> Link {
    Link {
        socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
        peer,
        start: Instant::now(),
        lost,
        sent: 0,
        unheard: Cell::new(None),
    }
}

fn client_config(version: ProtocolVersion, suite: CipherSuite) -> ClientConfig {
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    ClientConfig::builder(roots)
        .versions([version])
        .cipher_suites([suite])
        .build()
        .unwrap()
}

fn server_config(version: ProtocolVersion, suite: CipherSuite) -> ServerConfig {
    let identity = &pki().ecdsa_p256;
    let identity = Identity::from_der(identity.chain.clone(), &identity.key).unwrap();
    ServerConfig::builder()
        .identity(identity)
        .versions([version])
        .cipher_suites([suite])
        .build()
        .unwrap()
}

const NONE_LOST: fn(usize) -> bool = |_| false;
/// The first, the fourth, and each ninth.
const SOME_LOST: fn(usize) -> bool = |number| number == 1 || number == 4 || number % 9 == 0;

const GCM: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
const CBC: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA;

/// Each version with a cipher of each kind, and with loss.
/// A version, a suite, and which datagrams are lost.
type Case = (ProtocolVersion, CipherSuite, fn(usize) -> bool);

fn cases() -> Vec<Case> {
    vec![
        (ProtocolVersion::TLS_1_2, GCM, NONE_LOST),
        (
            ProtocolVersion::TLS_1_2,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            NONE_LOST,
        ),
        (ProtocolVersion::TLS_1_2, CBC, SOME_LOST),
        (ProtocolVersion::TLS_1_2, GCM, SOME_LOST),
        (ProtocolVersion::TLS_1_1, CBC, NONE_LOST),
        (ProtocolVersion::TLS_1_1, CBC, SOME_LOST),
    ]
}

fn openssl_version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLS_1_2 => "-dtls1_2",
        _ => "-dtls1",
    }
}

fn begin(link: &Link, config: ClientConfig) -> Handshake {
    let name = ServerName::try_from("localhost").unwrap();
    let options = DatagramOptions::default();
    Handshake::datagram_client(config, name, Vec::new(), options, link.now()).unwrap()
}

/// Against a server that says what it hears.
fn our_client(
    server: &mut Program,
    address: SocketAddr,
    case: (ProtocolVersion, CipherSuite, fn(usize) -> bool),
) {
    let (version, suite, lost) = case;
    let config = client_config(version, suite);
    let mut link = link(address, lost);
    let handshake = begin(&link, config);
    let mut connection = link.run(handshake);
    assert_eq!(connection.information.cipher_suite(), suite);
    link.say(&mut connection, b"from our client\n");
    server.wait_for("from our client");
    server.say("from the server\n");
    assert_eq!(link.hear(&mut connection), b"from the server\n");
}

#[test]
fn our_client_with_openssl() {
    let identity = &pki().ecdsa_p256;
    for case in cases() {
        for cookie in [false, true] {
            let port = free_port();
            let address: SocketAddr = ([127, 0, 0, 1], port).into();
            let accept = address.to_string();
            let (chain, key) = (&identity.chain_file, &identity.key_file);
            let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
            let mut words = vec!["openssl", "s_server", "-accept", &accept, "-cert", chain];
            words.extend(["-cert_chain", chain, "-key", key, openssl_version(case.0)]);
            words.extend(["-cipher", "ALL:@SECLEVEL=0", "-quiet"]);
            if cookie {
                words.push("-listen");
            }
            let mut server = Program::start(&words);
            // With -quiet it does not say that it listens.
            std::thread::sleep(Duration::from_millis(500));
            our_client(&mut server, address, case);
        }
    }
}

/// A server of ours: whoever comes has to bring a cookie.
fn our_server(
    start: impl FnOnce(SocketAddr) -> Program,
    case: (ProtocolVersion, CipherSuite, fn(usize) -> bool),
) {
    let (version, suite, lost) = case;
    let config = server_config(version, suite);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut client = start(address);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut gate = Gate::new(&config, CookiePolicy::Always).unwrap();
    let mut link = Link {
        socket,
        peer: address,
        start: Instant::now(),
        lost,
        sent: 0,
        unheard: Cell::new(None),
    };
    let mut buffer = [0; 65_536];
    let mut asked = 0;
    let admission = loop {
        let (length, peer) = link.socket.recv_from(&mut buffer).unwrap();
        link.peer = peer;
        let name = peer.to_string();
        match gate.on_datagram(name.as_bytes(), &buffer[..length], link.now()) {
            Verdict::Admit(admission) => break admission,
            Verdict::Reply(reply) => {
                asked += 1;
                link.socket.send_to(&reply, peer).unwrap();
            }
            Verdict::Discard(_) => {}
        }
    };
    assert!(asked > 0);
    let options = DatagramOptions::default();
    let handshake = Handshake::datagram_server(config, admission, options, link.now()).unwrap();
    let mut connection = link.run(handshake);
    assert_eq!(connection.information.cipher_suite(), suite);
    client.say("from the client\n");
    assert_eq!(link.hear(&mut connection), b"from the client\n");
    link.say(&mut connection, b"from our server\n");
    client.wait_for("from our server");
}

#[test]
fn our_server_with_openssl() {
    let root = pki().root.file.to_str().unwrap();
    for case in cases() {
        let start = |address: SocketAddr| {
            let address = address.to_string();
            Program::start(&[
                "openssl",
                "s_client",
                "-connect",
                &address,
                "-CAfile",
                root,
                "-verify_return_error",
                "-verify_hostname",
                "localhost",
                "-cipher",
                "ALL:@SECLEVEL=0",
                "-quiet",
                openssl_version(case.0),
            ])
        };
        our_server(start, case);
    }
}

fn gnutls_priority(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLS_1_2 => "NORMAL:-VERS-ALL:+VERS-DTLS1.2:%COMPAT",
        _ => "NORMAL:-VERS-ALL:+VERS-DTLS1.0:%COMPAT",
    }
}

/// Which gives back what it gets, and where it is.
fn gnutls_server(version: ProtocolVersion) -> (Program, SocketAddr) {
    let identity = &pki().ecdsa_p256;
    let port = free_port();
    let (chain, key) = (&identity.chain_file, &identity.key_file);
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let mut server = Program::start(&[
        "gnutls-serv",
        "--udp",
        "--echo",
        "--port",
        &port.to_string(),
        "--x509certfile",
        chain,
        "--x509keyfile",
        key,
        "--priority",
        gnutls_priority(version),
    ]);
    server.wait_for("listening on IPv4");
    (server, ([127, 0, 0, 1], port).into())
}

/// GnuTLS sends its ticket and its Finished in datagrams of their own, and has no timer for them (RFC 6347 §4.2.4): lost, they
/// come again when this side says its own flight again.
#[test]
fn what_gnutls_says_last_may_be_lost() {
    let is_finished = |datagram: &[u8]| datagram[0] == 22 && datagram[4] == 1;
    let is_ticket = |datagram: &[u8]| datagram[0] == 22 && datagram[4] == 0 && datagram[13] == 4;
    let losses: [IsLost; 2] = [is_finished, is_ticket];
    for is_lost in losses {
        let (_server, address) = gnutls_server(ProtocolVersion::TLS_1_2);
        let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        let config = client_config(ProtocolVersion::TLS_1_2, suite);
        let config = config.to_builder().session_tickets(true).build().unwrap();
        let mut link = link(address, NONE_LOST);
        link.unheard.set(Some(is_lost));
        let handshake = begin(&link, config);
        let mut connection = link.run(handshake);
        assert!(link.unheard.get().is_none(), "nothing was lost");
        link.say(&mut connection, b"to be said again\n");
        assert_eq!(link.hear(&mut connection), b"to be said again\n");
    }
}

#[test]
fn our_client_with_gnutls() {
    for case in cases() {
        let (_server, address) = gnutls_server(case.0);
        let (version, suite, lost) = case;
        let mut link = link(address, lost);
        let handshake = begin(&link, client_config(version, suite));
        let mut connection = link.run(handshake);
        link.say(&mut connection, b"to be said again\n");
        assert_eq!(link.hear(&mut connection), b"to be said again\n");
    }
}

#[test]
fn our_server_with_gnutls() {
    let root = pki().root.file.to_str().unwrap();
    for case in cases() {
        let start = |address: SocketAddr| {
            let port = address.port().to_string();
            Program::start(&[
                "gnutls-cli",
                "--udp",
                "--port",
                &port,
                "--x509cafile",
                root,
                "--sni-hostname",
                "localhost",
                "--verify-hostname",
                "localhost",
                "--priority",
                gnutls_priority(case.0),
                "127.0.0.1",
            ])
        };
        our_server(start, case);
    }
}
