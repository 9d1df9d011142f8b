//! Records over datagrams with a connection id.
//!
//! RFC 9146 §4, §5.

use core::ops::Range;

use super::super::super::datagram::ConnectionId;
use super::super::super::header;
use super::super::Unopened;
use super::{Layout, Older, OlderCipher};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::AeadAlgorithm;
use crate::wire::ContentType;

impl Older {
    pub(in super::super) const fn aead_algorithm(&self) -> Option<AeadAlgorithm> {
        match self.keys.suite.cipher {
            OlderCipher::Aead(aead) => Some(aead),
            OlderCipher::Cbc(_) | OlderCipher::Stream(_) => None,
        }
    }

    /// Opens the body of a record with a connection id, whose type is inside. `head` is all of its header
    /// (RFC 9146 §4, §5).
    #[inline(never)]
    pub(in super::super) fn open_with_id(
        &mut self,
        number: u64,
        head: &[u8],
        body: &mut [u8],
    ) -> Result<(ContentType, Range<usize>), Unopened> {
        let front = FrontWithId::new(head).ok_or(Unopened::Forged)?;
        let inner = match self.keys.suite.cipher {
            OlderCipher::Aead(algorithm) => {
                let data = |length| front.additional_data(length);
                self.aead(algorithm)?.open_with(number, data, body)?
            }
            OlderCipher::Cbc(cbc) => {
                let mut chained = self.chained_iv(cbc);
                let opening = self.cbc_to_read(cbc)?;
                let length = opening.open_in_place(front.as_slice(), &mut chained, body)?;
                self.keep_chained_iv(cbc, chained);
                let at = Layout::from(cbc).content_at();
                at..at + length
            }
            // None of datagrams.
            OlderCipher::Stream(_) => return Err(CryptoFailure::RecordKeys.into()),
        };
        let plaintext = body.get(inner.clone()).unwrap_or_default();
        let (length, typ) = header::content(plaintext).ok_or(Unopened::NoContentType)?;
        Ok((typ, inner.start..inner.start + length))
    }

    /// Seals the body of such a record, in which the content stands in front.
    #[inline(never)]
    pub(in super::super) fn seal_with_id(
        &mut self,
        number: u64,
        head: &[u8],
        typ: ContentType,
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        let front = FrontWithId::new(head).ok_or(FAILURE)?;
        *body.get_mut(content_len).ok_or(FAILURE)? = typ.0;
        let inner_len = content_len + 1;
        match self.keys.suite.cipher {
            OlderCipher::Aead(algorithm) => {
                let data = front.additional_data(inner_len);
                self.aead(algorithm)?
                    .seal_with(number, data.as_slice(), inner_len, body)
            }
            OlderCipher::Cbc(cbc) => {
                let at = Layout::from(cbc).content_at();
                if body.len() < inner_len + at {
                    return Err(FAILURE);
                }
                body.copy_within(..inner_len, at);
                self.seal_cbc(cbc, front.as_slice(), inner_len, body)
            }
            OlderCipher::Stream(_) => Err(CryptoFailure::RecordKeys),
        }
    }

    /// The same of content that stands elsewhere.
    #[inline(never)]
    pub(in super::super) fn seal_from_with_id(
        &mut self,
        number: u64,
        head: &[u8],
        typ: ContentType,
        content: &[u8],
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        if let OlderCipher::Aead(algorithm) = self.keys.suite.cipher {
            let front = FrontWithId::new(head).ok_or(CryptoFailure::SealingRecord)?;
            let data = front.additional_data(content.len() + 1);
            let mut aead = self.aead(algorithm)?;
            return aead.seal_from_with(number, data.as_slice(), (content, &[typ.0]), body);
        }
        let place = body.get_mut(..content.len());
        place
            .ok_or(CryptoFailure::SealingRecord)?
            .copy_from_slice(content);
        self.seal_with_id(number, head, typ, content.len(), body)
    }
}

/// What is authenticated of a record with a connection id besides content and length (RFC 9146 §5).
///
/// ```text
/// 8 x ff, tls12_cid, length of the id, and the header: tls12_cid, version, epoch, number, id
/// ```
struct FrontWithId {
    bytes: [u8; Self::MOST],
    length: usize,
}

impl FrontWithId {
    /// Eight bytes that no number has (§5.1), and two.
    const START: usize = 10;
    /// Of a header, what is not the id and not the length behind it.
    const HEAD: usize = 11;
    const MOST: usize = Self::START + Self::HEAD + ConnectionId::MAX_LEN + 2;

    /// `None` when no such header is so long.
    fn new(head: &[u8]) -> Option<Self> {
        let (head, _length) = head.split_last_chunk::<2>()?;
        let id = head.len().checked_sub(Self::HEAD)?;
        let mut bytes = [0xff; Self::MOST];
        let length = Self::START + head.len();
        let (start, behind) = bytes.split_at_mut(Self::START);
        let [.., typ, id_len] = start else {
            return None;
        };
        *typ = ContentType::TLS12_CID.0;
        *id_len = u8::try_from(id).ok()?;
        behind.get_mut(..head.len())?.copy_from_slice(head);
        // The length of what is sealed comes behind it.
        (length + 2 <= Self::MOST).then_some(Self { bytes, length })
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Of an AEAD: the length is that of content, type and padding (§5.3).
    fn additional_data(&self, inner_len: usize) -> Self {
        let (mut bytes, end) = (self.bytes, self.length + 2);
        let [.., high, low] = inner_len.to_be_bytes();
        if let Some(place) = bytes.get_mut(self.length..end) {
            place.copy_from_slice(&[high, low]);
        }
        Self { bytes, length: end }
    }
}

impl AsRef<[u8]> for FrontWithId {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}
