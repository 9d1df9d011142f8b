//! What a client offers, and for what it is good.

use std::time::Duration;

use super::*;

/// §4.1.4: the binders are of the second hello, and what does not go with the suite is dropped.
#[test]
fn after_a_hello_retry_request() {
    let keys = keys();
    let of = |suite| first(&client(), &server(&keys).cipher_suites([suite])).remove(0);
    let (of_sha384, of_sha256) = (
        of(Suite::TLS_AES_256_GCM_SHA384),
        of(Suite::TLS_AES_128_GCM_SHA256),
    );
    let retrying = || {
        server(&keys)
            .groups([NamedGroup::SECP256R1])
            .cipher_suites([Suite::TLS_CHACHA20_POLY1305_SHA256])
    };
    for (sessions, resumed) in [
        (vec![of_sha256.clone()], true),
        (vec![of_sha384.clone(), of_sha256.clone()], true),
        (vec![of_sha256.clone(), of_sha384.clone()], true),
        (vec![of_sha384.clone()], false),
    ] {
        for cookie in [false, true] {
            let server = retrying().cookie(cookie);
            let (client, _) = connect(client(), server, sessions.clone());
            assert!(client.information.hello_retried());
            assert_eq!(client.information.is_resumed(), resumed);
        }
    }
    // A session that is still there when its hash is not.
    assert!(!is_resumed(
        client(),
        server(&keys).cipher_suites([Suite::TLS_AES_128_GCM_SHA256]),
        vec![of_sha384],
    ));
}

/// §4.2.11: the hash must be the same, the cipher need not.
#[test]
fn another_suite_with_the_same_hash() {
    let keys = keys();
    let sessions = first(
        &client(),
        &server(&keys).cipher_suites([Suite::TLS_AES_128_GCM_SHA256]),
    );
    let chacha = server(&keys).cipher_suites([Suite::TLS_CHACHA20_POLY1305_SHA256]);
    let (client, _) = connect(client(), chacha, sessions);
    assert!(client.information.is_resumed());
    assert_eq!(
        client.information.cipher_suite(),
        Suite::TLS_CHACHA20_POLY1305_SHA256
    );
}

#[test]
fn what_a_client_does_not_offer() {
    let session = first(&client(), &server(&keys())).remove(0);
    let offers = |client, name, now| offers(client, name, vec![session.clone()], now).0;
    assert_eq!(session.lifetime().as_secs(), 7_200);
    assert_eq!(session.received_at(), now());
    assert_eq!(session.server_name(), &name());
    assert_eq!(offers(client(), name(), now()), 1);
    assert_eq!(offers(client(), name(), later(7_199)), 1);
    assert_eq!(offers(client(), name(), later(7_200)), 0, "too old");
    assert_eq!(offers(client(), name(), earlier(1)), 0, "from the future");
    for other in ["localhost.localdomain", "127.0.0.1", "ocalhost"] {
        let other = ServerName::try_from(other).unwrap();
        assert_eq!(offers(client(), other, now()), 0, "another server");
    }
    let sha256 = client().cipher_suites([Suite::TLS_AES_128_GCM_SHA256]);
    assert_eq!(offers(sha256, name(), now()), 0, "another hash");
    let ed25519 = client()
        .signature_schemes([SignatureScheme::ED25519])
        .certificate_signature_schemes([SignatureScheme::ECDSA_SECP256R1_SHA256]);
    assert_eq!(offers(ed25519, name(), now()), 0, "another scheme");
    let others = ClientConfig::builder(self_signed("localhost").1).session_tickets(true);
    assert_eq!(offers(others.clone(), name(), now()), 0, "other anchors");
    // Whoever is asked decides when the server has chosen.
    assert_eq!(offers(others.ask_verification(true), name(), now()), 1);
    // But not for a chain that has expired since.
    let (chain, anchors) = expired("localhost");
    let mut stale = session.clone();
    stale.established.peer.as_mut().unwrap().shown = chain.into();
    let asking = ClientConfig::builder(anchors)
        .session_tickets(true)
        .ask_verification(true);
    assert_eq!(super::offers(asking, name(), vec![stale], now()).0, 0);
    // However fresh the ticket is: the server signed 7 days ago.
    let mut old = session.clone();
    old.established.authenticated_at = earlier(604_800);
    assert!(old.is_expired(now()));
    old.established.authenticated_at = earlier(604_799);
    assert!(!old.is_expired(now()));
    old.established.authenticated_at = later(1);
    assert!(old.is_expired(now()), "it has not signed in the future");
    let mut other = session.clone();
    other.established.dialect = Dialect::Dtls;
    assert_eq!(super::offers(client(), name(), vec![other], now()).0, 0);
    let mut other = session.clone();
    other.established.version = Version::V1_2;
    assert_eq!(super::offers(client(), name(), vec![other], now()).0, 0);
}

