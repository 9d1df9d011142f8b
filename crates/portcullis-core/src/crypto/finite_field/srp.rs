//! SRP-6a: both ends make a secret of a password, which one of them does not have.
//!
//! RFC 5054 §2.5, §2.6. Everything that depends on the password takes the same time whatever that is.

use crypto_bigint::BoxedUint;
use crypto_bigint::modular::BoxedMontyForm;
use zeroize::Zeroizing;

use super::known::Prime;
use super::{CryptoFailure, Exponent, Group, trimmed};
use crate::Violation;
use crate::crypto::md5_sha1::sha1;
use crate::crypto::random::Random;
use crate::crypto::srp_group::SrpGroup;

/// What is kept from everybody.
pub(crate) type Secret = Zeroizing<Box<[u8]>>;

/// §2.5.3, §2.5.4: a and b have at least 256 bits.
const EXPONENT_BITS: u32 = 256;
/// Those of SHA-1, and so of x and u.
const HASH_BITS: u32 = 160;
/// Those of a + u x, which is below 2^321.
const SUM_BITS: u32 = 384;

impl Group {
    fn of_srp(group: SrpGroup) -> Option<Self> {
        Self::new(Prime::of_srp(group), group.generator(), EXPONENT_BITS)
    }

    fn form(&self, number: BoxedUint) -> BoxedMontyForm {
        BoxedMontyForm::new(number, &self.field)
    }

    /// PAD: as long as the prime (§2.6).
    fn padded(&self, number: &[u8]) -> Vec<u8> {
        let number = trimmed(number);
        let mut padded = vec![0; self.len().saturating_sub(number.len())];
        padded.extend_from_slice(number);
        padded
    }

    /// k = SHA1(N | PAD(g)).
    fn multiplier(&self) -> Option<BoxedMontyForm> {
        let generator = self.padded(&self.generator_bytes());
        let hash = sha1(&[self.prime_bytes(), generator].concat());
        let bits = self.prime().bits_precision();
        Some(self.form(BoxedUint::from_be_slice(&hash, bits).ok()?))
    }

    /// k v.
    fn masked(&self, verifier: &BoxedMontyForm) -> Option<Zeroizing<BoxedMontyForm>> {
        Some(Zeroizing::new(self.multiplier()?.mul(verifier)))
    }

    /// g to this power.
    fn power_of_generator(&self, exponent: &Exponent, bits: u32) -> BoxedMontyForm {
        let generator = self.form(self.generator.clone());
        generator.pow_bounded_exp(&exponent.0, bits)
    }

    /// u = SHA1(PAD(A) | PAD(B)), which must not be 0.
    fn scrambler(&self, client: &[u8], server: &[u8]) -> Result<[u8; 20], Violation> {
        let hash = sha1(&[self.padded(client), self.padded(server)].concat());
        match hash.iter().all(|byte| *byte == 0) {
            true => Err(Violation::BadSrpValue),
            false => Ok(hash),
        }
    }

    /// §2.5.3, §2.5.4: a public value must not be 0 modulo the prime. It is reduced, as OpenSSL wants it.
    fn public_value(&self, value: &[u8]) -> Result<BoxedMontyForm, Violation> {
        let bits = self.prime().bits_precision();
        BoxedUint::from_be_slice(trimmed(value), bits)
            .ok()
            .filter(|number| *number > BoxedUint::zero() && number < self.prime())
            .map(|number| self.form(number))
            .ok_or(Violation::BadSrpValue)
    }

    /// The premaster secret has no zeros in front (§2.6).
    fn premaster(&self, secret: BoxedMontyForm) -> Secret {
        Zeroizing::new(trimmed(&self.bytes_of(secret)).into())
    }
}

/// A number of at most so many bits, which nobody may know.
fn secret(bytes: &[u8], bits: u32) -> Result<Exponent, CryptoFailure> {
    let number = BoxedUint::from_be_slice(bytes, bits);
    number.map(Exponent).map_err(|_| CryptoFailure::KeyShare)
}

fn random_exponent(random: &mut Random) -> Result<Exponent, CryptoFailure> {
    let mut bytes = Zeroizing::new([0; EXPONENT_BITS as usize / 8]);
    random.fill(bytes.as_mut_slice())?;
    secret(bytes.as_slice(), EXPONENT_BITS)
}

