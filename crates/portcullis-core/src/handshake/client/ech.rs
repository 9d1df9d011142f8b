//! Two hellos for one handshake, until the server's answer says which of them it is about.
//!
//! RFC 9849 §6.
//!
//! ```text
//! Offered --confirmed--> Accepted: everything is as if the inner hello had been sent
//!         --else-------> Rejected: everything is as if the outer hello had been sent, to the server with the
//!                        public name; the end of the handshake is an error
//! ```
//!
//! Until then the client of [`Offered`] is that of the inner hello. Only [`resolve`] decides, and what
//! comes later has one hello.

use std::sync::Arc;

use rustls_pki_types::ServerName;

use super::super::offer::Offer;
use super::super::{Cx, find};
use super::both_hellos::{inner_of, is_shared, outer_of, parse};
use super::grease::{self, Grease};
use super::hello::{Client, Hashing, Offered};
use super::padding;
use crate::config::{ClientOptions, ServerNameIndication, Verification};
use crate::crypto::CryptoFailure;
use crate::crypto::aead::TAG_LEN;
use crate::crypto::hpke::Sealer;
use crate::crypto::secret::ConstantTimeEq as _;
use crate::dialect::Dialect;
use crate::ech::confirmation::{self, IN_SERVER_HELLO, Within};
use crate::ech::{EchConfigList, EchRejection, EchStatus, Selected, encoded_inner};
use crate::error::{Abort, Reason};
use crate::key_schedule::{AddMessage, Hashed, TranscriptBuffer, Unhashed};
use crate::record::HandshakeBytes;
use crate::version::Version;
use crate::wire::extension::{
    EchConfirmation, EchOuter, EchRetryConfigs, EncryptedClientHello, Extension as _, Extensions,
    OfferedPsks, ServerName as ServerNameExtension,
};
use crate::wire::{ClientHello, ExtensionType, ServerHello};
use crate::x509::PeerProof;
use crate::{Misuse, Violation};

/// What the hello of a connection is besides a hello; most have none.
pub(super) struct Disguise {
    grease: Option<Grease>,
    ech: Ech,
}

enum Ech {
    None,
    /// The body of an extension that means nothing; the same in both hellos.
    Grease(Vec<u8>),
    Offered(Box<Offering>),
    Accepted,
    Rejected(Box<Rejected>),
}

/// While it is not known which hello counts.
struct Offering {
    sealer: Sealer,
    selected: Selected,
    outer_random: [u8; 32],
    /// What the outer hello has offered.
    outer_offer: Offer,
    outer_transcript: TranscriptBuffer,
    /// The body of its extension.
    extension: Vec<u8>,
    /// How its pretended pre-shared keys look: the lengths of identities and binders.
    psks: Vec<(usize, u8)>,
    /// A HelloRetryRequest has confirmed it.
    is_confirmed: bool,
}

/// Once the outer hello counts.
struct Rejected {
    public_name: Box<str>,
    extension: Vec<u8>,
    psks: Vec<(usize, u8)>,
    retry: Option<EchConfigList>,
}

/// The disguise of a hello by this configuration.
pub(super) fn disguise(
    config: &Arc<ClientOptions>,
    cx: &mut Cx<'_>,
) -> Result<Option<Box<Disguise>>, Abort> {
    let is_grease = config.grease;
    let Some(ech) = config.ech.as_deref() else {
        if !is_grease {
            return Ok(None);
        }
        let grease = Some(Grease::new(cx)?);
        let ech = Ech::None;
        return Ok(Some(Box::new(Disguise { grease, ech })));
    };
    let speaks_tls13 = config.policy.speaks(Version::V1_3);
    let selected = ech.list.as_ref().filter(|_| speaks_tls13);
    let selected = selected.and_then(EchConfigList::select);
    if selected.is_none() && ech.is_required() {
        return Err(Misuse::new("ech: no configuration can be used").into());
    }
    let grease = is_grease.then(|| Grease::new(cx)).transpose()?;
    let ech = match selected {
        Some(selected) => Ech::Offered(Box::new(Offering::new(selected, config, cx)?)),
        None if ech.grease && speaks_tls13 => Ech::Grease(grease::encrypted_client_hello(cx)?),
        None => Ech::None,
    };
    Ok(Some(Box::new(Disguise { grease, ech })))
}

