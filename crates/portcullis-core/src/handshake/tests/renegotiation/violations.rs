//! Each rule of a renegotiation: a peer that breaks just that one.

use super::super::attack::{By, ed25519_identity, refused, transmitted};
use super::super::parts::{client_hello, server_hello};
use super::super::tamper::{Put, Tamper, first};
use super::{Ends, From, asks, client, pair, server};
use crate::config::{ClientConfig, ExtendedMasterSecret as Ems};
use crate::suite::CipherSuite;
use crate::testing::{Pair, now, pki};
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::{Direction, Handshake, Stage, Violation as V};

/// A hello of either side without an extension.
pub(super) fn without(raw: &[u8], typ: E) -> Vec<u8> {
    match raw[0] {
        1 => client_hello(raw, |hello| hello.extensions.remove(typ)),
        _ => server_hello(raw, |hello| hello.extensions.remove(typ)),
    }
}

/// A renegotiation that the client begins, in which one side breaks the rules.
pub(super) fn attacked(mut ends: Ends, by: By, tamper: Tamper) -> Pair {
    let Ends { client, server } = &mut ends;
    let (reader, writer) = (&mut client.reader, &mut client.writer);
    let mut begun = match by {
        By::Client => Handshake::renegotiate_tampering(reader, writer, tamper),
        By::Server => {
            let begun = Handshake::renegotiate(reader, writer, now()).unwrap();
            return answered(begun, ends, Some(tamper));
        }
    };
    let hello = transmitted(&mut begun);
    assert!(asks(server, hello));
    answered(begun, ends, None)
}

fn answered(mut begun: Handshake, mut ends: Ends, tamper: Option<Tamper>) -> Pair {
    let server = &mut ends.server;
    let hello = transmitted(&mut begun);
    assert!(hello.is_empty() || asks(server, hello));
    let (reader, writer) = (&mut server.reader, &mut server.writer);
    let answering = match tamper {
        Some(tamper) => Handshake::renegotiate_tampering(reader, writer, tamper),
        None => Handshake::renegotiate(reader, writer, now()).unwrap(),
    };
    pair(begun, answering)
}

fn check(violation: V, by: By, stage: Stage, ends: Ends, tamper: Tamper) {
    let error = refused(attacked(ends, by, tamper), by);
    assert_eq!(error.violation(), Some(violation), "{error}");
    assert_eq!(error.stage(), stage, "{error}");
    let alert = (Direction::Sent, violation.alert());
    assert_eq!(error.alert(), Some(alert), "{error}");
}

fn ends() -> Ends {
    Ends::new(client(), server())
}

fn by_client(
    violation: V,
    change: impl FnMut(&mut super::super::parts::ClientHelloParts) + Send + Copy + 'static,
) {
    let tamper = first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, change))]
    });
    check(
        violation,
        By::Client,
        Stage::WaitClientHello,
        ends(),
        tamper,
    );
}

fn by_server(
    violation: V,
    change: impl FnMut(&mut super::super::parts::ServerHelloParts) + Send + Copy + 'static,
) {
    let tamper = first(T::SERVER_HELLO, move |raw| {
        vec![Put::Message(server_hello(raw, change))]
    });
    check(
        violation,
        By::Server,
        Stage::WaitServerHello,
        ends(),
        tamper,
    );
}

/// RFC 5746 §3.5.
#[test]
fn a_client_demands_the_right_renegotiation_info() {
    by_server(V::RenegotiationInfoMissing, |hello| {
        hello.extensions.remove(E::RENEGOTIATION_INFO);
    });
    // As in a first handshake: the attack of 2009.
    by_server(V::RenegotiationInfoMismatch, |hello| {
        hello.extensions.set(E::RENEGOTIATION_INFO, [0]);
    });
    // Of either half a bit, and the halves in the wrong order.
    for at in [1, 12, 13, 24] {
        by_server(V::RenegotiationInfoMismatch, move |hello| {
            hello.extensions.body(E::RENEGOTIATION_INFO)[at] ^= 1;
        });
    }
    by_server(V::RenegotiationInfoMismatch, |hello| {
        hello.extensions.body(E::RENEGOTIATION_INFO)[1..].rotate_left(12);
    });
}

