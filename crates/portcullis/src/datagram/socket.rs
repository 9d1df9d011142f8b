//! A UDP socket: several datagrams in a call, and which of our addresses they came to.

use std::future::pending;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::link::Path;
use super::udp_options::UdpOptions;

/// The most that a datagram, or what the system makes of several that came together, can have.
pub(super) const LONGEST: usize = 65_536;
/// How many of these are received in one call.
const BATCH: usize = 8;
/// The most bytes that are given to the system in one call.
const MOST_TOGETHER: usize = 65_000;

#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    /// The network has said that nobody listens where something was sent.
    is_refused: AtomicBool,
}

/// Where datagrams are received.
pub(super) struct Area {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH],
}

impl Default for Area {
    fn default() -> Self {
        Self {
            bytes: vec![0; BATCH * LONGEST],
            metas: [RecvMeta::default(); BATCH],
        }
    }
}

impl Area {
    /// The datagrams of the last call, one after another.
    pub(super) fn for_each(&mut self, count: usize, mut take: impl FnMut(Path, &mut [u8])) {
        let areas = self.bytes.chunks_exact_mut(LONGEST);
        for (area, meta) in areas.zip(&self.metas).take(count) {
            let path = Path {
                peer: meta.addr,
                // Nobody answers from the address of a group.
                local: meta.dst_ip.filter(|ip| !is_of_many(*ip)),
            };
            let came = area.get_mut(..meta.len).unwrap_or_default();
            for datagram in came.chunks_mut(meta.stride.max(1)) {
                take(path, datagram);
            }
        }
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
        let io = UdpSocket::from_std(socket)?;
        Ok(Self {
            io,
            state,
            is_refused: AtomicBool::new(false),
        })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// How many datagrams of one length [`try_send`](Self::try_send) takes.
    pub(super) fn most_together(&self, length: usize) -> usize {
        let fit = MOST_TOGETHER / length.max(1);
        self.state.max_gso_segments().min(fit).max(1)
    }

    /// Sends a datagram, or several of this length, of which the last may be shorter.
    pub(super) fn try_send(
        &self,
        path: &Path,
        contents: &[u8],
        length: Option<usize>,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: path.peer,
            ecn: None,
            contents,
            segment_size: length,
            src_ip: path.local,
        };
        let send = || self.state.try_send((&self.io).into(), &transmit);
        let sent = self.io.try_io(Interest::WRITABLE, send);
        self.note(sent)
    }

    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done
            && is_refusal(error)
        {
            self.is_refused.store(true, Ordering::Release);
        }
        done
    }

    /// Whether the network has said since the last call that nobody listens where something was sent.
    pub(super) fn take_refusal(&self) -> bool {
        self.is_refused.swap(false, Ordering::AcqRel)
    }

    /// Waits until the network says that nobody listens there. What it says wakes nobody who waits for datagrams.
    ///
    /// # Cancel safety
    /// Dropped, nothing that was said is lost.
    pub(super) async fn refusal(&self) {
        while !self.take_refusal() {
            if self.io.ready(Interest::ERROR).await.is_err() {
                return pending().await;
            }
            if let Ok(Some(error)) = self.io.take_error() {
                let _ = self.note(Err::<(), _>(error));
            }
            let nothing_more = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = self.io.try_io(Interest::ERROR, nothing_more);
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    /// How many parts of the area were filled.
    pub(super) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        area: &mut Area,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let mut areas = area.bytes.chunks_exact_mut(LONGEST);
            let mut slices: [_; BATCH] =
                std::array::from_fn(|_| IoSliceMut::new(areas.next().unwrap_or_default()));
            let metas = &mut area.metas;
            let received = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), &mut slices, metas)
            });
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(self.note(other)),
            }
        }
    }
}

/// ICMP's port unreachable, of a socket that is connected.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => true,
        // As Windows says it.
        io::ErrorKind::ConnectionReset => cfg!(windows),
        _ => false,
    }
}

