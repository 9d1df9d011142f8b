//! The certificates of the tests, made once per process: a root, an intermediate, and leaves good
//! and bad, in memory and as PEM files for the peers that read files.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::OnceLock;

use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
    PKCS_ED25519, PKCS_RSA_SHA256, SanType, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::scratch;

/// The DNS names in every good server certificate; it also has 127.0.0.1 and ::1.
pub const SERVER_NAMES: [&str; 2] = ["localhost", "other.example"];

/// A certificate chain with its private key.
#[derive(Debug)]
pub struct Identity {
    /// What the files are called: `<name>.chain.pem`, `<name>.pem`, `<name>.key.pem`.
    pub name: &'static str,
    /// The leaf, then its intermediate if there is one; the root is not in it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key, PKCS#8.
    pub key: PrivateKeyDer<'static>,
    /// PEM file of `chain`.
    pub chain_file: PathBuf,
    /// PEM file of the leaf alone.
    pub certificate_file: PathBuf,
    /// PEM file of what follows the leaf in `chain`, if anything does.
    pub issuers_file: Option<PathBuf>,
    /// PEM file of `key`.
    pub key_file: PathBuf,
}

/// A trust anchor.
#[derive(Debug)]
pub struct Root {
    /// The self-signed certificate.
    pub certificate: CertificateDer<'static>,
    /// PEM file of it.
    pub file: PathBuf,
}

/// All certificates. Except for `unknown_ca` and `unknown_node`, the leaves are issued by an intermediate (ECDSA P-256)
/// whose issuer is `root`.
#[derive(Debug)]
pub struct Pki {
    /// The anchor that good peers trust.
    pub root: Root,
    /// An anchor that issued nothing but `unknown_ca` and `unknown_node`.
    pub unknown_root: Root,
    /// The intermediate certificate.
    pub intermediate: CertificateDer<'static>,
    /// Server, ECDSA P-256.
    pub ecdsa_p256: Identity,
    /// Server, ECDSA P-384.
    pub ecdsa_p384: Identity,
    /// Server, ECDSA P-521.
    pub ecdsa_p521: Identity,
    /// Server, Ed25519.
    pub ed25519: Identity,
    /// Server, RSA with 2,048 bits.
    pub rsa_2048: Identity,
    /// Client, ECDSA P-256, common name `client`.
    pub client: Identity,
    /// A client with an RSA key.
    pub client_rsa: Identity,
    /// An RSA server whose certificate was made with an RSA key, too, as TLS 1.1 and 1.0 want it.
    pub rsa_by_rsa: Identity,
    /// The anchor of that.
    pub rsa_root: Root,
    /// A server whose ECDSA key may be half of a secret, by an ECDSA key (the intermediate's), and by an RSA key
    /// (`rsa_root`'s).
    pub agreeing: Identity,
    /// The other.
    pub agreeing_by_rsa: Identity,
    /// Server, expired in 2021.
    pub expired: Identity,
    /// Server, for `wrong.example` only.
    pub wrong_name: Identity,
    /// Server, issued by `unknown_root`.
    pub unknown_ca: Identity,
    /// Server and client, as a node of Erlang is, for `localhost`.
    pub node: Identity,
    /// The same for `other.example`.
    pub other_node: Identity,
    /// The same for `localhost`, issued by `unknown_root`.
    pub unknown_node: Identity,
}

impl Pki {
    /// One good server identity for each kind of key.
    pub fn servers(&self) -> [&Identity; 5] {
        [
            &self.ecdsa_p256,
            &self.ecdsa_p384,
            &self.ecdsa_p521,
            &self.ed25519,
            &self.rsa_2048,
        ]
    }
}

/// The PKI of this process.
///
/// # Panics
/// If keys cannot be made or files not be written.
pub fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| make().expect("rcgen makes the test PKI"))
}

fn make() -> Result<Pki, rcgen::Error> {
    let root = Authority::root("portcullis test root")?;
    let unknown = Authority::root("portcullis unknown root")?;
    let rsa = Authority::root_with("portcullis RSA root", &PKCS_RSA_SHA256)?;
    let intermediate = Authority::intermediate("portcullis test intermediate", &root)?;
    let good = |name, algorithm| intermediate.issue(name, algorithm, server_params(&SERVER_NAMES)?);
    let p256 = &PKCS_ECDSA_P256_SHA256;

    let mut expired = server_params(&SERVER_NAMES)?;
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);

    // Of static ECDH.
    let agreeing = || {
        let mut params = server_params(&SERVER_NAMES)?;
        params.key_usages.push(KeyUsagePurpose::KeyAgreement);
        Ok::<_, rcgen::Error>(params)
    };

    // Of RSA key exchange.
    let mut decrypting = server_params(&SERVER_NAMES)?;
    decrypting.key_usages.push(KeyUsagePurpose::KeyEncipherment);

    Ok(Pki {
        ecdsa_p256: good("ecdsa-p256", p256)?,
        ecdsa_p384: good("ecdsa-p384", &PKCS_ECDSA_P384_SHA384)?,
        ecdsa_p521: good("ecdsa-p521", &PKCS_ECDSA_P521_SHA512)?,
        ed25519: good("ed25519", &PKCS_ED25519)?,
        rsa_2048: good("rsa-2048", &PKCS_RSA_SHA256)?,
        client: intermediate.issue("client", p256, client_params()?)?,
        client_rsa: intermediate.issue("client-rsa", &PKCS_RSA_SHA256, client_params()?)?,
        rsa_by_rsa: rsa.issue("rsa-by-rsa", &PKCS_RSA_SHA256, decrypting)?,
        agreeing: intermediate.issue("agreeing", p256, agreeing()?)?,
        agreeing_by_rsa: rsa.issue("agreeing-by-rsa", p256, agreeing()?)?,
        rsa_root: rsa.anchor("rsa-root"),
        expired: intermediate.issue("expired", p256, expired)?,
        wrong_name: intermediate.issue("wrong-name", p256, server_params(&["wrong.example"])?)?,
        unknown_ca: unknown.issue("unknown-ca", p256, server_params(&SERVER_NAMES)?)?,
        node: intermediate.issue("node", p256, node_params("localhost")?)?,
        other_node: intermediate.issue("other-node", p256, node_params("other.example")?)?,
        unknown_node: unknown.issue("unknown-node", p256, node_params("localhost")?)?,
        root: root.anchor("root"),
        unknown_root: unknown.anchor("unknown-root"),
        intermediate: intermediate.certificate,
    })
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    is_root: bool,
}

