//! What client and server have in common: algorithms, limits, and their defaults with reasons.

use super::negotiable::{Named, check_scheme_features};
use super::renegotiation::{Renegotiation, SecureRenegotiation};
use super::srtp::SrtpOptions;
use crate::alert::AlertDescription;
use crate::compression::CertificateCompression;
#[cfg(any(feature = "ffi", test))]
use crate::crypto::LEAST_KEY_BITS;
use crate::crypto::USUAL_KEY_BITS;
#[cfg(feature = "finite-field")]
use crate::crypto::finite_field::{LEAST_BITS, MOST_BITS};
use crate::error::Misuse;
use crate::named_group::NamedGroup;
use crate::psk::Psks;
use crate::rules::{Rules, Signatures};
use crate::signature_scheme::SignatureScheme;
use crate::suite::{CipherSuite, Exchange};
use crate::version::{ProtocolVersion, Version};
use crate::violation::Violation;
use crate::wire::MAX_PLAINTEXT;
use crate::wire::extension as wire;
use crate::wire::extension::CertificateCompressionAlgorithm;
use crate::x509::{CrlCheck, Identity, Presented, Roots, SignatureMemo, check_key_length};

pub use crate::record::PaddingPolicy;
pub use crate::rules::BeastMitigation;

/// Which groups the first ClientHello carries a key share for (RFC 8446 §4.2.8).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyShares {
    /// The first group; when that is a post-quantum hybrid, also the classical group inside it
    /// if it is offered, since that share costs nothing more to make. Over datagrams a share that makes the hello longer than
    /// one of them is left out, and whoever wants it asks for it; of a hybrid the classical group stays.
    Preferred,
    /// Just these, in this order. They must be among the groups. With none the server chooses
    /// by HelloRetryRequest, at the price of a round trip.
    Groups(Vec<NamedGroup>),
}

/// A limit on the plaintext of a record that a client may ask for (RFC 6066 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxFragmentLength {
    /// 512 bytes.
    Bytes512,
    /// 1,024 bytes.
    Bytes1024,
    /// 2,048 bytes.
    Bytes2048,
    /// 4,096 bytes.
    Bytes4096,
}

impl MaxFragmentLength {
    /// The number of bytes.
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Bytes512 => 512,
            Self::Bytes1024 => 1024,
            Self::Bytes2048 => 2048,
            Self::Bytes4096 => 4096,
        }
    }
}

impl From<MaxFragmentLength> for wire::MaxFragmentLength {
    fn from(length: MaxFragmentLength) -> Self {
        match length {
            MaxFragmentLength::Bytes512 => Self::TWO_TO_9,
            MaxFragmentLength::Bytes1024 => Self::TWO_TO_10,
            MaxFragmentLength::Bytes2048 => Self::TWO_TO_11,
            MaxFragmentLength::Bytes4096 => Self::TWO_TO_12,
        }
    }
}

/// The questions that are asked although they have a default answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Server: which configuration, once the ClientHello is here. Client: go on, once the
    /// ServerHello is here.
    pub(crate) hello: bool,
    pub(crate) identity: bool,
    pub(crate) signature: bool,
    pub(crate) verification: bool,
    /// Server: which session a ticket stands for, and what tickets stand for a session.
    pub(crate) tickets: bool,
    /// Server before TLS 1.3: which session an id stands for, and that one is to be kept.
    pub(crate) sessions: bool,
    pub(crate) psk: bool,
    /// Server before TLS 1.3: what is known of a user.
    pub(crate) user: bool,
}