impl Offering {
    fn new(
        selected: Selected,
        config: &Arc<ClientOptions>,
        cx: &mut Cx<'_>,
    ) -> Result<Self, Abort> {
        let Selected {
            kem,
            suite,
            public_key,
            info,
            ..
        } = &selected;
        let sealer = Sealer::new(*kem, public_key, *suite, info, cx.random);
        let sealer = sealer.map_err(|_| {
            Misuse::new("ech: the public key of the configuration is none; ask DNS again")
        })?;
        let [outer_random] = cx.random_bytes()?;
        Ok(Self {
            sealer,
            selected,
            outer_random,
            outer_offer: Offer::new(Arc::clone(config)),
            outer_transcript: TranscriptBuffer::new(),
            extension: Vec::new(),
            psks: Vec::new(),
            is_confirmed: false,
        })
    }
}

/// Which hello it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    First,
    Second,
    /// The server has asked for a share, which stands alone then (RFC 8446 §4.1.2).
    SecondWithShare,
}

/// What is sent of a hello, and what goes into the transcript.
pub(super) struct Said {
    pub(super) sent: Vec<u8>,
    /// `None` where that is the same.
    pub(super) hashed: Option<Vec<u8>>,
}

impl Said {
    /// Sends it.
    pub(super) fn send(
        self,
        client: &mut Client,
        transcript: &mut impl AddMessage,
        cx: &mut Cx<'_>,
    ) {
        let Self { sent, hashed } = self;
        let Some(message) = hashed else {
            return cx.send(transcript, |out| out.extend_from_slice(&sent));
        };
        // It is of TLS 1.3, in whose transcript messages have no numbers (RFC 9147 §5.2). The outer one may be answered by an
        // older version, in whose transcript they have.
        transcript.add(Hashed::new(&message));
        match client.disguise.as_deref_mut().map(|one| &mut one.ech) {
            Some(Ech::Offered(offering)) => {
                cx.send(&mut offering.outer_transcript, |out| {
                    out.extend_from_slice(&sent);
                });
            }
            _ => cx.send(&mut Unhashed, |out| out.extend_from_slice(&sent)),
        }
    }
}

impl Disguise {
    /// How much longer than this plain hello the one is that is sent.
    pub(super) fn adds(&self, plain: &[u8], dialect: Dialect) -> Result<usize, Abort> {
        let grease = self.grease.as_ref();
        let pretended = match &self.ech {
            Ech::Grease(body) => Some(body.as_slice()),
            _ => None,
        };
        let hello = grease::put_into(&parse(plain, dialect)?, grease, pretended, true);
        let Ech::Offered(offering) = &self.ech else {
            return Ok(hello.len() - plain.len());
        };
        let parsed = parse(&hello, dialect)?;
        let inner = inner_of(&parsed, dialect);
        let payload = offering.encode(&parsed, &parse(&inner, dialect)?, dialect)?;
        // The public name stands in the place of another, or of none.
        let name = |name: usize| ServerNameExtension::OVERHEAD + name;
        let public_name = name(offering.selected.public_name.as_ref().len());
        let own = find::<ServerNameExtension<'_>>(&parsed.extensions)?;
        let own = own.map_or(0, |own| name(own.host_name.len()));
        let extension = EchOuter::OVERHEAD + offering.sealer.enc().len() + payload.len();
        let length = hello.len() + extension + public_name - own;
        Ok(length.saturating_sub(plain.len()))
    }

    /// Whether the hello is one in another one.
    pub(super) fn encrypts(&self) -> bool {
        matches!(self.ech, Ech::Offered(_))
    }

    pub(super) fn status(&self) -> EchStatus {
        match self.ech {
            Ech::None => EchStatus::NotOffered,
            Ech::Grease(_) => EchStatus::Grease,
            // Of the others nobody is connected.
            Ech::Accepted | Ech::Offered(_) | Ech::Rejected(_) => EchStatus::Accepted,
        }
    }
}

impl Client {
    pub(super) fn ech_status(&self) -> EchStatus {
        self.disguise
            .as_deref()
            .map_or(EchStatus::NotOffered, Disguise::status)
    }

    /// Makes what is said of a plain hello, whose binders `bind` fills in.
    pub(super) fn disguised(
        &mut self,
        plain: Vec<u8>,
        which: Which,
        bind: impl FnOnce(&mut Vec<u8>),
        cx: &mut Cx<'_>,
    ) -> Result<Said, Abort> {
        let Some(mut disguise) = self.disguise.take() else {
            let mut sent = plain;
            bind(&mut sent);
            return Ok(Said { sent, hashed: None });
        };
        let said = self.disguised_as(&mut disguise, &plain, which, bind, cx);
        self.disguise = Some(disguise);
        said
    }

