//! Which sessions are resumed, and which must not be.

mod bytes;
mod ticket_keys;
mod whose;

use core::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{PrivateKeyDer, ServerName, UnixTime};

use super::ticket_keys::TicketKeys;
use super::{ClientSession, MAX_TICKET, ServerSession};
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use crate::crypto::random::Random;
use crate::dialect::Dialect;
use crate::question::{Answer, Question};
use crate::suite::CipherSuite as Suite;
use crate::testing::{Pair, name, now, pki, resuming, sessions, sessions_of};
use crate::version::Version;
use crate::wire::extension::{Extensions, OfferedPsks};
use crate::wire::{ClientHello, HandshakeMessage, NewSessionTicket};
use crate::x509::{Identity, PresentedChain, Roots};
use crate::{Connection, Handshake, NamedGroup, Reason, Refusal, SignatureScheme, Step};

fn client() -> ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone())
        .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
        .session_tickets(true)
}

fn server(keys: &TicketKeys) -> ServerConfigBuilder {
    ServerConfig::builder()
        .identity(pki().server.clone())
        .ticket_keys(keys.clone())
}

fn keys() -> TicketKeys {
    TicketKeys::rotating(7_200).unwrap()
}

fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + seconds))
}

fn earlier(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - seconds))
}

/// Sessions of these two.
fn first(client: &ClientConfigBuilder, server: &ServerConfigBuilder) -> Vec<ClientSession> {
    sessions_of(
        client.clone().build().unwrap(),
        server.clone().build().unwrap(),
    )
}

/// Connects, with the sessions; both ends must agree.
fn connect(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
) -> (Connection, Connection) {
    connect_answering(client, server, sessions, Question::default_answer)
}

fn connect_answering(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    mut answer: impl FnMut(Question) -> Answer,
) -> (Connection, Connection) {
    let pair = resuming(client.build().unwrap(), server.build().unwrap(), sessions);
    let (client, server) = pair.run_answering(|_, question| Some(answer(question)));
    let (client, server) = (client.unwrap(), server.unwrap());
    let (ours, theirs) = (&client.information, &server.information);
    assert_eq!(ours.is_resumed(), theirs.is_resumed());
    assert_eq!(ours.cipher_suite(), theirs.cipher_suite());
    assert_eq!(ours.server_name(), theirs.server_name());
    assert_eq!(ours.tls_exporter().unwrap(), theirs.tls_exporter().unwrap());
    (client, server)
}

fn is_resumed(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
) -> bool {
    connect(client, server, sessions).0.information.is_resumed()
}

/// How many sessions a client offers at that time, and whether it says that it can resume.
fn offers(
    client: ClientConfigBuilder,
    name: ServerName<'static>,
    sessions: Vec<ClientSession>,
    now: UnixTime,
) -> (usize, bool) {
    let config = client.build().unwrap();
    let mut client = Handshake::client_resuming(config, name, sessions, now).unwrap();
    let Ok(Step::Transmit(mut rest)) = client.poll() else {
        panic!("no hello");
    };
    let mut message = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
        message.extend(rest.drain(..5 + length).skip(5));
    }
    let hello = ClientHello::decode(&message[4..]).unwrap();
    let offered = hello.extensions.find::<OfferedPsks<'_>>();
    let offered = offered.map_or(0, |offered| offered.unwrap().identities.iter().count());
    use crate::wire::ExtensionType as E;
    let modes = hello.extensions.contains(E::PSK_KEY_EXCHANGE_MODES);
    (offered, modes)
}

/// An identity with this name, which is its own authority.
fn self_signed(name: &str) -> (Identity, Roots) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut roots = Roots::empty();
    roots.add_der(der.clone()).unwrap();
    (Identity::from_der(vec![der], &key).unwrap(), roots)
}

/// A chain that was good until 2020.
fn expired(name: &str) -> (PresentedChain, Roots) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let der = params.self_signed(&key).unwrap().der().clone();
    let mut roots = Roots::empty();
    roots.add_der(der.clone()).unwrap();
    (PresentedChain::new(vec![der]).unwrap(), roots)
}

