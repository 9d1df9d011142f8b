//! BoringSSL (DTLS 1.3 and 1.2), whose datagrams have 700 bytes: what a client of it says first comes in pieces where it has
//! a share of ML-KEM, and so do certificates.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use portcullis::{
    ClientAuthentication, ClientConfig, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsListener,
    Identity, NamedGroup, ProtocolVersion, Roots, ServerConfig, TlsAcceptor, TlsConnector,
};
use portcullis_tests::peers::program::Output;
use portcullis_tests::peers::{Program, fetched, free_port};
use portcullis_tests::pki::{self, pki};
use tokio::task::JoinSet;

use crate::LIMIT;
use crate::relay::{Lost, relay};

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::DTLS_1_3, ProtocolVersion::DTLS_1_2];
/// How long an answer is waited for, before the message is said again.
const AGAIN: Duration = Duration::from_millis(500);

/// Connections with it.
#[derive(Clone, Copy, Debug)]
struct Case {
    version: ProtocolVersion,
    /// Words that its program knows.
    what: &'static str,
    lost: Lost,
    has_client_certificate: bool,
}

impl Case {
    fn new(version: ProtocolVersion, what: &'static str) -> Self {
        Self {
            version,
            what,
            lost: Lost::Nothing,
            has_client_certificate: false,
        }
    }

    fn is_13(&self) -> bool {
        self.version == ProtocolVersion::DTLS_1_3
    }

    fn connections(&self) -> usize {
        1 + usize::from(self.what == "twice")
    }

    fn start(&self, role: &str, port: u16, files: &[&Path]) -> Program {
        let version = if self.is_13() { "1.3" } else { "1.2" };
        let words = [role, &port.to_string(), version, "-", self.what].map(str::to_owned);
        let files = files.iter().map(|file| file.display().to_string());
        Program::start(
            fetched::boringssl(),
            "gcc g++",
            words.into_iter().chain(files),
        )
    }

    /// How long more is waited for, which may have been lost.
    fn patience(&self) -> Duration {
        match self.lost {
            Lost::Nothing => LIMIT,
            _ => 10 * AGAIN,
        }
    }

    fn groups(&self, is_client: bool) -> Vec<NamedGroup> {
        match (self.what, is_client) {
            ("hybrid", _) => vec![NamedGroup::X25519_MLKEM768],
            // A share of the first alone is in the hello.
            ("retry", true) => vec![NamedGroup::X25519, NamedGroup::SECP384R1],
            ("retry", false) => vec![NamedGroup::SECP384R1],
            _ => vec![NamedGroup::X25519, NamedGroup::SECP256R1],
        }
    }

    fn roots(&self) -> Roots {
        let mut roots = Roots::empty();
        roots.add_der(pki().root.certificate.clone()).unwrap();
        roots
    }

    /// What our side says of the connection with this number.
    fn check(&self, connection: &DtlsConnection, number: usize, shown: Option<&pki::Identity>) {
        let information = connection.information();
        assert_eq!(information.version(), self.version);
        assert_eq!(information.is_resumed(), number == 1, "{self:?}");
        let expected = match self.what {
            "hybrid" => NamedGroup::X25519_MLKEM768,
            "retry" => NamedGroup::SECP384R1,
            _ => NamedGroup::X25519,
        };
        // A session of before TLS 1.3 is resumed without one.
        if self.is_13() || number == 0 {
            assert_eq!(information.group(), Some(expected));
        }
        if let Some(shown) = shown {
            let certificates = information.peer_certificates();
            assert_eq!(certificates, &shown.chain[..], "{self:?}");
        }
    }

    /// What the peer says of all of them.
    async fn check_peer(&self, peer: &Program, is_client: bool) {
        let count = self.connections();
        let are_there = |output: &Output| {
            let heard = output.stdout.matches("HEARD from ").count();
            output.stdout.matches("CONNECTED ").count() == count && heard >= count
        };
        let said = peer.wait_until(are_there).await;
        let said = said.unwrap_or_else(|output| panic!("{self:?}: {output}"));
        let connections = said.stdout.lines();
        let connections = connections.filter(|line| line.starts_with("CONNECTED "));
        for (number, line) in connections.enumerate() {
            let version = if self.is_13() { "DTLSv1.3" } else { "DTLSv1.2" };
            assert!(line.contains(version), "{line}");
            assert!(line.contains(&format!("resumed={number}")), "{line}");
            // A server of ours asks for a cookie with one, always. A client of ours says no share that does not fit.
            let is_asked = is_client || matches!(self.what, "retry" | "hybrid");
            let is_retried = self.is_13() && is_asked;
            let is_retried = format!("retried={}", u8::from(is_retried));
            assert!(line.contains(&is_retried), "{line}");
        }
    }
}

