//! DTLS with wolfSSL (1.3 and 1.2), Mbed TLS (1.2) and Erlang (1.2 and 1.0), in both roles, with connection IDs and without
//! (RFC 9147 §9, RFC 9146), over UDP; also where a datagram of the server is lost, or a tenth of all of both sides. BoringSSL has
//! a file of its own, as OpenSSL and GnuTLS have.
//!
//! wolfSSL, Mbed TLS and BoringSSL are built when they are first wanted, the first two in some 20 seconds of processor time
//! each and BoringSSL in four minutes, and kept outside of the checkout (`tests/peers/fetch.sh`).

mod boringssl;
mod programs;
mod relay;

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::pki_types::UnixTime;
use portcullis::session::{AntiReplay, BloomFilters};
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientAuthentication, ClientCertificate, ClientConfig, CookiePolicy, DtlsAcceptor,
    DtlsConnection, DtlsConnector, DtlsListener, DtlsOptions, EarlyDataOutcome, Identity,
    NamedGroup, ProtocolVersion, Roots, ServerConfig, TlsAcceptor, TlsConnector,
};
use portcullis_tests::peers::program::Output;
use portcullis_tests::peers::{Program, fetched, free_port};
use portcullis_tests::pki::pki;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::relay::{Lost, relay, relay_up_to};

const LIMIT: Duration = Duration::from_secs(30);
/// What a peer wants on our records. wolfSSL takes no longer one as it is built by default.
const ITS_ID: &str = "id";
/// Of what is lost where a tenth is.
const SEEDS: [u64; 4] = [1, 2, 3, 4];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Wolfssl,
    Mbedtls,
    Erlang,
}

/// One connection.
#[derive(Clone, Copy, Debug)]
struct Case {
    peer: Peer,
    version: ProtocolVersion,
    has_ids: bool,
    /// The key exchange has ML-KEM, so that a ServerHello does not fit into one datagram.
    is_hybrid: bool,
    lost: Lost,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (peer, version, ids) in [
        (Peer::Wolfssl, ProtocolVersion::DTLS_1_3, &[false, true][..]),
        (Peer::Wolfssl, ProtocolVersion::DTLS_1_2, &[false, true]),
        (Peer::Mbedtls, ProtocolVersion::DTLS_1_2, &[false, true]),
        (Peer::Erlang, ProtocolVersion::DTLS_1_2, &[false]),
        (Peer::Erlang, ProtocolVersion::DTLS_1_0, &[false]),
    ] {
        for &has_ids in ids {
            let tenths = SEEDS.map(Lost::Tenth);
            for lost in [Lost::Nothing, Lost::Hello, Lost::Flight]
                .into_iter()
                .chain(tenths)
            {
                for is_hybrid in [false, true] {
                    let is_13 = version == ProtocolVersion::DTLS_1_3;
                    if is_hybrid && (!is_13 || !matches!(lost, Lost::Nothing | Lost::Hello)) {
                        continue;
                    }
                    cases.push(Case {
                        peer,
                        version,
                        has_ids,
                        is_hybrid,
                        lost,
                    });
                }
            }
        }
    }
    cases
}

