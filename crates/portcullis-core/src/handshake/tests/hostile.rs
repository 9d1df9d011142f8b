//! What a reviewer with bad intentions has found: each test is a defect that was.

use super::attack::{By, Case, client, pair, refused, retrying_server, server, talk};
use super::older::VERSIONS;
use super::parts::{client_hello, server_hello};
use super::tamper::{Put, first};
use crate::config::{ClientConfig, MaxFragmentLength, ServerConfig};
use crate::question::Question;
use crate::testing::{Pair, pki};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::x509::CertificateErrorKind;
use crate::{ProtocolVersion, Reason, Stage, Violation as V};

/// The client's second hello would be longer than its length fields can say.
#[test]
fn a_cookie_that_does_not_fit_into_the_second_hello() {
    for length in [60_000_u16, 65_000] {
        let tamper = first(T::SERVER_HELLO, move |raw| {
            vec![Put::Message(server_hello(raw, |hello| {
                let cookie = [&length.to_be_bytes()[..], &vec![7; length.into()]].concat();
                hello.extensions.add(E::COOKIE, cookie);
            }))]
        });
        // Names enough to leave no room for the shorter cookie either.
        let names: Vec<_> = (0..40_u8).map(|at| vec![b'a' + at % 26; 200]).collect();
        let client = client().alpn(&names).build().unwrap();
        let server = retrying_server().alpn(&names).build().unwrap();
        let error = refused(pair(client, server, By::Server, tamper), By::Server);
        assert_eq!(error.violation(), Some(V::CookieTooLong));
        assert_eq!(error.stage(), Stage::WaitServerHello);
    }
}

#[test]
fn unknown_names_are_refused_by_the_default_answer_too() {
    VERSIONS.into_iter().for_each(an_unknown_name);
}

fn an_unknown_name(version: ProtocolVersion) {
    let (client, server) = (client().versions([version]), server().versions([version]));
    let server = server.refuse_unknown_names(true).ask_identity(true);
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello
                .extensions
                .set(E::SERVER_NAME, server_name(b"unknown.example"));
        }))]
    });
    Case::new(
        V::UnrecognizedName,
        By::Client,
        Stage::ChoosingIdentity,
        tamper,
    )
    .client(client.clone())
    .server(server.clone())
    .check();
    // Whoever is asked may still show what he likes.
    let mut pair = pair(
        client.build().unwrap(),
        server.build().unwrap(),
        By::Client,
        first(T::CLIENT_HELLO, |raw| vec![Put::Message(raw.to_vec())]),
    );
    pair.turn(&mut |_, question| match question {
        Question::ChooseIdentity(question) => Some(question.present(pki().server.clone())),
        other => Some(other.default_answer()),
    });
    assert_eq!(pair.server.stage(), Stage::Connected);
}

fn server_name(name: &[u8]) -> Vec<u8> {
    let length = name.len() as u8;
    [&[0, length + 3, 0, 0, length], name].concat()
}

/// Names that an application would look for in a directory, or write into a command.
#[test]
fn names_that_are_no_host_names() {
    let names = [
        &b"../../etc/passwd"[..],
        b"a/b",
        b"*.example.com",
        b".",
        b"a..b",
        b"a;b",
        b"-\"'",
    ];
    let all = VERSIONS.map(|version| names.map(|name| (version, name)));
    for (version, name) in all.into_iter().flatten() {
        let tamper = first(T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                hello.extensions.set(E::SERVER_NAME, server_name(name));
            }))]
        });
        let (client, server) = (client().versions([version]), server().versions([version]));
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let error = refused(pair(client, server, By::Client, tamper), By::Client);
        assert_eq!(error.violation(), Some(V::BadServerName), "{name:?}");
    }
}

/// Some clients send an address, which is no name: as if there were none (RFC 6066 §3).
#[test]
fn an_ipv6_address_is_no_name() {
    for version in VERSIONS {
        let tamper = first(T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                hello
                    .extensions
                    .set(E::SERVER_NAME, server_name(b"2001:db8::1"));
            }))]
        });
        let (client, server) = (client().versions([version]), server().versions([version]));
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let mut pair = pair(client, server, By::Client, tamper);
        talk(&mut pair);
        let server = pair.server.into_connection().unwrap();
        assert_eq!(server.information.server_name(), None);
    }
}

/// What was offered stays, whatever configuration the reviewer of the ServerHello goes on with.
#[test]
fn a_new_configuration_does_not_change_what_was_offered() {
    for version in VERSIONS {
        let offered = client()
            .versions([version])
            .max_fragment_length(MaxFragmentLength::Bytes512)
            .pause_at_hello(true)
            .build()
            .unwrap();
        let mut pair = Pair::new(offered, server().versions([version]).build().unwrap());
        let other = ClientConfig::builder(pki().roots.clone())
            .versions([version])
            .alpn(["h2"])
            .build()
            .unwrap();
        pair.turn(&mut |_, question| match question {
            Question::ReviewServerHello(question) => Some(question.proceed_with(other.clone())),
            question => Some(question.default_answer()),
        });
        assert_eq!(pair.client.stage(), Stage::Connected, "{:?}", pair.client);
        let client = pair.client.into_connection().unwrap();
        assert_eq!(client.writer.fragment_len(), 512);
    }
}

/// A certificate of one byte costs six on the wire: they are counted before they are looked at.
#[test]
fn thousands_of_certificates() {
    for version in VERSIONS {
        // TLS 1.3 has a context, and a list of extensions behind each.
        let is_tls13 = version == ProtocolVersion::TLS_1_3;
        let tamper = first(T::CERTIFICATE, move |_| {
            let entry = [0, 0, 1, 7, 0, 0];
            let list = entry[..if is_tls13 { 6 } else { 4 }].repeat(40_000);
            let length = (list.len() as u32).to_be_bytes();
            let context = &[0][..usize::from(is_tls13)];
            let body = [context, &length[1..], &list].concat();
            vec![Put::Message(super::parts::message(T::CERTIFICATE, &body))]
        });
        let (client, server) = (client().versions([version]), server().versions([version]));
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let pair = pair(client, server, By::Server, tamper);
        let error = refused(pair, By::Server);
        let Reason::Certificate(error) = error.reason() else {
            panic!("{error}");
        };
        assert!(
            matches!(
                error.kind(),
                CertificateErrorKind::TooManyCertificates { .. }
            ),
            "{error}"
        );
    }
}

/// Lists that the messages cannot hold are refused where they are configured.
#[test]
fn authorities_beyond_a_message() {
    use crate::config::ClientAuthentication;
    use rcgen::{CertificateParams, DnType, KeyPair};

    let key = KeyPair::generate().unwrap();
    let mut roots = crate::x509::Roots::empty();
    for at in 0..80 {
        let mut params = CertificateParams::default();
        let long = format!("{at:0>1000}");
        params.distinguished_name.push(DnType::CommonName, long);
        roots
            .add_der(params.self_signed(&key).unwrap().der().clone())
            .unwrap();
    }
    let client = ClientConfig::builder(roots.clone());
    assert!(client.clone().build().is_ok());
    let error = client
        .send_certificate_authorities(true)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("send_certificate_authorities"));
    let server = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(ClientAuthentication::Required(roots));
    let error = server.clone().build().unwrap_err();
    assert!(error.to_string().contains("send_certificate_authorities"));
    assert!(server.send_certificate_authorities(false).build().is_ok());
}
