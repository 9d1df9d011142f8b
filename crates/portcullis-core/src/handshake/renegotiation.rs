//! A handshake on a connection that has had one, before TLS 1.3: it is bound to the one before, and
//! what the application relies on stays as it was.
//!
//! RFC 5746 §3.4 to §3.7, one function for each; RFC 5246 §7.4.1, RFC 7627, RFC 7366 §3.1.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::find;
use super::machine::End;
use crate::Violation;
use crate::config::{Policy, Renegotiation, SecureRenegotiation};
use crate::crypto::secret::ConstantTimeEq;
use crate::information::{ConnectionInformation, Information, TlsUnique};
use crate::record::{Another, Barred, OnRequest};
use crate::srtp::Srtp;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::ClientHello;
use crate::wire::extension::{Extensions, RenegotiationInfo};
use crate::x509::Presented;

/// The protocol whose connections are never renegotiated (RFC 9113 §9.2.1).
const HTTP_2: &[u8] = b"h2";

/// Both Finished of a handshake, as they came.
#[derive(Clone, Copy, Default)]
pub(crate) struct VerifyData {
    pub(crate) first: Option<TlsUnique>,
    second: Option<TlsUnique>,
}

impl VerifyData {
    pub(crate) fn add(&mut self, verify_data: &[u8]) {
        let verify_data = verify_data.try_into().ok();
        match self.first {
            None => self.first = verify_data,
            Some(_) => self.second = verify_data,
        }
    }

    /// Of the client and of the server. Where a session is resumed the server is the first.
    fn by_side(self, resumed: bool) -> Option<(TlsUnique, TlsUnique)> {
        let (first, second) = (self.first?, self.second?);
        Some(match resumed {
            true => (second, first),
            false => (first, second),
        })
    }
}

/// The handshake before this one.
pub(crate) struct Previous {
    pub(crate) information: Arc<ConnectionInformation>,
    client_verify_data: TlsUnique,
    server_verify_data: TlsUnique,
    extended: bool,
    /// Of any handshake of the connection.
    encrypt_then_mac: bool,
}

impl Previous {
    fn information(&self) -> &Information {
        &self.information.0
    }

    pub(crate) fn version(&self) -> Version {
        self.information().version
    }

    pub(crate) fn alpn(&self) -> Option<Box<[u8]>> {
        self.information().alpn.clone()
    }

    /// It is not negotiated again either.
    pub(crate) fn next_protocol(&self) -> Option<Box<[u8]>> {
        self.information.next_protocol().map(Box::from)
    }

    /// What the client says of it (§3.5).
    pub(crate) fn put_of_client(&self, out: &mut Vec<u8>) {
        RenegotiationInfo::put(out, &self.client_verify_data);
    }

    /// What the server says of it (§3.7).
    pub(crate) fn put_of_server(&self, out: &mut Vec<u8>) {
        RenegotiationInfo::put(out, &self.both());
    }

    fn both(&self) -> [u8; 24] {
        let mut both = [0; 24];
        let (client, server) = both.split_at_mut(12);
        client.copy_from_slice(&self.client_verify_data);
        server.copy_from_slice(&self.server_verify_data);
        both
    }

    /// RFC 7627 §5.2 (in all handshakes), RFC 7366 §3.1: `encrypt_then_mac` says it of the suite that is chosen now, if that
    /// leaves the choice.
    pub(crate) fn check_protection(
        &self,
        extended: bool,
        encrypt_then_mac: Option<bool>,
    ) -> Result<(), Violation> {
        if extended != self.extended || (self.encrypt_then_mac && encrypt_then_mac == Some(false)) {
            return Err(Violation::RenegotiationChangedProtection);
        }
        Ok(())
    }

    /// RFC 7627 §1: whoever is in the middle has a certificate of its own.
    pub(crate) fn check_certificate(&self, shown: Option<&Presented>) -> Result<(), Violation> {
        let before = self.information().peer.as_ref();
        match before.map(Presented::end_entity) == shown.map(Presented::end_entity) {
            true => Ok(()),
            false => Err(Violation::RenegotiationChangedCertificate),
        }
    }

