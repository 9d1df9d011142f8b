//! What is configured, in words: the names of the builders' methods, and those of Erlang.
//!
//! No key, password, ticket or callback is shown, only whether it is there. [`ConnectionInformation::options`] is here because
//! it reads the private fields of both roles' configurations.

use super::client::{ClientOptions, ServerNameIndication};
use super::client_authentication::ClientAuthentication;
use super::policy::{KeyShares, Policy};
use super::server::ServerOptions;
use crate::compression::CertificateCompression;
use crate::configured::{ConfiguredOption, OptionValue, Options};
use crate::information::ConnectionInformation;

fn texts(names: &[Box<[u8]>]) -> OptionValue {
    OptionValue::names(names.iter().map(|name| name.escape_ascii()))
}

fn number(number: usize) -> OptionValue {
    OptionValue::Number(number as u64)
}

/// What prints for programmers as the name that it has in Rust.
fn debug(value: impl core::fmt::Debug) -> OptionValue {
    OptionValue::Name(format!("{value:?}"))
}

impl Policy {
    /// `alpn`: what Erlang calls it in this role.
    fn put(&self, out: &mut Options, alpn: &'static str, next_protocols: &'static str) {
        out.also("versions", "versions", OptionValue::names(&self.versions));
        out.also(
            "cipher_suites",
            "ciphers",
            OptionValue::names(&self.cipher_suites),
        );
        out.also(
            "groups",
            "supported_groups",
            OptionValue::names(&self.groups),
        );
        out.also(
            "signature_schemes",
            "signature_algs",
            OptionValue::names(&self.schemes),
        );
        out.also(
            "certificate_signature_schemes",
            "signature_algs_cert",
            OptionValue::names(self.certificate_schemes()),
        );
        out.also("alpn", alpn, texts(&self.alpn));
        if let Some(protocols) = &self.next_protocols {
            out.also("next_protocols", next_protocols, texts(protocols));
        }
        if self.srtp.is_on() {
            out.also("srtp", "use_srtp", OptionValue::names(&self.srtp.profiles));
        }
        if let Some(limit) = self.record_size_limit {
            out.add("record_size_limit", u64::from(limit));
        }
        out.add("max_fragment_sent", u64::from(self.max_fragment_sent));
        out.also(
            "max_handshake_size",
            "max_handshake_size",
            number(self.max_handshake_size),
        );
        let compression = self.compression.iter();
        let compression = compression.map(CertificateCompression::algorithm);
        out.add("certificate_compression", OptionValue::names(compression));
        out.also("key_update_at", "key_update_at", self.key_update_at);
        out.add("padding", debug(self.padding));
        out.add("extended_master_secret", debug(self.extended_master_secret));
        out.add(
            "exporters_without_extended_master_secret",
            self.exports_without_extended_master_secret,
        );
        out.add("encrypt_then_mac", self.encrypt_then_mac);
        out.add("dh_minimum", u64::from(self.dh_minimum));
        out.add("key_minimum", u64::from(self.key_minimum));
        out.also(
            "renegotiation",
            "client_renegotiation",
            debug(self.renegotiation),
        );
        out.also(
            "secure_renegotiation",
            "secure_renegotiate",
            debug(self.secure_renegotiation),
        );
        out.also(
            "beast_mitigation",
            "beast_mitigation",
            debug(self.beast_mitigation),
        );
        out.also("padding_check", "padding_check", self.padding_check);
        out.also(
            "middlebox_compatibility",
            "middlebox_comp_mode",
            self.middlebox_compatibility,
        );
        out.add("strict_alert_levels", self.strict_alert_levels);
        out.also("psk", "psk_identity", !self.psks.is_empty());
        out.add("psk_ke", self.psk_ke);
        out.also("key_log", "keep_secrets", self.key_log);
        out.also("crl_check", "crl_check", self.crl_check.is_on());
    }
}

impl ConnectionInformation {
    /// What was configured for this connection: the options of the configuration that it was made with, also of one that was
    /// chosen during the handshake, by the names of the builder's methods and of Erlang's options. They are written down
    /// anew each time. Of keys, passwords and the like they say whether there are some. Empty unless the configuration has
    /// [`keep_options`](crate::config::ClientConfigBuilder::keep_options).
    pub fn options(&self) -> Vec<ConfiguredOption> {
        let rare = self.0.rare.as_ref();
        let Some(configured) = rare.and_then(|rare| rare.configured.as_ref()) else {
            return Vec::new();
        };
        match (
            configured.downcast_ref::<ClientOptions>(),
            configured.downcast_ref::<ServerOptions>(),
        ) {
            (Some(client), _) => client.options(),
            (None, Some(server)) => server.options(),
            // There are two roles.
            (None, None) => Vec::new(),
        }
    }
}

