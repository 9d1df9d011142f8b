//! Rules about ClientHello (RFC 8446 §4.1.2, §4.2, §9.2).

use super::super::attack::{By, Case, retrying_server, server};
use super::super::parts::{ClientHelloParts, client_hello};
use super::super::tamper::{Put, first, nth};
use crate::config::ClientConfig;
use crate::testing::pki;
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{Stage, Violation as V};

/// The hello, changed.
fn hello(violation: V, change: fn(&mut ClientHelloParts)) -> Case {
    let tamper = first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, change))]
    });
    Case::new(violation, By::Client, Stage::WaitClientHello, tamper)
}

/// The second hello, changed.
fn second(violation: V, change: fn(&mut ClientHelloParts)) -> Case {
    let tamper = nth(2, T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, change))]
    });
    Case::new(violation, By::Client, Stage::WaitSecondClientHello, tamper).server(retrying_server())
}

const PSK: [u8; 44] = {
    let mut psk = [0; 44];
    // One identity of one byte with its age, one binder of 32 bytes.
    psk[1] = 7;
    psk[3] = 1;
    psk[10] = 33;
    psk[11] = 32;
    psk
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = fields();
    cases.extend(extensions());
    cases.extend(second_hello());
    cases.extend(resumed());
    cases
}

fn fields() -> Vec<Case> {
    vec![
        hello(V::LegacyVersionInClientHello, |hello| {
            hello.legacy_version = 0x0300
        }),
        hello(V::UnsupportedVersion, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS)
        }),
        hello(V::UnsupportedVersion, |hello| {
            hello.extensions.set(E::SUPPORTED_VERSIONS, [4, 3, 3, 3, 2]);
        }),
        hello(V::InappropriateFallback, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS);
            hello.suites.push(0x5600);
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(E::SUPPORTED_VERSIONS, [0])
        }),
        hello(V::CompressionOffered, |hello| {
            hello.compression = vec![1, 0]
        }),
        hello(V::CompressionOffered, |hello| hello.compression = vec![1]),
        hello(V::NoSharedCipherSuite, |hello| {
            hello.suites = vec![0xc02f, 0x00ff, 0x1304]
        }),
        hello(V::MalformedMessage, |hello| hello.suites.clear()),
        hello(V::MalformedMessage, |hello| hello.compression.clear()),
        hello(V::MalformedMessage, |hello| hello.session_id = vec![7; 33]),
    ]
}

