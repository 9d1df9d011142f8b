//! Whether a server's clients show a certificate, and by which rules it is judged.
//!
//! RFC 8446 §4.3.2, RFC 5246 §7.4.4.

use super::policy::check_authorities;
use super::server::{ServerConfigBuilder, ServerOptions};
use crate::error::Misuse;
use crate::version::Version;
use crate::wire::extension::CertificateType;
use crate::x509::{ChainPolicy, OcspPolicy, Roots, Staples};

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
    /// Asks clients of TLS 1.3 for OCSP responses with their chains (RFC 8446 §4.4.2.1), in the handshake and after it: most
    /// have none. What becomes of a client by them [`ocsp`](Self::ocsp) says. Default: no.
    ///
    /// What one says counts as on [the other side](super::ClientConfigBuilder::request_ocsp_response). It is of its own
    /// handshake, so where clients are asked, one with a certificate is not resumed in TLS 1.3. Before that nobody can be asked,
    /// and no certificate lacks one.
    pub fn request_ocsp_response(mut self, on: bool) -> Self {
        self.server.request_ocsp_response = on;
        if on {
            self.server.staples = Staples::by(self.server.staples.policy());
        }
        self
    }

    /// Asks clients for OCSP responses, and sets what becomes of a client by them. Default, where they are asked for:
    /// [`OcspPolicy::Accept`].
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{ClientAuthentication, Identity, OcspPolicy, ProtocolVersion, Roots, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let identity = Identity::from_pem(&pem, None)?;
    /// # let clients = Roots::from_pem(&pem)?;
    /// let config = ServerConfig::builder()
    ///     .identity(identity)
    ///     .client_authentication(ClientAuthentication::Required(clients))
    ///     .versions([ProtocolVersion::TLS_1_3])
    ///     .ocsp(OcspPolicy::Require)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) refuses it where no client is asked for a certificate, where `versions` has no TLS 1.3, and
    /// [`OcspPolicy::Require`] where it has others, or where no chain is verified.
    pub fn ocsp(mut self, policy: OcspPolicy) -> Self {
        self.server.request_ocsp_response = true;
        self.server.staples = Staples::by(policy);
        self
    }

    /// OCSP responses are asked for only where they can come, and demanded only where they are looked at.
    fn check_ocsp(&self) -> Result<(), Misuse> {
        let server = &self.server;
        let is_required = server.staples.policy() == OcspPolicy::Require;
        let has_older = [Version::V1_0, Version::V1_1, Version::V1_2];
        let has_older = has_older
            .into_iter()
            .any(|version| server.policy.speaks(version));
        let lacking = match server.request_ocsp_response {
            false if is_required => {
                "no client is asked for a response; leave out `request_ocsp_response(false)`"
            }
            false => return Ok(()),
            true if !server.client_authentication.is_requested() => {
                "no client is asked for a certificate; ask with client_authentication"
            }
            true if !server.policy.speaks(Version::V1_3) => {
                "a client is asked for responses in TLSv1.3, and `versions` has it not"
            }
            true if is_required && has_older => {
                "before TLSv1.3 no client can be asked for a response; leave the older ones out of `versions`, or choose \
                 `OcspPolicy::Accept`"
            }
            true => return Ok(()),
        };
        Err(Misuse::new(format!("ocsp: {lacking}")))
    }

    /// What the options about clients' certificates say goes together; makes the rules for their chains.
    pub(super) fn check_clients(&mut self) -> Result<(), Misuse> {
        self.check_named_authorities()?;
        self.check_ocsp()?;
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
                    .staples(match server.request_ocsp_response {
                        true => server.staples,
                        false => Staples::OFF,
                    })
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
            ("ocsp", server.staples.policy() == OcspPolicy::Require),
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
    fn responses_that_cannot_come() {
        use crate::ProtocolVersion as P;
        let asks = |builder: ServerConfigBuilder| {
            builder.client_authentication(ClientAuthentication::DangerouslyUnverified)
        };
        let require = |builder: ServerConfigBuilder| builder.ocsp(OcspPolicy::Require);
        for (why, expected) in [
            (
                refused(|builder| builder.request_ocsp_response(true)),
                "ocsp: no client is asked for a certificate; ask with client_authentication",
            ),
            (
                refused(|builder| require(builder).request_ocsp_response(false)),
                "ocsp: no client is asked for a response; leave out `request_ocsp_response(false)`",
            ),
            (
                refused(|builder| {
                    asks(builder)
                        .versions([P::TLS_1_2])
                        .ocsp(OcspPolicy::Accept)
                }),
                "ocsp: a client is asked for responses in TLSv1.3, and `versions` has it not",
            ),
            (
                refused(|builder| require(asks(builder)).versions([P::TLS_1_2, P::TLS_1_3])),
                "ocsp: before TLSv1.3 no client can be asked for a response; leave the older ones out of `versions`, \
                 or choose `OcspPolicy::Accept`",
            ),
            (
                refused(|builder| require(asks(builder)).versions([P::TLS_1_3])),
                "ocsp: no chain of a client is verified; have that done with client_authentication, or leave out \
                 what is about it",
            ),
        ] {
            assert_eq!(why, expected);
        }
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
