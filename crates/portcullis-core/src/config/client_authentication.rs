//! Whether a server's clients show a certificate, and by which rules it is judged.
//!
//! RFC 8446 §4.3.2, RFC 5246 §7.4.4.

use super::policy::check_authorities;
use super::server::{ServerConfigBuilder, ServerOptions};
use crate::error::Misuse;
use crate::wire::extension::CertificateType;
use crate::x509::{ChainPolicy, Roots};

/// The most intermediates in a client's chain of whoever says nothing of it.
pub(super) const USUAL_DEPTH: usize = 10;

/// Whether clients show a certificate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// None is asked for.
    None,
    /// Asked for; a client may have none. One that is sent must lead to these roots.
    Optional(Roots),
    /// Asked for; a client without one is refused with `certificate_required`, before TLS 1.3 with
    /// `handshake_failure`.
    Required(Roots),
    /// Asked for, not verified, may be missing: for applications that judge by other means.
    DangerouslyUnverified,
}

impl ClientAuthentication {
    pub(crate) fn is_requested(&self) -> bool {
        !matches!(self, Self::None)
    }
}

impl ServerOptions {
    /// How a client's chain is verified; `None` if it is not.
    pub(crate) fn client_policy(&self) -> Option<&ChainPolicy> {
        match self.client_authentication {
            ClientAuthentication::DangerouslyUnverified => None,
            _ => Some(&self.client_chain),
        }
    }

    /// The authorities that a request for a client's certificate names.
    pub(crate) fn requested_authorities(&self) -> impl Iterator<Item = &[u8]> {
        let (named, roots) = match &self.certificate_authorities {
            _ if !self.send_certificate_authorities => (None, None),
            Some(names) => (Some(names), None),
            None => (None, Some(self.client_chain.roots())),
        };
        let named = named.into_iter().flatten().map(|name| &**name);
        named.chain(roots.into_iter().flat_map(Roots::subjects))
    }
}

impl ServerConfigBuilder {
    /// What the options about clients' certificates say goes together; makes the rules for their chains.
    pub(super) fn check_clients(&mut self) -> Result<(), Misuse> {
        self.check_named_authorities()?;
        let server = &mut self.server;
        match &server.client_authentication {
            ClientAuthentication::Optional(roots) | ClientAuthentication::Required(roots) => {
                let takes_chains = server.accepted.accepts(CertificateType::X509);
                if roots.is_empty() && takes_chains && !server.policy.asked.verification {
                    return Err(Misuse::new(
                        "client_authentication: there is no trust anchor: every client would be refused",
                    ));
                }
                if server.send_certificate_authorities {
                    check_authorities(roots)?;
                }
                let schemes: Vec<_> = server.policy.certificate_schemes().collect();
                // With the same demands it is the same policy, and what was judged by it counts.
                let chain = match server.client_chain.roots().is_same(roots) {
                    true => server.client_chain.clone(),
                    false => ChainPolicy::new(roots.clone()),
                };
                let mut chain = chain
                    .depth(server.depth)
                    .anchor_dates(server.anchor_dates)
                    .any_purpose(server.any_purpose)
                    .signed_with(&schemes, server.policy.key_minimum)
                    .memo(server.policy.memo.clone())
                    .crl_check(server.policy.crl_check)
                    .intermediates(server.intermediates.iter().cloned())?;
                if let Some(policies) = &server.certificate_policies {
                    chain = chain.policies(policies.clone());
                }
                server.client_chain = chain;
                Ok(())
            }
            ClientAuthentication::None | ClientAuthentication::DangerouslyUnverified => {
                self.check_unverified()
            }
        }
    }

    fn check_named_authorities(&self) -> Result<(), Misuse> {
        let server = &self.server;
        let Some(names) = &server.certificate_authorities else {
            return Ok(());
        };
        let bytes: usize = names.iter().map(|name| name.len() + 2).sum();
        if names.iter().any(|name| name.is_empty()) || bytes > 0xffff - 8 {
            return Err(Misuse::new(
                "certificate_authorities: a name must not be empty, and all together have at most 65,527 bytes",
            ));
        }
        if !server.send_certificate_authorities {
            return Err(Misuse::new(
                "certificate_authorities: send_certificate_authorities(false) names none; leave out one of the two",
            ));
        }
        match server.client_authentication.is_requested() {
            true => Ok(()),
            false => Err(Misuse::new(
                "certificate_authorities: no client is asked for a certificate; ask for one with \
                 client_authentication, or leave it out",
            )),
        }
    }

    /// Where no chain is verified there are no rules for it.
    fn check_unverified(&self) -> Result<(), Misuse> {
        let server = &self.server;
        let rules = [
            ("depth", server.depth != USUAL_DEPTH),
            ("anchor_dates", !server.anchor_dates),
            ("any_purpose", server.any_purpose),
            ("policies", server.certificate_policies.is_some()),
            ("intermediates", !server.intermediates.is_empty()),
            ("crl_check", server.policy.crl_check.is_on()),
        ];
        let given = rules.iter().filter(|(_, is_given)| *is_given);
        let given: Vec<_> = given.map(|(option, _)| *option).collect();
        if given.is_empty() {
            return Ok(());
        }
        Err(Misuse::new(format!(
            "{}: no chain of a client is verified; have that done with client_authentication, or leave out \
             what is about it",
            given.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerConfig;

    /// Why these options do not go together.
    fn refused(change: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder) -> String {
        let builder = ServerConfig::builder().ask_identity(true);
        change(builder).build().unwrap_err().to_string()
    }

    #[test]
    fn rules_for_chains_that_nobody_verifies() {
        let unverified = ClientAuthentication::DangerouslyUnverified;
        let about = |options: &str| {
            format!(
                "{options}: no chain of a client is verified; have that done with client_authentication, or \
                 leave out what is about it"
            )
        };
        let options = "depth, anchor_dates, any_purpose";
        let chosen =
            |builder: ServerConfigBuilder| builder.depth(3).anchor_dates(false).any_purpose(true);
        assert_eq!(refused(chosen), about(options));
        let chosen = |builder| chosen(builder).client_authentication(unverified);
        assert_eq!(refused(chosen), about(options));
        let depth = |builder: ServerConfigBuilder| builder.depth(3);
        assert_eq!(refused(depth), about("depth"));
    }

    #[test]
    fn authorities_that_nobody_is_told() {
        let named = |builder: ServerConfigBuilder| builder.certificate_authorities([[0x30_u8, 0]]);
        assert_eq!(
            refused(named),
            "certificate_authorities: no client is asked for a certificate; ask for one with \
             client_authentication, or leave it out"
        );
        let asks = |builder: ServerConfigBuilder| {
            builder.client_authentication(ClientAuthentication::DangerouslyUnverified)
        };
        assert_eq!(
            refused(|builder| asks(named(builder)).send_certificate_authorities(false)),
            "certificate_authorities: send_certificate_authorities(false) names none; leave out one of the two"
        );
        let builder = ServerConfig::builder().ask_identity(true);
        assert!(asks(named(builder)).build().is_ok());
    }

    #[test]
    fn identities_of_no_key_cannot_be_hidden() {
        assert_eq!(
            refused(|builder| builder.hide_unknown_psk_identities(true)),
            "hide_unknown_psk_identities: there is no pre-shared key; give one with `psk`, have them asked for \
             with `ask_psk`, or leave it out"
        );
    }
}
