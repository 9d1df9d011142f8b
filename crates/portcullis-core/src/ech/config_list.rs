//! ECHConfigList: how hellos to a server can be encrypted, the server's favourite first.
//!
//! RFC 9849 §4, §6.1; the value of `ech` in an HTTPS record (RFC 9848 §3).

use std::sync::Arc;

use rustls_pki_types::DnsName;

use super::info;
use crate::crypto::hpke::{Kem, Suite};
use crate::wire::codec::{Cursor, put_vec16};
use crate::wire::list::{Element as _, List};
use crate::wire::{EchConfigContents, EchConfigEntry};

/// The longest list that is taken, in bytes; a record in DNS has no more.
const MOST: usize = 0xffff;

/// Configurations of a server, as they came. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct EchConfigList(Arc<[u8]>);

/// Bytes that are no ECHConfigList (RFC 9849 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchConfigError(&'static str);

impl core::fmt::Display for EchConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "this is no ECHConfigList: {}; it is the value of `ech` in the server's HTTPS record, which is base64 \
             in text and is to be decoded first",
            self.0
        )
    }
}

impl core::error::Error for EchConfigError {}

/// What a hello is encrypted with.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    pub(crate) config_id: u8,
    pub(crate) kem: Kem,
    pub(crate) suite: Suite,
    pub(crate) public_key: Box<[u8]>,
    pub(crate) maximum_name_length: u8,
    pub(crate) public_name: DnsName<'static>,
    pub(crate) info: Box<[u8]>,
}

impl EchConfigList {
    /// Takes a list with its length of two bytes: what the key `ech` of an HTTPS record has.
    ///
    /// # Errors
    /// When the bytes do not have the syntax of RFC 9849 §4. Configurations of other versions, and those with
    /// algorithms or extensions that are not known here, are part of a list and passed by.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EchConfigError> {
        let Ok(list) = Cursor::whole(bytes, Cursor::vec16) else {
            return Err(EchConfigError("its length is not that of what follows"));
        };
        match List::<EchConfigEntry<'_>>::decode_non_empty(list) {
            Ok(_) if bytes.len() <= MOST => Ok(Self(bytes.into())),
            Ok(_) => Err(EchConfigError("it is too long")),
            Err(_) if list.is_empty() => Err(EchConfigError("it has no configuration")),
            Err(_) => Err(EchConfigError("a configuration in it is malformed")),
        }
    }

    /// Of entries that are whole.
    pub(super) fn of<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut list = Vec::new();
        put_vec16(&mut list, |out| {
            for entry in entries {
                out.extend_from_slice(entry);
            }
        });
        Self(list.into())
    }

    /// The list as it was given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn entries(&self) -> impl Iterator<Item = EchConfigEntry<'_>> {
        List::checked(self.0.get(2..).unwrap_or_default()).iter()
    }

    /// The public names of the configurations of the version that is known here, which are not checked.
    pub fn public_names(&self) -> impl Iterator<Item = String> + '_ {
        self.entries().filter_map(|entry| {
            let contents = entry.known()?.ok()?;
            Some(contents.public_name.escape_ascii().to_string())
        })
    }

    /// Whether a hello can be encrypted with one of them (RFC 9849 §6.1).
    pub fn is_usable(&self) -> bool {
        self.select().is_some()
    }

    /// Whether some are of the version that is known here: a server that has none any more has switched this off
    /// (§6.1.6).
    pub(crate) fn has_known_version(&self) -> bool {
        self.entries().any(|entry| entry.known().is_some())
    }

    /// The first that can be used: their order is the server's wish (§4).
    pub(crate) fn select(&self) -> Option<Selected> {
        self.entries().find_map(|entry| {
            let contents = entry.known()?.ok()?;
            let mut config = Vec::new();
            entry.put(&mut config);
            usable(&contents, &config)
        })
    }
}

fn usable(contents: &EchConfigContents<'_>, config: &[u8]) -> Option<Selected> {
    /// §4.2: an extension with this bit has to be understood, and none is known here.
    const MANDATORY: u16 = 0x8000;

    let kem = Kem::from_id(contents.kem_id)?;
    let mut suites = contents.cipher_suites.iter();
    let suite = suites.find_map(|suite| Suite::from_ids(suite.0, suite.1))?;
    let mut extensions = contents.extensions.iter();
    if !kem.is_public_key(contents.public_key)
        || extensions.any(|extension| extension.extension_type.0 & MANDATORY != 0)
    {
        return None;
    }
    Some(Selected {
        config_id: contents.config_id,
        kem,
        suite,
        public_key: contents.public_key.into(),
        maximum_name_length: contents.maximum_name_length,
        public_name: public_name(contents.public_name)?,
        info: info(config).into(),
    })
}

/// §4, §6.1.7: the name of a host, of letters, digits and hyphens, and nothing that could be an IPv4 address.
pub(super) fn public_name(name: &[u8]) -> Option<DnsName<'static>> {
    let name = core::str::from_utf8(name).ok()?;
    let is_label = |label: &str| {
        let mut characters = label.bytes();
        (1..=63).contains(&label.len())
            && characters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next()?;
    let is_number = |label: &str| {
        let hexadecimal = label
            .strip_prefix("0x")
            .or_else(|| label.strip_prefix("0X"));
        label.bytes().all(|byte| byte.is_ascii_digit())
            || hexadecimal.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let fits = name.len() <= 253 && name.split('.').all(is_label) && !is_number(last);
    fits.then(|| DnsName::try_from(name.to_owned()).ok())?
}

impl core::fmt::Debug for EchConfigList {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("EchConfigList")
            .field(&self.public_names().collect::<Vec<_>>())
            .finish()
    }
}

/// A line for each configuration.
impl core::fmt::Display for EchConfigList {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (number, entry) in self.entries().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            let Some(Ok(contents)) = entry.known() else {
                write!(f, "a configuration of version {:#06x}", entry.version)?;
                continue;
            };
            let kem = match Kem::from_id(contents.kem_id) {
                Some(Kem::X25519) => "X25519".to_owned(),
                Some(Kem::P256) => "P-256".to_owned(),
                None => format!("KEM {:#06x}", contents.kem_id),
            };
            let suites = contents.cipher_suites.iter();
            let suites: Vec<_> = suites.map(|suite| suite_name(suite.0, suite.1)).collect();
            write!(
                f,
                "id {}, public name {}, {kem}, {}, names of up to {} bytes",
                contents.config_id,
                contents.public_name.escape_ascii(),
                suites.join(", "),
                contents.maximum_name_length
            )?;
        }
        Ok(())
    }
}

fn suite_name(kdf: u16, aead: u16) -> String {
    let kdf = match kdf {
        1 => "HKDF-SHA256".to_owned(),
        2 => "HKDF-SHA384".to_owned(),
        3 => "HKDF-SHA512".to_owned(),
        other => format!("KDF {other:#06x}"),
    };
    let aead = match aead {
        1 => "AES-128-GCM".to_owned(),
        2 => "AES-256-GCM".to_owned(),
        3 => "ChaCha20-Poly1305".to_owned(),
        other => format!("AEAD {other:#06x}"),
    };
    format!("{kdf} with {aead}")
}
