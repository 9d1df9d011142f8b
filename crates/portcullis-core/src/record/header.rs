//! The five bytes in front of every record, and the content type at the end of protected ones.
//!
//! RFC 8446 §5.1, §5.2, §5.4.

use super::{HEADER, MAX_INNER_PLAINTEXT};
use crate::version::ProtocolVersion;
use crate::violation::Violation;
use crate::wire::{ContentType, MAX_CIPHERTEXT_TLS12, MAX_CIPHERTEXT_TLS13, MAX_PLAINTEXT};

/// What is known of a record before its header is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing is decided, and nothing protected.
    Plain,
    /// Protected as in TLS 1.3.
    Tls13,
    /// The version is decided, and older than TLS 1.3.
    Older {
        version: ProtocolVersion,
        protected: bool,
    },
}

impl Form {
    /// The most bytes behind the header (§5.2; RFC 5246 §6.2.3).
    const fn longest(self) -> usize {
        match self {
            Self::Plain | Self::Tls13 => MAX_CIPHERTEXT_TLS13,
            Self::Older { .. } => MAX_CIPHERTEXT_TLS12,
        }
    }

    /// What the headers say, once anything is decided.
    const fn version(self) -> Option<u16> {
        match self {
            Self::Plain => None,
            Self::Tls13 => Some(LEGACY_VERSION),
            Self::Older { version, .. } => Some(version.0),
        }
    }

    /// A client that refuses what the server has chosen may say so in a version of its own. In TLS
    /// 1.3 nobody looks at that of a record that is not protected (§5.1).
    fn is_any_version(self, typ: ContentType) -> bool {
        match self {
            Self::Plain => true,
            Self::Tls13 => matches!(typ, ContentType::ALERT | ContentType::CHANGE_CIPHER_SPEC),
            Self::Older { protected, .. } => !protected && typ == ContentType::ALERT,
        }
    }

    /// Whether these bytes are content, and not what early data may be (§4.2.10).
    fn is_content(self, typ: ContentType) -> bool {
        match self {
            Self::Plain => typ != ContentType::APPLICATION_DATA,
            Self::Tls13 => false,
            Self::Older { protected, .. } => !protected,
        }
    }
}

/// A record header whose length is within what the protocol allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) typ: ContentType,
    pub(super) body: usize,
}

impl Header {
    /// Checks a header: type, version and length.
    ///
    /// Before anything is decided a record may carry any version 0x03xx. §5.1 has it ignored "for
    /// all purposes"; we deviate where its major is not 3: no TLS has such records, so a peer that
    /// speaks something else is told at its first header, and BoGo
    /// (`GarbageInitialRecordVersion-TLS13`) demands it. Afterwards it is the
    /// version that was negotiated (RFC 5246 §6.2.1), in TLS 1.3 0x0303 for protected records (§5.2).
    pub(super) fn check(bytes: [u8; HEADER], form: Form) -> Result<Self, Violation> {
        let [typ, major, minor, high, low] = bytes;
        let typ = ContentType(typ);
        if !is_known(typ) {
            return Err(Violation::UnknownRecordType);
        }
        if major != 3 {
            return Err(Violation::WrongRecordVersion);
        }
        if form
            .version()
            .is_some_and(|version| version != u16::from_be_bytes([major, minor]))
            && !form.is_any_version(typ)
        {
            return Err(Violation::RecordVersionChanged);
        }
        let body = usize::from(u16::from_be_bytes([high, low]));
        if body > form.longest() {
            return Err(Violation::RecordTooLong);
        }
        if form.is_content(typ) && body > MAX_PLAINTEXT {
            return Err(Violation::PlaintextTooLong);
        }
        Ok(Self { typ, body })
    }
}

/// The length in a header.
#[inline]
pub(super) fn body_length([.., high, low]: [u8; HEADER]) -> usize {
    u16::from_be_bytes([high, low]).into()
}

/// Whether a type is one of the four of TLS.
pub(super) fn is_known(typ: ContentType) -> bool {
    matches!(
        typ,
        ContentType::CHANGE_CIPHER_SPEC
            | ContentType::ALERT
            | ContentType::HANDSHAKE
            | ContentType::APPLICATION_DATA
    )
}

/// What stands in the header of every record of TLS 1.3 but the first ClientHello's (§5.1).
pub(super) const LEGACY_VERSION: u16 = 0x0303;

/// Writes a header.
///
/// `body` is at most [`MAX_CIPHERTEXT_TLS13`], before TLS 1.3 too: callers cut their fragments.
pub(super) fn header(typ: ContentType, version: u16, body: usize) -> [u8; HEADER] {
    debug_assert!(
        body <= MAX_CIPHERTEXT_TLS13,
        "a record outgrew the protocol"
    );
    let [major, minor] = version.to_be_bytes();
    let [.., high, low] = body.to_be_bytes();
    [typ.0, major, minor, high, low]
}

/// Finds where the content of an inner plaintext ends and what it is (§5.4).
///
/// `None` when there is nothing but padding.
#[inline]
pub(super) fn content(inner: &[u8]) -> Option<(usize, ContentType)> {
    let at = inner.iter().rposition(|&byte| byte != 0)?;
    inner.get(at).map(|&typ| (at, ContentType(typ)))
}

/// Checks the length of content before TLS 1.3 (RFC 5246 §6.2.1) against the protocol and the limit
/// this side announced.
pub(super) fn check_content(length: usize, limit: usize) -> Result<(), Violation> {
    if length <= limit {
        Ok(())
    } else if length > MAX_PLAINTEXT {
        Err(Violation::PlaintextTooLong)
    } else {
        Err(Violation::RecordBeyondLimit)
    }
}

/// Checks the length of an inner plaintext against the protocol (§5.4: content, type and
/// padding together) and the limit this side announced (RFC 8449 §4).
#[inline]
pub(super) fn check_inner(length: usize, limit: usize) -> Result<(), Violation> {
    if length <= limit {
        Ok(())
    } else if length > MAX_INNER_PLAINTEXT {
        Err(Violation::PlaintextTooLong)
    } else {
        Err(Violation::RecordBeyondLimit)
    }
}

/// Why a header is not that of a protected record of TLS 1.3 within the limits.
#[cold]
pub(super) fn wrong_header(head: [u8; HEADER], overhead: usize, inner_limit: usize) -> Violation {
    let header = match Header::check(head, Form::Tls13) {
        Ok(header) => header,
        Err(violation) => return violation,
    };
    match header.typ {
        ContentType::CHANGE_CIPHER_SPEC => return Violation::UnexpectedChangeCipherSpec,
        ContentType::APPLICATION_DATA => {}
        _ => return Violation::UnprotectedRecord,
    }
    match header.body.checked_sub(overhead) {
        // Too short to hold a tag, it cannot open.
        None => Violation::BadRecordMac,
        Some(inner) => check_inner(inner, inner_limit)
            .err()
            .unwrap_or(Violation::BadRecordMac),
    }
}
