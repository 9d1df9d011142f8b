//! Private keys that are encrypted with a password.
//!
//! RFC 5958 §3 says what such a key looks like, RFC 8018 how a password becomes its key. What RFC 1421 §4.6 had
//! before, and the ciphers of that time, come with the feature `legacy-keys`.
//!
//! Nothing here is authentic: a wrong password and a damaged file mostly look the same. What differs is told.

mod cipher;
#[cfg(feature = "legacy-keys")]
mod legacy;
#[cfg(not(feature = "legacy-keys"))]
#[path = "no_legacy.rs"]
mod legacy;
#[cfg(not(feature = "scrypt"))]
#[path = "no_scrypt.rs"]
mod memory_hard;
#[cfg(feature = "scrypt")]
#[path = "scrypt.rs"]
mod memory_hard;
mod pbes2;

use zeroize::Zeroizing;

use crate::der::{self, OCTET_STRING, OID, Reader, SEQUENCE};
use crate::misuse::Misuse;
use cipher::Cipher;

/// The most rounds of a derivation that are computed, a few seconds. OpenSSL writes 2,048, and OWASP asks for
/// 600,000.
const MOST_ITERATIONS: usize = 10_000_000;

/// A private key that needs a password.
pub(crate) struct EncryptedKey(Form);

enum Form {
    /// EncryptedPrivateKeyInfo in DER.
    Pkcs8(Vec<u8>),
    /// What the DEK-Info line says, and what it says it of.
    Rfc1421 { dek_info: Vec<u8>, data: Vec<u8> },
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// What can be read without the password is wrong.
    Damaged(&'static str),
    /// What comes out is no key.
    Password,
    Unsupported(&'static str),
    /// What it is encrypted with needs a feature that is not there.
    #[cfg_attr(
        all(feature = "legacy-keys", feature = "scrypt"),
        allow(dead_code, reason = "all features are there")
    )]
    NeedsFeature(&'static str, &'static str),
    /// It would take longer, or more memory, than is given to it: what, how much, and how much is allowed.
    TooExpensive(&'static str, usize, usize),
}

impl Fault {
    /// In words: what is encrypted, and what can be done instead.
    fn of(self, thing: &str, instead: &str) -> Misuse {
        Misuse::new(match self {
            Self::Damaged(what) => {
                format!("the encrypted {thing} is damaged: {what}; the password was not looked at")
            }
            Self::Password => format!(
                "the password does not open the {thing}: it is the wrong one, or the encrypted part is damaged"
            ),
            Self::Unsupported(what) => format!("the {thing} is encrypted with {what}: {instead}"),
            Self::NeedsFeature(what, feature) => format!(
                "the {thing} is encrypted with {what}, which needs the feature `{feature}`: build with it, or {instead}"
            ),
            Self::TooExpensive(what, asked, most) => format!(
                "the {thing} is encrypted with {asked} {what}, of which at most {most} are allowed: {instead}"
            ),
        })
    }
}

/// Opens what has the form of PKCS#8 with a password, and has a SEQUENCE in it: a key, or what else is in a file of
/// PKCS#12. `Ok(None)` if the password does not open it; for an error, what it is, and what can be done instead.
///
/// No password is another one than that without characters for the schemes of RFC 7292 §C, and the same for all others.
#[doc(hidden)]
pub fn open_encrypted(
    der: &[u8],
    password: Option<&[u8]>,
    (thing, instead): (&str, &str),
) -> Result<Option<Zeroizing<Vec<u8>>>, Misuse> {
    let encrypted = EncryptedKey::pkcs8(der.to_vec());
    match encrypted.open(password) {
        Ok(opened) => Ok(Some(opened)),
        Err(Fault::Password) => Ok(None),
        Err(fault) => Err(fault.of(thing, instead)),
    }
}

type Found<T> = Result<T, Fault>;

/// What a scheme makes of a password.
struct Opener {
    cipher: Cipher,
    key: Zeroizing<Vec<u8>>,
    iv: Vec<u8>,
}

impl EncryptedKey {
    /// PKCS#8 with a password, in DER.
    pub(crate) const fn pkcs8(der: Vec<u8>) -> Self {
        Self(Form::Pkcs8(der))
    }

    /// A key with header lines (RFC 1421 §4.6.1.3): what follows `DEK-Info:`, and the decoded body.
    pub(crate) const fn rfc_1421(dek_info: Vec<u8>, data: Vec<u8>) -> Self {
        Self(Form::Rfc1421 { dek_info, data })
    }

    /// The key in DER, of whatever format it is.
    pub(crate) fn decrypt(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Misuse> {
        let instead = "encrypt it anew with `openssl pkcs8 -topk8 -in key.pem -out new.pem`";
        self.open(Some(password))
            .map_err(|fault| fault.of("private key", instead))
    }

    fn open(&self, password: Option<&[u8]>) -> Found<Zeroizing<Vec<u8>>> {
        let (opener, data) = match &self.0 {
            Form::Pkcs8(der) => {
                let (algorithm, data) = read_pkcs8(der).ok_or(Fault::Damaged(
                    "it is no EncryptedPrivateKeyInfo in DER (RFC 5958 §3)",
                ))?;
                (scheme(algorithm, password)?, data)
            }
            Form::Rfc1421 { dek_info, data } => {
                let password = password.unwrap_or_default();
                (legacy::dek_info(dek_info, password)?, data.as_slice())
            }
        };
        let key = opener.cipher.decrypt(&opener.key, &opener.iv, data)?;
        // All formats of keys are one SEQUENCE. One wrong password in 256 leaves what looks like padding.
        der::only(&key, SEQUENCE).ok_or(Fault::Password)?;
        Ok(key)
    }
}

/// The algorithm and the encrypted key.
fn read_pkcs8(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Reader::new(der::only(der, SEQUENCE)?);
    let algorithm = fields.contents(SEQUENCE)?;
    let data = fields.contents(OCTET_STRING)?;
    fields.is_empty().then_some((algorithm, data))
}

/// Whether this is PKCS#8 with a password, whatever it stands under.
pub(crate) fn is_encrypted_pkcs8(der: &[u8]) -> bool {
    read_pkcs8(der).is_some_and(|(algorithm, _)| Reader::new(algorithm).contents(OID).is_some())
}

/// RFC 8018 §A.3, §A.4.
fn scheme(algorithm: &[u8], password: Option<&[u8]>) -> Found<Opener> {
    let (oid, parameters) = identifier(algorithm).ok_or(Fault::Damaged(
        "it does not say how it is encrypted (RFC 8018 §A.4)",
    ))?;
    match oid == pbes2::ID_PBES2 {
        true => pbes2::opener(parameters, password.unwrap_or_default()),
        false => legacy::pbes1(oid, parameters, password),
    }
}

/// The OID of an AlgorithmIdentifier, and the contents of parameters that are a SEQUENCE.
fn identifier(algorithm: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Reader::new(algorithm);
    let oid = fields.contents(OID)?;
    let parameters = fields.contents(SEQUENCE)?;
    fields.is_empty().then_some((oid, parameters))
}

/// A number of rounds that is not too large.
fn iterations(count: usize) -> Found<u32> {
    match (count, u32::try_from(count)) {
        (0, _) | (_, Err(_)) => Err(Fault::Damaged("its number of iterations is none")),
        (_, Ok(iterations)) if count <= MOST_ITERATIONS => Ok(iterations),
        _ => Err(Fault::TooExpensive("iterations", count, MOST_ITERATIONS)),
    }
}
