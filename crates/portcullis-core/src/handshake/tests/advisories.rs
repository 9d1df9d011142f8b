//! What went wrong in other implementations, by the name of the lesson.

use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls_pki_types::PrivateKeyDer;

use super::attack::{
    By, Case, alert_seen_by, authenticated_client, authenticating_server, client, pair,
    pair_resuming, refused, resuming_client, server, talk, ticket_keys, transmitted,
};
use super::parts::{certificate, client_hello, encrypted_extensions, message, server_hello};
use super::tamper::{Put, Tamper, first};
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::crypto::aead::{AeadAlgorithm, AeadKey};
use crate::question::Question;
use crate::session::TicketKeys;
use crate::testing::{Pair, name, now, pki, resuming, sessions_of};
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::x509::{CertificateErrorKind, Form, Identity, Purpose, Roots};
use crate::{AlertDescription, Handshake, Reason, Stage, Step, Violation as V};

fn case(violation: V, by: By, stage: Stage, typ: T, change: fn(&[u8]) -> Vec<u8>) {
    let tamper = first(typ, move |raw| vec![Put::Message(change(raw))]);
    Case::new(violation, by, stage, tamper).check();
}

/// CVE-2026-89422: a pre_shared_key nobody offered made a client skip the certificate.
#[test]
fn a_server_hello_with_a_psk_that_was_not_offered() {
    case(
        V::ExtensionNotOffered,
        By::Server,
        Stage::WaitServerHello,
        T::SERVER_HELLO,
        |raw| server_hello(raw, |hello| hello.extensions.add(E::PRE_SHARED_KEY, [0, 0])),
    );
}

/// GHSA-c6cw-pr89-w882: an anonymous suite nobody offered made a client skip the certificate.
#[test]
fn a_suite_that_was_not_offered() {
    const DH_ANON_WITH_AES_128_CBC_SHA: u16 = 0x0034;
    case(
        V::SuiteNotOffered,
        By::Server,
        Stage::WaitServerHello,
        T::SERVER_HELLO,
        |raw| server_hello(raw, |hello| hello.suite = DH_ANON_WITH_AES_128_CBC_SHA),
    );
    // Implemented here, and not offered by this client.
    let tamper = first(T::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.suite = 0x1302
        }))]
    });
    Case::new(
        V::SuiteNotOffered,
        By::Server,
        Stage::WaitServerHello,
        tamper,
    )
    .client(client().cipher_suites([crate::suite::CipherSuite::TLS_AES_128_GCM_SHA256]))
    .check();
}

#[test]
fn a_version_that_was_not_offered() {
    case(
        V::SelectedVersionNotOffered,
        By::Server,
        Stage::WaitServerHello,
        T::SERVER_HELLO,
        |raw| {
            server_hello(raw, |hello| {
                hello.extensions.set(E::SUPPORTED_VERSIONS, [3, 5])
            })
        },
    );
    case(
        V::VersionNotOffered,
        By::Server,
        Stage::WaitServerHello,
        T::SERVER_HELLO,
        |raw| server_hello(raw, |hello| hello.extensions.remove(E::SUPPORTED_VERSIONS)),
    );
}

#[test]
fn a_group_that_was_not_offered() {
    case(
        V::KeyShareGroupNotOffered,
        By::Server,
        Stage::WaitServerHello,
        T::SERVER_HELLO,
        |raw| server_hello(raw, |hello| hello.extensions.body(E::KEY_SHARE)[1] = 30),
    );
}

#[test]
fn a_scheme_that_was_not_offered() {
    use crate::SignatureScheme as S;
    // The key's own scheme, which this client does not want; server and client know it well.
    let tamper: Tamper = Box::new(|raw| vec![Put::Message(raw.to_vec())]);
    let wants = client()
        .signature_schemes([S::ED25519, S::ECDSA_SECP256R1_SHA256])
        .certificate_signature_schemes([S::ECDSA_SECP256R1_SHA256]);
    let mut honest = pair(
        wants.build().unwrap(),
        server().build().unwrap(),
        By::Server,
        tamper,
    );
    talk(&mut honest);
    assert_eq!(honest.client.stage(), Stage::Connected);
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            // The wire offers it, the configuration does not.
            hello.extensions.set(E::SIGNATURE_ALGORITHMS, [0, 2, 4, 3]);
        }))]
    });
    let wants = client()
        .signature_schemes([S::ED25519])
        .certificate_signature_schemes([S::ECDSA_SECP256R1_SHA256]);
    let mut pair = pair(
        wants.build().unwrap(),
        server().build().unwrap(),
        By::Client,
        tamper,
    );
    talk(&mut pair);
    assert_eq!(
        pair.client.poll().unwrap_err().violation(),
        Some(V::SchemeNotOffered)
    );
}

