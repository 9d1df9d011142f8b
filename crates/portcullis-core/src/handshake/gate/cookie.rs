//! The cookie of a server that keeps nothing of a first hello: what it has to have back, and a seal.
//!
//! RFC 9147 §5.1; RFC 8446 §4.2.2; RFC 6347 §4.2.1.
//!
//! ```text
//! 1, key u8, time u32, tag[16]                                      before DTLS 1.3
//! 3, key u8, time u32, suite u16, group u16, flags u8, unchanging[8], hash[32 | 48], tag[16]
//! 4, key u8, time u32, suite u16, group u16, config id u8, KDF u16, AEAD u16, enc<0..255>,
//!    hidden(flags u8, instead[8], unchanging[8], hash[32 | 48]), tag[16]   with an encrypted hello (RFC 9849)
//! 5, …, enc<0..255>, address<0..255>, hidden(…), tag[16]                 the same, of a server in front of others
//! ```
//!
//! The time is in milliseconds since the gate began, or since 1970 where several servers share the secret. The tag is over
//! the address, too, and before DTLS 1.3 over what of the hello stays in front of its cookie.
//!
//! Whoever looks on could tell by the hash which hello counts, so where there are two it is hidden, as in RFC 5297 §2.6: by
//! what the tag, which is over what is hidden, makes with the same key. `instead` is what a HelloRetryRequest says that
//! confirms nothing.

use core::time::Duration;

use super::super::server::{Named, Requested, ReturnedEch, ReturnedOuter, UNCHANGING};
use super::shared_secret::{self, CookieSecret, period};
use crate::crypto::CryptoFailure;
use crate::crypto::hash::{Digest, HashAlgorithm};
use crate::crypto::hmac::HmacKey;
use crate::crypto::random::Random;
use crate::crypto::secret::ConstantTimeEq as _;
use crate::ech::confirmation;
use crate::named_group::NamedGroup;
use crate::record::Discarded;
use crate::suite::CipherSuite;
use crate::wire::ClientHello;
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec8};

/// The first byte: which layout this is.
const FORMAT: u8 = 3;
const ENCRYPTED: u8 = 4;
const FRONTED: u8 = 5;
const OLDER: u8 = 1;
/// Where `enc` begins, with its length.
const ENC: usize = 15;
/// Of the flags: the hello had pre-shared keys.
const HAD_PSK: u8 = 1;
/// It came decrypted, from a server in front.
const IS_INNER: u8 = 2;
/// None of the keys opened what it had encrypted.
const IS_DECLINED: u8 = 4;
const TAG: usize = 16;
/// No cookie that was sealed here is longer. Anybody sends anything, and a key is tried on it before it is believed.
const LONGEST: usize = 256;
/// How long a cookie is good.
const LIFETIME: Duration = Duration::from_secs(60);
/// How long new cookies are sealed with one secret. The one before still opens those that are under way.
pub(super) const SECRET_LIFETIME: Duration = Duration::from_secs(600);

/// The secrets, and when the newest was drawn.
pub(super) struct Secrets {
    /// The id of the newest; it wraps.
    id: u8,
    newest: HmacKey,
    /// What opens besides, with its id.
    others: Vec<(u8, HmacKey)>,
    /// Since the gate began.
    drawn: Duration,
    /// Where they are from, if others have them, too; and which period and which seeds they are of.
    shared: Option<(CookieSecret, u64, u64)>,
    /// Whether cookies say whose they are, for servers that do not see it.
    is_front: bool,
}

fn draw(random: &mut Random) -> Result<HmacKey, CryptoFailure> {
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    random.fill(secret.as_mut_slice())?;
    Ok(HmacKey::new(HashAlgorithm::Sha256, secret.as_slice()))
}

impl Secrets {
    /// # Errors
    /// When there are no random bytes.
    pub(super) fn new(random: &mut Random) -> Result<Self, CryptoFailure> {
        Ok(Self {
            id: 0,
            newest: draw(random)?,
            others: Vec::new(),
            drawn: Duration::ZERO,
            shared: None,
            is_front: false,
        })
    }

    /// Cookies with an encrypted hello say whose they are.
    pub(super) const fn front(&mut self) {
        self.is_front = true;
    }

