//! What was negotiated, and what can be derived from the finished handshake.
//!
//! RFC 8446 §7.5 (exporters), RFC 5246 §5 (PRF), RFC 9266 (tls-exporter), RFC 5929 (tls-unique, tls-server-end-point).

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};

use crate::configured::InForce;
use crate::crypto::prf::PrfKey;
use crate::dialect::Dialect;
use crate::ech::EchStatus;
use crate::error::Misuse;
use crate::key_schedule::{ExportError, ExporterSecret, tls12};
use crate::named_group::NamedGroup;
use crate::psk::SharedSecretName;
use crate::signature_scheme::SignatureScheme;
use crate::srtp::{Srtp, SrtpKeys, SrtpProfile};
use crate::suite::CipherSuite;
use crate::version::{ProtocolVersion, Version};
use crate::x509::{self, LeafDigests, OcspError, OcspVerdict, Presented, Sct, SctSource};

/// What was negotiated. Secrets are not in here.
pub struct ConnectionInformation(pub(crate) Information);

pub(crate) struct Information {
    pub(crate) dialect: Dialect,
    pub(crate) version: Version,
    pub(crate) is_server: bool,
    pub(crate) cipher_suite: CipherSuite,
    pub(crate) encrypt_then_mac: bool,
    pub(crate) secure_renegotiation: bool,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) retried: bool,
    pub(crate) resumed: bool,
    pub(crate) early_data: EarlyDataStatus,
    pub(crate) ech: EchStatus,
    /// When the peer signed: in this handshake, or in the first of those it resumes.
    pub(crate) authenticated_at: UnixTime,
    pub(crate) alpn: Option<Box<[u8]>>,
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) client_random: [u8; 32],
    pub(crate) server_random: [u8; 32],
    pub(crate) peer: Option<Presented>,
    pub(crate) peer_scheme: Option<SignatureScheme>,
    /// Boxed: hardly any connection has something of it.
    pub(crate) rare: Option<Box<Rare>>,
    /// The pre-shared key, if there is one, or the user of SRP.
    pub(crate) psk: Option<Arc<SharedSecretName>>,
    pub(crate) local: Local,
    pub(crate) local_scheme: Option<SignatureScheme>,
    pub(crate) exporter: Exporter,
}

/// What few connections have.
pub(crate) struct Rare {
    /// What the OCSP response says that came with the peer's certificate.
    pub(crate) ocsp: Option<Box<Result<OcspVerdict, OcspError>>>,
    /// Client of TLS 1.3: the share to begin with the next time, if it is another one.
    pub(crate) preferred_share: Option<NamedGroup>,
    /// The configuration, if it is to be kept.
    pub(crate) configured: Option<InForce>,
    /// Over datagrams: what was settled for SRTP.
    pub(crate) srtp: Option<Srtp>,
}

impl Rare {
    /// `None` if there is nothing.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        let has_some = self.ocsp.is_some()
            || self.preferred_share.is_some()
            || self.configured.is_some()
            || self.srtp.is_some();
        has_some.then(|| Box::new(self))
    }
}

