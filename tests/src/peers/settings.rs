//! What a peer is told to do, in terms common to all peers.

use crate::pki::{Identity, Root, pki};

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// TLS 1.0, which rustls does not have.
    Tls10,
    /// TLS 1.1, which rustls does not have.
    Tls11,
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

impl Version {
    /// Reads any of the peers' spellings: `TLSv1.3`, `TLS1.3`, `tlsv1.3`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().replace('v', "").as_str() {
            // As OpenSSL, GnuTLS and Erlang call it.
            "tls1" | "tls1.0" => Some(Self::Tls10),
            "tls1.1" => Some(Self::Tls11),
            "tls1.2" => Some(Self::Tls12),
            "tls1.3" => Some(Self::Tls13),
            _ => None,
        }
    }
}

/// A group for the key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// x25519
    X25519,
    /// secp256r1, P-256
    Secp256r1,
    /// secp384r1, P-384
    Secp384r1,
    /// secp521r1, P-521
    Secp521r1,
    /// X25519MLKEM768
    X25519MlKem768,
    /// SecP256r1MLKEM768
    Secp256r1MlKem768,
    /// x448
    X448,
    /// ffdhe2048
    Ffdhe2048,
    /// ffdhe3072
    Ffdhe3072,
    /// ffdhe4096
    Ffdhe4096,
    /// ffdhe6144
    Ffdhe6144,
    /// ffdhe8192
    Ffdhe8192,
    /// brainpoolP256r1, before TLS 1.3
    BrainpoolP256r1,
    /// brainpoolP384r1, before TLS 1.3
    BrainpoolP384r1,
    /// brainpoolP512r1, before TLS 1.3
    BrainpoolP512r1,
}

impl Group {
    /// Those of RFC 7027, which GnuTLS does not have.
    pub const BRAINPOOL: [Self; 3] = [
        Self::BrainpoolP256r1,
        Self::BrainpoolP384r1,
        Self::BrainpoolP512r1,
    ];

    /// Those of TLS 1.3 that our side has where they are named.
    pub const NAMED: [Self; 6] = [
        Self::X448,
        Self::Ffdhe2048,
        Self::Ffdhe3072,
        Self::Ffdhe4096,
        Self::Ffdhe6144,
        Self::Ffdhe8192,
    ];

    /// The code point in the TLS Supported Groups registry.
    pub fn code_point(self) -> u16 {
        match self {
            Self::X25519 => 0x001d,
            Self::Secp256r1 => 0x0017,
            Self::Secp384r1 => 0x0018,
            Self::Secp521r1 => 0x0019,
            Self::X25519MlKem768 => 0x11ec,
            Self::Secp256r1MlKem768 => 0x11eb,
            Self::X448 => 0x001e,
            Self::Ffdhe2048 => 0x0100,
            Self::Ffdhe3072 => 0x0101,
            Self::Ffdhe4096 => 0x0102,
            Self::Ffdhe6144 => 0x0103,
            Self::Ffdhe8192 => 0x0104,
            Self::BrainpoolP256r1 => 0x001a,
            Self::BrainpoolP384r1 => 0x001b,
            Self::BrainpoolP512r1 => 0x001c,
        }
    }

    /// The name in the TLS Supported Groups registry.
    pub fn name(self) -> &'static str {
        match self {
            Self::X25519 => "x25519",
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
            Self::Secp521r1 => "secp521r1",
            Self::X25519MlKem768 => "X25519MLKEM768",
            Self::Secp256r1MlKem768 => "SecP256r1MLKEM768",
            Self::X448 => "x448",
            Self::Ffdhe2048 => "ffdhe2048",
            Self::Ffdhe3072 => "ffdhe3072",
            Self::Ffdhe4096 => "ffdhe4096",
            Self::Ffdhe6144 => "ffdhe6144",
            Self::Ffdhe8192 => "ffdhe8192",
            Self::BrainpoolP256r1 => "brainpoolP256r1",
            Self::BrainpoolP384r1 => "brainpoolP384r1",
            Self::BrainpoolP512r1 => "brainpoolP512r1",
        }
    }

    /// The group whose registered name is `name`, in upper or lower case.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::X25519,
            Self::Secp256r1,
            Self::Secp384r1,
            Self::Secp521r1,
            Self::X25519MlKem768,
            Self::Secp256r1MlKem768,
        ]
        .into_iter()
        .chain(Self::NAMED)
        .chain(Self::BRAINPOOL)
        .find(|group| group.name().eq_ignore_ascii_case(name))
    }
}

