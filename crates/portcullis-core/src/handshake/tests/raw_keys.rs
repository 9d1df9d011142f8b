//! Raw public keys (RFC 7250) of both ends, in each version, in full handshakes and resumed.

use rcgen::KeyPair;
use rustls_pki_types::PrivateKeyDer;

use super::attack::{By, Case, client, pair, refused, server, ticket_keys};
use super::parts::{body, certificate, client_hello, encrypted_extensions, server_hello};
use super::tamper::{Put, first};
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use crate::question::{Answer, Question};
use crate::session::ClientSession;
use crate::testing::{Pair, pki, resuming, sessions_of};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::x509::{
    CertificateErrorKind, Identity, PrivateKey, RawKeys, RawPublicKey, Roots, VerifiedRawKey,
};
use crate::{
    AlertDescription, CertificateType, Direction, Error, ProtocolVersion, Reason, SignatureScheme,
    Stage, Violation as V,
};

const RAW: CertificateType = CertificateType::RAW_PUBLIC_KEY;
const X509: CertificateType = CertificateType::X509;
const VERSIONS: [ProtocolVersion; 4] = [
    ProtocolVersion::TLS_1_3,
    ProtocolVersion::TLS_1_2,
    ProtocolVersion::TLS_1_1,
    ProtocolVersion::TLS_1_0,
];

fn raw_identity(algorithm: &'static rcgen::SignatureAlgorithm) -> Identity {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let identity = Identity::raw_public_key(PrivateKey::from_der(&der).unwrap()).unwrap();
    // Two implementations encode it alike.
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    assert_eq!(identity.raw_key(), Some(&spki[..]));
    identity
}

pub(super) fn ecdsa() -> Identity {
    raw_identity(&rcgen::PKCS_ECDSA_P256_SHA256)
}

pub(super) fn keys_of(identity: &Identity) -> RawKeys {
    RawKeys::from_spki(identity.raw_key()).unwrap()
}

pub(super) fn raw_server(identity: &Identity) -> ServerConfigBuilder {
    server().clear_identities().identity(identity.clone())
}

pub(super) fn raw_client(trusted: RawKeys) -> ClientConfigBuilder {
    ClientConfig::builder(Roots::empty())
        .alpn(["h2"])
        .server_certificate_types([RAW])
        .raw_keys(trusted)
}

