//! Errors of accepting: whose they are, and when to try again.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// The first and the longest pause after the system has run out of descriptors or memory.
const FIRST_BACK_OFF: Duration = Duration::from_millis(5);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// Whose fault it is that a connection could not be accepted.
enum Fault {
    Connection,
    Exhaustion,
    Listener,
}

impl Fault {
    fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, OutOfMemory,
            TimedOut,
        };

        match error.kind() {
            // Linux reports errors of the connection's network here (accept(2)).
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut => {
                Self::Connection
            }
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Connection,
            // A firewall's rule against the peer, and EOPNOTSUPP.
            io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => Self::Connection,
            OutOfMemory => Self::Exhaustion,
            _ => match error.raw_os_error() {
                Some(code) if EXHAUSTION.contains(&code) => Self::Exhaustion,
                Some(code) if NETWORK.contains(&code) => Self::Connection,
                _ => Self::Listener,
            },
        }
    }
}

/// EMFILE, ENFILE, ENOMEM, ENOBUFS.
#[cfg(any(target_os = "linux", target_os = "android"))]
const EXHAUSTION: [i32; 4] = [24, 23, 12, 105];
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const EXHAUSTION: [i32; 4] = [24, 23, 12, 55];
/// WSAEMFILE, WSAENOBUFS.
#[cfg(not(unix))]
const EXHAUSTION: [i32; 2] = [10024, 10055];

/// Errors of a connection's network that have no kind of their own: ENONET, EPROTO, ENOPROTOOPT,
/// EHOSTDOWN. accept(2) of Linux has them tried again like EAGAIN.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NETWORK: [i32; 4] = [64, 71, 92, 112];
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NETWORK: [i32; 0] = [];

/// After this many connections in a row that broke before they were accepted, it may not be them.
const MANY: u32 = 128;

/// What has gone wrong since a connection was accepted, and when to try again.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    until: Option<Instant>,
    last: Duration,
    passed_over: u32,
}

impl Faults {
    /// Until when nothing is to be accepted.
    pub(crate) fn pause(&self) -> Option<Instant> {
        self.until.filter(|until| *until > Instant::now())
    }

    /// What the caller gets; `None` to try again, after the pause.
    pub(crate) fn sort<T>(&mut self, accepted: io::Result<T>) -> Option<io::Result<T>> {
        let error = match accepted {
            Ok(accepted) => {
                *self = Self::default();
                return Some(Ok(accepted));
            }
            Err(error) => error,
        };
        match Fault::of(&error) {
            Fault::Connection => {
                tracing::debug!(%error, "a connection broke before it was accepted");
                self.pass_over();
                None
            }
            Fault::Exhaustion => {
                tracing::warn!(%error, "accepting pauses");
                self.back_off();
                None
            }
            Fault::Listener => {
                self.back_off();
                Some(Err(error))
            }
        }
    }

    fn back_off(&mut self) {
        self.last = (self.last * 2).clamp(FIRST_BACK_OFF, LONGEST_BACK_OFF);
        self.until = Some(Instant::now() + self.last);
    }

    fn pass_over(&mut self) {
        self.passed_over += 1;
        if self.passed_over >= MANY {
            self.passed_over = 0;
            self.back_off();
        }
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn errors_of_a_connections_network_are_not_the_listeners() {
        // EPERM, EINTR, ENONET, EPROTO, ENOPROTOOPT, EOPNOTSUPP, ENETDOWN, ENETUNREACH,
        // ECONNABORTED, ECONNRESET, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH (accept(2)).
        for code in [1, 4, 64, 71, 92, 95, 100, 101, 103, 104, 110, 112, 113] {
            let error = io::Error::from_raw_os_error(code);
            assert!(matches!(Fault::of(&error), Fault::Connection), "{error:?}");
        }
        // EBADF, EINVAL, ENOTSOCK.
        for code in [9, 22, 88] {
            let error = io::Error::from_raw_os_error(code);
            assert!(matches!(Fault::of(&error), Fault::Listener), "{error:?}");
        }
    }

    #[test]
    fn connections_that_break_without_end_are_no_busy_loop() {
        let mut faults = Faults::default();
        let mut paused = 0;
        for _ in 0..10 * MANY {
            faults.pass_over();
            paused += usize::from(faults.until.take().is_some());
        }
        assert_eq!(paused, 10);
        assert_eq!(faults.last, LONGEST_BACK_OFF);
    }
}
