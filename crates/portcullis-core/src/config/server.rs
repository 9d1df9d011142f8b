//! What a server may do.

use std::sync::Arc;
use std::time::Duration;

use super::certificate_types::AcceptedOfPeer;
use super::client_authentication::{ClientAuthentication, USUAL_DEPTH};
use super::early_data::EarlyDataOptions;
use super::ech::ServerEch;
use super::instructions::Instructed;
use super::options::common_options;
use super::policy::{PaddingPolicy, Policy};
use super::renegotiation::Renegotiation;
use rustls_pki_types::CertificateDer;

use crate::alert::AlertDescription;
use crate::compression::CertificateCompression;
use crate::crypto::finite_field::Group;
use crate::error::Misuse;
use crate::named_group::NamedGroup;
use crate::session::{TicketKeys, lifetime_in_seconds};
use crate::signature_scheme::SignatureScheme;
use crate::srp::SrpUsers;
use crate::suite::{CipherSuite, Exchange, kinds_of_certificates};
use crate::version::{ProtocolVersion, Version};
use crate::violation::Violation;
#[cfg(feature = "finite-field")]
use crate::x509::DhParameters;
use crate::x509::{
    CertificateFilter, CertificatePolicies, ChainPolicy, CrlCheck, Identity, Roots, SignatureMemo,
    Staples, kinds_of_keys, what_keys_lack,
};

/// A server's configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerConfig(pub(crate) Arc<ServerOptions>);

#[derive(Clone, Debug)]
pub(crate) struct ServerOptions {
    pub(crate) policy: Policy,
    pub(crate) identities: Vec<Identity>,
    pub(crate) client_authentication: ClientAuthentication,
    pub(crate) client_chain: ChainPolicy,
    /// What a client may show.
    pub(crate) accepted: AcceptedOfPeer,
    pub(super) depth: usize,
    pub(super) anchor_dates: bool,
    pub(super) any_purpose: bool,
    pub(super) certificate_policies: Option<CertificatePolicies>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    pub(crate) send_certificate_authorities: bool,
    pub(crate) certificate_authorities: Option<Vec<Box<[u8]>>>,
    /// Whether clients of TLS 1.3 are asked for OCSP responses.
    pub(crate) request_ocsp_response: bool,
    pub(super) staples: Staples,
    /// What is to be in a client's certificate.
    pub(crate) oid_filters: Vec<CertificateFilter>,
    /// The server's own group for DHE before TLS 1.3.
    pub(crate) dh_group: Option<Group>,
    pub(crate) honor_cipher_order: bool,
    pub(crate) honor_group_order: bool,
    pub(crate) retry_for_better_group: bool,
    pub(crate) chacha20_for_mobile: bool,
    pub(crate) refuse_unknown_names: bool,
    pub(crate) require_server_name: bool,
    /// Whether clients are told of all groups.
    pub(crate) send_supported_groups: bool,
    pub(crate) acknowledge_server_name: AcknowledgeServerName,
    pub(crate) psk_identity_hint: Option<Box<[u8]>>,
    pub(crate) hide_unknown_psk_identities: bool,
    /// There are some where a suite needs them.
    pub(crate) srp_users: Option<SrpUsers>,
    pub(crate) cookie: bool,
    /// What it does with hellos that are encrypted; `None`: it does not look.
    pub(crate) ech: Option<ServerEch>,
    /// Whether it says what means nothing.
    pub(crate) grease: bool,
    pub(crate) ticket_keys: Option<TicketKeys>,
    /// Whether somebody has decided on the keys, or that there are none.
    pub(crate) ticket_keys_are_chosen: bool,
    /// Whether a store has the sessions.
    pub(super) is_made_for_store: bool,
    pub(crate) ticket_count: u8,
    /// After a resumption, which has spent one.
    pub(crate) resumed_ticket_count: u8,
    /// `None`: as many as others get.
    pub(crate) ticket_request_limit: Option<u8>,
    pub(super) ticket_lifetime: Duration,
    pub(crate) early_data: EarlyDataOptions,
    pub(super) instructed: Instructed<ServerConfig>,
}

