//! DHE before TLS 1.3: every suite, whose group it is, and what either side may not send.

use std::sync::OnceLock;

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::PrivateKeyDer;

use super::super::attack::{By, Case};
use super::super::older::{V1_2, connect, talking};
use super::super::parts::body;
use super::super::tamper::{Put, first};
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use crate::crypto::finite_field::Group;
use crate::question::Question;
use crate::suite::{Authentication, CipherSuite, KeyExchange};
use crate::testing::{Pair, resuming, sessions};
use crate::wire::HandshakeType as T;
use crate::wire::codec::put_vec16;
use crate::x509::{DhParameters, Identity};
use crate::{NamedGroup, Stage, Violation as V};

const SUITE: [CipherSuite; 1] = [CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256];

pub(super) fn rsa() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Identity::from_der(chain, &key).unwrap()
    })
}

fn client() -> ClientConfigBuilder {
    ClientConfig::dangerous_builder_without_verification()
        .versions(V1_2)
        .cipher_suites(SUITE)
        .alpn(["h2"])
}

fn server() -> ServerConfigBuilder {
    ServerConfig::builder()
        .versions(V1_2)
        .cipher_suites(SUITE)
        .resumption(false)
        .identity(rsa().clone())
        .alpn(["h2"])
}

#[test]
fn every_suite_with_authentication_of_both() {
    let is_dhe = |suite: &&CipherSuite| {
        let info = suite.info().unwrap();
        info.key_exchange == KeyExchange::Dhe && info.authentication == Authentication::Rsa
    };
    let suites: Vec<_> = CipherSuite::SUPPORTED.iter().filter(is_dhe).collect();
    assert!(suites.len() >= 7);
    assert!(
        !suites
            .iter()
            .any(|suite| CipherSuite::DEFAULT.contains(suite))
    );
    for suite in suites {
        let client = client().cipher_suites([*suite]).identity(rsa().clone());
        let server = server()
            .cipher_suites([*suite])
            .client_authentication(ClientAuthentication::DangerouslyUnverified);
        for (client, server) in [
            (client.clone(), server.clone()),
            (client.ask_identity(true), server.ask_identity(true)),
        ] {
            let (client, server) = connect(client, server);
            assert_eq!(client.information.cipher_suite(), *suite);
            assert_eq!(client.information.group(), Some(NamedGroup::FFDHE2048));
            assert_eq!(server.information.peer_certificates(), rsa().chain());
        }
    }
}

#[cfg(feature = "ffi")]
#[test]
fn in_the_oldest_versions() {
    use super::super::older::talking_in;
    use crate::ProtocolVersion;
    let suites = [CipherSuite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA];
    for version in [ProtocolVersion::TLS_1_1, ProtocolVersion::TLS_1_0] {
        let client = client().versions([version]).cipher_suites(suites);
        let server = server().versions([version]).cipher_suites(suites);
        let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        let (client, _) = talking_in(version, pair);
        assert_eq!(client.information.group(), Some(NamedGroup::FFDHE2048));
    }
}

#[test]
fn a_session_is_resumed_without_an_exchange() {
    let client = client().session_tickets(true).build().unwrap();
    let server = server().resumption(true).build().unwrap();
    let (mut first, _) = talking(Pair::new(client.clone(), server.clone()));
    let session = sessions(&mut first).remove(0);
    let (client, server) = talking(resuming(client, server, vec![session]));
    for connection in [client, server] {
        assert!(connection.information.is_resumed());
        assert_eq!(connection.information.cipher_suite(), SUITE[0]);
    }
}

/// Of 2,048 bits, and of no RFC: `openssl dhparam 2048`.
const OWN: &str = include_str!("dhparam.pem");

