//! Diffie-Hellman in the field of a prime.
//!
//! RFC 7919; RFC 8446 §4.2.8.1, §7.4.1; RFC 5246 §8.1.2; RFC 5054 in [`srp`]. The crypto library has it behind `unsafe` only, so
//! the arithmetic is that of `crypto-bigint`, which takes the same time whatever the exponent is.

mod known;
pub(crate) mod srp;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use crypto_primes::{Flavor, is_prime};
use zeroize::{Zeroize, Zeroizing};

use self::known::Prime;
use super::CryptoFailure;
use super::key_exchange::{BadKeyShare, KeyPair};
use super::random::Random;
use super::secret::SharedSecret;
use crate::NamedGroup;

/// Whether this build has finite fields.
pub(crate) const HAS_FINITE_FIELD: bool = true;

/// The shortest prime that anybody can want, in bits.
pub(crate) const LEAST_BITS: u32 = 1024;

/// The longest prime that is worked with, in bits; it bounds what a peer can make this side compute.
pub(crate) const MOST_BITS: u32 = 8192;
/// The most bits of a peer's prime that no RFC has: its exponents are as long as it, and the work grows
/// with the third power.
const MOST_UNKNOWN_BITS: u32 = 4096;

/// The prime is too short or too long, or no odd number; or the generator is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WeakGroup;

/// A prime and a generator. Clones share the numbers.
#[derive(Clone)]
pub(crate) struct Group {
    field: BoxedMontyParams,
    generator: BoxedUint,
    exponent_bits: u32,
}

impl Group {
    /// One of RFC 7919.
    pub(crate) fn named(group: NamedGroup) -> Option<Self> {
        let prime = Prime::of(group)?;
        Self::new(prime.value(), 2, prime.exponent_bits)
    }

    /// A group that a peer has chosen, or a user. Nothing is computed unless the prime has from
    /// `least_bits` to [`MOST_BITS`] bits. That it is a prime is not looked into.
    ///
    /// # Errors
    /// When it is not as it has to be.
    pub(crate) fn from_bytes(
        prime: &[u8],
        generator: &[u8],
        least_bits: u32,
    ) -> Result<Self, WeakGroup> {
        match Self::parsed(prime, generator, least_bits)? {
            // Its exponents are as long as the prime.
            (group, false) if group.exponent_bits >= MOST_UNKNOWN_BITS => Err(WeakGroup),
            (group, _) => Ok(group),
        }
    }

    /// The same, and whether the prime is one of the RFCs.
    fn parsed(prime: &[u8], generator: &[u8], least_bits: u32) -> Result<(Self, bool), WeakGroup> {
        let (prime, generator) = (trimmed(prime), trimmed(generator));
        let bits = bits(prime);
        if !(least_bits..=MOST_BITS).contains(&bits) || generator.len() > prime.len() {
            return Err(WeakGroup);
        }
        let prime = BoxedUint::from_be_slice(prime, bits).map_err(|_| WeakGroup)?;
        let known = Prime::RFC_3526.into_iter().chain(Prime::RFC_7919);
        // In another group less would be enough for Pohlig and Hellman.
        let known = known
            .filter(|known| known.bits == bits)
            .find(|known| known.value() == prime);
        let exponent_bits = known.as_ref().map_or(bits - 1, |known| known.exponent_bits);
        let generator = BoxedUint::from_be_slice(generator, bits).map_err(|_| WeakGroup)?;
        let group = Self::of(prime, generator, exponent_bits).ok_or(WeakGroup)?;
        Ok((group, known.is_some()))
    }

