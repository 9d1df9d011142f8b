//! Each row of both state tables of before TLS 1.3, in each version: that it takes no other message, and a
//! change_cipher_spec only where one is due.

use super::super::super::table::Kind;
use super::super::super::{client as client_role, server as server_role};
use super::super::attack::{By, pair_resuming, refused, talk, transmitted};
use super::super::parts::{message, server_hello};
use super::super::tamper::{Put, Tamper, first};
use super::{Resumable, resumable, resumable_in_each_version};
use crate::suite::CipherSuite;
use crate::testing::{Pair, now, resuming};
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::x509::OcspPolicy;
use crate::{Event, Reason, Stage, Step, Violation};

/// How a state is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Both authenticate; the client gets a ticket.
    Full,
    Resumed,
    /// The server promises an OCSP response.
    Stapled,
    /// Without certificates, with a key that both have and no hint.
    SharedKey,
    /// Without certificates or keys.
    Anonymous,
    /// The client says by NPN which protocol it has chosen.
    NextProtocol,
}

/// A state that waits or switches, the message after which it is reached, what is due there, and
/// what else is fine.
struct Due {
    by: By,
    way: Way,
    stage: Stage,
    /// `None`: the first message.
    after: Option<T>,
    due: &'static [T],
}

const fn due(by: By, stage: Stage, after: Option<T>, due: &'static [T]) -> Due {
    Due {
        by,
        way: Way::Full,
        stage,
        after,
        due,
    }
}

const fn without_certificate(
    by: By,
    way: Way,
    stage: Stage,
    after: Option<T>,
    due: &'static [T],
) -> Due {
    Due {
        by,
        way,
        stage,
        after,
        due,
    }
}

const fn resumed(by: By, stage: Stage, after: Option<T>, due: &'static [T]) -> Due {
    Due {
        by,
        way: Way::Resumed,
        stage,
        after,
        due,
    }
}

