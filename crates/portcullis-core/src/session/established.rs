//! What both ends keep of a connection, and how it is written down.
//!
//! The record is that of every protocol and version, and its format is 2. Times are seconds
//! since 1970, digests SHA-256; "vec" has its length before it, of so many bits.
//!
//! | what | as |
//! |---|---|
//! | format, protocol, version, suite | u8, u8, u16, u16; the version is that of TLS also in DTLS |
//! | secret | u8, then vec8. 1: the key of a ticket of TLS 1.3; before that the master secret, 2: as of RFC 5246, 3: extended |
//! | before TLS 1.3: the group of the key exchange behind the secret | u16; 0 if it had none |
//! | when the last full handshake was | u64 |
//! | who the peer was | u8, then vec24. 0: nobody; 1: its scheme (u16, 0 if it signed nothing) and certificates (vec24 each); 2: its scheme, an empty certificate, and its raw key (vec24); 3: a digest of a pre-shared key (32 bytes), its identity (vec16), and before TLS 1.3 what 1 has, if anything; 4: a digest of the verifier of a user of SRP (32 bytes; zeros in a client's), its name (vec16), and what 1 has, if anything |
//! | what this side showed | vec8. A client: a digest of its key; a server: the hash of its certificate that is the channel binding `tls-server-end-point` (RFC 5929 §4.1). Empty if it showed none, or that is undefined |
//! | server name | vec16; empty if there was none |
//! | the names that a server showed | vec8 with their digest; empty in a client's |
//! | ALPN, early-data limit | vec8, u32: empty and 0 where no early data may be sent (§4.2.10), as always before TLS 1.3 |
//! | role | u8, then what that role has |
//!
//! What cannot be resumed here is not read: it is a ticket that nobody knows.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};

use super::{EarlyDataTerms, MAX_AUTHENTICATION, age};
use crate::dialect::Dialect;
use crate::key_schedule::ResumptionPsk;
use crate::key_schedule::tls12::MasterSecret;
use crate::named_group::NamedGroup;
use crate::psk::{Shared, SharedSecretName};
use crate::role::Role;
use crate::signature_scheme::SignatureScheme;
use crate::suite::CipherSuite;
use crate::version::{ProtocolVersion, Version};
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec16, put_vec24};
use crate::x509::{EndPoint, LeafDigests, Presented, PresentedChain, RawPublicKey, Sha256Digest};

/// The form of what is written down; another one is refused.
const FORMAT: u8 = 2;

/// The kinds of secret and of peer that are used so far.
const SECRET_PSK: u8 = 1;
const SECRET_MASTER: u8 = 2;
const SECRET_EXTENDED_MASTER: u8 = 3;
const PEER_NONE: u8 = 0;
const PEER_CHAIN: u8 = 1;
const PEER_RAW_KEY: u8 = 2;
const PEER_SHARED_KEY: u8 = 3;
const PEER_USER: u8 = 4;

/// More bytes than all the fields of a record take besides certificates, names and tickets.
pub(super) const MOST_FIELDS: usize = 256;

/// The key of a session, and who the ends were.
#[derive(Clone, Debug)]
pub(crate) struct Established {
    pub(crate) dialect: Dialect,
    pub(crate) version: Version,
    pub(crate) suite: CipherSuite,
    pub(crate) secret: Secret,
    /// When the handshake was that all this goes back to, and that resumed none.
    pub(crate) authenticated_at: UnixTime,
    /// `None` if the peer showed no certificate.
    pub(crate) peer: Option<Peer>,
    /// The pre-shared key that proved who both ends are, or before TLS 1.3 the user of SRP.
    pub(crate) shared_key: Option<Arc<SharedSecretName>>,
    /// Client: the key of the certificate that this side showed.
    pub(crate) shown: Option<Arc<Sha256Digest>>,
    /// TLS 1.3: on which terms the client may send early data, if it may.
    pub(crate) early_data: Option<Arc<EarlyDataTerms>>,
}

