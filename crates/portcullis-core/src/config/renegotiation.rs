//! What becomes of a request for another handshake on a connection of before TLS 1.3.

use core::time::Duration;

/// What a peer gets that asks for a renegotiation (RFC 5246 §7.4.1, RFC 5746). TLS 1.3 has none.
///
/// Only [`Once`](Self::Once) and [`Accept`](Self::Accept) let this side ask, too. Even then there
/// is none with a peer that does not know RFC 5746, none over HTTP/2, which forbids it (RFC 9113
/// §9.2.1), and none after a session was resumed without the extended master secret (RFC 7627
/// §5.4): what asks there is declined. Version, application protocol, the server's certificate and
/// the protection of a connection stay as they were, and over datagrams connection ids and the profile of SRTP, too.
///
/// Where this side may ask, it does so by itself before its key is worn out, which would be the end of the connection:
/// after seven eighths of what the cipher allows (with AES-GCM 280 GB, or 1.9 · 10^9 records), or after
/// [`key_update_at`](crate::config::ClientConfigBuilder::key_update_at) bytes if that is less; over datagrams after three
/// quarters of the records. With a peer that declines or does not answer the connection goes on until the key is used up.
/// Some peers end it when they are asked, as BoringSSL's clients do by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renegotiation {
    /// The fatal alert `no_renegotiation`.
    Forbid,
    /// The warning `no_renegotiation`; the connection goes on (RFC 5246 §7.2.2), as far as this side is
    /// concerned: OpenSSL's clients end it themselves. A peer that asks more than four times without
    /// sending data is refused.
    #[default]
    Decline,
    /// Nothing. For clients only: a client that has sent a ClientHello waits for an answer.
    Ignore,
    /// A handshake. The second time it is as with [`Forbid`](Self::Forbid).
    Once,
    /// A handshake, unless the last renegotiation was a shorter time ago: then it is as with
    /// [`Decline`](Self::Decline). A handshake costs a server much more than a client, so without
    /// a distance one client can keep it busy (CVE-2011-1473).
    Accept {
        /// Counted in whole seconds by the clock of the system. [`Renegotiation::APART`] is usual.
        apart: Duration,
    },
}

impl Renegotiation {
    /// The distance that Erlang keeps: 12 seconds.
    pub const APART: Duration = Duration::from_secs(12);
}

/// What is done about a peer that does not know RFC 5746, before TLS 1.3. TLS 1.3 needs nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecureRenegotiation {
    /// It is refused at its hello (RFC 5746 §4.1, §4.3). For clients that is the only way to be sure that
    /// nobody has put a handshake of its own before theirs: a client cannot see what a server does
    /// with such a renegotiation (CVE-2009-3555).
    Demanded,
    /// It is talked to, and there is no renegotiation with it.
    #[default]
    ForRenegotiation,
}
