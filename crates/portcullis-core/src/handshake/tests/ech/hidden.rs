//! What of an encrypted hello is seen by others: nothing but lengths.

use super::rejected::each_hello;
use super::*;
use crate::wire::extension::EncryptedClientHello;
use crate::wire::{ClientHello, ExtensionType as E, HandshakeMessage as _, is_grease};

fn contains(bytes: &[u8], wanted: &str) -> bool {
    bytes
        .windows(wanted.len())
        .any(|part| part == wanted.as_bytes())
}

#[test]
fn the_name_is_neither_on_the_wire_nor_in_errors() {
    let (key, other) = (key(1), key(2));
    let retry = [NamedGroup::SECP384R1];
    for server in [
        server(&key),
        server(&key).groups(retry),
        server(&other),
        server(&other).groups(retry),
        both_names(),
        both_names().versions([ProtocolVersion::TLS_1_2]),
        ServerConfig::builder().identity(names().public.clone()),
        ServerConfig::builder().identity(crate::testing::pki().server.clone()),
    ] {
        let config = client(key.config_list())
            .versions([ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2])
            .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
            .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]))
            .send_certificate_authorities(true);
        let mut pair = pair(config.build().unwrap(), server.build().unwrap());
        let mut answer = |_, question| Some(crate::testing::answer(question));
        pair.turn(&mut answer);
        assert!(!contains(&pair.client_sent, SECRET));
        assert!(contains(&pair.client_sent, PUBLIC));
        if let Err(error) = pair.client.poll() {
            let printed = format!("{error} {error:?} {error:#?}");
            assert!(!printed.contains(SECRET), "{printed}");
        }
    }
}

/// The list of what may be seen is one of what may, so that whatever is added is hidden.
#[test]
fn an_outer_hello_has_what_is_listed() {
    let key = key(1);
    let psk = crate::config::PreSharedKey::new("meter-17", [7; 32]).unwrap();
    let config = client(key.config_list())
        .alpn(["h2"])
        .send_certificate_authorities(true)
        .max_fragment_length(crate::config::MaxFragmentLength::Bytes1024)
        .request_ocsp_response(true)
        .session_tickets(true)
        .ticket_request(1, 1)
        .record_size_limit(1_000)
        .versions([ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2])
        .psk(psk)
        .grease(true);
    let mut pair = pair(config.build().unwrap(), server(&key).build().unwrap());
    let mut answer = |_, question| Some(crate::testing::answer(question));
    pair.turn(&mut answer);
    assert!(!contains(&pair.client_sent, "meter-17"));
    let allowed = [
        E::SERVER_NAME,
        E::MAX_FRAGMENT_LENGTH,
        E::STATUS_REQUEST,
        E::SUPPORTED_GROUPS,
        E::EC_POINT_FORMATS,
        E::SIGNATURE_ALGORITHMS,
        E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION,
        E::EXTENDED_MASTER_SECRET,
        E::ENCRYPT_THEN_MAC,
        E::RECORD_SIZE_LIMIT,
        E::SESSION_TICKET,
        E::SUPPORTED_VERSIONS,
        E::PSK_KEY_EXCHANGE_MODES,
        E::KEY_SHARE,
        E::TICKET_REQUEST,
        E::RENEGOTIATION_INFO,
        E::ENCRYPTED_CLIENT_HELLO,
        E::PRE_SHARED_KEY,
    ];
    each_hello(&pair.client_sent, |extensions| {
        for extension in extensions.iter() {
            let typ = extension.extension_type;
            assert!(allowed.contains(&typ) || is_grease(typ.0), "{typ}");
        }
        assert_eq!(extensions.last().unwrap().extension_type, E::PRE_SHARED_KEY);
    });
}

