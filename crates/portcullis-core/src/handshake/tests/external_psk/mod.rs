//! Pre-shared keys that both sides have before they meet, in TLS 1.3: whose they are, which is taken, and what
//! comes of the connection.

mod asked;
mod hostile;
mod sessions;

pub(super) use self::hostile::{cases, changed};
use super::attack::{By, refused, ticket_keys};
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, KeyShares, PreSharedKey, ServerConfig,
    ServerConfigBuilder,
};
use crate::suite::{CipherSuite, HashAlgorithm};
use crate::testing::{Pair, pki};
use crate::x509::Roots;
use crate::{
    AlertDescription, Connection, Direction, NamedGroup, ProtocolVersion, Stage, Violation,
};

pub(in super::super) fn psk() -> PreSharedKey {
    PreSharedKey::new("meter-17", [7; 32]).unwrap()
}

pub(super) fn imported() -> PreSharedKey {
    psk().imported("meter-17 to hub").unwrap()
}

/// A client that takes nobody but who has a key.
pub(super) fn client() -> ClientConfigBuilder {
    ClientConfig::builder(Roots::empty()).groups([NamedGroup::X25519, NamedGroup::SECP256R1])
}

/// A server without a certificate.
pub(super) fn server() -> ServerConfigBuilder {
    ServerConfig::builder().resumption(false)
}

fn pair(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

/// Connects by a key; both ends say the same of it.
fn connect(client: ClientConfigBuilder, server: ServerConfigBuilder) -> (Connection, Connection) {
    let (client, server) = pair(client, server).run();
    let (client, server) = (client.unwrap(), server.unwrap());
    let (ours, theirs) = (&client.information, &server.information);
    assert_eq!(ours.version(), ProtocolVersion::TLS_1_3);
    assert_eq!(ours.cipher_suite(), theirs.cipher_suite());
    assert_eq!(ours.group(), theirs.group());
    assert_eq!(ours.psk_identity(), theirs.psk_identity());
    assert_eq!(ours.tls_exporter().unwrap(), theirs.tls_exporter().unwrap());
    for information in [ours, theirs] {
        assert!(!information.is_resumed());
        assert_eq!(information.tls_server_end_point(), None);
    }
    (client, server)
}

fn identity_of(ends: &(Connection, Connection)) -> Option<&[u8]> {
    for end in [&ends.0, &ends.1] {
        let information = &end.information;
        if information.psk_identity().is_some() {
            assert!(information.peer_certificates().is_empty());
            assert!(information.local_certificate().is_none());
            assert_eq!(information.peer_signature_scheme(), None);
        }
    }
    ends.0.information.psk_identity()
}

const SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS_AES_128_GCM_SHA256,
    CipherSuite::TLS_AES_256_GCM_SHA384,
    CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
];

/// As it is, for either hash, and imported; with a key exchange and without, and after a HelloRetryRequest.
#[test]
fn every_kind_of_key_with_every_suite_in_every_way() {
    let of_sha384 = || psk().for_hash(HashAlgorithm::Sha384);
    for key in [
        psk(),
        of_sha384(),
        imported(),
        of_sha384().imported("").unwrap(),
    ] {
        for suite in SUITES {
            let hash = suite.info().unwrap().hash;
            if key.context().is_none() && key.hash() != hash {
                continue;
            }
            for retries in [false, true] {
                let client = client().psk(key.clone());
                let client = match retries {
                    true => client.key_shares(KeyShares::Groups(Vec::new())),
                    false => client,
                };
                let server = server().cipher_suites([suite]).psk(key.clone());
                let ends = connect(client, server);
                assert_eq!(identity_of(&ends), Some(&b"meter-17"[..]));
                assert_eq!(ends.0.information.cipher_suite(), suite);
                assert_eq!(ends.0.information.hello_retried(), retries);
                assert_eq!(ends.0.information.group(), Some(NamedGroup::X25519));
            }
        }
    }
}

