//! Each row of both state tables: the messages and answers it takes, as scripts; and that it
//! takes no other message.

use std::collections::BTreeSet;

use super::super::table::{Kind, Row};
use super::super::{client as client_role, server as server_role};
use super::attack::{
    By, authenticated_client, authenticating_server, client, pair, pair_resuming, refused,
    retrying_server, server, ticket_keys, unknown_session,
};
use super::parts::{message, server_hello};
use super::tamper::{Put, Tamper, first, nth, one_message_per_record};
use crate::config::{ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder};
use crate::crypto::random::Random;
use crate::question::Question;
use crate::session::ClientSession;
use crate::testing::{answer, name, now, sessions_of};
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::{Direction, Event, Handshake, Reason, Stage, Step, Violation};

/// Both ends, one record at a time, and what led each from which state to which.
pub(super) struct Scripts {
    pub(super) client: Vec<String>,
    pub(super) server: Vec<String>,
}

fn run(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Scripts {
    run_resuming(client, server, Vec::new())
}

pub(super) fn run_resuming(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
) -> Scripts {
    run_tampering(client, server, sessions, one_message_per_record())
}

/// The same with a server whose messages pass through `tamper`, which puts each into a record of
/// its own.
pub(super) fn run_tampering(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    tamper: Tamper,
) -> Scripts {
    let client = client.observe_messages(true).build().unwrap();
    let mut server = Handshake::server(server.observe_messages(true).build().unwrap());
    server.tamper(tamper);
    let mut client = Handshake::client_resuming_tampering(
        client,
        name(),
        sessions,
        Random::system(),
        one_message_per_record(),
    );
    let mut scripts = Scripts {
        client: Vec::new(),
        server: Vec::new(),
    };
    let mut to_server = feed(&mut client, &[], &mut scripts.client);
    loop {
        let to_client = feed(&mut server, &to_server, &mut scripts.server);
        to_server = feed(&mut client, &to_client, &mut scripts.client);
        if to_server.is_empty() {
            return scripts;
        }
    }
}

/// Feeds the records one by one; gives what was sent meanwhile.
fn feed(end: &mut Handshake, mut bytes: &[u8], script: &mut Vec<String>) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut last = None;
    loop {
        let mut before = end.stage();
        // The stage at which the record came: nothing has looked at it yet.
        let came_at = before;
        let mut seen = false;
        loop {
            match end.poll().unwrap() {
                Step::Transmit(more) => sent.extend_from_slice(&more),
                Step::Event(Event::Message {
                    direction: Direction::Received,
                    typ,
                    ..
                }) => {
                    seen = true;
                    script.push(format!("{before:?} -{typ}-> {:?}", end.stage()));
                }
                Step::Event(_) => {}
                Step::Ask(question) => {
                    let kind = kind(&question);
                    before = end.stage();
                    end.answer(answer(*question), now()).unwrap();
                    script.push(format!("{before:?} ={kind}=> {:?}", end.stage()));
                }
                Step::Connected | Step::Wait { .. } => break,
                Step::Data(data) => panic!("data in a first handshake: {data:?}"),
            }
        }
        // Of the dummies of TLS 1.3 nothing comes.
        if last == Some(ContentType::CHANGE_CIPHER_SPEC) && !seen && end.stage() != came_at {
            script.push(format!(
                "{came_at:?} -change_cipher_spec-> {:?}",
                end.stage()
            ));
        }
        let Some(header) = bytes.first_chunk::<5>() else {
            return sent;
        };
        let length = 5 + usize::from(u16::from_be_bytes([header[3], header[4]]));
        let (record, rest) = bytes.split_at(length);
        last = Some(ContentType(header[0]));
        end.receive(record, now());
        bytes = rest;
    }
}

pub(super) fn kind(question: &Question) -> &'static str {
    match question {
        Question::ChooseConfiguration(_) => "ChooseConfiguration",
        Question::ReviewServerHello(_) => "ReviewServerHello",
        Question::ChooseIdentity(_) => "ChooseIdentity",
        Question::Sign(_) => "Sign",
        Question::VerifyChain(_) => "VerifyChain",
        Question::OpenTickets(_) => "OpenTickets",
        Question::IssueTickets(_) => "IssueTickets",
        Question::FindSession(_) => "FindSession",
        Question::KeepSession(_) => "KeepSession",
    }
}

