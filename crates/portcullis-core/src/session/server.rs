//! What a server keeps of a connection to resume it, in a ticket or in a store.
//!
//! RFC 8446 §4.6.1.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use zeroize::Zeroizing;

use super::age;
use super::established::{Established, MOST_FIELDS, Names, put_time, read_time};
use crate::error::Misuse;
use crate::role::Role;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;
use crate::wire::codec::{Cursor, DecodeError};
use crate::x509::LeafDigests;

/// How far the clocks of servers that share sessions may be apart, in seconds.
const CLOCK_SKEW: u64 = 60;

/// A session with a client. `Debug` shows no secret.
#[derive(Clone)]
pub struct ServerSession {
    pub(crate) established: Established,
    pub(crate) server_name: Option<Box<str>>,
    /// Of the certificate that the client was shown; where there was a pre-shared key there is not always one.
    pub(crate) leaf: Option<Arc<LeafDigests>>,
    pub(crate) age_add: u32,
    /// In seconds.
    pub(crate) lifetime: u32,
    pub(crate) issued_at: UnixTime,
}

impl ServerSession {
    /// The host name the client asked for, in lower case. A client that asks for another gets
    /// a full handshake.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The version of the connection that the session comes from, which is that of every connection
    /// that resumes it.
    pub fn version(&self) -> ProtocolVersion {
        self.established.dialect.code(self.established.version)
    }

    /// The cipher suite of that connection.
    pub fn cipher_suite(&self) -> CipherSuite {
        self.established.suite
    }

    /// The client's raw public key (RFC 7250), the DER of its SubjectPublicKeyInfo, if it showed one.
    pub fn peer_raw_public_key(&self) -> Option<&[u8]> {
        self.established.peer.as_ref()?.shown.raw_key()
    }

    /// The client's chain, its own certificate first; empty if it showed none.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let peer = self.established.peer.as_ref();
        peer.map_or(&[], |peer| peer.shown.certificates())
    }

    /// The identity of the pre-shared key that the session began with.
    pub fn psk_identity(&self) -> Option<&[u8]> {
        self.established.shared_key.as_ref()?.psk()
    }

    /// The name of the user of SRP whose password the session began with, before TLS 1.3.
    pub fn srp_user(&self) -> Option<&[u8]> {
        self.established.shared_key.as_ref()?.user()
    }

    /// About how many bytes it takes, in memory or written down.
    pub fn size(&self) -> usize {
        self.established.size() + self.server_name().map_or(0, str::len) + MOST_FIELDS
    }

    /// How long the session can be resumed, from when it was issued; whole seconds.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime.into())
    }

    /// When the ticket was made.
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// Whether the session can no longer be resumed: it has lived its life, or goes back, by
    /// resumptions, to a full handshake of 7 days ago. One that comes from more than a minute in
    /// the future cannot either: servers' clocks differ a little, and further off one was wrong.
    pub fn is_expired(&self, now: UnixTime) -> bool {
        self.issued_at.as_secs() > now.as_secs().saturating_add(CLOCK_SKEW)
            || age(self.issued_at, now) >= self.lifetime.into()
            || self.established.is_outdated(now, CLOCK_SKEW)
    }

    /// §8.3: whether the ticket has the age that the client says, give or take `window` seconds. One from the future has an
    /// age below 0: were it new for as long as the clock is behind, a hello would be good for as much longer than a
    /// claim is remembered.
    pub(crate) fn is_as_old_as(&self, obfuscated_age: u32, window: u64, now: UnixTime) -> bool {
        let said = obfuscated_age.wrapping_sub(self.age_add);
        let age = i128::from(now.as_secs()) - i128::from(self.issued_at.as_secs());
        (age * 1_000).abs_diff(said.into()) <= u128::from(window) * 1_000
    }

    /// Writes the session down, for a store. With these bytes one can take the place of
    /// either end of a connection that resumes it; before TLS 1.3 one can also read the connection that it comes from and
    /// all that have resumed it, for as long as anybody has recorded them. Keep them as a key.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let size = self.size();
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        let names = Names {
            server_name: self.server_name().unwrap_or_default(),
            leaf: self.leaf.clone(),
        };
        self.established.put(&mut out, &names, Role::Server);
        out.extend_from_slice(&self.age_add.to_be_bytes());
        out.extend_from_slice(&self.lifetime.to_be_bytes());
        put_time(&mut out, self.issued_at);
        // What had grown would have left its beginning, and the key, in memory.
        debug_assert!(out.len() <= size);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    /// When it is something else, or of a version of this library that writes another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        Cursor::whole(bytes, Self::read).map_err(|_| {
            Misuse::new("these bytes are no session of this version; answer with none")
        })
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let (established, names) = Established::read(cursor, Role::Server)?;
        Ok(Self {
            established,
            server_name: (!names.server_name.is_empty()).then(|| names.server_name.into()),
            leaf: names.leaf,
            age_add: cursor.u32()?,
            lifetime: cursor.u32()?,
            issued_at: read_time(cursor)?,
        })
    }
}

impl core::fmt::Debug for ServerSession {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ServerSession")
            .field("server_name", &self.server_name)
            .field("cipher_suite", &self.established.suite)
            .field("lifetime", &self.lifetime)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}
