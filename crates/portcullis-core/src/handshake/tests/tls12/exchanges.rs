//! Key exchanges without a certificate: every suite in every version, what a configuration may have, and
//! what a server chooses.

use super::super::attack::{alert_seen_by, ticket_keys, transmitted};
use super::super::older::{V1_2, talking_in};
use super::super::scripts::kind;
use super::session_of;
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, PreSharedKey, ServerConfig,
    ServerConfigBuilder,
};
use crate::question::Question;
use crate::suite::{Authentication, CipherSuite};
use crate::testing::{Pair, answer, name, pki, resuming};
use crate::wire::{ClientHello, ExtensionType as E, HandshakeMessage as _};
use crate::x509::Roots;
use crate::{AlertDescription, Direction, Handshake, NamedGroup, ProtocolVersion, Violation};

pub(in super::super) const PSK: CipherSuite = CipherSuite::TLS_PSK_WITH_AES_128_GCM_SHA256;
pub(in super::super) const ECDHE_PSK: CipherSuite =
    CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256;
pub(in super::super) const ANONYMOUS: CipherSuite = CipherSuite::TLS_ECDH_anon_WITH_AES_128_CBC_SHA;
const SIGNED: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;

pub(super) fn psk() -> PreSharedKey {
    PreSharedKey::new("meter-17", [7; 32]).unwrap()
}

/// A client without roots, since there is nothing to verify.
pub(in super::super) fn client(suites: &[CipherSuite]) -> ClientConfigBuilder {
    let builder = match suites.contains(&ANONYMOUS) || suites.iter().any(is_anonymous) {
        true => ClientConfig::dangerous_builder_without_verification(),
        false => ClientConfig::builder(Roots::empty()),
    };
    builder.cipher_suites(suites).alpn(["h2"])
}

/// A server without an identity.
pub(in super::super) fn server(suites: &[CipherSuite]) -> ServerConfigBuilder {
    ServerConfig::builder()
        .cipher_suites(suites)
        .alpn(["h2"])
        .resumption(false)
}

fn is_anonymous(suite: &CipherSuite) -> bool {
    suite.info().unwrap().authentication == Authentication::Anonymous
}

fn has_key(suite: CipherSuite) -> bool {
    suite.info().unwrap().authentication == Authentication::Psk
}

/// Both with the key, where the suite has one.
pub(in super::super) fn ends(suite: CipherSuite) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let (client, server) = (client(&[suite]), server(&[suite]));
    match has_key(suite) {
        true => (client.psk(psk()), server.psk(psk())),
        false => (client, server),
    }
}

/// Those that are implemented.
pub(super) fn suites() -> impl Iterator<Item = CipherSuite> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    suites.filter(|suite| has_key(*suite) || is_anonymous(suite))
}

/// Each with its versions.
fn suites_in_versions() -> impl Iterator<Item = (CipherSuite, ProtocolVersion)> {
    let versions = [
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ];
    suites().flat_map(move |suite| {
        let versions = versions.into_iter();
        let versions = versions.filter(move |version| suite.info().unwrap().exists_in(*version));
        versions.map(move |version| (suite, version))
    })
}

/// otp#3602: what is a rule for certificates is none for keys that both ends have.
#[test]
fn every_suite_in_every_version() {
    let mut count = 0;
    for (suite, version) in suites_in_versions() {
        let (client, server) = ends(suite);
        let client = client.versions([version]).build().unwrap();
        let server = server.versions([version]).build().unwrap();
        let (client, server) = talking_in(version, Pair::new(client, server));
        for connection in [&client, &server] {
            let information = &connection.information;
            assert_eq!(information.cipher_suite(), suite);
            let exchange = information.key_exchange().unwrap();
            let name = suite.to_string();
            assert!(name.starts_with(&format!("TLS_{exchange}_WITH_")));
            let identity = has_key(suite).then_some(&b"meter-17"[..]);
            assert_eq!(information.psk_identity(), identity);
            assert!(information.peer_certificates().is_empty());
            assert_eq!(information.peer_signature_scheme(), None);
            assert_eq!(information.local_certificate(), None);
            let has_group = suite.exchange().unwrap().agreement.is_some();
            assert_eq!(information.group().is_some(), has_group);
        }
        count += 1;
    }
    // Of PSK and ECDHE_PSK 5 and 8 suites, the latter in three versions, and 2 of ECDH_anon, too.
    let of_curves = 5 + (8 + 2) * 3;
    // Of DHE_PSK 2 and 4, of DH_anon 4 and 2.
    let of_fields = match cfg!(feature = "finite-field") {
        true => (2 + 4 * 3) + (4 + 2 * 3),
        false => 0,
    };
    // With CCM of PSK and ECDHE_PSK 4 and 2, of DHE_PSK 4.
    let with_ccm = match (cfg!(feature = "ffi"), cfg!(feature = "finite-field")) {
        (true, finite_field) => 4 + 2 + if finite_field { 4 } else { 0 },
        (false, _) => 0,
    };
    // With 3DES and RC4 of PSK, ECDHE_PSK and DHE_PSK 2 each, of ECDH_anon 1, of DH_anon 3, one of them with DES.
    let legacy = match (
        cfg!(feature = "legacy-ciphers"),
        cfg!(feature = "finite-field"),
    ) {
        (true, finite_field) => 3 * (2 + 2 + 1 + if finite_field { 2 + 3 } else { 0 }),
        (false, _) => 0,
    };
    assert_eq!(count, of_curves + of_fields + with_ccm + legacy);
}