/// Of the version, with suites that it has.
pub(super) fn in_version(
    version: ProtocolVersion,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (ClientConfig, ServerConfig) {
    use crate::suite::CipherSuite as S;
    let suites = match version {
        ProtocolVersion::TLS_1_3 => vec![S::TLS_AES_128_GCM_SHA256],
        ProtocolVersion::TLS_1_2 => vec![
            S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        _ => vec![S::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA],
    };
    let client = client.versions([version]).cipher_suites(suites.clone());
    let server = server.versions([version]).cipher_suites(suites);
    (client.build().unwrap(), server.build().unwrap())
}

fn both_connect(client: ClientConfig, server: ServerConfig, sessions: Vec<ClientSession>) -> Ends {
    let (client, server) = resuming(client, server, sessions).run();
    (client.unwrap(), server.unwrap())
}

type Ends = (crate::Connection, crate::Connection);

fn refused_by_client(client: ClientConfig, server: ServerConfig) -> Error {
    let (client, server) = Pair::new(client, server).run();
    let error = client.unwrap_err();
    let seen = server.unwrap_err().alert();
    let Some((Direction::Sent, alert)) = error.alert() else {
        panic!("no alert was sent: {error}");
    };
    assert_eq!(seen, Some((Direction::Received, alert)));
    error
}

#[test]
fn both_ends_show_keys_in_every_version() {
    let (of_server, of_client) = (ecdsa(), ecdsa());
    for version in VERSIONS {
        let client = raw_client(keys_of(&of_server)).identity(of_client.clone());
        let server = raw_server(&of_server)
            .client_authentication(ClientAuthentication::Required(Roots::empty()))
            .client_certificate_types([RAW])
            .raw_keys(keys_of(&of_client))
            .ticket_keys(ticket_keys());
        let (client, server) = in_version(version, client.session_tickets(true), server);
        let check = |(client, server): &Ends, resumed| {
            let (of_client_end, of_server_end) = (&client.information, &server.information);
            assert_eq!(of_client_end.is_resumed(), resumed, "{version}");
            assert_eq!(of_client_end.peer_raw_public_key(), of_server.raw_key());
            assert_eq!(of_server_end.peer_raw_public_key(), of_client.raw_key());
            assert!(of_client_end.peer_certificates().is_empty());
            assert!(of_server_end.peer_certificates().is_empty());
            assert!(of_server_end.peer_signature_scheme().is_some());
            assert_eq!(of_client_end.tls_server_end_point(), None);
        };
        check(&both_connect(client.clone(), server.clone(), vec![]), false);
        let session = sessions_of(client.clone(), server.clone()).remove(0);
        // As bytes, too.
        let session = ClientSession::from_bytes(&session.to_bytes()).unwrap();
        check(&both_connect(client, server, vec![session]), true);
    }
}

/// Both of which show keys, and ask about the other's.
pub(super) fn ends(version: ProtocolVersion) -> (ClientConfig, ServerConfig) {
    let (of_server, of_client) = (ecdsa(), ecdsa());
    let client = raw_client(keys_of(&of_server)).identity(of_client.clone());
    let server = raw_server(&of_server)
        .client_authentication(ClientAuthentication::Required(Roots::empty()))
        .client_certificate_types([RAW])
        .raw_keys(keys_of(&of_client))
        .ticket_keys(ticket_keys());
    in_version(
        version,
        client.session_tickets(true).ask_verification(true),
        server.ask_verification(true),
    )
}

#[test]
fn keys_of_every_kind() {
    for (algorithm, scheme) in [
        (
            &rcgen::PKCS_ECDSA_P384_SHA384,
            SignatureScheme::ECDSA_SECP384R1_SHA384,
        ),
        (&rcgen::PKCS_ED25519, SignatureScheme::ED25519),
        (
            &rcgen::PKCS_RSA_SHA256,
            SignatureScheme::RSA_PSS_RSAE_SHA256,
        ),
    ] {
        let identity = raw_identity(algorithm);
        for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
            let client = raw_client(keys_of(&identity));
            let (client, server) = in_version(version, client, raw_server(&identity));
            let (client, _) = both_connect(client, server, vec![]);
            assert_eq!(client.information.peer_signature_scheme(), Some(scheme));
        }
    }
}

/// Whoever says nothing of it is shown a certificate, and whoever takes both what the server has first.
#[test]
fn one_server_for_both() {
    let key = ecdsa();
    for version in VERSIONS {
        for (types, gets_key) in [
            (&[RAW][..], true),
            (&[X509], false),
            (&[X509, RAW], true),
            (&[RAW, X509], true),
        ] {
            let client = ClientConfig::builder(pki().roots.clone())
                .server_certificate_types(types.iter().copied());
            let client = match types.contains(&RAW) {
                true => client.raw_keys(keys_of(&key)),
                false => client,
            };
            let server = raw_server(&key)
                .identity(pki().server.clone())
                .alpn([""; 0]);
            let (client, server) = in_version(version, client, server);
            let (client, _) = both_connect(client, server, vec![]);
            let shown = client.information.peer_raw_public_key();
            assert_eq!(shown.is_some(), gets_key, "{version} {types:?}");
        }
    }
}

#[test]
fn a_key_that_is_not_trusted() {
    let (shown, other) = (ecdsa(), ecdsa());
    for version in VERSIONS {
        let client = raw_client(keys_of(&other));
        let (client, server) = in_version(version, client, raw_server(&shown));
        let error = refused_by_client(client, server);
        let Reason::Certificate(reason) = error.reason() else {
            panic!("{error}");
        };
        let pin = RawPublicKey::new(shown.raw_key().unwrap()).unwrap();
        let pin: String = pin
            .sha256()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let kind = CertificateErrorKind::UntrustedKey {
            sha256: pin.clone(),
            trusted: 1,
        };
        assert_eq!(reason.kind(), &kind);
        assert!(
            error.to_string().contains(&format!(
                "the peer's raw public key (sha256/{pin}) is not among the 1 that are trusted"
            )),
            "{error}"
        );
        let alert = AlertDescription::BAD_CERTIFICATE;
        assert_eq!(error.alert(), Some((Direction::Sent, alert)));
    }
}

/// That it has the key is proved by its signature alone.
#[test]
fn a_server_without_the_private_half() {
    let (real, thief) = (ecdsa(), ecdsa());
    for version in VERSIONS {
        let spki = real.raw_key().unwrap();
        let schemes = thief.key().schemes().to_vec();
        let stolen = Identity::raw_public_key_with_external_key(spki, schemes).unwrap();
        let (client, server) = in_version(version, raw_client(keys_of(&real)), raw_server(&stolen));
        let (client, _) = Pair::new(client, server).run_answering(|_, question| {
            Some(match question {
                Question::Sign(question) => {
                    let crate::x509::IdentityKey::Local(key) = thief.key() else {
                        panic!("it is here");
                    };
                    let signature = key.sign(question.scheme(), question.content()).unwrap();
                    question.signature(signature)
                }
                other => other.default_answer(),
            })
        });
        assert_eq!(client.unwrap_err().violation(), Some(V::BadSignature));
    }
}

/// The configuration that resumes decides: other pins, or none any more, mean a full handshake.
#[test]
fn a_session_of_a_key_that_is_trusted_no_more() {
    let (of_server, of_client) = (ecdsa(), ecdsa());
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let demanding = |trusted: RawKeys| {
            raw_server(&of_server)
                .client_authentication(ClientAuthentication::Optional(Roots::empty()))
                .client_certificate_types([RAW])
                .raw_keys(trusted)
                .ticket_keys(ticket_keys_of_all())
        };
        let trusting = |keys: RawKeys| {
            raw_client(keys)
                .identity(of_client.clone())
                .session_tickets(true)
        };
        let client_of =
            |keys| in_version(version, trusting(keys), demanding(keys_of(&of_client))).0;
        let server_of =
            |keys| in_version(version, trusting(keys_of(&of_server)), demanding(keys)).1;
        let client = client_of(keys_of(&of_server));
        let server = server_of(keys_of(&of_client));
        let session = || sessions_of(client.clone(), server.clone()).remove(0);
        let (end, _) = both_connect(client.clone(), server.clone(), vec![session()]);
        assert!(end.information.is_resumed());
        // The client trusts another key now, so it does not offer the session.
        let others = client_of(keys_of(&ecdsa()));
        let (end, _) = resuming(others, server.clone(), vec![session()]).run();
        let error = end.unwrap_err();
        assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
        // The server trusts another key now: it asks, and refuses what it is shown.
        let others = server_of(keys_of(&ecdsa()));
        let (_, end) = resuming(client.clone(), others, vec![session()]).run();
        let error = end.unwrap_err();
        assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
        // The server has another key now.
        let other = ecdsa();
        let moved = demanding(keys_of(&of_client))
            .clear_identities()
            .identity(other.clone());
        let both = RawKeys::from_spki([of_server.raw_key().unwrap(), other.raw_key().unwrap()]);
        let (client, moved) = in_version(version, trusting(both.unwrap()), moved);
        let (end, _) = both_connect(client, moved, vec![session()]);
        assert!(!end.information.is_resumed());
        assert_eq!(end.information.peer_raw_public_key(), other.raw_key());
    }
}