    /// Goes on with those that others have, too.
    pub(super) fn share(&mut self, secret: CookieSecret, since_1970: Duration) {
        let generation = secret.generation();
        self.derive(secret, period(since_1970), generation);
    }

    fn derive(&mut self, secret: CookieSecret, period: u64, generation: u64) {
        if let Some(newest) = secret.sealing(period) {
            (self.id, self.newest) = (shared_secret::id(period), newest);
            self.others = secret.opening(period);
        }
        self.shared = Some((secret, period, generation));
    }

    pub(super) const fn are_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Draws another secret when it is time; without random bytes the old one stays for longer.
    pub(super) fn rotate(&mut self, now: Duration, random: &mut Random) {
        if let Some((secret, period_before, generation_before)) = &self.shared {
            let (period, generation) = (period(now), secret.generation());
            if (period, generation) != (*period_before, *generation_before) {
                self.derive(secret.clone(), period, generation);
            }
            return;
        }
        if now.saturating_sub(self.drawn) < SECRET_LIFETIME {
            return;
        }
        if let Ok(newest) = draw(random) {
            self.others = vec![(self.id, core::mem::replace(&mut self.newest, newest))];
            self.id = self.id.wrapping_add(1);
            self.drawn = now;
        }
    }

    /// Whether one of the keys with this id has sealed it: `is_of` says so.
    fn check(&self, id: u8, mut is_of: impl FnMut(&HmacKey) -> bool) -> Result<(), Discarded> {
        let newest = (self.id == id).then_some(&self.newest);
        let others = self.others.iter().filter(|(other, _)| *other == id);
        let mut is_known = false;
        for key in newest.into_iter().chain(others.map(|(_, key)| key)) {
            if is_of(key) {
                return Ok(());
            }
            is_known = true;
        }
        Err(match is_known {
            true => Discarded::BadCookie,
            false => Discarded::StaleCookie,
        })
    }

    /// The cookie for this address.
    pub(super) fn seal(&self, peer: &[u8], now: Duration, requested: &Requested) -> Vec<u8> {
        let mut flags = if requested.had_psk { HAD_PSK } else { 0 };
        let outer = match &requested.ech {
            None => None,
            Some(ReturnedEch::Inner) => {
                flags |= IS_INNER;
                None
            }
            Some(ReturnedEch::Outer(outer)) => Some(outer),
        };
        // Whether the hello was read is not to be seen by it.
        let format = match outer {
            None => FORMAT,
            Some(_) if self.is_front => FRONTED,
            Some(_) => ENCRYPTED,
        };
        let mut cookie = vec![format, self.id];
        cookie.extend(milliseconds(now).to_be_bytes());
        cookie.extend(requested.suite.0.to_be_bytes());
        let group = requested.group.map_or(0, |group| group.0);
        cookie.extend(group.to_be_bytes());
        let mut instead = None;
        if let Some(outer) = outer {
            cookie.push(outer.named.config_id);
            put_u16(&mut cookie, outer.named.cipher_suite.0);
            put_u16(&mut cookie, outer.named.cipher_suite.1);
            put_vec8(&mut cookie, |out| out.extend_from_slice(&outer.enc));
            if self.is_front {
                put_vec8(&mut cookie, |out| out.extend_from_slice(peer));
            }
            if outer.declined.is_some() {
                flags |= IS_DECLINED;
            }
            instead = Some(outer.declined.unwrap_or_default());
        }
        cookie.push(flags);
        cookie.extend(instead.into_iter().flatten());
        cookie.extend(requested.unchanging);
        cookie.extend_from_slice(requested.hello.as_slice());
        let tag = tag(&self.newest, peer, &cookie);
        hide(&self.newest, &tag, &mut cookie);
        cookie.extend(tag);
        cookie
    }

    /// What a HelloRetryRequest says in the place of a confirmation. For the same hello at the same time it is the same, as
    /// a confirmation is: else whoever sends a hello twice would see by it that nobody has read it.
    pub(super) fn in_place_of_confirmation(
        &self,
        peer: &[u8],
        now: Duration,
        hello: &[u8],
    ) -> [u8; confirmation::LENGTH] {
        let time = milliseconds(now).to_be_bytes();
        // No address has so many bytes, so that no tag is made of the same, and no mask.
        let parts = [[0xfe; 8].as_slice(), peer, &time, hello];
        let mac = self.newest.mac(parts.into_iter());
        mac.as_slice().first_chunk().copied().unwrap_or_default()
    }

