//! `use_srtp`: which keys for SRTP the handshake gives.
//!
//! RFC 5764 §4.1.1; over datagrams alone.

use core::borrow::Borrow;

use super::{Extension, put_extension};
use crate::srtp::SrtpProfile;
use crate::wire::codec::{Cursor, DecodeError, put_vec8};
use crate::wire::extension_type::ExtensionType;
use crate::wire::list::{Element, List, code_point_elements, put_list16};

code_point_elements! { SrtpProfile: u16; }

/// The client's form: at least one profile, preferred ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseSrtp<'a> {
    /// `SRTPProtectionProfiles`.
    pub profiles: List<'a, SrtpProfile>,
    /// `srtp_mki`: 0 to 255 bytes.
    pub mki: &'a [u8],
}

impl UseSrtp<'_> {
    /// Writes the extension. The MKI may have at most 255 bytes.
    pub fn put(
        out: &mut Vec<u8>,
        profiles: impl IntoIterator<Item = impl Borrow<SrtpProfile>>,
        mki: &[u8],
    ) {
        put_extension(out, ExtensionType::USE_SRTP, |out| {
            put_body(out, profiles, mki);
        });
    }
}

impl<'a> Extension<'a> for UseSrtp<'a> {
    const TYPE: ExtensionType = ExtensionType::USE_SRTP;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                profiles: List::decode_non_empty(cursor.vec16()?)?,
                mki: cursor.vec8()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_body(out, self.profiles, self.mki);
    }
}

/// The server's form: the one profile it chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseSrtpSelected<'a> {
    /// The only one in `SRTPProtectionProfiles`.
    pub profile: SrtpProfile,
    /// `srtp_mki`: that of the client, or empty.
    pub mki: &'a [u8],
}

impl UseSrtpSelected<'_> {
    /// Writes the extension. The MKI may have at most 255 bytes.
    pub fn put(out: &mut Vec<u8>, profile: SrtpProfile, mki: &[u8]) {
        UseSrtpSelected { profile, mki }.encode(out);
    }
}

impl<'a> Extension<'a> for UseSrtpSelected<'a> {
    const TYPE: ExtensionType = ExtensionType::USE_SRTP;

    fn decode_body(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                profile: Cursor::whole(cursor.vec16()?, SrtpProfile::decode)?,
                mki: cursor.vec8()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        put_body(out, [self.profile], self.mki);
    }
}

fn put_body(
    out: &mut Vec<u8>,
    profiles: impl IntoIterator<Item = impl Borrow<SrtpProfile>>,
    mki: &[u8],
) {
    put_list16::<SrtpProfile>(out, profiles);
    put_vec8(out, |out| out.extend_from_slice(mki));
}
