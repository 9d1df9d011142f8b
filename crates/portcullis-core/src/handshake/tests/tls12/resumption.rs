//! Which sessions of TLS 1.2 are resumed, and which must not be (RFC 5246 §7.4.1.3, RFC 5077,
//! RFC 7627 §5.3).

use core::time::Duration;
use std::sync::{Arc, Mutex};

use rustls_pki_types::UnixTime;

use super::super::attack::{
    By, alert_seen_by, authenticated_client, authenticating_server, client, pair_resuming, refused,
    server, talk, ticket_keys, transmitted,
};
use super::super::older::{older_client, older_server, talking};
use super::super::parts::{client_hello, message, server_hello};
use super::super::tamper::{Put, Tamper, first};
use super::{both_authenticate, resumable, session_of};
use crate::config::{
    ClientAuthentication, ClientConfigBuilder, ExtendedMasterSecret as Ems, ServerConfigBuilder,
};
use crate::crypto::random::Random;
use crate::session::{ClientSession, ServerSession, TicketKeys};
use crate::suite::CipherSuite;
use crate::testing::{Pair, name, now, pki, resuming, sessions};
use crate::wire::{ExtensionType as E, HandshakeMessage, HandshakeType as T};
use crate::{Connection, Handshake, ProtocolVersion, Stage, Violation};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + seconds))
}

fn tickets() -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = older_client().session_tickets(true);
    (client, older_server().ticket_keys(ticket_keys()))
}

/// Whether the two resume; both ends say the same.
fn is_resumed(
    client: &ClientConfigBuilder,
    server: &ServerConfigBuilder,
    session: &ClientSession,
) -> bool {
    let (client, server) = (client.clone().build(), server.clone().build());
    let pair = resuming(client.unwrap(), server.unwrap(), vec![session.clone()]);
    let (client, server) = pair.run();
    let resumed = [client, server].map(|end| end.unwrap().information.is_resumed());
    assert_eq!(resumed[0], resumed[1]);
    resumed[0]
}

/// The extensions of a client's first message.
fn hello_of(client: &ClientConfigBuilder, sessions: Vec<ClientSession>, at: UnixTime) -> Vec<u8> {
    let config = client.clone().build().unwrap();
    let mut client = Handshake::client_resuming(config, name(), sessions, at).unwrap();
    let mut message = Vec::new();
    let mut bytes = &transmitted(&mut client)[..];
    while let Some((header, rest)) = bytes.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let (content, rest) = rest.split_at(length);
        message.extend_from_slice(content);
        bytes = rest;
    }
    message
}

/// How many bytes of a ticket the client gives back.
fn offers(client: &ClientConfigBuilder, session: &ClientSession, at: UnixTime) -> usize {
    let hello = hello_of(client, vec![session.clone()], at);
    let mut length = 0;
    client_hello(&hello, |hello| {
        length = hello.extensions.body(E::SESSION_TICKET).len();
    });
    length
}

/// RFC 8446 §D.4: the random id of TLS 1.3's compatibility mode says nothing of a session.
#[test]
fn an_id_of_no_session_comes_back() {
    let id = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&id);
    let notes: Tamper = Box::new(move |raw| {
        if raw[0] == T::CLIENT_HELLO.0 {
            client_hello(raw, |hello| {
                *seen.lock().unwrap() = hello.session_id.clone()
            });
        }
        vec![Put::Message(raw.to_vec())]
    });
    let echoes = first(T::SERVER_HELLO, move |raw| {
        let id = id.lock().unwrap().clone();
        assert_eq!(id.len(), 32);
        vec![Put::Message(server_hello(raw, |hello| {
            hello.session_id = id;
        }))]
    });
    let mut server = Handshake::server(older_server().build().unwrap());
    server.tamper(echoes);
    let client = client().versions(BOTH).build().unwrap();
    let pair = Pair {
        client: Handshake::client_tampering(client, name(), Random::system(), notes),
        server,
        events: Vec::new(),
        client_sent: Vec::new(),
        server_sent: Vec::new(),
        delivered: Default::default(),
    };
    let error = refused(pair, By::Server);
    let expected = Violation::CompatibilitySessionIdEchoed;
    assert_eq!(error.violation(), Some(expected), "{error}");
    assert_eq!(error.stage(), Stage::WaitServerHello);
}

