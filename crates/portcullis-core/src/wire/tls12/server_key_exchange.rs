//! ServerKeyExchange: what the server says of the key exchange, and its signature of that.
//!
//! RFC 5246 §7.4.3, RFC 8422 §5.4; RFC 4279 §2, RFC 5489 §2 for pre-shared keys; RFC 5054 §2.8.2.

use crate::named_group::NamedGroup;
use crate::signature_scheme::SignatureScheme;
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec16};
use crate::wire::handshake::put_message;
use crate::wire::handshake_type::HandshakeType;

/// `ECCurveType.named_curve`; curves by parameters are deprecated (RFC 8422 §5.4).
const NAMED_CURVE: u8 = 3;

/// What a ServerKeyExchange consists of. It does not say so itself: its cipher suite does, and of the
/// signature the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKeyExchangeForm {
    /// Whether a hint for a pre-shared key stands in front.
    pub hint: bool,
    /// What the client computes its answer from; `None` with a pre-shared key alone.
    pub params: Option<ServerParamsForm>,
    /// Whether a signature of the parameters follows.
    pub signature: Option<SignatureForm>,
}

/// Of which key exchange the parameters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerParamsForm {
    /// [`ServerEcdhParams`].
    Ecdh,
    /// [`ServerDhParams`].
    Dh,
    /// [`ServerSrpParams`].
    Srp,
}

/// How a signature stands in a message before TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureForm {
    /// TLS 1.2 says how it was made.
    Said,
    /// TLS 1.1 and 1.0 do not.
    Bare,
}

impl ServerKeyExchangeForm {
    /// Every form there is.
    pub const ALL: &'static [Self] = &[
        Self::signed(ServerParamsForm::Ecdh, SignatureForm::Said),
        Self::signed(ServerParamsForm::Ecdh, SignatureForm::Bare),
        Self::signed(ServerParamsForm::Dh, SignatureForm::Said),
        Self::signed(ServerParamsForm::Dh, SignatureForm::Bare),
        Self::signed(ServerParamsForm::Srp, SignatureForm::Said),
        Self::signed(ServerParamsForm::Srp, SignatureForm::Bare),
        Self {
            hint: false,
            params: Some(ServerParamsForm::Srp),
            signature: None,
        },
        Self {
            hint: false,
            params: Some(ServerParamsForm::Dh),
            signature: None,
        },
        Self {
            hint: true,
            params: Some(ServerParamsForm::Dh),
            signature: None,
        },
        Self {
            hint: false,
            params: Some(ServerParamsForm::Ecdh),
            signature: None,
        },
        Self {
            hint: true,
            params: Some(ServerParamsForm::Ecdh),
            signature: None,
        },
        Self {
            hint: true,
            params: None,
            signature: None,
        },
    ];

    /// Parameters that the key of the server's certificate has signed.
    pub const fn signed(params: ServerParamsForm, signature: SignatureForm) -> Self {
        Self {
            hint: false,
            params: Some(params),
            signature: Some(signature),
        }
    }
}

/// The server's share of ECDHE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerEcdhParams<'a> {
    /// Not looked up here: it may be a group that has no points.
    pub group: NamedGroup,
    /// At least one byte. Not checked to be a point.
    pub public: &'a [u8],
}

impl<'a> ServerEcdhParams<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        if cursor.u8()? != NAMED_CURVE {
            return Err(DecodeError);
        }
        let group = NamedGroup(cursor.u16()?);
        match cursor.vec8()? {
            [] => Err(DecodeError),
            public => Ok(Self { group, public }),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(NAMED_CURVE);
        put_u16(out, self.group.0);
        put_vec8(out, |out| out.extend_from_slice(self.public));
    }
}

/// The server's share of DHE: big-endian numbers of at least one byte each, of which nothing is checked
/// (RFC 5246 §7.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerDhParams<'a> {
    /// `dh_p`, the prime.
    pub prime: &'a [u8],
    /// `dh_g`.
    pub generator: &'a [u8],
    /// `dh_Ys`.
    pub public: &'a [u8],
}

impl<'a> ServerDhParams<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let mut number = || match cursor.vec16()? {
            [] => Err(DecodeError),
            number => Ok(number),
        };
        Ok(Self {
            prime: number()?,
            generator: number()?,
            public: number()?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        for number in [self.prime, self.generator, self.public] {
            put_vec16(out, |out| out.extend_from_slice(number));
        }
    }
}

