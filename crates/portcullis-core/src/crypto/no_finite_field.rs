//! What stands for finite fields in a build without them: types that nothing can be of.

use core::convert::Infallible;

use super::CryptoFailure;
use super::key_exchange::BadKeyShare;
use super::random::Random;
use super::secret::SharedSecret;
use crate::NamedGroup;

/// Whether this build has finite fields.
pub(crate) const HAS_FINITE_FIELD: bool = false;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WeakGroup;

#[derive(Clone, Debug)]
pub(crate) struct Group(Infallible);

impl Group {
    pub(crate) const fn named(_: NamedGroup) -> Option<Self> {
        None
    }

    pub(crate) const fn from_bytes(_: &[u8], _: &[u8], _: u32) -> Result<Self, WeakGroup> {
        Err(WeakGroup)
    }

    pub(crate) const fn bits(&self) -> u32 {
        match self.0 {}
    }

    pub(crate) const fn name(&self) -> Option<NamedGroup> {
        match self.0 {}
    }

    pub(crate) fn prime_bytes(&self) -> Vec<u8> {
        match self.0 {}
    }

    pub(crate) fn generator_bytes(&self) -> Vec<u8> {
        match self.0 {}
    }

    pub(crate) const fn check(&self, _: &[u8]) -> Result<(), BadKeyShare> {
        match self.0 {}
    }

    pub(crate) const fn generate(&self, _: &mut Random) -> Result<FieldKeyPair, CryptoFailure> {
        match self.0 {}
    }
}

pub(crate) mod srp {
    use core::convert::Infallible;

    use zeroize::Zeroizing;

    use crate::Violation;
    use crate::crypto::CryptoFailure;
    use crate::crypto::random::Random;
    use crate::crypto::srp_group::SrpGroup;

    pub(crate) type Secret = Zeroizing<Box<[u8]>>;

    pub(crate) const fn verifier(_: SrpGroup, _: &[u8]) -> Option<Secret> {
        None
    }

    pub(crate) const fn is_verifier(_: SrpGroup, _: &[u8]) -> bool {
        false
    }

    pub(crate) struct ServerHalf(Infallible);

    impl ServerHalf {
        pub(crate) const fn generate(
            _: SrpGroup,
            _: &[u8],
            _: &mut Random,
        ) -> Result<Self, CryptoFailure> {
            Err(CryptoFailure::KeyShare)
        }

        pub(crate) const fn prime(&self) -> &[u8] {
            match self.0 {}
        }

        pub(crate) const fn generator(&self) -> &[u8] {
            match self.0 {}
        }

        pub(crate) const fn public(&self) -> &[u8] {
            match self.0 {}
        }

        pub(crate) const fn agree(&self, _: &[u8]) -> Result<Secret, Violation> {
            match self.0 {}
        }
    }

    pub(crate) struct Offered(Infallible);

    impl Offered {
        pub(crate) const fn new(_: &[u8], _: &[u8], _: &[u8], _: u32) -> Result<Self, Violation> {
            Err(Violation::BadSrpGroup)
        }

        pub(crate) const fn answer(
            &self,
            _: &[u8],
            _: &mut Random,
        ) -> Result<Option<(Vec<u8>, Secret)>, CryptoFailure> {
            match self.0 {}
        }
    }
}

pub(crate) struct FieldKeyPair(Infallible);

impl FieldKeyPair {
    pub(crate) const fn group(&self) -> &Group {
        match self.0 {}
    }

    pub(crate) const fn share(&self) -> &[u8] {
        match self.0 {}
    }

    pub(crate) const fn agree_before_tls13(&self, _: &[u8]) -> Result<SharedSecret, BadKeyShare> {
        match self.0 {}
    }
}
