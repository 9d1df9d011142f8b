//! RSA key exchange (RFC 5246 §7.4.7.1): the client makes the secret, and the key in the server's certificate
//! decrypts it.

use std::sync::OnceLock;

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls_pki_types::PrivateKeyDer;

use super::super::attack::{self, By, Case, pair, refused};
use super::super::older::{V1_2, talking_in};
use super::super::parts::message;
use super::super::tamper::{Put, first};
use super::{session_of, ticket_keys};
use crate::config::{ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfigBuilder};
use crate::suite::{CipherSuite, KeyExchange};
use crate::testing::{Pair, pki, resuming};
use crate::wire::HandshakeType as T;
use crate::wire::codec::put_vec16;
use crate::x509::{CertificateErrorKind, Form, Identity, Roots};
use crate::{AlertDescription, ProtocolVersion, Reason, SignatureScheme, Stage, Violation};

pub(super) struct Rsa {
    pub(super) roots: Roots,
    /// Signs and decrypts.
    pub(super) both: Identity,
    /// Each does one of them.
    pub(super) signing: Identity,
    pub(super) decrypting: Identity,
    /// Does both, and has another name.
    other: Identity,
}

pub(super) fn rsa() -> &'static Rsa {
    static RSA: OnceLock<Rsa> = OnceLock::new();
    RSA.get_or_init(|| {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.distinguished_name
            .push(rcgen::DnType::CommonName, "root of RSA keys");
        let key = KeyPair::generate().unwrap();
        let der = root.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(root, key);
        let mut roots = pki().roots.clone();
        roots.add_der(der).unwrap();
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let leaf = |name: &str, usages: &[KeyUsagePurpose]| {
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.key_usages = usages.to_vec();
            let der = params.signed_by(&key, &issuer).unwrap().der().clone();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            Identity::from_der(vec![der], &key).unwrap()
        };
        let [sign, decrypt] = [
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        Rsa {
            roots,
            both: leaf("localhost", &[sign, decrypt]),
            signing: leaf("localhost", &[sign]),
            decrypting: leaf("localhost", &[decrypt]),
            other: leaf("other.example", &[sign, decrypt]),
        }
    })
}

fn suites() -> Vec<CipherSuite> {
    let suites = CipherSuite::SUPPORTED.iter().copied();
    let is_rsa = |suite: &CipherSuite| suite.info().unwrap().key_exchange == KeyExchange::Rsa;
    suites.filter(is_rsa).collect()
}

fn suites_of(version: ProtocolVersion) -> Vec<CipherSuite> {
    let suites = suites().into_iter();
    suites.filter(|suite| suite.is_usable_in(version)).collect()
}

pub(super) fn client_of(version: ProtocolVersion) -> ClientConfigBuilder {
    let usable = suites_of(version);
    ClientConfig::builder(rsa().roots.clone())
        .versions([version])
        .cipher_suites(usable)
        .alpn(["h2", "http/1.1"])
}

pub(super) fn server_of(version: ProtocolVersion) -> ServerConfigBuilder {
    let usable = suites_of(version);
    attack::server()
        .clear_identities()
        .identity(rsa().both.clone())
        .versions([version])
        .cipher_suites(usable)
}

/// That of TLS 1.2 with every suite of RSA.
pub(in super::super) fn client() -> ClientConfigBuilder {
    client_of(V1_2[0])
}

pub(in super::super) fn server() -> ServerConfigBuilder {
    server_of(V1_2[0])
}

fn run(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
    Pair::new(client.build().unwrap(), server.build().unwrap())
}

