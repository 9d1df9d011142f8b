//! The server's flight: ServerHello, EncryptedExtensions, CertificateRequest, Certificate,
//! CertificateVerify, Finished.
//!
//! RFC 8446 §4.1.3, §4.3, §4.4.

use std::sync::Arc;

use super::super::super::negotiate;
use super::super::super::signed_content::{Signer, signed_content};
use super::super::super::{Cx, Next, check_signature_length, expect, wrong_answer};
use super::super::hello::{find, looks_like_tls12};
use super::Negotiated;
use super::client_authentication::WaitCertificate;
use super::finished::WaitFinished;
use super::resumption::{Resumption, may_resume};
use crate::config::{AcknowledgeServerName, ServerOptions};
use crate::crypto::key_exchange;
use crate::error::Abort;
use crate::key_schedule::{
    EarlySecret, ExporterSecret, FinishedKey, MasterSecret, ResumptionMaster, TrafficSecret,
    Transcript,
};
use crate::question::{AnswerContent, Question, QuestionId, Sign};
use crate::record::Keys;
use crate::suite::CipherSuite;
use crate::version::ProtocolVersion;
use crate::wire::extension::{
    Alpn, AlpnSelected, CertificateAuthorities, KeyShareClientHello, KeyShareServerHello,
    MaxFragmentLength, RecordSizeLimit, SelectedIdentity, SelectedVersion,
    ServerNameAcknowledgement, SignatureAlgorithms, SignatureAlgorithmsCert,
};
use crate::wire::{
    CertificateRequest, CertificateVerify, ClientHello, EncryptedExtensions, Finished, ServerHello,
};
use crate::x509::Identity;
use crate::{NamedGroup, SignatureScheme, Violation};

/// What is settled once ServerHello is out.
pub(super) struct Keyed {
    pub(super) config: Arc<ServerOptions>,
    pub(super) suite: CipherSuite,
    pub(super) group: NamedGroup,
    pub(super) retried: bool,
    pub(super) client_random: [u8; 32],
    pub(super) server_random: [u8; 32],
    pub(super) server_name: Option<String>,
    pub(super) alpn: Option<Box<[u8]>>,
    pub(super) transcript: Transcript,
    pub(super) client_finished: FinishedKey,
    pub(super) authentication: Authentication,
    /// Whether the client wants tickets, and gets them.
    pub(super) resumable: bool,
}

/// How the server proves who it is.
pub(super) enum Authentication {
    Certificate(Identity, SignatureScheme),
    /// By the key of a session.
    Resumed(Box<Resumption>),
}

/// What the rest of the server's flight needs and nothing after it.
struct FlightSecrets {
    server: FinishedKey,
    master: MasterSecret,
}

impl FlightSecrets {
    fn take(&mut self) -> Self {
        Self {
            server: self.server.take(),
            master: self.master.take(),
        }
    }
}

/// Sends ServerHello up to Certificate, and has the handshake signed.
pub(super) fn send_flight(
    negotiated: Negotiated,
    server_name: Option<String>,
    authentication: Authentication,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let hello: ClientHello<'_> = expect(&negotiated.hello)?;
    let alpn = choose_protocol(&negotiated.config, &hello)?;
    let when = negotiated.config.acknowledge_server_name;
    let acknowledged = server_name
        .as_deref()
        .is_some_and(|name| match &authentication {
            Authentication::Certificate(identity, _) => match when {
                AcknowledgeServerName::Known => identity.has_name(name),
                AcknowledgeServerName::Any => true,
                AcknowledgeServerName::Never => false,
            },
            // RFC 6066 §3: not when a session is resumed.
            Authentication::Resumed(_) => false,
        });
    let sizes = RecordSizes::choose(&negotiated.config, &hello)?;
    let [server_random] = cx.random_bytes()?;
    let (mut keyed, secrets) = send_server_hello(
        negotiated,
        server_name,
        alpn,
        server_random,
        authentication,
        cx,
    )?;
    sizes.apply(keyed.config.policy.max_fragment_sent, cx);

    cx.send(&mut keyed.transcript, |out| {
        EncryptedExtensions::put(out, |out| {
            if acknowledged {
                ServerNameAcknowledgement::put(out);
            }
            if let Some(protocol) = &keyed.alpn {
                AlpnSelected::put(out, protocol);
            }
            sizes.put(out);
        });
    });
    let (identity, scheme) = match &keyed.authentication {
        // §4.3.2: nobody is asked for a certificate again.
        Authentication::Resumed(_) => return finished(keyed, secrets, cx),
        Authentication::Certificate(identity, scheme) => (identity, *scheme),
    };
    if keyed.config.client_authentication.is_requested() {
        cx.send(&mut keyed.transcript, |out| {
            put_certificate_request(out, &keyed.config);
        });
    }
    cx.send(&mut keyed.transcript, |out| {
        out.extend_from_slice(identity.certificate_message());
    });

    let content = signed_content(Signer::Server, &keyed.transcript.current());
    if identity.is_external() || keyed.config.policy.asked.signature {
        let question = Sign {
            id: QuestionId::next(),
            identity: identity.clone(),
            scheme,
            content: content.to_vec(),
        };
        let paused = Signing(Box::new((keyed, secrets)));
        return Ok(Next::ask(Question::Sign(question), paused));
    }
    let signature = identity.sign(scheme, &content)?;
    send_certificate_verify(&mut keyed, &signature, cx)?;
    finished(keyed, secrets, cx)
}