    fn disguised_as(
        &mut self,
        disguise: &mut Disguise,
        plain: &[u8],
        which: Which,
        bind: impl FnOnce(&mut Vec<u8>),
        cx: &mut Cx<'_>,
    ) -> Result<Said, Abort> {
        let Disguise { grease, ech } = disguise;
        let pretended = match ech {
            Ech::Grease(body) => Some(body.as_slice()),
            _ => None,
        };
        let dialect = cx.dialect;
        let mut hello = grease::put_into(
            &parse(plain, dialect)?,
            grease.as_ref(),
            pretended,
            which != Which::SecondWithShare,
        );
        if self.config.hello_padding && !matches!(ech, Ech::Offered(_)) && dialect == Dialect::Tls {
            padding::pad(&mut hello, 0)?;
        }
        let is_first = which == Which::First;
        let said = match ech {
            Ech::Offered(offering) => {
                let parsed = parse(&hello, dialect)?;
                let mut inner = inner_of(&parsed, dialect);
                bind(&mut inner);
                let sent = offering.encrypt(&parsed, &inner, is_first, cx)?;
                offering
                    .outer_offer
                    .set_extensions(&parse(&sent, dialect)?.extensions)?;
                hello = inner;
                Said {
                    sent,
                    hashed: Some(hello.clone()),
                }
            }
            // The outer hello goes on alone (§6.1.5), and says again what nobody could read.
            Ech::Rejected(rejected) => {
                let Rejected {
                    public_name,
                    extension,
                    psks,
                    ..
                } = &**rejected;
                let parsed = parse(&hello, dialect)?;
                let random = self.client_random;
                hello = outer_of(&parsed, &random, public_name, extension, psks, cx)?;
                Said {
                    sent: hello.clone(),
                    hashed: None,
                }
            }
            Ech::None | Ech::Grease(_) | Ech::Accepted => {
                bind(&mut hello);
                Said {
                    sent: hello.clone(),
                    hashed: None,
                }
            }
        };
        let parsed = parse(&hello, dialect)?;
        self.offer.set_extensions(&parsed.extensions)?;
        Ok(said)
    }
}

impl Offering {
    /// The outer hello with the inner one in it (§6.1).
    fn encrypt(
        &mut self,
        plain: &ClientHello<'_>,
        inner: &[u8],
        is_first: bool,
        cx: &mut Cx<'_>,
    ) -> Result<Vec<u8>, Abort> {
        const FAILURE: CryptoFailure = CryptoFailure::SealingRecord;
        let parsed = parse(inner, cx.dialect)?;
        let mut encoded = self.encode(plain, &parsed, cx.dialect)?;
        let offered = find::<OfferedPsks<'_>>(&parsed.extensions)?;
        self.psks = offered.map_or_else(Vec::new, |offered| {
            let binders = offered.binders.iter();
            let lengths = binders.map(|binder| u8::try_from(binder.0.len()).unwrap_or(u8::MAX));
            let identities = offered.identities.iter();
            identities
                .map(|one| one.identity.len())
                .zip(lengths)
                .collect()
        });
        // Written once, with zeros for what is encrypted: that is what is authenticated (§5.2).
        let zeros = vec![0; encoded.len()];
        let body = |sealer: &Sealer, selected: &Selected, payload: &[u8]| {
            let mut body = Vec::new();
            let outer = EchOuter {
                cipher_suite: selected.suite.ids(),
                config_id: selected.config_id,
                // §6.1.5: both hellos are of one context.
                enc: if is_first { sealer.enc() } else { &[] },
                payload,
            };
            EncryptedClientHello::Outer(outer).encode_body(&mut body);
            body
        };
        if zeros.len() > usize::from(u16::MAX) {
            return Err(Misuse::new("ech: the ClientHello would be too long").into());
        }
        let extension = body(&self.sealer, &self.selected, &zeros);
        let mut outer = outer_of(
            plain,
            &self.outer_random,
            self.selected.public_name.as_ref(),
            &extension,
            &self.psks,
            cx,
        )?;
        let aad = outer.get(4..).unwrap_or_default();
        let sealed = self.sealer.seal_in_place(aad, &mut encoded);
        sealed.map_err(|_| FAILURE)?;
        let range = {
            let parsed = parse(&outer, cx.dialect)?;
            let found = find::<EncryptedClientHello<'_>>(&parsed.extensions)?;
            let Some(EncryptedClientHello::Outer(found)) = found else {
                return Err(FAILURE.into());
            };
            let start = found.payload.as_ptr().addr() - outer.as_ptr().addr();
            start..start + found.payload.len()
        };
        let place = outer.get_mut(range).ok_or(FAILURE)?;
        place.copy_from_slice(&encoded);
        self.extension = body(&self.sealer, &self.selected, &encoded);
        Ok(outer)
    }