/// Gives back what comes, until the peer has closed; where nothing is lost it does. Once the peer has new keys, this side asks
/// for others.
async fn echo(case: Case, mut connection: DtlsConnection, peer: &Program) {
    let mut is_asked = case.what != "update";
    loop {
        match connection.recv_timeout(case.patience()).await {
            Ok(message) => connection.send(&[&message]).await.unwrap(),
            Err(error) if error.is_closed() => break,
            Err(_) if case.lost != Lost::Nothing => break,
            Err(error) => panic!("{case:?}: {error}\n{}", peer.output()),
        }
        if !is_asked && epochs(&peer.output()) >= (4, 4) {
            connection.update_keys(true).unwrap();
            is_asked = true;
        }
    }
}

async fn our_server(case: Case) {
    let identity = &pki().ecdsa_p256;
    let mut config = ServerConfig::builder()
        .identity(Identity::from_der(identity.chain.clone(), &identity.key).unwrap())
        .groups(case.groups(false));
    let client = &pki().client;
    let mut files: Vec<&Path> = vec![&pki().root.file];
    if case.has_client_certificate {
        config = config.client_authentication(ClientAuthentication::Required(case.roots()));
        files.extend([&*client.chain_file, &*client.key_file]);
    }
    let acceptor = TlsAcceptor::new(config.build().unwrap()).handshake_timeout(LIMIT);
    let listener = DtlsListener::bind("127.0.0.1:0", DtlsAcceptor::new(acceptor));
    let listener = listener.await.unwrap();
    let address = relay(listener.local_addr().unwrap(), case.lost).await;
    let peer = case.start("client", address.port(), &files);
    for number in 0..case.connections() {
        let accepting = async { listener.accept().await?.handshake().await };
        let accepted = tokio::time::timeout(LIMIT, accepting).await;
        let Ok(Ok(server)) = accepted else {
            panic!("{case:?}: {accepted:?}\n{}", peer.output());
        };
        let shown = case.has_client_certificate.then_some(client);
        case.check(&server, number, shown);
        echo(case, server, &peer).await;
    }
    case.check_peer(&peer, true).await;
    if case.what == "update" {
        assert!(epochs(&peer.output()) >= (5, 5), "{}", peer.output());
    }
}

