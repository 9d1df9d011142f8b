//! Asks a server for `/`, trusting the roots of the system: `HOST:PORT`.

use std::error::Error;

use portcullis::{ClientConfig, Roots, ServerName, TlsConnector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("an address: HOST:PORT")?;
    let (host, _) = address.rsplit_once(':').ok_or("an address is HOST:PORT")?;

    let connector = TlsConnector::new(ClientConfig::builder(Roots::os()?).build()?);
    let name = ServerName::try_from(host.to_owned())?;
    let mut stream = connector.connect(address.as_str(), name).await?;

    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}