/// Whether the master secret of TLS 1.2 and older depends on the whole handshake (RFC 7627). Without
/// it a server in the middle can make two connections with one master secret (§1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtendedMasterSecret {
    /// If the peer has it, too.
    #[default]
    IfOffered,
    /// A peer without it is refused with `handshake_failure`.
    Required,
    /// Never, for peers that fail over it.
    Off,
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(super) named: Named,
    /// The newest first.
    pub(crate) versions: Vec<ProtocolVersion>,
    pub(crate) cipher_suites: Vec<CipherSuite>,
    pub(crate) groups: Vec<NamedGroup>,
    pub(crate) schemes: Vec<SignatureScheme>,
    pub(crate) certificate_schemes: Option<Vec<SignatureScheme>>,
    /// What of these is said to the peer, where it is not what `schemes` says; from [`check`](Self::check).
    pub(crate) said_of_certificates: Option<Box<[SignatureScheme]>>,
    pub(crate) memo: SignatureMemo,
    /// Whether its size was given.
    pub(crate) memo_is_chosen: bool,
    pub(crate) alpn: Vec<Box<[u8]>>,
    /// `None` without NPN.
    pub(crate) next_protocols: Option<Vec<Box<[u8]>>>,
    /// For SRTP, over datagrams.
    pub(crate) srtp: SrtpOptions,
    pub(crate) record_size_limit: Option<u16>,
    pub(crate) max_fragment_sent: u16,
    pub(crate) max_handshake_size: usize,
    /// Best first.
    pub(crate) compression: Vec<CertificateCompression>,
    pub(crate) key_update_at: u64,
    pub(crate) padding: PaddingPolicy,
    pub(crate) extended_master_secret: ExtendedMasterSecret,
    pub(crate) exports_without_extended_master_secret: bool,
    pub(crate) encrypt_then_mac: bool,
    /// The shortest prime of DHE before TLS 1.3, in bits.
    pub(crate) dh_minimum: u32,
    /// The shortest keys of RSA and DSA, in bits.
    pub(crate) key_minimum: u32,
    pub(crate) renegotiation: Renegotiation,
    pub(crate) secure_renegotiation: SecureRenegotiation,
    pub(crate) beast_mitigation: BeastMitigation,
    pub(crate) padding_check: bool,
    pub(crate) middlebox_compatibility: bool,
    pub(crate) strict_alert_levels: bool,
    /// Whether the client's certificate may be asked for after the handshake.
    pub(crate) post_handshake: bool,
    /// Few, or none.
    pub(crate) alerts: Vec<(Violation, AlertDescription)>,
    pub(crate) psks: Psks,
    /// Whether a key proves who the peer is, and nothing else does.
    pub(crate) keys_alone: bool,
    /// Whether a key may be used alone, in TLS 1.3.
    pub(crate) psk_ke: bool,
    pub(crate) key_log: bool,
    pub(crate) observe_messages: bool,
    pub(crate) asked: Asked,
    pub(crate) crl_check: CrlCheck,
    /// Whether connections keep the configuration.
    pub(crate) keeps_options: bool,
}

/// RFC 7301 §3.1; half of what the block of extensions can hold is enough.
fn check_protocols(option: &str, names: &[Box<[u8]>]) -> Result<(), Misuse> {
    let mut lengths = names.iter().map(|name| name.len());
    let bytes: usize = lengths.clone().map(|length| length + 1).sum();
    if lengths.any(|length| length == 0 || length > 255) || bytes > 0x3fff {
        return Err(Misuse::new(format!(
            "{option}: a protocol name must have 1 to 255 bytes, all together at most 16,383"
        )));
    }
    Ok(())
}

impl Policy {
    /// 2^24.5 full records, AES-GCM's limit (RFC 8446 §5.5), as Erlang's ssl; each AEAD's own limit comes
    /// first if it is lower.
    pub(crate) const KEY_UPDATE_AT: u64 = 388_736_063_997;

    /// Takes over from a configuration before this one what was not chosen for this one.
    pub(crate) fn carry_over(&mut self, before: &Self) {
        if !self.memo_is_chosen {
            self.memo = before.memo.clone();
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            named: Named::default(),
            versions: Vec::new(),
            cipher_suites: Vec::new(),
            groups: Vec::new(),
            schemes: Vec::new(),
            certificate_schemes: None,
            said_of_certificates: None,
            memo: SignatureMemo::default(),
            memo_is_chosen: false,
            alpn: Vec::new(),
            next_protocols: None,
            srtp: SrtpOptions::default(),
            record_size_limit: None,
            max_fragment_sent: MAX_PLAINTEXT as u16,
            // 256 KiB, as Erlang's ssl: room for post-quantum chains, no room for floods.
            max_handshake_size: 256 * 1024,
            compression: Vec::new(),
            key_update_at: Self::KEY_UPDATE_AT,
            padding: PaddingPolicy::None,
            extended_master_secret: ExtendedMasterSecret::IfOffered,
            exports_without_extended_master_secret: false,
            encrypt_then_mac: true,
            // What every group of RFC 7919 has at least.
            dh_minimum: 2048,
            key_minimum: USUAL_KEY_BITS,
            renegotiation: Renegotiation::Decline,
            secure_renegotiation: SecureRenegotiation::ForRenegotiation,
            beast_mitigation: BeastMitigation::default(),
            padding_check: true,
            middlebox_compatibility: true,
            strict_alert_levels: false,
            post_handshake: false,
            alerts: Vec::new(),
            psks: Psks::default(),
            keys_alone: false,
            psk_ke: false,
            key_log: false,
            observe_messages: false,
            asked: Asked::default(),
            crl_check: CrlCheck::off(),
            keeps_options: false,
        }
    }
}