fn ticket_keys_of_all() -> crate::session::TicketKeys {
    use std::sync::OnceLock;
    static KEYS: OnceLock<crate::session::TicketKeys> = OnceLock::new();
    KEYS.get_or_init(ticket_keys).clone()
}

/// A session of a raw key is none of a certificate's, and the other way round.
#[test]
fn types_are_not_mixed_up_by_resuming() {
    let key = ecdsa();
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let both = || {
            ClientConfig::builder(pki().roots.clone())
                .raw_keys(keys_of(&key))
                .session_tickets(true)
        };
        let server = raw_server(&key)
            .identity(pki().server.clone())
            .alpn([""; 0])
            .ticket_keys(ticket_keys());
        let of_both = both().server_certificate_types([RAW, X509]);
        let (of_both, server) = in_version(version, of_both, server);
        let session = sessions_of(of_both, server.clone()).remove(0);
        let certificates = ClientConfig::builder(pki().roots.clone()).session_tickets(true);
        let (certificates, _) = in_version(version, certificates, raw_server(&key));
        let (end, _) = both_connect(certificates.clone(), server.clone(), vec![session]);
        assert!(!end.information.is_resumed());
        assert!(end.information.peer_raw_public_key().is_none());
        let session = sessions_of(certificates, server.clone()).remove(0);
        let keys = both().server_certificate_types([RAW]);
        let (keys, _) = in_version(version, keys, raw_server(&key));
        let (end, _) = both_connect(keys, server, vec![session]);
        assert!(!end.information.is_resumed());
        assert!(end.information.peer_raw_public_key().is_some());
    }
}

