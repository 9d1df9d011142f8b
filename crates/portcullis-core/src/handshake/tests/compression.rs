//! Compressed certificates (RFC 8879) of both ends.

use super::attack::{
    By, Case, authenticated_client, authenticating_server, client, retrying_server, server,
};
use super::parts::{body, certificate_request, client_hello, message};
use super::tamper::{Put, first};
use crate::compression::CertificateCompression;
use crate::compression::tests::{Shrinking, all};
use crate::config::{ClientConfig, ClientConfigBuilder, ServerConfigBuilder};
use crate::step::Event;
use crate::testing::{Pair, pki};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{Direction, NamedGroup, ProtocolVersion, Stage, Violation as V};

fn shrinking() -> CertificateCompression {
    CertificateCompression::custom(Shrinking)
}

/// In which messages the ends have shown certificates, each end once.
fn shown(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Vec<(T, usize)> {
    let client = client.observe_messages(true).build().unwrap();
    let server = server.observe_messages(true).build().unwrap();
    let mut pair = Pair::new(client, server);
    pair.turn(&mut |_, question| Some(question.default_answer()));
    assert_eq!(pair.client.stage(), Stage::Connected);
    assert_eq!(pair.server.stage(), Stage::Connected);
    let messages = pair.events.iter().filter_map(|event| match event {
        Event::Message {
            direction: Direction::Received,
            typ: typ @ (T::CERTIFICATE | T::COMPRESSED_CERTIFICATE),
            length,
        } => Some((*typ, *length)),
        _ => None,
    });
    messages.collect()
}

fn both(algorithms: &[CertificateCompression]) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = authenticated_client().certificate_compression(algorithms.to_vec());
    let server = authenticating_server().certificate_compression(algorithms.to_vec());
    (client, server)
}

#[test]
fn both_ends_compress() {
    let (client, server) = both(&[]);
    let plain = shown(client, server);
    assert_eq!(plain.len(), 2);
    for algorithm in all().into_iter().chain([shrinking()]) {
        let (client, server) = both(core::slice::from_ref(&algorithm));
        let compressed = shown(client, server);
        assert_eq!(compressed.len(), 2, "{algorithm:?}");
        for ((typ, length), (_, before)) in compressed.iter().zip(&plain) {
            assert_eq!(*typ, T::COMPRESSED_CERTIFICATE, "{algorithm:?}");
            // Two bytes less, and eight that say so.
            assert!(*length <= before + 6, "{algorithm:?}: {length} of {before}");
        }
    }
}

/// The second hello offers what the first did, and the client's certificate is compressed, too.
#[test]
fn also_after_a_retry() {
    for algorithm in all().into_iter().chain([shrinking()]) {
        let (client, server) = both(core::slice::from_ref(&algorithm));
        let shown = shown(client, server.groups([NamedGroup::SECP256R1]));
        let compressed = [T::COMPRESSED_CERTIFICATE; 2];
        assert_eq!(
            shown.iter().map(|(typ, _)| *typ).collect::<Vec<_>>(),
            compressed
        );
    }
}

/// Nobody has to: not who does not want to, and not before TLS 1.3.
#[test]
fn one_end_alone_changes_nothing() {
    let is_plain = |shown: Vec<(T, usize)>| shown.iter().all(|(typ, _)| *typ == T::CERTIFICATE);
    let with = || [shrinking()];
    assert!(is_plain(shown(
        client().certificate_compression(with()),
        server()
    )));
    assert!(is_plain(shown(
        client(),
        server().certificate_compression(with())
    )));
    let older = || [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let client = client().versions(older()).certificate_compression(with());
    let server = server().versions([ProtocolVersion::TLS_1_2]);
    assert!(is_plain(shown(client, server)));
    // Another certificate than the configuration's goes as it is.
    use crate::question::Question;
    let config = super::attack::server().certificate_compression(with());
    let config = config.ask_identity(true).observe_messages(true);
    let client = ClientConfig::dangerous_builder_without_verification();
    let client = client
        .certificate_compression(with())
        .observe_messages(true);
    let client = client.build().unwrap();
    let fresh = fresh_identity();
    let mut pair = Pair::new(client, config.build().unwrap());
    pair.turn(&mut |_, question| {
        Some(match question {
            Question::ChooseIdentity(question) => question.present(fresh.clone()),
            other => other.default_answer(),
        })
    });
    assert_eq!(pair.server.stage(), Stage::Connected);
    let is_plain = pair.events.iter().any(|event| {
        let typ = T::CERTIFICATE;
        matches!(event, Event::Message { typ: seen, .. } if *seen == typ)
    });
    assert!(is_plain);
}

/// What no configuration has had.
fn fresh_identity() -> crate::x509::Identity {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der();
    let key = rustls_pki_types::PrivateKeyDer::try_from(key).unwrap();
    crate::x509::Identity::from_der(vec![made.cert.der().clone()], &key).unwrap()
}

#[test]
fn what_contradicts_itself_is_refused_when_it_is_built() {
    let refused = |builder: ClientConfigBuilder, what: &str| {
        let error = builder.build().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("certificate_compression: {what}")),
            "{error}"
        );
    };
    let builder = || ClientConfig::builder(pki().roots.clone());
    refused(
        builder().certificate_compression([shrinking(), shrinking()]),
        "0xff01 is there twice",
    );
    refused(
        builder()
            .versions([ProtocolVersion::TLS_1_2])
            .certificate_compression([shrinking()]),
        "it is of TLS 1.3",
    );
}

