//! Keys for SRTP from a handshake over datagrams: profiles, and how exported bytes are divided.
//!
//! RFC 5764.

use core::fmt;

use zeroize::Zeroizing;

use crate::code_point::code_points;

code_points! {
    /// A profile of SRTP in the IANA registry "DTLS-SRTP Protection Profiles": a cipher, and how packets are
    /// authenticated.
    pub struct SrtpProfile(u16) {
        /// RFC 5764: a tag of 80 bits.
        AES128_CM_HMAC_SHA1_80 = 0x0001, "SRTP_AES128_CM_SHA1_80";
        /// RFC 5764: a tag of 32 bits.
        AES128_CM_HMAC_SHA1_32 = 0x0002, "SRTP_AES128_CM_SHA1_32";
        /// RFC 5764: nothing is encrypted.
        NULL_HMAC_SHA1_80 = 0x0005, "SRTP_NULL_SHA1_80";
        /// RFC 5764: nothing is encrypted, and the tag has 32 bits.
        NULL_HMAC_SHA1_32 = 0x0006, "SRTP_NULL_SHA1_32";
        /// RFC 7714.
        AEAD_AES_128_GCM = 0x0007, "SRTP_AEAD_AES_128_GCM";
        /// RFC 7714.
        AEAD_AES_256_GCM = 0x0008, "SRTP_AEAD_AES_256_GCM";
    }
}

impl SrtpProfile {
    /// Those whose keys can be exported, by number.
    pub const SUPPORTED: &'static [Self] = &[
        Self::AES128_CM_HMAC_SHA1_80,
        Self::AES128_CM_HMAC_SHA1_32,
        Self::NULL_HMAC_SHA1_80,
        Self::NULL_HMAC_SHA1_32,
        Self::AEAD_AES_128_GCM,
        Self::AEAD_AES_256_GCM,
    ];

    /// The length of a master key, in bytes; `None` for a profile that this build does not know.
    pub const fn key_len(self) -> Option<usize> {
        match self {
            Self::AES128_CM_HMAC_SHA1_80
            | Self::AES128_CM_HMAC_SHA1_32
            | Self::NULL_HMAC_SHA1_80
            | Self::NULL_HMAC_SHA1_32
            | Self::AEAD_AES_128_GCM => Some(16),
            Self::AEAD_AES_256_GCM => Some(32),
            _ => None,
        }
    }

    /// The length of a master salt, in bytes; `None` for a profile that this build does not know.
    pub const fn salt_len(self) -> Option<usize> {
        match self {
            Self::AES128_CM_HMAC_SHA1_80
            | Self::AES128_CM_HMAC_SHA1_32
            | Self::NULL_HMAC_SHA1_80
            | Self::NULL_HMAC_SHA1_32 => Some(14),
            Self::AEAD_AES_128_GCM | Self::AEAD_AES_256_GCM => Some(12),
            _ => None,
        }
    }
}

/// The longest `srtp_mki` there is (RFC 5764 §4.1.1).
pub(crate) const LONGEST_MKI: usize = 255;

/// What both ends have settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Srtp {
    pub(crate) profile: SrtpProfile,
    /// Empty without one.
    pub(crate) mki: Box<[u8]>,
}

/// Master keys and salts of SRTP (RFC 5764 §4.2), which are wiped when this is dropped. Each end protects what it sends
/// with its own, and what it receives with the other's. Those of SRTCP are the same.
pub struct SrtpKeys {
    block: Zeroizing<Box<[u8]>>,
    key: usize,
    salt: usize,
}

impl SrtpKeys {
    /// Has `export` fill in as much as the profile needs.
    ///
    /// # Errors
    /// What `export` gives; never for a profile of [`SrtpProfile::SUPPORTED`] otherwise.
    pub(crate) fn new<E>(
        profile: SrtpProfile,
        export: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let key = profile.key_len().unwrap_or_default();
        let salt = profile.salt_len().unwrap_or_default();
        let mut block = Zeroizing::new(vec![0; 2 * (key + salt)].into_boxed_slice());
        export(&mut block)?;
        Ok(Self { block, key, salt })
    }

    fn part(&self, at: usize, length: usize) -> &[u8] {
        self.block.get(at..at + length).unwrap_or_default()
    }

    /// `client_write_SRTP_master_key`.
    pub fn client_key(&self) -> &[u8] {
        self.part(0, self.key)
    }

    /// `server_write_SRTP_master_key`.
    pub fn server_key(&self) -> &[u8] {
        self.part(self.key, self.key)
    }

    /// `client_write_SRTP_master_salt`.
    pub fn client_salt(&self) -> &[u8] {
        self.part(2 * self.key, self.salt)
    }

    /// `server_write_SRTP_master_salt`.
    pub fn server_salt(&self) -> &[u8] {
        self.part(2 * self.key + self.salt, self.salt)
    }
}

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SrtpKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_divided_as_the_rfc_has_it() {
        for (profile, key, salt) in [
            (SrtpProfile::AES128_CM_HMAC_SHA1_80, 16, 14),
            (SrtpProfile::AES128_CM_HMAC_SHA1_32, 16, 14),
            (SrtpProfile::NULL_HMAC_SHA1_80, 16, 14),
            (SrtpProfile::NULL_HMAC_SHA1_32, 16, 14),
            (SrtpProfile::AEAD_AES_128_GCM, 16, 12),
            (SrtpProfile::AEAD_AES_256_GCM, 32, 12),
        ] {
            let mut bytes = Vec::new();
            let keys = SrtpKeys::new(profile, |block| {
                (0_u8..)
                    .zip(block.iter_mut())
                    .for_each(|(n, byte)| *byte = n);
                bytes = block.to_vec();
                Ok::<_, ()>(())
            });
            let keys = keys.unwrap();
            assert_eq!(bytes.len(), 2 * (key + salt), "{profile}");
            let (client, rest) = bytes.split_at(key);
            let (server, rest) = rest.split_at(key);
            let (client_salt, server_salt) = rest.split_at(salt);
            assert_eq!(keys.client_key(), client);
            assert_eq!(keys.server_key(), server);
            assert_eq!(keys.client_salt(), client_salt);
            assert_eq!(keys.server_salt(), server_salt);
            assert_eq!(format!("{keys:?}"), "SrtpKeys(..)");
        }
        assert!(SrtpProfile(3).key_len().is_none() && SrtpProfile(3).salt_len().is_none());
        let known = |profile: &SrtpProfile| profile.key_len().is_some();
        assert!(SrtpProfile::SUPPORTED.iter().all(known));
        assert!(SrtpKeys::new(SrtpProfile(1), |_| Err(7)).is_err_and(|error| error == 7));
    }
}
