//! What a proof of a chain is worth: for whom and for what it was made, and by which keys.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::attack::{client, server, ticket_keys};
use super::older::VERSIONS;
use super::questions::{connects, ended_by, until};
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::question::{Question, VerifyChain};
use crate::testing::{Pair, name, now, resuming, sessions_of};
use crate::x509::{
    CertificateErrorKind as Kind, ChainPolicy, Identity, Roots, VerifiedChain, verify_client,
    verify_server,
};
use crate::{AlertDescription, Error, ProtocolVersion, Reason, SignatureScheme};

/// Good for two names and for both roles, so that only what a proof was made for can differ.
fn versatile() -> (Identity, Roots) {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    };
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let mut roots = Roots::empty();
    let root_der = root.self_signed(&root_key).unwrap().der().clone();
    roots.add_der(root_der).unwrap();
    let names = ["localhost", "other.example"].map(str::to_owned);
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &Issuer::new(root, root_key));
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let identity = Identity::from_der(vec![leaf.unwrap().der().clone()], &key).unwrap();
    (identity, roots)
}

fn other_name() -> ServerName<'static> {
    ServerName::try_from("other.example").unwrap()
}

type Proof<'a> = (&'a str, bool, &'a dyn Fn(&VerifyChain) -> VerifiedChain);

/// Answers the question with each proof; says whether it has to be taken.
fn judge(asked: &dyn Fn() -> (Pair, Box<VerifyChain>), of_server: bool, proofs: &[Proof<'_>]) {
    for (made, is_taken, proof) in proofs {
        let (mut pair, question) = asked();
        let proof = proof(&question);
        assert!(proof.is_verified());
        let answer = question.accept(proof);
        if *is_taken {
            let asker = if of_server {
                &mut pair.server
            } else {
                &mut pair.client
            };
            asker.answer(answer, now()).unwrap();
            connects(pair);
            continue;
        }
        let error = ended_by(answer, pair, of_server);
        assert!(
            matches!(error.reason(), Reason::Misuse(_)),
            "{made}: {error}"
        );
        assert!(error.to_string().contains("another policy"), "{error}");
    }
}

fn asked_about_chain(pair: &mut Pair, of_server: bool) -> Box<VerifyChain> {
    match until(pair, of_server, "VerifyChain") {
        Question::VerifyChain(question) => Box::new(*question),
        _ => unreachable!(),
    }
}

fn policy(question: &VerifyChain) -> &ChainPolicy {
    question.policy.as_ref().unwrap()
}

#[test]
fn a_proof_of_a_server_is_for_its_name_and_policy() {
    VERSIONS.into_iter().for_each(a_proof_of_a_server);
}

fn a_proof_of_a_server(version: ProtocolVersion) {
    let (identity, roots) = versatile();
    let server = ServerConfig::builder().identity(identity);
    let server = server.versions([version]).build().unwrap();
    let another = ChainPolicy::new(roots.clone());
    let nameless = another.clone().dangerous_skip_name_check();
    let asked = |client: ClientConfig| {
        let mut pair = Pair::new(client, server.clone());
        let question = asked_about_chain(&mut pair, false);
        (pair, question)
    };
    let for_other = |question: &VerifyChain, policy: &ChainPolicy| {
        verify_server(question.chain(), &other_name(), now(), policy).unwrap()
    };
    let for_this = |question: &VerifyChain, policy: &ChainPolicy| {
        verify_server(question.chain(), &name(), now(), policy).unwrap()
    };
    let of_client = |question: &VerifyChain, policy: &ChainPolicy| {
        verify_client(question.chain(), now(), policy).unwrap()
    };
    let verifying = ClientConfig::builder(roots).versions([version]);
    let verifying = verifying.ask_verification(true).build().unwrap();
    let proofs: &[Proof<'_>] = &[
        ("check", true, &|question| question.check().unwrap()),
        ("the same", true, &|question| {
            for_this(question, policy(question))
        }),
        ("clone", true, &|question| {
            for_this(question, &policy(question).clone().remembered_signatures(0))
        }),
        ("name", false, &|question| {
            for_other(question, policy(question))
        }),
        ("role", false, &|question| {
            of_client(question, policy(question))
        }),
        ("policy", false, &|question| for_this(question, &another)),
        ("depth", false, &|question| {
            for_this(question, &policy(question).clone().depth(3))
        }),
        ("no name", false, &|question| for_this(question, &nameless)),
    ];
    judge(&|| asked(verifying.clone()), false, proofs);

    // Who verifies nothing by configuration may verify by any policy, and the right peer.
    let trusting = ClientConfig::dangerous_builder_without_verification().ask_verification(true);
    let trusting = trusting.versions([version]).build().unwrap();
    let proofs: &[Proof<'_>] = &[
        ("policy", true, &|question| for_this(question, &another)),
        ("name", false, &|question| for_other(question, &another)),
        ("role", false, &|question| of_client(question, &another)),
    ];
    judge(&|| asked(trusting.clone()), false, proofs);
}

#[test]
fn a_proof_of_a_client_is_for_its_role_and_policy() {
    VERSIONS.into_iter().for_each(a_proof_of_a_client);
}

fn a_proof_of_a_client(version: ProtocolVersion) {
    let (identity, roots) = versatile();
    let another = ChainPolicy::new(roots.clone());
    let build = || {
        let server = ServerConfig::builder()
            .versions([version])
            .identity(identity.clone())
            .client_authentication(ClientAuthentication::Required(roots.clone()))
            .ticket_keys(ticket_keys());
        let client = ClientConfig::builder(roots.clone())
            .versions([version])
            .identity(identity.clone())
            .session_tickets(true);
        (
            client.build().unwrap(),
            server.ask_verification(true).build().unwrap(),
        )
    };
    let (client, server) = build();
    let sessions = sessions_of(client.clone(), server.clone());
    let full = || {
        let mut pair = Pair::new(client.clone(), server.clone());
        let question = asked_about_chain(&mut pair, true);
        assert!(!question.is_resumption());
        (pair, question)
    };
    let resumed = || {
        let mut pair = resuming(client.clone(), server.clone(), sessions.clone());
        let question = asked_about_chain(&mut pair, true);
        assert!(question.is_resumption());
        (pair, question)
    };
    let proofs: &[Proof<'_>] = &[
        ("check", true, &|question| question.check().unwrap()),
        ("role", false, &|question| {
            verify_server(question.chain(), &name(), now(), policy(question)).unwrap()
        }),
        ("policy", false, &|question| {
            verify_client(question.chain(), now(), &another).unwrap()
        }),
    ];
    judge(&full, true, proofs);
    judge(&resumed, true, proofs);
}

/// 2026-11-28; these certificates are valid until 2036.
const LATER: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_795_824_000));

