//! The server's flight: ServerHello, Certificate, ServerKeyExchange, CertificateRequest,
//! ServerHelloDone.
//!
//! RFC 5246 §7.4.1.3 to §7.4.5, RFC 8422 §5.4.

use super::super::super::connection_ids;
use super::super::super::renegotiation::Previous;
use super::super::super::signed_content::server_key_exchange_content;
use super::super::super::{Cx, check_signature_length, find, srtp, versions, wrong_answer};
use super::super::certificate_types::CertificateTypes;
use super::super::record_sizes::RecordSizes;
use super::super::requested::{acknowledges, choose_protocol, staple};
use super::super::{Next, decoded_hello};
use super::Negotiated;
use super::client_authentication::WaitCertificate;
use super::finished::{Keyed, WaitChangeCipherSpec};
use super::identity::{Chosen, Shown};
use super::key_exchange::WaitClientKeyExchange;
use super::resumption::Resumption;
use super::tickets::renew;
use super::user::{Greeted, look_up_user};
use crate::config::{ServerOptions, SrpVerifier};
use crate::crypto::HAS_RSA;
use crate::crypto::finite_field::{FieldKeyPair, Group};
use crate::crypto::key_exchange::ActiveKeyExchange;
use crate::error::Abort;
use crate::key_schedule::AddMessage;
use crate::key_schedule::tls12::{OlderParameters, Transcript};
use crate::question::{AnswerContent, Question, QuestionId, Sign};
use crate::rules::{Rules, Signatures};
use crate::session::{MAX_AUTHENTICATION, age};
use crate::srp::SrpShare;
use crate::srtp::Srtp;
use crate::suite::{Agreement, CipherSuite, Exchange, Presence};
use crate::version::Version;
use crate::wire::extension::{
    self, Alpn, AlpnSelected, CertificateType, EcPointFormat, EcPointFormats, NextProtocolOffer,
    NextProtocols, RenegotiationInfo, ServerNameAcknowledgement, SessionTicket, StatusRequestEmpty,
};
use crate::wire::tls12::{
    CertificateStatus, ClientCertificateType, ServerDhParams, ServerEcdhParams, ServerHelloDone,
    ServerKeyExchange, ServerParams, ServerSrpParams,
};
use crate::wire::{ClientHello, ExtensionType, ServerHello};
use crate::x509::{Form, Identity};
use crate::{NamedGroup, Violation};

/// What is settled once ServerHello is out.
pub(super) struct Answering {
    pub(super) negotiated: Negotiated,
    pub(super) suite: CipherSuite,
    /// The row of its key exchange.
    pub(super) exchange: Exchange,
    pub(super) keys: OlderParameters,
    pub(super) client_random: [u8; 32],
    pub(super) server_random: [u8; 32],
    /// The session id of the ServerHello.
    pub(super) session_id_sent: Box<[u8]>,
    pub(super) server_name: Option<String>,
    pub(super) alpn: Option<Box<[u8]>>,
    pub(super) srtp: Option<Srtp>,
    /// What the client will show, if it is asked.
    pub(super) of_client: CertificateType,
    /// Whether the client says by NPN what it has chosen.
    pub(super) awaits_next_protocol: bool,
    pub(super) transcript: Transcript,
}

/// The same, and who this side is: a full handshake.
pub(super) struct Showing {
    pub(super) answering: Answering,
    pub(super) shown: Option<Shown>,
    pub(super) share: Option<OwnShare>,
}

/// This side's part of the key exchange, of which the client gets the public half.
pub(super) enum OwnShare {
    Curve(ActiveKeyExchange),
    Field(FieldShare),
    Srp(Box<SrpShare>),
}

/// Of DHE, with what the client is told of the group.
pub(super) struct FieldShare {
    pub(super) pair: FieldKeyPair,
    prime: Vec<u8>,
    generator: Vec<u8>,
}

impl FieldShare {
    fn start(group: &Group, cx: &mut Cx<'_>) -> Result<Self, Abort> {
        Ok(Self {
            pair: group.generate(cx.random)?,
            prime: group.prime_bytes(),
            generator: group.generator_bytes(),
        })
    }
}