/// A cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// TLS_AES_128_GCM_SHA256
    Aes128Gcm,
    /// TLS_AES_256_GCM_SHA384
    Aes256Gcm,
    /// TLS_CHACHA20_POLY1305_SHA256
    Chacha20Poly1305,
    /// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    EcdheEcdsaAes128Gcm,
    /// TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    EcdheEcdsaAes256Gcm,
    /// TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    EcdheEcdsaChacha20Poly1305,
    /// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    EcdheRsaAes128Gcm,
    /// TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    EcdheRsaAes256Gcm,
    /// TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    EcdheRsaChacha20Poly1305,
    /// TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    EcdheEcdsaAes128CbcSha,
    /// TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    EcdheEcdsaAes256CbcSha,
    /// TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
    EcdheEcdsaAes128CbcSha256,
    /// TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384
    EcdheEcdsaAes256CbcSha384,
    /// TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
    EcdheRsaAes128CbcSha,
    /// TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
    EcdheRsaAes256CbcSha,
    /// TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256
    EcdheRsaAes128CbcSha256,
    /// TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384
    EcdheRsaAes256CbcSha384,
    /// TLS_AES_128_CCM_SHA256
    Aes128Ccm,
    /// TLS_AES_128_CCM_8_SHA256
    Aes128Ccm8,
    /// TLS_ECDHE_ECDSA_WITH_AES_128_CCM
    EcdheEcdsaAes128Ccm,
    /// TLS_ECDHE_ECDSA_WITH_AES_256_CCM
    EcdheEcdsaAes256Ccm,
    /// TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
    EcdheEcdsaAes128Ccm8,
    /// TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8
    EcdheEcdsaAes256Ccm8,
    /// TLS_RSA_WITH_AES_128_GCM_SHA256
    RsaAes128Gcm,
    /// TLS_RSA_WITH_AES_256_GCM_SHA384
    RsaAes256Gcm,
    /// TLS_RSA_WITH_AES_128_CBC_SHA256
    RsaAes128CbcSha256,
    /// TLS_RSA_WITH_AES_256_CBC_SHA256
    RsaAes256CbcSha256,
    /// TLS_RSA_WITH_AES_128_CBC_SHA
    RsaAes128CbcSha,
    /// TLS_RSA_WITH_AES_256_CBC_SHA
    RsaAes256CbcSha,
    /// TLS_DHE_RSA_WITH_AES_256_GCM_SHA384
    DheRsaAes256Gcm,
    /// TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    DheRsaChacha20Poly1305,
    /// TLS_DHE_RSA_WITH_AES_128_GCM_SHA256
    DheRsaAes128Gcm,
    /// TLS_DHE_RSA_WITH_AES_256_CBC_SHA256
    DheRsaAes256CbcSha256,
    /// TLS_DHE_RSA_WITH_AES_128_CBC_SHA256
    DheRsaAes128CbcSha256,
    /// TLS_DHE_RSA_WITH_AES_256_CBC_SHA
    DheRsaAes256CbcSha,
    /// TLS_DHE_RSA_WITH_AES_128_CBC_SHA
    DheRsaAes128CbcSha,
}