/// What a connection that resumes the session starts from.
#[derive(Debug)]
pub(crate) enum Secret {
    /// TLS 1.3: each ticket has its own.
    Psk(ResumptionPsk),
    /// Before: the secret of the connection itself, and whether it is the extended one (RFC 7627).
    /// Boxed, as is the other: sessions are moved.
    Master {
        secret: Box<MasterSecret>,
        extended: bool,
        /// Of the key exchange that it came from; `None` if that had none.
        group: Option<NamedGroup>,
    },
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        match self {
            Self::Psk(psk) => Self::Psk(psk.clone()),
            Self::Master {
                secret,
                extended,
                group,
            } => Self::Master {
                secret: secret.copy(),
                extended: *extended,
                group: *group,
            },
        }
    }
}

impl Secret {
    const fn kind(&self) -> u8 {
        match self {
            Self::Psk(_) => SECRET_PSK,
            Self::Master {
                extended: false, ..
            } => SECRET_MASTER,
            Self::Master { extended: true, .. } => SECRET_EXTENDED_MASTER,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Psk(psk) => psk.as_bytes(),
            Self::Master { secret, .. } => secret.as_bytes(),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.kind());
        put_vec8(out, |out| out.extend_from_slice(self.as_bytes()));
        if let Self::Master { group, .. } = self {
            put_u16(out, group.map_or(0, |group| group.0));
        }
    }

    fn read(
        cursor: &mut Cursor<'_>,
        version: ProtocolVersion,
        suite: CipherSuite,
    ) -> Result<Self, DecodeError> {
        let kind = cursor.u8()?;
        let bytes = cursor.vec8()?;
        if version == ProtocolVersion::TLS_1_3 {
            let hash = suite.handshake_hash().map_err(|_| DecodeError)?;
            let psk = ResumptionPsk::from_bytes(hash, bytes).map_err(|_| DecodeError)?;
            return (kind == SECRET_PSK)
                .then_some(Self::Psk(psk))
                .ok_or(DecodeError);
        }
        let keys = suite.older_parameters(version).map_err(|_| DecodeError)?;
        let extended = match kind {
            SECRET_MASTER => false,
            SECRET_EXTENDED_MASTER => true,
            _ => return Err(DecodeError),
        };
        let secret = MasterSecret::from_bytes(keys.hash, bytes).map_err(|_| DecodeError)?;
        let group = NamedGroup(cursor.u16()?);
        Ok(Self::Master {
            secret: Box::new(secret),
            extended,
            group: (group != NamedGroup(0)).then_some(group),
        })
    }
}

/// How the peer proved who it is, in the first connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) shown: Presented,
    /// What it signed with, or [`UNSIGNED`](Self::UNSIGNED).
    pub(crate) scheme: SignatureScheme,
}

/// The names in a record.
pub(super) struct Names<'a> {
    /// Empty if the client asked for none.
    pub(super) server_name: &'a str,
    /// Of the certificate that a server showed.
    pub(super) leaf: Option<Arc<LeafDigests>>,
}

/// How a record says whose it is.
const fn owner_code(owner: Role) -> u8 {
    match owner {
        Role::Client => 1,
        Role::Server => 2,
    }
}

impl Established {
    /// The key of a session of TLS 1.3.
    pub(crate) const fn psk(&self) -> Option<&ResumptionPsk> {
        match &self.secret {
            Secret::Psk(psk) => Some(psk),
            Secret::Master { .. } => None,
        }
    }

    /// Whether a connection by this transport and version can resume it. What it needs besides
    /// that is the hash of its suite (§4.2.11).
    pub(crate) fn is_of(&self, dialect: Dialect, version: Version) -> bool {
        self.dialect == dialect && self.version == version
    }

    /// How many bytes the certificates take, and the identity of a pre-shared key.
    pub(super) fn size(&self) -> usize {
        let shown = self.peer.as_ref().map_or(0, |peer| peer.shown.size());
        let identity = self.shared_key.as_ref().map(|name| name.identity.len());
        let terms = self.early_data.as_ref();
        let alpn = terms.map_or(0, |terms| terms.alpn().len());
        shown + identity.unwrap_or(0) + alpn
    }

