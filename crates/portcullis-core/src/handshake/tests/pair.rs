//! What both ends agree on.

use crate::config::{
    ClientAuthentication, ClientConfig, KeyShares, MaxFragmentLength, ServerConfig,
};
use crate::question::Question;
use crate::suite::CipherSuite;
use crate::testing::{Pair, client_config, pki, server_config};
use crate::x509::CertificateErrorKind;
use crate::{AlertDescription, Connection, Direction, Misuse, NamedGroup, Reason, Violation};

fn client() -> crate::config::ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone())
}

fn server() -> crate::config::ServerConfigBuilder {
    ServerConfig::builder().identity(pki().server.clone())
}

/// Runs a handshake that must succeed and checks that both ends say the same about it.
fn connect(
    client: Result<ClientConfig, Misuse>,
    server: Result<ServerConfig, Misuse>,
) -> (Connection, Connection) {
    let (client, server) = Pair::new(client.unwrap(), server.unwrap()).run();
    let (client, server) = (client.unwrap(), server.unwrap());
    let (c, s) = (&client.information, &server.information);
    assert_eq!(c.cipher_suite(), s.cipher_suite());
    assert_eq!(c.group(), s.group());
    assert_eq!(c.alpn_protocol(), s.alpn_protocol());
    assert_eq!(c.hello_retried(), s.hello_retried());
    assert_eq!(c.server_name(), s.server_name());
    assert_eq!(c.client_random(), s.client_random());
    assert_eq!(c.server_random(), s.server_random());
    assert_eq!(c.tls_exporter().unwrap(), s.tls_exporter().unwrap());
    assert_eq!(c.tls_server_end_point(), s.tls_server_end_point());
    assert!(c.tls_server_end_point().is_some());
    (client, server)
}

#[test]
fn every_suite_with_every_group_by_share_and_by_retry() {
    let of_tls13 = |suite: &&CipherSuite| suite.is_usable_in(crate::ProtocolVersion::TLS_1_3);
    for &suite in CipherSuite::SUPPORTED.iter().filter(of_tls13) {
        for &group in NamedGroup::SUPPORTED {
            let server = || server().cipher_suites([suite]).groups([group]).build();
            let client = || client().groups(NamedGroup::SUPPORTED);
            let shared = client()
                .cipher_suites([suite])
                .key_shares(KeyShares::Groups(vec![group]));
            let (connection, _) = connect(shared.build(), server());
            assert_eq!(connection.information.cipher_suite(), suite);
            assert_eq!(connection.information.group(), Some(group));
            assert!(!connection.information.hello_retried());

            let other = if group == NamedGroup::X25519 {
                NamedGroup::SECP256R1
            } else {
                NamedGroup::X25519
            };
            let retried = client()
                .cipher_suites([suite])
                .key_shares(KeyShares::Groups(vec![other]));
            let (connection, _) = connect(retried.build(), server());
            assert_eq!(connection.information.group(), Some(group));
            assert!(connection.information.hello_retried());
        }
    }
}

#[test]
fn a_better_group_is_worth_a_retry_if_the_server_says_so() {
    let groups = [NamedGroup::SECP256R1, NamedGroup::X25519];
    for better in [false, true] {
        let client = client()
            .groups(groups)
            .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]));
        let server = server().groups(groups).retry_for_better_group(better);
        let (connection, _) = connect(client.build(), server.build());
        assert_eq!(connection.information.hello_retried(), better);
    }
    let none = client().key_shares(KeyShares::Groups(Vec::new()));
    let (connection, _) = connect(none.build(), server().build());
    assert!(connection.information.hello_retried());
}

#[test]
fn the_default_is_post_quantum_and_the_strongest_suite() {
    let (connection, _) = connect(client().build(), server().build());
    assert_eq!(
        connection.information.group(),
        Some(NamedGroup::X25519_MLKEM768)
    );
    assert_eq!(
        connection.information.cipher_suite(),
        CipherSuite::TLS_AES_256_GCM_SHA384
    );
    assert_eq!(connection.information.server_name(), Some("localhost"));
}

