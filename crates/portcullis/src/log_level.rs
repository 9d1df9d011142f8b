//! How much is logged of one connection.

use std::str::FromStr;

use portcullis_core::Misuse;

/// How much is logged of a connection (`log_level`): what is said of it at this level and at those before it.
///
/// Without one the subscriber of `tracing` decides, as it does in any case about what it lets pass. A connection with
/// [`Debug`](Self::Debug) is logged in detail also where the subscriber takes nothing below `info`: its events come
/// at that level then, with the target `portcullis::verbose`.
///
/// | level | what | `log_level` of Erlang |
/// |---|---|---|
/// | `Off` | nothing, and no span | `none` |
/// | `Error` | faults of this side: a callback that failed, a store, the crypto library | `emergency`, `alert`, `critical`, `error` |
/// | `Warn` | what is suspicious and goes on | `warning` |
/// | `Info` | handshakes that fail, alerts of either side, with stage and reason | `notice`, `info` |
/// | `Debug` | each handshake message by its name and length | `debug`, `all` |
///
/// Where the hello is encrypted (RFC 9849), and of servers that read such ones, failures are told without the sentence that
/// the error has: it may quote the name. At no level is there a key, content, a ticket, or the identity of a pre-shared key.
///
/// ```
/// use portcullis::LogLevel;
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (connector, _) = dev_ends();
/// // This one is looked at.
/// let connector = connector.log_level(LogLevel::Debug);
/// assert_eq!("notice".parse::<LogLevel>()?, LogLevel::Info);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Faults of this side.
    Error,
    /// What is suspicious.
    Warn,
    /// Failures, and alerts.
    Info,
    /// Each handshake message.
    Debug,
}

/// Names of `tracing` and of Erlang.
impl FromStr for LogLevel {
    type Err = Misuse;

    fn from_str(name: &str) -> Result<Self, Misuse> {
        match name {
            "off" | "none" => Ok(Self::Off),
            "error" | "critical" | "alert" | "emergency" => Ok(Self::Error),
            "warn" | "warning" => Ok(Self::Warn),
            "info" | "notice" => Ok(Self::Info),
            "debug" | "all" => Ok(Self::Debug),
            _ => Err(Misuse::new(
                "log_level: there are off, error, warn, info and debug, and Erlang's names of these",
            )),
        }
    }
}

/// The level at which `tracing` is told.
macro_rules! own_level {
    (ERROR) => {
        $crate::log_level::LogLevel::Error
    };
    (WARN) => {
        $crate::log_level::LogLevel::Warn
    };
    (INFO) => {
        $crate::log_level::LogLevel::Info
    };
    (DEBUG) => {
        $crate::log_level::LogLevel::Debug
    };
}

/// An event of a connection with this level, if it has one.
macro_rules! log_at {
    ($chosen:expr, $level:ident, $($event:tt)+) => {
        match $chosen {
            Some(chosen) if chosen < $crate::log_level::own_level!($level) => {}
            chosen if chosen.is_none() || tracing::enabled!(tracing::Level::$level) => {
                tracing::event!(tracing::Level::$level, $($event)+);
            }
            _ => tracing::event!(
                target: "portcullis::verbose",
                tracing::Level::INFO,
                $($event)+
            ),
        }
    };
}

pub(crate) use {log_at, own_level};

/// Whether handshake messages are to be told.
pub(crate) fn wants_messages(chosen: Option<LogLevel>) -> bool {
    match chosen {
        None => tracing::enabled!(tracing::Level::DEBUG),
        Some(chosen) => chosen >= LogLevel::Debug && tracing::enabled!(tracing::Level::INFO),
    }
}
