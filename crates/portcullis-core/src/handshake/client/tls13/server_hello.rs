//! ServerHello of TLS 1.3: everything is chosen, and the keys of the handshake follow.
//!
//! RFC 8446 §4.1.3, §7.1.

use std::sync::Arc;

use bytes::Bytes;

use super::super::super::connection_ids::take_answer;
use super::super::super::handshake_keys::HandshakeKeys;
use super::super::super::{Cx, find, wrong_answer};
use super::super::Next;
use super::super::hello::{Hashing, Offered, Retry};
use super::super::resumption::{self, OfferedPsk, ProvedByKey};
use super::super::review::{Chosen, review};
use super::Keyed;
use super::retry::on_hello_retry_request;
use super::server_parameters::WaitEncryptedExtensions;
use crate::ServerHelloView;
use crate::config::ClientConfig;
use crate::crypto::hash::HashAlgorithm;
use crate::dialect::Dialect;
use crate::error::Abort;
use crate::information::EarlyDataRejection;
use crate::key_schedule::{AddMessage, EarlySecret};
use crate::question::{AnswerContent, Question, QuestionId, ReviewServerHello};
use crate::record::HandshakeBytes;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::{
    Extensions, KeyShareEntry, KeyShareServerHello, Place, SelectedIdentity,
};
use crate::wire::{CompressionMethod, ExtensionType, ServerHello};
use crate::{NamedGroup, Violation};

/// A ServerHello has come, or a HelloRetryRequest, which differs from it by its random.
pub(in super::super) fn on_hello(
    offered: Box<Offered>,
    hello: &ServerHello<'_>,
    message: &HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let place = match hello.is_hello_retry_request() {
        true if offered.retry.is_some() => return Err(Violation::SecondRetry.into()),
        true => Place::HelloRetryRequest,
        false => Place::ServerHello,
    };
    let client = &offered.client;
    client.offer.check_extensions(&hello.extensions, place)?;
    if hello.legacy_session_id_echo != cx.dialect.session_id_echo(client.legacy_session_id()) {
        return Err(Violation::SessionIdNotEchoed.into());
    }
    if hello.legacy_compression_method != CompressionMethod::NULL {
        return Err(Violation::CompressionSelected.into());
    }
    let suite = client
        .offer
        .check_suite(hello.cipher_suite, cx.dialect.code(Version::V1_3))?;
    match place {
        Place::HelloRetryRequest => on_hello_retry_request(offered, suite, hello, message, cx),
        _ => on_server_hello(*offered, suite, hello, message, cx),
    }
}

fn on_server_hello(
    offered: Offered,
    suite: CipherSuite,
    hello: &ServerHello<'_>,
    message: &HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let share = server_share(&offered, &hello.extensions)?;
    let group = share.map(|share| share.group);
    let Offered {
        mut client,
        shares,
        sessions,
        transcript,
        retry,
    } = offered;
    check_kept_after_retry(retry, suite, group)?;
    let secret = match share {
        Some(share) => Some(shares.finish(&client.config, share.group, share.key_exchange)?),
        None => None,
    };
    let parameters = suite.parameters()?;
    let selected = find::<SelectedIdentity>(&hello.extensions)?;
    if selected.is_none() && client.offer.config().policy.keys_alone {
        return Err(Violation::PskNotSelected.into());
    }
    let (early_secret, by_key) = early_secret(selected, sessions, parameters.hash, cx.dialect)?;
    if selected != Some(SelectedIdentity(0)) {
        if client.sends_early_data() {
            cx.outgoing.end_early_data();
        }
        client.early_data_rejected(EarlyDataRejection::NotResumed);
    }
    let mut transcript = match transcript {
        Hashing::Buffered(buffered) => buffered.start(parameters.hash),
        Hashing::Running(transcript) => *transcript,
    };
    transcript.add(message.hashed());

    let handshake_secret = match &secret {
        Some(secret) => early_secret.into_handshake(parameters.aead, secret),
        None => early_secret.into_handshake_alone(parameters.aead)?,
    };
    let log = cx.secret_log(&client.config.policy, &client.client_random);
    let keys = HandshakeKeys::derive(&handshake_secret, &transcript.current(), log)?;
    take_answer(&hello.extensions, cx)?;
    cx.incoming.install_read(keys.server)?;
    // Over datagrams each has an epoch of its own.
    let write_keys = match client.sends_early_data() && cx.dialect.has_end_of_early_data() {
        true => Some(Box::new(keys.client)),
        false => {
            cx.outgoing.install_write(keys.client)?;
            None
        }
    };
    // D.4: before the second flight, unless one went out before early data or with a second hello.
    if !client.legacy_session_id().is_empty() && retry.is_none() && !client.has_sent_early_data() {
        cx.outgoing.change_cipher_spec_before_protected();
    }
    let keyed = Box::new(Keyed {
        suite,
        group,
        retried: retry.is_some(),
        server_random: *hello.random,
        transcript,
        client_finished: keys.client_finished,
        server_finished: keys.server_finished,
        master_secret: handshake_secret.into_master(),
        client,
        by_key,
        write_keys,
    });
    go_on_or_ask(keyed, message)
}

