//! The secrets of a connection, told to the user who asks for them with `key_log`.
//!
//! The labels are those of SSLKEYLOGFILE.

use std::collections::VecDeque;

use super::Cx;
use crate::config::Policy;
use crate::key_schedule::{ApplicationSecrets, TrafficSecret, tls12};
use crate::step::{Event, KeyLogLine};

/// Takes the secrets of one connection, and forgets them unless `key_log` is on.
pub(crate) struct SecretLog<'a> {
    /// `None` if nobody wants to see them.
    events: Option<&'a mut VecDeque<Event>>,
    client_random: &'a [u8; 32],
}

impl Cx<'_> {
    /// The log of the connection that began with this ClientHello.
    pub(crate) fn secret_log<'a>(
        &'a mut self,
        policy: &Policy,
        client_random: &'a [u8; 32],
    ) -> SecretLog<'a> {
        SecretLog {
            events: policy.key_log.then_some(&mut *self.events),
            client_random,
        }
    }
}

impl SecretLog<'_> {
    pub(crate) fn of_early_data(&mut self, client: &TrafficSecret) {
        self.line("CLIENT_EARLY_TRAFFIC_SECRET", client.as_bytes());
    }

    pub(crate) fn of_handshake(&mut self, client: &TrafficSecret, server: &TrafficSecret) {
        self.line("CLIENT_HANDSHAKE_TRAFFIC_SECRET", client.as_bytes());
        self.line("SERVER_HANDSHAKE_TRAFFIC_SECRET", server.as_bytes());
    }

    pub(crate) fn of_application(&mut self, secrets: &ApplicationSecrets) {
        self.line("CLIENT_TRAFFIC_SECRET_0", secrets.client.as_bytes());
        self.line("SERVER_TRAFFIC_SECRET_0", secrets.server.as_bytes());
        self.line("EXPORTER_SECRET", secrets.exporter.as_bytes());
    }

    /// Before TLS 1.3 all keys follow from one secret.
    pub(crate) fn of_session(&mut self, master: &tls12::MasterSecret) {
        self.line("CLIENT_RANDOM", master.as_bytes());
    }

    fn line(&mut self, label: &'static str, secret: &[u8]) {
        if let Some(events) = &mut self.events {
            let line = KeyLogLine::new(label, *self.client_random, secret);
            events.push_back(Event::Secret(line));
        }
    }
}
