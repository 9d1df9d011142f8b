//! Messages that come back.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use portcullis::TlsStream;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::dialer::{self, Dialer};
use super::engine;
use super::meter::{Done, Meter};
use super::results::Results;
use super::settings::{self, Load, Peer};
use super::work::{Work, repeat};
use crate::failure::Failure;
use crate::io::Io;

#[derive(Debug, Args)]
pub(crate) struct Pingpong {
    #[command(flatten)]
    peer: Peer,
    #[command(flatten)]
    load: Load,
    /// Send so many messages in a second, also if the server is slow; the time of one that had to wait for another to
    /// come back counts from when it was due. Without it a connection sends its next when the one before is back, and
    /// the server sets the pace.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// How long a message is: a line, so that servers that answer lines answer it, too.
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = settings::message)]
    size: usize,
}

impl Pingpong {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.load.check()?;
        let dialer = self.peer.dialer().await?;
        let agreed = dialer.agreed().await?;
        let work = Answered {
            dialer,
            message: message(self.size).into(),
        };
        let measured = engine::measure(&work, &self.load, self.rate).await?;
        Results {
            mode: "pingpong",
            what: "messages",
            timed: "from sending until all of it is back",
            peer: &self.peer,
            load: &self.load,
            rate: self.rate,
            settings: json!({ "size": self.size, "rate": self.rate }),
            agreed,
            measured,
            if_nothing: Some(
                "no message came back: does the server echo, as `bench serve --service echo` does? If it is slow, take a \
                 longer --duration",
            ),
            is_both_ways: false,
        }
        .tell()
    }
}

#[derive(Clone, Debug)]
struct Answered {
    dialer: Dialer,
    message: Bytes,
}

impl Work for Answered {
    type Slot = TlsStream<Io>;

    async fn open(&self) -> Result<Self::Slot, Failure> {
        self.dialer.connect().await
    }

    async fn run(self, stream: Self::Slot, meter: Rc<Meter>) {
        let mut stream = Some(stream);
        repeat(&meter, self.dialer.limit(), async || {
            // One that has failed, also by being late, is not used again.
            let mut open = match stream.take() {
                Some(open) => open,
                None => self.dialer.connect().await?,
            };
            exchange(&mut open, &self.message, self.dialer.limit()).await?;
            stream = Some(open);
            Ok(Done {
                sent: self.message.len(),
                received: self.message.len(),
                ..Done::default()
            })
        })
        .await;
        if let Some(stream) = stream {
            // What was measured is over.
            let _ = dialer::close(stream).await;
        }
    }
}

/// A line of so many bytes, which is the same when it is turned around.
pub(super) fn message(length: usize) -> Vec<u8> {
    let mut message = vec![b'x'; length];
    if let Some(last) = message.last_mut() {
        *last = b'\n';
    }
    message
}

/// Sends a message, and waits until it is back, for so long.
pub(super) async fn exchange(
    stream: &mut TlsStream<Io>,
    message: &[u8],
    limit: Duration,
) -> Result<(), Failure> {
    match timeout(limit, exchanged(stream, message)).await {
        Ok(exchanged) => exchanged,
        Err(_) => Err(Failure::timeout(format!(
            "nothing within {} s (--timeout)",
            limit.as_secs()
        ))),
    }
}

async fn exchanged(stream: &mut TlsStream<Io>, message: &[u8]) -> Result<(), Failure> {
    if message.is_empty() {
        return Ok(());
    }
    let sent = stream.send(&[message]).await;
    sent.map_err(|error| Failure::connection(&error.into()).while_doing("sending"))?;
    let mut part = [0; 16 * 1024];
    let mut left = message;
    while !left.is_empty() {
        let most = left.len().min(part.len());
        let (part, _) = part.split_at_mut(most);
        let count = stream.read(part).await;
        let count = count
            .map_err(|error| Failure::connection(&error).while_doing("waiting for an answer"))?;
        let (came, expected) = (part.split_at(count).0, left.split_at(count));
        if came.is_empty() {
            return Err(Failure::unmet(
                "the server has closed the connection before it answered",
            ));
        }
        if came != expected.0 {
            return Err(Failure::unmet(
                "the answer is not what was sent: the server does not echo",
            ));
        }
        left = expected.1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use portcullis::{ClientConfig, Identity, ServerConfig, TlsAcceptor, TlsConnector};
    use tokio::net::TcpListener;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn who_never_answers_is_not_waited_for_without_end() {
        let made = crate::cert::Leaf::for_localhost().unwrap();
        let key = Some(made.key.as_bytes());
        let identity = Identity::from_pem(made.certificate.as_bytes(), key).unwrap();
        let config = ServerConfig::builder().identity(identity).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mute = tokio::spawn(async move {
            let (io, _) = listener.accept().await.unwrap();
            let stream = TlsAcceptor::new(config).upgrade(io).await.unwrap();
            std::future::pending::<()>().await;
            drop(stream);
        });
        let config = ClientConfig::dangerous_builder_without_verification();
        let connector = TlsConnector::new(config.build().unwrap());
        let io = Io::Tcp(TcpStream::connect(address).await.unwrap());
        let name = portcullis::ServerName::try_from("localhost").unwrap();
        let mut stream = connector.upgrade(io, name).await.unwrap();
        let exchange = exchange(&mut stream, b"line\n", Duration::from_millis(100));
        let failure = timeout(Duration::from_secs(60), exchange).await.unwrap();
        let failure = failure.unwrap_err().to_string();
        assert!(failure.starts_with("nothing within"), "{failure}");
        mute.abort();
    }
}
