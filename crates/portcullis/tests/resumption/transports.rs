//! Tickets over a transport that fails, that is left, or that is smaller than they are.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use portcullis::{Active, Message, TlsAcceptor};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
};

use crate::ends::*;
use crate::{by_hand, resuming_server, with_store};

/// What a transport does with what is written after the server's flight.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Refuses,
    TakesNothing,
}

/// A transport that is well until it has been read from twice: the hello, and what follows.
struct Failing {
    io: DuplexStream,
    reads: usize,
    then: Then,
}

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if polled.is_ready() {
            self.reads += 1;
        }
        polled
    }
}

impl AsyncWrite for Failing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.then {
            _ if self.reads < 2 => Pin::new(&mut self.io).poll_write(cx, data),
            Then::Refuses => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Then::TakesNothing => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A client that sends and does not read: its data is there although its tickets are not.
#[tokio::test]
async fn tickets_that_cannot_be_sent_cost_no_data() {
    for then in [Then::Refuses, Then::TakesNothing] {
        for active in [false, true] {
            let acceptor = TlsAcceptor::new(resuming_server());
            let connector = by_hand();
            let (client, server) = duplex(64 * 1024);
            let server = Failing {
                io: server,
                reads: 0,
                then,
            };
            let client = async {
                let mut client = connector.upgrade(client, name()).await.unwrap();
                client.send(&[b"and away"]).await.unwrap();
                client.shutdown().await.unwrap();
                client
            };
            let (_client, server) = tokio::join!(client, acceptor.accept(server));
            let mut server = server.unwrap();
            assert!(server.statistics().send_pending > 0, "the tickets");
            if active {
                let mut server = server.into_active(Active::True);
                let data = server.next().await;
                assert!(matches!(data, Some(Message::Data(data)) if &data[..] == b"and away"));
                assert!(matches!(server.next().await, Some(Message::Closed)));
            } else {
                let mut received = Vec::new();
                server.read_to_end(&mut received).await.unwrap();
                assert_eq!(received, b"and away");
            }
        }
    }
}

/// The same over TCP, where a peer that closes over unread tickets resets the connection.
#[tokio::test]
async fn a_client_that_sends_and_goes_is_heard() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..10 {
        let client = async {
            let mut client = by_hand().connect(address, name()).await.unwrap();
            client.send(&[b"and away"]).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let server = async {
            let (io, _) = listener.accept().await.unwrap();
            let mut server = acceptor.accept(io).await.unwrap();
            assert_eq!(&server.recv(8).await.unwrap()[..], b"and away");
        };
        tokio::join!(client, server);
    }
}

/// Neither waits for the other: the pipe holds less than a ticket.
#[tokio::test]
async fn tickets_larger_than_the_pipe_come_with_the_data() {
    let acceptor = TlsAcceptor::new(resuming_server());
    let (connector, store) = with_store();
    for resumed in [false, true] {
        let (client, server) = duplex(100);
        let (client, server) =
            tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.is_resumed(), resumed);
        let data = pattern(50_000);
        let send = async {
            server.send(&[&data]).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(send, client.read_to_end(&mut received));
        read.unwrap();
        assert!(received == data);
    }
    assert_eq!(store.len(), 3);
}
