//! Time, which is always an argument: the core reads no clock.

use core::time::Duration;

use rustls_pki_types::UnixTime;

/// The time at which something is given to the core, which has no clock of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What certificates and tickets are judged by.
    pub wall: UnixTime,
    /// What deadlines are measured by. Streams have none, so their drivers read one clock only.
    pub monotonic: Monotonic,
}

/// The time since an origin that the driver chooses; it never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(pub Duration);

impl From<UnixTime> for Now {
    fn from(wall: UnixTime) -> Self {
        Self {
            wall,
            monotonic: Monotonic::default(),
        }
    }
}