#[test]
fn a_protocol_that_was_not_offered() {
    case(
        V::ProtocolNotOffered,
        By::Server,
        Stage::WaitEncryptedExtensions,
        T::ENCRYPTED_EXTENSIONS,
        |raw| {
            encrypted_extensions(raw, |parts| {
                let h3 = [0, 3, 2, b'h', b'3'];
                parts.set(E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION, h3);
            })
        },
    );
    // Nor one to a client that speaks of none.
    let tamper = first(T::ENCRYPTED_EXTENSIONS, |raw| {
        vec![Put::Message(encrypted_extensions(raw, |parts| {
            parts.add(
                E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION,
                [0, 3, 2, b'h', b'2'],
            );
        }))]
    });
    let none: [&str; 0] = [];
    Case::new(
        V::ExtensionNotOffered,
        By::Server,
        Stage::WaitEncryptedExtensions,
        tamper,
    )
    .client(client().alpn(none))
    .check();
}

/// CVE-2022-37026: client authentication passed by an unexpected order of messages.
#[test]
fn certificate_verify_if_and_only_if_there_is_a_certificate() {
    let required = || ClientAuthentication::Required(pki().roots.clone());
    let refuses = |tamper, client: crate::config::ClientConfigBuilder, authentication| {
        let server = server().client_authentication(authentication);
        let pair = pair(
            client.build().unwrap(),
            server.build().unwrap(),
            By::Client,
            tamper,
        );
        let error = refused(pair, By::Client);
        (error.violation().unwrap(), error.stage())
    };
    // A certificate, and no proof of having its key.
    let skip = first(T::CERTIFICATE_VERIFY, |_| Vec::new());
    assert_eq!(
        refuses(skip, authenticated_client(), required()),
        (V::UnexpectedMessage, Stage::WaitCertificateVerify)
    );
    // Neither.
    let mut skip = first(T::CERTIFICATE, |_| Vec::new());
    let neither: Tamper = Box::new(move |raw| match T(raw[0]) {
        T::CERTIFICATE_VERIFY => Vec::new(),
        _ => skip(raw),
    });
    assert_eq!(
        refuses(neither, authenticated_client(), required()),
        (V::UnexpectedMessage, Stage::WaitCertificate)
    );
    // A proof, and no certificate; the server would do without.
    let empty = || {
        first(T::CERTIFICATE, |raw| {
            vec![Put::Message(certificate(raw, |parts| {
                parts.entries.clear()
            }))]
        })
    };
    let optional = ClientAuthentication::Optional(pki().roots.clone());
    assert_eq!(
        refuses(empty(), authenticated_client(), optional),
        (V::UnexpectedMessage, Stage::WaitFinished)
    );
    assert_eq!(
        refuses(empty(), authenticated_client(), required()),
        (V::NoClientCertificate, Stage::WaitCertificate)
    );
    // A certificate nobody asked for.
    let unasked = first(T::FINISHED, |raw| {
        vec![
            Put::Message(pki().client.certificate_message(Form::Tls13).to_vec()),
            Put::Message(raw.to_vec()),
        ]
    });
    assert_eq!(
        refuses(unasked, client(), ClientAuthentication::None),
        (V::UnexpectedMessage, Stage::WaitFinished)
    );
}

#[test]
fn two_certificates() {
    for (by, stage) in [
        (By::Client, Stage::WaitCertificateVerify),
        (By::Server, Stage::WaitCertificateVerify),
    ] {
        let tamper = first(T::CERTIFICATE, |raw| {
            vec![Put::Message(raw.to_vec()), Put::Message(raw.to_vec())]
        });
        Case::new(V::UnexpectedMessage, by, stage, tamper)
            .client(authenticated_client())
            .server(authenticating_server())
            .check();
    }
}

