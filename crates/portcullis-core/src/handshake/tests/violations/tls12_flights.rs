//! Rules about what either side sends of itself before TLS 1.3 (RFC 5246 §7.4.2 to §7.4.9).

use super::super::attack::{
    By, Case, authenticated_client, authenticating_server, client, ed25519_identity,
};
use super::super::older::{V1_2, older_client, older_server};
use super::super::parts::{body, message, server_hello};
use super::super::tamper::{Put, Tamper, first};
use crate::config::{ClientAuthentication, ClientConfig};
use crate::testing::pki;
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::x509::Form;
use crate::{NamedGroup, Stage, Violation as V};

/// A message of the server's, with a changed body.
fn of_server(violation: V, typ: T, stage: Stage, change: fn(&mut Vec<u8>)) -> Case {
    let tamper = first(typ, move |raw| vec![Put::Message(body(raw, change))]);
    Case::new(violation, By::Server, stage, tamper)
        .client(authenticated_client().versions(V1_2))
        .server(authenticating_server().versions(V1_2))
}

/// A message of the client's, with a changed body.
fn of_client(violation: V, typ: T, stage: Stage, change: fn(&mut Vec<u8>)) -> Case {
    let tamper = first(typ, move |raw| vec![Put::Message(body(raw, change))]);
    Case::new(violation, By::Client, stage, tamper)
        .client(authenticated_client().versions(V1_2))
        .server(authenticating_server().versions(V1_2))
}

/// Where the scheme stands in a ServerKeyExchange of X25519: behind the type of the curve, the
/// curve, and the share with its length.
const SCHEME: usize = 1 + 2 + 1 + 32;

/// The algorithm of the key is one that nobody knows.
fn unknown_key(raw: &[u8]) -> Vec<Put> {
    const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let mut raw = raw.to_vec();
    let mut windows = raw.windows(EC_PUBLIC_KEY.len());
    let at = windows.position(|window| window == EC_PUBLIC_KEY).unwrap();
    raw[at + 6] = 0x7f;
    vec![Put::Message(raw)]
}

/// Behind a message of this type, in the same record.
fn behind(typ: T, more: &'static [u8]) -> Tamper {
    first(typ, move |raw| {
        vec![Put::Message(raw.to_vec()), Put::Unhashed(more.to_vec())]
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = server_shows();
    cases.extend(server_signs());
    cases.extend(server_wants());
    cases.extend(client_shows());
    cases.extend(finished());
    cases
}

fn server_shows() -> Vec<Case> {
    let at = Stage::WaitCertificate;
    vec![
        of_server(V::NoServerCertificate, T::CERTIFICATE, at, |body| {
            *body = vec![0; 3]
        }),
        of_server(V::MalformedMessage, T::CERTIFICATE, at, |body| {
            *body = vec![0, 0, 3, 0, 0, 0]
        }),
        of_server(V::MalformedMessage, T::CERTIFICATE, at, |body| body.push(0)),
        Case::new(
            V::UnsupportedKey,
            By::Server,
            Stage::WaitCertificateRequest,
            first(T::CERTIFICATE, unknown_key),
        )
        .client(ClientConfig::dangerous_builder_without_verification().versions(V1_2))
        .server(older_server()),
        leaf_curve(),
        // RFC 6066 §8.
        Case::new(
            V::UnexpectedMessage,
            By::Server,
            Stage::WaitServerKeyExchange,
            first(T::CERTIFICATE, |raw| {
                let status = message(T::CERTIFICATE_STATUS, &[1, 0, 0, 1, 7]);
                vec![Put::Message(raw.to_vec()), Put::Message(status)]
            }),
        )
        .client(older_client())
        .server(older_server()),
        status(&[2, 0, 0, 1, 7]),
        status(&[1, 0, 0, 0]),
        status(&[1, 0, 0, 1, 7, 7]),
    ]
}

/// A server with a key for Ed25519, which needs no curve, shows a certificate on P-256.
fn leaf_curve() -> Case {
    let tamper = first(T::CERTIFICATE, |_| {
        let shown = pki().server.certificate_message(Form::Before13);
        vec![Put::Message(shown.to_vec())]
    });
    let client = ClientConfig::dangerous_builder_without_verification();
    let (violation, stage) = (V::LeafCurveNotOffered, Stage::WaitCertificateRequest);
    Case::new(violation, By::Server, stage, tamper)
        .client(client.groups([NamedGroup::X25519]).versions(V1_2))
        .server(
            older_server()
                .clear_identities()
                .identity(ed25519_identity().clone()),
        )
}

/// A CertificateStatus that was promised and is none.
fn status(body: &'static [u8]) -> Case {
    let tamper: Tamper = Box::new(move |raw| match T(raw[0]) {
        T::SERVER_HELLO => vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.add(E::STATUS_REQUEST, []);
        }))],
        T::CERTIFICATE => vec![
            Put::Message(raw.to_vec()),
            Put::Message(message(T::CERTIFICATE_STATUS, body)),
        ],
        _ => vec![Put::Message(raw.to_vec())],
    });
    let stage = Stage::WaitCertificateStatus;
    Case::new(V::MalformedMessage, By::Server, stage, tamper)
        .client(older_client().request_ocsp_response(true))
        .server(older_server())
}

