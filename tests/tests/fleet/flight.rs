//! First flights with early data, as somebody on the path has them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use portcullis::{EarlyDataOutcome, TlsConnector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy_bidirectional, duplex};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::WINDOW;
use crate::nodes::Node;
use crate::traffic::connect;

/// When nothing more comes, a flight is whole.
const SILENCE: Duration = Duration::from_millis(150);
const AT_MOST: Duration = Duration::from_secs(20);

pub(crate) struct Flight {
    bytes: Vec<u8>,
    /// How much early data is in it, which tells it from others.
    length: usize,
    at: Instant,
    /// The client, which waits for an answer.
    client: Mutex<Option<(DuplexStream, JoinHandle<EarlyDataOutcome>)>>,
}

impl Flight {
    /// The first flight of a client that has a new ticket of the servers at this port. Nobody has got it yet.
    pub(crate) async fn record(connector: &TlsConnector, port: u16, length: usize) -> Self {
        connect(connector, port).await.unwrap();
        let (near, mut far) = duplex(64 * 1024);
        let connector = connector.clone();
        let client = tokio::spawn(async move {
            let data = vec![b'e'; length];
            let connecting = connector.upgrade_with_early_data(near, "localhost", data);
            let (mut stream, outcome) = connecting.await.unwrap();
            if outcome == EarlyDataOutcome::Accepted {
                assert_eq!(stream.recv(length).await.unwrap().len(), length);
            }
            stream.close(AT_MOST).await.unwrap();
            outcome
        });
        let mut bytes = Vec::new();
        let at = Instant::now();
        while let Ok(Ok(1..)) = timeout(SILENCE, far.read_buf(&mut bytes)).await {}
        assert!(bytes.len() > length + 100, "{}", bytes.len());
        Self {
            bytes,
            length,
            at,
            client: Mutex::new(Some((far, client))),
        }
    }

    /// What a node says when it has taken the early data.
    pub(crate) fn told(&self) -> String {
        format!(": {} bytes of early data\n", self.length)
    }

    /// Lets it and all that follows pass.
    pub(crate) async fn deliver(&self, port: u16) -> EarlyDataOutcome {
        let client = self.client.lock().unwrap().take();
        let (mut far, client) = client.expect("it was not delivered yet");
        let mut io = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        io.write_all(&self.bytes).await.unwrap();
        // How it ends is for the client to say.
        let _ = timeout(AT_MOST, copy_bidirectional(&mut far, &mut io)).await;
        client.await.unwrap()
    }

    /// Sends it again, so often to each node, at the same time to all; how old it was at last.
    pub(crate) async fn replay(&self, nodes: &[Node], times: usize) -> Duration {
        let replays = nodes.iter().map(|node| async move {
            for _ in 0..times {
                let mut io = TcpStream::connect(node.address).await.unwrap();
                io.write_all(&self.bytes).await.unwrap();
                // When the server's flight comes it has decided.
                let read = timeout(AT_MOST, io.read(&mut [0; 64])).await;
                assert!(read.expect("the node answers").unwrap() > 0);
            }
        });
        futures_util::future::join_all(replays).await;
        self.at.elapsed()
    }

    /// Whether it was young enough then to be accepted for its age.
    pub(crate) fn is_fresh_at(&self, then: Instant) -> bool {
        then.duration_since(self.at) < WINDOW
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // A client that was never answered.
        if let Ok(client) = self.client.get_mut()
            && let Some((_, client)) = client
        {
            client.abort();
        }
    }
}
