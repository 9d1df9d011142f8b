//! Keys and signatures that are accepted where somebody names them, with certificates of OpenSSL.

mod by_name;
#[cfg(feature = "ffi")]
mod dsa;
mod pss_form;
#[cfg(feature = "ffi")]
mod short_keys;

use super::older::talking_in;
use crate::config::{
    ClientAuthentication, ClientConfig, ClientConfigBuilder, ServerConfig, ServerConfigBuilder,
};
use crate::error::Error;
use crate::testing::Pair;
use crate::x509::{Identity, Roots};
use crate::{ProtocolVersion, SignatureScheme};

/// `openssl ca -startdate 20260101000000Z -enddate 20460101000000Z`; R has an RSA key, S one of 1,024 bits, E one on
/// P-256, P one in RSA-PSS form, Q one of these for SHA-256 alone. `by-` names who signed, and how; their keys
/// are on P-256, but for those by R without a hash, whose name is the kind of theirs.
const OPENSSL: &str = include_str!("openssl.txt");

fn pem(title: &str) -> &'static str {
    let (_, rest) = OPENSSL.split_once(&format!("[{title}]\n")).unwrap();
    rest.split("\n[").next().unwrap()
}

fn roots(name: &str) -> Roots {
    Roots::from_pem(pem(&format!("root {name}"))).unwrap()
}

pub(super) fn identity(name: &str) -> Identity {
    Identity::from_pem(pem(name), None).unwrap()
}

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

/// A client and a server of this version. Both have the identity and want to see one that leads to the root.
fn both(
    version: ProtocolVersion,
    shown: &str,
    root: &str,
) -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = ClientConfig::builder(roots(root))
        .versions([version])
        .identity(identity(shown))
        .alpn(["h2"]);
    let server = ServerConfig::builder()
        .versions([version])
        .identity(identity(shown))
        .client_authentication(ClientAuthentication::Required(roots(root)))
        .alpn(["h2"]);
    (client, server)
}

/// Both prove who they are with this scheme.
fn proved(
    version: ProtocolVersion,
    (client, server): (ClientConfigBuilder, ServerConfigBuilder),
    scheme: SignatureScheme,
) {
    let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    let (client, server) = talking_in(version, pair);
    for connection in [client, server] {
        let seen = connection.information.peer_signature_scheme();
        assert_eq!(seen, Some(scheme), "{version}");
    }
}

/// What the client and the server say who do not come together.
fn refused((client, server): (ClientConfigBuilder, ServerConfigBuilder)) -> [Error; 2] {
    let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    let (client, server) = pair.run();
    [client.err().unwrap(), server.err().unwrap()]
}
