//! Records before TLS 1.3.
//!
//! RFC 5246 §6.2.3. Behind a box: its connections are fewer, and those of TLS 1.3 are not to be
//! larger for it.

#[cfg(feature = "dtls")]
mod with_id;

use core::ops::Range;

use super::super::header;
use super::aead::{self, Aead};
use super::cbc::{Block, Cbc, Layout};
use super::stream::{self, Stream};
use super::{HEADER, Unopened};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::{AeadAlgorithm, AeadKey};
use crate::crypto::record_mac::Front;
use crate::key_schedule::tls12::{CbcParameters, DirectionKeys, OlderCipher, StreamParameters};
use crate::rules::{BeastMitigation, Iv};
use crate::version::ProtocolVersion;
use crate::wire::{ContentType, MAX_PLAINTEXT};

/// What is set up to protect records; all but a stream can be set up again.
///
/// Each in a box of its own size: unused bytes of a larger one would bring what is left on the stack into memory
/// that nobody wipes.
pub(crate) enum Ready {
    Aead(Box<AeadKey>),
    Cbc(Box<Cbc>),
    Stream(Box<Stream>),
}

pub(crate) struct Older {
    /// `None` while nothing is protected.
    cipher: Option<Ready>,
    keys: DirectionKeys,
    /// The most content of a record that is opened, where its header does not tell how much that is.
    content_limit: usize,
}

impl Older {
    pub(in super::super) const fn new(keys: DirectionKeys) -> Self {
        Self {
            cipher: None,
            keys,
            content_limit: MAX_PLAINTEXT,
        }
    }

    /// Moves the keys; what stays are none. A block cipher, which is large, is set up again: what the
    /// handshake leaves may be idle for long. A stream goes on.
    pub(super) fn take(&mut self) -> Self {
        let cipher = self.cipher.take();
        Self {
            cipher: cipher.filter(|cipher| !matches!(cipher, Ready::Cbc(_))),
            keys: self.keys.take(),
            content_limit: self.content_limit,
        }
    }

    pub(super) const fn limit_content(&mut self, limit: usize) {
        self.content_limit = limit;
    }

    /// What the headers of the records say.
    pub(super) const fn version(&self) -> ProtocolVersion {
        self.keys.suite.version
    }

    /// What goes in front of data because IVs are chained.
    #[cold]
    pub(super) const fn mitigation(&self) -> BeastMitigation {
        match self.keys.suite.cipher {
            OlderCipher::Cbc(CbcParameters {
                iv: Iv::Chained,
                beast_mitigation,
                ..
            }) => beast_mitigation,
            _ => BeastMitigation::Off,
        }
    }

    /// How much longer a body is than the room that opening it needs.
    pub(super) fn least_overhead(&self) -> usize {
        match self.keys.suite.cipher {
            OlderCipher::Aead(aead) => aead::overhead(aead),
            OlderCipher::Cbc(cbc) => Layout::from(cbc).least_overhead(),
            OlderCipher::Stream(stream) => stream::overhead(stream),
        }
    }

    /// How much of that room holds no content at most.
    pub(super) fn slack(&self) -> usize {
        match self.keys.suite.cipher {
            OlderCipher::Aead(_) | OlderCipher::Stream(_) => 0,
            OlderCipher::Cbc(cbc) => Layout::from(cbc).slack(),
        }
    }

    /// How long a record with this much content is.
    ///
    /// Out of the way of TLS 1.3, which asks for its own for each record.
    #[cold]
    #[inline(never)]
    pub(super) fn record_len(&self, content: usize) -> usize {
        HEADER
            + match self.keys.suite.cipher {
                OlderCipher::Aead(aead) => content + aead::overhead(aead),
                OlderCipher::Cbc(cbc) => Layout::from(cbc).body_len(content),
                OlderCipher::Stream(stream) => content + stream::overhead(stream),
            }
    }

    /// The most content whose record has at most `room` bytes.
    pub(super) fn fitting(&self, room: usize) -> usize {
        let room = room.saturating_sub(HEADER);
        match self.keys.suite.cipher {
            OlderCipher::Aead(aead) => room.saturating_sub(aead::overhead(aead)),
            OlderCipher::Cbc(cbc) => Layout::from(cbc).fitting(room),
            OlderCipher::Stream(stream) => room.saturating_sub(stream::overhead(stream)),
        }
    }

    pub(super) const fn record_limit(&self) -> u64 {
        match self.keys.suite.cipher {
            OlderCipher::Aead(aead) => aead.limits_for_good().0,
            OlderCipher::Cbc(cbc) => cbc.cipher.limits_for_good().0,
            // What RC4 gives away it does at the beginning of its stream.
            OlderCipher::Stream(_) => u64::MAX,
        }
    }

