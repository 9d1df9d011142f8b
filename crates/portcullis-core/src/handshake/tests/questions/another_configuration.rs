//! Going on with another configuration at the ServerHello: what was offered stays, and bounds what the server may choose;
//! but what is refused where it is offered does not come in so.

use super::super::attack::{
    By, authenticated_client, authenticating_server, client, pair, read_all, refused as refused_by,
    resuming_client, server, ticket_keys,
};
use super::super::external_psk;
use super::super::older::{V1_2, VERSIONS};
use super::super::parts::{body, encrypted_extensions, server_hello};
use super::super::raw_keys::{ecdsa, in_version, keys_of, raw_client, raw_server};
use super::super::tamper::{Put, first};
use super::until;
use crate::compression::CertificateCompression;
use crate::compression::tests::Shrinking;
use crate::config::{
    BeastMitigation, ClientAuthentication, ClientConfigBuilder, ExtendedMasterSecret,
    SecureRenegotiation, ServerConfigBuilder,
};
use crate::question::Question;
use crate::suite::CipherSuite;
use crate::testing::{Pair, now};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::x509::Roots;
use crate::{
    AlertDescription, CertificateType, Connection, Direction, Error, NamedGroup, ProtocolVersion,
    Reason, SignatureScheme, Violation,
};

const RAW: CertificateType = CertificateType::RAW_PUBLIC_KEY;
const X509: CertificateType = CertificateType::X509;

/// What the client, which is asked, comes to.
fn goes_on(mut pair: Pair, other: ClientConfigBuilder) -> Result<Connection, Error> {
    let Question::ReviewServerHello(question) = until(&mut pair, false, "ReviewServerHello") else {
        unreachable!()
    };
    let answer = question.proceed_with(other.build().unwrap());
    pair.client.answer(answer, now()).unwrap();
    pair.turn(&mut |_, question| Some(question.default_answer()));
    pair.client.poll().map(drop)?;
    pair.client.into_connection()
}

/// The error is this side's own, and says which option it is.
fn refused(pair: Pair, other: ClientConfigBuilder, says: &str) {
    let error = goes_on(pair, other).unwrap_err();
    assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
    assert_eq!(
        error.alert(),
        Some((Direction::Sent, AlertDescription::INTERNAL_ERROR))
    );
    assert!(error.to_string().contains(says), "{says}: {error}");
}

fn asked(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
    let client = client.pause_at_hello(true).build().unwrap();
    Pair::new(client, server.build().unwrap())
}

/// With a server that has its usual options.
fn usual(version: ProtocolVersion, client: ClientConfigBuilder) -> Pair {
    asked(client.versions([version]), server().versions([version]))
}

/// A configuration that takes all that is chosen here.
fn taking() -> ClientConfigBuilder {
    authenticated_client().versions(VERSIONS)
}

#[test]
fn what_the_server_hello_says() {
    let [v1_3, v1_2] = VERSIONS;
    let untouched = |version, server: ServerConfigBuilder| {
        let client = authenticated_client().versions([version]);
        asked(client, server.versions([version]))
    };
    for (version, other) in [(v1_3, v1_2), (v1_2, v1_3)] {
        goes_on(untouched(version, server()), taking()).unwrap();
        let says = format!("versions: the server chose {version}");
        refused(
            untouched(version, server()),
            taking().versions([other]),
            &says,
        );
        let (chosen, suite) = match version == v1_3 {
            true => ("TLS_AES_", CipherSuite::TLS_CHACHA20_POLY1305_SHA256),
            false => (
                "TLS_ECDHE_ECDSA_WITH_AES_",
                CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            ),
        };
        let other = authenticated_client()
            .versions([version])
            .cipher_suites([suite]);
        let says = format!("cipher_suites: the server chose {chosen}");
        refused(untouched(version, server()), other, &says);
    }
    let other = taking().groups([NamedGroup::SECP384R1]);
    refused(untouched(v1_3, server()), other, "groups: the server chose");

    let without = || {
        let server = server().extended_master_secret(ExtendedMasterSecret::Off);
        untouched(v1_2, server)
    };
    goes_on(without(), taking()).unwrap();
    let other = taking().extended_master_secret(ExtendedMasterSecret::Required);
    refused(without(), other, "extended_master_secret: ");

    let old = || {
        let tamper = first(T::SERVER_HELLO, |raw| {
            vec![Put::Message(server_hello(raw, |hello| {
                hello.extensions.remove(E::RENEGOTIATION_INFO);
            }))]
        });
        let client = authenticated_client().versions([v1_2]).pause_at_hello(true);
        let server = server().versions([v1_2]);
        pair(
            client.build().unwrap(),
            server.build().unwrap(),
            By::Server,
            tamper,
        )
    };
    goes_on(old(), taking()).unwrap();
    let other = taking().secure_renegotiation(SecureRenegotiation::Demanded);
    refused(old(), other, "secure_renegotiation: ");
}

