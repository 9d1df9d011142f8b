//! Keys for SRTP out of a DTLS handshake (RFC 5764), as WebRTC has it: both ends settle a profile, and each hands its keys
//! to its SRTP library.
//!
//! `cargo run --example dtls_srtp`: a caller and who is called, over UDP on this machine.

use portcullis::{
    ClientConfig, DtlsConnection, DtlsConnector, DtlsListener, ServerConfig, SrtpProfile,
};
use portcullis_examples::{Result, dev_identity};

/// Best first.
const PROFILES: [SrtpProfile; 2] = [
    SrtpProfile::AEAD_AES_128_GCM,
    SrtpProfile::AES128_CM_HMAC_SHA1_80,
];

/// What an SRTP library wants to have for one direction.
#[derive(Debug, PartialEq, Eq)]
struct Context {
    profile: SrtpProfile,
    key: Vec<u8>,
    salt: Vec<u8>,
}

/// For what this end sends, and for what it receives.
fn contexts(connection: &DtlsConnection) -> Result<(Context, Context)> {
    let information = connection.information();
    // Without a profile in common there is a connection all the same, and no media.
    let profile = information.srtp_profile().ok_or("no SRTP")?;
    let keys = information.srtp_keys()?;
    let context = |key: &[u8], salt: &[u8]| Context {
        profile,
        key: key.to_vec(),
        salt: salt.to_vec(),
    };
    let of_client = context(keys.client_key(), keys.client_salt());
    let of_server = context(keys.server_key(), keys.server_salt());
    Ok(match information.is_server() {
        true => (of_server, of_client),
        false => (of_client, of_server),
    })
}

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let server = ServerConfig::builder().identity(identity).srtp(PROFILES);
    let listener = DtlsListener::bind("127.0.0.1:0", server.build()?).await?;
    let address = listener.local_addr()?;
    let called = tokio::spawn(async move { listener.accept().await?.handshake().await });
    let client = ClientConfig::builder(roots).srtp(PROFILES).build()?;
    let caller = DtlsConnector::new(client)
        .connect(address, "localhost")
        .await?;
    let called = called.await??;

    let (sends, receives) = contexts(&caller)?;
    let (answers, hears) = contexts(&called)?;
    assert_eq!(sends, hears);
    assert_eq!(answers, receives);
    println!(
        "{}: {} bytes of key, {} of salt",
        sends.profile,
        sends.key.len(),
        sends.salt.len()
    );
    Ok(())
}
