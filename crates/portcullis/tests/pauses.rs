//! Handshakes that stand still at the peer's hello.

mod ends;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use ends::*;
use portcullis::{AlertDescription, Direction, Refusal, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf, duplex};

#[tokio::test]
async fn a_server_pauses_at_the_hello_and_goes_on_or_not() {
    let (connector, acceptor) = (connector(), acceptor());
    for action in ["proceed", "continue", "cancel", "refuse", "drop"] {
        let (client, server) = duplex(64 * 1024);
        let serve = async {
            let paused = acceptor.pause_at_hello(server).await.unwrap();
            assert_eq!(paused.client_hello().server_name(), Some("localhost"));
            assert!(
                paused
                    .client_hello()
                    .alpn_protocols()
                    .eq([&b"h2"[..], b"echo"])
            );
            match action {
                "proceed" => paused.proceed().await.is_ok(),
                "continue" => {
                    let config = ServerConfig::builder()
                        .versions([version()])
                        .identity(pki().server.clone())
                        .alpn(["h2"])
                        .build()
                        .unwrap();
                    let stream = paused.continue_with(config).await.unwrap();
                    assert_eq!(stream.alpn_protocol(), Some(&b"h2"[..]));
                    true
                }
                "cancel" => paused.cancel().await.is_none(),
                "refuse" => {
                    let refusal = Refusal::new(AlertDescription::ACCESS_DENIED, "not you");
                    paused.refuse(refusal).await.error().alert().is_none()
                }
                _ => false,
            }
        };
        let (client, ok) = tokio::join!(connector.upgrade(client, name()), serve);
        match client {
            Ok(_) => assert!(ok),
            Err(failed) => {
                let expected = if action == "refuse" {
                    AlertDescription::ACCESS_DENIED
                } else {
                    AlertDescription::USER_CANCELED
                };
                assert_eq!(
                    failed.alert(),
                    Some((Direction::Received, expected)),
                    "{action}"
                );
                assert!(!ok);
            }
        }
    }
}

/// A transport that has everything at once, and tells how much of it was taken.
struct Eager<'a> {
    bytes: &'a [u8],
    taken: Arc<AtomicUsize>,
}

impl AsyncRead for Eager<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (taken, rest) = self.bytes.split_at(self.bytes.len().min(buf.remaining()));
        buf.put_slice(taken);
        self.taken.fetch_add(taken.len(), Ordering::Relaxed);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}

/// While somebody thinks about a hello, whatever the client had sent behind it would be held.
#[tokio::test]
async fn a_server_holds_a_record_at_most_behind_a_hello_that_is_not_answered() {
    let (client, mut hello_end) = duplex(64 * 1024);
    let mut bytes = vec![0; 64 * 1024];
    let length = {
        let connector = connector();
        let connecting = connector.upgrade(client, name());
        let reading = hello_end.read(&mut bytes);
        tokio::select! {
            _ = connecting => panic!("nobody answers"),
            length = reading => length.unwrap(),
        }
    };
    bytes.truncate(length);
    bytes.resize(length + 256 * 1024, 0x17);
    let taken = Arc::new(AtomicUsize::new(0));
    let eager = Eager {
        bytes: &bytes,
        taken: taken.clone(),
    };
    let transport = tokio::io::join(eager, tokio::io::sink());
    let paused = acceptor().pause_at_hello(transport).await.unwrap();
    assert_eq!(paused.client_hello().server_name(), Some("localhost"));
    let taken = taken.load(Ordering::Relaxed);
    // Header, IV, content, MAC and padding of the longest record of any version.
    assert!(taken <= 5 + 16 + 16_384 + 48 + 256, "{taken}");
}

#[tokio::test]
async fn a_client_pauses_at_the_hello_and_goes_on_or_not() {
    let (connector, acceptor) = (connector(), acceptor());
    for action in ["proceed", "continue", "cancel"] {
        let (client, server) = duplex(64 * 1024);
        let connect = async {
            let paused = connector.pause_at_hello(client, name()).await.unwrap();
            let _ = paused.server_hello();
            match action {
                "proceed" => paused.proceed().await.is_ok(),
                "continue" => {
                    let config = client_config()
                        .to_builder()
                        .identity(pki().client.clone())
                        .build()
                        .unwrap();
                    paused.continue_with(config).await.is_ok()
                }
                _ => paused.cancel().await.is_none(),
            }
        };
        let (ok, server) = tokio::join!(connect, acceptor.upgrade(server));
        match server {
            Ok(_) => assert!(ok),
            Err(failed) => {
                assert_eq!(
                    failed.alert(),
                    Some((Direction::Received, AlertDescription::USER_CANCELED))
                );
                assert!(!ok);
            }
        }
    }
}