/// RFC 5746 §3.7.
#[test]
fn a_server_demands_the_right_renegotiation_info() {
    by_client(V::RenegotiationInfoMissing, |hello| {
        hello.extensions.remove(E::RENEGOTIATION_INFO);
    });
    by_client(V::RenegotiationInfoMismatch, |hello| {
        hello.extensions.set(E::RENEGOTIATION_INFO, [0]);
    });
    for at in [1, 12] {
        by_client(V::RenegotiationInfoMismatch, move |hello| {
            hello.extensions.body(E::RENEGOTIATION_INFO)[at] ^= 1;
        });
    }
    // That of the server behind it, which only the server says.
    by_client(V::RenegotiationInfoMismatch, |hello| {
        let info = hello.extensions.body(E::RENEGOTIATION_INFO);
        info[0] = 24;
        info.extend_from_slice(&[7; 12]);
    });
    by_client(V::ScsvInRenegotiation, |hello| hello.suites.push(0x00ff));
}

/// CVE-2009-3555: whoever is in the middle has had a handshake of its own with the server, and lets
/// the client's first one follow as if it were its second.
#[test]
fn a_first_handshake_is_no_second_one() {
    let mut ends = ends();
    let mut victim = Handshake::client(client().build().unwrap(), crate::testing::name()).unwrap();
    let hello = transmitted(&mut victim);
    // The record of the victim, sealed by the one in the middle.
    let (_, message) = hello.split_at(5);
    let middle = &mut ends.client;
    let message = message.to_vec();
    let tamper = first(T::CLIENT_HELLO, move |_| {
        vec![Put::Message(message.clone())]
    });
    let mut begun =
        Handshake::renegotiate_tampering(&mut middle.reader, &mut middle.writer, tamper);
    assert!(asks(&mut ends.server, transmitted(&mut begun)));
    let end = &mut ends.server;
    let answering = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
    let error = refused(pair(begun, answering), By::Client);
    assert_eq!(error.violation(), Some(V::RenegotiationInfoMismatch));
}

#[test]
fn the_version_stays() {
    by_server(V::RenegotiationChangedVersion, |hello| {
        hello.legacy_version = 0x0302;
    });
    by_client(V::RenegotiationChangedVersion, |hello| {
        hello.legacy_version = 0x0302;
    });
    by_client(V::RenegotiationChangedVersion, |hello| {
        hello.extensions.add(E::SUPPORTED_VERSIONS, [2, 3, 4]);
    });
    // It has no such extension there, so nobody can answer it.
    by_server(V::ExtensionNotOffered, |hello| {
        hello.extensions.add(E::SUPPORTED_VERSIONS, [3, 4]);
    });
}

/// The triple handshake (RFC 7627 §1).
#[test]
fn the_certificate_of_the_server_stays() {
    let other = ed25519_identity().clone();
    let tamper = first(T::CERTIFICATE, move |_| {
        let message = other.certificate_message(crate::x509::Form::Before13);
        vec![Put::Message(message.to_vec())]
    });
    check(
        V::RenegotiationChangedCertificate,
        By::Server,
        Stage::WaitCertificate,
        ends(),
        tamper,
    );
    // Also where nobody verifies it.
    let trusting = ClientConfig::dangerous_builder_without_verification()
        .versions(super::super::older::V1_2)
        .alpn(["dot"])
        .renegotiation(super::ALWAYS);
    let other = ed25519_identity().clone();
    let tamper = first(T::CERTIFICATE, move |_| {
        let message = other.certificate_message(crate::x509::Form::Before13);
        vec![Put::Message(message.to_vec())]
    });
    check(
        V::RenegotiationChangedCertificate,
        By::Server,
        Stage::WaitCertificate,
        Ends::new(trusting, server()),
        tamper,
    );
}

