//! `Connections` in tonic's server.

use tokio::io::{AsyncRead, AsyncWrite};
use tonic::transport::server::Connected;

use super::TlsConnectInfo;
use crate::stream::TlsStream;

/// With feature `tonic`. [`Connections`](crate::Connections) go into `serve_with_incoming`, and
/// end the server when they are [stopped](crate::Connections::stop_handle); a
/// [`TlsConnectInfo`] is in the extensions of each request. A client's channel takes an
/// [`HttpsConnector`](crate::HttpsConnector). gRPC speaks HTTP/2: both sides have `h2` in their
/// ALPN.
///
/// ```
/// use portcullis::TlsConnectInfo;
/// use tonic::transport::server::TcpConnectInfo;
///
/// fn is_known<T>(request: &tonic::Request<T>) -> bool {
///     let client = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
///     client.is_some_and(|client| !client.peer_certificates().is_empty())
/// }
/// # assert!(!is_known(&tonic::Request::new(())));
/// ```
impl<IO: AsyncRead + AsyncWrite + Unpin + Connected> Connected for TlsStream<IO> {
    type ConnectInfo = TlsConnectInfo<IO::ConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        TlsConnectInfo::new(self.get_ref().connect_info(), self.shared_information())
    }
}