    /// The group of a user, which has to be one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of_user(prime: &[u8], generator: &[u8]) -> Result<Self, &'static str> {
        let prime = trimmed(prime);
        let bits = bits(prime);
        if bits < LEAST_BITS {
            return Err("the prime has fewer than 1,024 bits");
        } else if bits > MOST_BITS {
            return Err("the prime has more than 8,192 bits");
        } else if prime.last().is_none_or(|last| last % 2 == 0) {
            return Err("the prime is an even number");
        }
        let (mut group, _) = Self::parsed(prime, generator, LEAST_BITS)
            .map_err(|WeakGroup| "the generator is not above 1 and below the prime less 1")?;
        if group.exponent_bits < bits - 1 {
            return Ok(group);
        }
        if is_prime(Flavor::Safe, group.prime()) {
            group.exponent_bits = Prime::exponent_bits_for(bits);
        } else if !is_prime(Flavor::Any, group.prime()) {
            return Err("the prime is a composite number");
        }
        Ok(group)
    }

    fn new(prime: BoxedUint, generator: u8, exponent_bits: u32) -> Option<Self> {
        let generator = BoxedUint::from_be_slice(&[generator], prime.bits_precision()).ok()?;
        Self::of(prime, generator, exponent_bits)
    }

    fn of(prime: BoxedUint, generator: BoxedUint, exponent_bits: u32) -> Option<Self> {
        let prime: Odd<_> = prime.into_odd().into_option()?;
        let group = Self {
            field: BoxedMontyParams::new_vartime(prime),
            generator,
            exponent_bits,
        };
        group.is_in_range(&group.generator).then_some(group)
    }

    /// Which one of RFC 7919 this is.
    pub(crate) fn name(&self) -> Option<NamedGroup> {
        let mut all = NamedGroup::FINITE_FIELDS.iter().copied();
        let bits = self.bits();
        all.find(|group| {
            Prime::of(*group)
                .is_some_and(|prime| prime.bits == bits && prime.value() == *self.prime())
        })
        .filter(|_| self.generator_bytes() == [2])
    }

    /// How long the prime is, in bits.
    pub(crate) fn bits(&self) -> u32 {
        self.prime().bit_width_vartime()
    }

    #[cfg(test)]
    pub(crate) const fn exponent_bits(&self) -> u32 {
        self.exponent_bits
    }

    fn prime(&self) -> &BoxedUint {
        self.field.modulus().as_ref()
    }

    /// How long the prime is, in bytes.
    fn len(&self) -> usize {
        self.bits().div_ceil(8) as usize
    }

    /// dh_p (RFC 5246 §7.4.3).
    pub(crate) fn prime_bytes(&self) -> Vec<u8> {
        self.prime().to_be_bytes_trimmed_vartime().into()
    }

    /// dh_g (RFC 5246 §7.4.3).
    pub(crate) fn generator_bytes(&self) -> Vec<u8> {
        self.generator.to_be_bytes_trimmed_vartime().into()
    }

    /// RFC 7919 §5.1: 1 < y < p - 1. The others have an order of 1 or 2, or are not reduced.
    fn is_in_range(&self, y: &BoxedUint) -> bool {
        let below = self.prime().wrapping_sub(BoxedUint::one());
        *y > BoxedUint::one() && *y < below
    }

    /// Checks a peer's share before there is a key pair.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn check(&self, share: &[u8]) -> Result<(), BadKeyShare> {
        self.number(share).map(|_| ())
    }

    fn number(&self, share: &[u8]) -> Result<BoxedUint, BadKeyShare> {
        let bits = self.prime().bits_precision();
        BoxedUint::from_be_slice(trimmed(share), bits)
            .ok()
            .filter(|number| self.is_in_range(number))
            .ok_or(BadKeyShare)
    }

    /// base^exponent, as long as the prime.
    fn power(&self, base: BoxedUint, exponent: &Exponent) -> Zeroizing<Vec<u8>> {
        let base = BoxedMontyForm::new(base, &self.field);
        self.bytes_of(base.pow_bounded_exp(&exponent.0, self.exponent_bits))
    }

    /// A secret number, as long as the prime.
    fn bytes_of(&self, mut power: BoxedMontyForm) -> Zeroizing<Vec<u8>> {
        let mut number = power.retrieve();
        power.zeroize();
        let mut bytes = number.to_be_bytes();
        number.zeroize();
        let padding = bytes.len() - self.len();
        let long = Zeroizing::new(bytes.get(padding..).unwrap_or_default().to_vec());
        bytes.zeroize();
        long
    }

    /// A fresh key pair: an exponent is never used twice, so that nothing can be learnt of it by
    /// asking again (Raccoon, CVE-2020-1968).
    ///
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn generate(&self, random: &mut Random) -> Result<FieldKeyPair, CryptoFailure> {
        let exponent = Exponent::random(self, random)?;
        let share = self.power(self.generator.clone(), &exponent);
        Ok(FieldKeyPair {
            group: self.clone(),
            exponent,
            share: share.to_vec(),
        })
    }
}

