//! A connection over datagrams whose hello is encrypted, and what to do where the server has other keys by now.
//!
//! RFC 9849 §6.1.6.

use portcullis_core::ech::EchConfigList;
use tokio::net::ToSocketAddrs;

use super::connection::DtlsConnection;
use super::connector::DtlsConnector;
use crate::error::Error;
use crate::name::ToServerName;

impl DtlsConnector {
    /// [Connects](Self::connect) with an encrypted ClientHello (RFC 9849), and once more if the server has not accepted it
    /// and sends other configurations, by the rules of
    /// [`TlsConnector::connect_with_ech_retry`](crate::TlsConnector::connect_with_ech_retry). Gives the configurations
    /// that the server has accepted, too.
    ///
    /// Each time there is a socket of its own, and the [`handshake_timeout`](crate::TlsConnector::handshake_timeout).
    ///
    /// # Errors
    /// When a handshake fails; the rejection, also where nothing that the server sends can be used here, and the second
    /// one; when no configuration of the list can be used, before anything is sent.
    ///
    /// # Cancel safety
    /// As [`connect`](Self::connect).
    pub async fn connect_with_ech_retry<A: ToSocketAddrs + Clone>(
        &self,
        address: A,
        name: impl ToServerName,
        list: EchConfigList,
    ) -> Result<(DtlsConnection, EchConfigList), Error> {
        let name = name.to_server_name()?;
        let once = self.with(self.tls.encrypting(&list)?);
        let rejected = match once.connect(address.clone(), name.clone()).await {
            Ok(connection) => return Ok((connection, list)),
            Err(error) => error,
        };
        let (again, list) = self.tls.encrypting_again(rejected)?;
        let connection = self.with(again).connect(address, name).await?;
        Ok((connection, list))
    }
}