    /// Whether the peer would have to sign once more. It has not signed in the future either,
    /// further off than clocks may be apart by `skew` seconds: one of them was wrong.
    pub(super) fn is_outdated(&self, now: UnixTime, skew: u64) -> bool {
        self.authenticated_at.as_secs() > now.as_secs().saturating_add(skew)
            || age(self.authenticated_at, now) >= MAX_AUTHENTICATION
    }

    pub(super) fn put(&self, out: &mut Vec<u8>, names: &Names<'_>, owner: Role) {
        out.extend([FORMAT, self.dialect as u8]);
        put_u16(out, Dialect::Tls.code(self.version).0);
        put_u16(out, self.suite.0);
        self.secret.put(out);
        put_time(out, self.authenticated_at);
        out.push(match (&self.shared_key, &self.peer) {
            (Some(name), _) => match name.kind {
                Shared::Psk => PEER_SHARED_KEY,
                Shared::Password => PEER_USER,
            },
            (None, Some(peer)) => match peer.shown.raw_key() {
                Some(_) => PEER_RAW_KEY,
                None => PEER_CHAIN,
            },
            (None, None) => PEER_NONE,
        });
        put_vec24(out, |out| {
            if let Some(name) = &self.shared_key {
                let digest = match (owner, name.kind) {
                    (Role::Client, Shared::Password) => &[0; 32],
                    _ => &name.digest,
                };
                out.extend_from_slice(digest);
                put_vec16(out, |out| out.extend_from_slice(&name.identity));
            }
            if let Some(peer) = &self.peer {
                peer.put(out);
            }
        });
        let leaf = names.leaf.as_deref();
        match owner {
            Role::Client => put_digest(out, self.shown.as_deref()),
            Role::Server => put_vec8(out, |out| {
                if let Some(leaf) = leaf {
                    out.extend_from_slice(leaf.end_point.as_bytes());
                }
            }),
        }
        put_vec16(out, |out| {
            out.extend_from_slice(names.server_name.as_bytes());
        });
        put_digest(out, leaf.map(|leaf| &leaf.names));
        EarlyDataTerms::put(self.early_data.as_deref(), out);
        out.push(owner_code(owner));
    }

    /// Reads a record of this owner up to what the owner has.
    pub(super) fn read<'a>(
        cursor: &mut Cursor<'a>,
        owner: Role,
    ) -> Result<(Self, Names<'a>), DecodeError> {
        if cursor.u8()? != FORMAT {
            return Err(DecodeError);
        }
        let dialect = Dialect::numbered(cursor.u8()?).ok_or(DecodeError)?;
        let code = ProtocolVersion(cursor.u16()?);
        let version = Version::of(code).ok_or(DecodeError)?;
        let suite = CipherSuite(cursor.u16()?);
        // The version stands there as TLS calls it, and has the suite.
        if Dialect::Tls.code(version) != code || !suite.is_usable_in(code) {
            return Err(DecodeError);
        }
        let secret = Secret::read(cursor, code, suite)?;
        let authenticated_at = read_time(cursor)?;
        let kind = cursor.u8()?;
        let mut peer = Cursor::new(cursor.vec24()?);
        let shared_key = match kind {
            PEER_NONE | PEER_CHAIN | PEER_RAW_KEY => None,
            PEER_SHARED_KEY | PEER_USER if version < Version::V1_3 || kind == PEER_SHARED_KEY => {
                Some(Arc::new(SharedSecretName {
                    kind: match kind {
                        PEER_USER => Shared::Password,
                        _ => Shared::Psk,
                    },
                    digest: *peer.array()?,
                    identity: peer.vec16()?.into(),
                }))
            }
            _ => return Err(DecodeError),
        };
        let peer = match kind {
            PEER_CHAIN | PEER_RAW_KEY => {
                let peer = Peer::read(&mut peer)?;
                if peer.shown.raw_key().is_some() != (kind == PEER_RAW_KEY) {
                    return Err(DecodeError);
                }
                Some(peer)
            }
            _ if peer.is_empty() => None,
            PEER_SHARED_KEY | PEER_USER if version < Version::V1_3 => Some(Peer::read(&mut peer)?),
            _ => return Err(DecodeError),
        };
        let shown = cursor.vec8()?;
        let server_name = core::str::from_utf8(cursor.vec16()?).map_err(|_| DecodeError)?;
        let names = read_digest(cursor)?;
        let (shown, leaf) = match owner {
            Role::Client => (digest(shown)?.copied().map(Arc::new), None),
            Role::Server => (None, read_leaf(names, shown)?),
        };
        let names = Names { server_name, leaf };
        let early_data = EarlyDataTerms::read(cursor, version)?.map(Arc::new);
        if cursor.u8()? != owner_code(owner) {
            return Err(DecodeError);
        }
        let established = Self {
            dialect,
            version,
            suite,
            secret,
            authenticated_at,
            peer,
            shared_key,
            shown,
            early_data,
        };
        Ok((established, names))
    }
}

