//! A session goes nowhere that a full handshake would not go, and belongs to whoever made it.

use std::sync::OnceLock;

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use rustls_pki_types::{CertificateDer, DnsName};

use super::*;
use crate::config::ServerNameIndication as Indication;
use crate::session::SessionKey;
use crate::testing::sessions;

/// A root, which every certificate here goes back to.
fn root() -> &'static (Roots, Issuer<'static, KeyPair>) {
    static ROOT: OnceLock<(Roots, Issuer<'static, KeyPair>)> = OnceLock::new();
    ROOT.get_or_init(|| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let mut roots = Roots::empty();
        roots.add_der(der).unwrap();
        (roots, Issuer::new(params, key))
    })
}

/// A certificate of the root's with a key of its own.
fn issued(change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let der: CertificateDer<'static> = params.signed_by(&key, &root().1).unwrap().der().clone();
    Identity::from_der(
        vec![der],
        &PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    )
    .unwrap()
}

fn named(names: &[&str]) -> Identity {
    issued(|params| {
        let names = names.iter().map(|name| (*name).to_owned());
        params.subject_alt_names = CertificateParams::new(names.collect::<Vec<_>>())
            .unwrap()
            .subject_alt_names;
    })
}

/// What a client says of the name `localhost`, which it wants to see.
fn indications() -> [Indication; 4] {
    let other = |name| Indication::SendOther(DnsName::try_from(name).unwrap());
    [
        Indication::Send,
        Indication::Omit,
        other("b.example"),
        other("nobody.example"),
    ]
}

fn of_root() -> ClientConfigBuilder {
    ClientConfig::builder(root().0.clone())
        .groups([NamedGroup::X25519])
        .session_tickets(true)
}

fn with(keys: &TicketKeys, identities: &[Identity]) -> ServerConfigBuilder {
    let server = ServerConfig::builder().ticket_keys(keys.clone());
    let identities = identities.iter().cloned();
    identities.fold(server, ServerConfigBuilder::identity)
}

/// How a connection ended: refused by the client, or made, and then whether it is resumed.
fn outcome(
    client: &ClientConfigBuilder,
    server: &ServerConfigBuilder,
    sessions: Vec<ClientSession>,
    shows: Option<&Identity>,
) -> Option<bool> {
    let (client, server) = (
        client.clone().build().unwrap(),
        server.clone().build().unwrap(),
    );
    let pair = resuming(client, server, sessions);
    let (client, _) = pair.run_answering(|_, question| {
        Some(match (question, shows) {
            (Question::ChooseIdentity(question), Some(identity)) => {
                question.present(identity.clone())
            }
            (other, _) => other.default_answer(),
        })
    });
    match client {
        Ok(connection) => Some(connection.information.is_resumed()),
        Err(error) => {
            assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
            None
        }
    }
}

/// §4.6.1, CVE-2025-23419: whatever name the client has sent, it comes to no server by a session
/// that shows it another certificate than the one whose names it has seen.
#[test]
fn a_session_goes_where_its_names_are() {
    let keys = keys();
    let [ours, renewed] = [(); 2].map(|()| named(&["localhost", "*.a.example"]));
    let reordered = named(&["*.A.example", "LOCALHOST"]);
    let more = named(&["localhost", "*.a.example", "c.example"]);
    let other = named(&["b.example"]);
    let servers: [(&str, &[&Identity], bool); 8] = [
        ("the same", &[&ours], true),
        ("renewed", &[&renewed], true),
        ("reordered", &[&reordered], true),
        ("more names", &[&more], false),
        ("another", &[&other], false),
        ("another before it", &[&other, &ours], false),
        ("another behind it", &[&ours, &other], true),
        ("renewed, and two", &[&renewed, &ours], true),
    ];
    for indication in indications() {
        let client = of_root().server_name_indication(indication.clone());
        let session = first(&client, &with(&keys, core::slice::from_ref(&ours)));
        assert!(!session.is_empty());
        for (which, identities, same) in &servers {
            let identities: Vec<_> = identities.iter().copied().cloned().collect();
            let server = with(&keys, &identities);
            // By name a server finds the certificate, wherever it stands.
            let same = match &indication {
                Indication::Send => *same || identities.len() == 2,
                Indication::SendOther(name) if name.as_ref() == "b.example" => {
                    *same && !identities.iter().any(|one| one.has_name("b.example"))
                }
                _ => *same,
            };
            let what = format!("{indication:?}, {which}");
            for asks in [false, true] {
                let server = server.clone().ask_identity(asks);
                let full = outcome(&client, &server, Vec::new(), None);
                let resumed = outcome(&client, &server, session.clone(), None);
                assert_eq!(resumed, full.map(|_| same), "{what}, asked: {asks}");
            }
            // Somebody chooses, whatever is configured.
            let asking = server.ask_identity(true);
            for (shown, resumes) in [(&ours, true), (&renewed, true), (&more, false)] {
                let resumed = outcome(&client, &asking, session.clone(), Some(shown));
                assert_eq!(resumed, Some(resumes), "{what}");
            }
            let resumed = outcome(&client, &asking, session.clone(), Some(&other));
            assert_eq!(resumed, None, "{what}");
        }
    }
}