impl ClientOptions {
    fn options(&self) -> Vec<ConfiguredOption> {
        let mut out = Options::default();
        let name = |name: &str| OptionValue::Name(name.to_owned());
        let verifies = self.chain_policy().is_some();
        out.also(
            "verify",
            "verify",
            name(if verifies {
                "verify_peer"
            } else {
                "verify_none"
            }),
        );
        self.policy.put(
            &mut out,
            "alpn_advertised_protocols",
            "client_preferred_next_protocols",
        );
        let shares = match &self.key_shares {
            KeyShares::Preferred => OptionValue::names(self.first_share()),
            KeyShares::Groups(groups) => OptionValue::names(groups),
        };
        out.add("key_shares", shares);
        out.also("identity", "cert", !self.identities.is_empty());
        let indication = match &self.server_name_indication {
            ServerNameIndication::Send => name("send"),
            ServerNameIndication::SendOther(other) => name(other.as_ref()),
            ServerNameIndication::Omit => name("disable"),
        };
        out.also(
            "server_name_indication",
            "server_name_indication",
            indication,
        );
        if let Some(length) = self.max_fragment_length {
            let bytes = u64::from(length.bytes());
            out.also("max_fragment_length", "max_fragment_length", bytes);
        }
        out.also(
            "send_certificate_authorities",
            "certificate_authorities",
            self.send_certificate_authorities,
        );
        out.also("fallback", "fallback", self.fallback);
        out.add("accept_unoffered_alpn", self.accept_unoffered_alpn);
        out.also("session_tickets", "session_tickets", self.takes_tickets());
        if let Some((full, resumed)) = self.ticket_request {
            out.add("ticket_request", OptionValue::names([full, resumed]));
        }
        out.add("request_ocsp_response", self.request_ocsp_response);
        out.add("request_scts", self.request_scts);
        out.also("srp", "srp_identity", self.srp.is_some());
        out.add("ech", self.ech.is_some());
        out.add("grease", self.grease);
        out.add("hello_padding", self.hello_padding);
        out.into_vec()
    }
}

impl ServerOptions {
    fn options(&self) -> Vec<ConfiguredOption> {
        let mut out = Options::default();
        let (verify, is_required) = match &self.client_authentication {
            ClientAuthentication::None => ("verify_none", false),
            ClientAuthentication::Optional(_) => ("verify_peer", false),
            ClientAuthentication::Required(_) => ("verify_peer", true),
            ClientAuthentication::DangerouslyUnverified => ("unverified", false),
        };
        out.also("client_authentication", "verify", verify.to_owned());
        out.also(
            "client_authentication_required",
            "fail_if_no_peer_cert",
            is_required,
        );
        self.policy.put(
            &mut out,
            "alpn_preferred_protocols",
            "next_protocols_advertised",
        );
        out.also("identity", "cert", !self.identities.is_empty());
        out.add(
            "send_certificate_authorities",
            self.send_certificate_authorities,
        );
        out.add("request_ocsp_response", self.request_ocsp_response);
        out.also(
            "honor_cipher_order",
            "honor_cipher_order",
            self.honor_cipher_order,
        );
        out.also(
            "honor_group_order",
            "honor_ecc_order",
            self.honor_group_order,
        );
        out.add("retry_for_better_group", self.retry_for_better_group);
        out.add("send_supported_groups", self.send_supported_groups);
        out.add("refuse_unknown_names", self.refuse_unknown_names);
        out.add("require_server_name", self.require_server_name);
        out.also(
            "psk_identity_hint",
            "psk_identity",
            self.psk_identity_hint.is_some(),
        );
        out.add("srp_users", self.srp_users.is_some());
        out.also("cookie", "cookie", self.cookie);
        out.add("ech_keys", self.ech.is_some());
        out.also("resumption", "session_tickets", self.resumes());
        out.add("grease", self.grease);
        out.add("ticket_count", u64::from(self.ticket_count));
        out.add("resumed_ticket_count", u64::from(self.resumed_ticket_count));
        out.add("ticket_lifetime", self.ticket_lifetime);
        out.into_vec()
    }
}
