//! Pre-shared keys: with which versions and suites they go, and what else each end needs.
//!
//! RFC 8446 §4.2.11; RFC 4279; RFC 9258 §7. One file for both roles.

use super::client::{ClientConfigBuilder, ClientOptions, Verification};
use super::client_authentication::ClientAuthentication;
use super::policy::Policy;
use super::server::{ServerConfigBuilder, ServerOptions};
use crate::misuse::Misuse;
use crate::psk::PreSharedKey;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::CertificateType;

impl Policy {
    /// Those suites that need a key have one, or somebody who is asked for it; and the reverse.
    pub(super) fn check_psks(&mut self) -> Result<(), Misuse> {
        self.psks.settle()?;
        let of_older = self.suite_that(|row| row.psk);
        let is_tls13 = self.speaks(Version::V1_3);
        if let Some(suite) = of_older
            && self.psks.of_older().next().is_none()
            && !self.asked.psk
        {
            return Err(Misuse::new(match self.psks.is_empty() {
                true => format!(
                    "cipher_suites: {suite} needs a pre-shared key; add one with `psk`, or have it asked for \
                     with `ask_psk`"
                ),
                false => format!(
                    "cipher_suites: {suite} needs a pre-shared key that is not imported, and all are; leave the \
                     suite out, or add such a key with `psk`"
                ),
            }));
        }
        if self.psk_ke && !(is_tls13 && self.takes_keys()) {
            return Err(Misuse::new(
                "psk_ke: there is no pre-shared key, or no TLS 1.3; add both, or leave it out",
            ));
        }
        if self.psks.is_empty() {
            return Ok(());
        }
        if !is_tls13 && of_older.is_none() {
            return Err(Misuse::new(
                "psk: no cipher suite takes a pre-shared key; name one of PSK or ECDHE_PSK in cipher_suites, \
                 such as TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384, or TLSv1.3 in versions",
            ));
        }
        if !is_tls13 && self.psks.iter().any(|psk| psk.context().is_some()) {
            return Err(Misuse::new(
                "psk: a key is imported, which is of TLS 1.3, and `versions` leaves that out",
            ));
        }
        if of_older.is_none() && self.psks.iter().any(|psk| psk.identity().is_empty()) {
            return Err(Misuse::new(
                "psk: a key has an empty identity, which TLS 1.3 cannot send (RFC 8446 §4.2.11); give it one of a byte \
                 or more, or name a cipher suite of PSK or ECDHE_PSK",
            ));
        }
        self.check_hashes()
    }

    /// Whether there are pre-shared keys, or somebody who is asked for them.
    pub(crate) fn takes_keys(&self) -> bool {
        !self.psks.is_empty() || self.asked.psk
    }

    /// Where nothing but keys counts, in TLS 1.3 a suite is of use only with the hash of one.
    fn check_hashes(&mut self) -> Result<(), Misuse> {
        if !self.keys_alone || !self.speaks(Version::V1_3) || self.asked.psk {
            return Ok(());
        }
        let psks = &self.psks;
        let is_of_use = |suite: &CipherSuite| match suite.handshake_hash() {
            Ok(hash) => psks
                .iter()
                .any(|psk| psk.context().is_some() || psk.hash() == hash),
            Err(_) => true,
        };
        let mut of_tls13 = self.cipher_suites.iter();
        if !of_tls13.any(|suite| suite.exchange().is_none() && is_of_use(suite)) {
            return Err(Misuse::new(
                "psk: no cipher suite of TLS 1.3 has the hash of a key; name one in cipher_suites that has, or say \
                 with `PreSharedKey::for_hash` what the key is for",
            ));
        }
        if !self.named.cipher_suites {
            self.cipher_suites.retain(is_of_use);
        }
        Ok(())
    }
}

/// The most bytes of pre-shared keys in one hello, whose extensions have 65,535 together.
const MOST_OFFERED: usize = 8_192;

/// About how many bytes the key takes in a hello of TLS 1.3: one that is imported stands there for each hash.
fn offered_size(psk: &PreSharedKey) -> usize {
    /// Lengths, age, and the longest binder.
    const OVERHEAD: usize = 2 + 4 + 1 + 48;
    match psk.context() {
        None => OVERHEAD + psk.identity().len(),
        Some(context) => 2 * (OVERHEAD + 8 + psk.identity().len() + context.len()),
    }
}

impl ClientConfigBuilder {
    /// Whether there are pre-shared keys, and nothing by which a server could show otherwise who it is.
    pub(super) fn trusts_keys_alone(&self) -> bool {
        let ClientOptions {
            policy, accepted, ..
        } = &self.client;
        match &self.client.verification {
            Verification::Chain(chain) => {
                !policy.psks.is_empty()
                    && chain.roots().is_empty()
                    && !policy.asked.verification
                    && !accepted.accepts(CertificateType::RAW_PUBLIC_KEY)
            }
            Verification::DangerouslyNone => false,
        }
    }

    /// In TLS 1.3 all keys stand in the hello (RFC 8446 §4.2.11).
    pub(super) fn check_offered_keys(&self) -> Result<(), Misuse> {
        let policy = &self.client.policy;
        let bytes: usize = policy.psks.iter().map(offered_size).sum();
        match policy.speaks(Version::V1_3) && bytes > MOST_OFFERED {
            true => Err(Misuse::new(format!(
                "psk: in TLS 1.3 a client offers all of its keys, which take {bytes} bytes here and may take \
                 {MOST_OFFERED}; give it fewer, or shorter identities, or leave TLSv1.3 out of versions"
            ))),
            false => Ok(()),
        }
    }
}

impl ServerOptions {
    /// Whether clients of TLS 1.3 may come with a pre-shared key. Such a client shows no certificate
    /// (RFC 8446 §4.3.2).
    pub(crate) fn takes_keys_in_tls13(&self) -> bool {
        self.policy.takes_keys()
            && !matches!(
                self.client_authentication,
                ClientAuthentication::Required(_)
            )
    }
}

impl ServerConfigBuilder {
    /// Whether there are pre-shared keys, and no certificate.
    pub(super) fn has_keys_alone(&self) -> bool {
        let (policy, identities) = (&self.server.policy, &self.server.identities);
        self.server.takes_keys_in_tls13()
            && identities.is_empty()
            && !policy.asked.identity
            && !policy.asked.hello
    }

    /// A client that comes with a key shows no certificate (RFC 8446 §4.3.2).
    pub(super) fn check_keys_and_clients(&self) -> Result<(), Misuse> {
        let policy = &self.server.policy;
        let has_key = !policy.psks.is_empty() && policy.speaks(Version::V1_3);
        if has_key && !self.server.takes_keys_in_tls13() {
            return Err(Misuse::new(
                "client_authentication: who has a pre-shared key shows no certificate, and one is required; make \
                 certificates optional, or leave out one of the two",
            ));
        }
        Ok(())
    }
}