impl Peer {
    /// Before TLS 1.3 a server's key may have decrypted or agreed instead, and signed nothing. No scheme has this
    /// number.
    const UNSIGNED: SignatureScheme = SignatureScheme(0);

    /// `scheme`: what it signed with, if it did.
    pub(crate) fn new(shown: Presented, scheme: Option<SignatureScheme>) -> Self {
        Self {
            shown,
            scheme: scheme.unwrap_or(Self::UNSIGNED),
        }
    }

    /// What it signed with, if it did.
    pub(crate) fn signed_with(&self) -> Option<SignatureScheme> {
        (self.scheme != Self::UNSIGNED).then_some(self.scheme)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_u16(out, self.scheme.0);
        for certificate in self.shown.certificates() {
            put_vec24(out, |out| out.extend_from_slice(certificate));
        }
        if let Some(spki) = self.shown.raw_key() {
            // There is no empty certificate.
            put_vec24(out, |_| {});
            put_vec24(out, |out| out.extend_from_slice(spki));
        }
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let scheme = SignatureScheme(cursor.u16()?);
        let first = cursor.vec24()?;
        if first.is_empty() {
            let key = RawPublicKey::new(cursor.vec24()?).map_err(|_| DecodeError)?;
            cursor.end()?;
            return Ok(Self {
                shown: key.into(),
                scheme,
            });
        }
        let mut certificates = vec![CertificateDer::from(first.to_vec())];
        while !cursor.is_empty() {
            certificates.push(CertificateDer::from(cursor.vec24()?.to_vec()));
        }
        let chain = PresentedChain::new(certificates).map_err(|_| DecodeError)?;
        Ok(Self {
            shown: chain.into(),
            scheme,
        })
    }
}

fn put_digest(out: &mut Vec<u8>, digest: Option<&Sha256Digest>) {
    put_vec8(out, |out| {
        if let Some(digest) = digest {
            out.extend_from_slice(digest);
        }
    });
}

fn read_digest<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a Sha256Digest>, DecodeError> {
    digest(cursor.vec8()?)
}

fn digest(bytes: &[u8]) -> Result<Option<&Sha256Digest>, DecodeError> {
    match bytes {
        [] => Ok(None),
        bytes => bytes.try_into().map(Some).map_err(|_| DecodeError),
    }
}

/// A server that has shown no certificate has no name for one.
fn read_leaf(
    names: Option<&Sha256Digest>,
    end_point: &[u8],
) -> Result<Option<Arc<LeafDigests>>, DecodeError> {
    let end_point_of_leaf = EndPoint::from_bytes(end_point).ok_or(DecodeError)?;
    match names {
        None if !end_point.is_empty() => Err(DecodeError),
        names => Ok(names.map(|names| {
            Arc::new(LeafDigests {
                names: *names,
                end_point: end_point_of_leaf,
            })
        })),
    }
}

pub(super) fn put_time(out: &mut Vec<u8>, time: UnixTime) {
    out.extend_from_slice(&time.as_secs().to_be_bytes());
}

pub(super) fn read_time(cursor: &mut Cursor<'_>) -> Result<UnixTime, DecodeError> {
    let seconds = u64::from_be_bytes(*cursor.array()?);
    let since_epoch = core::time::Duration::from_secs(seconds);
    Ok(UnixTime::since_unix_epoch(since_epoch))
}
