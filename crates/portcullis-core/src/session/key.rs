//! Under what a client's store keeps its sessions.

use rustls_pki_types::ServerName;

use super::ClientSession;
use crate::dialect::Dialect;
use crate::error::Misuse;
use crate::wire::codec::{Cursor, DecodeError, put_vec16};
use crate::x509::Sha256Digest;

/// The form of a key in bytes. In form 1 there was no protocol.
const FORMAT: u8 = 2;

/// What has to be the same for a session to be offered: the protocol, the server, the service there,
/// and who this side is. A store may be shared by any connectors, because what must not be mixed is
/// in the key. The role need not be: a server has no such keys, it finds its sessions by their ids.
///
/// Trust is not in it: the server's chain is verified again at each resumption, by the rules of
/// the configuration that resumes. Nor is anything of this process: a key is the same after a
/// restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    pub(crate) dialect: Dialect,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) service: Option<Box<str>>,
    pub(crate) identities: Option<Sha256Digest>,
    pub(crate) asks_identity: bool,
}

impl SessionKey {
    /// The same key for sessions of DTLS, which are never offered over TLS (RFC 9147 §1), nor those
    /// of TLS over DTLS.
    #[must_use]
    pub fn for_dtls(mut self) -> Self {
        self.dialect = Dialect::Dtls;
        self
    }

    /// Whether it is for sessions of DTLS.
    pub fn is_for_dtls(&self) -> bool {
        self.dialect == Dialect::Dtls
    }

    /// The server.
    pub fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }

    /// The service, if it has a name.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// SHA-256 of the public keys of the configured identities, and of the identities of pre-shared
    /// keys; `None` if there are none.
    pub fn identities(&self) -> Option<&[u8; 32]> {
        self.identities.as_ref()
    }

    /// Whether identities, or pre-shared keys, are chosen during the handshake
    /// ([`ask_identity`](crate::config::ClientConfigBuilder::ask_identity),
    /// [`ask_psk`](crate::config::ClientConfigBuilder::ask_psk)).
    pub fn asks_identity(&self) -> bool {
        self.asks_identity
    }

    /// The key in bytes, for a store that is a file or a database: the same for equal keys, in every
    /// process, and different for different ones. They are no secret, but name the server.
    pub fn to_bytes(&self) -> Vec<u8> {
        let name = self.server_name.to_str();
        let service = self.service();
        let flags = [
            self.identities.is_some(),
            service.is_some(),
            self.asks_identity,
        ];
        let length = 2 + flags.len() + 32 + 2 + name.len() + service.map_or(0, str::len);
        let mut out = Vec::with_capacity(length);
        out.extend([FORMAT, self.dialect as u8]);
        out.extend(flags.map(u8::from));
        out.extend(self.identities.iter().flatten());
        put_vec16(&mut out, |out| {
            let start = out.len();
            out.extend_from_slice(name.as_bytes());
            // Names that differ in case are the same one.
            let name = out.get_mut(start..).unwrap_or_default();
            name.make_ascii_lowercase();
        });
        out.extend_from_slice(service.unwrap_or_default().as_bytes());
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    /// When it is something else, or of a version of this library that writes another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        Cursor::whole(bytes, Self::read).map_err(|_| {
            Misuse::new(
                "these bytes are no key of sessions of this version; leave its sessions alone",
            )
        })
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let flag = |cursor: &mut Cursor<'_>| match cursor.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError),
        };
        if cursor.u8()? != FORMAT {
            return Err(DecodeError);
        }
        let dialect = Dialect::numbered(cursor.u8()?).ok_or(DecodeError)?;
        let (has_identities, has_service) = (flag(cursor)?, flag(cursor)?);
        let asks_identity = flag(cursor)?;
        let identities = match has_identities {
            true => Some(*cursor.array()?),
            false => None,
        };
        let text = |bytes| core::str::from_utf8(bytes).map_err(|_| DecodeError);
        let name = text(cursor.vec16()?)?.to_owned();
        let service = text(cursor.take(cursor.rest().len())?)?;
        if !has_service && !service.is_empty() {
            return Err(DecodeError);
        }
        Ok(Self {
            dialect,
            server_name: ServerName::try_from(name).map_err(|_| DecodeError)?,
            service: has_service.then(|| service.into()),
            identities,
            asks_identity,
        })
    }

    /// Whether the session may be kept and offered under this key. Where identities are chosen
    /// nobody can know who this side will be next time, so one in which it showed a certificate, or
    /// used a pre-shared key, may not, unless the service's name says for whom it is. Nor may one in which a user of SRP
    /// had logged in, once it was [written down](ClientSession::to_bytes): which password it was is not in
    /// there, and whoever has another would be this user without it.
    pub fn admits(&self, session: &ClientSession) -> bool {
        session.established.dialect == self.dialect
            && session.server_name == self.server_name
            && session.says_whose_it_is()
            && (!self.asks_identity || self.service.is_some() || !session.is_authenticated())
    }
}