/// Names are all that a certificate says of its owner, and without any it is the subject.
#[test]
fn names_of_every_kind() {
    let keys = keys();
    let uri = |uri: &str| {
        let uri = SanType::URI(uri.to_owned().try_into().unwrap());
        issued(|params| params.subject_alt_names = vec![uri])
    };
    let subject = |name: &str| {
        issued(|params| {
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
        })
    };
    let address = |last| {
        let address = SanType::IpAddress([192, 0, 2, last].into());
        issued(|params| params.subject_alt_names = vec![address])
    };
    let makers: [&dyn Fn(bool) -> Identity; 3] = [
        &|one| uri(if one { "spiffe://x/a" } else { "spiffe://x/b" }),
        &|one| subject(if one { "a" } else { "b" }),
        &|one| address(u8::from(one)),
    ];
    let careless = ClientConfig::dangerous_builder_without_verification()
        .groups([NamedGroup::X25519])
        .session_tickets(true);
    for make in makers {
        let session = first(&careless, &with(&keys, &[make(true)]));
        for one in [true, false] {
            let server = with(&keys, &[make(one)]);
            let resumed = outcome(&careless, &server, session.clone(), None);
            assert_eq!(resumed, Some(one));
        }
    }
}

/// A session in which this side was alice is not offered by whoever cannot be alice.
#[test]
fn a_session_belongs_to_who_made_it() {
    let keys = keys();
    let [alice, bob] = ["alice", "bob"].map(|name| named(&[name]));
    let server = with(&keys, &[named(&["localhost"])])
        .client_authentication(ClientAuthentication::Optional(root().0.clone()));
    let client = |identities: &[&Identity]| {
        let identities = identities.iter().copied().cloned();
        identities.fold(of_root(), ClientConfigBuilder::identity)
    };
    let of_alice = first(&client(&[&alice]), &server).remove(0);
    let of_nobody = first(&client(&[]), &server).remove(0);
    let bytes = of_alice.to_bytes();
    let written = ClientSession::from_bytes(&bytes).unwrap();
    for (session, identities, resumed) in [
        (&of_alice, &[&alice][..], true),
        (&written, &[&alice], true),
        (&of_alice, &[&bob], false),
        (&written, &[&bob], false),
        (&of_alice, &[], false),
        (&of_alice, &[&bob, &alice], true),
        (&of_nobody, &[], true),
    ] {
        let (_, end) = connect(client(identities), server.clone(), vec![session.clone()]);
        assert_eq!(end.information.is_resumed(), resumed);
        let shown = end.information.peer_certificates().first();
        let expected = match resumed {
            true if core::ptr::eq(session, &of_nobody) => None,
            true => alice.chain().first(),
            false => identities.first().and_then(|one| one.chain().first()),
        };
        assert_eq!(shown, expected);
    }
    // Where identities are chosen nobody can know: whoever gives the session does.
    let asking = client(&[&bob]).ask_identity(true);
    assert!(is_resumed(asking, server.clone(), vec![of_alice.clone()]));

    // A ticket that comes over a resumed connection is as much alice's.
    let (mut end, _) = connect(client(&[&alice]), server.clone(), vec![of_alice.clone()]);
    let next = sessions(&mut end).remove(0);
    assert!(!is_resumed(
        client(&[&bob]),
        server.clone(),
        vec![next.clone()]
    ));
    assert!(is_resumed(client(&[&alice]), server.clone(), vec![next]));

    // Going on with a configuration that has no alice is not going on as alice.
    let goes_on = |with: ClientConfigBuilder| {
        let pauses = client(&[&alice]).pause_at_hello(true).build().unwrap();
        let server = server.clone().build().unwrap();
        let config = with.build().unwrap();
        let pair = resuming(pauses, server, vec![of_alice.clone()]);
        let (client, _) = pair.run_answering(|_, question| {
            Some(match question {
                Question::ReviewServerHello(question) => question.proceed_with(config.clone()),
                other => other.default_answer(),
            })
        });
        client
    };
    assert!(goes_on(client(&[&alice])).unwrap().information.is_resumed());
    let error = goes_on(client(&[&bob])).unwrap_err();
    assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
}

