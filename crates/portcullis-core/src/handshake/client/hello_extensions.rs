//! What the extensions of a ClientHello say.
//!
//! RFC 8446 §4.2, RFC 5246 §7.4.1.4, and what each extension names.

use rustls_pki_types::UnixTime;

use super::hello::{Client, Shares};
use super::resumption::{self, OfferedPsk};
use crate::compression::CertificateCompression;
use crate::config::ExtendedMasterSecret;
use crate::config::certificate_types::is_default;
use crate::dialect::Dialect;
use crate::suite::Exchange;
use crate::version::Version;
use crate::wire::extension::{
    self as extension, Alpn, CertificateAuthorities, ClientCertificateTypes, CompressCertificate,
    ConnectionId as ConnectionIdExtension, Cookie, EcPointFormat, EcPointFormats,
    KeyShareClientHello, MaxFragmentLength, NextProtocolOffer, PostHandshakeAuth, RecordSizeLimit,
    RenegotiationInfo, Rrc, ServerCertificateTypes, ServerName as ServerNameExtension,
    SessionTicket, SignatureAlgorithms, SignatureAlgorithmsCert, SignedCertificateTimestamp,
    SrpUser, StatusRequest, SupportedGroups, SupportedVersions, TicketRequest, UseSrtp,
};

/// A hello that is to be said. Its extensions stand in one order, by which servers know this client.
pub(super) struct Said<'a> {
    pub(super) client: &'a Client,
    pub(super) shares: &'a Shares,
    pub(super) sessions: &'a [OfferedPsk],
    pub(super) cookie: Option<&'a [u8]>,
    pub(super) now: UnixTime,
}

