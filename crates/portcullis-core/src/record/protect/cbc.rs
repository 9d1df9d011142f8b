//! Records before TLS 1.3 with a block cipher and a MAC.
//!
//! RFC 5246 §6.2.3.2, RFC 2246 §6.2.3.2, and RFC 7366 for those that are encrypted first. A record that does not open
//! is one error, whatever is wrong with it, and it takes as long to find: which of padding, MAC
//! and length it was would tell the plaintext (POODLE, Lucky Thirteen, CVE-2016-2107,
//! CVE-2019-1559).

use super::Unopened;
use crate::crypto::CryptoFailure;
use crate::crypto::cbc::{CbcKey, MAX_BLOCK, put_iv};
use crate::crypto::record_mac::RecordMac;
use crate::crypto::secret::ConstantTimeEq as _;
use crate::key_schedule::tls12::{CbcParameters, DirectionKeys};
use crate::rules::Iv;

/// An IV; of a cipher with shorter blocks its front.
pub(super) type Block = [u8; MAX_BLOCK];

/// The most padding, its length included.
const MAX_PADDING: usize = 256;

/// How records are laid out.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Of the cipher.
    block_len: usize,
    /// Of the IV in front.
    iv_len: usize,
    mac_len: usize,
    encrypt_then_mac: bool,
}

impl From<CbcParameters> for Layout {
    fn from(parameters: CbcParameters) -> Self {
        let block_len = parameters.cipher.block_len();
        Self {
            block_len,
            iv_len: match parameters.iv {
                Iv::Explicit => block_len,
                Iv::Chained => 0,
            },
            mac_len: parameters.mac.len().into(),
            encrypt_then_mac: parameters.encrypt_then_mac,
        }
    }
}

impl Layout {
    /// Bytes of MAC inside of what is encrypted, and behind it.
    const fn mac_lens(self) -> (usize, usize) {
        match self.encrypt_then_mac {
            false => (self.mac_len, 0),
            true => (0, self.mac_len),
        }
    }

    /// What is not encrypted, the IV and a MAC behind. All else has to be decrypted before anyone
    /// knows what of it is content.
    pub(super) const fn least_overhead(self) -> usize {
        self.iv_len + self.mac_lens().1
    }

    /// Where the content stands in a body.
    pub(super) const fn content_at(self) -> usize {
        self.iv_len
    }

    /// How much of the rest is no content at most.
    pub(super) const fn slack(self) -> usize {
        self.mac_lens().0 + MAX_PADDING
    }

    /// How long a body with this much content is: with the least padding there can be.
    pub(super) const fn body_len(self, content: usize) -> usize {
        let (inside, _) = self.mac_lens();
        self.least_overhead() + (content + inside + 1).next_multiple_of(self.block_len)
    }

    /// The most content whose body has at most `room` bytes.
    pub(super) const fn fitting(self, room: usize) -> usize {
        let blocks = room.saturating_sub(self.least_overhead());
        (blocks - blocks % self.block_len).saturating_sub(self.mac_lens().0 + 1)
    }
}

/// What a direction is protected with.
pub(crate) struct Cbc {
    layout: Layout,
    checks_padding: bool,
    key: CbcKey,
    mac: RecordMac,
}

impl Cbc {
    pub(super) fn to_write(
        keys: &DirectionKeys,
        parameters: CbcParameters,
    ) -> Result<Self, CryptoFailure> {
        Ok(Self {
            layout: parameters.into(),
            checks_padding: parameters.checks_padding,
            key: keys.encrypting_key(parameters.cipher)?,
            mac: keys.record_mac(parameters.mac),
        })
    }

    pub(super) fn to_read(
        keys: &DirectionKeys,
        parameters: CbcParameters,
    ) -> Result<Self, CryptoFailure> {
        Ok(Self {
            layout: parameters.into(),
            checks_padding: parameters.checks_padding,
            key: keys.decrypting_key(parameters.cipher)?,
            mac: keys.record_mac(parameters.mac),
        })
    }

    /// Opens where it stands; the content is behind the IV, if there is one, and its length is
    /// given. `chained` is the IV where there is none.
    pub(super) fn open_in_place(
        &self,
        front: &[u8],
        chained: &mut Block,
        body: &mut [u8],
    ) -> Result<usize, Unopened> {
        let (_, behind) = self.layout.mac_lens();
        let end = body.len().checked_sub(behind).ok_or(Unopened::Forged)?;
        let (sealed, mac) = body.split_at_mut_checked(end).ok_or(Unopened::Forged)?;
        self.check_mac_behind(front, sealed, mac)?;
        let iv = self.take_iv(chained, sealed)?;
        let blocks = sealed.get_mut(self.layout.iv_len..).unwrap_or_default();
        self.decrypt(front, &iv, blocks)
    }