/// RFC 7919 §4.
#[test]
fn whose_group_it_is() {
    use NamedGroup as G;
    const NONE: &[NamedGroup] = &[G::SECP256R1];
    let own = DhParameters::from_pem(OWN).unwrap();
    assert_eq!(own.bits(), 2048);
    for (listed, named, own, expected) in [
        // Nothing is said of it: as strong as the certificate, or what the server names, or has of its own.
        (NONE, NONE, None, Some(G::FFDHE2048)),
        (NONE, &[G::FFDHE4096], None, Some(G::FFDHE4096)),
        (NONE, NONE, Some(&own), None),
        // What is listed is binding.
        (&[G::FFDHE4096], NONE, None, Some(G::FFDHE4096)),
        (
            &[G::FFDHE4096, G::FFDHE3072],
            NONE,
            None,
            Some(G::FFDHE3072),
        ),
        (&[G::FFDHE3072], NONE, Some(&own), Some(G::FFDHE3072)),
        // Where both sides name some, the server's order decides.
        (
            &[G::FFDHE3072, G::FFDHE2048],
            &[G::FFDHE2048, G::FFDHE3072],
            None,
            Some(G::FFDHE2048),
        ),
    ] {
        let mut server = server().groups(named);
        if let Some(own) = own {
            server = server.dh_parameters(own);
        }
        let (client, server) = connect(client().groups(listed), server);
        assert_eq!(client.information.group(), expected, "{listed:?} {named:?}");
        assert_eq!(server.information.group(), expected, "{listed:?} {named:?}");
    }
    // Nor is it smaller than the server's minimum.
    let (client, _) = connect(client().groups(NONE), server().dh_minimum(3072));
    assert_eq!(client.information.group(), Some(G::FFDHE3072));
}

/// A client that goes on with another configuration has that one's minimum.
#[test]
fn the_minimum_of_another_configuration() {
    for (least, refused) in [(2048, None), (3072, Some(V::WeakGroup))] {
        let paused = client()
            .groups([NamedGroup::FFDHE2048])
            .pause_at_hello(true);
        let other = client().dh_minimum(least).build().unwrap();
        let pair = Pair::new(paused.build().unwrap(), server().build().unwrap());
        let (client, _) = pair.run_answering(|_, question| {
            Some(match question {
                Question::ReviewServerHello(question) => question.proceed_with(other.clone()),
                other => other.default_answer(),
            })
        });
        let violation = client.err().and_then(|error| error.violation());
        assert_eq!(violation, refused, "{least}");
    }
}

#[test]
fn nothing_in_common() {
    for (listed, named) in [
        (NamedGroup::FFDHE3072, NamedGroup::FFDHE2048),
        (NamedGroup::FFDHE2048, NamedGroup::FFDHE8192),
        // What costs much, the server has named.
        (NamedGroup::FFDHE8192, NamedGroup::SECP256R1),
    ] {
        let client = client().groups([listed]).build().unwrap();
        let server = server().groups([named]).build().unwrap();
        let (_, server) = Pair::new(client, server).run();
        let error = server.unwrap_err();
        assert_eq!(error.violation(), Some(V::NoSharedFiniteField));
        let listed = format!("it offered {listed}; enabled here with DHE: ffdhe");
        assert!(error.to_string().contains(&listed), "{error}");
    }
    // Where no suite of DHE is shared, the fields are not what is missing.
    let ecdhe = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    let client = client()
        .groups([NamedGroup::FFDHE3072, NamedGroup::X25519])
        .cipher_suites([SUITE[0], ecdhe]);
    let server = server()
        .groups([NamedGroup::SECP256R1])
        .cipher_suites([ecdhe]);
    let (_, server) = Pair::new(client.build().unwrap(), server.build().unwrap()).run();
    let violation = server.unwrap_err().violation();
    assert_eq!(violation, Some(V::NoSharedGroup));
}

#[test]
fn a_suite_with_a_curve_is_left() {
    let ecdhe = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    let client = client()
        .groups([NamedGroup::FFDHE2048, NamedGroup::X25519])
        .cipher_suites([SUITE[0], ecdhe]);
    let server = server()
        .groups([NamedGroup::FFDHE3072, NamedGroup::X25519])
        .cipher_suites([SUITE[0], ecdhe]);
    let (client, _) = connect(client, server);
    assert_eq!(client.information.cipher_suite(), ecdhe);
    assert_eq!(client.information.group(), Some(NamedGroup::X25519));
}

