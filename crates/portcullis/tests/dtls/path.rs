//! A path whose length the system tells by EMSGSIZE.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis::{DatagramTransport, DtlsAcceptor, DtlsConnection, DtlsConnector};
use tokio::io::ReadBuf;

use crate::ends::*;
use crate::link::{End, link};
use crate::{ask, echo};

/// As the system has it.
const EMSGSIZE: i32 = if cfg!(target_os = "linux") { 90 } else { 40 };

/// A link that takes nothing longer than this.
struct Narrow {
    end: End,
    longest: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

impl DatagramTransport for Narrow {
    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.end.poll_recv(cx, buf)
    }

    fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        if datagram.len() > self.longest.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        self.end.try_send(datagram)
    }

    fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.poll_send_ready(cx)
    }
}

/// Both ends over a path of this length, which can be changed, and how often it was too short.
async fn over(
    length: usize,
) -> (
    DtlsConnection,
    DtlsConnection,
    Arc<AtomicUsize>,
    Arc<AtomicUsize>,
) {
    let (near, far) = link(64);
    let (longest, refused) = (Arc::new(AtomicUsize::new(length)), Arc::default());
    let narrow = |end| Narrow {
        end,
        longest: Arc::clone(&longest),
        refused: Arc::clone(&refused),
    };
    let (near, far) = (narrow(near), narrow(far));
    let dtls = DtlsConnector::new(connector());
    let acceptor = DtlsAcceptor::new(acceptor());
    let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
    (client.unwrap(), server.unwrap(), longest, refused)
}

/// What is too long is cut anew at once: no timeout passes for it.
#[tokio::test(start_paused = true)]
async fn a_handshake_finds_a_narrow_path() {
    for length in [1_200, 1_100, 700, 400, 228] {
        let began = tokio::time::Instant::now();
        let (mut client, server, _, refused) = over(length).await;
        // In pieces of 228 bytes a hello is more than a listener keeps before somebody shakes hands.
        let few = length > 548;
        let longest = if few { 500 } else { 5_000 };
        assert!(began.elapsed() < Duration::from_millis(longest), "{length}");
        assert_eq!(refused.load(Ordering::Relaxed) > 0, length < 1_200);
        assert!(client.max_message_len() < length);
        tokio::spawn(echo(server));
        ask(&mut client, b"hello").await;
    }
}

/// A message that is too long is refused, the connection stays, and the longest that goes is known from then on.
#[tokio::test(start_paused = true)]
async fn a_message_finds_that_the_path_has_become_narrow() {
    let (mut client, server, longest, refused) = over(1_200).await;
    let echo = tokio::spawn(echo(server));
    let before = client.max_message_len();
    // Longer than what is known to go through: that says nothing of the path.
    longest.store(1_200, Ordering::Relaxed);
    let error = client.send(&[&[7; 3_000]]).await.unwrap_err();
    assert!(error.transport().is_some(), "{error}");
    assert_eq!(client.max_message_len(), before);
    longest.store(600, Ordering::Relaxed);
    let message = vec![7; before];
    assert!(client.send(&[&message]).await.is_err());
    let after = client.max_message_len();
    assert!((900..1_024).contains(&after), "{after}");
    assert!(client.send_many(&[&message[..after]; 2]).await.is_err());
    let now = client.max_message_len();
    assert!((500..600).contains(&now), "{now}");
    ask(&mut client, &vec![7; now]).await;
    assert!(refused.load(Ordering::Relaxed) > 2);
    client.close(Duration::from_secs(5)).await.unwrap();
    echo.await.unwrap().unwrap();
}