fn server_signs() -> Vec<Case> {
    const SHARE: T = T::SERVER_KEY_EXCHANGE;
    let (at, judged) = (Stage::WaitServerKeyExchange, Stage::WaitCertificateRequest);
    let share = |violation, stage, change| {
        of_server(violation, SHARE, stage, change)
            .client(older_client())
            .server(older_server())
    };
    let other_key = |violation, change: fn(&[u8]) -> Vec<u8>, typ| {
        let tamper = first(typ, move |raw| vec![Put::Message(change(raw))]);
        Case::new(violation, By::Server, judged, tamper)
            .client(older_client())
            .server(older_server())
    };
    vec![
        share(V::CurveNotOffered, at, |body| body[2] = 24),
        share(V::CurveNotOffered, at, |body| body[2] = 30),
        // A hybrid, offered by default, is no curve.
        share(V::CurveNotOffered, at, |body| {
            body[1..3].copy_from_slice(&[0x11, 0xec])
        })
        .client(ClientConfig::builder(pki().roots.clone()).versions(V1_2)),
        // By its parameters (RFC 8422 §5.4), with no share, with more behind it.
        share(V::MalformedMessage, at, |body| body[0] = 1),
        share(V::MalformedMessage, at, |body| {
            body.drain(4..SCHEME);
            body[3] = 0;
        }),
        share(V::MalformedMessage, at, |body| body.push(0)),
        // SHA-1, which is not offered by default.
        share(V::SchemeNotOffered, at, |body| {
            body[SCHEME..SCHEME + 2].copy_from_slice(&[2, 3])
        }),
        share(V::SchemeNotOffered, at, |body| {
            body[SCHEME..SCHEME + 2].fill(9)
        }),
        // An RSA scheme with an ECDSA key, and an ECDSA key under an RSA suite (CVE-2021-34558).
        share(V::SchemeDoesNotFitKey, judged, |body| {
            body[SCHEME..SCHEME + 2].copy_from_slice(&[8, 4])
        }),
        other_key(
            V::KeyDoesNotFitSuite,
            |raw| server_hello(raw, |hello| hello.suite = 0xc02f),
            T::SERVER_HELLO,
        ),
        share(V::SchemeDoesNotFitKey, judged, |body| {
            body[SCHEME..SCHEME + 2].copy_from_slice(&[8, 7])
        }),
        // An ECDSA scheme fits every curve here, but the hash is another.
        share(V::BadSignature, judged, |body| {
            body[SCHEME..SCHEME + 2].copy_from_slice(&[5, 3])
        }),
        share(V::BadSignature, judged, |body| {
            *body.last_mut().unwrap() ^= 1
        }),
        share(V::BadSignature, judged, |body| {
            body.truncate(SCHEME + 2);
            body.extend([0, 0]);
        }),
        // The share is signed, and both randoms.
        share(V::BadSignature, judged, |body| body[4] ^= 1),
        other_key(
            V::BadSignature,
            |raw| server_hello(raw, |hello| hello.random[0] ^= 1),
            T::SERVER_HELLO,
        ),
        // The key of another certificate has signed.
        other_key(
            V::SchemeDoesNotFitKey,
            |_| {
                let chain = pki().server.certificate_message(Form::Before13);
                chain.to_vec()
            },
            T::CERTIFICATE,
        )
        .server(
            older_server()
                .clear_identities()
                .identity(ed25519_identity().clone()),
        ),
    ]
}

