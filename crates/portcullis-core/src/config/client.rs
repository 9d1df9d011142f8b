//! What a client may do.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, DnsName, ServerName};

use super::certificate_types::AcceptedOfPeer;
use super::ech::ClientEch;
use super::instructions::Instructed;
use super::options::common_options;
use super::policy::{
    KeyShares, MaxFragmentLength, PaddingPolicy, Policy, check_authorities, distinct,
};
use crate::alert::AlertDescription;
use crate::compression::CertificateCompression;
use crate::dialect::Dialect;
use crate::error::Misuse;
use crate::named_group::NamedGroup;
use crate::psk::{Shared, SharedSecretName};
use crate::session::SessionKey;
use crate::signature_scheme::SignatureScheme;
use crate::srp::SrpLogin;
use crate::suite::{Authentication, CipherSuite, Exchange};
use crate::version::ProtocolVersion;
use crate::violation::Violation;
use crate::wire::extension::CertificateType;
use crate::x509::{
    CertificatePolicies, ChainPolicy, CrlCheck, HostNameRules, Identity, OcspPolicy, Roots,
    Sha256Digest, SignatureMemo, Staples,
};

/// A client's configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientConfig(pub(crate) Arc<ClientOptions>);

#[derive(Clone, Debug)]
pub(crate) struct ClientOptions {
    pub(crate) policy: Policy,
    pub(crate) key_shares: KeyShares,
    pub(crate) verification: Verification,
    intermediates: Vec<CertificateDer<'static>>,
    certificate_policies: Option<CertificatePolicies>,
    host_name_rules: Option<HostNameRules>,
    skips_name_check: bool,
    pub(crate) identities: Vec<Identity>,
    /// Of their keys, in any order, and of the names of pre-shared keys; for [`SessionKey`].
    pub(crate) identities_digest: Option<Sha256Digest>,
    pub(crate) server_name_indication: ServerNameIndication,
    pub(crate) max_fragment_length: Option<MaxFragmentLength>,
    pub(crate) send_certificate_authorities: bool,
    pub(crate) fallback: bool,
    pub(crate) accept_unoffered_alpn: bool,
    pub(crate) honor_next_protocol_order: bool,
    /// Empty for none.
    pub(crate) next_protocol_fallback: Option<Box<[u8]>>,
    /// `None` if nobody said.
    session_tickets: Option<bool>,
    /// After a full handshake, and when a session is resumed.
    pub(crate) ticket_request: Option<(u8, u8)>,
    /// What whoever keeps the sessions has made of it.
    pub(super) tickets_taken: Option<bool>,
    pub(crate) request_ocsp_response: bool,
    pub(crate) request_scts: bool,
    /// Counts where a response is asked for.
    staples: Staples,
    /// What the server may show.
    pub(crate) accepted: AcceptedOfPeer,
    /// What this side can show, once built.
    pub(crate) client_certificate_types: Vec<CertificateType>,
    pub(super) client_types_are_chosen: bool,
    /// As whom this client logs in.
    pub(crate) srp: Option<SrpLogin>,
    /// What it says of encrypted hellos.
    pub(crate) ech: Option<Box<ClientEch>>,
    /// Whether it says what means nothing.
    pub(crate) grease: bool,
    pub(super) instructed: Instructed<ClientConfig>,
    /// Whether its hello avoids the lengths that old load balancers choke on.
    pub(crate) hello_padding: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Verification {
    Chain(ChainPolicy),
    DangerouslyNone,
}

/// What the client says about the name it connects to (RFC 6066 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerNameIndication {
    /// The name given when connecting, if it is a host name.
    #[default]
    Send,
    /// Another name than the one the certificate must have.
    SendOther(DnsName<'static>),
    /// Nothing. The certificate must have the name given when connecting all the same.
    Omit,
}

impl ClientConfig {
    /// Starts from the defaults: verify the server against `roots`.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{ClientConfig, Roots};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = ClientConfig::builder(Roots::os()?).alpn(["h2", "http/1.1"]).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(roots: Roots) -> ClientConfigBuilder {
        ClientConfigBuilder::new(Verification::Chain(ChainPolicy::new(roots)))
    }

    /// Starts a configuration that accepts any server whatsoever (`verify_none`).
    ///
    /// Anyone on the path can read and change everything. It is where the cipher suites of `ECDH_anon` can
    /// be named, with which a server shows no certificate at all: then the connection has no peer.
    pub fn dangerous_builder_without_verification() -> ClientConfigBuilder {
        ClientConfigBuilder::new(Verification::DangerouslyNone)
    }

