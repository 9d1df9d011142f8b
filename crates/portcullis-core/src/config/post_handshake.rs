//! Whether a client is asked for its certificate after the handshake, and what is to be in it.
//!
//! RFC 8446 §4.2.5, §4.2.6, §4.6.2.

use super::client::ClientConfigBuilder;
use super::client_authentication::ClientAuthentication;
use super::server::{ServerConfigBuilder, ServerOptions};
use crate::error::Misuse;
use crate::version::Version;
use crate::wire::extension::CertificateType;
use crate::x509::CertificateFilter;

impl ServerOptions {
    /// Whether a client is asked in the handshake.
    pub(crate) fn asks_in_handshake(&self) -> bool {
        self.client_authentication.is_requested() && !self.policy.post_handshake
    }

    /// Whether a client is refused in a handshake in which it shows nothing.
    pub(crate) fn requires_in_handshake(&self) -> bool {
        matches!(
            self.client_authentication,
            ClientAuthentication::Required(_)
        ) && !self.policy.post_handshake
    }
}

impl ClientConfigBuilder {
    /// Whether the server may ask for a certificate after the handshake (RFC 8446 §4.6.2). Default: no, and a server
    /// that asks all the same is refused. It takes TLS 1.3 or DTLS 1.3; over HTTP/2 nobody may be asked (RFC 9113
    /// §9.2.3).
    ///
    /// The certificate is chosen as in the handshake, by [`identity`](Self::identity) or by what answers
    /// [`ask_identity`](Self::ask_identity); without one that fits the server is told that there is none. Requests are
    /// found by reading. At most four are open at a time, and once 64 were answered with a certificate over one connection a
    /// further one ends it.
    pub fn post_handshake_authentication(mut self, on: bool) -> Self {
        self.client.policy.post_handshake = on;
        self
    }

    pub(super) fn check_post_handshake(&self) -> Result<(), Misuse> {
        check_version(
            self.client.policy.post_handshake,
            self.client.policy.speaks(Version::V1_3),
        )
    }
}

impl ServerConfigBuilder {
    /// Asks for the client's certificate after the handshake, when the application says so, and not in it (RFC 8446
    /// §4.6.2): a client that may be asked has said so in its hello, which few clients do. Default: no.
    ///
    /// How it is judged says [`client_authentication`](Self::client_authentication): a chain that does not lead to its
    /// roots ends the connection, and so does a client without one where it is
    /// [`Required`](ClientAuthentication::Required). Before TLS 1.3, and of a client that has not offered it, nobody is
    /// asked; with HTTP/2 nobody may be (RFC 9113 §9.2.3).
    pub fn post_handshake_authentication(mut self, on: bool) -> Self {
        self.server.policy.post_handshake = on;
        self
    }

    /// What has to be in a client's certificate (RFC 8446 §4.2.5), in the handshake and after it: the client is told,
    /// and one whose certificate does not have it is refused with `unsupported_certificate`; a session of one that does
    /// not is not resumed. In TLS 1.3: before, clients are not told, and nothing is looked at. Default: nothing.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses filters where no client is asked for a certificate, or may show a raw public key, which has no
    /// extensions; two of one object identifier; and values of another extension than keyUsage and extKeyUsage, which
    /// nobody can compare: without values such an extension has to be there.
    pub fn oid_filters(mut self, filters: impl IntoIterator<Item = CertificateFilter>) -> Self {
        self.server.oid_filters = filters.into_iter().collect();
        self
    }

    pub(super) fn check_post_handshake(&self) -> Result<(), Misuse> {
        let server = &self.server;
        check_version(
            server.policy.post_handshake,
            server.policy.speaks(Version::V1_3),
        )?;
        if server.policy.post_handshake && !server.client_authentication.is_requested() {
            return Err(Misuse::new(
                "post_handshake_authentication: no client is asked for a certificate; say with client_authentication \
                 how it is judged",
            ));
        }
        if server.policy.post_handshake && !server.accepted.accepts(CertificateType::X509) {
            return Err(Misuse::new(
                "post_handshake_authentication: a client that is asked later shows a certificate, and \
                 client_certificate_types has none",
            ));
        }
        let filters = &server.oid_filters;
        if !filters.is_empty() && !server.client_authentication.is_requested() {
            return Err(Misuse::new(
                "oid_filters: no client is asked for a certificate; ask with client_authentication",
            ));
        }
        if !filters.is_empty() && server.accepted.accepts(CertificateType::RAW_PUBLIC_KEY) {
            return Err(Misuse::new(
                "oid_filters: a raw public key has no extensions; leave RAW_PUBLIC_KEY out of client_certificate_types, or \
                 the filters",
            ));
        }
        if !filters.iter().all(CertificateFilter::is_comparable) {
            return Err(Misuse::new(
                "oid_filters: only the values of keyUsage and extKeyUsage can be compared (RFC 8446 §4.2.5); ask for \
                 another extension without values, and look at these where the chain is judged",
            ));
        }
        let is_twice = |(at, filter): (usize, &CertificateFilter)| {
            let mut before = filters.iter().take(at);
            before.any(|before| before.oid() == filter.oid())
        };
        let bytes: usize = filters
            .iter()
            .map(|filter| filter.oid().len() + filter.values().len() + 3)
            .sum();
        if filters.iter().enumerate().any(is_twice) || bytes > 16_384 {
            return Err(Misuse::new(
                "oid_filters: each object identifier may be there once, and all filters have at most 16,384 bytes",
            ));
        }
        Ok(())
    }
}

fn check_version(is_on: bool, speaks_tls13: bool) -> Result<(), Misuse> {
    match is_on && !speaks_tls13 {
        true => Err(Misuse::new(
            "post_handshake_authentication: it takes TLSv1.3, and `versions` has it not; before, there is `renegotiation`",
        )),
        false => Ok(()),
    }
}