impl Suite {
    /// All of TLS 1.3.
    pub const TLS13: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::Chacha20Poly1305];

    /// Those of TLS 1.2 for a key that can sign as ECDSA or EdDSA does (RFC 8422 §2.1).
    pub const ECDHE_ECDSA: [Self; 3] = [
        Self::EcdheEcdsaAes128Gcm,
        Self::EcdheEcdsaAes256Gcm,
        Self::EcdheEcdsaChacha20Poly1305,
    ];

    /// Those of TLS 1.2 for an RSA key.
    pub const ECDHE_RSA: [Self; 3] = [
        Self::EcdheRsaAes128Gcm,
        Self::EcdheRsaAes256Gcm,
        Self::EcdheRsaChacha20Poly1305,
    ];

    /// Those of ECDHE_ECDSA with CBC, which our side has where they are named.
    pub const CBC_ECDSA: [Self; 4] = [
        Self::EcdheEcdsaAes128CbcSha,
        Self::EcdheEcdsaAes256CbcSha,
        Self::EcdheEcdsaAes128CbcSha256,
        Self::EcdheEcdsaAes256CbcSha384,
    ];

    /// Those of ECDHE_RSA with CBC.
    pub const CBC_RSA: [Self; 4] = [
        Self::EcdheRsaAes128CbcSha,
        Self::EcdheRsaAes256CbcSha,
        Self::EcdheRsaAes128CbcSha256,
        Self::EcdheRsaAes256CbcSha384,
    ];

    /// Those of TLS 1.3 with CCM, which our side has where they are named.
    pub const CCM_TLS13: [Self; 2] = [Self::Aes128Ccm, Self::Aes128Ccm8];

    /// Those of ECDHE_ECDSA with CCM, likewise.
    pub const CCM_ECDSA: [Self; 4] = [
        Self::EcdheEcdsaAes128Ccm,
        Self::EcdheEcdsaAes256Ccm,
        Self::EcdheEcdsaAes128Ccm8,
        Self::EcdheEcdsaAes256Ccm8,
    ];

    /// Those of RSA key exchange, likewise; the last two are also for versions before TLS 1.2.
    pub const RSA: [Self; 6] = [
        Self::RsaAes128Gcm,
        Self::RsaAes256Gcm,
        Self::RsaAes128CbcSha256,
        Self::RsaAes256CbcSha256,
        Self::RsaAes128CbcSha,
        Self::RsaAes256CbcSha,
    ];

    /// Those of DHE_RSA, likewise.
    pub const DHE_RSA: [Self; 7] = [
        Self::DheRsaAes256Gcm,
        Self::DheRsaChacha20Poly1305,
        Self::DheRsaAes128Gcm,
        Self::DheRsaAes256CbcSha256,
        Self::DheRsaAes128CbcSha256,
        Self::DheRsaAes256CbcSha,
        Self::DheRsaAes128CbcSha,
    ];

    /// The name in the TLS Cipher Suites registry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "TLS_AES_128_GCM_SHA256",
            Self::Aes256Gcm => "TLS_AES_256_GCM_SHA384",
            Self::Chacha20Poly1305 => "TLS_CHACHA20_POLY1305_SHA256",
            Self::EcdheEcdsaAes128Gcm => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheEcdsaAes256Gcm => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheEcdsaChacha20Poly1305 => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::EcdheRsaAes128Gcm => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            Self::EcdheRsaAes256Gcm => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            Self::EcdheRsaChacha20Poly1305 => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::EcdheEcdsaAes128CbcSha => "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
            Self::EcdheEcdsaAes256CbcSha => "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
            Self::EcdheEcdsaAes128CbcSha256 => "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
            Self::EcdheEcdsaAes256CbcSha384 => "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
            Self::EcdheRsaAes128CbcSha => "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
            Self::EcdheRsaAes256CbcSha => "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
            Self::EcdheRsaAes128CbcSha256 => "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
            Self::EcdheRsaAes256CbcSha384 => "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
            Self::Aes128Ccm => "TLS_AES_128_CCM_SHA256",
            Self::Aes128Ccm8 => "TLS_AES_128_CCM_8_SHA256",
            Self::EcdheEcdsaAes128Ccm => "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
            Self::EcdheEcdsaAes256Ccm => "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
            Self::EcdheEcdsaAes128Ccm8 => "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
            Self::EcdheEcdsaAes256Ccm8 => "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
            Self::RsaAes128Gcm => "TLS_RSA_WITH_AES_128_GCM_SHA256",
            Self::RsaAes256Gcm => "TLS_RSA_WITH_AES_256_GCM_SHA384",
            Self::RsaAes128CbcSha256 => "TLS_RSA_WITH_AES_128_CBC_SHA256",
            Self::RsaAes256CbcSha256 => "TLS_RSA_WITH_AES_256_CBC_SHA256",
            Self::RsaAes128CbcSha => "TLS_RSA_WITH_AES_128_CBC_SHA",
            Self::RsaAes256CbcSha => "TLS_RSA_WITH_AES_256_CBC_SHA",
            Self::DheRsaAes256Gcm => "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
            Self::DheRsaChacha20Poly1305 => "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            Self::DheRsaAes128Gcm => "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
            Self::DheRsaAes256CbcSha256 => "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
            Self::DheRsaAes128CbcSha256 => "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
            Self::DheRsaAes256CbcSha => "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
            Self::DheRsaAes128CbcSha => "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
        }
    }

    /// The code point in that registry.
    pub fn code_point(self) -> u16 {
        match self {
            Self::Aes128Gcm => 0x1301,
            Self::Aes256Gcm => 0x1302,
            Self::Chacha20Poly1305 => 0x1303,
            Self::EcdheEcdsaAes128Gcm => 0xc02b,
            Self::EcdheEcdsaAes256Gcm => 0xc02c,
            Self::EcdheEcdsaChacha20Poly1305 => 0xcca9,
            Self::EcdheRsaAes128Gcm => 0xc02f,
            Self::EcdheRsaAes256Gcm => 0xc030,
            Self::EcdheRsaChacha20Poly1305 => 0xcca8,
            Self::EcdheEcdsaAes128CbcSha => 0xc009,
            Self::EcdheEcdsaAes256CbcSha => 0xc00a,
            Self::EcdheEcdsaAes128CbcSha256 => 0xc023,
            Self::EcdheEcdsaAes256CbcSha384 => 0xc024,
            Self::EcdheRsaAes128CbcSha => 0xc013,
            Self::EcdheRsaAes256CbcSha => 0xc014,
            Self::EcdheRsaAes128CbcSha256 => 0xc027,
            Self::EcdheRsaAes256CbcSha384 => 0xc028,
            Self::Aes128Ccm => 0x1304,
            Self::Aes128Ccm8 => 0x1305,
            Self::EcdheEcdsaAes128Ccm => 0xc0ac,
            Self::EcdheEcdsaAes256Ccm => 0xc0ad,
            Self::EcdheEcdsaAes128Ccm8 => 0xc0ae,
            Self::EcdheEcdsaAes256Ccm8 => 0xc0af,
            Self::RsaAes128Gcm => 0x009c,
            Self::RsaAes256Gcm => 0x009d,
            Self::RsaAes128CbcSha256 => 0x003c,
            Self::RsaAes256CbcSha256 => 0x003d,
            Self::RsaAes128CbcSha => 0x002f,
            Self::RsaAes256CbcSha => 0x0035,
            Self::DheRsaAes256Gcm => 0x009f,
            Self::DheRsaChacha20Poly1305 => 0xccaa,
            Self::DheRsaAes128Gcm => 0x009e,
            Self::DheRsaAes256CbcSha256 => 0x006b,
            Self::DheRsaAes128CbcSha256 => 0x0067,
            Self::DheRsaAes256CbcSha => 0x0039,
            Self::DheRsaAes128CbcSha => 0x0033,
        }
    }

    /// The name that OpenSSL has for it, and wolfSSL too but for those of TLS 1.3.
    pub fn openssl_name(self) -> &'static str {
        match self {
            Self::Aes128Gcm
            | Self::Aes256Gcm
            | Self::Chacha20Poly1305
            | Self::Aes128Ccm
            | Self::Aes128Ccm8 => self.name(),
            Self::EcdheEcdsaAes128Gcm => "ECDHE-ECDSA-AES128-GCM-SHA256",
            Self::EcdheEcdsaAes256Gcm => "ECDHE-ECDSA-AES256-GCM-SHA384",
            Self::EcdheEcdsaChacha20Poly1305 => "ECDHE-ECDSA-CHACHA20-POLY1305",
            Self::EcdheRsaAes128Gcm => "ECDHE-RSA-AES128-GCM-SHA256",
            Self::EcdheRsaAes256Gcm => "ECDHE-RSA-AES256-GCM-SHA384",
            Self::EcdheRsaChacha20Poly1305 => "ECDHE-RSA-CHACHA20-POLY1305",
            Self::EcdheEcdsaAes128CbcSha => "ECDHE-ECDSA-AES128-SHA",
            Self::EcdheEcdsaAes256CbcSha => "ECDHE-ECDSA-AES256-SHA",
            Self::EcdheEcdsaAes128CbcSha256 => "ECDHE-ECDSA-AES128-SHA256",
            Self::EcdheEcdsaAes256CbcSha384 => "ECDHE-ECDSA-AES256-SHA384",
            Self::EcdheRsaAes128CbcSha => "ECDHE-RSA-AES128-SHA",
            Self::EcdheRsaAes256CbcSha => "ECDHE-RSA-AES256-SHA",
            Self::EcdheRsaAes128CbcSha256 => "ECDHE-RSA-AES128-SHA256",
            Self::EcdheRsaAes256CbcSha384 => "ECDHE-RSA-AES256-SHA384",
            Self::EcdheEcdsaAes128Ccm => "ECDHE-ECDSA-AES128-CCM",
            Self::EcdheEcdsaAes256Ccm => "ECDHE-ECDSA-AES256-CCM",
            Self::EcdheEcdsaAes128Ccm8 => "ECDHE-ECDSA-AES128-CCM8",
            Self::EcdheEcdsaAes256Ccm8 => "ECDHE-ECDSA-AES256-CCM8",
            Self::RsaAes128Gcm => "AES128-GCM-SHA256",
            Self::RsaAes256Gcm => "AES256-GCM-SHA384",
            Self::RsaAes128CbcSha256 => "AES128-SHA256",
            Self::RsaAes256CbcSha256 => "AES256-SHA256",
            Self::RsaAes128CbcSha => "AES128-SHA",
            Self::RsaAes256CbcSha => "AES256-SHA",
            Self::DheRsaAes256Gcm => "DHE-RSA-AES256-GCM-SHA384",
            Self::DheRsaChacha20Poly1305 => "DHE-RSA-CHACHA20-POLY1305",
            Self::DheRsaAes128Gcm => "DHE-RSA-AES128-GCM-SHA256",
            Self::DheRsaAes256CbcSha256 => "DHE-RSA-AES256-SHA256",
            Self::DheRsaAes128CbcSha256 => "DHE-RSA-AES128-SHA256",
            Self::DheRsaAes256CbcSha => "DHE-RSA-AES256-SHA",
            Self::DheRsaAes128CbcSha => "DHE-RSA-AES128-SHA",
        }
    }

    /// The version that it belongs to.
    pub fn version(self) -> Version {
        if Self::TLS13.contains(&self) || Self::CCM_TLS13.contains(&self) {
            Version::Tls13
        } else {
            Version::Tls12
        }
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::TLS13
            .into_iter()
            .chain(Self::ECDHE_ECDSA)
            .chain(Self::ECDHE_RSA)
            .chain(Self::CBC_ECDSA)
            .chain(Self::CBC_RSA)
            .chain(Self::CCM_TLS13)
            .chain(Self::CCM_ECDSA)
            .chain(Self::RSA)
            .chain(Self::DHE_RSA)
    }

    /// The registered name of a suite that OpenSSL names; as it is if that is not one of ours.
    pub(super) fn registered_name(name: &str) -> String {
        let found = Self::all().find(|suite| suite.openssl_name() == name);
        found.map_or_else(|| name.to_owned(), |suite| suite.name().to_owned())
    }
}

