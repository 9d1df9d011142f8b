//! Encrypted ClientHello: accepted, rejected, and what of it is seen.
//!
//! RFC 9849 §6, §7.

use std::sync::OnceLock;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::config::{
    ClientConfig, ClientConfigBuilder, KeyShares, ServerConfig, ServerConfigBuilder,
};
use crate::ech::{EchConfigList, EchKem, EchKey, EchKeys, EchStatus, Retry};
use crate::handshake::Handshake;
use crate::testing::{Pair, now};
use crate::x509::{Identity, Roots};
use crate::{AlertDescription, Direction, NamedGroup, ProtocolVersion, Violation};

#[cfg(feature = "dtls")]
mod datagrams;
mod front;
#[cfg(feature = "dtls")]
mod gate;
mod hidden;
mod rejected;
#[cfg(feature = "dtls")]
mod split;
mod violations;

const SECRET: &str = "secret.example";
const PUBLIC: &str = "public.example";

struct Names {
    roots: Roots,
    secret: Identity,
    public: Identity,
}

fn names() -> &'static Names {
    static NAMES: OnceLock<Names> = OnceLock::new();
    NAMES.get_or_init(|| {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate().unwrap();
        let der = root.self_signed(&root_key).unwrap().der().clone();
        let issuer = Issuer::new(root, root_key);
        let leaf = |name: &str| {
            let params = CertificateParams::new([name.to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            let der: CertificateDer<'static> =
                params.signed_by(&key, &issuer).unwrap().der().clone();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            Identity::from_der(vec![der], &key).unwrap()
        };
        let mut roots = Roots::empty();
        roots.add_der(der).unwrap();
        Names {
            roots,
            secret: leaf(SECRET),
            public: leaf(PUBLIC),
        }
    })
}

fn key(id: u8) -> EchKey {
    EchKey::builder(PUBLIC).config_id(id).generate().unwrap().0
}

fn client(list: EchConfigList) -> ClientConfigBuilder {
    ClientConfig::builder(names().roots.clone()).ech(list)
}

fn server(key: &EchKey) -> ServerConfigBuilder {
    let keys = EchKeys::new([key.clone()]).unwrap();
    both_names().ech_keys(keys)
}

fn both_names() -> ServerConfigBuilder {
    ServerConfig::builder()
        .identity(names().public.clone())
        .identity(names().secret.clone())
}

fn pair(client: ClientConfig, server: ServerConfig) -> Pair {
    let name = ServerName::try_from(SECRET).unwrap();
    Pair {
        client: Handshake::client(client, name).unwrap(),
        server: Handshake::server(server),
        events: Vec::new(),
        client_sent: Vec::new(),
        server_sent: Vec::new(),
        delivered: Default::default(),
    }
}

/// Both ends are connected, and by the inner hello.
fn connect(client: ClientConfig, server: ServerConfig) {
    let (client, server) = pair(client, server).run();
    let (client, server) = (client.unwrap(), server.unwrap());
    for end in [&client.information, &server.information] {
        assert_eq!(end.ech(), EchStatus::Accepted);
        assert_eq!(end.server_name(), Some(SECRET));
    }
    let (client, server) = (&client.information, &server.information);
    assert_eq!(client.client_random(), server.client_random());
    assert_eq!(
        client.tls_exporter().unwrap(),
        server.tls_exporter().unwrap()
    );
}

#[test]
fn a_server_with_the_key_reads_the_inner_hello() {
    for kem in [EchKem::X25519, EchKem::P256] {
        let (key, _) = EchKey::builder(PUBLIC).kem(kem).generate().unwrap();
        connect(
            client(key.config_list()).build().unwrap(),
            server(&key).build().unwrap(),
        );
    }
}

#[test]
fn a_second_hello_is_encrypted_as_well() {
    let key = key(1);
    for cookie in [false, true] {
        let client = client(key.config_list())
            .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
            .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]));
        let server = server(&key).groups([NamedGroup::SECP384R1]).cookie(cookie);
        connect(client.build().unwrap(), server.build().unwrap());
    }
}

#[test]
fn old_versions_are_offered_in_the_outer_hello_alone() {
    let key = key(1);
    let versions = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    let client = client(key.config_list()).versions(versions);
    connect(
        client.build().unwrap(),
        server(&key).versions(versions).build().unwrap(),
    );
}

/// §7.1, §10.10.4: who looks on sees by a HelloRetryRequest neither that a hello was read nor that it was not.
#[test]
fn a_retry_that_has_read_nothing_looks_as_one_that_has() {
    let (key, other) = (key(1), key(2));
    let retry = |list: EchConfigList, server: ServerConfigBuilder| {
        let client = client(list)
            .groups([NamedGroup::X25519, NamedGroup::SECP384R1])
            .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]))
            .build()
            .unwrap();
        let server = server.groups([NamedGroup::SECP384R1]).build().unwrap();
        let mut pair = pair(client, server);
        pair.turn(&mut |_, question| Some(crate::testing::answer(question)));
        let sent = pair.server_sent;
        let length = usize::from(sent[3]) << 8 | usize::from(sent[4]);
        sent[..5 + length].to_vec()
    };
    let read = retry(key.config_list(), server(&key));
    // The extension is the last: 8 bytes.
    let end = [0xfe, 0x0d, 0, 8];
    assert_eq!(read[read.len() - 12..][..4], end);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let unread = retry(other.config_list(), server(&key));
        assert_eq!(unread.len(), read.len());
        assert_eq!(unread[unread.len() - 12..][..4], end);
        seen.push(unread[unread.len() - 8..].to_vec());
    }
    assert_ne!(seen[0], seen[1]);
    // Who has no keys says nothing of it, and a hello without one is not answered so.
    let unknown = retry(other.config_list(), both_names());
    assert_eq!(unknown.len(), read.len() - 12);
}
