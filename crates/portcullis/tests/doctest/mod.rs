// What examples in the documentation begin with; they include this file.

/// An identity for `localhost`, made just now, and the roots that trust it.
#[allow(dead_code)]
fn dev_identity() -> (portcullis::Identity, portcullis::Roots) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    let identity = portcullis::Identity::from_pem(&pem, None).unwrap();
    (identity, portcullis::Roots::from_pem(&pem).unwrap())
}

/// A client and a server that trust each other.
#[allow(dead_code)]
fn dev_ends() -> (portcullis::TlsConnector, portcullis::TlsAcceptor) {
    let (identity, roots) = dev_identity();
    let client = portcullis::ClientConfig::builder(roots).alpn(["echo"]).build().unwrap();
    let server = portcullis::ServerConfig::builder().identity(identity).alpn(["echo"]);
    (client.into(), server.build().unwrap().into())
}

/// Both ends of a connection in memory: the client's and the server's.
#[allow(dead_code)]
async fn connected() -> (
    portcullis::TlsStream<tokio::io::DuplexStream>,
    portcullis::TlsStream<tokio::io::DuplexStream>,
) {
    let (connector, acceptor) = dev_ends();
    let (near, far) = tokio::io::duplex(65_536);
    let ends = tokio::join!(connector.upgrade(near, "localhost"), acceptor.accept(far));
    (ends.0.unwrap(), ends.1.unwrap())
}

/// Both ends of a connection over UDP: the client's and the server's.
#[cfg(feature = "dtls")]
#[allow(dead_code)]
async fn connected_datagrams() -> (portcullis::DtlsConnection, portcullis::DtlsConnection) {
    let (connector, acceptor) = dev_ends();
    let listener = portcullis::DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connecting = portcullis::DtlsConnector::new(connector).connect(address, "localhost");
    let accepting = async { listener.accept().await?.handshake().await };
    let ends = tokio::join!(connecting, accepting);
    (ends.0.unwrap(), ends.1.unwrap())
}
