//! Options of the sockets of DTLS: what `gen_udp` users set.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::Socket;

use crate::error::Error;
use crate::socket_options::{device, named, traffic_class_v6};

/// Options of a UDP socket. What is not said stays as the system has it.
///
/// * Of a listener: [`DtlsListener::bind_with`](crate::DtlsListener::bind_with).
/// * Of a connector: [`DtlsConnector::udp_options`](crate::DtlsConnector::udp_options).
///
/// With any other option [`DtlsListener::from_std`](crate::DtlsListener::from_std) takes a socket as it is. There is none
/// of groups of receivers, since DTLS has two ends. What the platform does not have is an error there, and not passed
/// over.
///
/// ```
/// use portcullis::UdpOptions;
///
/// # fn main() -> Result<(), portcullis::Error> {
/// let options = UdpOptions::new().receive_buffer(1 << 20).traffic_class(0xb8);
/// assert!(options.clone().ttl(0).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct UdpOptions {
    receive_buffer: Option<usize>,
    send_buffer: Option<usize>,
    reuse_address: Option<bool>,
    only_v6: Option<bool>,
    ttl: Option<u8>,
    traffic_class: Option<u8>,
    device: Option<String>,
    local_address: Option<SocketAddr>,
}

impl UdpOptions {
    /// Nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// The system's receive buffer, in bytes: what it keeps until the task of the socket reads. The system may round it,
    /// and has a bound of its own.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// The system's send buffer, in bytes. The system may round it, and has a bound of its own.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// Whether another socket may have the same address (`SO_REUSEADDR`). On Linux the last of them gets what comes.
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = Some(on);
        self
    }

    /// Of a listener on an address of IPv6: whether clients of IPv4 cannot come.
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = Some(on);
        self
    }

    /// How many routers a datagram may pass: TTL of IPv4, hop limit of IPv6; both of a listener for both.
    ///
    /// # Errors
    /// When it is 0.
    pub fn ttl(mut self, hops: u8) -> Result<Self, Error> {
        if hops == 0 {
            return Err(Error::option("ttl: a datagram of no hops arrives nowhere"));
        }
        self.ttl = Some(hops);
        Ok(self)
    }

    /// The byte of differentiated services (RFC 2474): TOS of IPv4, traffic class of IPv6; both of a listener for both. Its two
    /// lowest bits are the system's.
    pub fn traffic_class(mut self, class: u8) -> Self {
        self.traffic_class = Some(class);
        self
    }

    /// The interface that datagrams go through, by its name (Linux).
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.device = Some(name.into());
        self
    }

    /// Of a connector: the address of this end; port 0 for any. Only servers' addresses of the same kind are tried then.
    pub fn local_address(mut self, address: SocketAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// That of this end, if it was said.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.local_address
    }

    /// Sets all that is said, of a socket that is not bound yet, for this address, of which the other end's may be.
    pub(super) fn set(&self, socket: &Socket, address: IpAddr) -> io::Result<()> {
        if let Some(on) = self.reuse_address {
            named("reuse_address", socket.set_reuse_address(on))?;
        }
        if let Some(on) = self.only_v6 {
            named("only_v6", socket.set_only_v6(on))?;
        }
        let v6 = address.is_ipv6();
        let v4 = match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(ip) if ip.is_unspecified() => !socket.only_v6()?,
            IpAddr::V6(ip) => ip.to_ipv4_mapped().is_some(),
        };
        if let Some(hops) = self.ttl {
            if v6 {
                named("ttl", socket.set_unicast_hops_v6(hops.into()))?;
            }
            if v4 {
                named("ttl", socket.set_ttl_v4(hops.into()))?;
            }
        }
        if let Some(class) = self.traffic_class {
            if v6 {
                named("traffic_class", traffic_class_v6(socket, class))?;
            }
            if v4 {
                named("traffic_class", socket.set_tos_v4(class.into()))?;
            }
        }
        if let Some(name) = &self.device {
            named("device", device(socket, name))?;
        }
        if let Some(bytes) = self.receive_buffer {
            named("receive_buffer", socket.set_recv_buffer_size(bytes))?;
        }
        if let Some(bytes) = self.send_buffer {
            named("send_buffer", socket.set_send_buffer_size(bytes))?;
        }
        Ok(())
    }
}
