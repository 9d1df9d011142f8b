//! Which types of certificates are accepted of a peer, and which raw keys.
//!
//! RFC 7250 §4. One rule for both roles.

use super::client::ClientConfigBuilder;
use super::server::ServerConfigBuilder;
use crate::misuse::Misuse;
use crate::wire::extension::CertificateType;
use crate::x509::{Identity, RawKeys};

/// What a peer may show.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedOfPeer {
    /// Best first.
    pub(crate) types: Vec<CertificateType>,
    /// Which raw public keys are trusted; `None` if nobody said.
    pub(crate) raw_keys: Option<RawKeys>,
}

impl Default for AcceptedOfPeer {
    fn default() -> Self {
        Self {
            types: vec![CertificateType::X509],
            raw_keys: None,
        }
    }
}

/// What everybody accepts who says nothing (§4.1): then the extension is left out.
pub(crate) fn is_default(types: &[CertificateType]) -> bool {
    matches!(types, [] | [CertificateType::X509])
}

/// A list for `option`, which has to be one that can be sent.
fn check_types(option: &str, types: &[CertificateType]) -> Result<(), Misuse> {
    let known = [CertificateType::X509, CertificateType::RAW_PUBLIC_KEY];
    if types.is_empty() {
        return Err(Misuse::new(format!(
            "{option}: the list is empty; name X509, RAW_PUBLIC_KEY or both"
        )));
    }
    for (at, typ) in types.iter().enumerate() {
        if !known.contains(typ) {
            return Err(Misuse::new(format!(
                "{option}: the type {typ} is not supported; there are X509 and RawPublicKey"
            )));
        }
        if types.iter().take(at).any(|before| before == typ) {
            return Err(Misuse::new(format!("{option}: {typ} is there twice")));
        }
    }
    Ok(())
}

impl AcceptedOfPeer {
    pub(crate) fn accepts(&self, typ: CertificateType) -> bool {
        self.types.contains(&typ)
    }

    /// `asked`: somebody is asked whom to trust, or everybody is accepted.
    pub(super) fn check(&self, option: &str, asked: bool) -> Result<(), Misuse> {
        check_types(option, &self.types)?;
        let takes_raw_keys = self.accepts(CertificateType::RAW_PUBLIC_KEY);
        match &self.raw_keys {
            Some(_) if !takes_raw_keys => Err(Misuse::new(format!(
                "raw_keys: no raw public key is accepted; add RAW_PUBLIC_KEY to {option}"
            ))),
            Some(keys) if keys.is_empty() && !asked => Err(Misuse::new(
                "raw_keys: there is none, so every raw public key would be refused; add one",
            )),
            None if takes_raw_keys && !asked => Err(Misuse::new(format!(
                "{option}: raw public keys are accepted, and none is trusted; name them with `raw_keys`, or have \
                 somebody asked with `ask_verification`"
            ))),
            _ => Ok(()),
        }
    }
}

/// Raw public keys in place of certificates (RFC 7250).
impl ServerConfigBuilder {
    /// By what a client may show who it is, best first (RFC 7250): by certificates, by its public key
    /// alone, or both. Of those that the client can show the first is taken; without one it is refused.
    /// Default: [`CertificateType::X509`]. It takes [`client_authentication`](Self::client_authentication).
    ///
    /// For raw public keys say with [`raw_keys`](Self::raw_keys) which are trusted.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{CertificateType, ClientAuthentication, Identity, RawKeys, Roots, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let identity = Identity::from_pem(&pem, None)?;
    /// # let known_devices = [[7; 32]];
    /// let config = ServerConfig::builder()
    ///     .identity(identity)
    ///     .client_authentication(ClientAuthentication::Required(Roots::empty()))
    ///     .client_certificate_types([CertificateType::RAW_PUBLIC_KEY])
    ///     .raw_keys(RawKeys::from_sha256_pins(known_devices))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_certificate_types(
        mut self,
        types: impl IntoIterator<Item = CertificateType>,
    ) -> Self {
        self.server.accepted.types = types.into_iter().collect();
        self
    }

    /// The raw public keys that are trusted as clients'. With `ask_verification`
    /// [`VerifyRawKey`](crate::question::VerifyRawKey) is asked instead.
    pub fn raw_keys(mut self, keys: RawKeys) -> Self {
        self.server.accepted.raw_keys = Some(keys);
        self
    }

    pub(super) fn check_types(&self) -> Result<(), Misuse> {
        let server = &self.server;
        let asked = server.policy.asked.verification || server.client_policy().is_none();
        server.accepted.check("client_certificate_types", asked)?;
        let is_default = is_default(&server.accepted.types);
        match server.client_authentication.is_requested() || is_default {
            true => Ok(()),
            false => Err(Misuse::new(
                "client_certificate_types: no client is asked for a certificate; ask with client_authentication",
            )),
        }
    }
}

/// Raw public keys in place of certificates (RFC 7250).
impl ClientConfigBuilder {
    /// By what the server may show who it is, best first (RFC 7250): by certificates, by its public key
    /// alone, or both. It answers with one of these or refuses. Default: [`CertificateType::X509`].
    ///
    /// For raw public keys say with [`raw_keys`](Self::raw_keys) which are trusted. Such a key has no name
    /// and no dates: the name given when connecting is sent, and is not compared with anything.
    pub fn server_certificate_types(
        mut self,
        types: impl IntoIterator<Item = CertificateType>,
    ) -> Self {
        self.client.accepted.types = types.into_iter().collect();
        self
    }

    /// By what this side can show who it is, best first (RFC 7250). Default: the types of the identities,
    /// in their order; with `ask_identity` and no identities certificates alone.
    pub fn client_certificate_types(
        mut self,
        types: impl IntoIterator<Item = CertificateType>,
    ) -> Self {
        self.client.client_certificate_types = types.into_iter().collect();
        self.client.client_types_are_chosen = true;
        self
    }

    /// The raw public keys that are trusted as the server's. With `ask_verification`
    /// [`VerifyRawKey`](crate::question::VerifyRawKey) is asked instead.
    pub fn raw_keys(mut self, keys: RawKeys) -> Self {
        self.client.accepted.raw_keys = Some(keys);
        self
    }

    /// The types of the identities, if nobody said others, and each once.
    pub(super) fn settle_types(&mut self) -> Result<(), Misuse> {
        let client = &mut self.client;
        let asked = client.policy.asked.verification || client.chain_policy().is_none();
        client.accepted.check("server_certificate_types", asked)?;
        if client.client_types_are_chosen {
            return check_types("client_certificate_types", &client.client_certificate_types);
        }
        client.client_certificate_types.clear();
        for typ in client.identities.iter().map(Identity::certificate_type) {
            // There are two.
            if !client.client_certificate_types.contains(&typ) {
                client.client_certificate_types.push(typ);
            }
        }
        Ok(())
    }
}
