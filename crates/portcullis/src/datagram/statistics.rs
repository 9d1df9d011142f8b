//! What has come, what has gone, and why anything was dropped.

use portcullis_core::Discards;

use crate::statistics::Flow;

/// What a [`DtlsConnection`](crate::DtlsConnection) has seen, the handshake included. Each datagram counts as one
/// operation.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DtlsStatistics {
    /// Datagrams from the peer's address, whoever has sent them.
    pub received: Flow,
    /// Datagrams to the peer.
    pub sent: Flow,
    /// Records that were dropped, by reason.
    pub discards: Discards,
    /// Messages that were dropped because nobody has read those before
    /// ([`DtlsOptions::inbox`](crate::DtlsOptions::inbox)), and datagrams that a handshake had no room for.
    pub inbox_full: u64,
    /// Datagrams that the system did not take: acknowledgements and what is sent again.
    pub send_failures: u64,
    /// How often the peer was followed to another address
    /// ([`DtlsOptions::migration`](crate::DtlsOptions::migration)).
    pub moved: u64,
    /// Newest records from another address, whereto it was neither followed nor could be asked.
    pub moves_refused: u64,
    /// Client with a socket of its own: what is not DTLS, and was given to
    /// [`DtlsConnection::foreign`](crate::DtlsConnection::foreign). Where nobody has asked for it, it is in `discards`.
    pub foreign: u64,
    /// The same, but there was no room.
    pub foreign_full: u64,
}

/// What a [`DtlsListener`](crate::DtlsListener) has seen besides its connections.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DtlsListenerStatistics {
    /// Datagrams from addresses without a connection.
    pub received: Flow,
    /// Answers to them: requests for a cookie, alerts.
    pub sent: Flow,
    /// Of those that were received: dropped, by reason.
    pub discards: Discards,
    /// Clients whose cookie came back, and for whom there was room.
    pub admitted: u64,
    /// Those for whom there was none, because so many handshakes are under way
    /// ([`DtlsOptions::handshakes`](crate::DtlsOptions::handshakes)).
    pub handshakes_full: u64,
    /// Those whose address has all that it may have ([`DtlsOptions::per_address`](crate::DtlsOptions::per_address)).
    pub address_full: u64,
    /// Those for whom there was none, because there are so many connections
    /// ([`DtlsOptions::connections`](crate::DtlsOptions::connections)).
    pub connections_full: u64,
    /// Datagrams for a connection of another listener of [`bind_many`](crate::DtlsListener::bind_many), by their connection
    /// id: those it was given, and those it had no room for, or that nobody was there for.
    pub handed_over: u64,
    /// See [`handed_over`](Self::handed_over).
    pub handed_over_full: u64,
    /// What is not DTLS, and was given to [`DtlsListener::foreign`](crate::DtlsListener::foreign). Where nobody has asked for
    /// it, it is in `discards`, or in those of the connection with its address.
    pub foreign: u64,
    /// The same, but there was no room.
    pub foreign_full: u64,
    /// Datagrams that the system did not take.
    pub send_failures: u64,
    /// Errors of receiving. They are of single datagrams.
    pub receive_failures: u64,
    /// Connections that are there, with handshakes under way and those that were just closed.
    pub connections: usize,
    /// Clients that are passed on to servers behind.
    pub fronted: DtlsFrontStatistics,
}

/// What a [`DtlsListener`](crate::DtlsListener) with a [`DtlsEchFront`](crate::DtlsEchFront) has passed on.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DtlsFrontStatistics {
    /// Clients that are passed on now, each of their addresses for itself.
    pub clients: usize,
    /// Those that were, in all.
    pub opened: u64,
    /// Of these: found again by a connection id at another address.
    pub moved: u64,
    /// Clients for whom there was no room ([`DtlsEchFront::clients`](crate::DtlsEchFront::clients)).
    pub clients_full: u64,
    /// Those for whom there was no socket.
    pub socket_failures: u64,
    /// Datagrams to servers behind.
    pub to_servers: Flow,
    /// Datagrams to clients.
    pub to_clients: Flow,
    /// Datagrams of either that the system did not take.
    pub send_failures: u64,
    /// Errors of receiving from servers behind, e.g. that nobody listens there.
    pub receive_failures: u64,
}
