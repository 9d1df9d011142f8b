//! Each row of both state tables of TLS 1.3 takes no other message than its own, and messages count
//! once and in their order.

use super::super::table::Kind;
use super::super::{client as client_role, server as server_role};
use super::attack::{
    By, authenticated_client, authenticating_server, client, pair, pair_resuming, refused, server,
    ticket_keys,
};
use super::early_data::{accepting, local, sending};
use super::parts::{message, server_hello};
use super::tamper::{Put, Tamper, first, nth};
use crate::config::{ClientConfig, ServerConfig};
use crate::session::ClientSession;
use crate::testing::sessions_of;
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::{Reason, Stage, Violation};

/// A state that waits, which message is due there, and which others are fine as well.
struct Due {
    by: By,
    stage: Stage,
    typ: T,
    nth: u8,
    others: &'static [T],
    retry: bool,
    resumed: bool,
    early: bool,
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
        early: false,
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
    Due {
        early: true,
        ..due(By::Client, Stage::WaitEndOfEarlyData, T::END_OF_EARLY_DATA)
    },
    Due {
        early: true,
        ..due(By::Client, Stage::WaitFinished, T::FINISHED)
    },
    Due {
        early: true,
        ..due(By::Server, Stage::WaitFinished, T::FINISHED)
    },
];

/// Two ends that authenticate each other and would resume, and a session of theirs.
pub(super) fn resumable() -> (ClientConfig, ServerConfig, ClientSession) {
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
            let pair = if due.early {
                let mut pair = sending(
                    super::attack::resuming_client(),
                    accepting(local()),
                    b"early",
                );
                match due.by {
                    By::Client => pair.client.tamper(tamper),
                    By::Server => pair.server.tamper(tamper),
                }
                pair
            } else if due.resumed {
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