/// §4.2.11: identities of 1 to as many bytes as a client offers; keys of any length.
#[test]
fn identities_and_keys_of_many_lengths() {
    for (identity, key) in [(1, 1), (255, 64), (256, 65), (8_000, 65_535)] {
        let key = PreSharedKey::new(vec![b'i'; identity], vec![9; key]).unwrap();
        let ends = connect(client().psk(key.clone()), server().psk(key.clone()));
        assert_eq!(identity_of(&ends), Some(key.identity()));
    }
}

/// The suite that the server likes best has another hash than the key.
#[test]
fn a_suite_is_chosen_that_the_key_goes_with() {
    let all = [SUITES[1], SUITES[0]];
    for asks in [false, true] {
        let client = ClientConfig::builder(pki().roots.clone()).cipher_suites(all);
        let server = server()
            .identity(pki().server.clone())
            .cipher_suites(all)
            .psk(psk())
            .ask_psk(asks);
        let ends = connect(client.clone().psk(psk()), server.clone());
        assert_eq!(identity_of(&ends), Some(&b"meter-17"[..]));
        assert_eq!(ends.0.information.cipher_suite(), SUITES[0]);
        // A client without a key gets what it would have got.
        let (client, _) = pair(client, server).run();
        let information = client.unwrap().information;
        assert_eq!(information.cipher_suite(), SUITES[1]);
    }
    // Where only the key counts, other suites are not offered.
    let config = client().psk(psk()).build().unwrap();
    let suites = &config.0.policy.cipher_suites;
    assert_eq!(*suites, [SUITES[0], SUITES[2]]);
    let config = client().psk(imported()).build().unwrap();
    assert_eq!(config.0.policy.cipher_suites.len(), 3);
}

/// §4.2.9: alone only where both have said so by name, and not where the client can do better.
#[test]
fn a_key_is_used_alone_only_if_both_want_that() {
    let both = || (client().psk(psk()), server().psk(psk()));
    for (ours, theirs) in [(false, false), (true, false), (false, true), (true, true)] {
        let (client, server) = both();
        let ends = connect(client.psk_ke(ours), server.psk_ke(theirs));
        assert!(ends.0.information.group().is_some());
    }
}

/// §4.2.11: what is known of a client's keys is taken, in the server's order.
#[test]
fn of_several_keys_the_one_that_the_server_has_first() {
    let key = |name: &str| PreSharedKey::new(name, [7; 16]).unwrap();
    let client = || {
        let keys = ["a", "b", "c"].map(key);
        keys.into_iter().fold(client(), ClientConfigBuilder::psk)
    };
    for (known, taken) in [
        (&["c"][..], "c"),
        (&["x", "b", "a"], "b"),
        (&["a", "b", "c"], "a"),
    ] {
        let known = known.iter().map(|name| key(name));
        let server = known.fold(server(), ServerConfigBuilder::psk);
        for client in [client(), client().key_shares(KeyShares::Groups(Vec::new()))] {
            let ends = connect(client, server.clone());
            assert_eq!(identity_of(&ends), Some(taken.as_bytes()));
        }
    }
    // A key that goes with another suite is left out of the second hello, where the places are others.
    let first = key("z").for_hash(HashAlgorithm::Sha384);
    let client = ClientConfig::builder(Roots::empty())
        .cipher_suites(SUITES)
        .psk(first)
        .psk(key("a"))
        .psk(imported())
        .key_shares(KeyShares::Groups(Vec::new()));
    for known in [key("a"), imported()] {
        let server = server().cipher_suites([SUITES[0]]).psk(known.clone());
        let ends = connect(client.clone(), server);
        assert_eq!(identity_of(&ends), Some(known.identity()));
    }
}

