//! OpenSSL and GnuTLS (DTLS 1.2 and 1.0) in both roles, where a tenth of all datagrams of both sides is lost.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::suite::CipherSuite;
use portcullis::{
    ClientConfig, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsListener, Identity,
    ProtocolVersion, Roots, ServerConfig, TlsAcceptor, TlsConnector,
};
use portcullis_tests::peers::{Program, free_port};
use portcullis_tests::pki::pki;
use tokio::task::JoinSet;

use crate::relay::{Lost, relay};
use crate::{LIMIT, SEEDS};

/// How long an answer is waited for, before the message is said again.
const AGAIN: Duration = Duration::from_millis(500);
const OURS: &str = "from our end";
const THEIRS: &str = "from the program";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    OpenSsl,
    GnuTls,
}

/// One connection.
#[derive(Clone, Copy, Debug)]
struct Case {
    peer: Peer,
    version: ProtocolVersion,
    seed: u64,
}

impl Case {
    /// As a configuration has it.
    fn configured(self) -> ProtocolVersion {
        match self.version {
            ProtocolVersion::DTLS_1_0 => ProtocolVersion::TLS_1_1,
            _ => ProtocolVersion::TLS_1_2,
        }
    }

    fn suite(self) -> CipherSuite {
        match self.version {
            ProtocolVersion::DTLS_1_0 => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
            _ => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        }
    }

