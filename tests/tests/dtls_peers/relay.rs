//! What loses datagrams between two ends.

use std::net::SocketAddr;

use tokio::net::UdpSocket;

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Nothing,
    /// The first datagram of the server with a ServerHello.
    Hello,
    /// The first of the server that has 600 bytes, which is of the flight with the certificate.
    Flight,
    /// Of both sides one in ten, by a seed.
    Tenth(u64),
    /// The same, but neither a HelloVerifyRequest nor a ChangeCipherSpec of the server and what is with it: Erlang's says them
    /// once, whatever it hears again.
    TenthButOnce(u64),
}

/// Who has sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
}

/// What was lost so far.
struct Loss {
    lost: Lost,
    is_lost: bool,
    /// Of a generator of George Marsaglia's (xorshift64).
    state: u64,
}

impl Loss {
    fn new(lost: Lost) -> Self {
        let state = match lost {
            Lost::Tenth(seed) | Lost::TenthButOnce(seed) => {
                seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            }
            _ => 0,
        };
        Self {
            lost,
            is_lost: false,
            state,
        }
    }

    fn takes(&mut self, from: Sender, datagram: &[u8]) -> bool {
        let is_one = match self.lost {
            Lost::Nothing => false,
            Lost::Tenth(_) | Lost::TenthButOnce(_) => {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                let is_once = match datagram.first() {
                    Some(20) => true,
                    Some(22) => datagram.get(13) == Some(&3),
                    _ => false,
                };
                let is_kept =
                    is_once && from == Sender::Server && matches!(self.lost, Lost::TenthButOnce(_));
                return self.state.is_multiple_of(10) && !is_kept;
            }
            // A HelloRetryRequest is one, too, with a random of its own (RFC 8446 §4.1.3).
            Lost::Hello => {
                datagram[0] == 22
                    && datagram.get(13) == Some(&2)
                    && datagram.get(27..29) != Some(&[0xcf, 0x21])
            }
            Lost::Flight => datagram.len() > 600,
        };
        let takes = is_one && from == Sender::Server && !self.is_lost;
        self.is_lost |= takes;
        takes
    }
}

/// Between a client and the server at this address.
pub(crate) async fn relay(server: SocketAddr, lost: Lost) -> SocketAddr {
    relay_up_to(server, lost, usize::MAX).await
}

/// Behind a datagram of the client of this length it lets nothing more of his through.
pub(crate) async fn relay_up_to(server: SocketAddr, lost: Lost, last: usize) -> SocketAddr {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    far.connect(server).await.unwrap();
    let address = near.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
        let (mut client, mut loss, mut is_over) = (None, Loss::new(lost), false);
        loop {
            tokio::select! {
                Ok((length, from)) = near.recv_from(&mut up) => {
                    client = Some(from);
                    if !is_over && !loss.takes(Sender::Client, &up[..length]) {
                        let _ = far.send(&up[..length]).await;
                    }
                    is_over |= length == last;
                }
                received = far.recv(&mut down), if client.is_some() => {
                    // A server that has ended is an error, behind which what it said before stands yet.
                    let Ok(length) = received else {
                        continue;
                    };
                    let datagram = &down[..length];
                    if let Some(client) = client && !loss.takes(Sender::Server, datagram) {
                        let _ = near.send_to(datagram, client).await;
                    }
                }
            }
        }
    });
    address
}