impl Case {
    /// Starts the peer in a role, with what it believes or shows.
    fn start(self, role: &str, port: u16, files: &[&std::path::Path]) -> Program {
        let (version, id) = match (self.version, self.has_ids) {
            (ProtocolVersion::DTLS_1_3, true) => ("1.3", ITS_ID),
            (ProtocolVersion::DTLS_1_3, false) => ("1.3", "-"),
            (ProtocolVersion::DTLS_1_0, _) => ("1.0", "-"),
            (_, true) => ("1.2", ITS_ID),
            (_, false) => ("1.2", "-"),
        };
        let group = if self.is_hybrid { "hybrid" } else { "any" };
        let words = [role, &port.to_string(), version, id, group].map(str::to_owned);
        let files = files.iter().map(|file| file.display().to_string());
        let words = words.into_iter().chain(files);
        match self.peer {
            Peer::Wolfssl => Program::start(fetched::wolfssl(), "gcc", words),
            Peer::Mbedtls => Program::start(fetched::mbedtls(), "gcc", words),
            Peer::Erlang => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/erlang/dtls.escript");
                let words = std::iter::once(script.to_owned()).chain(words);
                Program::start("escript", "erlang-base erlang-ssl", words)
            }
        }
    }

    fn options(self) -> DtlsOptions {
        let options = DtlsOptions::new();
        options.connection_ids(self.has_ids.then_some(8))
    }

    /// DTLS 1.0 is TLS 1.1 over datagrams, and there by name alone.
    fn versions(self) -> Vec<ProtocolVersion> {
        match self.version {
            ProtocolVersion::DTLS_1_0 => vec![ProtocolVersion::TLS_1_1],
            // Before there is no such group.
            _ if self.is_hybrid => vec![ProtocolVersion::TLS_1_3],
            _ => vec![ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2],
        }
    }

    fn suites(self) -> Vec<CipherSuite> {
        match self.version {
            ProtocolVersion::DTLS_1_0 => {
                vec![CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]
            }
            _ if self.is_hybrid => vec![CipherSuite::TLS_AES_128_GCM_SHA256],
            _ => CipherSuite::DEFAULT.to_vec(),
        }
    }

    fn is_lossy(self) -> bool {
        matches!(self.lost, Lost::Tenth(_))
    }

    fn groups(self) -> Vec<NamedGroup> {
        match self.is_hybrid {
            true => vec![NamedGroup::X25519_MLKEM768],
            false => vec![NamedGroup::X25519, NamedGroup::SECP256R1],
        }
    }

    /// What our end says of the connection, and what goes over it.
    async fn check(self, connection: &mut DtlsConnection, is_client: bool, peer: &Program) {
        let information = connection.information();
        assert_eq!(information.version(), self.version);
        let lengths = connection.connection_ids();
        let lengths = lengths.map(|(ours, theirs)| (ours.len(), theirs.len()));
        let expected = self.has_ids.then_some((8, ITS_ID.len()));
        assert_eq!(lengths, expected);
        if self.is_hybrid {
            assert_eq!(information.group(), Some(NamedGroup::X25519_MLKEM768));
        }
        if is_client {
            // What comes before the peer has our Finished is lost there.
            for tries in 0.. {
                connection.send(&[b"from our client"]).await.unwrap();
                match connection.recv_timeout(Duration::from_millis(500)).await {
                    Ok(answer) => {
                        assert_eq!(&answer[..], b"from our client");
                        break;
                    }
                    Err(error) if error.is_timeout() && tries < 40 => {}
                    Err(error) => panic!("{self:?}: {error}\n{}", peer.output()),
                }
            }
        } else {
            // Where something was lost it says it again, until it is answered and closes.
            loop {
                match connection.recv_timeout(LIMIT).await {
                    Ok(question) => {
                        assert!(question.starts_with(b"from "), "{question:?}");
                        connection.send(&[&question]).await.unwrap();
                    }
                    Err(error) if self.is_lossy() && error.is_closed() => break,
                    Err(error) => panic!("{self:?}: {error}\n{}", peer.output()),
                }
                if !self.is_lossy() || self.is_heard(peer).await {
                    break;
                }
            }
        }
    }

    /// Whether an answer has come there, for which it waits half a second.
    async fn is_heard(self, peer: &Program) -> bool {
        let heard = peer.wait_until(|output| output.line("HEARD from ").is_some());
        let heard = tokio::time::timeout(Duration::from_millis(500), heard);
        heard.await.is_ok_and(|heard| heard.is_ok())
    }

    /// What the peer says of it.
    async fn check_peer(self, program: &mut Program) {
        let said = program.wait_for_line("CONNECTED ").await;
        let lengths = match (self.peer, self.has_ids) {
            (Peer::Erlang, _) if self.version == ProtocolVersion::DTLS_1_0 => "dtlsv1",
            (Peer::Erlang, _) => "dtlsv1.2",
            (_, true) => "cid=1:8",
            (_, false) => "cid=0:0",
        };
        assert!(said.contains(lengths), "{said}");
        program.wait_for_line("HEARD from ").await;
    }
}

