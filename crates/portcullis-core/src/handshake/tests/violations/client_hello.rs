//! Rules about ClientHello (RFC 8446 §4.1.2, §4.2, §9.2).

use super::super::attack::{By, Case, retrying_server, server};
use super::super::parts::{ClientHelloParts, client_hello};
use super::super::tamper::{Put, first, nth};
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

const PSK: [u8; 46] = {
    let mut psk = [0; 46];
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
    ]
}

fn second_hello() -> Vec<Case> {
    vec![
        second(V::SecondHelloChanged, |hello| hello.random[0] ^= 1),
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
        second(V::UnsupportedVersion, |hello| {
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