impl OwnShare {
    /// Makes what the row of the key exchange has.
    fn start(
        exchange: Exchange,
        negotiated: &Negotiated,
        identity: Option<&Identity>,
        verifier: Option<SrpVerifier>,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Self>, Abort> {
        let Negotiated { config, groups, .. } = negotiated;
        match exchange.agreement {
            None => Ok(None),
            // The client's alone; or this side's is in its certificate.
            Some(Agreement::Rsa | Agreement::Ecdh) => Ok(None),
            Some(Agreement::Ecdhe) => {
                let group = groups.curve.ok_or(Violation::NoSharedGroup)?;
                let share = ActiveKeyExchange::start(group, cx.random)?;
                Ok(Some(Self::Curve(share)))
            }
            Some(Agreement::Srp) => {
                let verifier = verifier.ok_or(Violation::SrpUserMissing)?;
                let share = SrpShare::start(verifier, cx.random)?;
                Ok(Some(Self::Srp(Box::new(share))))
            }
            Some(Agreement::Dhe) => {
                let strength = identity.and_then(Identity::key_bits).unwrap_or_default();
                let field = groups.field.as_ref();
                let group = field.and_then(|field| field.group(config, strength));
                let group = group.ok_or(Violation::NoSharedFiniteField)?;
                FieldShare::start(&group, cx).map(|share| Some(Self::Field(share)))
            }
        }
    }

    /// What the client will answer.
    fn params(&self) -> ServerParams<'_> {
        match self {
            Self::Curve(share) => ServerParams::Ecdh(ServerEcdhParams {
                group: share.group(),
                public: share.public_key(),
            }),
            Self::Field(share) => ServerParams::Dh(ServerDhParams {
                prime: &share.prime,
                generator: &share.generator,
                public: share.pair.share(),
            }),
            Self::Srp(share) => ServerParams::Srp(ServerSrpParams {
                prime: share.half.prime(),
                generator: share.half.generator(),
                salt: share.salt(),
                public: share.half.public(),
            }),
        }
    }

    pub(super) fn group(&self) -> Option<NamedGroup> {
        match self {
            Self::Curve(share) => Some(share.group()),
            Self::Field(share) => share.pair.group().name(),
            Self::Srp(_) => None,
        }
    }
}

/// Sends ServerHello and what follows, once it is known who logs in, if a user does.
pub(super) fn send_flight(
    negotiated: Negotiated,
    chosen: Chosen,
    server_name: Option<String>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    if !chosen.suite.exchange().is_some_and(Exchange::has_user) {
        return send_flight_to(negotiated, chosen, server_name, None, cx);
    }
    let greeted = Greeted {
        negotiated,
        chosen,
        server_name,
    };
    look_up_user(greeted, cx)
}

/// Sends ServerHello and Certificate, and has the share signed.
pub(super) fn send_flight_to(
    negotiated: Negotiated,
    chosen: Chosen,
    server_name: Option<String>,
    verifier: Option<SrpVerifier>,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Chosen { suite, shown } = chosen;
    let exchange = suite.exchange().ok_or(Violation::NoSharedCipherSuite)?;
    let identity = shown.as_ref().map(|shown| &shown.identity);
    let share = OwnShare::start(exchange, &negotiated, identity, verifier, cx)?;
    // Of a renegotiation the name may be that of the first hello, and then there is nothing to answer.
    let is_asked = match negotiated.previous {
        None => true,
        Some(_) => {
            let hello = decoded_hello(&negotiated.hello)?;
            hello.extensions.contains(ExtensionType::SERVER_NAME)
        }
    };
    let acknowledged =
        is_asked && acknowledges(&negotiated.config, identity, server_name.as_deref());
    let staple = match identity {
        Some(identity) => staple(identity, &decoded_hello(&negotiated.hello)?, cx.now)?,
        None => None,
    };
    let hello = Hello {
        suite,
        exchange,
        server_name,
        acknowledged,
        shown: identity.map(Identity::certificate_type),
        staples: staple.is_some(),
        resumes: false,
        gives_ticket: negotiated.wants_ticket,
    };
    let mut answering = send_server_hello(negotiated, hello, cx)?;
    if let Some(identity) = identity {
        cx.send(&mut answering.transcript, |out| {
            out.extend_from_slice(identity.certificate_message(Form::Before13));
        });
    }
    // RFC 6066 §8: right behind it.
    if let Some(staple) = staple {
        cx.send(&mut answering.transcript, |out| {
            CertificateStatus::put(out, staple.response());
        });
    }
    let showing = Showing {
        answering,
        shown,
        share,
    };
    sign(showing, cx)
}

