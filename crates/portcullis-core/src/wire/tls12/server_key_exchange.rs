//! ServerKeyExchange of ECDHE: the server's share, signed with the key of its certificate.
//!
//! RFC 5246 §7.4.3, RFC 8422 §5.4.

use crate::named_group::NamedGroup;
use crate::signature_scheme::SignatureScheme;
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec16};
use crate::wire::handshake::HandshakeMessage;
use crate::wire::handshake_type::HandshakeType;

/// `ECCurveType.named_curve`; curves by parameters are deprecated (RFC 8422 §5.4).
const NAMED_CURVE: u8 = 3;

/// The server's share. Its bytes are signed, after both randoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerEcdhParams<'a> {
    /// Not looked up here: it may be a group that has no points.
    pub group: NamedGroup,
    /// At least one byte. Not checked to be a point.
    pub public: &'a [u8],
}

impl<'a> ServerEcdhParams<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        if cursor.u8()? != NAMED_CURVE {
            return Err(DecodeError);
        }
        let group = NamedGroup(cursor.u16()?);
        match cursor.vec8()? {
            [] => Err(DecodeError),
            public => Ok(Self { group, public }),
        }
    }

    /// Writes the parameters, as they stand in the message and in what is signed.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(NAMED_CURVE);
        put_u16(out, self.group.0);
        put_vec8(out, |out| out.extend_from_slice(self.public));
    }
}

/// The form of TLS 1.2, where the signature says how it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKeyExchange<'a> {
    /// The server's share.
    pub params: ServerEcdhParams<'a>,
    /// How the signature was made.
    pub algorithm: SignatureScheme,
    /// Over `client_random || server_random || params`; 0 to 65,535 bytes.
    pub signature: &'a [u8],
}

impl ServerKeyExchange<'_> {
    /// Writes the message.
    pub fn put(
        out: &mut Vec<u8>,
        params: ServerEcdhParams<'_>,
        algorithm: SignatureScheme,
        signature: &[u8],
    ) {
        ServerKeyExchange {
            params,
            algorithm,
            signature,
        }
        .encode(out);
    }
}

impl<'a> HandshakeMessage<'a> for ServerKeyExchange<'a> {
    const TYPE: HandshakeType = HandshakeType::SERVER_KEY_EXCHANGE;

    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            Ok(Self {
                params: ServerEcdhParams::read(cursor)?,
                algorithm: SignatureScheme(cursor.u16()?),
                signature: cursor.vec16()?,
            })
        })
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        self.params.put(out);
        put_u16(out, self.algorithm.0);
        put_vec16(out, |out| out.extend_from_slice(self.signature));
    }
}
