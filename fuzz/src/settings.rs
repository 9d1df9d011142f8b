//! Two configurations out of eight bytes: any bytes are some, and all zeros are the defaults of
//! both ends but for the groups, which are the cheapest one.

use std::sync::LazyLock;

use portcullis_core::config::{
    BeastMitigation, ClientAuthentication, ClientConfig, ClientConfigBuilder, ExtendedMasterSecret,
    KeyShares, MaxFragmentLength, PaddingPolicy, PreSharedKey, ServerConfig, ServerConfigBuilder,
    ServerNameIndication, SrpGroup, SrpUsers, SrpVerifier,
};
use portcullis_core::session::{ClientSession, TicketKeys};
use portcullis_core::suite::{Authentication, CipherSuite};
use portcullis_core::{NamedGroup, ProtocolVersion, SignatureScheme};

use crate::end;
use crate::other::Other;
use crate::pki::{Leaf, pki};

const SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS_AES_128_GCM_SHA256,
    CipherSuite::TLS_AES_256_GCM_SHA384,
    CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
];
/// With the same ciphers, before TLS 1.3. Both leaves here have keys that go with them.
const OLDER_SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];
const GROUPS: [NamedGroup; 4] = [
    NamedGroup::X25519,
    NamedGroup::SECP256R1,
    NamedGroup::X25519_MLKEM768,
    NamedGroup::SECP384R1,
];
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];
/// Those of the certificates here.
pub const SCHEMES: [SignatureScheme; 2] = [
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_SECP256R1_SHA256,
];
/// And those of the RSA key and the DSA key, before TLS 1.3.
const OTHER_SCHEMES: [SignatureScheme; 4] = [
    SCHEMES[0],
    SCHEMES[1],
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::DSA_SHA256,
];

/// What both ends want.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of the client and of the server, the newest first.
    pub versions: [&'static [ProtocolVersion]; 2],
    /// Those of every version that it has.
    pub client_suites: Vec<CipherSuite>,
    pub server_suites: Vec<CipherSuite>,
    pub client_groups: Vec<NamedGroup>,
    pub server_groups: Vec<NamedGroup>,
    pub client_protocols: Vec<&'static str>,
    pub server_protocols: Vec<&'static str>,
    pub client_identity: bool,
    pub server_p256: bool,
    /// 0: none, 1: optional, 2: required, 3: unverified.
    pub client_authentication: u8,
    pub verifies_server: bool,
    /// What the client offers to resume: the server's keys open it.
    pub sessions: Vec<ClientSession>,
    /// Whether both ends of TLS 1.3 share a key; it is imported if that is so.
    pub shared_key: Option<bool>,
    /// What both ends have named before TLS 1.3.
    pub other: Option<Other>,
    /// How often the server asks for a certificate after the handshake, and then not in it.
    pub asks_later: usize,
    raw: [u8; 8],
}

