//! Rules about both hellos before TLS 1.3 (RFC 5246 §7.4.1, and the RFCs of its extensions).

use super::super::attack::{By, Case, client, retrying_server, server};
use super::super::older::{older_client, older_server};
use super::super::parts::{
    ClientHelloParts, Parts, ServerHelloParts, client_hello, encrypted_extensions, server_hello,
};
use super::super::tamper::{Put, Tamper, first, nth};
use crate::config::{ExtendedMasterSecret as Ems, MaxFragmentLength, SecureRenegotiation};
use crate::suite::CipherSuite;
use crate::version::{DOWNGRADE_TO_TLS_1_1, DOWNGRADE_TO_TLS_1_2};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{ProtocolVersion, Stage, Violation as V};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

/// The ServerHello, changed.
fn hello(violation: V, change: fn(&mut ServerHelloParts)) -> Case {
    let tamper = first(T::SERVER_HELLO, move |raw| {
        vec![Put::Message(server_hello(raw, change))]
    });
    Case::new(violation, By::Server, Stage::WaitServerHello, tamper)
        .client(older_client())
        .server(older_server())
}

/// The ServerHello of TLS 1.2, changed, to a client that has offered TLS 1.3, too.
fn to_newer(violation: V, change: fn(&mut ServerHelloParts)) -> Case {
    hello(violation, change).client(client().versions(BOTH))
}

/// The ServerHello of TLS 1.3, changed, to a client that has offered TLS 1.2, too.
fn of_newer(violation: V, change: fn(&mut ServerHelloParts)) -> Case {
    to_newer(violation, change).server(server())
}

/// The ClientHello, changed.
fn from_client(violation: V, change: fn(&mut ClientHelloParts)) -> Case {
    let tamper = first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, change))]
    });
    Case::new(violation, By::Client, Stage::WaitClientHello, tamper)
        .client(older_client())
        .server(older_server())
}

fn untouched() -> Tamper {
    Box::new(|raw| vec![Put::Message(raw.to_vec())])
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = versions();
    cases.extend(server_hellos());
    cases.extend(server_extensions());
    cases.extend(resumed());
    cases.extend(client_hellos());
    cases.extend(client_extensions());
    cases
}

fn versions() -> Vec<Case> {
    let after_retry = |change: fn(&mut ServerHelloParts)| {
        let tamper = nth(2, T::SERVER_HELLO, move |raw| {
            vec![Put::Message(server_hello(raw, change))]
        });
        let stage = Stage::WaitServerHello;
        Case::new(V::VersionChangedAfterRetry, By::Server, stage, tamper)
            .client(client().versions(BOTH))
            .server(retrying_server())
    };
    vec![
        hello(V::VersionNotOffered, |hello| hello.legacy_version = 0x0302),
        hello(V::VersionNotOffered, |hello| hello.legacy_version = 0x0301),
        hello(V::VersionNotOffered, |hello| hello.legacy_version = 0x0300),
        hello(V::VersionNotOffered, |hello| hello.legacy_version = 0x0304),
        // TLS 1.2 is selected in legacy_version and nowhere else (RFC 8446 §4.2.1).
        to_newer(V::SelectedVersionNotOffered, |hello| {
            hello.extensions.add(E::SUPPORTED_VERSIONS, [3, 3]);
        }),
        to_newer(V::SelectedVersionNotOffered, |hello| {
            hello.extensions.add(E::SUPPORTED_VERSIONS, [3, 2]);
        }),
        // Nobody has asked a client of TLS 1.2 alone.
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::SUPPORTED_VERSIONS, [3, 4]);
        }),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::SUPPORTED_VERSIONS, [3, 3]);
        }),
        to_newer(V::DowngradeDetected, |hello| {
            hello.random[24..].copy_from_slice(&DOWNGRADE_TO_TLS_1_2);
        }),
        to_newer(V::DowngradeDetected, |hello| {
            hello.random[24..].copy_from_slice(&DOWNGRADE_TO_TLS_1_1);
        }),
        hello(V::DowngradeDetected, |hello| {
            hello.legacy_version = 0x0302;
            hello.random[24..].copy_from_slice(&DOWNGRADE_TO_TLS_1_1);
        }),
        // A HelloRetryRequest has said TLS 1.3 (CVE-2026-34873).
        after_retry(|hello| hello.extensions.remove(E::SUPPORTED_VERSIONS)),
        after_retry(|hello| {
            hello.extensions = Parts::default();
            hello.legacy_version = 0x0303;
            hello.suite = 0xc02b;
        }),
        from_client(V::UnsupportedVersion, |hello| hello.legacy_version = 0x0302),
        from_client(V::UnsupportedVersion, |hello| hello.legacy_version = 0x0301),
        from_client(V::LegacyVersionInClientHello, |hello| {
            hello.legacy_version = 0x0300
        }),
        // With the extension it alone counts, whatever legacy_version says.
        from_client(V::UnsupportedVersion, |hello| {
            hello.extensions.add(E::SUPPORTED_VERSIONS, [2, 3, 4]);
        }),
        from_client(V::UnsupportedVersion, |hello| {
            hello.extensions.add(E::SUPPORTED_VERSIONS, [2, 3, 2]);
        }),
        from_client(V::InappropriateFallback, |hello| hello.suites.push(0x5600))
            .server(server().versions(BOTH)),
    ]
}