#[test]
fn change_cipher_spec_twice_is_let_pass() {
    for (by, typ) in [
        (By::Server, T::ENCRYPTED_EXTENSIONS),
        (By::Client, T::FINISHED),
    ] {
        let tamper = first(typ, |raw| {
            let twice = [20, 3, 3, 0, 1, 1].repeat(2);
            vec![Put::Raw(twice), Put::Message(raw.to_vec())]
        });
        let mut pair = pair(
            client().build().unwrap(),
            server().build().unwrap(),
            by,
            tamper,
        );
        talk(&mut pair);
        assert_eq!(pair.client.stage(), Stage::Connected);
        assert_eq!(pair.server.stage(), Stage::Connected);
    }
}

#[test]
fn an_extension_twice() {
    case(
        V::DuplicateNegotiation,
        By::Client,
        Stage::WaitClientHello,
        T::CLIENT_HELLO,
        |raw| client_hello(raw, |hello| hello.extensions.add(E::SERVER_NAME, [])),
    );
    case(
        V::DuplicateExtension,
        By::Server,
        Stage::WaitServerHello,
        T::SERVER_HELLO,
        |raw| server_hello(raw, |hello| hello.extensions.add(E::KEY_SHARE, [])),
    );
}

/// The alert is in the clear as long as the other end cannot have a key, under the keys of the
/// handshake from then on, and a client that is through reads it under those of the application.
/// That the other end can open it is checked by every case; this is what it looks like.
#[test]
fn alerts_are_under_the_right_key() {
    let spoilt = |by, typ| {
        let tamper = first(typ, |_| vec![Put::Message(message(T::HELLO_REQUEST, &[]))]);
        let client = authenticated_client().build().unwrap();
        let server = authenticating_server().build().unwrap();
        let mut pair = pair(client, server, by, tamper);
        talk(&mut pair);
        let (sent, other) = match by {
            By::Client => (pair.server_sent, pair.client),
            By::Server => (pair.client_sent, pair.server),
        };
        assert_eq!(
            alert_seen_by(other),
            Some(AlertDescription::UNEXPECTED_MESSAGE)
        );
        let alert = sent.len() - if sent.ends_with(&[2, 10]) { 7 } else { 24 };
        ContentType(sent[alert])
    };
    assert_eq!(spoilt(By::Client, T::CLIENT_HELLO), ContentType::ALERT);
    assert_eq!(spoilt(By::Server, T::SERVER_HELLO), ContentType::ALERT);
    for typ in [
        T::ENCRYPTED_EXTENSIONS,
        T::CERTIFICATE,
        T::CERTIFICATE_VERIFY,
        T::FINISHED,
    ] {
        assert_eq!(spoilt(By::Server, typ), ContentType::APPLICATION_DATA);
    }
    for typ in [T::CERTIFICATE, T::CERTIFICATE_VERIFY, T::FINISHED] {
        assert_eq!(spoilt(By::Client, typ), ContentType::APPLICATION_DATA);
    }
}

/// RUSTSEC-2024-0336: close_notify right after the hello made a server loop for ever.
#[test]
fn close_notify_right_after_the_hello() {
    const CLOSE_NOTIFY: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];
    for paused in [false, true] {
        let mut client = Handshake::client(client().build().unwrap(), name()).unwrap();
        let server = server().pause_at_hello(paused).build().unwrap();
        let mut server = Handshake::server(server);
        let hello = transmitted(&mut client);
        server.receive(&[&hello[..], &CLOSE_NOTIFY].concat(), now());
        if paused {
            let question = match server.poll().unwrap() {
                Step::Ask(question) => question,
                step => panic!("{step:?}"),
            };
            assert!(matches!(server.poll(), Ok(Step::Wait { .. })));
            server.answer(question.default_answer(), now()).unwrap();
        }
        transmitted(&mut server);
        for _ in 0..3 {
            let error = server.poll().unwrap_err();
            let Reason::AlertReceived(alert) = error.reason() else {
                panic!("{error}")
            };
            assert_eq!(*alert, AlertDescription::CLOSE_NOTIFY);
        }
    }
}

