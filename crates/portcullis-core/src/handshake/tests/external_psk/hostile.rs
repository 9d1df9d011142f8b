//! Peers that break the rules for pre-shared keys, or only go to their edges.

use super::super::attack::{Case, client as trusting, pair, server as certified};
use super::super::parts::{
    ClientHelloParts, ServerHelloParts, client_hello, message, server_hello,
};
use super::super::tamper::{Put, Tamper, first, nth};
use super::{By, SUITES, client, imported, psk, refused, server};
use crate::config::{ClientConfigBuilder, PreSharedKey, ServerConfigBuilder};
use crate::crypto::hkdf::LabelPrefix;
use crate::key_schedule::{EarlySecret, ResumptionPsk, Transcript};
use crate::suite::HashAlgorithm;
use crate::testing::Pair;
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{EarlyDataRejection, EarlyDataStatus, NamedGroup, Reason, Stage, Violation as V};

/// What a binder of SHA-256 takes at the end of a hello that has one.
const BINDERS: usize = 2 + 1 + 32;

/// A hello with one key for SHA-256, changed, with the binder that belongs to it then.
fn rebound(raw: &[u8], early: &EarlySecret, change: impl FnOnce(&mut ClientHelloParts)) -> Vec<u8> {
    let mut hello = client_hello(raw, change);
    let at = hello.len() - BINDERS;
    let mut transcript = Transcript::new(HashAlgorithm::Sha256);
    transcript.add_bytes(&hello[..at]);
    let binder = early.binder(&transcript.current()).unwrap();
    hello[at + 3..].copy_from_slice(binder.as_slice());
    hello
}

fn early() -> EarlySecret {
    EarlySecret::with_external_psk(HashAlgorithm::Sha256, &[7; 32], LabelPrefix::Tls13)
}

/// The first hello, with whatever binder this secret makes.
fn rebinding(early: EarlySecret, change: fn(&mut ClientHelloParts)) -> Tamper {
    first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(rebound(raw, &early, change))]
    })
}

fn of_client(violation: V, tamper: Tamper) -> Case {
    Case::new(violation, By::Client, Stage::WaitClientHello, tamper)
        .client(client().psk(psk()))
        .server(server().psk(psk()))
}

fn of_server(violation: V, change: fn(&mut ServerHelloParts)) -> Case {
    let tamper = first(T::SERVER_HELLO, move |raw| {
        vec![Put::Message(server_hello(raw, change))]
    });
    Case::new(violation, By::Server, Stage::WaitServerHello, tamper)
        .client(client().psk(psk()))
        .server(server().psk(psk()))
}

fn unchanged(_: &mut ClientHelloParts) {}

pub(in super::super) fn cases() -> Vec<Case> {
    let flip = |hello: &mut ClientHelloParts| {
        *hello.extensions.body(E::PRE_SHARED_KEY).last_mut().unwrap() ^= 1;
    };
    let flipped = first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, flip))]
    });
    let of_session = ResumptionPsk::from_bytes(HashAlgorithm::Sha256, &[7; 32]).unwrap();
    let of_session = EarlySecret::with_psk(&of_session, LabelPrefix::Tls13);
    let mut cases = vec![
        of_client(V::BadPskBinder, flipped),
        // §7.1: a key of one kind is none of another.
        of_client(V::BadPskBinder, rebinding(of_session, unchanged)),
        of_client(V::UnknownPskIdentity, rebinding(early(), unchanged))
            .client(client().psk(imported())),
        of_client(
            V::NoSharedPskMode,
            rebinding(early(), |hello| {
                hello.extensions.set(E::PSK_KEY_EXCHANGE_MODES, [1, 0]);
            }),
        ),
        of_client(
            V::NoSharedPskMode,
            rebinding(early(), |hello| {
                hello.extensions.set(E::PSK_KEY_EXCHANGE_MODES, [1, 7]);
            }),
        )
        .server(server().psk(psk()).psk_ke(true)),
        // Both could do better, and the client has sent no share for it.
        of_client(
            V::KeyShareMissing,
            rebinding(early(), |hello| {
                hello.extensions.set(E::PSK_KEY_EXCHANGE_MODES, [2, 0, 1]);
                hello.extensions.remove(E::KEY_SHARE);
            }),
        )
        .server(server().psk(psk()).psk_ke(true)),
        of_client(
            V::PskNotOffered,
            first(T::CLIENT_HELLO, |raw| vec![Put::Message(raw.to_vec())]),
        )
        .client(trusting()),
        of_server(V::PskNotSelected, |hello| {
            hello.extensions.remove(E::PRE_SHARED_KEY);
        }),
        of_server(V::PskWithoutKeyShare, |hello| {
            hello.extensions.remove(E::KEY_SHARE);
        }),
        of_server(V::PskHashMismatch, |hello| hello.suite = 0x1302)
            .client(client().cipher_suites(SUITES).psk(psk())),
        // Without a key and without a key exchange everybody would have the keys.
        of_server(V::ServerKeyShareMissing, |hello| {
            hello.extensions.remove(E::KEY_SHARE);
            hello.extensions.remove(E::PRE_SHARED_KEY);
        })
        .client(client().psk(psk()).psk_ke(true)),
    ];
    for index in [[0, 1], [0xff, 0xff]] {
        let tamper = first(T::SERVER_HELLO, move |raw| {
            vec![Put::Message(server_hello(raw, |hello| {
                hello.extensions.set(E::PRE_SHARED_KEY, index);
            }))]
        });
        let case = Case::new(
            V::SelectedPskNotOffered,
            By::Server,
            Stage::WaitServerHello,
            tamper,
        );
        cases.push(case.client(client().psk(psk())).server(server().psk(psk())));
    }
    cases.extend(second_hellos());
    cases
}