type Asked = fn(crate::question::VerifyRawKey, &Identity) -> Answer;

/// Whoever is asked decides; proofs of something else are worth nothing.
#[test]
fn who_is_asked_about_a_key() {
    let (shown, other) = (ecdsa(), ecdsa());
    let answers: [(Asked, bool); 6] = [
        (|question, _| question.verify(), false),
        (
            |question, _| question.dangerous_accept_without_verification(),
            true,
        ),
        (
            |question, _| {
                let error = crate::x509::CertificateError::rejected(
                    AlertDescription::CERTIFICATE_REVOKED,
                    "no more",
                );
                question.refuse(error)
            },
            false,
        ),
        // Of another key.
        (
            |question, other| {
                let key = RawPublicKey::new(other.raw_key().unwrap()).unwrap();
                question.accept(VerifiedRawKey::dangerous_accept_without_verification(key))
            },
            false,
        ),
        // By other keys than the configuration's.
        (
            |question, _| {
                let proof = RawKeys::from_sha256_pins([question.key().sha256()]);
                let proof = proof.verify(question.key()).unwrap();
                question.accept(proof)
            },
            false,
        ),
        (
            |question, _| {
                assert_eq!(question.server_name().unwrap().to_str(), "localhost");
                assert!(!question.is_resumption());
                let key = question.key().clone();
                question.accept(VerifiedRawKey::dangerous_accept_without_verification(key))
            },
            true,
        ),
    ];
    for version in VERSIONS {
        for (at, (answer, connects)) in answers.iter().enumerate() {
            let client = raw_client(keys_of(&other)).ask_verification(true);
            let (client, server) = in_version(version, client, raw_server(&shown));
            let mut asked = 0;
            let pair = Pair::new(client, server);
            let (client, _) = pair.run_answering(|_, question| {
                Some(match question {
                    Question::VerifyRawKey(question) => {
                        asked += 1;
                        answer(*question, &other)
                    }
                    other => other.default_answer(),
                })
            });
            assert_eq!(client.is_ok(), *connects, "{version} {at}");
            assert_eq!(asked, 1);
        }
    }
}

#[test]
fn what_cannot_be_is_refused_when_it_is_built() {
    let key = ecdsa();
    let client = || ClientConfig::builder(pki().roots.clone());
    let refused = |built: Result<ClientConfig, crate::Misuse>, what: &str| {
        let error = built.unwrap_err().to_string();
        assert!(error.starts_with(what), "{error}");
    };
    let types = |types: &[CertificateType]| client().server_certificate_types(types.to_vec());
    refused(
        types(&[]).build(),
        "server_certificate_types: the list is empty",
    );
    refused(
        types(&[RAW, RAW]).build(),
        "server_certificate_types: RawPublicKey is there twice",
    );
    refused(
        types(&[CertificateType(1)]).build(),
        "server_certificate_types: the type 0x0001 is not supported",
    );
    refused(
        types(&[RAW]).build(),
        "server_certificate_types: raw public keys are accepted, and none",
    );
    refused(
        client().raw_keys(keys_of(&key)).build(),
        "raw_keys: no raw public key is accepted",
    );
    refused(
        types(&[RAW]).raw_keys(RawKeys::default()).build(),
        "raw_keys: there is none",
    );
    types(&[RAW]).ask_verification(true).build().unwrap();
    let own = client().client_certificate_types([RAW, RAW]);
    refused(
        own.build(),
        "client_certificate_types: RawPublicKey is there twice",
    );
    // X.509 is accepted, too, and needs roots.
    let both = ClientConfig::builder(Roots::empty()).raw_keys(keys_of(&key));
    refused(
        both.server_certificate_types([RAW, X509]).build(),
        "there is no trust anchor",
    );
    let server = ServerConfig::builder().identity(key.clone());
    let error = server
        .clone()
        .client_certificate_types([RAW])
        .raw_keys(keys_of(&key));
    let error = error.build().unwrap_err().to_string();
    assert!(
        error.starts_with("client_certificate_types: no client is asked"),
        "{error}"
    );
    server.build().unwrap();
}