#[test]
fn the_scheme_with_which_the_server_signs() {
    let all = [
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        SignatureScheme::ED25519,
    ];
    for version in VERSIONS {
        let other = |schemes: &[SignatureScheme]| {
            // Its chain would still do.
            taking()
                .signature_schemes(schemes)
                .certificate_signature_schemes(all)
        };
        let offering = || usual(version, client().signature_schemes(all));
        goes_on(offering(), other(&all[..1])).unwrap();
        let says =
            "signature_schemes: the server chose ecdsa_secp256r1_sha256, which is not in the list";
        refused(offering(), other(&all[1..]), says);
        // What was not offered is not taken, whatever the other configuration says.
        let typ = match version == ProtocolVersion::TLS_1_3 {
            true => T::CERTIFICATE_VERIFY,
            false => T::SERVER_KEY_EXCHANGE,
        };
        let is_tls13 = version == ProtocolVersion::TLS_1_3;
        let tamper = first(typ, move |raw| {
            vec![Put::Message(body(raw, |body| {
                // Before TLS 1.3 it is behind the curve and the point.
                let at = if is_tls13 {
                    0
                } else {
                    4 + usize::from(body[3])
                };
                assert_eq!(body[at..at + 2], [4, 3]);
                body[at..at + 2].copy_from_slice(&[8, 4]);
            }))]
        });
        let client = client().versions([version]).signature_schemes(all);
        let client = client.pause_at_hello(true).build().unwrap();
        let server = server().versions([version]).build().unwrap();
        let pair = pair(client, server, By::Server, tamper);
        let error = goes_on(pair, taking()).unwrap_err();
        assert_eq!(error.violation(), Some(Violation::SchemeNotOffered));
    }
}

/// Of the key exchange, and of the certificate's key; in TLS 1.3 the first of the two is in the ServerHello.
#[test]
fn curves_before_tls13() {
    let [v1_3, v1_2] = VERSIONS;
    let (x25519, p256) = (NamedGroup::X25519, NamedGroup::SECP256R1);
    goes_on(usual(v1_2, client()), taking().groups([p256, x25519])).unwrap();
    let says = "groups: the server chose x25519, which is not in the list";
    for version in [v1_3, v1_2] {
        refused(usual(version, client()), taking().groups([p256]), says);
    }
    let says = "groups: the server chose a certificate with a key on secp256r1, which";
    refused(usual(v1_2, client()), taking().groups([x25519]), says);
    // In TLS 1.3 the key is a matter of schemes.
    goes_on(usual(v1_3, client()), taking().groups([x25519])).unwrap();
    // What was not offered is not taken.
    let server = server().versions(V1_2).groups([p256]);
    let tamper = first(T::SERVER_KEY_EXCHANGE, |raw| {
        vec![Put::Message(body(raw, |body| {
            assert_eq!(body[..3], [3, 0, 23]);
            body[2] = 24;
        }))]
    });
    let client = client()
        .versions(V1_2)
        .pause_at_hello(true)
        .build()
        .unwrap();
    let pair = pair(client, server.build().unwrap(), By::Server, tamper);
    let groups = [p256, x25519, NamedGroup::SECP384R1];
    let error = goes_on(pair, taking().groups(groups)).unwrap_err();
    assert_eq!(error.violation(), Some(Violation::CurveNotOffered));
}