/// What becomes of the key in the second hello.
fn second_hellos() -> Vec<Case> {
    type Change = fn(&mut ClientHelloParts);
    let changes: [(V, Change); 3] = [
        (V::PskOmittedAfterRetry, |hello| {
            hello.extensions.remove(E::PRE_SHARED_KEY);
        }),
        (V::PskReplacedAfterRetry, |hello| {
            // The first byte of the identity.
            hello.extensions.body(E::PRE_SHARED_KEY)[4] ^= 1;
        }),
        (V::BadPskBinder, |hello| {
            *hello.extensions.body(E::PRE_SHARED_KEY).last_mut().unwrap() ^= 1;
        }),
    ];
    let cases = changes.into_iter().map(|(violation, change)| {
        let tamper = nth(2, T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, change))]
        });
        Case::new(violation, By::Client, Stage::WaitSecondClientHello, tamper)
            .client(client().psk(psk()))
            .server(server().groups([NamedGroup::SECP256R1]).psk(psk()))
    });
    cases.collect()
}

/// §4.4.2, §4.3.2: whoever has the key shows no certificate, and asks for none.
#[test]
fn a_certificate_beside_a_key() {
    for (typ, body) in [
        (T::CERTIFICATE, &[0, 0, 0, 0][..]),
        (T::CERTIFICATE_REQUEST, &[0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]),
        (T::CERTIFICATE_VERIFY, &[4, 3, 0, 1, 7]),
        (T::NEW_SESSION_TICKET, &[0; 12]),
    ] {
        let tamper = first(T::FINISHED, move |raw| {
            vec![Put::Message(message(typ, body)), Put::Message(raw.to_vec())]
        });
        let (ours, theirs) = (client().psk(psk()).build(), server().psk(psk()).build());
        let pair = pair(ours.unwrap(), theirs.unwrap(), By::Server, tamper);
        let error = refused(pair, By::Server);
        assert_eq!(error.stage(), Stage::WaitFinished);
        assert!(
            matches!(error.reason(), Reason::Unexpected { .. }),
            "{error}"
        );
    }
    // A client shows none either.
    let tamper = first(T::FINISHED, |raw| {
        let certificate = message(T::CERTIFICATE, &[0, 0, 0, 0]);
        vec![Put::Message(certificate), Put::Message(raw.to_vec())]
    });
    let (ours, theirs) = (client().psk(psk()).build(), server().psk(psk()).build());
    let pair = pair(ours.unwrap(), theirs.unwrap(), By::Client, tamper);
    let error = refused(pair, By::Client);
    assert_eq!(error.stage(), Stage::WaitFinished);
}

/// Runs a client whose first hello is changed, with the right binder.
pub(in super::super) fn changed(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    change: fn(&mut ClientHelloParts),
) -> Pair {
    let tamper = rebinding(early(), change);
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    pair(client, server, By::Client, tamper)
}

