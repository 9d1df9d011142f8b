//! The server's flight: ServerHello, EncryptedExtensions, CertificateRequest, Certificate,
//! CertificateVerify, Finished.
//!
//! RFC 8446 §4.1.3, §4.3, §4.4.

use std::sync::Arc;

use super::super::super::compressed::{chosen, put_certificate};
use super::super::super::connection_ids;
use super::super::super::handshake_keys::HandshakeKeys;
use super::super::super::signed_content::signed_content;
use super::super::super::{Cx, check_signature_length, find, srtp, wrong_answer};
use super::super::certificate_types::CertificateTypes;
use super::super::ech::Ech;
use super::super::record_sizes::RecordSizes;
use super::super::requested::{acknowledges, choose_protocol, staple};
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::client_authentication::WaitCertificate;
use super::client_hello::looks_like_tls12;
use super::early_data::{WaitEndOfEarlyData, accepted};
use super::external_psk::ExternalPsk;
use super::finished::WaitFinished;
use super::psk::{Resumption, may_resume};
use crate::compression::CertificateCompression;
use crate::config::ServerOptions;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::key_exchange::{self, Share};
use crate::crypto::secret::SharedSecret;
use crate::dialect::Dialect;
use crate::ech::EchStatus;
use crate::error::Abort;
use crate::information::EarlyDataStatus;
use crate::key_schedule::{
    EarlySecret, ExporterSecret, FinishedKey, MasterSecret, MasterSecretForTickets, TrafficSecret,
    Transcript,
};
use crate::question::{AnswerContent, Question, QuestionId, Sign};
use crate::record::Keys;
use crate::role::Role;
use crate::srtp::Srtp;
use crate::suite::CipherSuite;
use crate::version::Version;
use crate::wire::extension::{
    AlpnSelected, CertificateAuthorities, CertificateType, CompressCertificate, EarlyData,
    EchRetryConfigs, ExpectedTickets, KeyShareClientHello, KeyShareServerHello, OidFilter,
    OidFilters, SelectedIdentity, SelectedVersion, ServerNameAcknowledgement, SignatureAlgorithms,
    SignatureAlgorithmsCert, StatusRequestEmpty, SupportedGroups, TicketRequest, put_extension,
};
use crate::wire::{
    CertificateRequest, CertificateVerify, ClientHello, EncryptedExtensions, ExtensionType,
    Finished, ServerHello, grease_point,
};
use crate::x509::Identity;
use crate::{NamedGroup, SignatureScheme, Violation};

/// What is settled once ServerHello is out.
pub(super) struct Answering {
    pub(super) config: Arc<ServerOptions>,
    pub(super) suite: CipherSuite,
    /// `None` if a pre-shared key is used alone.
    pub(super) group: Option<NamedGroup>,
    pub(super) retried: bool,
    pub(super) ech: EchStatus,
    pub(super) early_data: EarlyDataStatus,
    pub(super) client_random: [u8; 32],
    pub(super) server_random: [u8; 32],
    pub(super) server_name: Option<String>,
    pub(super) alpn: Option<Box<[u8]>>,
    pub(super) srtp: Option<Srtp>,
    pub(super) transcript: Transcript,
    pub(super) client_finished: FinishedKey,
    pub(super) authentication: ProvedBy,
    /// What the client will show, if it is asked.
    pub(super) of_client: CertificateType,
    /// How many tickets the client gets.
    pub(super) tickets: u8,
    /// Whether the client has offered to be asked for a certificate later, and will be.
    pub(super) asks_later: bool,
}

/// How the server proves who it is.
pub(super) enum ProvedBy {
    Certificate(Identity, SignatureScheme),
    /// By the key of a session.
    Resumed(Box<Resumption>),
    /// By a key that both sides had before.
    External(Box<ExternalPsk>),
}

impl ProvedBy {
    /// Which of the client's pre-shared keys it is.
    fn selected(&self) -> Option<u16> {
        match self {
            Self::Certificate(..) => None,
            Self::Resumed(resumption) => Some(resumption.index),
            Self::External(psk) => Some(psk.index),
        }
    }

