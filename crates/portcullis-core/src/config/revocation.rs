//! Whether a session's server was revoked, by the rules of a configuration.

use rustls_pki_types::UnixTime;

use super::ClientConfig;
use crate::session::ClientSession;
use crate::x509::{CertificateError, PresentedKind, RevocationCheck};

impl ClientSession {
    /// Looks for the chain that the server had shown in revocation lists, as the configuration demands: before the
    /// session is offered, because after the ServerHello there is no way back to a full handshake. Asks for what is in
    /// memory only. What it ends in goes to [`note_revocation`](ClientSession::note_revocation); a configuration with a
    /// [`crl_check`](super::ClientConfigBuilder::crl_check) offers no other session whose server has shown a
    /// chain. `None` where there is nothing to look for.
    ///
    /// # Errors
    /// Why the chain is not trusted, whatever the lists say: the session will not be offered.
    pub fn revocation_check(
        &self,
        config: &ClientConfig,
        now: UnixTime,
    ) -> Result<Option<RevocationCheck>, CertificateError> {
        let policy = config.0.chain_policy();
        let Some(policy) = policy.filter(|policy| policy.checks_crls()) else {
            return Ok(None);
        };
        let Some(peer) = &self.established.peer else {
            return Ok(None);
        };
        let PresentedKind::Chain(chain) = peer.shown.kind() else {
            return Ok(None);
        };
        let check = RevocationCheck::begin(
            &chain,
            Some(&self.server_name),
            now,
            &policy.of_resumption(),
        )?;
        Ok(Some(check.of_resumption(true)))
    }
}
