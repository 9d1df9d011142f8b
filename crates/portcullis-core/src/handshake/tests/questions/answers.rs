//! What answers may say, question by question: proofs, identities, signatures, configurations.

use super::super::attack::{
    By, alert_seen_by, authenticated_client, authenticating_server, pair, server,
};
use super::super::older::VERSIONS;
use super::super::parts::{client_hello, message};
use super::super::tamper::{Put, first};
use super::{ASKING, asker, connects, ended_by, ends, until};
use crate::question::Question;
use crate::testing::{Pair, now, pki};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::x509::{PresentedChain, VerifiedChain};
use crate::{AlertDescription, Direction, Reason, Stage, Violation};

/// Each end of each version.
fn both_ends() -> impl Iterator<Item = (fn() -> Pair, bool)> {
    let of = |asking| [false, true].map(|of_server| (asking, of_server));
    ASKING.into_iter().flat_map(of)
}

#[test]
fn a_proof_about_another_chain() {
    for (asking, of_server) in both_ends() {
        let mut pair = asking();
        let Question::VerifyChain(question) = until(&mut pair, of_server, "VerifyChain") else {
            unreachable!()
        };
        let other = if of_server {
            &pki().server
        } else {
            &pki().client
        };
        let other = PresentedChain::new(other.chain().to_vec()).unwrap();
        let proof = VerifiedChain::dangerous_accept_without_verification(other);
        let error = ended_by(question.accept(proof), pair, of_server);
        assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
        assert_eq!(
            error.alert(),
            Some((Direction::Sent, AlertDescription::INTERNAL_ERROR))
        );
    }
}

#[test]
fn a_proof_about_this_chain() {
    for asking in ASKING {
        let mut pair = asking();
        let Question::VerifyChain(question) = until(&mut pair, false, "VerifyChain") else {
            unreachable!()
        };
        assert_eq!(question.chain().end_entity(), &pki().server.chain()[0]);
        assert_eq!(question.server_name(), Some(&crate::testing::name()));
        assert_eq!(question.now(), now());
        let proof = question.check().unwrap();
        assert!(proof.is_verified());
        pair.client.answer(question.accept(proof), now()).unwrap();
        connects(pair);
    }
}

#[test]
fn no_identity() {
    for asking in ASKING {
        let choose = |of_server| {
            let mut pair = asking();
            match until(&mut pair, of_server, "ChooseIdentity") {
                Question::ChooseIdentity(question) => (pair, question),
                question => panic!("{question:?}"),
            }
        };
        let (pair, question) = choose(true);
        let error = ended_by(question.present_none(), pair, true);
        assert!(matches!(error.reason(), Reason::Refused(_)), "{error}");

        let (mut pair, question) = choose(false);
        pair.client.answer(question.present_none(), now()).unwrap();
        pair.turn(&mut |_, question| Some(question.default_answer()));
        let error = pair.server.poll().unwrap_err();
        let expected = match core::ptr::fn_addr_eq(asking, ASKING[0]) {
            true => Violation::NoClientCertificate,
            false => Violation::NoClientCertificateBefore13,
        };
        assert_eq!(error.violation(), Some(expected));
        assert_eq!(alert_seen_by(pair.client), Some(expected.alert()));
    }
}

#[test]
fn a_wrong_signature_is_noticed_by_the_peer() {
    for (asking, of_server) in both_ends() {
        let mut pair = asking();
        let Question::Sign(question) = until(&mut pair, of_server, "Sign") else {
            unreachable!()
        };
        // Before TLS 1.3 it is all messages, of which a hello is the first, or the randoms.
        let is_tls13 = question.content().starts_with(&[b' '; 64]);
        assert_eq!(is_tls13, core::ptr::fn_addr_eq(asking, ASKING[0]));
        asker(&mut pair, of_server)
            .answer(question.signature(vec![7; 70]), now())
            .unwrap();
        pair.turn(&mut |_, question| Some(question.default_answer()));
        let (asker, mut other) = ends(pair, of_server);
        assert_eq!(
            other.poll().unwrap_err().violation(),
            Some(Violation::BadSignature)
        );
        assert_eq!(alert_seen_by(asker), Some(AlertDescription::DECRYPT_ERROR));
    }
}