#[test]
fn the_application_protocol() {
    for version in VERSIONS {
        let offering = || usual(version, client());
        goes_on(offering(), taking().alpn(["h2"])).unwrap();
        let says = "alpn: the server chose h2, which is not in the list";
        refused(offering(), taking().alpn(["http/1.1"]), says);
        refused(offering(), taking().alpn([""; 0]), says);
        goes_on(
            offering(),
            taking().alpn([""; 0]).accept_unoffered_alpn(true),
        )
        .unwrap();
        // It need not choose one.
        let none = server().versions([version]).alpn([""; 0]);
        let client = client().versions([version]);
        goes_on(asked(client, none), taking().alpn(["http/1.1"])).unwrap();
    }
    // What was not offered is not taken; before TLS 1.3 that is seen before anybody is asked.
    let tamper = first(T::ENCRYPTED_EXTENSIONS, |raw| {
        vec![Put::Message(encrypted_extensions(raw, |extensions| {
            extensions.set(E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION, b"\0\x04\x03dot");
        }))]
    });
    let client = client().pause_at_hello(true).build().unwrap();
    let pair = pair(client, server().build().unwrap(), By::Server, tamper);
    let error = goes_on(pair, taking().alpn(["dot"])).unwrap_err();
    assert_eq!(error.violation(), Some(Violation::ProtocolNotOffered));
}

#[test]
fn the_application_protocol_by_npn() {
    let offering = || {
        let client = client().versions(V1_2).alpn([""; 0]);
        let server = server().versions(V1_2).alpn([""; 0]);
        asked(
            client.next_protocols(["a", "b"]),
            server.next_protocols(["b"]),
        )
    };
    let naming = || taking().alpn([""; 0]);
    let connection = goes_on(offering(), naming().next_protocols(["b"])).unwrap();
    assert_eq!(connection.information.next_protocol(), Some(&b"b"[..]));
    let fallback = naming().next_protocols(["a"]).next_protocol_fallback("b");
    goes_on(offering(), fallback).unwrap();
    let says = "next_protocols: b was settled by NPN, which is not in the list";
    refused(offering(), naming().next_protocols(["a"]), says);
    refused(offering(), naming(), says);
}

#[test]
fn types_of_certificates() {
    let (of_server, of_client) = (ecdsa(), ecdsa());
    for version in VERSIONS {
        let server = || {
            raw_server(&of_server)
                .client_authentication(ClientAuthentication::Required(Roots::empty()))
                .client_certificate_types([RAW])
                .raw_keys(keys_of(&of_client))
        };
        let trusting = || raw_client(keys_of(&of_server)).identity(of_client.clone());
        let offering = || {
            let client = client().identity(of_client.clone());
            let client = client.server_certificate_types([RAW, X509]);
            let client = client.raw_keys(keys_of(&of_server));
            let (client, server) = in_version(version, client.pause_at_hello(true), server());
            Pair::new(client, server)
        };
        let other = || trusting().versions(VERSIONS);
        goes_on(offering(), other()).unwrap();
        let certified = taking().identity(of_client.clone());
        let says =
            "server_certificate_types: the server chose RawPublicKey, which is not in the list";
        refused(offering(), certified, says);
        let says =
            "client_certificate_types: the server chose RawPublicKey, which is not in the list";
        let without = raw_client(keys_of(&of_server)).versions(VERSIONS);
        refused(offering(), without.clone(), says);
        // A server of certificates, which says nothing of types.
        let plain = || {
            let client = client().server_certificate_types([X509, RAW]);
            usual(version, client.raw_keys(keys_of(&of_server)))
        };
        goes_on(plain(), taking()).unwrap();
        let says = "server_certificate_types: the server chose X509, which is not in the list";
        refused(plain(), without, says);
    }
    // What was not offered is not taken; before TLS 1.3 that is seen before anybody is asked.
    let tamper = first(T::ENCRYPTED_EXTENSIONS, |raw| {
        vec![Put::Message(encrypted_extensions(raw, |extensions| {
            extensions.set(E::SERVER_CERTIFICATE_TYPE, [0]);
        }))]
    });
    let client = raw_client(keys_of(&of_server)).groups([NamedGroup::X25519]);
    let client = client.pause_at_hello(true);
    let server = raw_server(&of_server);
    let (client, server) = in_version(ProtocolVersion::TLS_1_3, client, server);
    let pair = pair(client, server, By::Server, tamper);
    let error = goes_on(pair, taking().server_certificate_types([X509])).unwrap_err();
    assert_eq!(
        error.violation(),
        Some(Violation::CertificateTypeNotOffered)
    );
}