/// §4.2.9: a client that has no key exchange, and one that would have had one. CVE-2023-3724: secrets that
/// everybody knows, where there was neither a key exchange nor a key.
#[test]
fn a_key_alone() {
    let changes: [fn(&mut ClientHelloParts); 3] = [
        |hello| hello.extensions.set(E::PSK_KEY_EXCHANGE_MODES, [1, 0]),
        |hello| {
            hello.extensions.set(E::PSK_KEY_EXCHANGE_MODES, [1, 0]);
            hello.extensions.remove(E::KEY_SHARE);
            hello.extensions.remove(E::SUPPORTED_GROUPS);
            hello.extensions.remove(E::SIGNATURE_ALGORITHMS);
        },
        // It would have to be asked for another share.
        |hello| {
            hello.extensions.set(E::PSK_KEY_EXCHANGE_MODES, [1, 0]);
            hello.extensions.set(E::KEY_SHARE, [0, 0]);
        },
    ];
    for change in changes {
        for server in [server(), certified()] {
            let client = client().psk(psk()).psk_ke(true).session_tickets(true);
            let server = server.psk(psk()).psk_ke(true).resumption(true);
            let (client, server) = changed(client, server, change).run();
            let (mut client, connected) = (client.unwrap(), server.unwrap());
            for end in [&client.information, &connected.information] {
                assert_eq!(end.psk_identity(), Some(&b"meter-17"[..]));
                assert_eq!(end.group(), None);
            }
            let (ours, theirs) = (&client.information, &connected.information);
            assert_eq!(ours.tls_exporter().unwrap(), theirs.tls_exporter().unwrap());
            // What resumes has a key exchange, of which the client knows nothing.
            assert!(crate::testing::sessions(&mut client).is_empty());
        }
    }
    // Who has another key gets a certificate if that can be had without asking again.
    let stranger = PreSharedKey::new("meter-18", [7; 32]).unwrap();
    let client = || {
        trusting()
            .cipher_suites([SUITES[0]])
            .psk(stranger.clone())
            .psk_ke(true)
    };
    let server = || {
        certified()
            .cipher_suites([SUITES[0]])
            .psk(psk())
            .psk_ke(true)
    };
    let (connected, _) = changed(client(), server(), changes[0]).run();
    let information = connected.unwrap().information;
    assert_eq!(information.peer_certificates().len(), 1);
    let error = refused(changed(client(), server(), changes[1]), By::Client);
    assert_eq!(error.violation(), Some(V::UnknownPskIdentity));
}

/// §4.2.10: a key that is of no session has no early data. What a client sends all the same is thrown away.
#[test]
fn early_data_with_a_key() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        let hello = rebound(raw, &early(), |hello| {
            let psks = hello.extensions.0.pop().unwrap();
            hello.extensions.add(E::EARLY_DATA, []);
            hello.extensions.0.push(psks);
        });
        let early = [&[23, 3, 3, 0, 64][..], &[7; 64]].concat();
        vec![Put::Message(hello), Put::Raw(early)]
    });
    let server = server()
        .resumption(true)
        .early_data(super::super::early_data::local())
        .psk(psk());
    let (ours, theirs) = (client().psk(psk()).build(), server.build());
    let mut pair = pair(ours.unwrap(), theirs.unwrap(), By::Client, tamper);
    super::super::attack::talk(&mut pair);
    let server = pair.server.into_connection().unwrap();
    let status = EarlyDataStatus::Rejected(EarlyDataRejection::NotResumed);
    assert_eq!(server.information.early_data(), status);
    assert_eq!(server.information.psk_identity(), Some(&b"meter-17"[..]));
}

/// A hello that somebody recorded gets nobody any further: the Finished is missing.
#[test]
fn a_hello_that_comes_again() {
    let server = || server().psk(psk()).build().unwrap();
    let mut recorded = Pair::new(client().psk(psk()).build().unwrap(), server());
    super::super::attack::talk(&mut recorded);
    assert_eq!(recorded.server.stage(), Stage::Connected);
    let mut victim = crate::Handshake::server(server());
    victim.receive(&recorded.client_sent, crate::testing::now());
    super::super::attack::transmitted(&mut victim);
    let error = victim.poll().unwrap_err();
    assert_eq!(error.violation(), Some(V::BadRecordMac));
    assert_eq!(error.stage(), Stage::WaitFinished);
}
