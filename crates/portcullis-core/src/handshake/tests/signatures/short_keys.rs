//! RSA keys shorter than 2,048 bits, where `key_minimum` is lowered.

use super::{VERSIONS, both, identity, proved, refused, roots};
use crate::config::{ClientAuthentication, ClientConfig, ServerConfig};
use crate::suite::CipherSuite;
use crate::testing::{Pair, resuming, sessions_of};
use crate::{ProtocolVersion, SignatureScheme as S};

#[test]
fn both_ends_prove_who_they_are_with_them() {
    for (version, scheme) in [
        (ProtocolVersion::TLS_1_3, S::RSA_PSS_RSAE_SHA256),
        (ProtocolVersion::TLS_1_2, S::RSA_PSS_RSAE_SHA256),
        (ProtocolVersion::TLS_1_1, S::RSA_PKCS1_MD5_SHA1),
        (ProtocolVersion::TLS_1_0, S::RSA_PKCS1_MD5_SHA1),
    ] {
        let (client, server) = both(version, "rsa1024", "R");
        let mut ends = (client.key_minimum(1_024), server.key_minimum(1_024));
        if version < ProtocolVersion::TLS_1_2 {
            let suites = [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA];
            ends = (ends.0.cipher_suites(suites), ends.1.cipher_suites(suites));
        }
        proved(version, ends, scheme);
    }
}

#[test]
fn every_scheme_that_they_have_room_for() {
    let version = ProtocolVersion::TLS_1_2;
    for scheme in [
        S::RSA_PSS_RSAE_SHA384,
        S::RSA_PKCS1_SHA256,
        S::RSA_PKCS1_SHA384,
        S::RSA_PKCS1_SHA512,
        S::RSA_PKCS1_SHA224,
        S::RSA_PKCS1_SHA1,
    ] {
        let (client, server) = both(version, "rsa1024", "R");
        let ends = (
            client.key_minimum(1_024).signature_schemes([scheme]),
            server.key_minimum(1_024).signature_schemes([scheme]),
        );
        proved(version, ends, scheme);
    }
}

#[test]
fn who_does_not_lower_the_minimum_refuses_them() {
    for version in VERSIONS {
        let (_, server) = both(version, "rsa1024", "R");
        let server = server.client_authentication(ClientAuthentication::None);
        let client = ClientConfig::builder(roots("R")).versions([version]);
        let error = server.clone().build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "identity: its key of RSA has 1024 bits, and `key_minimum` is 2048; have a certificate issued for a \
             longer key, or lower that with the feature `ffi`"
        );
        for least in [1_025, 2_048] {
            let server = server.clone().key_minimum(1_024);
            let [client, _] = refused((client.clone().key_minimum(least), server));
            assert!(
                client.to_string().contains(&format!(
                    "has an RSA key of 1024 bits: {least} to 8192 bits are accepted"
                )),
                "{client}"
            );
        }
    }
    for bits in [0, 1_023, 2_049] {
        let error = ClientConfig::builder(roots("R")).key_minimum(bits).build();
        assert_eq!(
            error.unwrap_err().to_string(),
            format!("key_minimum: {bits} is outside of 1024..=2048")
        );
    }
}

/// An authority with such a key.
#[test]
fn chains_that_they_have_signed() {
    for version in VERSIONS {
        let lowered = |least| {
            let (client, server) = both(version, "by-S", "S");
            (client.key_minimum(least), server.key_minimum(least))
        };
        proved(version, lowered(1_024), S::ECDSA_SECP256R1_SHA256);
        for least in [1_025, 2_048] {
            let [client, _] = refused(lowered(least));
            assert!(
                client.to_string().contains(&format!(
                    "the trust anchor (CN=root S) has an RSA key of 1024 bits: {least} to 8192 bits are accepted"
                )),
                "{client}"
            );
        }
    }
}

/// RFC 5246 §7.4.7.1: the client encrypts for such a key.
#[test]
fn a_key_that_decrypts() {
    let suites = [CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256];
    let client = |least| {
        ClientConfig::builder(roots("R"))
            .versions([ProtocolVersion::TLS_1_2])
            .cipher_suites(suites)
            .key_minimum(least)
            .build()
            .unwrap()
    };
    let server = ServerConfig::builder()
        .versions([ProtocolVersion::TLS_1_2])
        .cipher_suites(suites)
        .identity(identity("rsa1024"))
        .key_minimum(1_024)
        .build()
        .unwrap();
    let (ours, theirs) = Pair::new(client(1_024), server.clone()).run();
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    for connection in [&ours, &theirs] {
        assert_eq!(connection.information.cipher_suite(), suites[0]);
    }
    let (refused, _) = Pair::new(client(2_048), server).run();
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("has an RSA key of 1024 bits"), "{error}");
}

/// Who raises the minimum does not resume what was before.
#[test]
fn a_session_with_one_is_not_resumed_by_who_refuses_it() {
    for version in VERSIONS {
        let client = |least| {
            ClientConfig::builder(roots("R"))
                .versions([version])
                .session_tickets(true)
                .key_minimum(least)
                .build()
                .unwrap()
        };
        let server = ServerConfig::builder()
            .versions([version])
            .identity(identity("rsa1024"))
            .key_minimum(1_024)
            .build()
            .unwrap();
        let sessions = sessions_of(client(1_024), server.clone());
        let (ours, _) = resuming(client(1_024), server.clone(), sessions.clone()).run();
        assert!(ours.unwrap().information.is_resumed());
        let (ours, _) = resuming(client(2_048), server, sessions).run();
        let error = ours.err().unwrap().to_string();
        assert!(error.contains("has an RSA key of 1024 bits"), "{error}");
    }
}