impl core::fmt::Debug for Group {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Group({} bits)", self.bits())
    }
}

/// An integer without the zeros in front of it.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// How many bits an integer without leading zero bytes has; as many as there can be, if it has more.
fn bits(trimmed: &[u8]) -> u32 {
    let unused = trimmed.first().map_or(0, |first| first.leading_zeros());
    u32::try_from(trimmed.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8)
        .saturating_sub(unused)
}

/// The private half.
struct Exponent(BoxedUint);

impl Exponent {
    /// Its highest bit is set, as RFC 7919 §5.2 and OpenSSL have it.
    fn random(group: &Group, random: &mut Random) -> Result<Self, CryptoFailure> {
        let bits = group.exponent_bits;
        let mut bytes = Zeroizing::new(vec![0; bits.div_ceil(8) as usize]);
        random.fill(&mut bytes)?;
        if let Some(first) = bytes.first_mut() {
            let highest = 1 << ((bits - 1) % 8);
            *first = (*first & (highest - 1)) | highest;
        }
        Self::from_bytes(group, &bytes)
    }

    fn from_bytes(group: &Group, bytes: &[u8]) -> Result<Self, CryptoFailure> {
        BoxedUint::from_be_slice(bytes, group.exponent_bits)
            .map(Self)
            .map_err(|_| CryptoFailure::KeyShare)
    }
}

impl Drop for Exponent {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A key pair of one handshake.
pub(crate) struct FieldKeyPair {
    group: Group,
    exponent: Exponent,
    share: Vec<u8>,
}

impl FieldKeyPair {
    pub(crate) const fn group(&self) -> &Group {
        &self.group
    }

    /// As long as the prime: there are peers that want it so before TLS 1.3, too.
    pub(crate) fn share(&self) -> &[u8] {
        &self.share
    }

    /// The secret before TLS 1.3, where zeros in front are left out of a share and of the secret
    /// (RFC 5246 §7.4.7.2, §8.1.2).
    ///
    /// # Errors
    /// When the peer's share is none.
    pub(crate) fn agree_before_tls13(&self, peer: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        let secret = self.secret(peer)?;
        Ok(SharedSecret::new(trimmed(&secret)))
    }

    fn secret(&self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadKeyShare> {
        let group = &self.group;
        let secret = group.power(group.number(peer)?, &self.exponent);
        // NIST SP 800-56A §5.7.1.1: in a group of a composite order this may be.
        match secret.split_last() {
            Some((last, rest)) if *last <= 1 && rest.iter().all(|byte| *byte == 0) => {
                Err(BadKeyShare)
            }
            _ => Ok(secret),
        }
    }
}

impl KeyPair for FieldKeyPair {
    fn share(&self) -> &[u8] {
        self.share()
    }

    /// RFC 8446 §4.2.8.1, §7.4.1: share and secret are as long as the prime. But Erlang leaves out the zeros
    /// that one share of 256 begins with; the number is the same, and OpenSSL takes it, too.
    fn agree(&self, peer: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        if peer.len() > self.group.len() {
            return Err(BadKeyShare);
        }
        Ok(SharedSecret::new(&self.secret(peer)?))
    }
}

/// A fresh key pair in a group of RFC 7919.
///
/// # Errors
/// When the group is none of these, or there is no randomness.
pub(super) fn generate(
    group: NamedGroup,
    random: &mut Random,
) -> Result<Box<dyn KeyPair>, CryptoFailure> {
    let group = Group::named(group).ok_or(CryptoFailure::KeyShare)?;
    Ok(Box::new(group.generate(random)?))
}

#[cfg(test)]
mod tests;
