//! A hello in a hello over datagrams, of which nothing is kept but what comes back in a cookie.
//!
//! RFC 9849 §7, §7.1.1; RFC 9147 §5.1. What opens the second hello is the HPKE context of the first: it is made again, of the
//! encapsulated key, and the message that it has opened before is counted.

use super::super::{expect, find};
use super::ech::{Ech, Named, Peeled, authenticated, inner_hello, peel, second_outer};
use super::hello::check_syntax;
use super::returned_cookie::ReturnedCookie;
use crate::Violation;
use crate::client_hello_view::ClientHelloView;
use crate::config::ServerOptions;
use crate::config::ech::ServerEch;
use crate::dialect::Dialect;
use crate::ech::{Opened, confirmation};
use crate::error::Abort;
use crate::record::HandshakeBytes;
use crate::wire::ClientHello;
use crate::wire::extension::{Cookie, EchOuter, EncryptedClientHello};

/// What a server that keeps nothing of a first hello has to have back of the one in it.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum ReturnedEch {
    /// It came decrypted, from the server in front of this one.
    Inner,
    Outer(ReturnedOuter),
}

/// Of a hello that was encrypted, or seemed so.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct ReturnedOuter {
    pub(in super::super) named: Named,
    pub(in super::super) enc: Box<[u8]>,
    /// If none of the keys opens it: what the HelloRetryRequest says in the place of a confirmation.
    pub(in super::super) declined: Option<[u8; confirmation::LENGTH]>,
}

/// An encapsulated key that is longer is of no KEM.
const MOST_ENC: usize = 133;

/// A first hello of which nothing is kept: gives the one that counts, what it was found in, and what has to come back.
/// `instead_of` makes what is said where nothing is confirmed, of the hello.
pub(in super::super) fn peel_forgetting(
    config: &ServerOptions,
    message: HandshakeBytes,
    instead_of: impl FnOnce(&[u8]) -> [u8; confirmation::LENGTH],
) -> Result<(Peeled, Option<ReturnedEch>), Abort> {
    if config.ech.is_none() {
        return Ok(((message, None), None));
    }
    let hello: ClientHello<'_> = expect(&message)?;
    check_syntax(&hello)?;
    let outer = match find::<EncryptedClientHello<'_>>(&hello.extensions)? {
        Some(EncryptedClientHello::Outer(outer)) => Some(ReturnedOuter {
            named: Named::of(&outer),
            enc: match outer.enc.len() <= MOST_ENC {
                true => outer.enc.into(),
                false => Box::default(),
            },
            declined: None,
        }),
        _ => None,
    };
    let (message, mut ech) = peel(config, message, Dialect::Dtls)?;
    let returned = match (ech.as_deref_mut(), outer) {
        (None, _) => None,
        (Some(_), None) => Some(ReturnedEch::Inner),
        (Some(ech), Some(mut outer)) => {
            // Whoever looks on is not to see what became of it: a client that only pretends is answered so, too (§10.10.4).
            if let Ech::Declined { instead, .. } = ech {
                let bytes = instead_of(message.raw());
                *instead = Some(bytes);
                outer.declined = Some(bytes);
            }
            Some(ReturnedEch::Outer(outer))
        }
    };
    Ok(((message, ech), returned))
}

/// How many keys are tried on what this hello has encrypted.
pub(in super::super) fn keys_tried(config: &ServerOptions, hello: &ClientHello<'_>) -> usize {
    let Some(ServerEch::Keys(keys)) = &config.ech else {
        return 0;
    };
    match find::<EncryptedClientHello<'_>>(&hello.extensions) {
        Ok(Some(EncryptedClientHello::Outer(outer))) => keys.snapshot().tries(&outer),
        _ => 0,
    }
}

/// The second hello for a server behind this one, whose cookie has come back. The hello in it has to say the same cookie, or
/// the server behind would take it for a stranger's.
pub(in super::super) fn peel_fronted(
    returned: &ReturnedCookie,
    config: &ServerOptions,
    message: HandshakeBytes,
) -> Result<(HandshakeBytes, ClientHelloView), Abort> {
    let (mut inner, _) = returned.peel(config, message)?;
    let hello: ClientHello<'_> = expect(&inner)?;
    let cookie = find::<Cookie<'_>>(&hello.extensions)?;
    if cookie.is_none_or(|cookie| *cookie.cookie != *returned.cookie) {
        return Err(Violation::BadCookie.into());
    }
    let view = ClientHelloView::of(&mut inner)?;
    Ok((inner, view))
}

impl ReturnedEch {
    /// The second hello: gives the one that counts.
    pub(super) fn peel_second(
        &self,
        config: &ServerOptions,
        message: HandshakeBytes,
    ) -> Result<Peeled, Abort> {
        let dialect = Dialect::Dtls;
        let returned = match (self, &config.ech) {
            // What a server in front has opened comes decrypted, too.
            (Self::Outer(outer), Some(ServerEch::Backend)) if outer.declined.is_some() => {
                return Err(Violation::EchOuterAtBackend.into());
            }
            (Self::Inner, _) | (Self::Outer(_), Some(ServerEch::Backend)) => {
                let mut ech = Ech::Inner;
                let message = ech.peel_second(message, dialect)?;
                return Ok((message, Some(Box::new(ech))));
            }
            (Self::Outer(returned), _) => returned,
        };
        // As they are now: there may be others by the time that a cookie comes back.
        let keys = match &config.ech {
            Some(ServerEch::Keys(keys)) => Some(keys.snapshot()),
            Some(ServerEch::Backend) | None => None,
        };
        if returned.declined.is_some() {
            let instead = returned.declined;
            let ech = Ech::Declined { keys, instead };
            return Ok((message, Some(Box::new(ech))));
        }
        let hello: ClientHello<'_> = expect(&message)?;
        let outer = second_outer(&hello, &returned.named)?;
        let aad = authenticated(&message, &outer);
        let first = EchOuter {
            enc: &returned.enc,
            ..outer
        };
        let opened = keys.and_then(|keys| keys.open_second(&first, &aad));
        let Opened { encoded, opener } = opened.ok_or(Violation::SecondEchNotOpened)?;
        let inner = inner_hello(&message, &hello, &encoded, dialect)?;
        let opened = Ech::Opened(Box::new(opener), Named::of(&outer));
        Ok((inner, Some(Box::new(opened))))
    }
}