/// §4.1.3, §7.1: the share, and the keys of the handshake.
fn send_server_hello(
    negotiated: Negotiated,
    server_name: Option<String>,
    alpn: Option<Box<[u8]>>,
    server_random: [u8; 32],
    mut authentication: Authentication,
    cx: &mut Cx<'_>,
) -> Result<(Keyed, FlightSecrets), Abort> {
    let hello: ClientHello<'_> = expect(&negotiated.hello)?;
    let Negotiated {
        suite,
        group,
        mut transcript,
        retried,
        ..
    } = negotiated;
    let client_random = *hello.random;
    let shares = find::<KeyShareClientHello<'_>>(&hello)?.ok_or(Violation::KeyShareMissing)?;
    let share = shares
        .client_shares
        .iter()
        .find(|entry| entry.group == group)
        .ok_or(Violation::RetryIgnored)?;
    let (public, secret) = key_exchange::respond(group, share.key_exchange, cx.random)?;

    cx.send(&mut transcript, |out| {
        let session_id = hello.legacy_session_id;
        ServerHello::put(out, &server_random, session_id, suite, |out| {
            SelectedVersion::put(out, ProtocolVersion::TLS_1_3);
            KeyShareServerHello::put(out, group, &public);
            if let Authentication::Resumed(resumption) = &authentication {
                SelectedIdentity::put(out, resumption.index);
            }
        });
    });
    // After a HelloRetryRequest it has gone out already.
    if !retried && looks_like_tls12(&negotiated.config, &hello) {
        cx.outgoing.change_cipher_spec()?;
    }

    let parameters = suite.parameters()?;
    let early_secret = match &mut authentication {
        Authentication::Certificate(..) => EarlySecret::without_psk(parameters.hash),
        Authentication::Resumed(resumption) => resumption.early.take(),
    };
    let handshake_secret = early_secret.into_handshake(parameters.aead, &secret);
    let hash = transcript.current();
    let client_secret = handshake_secret.client_handshake_traffic_secret(&hash);
    let server_secret = handshake_secret.server_handshake_traffic_secret(&hash);
    let config = negotiated.config;
    let resumable = may_resume(&config, &hello)?;
    let wanted = config.policy.key_log;
    cx.log_secret(
        wanted,
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        &client_random,
        client_secret.as_bytes(),
    );
    cx.log_secret(
        wanted,
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        &client_random,
        server_secret.as_bytes(),
    );
    let (key, server_finished) = server_secret.handshake_keys()?;
    cx.outgoing.install_write(Keys::ready(server_secret, key))?;
    let (key, client_finished) = client_secret.handshake_keys()?;
    cx.incoming.install_read(Keys::ready(client_secret, key))?;
    let secrets = FlightSecrets {
        server: server_finished,
        master: handshake_secret.into_master(),
    };
    let keyed = Keyed {
        suite,
        group,
        retried,
        client_random,
        server_random,
        server_name,
        alpn,
        transcript,
        client_finished,
        config,
        authentication,
        resumable,
    };
    Ok((keyed, secrets))
}

/// RFC 7301 §3.2: a client that asks for protocols gets one of them, or no connection.
fn choose_protocol(
    config: &ServerOptions,
    hello: &ClientHello<'_>,
) -> Result<Option<Box<[u8]>>, Violation> {
    let offered = find::<Alpn<'_>>(hello)?;
    match offered {
        Some(offered) if !config.policy.alpn.is_empty() => {
            let protocol = negotiate::protocol(
                &config.policy.alpn,
                offered.protocols.iter().map(|name| name.0),
            )
            .ok_or(Violation::NoSharedProtocol)?;
            Ok(Some(protocol.into()))
        }
        _ => Ok(None),
    }
}

/// What limits the records of either side: record_size_limit (theirs, ours), or
/// max_fragment_length.
#[derive(Clone, Copy)]
enum RecordSizes {
    Unlimited,
    Limits { theirs: u16, ours: u16 },
    Fragment(MaxFragmentLength, u16),
}