#[test]
fn what_is_no_public_key() {
    let key = ecdsa();
    let spki = key.raw_key().unwrap();
    let mut longer = spki.to_vec();
    longer.push(0);
    let certificate = pki().server.chain()[0].to_vec();
    for wrong in [&[][..], &longer, &spki[..spki.len() - 1], &certificate] {
        assert!(RawPublicKey::new(wrong).is_err());
        let error = RawKeys::from_spki([wrong]).unwrap_err().to_string();
        assert!(
            error.starts_with("raw key 1 is no SubjectPublicKeyInfo"),
            "{error}"
        );
        assert!(
            Identity::raw_public_key_with_external_key(wrong, vec![SignatureScheme::ED25519])
                .is_err()
        );
    }
    for schemes in [vec![], vec![SignatureScheme::ED25519]] {
        assert!(Identity::raw_public_key_with_external_key(spki, schemes).is_err());
    }
}

/// What was negotiated is what is read: a certificate is no key, and a key is no certificate.
#[test]
fn one_type_in_the_place_of_the_other() {
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let key = ecdsa();
        let spki = key.raw_key().unwrap().to_vec();
        let chain = pki().server.chain()[0].to_vec();
        let mut longer = spki.clone();
        longer.push(0);
        let versions = || [version];
        let by_key = || {
            (
                raw_client(keys_of(&key)).versions(versions()),
                raw_server(&key).versions(versions()),
            )
        };
        let by_chain = || (client().versions(versions()), server().versions(versions()));
        for ((client, server), is_list, shown) in [
            (by_key(), false, chain),
            (by_key(), false, longer),
            (by_key(), false, vec![0x30, 0]),
            (by_chain(), true, spki),
        ] {
            let tamper = first(T::CERTIFICATE, move |raw| {
                let entry = |bytes: &[u8]| {
                    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
                    [&length[1..], bytes].concat()
                };
                let contents = match (version, is_list) {
                    (ProtocolVersion::TLS_1_3, _) => {
                        [vec![0], entry(&[entry(&shown), vec![0, 0]].concat())].concat()
                    }
                    (_, true) => entry(&entry(&shown)),
                    (_, false) => entry(&shown),
                };
                vec![Put::Message(body(raw, |own| *own = contents.clone()))]
            });
            let (client, server) = (client.build().unwrap(), server.build().unwrap());
            let error = refused(pair(client, server, By::Server, tamper), By::Server);
            assert_eq!(
                error.alert(),
                Some((Direction::Sent, AlertDescription::DECODE_ERROR)),
                "{version}: {error}"
            );
        }
    }
}

/// For `each_costs_its_alert`.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = cases_of_lists();
    cases.extend(cases_of_selections());
    cases.extend(cases_of_keys());
    cases
}

/// What a client says.
fn cases_of_lists() -> Vec<Case> {
    let list = |violation, typ: E, list: &'static [u8]| {
        let tamper = first(T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                hello.extensions.0.insert(0, (typ, list.to_vec()));
            }))]
        });
        Case::new(violation, By::Client, Stage::WaitClientHello, tamper)
    };
    let asking =
        || server().client_authentication(ClientAuthentication::Optional(pki().roots.clone()));
    vec![
        list(V::BadCertificateTypes, E::SERVER_CERTIFICATE_TYPE, &[0]),
        list(V::BadCertificateTypes, E::SERVER_CERTIFICATE_TYPE, &[1, 0]),
        list(V::BadCertificateTypes, E::CLIENT_CERTIFICATE_TYPE, &[0]),
        list(V::BadCertificateTypes, E::CLIENT_CERTIFICATE_TYPE, &[1, 0]),
        list(
            V::MalformedExtension,
            E::CLIENT_CERTIFICATE_TYPE,
            &[1, 2, 0],
        ),
        list(V::MalformedExtension, E::SERVER_CERTIFICATE_TYPE, &[2, 0]),
        list(
            V::NoSharedServerCertificateType,
            E::SERVER_CERTIFICATE_TYPE,
            &[1, 2],
        ),
        list(
            V::NoSharedServerCertificateType,
            E::SERVER_CERTIFICATE_TYPE,
            &[2, 5, 1],
        ),
        list(
            V::NoSharedClientCertificateType,
            E::CLIENT_CERTIFICATE_TYPE,
            &[1, 2],
        )
        .server(asking()),
    ]
}

