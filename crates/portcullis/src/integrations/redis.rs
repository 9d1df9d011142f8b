//! A store of sessions, and a replay guard, in Redis, over TLS.

use std::io;

use portcullis_session_cache::{
    RedisReplayGuard, RedisStore, StoreError, StoreErrorKind, StoreFuture, StoreKeys,
};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo as _, RedisError};

use crate::connector::TlsConnector;
use crate::name::ToServerName as _;

/// A [`RedisStore`] at a URL `rediss://[user:password@]host[:port][/database]`, whose connections are of this
/// connector. With feature `redis`.
///
/// The connector's configuration decides whom to trust, and shows a certificate if Redis asks for one
/// (`tls-auth-clients`). It must not keep its own sessions in this very store. It has a second for each
/// connection, and its sessions are kept under the service name `redis`, unless it has one.
///
/// ```no_run
/// use portcullis::{ClientConfig, Roots, StoreKeys, TlsConnector, redis_over_tls};
///
/// # async fn example(secret: &[u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsConnector::new(ClientConfig::builder(Roots::from_pem_file("ca.pem")?).build()?);
/// let keys = StoreKeys::new([secret])?;
/// let store = redis_over_tls("rediss://sessions.example.com/0", tls, keys)?;
/// store.ping().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the URL is another one. Whether Redis is there [`ping`](RedisStore::ping) tells.
pub fn redis_over_tls(
    url: &str,
    connector: TlsConnector,
    keys: StoreKeys,
) -> Result<RedisStore, StoreError> {
    Ok(RedisStore::connecting(connections(url, connector)?, keys))
}

/// A [`RedisReplayGuard`] without a store beside it, at a URL as for [`redis_over_tls`]. With feature `redis`.
///
/// # Errors
/// When the URL is another one. Whether Redis is there [`ping`](RedisReplayGuard::ping) tells.
pub fn replay_guard_over_tls(
    url: &str,
    connector: TlsConnector,
) -> Result<RedisReplayGuard, StoreError> {
    Ok(RedisReplayGuard::connecting(connections(url, connector)?))
}

type Connected = Result<MultiplexedConnection, RedisError>;

/// What makes connections to a URL.
fn connections(
    url: &str,
    connector: TlsConnector,
) -> Result<impl Fn() -> StoreFuture<'static, Connected> + Send + Sync + use<>, StoreError> {
    let wrong = |reason: &dyn std::fmt::Display| {
        // Not the URL: it may have a password in it.
        let sentence = format!("the URL of Redis cannot be used: {reason}");
        StoreError::new(StoreErrorKind::Options, sentence)
    };
    let Some(rest) = url.strip_prefix("rediss://") else {
        return Err(wrong(
            &"it does not begin with rediss://; without TLS there is `RedisStore::open`",
        ));
    };
    // The crate knows rediss:// only with the TLS that it brings.
    let info = format!("redis://{rest}").into_connection_info();
    let info = info.map_err(|error| wrong(&error))?;
    let ConnectionAddr::Tcp(host, port) = info.addr().clone() else {
        return Err(wrong(&"it has no host"));
    };
    let name = host
        .as_str()
        .to_server_name()
        .map_err(|error| wrong(&error))?;
    let settings = info.redis_settings().clone();
    let connector = connector.or_service_name("redis");
    Ok(move || -> StoreFuture<'static, Connected> {
        let (connector, name) = (connector.clone(), name.clone());
        let (address, settings) = ((host.clone(), port), settings.clone());
        Box::pin(async move {
            let stream = connector.connect(address, name).await;
            let stream = stream.map_err(|error| RedisError::from(io::Error::other(error)))?;
            // The store has time limits of its own.
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let made = MultiplexedConnection::new_with_config(&settings, stream, config).await;
            let (connection, driver) = made?;
            tokio::spawn(driver);
            Ok(connection)
        })
    })
}