/// Who the client has proved to be it stays: neither somebody else nor nobody.
#[test]
fn the_client_stays_who_it_is() {
    use crate::config::ClientAuthentication::Optional;
    let authenticating = || server().client_authentication(Optional(pki().roots.clone()));
    let authenticated = || client().identity(pki().client.clone());
    let renewed = || client().identity(ed25519_identity().clone());
    for (after, stays) in [
        (authenticated(), true),
        (renewed(), false),
        (client(), false),
    ] {
        let mut ends = Ends::new(authenticated(), authenticating());
        super::replace_client(&mut ends.client, after);
        if stays {
            let ends = ends.renegotiate(From::Server);
            let shown = ends.server.information.peer_certificates();
            assert_eq!(shown, pki().client.chain());
            continue;
        }
        let error = refused(ends.begin(From::Server), By::Client);
        assert_eq!(error.violation(), Some(V::RenegotiationChangedClient));
        assert_eq!(error.stage(), Stage::WaitCertificate);
        let alert = (Direction::Sent, V::RenegotiationChangedClient.alert());
        assert_eq!(error.alert(), Some(alert));
    }
    // Who was nobody may say now who it is: that is what most servers renegotiate for.
    let mut ends = Ends::new(client(), authenticating());
    super::replace_client(&mut ends.client, authenticated());
    let ends = ends.renegotiate(From::Server);
    let shown = ends.server.information.peer_certificates();
    assert_eq!(shown, pki().client.chain());
    // Nor does a suite without certificates take it away.
    let suites = [
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
    ];
    let key = crate::config::PreSharedKey::new("meter", [7; 32]).unwrap();
    let server = authenticating().cipher_suites(suites).psk(key.clone());
    let client = |suite| authenticated().cipher_suites([suite]);
    let mut ends = Ends::new(client(suites[0]), server);
    super::replace_client(&mut ends.client, client(suites[1]).psk(key));
    let error = refused(ends.begin(From::Server), By::Client);
    assert_eq!(error.violation(), Some(V::RenegotiationChangedClient));
}

/// The same of whoever has logged in.
#[cfg(feature = "finite-field")]
#[test]
fn the_user_stays() {
    use super::super::tls12::user::{SRP, users};
    let with = |user: &str, password: &str| {
        let client = client().cipher_suites([SRP]);
        client.srp(user, password).dh_minimum(1024)
    };
    let ends = || {
        let server = server().cipher_suites([SRP]).clear_identities();
        Ends::new(with("alice", "password123"), server.srp_users(users()))
    };
    let same = ends().renegotiate(From::Server);
    assert_eq!(same.server.information.srp_user(), Some(&b"alice"[..]));
    let mut changed = ends();
    super::replace_client(&mut changed.client, with("bob", "another"));
    let error = refused(changed.begin(From::Server), By::Client);
    assert_eq!(error.violation(), Some(V::RenegotiationChangedClient));
    assert_eq!(error.stage(), Stage::WaitClientKeyExchange);
}

/// Whoever is connected can try identities that way as little as others can, not even with the empty one.
#[test]
fn identities_stay_hidden() {
    let suite = [CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256];
    let key = |identity: &str| crate::config::PreSharedKey::new(identity, [1; 32]).unwrap();
    let with = |identity| client().cipher_suites(suite).psk(key(identity));
    for before in ["", "meter"] {
        for other in ["known", "unknown"] {
            let server = server().cipher_suites(suite).clear_identities();
            let server = server.psk(key(before)).psk(key("known"));
            let server = server.hide_unknown_psk_identities(true);
            let mut changed = Ends::new(with(before), server);
            super::replace_client(&mut changed.client, with(other));
            let error = refused(changed.begin(From::Server), By::Client);
            let violation = Some(V::RenegotiationChangedClient);
            assert_eq!(error.violation(), violation, "{before}, {other}");
        }
    }
}

/// The same of whoever has a pre-shared key; a new key of the same identity is no other client.
#[test]
fn the_identity_of_a_pre_shared_key_stays() {
    let suite = [CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256];
    let key =
        |identity: &str, byte| crate::config::PreSharedKey::new(identity, [byte; 32]).unwrap();
    let (old, new, other) = (key("meter", 1), key("meter", 2), key("other", 3));
    let with = |psk| client().cipher_suites(suite).psk(psk);
    let ends = || {
        let server = server().cipher_suites(suite).clear_identities();
        Ends::new(
            with(old.clone()),
            server.psk(old.clone()).psk(other.clone()),
        )
    };
    ends().renegotiate(From::Server);
    let mut changed = ends();
    super::replace_client(&mut changed.client, with(other.clone()));
    let error = refused(changed.begin(From::Server), By::Client);
    assert_eq!(error.violation(), Some(V::RenegotiationChangedClient));
    assert_eq!(error.stage(), Stage::WaitClientKeyExchange);
    let server = server().cipher_suites(suite).clear_identities();
    let mut rotated = Ends::new(with(old), server.ask_psk(true).psk(key("meter", 1)));
    super::replace_client(&mut rotated.client, with(new.clone()));
    let (client, server) = rotated.begin(From::Server).run_answering(|_, question| {
        Some(match question {
            crate::question::Question::ChoosePsk(question) => question.use_psk(new.clone()),
            other => other.default_answer(),
        })
    });
    client.unwrap();
    let server = server.unwrap();
    assert_eq!(server.information.psk_identity(), Some(&b"meter"[..]));
}

