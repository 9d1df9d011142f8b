//! Handshakes before TLS 1.3, both ends ours: what is negotiated, and that data goes through.

use super::attack::{
    authenticated_client, authenticating_server, client, read_all, server, ticket_keys, transmitted,
};
use crate::config::{
    ClientConfig, ClientConfigBuilder, ExtendedMasterSecret, ServerConfig, ServerConfigBuilder,
};
use crate::connection::Connection;
use crate::crypto::prf::PrfKey;
use crate::suite::{Authentication, CipherSuite, Exchange, Mac};
use crate::testing::{Pair, now, pki, resuming, sessions_of};
use crate::wire::{ClientHello, ExtensionType, HandshakeMessage as _};
use crate::{NamedGroup, PrfSecret, ProtocolVersion, SignatureScheme, Violation};

pub(super) const V1_2: [ProtocolVersion; 1] = [ProtocolVersion::TLS_1_2];

/// For what is the same in each.
pub(super) const VERSIONS: [ProtocolVersion; 2] =
    [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

pub(super) fn older_client() -> ClientConfigBuilder {
    client().versions(V1_2)
}

pub(super) fn older_server() -> ServerConfigBuilder {
    server().versions(V1_2)
}

/// Both connections, through which data has gone both ways.
pub(super) fn connect(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (Connection, Connection) {
    let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    talking(pair)
}

pub(super) fn talking(pair: Pair) -> (Connection, Connection) {
    talking_in(ProtocolVersion::TLS_1_2, pair)
}

pub(super) fn talking_in(version: ProtocolVersion, pair: Pair) -> (Connection, Connection) {
    let (client, server) = pair.run();
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    exchange(&mut client, &mut server);
    exchange(&mut server, &mut client);
    for connection in [&client, &server] {
        let information = &connection.information;
        assert_eq!(information.version(), version);
        assert_eq!(information.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(information.server_name(), Some("localhost"));
    }
    let (one, other) = (&client.information, &server.information);
    assert_eq!(one.cipher_suite(), other.cipher_suite());
    assert_eq!(one.group(), other.group());
    // Where the server shows a certificate, or has shown it in the session that is resumed.
    let end_point = one.tls_server_end_point();
    let has_certificate = !one.peer_certificates().is_empty();
    assert!(has_certificate || end_point.is_none());
    assert_eq!(other.tls_server_end_point(), end_point);
    (client, server)
}

/// More than fits into two records.
fn exchange(from: &mut Connection, to: &mut Connection) {
    let data: Vec<u8> = (0..40_000_u32).map(|at| at as u8).collect();
    let mut sealed = core::mem::take(&mut from.transmit);
    let at = sealed.len();
    sealed.resize(at + from.writer.max_sealed_len(data.len()), 0);
    let written = from.writer.seal(&data, &mut sealed[at..]).unwrap();
    assert_eq!(written.consumed, data.len());
    sealed.truncate(at + written.written);
    let unread = core::mem::take(&mut to.unread);
    let received = read_all(&mut to.reader, [unread, sealed].concat()).unwrap();
    assert!(received == data);
}

/// Those of before TLS 1.3 for which the key of the server signs.
fn older_suites() -> impl Iterator<Item = CipherSuite> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    suites.filter(|suite| {
        let info = suite.info().unwrap();
        let is_signed = suite.exchange().is_some_and(Exchange::is_signed);
        is_signed && info.authentication == Authentication::Ecdsa
    })
}

#[test]
fn every_suite_with_every_curve() {
    for suite in older_suites() {
        for group in [
            NamedGroup::X25519,
            NamedGroup::SECP256R1,
            NamedGroup::SECP384R1,
            NamedGroup::SECP521R1,
        ] {
            // The curve of the certificate has to be listed, too.
            let mut groups = vec![group, NamedGroup::SECP256R1];
            groups.dedup();
            let client = older_client().cipher_suites([suite]).groups(groups);
            let server = older_server().cipher_suites([suite]).groups([group]);
            let (client, server) = connect(client, server);
            assert_eq!(client.information.cipher_suite(), suite);
            assert_eq!(client.information.group(), Some(group));
            assert_eq!(server.information.group(), Some(group));
        }
    }
    let ccm = if cfg!(feature = "ffi") { 4 } else { 0 };
    let legacy = if cfg!(feature = "legacy-ciphers") {
        2
    } else {
        0
    };
    assert_eq!(older_suites().count(), 7 + ccm + legacy);
}

/// RFC 7366 §3: where both sides have it, and the suite leaves the choice; in each handshake anew.
#[test]
fn encrypt_then_mac_is_what_both_sides_want() {
    let [aead, cbc] = [
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    ];
    for suite in older_suites() {
        for (ours, theirs) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut suites = vec![suite, if suite.has_cbc() { aead } else { cbc }];
            // 3DES and RC4 are chosen where there is nothing else.
            if suite.info().unwrap().is_legacy() {
                suites.truncate(1);
            }
            let client = older_client()
                .encrypt_then_mac(ours)
                .cipher_suites(suites.clone());
            let server = older_server().encrypt_then_mac(theirs);
            let (client, server) = connect(client, server.cipher_suites(suites));
            for connection in [client, server] {
                let information = &connection.information;
                assert_eq!(information.cipher_suite(), suite);
                let expected = suite.has_cbc() && ours && theirs;
                assert_eq!(information.encrypt_then_mac(), expected);
            }
        }
    }
}

/// Whatever either side prefers: 3DES and RC4 where there is nothing else.
#[cfg(feature = "legacy-ciphers")]
#[test]
fn what_is_broken_is_chosen_last() {
    let [rc4, triple_des, aes] = [
        CipherSuite::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    ];
    for honors in [true, false] {
        for (offered, expected) in [
            (vec![triple_des, rc4, aes], aes),
            (vec![triple_des, rc4], if honors { rc4 } else { triple_des }),
        ] {
            let client = older_client().cipher_suites(offered);
            let server = older_server().honor_cipher_order(honors);
            let server = server.cipher_suites([rc4, triple_des, aes]);
            let (client, _) = connect(client, server);
            assert_eq!(client.information.cipher_suite(), expected);
        }
    }
}

/// What is not named is neither offered nor chosen: not CBC, and not what only goes with it.
#[test]
fn cbc_is_for_those_who_name_it() {
    let hello = |config: ClientConfigBuilder| {
        let server = older_server().build().unwrap();
        let mut pair = Pair::new(config.build().unwrap(), server);
        let sent = transmitted(&mut pair.client);
        let hello = ClientHello::decode(&sent[5 + 4..]).unwrap();
        let offers = |suite: CipherSuite| hello.cipher_suites.contains(suite);
        let any = CipherSuite::KNOWN.iter().any(|suite| {
            let info = suite.info().unwrap();
            info.mac != Mac::Aead && offers(*suite)
        });
        let typ = ExtensionType::ENCRYPT_THEN_MAC;
        (any, hello.extensions.contains(typ))
    };
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let cbc = [
        CipherSuite::TLS_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    ];
    assert_eq!(hello(older_client()), (false, false));
    assert_eq!(hello(client().versions(both)), (false, false));
    let named = || client().versions(both).cipher_suites(cbc);
    assert_eq!(hello(named()), (true, true));
    assert_eq!(hello(named().encrypt_then_mac(false)), (true, false));
    let pair = Pair::new(
        older_client().cipher_suites(&cbc[1..]).build().unwrap(),
        older_server().build().unwrap(),
    );
    let (_, server) = pair.run();
    let violation = server.unwrap_err().violation();
    assert_eq!(violation, Some(Violation::NoSharedCipherSuite));
}

/// A session does not say in which order; the two hellos that resume it do.
#[test]
fn a_session_is_resumed_in_either_order() {
    let suite = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384];
    let configured = |first: bool| {
        let client = older_client().session_tickets(true).cipher_suites(suite);
        let server = older_server().ticket_keys(ticket_keys());
        let client = client.encrypt_then_mac(first);
        let server = server.cipher_suites(suite);
        (client.build().unwrap(), server.build().unwrap())
    };
    for first in [true, false] {
        let (client, server) = configured(first);
        let (mut full, _) = talking(Pair::new(client, server.clone()));
        assert_eq!(full.information.encrypt_then_mac(), first);
        let session = full.reader.take_ticket().unwrap().into_session(now());
        for now_first in [true, false] {
            let (client, _) = configured(now_first);
            let pair = resuming(client, server.clone(), vec![session.clone()]);
            let (client, server) = talking(pair);
            for connection in [&client, &server] {
                assert!(connection.information.is_resumed());
                assert_eq!(connection.information.encrypt_then_mac(), now_first);
            }
        }
    }
}

