//! The same configuration for datagrams: what DTLS has of it.
//!
//! RFC 9147.

use std::sync::Arc;

use super::early_data::EarlyDataOptions;
use super::policy::Policy;
use super::{ClientConfig, KeyShares, ServerConfig};
use crate::error::Misuse;
use crate::version::{ProtocolVersion, Version};

impl ClientConfig {
    /// This configuration over datagrams: of its versions DTLS has 1.3, and of its lists what goes with
    /// that. Connectors make it once;
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
        if options.ech.is_some() {
            return Err(no_ech("ech, ech_grease"));
        }
        // RFC 7507 is of versions that are not offered here.
        options.fallback = false;
        if let KeyShares::Groups(groups) = &mut options.key_shares {
            groups.retain(|group| options.policy.groups.contains(group));
        }
        Ok(Self(Arc::new(options)))
    }
}

impl ServerConfig {
    /// This configuration over datagrams: of its versions DTLS has 1.3, and of its lists what goes with
    /// that; nobody is granted early data. Listeners make it once;
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
        if options.ech.is_some() {
            return Err(no_ech("ech_keys"));
        }
        options.early_data = EarlyDataOptions::default();
        Ok(Self(Arc::new(options)))
    }
}

fn no_ech(options: &str) -> Misuse {
    Misuse::new(format!(
        "{options}: over datagrams there is no Encrypted ClientHello yet; leave it out there"
    ))
}

impl Policy {
    fn is_for_datagrams(&self) -> bool {
        self.versions.contains(&ProtocolVersion::DTLS_1_3)
    }

    fn leave_datagrams(&mut self) -> Result<(), Misuse> {
        const VERSION: ProtocolVersion = ProtocolVersion::DTLS_1_3;
        if !self.speaks(Version::V1_3) {
            return Err(Misuse::new(format!(
                "versions: over datagrams there is {VERSION} alone, and the configuration has no {}; add it",
                ProtocolVersion::TLS_1_3
            )));
        }
        self.versions = vec![VERSION];
        self.cipher_suites
            .retain(|suite| suite.is_usable_in(VERSION));
        self.groups.retain(|group| group.is_usable_in(VERSION));
        self.schemes.retain(|scheme| scheme.is_usable_in(VERSION));
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
        assert_eq!(client.0.policy.versions, [ProtocolVersion::DTLS_1_3]);
        let mut suites = client.0.policy.cipher_suites.iter();
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

    #[test]
    fn a_configuration_of_older_versions_alone_has_nothing_to_say() {
        let older = ClientConfig::builder(pki().roots.clone())
            .versions([ProtocolVersion::TLS_1_2])
            .build()
            .unwrap();
        assert_eq!(
            older.for_datagrams().unwrap_err().to_string(),
            "versions: over datagrams there is DTLSv1.3 alone, and the configuration has no TLSv1.3; add it"
        );
    }
}