/// Sends ServerHello and, because both sides have the keys of the session, Finished.
pub(super) fn send_abbreviated_flight(
    negotiated: Negotiated,
    resumption: Resumption,
    cx: &mut Cx<'_>,
) -> Result<Next, Abort> {
    let Resumption {
        master,
        suite,
        exchange,
        group,
        psk,
        server_name,
        peer,
        authenticated_at,
        leaf,
        shown,
        ticket_due,
    } = resumption;
    let renews = negotiated.wants_ticket
        && ticket_due.is_some_and(|due| due <= cx.now)
        && age(authenticated_at, cx.now) < MAX_AUTHENTICATION;
    let hello = Hello {
        suite,
        exchange,
        server_name,
        // RFC 6066 §3: not when a session is resumed.
        acknowledged: false,
        shown,
        staples: false,
        resumes: true,
        gives_ticket: renews,
    };
    let answering = send_server_hello(negotiated, hello, cx)?;
    cx.incoming
        .hello_answered(answering.negotiated.config.policy.max_handshake_size);
    let mut keyed = Keyed::new(answering, master, leaf, cx)?;
    keyed.group = group;
    keyed.psk = psk;
    keyed.peer = peer;
    keyed.resumed = Some(authenticated_at);
    if renews {
        renew(&mut keyed, cx)?;
    }
    keyed.send_finished(cx)?;
    Ok(WaitChangeCipherSpec(keyed).into())
}

/// What ServerHello says.
struct Hello {
    suite: CipherSuite,
    exchange: Exchange,
    server_name: Option<String>,
    acknowledged: bool,
    /// Of which type this side's identity is, if there is one.
    shown: Option<CertificateType>,
    /// Whether CertificateStatus follows.
    staples: bool,
    resumes: bool,
    /// Whether NewSessionTicket follows.
    gives_ticket: bool,
}

/// Sets how records are protected; gives whether they are encrypted before they are authenticated, which a renegotiation
/// must not lose.
fn protection(
    negotiated: &Negotiated,
    say: &Hello,
    keys: &mut OlderParameters,
) -> Result<bool, Abort> {
    let policy = &negotiated.config.policy;
    keys.set_chained(policy.padding_check, policy.beast_mitigation);
    // RFC 7366 §3: not for an AEAD. As each hello says it, sessions do not keep it.
    let encrypt_then_mac = keys.encrypt_then_mac(negotiated.encrypt_then_mac);
    if let Some(previous) = negotiated.previous.as_deref() {
        let encrypt_then_mac = say.suite.has_cbc().then_some(encrypt_then_mac);
        previous.check_protection(negotiated.extended, encrypt_then_mac)?;
        if !say.exchange.requests_certificate {
            previous.check_certificate_of_client(None)?;
        }
    }
    Ok(encrypt_then_mac)
}

/// What ServerHello says by extensions: answers to what the client has sent, and no more (RFC 5246 §7.4.1.4).
struct HelloExtensions<'a> {
    negotiated: &'a Negotiated,
    say: &'a Hello,
    encrypt_then_mac: bool,
    /// Whether the client has said in which formats it takes points.
    knows_formats: bool,
    alpn: Option<&'a [u8]>,
    srtp: Option<&'a Srtp>,
    next_protocols: Option<&'a [Box<[u8]>]>,
    sizes: &'a RecordSizes,
    types: &'a CertificateTypes,
    connection_ids: Option<connection_ids::Agreement>,
}

impl HelloExtensions<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        let Self {
            negotiated, say, ..
        } = *self;
        if say.acknowledged {
            ServerNameAcknowledgement::put(out);
        }
        if say.staples {
            StatusRequestEmpty::put(out);
        }
        if negotiated.secure_renegotiation {
            match negotiated.previous.as_deref() {
                None => RenegotiationInfo::put(out, &[]),
                Some(previous) => previous.put_of_server(out),
            }
        }
        if negotiated.extended {
            extension::ExtendedMasterSecret::put(out);
        }
        if self.encrypt_then_mac {
            extension::EncryptThenMac::put(out);
        }
        // RFC 8422 §5.2: only where points are exchanged, and the client has sent it.
        if !say.resumes && say.exchange.has_points() && self.knows_formats {
            EcPointFormats::put(out, [EcPointFormat::UNCOMPRESSED]);
        }
        if say.gives_ticket {
            SessionTicket::put(out, &[]);
        }
        if let Some(protocol) = self.alpn {
            AlpnSelected::put(out, protocol);
        }
        if let Some(srtp) = self.srtp {
            srtp::put(out, srtp);
        }
        if let Some(protocols) = self.next_protocols {
            NextProtocols::put(out, protocols);
        }
        self.sizes.put(out);
        self.types.put(out);
        if let Some(ids) = self.connection_ids {
            ids.put(out);
        }
    }
}