const DUE: &[Due] = &[
    due(By::Server, Stage::WaitServerHello, None, &[T::SERVER_HELLO]),
    due(
        By::Server,
        Stage::WaitCertificate,
        Some(T::SERVER_HELLO),
        &[T::CERTIFICATE],
    ),
    Due {
        way: Way::Stapled,
        ..due(
            By::Server,
            Stage::WaitCertificateStatus,
            Some(T::CERTIFICATE),
            &[T::CERTIFICATE_STATUS, T::SERVER_KEY_EXCHANGE],
        )
    },
    due(
        By::Server,
        Stage::WaitServerKeyExchange,
        Some(T::CERTIFICATE),
        &[T::SERVER_KEY_EXCHANGE],
    ),
    due(
        By::Server,
        Stage::WaitCertificateRequest,
        Some(T::SERVER_KEY_EXCHANGE),
        &[T::CERTIFICATE_REQUEST, T::SERVER_HELLO_DONE],
    ),
    due(
        By::Server,
        Stage::WaitServerHelloDone,
        Some(T::CERTIFICATE_REQUEST),
        &[T::SERVER_HELLO_DONE],
    ),
    due(
        By::Server,
        Stage::WaitNewSessionTicket,
        Some(T::SERVER_HELLO_DONE),
        &[T::NEW_SESSION_TICKET],
    ),
    due(
        By::Server,
        Stage::WaitChangeCipherSpec,
        Some(T::NEW_SESSION_TICKET),
        &[],
    ),
    due(
        By::Server,
        Stage::WaitFinished,
        Some(T::FINISHED),
        &[T::FINISHED],
    ),
    resumed(
        By::Server,
        Stage::WaitChangeCipherSpec,
        Some(T::SERVER_HELLO),
        &[],
    ),
    resumed(
        By::Server,
        Stage::WaitFinished,
        Some(T::FINISHED),
        &[T::FINISHED],
    ),
    due(
        By::Client,
        Stage::WaitCertificate,
        Some(T::CLIENT_HELLO),
        &[T::CERTIFICATE],
    ),
    due(
        By::Client,
        Stage::WaitClientKeyExchange,
        Some(T::CERTIFICATE),
        &[T::CLIENT_KEY_EXCHANGE],
    ),
    due(
        By::Client,
        Stage::WaitCertificateVerify,
        Some(T::CLIENT_KEY_EXCHANGE),
        &[T::CERTIFICATE_VERIFY],
    ),
    due(
        By::Client,
        Stage::WaitChangeCipherSpec,
        Some(T::CERTIFICATE_VERIFY),
        &[],
    ),
    due(
        By::Client,
        Stage::WaitFinished,
        Some(T::FINISHED),
        &[T::FINISHED],
    ),
    Due {
        way: Way::NextProtocol,
        ..due(
            By::Client,
            Stage::WaitNextProtocol,
            Some(T::NEXT_PROTOCOL),
            &[T::NEXT_PROTOCOL],
        )
    },
    Due {
        way: Way::NextProtocol,
        ..due(
            By::Client,
            Stage::WaitFinished,
            Some(T::FINISHED),
            &[T::FINISHED],
        )
    },
    resumed(
        By::Client,
        Stage::WaitChangeCipherSpec,
        Some(T::CLIENT_HELLO),
        &[],
    ),
    resumed(
        By::Client,
        Stage::WaitFinished,
        Some(T::FINISHED),
        &[T::FINISHED],
    ),
    without_certificate(
        By::Server,
        Way::SharedKey,
        Stage::WaitServerKeyExchange,
        Some(T::SERVER_HELLO),
        &[T::SERVER_KEY_EXCHANGE, T::SERVER_HELLO_DONE],
    ),
    without_certificate(
        By::Server,
        Way::SharedKey,
        Stage::WaitChangeCipherSpec,
        Some(T::SERVER_HELLO_DONE),
        &[],
    ),
    without_certificate(
        By::Client,
        Way::SharedKey,
        Stage::WaitClientKeyExchange,
        Some(T::CLIENT_HELLO),
        &[T::CLIENT_KEY_EXCHANGE],
    ),
    without_certificate(
        By::Client,
        Way::SharedKey,
        Stage::WaitChangeCipherSpec,
        Some(T::CLIENT_KEY_EXCHANGE),
        &[],
    ),
    without_certificate(
        By::Server,
        Way::Anonymous,
        Stage::WaitServerKeyExchange,
        Some(T::SERVER_HELLO),
        &[T::SERVER_KEY_EXCHANGE],
    ),
    without_certificate(
        By::Server,
        Way::Anonymous,
        Stage::WaitServerHelloDone,
        Some(T::SERVER_KEY_EXCHANGE),
        &[T::SERVER_HELLO_DONE],
    ),
    without_certificate(
        By::Client,
        Way::Anonymous,
        Stage::WaitClientKeyExchange,
        Some(T::CLIENT_HELLO),
        &[T::CLIENT_KEY_EXCHANGE],
    ),
];

macro_rules! with_next_protocol {
    ($config:expr) => {
        $config.alpn([""; 0]).next_protocols(["h2"])
    };
}

