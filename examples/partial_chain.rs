//! A client trusts an authority of a department, whose own root it does not know: the chain is
//! verified up to there.
//!
//! `cargo run --example partial_chain`

use portcullis::pki_types::PrivateKeyDer;
use portcullis::pki_types::pem::PemObject as _;
use portcullis::{
    CertificateDer, ClientConfig, Identity, Roots, ServerConfig, TlsConnector, TlsListener, answers,
};
use portcullis_examples::{Authority, Result};
use tokio::io::AsyncWriteExt as _;

#[tokio::main]
async fn main() -> Result {
    let department = Authority::new()?;
    let trusted = CertificateDer::from_pem_slice(department.root_pem().as_bytes())?;

    // The server sends the department's certificate with its own.
    let (mut chain, key) = department.issue("localhost")?;
    chain.push(trusted.clone());
    let identity = Identity::from_der(chain, &PrivateKeyDer::try_from(key.serialize_der())?)?;
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let nobody = rcgen::generate_simple_self_signed(["nobody.example".to_owned()])?;
    let config = ClientConfig::builder(Roots::from_pem(nobody.cert.pem())?).build()?;
    // Without an answer there is no way to an anchor.
    let connector = TlsConnector::new(config.clone());
    let error = connector.connect(address, "localhost").await.unwrap_err();
    println!("refused: {error}");

    // The list may come from a database: the function is asynchronous.
    let answers = answers::chain().partial_chain(move |certificates| {
        let trusted = trusted.clone();
        async move { certificates.iter().position(|own| *own == trusted) }
    });
    let connector = TlsConnector::new(config).answers(answers);
    let mut stream = connector.connect(address, "localhost").await?;
    let message = stream.recv(5).await?;
    println!("trusted by the department: {message:?}");
    assert_eq!(&message[..], b"hello");
    assert_eq!(server.await??, 1);
    Ok(())
}

/// Serves two clients and says how many of them stayed.
async fn serve(listener: TlsListener) -> Result<usize> {
    let mut served = 0;
    for _ in 0..2 {
        let Ok(mut stream) = listener.accept().await?.handshake().await else {
            continue;
        };
        stream.send(&[b"hello"]).await?;
        stream.shutdown().await?;
        served += 1;
    }
    Ok(served)
}