/// What a server selects.
fn cases_of_selections() -> Vec<Case> {
    let select = |violation, typ: E, body: &'static [u8]| {
        let tamper = first(T::ENCRYPTED_EXTENSIONS, move |raw| {
            vec![Put::Message(encrypted_extensions(raw, |parts| {
                parts.add(typ, body)
            }))]
        });
        Case::new(
            violation,
            By::Server,
            Stage::WaitEncryptedExtensions,
            tamper,
        )
    };
    let taking_both = || {
        client()
            .server_certificate_types([X509, RAW])
            .client_certificate_types([X509, RAW])
            .raw_keys(RawKeys::from_sha256_pins([[7; 32]]))
    };
    // A server that says nothing has chosen certificates.
    let silent = {
        let key = ecdsa();
        let tamper = first(T::ENCRYPTED_EXTENSIONS, |raw| {
            vec![Put::Message(encrypted_extensions(raw, |parts| {
                parts.remove(E::SERVER_CERTIFICATE_TYPE);
            }))]
        });
        let stage = Stage::WaitCertificateOrRequest;
        Case::new(V::CertificateTypeNotOffered, By::Server, stage, tamper)
            .client(raw_client(keys_of(&key)).versions([ProtocolVersion::TLS_1_3]))
            .server(raw_server(&key))
    };
    let before_tls13 = {
        let key = ecdsa();
        let version = [ProtocolVersion::TLS_1_2];
        let tamper = first(T::SERVER_HELLO, |raw| {
            vec![Put::Message(server_hello(raw, |hello| {
                hello.extensions.set(E::SERVER_CERTIFICATE_TYPE, [0]);
            }))]
        });
        Case::new(
            V::CertificateTypeNotOffered,
            By::Server,
            Stage::WaitServerHello,
            tamper,
        )
        .client(raw_client(keys_of(&key)).versions(version))
        .server(raw_server(&key).versions(version))
    };
    vec![
        select(V::ExtensionNotOffered, E::SERVER_CERTIFICATE_TYPE, &[2]),
        select(V::ExtensionNotOffered, E::CLIENT_CERTIFICATE_TYPE, &[0]),
        select(
            V::CertificateTypeNotOffered,
            E::CLIENT_CERTIFICATE_TYPE,
            &[1],
        )
        .client(taking_both()),
        select(V::MalformedExtension, E::CLIENT_CERTIFICATE_TYPE, &[2, 0]).client(taking_both()),
        silent,
        before_tls13,
    ]
}

/// §4.4.2: one entry, with nothing to it.
fn cases_of_keys() -> Vec<Case> {
    let with = |violation, change: fn(&mut super::parts::CertificateParts)| {
        let key = ecdsa();
        let tamper = first(T::CERTIFICATE, move |raw| {
            vec![Put::Message(certificate(raw, change))]
        });
        let stage = Stage::WaitCertificateOrRequest;
        Case::new(violation, By::Server, stage, tamper)
            .client(raw_client(keys_of(&key)).versions([ProtocolVersion::TLS_1_3]))
            .server(raw_server(&key))
    };
    vec![
        with(V::RawPublicKeyWithMore, |certificate| {
            let again = certificate.entries[0].clone();
            certificate.entries.push(again);
        }),
        with(V::RawPublicKeyWithMore, |certificate| {
            certificate.entries[0]
                .1
                .add(E::STATUS_REQUEST, [1, 0, 0, 1, 7]);
        }),
        with(V::NoServerCertificate, |certificate| {
            certificate.entries.clear()
        }),
        with(V::MalformedMessage, |certificate| {
            certificate.entries[0].0.clear()
        }),
    ]
}