/// RUSTSEC-2024-0399: a hello in pieces made the pause at the hello panic.
#[test]
fn a_hello_in_pieces_at_the_pause() {
    let mut client = Handshake::client(client().build().unwrap(), name()).unwrap();
    let hello = transmitted(&mut client);
    let mut server = Handshake::server(server().pause_at_hello(true).build().unwrap());
    let (last, front) = hello[5..].split_last().unwrap();
    for byte in front {
        server.receive(&[22, 3, 1, 0, 1, *byte], now());
        assert!(matches!(server.poll(), Ok(Step::Wait { .. })));
    }
    server.receive(&[22, 3, 1, 0, 1, *last], now());
    let Ok(Step::Ask(question)) = server.poll() else {
        panic!("no question");
    };
    let Question::ChooseConfiguration(question) = question else {
        panic!("another question");
    };
    assert_eq!(question.client_hello().server_name(), Some("localhost"));
}

/// A CA of its own, and leaves that differ in what is wrong with them.
struct Ca(Issuer<'static, KeyPair>, Roots);

fn ca() -> &'static Ca {
    static CA: OnceLock<Ca> = OnceLock::new();
    CA.get_or_init(|| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let mut roots = Roots::empty();
        roots
            .add_der(params.self_signed(&key).unwrap().der().clone())
            .unwrap();
        Ca(Issuer::new(params, key), roots)
    })
}

fn leaf(names: &[&str], purpose: ExtendedKeyUsagePurpose) -> Identity {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate().unwrap();
    let der = params.signed_by(&key, &ca().0).unwrap().der().clone();
    Identity::from_der(
        vec![der],
        &PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    )
    .unwrap()
}

fn client_refuses(identity: Identity) -> (CertificateErrorKind, AlertDescription) {
    let client = ClientConfig::builder(ca().1.clone()).build().unwrap();
    let server = ServerConfig::builder().identity(identity).build().unwrap();
    let error = refused(Pair::new(client, server), By::Server);
    assert_eq!(error.stage(), Stage::VerifyingChain);
    let Reason::Certificate(reason) = error.reason() else {
        panic!("{error}")
    };
    (reason.kind().clone(), reason.alert())
}

/// CVE-2026-42790: the common name stood in for a missing subjectAltName.
#[test]
fn the_common_name_is_no_name() {
    let (kind, alert) = client_refuses(leaf(&[], ExtendedKeyUsagePurpose::ServerAuth));
    assert!(matches!(kind, CertificateErrorKind::NameMismatch { seen, .. } if seen.is_empty()));
    assert_eq!(alert, AlertDescription::BAD_CERTIFICATE);
}

/// CVE-2024-53846: the extended key usage counted only when it was critical, which it is not here.
#[test]
fn the_extended_key_usage_counts() {
    let (kind, alert) = client_refuses(leaf(&["localhost"], ExtendedKeyUsagePurpose::ClientAuth));
    assert_eq!(
        kind,
        CertificateErrorKind::WrongPurpose {
            needed: Purpose::ServerAuth
        }
    );
    assert_eq!(alert, AlertDescription::UNSUPPORTED_CERTIFICATE);

    let identity = leaf(&["client"], ExtendedKeyUsagePurpose::ServerAuth);
    let roots = ca().1.clone();
    let server = server().client_authentication(ClientAuthentication::Required(roots));
    let client = client().identity(identity).build().unwrap();
    let error = refused(Pair::new(client, server.build().unwrap()), By::Client);
    let Reason::Certificate(reason) = error.reason() else {
        panic!("{error}")
    };
    let wrong = CertificateErrorKind::WrongPurpose {
        needed: Purpose::ClientAuth,
    };
    assert_eq!(reason.kind(), &wrong);
}

