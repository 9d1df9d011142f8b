//! Who we are: a certificate chain and the key of its first certificate.
//!
//! RFC 8446 §4.4.2.

mod fit;

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use self::fit::{
    all_fields, check_any, check_schemes, dns_names, fits_key, is_fit_to_show, key_bits, nth,
    signed_by, unix_time,
};
use super::certificate::Certificate;
use super::digests::{LeafDigests, Sha256Digest, key_digest, leaf_digests, raw_key_digests};
use super::pem_identity::PemIdentity;
use super::present::{CertificateMessages, Form};
use super::signature_algorithm::SignatureAlgorithm;
use super::staple::StapleCell;
use super::verify::{agrees, decrypts};
use crate::compression::CertificateCompression;
use crate::crypto::{HAS_RSA, PrivateKey, ecdsa_curve};
use crate::misuse::Misuse;
use crate::suite::{Authentication, CipherSuite, KeyUse};
use crate::version::Version;
use crate::wire::extension::{CertificateCompressionAlgorithm as Algorithm, CertificateType};
use crate::{NamedGroup, SignatureScheme};

/// A certificate chain with its key, or a key that is shown by itself. Cheap to clone.
///
/// The chain is sent as it was given, leaf first.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    /// Empty of a raw public key.
    chain: Arc<[CertificateDer<'static>]>,
    /// The SubjectPublicKeyInfo of a raw public key.
    raw_key: Option<Box<[u8]>>,
    /// Shared with what was completed from it.
    key: Arc<IdentityKey>,
    /// dNSName entries of the leaf in lower case.
    names: Vec<Box<str>>,
    /// For sessions.
    leaf_digests: Arc<LeafDigests>,
    key_digest: Arc<Sha256Digest>,
    /// Of a leaf with a key for ECDSA.
    curve: Option<NamedGroup>,
    /// The length of a key of RSA or DSA.
    key_bits: Option<u32>,
    /// Whether the key may decrypt a premaster secret, and does.
    decrypts: bool,
    /// Of a key that may be half of a secret, and is here: the kind of key that has signed the leaf.
    agrees: Option<Authentication>,
    /// DER-encoded Names of the issuers of all certificates.
    issuers: Vec<Box<[u8]>>,
    /// What signed each certificate that is not self-issued; `None` for an unknown algorithm.
    chain_schemes: Vec<Option<SignatureScheme>>,
    /// The messages that show the chain, once they have been encoded.
    certificate_messages: CertificateMessages,
    staple: StapleCell,
}

/// Where the private key of an [`Identity`] is.
#[derive(Debug)]
pub enum IdentityKey {
    /// In this process.
    Local(PrivateKey),
    /// Elsewhere (a hardware module, a key server): what it does is asked for.
    External {
        /// What it can sign with, best first.
        schemes: Vec<SignatureScheme>,
        /// Whether it decrypts, too, for RSA key exchange (RFC 5246 §7.4.7.1).
        decrypts: bool,
    },
}

impl IdentityKey {
    /// What the key can sign with, best first; not every version of TLS has all of them.
    pub fn schemes(&self) -> &[SignatureScheme] {
        match self {
            Self::Local(key) => key.schemes(),
            Self::External { schemes, .. } => schemes,
        }
    }