/// By a ticket, and by an id; what is known of the peer is what the session had.
#[test]
fn every_suite_resumes() {
    for (suite, version) in suites_in_versions() {
        let (client, server) = ends(suite);
        let client = client.versions([version]).session_tickets(true);
        let server = server.versions([version]);
        let by_ticket = server.clone().ticket_keys(ticket_keys());
        for server in [by_ticket, server.ask_sessions(true)] {
            let session = session_of(&client, &server);
            let bytes = session.to_bytes();
            let session = crate::session::ClientSession::from_bytes(&bytes).unwrap();
            assert_eq!(session.psk_identity().is_some(), has_key(suite));
            assert_eq!(session.is_authenticated(), has_key(suite));
            let (client, server) = (client.clone().build(), server.build());
            let pair = resuming(client.unwrap(), server.unwrap(), vec![session]);
            let (client, server) = pair.run_answering(|_, question| Some(answer(question)));
            for connection in [client.unwrap(), server.unwrap()] {
                let information = &connection.information;
                assert!(information.is_resumed(), "{suite} in {version}");
                let identity = has_key(suite).then_some(&b"meter-17"[..]);
                assert_eq!(information.psk_identity(), identity);
                let has_group = suite.exchange().unwrap().agreement.is_some();
                assert_eq!(information.group().is_some(), has_group);
            }
        }
    }
}