/// v = g^x, as long as the prime.
pub(crate) fn verifier(group: SrpGroup, x: &[u8]) -> Option<Secret> {
    let group = Group::of_srp(group)?;
    let power = group.power_of_generator(&secret(x, HASH_BITS).ok()?, HASH_BITS);
    Some(Zeroizing::new(group.bytes_of(power).as_slice().into()))
}

/// Whether this could be one: above 0 and below the prime.
pub(crate) fn is_verifier(group: SrpGroup, verifier: &[u8]) -> bool {
    Group::of_srp(group).is_some_and(|group| group.public_value(verifier).is_ok())
}

/// The server's part of one handshake.
pub(crate) struct ServerHalf {
    group: Group,
    verifier: Zeroizing<BoxedMontyForm>,
    exponent: Exponent,
    prime: Vec<u8>,
    generator: Vec<u8>,
    /// B.
    public: Vec<u8>,
}

impl ServerHalf {
    /// For a client of this verifier.
    ///
    /// # Errors
    /// When there is no randomness, or the verifier is none.
    pub(crate) fn generate(
        group: SrpGroup,
        verifier: &[u8],
        random: &mut Random,
    ) -> Result<Self, CryptoFailure> {
        let exponent = random_exponent(random)?;
        Self::new(group, verifier, exponent).ok_or(CryptoFailure::KeyShare)
    }

    /// B = k v + g^b.
    fn new(group: SrpGroup, verifier: &[u8], exponent: Exponent) -> Option<Self> {
        let group = Group::of_srp(group)?;
        let verifier = Zeroizing::new(group.public_value(verifier).ok()?);
        let masked = group.masked(&verifier)?;
        let power = Zeroizing::new(group.power_of_generator(&exponent, EXPONENT_BITS));
        let public = group.bytes_of(masked.add(&power)).to_vec();
        // What a client would refuse; it does not happen.
        group.public_value(&public).ok()?;
        Some(Self {
            prime: group.prime_bytes(),
            generator: group.generator_bytes(),
            group,
            verifier,
            exponent,
            public,
        })
    }

    /// N.
    pub(crate) fn prime(&self) -> &[u8] {
        &self.prime
    }

    /// g.
    pub(crate) fn generator(&self) -> &[u8] {
        &self.generator
    }

    /// B, as long as the prime.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// S = (A v^u)^b.
    ///
    /// # Errors
    /// When the client's value is none.
    pub(crate) fn agree(&self, client: &[u8]) -> Result<Secret, Violation> {
        let group = &self.group;
        let value = group.public_value(client)?;
        let scrambler = group.scrambler(client, &self.public)?;
        let scrambler = secret(&scrambler, HASH_BITS).map_err(|_| Violation::BadSrpValue)?;
        let power = Zeroizing::new(self.verifier.pow_bounded_exp(&scrambler.0, HASH_BITS));
        let base = Zeroizing::new(value.mul(&power));
        let shared = base.pow_bounded_exp(&self.exponent.0, EXPONENT_BITS);
        Ok(group.premaster(shared))
    }
}

/// What a server has sent, in a group of the RFC.
pub(crate) struct Offered {
    group: Group,
    value: BoxedMontyForm,
    public: Box<[u8]>,
}

impl Offered {
    /// §2.5.3: a client may take any group of appendix A that is long enough for it; what has no name there
    /// it does not look into.
    ///
    /// # Errors
    /// When the group is none of these, or has fewer than `least_bits`, or the value is none of it.
    pub(crate) fn new(
        prime: &[u8],
        generator: &[u8],
        public: &[u8],
        least_bits: u32,
    ) -> Result<Self, Violation> {
        let (prime, generator) = (trimmed(prime), trimmed(generator));
        let mut all = SrpGroup::ALL.iter().copied();
        let named = all
            .find(|one| one.bits() as usize == 8 * prime.len() && generator == [one.generator()]);
        let named = named.filter(|one| one.bits() >= least_bits);
        let group = named.and_then(Group::of_srp);
        let group = group.filter(|group| group.prime_bytes() == prime);
        let group = group.ok_or(Violation::BadSrpGroup)?;
        Ok(Self {
            value: group.public_value(public)?,
            group,
            public: public.into(),
        })
    }

