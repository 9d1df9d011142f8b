//! HelloRetryRequest, and the second ClientHello that it asks for.
//!
//! RFC 8446 §4.1.2, §4.1.4.

#[cfg(feature = "dtls")]
pub(super) mod cookie;

use std::sync::Arc;

use super::super::super::negotiate::Group;
use super::super::super::{Cx, expect, find};
use super::super::Next;
use super::super::ech::Ech;
use super::super::hello::check_syntax;
use super::Negotiated;
use super::client_hello::{add_hello, check_hello, choose_any_group, looks_like_tls12};
use super::psk::{FirstPsks, is_configured, resume_or_authenticate};
use crate::config::ServerOptions;
use crate::crypto::hash::{HashAlgorithm, hash};
use crate::crypto::secret::ConstantTimeEq as _;
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::information::EarlyDataStatus;
use crate::key_schedule::{AddMessage, Transcript};
use crate::record::HandshakeBytes;
use crate::sort::sort_by;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::{
    Cookie, EchConfirmation, KeyShareClientHello, KeyShareHelloRetryRequest, RawExtension,
    SelectedVersion,
};
use crate::wire::list::Element as _;
use crate::wire::{ClientHello, ExtensionType, HELLO_RETRY_REQUEST_RANDOM, ServerHello};
use crate::{NamedGroup, Violation};

/// Asks for a hello with a share of this group.
pub(super) fn ask_for_another(
    config: Arc<ServerOptions>,
    message: HandshakeBytes,
    mut ech: Option<Box<Ech>>,
    (suite, group): (CipherSuite, NamedGroup),
    (mut transcript, early_data): (Transcript, EarlyDataStatus),
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&message)?;
    let first = FirstHello {
        unchanging: unchanging(&hello, may_change(ech.as_deref())),
        may_change: may_change(ech.as_deref()),
        psks: FirstPsks::of(&config, &hello, suite, cx)?,
    };
    // §4.4.1: the first hello goes into the transcript as its hash.
    transcript.add(message.hashed());
    transcript.replace_with_message_hash();
    // §5.1: the client waits for the answer, so nothing may follow in this record.
    cx.incoming.end_of_flight()?;
    let cookie = if config.cookie {
        let [cookie] = cx.random_bytes()?;
        Some(cookie)
    } else {
        None
    };
    let cookie: Option<Box<[u8]>> = cookie.map(|cookie| cookie.as_slice().into());
    if let Some(ech) = ech.as_deref_mut() {
        ech.pretend(cx)?;
    }
    let asked = Asked {
        dialect: cx.dialect,
        suite,
        group: Some(group),
        cookie: cookie.as_deref(),
    };
    let request = asked.of(&hello, ech.as_deref(), &transcript)?;
    cx.send(&mut transcript, |out| out.extend_from_slice(&request));
    if looks_like_tls12(&config, &hello) {
        cx.outgoing.change_cipher_spec()?;
    }
    Ok(WaitSecondClientHello(Box::new(RetryRequested {
        config,
        first,
        ech,
        suite,
        group: Some(group),
        cookie,
        transcript,
        early_data,
    }))
    .into())
}

/// What a HelloRetryRequest says.
struct Asked<'a> {
    dialect: Dialect,
    suite: CipherSuite,
    group: Option<NamedGroup>,
    cookie: Option<&'a [u8]>,
}