fn extensions() -> Vec<Case> {
    vec![
        hello(V::SignatureAlgorithmsMissing, |hello| {
            hello.extensions.remove(E::SIGNATURE_ALGORITHMS);
        }),
        hello(V::SupportedGroupsMissing, |hello| {
            hello.extensions.remove(E::SUPPORTED_GROUPS)
        }),
        hello(V::KeyShareMissing, |hello| {
            hello.extensions.remove(E::KEY_SHARE)
        }),
        hello(V::NoSharedGroup, |hello| {
            hello.extensions.set(E::SUPPORTED_GROUPS, [0, 2, 0, 30]);
            hello.extensions.set(E::KEY_SHARE, [0, 0]);
        }),
        hello(V::KeyShareOutsideGroups, |hello| {
            hello.extensions.set(E::SUPPORTED_GROUPS, [0, 2, 0, 23]);
        }),
        hello(V::DuplicateKeyShare, |hello| {
            let shares = hello.extensions.body(E::KEY_SHARE);
            let again = shares[2..].to_vec();
            shares.extend(again);
            shares[1] *= 2;
        }),
        hello(V::BadKeyShare, |hello| {
            hello.extensions.body(E::KEY_SHARE)[6..].fill(0)
        }),
        hello(V::NoSharedSignatureScheme, |hello| {
            hello.extensions.set(E::SIGNATURE_ALGORITHMS, [0, 2, 8, 8]);
        }),
        hello(V::NoSharedProtocol, |hello| {
            hello.extensions.set(
                E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION,
                [0, 3, 2, b'h', b'3'],
            );
        }),
        hello(V::MalformedExtension, |hello| {
            hello
                .extensions
                .set(E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION, [0, 1, 0]);
        }),
        hello(V::UnrecognizedName, |hello| {
            hello.extensions.set(E::SERVER_NAME, [0, 4, 0, 0, 1, b'x']);
        })
        .server(server().refuse_unknown_names(true)),
        hello(V::ServerNameMissing, |hello| {
            hello.extensions.remove(E::SERVER_NAME)
        })
        .server(server().require_server_name(true)),
        hello(V::BadServerName, |hello| {
            hello
                .extensions
                .set(E::SERVER_NAME, [0, 5, 0, 0, 2, 0xc3, 0xa4]);
        }),
        hello(V::BadMaxFragmentLength, |hello| {
            hello.extensions.add(E::MAX_FRAGMENT_LENGTH, [5]);
        }),
        hello(V::BadRecordSizeLimit, |hello| {
            hello.extensions.add(E::RECORD_SIZE_LIMIT, [0, 63]);
        }),
        hello(V::PskNotLast, |hello| {
            hello.extensions.add(E::PSK_KEY_EXCHANGE_MODES, [1, 1]);
            hello
                .extensions
                .0
                .insert(0, (E::PRE_SHARED_KEY, PSK.to_vec()));
        }),
        hello(V::PskWithoutModes, |hello| {
            hello.extensions.add(E::PRE_SHARED_KEY, PSK)
        }),
        hello(V::PskBinderCount, |hello| {
            let mut two_binders = PSK;
            two_binders[10] = 34;
            two_binders[11] = 32;
            hello.extensions.add(E::PSK_KEY_EXCHANGE_MODES, [1, 1]);
            let psks = [&two_binders[..], &[0]].concat();
            hello.extensions.add(E::PRE_SHARED_KEY, psks);
        }),
        hello(V::PskBinderCount, |hello| {
            let psks = [&[0, 14][..], &PSK[2..9], &PSK[2..]].concat();
            hello.extensions.add(E::PSK_KEY_EXCHANGE_MODES, [1, 1]);
            hello.extensions.add(E::PRE_SHARED_KEY, psks);
        }),
    ]
}

