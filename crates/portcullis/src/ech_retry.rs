//! A connection whose hello is encrypted, and what to do where the server has other keys by now.
//!
//! RFC 9849 §6.1.6.

use std::future::Future;
use std::io;

use portcullis_core::ech::{EchConfigList, Retry};
use portcullis_core::{Misuse, Stage};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;

use crate::connector::TlsConnector;
use crate::error::Error;
use crate::handshake::deadline;
use crate::name::ToServerName;
use crate::reload::Reloadable;
use crate::stream::TlsStream;

impl TlsConnector {
    /// Connects with an encrypted ClientHello (RFC 9849), and once more if the server has not accepted it and sends
    /// other configurations: servers change their keys more often than DNS forgets.
    ///
    /// `list` is of this server, from its HTTPS record; `connect` makes a transport, and is called once or twice. What
    /// the server sends counts only after it has proved, by its certificate, to be the one with the public name, and only
    /// for this connection. A third try there is not, nor one without: a server that has switched this off is the
    /// error, whose [`ech_rejection`](Error::ech_rejection) says so, and whether its name may be seen is for you to say.
    ///
    /// Gives the configurations that the server has accepted, too: for the next connections, until DNS has others.
    ///
    /// ```no_run
    /// use portcullis::TlsConnector;
    /// use portcullis::ech::EchConfigList;
    /// use tokio::net::TcpStream;
    ///
    /// # async fn connect(connector: TlsConnector, list: EchConfigList) -> Result<(), portcullis::Error> {
    /// let transport = || TcpStream::connect("192.0.2.7:443");
    /// let (stream, _list) = connector
    ///     .connect_with_ech_retry("secret.example", list, transport)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The name is not seen, also where the configuration has
    /// [`ech_required(false)`](crate::config::ClientConfigBuilder::ech_required). Each time the transport and the handshake
    /// have [`handshake_timeout`](Self::handshake_timeout) together.
    ///
    /// # Errors
    /// When a transport cannot be made, or a handshake fails; the rejection, also where nothing that the server sends can be
    /// used here, and the second one, of a server that does not accept what it has sent itself; when no
    /// configuration of the list can be used, before anything is sent.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub async fn connect_with_ech_retry<IO, F>(
        &self,
        name: impl ToServerName,
        list: EchConfigList,
        mut connect: impl FnMut() -> F,
    ) -> Result<(TlsStream<IO>, EchConfigList), Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<IO>>,
    {
        let name = name.to_server_name()?;
        let once = self.encrypting(&list)?;
        let rejected = match once.connect_by(&name, &mut connect).await {
            Ok(stream) => return Ok((stream, list)),
            Err(error) => error,
        };
        let (again, list) = self.encrypting_again(rejected)?;
        let stream = again.connect_by(&name, &mut connect).await?;
        Ok((stream, list))
    }

    /// The same connector, of which nothing is seen but what is encrypted.
    pub(crate) fn encrypting(&self, list: &EchConfigList) -> Result<Self, Misuse> {
        let config = self.config.current().with_ech_required(list.clone())?;
        let mut once = self.clone();
        once.config = Reloadable::new(config);
        Ok(once)
    }

    /// The same with what a server has sent that did not accept it.
    ///
    /// # Errors
    /// The rejection, if there is nothing to try again with.
    pub(crate) fn encrypting_again(&self, rejected: Error) -> Result<(Self, EchConfigList), Error> {
        let retry = rejected.ech_rejection().map(|rejection| rejection.retry());
        let Some(Retry::With(list)) = retry else {
            return Err(rejected);
        };
        let list = list.clone();
        match self.encrypting(&list) {
            Ok(again) => Ok((again, list)),
            Err(_) => Err(rejected),
        }
    }

    async fn connect_by<IO, F>(
        &self,
        name: &ServerName<'static>,
        connect: &mut impl FnMut() -> F,
    ) -> Result<TlsStream<IO>, Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<IO>>,
    {
        let limit = self.conduct.handshake_timeout;
        let deadline = deadline(limit);
        let io = timeout_at(deadline, connect()).await;
        let io = io.map_err(|_| Error::timeout(Stage::Connecting, limit))?;
        let io = io.map_err(|error| Error::io(error, Stage::Connecting))?;
        self.upgrade_by(deadline, io, name.clone(), None).await
    }
}