#[test]
fn every_suite_in_every_version_with_and_without_a_client_certificate() {
    let legacy = if cfg!(feature = "legacy-ciphers") {
        4
    } else {
        0
    };
    assert_eq!(suites().len(), 6 + legacy);
    for version in [
        ProtocolVersion::TLS_1_2,
        ProtocolVersion::TLS_1_1,
        ProtocolVersion::TLS_1_0,
    ] {
        for suite in suites() {
            if !suite.is_usable_in(version) {
                continue;
            }
            for authenticates in [false, true] {
                let client = client_of(version).cipher_suites([suite]);
                let server = server_of(version).cipher_suites([suite]);
                let (client, server) = match authenticates {
                    false => (client, server),
                    true => (
                        client.identity(pki().client.clone()),
                        server.client_authentication(ClientAuthentication::Required(
                            pki().roots.clone(),
                        )),
                    ),
                };
                let (client, server) = talking_in(version, run(client, server));
                let (ours, theirs) = (&client.information, &server.information);
                assert_eq!(ours.cipher_suite(), suite);
                assert_eq!(ours.group(), None);
                assert_eq!(ours.peer_certificates(), rsa().both.chain());
                // Its key has signed nothing.
                assert_eq!(ours.peer_signature_scheme(), None);
                assert_eq!(theirs.local_signature_scheme(), None);
                assert_eq!(theirs.peer_signature_scheme().is_some(), authenticates);
            }
        }
    }
}

/// What the client encrypts begins with what its hello said, not with what was chosen.
#[test]
fn the_version_is_that_of_the_hello() {
    let suite = [CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA];
    let versions = [ProtocolVersion::TLS_1_2, ProtocolVersion::TLS_1_1];
    let client = client().versions(versions).cipher_suites(suite);
    let server = server_of(ProtocolVersion::TLS_1_1);
    let server = server.cipher_suites(suite);
    talking_in(ProtocolVersion::TLS_1_1, run(client, server));
}

/// It is for whoever names it, on both sides.
#[test]
fn nobody_has_it_by_default() {
    assert!(
        suites()
            .iter()
            .all(|suite| !CipherSuite::DEFAULT.contains(suite))
    );
    let default: Vec<_> = CipherSuite::DEFAULT
        .iter()
        .copied()
        .filter(|suite| suite.is_usable_in(V1_2[0]))
        .collect();
    let (_, ended) = run(client().cipher_suites(default.clone()), server()).run();
    let violation = ended.unwrap_err().violation();
    assert_eq!(violation, Some(Violation::NoSharedCipherSuite));
    let (_, ended) = run(client(), server().cipher_suites(default)).run();
    let violation = ended.unwrap_err().violation();
    assert_eq!(violation, Some(Violation::NoSharedCipherSuite));
}

#[test]
fn sessions_are_resumed() {
    let client = client().session_tickets(true);
    for server in [
        server().ticket_keys(ticket_keys()),
        server().ask_sessions(true),
    ] {
        let session = session_of(&client, &server);
        // As another process would.
        let bytes = session.to_bytes();
        let session = crate::session::ClientSession::from_bytes(&bytes).unwrap();
        let (client, server) = (client.clone().build(), server.build());
        let pair = resuming(client.unwrap(), server.unwrap(), vec![session]);
        let (client, server) = talking_in(V1_2[0], pair);
        assert!(client.information.is_resumed() && server.information.is_resumed());
        assert_eq!(client.information.peer_signature_scheme(), None);
        assert_eq!(client.information.peer_certificates(), rsa().both.chain());
    }
}

/// FREAK (CVE-2015-0204): a weaker key in ServerKeyExchange.
#[test]
fn there_is_no_server_key_exchange() {
    // ServerRSAParams of 512 bits (RFC 2246 §7.4.3), and whatever behind them.
    let params = [&[0, 64][..], &[0xc1; 64], &[0, 1, 3], &[0, 64], &[7; 64]].concat();
    for before in [T::SERVER_HELLO_DONE, T::CERTIFICATE] {
        let params = params.clone();
        let tamper = first(before, move |raw| {
            let own = Put::Message(raw.to_vec());
            let freak = Put::Message(message(T::SERVER_KEY_EXCHANGE, &params));
            match before {
                T::CERTIFICATE => vec![own, freak],
                _ => vec![freak, own],
            }
        });
        let (client, server) = (client().build().unwrap(), server().build().unwrap());
        let error = refused(pair(client, server, By::Server, tamper), By::Server);
        assert_eq!(error.violation(), Some(Violation::UnexpectedMessage));
    }
}

