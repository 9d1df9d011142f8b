//! Options of the sockets of connections: what `inet` and `gen_tcp` users set.

mod before;

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream, ToSocketAddrs, lookup_host};

use self::before::Before;
use crate::connector::TlsConnector;
use crate::error::Error;
use crate::stream::TlsStream;

/// Options of the socket of a connection. What is not said stays as it is, but for
/// [`nodelay`](Self::nodelay) of a socket that is new.
///
/// * Of a listener's: [`ListenOptions::accepted`](crate::ListenOptions::accepted).
/// * Of a connector's: [`TlsConnector::socket_options`](crate::TlsConnector::socket_options).
/// * Of a connection that is there: [`TlsStream::set_socket_options`], and with others
///   [`RuntimeOptions`](crate::RuntimeOptions).
///
/// What the platform does not have is an error there, and not passed over.
///
/// ```
/// use std::time::Duration;
/// use portcullis::SocketOptions;
///
/// # fn main() -> Result<(), portcullis::Error> {
/// let options = SocketOptions::new()
///     .keepalive(Duration::from_secs(60), Duration::from_secs(10), 5)?
///     .send_buffer(256 * 1024);
/// assert!(options.clone().ttl(0).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    nodelay: Option<bool>,
    keepalive: Option<(Duration, Duration, u32)>,
    linger: Option<Option<Duration>>,
    receive_buffer: Option<usize>,
    send_buffer: Option<usize>,
    ttl: Option<u8>,
    traffic_class: Option<u8>,
    priority: Option<u32>,
    user_timeout: Option<Duration>,
    device: Option<String>,
    local_address: Option<SocketAddr>,
}

impl SocketOptions {
    /// Nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether small segments are sent at once. Default: yes, of a socket that is new.
    #[must_use]
    pub fn nodelay(mut self, on: bool) -> Self {
        self.nodelay = Some(on);
        self
    }

    /// Asks a peer that has been silent for `idle` whether it is still there, and again after each
    /// `interval`, `count` times. Both in whole seconds.
    ///
    /// # Errors
    /// When one of the three is 0, or more than 32,767 seconds, or 127 times.
    pub fn keepalive(
        mut self,
        idle: Duration,
        interval: Duration,
        count: u32,
    ) -> Result<Self, Error> {
        let seconds = |time: Duration| (1..=32_767).contains(&time.as_secs());
        if !seconds(idle) || !seconds(interval) || !(1..=127).contains(&count) {
            return Err(Error::option(
                "keepalive: 1 to 32,767 seconds, and 1 to 127 times",
            ));
        }
        self.keepalive = Some((idle, interval, count));
        Ok(self)
    }

    /// How long closing may wait for what was sent to arrive; `None` to close at once and leave that to
    /// the system, which is its default. With a duration of 0 closing resets the connection.
    #[must_use]
    pub fn linger(mut self, time: Option<Duration>) -> Self {
        self.linger = Some(time);
        self
    }

    /// The system's receive buffer, in bytes. The system may round it, and has a bound of its own.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// The system's send buffer, in bytes. The system may round it, and has a bound of its own.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// How many routers a packet may pass: TTL of IPv4, hop limit of IPv6.
    ///
    /// # Errors
    /// When it is 0.
    pub fn ttl(mut self, hops: u8) -> Result<Self, Error> {
        if hops == 0 {
            return Err(Error::option("ttl: a packet of no hops arrives nowhere"));
        }
        self.ttl = Some(hops);
        Ok(self)
    }

    /// The byte of differentiated services (RFC 2474): TOS of IPv4, traffic class of IPv6. Its two lowest
    /// bits are the system's.
    #[must_use]
    pub fn traffic_class(mut self, class: u8) -> Self {
        self.traffic_class = Some(class);
        self
    }

    /// The priority of packets in the system's own queues (Linux). More than 6 needs a privilege.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// How long what was sent may be without an acknowledgement before the connection fails (Linux). In
    /// milliseconds there; 0 for the system's default.
    #[must_use]
    pub fn user_timeout(mut self, time: Duration) -> Self {
        self.user_timeout = Some(time);
        self
    }

