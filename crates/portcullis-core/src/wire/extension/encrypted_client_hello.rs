//! `encrypted_client_hello`: a hello in a hello, and what servers say to it.
//!
//! RFC 9849 §5, §7.1.1, §7.2.1.

use super::Extension;
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec16};
use crate::wire::ech_config::EchConfigEntry;
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::List;

const OUTER: u8 = 0;
const INNER: u8 = 1;

/// In a ClientHello (§5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EncryptedClientHello<'a> {
    /// ClientHelloOuter: it has another one in it, or pretends so.
    Outer(EchOuter<'a>),
    /// ClientHelloInner.
    Inner,
    /// Neither.
    Unknown(u8, &'a [u8]),
}

/// What ClientHelloOuter says of the hello in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EchOuter<'a> {
    /// HpkeSymmetricCipherSuite: KDF and AEAD.
    pub cipher_suite: (u16, u16),
    /// Which of the server's configurations this is for; there may be several with the same.
    pub config_id: u8,
    /// The encapsulated key; none in a second hello.
    pub enc: &'a [u8],
    /// What is encrypted; at least one byte.
    pub payload: &'a [u8],
}

impl EchOuter<'_> {
    /// Bytes of the extension besides `enc` and `payload`.
    pub(crate) const OVERHEAD: usize = 14;
}

impl core::fmt::Debug for EncryptedClientHello<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Outer(outer) => f.debug_tuple("Outer").field(outer).finish(),
            Self::Inner => f.write_str("Inner"),
            Self::Unknown(typ, _) => f.debug_tuple("Unknown").field(typ).finish(),
        }
    }
}

impl core::fmt::Debug for EchOuter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EchOuter")
            .field("cipher_suite", &self.cipher_suite)
            .field("config_id", &self.config_id)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}

impl EncryptedClientHello<'_> {
    /// Writes the extension.
    pub fn put(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

impl<'a> Extension<'a> for EncryptedClientHello<'a> {
    const TYPE: ExtensionType = ExtensionType::ENCRYPTED_CLIENT_HELLO;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| match cursor.u8()? {
            OUTER => {
                let outer = EchOuter {
                    cipher_suite: (cursor.u16()?, cursor.u16()?),
                    config_id: cursor.u8()?,
                    enc: cursor.vec16()?,
                    payload: cursor.vec16()?,
                };
                match outer.payload {
                    [] => Err(DecodeError),
                    _ => Ok(Self::Outer(outer)),
                }
            }
            INNER => Ok(Self::Inner),
            other => {
                let rest = cursor.rest();
                Ok(Self::Unknown(other, cursor.take(rest.len())?))
            }
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Outer(outer) => {
                out.push(OUTER);
                put_u16(out, outer.cipher_suite.0);
                put_u16(out, outer.cipher_suite.1);
                out.push(outer.config_id);
                put_vec16(out, |out| out.extend_from_slice(outer.enc));
                put_vec16(out, |out| out.extend_from_slice(outer.payload));
            }
            Self::Inner => out.push(INNER),
            Self::Unknown(typ, body) => {
                out.push(*typ);
                out.extend_from_slice(body);
            }
        }
    }
}

/// In EncryptedExtensions of a server that has not accepted it: configurations to try again with (§5, §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchRetryConfigs<'a> {
    /// At least one.
    pub configs: List<'a, EchConfigEntry<'a>>,
}

impl EchRetryConfigs<'_> {
    /// Writes the extension; `list` is an ECHConfigList with its length.
    pub(crate) fn put(out: &mut Vec<u8>, list: &[u8]) {
        super::put_extension(out, Self::TYPE, |out| out.extend_from_slice(list));
    }
}

impl<'a> Extension<'a> for EchRetryConfigs<'a> {
    const TYPE: ExtensionType = ExtensionType::ENCRYPTED_CLIENT_HELLO;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let configs = List::decode_non_empty(Cursor::whole(body, Cursor::vec16)?)?;
        Ok(Self { configs })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| out.extend_from_slice(self.configs.as_bytes()));
    }
}

/// In HelloRetryRequest of a server that has accepted it (§5, §7.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchConfirmation<'a>(pub &'a [u8; 8]);

impl EchConfirmation<'_> {
    /// Writes the extension.
    pub fn put(out: &mut Vec<u8>, confirmation: &[u8; 8]) {
        EchConfirmation(confirmation).encode(out);
    }
}

impl<'a> Extension<'a> for EchConfirmation<'a> {
    const TYPE: ExtensionType = ExtensionType::ENCRYPTED_CLIENT_HELLO;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, Cursor::array).map(Self)
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}