/// RFC 7627 §5.3: a session has it or has not, and so has whatever resumes it. `Off` at a server is
/// no fault of the client's: it gets a full handshake. s2n#3112: so does one whose ticket is of before
/// the server had it.
#[test]
fn extended_master_secret_of_session_and_connection() {
    const WHEN: [Ems; 3] = [Ems::Off, Ems::IfOffered, Ems::Required];
    for session_has in [false, true] {
        let (client, server) = tickets();
        let server = server.ticket_keys(ticket_keys());
        let session = session_of(
            &client,
            &server.clone().extended_master_secret(match session_has {
                true => Ems::IfOffered,
                false => Ems::Off,
            }),
        );
        for ours in WHEN {
            for theirs in WHEN {
                if (ours == Ems::Off) != (theirs == Ems::Off)
                    && [ours, theirs].contains(&Ems::Required)
                {
                    continue;
                }
                let client = client.clone().extended_master_secret(ours);
                let server = server.clone().extended_master_secret(theirs);
                let connection_has = ours != Ems::Off && theirs != Ems::Off;
                let what = format!("{session_has}, client {ours:?}, server {theirs:?}");
                // What must not be resumed is not offered either.
                let fits = match ours {
                    Ems::Off => !session_has,
                    Ems::IfOffered => true,
                    Ems::Required => session_has,
                };
                assert_eq!(offers(&client, &session, now()) > 0, fits, "{what}");
                let resumes = session_has == connection_has && fits;
                assert_eq!(is_resumed(&client, &server, &session), resumes, "{what}");
            }
        }
    }
}

#[test]
fn another_suite_identity_or_name() {
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let (client, server) = tickets();
    let session = session_of(&client, &server);
    assert!(is_resumed(&client, &server, &session));
    // wolfSSL#10582: on the path of the ticket, too. Either end without it, or the hello.
    let other = client.clone().cipher_suites([suite]);
    assert_eq!(offers(&other, &session, now()), 0);
    assert!(!is_resumed(
        &client,
        &server.clone().cipher_suites([suite]),
        &session
    ));
    // One whose signature would not be accepted now.
    let schemes = [crate::SignatureScheme::ED25519];
    let strict = client.clone().signature_schemes(schemes);
    assert_eq!(offers(&strict, &session, now()), 0);
    // Another server by name.
    let elsewhere = rustls_pki_types::ServerName::try_from("other.example").unwrap();
    let config = client.clone().build().unwrap();
    let mut nameless = Handshake::client_resuming(config, elsewhere, vec![session.clone()], now());
    assert!(transmitted(nameless.as_mut().unwrap()).len() < 300);
    // Other keys, and none.
    let other = server.clone().ticket_keys(ticket_keys());
    assert!(!is_resumed(&client, &other, &session));
    assert!(!is_resumed(&client, &older_server(), &session));
    // A server that would show another name (CVE-2025-23419).
    let wrong = server
        .clone()
        .clear_identities()
        .identity(super::super::attack::ed25519_identity().clone());
    let trusting = crate::config::ClientConfig::dangerous_builder_without_verification()
        .versions([ProtocolVersion::TLS_1_2])
        .session_tickets(true);
    let own = session_of(&trusting, &server);
    assert!(is_resumed(&trusting, &wrong, &own), "its name is the same");
    let client_like = wrong.clear_identities().identity(pki().client.clone());
    assert!(!is_resumed(&trusting, &client_like, &own));
}

/// A session has its suite for good (§7.4.1.3), and a full handshake would come to a better one: of the lists by which
/// the server chooses, its own or the client's. One of another kind of key is no better.
#[test]
fn a_better_suite_means_a_full_handshake() {
    use CipherSuite as C;
    let (with_128, with_256) = (
        C::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        C::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    );
    let (client, server) = tickets();
    for by_client in [true, false] {
        let server = server.clone().honor_cipher_order(!by_client);
        let session = session_of(&client.clone().cipher_suites([with_128]), &server);
        for (first, second) in [(with_128, with_256), (with_256, with_128)] {
            let of_rsa = C::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384;
            let (ours, theirs) = ([of_rsa, first, second], [with_256, with_128, of_rsa]);
            let lists = if by_client {
                (ours, theirs)
            } else {
                (theirs, ours)
            };
            let client = client.clone().cipher_suites(lists.0);
            let server = server.clone().cipher_suites(lists.1);
            assert!(offers(&client, &session, now()) > 0);
            let resumes = is_resumed(&client, &server, &session);
            assert_eq!(resumes, first == with_128, "{by_client}, {first}");
        }
    }
}

