//! HelloRetryRequest, and the second ClientHello that it asks for.
//!
//! RFC 8446 §4.1.2, §4.1.4.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::super::super::{Cx, Next, expect, find, versions};
use super::Negotiated;
use super::client_hello::{add_hello, check_hello, looks_like_tls12};
use super::psk::{check_psk_kept_after_retry, negotiated};
use crate::config::ServerOptions;
use crate::error::Abort;
use crate::key_schedule::{AddMessage, Transcript};
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;
use crate::wire::extension::{
    Cookie, KeyShareClientHello, KeyShareHelloRetryRequest, RawExtension, SelectedVersion,
};
use crate::wire::{ClientHello, ExtensionType, HELLO_RETRY_REQUEST_RANDOM, ServerHello};
use crate::{NamedGroup, Violation};

/// Asks for a hello with a share of this group.
pub(super) fn ask_for_another(
    config: Arc<ServerOptions>,
    message: HandshakeBytes,
    suite: CipherSuite,
    group: NamedGroup,
    mut transcript: Transcript,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&message)?;
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
    let request = hello_retry_request(&hello, suite, group, cookie.as_ref());
    cx.send(&mut transcript, |out| out.extend_from_slice(&request));
    if looks_like_tls12(&config, &hello) {
        cx.outgoing.change_cipher_spec()?;
    }
    Ok(WaitSecondClientHello(Box::new(RetryRequested {
        config,
        first: message,
        suite,
        group,
        cookie,
        transcript,
    }))
    .into())
}

/// §4.1.4.
fn hello_retry_request(
    hello: &ClientHello<'_>,
    suite: CipherSuite,
    group: NamedGroup,
    cookie: Option<&[u8; 32]>,
) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    ServerHello::put(
        &mut message,
        ProtocolVersion::TLS_1_2,
        &HELLO_RETRY_REQUEST_RANDOM,
        hello.legacy_session_id,
        suite,
        |out| {
            SelectedVersion::put(out, ProtocolVersion::TLS_1_3);
            KeyShareHelloRetryRequest::put(out, group);
            if let Some(cookie) = cookie {
                Cookie::put(out, cookie);
            }
        },
    );
    message
}

pub(crate) struct WaitSecondClientHello(Box<RetryRequested>);

/// What the second hello is compared with.
struct RetryRequested {
    config: Arc<ServerOptions>,
    first: HandshakeBytes,
    suite: CipherSuite,
    group: NamedGroup,
    cookie: Option<[u8; 32]>,
    transcript: Transcript,
}

impl WaitSecondClientHello {
    pub(super) fn on_message(
        self,
        message: HandshakeBytes,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let mut requested = *self.0;
        let hello: ClientHello<'_> = expect(&message)?;
        if hello.extensions.duplicate().is_some() {
            return Err(Violation::DuplicateNegotiation.into());
        }
        versions::choose(&requested.config.policy.versions, &hello)?;
        check_hello(&hello)?;
        let first: ClientHello<'_> = expect(&requested.first)?;
        // Early data offered again (§4.1.2 forbids it) is not accepted either: its records fail
        // to decrypt.
        requested.check_cookie(&hello)?;
        let shares = find::<KeyShareClientHello<'_>>(&hello.extensions)?
            .ok_or(Violation::KeyShareMissing)?;
        let mut entries = shares.client_shares.iter();
        match (entries.next(), entries.next()) {
            (Some(only), None) if only.group == requested.group => {}
            _ => return Err(Violation::RetryIgnored.into()),
        }
        check_unchanged(&first, &hello)?;
        check_psk_kept_after_retry(&requested.config, &first, &hello, requested.suite, cx)?;
        let binder_hash = add_hello(&mut requested.transcript, &message)?;
        let RetryRequested {
            config,
            suite,
            group,
            transcript,
            ..
        } = requested;
        negotiated(
            Negotiated {
                config,
                hello: message,
                suite,
                group,
                transcript,
                binder_hash,
                retried: true,
            },
            cx,
        )
    }
}

impl RetryRequested {
    /// §4.2.2: our cookie comes back as it was.
    fn check_cookie(&self, hello: &ClientHello<'_>) -> Result<(), Violation> {
        let returned = find::<Cookie<'_>>(&hello.extensions)?;
        match (&self.cookie, returned) {
            (None, None) => Ok(()),
            (Some(ours), Some(cookie)) if bool::from(ours.ct_eq(cookie.cookie)) => Ok(()),
            (Some(_), _) => Err(Violation::BadCookie),
            (None, Some(_)) => Err(Violation::UnexpectedCookie),
        }
    }
}

/// §4.1.2: the second hello repeats the first, except for what the RFC lists. It says nothing of
/// the order of extensions, which means nothing (§4.2), and wolfSSL 5.5 has another one.
fn check_unchanged(first: &ClientHello<'_>, second: &ClientHello<'_>) -> Result<(), Violation> {
    let same = first.legacy_version == second.legacy_version
        && first.random == second.random
        && first.legacy_session_id == second.legacy_session_id
        && first.cipher_suites == second.cipher_suites
        && first.legacy_compression_methods == second.legacy_compression_methods
        && (unchanging(first).eq(unchanging(second))
            || sorted_by_type(unchanging(first)) == sorted_by_type(unchanging(second)));
    if same {
        Ok(())
    } else {
        Err(Violation::SecondHelloChanged)
    }
}

/// The extensions that a second hello has to repeat.
fn unchanging<'a>(hello: &ClientHello<'a>) -> impl Iterator<Item = RawExtension<'a>> {
    hello.extensions.iter().filter(|extension| {
        !matches!(
            extension.extension_type,
            ExtensionType::KEY_SHARE
                | ExtensionType::EARLY_DATA
                | ExtensionType::COOKIE
                | ExtensionType::PRE_SHARED_KEY
                | ExtensionType::PADDING
        )
    })
}

/// As a set, because no type comes twice.
fn sorted_by_type<'a>(extensions: impl Iterator<Item = RawExtension<'a>>) -> Vec<RawExtension<'a>> {
    let mut all: Vec<_> = extensions.collect();
    all.sort_unstable_by_key(|extension| extension.extension_type.0);
    all
}