/// §4.2.11: a full handshake where there is no key in common, if both ends can have one.
#[test]
fn certificates_for_who_has_no_key() {
    let stranger = PreSharedKey::new("meter-18", [8; 32]).unwrap();
    let trusting = || ClientConfig::builder(pki().roots.clone());
    let server = || server().identity(pki().server.clone()).psk(psk());
    for client in [trusting(), trusting().psk(stranger.clone())] {
        let (client, server) = pair(client, server()).run();
        let client = client.unwrap().information;
        assert_eq!(client.peer_certificates().len(), 1);
        assert_eq!(client.psk_identity(), None);
        assert_eq!(server.unwrap().information.psk_identity(), None);
    }
    // A HelloRetryRequest leaves none of the keys.
    let retried = trusting()
        .cipher_suites(SUITES)
        .psk(psk().for_hash(HashAlgorithm::Sha384))
        .key_shares(KeyShares::Groups(Vec::new()));
    let (retried, _) = pair(retried, server().cipher_suites([SUITES[0]])).run();
    let information = retried.unwrap().information;
    assert!(information.hello_retried() && information.psk_identity().is_none());
    let ends = connect(trusting().psk(psk()), server());
    assert_eq!(identity_of(&ends), Some(&b"meter-17"[..]));
    // Who trusts nobody but the key takes no certificate.
    let error = refused(pair(client().psk(stranger), server()), By::Server);
    assert_eq!(error.violation(), Some(Violation::PskNotSelected));
}

/// RFC 8446 §4.3.2: nobody is asked for a certificate.
#[test]
fn no_certificate_is_asked_for() {
    let server = server()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Optional(pki().roots.clone()))
        .psk(psk());
    let client = client().identity(pki().client.clone()).psk(psk());
    let ends = connect(client, server.clone());
    assert_eq!(identity_of(&ends), Some(&b"meter-17"[..]));
    let required = ClientAuthentication::Required(pki().roots.clone());
    let error = server.client_authentication(required.clone()).build();
    let error = error.unwrap_err().to_string();
    assert!(error.contains("shows no certificate"), "{error}");
    // Who only might be asked for one takes no keys.
    let asking = super::attack::server()
        .client_authentication(required)
        .ask_psk(true);
    let client = super::attack::authenticated_client().psk(psk());
    let (client, server) = pair(client, asking).run();
    assert_eq!(client.unwrap().information.psk_identity(), None);
    assert_eq!(server.unwrap().information.peer_certificates().len(), 1);
}

/// §6.2, §E.6. What is told to whom has no known key, and to whom has a wrong one.
#[test]
fn an_unknown_identity_and_a_wrong_key() {
    let stranger = PreSharedKey::new("meter-18", [7; 32]).unwrap();
    let wrong = PreSharedKey::new("meter-17", [8; 32]).unwrap();
    let run = |key: &PreSharedKey, hides| {
        let server = server().psk(psk()).hide_unknown_psk_identities(hides);
        let error = refused(pair(client().psk(key.clone()), server), By::Client);
        (
            error.violation().unwrap(),
            error.stage(),
            error.alert().unwrap().1,
        )
    };
    let of = |violation, alert| (violation, Stage::WaitClientHello, alert);
    let unknown = of(
        Violation::UnknownPskIdentity,
        AlertDescription::UNKNOWN_PSK_IDENTITY,
    );
    let bad = of(Violation::BadPskBinder, AlertDescription::DECRYPT_ERROR);
    assert_eq!(run(&stranger, false), unknown);
    assert_eq!(run(&stranger, true), bad);
    assert_eq!(run(&wrong, false), bad);
    assert_eq!(run(&wrong, true), bad);
    // The client is told what may be the matter.
    let (client, _) = pair(client().psk(wrong), server().psk(psk())).run();
    let error = client.unwrap_err();
    let alert = (Direction::Received, AlertDescription::DECRYPT_ERROR);
    assert_eq!(error.alert(), Some(alert));
    assert!(
        error.to_string().contains("different pre-shared keys"),
        "{error}"
    );
}

/// RFC 9257 §4.1 (Selfie): a hello that comes back to whoever sent it is answered by whoever has one key for both
/// directions. A context that says who is the client prevents it.
#[test]
fn an_end_that_is_led_to_itself() {
    let run = |ours: PreSharedKey, theirs: PreSharedKey| {
        let (client, server) = (client().psk(ours), server().psk(theirs));
        let (client, server) = pair(client, server).run();
        (client.is_ok(), server.is_ok())
    };
    assert_eq!(run(psk(), psk()), (true, true));
    let to = |context: &str| psk().imported(context).unwrap();
    assert_eq!(run(to("a to b"), to("a to b")), (true, true));
    assert_eq!(run(to("a to b"), to("b to a")), (false, false));
}

