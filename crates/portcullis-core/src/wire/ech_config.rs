//! ECHConfig: how a hello to a server is encrypted.
//!
//! RFC 9849 §4.

use super::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec16};
use super::extension::Extensions;
use super::list::{Element, List};

/// The version of RFC 9849.
pub(crate) const ECH_VERSION: u16 = 0xfe0d;

/// One entry of an ECHConfigList, of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchConfigEntry<'a> {
    /// 0xfe0d for what is known here.
    pub version: u16,
    /// What that version says it is.
    pub contents: &'a [u8],
}

impl<'a> EchConfigEntry<'a> {
    /// The contents, if the version is known.
    ///
    /// # Errors
    /// When they do not have its syntax.
    pub fn known(&self) -> Option<Result<EchConfigContents<'a>, DecodeError>> {
        (self.version == ECH_VERSION).then(|| EchConfigContents::decode(self.contents))
    }
}

impl<'a> Element<'a> for EchConfigEntry<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let entry = Self {
            version: cursor.u16()?,
            contents: cursor.vec16()?,
        };
        // One that is not understood is passed by, one that is broken is not.
        entry.known().transpose()?;
        Ok(entry)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_u16(out, self.version);
        put_vec16(out, |out| out.extend_from_slice(self.contents));
    }
}

/// HpkeSymmetricCipherSuite: KDF and AEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HpkeCipherSuite(pub u16, pub u16);

impl<'a> Element<'a> for HpkeCipherSuite {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        Ok(Self(cursor.u16()?, cursor.u16()?))
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_u16(out, self.0);
        put_u16(out, self.1);
    }
}

/// ECHConfigContents (§4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchConfigContents<'a> {
    /// What a hello says for which configuration it is encrypted.
    pub config_id: u8,
    /// Of HPKE.
    pub kem_id: u16,
    /// At least one byte.
    pub public_key: &'a [u8],
    /// At least one.
    pub cipher_suites: List<'a, HpkeCipherSuite>,
    /// The longest name that is expected; 0 if that is not known.
    pub maximum_name_length: u8,
    /// Of the server that takes hellos it cannot decrypt; at least one byte.
    pub public_name: &'a [u8],
    /// Those whose type has its highest bit are mandatory.
    pub extensions: Extensions<'a>,
}

impl<'a> EchConfigContents<'a> {
    /// Reads the contents to their end.
    ///
    /// # Errors
    /// When they do not have the syntax, or an extension twice.
    pub fn decode(contents: &'a [u8]) -> Result<Self, DecodeError> {
        let this = Cursor::whole(contents, |cursor| {
            Ok(Self {
                config_id: cursor.u8()?,
                kem_id: cursor.u16()?,
                public_key: cursor.vec16()?,
                cipher_suites: List::decode_non_empty(cursor.vec16()?)?,
                maximum_name_length: cursor.u8()?,
                public_name: cursor.vec8()?,
                extensions: Extensions::read(cursor)?,
            })
        })?;
        match this.public_key.is_empty()
            || this.public_name.is_empty()
            || this.extensions.duplicate().is_some()
        {
            true => Err(DecodeError),
            false => Ok(this),
        }
    }

    /// Writes the contents.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.config_id);
        put_u16(out, self.kem_id);
        put_vec16(out, |out| out.extend_from_slice(self.public_key));
        put_vec16(out, |out| {
            out.extend_from_slice(self.cipher_suites.as_bytes())
        });
        out.push(self.maximum_name_length);
        put_vec8(out, |out| out.extend_from_slice(self.public_name));
        self.extensions.put(out);
    }
}
