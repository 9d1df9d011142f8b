//! The client sends data before the server has answered.
//!
//! RFC 8446 §2.3, §4.2.10.

use std::sync::Arc;

use super::super::Cx;
use super::hello::Client;
use super::resumption::OfferedPsk;
use crate::Violation;
use crate::config::ClientOptions;
use crate::crypto::CryptoFailure;
use crate::error::Abort;
use crate::information::{EarlyDataRejection, EarlyDataStatus};
use crate::key_schedule::TranscriptBuffer;
use crate::session::EarlyDataTerms;
use crate::suite::CipherSuite;

/// What stands in the hello: the server's answer has to fit it.
pub(super) struct OfferedEarlyData {
    terms: Arc<EarlyDataTerms>,
    suite: CipherSuite,
}

/// §4.2.10: early data goes with the first session, its suite and its protocol. One without a protocol
/// may go where some are offered: the server knows what it selects. None goes with a key that is of no session: it
/// has no age, so nothing would bound for how long the hello can be replayed (§4.2.11).
pub(super) fn offer(
    config: &ClientOptions,
    sessions: &[OfferedPsk],
) -> Option<Box<OfferedEarlyData>> {
    let established = sessions.first()?.established()?;
    let terms = established.early_data.clone()?;
    let suite = established.suite;
    let mut protocols = config.alpn_protocols();
    let fits = config.policy.cipher_suites.contains(&suite)
        && (terms.alpn().is_empty() || protocols.any(|name| name == terms.alpn()));
    fits.then(|| Box::new(OfferedEarlyData { terms, suite }))
}

/// The hello is written: what follows goes out under the keys of early data (§7.1).
pub(super) fn begin(
    client: &Client,
    sessions: &[OfferedPsk],
    transcript: &TranscriptBuffer,
    cx: &mut Cx<'_>,
) -> Result<(), Abort> {
    let (Some(offered), Some(session)) = (&client.early_data, sessions.first()) else {
        return Ok(());
    };
    let parameters = offered.suite.parameters()?;
    let hello = transcript.start(parameters.hash).current();
    let secret = session.early_traffic_secret(parameters.aead, &hello);
    let secret = secret.ok_or(CryptoFailure::KeyDerivation)?;
    let policy = &client.config.policy;
    cx.secret_log(policy, &client.client_random)
        .of_early_data(&secret);
    // D.4: right after the first hello.
    if !client.legacy_session_id().is_empty() {
        cx.outgoing.change_cipher_spec()?;
    }
    cx.outgoing
        .begin_early_data(secret, offered.terms.limit().into())?;
    cx.outgoing.set_padding(policy.padding);
    Ok(())
}

impl OfferedEarlyData {
    /// §4.2.10: what the server has accepted it with.
    pub(super) fn check(&self, suite: CipherSuite, alpn: Option<&[u8]>) -> Result<(), Violation> {
        if suite != self.suite {
            Err(Violation::EarlyDataWithAnotherSuite)
        } else if alpn.unwrap_or_default() != self.terms.alpn() {
            Err(Violation::EarlyDataWithAnotherProtocol)
        } else {
            Ok(())
        }
    }
}

impl Client {
    /// Whether early data is under way, and not rejected so far.
    pub(super) fn sends_early_data(&self) -> bool {
        self.early_data.is_some()
    }

    /// Whether some was, whatever became of it.
    pub(super) fn has_sent_early_data(&self) -> bool {
        self.sends_early_data() || self.early_data_status != EarlyDataStatus::NotOffered
    }

    /// The server does not accept it.
    pub(super) fn early_data_rejected(&mut self, why: EarlyDataRejection) {
        if self.early_data.take().is_some() {
            self.early_data_status = EarlyDataStatus::Rejected(why);
        }
    }
}