/// What a name says about a server without certificates, too.
#[test]
fn a_name_that_nobody_has() {
    let server = server()
        .identity(pki().server.clone())
        .refuse_unknown_names(true)
        .psk(psk());
    connect(client().psk(psk()), server.clone());
    let other = rustls_pki_types::DnsName::try_from("other.example").unwrap();
    let indication = crate::config::ServerNameIndication::SendOther(other);
    let client = client().psk(psk()).server_name_indication(indication);
    let error = refused(pair(client, server), By::Client);
    assert_eq!(error.violation(), Some(Violation::UnrecognizedName));
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built() {
    let client_says = |client: ClientConfigBuilder| client.build().unwrap_err().to_string();
    let server_says = |server: ServerConfigBuilder| server.build().unwrap_err().to_string();
    let v1_2 = [ProtocolVersion::TLS_1_2];
    let unnamed = PreSharedKey::new("", [7; 16]).unwrap();
    // Before TLS 1.3 an identity may be empty (RFC 4279 §2); in TLS 1.3 the key is not offered then.
    for versions in [&v1_2[..], &[ProtocolVersion::TLS_1_3, v1_2[0]]] {
        let suites = [
            CipherSuite::TLS_AES_128_GCM_SHA256,
            CipherSuite::TLS_PSK_WITH_AES_128_GCM_SHA256,
        ];
        let of_versions = suites.iter().skip(usize::from(versions.len() == 1));
        let older = client()
            .versions(versions.to_vec())
            .cipher_suites(of_versions.copied().collect::<Vec<_>>());
        older.psk(unnamed.clone()).build().unwrap();
    }
    for (said, why) in [
        (
            client_says(client().psk(unnamed.clone())),
            "an empty identity",
        ),
        (
            server_says(server().psk(unnamed.clone())),
            "RFC 8446 §4.2.11",
        ),
        (
            client_says(client().versions(v1_2).psk(psk())),
            "no cipher suite takes a pre-shared key",
        ),
        (
            server_says(server().versions(v1_2).psk(imported())),
            "no cipher suite takes a pre-shared key",
        ),
        (
            server_says(
                server()
                    .cipher_suites([CipherSuite::TLS_PSK_WITH_AES_128_GCM_SHA256])
                    .psk(imported()),
            ),
            "not imported, and all are",
        ),
        (
            client_says(client().cipher_suites([SUITES[1]]).psk(psk())),
            "no cipher suite of TLS 1.3 has the hash",
        ),
        (
            client_says(client().psk(PreSharedKey::new([b'i'; 8_200], [7; 16]).unwrap())),
            "may take 8192",
        ),
        (
            client_says(client().psk_ke(true)),
            "psk_ke: there is no pre-shared key",
        ),
        (client_says(client()), "there is no trust anchor"),
        (
            client_says(client().ask_psk(true)),
            "there is no trust anchor",
        ),
        (server_says(server()), "there is no identity"),
    ] {
        assert!(said.contains(why), "{said}");
    }
    server().ask_psk(true).build().unwrap();
    // Versions that have no use for a key are left out unless they are named.
    let config = client().psk(psk()).build().unwrap();
    assert_eq!(config.0.policy.versions, [ProtocolVersion::TLS_1_3]);
}

/// One key in TLS 1.3 and before it.
#[test]
fn both_versions_with_one_key() {
    let older = CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384;
    let suites = [SUITES[0], older];
    let client = || client().cipher_suites(suites).psk(psk());
    let server = || server().cipher_suites(suites).psk(psk());
    connect(client(), server());
    for (client, server) in [
        (
            client()
                .versions([ProtocolVersion::TLS_1_2])
                .cipher_suites([older]),
            server(),
        ),
        (
            client(),
            server()
                .versions([ProtocolVersion::TLS_1_2])
                .cipher_suites([older]),
        ),
    ] {
        let (client, server) = pair(client, server).run();
        for end in [client.unwrap(), server.unwrap()] {
            assert_eq!(end.information.version(), ProtocolVersion::TLS_1_2);
            assert_eq!(end.information.psk_identity(), Some(&b"meter-17"[..]));
        }
    }
}
