//! Both Finished messages, and the keys of the application.
//!
//! RFC 8446 §4.4.4, §7.1.

use std::sync::Arc;

use super::super::super::peer::tell_second_opinion;
use super::super::super::post_handshake_auth::PostHandshakeEnd;
use super::super::super::{Cx, Outcome, expect};
use super::super::Next;
use super::super::hello::Client;
use super::super::parameters::Parameters;
use super::super::resumption::Origin;
use super::super::shown_identity::ShownIdentity;
use super::Keyed;
use super::client_authentication::authenticate;
use super::early_data;
use super::post_handshake_auth::PostHandshakeClient;
use crate::configured::InForce;
use crate::error::Abort;
use crate::information::{Exporter, Information, Local, Rare};
use crate::key_schedule::{
    AddMessage, ExporterSecret, FinishedKey, MasterSecretForTickets, TrafficSecret, Transcript,
};
use crate::psk::SharedSecretName;
use crate::question::WantedIdentity;
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::{ExtensionType, Finished};
use crate::x509::PeerProof;
use crate::{NamedGroup, SignatureScheme, Violation};

pub(crate) struct WaitFinished {
    pub(super) keyed: Box<Keyed>,
    pub(super) parameters: Parameters,
    pub(super) wanted: Option<Arc<WantedIdentity>>,
    pub(super) peer: ServerProof,
    /// If a session is resumed.
    pub(super) resumed: Option<Origin>,
}

/// How the server has proved who it is.
pub(super) enum ServerProof {
    /// By what it has shown, and signed with.
    Shown(PeerProof, SignatureScheme),
    /// By a pre-shared key.
    Key(Arc<SharedSecretName>),
}

impl ServerProof {
    /// What was verified.
    fn proof(&self) -> Option<&PeerProof> {
        match self {
            Self::Shown(peer, _) => Some(peer),
            Self::Key(_) => None,
        }
    }

    fn into_shown(
        self,
    ) -> (
        Option<(PeerProof, SignatureScheme)>,
        Option<Arc<SharedSecretName>>,
    ) {
        match self {
            Self::Shown(peer, scheme) => (Some((peer, scheme)), None),
            Self::Key(name) => (None, Some(name)),
        }
    }
}

impl WaitFinished {
    pub(super) fn on_message(
        mut self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let finished: Finished<'_> = expect(&message)?;
        let transcript = &mut self.keyed.transcript;
        if !self
            .keyed
            .server_finished
            .verify(&transcript.current(), finished.verify_data)
        {
            return Err(Violation::FinishedMismatch.into());
        }
        transcript.add(message.hashed());

        let Self {
            mut keyed,
            parameters,
            wanted,
            peer,
            resumed,
        } = self;
        let client_finished = keyed.client_finished.take();
        let master_secret = keyed.master_secret.take();
        let Keyed {
            client,
            suite,
            group,
            retried,
            server_random,
            mut transcript,
            write_keys,
            ..
        } = *keyed;
        // §7.1: the application's secrets cover everything up to the server's Finished.
        let secrets = master_secret.into_application_secrets(&transcript.current());
        cx.secret_log(&client.config.policy, &client.client_random)
            .of_application(&secrets);
        cx.incoming.install_read(secrets.server)?;
        cx.incoming.allow_ccs(false);
        early_data::end(write_keys, &mut transcript, cx)?;

        let authenticated = Authenticated {
            client,
            suite,
            group,
            retried,
            server_random,
            transcript,
            client_finished,
            parameters,
            peer,
            write_secret: secrets.client,
            exporter: secrets.exporter,
            resumption: secrets.resumption,
            resumed,
        };
        match wanted {
            None => authenticated.finish(ShownIdentity::default(), cx),
            Some(wanted) => authenticate(authenticated, wanted, cx),
        }
    }
}