#[test]
fn a_newer_end_goes_back_to_what_the_other_has() {
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    connect(client().versions(both), older_server());
    connect(older_client(), server().versions(both));
    let pair = Pair::new(
        client().versions(both).build().unwrap(),
        server().versions(both).build().unwrap(),
    );
    let (client, _) = pair.run();
    let version = client.unwrap().information.version();
    assert_eq!(version, ProtocolVersion::TLS_1_3);
}

/// Who names no version has TLS 1.3 with those that have it, and TLS 1.2 with the others. The hello
/// says both, in few bytes more.
#[test]
fn by_default_there_are_both_versions() {
    use super::attack::transmitted;
    use crate::Handshake;
    use crate::testing::name;
    let client = ClientConfig::builder(pki().roots.clone());
    let server = ServerConfig::builder().identity(pki().server.clone());
    let newest = [ProtocolVersion::TLS_1_3];
    for (client, server, version) in [
        (client.clone(), server.clone(), newest[0]),
        (client.clone().versions(V1_2), server.clone(), V1_2[0]),
        (client.clone(), server.versions(V1_2), V1_2[0]),
    ] {
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let (client, server) = Pair::new(client, server).run();
        assert_eq!(client.unwrap().information.version(), version);
        assert_eq!(server.unwrap().information.version(), version);
    }
    let hello = |client: ClientConfigBuilder| {
        let mut client = Handshake::client(client.build().unwrap(), name()).unwrap();
        transmitted(&mut client).len()
    };
    let both = hello(client.clone());
    let one = hello(client.versions(newest));
    assert!(both <= one + 48, "{both} bytes, not {one}");
}