    fn decrypts(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::External { decrypts, .. } => *decrypts,
        }
    }

    /// Nobody is asked to agree on a secret.
    const fn agrees(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

impl Identity {
    /// Joins a chain, leaf first, with the key of the leaf.
    ///
    /// # Errors
    /// When the chain is empty or damaged, the leaf is not of version 3 or has more than 65,535
    /// bytes, or the key belongs to another certificate.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKey) -> Result<Self, Misuse> {
        let fields = all_fields(&chain)?;
        let owner = fields.iter().position(|fields| key.is_key_of(fields.spki));
        match owner {
            Some(0) => {
                let leaf = fields.first().map(|fields| fields.spki).unwrap_or_default();
                let mut schemes = key.schemes().iter();
                if let Some(scheme) = schemes.find(|scheme| !fits_key(**scheme, leaf)) {
                    // RFC 4055 §1.2: a key in RSA-PSS form may be restricted to one hash.
                    return Err(Misuse::new(format!(
                        "the key in the certificate is restricted otherwise than the private key, which signs \
                         {scheme}: have the certificate issued again with the public half of this key"
                    )));
                }
                Self::join(chain, IdentityKey::Local(key).into())
            }
            Some(other) => Err(Misuse::new(format!(
                "the private key belongs to {}: put that one first",
                nth(other)
            ))),
            None => Err(Misuse::new(
                "the private key does not belong to the certificate: their public keys differ; \
                 give the key the certificate was requested with",
            )),
        }
    }

    /// Joins a chain, leaf first, with a key in DER.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; pub use rustls_pki_types as pki_types; }
    /// use portcullis::Identity;
    /// use portcullis::pki_types::PrivateKeyDer;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (certificate, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    /// let key = PrivateKeyDer::try_from(key)?;
    /// let identity = Identity::from_der(vec![certificate], &key)?;
    /// assert_eq!(identity.chain().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the key is damaged or of an unsupported type.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Self, Misuse> {
        Self::new(chain, PrivateKey::from_der(key)?)
    }

    /// Reads a chain and its key from one PEM text, or the chain from one and the key from
    /// another. Of several keys the one that fits is taken.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Identity;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// let identity = Identity::from_pem(&pem, None)?;
    /// assert_eq!(identity.names().collect::<Vec<_>>(), ["localhost"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`from_der`](Self::from_der), and when there is no certificate, no key, the key is
    /// encrypted ([`PemIdentity`] takes its password), or something looks like a section and cannot be read.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: Option<&[u8]>) -> Result<Self, Misuse> {
        PemIdentity::read(chain, key)?.identity(None)
    }

    /// Reads a chain and its key from one PEM file, in which they stand in any order.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Identity;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = Identity::from_pem_file("/etc/haproxy/site.pem")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), and when the file cannot be read.
    pub fn from_pem_file(bundle: impl AsRef<Path>) -> Result<Self, Misuse> {
        PemIdentity::read_file(bundle)?.identity(None)
    }

    /// Reads a chain from one PEM file and its key from another.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::Identity;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let live = "/etc/letsencrypt/live/example.com";
    /// let identity = Identity::from_pem_files(
    ///     format!("{live}/fullchain.pem"),
    ///     format!("{live}/privkey.pem"),
    /// )?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), and when a file cannot be read.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, Misuse> {
        PemIdentity::read_files(chain, key)?.identity(None)
    }

    /// Joins a chain, leaf first, with a key that is elsewhere; `schemes` is what it can sign
    /// with, best first, in any version of TLS. Signatures are then asked for during the handshake
    /// ([`Sign`](crate::question::Sign)), and nothing else: the cipher suites of `ECDH_ECDSA` and `ECDH_RSA` need
    /// a key that is here.
    ///
    /// # Errors
    /// When the chain is empty or damaged, there is no scheme, or one does not fit the key in
    /// the leaf or is too long for it.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*, suite::*}; pub use rustls_pki_types as pki_types; }
    /// use portcullis::pki_types::CertificateDer;
    /// use portcullis::{Identity, SignatureScheme};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let chain = vec![CertificateDer::from(std::fs::read("leaf.der")?)];
    /// let identity = Identity::with_external_key(chain, vec![SignatureScheme::ECDSA_SECP256R1_SHA256])?;
    /// # let _ = identity;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_external_key(
        chain: Vec<CertificateDer<'static>>,
        schemes: Vec<SignatureScheme>,
    ) -> Result<Self, Misuse> {
        check_any(&schemes)?;
        Self::external(chain, schemes, false)
    }

    /// The same with an RSA key that also decrypts, for the cipher suites of `RSA` and `RSA_PSK`, which come with
    /// the feature `ffi` and have to be named. It is then asked to
    /// ([`Decrypt`](crate::question::Decrypt)). `schemes` may be empty, if the key signs nothing.
    ///
    /// # Errors
    /// As [`with_external_key`](Self::with_external_key), and when the key in the leaf is no RSA key of 1,024 to
    /// 8,192 bits (a configuration refuses one of fewer than 2,048, unless its `key_minimum` is lower), its key usage has no keyEncipherment, or there is no feature `ffi`.
    pub fn with_external_key_that_decrypts(
        chain: Vec<CertificateDer<'static>>,
        schemes: Vec<SignatureScheme>,
    ) -> Result<Self, Misuse> {
        let identity = Self::external(chain, schemes, true)?;
        match identity.0.decrypts {
            true => Ok(identity),
            false if !HAS_RSA => Err(Misuse::new(
                "an external key that decrypts is for RSA key exchange, which needs the feature `ffi`",
            )),
            false => Err(Misuse::new(
                "an external key that decrypts is an RSA key of 1,024 to 8,192 bits, whose certificate has \
                 keyEncipherment in its key usage or has none; this one is not",
            )),
        }
    }

    /// A key that is shown by itself, without a certificate (RFC 7250): the peer has to know it. It is
    /// shown only to a peer that takes raw public keys.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{Identity, PrivateKey, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let der = rustls_pki_types::PrivateKeyDer::try_from(rcgen::KeyPair::generate()?.serialize_der())?;
    /// let key = PrivateKey::from_der(&der)?;
    /// let config = ServerConfig::builder().identity(Identity::raw_public_key(key)?).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is a DSA key.
    pub fn raw_public_key(key: PrivateKey) -> Result<Self, Misuse> {
        let spki = key.spki().ok_or_else(|| {
            Misuse::new("a DSA key is shown in a certificate alone: take a key of another kind")
        })?;
        Ok(Self::of_raw_key(spki, IdentityKey::Local(key)))
    }

    /// The same with a key that is elsewhere: `spki` is the DER of its SubjectPublicKeyInfo, and `schemes`
    /// is what it can sign with, as for [`with_external_key`](Self::with_external_key).
    ///
    /// # Errors
    /// When `spki` is something else, there is no scheme, or one does not fit the key or is too long for it.
    pub fn raw_public_key_with_external_key(
        spki: &[u8],
        schemes: Vec<SignatureScheme>,
    ) -> Result<Self, Misuse> {
        if crate::der::public_key_info(spki).is_none() {
            return Err(Misuse::new(
                "the raw public key is no SubjectPublicKeyInfo in DER",
            ));
        }
        check_any(&schemes)?;
        check_schemes(spki, &schemes)?;
        let key = IdentityKey::External {
            schemes,
            decrypts: false,
        };
        Ok(Self::of_raw_key(spki.to_vec(), key))
    }

    /// No usage is said of such a key, but RSA key exchange and static ECDH belong to certificates.
    fn of_raw_key(spki: Vec<u8>, key: IdentityKey) -> Self {
        Self(Arc::new(Inner {
            key: Arc::new(key),
            names: Vec::new(),
            leaf_digests: Arc::new(raw_key_digests(&spki)),
            key_digest: Arc::new(key_digest(&spki)),
            curve: ecdsa_curve(&spki),
            key_bits: key_bits(&spki),
            decrypts: false,
            agrees: None,
            issuers: Vec::new(),
            chain_schemes: Vec::new(),
            chain: Arc::new([]),
            raw_key: Some(spki.into()),
            certificate_messages: CertificateMessages::default(),
            staple: StapleCell::default(),
        }))
    }

    fn external(
        chain: Vec<CertificateDer<'static>>,
        schemes: Vec<SignatureScheme>,
        decrypts: bool,
    ) -> Result<Self, Misuse> {
        let spki = all_fields(&chain)?.first().map(|fields| fields.spki);
        check_schemes(spki.unwrap_or_default(), &schemes)?;
        Self::join(chain, IdentityKey::External { schemes, decrypts }.into())
    }

    fn join(chain: Vec<CertificateDer<'static>>, key: Arc<IdentityKey>) -> Result<Self, Misuse> {
        let fields = all_fields(&chain)?;
        let (Some(leaf), Some(of_leaf)) = (chain.first(), fields.first()) else {
            return Err(Misuse::new("the certificate chain is empty"));
        };
        is_fit_to_show(leaf, of_leaf)?;
        let names = dns_names(leaf);
        let leaf_digests = Arc::new(leaf_digests(leaf, of_leaf));
        let key_digest = Arc::new(key_digest(of_leaf.spki));
        let decrypts = HAS_RSA && key.decrypts() && decrypts(of_leaf);
        let agrees = (key.agrees() && agrees(of_leaf)).then(|| signed_by(of_leaf));
        let issuers = fields.iter().map(|fields| fields.issuer.into()).collect();
        let chain_schemes = fields
            .iter()
            .filter(|fields| fields.issuer != fields.subject)
            .map(|fields| SignatureAlgorithm::find(fields.signature_algorithm)?.scheme)
            .collect();
        Ok(Self(Arc::new(Inner {
            key,
            names,
            leaf_digests,
            key_digest,
            curve: ecdsa_curve(of_leaf.spki),
            key_bits: key_bits(of_leaf.spki),
            decrypts,
            agrees: agrees.flatten(),
            issuers,
            chain_schemes,
            chain: chain.into(),
            raw_key: None,
            certificate_messages: CertificateMessages::default(),
            staple: StapleCell::default(),
        })))
    }

    /// Another one, with the same key and these certificates behind its own.
    pub(super) fn with_more(
        &self,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, Misuse> {
        let chain = self.chain().iter().cloned().chain(certificates).collect();
        Self::join(chain, Arc::clone(&self.0.key))
    }

    /// By what it is shown.
    pub fn certificate_type(&self) -> CertificateType {
        match self.0.raw_key {
            Some(_) => CertificateType::RAW_PUBLIC_KEY,
            None => CertificateType::X509,
        }
    }

    /// The DER of the SubjectPublicKeyInfo, if the identity is a raw public key.
    pub fn raw_key(&self) -> Option<&[u8]> {
        self.0.raw_key.as_deref()
    }

    /// The certificates, leaf first; none if the identity is a raw public key.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.0.chain
    }

    /// How long the key is, if it is one of RSA or DSA.
    pub(crate) fn key_bits(&self) -> Option<u32> {
        self.0.key_bits
    }

    /// Whether the key signs as RSA keys do that may decrypt, too: not one in RSA-PSS form.
    fn is_plain_rsa(&self) -> bool {
        let mut schemes = self.key().schemes().iter();
        schemes.any(|scheme| scheme.is_rsa() && !scheme.is_pss_form())
    }

    /// What people call the kind of the key; one that signs nothing decrypts.
    pub(crate) fn kind_of_key(&self) -> &'static str {
        let scheme = self.key().schemes().first();
        scheme.map_or("RSA", |scheme| scheme.kind_of_key())
    }

    /// What the key can sign with in this version, best first. In TLS 1.3 a scheme for ECDSA is one for a
    /// curve, too (§4.2.3).
    pub(crate) fn schemes_for(&self, version: Version) -> impl Iterator<Item = SignatureScheme> {
        let schemes = self.key().schemes().iter().copied();
        let is_on_curve = move |scheme: &SignatureScheme| {
            version < Version::V1_3 || scheme.curve().is_none() || scheme.curve() == self.curve()
        };
        schemes.filter(move |scheme| scheme.signs_in(version) && is_on_curve(scheme))
    }

    /// Until when the leaf is valid; `None` of a raw public key, and of what says no time.
    pub fn not_after(&self) -> Option<UnixTime> {
        let validity = Certificate::read(self.0.chain.first()?)?.validity()?;
        Some(unix_time(validity.not_after))
    }

    /// The same of its beginning.
    pub fn not_before(&self) -> Option<UnixTime> {
        let validity = Certificate::read(self.0.chain.first()?)?.validity()?;
        Some(unix_time(validity.not_before))
    }

    /// The certificates, to be kept without the key.
    pub(crate) fn shared_chain(&self) -> Arc<[CertificateDer<'static>]> {
        Arc::clone(&self.0.chain)
    }

    /// Where the key is.
    pub fn key(&self) -> &IdentityKey {
        &self.0.key
    }

    /// The DNS names the leaf is valid for, in lower case, wildcards as `*.example.com`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names.iter().map(AsRef::as_ref)
    }

    /// The same for every certificate with these names, and for no other.
    pub(crate) fn names_digest(&self) -> &Sha256Digest {
        &self.0.leaf_digests.names
    }

    /// What a session remembers of the certificate.
    pub(crate) fn leaf_digests(&self) -> &Arc<LeafDigests> {
        &self.0.leaf_digests
    }

    /// The same for every certificate with this key, and for no other.
    pub(crate) fn key_digest(&self) -> &Arc<Sha256Digest> {
        &self.0.key_digest
    }

    /// The curve of the key of the leaf, if it is one for ECDSA.
    pub(crate) fn curve(&self) -> Option<NamedGroup> {
        self.0.curve
    }

    /// Whether the key does what the suite's key exchange needs of one that signs nothing (RFC 5246 §7.4.2).
    pub(crate) fn exchanges_keys(&self, suite: CipherSuite) -> bool {
        match suite.exchange().and_then(|exchange| exchange.certificate) {
            Some(KeyUse::Decrypt) => self.0.decrypts,
            // RFC 4492 §2.1, §2.3: a client may hold the issuer's kind of key against the suite. In TLS 1.2 it
            // need not (RFC 5246 §7.4.2), but there are suites for both kinds.
            Some(KeyUse::Agree) => {
                let named = suite.info().map(|info| info.authentication);
                self.0.agrees.is_some() && self.0.agrees == named
            }
            Some(KeyUse::Sign) | None => false,
        }
    }

    /// Whether both are the same value, not only equal ones.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The Certificate message of the handshake, encoded once for all connections.
    pub(crate) fn certificate_message(&self, form: Form) -> &[u8] {
        self.0
            .certificate_messages
            .get_or_encode(form, self.chain(), self.raw_key())
    }

    /// Makes the message in its compressed forms, if they are not there.
    pub(crate) fn compress(&self, algorithms: &[CertificateCompression]) {
        if algorithms.is_empty() {
            return;
        }
        let message = self.certificate_message(Form::Tls13);
        let messages = &self.0.certificate_messages;
        let staple = self.any_staple();
        for algorithm in algorithms {
            messages.compress(message, algorithm);
            if let Some(staple) = &staple {
                staple.compress(algorithm);
            }
        }
    }

    /// By which it was compressed.
    pub(super) fn compressions(&self) -> Vec<CertificateCompression> {
        self.0.certificate_messages.compressions()
    }

    pub(super) fn staple_cell(&self) -> &StapleCell {
        &self.0.staple
    }

    /// The message in this compressed form, if it was made and is worth it.
    pub(crate) fn compressed_message(&self, algorithm: Algorithm) -> Option<Arc<[u8]>> {
        self.0.certificate_messages.compressed(algorithm)
    }

    pub(super) fn issuers(&self) -> &[Box<[u8]>] {
        &self.0.issuers
    }

    pub(super) fn chain_schemes(&self) -> &[Option<SignatureScheme>] {
        &self.0.chain_schemes
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity")
            .field("names", &self.0.names)
            .field("certificates", &self.0.chain.len())
            .field("key", &self.0.key)
            .finish()
    }
}