/// openssl#9754: it is this hello that counts, and it says the same.
#[test]
fn the_extended_master_secret_is_not_lost() {
    by_client(V::RenegotiationChangedProtection, |hello| {
        hello.extensions.remove(E::EXTENDED_MASTER_SECRET);
    });
    by_server(V::RenegotiationChangedProtection, |hello| {
        hello.extensions.remove(E::EXTENDED_MASTER_SECRET);
    });
}

/// openssl#14875: a server forgot them in the second handshake. It answers what this hello says, and nothing else.
#[test]
fn the_formats_of_points_are_those_of_this_hello() {
    for offered in [true, false] {
        let mut ends = ends();
        let Ends { client, server } = &mut ends;
        let change = first(T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(match offered {
                true => raw.to_vec(),
                false => without(raw, E::EC_POINT_FORMATS),
            })]
        });
        let (reader, writer) = (&mut client.reader, &mut client.writer);
        let mut begun = Handshake::renegotiate_tampering(reader, writer, change);
        let hello = transmitted(&mut begun);
        assert!(asks(server, hello));
        let (sender, answered_with) = std::sync::mpsc::channel();
        let look = first(T::SERVER_HELLO, move |raw| {
            server_hello(raw, |hello| {
                let mut types = hello.extensions.0.iter();
                let has = types.any(|(typ, _)| *typ == E::EC_POINT_FORMATS);
                sender.send(has).unwrap();
            });
            vec![Put::Message(raw.to_vec())]
        });
        let (client, server) = answered(begun, ends, Some(look)).run();
        client.unwrap();
        server.unwrap();
        assert_eq!(answered_with.try_recv(), Ok(offered));
    }
}

/// BoGo: ExtendedMasterSecret-Renego-Upgrade.
#[test]
fn nor_won() {
    let client_without = || client().extended_master_secret(Ems::Off);
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.extensions.add(E::EXTENDED_MASTER_SECRET, []);
        }))]
    });
    check(
        V::RenegotiationChangedProtection,
        By::Client,
        Stage::WaitClientHello,
        Ends::new(client_without(), server()),
        tamper,
    );
    let tamper = first(T::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.add(E::EXTENDED_MASTER_SECRET, []);
        }))]
    });
    check(
        V::RenegotiationChangedProtection,
        By::Server,
        Stage::WaitServerHello,
        Ends::new(client(), server().extended_master_secret(Ems::Off)),
        tamper,
    );
}

/// RFC 7366 §3.1, also after a handshake in between whose cipher does not leave the choice.
#[test]
fn encrypt_then_mac_is_not_lost() {
    let cbc = CipherSuite(0xc009);
    let gcm = CipherSuite(0xc02b);
    let both = || client().cipher_suites([cbc, gcm]);
    for between in [false, true] {
        let ends = || {
            let server = server().cipher_suites([cbc, gcm]).honor_cipher_order(false);
            let mut ends = Ends::new(both(), server);
            assert!(ends.client.information.encrypt_then_mac());
            if between {
                super::replace_client(&mut ends.client, client().cipher_suites([gcm]));
                ends = ends.renegotiate(From::Client);
                assert!(!ends.client.information.encrypt_then_mac());
                super::replace_client(&mut ends.client, both());
            }
            ends
        };
        let tamper = first(T::CLIENT_HELLO, |raw| {
            vec![Put::Message(without(raw, E::ENCRYPT_THEN_MAC))]
        });
        let violation = V::RenegotiationChangedProtection;
        check(
            violation,
            By::Client,
            Stage::WaitClientHello,
            ends(),
            tamper,
        );
        let tamper = first(T::SERVER_HELLO, |raw| {
            vec![Put::Message(without(raw, E::ENCRYPT_THEN_MAC))]
        });
        check(
            violation,
            By::Server,
            Stage::WaitServerHello,
            ends(),
            tamper,
        );
    }
}

const ALPN: E = E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION;

#[test]
fn the_protocol_stays() {
    by_client(V::RenegotiationChangedProtocol, |hello| {
        hello.extensions.add(ALPN, *b"\0\x03\x02h2");
    });
    // It was not offered again (BoGo: Renegotiation-ForbidALPN).
    by_server(V::ExtensionNotOffered, |hello| {
        hello.extensions.add(ALPN, *b"\0\x04\x03dot");
    });
}