/// What the key encrypts to, of any content.
pub(super) fn encrypted(content: &[u8]) -> Vec<u8> {
    let chain = crate::x509::PresentedChain::new(rsa().both.chain().to_vec()).unwrap();
    let key = PublicEncryptingKey::from_der(chain.end_entity_spki()).unwrap();
    let key = Pkcs1PublicEncryptingKey::new(key).unwrap();
    let mut out = vec![0; key.ciphertext_size()];
    key.encrypt(content, &mut out).unwrap();
    out
}

/// Bleichenbacher 1998, ROBOT 2018: nothing that a server says or does tells what was
/// wrong with a ciphertext, or that nothing was but the secret in it.
#[test]
fn no_ciphertext_is_told_from_another() {
    let premaster = |version: [u8; 2]| [&version[..], &[0x42; 46]].concat();
    let good = encrypted(&premaster([3, 3]));
    let number = |last| [vec![0; 255], vec![last]].concat();
    let flipped = |at: usize| {
        let mut changed = good.clone();
        changed[at] ^= 1;
        changed
    };
    let ciphertexts = [
        // Nothing is wrong with these but that they are another's.
        good.clone(),
        encrypted(&premaster([3, 3])),
        // Versions, also of what comes after, and none.
        encrypted(&premaster([3, 1])),
        encrypted(&premaster([3, 4])),
        encrypted(&premaster([0, 0])),
        // Lengths.
        encrypted(&premaster([3, 3])[..47]),
        encrypted(&[premaster([3, 3]), vec![0]].concat()),
        encrypted(b""),
        encrypted(&[7; 245]),
        // Any padding.
        flipped(255),
        flipped(100),
        // No numbers that anybody encrypts, and no ciphertexts.
        number(0),
        number(1),
        vec![0xff; 256],
        good[1..].to_vec(),
        [&[0][..], &good].concat(),
        Vec::new(),
        vec![7; 1_000],
    ];
    for extended in [true, false] {
        let mut said = Vec::new();
        for ciphertext in &ciphertexts {
            let body = [
                &u16::try_from(ciphertext.len()).unwrap().to_be_bytes()[..],
                ciphertext,
            ];
            let body = body.concat();
            let tamper = first(T::CLIENT_KEY_EXCHANGE, move |_| {
                vec![Put::Message(message(T::CLIENT_KEY_EXCHANGE, &body))]
            });
            let without = crate::config::ExtendedMasterSecret::Off;
            let (mut client, mut server) = (client(), server());
            if !extended {
                client = client.extended_master_secret(without);
                server = server.extended_master_secret(without);
            }
            let (client, server) = (client.build().unwrap(), server.build().unwrap());
            let mut pair = pair(client, server, By::Client, tamper);
            attack::talk(&mut pair);
            let sent = pair.server_sent.len();
            let error = refused(pair, By::Client);
            // What the client encrypts with other keys does not open.
            assert_eq!(error.violation(), Some(Violation::BadRecordMac));
            said.push((error.to_string(), error.alert(), error.stage(), sent));
        }
        let first = &said[0];
        assert!(said.iter().all(|one| one == first), "{said:#?}");
    }
}

/// RFC 5246 §7.4.2: what the key in the certificate may be used for.
#[test]
fn the_key_usage_counts() {
    let both = || {
        let suites = [
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256,
        ];
        (
            client().cipher_suites(suites),
            server().cipher_suites(suites).clear_identities(),
        )
    };
    // A server takes the suite that its key may have.
    for (identity, expected) in [
        (
            &rsa().both,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ),
        (
            &rsa().signing,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ),
    ] {
        let (client, server) = both();
        let server = server.identity(identity.clone());
        let (client, _) = talking_in(V1_2[0], run(client, server));
        assert_eq!(client.information.cipher_suite(), expected);
    }
    let (client, server) = (client(), server().clear_identities());
    let alone = server.clone().identity(rsa().signing.clone());
    let refused = alone.build().unwrap_err().to_string();
    assert!(refused.contains("no keyEncipherment"), "{refused}");
    let alone = server.identity(rsa().decrypting.clone());
    talking_in(V1_2[0], run(client, alone));
}

