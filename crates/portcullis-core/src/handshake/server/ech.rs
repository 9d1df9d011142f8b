//! The hello in the hello: it is taken out before anything is negotiated, and what follows sees one hello alone.
//!
//! RFC 9849 §7, §7.1, §7.2.

use std::sync::Arc;

use super::super::{Cx, expect, find};
use super::hello::check_syntax;
use crate::Violation;
use crate::config::ServerOptions;
use crate::config::ech::ServerEch;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::hpke::Opener;
use crate::dialect::Dialect;
use crate::ech::confirmation::{self, IN_SERVER_HELLO, Within};
use crate::ech::{EchStatus, Opened, Snapshot, encoded_inner};
use crate::error::Abort;
use crate::key_schedule::{AddMessage, Hashed, Transcript};
use crate::record::HandshakeBytes;
use crate::version::Version;
use crate::wire::ClientHello;
use crate::wire::extension::{EchOuter, EncryptedClientHello, SupportedVersions};

/// What a server that takes part has found in the first hello. Boxed by its owners: most connections have none.
pub(in super::super) enum Ech {
    /// It was decrypted here, with this.
    Opened(Box<Opener>, Named),
    /// It came decrypted, from the server in front of this one.
    Inner,
    /// None of the keys opens it. The client is told of them.
    Declined {
        /// `None` if there are none any more.
        keys: Option<Arc<Snapshot>>,
        /// What a HelloRetryRequest says in the place of a confirmation, so that nobody sees that there is none.
        instead: Option<[u8; confirmation::LENGTH]>,
    },
}

/// The hello that counts, and what it was found in.
pub(in super::super) type Peeled = (HandshakeBytes, Option<Box<Ech>>);

/// What a second hello has to name again (§7.1.1).
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Named {
    pub(in super::super) config_id: u8,
    pub(in super::super) cipher_suite: (u16, u16),
}

impl Named {
    pub(super) fn of(outer: &EchOuter<'_>) -> Self {
        Self {
            config_id: outer.config_id,
            cipher_suite: outer.cipher_suite,
        }
    }
}

/// The first hello: gives the one that counts.
pub(super) fn peel(
    config: &ServerOptions,
    message: HandshakeBytes,
    dialect: Dialect,
) -> Result<Peeled, Abort> {
    let Some(role) = &config.ech else {
        return Ok((message, None));
    };
    let hello: ClientHello<'_> = expect(&message)?;
    let Some(found) = find::<EncryptedClientHello<'_>>(&hello.extensions)? else {
        return Ok((message, None));
    };
    let (keys, outer) = match (role, found) {
        (_, EncryptedClientHello::Unknown(..)) => return Err(Violation::EchTypeUnknown.into()),
        (ServerEch::Backend, EncryptedClientHello::Inner) => {
            return Ok((message, Some(Box::new(Ech::Inner))));
        }
        (ServerEch::Backend, EncryptedClientHello::Outer(_)) => {
            return Err(Violation::EchOuterAtBackend.into());
        }
        (ServerEch::Keys(_), EncryptedClientHello::Inner) => {
            return Err(Violation::EchInnerFromNetwork.into());
        }
        (ServerEch::Keys(keys), EncryptedClientHello::Outer(outer)) => (keys.snapshot(), outer),
    };
    let Some(Opened { encoded, opener }) = keys.open(&outer, &authenticated(&message, &outer))
    else {
        let declined = Ech::Declined {
            keys: Some(keys),
            instead: None,
        };
        return Ok((message, Some(Box::new(declined))));
    };
    // From here on whatever is wrong was meant for this server, and is fatal (§7.1).
    let inner = inner_hello(&message, &hello, &encoded, dialect)?;
    let opened = Ech::Opened(Box::new(opener), Named::of(&outer));
    Ok((inner, Some(Box::new(opened))))
}