impl Policy {
    /// Whether this version may be negotiated.
    pub(crate) fn speaks(&self, version: Version) -> bool {
        self.versions
            .iter()
            .any(|one| Version::of(*one) == Some(version))
    }

    /// Whether a peer of this version may sign so. Before TLS 1.2 that is no matter of choice.
    pub(crate) fn accepts(&self, scheme: SignatureScheme, version: Version) -> bool {
        match Rules::of(version).signatures {
            Signatures::Explicit => self.schemes.contains(&scheme),
            Signatures::ByKeyType => {
                scheme.signs_in(version) && (!scheme.is_dsa() || self.accepts_dsa())
            }
        }
    }

    /// Whether keys of DSA are accepted, also where nobody says a scheme.
    pub(crate) fn accepts_dsa(&self) -> bool {
        self.schemes.iter().any(|scheme| scheme.is_dsa())
    }

    /// Whether this side signs so in a handshake of this version: with a weak hash only if it was named.
    pub(crate) fn signs_with(&self, scheme: SignatureScheme, version: Version) -> bool {
        let is_allowed = match Rules::of(version).signatures {
            Signatures::Explicit => !scheme.has_weak_hash() || self.schemes.contains(&scheme),
            Signatures::ByKeyType => true,
        };
        is_allowed && scheme.signs_in(version)
    }

    /// Whether a peer with this chain, that has signed so if it signed, would be accepted today, too.
    pub(crate) fn accepts_again(
        &self,
        shown: &Presented,
        scheme: Option<SignatureScheme>,
        version: Version,
    ) -> bool {
        // Keys of other kinds have one length.
        let has_length = scheme.is_none_or(|scheme| scheme.is_rsa() || scheme.is_dsa());
        scheme.is_none_or(|scheme| self.accepts(scheme, version))
            && (!has_length || check_key_length(shown, self.key_minimum).is_ok())
    }

    /// Those algorithms of a list of the peer's that there are here.
    pub(crate) fn compression_for(
        &self,
        peer: impl Fn(CertificateCompressionAlgorithm) -> bool,
    ) -> Option<CertificateCompressionAlgorithm> {
        let mut own = self
            .compression
            .iter()
            .map(CertificateCompression::algorithm);
        own.find(|algorithm| peer(*algorithm))
    }

    fn check_compression(&self) -> Result<(), Misuse> {
        let refused = |what: String| Err(Misuse::new(format!("certificate_compression: {what}")));
        let algorithms = || {
            self.compression
                .iter()
                .map(CertificateCompression::algorithm)
        };
        if !self.speaks(Version::V1_3) && !self.compression.is_empty() {
            return refused("it is of TLS 1.3, which `versions` leaves out".to_owned());
        }
        if self.compression.len() > 127 {
            return refused("there may be 127 algorithms".to_owned());
        }
        for (at, algorithm) in algorithms().enumerate() {
            if algorithms().take(at).any(|before| before == algorithm) {
                return refused(format!("{algorithm} is there twice"));
            }
        }
        Ok(())
    }

    /// An identity has a key of a length that is accepted of peers.
    pub(crate) fn check_identity(&self, identity: &Identity) -> Result<(), Misuse> {
        match identity.key_bits() {
            Some(bits) if bits < self.key_minimum => Err(Misuse::new(format!(
                "identity: its key of {} has {bits} bits, and `key_minimum` is {}; have a certificate issued for \
                 a longer key, or lower that with the feature `ffi`",
                identity.kind_of_key(),
                self.key_minimum
            ))),
            _ => Ok(()),
        }
    }

