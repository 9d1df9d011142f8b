//! The server's flight: ServerHello, Certificate, ServerKeyExchange, CertificateRequest,
//! ServerHelloDone.
//!
//! RFC 5246 §7.4.1.3 to §7.4.5, RFC 8422 §5.4.

use super::super::super::signed_content::server_key_exchange_content;
use super::super::super::{Cx, Next, check_signature_length, expect, versions, wrong_answer};
use super::super::record_sizes::RecordSizes;
use super::super::wishes::{acknowledges, choose_protocol};
use super::Negotiated;
use super::client_authentication::WaitCertificate;
use super::identity::Chosen;
use super::key_exchange::WaitClientKeyExchange;
use crate::config::ServerOptions;
use crate::crypto::key_exchange::ActiveKeyExchange;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::Transcript;
use crate::question::{AnswerContent, Question, QuestionId, Sign};
use crate::suite::LegacyParameters;
use crate::wire::extension::{
    self, AlpnSelected, EcPointFormat, EcPointFormats, RenegotiationInfo, ServerNameAcknowledgement,
};
use crate::wire::tls12::{
    CertificateRequest, ClientCertificateType, ServerHelloDone, ServerKeyExchange,
};
use crate::wire::{ClientHello, ExtensionType, ServerHello};
use crate::x509::Form;

/// What is settled once ServerHello is out.
pub(super) struct Answering {
    pub(super) negotiated: Negotiated,
    pub(super) chosen: Chosen,
    pub(super) keys: LegacyParameters,
    pub(super) client_random: [u8; 32],
    pub(super) server_random: [u8; 32],
    pub(super) server_name: Option<String>,
    pub(super) alpn: Option<Box<[u8]>>,
    pub(super) transcript: Transcript,
    pub(super) exchange: ActiveKeyExchange,
}

/// Sends ServerHello and Certificate, and has the share signed.
pub(super) fn send_flight(
    negotiated: Negotiated,
    chosen: Chosen,
    server_name: Option<String>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&negotiated.hello)?;
    let config = &negotiated.config;
    let alpn = choose_protocol(config, &hello)?;
    let sizes = RecordSizes::choose(config, &hello)?;
    let keys = chosen.suite.legacy_parameters()?;
    let mut transcript = Transcript::new(keys.hash);
    transcript.add(negotiated.hello.hashed());
    let [mut server_random] = cx.random_bytes()?;
    if let Some(sentinel) = versions::sentinel(&config.policy.versions, negotiated.version)
        && let Some(end) = server_random.last_chunk_mut()
    {
        *end = sentinel;
    }
    let version = cx.dialect.code(negotiated.version);
    cx.send(&mut transcript, |out| {
        ServerHello::put(out, version, &server_random, &[], chosen.suite, |out| {
            if acknowledges(config, &chosen.identity, server_name.as_deref()) {
                ServerNameAcknowledgement::put(out);
            }
            if negotiated.secure_renegotiation {
                RenegotiationInfo::put(out, &[]);
            }
            if negotiated.extended {
                extension::ExtendedMasterSecret::put(out);
            }
            // RFC 8422 §5.2: only to a client that has sent it.
            if hello.extensions.contains(ExtensionType::EC_POINT_FORMATS) {
                EcPointFormats::put(out, [EcPointFormat::UNCOMPRESSED]);
            }
            if let Some(protocol) = &alpn {
                AlpnSelected::put(out, protocol);
            }
            sizes.put(out);
        });
    });
    sizes.apply(config.policy.max_fragment_sent, cx);
    cx.send(&mut transcript, |out| {
        out.extend_from_slice(chosen.identity.certificate_message(Form::Before13));
    });
    let exchange = ActiveKeyExchange::start(negotiated.group, cx.random)?;
    let client_random = *hello.random;
    let answering = Answering {
        negotiated,
        chosen,
        keys,
        client_random,
        server_random,
        server_name,
        alpn,
        transcript,
        exchange,
    };
    sign(answering, cx)
}

/// §7.4.3: the share is signed with the randoms before it.
fn sign(answering: Answering, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let Answering {
        client_random,
        server_random,
        exchange,
        chosen,
        ..
    } = &answering;
    let params = ServerKeyExchange::params(exchange.group(), exchange.public_key());
    let content = server_key_exchange_content(client_random, server_random, &params);
    if chosen.identity.is_external() || answering.negotiated.config.policy.asked.signature {
        let question = Sign {
            id: QuestionId::next(),
            identity: chosen.identity.clone(),
            scheme: chosen.scheme,
            content: content.into_vec(),
        };
        let paused = Signing(Box::new(answering));
        return Ok(Next::ask(Question::Sign(question), paused));
    }
    let signature = chosen.identity.sign(chosen.scheme, &content)?;
    finish(answering, &signature, cx)
}

/// Paused: somebody holds the key.
pub(crate) struct Signing(Box<Answering>);

impl Signing {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let AnswerContent::Signature(signature) = answer else {
            return Err(wrong_answer());
        };
        finish(*self.0, &signature, cx)
    }
}

/// Sends the share and the rest of the flight.
fn finish(mut answering: Answering, signature: &[u8], cx: &mut Cx<'_>) -> Result<Next, Abort> {
    check_signature_length(signature)?;
    let Answering {
        chosen, exchange, ..
    } = &answering;
    cx.send(&mut answering.transcript, |out| {
        let params = ServerKeyExchange::params(exchange.group(), exchange.public_key());
        ServerKeyExchange::put(out, &params, chosen.scheme, signature);
    });
    let config = &answering.negotiated.config;
    let requested = config.client_authentication.is_requested();
    if requested {
        cx.send(&mut answering.transcript, |out| {
            put_certificate_request(out, config);
        });
    }
    cx.send(&mut answering.transcript, ServerHelloDone::put);
    // The client has been answered, so it may say as much as the configuration allows.
    cx.incoming.hello_answered(config.policy.max_handshake_size);
    let answering = Box::new(answering);
    if requested {
        return Ok(WaitCertificate { answering }.into());
    }
    Ok(WaitClientKeyExchange::without_certificate(answering).into())
}

/// §7.4.4.
fn put_certificate_request(out: &mut Vec<u8>, config: &ServerOptions) {
    let types = [
        ClientCertificateType::ECDSA_SIGN,
        ClientCertificateType::RSA_SIGN,
    ];
    let schemes = &config.policy.schemes;
    let schemes = schemes.iter().filter(|one| one.is_usable_before_tls13());
    CertificateRequest::put(out, types, schemes, config.requested_authorities());
}