async fn our_client(case: Case) {
    let (identity, client) = (&pki().ecdsa_p256, &pki().client);
    let port = free_port();
    let mut files: Vec<&Path> = vec![&identity.chain_file, &identity.key_file];
    let mut config = ClientConfig::builder(case.roots()).groups(case.groups(true));
    if case.has_client_certificate {
        files.push(&pki().root.file);
        let identity = Identity::from_der(client.chain.clone(), &client.key).unwrap();
        config = config.identity(identity);
    }
    let peer = case.start("server", port, &files);
    let connector = TlsConnector::new(config.build().unwrap()).handshake_timeout(LIMIT);
    // Its port is another one each time.
    let connector = DtlsConnector::new(connector.service_name("boringssl"));
    for number in 0..case.connections() {
        let is_ready = |output: &Output| output.stdout.matches("READY").count() == number + 1;
        let ready = peer.wait_until(is_ready).await;
        ready.unwrap_or_else(|output| panic!("{case:?}: {output}"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let address = relay(address, case.lost).await;
        let connected = connector.connect(address, "localhost").await;
        let mut client =
            connected.unwrap_or_else(|error| panic!("{case:?}: {error}\n{}", peer.output()));
        case.check(&client, number, Some(identity));
        exchange(case, &mut client, &peer, (3, 3)).await;
        if case.what == "update" {
            // The peer asks for new keys, and then this side.
            exchange(case, &mut client, &peer, (4, 4)).await;
            client.update_keys(true).unwrap();
            exchange(case, &mut client, &peer, (5, 5)).await;
        }
        let closed = client.close(case.patience()).await;
        if case.lost == Lost::Nothing {
            closed.unwrap_or_else(|error| panic!("{case:?}: {error}\n{}", peer.output()));
            let has_closed = |output: &Output| output.stdout.matches("CLOSED").count() > number;
            let closed = peer.wait_until(has_closed).await;
            closed.unwrap_or_else(|output| panic!("{case:?}: {output}"));
        }
    }
    case.check_peer(&peer, false).await;
}

/// Says a message, which may be lost as its answer may, until it is answered and the peer has keys of these epochs.
async fn exchange(case: Case, client: &mut DtlsConnection, peer: &Program, until: (u16, u16)) {
    for tries in 0..40 {
        let message = format!("from our client, {until:?}, {tries}");
        client.send(&[message.as_bytes()]).await.unwrap();
        match client.recv_timeout(AGAIN).await {
            Ok(_) if case.what != "update" || epochs(&peer.output()) >= until => return,
            // New keys are there when the peer has acknowledged them, which may take it a tenth of a second.
            Ok(_) => tokio::time::sleep(AGAIN / 5).await,
            Err(error) if error.is_timeout() => {}
            Err(error) => panic!("{case:?}: {error}\n{}", peer.output()),
        }
    }
    panic!("{case:?}: {until:?} does not come\n{}", peer.output());
}

/// What it reads and writes with, the lower one first: 3 and 3 with the first keys for data (RFC 9147 §6.1), and one more each time
/// that either side has asked the other for new ones.
fn epochs(output: &Output) -> (u16, u16) {
    let mut lines = output.stdout.lines().filter_map(|line| {
        let (read, write) = line.strip_prefix("EPOCHS ")?.split_once(' ')?;
        let (read, write) = (read.parse().ok()?, write.parse().ok()?);
        Some((u16::min(read, write), u16::max(read, write)))
    });
    lines.next_back().unwrap_or_default()
}

/// All at once, in both roles: they wait for one another's timers most of the time.
async fn all(cases: impl IntoIterator<Item = Case>) {
    let mut running = JoinSet::new();
    for case in cases {
        running.spawn(our_server(case));
        running.spawn(our_client(case));
    }
    assert!(!running.is_empty());
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        failed.extend(ended.err().map(|error| error.to_string()));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Also where one datagram of the server is lost.
#[tokio::test(flavor = "multi_thread")]
async fn either_version() {
    let losses = [Lost::Nothing, Lost::Hello, Lost::Flight];
    let cases = VERSIONS.into_iter().flat_map(|version| {
        losses.map(|lost| Case {
            lost,
            ..Case::new(version, "any")
        })
    });
    all(cases).await;
}

/// The first hello of its client does not fit into a datagram, nor does the ServerHello of either.
#[tokio::test(flavor = "multi_thread")]
async fn hellos_in_pieces() {
    let cases = [Lost::Nothing, Lost::Hello, Lost::Flight].map(|lost| Case {
        lost,
        ..Case::new(ProtocolVersion::DTLS_1_3, "hybrid")
    });
    all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_of_all_datagrams_is_lost() {
    let cases = (1..=4).flat_map(|seed| {
        let of = [
            (VERSIONS[0], "any"),
            (VERSIONS[0], "hybrid"),
            (VERSIONS[1], "any"),
        ];
        of.map(|(version, what)| Case {
            lost: Lost::Tenth(seed),
            has_client_certificate: seed % 2 == 0,
            ..Case::new(version, what)
        })
    });
    all(cases).await;
}

/// RFC 8446 §4.1.4: for another share.
#[tokio::test(flavor = "multi_thread")]
async fn another_share_is_asked_for() {
    all([Case::new(ProtocolVersion::DTLS_1_3, "retry")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_show_certificates() {
    let cases = VERSIONS.map(|version| Case {
        has_client_certificate: true,
        ..Case::new(version, "any")
    });
    all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_resumed() {
    all(VERSIONS.map(|version| Case::new(version, "twice"))).await;
}

/// RFC 9147 §8: either side asks for new keys of both.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_updated() {
    all([Case::new(ProtocolVersion::DTLS_1_3, "update")]).await;
}