/// A session of TLS is not kept, nor offered, as one of DTLS.
#[test]
fn a_key_is_of_one_protocol() {
    let session = first(&client(), &server(&keys())).remove(0);
    let config = client().build().unwrap();
    let tls = SessionKey::new(&config, session.server_name().clone(), None);
    let dtls = tls.clone().for_dtls();
    assert!(tls.admits(&session) && !dtls.admits(&session));
    assert!(dtls.is_for_dtls() && !tls.is_for_dtls() && tls != dtls);
    let mut of_dtls = session;
    of_dtls.established.dialect = Dialect::Dtls;
    assert!(dtls.admits(&of_dtls) && !tls.admits(&of_dtls));
}

/// What is written down under one key is found under no other, and after a restart.
#[test]
fn keys_in_bytes_differ_as_the_keys_do() {
    let config = |ask: bool| client().ask_identity(ask).build().unwrap();
    let alice = client()
        .identity(named(&["alice.example"]))
        .build()
        .unwrap();
    let name = |name: &str| ServerName::try_from(name.to_owned()).unwrap();
    let key = |name, service| SessionKey::new(&config(false), name, service);
    let keys = [
        key(name("a.example"), None),
        key(name("a.example"), Some("")),
        key(name("a.example"), Some("443")),
        key(name("a.example443"), None),
        key(name("127.0.0.1"), None),
        SessionKey::new(&config(true), name("a.example"), None),
        SessionKey::new(&alice, name("a.example"), None),
        key(name("a.example"), None).for_dtls(),
        key(name("a.example"), Some("443")).for_dtls(),
    ];
    for (at, one) in keys.iter().enumerate() {
        let bytes = one.to_bytes();
        assert_eq!(SessionKey::from_bytes(&bytes).as_ref(), Ok(one));
        for length in 0..bytes.len() {
            // What is cut off is at most another service.
            let short = SessionKey::from_bytes(&bytes[..length]);
            assert!(short.is_err() || one.service().is_some());
        }
        for (at, with) in [(0, 3), (1, 0), (1, 3), (2, 2), (3, 2), (4, 2)] {
            let mut bytes = bytes.clone();
            bytes[at] = with;
            assert!(SessionKey::from_bytes(&bytes).is_err(), "{at}");
        }
        for other in &keys[..at] {
            assert_ne!(one, other);
            assert_ne!(one.to_bytes(), other.to_bytes(), "{one:?} {other:?}");
        }
    }
    // Equal ones are equal in bytes; services are told apart by case, and names are not.
    let (one, same) = (
        key(name("a.example"), Some("A")),
        key(name("A.Example"), Some("A")),
    );
    assert_eq!((&one, one.to_bytes()), (&same, same.to_bytes()));
    assert_ne!(one.to_bytes(), key(name("a.example"), Some("a")).to_bytes());
    let bytes = keys[2].to_bytes();
    assert_eq!(bytes, b"\x02\x01\x00\x01\x00\x00\x09a.example443");
    // As keys were written before they had a protocol.
    let before = b"\x01\x00\x01\x00\x00\x09a.example443";
    assert!(SessionKey::from_bytes(before).is_err());
}
