//! Another handshake on a connection of DTLS 1.2 and 1.0 with OpenSSL and GnuTLS, begun by either side; also where datagrams
//! are lost.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use portcullis::config::Renegotiation;
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientConfig, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsListener, Identity,
    ProtocolVersion, Roots, ServerConfig, TlsAcceptor, TlsConnector,
};
use portcullis_tests::peers::free_port;
use portcullis_tests::pki::pki;
use portcullis_tests::program::Program;
use tokio::time::timeout;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};

/// A version, a suite, and how many of a hundred datagrams are lost in either direction.
type Case = (ProtocolVersion, CipherSuite, u32);

const CASES: [Case; 4] = [
    (
        ProtocolVersion::TLS_1_2,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        0,
    ),
    (
        ProtocolVersion::TLS_1_1,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
        0,
    ),
    (
        ProtocolVersion::TLS_1_2,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        10,
    ),
    (
        ProtocolVersion::TLS_1_1,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
        10,
    ),
];

fn connector((version, suite, _): Case) -> DtlsConnector {
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    let client = ClientConfig::builder(roots)
        .versions([version])
        .cipher_suites([suite])
        .renegotiation(ALWAYS);
    let connector = TlsConnector::new(client.build().unwrap());
    DtlsConnector::new(connector.without_resumption().handshake_timeout(PATIENCE))
}

fn acceptor((version, suite, _): Case) -> DtlsAcceptor {
    let identity = &pki().ecdsa_p256;
    let server = ServerConfig::builder()
        .identity(Identity::from_der(identity.chain.clone(), &identity.key).unwrap())
        .versions([version])
        .cipher_suites([suite])
        .renegotiation(ALWAYS);
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    DtlsAcceptor::new(acceptor.handshake_timeout(PATIENCE))
}

fn openssl_version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLS_1_2 => "-dtls1_2",
        _ => "-dtls1",
    }
}

/// Passes on what is between a client and this server, but loses some of it; gives where the client goes to.
fn lossy(server: SocketAddr, percent: u32) -> SocketAddr {
    let front = UdpSocket::bind("127.0.0.1:0").unwrap();
    let back = UdpSocket::bind("127.0.0.1:0").unwrap();
    back.connect(server).unwrap();
    let address = front.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut client = None;
        let mut buffer = [0; 65_536];
        let mut chance = 0x2545_f491_u32;
        front
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        back.set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        loop {
            let mut is_lost = || {
                chance ^= chance << 13;
                chance ^= chance >> 17;
                chance ^= chance << 5;
                chance % 100 < percent
            };
            if let Ok((length, from)) = front.recv_from(&mut buffer) {
                client = Some(from);
                if !is_lost() {
                    let _ = back.send(&buffer[..length]);
                }
            }
            if let (Ok(length), Some(client)) = (back.recv(&mut buffer), client)
                && !is_lost()
            {
                let _ = front.send_to(&buffer[..length], client);
            }
        }
    });
    address
}

async fn they_hear(connection: &DtlsConnection, program: &mut Program, line: &str) {
    let message = format!("{line}\n");
    connection.send(&[message.as_bytes()]).await.unwrap();
    program.wait_for(line);
}

/// Says it until it comes: it may be lost.
async fn we_hear(connection: &mut DtlsConnection, program: &mut Program, line: &str) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < end {
        program.say(&format!("{line}\n"));
        while let Ok(message) = connection.recv_timeout(Duration::from_millis(300)).await {
            if message.starts_with(line.as_bytes()) {
                return;
            }
        }
    }
    panic!("nothing is heard of {line}");
}

fn keys(connection: &DtlsConnection) -> [u8; 32] {
    let (mut out, information) = ([0; 32], connection.information());
    let exported = information.export_keying_material(b"EXPORTER-test", None, &mut out);
    exported.unwrap();
    out
}