#[test]
fn a_signature_that_cannot_be_sent() {
    for signature in [vec![], vec![0; 65_536]] {
        for (asking, of_server) in both_ends() {
            let mut pair = asking();
            let Question::Sign(question) = until(&mut pair, of_server, "Sign") else {
                unreachable!()
            };
            let error = ended_by(question.signature(signature.clone()), pair, of_server);
            assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
        }
    }
}

#[test]
fn another_configuration() {
    for asking in ASKING {
        let mut pair = asking();
        let Question::ChooseConfiguration(question) = until(&mut pair, true, "ChooseConfiguration")
        else {
            unreachable!()
        };
        assert_eq!(question.client_hello().server_name(), Some("localhost"));
        let other = question
            .config()
            .to_builder()
            .alpn(["http/1.1"])
            .build()
            .unwrap();
        pair.server
            .answer(question.use_config(other), now())
            .unwrap();
        pair.turn(&mut |_, question| Some(question.default_answer()));
        let connection = pair.client.into_connection().unwrap();
        assert_eq!(
            connection.information.alpn_protocol(),
            Some(&b"http/1.1"[..])
        );

        // One that cannot serve this client ends the handshake with an alert.
        let mut pair = asking();
        let Question::ChooseConfiguration(question) = until(&mut pair, true, "ChooseConfiguration")
        else {
            unreachable!()
        };
        let other = question.config().to_builder().alpn(["dot"]);
        let error = ended_by(question.use_config(other.build().unwrap()), pair, true);
        assert_eq!(error.violation(), Some(Violation::NoSharedProtocol));
    }
}

/// Which versions there are is part of the configuration that the answer may replace.
#[test]
fn the_version_is_decided_when_the_configuration_is_known() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS);
        }))]
    });
    let client = authenticated_client().build().unwrap();
    let server = server().pause_at_hello(true).build().unwrap();
    let mut pair = pair(client, server, By::Client, tamper);
    let Question::ChooseConfiguration(question) = until(&mut pair, true, "ChooseConfiguration")
    else {
        unreachable!()
    };
    assert_eq!(question.client_hello().supported_versions().count(), 0);
    let error = ended_by(question.keep(), pair, true);
    assert_eq!(error.violation(), Some(Violation::UnsupportedVersion));
    assert_eq!(error.stage(), Stage::ChoosingConfiguration);
}

#[test]
fn going_on_with_another_configuration() {
    for asking in ASKING {
        let mut pair = asking();
        let Question::ReviewServerHello(question) = until(&mut pair, false, "ReviewServerHello")
        else {
            unreachable!()
        };
        // Other trust anchors: those the server's certificate does not lead to.
        let mut roots = crate::x509::Roots::empty();
        roots.add_der(pki().client.chain()[0].clone()).unwrap();
        let other = crate::config::ClientConfig::builder(roots).alpn(["h2"]);
        let other = other.build().unwrap();
        let error = ended_by(question.proceed_with(other), pair, false);
        assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
        assert_eq!(
            error.alert(),
            Some((Direction::Sent, AlertDescription::UNKNOWN_CA))
        );
    }
}

#[test]
fn another_configuration_bounds_messages_too() {
    for version in VERSIONS {
        let tamper = first(T::CERTIFICATE, |_| {
            vec![Put::Message(message(T::CERTIFICATE, &[0; 1_025]))]
        });
        let client = authenticated_client().versions([version]).build().unwrap();
        let server = authenticating_server()
            .versions([version])
            .pause_at_hello(true);
        let mut pair = pair(client, server.build().unwrap(), By::Client, tamper);
        pair.turn(&mut |_, question| {
            Some(match question {
                Question::ChooseConfiguration(question) => {
                    let other = authenticating_server().max_handshake_size(1_024);
                    question.use_config(other.versions([version]).build().unwrap())
                }
                other => other.default_answer(),
            })
        });
        let error = pair.server.poll().unwrap_err();
        assert_eq!(error.violation(), Some(Violation::HandshakeMessageTooLong));
    }
}