/// A client that offers it again is told the same again.
#[test]
fn a_protocol_that_is_offered_again_is_answered() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.extensions.add(ALPN, *b"\0\x07\x02h2\x03dot");
        }))]
    });
    let mut pair = attacked(ends(), By::Client, tamper);
    super::super::attack::talk(&mut pair);
    // Here the client has not offered it, as far as it knows.
    let error = pair.client.poll().unwrap_err();
    assert_eq!(error.violation(), Some(V::ExtensionNotOffered));
}

#[test]
fn the_name_stays() {
    by_client(V::RenegotiationChangedName, |hello| {
        let name = b"elsewhere";
        let mut body = vec![0, 12, 0, 0, 9];
        body.extend_from_slice(name);
        hello.extensions.set(E::SERVER_NAME, body);
    });
}

/// Who names nobody means whom the first hello has named: what is shown, and what is told of the connection, stays.
#[test]
fn a_name_that_is_not_said_again_stays() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(without(raw, E::SERVER_NAME))]
    });
    // Whoever asks for nobody gets the first one.
    let pki = pki();
    let server = server()
        .clear_identities()
        .identity(pki.client.clone())
        .identity(pki.server.clone());
    let (client, server) = attacked(Ends::new(client(), server), By::Client, tamper).run();
    client.unwrap();
    let server = server.unwrap().information;
    assert!(server.is_renegotiated());
    assert_eq!(server.server_name(), Some("localhost"));
}

/// CVE-2021-3449: OpenSSL crashed. Without the extension there are no schemes but SHA-1's.
#[test]
fn without_signature_algorithms() {
    by_client(V::NoSharedSignatureScheme, |hello| {
        hello.extensions.remove(E::SIGNATURE_ALGORITHMS);
    });
}

/// A session is not resumed there, so none is offered; that there may be tickets is said again (RFC 5077 §3.2).
#[test]
fn no_session_is_resumed() {
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            assert!(hello.session_id.is_empty());
            let extensions = &hello.extensions.0;
            assert!(
                !extensions
                    .iter()
                    .any(|(typ, _)| [E::SUPPORTED_VERSIONS, E::KEY_SHARE, ALPN].contains(typ))
            );
            assert!(extensions.contains(&(E::SESSION_TICKET, Vec::new())));
            assert!(!hello.suites.contains(&0x00ff));
        }))]
    });
    let client = client()
        .session_tickets(true)
        .versions(super::super::older::VERSIONS);
    let (client, server) = attacked(Ends::new(client, server()), By::Client, tamper).run();
    client.unwrap();
    server.unwrap();
}

#[test]
fn a_server_that_resumes_a_session_is_refused() {
    // The client has no id, so that none can come back; a Finished in the place of a Certificate.
    let tamper = first(T::CERTIFICATE, |_| {
        vec![Put::Record(ContentType::CHANGE_CIPHER_SPEC, vec![1])]
    });
    let violation = V::UnexpectedChangeCipherSpec;
    check(
        violation,
        By::Server,
        Stage::WaitCertificate,
        ends(),
        tamper,
    );
}

/// The keys that it ends protect change_cipher_spec, and once is enough.
#[test]
fn change_cipher_spec_comes_once_and_under_the_keys() {
    let twice = || {
        first(T::FINISHED, |raw| {
            vec![
                Put::Record(ContentType::CHANGE_CIPHER_SPEC, vec![1]),
                Put::Message(raw.to_vec()),
            ]
        })
    };
    for by in [By::Client, By::Server] {
        let violation = V::UnexpectedChangeCipherSpec;
        check(violation, by, Stage::WaitFinished, ends(), twice());
    }
    let bare = first(T::CLIENT_KEY_EXCHANGE, |raw| {
        vec![
            Put::Message(raw.to_vec()),
            Put::Raw(vec![20, 3, 3, 0, 1, 1]),
        ]
    });
    let stage = Stage::WaitChangeCipherSpec;
    check(V::BadRecordMac, By::Client, stage, ends(), bare);
}