/// They begin with this command, and then this side does. OpenSSL takes no data once it has begun, and says its
/// HelloRequest once.
async fn both_begin(
    connection: &mut DtlsConnection,
    program: &mut Program,
    command: &str,
    case: Case,
) {
    let is_whole = case.2 == 0;
    we_hear(connection, program, "x before").await;
    if is_whole {
        they_hear(connection, program, "ours before").await;
    }
    let before = keys(connection);
    if is_whole || command == "R\n" {
        program.say(command);
        let end = tokio::time::Instant::now() + PATIENCE;
        while !connection.information().is_renegotiated() {
            assert!(tokio::time::Instant::now() < end, "they do not begin");
            match connection.recv_timeout(Duration::from_millis(100)).await {
                Err(error) if !error.is_timeout() => panic!("{case:?}: {error}"),
                _ => {}
            }
        }
        assert_ne!(before, keys(connection));
        we_hear(connection, program, "x between").await;
    }
    for round in 0..2 {
        if is_whole {
            they_hear(connection, program, &format!("ours between {round}")).await;
        }
        let between = keys(connection);
        let renegotiated = timeout(PATIENCE, connection.renegotiate()).await;
        renegotiated
            .expect("in time")
            .unwrap_or_else(|error| panic!("{case:?}: {error}"));
        assert_ne!(between, keys(connection));
        we_hear(connection, program, &format!("x after {round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_with_openssl() {
    let identity = &pki().ecdsa_p256;
    for case in CASES {
        let port = free_port();
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let accept = address.to_string();
        let (chain, key) = (&identity.chain_file, &identity.key_file);
        let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
        let mut words = vec!["openssl", "s_server", "-accept", &accept, "-cert", chain];
        words.extend(["-cert_chain", chain, "-key", key, openssl_version(case.0)]);
        words.extend(["-cipher", "ALL:@SECLEVEL=0", "-client_renegotiation"]);
        let mut server = Program::start(&words);
        server.wait_for("ACCEPT");
        let connecting = connector(case).connect(lossy(address, case.2), "localhost");
        let mut connection = connecting.await.unwrap_or_else(|error| panic!("{error}"));
        both_begin(&mut connection, &mut server, "r\n", case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_with_openssl() {
    let root = pki().root.file.to_str().unwrap();
    for case in CASES {
        let listener = DtlsListener::bind("127.0.0.1:0", acceptor(case))
            .await
            .unwrap();
        let address = lossy(listener.local_addr().unwrap(), case.2).to_string();
        let mut words = vec!["openssl", "s_client", "-connect", &address, "-CAfile", root];
        words.extend(["-verify_return_error", "-verify_hostname", "localhost"]);
        words.extend(["-cipher", "ALL:@SECLEVEL=0", openssl_version(case.0)]);
        let mut client = Program::start(&words);
        let accepted = async { listener.accept().await?.handshake().await };
        let mut connection = accepted.await.unwrap_or_else(|error| panic!("{error}"));
        both_begin(&mut connection, &mut client, "R\n", case).await;
    }
}

/// Its client begins as soon as it is connected, and this side does behind it.
#[tokio::test(flavor = "multi_thread")]
async fn our_server_with_gnutls() {
    let root = pki().root.file.to_str().unwrap();
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor(CASES[0]))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut words = vec!["gnutls-cli", "--udp", "--rehandshake", "--port", &port];
    words.extend(["--x509cafile", root, "--verify-hostname", "localhost"]);
    words.extend(["--sni-hostname", "localhost", "127.0.0.1"]);
    let mut client = Program::start(&words);
    let accepted = async { listener.accept().await?.handshake().await };
    let mut connection = accepted.await.unwrap_or_else(|error| panic!("{error}"));
    let before = keys(&connection);
    client.wait_for("ReHandshake was completed");
    we_hear(&mut connection, &mut client, "x after theirs").await;
    assert!(connection.information().is_renegotiated());
    assert_ne!(before, keys(&connection));
    they_hear(&connection, &mut client, "ours after theirs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_with_gnutls() {
    let identity = &pki().ecdsa_p256;
    let (chain, key) = (&identity.chain_file, &identity.key_file);
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let port = address.port().to_string();
    let mut words = vec!["gnutls-serv", "--udp", "--echo", "--port", &port];
    words.extend(["--x509certfile", chain, "--x509keyfile", key]);
    let mut server = Program::start(&words);
    server.wait_for("listening on IPv4");
    let connecting = connector(CASES[0]).connect(address, "localhost");
    let mut connection = connecting.await.unwrap_or_else(|error| panic!("{error}"));
    for round in 0..3 {
        let before = keys(&connection);
        let renegotiated = timeout(PATIENCE, connection.renegotiate()).await;
        renegotiated
            .expect("in time")
            .unwrap_or_else(|error| panic!("{round}: {error}"));
        assert_ne!(before, keys(&connection));
        let line = format!("after {round}\n");
        connection.send(&[line.as_bytes()]).await.unwrap();
        let answer = connection.recv_timeout(PATIENCE).await.unwrap();
        assert_eq!(&answer[..], line.as_bytes());
    }
}