/// RFC 9849 §6.2: who has encrypted a hello must look as who pretends, whatever else is in it.
#[test]
fn a_pretended_hello_has_the_order_of_a_real_one() {
    let key = key(1);
    for grease in [false, true] {
        let order = |client: ClientConfigBuilder| {
            let server = server(&key).build().unwrap();
            let client = client.grease(grease).alpn(["h2"]).build().unwrap();
            let mut pair = pair(client, server);
            pair.turn(&mut |_, question| Some(question.default_answer()));
            // Behind the headers of the record and the message.
            let hello = ClientHello::decode(hello_of(&pair.client_sent)).unwrap();
            let types = hello.extensions.iter().map(|one| one.extension_type);
            // Those that mean nothing are others each time.
            types
                .map(|typ| if is_grease(typ.0) { 0x0a0a } else { typ.0 })
                .collect::<Vec<_>>()
        };
        let real = order(client(key.config_list()));
        let pretended = ClientConfig::builder(names().roots.clone()).ech_grease(true);
        assert_eq!(order(pretended), real);
        assert_eq!(
            real.iter().filter(|typ| **typ == 0x0a0a).count(),
            if grease { 2 } else { 0 }
        );
    }
}

/// The body of the ClientHello at the start of what a client has sent, which is in one record.
fn hello_of(sent: &[u8]) -> &[u8] {
    let length = usize::from(u16::from_be_bytes([sent[3], sent[4]]));
    &sent[5 + 4..5 + length]
}

#[test]
fn names_of_all_lengths_look_the_same() {
    let key = key(1);
    let mut lengths = Vec::new();
    for name in [
        "a.example",
        "a-name-that-is-longer-than-the-other.example",
        "192.0.2.1",
    ] {
        let config = client(key.config_list()).build().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = Handshake::client(config, name).unwrap();
        let sent = crate::handshake::tests::attack::transmitted(&mut client);
        let payloads = each_hello(&sent, |extensions| {
            match extensions.find::<EncryptedClientHello<'_>>() {
                Some(Ok(EncryptedClientHello::Outer(outer))) => outer.payload.len(),
                other => panic!("{other:?}"),
            }
        });
        lengths.push(payloads[0]);
        // With the share of X25519MLKEM768 once.
        assert!(sent.len() < 2_100, "{}", sent.len());
    }
    assert_eq!(lengths, vec![lengths[0]; lengths.len()]);
    assert_eq!(lengths[0] % 32, 16);
}

#[test]
fn what_cannot_be_hidden_is_refused_when_it_is_built() {
    let key = key(1);
    let refused = |builder: ClientConfigBuilder, part: &str| {
        let misuse = builder.build().unwrap_err().to_string();
        assert!(misuse.contains(part), "{misuse}");
    };
    let list = || key.config_list();
    refused(
        client(list()).versions([ProtocolVersion::TLS_1_2]),
        "TLSv1.3",
    );
    let psk = crate::config::PreSharedKey::new("meter-17", [7; 32]).unwrap();
    let suites = [
        crate::suite::CipherSuite::TLS_AES_128_GCM_SHA256,
        crate::suite::CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
    ];
    refused(
        client(list()).cipher_suites(suites).psk(psk),
        "leave out one",
    );
    // A version that nobody knows.
    let unknown = EchConfigList::from_bytes(&[0, 5, 0xba, 0xdd, 0, 1, 7]).unwrap();
    refused(client(unknown.clone()), "ech_required(false)");
    let roots = names().roots.clone();
    refused(
        ClientConfig::builder(roots).ech_required(true),
        "ech_required",
    );
    // Who says so lets it be seen.
    let config = client(unknown).ech_required(false).build().unwrap();
    let (connected, _) = pair(config, server(&key).build().unwrap()).run();
    let connected = connected.unwrap();
    assert_eq!(connected.information.ech(), EchStatus::NotOffered);
    let older = server(&key).versions([ProtocolVersion::TLS_1_2]).build();
    assert!(older.unwrap_err().to_string().contains("TLSv1.3"));
}
