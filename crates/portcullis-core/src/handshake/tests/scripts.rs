//! Scripts: which messages and answers lead both ends from which state to which; every row of TLS 1.3 is
//! in one.

use std::collections::BTreeSet;

use super::super::table::Row;
use super::super::{client as client_role, server as server_role};
use super::attack::{
    authenticated_client, authenticating_server, client, retrying_server, server, ticket_keys,
    unknown_session,
};
use super::early_data::accepting;
use super::states::resumable;
use super::tamper::{Tamper, one_message_per_record};
use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
use crate::crypto::random::Random;
use crate::question::{Answer, Question};
use crate::session::{AntiReplay, ClientSession};
use crate::testing::{answer, name, now, sessions_of};
use crate::wire::ContentType;
use crate::x509::CertificateError;
use crate::{AlertDescription, Direction, Event, Handshake, Step};

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

/// The same with a server that knows the key of no session any more, where it is asked.
pub(super) fn run_forgetting(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
) -> Scripts {
    run_answering(
        client,
        server,
        sessions,
        one_message_per_record(),
        |question| match question {
            Question::ChoosePsk(question) if question.is_resumption() => question.none(),
            Question::LookUpUser(question) if question.is_resumption() => question.unknown(),
            other => answer(other),
        },
    )
}

/// The same with a server that would not have the client of any session any more, where it is asked, but has it when it
/// comes without one.
pub(super) fn run_distrusting(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
) -> Scripts {
    run_answering(
        client,
        server,
        sessions,
        one_message_per_record(),
        |question| match question {
            Question::VerifyChain(question) if question.is_resumption() => {
                question.refuse(CertificateError::rejected(
                    AlertDescription::CERTIFICATE_UNKNOWN,
                    "not with a session",
                ))
            }
            other => answer(other),
        },
    )
}

/// The same with a server whose messages pass through `tamper`, which puts each into a record of
/// its own.
pub(super) fn run_tampering(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    tamper: Tamper,
) -> Scripts {
    run_answering(client, server, sessions, tamper, answer)
}

/// Accepts early data.
pub(super) fn accept(question: Question) -> Answer {
    match question {
        Question::ClaimEarlyData(question) => question.accept(),
        other => answer(other),
    }
}

/// The early data of [`run_with_early_data`].
const EARLY: &[u8] = b"early";

/// The same with early data, if a session allows it.
pub(super) fn run_with_early_data(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    answer: fn(Question) -> Answer,
) -> Scripts {
    let client = client.observe_messages(true).build().unwrap();
    let mut client = Handshake::client_with_early_data(client, name(), sessions, now()).unwrap();
    client.tamper(one_message_per_record());
    client.send(EARLY);
    run_both(client, server, one_message_per_record(), answer)
}

fn run_answering(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    tamper: Tamper,
    answer: fn(Question) -> Answer,
) -> Scripts {
    let client = client.observe_messages(true).build().unwrap();
    let client = Handshake::client_resuming_tampering(
        client,
        name(),
        sessions,
        Random::system(),
        one_message_per_record(),
    );
    run_both(client, server, tamper, answer)
}

fn run_both(
    mut client: Handshake,
    server: ServerConfigBuilder,
    tamper: Tamper,
    answer: fn(Question) -> Answer,
) -> Scripts {
    let mut server = Handshake::server(server.observe_messages(true).build().unwrap());
    server.tamper(tamper);
    let mut scripts = Scripts {
        client: Vec::new(),
        server: Vec::new(),
    };
    let mut to_server = feed(&mut client, &[], &mut scripts.client, answer);
    loop {
        let to_client = feed(&mut server, &to_server, &mut scripts.server, answer);
        to_server = feed(&mut client, &to_client, &mut scripts.client, answer);
        if to_server.is_empty() {
            return scripts;
        }
    }
}

/// Feeds the records one by one; gives what was sent meanwhile.
fn feed(
    end: &mut Handshake,
    mut bytes: &[u8],
    script: &mut Vec<String>,
    answer: fn(Question) -> Answer,
) -> Vec<u8> {
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
                    end.answer(answer(question), now()).unwrap();
                    script.push(format!("{before:?} ={kind}=> {:?}", end.stage()));
                }
                Step::Connected | Step::Wait { .. } => break,
                Step::Data(data) => panic!("data in a first handshake: {data:?}"),
                Step::EarlyData(data) => assert_eq!(data, EARLY),
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
        Question::VerifyRawKey(_) => "VerifyRawKey",
        Question::OpenTickets(_) => "OpenTickets",
        Question::IssueTickets(_) => "IssueTickets",
        Question::FindSession(_) => "FindSession",
        Question::KeepSession(_) => "KeepSession",
        Question::ChoosePsk(_) => "ChoosePsk",
        Question::LookUpUser(_) => "LookUpUser",
        Question::Decrypt(_) => "Decrypt",
        Question::ClaimEarlyData(_) => "ClaimEarlyData",
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

/// The server looks for the session, asks whether the early data was there before, and takes it.
const EARLY_SERVER: &[&str] = &[
    "WaitClientHello -client_hello-> OpeningTickets",
    "OpeningTickets =OpenTickets=> ClaimingEarlyData",
    "ClaimingEarlyData =ClaimEarlyData=> WaitEndOfEarlyData",
    "WaitEndOfEarlyData -end_of_early_data-> WaitFinished",
    "WaitFinished -finished-> IssuingTickets",
    "IssuingTickets =IssueTickets=> Connected",
];

#[test]
fn early_data_by_question() {
    let client = || client().session_tickets(true);
    let server = accepting(AntiReplay::asked()).ask_tickets(true);
    let sessions = sessions_of(client().build().unwrap(), server.clone().build().unwrap());
    let scripts = run_with_early_data(client(), server, sessions, accept);
    assert_eq!(scripts.server, EARLY_SERVER);
}

/// A server that looks keys up: for the session that it would resume, then for the key itself.
#[test]
fn keys_by_question() {
    use super::external_psk::{client, psk, server};
    let client = client().session_tickets(true).psk(psk());
    let server = server().ticket_keys(ticket_keys());
    let session = {
        let server = server.clone().psk(psk()).build().unwrap();
        sessions_of(client.clone().build().unwrap(), server).remove(0)
    };
    let server = server.psk(psk()).ask_psk(true);
    let scripts = run_forgetting(client, server, vec![session]);
    assert_eq!(scripts.client, KEY_CLIENT);
    assert_eq!(scripts.server, KEY_SERVER);
}

const KEY_CLIENT: [&str; 3] = [
    "WaitServerHello -server_hello-> WaitEncryptedExtensions",
    "WaitEncryptedExtensions -encrypted_extensions-> WaitFinished",
    "WaitFinished -finished-> Connected",
];

const KEY_SERVER: [&str; 4] = [
    "WaitClientHello -client_hello-> ReverifyingPsk",
    "ReverifyingPsk =ChoosePsk=> ChoosingPsk",
    "ChoosingPsk =ChoosePsk=> WaitFinished",
    "WaitFinished -finished-> Connected",
];

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
    let servers = [PLAIN_SERVER, ALL_SERVER, RESUMED_SERVER, EARLY_SERVER];
    let server = starts(&[&servers.concat()[..], &KEY_SERVER].concat());
    assert_eq!(server, rows(&server_role::State::rows()));
}
