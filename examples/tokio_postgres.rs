//! A password that is good for this connection alone: PostgreSQL with channel binding, so that nobody
//! who has another certificate for the server's name can stand in between.
//!
//! `cargo run --example tokio_postgres -- 'host=db.example.com user=app password=secret' ca.pem`
//!
//! The test `integrations` calls [`ask`] with a PostgreSQL that it starts.

use std::path::Path;

use portcullis::{ClientConfig, Roots, TlsConnector};

type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
#[cfg_attr(test, allow(dead_code))]
async fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, authority] = &arguments[..] else {
        println!(
            "no server is given, so none is asked: say where it is, and the file of its authority"
        );
        return Ok(());
    };
    println!(
        "the server says: {}",
        ask(server, Path::new(authority)).await?
    );
    Ok(())
}

/// What the server knows of this connection: its version of TLS, and the cipher.
pub(crate) async fn ask(server: &str, authority: &Path) -> Result<String> {
    let config = ClientConfig::builder(Roots::from_pem_file(authority)?).build()?;
    let url = format!("{server} sslmode=require channel_binding=require");
    // adapter: client
    let connector = TlsConnector::new(config);
    // adapter: end
    let (client, connection) = tokio_postgres::connect(&url, connector).await?;
    let running = tokio::spawn(connection);
    let question = "SELECT version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = client.query_one(question, &[]).await?;
    let (version, cipher): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    drop(client);
    running.await??;
    Ok(format!("{version}, {cipher}"))
}