    /// Opens into `out`, which is as long as what is encrypted; the content is at its front.
    pub(super) fn open_into(
        &self,
        front: &[u8],
        chained: &mut Block,
        body: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Unopened> {
        let split = body.split_at_checked(self.layout.iv_len + out.len());
        let (sealed, mac) = split.ok_or(Unopened::Forged)?;
        self.check_mac_behind(front, sealed, mac)?;
        let iv = self.take_iv(chained, sealed)?;
        out.copy_from_slice(sealed.get(self.layout.iv_len..).unwrap_or_default());
        self.decrypt(front, &iv, out)
    }

    /// The IV of what is `sealed`; the last block of it is the next where IVs are chained.
    fn take_iv(&self, chained: &mut Block, sealed: &[u8]) -> Result<Block, Unopened> {
        let block_len = self.layout.block_len;
        if self.layout.iv_len > 0 {
            let mut own = Block::default();
            let iv = sealed.get(..block_len).ok_or(Unopened::Forged)?;
            put_front(&mut own, iv);
            return Ok(own);
        }
        let last = last_block(sealed, block_len).ok_or(Unopened::Forged)?;
        let iv = *chained;
        put_front(chained, last);
        Ok(iv)
    }

    /// RFC 7366 §3: before anything is decrypted.
    fn check_mac_behind(&self, front: &[u8], sealed: &[u8], mac: &[u8]) -> Result<(), Unopened> {
        let is_right =
            !self.layout.encrypt_then_mac || self.mac.mac(front, sealed).as_slice().ct_eq(mac);
        is_right.then_some(()).ok_or(Unopened::Forged)
    }

    /// As long as a block of the cipher.
    fn iv<'i>(&self, iv: &'i Block) -> &'i [u8] {
        iv.get(..self.layout.block_len).unwrap_or(iv)
    }

    /// How much of `blocks` is content.
    fn decrypt(&self, front: &[u8], iv: &Block, blocks: &mut [u8]) -> Result<usize, Unopened> {
        if blocks.is_empty() || !blocks.len().is_multiple_of(self.layout.block_len) {
            return Err(Unopened::Forged);
        }
        let decrypted = self.key.decrypt(self.iv(iv), blocks);
        decrypted.map_err(|_| CryptoFailure::RecordKeys)?;
        let content = match self.layout.encrypt_then_mac {
            false => self.mac.check_padded(front, blocks, self.checks_padding),
            true => unpadded(blocks, self.checks_padding),
        };
        content.ok_or(Unopened::Forged)
    }

    /// Seals the content that stands behind the place of the IV, if it has one; `chained` as in
    /// [`open_in_place`](Self::open_in_place).
    pub(super) fn seal(
        &self,
        front: &[u8],
        chained: &mut Block,
        content_len: usize,
        body: &mut [u8],
    ) -> Result<(), CryptoFailure> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        if body.len() != self.layout.body_len(content_len) {
            return Err(FAILURE);
        }
        let (inside, behind) = self.layout.mac_lens();
        let split = body.split_at_mut_checked(body.len() - behind);
        let (sealed, mac_behind) = split.ok_or(FAILURE)?;
        let split = sealed.split_at_mut_checked(self.layout.iv_len);
        let (own, blocks) = split.ok_or(FAILURE)?;
        let mut iv = *chained;
        if !own.is_empty() {
            put_iv(own)?;
            put_front(&mut iv, own);
        }
        let split = blocks.split_at_mut_checked(content_len);
        let (content, tail) = split.ok_or(FAILURE)?;
        let split = tail.split_at_mut_checked(inside);
        let (mac_inside, padding) = split.ok_or(FAILURE)?;
        if inside > 0 {
            mac_inside.copy_from_slice(self.mac.mac(front, content).as_slice());
        }
        // A block at most: each byte says how many there are besides the last.
        padding.fill(padding.len().wrapping_sub(1) as u8);
        let encrypted = self.key.encrypt(self.iv(&iv), blocks);
        encrypted.map_err(|_| FAILURE)?;
        let last = last_block(blocks, self.layout.block_len).ok_or(FAILURE)?;
        put_front(chained, last);
        if behind > 0 {
            mac_behind.copy_from_slice(self.mac.mac(front, sealed).as_slice());
        }
        Ok(())
    }
}

fn put_front(to: &mut Block, from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
}

fn last_block(blocks: &[u8], block_len: usize) -> Option<&[u8]> {
    blocks.get(blocks.len().checked_sub(block_len)?..)
}

/// How much is before the padding. Nothing of it is a secret to the peer, which has the key of the MAC.
fn unpadded(blocks: &[u8], checks: bool) -> Option<usize> {
    let (last, before) = blocks.split_last()?;
    let content = before.len().checked_sub(usize::from(*last))?;
    let padding = before.get(content..)?;
    let is_right = !checks || padding.iter().all(|byte| byte == last);
    is_right.then_some(content)
}