    /// The interface that packets go through, by its name (Linux).
    #[must_use]
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.device = Some(name.into());
        self
    }

    /// Of a connector: the address of this end; port 0 for any. Only servers' addresses of the same kind
    /// are tried then.
    #[must_use]
    pub fn local_address(mut self, address: SocketAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    pub(crate) fn is_local(&self) -> bool {
        self.local_address.is_some()
    }

    /// Sets all that is said, of a new socket for addresses of this kind.
    pub(crate) fn set(&self, socket: &Socket, v6: bool) -> io::Result<()> {
        if self.nodelay.is_none() {
            named("nodelay", socket.set_tcp_nodelay(true))?;
        }
        self.set_said(socket, v6)
    }

    /// The same of the socket of a connection: all that is said, or nothing.
    pub(crate) fn change(&self, socket: &TcpStream) -> io::Result<()> {
        if self.is_local() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "local_address: the connection has one",
            ));
        }
        let v6 = socket.local_addr()?.is_ipv6();
        let socket = SockRef::from(socket);
        let before = Before::of(self, &socket, v6)?;
        self.set_said(&socket, v6)
            .inspect_err(|_| before.restore(&socket))
    }

    fn set_said(&self, socket: &Socket, v6: bool) -> io::Result<()> {
        if let Some(on) = self.nodelay {
            named("nodelay", socket.set_tcp_nodelay(on))?;
        }
        if let Some((idle, interval, count)) = self.keepalive {
            named("keepalive", keepalive(socket, idle, interval, count))?;
        }
        if let Some(time) = self.linger {
            named("linger", socket.set_linger(time))?;
        }
        if let Some(hops) = self.ttl {
            named(
                "ttl",
                match v6 {
                    true => socket.set_unicast_hops_v6(hops.into()),
                    false => socket.set_ttl_v4(hops.into()),
                },
            )?;
        }
        if let Some(class) = self.traffic_class {
            named(
                "traffic_class",
                match v6 {
                    true => traffic_class_v6(socket, class),
                    false => socket.set_tos_v4(class.into()),
                },
            )?;
        }
        if let Some(priority) = self.priority {
            named("priority", self::priority(socket, priority))?;
        }
        if let Some(time) = self.user_timeout {
            named("user_timeout", user_timeout(socket, time))?;
        }
        if let Some(name) = &self.device {
            named("device", device(socket, name))?;
        }
        // Last: what has failed before leaves them alone, and the system's own care for them.
        if let Some(bytes) = self.receive_buffer {
            named("receive_buffer", socket.set_recv_buffer_size(bytes))?;
        }
        if let Some(bytes) = self.send_buffer {
            named("send_buffer", socket.set_send_buffer_size(bytes))?;
        }
        Ok(())
    }

    /// Connects from a socket of these options.
    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = match to {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Before: the window is agreed on with the first packet.
        self.set(&SockRef::from(&socket), to.is_ipv6())?;
        if let Some(local) = self.local_address {
            if local.is_ipv4() != to.is_ipv4() {
                return Err(io::Error::new(
                    io::ErrorKind::AddrNotAvailable,
                    "local_address: the server's address is of another kind",
                ));
            }
            socket.bind(local)?;
        }
        socket.connect(to).await
    }
}

pub(crate) fn named<T>(option: &str, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{option}: {error}")))
}

/// Connects to the first address that answers. Those that were tried stand in `tried`.
pub(crate) async fn connect_any(
    address: impl ToSocketAddrs,
    options: Option<&SocketOptions>,
    tried: &mut Vec<SocketAddr>,
) -> io::Result<TcpStream> {
    let nowhere = || io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    let mut last = None;
    for address in lookup_host(address).await? {
        tried.push(address);
        let connected = match options {
            Some(options) => options.connect(address).await,
            None => TcpStream::connect(address).await,
        };
        match connected {
            Ok(io) => return Ok(io),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(nowhere))
}

impl TlsConnector {
    /// Options of the sockets that it [connects](Self::connect). Those that are brought along, by
    /// [`upgrade`](Self::upgrade), are left alone. What the system does not have fails the connection.
    #[must_use]
    pub fn socket_options(mut self, options: SocketOptions) -> Self {
        self.socket = Some(Arc::new(options));
        self
    }
}

impl TlsStream<TcpStream> {
    /// Sets options of the connection's socket: all that are said, or none.
    ///
    /// # Errors
    /// Of [`SocketOptions::local_address`], which is a connector's, and those of the system, which name the option.
    /// Nothing has changed then.
    pub fn set_socket_options(&self, options: &SocketOptions) -> io::Result<()> {
        options.change(self.get_ref())
    }
}

/// The socket, if that is what the connection goes over.
pub(crate) fn socket_of<IO: 'static>(io: &IO) -> Option<&TcpStream> {
    (io as &dyn Any).downcast_ref()
}

#[cfg(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "ios",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    windows,
))]
fn keepalive(socket: &Socket, idle: Duration, interval: Duration, count: u32) -> io::Result<()> {
    let times = TcpKeepalive::new()
        .with_time(idle)
        .with_interval(interval)
        .with_retries(count);
    socket.set_tcp_keepalive(&times)
}

#[cfg(not(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "ios",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    windows,
)))]
fn keepalive(_: &Socket, _: Duration, _: Duration, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "macos",
))]
pub(crate) fn traffic_class_v6(socket: &Socket, class: u8) -> io::Result<()> {
    socket.set_tclass_v6(class.into())
}

#[cfg(not(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux",
    target_os = "macos",
)))]
pub(crate) fn traffic_class_v6(_: &Socket, _: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn priority(socket: &Socket, priority: u32) -> io::Result<()> {
    socket.set_priority(priority)
}

#[cfg(target_os = "linux")]
fn user_timeout(socket: &Socket, time: Duration) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(time))
}

#[cfg(target_os = "linux")]
pub(crate) fn device(socket: &Socket, name: &str) -> io::Result<()> {
    socket.bind_device(Some(name.as_bytes()))
}

#[cfg(not(target_os = "linux"))]
fn priority(_: &Socket, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn user_timeout(_: &Socket, _: Duration) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn device(_: &Socket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