#[test]
fn the_classical_half_of_the_hybrid_share_serves_a_classical_server() {
    let (connection, _) = connect(
        client().build(),
        server().groups([NamedGroup::X25519]).build(),
    );
    assert_eq!(connection.information.group(), Some(NamedGroup::X25519));
    assert!(!connection.information.hello_retried());
}

#[test]
fn a_share_of_its_own_is_not_the_hybrids_half() {
    let both = vec![NamedGroup::X25519_MLKEM768, NamedGroup::X25519];
    let (connection, _) = connect(
        client().key_shares(KeyShares::Groups(both)).build(),
        server().groups([NamedGroup::X25519]).build(),
    );
    assert_eq!(connection.information.group(), Some(NamedGroup::X25519));
    assert!(!connection.information.hello_retried());
}

#[test]
fn a_retry_may_carry_a_cookie() {
    let server = server()
        .groups([NamedGroup::SECP384R1])
        .cookie(true)
        .build();
    let (connection, _) = connect(client().build(), server);
    assert!(connection.information.hello_retried());
}

#[test]
fn alpn_by_the_servers_order_or_not_at_all() {
    let (connection, _) = connect(
        client().alpn(["http/1.1", "h2"]).build(),
        server().alpn(["h2", "http/1.1"]).build(),
    );
    assert_eq!(connection.information.alpn_protocol(), Some(&b"h2"[..]));
    let (connection, _) = connect(client().build(), server().alpn(["h2"]).build());
    assert_eq!(connection.information.alpn_protocol(), None);
    let (client, server) = Pair::new(
        client().alpn(["h2"]).build().unwrap(),
        server().alpn(["dot"]).build().unwrap(),
    )
    .run();
    assert_eq!(
        server.unwrap_err().violation(),
        Some(Violation::NoSharedProtocol)
    );
    let error = client.unwrap_err();
    assert_eq!(
        error.alert(),
        Some((
            Direction::Received,
            AlertDescription::NO_APPLICATION_PROTOCOL
        ))
    );
}

#[test]
fn suites_by_the_order_of_either_side() {
    let chacha = CipherSuite::TLS_CHACHA20_POLY1305_SHA256;
    let aes = CipherSuite::TLS_AES_128_GCM_SHA256;
    let suite = |ours: [CipherSuite; 2], server: crate::config::ServerConfigBuilder| {
        let (connection, _) = connect(client().cipher_suites(ours).build(), server.build());
        connection.information.cipher_suite()
    };
    let both = [aes, chacha];
    assert_eq!(suite([chacha, aes], server().cipher_suites(both)), chacha);
    assert_eq!(
        suite(
            [chacha, aes],
            server()
                .cipher_suites(both)
                .chacha20_for_clients_without_aes(false)
        ),
        aes
    );
    assert_eq!(
        suite([aes, chacha], server().cipher_suites([chacha, aes])),
        chacha
    );
    assert_eq!(
        suite(
            [aes, chacha],
            server()
                .cipher_suites([chacha, aes])
                .honor_cipher_order(false)
        ),
        aes
    );
}

#[test]
fn small_records_by_either_extension() {
    let (client_side, server_side) = connect(
        client()
            .max_fragment_length(MaxFragmentLength::Bytes512)
            .build(),
        server().build(),
    );
    drop((client_side, server_side));
    connect(
        client().record_size_limit(64).build(),
        server().record_size_limit(100).build(),
    );
}

#[test]
fn no_middlebox_compatibility() {
    connect(
        client().middlebox_compatibility(false).build(),
        server().build(),
    );
}

