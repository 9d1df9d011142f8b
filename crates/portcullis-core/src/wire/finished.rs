//! Finished: both sides saw the same handshake.
//!
//! RFC 8446 §4.4.4.

use super::codec::DecodeError;
use super::handshake::HandshakeMessage;
use super::handshake_type::HandshakeType;

/// A MAC over the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished<'a> {
    /// As long as the hash of the suite, which is not checked here. Compare in constant time.
    pub verify_data: &'a [u8],
}

impl Finished<'_> {
    /// Writes the message.
    pub fn put(out: &mut Vec<u8>, verify_data: &[u8]) {
        Finished { verify_data }.encode(out);
    }
}

impl<'a> HandshakeMessage<'a> for Finished<'a> {
    const TYPE: HandshakeType = HandshakeType::FINISHED;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { verify_data: body })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.verify_data);
    }
}