/// What this side has shown.
pub(crate) enum Local {
    /// Here, shared with its configuration.
    Showed(Arc<[CertificateDer<'static>]>),
    /// Nothing here. A server had when the session began that it resumes.
    HadShown(Option<Arc<LeafDigests>>),
}

impl Local {
    /// Of a client.
    pub(crate) fn of(chain: Option<Arc<[CertificateDer<'static>]>>) -> Self {
        chain.map_or(Self::HadShown(None), Self::Showed)
    }
}

/// What became of data before the handshake was over (RFC 8446 §4.2.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EarlyDataStatus {
    /// The client has offered none.
    #[default]
    NotOffered,
    /// It was accepted.
    Accepted,
    /// It was not: whatever was sent is lost.
    Rejected(EarlyDataRejection),
}

/// Why early data was not accepted, as far as this side knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EarlyDataRejection {
    /// A client's server does not say why.
    Declined,
    /// The configuration has no [`early_data`](crate::config::ServerConfigBuilder::early_data), or whoever
    /// has accepted the connection takes none.
    Disabled,
    /// The session was not resumed: there is another one, or a full handshake.
    NotResumed,
    /// The server has asked for another hello.
    Retried,
    /// The session's ticket allowed none.
    NotAllowed,
    /// It is of another cipher suite.
    OtherSuite,
    /// It is of another application protocol.
    OtherProtocol,
    /// The ticket is not as old as the client says: the hello was under way for long, or a clock is wrong.
    TicketAge,
    /// It was claimed before, or nobody can tell.
    Replayed,
}

/// The first Finished of a handshake before TLS 1.3.
pub(crate) type TlsUnique = [u8; 12];

/// What keying material for the application is derived from, and what else belongs to one
/// connection alone.
pub(crate) enum Exporter {
    Tls13(ExporterSecret),
    Older(Older),
}

/// What a connection has before TLS 1.3 alone.
pub(crate) struct Older {
    /// `None` without the extended master secret, where nobody has asked for it all the same: two connections
    /// may have the same (RFC 7627 §5.4).
    pub(crate) master: Option<Box<tls12::MasterSecret>>,
    /// Whether it depends on the whole handshake.
    pub(crate) extended: bool,
    /// `None` without that in a connection that resumes: two of these may have the same.
    pub(crate) tls_unique: Option<TlsUnique>,
    /// What NPN has settled.
    pub(crate) next_protocol: Option<Box<[u8]>>,
    /// That of the ServerHello, which may be empty.
    pub(crate) session_id: Box<[u8]>,
    /// Whether it is not the connection's first handshake.
    pub(crate) renegotiated: bool,
    /// Whether this side agrees to more of them.
    pub(crate) may_renegotiate: bool,
}

const WITHOUT_EXTENDED_MASTER_SECRET: &str = "the peer does not have the extended master secret, without \
     which another connection can have the same keying material (RFC 7627 §5.4); for a protocol that does not mind, \
     set exporters_without_extended_master_secret";

/// RFC 5764 §4.2.
const LABEL_OF_SRTP: &[u8] = b"EXTRACTOR-dtls_srtp";

/// The secret that [`ConnectionInformation::prf`] begins with.
#[derive(Clone, Copy)]
pub enum PrfSecret<'a> {
    /// The connection's master secret, which both ends have and nobody sees.
    Master,
    /// Of the caller, of any length.
    Own(&'a [u8]),
}

impl core::fmt::Debug for PrfSecret<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Master => "Master",
            Self::Own(_) => "Own(..)",
        })
    }
}

impl Older {
    /// Keeps what may be used. `exports` says that somebody wants keying material in any case.
    pub(crate) fn settled(self, resumed: bool, exports: bool) -> Exporter {
        let Self { extended, .. } = self;
        Exporter::Older(Self {
            master: self.master.filter(|_| extended || exports),
            tls_unique: self.tls_unique.filter(|_| extended || !resumed),
            next_protocol: self.next_protocol.filter(|name| !name.is_empty()),
            ..self
        })
    }
}

impl ConnectionInformation {
    /// The protocol version.
    pub fn version(&self) -> ProtocolVersion {
        self.0.dialect.code(self.0.version)
    }

    /// Whether this side is the server.
    pub fn is_server(&self) -> bool {
        self.0.is_server
    }

    /// The cipher suite.
    pub fn cipher_suite(&self) -> CipherSuite {
        self.0.cipher_suite
    }

    /// Whether records are encrypted before they get their MAC (RFC 7366). Only a cipher suite with
    /// CBC leaves the choice; with every other this is false.
    pub fn encrypt_then_mac(&self) -> bool {
        self.0.encrypt_then_mac
    }

    /// Whether the master secret depends on the whole handshake (RFC 7627), as it always does in TLS
    /// 1.3.
    pub fn extended_master_secret(&self) -> bool {
        match &self.0.exporter {
            Exporter::Tls13(_) => true,
            Exporter::Older(older) => older.extended,
        }
    }

