//! A server keeps its sessions in a database of one's own: here a map stands for it. What is asked of a
//! database is four statements, of which one has to be atomic.
//!
//! `cargo run --example own_store`

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use portcullis::pki_types::UnixTime;
use portcullis::session::ServerSession;
use portcullis::{ClientConfig, ProtocolVersion, ServerConfig, ServerSessionStore, StoreFuture};
use portcullis::{TlsAcceptor, TlsConnector};
use portcullis_examples::{Result, dev_identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// `CREATE TABLE sessions (id BLOB PRIMARY KEY, session BLOB, until INTEGER)`, with an index on `until`.
/// What is written down are secrets: in a database that others read, seal them first.
#[derive(Default)]
struct Database(Mutex<HashMap<Vec<u8>, Row>>);

/// The session, and until when it is kept.
type Row = (Vec<u8>, u64);

impl ServerSessionStore for Database {
    /// `REPLACE INTO sessions VALUES (?, ?, ?)`, and now and then `DELETE … WHERE until <= ?`.
    fn put<'a>(
        &'a self,
        id: &'a [u8],
        session: ServerSession,
        until: UnixTime,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let row = (session.to_bytes().to_vec(), until.as_secs());
            self.0.lock().unwrap().insert(id.to_vec(), row);
        })
    }

    /// `SELECT session FROM sessions WHERE id = ? AND until > ?`
    fn get<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move {
            let row = self.0.lock().unwrap().get(id).cloned();
            let (bytes, _) = row.filter(|(_, until)| *until > now.as_secs())?;
            ServerSession::from_bytes(&bytes).ok()
        })
    }

    /// `DELETE FROM sessions WHERE id = ? RETURNING session`: of all who ask, exactly one gets it.
    fn claim<'a>(&'a self, id: &'a [u8], now: UnixTime) -> StoreFuture<'a, Option<ServerSession>> {
        Box::pin(async move {
            let row = self.0.lock().unwrap().remove(id);
            let (bytes, _) = row.filter(|(_, until)| *until > now.as_secs())?;
            ServerSession::from_bytes(&bytes).ok()
        })
    }

    /// `DELETE FROM sessions WHERE id = ?`
    fn forget<'a>(&'a self, id: &'a [u8]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.0.lock().unwrap().remove(id);
        })
    }
}

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let database = Arc::new(Database::default());
    // Two servers that know nothing of each other but the database.
    let config = ServerConfig::builder().identity(identity).build()?;
    let servers =
        [(); 2].map(|()| TlsAcceptor::new(config.clone()).session_store(database.clone()));
    for version in [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2] {
        let config = ClientConfig::builder(roots.clone())
            .versions([version])
            .build()?;
        let client = TlsConnector::new(config);
        for (number, server) in servers.iter().cycle().take(4).enumerate() {
            let (ours, theirs) = tokio::io::duplex(16_384);
            let serving = async {
                let mut stream = server.accept(theirs).await?;
                stream.send(&[b"hello"]).await?;
                stream.shutdown().await?;
                let done: Result = Ok(());
                done
            };
            let using = async {
                let mut stream = client.upgrade(ours, "localhost").await?;
                let mut text = String::new();
                stream.read_to_string(&mut text).await?;
                assert_eq!(text, "hello");
                let resumed: Result<bool> = Ok(stream.is_resumed());
                resumed
            };
            let ((), resumed) = tokio::try_join!(serving, using)?;
            println!("{version}, connection {number}: resumed is {resumed}");
            assert_eq!(resumed, number > 0);
        }
    }
    Ok(())
}