    /// §7.1: what the schedule starts from, which without such a key is zeros.
    fn early_secret(&mut self, hash: HashAlgorithm, dialect: Dialect) -> EarlySecret {
        match self {
            Self::Certificate(..) => EarlySecret::without_psk(hash, dialect.label_prefix()),
            Self::Resumed(resumption) => resumption.early.take(),
            Self::External(psk) => psk.early.take(),
        }
    }
}

/// What the rest of the server's flight needs and nothing after it.
struct FlightSecrets {
    server: FinishedKey,
    master: MasterSecret,
    /// For the client's Finished, while early data comes under other keys.
    read: Option<Box<Keys>>,
}

impl FlightSecrets {
    fn take(&mut self) -> Self {
        Self {
            server: self.server.take(),
            master: self.master.take(),
            // Boxed, it stays where it is.
            read: self.read.take(),
        }
    }
}

/// Sends ServerHello up to Certificate, and has the handshake signed.
pub(super) fn send_flight(
    mut negotiated: Negotiated,
    server_name: Option<String>,
    authentication: ProvedBy,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello = decoded_hello(&negotiated.hello)?;
    let alpn = choose_protocol(&negotiated.config, &hello)?;
    let acknowledged = match &authentication {
        ProvedBy::Certificate(identity, _) => {
            acknowledges(&negotiated.config, Some(identity), server_name.as_deref())
        }
        // RFC 6066 §3: not when a session is resumed.
        ProvedBy::Resumed(_) => false,
        ProvedBy::External(_) => acknowledges(&negotiated.config, None, server_name.as_deref()),
    };
    let sizes = RecordSizes::choose(&negotiated.config, &hello, cx)?;
    let types = choose_types(&negotiated.config, &hello, &authentication)?;
    let (tickets, expected) = count_tickets(&negotiated.config, &hello, &authentication)?;
    let compression = chosen(&negotiated.config.policy, &hello.extensions)?;
    let staple = match &authentication {
        ProvedBy::Certificate(identity, _) => staple(identity, &hello, cx.now)?,
        ProvedBy::Resumed(_) | ProvedBy::External(_) => None,
    };
    // §4.2.7: an answer, though it changes nothing here.
    let says_groups = negotiated.config.send_supported_groups
        && hello.extensions.contains(ExtensionType::SUPPORTED_GROUPS);
    let srtp = srtp::choose(&negotiated.config.policy, &hello, cx.dialect)?;
    let ech = negotiated.ech.take();
    let (mut answering, secrets) = send_server_hello(
        negotiated,
        ech.as_deref(),
        (server_name, alpn),
        authentication,
        cx,
    )?;
    answering.of_client = types.of_client;
    sizes.apply(answering.config.policy.max_fragment_sent, cx);
    answering.tickets = tickets;
    answering.srtp = srtp;

    cx.send(&mut answering.transcript, |out| {
        EncryptedExtensions::put(out, |out| {
            if acknowledged {
                ServerNameAcknowledgement::put(out);
            }
            if let Some(protocol) = &answering.alpn {
                AlpnSelected::put(out, protocol);
            }
            if let Some(srtp) = &answering.srtp {
                srtp::put(out, srtp);
            }
            sizes.put(out);
            types.put(out);
            if says_groups {
                let groups = answering.config.policy.groups.iter();
                SupportedGroups::put(out, groups.filter(|group| group.is_usable_in_tls13()));
            }
            if answering.early_data == EarlyDataStatus::Accepted {
                EarlyData::put(out);
            }
            if let Some(count) = expected {
                ExpectedTickets::put(out, count);
            }
            if let Some(list) = ech.as_deref().and_then(Ech::retry_configs) {
                EchRetryConfigs::put(out, list);
            }
        });
    });
    let (identity, scheme) = match &answering.authentication {
        // §4.3.2: nobody is asked for a certificate again.
        ProvedBy::Resumed(_) | ProvedBy::External(_) => {
            return send_finished(answering, secrets, cx);
        }
        ProvedBy::Certificate(identity, scheme) => (identity, *scheme),
    };
    if answering.config.asks_in_handshake() {
        request_certificate(&answering.config, &mut answering.transcript, cx)?;
    }
    cx.send(&mut answering.transcript, |out| {
        put_certificate(out, identity, staple.as_deref(), compression);
    });

    let content = signed_content(Role::Server, &answering.transcript.current());
    if identity.is_external() || answering.config.policy.asked.signature {
        let question = Sign {
            id: QuestionId::next(),
            identity: identity.clone(),
            scheme,
            content: content.to_vec(),
        };
        let paused = Signing(Box::new((answering, secrets)));
        return Ok(Next::ask(Question::Sign(Box::new(question)), paused));
    }
    let signature = identity.sign(scheme, &content)?;
    send_certificate_verify(&mut answering, &signature, cx)?;
    send_finished(answering, secrets, cx)
}

