//! What is no default before TLS 1.3: versions, key exchanges and ciphers that both ends name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis_core::ProtocolVersion;
use portcullis_core::session::ClientSession;
use portcullis_core::suite::{Authentication, CipherSuite, KeyExchange};

use crate::end;
use crate::settings::Settings;

/// The bits of the last byte of the settings that mean this.
pub const OTHER: u8 = 3 << 5;

/// Each key exchange with each kind of cipher.
pub const SUITES: [CipherSuite; 28] = [
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_PSK_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DHE_PSK_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDH_anon_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DH_anon_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DHE_RSA_WITH_DES_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_RC4_128_MD5,
    CipherSuite::TLS_RSA_WITH_3DES_EDE_CBC_SHA,
    CipherSuite::TLS_PSK_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_PSK_WITH_RC4_128_SHA,
    CipherSuite::TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_DHE_PSK_WITH_AES_256_CBC_SHA384,
    CipherSuite::TLS_DHE_PSK_WITH_RC4_128_SHA,
    CipherSuite::TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA,
    CipherSuite::TLS_DH_anon_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DH_anon_WITH_RC4_128_MD5,
];

/// What came later: the last values of the byte, which had meant the first suites.
pub const LATER: [CipherSuite; 7] = [
    CipherSuite::TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_DHE_DSS_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_SRP_SHA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_RSA_PSK_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_RSA_PSK_WITH_AES_128_CBC_SHA,
];

const FIRST_LATER: u8 = u8::MAX - LATER.len() as u8 + 1;

/// The bytes that mean one suite each.
pub fn bytes() -> impl Iterator<Item = u8> + Clone {
    (0..SUITES.len() as u8).chain(FIRST_LATER..=u8::MAX)
}

fn suite_of(byte: u8) -> CipherSuite {
    match byte.checked_sub(FIRST_LATER) {
        Some(later) => LATER[usize::from(later)],
        None => SUITES[usize::from(byte) % SUITES.len()],
    }
}

const V1_2: &[ProtocolVersion] = &[ProtocolVersion::TLS_1_2];
const V1_1: &[ProtocolVersion] = &[ProtocolVersion::TLS_1_1];
const V1_0: &[ProtocolVersion] = &[ProtocolVersion::TLS_1_0];
const ALL: &[ProtocolVersion] = &[
    ProtocolVersion::TLS_1_2,
    ProtocolVersion::TLS_1_1,
    ProtocolVersion::TLS_1_0,
];

/// What both ends name.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    pub suite: CipherSuite,
    /// Of the client and of the server.
    pub versions: [&'static [ProtocolVersion]; 2],
    /// Of the client and of the server.
    pub encrypt_then_mac: [bool; 2],
    pub extended_master_secret: [bool; 2],
    pub splits: [u8; 2],
}

impl Other {
    /// The suite is in the first byte, the versions in bits 4 and 5 of the third, which chooses key
    /// shares in TLS 1.3, and the rest in the sixth, which there is about padding.
    pub fn new([suite, _, versions, _, _, rest, _, last]: [u8; 8]) -> Option<Self> {
        if last & 0b1110_0000 != OTHER {
            return None;
        }
        let suite = suite_of(suite);
        let versions = match versions >> 4 & 3 {
            _ if info(suite).since == ProtocolVersion::TLS_1_2 => [V1_2, V1_2],
            0 => [V1_2, V1_2],
            1 => [V1_1, V1_1],
            2 => [V1_0, V1_0],
            _ => [ALL, V1_0],
        };
        let is_on = |bit: u8| rest >> bit & 1 == 0;
        Some(Self {
            suite,
            versions,
            encrypt_then_mac: [is_on(0), is_on(2)],
            splits: [rest >> 1 & 1, rest >> 3 & 1],
            extended_master_secret: [is_on(4), is_on(5)],
        })
    }

    /// What a handshake of these ends has.
    pub fn version(&self) -> ProtocolVersion {
        self.versions[1][0]
    }

    pub fn authentication(&self) -> Authentication {
        info(self.suite).authentication
    }

    pub fn shows_certificate(&self) -> bool {
        matches!(
            self.authentication(),
            Authentication::Rsa | Authentication::Dss | Authentication::Ecdsa
        )
    }

    /// RFC 4279 has no CertificateRequest.
    pub fn requests_certificate(&self) -> bool {
        self.shows_certificate() && !self.has_key()
    }

    /// Whether both ends share a key.
    pub fn has_key(&self) -> bool {
        self.authentication() == Authentication::Psk
            || info(self.suite).key_exchange == KeyExchange::RsaPsk
    }

    /// Whether the client logs in with a password.
    pub fn has_user(&self) -> bool {
        info(self.suite).key_exchange == KeyExchange::Srp
    }

    /// Whether the key of the server's certificate is half of the secret.
    pub fn agrees_by_certificate(&self) -> bool {
        info(self.suite).key_exchange == KeyExchange::Ecdh
    }

    pub fn has_curve(&self) -> bool {
        matches!(
            info(self.suite).key_exchange,
            KeyExchange::Ecdhe | KeyExchange::EcdhePsk
        )
    }

    /// A session of the same ends, which the servers here know.
    pub fn session(raw: [u8; 8]) -> Option<ClientSession> {
        static SESSIONS: Mutex<Option<HashMap<[u8; 4], Option<ClientSession>>>> = Mutex::new(None);
        let [suite, _, versions, authentication, _, rest, ..] = raw;
        let suite = match suite {
            FIRST_LATER.. => suite,
            _ => suite % SUITES.len() as u8,
        };
        let (versions, rest) = (versions & 0x30, rest & 0x35);
        let authentication = if authentication & 4 != 0 { 6 } else { 0 };
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = sessions.get_or_insert_default();
        let key = [suite, versions, authentication, rest];
        let session = sessions.entry(key).or_insert_with(|| {
            // With tickets, and with the curve of the server's certificate.
            let raw = [suite, 0x33, versions, authentication, 0, rest, 0, 3 | OTHER];
            end::sessions(&Settings::new(raw)).0.pop()
        });
        session.clone()
    }
}

fn info(suite: CipherSuite) -> &'static portcullis_core::suite::SuiteInfo {
    suite.info().expect("a suite of the table")
}
