//! What a user may set of DTLS, with its bounds and the reasons for the defaults.

use core::time::Duration;

use super::connection_id::ConnectionId;
use crate::misuse::Misuse;

/// The least that a path can be expected to carry, in bytes of UDP payload: the handshake of BoringSSL's
/// suite is run with it.
pub(super) const LEAST_MTU: u16 = 228;
/// The most that UDP carries.
const MOST_MTU: u16 = 65_507;
/// RFC 9147 §5.8.2 has timers doubled up to this.
pub(super) const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
/// What a clock that is read in microseconds can keep apart.
pub(super) const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

/// How a handshake over datagrams is sent, and sent again. Cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramOptions {
    pub(super) mtu: u16,
    pub(super) retransmission: Retransmission,
    pub(super) connection_id: Option<ConnectionId>,
    pub(super) checks_paths: bool,
    trusts_unprotected: bool,
}

/// When messages are sent again that the peer has not acknowledged (RFC 9147 §5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    pub(super) initial: Duration,
    pub(super) adaptive: bool,
    pub(super) prompt: bool,
}

impl Default for Retransmission {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            adaptive: true,
            prompt: true,
        }
    }
}

impl Retransmission {
    /// How long the peer's first answer is waited for, before the messages are sent again: 1 ms to 60 s;
    /// 1 s by default (RFC 9147 §5.8.2). It is doubled each time, up to 60 s.
    #[must_use]
    pub const fn initial(mut self, timeout: Duration) -> Self {
        self.initial = timeout;
        self
    }

    /// Whether the time is three round trips, but at least 200 ms, once one was measured. On by default.
    #[must_use]
    pub const fn adaptive(mut self, on: bool) -> Self {
        self.adaptive = on;
        self
    }

    /// Whether what an acknowledgement shows to be missing is sent again at once, and what this side
    /// misses is told at once (RFC 9147 §7.2). On by default.
    #[must_use]
    pub const fn prompt(mut self, on: bool) -> Self {
        self.prompt = on;
        self
    }
}

/// The same, as a connection keeps it: in half the bytes.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    initial: Micros,
    pub(super) adaptive: bool,
    pub(super) prompt: bool,
}

/// A time of at most an hour, to the microsecond.
#[derive(Clone, Copy)]
pub(super) struct Micros(u32);

impl From<Duration> for Micros {
    fn from(time: Duration) -> Self {
        Self(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))
    }
}

impl From<Micros> for Duration {
    fn from(time: Micros) -> Self {
        Self::from_micros(time.0.into())
    }
}

impl From<Retransmission> for Timing {
    fn from(retransmission: Retransmission) -> Self {
        Self {
            initial: retransmission.initial.into(),
            adaptive: retransmission.adaptive,
            prompt: retransmission.prompt,
        }
    }
}

impl Timing {
    pub(super) fn initial(self) -> Duration {
        self.initial.into()
    }

    /// Within 1 ms to 60 s.
    pub(super) fn set_initial(&mut self, initial: Duration) {
        self.initial = initial.clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT).into();
    }
}

impl Default for DatagramOptions {
    fn default() -> Self {
        Self {
            // Tunnels and clouds often carry less than Ethernet's 1,472.
            mtu: 1_200,
            retransmission: Retransmission::default(),
            connection_id: None,
            checks_paths: true,
            trusts_unprotected: false,
        }
    }
}

impl DatagramOptions {
    /// The longest datagram of a handshake, in bytes of UDP payload: 228 to 65,507; 1,200 by default.
    /// After two timeouts in a row 1,024 are tried, and after four 548.
    #[must_use]
    pub const fn mtu(mut self, bytes: u16) -> Self {
        self.mtu = bytes;
        self
    }

    /// When messages are sent again.
    #[must_use]
    pub const fn retransmission(mut self, retransmission: Retransmission) -> Self {
        self.retransmission = retransmission;
        self
    }

    /// Puts this connection id on the peer's protected records, if the peer knows of connection ids (RFC 9146,
    /// RFC 9147 §9): a client offers it, a server answers with it a client that offers one. With
    /// [`ConnectionId::EMPTY`] the peer's records have none, and this side's have what the peer wants. Neither
    /// is said by default.
    ///
    /// Each connection has one of its own, and nobody may be able to guess it: whoever sees one knows which
    /// datagrams are of one connection. Ids that are to be told apart where they arrive have one length.
    #[must_use]
    pub const fn connection_id(mut self, id: ConnectionId) -> Self {
        self.connection_id = Some(id);
        self
    }

    /// Whether, with a connection id, this side also says that it answers when it is asked where it reads, and asks
    /// itself (RFC 9853). On by default: without it a peer of DTLS 1.2 cannot move.
    #[must_use]
    pub const fn path_checks(mut self, on: bool) -> Self {
        self.checks_paths = on;
        self
    }

    /// For a suite that tests conformance and for nothing else: a datagram in the clear is taken for the peer's, so that a
    /// fault in it ends the handshake, and an acknowledgement counts (RFC 9147 §7). Anybody can send such a datagram, and
    /// would end or stop the handshakes of others. Off by default: what is wrong there is dropped and counted.
    #[doc(hidden)]
    #[must_use]
    pub const fn dangerous_trust_unprotected(mut self, on: bool) -> Self {
        self.trusts_unprotected = on;
        self
    }

    pub(crate) const fn trusts_unprotected(&self) -> bool {
        self.trusts_unprotected
    }

    /// Whether a connection id is set.
    pub const fn has_connection_id(&self) -> bool {
        self.connection_id.is_some()
    }

    /// The connection id, and whether paths are checked.
    pub(crate) fn own_connection_id(&self) -> Option<(ConnectionId, bool)> {
        self.connection_id.map(|id| (id, self.checks_paths))
    }

    /// Whether all values are within their bounds, which the constructors of handshakes look at.
    ///
    /// # Errors
    /// When one is not; it says which.
    pub fn check(&self) -> Result<(), Misuse> {
        let initial = self.retransmission.initial;
        if !(LEAST_MTU..=MOST_MTU).contains(&self.mtu) {
            return Err(Misuse::new(format!(
                "mtu: {} is outside of {LEAST_MTU}..={MOST_MTU}",
                self.mtu
            )));
        }
        if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&initial) {
            return Err(Misuse::new(format!(
                "retransmission: the initial timeout of {initial:?} is outside of 1 ms to 60 s"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let default = DatagramOptions::default();
        assert_eq!(default.check(), Ok(()));
        for mtu in [LEAST_MTU, MOST_MTU] {
            assert_eq!(default.mtu(mtu).check(), Ok(()));
        }
        for mtu in [0, LEAST_MTU - 1, MOST_MTU + 1] {
            let seen = default.mtu(mtu).check().unwrap_err().to_string();
            assert_eq!(seen, format!("mtu: {mtu} is outside of 228..=65507"));
        }
        for wrong in [Duration::ZERO, Duration::from_secs(61)] {
            let retransmission = Retransmission::default().initial(wrong);
            assert!(default.retransmission(retransmission).check().is_err());
        }
    }
}