    /// A client that has shown a certificate shows the same; one that has shown none may do so now, which is
    /// what most servers ask for another handshake for.
    pub(crate) fn check_certificate_of_client(
        &self,
        shown: Option<&Presented>,
    ) -> Result<(), Violation> {
        if self.information().peer.is_none() {
            return Ok(());
        }
        let checked = self.check_certificate(shown);
        checked.map_err(|_| Violation::RenegotiationChangedClient)
    }

    /// The same of the identity of a pre-shared key. The key itself may be another by now.
    pub(crate) fn check_psk_identity(&self, identity: Option<&[u8]>) -> Result<(), Violation> {
        match self.information.psk_identity() {
            Some(before) if identity != Some(before) => Err(Violation::RenegotiationChangedClient),
            _ => Ok(()),
        }
    }

    /// The same of a user, who may log in now: the first handshake hides the name then.
    pub(crate) fn check_user(&self, user: Option<&[u8]>) -> Result<(), Violation> {
        match self.information.srp_user() {
            Some(before) if user != Some(before) => Err(Violation::RenegotiationChangedClient),
            _ => Ok(()),
        }
    }

    /// A client that asks for a name in this hello asks for that of the first. One that asks for none has that all the same.
    /// RFC 6066 §11.1: applications rely on the name that they were told.
    pub(crate) fn check_name(&self, name: Option<&str>) -> Result<(), Violation> {
        match name.is_none_or(|name| self.information().server_name.as_deref() == Some(name)) {
            true => Ok(()),
            false => Err(Violation::RenegotiationChangedName),
        }
    }

    /// Keys of SRTP are made anew, for the same profile.
    pub(crate) fn check_srtp(&self, srtp: Option<&Srtp>) -> Result<(), Violation> {
        match self.information.srtp_profile() == srtp.map(|one| one.profile) {
            true => Ok(()),
            false => Err(Violation::RenegotiationChangedSrtp),
        }
    }

    /// The protocol stays. Whether the client, which may offer any, has offered it again: then it is
    /// told so.
    pub(crate) fn check_protocols<'a>(
        &self,
        offered: Option<impl Iterator<Item = &'a [u8]>>,
    ) -> Result<bool, Violation> {
        match (self.information().alpn.as_deref(), offered) {
            (Some(protocol), Some(mut offered)) => match offered.any(|name| name == protocol) {
                true => Ok(true),
                false => Err(Violation::RenegotiationChangedProtocol),
            },
            _ => Ok(false),
        }
    }
}

/// §3.4, a client's first handshake: whether the server knows RFC 5746.
pub(super) fn first_server_hello(
    policy: &Policy,
    extensions: &Extensions<'_>,
) -> Result<bool, Violation> {
    match find::<RenegotiationInfo<'_>>(extensions)? {
        Some(info) if info.renegotiated_connection.is_empty() => Ok(true),
        Some(_) => Err(Violation::RenegotiationInfoMismatch),
        None => unless_demanded(policy),
    }
}

/// §4.1, §4.3: the peer does not know RFC 5746.
fn unless_demanded(policy: &Policy) -> Result<bool, Violation> {
    match policy.secure_renegotiation {
        SecureRenegotiation::Demanded => Err(Violation::SecureRenegotiationMissing),
        SecureRenegotiation::ForRenegotiation => Ok(false),
    }
}

/// §3.5, a client's further one: the server was the other end of the handshake before this one.
pub(super) fn later_server_hello(
    previous: &Previous,
    extensions: &Extensions<'_>,
) -> Result<(), Violation> {
    match find::<RenegotiationInfo<'_>>(extensions)? {
        Some(info) if info.renegotiated_connection.ct_eq(&previous.both()) => Ok(()),
        Some(_) => Err(Violation::RenegotiationInfoMismatch),
        None => Err(Violation::RenegotiationInfoMissing),
    }
}