/// How a peer is to be configured, as client or server. An empty list leaves the peer's default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The only version it may use.
    pub version: Version,
    /// The groups it may use, preferred first.
    pub groups: Vec<Group>,
    /// The cipher suites it may use, preferred first. GnuTLS cannot have one of ECDHE_ECDSA and
    /// another of ECDHE_RSA without the other two.
    pub suites: Vec<Suite>,
    /// Application protocols, preferred first.
    pub alpn: Vec<&'static str>,
    /// Its certificate; a server must have one.
    pub identity: Option<&'static Identity>,
    /// Client: the anchor to verify the server with, and it always verifies. Server: if there is
    /// one, a client certificate issued under it is required.
    pub root: Option<&'static Root>,
    /// Client: the name sent as SNI and looked for in the certificate.
    pub server_name: &'static str,
    /// Further words for the program's command line; for Erlang, further terms of the option list.
    /// rustls has no use for them.
    pub extra: Vec<String>,
}

impl Settings {
    /// A client of TLS 1.3 that trusts the test root and wants `localhost`.
    pub fn client() -> Self {
        Self {
            version: Version::Tls13,
            groups: Vec::new(),
            suites: Vec::new(),
            alpn: Vec::new(),
            identity: None,
            root: Some(&pki().root),
            server_name: "localhost",
            extra: Vec::new(),
        }
    }