/// The same for whoever passes it on: `None` if it is not for these keys.
pub(super) fn peel_with(
    keys: &Snapshot,
    message: HandshakeBytes,
    dialect: Dialect,
) -> Result<Option<(HandshakeBytes, Box<Ech>)>, Abort> {
    let Ok(hello) = expect::<ClientHello<'_>>(&message) else {
        return Ok(None);
    };
    let Ok(Some(EncryptedClientHello::Outer(outer))) =
        find::<EncryptedClientHello<'_>>(&hello.extensions)
    else {
        return Ok(None);
    };
    let Some(Opened { encoded, opener }) = keys.open(&outer, &authenticated(&message, &outer))
    else {
        return Ok(None);
    };
    let inner = inner_hello(&message, &hello, &encoded, dialect)?;
    let opened = Ech::Opened(Box::new(opener), Named::of(&outer));
    Ok(Some((inner, Box::new(opened))))
}

impl Ech {
    /// The second hello, behind a HelloRetryRequest (§7.1.1).
    pub(super) fn peel_second(
        &mut self,
        message: HandshakeBytes,
        dialect: Dialect,
    ) -> Result<HandshakeBytes, Abort> {
        let hello: ClientHello<'_> = expect(&message)?;
        let (opener, named) = match self {
            // Nothing of it is looked at any more.
            Self::Declined { .. } => return Ok(message),
            Self::Inner => {
                return match find::<EncryptedClientHello<'_>>(&hello.extensions)? {
                    Some(EncryptedClientHello::Inner) => Ok(message),
                    Some(_) => Err(Violation::EchOuterAtBackend.into()),
                    None => Err(Violation::EchMissingInSecondHello.into()),
                };
            }
            Self::Opened(opener, named) => (opener, named),
        };
        let outer = second_outer(&hello, named)?;
        let encoded = opener.open(&authenticated(&message, &outer), outer.payload);
        let encoded = encoded.map_err(|_| Violation::SecondEchNotOpened)?;
        inner_hello(&message, &hello, &encoded, dialect)
    }

    /// What the client is told in EncryptedExtensions, as an ECHConfigList (§7.1).
    pub(super) fn retry_configs(&self) -> Option<&[u8]> {
        match self {
            Self::Declined { keys, .. } => keys.as_deref().map(Snapshot::retry_configs),
            Self::Opened(..) | Self::Inner => None,
        }
    }

    fn is_accepted(&self) -> bool {
        !matches!(self, Self::Declined { .. })
    }

    pub(super) fn status(ech: Option<&Self>) -> EchStatus {
        match ech {
            None => EchStatus::NotOffered,
            Some(ech) if ech.is_accepted() => EchStatus::Accepted,
            Some(_) => EchStatus::Declined,
        }
    }

    /// §7.2: the end of the ServerHello's random that says so, if the inner hello counts. `put` writes the message with a
    /// random.
    pub(super) fn confirm(
        &self,
        hash: HashAlgorithm,
        dialect: Dialect,
        (client_random, server_random): (&[u8; 32], &mut [u8; 32]),
        transcript: &Transcript,
        put: impl FnOnce(&mut Vec<u8>, &[u8; 32]),
    ) -> Result<(), Abort> {
        if !self.is_accepted() {
            return Ok(());
        }
        if let Some(end) = server_random.last_chunk_mut::<{ confirmation::LENGTH }>() {
            *end = [0; confirmation::LENGTH];
        }
        let mut message = Vec::new();
        put(&mut message, server_random);
        debug_assert!(
            message
                .get(IN_SERVER_HELLO)
                .is_some_and(|place| place.iter().all(|byte| *byte == 0))
        );
        let value = self.value(
            Within::ServerHello,
            hash,
            dialect,
            client_random,
            transcript,
            &message,
        )?;
        if let Some(end) = server_random.last_chunk_mut::<{ confirmation::LENGTH }>() {
            *end = value;
        }
        Ok(())
    }

    /// What a HelloRetryRequest says where nothing is confirmed: whoever looks on is not to see that nothing was read (§7.1,
    /// §10.10.4).
    pub(super) fn pretend(&mut self, cx: &mut Cx<'_>) -> Result<(), Abort> {
        if let Self::Declined {
            instead: instead @ None,
            ..
        } = self
        {
            let mut random = [0; confirmation::LENGTH];
            cx.fill_random(&mut random)?;
            *instead = Some(random);
        }
        Ok(())
    }

    /// §7.2.1: the same for a HelloRetryRequest, which `put` writes with what the extension has.
    pub(super) fn confirm_retry(
        &self,
        hash: HashAlgorithm,
        dialect: Dialect,
        client_random: &[u8; 32],
        transcript: &Transcript,
        put: impl FnOnce(&[u8; confirmation::LENGTH]) -> Vec<u8>,
    ) -> Result<Option<[u8; confirmation::LENGTH]>, Abort> {
        if let Self::Declined { instead, .. } = self {
            return Ok(*instead);
        }
        let message = put(&[0; confirmation::LENGTH]);
        let within = Within::HelloRetryRequest;
        self.value(within, hash, dialect, client_random, transcript, &message)
            .map(Some)
    }

    fn value(
        &self,
        within: Within,
        hash: HashAlgorithm,
        dialect: Dialect,
        client_random: &[u8; 32],
        transcript: &Transcript,
        message: &[u8],
    ) -> Result<[u8; confirmation::LENGTH], Abort> {
        let mut transcript = transcript.clone();
        transcript.add(Hashed::new(message));
        let prefix = dialect.label_prefix();
        Ok(confirmation::confirmation(
            within,
            hash,
            prefix,
            client_random,
            &mut transcript,
        )?)
    }
}