#[test]
fn how_the_certificate_is_compressed() {
    let shrinking = || vec![CertificateCompression::custom(Shrinking)];
    let offering = || {
        let server = authenticating_server().certificate_compression(shrinking());
        asked(
            authenticated_client().certificate_compression(shrinking()),
            server,
        )
    };
    goes_on(offering(), taking().certificate_compression(shrinking())).unwrap();
    let says = "certificate_compression: the server chose ";
    refused(offering(), taking(), says);
    // A server that has compressed nothing.
    let plain = usual(
        ProtocolVersion::TLS_1_3,
        client().certificate_compression(shrinking()),
    );
    goes_on(plain, taking()).unwrap();
}

/// Nobody verifies the chain here, so that its key is looked at for its own sake.
#[cfg(feature = "ffi")]
#[test]
fn how_long_the_key_of_the_server_is() {
    use super::super::signatures::identity;
    use crate::config::ClientConfig;
    for (version, suite) in [
        (
            ProtocolVersion::TLS_1_3,
            CipherSuite::TLS_AES_128_GCM_SHA256,
        ),
        // It signs, and it decrypts.
        (
            ProtocolVersion::TLS_1_2,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ),
        (
            ProtocolVersion::TLS_1_2,
            CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256,
        ),
    ] {
        let client = |least| {
            ClientConfig::dangerous_builder_without_verification()
                .versions([version])
                .cipher_suites([suite])
                .key_minimum(least)
        };
        let offering = || {
            let server = server()
                .clear_identities()
                .identity(identity("rsa1024"))
                .versions([version])
                .cipher_suites([suite])
                .key_minimum(1_024);
            asked(client(1_024), server)
        };
        goes_on(offering(), client(1_024)).unwrap();
        let error = goes_on(offering(), client(2_048)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("has an RSA key of 1024 bits: 2048 to 8192 bits are accepted"),
            "{suite}: {error}"
        );
    }
}

/// Nor here. Which kinds of keys are taken, schemes and suites say: a suite for DSA keys is in no configuration that has no
/// scheme for them.
#[test]
fn of_which_kind_the_key_of_the_server_is() {
    use super::super::signatures::identity;
    use crate::config::ClientConfig;
    let client = |version, schemes: &[SignatureScheme]| {
        ClientConfig::dangerous_builder_without_verification()
            .versions([version])
            .signature_schemes(schemes)
    };
    let showing = |version, title| {
        let server = server().clear_identities().versions([version]);
        server.identity(identity(title))
    };
    let both = [
        SignatureScheme::RSA_PSS_RSAE_SHA256,
        SignatureScheme::RSA_PSS_PSS_SHA256,
    ];
    for version in VERSIONS {
        let offering = || asked(client(version, &both), showing(version, "pss"));
        goes_on(offering(), client(version, &both[1..])).unwrap();
        let says =
            "signature_schemes: the server chose rsa_pss_pss_sha256, which is not in the list";
        refused(offering(), client(version, &both[..1]), says);
    }
    #[cfg(all(feature = "ffi", feature = "finite-field"))]
    for version in [
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ] {
        let suite = CipherSuite::TLS_DHE_DSS_WITH_AES_128_CBC_SHA;
        let rsa = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA;
        let both = [SignatureScheme::DSA_SHA256, SignatureScheme::DSA_SHA384];
        let dss = |schemes| client(version, schemes).cipher_suites([suite]);
        let offering = || {
            let server = showing(version, "dsa").cipher_suites([suite]);
            asked(dss(&both), server.signature_schemes(both))
        };
        goes_on(offering(), dss(&both[..1])).unwrap();
        // Before TLS 1.2 there is one.
        match version {
            ProtocolVersion::TLS_1_2 => {
                let says =
                    "signature_schemes: the server chose dsa_sha256, which is not in the list";
                refused(offering(), dss(&both[1..]), says);
            }
            _ => drop(goes_on(offering(), dss(&both[1..])).unwrap()),
        }
        let schemes = [SignatureScheme::RSA_PKCS1_SHA256];
        let says = "cipher_suites: the server chose TLS_DHE_DSS_WITH_AES_128_CBC_SHA, which is not";
        let without = client(version, &schemes).cipher_suites([rsa]);
        refused(offering(), without, says);
        assert!(dss(&schemes).build().is_err());
    }
}