fn server_hellos() -> Vec<Case> {
    vec![
        to_newer(V::SuiteOfAnotherVersion, |hello| hello.suite = 0x1301),
        of_newer(V::SuiteOfAnotherVersion, |hello| hello.suite = 0xc02b),
        // One of TLS 1.3 that was not even offered, CBC, anonymous (GHSA-c6cw-pr89-w882), none.
        hello(V::SuiteNotOffered, |hello| hello.suite = 0x1301),
        hello(V::SuiteNotOffered, |hello| hello.suite = 0xc009),
        hello(V::SuiteNotOffered, |hello| hello.suite = 0xc018),
        hello(V::SuiteNotOffered, |hello| hello.suite = 0x00a6),
        hello(V::SuiteNotOffered, |hello| hello.suite = 0x0000),
        hello(V::SuiteNotOffered, |hello| hello.suite = 0x00ff),
        hello(V::CompressionNotOffered, |hello| hello.compression = 1),
        hello(V::MalformedMessage, |hello| hello.session_id = vec![7; 33]),
        hello(V::ExtendedMasterSecretMissing, |hello| {
            hello.extensions.remove(E::EXTENDED_MASTER_SECRET);
        })
        .client(older_client().extended_master_secret(Ems::Required)),
        Case::new(
            V::ExtendedMasterSecretMissing,
            By::Server,
            Stage::WaitServerHello,
            untouched(),
        )
        .client(older_client().extended_master_secret(Ems::Required))
        .server(older_server().extended_master_secret(Ems::Off)),
    ]
}