async fn our_server(case: Case) {
    let identity = &pki().ecdsa_p256;
    let identity = Identity::from_der(identity.chain.clone(), &identity.key).unwrap();
    let config = ServerConfig::builder()
        .identity(identity)
        .versions(case.versions())
        .cipher_suites(case.suites())
        .groups(case.groups())
        .build()
        .unwrap();
    let acceptor = TlsAcceptor::new(config).handshake_timeout(LIMIT);
    let acceptor = DtlsAcceptor::new(acceptor).options(case.options());
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let address = relay(listener.local_addr().unwrap(), case.lost).await;
    let mut client = case.start("client", address.port(), &[&pki().root.file]);
    let accepting = async { listener.accept().await?.handshake().await };
    let accepted = tokio::time::timeout(LIMIT, accepting).await;
    let mut server = match accepted {
        Ok(Ok(server)) => server,
        other => panic!("{case:?}: {other:?}\n{}", client.output()),
    };
    case.check(&mut server, false, &client).await;
    case.check_peer(&mut client).await;
}

async fn our_client(case: Case) {
    let identity = &pki().ecdsa_p256;
    let port = free_port();
    let files: [&std::path::Path; 2] = [&identity.chain_file, &identity.key_file];
    let mut server = case.start("server", port, &files);
    server.wait_for_line("READY").await;
    let lost = match (case.peer, case.lost) {
        (Peer::Erlang, Lost::Tenth(seed)) => Lost::TenthButOnce(seed),
        (_, lost) => lost,
    };
    let address = relay(SocketAddr::from(([127, 0, 0, 1], port)), lost).await;
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    let config = ClientConfig::builder(roots)
        .versions(case.versions())
        .cipher_suites(case.suites())
        .groups(case.groups())
        .build()
        .unwrap();
    let connector = TlsConnector::new(config).handshake_timeout(LIMIT);
    let connector = DtlsConnector::new(connector).options(case.options());
    let mut client = match connector.connect(address, "localhost").await {
        Ok(client) => client,
        Err(error) => panic!("{case:?}: {error}\n{}", server.output()),
    };
    case.check(&mut client, true, &server).await;
    case.check_peer(&mut server).await;
}

/// Of Erlang as many as a machine starts at once in good time.
static ERLANGS: Semaphore = Semaphore::const_new(4);

/// When it is its turn.
async fn in_turn(case: Case, run: impl Future<Output = ()>) {
    let _turn = match case.peer {
        Peer::Erlang => Some(ERLANGS.acquire().await.unwrap()),
        _ => None,
    };
    run.await;
}