    /// This configuration in the place of another one, which it replaces while connections go on:
    /// what was not chosen for it is that of the one before: remembered signatures, and whether the server may send tickets.
    #[must_use]
    pub fn replacing(&self, before: &Self) -> Self {
        let mut builder = self.to_builder();
        builder.client.policy.carry_over(&before.0.policy);
        let client = &mut builder.client;
        if client.session_tickets.is_none() {
            client.session_tickets = before.0.session_tickets;
            client.tickets_taken = before.0.tickets_taken;
        }
        // Nothing that was checked depends on this.
        builder.build().unwrap_or_else(|_| self.clone())
    }

    /// Whether the server may send tickets:
    /// [`session_tickets`](ClientConfigBuilder::session_tickets).
    pub fn takes_tickets(&self) -> bool {
        self.0.takes_tickets()
    }

    /// The same as it was chosen; `None` if it was not.
    pub fn session_tickets(&self) -> Option<bool> {
        self.0.session_tickets
    }

    /// The same for whoever keeps the sessions, or keeps none: the server may send tickets or may not,
    /// and [`session_tickets`](Self::session_tickets) goes on to say what was chosen. `None` leaves it at
    /// that.
    #[must_use]
    pub fn taking_tickets(&self, on: Option<bool>) -> Self {
        let mut client = (*self.0).clone();
        client.tickets_taken = on;
        Self(Arc::new(client))
    }

    /// Whether servers are verified: `false` after
    /// [`dangerous_builder_without_verification`](Self::dangerous_builder_without_verification).
    pub fn verifies_servers(&self) -> bool {
        self.0.chain_policy().is_some()
    }

    /// Which certificates of peers are looked for in revocation lists.
    pub fn crl_check(&self) -> CrlCheck {
        self.0.policy.crl_check
    }

    /// Starts from this configuration.
    pub fn to_builder(&self) -> ClientConfigBuilder {
        ClientConfigBuilder {
            client: (*self.0).clone(),
        }
    }

    /// The application protocols that are offered.
    pub fn alpn_protocols(&self) -> impl Iterator<Item = &[u8]> {
        self.0.alpn_protocols()
    }
}

impl ClientOptions {
    /// Whether this side still has what a session began with, as far as can be known: with `ask_psk` the
    /// caller that gave the session answers for it, and so who gives one that was written down answers for
    /// the password of a user.
    pub(crate) fn knows(&self, name: &SharedSecretName) -> bool {
        match name.kind {
            Shared::Psk => self.policy.asked.psk || self.policy.psks.contains(name),
            Shared::Password => {
                let login = self.srp.as_ref();
                login.is_some_and(|login| login.is_of(name))
            }
        }
    }

    /// The share that the first hello begins with.
    pub(crate) fn first_share(&self) -> Option<NamedGroup> {
        match &self.key_shares {
            KeyShares::Preferred => self.shareable_groups().next(),
            KeyShares::Groups(groups) => groups.first().copied(),
        }
    }

    /// Those that a share can be of, the best first.
    pub(crate) fn shareable_groups(&self) -> impl Iterator<Item = NamedGroup> + '_ {
        let groups = self.policy.groups.iter().copied();
        groups.filter(|group| group.is_usable_in_tls13())
    }

    pub(crate) fn takes_tickets(&self) -> bool {
        let chosen = self.tickets_taken.or(self.session_tickets);
        chosen.unwrap_or_default()
    }

    pub(crate) fn alpn_protocols(&self) -> impl Iterator<Item = &[u8]> {
        self.policy.alpn.iter().map(|name| &**name)
    }

    pub(crate) fn chain_policy(&self) -> Option<&ChainPolicy> {
        match &self.verification {
            Verification::Chain(policy) => Some(policy),
            Verification::DangerouslyNone => None,
        }
    }

    /// The host name that goes into the ClientHello for a connection to `name`.
    pub(crate) fn indicated<'a>(&'a self, name: &'a ServerName<'static>) -> Option<&'a str> {
        match (&self.server_name_indication, name) {
            (ServerNameIndication::Send, ServerName::DnsName(name)) => {
                Some(name.as_ref().trim_end_matches('.'))
            }
            (ServerNameIndication::SendOther(name), _) => Some(name.as_ref().trim_end_matches('.')),
            _ => None,
        }
    }
}

