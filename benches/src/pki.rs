//! The certificates of the measurements: a root and leaves issued by it, no intermediate.

use std::fs;
use std::io;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};

use crate::job::Leaf;

/// The name in the servers' certificates.
pub const SERVER_NAME: &str = "localhost";

/// A certificate with its key: DER and PKCS#8.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
}

/// All certificates.
#[derive(Clone, Debug)]
pub struct Pki {
    /// The trust anchor, ECDSA P-256.
    pub root: Vec<u8>,
    /// A server's, ECDSA P-256.
    pub ecdsa_p256: Identity,
    /// A server's, RSA with 2,048 bits.
    pub rsa_2048: Identity,
    /// A client's, ECDSA P-256.
    pub client: Identity,
}

impl Pki {
    /// The server's identity.
    pub fn server(&self, leaf: Leaf) -> &Identity {
        match leaf {
            Leaf::EcdsaP256 => &self.ecdsa_p256,
            Leaf::Rsa2048 => &self.rsa_2048,
        }
    }

    /// Makes new certificates.
    ///
    /// # Errors
    /// Those of rcgen.
    pub fn generate() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("root of the measurements");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = params.self_signed(&key)?.der().to_vec();
        let issuer = Issuer::new(params, key);
        let server = ExtendedKeyUsagePurpose::ServerAuth;
        let client = ExtendedKeyUsagePurpose::ClientAuth;
        Ok(Self {
            root,
            ecdsa_p256: issue(&issuer, &PKCS_ECDSA_P256_SHA256, server.clone())?,
            rsa_2048: issue(&issuer, &PKCS_RSA_SHA256, server)?,
            client: issue(&issuer, &PKCS_ECDSA_P256_SHA256, client)?,
        })
    }

    /// Writes all of it into `folder`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn store(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("root"), &self.root)?;
        for (name, identity) in [
            ("ecdsa_p256", &self.ecdsa_p256),
            ("rsa_2048", &self.rsa_2048),
            ("client", &self.client),
        ] {
            fs::write(folder.join(name), &identity.certificate)?;
            fs::write(folder.join(format!("{name}.key")), &identity.key)?;
        }
        Ok(())
    }

    /// Reads what [`store`](Self::store) has written.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let identity = |name: &str| -> io::Result<Identity> {
            Ok(Identity {
                certificate: fs::read(folder.join(name))?,
                key: fs::read(folder.join(format!("{name}.key")))?,
            })
        };
        Ok(Self {
            root: fs::read(folder.join("root"))?,
            ecdsa_p256: identity("ecdsa_p256")?,
            rsa_2048: identity("rsa_2048")?,
            client: identity("client")?,
        })
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn issue(
    issuer: &Issuer<'_, KeyPair>,
    algorithm: &'static SignatureAlgorithm,
    usage: ExtendedKeyUsagePurpose,
) -> Result<Identity, rcgen::Error> {
    let key = KeyPair::generate_for(algorithm)?;
    let mut params = CertificateParams::new([SERVER_NAME.to_owned()])?;
    // Not the issuer's, or OpenSSL takes the leaf for self-signed.
    params.distinguished_name = name(SERVER_NAME);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    Ok(Identity {
        certificate: params.signed_by(&key, issuer)?.der().to_vec(),
        key: key.serialize_der(),
    })
}