/// The suite of the session is not in this hello (§7.4.1.3).
#[test]
fn a_hello_without_the_suite_of_its_session() {
    let (client, server) = tickets();
    let session = session_of(&client, &server);
    let without = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.suites = vec![0xc02b];
        }))]
    });
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut pair = pair_resuming(client, server, vec![session], By::Client, without);
    talk(&mut pair);
    let ends = [pair.client, pair.server].map(|end| end.into_connection().unwrap());
    assert!(ends.iter().all(|end| !end.information.is_resumed()));
}

/// A session is of the version in which it began.
#[test]
fn tickets_of_another_version() {
    let keys = ticket_keys();
    let newer_server = || server().ticket_keys(keys.clone());
    let newer = client().session_tickets(true);
    let both = newer.clone().versions(BOTH);
    let (older, old_server) = (
        older_client().session_tickets(true),
        older_server().ticket_keys(keys.clone()),
    );
    let of_1_3 = {
        let (client, server) = (newer.clone().build(), newer_server().build());
        crate::testing::sessions_of(client.unwrap(), server.unwrap()).remove(0)
    };
    let of_1_2 = session_of(&older, &old_server);
    // A client of the one version does not offer what is of the other.
    assert_eq!(offers(&older, &of_1_3, now()), 0);
    let hello = hello_of(&newer, vec![of_1_2.clone()], now());
    let windows = hello.windows(of_1_2.ticket.len());
    assert_eq!(windows.filter(|bytes| **bytes == *of_1_2.ticket).count(), 0);
    // A client of both offers both, and the server takes what is of the version it chooses.
    let all = vec![of_1_3.clone(), of_1_2.clone()];
    for (server, version, resumed) in [
        (newer_server(), ProtocolVersion::TLS_1_3, true),
        (old_server.clone(), ProtocolVersion::TLS_1_2, true),
        (
            newer_server().versions(BOTH),
            ProtocolVersion::TLS_1_3,
            true,
        ),
    ] {
        let (client, server) = (both.clone().build(), server.build());
        let pair = resuming(client.unwrap(), server.unwrap(), all.clone());
        let (client, server) = pair.run();
        for end in [client.unwrap(), server.unwrap()] {
            assert_eq!(end.information.version(), version);
            assert_eq!(end.information.is_resumed(), resumed);
        }
    }
    // A ticket of TLS 1.3 in the extension of before, and the reverse: one that nobody knows.
    let swapped = first(T::CLIENT_HELLO, move |raw| {
        let ticket = of_1_3.ticket.clone();
        vec![Put::Message(client_hello(raw, |hello| {
            hello.extensions.set(E::SESSION_TICKET, ticket);
        }))]
    });
    let (client, server) = (older.build().unwrap(), old_server.build().unwrap());
    let mut pair = pair_resuming(client, server, Vec::new(), By::Client, swapped);
    talk(&mut pair);
    let ends = [pair.client, pair.server].map(|end| end.into_connection().unwrap());
    assert!(ends.iter().all(|end| !end.information.is_resumed()));
}

/// The reverse: it opens under the same keys, and is none of TLS 1.3.
#[test]
fn a_ticket_of_tls_1_2_as_a_pre_shared_key() {
    let keys = ticket_keys();
    let of_1_2 = session_of(
        &older_client().session_tickets(true),
        &older_server().ticket_keys(keys.clone()),
    );
    assert!(keys.open(&of_1_2.ticket, now()).is_some());
    let newer = client().session_tickets(true).build().unwrap();
    let server = server().ticket_keys(keys).build().unwrap();
    let mut session = crate::testing::sessions_of(newer.clone(), server.clone()).remove(0);
    session.ticket = of_1_2.ticket;
    let (client, server) = resuming(newer, server, vec![session]).run();
    assert!(!client.unwrap().information.is_resumed());
    assert!(!server.unwrap().information.is_resumed());
}