/// A change to the binder that ends the hello, or to what it covers.
fn resumed() -> Vec<Case> {
    let changes: [fn(&mut ClientHelloParts); 5] = [
        |hello| *hello.extensions.body(E::PRE_SHARED_KEY).last_mut().unwrap() ^= 1,
        |hello| hello.random[0] ^= 1,
        |hello| hello.suites.push(0x1304),
        // Shorter by a byte, longer by a byte: 48 bytes are those of SHA-384.
        |hello| {
            let psks = hello.extensions.body(E::PRE_SHARED_KEY);
            psks.pop();
            let at = psks.len() - 47;
            assert_eq!(psks[at - 3..at], [0, 49, 48]);
            psks[at - 2..at].copy_from_slice(&[48, 47]);
        },
        |hello| {
            let psks = hello.extensions.body(E::PRE_SHARED_KEY);
            psks.push(0);
            let at = psks.len() - 49;
            psks[at - 2..at].copy_from_slice(&[50, 49]);
        },
    ];
    let mut cases: Vec<_> = changes
        .into_iter()
        .map(|change| hello(V::BadPskBinder, change).resuming())
        .collect();
    // No binder at all: as a list it does not decode; as an empty binder it does not verify.
    cases.push(
        hello(V::MalformedExtension, |hello| {
            let psks = hello.extensions.body(E::PRE_SHARED_KEY);
            psks.truncate(psks.len() - 51);
            psks.extend([0, 0]);
        })
        .resuming(),
    );
    cases.push(
        hello(V::BadPskBinder, |hello| {
            let psks = hello.extensions.body(E::PRE_SHARED_KEY);
            psks.truncate(psks.len() - 51);
            psks.extend([0, 1, 0]);
        })
        .resuming(),
    );
    // The only key, which goes with the suite.
    cases.push(
        second(V::PskOmittedAfterRetry, |hello| {
            hello.extensions.remove(E::PRE_SHARED_KEY)
        })
        .resuming(),
    );
    // No identity, and one of no bytes.
    for psks in [&[0, 0, 0, 33][..], &[0, 6, 0, 0, 0, 0, 0, 0, 0, 33]] {
        let tamper = first(T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                let psks = [psks, &PSK[11..]].concat();
                hello.extensions.set(E::PRE_SHARED_KEY, psks);
            }))]
        });
        let stage = Stage::WaitClientHello;
        cases.push(Case::new(V::MalformedExtension, By::Client, stage, tamper).resuming());
    }
    // The second hello's binder is of the second hello.
    cases.push(
        second(V::BadPskBinder, |hello| {
            *hello.extensions.body(E::PRE_SHARED_KEY).last_mut().unwrap() ^= 1;
        })
        .resuming(),
    );
    let mut first_binder = Vec::new();
    let keeps_its_binder: crate::handshake::tests::Tamper = Box::new(move |raw| {
        if raw[0] != T::CLIENT_HELLO.0 {
            return vec![Put::Message(raw.to_vec())];
        }
        let (hello, binder) = raw.split_at(raw.len() - 48);
        if first_binder.is_empty() {
            first_binder = binder.to_vec();
        }
        vec![Put::Message([hello, &first_binder].concat())]
    });
    let stage = Stage::WaitSecondClientHello;
    cases.push(
        Case::new(V::BadPskBinder, By::Client, stage, keeps_its_binder)
            .server(retrying_server())
            .resuming(),
    );
    cases
}

fn second_hello() -> Vec<Case> {
    vec![
        second(V::SecondHelloChanged, |hello| hello.random[0] ^= 1),
        second(V::SecondHelloChanged, |hello| hello.legacy_version -= 1),
        second(V::SecondHelloChanged, |hello| hello.session_id[0] ^= 1),
        second(V::SecondHelloChanged, |hello| hello.suites.reverse()),
        second(V::SecondHelloChanged, |hello| {
            hello.extensions.remove(E::SERVER_NAME)
        }),
        second(V::SecondHelloChanged, |hello| {
            hello.extensions.add(E(0x1234), [])
        }),
        second(V::SecondHelloChanged, |hello| {
            hello.extensions.set(E::SIGNATURE_ALGORITHMS, [0, 2, 4, 3]);
        }),
        second(V::SecondHelloChanged, |hello| {
            hello.extensions.add(E::PRE_SHARED_KEY, PSK)
        })
        .client(ClientConfig::builder(pki().roots.clone()).session_tickets(true)),
        second(V::SecondHelloChanged, |hello| {
            hello.extensions.set(E::SUPPORTED_VERSIONS, [2, 3, 3]);
        }),
        second(V::RetryIgnored, |hello| {
            hello.extensions.set(E::KEY_SHARE, [0, 0])
        }),
        second(V::RetryIgnored, |hello| {
            hello.extensions.body(E::KEY_SHARE)[3] = 29
        }),
        second(V::KeyShareMissing, |hello| {
            hello.extensions.remove(E::KEY_SHARE)
        }),
        second(V::UnexpectedCookie, |hello| {
            hello.extensions.add(E::COOKIE, [0, 1, 7])
        }),
        second(V::BadCookie, |hello| {
            hello.extensions.body(E::COOKIE)[9] ^= 1
        })
        .server(retrying_server().cookie(true)),
        second(V::BadCookie, |hello| hello.extensions.remove(E::COOKIE))
            .server(retrying_server().cookie(true)),
        second(V::MalformedExtension, |hello| {
            hello.extensions.set(E::COOKIE, [0, 0])
        })
        .server(retrying_server().cookie(true)),
    ]
}