    /// The cookie of a HelloVerifyRequest for this address and this hello.
    pub(super) fn seal_older(&self, peer: &[u8], now: Duration, hello: &OlderHello<'_>) -> Vec<u8> {
        let mut cookie = vec![OLDER, self.id];
        cookie.extend(milliseconds(now).to_be_bytes());
        let tag = hello.tag(&self.newest, peer, &cookie);
        cookie.extend(tag);
        cookie
    }

    /// How long ago the cookie in the hello was given to this address for it.
    ///
    /// # Errors
    /// Whatever of it is wrong.
    pub(super) fn check_older(
        &self,
        peer: &[u8],
        now: Duration,
        hello: &OlderHello<'_>,
    ) -> Result<Duration, Discarded> {
        let (sealed, received) = hello
            .cookie
            .split_last_chunk::<TAG>()
            .ok_or(Discarded::BadCookie)?;
        let &[OLDER, id, t3, t2, t1, t0] = sealed else {
            return Err(Discarded::BadCookie);
        };
        self.check(id, |key| hello.tag(key, peer, sealed).ct_eq(received))?;
        Self::check_age(now, u32::from_be_bytes([t3, t2, t1, t0]))
    }

    fn check_age(now: Duration, time: u32) -> Result<Duration, Discarded> {
        // The clock of another server, which has given it out, may be ahead.
        let age = milliseconds(now)
            .wrapping_sub(time)
            .cast_signed()
            .unsigned_abs();
        let age = Duration::from_millis(age.into());
        match age > LIFETIME {
            true => Err(Discarded::StaleCookie),
            false => Ok(age),
        }
    }

    /// What was sealed, if it was for this address, and not long ago. If `of_front` says so, for the address that a server in
    /// front has written into it, which it gives.
    ///
    /// # Errors
    /// Whatever of it is wrong; nothing of it is believed then.
    pub(super) fn open(
        &self,
        peer: &[u8],
        now: Duration,
        cookie: &[u8],
        of_front: bool,
    ) -> Result<Opened, Discarded> {
        if cookie.len() > LONGEST {
            return Err(Discarded::BadCookie);
        }
        let (sealed, received) = cookie
            .split_last_chunk::<TAG>()
            .ok_or(Discarded::BadCookie)?;
        let id = sealed.get(1).ok_or(Discarded::BadCookie)?;
        let client = fronted(sealed).map(|(client, _)| client);
        let peer = client.filter(|_| of_front).unwrap_or(peer);
        let mut opened = Vec::new();
        self.check(*id, |key| {
            opened = sealed.to_vec();
            hide(key, received, &mut opened);
            tag(key, peer, &opened).ct_eq(received)
        })?;
        let (time, requested) = decode(&opened).map_err(|DecodeError| Discarded::BadCookie)?;
        let age = Self::check_age(now, time)?;
        Ok((requested, client.map(Into::into), age))
    }
}

/// What was sealed, the address in it, if a server in front has sealed it, and how long ago that was.
type Opened = (Requested, Option<Box<[u8]>>, Duration);

/// The address in a cookie of a server in front, and where it ends.
fn fronted(sealed: &[u8]) -> Option<(&[u8], usize)> {
    if sealed.first() != Some(&FRONTED) {
        return None;
    }
    let at = ENC + 1 + usize::from(*sealed.get(ENC)?);
    let length = usize::from(*sealed.get(at)?);
    let behind = at + 1 + length;
    Some((sealed.get(at + 1..behind)?, behind))
}

/// What stands in front of a hello: it is whole in the first piece, and says whose the cookie is.
pub(super) struct OlderHello<'a> {
    version: u16,
    random: &'a [u8; 32],
    session_id: &'a [u8],
    /// Empty in a first hello.
    pub(super) cookie: &'a [u8],
}

