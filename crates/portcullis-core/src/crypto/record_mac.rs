//! The MAC of records before TLS 1.3, also of content whose length nobody may learn.
//!
//! RFC 5246 §6.2.3.1, §6.2.3.2. Where the MAC was made before the encryption, an attacker who sends
//! a forged record learns from the time of the refusal how much of it was taken for padding, and
//! from that the plaintext byte by byte (Lucky Thirteen, Al Fardan and Paterson 2013). So what is
//! done here depends on the length of the record alone, which everyone sees: the same bytes are
//! read and the same blocks hashed, whatever the padding says. The way is that of BoringSSL.

use core::hint::black_box;
use core::iter;

#[cfg(feature = "legacy-ciphers")]
use super::block_hash::Md5;
use super::block_hash::{BlockHash, Sha1, Sha256, Sha384, wipe};
use super::hmac::{State, States};
use super::mask::Mask;
use super::secret::{ConstantTimeEq as _, Secret};

/// The hashes of the MACs, which are HMACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MacAlgorithm {
    /// Of RC4 alone.
    #[cfg(feature = "legacy-ciphers")]
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

impl MacAlgorithm {
    /// The longest of the MACs, and of their keys, in bytes.
    pub(crate) const MAX_LEN: usize = 48;

    /// That of MD5, if it is there.
    #[cfg(feature = "legacy-ciphers")]
    pub(crate) const MD5: Option<Self> = Some(Self::Md5);
    #[cfg(not(feature = "legacy-ciphers"))]
    pub(crate) const MD5: Option<Self> = None;