    /// A server of TLS 1.3 with `identity` that asks for no client certificate.
    pub fn server(identity: &'static Identity) -> Self {
        Self {
            identity: Some(identity),
            root: None,
            ..Self::client()
        }
    }

    /// Limits it to one group.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.groups = vec![group];
        self
    }

    /// Limits it to one cipher suite.
    #[must_use]
    pub fn suite(mut self, suite: Suite) -> Self {
        self.suites = vec![suite];
        self
    }

    /// Sets the application protocols.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&'static str]) -> Self {
        self.alpn = protocols.to_vec();
        self
    }

    /// Gives a client its certificate.
    #[must_use]
    pub fn identity(mut self, identity: &'static Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the anchor: of a client, to verify the server; of a server, to require a client's
    /// certificate.
    #[must_use]
    pub fn root(mut self, root: &'static Root) -> Self {
        self.root = Some(root);
        self
    }

    /// Sets the only version.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Adds words to the program's command line (Erlang: terms to its option list).
    #[must_use]
    pub fn extra(mut self, words: &[&str]) -> Self {
        self.extra.extend(words.iter().map(ToString::to_string));
        self
    }

    fn joined<T: Copy>(list: &[T], spell: impl Fn(T) -> String, separator: &str) -> String {
        list.iter()
            .map(|item| spell(*item))
            .collect::<Vec<_>>()
            .join(separator)
    }

    /// The groups, spelled by `spell` and joined by `separator`.
    pub(super) fn spell_groups(&self, spell: impl Fn(Group) -> String, separator: &str) -> String {
        Self::joined(&self.groups, spell, separator)
    }

    /// The suites, spelled by `spell` and joined by `separator`.
    pub(super) fn spell_suites(&self, spell: impl Fn(Suite) -> String, separator: &str) -> String {
        Self::joined(&self.suites, spell, separator)
    }

    /// The identity of a server.
    pub(super) fn server_identity(&self) -> &'static Identity {
        self.identity
            .unwrap_or_else(|| panic!("a server needs an identity"))
    }
}