/// Builds a [`ClientConfig`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientConfigBuilder {
    pub(super) client: ClientOptions,
}

impl ClientConfigBuilder {
    fn new(verification: Verification) -> Self {
        Self {
            client: ClientOptions {
                policy: Policy::default(),
                key_shares: KeyShares::Preferred,
                verification,
                intermediates: Vec::new(),
                certificate_policies: None,
                host_name_rules: None,
                skips_name_check: false,
                identities: Vec::new(),
                identities_digest: None,
                server_name_indication: ServerNameIndication::Send,
                max_fragment_length: None,
                send_certificate_authorities: false,
                fallback: false,
                accept_unoffered_alpn: false,
                honor_next_protocol_order: false,
                next_protocol_fallback: None,
                session_tickets: None,
                ticket_request: None,
                tickets_taken: None,
                request_ocsp_response: false,
                request_scts: false,
                staples: Staples::UNASKED,
                accepted: AcceptedOfPeer::default(),
                client_certificate_types: Vec::new(),
                client_types_are_chosen: false,
                srp: None,
                ech: None,
                grease: false,
                instructed: Instructed::default(),
                hello_padding: false,
            },
        }
    }

    common_options!(client);

    /// Which groups the first hello carries a share for. Default: [`KeyShares::Preferred`].
    pub fn key_shares(mut self, shares: KeyShares) -> Self {
        self.client.key_shares = shares;
        self
    }