    /// The length of a MAC, and of its key, in bytes.
    pub(crate) const fn len(self) -> u8 {
        match self {
            #[cfg(feature = "legacy-ciphers")]
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

/// What is authenticated before the content, but for the length: number, type and version. With a connection id
/// there is more (RFC 9146 §5), so what follows takes any bytes; how many there are is no secret.
pub(crate) type Front = [u8; 8 + 1 + 2];

/// The most padding, its length included (RFC 5246 §6.2.3.2).
const MAX_PADDING: usize = 256;

/// A key.
pub(crate) enum RecordMac {
    #[cfg(feature = "legacy-ciphers")]
    Md5(States<Md5>),
    Sha1(States<Sha1>),
    Sha256(States<Sha256>),
    Sha384(States<Sha384>),
}

impl RecordMac {
    /// `key` has at most a block, as those of a key block do.
    pub(crate) fn new(algorithm: MacAlgorithm, key: &[u8]) -> Self {
        match algorithm {
            #[cfg(feature = "legacy-ciphers")]
            MacAlgorithm::Md5 => Self::Md5(States::new(key)),
            MacAlgorithm::Sha1 => Self::Sha1(States::new(key)),
            MacAlgorithm::Sha256 => Self::Sha256(States::new(key)),
            MacAlgorithm::Sha384 => Self::Sha384(States::new(key)),
        }
    }

    /// The MAC of `content`, whose length is not the secret here.
    pub(crate) fn mac(&self, front: &[u8], content: &[u8]) -> Secret {
        match self {
            #[cfg(feature = "legacy-ciphers")]
            Self::Md5(states) => mac(states, front, content),
            Self::Sha1(states) => mac(states, front, content),
            Self::Sha256(states) => mac(states, front, content),
            Self::Sha384(states) => mac(states, front, content),
        }
    }

    /// How much of `plaintext` is content, if what follows it is its MAC and right padding: in a
    /// time that depends on the length of all that alone.
    ///
    /// Of padding that is not `strict` the last byte alone is looked at, as SSL 3.0 did.
    pub(crate) fn check_padded(
        &self,
        front: &[u8],
        plaintext: &[u8],
        strict: bool,
    ) -> Option<usize> {
        match self {
            #[cfg(feature = "legacy-ciphers")]
            Self::Md5(states) => check_padded(states, front, plaintext, strict),
            Self::Sha1(states) => check_padded(states, front, plaintext, strict),
            Self::Sha256(states) => check_padded(states, front, plaintext, strict),
            Self::Sha384(states) => check_padded(states, front, plaintext, strict),
        }
    }
}

fn mac<H: BlockHash>(states: &States<H>, front: &[u8], content: &[u8]) -> Secret {
    let mut inner = Running::new(&states.inner);
    inner.add(front);
    inner.add(&(content.len() as u16).to_be_bytes());
    inner.add(content);
    let length = content.len() as u32;
    let hash = inner.finish_hidden(&[], 0, front.len(), length);
    states.outer.finish(iter::once(hash.as_slice()))
}

fn check_padded<H: BlockHash>(
    states: &States<H>,
    front: &[u8],
    plaintext: &[u8],
    strict: bool,
) -> Option<usize> {
    let mac_len = H::OUTPUT_LEN as u32;
    let length = u32::try_from(plaintext.len()).ok()?;
    // Everyone can see that.
    if length <= mac_len {
        return None;
    }
    let (is_padded, padding) = padding(plaintext, length, mac_len, strict);
    let content = black_box(length - mac_len - padding);
    let received = mac_behind::<H>(plaintext, content);
    let expected = mac_of_hidden(states, front, plaintext, content);
    let is_authentic = Mask::from_bool(received.ct_eq(&expected));
    // One answer for every cause.
    let is_good = is_padded.and(is_authentic);
    is_good.reveal().then_some(content as usize)
}

/// Whether the padding is right, and how long it is with its length. What is wrong is taken for the
/// shortest there is, so that a MAC can be looked at all the same (RFC 5246 §6.2.3.2).
fn padding(plaintext: &[u8], length: u32, mac_len: u32, strict: bool) -> (Mask, u32) {
    let last = plaintext.last().copied().unwrap_or_default();
    let said = u32::from(last);
    let fits = Mask::less(said + mac_len, length);
    // Each byte says the same: what SSL 3.0 did not ask for has cost it its life (POODLE).
    let mut difference = 0;
    for (at, byte) in (0..MAX_PADDING as u32).zip(plaintext.iter().rev()) {
        difference |= Mask::less(at, said + 1).keep_byte(byte ^ last);
    }
    let is_same = Mask::equal(difference.into(), 0);
    // What a configuration says is no secret.
    let is_good = match strict {
        true => fits.and(is_same),
        false => fits,
    };
    (is_good, is_good.keep(said) + 1)
}

/// The MAC that begins behind `content` bytes.
fn mac_behind<H: BlockHash>(plaintext: &[u8], content: u32) -> Secret {
    let mac_len = H::OUTPUT_LEN;
    // No MAC begins before.
    let first = plaintext.len().saturating_sub(mac_len + MAX_PADDING);
    let start = content - first as u32;
    let end = start + mac_len as u32;
    // Its bytes in their order, but the first may be in the middle.
    let mut mac = Secret::zeros(mac_len);
    let mut rotation = 0;
    let tail = plaintext.get(first..).unwrap_or_default();
    for (row, bytes) in (0..).step_by(mac_len).zip(tail.chunks(mac_len)) {
        for ((at, byte), place) in (0..).zip(bytes).zip(mac.as_mut_slice()) {
            let is_inside = Mask::less(row + at, start).not();
            *place |= is_inside.and(Mask::less(row + at, end)).keep_byte(*byte);
            rotation |= Mask::equal(row + at, start).keep(at);
        }
    }
    // By powers of two: which of them is a secret, which bytes are read is none.
    let mut by = 1;
    while by < mac_len {
        let is_turned = Mask::equal(rotation & 1, 1);
        let before = mac.clone();
        let turned = before.as_slice().iter().cycle().skip(by);
        for (place, byte) in mac.as_mut_slice().iter_mut().zip(turned) {
            *place ^= is_turned.keep_byte(*place ^ *byte);
        }
        rotation >>= 1;
        by *= 2;
    }
    mac
}

/// The MAC of the first `content` bytes.
fn mac_of_hidden<H: BlockHash>(
    states: &States<H>,
    front: &[u8],
    plaintext: &[u8],
    content: u32,
) -> Secret {
    // What the content has at most, and has in any case.
    let most = plaintext.len().saturating_sub(H::OUTPUT_LEN + 1);
    let least = most.saturating_sub(MAX_PADDING - 1);
    let (known, hidden) = plaintext
        .get(..most)
        .unwrap_or_default()
        .split_at(least.min(most));
    let mut inner = Running::new(&states.inner);
    inner.add(front);
    let [.., high, low] = content.to_be_bytes();
    inner.add(&[high, low]);
    inner.add(known);
    let hash = inner.finish_hidden(hidden, content - least as u32, front.len(), content);
    states.outer.finish(iter::once(hash.as_slice()))
}

/// A hash that goes on from a state after one block, which was the key's.
struct Running<H: BlockHash> {
    state: State<H>,
    block: H::Block,
    /// Bytes in the block that is not full.
    used: usize,
}

impl<H: BlockHash> Running<H> {
    fn new(state: &State<H>) -> Self {
        Self {
            state: State(state.0),
            block: H::EMPTY,
            used: 0,
        }
    }

    /// Hashes what has a length that is no secret.
    fn add(&mut self, mut bytes: &[u8]) {
        if self.used > 0 {
            let room = self.block.as_mut().get_mut(self.used..).unwrap_or_default();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            let is_full = now.len() == room.len();
            room.iter_mut().zip(now).for_each(|(to, byte)| *to = *byte);
            self.used += now.len();
            if !is_full {
                return;
            }
            H::compress(&mut self.state.0, &self.block);
            bytes = later;
        }
        let rest = H::compress_front(&mut self.state.0, bytes);
        self.used = rest.len();
        let block = self.block.as_mut().iter_mut();
        block.zip(rest).for_each(|(to, byte)| *to = *byte);
    }

    /// The hash of that and of the first `hidden` bytes of `rest`: as many blocks are hashed as if
    /// it were all of `rest`. There are `content` bytes behind the key, `front` bytes and the length.
    fn finish_hidden(mut self, rest: &[u8], hidden: u32, front: usize, content: u32) -> Secret {
        let size = self.block.as_ref().len();
        // FIPS 180-4 §5.1: a bit, zeros, and the length in bits in an eighth of a block.
        let field = size / 8;
        let blocks = (self.used + rest.len() + 1 + field).div_ceil(size);
        let end = self.used as u32 + hidden;
        let last = (end + field as u32) >> size.trailing_zeros();
        let before = size + front + size_of::<u16>();
        let bits = 8 * (before as u32 + content);

        let mut hash = Secret::zeros(H::OUTPUT_LEN);
        let mut came_to = Secret::zeros(H::OUTPUT_LEN);
        let mut source = rest.iter().copied();
        for index in 0..blocks {
            let (open, empty) = match index {
                0 => self.block.as_mut().split_at_mut(self.used),
                _ => self.block.as_mut().split_at_mut(0),
            };
            empty.fill_with(|| source.next().unwrap_or_default());
            let block = open.iter_mut().chain(empty);
            for (at, byte) in ((index * size) as u32..).zip(block) {
                let is_content = Mask::less(at, end);
                *byte = is_content.keep_byte(*byte) | Mask::equal(at, end).keep_byte(0x80);
            }
            let is_last = Mask::equal(index as u32, last);
            if let Some(place) = self.block.as_mut().last_chunk_mut::<8>() {
                let bits = H::length(is_last.keep(bits).into());
                place
                    .iter_mut()
                    .zip(bits)
                    .for_each(|(to, byte)| *to |= byte);
            }
            H::compress(&mut self.state.0, &self.block);
            H::put(&self.state.0, came_to.as_mut_slice());
            let bytes = came_to.as_slice().iter();
            for (to, byte) in hash.as_mut_slice().iter_mut().zip(bytes) {
                *to |= is_last.keep_byte(*byte);
            }
        }
        hash
    }
}

impl<H: BlockHash> Drop for Running<H> {
    fn drop(&mut self) {
        wipe(&mut self.block);
    }
}

impl core::fmt::Debug for RecordMac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RecordMac(..)")
    }
}

#[cfg(test)]
#[path = "record_mac_tests.rs"]
mod tests;
