//! The same configuration for datagrams: what DTLS has of it.
//!
//! RFC 9147, RFC 6347.

use std::sync::Arc;

use super::policy::Policy;
use super::{ClientConfig, Instructions, KeyShares, ServerConfig};
use crate::error::{Misuse, list};
use crate::version::ProtocolVersion;

impl ClientConfig {
    /// This configuration over datagrams: of its versions DTLS has 1.3, 1.2 and, where TLS 1.1 is named, 1.0; of
    /// its lists what goes with them. Connectors make it once;
    /// [`Handshake::datagram_client`](crate::Handshake::datagram_client) makes it of a configuration that is
    /// none.
    ///
    /// # Errors
    /// When nothing is left of the versions or of a list.
    pub fn for_datagrams(&self) -> Result<Self, Misuse> {
        if self.0.policy.is_for_datagrams() {
            return Ok(self.clone());
        }
        let mut options = (*self.0).clone();
        options.policy.leave_datagrams()?;
        if let KeyShares::Groups(groups) = &mut options.key_shares {
            groups.retain(|group| options.policy.groups.contains(group));
        }
        Ok(Self(Arc::new(options)))
    }
}

impl ServerConfig {
    /// This configuration over datagrams: of its versions DTLS has 1.3, 1.2 and, where TLS 1.1 is named, 1.0; of
    /// its lists what goes with them. Listeners make it once;
    /// [`Handshake::datagram_server`](crate::Handshake::datagram_server) makes it of a configuration that is
    /// none.
    ///
    /// # Errors
    /// When nothing is left of the versions or of a list.
    pub fn for_datagrams(&self) -> Result<Self, Misuse> {
        if self.0.policy.is_for_datagrams() {
            return Ok(self.clone());
        }
        let mut options = (*self.0).clone();
        options.policy.leave_datagrams()?;
        Ok(Self(Arc::new(options)))
    }

    /// The same with a store, which is asked about sessions.
    pub(super) fn for_store_over_datagrams(
        &self,
        instructions: Instructions,
    ) -> Result<Self, Misuse> {
        let mut options = (*self.0).clone();
        options.leave_sessions_to_store()?;
        options.instruct(instructions);
        Ok(Self(Arc::new(options)))
    }

    /// With questions besides those that it asks, of a configuration for datagrams. It was built before.
    pub(super) fn asking_over_datagrams(&self, instructions: Instructions) -> Self {
        let mut options = (*self.0).clone();
        options.instruct(instructions);
        Self(Arc::new(options))
    }

    /// Whether it speaks this version: of a configuration [for datagrams](Self::for_datagrams) a version of DTLS.
    pub fn speaks(&self, version: ProtocolVersion) -> bool {
        self.0.policy.versions.contains(&version)
    }
}

/// The versions of TLS, the newest first, and what they are over datagrams.
const VERSIONS: [(ProtocolVersion, ProtocolVersion); 3] = [
    (ProtocolVersion::TLS_1_3, ProtocolVersion::DTLS_1_3),
    (ProtocolVersion::TLS_1_2, ProtocolVersion::DTLS_1_2),
    (ProtocolVersion::TLS_1_1, ProtocolVersion::DTLS_1_0),
];

impl Policy {
    pub(super) fn is_for_datagrams(&self) -> bool {
        let codes = VERSIONS.iter().map(|(_, code)| code);
        codes.into_iter().any(|code| self.versions.contains(code))
    }