#[test]
fn both_ends_prove_who_they_are() {
    let client = authenticated_client().versions(V1_2);
    let server = authenticating_server().versions(V1_2);
    let (client, server) = connect(client, server);
    assert_eq!(server.information.peer_certificates(), pki().client.chain());
    assert_eq!(client.information.peer_certificates(), pki().server.chain());
    assert_eq!(
        server.information.peer_signature_scheme(),
        Some(SignatureScheme::ECDSA_SECP256R1_SHA256)
    );
    assert_eq!(
        client.information.local_certificate(),
        pki().client.chain().first()
    );
}

/// RFC 7627 §5.4: without the extended master secret there is no keying material.
#[test]
fn keying_material_is_the_same_at_both_ends() {
    let (client, server) = connect(older_client(), older_server());
    for context in [None, Some(&b""[..]), Some(b"context")] {
        let material = [&client, &server].map(|connection| {
            let mut out = [0; 40];
            let information = &connection.information;
            information
                .export_keying_material(b"EXPERIMENTAL", context, &mut out)
                .unwrap();
            out
        });
        assert_eq!(material[0], material[1]);
    }
    let off = older_client().extended_master_secret(ExtendedMasterSecret::Off);
    let (client, _) = connect(off, older_server());
    let refused = client.information.tls_exporter().unwrap_err();
    assert!(refused.to_string().contains("RFC 7627"), "{refused}");
}

/// RFC 7627 §5.4: with it there is keying material for whoever asks for it, at each end by itself, in a connection that
/// resumes, too; and nothing else is as if there were an extended master secret.
#[test]
fn keying_material_without_the_extended_master_secret_is_for_who_asks() {
    for [by_client, by_server] in [[true, true], [true, false], [false, true], [false, false]] {
        let client = older_client()
            .session_tickets(true)
            .extended_master_secret(ExtendedMasterSecret::Off)
            .exporters_without_extended_master_secret(by_client)
            .build()
            .unwrap();
        let server = older_server()
            .ticket_keys(ticket_keys())
            .exporters_without_extended_master_secret(by_server)
            .build()
            .unwrap();
        let sessions = sessions_of(client.clone(), server.clone());
        let first = Pair::new(client.clone(), server.clone()).run();
        let second = resuming(client, server, sessions).run();
        for (resumed, (client, server)) in [(false, first), (true, second)] {
            let (client, server) = (client.unwrap(), server.unwrap());
            let mut material = Vec::new();
            for (connection, asked) in [(&client, by_client), (&server, by_server)] {
                let information = &connection.information;
                assert_eq!(information.is_resumed(), resumed);
                assert!(!information.extended_master_secret());
                assert_eq!(information.tls_unique().is_err(), resumed);
                let mut out = [0; 40];
                let exported = information.export_keying_material(b"SRTP", None, &mut out);
                let mut keys = [0; 40];
                let seed = [
                    &information.client_random()[..],
                    &information.server_random()[..],
                ];
                let master = PrfSecret::Master;
                let prf = information.prf(master, b"SRTP", &seed, &mut keys);
                assert_eq!((exported.is_ok(), prf.is_ok()), (asked, asked));
                assert_eq!(keys, out);
                let binding = information.tls_exporter().unwrap_err();
                assert!(binding.to_string().contains("RFC 7627"), "{binding}");
                material.extend(asked.then_some(out));
            }
            material.dedup();
            assert_eq!(material.len(), usize::from(by_client || by_server));
        }
    }
}