/// All at once: they wait for one another's timers most of the time.
async fn all(of: impl Fn(Case) -> bool) {
    let mut running = JoinSet::new();
    for case in cases().into_iter().filter(|case| of(*case)) {
        running.spawn(in_turn(case, our_server(case)));
        running.spawn(in_turn(case, our_client(case)));
    }
    assert!(!running.is_empty());
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        failed.extend(ended.err().map(|error| error.to_string()));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wolfssl_with_dtls_1_3() {
    let is_13 = |case: Case| case.version == ProtocolVersion::DTLS_1_3;
    all(|case| case.peer == Peer::Wolfssl && is_13(case) && !case.is_lossy()).await;
}

/// RFC 8446 §4.6.2: our server asks wolfSSL's client, and its server ours.
async fn wolfssl_authenticates_after_the_handshake(lost: Lost) {
    let case = Case {
        peer: Peer::Wolfssl,
        version: ProtocolVersion::DTLS_1_3,
        has_ids: false,
        is_hybrid: false,
        lost,
    };
    let (chain, root) = (&pki().client, &pki().root.file);
    let files: [&std::path::Path; 3] = [root, &chain.chain_file, &chain.key_file];
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    let identity = |of: &portcullis_tests::pki::Identity| {
        Identity::from_der(of.chain.clone(), &of.key).unwrap()
    };

    let clients = ClientAuthentication::Required(roots.clone());
    let config = ServerConfig::builder()
        .identity(identity(&pki().ecdsa_p256))
        .client_authentication(clients)
        .post_handshake_authentication(true)
        .build()
        .unwrap();
    let acceptor = DtlsAcceptor::new(TlsAcceptor::new(config).handshake_timeout(LIMIT));
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let address = relay(listener.local_addr().unwrap(), lost).await;
    let mut peer = case.start("client", address.port(), &files);
    let accepting = async { listener.accept().await?.handshake().await };
    let accepted = tokio::time::timeout(LIMIT, accepting).await.unwrap();
    let mut server = accepted.unwrap_or_else(|error| panic!("{error}\n{}", peer.output()));
    let question = server.recv_timeout(LIMIT).await.unwrap();
    let shown = server.authenticate_client(LIMIT).await;
    let shown = shown.unwrap_or_else(|error| panic!("{error}\n{}", peer.output()));
    let ClientCertificate::Presented(shown) = shown else {
        panic!("{shown:?}\n{}", peer.output());
    };
    assert_eq!(shown.chain().certificates(), &chain.chain[..]);
    server.send(&[&question]).await.unwrap();
    peer.wait_for_line("HEARD from wolfSSL").await;

    let port = free_port();
    let own = &pki().ecdsa_p256;
    let files: [&std::path::Path; 3] = [&own.chain_file, &own.key_file, root];
    let mut peer = case.start("server", port, &files);
    peer.wait_for_line("READY").await;
    let address = relay(SocketAddr::from(([127, 0, 0, 1], port)), lost).await;
    let config = ClientConfig::builder(roots)
        .identity(identity(chain))
        .post_handshake_authentication(true)
        .build()
        .unwrap();
    let connector = TlsConnector::new(config).handshake_timeout(LIMIT);
    let connecting = DtlsConnector::new(connector);
    let client = connecting.connect(address, "localhost").await;
    let mut client = client.unwrap_or_else(|error| panic!("{error}\n{}", peer.output()));
    // It asks when it has heard the first, and answers when it was answered.
    case.check(&mut client, true, &peer).await;
    peer.wait_for_line("SHOWN 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wolfssl_asks_and_is_asked_after_the_handshake() {
    tokio::join!(
        wolfssl_authenticates_after_the_handshake(Lost::Nothing),
        wolfssl_authenticates_after_the_handshake(Lost::Flight),
    );
}

/// wolfSSL with two connections, of which the second resumes the first.
fn wolfssl_twice(role: &str, port: u16, files: &[&std::path::Path]) -> Program {
    let words = [role, &port.to_string(), "1.3", "-", "early"].map(str::to_owned);
    let files = files.iter().map(|file| file.display().to_string());
    Program::start(fetched::wolfssl(), "gcc", words.into_iter().chain(files))
}

/// RFC 9147 §5.6. No cookie is asked for where it comes.
#[tokio::test(flavor = "multi_thread")]
async fn our_server_takes_early_data_of_wolfssl() {
    let identity = &pki().ecdsa_p256;
    let identity = Identity::from_der(identity.chain.clone(), &identity.key).unwrap();
    let long_ago = UnixTime::since_unix_epoch(Duration::ZERO);
    let config = ServerConfig::builder()
        .identity(identity)
        .early_data(AntiReplay::local(BloomFilters::SMALL, long_ago).unwrap())
        .groups([NamedGroup::SECP256R1, NamedGroup::X25519])
        .build()
        .unwrap();
    let options = DtlsOptions::new().cookies(CookiePolicy::UnderLoad { handshakes: 100 });
    let acceptor = TlsAcceptor::new(config).handshake_timeout(LIMIT);
    let acceptor = DtlsAcceptor::new(acceptor).options(options);
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut peer = wolfssl_twice("client", port, &[&pki().root.file]);
    for expected in [None, Some("early from wolfSSL")] {
        let accepted = tokio::time::timeout(LIMIT, listener.accept()).await;
        let Ok(Ok(incoming)) = accepted else {
            panic!("{accepted:?}\n{}", peer.output());
        };
        let mut early = incoming.handshake_with_early_data().unwrap();
        let mut messages = Vec::new();
        while let Some(message) = early.recv().await.unwrap() {
            // Before the handshake is over.
            assert!(early.send(&[&message]).await.unwrap());
            messages.push(message);
        }
        let heard = messages
            .iter()
            .map(|message| str::from_utf8(message).unwrap());
        assert!(heard.eq(expected), "{messages:?}\n{}", peer.output());
        let mut server = early.handshake().await.unwrap();
        let question = server.recv_timeout(LIMIT).await.unwrap();
        server.send(&[&question]).await.unwrap();
        // What it hears first.
        let heard = format!("HEARD {}", expected.unwrap_or("from wolfSSL"));
        peer.wait_for_line(&heard).await;
    }
    peer.wait_for_line("EARLY accepted=1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wolfssl_takes_early_data_of_our_client() {
    let identity = &pki().ecdsa_p256;
    let port = free_port();
    let files: [&std::path::Path; 2] = [&identity.chain_file, &identity.key_file];
    let mut peer = wolfssl_twice("server", port, &files);
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    let config = ClientConfig::builder(roots)
        .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        .build()
        .unwrap();
    let connector = TlsConnector::new(config).handshake_timeout(LIMIT);
    // Its port is another one each time.
    let connector = connector.service_name("wolfssl");
    let connector = DtlsConnector::new(connector);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    // It takes whoever says anything for the next client, so the one before says nothing behind its message.
    let message = b"from our client";
    let last = 5 + message.len() + 1 + 16;
    for round in 1..=2 {
        let is_ready = |output: &Output| output.stdout.matches("READY").count() == round;
        peer.wait_until(is_ready).await.unwrap();
        let early = "early from our client";
        let through = relay_up_to(address, Lost::Nothing, last).await;
        let connecting = connector.connect_with_early_data(through, "localhost", early);
        let (mut client, outcome) = match connecting.await {
            Ok(connected) => connected,
            Err(error) => panic!("{error}\n{}", peer.output()),
        };
        let expected = match round {
            1 => EarlyDataOutcome::NotOffered(early.into()),
            _ => EarlyDataOutcome::Accepted,
        };
        assert_eq!(outcome, expected, "{}", peer.output());
        if round == 2 {
            // It has answered before it had our Finished.
            let answer = client.recv_timeout(LIMIT).await.unwrap();
            assert_eq!(&answer[..], early.as_bytes());
        }
        client.send(&[message]).await.unwrap();
        let answer = client.recv_timeout(LIMIT).await.unwrap();
        assert_eq!(&answer[..], message);
    }
    peer.wait_for_line("EARLY early from our client").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wolfssl_with_dtls_1_2() {
    let is_12 = |case: Case| case.version == ProtocolVersion::DTLS_1_2;
    all(|case| case.peer == Peer::Wolfssl && is_12(case) && !case.is_lossy()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mbedtls_with_dtls_1_2() {
    all(|case| case.peer == Peer::Mbedtls && !case.is_lossy()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erlang_with_dtls_1_2() {
    let is_12 = |case: Case| case.version == ProtocolVersion::DTLS_1_2;
    all(|case| case.peer == Peer::Erlang && is_12(case) && !case.is_lossy()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erlang_with_dtls_1_0() {
    let is_10 = |case: Case| case.version == ProtocolVersion::DTLS_1_0;
    all(|case| case.peer == Peer::Erlang && is_10(case) && !case.is_lossy()).await;
}

/// Both versions, with connection IDs and without.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_is_lost_beside_wolfssl() {
    all(|case| case.peer == Peer::Wolfssl && case.is_lossy()).await;
}

/// With connection IDs and without.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_is_lost_beside_mbedtls() {
    all(|case| case.peer == Peer::Mbedtls && case.is_lossy()).await;
}

/// Both versions.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_is_lost_beside_erlang() {
    all(|case| case.peer == Peer::Erlang && case.is_lossy()).await;
}
