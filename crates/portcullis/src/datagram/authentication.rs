//! Authentication after the handshake: a server asks for a certificate while messages flow.
//!
//! RFC 8446 §4.6.2, RFC 9147 §5.8.4. The socket's task reads, so it finds what the peer says and has it dealt with, also
//! while nobody waits for messages.

use std::fmt;
use std::task::{Context, Waker};
use std::time::Duration;

use portcullis_core::{ConnectionInformation, Stage};
use tokio::time::timeout;

use super::association::{Association, Owner, bell};
use super::connection::DtlsConnection;
use super::split::DtlsSender;
use crate::authentication::{
    Authentication, ClientCertificate, PendingCertificate, Reading, impossible,
};
use crate::error::Error;

/// What a connection has whose client may be asked.
pub(super) struct Authenticated {
    reading: Reading,
    /// Rings for the driver.
    bell: Waker,
}

impl Authenticated {
    pub(super) fn new(association: &Association, authentication: Authentication) -> Self {
        Self {
            reading: Reading(authentication),
            bell: bell(association),
        }
    }

    /// Nobody hears more.
    pub(super) fn end(&self, error: Option<&Error>) {
        self.reading.end(error);
    }
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticated")
    }
}

impl Association {
    /// Deals with what has come of it. Whether there is something to be sent because of that.
    pub(super) fn authenticate(&self) -> bool {
        let Some(authenticated) = self.authenticated.get() else {
            return false;
        };
        let ended = self.ended();
        if ended.is_some() {
            authenticated.reading.0.silence();
        }
        // It asks whoever judges, so no lock is held.
        let collected = authenticated.reading.0.collect();
        match (ended, &collected) {
            (Some(Ok(())), _) => authenticated.end(None),
            (Some(Err(error)), _) => authenticated.end(Some(&error)),
            (None, Err(error)) => authenticated.end(Some(error)),
            (None, Ok(())) => {}
        }
        // Why it has failed, too.
        self.writer_has_work()
    }

    /// The driver looks, and does so again when somebody has asked or answered. Why it has failed meanwhile, if it
    /// has.
    pub(super) fn attend(&self) -> Option<Error> {
        let authenticated = self.authenticated.get()?;
        let cx = Context::from_waker(&authenticated.bell);
        authenticated.reading.0.attend(&cx)
    }
}

/// Asks the client.
fn request(
    owner: &Owner,
    information: &ConnectionInformation,
) -> Result<PendingCertificate, Error> {
    match owner.authenticated.get() {
        // Nothing follows close_notify (RFC 8446 §6.1).
        Some(_) if owner.with_writer(|writer| writer.is_closed())? => Err(Error::closed()),
        Some(authenticated) => authenticated.reading.0.request(),
        None => Err(impossible(information.version())),
    }
}

impl DtlsConnection {
    /// Server: asks the client for its certificate (RFC 8446 §4.6.2), while messages flow in both directions. With
    /// [`post_handshake_authentication`](crate::config::ServerConfigBuilder::post_handshake_authentication), and of a client that
    /// has offered it.
    ///
    /// It returns at once. The socket's task sends the request, again if it is lost, and finds the answer, also while
    /// nobody receives messages. Four may be open at a time. Messages keep no order with the certificate: what a client
    /// has said before it may come after it.
    ///
    /// [`information`](Self::information) is of the handshake, and stays as it was. A ticket that the client gets from
    /// here on is that of the client that has shown this certificate.
    ///
    /// # Errors
    /// One that says what is missing ([`InvalidInput`](std::io::ErrorKind::InvalidInput)) where it is not possible: before
    /// DTLS 1.3, of a client that has not offered it, on the client's side, and while four are open; the connection goes on.
    /// [`Error::is_closed`] after [`close`](Self::close), or the peer's; whatever has ended the connection.
    pub fn request_client_certificate(&self) -> Result<PendingCertificate, Error> {
        request(&self.owner, self.information())
    }

    /// Server: asks the client for its certificate, and waits for it. Messages that come meanwhile wait to be received,
    /// as far as there is room for them ([`DtlsOptions::inbox`](crate::DtlsOptions::inbox)).
    ///
    /// # Errors
    /// As [`request_client_certificate`](Self::request_client_certificate) and [`PendingCertificate`];
    /// [`Error::is_timeout`] after `limit`, and then the connection goes on, and the answer, if it comes, is checked and
    /// forgotten.
    ///
    /// # Cancel safety
    /// Dropped, no message is lost; the request stays, and nobody hears the answer.
    pub async fn authenticate_client(&self, limit: Duration) -> Result<ClientCertificate, Error> {
        let pending = self.request_client_certificate()?;
        let heard = timeout(limit, pending).await;
        heard.unwrap_or_else(|_| Err(Error::timeout(Stage::Connected, limit)))
    }
}

impl DtlsSender {
    /// As [`DtlsConnection::request_client_certificate`].
    ///
    /// # Errors
    /// As there.
    pub fn request_client_certificate(&self) -> Result<PendingCertificate, Error> {
        request(&self.owner, &self.information)
    }
}