/// §4.2.9: there must be a share, unless the server uses a pre-shared key alone and may.
fn server_share<'a>(
    offered: &Offered,
    extensions: &Extensions<'a>,
) -> Result<Option<KeyShareEntry<'a>>, Violation> {
    match find::<KeyShareServerHello<'_>>(extensions)? {
        Some(share) => Ok(Some(share.server_share)),
        None if !extensions.contains(ExtensionType::PRE_SHARED_KEY) => {
            Err(Violation::ServerKeyShareMissing)
        }
        None if offered.client.offer.config().policy.psk_ke => Ok(None),
        None => Err(Violation::PskWithoutKeyShare),
    }
}

/// §4.1.4: what a HelloRetryRequest has selected stays.
fn check_kept_after_retry(
    retry: Option<Retry>,
    suite: CipherSuite,
    group: Option<NamedGroup>,
) -> Result<(), Violation> {
    let Some(retry) = retry else { return Ok(()) };
    if retry.suite != suite {
        return Err(Violation::SuiteChangedAfterRetry);
    }
    if retry.group.is_some() && group.is_some() && retry.group != group {
        return Err(Violation::GroupChangedAfterRetry);
    }
    Ok(())
}

/// §4.2.11: the start of the key schedule, from the key that the server has selected, or
/// from none.
fn early_secret(
    selected: Option<SelectedIdentity>,
    sessions: Vec<OfferedPsk>,
    hash: HashAlgorithm,
    dialect: Dialect,
) -> Result<(EarlySecret, Option<Box<ProvedByKey>>), Violation> {
    match selected {
        None => Ok((EarlySecret::without_psk(hash, dialect.label_prefix()), None)),
        Some(SelectedIdentity(index)) => {
            let (early, by_key) = resumption::selected(sessions, index, hash)?;
            Ok((early, Some(Box::new(by_key))))
        }
    }
}

/// Lets the user look at the ServerHello, if that is wanted.
fn go_on_or_ask(keyed: Box<Keyed>, message: &HandshakeBytes) -> Result<Next, Abort> {
    if !keyed.client.config.policy.asked.hello {
        return Ok(WaitEncryptedExtensions { keyed }.into());
    }
    let question = ReviewServerHello {
        id: QuestionId::next(),
        hello: ServerHelloView::new(Bytes::copy_from_slice(message.raw()))?,
        config: ClientConfig(Arc::clone(&keyed.client.config)),
    };
    Ok(Next::ask(
        Question::ReviewServerHello(Box::new(question)),
        ReviewingServerHello { keyed },
    ))
}

/// Paused: the user looks at what the server chose.
pub(crate) struct ReviewingServerHello {
    keyed: Box<Keyed>,
}

impl ReviewingServerHello {
    pub(super) fn on_answer(
        mut self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        match answer {
            AnswerContent::Proceed => {}
            AnswerContent::ProceedWith(config) => {
                let chosen = Chosen {
                    version: Version::V1_3,
                    suite: self.keyed.suite,
                    older: None,
                    group: self.keyed.group,
                };
                let config = review(config, &chosen, cx.dialect)?;
                if let Some(by_key) = self.keyed.by_key.as_deref_mut() {
                    by_key.review(&config)?;
                }
                self.keyed.client.config = config;
            }
            _ => return Err(wrong_answer()),
        }
        Ok(WaitEncryptedExtensions { keyed: self.keyed }.into())
    }
}
