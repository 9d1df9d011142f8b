//! How records are protected: one face for every version's ciphers.
//!
//! RFC 8446 §5.2. A protection keeps no count of records: its caller has the number of the record, which over TCP
//! is its sequence number (§5.3), and the header that is authenticated with it.

mod aead;
mod cbc;
mod older;
mod stream;
mod tls13;
#[cfg(feature = "dtls")]
mod with_id;

use core::ops::Range;

pub(crate) use older::{Older, Ready};
pub(crate) use tls13::Tls13;

use super::HEADER;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadKey;
use crate::error::Abort;
use crate::key_schedule::TrafficSecret;
use crate::rules::BeastMitigation;
use crate::version::ProtocolVersion;
use crate::violation::Violation;
use crate::wire::ContentType;

/// What protects the records of one direction until its key changes.
pub(crate) enum Protection {
    Tls13(Tls13),
    Older(Box<Older>),
}

/// What is set up to protect records, apart from what it is set up with.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every connection has the large one"
)]
pub(crate) enum Cipher {
    Tls13(AeadKey),
    Older(Ready),
}

/// Why a record did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It was not sealed with this key and this number.
    Forged,
    /// It opened, and holds nothing but padding (§5.4).
    NoContentType,
    /// It opened, and holds more content than it may.
    TooLong(Violation),
    Crypto(CryptoFailure),
}

impl From<Unopened> for Abort {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Forged => Violation::BadRecordMac.into(),
            Unopened::NoContentType => Violation::NoContentType.into(),
            Unopened::TooLong(violation) => violation.into(),
            Unopened::Crypto(failure) => failure.into(),
        }
    }
}

impl From<CryptoFailure> for Unopened {
    fn from(failure: CryptoFailure) -> Self {
        Self::Crypto(failure)
    }
}

impl Protection {
    /// Moves the secrets; what stays protects nothing.
    pub(super) fn take(&mut self) -> Self {
        match self {
            Self::Tls13(protection) => Self::Tls13(protection.take()),
            Self::Older(protection) => Self::Older(Box::new(protection.take())),
        }
    }

    /// How much shorter than a record's body its plaintext is at least: what is left of the body
    /// is the room that [`open_into`](Self::open_into) needs.
    #[inline]
    pub(super) fn least_overhead(&self) -> usize {
        match self {
            Self::Tls13(protection) => protection.least_overhead(),
            Self::Older(protection) => protection.least_overhead(),
        }
    }

    /// How much of that room holds no content at most, where only opening the record tells how much
    /// does.
    pub(super) fn slack(&self) -> usize {
        match self {
            Self::Tls13(_) => 0,
            Self::Older(protection) => protection.slack(),
        }
    }

    /// Bounds the content of the records that are opened, where only that tells how much it is.
    pub(super) fn limit_content(&mut self, limit: usize) {
        if let Self::Older(protection) = self {
            protection.limit_content(limit);
        }
    }

    /// How long a record with this much content and padding becomes on the wire.
    #[inline]
    pub(super) fn record_len(&self, content_and_padding: usize) -> usize {
        match self {
            Self::Tls13(protection) => HEADER + content_and_padding + protection.overhead(),
            Self::Older(protection) => protection.record_len(content_and_padding),
        }
    }

    /// The most content and padding whose record has at most `room` bytes.
    pub(super) fn fitting(&self, room: usize) -> usize {
        match self {
            Self::Tls13(protection) => room.saturating_sub(HEADER + protection.overhead()),
            Self::Older(protection) => protection.fitting(room),
        }
    }

    /// The content type that the header of a record with content of type `typ` shows.
    #[inline]
    pub(super) fn outer_type(&self, typ: ContentType) -> ContentType {
        match self {
            Self::Tls13(_) => ContentType::APPLICATION_DATA,
            Self::Older(_) => typ,
        }
    }

    /// What the headers of the records say, where that is not what all newer ones do.
    pub(super) fn older_version(&self) -> Option<ProtocolVersion> {
        match self {
            Self::Tls13(_) => None,
            Self::Older(protection) => Some(protection.version()),
        }
    }

    /// What goes in front of data because of the IVs of TLS 1.0.
    #[inline]
    pub(super) fn mitigation(&self) -> BeastMitigation {
        match self {
            Self::Tls13(_) => BeastMitigation::Off,
            Self::Older(protection) => protection.mitigation(),
        }
    }

