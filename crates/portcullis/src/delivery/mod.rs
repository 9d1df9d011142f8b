//! How what the peer sends reaches the application: when asked for ([`passive`]), as a stream
//! of messages ([`active`]), either of them in packets ([`packets`]), or to the inbox of whoever owns
//! the connection, which any task commands ([`mailbox`]).

mod active;
mod early;
mod mailbox;
mod packets;
mod passive;
mod source;

pub use active::{Active, ActiveStream, Message};
pub use mailbox::{ConnectionId, ConnectionStatus, Delivery, Handle, Inbox, Owner, SendOutcome};
pub use packets::Packets;
#[cfg(feature = "dtls")]
pub(crate) use source::sealed;
pub use source::{Records, Sends, Source};
