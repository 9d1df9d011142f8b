//! What may be set of DTLS besides what TLS has, and its bounds.

use std::time::Duration;

use portcullis_core::{ConnectionId, CookiePolicy, DatagramOptions, Misuse};

use super::endpoint::Endpoint;
use super::moves::Migration;
use crate::accept::AddressLimits;
use crate::error::Error;

/// Options of [`DtlsListener`](crate::DtlsListener), [`DtlsConnector`](crate::DtlsConnector) and
/// [`DtlsAcceptor`](crate::DtlsAcceptor). Cheap to copy.
///
/// ```
/// use std::time::Duration;
/// use portcullis::{DatagramOptions, DtlsOptions, Retransmission};
///
/// # fn main() -> Result<(), portcullis::Misuse> {
/// let first = Retransmission::default().initial(Duration::from_millis(400));
/// let options = DtlsOptions::new()
///     .datagrams(DatagramOptions::default().mtu(1_300).retransmission(first))
///     .idle_timeout(Some(Duration::from_secs(60)));
/// options.check()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DtlsOptions {
    pub(super) datagrams: DatagramOptions,
    pub(super) cookies: Option<CookiePolicy>,
    pub(super) handshakes: usize,
    pub(super) per_address: AddressLimits,
    pub(super) connections: usize,
    pub(super) decryptions: u32,
    pub(super) inbox: (usize, usize),
    pub(super) idle: Option<Option<Duration>>,
    connection_ids: Option<usize>,
    pub(super) migration: Migration,
}

impl Default for DtlsOptions {
    fn default() -> Self {
        Self {
            datagrams: DatagramOptions::default(),
            cookies: None,
            handshakes: 1_024,
            per_address: AddressLimits::new(),
            connections: 100_000,
            decryptions: 5_000,
            inbox: (1_024, 256 * 1024),
            idle: None,
            connection_ids: None,
            migration: Migration::default(),
        }
    }
}

/// How long a listener's connection may be silent.
const IDLE: Duration = Duration::from_secs(600);

