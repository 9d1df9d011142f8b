//! `Connections` in `axum::serve`, and what handlers learn of them.

use std::io;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};

use super::TlsConnectInfo;
use crate::accept::{Accept, Connections};
use crate::stream::TlsStream;

/// With feature `axum`. A slow or broken client holds up nobody, and failed handshakes are
/// axum's business no more than silent ones: [`on_failed`](Connections::on_failed) tells of them.
///
/// Without ALPN clients speak HTTP/1.1; offer `h2` with axum's feature `http2` only.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use portcullis::{Identity, ServerConfig, TlsConnectInfo, TlsListener};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ServerConfig::builder()
///     .identity(Identity::from_pem_files("chain.pem", Some("key.pem".as_ref()))?)
///     .alpn(["http/1.1"])
///     .build()?;
/// let connections = TlsListener::bind("0.0.0.0:443", config).await?.connections(256);
/// // Both go on working when the connections are axum's.
/// let (stop, configuration) = (connections.stop_handle(), connections.reloadable());
///
/// let router = Router::new().route("/", get(|| async { "hello" }));
/// axum::serve(connections, router.into_make_service_with_connect_info::<TlsConnectInfo>())
///     .with_graceful_shutdown(stop.stopped())
///     .await?;
/// # drop(configuration);
/// # Ok(())
/// # }
/// ```
impl<A: Accept> Listener for Connections<A> {
    type Io = TlsStream<A::Io>;
    type Addr = A::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.next_established().await {
                Some(Ok(accepted)) => return accepted,
                // The next try waits by itself, longer each time.
                Some(Err(error)) => tracing::error!(%error, "accepting failed"),
                // axum ends when it is told so: by `StopHandle::stopped`.
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Self::local_addr(self)
    }
}

/// With feature `axum`: `Router::into_make_service_with_connect_info::<TlsConnectInfo>()`.
impl<A> Connected<IncomingStream<'_, Connections<A>>> for TlsConnectInfo<A::Addr>
where
    A: Accept,
    A::Addr: Clone,
{
    fn connect_info(stream: IncomingStream<'_, Connections<A>>) -> Self {
        Self::new(
            stream.remote_addr().clone(),
            stream.io().shared_information(),
        )
    }
}