    /// The program with these words, and those that choose the version.
    fn start(self, role: [&'static str; 2], words: &[&str]) -> Program {
        let is_12 = self.version == ProtocolVersion::DTLS_1_2;
        let (name, package, mut all) = match self.peer {
            Peer::OpenSsl => {
                let version = if is_12 { "-dtls1_2" } else { "-dtls1" };
                let all = vec![role[0], version, "-cipher", "ALL:@SECLEVEL=0"];
                ("openssl", "openssl", all)
            }
            Peer::GnuTls => {
                let version = match is_12 {
                    true => "NORMAL:-VERS-ALL:+VERS-DTLS1.2:%COMPAT",
                    false => "NORMAL:-VERS-ALL:+VERS-DTLS1.0:%COMPAT",
                };
                (role[1], "gnutls-bin", vec!["--udp", "--priority", version])
            }
        };
        all.extend(words);
        Program::start(name, package, all)
    }

    fn check(self, connection: &DtlsConnection) {
        let information = connection.information();
        assert_eq!(information.version(), self.version, "{self:?}");
        assert_eq!(information.cipher_suite(), self.suite(), "{self:?}");
    }

    /// Says what may be lost, to a program that writes it down.
    async fn they_hear(self, connection: &DtlsConnection, peer: &Program) {
        for _ in 0..40 {
            let said = format!("{OURS}\n");
            connection.send(&[said.as_bytes()]).await.unwrap();
            let heard = peer.wait_until(|output| output.stdout.contains(OURS));
            if let Ok(Ok(_)) = tokio::time::timeout(AGAIN, heard).await {
                return;
            }
        }
        panic!("{self:?}: nothing is heard\n{}", peer.output());
    }

    /// Says what may be lost, to a program that gives it back.
    async fn they_echo(self, connection: &mut DtlsConnection, peer: &Program) {
        for _ in 0..40 {
            connection.send(&[OURS.as_bytes()]).await.unwrap();
            match connection.recv_timeout(AGAIN).await {
                Ok(answer) => {
                    assert_eq!(&answer[..], OURS.as_bytes());
                    return;
                }
                Err(error) if error.is_timeout() => {}
                Err(error) => panic!("{self:?}: {error}\n{}", peer.output()),
            }
        }
        panic!("{self:?}: nothing comes back\n{}", peer.output());
    }

    /// Has the program say what may be lost.
    async fn we_hear(self, connection: &mut DtlsConnection, peer: &mut Program) {
        for _ in 0..40 {
            peer.send(format!("{THEIRS}\n").as_bytes()).await;
            match connection.recv_timeout(AGAIN).await {
                Ok(message) => {
                    assert!(message.starts_with(THEIRS.as_bytes()), "{message:?}");
                    return;
                }
                Err(error) if error.is_timeout() => {}
                Err(error) => panic!("{self:?}: {error}\n{}", peer.output()),
            }
        }
        panic!("{self:?}: nothing is said\n{}", peer.output());
    }
}

async fn our_client(case: Case) {
    let identity = &pki().ecdsa_p256;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (accept, port) = (address.to_string(), address.port().to_string());
    let (chain, key) = (&identity.chain_file, &identity.key_file);
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let (words, ready) = match case.peer {
        Peer::OpenSsl => {
            let mut words = vec!["-accept", &accept, "-cert", chain];
            words.extend(["-cert_chain", chain, "-key", key]);
            (words, "ACCEPT")
        }
        Peer::GnuTls => {
            let mut words = vec!["--echo", "--port", &port, "--x509certfile", chain];
            words.extend(["--x509keyfile", key]);
            (words, "listening on IPv4")
        }
    };
    let mut server = case.start(["s_server", "gnutls-serv"], &words);
    server.wait_for_line(ready).await;
    let address = relay(address, Lost::Tenth(case.seed)).await;
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    let config = ClientConfig::builder(roots)
        .versions([case.configured()])
        .cipher_suites([case.suite()])
        .build()
        .unwrap();
    let connector = DtlsConnector::new(TlsConnector::new(config).handshake_timeout(LIMIT));
    let connected = connector.connect(address, "localhost").await;
    let mut client =
        connected.unwrap_or_else(|error| panic!("{case:?}: {error}\n{}", server.output()));
    case.check(&client);
    match case.peer {
        Peer::OpenSsl => {
            case.they_hear(&client, &server).await;
            case.we_hear(&mut client, &mut server).await;
        }
        Peer::GnuTls => case.they_echo(&mut client, &server).await,
    }
}

async fn our_server(case: Case) {
    let identity = &pki().ecdsa_p256;
    let config = ServerConfig::builder()
        .identity(Identity::from_der(identity.chain.clone(), &identity.key).unwrap())
        .versions([case.configured()])
        .cipher_suites([case.suite()])
        .build()
        .unwrap();
    let acceptor = TlsAcceptor::new(config).handshake_timeout(LIMIT);
    let listener = DtlsListener::bind("127.0.0.1:0", DtlsAcceptor::new(acceptor));
    let listener = listener.await.unwrap();
    let address = listener.local_addr().unwrap();
    let address = relay(address, Lost::Tenth(case.seed)).await;
    let (connect, port) = (address.to_string(), address.port().to_string());
    let root = pki().root.file.to_str().unwrap();
    let words = match case.peer {
        Peer::OpenSsl => {
            let mut words = vec!["-connect", &connect, "-CAfile", root];
            words.extend(["-verify_return_error", "-verify_hostname", "localhost"]);
            words
        }
        Peer::GnuTls => {
            let mut words = vec!["--port", &port, "--x509cafile", root];
            words.extend(["--sni-hostname", "localhost"]);
            words.extend(["--verify-hostname", "localhost", "127.0.0.1"]);
            words
        }
    };
    let mut client = case.start(["s_client", "gnutls-cli"], &words);
    let accepting = async { listener.accept().await?.handshake().await };
    let accepted = tokio::time::timeout(LIMIT, accepting).await;
    let Ok(Ok(mut server)) = accepted else {
        panic!("{case:?}: {accepted:?}\n{}", client.output());
    };
    case.check(&server);
    case.we_hear(&mut server, &mut client).await;
    case.they_hear(&server, &client).await;
}

/// All at once, in both roles: they wait for one another's timers most of the time.
async fn all(peer: Peer) {
    let mut running = JoinSet::new();
    for version in [ProtocolVersion::DTLS_1_2, ProtocolVersion::DTLS_1_0] {
        for seed in SEEDS {
            let case = Case {
                peer,
                version,
                seed,
            };
            running.spawn(our_server(case));
            running.spawn(our_client(case));
        }
    }
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        failed.extend(ended.err().map(|error| error.to_string()));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_is_lost_beside_openssl() {
    all(Peer::OpenSsl).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_is_lost_beside_gnutls() {
    all(Peer::GnuTls).await;
}