/// §4.3.2.
fn request_certificate(
    config: &ServerOptions,
    transcript: &mut Transcript,
    cx: &mut Cx<'_>,
) -> Result<(), Abort> {
    let grease = match config.grease {
        true => {
            let [[extension, scheme, ..]] = cx.random_bytes()?;
            Some([extension, scheme])
        }
        false => None,
    };
    cx.send(transcript, |out| {
        put_certificate_request(out, &[], config, grease);
    });
    Ok(())
}

/// How many tickets the client gets, and what it is told of that (RFC 9149 §3): nothing if it has not said how many
/// it can use, or if this side knows nothing of tickets.
fn count_tickets(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    authentication: &ProvedBy,
) -> Result<(u8, Option<u8>), Violation> {
    let may_resume = may_resume(config, hello)?;
    let resumed = matches!(authentication, ProvedBy::Resumed(_));
    let Some(request) = find::<TicketRequest>(&hello.extensions)? else {
        let count = match resumed {
            true => config.resumed_ticket_count,
            false => config.ticket_count,
        };
        return Ok((if may_resume { count } else { 0 }, None));
    };
    let asked = match resumed {
        true => request.resumption_count,
        false => request.new_session_count,
    };
    let most = config.ticket_request_limit.unwrap_or(config.ticket_count);
    let count = if may_resume { asked.min(most) } else { 0 };
    Ok((count, config.resumes().then_some(count)))
}

/// §4.2.8: a share of this side, and the secret that comes of it; none if a pre-shared key is used alone (§4.2.9).
#[allow(clippy::type_complexity, reason = "both are there, or none is")]
fn exchange(
    hello: &ClientHello<'_>,
    group: Option<NamedGroup>,
    authentication: &ProvedBy,
    cx: &mut Cx<'_>,
) -> Result<(Option<NamedGroup>, Option<(Share, SharedSecret)>), Abort> {
    if matches!(authentication, ProvedBy::External(psk) if psk.alone) {
        return Ok((None, None));
    }
    let group = group.ok_or(Violation::KeyShareMissing)?;
    Ok((Some(group), Some(key_share(hello, group, cx)?)))
}

