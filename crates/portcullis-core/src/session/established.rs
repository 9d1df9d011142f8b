//! What both ends keep of a connection, and how it is written down.

use rustls_pki_types::{CertificateDer, UnixTime};

use super::{MAX_AUTHENTICATION, age};
use crate::crypto::hash::HashAlgorithm;
use crate::key_schedule::ResumptionPsk;
use crate::signature_scheme::SignatureScheme;
use crate::suite::CipherSuite;
use crate::wire::codec::{Cursor, DecodeError, put_u16, put_vec8, put_vec24};
use crate::x509::PresentedChain;

/// The form of what is written down; another one is refused.
const FORMAT: u8 = 1;

/// More than all that is written down besides certificates, names and tickets takes.
pub(super) const OVERHEAD: usize = 128;

/// The key of a session, and who the peer was.
#[derive(Clone, Debug)]
pub(crate) struct Established {
    pub(crate) suite: CipherSuite,
    pub(crate) psk: ResumptionPsk,
    /// `None` if the peer showed no certificate.
    pub(crate) peer: Option<Peer>,
    /// When the handshake was that all this goes back to, and that resumed none.
    pub(crate) authenticated_at: UnixTime,
}

/// How the peer proved who it is, in the first connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) chain: PresentedChain,
    pub(crate) scheme: SignatureScheme,
}

impl Established {
    pub(crate) const fn hash(&self) -> HashAlgorithm {
        self.psk.hash()
    }

    /// How many bytes the certificates take.
    pub(super) fn size(&self) -> usize {
        let chain = self.peer.as_ref().map(|peer| peer.chain.certificates());
        let certificates = chain.unwrap_or_default().iter();
        certificates.map(|certificate| 3 + certificate.len()).sum()
    }

    /// Whether the peer would have to sign once more.
    pub(super) fn is_outdated(&self, now: UnixTime) -> bool {
        age(self.authenticated_at, now) >= MAX_AUTHENTICATION
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        put_time(out, self.authenticated_at);
        put_u16(out, self.suite.0);
        put_vec8(out, |out| out.extend_from_slice(self.psk.as_bytes()));
        put_vec24(out, |out| {
            let Some(peer) = &self.peer else { return };
            put_u16(out, peer.scheme.0);
            for certificate in peer.chain.certificates() {
                put_vec24(out, |out| out.extend_from_slice(certificate));
            }
        });
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        if cursor.u8()? != FORMAT {
            return Err(DecodeError);
        }
        let authenticated_at = read_time(cursor)?;
        let suite = CipherSuite(cursor.u16()?);
        let hash = suite.handshake_hash().map_err(|_| DecodeError)?;
        let psk = ResumptionPsk::from_bytes(hash, cursor.vec8()?).map_err(|_| DecodeError)?;
        let mut peer = Cursor::new(cursor.vec24()?);
        let peer = match peer.is_empty() {
            true => None,
            false => Some(Peer::read(&mut peer)?),
        };
        Ok(Self {
            suite,
            psk,
            peer,
            authenticated_at,
        })
    }
}

impl Peer {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let scheme = SignatureScheme(cursor.u16()?);
        let mut certificates = Vec::new();
        while !cursor.is_empty() {
            certificates.push(CertificateDer::from(cursor.vec24()?.to_vec()));
        }
        let chain = PresentedChain::new(certificates).map_err(|_| DecodeError)?;
        Ok(Self { chain, scheme })
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