/// Two hours by a ticket of ours; a day by one of which the server says nothing; never more than
/// seven days since the server has signed, however often a ticket is renewed (s2n#5147).
#[test]
fn sessions_grow_old() {
    let (client, server) = tickets();
    let session = session_of(&client, &server);
    assert!(offers(&client, &session, later(7_199)) > 0);
    assert_eq!(offers(&client, &session, later(7_200)), 0);

    let (mut session, mut at) = (renewed(&client, &server, session, now()), now());
    assert!(offers(&client, &session, later(86_399)) > 0);
    assert_eq!(offers(&client, &session, later(86_400)), 0);
    let mut days = 0;
    while offers(&client, &session, at) > 0 {
        session = renewed(&client, &server, session, at);
        // The server's own ticket would be too old by then.
        days += 1;
        at = later(days * 86_000);
        assert!(days < 20, "it lives for ever");
    }
    assert_eq!(days, 8, "604,800 seconds");
}

/// The session with a ticket that a server sends while it resumes one. The ticket is the same: its
/// server opens it by a clock that stands still.
fn renewed(
    client: &ClientConfigBuilder,
    server: &ServerConfigBuilder,
    session: ClientSession,
    at: UnixTime,
) -> ClientSession {
    let ticket = session.ticket.clone();
    let renewing = first(T::SERVER_HELLO, move |raw| {
        let hello = server_hello(raw, |hello| hello.extensions.add(E::SESSION_TICKET, []));
        let length = (ticket.len() as u16).to_be_bytes();
        let body = [&[0; 4][..], &length, &ticket].concat();
        let ticket = message(T::NEW_SESSION_TICKET, &body);
        vec![Put::Message(hello), Put::Message(ticket)]
    });
    let (client, server) = (client.clone().build(), server.clone().build());
    let mut server = Handshake::server(server.unwrap());
    server.tamper(renewing);
    let sessions_offered = vec![session];
    let mut pair = Pair {
        client: Handshake::client_resuming(client.unwrap(), name(), sessions_offered, at).unwrap(),
        server,
        events: Vec::new(),
        client_sent: Vec::new(),
        server_sent: Vec::new(),
        delivered: Default::default(),
    };
    talk(&mut pair);
    let mut client = pair.client.into_connection().unwrap();
    assert!(client.information.is_resumed());
    assert_eq!(client.information.0.authenticated_at, now());
    let ticket = client.reader.take_ticket().unwrap();
    ticket.into_session(at)
}

/// Both ends of a connection that resumes the session, if they do, at another time.
fn coming_back(
    client: &ClientConfigBuilder,
    server: &ServerConfigBuilder,
    session: ClientSession,
    at: UnixTime,
) -> (Connection, Connection) {
    let (client, server) = (client.clone().build(), server.clone().build());
    let (client, mut server) = (client.unwrap(), Handshake::server(server.unwrap()));
    let mut client = Handshake::client_resuming(client, name(), vec![session], at).unwrap();
    loop {
        let said = transmitted(&mut client);
        if said.is_empty() {
            break;
        }
        server.receive(&said, at);
        client.receive(&transmitted(&mut server), at);
    }
    let ends = (client.into_connection(), server.into_connection());
    (ends.0.unwrap(), ends.1.unwrap())
}

/// RFC 5077 §3.3: a client that comes back by a ticket of which half is over gets another, so that it needs no full
/// handshake before it has to prove again who it is, after seven days. Go does so each time, and OpenSSL when it is told to.
#[test]
fn a_ticket_is_renewed_in_the_middle_of_its_life() {
    let (client, server) = both_authenticate();
    let client = client.session_tickets(true);
    let server = server.ticket_keys(ticket_keys());
    let mut session = session_of(&client, &server);
    let (mut early, _) = coming_back(&client, &server, session.clone(), later(3_599));
    assert!(early.information.is_resumed());
    assert!(early.reader.take_ticket().is_none());
    let mut at = 0;
    loop {
        at += 3_600;
        let (mut ours, theirs) = coming_back(&client, &server, session, later(at));
        let ends = [&ours.information, &theirs.information];
        let [resumed, same] = ends.map(|information| information.is_resumed());
        assert_eq!(resumed, same);
        session = ours.reader.take_ticket().unwrap().into_session(later(at));
        if !resumed {
            break;
        }
        assert!(
            ends.iter().all(|one| one.0.authenticated_at == now()),
            "{at}"
        );
        assert_eq!(ends[1].peer_certificates(), pki().client.chain());
        let left = Duration::from_secs(604_800 - at);
        assert_eq!(session.lifetime(), left.min(Duration::from_secs(7_200)));
    }
    assert_eq!(at, 604_800);

    // Nor does it when keys change.
    let keys = TicketKeys::rotating(Duration::from_secs(3_600)).unwrap();
    let server = server.ticket_keys(keys);
    let mut session = session_of(&client, &server);
    for round in 1..20 {
        let at = later(round * 2_000);
        let (mut ours, _) = coming_back(&client, &server, session, at);
        assert!(ours.information.is_resumed(), "{round}");
        session = ours.reader.take_ticket().unwrap().into_session(at);
    }
}

