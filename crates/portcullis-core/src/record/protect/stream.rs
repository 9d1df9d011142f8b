//! Records before TLS 1.3 with a stream cipher and a MAC.
//!
//! RFC 5246 §6.2.3.1. The stream goes on from record to record and nothing of it can be had again, so a key
//! of this kind stays where a connection that is idle gives others back.

use super::Unopened;
use crate::crypto::CryptoFailure;
use crate::crypto::legacy::StreamKey;
use crate::crypto::record_mac::{MacAlgorithm, RecordMac};
use crate::crypto::secret::{ConstantTimeEq as _, Secret};
use crate::key_schedule::tls12::{DirectionKeys, StreamParameters};

/// What a direction is protected with.
pub(crate) struct Stream {
    key: StreamKey,
    mac: RecordMac,
    mac_len: usize,
}

/// What a record has besides its header and content.
pub(super) fn overhead(parameters: StreamParameters) -> usize {
    parameters.mac.len().into()
}

impl Stream {
    pub(super) fn new(
        keys: &DirectionKeys,
        parameters: StreamParameters,
    ) -> Result<Self, CryptoFailure> {
        let StreamParameters { cipher, mac } = parameters;
        Ok(Self {
            key: keys.stream_key(cipher)?,
            mac: keys.record_mac(mac),
            mac_len: mac.len().into(),
        })
    }

    /// Opens where it stands; the content is at the front, and its length is given.
    pub(super) fn open_in_place(
        &mut self,
        front: &[u8],
        body: &mut [u8],
    ) -> Result<usize, Unopened> {
        let length = body.len().checked_sub(self.mac_len);
        let length = length.ok_or(Unopened::Forged)?;
        self.key.apply(body);
        let (content, mac) = body.split_at_checked(length).ok_or(Unopened::Forged)?;
        self.check(front, content, mac)?;
        Ok(length)
    }

    /// Opens into `out`, which is as long as the content.
    pub(super) fn open_into(
        &mut self,
        front: &[u8],
        body: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Unopened> {
        let split = body.split_at_checked(out.len());
        let (content, mac) = split.ok_or(Unopened::Forged)?;
        out.copy_from_slice(content);
        self.key.apply(out);
        let mut received = Secret::zeros(mac.len().min(MacAlgorithm::MAX_LEN));
        let place = received.as_mut_slice().iter_mut();
        place.zip(mac).for_each(|(to, byte)| *to = *byte);
        self.key.apply(received.as_mut_slice());
        self.check(front, out, received.as_slice())?;
        Ok(out.len())
    }

    /// Seals the content at the front of `body`.
    pub(super) fn seal_in_place(
        &mut self,
        front: &[u8],
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        if body.len() != content_len + self.mac_len {
            return Err(FAILURE);
        }
        let split = body.split_at_mut_checked(content_len);
        let (content, mac) = split.ok_or(FAILURE)?;
        mac.copy_from_slice(self.mac.mac(front, content).as_slice());
        self.key.apply(body);
        Ok(())
    }

    fn check(&self, front: &[u8], content: &[u8], mac: &[u8]) -> Result<(), Unopened> {
        let is_right = self.mac.mac(front, content).as_slice().ct_eq(mac);
        is_right.then_some(()).ok_or(Unopened::Forged)
    }
}
