//! What a request may know of the connection that it came by.

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_core::{ConnectionInformation, ProtocolVersion};
use rustls_pki_types::CertificateDer;

/// The connection that a request came by: what axum's handlers extract, and what tonic puts into
/// the extensions of a request. Cheap to clone.
///
/// `A` is what the transport says of itself: in axum the client's address, in tonic its
/// `TcpConnectInfo`. A layer of axum or tower finds it in the extensions of the request: in axum as
/// `ConnectInfo<TlsConnectInfo>`, in tonic as it is.
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::extract::ConnectInfo;
/// use portcullis::TlsConnectInfo;
///
/// async fn who(ConnectInfo(client): ConnectInfo<TlsConnectInfo>) -> String {
///     let certificates = client.peer_certificates().len();
///     let address = client.get_ref();
///     format!("{address}, {}, {certificates} certificates", client.version())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TlsConnectInfo<A = SocketAddr> {
    transport: A,
    information: Arc<ConnectionInformation>,
}

impl<A> TlsConnectInfo<A> {
    pub(super) fn new(transport: A, information: Arc<ConnectionInformation>) -> Self {
        Self {
            transport,
            information,
        }
    }

    /// What the transport says of itself.
    pub fn get_ref(&self) -> &A {
        &self.transport
    }

    /// All that was negotiated, with keying material (RFC 8446 §7.5).
    pub fn information(&self) -> &ConnectionInformation {
        &self.information
    }

    /// The client's certificate chain, verified, its own first; empty when it showed none.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.information.peer_certificates()
    }

    /// The name by which the client has asked for the server (SNI, RFC 6066 §3).
    pub fn server_name(&self) -> Option<&str> {
        self.information.server_name()
    }

    /// The protocol that was agreed on by ALPN (RFC 7301), e.g. `h2`.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.information.alpn_protocol()
    }

    /// The version of TLS.
    pub fn version(&self) -> ProtocolVersion {
        self.information.version()
    }
}