#[test]
fn a_ticket_resumes_and_brings_the_next() {
    let keys = keys();
    let (mut first, _) = connect(client(), server(&keys), Vec::new());
    assert!(!first.information.is_resumed());
    let mut of_first = sessions(&mut first);
    assert_eq!(of_first.len(), 3);
    let session = of_first.remove(0);
    let (mut second, _) = connect(client(), server(&keys), vec![session]);
    assert!(second.information.is_resumed());
    assert_eq!(
        second.information.peer_certificates(),
        first.information.peer_certificates()
    );
    let of_second = sessions(&mut second);
    // Each has a ticket and a key of its own.
    let all: Vec<_> = of_first.iter().chain(&of_second).collect();
    for (at, one) in all.iter().enumerate() {
        for other in all.iter().skip(at + 1) {
            assert_ne!(one.ticket, other.ticket);
            let (one, other) = (&one.established.psk, &other.established.psk);
            assert_ne!(one.as_bytes(), other.as_bytes());
        }
    }
    let (third, _) = connect(client(), server(&keys), of_second);
    assert!(third.information.is_resumed());
}

/// §4.1.4: the binders are of the second hello, and what does not go with the suite is dropped.
#[test]
fn after_a_hello_retry_request() {
    let keys = keys();
    let of = |suite| first(&client(), &server(&keys).cipher_suites([suite])).remove(0);
    let (of_sha384, of_sha256) = (
        of(Suite::TLS_AES_256_GCM_SHA384),
        of(Suite::TLS_AES_128_GCM_SHA256),
    );
    let retrying = || {
        server(&keys)
            .groups([NamedGroup::SECP256R1])
            .cipher_suites([Suite::TLS_CHACHA20_POLY1305_SHA256])
    };
    for (sessions, resumed) in [
        (vec![of_sha256.clone()], true),
        (vec![of_sha384.clone(), of_sha256.clone()], true),
        (vec![of_sha256.clone(), of_sha384.clone()], true),
        (vec![of_sha384.clone()], false),
    ] {
        for cookie in [false, true] {
            let server = retrying().cookie(cookie);
            let (client, _) = connect(client(), server, sessions.clone());
            assert!(client.information.hello_retried());
            assert_eq!(client.information.is_resumed(), resumed);
        }
    }
    // A session that is still there when its hash is not.
    assert!(!is_resumed(
        client(),
        server(&keys).cipher_suites([Suite::TLS_AES_128_GCM_SHA256]),
        vec![of_sha384],
    ));
}

/// §4.2.11: the hash must be the same, the cipher need not.
#[test]
fn another_suite_with_the_same_hash() {
    let keys = keys();
    let sessions = first(
        &client(),
        &server(&keys).cipher_suites([Suite::TLS_AES_128_GCM_SHA256]),
    );
    let chacha = server(&keys).cipher_suites([Suite::TLS_CHACHA20_POLY1305_SHA256]);
    let (client, _) = connect(client(), chacha, sessions);
    assert!(client.information.is_resumed());
    assert_eq!(
        client.information.cipher_suite(),
        Suite::TLS_CHACHA20_POLY1305_SHA256
    );
}