    /// The newest version that may be negotiated. There always is one.
    pub(crate) fn newest(&self) -> Version {
        self.versions
            .first()
            .copied()
            .and_then(Version::of)
            .unwrap_or(Version::V1_3)
    }

    /// Whether a suite with a block cipher may be negotiated, and what encrypts first with it.
    pub(crate) fn offers_encrypt_then_mac(&self) -> bool {
        self.encrypt_then_mac && self.cipher_suites.iter().any(|suite| suite.has_cbc())
    }

    /// Whether a version before TLS 1.3 may be negotiated.
    pub(crate) fn speaks_older(&self) -> bool {
        let oldest = self.versions.last().copied().and_then(Version::of);
        oldest.is_some_and(|oldest| oldest < Version::V1_3)
    }

    /// The schemes accepted in the signatures of certificates (§4.2.3).
    pub(crate) fn certificate_schemes(&self) -> impl Iterator<Item = SignatureScheme> + '_ {
        let is_named = self.certificate_schemes.is_some();
        let (list, more): (&[_], &[_]) = match &self.certificate_schemes {
            Some(list) => (list, &[]),
            None => (&self.schemes, SignatureScheme::CERTIFICATE_ONLY),
        };
        let more = more.iter().filter(|one| !list.contains(one));
        let all = list.iter().chain(more).copied();
        // What signs one handshake may not sign for years, unless that was said.
        all.filter(move |one| is_named || !(one.has_weak_hash() || one.is_dsa()))
    }

    /// After a change of the schemes.
    pub(super) fn find_said_of_certificates(&mut self) {
        let of_certificates: Box<[_]> = self.certificate_schemes().collect();
        self.said_of_certificates = Some(of_certificates).filter(|said| **said != *self.schemes);
    }

    /// What can be wrong in what the user chose; fills in the rest.
    pub(crate) fn check(&mut self) -> Result<(), Misuse> {
        self.settle()?;
        if let Some(list) = &self.certificate_schemes {
            let option = "certificate_signature_schemes";
            check_scheme_features(option, list)?;
            if let Some(scheme) = list.iter().find(|scheme| scheme.is_dsa()) {
                return Err(Misuse::new(format!(
                    "{option}: {scheme} verifies no chain here; leave it out, and have certificates of DSA \
                     keys signed by an authority with another key"
                )));
            }
            implemented(option, list, SignatureScheme::SUPPORTED)?;
        }
        self.find_said_of_certificates();
        self.check_psks()?;
        check_protocols("alpn", &self.alpn)?;
        if let Some(protocols) = &self.next_protocols {
            check_protocols("next_protocols", protocols)?;
            if !self.speaks_older() {
                return Err(Misuse::new(
                    "next_protocols: TLS 1.3 has ALPN alone; name an older version in `versions`, or take \
                     `alpn`",
                ));
            }
        }
        self.srtp.check()?;
        self.check_sizes()
    }

    /// Those suites with which a user logs in have one, and the reverse: `needed` says what they need, `given`
    /// by which option it was given, if it was.
    pub(super) fn check_srp(&self, needed: &str, given: Option<&str>) -> Result<(), Misuse> {
        let mut suites = self.cipher_suites.iter();
        let has_user = |suite: &&CipherSuite| suite.exchange().is_some_and(Exchange::has_user);
        match (suites.find(has_user), given) {
            (Some(suite), None) => Err(Misuse::new(format!(
                "cipher_suites: {suite} needs {needed}, or leave the suite out"
            ))),
            (None, Some(option)) => Err(Misuse::new(format!(
                "{option}: with no cipher suite a user logs in; name one of SRP in cipher_suites, such as \
                 TLS_SRP_SHA_WITH_AES_256_CBC_SHA"
            ))),
            _ => Ok(()),
        }
    }

    /// The first suite whose key exchange is such a one, if any is. Those of TLS 1.3 have none.
    pub(super) fn suite_that(&self, is_meant: impl Fn(Exchange) -> bool) -> Option<CipherSuite> {
        let mut suites = self.cipher_suites.iter().copied();
        suites.find(|suite| suite.exchange().is_some_and(&is_meant))
    }

    /// Whether some suite is one with a certificate. All of TLS 1.3 are, unless keys alone count.
    pub(super) fn has_certificates(&self) -> bool {
        let mut suites = self.cipher_suites.iter();
        suites.any(|suite| {
            let row = suite.exchange();
            row.map_or(!self.keys_alone, |row| row.certificate.is_some())
        })
    }

    /// A group that was named for DHE before TLS 1.3, and is smaller than the smallest there may be.
    fn weak_group(&self) -> Option<NamedGroup> {
        self.suite_that(Exchange::has_field)?;
        let mut groups = self.groups.iter().copied();
        groups.find(|group| group.is_finite_field() && group.field_bits() < self.dh_minimum)
    }

    fn check_sizes(&self) -> Result<(), Misuse> {
        if let Some(limit) = self.record_size_limit
            && !(64..=16_385).contains(&limit)
        {
            return Err(Misuse::new(format!(
                "record_size_limit: {limit} is outside of 64..=16385 (RFC 8449 §4)"
            )));
        }
        if !(64..=MAX_PLAINTEXT).contains(&self.max_fragment_sent.into()) {
            return Err(Misuse::new(format!(
                "max_fragment_sent: {} is outside of 64..=16384",
                self.max_fragment_sent
            )));
        }
        self.check_compression()?;
        if !(1_024..=0xff_ffff).contains(&self.max_handshake_size) {
            return Err(Misuse::new(format!(
                "max_handshake_size: {} is outside of 1024..=16777215",
                self.max_handshake_size
            )));
        }
        #[cfg(feature = "finite-field")]
        if !(LEAST_BITS..=MOST_BITS).contains(&self.dh_minimum) {
            return Err(Misuse::new(format!(
                "dh_minimum: {} is outside of {LEAST_BITS}..={MOST_BITS}",
                self.dh_minimum
            )));
        }
        #[cfg(any(feature = "ffi", test))]
        if !(LEAST_KEY_BITS..=USUAL_KEY_BITS).contains(&self.key_minimum) {
            return Err(Misuse::new(format!(
                "key_minimum: {} is outside of {LEAST_KEY_BITS}..={USUAL_KEY_BITS}",
                self.key_minimum
            )));
        }
        if let Some(group) = self.weak_group() {
            return Err(Misuse::new(format!(
                "groups: {group} has {} bits and `dh_minimum` is {}; leave the group out, or lower that",
                group.field_bits(),
                self.dh_minimum
            )));
        }
        if self.key_update_at == 0 {
            return Err(Misuse::new("key_update_at: must be at least 1 byte"));
        }
        Ok(())
    }
}

