//! Rules about what a server sends under protection (RFC 8446 §4.3, §4.4).

use super::super::attack::{
    By, Case, authenticated_client, authenticating_server, client, ed25519_identity, server,
};
use super::super::parts::{
    CertificateParts, Parts, RequestParts, body, certificate, certificate_request,
    encrypted_extensions,
};
use super::super::tamper::{Put, first};
use crate::config::{ClientConfig, MaxFragmentLength};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{SignatureScheme, Stage, Violation as V};

/// EncryptedExtensions, changed.
fn parameters(violation: V, change: fn(&mut Parts)) -> Case {
    let tamper = first(T::ENCRYPTED_EXTENSIONS, move |raw| {
        vec![Put::Message(encrypted_extensions(raw, change))]
    });
    Case::new(
        violation,
        By::Server,
        Stage::WaitEncryptedExtensions,
        tamper,
    )
}

/// CertificateRequest, changed.
fn request(violation: V, change: fn(&mut RequestParts)) -> Case {
    let tamper = first(T::CERTIFICATE_REQUEST, move |raw| {
        vec![Put::Message(certificate_request(raw, change))]
    });
    Case::new(
        violation,
        By::Server,
        Stage::WaitCertificateOrRequest,
        tamper,
    )
    .client(authenticated_client())
    .server(authenticating_server())
}

/// Certificate, changed.
fn chain(violation: V, change: fn(&mut CertificateParts)) -> Case {
    let tamper = first(T::CERTIFICATE, move |raw| {
        vec![Put::Message(certificate(raw, change))]
    });
    Case::new(
        violation,
        By::Server,
        Stage::WaitCertificateOrRequest,
        tamper,
    )
}

/// CertificateVerify or Finished, with a changed body.
fn proof(violation: V, typ: T, stage: Stage, change: fn(&mut Vec<u8>)) -> Case {
    let tamper = first(typ, move |raw| vec![Put::Message(body(raw, change))]);
    Case::new(violation, By::Server, stage, tamper)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = extensions();
    cases.extend(authentication());
    cases
}

fn extensions() -> Vec<Case> {
    let limited = || client().record_size_limit(1024);
    let fragmented = || client().max_fragment_length(MaxFragmentLength::Bytes512);
    vec![
        parameters(V::ProtocolNotOffered, |parts| {
            parts.set(
                E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION,
                [0, 3, 2, b'h', b'3'],
            );
        }),
        parameters(V::MalformedExtension, |parts| {
            parts.add(E::SUPPORTED_GROUPS, [0, 0]);
        }),
        parameters(V::MalformedExtension, |parts| {
            parts.add(E::SUPPORTED_GROUPS, [0, 3, 0, 29, 0]);
        }),
        parameters(V::MalformedExtension, |parts| {
            let two = [0, 6, 2, b'h', b'2', 2, b'h', b'2'];
            parts.set(E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION, two);
        }),
        parameters(V::ServerNameAckNotEmpty, |parts| {
            parts.set(E::SERVER_NAME, [0])
        }),
        parameters(V::BadRecordSizeLimit, |parts| {
            parts.set(E::RECORD_SIZE_LIMIT, [0, 63])
        })
        .client(limited()),
        parameters(V::BadRecordSizeLimit, |parts| {
            parts.set(E::RECORD_SIZE_LIMIT, [0x40, 2])
        })
        .client(limited()),
        parameters(V::MaxFragmentLengthChanged, |parts| {
            parts.set(E::MAX_FRAGMENT_LENGTH, [2])
        })
        .client(fragmented()),
        parameters(V::ExtensionNotOffered, |parts| {
            parts.add(E::MAX_FRAGMENT_LENGTH, [1])
        }),
        parameters(V::ExtensionNotOffered, |parts| {
            parts.add(E::RECORD_SIZE_LIMIT, [4, 0])
        }),
        parameters(V::RecordSizeLimitWithMaxFragment, |parts| {
            parts.add(E::MAX_FRAGMENT_LENGTH, [1]);
        })
        .client(limited().max_fragment_length(MaxFragmentLength::Bytes512)),
    ]
}

