//! ServerHello before TLS 1.3: the suite is chosen, and what the connection may have.
//!
//! RFC 5246 §7.4.1.3; RFC 5746 §3.4, RFC 7366 §2, RFC 7627 §5.2, RFC 8422 §5.2 for the extensions.

use std::sync::Arc;

use bytes::Bytes;

use super::super::super::connection_ids::take_answer;
use super::super::super::renegotiation::{first_server_hello, later_server_hello};
use super::super::super::{Cx, find, negotiate, wrong_answer};
use super::super::Next;
use super::super::hello::{Client, Hashing, Offered};
use super::super::parameters;
use super::super::resumption::OlderSession;
use super::super::review::{Chosen, Protections, review};
use super::Negotiated;
use super::certificate::{ServerIdentity, Shown, WaitCertificate};
use super::key_exchange::WaitServerKeyExchange;
use super::resumption::resume;
use crate::config::{ClientConfig, ClientOptions, ExtendedMasterSecret};
use crate::error::{Abort, Misuse};
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::Transcript;
use crate::question::{AnswerContent, Question, QuestionId, ReviewServerHello};
use crate::record::HandshakeBytes;
use crate::suite::Exchange;
use crate::version::Version;
use crate::wire::extension::{
    self, EcPointFormat, EcPointFormats, Extensions, NextProtocols, Place, SctList, SessionTicket,
    StatusRequestEmpty,
};
use crate::wire::{CompressionMethod, ServerHello};
use crate::{ServerHelloView, Violation};

/// The server goes on with `version`, which was offered.
pub(in super::super) fn on_hello(
    offered: Offered,
    version: Version,
    hello: &ServerHello<'_>,
    message: &HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Offered {
        mut client,
        transcript,
        ..
    } = offered;
    let code = cx.dialect.code(version);
    cx.incoming.decided_before_tls13(code)?;
    cx.outgoing.decided_before_tls13(code);
    client
        .offer
        .check_extensions(&hello.extensions, Place::ServerHelloBefore13)?;
    if hello.legacy_compression_method != CompressionMethod::NULL {
        return Err(Violation::CompressionNotOffered.into());
    }
    // §7.4.1.3: an echoed id means resumption, so the version must be the session's.
    let id = client.legacy_session_id();
    let resumed = !id.is_empty() && hello.legacy_session_id_echo == id;
    match &client.older {
        None if resumed => return Err(Violation::CompatibilitySessionIdEchoed.into()),
        Some(session) if resumed && session.version != version => {
            return Err(Violation::ResumedWithAnotherVersion.into());
        }
        _ => {}
    }
    let suite = client.offer.check_suite(hello.cipher_suite, code)?;
    let extended = check_protections(
        &hello.extensions,
        client.config.policy.extended_master_secret,
    )?;
    let secure_renegotiation = knows_rfc_5746(&client, &hello.extensions)?;
    let mut parameters = parameters::take(&client, &hello.extensions, cx)?;
    take_answer(&hello.extensions, cx)?;
    let mut keys = suite.older_parameters(code)?;
    let exchange = suite.exchange().ok_or(Violation::SuiteOfAnotherVersion)?;
    let policy = &client.config.policy;
    keys.set_chained(policy.padding_check, policy.beast_mitigation);
    let encrypt_then_mac = find::<extension::EncryptThenMac>(&hello.extensions)?.is_some();
    if keys.encrypt_then_mac(encrypt_then_mac) != encrypt_then_mac {
        return Err(Violation::EncryptThenMacWithoutBlockCipher.into());
    }
    let next_protocol = next_protocol(&client, &hello.extensions, parameters.alpn.is_some())?;
    if let Some(previous) = &client.previous {
        previous.check_protection(extended, suite.has_cbc().then_some(encrypt_then_mac))?;
        previous.check_srtp(parameters.srtp.as_ref())?;
        // It was not offered again.
        parameters.alpn = previous.alpn();
    }
    let Hashing::Buffered(buffered) = transcript else {
        return Err(Violation::VersionChangedAfterRetry.into());
    };
    let mut transcript = Transcript::after(buffered, keys.hash);
    transcript.add(message.hashed());
    let session = client.older.take().filter(|_| resumed);
    let negotiated = Box::new(Negotiated {
        version,
        suite,
        exchange,
        keys,
        server_random: *hello.random,
        transcript,
        parameters,
        extended,
        secure_renegotiation,
        staples: find::<StatusRequestEmpty>(&hello.extensions)?.is_some(),
        scts: find::<SctList<'_>>(&hello.extensions)?.map(|list| list.0.into()),
        next_protocol,
        ticket: promises_ticket(&hello.extensions)?,
        new_ticket: None,
        session_id: hello.legacy_session_id_echo.into(),
        client,
    });
    go_on_or_ask(negotiated, session, message, cx)
}