#[test]
fn what_a_client_does_not_offer() {
    let session = first(&client(), &server(&keys())).remove(0);
    let offers = |client, name, now| offers(client, name, vec![session.clone()], now).0;
    assert_eq!(session.lifetime(), 7_200);
    assert_eq!(session.received_at(), now());
    assert_eq!(session.server_name(), &name());
    assert_eq!(offers(client(), name(), now()), 1);
    assert_eq!(offers(client(), name(), later(7_199)), 1);
    assert_eq!(offers(client(), name(), later(7_200)), 0, "too old");
    assert_eq!(offers(client(), name(), earlier(1)), 0, "from the future");
    for other in ["localhost.localdomain", "127.0.0.1", "ocalhost"] {
        let other = ServerName::try_from(other).unwrap();
        assert_eq!(offers(client(), other, now()), 0, "another server");
    }
    let sha256 = client().cipher_suites([Suite::TLS_AES_128_GCM_SHA256]);
    assert_eq!(offers(sha256, name(), now()), 0, "another hash");
    let ed25519 = client()
        .signature_schemes([SignatureScheme::ED25519])
        .certificate_signature_schemes([SignatureScheme::ECDSA_SECP256R1_SHA256]);
    assert_eq!(offers(ed25519, name(), now()), 0, "another scheme");
    let others = ClientConfig::builder(self_signed("localhost").1).session_tickets(true);
    assert_eq!(offers(others.clone(), name(), now()), 0, "other anchors");
    // Whoever is asked decides when the server has chosen.
    assert_eq!(offers(others.ask_verification(true), name(), now()), 1);
    // But not for a chain that has expired since.
    let (chain, anchors) = expired("localhost");
    let mut stale = session.clone();
    stale.established.peer.as_mut().unwrap().chain = chain;
    let asking = ClientConfig::builder(anchors)
        .session_tickets(true)
        .ask_verification(true);
    assert_eq!(
        super::tests::offers(asking, name(), vec![stale], now()).0,
        0
    );
    // However fresh the ticket is: the server signed 7 days ago.
    let mut old = session.clone();
    old.established.authenticated_at = earlier(604_800);
    assert!(old.is_expired(now()));
    old.established.authenticated_at = earlier(604_799);
    assert!(!old.is_expired(now()));
    old.established.authenticated_at = later(1);
    assert!(old.is_expired(now()), "it has not signed in the future");
    let mut other = session.clone();
    other.established.dialect = Dialect::Dtls;
    assert_eq!(
        super::tests::offers(client(), name(), vec![other], now()).0,
        0
    );
    let mut other = session.clone();
    other.established.version = Version::V1_2;
    assert_eq!(
        super::tests::offers(client(), name(), vec![other], now()).0,
        0
    );
}

/// The hello has room for so much: those that are given first go first.
#[test]
fn more_sessions_than_fit() {
    let session = first(&client(), &server(&keys())).remove(0);
    for (length, most) in [(MAX_TICKET, 1), (8_000, 3), (1, 438)] {
        let mut session = session.clone();
        session.ticket = vec![7; length].into();
        let (offered, _) = offers(client(), name(), vec![session; 2_000], now());
        assert_eq!(offered, most, "of {length} bytes");
    }
}

#[test]
fn tickets_are_for_who_wants_them() {
    let keys = keys();
    let without = client().session_tickets(false);
    assert_eq!(
        offers(without.clone(), name(), Vec::new(), now()),
        (0, false)
    );
    assert_eq!(offers(client(), name(), Vec::new(), now()), (0, true));
    assert!(first(&without, &server(&keys)).is_empty());
    let given = first(&client(), &server(&keys));
    let config = without.build().unwrap();
    let Err(error) = Handshake::client_resuming(config, name(), given.clone(), now()) else {
        panic!("a session was taken");
    };
    assert!(error.to_string().contains("session_tickets"), "{error}");
    // A server without keys sends none, and does not look at any.
    let plain = ServerConfig::builder().identity(pki().server.clone());
    assert!(first(&client(), &plain).is_empty());
    assert!(!is_resumed(client(), plain, given));
    for count in [1, 8] {
        let sessions = first(&client(), &server(&keys).ticket_count(count));
        assert_eq!(sessions.len(), usize::from(count));
    }
    // A client keeps the last 8.
    let sessions = first(&client(), &server(&keys).ticket_count(16));
    assert_eq!(sessions.len(), 8);
    assert!(is_resumed(client(), server(&keys), sessions));
}

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
        // Sessions are offered by who can be who made them.
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
    // Who is asked about chains is asked about this one, and a refusal is the end.
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
    let pair = resuming(
        with().build().unwrap(),
        asking.build().unwrap(),
        named.clone(),
    );
    let (_, server) = pair.run_answering(|_, question| {
        Some(match question {
            Question::VerifyChain(question) => {
                question.refuse(crate::x509::CertificateError::rejected(
                    crate::AlertDescription::ACCESS_DENIED,
                    "dismissed",
                ))
            }
            other => other.default_answer(),
        })
    });
    let error = server.unwrap_err();
    assert!(error.to_string().contains("dismissed"), "{error}");
    assert_eq!(error.stage(), crate::Stage::ReverifyingChain);
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
    session.established.peer.as_mut().unwrap().chain = stale;
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

