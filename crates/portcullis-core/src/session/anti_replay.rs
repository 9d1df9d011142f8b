//! Early data once: what keeps a recorded first flight from being accepted again.
//!
//! RFC 8446 §8. A server accepts early data only from a ClientHello that is as old as it says,
//! within a window (§8.3), and remembers those that it has accepted for as long as the window would
//! let them in again (§8.2). What remembers is an [`AntiReplay`].

use std::sync::{Arc, Mutex, PoisonError};

use rustls_pki_types::UnixTime;

use crate::crypto::hash::{HashAlgorithm, hash};
use crate::misuse::Misuse;

/// Names a ClientHello with early data: the first 16 bytes of SHA-256 over a label and its binder,
/// so that every server gives it the same name, and the name tells nothing.
pub(crate) type ReplayToken = [u8; 16];

const LABEL: &[u8] = b"portcullis early data 1\0";

/// The name of the hello with this binder, which has proved right.
pub(crate) fn token(binder: &[u8]) -> ReplayToken {
    let digest = hash(HashAlgorithm::Sha256, &[LABEL, binder].concat());
    let mut token = [0; 16];
    for (byte, from) in token.iter_mut().zip(digest.as_slice()) {
        *byte = *from;
    }
    token
}

/// What sees to it that early data is accepted once (RFC 8446 §8). Clones are the same.
///
/// ```
/// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; pub use rustls_pki_types as pki_types; }
/// use portcullis::pki_types::UnixTime;
/// use portcullis::session::{AntiReplay, BloomFilters};
/// use portcullis::{Identity, ServerConfig};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
/// # let identity = Identity::from_pem(&pem, None)?;
/// // Ticket keys are made with the configuration: nothing was accepted with them before.
/// let long_ago = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
/// let anti_replay = AntiReplay::local(BloomFilters::LARGE, long_ago)?;
/// let config = ServerConfig::builder().identity(identity).early_data(anti_replay).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AntiReplay(pub(crate) Claims);

/// Who is asked.
#[derive(Clone, Debug)]
pub(crate) enum Claims {
    Local(Arc<Mutex<Filters>>),
    SingleUse,
    Asked,
}

/// The size of the two Bloom filters of [`AntiReplay::local`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BloomFilters {
    /// The bits of each filter: 1,024 to 2^32.
    pub bits: u64,
    /// How many of them stand for one connection: 1 to 32.
    pub hashes: u32,
}

impl BloomFilters {
    /// For 10,000 connections with early data in two windows: 18 KB. At the most of them one in 32 of
    /// those that are new is taken for one that was there.
    pub const SMALL: Self = Self {
        bits: 72_985,
        hashes: 5,
    };

    /// For 100,000: 182 KB.
    pub const LARGE: Self = Self {
        bits: 729_845,
        hashes: 5,
    };
}

impl AntiReplay {
    /// This process alone remembers, in two Bloom filters that take turns. What they take for a
    /// replay is one, or was new and sends its data again: never the reverse.
    ///
    /// `since`: what was accepted up to then is not remembered, so for two
    /// [windows](crate::config::ServerConfigBuilder::early_data_window) after it, 20 seconds by default, no early data is
    /// accepted (§8.2), nor while the clock is behind it; handshakes go on without, and clients send their data again.
    ///
    /// * `UnixTime::since_unix_epoch(Duration::ZERO)`, long ago: where nothing can have been accepted, because the ticket keys
    ///   are new with this process. Those that a configuration makes for itself are, and those of
    ///   [`TicketKeys::rotating`](super::TicketKeys::rotating). Early data is accepted from the first ticket on.
    /// * `UnixTime::now()`: where this takes the place of another one that has accepted early data for the same keys,
    ///   and is gone with what it remembered.
    ///
    /// Only for tickets that no other process opens, as those of
    /// [`TicketKeys::rotating`](super::TicketKeys::rotating): a configuration with others is refused.
    ///
    /// # Errors
    /// When the filters have no bits, or more than 2^32, or no hashes, or more than 32.
    pub fn local(filters: BloomFilters, since: UnixTime) -> Result<Self, Misuse> {
        let BloomFilters { bits, hashes } = filters;
        if !(1_024..=1 << 32).contains(&bits) || !(1..=32).contains(&hashes) {
            return Err(Misuse::new(format!(
                "anti-replay: {bits} bits with {hashes} hashes; a filter has 1,024 to 2^32 bits, of which 1 to \
                 32 stand for a connection"
            )));
        }
        Ok(Self(Claims::Local(Arc::new(Mutex::new(Filters {
            hashes,
            forgotten: since.as_secs(),
            begun: since.as_secs(),
            filters: [Filter::new(bits), Filter::new(bits)],
        })))))
    }