    /// How many bytes of content.
    pub(super) const fn byte_limit(&self) -> u64 {
        match self.keys.suite.cipher {
            OlderCipher::Aead(aead) => aead.limits_for_good().1,
            OlderCipher::Cbc(cbc) => cbc.cipher.limits_for_good().1,
            OlderCipher::Stream(_) => u64::MAX,
        }
    }

    #[inline(never)]
    pub(super) fn open_in_place(
        &mut self,
        number: u64,
        head: &[u8],
        body: &mut [u8],
    ) -> Result<(ContentType, Range<usize>), Unopened> {
        let (typ, front) = (content_type(head), front(number, head));
        let content = match self.keys.suite.cipher {
            OlderCipher::Aead(algorithm) => {
                self.aead(algorithm)?.open_in_place(number, front, body)?
            }
            OlderCipher::Cbc(cbc) => {
                let mut chained = self.chained_iv(cbc);
                let opening = self.cbc_to_read(cbc)?;
                let length = opening.open_in_place(&front, &mut chained, body)?;
                self.keep_chained_iv(cbc, chained);
                self.check_length(length)?;
                let at = Layout::from(cbc).content_at();
                at..at + length
            }
            OlderCipher::Stream(stream) => 0..self.stream(stream)?.open_in_place(&front, body)?,
        };
        Ok((typ, content))
    }

    #[inline(never)]
    pub(super) fn open_into(
        &mut self,
        number: u64,
        head: &[u8],
        body: &[u8],
        out: &mut [u8],
    ) -> Result<(ContentType, usize), Unopened> {
        let (typ, front) = (content_type(head), front(number, head));
        let length = match self.keys.suite.cipher {
            OlderCipher::Aead(algorithm) => {
                self.aead(algorithm)?.open_into(number, front, body, out)?
            }
            OlderCipher::Cbc(cbc) => {
                let mut chained = self.chained_iv(cbc);
                let opening = self.cbc_to_read(cbc)?;
                let length = opening.open_into(&front, &mut chained, body, out)?;
                self.keep_chained_iv(cbc, chained);
                self.check_length(length)?;
                length
            }
            OlderCipher::Stream(stream) => self.stream(stream)?.open_into(&front, body, out)?,
        };
        Ok((typ, length))
    }

    /// The content moves to where it is sealed; there is no more padding than the cipher needs.
    #[inline(never)]
    pub(super) fn seal_in_place(
        &mut self,
        number: u64,
        head: &mut [u8; HEADER],
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        let front = self.front_to_seal(number, head);
        match self.keys.suite.cipher {
            OlderCipher::Aead(algorithm) => {
                self.aead(algorithm)?
                    .seal_in_place(number, front, content_len, body)
            }
            OlderCipher::Cbc(cbc) => {
                let at = Layout::from(cbc).content_at();
                if body.len() < content_len + at {
                    return Err(CryptoFailure::SealingRecord);
                }
                body.copy_within(..content_len, at);
                self.seal_cbc(cbc, &front, content_len, body)
            }
            OlderCipher::Stream(stream) => {
                self.stream(stream)?
                    .seal_in_place(&front, content_len, body)
            }
        }
    }

    #[inline(never)]
    pub(super) fn seal_from(
        &mut self,
        number: u64,
        head: &mut [u8; HEADER],
        content: &[u8],
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        let front = self.front_to_seal(number, head);
        match self.keys.suite.cipher {
            OlderCipher::Aead(algorithm) => self
                .aead(algorithm)?
                .seal_from(number, front, content, body),
            OlderCipher::Cbc(cbc) => {
                let at = Layout::from(cbc).content_at();
                let place = body.get_mut(at..at + content.len());
                place
                    .ok_or(CryptoFailure::SealingRecord)?
                    .copy_from_slice(content);
                self.seal_cbc(cbc, &front, content.len(), body)
            }
            OlderCipher::Stream(stream) => {
                let place = body.get_mut(..content.len());
                place
                    .ok_or(CryptoFailure::SealingRecord)?
                    .copy_from_slice(content);
                self.stream(stream)?
                    .seal_in_place(&front, content.len(), body)
            }
        }
    }

    /// How CBC protects, if it does.
    #[cfg(test)]
    pub(crate) const fn cbc_parameters(&self) -> Option<CbcParameters> {
        match self.keys.suite.cipher {
            OlderCipher::Cbc(cbc) => Some(cbc),
            OlderCipher::Aead(_) | OlderCipher::Stream(_) => None,
        }
    }