/// Somebody who is asked for tickets may keep what they stand for: not for whoever repeats a hello that he has seen.
#[test]
fn nobody_is_asked_for_a_ticket_before_the_client_has_answered() {
    let keys = ticket_keys();
    let client = older_client().session_tickets(true);
    let server = older_server().ticket_keys(keys.clone());
    let mut session = session_of(&client, &server);
    let bytes = keys.open(&session.ticket, now()).unwrap();
    let mut opened = ServerSession::from_bytes(&bytes).unwrap();
    opened.issued_at = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - 4_000));
    let sealed = keys.seal(&opened.to_bytes(), now(), &mut Random::system());
    session.ticket = sealed.unwrap().unwrap().into();
    for asks in [false, true] {
        let (client, server) = (client.clone(), server.clone().ask_tickets(asks));
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let (ours, theirs) = resuming(client, server, vec![session.clone()]).run();
        let (mut ours, theirs) = (ours.unwrap(), theirs.unwrap());
        assert!(theirs.information.is_resumed());
        assert_eq!(ours.reader.take_ticket().is_some(), !asks);
    }
}

/// What resumes, has proved who it is in the first handshake; a server that demands that takes no
/// session without it (Go CVE-2025-68121), and one that does not ask does not take it either.
#[test]
fn client_authentication_by_resumption() {
    let keys = ticket_keys();
    let (client, server) = both_authenticate();
    let client = client.session_tickets(true);
    let required = server.ticket_keys(keys.clone());
    let none = older_server().ticket_keys(keys.clone());
    let roots = || pki().roots.clone();
    let optional = none
        .clone()
        .client_authentication(ClientAuthentication::Optional(roots()));
    let with = session_of(&client, &required);
    let without = session_of(&older_client().session_tickets(true), &optional);
    assert!(is_resumed(&client, &required, &with));
    assert!(is_resumed(&client, &optional, &with));
    assert!(!is_resumed(&client, &none, &with));
    assert!(!is_resumed(&client, &required, &without));
    assert!(is_resumed(&client, &optional, &without));
    assert!(is_resumed(&client, &none, &without));
    // Roots that the chain does not lead to any more: the full handshake says so.
    let mut others = crate::x509::Roots::empty();
    others.add_der(pki().server.chain()[0].clone()).unwrap();
    let others = none.client_authentication(ClientAuthentication::Required(others));
    let (ours, theirs) = (client.build().unwrap(), others.build().unwrap());
    let (_, server) = resuming(ours, theirs, vec![with]).run();
    let error = server.unwrap_err();
    assert!(
        matches!(error.reason(), crate::Reason::Certificate(_)),
        "{error}"
    );
    let (client, server, session) = resumable();
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let (_, server) = talking(resuming(client, server, vec![session]));
    assert_eq!(server.information.peer_certificates(), pki().client.chain());
}

/// RFC 5077 §3.3: an empty one is none; one too long to be sent back is not kept.
#[test]
fn tickets_of_no_use() {
    let (client, server) = tickets();
    for (length, kept) in [(0, 0), (1, 1), (16_384, 1), (16_385, 0), (65_000, 0)] {
        let tamper = first(T::NEW_SESSION_TICKET, move |_| {
            let ticket = vec![7; usize::from(length)];
            let body = [&[0; 4][..], &u16::to_be_bytes(length), &ticket].concat();
            vec![Put::Message(message(T::NEW_SESSION_TICKET, &body))]
        });
        let (client, server) = (client.clone().build(), server.clone().build());
        let pair = pair_resuming(
            client.unwrap(),
            server.unwrap(),
            Vec::new(),
            By::Server,
            tamper,
        );
        let (client, _) = pair.run();
        assert_eq!(sessions(&mut client.unwrap()).len(), kept, "{length} bytes");
    }
}

