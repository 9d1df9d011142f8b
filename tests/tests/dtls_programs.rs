//! What is agreed upon over DTLS 1.2 besides the connection, with OpenSSL and GnuTLS in both roles: keys for SRTP, and
//! sessions that are resumed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis::session::TicketKeys;
use portcullis::{
    ClientConfig, DtlsConnection, DtlsConnector, DtlsListener, Identity, MemoryServerSessionStore,
    MemorySessionStore, ProtocolVersion, Roots, ServerConfig, SrtpProfile, TlsAcceptor,
    TlsConnector,
};
use portcullis_tests::peers::free_port;
use portcullis_tests::pki::pki;
use portcullis_tests::program::Program;
use portcullis_tests::scratch;

const LIMIT: Duration = Duration::from_secs(20);
/// Those that both programs have, as each calls them.
const PROFILES: [(SrtpProfile, &str, Option<&str>); 4] = [
    (
        SrtpProfile::AES128_CM_HMAC_SHA1_80,
        "SRTP_AES128_CM_SHA1_80",
        Some("SRTP_AES128_CM_HMAC_SHA1_80"),
    ),
    (
        SrtpProfile::AES128_CM_HMAC_SHA1_32,
        "SRTP_AES128_CM_SHA1_32",
        Some("SRTP_AES128_CM_HMAC_SHA1_32"),
    ),
    (SrtpProfile::AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM", None),
    (SrtpProfile::AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM", None),
];

fn client_config(profile: Option<SrtpProfile>) -> ClientConfig {
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    ClientConfig::builder(roots)
        .versions([ProtocolVersion::TLS_1_2])
        .srtp(Vec::from_iter(profile))
        .build()
        .unwrap()
}

fn server_config(profile: Option<SrtpProfile>) -> ServerConfig {
    let identity = &pki().ecdsa_p256;
    let identity = Identity::from_der(identity.chain.clone(), &identity.key).unwrap();
    ServerConfig::builder()
        .identity(identity)
        .versions([ProtocolVersion::TLS_1_2])
        .srtp(Vec::from_iter(profile))
        .build()
        .unwrap()
}

/// How many bytes the keys of a profile have, and they themselves as the programs write them.
fn length(profile: SrtpProfile) -> String {
    let one = profile.key_len().unwrap() + profile.salt_len().unwrap();
    (2 * one).to_string()
}

fn keys(connection: &DtlsConnection, profile: SrtpProfile) -> String {
    let information = connection.information();
    assert_eq!(information.version(), ProtocolVersion::DTLS_1_2);
    assert_eq!(information.srtp_profile(), Some(profile));
    assert_eq!(information.srtp_mki(), None);
    let keys = information.srtp_keys().unwrap();
    let parts = [
        keys.client_key(),
        keys.server_key(),
        keys.client_salt(),
        keys.server_salt(),
    ];
    let hex = parts.concat().into_iter().map(|byte| format!("{byte:02x}"));
    hex.collect()
}

/// `openssl s_server` with these words more, and where it is.
fn openssl_server(words: &[&str]) -> (Program, SocketAddr) {
    let identity = &pki().ecdsa_p256;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (chain, key) = (&identity.chain_file, &identity.key_file);
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let accept = address.to_string();
    let mut all = vec!["openssl", "s_server", "-dtls1_2", "-accept", &accept];
    all.extend(["-cert", chain, "-cert_chain", chain, "-key", key]);
    all.extend(words);
    let mut server = Program::start(&all);
    server.wait_for("ACCEPT");
    (server, address)
}

fn openssl_client(address: SocketAddr, words: &[&str]) -> Program {
    let root = pki().root.file.to_str().unwrap();
    let address = address.to_string();
    let mut all = vec!["openssl", "s_client", "-dtls1_2", "-connect", &address];
    all.extend(["-CAfile", root, "-verify_return_error"]);
    all.extend(["-servername", "localhost", "-verify_hostname", "localhost"]);
    all.extend(words);
    Program::start(&all)
}

async fn connect(connector: &DtlsConnector, address: SocketAddr) -> DtlsConnection {
    let connecting = tokio::time::timeout(LIMIT, connector.connect(address, "localhost"));
    connecting.await.unwrap().unwrap()
}

async fn accept(listener: &DtlsListener) -> DtlsConnection {
    let accepting = async { listener.accept().await?.handshake().await };
    tokio::time::timeout(LIMIT, accepting)
        .await
        .unwrap()
        .unwrap()
}

const LABEL: &str = "EXTRACTOR-dtls_srtp";

#[tokio::test(flavor = "multi_thread")]
async fn keys_for_srtp_with_openssl() {
    for (profile, name, _) in PROFILES {
        let length = length(profile);
        let export = ["-keymatexport", LABEL, "-keymatexportlen", &length];
        // It has others, too, and likes them less or better.
        let others = PROFILES.iter().map(|(_, other, _)| *other);
        let others = others.filter(|other| *other != name).take(1);
        let all = [name].into_iter().chain(others).collect::<Vec<_>>();
        let all = all.join(":");
        let mut words = vec!["-use_srtp", &all];
        words.extend(export);
        let (mut server, address) = openssl_server(&words);
        let connector = DtlsConnector::new(client_config(Some(profile)));
        let client = connect(&connector, address).await;
        let ours = keys(&client, profile);
        client.send(&[b"hello\n"]).await.unwrap();
        server.wait_for("SRTP Extension negotiated, profile=");
        let theirs = server.wait_for("Keying material: ").to_lowercase();
        assert!(theirs.ends_with(&ours), "{theirs} {ours}");

        let listener = DtlsListener::bind("127.0.0.1:0", server_config(Some(profile)));
        let listener = listener.await.unwrap();
        let mut client = openssl_client(listener.local_addr().unwrap(), &words);
        let server = accept(&listener).await;
        let ours = keys(&server, profile);
        client.wait_for("SRTP Extension negotiated, profile=");
        let theirs = client.wait_for("Keying material: ").to_lowercase();
        assert!(theirs.ends_with(&ours), "{theirs} {ours}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_for_srtp_with_gnutls() {
    for (profile, _, name) in PROFILES {
        let Some(name) = name else { continue };
        let (port, length) = (free_port().to_string(), length(profile));
        let export = ["--keymatexport", LABEL, "--keymatexportsize", &length];
        let identity = &pki().ecdsa_p256;
        let (chain, key) = (&identity.chain_file, &identity.key_file);
        let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
        let mut words = vec!["gnutls-serv", "--udp", "--echo", "--port", &port];
        words.extend(["--x509certfile", chain, "--x509keyfile", key]);
        words.extend(["--srtp-profiles", name]);
        let mut server = Program::start(&words);
        server.wait_for("listening on IPv4");
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        let connector = DtlsConnector::new(client_config(Some(profile)));
        let mut client = connect(&connector, address).await;
        // What a server of UDP derives it does not show; its client does.
        assert!(!keys(&client, profile).is_empty());
        client.send(&[b"hello\n"]).await.unwrap();
        assert_eq!(&client.recv_timeout(LIMIT).await.unwrap()[..], b"hello\n");

        let listener = DtlsListener::bind("127.0.0.1:0", server_config(Some(profile)));
        let listener = listener.await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let root = pki().root.file.to_str().unwrap();
        let mut words = vec!["gnutls-cli", "--udp", "--port", &port, "--x509cafile", root];
        words.extend(["--sni-hostname", "localhost"]);
        words.extend(["--verify-hostname", "localhost"]);
        words.extend(["--srtp-profiles", name]);
        words.extend(export);
        words.push("127.0.0.1");
        let mut client = Program::start(&words);
        let server = accept(&listener).await;
        let ours = keys(&server, profile);
        let said = client.wait_for("SRTP profile: ");
        assert!(said.ends_with(name), "{said}");
        let theirs = client.wait_for("Key material: ");
        assert!(theirs.ends_with(&ours), "{theirs} {ours}");
    }
}

/// A server that has no profile of ours, and one that has none.
#[tokio::test(flavor = "multi_thread")]
async fn without_srtp_there_is_a_connection_all_the_same() {
    let wanted = Some(SrtpProfile::AEAD_AES_256_GCM);
    for words in [&["-use_srtp", "SRTP_AES128_CM_SHA1_32"][..], &[]] {
        let (mut server, address) = openssl_server(words);
        let connector = DtlsConnector::new(client_config(wanted));
        let client = connect(&connector, address).await;
        assert_eq!(client.information().srtp_profile(), None);
        client.send(&[b"heard all the same\n"]).await.unwrap();
        server.wait_for("heard all the same");
    }
}

/// By ticket, and where there are none, by id.
#[tokio::test(flavor = "multi_thread")]
async fn our_client_resumes_with_openssl() {
    for words in [&[][..], &["-no_ticket"]] {
        let (mut server, address) = openssl_server(words);
        let store = Arc::new(MemorySessionStore::new(8));
        let connector = TlsConnector::new(client_config(None)).session_store(store);
        let connector = DtlsConnector::new(connector);
        for round in 0..3 {
            let mut client = connect(&connector, address).await;
            let information = client.information();
            assert_eq!(information.version(), ProtocolVersion::DTLS_1_2);
            assert_eq!(information.is_resumed(), round > 0, "{words:?} {round}");
            let line = format!("round {round} of {words:?}\n");
            client.send(&[line.as_bytes()]).await.unwrap();
            server.wait_for(line.trim_end());
            server.say("an answer\n");
            let answer = client.recv_timeout(LIMIT).await.unwrap();
            assert_eq!(&answer[..], b"an answer\n");
            let _ = client.close(Duration::from_secs(2)).await;
        }
    }
}

/// By ticket, and with a store, by id.
#[tokio::test(flavor = "multi_thread")]
async fn our_server_resumes_with_openssl() {
    let acceptor = || TlsAcceptor::new(server_config(None));
    let store = Arc::new(MemoryServerSessionStore::new(8, 65_536));
    let keys = TicketKeys::rotating(Duration::from_secs(3_600)).unwrap();
    let sealing = server_config(None).to_builder().ticket_keys(keys).build();
    let sealing = TlsAcceptor::new(sealing.unwrap());
    for (acceptor, words) in [
        (sealing, &[][..]),
        (acceptor().session_store(store.clone()), &["-no_ticket"]),
        (acceptor().session_store(store.clone()), &[]),
    ] {
        let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
        let address = listener.local_addr().unwrap();
        let file = scratch::file("session.pem", "");
        let file = file.to_str().unwrap();
        for round in 0..3 {
            let mut all = words.to_vec();
            all.extend(["-sess_out", file]);
            if round > 0 {
                all.extend(["-sess_in", file]);
            }
            let mut client = openssl_client(address, &all);
            let mut server = accept(&listener).await;
            let information = server.information();
            assert_eq!(information.version(), ProtocolVersion::DTLS_1_2);
            assert_eq!(information.is_resumed(), round > 0, "{words:?} {round}");
            client.wait_for(if round > 0 { "Reused, " } else { "New, " });
            client.say("a question\n");
            let question = server.recv_timeout(LIMIT).await.unwrap();
            assert_eq!(&question[..], b"a question\n");
            server.send(&[b"an answer\n"]).await.unwrap();
            client.wait_for("an answer");
            // It writes the session down when it ends.
            client.say("Q\n");
            client.wait_for("DONE");
            client.wait();
        }
    }
    assert!(!store.is_empty());
}
