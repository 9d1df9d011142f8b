//! Rules about ServerHello and HelloRetryRequest (RFC 8446 §4.1.3, §4.1.4).

use super::super::attack::{By, Case, retrying_server, server, ticket_keys};
use super::super::parts::{ServerHelloParts, server_hello};
use super::super::tamper::{Put, first, nth};
use crate::suite::CipherSuite;
use crate::version::DOWNGRADE_TO_TLS_1_2;
use crate::wire::{ExtensionType as E, HELLO_RETRY_REQUEST_RANDOM, HandshakeType as T};
use crate::{Stage, Violation as V};

/// The ServerHello, changed.
fn hello(violation: V, change: fn(&mut ServerHelloParts)) -> Case {
    let tamper = first(T::SERVER_HELLO, move |raw| {
        vec![Put::Message(server_hello(raw, change))]
    });
    Case::new(violation, By::Server, Stage::WaitServerHello, tamper)
}

/// The HelloRetryRequest, changed.
fn retry(violation: V, change: fn(&mut ServerHelloParts)) -> Case {
    hello(violation, change).server(retrying_server())
}

/// The ServerHello after a HelloRetryRequest, changed.
fn after_retry(violation: V, change: fn(&mut ServerHelloParts)) -> Case {
    let tamper = nth(2, T::SERVER_HELLO, move |raw| {
        vec![Put::Message(server_hello(raw, change))]
    });
    Case::new(violation, By::Server, Stage::WaitServerHello, tamper).server(retrying_server())
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = chosen();
    cases.extend(retried());
    cases.extend(resumed());
    cases
}

fn chosen() -> Vec<Case> {
    vec![
        hello(V::VersionNotOffered, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS)
        }),
        hello(V::DowngradeDetected, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS);
            hello.random[24..].copy_from_slice(&DOWNGRADE_TO_TLS_1_2);
        }),
        hello(V::DowngradeDetected, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS);
            hello.legacy_version = 0x0301;
            hello.random[24..].copy_from_slice(b"DOWNGRD\0");
        }),
        hello(V::LegacyVersionInServerHello, |hello| {
            hello.legacy_version = 0x0304
        }),
        hello(V::SelectedVersionNotOffered, |hello| {
            hello.extensions.set(E::SUPPORTED_VERSIONS, [3, 3]);
        }),
        hello(V::SelectedVersionNotOffered, |hello| {
            hello.extensions.set(E::SUPPORTED_VERSIONS, [0x7f, 28]);
        }),
        hello(V::SessionIdNotEchoed, |hello| hello.session_id[0] ^= 1),
        hello(V::SessionIdNotEchoed, |hello| hello.session_id.clear()),
        hello(V::SuiteNotOffered, |hello| hello.suite = 0x1304),
        hello(V::SuiteNotOffered, |hello| hello.suite = 0xc02f),
        hello(V::CompressionSelected, |hello| hello.compression = 1),
        hello(V::ServerKeyShareMissing, |hello| {
            hello.extensions.remove(E::KEY_SHARE)
        }),
        hello(V::KeyShareGroupNotOffered, |hello| {
            hello.extensions.body(E::KEY_SHARE)[1] = 23
        }),
        hello(V::BadKeyShare, |hello| {
            hello.extensions.body(E::KEY_SHARE)[4..].fill(0)
        }),
        hello(V::BadKeyShare, |hello| {
            let share = hello.extensions.body(E::KEY_SHARE);
            share.pop();
            share[3] -= 1;
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.body(E::KEY_SHARE).push(0)
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(E::SUPPORTED_VERSIONS, [3])
        }),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::PRE_SHARED_KEY, [0, 0]);
        }),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::COOKIE, [0, 1, 7])
        }),
        hello(V::ExtensionMisplaced, |hello| {
            hello.extensions.add(
                E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION,
                [0, 3, 2, b'h', b'2'],
            );
        }),
        hello(V::MalformedMessage, |hello| hello.session_id = vec![7; 33]),
    ]
}