/// The server's part of SRP: big-endian numbers and a salt of at least one byte each, of which nothing is
/// checked (RFC 5054 §2.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSrpParams<'a> {
    /// `srp_N`, the prime.
    pub prime: &'a [u8],
    /// `srp_g`.
    pub generator: &'a [u8],
    /// `srp_s`, at most 255 bytes.
    pub salt: &'a [u8],
    /// `srp_B`.
    pub public: &'a [u8],
}

impl<'a> ServerSrpParams<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let some = |bytes: &'a [u8]| match bytes {
            [] => Err(DecodeError),
            bytes => Ok(bytes),
        };
        Ok(Self {
            prime: some(cursor.vec16()?)?,
            generator: some(cursor.vec16()?)?,
            salt: some(cursor.vec8()?)?,
            public: some(cursor.vec16()?)?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| out.extend_from_slice(self.prime));
        put_vec16(out, |out| out.extend_from_slice(self.generator));
        put_vec8(out, |out| out.extend_from_slice(self.salt));
        put_vec16(out, |out| out.extend_from_slice(self.public));
    }
}

/// What the client computes its answer from. Its bytes are what is signed, after both randoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerParams<'a> {
    /// ECDHE.
    Ecdh(ServerEcdhParams<'a>),
    /// DHE.
    Dh(ServerDhParams<'a>),
    /// SRP.
    Srp(ServerSrpParams<'a>),
}

impl<'a> ServerParams<'a> {
    fn read(cursor: &mut Cursor<'a>, form: ServerParamsForm) -> Result<Self, DecodeError> {
        match form {
            ServerParamsForm::Ecdh => ServerEcdhParams::read(cursor).map(Self::Ecdh),
            ServerParamsForm::Dh => ServerDhParams::read(cursor).map(Self::Dh),
            ServerParamsForm::Srp => ServerSrpParams::read(cursor).map(Self::Srp),
        }
    }

    /// Writes the parameters, as they stand in the message and in what is signed.
    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ecdh(params) => params.put(out),
            Self::Dh(params) => params.put(out),
            Self::Srp(params) => params.put(out),
        }
    }
}

/// The server's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSignature<'a> {
    /// How it was made, if that is said.
    pub scheme: Option<SignatureScheme>,
    /// Over `client_random || server_random || params`; 0 to 65,535 bytes.
    pub signature: &'a [u8],
}

/// The message. What is not there is not part of its form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerKeyExchange<'a> {
    /// Which pre-shared key the server has in mind; 0 to 65,535 bytes.
    pub hint: Option<&'a [u8]>,
    /// What the client computes its answer from.
    pub params: Option<ServerParams<'a>>,
    /// The server's signature of that.
    pub signature: Option<ServerSignature<'a>>,
}

impl<'a> ServerKeyExchange<'a> {
    /// Reads the body of a message of this form, to its end. Checks the whole syntax and nothing else.
    ///
    /// # Errors
    /// When `body` is not of the form, or bytes are left over.
    pub fn decode(body: &'a [u8], form: ServerKeyExchangeForm) -> Result<Self, DecodeError> {
        Cursor::whole(body, |cursor| {
            let hint = form.hint.then(|| cursor.vec16()).transpose()?;
            let params = form.params.map(|form| ServerParams::read(cursor, form));
            Ok(Self {
                hint,
                params: params.transpose()?,
                signature: form
                    .signature
                    .map(|form| ServerSignature::read(cursor, form))
                    .transpose()?,
            })
        })
    }

    /// Writes the message, header and body.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_message(out, HandshakeType::SERVER_KEY_EXCHANGE, |out| {
            self.encode_body(out);
        });
    }

    /// Writes the body, without the header.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        if let Some(hint) = self.hint {
            put_vec16(out, |out| out.extend_from_slice(hint));
        }
        if let Some(params) = &self.params {
            params.put(out);
        }
        if let Some(ServerSignature { scheme, signature }) = self.signature {
            if let Some(scheme) = scheme {
                put_u16(out, scheme.0);
            }
            put_vec16(out, |out| out.extend_from_slice(signature));
        }
    }
}

impl<'a> ServerSignature<'a> {
    fn read(cursor: &mut Cursor<'a>, form: SignatureForm) -> Result<Self, DecodeError> {
        let scheme = match form {
            SignatureForm::Said => Some(SignatureScheme(cursor.u16()?)),
            SignatureForm::Bare => None,
        };
        Ok(Self {
            scheme,
            signature: cursor.vec16()?,
        })
    }
}