/// A client that is led to another server with the same keys must notice that.
#[test]
fn a_server_without_the_name_does_not_resume() {
    let keys = keys();
    let session = first(&client(), &server(&keys));
    let elsewhere = |name| {
        ServerConfig::builder()
            .identity(self_signed(name).0)
            .ticket_keys(keys.clone())
    };
    let led_astray = elsewhere("elsewhere.example").build().unwrap();
    let (client_end, _) = resuming(client().build().unwrap(), led_astray, session.clone()).run();
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    // Another certificate for the same name is as good.
    assert!(is_resumed(
        client(),
        elsewhere("localhost"),
        session.clone()
    ));
    // Whoever chooses identities is asked: one without the name means a full handshake, one with
    // it that the session is resumed, none the end.
    let asking = elsewhere("elsewhere.example").ask_identity(true);
    let asking = asking.build().unwrap();
    let answering = |identity: Option<Identity>| {
        let client = client().build().unwrap();
        let pair = resuming(client, asking.clone(), session.clone());
        pair.run_answering(move |_, question| {
            Some(match (question, &identity) {
                (Question::ChooseIdentity(question), Some(identity)) => {
                    question.present(identity.clone())
                }
                (Question::ChooseIdentity(question), None) => question.refuse(Refusal::new(
                    crate::AlertDescription::ACCESS_DENIED,
                    "not here any more",
                )),
                (other, _) => other.default_answer(),
            })
        })
    };
    let (client_end, server_end) = answering(Some(pki().server.clone()));
    assert!(client_end.unwrap().information.is_resumed());
    assert!(server_end.unwrap().information.is_resumed());
    let (client_end, _) = answering(Some(self_signed("elsewhere.example").0));
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    let error = answering(None).1.unwrap_err();
    assert!(error.to_string().contains("not here any more"), "{error}");
    let (client_end, _) = resuming(client().build().unwrap(), asking.clone(), session).run();
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");

    // A session that began with a certificate without the name: nothing is worse than it was.
    let careless = || {
        ClientConfig::dangerous_builder_without_verification()
            .groups([NamedGroup::X25519])
            .session_tickets(true)
    };
    let nameless = elsewhere("elsewhere.example");
    let session = first(&careless(), &nameless);
    assert!(is_resumed(careless(), nameless.clone(), session.clone()));
    // Not so with a server that serves only what it knows.
    let pair = resuming(
        careless().build().unwrap(),
        nameless.refuse_unknown_names(true).build().unwrap(),
        session,
    );
    let error = pair.run().1.unwrap_err();
    assert_eq!(error.violation(), Some(crate::Violation::UnrecognizedName));
}

/// The session was with another name than the client indicates now, or with none.
#[test]
fn another_indicated_name() {
    use crate::config::ServerNameIndication as Indication;
    let keys = keys();
    let omits = || client().server_name_indication(Indication::Omit);
    let other = rustls_pki_types::DnsName::try_from("other.example").unwrap();
    let session = first(&client(), &server(&keys));
    let without_name = first(&omits(), &server(&keys));
    let sends_other = || client().server_name_indication(Indication::SendOther(other.clone()));
    assert!(!is_resumed(omits(), server(&keys), session.clone()));
    assert!(!is_resumed(sends_other(), server(&keys), session.clone()));
    assert!(!is_resumed(client(), server(&keys), without_name.clone()));
    assert!(is_resumed(omits(), server(&keys), without_name));
    assert!(is_resumed(client(), server(&keys), session));
}

