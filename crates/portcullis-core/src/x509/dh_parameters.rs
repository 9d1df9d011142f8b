//! A server's own group for Diffie-Hellman.
//!
//! PKCS#3 §9, as `openssl dhparam` writes it.

use std::path::Path;

use super::pem::{self, Contents};
use crate::crypto::finite_field::Group;
use crate::der::{self, INTEGER, Reader, SEQUENCE};
use crate::misuse::Misuse;

/// A group of one's own for the key exchange DHE before TLS 1.3: a prime and a generator. Cheap to clone.
///
/// It is seldom needed: without one the groups of RFC 7919 are used, which everybody can check. A group
/// of one's own is for clients that accept no other.
#[derive(Clone, Debug)]
#[cfg_attr(docsrs, doc(cfg(feature = "finite-field")))]
pub struct DhParameters(Group);

impl DhParameters {
    /// The group in the section `DH PARAMETERS` of a PEM file.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`from_pem`](Self::from_pem).
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self, Misuse> {
        let path = path.as_ref();
        let text = pem::read_file(path)?;
        Self::from_pem(&*text).map_err(|error| pem::in_file(path, &error))
    }

    /// The group in the section `DH PARAMETERS` of a PEM text.
    ///
    /// # Errors
    /// When there is no such section, or more than one, or as [`from_der`](Self::from_der).
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, Misuse> {
        let contents = Contents::read(pem.as_ref())?;
        match contents.dh_parameters.as_slice() {
            [der] => Self::from_der(der),
            [] => Err(contents.no_dh_parameters()),
            _ => Err(Misuse::new(
                "there is more than one section DH PARAMETERS: which one is meant?",
            )),
        }
    }

    /// The group in DER.
    ///
    /// That the prime is one is checked here, which takes up to a second for the longest. If half of it
    /// is a prime too, as it should be, then short exponents are used with it.
    ///
    /// # Errors
    /// When it is damaged, or the prime has fewer than 1,024 bits or more than 8,192, is even or
    /// composite, or the generator is not above 1 and below the prime less 1.
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<Self, Misuse> {
        let (prime, generator) = read(der.as_ref())
            .ok_or_else(|| Misuse::new("the DH parameters are no SEQUENCE of PKCS#3 in DER"))?;
        Group::of_user(prime, generator)
            .map(Self)
            .map_err(|why| Misuse::new(format!("the DH parameters are not acceptable: {why}")))
    }

    /// How long the prime is, in bits.
    pub fn bits(&self) -> u32 {
        self.0.bits()
    }

    pub(crate) const fn group(&self) -> &Group {
        &self.0
    }
}

