//! Each question: answered yes, no, late, never, or by somebody else.

mod another_configuration;
mod answers;
mod sessions;

use std::sync::OnceLock;

use super::attack::{
    alert_seen_by, authenticated_client, authenticating_server, read_all, resuming_client, server,
    ticket_keys, transmitted, unknown_session,
};
use super::early_data::{accepting, sending};
use super::scripts::kind;
use super::tls12::{ECDHE_PSK, PSK, ends as ends_of};
use crate::config::{ClientConfig, ServerConfig};
use crate::question::{Answer, Question};
use crate::session::{AntiReplay, ClientSession};
use crate::testing::{Pair, now, resuming, sessions_of};
use crate::x509::CertificateError;
use crate::{
    AlertDescription, Direction, Error, ProtocolVersion, Reason, Refusal, Stage, Step, Violation,
};

/// Who asks what, and in which state it waits for the answer.
const QUESTIONS: &[(bool, &str, Stage)] = &[
    (true, "ChooseConfiguration", Stage::ChoosingConfiguration),
    (true, "OpenTickets", Stage::OpeningTickets),
    (true, "ChooseIdentity", Stage::ChoosingIdentity),
    (true, "Sign", Stage::Signing),
    (false, "ReviewServerHello", Stage::ReviewingServerHello),
    (false, "VerifyChain", Stage::VerifyingChain),
    (false, "ChooseIdentity", Stage::ChoosingIdentity),
    (false, "Sign", Stage::Signing),
    (true, "VerifyChain", Stage::VerifyingChain),
    (true, "IssueTickets", Stage::IssuingTickets),
];

/// The same of a server that keeps sessions by their ids, which only one of before TLS 1.3 does.
const QUESTIONS_OF_IDS: &[(bool, &str, Stage)] = &[
    (true, "FindSession", Stage::FindingSession),
    (true, "KeepSession", Stage::KeepingSession),
];

/// The same of ends that share a key, and resume what began with one that nobody knows any more.
const QUESTIONS_OF_KEYS: &[(bool, &str, Stage)] = &[
    (false, "ChoosePsk", Stage::ChoosingPsk),
    (true, "ChoosePsk", Stage::ChoosingPsk),
];

const QUESTIONS_OF_KEPT_KEYS: &[(bool, &str, Stage)] =
    &[(true, "ChoosePsk", Stage::ReverifyingPsk)];

/// The same of ends that show raw public keys.
const QUESTIONS_OF_RAW_KEYS: &[(bool, &str, Stage)] = &[
    (false, "VerifyRawKey", Stage::VerifyingChain),
    (true, "VerifyRawKey", Stage::VerifyingChain),
];

/// The same where the server's key, which is elsewhere, decrypts; with a shared key, too.
#[cfg(feature = "ffi")]
const QUESTIONS_OF_DECRYPTION: &[(bool, &str, Stage)] = &[(true, "Decrypt", Stage::Decrypting)];

pub(super) use sessions::{names, opening, stored};

/// What is no record.
const JUNK: [u8; 7] = [99; 7];

/// Of each version.
const ASKING: [fn() -> Pair; 2] = [asking, asking_before_tls13];

/// The same for each version.
pub(super) fn questions() -> impl Iterator<Item = (fn() -> Pair, bool, &'static str, Stage)> {
    type Asking = (fn() -> Pair, &'static [(bool, &'static str, Stage)]);
    let versions: &'static [Asking] = &[
        (asking, QUESTIONS),
        (asking_before_tls13, QUESTIONS),
        (asking_of_ids, QUESTIONS_OF_IDS),
        (asking_of_raw_keys, QUESTIONS_OF_RAW_KEYS),
        (asking_of_raw_keys_before_tls13, QUESTIONS_OF_RAW_KEYS),
        (asking_of_keys, QUESTIONS_OF_KEYS),
        (
            asking_of_early_data,
            &[(true, "ClaimEarlyData", Stage::ClaimingEarlyData)],
        ),
        (asking_of_kept_keys, QUESTIONS_OF_KEPT_KEYS),
        #[cfg(feature = "finite-field")]
        (
            asking_of_users,
            &[(true, "LookUpUser", Stage::LookingUpUser)],
        ),
        #[cfg(feature = "finite-field")]
        (
            asking_of_kept_users,
            &[(true, "LookUpUser", Stage::ReverifyingUser)],
        ),
        #[cfg(feature = "ffi")]
        (asking_of_decryption, QUESTIONS_OF_DECRYPTION),
        #[cfg(feature = "ffi")]
        (asking_of_both_kinds_of_keys, QUESTIONS_OF_DECRYPTION),
    ];
    let of = |&(asking, questions): &'static Asking| {
        let questions = questions.iter();
        questions.map(move |&(of_server, kind, stage)| (asking, of_server, kind, stage))
    };
    versions.iter().flat_map(of)
}