fn authentication() -> Vec<Case> {
    let verify = Stage::WaitCertificateVerify;
    vec![
        request(V::RequestContextNotEmpty, |request| request.context.push(7)),
        request(V::RequestWithoutSignatureAlgorithms, |request| {
            request.extensions.remove(E::SIGNATURE_ALGORITHMS);
        }),
        request(V::DuplicateExtension, |request| {
            request
                .extensions
                .add(E::SIGNATURE_ALGORITHMS, [0, 2, 4, 3]);
        }),
        request(V::ExtensionMisplaced, |request| {
            request.extensions.add(E::KEY_SHARE, [0, 29]);
        }),
        request(V::MalformedExtension, |request| {
            request.extensions.set(E::SIGNATURE_ALGORITHMS, [0, 0]);
        }),
        chain(V::CertificateContextMismatch, |certificate| {
            certificate.context.push(7)
        }),
        chain(V::NoServerCertificate, |certificate| {
            certificate.entries.clear()
        }),
        chain(V::MalformedMessage, |certificate| {
            certificate.entries[0].0.clear()
        }),
        chain(V::ExtensionNotOffered, |certificate| {
            certificate.entries[0]
                .1
                .add(E::STATUS_REQUEST, [1, 0, 0, 1, 7]);
        }),
        chain(V::ExtensionMisplaced, |certificate| {
            certificate.entries[0].1.add(E::KEY_SHARE, []);
        }),
        // The algorithm of the key is one that nobody knows.
        Case::new(
            V::UnsupportedKey,
            By::Server,
            Stage::WaitCertificateVerify,
            first(T::CERTIFICATE, |raw| {
                const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
                let mut raw = raw.to_vec();
                let at = raw
                    .windows(EC_PUBLIC_KEY.len())
                    .position(|window| window == EC_PUBLIC_KEY);
                raw[at.unwrap() + 6] = 0x7f;
                vec![Put::Message(raw)]
            }),
        )
        .client(ClientConfig::dangerous_builder_without_verification()),
        chain(V::DuplicateExtension, |certificate| {
            certificate.entries[0].1.add(E(0x1234), []);
            certificate.entries[0].1.add(E(0x1234), []);
        }),
        proof(V::SchemeNotOffered, T::CERTIFICATE_VERIFY, verify, |body| {
            body[..2].fill(9)
        }),
        // PKCS#1 is offered for certificates, and never for this (§4.4.3).
        proof(V::SchemeNotOffered, T::CERTIFICATE_VERIFY, verify, |body| {
            body[..2].copy_from_slice(&SignatureScheme::RSA_PKCS1_SHA256.0.to_be_bytes());
        }),
        proof(
            V::SchemeDoesNotFitKey,
            T::CERTIFICATE_VERIFY,
            verify,
            |body| {
                body[..2].copy_from_slice(&SignatureScheme::ED25519.0.to_be_bytes());
            },
        ),
        // An ECDSA scheme stands for one curve in TLS 1.3.
        proof(
            V::SchemeDoesNotFitKey,
            T::CERTIFICATE_VERIFY,
            verify,
            |body| {
                body[..2].copy_from_slice(&SignatureScheme::ECDSA_SECP384R1_SHA384.0.to_be_bytes());
            },
        ),
        proof(V::BadSignature, T::CERTIFICATE_VERIFY, verify, |body| {
            body[12] ^= 1
        }),
        // The key of another certificate has signed.
        Case::new(
            V::SchemeDoesNotFitKey,
            By::Server,
            verify,
            first(T::CERTIFICATE, |raw| {
                vec![Put::Message(certificate(raw, |parts| {
                    let honest = crate::testing::pki().server.chain()[0].to_vec();
                    parts.entries[0].0 = honest;
                }))]
            }),
        )
        .server(
            server()
                .clear_identities()
                .identity(ed25519_identity().clone()),
        ),
        proof(
            V::FinishedMismatch,
            T::FINISHED,
            Stage::WaitFinished,
            |body| body[0] ^= 1,
        ),
        proof(
            V::FinishedMismatch,
            T::FINISHED,
            Stage::WaitFinished,
            |body| {
                body.pop();
            },
        ),
        proof(
            V::FinishedMismatch,
            T::FINISHED,
            Stage::WaitFinished,
            |body| body.clear(),
        ),
    ]
}