/// All that a client may hold of both versions, in one hello.
#[test]
fn the_largest_tickets_of_both_versions_fit_into_a_hello() {
    let (client, server) = tickets();
    let mut of_1_2 = session_of(&client, &server);
    of_1_2.ticket = vec![7; 16_384].into();
    let newer = super::super::attack::client().session_tickets(true);
    let server = super::super::attack::server().ticket_keys(ticket_keys());
    let (config, server) = (newer.clone().build().unwrap(), server.build().unwrap());
    let mut of_1_3 = crate::testing::sessions_of(config, server);
    of_1_3.truncate(2);
    of_1_3[0].ticket = vec![8; 16_384].into();
    of_1_3[1].ticket = vec![9; 8_000].into();
    let names: Vec<_> = (0..70_u8).map(|at| vec![at; 200]).collect();
    let all = [vec![of_1_2], of_1_3].concat();
    let client = newer.versions(BOTH).alpn(&names);
    let hello = hello_of(&client, all, now());
    // There is room for one as long as can be, and for one of half that.
    let has = |byte: u8, length| {
        hello
            .windows(length)
            .any(|all| all.iter().all(|at| *at == byte))
    };
    assert!(has(7, 16_384) && !has(8, 16_384) && has(9, 8_000));
    assert!(crate::wire::ClientHello::decode(&hello[4..]).is_ok());
}

/// A peer whose Finished is wrong leaves no session (design: kept only when the handshake is over).
#[test]
fn no_session_of_a_handshake_that_failed() {
    let (client, server) = tickets();
    let wrong = first(T::FINISHED, |raw| {
        let mut raw = raw.to_vec();
        *raw.last_mut().unwrap() ^= 1;
        vec![Put::Message(raw)]
    });
    let asked = server.ask_tickets(true).build().unwrap();
    let mut pair = pair_resuming(
        client.build().unwrap(),
        asked,
        Vec::new(),
        By::Client,
        wrong,
    );
    let mut questions = 0;
    pair.turn(&mut |_, question| {
        questions += 1;
        Some(question.default_answer())
    });
    assert_eq!(questions, 0, "IssueTickets comes after Finished");
    let error = pair.server.poll().unwrap_err();
    assert_eq!(error.violation(), Some(Violation::FinishedMismatch));
    assert!(alert_seen_by(pair.client).is_some());
}

/// The session as bytes, under a name.
#[test]
fn a_store_gets_its_bytes_back() {
    let client = authenticated_client()
        .versions([ProtocolVersion::TLS_1_2])
        .session_tickets(true)
        .build()
        .unwrap();
    let server = authenticating_server()
        .versions([ProtocolVersion::TLS_1_2])
        .ask_tickets(true)
        .build()
        .unwrap();
    let mut kept = None;
    let pair = Pair::new(client.clone(), server.clone());
    let (first_client, _) = pair.run_answering(|_, question| {
        Some(match question {
            crate::question::Question::IssueTickets(question) => {
                kept = Some(question.sessions()[0].to_bytes());
                question.send(vec![b"a name".to_vec()])
            }
            other => other.default_answer(),
        })
    });
    let bytes = kept.unwrap();
    let session = sessions(&mut first_client.unwrap()).remove(0);
    assert_eq!(*session.ticket, *b"a name");
    for cut in 0..bytes.len() {
        assert!(ServerSession::from_bytes(&bytes[..cut]).is_err());
    }
    let pair = resuming(client, server, vec![session]);
    let (client, server) = pair.run_answering(|_, question| {
        Some(match question {
            crate::question::Question::OpenTickets(question) => {
                assert!(question.tickets().eq([b"a name"]));
                let session = ServerSession::from_bytes(&bytes).unwrap();
                question.resume(0, session)
            }
            other => other.default_answer(),
        })
    });
    assert!(client.unwrap().information.is_resumed());
    assert!(server.unwrap().information.is_resumed());
}