/// A socket for a listener.
pub(super) fn bind(
    address: SocketAddr,
    shared: bool,
    options: &UdpOptions,
) -> io::Result<std::net::UdpSocket> {
    let socket = unbound(address.ip(), options)?;
    if shared {
        share(&socket)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn unbound(address: IpAddr, options: &UdpOptions) -> io::Result<socket2::Socket> {
    let domain = socket2::Domain::for_address((address, 0).into());
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    options.set(&socket, address)?;
    Ok(socket)
}

/// Several sockets have one address, and the system divides the peers among them.
#[cfg(unix)]
fn share(socket: &socket2::Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(unix))]
fn share(_: &socket2::Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A socket for a client. Where the system lets a socket that is connected say whereto it sends, it is connected: then
/// nobody else's datagrams come, and it tells of servers that are not there.
pub(super) fn connect(to: SocketAddr, options: &UdpOptions) -> io::Result<std::net::UdpSocket> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let local = options.local().unwrap_or(any);
    if local.is_ipv4() != to.is_ipv4() {
        return Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "local_address: the server's address is of another kind",
        ));
    }
    let socket = unbound(to.ip(), options)?;
    socket.bind(&local.into())?;
    let socket = std::net::UdpSocket::from(socket);
    if cfg!(any(target_os = "linux", target_os = "android", windows)) {
        socket.connect(to)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use socket2::SockRef;

    use super::*;

    #[test]
    fn options_reach_the_system() {
        let options = UdpOptions::new()
            .receive_buffer(50_000)
            .send_buffer(60_000)
            .reuse_address(true)
            .ttl(33)
            .expect("hops")
            .traffic_class(0x20);
        for v6 in [false, true] {
            let ip: IpAddr = match v6 {
                true => Ipv6Addr::LOCALHOST.into(),
                false => Ipv4Addr::LOCALHOST.into(),
            };
            let here = SocketAddr::new(ip, 0);
            let bound = bind(here, false, &options).expect("a socket");
            let to = bound.local_addr().expect("an address");
            let from = connect(to, &options.clone().local_address(here)).expect("a socket");
            for socket in [SockRef::from(&bound), SockRef::from(&from)] {
                assert!(socket.reuse_address().expect("it is asked"));
                if v6 {
                    assert_eq!(socket.unicast_hops_v6().expect("it is asked"), 33);
                } else {
                    assert_eq!(socket.ttl_v4().expect("it is asked"), 33);
                    assert_eq!(socket.tos_v4().expect("it is asked"), 0x20);
                }
                // The system doubles what it is asked for.
                let sizes = [socket.recv_buffer_size(), socket.send_buffer_size()];
                for (size, asked) in sizes.into_iter().zip([50_000, 60_000]) {
                    assert!((asked..=2 * asked).contains(&size.expect("it is asked")));
                }
            }
        }
        let only = UdpOptions::new().only_v6(true);
        let all = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
        let bound = bind(all, false, &only).expect("a socket");
        assert!(SockRef::from(&bound).only_v6().expect("it is asked"));
    }

    /// A peer that comes by IPv4 to a socket of both gets datagrams with the same options as one who comes by IPv6.
    #[test]
    fn options_of_a_socket_for_both_are_those_of_both() {
        let options = UdpOptions::new().ttl(33).expect("hops").traffic_class(0x20);
        let all = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
        let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), 0);
        for (address, only, has_v4) in [
            (all, false, true),
            (all, true, false),
            (mapped, false, true),
        ] {
            let options = options.clone().only_v6(only);
            let bound = bind(address, false, &options).expect("a socket");
            let bound = SockRef::from(&bound);
            assert_eq!(bound.unicast_hops_v6().expect("it is asked"), 33);
            assert_eq!(
                bound.ttl_v4().expect("it is asked") == 33,
                has_v4,
                "{address}"
            );
            assert_eq!(
                bound.tos_v4().expect("it is asked") == 0x20,
                has_v4,
                "{address}"
            );
            #[cfg(target_os = "linux")]
            assert_eq!(bound.tclass_v6().expect("it is asked"), 0x20);
        }
    }
}