fn server_extensions() -> Vec<Case> {
    let with_cbc = || older_client().cipher_suites([CipherSuite(0xc02b), CipherSuite(0xc009)]);
    let limited = || older_client().record_size_limit(1024);
    let fragmented = || older_client().max_fragment_length(MaxFragmentLength::Bytes512);
    const ALPN: E = E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION;
    vec![
        hello(V::SecureRenegotiationMissing, |hello| {
            hello.extensions.remove(E::RENEGOTIATION_INFO);
        })
        .client(older_client().secure_renegotiation(SecureRenegotiation::Demanded)),
        hello(V::RenegotiationInfoMismatch, |hello| {
            hello.extensions.set(E::RENEGOTIATION_INFO, [1, 7]);
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(E::RENEGOTIATION_INFO, [1]);
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(E::RENEGOTIATION_INFO, []);
        }),
        hello(V::UncompressedPointsMissing, |hello| {
            hello.extensions.set(E::EC_POINT_FORMATS, [1, 1]);
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(E::EC_POINT_FORMATS, [0]);
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(E::EXTENDED_MASTER_SECRET, [0]);
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.add(E::SESSION_TICKET, [0]);
        })
        .client(older_client().session_tickets(true)),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.add(E::STATUS_REQUEST, [0]);
        })
        .client(older_client().request_ocsp_response(true)),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::SESSION_TICKET, []);
        }),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::STATUS_REQUEST, []);
        }),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::EXTENDED_MASTER_SECRET, []);
        })
        .client(older_client().extended_master_secret(Ems::Off)),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::ENCRYPT_THEN_MAC, []);
        }),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::ENCRYPT_THEN_MAC, []);
        })
        .client(with_cbc().encrypt_then_mac(false)),
        // RFC 7366 §3: it is not for an AEAD.
        hello(V::EncryptThenMacWithoutBlockCipher, |hello| {
            hello.extensions.add(E::ENCRYPT_THEN_MAC, []);
        })
        .client(with_cbc()),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.add(E::ENCRYPT_THEN_MAC, [0]);
        })
        .client(with_cbc()),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::NEXT_PROTOCOL_NEGOTIATION, []);
        }),
        // ALPN is there.
        hello(V::BothProtocolNegotiations, |hello| {
            hello
                .extensions
                .add(E::NEXT_PROTOCOL_NEGOTIATION, [2, b'h', b'2']);
        })
        .client(older_client().next_protocols(["h2"])),
        hello(V::MalformedExtension, |hello| {
            hello
                .extensions
                .add(E::NEXT_PROTOCOL_NEGOTIATION, [2, b'h', b'2', 0]);
        })
        .client(older_client().next_protocols(["h2"])),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E(0x1234), []);
        }),
        hello(V::ExtensionNotOffered, |hello| {
            hello.extensions.add(E::KEY_SHARE, [0, 29, 0, 1, 0]);
        }),
        // Offered for the case of TLS 1.3.
        to_newer(V::ExtensionMisplaced, |hello| {
            hello.extensions.add(E::KEY_SHARE, [0, 29, 0, 1, 0]);
        }),
        to_newer(V::ExtensionMisplaced, |hello| {
            hello.extensions.add(E::SIGNATURE_ALGORITHMS, [0, 2, 4, 3]);
        }),
        // And the reverse: what belongs to TLS 1.2 answers nothing in TLS 1.3.
        of_newer(V::ExtensionMisplaced, |hello| {
            hello.extensions.add(E::EXTENDED_MASTER_SECRET, []);
        }),
        of_newer(V::ExtensionMisplaced, |hello| {
            hello.extensions.add(E::RENEGOTIATION_INFO, [0]);
        }),
        in_encrypted_extensions(E::EXTENDED_MASTER_SECRET, &[]),
        in_encrypted_extensions(E::RENEGOTIATION_INFO, &[0]),
        in_encrypted_extensions(E::ENCRYPT_THEN_MAC, &[]).client(
            client()
                .versions(BOTH)
                .cipher_suites([CipherSuite(0x1301), CipherSuite(0xc009)]),
        ),
        in_encrypted_extensions(E::EC_POINT_FORMATS, &[1, 0]),
        in_encrypted_extensions(E::NEXT_PROTOCOL_NEGOTIATION, &[2, b'h', b'2'])
            .client(client().versions(BOTH).next_protocols(["h2"])),
        hello(V::DuplicateNegotiation, |hello| {
            hello.extensions.add(E::EXTENDED_MASTER_SECRET, []);
        }),
        hello(V::ProtocolNotOffered, |hello| {
            hello.extensions.set(ALPN, [0, 3, 2, b'h', b'3']);
        }),
        hello(V::MalformedExtension, |hello| {
            hello.extensions.set(ALPN, [0, 3, 9, b'h', b'2']);
        }),
        hello(V::ServerNameAckNotEmpty, |hello| {
            hello.extensions.set(E::SERVER_NAME, [0]);
        }),
        hello(V::BadRecordSizeLimit, |hello| {
            hello.extensions.set(E::RECORD_SIZE_LIMIT, [0, 63]);
        })
        .client(limited()),
        // RFC 8449 §4: before TLS 1.3 the type is no part of it.
        hello(V::BadRecordSizeLimit, |hello| {
            hello.extensions.set(E::RECORD_SIZE_LIMIT, [0x40, 1]);
        })
        .client(limited()),
        hello(V::MaxFragmentLengthChanged, |hello| {
            hello.extensions.set(E::MAX_FRAGMENT_LENGTH, [2]);
        })
        .client(fragmented()),
        hello(V::RecordSizeLimitWithMaxFragment, |hello| {
            hello.extensions.add(E::MAX_FRAGMENT_LENGTH, [1]);
        })
        .client(limited().max_fragment_length(MaxFragmentLength::Bytes512)),
    ]
}

fn in_encrypted_extensions(typ: E, body: &'static [u8]) -> Case {
    let tamper = first(T::ENCRYPTED_EXTENSIONS, move |raw| {
        vec![Put::Message(encrypted_extensions(raw, |parts| {
            parts.add(typ, body);
        }))]
    });
    let stage = Stage::WaitEncryptedExtensions;
    Case::new(V::ExtensionMisplaced, By::Server, stage, tamper).client(client().versions(BOTH))
}

/// RFC 5246 §7.4.1.3, RFC 7627 §5.3. Another version: see `client/tls12/resumption.rs`.
fn resumed() -> Vec<Case> {
    let without = || older_server().extended_master_secret(Ems::Off);
    vec![
        hello(V::ResumedWithAnotherSuite, |hello| hello.suite = 0xc02b).resuming(),
        hello(V::ResumedWithoutExtendedMasterSecret, |hello| {
            hello.extensions.remove(E::EXTENDED_MASTER_SECRET);
        })
        .resuming(),
        hello(V::ResumedWithExtendedMasterSecret, |hello| {
            hello.extensions.add(E::EXTENDED_MASTER_SECRET, []);
        })
        .server(without())
        .resuming(),
    ]
}

