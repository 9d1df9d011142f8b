//! The runner's credentials as identities of the core.

use std::path::Path;
use std::time::Duration;

use portcullis_core::SignatureScheme;
use portcullis_core::question::ChooseIdentity;
use portcullis_core::x509::{Identity, IdentityKey, PrivateKey};

use portcullis_ffi::RsaPrivateKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use x509_parser::der_parser::parse_der;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Stop;
use crate::options::{CredentialOptions, Options};

/// One credential, ready for use.
pub(crate) struct Credential {
    /// What the core shows: the key in it is external when the shim signs.
    pub(crate) identity: Option<Identity>,
    /// The same with its key, if the key can be used.
    signer: Result<Identity, String>,
    /// The same key as what decrypts, if it is an RSA key.
    decrypting: Option<RsaPrivateKey>,
    must_match_issuer: bool,
    /// DER-encoded Names of the issuers in the chain.
    issuers: Vec<Vec<u8>>,
    /// -1 is the default credential.
    number: i32,
}

/// All credentials, best first: those with a number, then the default one.
pub(crate) fn load(options: &Options) -> Result<Vec<Credential>, Stop> {
    let numbered = options.credentials.iter().zip(0..);
    let default = std::iter::once((&options.default_credential, -1));
    numbered
        .chain(default)
        .filter_map(|(credential, number)| {
            let mut credential = credential.clone();
            if options.decline_ocsp_callback {
                credential.ocsp_response.clear();
            }
            load_one(&credential, number, options.asynchronous).transpose()
        })
        .collect()
}

fn load_one(
    options: &CredentialOptions,
    number: i32,
    delayed: bool,
) -> Result<Option<Credential>, Stop> {
    if options.raw_key {
        return load_raw_key(options, number, delayed).map(Some);
    }
    let Some(cert_file) = &options.cert_file else {
        return Ok(None);
    };
    let signer = match &options.key_file {
        Some(key) => Identity::from_pem_files(cert_file, key),
        None => Identity::from_pem_file(cert_file),
    };
    let chain = match &signer {
        Ok(signer) => signer.chain().to_vec(),
        // A key that cannot be used here may be used elsewhere: the core is told of an external
        // one, and the test ends where it is asked for a signature.
        Err(_) => CertificateDer::pem_file_iter(cert_file)
            .and_then(Iterator::collect)
            .map_err(|error| Stop::unimplemented(format!("this certificate: {error}")))?,
    };
    let decrypting = options.key_file.as_deref().and_then(rsa_key);
    let external = |schemes: Vec<SignatureScheme>| {
        let signing = || Identity::with_external_key(chain.clone(), schemes.clone());
        match &decrypting {
            Some(_) => Identity::with_external_key_that_decrypts(chain.clone(), schemes.clone())
                .or_else(|_| signing()),
            None => signing(),
        }
        .ok()
    };
    let identity = match &signer {
        Ok(signer) if options.signing_prefs.is_empty() && !delayed => Some(signer.clone()),
        _ => {
            let wanted = match (options.signing_prefs.as_slice(), &signer) {
                ([], Ok(signer)) => signer.key().schemes(),
                ([], Err(_)) => SignatureScheme::DEFAULT,
                (prefs, _) => prefs,
            };
            let fitting: Vec<_> = wanted
                .iter()
                .copied()
                .filter(|scheme| external(vec![*scheme]).is_some())
                .collect();
            // A test of schemes that it cannot sign with is none of what it decrypts.
            match fitting.is_empty() {
                true => None,
                false => external(fitting),
            }
        }
    };
    if let (Some(identity), false) = (&identity, options.ocsp_response.is_empty()) {
        let never = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
        identity
            .dangerous_set_unread_ocsp_response(&*options.ocsp_response, never)
            .map_err(|misuse| Stop::failed(misuse.to_string()))?;
    }
    let issuers = chain.iter().map(|certificate| {
        X509Certificate::from_der(certificate)
            .map(|(_, certificate)| certificate.issuer().as_raw().to_vec())
            .unwrap_or_default()
    });
    Ok(Some(Credential {
        identity,
        issuers: issuers.collect(),
        signer: signer.map_err(|misuse| misuse.to_string()),
        decrypting,
        must_match_issuer: options.must_match_issuer,
        number,
    }))
}