#[test]
fn going_on_with_another_configuration() {
    let keys = keys();
    let session = first(&client(), &server(&keys));
    let pauses = || client().pause_at_hello(true).build().unwrap();
    let goes_on_with = |config: ClientConfig| {
        let server = server(&keys).build().unwrap();
        resuming(pauses(), server, session.clone()).run_answering(move |_, question| {
            Some(match question {
                Question::ReviewServerHello(question) => question.proceed_with(config.clone()),
                other => other.default_answer(),
            })
        })
    };
    let others = ClientConfig::builder(self_signed("localhost").1);
    let (client_end, _) = goes_on_with(others.clone().build().unwrap());
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    let (client_end, _) = goes_on_with(others.ask_verification(true).build().unwrap());
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    let (client_end, _) = goes_on_with(client().build().unwrap());
    assert!(client_end.unwrap().information.is_resumed());
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

/// A server with a store, whose sessions are changed on the way back.
#[test]
fn what_a_server_does_not_resume() {
    let asks = || {
        ServerConfig::builder()
            .identity(pki().server.clone())
            .ask_tickets(true)
    };
    let mut kept = Vec::new();
    let (mut client_end, _) = connect_answering(client(), asks(), Vec::new(), |question| {
        if let Question::IssueTickets(question) = question {
            kept = question.sessions().to_vec();
            return question.send(vec![b"ticket".to_vec()]);
        }
        question.default_answer()
    });
    let session = sessions(&mut client_end);
    let resumes = |change: fn(&mut ServerSession)| {
        let mut changed = kept[0].clone();
        change(&mut changed);
        let (client, _) =
            connect_answering(
                client(),
                asks(),
                session.clone(),
                |question| match question {
                    Question::OpenTickets(question) => question.resume(0, changed.clone()),
                    other => other.default_answer(),
                },
            );
        client.information.is_resumed()
    };
    assert!(resumes(|_| {}));
    assert!(resumes(|session| session.issued_at = earlier(7_199)));
    assert!(!resumes(|session| session.issued_at = earlier(7_200)));
    assert!(!resumes(|session| session.lifetime = 0));
    // Servers' clocks may differ by a minute.
    assert!(resumes(|session| session.issued_at = later(60)));
    assert!(!resumes(|session| session.issued_at = later(61)));
    assert!(!resumes(
        |session| session.established.authenticated_at = earlier(604_800)
    ));
    assert!(!resumes(|session| session.server_name = None));
    assert!(!resumes(
        |session| session.server_name = Some("other".into())
    ));
    assert!(!resumes(|session| session.names[31] ^= 1));
    // The same key, with other records: nobody is told of that.
    assert!(!resumes(
        |session| session.established.dialect = Dialect::Dtls
    ));
    assert!(!resumes(
        |session| session.established.version = Version::V1_2
    ));
    // Nobody has signed in the future.
    assert!(resumes(
        |session| session.established.authenticated_at = later(60)
    ));
    assert!(!resumes(
        |session| session.established.authenticated_at = later(61)
    ));
    // Without keys the default answer knows none.
    let (client, _) = connect(client(), asks(), session);
    assert!(!client.information.is_resumed());
}

/// §4.6.1: resuming again and again does not put off the day on which the peer has to sign.
#[test]
fn a_line_of_resumptions_ends() {
    let keys = keys();
    let mut session = first(&client(), &server(&keys)).remove(0);
    session.established.authenticated_at = earlier(604_800 - 100);
    let bytes = session.to_bytes();
    let session = ClientSession::from_bytes(&bytes).unwrap();
    let (mut client_end, _) = connect(client(), server(&keys), vec![session]);
    assert!(client_end.information.is_resumed());
    let next = sessions(&mut client_end).remove(0);
    assert!(!next.is_expired(later(99)));
    assert!(next.is_expired(later(100)));

    // The server's side of it, whose clock is its own.
    let asks = || server(&keys).ask_tickets(true);
    let mut kept = Vec::new();
    connect_answering(client(), asks(), vec![next], |question| match question {
        Question::OpenTickets(question) => question.open_configured(),
        Question::IssueTickets(question) => {
            kept = question.sessions().to_vec();
            question.none()
        }
        other => other.default_answer(),
    });
    assert_eq!(kept[0].lifetime(), 7_200);
    let mut old = kept.remove(0);
    old.established.authenticated_at = earlier(604_800 - 100);
    let mut lifetimes = Vec::new();
    let (mut first, _) = connect_answering(client(), asks(), Vec::new(), |question| {
        if let Question::IssueTickets(question) = question {
            old.established.psk = question.sessions()[0].established.psk.clone();
            return question.send(vec![vec![1]]);
        }
        question.default_answer()
    });
    let session = sessions(&mut first);
    connect_answering(client(), asks(), session, |question| match question {
        Question::OpenTickets(question) => question.resume(0, old.clone()),
        Question::IssueTickets(question) => {
            let sessions = question.sessions().iter();
            lifetimes.extend(sessions.map(ServerSession::lifetime));
            question.none()
        }
        other => other.default_answer(),
    });
    assert_eq!(lifetimes, [100; 3]);
}

#[test]
fn nothing_secret_is_shown() {
    let keys = keys();
    let session = first(&client(), &server(&keys)).remove(0);
    let sealed = keys.open(&session.ticket, now()).unwrap();
    let kept = ServerSession::from_bytes(&sealed).unwrap();
    let psk = session.established.psk.as_bytes();
    assert_eq!(psk, kept.established.psk.as_bytes());
    let age_add = u32::to_string(&kept.age_add);
    let mut secrets = vec![age_add];
    for secret in [psk, &session.ticket[28..]] {
        secrets.push(format!("{:?}", &secret[..4]).replace(['[', ']'], ""));
        secrets.push(
            secret[..4]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        );
    }
    let mut shown = vec![
        format!("{session:?}"),
        format!("{kept:?}"),
        format!("{keys:?}"),
        format!("{:?}", server(&keys)),
        format!("{:?}", session.clone().established),
    ];
    let asking = server(&keys).ask_tickets(true);
    let offered = vec![session.clone()];
    connect_answering(client(), asking, offered, |question| {
        shown.push(format!("{question:?}"));
        let answer = match question {
            Question::IssueTickets(question) => question.send(vec![session.ticket.to_vec()]),
            other => other.default_answer(),
        };
        shown.push(format!("{answer:?}"));
        answer
    });
    assert_eq!(shown.len(), 9, "two questions");
    let message = NewSessionTicket {
        ticket_lifetime: 7_200,
        ticket_age_add: kept.age_add,
        ticket_nonce: &[0],
        ticket: &session.ticket,
        extensions: Extensions::decode(&[]).unwrap(),
    };
    shown.push(format!("{message:?}"));
    for shown in &shown {
        for secret in &secrets {
            assert!(!shown.to_lowercase().contains(secret), "{shown}");
        }
    }
    assert!(shown[0].contains("localhost"));
    assert!(shown[3].contains("TicketKeys"));
    let secret = [0xab; 48];
    let shared = TicketKeys::shared([&secret]).unwrap();
    assert!(!format!("{shared:?}").contains("171"));
}

/// Every suite and group resumes; both ends come to the same keys, which data shows.
#[test]
fn data_over_a_resumed_connection() {
    for suite in Suite::SUPPORTED {
        let keys = keys();
        let server = || server(&keys).cipher_suites([*suite]);
        let session = first(&client(), &server());
        let (mut client_end, mut server_end) = connect(client(), server(), session);
        assert!(client_end.information.is_resumed());
        assert!(!sessions(&mut client_end).is_empty());
        let mut wire = vec![0; client_end.writer.max_sealed_len(5)];
        let sealed = client_end.writer.seal(b"hello", &mut wire).unwrap();
        let opened = server_end.reader.open_in_place(&mut wire[..sealed.written]);
        let crate::Opened::Data(range) = opened.unwrap() else {
            panic!("no data");
        };
        assert_eq!(&wire[range], b"hello");
    }
}

/// A pair that is not resumed says so by its certificates; one that is, by both.
#[test]
fn what_is_known_of_a_resumed_connection() {
    let keys = keys();
    let session = first(&client(), &server(&keys));
    let (client_end, server_end) = connect(client(), server(&keys), session);
    let (ours, theirs) = (&client_end.information, &server_end.information);
    assert_eq!(ours.peer_certificates(), pki().server.chain());
    assert!(ours.peer_signature_scheme().is_some());
    assert!(theirs.local_certificate().is_none());
    assert_eq!(theirs.server_name(), Some("localhost"));
    let full = Pair::new(client().build().unwrap(), server(&keys).build().unwrap());
    assert!(!full.run().0.unwrap().information.is_resumed());
}