impl ServerOptions {
    /// Whether sessions are resumed by tickets.
    pub(crate) fn resumes(&self) -> bool {
        self.ticket_keys.is_some() || self.policy.asked.tickets
    }

    /// The same before TLS 1.3, where a store keeps sessions by their ids, so that tickets are
    /// those of the configured keys.
    pub(crate) fn gives_tickets_before_tls13(&self) -> bool {
        self.ticket_keys.is_some() || (self.policy.asked.tickets && !self.policy.asked.sessions)
    }
}

impl ServerOptions {
    /// As it is sent; `build` has checked that it fits.
    pub(crate) fn ticket_lifetime_in_seconds(&self) -> u32 {
        u32::try_from(self.ticket_lifetime.as_secs()).unwrap_or(u32::MAX)
    }
}

/// When a server acknowledges the client's server name (RFC 6066 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcknowledgeServerName {
    /// When the identity that it shows has the name.
    #[default]
    Known,
    /// Whatever the name: for an application that looks at it itself.
    Any,
    /// Never.
    Never,
}

impl ServerConfig {
    /// Starts from the defaults: no client authentication, the server's preferences.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{Identity, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let identity = Identity::from_pem(&pem, None)?;
    /// let config = ServerConfig::builder().identity(identity).alpn(["h2", "http/1.1"]).build()?;
    /// // What cannot work is refused here, with the reason.
    /// let error = ServerConfig::builder().build().unwrap_err();
    /// assert!(error.to_string().contains("there is no identity"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ServerConfigBuilder {
        ServerConfigBuilder {
            server: ServerOptions {
                policy: Policy::default(),
                identities: Vec::new(),
                client_authentication: ClientAuthentication::None,
                client_chain: ChainPolicy::new(Roots::empty()),
                accepted: AcceptedOfPeer::default(),
                depth: USUAL_DEPTH,
                anchor_dates: true,
                any_purpose: false,
                certificate_policies: None,
                intermediates: Vec::new(),
                send_certificate_authorities: true,
                certificate_authorities: None,
                request_ocsp_response: false,
                staples: Staples::UNASKED,
                oid_filters: Vec::new(),
                dh_group: None,
                honor_cipher_order: true,
                honor_group_order: true,
                retry_for_better_group: false,
                chacha20_for_mobile: true,
                refuse_unknown_names: false,
                require_server_name: false,
                send_supported_groups: false,
                acknowledge_server_name: AcknowledgeServerName::Known,
                psk_identity_hint: None,
                hide_unknown_psk_identities: false,
                srp_users: None,
                cookie: false,
                ech: None,
                grease: false,
                ticket_keys: None,
                ticket_keys_are_chosen: false,
                is_made_for_store: false,
                ticket_count: 3,
                resumed_ticket_count: 1,
                ticket_request_limit: None,
                ticket_lifetime: Duration::from_secs(7_200),
                early_data: EarlyDataOptions::default(),
                instructed: Instructed::default(),
            },
        }
    }

    /// This configuration in the place of another one, which it replaces while connections go on:
    /// what was not chosen for it is that of the one before: remembered signatures, the
    /// ticket keys, so that sessions go on, and the seed of [`SrpUsers`], so that salts stay.
    #[must_use]
    pub fn replacing(&self, before: &Self) -> Self {
        let mut builder = self.to_builder();
        builder.server.policy.carry_over(&before.0.policy);
        if !self.0.ticket_keys_are_chosen
            && !before.0.ticket_keys_are_chosen
            && !self.0.early_data.conflicts_with(&before.0.early_data)
            && self.0.ticket_lifetime == before.0.ticket_lifetime
        {
            builder.server.ticket_keys = before.0.ticket_keys.clone();
        }
        if let (Some(users), Some(before)) = (&mut builder.server.srp_users, &before.0.srp_users) {
            users.carry_over(before);
        }
        // Nothing that was checked depends on this.
        builder.build().unwrap_or_else(|_| self.clone())
    }

    /// Whether somebody has to say if early data was accepted before
    /// ([`AntiReplay::asked`](crate::session::AntiReplay::asked)).
    pub fn asks_early_data(&self) -> bool {
        self.0.early_data.is_asked()
    }

    /// Whether early data is accepted because each ticket is given once
    /// ([`AntiReplay::single_use_tickets`](crate::session::AntiReplay::single_use_tickets)).
    pub fn relies_on_single_use(&self) -> bool {
        self.0.early_data.is_of_single_use()
    }

    /// Which certificates of peers are looked for in revocation lists.
    pub fn crl_check(&self) -> CrlCheck {
        self.0.policy.crl_check
    }

    /// Starts from this configuration.
    pub fn to_builder(&self) -> ServerConfigBuilder {
        ServerConfigBuilder {
            server: (*self.0).clone(),
        }
    }

    /// The application protocols, in order of preference.
    pub fn alpn_protocols(&self) -> impl Iterator<Item = &[u8]> {
        self.0.policy.alpn.iter().map(|name| &**name)
    }
}