    /// A store gives each ticket once, to one of all that ask
    /// ([`OpenTickets`](crate::question::OpenTickets)), also after a restart: so there is nothing that could be
    /// replayed. With a store that forgets what it has given, or gives it to two, replays are
    /// accepted.
    pub fn single_use_tickets() -> Self {
        Self(Claims::SingleUse)
    }

    /// Somebody is asked who answers for all servers that open the same tickets
    /// ([`ClaimEarlyData`](crate::question::ClaimEarlyData)).
    pub fn asked() -> Self {
        Self(Claims::Asked)
    }
}

/// Two filters that take turns: what is new goes into the first.
#[derive(Debug)]
pub(crate) struct Filters {
    hashes: u32,
    /// What was claimed at this time or before may not be known any more.
    forgotten: u64,
    /// When the first filter's turn began.
    begun: u64,
    filters: [Filter; 2],
}

#[derive(Debug)]
struct Filter {
    bits: Vec<u64>,
    len: u64,
    /// When the last was claimed that is in it.
    last: u64,
}

impl Filter {
    fn new(len: u64) -> Self {
        let words = usize::try_from(len.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            bits: vec![0; words],
            len,
            last: 0,
        }
    }

    /// The places of a token, which is random: no other hash is needed.
    fn places(
        &self,
        token: &ReplayToken,
        hashes: u32,
    ) -> impl Iterator<Item = (usize, u64)> + use<> {
        let halves = u128::from_be_bytes(*token);
        #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
        let (first, second) = ((halves >> 64) as u64, halves as u64 | 1);
        let len = self.len;
        (0..u64::from(hashes)).map(move |at| {
            let place = first.wrapping_add(second.wrapping_mul(at)) % len;
            (
                usize::try_from(place / 64).unwrap_or(usize::MAX),
                1 << (place % 64),
            )
        })
    }

    fn contains(&self, token: &ReplayToken, hashes: u32) -> bool {
        let mut places = self.places(token, hashes);
        places.all(|(word, bit)| self.bits.get(word).is_some_and(|bits| bits & bit != 0))
    }

    fn insert(&mut self, token: &ReplayToken, hashes: u32, now: u64) {
        for (word, bit) in self.places(token, hashes) {
            if let Some(bits) = self.bits.get_mut(word) {
                *bits |= bit;
            }
        }
        self.last = self.last.max(now);
    }

    fn clear(&mut self) {
        self.bits.fill(0);
        self.last = 0;
    }
}

impl Filters {
    /// Whether nobody has claimed this before, and nobody can have. A claim is remembered for
    /// `lifetime` seconds at least. Everything happens under one lock, so of two that claim the same
    /// one is first.
    pub(crate) fn claim(
        this: &Mutex<Self>,
        token: &ReplayToken,
        now: UnixTime,
        lifetime: u64,
    ) -> bool {
        let mut this = this.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_secs();
        this.turn(now, lifetime);
        let hashes = this.hashes;
        let [first, second] = &mut this.filters;
        let is_seen = first.contains(token, hashes) || second.contains(token, hashes);
        first.insert(token, hashes, now);
        // A claim as old as `lifetime` would be let in again.
        !is_seen && now > this.forgotten.saturating_add(lifetime)
    }

    /// The second filter is emptied and takes its turn when the first has had its own.
    fn turn(&mut self, now: u64, lifetime: u64) {
        if now < self.begun.saturating_add(lifetime) {
            return;
        }
        self.begun = now;
        self.filters.swap(0, 1);
        let [first, _] = &mut self.filters;
        self.forgotten = self.forgotten.max(first.last);
        first.clear();
    }
}