/// §4.2.11: what was selected is one of those offered, and goes with the suite.
fn resumed() -> Vec<Case> {
    let misplaced = |hello: &mut ServerHelloParts| hello.extensions.add(E::PRE_SHARED_KEY, [0, 0]);
    vec![
        hello(V::SelectedPskNotOffered, |hello| {
            hello.extensions.set(E::PRE_SHARED_KEY, [0, 1])
        })
        .resuming(),
        hello(V::SelectedPskNotOffered, |hello| {
            hello.extensions.set(E::PRE_SHARED_KEY, [0xff, 0xff])
        })
        .resuming(),
        hello(V::PskHashMismatch, |hello| hello.suite = 0x1301).resuming(),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(E::PRE_SHARED_KEY, [0])
        })
        .resuming(),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(E::PRE_SHARED_KEY, [0, 0, 0])
        })
        .resuming(),
        // Only psk_dhe_ke was offered (§4.2.9).
        hello(V::PskWithoutKeyShare, |hello| {
            hello.extensions.remove(E::KEY_SHARE)
        })
        .resuming(),
        retry(V::ExtensionMisplaced, misplaced).resuming(),
        after_retry(V::SelectedPskNotOffered, |hello| {
            hello.extensions.set(E::PRE_SHARED_KEY, [0, 1])
        })
        .resuming(),
        // The suite of the HelloRetryRequest has another hash: the session is not in the second
        // hello.
        after_retry(V::ExtensionNotOffered, misplaced)
            .server(retrying_server().cipher_suites([CipherSuite::TLS_AES_128_GCM_SHA256]))
            .session_of(server().ticket_keys(ticket_keys())),
    ]
}

fn retried() -> Vec<Case> {
    vec![
        retry(V::RetryWithoutChange, |hello| {
            hello.extensions.remove(E::KEY_SHARE)
        }),
        retry(V::RetryGroupNotOffered, |hello| {
            hello.extensions.set(E::KEY_SHARE, [0, 24])
        }),
        retry(V::RetryGroupAlreadyShared, |hello| {
            hello.extensions.set(E::KEY_SHARE, [0, 29])
        }),
        retry(V::SuiteNotOffered, |hello| hello.suite = 0x1304),
        retry(V::SessionIdNotEchoed, |hello| hello.session_id[31] ^= 1),
        retry(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::PRE_SHARED_KEY, [0, 0])
        }),
        // An empty cookie does not have the syntax of one (§4.2.2).
        retry(V::MalformedExtension, |hello| {
            hello.extensions.add(E::COOKIE, [0, 0])
        }),
        retry(V::CookieTooLong, |hello| {
            let cookie = [&[0xff, 0x78][..], &[7; 65_400]].concat();
            hello.extensions.add(E::COOKIE, cookie);
        }),
        after_retry(V::SecondRetry, |hello| {
            hello.random = HELLO_RETRY_REQUEST_RANDOM;
            hello.extensions.set(E::KEY_SHARE, [0, 29]);
        }),
        after_retry(V::VersionChangedAfterRetry, |hello| {
            hello.extensions.set(E::SUPPORTED_VERSIONS, [3, 3]);
        }),
        after_retry(V::VersionChangedAfterRetry, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS);
        }),
        // Nothing may follow a HelloRetryRequest before it is answered.
        Case::new(
            V::MessageAfterFlight,
            By::Server,
            Stage::WaitServerHello,
            first(T::SERVER_HELLO, |raw| {
                vec![Put::Message([raw, &[8, 0, 0, 2, 0, 0]].concat())]
            }),
        )
        .server(retrying_server()),
        after_retry(V::SuiteChangedAfterRetry, |hello| hello.suite = 0x1301),
        after_retry(V::GroupChangedAfterRetry, |hello| {
            hello.extensions.body(E::KEY_SHARE)[1] = 29;
        }),
    ]
}
