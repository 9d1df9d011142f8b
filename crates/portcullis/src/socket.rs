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
    nodelay: bool,
    receive_buffer: Option<usize>,
    send_buffer: Option<usize>,
    accepted: Option<SocketOptions>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            // On Windows it would let another process take the address.
            reuse_address: cfg!(unix),
            reuse_port: false,
            only_v6: None,
            nodelay: true,
            receive_buffer: None,
            send_buffer: None,
            accepted: None,
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

    /// Whether accepted connections send small segments at once. Default: yes.
    #[must_use]
    pub fn nodelay(mut self, on: bool) -> Self {
        self.nodelay = on;
        self
    }

    /// The system's receive buffer of each connection, in bytes. Default: as the system does.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// The system's send buffer of each connection, in bytes. Default: as the system does.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// More options of each connection; they win over those above.
    ///
    /// They are set of the listening socket, too, which refuses what the system does not have: binding
    /// fails then. [`SocketOptions::local_address`] is none of a listener's and fails it as well.
    #[must_use]
    pub fn accepted(mut self, options: SocketOptions) -> Self {
        self.accepted = Some(options);
        self
    }

    pub(crate) fn has_nodelay(&self) -> bool {
        self.nodelay
    }

    pub(crate) fn of_accepted(&self) -> Option<&SocketOptions> {
        self.accepted.as_ref()
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
        // Accepted sockets inherit these, and the window is agreed on before they are accepted.
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(options) = &self.accepted {
            if options.is_local() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "local_address: a listener's connections have its address",
                ));
            }
            options.set(&socket, address.is_ipv6())?;
        }
        socket.bind(&address.into())?;
        socket.listen(self.backlog)?;
        TcpListener::from_std(socket.into())
    }
}
