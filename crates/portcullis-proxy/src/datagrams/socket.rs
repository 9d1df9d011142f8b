//! The socket of flows: several datagrams in a call, and to which of the host's addresses each of them came.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::io::Errno;
use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;

/// No datagram is longer, nor what the system makes of several that came together.
const LONGEST: usize = 1 << 16;
/// How many of these are received in a call.
const BATCH: usize = 8;
/// Where waiting for room does not wait.
const PAUSE: Duration = Duration::from_millis(5);

/// Where a client is, and to which of the host's addresses it has sent, as far as the system says so: it is answered from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    pub(crate) peer: SocketAddr,
    pub(crate) local: Option<IpAddr>,
}

#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
}

/// Where datagrams are received.
pub(super) struct Area {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH],
    filled: usize,
}

impl Default for Area {
    fn default() -> Self {
        Self {
            bytes: vec![0; BATCH * LONGEST],
            metas: [RecvMeta::default(); BATCH],
            filled: 0,
        }
    }
}

impl Area {
    /// The datagrams of the last call, one after another.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (Path, &[u8])> {
        let areas = self.bytes.chunks_exact(LONGEST);
        let came = areas.zip(&self.metas).take(self.filled);
        came.flat_map(|(area, meta)| {
            let path = Path {
                peer: meta.addr,
                // Nobody answers from the address of a group.
                local: meta.dst_ip.filter(|ip| !is_of_many(*ip)),
            };
            let came = area.get(..meta.len).unwrap_or_default();
            // One without content is one, too.
            let count = came.len().div_ceil(meta.stride.max(1)).max(1);
            let mut pieces = came.chunks(meta.stride.max(1));
            (0..count).map(move |_| (path, pieces.next().unwrap_or_default()))
        })
    }
}

fn is_of_many(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    }
}

impl Socket {
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        let_fragment(&socket)?;
        let io = UdpSocket::from_std(socket)?;
        Ok(Self { io, state })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// Receives as many datagrams as wait, but for what does not fit.
    ///
    /// # Cancel safety
    /// Dropped, none is lost.
    pub(super) async fn recv(&self, area: &mut Area) -> io::Result<()> {
        area.filled = 0;
        loop {
            self.io.readable().await?;
            let mut areas = area.bytes.chunks_exact_mut(LONGEST);
            let mut slices: [_; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(areas.next().unwrap_or_default()));
            let metas = &mut area.metas;
            let received = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), &mut slices, metas)
            });
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => {
                    area.filled = other?;
                    return Ok(());
                }
            }
        }
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// Those of the system.
    ///
    /// # Cancel safety
    /// Dropped, it was sent, or not.
    pub(super) async fn send(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        match self.send_from(path.local, path.peer, contents).await {
            // It was that of a group after all, as only who knows the networks can tell, or is the host's no more.
            Err(error) if path.local.is_some() && is_of_source(&error) => {
                self.send_from(None, path.peer, contents).await
            }
            sent => sent,
        }
    }

    async fn send_from(
        &self,
        src_ip: Option<IpAddr>,
        destination: SocketAddr,
        contents: &[u8],
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: None,
            src_ip,
        };
        let send = || self.state.try_send((&self.io).into(), &transmit);
        let ready = || self.io.ready(Interest::WRITABLE);
        as_soon_as_there_is_room(|| self.io.try_io(Interest::WRITABLE, send), ready).await
    }
}

/// Whether nothing can be sent from the address that was to be that of the sender.
fn is_of_source(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::ADDRNOTAVAIL | Errno::NETUNREACH)
    )
}

/// What is too long for the path is cut by the system and put together again by the peer's, as without [`UdpSocketState`], which
/// forbids that.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn let_fragment(socket: &std::net::UdpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };

    set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::WANT)?;
    if socket.local_addr()?.is_ipv6() {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::WANT)?;
        setsockopt(socket, sockopt::Ipv6DontFrag, &false)?;
    }
    Ok(())
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn let_fragment(_: &std::net::UdpSocket) -> io::Result<()> {
    Ok(())
}

/// Sends, and waits for room while there is none. Once the network has told of an error Tokio takes a socket as closed for writing
/// for good, and to wait for room is over at once: that would be a loop at full speed.
pub(super) async fn as_soon_as_there_is_room<F>(
    mut send: impl FnMut() -> io::Result<()>,
    ready: impl Fn() -> F,
) -> io::Result<()>
where
    F: Future<Output = io::Result<Ready>>,
{
    loop {
        match send() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        if ready().await?.is_write_closed() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str) -> Socket {
        Socket::new(std::net::UdpSocket::bind(address).unwrap()).unwrap()
    }

    async fn received(socket: &Socket) -> Vec<(Path, Vec<u8>)> {
        let mut area = Area::default();
        socket.recv(&mut area).await.unwrap();
        let all = area.datagrams();
        all.map(|(path, datagram)| (path, datagram.to_vec()))
            .collect()
    }

    /// All of 127.0.0.0/8 is this host's.
    #[tokio::test]
    async fn a_client_is_answered_from_the_address_that_it_has_asked() {
        let here = socket("0.0.0.0:0");
        let port = here.local_addr().unwrap().port();
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        for asked in ["127.0.0.1", "127.0.0.77"] {
            let asked: IpAddr = asked.parse().unwrap();
            client.send_to(b"x", (asked, port)).unwrap();
            let (path, _) = received(&here).await.remove(0);
            assert_eq!(path.local, Some(asked));
            here.send(&path, b"y").await.unwrap();
            let (_, from) = client.recv_from(&mut [0; 9]).unwrap();
            assert_eq!(from, (asked, port).into());
        }
    }

    #[tokio::test]
    async fn datagrams_that_wait_are_received_in_one_call() {
        let here = socket("127.0.0.1:0");
        let to = here.local_addr().unwrap();
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for said in [&b"one"[..], b"", b"three"] {
            client.send_to(said, to).unwrap();
        }
        let came = received(&here).await;
        let came: Vec<_> = came.iter().map(|(_, it)| &it[..]).collect();
        assert_eq!(came, [&b"one"[..], b"", b"three"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_too_long_for_the_path_may_be_cut() {
        use nix::sys::socket::{getsockopt, sockopt};
        use rustix::net::sockopt::{
            Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, ip_mtu_discover, ipv6_mtu_discover,
        };

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let _entered = runtime.as_ref().unwrap().enter();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Socket { io, .. } = socket(address);
            if address.starts_with('[') {
                let found = ipv6_mtu_discover(&io).unwrap();
                assert_eq!(found, Ipv6PathMtuDiscovery::WANT);
                assert!(!getsockopt(&io, sockopt::Ipv6DontFrag).unwrap());
            } else {
                assert_eq!(ip_mtu_discover(&io).unwrap(), Ipv4PathMtuDiscovery::WANT);
            }
        }
    }

    #[tokio::test]
    async fn who_waits_for_room_after_an_error_of_the_network_does_not_spin() {
        let mut tries = 0;
        let full = || {
            tries += 1;
            Err(io::ErrorKind::WouldBlock.into())
        };
        let ready = || async {
            // Else nobody could stop what spins.
            tokio::task::yield_now().await;
            Ok(Ready::WRITABLE | Ready::WRITE_CLOSED)
        };
        let sending = as_soon_as_there_is_room(full, ready);
        let sent = tokio::time::timeout(Duration::from_millis(200), sending).await;
        assert!(sent.is_err());
        assert!(tries < 100, "{tries}");
    }
}
