//! Which key is meant.
//!
//! RFC 7512 §2.3 for what a URI is made of, §2.4 for what it says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cryptoki::slot::TokenInfo;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::error::TokenError;

/// The longest URI that is read, in bytes.
const LONGEST: usize = 4_096;

/// A PKCS#11 URI (RFC 7512): `pkcs11:token=web;object=server?pin-source=/run/pin`.
///
/// Of the attributes of the path, `token`, `manufacturer`, `serial`, `model` and `slot-id` say which token,
/// `object` and `id` which key; `type` may be `private`. Of the query `module-path`, `pin-value` and `pin-source` are read.
/// Others are refused: what is not understood could have meant another key.
///
/// A PIN in a URI is seen by whoever lists processes or reads the configuration: rather say where it is.
#[derive(Clone, Default)]
pub struct Pkcs11Uri {
    pub(crate) token: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) slot_id: Option<u64>,
    pub(crate) object: Option<String>,
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) module_path: Option<PathBuf>,
    pub(crate) pin_value: Option<Zeroizing<Vec<u8>>>,
    pub(crate) pin_source: Option<PathBuf>,
}

impl FromStr for Pkcs11Uri {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let wrong =
            |what: String| TokenError::new(format!("the PKCS#11 URI {what} (RFC 7512 §2.3)"));
        if text.len() > LONGEST {
            return Err(wrong(format!("has more than {LONGEST} bytes")));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(wrong("does not begin with `pkcs11:`".to_owned()));
        };
        if !scheme.eq_ignore_ascii_case("pkcs11") {
            return Err(wrong("does not begin with `pkcs11:`".to_owned()));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let attributes = path.split(';').map(|attribute| (attribute, true));
        let attributes = attributes.chain(query.split('&').map(|attribute| (attribute, false)));
        let mut seen = Vec::new();
        for (attribute, is_path) in attributes.filter(|(attribute, _)| !attribute.is_empty()) {
            let Some((name, value)) = attribute.split_once('=') else {
                return Err(wrong("has an attribute without `=`".to_owned()));
            };
            if seen.contains(&name) {
                return Err(wrong(format!("has {} twice", shown(name))));
            }
            seen.push(name);
            let value = decode(value)
                .ok_or_else(|| wrong(format!("has a wrong escape in {}", shown(name))))?;
            uri.set(name, value, is_path).map_err(wrong)?;
        }
        Ok(uri)
    }
}

impl Pkcs11Uri {
    fn set(&mut self, name: &str, value: Zeroizing<Vec<u8>>, is_path: bool) -> Result<(), String> {
        let text = || {
            let text = String::from_utf8(value.to_vec()).ok();
            text.ok_or_else(|| format!("has a value of {} that is not UTF-8", shown(name)))
        };
        match (name, is_path) {
            ("token", true) => self.token = Some(text()?),
            ("manufacturer", true) => self.manufacturer = Some(text()?),
            ("serial", true) => self.serial = Some(text()?),
            ("model", true) => self.model = Some(text()?),
            ("object", true) => self.object = Some(text()?),
            ("id", true) => self.id = Some(value.to_vec()),
            ("slot-id", true) => {
                let number = text()?.parse().ok();
                self.slot_id = Some(number.ok_or("has a slot-id that is no number")?);
            }
            ("type", true) if *value == *b"private" => {}
            ("type", true) => return Err("has a type that is not `private`".to_owned()),
            ("module-path", false) => self.module_path = Some(text()?.into()),
            ("pin-value", false) => self.pin_value = Some(value),
            ("pin-source", false) => self.pin_source = Some(source(&text()?)?),
            _ => {
                let attribute = shown(name);
                return Err(format!("has {attribute}, which is not supported here"));
            }
        }
        Ok(())
    }

    pub(crate) fn fits(&self, slot: u64, token: &TokenInfo) -> bool {
        let all = [
            (&self.token, token.label()),
            (&self.manufacturer, token.manufacturer_id()),
            (&self.serial, token.serial_number()),
            (&self.model, token.model()),
        ];
        // Fields of tokens are padded with blanks.
        all.iter().all(|(wanted, has)| {
            let wanted = wanted.as_deref().map(str::trim_end);
            wanted.is_none_or(|wanted| wanted == has.trim_end())
        }) && self.slot_id.is_none_or(|wanted| wanted == slot)
    }

