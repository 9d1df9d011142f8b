//! The two tools every codec is made of: a cursor that cannot read past its end, and
//! length-prefixed writing that cannot write a wrong length.
//!
//! RFC 8446 §3 (presentation language).

/// Bytes that do not have the syntax the RFC gives.
///
/// What was being read is known to the caller; one kind is enough, and the alert is always
/// `decode_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError;

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the bytes do not have the syntax of the message")
    }
}

impl core::error::Error for DecodeError {}

/// A cursor over bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the front of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `n` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(DecodeError)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes `N` bytes as an array.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Reads a `uint8`.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| *byte)
    }

    /// Reads a `uint16`.
    ///
    /// # Errors
    /// When fewer than 2 bytes are left.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Reads a `uint24`.
    ///
    /// # Errors
    /// When fewer than 3 bytes are left.
    pub fn u24(&mut self) -> Result<u32, DecodeError> {
        self.array()
            .map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Reads a `uint32`.
    ///
    /// # Errors
    /// When fewer than 4 bytes are left.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Reads a vector with a length of one byte: `opaque x<0..2^8-1>`.
    ///
    /// # Errors
    /// When the length goes past the end.
    pub fn vec8(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// Reads a vector with a length of two bytes: `opaque x<0..2^16-1>`.
    ///
    /// # Errors
    /// When the length goes past the end.
    pub fn vec16(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// Reads a vector with a length of three bytes: `opaque x<0..2^24-1>`.
    ///
    /// # Errors
    /// When the length goes past the end.
    pub fn vec24(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u24()?;
        self.take(usize::try_from(length).map_err(|_| DecodeError)?)
    }

    /// Reads all of `bytes` with `read`.
    ///
    /// # Errors
    /// When `read` fails or leaves bytes over.
    pub fn whole<T>(
        bytes: &'a [u8],
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let mut cursor = Self::new(bytes);
        let value = read(&mut cursor)?;
        cursor.end()?;
        Ok(value)
    }

    /// Says that everything must have been read.
    ///
    /// # Errors
    /// When bytes are left over.
    pub fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError)
        }
    }
}

/// Writes a vector whose length takes `WIDTH` bytes: reserves the length, runs `body`, then
/// fills the length in.
///
/// Callers bound what they write (configuration is checked when it is built), so a body that
/// outgrows its length field is a defect of ours, caught by the assertion in tests.
fn prefixed<const WIDTH: usize>(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let behind = reserve::<WIDTH>(out);
    body(out);
    fill_in::<WIDTH>(out, behind);
}

/// Leaves room for a length; gives where what it counts begins. Apart, as [`fill_in`] is, because each vector that is
/// written has its own [`prefixed`].
#[inline(never)]
fn reserve<const WIDTH: usize>(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; WIDTH]);
    out.len()
}

#[inline(never)]
fn fill_in<const WIDTH: usize>(out: &mut [u8], behind: usize) {
    let length = out.len().saturating_sub(behind);
    debug_assert!(
        length < 1 << (8 * WIDTH),
        "a vector outgrew its length field"
    );
    let (front, _) = out.split_at_mut(behind.min(out.len()));
    let bytes = (length as u64).to_be_bytes();
    if let (Some(field), Some(value)) = (front.last_chunk_mut::<WIDTH>(), bytes.last_chunk()) {
        *field = *value;
    }
}

/// Writes `body` behind a length of one byte.
pub(crate) fn put_vec8(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    prefixed::<1>(out, body);
}

/// Writes `body` behind a length of two bytes.
pub(crate) fn put_vec16(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    prefixed::<2>(out, body);
}

/// Writes `body` behind a length of three bytes.
pub(crate) fn put_vec24(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    prefixed::<3>(out, body);
}

/// Writes a `uint24`, without what `value` has above it.
pub(crate) fn put_u24(out: &mut Vec<u8>, value: u32) {
    let [_, bytes @ ..] = value.to_be_bytes();
    out.extend_from_slice(&bytes);
}

/// Writes a `uint16`.
pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}
