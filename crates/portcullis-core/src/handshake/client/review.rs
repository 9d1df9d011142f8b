//! Going on with another configuration when the ServerHello is here. What was offered was offered by the one before it,
//! but of what the server has chosen the new one has nothing that it would refuse.

use std::sync::Arc;

use crate::config::{ClientConfig, ClientOptions, ExtendedMasterSecret, SecureRenegotiation};
use crate::dialect::Dialect;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::{Misuse, NamedGroup};

/// What the server has chosen.
pub(super) struct Chosen {
    pub(super) version: Version,
    pub(super) suite: CipherSuite,
    /// Of the extensions of before TLS 1.3.
    pub(super) older: Option<Protections>,
    /// Of TLS 1.3: `None` where a pre-shared key is used alone.
    pub(super) group: Option<NamedGroup>,
}

/// Which protections of the handshake the server has before TLS 1.3.
pub(super) struct Protections {
    pub(super) extended_master_secret: bool,
    pub(super) secure_renegotiation: bool,
}

/// The configuration to go on with, if what was chosen suits it.
pub(super) fn review(
    config: ClientConfig,
    chosen: &Chosen,
    dialect: Dialect,
) -> Result<Arc<ClientOptions>, Misuse> {
    let config = match dialect {
        Dialect::Tls => config.0,
        Dialect::Dtls => config.for_datagrams()?.0,
    };
    match refused(&config, chosen, dialect) {
        None => Ok(config),
        Some(why) => Err(Misuse::new(format!(
            "{why}; refuse the ServerHello, or go on with a configuration that takes it"
        ))),
    }
}

fn refused(config: &ClientOptions, chosen: &Chosen, dialect: Dialect) -> Option<String> {
    let Chosen {
        version,
        suite,
        older,
        group,
    } = chosen;
    let policy = &config.policy;
    let not_in = |what: String, option: &str| {
        let sentence = format!(
            "{option}: the server chose {what}, which is not in the list of the configuration"
        );
        Some(format!("{sentence} to go on with"))
    };
    let lacks = |option: &str, what: &str| {
        Some(format!(
            "{option}: the server does not know {what}, and the configuration to go on with demands it"
        ))
    };
    if !policy.speaks(*version) {
        return not_in(dialect.code(*version).to_string(), "versions");
    }
    if !policy.cipher_suites.contains(suite) {
        return not_in(suite.to_string(), "cipher_suites");
    }
    let Some(older) = older else {
        return match group {
            Some(group) if policy.groups.contains(group) => None,
            Some(group) => not_in(group.to_string(), "groups"),
            None if policy.psk_ke => None,
            None => Some(
                "psk_ke: the server uses a pre-shared key without a key exchange, which the configuration to go \
                 on with does not allow"
                    .to_owned(),
            ),
        };
    };
    let Protections {
        extended_master_secret,
        secure_renegotiation,
    } = older;
    if !extended_master_secret && policy.extended_master_secret == ExtendedMasterSecret::Required {
        return lacks("extended_master_secret", "RFC 7627");
    }
    if !secure_renegotiation && policy.secure_renegotiation == SecureRenegotiation::Demanded {
        return lacks("secure_renegotiation", "RFC 5746");
    }
    None
}