/// The hello has room for so much: those that are given first go first.
#[test]
fn more_sessions_than_fit() {
    let session = first(&client(), &server(&keys())).remove(0);
    for (length, most) in [(MAX_TICKET, 1), (8_000, 3), (1, 438)] {
        let mut session = session.clone();
        session.ticket = vec![7; length].into();
        let (offered, _) = offers(client(), name(), vec![session; 2_000], now());
        assert_eq!(offered, most, "of {length} bytes");
    }
}

#[test]
fn tickets_are_for_who_wants_them() {
    let keys = keys();
    let without = client().session_tickets(false);
    assert_eq!(
        offers(without.clone(), name(), Vec::new(), now()),
        (0, false)
    );
    assert_eq!(offers(client(), name(), Vec::new(), now()), (0, true));
    assert!(first(&without, &server(&keys)).is_empty());
    let given = first(&client(), &server(&keys));
    let config = without.build().unwrap();
    let Err(error) = Handshake::client_resuming(config, name(), given.clone(), now()) else {
        panic!("a session was taken");
    };
    assert!(error.to_string().contains("session_tickets"), "{error}");
    // A server without keys sends none, and does not look at any.
    let plain = ServerConfig::builder()
        .identity(pki().server.clone())
        .resumption(false);
    assert!(first(&client(), &plain).is_empty());
    assert!(!is_resumed(client(), plain, given));
    for count in [1, 8] {
        let sessions = first(&client(), &server(&keys).ticket_count(count));
        assert_eq!(sessions.len(), usize::from(count));
    }
    // A client keeps the last 8.
    let sessions = first(&client(), &server(&keys).ticket_count(16));
    assert_eq!(sessions.len(), 8);
    assert!(is_resumed(client(), server(&keys), sessions));
}

/// Unless told otherwise a server has keys of its own: its clones have them too, what is built
/// from it, and what replaces it; nobody else.
#[test]
fn a_server_resumes_by_itself_and_only_its_own() {
    let build = || ServerConfig::builder().identity(pki().server.clone());
    let config = build().build().unwrap();
    let given = sessions_of(client().build().unwrap(), config.clone());
    assert_eq!(given.len(), 3);
    let resumes = |server: &ServerConfig| is_resumed(client(), server.to_builder(), given.clone());
    assert!(resumes(&config));
    assert!(resumes(&config.to_builder().alpn(["x"]).build().unwrap()));
    let other = build().build().unwrap();
    assert!(!resumes(&other), "another configuration has other keys");
    assert!(resumes(&other.replacing(&config)));
    // What was chosen counts.
    for chosen in [
        build().resumption(false),
        build().ticket_keys(keys()),
        build().ticket_lifetime(Duration::from_secs(60)),
    ] {
        let chosen = chosen.build().unwrap();
        assert!(!resumes(&chosen) && !resumes(&chosen.replacing(&config)));
    }
    let off = config.to_builder().resumption(false);
    assert!(!resumes(&off.clone().build().unwrap()));
    assert!(
        !resumes(&off.resumption(true).build().unwrap()),
        "they are new ones"
    );
    // Keys that were chosen are not turned off by being turned on.
    let keys = keys();
    let chosen = build().ticket_keys(keys.clone()).resumption(true);
    let given = first(&client(), &chosen);
    assert!(is_resumed(client(), build().ticket_keys(keys), given));
}
