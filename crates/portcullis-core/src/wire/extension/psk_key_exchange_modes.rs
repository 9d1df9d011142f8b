//! `psk_key_exchange_modes`: whether a shared key is used alone.
//!
//! RFC 8446 §4.2.9.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::code_point::code_points;
use crate::wire::codec::{Cursor, DecodeError};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{List, code_point_elements, put_list8};

code_points! {
    /// How a pre-shared key takes part in the key exchange.
    pub struct PskKeyExchangeMode(u8) {
        /// Alone: no forward secrecy.
        PSK_KE = 0, "psk_ke";
        /// Together with (EC)DHE.
        PSK_DHE_KE = 1, "psk_dhe_ke";
    }
}

code_point_elements! { PskKeyExchangeMode: u8; }

/// In ClientHello: at least one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PskKeyExchangeModes<'a> {
    /// `ke_modes`.
    pub ke_modes: List<'a, PskKeyExchangeMode>,
}

impl PskKeyExchangeModes<'_> {
    /// Writes the extension.
    pub fn put(
        out: &mut Vec<u8>,
        ke_modes: impl IntoIterator<Item = impl Borrow<PskKeyExchangeMode>>,
    ) {
        put_extension(out, ExtensionType::PSK_KEY_EXCHANGE_MODES, |out| {
            put_list8::<PskKeyExchangeMode>(out, ke_modes);
        });
    }
}

impl<'a> Extension<'a> for PskKeyExchangeModes<'a> {
    const TYPE: ExtensionType = ExtensionType::PSK_KEY_EXCHANGE_MODES;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        let ke_modes = List::decode_non_empty(Cursor::whole(body, Cursor::vec8)?)?;
        Ok(Self { ke_modes })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_list8::<PskKeyExchangeMode>(out, self.ke_modes);
    }
}
