//! What somebody in front sees of a server's answer over datagrams: the ServerHello, which is in the clear.
//!
//! RFC 9147 §9, RFC 9146 §3.

use crate::record::{ConnectionId, Reassembly, server_hello_pieces};
use crate::wire::extension::ConnectionId as Extension;
use crate::wire::{HandshakeMessage as _, ServerHello};

/// The longest that is put together: a share of the largest hybrid has 1.7 KB.
const LONGEST: usize = 4 * 1024;
/// What pieces may cost besides their bytes.
const BESIDE: usize = 2 * 1024;

/// Puts a ServerHello together.
#[derive(Debug)]
pub(in super::super) struct ServerHelloWatch(Reassembly);

impl ServerHelloWatch {
    /// Of the message with this number.
    pub(in super::super) fn new(message_seq: u16) -> Self {
        Self(Reassembly::bounded(message_seq, LONGEST, BESIDE))
    }

    /// Gives, when it is whole, the connection id in it, if it has one that is not empty. Other messages than a ServerHello, and
    /// what is not in the clear, are passed by.
    pub(in super::super) fn on_datagram(
        &mut self,
        datagram: &[u8],
    ) -> Option<Option<ConnectionId>> {
        for piece in server_hello_pieces(datagram) {
            let _dropped = self.0.put(0, piece.header, piece.fragment);
        }
        let message = self.0.pop(0)?;
        Some(connection_id(message.body()))
    }
}

fn connection_id(hello: &[u8]) -> Option<ConnectionId> {
    let hello = ServerHello::decode(hello).ok()?;
    let found: Extension<'_> = hello.extensions.find()?.ok()?;
    let id = ConnectionId::new(found.cid).ok()?;
    (!id.is_empty()).then_some(id)
}