/// §3.6, a server's first handshake: whether the client knows RFC 5746. It says so by an extension,
/// which is empty, or by a suite that is none.
pub(super) fn first_client_hello(
    policy: &Policy,
    hello: &ClientHello<'_>,
) -> Result<bool, Violation> {
    let scsv = CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV;
    match find::<RenegotiationInfo<'_>>(&hello.extensions)? {
        Some(info) if info.renegotiated_connection.is_empty() => Ok(true),
        Some(_) => Err(Violation::RenegotiationInfoMismatch),
        None if hello.cipher_suites.contains(scsv) => Ok(true),
        None => unless_demanded(policy),
    }
}

/// §3.7, a server's further one: the client was the other end of the handshake before this one.
pub(super) fn later_client_hello(
    previous: &Previous,
    hello: &ClientHello<'_>,
) -> Result<(), Violation> {
    if hello
        .cipher_suites
        .contains(CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV)
    {
        return Err(Violation::ScsvInRenegotiation);
    }
    match find::<RenegotiationInfo<'_>>(&hello.extensions)? {
        Some(info)
            if info
                .renegotiated_connection
                .ct_eq(&previous.client_verify_data) =>
        {
            Ok(())
        }
        Some(_) => Err(Violation::RenegotiationInfoMismatch),
        None => Err(Violation::RenegotiationInfoMissing),
    }
}

/// What another handshake begins with, while it does not.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) end: Arc<dyn End>,
    pub(crate) previous: Arc<Previous>,
}

/// What a handshake has shown of both ends.
pub(crate) struct Settled {
    /// Whether the peer knows RFC 5746.
    pub(crate) secure: bool,
    pub(crate) extended: bool,
    pub(crate) finished: VerifyData,
    pub(crate) previous: Option<Arc<Previous>>,
}

/// Whether this side would agree to a further handshake, or has: `protocol` is what ALPN or NPN has settled.
pub(super) fn agrees(policy: &Policy, secure: bool, protocol: Option<&[u8]>) -> bool {
    let is_allowed = matches!(
        policy.renegotiation,
        Renegotiation::Once | Renegotiation::Accept { .. }
    );
    is_allowed && secure && protocol != Some(HTTP_2)
}

/// What the connection does when its peer asks for another handshake. `None` is to decline, as the configuration says.
pub(super) fn on_request(
    end: impl End,
    settled: Settled,
    information: &Arc<ConnectionInformation>,
    now: UnixTime,
) -> Option<OnRequest> {
    let again = settled.previous.is_some();
    let not_before = match end.policy().renegotiation {
        Renegotiation::Decline => return None,
        Renegotiation::Forbid => return Some(OnRequest::Forbid(None)),
        Renegotiation::Ignore => return Some(OnRequest::Ignore),
        Renegotiation::Once if again => {
            let why = "it is a second one, and `Renegotiation::Once` allows one";
            return Some(OnRequest::Forbid(Some(why)));
        }
        Renegotiation::Accept { apart } if again => now.as_secs().saturating_add(apart.as_secs()),
        Renegotiation::Once | Renegotiation::Accept { .. } => 0,
    };
    let Information {
        alpn,
        resumed,
        encrypt_then_mac,
        ..
    } = &information.0;
    let protocol = alpn.as_deref().or_else(|| information.next_protocol());
    let barred = match () {
        () if !settled.secure => Some(Barred::UnknownToPeer),
        () if protocol == Some(HTTP_2) => Some(Barred::Http2),
        // RFC 7627 §5.4: whoever is between the ends can have made the session.
        () if *resumed && !settled.extended => Some(Barred::UnboundSession),
        () => None,
    };
    if let Some(barred) = barred {
        return Some(OnRequest::Decline(barred));
    }
    let (client_verify_data, server_verify_data) = settled.finished.by_side(*resumed)?;
    let before = settled.previous.as_deref();
    let kept = Kept {
        end: Arc::new(end),
        previous: Arc::new(Previous {
            information: Arc::clone(information),
            client_verify_data,
            server_verify_data,
            extended: settled.extended,
            encrypt_then_mac: *encrypt_then_mac || before.is_some_and(|one| one.encrypt_then_mac),
        }),
    };
    let not_before = UnixTime::since_unix_epoch(core::time::Duration::from_secs(not_before));
    Some(OnRequest::Accept(Another::new(kept, not_before)))
}