/// Refuses a list of authorities that no message could hold (RFC 8446 §4.2.4).
pub(super) fn check_authorities(roots: &Roots) -> Result<(), Misuse> {
    /// Half of what the block of extensions can hold (§4.2): other lists are in it too.
    const MOST: usize = 0x7fff;
    let bytes: usize = roots.subjects().map(|name| name.len() + 2).sum();
    if bytes > MOST {
        return Err(Misuse::new(format!(
            "send_certificate_authorities: the names of the {} trust anchors have {bytes} bytes and \
             may have {MOST}; do not send them",
            roots.len()
        )));
    }
    Ok(())
}

/// A list the peer is offered names what there is, and is as [`distinct`] wants it.
pub(super) fn implemented<T: PartialEq + core::fmt::Display + core::fmt::Debug>(
    option: &str,
    list: &[T],
    supported: &[T],
) -> Result<(), Misuse> {
    distinct(option, list)?;
    match list.iter().find(|value| !supported.contains(value)) {
        None => Ok(()),
        Some(value) => Err(Misuse::new(format!(
            "{option}: {value} is not implemented here; choose from {supported:?}"
        ))),
    }
}

/// A list the peer is offered must not be empty, nor name anything twice.
pub(super) fn distinct<T: PartialEq + core::fmt::Display>(
    option: &str,
    list: &[T],
) -> Result<(), Misuse> {
    if list.is_empty() {
        return Err(Misuse::new(format!(
            "{option}: the list is empty; name at least one"
        )));
    }
    for (index, value) in list.iter().enumerate() {
        if list.iter().skip(index + 1).any(|other| other == value) {
            return Err(Misuse::new(format!("{option}: {value} is there twice")));
        }
    }
    Ok(())
}