fn all_asking() -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = authenticated_client()
        .session_tickets(true)
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    let server = authenticating_server()
        .groups([crate::NamedGroup::SECP256R1])
        .ticket_keys(ticket_keys())
        .ask_tickets(true)
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    (client, server)
}

const PLAIN_CLIENT: &[&str] = &[
    "WaitServerHello -server_hello-> WaitEncryptedExtensions",
    "WaitEncryptedExtensions -encrypted_extensions-> WaitCertificateOrRequest",
    "WaitCertificateOrRequest -certificate-> WaitCertificateVerify",
    "WaitCertificateVerify -certificate_verify-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const PLAIN_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const ALL_CLIENT: &[&str] = &[
    "WaitServerHello -server_hello-> WaitServerHello",
    "WaitServerHello -server_hello-> ReviewingServerHello",
    "ReviewingServerHello =ReviewServerHello=> WaitEncryptedExtensions",
    "WaitEncryptedExtensions -encrypted_extensions-> WaitCertificateOrRequest",
    "WaitCertificateOrRequest -certificate_request-> WaitCertificate",
    "WaitCertificate -certificate-> VerifyingChain",
    "VerifyingChain =VerifyChain=> WaitCertificateVerify",
    "WaitCertificateVerify -certificate_verify-> WaitFinished",
    "WaitFinished -finished-> ChoosingIdentity",
    "ChoosingIdentity =ChooseIdentity=> Signing",
    "Signing =Sign=> Connected",
];

const ALL_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> ChoosingConfiguration",
    "ChoosingConfiguration =ChooseConfiguration=> WaitSecondClientHello",
    "WaitSecondClientHello -client_hello-> OpeningTickets",
    "OpeningTickets =OpenTickets=> ChoosingIdentity",
    "ChoosingIdentity =ChooseIdentity=> Signing",
    "Signing =Sign=> WaitCertificate",
    "WaitCertificate -certificate-> VerifyingChain",
    "VerifyingChain =VerifyChain=> WaitCertificateVerify",
    "WaitCertificateVerify -certificate_verify-> WaitFinished",
    "WaitFinished -finished-> IssuingTickets",
    "IssuingTickets =IssueTickets=> Connected",
];

#[test]
fn the_shortest_way() {
    let scripts = run(client(), server());
    assert_eq!(scripts.client, PLAIN_CLIENT);
    assert_eq!(scripts.server, PLAIN_SERVER);
}

#[test]
fn the_longest_way() {
    let (client, server) = all_asking();
    let scripts = run_resuming(client, server, vec![unknown_session()]);
    assert_eq!(scripts.client, ALL_CLIENT);
    assert_eq!(scripts.server, ALL_SERVER);
}