/// For `each_costs_its_alert`.
pub(super) fn cases() -> Vec<Case> {
    let compressing = || {
        (
            client().certificate_compression([shrinking()]),
            server().certificate_compression([shrinking()]),
        )
    };
    let stage = Stage::WaitCertificateOrRequest;
    let with = |violation, change: fn(&mut Vec<u8>)| {
        let (client, server) = compressing();
        let tamper = first(T::COMPRESSED_CERTIFICATE, move |raw| {
            vec![Put::Message(body(raw, change))]
        });
        Case::new(violation, By::Server, stage, tamper)
            .client(client)
            .server(server)
    };
    let by_client = {
        let tamper = first(T::COMPRESSED_CERTIFICATE, |raw| {
            vec![Put::Message(body(raw, |body| body.truncate(20)))]
        });
        let (client, server) = both(&[shrinking()]);
        let broken = V::MalformedMessage;
        Case::new(broken, By::Client, Stage::WaitCertificate, tamper)
            .client(client)
            .server(server)
    };
    let lists_twice = |version: ProtocolVersion| {
        let tamper = first(T::CLIENT_HELLO, |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                let list = (E::COMPRESS_CERTIFICATE, vec![4, 0, 1, 0, 1]);
                hello.extensions.0.insert(0, list);
            }))]
        });
        Case::new(
            V::DuplicateCompression,
            By::Client,
            Stage::WaitClientHello,
            tamper,
        )
        .client(ClientConfig::builder(pki().roots.clone()).versions([version]))
        .server(server().versions([version]))
    };
    let asks_twice = {
        let tamper = first(T::CERTIFICATE_REQUEST, |raw| {
            vec![Put::Message(certificate_request(raw, |request| {
                request
                    .extensions
                    .add(E::COMPRESS_CERTIFICATE, [4, 0, 1, 0, 1]);
            }))]
        });
        Case::new(V::DuplicateCompression, By::Server, stage, tamper)
            .client(authenticated_client())
            .server(authenticating_server())
    };
    // To a client that takes none.
    let unasked = || {
        let tamper = first(T::CERTIFICATE, |_| {
            let body = [0, 1, 0, 0, 4, 0, 0, 1, 7];
            vec![Put::Message(message(T::COMPRESSED_CERTIFICATE, &body))]
        });
        Case::new(V::UnexpectedMessage, By::Server, stage, tamper)
    };
    let after_a_retry = {
        let (client, server) = compressing();
        let tamper = first(T::COMPRESSED_CERTIFICATE, |raw| {
            vec![Put::Message(body(raw, |body| body[4] ^= 1))]
        });
        Case::new(V::BadCompressedCertificate, By::Server, stage, tamper)
            .client(client)
            .server(server.groups([NamedGroup::SECP256R1]))
    };
    vec![
        with(V::CertificateCompressionNotOffered, |body| body[1] = 2),
        with(V::CompressedCertificateTooLong, |body| body[2..5].fill(0)),
        with(V::CompressedCertificateTooLong, |body| {
            // One more than `max_handshake_size`.
            body[2..5].copy_from_slice(&[4, 0, 1]);
        }),
        with(V::BadCompressedCertificate, |body| body[4] ^= 1),
        with(V::BadCompressedCertificate, |body| {
            body[2..5].copy_from_slice(&[4, 0, 0]);
        }),
        with(V::MalformedMessage, |body| body.truncate(8)),
        with(V::MalformedMessage, |body| body.push(0)),
        by_client,
        lists_twice(ProtocolVersion::TLS_1_3),
        lists_twice(ProtocolVersion::TLS_1_2),
        asks_twice,
        unasked(),
        unasked().server(retrying_server()),
        after_a_retry,
    ]
}