/// A key that is shown by itself.
fn load_raw_key(
    options: &CredentialOptions,
    number: i32,
    delayed: bool,
) -> Result<Credential, Stop> {
    let unusable = |what: String| Stop::unimplemented(format!("this raw key: {what}"));
    let file = options.key_file.as_deref();
    let file = file.ok_or_else(|| Stop::failed("a raw key needs -key-file"))?;
    let der = PrivateKeyDer::from_pem_file(file).map_err(|error| unusable(error.to_string()))?;
    let key = PrivateKey::from_der(&der).map_err(|error| unusable(error.to_string()))?;
    let signer = Identity::raw_public_key(key).map_err(|error| unusable(error.to_string()))?;
    let identity = match options.signing_prefs.is_empty() && !delayed {
        true => Some(signer.clone()),
        false => {
            let spki = signer.raw_key().unwrap_or_default();
            let wanted = match options.signing_prefs.as_slice() {
                [] => signer.key().schemes(),
                prefs => prefs,
            };
            Identity::raw_public_key_with_external_key(spki, wanted.to_vec()).ok()
        }
    };
    Ok(Credential {
        identity,
        issuers: Vec::new(),
        signer: Ok(signer),
        decrypting: None,
        must_match_issuer: false,
        number,
    })
}

/// Reads an RSA key out of PKCS#8 (RFC 5958 §2).
fn rsa_key(file: &Path) -> Option<RsaPrivateKey> {
    let PrivateKeyDer::Pkcs8(der) = PrivateKeyDer::from_pem_file(file).ok()? else {
        return None;
    };
    let (_, info) = parse_der(der.secret_pkcs8_der()).ok()?;
    let key = info.as_sequence().ok()?.get(2)?.as_slice().ok()?;
    RsaPrivateKey::from_der(key).ok()
}

impl Credential {
    /// Why the key cannot be used, if it cannot.
    pub(crate) fn unusable(&self) -> Option<&str> {
        self.signer.as_ref().err().map(String::as_str)
    }

    /// All that the key can sign with; none if it cannot be used.
    pub(crate) fn schemes(&self) -> &[SignatureScheme] {
        self.signer
            .as_ref()
            .map(|signer| signer.key().schemes())
            .unwrap_or_default()
    }

    /// What the key makes of a ciphertext, with the padding.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let key = self.decrypting.as_ref()?;
        let mut block = vec![0; key.modulus_len()];
        key.decrypt_raw(ciphertext, &mut block).ok()?;
        Some(block)
    }

    /// Signs as the scheme says.
    pub(crate) fn sign(&self, scheme: SignatureScheme, content: &[u8]) -> Option<Vec<u8>> {
        match self.signer.as_ref().ok()?.key() {
            IdentityKey::Local(key) => key.sign(scheme, content).ok(),
            IdentityKey::External { .. } => None,
        }
    }
}

/// The number of the credential that shows `identity`.
pub(crate) fn number_of(credentials: &[Credential], identity: &Identity) -> Option<i32> {
    find(credentials, identity).map(|credential| credential.number)
}

/// The credential that shows `identity`.
pub(crate) fn find<'a>(
    credentials: &'a [Credential],
    identity: &Identity,
) -> Option<&'a Credential> {
    credentials.iter().find(|credential| {
        credential
            .identity
            .as_ref()
            .is_some_and(|own| own.same(identity))
    })
}

/// Why no credential will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    NothingConfigured,
    NoCommonScheme,
    NoMatchingIssuer,
    /// The peer takes no credential of this type (RFC 7250).
    WrongType,
    /// Of the key in a certificate for ECDSA, before TLS 1.3.
    WrongCurve,
}

/// The first credential that the peer accepts, as BoringSSL's application interface has it: an
/// issuer must match only where the credential says so.
pub(crate) fn choose<'a>(
    credentials: &'a [Credential],
    question: &ChooseIdentity,
    is_tls13: bool,
) -> Result<&'a Identity, Unfit> {
    let mut why = Unfit::NothingConfigured;
    for credential in credentials {
        let Some(identity) = &credential.identity else {
            why = Unfit::NoCommonScheme;
            continue;
        };
        if !question.accepts_type(identity.certificate_type()) {
            why = Unfit::WrongType;
            continue;
        }
        let matches = question
            .certificate_authorities()
            .any(|name| credential.issuers.iter().any(|issuer| issuer == name));
        if credential.must_match_issuer && !matches {
            why = Unfit::NoMatchingIssuer;
            continue;
        }
        let offered = question.signature_schemes();
        let is_usable = |scheme: &SignatureScheme| {
            let is_new = scheme.allowed_in_tls13_certificate_verify();
            offered.contains(scheme) && (is_new || !is_tls13)
        };
        if !question.accepts(identity) {
            let signs = identity.key().schemes().iter().any(is_usable);
            why = match signs && !is_tls13 {
                true => Unfit::WrongCurve,
                false => Unfit::NoCommonScheme,
            };
            continue;
        }
        return Ok(identity);
    }
    Err(why)
}
