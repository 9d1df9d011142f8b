//! ClientKeyExchange: the client's part of the key exchange.
//!
//! RFC 5246 §7.4.7, RFC 8422 §5.7; RFC 4279 §2, RFC 5489 §2 for pre-shared keys.

use crate::wire::codec::{Cursor, DecodeError, put_vec8, put_vec16};
use crate::wire::handshake::put_message;
use crate::wire::handshake_type::HandshakeType;

/// What a ClientKeyExchange consists of. It does not say so itself: its cipher suite does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKeyExchangeForm {
    /// Whether the identity of a pre-shared key stands in front.
    pub psk: bool,
    /// What the client has computed; `None` with a pre-shared key alone.
    pub share: Option<ClientShareForm>,
}

/// Of which key exchange the client's share is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientShareForm {
    /// [`ClientShare::Point`].
    Point,
    /// [`ClientShare::Number`].
    Number,
    /// [`ClientShare::Encrypted`].
    Encrypted,
}

impl ClientKeyExchangeForm {
    /// Every form there is.
    pub const ALL: &'static [Self] = &[
        Self {
            psk: false,
            share: Some(ClientShareForm::Point),
        },
        Self {
            psk: true,
            share: Some(ClientShareForm::Point),
        },
        Self {
            psk: false,
            share: Some(ClientShareForm::Number),
        },
        Self {
            psk: true,
            share: Some(ClientShareForm::Number),
        },
        Self {
            psk: true,
            share: None,
        },
        Self {
            psk: false,
            share: Some(ClientShareForm::Encrypted),
        },
        Self {
            psk: true,
            share: Some(ClientShareForm::Encrypted),
        },
    ];
}

/// What the client has computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientShare<'a> {
    /// ECDHE: `ClientECDiffieHellmanPublic`, explicit, since the implicit form went with static
    /// client keys. At least one byte. Not checked to be a point.
    Point(&'a [u8]),
    /// DHE: `dh_Yc`, explicit for the same reason; SRP: `srp_A` (RFC 5054 §2.8.3). At least one byte. Not
    /// checked to be in range.
    Number(&'a [u8]),
    /// RSA: `EncryptedPreMasterSecret`, 0 to 65,535 bytes (RFC 5246 §7.4.7.1). Whether it can have been
    /// encrypted with the server's key does not matter here: nobody may be told.
    Encrypted(&'a [u8]),
}

/// The message. What is not there is not part of its form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientKeyExchange<'a> {
    /// Which pre-shared key the client uses; 0 to 65,535 bytes.
    pub psk_identity: Option<&'a [u8]>,
    /// What it has computed.
    pub share: Option<ClientShare<'a>>,
}

/// Who a client is may be nobody else's business.
impl core::fmt::Debug for ClientKeyExchange<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ClientKeyExchange")
            .field("psk_identity", &self.psk_identity.map(<[u8]>::len))
            .field("share", &self.share)
            .finish()
    }
}

impl<'a> ClientKeyExchange<'a> {
    /// Reads the body of a message of this form, to its end. Checks the whole syntax and nothing else.
    ///
    /// # Errors
    /// When `body` is not of the form, or bytes are left over.
    pub fn decode(body: &'a [u8], form: ClientKeyExchangeForm) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            let psk_identity = form.psk.then(|| cursor.vec16()).transpose()?;
            let share = form.share.map(|form| ClientShare::read(cursor, form));
            Ok(Self {
                psk_identity,
                share: share.transpose()?,
            })
        })
    }

    /// Writes the message, header and body.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_message(out, HandshakeType::CLIENT_KEY_EXCHANGE, |out| {
            self.encode_body(out);
        });
    }

    /// Writes the body, without the header.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        if let Some(identity) = self.psk_identity {
            put_vec16(out, |out| out.extend_from_slice(identity));
        }
        match self.share {
            None => {}
            Some(ClientShare::Point(public)) => put_vec8(out, |out| out.extend_from_slice(public)),
            Some(ClientShare::Number(public) | ClientShare::Encrypted(public)) => {
                put_vec16(out, |out| out.extend_from_slice(public));
            }
        }
    }
}

impl<'a> ClientShare<'a> {
    fn read(cursor: &mut Cursor<'a>, form: ClientShareForm) -> Result<Self, DecodeError> {
        match form {
            ClientShareForm::Point => match cursor.vec8()? {
                [] => Err(DecodeError),
                public => Ok(Self::Point(public)),
            },
            ClientShareForm::Number => match cursor.vec16()? {
                [] => Err(DecodeError),
                public => Ok(Self::Number(public)),
            },
            ClientShareForm::Encrypted => cursor.vec16().map(Self::Encrypted),
        }
    }
}