impl Asked<'_> {
    /// The message, of the hello that `transcript` has as its hash.
    fn of(
        &self,
        hello: &ClientHello<'_>,
        ech: Option<&Ech>,
        transcript: &Transcript,
    ) -> Result<Vec<u8>, Abort> {
        let id = hello.legacy_session_id;
        let Some(ech) = ech else {
            return Ok(self.put(id, None));
        };
        let confirmation = ech.confirm_retry(
            self.suite.handshake_hash()?,
            self.dialect,
            hello.random,
            transcript,
            |zeros| self.put(id, Some(zeros)),
        )?;
        Ok(self.put(id, confirmation.as_ref()))
    }

    /// §4.1.4.
    fn put(&self, session_id: &[u8], confirmation: Option<&[u8; 8]>) -> Vec<u8> {
        let mut message = Vec::with_capacity(128);
        ServerHello::put(
            &mut message,
            self.dialect.legacy_version(),
            &HELLO_RETRY_REQUEST_RANDOM,
            self.dialect.session_id_echo(session_id),
            self.suite,
            |out| {
                SelectedVersion::put(out, self.dialect.code(Version::V1_3));
                if let Some(group) = self.group {
                    KeyShareHelloRetryRequest::put(out, group);
                }
                if let Some(cookie) = self.cookie {
                    Cookie::put(out, cookie);
                }
                if let Some(confirmation) = confirmation {
                    EchConfirmation::put(out, confirmation);
                }
            },
        );
        message
    }
}

pub(crate) struct WaitSecondClientHello(Box<RetryRequested>);

/// What the second hello is held against.
struct RetryRequested {
    config: Arc<ServerOptions>,
    first: FirstHello,
    ech: Option<Box<Ech>>,
    suite: CipherSuite,
    /// If a share of it was asked for.
    group: Option<NamedGroup>,
    cookie: Option<Box<[u8]>>,
    transcript: Transcript,
    /// Of the first hello; it is not accepted any more.
    early_data: EarlyDataStatus,
}

impl WaitSecondClientHello {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let mut requested = self.0;
        let hello: ClientHello<'_> = expect(&message)?;
        check_syntax(&hello)?;
        let message = match &mut requested.ech {
            None => message,
            Some(ech) => ech.peel_second(message, cx.dialect)?,
        };
        requested.go_on(message, cx)
    }
}

impl RetryRequested {
    /// The second hello that counts.
    fn go_on(mut self: Box<Self>, message: HandshakeBytes, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let hello: ClientHello<'_> = expect(&message)?;
        check_hello(&hello)?;
        // Early data offered again (§4.1.2 forbids it) is not accepted either: its records fail
        // to decrypt.
        self.check_cookie(&hello)?;
        let group = self.group(&hello, cx)?;
        self.first.check(&hello)?;
        self.check_key(&hello, cx)?;
        let binder_hash = add_hello(&mut self.transcript, &message)?;
        let RetryRequested {
            config,
            ech,
            suite,
            transcript,
            early_data,
            ..
        } = *self;
        resume_or_authenticate(
            Negotiated {
                config,
                hello: message,
                suite,
                group,
                transcript,
                binder_hash,
                retried: true,
                ech,
                early_data,
            },
            cx,
        )
    }

    /// §4.1.2: the share that was asked for, and no other. Where the request was for the cookie alone, what
    /// is chosen is what was chosen before.
    fn group(&self, hello: &ClientHello<'_>, cx: &Cx<'_>) -> Result<Option<NamedGroup>, Abort> {
        let Some(asked) = self.group else {
            return match choose_any_group(&self.config, hello, cx.dialect)? {
                None => Ok(None),
                Some(Group::Shared(group)) => Ok(Some(group)),
                Some(Group::Retry(_)) => Err(Violation::RetryIgnored.into()),
            };
        };
        let shares = find::<KeyShareClientHello<'_>>(&hello.extensions)?
            .ok_or(Violation::KeyShareMissing)?;
        let mut entries = shares.client_shares.iter();
        match (entries.next(), entries.next()) {
            (Some(only), None) if only.group == asked => Ok(Some(asked)),
            _ => Err(Violation::RetryIgnored.into()),
        }
    }

    /// §4.1.2: of the keys that it had offered, those that go with the suite are still there.
    fn check_key(&self, hello: &ClientHello<'_>, cx: &Cx<'_>) -> Result<(), Abort> {
        match self.first.psks == FirstPsks::Configured
            && !is_configured(&self.config, hello, self.suite, cx)?
        {
            true => Err(Violation::PskReplacedAfterRetry.into()),
            false => Ok(()),
        }
    }