    fn leave_datagrams(&mut self) -> Result<(), Misuse> {
        let spoken = VERSIONS
            .iter()
            .filter(|(tls, _)| self.versions.contains(tls));
        let versions: Vec<_> = spoken.map(|(_, dtls)| *dtls).collect();
        if versions.is_empty() {
            return Err(Misuse::new(
                "versions: over datagrams there are DTLSv1.3, DTLSv1.2 and DTLSv1.0, and the configuration has \
                 neither TLSv1.3, nor TLSv1.2 or TLSv1.1; add one",
            ));
        }
        let suites = core::mem::take(&mut self.cipher_suites);
        let (suites, left_out): (Vec<_>, Vec<_>) = suites
            .into_iter()
            .partition(|suite| versions.iter().any(|one| suite.is_usable_in(*one)));
        let lacks =
            |version: &&ProtocolVersion| !suites.iter().any(|one| one.is_usable_in(**version));
        if let Some(version) = versions.iter().find(lacks) {
            return Err(Misuse::new(format!(
                "cipher_suites: over datagrams {version} has none of {}; add one, or leave that version out",
                list(&left_out)
            )));
        }
        self.cipher_suites = suites;
        self.groups
            .retain(|group| versions.iter().any(|one| group.is_usable_in(*one)));
        self.schemes
            .retain(|scheme| versions.iter().any(|one| scheme.is_usable_in(*one)));
        self.versions = versions;
        self.find_said_of_certificates();
        // RFC 9147 §5: there is no such mode.
        self.middlebox_compatibility = false;
        self.next_protocols = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::CipherSuite;
    use crate::testing::{client_config, pki, server_config};

    #[test]
    fn what_is_of_older_versions_is_left_out() {
        let client = client_config().for_datagrams().unwrap();
        let both = [ProtocolVersion::DTLS_1_3, ProtocolVersion::DTLS_1_2];
        assert_eq!(client.0.policy.versions, both);
        let newest = client_config().to_builder();
        let newest = newest.versions([ProtocolVersion::TLS_1_3]).build().unwrap();
        let newest = newest.for_datagrams().unwrap();
        assert_eq!(newest.0.policy.versions, [ProtocolVersion::DTLS_1_3]);
        let mut suites = newest.0.policy.cipher_suites.iter();
        assert!(suites.all(|suite| suite.is_usable_in(ProtocolVersion::TLS_1_3)));
        assert!(
            client
                .0
                .policy
                .cipher_suites
                .contains(&CipherSuite::TLS_AES_128_GCM_SHA256)
        );
        assert!(Arc::ptr_eq(&client.for_datagrams().unwrap().0, &client.0));
        let server = server_config().for_datagrams().unwrap();
        assert!(Arc::ptr_eq(&server.for_datagrams().unwrap().0, &server.0));
    }

    /// RFC 9147 §4.5.3; it is left out as it is by OpenSSL. DTLS 1.2 has its own.
    #[cfg(feature = "ffi")]
    #[test]
    fn dtls_1_3_has_no_ccm_8() {
        let short = CipherSuite::TLS_AES_128_CCM_8_SHA256;
        let long = CipherSuite::TLS_AES_128_CCM_SHA256;
        let older = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8;
        let client = |suites: &[CipherSuite]| client_config().to_builder().cipher_suites(suites);
        let server = |suites: &[CipherSuite]| server_config().to_builder().cipher_suites(suites);
        let of_both = client(&[short, long, older]).build().unwrap();
        let left = of_both.for_datagrams().unwrap();
        assert_eq!(left.0.policy.cipher_suites, [long, older]);
        assert_eq!(of_both.0.policy.cipher_suites, [short, long, older]);
        let left = server(&[older, short, long]).build().unwrap();
        let left = left.for_datagrams().unwrap();
        assert_eq!(left.0.policy.cipher_suites, [older, long]);

        let why = "cipher_suites: over datagrams DTLSv1.3 has none of TLS_AES_128_CCM_8_SHA256; add one, or leave that \
                   version out";
        for suites in [&[short][..], &[short, older]] {
            let client = client(suites).build().unwrap().for_datagrams();
            assert_eq!(client.unwrap_err().to_string(), why);
            let server = server(suites).build().unwrap().for_datagrams();
            assert_eq!(server.unwrap_err().to_string(), why);
        }
        let alone = client(&[older]).build().unwrap().for_datagrams().unwrap();
        assert_eq!(alone.0.policy.versions, [ProtocolVersion::DTLS_1_2]);
    }

    #[test]
    fn a_configuration_of_tls_1_0_alone_has_nothing_to_say() {
        let older = ClientConfig::builder(pki().roots.clone())
            .versions([ProtocolVersion::TLS_1_0])
            .cipher_suites([CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA])
            .build()
            .unwrap();
        assert_eq!(
            older.for_datagrams().unwrap_err().to_string(),
            "versions: over datagrams there are DTLSv1.3, DTLSv1.2 and DTLSv1.0, and the configuration has \
             neither TLSv1.3, nor TLSv1.2 or TLSv1.1; add one"
        );
    }
}