    /// The key exchange as the name of the cipher suite has it: `ECDHE_RSA`, `RSA_PSK`, `SRP_SHA`, `DH_anon`. `None` in
    /// TLS 1.3, whose suites say nothing of it: there it is what [`group`](Self::group) and
    /// [`psk_identity`](Self::psk_identity) say.
    pub fn key_exchange(&self) -> Option<&'static str> {
        let name = self.0.cipher_suite.name()?.strip_prefix("TLS_")?;
        Some(name.split_once("_WITH_")?.0)
    }

    /// The session id of the ServerHello (RFC 5246 §7.4.1.3), 1 to 32 bytes, before TLS 1.3: what the server calls the
    /// session, if it keeps sessions by ids, and in a connection that resumes what the client has sent. With
    /// tickets that may be anything (RFC 5077 §3.4). `None` if it is empty, and in TLS 1.3, which has no such ids.
    pub fn session_id(&self) -> Option<&[u8]> {
        match &self.0.exporter {
            Exporter::Older(older) => Some(&*older.session_id).filter(|id| !id.is_empty()),
            Exporter::Tls13(_) => None,
        }
    }

    /// Whether this is not the connection's first handshake: one end has renegotiated. Never in TLS 1.3.
    pub fn is_renegotiated(&self) -> bool {
        match &self.0.exporter {
            Exporter::Older(older) => older.renegotiated,
            Exporter::Tls13(_) => false,
        }
    }

    /// Whether the peer knows secure renegotiation (RFC 5746). In TLS 1.3, which has no renegotiation,
    /// this is true.
    pub fn secure_renegotiation(&self) -> bool {
        self.0.secure_renegotiation
    }

    /// The group of the key exchange; none where there was none. Before TLS 1.3 a connection that resumes another has that of
    /// the other, since it has no key exchange of its own.
    pub fn group(&self) -> Option<NamedGroup> {
        self.0.group
    }

    /// Client of TLS 1.3: the group that the first hello of the next connection to this server had better have a share
    /// of ([`ClientConfig::with_first_share`](crate::config::ClientConfig::with_first_share)): the one that the server has asked for by a HelloRetryRequest, or the best of those that are
    /// offered and that the server says it has (RFC 8446 §4.2.7). `None` if the hello had it first, or nothing was said.
    pub fn preferred_share(&self) -> Option<NamedGroup> {
        self.0.rare.as_ref()?.preferred_share
    }

    /// Whether the server asked for a second hello (RFC 8446 §4.1.4).
    pub fn hello_retried(&self) -> bool {
        self.0.retried
    }

    /// Whether this connection resumes another (RFC 8446 §2.2). What is known of the peer
    /// is then what that one had proved.
    pub fn is_resumed(&self) -> bool {
        self.0.resumed
    }

    /// What became of early data, if the client has offered some.
    pub fn early_data(&self) -> EarlyDataStatus {
        self.0.early_data
    }

    /// What became of the encrypted ClientHello, if the client has offered one (RFC 9849). What this value says of the hello
    /// is then about the one that counts: the inner one, if it was accepted.
    pub fn ech(&self) -> EchStatus {
        self.0.ech
    }

    /// The application protocol (RFC 7301).
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.0.alpn.as_deref()
    }

    /// The application protocol that the client has chosen by NPN, which ALPN has replaced: the
    /// server need not have named it.
    pub fn next_protocol(&self) -> Option<&[u8]> {
        match &self.0.exporter {
            Exporter::Older(older) => older.next_protocol.as_deref(),
            Exporter::Tls13(_) => None,
        }
    }

    /// The host name the client asked for, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.0.server_name.as_deref()
    }

    /// The random value of the ClientHello.
    pub fn client_random(&self) -> &[u8; 32] {
        &self.0.client_random
    }

    /// The random value of the ServerHello.
    pub fn server_random(&self) -> &[u8; 32] {
        &self.0.server_random
    }

    /// The peer's chain as it was sent, its own certificate first; empty if it showed none: a client
    /// that need not, one that showed a [raw public key](Self::peer_raw_public_key), or either end with a cipher suite that has no certificates. Then it has a
    /// [`psk_identity`](Self::psk_identity) or an [`srp_user`](Self::srp_user), or, with a suite of `anon`, nothing says who it is.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.0
            .peer
            .as_ref()
            .map_or(&[], |shown| shown.certificates())
    }

    /// The OCSP response in DER that came with the peer's own certificate in this handshake (RFC 6066 §8), as it came: a
    /// client has one if it [asked](crate::config::ClientConfigBuilder::request_ocsp_response) for it and the server
    /// had one. When a session is resumed none comes.
    pub fn ocsp_response(&self) -> Option<&[u8]> {
        match self.0.resumed {
            true => None,
            false => self.0.peer.as_ref()?.ocsp_response(),
        }
    }

    /// What that response says, or why it does not count; `None` if none came, or nobody looked at it
    /// ([`OcspPolicy`](x509::OcspPolicy)).
    pub fn ocsp_verdict(&self) -> Option<&Result<OcspVerdict, OcspError>> {
        self.0.rare.as_ref()?.ocsp.as_deref()
    }

    /// The timestamps of logs that came with the peer's own certificate (RFC 6962 §3.3): in it, and in a full handshake
    /// in an extension of TLS, if they were [asked for](crate::config::ClientConfigBuilder::request_scts), and in its
    /// OCSP response. Nothing says that they are genuine: [`CtLogs::verify`](x509::CtLogs::verify) does.
    pub fn scts(&self) -> Vec<Sct> {
        let shown = self.0.peer.as_ref();
        let mut scts = shown.map(Presented::scts).unwrap_or_default();
        if self.0.resumed {
            scts.retain(|sct| sct.source() == SctSource::Certificate);
        }
        scts
    }

    /// The raw public key (RFC 7250) by which the peer showed who it is: the DER of its SubjectPublicKeyInfo. Then
    /// there are no certificates.
    pub fn peer_raw_public_key(&self) -> Option<&[u8]> {
        self.0.peer.as_ref()?.raw_key()
    }

    /// The scheme of the peer's CertificateVerify, or a server's ServerKeyExchange, if it showed a
    /// certificate; none of a server whose key has decrypted or agreed instead (RSA, ECDH).
    pub fn peer_signature_scheme(&self) -> Option<SignatureScheme> {
        self.0.peer_scheme
    }

    /// The certificate this side showed.
    pub fn local_certificate(&self) -> Option<&CertificateDer<'static>> {
        match &self.0.local {
            Local::Showed(chain) => chain.first(),
            Local::HadShown(_) => None,
        }
    }

    /// The same of this side.
    pub fn local_signature_scheme(&self) -> Option<SignatureScheme> {
        self.0.local_scheme
    }

    /// The identity of the pre-shared key that proves who both ends are, here or in the connection that this one
    /// resumes: in TLS 1.3 (RFC 8446 §2.2), and before it with a suite of `PSK` or `ECDHE_PSK` (RFC 4279). There
    /// are no certificates then. Of a key that is [imported](crate::config::PreSharedKey::imported) it is the
    /// identity that it was made with.
    pub fn psk_identity(&self) -> Option<&[u8]> {
        self.0.psk.as_ref()?.psk()
    }

    /// The user who logged in with a password (SRP, RFC 5054), here or in the connection that this one
    /// resumes; before TLS 1.3, with a suite of `SRP_SHA`: 1 to 255 bytes. A server has what
    /// the [verifier](crate::config::SrpVerifier) was made for, a client what its configuration has.
    pub fn srp_user(&self) -> Option<&[u8]> {
        self.0.psk.as_ref()?.user()
    }

    /// Derives keying material for the application (RFC 8446 §7.5, RFC 5705).
    ///
    /// Both sides get the same bytes for the same label, context and length. In TLS 1.3 no
    /// context and an empty one are the same; before it they differ (RFC 5705 §4).
    ///
    /// # Errors
    /// When the label is longer than 249 bytes or `out` longer than 255 hashes. Before TLS 1.3 also
    /// when the label is one of the protocol's own, the context longer than 65,535 bytes, or the
    /// connection has no extended master secret (RFC 7627 §5.4), unless
    /// [`exporters_without_extended_master_secret`](crate::config::ClientConfigBuilder::exporters_without_extended_master_secret)
    /// says otherwise.
    pub fn export_keying_material(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), Misuse> {
        let information = &self.0;
        let randoms = (&information.client_random, &information.server_random);
        let refused = match &information.exporter {
            Exporter::Tls13(secret) => match secret.export(label, context.unwrap_or_default(), out)
            {
                Ok(()) => return Ok(()),
                Err(_) => "the label may have at most 249 bytes, the output 255 hashes",
            },
            Exporter::Older(Older {
                master: Some(secret),
                ..
            }) => match secret.export(label, context, randoms, out) {
                Ok(()) => return Ok(()),
                Err(_) => {
                    "the label must not be one that TLS itself derives keys with, and the context may \
                     have at most 65,535 bytes"
                }
            },
            Exporter::Older(Older { master: None, .. }) => WITHOUT_EXTENDED_MASTER_SECRET,
        };
        Err(Misuse::new(format!("export_keying_material: {refused}")))
    }

    fn srtp(&self) -> Option<&Srtp> {
        self.0.rare.as_ref()?.srtp.as_ref()
    }

    /// Over datagrams: the profile of SRTP that both ends have settled (RFC 5764). `None` if one of them wants no SRTP, or
    /// they have no profile in common.
    pub fn srtp_profile(&self) -> Option<SrtpProfile> {
        Some(self.srtp()?.profile)
    }

    /// The identifier that each packet of SRTP has behind it (RFC 5764 §4.1.3), 1 to 255 bytes; `None` if the packets have none:
    /// the client has offered none, or the server does not want it.
    pub fn srtp_mki(&self) -> Option<&[u8]> {
        let mki = &*self.srtp()?.mki;
        Some(mki).filter(|mki| !mki.is_empty())
    }

    /// Exports master keys and salts for the profile that was settled (RFC 5764 §4.2).
    ///
    /// # Errors
    /// When no profile was settled; before DTLS 1.3 also as [`export_keying_material`](Self::export_keying_material),
    /// of a peer without the extended master secret.
    pub fn srtp_keys(&self) -> Result<SrtpKeys, Misuse> {
        let Some(profile) = self.srtp_profile() else {
            return Err(Misuse::new(
                "srtp_keys: no profile of SRTP was settled; name some in `srtp`, at both ends, and look at \
                 `srtp_profile` first",
            ));
        };
        let export = |block: &mut [u8]| self.export_keying_material(LABEL_OF_SRTP, None, block);
        SrtpKeys::new(profile, export)
    }

    /// What the pseudorandom function of the connection gives (RFC 5246 §5, RFC 4346 §5), before
    /// TLS 1.3: for protocols that are older than RFC 5705, as EAP-TLS before RFC 9190, whose keys
    /// are `prf(PrfSecret::Master, b"client EAP encryption", &[client_random, server_random], …)`.
    /// `seed` is given in parts, which are put together as they stand; `out` may have any length.
    ///
    /// # Errors
    /// [`export_keying_material`](Self::export_keying_material) takes its place in TLS 1.3, which
    /// has no such function. Of [`PrfSecret::Master`] also when the label is one that TLS itself
    /// derives keys with, and when the connection has no extended master secret (RFC 7627 §5.4), as there.
    pub fn prf(
        &self,
        secret: PrfSecret<'_>,
        label: &[u8],
        seed: &[&[u8]],
        out: &mut [u8],
    ) -> Result<(), Misuse> {
        let refused = match (&self.0.exporter, secret) {
            (Exporter::Tls13(_), _) => {
                "TLS 1.3 has no such function; take export_keying_material, at both ends"
            }
            (Exporter::Older(_), PrfSecret::Own(secret)) => {
                let suite = self.0.cipher_suite.older_parameters(self.version())?;
                PrfKey::new(suite.hash, secret).prf(label, seed, out);
                return Ok(());
            }
            (Exporter::Older(older), PrfSecret::Master) => match &older.master {
                Some(master) => match master.prf_of_application(label, seed, out) {
                    Ok(()) => return Ok(()),
                    Err(ExportError) => {
                        "the label must not be one that TLS itself derives keys with"
                    }
                },
                None => WITHOUT_EXTENDED_MASTER_SECRET,
            },
        };
        Err(Misuse::new(format!("prf: {refused}")))
    }

    /// The channel binding `tls-exporter` (RFC 9266). Its context is a string of length zero (§2),
    /// which before TLS 1.3 is not the same as none (RFC 5705 §4).
    ///
    /// # Errors
    /// Before TLS 1.3 there is none without the extended master secret, whatever
    /// [`exporters_without_extended_master_secret`](crate::config::ClientConfigBuilder::exporters_without_extended_master_secret)
    /// says: another connection can have the same (RFC 7627 §5.4). Nor is it defined where this side agrees to
    /// [renegotiation](crate::config::ClientConfigBuilder::renegotiation) (RFC 9266 §4.2).
    pub fn tls_exporter(&self) -> Result<[u8; 32], Misuse> {
        let refused = match &self.0.exporter {
            Exporter::Older(older) if !older.extended => Some(
                "the peer does not have the extended master secret, without which another connection can have the \
                 same (RFC 7627 §5.4); take TLS 1.3, or a peer that has it",
            ),
            Exporter::Older(older) if older.may_renegotiate => Some(
                "it is not defined where the connection may be renegotiated (RFC 9266 §4.2); leave \
                 `Renegotiation::Once` and `Accept` out of the configuration, or take TLS 1.3",
            ),
            _ => None,
        };
        if let Some(refused) = refused {
            return Err(Misuse::new(format!("tls_exporter: {refused}")));
        }
        let mut binding = [0; 32];
        self.export_keying_material(b"EXPORTER-Channel-Binding", Some(b""), &mut binding)?;
        Ok(binding)
    }

    /// The channel binding `tls-unique` (RFC 5929 §3): the first Finished of the handshake, before
    /// TLS 1.3. SCRAM over TLS 1.2 uses it mostly; [`tls_exporter`](Self::tls_exporter) is its
    /// successor.
    ///
    /// # Errors
    /// TLS 1.3 does not define it (RFC 8446 §C.5). Nor does a connection have one that resumes
    /// a session without the extended master secret: an attacker between the ends can have made that
    /// session, and then both of its connections have the same (RFC 7627 §1, §5.4).
    pub fn tls_unique(&self) -> Result<[u8; 12], Misuse> {
        let refused = match &self.0.exporter {
            Exporter::Tls13(_) => {
                "TLS 1.3 has none (RFC 8446 §C.5); take tls_exporter, and name that one to the peer"
            }
            Exporter::Older(Older {
                tls_unique: Some(first),
                ..
            }) => return Ok(*first),
            Exporter::Older(_) => {
                "the connection resumes a session without the extended master secret, so that another \
                 connection can have the same (RFC 7627 §5.4)"
            }
        };
        Err(Misuse::new(format!("tls_unique: {refused}")))
    }

    /// The channel binding `tls-server-end-point` (RFC 5929 §4): a hash of the server's
    /// certificate. In a connection that resumes another it is that of the certificate with which the session
    /// began, at both ends, even if the server has been given a renewed one since.
    ///
    /// `None` if there was no certificate, its signature algorithm names no hash (Ed25519, ML-DSA), or a server
    /// resumes a session that a version of this library has written down which did not keep it.
    pub fn tls_server_end_point(&self) -> Option<Vec<u8>> {
        let certificate = match (&self.0.local, self.0.is_server) {
            (Local::HadShown(leaf), true) => {
                let hash = leaf.as_ref()?.end_point.as_bytes();
                return (!hash.is_empty()).then(|| hash.to_vec());
            }
            (Local::Showed(chain), true) => chain.first(),
            (_, false) => self.peer_certificates().first(),
        };
        x509::server_end_point(certificate?)
    }
}

impl core::fmt::Debug for ConnectionInformation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ConnectionInformation")
            .field("version", &self.version())
            .field("cipher_suite", &self.0.cipher_suite)
            .field("group", &self.0.group)
            .field("hello_retried", &self.0.retried)
            .field("resumed", &self.0.resumed)
            .field(
                "alpn",
                &self
                    .0
                    .alpn
                    .as_deref()
                    .map(<[u8]>::escape_ascii)
                    .map(|name| name.to_string()),
            )
            .field("server_name", &self.0.server_name)
            .finish_non_exhaustive()
    }
}