    /// §4.2.2: our cookie comes back as it was.
    fn check_cookie(&self, hello: &ClientHello<'_>) -> Result<(), Violation> {
        let returned = find::<Cookie<'_>>(&hello.extensions)?;
        match (&self.cookie, returned) {
            (None, None) => Ok(()),
            (Some(ours), Some(cookie)) if ours.ct_eq(cookie.cookie) => Ok(()),
            (Some(_), _) => Err(Violation::BadCookie),
            (None, Some(_)) => Err(Violation::UnexpectedCookie),
        }
    }
}

/// What is kept of the first hello: a client may say 47 KiB and then nothing for long.
struct FirstHello {
    unchanging: [u8; UNCHANGING],
    may_change: bool,
    psks: FirstPsks,
}

impl FirstHello {
    /// §4.1.2: the second hello repeats the first, except for what the RFC lists. It may leave out
    /// a pre-shared key that does not go with the suite, and no other, and brings none if the first
    /// had none.
    fn check(&self, second: &ClientHello<'_>) -> Result<(), Violation> {
        if unchanging(second, self.may_change) != self.unchanging {
            return Err(Violation::SecondHelloChanged);
        }
        let has_psk = second.extensions.contains(ExtensionType::PRE_SHARED_KEY);
        match self.psks {
            FirstPsks::None if has_psk => Err(Violation::SecondHelloChanged),
            FirstPsks::GoesWithSuite | FirstPsks::Configured if !has_psk => {
                Err(Violation::PskOmittedAfterRetry)
            }
            _ => Ok(()),
        }
    }
}

/// RFC 9849 §7.1.1: what could not be decrypted is not looked at, nor is it by whoever knows nothing of it. A client that was
/// not understood may encrypt its second hello anew. What was decrypted says that it was, in both hellos.
fn may_change(ech: Option<&Ech>) -> bool {
    ech.is_none_or(|ech| matches!(ech, Ech::Declined { .. }))
}

/// Bytes of the digest of what a second hello has to repeat.
///
/// Eight are enough: the digest keeps honest mistakes apart, and nothing is secure because of it. Whoever wants two
/// hellos with the same one, which takes 2^32 tries, has to write both, and so deceives nobody
/// else: all that the server decides by the first (suite, group, whether there was a key) is kept beside
/// the digest and checked by itself, both hellos are in the transcript whole, so that whoever changes
/// one on its way does not get past Finished, and in a cookie it is sealed.
pub(in super::super::super) const UNCHANGING: usize = 8;

/// A digest of what a second hello has to repeat. The order of extensions is not in it: it means
/// nothing (§4.2), and wolfSSL 5.5 has another one in its second hello.
fn unchanging(hello: &ClientHello<'_>, ech_may_change: bool) -> [u8; UNCHANGING] {
    let is_ech =
        |one: &RawExtension<'_>| one.extension_type == ExtensionType::ENCRYPTED_CLIENT_HELLO;
    let extensions = hello.extensions.iter().filter(is_unchanging);
    let mut extensions: Vec<_> = extensions
        .filter(|one| !ech_may_change || !is_ech(one))
        .collect();
    // No type comes twice.
    sort_by(&mut extensions, |one, other| {
        one.extension_type.0.cmp(&other.extension_type.0)
    });
    let mut bytes = Vec::with_capacity(hello.extensions.as_bytes().len());
    ClientHello::put(
        &mut bytes,
        hello.legacy_version,
        hello.random,
        hello.legacy_session_id,
        hello.cipher_suites.iter(),
        |out| {
            for extension in extensions {
                extension.put(out);
            }
        },
    );
    let digest = hash(HashAlgorithm::Sha256, &bytes);
    digest.as_slice().first_chunk().copied().unwrap_or_default()
}

fn is_unchanging(extension: &RawExtension<'_>) -> bool {
    !matches!(
        extension.extension_type,
        ExtensionType::KEY_SHARE
            | ExtensionType::EARLY_DATA
            | ExtensionType::COOKIE
            | ExtensionType::PRE_SHARED_KEY
            | ExtensionType::PADDING
    )
}
