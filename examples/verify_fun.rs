//! A client judges the certificates of devices itself where no authority does: an inventory, which
//! is another task, knows each device by its certificate.
//!
//! `cargo run --example verify_fun`

use portcullis::answers::{self, Verdict};
use portcullis::pki_types::PrivateKeyDer;
use portcullis::x509::{CertificateErrorKind as Kind, Finding};
use portcullis::{
    CertificateDer, ClientConfig, Identity, Roots, ServerConfig, TlsConnector, TlsListener,
};
use portcullis_examples::{Authority, Result};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot};

/// Is this the certificate of a device that was enrolled?
struct Lookup {
    certificate: CertificateDer<'static>,
    found: oneshot::Sender<bool>,
}

/// Knows the devices. Ends when nobody can ask any more.
async fn inventory(enrolled: Vec<CertificateDer<'static>>, mut lookups: mpsc::Receiver<Lookup>) {
    while let Some(lookup) = lookups.recv().await {
        // The handshake may be gone by now.
        let _ = lookup.found.send(enrolled.contains(&lookup.certificate));
    }
}

#[tokio::main]
async fn main() -> Result {
    // Each device has an authority of its own, which nobody trusts.
    let (enrolled, stranger) = (Authority::new()?, Authority::new()?);
    let (chain, key) = enrolled.issue("localhost")?;
    let device = Identity::from_der(
        chain.clone(),
        &PrivateKeyDer::try_from(key.serialize_der())?,
    )?;

    let (lookups, received) = mpsc::channel(16);
    tokio::spawn(inventory(chain, received));
    let answers = answers::chain().verify_fun(Vec::new(), move |judgement, mut seen| {
        let lookups = lookups.clone();
        async move {
            let verdict = match judgement.finding() {
                // That nobody vouches for it is no matter if it is in the inventory; whatever
                // else is wrong still is.
                Finding::Bad(error)
                    if matches!(
                        error.kind(),
                        Kind::UnknownIssuer { .. } | Kind::SelfSigned { .. }
                    ) =>
                {
                    let (found, answer) = oneshot::channel();
                    let certificate = judgement.certificate().clone();
                    let asked = lookups.send(Lookup { certificate, found }).await;
                    match asked.is_ok() && answer.await.unwrap_or(false) {
                        true => Verdict::Valid,
                        false => Verdict::Fail(error.clone()),
                    }
                }
                _ => Verdict::Unknown,
            };
            seen.push(judgement.subject());
            if let Finding::ValidPeer = judgement.finding() {
                println!("judged: {seen:?}");
            }
            (verdict, seen)
        }
    });
    // Somebody has to be trusted, or nobody could be verified; here it is one who is not there.
    let nobody = rcgen::generate_simple_self_signed(["nobody.example".to_owned()])?;
    let config = ClientConfig::builder(Roots::from_pem(nobody.cert.pem())?).build()?;
    let connector = TlsConnector::new(config).answers(answers);

    // The device that was enrolled, and one that only looks like it.
    for (identity, is_known) in [(device, true), (stranger.identity("localhost")?, false)] {
        let config = ServerConfig::builder().identity(identity).build()?;
        let listener = TlsListener::bind("127.0.0.1:0", config).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(serve(listener));
        match connector.connect(address, "localhost").await {
            Ok(mut stream) => {
                assert!(is_known);
                let message = stream.recv(10).await?;
                println!("the device says {message:?}");
                assert_eq!(&message[..], b"23 degrees");
                server.await??;
            }
            Err(error) => {
                println!("refused: {error}");
                assert!(!is_known);
                assert!(server.await?.is_err());
            }
        }
    }
    Ok(())
}

async fn serve(listener: TlsListener) -> Result {
    let mut stream = listener.accept().await?.handshake().await?;
    stream.send(&[b"23 degrees"]).await?;
    stream.shutdown().await?;
    Ok(())
}