/// The server has proved everything; our own flight is left.
pub(super) struct Authenticated {
    pub(super) client: Client,
    suite: CipherSuite,
    group: Option<NamedGroup>,
    retried: bool,
    server_random: [u8; 32],
    pub(super) transcript: Transcript,
    client_finished: FinishedKey,
    parameters: Parameters,
    peer: ServerProof,
    write_secret: TrafficSecret,
    exporter: ExporterSecret,
    resumption: MasterSecretForTickets,
    resumed: Option<Origin>,
}

impl Authenticated {
    /// Out of the box of a pause, where none of its secrets may stay.
    pub(super) fn unbox(mut self: Box<Self>) -> Self {
        Self {
            client_finished: self.client_finished.take(),
            write_secret: self.write_secret.take(),
            exporter: self.exporter.take(),
            resumption: self.resumption.take(),
            ..*self
        }
    }

    /// Sends Finished and is connected.
    pub(super) fn finish(mut self, shown: ShownIdentity, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let verify_data = self.client_finished.verify_data(&self.transcript.current());
        cx.send(&mut self.transcript, |out| {
            Finished::put(out, verify_data.as_slice());
        });
        cx.outgoing.install_write(self.write_secret)?;

        let client = self.client;
        client.check_not_rejected(self.peer.proof())?;
        let policy = &client.config.policy;
        cx.outgoing.set_padding(policy.padding);
        let server_name = client
            .offer
            .config()
            .indicated(&client.name)
            .map(|name| name.to_ascii_lowercase().into());
        let (peer, psk) = self.peer.into_shown();
        let (mut peer, peer_scheme) = peer.unzip();
        tell_second_opinion(peer.as_ref(), cx.events);
        let ocsp = peer.as_mut().and_then(PeerProof::take_ocsp_verdict);
        let preferred_share = match self.retried {
            // A retry for a cookie alone has used a share of the first hello.
            true => self.group,
            false => self.parameters.best_group,
        };
        let first = client.offer.config().first_share();
        let preferred_share = preferred_share.filter(|group| Some(*group) != first);
        let information = Information {
            dialect: cx.dialect,
            version: Version::V1_3,
            is_server: false,
            cipher_suite: self.suite,
            encrypt_then_mac: false,
            secure_renegotiation: true,
            group: self.group,
            retried: self.retried,
            ech: client.ech_status(),
            early_data: client.early_data_status,
            resumed: self.resumed.is_some(),
            authenticated_at: self
                .resumed
                .as_ref()
                .map_or(cx.now, |origin| origin.authenticated_at),
            alpn: self.parameters.alpn,
            server_name,
            client_random: client.client_random,
            server_random: self.server_random,
            peer: peer.map(PeerProof::into_presented),
            peer_scheme,
            rare: Rare {
                ocsp,
                preferred_share,
                configured: client
                    .config
                    .policy
                    .keeps_options
                    .then(|| client.config.clone() as InForce),
                srtp: self.parameters.srtp,
            }
            .boxed(),
            psk,
            local: Local::of(shown.chain),
            local_scheme: shown.scheme,
            exporter: Exporter::Tls13(ExporterSecret::pending()),
        };
        let key_update_at = policy.key_update_at;
        // It was offered, and is of the configuration in force, too. RFC 9113 §9.2.3: over HTTP/2 nobody is asked.
        let is_http2 = information.alpn.as_deref() == Some(b"h2");
        let is_offered = client.offer.has(ExtensionType::POST_HANDSHAKE_AUTH);
        let may_be_asked = is_offered && policy.post_handshake && !is_http2;
        let mut outcome = Outcome::new(information, key_update_at).exporting(&mut self.exporter);
        if may_be_asked {
            let (transcript, config) = (self.transcript.clone(), Arc::clone(&client.config));
            let asked = PostHandshakeClient::new(transcript, config);
            outcome.authentication = Some(PostHandshakeEnd::Client(Arc::new(asked)));
        }
        if !client.config.takes_tickets() {
            return Ok(Next::Connected(outcome));
        }
        let secret = self.resumption.into_secret(&self.transcript.current());
        let shown = match self.resumed {
            Some(origin) => origin.shown,
            None => shown.key,
        };
        let outcome = outcome.resumable(secret, client.name, shown);
        Ok(Next::Connected(outcome))
    }
}