fn send_server_hello(
    negotiated: Negotiated,
    say: Hello,
    cx: &mut Cx<'_>,
) -> Result<Answering, Abort> {
    let hello = decoded_hello(&negotiated.hello)?;
    let config = &negotiated.config;
    let previous = negotiated.previous.as_deref();
    if let Some(previous) = previous {
        previous.check_name(say.server_name.as_deref())?;
    }
    let Protocol { alpn, is_told } = Protocol::choose(config, &hello, previous)?;
    let srtp = srtp::choose(&config.policy, &hello, cx.dialect)?;
    if let Some(previous) = previous {
        previous.check_srtp(srtp.as_ref())?;
    }
    let sizes = RecordSizes::choose(config, &hello, cx)?;
    let connection_ids = connection_ids::Agreement::choose(&hello.extensions, cx)?;
    let requests = !say.resumes && requests_certificate(say.exchange, config);
    let types = CertificateTypes::choose(config, &hello, say.shown, requests)?;
    let version = cx.dialect.code(negotiated.version);
    let mut keys = say.suite.older_parameters(version)?;
    let encrypt_then_mac = protection(&negotiated, &say, &mut keys)?;
    // Where ALPN settles nothing, and once for a connection.
    let next_protocols = match find::<NextProtocolOffer>(&hello.extensions)? {
        Some(_) if alpn.is_none() && previous.is_none() => config.policy.next_protocols.as_deref(),
        _ => None,
    };
    let awaits_next_protocol = next_protocols.is_some();
    let mut transcript = Transcript::new(keys.hash);
    if !requests {
        // Nobody will sign them.
        transcript.forget_messages();
    }
    transcript.add(negotiated.hello.hashed());
    let new_id = match negotiated.wants_id && !say.resumes {
        true => {
            let [new_id] = cx.random_bytes()?;
            Some(new_id)
        }
        false => None,
    };
    let server_random = random(config, negotiated.version, cx)?;
    let session_id = match &new_id {
        Some(new) => new,
        // RFC 5077 §3.4: the client sees by its id that a session is resumed, also that of a ticket.
        None if say.resumes => hello.legacy_session_id,
        None => &[],
    };
    let extensions = HelloExtensions {
        negotiated: &negotiated,
        say: &say,
        encrypt_then_mac,
        knows_formats: hello.extensions.contains(ExtensionType::EC_POINT_FORMATS),
        alpn: alpn.as_deref().filter(|_| is_told),
        srtp: srtp.as_ref(),
        next_protocols,
        sizes: &sizes,
        types: &types,
        connection_ids,
    };
    cx.send(&mut transcript, |out| {
        ServerHello::put(out, version, &server_random, session_id, say.suite, |out| {
            extensions.put(out);
        });
    });
    if let Some(ids) = connection_ids {
        ids.apply(cx)?;
    }
    sizes.apply(config.policy.max_fragment_sent, cx);
    let client_random = *hello.random;
    let session_id_sent = session_id.into();
    Ok(Answering {
        negotiated,
        suite: say.suite,
        exchange: say.exchange,
        keys,
        client_random,
        server_random,
        session_id_sent,
        server_name: say.server_name,
        alpn,
        srtp,
        of_client: types.of_client,
        awaits_next_protocol,
        transcript,
    })
}

/// The application protocol of ALPN.
struct Protocol {
    /// What the connection has: a renegotiation keeps it.
    alpn: Option<Box<[u8]>>,
    /// Whether the client is told.
    is_told: bool,
}

impl Protocol {
    fn choose(
        config: &ServerOptions,
        hello: &ClientHello<'_>,
        previous: Option<&Previous>,
    ) -> Result<Self, Abort> {
        let Some(previous) = previous else {
            let alpn = choose_protocol(config, hello)?;
            let is_told = alpn.is_some();
            return Ok(Self { alpn, is_told });
        };
        let offered = find::<Alpn<'_>>(&hello.extensions)?;
        let offered = offered.map(|list| list.protocols.iter().map(|name| name.0));
        Ok(Self {
            is_told: previous.check_protocols(offered)?,
            alpn: previous.alpn(),
        })
    }
}