/// §4.1.3: answers with a share of this side, unless a pre-shared key is used alone; the keys of the handshake
/// follow.
fn send_server_hello(
    mut negotiated: Negotiated,
    ech: Option<&Ech>,
    (server_name, alpn): (Option<String>, Option<Box<[u8]>>),
    mut authentication: ProvedBy,
    cx: &mut Cx<'_>,
) -> Result<(Answering, FlightSecrets), Abort> {
    let early_data = accepted(&mut negotiated, &authentication)?;
    let hello = decoded_hello(&negotiated.hello)?;
    let status = negotiated.early_data;
    let Negotiated {
        config,
        suite,
        group,
        mut transcript,
        retried,
        ..
    } = negotiated;
    let [mut server_random] = cx.random_bytes()?;
    let (group, exchanged) = exchange(&hello, group, &authentication, cx)?;
    let dialect = cx.dialect;
    let connection_ids = connection_ids::Agreement::choose(&hello.extensions, cx)?;
    let put = |out: &mut Vec<u8>, server_random: &[u8; 32]| {
        let legacy_version = dialect.legacy_version();
        let session_id = dialect.session_id_echo(hello.legacy_session_id);
        ServerHello::put(
            out,
            legacy_version,
            server_random,
            session_id,
            suite,
            |out| {
                SelectedVersion::put(out, dialect.code(Version::V1_3));
                if let Some((group, (public, _))) = group.zip(exchanged.as_ref()) {
                    KeyShareServerHello::put(out, group, public);
                }
                if let Some(index) = authentication.selected() {
                    SelectedIdentity::put(out, index);
                }
                if let Some(ids) = connection_ids {
                    ids.put(out);
                }
            },
        );
    };
    if let Some(ech) = ech {
        let randoms = (hello.random, &mut server_random);
        ech.confirm(suite.handshake_hash()?, dialect, randoms, &transcript, put)?;
    }
    cx.send(&mut transcript, |out| put(out, &server_random));
    // D.4: after the first message, which was the HelloRetryRequest if there was one.
    if !retried && looks_like_tls12(&config, &hello) {
        cx.outgoing.change_cipher_spec()?;
    }

    let parameters = suite.parameters()?;
    let early_secret = authentication.early_secret(parameters.hash, dialect);
    let handshake_secret = match &exchanged {
        Some((_, secret)) => early_secret.into_handshake(parameters.aead, secret),
        None => early_secret.into_handshake_alone(parameters.aead)?,
    };
    let log = cx.secret_log(&config.policy, hello.random);
    let keys = HandshakeKeys::derive(&handshake_secret, &transcript.current(), log)?;
    if let Some(ids) = connection_ids {
        ids.apply(cx)?;
    }
    cx.outgoing.install_write(keys.server)?;
    // §4.5: where there is an EndOfEarlyData, the client's keys change behind it.
    let is_later = early_data.is_some() && dialect.has_end_of_early_data();
    if let Some((secret, limit)) = early_data {
        cx.secret_log(&config.policy, hello.random)
            .of_early_data(&secret);
        cx.incoming.take_early_data(secret, limit)?;
    }
    let read = match is_later {
        true => Some(Box::new(keys.client)),
        false => {
            cx.incoming.install_read(keys.client)?;
            None
        }
    };
    let secrets = FlightSecrets {
        server: keys.server_finished,
        master: handshake_secret.into_master(),
        read,
    };
    let answering = Answering {
        suite,
        group,
        retried,
        ech: Ech::status(ech),
        early_data: status,
        client_random: *hello.random,
        server_random,
        server_name,
        alpn,
        srtp: None,
        transcript,
        client_finished: keys.client_finished,
        tickets: 0,
        asks_later: config.policy.post_handshake
            && hello
                .extensions
                .contains(ExtensionType::POST_HANDSHAKE_AUTH),
        config,
        authentication,
        of_client: CertificateType::X509,
    };
    Ok((answering, secrets))
}

/// RFC 7250 §4.2. Nobody is asked for a certificate again.
fn choose_types(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
    authentication: &ProvedBy,
) -> Result<CertificateTypes, Abort> {
    let (shown, requests) = match authentication {
        ProvedBy::Certificate(identity, _) => (
            Some(identity.certificate_type()),
            config.asks_in_handshake(),
        ),
        ProvedBy::Resumed(resumption) => (resumption.shown, false),
        ProvedBy::External(_) => (None, false),
    };
    CertificateTypes::choose(config, hello, shown, requests)
}

/// §4.2.8: a share of this side for the client's, and the secret that both give.
fn key_share(
    hello: &ClientHello<'_>,
    group: NamedGroup,
    cx: &mut Cx<'_>,
) -> Result<(Share, SharedSecret), Abort> {
    let shares = find::<KeyShareClientHello<'_>>(&hello.extensions)?;
    let shares = shares.ok_or(Violation::KeyShareMissing)?.client_shares;
    let share = shares.iter().find(|entry| entry.group == group);
    // The client was asked for a share of this group, and has sent none.
    let share = share.ok_or(Violation::RetryIgnored)?;
    Ok(key_exchange::respond(group, share.key_exchange, cx.random)?)
}