    /// What is encrypted, padded, with room for the tag.
    fn encode(
        &self,
        plain: &ClientHello<'_>,
        inner: &ClientHello<'_>,
        dialect: Dialect,
    ) -> Result<Vec<u8>, Abort> {
        let version = dialect.code(Version::V1_3).0;
        let mut encoded = encoded_inner::encode(inner, is_shared(plain, version));
        let name = find::<ServerNameExtension<'_>>(&inner.extensions)?;
        let name = name.map(|name| name.host_name);
        encoded_inner::pad(&mut encoded, self.selected.maximum_name_length, name);
        encoded.resize(encoded.len() + TAG_LEN, 0);
        Ok(encoded)
    }

    /// What an accepting server's message has in the place of `range` (§7.2).
    fn expected(
        &self,
        within: Within,
        offered: &Offered,
        message: &[u8],
        range: core::ops::Range<usize>,
        suite: crate::suite::CipherSuite,
        dialect: Dialect,
    ) -> Result<[u8; confirmation::LENGTH], Abort> {
        let hash = suite.handshake_hash()?;
        let mut transcript = match &offered.transcript {
            Hashing::Buffered(buffered) => buffered.start(hash),
            Hashing::Running(running) => (**running).clone(),
        };
        if within == Within::HelloRetryRequest {
            transcript.replace_with_message_hash();
        }
        // As it came: an extension that is not known here is part of it.
        let mut message = message.to_vec();
        if let Some(place) = message.get_mut(range) {
            place.fill(0);
        }
        transcript.add(Hashed::new(&message));
        let random = &offered.client.client_random;
        let prefix = dialect.label_prefix();
        Ok(confirmation::confirmation(
            within,
            hash,
            prefix,
            random,
            &mut transcript,
        )?)
    }

    /// Whether the server has read the inner hello.
    fn is_confirmed_by(
        &self,
        offered: &Offered,
        hello: &ServerHello<'_>,
        message: &HandshakeBytes,
        dialect: Dialect,
    ) -> Result<bool, Abort> {
        let offer = &offered.client.offer;
        let suite = offer.check_suite(hello.cipher_suite, dialect.code(Version::V1_3))?;
        let raw = message.raw();
        let (within, found, range) = if hello.is_hello_retry_request() {
            let Some(found) = find::<EchConfirmation<'_>>(&hello.extensions)? else {
                return Ok(false);
            };
            let start = found.0.as_ptr().addr() - raw.as_ptr().addr();
            let range = start..start + confirmation::LENGTH;
            (Within::HelloRetryRequest, found.0.as_slice(), range)
        } else {
            let end = hello.random.get(24..).unwrap_or_default();
            (Within::ServerHello, end, IN_SERVER_HELLO)
        };
        let expected = self.expected(within, offered, raw, range, suite, dialect)?;
        Ok(expected.ct_eq(found))
    }
}

/// The server has answered: from here on there is one hello (§6.1.4). Nothing of the answer has been looked at but its
/// version.
pub(super) fn resolve(
    offered: &mut Offered,
    version: Version,
    hello: &ServerHello<'_>,
    message: &HandshakeBytes,
    dialect: Dialect,
) -> Result<(), Abort> {
    let Some(mut disguise) = offered.client.disguise.take() else {
        return Ok(());
    };
    let is_tls13 = version == Version::V1_3;
    if !is_tls13 {
        // In that version nobody answers it.
        offered.client.offer.forget_ech();
    }
    disguise.ech = match disguise.ech {
        Ech::Offered(mut offering) => {
            let is_confirmed =
                is_tls13 && offering.is_confirmed_by(offered, hello, message, dialect)?;
            match is_confirmed {
                true if hello.is_hello_retry_request() => {
                    offering.is_confirmed = true;
                    Ech::Offered(offering)
                }
                true => {
                    offered.client.offer.forget_ech();
                    Ech::Accepted
                }
                false if offering.is_confirmed => {
                    return Err(Violation::EchAcceptanceRevoked.into());
                }
                false => {
                    // There was no such key in the outer hello (§6.1.4).
                    let is_resumed = hello.extensions.contains(ExtensionType::PRE_SHARED_KEY);
                    if is_tls13 && is_resumed && !hello.is_hello_retry_request() {
                        return Err(Violation::EchRejectedButResumed.into());
                    }
                    Ech::Rejected(Box::new(reject(offered, *offering, is_tls13)))
                }
            }
        }
        other => other,
    };
    offered.client.disguise = Some(disguise);
    Ok(())
}

