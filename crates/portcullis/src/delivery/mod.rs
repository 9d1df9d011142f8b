//! How what the peer sends reaches the application: when asked for ([`passive`]), or as a stream
//! of messages ([`active`]).

mod active;
mod passive;

pub use active::{Active, ActiveStream, Message, Source};