#[test]
fn the_resumed_way() {
    let (client, server, session) = resumable();
    let (client, server) = (client.to_builder(), server.to_builder());
    let scripts = run_resuming(client.clone(), server.clone(), vec![session.clone()]);
    assert_eq!(
        scripts.client,
        [
            "WaitServerHello -server_hello-> WaitEncryptedExtensions",
            "WaitEncryptedExtensions -encrypted_extensions-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    assert_eq!(
        scripts.server,
        [
            "WaitClientHello -client_hello-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    let scripts = run_resuming(
        client
            .pause_at_hello(true)
            .ask_verification(true)
            .ask_identity(true),
        server
            .groups([crate::NamedGroup::SECP256R1])
            .pause_at_hello(true)
            .ask_identity(true)
            .ask_signature(true)
            .ask_tickets(true),
        vec![session],
    );
    assert_eq!(
        scripts.client,
        [
            "WaitServerHello -server_hello-> WaitServerHello",
            "WaitServerHello -server_hello-> ReviewingServerHello",
            "ReviewingServerHello =ReviewServerHello=> WaitEncryptedExtensions",
            "WaitEncryptedExtensions -encrypted_extensions-> VerifyingChain",
            "VerifyingChain =VerifyChain=> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    assert_eq!(
        scripts.server,
        [
            "WaitClientHello -client_hello-> ChoosingConfiguration",
            "ChoosingConfiguration =ChooseConfiguration=> WaitSecondClientHello",
            "WaitSecondClientHello -client_hello-> OpeningTickets",
            "OpeningTickets =OpenTickets=> ChoosingIdentity",
            "ChoosingIdentity =ChooseIdentity=> WaitFinished",
            "WaitFinished -finished-> IssuingTickets",
            "IssuingTickets =IssueTickets=> Connected",
        ]
    );
}

#[test]
fn ways_in_between() {
    let scripts = run(authenticated_client(), authenticating_server());
    assert_eq!(
        scripts.client[1..],
        [
            "WaitEncryptedExtensions -encrypted_extensions-> WaitCertificateOrRequest",
            "WaitCertificateOrRequest -certificate_request-> WaitCertificate",
            "WaitCertificate -certificate-> WaitCertificateVerify",
            "WaitCertificateVerify -certificate_verify-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    assert_eq!(
        scripts.server,
        [
            "WaitClientHello -client_hello-> WaitCertificate",
            "WaitCertificate -certificate-> WaitCertificateVerify",
            "WaitCertificateVerify -certificate_verify-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    // A client without a certificate sends an empty list and no CertificateVerify.
    let roots = crate::testing::pki().roots.clone();
    let optional =
        server().client_authentication(crate::config::ClientAuthentication::Optional(roots));
    assert_eq!(
        run(client(), optional).server,
        [
            "WaitClientHello -client_hello-> WaitCertificate",
            "WaitCertificate -certificate-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    let scripts = run(client(), retrying_server());
    assert_eq!(
        scripts.client[0],
        "WaitServerHello -server_hello-> WaitServerHello"
    );
    assert_eq!(
        scripts.server,
        [
            "WaitClientHello -client_hello-> WaitSecondClientHello",
            "WaitSecondClientHello -client_hello-> WaitFinished",
            "WaitFinished -finished-> Connected",
        ]
    );
    let scripts = run(client().ask_verification(true), server().ask_identity(true));
    assert_eq!(
        scripts.client[2..4],
        [
            "WaitCertificateOrRequest -certificate-> VerifyingChain",
            "VerifyingChain =VerifyChain=> WaitCertificateVerify",
        ]
    );
    assert_eq!(
        scripts.server[..2],
        [
            "WaitClientHello -client_hello-> ChoosingIdentity",
            "ChoosingIdentity =ChooseIdentity=> WaitFinished",
        ]
    );
}

/// The server looks for the session, and somebody judges the client's chain in it.
const RESUMED_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> OpeningTickets",
    "OpeningTickets =OpenTickets=> ReverifyingChain",
    "ReverifyingChain =VerifyChain=> WaitFinished",
    "WaitFinished -finished-> IssuingTickets",
    "IssuingTickets =IssueTickets=> Connected",
];

#[test]
fn the_client_of_a_session_by_question() {
    let client = || authenticated_client().session_tickets(true);
    let server = authenticating_server()
        .ticket_keys(ticket_keys())
        .ask_tickets(true)
        .ask_verification(true);
    let sessions = sessions_of(client().build().unwrap(), server.clone().build().unwrap());
    assert_eq!(
        run_resuming(client(), server, sessions).server,
        RESUMED_SERVER
    );
}

#[test]
fn every_row_is_in_a_script() {
    let starts = |scripts: &[&str]| -> BTreeSet<String> {
        let first = |line: &&str| line.split(' ').next().unwrap().to_owned();
        scripts.iter().map(first).collect()
    };
    let rows = |rows: &[Row]| -> BTreeSet<String> {
        let rows = rows.iter().filter(|row| row.version != "Tls12");
        rows.map(|row| format!("{:?}", row.stage)).collect()
    };
    let client = starts(&[PLAIN_CLIENT, ALL_CLIENT].concat());
    assert_eq!(client, rows(&client_role::State::rows()));
    let server = starts(&[PLAIN_SERVER, ALL_SERVER, RESUMED_SERVER].concat());
    assert_eq!(server, rows(&server_role::State::rows()));
}

/// A state that waits, which message is due there, and which others are fine as well.
struct Due {
    by: By,
    stage: Stage,
    typ: T,
    nth: u8,
    others: &'static [T],
    retry: bool,
    resumed: bool,
}

const fn due(by: By, stage: Stage, typ: T) -> Due {
    Due {
        by,
        stage,
        typ,
        nth: 1,
        others: &[],
        retry: false,
        resumed: false,
    }
}

const DUE: &[Due] = &[
    due(By::Server, Stage::WaitServerHello, T::SERVER_HELLO),
    Due {
        nth: 2,
        retry: true,
        ..due(By::Server, Stage::WaitServerHello, T::SERVER_HELLO)
    },
    due(
        By::Server,
        Stage::WaitEncryptedExtensions,
        T::ENCRYPTED_EXTENSIONS,
    ),
    Due {
        others: &[T::CERTIFICATE],
        ..due(
            By::Server,
            Stage::WaitCertificateOrRequest,
            T::CERTIFICATE_REQUEST,
        )
    },
    due(By::Server, Stage::WaitCertificate, T::CERTIFICATE),
    due(
        By::Server,
        Stage::WaitCertificateVerify,
        T::CERTIFICATE_VERIFY,
    ),
    due(By::Server, Stage::WaitFinished, T::FINISHED),
    due(By::Client, Stage::WaitClientHello, T::CLIENT_HELLO),
    Due {
        nth: 2,
        retry: true,
        ..due(By::Client, Stage::WaitSecondClientHello, T::CLIENT_HELLO)
    },
    due(By::Client, Stage::WaitCertificate, T::CERTIFICATE),
    due(
        By::Client,
        Stage::WaitCertificateVerify,
        T::CERTIFICATE_VERIFY,
    ),
    due(By::Client, Stage::WaitFinished, T::FINISHED),
    Due {
        resumed: true,
        ..due(
            By::Server,
            Stage::WaitEncryptedExtensions,
            T::ENCRYPTED_EXTENSIONS,
        )
    },
    Due {
        resumed: true,
        ..due(By::Server, Stage::WaitFinished, T::FINISHED)
    },
    Due {
        resumed: true,
        ..due(By::Client, Stage::WaitFinished, T::FINISHED)
    },
];

/// Two ends that authenticate each other and would resume, and a session of theirs.
fn resumable() -> (ClientConfig, ServerConfig, ClientSession) {
    let client = authenticated_client().session_tickets(true);
    let server = authenticating_server().ticket_keys(ticket_keys());
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let session = sessions_of(client.clone(), server.clone()).remove(0);
    (client, server, session)
}

/// A message of each type, well-formed: those of a handshake as they were there.
fn well_formed() -> Vec<Vec<u8>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let record = || -> Tamper {
        let sender = sender.clone();
        Box::new(move |raw| {
            sender.send(raw.to_vec()).unwrap();
            vec![Put::Message(raw.to_vec())]
        })
    };
    let client = authenticated_client().build().unwrap();
    let server = authenticating_server().build().unwrap();
    let mut pair = pair(client, server, By::Client, record());
    pair.server.tamper(record());
    super::attack::talk(&mut pair);
    drop(pair);
    let mut messages: Vec<Vec<u8>> = receiver.try_iter().collect();
    let crafted = |typ| match typ {
        T::KEY_UPDATE => vec![0],
        T::MESSAGE_HASH => vec![0; 32],
        T::NEW_SESSION_TICKET => [&[0; 8][..], &[0, 0, 1, 7, 0, 0]].concat(),
        _ => Vec::new(),
    };
    for typ in (0..=255).map(T) {
        let unknown = matches!(typ.0, 7 | 99 | 200 | 255);
        if (typ.name().is_some() || unknown) && messages.iter().all(|raw| raw[0] != typ.0) {
            messages.push(message(typ, &crafted(typ)));
        }
    }
    messages
}

#[test]
fn any_other_message_is_refused() {
    let messages = well_formed();
    let (resuming_client, resuming_server, session) = resumable();
    for due in DUE {
        for instead in &messages {
            let typ = T(instead[0]);
            if typ == due.typ || due.others.contains(&typ) {
                continue;
            }
            let message = instead.clone();
            let tamper = nth(due.nth, due.typ, move |_| {
                vec![Put::Message(message.clone())]
            });
            let pair = if due.resumed {
                let (client, server) = (resuming_client.clone(), resuming_server.clone());
                pair_resuming(client, server, vec![session.clone()], due.by, tamper)
            } else {
                let client = authenticated_client().build().unwrap();
                let server = match due.retry {
                    true => authenticating_server().groups([crate::NamedGroup::SECP256R1]),
                    false => authenticating_server(),
                };
                pair(client, server.build().unwrap(), due.by, tamper)
            };
            let error = refused(pair, due.by);
            assert_eq!(error.stage(), due.stage, "{error}");
            match (error.reason(), typ.name()) {
                (Reason::Unexpected { seen, .. }, Some(name)) => assert_eq!(*seen, name),
                (Reason::Violation(Violation::UnknownHandshakeType), None) => {}
                _ => panic!("{typ} in {:?}: {error}", due.stage),
            }
        }
    }
}

#[test]
fn every_waiting_row_refuses() {
    for (by, rows) in [
        (By::Server, client_role::State::rows()),
        (By::Client, server_role::State::rows()),
    ] {
        for row in rows.iter().filter(|row| row.version != "Tls12") {
            let there = DUE.iter().any(|due| due.by == by && due.stage == row.stage);
            assert_eq!(there, row.kind == Kind::Waits, "{:?}", row.stage);
        }
    }
}

/// Refused by the state, or already by the records because the keys have changed.
fn out_of_order(by: By, tamper: Tamper) -> Violation {
    let client = authenticated_client().build().unwrap();
    let server = authenticating_server().build().unwrap();
    refused(pair(client, server, by, tamper), by)
        .violation()
        .unwrap()
}

#[test]
fn messages_that_come_twice() {
    let twice = |typ| {
        first(typ, |raw| {
            vec![Put::Message(raw.to_vec()), Put::Unhashed(raw.to_vec())]
        })
    };
    let again = |typ| {
        first(typ, |raw| {
            vec![
                Put::Message(raw.to_vec()),
                Put::Cut,
                Put::Unhashed(raw.to_vec()),
            ]
        })
    };
    for (by, typ) in [(By::Client, T::CLIENT_HELLO), (By::Server, T::SERVER_HELLO)] {
        // The keys change after a hello: what follows it is in the clear where nothing may be.
        assert_eq!(
            out_of_order(by, twice(typ)),
            Violation::MessageSpansKeyChange
        );
        assert_eq!(out_of_order(by, again(typ)), Violation::UnprotectedRecord);
    }
    for typ in [
        T::ENCRYPTED_EXTENSIONS,
        T::CERTIFICATE_REQUEST,
        T::CERTIFICATE,
        T::CERTIFICATE_VERIFY,
    ] {
        assert_eq!(
            out_of_order(By::Server, twice(typ)),
            Violation::UnexpectedMessage
        );
    }
    for typ in [T::CERTIFICATE, T::CERTIFICATE_VERIFY] {
        assert_eq!(
            out_of_order(By::Client, twice(typ)),
            Violation::UnexpectedMessage
        );
    }
    for by in [By::Client, By::Server] {
        assert_eq!(
            out_of_order(by, twice(T::FINISHED)),
            Violation::MessageSpansKeyChange
        );
    }
}

#[test]
fn messages_that_are_skipped() {
    let skip = |typ| first(typ, |_| Vec::new());
    for typ in [
        T::ENCRYPTED_EXTENSIONS,
        T::CERTIFICATE,
        T::CERTIFICATE_VERIFY,
    ] {
        assert_eq!(
            out_of_order(By::Server, skip(typ)),
            Violation::UnexpectedMessage
        );
    }
    for typ in [T::CERTIFICATE, T::CERTIFICATE_VERIFY] {
        assert_eq!(
            out_of_order(By::Client, skip(typ)),
            Violation::UnexpectedMessage
        );
    }
    // Data in the place of Finished, under the keys of the handshake.
    let data = || Put::Record(ContentType::APPLICATION_DATA, b"data".to_vec());
    for by in [By::Client, By::Server] {
        let tamper = first(T::FINISHED, move |_| vec![data()]);
        assert_eq!(out_of_order(by, tamper), Violation::ApplicationDataTooEarly);
    }
}

/// §4.3.2, §4.4.2: who resumes has no certificates to show, to ask for, or to prove.
#[test]
fn messages_out_of_place_in_a_resumed_handshake() {
    let (client, server, session) = resumable();
    let refused = |by, tamper| {
        let (client, server) = (client.clone(), server.clone());
        let error = refused(
            pair_resuming(client, server, vec![session.clone()], by, tamper),
            by,
        );
        (error.violation().unwrap(), error.stage())
    };
    let before = |typ, raw: Vec<u8>| {
        first(typ, move |due| {
            vec![Put::Message(raw.clone()), Put::Message(due.to_vec())]
        })
    };
    let messages = well_formed();
    let of_type = |typ: T| messages.iter().find(|raw| raw[0] == typ.0).unwrap().clone();
    for typ in [
        T::CERTIFICATE_REQUEST,
        T::CERTIFICATE,
        T::CERTIFICATE_VERIFY,
        T::END_OF_EARLY_DATA,
        T::NEW_SESSION_TICKET,
    ] {
        let due = (Violation::UnexpectedMessage, Stage::WaitFinished);
        for by in [By::Server, By::Client] {
            assert_eq!(refused(by, before(T::FINISHED, of_type(typ))), due, "{typ}");
        }
        let due = (Violation::UnexpectedMessage, Stage::WaitEncryptedExtensions);
        let tamper = before(T::ENCRYPTED_EXTENSIONS, of_type(typ));
        assert_eq!(refused(By::Server, tamper), due, "{typ}");
    }
    assert_eq!(
        refused(By::Server, first(T::ENCRYPTED_EXTENSIONS, |_| Vec::new())),
        (Violation::UnexpectedMessage, Stage::WaitEncryptedExtensions)
    );
    for by in [By::Server, By::Client] {
        let wrong = first(T::FINISHED, |raw| {
            let mut raw = raw.to_vec();
            *raw.last_mut().unwrap() ^= 1;
            vec![Put::Message(raw)]
        });
        let due = (Violation::FinishedMismatch, Stage::WaitFinished);
        assert_eq!(refused(by, wrong), due);
    }
}

/// A server that resumes without saying so, or says so and does not, has other keys than its peer.
#[test]
fn resumption_is_in_the_keys() {
    let (client, server, session) = resumable();
    let silent = first(T::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.remove(E::PRE_SHARED_KEY)
        }))]
    });
    let other = authenticating_server().build().unwrap();
    let pretends = first(T::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.add(E::PRE_SHARED_KEY, [0, 0])
        }))]
    });
    for (server, tamper) in [(server, silent), (other, pretends)] {
        let sessions = vec![session.clone()];
        let mut pair = pair_resuming(client.clone(), server, sessions, By::Server, tamper);
        super::attack::talk(&mut pair);
        let error = pair.client.poll().unwrap_err();
        assert_eq!(error.violation(), Some(Violation::BadRecordMac));
        assert_eq!(error.stage(), Stage::WaitEncryptedExtensions);
    }
}

/// Under the keys of the application, while the other end still waits for Finished.
#[test]
fn data_without_finished_does_not_open() {
    let client = client().build().unwrap();
    let server = server().build().unwrap();
    let skip = first(T::FINISHED, |_| Vec::new());
    let mut pair = pair(client, server, By::Client, skip);
    super::attack::talk(&mut pair);
    assert_eq!(pair.client.stage(), Stage::Connected);
    assert_eq!(pair.server.stage(), Stage::WaitFinished);
    pair.client.put(&Put::Record(
        ContentType::APPLICATION_DATA,
        b"data".to_vec(),
    ));
    let error = refused(pair, By::Client);
    assert_eq!(error.violation(), Some(Violation::BadRecordMac));
}
