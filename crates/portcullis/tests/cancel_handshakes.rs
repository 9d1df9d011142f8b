//! Every future of a handshake is dropped after k polls, for all k: its peer comes to an end, not
//! to one that looks good, and the other connections do not notice.

mod ends;

use std::future::Future;
use std::time::Duration;

use ends::*;
use portcullis::{AlertDescription, Direction, Error, HandshakeError, Refusal, TlsListener};
use portcullis::{PausedClient, PausedServer, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(5);

/// Long before the handshake's timeout.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(SOON, future)
        .await
        .expect("it comes to its end by itself")
}

/// Runs a case with 1, 2, ... polls until it says that its future was done before they were used
/// up. Returns their number.
async fn until_done(mut case: impl AsyncFnMut(usize) -> bool) -> usize {
    let mut polls = 1;
    while !soon(case(polls)).await {
        polls += 1;
    }
    polls
}

/// How a connection ended for the peer.
#[derive(Debug)]
struct End {
    /// Whether the peer was through with its handshake.
    shaken: bool,
    error: Error,
}

impl End {
    async fn of<IO: AsyncRead + AsyncWrite + Unpin>(
        shaken: Result<TlsStream<IO>, HandshakeError<IO>>,
    ) -> Self {
        let (shaken, error) = match shaken {
            Ok(mut stream) => (true, stream.recv(1).await.unwrap_err()),
            Err(failed) => (false, failed.into()),
        };
        Self { shaken, error }
    }

    /// It did not take a timeout, and a handshake did not end as if in good order. For a peer
    /// that is through with it, user_canceled announces a close_notify (RFC 8446 §6.1).
    fn assert_broken_off(&self, polls: usize) {
        let good = self.error.is_closed() && !self.shaken;
        assert!(
            !good && !self.error.is_timeout(),
            "after {polls} polls: {self:?}"
        );
    }

    fn assert_closed(&self) {
        assert!(self.shaken && self.error.is_closed(), "{self:?}");
    }
}

async fn client_over<IO: AsyncRead + AsyncWrite + Unpin>(io: IO) -> End {
    End::of(connector().upgrade(io, name()).or_transport().await).await
}

async fn server_over<IO: AsyncRead + AsyncWrite + Unpin>(io: IO) -> End {
    End::of(acceptor().upgrade(io).or_transport().await).await
}

/// Narrow enough that every flight takes many polls.
fn narrow() -> (DuplexStream, DuplexStream) {
    duplex(200)
}

async fn paused_server() -> (PausedServer<DuplexStream>, tokio::task::JoinHandle<End>) {
    let (client, server) = narrow();
    let peer = tokio::spawn(client_over(client));
    (acceptor().pause_at_hello(server).await.unwrap(), peer)
}

async fn paused_client() -> (PausedClient<DuplexStream>, tokio::task::JoinHandle<End>) {
    let (client, server) = narrow();
    let peer = tokio::spawn(server_over(server));
    (
        connector().pause_at_hello(client, name()).await.unwrap(),
        peer,
    )
}

/// A handshake that is dropped or succeeds. Whether it did.
async fn shakes<IO: AsyncRead + AsyncWrite + Unpin>(
    polls: usize,
    handshake: impl Future<Output = Result<TlsStream<IO>, impl Into<Error>>>,
    peer: tokio::task::JoinHandle<End>,
) -> bool {
    match drop_after(polls, handshake).await {
        None => {
            peer.await.unwrap().assert_broken_off(polls);
            false
        }
        Some(stream) => {
            let stream = stream.map_err(Into::into).unwrap();
            stream.close(SOON).await.unwrap();
            peer.await.unwrap().assert_closed();
            true
        }
    }
}

/// A paused handshake that is given up, or dropped while it is. Whether it was given up.
async fn gives_up<T>(
    polls: usize,
    farewell: impl Future<Output = T>,
    alert: AlertDescription,
    peer: tokio::task::JoinHandle<End>,
) -> bool {
    // The transport goes with it: nobody waits for a peer that is not read from.
    let given_up = drop_after(polls, farewell).await.map(drop).is_some();
    let end = peer.await.unwrap();
    end.assert_broken_off(polls);
    // A peer that was still writing does not come to the alert.
    if given_up && end.error.transport().is_none() {
        assert_eq!(end.error.alert(), Some((Direction::Received, alert)));
    }
    given_up
}

#[tokio::test]
async fn up_to_the_pause() {
    let polls = until_done(async |polls| {
        let (client, server) = narrow();
        let peer = tokio::spawn(client_over(client));
        let paused = drop_after(polls, acceptor().pause_at_hello(server)).await;
        let done = paused.map(Result::unwrap).is_some();
        // A pause that is dropped is a handshake that is dropped.
        peer.await.unwrap().assert_broken_off(polls);
        done
    })
    .await;
    assert!(polls > 1);
    let polls = until_done(async |polls| {
        let (client, server) = narrow();
        let peer = tokio::spawn(server_over(server));
        let paused = drop_after(polls, connector().pause_at_hello(client, name())).await;
        let done = paused.map(Result::unwrap).is_some();
        peer.await.unwrap().assert_broken_off(polls);
        done
    })
    .await;
    assert!(polls > 1);
}

#[tokio::test]
async fn a_paused_server_goes_on() {
    let polls = until_done(async |polls| {
        let (paused, peer) = paused_server().await;
        shakes(polls, paused.proceed(), peer).await
    })
    .await;
    assert!(polls > 1, "{polls}");
    let polls = until_done(async |polls| {
        let (paused, peer) = paused_server().await;
        shakes(polls, paused.continue_with(server_config()), peer).await
    })
    .await;
    assert!(polls > 1, "{polls}");
}

