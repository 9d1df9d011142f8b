//! `TlsConnector` in `tokio_postgres::connect`.

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};

use crate::connector::TlsConnector;
use crate::error::Error;
use crate::handshake::Handshaking;
use crate::name::ToServerName as _;
use crate::stream::TlsStream;

/// With feature `tokio-postgres`. Passwords are proved with channel binding (SCRAM-SHA-256-PLUS,
/// RFC 5929 §4), so that nobody who has another certificate for the name can stand between.
///
/// Say `sslmode=require`: the default, `prefer`, goes on in plain text when the server, or
/// somebody in between, says that it has no TLS. With `sslnegotiation=direct` the configuration
/// needs the ALPN protocol `postgresql`. Its timeout is the connector's handshake timeout, and
/// sessions are kept under the service name `postgresql`, unless it has one.
///
/// ```no_run
/// use portcullis::{ClientConfig, Roots, TlsConnector};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsConnector::new(ClientConfig::builder(Roots::from_pem_file("ca.pem")?).build()?);
/// let url = "host=db.example.com user=app password=secret sslmode=require channel_binding=require";
/// let (client, connection) = tokio_postgres::connect(url, tls).await?;
/// tokio::spawn(connection);
/// let row = client.query_one("SELECT 1", &[]).await?;
/// # let _: i32 = row.get(0);
/// # Ok(())
/// # }
/// ```
impl<S> MakeTlsConnect<S> for TlsConnector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = TlsStream<S>;
    type TlsConnect = PostgresConnect;
    type Error = Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<PostgresConnect, Error> {
        Ok(PostgresConnect {
            name: domain.to_server_name()?,
            connector: self.clone().or_service_name("postgresql"),
        })
    }
}

/// Shakes hands with one server.
#[derive(Clone, Debug)]
pub struct PostgresConnect {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S> TlsConnect<S> for PostgresConnect
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = TlsStream<S>;
    type Error = Error;
    type Future = Handshaking<S>;

    fn connect(self, stream: S) -> Handshaking<S> {
        self.connector.upgrade(stream, self.name)
    }
}

/// With feature `tokio-postgres`: the hash of the server's certificate.
impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for TlsStream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match self.information().tls_server_end_point() {
            Some(hash) => ChannelBinding::tls_server_end_point(hash),
            None => ChannelBinding::none(),
        }
    }
}