fn client_hellos() -> Vec<Case> {
    vec![
        from_client(V::NullCompressionMissing, |hello| {
            hello.compression = vec![1]
        }),
        from_client(V::MalformedMessage, |hello| hello.compression.clear()),
        from_client(V::MalformedMessage, |hello| hello.suites.clear()),
        from_client(V::MalformedMessage, |hello| hello.session_id = vec![7; 33]),
        // Of another version, of another kind of key, anonymous.
        from_client(V::NoSharedCipherSuite, |hello| hello.suites = vec![0x1301]),
        from_client(V::NoSharedCipherSuite, |hello| hello.suites = vec![0xc02f]),
        from_client(V::NoSharedCipherSuite, |hello| {
            hello.suites = vec![0xc018, 0x00a6, 0x0000]
        }),
        Case::new(
            V::ExtendedMasterSecretMissing,
            By::Client,
            Stage::WaitClientHello,
            untouched(),
        )
        .client(older_client().extended_master_secret(Ems::Off))
        .server(older_server().extended_master_secret(Ems::Required)),
        // RFC 7627 §5.3: the session has it.
        from_client(V::ResumedWithoutExtendedMasterSecret, |hello| {
            hello.extensions.remove(E::EXTENDED_MASTER_SECRET);
        })
        .resuming(),
    ]
}

fn client_extensions() -> Vec<Case> {
    const ALPN: E = E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION;
    vec![
        from_client(V::SecureRenegotiationMissing, |hello| {
            hello.extensions.remove(E::RENEGOTIATION_INFO);
        })
        .server(older_server().secure_renegotiation(SecureRenegotiation::Demanded)),
        from_client(V::RenegotiationInfoMismatch, |hello| {
            hello.extensions.set(E::RENEGOTIATION_INFO, [1, 7]);
        }),
        from_client(V::MalformedExtension, |hello| {
            hello.extensions.set(E::RENEGOTIATION_INFO, []);
        }),
        from_client(V::UncompressedPointsMissing, |hello| {
            hello.extensions.set(E::EC_POINT_FORMATS, [2, 1, 2]);
        }),
        from_client(V::MalformedExtension, |hello| {
            hello.extensions.set(E::EC_POINT_FORMATS, [0]);
        }),
        from_client(V::MalformedExtension, |hello| {
            hello.extensions.set(E::EXTENDED_MASTER_SECRET, [0]);
        }),
        from_client(V::MalformedExtension, |hello| {
            hello.extensions.add(E::ENCRYPT_THEN_MAC, [0]);
        }),
        from_client(V::NoSharedGroup, |hello| {
            hello.extensions.set(E::SUPPORTED_GROUPS, [0, 2, 0, 30]);
        }),
        // The curve of the key exchange is there, that of the certificate is not.
        from_client(V::NoSharedCertificateCurve, |hello| {
            hello.extensions.set(E::SUPPORTED_GROUPS, [0, 2, 0, 29]);
        }),
        // A hybrid is no curve.
        from_client(V::NoSharedGroup, |hello| {
            hello
                .extensions
                .set(E::SUPPORTED_GROUPS, [0, 2, 0x11, 0xec]);
        }),
        from_client(V::MalformedExtension, |hello| {
            hello.extensions.set(E::SUPPORTED_GROUPS, [0, 0]);
        }),
        // §7.4.1.4.1: without the extension it is SHA-1, which nobody here signs with.
        from_client(V::NoSharedSignatureScheme, |hello| {
            hello.extensions.remove(E::SIGNATURE_ALGORITHMS);
        }),
        from_client(V::NoSharedSignatureScheme, |hello| {
            hello.extensions.set(E::SIGNATURE_ALGORITHMS, [0, 2, 2, 3]);
        }),
        from_client(V::NoSharedProtocol, |hello| {
            hello.extensions.set(ALPN, [0, 3, 2, b'h', b'3']);
        }),
        from_client(V::UnrecognizedName, |hello| {
            hello.extensions.set(E::SERVER_NAME, [0, 4, 0, 0, 1, b'x']);
        })
        .server(older_server().refuse_unknown_names(true)),
        from_client(V::BadServerName, |hello| {
            hello
                .extensions
                .set(E::SERVER_NAME, [0, 5, 0, 0, 2, 0xc3, 0xa4]);
        }),
        from_client(V::BadMaxFragmentLength, |hello| {
            hello.extensions.add(E::MAX_FRAGMENT_LENGTH, [5]);
        }),
        from_client(V::BadRecordSizeLimit, |hello| {
            hello.extensions.add(E::RECORD_SIZE_LIMIT, [0, 63]);
        }),
        from_client(V::DuplicateNegotiation, |hello| {
            hello.extensions.add(E::EXTENDED_MASTER_SECRET, []);
        }),
    ]
}
