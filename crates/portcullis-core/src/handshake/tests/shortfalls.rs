//! What a person reads when two ends have nothing in common, or one of them lacks something: what was
//! offered, what there is, and whose doing it is.

use super::attack::{By, client, pair, refused, server, ticket_keys, transmitted};
use super::older::{older_client, older_server};
use super::parts::client_hello;
use super::tamper::{Put, Tamper, first};
use crate::config::{ClientConfig, ClientConfigBuilder, PreSharedKey, ServerConfigBuilder};
use crate::suite::CipherSuite;
use crate::testing::{Pair, name, now, pki, sessions_of};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::x509::Roots;
use crate::{AlertDescription, Handshake, NamedGroup, ProtocolVersion};

/// What the server says about a hello that was changed so.
fn server_says(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    change: impl Fn(&mut super::parts::ClientHelloParts) + Send + Sync + 'static,
) -> String {
    let tamper: Tamper = first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, |hello| change(hello)))]
    });
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    refused(pair(client, server, By::Client, tamper), By::Client).to_string()
}

#[test]
fn suites_that_are_not_shared_are_shown() {
    assert_eq!(
        server_says(client(), server(), |hello| {
            hello.suites = vec![0x00ff, 0x1304, 0x7a7a, 0xc02b];
        }),
        "the client offered no cipher suite that can be used here: it offered TLS_AES_128_CCM_SHA256, \
         0x7a7a, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; enabled here in TLSv1.3: \
         TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256 (RFC 8446 §4.1.1), while \
         waiting for ClientHello; the peer was sent the alert handshake_failure"
    );
    // However many there are.
    let one = server().cipher_suites([CipherSuite::TLS_AES_128_GCM_SHA256]);
    assert_eq!(
        server_says(client(), one, |hello| {
            hello.suites = (0xfa00..0xfb00).collect();
        }),
        "the client offered no cipher suite that can be used here: it offered 0xfa00, 0xfa01, 0xfa02, \
         0xfa03, 0xfa04, 0xfa05, 0xfa06, 0xfa07 and 248 more; enabled here in TLSv1.3: \
         TLS_AES_128_GCM_SHA256 (RFC 8446 §4.1.1), while waiting for ClientHello; the peer was sent the alert \
         handshake_failure"
    );
    let gcm = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    assert_eq!(
        server_says(older_client(), older_server().cipher_suites(gcm), |hello| {
            hello.suites = vec![0xc009];
        }),
        "the client offered no cipher suite that can be used here: it offered \
         TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA; enabled here in TLSv1.2: \
         TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 (RFC 8446 §4.1.1), while waiting for ClientHello; the peer was \
         sent the alert handshake_failure"
    );
}

/// The suites are enabled, but no identity has a key for them.
#[test]
fn suites_for_other_keys() {
    assert_eq!(
        server_says(older_client(), older_server(), |hello| {
            hello.suites = vec![0xc02f, 0xc030];
        }),
        "the client offered no cipher suite that can be used here: of those that are enabled here it \
         offered only suites for RSA certificates; the identities here have ECDSA keys (RFC 8446 §4.1.1), while \
         waiting for ClientHello; the peer was sent the alert handshake_failure"
    );
}

/// Where that can be seen before any client comes, the configuration is refused.
#[test]
fn an_identity_that_fits_no_suite() {
    const RSA: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    const MODERN: CipherSuite = CipherSuite::TLS_AES_128_GCM_SHA256;
    let says = |server: ServerConfigBuilder| server.build().unwrap_err().to_string();
    let refused = "cipher_suites: they are for RSA certificates, and the identities have ECDSA keys: none \
                   of the suites goes with them; add suites for these keys, or an identity for these \
                   suites";
    assert_eq!(says(older_server().cipher_suites([RSA])), refused);
    // Another identity may be asked for, or come with another configuration.
    let asking = older_server().cipher_suites([RSA]);
    assert!(asking.clone().ask_identity(true).build().is_ok());
    assert!(asking.pause_at_hello(true).build().is_ok());
    // Some clients can be served.
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let server = |suites: &[CipherSuite]| server().versions(both).cipher_suites(suites);
    assert!(server(&[MODERN, RSA]).build().is_ok());
    let ecdsa = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    assert!(server(&[MODERN, RSA, ecdsa]).build().is_ok());
    let anonymous = CipherSuite::TLS_ECDH_anon_WITH_AES_128_CBC_SHA;
    assert!(server(&[MODERN, RSA, anonymous]).build().is_ok());
}

