//! The options that clients and servers have alike: what a handshake negotiates.

use clap::Args;
use portcullis::NamedGroup;
use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::suite::CipherSuite;

use crate::algorithms::{self, Versions};

/// What is negotiated, as far as it is said.
#[derive(Debug, Args)]
pub(crate) struct Spoken {
    /// Application protocols in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) alpn: Vec<String>,
    /// Versions of TLS: one, as 1.3, or a range, as 1.2..1.3.
    #[arg(long, value_parser = algorithms::versions, value_name = "MIN..MAX")]
    pub(crate) tls: Option<Versions>,
    /// Groups in order of preference, separated by commas, as x25519 and secp256r1, which is P-256.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::group, value_name = "NAMES")]
    pub(crate) groups: Vec<NamedGroup>,
    /// Cipher suites in order of preference, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::cipher, value_name = "NAMES")]
    pub(crate) ciphers: Vec<CipherSuite>,
}

/// Configures what was said. `suites` are the cipher suites that come of [`Spoken::ciphers`] and of other options.
macro_rules! configures {
    ($role:ident, $builder:ty) => {
        pub(crate) fn $role(&self, builder: $builder, suites: Vec<CipherSuite>) -> $builder {
            let mut builder = builder.alpn(&self.alpn);
            if let Some(Versions(versions)) = &self.tls {
                builder = builder.versions(versions.clone());
            }
            if !self.groups.is_empty() {
                builder = builder.groups(self.groups.clone());
            }
            match suites.is_empty() {
                true => builder,
                false => builder.cipher_suites(suites),
            }
        }
    };
}

impl Spoken {
    configures!(client, ClientConfigBuilder);
    configures!(server, ServerConfigBuilder);
}