/// Ends whose attacker sends `puts` when its victim is in the state. Before Finished they are under
/// the new keys, elsewhere in the clear.
fn ends(due: &Due, resumable: &Resumable, puts: Vec<Put>) -> Pair {
    let (client, server, session) = resumable.clone();
    let versions = [session.version()];
    let without_certificate = |suite| {
        let (client, server) = super::ends(suite);
        (client.versions(versions), server.versions(versions))
    };
    let (client, server) = match due.way {
        Way::SharedKey => without_certificate(CipherSuite::TLS_PSK_WITH_AES_128_CBC_SHA),
        Way::Anonymous => without_certificate(super::ANONYMOUS),
        _ => (client, server),
    };
    let sessions = match due.way {
        Way::Resumed => vec![session],
        _ => Vec::new(),
    };
    let (client, server) = match due.way {
        Way::NextProtocol => (with_next_protocol!(client), with_next_protocol!(server)),
        _ => (client, server),
    };
    let client = match due.way {
        // What is in it is no response.
        Way::Stapled => client.ocsp(OcspPolicy::Off),
        _ => client,
    };
    let (stapled, after) = (due.way == Way::Stapled, due.after);
    let mut puts = Some(puts);
    let tamper: Tamper = Box::new(move |raw| {
        let own = match T(raw[0]) {
            T::SERVER_HELLO if stapled => server_hello(raw, |hello| {
                hello.extensions.add(E::STATUS_REQUEST, []);
            }),
            _ => raw.to_vec(),
        };
        let own = vec![Put::Message(own), Put::Cut];
        let is_there = after.is_none_or(|after| after == T(raw[0]));
        let inserted = match puts.take_if(|_| is_there) {
            None => return own,
            Some(puts) => puts,
        };
        // The first message under the keys.
        match after {
            None | Some(T::NEXT_PROTOCOL | T::FINISHED) => [inserted, own].concat(),
            Some(_) => [own, inserted].concat(),
        }
    });
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    pair_resuming(client, server, sessions, due.by, tamper)
}

/// Each row in each version.
fn each_row() -> impl Iterator<Item = (Resumable, &'static Due)> {
    let versions = resumable_in_each_version().into_iter();
    versions.flat_map(|resumable| DUE.iter().map(move |due| (resumable.clone(), due)))
}