/// What the second hello has to say of the one in it (§7.1.1).
pub(super) fn second_outer<'a>(
    hello: &ClientHello<'a>,
    named: &Named,
) -> Result<EchOuter<'a>, Violation> {
    let outer = match find::<EncryptedClientHello<'_>>(&hello.extensions)? {
        Some(EncryptedClientHello::Outer(outer)) => outer,
        Some(EncryptedClientHello::Inner) => return Err(Violation::EchInnerFromNetwork),
        Some(EncryptedClientHello::Unknown(..)) => return Err(Violation::EchTypeUnknown),
        None => return Err(Violation::EchMissingInSecondHello),
    };
    match Named::of(&outer) == *named && outer.enc.is_empty() {
        true => Ok(outer),
        false => Err(Violation::EchChangedInSecondHello),
    }
}

/// ClientHelloOuterAAD (§5.2): the body of the hello, with zeros for what is encrypted.
pub(super) fn authenticated(message: &HandshakeBytes, outer: &EchOuter<'_>) -> Vec<u8> {
    let body = message.body();
    // By where it stands: the same bytes may be there before.
    let start = outer.payload.as_ptr().addr() - body.as_ptr().addr();
    let mut aad = body.to_vec();
    if let Some(payload) = aad.get_mut(start..start + outer.payload.len()) {
        payload.fill(0);
    }
    aad
}

/// The inner hello, which has to be one of TLS 1.3 and of this kind.
pub(super) fn inner_hello(
    message: &HandshakeBytes,
    outer: &ClientHello<'_>,
    encoded: &[u8],
    dialect: Dialect,
) -> Result<HandshakeBytes, Abort> {
    let message = message.inner(encoded_inner::decode(outer, encoded)?);
    let hello: ClientHello<'_> = expect(&message)?;
    check_syntax(&hello)?;
    match find::<EncryptedClientHello<'_>>(&hello.extensions)? {
        Some(EncryptedClientHello::Inner) => {}
        _ => return Err(Violation::InnerWithoutEch.into()),
    }
    let versions = find::<SupportedVersions<'_>>(&hello.extensions)?
        .ok_or(Violation::InnerOffersOldVersion)?
        .versions;
    let mut old = [Version::V1_0, Version::V1_1, Version::V1_2].into_iter();
    if old.any(|version| versions.contains(dialect.code(version)))
        || !versions.contains(dialect.code(Version::V1_3))
    {
        return Err(Violation::InnerOffersOldVersion.into());
    }
    Ok(message)
}
