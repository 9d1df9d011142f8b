//! From an accepted socket to a connection that is served: whose it is, and whether it may be there.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use portcullis::read_proxy_header;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::config::{Listener, Plan};
use crate::datagrams::{self, Client};
use crate::listener::Peer;
use crate::meter::Outcome;
use crate::proxied;
use crate::proxy::{Phase, Shared};
use crate::record::Record;
use crate::stream::Plain;

/// How often it is looked whether a client has left.
const LOOK: Duration = Duration::from_millis(200);

/// A connection that was accepted.
pub(crate) struct Arrived {
    pub(crate) listener: Arc<Listener>,
    /// The client, if it has an address.
    pub(crate) client: Option<SocketAddr>,
    /// The proxy that has said so, or was to.
    pub(crate) via: Option<SocketAddr>,
    /// Where the client has connected to.
    pub(crate) destination: Option<SocketAddr>,
}

/// What has come to a listener.
pub(crate) enum Came {
    Stream(Plain),
    Datagrams(Client),
}

/// Whether a peer is one of those that send a header.
fn is_proxy(networks: &[IpNet], peer: Option<SocketAddr>) -> bool {
    let address: Option<IpAddr> = peer.map(|it| it.ip());
    address.is_some_and(|ip| networks.iter().any(|network| network.contains(&ip)))
}

/// Serves one connection in a task of its own, its header with it: whoever sends none has a place, and a line in the log.
pub(crate) fn begin(
    shared: &Arc<Shared>,
    name: &str,
    came: Came,
    peer: &Peer,
    place: OwnedSemaphorePermit,
    handshake: OwnedSemaphorePermit,
) {
    let plan = shared.plan();
    let Some(listener) = plan.listener(name) else {
        return;
    };
    let socket = peer.address();
    let mut arrived = Arrived {
        listener: Arc::clone(listener),
        client: socket,
        via: None,
        destination: match &came {
            Came::Stream(io) => io.local_addr(),
            // Nobody is told.
            Came::Datagrams(_) => None,
        },
    };
    let mut came = came;
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if let Came::Stream(io) = &mut came
            && is_proxy(&arrived.listener.proxies, socket)
        {
            // Gone before bytes are passed on.
            let read = Box::pin(introduce(&shared, &plan, &mut arrived, io)).await;
            if let Err((outcome, why)) = read {
                return proxied::refuse(&shared, &arrived, outcome, Some(&why));
            }
        }
        let most = plan.limits.per_address;
        let client = arrived.client.map(|it| it.ip());
        let addresses = match &came {
            Came::Datagrams(Client::Flow(_)) => &shared.flow_addresses,
            _ => &shared.addresses,
        };
        let Some(of_address) = addresses.enter(client, most) else {
            return match came {
                Came::Datagrams(Client::Flow(_)) => {
                    let record = Record::new(&shared, &arrived);
                    record.end_of_anybody(&shared, None, Outcome::Limit);
                }
                _ => proxied::refuse(&shared, &arrived, Outcome::Limit, None),
            };
        };
        match came {
            Came::Stream(io) => proxied::serve(&shared, &plan, arrived, io, handshake).await,
            Came::Datagrams(client) => {
                Box::pin(datagrams::serve(&shared, &plan, arrived, client, handshake)).await;
            }
        }
        drop((place, of_address));
    });
}

/// Reads what the proxy before says of the client.
async fn introduce(
    shared: &Shared,
    plan: &Plan,
    arrived: &mut Arrived,
    io: &mut Plain,
) -> Result<(), (Outcome, String)> {
    let limit = plan.timeouts.proxy_header;
    arrived.via = arrived.client.take();
    let mut phase = shared.phase();
    let read = tokio::select! {
        read = timeout(limit, read_proxy_header(io)) => read,
        () = phase.over(Phase::Draining) => {
            return Err((Outcome::Drained, "the proxy has ended".to_owned()));
        }
    };
    match read {
        Ok(Ok(Some((source, destination)))) => {
            arrived.client = Some(source);
            arrived.destination = Some(destination);
            Ok(())
        }
        // It speaks for itself, as in a health check, or does not know.
        Ok(Ok(None)) => {
            arrived.client = arrived.via.take();
            Ok(())
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            Err((Outcome::ProxyHeader, error.to_string()))
        }
        // Load balancers connect and go to see whether somebody is there.
        Ok(Err(error)) => Err((Outcome::Probe, format!("no PROXY header: {error}"))),
        Err(_) => {
            let why = format!("no PROXY header within {limit:?}");
            Err((Outcome::ProxyHeader, why))
        }
    }
}

/// Waits until the client is reset, or, on a Unix socket, has closed, and nothing is left to read of what it has said before: it
/// may want no answer. Its end alone is none of these: it may have asked, and wait for the answer.
pub(crate) async fn left(io: &Plain) {
    loop {
        tokio::time::sleep(LOOK).await;
        // Readiness of Tokio's has no such thing that would not take something away from those who read and write later.
        let mut sockets = [PollFd::new(io, PollFlags::empty())];
        let looked = poll(&mut sockets, Some(&Timespec::default()));
        let [socket] = sockets;
        let is_gone = socket.revents().intersects(PollFlags::ERR | PollFlags::HUP);
        if looked.is_ok() && is_gone && ioctl_fionread(io).is_ok_and(|left| left == 0) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream, UnixStream};

    use super::*;

    /// It has said something, is gone, and wants no answer.
    #[tokio::test]
    async fn what_was_said_before_is_read_first() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut tcp = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let served = Plain::Tcp(listener.accept().await.unwrap().0);
        tcp.write_all(b"said").await.unwrap();
        let linger = socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO));
        linger.unwrap();
        drop(tcp);
        let (mut unix, other) = UnixStream::pair().unwrap();
        unix.write_all(b"said").await.unwrap();
        drop(unix);
        for mut io in [served, Plain::Unix(other)] {
            assert!(timeout(2 * LOOK, left(&io)).await.is_err());
            io.read_exact(&mut [0; 4]).await.unwrap();
            timeout(50 * LOOK, left(&io)).await.expect("it has left");
        }
    }
}
