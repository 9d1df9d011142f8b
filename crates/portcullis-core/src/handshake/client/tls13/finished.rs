//! Both Finished messages, and the keys of the application.
//!
//! RFC 8446 §4.4.4, §7.1.

use super::super::super::{Cx, Next, Outcome, expect};
use super::Keyed;
use super::client_authentication::{Shown, authenticate};
use super::server_parameters::Parameters;
use crate::error::Abort;
use crate::information::Information;
use crate::key_schedule::{ExporterSecret, TrafficSecret};
use crate::question::Wanted;
use crate::record::HandshakeBytes;
use crate::wire::Finished;
use crate::x509::VerifiedChain;
use crate::{SignatureScheme, Violation};

pub(crate) struct WaitFinished {
    pub(super) keyed: Keyed,
    pub(super) parameters: Parameters,
    pub(super) wanted: Option<Wanted>,
    pub(super) peer: VerifiedChain,
    pub(super) peer_scheme: SignatureScheme,
}

impl WaitFinished {
    pub(in super::super) fn on_message(
        mut self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let finished: Finished<'_> = expect(&message)?;
        let transcript = &mut self.keyed.transcript;
        if !self
            .keyed
            .server_secret
            .verify_finished(&transcript.current(), finished.verify_data)
        {
            return Err(Violation::FinishedMismatch.into());
        }
        transcript.add(message.raw());

        let Self {
            keyed,
            parameters,
            wanted,
            peer,
            peer_scheme,
        } = self;
        // §7.1: the application's secrets cover everything up to the server's Finished.
        let hash = keyed.transcript.current();
        let read_secret = keyed
            .master_secret
            .server_application_traffic_secret_0(&hash);
        let write_secret = keyed
            .master_secret
            .client_application_traffic_secret_0(&hash);
        let exporter = keyed.master_secret.exporter_master_secret(&hash);
        let wanted_log = keyed.session.config.policy.key_log;
        let random = &keyed.session.client_random;
        cx.log_secret(
            wanted_log,
            "CLIENT_TRAFFIC_SECRET_0",
            random,
            write_secret.as_bytes(),
        );
        cx.log_secret(
            wanted_log,
            "SERVER_TRAFFIC_SECRET_0",
            random,
            read_secret.as_bytes(),
        );
        cx.log_secret(wanted_log, "EXPORTER_SECRET", random, exporter.as_bytes());
        cx.incoming.install_read(read_secret)?;
        cx.incoming.allow_ccs(false);

        let authenticated = Authenticated {
            keyed,
            parameters,
            peer,
            peer_scheme,
            write_secret,
            exporter,
        };
        match wanted {
            None => authenticated.finish(Shown::default(), cx),
            Some(wanted) => authenticate(authenticated, wanted, cx),
        }
    }
}

/// The server has proved everything; our own flight is left.
pub(super) struct Authenticated {
    pub(super) keyed: Keyed,
    parameters: Parameters,
    peer: VerifiedChain,
    peer_scheme: SignatureScheme,
    write_secret: TrafficSecret,
    exporter: ExporterSecret,
}

impl Authenticated {
    /// Sends Finished and is connected.
    pub(super) fn finish(mut self, shown: Shown, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let keyed = &mut self.keyed;
        let verify_data = keyed.client_secret.finished(&keyed.transcript.current());
        let mut message = Vec::with_capacity(4 + verify_data.as_slice().len());
        Finished::put(&mut message, verify_data.as_slice());
        cx.send(&mut keyed.transcript, &message);
        cx.outgoing.install_write(self.write_secret)?;

        let session = self.keyed.session;
        let policy = &session.config.policy;
        cx.outgoing.set_padding(policy.padding);
        let server_name = session
            .offer
            .config()
            .indicated(&session.name)
            .map(|name| name.to_ascii_lowercase().into());
        let information = Information {
            is_server: false,
            cipher_suite: self.keyed.suite,
            group: self.keyed.group,
            retried: self.keyed.retried,
            alpn: self.parameters.alpn,
            server_name,
            client_random: session.client_random,
            server_random: self.keyed.server_random,
            peer_chain: Some(self.peer),
            peer_scheme: Some(self.peer_scheme),
            local_chain: shown.chain,
            local_scheme: shown.scheme,
            exporter: self.exporter,
        };
        Ok(Next::Connected(Box::new(Outcome {
            information,
            key_update_at: policy.key_update_at,
        })))
    }
}
