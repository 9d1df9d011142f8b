//! Listening sockets and their options.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::socket_options::SocketOptions;

/// Options of a listening socket, and of the connections it accepts.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    backlog: i32,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
    accepted: SocketOptions,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            // On Windows it would let another process take the address.
            reuse_address: cfg!(unix),
            reuse_port: false,
            only_v6: None,
            accepted: SocketOptions::new(),
        }
    }
}

impl ListenOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections the system holds that were not accepted yet. Default: 1024.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = i32::try_from(connections).unwrap_or(i32::MAX);
        self
    }

    /// Whether an address can be bound to while old connections linger. Default: on Unix.
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// Whether several sockets may listen on one address (Unix). Default: no.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Whether an IPv6 socket takes no IPv4. Default: as the system does.
    #[must_use]
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = Some(on);
        self
    }

    /// Options of each connection. Default: small segments are sent at once, and the rest is as the system has it.
    ///
    /// They are set of the listening socket, too, which refuses what the system does not have: binding
    /// fails then. [`SocketOptions::local_address`] is none of a listener's and fails it as well.
    #[must_use]
    pub fn accepted(mut self, options: SocketOptions) -> Self {
        self.accepted = options;
        self
    }

    pub(crate) fn of_accepted(&self) -> &SocketOptions {
        &self.accepted
    }

    /// Binds and listens.
    pub(crate) fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let domain = socket2::Domain::for_address(address);
        let socket =
            socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if self.reuse_address {
            socket.set_reuse_address(true)?;
        }
        #[cfg(unix)]
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if let (Some(on), true) = (self.only_v6, address.is_ipv6()) {
            socket.set_only_v6(on)?;
        }
        if self.accepted.is_local() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "local_address: a listener's connections have its address",
            ));
        }
        // Accepted sockets inherit most, and the window is agreed on before they are accepted.
        self.accepted.set(&socket, address.is_ipv6())?;
        socket.bind(&address.into())?;
        socket.listen(self.backlog)?;
        TcpListener::from_std(socket.into())
    }
}