const V1_2: ProtocolVersion = ProtocolVersion::TLS_1_2;
const NEWEST: &[ProtocolVersion] = &[ProtocolVersion::TLS_1_3];
const OLD: &[ProtocolVersion] = &[ProtocolVersion::TLS_1_2];
const BOTH: &[ProtocolVersion] = &[ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

/// The bits of the last byte for TLS 1.2 and nothing else.
pub const OLDER: u8 = 1 << 5;
/// The bits that say which versions there are.
const VERSIONS: u8 = 0b1110_0000;

/// Of client and server. 0, 6 and 7 stand in inputs that are older than this choice; 3 is
/// [`OTHER`](crate::other::OTHER).
fn versions(last: u8) -> [&'static [ProtocolVersion]; 2] {
    match (last & VERSIONS) >> 5 {
        1 => [OLD, OLD],
        2 => [BOTH, OLD],
        4 => [OLD, BOTH],
        5 => [BOTH, BOTH],
        _ => [NEWEST, NEWEST],
    }
}

/// A session that the servers here know, of a full handshake of the same settings' identities.
fn session(sha384: bool, client_identity: bool, older: bool) -> ClientSession {
    static SESSIONS: LazyLock<Vec<ClientSession>> = LazyLock::new(|| {
        (0..8_u8)
            .map(|choice| {
                let suites = [9, 18][usize::from(choice & 1)];
                let authentication = [0, 6][usize::from(choice >> 1 & 1)];
                let version = [0, OLDER][usize::from(choice >> 2)];
                let last = 3 | version;
                let settings = Settings::new([suites, 0, 0, authentication, 0, 0, 0, last]);
                end::sessions(&settings).0.swap_remove(0)
            })
            .collect()
    });
    let choice = usize::from(sha384) + 2 * usize::from(client_identity) + 4 * usize::from(older);
    SESSIONS[choice].clone()
}

/// Those of `all` that the mask names; all of them if it names none.
fn some<T: Copy>(all: &[T], mask: u8) -> Vec<T> {
    let chosen: Vec<T> = (0..)
        .zip(all)
        .filter(|(bit, _)| mask >> bit & 1 != 0)
        .map(|(_, item)| *item)
        .collect();
    if chosen.is_empty() {
        all.to_vec()
    } else {
        chosen
    }
}

fn bit(byte: u8, index: u8) -> bool {
    byte >> index & 1 != 0
}

impl Settings {
    pub fn new(raw: [u8; 8]) -> Self {
        let [suites, groups, names, authentication, ..] = raw;
        let has_certificates = Other::new(raw).is_none_or(|other| other.shows_certificate());
        let requested = Other::new(raw).is_none_or(|other| other.requests_certificate());
        let protocols = |mask: u8| match mask & 3 {
            0 => Vec::new(),
            mask => some(&PROTOCOLS, mask),
        };
        let other = Other::new(raw);
        let versions = other.map_or_else(|| versions(raw[7]), |other| other.versions);
        let older = other.is_some() || versions.contains(&OLD);
        let groups_of = |mask: u8| {
            let mut groups = match mask & 15 {
                0 => Vec::new(),
                mask => some(&GROUPS, mask),
            };
            // TLS 1.2 has no hybrids.
            groups.retain(|group| !older || *group != NamedGroup::X25519_MLKEM768);
            if !groups
                .iter()
                .any(|group| *group != NamedGroup::X25519_MLKEM768)
                && (groups.is_empty() || versions.contains(&BOTH))
            {
                groups.push(NamedGroup::X25519);
            }
            groups
        };
        let suites_of = |versions: &[ProtocolVersion], mask: u8| {
            if let Some(other) = other {
                return vec![other.suite];
            }
            let mut all = Vec::new();
            if versions.contains(&ProtocolVersion::TLS_1_3) {
                all.extend(some(&SUITES, mask));
            }
            if versions.contains(&ProtocolVersion::TLS_1_2) {
                all.extend(some(&OLDER_SUITES, mask));
            }
            all
        };
        Self {
            versions,
            client_suites: suites_of(versions[0], suites & 7),
            server_suites: suites_of(versions[1], suites >> 3 & 7),
            client_groups: groups_of(groups),
            server_groups: groups_of(groups >> 4),
            client_protocols: protocols(names),
            server_protocols: protocols(names >> 2),
            client_identity: bit(authentication, 2) && requested,
            // Before TLS 1.2 nobody can say that EdDSA is understood (RFC 8422 §5.1.3).
            server_p256: bit(names, 7) || other.is_some_and(|other| other.version() < V1_2),
            client_authentication: match requested {
                true => authentication & 3,
                false => 0,
            },
            verifies_server: !bit(authentication, 5) && has_certificates,
            sessions: (raw[7] & 5 == 5)
                .then(|| match other {
                    Some(_) => Other::session(raw),
                    None => Some(session(bit(raw[7], 3), bit(authentication, 2), older)),
                })
                .into_iter()
                .flatten()
                .collect(),
            // A session without tickets had meant nothing. Who requires a certificate takes no key.
            shared_key: (raw[7] & 5 == 4
                && other.is_none()
                && versions == [NEWEST, NEWEST]
                && authentication & 3 != 2)
                .then(|| bit(raw[7], 3)),
            other,
            asks_later: 0,
            raw,
        }
    }

    /// The same with a server that asks for a certificate later, if that may be: both have TLS 1.3 alone, and
    /// share no key.
    pub fn asking_later(mut self) -> Self {
        if self.versions == [NEWEST, NEWEST] && self.other.is_none() && self.shared_key.is_none() {
            self.asks_later = 1 + usize::from(self.raw[5] >> 4 & 3);
            self.client_authentication = self.client_authentication.max(1);
        }
        self
    }

    fn shared_key(&self) -> Option<PreSharedKey> {
        Some(match self.shared_key? {
            false => psk(),
            true => psk().imported("context").expect("a context"),
        })
    }

    /// The same where rustls has the versions and suites, and those of TLS 1.3 where it has not.
    pub fn of_rustls(mut raw: [u8; 8]) -> [u8; 8] {
        if Other::new(raw).is_some() {
            raw[7] &= !VERSIONS;
        }
        raw
    }

    /// The nearest settings that rustls can have as well.
    pub fn of_both(raw: [u8; 8]) -> [u8; 8] {
        let [suites, groups, names, authentication, _, padding, _, last] = Self::of_rustls(raw);
        let authentication = match authentication & 3 {
            3 => 2,
            choice => choice,
        } | authentication & 0b1_0100;
        [
            suites & 0x3f,
            groups,
            names & 0x8f,
            authentication,
            0,
            padding & 0x0f,
            0,
            last & VERSIONS,
        ]
    }

    /// Whether these two ends have enough in common to agree on parameters, if nobody disturbs
    /// them and questions get their default answers.
    pub fn fit(&self) -> bool {
        fn meet<T: PartialEq>(one: &[T], two: &[T]) -> bool {
            one.iter().any(|item| two.contains(item))
        }
        let (ours, theirs) = (&self.client_protocols, &self.server_protocols);
        self.has_curve()
            && meet(&self.client_suites, &self.server_suites)
            && (self.has_no_curve() || meet(&self.client_groups, &self.server_groups))
            && (ours.is_empty() || theirs.is_empty() || meet(ours, theirs))
    }

    /// Whether the suite that was named has no use for a curve.
    pub fn has_no_curve(&self) -> bool {
        self.other.is_some_and(|other| !other.has_curve())
    }

    /// Before TLS 1.3 a certificate for ECDSA is for clients that list its curve (RFC 8422 §5.1).
    fn has_curve(&self) -> bool {
        let curve = NamedGroup::SECP256R1;
        let is_shown = self
            .other
            .is_none_or(|other| other.authentication() == Authentication::Ecdsa);
        !self.is_older()
            || !self.server_p256
            || !is_shown
            || self.has_no_curve()
            || self.client_groups.contains(&curve)
    }

    /// Whether a session can connect them where no full handshake does: no certificate is shown.
    pub fn may_fit_by_resuming(&self) -> bool {
        !self.has_curve() && !self.sessions.is_empty()
    }

    /// Whether TLS 1.2 is the newest that both have.
    pub fn is_older(&self) -> bool {
        self.other.is_some() || self.versions.contains(&OLD)
    }

    /// Whether the client comes to the end of its handshake: that of TLS 1.3 sends the last message
    /// of it, and only then hears that its certificate is missing.
    pub fn client_connects(&self) -> bool {
        self.fit() && (self.satisfies() || !self.is_older())
    }

    /// Whether the client shows what the server requires.
    pub fn satisfies(&self) -> bool {
        self.client_authentication != 2 || self.client_identity || self.asks_later > 0
    }

    pub fn server_leaf(&self) -> &'static Leaf {
        let of_suite = self.other.and_then(|other| match other.authentication() {
            Authentication::Rsa => Some(&pki().rsa),
            Authentication::Dss => Some(&pki().dsa),
            _ if other.agrees_by_certificate() => Some(&pki().ecdh),
            _ => None,
        });
        of_suite.unwrap_or_else(|| match self.server_p256 {
            true => &pki().server_p256,
            false => &pki().server,
        })
    }

    /// Who a client is that shows a certificate.
    pub fn client_leaf(&self) -> &'static Leaf {
        match self.other {
            Some(_) => &pki().rsa,
            None => &pki().client,
        }
    }

    fn roots(&self) -> portcullis_core::x509::Roots {
        match self.other {
            Some(_) => pki().all_roots.clone(),
            None => pki().roots.clone(),
        }
    }

    /// Those that are named: before TLS 1.2, and without certificates, there is nothing to name.
    fn schemes(&self) -> Option<Vec<SignatureScheme>> {
        match self.other {
            None => Some(SCHEMES.to_vec()),
            Some(other) if other.version() == V1_2 && other.shows_certificate() => {
                Some(OTHER_SCHEMES.to_vec())
            }
            Some(_) => None,
        }
    }

    /// Bytes of content that every record may have, whatever was negotiated.
    pub fn fragment(&self) -> usize {
        let client = match self.max_fragment_length() {
            Some(length) => usize::from(length.bytes()),
            None => self
                .client_limit()
                .map_or(16_384, |limit| usize::from(limit) - 1),
        };
        let server = self
            .server_limit()
            .map_or(16_384, |limit| usize::from(limit) - 1);
        client.min(server)
    }

    /// Whether an end is asked what to make of its peer's certificate.
    pub fn asks_verification(&self, role: usize) -> bool {
        bit(self.raw[6], if role == 0 { 3 } else { 7 })
    }

    fn max_fragment_length(&self) -> Option<MaxFragmentLength> {
        match self.raw[4] & 15 {
            1 => Some(MaxFragmentLength::Bytes512),
            2 => Some(MaxFragmentLength::Bytes1024),
            3 => Some(MaxFragmentLength::Bytes2048),
            4 => Some(MaxFragmentLength::Bytes4096),
            _ => None,
        }
    }

    fn client_limit(&self) -> Option<u16> {
        match self.raw[4] & 15 {
            5 => Some(64),
            6 => Some(1_000),
            7 => Some(16_385),
            _ => None,
        }
    }

    fn server_limit(&self) -> Option<u16> {
        match self.raw[4] >> 4 {
            1 => Some(64),
            2 => Some(500),
            3 => Some(16_385),
            _ => None,
        }
    }

    fn padding(choice: u8) -> PaddingPolicy {
        match choice & 3 {
            1 => PaddingPolicy::Block(16),
            2 => PaddingPolicy::Block(1_000),
            3 => PaddingPolicy::Block(u16::MAX),
            _ => PaddingPolicy::None,
        }
    }

    /// Of a server that shows none there is nothing to ask about, and it knows no name.
    fn shows_certificate(&self) -> bool {
        self.other.is_none_or(|other| other.shows_certificate())
    }

    pub fn client(&self) -> ClientConfig {
        let [_, _, names, authentication, _, padding, asks, tickets] = self.raw;
        let builder: ClientConfigBuilder = if self.verifies_server {
            ClientConfig::builder(self.roots())
        } else {
            ClientConfig::dangerous_builder_without_verification()
        };
        let (first, last) = (self.client_groups[0], self.client_groups.last());
        let mut builder = builder
            .versions(self.versions[0])
            .cipher_suites(self.client_suites.clone())
            .alpn(&self.client_protocols)
            .key_shares(match names >> 4 & 3 {
                0 => KeyShares::Preferred,
                1 => KeyShares::Groups(vec![first]),
                2 => KeyShares::Groups(last.into_iter().copied().collect()),
                _ => KeyShares::Groups(Vec::new()),
            })
            .middlebox_compatibility(!bit(authentication, 3))
            .padding(Self::padding(padding))
            .pause_at_hello(bit(asks, 0))
            .ask_identity(bit(asks, 1))
            .ask_signature(bit(asks, 2))
            .ask_verification(bit(asks, 3) && self.shows_certificate())
            .session_tickets(bit(tickets, 0))
            .post_handshake_authentication(self.asks_later > 0)
            .observe_messages(bit(padding, 7))
            .key_log(true);
        if bit(authentication, 6) {
            builder = builder.server_name_indication(ServerNameIndication::Omit);
        }
        if !self.has_no_curve() {
            builder = builder.groups(self.client_groups.clone());
        }
        if let Some(schemes) = self.schemes() {
            builder = builder.signature_schemes(schemes);
        }
        if let Some(other) = &self.other {
            builder = other_client(builder, other);
        }
        if let Some(key) = self.shared_key() {
            builder = builder.psk(key);
        }
        if self.client_identity {
            builder = builder.identity(self.client_leaf().identity.clone());
        }
        if let Some(length) = self.max_fragment_length() {
            builder = builder.max_fragment_length(length);
        }
        if let Some(limit) = self.client_limit() {
            builder = builder.record_size_limit(limit);
        }
        builder.build().expect("the client's settings are sound")
    }

    pub fn server(&self) -> ServerConfig {
        let [suites, _, names, authentication, _, padding, asks, tickets] = self.raw;
        let roots = || self.roots();
        let mut builder = ServerConfig::builder()
            .versions(self.versions[1])
            .cipher_suites(self.server_suites.clone())
            .alpn(&self.server_protocols)
            .client_authentication(match self.client_authentication {
                1 => ClientAuthentication::Optional(roots()),
                2 => ClientAuthentication::Required(roots()),
                3 => ClientAuthentication::DangerouslyUnverified,
                _ => ClientAuthentication::None,
            })
            .honor_cipher_order(!bit(suites, 6))
            .chacha20_for_clients_without_aes(!bit(suites, 7))
            .honor_group_order(!bit(names, 6))
            .cookie(bit(authentication, 4))
            .refuse_unknown_names(bit(authentication, 7) && self.shows_certificate())
            .padding(Self::padding(padding >> 2))
            .pause_at_hello(bit(asks, 4))
            .ask_identity(bit(asks, 5))
            .ask_signature(bit(asks, 6))
            .ask_verification(bit(asks, 7) && self.shows_certificate())
            .ask_tickets(bit(tickets, 4))
            .post_handshake_authentication(self.asks_later > 0)
            .observe_messages(bit(padding, 7))
            .key_log(true);
        if !self.has_no_curve() {
            builder = builder.groups(self.server_groups.clone());
        }
        if let Some(schemes) = self.schemes() {
            builder = builder.signature_schemes(schemes);
        }
        if self.shows_certificate() {
            builder = builder.identity(self.server_leaf().identity.clone());
        }
        if let Some(other) = &self.other {
            builder = other_server(builder, other);
        }
        if let Some(key) = self.shared_key() {
            builder = builder.psk(key).ask_psk(bit(asks, 5));
        }
        if let Some(limit) = self.server_limit() {
            builder = builder.record_size_limit(limit);
        }
        // Tickets would move what comes after them, and keys of each run's own open nothing.
        builder = builder.resumption(false);
        if bit(tickets, 1) {
            let keys = TicketKeys::shared([&[7; TicketKeys::SECRET_LEN]]);
            builder = builder.ticket_keys(keys.expect("one key"));
        }
        builder.build().expect("the server's settings are sound")
    }
}