#[test]
fn groups_that_are_not_shared_are_shown() {
    let says = "the client offered no group that is enabled here: it offered x448, 0x7a7a; enabled here \
                in";
    let change = |hello: &mut super::parts::ClientHelloParts| {
        let groups = [0, 4, 0, 30, 0x7a, 0x7a];
        hello.extensions.set(E::SUPPORTED_GROUPS, groups);
        hello.extensions.set(E::KEY_SHARE, [0, 0]);
    };
    let groups = [NamedGroup::X25519_MLKEM768, NamedGroup::X25519];
    let one = server().groups(groups);
    assert_eq!(
        server_says(client(), one, change),
        format!(
            "{says} TLSv1.3: X25519MLKEM768, x25519 (RFC 8446 §4.1.1), while waiting for ClientHello; the peer was \
             sent the alert handshake_failure"
        )
    );
    let older = older_server().groups([NamedGroup::X25519]);
    assert_eq!(
        server_says(older_client(), older, move |hello| {
            let groups = [0, 4, 0, 30, 0x7a, 0x7a];
            hello.extensions.set(E::SUPPORTED_GROUPS, groups);
        }),
        format!(
            "{says} TLSv1.2: x25519 (RFC 8446 §4.1.1), while waiting for ClientHello; the peer was sent the alert \
             handshake_failure"
        )
    );
}

#[test]
fn protocols_that_are_not_shared_are_shown() {
    const ALPN: E = E::APPLICATION_LAYER_PROTOCOL_NEGOTIATION;
    for (client, server) in [(client(), server()), (older_client(), older_server())] {
        assert_eq!(
            server_says(client, server, |hello| {
                hello.extensions.set(ALPN, [0, 5, 2, b'h', b'3', 1, b'\n']);
            }),
            "the client offered no application protocol that is enabled here: it offered \"h3\", \"\\n\"; \
             enabled here: \"h2\" (RFC 7301 §3.2), while waiting for ClientHello; the peer was sent the \
             alert no_application_protocol"
        );
    }
}

#[test]
fn schemes_that_are_not_shared_are_shown() {
    assert_eq!(
        server_says(client(), server(), |hello| {
            let schemes = [0, 4, 8, 7, 8, 4];
            hello.extensions.set(E::SIGNATURE_ALGORITHMS, schemes);
        }),
        "the peer accepts no signature scheme that an identity here can produce: it accepts ed25519, \
         rsa_pss_rsae_sha256; those of the keys here in TLSv1.3: ecdsa_secp256r1_sha256 (RFC 8446 §4.4.2.2), while \
         waiting for ClientHello; the peer was sent the alert handshake_failure"
    );
    assert_eq!(
        server_says(older_client(), older_server(), |hello| {
            hello.extensions.remove(E::SIGNATURE_ALGORITHMS);
        }),
        "the peer accepts no signature scheme that an identity here can produce: it sent no \
         signature_algorithms, which stands for SHA-1; those of the keys here in TLSv1.2: \
         ecdsa_secp521r1_sha512, ecdsa_secp384r1_sha384, ecdsa_secp256r1_sha256 (RFC 8446 §4.4.2.2), while \
         waiting for ClientHello; the peer was sent the alert handshake_failure"
    );
}

