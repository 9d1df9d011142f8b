//! What is dropped over datagrams, and why.

#[cfg(feature = "dtls")]
use portcullis_core::{Discarded, Discards};

#[cfg(feature = "dtls")]
use super::{DISCARDED_BY, FOREIGN_BY, HANDED_OVER_BY, count, count_many};

macro_rules! reasons {
    ($($name:ident = $label:literal,)+) => {
        /// The reasons of `Discarded`, and those of whoever has no room.
        pub(super) const REASONS: &[&str] = &[
            $($label,)+
            "inbox_full",
            "handshakes_full",
            "address_full",
            "connections_full",
            "clients_full",
            "other",
        ];

        #[cfg(feature = "dtls")]
        pub(super) fn reason(why: Discarded) -> &'static str {
            match why {
                $(Discarded::$name => $label,)+
                _ => "other",
            }
        }
    };
}

reasons! {
    ForeignByte = "foreign_byte",
    Malformed = "malformed",
    TooShort = "too_short",
    WrongVersion = "wrong_version",
    UnknownEpoch = "unknown_epoch",
    Replayed = "replayed",
    TooOld = "too_old",
    DoesNotOpen = "does_not_open",
    UnknownConnectionId = "unknown_connection_id",
    BeyondWindow = "beyond_window",
    OldMessage = "old_message",
    ContradictsFragment = "contradicts_fragment",
    ReassemblyFull = "reassembly_full",
    EarlyFull = "early_full",
    ChangeCipherSpec = "change_cipher_spec",
    UnprotectedFault = "unprotected_fault",
    UnprotectedAfterKeys = "unprotected_after_keys",
    AfterClose = "after_close",
    BadCookie = "bad_cookie",
    StaleCookie = "stale_cookie",
    NoHello = "no_hello",
    NotWhole = "not_whole",
    TooManyEncrypted = "too_many_encrypted",
}

/// What has no room for something that nothing is wrong with.
#[cfg(feature = "dtls")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Full {
    Inbox,
    Handshakes,
    Address,
    Connections,
    /// Of servers behind this one.
    Clients,
}

/// One was dropped.
#[cfg(feature = "dtls")]
pub(crate) fn discarded(why: Discarded) {
    count(&DISCARDED_BY, [reason(why)]);
}

/// So many were dropped, each for its reason.
#[cfg(feature = "dtls")]
pub(crate) fn discards(all: &Discards) {
    for (why, times) in all.iter() {
        count_many(&DISCARDED_BY, [reason(why)], times.into());
    }
}

/// There was no room.
#[cfg(feature = "dtls")]
pub(crate) fn full(of: Full) {
    let reason = match of {
        Full::Inbox => "inbox_full",
        Full::Handshakes => "handshakes_full",
        Full::Address => "address_full",
        Full::Connections => "connections_full",
        Full::Clients => "clients_full",
    };
    count(&DISCARDED_BY, [reason]);
}

/// To whom a datagram goes that is not for whoever has received it.
#[cfg(feature = "dtls")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// It is not DTLS.
    Foreign,
    /// Another socket of the group has its connection.
    HandedOver,
}

/// One was passed on, or there was no room for it.
#[cfg(feature = "dtls")]
pub(crate) fn passed_on(way: Way, is_taken: bool) {
    let table = match way {
        Way::Foreign => &FOREIGN_BY,
        Way::HandedOver => &HANDED_OVER_BY,
    };
    count(table, [if is_taken { "taken" } else { "full" }]);
}