/// DHParameter: a prime, a base, and how long an exponent is to be, which is not looked at, since it
/// follows from the prime.
fn read(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Reader::new(der::only(der, SEQUENCE)?);
    let mut number = || {
        let number = fields.contents(INTEGER)?;
        // Not negative.
        number
            .first()
            .is_some_and(|first| *first < 0x80)
            .then_some(number)
    };
    let numbers = (number()?, number()?);
    let _ = fields.optional(INTEGER);
    fields.is_empty().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;

    /// `openssl dhparam -outform DER 1024 | xxd -p`.
    const OF_1024_BITS: &str = "\
        308187028181009d70f4c8205c6a8d1bf9f46d8ce54e7f57d6e982b62f156fe757df5ca2636e0c6c57df2e18\
        aac8c407cfc562809183d51a76a001b725fbda78355376e043cd15b3fb6996adeff120322bdf0ca4aac4c1e2\
        bf8c7a119f7c01b013505663ed6e5c89a30a816286f4f4f4b3121bdd0a1928499cc8d2514f73c049549f769b\
        0992cf020102";
    /// `openssl dhparam -dsaparam -outform DER 1024 | xxd -p`: half of its prime is none.
    const OF_DSA: &str = "\
        3082012702818100b7f1d79f84e966374f9aa55cb4b2c35d23851d80d52e282a4793a07dae76308747ab860e\
        b0ba37f95c229686b53a5a70207a4575b57478b438289d269f2ba3faf4be5482c9c965c1776985837d36a977\
        b9f28f5e0091c0a232d6b4306b124950b7e77ab4a0d398d342678b349dd6341282b05ef38a08b1d47f4f9cb5\
        dfe3d9ff0281810093808cb9ac32375fbd5e97fcf559fe419e1854456bd7e45fdb2acc64d29750b2bc928eb8\
        1d4531a7c9ebd871a2934a90c00829139fd17cfe3979a1c81a5c06ad43ff1ab45ac6856980d0fcdcd789b59f\
        6de5c00b17c5ef0e976ebd3cf13da53eb063ec478bee58a684affc0363ce4b688eac737320bbdd004d8eacda\
        8eab73aa021d00dc49de8d09c74837516b53cbef12fe8d25df1a8743b24e4b5816af29";

    fn refused(der: impl AsRef<[u8]>) -> String {
        DhParameters::from_der(der).unwrap_err().to_string()
    }

    /// Two numbers of fewer than 65,536 bytes.
    fn written(prime: &[u8], generator: &[u8]) -> Vec<u8> {
        let element = |tag: u8, contents: &[u8]| {
            let len = u16::try_from(contents.len()).unwrap().to_be_bytes();
            let header = match len {
                [0, short @ 0..=0x7f] => vec![tag, short],
                [0, len] => vec![tag, 0x81, len],
                [high, low] => vec![tag, 0x82, high, low],
            };
            [&header, contents].concat()
        };
        let number = |number: &[u8]| element(INTEGER, &[&[0], number].concat());
        element(SEQUENCE, &[number(prime), number(generator)].concat())
    }

    #[test]
    fn groups_that_somebody_made() {
        let safe = DhParameters::from_der(hex(OF_1024_BITS)).unwrap();
        assert_eq!(safe.bits(), 1024);
        let of_dsa = DhParameters::from_der(hex(OF_DSA)).unwrap();
        assert_eq!(of_dsa.bits(), 1024);
        // As short as its kind allows.
        assert_eq!(safe.group().exponent_bits(), 225);
        assert_eq!(of_dsa.group().exponent_bits(), 1023);
        assert_eq!(format!("{safe:?}"), "DhParameters(Group(1024 bits))");
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        let mut prime = vec![0xff; 128];
        assert_eq!(
            refused(written(&prime, &[2])),
            "the DH parameters are not acceptable: the prime is a composite number"
        );
        for (generator, len) in [(1, 1), (0, 1), (0xff, 129)] {
            let refused = refused(written(&prime, &vec![generator; len]));
            assert!(
                refused.contains("the generator is not above 1"),
                "{refused}"
            );
        }
        prime[127] = 0xfe;
        for (len, why) in [
            (128, "an even number"),
            (127, "fewer than 1,024 bits"),
            (1025, "more than 8,192 bits"),
            (0, "fewer than 1,024 bits"),
        ] {
            prime.resize(len, 0xff);
            let refused = refused(written(&prime, &[2]));
            assert!(refused.ends_with(why), "{refused}");
            prime.resize(128, 0xfe);
        }
        for damaged in [&[][..], b"text", &[0x30, 0], &[0x30, 3, 2, 1, 5]] {
            let refused = refused(damaged);
            assert_eq!(
                refused,
                "the DH parameters are no SEQUENCE of PKCS#3 in DER"
            );
        }
        let negative = [0x30, 6, 2, 1, 0x85, 2, 1, 2];
        assert!(refused(negative).contains("PKCS#3"));
    }

    #[test]
    fn out_of_pem() {
        let refused = |pem: &str| DhParameters::from_pem(pem).unwrap_err().to_string();
        assert_eq!(
            refused("-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n"),
            "there are no DH parameters (expected -----BEGIN DH PARAMETERS-----); the EC PARAMETERS on \
             line 1 contains only parameters"
        );
        let section = "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n";
        assert!(refused(section).contains("PKCS#3"));
        assert!(refused(&section.repeat(2)).starts_with("there is more than one section"));
        let missing = DhParameters::from_pem_file("/no/such/dh.pem").unwrap_err();
        assert!(missing.to_string().contains("/no/such/dh.pem"));
    }
}
