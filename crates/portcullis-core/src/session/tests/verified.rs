//! Who was verified is verified again, by the rules of the one that resumes.

use std::sync::Arc;

use super::*;
use crate::config::Verification;
use crate::x509::tests::memo::Counting;

#[test]
fn the_client_of_a_session_is_verified_again() {
    use ClientAuthentication as A;
    let keys = keys();
    let roots = || pki().roots.clone();
    let (stranger, other_roots) = self_signed("client.example");
    let with = || client().identity(pki().client.clone());
    let asks = |authentication| server(&keys).client_authentication(authentication);
    let anonymous = first(&client(), &server(&keys));
    let named = first(&with(), &asks(A::Required(roots())));
    let unverified = first(
        &client().identity(stranger.clone()),
        &asks(A::DangerouslyUnverified),
    );
    for (sessions, authentication, resumed) in [
        (&anonymous, A::None, true),
        (&anonymous, A::Optional(roots()), true),
        (&anonymous, A::Required(roots()), false),
        (&anonymous, A::DangerouslyUnverified, true),
        (&named, A::None, false),
        (&named, A::Optional(roots()), true),
        (&named, A::Required(roots()), true),
        (&named, A::DangerouslyUnverified, true),
        (&unverified, A::None, false),
        (&unverified, A::Optional(roots()), false),
        (&unverified, A::Required(roots()), false),
        (&unverified, A::DangerouslyUnverified, true),
    ] {
        let server = asks(authentication.clone());
        // Sessions are offered by one who can be the one who made them.
        let either = with().identity(stranger.clone());
        let (_, server) = connect(either, server, sessions.clone());
        let information = &server.information;
        assert_eq!(information.is_resumed(), resumed, "{authentication:?}");
        if resumed {
            let shown = match sessions {
                _ if core::ptr::eq(sessions, &anonymous) => None,
                _ if core::ptr::eq(sessions, &unverified) => stranger.chain().first(),
                _ => pki().client.chain().first(),
            };
            assert_eq!(information.peer_certificates().first(), shown);
            assert_eq!(
                information.peer_signature_scheme().is_some(),
                shown.is_some()
            );
        }
    }
    // Trusted no more: the full handshake says so.
    let distrusts = asks(A::Required(other_roots)).build().unwrap();
    let pair = resuming(with().build().unwrap(), distrusts, named.clone());
    let error = pair.run().1.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    // Who is asked about chains is asked about this one; after a refusal the handshake is a full one, with another
    // question.
    let asking = asks(A::Required(roots())).ask_verification(true);
    let mut asked = 0;
    let (_, server) = connect_answering(with(), asking.clone(), named.clone(), |question| {
        if let Question::VerifyChain(question) = &question {
            assert!(question.is_resumption());
            assert_eq!(question.chain().certificates(), pki().client.chain());
            asked += 1;
        }
        question.default_answer()
    });
    assert_eq!((asked, server.information.is_resumed()), (1, true));
    for is_let_in in [true, false] {
        let mut asked = Vec::new();
        let pair = resuming(
            with().build().unwrap(),
            asking.clone().build().unwrap(),
            named.clone(),
        );
        let (_, server) = pair.run_answering(|_, question| {
            Some(match question {
                Question::VerifyChain(question) => {
                    asked.push(question.is_resumption());
                    match is_let_in && !question.is_resumption() {
                        true => question.verify(),
                        false => question.refuse(crate::x509::CertificateError::rejected(
                            crate::AlertDescription::ACCESS_DENIED,
                            "dismissed",
                        )),
                    }
                }
                other => other.default_answer(),
            })
        });
        assert_eq!(asked, [true, false]);
        match server {
            Ok(server) => assert!(is_let_in && !server.information.is_resumed()),
            Err(error) => {
                assert!(
                    !is_let_in && error.to_string().contains("dismissed"),
                    "{error}"
                );
                assert_eq!(error.stage(), crate::Stage::VerifyingChain);
            }
        }
    }
    // The same where an authority has gone, which the answer finds by the configuration's rules.
    let (_, other_roots) = self_signed("client.example");
    let gone = asks(A::Required(other_roots)).ask_verification(true);
    let mut asked = Vec::new();
    let pair = resuming(
        with().build().unwrap(),
        gone.build().unwrap(),
        named.clone(),
    );
    let (_, server) = pair.run_answering(|_, question| {
        if let Question::VerifyChain(question) = &question {
            asked.push(question.is_resumption());
        }
        Some(question.default_answer())
    });
    assert!(matches!(
        server.unwrap_err().reason(),
        Reason::Certificate(_)
    ));
    assert_eq!(asked, [true, false]);
    // Nobody is asked about one that has expired.
    let (stale, anchors) = expired("client.example");
    let asking = ServerConfig::builder()
        .identity(pki().server.clone())
        .client_authentication(A::Optional(anchors))
        .ask_verification(true)
        .ask_tickets(true);
    let mut kept = Vec::new();
    let (mut client_end, _) = connect_answering(
        with(),
        asks(A::Required(roots())).ask_tickets(true),
        Vec::new(),
        |question| {
            if let Question::IssueTickets(question) = question {
                kept = question.sessions().to_vec();
                return question.send(vec![b"ticket".to_vec()]);
            }
            question.default_answer()
        },
    );
    let mut session = kept.remove(0);
    session.established.peer.as_mut().unwrap().shown = stale.into();
    let (_, server) =
        connect_answering(
            client(),
            asking,
            sessions(&mut client_end),
            |question| match question {
                Question::OpenTickets(question) => question.resume(0, session.clone()),
                Question::VerifyChain(_) => panic!("somebody is asked"),
                other => other.default_answer(),
            },
        );
    assert!(!server.information.is_resumed());
    // With a scheme that is accepted no more: the full handshake goes on without a certificate.
    let strict = asks(A::Optional(roots()))
        .signature_schemes([SignatureScheme::ED25519])
        .certificate_signature_schemes([SignatureScheme::ECDSA_SECP256R1_SHA256]);
    let (_, server) = connect(with(), strict, named);
    assert!(!server.information.is_resumed());
    assert!(server.information.peer_certificates().is_empty());
}

