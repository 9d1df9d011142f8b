//! Rules about how a client proves who it is (RFC 8446 §4.4).

use super::super::attack::{By, Case, authenticated_client, authenticating_server, client};
use super::super::parts::{CertificateParts, body, certificate};
use super::super::tamper::{Put, first};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{SignatureScheme, Stage, Violation as V};

fn chain(violation: V, change: fn(&mut CertificateParts)) -> Case {
    let tamper = first(T::CERTIFICATE, move |raw| {
        vec![Put::Message(certificate(raw, change))]
    });
    Case::new(violation, By::Client, Stage::WaitCertificate, tamper)
        .client(authenticated_client())
        .server(authenticating_server())
}

fn proof(violation: V, typ: T, stage: Stage, change: fn(&mut Vec<u8>)) -> Case {
    let tamper = first(typ, move |raw| vec![Put::Message(body(raw, change))]);
    Case::new(violation, By::Client, stage, tamper)
        .client(authenticated_client())
        .server(authenticating_server())
}

pub(super) fn cases() -> Vec<Case> {
    let verify = Stage::WaitCertificateVerify;
    vec![
        chain(V::CertificateContextMismatch, |certificate| {
            certificate.context.push(7)
        }),
        chain(V::NoClientCertificate, |certificate| {
            certificate.entries.clear()
        }),
        chain(V::NoClientCertificate, |_| {}).client(client()),
        chain(V::MalformedMessage, |certificate| {
            certificate.entries[0].0.clear()
        }),
        chain(V::ExtensionNotOffered, |certificate| {
            certificate.entries[0]
                .1
                .add(E::STATUS_REQUEST, [1, 0, 0, 1, 7]);
        }),
        proof(V::SchemeNotOffered, T::CERTIFICATE_VERIFY, verify, |body| {
            body[..2].fill(9)
        }),
        proof(
            V::SchemeDoesNotFitKey,
            T::CERTIFICATE_VERIFY,
            verify,
            |body| {
                body[..2].copy_from_slice(&SignatureScheme::ED25519.0.to_be_bytes());
            },
        ),
        proof(V::BadSignature, T::CERTIFICATE_VERIFY, verify, |body| {
            body[12] ^= 1
        }),
        proof(
            V::FinishedMismatch,
            T::FINISHED,
            Stage::WaitFinished,
            |body| body[31] ^= 1,
        ),
        proof(
            V::FinishedMismatch,
            T::FINISHED,
            Stage::WaitFinished,
            |body| body.push(0),
        ),
    ]
}