#[test]
fn what_is_too_weak_is_refused_when_it_is_built() {
    let own = DhParameters::from_pem(OWN).unwrap();
    let error = server().dh_minimum(3072).dh_parameters(&own).build();
    assert_eq!(
        error.unwrap_err().to_string(),
        "dh_parameters: the prime has 2048 bits and `dh_minimum` is 3072; make a new one with \
         `openssl dhparam`, or leave it out, and a group of RFC 7919 is used"
    );
    let error = server().dh_minimum(1024).dh_parameters(&own);
    let error = error.cipher_suites([CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]);
    assert_eq!(
        error.build().unwrap_err().to_string(),
        "dh_parameters: no cipher suite has DHE; name one in cipher_suites, such as \
         TLS_DHE_RSA_WITH_AES_128_GCM_SHA256, or leave the group out"
    );
    let groups = [NamedGroup::X25519, NamedGroup::FFDHE2048];
    let of_server = server().dh_minimum(3072).groups(groups).build();
    let of_client = client().dh_minimum(3072).groups(groups).build();
    for error in [of_server.unwrap_err(), of_client.unwrap_err()] {
        assert_eq!(
            error.to_string(),
            "groups: ffdhe2048 has 2048 bits and `dh_minimum` is 3072; leave the group out, or lower that"
        );
    }
    for bits in [0, 1023, 8193] {
        let error = client().dh_minimum(bits).build().unwrap_err().to_string();
        assert_eq!(
            error,
            format!("dh_minimum: {bits} is outside of 1024..=8192")
        );
    }
}

/// The group of a server that demands less than the client.
#[test]
fn a_client_refuses_what_is_less_than_its_minimum() {
    let tamper = first(T::SERVER_KEY_EXCHANGE, |raw| {
        vec![Put::Message(raw.to_vec())]
    });
    Case::new(
        V::WeakGroup,
        By::Server,
        Stage::WaitServerKeyExchange,
        tamper,
    )
    .client(client().dh_minimum(3072))
    .server(server())
    .check();
}

/// ServerKeyExchange with these three numbers.
fn params(violation: V, numbers: [&[u8]; 3]) {
    let mut params = Vec::new();
    for number in numbers {
        put_vec16(&mut params, |out| out.extend_from_slice(number));
    }
    let tamper = first(T::SERVER_KEY_EXCHANGE, move |raw| {
        vec![Put::Message(body(raw, |body| {
            let signature = body.split_off(2 + 256 + 2 + 1 + 2 + 256);
            body.clone_from(&params);
            body.extend(signature);
        }))]
    });
    Case::new(violation, By::Server, Stage::WaitServerKeyExchange, tamper)
        .client(client())
        .server(server())
        .check();
}

#[test]
fn groups_and_shares_of_a_server() {
    let group = Group::named(NamedGroup::FFDHE2048).unwrap();
    let prime = group.prime_bytes();
    let below = |less: u8| {
        let mut number = prime.clone();
        *number.last_mut().unwrap() -= less;
        number
    };
    params(V::WeakGroup, [&below(1), &[2], &[5]]);
    for generator in [&[0][..], &[1], &below(1), &prime, &[0xff; 257]] {
        params(V::WeakGroup, [&prime, generator, &[5]]);
    }
    // Too short, and too long to compute with.
    for len in [1, 255, 1025, 4096, 65_535 - 700] {
        params(V::WeakGroup, [&vec![0xff; len], &[2], &[5]]);
    }
    for share in [&[0][..], &[1], &below(1), &prime, &[0xff; 257]] {
        params(V::BadDhShare, [&prime, &[2], share]);
    }
    for empty in [
        [&[][..], &[2], &[5]],
        [&prime, &[], &[5]],
        [&prime, &[2], &[]],
    ] {
        params(V::MalformedMessage, empty);
    }
}

#[test]
fn shares_of_a_client() {
    let prime = Group::named(NamedGroup::FFDHE2048).unwrap().prime_bytes();
    let mut below = prime.clone();
    *below.last_mut().unwrap() -= 1;
    for (violation, share) in [
        (V::BadDhShare, vec![0]),
        (V::BadDhShare, vec![1]),
        (V::BadDhShare, below),
        (V::BadDhShare, prime),
        (V::BadDhShare, vec![0xff; 257]),
        (V::BadDhShare, vec![0xff; 60_000]),
        (V::MalformedMessage, vec![]),
    ] {
        let tamper = first(T::CLIENT_KEY_EXCHANGE, move |raw| {
            vec![Put::Message(body(raw, |body| {
                body.clear();
                put_vec16(body, |out| out.extend_from_slice(&share));
            }))]
        });
        Case::new(violation, By::Client, Stage::WaitClientKeyExchange, tamper)
            .client(client())
            .server(server())
            .check();
    }
}
