//! A private key that never comes near the connection: another task signs, as a hardware module
//! or a key service would.
//!
//! `cargo run --example signer_async`

use portcullis::{
    ClientConfig, Identity, ServerConfig, SignatureScheme, TlsAcceptor, TlsConnector, TlsListener,
    answers,
};
use portcullis_examples::{Authority, KeyPair, Result, SigningKey as _};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot};

/// A request to the keeper of the key.
struct ToSign {
    scheme: SignatureScheme,
    content: Vec<u8>,
    signature: oneshot::Sender<Vec<u8>>,
}

/// Has the key. Ends when nobody can ask any more.
async fn keep(key: KeyPair, mut requests: mpsc::Receiver<ToSign>) -> Result<usize> {
    let mut signed = 0;
    while let Some(request) = requests.recv().await {
        assert_eq!(request.scheme, SignatureScheme::ECDSA_SECP256R1_SHA256);
        let signature = key.sign(&request.content)?;
        // The handshake may be gone by now; then nobody wants the signature.
        if request.signature.send(signature).is_ok() {
            signed += 1;
        }
    }
    Ok(signed)
}

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new()?;
    let (chain, key) = authority.issue("localhost")?;
    let (requests, received) = mpsc::channel(16);
    let keeper = tokio::spawn(keep(key, received));

    // The server has the certificate and knows what its key can do.
    let identity =
        Identity::with_external_key(chain, vec![SignatureScheme::ECDSA_SECP256R1_SHA256])?;
    let signer = answers::signer(move |_identity, scheme, content| {
        let requests = requests.clone();
        async move {
            let (signature, signed) = oneshot::channel();
            let request = ToSign {
                scheme,
                content,
                signature,
            };
            requests
                .send(request)
                .await
                .map_err(|_| "the keeper of the key is gone")?;
            signed.await.map_err(|_| "the keeper of the key gave up")
        }
    });
    // A resumed connection needs no signature; here each is to have one.
    let config = ServerConfig::builder()
        .identity(identity)
        .resumption(false)
        .build()?;
    let acceptor = TlsAcceptor::new(config).answers(signer);
    let listener = TlsListener::bind("127.0.0.1:0", acceptor).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let connector = TlsConnector::new(ClientConfig::builder(authority.roots()?).build()?);
    for _ in 0..2 {
        let mut stream = connector.connect(address, "localhost").await?;
        let scheme = stream.information().peer_signature_scheme();
        let message = stream.recv(16).await?;
        println!("{scheme:?}: {message:?}");
        assert_eq!(scheme, Some(SignatureScheme::ECDSA_SECP256R1_SHA256));
        assert_eq!(&message[..], b"signed elsewhere");
    }

    server.await??;
    // The listener was the last to know the keeper.
    assert_eq!(keeper.await??, 2);
    Ok(())
}

async fn serve(listener: TlsListener) -> Result {
    for _ in 0..2 {
        let mut stream = listener.accept().await?.handshake().await?;
        stream.send(&[b"signed elsewhere"]).await?;
        stream.shutdown().await?;
    }
    Ok(())
}