/// What the extensions say about the protection of the handshake itself; whether the master secret
/// is the extended one.
fn check_protections(
    extensions: &Extensions<'_>,
    wanted: ExtendedMasterSecret,
) -> Result<bool, Violation> {
    // RFC 8422 §5.2: whatever else the server can read.
    if find::<EcPointFormats<'_>>(extensions)?
        .is_some_and(|list| !list.formats.contains(EcPointFormat::UNCOMPRESSED))
    {
        return Err(Violation::UncompressedPointsMissing);
    }
    let extended = find::<extension::ExtendedMasterSecret>(extensions)?.is_some();
    if !extended && wanted == ExtendedMasterSecret::Required {
        return Err(Violation::ExtendedMasterSecretMissing);
    }
    Ok(extended)
}

/// RFC 5746 §3.4, §3.5.
fn knows_rfc_5746(client: &Client, extensions: &Extensions<'_>) -> Result<bool, Violation> {
    match &client.previous {
        None => first_server_hello(&client.config.policy, extensions),
        Some(previous) => later_server_hello(previous, extensions).map(|()| true),
    }
}

/// What is said to a server that wants to hear it by NPN; it has settled nothing else.
fn next_protocol(
    client: &Client,
    extensions: &Extensions<'_>,
    has_alpn: bool,
) -> Result<Option<Box<[u8]>>, Violation> {
    let Some(named) = find::<NextProtocols<'_>>(extensions)? else {
        return Ok(None);
    };
    if has_alpn {
        return Err(Violation::BothProtocolNegotiations);
    }
    let names = named.protocols.iter().map(|name| name.0);
    let config = client.offer.config();
    Ok(Some(negotiate::next_protocol(config, names).into()))
}

/// RFC 5077 §3.2: the server says so by the extension alone.
fn promises_ticket(extensions: &Extensions<'_>) -> Result<bool, Violation> {
    match find::<SessionTicket<'_>>(extensions)? {
        None => Ok(false),
        Some(SessionTicket([])) => Ok(true),
        Some(_) => Err(Violation::MalformedExtension),
    }
}

/// Lets the user look at the ServerHello, if that is wanted.
fn go_on_or_ask(
    negotiated: Box<Negotiated>,
    session: Option<Box<OlderSession>>,
    message: &HandshakeBytes,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    // What a renegotiation has, the connection had.
    let client = &negotiated.client;
    if !client.config.policy.asked.hello || client.previous.is_some() {
        return go_on(negotiated, session, cx);
    }
    let question = ReviewServerHello {
        id: QuestionId::next(),
        hello: ServerHelloView::new(Bytes::copy_from_slice(message.raw()))?,
        config: ClientConfig(Arc::clone(&client.config)),
    };
    let paused = ReviewingServerHello {
        negotiated,
        session,
    };
    Ok(Next::ask(
        Question::ReviewServerHello(Box::new(question)),
        paused,
    ))
}

fn go_on(
    negotiated: Box<Negotiated>,
    session: Option<Box<OlderSession>>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    match session {
        Some(session) => resume(negotiated, *session, cx),
        None => begin(negotiated),
    }
}

/// A full handshake begins with what the row of the key exchange has first.
fn begin(negotiated: Box<Negotiated>) -> Result<Next, Abort> {
    match negotiated.exchange.without_certificate() {
        None => Ok(WaitCertificate { negotiated }.into()),
        Some(nobody) => {
            if let Some(previous) = &negotiated.client.previous {
                previous.check_certificate(None)?;
            }
            let shown = Shown {
                negotiated,
                identity: ServerIdentity::None(nobody),
            };
            Ok(WaitServerKeyExchange(shown).into())
        }
    }
}

/// What is refused when a configuration is built must not come in by going on with another one.
fn check_review(exchange: Exchange, config: &ClientOptions) -> Result<(), Misuse> {
    let verifies = config.chain_policy().is_some() || config.policy.asked.verification;
    match exchange.is_anonymous() && verifies {
        true => Err(Misuse::new(
            "the server chose a suite without certificates, and the configuration to go on with \
             verifies servers; refuse the ServerHello",
        )),
        false => Ok(()),
    }
}

/// Paused: the user looks at what the server chose.
pub(crate) struct ReviewingServerHello {
    negotiated: Box<Negotiated>,
    /// If the server resumes it.
    session: Option<Box<OlderSession>>,
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
                let negotiated = &mut *self.negotiated;
                check_review(negotiated.exchange, &config.0)?;
                let chosen = Chosen {
                    version: negotiated.version,
                    suite: negotiated.suite,
                    older: Some(Protections {
                        extended_master_secret: negotiated.extended,
                        secure_renegotiation: negotiated.secure_renegotiation,
                    }),
                    group: None,
                };
                let config = review(config, &chosen, cx.dialect)?;
                if let Some(session) = &mut self.session {
                    session.review(&config)?;
                }
                let (policy, keys) = (&config.policy, &mut negotiated.keys);
                keys.set_chained(policy.padding_check, policy.beast_mitigation);
                negotiated.client.config = config;
                let client = &negotiated.client;
                client.review_parameters(&negotiated.parameters)?;
                if let Some(protocol) = &negotiated.next_protocol {
                    client.review_next_protocol(protocol)?;
                }
            }
            _ => return Err(wrong_answer()),
        }
        go_on(self.negotiated, self.session, cx)
    }
}