/// RFC 5246 §7.4.9: change_cipher_spec proves nothing.
#[test]
fn no_data_under_keys_that_no_finished_has_confirmed() {
    for by in [By::Client, By::Server] {
        let tamper = first(T::FINISHED, |raw| {
            let data = Put::Record(ContentType::APPLICATION_DATA, b"data".to_vec());
            vec![data, Put::Message(raw.to_vec())]
        });
        let violation = V::DataBeforeFinished;
        check(violation, by, Stage::WaitFinished, ends(), tamper);
    }
}

#[test]
fn empty_data_under_way_is_counted() {
    let mut ends = ends();
    let end = &mut ends.client;
    let mut request = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
    transmitted(&mut request);
    let end = &mut ends.server;
    let server = Handshake::renegotiate_tampering(
        &mut end.reader,
        &mut end.writer,
        Box::new(|_| vec![Put::Record(ContentType::APPLICATION_DATA, vec![]); 33]),
    );
    let mut pair = pair(request, server);
    super::super::attack::talk(&mut pair);
    let error = pair.client.poll().unwrap_err();
    assert_eq!(error.violation(), Some(V::TooManyEmptyRecords));
}

/// Once it may have crossed; twice it has not.
#[test]
fn a_second_hello_request_is_refused() {
    for (count, violation) in [(2, V::UnexpectedMessage), (1, V::MalformedMessage)] {
        let mut ends = ends();
        let end = &mut ends.client;
        let mut request = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
        transmitted(&mut request);
        let end = &mut ends.server;
        let tamper: Tamper = Box::new(move |raw| match count {
            2 => vec![
                Put::Unhashed(raw.to_vec()),
                Put::Cut,
                Put::Unhashed(raw.to_vec()),
            ],
            // BoGo: BadHelloRequest-1.
            _ => vec![Put::Unhashed(vec![0, 0, 0, 1, 7])],
        });
        let mut server = Handshake::renegotiate_tampering(&mut end.reader, &mut end.writer, tamper);
        request.receive(&transmitted(&mut server), now());
        transmitted(&mut request);
        let error = request.poll().unwrap_err();
        assert_eq!(error.violation(), Some(violation), "{error}");
    }
}

/// BoGo: Renegotiate-Client-Packed.
#[test]
fn nothing_comes_behind_a_hello_request() {
    let mut ends = ends();
    let end = &mut ends.server;
    let tamper: Tamper = Box::new(|raw| vec![Put::Unhashed([raw, &[2]].concat())]);
    let mut server = Handshake::renegotiate_tampering(&mut end.reader, &mut end.writer, tamper);
    let mut record = transmitted(&mut server);
    let error = ends.client.reader.open_in_place(&mut record).unwrap_err();
    assert_eq!(error.violation(), Some(V::MessageAfterFlight));
}

/// A request in pieces is whole in the end; so is one that has come in part when this side begins.
#[test]
fn a_request_in_pieces() {
    for own in [false, true] {
        let mut ends = ends();
        let end = &mut ends.client;
        let tamper = first(T::CLIENT_HELLO, |raw| {
            let (front, back) = raw.split_at(raw.len() / 2);
            vec![
                Put::Message(front.to_vec()),
                Put::Cut,
                Put::Message(back.to_vec()),
            ]
        });
        let mut begun = Handshake::renegotiate_tampering(&mut end.reader, &mut end.writer, tamper);
        let pieces = transmitted(&mut begun);
        let length = 5 + usize::from(u16::from_be_bytes([pieces[3], pieces[4]]));
        let (front, back) = pieces.split_at(length);
        let end = &mut ends.server;
        assert!(!asks(end, front.to_vec()));
        if !own {
            assert!(asks(end, back.to_vec()));
        }
        let mut answering =
            Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
        if own {
            answering.receive(back, now());
        }
        let (client, server) = pair(begun, answering).run();
        let (client, server) = (client.unwrap(), server.unwrap());
        Ends { client, server }.exchange();
    }
}

/// A hello that says too much of itself is refused at once, as in a first handshake.
#[test]
fn a_long_hello() {
    let mut ends = ends();
    let end = &mut ends.client;
    let tamper: Tamper = Box::new(|_| vec![Put::Unhashed(vec![1, 0, 0xc0, 0])]);
    let mut client = Handshake::renegotiate_tampering(&mut end.reader, &mut end.writer, tamper);
    let mut record = transmitted(&mut client);
    let error = ends.server.reader.open_in_place(&mut record).unwrap_err();
    assert_eq!(error.violation(), Some(V::HandshakeMessageTooLong));
}
