//! The curve of an ECDSA certificate, which in TLS 1.2 a client has to have listed (RFC 8422 §5.1).

use std::sync::OnceLock;

use super::super::attack::{client, ed25519_identity};
use super::super::older::{V1_2, older_client, older_server};
use crate::ProtocolVersion;
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use crate::question::Question;
use crate::testing::{Pair, name, now, pki};
use crate::x509::Identity;
use crate::{Handshake, NamedGroup, Reason, Step, Violation};

const X25519_AND_P256: [NamedGroup; 2] = [NamedGroup::X25519, NamedGroup::SECP256R1];
const X25519_AND_P384: [NamedGroup; 2] = [NamedGroup::X25519, NamedGroup::SECP384R1];

/// A certificate on P-384 that nobody has signed.
fn p384() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Identity::from_der(vec![der], &key).unwrap()
    })
}

/// A client that takes any chain.
fn credulous(groups: &[NamedGroup]) -> ClientConfigBuilder {
    let client = ClientConfig::dangerous_builder_without_verification();
    client.alpn(["h2"]).groups(groups).versions(V1_2)
}

fn with_identities(identities: &[&Identity]) -> ServerConfigBuilder {
    let server = older_server().clear_identities();
    let all = identities.iter();
    all.fold(server, |server, identity| {
        server.identity((*identity).clone())
    })
}

/// What the server shows, or why it does not.
fn shown(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> Result<Vec<u8>, Option<Violation>> {
    let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    match pair.run() {
        (Ok(client), Ok(_)) => Ok(client.information.peer_certificates()[0].to_vec()),
        (_, server) => Err(server.unwrap_err().violation()),
    }
}

#[test]
fn a_server_shows_what_is_on_a_listed_curve() {
    let [p256, p384, ed25519] = [&pki().server, p384(), ed25519_identity()];
    let leaf = |identity: &Identity| Ok(identity.chain()[0].to_vec());
    for (groups, identities, expected) in [
        (X25519_AND_P256, &[p384, p256][..], leaf(p256)),
        (X25519_AND_P384, &[p256, p384], leaf(p384)),
        // The order of configuration.
        (X25519_AND_P384, &[ed25519, p384], leaf(ed25519)),
        // RFC 8422 §5.1: an EdDSA key needs none.
        (X25519_AND_P256, &[p384, ed25519], leaf(ed25519)),
        (
            X25519_AND_P256,
            &[p384],
            Err(Some(Violation::NoSharedCertificateCurve)),
        ),
    ] {
        let client = credulous(&groups);
        assert_eq!(shown(client, with_identities(identities)), expected);
    }
    // In TLS 1.3 a scheme says which curve, and the groups say nothing of it.
    let both = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let client = credulous(&X25519_AND_P256).versions(both);
    let server = with_identities(&[p384]).versions(both);
    assert_eq!(shown(client, server), leaf(p384));
}

/// RFC 8422 §4: whoever lists no curves takes any.
#[test]
fn a_client_without_a_list_takes_any_curve() {
    use super::super::parts::client_hello;
    use super::super::tamper::{Put, first};
    use crate::wire::{ExtensionType as E, HandshakeType as T};
    let tamper = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.extensions.remove(E::SUPPORTED_GROUPS);
        }))]
    });
    let groups = [NamedGroup::SECP256R1, NamedGroup::SECP384R1];
    let client = credulous(&groups).build().unwrap();
    let random = crate::crypto::random::Random::system();
    let server = with_identities(&[p384()]).build().unwrap();
    let pair = Pair {
        client: Handshake::client_tampering(client, name(), random, tamper),
        ..Pair::new(older_client().build().unwrap(), server)
    };
    let (client, _) = pair.run();
    let information = client.unwrap().information;
    assert_eq!(information.peer_certificates(), p384().chain());
}

/// Whoever is asked sees the curves, and is told when the answer is on none of them.
#[test]
fn a_chosen_identity_has_to_be_on_a_listed_curve() {
    for (identity, fits) in [(p384(), false), (ed25519_identity(), true)] {
        let server = older_server().ask_identity(true).build().unwrap();
        let client = credulous(&X25519_AND_P256).build().unwrap();
        let mut seen = None;
        let (_, server) = Pair::new(client, server).run_answering(|_, question| match question {
            Question::ChooseIdentity(question) => {
                seen = question.certificate_curves().map(<[_]>::to_vec);
                assert_eq!(question.accepts(identity), fits);
                Some(question.present(identity.clone()))
            }
            other => Some(other.default_answer()),
        });
        assert_eq!(seen, Some(vec![NamedGroup::SECP256R1]));
        match server {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert!(!fits, "{error}");
                assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
                assert!(error.to_string().contains("certificate_curves"), "{error}");
            }
        }
    }
    // In TLS 1.3 there is no list.
    let server = super::super::attack::server().ask_identity(true);
    let mut handshake = Handshake::server(server.build().unwrap());
    let mut hello = Handshake::client(client().build().unwrap(), name()).unwrap();
    handshake.receive(&super::super::attack::transmitted(&mut hello), now());
    let Ok(Step::Ask(question)) = handshake.poll() else {
        panic!("nothing is asked");
    };
    let Question::ChooseIdentity(question) = question else {
        panic!("another question");
    };
    assert_eq!(question.certificate_curves(), None);
}

/// What it has listed itself is better, because OpenSSL's servers refuse the rest; but the rest is
/// better than nothing.
#[test]
fn a_client_prefers_the_curves_that_it_has_listed() {
    let server = || -> ServerConfig {
        let server =
            older_server().client_authentication(ClientAuthentication::DangerouslyUnverified);
        server.build().unwrap()
    };
    let client = older_client()
        .groups(X25519_AND_P256)
        .identity(p384().clone());
    for (client, expected) in [
        (client.clone().identity(pki().client.clone()), &pki().client),
        (client.clone(), p384()),
        (client.ask_identity(true), p384()),
    ] {
        let (_, server) = Pair::new(client.build().unwrap(), server()).run();
        let information = server.unwrap().information;
        assert_eq!(information.peer_certificates(), expected.chain());
    }
}
