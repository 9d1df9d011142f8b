//! What the ends settle for SRTP, over datagrams: in the hellos, and in EncryptedExtensions of DTLS 1.3.
//!
//! RFC 5764 §4.1.

use super::find;
use crate::Violation;
use crate::config::Policy;
use crate::dialect::Dialect;
use crate::srtp::Srtp;
use crate::wire::ClientHello;
use crate::wire::extension::{Extensions, UseSrtp, UseSrtpSelected};

/// What a server answers: the best of its own profiles that the client has, too. `None` if there is none, which is no reason
/// to end the handshake (§4.1.1): what the ends have to say to each other may be something else.
pub(super) fn choose(
    policy: &Policy,
    hello: &ClientHello<'_>,
    dialect: Dialect,
) -> Result<Option<Srtp>, Violation> {
    if dialect == Dialect::Tls || !policy.srtp.is_on() {
        return Ok(None);
    }
    let Some(offered) = find::<UseSrtp<'_>>(&hello.extensions)? else {
        return Ok(None);
    };
    let mut own = policy.srtp.profiles.iter().copied();
    let chosen = own.find(|profile| offered.profiles.contains(*profile));
    Ok(chosen.map(|profile| Srtp {
        profile,
        mki: match policy.srtp.accepts_mki {
            true => offered.mki.into(),
            false => Box::default(),
        },
    }))
}

/// Says it.
pub(super) fn put(out: &mut Vec<u8>, srtp: &Srtp) {
    UseSrtpSelected::put(out, srtp.profile, &srtp.mki);
}

/// What the server has answered to a client with this policy.
pub(super) fn take(
    policy: &Policy,
    extensions: &Extensions<'_>,
) -> Result<Option<Srtp>, Violation> {
    let Some(UseSrtpSelected { profile, mki }) = find::<UseSrtpSelected<'_>>(extensions)? else {
        return Ok(None);
    };
    if !policy.srtp.profiles.contains(&profile) {
        return Err(Violation::SrtpProfileNotOffered);
    }
    // §4.1.3: without one the server does not want it.
    if !mki.is_empty() && *mki != *policy.srtp.mki {
        return Err(Violation::SrtpMkiChanged);
    }
    Ok(Some(Srtp {
        profile,
        mki: mki.into(),
    }))
}