impl Said<'_> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let config = &*self.client.config;
        // RFC 9147 §5.1: in the first fragment, where a server finds it that keeps nothing.
        self.put_cookie(out, Dialect::Dtls);
        self.put_of_the_server(out);
        self.put_algorithms(out);
        self.put_protocols(out);
        self.put_of_records(out);
        self.put_cookie(out, Dialect::Tls);
        if self.speaks_tls13() {
            SupportedVersions::put(out, &config.policy.versions);
        }
        if config.policy.speaks_older() {
            self.put_before_tls13(out);
        }
        if let (true, Some(chain)) = (config.send_certificate_authorities, config.chain_policy()) {
            CertificateAuthorities::put(out, chain.roots().subjects());
        }
        if self.speaks_tls13() {
            self.put_of_tls13(out);
        }
    }

    /// Not in a renegotiation, which is of before.
    fn speaks_tls13(&self) -> bool {
        self.client.config.policy.speaks(Version::V1_3) && self.client.previous.is_none()
    }

    /// Whether a suite of before TLS 1.3 has such a key exchange.
    fn offers(&self, exchange: impl Fn(Exchange) -> bool) -> bool {
        let mut suites = self.client.config.policy.cipher_suites.iter();
        suites.any(|suite| suite.exchange().is_some_and(&exchange))
    }

    /// §4.2.2: what a HelloRetryRequest had.
    fn put_cookie(&self, out: &mut Vec<u8>, dialect: Dialect) {
        if let Some(cookie) = self.cookie
            && dialect == self.client.dialect
        {
            Cookie::put(out, cookie);
        }
    }

    /// Which server is meant, and what it is to show (RFC 6066, RFC 6962 §3.3, RFC 7250 §3).
    fn put_of_the_server(&self, out: &mut Vec<u8>) {
        let config = &self.client.config;
        if let Some(host) = config.indicated(&self.client.name) {
            ServerNameExtension::put(out, host);
        }
        if let Some(length) = config.max_fragment_length {
            MaxFragmentLength::put(out, length.into());
        }
        if config.request_ocsp_response {
            StatusRequest::put(out);
        }
        if config.request_scts {
            SignedCertificateTimestamp::put(out, &[]);
        }
        if !is_default(&config.client_certificate_types) {
            ClientCertificateTypes::put(out, &config.client_certificate_types);
        }
        if !is_default(&config.accepted.types) {
            ServerCertificateTypes::put(out, &config.accepted.types);
        }
    }

    /// §4.2.7, §4.2.3.
    fn put_algorithms(&self, out: &mut Vec<u8>) {
        let policy = &self.client.config.policy;
        // RFC 8422 §4, RFC 7919 §2: not where no suite has a use for them.
        let has_group = |exchange: Exchange| exchange.has_points() || exchange.has_field();
        if self.speaks_tls13() || self.offers(has_group) {
            SupportedGroups::put(out, &policy.groups);
        }
        // RFC 5246 §7.4.1.4.1: not for servers before TLS 1.2.
        if policy.newest() < Version::V1_2 {
            return;
        }
        SignatureAlgorithms::put(out, &policy.schemes);
        // What may sign certificates differs from what may sign the handshake.
        if let Some(of_certificates) = &policy.said_of_certificates {
            SignatureAlgorithmsCert::put(out, of_certificates);
        }
    }

    /// What is spoken inside (RFC 7301, RFC 5764 §4.1).
    fn put_protocols(&self, out: &mut Vec<u8>) {
        let Client {
            config, previous, ..
        } = self.client;
        let policy = &config.policy;
        // The protocol of a connection stays, so BoringSSL does not offer any again either.
        if !policy.alpn.is_empty() && previous.is_none() {
            Alpn::put(out, config.alpn_protocols());
        }
        if policy.srtp.is_on() && self.client.dialect == Dialect::Dtls {
            UseSrtp::put(out, &policy.srtp.profiles, &policy.srtp.mki);
        }
    }

    /// How records are to be (RFC 8449 §4, RFC 9146 §3, RFC 9853 §4).
    fn put_of_records(&self, out: &mut Vec<u8>) {
        if let Some(limit) = self.client.config.policy.record_size_limit {
            // RFC 8449 §4: what TLS 1.3 has beyond that is its content type.
            let most = if self.speaks_tls13() { 16_385 } else { 16_384 };
            RecordSizeLimit::put(out, limit.min(most));
        }
        if let Some((id, checks_paths)) = &self.client.connection_id {
            ConnectionIdExtension::put(out, id.as_slice());
            if *checks_paths {
                Rrc::put(out);
            }
        }
    }

    /// What only a server that goes on with TLS 1.3 looks at.
    fn put_of_tls13(&self, out: &mut Vec<u8>) {
        let config = &*self.client.config;
        let policy = &config.policy;
        if !policy.compression.is_empty() {
            let algorithms = policy.compression.iter();
            CompressCertificate::put(out, algorithms.map(CertificateCompression::algorithm));
        }
        KeyShareClientHello::put(out, self.shares.entries(config).by_ref());
        if policy.post_handshake {
            PostHandshakeAuth::put(out);
        }
        if self.client.sends_early_data() {
            extension::EarlyData::put(out);
        }
        if let (true, Some((new_session_count, resumption_count))) =
            (config.takes_tickets(), config.ticket_request)
        {
            let request = TicketRequest {
                new_session_count,
                resumption_count,
            };
            request.put(out);
        }
        // The last one (§4.2.11). Also where a HelloRetryRequest has left no key: what is said in both hellos stays
        // (§4.1.2).
        if config.takes_tickets() || !policy.psks.is_empty() {
            resumption::put_psks(out, config, self.sessions, self.now);
        }
    }

    /// What only a server that goes on before TLS 1.3 looks at.
    fn put_before_tls13(&self, out: &mut Vec<u8>) {
        let Client {
            config,
            older,
            previous,
            ..
        } = self.client;
        if config.policy.extended_master_secret != ExtendedMasterSecret::Off {
            extension::ExtendedMasterSecret::put(out);
        }
        if config.policy.offers_encrypt_then_mac() {
            extension::EncryptThenMac::put(out);
        }
        // RFC 5746 §3.4: in the first hello it is empty.
        match previous {
            None => RenegotiationInfo::put(out, &[]),
            Some(previous) => previous.put_of_client(out),
        }
        // Once for a connection, as ALPN.
        if config.policy.next_protocols.is_some() && previous.is_none() {
            NextProtocolOffer::put(out);
        }
        if let Some(login) = &config.srp {
            SrpUser::put(out, login.user());
        }
        // RFC 8422 §5.1.2: some servers want to see it; §4: not without a suite that it is about.
        if self.offers(Exchange::has_points) {
            EcPointFormats::put(out, [EcPointFormat::UNCOMPRESSED]);
        }
        if config.takes_tickets() {
            // RFC 5077 §3.2: without a ticket it asks for one. So does another handshake of the same connection, as with
            // OpenSSL, BoringSSL and Go: there are servers that answer what the first hello had (wolfSSL).
            let ticket = older
                .as_deref()
                .filter(|session| !session.is_id && previous.is_none());
            SessionTicket::put(out, ticket.map_or(&[], |session| &session.ticket));
        }
    }
}