/// A HelloVerifyRequest came: whoever asks for a cookie so has no TLS 1.3, and so has read no inner hello.
pub(super) fn resolve_unread(offered: &mut Offered) {
    let Some(mut disguise) = offered.client.disguise.take() else {
        return;
    };
    disguise.ech = match disguise.ech {
        Ech::Offered(offering) => Ech::Rejected(Box::new(reject(offered, *offering, false))),
        other => other,
    };
    offered.client.disguise = Some(disguise);
}

/// The outer hello takes the place of the inner one: name, random, offer and transcript; it has no session and nobody to show.
fn reject(offered: &mut Offered, offering: Offering, is_tls13: bool) -> Rejected {
    let Offering {
        selected,
        outer_random,
        outer_offer,
        outer_transcript,
        extension,
        psks,
        ..
    } = offering;
    let client = &mut offered.client;
    let config = Arc::new(client.config.after_rejection());
    client.offer = outer_offer.of(Arc::clone(&config));
    if !is_tls13 {
        client.offer.forget_ech();
    }
    client.config = config;
    client.client_random = outer_random;
    let public_name = selected.public_name.as_ref().into();
    client.name = ServerName::DnsName(selected.public_name);
    offered.sessions = Vec::new();
    offered.transcript = Hashing::Buffered(outer_transcript);
    Rejected {
        public_name,
        extension,
        psks,
        retry: None,
    }
}

impl ClientOptions {
    /// For a server that only has to prove its public name (§6.1.6, §6.1.7): nobody of this side is shown, nothing is
    /// reviewed, and no key is trusted that is the other server's.
    fn after_rejection(&self) -> Self {
        let mut options = self.clone();
        options.identities.clear();
        options.server_name_indication = ServerNameIndication::Send;
        options.policy.asked.identity = false;
        options.policy.asked.hello = false;
        if let Verification::Chain(policy) = &mut options.verification {
            *policy = policy.by_name_alone();
        }
        options.accepted.raw_keys = Some(Default::default());
        options
    }
}

impl Client {
    /// EncryptedExtensions, whose types were looked at.
    pub(super) fn on_ech_answer(&mut self, extensions: &Extensions<'_>) -> Result<(), Violation> {
        let Some(disguise) = &mut self.disguise else {
            return Ok(());
        };
        if find::<EchRetryConfigs<'_>>(extensions)?.is_none() {
            return Ok(());
        }
        // What nobody has asked for is checked and forgotten (§6.2).
        if let Ech::Rejected(rejected) = &mut disguise.ech {
            let list = extensions
                .raw(ExtensionType::ENCRYPTED_CLIENT_HELLO)
                .unwrap_or_default();
            let list = EchConfigList::from_bytes(list);
            rejected.retry = Some(list.map_err(|_| Violation::MalformedExtension)?);
        }
        Ok(())
    }

    /// The handshake is over, and was with the server of the public name: then there is no connection (§6.1.6).
    pub(super) fn check_not_rejected(&self, peer: Option<&PeerProof>) -> Result<(), Abort> {
        let Some(Ech::Rejected(rejected)) = self.disguise.as_deref().map(|one| &one.ech) else {
            return Ok(());
        };
        // By rules, not by somebody's word: what it sent would be anybody's.
        let is_proved = matches!(peer, Some(PeerProof::Chain(chain)) if chain.is_verified());
        let rejection = EchRejection::new(
            rejected.public_name.clone(),
            is_proved,
            rejected.retry.clone(),
        );
        Err(Abort(Reason::EchRejected(Arc::new(rejection))))
    }
}