impl<'a> OlderHello<'a> {
    pub(super) fn of(hello: &ClientHello<'a>) -> Self {
        Self {
            version: hello.legacy_version.0,
            random: hello.random,
            session_id: hello.legacy_session_id,
            cookie: hello.legacy_cookie.unwrap_or_default(),
        }
    }

    /// Of a body whose end may be missing.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        Some(Self {
            version: cursor.u16().ok()?,
            random: cursor.array().ok()?,
            session_id: cursor.vec8().ok()?,
            cookie: cursor.vec8().ok()?,
        })
    }

    fn tag(&self, key: &HmacKey, peer: &[u8], sealed: &[u8]) -> [u8; TAG] {
        let hello = [
            sealed,
            &self.version.to_be_bytes(),
            self.random,
            self.session_id,
        ]
        .concat();
        tag(key, peer, &hello)
    }
}

/// They wrap after 49 days, which is longer than any secret.
#[allow(clippy::cast_possible_truncation, reason = "it wraps")]
const fn milliseconds(time: Duration) -> u32 {
    time.as_millis() as u32
}

fn tag(key: &HmacKey, peer: &[u8], sealed: &[u8]) -> [u8; TAG] {
    let length = peer.len().to_be_bytes();
    let parts = [length.as_slice(), peer, sealed];
    let mac = key.mac(parts.into_iter());
    mac.as_slice().first_chunk().copied().unwrap_or_default()
}

/// Hides what of the cookie is to be hidden, or shows it again.
fn hide(key: &HmacKey, tag: &[u8; TAG], cookie: &mut [u8]) {
    let from = match cookie.first() {
        Some(&ENCRYPTED) => {
            let enc = cookie.get(ENC).copied().unwrap_or_default();
            ENC + 1 + usize::from(enc)
        }
        _ => match fronted(cookie) {
            Some((_, behind)) => behind,
            None => return,
        },
    };
    let hidden = cookie.get_mut(from..);
    let blocks = hidden.unwrap_or_default().chunks_mut(32);
    for (block, number) in blocks.zip(0_u8..) {
        // No address has so many bytes, so that no tag is made of the same.
        let parts = [[0xff; 8].as_slice(), tag, &[number]];
        let mask = key.mac(parts.into_iter());
        for (byte, mask) in block.iter_mut().zip(mask.as_slice()) {
            *byte ^= mask;
        }
    }
}

fn decode(sealed: &[u8]) -> Result<(u32, Requested), DecodeError> {
    Cursor::whole(sealed, |cursor| {
        let is_encrypted = match cursor.u8()? {
            FORMAT => false,
            ENCRYPTED | FRONTED => true,
            _ => return Err(DecodeError),
        };
        let is_fronted = sealed.first() == Some(&FRONTED);
        let _key = cursor.u8()?;
        let time = cursor.u32()?;
        let suite = CipherSuite(cursor.u16()?);
        let group = Some(NamedGroup(cursor.u16()?)).filter(|group| group.0 != 0);
        let outer = match is_encrypted {
            false => None,
            true => {
                let named = Named {
                    config_id: cursor.u8()?,
                    cipher_suite: (cursor.u16()?, cursor.u16()?),
                };
                let enc = cursor.vec8()?;
                if is_fronted {
                    let _client = cursor.vec8()?;
                }
                Some((named, enc))
            }
        };
        let flags = cursor.u8()?;
        let ech = match outer {
            None => (flags & IS_INNER != 0).then_some(ReturnedEch::Inner),
            Some((named, enc)) => {
                let instead = *cursor.array()?;
                Some(ReturnedEch::Outer(ReturnedOuter {
                    named,
                    enc: enc.into(),
                    declined: (flags & IS_DECLINED != 0).then_some(instead),
                }))
            }
        };
        let unchanging = *cursor.array::<UNCHANGING>()?;
        let hash = suite.handshake_hash().map_err(|_| DecodeError)?;
        let hello = Digest::truncating(cursor.take(hash.output_len())?);
        let requested = Requested {
            suite,
            group,
            had_psk: flags & HAD_PSK != 0,
            unchanging,
            hello,
            ech,
        };
        Ok((time, requested))
    })
}

impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secrets(..)")
    }
}