/// It is not the client's doing that nobody gave an identity.
#[test]
fn no_identity_was_given() {
    for (client, server) in [(client(), server()), (older_client(), older_server())] {
        let server = server.clear_identities().ask_identity(true);
        let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        let (_, server) = pair.run();
        assert_eq!(
            server.unwrap_err().to_string(),
            "refused by this side: no identity: ask_identity is on, and no answers gave one, while choosing \
             an identity; the peer was sent the alert handshake_failure"
        );
    }
}

/// handshake_failure says nothing; most often it is the suites.
#[test]
fn a_client_that_named_no_suite_is_told_what_it_did_not_offer() {
    let received = |builder: ClientConfigBuilder| {
        let mut client = Handshake::client(builder.build().unwrap(), name()).unwrap();
        transmitted(&mut client);
        client.receive(&[21, 3, 3, 0, 2, 2, 40], now());
        client.poll().unwrap_err().to_string()
    };
    let says = format!(
        "the peer sent the alert handshake_failure: {}",
        AlertDescription::HANDSHAKE_FAILURE.sentence()
    );
    let plain = format!("{says}, while waiting for ServerHello");
    let advice = "suites with CBC, and others that servers of TLS 1.2 and older may want, are offered only if \
                  `cipher_suites` names them";
    let default = || ClientConfig::builder(pki().roots.clone());
    assert_eq!(
        received(default()),
        format!("{says}; {advice}, while waiting for ServerHello")
    );
    assert_eq!(received(client()), plain);
    let cbc = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA;
    assert_eq!(received(older_client().cipher_suites([cbc])), plain);
}

/// What OpenSSL says of a key that it has not, or has another one of.
#[test]
fn a_client_with_a_pre_shared_key_is_told_what_an_alert_may_mean() {
    let received = |alert: u8| {
        let key = PreSharedKey::new("a", b"0123456789abcdef").unwrap();
        let config = client().psk(key).build().unwrap();
        let mut client = Handshake::client(config, name()).unwrap();
        transmitted(&mut client);
        client.receive(&[21, 3, 3, 0, 2, 2, alert], now());
        client.poll().unwrap_err().to_string()
    };
    let failed = received(40);
    let says = "so ends a handshake with a server that knows no pre-shared key, none of this identity, or no cipher \
                suite that goes with one";
    assert!(failed.contains(says), "{failed}");
    let says = "so ends a handshake of two that have different pre-shared keys, or of which one does not know the \
                other's identity";
    // illegal_parameter, decrypt_error
    for alert in [47, 51] {
        let failed = received(alert);
        assert!(failed.contains(says), "{failed}");
    }
}

/// Nothing has been sent before the start.
#[test]
fn no_alert_is_claimed_where_nothing_was_sent() {
    let server = server().ticket_keys(ticket_keys()).build().unwrap();
    let config = client().session_tickets(true).build().unwrap();
    let sessions = sessions_of(config, server);
    let config = client().build().unwrap();
    let error = Handshake::client_resuming(config, name(), sessions, now()).unwrap_err();
    assert_eq!(error.alert(), None);
    assert_eq!(
        error.to_string(),
        "a session was given, but session_tickets is off in the client's configuration, while starting the \
         handshake"
    );
}

/// The chain was there: what is waited for is a verdict.
#[test]
fn a_chain_is_refused_while_it_is_verified() {
    let stranger = rcgen::generate_simple_self_signed(["stranger".to_owned()]).unwrap();
    let roots = Roots::from_pem(stranger.cert.pem()).unwrap();
    for server in [server(), older_server()] {
        let client = ClientConfig::builder(roots.clone()).build().unwrap();
        let (client, _) = Pair::new(client, server.build().unwrap()).run();
        let says = client.unwrap_err().to_string();
        let end = ", while verifying the peer's certificate chain; the peer was sent the alert unknown_ca";
        assert!(says.ends_with(end), "{says}");
    }
}
