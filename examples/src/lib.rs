//! What the examples have in common: a certificate authority of their own.
//!
//! A real service loads its certificate with [`Identity::from_pem_files`], and a real client
//! trusts [`Roots::os`] or [`Roots::from_pem_file`].

use portcullis::pki_types::PrivateKeyDer;
use portcullis::{CertificateDer, Identity, Roots};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer};

/// What can go wrong in an example: anything.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

pub use rcgen::{KeyPair, SigningKey};

/// An identity for `localhost`, made just now, and the roots that trust it.
///
/// # Errors
/// When no key can be made.
pub fn dev_identity() -> Result<(Identity, Roots)> {
    let authority = Authority::new()?;
    Ok((authority.identity("localhost")?, authority.roots()?))
}

/// Issues certificates that only this process trusts.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new key and its self-signed certificate.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "the examples' root");
        let key = KeyPair::generate()?;
        Ok(Self {
            certificate: params.self_signed(&key)?,
            issuer: Issuer::new(params, key),
        })
    }

    /// Trusts what this authority issues, and nothing else.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn roots(&self) -> Result<Roots> {
        let mut roots = Roots::empty();
        roots.add_der(self.certificate.der().clone())?;
        Ok(roots)
    }

    /// The certificate of the authority, for another process to trust.
    pub fn root_pem(&self) -> String {
        self.certificate.pem()
    }

    /// An ECDSA P-256 key and a certificate for a host name, good for servers and clients.
    ///
    /// # Errors
    /// When the name is not one of a host.
    pub fn identity(&self, name: &str) -> Result<Identity> {
        let (chain, key) = self.issue(name)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        Ok(Identity::from_der(chain, &key)?)
    }

    /// The same as [`identity`](Self::identity), in two parts.
    ///
    /// # Errors
    /// When the name is not one of a host.
    pub fn issue(&self, name: &str) -> Result<(Vec<CertificateDer<'static>>, KeyPair)> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((vec![certificate.der().clone()], key))
    }
}