    /// An identity to present when the server asks for one. Call again for further ones.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{ClientConfig, Identity, Roots};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = ClientConfig::builder(Roots::os()?)
    ///     .identity(Identity::from_pem_files("client.pem", "client-key.pem")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn identity(mut self, identity: Identity) -> Self {
        self.client.identities.push(identity);
        self
    }

    /// What is said about the server's name.
    pub fn server_name_indication(mut self, indication: ServerNameIndication) -> Self {
        self.client.server_name_indication = indication;
        self
    }

    /// Certificates that the path of a server may lead through besides those that it sends: of authorities whose
    /// servers forget them. At most 64; they are trusted no more than what the server sends.
    pub fn intermediates(
        mut self,
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Self {
        self.client.intermediates = certificates.into_iter().collect();
        self
    }

    /// Looks for certificate policies in the server's chain. Default: none are asked for; see
    /// [`CertificatePolicies`].
    pub fn policies(mut self, policies: CertificatePolicies) -> Self {
        self.client.certificate_policies = Some(policies);
        self
    }

    /// What counts as the name of the server in its certificate. Default: RFC 9525.
    pub fn host_name_rules(mut self, rules: HostNameRules) -> Self {
        self.client.host_name_rules = Some(rules);
        self
    }

    /// Accepts a server whatever its name, if its chain leads to the roots: **any** holder of a certificate from one
    /// of them can stand for it. What is sent as the server's name is another option,
    /// [`server_name_indication`](Self::server_name_indication).
    pub fn dangerous_skip_name_check(mut self) -> Self {
        self.client.skips_name_check = true;
        self
    }

    /// Asks the server for small records.
    pub fn max_fragment_length(mut self, length: MaxFragmentLength) -> Self {
        self.client.max_fragment_length = Some(length);
        self
    }

    /// Tells the server the names of the trust anchors (RFC 8446 §4.2.4). Default: no.
    pub fn send_certificate_authorities(mut self, on: bool) -> Self {
        self.client.send_certificate_authorities = on;
        self
    }

    /// Says that this connection is another try with fewer versions than the client can speak,
    /// by TLS_FALLBACK_SCSV: a server that could have had more refuses with
    /// `inappropriate_fallback` (RFC 7507). Default: no.
    pub fn fallback(mut self, on: bool) -> Self {
        self.client.fallback = on;
        self
    }

    /// Whether a server may select an application protocol that was not offered, against
    /// RFC 7301 §3.1. Default: no, that is refused with `illegal_parameter`. If this is
    /// on, look at what was selected before using the connection.
    pub fn accept_unoffered_alpn(mut self, on: bool) -> Self {
        self.client.accept_unoffered_alpn = on;
        self
    }

    /// Whether the server's order counts where [`next_protocols`](Self::next_protocols) has more
    /// than one protocol of those that it names. Default: no, this side's.
    pub fn honor_next_protocol_order(mut self, on: bool) -> Self {
        self.client.honor_next_protocol_order = on;
        self
    }

    /// What a server hears that names none of [`next_protocols`](Self::next_protocols): at most 255
    /// bytes; no byte says that there is no protocol. Default: the first of them.
    pub fn next_protocol_fallback(mut self, protocol: impl AsRef<[u8]>) -> Self {
        self.client.next_protocol_fallback = Some(protocol.as_ref().into());
        self
    }

    /// Whether the server is told that this client can resume (RFC 8446 §4.2.9): only then does it
    /// send tickets, and only then are sessions offered. Default: no.
    ///
    /// With `portcullis`: a program that says `true` keeps the sessions itself (`TlsStream::take_session`,
    /// `TlsConnector::offering`); one that says nothing has a connector that does it. With the core alone the
    /// reader of a connection collects them (`Reader::take_ticket`), and `Handshake::client_resuming` offers
    /// them.
    pub fn session_tickets(mut self, on: bool) -> Self {
        self.client.session_tickets = Some(on);
        self.client.tickets_taken = None;
        self
    }

    /// Says how many tickets of TLS 1.3 this side can use (RFC 9149): after a full handshake, and when a session is
    /// resumed. One connection at a time needs 1 each; a browser that opens six at once, 6 and 1. Servers need not
    /// look at it, and many do not. It is sent where the server [may send tickets](Self::session_tickets). Default:
    /// nothing is said.
    pub fn ticket_request(mut self, full: u8, resumed: u8) -> Self {
        self.client.ticket_request = Some((full, resumed));
        self
    }

    /// Asks the server for OCSP responses with its chain (RFC 6066 §8, RFC 8446 §4.4.2.1): for its own certificate,
    /// and in TLS 1.3 for those above it. What becomes of the server by them [`ocsp`](Self::ocsp) says. Default: no.
    ///
    /// One that calls a certificate good stands for the revocation lists that [`crl_check`](Self::crl_check) asks for, where
    /// these are missing; a list that has the certificate, or that of the responder, counts against it. It counts for the handshake that it came with: when a session is resumed none comes.
    pub fn request_ocsp_response(mut self, on: bool) -> Self {
        self.client.request_ocsp_response = on;
        if on {
            self.client.staples = Staples::by(self.client.staples.policy());
        }
        self
    }

    /// Asks for OCSP responses, and sets what becomes of the server by them. Default, where they are asked for:
    /// [`OcspPolicy::Accept`]. Without verification they are not looked at.
    ///
    /// ```no_run
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{ClientConfig, OcspPolicy, Roots};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = ClientConfig::builder(Roots::os()?).ocsp(OcspPolicy::Require).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ocsp(mut self, policy: OcspPolicy) -> Self {
        self.client.request_ocsp_response = true;
        self.client.staples = Staples::by(policy);
        self
    }

    /// Asks the server for timestamps of logs that have its certificate (RFC 6962 §3.3.1). What comes is in
    /// [`ConnectionInformation::scts`](crate::ConnectionInformation::scts), and nothing is made of it here. Default: no.
    pub fn request_scts(mut self, on: bool) -> Self {
        self.client.request_scts = on;
        self
    }

    /// OCSP responses are demanded only where they are asked for, and looked at.
    fn check_ocsp(&self) -> Result<(), Misuse> {
        if self.client.staples.policy() != OcspPolicy::Require {
            return Ok(());
        }
        let lacking = match (&self.client.verification, self.client.request_ocsp_response) {
            (_, false) => {
                "the server is not asked for a response; leave out `request_ocsp_response(false)`"
            }
            (Verification::DangerouslyNone, _) => {
                "this configuration does not verify servers; leave it out, or start with `builder`"
            }
            (Verification::Chain(_), true) => return Ok(()),
        };
        Err(Misuse::new(format!("ocsp: {lacking}")))
    }

    /// The most intermediates between the server's certificate and a trust anchor.
    /// Default: 10; more than 32 count as 32.
    pub fn depth(mut self, intermediates: usize) -> Self {
        if let Verification::Chain(policy) = self.client.verification {
            self.client.verification = Verification::Chain(policy.depth(intermediates));
        }
        self
    }

    /// Sets whether a root whose certificate has expired, or is not valid yet, is none. Default: yes. See
    /// [`ChainPolicy::anchor_dates`](ChainPolicy::anchor_dates).
    pub fn anchor_dates(mut self, count: bool) -> Self {
        if let Verification::Chain(policy) = self.client.verification {
            self.client.verification = Verification::Chain(policy.anchor_dates(count));
        }
        self
    }

    /// Sets whether a server's certificate may say that it is for any purpose. Default: no. See
    /// [`ChainPolicy::any_purpose`](ChainPolicy::any_purpose).
    pub fn any_purpose(mut self, counts: bool) -> Self {
        if let Verification::Chain(policy) = self.client.verification {
            self.client.verification = Verification::Chain(policy.any_purpose(counts));
        }
        self
    }

    /// Logs in as this user with this password (SRP, RFC 5054), with the cipher suites of `SRP_SHA` and
    /// `SRP_SHA_RSA`, which are of TLS 1.2 and older, come with the feature `finite-field`, and have to be
    /// [named](Self::cipher_suites). Both ends prove that they know the password, or what is made of it,
    /// and nobody who listens can try passwords. The name, of 1 to 255 bytes, is sent in the clear. Both are
    /// taken as they are; what is not ASCII should be in the form of RFC 4013 (RFC 5054 §2.3).
    ///
    /// A server of `SRP_SHA` shows no certificate; one of `SRP_SHA_RSA` shows one that is verified as any.
    /// Any group of the RFC's appendix is accepted that has as many bits as `dh_minimum` says (2,048), and no
    /// other. A wrong password shows as an alert of the
    /// server's, mostly `bad_record_mac`. There is an example at [`SrpUsers::new`](crate::config::SrpUsers::new).
    pub fn srp(mut self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        self.client.srp = Some(SrpLogin::new(user.as_ref(), password.as_ref()));
        self
    }

    /// What logging in needs is there.
    fn check_srp(&self) -> Result<(), Misuse> {
        let login = self.client.srp.as_ref();
        let needed = "a user and a password: give them with `srp`";
        self.client.policy.check_srp(needed, login.map(|_| "srp"))?;
        login.map_or(Ok(()), SrpLogin::check)
    }

    /// Pauses after the ServerHello with the question
    /// [`ReviewServerHello`](crate::question::ReviewServerHello). Default: no. In `portcullis` the
    /// connector's answers get it, and without any the handshake goes on; its own `pause_at_hello` needs
    /// no such switch.
    pub fn pause_at_hello(mut self, on: bool) -> Self {
        self.client.policy.asked.hello = on;
        self
    }

    /// Where nothing proves who the server is, nothing may be demanded of it.
    fn check_anonymous(&self) -> Result<(), Misuse> {
        let anonymous = self.client.policy.suite_that(Exchange::is_anonymous);
        let Some(suite) = anonymous else {
            return Ok(());
        };
        if self.client.chain_policy().is_some() {
            return Err(Misuse::new(format!(
                "cipher_suites: with {suite} nothing proves who the server is, and this configuration \
                 verifies servers; leave it out, or start with \
                 `dangerous_builder_without_verification`"
            )));
        }
        if self.client.policy.asked.verification {
            return Err(Misuse::new(format!(
                "ask_verification: with {suite} the server shows nothing that somebody could be asked \
                 about; leave out one of the two"
            )));
        }
        Ok(())
    }

    /// Suites for DSA keys are of no use where none of their signatures is accepted.
    fn check_dsa(&self) -> Result<(), Misuse> {
        let policy = &self.client.policy;
        let is_dss = |suite: &&CipherSuite| {
            let info = suite.info();
            info.is_some_and(|info| info.authentication == Authentication::Dss)
        };
        match policy.cipher_suites.iter().find(is_dss) {
            Some(suite) if !policy.accepts_dsa() => Err(Misuse::new(format!(
                "cipher_suites: {suite} is for certificates with DSA keys, and signature_schemes has none for \
                 these; name one there, such as dsa_sha256, or leave the suite out"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks the options against each other.
    ///
    /// ```
    /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
    /// use portcullis::{ClientConfig, Roots};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    /// # let roots = Roots::from_pem(&pem)?;
    /// let config = ClientConfig::builder(roots).build()?;
    /// // Nobody would be trusted.
    /// let error = ClientConfig::builder(Roots::empty()).build().unwrap_err();
    /// println!("{error}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A sentence that names the option and what to do.
    pub fn build(mut self) -> Result<ClientConfig, Misuse> {
        self.client.policy.keys_alone = self.trusts_keys_alone();
        self.client.policy.check()?;
        self.check_offered_keys()?;
        self.check_next_protocols()?;
        if let KeyShares::Groups(groups) = &self.client.key_shares {
            if !groups.is_empty() {
                distinct("key_shares", groups)?;
            }
            if let Some(group) = groups
                .iter()
                .find(|group| !self.client.policy.groups.contains(group))
            {
                return Err(Misuse::new(format!(
                    "key_shares: {group} is not among the groups"
                )));
            }
            if let Some(group) = groups.iter().find(|group| !group.is_usable_in_tls13()) {
                return Err(Misuse::new(format!(
                    "key_shares: {group} is for versions before TLSv1.3, which have no shares; leave it out here"
                )));
            }
        }
        self.settle_types()?;
        self.check_anonymous()?;
        self.check_srp()?;
        self.check_ech()?;
        self.check_dsa()?;
        self.check_ocsp()?;
        self.check_post_handshake()?;
        for identity in &self.client.identities {
            self.client.policy.check_identity(identity)?;
            identity.compress(&self.client.policy.compression);
        }
        if let Verification::Chain(policy) = self.client.verification {
            if policy.roots().is_empty()
                && !self.client.policy.asked.verification
                && self.client.policy.has_certificates()
                && self.client.accepted.accepts(CertificateType::X509)
            {
                return Err(Misuse::new(
                    "there is no trust anchor: every server would be refused; add a root certificate",
                ));
            }
            if self.client.send_certificate_authorities {
                check_authorities(policy.roots())?;
            }
            let mut policy = policy.intermediates(self.client.intermediates.iter().cloned())?;
            if let Some(policies) = &self.client.certificate_policies {
                policy = policy.policies(policies.clone());
            }
            match (&self.client.host_name_rules, self.client.skips_name_check) {
                (None, false) => {}
                (None, true) => policy = policy.dangerous_skip_name_check(),
                (Some(rules), false) => {
                    rules.check()?;
                    policy = policy.host_name_rules(rules.clone());
                }
                (Some(_), true) => {
                    return Err(Misuse::new(
                        "host_name_rules: with dangerous_skip_name_check no name is looked for; leave out one of the \
                         two",
                    ));
                }
            }
            let schemes: Vec<_> = self.client.policy.certificate_schemes().collect();
            self.client.verification = Verification::Chain(
                policy
                    .signed_with(&schemes, self.client.policy.key_minimum)
                    .memo(self.client.policy.memo.clone())
                    .crl_check(self.client.policy.crl_check)
                    .staples(match self.client.request_ocsp_response {
                        true => self.client.staples,
                        false => Staples::OFF,
                    }),
            );
        } else if self.client.host_name_rules.is_some()
            || self.client.skips_name_check
            || self.client.certificate_policies.is_some()
            || !self.client.intermediates.is_empty()
        {
            return Err(Misuse::new(
                "host_name_rules, dangerous_skip_name_check, policies, intermediates: this configuration does not verify servers; leave them \
                 out, or start with `builder`",
            ));
        } else if self.client.policy.crl_check.is_on() {
            return Err(Misuse::new(
                "crl_check: this configuration does not verify servers; leave it out, or start with `builder`",
            ));
        }
        let identities = Identity::digest_of_keys(&self.client.identities);
        let identities = self.client.policy.psks.digest(identities);
        self.client.identities_digest = match &self.client.srp {
            Some(login) => Some(login.digest(identities)),
            None => identities,
        };
        Ok(ClientConfig(Arc::new(self.client)))
    }

    fn check_next_protocols(&self) -> Result<(), Misuse> {
        let refused = match (
            &self.client.next_protocol_fallback,
            &self.client.policy.next_protocols,
        ) {
            (Some(name), _) if name.len() > 255 => "a protocol name must have at most 255 bytes",
            (Some(_), None) => "there are no `next_protocols`, so no server is told",
            _ => return Ok(()),
        };
        Err(Misuse::new(format!("next_protocol_fallback: {refused}")))
    }
}

impl SessionKey {
    /// The key for TLS connections to `server_name` with this configuration. A `service` is a name of
    /// the caller's: two of one host have different sessions.
    pub fn new(
        config: &ClientConfig,
        server_name: ServerName<'static>,
        service: Option<&str>,
    ) -> Self {
        Self {
            dialect: Dialect::Tls,
            server_name,
            service: service.map(Box::from),
            identities: config.0.identities_digest,
            asks_identity: config.0.policy.asked.identity || config.0.policy.asked.psk,
        }
    }
}