    /// Which module has the token, if the URI says so.
    pub fn module_path(&self) -> Option<&Path> {
        self.module_path.as_deref()
    }

    /// Whether it says what the PIN is, or where.
    pub const fn has_pin(&self) -> bool {
        self.pin_value.is_some() || self.pin_source.is_some()
    }
}

/// §2.4: a file, as a path or a URI; nothing is run.
fn source(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("file:") {
        Some(path) => Ok(path.strip_prefix("//").unwrap_or(path).into()),
        None if text.starts_with('|') => {
            Err("has a pin-source that is a command, which is not run: give a file".to_owned())
        }
        None => Ok(text.into()),
    }
}

/// Names of attributes are printed, if they are such.
fn shown(name: &str) -> String {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    match name.len() < 32 && name.bytes().all(is_name) {
        true => format!("`{name}`"),
        false => "an unknown attribute".to_owned(),
    }
}

fn decode(value: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = value.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let is_right = escapes.all(|(at, _)| is_digit(at + 1) && is_digit(at + 2));
    let mut decoded = Zeroizing::new(Vec::with_capacity(value.len()));
    decoded.extend(percent_decode_str(value));
    is_right.then_some(decoded)
}

/// As the URI, without its query, which has the PIN.
impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            ("token", &self.token),
            ("object", &self.object),
            ("serial", &self.serial),
        ];
        let named = named.iter().filter_map(|(name, value)| {
            let value = value.as_deref()?;
            Some(format!("{name} {value:?}"))
        });
        let mut named: Vec<_> = named.collect();
        if let Some(id) = &self.id {
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            named.push(format!("id {id}"));
        }
        match named.is_empty() {
            true => f.write_str("any key"),
            false => f.write_str(&named.join(", ")),
        }
    }
}

impl fmt::Debug for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Uri({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_uri_says() {
        let uri: Pkcs11Uri = "pkcs11:token=The%20Software;object=my-key;id=%01%ff;type=private?\
                              module-path=/lib/p11.so&pin-value=12%2634"
            .parse()
            .unwrap();
        assert_eq!(uri.token.as_deref(), Some("The Software"));
        assert_eq!(uri.object.as_deref(), Some("my-key"));
        assert_eq!(uri.id.as_deref(), Some(&[1, 0xff][..]));
        assert_eq!(uri.module_path(), Some(Path::new("/lib/p11.so")));
        assert_eq!(
            uri.pin_value.as_ref().map(|pin| pin.as_slice()),
            Some(&b"12&34"[..])
        );
        for text in [format!("{uri}"), format!("{uri:?}")] {
            assert!(text.contains("my-key") && !text.contains("34"), "{text}");
        }
        for (source, path) in [
            ("/run/pin", "/run/pin"),
            ("file:/run/pin", "/run/pin"),
            ("file:///run/pin", "/run/pin"),
        ] {
            let uri: Pkcs11Uri = format!("pkcs11:?pin-source={source}").parse().unwrap();
            assert_eq!(uri.pin_source.as_deref(), Some(Path::new(path)));
        }
        assert!("PKCS11:".parse::<Pkcs11Uri>().is_ok());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, expected) in [
            ("", "does not begin"),
            ("https://x", "does not begin"),
            ("pkcs11:token", "without `=`"),
            ("pkcs11:token=a;token=b", "`token` twice"),
            ("pkcs11:token=%4", "wrong escape in `token`"),
            ("pkcs11:token=%ff", "not UTF-8"),
            ("pkcs11:slot-id=x", "no number"),
            ("pkcs11:type=cert", "not `private`"),
            (
                "pkcs11:library-version=3",
                "`library-version`, which is not supported",
            ),
            (
                "pkcs11:pin-value=1234",
                "`pin-value`, which is not supported",
            ),
            ("pkcs11:?token=a", "`token`, which is not supported"),
            ("pkcs11:?1234=5678", "an unknown attribute"),
            ("pkcs11:?pin-source=|/bin/pin", "is not run"),
        ] {
            let error = text.parse::<Pkcs11Uri>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("1234"), "{error}");
        }
        let long = format!("pkcs11:token={}", "x".repeat(LONGEST));
        assert!(long.parse::<Pkcs11Uri>().is_err());
    }
}