    /// The client's A, and S; `None` when the server's value makes 0 of the scrambler.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn answer(
        &self,
        x: &[u8],
        random: &mut Random,
    ) -> Result<Option<(Vec<u8>, Secret)>, CryptoFailure> {
        self.answer_with(x, &random_exponent(random)?)
    }

    /// A = g^a, S = (B - k g^x)^(a + u x).
    fn answer_with(
        &self,
        x: &[u8],
        exponent: &Exponent,
    ) -> Result<Option<(Vec<u8>, Secret)>, CryptoFailure> {
        let group = &self.group;
        let own = group.power_of_generator(exponent, EXPONENT_BITS);
        let own = group.bytes_of(own).to_vec();
        let Ok(scrambler) = group.scrambler(&own, &self.public) else {
            return Ok(None);
        };
        let verifier = group.power_of_generator(&secret(x, HASH_BITS)?, HASH_BITS);
        let verifier = Zeroizing::new(verifier);
        let masked = group.masked(&verifier).ok_or(CryptoFailure::KeyShare)?;
        let base = Zeroizing::new(self.value.sub(&masked));
        let (scrambler, x) = (secret(&scrambler, SUM_BITS)?, secret(x, SUM_BITS)?);
        let product = Zeroizing::new(scrambler.0.wrapping_mul(&x.0));
        let sum = Exponent(product.wrapping_add(&exponent.0));
        let shared = base.pow_bounded_exp(&sum.0, SUM_BITS);
        Ok(Some((own, group.premaster(shared))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;
    use crate::srp::hash_of_password;

    /// RFC 5054 appendix B.
    const SALT: &str = "BEB25379 D1A8581E B5A72767 3A2441EE";
    const X: &str = "94B7555A ABE9127C C58CCF49 93DB6CF8 4D16C124";
    const V: &str = "
        7E273DE8 696FFC4F 4E337D05 B4B375BE B0DDE156 9E8FA00A 9886D812
        9BADA1F1 822223CA 1A605B53 0E379BA4 729FDC59 F105B478 7E5186F5
        C671085A 1447B52A 48CF1970 B4FB6F84 00BBF4CE BFBB1681 52E08AB5
        EA53D15C 1AFF87B2 B9DA6E04 E058AD51 CC72BFC9 033B564E 26480D78
        E955A5E2 9E7AB245 DB2BE315 E2099AFB";
    const A_SECRET: &str = "
        60975527 035CF2AD 1989806F 0407210B C81EDC04 E2762A56 AFD529DD DA2D4393";
    const B_SECRET: &str = "
        E487CB59 D31AC550 471E81F0 0F6928E0 1DDA08E9 74A004F4 9E61F5D1 05284D20";
    const A_PUBLIC: &str = "
        61D5E490 F6F1B795 47B0704C 436F523D D0E560F0 C64115BB 72557EC4
        4352E890 3211C046 92272D8B 2D1A5358 A2CF1B6E 0BFCF99F 921530EC
        8E393561 79EAE45E 42BA92AE ACED8251 71E1E8B9 AF6D9C03 E1327F44
        BE087EF0 6530E69F 66615261 EEF54073 CA11CF58 58F0EDFD FE15EFEA
        B349EF5D 76988A36 72FAC47B 0769447B";
    const B_PUBLIC: &str = "
        BD0C6151 2C692C0C B6D041FA 01BB152D 4916A1E7 7AF46AE1 05393011
        BAF38964 DC46A067 0DD125B9 5A981652 236F99D9 B681CBF8 7837EC99
        6C6DA044 53728610 D0C6DDB5 8B318885 D7D82C7F 8DEB75CE 7BD4FBAA
        37089E6F 9C6059F3 88838E7A 00030B33 1EB76840 910440B1 B27AAEAE
        EB4012B7 D7665238 A8E3FB00 4B117B58";
    const PREMASTER: &str = "
        B0DC82BA BCF30674 AE450C02 87745E79 90A3381F 63B387AA F271A10D
        233861E3 59B48220 F7C4693C 9AE12B0A 6F67809F 0876E2D0 13800D6C
        41BB59B6 D5979B5C 00A172B4 A2A5903A 0BDCAF8A 709585EB 2AFAFA8F
        3499B200 210DCC1F 10EB3394 3CD67FC8 8A2F39A4 BE5BEC4E C0A3212D
        C346D7E4 74B29EDE 8A469FFE CA686E5A";

    fn exponent(text: &str) -> Exponent {
        secret(&hex(text), EXPONENT_BITS).unwrap()
    }

    fn rfc_server() -> ServerHalf {
        ServerHalf::new(SrpGroup::Bits1024, &hex(V), exponent(B_SECRET)).unwrap()
    }

    #[test]
    fn rfc_5054_appendix_b() {
        let x = hash_of_password(b"alice", b"password123", &hex(SALT));
        assert_eq!(x[..], hex(X));
        let made = verifier(SrpGroup::Bits1024, x.as_slice()).unwrap();
        assert_eq!(made[..], hex(V));
        let server = rfc_server();
        assert_eq!(server.public(), hex(B_PUBLIC));
        assert_eq!(server.agree(&hex(A_PUBLIC)).unwrap()[..], hex(PREMASTER));
        let offered =
            Offered::new(server.prime(), server.generator(), server.public(), 1024).unwrap();
        let (public, secret) = offered
            .answer_with(x.as_slice(), &exponent(A_SECRET))
            .unwrap()
            .unwrap();
        assert_eq!(public, hex(A_PUBLIC));
        assert_eq!(secret[..], hex(PREMASTER));
    }

    /// In every group both ends come to the same, and with another password to something else.
    #[test]
    fn every_group() {
        for group in SrpGroup::ALL.iter().copied() {
            let known = Group::of_srp(group).unwrap();
            assert_eq!(known.bits(), group.bits());
            let x = hash_of_password(b"user", b"secret", b"salt");
            let verifier = verifier(group, x.as_slice()).unwrap();
            let mut random = Random::seeded(7);
            let server = ServerHalf::generate(group, &verifier, &mut random).unwrap();
            let offered = Offered::new(server.prime(), server.generator(), server.public(), 1024);
            let offered = offered.unwrap();
            let (public, secret) = offered.answer(x.as_slice(), &mut random).unwrap().unwrap();
            assert_eq!(server.agree(&public).unwrap(), secret);
            let wrong = hash_of_password(b"user", b"secrets", b"salt");
            let (public, secret) = offered
                .answer(wrong.as_slice(), &mut random)
                .unwrap()
                .unwrap();
            assert_ne!(server.agree(&public).unwrap(), secret);
        }
    }

    /// The primes without a formula are safe ones.
    #[test]
    fn primes_are_safe() {
        for group in &SrpGroup::ALL[..3] {
            let prime = Prime::of_srp(*group);
            assert!(super::super::is_prime(super::super::Flavor::Safe, &prime));
        }
    }

    /// A = 0, N, 2 N: whoever sends it knows the secret without a password.
    #[test]
    fn values_that_are_none() {
        let server = rfc_server();
        let prime = server.prime().to_vec();
        let twice = server.group.prime().concatenating_add(server.group.prime());
        let twice = twice.to_be_bytes_trimmed_vartime();
        let more = [&[1], &[0; 200][..]].concat();
        for value in [&[0][..], &[0; 128], &[], &prime, &twice, &more] {
            let refused = Err(Violation::BadSrpValue);
            assert_eq!(server.agree(value).map(|_| ()), refused);
            let offered = Offered::new(&prime, server.generator(), value, 1024);
            assert_eq!(offered.map(|_| ()), refused);
            assert!(!is_verifier(SrpGroup::Bits1024, value));
        }
        // Zeros in front change nothing.
        let long = [&[0; 3][..], &hex(A_PUBLIC)].concat();
        assert_eq!(server.agree(&long).unwrap()[..], hex(PREMASTER));
    }

    #[test]
    fn groups_that_are_none() {
        let server = rfc_server();
        let good = server.prime();
        let mut other = good.to_vec();
        other[100] ^= 4;
        for (prime, generator) in [
            (&other[..], &[2][..]),
            (good, &[5]),
            (good, &[0]),
            (good, &[]),
            (good, &[1, 2]),
            (&good[1..], &[2]),
            (&[], &[2]),
            (&[0], &[2]),
            (&[0xff; 65_535], &[2]),
        ] {
            let offered = Offered::new(prime, generator, server.public(), 1024);
            assert_eq!(offered.map(|_| ()), Err(Violation::BadSrpGroup));
        }
    }
}