fn sentence_of_client(builder: ClientConfigBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

fn sentence_of_server(builder: ServerConfigBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn what_contradicts_itself_is_refused_with_what_to_do() {
    let anonymous = ClientConfig::builder(pki().roots.clone()).cipher_suites([SIGNED, ANONYMOUS]);
    assert_eq!(
        sentence_of_client(anonymous),
        "cipher_suites: with TLS_ECDH_anon_WITH_AES_128_CBC_SHA nothing proves who the server is, and \
         this configuration verifies servers; leave it out, or start with \
         `dangerous_builder_without_verification`"
    );
    let asking = client(&[ANONYMOUS]).ask_verification(true);
    assert!(sentence_of_client(asking).starts_with("ask_verification: with TLS_ECDH_anon"));
    let required = ClientAuthentication::Required(pki().roots.clone());
    for suite in [ANONYMOUS, PSK] {
        let (_, server) = ends(suite);
        let seen = sentence_of_server(server.client_authentication(required.clone()));
        assert!(
            seen.starts_with("client_authentication: with TLS_"),
            "{seen}"
        );
    }
    // Where it may be asked for, it is: of those who have a certificate.
    let optional = ClientAuthentication::Optional(pki().roots.clone());
    let both = server(&[SIGNED, ANONYMOUS]).identity(pki().server.clone());
    both.client_authentication(optional).build().unwrap();
    // A certificate is missing, or an anchor.
    let seen = sentence_of_server(server(&[SIGNED, ANONYMOUS]));
    assert!(seen.starts_with("there is no identity"), "{seen}");
    let no_anchor = ClientConfig::builder(Roots::empty())
        .cipher_suites([SIGNED, PSK])
        .psk(psk());
    assert!(sentence_of_client(no_anchor).starts_with("there is no trust anchor"));
}

#[test]
fn keys_and_suites_go_together() {
    let expected = "cipher_suites: TLS_PSK_WITH_AES_128_GCM_SHA256 needs a pre-shared key; add one with \
                    `psk`, or have it asked for with `ask_psk`";
    assert_eq!(sentence_of_client(client(&[PSK])), expected);
    assert_eq!(sentence_of_server(server(&[PSK])), expected);
    client(&[PSK]).ask_psk(true).build().unwrap();
    server(&[PSK]).ask_psk(true).build().unwrap();
    let roots = pki().roots.clone();
    let older = ClientConfig::builder(roots).versions([ProtocolVersion::TLS_1_2]);
    let seen = sentence_of_client(older.psk(psk()));
    assert!(
        seen.starts_with("psk: no cipher suite takes a pre-shared key"),
        "{seen}"
    );
    let twice = server(&[PSK])
        .psk(psk())
        .psk(PreSharedKey::new("meter-17", b"another").unwrap());
    assert!(sentence_of_server(twice).starts_with("psk: two pre-shared keys"));
    let seen = sentence_of_server(server(&[ANONYMOUS]).psk_identity_hint("hint"));
    assert!(seen.starts_with("psk_identity_hint: no cipher"), "{seen}");
    let long = server(&[PSK]).psk(psk()).psk_identity_hint([0; 65_536]);
    assert!(sentence_of_server(long).starts_with("psk_identity_hint: it may have at most 65,535"));
    // Only TLS 1.2 has the suite.
    let config = client(&[PSK]).psk(psk()).build().unwrap();
    assert_eq!(config.0.policy.versions, [ProtocolVersion::TLS_1_2]);
}

/// They are named or they are not there.
#[test]
fn no_default_has_them() {
    let client = ClientConfig::builder(pki().roots.clone()).build().unwrap();
    let server = ServerConfig::builder().identity(pki().server.clone());
    let mut pair = Pair::new(client, server.build().unwrap());
    let sent = transmitted(&mut pair.client);
    let hello = ClientHello::decode(&sent[5 + 4..]).unwrap();
    for suite in suites() {
        assert!(!hello.cipher_suites.contains(suite));
        assert!(!CipherSuite::DEFAULT.contains(&suite));
    }
}

/// What both have named, by the server's order; and of what is shared without a certificate that
/// would do, if there is any.
#[test]
fn the_order_decides_and_a_missing_certificate_does_not() {
    let chosen = |ours: &[CipherSuite], theirs: &[CipherSuite]| {
        let client = ClientConfig::dangerous_builder_without_verification()
            .versions([ProtocolVersion::TLS_1_2])
            .cipher_suites(theirs);
        let client = match theirs.iter().any(|suite| has_key(*suite)) {
            true => client.psk(psk()),
            false => client,
        };
        let server = server(ours).identity(pki().server.clone());
        let server = match ours.iter().any(|suite| has_key(*suite)) {
            true => server.psk(psk()),
            false => server,
        };
        let (client, server) = Pair::new(client.build().unwrap(), server.build().unwrap()).run();
        match (client, server) {
            (Ok(client), Ok(_)) => Ok(client.information.cipher_suite()),
            (_, server) => Err(server.unwrap_err().violation()),
        }
    };
    // The key of the server is of another kind.
    let rsa = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    let all = [SIGNED, ECDHE_PSK, ANONYMOUS];
    assert_eq!(chosen(&all, &[ANONYMOUS, ECDHE_PSK, SIGNED]), Ok(SIGNED));
    assert_eq!(chosen(&[ANONYMOUS, SIGNED], &all), Ok(ANONYMOUS));
    assert_eq!(chosen(&[rsa, ECDHE_PSK], &[rsa, ECDHE_PSK]), Ok(ECDHE_PSK));
    let none = Err(Some(Violation::NoSharedCipherSuite));
    assert_eq!(chosen(&[rsa, ANONYMOUS], &[rsa, ECDHE_PSK]), none);
    assert_eq!(chosen(&[SIGNED], &[ANONYMOUS, ECDHE_PSK]), none);
}

/// A client without curves in common still has what needs none.
#[test]
fn curves_are_for_those_who_exchange_points() {
    let run = |suites: &[CipherSuite]| {
        let client = client(suites).psk(psk()).groups([NamedGroup::X25519]);
        let server = server(suites).psk(psk()).groups([NamedGroup::SECP256R1]);
        let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        let (_, server) = pair.run();
        match server {
            Ok(connection) => Ok(connection.information.cipher_suite()),
            Err(error) => Err(error.violation()),
        }
    };
    assert_eq!(run(&[ECDHE_PSK, PSK]), Ok(PSK));
    assert_eq!(run(&[ECDHE_PSK]), Err(Some(Violation::NoSharedGroup)));
}

/// RFC 8422 §4: what is about points is not said by a side that has no suite with one; RFC 7919 §2: groups are of fields, too.
#[test]
fn groups_and_formats_are_said_with_suites_that_have_them() {
    let said = |versions: &[ProtocolVersion], suites: &[CipherSuite]| {
        let client = client(suites).psk(psk()).versions(versions).build();
        let mut client = Handshake::client(client.unwrap(), name()).unwrap();
        let bytes = transmitted(&mut client);
        let hello = ClientHello::decode(&bytes[9..]).unwrap();
        [E::SUPPORTED_GROUPS, E::EC_POINT_FORMATS].map(|typ| hello.extensions.contains(typ))
    };
    let (tls12, both) = (&V1_2[..], [ProtocolVersion::TLS_1_3, V1_2[0]]);
    let tls13 = CipherSuite::TLS_AES_128_GCM_SHA256;
    assert_eq!(said(tls12, &[PSK]), [false, false]);
    assert_eq!(said(tls12, &[PSK, ECDHE_PSK]), [true, true]);
    assert_eq!(said(&both, &[tls13, PSK]), [true, false]);
    #[cfg(feature = "finite-field")]
    {
        let dhe = CipherSuite::TLS_DHE_PSK_WITH_AES_128_GCM_SHA256;
        assert_eq!(said(tls12, &[dhe]), [true, false]);
    }
}

/// A server that asks for identities asks for none where none is shown; where one is, and there is
/// none, nothing takes its place.
#[test]
fn no_identity_is_asked_for_where_none_is_shown() {
    let run = |suites: &[CipherSuite]| {
        let client = ClientConfig::dangerous_builder_without_verification()
            .versions([ProtocolVersion::TLS_1_2])
            .cipher_suites(suites)
            .psk(psk());
        let server = server(suites).psk(psk()).ask_identity(true);
        let mut asked = Vec::new();
        let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        let (client, server) = pair.run_answering(|_, question| {
            asked.push(kind(&question));
            Some(question.default_answer())
        });
        let seen = client.map(|connection| connection.information.cipher_suite());
        (
            seen.ok(),
            server.err().and_then(|error| error.alert()),
            asked,
        )
    };
    assert_eq!(run(&[PSK, SIGNED]), (Some(PSK), None, vec![]));
    let refused = Some((Direction::Sent, AlertDescription::HANDSHAKE_FAILURE));
    let asked = vec!["ChooseIdentity"];
    assert_eq!(run(&[SIGNED, PSK]), (None, refused, asked));
}

/// RFC 6066 §3: whoever serves names only serves no other without a certificate either.
#[test]
fn unknown_names_are_refused_all_the_same() {
    let client = client(&[PSK]).psk(psk()).build().unwrap();
    let server = server(&[PSK]).psk(psk()).refuse_unknown_names(true);
    let mut pair = Pair::new(client, server.build().unwrap());
    super::super::attack::talk(&mut pair);
    let error = pair.server.poll().unwrap_err();
    assert_eq!(error.violation(), Some(Violation::UnrecognizedName));
    let alert = alert_seen_by(pair.client);
    assert_eq!(alert, Some(AlertDescription::UNRECOGNIZED_NAME));
}

/// Who verifies servers gets no server that nobody can verify, also not by going on with another
/// configuration; and a key that the other configuration does not have is not resumed with.
#[test]
fn another_configuration_has_its_own_rules() {
    let goes_on = |pair: Pair, other: &ClientConfig| {
        let (client, _) = pair.run_answering(|_, question| {
            Some(match question {
                Question::ReviewServerHello(question) => question.proceed_with(other.clone()),
                other => answer(other),
            })
        });
        client.map(drop).map_err(|error| error.to_string())
    };
    let verifies = ClientConfig::builder(pki().roots.clone()).build().unwrap();
    let asks = ClientConfig::dangerous_builder_without_verification();
    let asks = asks.ask_verification(true).build().unwrap();
    let lax = ClientConfig::dangerous_builder_without_verification().versions(V1_2);
    let lax = lax.cipher_suites([ANONYMOUS]).alpn(["h2"]);
    let lax = lax.build().unwrap();
    for (other, refused) in [(verifies, true), (asks, true), (lax, false)] {
        let (client, server) = ends(ANONYMOUS);
        let client = client.pause_at_hello(true).build().unwrap();
        let ended = goes_on(Pair::new(client, server.build().unwrap()), &other);
        assert_eq!(ended.is_err(), refused, "{ended:?}");
        if let Err(error) = ended {
            assert!(error.contains("suite without certificates"), "{error}");
        }
    }

    let (client, server) = ends(PSK);
    let client = client.session_tickets(true).pause_at_hello(true);
    let server = server.ticket_keys(ticket_keys());
    let session = session_of(&client, &server);
    let another = PreSharedKey::new("meter-17", [8; 32]).unwrap();
    let with = |key| {
        let config = self::client(&[PSK]).psk(key);
        config.session_tickets(true).build().unwrap()
    };
    for (other, refused) in [(with(another), true), (with(psk()), false)] {
        let (client, server) = (client.clone().build(), server.clone().build());
        let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
        let ended = goes_on(pair, &other);
        assert_eq!(ended.is_err(), refused, "{ended:?}");
        if let Err(error) = ended {
            assert!(error.contains("pre-shared key"), "{error}");
        }
    }
}
