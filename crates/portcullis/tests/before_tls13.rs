//! What is promised whatever the version, over TLS 1.2.

#![allow(
    clippy::duplicate_mod,
    reason = "each of these is a program of its own, too"
)]

#[path = "cancel.rs"]
mod cancel;
#[path = "cancel_halves.rs"]
mod cancel_halves;
#[path = "cancel_handshakes.rs"]
mod cancel_handshakes;
#[path = "cooperation.rs"]
mod cooperation;
#[path = "delivery.rs"]
mod delivery;
#[path = "hibernation.rs"]
mod hibernation;
#[path = "last_words.rs"]
mod last_words;
#[path = "pauses.rs"]
mod pauses;
#[path = "shutdown.rs"]
mod shutdown;
#[path = "split.rs"]
mod split;
#[path = "stream.rs"]
mod stream;
#[path = "timeouts.rs"]
mod timeouts;
#[path = "wake_ups.rs"]
mod wake_ups;