fn random(config: &ServerOptions, version: Version, cx: &mut Cx<'_>) -> Result<[u8; 32], Abort> {
    let [mut random] = cx.random_bytes()?;
    // RFC 8446 §4.1.3: that this side could have had more.
    if let Some(sentinel) = versions::sentinel(&config.policy.versions, version)
        && let Some(end) = random.last_chunk_mut()
    {
        *end = sentinel;
    }
    Ok(random)
}

/// §7.4.3: where the row says so, the share is signed with the randoms before it.
fn sign(showing: Showing, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let Showing {
        answering,
        shown,
        share,
    } = &showing;
    let (
        Some(Shown {
            identity,
            scheme: Some(scheme),
        }),
        Some(share),
        true,
    ) = (shown, share, answering.exchange.is_signed())
    else {
        return finish(showing, None, cx);
    };
    let content = server_key_exchange_content(
        &answering.client_random,
        &answering.server_random,
        &share.params(),
    );
    if identity.is_external() || answering.negotiated.config.policy.asked.signature {
        let question = Sign {
            id: QuestionId::next(),
            identity: identity.clone(),
            scheme: *scheme,
            content: content.into_vec(),
        };
        let paused = Signing(Box::new(showing));
        return Ok(Next::ask(Question::Sign(Box::new(question)), paused));
    }
    let signature = identity.sign(*scheme, &content)?;
    finish(showing, Some(&signature), cx)
}

/// Paused: somebody holds the key.
pub(crate) struct Signing(Box<Showing>);

impl Signing {
    pub(super) fn on_answer(self, answer: AnswerContent, cx: &mut Cx<'_>) -> Result<Next, Abort> {
        let AnswerContent::Signature(signature) = answer else {
            return Err(wrong_answer());
        };
        check_signature_length(&signature)?;
        finish(*self.0, Some(&signature), cx)
    }
}

/// Sends this side's part of the key exchange and the rest of the flight.
fn finish(mut showing: Showing, signature: Option<&[u8]>, cx: &mut Cx<'_>) -> Result<Next, Abort> {
    let Answering {
        negotiated,
        exchange,
        transcript,
        ..
    } = &mut showing.answering;
    let rules = Rules::of(negotiated.version);
    let hint = negotiated.config.psk_identity_hint.as_deref();
    let hint = hint.unwrap_or_default();
    let scheme = showing.shown.as_ref().and_then(|shown| shown.scheme);
    let message = ServerKeyExchange {
        hint: exchange.psk.then_some(hint),
        params: showing.share.as_ref().map(OwnShare::params),
        signature: scheme
            .zip(signature)
            .map(|(scheme, signature)| rules.signature(scheme, signature)),
    };
    let is_there = match exchange.server_key_exchange() {
        Presence::Always => true,
        // RFC 4279 §2: without a hint it is not sent.
        Presence::IfHinted => !hint.is_empty(),
        Presence::Never => false,
    };
    if is_there {
        cx.send(transcript, |out| message.put(out));
    }
    let config = &negotiated.config;
    let requested = requests_certificate(*exchange, config);
    if requested {
        cx.send(transcript, |out| {
            put_certificate_request(out, rules, config)
        });
    }
    cx.send(transcript, ServerHelloDone::put);
    // The client has been answered, so it may say as much as the configuration allows.
    cx.incoming.hello_answered(config.policy.max_handshake_size);
    let showing = Box::new(showing);
    if requested {
        return Ok(WaitCertificate { showing }.into());
    }
    Ok(WaitClientKeyExchange::without_certificate(showing).into())
}

fn requests_certificate(exchange: Exchange, config: &ServerOptions) -> bool {
    exchange.requests_certificate && config.asks_in_handshake()
}

/// §7.4.4.
fn put_certificate_request(out: &mut Vec<u8>, rules: Rules, config: &ServerOptions) {
    let has_rsa = HAS_RSA || rules.signatures == Signatures::Explicit;
    let types = [ClientCertificateType::ECDSA_SIGN]
        .into_iter()
        .chain(has_rsa.then_some(ClientCertificateType::RSA_SIGN))
        .chain(
            config
                .policy
                .accepts_dsa()
                .then_some(ClientCertificateType::DSS_SIGN),
        );
    let schemes = config.policy.schemes.iter().copied();
    let schemes = schemes.filter(|one| one.signs_in(Version::V1_2));
    rules.put_certificate_request(out, types, schemes, config.requested_authorities());
}
