//! Options of a connection that is there, several at once: `ssl:setopts/2`.

use std::num::NonZeroU16;
use std::time::Duration;

use portcullis_core::Stage;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::delivery::{Active, ActiveStream, Packets};
use crate::error::Error;
use crate::log_level::LogLevel;
use crate::packet::PacketOptions;
use crate::read::EofPolicy;
use crate::socket_options::{SocketOptions, socket_of};
use crate::stream::TlsStream;

/// Options of a connection that is there. What is not said stays as it is.
///
/// They are set all together or not at all: the error names the first that cannot be, in the order of the methods
/// here, and then nothing has changed. By [`TlsStream::apply`], [`Packets::apply`], [`ActiveStream::apply`] and
/// [`Handle::apply`](crate::Handle::apply).
///
/// ```
/// use std::time::Duration;
/// use portcullis::packet::Packet;
/// use portcullis::{Active, RuntimeOptions};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_client, server) = connected().await;
/// let mut messages = server.into_packets(Packet::Raw).into_active(Active::False);
/// let options = RuntimeOptions::new()
///     .packet(Packet::Line)
///     .active(Active::N(10))
///     .send_timeout(Some(Duration::from_secs(5)));
/// messages.apply(&options)?;
/// assert_eq!(messages.active(), Active::N(10));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RuntimeOptions {
    packet: Option<PacketOptions>,
    active: Option<Active>,
    eof_policy: Option<EofPolicy>,
    log_level: Option<Option<LogLevel>>,
    reads_per_turn: Option<NonZeroU16>,
    send_timeout: Option<Option<Duration>>,
    send_timeout_close: Option<bool>,
    write_timeout: Option<Option<Duration>>,
    socket: Option<SocketOptions>,
}

impl RuntimeOptions {
    /// Nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// In which packets is delivered and sent: as [`Packets::set_packet`]. Only of packets.
    pub fn packet(mut self, options: impl Into<PacketOptions>) -> Self {
        self.packet = Some(options.into());
        self
    }

    /// How much is delivered: as [`ActiveStream::set_active`], so that credits are added. Only of active streams.
    pub fn active(mut self, mode: Active) -> Self {
        self.active = Some(mode);
        self
    }

    /// As [`TlsStream::set_eof_policy`].
    pub fn eof_policy(mut self, policy: EofPolicy) -> Self {
        self.eof_policy = Some(policy);
        self
    }

    /// As [`TlsStream::set_log_level`].
    pub fn log_level(mut self, level: Option<LogLevel>) -> Self {
        self.log_level = Some(level);
        self
    }

    /// As [`TlsConnector::reads_per_turn`](crate::TlsConnector::reads_per_turn).
    pub fn reads_per_turn(mut self, reads: NonZeroU16) -> Self {
        self.reads_per_turn = Some(reads);
        self
    }

    /// As [`TlsStream::set_send_timeout`].
    pub fn send_timeout(mut self, within: Option<Duration>) -> Self {
        self.send_timeout = Some(within);
        self
    }

    /// As [`TlsStream::set_send_timeout_close`].
    pub fn send_timeout_close(mut self, on: bool) -> Self {
        self.send_timeout_close = Some(on);
        self
    }

    /// As [`TlsStream::set_write_timeout`].
    pub fn write_timeout(mut self, limit: Option<Duration>) -> Self {
        self.write_timeout = Some(limit);
        self
    }

    /// As [`TlsStream::set_socket_options`]. Only of connections over TCP.
    pub fn socket(mut self, options: SocketOptions) -> Self {
        self.socket = Some(options);
        self
    }

    /// Of packets, for whoever has none.
    fn without_packet(&self) -> Result<(), Error> {
        match self.packet {
            None => Ok(()),
            Some(_) => Err(Error::option(
                "packet: there are no packets here; `into_packets` makes them of what comes",
            )),
        }
    }

    /// Of messages, for whoever has none.
    fn without_active(&self) -> Result<(), Error> {
        match self.active {
            None => Ok(()),
            Some(_) => Err(Error::option(
                "active: this is read from, and delivers nothing by itself; `into_active` makes messages of what comes",
            )),
        }
    }

    /// Whether anything is said of what is delivered.
    pub(crate) fn delivers(&self) -> bool {
        self.packet.is_some() || self.active.is_some()
    }

    pub(crate) fn of_sending(&self) -> (Option<Option<Duration>>, Option<bool>) {
        (self.send_timeout, self.send_timeout_close)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> TlsStream<IO> {
    /// Sets several options, all or none.
    ///
    /// # Errors
    /// The first option that cannot be set, by its name; then nothing has changed.
    pub fn apply(&mut self, options: &RuntimeOptions) -> Result<(), Error> {
        options.without_packet()?;
        options.without_active()?;
        self.adjust(options)
    }

    /// Sets what a stream has. Only the socket can refuse, so it comes first.
    fn adjust(&mut self, options: &RuntimeOptions) -> Result<(), Error> {
        if let Some(socket) = &options.socket {
            let Some(io) = socket_of(self.get_ref()) else {
                return Err(Error::option(
                    "socket: the connection does not go over a TcpStream of Tokio, and only that has these options",
                ));
            };
            let changed = socket.change(io);
            changed.map_err(|error| Error::io(error, Stage::Connected))?;
        }
        if let Some(policy) = options.eof_policy {
            self.set_eof_policy(policy);
        }
        if let Some(level) = options.log_level {
            self.set_log_level(level);
        }
        if let Some(reads) = options.reads_per_turn {
            self.parts_mut().read.set_reads_per_turn(reads);
        }
        if let Some(within) = options.send_timeout {
            self.set_send_timeout(within);
        }
        if let Some(on) = options.send_timeout_close {
            self.set_send_timeout_close(on);
        }
        if let Some(limit) = options.write_timeout {
            self.set_write_timeout(limit);
        }
        Ok(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Packets<TlsStream<IO>> {
    /// Sets several options, all or none.
    ///
    /// # Errors
    /// The first option that cannot be set, by its name; then nothing has changed.
    pub fn apply(&mut self, options: &RuntimeOptions) -> Result<(), Error> {
        options.without_active()?;
        self.get_mut().adjust(options)?;
        if let Some(packet) = options.packet {
            self.set_packet(packet);
        }
        Ok(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> ActiveStream<TlsStream<IO>> {
    /// Sets several options, all or none.
    ///
    /// # Errors
    /// The first option that cannot be set, by its name; then nothing has changed. [`Error::is_closed`] of
    /// [`active`](RuntimeOptions::active) when the terminal message has been delivered.
    pub fn apply(&mut self, options: &RuntimeOptions) -> Result<(), Error> {
        options.without_packet()?;
        if let Some(mode) = options.active {
            self.check_active(mode, self.has_ended())?;
        }
        self.get_mut().adjust(options)?;
        match options.active {
            Some(mode) => self.set_active(mode),
            None => Ok(()),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> ActiveStream<Packets<TlsStream<IO>>> {
    /// Sets several options, all or none.
    ///
    /// # Errors
    /// As of an active stream without packets.
    pub fn apply(&mut self, options: &RuntimeOptions) -> Result<(), Error> {
        if let Some(mode) = options.active {
            // With another mode of packets an end that was an invalid packet is none.
            let goes_on = options.packet.is_some() && self.get_ref().has_fault();
            self.check_active(mode, self.has_ended() && !goes_on)?;
        }
        self.get_mut().get_mut().adjust(options)?;
        if let Some(packet) = options.packet {
            self.set_packet(packet);
        }
        match options.active {
            Some(mode) => self.set_active(mode),
            None => Ok(()),
        }
    }
}