impl DtlsOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the datagrams of a handshake are, and when they are sent again.
    #[must_use]
    pub fn datagrams(mut self, options: DatagramOptions) -> Self {
        self.datagrams = options;
        self
    }

    /// Server: whether a client has to send back a cookie before there is anything of it (RFC 9147 §5.1). Default:
    /// always over UDP, where an address can be forged; never over a transport of the caller's
    /// ([`DtlsAcceptor::accept`](crate::DtlsAcceptor::accept)).
    #[must_use]
    pub fn cookies(mut self, policy: CookiePolicy) -> Self {
        self.cookies = Some(policy);
        self
    }

    /// Server: how many handshakes may be under way at once, those included that nobody has accepted yet. 1 to
    /// 1,000,000; 1,024 by default. Whoever comes besides is not answered, and asks again by itself.
    #[must_use]
    pub fn handshakes(mut self, at_once: usize) -> Self {
        self.handshakes = at_once;
        self
    }

    /// Server: what one address may have of these. Default: 64 at once. A client that was not asked for a cookie
    /// ([`CookiePolicy::UnderLoad`]) counts when its handshake is over: until then its address may be another's.
    #[must_use]
    pub fn per_address(mut self, limits: AddressLimits) -> Self {
        self.per_address = limits;
        self
    }

    /// Server: how many connections there may be, with the handshakes under way. 1 to 10,000,000; 100,000 by
    /// default.
    #[must_use]
    pub fn connections(mut self, at_once: usize) -> Self {
        self.connections = at_once;
        self
    }

    /// Server with [`ech_keys`](crate::config::ServerConfigBuilder::ech_keys): how many keys are tried in a second on
    /// encrypted hellos of those whose addresses may be forged, and a tenth of a second's at once. 1 to 1,000,000; 5,000
    /// by default, which is about a tenth of a processor. A hello is tried with the keys that have the id which it names, most
    /// often one. Second hellos count apart, in front of other servers ([`DtlsEchFront`](crate::DtlsEchFront)), as many
    /// again: a half for whoever comes first, the other shared out by address, an IPv6 network of /64 being one, so that
    /// nobody takes all; elsewhere they are of handshakes. What is over is dropped unread, counted as [`Discarded::TooManyEncrypted`](crate::Discarded), and
    /// clients say it again: whoever sends more makes them wait.
    #[must_use]
    pub fn decryptions(mut self, per_second: u32) -> Self {
        self.decryptions = per_second;
        self
    }

    /// How many messages of a connection, and how many bytes of them, wait to be read: 1 to 1,048,576 messages, and
    /// 16 KiB to 1 GiB. Default: 1,024 messages and 256 KiB. What comes besides is dropped, since nothing slows
    /// down those who send over datagrams.
    #[must_use]
    pub fn inbox(mut self, messages: usize, bytes: usize) -> Self {
        self.inbox = (messages, bytes);
        self
    }

    /// After how long without a record of the peer's a connection ends with
    /// [`Error::is_timeout`](crate::Error::is_timeout): 10 milliseconds to 30 years, or `None` for never. Default: 10
    /// minutes for a listener's, never for others. Nobody says so where a peer is gone, and a listener has a bound
    /// of connections.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.idle = Some(timeout);
        self
    }

    /// Connection ids (RFC 9146, RFC 9147 §9): a client offers them, and a listener answers clients that do. The peer's
    /// records have one of so many random bytes, by which the connection is found when the peer goes on from another
    /// address ([`migration`](Self::migration)), and this side's have what the peer wants. 8 to 32, or 0: the peer's
    /// have none, as a client wants it that has one server. `None`, the default: nothing is said of them.
    #[must_use]
    pub fn connection_ids(mut self, bytes: Option<usize>) -> Self {
        self.connection_ids = bytes;
        self
    }

    /// What becomes of a peer with a connection id that goes on from another address: it is followed when it has
    /// shown that it reads there, by default.
    #[must_use]
    pub fn migration(mut self, migration: Migration) -> Self {
        self.migration = migration;
        self
    }

    /// With a connection id of its own for each connection; and that id.
    pub(super) fn identified(
        &self,
        endpoint: &Endpoint,
    ) -> Result<(DatagramOptions, ConnectionId), Error> {
        match self.connection_ids {
            None => Ok((self.datagrams, ConnectionId::EMPTY)),
            Some(length) => {
                let id = endpoint.connection_id(length)?;
                Ok((self.datagrams.connection_id(id), id))
            }
        }
    }

    /// How many bytes by which peers are known besides their address.
    pub(super) fn id_length(&self) -> usize {
        self.connection_ids.unwrap_or_default()
    }

    /// Whether all values are within their bounds, which all who take options look at.
    ///
    /// # Errors
    /// When one is not; it says which.
    pub fn check(&self) -> Result<(), Misuse> {
        self.datagrams.check()?;
        if self.datagrams.has_connection_id() {
            return Err(Misuse::new(
                "datagrams: a connection id of one's own would be that of every connection; say how long they are with \
                 `connection_ids`",
            ));
        }
        let within = |what: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Misuse::new(format!(
                "{what}: {value} is outside of {least}..={most}"
            )))
        };
        within("handshakes", self.handshakes, 1, 1_000_000)?;
        within("connections", self.connections, 1, 10_000_000)?;
        within("decryptions", self.decryptions as usize, 1, 1_000_000)?;
        if let Some(CookiePolicy::UnderLoad { handshakes }) = self.cookies {
            // Else whoever forges addresses could take all places.
            let most = self.handshakes - 1;
            within("cookies, handshakes under load", handshakes, 1, most)?;
        }
        if let Some(length @ 1..) = self.connection_ids {
            let what = "connection_ids, which may be 0 for none on the peer's records";
            within(what, length, 8, ConnectionId::MAX_LEN)?;
        }
        let (messages, bytes) = self.inbox;
        within("inbox, messages", messages, 1, 1 << 20)?;
        within("inbox, bytes", bytes, 16 << 10, 1 << 30)?;
        if let Some(Some(idle)) = self.idle
            && idle < Duration::from_millis(10)
        {
            return Err(Misuse::new(format!(
                "idle_timeout: {idle:?} is less than 10 ms"
            )));
        }
        Ok(())
    }

    /// Messages and bytes, within the bounds of [`check`](Self::check).
    pub(super) fn inbox_bounds(&self) -> (u32, u32) {
        let bounded = |number| u32::try_from(number).unwrap_or(u32::MAX);
        (bounded(self.inbox.0), bounded(self.inbox.1))
    }

    /// Of a listener.
    pub(super) fn listeners_idle(&self) -> Option<Duration> {
        self.idle.unwrap_or(Some(IDLE))
    }

    /// Of anybody else.
    pub(super) fn others_idle(&self) -> Option<Duration> {
        self.idle.flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let default = DtlsOptions::new();
        assert_eq!(default.check(), Ok(()));
        let wrong = [
            default.handshakes(0),
            default.handshakes(1_000_001),
            default.connections(0),
            default.decryptions(0),
            default.decryptions(1_000_001),
            default.inbox(0, 1 << 20),
            default.inbox(1, 100),
            default.idle_timeout(Some(Duration::ZERO)),
            default.datagrams(DatagramOptions::default().mtu(1)),
            default.connection_ids(Some(7)),
            default.connection_ids(Some(33)),
            default.cookies(CookiePolicy::UnderLoad { handshakes: 0 }),
            default.cookies(CookiePolicy::UnderLoad { handshakes: 1_024 }),
        ];
        for options in wrong {
            assert!(options.check().is_err(), "{options:?}");
        }
        assert!(default.idle_timeout(None).check().is_ok());
        let short = default.connection_ids(Some(4)).check().unwrap_err();
        assert_eq!(
            short.to_string(),
            "connection_ids, which may be 0 for none on the peer's records: 4 is outside of 8..=32"
        );
        assert!(default.connection_ids(Some(0)).check().is_ok());
    }
}