/// The peer's key is too short for any signature, so whatever it signs with does not matter.
fn refused_for_its_key(
    version: ProtocolVersion,
    chain: &[u8],
    roots: &[u8],
    (of_server, verified): (bool, bool),
) -> Error {
    let certificates = |pem: &[u8]| -> Vec<CertificateDer<'static>> {
        let all = CertificateDer::pem_slice_iter(pem).map(Result::unwrap);
        all.collect()
    };
    let mut trusted = Roots::empty();
    for root in certificates(roots) {
        trusted.add_der(root).unwrap();
    }
    let schemes = vec![SignatureScheme::RSA_PSS_RSAE_SHA256];
    let peer = Identity::with_external_key(certificates(chain), schemes).unwrap();
    // Who shows it has to be told that it may.
    let (client, server) = match of_server {
        true => {
            let required = ClientAuthentication::Required(trusted);
            let server = server().client_authentication(required);
            let client = client().identity(peer).key_minimum(1_024);
            (client, server.ask_verification(true))
        }
        false => (
            ClientConfig::builder(trusted).ask_verification(true),
            ServerConfig::builder().identity(peer).key_minimum(1_024),
        ),
    };
    let (client, server) = (client.versions([version]), server.versions([version]));
    let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    let (client, server) = pair.run_answering(|_, question| {
        Some(match question {
            Question::Sign(question) => question.signature(vec![7; 256]),
            Question::VerifyChain(question) if verified => {
                let chain = question.chain();
                let proof = match of_server {
                    true => verify_client(chain, LATER, policy(&question)),
                    false => verify_server(chain, &name(), LATER, policy(&question)),
                };
                question.accept(proof.unwrap())
            }
            Question::VerifyChain(question) => question.dangerous_accept_without_verification(),
            other => other.default_answer(),
        })
    });
    let end = if of_server { server } else { client };
    end.err().unwrap()
}

#[test]
fn short_keys() {
    macro_rules! pem {
        ($name:literal) => {
            include_bytes!(concat!("../../x509/tests/reports/", $name, ".pem"))
        };
    }
    for (bits, chain, roots) in [
        (
            1_024,
            &pem!("rsa1024_leaf.chain")[..],
            &pem!("rsa1024_leaf.roots")[..],
        ),
        (
            2_047,
            pem!("rsa2047_leaf.chain"),
            pem!("rsa2047_leaf.roots"),
        ),
    ] {
        for at in 0..8 {
            let version = VERSIONS[at / 4];
            let how = (at & 1 != 0, at & 2 != 0);
            let error = refused_for_its_key(version, chain, roots, how);
            let Reason::Certificate(reason) = error.reason() else {
                panic!("{error}")
            };
            assert_eq!(reason.kind(), &Kind::RsaKeyLength { bits, least: 2_048 });
            assert_eq!(reason.index(), Some(0));
            assert_eq!(reason.alert(), AlertDescription::BAD_CERTIFICATE);
            assert_eq!(
                reason.to_string(),
                format!(
                    "the peer's certificate (CN=l) has an RSA key of {bits} bits: 2048 to 8192 \
                     bits are accepted"
                )
            );
        }
    }
}