/// Which keys identities have, for a sentence.
pub(crate) fn kinds_of_keys(identities: &[Identity]) -> String {
    let mut kinds = Vec::new();
    let of_schemes = identities.iter().flat_map(|one| one.key().schemes());
    let of_schemes = of_schemes.map(|scheme| scheme.kind_of_key());
    // One that is elsewhere may sign nothing.
    let decrypting = identities.iter().filter(|one| one.0.decrypts);
    for kind in of_schemes.chain(decrypting.map(|_| "RSA")) {
        // There are six.
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.join(" and ")
}

/// What keys would have to do that the suites need, and are of the kind for, and do not, for a sentence.
pub(crate) fn what_keys_lack(
    suites: &[CipherSuite],
    identities: &[Identity],
) -> Option<&'static str> {
    let needs = |wanted| {
        let mut rows = suites.iter().filter_map(|suite| suite.exchange());
        rows.any(|row| row.certificate == Some(wanted))
    };
    let has = |is_such: fn(&Identity) -> bool| identities.iter().any(is_such);
    if needs(KeyUse::Decrypt) && has(|one| one.is_plain_rsa() && !one.0.decrypts) {
        return Some(
            "an RSA key that is here does not decrypt: the key usage of its certificate has no \
             keyEncipherment, or it is elsewhere and was not given as one that decrypts",
        );
    }
    if needs(KeyUse::Agree) && has(|one| one.curve().is_some()) {
        return Some(
            "an ECDSA key that is here cannot be half of the secret: the key usage of its certificate has no \
             keyAgreement, it is elsewhere, or the suite is for a certificate that another kind of key has \
             signed",
        );
    }
    None
}

/// Which kind of key has signed this certificate, of those that suites name.
pub(crate) fn kind_of_issuer(certificate: &[u8]) -> Option<Authentication> {
    signed_by(&Certificate::read(certificate)?)
}