#[test]
fn the_server_of_a_session_by_question() {
    let keys = keys();
    let session = first(&client(), &server(&keys));
    let asks = || client().ask_verification(true);
    let mut chains = Vec::new();
    let (client_end, _) = connect_answering(asks(), server(&keys), session.clone(), |question| {
        if let Question::VerifyChain(question) = &question {
            assert_eq!(question.server_name(), Some(&name()));
            chains.push(question.chain().end_entity().clone());
        }
        question.default_answer()
    });
    assert!(client_end.information.is_resumed());
    assert_eq!(chains, pki().server.chain());
    let pair = resuming(
        asks().build().unwrap(),
        server(&keys).build().unwrap(),
        session,
    );
    let (client_end, _) = pair.run_answering(|_, question| {
        Some(match question {
            Question::VerifyChain(question) => {
                question.refuse(crate::x509::CertificateError::rejected(
                    crate::AlertDescription::BAD_CERTIFICATE,
                    "revoked",
                ))
            }
            other => other.default_answer(),
        })
    });
    let error = client_end.unwrap_err();
    assert!(error.to_string().contains("revoked"), "{error}");
}

/// A session brings the proof of its chain's signatures along: with nothing remembered, too, and through a seal.
#[test]
fn a_client_that_resumes_verifies_no_signature_of_the_chain_again() {
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let counting = Counting::new();
        let server = server(&keys()).versions([version]).build().unwrap();
        let client = || {
            let client = client().versions([version]).remembered_signatures(0);
            let mut client = client.build().unwrap();
            if let Verification::Chain(policy) = &mut Arc::make_mut(&mut client.0).verification {
                counting.count(policy);
            }
            client
        };
        let config = client();
        let session = sessions_of(config.clone(), server.clone()).remove(0);
        let in_full = counting.verified();
        assert!(in_full > 0);
        let resumes = |config: ClientConfig, session: ClientSession| {
            let (client, _) = resuming(config, server.clone(), vec![session]).run();
            assert!(client.unwrap().information.is_resumed());
            counting.verified()
        };
        // By the configuration that has verified it, and by one that was made anew.
        assert_eq!(resumes(config.clone(), session.clone()), 0, "{version}");
        assert_eq!(resumes(client(), session.clone()), 0, "{version}");
        let sealed = session.to_bytes_to_seal();
        let opened = ClientSession::from_sealed_bytes(&sealed).unwrap();
        assert_eq!(resumes(config.clone(), opened.clone()), 0, "{version}");
        assert_eq!(resumes(client(), opened), 0, "{version}");
        // Bytes that anybody could have written prove nothing.
        let read = ClientSession::from_bytes(&session.to_bytes()).unwrap();
        assert_eq!(resumes(client(), read), in_full, "{version}");
    }
}