/// Builds a [`ServerConfig`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerConfigBuilder {
    pub(super) server: ServerOptions,
}

fn goes_with_any(suite: CipherSuite, identities: &[Identity], version: Version) -> bool {
    let Some(row) = suite.exchange() else {
        return false;
    };
    let fits = |identity: &Identity| match row.is_unsigned() {
        true => identity.exchanges_keys(suite),
        false => {
            let mut schemes = identity.schemes_for(version);
            schemes.any(|scheme| suite.goes_with(scheme))
        }
    };
    row.without_certificate().is_some() || identities.iter().any(fits)
}

impl ServerConfigBuilder {
    common_options!(server);

    /// A certificate chain and its key. Call again for further ones: the best for a client is
    /// chosen by server name, list of authorities and signature scheme.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{Identity, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let identity = Identity::from_pem(&pem, None)?;
    /// # let other = identity.clone();
    /// // Clients get the one that has the name they ask for.
    /// let config = ServerConfig::builder().identity(identity).identity(other).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn identity(mut self, identity: Identity) -> Self {
        self.server.identities.push(identity);
        self
    }

    /// Removes the identities added so far.
    pub fn clear_identities(mut self) -> Self {
        self.server.identities.clear();
        self
    }

    /// Whether clients show a certificate. Default: no.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{ClientAuthentication, Identity, Roots, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let identity = Identity::from_pem(&pem, None)?;
    /// # let clients = Roots::from_pem(&pem)?;
    /// let config = ServerConfig::builder()
    ///     .identity(identity)
    ///     .client_authentication(ClientAuthentication::Required(clients))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_authentication(mut self, authentication: ClientAuthentication) -> Self {
        self.server.client_authentication = authentication;
        self.server.policy.memo = self.server.policy.memo.emptied();
        self
    }

    /// The most intermediates between a client's certificate and a trust anchor.
    /// Default: 10; more than 32 count as 32.
    pub fn depth(mut self, intermediates: usize) -> Self {
        self.server.depth = intermediates;
        self
    }

    /// Sets whether a root whose certificate has expired, or is not valid yet, is none. Default: yes. See
    /// [`ChainPolicy::anchor_dates`](ChainPolicy::anchor_dates).
    pub fn anchor_dates(mut self, count: bool) -> Self {
        self.server.anchor_dates = count;
        self
    }

    /// Sets whether a client's certificate may say that it is for any purpose. Default: no. See
    /// [`ChainPolicy::any_purpose`](ChainPolicy::any_purpose).
    pub fn any_purpose(mut self, counts: bool) -> Self {
        self.server.any_purpose = counts;
        self
    }

    /// Certificates that the path of a client may lead through besides those that it sends: of authorities whose
    /// clients forget them. At most 64; they are trusted no more than what the client sends.
    pub fn intermediates(
        mut self,
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Self {
        self.server.intermediates = certificates.into_iter().collect();
        self
    }

    /// Looks for certificate policies in the chains of clients. Default: none are asked for; see
    /// [`CertificatePolicies`].
    pub fn policies(mut self, policies: CertificatePolicies) -> Self {
        self.server.certificate_policies = Some(policies);
        self
    }

    /// Whether a request for a client certificate names the trust anchors. Default: yes.
    pub fn send_certificate_authorities(mut self, on: bool) -> Self {
        self.server.send_certificate_authorities = on;
        self
    }

    /// The authorities that a request for a client certificate names, as DER-encoded Names,
    /// instead of the trust anchors: fewer, or those of a verification that happens elsewhere.
    pub fn certificate_authorities<N: AsRef<[u8]>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        let names = names.into_iter().map(|name| name.as_ref().into());
        self.server.certificate_authorities = Some(names.collect());
        self
    }

    /// A group of this server's own for the key exchange DHE before TLS 1.3, for clients that list no
    /// group of RFC 7919; with others one of those is used that they list (RFC 7919 §4). It takes a cipher suite of DHE. Default: the first
    /// group of RFC 7919 that [`groups`](Self::groups) names; where it names none the smallest of at most 4,096 bits that is
    /// as strong as the certificate's key.
    #[cfg(feature = "finite-field")]
    #[cfg_attr(docsrs, doc(cfg(feature = "finite-field")))]
    pub fn dh_parameters(mut self, parameters: &DhParameters) -> Self {
        self.server.dh_group = Some(parameters.group().clone());
        self
    }

    /// Whether the server's order of cipher suites decides, or the client's. Default: the server's.
    pub fn honor_cipher_order(mut self, on: bool) -> Self {
        self.server.honor_cipher_order = on;
        self
    }

    /// Whether the server's order of groups decides, or the client's. Default: the server's.
    pub fn honor_group_order(mut self, on: bool) -> Self {
        self.server.honor_group_order = on;
        self
    }

    /// Whether a client is asked for another hello when the best group in common is one it has
    /// sent no share for, although it has sent a share for another: one more round trip.
    /// Default: no, except to reach a post-quantum hybrid.
    pub fn retry_for_better_group(mut self, on: bool) -> Self {
        self.server.retry_for_better_group = on;
        self
    }

    /// Whether a client that puts ChaCha20 first gets it although this server prefers AES: such
    /// a client has no AES hardware. Default: yes.
    pub fn chacha20_for_clients_without_aes(mut self, on: bool) -> Self {
        self.server.chacha20_for_mobile = on;
        self
    }

    /// Whether a client that asks for a name that no identity has is refused with
    /// `unrecognized_name`. Default: no, it gets the first identity.
    pub fn refuse_unknown_names(mut self, on: bool) -> Self {
        self.server.refuse_unknown_names = on;
        self
    }

    /// When a client is told that its server name was used (RFC 6066 §3). Default:
    /// [`AcknowledgeServerName::Known`].
    pub fn acknowledge_server_name(mut self, when: AcknowledgeServerName) -> Self {
        self.server.acknowledge_server_name = when;
        self
    }

    /// Tells clients which of their pre-shared keys to use, in words that the two have agreed on (RFC
    /// 4279 §5.2): at most 65,535 bytes, sent in the clear. Default: nothing, and an empty one is nothing.
    /// What the manuals of many clients say of it is that they do not look at it.
    pub fn psk_identity_hint(mut self, hint: impl AsRef<[u8]>) -> Self {
        let hint = hint.as_ref();
        self.server.psk_identity_hint = (!hint.is_empty()).then(|| hint.into());
        self
    }

    /// Whether a client is not told that the identity it names is unknown: it is then as if its key were
    /// wrong, and ends as that does, with `bad_record_mac` at its Finished, so that nobody can try
    /// which identities there are (RFC 4279 §2). In TLS 1.3 that is `decrypt_error` at its hello (RFC 8446 §6.2), and
    /// only where this server has no certificate: else a client without a known key gets that (§E.6). Default: no, it is told with `unknown_psk_identity`,
    /// which helps those who have misspelt their own.
    pub fn hide_unknown_psk_identities(mut self, on: bool) -> Self {
        self.server.hide_unknown_psk_identities = on;
        self
    }

    /// The users who may log in with a password (SRP, RFC 5054), with the cipher suites of `SRP_SHA` and
    /// `SRP_SHA_RSA`, which are of TLS 1.2 and older, come with the feature `finite-field`, and have to be
    /// [named](Self::cipher_suites).
    pub fn srp_users(mut self, users: SrpUsers) -> Self {
        self.server.srp_users = Some(users);
        self
    }

    /// Asks [`LookUpUser`](crate::question::LookUpUser) what is known of a user. What stands for one who is not
    /// there is made as [`srp_users`](Self::srp_users) says, which may be empty. Default: no, only they
    /// are looked at.
    pub fn ask_user(mut self, on: bool) -> Self {
        self.server.policy.asked.user = on;
        self
    }

    /// What logging in needs is there.
    fn check_srp(&mut self) -> Result<(), Misuse> {
        let server = &mut self.server;
        let users = server.srp_users.as_ref();
        users.map_or(Ok(()), SrpUsers::check)?;
        let given = users.filter(|users| !users.is_empty()).map(|_| "srp_users");
        let needed = "users: give them with `srp_users`, or have them asked for with `ask_user`";
        match server.policy.check_srp(needed, given) {
            Err(_) if given.is_none() && server.policy.asked.user => {
                if server.srp_users.is_none() {
                    server.srp_users = Some(SrpUsers::new([])?);
                }
                Ok(())
            }
            result => result,
        }
    }

    /// Whether a HelloRetryRequest carries a cookie (RFC 8446 §4.2.2). Default: no, since
    /// over a stream it proves nothing that the connection does not.
    pub fn cookie(mut self, on: bool) -> Self {
        self.server.cookie = on;
        self
    }

    /// Pauses after the ClientHello with the question
    /// [`ChooseConfiguration`](crate::question::ChooseConfiguration). Default: no. In `portcullis` the
    /// acceptor's answers get it, and without any the handshake goes on with this configuration; its
    /// own `pause_at_hello` needs no such switch.
    pub fn pause_at_hello(mut self, on: bool) -> Self {
        self.server.policy.asked.hello = on;
        self
    }

    /// Some version has a suite that goes with the key of an identity, or that has no certificate;
    /// with TLS 1.3 every key does.
    fn check_keys(&self) -> Result<(), Misuse> {
        let (policy, identities) = (&self.server.policy, &self.server.identities);
        let may_get_others = policy.asked.identity || policy.asked.hello;
        if identities.is_empty() || may_get_others || policy.speaks(Version::V1_3) {
            return Ok(());
        }
        let works = |code: &ProtocolVersion| {
            let suites = policy.cipher_suites.iter();
            let suites = suites.filter(|suite| suite.is_usable_in(*code));
            let version = Version::of(*code).unwrap_or(Version::V1_2);
            suites
                .copied()
                .any(|suite| goes_with_any(suite, identities, version))
        };
        if policy.versions.iter().any(works) {
            return Ok(());
        }
        let (needed, there) = (
            kinds_of_certificates(&policy.cipher_suites),
            kinds_of_keys(identities),
        );
        let is_such = |kind| needed.split(" and ").any(|needed| needed == kind);
        let why = match there.split(" and ").any(is_such) {
            // The certificate says what its key may do, and old versions sign otherwise.
            true => what_keys_lack(&policy.cipher_suites, identities)
                .unwrap_or("these keys cannot sign as the versions need it"),
            false => "none of the suites goes with them",
        };
        Err(Misuse::new(format!(
            "cipher_suites: they are for {needed} certificates, and the identities have {there} keys: \
             {why}; add suites for these keys, or an identity for these suites"
        )))
    }

    /// What the options about certificates and keys say goes together.
    fn check_without_certificate(&self) -> Result<(), Misuse> {
        let without = self
            .server
            .policy
            .suite_that(|row| !row.requests_certificate);
        if let (Some(suite), ClientAuthentication::Required(_)) =
            (without, &self.server.client_authentication)
        {
            return Err(Misuse::new(format!(
                "client_authentication: with {suite} no client shows a certificate, and one is \
                 required; leave the suite out, or make certificates optional"
            )));
        }
        if self.server.hide_unknown_psk_identities && !self.server.policy.takes_keys() {
            return Err(Misuse::new(
                "hide_unknown_psk_identities: there is no pre-shared key; give one with `psk`, have them asked for \
                 with `ask_psk`, or leave it out",
            ));
        }
        let takes_keys = self.server.policy.suite_that(|row| row.psk).is_some();
        match &self.server.psk_identity_hint {
            Some(hint) if hint.len() > usize::from(u16::MAX) => Err(Misuse::new(format!(
                "psk_identity_hint: it may have at most 65,535 bytes, and has {}",
                hint.len()
            ))),
            Some(_) if !takes_keys => Err(Misuse::new(
                "psk_identity_hint: no cipher suite takes a pre-shared key; name one in cipher_suites, \
                 or leave the hint out",
            )),
            _ => Ok(()),
        }
    }

    /// A group of its own is large enough, and of use.
    fn check_dh_group(&self) -> Result<(), Misuse> {
        let policy = &self.server.policy;
        let Some(group) = &self.server.dh_group else {
            return Ok(());
        };
        if group.bits() < policy.dh_minimum {
            return Err(Misuse::new(format!(
                "dh_parameters: the prime has {} bits and `dh_minimum` is {}; make a new one with \
                 `openssl dhparam`, or leave it out, and a group of RFC 7919 is used",
                group.bits(),
                policy.dh_minimum
            )));
        }
        match policy.suite_that(Exchange::has_field) {
            Some(_) => Ok(()),
            None => Err(Misuse::new(
                "dh_parameters: no cipher suite has DHE; name one in cipher_suites, such as \
                 TLS_DHE_RSA_WITH_AES_128_GCM_SHA256, or leave the group out",
            )),
        }
    }

    /// Checks the options against each other.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{Identity, ProtocolVersion, ServerConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let identity = Identity::from_pem(&pem, None)?;
    /// let builder = ServerConfig::builder().identity(identity);
    /// let config = builder.clone().versions([ProtocolVersion::TLS_1_3]).build()?;
    /// let error = builder.versions([]).build().unwrap_err();
    /// assert!(error.to_string().starts_with("versions: "), "{error}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A sentence that names the option and what to do.
    pub fn build(mut self) -> Result<ServerConfig, Misuse> {
        self.server.policy.keys_alone = self.has_keys_alone();
        self.server.policy.check()?;
        self.check_ech()?;
        self.check_ticket_counts()?;
        self.check_dh_group()?;
        lifetime_in_seconds("ticket_lifetime", self.server.ticket_lifetime)?;
        self.check_srp()?;
        if self.server.identities.is_empty()
            && !self.server.policy.asked.identity
            && !self.server.policy.asked.hello
            && self.server.policy.has_certificates()
        {
            return Err(Misuse::new(
                "there is no identity: a server needs a certificate and its key; add one, or have it \
                 asked for with ask_identity",
            ));
        }
        for identity in &self.server.identities {
            self.server.policy.check_identity(identity)?;
            identity.compress(&self.server.policy.compression);
        }
        self.check_keys()?;
        self.check_types()?;
        self.check_post_handshake()?;
        self.check_without_certificate()?;
        self.check_keys_and_clients()?;
        if self.server.policy.renegotiation == Renegotiation::Ignore {
            return Err(Misuse::new(
                "renegotiation: a server cannot ignore who asks, since the client waits for its answer; \
                 `Decline` tells it so",
            ));
        }
        if self.server.ticket_keys.is_none() && !self.server.ticket_keys_are_chosen {
            self.server.ticket_keys = Some(TicketKeys::rotating(self.server.ticket_lifetime)?);
        }
        self.server.early_data.check(&self.server)?;
        self.check_clients()?;
        let options = &mut self.server;
        options.early_data.settle(options.ticket_keys.as_ref())?;
        Ok(ServerConfig(Arc::new(self.server)))
    }
}