impl Authority {
    fn params(name: &str) -> Result<CertificateParams, rcgen::Error> {
        let mut params = named(name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params)
    }

    fn root(name: &str) -> Result<Self, rcgen::Error> {
        Self::root_with(name, &PKCS_ECDSA_P256_SHA256)
    }

    fn root_with(name: &str, algorithm: &'static SignatureAlgorithm) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(algorithm)?;
        let params = Self::params(name)?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem: certificate.pem(),
            certificate: certificate.into(),
            is_root: true,
        })
    }

    fn intermediate(name: &str, root: &Self) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = Self::params(name)?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &root.issuer)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem: certificate.pem(),
            certificate: certificate.into(),
            is_root: false,
        })
    }

    fn issue(
        &self,
        name: &'static str,
        algorithm: &'static SignatureAlgorithm,
        mut params: CertificateParams,
    ) -> Result<Identity, rcgen::Error> {
        params.use_authority_key_identifier_extension = true;
        let key = generate(algorithm)?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        let (chain_tail, pem_tail) = if self.is_root {
            (Vec::new(), String::new())
        } else {
            (vec![self.certificate.clone()], self.pem.clone())
        };
        Ok(Identity {
            name,
            chain_file: write(&format!("{name}.chain"), &(leaf.pem() + &pem_tail)),
            certificate_file: write(name, &leaf.pem()),
            issuers_file: (!pem_tail.is_empty())
                .then(|| write(&format!("{name}.issuers"), &pem_tail)),
            key_file: write(&format!("{name}.key"), &key.serialize_pem()),
            chain: [vec![leaf.into()], chain_tail].concat(),
            key: PrivateKeyDer::try_from(key.serialize_der())
                .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?,
        })
    }

    fn anchor(&self, name: &str) -> Root {
        Root {
            certificate: self.certificate.clone(),
            file: write(name, &self.pem),
        }
    }
}

/// Makes a key that every peer can read. What rcgen makes for Ed25519 has the public key in it
/// (RFC 5958, version 2), which OpenSSL 3.0 refuses.
fn generate(algorithm: &'static SignatureAlgorithm) -> Result<KeyPair, rcgen::Error> {
    if *algorithm != PKCS_ED25519 {
        return KeyPair::generate_for(algorithm);
    }
    let der = Ed25519KeyPair::generate()
        .and_then(|key| key.to_pkcs8v1())
        .map_err(|_| rcgen::Error::RingUnspecified)?;
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der.as_ref()), algorithm)
}

fn named(name: &str, dns_names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(
        dns_names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
    )?;
    params.distinguished_name.push(DnType::CommonName, name);
    // GnuTLS and OpenSSL refuse dates far outside of what they can represent, rcgen's defaults are.
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    Ok(params)
}

fn server_params(dns_names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = named(dns_names.first().copied().unwrap_or_default(), dns_names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if dns_names.contains(&"localhost") {
        params.subject_alt_names.extend([
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ]);
    }
    Ok(params)
}

fn node_params(host: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = server_params(&[host])?;
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    params.extended_key_usages.push(client);
    Ok(params)
}

fn client_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = named("client", &["client.example"])?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn write(name: &str, pem: &str) -> PathBuf {
    let path = scratch::directory().join(format!("{name}.pem"));
    fs::write(&path, pem)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_identity_has_its_intermediate_and_files() {
        for identity in pki().servers() {
            assert_eq!(identity.chain.len(), 2, "{}", identity.name);
            let pem = fs::read_to_string(&identity.chain_file).expect("chain file");
            assert_eq!(
                pem.matches("BEGIN CERTIFICATE").count(),
                2,
                "{}",
                identity.name
            );
            let pem = fs::read_to_string(&identity.key_file).expect("key file");
            assert!(
                pem.starts_with("-----BEGIN PRIVATE KEY-----"),
                "{}",
                identity.name
            );
        }
        assert_eq!(pki().unknown_ca.chain.len(), 1);
    }
}