impl RecordSizes {
    /// RFC 8449 §5: record_size_limit makes max_fragment_length (RFC 6066 §4) void.
    fn choose(config: &ServerOptions, hello: &ClientHello<'_>) -> Result<Self, Violation> {
        if let Some(RecordSizeLimit(theirs)) = find(hello)? {
            if theirs < 64 {
                return Err(Violation::BadRecordSizeLimit);
            }
            let ours = config.policy.record_size_limit.unwrap_or(16_385);
            return Ok(Self::Limits { theirs, ours });
        }
        let Some(wish) = find::<MaxFragmentLength>(hello)? else {
            return Ok(Self::Unlimited);
        };
        let bytes = wish.bytes().and_then(|bytes| u16::try_from(bytes).ok());
        Ok(Self::Fragment(
            wish,
            bytes.ok_or(Violation::BadMaxFragmentLength)?,
        ))
    }

    fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Unlimited => {}
            Self::Limits { ours, .. } => RecordSizeLimit::put(out, ours),
            Self::Fragment(length, _) => MaxFragmentLength::put(out, length),
        }
    }

    fn apply(self, own: u16, cx: &mut Cx<'_>) {
        match self {
            Self::Unlimited => {}
            Self::Limits { theirs, ours } => {
                cx.outgoing.set_record_size_limit(theirs);
                cx.incoming.set_record_size_limit(ours);
            }
            Self::Fragment(_, bytes) => {
                cx.outgoing.set_max_fragment(bytes.min(own));
                cx.incoming.set_max_fragment(bytes);
            }
        }
    }
}

/// §4.3.2.
fn put_certificate_request(out: &mut Vec<u8>, config: &ServerOptions) {
    CertificateRequest::put(out, &[], |out| {
        SignatureAlgorithms::put(out, &config.policy.schemes);
        let policy = &config.policy;
        if !policy
            .certificate_schemes()
            .eq(policy.schemes.iter().copied())
        {
            SignatureAlgorithmsCert::put(out, policy.certificate_schemes());
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
    });
}

/// Paused: somebody holds the key.
pub(crate) struct Signing(Box<(Keyed, FlightSecrets)>);

impl Signing {
    pub(in super::super) fn on_answer(
        mut self,
        answer: AnswerContent,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Abort> {
        let AnswerContent::Signature(signature) = answer else {
            return Err(wrong_answer());
        };
        let (keyed, secrets) = &mut *self.0;
        let (client_finished, secrets) = (keyed.client_finished.take(), secrets.take());
        let mut keyed = Keyed {
            client_finished,
            ..self.0.0
        };
        send_certificate_verify(&mut keyed, &signature, cx)?;
        finished(keyed, secrets, cx)
    }
}

/// What waits for the client's flight.
pub(super) struct Answered {
    pub(super) keyed: Keyed,
    /// What the client will write with, and the exporter: derived when the server's Finished is
    /// out, and used when the client's is in (§7.1).
    pub(super) read_secret: TrafficSecret,
    pub(super) exporter: ExporterSecret,
    /// There if the client gets tickets.
    pub(super) resumption: Option<ResumptionMaster>,
}

/// §4.4.3: sends what the key has signed.
fn send_certificate_verify(
    keyed: &mut Keyed,
    signature: &[u8],
    cx: &mut Cx<'_>,
) -> Result<(), Abort> {
    check_signature_length(signature)?;
    if let Authentication::Certificate(_, scheme) = keyed.authentication {
        cx.send(&mut keyed.transcript, |out| {
            CertificateVerify::put(out, scheme, signature);
        });
    }
    Ok(())
}

/// §4.4.4, §7.1: sends Finished; the keys of the application follow.
fn finished(mut keyed: Keyed, secrets: FlightSecrets, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    cx.incoming
        .hello_answered(keyed.config.policy.max_handshake_size);
    let verify_data = secrets.server.verify_data(&keyed.transcript.current());
    cx.send(&mut keyed.transcript, |out| {
        Finished::put(out, verify_data.as_slice());
    });

    let hash = keyed.transcript.current();
    let secrets = secrets.master.into_application_secrets(&hash);
    let wanted = keyed.config.policy.key_log;
    let random = &keyed.client_random;
    cx.log_secret(
        wanted,
        "CLIENT_TRAFFIC_SECRET_0",
        random,
        secrets.client.as_bytes(),
    );
    cx.log_secret(
        wanted,
        "SERVER_TRAFFIC_SECRET_0",
        random,
        secrets.server.as_bytes(),
    );
    cx.log_secret(
        wanted,
        "EXPORTER_SECRET",
        random,
        secrets.exporter.as_bytes(),
    );
    cx.outgoing.install_write(secrets.server)?;
    cx.outgoing.set_padding(keyed.config.policy.padding);
    let requested = keyed.config.client_authentication.is_requested();
    let resumption = keyed.resumable.then_some(secrets.resumption);
    let mut answered = Box::new(Answered {
        keyed,
        read_secret: secrets.client,
        exporter: secrets.exporter,
        resumption,
    });
    let peer = match &mut answered.keyed.authentication {
        Authentication::Resumed(resumption) => resumption.peer.take(),
        Authentication::Certificate(..) if requested => {
            return Ok(WaitCertificate { answered }.into());
        }
        Authentication::Certificate(..) => None,
    };
    Ok(WaitFinished { answered, peer }.into())
}