fn server_wants() -> Vec<Case> {
    const REQUEST: T = T::CERTIFICATE_REQUEST;
    let at = Stage::WaitCertificateRequest;
    vec![
        of_server(V::MalformedMessage, REQUEST, at, |body| {
            body.splice(..1 + usize::from(body[0]), [0]);
        }),
        of_server(V::MalformedMessage, REQUEST, at, |body| {
            body.truncate(1 + usize::from(body[0]));
            body.extend([0, 0, 0, 0]);
        }),
        of_server(V::MalformedMessage, REQUEST, at, |body| body.push(0)),
        of_server(
            V::MalformedMessage,
            T::SERVER_HELLO_DONE,
            Stage::WaitServerHelloDone,
            |body| body.push(0),
        ),
        // Nothing may follow before it is answered.
        Case::new(
            V::MessageAfterFlight,
            By::Server,
            Stage::WaitCertificateRequest,
            behind(T::SERVER_HELLO_DONE, &[T::FINISHED.0]),
        )
        .client(older_client())
        .server(older_server()),
        // RFC 5077 §3.3: a ticket that was not promised, one that was and does not come.
        Case::new(
            V::UnexpectedMessage,
            By::Server,
            Stage::WaitChangeCipherSpec,
            first(T::SERVER_HELLO_DONE, |raw| {
                let ticket = message(T::NEW_SESSION_TICKET, &[0, 0, 0, 0, 0, 1, 7]);
                vec![Put::Message(raw.to_vec()), Put::Cut, Put::Unhashed(ticket)]
            }),
        )
        .client(older_client())
        .server(older_server()),
        new_ticket(V::UnexpectedChangeCipherSpec, |_| Vec::new()),
        new_ticket(V::MalformedMessage, |raw| {
            vec![Put::Message(body(raw, |body| body.push(0)))]
        }),
        new_ticket(V::MalformedMessage, |raw| {
            vec![Put::Message(body(raw, |body| body.truncate(3)))]
        }),
    ]
}

fn new_ticket(violation: V, change: fn(&[u8]) -> Vec<Put>) -> Case {
    let stage = Stage::WaitNewSessionTicket;
    let tamper = first(T::NEW_SESSION_TICKET, change);
    Case::new(violation, By::Server, stage, tamper)
        .client(older_client().session_tickets(true))
        .server(older_server().ticket_keys(super::super::attack::ticket_keys()))
}