/// A message of each type, well-formed: those of the handshakes as they were there.
fn well_formed((client, server, _): Resumable) -> Vec<Vec<u8>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let record = || -> Tamper {
        let sender = sender.clone();
        Box::new(move |raw| {
            sender.send(raw.to_vec()).unwrap();
            vec![Put::Message(raw.to_vec())]
        })
    };
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut pair = pair_resuming(client, server, Vec::new(), By::Client, record());
    pair.server.tamper(record());
    talk(&mut pair);
    drop(pair);
    let mut messages: Vec<Vec<u8>> = receiver.try_iter().collect();
    let crafted = |typ| match typ {
        T::KEY_UPDATE => vec![0],
        T::MESSAGE_HASH => vec![0; 32],
        T::ENCRYPTED_EXTENSIONS => vec![0, 0],
        T::CERTIFICATE_STATUS => vec![1, 0, 0, 1, 7],
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

/// Also Finished where a change_cipher_spec has not been (CVE-2014-0224), and HelloRequest in every
/// state.
#[test]
fn any_other_message_is_refused() {
    for (resumable, due) in each_row() {
        let messages = well_formed(resumable.clone());
        for message in &messages {
            let typ = T(message[0]);
            if due.due.contains(&typ) {
                continue;
            }
            let pair = ends(
                due,
                &resumable,
                vec![Put::Unhashed(message.clone()), Put::Cut],
            );
            let error = refused(pair, due.by);
            assert_eq!(error.stage(), due.stage, "{typ}: {error}");
            // §7.4.4: this one has an alert of its own.
            let is_nobody = (due.way, due.stage) == (Way::Anonymous, Stage::WaitServerHelloDone);
            if is_nobody && typ == T::CERTIFICATE_REQUEST {
                let expected = Some(Violation::RequestByAnonymousServer);
                assert_eq!(error.violation(), expected, "{error}");
                continue;
            }
            match (error.reason(), typ.name()) {
                (Reason::Unexpected { seen, .. }, Some(name)) => assert_eq!(*seen, name),
                (Reason::Violation(Violation::UnknownHandshakeType), None) => {}
                _ => panic!("{typ} in {:?}: {error}", due.stage),
            }
        }
    }
}

/// §7.1: in one state of each role, and nowhere else.
#[test]
fn change_cipher_spec_where_none_is_due() {
    for (resumable, due) in each_row() {
        let puts = vec![Put::Record(ContentType::CHANGE_CIPHER_SPEC, vec![1])];
        let pair = ends(due, &resumable, puts);
        // What follows a second one in the clear is not under the keys.
        let expected = match due.stage {
            Stage::WaitChangeCipherSpec => (Violation::BadRecordMac, Stage::WaitFinished),
            stage => (Violation::UnexpectedChangeCipherSpec, stage),
        };
        let error = refused(pair, due.by);
        let seen = (error.violation().unwrap(), error.stage());
        assert_eq!(seen, expected, "{error}");
    }
}

/// The records without the change_cipher_spec: what is under the new keys comes under none.
#[test]
fn finished_without_change_cipher_spec() {
    let (client, server, session) = resumable();
    for sessions in [Vec::new(), vec![session]] {
        for by in [By::Client, By::Server] {
            let (client, server) = (client.clone(), server.clone());
            let (client, server) = (client.build().unwrap(), server.build().unwrap());
            let mut pair = resuming(client, server, sessions.clone());
            loop {
                let mut to_server = transmitted(&mut pair.client);
                if by == By::Client {
                    to_server = without_change_cipher_spec(&to_server);
                }
                pair.server.receive(&to_server, now());
                let mut to_client = transmitted(&mut pair.server);
                if by == By::Server {
                    to_client = without_change_cipher_spec(&to_client);
                }
                pair.client.receive(&to_client, now());
                if to_server.is_empty() && to_client.is_empty() {
                    break;
                }
            }
            let victim = match by {
                By::Client => &mut pair.server,
                By::Server => &mut pair.client,
            };
            let error = victim.poll().unwrap_err();
            assert_eq!(error.stage(), Stage::WaitChangeCipherSpec, "{error}");
            // The nonce of the record is taken for the header of a message.
            let expected = Some(Violation::UnexpectedMessage);
            assert_eq!(error.violation(), expected, "{error}");
        }
    }
}

fn without_change_cipher_spec(mut bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some(header) = bytes.first_chunk::<5>() {
        let length = 5 + usize::from(u16::from_be_bytes([header[3], header[4]]));
        let (record, rest) = bytes.split_at(length);
        if record[0] != ContentType::CHANGE_CIPHER_SPEC.0 {
            kept.extend_from_slice(record);
        }
        bytes = rest;
    }
    kept
}

/// §7.2.2: a warning is told and passed over in every state, a fatal alert is the end in every
/// state, and of warnings there are not many.
#[test]
fn alerts_in_every_state() {
    let alert = |level: u8| Put::Record(ContentType::ALERT, vec![level, 100]);
    for (resumable, due) in each_row() {
        // What a message is split by.
        let mut pair = ends(due, &resumable, vec![alert(1); 4]);
        talk(&mut pair);
        let connected = [&pair.client, &pair.server].map(|end| end.stage());
        assert_eq!(connected, [Stage::Connected; 2], "{:?}", due.stage);
        let warnings = pair.events.iter();
        let warnings = warnings.filter(|event| matches!(event, Event::Warning(_)));
        assert_eq!(warnings.count(), 4);

        let error = refused(ends(due, &resumable, vec![alert(1); 5]), due.by);
        let seen = (error.violation(), error.stage());
        assert_eq!(seen, (Some(Violation::TooManyWarnings), due.stage));

        let mut pair = ends(due, &resumable, vec![alert(2)]);
        talk(&mut pair);
        let victim = match due.by {
            By::Client => &mut pair.server,
            By::Server => &mut pair.client,
        };
        let error = victim.poll().unwrap_err();
        assert!(
            matches!(error.reason(), Reason::AlertReceived(_)),
            "{error}"
        );
        assert_eq!(error.stage(), due.stage);
        assert!(victim.poll().is_err());
    }
}

#[test]
fn every_waiting_row_refuses() {
    for (by, rows) in [
        (By::Server, client_role::State::rows()),
        (By::Client, server_role::State::rows()),
    ] {
        for row in rows.iter().filter(|row| row.version == "Tls12") {
            let mut here = DUE
                .iter()
                .filter(|due| due.by == by && due.stage == row.stage);
            let there = here.next();
            assert_eq!(there.is_some(), row.kind != Kind::Pauses, "{:?}", row.stage);
            let is_switch = there.is_some_and(|due| due.due.is_empty());
            assert_eq!(is_switch, row.kind == Kind::Switches, "{:?}", row.stage);
        }
    }
}

#[test]
fn messages_that_come_twice_or_are_skipped() {
    let resumable = resumable();
    let twice = |raw: &[u8]| vec![Put::Message(raw.to_vec()), Put::Unhashed(raw.to_vec())];
    let of_client = [
        T::CERTIFICATE,
        T::CLIENT_KEY_EXCHANGE,
        T::CERTIFICATE_VERIFY,
    ];
    let of_server = [
        T::SERVER_HELLO,
        T::CERTIFICATE,
        T::SERVER_KEY_EXCHANGE,
        T::CERTIFICATE_REQUEST,
        T::NEW_SESSION_TICKET,
    ];
    let cases = of_client.map(|typ| (By::Client, typ)).into_iter();
    for (by, typ) in cases.chain(of_server.map(|typ| (By::Server, typ))) {
        for skipped in [false, true] {
            let tamper = first(typ, move |raw| match skipped {
                true => Vec::new(),
                false => twice(raw),
            });
            let (client, server, _) = resumable.clone();
            let (client, server) = (client.build().unwrap(), server.build().unwrap());
            let pair = pair_resuming(client, server, Vec::new(), by, tamper);
            // A request may stay away; who is not asked says nothing, and that is noticed.
            if skipped && typ == T::CERTIFICATE_REQUEST {
                let error = refused(pair, By::Client);
                assert_eq!(error.stage(), Stage::WaitCertificate);
                continue;
            }
            let error = refused(pair, by);
            let expected = match typ {
                T::CERTIFICATE_VERIFY | T::NEW_SESSION_TICKET if skipped => {
                    Violation::UnexpectedChangeCipherSpec
                }
                _ => Violation::UnexpectedMessage,
            };
            assert_eq!(error.violation(), Some(expected), "{typ}: {error}");
        }
    }
}

/// RFC 5246 §7.4.1.1 would have one ignored here; nothing sends it, and what is ignored is a hole.
#[test]
fn a_hello_request_with_a_body_is_refused_as_well() {
    let resumable = resumable();
    for due in DUE.iter().filter(|due| due.by == By::Server) {
        let request = message(T::HELLO_REQUEST, &[7]);
        let pair = ends(due, &resumable, vec![Put::Unhashed(request), Put::Cut]);
        let error = refused(pair, By::Server);
        assert_eq!(error.violation(), Some(Violation::UnexpectedMessage));
    }
}

/// §2 has no data before Finished, under whatever keys.
#[test]
fn data_before_finished() {
    for (resumable, due) in each_row() {
        let data = Put::Record(ContentType::APPLICATION_DATA, b"early".to_vec());
        let error = refused(ends(due, &resumable, vec![data]), due.by);
        let seen = (error.violation(), error.stage());
        let expected = Some(Violation::ApplicationDataTooEarly);
        assert_eq!(seen, (expected, due.stage), "{error}");
    }
}

/// The same handshake, without anything put in: else the tests above could not fail.
#[test]
fn nothing_put_in_is_no_harm() {
    for (resumable, due) in each_row() {
        let mut pair = ends(due, &resumable, Vec::new());
        talk(&mut pair);
        for end in [&mut pair.client, &mut pair.server] {
            assert!(matches!(end.poll(), Ok(Step::Connected)));
        }
    }
}