/// §4.3.2; with an extension and a scheme that mean nothing, by these random bytes (RFC 8701 §4.1).
pub(super) fn put_certificate_request(
    out: &mut Vec<u8>,
    context: &[u8],
    config: &ServerOptions,
    grease: Option<[u8; 2]>,
) {
    CertificateRequest::put(out, context, |out| {
        let policy = &config.policy;
        let nothing = grease.map(|[_, scheme]| SignatureScheme(grease_point(scheme)));
        SignatureAlgorithms::put(out, nothing.iter().chain(&policy.schemes));
        if let Some(of_certificates) = &policy.said_of_certificates {
            SignatureAlgorithmsCert::put(out, of_certificates);
        }
        if !policy.compression.is_empty() {
            let algorithms = policy
                .compression
                .iter()
                .map(CertificateCompression::algorithm);
            CompressCertificate::put(out, algorithms);
        }
        if config.request_ocsp_response {
            StatusRequestEmpty::put(out);
        }
        if !config.oid_filters.is_empty() {
            let filters = config.oid_filters.iter().map(|filter| OidFilter {
                oid: filter.oid(),
                values: filter.values(),
            });
            OidFilters::put(out, filters);
        }
        let roots = config.client_chain.roots();
        match &config.certificate_authorities {
            _ if !config.send_certificate_authorities => {}
            // §4.2.4: at least one name.
            Some(names) if names.is_empty() => {}
            Some(names) => CertificateAuthorities::put(out, names.iter().map(|name| &**name)),
            None if roots.is_empty() => {}
            None => CertificateAuthorities::put(out, roots.subjects()),
        }
        if let Some([extension, _]) = grease {
            put_extension(out, ExtensionType(grease_point(extension)), |_| {});
        }
    });
}

/// Paused: somebody holds the key.
pub(crate) struct Signing(Box<(Answering, FlightSecrets)>);

impl Signing {
    pub(super) fn on_answer(
        mut self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let AnswerContent::Signature(signature) = answer else {
            return Err(wrong_answer());
        };
        let (answering, secrets) = &mut *self.0;
        let (client_finished, secrets) = (answering.client_finished.take(), secrets.take());
        let mut answering = Answering {
            client_finished,
            ..self.0.0
        };
        send_certificate_verify(&mut answering, &signature, cx)?;
        send_finished(answering, secrets, cx)
    }
}

/// What waits for the client's flight.
pub(super) struct FlightSent {
    pub(super) answering: Answering,
    /// What the client will write with, and the exporter: derived when the server's Finished is
    /// out, and used when the client's is in (§7.1).
    pub(super) read_secret: TrafficSecret,
    pub(super) exporter: ExporterSecret,
    /// For tickets, if the client gets some. Always there: where an `Option` is empty, a box has what was on the
    /// stack, which may be another secret.
    pub(super) resumption: MasterSecretForTickets,
}

/// §4.4.3: sends what the key has signed.
fn send_certificate_verify(
    answering: &mut Answering,
    signature: &[u8],
    cx: &mut Cx<'_>,
) -> Result<(), Abort> {
    check_signature_length(signature)?;
    if let ProvedBy::Certificate(_, scheme) = answering.authentication {
        cx.send(&mut answering.transcript, |out| {
            CertificateVerify::put(out, scheme, signature);
        });
    }
    Ok(())
}

/// §4.4.4, §7.1: sends Finished; the keys of the application follow.
fn send_finished(
    mut answering: Answering,
    secrets: FlightSecrets,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    // The client has been answered, so it may say as much as the configuration allows.
    cx.incoming
        .hello_answered(answering.config.policy.max_handshake_size);
    let verify_data = secrets.server.verify_data(&answering.transcript.current());
    cx.send(&mut answering.transcript, |out| {
        Finished::put(out, verify_data.as_slice());
    });

    let hash = answering.transcript.current();
    let read = secrets.read;
    let secrets = secrets.master.into_application_secrets(&hash);
    cx.secret_log(&answering.config.policy, &answering.client_random)
        .of_application(&secrets);
    cx.outgoing.install_write(secrets.server)?;
    cx.outgoing.set_padding(answering.config.policy.padding);
    let requested = answering.config.asks_in_handshake();
    let mut sent = Box::new(FlightSent {
        answering,
        read_secret: secrets.client,
        exporter: secrets.exporter,
        resumption: secrets.resumption,
    });
    let peer = match &mut sent.answering.authentication {
        ProvedBy::Resumed(resumption) => resumption.peer.take(),
        ProvedBy::Certificate(..) if requested => {
            return Ok(WaitCertificate { sent }.into());
        }
        ProvedBy::Certificate(..) | ProvedBy::External(_) => None,
    };
    if sent.answering.early_data == EarlyDataStatus::Accepted {
        // §2.3: a client that resumes has proved who it is, so early data may be answered.
        cx.outgoing.allow_data();
    }
    match read {
        None => Ok(WaitFinished { sent, peer }.into()),
        Some(keys) => Ok(WaitEndOfEarlyData { sent, peer, keys }.into()),
    }
}