/// RFC 5246 §5; RFC 5216 §2.3 for keys that older protocols derive so. Without a context the exporter
/// is nothing else (RFC 5705 §4).
#[test]
fn the_pseudorandom_function_is_for_the_application_too() {
    let (one, other) = connect(older_client(), older_server());
    let prf = |connection: &Connection, secret, label: &[u8]| {
        let information = &connection.information;
        let seed: [&[u8]; 2] = [information.client_random(), information.server_random()];
        let mut out = [0; 128];
        information
            .prf(secret, label, &seed, &mut out)
            .map(|()| out)
    };
    for secret in [PrfSecret::Master, PrfSecret::Own(b"our own")] {
        let label = b"client EAP encryption";
        let keys = prf(&one, secret, label).unwrap();
        assert_eq!(prf(&other, secret, label).unwrap(), keys);
        let mut exported = [0; 128];
        let information = &one.information;
        information
            .export_keying_material(label, None, &mut exported)
            .unwrap();
        assert_eq!(exported == keys, matches!(secret, PrfSecret::Master));
    }
    let own = prf(&one, PrfSecret::Own(b"our own"), b"key expansion").unwrap();
    let suite = one
        .information
        .cipher_suite()
        .older_parameters(V1_2[0])
        .unwrap();
    let mut expected = [0; 128];
    let seed: [&[u8]; 2] = [
        one.information.client_random(),
        one.information.server_random(),
    ];
    PrfKey::new(suite.hash, b"our own").prf(b"key expansion", &seed, &mut expected);
    assert_eq!(own, expected);

    let refused = prf(&one, PrfSecret::Master, b"key expansion").unwrap_err();
    assert!(refused.to_string().contains("label"), "{refused}");
    let off = older_client().extended_master_secret(ExtendedMasterSecret::Off);
    let (alone, _) = connect(off, older_server());
    let refused = prf(&alone, PrfSecret::Master, b"EXPERIMENTAL").unwrap_err();
    assert!(refused.to_string().contains("RFC 7627"), "{refused}");
    assert!(prf(&alone, PrfSecret::Own(b"our own"), b"EXPERIMENTAL").is_ok());
    let pair = Pair::new(client().build().unwrap(), server().build().unwrap());
    let newer = pair.run().0.unwrap();
    for secret in [PrfSecret::Master, PrfSecret::Own(b"our own")] {
        let refused = prf(&newer, secret, b"EXPERIMENTAL").unwrap_err();
        assert!(
            refused.to_string().contains("export_keying_material"),
            "{refused}"
        );
    }
}

/// RFC 5929 §3: the client's Finished in a full handshake, the server's in an abbreviated one. RFC 7627
/// §5.4: not where the session may be somebody else's, too.
#[test]
fn tls_unique_is_the_first_finished() {
    let unique = |connection: &Connection| connection.information.tls_unique();
    for when in [ExtendedMasterSecret::IfOffered, ExtendedMasterSecret::Off] {
        let client = older_client().session_tickets(true);
        let client = client.extended_master_secret(when).build().unwrap();
        let server = older_server().ticket_keys(ticket_keys()).build().unwrap();
        let (mut first, other) = talking(Pair::new(client.clone(), server.clone()));
        let full = unique(&first).unwrap();
        assert_eq!(unique(&other).unwrap(), full);
        assert_ne!(full, [0; 12]);
        let session = first.reader.take_ticket().unwrap().into_session(now());
        let (client, server) = talking(resuming(client, server, vec![session]));
        match when {
            ExtendedMasterSecret::Off => {
                for end in [&client, &server] {
                    let refused = unique(end).unwrap_err().to_string();
                    assert!(refused.contains("RFC 7627"), "{refused}");
                }
            }
            _ => {
                let resumed = unique(&client).unwrap();
                assert_eq!(unique(&server).unwrap(), resumed);
                assert_ne!(resumed, full);
            }
        }
    }
    let pair = Pair::new(client().build().unwrap(), server().build().unwrap());
    let refused = unique(&pair.run().0.unwrap()).unwrap_err().to_string();
    assert!(refused.contains("tls_exporter"), "{refused}");
}

#[test]
fn a_ticket_resumes_the_session() {
    let client = older_client().session_tickets(true).build().unwrap();
    let server = older_server().ticket_keys(ticket_keys()).build().unwrap();
    let (mut first, _) = talking(Pair::new(client.clone(), server.clone()));
    let ticket = first.reader.take_ticket().unwrap();
    let session = ticket.into_session(now());
    assert_eq!(session.version(), ProtocolVersion::TLS_1_2);
    assert!(!session.is_single_use());
    let again = crate::session::ClientSession::from_bytes(&session.to_bytes()).unwrap();
    for session in [session, again] {
        let pair = resuming(client.clone(), server.clone(), vec![session]);
        let (client, server) = talking(pair);
        for connection in [&client, &server] {
            assert!(connection.information.is_resumed());
            // That of the session: there was no key exchange.
            let group = connection.information.group();
            assert_eq!(group, Some(NamedGroup::X25519));
        }
        assert_eq!(client.information.peer_certificates(), pki().server.chain());
    }
}