fn client_shows() -> Vec<Case> {
    let (at, verify) = (Stage::WaitCertificate, Stage::WaitCertificateVerify);
    const CERTIFICATE: T = T::CERTIFICATE;
    const VERIFY: T = T::CERTIFICATE_VERIFY;
    const SHARE: T = T::CLIENT_KEY_EXCHANGE;
    let optional = ClientAuthentication::Optional(pki().roots.clone());
    vec![
        of_client(V::NoClientCertificateBefore13, CERTIFICATE, at, |body| {
            *body = vec![0; 3]
        }),
        of_client(V::NoClientCertificateBefore13, CERTIFICATE, at, |_| {})
            .client(client().versions(V1_2)),
        of_client(V::MalformedMessage, CERTIFICATE, at, |body| {
            *body = vec![0, 0, 3, 0, 0, 0]
        }),
        of_client(
            V::BadKeyShare,
            SHARE,
            Stage::WaitClientKeyExchange,
            |body| body[1..].fill(0),
        ),
        of_client(
            V::BadKeyShare,
            SHARE,
            Stage::WaitClientKeyExchange,
            |body| {
                body.pop();
                body[0] -= 1;
            },
        ),
        of_client(
            V::MalformedMessage,
            SHARE,
            Stage::WaitClientKeyExchange,
            |body| *body = vec![0],
        ),
        of_client(
            V::MalformedMessage,
            SHARE,
            Stage::WaitClientKeyExchange,
            |body| body.push(0),
        ),
        of_client(V::SchemeNotOffered, VERIFY, verify, |body| {
            body[..2].fill(9)
        }),
        of_client(V::SchemeNotOffered, VERIFY, verify, |body| {
            body[..2].copy_from_slice(&[2, 3])
        }),
        of_client(V::SchemeDoesNotFitKey, VERIFY, verify, |body| {
            body[..2].copy_from_slice(&[8, 7])
        }),
        of_client(V::BadSignature, VERIFY, verify, |body| {
            body[..2].copy_from_slice(&[5, 3])
        }),
        of_client(V::BadSignature, VERIFY, verify, |body| {
            *body.last_mut().unwrap() ^= 1
        }),
        Case::new(
            V::UnsupportedKey,
            By::Client,
            verify,
            first(CERTIFICATE, unknown_key),
        )
        .client(authenticated_client().versions(V1_2))
        .server(older_server().client_authentication(ClientAuthentication::DangerouslyUnverified)),
        // CVE-2015-0205, CVE-2022-37026: a certificate, and nothing that proves it.
        Case::new(
            V::UnexpectedChangeCipherSpec,
            By::Client,
            verify,
            first(VERIFY, |_| Vec::new()),
        )
        .client(authenticated_client().versions(V1_2))
        .server(authenticating_server().versions(V1_2)),
        // A proof of a certificate that was not shown.
        Case::new(
            V::UnexpectedMessage,
            By::Client,
            Stage::WaitChangeCipherSpec,
            first(CERTIFICATE, |_| {
                vec![Put::Message(message(CERTIFICATE, &[0; 3]))]
            }),
        )
        .client(authenticated_client().versions(V1_2))
        .server(
            authenticating_server()
                .versions(V1_2)
                .client_authentication(optional),
        ),
    ]
}

fn finished() -> Vec<Case> {
    let at = Stage::WaitFinished;
    let mut cases = Vec::new();
    for of in [of_client, of_server] {
        cases.extend([
            of(V::FinishedMismatch, T::FINISHED, at, |body| body[0] ^= 1),
            of(V::FinishedMismatch, T::FINISHED, at, |body| body[11] ^= 1),
            of(V::FinishedMismatch, T::FINISHED, at, |body| {
                body.pop();
            }),
            of(V::FinishedMismatch, T::FINISHED, at, |body| body.push(0)),
            of(V::FinishedMismatch, T::FINISHED, at, Vec::clear),
        ]);
    }
    for resumed in [false, true] {
        for by in [By::Client, By::Server] {
            // Each is the end of a flight.
            for more in [&[T::HELLO_REQUEST.0][..], &[T::HELLO_REQUEST.0, 0, 0, 0]] {
                let case = Case::new(V::MessageAfterFlight, by, at, behind(T::FINISHED, more))
                    .client(older_client())
                    .server(older_server());
                cases.push(match resumed {
                    true => case.resuming(),
                    false => case,
                });
            }
            // Half of a message, then the change of keys (RFC 5246 §7.1).
            let typ = match (by, resumed) {
                (By::Client, false) => T::CLIENT_KEY_EXCHANGE,
                (By::Server, false) => T::NEW_SESSION_TICKET,
                (By::Server, true) => T::SERVER_HELLO,
                // It comes after the server's Finished.
                (By::Client, true) => continue,
            };
            let half = Case::new(
                V::InterleavedRecord,
                by,
                Stage::WaitChangeCipherSpec,
                behind(typ, &[T::FINISHED.0, 0, 0]),
            )
            .client(older_client().session_tickets(true))
            .server(older_server().ticket_keys(super::super::attack::ticket_keys()));
            cases.push(match resumed {
                true => half.resuming(),
                false => half,
            });
        }
    }
    // A record of another type, which is none of the handshake.
    cases.push(
        Case::new(
            V::ApplicationDataTooEarly,
            By::Server,
            at,
            first(T::FINISHED, |_| {
                vec![Put::Record(ContentType::APPLICATION_DATA, b"data".to_vec())]
            }),
        )
        .client(older_client())
        .server(older_server()),
    );
    cases
}