    pub(super) const fn is_hibernating(&self) -> bool {
        matches!(self.cipher, None | Some(Ready::Stream(_)))
    }

    /// Hands the cipher out; it comes back, or is set up again. A stream that were set up again would
    /// be at its beginning, so it stays.
    pub(in super::super) fn take_cipher(&mut self) -> Option<Ready> {
        match self.is_hibernating() {
            true => None,
            false => self.cipher.take(),
        }
    }

    pub(in super::super) fn put_cipher(&mut self, cipher: Ready) {
        self.cipher = Some(cipher);
    }

    /// The header is that of TLS 1.2 and newer until here.
    fn front_to_seal(&self, number: u64, head: &mut [u8; HEADER]) -> Front {
        let [_, version @ .., _, _] = head;
        *version = self.version().0.to_be_bytes();
        front(number, head)
    }

    fn seal_cbc(
        &mut self,
        parameters: CbcParameters,
        front: &[u8],
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        let mut chained = self.chained_iv(parameters);
        let sealing = self.cbc_to_write(parameters)?;
        sealing.seal(front, &mut chained, content_len, body)?;
        self.keep_chained_iv(parameters, chained);
        Ok(())
    }

    /// The IV of the next record where IVs are chained. It is kept with the keys, and so outlives
    /// the cipher.
    fn chained_iv(&self, parameters: CbcParameters) -> Block {
        let mut iv = Block::default();
        if parameters.iv == Iv::Chained {
            let kept = self.keys.iv.as_slice();
            iv.iter_mut().zip(kept).for_each(|(to, byte)| *to = *byte);
        }
        iv
    }

    fn keep_chained_iv(&mut self, parameters: CbcParameters, chained: Block) {
        if parameters.iv == Iv::Chained {
            let kept = self.keys.iv.as_mut_slice();
            kept.iter_mut()
                .zip(chained)
                .for_each(|(to, byte)| *to = byte);
        }
    }

    fn check_length(&self, length: usize) -> Result<(), Unopened> {
        header::check_content(length, self.content_limit).map_err(Unopened::TooLong)
    }

    fn aead(&mut self, algorithm: AeadAlgorithm) -> Result<Aead<'_>, CryptoFailure> {
        if self.cipher.is_none() {
            let key = self.keys.aead_key(algorithm)?;
            self.cipher = Some(Ready::Aead(Box::new(key)));
        }
        match &mut self.cipher {
            Some(Ready::Aead(key)) => Ok(Aead { algorithm, key }),
            _ => Err(CryptoFailure::RecordKeys),
        }
    }

    fn cbc_to_read(&mut self, parameters: CbcParameters) -> Result<&Cbc, CryptoFailure> {
        if self.cipher.is_none() {
            let cbc = Cbc::to_read(&self.keys, parameters).map(Box::new)?;
            self.cipher = Some(Ready::Cbc(cbc));
        }
        self.cbc()
    }

    fn cbc_to_write(&mut self, parameters: CbcParameters) -> Result<&Cbc, CryptoFailure> {
        if self.cipher.is_none() {
            let cbc = Cbc::to_write(&self.keys, parameters).map(Box::new)?;
            self.cipher = Some(Ready::Cbc(cbc));
        }
        self.cbc()
    }

    fn stream(&mut self, parameters: StreamParameters) -> Result<&mut Stream, CryptoFailure> {
        if self.cipher.is_none() {
            let stream = Stream::new(&self.keys, parameters).map(Box::new)?;
            self.cipher = Some(Ready::Stream(stream));
        }
        match &mut self.cipher {
            Some(Ready::Stream(stream)) => Ok(stream),
            _ => Err(CryptoFailure::RecordKeys),
        }
    }

    fn cbc(&self) -> Result<&Cbc, CryptoFailure> {
        match &self.cipher {
            Some(Ready::Cbc(cbc)) => Ok(cbc),
            _ => Err(CryptoFailure::RecordKeys),
        }
    }
}

fn content_type(head: &[u8]) -> ContentType {
    ContentType(head.first().copied().unwrap_or_default())
}

/// What is authenticated besides content and length (§6.2.3.1, §6.2.3.3).
fn front(number: u64, head: &[u8]) -> Front {
    let mut front = Front::default();
    let [typ, major, minor] = head.first_chunk().copied().unwrap_or_default();
    let (start, end) = front.split_at_mut(size_of::<u64>());
    start.copy_from_slice(&number.to_be_bytes());
    end.copy_from_slice(&[typ, major, minor]);
    front
}