#[test]
fn client_authentication() {
    let roots = || pki().roots.clone();
    let with_identity = || client().identity(pki().client.clone()).build();
    for authentication in [
        ClientAuthentication::Optional(roots()),
        ClientAuthentication::Required(roots()),
    ] {
        let server = server().client_authentication(authentication).build();
        let (client, server) = connect(with_identity(), server);
        assert_eq!(
            server.information.peer_certificates().first(),
            client.information.local_certificate()
        );
        assert!(server.information.peer_signature_scheme().is_some());
    }
    let optional = server()
        .client_authentication(ClientAuthentication::Optional(roots()))
        .build();
    let (_, server_side) = connect(client().build(), optional);
    assert!(server_side.information.peer_certificates().is_empty());
    let required = server()
        .client_authentication(ClientAuthentication::Required(roots()))
        .build();
    let (_, server_side) = Pair::new(client().build().unwrap(), required.unwrap()).run();
    let error = server_side.unwrap_err();
    assert_eq!(error.violation(), Some(Violation::NoClientCertificate));
    assert_eq!(
        error.alert(),
        Some((Direction::Sent, AlertDescription::CERTIFICATE_REQUIRED))
    );
}

#[test]
fn an_unknown_authority_is_named() {
    let unknown = ClientConfig::builder({
        let mut roots = crate::x509::Roots::empty();
        roots.add_der(pki().client.chain()[0].clone()).unwrap();
        roots
    });
    let (client, server) = Pair::new(unknown.build().unwrap(), server_config()).run();
    let error = client.unwrap_err();
    let Reason::Certificate(reason) = error.reason() else {
        panic!("{error}")
    };
    assert!(
        matches!(reason.kind(), CertificateErrorKind::UnknownIssuer { .. }),
        "{error}"
    );
    assert_eq!(
        server.unwrap_err().alert(),
        Some((Direction::Received, AlertDescription::UNKNOWN_CA))
    );
}

#[test]
fn all_questions_by_default() {
    let roots = pki().roots.clone();
    let client = client()
        .identity(pki().client.clone())
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    let server = server()
        .client_authentication(ClientAuthentication::Required(roots))
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    let mut asked = Vec::new();
    let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    let (client, server) = pair.run_answering(|is_server, question| {
        asked.push((
            is_server,
            match &question {
                Question::ChooseConfiguration(_) => "configuration",
                Question::ReviewServerHello(_) => "server hello",
                Question::ChooseIdentity(_) => "identity",
                Question::Sign(_) => "sign",
                Question::VerifyChain(_) => "verify",
                Question::OpenTickets(_) => "open tickets",
                Question::IssueTickets(_) => "issue tickets",
                Question::FindSession(_) => "find session",
                Question::KeepSession(_) => "keep session",
                Question::ChoosePsk(_) => "psk",
                Question::LookUpUser(_) => "user",
                Question::Decrypt(_) => "decrypt",
                Question::VerifyRawKey(_) => "verify a raw key",
            },
        ));
        Some(question.default_answer())
    });
    client.unwrap();
    server.unwrap();
    assert_eq!(
        asked,
        [
            (true, "configuration"),
            (true, "identity"),
            (true, "sign"),
            (false, "server hello"),
            (false, "verify"),
            (false, "identity"),
            (false, "sign"),
            (true, "verify"),
        ]
    );
}

#[test]
fn plain_http_is_named() {
    let mut server = crate::Handshake::server(server_config());
    server.receive(b"GET / HTTP/1.1\r\n\r\n", crate::testing::now());
    let alert = match server.poll().unwrap() {
        crate::Step::Transmit(bytes) => bytes,
        step => panic!("{step:?}"),
    };
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 10]);
    let error = server.poll().unwrap_err();
    assert!(error.to_string().contains("plain HTTP"), "{error}");
}

#[test]
fn a_cancelled_handshake_says_so() {
    let mut pair = Pair::new(
        client_config(),
        server().pause_at_hello(true).build().unwrap(),
    );
    pair.turn(&mut |_, _| None);
    pair.server.cancel();
    pair.turn(&mut |_, _| None);
    let error = pair.client.poll().unwrap_err();
    assert_eq!(
        error.alert(),
        Some((Direction::Received, AlertDescription::USER_CANCELED))
    );
    assert!(matches!(
        pair.server.poll().unwrap_err().reason(),
        Reason::Cancelled
    ));
}
