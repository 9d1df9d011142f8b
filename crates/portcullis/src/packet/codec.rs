//! Packets for `tokio_util::codec`: of any stream, and before TLS.

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::{Framing, PacketError, PacketOptions, Piece, Scan};

/// Packets for `tokio_util`'s `Framed`: over any stream, also one that has no TLS yet.
///
/// What [`TlsStream::into_packets`](crate::TlsStream::into_packets) does for a connection. After an error
/// the bytes are still in the buffer; [`set_packet`](Self::set_packet) has them scanned anew.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use portcullis::packet::{Packet, PacketCodec, Piece};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// # fn main() -> Result<(), portcullis::packet::PacketError> {
/// let mut codec = PacketCodec::new(Packet::Length2);
/// let mut wire = BytesMut::new();
/// codec.encode(&b"hello"[..], &mut wire)?;
/// assert_eq!(&wire[..], b"\0\x05hello");
/// assert_eq!(codec.decode(&mut wire)?, Some(Piece::Data(Bytes::from_static(b"hello"))));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PacketCodec {
    framing: Framing,
}

impl PacketCodec {
    /// At the start of a packet.
    pub fn new(options: impl Into<PacketOptions>) -> Self {
        Self {
            framing: Framing::new(options.into()),
        }
    }

    /// Changes the mode. What `Framed` has read and nobody got is scanned anew.
    pub fn set_packet(&mut self, options: impl Into<PacketOptions>) {
        self.framing = Framing::new(options.into());
    }

    /// The mode.
    pub fn options(&self) -> &PacketOptions {
        self.framing.options()
    }
}

impl Decoder for PacketCodec {
    type Item = Piece;
    type Error = PacketError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Piece>, PacketError> {
        match self.framing.scan(bytes)? {
            Scan::Packet { len } => {
                let packet = bytes.split_to(len).freeze();
                Ok(Some(self.framing.take(packet)))
            }
            Scan::NeedMore { at_least } => {
                // Not as much as a length promises: as much again as has come.
                let missing = at_least.saturating_sub(bytes.len());
                bytes.reserve(missing.min(bytes.len().max(1024)));
                Ok(None)
            }
        }
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Piece>, PacketError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        match self.framing.scan(bytes)? {
            Scan::Packet { len } => {
                let packet = bytes.split_to(len).freeze();
                Ok(Some(self.framing.take(packet)))
            }
            Scan::NeedMore { at_least } => Err(PacketError::Unfinished {
                packet: self.framing.options().packet(),
                have: bytes.len(),
                needed: at_least,
            }),
        }
    }
}

impl PacketCodec {
    fn put(&self, packet: &[u8], out: &mut BytesMut) -> Result<(), PacketError> {
        let prefix = self.framing.prefix(packet.len())?;
        out.reserve(prefix.as_slice().len() + packet.len());
        out.extend_from_slice(prefix.as_slice());
        out.extend_from_slice(packet);
        Ok(())
    }
}

impl Encoder<Bytes> for PacketCodec {
    type Error = PacketError;

    fn encode(&mut self, packet: Bytes, out: &mut BytesMut) -> Result<(), PacketError> {
        self.put(&packet, out)
    }
}

impl Encoder<&[u8]> for PacketCodec {
    type Error = PacketError;

    fn encode(&mut self, packet: &[u8], out: &mut BytesMut) -> Result<(), PacketError> {
        self.put(packet, out)
    }
}