/// A pre-shared key without a key exchange, with a client that offers nothing else.
#[test]
fn a_key_that_is_used_alone() {
    use external_psk::{changed, client, psk};
    let offering = || {
        let client = client().psk(psk()).psk_ke(true).pause_at_hello(true);
        let server = external_psk::server().psk(psk()).psk_ke(true);
        changed(client, server, |hello| {
            hello.extensions.set(E::PSK_KEY_EXCHANGE_MODES, [1, 0]);
        })
    };
    let connection = goes_on(offering(), client().psk(psk()).psk_ke(true)).unwrap();
    assert_eq!(connection.information.group(), None);
    let says = "psk_ke: the server uses a pre-shared key without a key exchange";
    refused(offering(), client().psk(psk()), says);
    // What was not offered is not taken, and nobody is asked.
    let tamper = first(T::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.remove(E::KEY_SHARE);
        }))]
    });
    let client = client().psk(psk()).pause_at_hello(true).build().unwrap();
    let server = external_psk::server().psk(psk()).build().unwrap();
    let error = refused_by(pair(client, server, By::Server, tamper), By::Server);
    assert_eq!(error.violation(), Some(Violation::PskWithoutKeyShare));
}

/// What a configuration says of CBC in TLS 1.0 is that of the one in force, in both directions.
#[test]
fn cbc_with_chained_ivs() {
    let versions = [ProtocolVersion::TLS_1_0];
    let suites = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA];
    let old = |client: ClientConfigBuilder| client.versions(versions).cipher_suites(suites);
    let offering = |client| {
        let server = server().versions(versions).cipher_suites(suites);
        asked(old(client), server)
    };
    let off = BeastMitigation::Off;
    let records = |mut connection: Connection| {
        let mut out = vec![0; connection.writer.max_sealed_len(10)];
        let before = connection.writer.sequence_number();
        connection.writer.seal(&[7; 10], &mut out).unwrap();
        connection.writer.sequence_number() - before
    };
    let lenient = || client().padding_check(false).beast_mitigation(off);
    for (first, then, checks, splits) in [
        (client(), lenient(), false, false),
        (lenient(), client(), true, true),
        (client(), client(), true, true),
    ] {
        let connection = goes_on(offering(first), old(then)).unwrap();
        assert_eq!(connection.reader.checks_padding(), Some(checks));
        assert_eq!(records(connection), if splits { 2 } else { 1 });
    }
}

/// Whether the client is asked for a certificate later, and whether tickets are kept, is of the configuration in force.
#[test]
fn what_comes_after_the_handshake() {
    let version = ProtocolVersion::TLS_1_3;
    let offering = |on: bool, tickets: bool| {
        resuming_client()
            .versions([version])
            .alpn(Vec::<&str>::new())
            .post_handshake_authentication(on)
            .session_tickets(tickets)
    };
    let goes_on = |pair: Pair, other: ClientConfigBuilder| {
        let other = other.build().unwrap();
        let (client, _) = pair.run_answering(|_, question| {
            Some(match question {
                Question::ReviewServerHello(question) => question.proceed_with(other.clone()),
                question => question.default_answer(),
            })
        });
        client.unwrap()
    };
    let asking = || server().versions([version]).ticket_keys(ticket_keys());
    for (on, tickets) in [(true, true), (true, false), (false, true), (false, false)] {
        let pair = asked(offering(true, true), asking());
        let mut connection = goes_on(pair, offering(on, tickets));
        assert_eq!(connection.authentication.is_some(), on);
        let unread = core::mem::take(&mut connection.unread);
        read_all(&mut connection.reader, unread).unwrap();
        assert_eq!(connection.reader.take_ticket().is_some(), tickets);
    }
    // It was not offered.
    let pair = asked(offering(false, true), asking());
    let connection = goes_on(pair, offering(true, true));
    assert!(connection.authentication.is_none());
}