/// Whether early data was there before.
fn asking_of_early_data() -> Pair {
    let server = accepting(AntiReplay::asked());
    sending(resuming_client(), server, b"early")
}

/// Before TLS 1.3, by an id that nobody knows.
fn asking_of_ids() -> Pair {
    static SESSION: OnceLock<ClientSession> = OnceLock::new();
    let version = ProtocolVersion::TLS_1_2;
    let client = resuming_client().versions([version]).build().unwrap();
    let server = server().versions([version]).ask_sessions(true);
    let server = server.build().unwrap();
    let session = SESSION.get_or_init(|| sessions_of(client.clone(), server.clone()).remove(0));
    resuming(client, server, vec![session.clone()])
}

/// Whose keys the ends show.
fn asking_of_raw_keys() -> Pair {
    raw_keys_in(ProtocolVersion::TLS_1_3)
}

fn asking_of_raw_keys_before_tls13() -> Pair {
    raw_keys_in(ProtocolVersion::TLS_1_2)
}

fn raw_keys_in(version: ProtocolVersion) -> Pair {
    let (client, server) = super::raw_keys::ends(version);
    let server = server.to_builder().resumption(false);
    Pair::new(client, server.build().unwrap())
}

/// Which key both ends share.
fn asking_of_keys() -> Pair {
    let (client, server) = ends_of(ECDHE_PSK);
    let (client, server) = (client.ask_psk(true), server.ask_psk(true));
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

/// Of a session, which began with it.
fn asking_of_kept_keys() -> Pair {
    static ENDS: OnceLock<(ClientConfig, ServerConfig, ClientSession)> = OnceLock::new();
    let ends = ENDS.get_or_init(|| {
        let (client, server) = ends_of(PSK);
        let client = client.session_tickets(true).build().unwrap();
        let server = server.ticket_keys(ticket_keys()).ask_psk(true);
        let server = server.build().unwrap();
        let session = sessions_of(client.clone(), server.clone()).remove(0);
        (client, server, session)
    });
    let (client, server, session) = ends.clone();
    resuming(client, server, vec![session])
}

/// What is known of whoever logs in.
#[cfg(feature = "finite-field")]
fn asking_of_users() -> Pair {
    use super::tls12::user::{SRP, client, server};
    let server = server(&[SRP]).ask_user(true);
    Pair::new(client(&[SRP]).build().unwrap(), server.build().unwrap())
}

/// Of a session, in which somebody had logged in.
#[cfg(feature = "finite-field")]
fn asking_of_kept_users() -> Pair {
    use super::tls12::user::{SRP, client, server};
    static ENDS: OnceLock<(ClientConfig, ServerConfig, ClientSession)> = OnceLock::new();
    let ends = ENDS.get_or_init(|| {
        let client = client(&[SRP]).session_tickets(true).build().unwrap();
        let server = server(&[SRP]).ticket_keys(ticket_keys()).ask_user(true);
        let server = server.build().unwrap();
        let session = sessions_of(client.clone(), server.clone()).remove(0);
        (client, server, session)
    });
    let (client, server, session) = ends.clone();
    resuming(client, server, vec![session])
}

/// What the client has encrypted. The key is here, and is asked for all the same.
#[cfg(feature = "ffi")]
fn asking_of_decryption() -> Pair {
    use super::tls12::rsa;
    let server = rsa::server().ask_signature(true);
    Pair::new(rsa::client().build().unwrap(), server.build().unwrap())
}

#[cfg(feature = "ffi")]
fn asking_of_both_kinds_of_keys() -> Pair {
    let (client, server) = super::tls12::rsa_psk::ends();
    let server = server.ask_signature(true).ask_psk(true);
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

/// Both ends ask everything.
fn asking() -> Pair {
    asking_in(ProtocolVersion::TLS_1_3, unknown_session())
}

/// The same before TLS 1.3.
fn asking_before_tls13() -> Pair {
    static SESSION: OnceLock<ClientSession> = OnceLock::new();
    let version = ProtocolVersion::TLS_1_2;
    let session = SESSION.get_or_init(|| {
        let server = server().versions([version]).ticket_keys(ticket_keys());
        let client = resuming_client().versions([version]).build().unwrap();
        sessions_of(client, server.build().unwrap()).remove(0)
    });
    asking_in(version, session.clone())
}

fn asking_in(version: ProtocolVersion, session: ClientSession) -> Pair {
    let client = authenticated_client()
        .versions([version])
        .session_tickets(true)
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    let server = authenticating_server()
        .versions([version])
        .ask_tickets(true)
        .pause_at_hello(true)
        .ask_identity(true)
        .ask_signature(true)
        .ask_verification(true);
    resuming(
        client.build().unwrap(),
        server.build().unwrap(),
        vec![session],
    )
}

/// Runs until this question is asked.
pub(super) fn until(pair: &mut Pair, of_server: bool, wanted: &str) -> Question {
    let mut asked = None;
    pair.turn(&mut |is_server, question| {
        if asked.is_none() && is_server == of_server && kind(&question) == wanted {
            asked = Some(question);
            return None;
        }
        // The other end may have questions of its own meanwhile.
        assert!(
            asked.is_none() || is_server != of_server,
            "one question at a time"
        );
        Some(question.default_answer())
    });
    asked.unwrap()
}

/// The end that asks, and the other one.
fn ends(pair: Pair, of_server: bool) -> (crate::Handshake, crate::Handshake) {
    if of_server {
        (pair.server, pair.client)
    } else {
        (pair.client, pair.server)
    }
}

fn asker(pair: &mut Pair, of_server: bool) -> &mut crate::Handshake {
    if of_server {
        &mut pair.server
    } else {
        &mut pair.client
    }
}

/// Gives the answer and lets both ends talk; gives the error of the end that had asked.
pub(super) fn ended_by(answer: Answer, mut pair: Pair, of_server: bool) -> Error {
    asker(&mut pair, of_server).answer(answer, now()).unwrap();
    pair.turn(&mut |_, question| Some(question.default_answer()));
    let (mut asker, other) = ends(pair, of_server);
    let error = asker.poll().unwrap_err();
    let Some((Direction::Sent, alert)) = error.alert() else {
        panic!("no alert was sent: {error}");
    };
    assert_eq!(alert_seen_by(other), Some(alert));
    error
}

pub(super) fn connects(mut pair: Pair) {
    pair.turn(&mut |_, question| Some(question.default_answer()));
    assert_eq!(pair.client.stage(), Stage::Connected);
    assert_eq!(pair.server.stage(), Stage::Connected);
}

fn refuse(question: Question) -> Answer {
    let refusal = Refusal::new(AlertDescription::ACCESS_DENIED, "not today");
    match question {
        Question::ChooseConfiguration(question) => question.refuse(refusal),
        Question::ReviewServerHello(question) => question.refuse(refusal),
        Question::ChooseIdentity(question) => question.refuse(refusal),
        Question::Sign(question) => question.refuse(refusal),
        Question::OpenTickets(question) => question.refuse(refusal),
        Question::IssueTickets(question) => question.refuse(refusal),
        Question::FindSession(question) => question.refuse(refusal),
        Question::KeepSession(question) => question.refuse(refusal),
        Question::ChoosePsk(question) => question.refuse(refusal),
        Question::LookUpUser(question) => question.refuse(refusal),
        Question::Decrypt(question) => question.refuse(refusal),
        Question::ClaimEarlyData(question) => question.refuse(refusal),
        Question::VerifyChain(question) => question.refuse(CertificateError::rejected(
            AlertDescription::ACCESS_DENIED,
            "not today",
        )),
        Question::VerifyRawKey(question) => question.refuse(CertificateError::rejected(
            AlertDescription::ACCESS_DENIED,
            "not today",
        )),
    }
}

#[test]
fn yes_at_once_or_late() {
    for (asking, of_server, kind, stage) in questions() {
        let mut pair = asking();
        let question = until(&mut pair, of_server, kind);
        let asker = asker(&mut pair, of_server);
        // However often it is polled, it waits.
        for _ in 0..3 {
            assert!(matches!(asker.poll(), Ok(Step::Wait { .. })));
            assert_eq!(asker.stage(), stage);
        }
        asker.answer(question.default_answer(), now()).unwrap();
        connects(pair);
    }
}

#[test]
fn no() {
    for (asking, of_server, kind, stage) in questions() {
        let mut pair = asking();
        let question = until(&mut pair, of_server, kind);
        let error = ended_by(refuse(question), pair, of_server);
        assert_eq!(error.stage(), stage, "{error}");
        assert_eq!(
            error.alert(),
            Some((Direction::Sent, AlertDescription::ACCESS_DENIED))
        );
        assert!(matches!(
            error.reason(),
            Reason::Refused(_) | Reason::Certificate(_)
        ));
        assert!(error.to_string().contains("not today"), "{error}");
    }
}

/// What comes while a question is open is judged when it is answered, and not before.
#[test]
fn bytes_wait_for_the_answer() {
    for (asking, of_server, kind, stage) in questions() {
        let mut pair = asking();
        let question = until(&mut pair, of_server, kind);
        let asking = asker(&mut pair, of_server);
        asking.receive(&JUNK, now());
        assert!(matches!(asking.poll(), Ok(Step::Wait { .. })));
        assert_eq!(asking.stage(), stage);
        asking.answer(question.default_answer(), now()).unwrap();
        pair.turn(&mut |_, question| Some(question.default_answer()));
        let (mut asker, _) = ends(pair, of_server);
        match asker.poll() {
            // All that it still needed had come before.
            Ok(Step::Connected) => {
                let connection = asker.into_connection().unwrap();
                assert_eq!(connection.unread, JUNK);
                let is_last = match connection.information.version() {
                    ProtocolVersion::TLS_1_3 => {
                        !of_server
                            || matches!(kind, "VerifyChain" | "VerifyRawKey" | "IssueTickets")
                    }
                    // The client's flight is not the last.
                    _ => {
                        of_server
                            && matches!(
                                kind,
                                "VerifyChain"
                                    | "VerifyRawKey"
                                    | "IssueTickets"
                                    | "KeepSession"
                                    | "ChoosePsk"
                                    | "Decrypt"
                            )
                    }
                };
                assert!(is_last, "{kind}");
            }
            Ok(step) => panic!("{step:?}"),
            Err(error) => {
                assert_eq!(error.violation(), Some(Violation::UnknownRecordType));
                assert!(!matches!(kind, "IssueTickets" | "KeepSession"));
            }
        }
    }
}

#[test]
fn dropped() {
    for (asking, of_server, kind, stage) in questions() {
        let mut pair = asking();
        drop(until(&mut pair, of_server, kind));
        let asking = asker(&mut pair, of_server);
        assert!(matches!(asking.poll(), Ok(Step::Wait { .. })));
        assert_eq!(asking.stage(), stage);
        asking.cancel();
        pair.turn(&mut |_, _| None);
        let (mut asker, other) = ends(pair, of_server);
        let error = asker.poll().unwrap_err();
        assert!(matches!(error.reason(), Reason::Cancelled), "{error}");
        assert_eq!(
            error.alert(),
            Some((Direction::Sent, AlertDescription::USER_CANCELED))
        );
        assert_eq!(error.stage(), stage);
        told_of_the_cancellation(other);
    }
}

/// §6.1: user_canceled ends a handshake; for an end that is through with it, it announces the
/// close_notify that follows.
fn told_of_the_cancellation(mut end: crate::Handshake) {
    match end.poll() {
        Ok(Step::Connected) => {
            let mut connection = end.into_connection().unwrap();
            let unread = core::mem::take(&mut connection.unread);
            assert_eq!(read_all(&mut connection.reader, unread).unwrap(), b"");
            assert!(connection.reader.is_closed());
        }
        Ok(step) => panic!("{step:?}"),
        Err(error) => {
            let alert = (Direction::Received, AlertDescription::USER_CANCELED);
            assert_eq!(error.alert(), Some(alert), "{error}");
        }
    }
}

#[test]
fn never_answered_and_the_transport_ends() {
    for (asking, of_server, kind, stage) in questions() {
        let mut pair = asking();
        let question = until(&mut pair, of_server, kind);
        let asking = asker(&mut pair, of_server);
        asking.receive_eof();
        let error = asking.poll().unwrap_err();
        assert!(matches!(error.reason(), Reason::ClosedInHandshake { .. }));
        assert_eq!((error.stage(), error.alert()), (stage, None));
        // An answer that was on its way changes nothing.
        asking.answer(question.default_answer(), now()).unwrap();
        assert!(matches!(
            asking.poll().unwrap_err().reason(),
            Reason::ClosedInHandshake { .. }
        ));
        assert!(transmitted(asking).is_empty());
    }
}

#[test]
fn another_connections_answer() {
    for (asking, of_server, kind, stage) in questions() {
        let (mut here, mut there) = (asking(), asking());
        let ours = until(&mut here, of_server, kind);
        let theirs = until(&mut there, of_server, kind);
        let asking = asker(&mut here, of_server);
        let misuse = asking.answer(theirs.default_answer(), now()).unwrap_err();
        assert!(
            misuse.to_string().contains("another connection"),
            "{misuse}"
        );
        assert_eq!(asking.stage(), stage);
        asking.answer(ours.default_answer(), now()).unwrap();
        connects(here);
    }
}