    /// How many records one key may protect (§5.5).
    pub(super) fn record_limit(&self) -> u64 {
        match self {
            Self::Tls13(protection) => protection.record_limit(),
            Self::Older(protection) => protection.record_limit(),
        }
    }

    /// How many bytes of content, where the key cannot be replaced.
    pub(super) fn byte_limit(&self) -> Option<u64> {
        match self {
            Self::Tls13(_) => None,
            Self::Older(protection) => Some(protection.byte_limit()),
        }
    }

    /// Opens the body of a record where it stands; gives what its content is, and where.
    ///
    /// # Errors
    /// The body is then not to be looked at.
    #[inline]
    pub(super) fn open_in_place(
        &mut self,
        number: u64,
        head: &[u8],
        body: &mut [u8],
    ) -> Result<(ContentType, Range<usize>), Unopened> {
        match self {
            Self::Tls13(protection) => protection.open_in_place(number, head, body),
            Self::Older(protection) => protection.open_in_place(number, head, body),
        }
    }

    /// Opens the body of a record into `out`, which is shorter by
    /// [`least_overhead`](Self::least_overhead); the content is at its front.
    ///
    /// # Errors
    /// `out` is then not to be looked at.
    #[inline]
    pub(super) fn open_into(
        &mut self,
        number: u64,
        head: &[u8],
        body: &[u8],
        out: &mut [u8],
    ) -> Result<(ContentType, usize), Unopened> {
        match self {
            Self::Tls13(protection) => protection.open_into(number, head, body, out),
            Self::Older(protection) => protection.open_into(number, head, body, out),
        }
    }

    /// Seals the body of a record whose content stands at its front; what makes it longer than
    /// such a record is padding.
    ///
    /// # Errors
    /// When the lengths do not fit together; the body is then not to be looked at.
    #[inline]
    pub(super) fn seal_in_place(
        &mut self,
        number: u64,
        head: &mut [u8; HEADER],
        typ: ContentType,
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        match self {
            Self::Tls13(protection) => {
                protection.seal_in_place(number, head, typ, content_len, body)
            }
            Self::Older(protection) => protection.seal_in_place(number, head, content_len, body),
        }
    }

    /// Seals content that stands elsewhere into the body of a record without padding.
    ///
    /// # Errors
    /// As [`seal_in_place`](Self::seal_in_place).
    #[inline]
    pub(super) fn seal_from(
        &mut self,
        number: u64,
        head: &mut [u8; HEADER],
        typ: ContentType,
        content: &[u8],
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        match self {
            Self::Tls13(protection) => protection.seal_from(number, head, typ, content, body),
            Self::Older(protection) => protection.seal_from(number, head, content, body),
        }
    }

    /// What comes after a KeyUpdate (§7.2); before TLS 1.3 there is none.
    pub(super) fn next(&self) -> Option<Self> {
        match self {
            Self::Tls13(protection) => Some(Self::Tls13(protection.next())),
            Self::Older(_) => None,
        }
    }

    /// Whether the records are those of before TLS 1.3: their headers say what they hold, and their
    /// keys do not change.
    #[inline]
    pub(super) const fn is_older(&self) -> bool {
        matches!(self, Self::Older(_))
    }

    /// How many KeyUpdates came before this: the N of `application_traffic_secret_N`.
    pub(super) fn generation(&self) -> u32 {
        match self {
            Self::Tls13(protection) => protection.generation(),
            Self::Older(_) => 0,
        }
    }

    /// The traffic secret, for the key log and for a kernel.
    pub(super) fn traffic_secret(&self) -> Option<&[u8]> {
        match self {
            Self::Tls13(protection) => Some(protection.traffic_secret()),
            Self::Older(_) => None,
        }
    }

    /// What Finished after the handshake is computed with.
    pub(super) fn secret(&self) -> Option<&TrafficSecret> {
        match self {
            Self::Tls13(protection) => Some(protection.secret()),
            Self::Older(_) => None,
        }
    }

    /// Gives the cipher back until a record needs it, if it can be set up again.
    pub(super) fn hibernate(&mut self) {
        match self {
            Self::Tls13(protection) => drop(protection.take_cipher()),
            Self::Older(protection) => drop(protection.take_cipher()),
        }
    }

    /// Whether no cipher is set up, or none that could be set up again.
    pub(super) fn is_hibernating(&self) -> bool {
        match self {
            Self::Tls13(protection) => protection.is_hibernating(),
            Self::Older(protection) => protection.is_hibernating(),
        }
    }
}
