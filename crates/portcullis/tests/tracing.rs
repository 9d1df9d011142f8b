//! What the log shows, and what it never shows: secrets, which the key log shows.
#![cfg(feature = "key-log")]

mod ends;

use std::io;
use std::sync::{Arc, Mutex};

use ends::*;
use tokio::io::duplex;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_span_names_messages_and_results_but_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let secrets = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&secrets);
    let connector = connector().key_log(move |line: &portcullis::KeyLogLine| {
        sink.lock()
            .unwrap()
            .push(line.to_line().rsplit(' ').next().unwrap().to_owned());
    });
    let acceptor = acceptor();
    let (client, server) = duplex(64 * 1024);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    client.unwrap();
    server.unwrap();
    let (client, server) = duplex(64 * 1024);
    drop(client);
    acceptor.upgrade(server).await.unwrap_err();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for part in [
        "tls.handshake",
        "server.address=localhost",
        "tls.protocol.version=",
        "tls.cipher=TLS_",
        "tls.curve=",
        "tls.resumed=false",
        "tls.next_protocol=echo",
        "direction=Sent tls.handshake.message=client_hello",
        "direction=Received tls.handshake.message=finished",
        "the handshake failed",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    let secrets = secrets.lock().unwrap();
    assert!(secrets.len() >= 4);
    assert!(secrets.iter().all(|secret| !text.contains(secret)));
}
