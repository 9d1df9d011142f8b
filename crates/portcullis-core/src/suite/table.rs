//! The one table of cipher suites, of all versions, strongest first.
//!
//! RFC 8446 B.4, RFC 5246 A.5, RFC 4492 and 8422, 4279, 5054, 5289, 5469, 5487, 5489, 6655, 7251,
//! 7905, 8442; names as the IANA registry has them.

use super::{
    Authentication, Cipher, CipherSuite, HashAlgorithm, KeyExchange, Mac, OfferedTo, SuiteInfo,
};
use crate::version::ProtocolVersion;

macro_rules! suites {
    ($($code:literal $name:ident $openssl:literal $kx:ident $auth:ident $cipher:ident $mac:ident $hash:ident $since:ident $offer:ident;)+) => {
        #[allow(non_upper_case_globals, reason = "`anon` is written small in the registry")]
        impl CipherSuite {
            $(
                #[doc = concat!("`", stringify!($name), "`, in OpenSSL `", $openssl, "`.")]
                pub const $name: Self = Self($code);
            )+

            /// What the suite is made of; `None` for a code point that is not in the table.
            pub const fn info(self) -> Option<&'static SuiteInfo> {
                match self.0 {
                    $($code => Some(&SuiteInfo {
                        suite: Self($code),
                        name: stringify!($name),
                        openssl_name: $openssl,
                        key_exchange: KeyExchange::$kx,
                        authentication: Authentication::$auth,
                        cipher: Cipher::$cipher,
                        mac: Mac::$mac,
                        hash: HashAlgorithm::$hash,
                        since: ProtocolVersion::$since,
                        offer: OfferedTo::$offer,
                    }),)+
                    _ => None,
                }
            }

            /// Every suite in the table, in its order; those of [`Self::SUPPORTED`] can be
            /// negotiated.
            pub const KNOWN: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

suites! {
    // code, RFC name, OpenSSL name, key exchange, authentication, cipher, mac, hash, since, offer
    // Offered by default, strongest first.
    0x1302 TLS_AES_256_GCM_SHA384 "TLS_AES_256_GCM_SHA384" Any Any Aes256Gcm Aead Sha384 TLS_1_3 Default;
    0x1301 TLS_AES_128_GCM_SHA256 "TLS_AES_128_GCM_SHA256" Any Any Aes128Gcm Aead Sha256 TLS_1_3 Default;
    0x1303 TLS_CHACHA20_POLY1305_SHA256 "TLS_CHACHA20_POLY1305_SHA256" Any Any Chacha20Poly1305 Aead Sha256 TLS_1_3 Default;
    0x1304 TLS_AES_128_CCM_SHA256 "TLS_AES_128_CCM_SHA256" Any Any Aes128Ccm Aead Sha256 TLS_1_3 Default;
    0x1305 TLS_AES_128_CCM_8_SHA256 "TLS_AES_128_CCM_8_SHA256" Any Any Aes128Ccm8 Aead Sha256 TLS_1_3 Default;
    0xc02c TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 "ECDHE-ECDSA-AES256-GCM-SHA384" Ecdhe Ecdsa Aes256Gcm Aead Sha384 TLS_1_2 Default;
    0xc030 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 "ECDHE-RSA-AES256-GCM-SHA384" Ecdhe Rsa Aes256Gcm Aead Sha384 TLS_1_2 Default;
    0xc0ad TLS_ECDHE_ECDSA_WITH_AES_256_CCM "ECDHE-ECDSA-AES256-CCM" Ecdhe Ecdsa Aes256Ccm Aead Sha256 TLS_1_2 Default;
    0xc0af TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8 "ECDHE-ECDSA-AES256-CCM8" Ecdhe Ecdsa Aes256Ccm8 Aead Sha256 TLS_1_2 Default;
    0xc024 TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 "ECDHE-ECDSA-AES256-SHA384" Ecdhe Ecdsa Aes256Cbc HmacSha384 Sha384 TLS_1_2 Default;
    0xc028 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 "ECDHE-RSA-AES256-SHA384" Ecdhe Rsa Aes256Cbc HmacSha384 Sha384 TLS_1_2 Default;
    0xcca9 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 "ECDHE-ECDSA-CHACHA20-POLY1305" Ecdhe Ecdsa Chacha20Poly1305 Aead Sha256 TLS_1_2 Default;
    0xcca8 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 "ECDHE-RSA-CHACHA20-POLY1305" Ecdhe Rsa Chacha20Poly1305 Aead Sha256 TLS_1_2 Default;
    0xc02b TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 "ECDHE-ECDSA-AES128-GCM-SHA256" Ecdhe Ecdsa Aes128Gcm Aead Sha256 TLS_1_2 Default;
    0xc02f TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 "ECDHE-RSA-AES128-GCM-SHA256" Ecdhe Rsa Aes128Gcm Aead Sha256 TLS_1_2 Default;
    0xc0ac TLS_ECDHE_ECDSA_WITH_AES_128_CCM "ECDHE-ECDSA-AES128-CCM" Ecdhe Ecdsa Aes128Ccm Aead Sha256 TLS_1_2 Default;
    0xc0ae TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 "ECDHE-ECDSA-AES128-CCM8" Ecdhe Ecdsa Aes128Ccm8 Aead Sha256 TLS_1_2 Default;
    0xc02e TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384 "ECDH-ECDSA-AES256-GCM-SHA384" Ecdh Ecdsa Aes256Gcm Aead Sha384 TLS_1_2 Default;
    0xc032 TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384 "ECDH-RSA-AES256-GCM-SHA384" Ecdh Rsa Aes256Gcm Aead Sha384 TLS_1_2 Default;
    0xc026 TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384 "ECDH-ECDSA-AES256-SHA384" Ecdh Ecdsa Aes256Cbc HmacSha384 Sha384 TLS_1_2 Default;
    0xc02a TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384 "ECDH-RSA-AES256-SHA384" Ecdh Rsa Aes256Cbc HmacSha384 Sha384 TLS_1_2 Default;
    0xc02d TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256 "ECDH-ECDSA-AES128-GCM-SHA256" Ecdh Ecdsa Aes128Gcm Aead Sha256 TLS_1_2 Default;
    0xc031 TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256 "ECDH-RSA-AES128-GCM-SHA256" Ecdh Rsa Aes128Gcm Aead Sha256 TLS_1_2 Default;
    0xc023 TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 "ECDHE-ECDSA-AES128-SHA256" Ecdhe Ecdsa Aes128Cbc HmacSha256 Sha256 TLS_1_2 Default;
    0xc027 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 "ECDHE-RSA-AES128-SHA256" Ecdhe Rsa Aes128Cbc HmacSha256 Sha256 TLS_1_2 Default;
    0xc025 TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256 "ECDH-ECDSA-AES128-SHA256" Ecdh Ecdsa Aes128Cbc HmacSha256 Sha256 TLS_1_2 Default;
    0xc029 TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256 "ECDH-RSA-AES128-SHA256" Ecdh Rsa Aes128Cbc HmacSha256 Sha256 TLS_1_2 Default;
    0x009f TLS_DHE_RSA_WITH_AES_256_GCM_SHA384 "DHE-RSA-AES256-GCM-SHA384" Dhe Rsa Aes256Gcm Aead Sha384 TLS_1_2 Default;
    0x00a3 TLS_DHE_DSS_WITH_AES_256_GCM_SHA384 "DHE-DSS-AES256-GCM-SHA384" Dhe Dss Aes256Gcm Aead Sha384 TLS_1_2 Default;
    0x006b TLS_DHE_RSA_WITH_AES_256_CBC_SHA256 "DHE-RSA-AES256-SHA256" Dhe Rsa Aes256Cbc HmacSha256 Sha256 TLS_1_2 Default;
    0x006a TLS_DHE_DSS_WITH_AES_256_CBC_SHA256 "DHE-DSS-AES256-SHA256" Dhe Dss Aes256Cbc HmacSha256 Sha256 TLS_1_2 Default;
    0x009e TLS_DHE_RSA_WITH_AES_128_GCM_SHA256 "DHE-RSA-AES128-GCM-SHA256" Dhe Rsa Aes128Gcm Aead Sha256 TLS_1_2 Default;
    0x00a2 TLS_DHE_DSS_WITH_AES_128_GCM_SHA256 "DHE-DSS-AES128-GCM-SHA256" Dhe Dss Aes128Gcm Aead Sha256 TLS_1_2 Default;
    0xccaa TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256 "DHE-RSA-CHACHA20-POLY1305" Dhe Rsa Chacha20Poly1305 Aead Sha256 TLS_1_2 Default;
    0x0067 TLS_DHE_RSA_WITH_AES_128_CBC_SHA256 "DHE-RSA-AES128-SHA256" Dhe Rsa Aes128Cbc HmacSha256 Sha256 TLS_1_2 Default;
    0x0040 TLS_DHE_DSS_WITH_AES_128_CBC_SHA256 "DHE-DSS-AES128-SHA256" Dhe Dss Aes128Cbc HmacSha256 Sha256 TLS_1_2 Default;
    0xc00a TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA "ECDHE-ECDSA-AES256-SHA" Ecdhe Ecdsa Aes256Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0xc014 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA "ECDHE-RSA-AES256-SHA" Ecdhe Rsa Aes256Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0xc005 TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA "ECDH-ECDSA-AES256-SHA" Ecdh Ecdsa Aes256Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0xc00f TLS_ECDH_RSA_WITH_AES_256_CBC_SHA "ECDH-RSA-AES256-SHA" Ecdh Rsa Aes256Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0xc009 TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA "ECDHE-ECDSA-AES128-SHA" Ecdhe Ecdsa Aes128Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0xc013 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA "ECDHE-RSA-AES128-SHA" Ecdhe Rsa Aes128Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0xc004 TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA "ECDH-ECDSA-AES128-SHA" Ecdh Ecdsa Aes128Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0xc00e TLS_ECDH_RSA_WITH_AES_128_CBC_SHA "ECDH-RSA-AES128-SHA" Ecdh Rsa Aes128Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0x0039 TLS_DHE_RSA_WITH_AES_256_CBC_SHA "DHE-RSA-AES256-SHA" Dhe Rsa Aes256Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0x0038 TLS_DHE_DSS_WITH_AES_256_CBC_SHA "DHE-DSS-AES256-SHA" Dhe Dss Aes256Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0x0033 TLS_DHE_RSA_WITH_AES_128_CBC_SHA "DHE-RSA-AES128-SHA" Dhe Rsa Aes128Cbc HmacSha1 Sha256 TLS_1_0 Default;
    0x0032 TLS_DHE_DSS_WITH_AES_128_CBC_SHA "DHE-DSS-AES128-SHA" Dhe Dss Aes128Cbc HmacSha1 Sha256 TLS_1_0 Default;
    // Known to the server and the client that ask for them.
    0x00ad TLS_RSA_PSK_WITH_AES_256_GCM_SHA384 "RSA-PSK-AES256-GCM-SHA384" RsaPsk Rsa Aes256Gcm Aead Sha384 TLS_1_2 Optional;
    0x00b7 TLS_RSA_PSK_WITH_AES_256_CBC_SHA384 "RSA-PSK-AES256-CBC-SHA384" RsaPsk Rsa Aes256Cbc HmacSha384 Sha384 TLS_1_0 Optional;
    0x00ac TLS_RSA_PSK_WITH_AES_128_GCM_SHA256 "RSA-PSK-AES128-GCM-SHA256" RsaPsk Rsa Aes128Gcm Aead Sha256 TLS_1_2 Optional;
    0x00b6 TLS_RSA_PSK_WITH_AES_128_CBC_SHA256 "RSA-PSK-AES128-CBC-SHA256" RsaPsk Rsa Aes128Cbc HmacSha256 Sha256 TLS_1_0 Optional;
    0x0095 TLS_RSA_PSK_WITH_AES_256_CBC_SHA "RSA-PSK-AES256-CBC-SHA" RsaPsk Rsa Aes256Cbc HmacSha1 Sha256 TLS_1_0 Optional;
    0x0094 TLS_RSA_PSK_WITH_AES_128_CBC_SHA "RSA-PSK-AES128-CBC-SHA" RsaPsk Rsa Aes128Cbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc021 TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA "SRP-RSA-AES-256-CBC-SHA" Srp Rsa Aes256Cbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc022 TLS_SRP_SHA_DSS_WITH_AES_256_CBC_SHA "SRP-DSS-AES-256-CBC-SHA" Srp Dss Aes256Cbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc01e TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA "SRP-RSA-AES-128-CBC-SHA" Srp Rsa Aes128Cbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc01f TLS_SRP_SHA_DSS_WITH_AES_128_CBC_SHA "SRP-DSS-AES-128-CBC-SHA" Srp Dss Aes128Cbc HmacSha1 Sha256 TLS_1_0 Optional;
    0x009d TLS_RSA_WITH_AES_256_GCM_SHA384 "AES256-GCM-SHA384" Rsa Rsa Aes256Gcm Aead Sha384 TLS_1_2 Optional;
    0x003d TLS_RSA_WITH_AES_256_CBC_SHA256 "AES256-SHA256" Rsa Rsa Aes256Cbc HmacSha256 Sha256 TLS_1_2 Optional;
    0x009c TLS_RSA_WITH_AES_128_GCM_SHA256 "AES128-GCM-SHA256" Rsa Rsa Aes128Gcm Aead Sha256 TLS_1_2 Optional;
    0x003c TLS_RSA_WITH_AES_128_CBC_SHA256 "AES128-SHA256" Rsa Rsa Aes128Cbc HmacSha256 Sha256 TLS_1_2 Optional;
    0x0035 TLS_RSA_WITH_AES_256_CBC_SHA "AES256-SHA" Rsa Rsa Aes256Cbc HmacSha1 Sha256 TLS_1_0 Optional;
    0x002f TLS_RSA_WITH_AES_128_CBC_SHA "AES128-SHA" Rsa Rsa Aes128Cbc HmacSha1 Sha256 TLS_1_0 Optional;
    // No certificate on either side: pre-shared keys, SRP without certificate, anonymous.
    0xd002 TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384 "ECDHE-PSK-AES256-GCM-SHA384" EcdhePsk Psk Aes256Gcm Aead Sha384 TLS_1_2 Anonymous;
    0x00ab TLS_DHE_PSK_WITH_AES_256_GCM_SHA384 "DHE-PSK-AES256-GCM-SHA384" DhePsk Psk Aes256Gcm Aead Sha384 TLS_1_2 Anonymous;
    0x00a9 TLS_PSK_WITH_AES_256_GCM_SHA384 "PSK-AES256-GCM-SHA384" Psk Psk Aes256Gcm Aead Sha384 TLS_1_2 Anonymous;
    0xc0a7 TLS_DHE_PSK_WITH_AES_256_CCM "DHE-PSK-AES256-CCM" DhePsk Psk Aes256Ccm Aead Sha256 TLS_1_2 Anonymous;
    0xc0ab TLS_PSK_DHE_WITH_AES_256_CCM_8 "DHE-PSK-AES256-CCM8" DhePsk Psk Aes256Ccm8 Aead Sha256 TLS_1_2 Anonymous;
    0xc0a5 TLS_PSK_WITH_AES_256_CCM "PSK-AES256-CCM" Psk Psk Aes256Ccm Aead Sha256 TLS_1_2 Anonymous;
    0xc0a9 TLS_PSK_WITH_AES_256_CCM_8 "PSK-AES256-CCM8" Psk Psk Aes256Ccm8 Aead Sha256 TLS_1_2 Anonymous;
    0xccac TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 "ECDHE-PSK-CHACHA20-POLY1305" EcdhePsk Psk Chacha20Poly1305 Aead Sha256 TLS_1_2 Anonymous;
    0xd001 TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 "ECDHE-PSK-AES128-GCM-SHA256" EcdhePsk Psk Aes128Gcm Aead Sha256 TLS_1_2 Anonymous;
    0xd005 TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256 "ECDHE-PSK-AES128-CCM-SHA256" EcdhePsk Psk Aes128Ccm Aead Sha256 TLS_1_2 Anonymous;
    0xd003 TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256 "ECDHE-PSK-AES128-CCM8-SHA256" EcdhePsk Psk Aes128Ccm8 Aead Sha256 TLS_1_2 Anonymous;
    0x00aa TLS_DHE_PSK_WITH_AES_128_GCM_SHA256 "DHE-PSK-AES128-GCM-SHA256" DhePsk Psk Aes128Gcm Aead Sha256 TLS_1_2 Anonymous;
    0x00a8 TLS_PSK_WITH_AES_128_GCM_SHA256 "PSK-AES128-GCM-SHA256" Psk Psk Aes128Gcm Aead Sha256 TLS_1_2 Anonymous;
    0xc0a6 TLS_DHE_PSK_WITH_AES_128_CCM "DHE-PSK-AES128-CCM" DhePsk Psk Aes128Ccm Aead Sha256 TLS_1_2 Anonymous;
    0xc0aa TLS_PSK_DHE_WITH_AES_128_CCM_8 "DHE-PSK-AES128-CCM8" DhePsk Psk Aes128Ccm8 Aead Sha256 TLS_1_2 Anonymous;
    0xc0a4 TLS_PSK_WITH_AES_128_CCM "PSK-AES128-CCM" Psk Psk Aes128Ccm Aead Sha256 TLS_1_2 Anonymous;
    0xc0a8 TLS_PSK_WITH_AES_128_CCM_8 "PSK-AES128-CCM8" Psk Psk Aes128Ccm8 Aead Sha256 TLS_1_2 Anonymous;
    0x00a6 TLS_DH_anon_WITH_AES_128_GCM_SHA256 "ADH-AES128-GCM-SHA256" Dhe Anonymous Aes128Gcm Aead Sha256 TLS_1_2 Anonymous;
    0x00a7 TLS_DH_anon_WITH_AES_256_GCM_SHA384 "ADH-AES256-GCM-SHA384" Dhe Anonymous Aes256Gcm Aead Sha384 TLS_1_2 Anonymous;
    0x006c TLS_DH_anon_WITH_AES_128_CBC_SHA256 "ADH-AES128-SHA256" Dhe Anonymous Aes128Cbc HmacSha256 Sha256 TLS_1_2 Anonymous;
    0x006d TLS_DH_anon_WITH_AES_256_CBC_SHA256 "ADH-AES256-SHA256" Dhe Anonymous Aes256Cbc HmacSha256 Sha256 TLS_1_2 Anonymous;
    0xc018 TLS_ECDH_anon_WITH_AES_128_CBC_SHA "AECDH-AES128-SHA" Ecdhe Anonymous Aes128Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0xc019 TLS_ECDH_anon_WITH_AES_256_CBC_SHA "AECDH-AES256-SHA" Ecdhe Anonymous Aes256Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0xc038 TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384 "ECDHE-PSK-AES256-CBC-SHA384" EcdhePsk Psk Aes256Cbc HmacSha384 Sha384 TLS_1_0 Anonymous;
    0x00b3 TLS_DHE_PSK_WITH_AES_256_CBC_SHA384 "DHE-PSK-AES256-CBC-SHA384" DhePsk Psk Aes256Cbc HmacSha384 Sha384 TLS_1_0 Anonymous;
    0x00af TLS_PSK_WITH_AES_256_CBC_SHA384 "PSK-AES256-CBC-SHA384" Psk Psk Aes256Cbc HmacSha384 Sha384 TLS_1_0 Anonymous;
    0xc037 TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256 "ECDHE-PSK-AES128-CBC-SHA256" EcdhePsk Psk Aes128Cbc HmacSha256 Sha256 TLS_1_0 Anonymous;
    0x00b2 TLS_DHE_PSK_WITH_AES_128_CBC_SHA256 "DHE-PSK-AES128-CBC-SHA256" DhePsk Psk Aes128Cbc HmacSha256 Sha256 TLS_1_0 Anonymous;
    0x00ae TLS_PSK_WITH_AES_128_CBC_SHA256 "PSK-AES128-CBC-SHA256" Psk Psk Aes128Cbc HmacSha256 Sha256 TLS_1_0 Anonymous;
    0x0091 TLS_DHE_PSK_WITH_AES_256_CBC_SHA "DHE-PSK-AES256-CBC-SHA" DhePsk Psk Aes256Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x008d TLS_PSK_WITH_AES_256_CBC_SHA "PSK-AES256-CBC-SHA" Psk Psk Aes256Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0xc035 TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA "ECDHE-PSK-AES128-CBC-SHA" EcdhePsk Psk Aes128Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x0090 TLS_DHE_PSK_WITH_AES_128_CBC_SHA "DHE-PSK-AES128-CBC-SHA" DhePsk Psk Aes128Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x008c TLS_PSK_WITH_AES_128_CBC_SHA "PSK-AES128-CBC-SHA" Psk Psk Aes128Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0xc01d TLS_SRP_SHA_WITH_AES_128_CBC_SHA "SRP-AES-128-CBC-SHA" Srp Srp Aes128Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0xc020 TLS_SRP_SHA_WITH_AES_256_CBC_SHA "SRP-AES-256-CBC-SHA" Srp Srp Aes256Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0xc036 TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA "ECDHE-PSK-AES256-CBC-SHA" EcdhePsk Psk Aes256Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x0034 TLS_DH_anon_WITH_AES_128_CBC_SHA "ADH-AES128-SHA" Dhe Anonymous Aes128Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x003a TLS_DH_anon_WITH_AES_256_CBC_SHA "ADH-AES256-SHA" Dhe Anonymous Aes256Cbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    // Broken or nearly so: behind all others, with a certificate or without.
    0x000a TLS_RSA_WITH_3DES_EDE_CBC_SHA "DES-CBC3-SHA" Rsa Rsa TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc008 TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA "ECDHE-ECDSA-DES-CBC3-SHA" Ecdhe Ecdsa TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc012 TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA "ECDHE-RSA-DES-CBC3-SHA" Ecdhe Rsa TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0x0016 TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA "DHE-RSA-DES-CBC3-SHA" Dhe Rsa TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0x0013 TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA "DHE-DSS-DES-CBC3-SHA" Dhe Dss TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc003 TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA "ECDH-ECDSA-DES-CBC3-SHA" Ecdh Ecdsa TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc00d TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA "ECDH-RSA-DES-CBC3-SHA" Ecdh Rsa TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0x0093 TLS_RSA_PSK_WITH_3DES_EDE_CBC_SHA "RSA-PSK-3DES-EDE-CBC-SHA" RsaPsk Rsa TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc01b TLS_SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA "SRP-RSA-3DES-EDE-CBC-SHA" Srp Rsa TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc01c TLS_SRP_SHA_DSS_WITH_3DES_EDE_CBC_SHA "SRP-DSS-3DES-EDE-CBC-SHA" Srp Dss TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0xc017 TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA "AECDH-DES-CBC3-SHA" Ecdhe Anonymous TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0xc034 TLS_ECDHE_PSK_WITH_3DES_EDE_CBC_SHA "ECDHE-PSK-3DES-EDE-CBC-SHA" EcdhePsk Psk TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x008f TLS_DHE_PSK_WITH_3DES_EDE_CBC_SHA "DHE-PSK-3DES-EDE-CBC-SHA" DhePsk Psk TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x008b TLS_PSK_WITH_3DES_EDE_CBC_SHA "PSK-3DES-EDE-CBC-SHA" Psk Psk TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x001b TLS_DH_anon_WITH_3DES_EDE_CBC_SHA "ADH-DES-CBC3-SHA" Dhe Anonymous TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0xc01a TLS_SRP_SHA_WITH_3DES_EDE_CBC_SHA "SRP-3DES-EDE-CBC-SHA" Srp Srp TripleDesEdeCbc HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x0092 TLS_RSA_PSK_WITH_RC4_128_SHA "RSA-PSK-RC4-SHA" RsaPsk Rsa Rc4_128 HmacSha1 Sha256 TLS_1_0 Optional;
    0xc007 TLS_ECDHE_ECDSA_WITH_RC4_128_SHA "ECDHE-ECDSA-RC4-SHA" Ecdhe Ecdsa Rc4_128 HmacSha1 Sha256 TLS_1_0 Optional;
    0xc011 TLS_ECDHE_RSA_WITH_RC4_128_SHA "ECDHE-RSA-RC4-SHA" Ecdhe Rsa Rc4_128 HmacSha1 Sha256 TLS_1_0 Optional;
    0xc002 TLS_ECDH_ECDSA_WITH_RC4_128_SHA "ECDH-ECDSA-RC4-SHA" Ecdh Ecdsa Rc4_128 HmacSha1 Sha256 TLS_1_0 Optional;
    0xc00c TLS_ECDH_RSA_WITH_RC4_128_SHA "ECDH-RSA-RC4-SHA" Ecdh Rsa Rc4_128 HmacSha1 Sha256 TLS_1_0 Optional;
    0x0005 TLS_RSA_WITH_RC4_128_SHA "RC4-SHA" Rsa Rsa Rc4_128 HmacSha1 Sha256 TLS_1_0 Optional;
    0x0004 TLS_RSA_WITH_RC4_128_MD5 "RC4-MD5" Rsa Rsa Rc4_128 HmacMd5 Sha256 TLS_1_0 Optional;
    0x0018 TLS_DH_anon_WITH_RC4_128_MD5 "ADH-RC4-MD5" Dhe Anonymous Rc4_128 HmacMd5 Sha256 TLS_1_0 Anonymous;
    0xc033 TLS_ECDHE_PSK_WITH_RC4_128_SHA "ECDHE-PSK-RC4-SHA" EcdhePsk Psk Rc4_128 HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x008e TLS_DHE_PSK_WITH_RC4_128_SHA "DHE-PSK-RC4-SHA" DhePsk Psk Rc4_128 HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x008a TLS_PSK_WITH_RC4_128_SHA "PSK-RC4-SHA" Psk Psk Rc4_128 HmacSha1 Sha256 TLS_1_0 Anonymous;
    0x0015 TLS_DHE_RSA_WITH_DES_CBC_SHA "DHE-RSA-DES-CBC-SHA" Dhe Rsa DesCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0x0009 TLS_RSA_WITH_DES_CBC_SHA "DES-CBC-SHA" Rsa Rsa DesCbc HmacSha1 Sha256 TLS_1_0 Optional;
    0x001a TLS_DH_anon_WITH_DES_CBC_SHA "ADH-DES-CBC-SHA" Dhe Anonymous DesCbc HmacSha1 Sha256 TLS_1_0 Anonymous;
}