#[tokio::test]
async fn a_paused_client_goes_on() {
    let polls = until_done(async |polls| {
        let (paused, peer) = paused_client().await;
        shakes(polls, paused.proceed(), peer).await
    })
    .await;
    assert!(polls > 1, "{polls}");
    let polls = until_done(async |polls| {
        let (paused, peer) = paused_client().await;
        shakes(polls, paused.continue_with(client_config()), peer).await
    })
    .await;
    assert!(polls > 1, "{polls}");
}

#[tokio::test]
async fn a_paused_handshake_is_given_up() {
    let refusal = || Refusal::new(AlertDescription::ACCESS_DENIED, "not now");
    let cancelled = AlertDescription::USER_CANCELED;
    let denied = AlertDescription::ACCESS_DENIED;
    until_done(async |polls| {
        let (paused, peer) = paused_server().await;
        gives_up(polls, paused.cancel(), cancelled, peer).await
    })
    .await;
    until_done(async |polls| {
        let (paused, peer) = paused_client().await;
        gives_up(polls, paused.cancel(), cancelled, peer).await
    })
    .await;
    until_done(async |polls| {
        let (paused, peer) = paused_server().await;
        gives_up(polls, paused.refuse(refusal()), denied, peer).await
    })
    .await;
    until_done(async |polls| {
        let (paused, peer) = paused_client().await;
        gives_up(polls, paused.refuse(refusal()), denied, peer).await
    })
    .await;
}

/// A peer that does not read: a handshake waits, and is dropped with what it could not say.
#[tokio::test]
async fn nobody_reads() {
    let (client, mut server) = duplex(4);
    let connector = connector();
    assert!(
        drop_after(1, connector.pause_at_hello(client, name()))
            .await
            .is_none()
    );
    let mut rest = Vec::new();
    soon(server.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest.len(), 4, "what was taken before, then the end");
}

#[tokio::test]
async fn connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let polls = until_done(async |polls| {
        let accepted = async { server_over(listener.accept().await.unwrap().0).await };
        let connector = connector();
        let connecting = drop_after(polls, connector.connect(address, name()));
        let client = async {
            match connecting.await {
                None => false,
                Some(client) => {
                    client.unwrap().close(SOON).await.unwrap();
                    true
                }
            }
        };
        let (done, end) = tokio::join!(client, accepted);
        if done {
            end.assert_closed();
        } else {
            end.assert_broken_off(polls);
        }
        done
    })
    .await;
    assert!(polls > 1);
}

/// Says a byte, and hears it.
async fn is_alive(client: &mut TlsStream<TcpStream>, server: &mut TlsStream<TcpStream>) {
    let (sent, received) = tokio::join!(client.send(&[b"?"]), server.recv(1));
    sent.unwrap();
    assert_eq!(&received.unwrap()[..], b"?");
}

#[tokio::test]
async fn incoming_connections() {
    let listener = TlsListener::bind("127.0.0.1:0", server_config())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let connector = connector();
    let (client, server) = tokio::join!(connector.connect(address, name()), async {
        listener.accept().await.unwrap().handshake().await
    });
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let incoming = async || {
        let client = TcpStream::connect(address).await.unwrap();
        let peer = tokio::spawn(client_over(client));
        (listener.accept().await.unwrap(), peer)
    };
    until_done(async |polls| {
        let (incoming, peer) = incoming().await;
        let done = shakes(polls, incoming.handshake(), peer).await;
        is_alive(&mut client, &mut server).await;
        done
    })
    .await;
    until_done(async |polls| {
        let (incoming, peer) = incoming().await;
        let done = shakes(polls, incoming.handshake_with(server_config()), peer).await;
        is_alive(&mut client, &mut server).await;
        done
    })
    .await;
    until_done(async |polls| {
        let (incoming, peer) = incoming().await;
        let paused = drop_after(polls, incoming.pause_at_hello()).await;
        let done = paused.map(Result::unwrap).is_some();
        peer.await.unwrap().assert_broken_off(polls);
        is_alive(&mut client, &mut server).await;
        done
    })
    .await;
}

#[tokio::test]
async fn many_at_once_are_finished_or_aborted() {
    let mut aborted = 0;
    until_done(async |polls| {
        let mut connections = TlsListener::bind("127.0.0.1:0", server_config())
            .await
            .unwrap()
            .connections(3);
        let address = connections.local_addr().unwrap();
        let connector = connector();
        let (client, server) =
            tokio::join!(connector.connect(address, name()), connections.accept());
        let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
        let mut peers = Vec::new();
        for _ in 0..3 {
            let io = TcpStream::connect(address).await.unwrap();
            peers.push(tokio::spawn(client_over(io)));
        }
        // One poll accepts them all, and the handshakes have not come far.
        assert!(now(connections.accept()).await.is_none());
        assert_eq!(connections.handshakes(), 3);
        let finished = drop_after(polls, connections.finish()).await;
        is_alive(&mut client, &mut server).await;
        match finished {
            Some(finished) => {
                assert_eq!(finished.len(), 3);
                for stream in finished {
                    stream.unwrap().close(SOON).await.unwrap();
                }
                for peer in peers {
                    peer.await.unwrap().assert_closed();
                }
                true
            }
            None => {
                for peer in peers {
                    let end = peer.await.unwrap();
                    end.assert_broken_off(polls);
                    // Some may be through before the last one is.
                    aborted += usize::from(!end.shaken);
                }
                false
            }
        }
    })
    .await;
    assert!(aborted > 0);
}