/// CVE-2020-13777: until the first rotation tickets were sealed with a key of zeros.
#[test]
fn tickets_are_sealed_with_a_key_from_the_first_on() {
    let server = |keys: &TicketKeys| server().ticket_keys(keys.clone()).build().unwrap();
    let (here, there) = (ticket_keys(), ticket_keys());
    assert!(TicketKeys::shared([&[0; 48]]).is_err());
    let client = resuming_client().build().unwrap();
    let session = sessions_of(client, server(&here)).remove(0);
    let (name, rest) = session.ticket.split_at(16);
    assert_ne!(name, [0; 16]);
    assert!(here.open(&session.ticket, now()).is_some());
    assert!(there.open(&session.ticket, now()).is_none());
    let (nonce, sealed) = rest.split_first_chunk().unwrap();
    let (body, tag) = sealed.split_at(sealed.len() - 16);
    for name in [name, &[0; 16]] {
        let mut zeros = AeadKey::new(AeadAlgorithm::Aes256Gcm, &[0; 32], nonce).unwrap();
        let opened = zeros.open_into(0, name, body, tag, &mut vec![0; body.len()]);
        assert!(opened.is_err());
    }
    // Keys that have sealed nothing yet know none.
    let fresh = ticket_keys();
    for length in [0, 16, 28, 44, 300] {
        assert!(fresh.open(&vec![0; length], now()).is_none());
    }
}

/// CVE-2025-23419, CVE-2025-68121: a session with a virtual host, or a configuration, that
/// authenticates clients otherwise or not at all was resumed with another.
#[test]
fn a_session_of_another_configuration() {
    let required = |roots: &Roots| ClientAuthentication::Required(roots.clone());
    let keys = ticket_keys();
    let of_ca = leaf(&["client"], ExtendedKeyUsagePurpose::ClientAuth);
    let client = |identity: Option<&Identity>| {
        let client = resuming_client();
        match identity {
            Some(identity) => client.identity(identity.clone()),
            None => client,
        }
        .build()
        .unwrap()
    };
    let server = |authentication| {
        let server = server().client_authentication(authentication);
        server.ticket_keys(keys.clone()).build().unwrap()
    };
    for (authentication, identity) in [
        (ClientAuthentication::None, None),
        (ClientAuthentication::DangerouslyUnverified, Some(&of_ca)),
        (required(&ca().1), Some(&of_ca)),
    ] {
        let sessions = sessions_of(client(identity), server(authentication));
        // The server of this name goes on with a configuration that trusts another authority.
        let front = super::attack::server()
            .ticket_keys(keys.clone())
            .pause_at_hello(true);
        let strict = server(required(&pki().roots));
        let mut pair = resuming(client(identity), front.build().unwrap(), sessions);
        pair.turn(&mut |_, question| {
            Some(match question {
                Question::ChooseConfiguration(question) => question.use_config(strict.clone()),
                other => other.default_answer(),
            })
        });
        let error = pair.server.poll().unwrap_err();
        assert_ne!(error.stage(), Stage::WaitFinished, "{error}");
        assert!(
            matches!(
                error.reason(),
                Reason::Certificate(_) | Reason::Violation(V::NoClientCertificate)
            ),
            "{error}"
        );
    }
}

/// CVE-2025-68121, the client's side: trust anchors that were taken away still counted.
#[test]
fn a_session_of_other_trust_anchors() {
    let server = server().ticket_keys(ticket_keys()).build().unwrap();
    let sessions = sessions_of(resuming_client().build().unwrap(), server.clone());
    let distrusts = ClientConfig::builder(ca().1.clone()).session_tickets(true);
    let error = refused(
        resuming(distrusts.build().unwrap(), server, sessions),
        By::Server,
    );
    assert_eq!(error.stage(), Stage::VerifyingChain);
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
}

/// The binder is looked at before anything is done with the session: whoever has only seen a
/// ticket on the wire learns nothing, and has no chain verified.
#[test]
fn the_binder_comes_first() {
    let client = authenticated_client().session_tickets(true);
    let server = authenticating_server().ticket_keys(ticket_keys());
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut sessions = sessions_of(client.clone(), server.clone());
    sessions.truncate(1);
    // This server would not accept the chain any more.
    let distrusts = server
        .to_builder()
        .client_authentication(ClientAuthentication::Required(ca().1.clone()));
    let tamper = first(T::CLIENT_HELLO, |raw| {
        let mut raw = raw.to_vec();
        *raw.last_mut().unwrap() ^= 1;
        vec![Put::Message(raw)]
    });
    let distrusts = distrusts.build().unwrap();
    let pair = pair_resuming(client, distrusts, sessions, By::Client, tamper);
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(V::BadPskBinder));
}