/// A server that shows another certificate than its suite needs.
fn showing(
    identity: &Identity,
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> Reason {
    let certificate = identity.certificate_message(Form::Before13).to_vec();
    let tamper = first(T::CERTIFICATE, move |_| {
        vec![Put::Message(certificate.clone())]
    });
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let error = refused(pair(client, server, By::Server, tamper), By::Server);
    assert_eq!(
        error.alert().map(|(_, alert)| alert),
        Some(AlertDescription::ILLEGAL_PARAMETER)
    );
    error.reason().clone()
}

#[test]
fn a_client_encrypts_for_keys_that_may_decrypt() {
    let kind = |reason: Reason| match reason {
        Reason::Certificate(error) => error.kind().clone(),
        other => panic!("{other:?}"),
    };
    let reason = showing(&rsa().signing, client(), server());
    assert_eq!(kind(reason), CertificateErrorKind::NoKeyEncipherment);
    let suite = [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let (signed, signs) = (client().cipher_suites(suite), server().cipher_suites(suite));
    let reason = showing(&rsa().decrypting, signed, signs);
    assert_eq!(kind(reason), CertificateErrorKind::KeyUsage);
    let Reason::Explained { violation, .. } = showing(&pki().server, client(), server()) else {
        panic!("not explained")
    };
    assert_eq!(violation, Violation::KeyDoesNotFitSuite);
}

/// A client that takes no signature of RSA: the identity is found by what it decrypts, and by its name.
#[test]
fn an_identity_that_signs_nothing_is_chosen() {
    for ask in [false, true] {
        let client = client().signature_schemes([SignatureScheme::ECDSA_SECP256R1_SHA256]);
        let server = server()
            .clear_identities()
            .identity(pki().server.clone())
            .identity(rsa().other.clone())
            .identity(rsa().both.clone())
            .ask_identity(ask);
        let (client, _) = talking_in(V1_2[0], run(client, server));
        let shown = client.information.peer_certificates();
        assert_eq!(shown, rsa().both.chain());
    }
}

/// An RSAPublicKey of these numbers, in a certificate that nobody has verified.
fn leaf_with(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    struct Key(Vec<u8>);
    impl rcgen::PublicKeyData for Key {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }
        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            &PKCS_RSA_SHA256
        }
    }
    let element = |tag: u8, content: &[u8]| {
        let mut out = vec![tag, 0x82];
        put_vec16(&mut out, |out| out.extend_from_slice(content));
        out
    };
    let mut numbers = element(2, modulus);
    if !exponent.is_empty() {
        numbers.extend([&[2, exponent.len() as u8], exponent].concat());
    }
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let issuer = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
    let key = Key(element(0x30, &numbers));
    params.signed_by(&key, &issuer).unwrap().der().to_vec()
}

/// Authorities sign keys that are none. The library makes nothing of them, which is no failure of this side's.
#[test]
fn keys_that_are_none() {
    let odd = [&[0][..], &[0xc3; 256]].concat();
    let even = [&odd[..256], &[2]].concat();
    let usual: &[u8] = &[1, 0, 1];
    for (modulus, exponent) in [
        (&even[..], usual),
        (&odd[1..], usual),
        (&odd, &[0]),
        (&odd, &[1]),
        (&odd, &[2]),
        (&odd, &[0xff]),
        (&odd, &[0x7f; 100]),
        (&odd, &[]),
    ] {
        let leaf = leaf_with(modulus, exponent);
        let tamper = first(T::CERTIFICATE, move |_| {
            let mut message = Vec::new();
            crate::wire::tls12::Certificate::put(&mut message, [&leaf[..]]);
            vec![Put::Message(message)]
        });
        let client = ClientConfig::dangerous_builder_without_verification();
        let client = client.versions(V1_2).cipher_suites(suites_of(V1_2[0]));
        let client = client.alpn(["h2"]);
        Case::new(
            Violation::UnsupportedKey,
            By::Server,
            Stage::WaitCertificateRequest,
            tamper,
        )
        .client(client)
        .server(server())
        .check();
    }
}