fn psk() -> PreSharedKey {
    PreSharedKey::new("identity", [7; 16]).expect("a key")
}

/// RFC 5054 appendix B: what a verifier is made of has to be the same each time. As short as that it takes
/// little time.
fn alice() -> SrpUsers {
    const SALT: [u8; 16] = 0xbeb2_5379_d1a8_581e_b5a7_2767_3a24_41ee_u128.to_be_bytes();
    static ALICE: LazyLock<SrpVerifier> = LazyLock::new(|| {
        let verifier = include_bytes!("../pki/alice.verifier");
        SrpVerifier::new("alice", SrpGroup::Bits1024, SALT, verifier).expect("a verifier")
    });
    let users = SrpUsers::new([ALICE.clone()]).expect("one user");
    users.seed([7; 16])
}

fn extended(is_on: bool) -> ExtendedMasterSecret {
    match is_on {
        true => ExtendedMasterSecret::IfOffered,
        false => ExtendedMasterSecret::Off,
    }
}

fn mitigation(choice: u8) -> BeastMitigation {
    match choice {
        0 => BeastMitigation::OneNMinusOne,
        _ => BeastMitigation::ZeroN,
    }
}

fn other_client(builder: ClientConfigBuilder, other: &Other) -> ClientConfigBuilder {
    let builder = builder
        .encrypt_then_mac(other.encrypt_then_mac[0])
        .beast_mitigation(mitigation(other.splits[0]))
        .extended_master_secret(extended(other.extended_master_secret[0]));
    match (other.has_key(), other.has_user()) {
        (true, _) => builder.psk(psk()),
        (_, true) => builder.srp("alice", "password123").dh_minimum(1024),
        _ => builder,
    }
}

fn other_server(builder: ServerConfigBuilder, other: &Other) -> ServerConfigBuilder {
    let builder = builder
        .encrypt_then_mac(other.encrypt_then_mac[1])
        .beast_mitigation(mitigation(other.splits[1]))
        .extended_master_secret(extended(other.extended_master_secret[1]));
    match (other.has_key(), other.has_user()) {
        (true, _) => builder.psk(psk()),
        (_, true) => builder.srp_users(alice()),
        _ => builder,
    }
}
