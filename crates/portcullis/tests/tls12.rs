//! The stream over records of before TLS 1.3, where they are not as those of TLS 1.3.

mod ends;

use std::pin::Pin;
use std::task::{Context, Poll};

use portcullis::suite::CipherSuite;
use portcullis::{Reason, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::io::{DuplexStream, duplex};

use ends::{TLS12_SUITES, now, pattern, tls12_pair_over};

async fn pair(suite: CipherSuite) -> (TlsStream<DuplexStream>, TlsStream<DuplexStream>) {
    let (client, server) = duplex(1 << 20);
    tls12_pair_over(suite, client, server).await
}

/// Sends one message and sees it arrive.
async fn passes<A, B>(from: &mut A, to: &mut B)
where
    A: AsyncWrite + Unpin,
    B: AsyncRead + Unpin,
{
    from.write_all(b"still there").await.unwrap();
    from.flush().await.unwrap();
    let mut received = [0; 11];
    to.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"still there");
}

/// There is no KeyUpdate: to ask for one is a mistake that costs nothing but its error.
#[tokio::test]
async fn keys_are_not_updated_and_the_connection_goes_on() {
    let (mut client, mut server) = pair(TLS12_SUITES[0]).await;
    for request_peer in [false, true] {
        let error = client.update_keys(request_peer).await.unwrap_err();
        assert!(matches!(error.reason(), Some(Reason::Misuse(_))), "{error}");
        passes(&mut client, &mut server).await;
        passes(&mut server, &mut client).await;
    }
    let (mut reader, mut writer) = client.into_split();
    let error = writer.update_keys(true).await.unwrap_err();
    assert!(matches!(error.reason(), Some(Reason::Misuse(_))), "{error}");
    passes(&mut writer, &mut server).await;
    passes(&mut server, &mut reader).await;
    writer.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
}

/// Counts the reads that bring something.
struct Counted<IO> {
    io: IO,
    reads: usize,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Counted<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        self.reads += usize::from(polled.is_ready());
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Counted<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A full record is longer than one of TLS 1.3 where it has an explicit nonce. Each is read whole
/// all the same: neither a second call nor a copy for the rest of it.
#[tokio::test]
async fn full_records_are_read_whole() {
    const RECORD: usize = 1 << 14;
    for suite in TLS12_SUITES {
        for records in [1, 6] {
            let (io, peer) = duplex(1 << 20);
            let counted = Counted { io, reads: 0 };
            let (mut client, mut server) = tls12_pair_over(suite, counted, peer).await;
            let data = pattern(12 * RECORD);
            server.write_all(&data).await.unwrap();
            server.flush().await.unwrap();
            let before = client.get_ref().reads;
            let mut received = vec![0; records * RECORD];
            for expected in data.chunks(records * RECORD) {
                assert_eq!(client.read(&mut received).await.unwrap(), expected.len());
                assert!(received == expected);
            }
            let reads = client.get_ref().reads - before;
            assert_eq!(reads, 12 / records, "{suite:?}, {records} at once");
        }
    }
}

/// The plaintext of a record is its content: what does not fit into a buffer is read from the next.
#[tokio::test]
async fn buffers_about_as_long_as_the_content() {
    for suite in TLS12_SUITES {
        let (mut client, mut server) = pair(suite).await;
        for short in 0..12 {
            server.write_all(b"first").await.unwrap();
            server.write_all(b"second").await.unwrap();
            let (mut buffer, mut received) = ([0; 12], Vec::new());
            while received.len() < 11 {
                let count = client.read(&mut buffer[short..]).await.unwrap();
                assert!(count > 0);
                received.extend_from_slice(&buffer[short..][..count]);
            }
            assert_eq!(received, b"firstsecond");
            assert!(now(client.read(&mut buffer)).await.is_none());
        }
    }
}

/// As in TLS 1.3, and not as RFC 5246 §7.2.1 has it: who has closed may still be sent to.
#[tokio::test]
async fn each_direction_closes_by_itself() {
    for suite in TLS12_SUITES {
        let (mut client, mut server) = pair(suite).await;
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
        passes(&mut server, &mut client).await;
        server.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    }
}

/// Takes one byte when it is asked, is asked twice for each, and fails when it has taken so many behind its
/// change_cipher_spec.
struct Reluctant<IO> {
    io: IO,
    last: [u8; 6],
    left: usize,
    is_ready: bool,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Reluctant<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Reluctant<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let is_behind = self.last == [20, 3, 3, 0, 1, 1];
        self.is_ready = !self.is_ready;
        if !self.is_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if is_behind && self.left == 0 {
            return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        std::task::ready!(Pin::new(&mut self.io).poll_write(cx, &data[..1]))?;
        match is_behind {
            true => self.left -= 1,
            false => {
                self.last.rotate_left(1);
                self.last[5] = data[0];
            }
        }
        Poll::Ready(Ok(1))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What the server says last is its Finished, which the client waits for: unlike the tickets of TLS 1.3 it is no
/// matter of choice. A server that cannot send all of it has no connection.
#[tokio::test]
async fn a_server_is_connected_when_its_finished_is_out() {
    // A header, the part of the nonce that is sent, 16 bytes of message, and the tag.
    const FINISHED: usize = 5 + 8 + 16 + 16;
    let with = async |left: usize| {
        let (io, peer) = duplex(1 << 16);
        let io = Reluctant {
            io,
            last: [0; 6],
            left,
            is_ready: false,
        };
        let (connector, acceptor) = ends::tls12(TLS12_SUITES[0]);
        // The transport of a server that has failed is gone, and so the client's handshake fails, too.
        tokio::join!(connector.upgrade(peer, ends::name()), acceptor.upgrade(io))
    };
    for left in [0, 1, 5, FINISHED / 2, FINISHED - 1] {
        let (client, server) = with(left).await;
        let error = server
            .err()
            .unwrap_or_else(|| panic!("{left} of {FINISHED}"));
        let kind = std::io::Error::from(error).kind();
        assert_eq!(kind, std::io::ErrorKind::BrokenPipe, "{left}");
        assert!(client.is_err(), "{left}");
    }
    let (client, server) = with(FINISHED).await;
    client.unwrap();
    assert_eq!(server.unwrap().get_ref().left, 0);
    let (client, server) = with(usize::MAX).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    passes(&mut client, &mut server).await;
    passes(&mut server, &mut client).await;
}
