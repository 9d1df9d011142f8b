//! How what the peer sends reaches the application: when asked for ([`passive`]), as a stream
//! of messages ([`active`]), either of them in packets ([`packets`]).

mod active;
mod packets;
mod passive;
mod source;

pub use active::{Active, ActiveStream, Message};
pub use packets::Packets;
pub use source::{Records, Source};
