//! Every cipher suite that was ever registered: its name, and what the name says of it.
//!
//! What the library knows is in its own table; here are the others, which it does not speak.

use portcullis::suite::CipherSuite;

/// How ServerKeyExchange begins, before TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// With a curve (RFC 8422 §5.4).
    Curve,
    /// With a prime (RFC 5246 §7.4.3).
    Field,
    /// In another way, or there is none.
    Other,
}

/// What a name says. `TLS_KEYEXCHANGE_WITH_CIPHER_HASH`, and of TLS 1.3 `TLS_CIPHER_HASH`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    name: &'static str,
    /// Nothing of TLS 1.3, whose key exchange is another extension's.
    key_exchange: Option<&'static str>,
}

impl Suite {
    /// `None`: there is no such suite.
    pub(super) fn of(code: u16) -> Option<Self> {
        let name = name(code)?;
        // Of RFC 9367, whose names have their signature in them, and no key exchange.
        let is_new = name.ends_with("_MGM_L") || name.ends_with("_MGM_S");
        let parts = name
            .strip_prefix("TLS_")
            .and_then(|name| name.split_once("_WITH_"));
        let key_exchange = parts.map(|(exchange, _)| exchange).filter(|_| !is_new);
        Some(Self { name, key_exchange })
    }

    /// Whether it is one of TLS 1.3.
    pub(super) fn is_new(self) -> bool {
        self.key_exchange.is_none()
    }

    /// Whether the name has this part.
    pub(super) fn has(self, part: &str) -> bool {
        self.name.contains(part)
    }

    /// The key exchange, without what was done to it for export.
    fn agreed_by(self) -> &'static str {
        let name = self.key_exchange.unwrap_or_default();
        name.split_once("_EXPORT").map_or(name, |(name, _)| name)
    }

    /// Whether nothing is encrypted. Those of RFC 9150 have no word for it.
    pub(super) fn is_null(self) -> bool {
        self.has("_WITH_NULL") || matches!(self.name, "TLS_SHA256_SHA256" | "TLS_SHA384_SHA384")
    }

    /// Whether nobody shows who it is.
    pub(super) fn is_anonymous(self) -> bool {
        self.has("_anon_") || self.agreed_by() == "NULL"
    }

    /// Whether a secret is sent under a key of RSA.
    pub(super) fn has_rsa_key_exchange(self) -> bool {
        matches!(self.agreed_by(), "RSA" | "RSA_PSK")
    }

    /// Whether who has the server's key some day can read what was sent before.
    pub(super) fn lacks_forward_secrecy(self) -> bool {
        matches!(
            self.agreed_by(),
            "NULL"
                | "RSA"
                | "RSA_PSK"
                | "PSK"
                | "KRB5"
                | "DH_DSS"
                | "DH_RSA"
                | "ECDH_ECDSA"
                | "ECDH_RSA"
                | "GOSTR341094"
                | "GOSTR341001"
                | "GOSTR341112_256"
        )
    }

    /// Whether the server shows a certificate that can be read.
    pub(super) fn has_certificate(self) -> bool {
        let without = [
            "NULL",
            "PSK",
            "DHE_PSK",
            "PSK_DHE",
            "ECDHE_PSK",
            "KRB5",
            "SRP_SHA",
            "ECCPWD",
            "ECJPAKE",
        ];
        !self.is_new() && !self.is_anonymous() && !without.contains(&self.agreed_by())
    }

    /// Whether the certificate has a key of an elliptic curve.
    pub(super) fn has_curve_certificate(self) -> bool {
        self.agreed_by().ends_with("_ECDSA")
    }

    /// Whether it has a key of RSA, or the signature of one.
    pub(super) fn has_rsa_certificate(self) -> bool {
        let name = self.agreed_by();
        self.has_certificate() && (name.ends_with("RSA") || name == "RSA_PSK")
    }

    /// Whether a hint comes before the parameters (RFC 4279 §3).
    pub(super) fn has_hint(self) -> bool {
        matches!(
            self.agreed_by(),
            "PSK" | "DHE_PSK" | "PSK_DHE" | "ECDHE_PSK" | "RSA_PSK"
        )
    }

    pub(super) fn exchange(self) -> Exchange {
        match self.agreed_by() {
            "ECDHE_ECDSA" | "ECDHE_RSA" | "ECDHE_PSK" | "ECDH_anon" => Exchange::Curve,
            "DHE_DSS" | "DHE_RSA" | "DHE_PSK" | "PSK_DHE" | "DH_anon" => Exchange::Field,
            _ => Exchange::Other,
        }
    }

    /// Whether the parameters of the exchange are signed.
    pub(super) fn is_signed(self) -> bool {
        matches!(
            self.agreed_by(),
            "ECDHE_ECDSA" | "ECDHE_RSA" | "DHE_DSS" | "DHE_RSA"
        )
    }
}

/// The name in the IANA registry.
pub(super) fn name(code: u16) -> Option<&'static str> {
    // What is only a signal has a name there, too.
    if let Some(info) = CipherSuite(code).info() {
        return Some(info.name);
    }
    let found = OTHERS.binary_search_by_key(&code, |(code, _)| *code);
    found
        .ok()
        .and_then(|at| OTHERS.get(at))
        .map(|(_, name)| *name)
}

/// All suites: those that the library knows, the strongest first, and the others.
pub(super) fn all() -> impl Iterator<Item = u16> {
    let known = CipherSuite::KNOWN.iter().map(|suite| suite.0);
    known.chain(OTHERS.iter().map(|(code, _)| *code))
}

/// Those in the registry "TLS Cipher Suites" of 2026-09-29 that the library has no row of, by their numbers; and some that were spoken
/// before, for which it reserves their numbers: those of 56 bits (draft-ietf-tls-56-bit-ciphersuites), of GOST 28147
/// (draft-chudov-cryptopro-cptls) and of EC J-PAKE (draft-cragie-tls-ecjpake).
#[rustfmt::skip]
const OTHERS: &[(u16, &str)] = &[
    (0x0000, "TLS_NULL_WITH_NULL_NULL"),
    (0x0001, "TLS_RSA_WITH_NULL_MD5"),
    (0x0002, "TLS_RSA_WITH_NULL_SHA"),
    (0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5"),
    (0x0006, "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5"),
    (0x0007, "TLS_RSA_WITH_IDEA_CBC_SHA"),
    (0x0008, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x000b, "TLS_DH_DSS_EXPORT_WITH_DES40_CBC_SHA"),
    (0x000c, "TLS_DH_DSS_WITH_DES_CBC_SHA"),
    (0x000d, "TLS_DH_DSS_WITH_3DES_EDE_CBC_SHA"),
    (0x000e, "TLS_DH_RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x000f, "TLS_DH_RSA_WITH_DES_CBC_SHA"),
    (0x0010, "TLS_DH_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0011, "TLS_DHE_DSS_EXPORT_WITH_DES40_CBC_SHA"),
    (0x0012, "TLS_DHE_DSS_WITH_DES_CBC_SHA"),
    (0x0014, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x0017, "TLS_DH_anon_EXPORT_WITH_RC4_40_MD5"),
    (0x0019, "TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA"),
    (0x001e, "TLS_KRB5_WITH_DES_CBC_SHA"),
    (0x001f, "TLS_KRB5_WITH_3DES_EDE_CBC_SHA"),
    (0x0020, "TLS_KRB5_WITH_RC4_128_SHA"),
    (0x0021, "TLS_KRB5_WITH_IDEA_CBC_SHA"),
    (0x0022, "TLS_KRB5_WITH_DES_CBC_MD5"),
    (0x0023, "TLS_KRB5_WITH_3DES_EDE_CBC_MD5"),
    (0x0024, "TLS_KRB5_WITH_RC4_128_MD5"),
    (0x0025, "TLS_KRB5_WITH_IDEA_CBC_MD5"),
    (0x0026, "TLS_KRB5_EXPORT_WITH_DES_CBC_40_SHA"),
    (0x0027, "TLS_KRB5_EXPORT_WITH_RC2_CBC_40_SHA"),
    (0x0028, "TLS_KRB5_EXPORT_WITH_RC4_40_SHA"),
    (0x0029, "TLS_KRB5_EXPORT_WITH_DES_CBC_40_MD5"),
    (0x002a, "TLS_KRB5_EXPORT_WITH_RC2_CBC_40_MD5"),
    (0x002b, "TLS_KRB5_EXPORT_WITH_RC4_40_MD5"),
    (0x002c, "TLS_PSK_WITH_NULL_SHA"),
    (0x002d, "TLS_DHE_PSK_WITH_NULL_SHA"),
    (0x002e, "TLS_RSA_PSK_WITH_NULL_SHA"),
    (0x0030, "TLS_DH_DSS_WITH_AES_128_CBC_SHA"),
    (0x0031, "TLS_DH_RSA_WITH_AES_128_CBC_SHA"),
    (0x0036, "TLS_DH_DSS_WITH_AES_256_CBC_SHA"),
    (0x0037, "TLS_DH_RSA_WITH_AES_256_CBC_SHA"),
    (0x003b, "TLS_RSA_WITH_NULL_SHA256"),
    (0x003e, "TLS_DH_DSS_WITH_AES_128_CBC_SHA256"),
    (0x003f, "TLS_DH_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0042, "TLS_DH_DSS_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0043, "TLS_DH_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0044, "TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0045, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0046, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0060, "TLS_RSA_EXPORT1024_WITH_RC4_56_MD5"),
    (0x0061, "TLS_RSA_EXPORT1024_WITH_RC2_CBC_56_MD5"),
    (0x0062, "TLS_RSA_EXPORT1024_WITH_DES_CBC_SHA"),
    (0x0063, "TLS_DHE_DSS_EXPORT1024_WITH_DES_CBC_SHA"),
    (0x0064, "TLS_RSA_EXPORT1024_WITH_RC4_56_SHA"),
    (0x0065, "TLS_DHE_DSS_EXPORT1024_WITH_RC4_56_SHA"),
    (0x0066, "TLS_DHE_DSS_WITH_RC4_128_SHA"),
    (0x0068, "TLS_DH_DSS_WITH_AES_256_CBC_SHA256"),
    (0x0069, "TLS_DH_RSA_WITH_AES_256_CBC_SHA256"),
    (0x006e, "TLS_ASCONAEAD128_ASCONHASH256"),
    (0x006f, "TLS_ASCONAEAD128_SHA256"),
    (0x0070, "TLS_AES_128_GCM_ASCONHASH256"),
    (0x0071, "TLS_AES_128_CCM_ASCONHASH256"),
    (0x0080, "TLS_GOSTR341094_WITH_28147_CNT_IMIT"),
    (0x0081, "TLS_GOSTR341001_WITH_28147_CNT_IMIT"),
    (0x0082, "TLS_GOSTR341094_WITH_NULL_GOSTR3411"),
    (0x0083, "TLS_GOSTR341001_WITH_NULL_GOSTR3411"),
    (0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0085, "TLS_DH_DSS_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0086, "TLS_DH_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0087, "TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0089, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0096, "TLS_RSA_WITH_SEED_CBC_SHA"),
    (0x0097, "TLS_DH_DSS_WITH_SEED_CBC_SHA"),
    (0x0098, "TLS_DH_RSA_WITH_SEED_CBC_SHA"),
    (0x0099, "TLS_DHE_DSS_WITH_SEED_CBC_SHA"),
    (0x009a, "TLS_DHE_RSA_WITH_SEED_CBC_SHA"),
    (0x009b, "TLS_DH_anon_WITH_SEED_CBC_SHA"),
    (0x00a0, "TLS_DH_RSA_WITH_AES_128_GCM_SHA256"),
    (0x00a1, "TLS_DH_RSA_WITH_AES_256_GCM_SHA384"),
    (0x00a4, "TLS_DH_DSS_WITH_AES_128_GCM_SHA256"),
    (0x00a5, "TLS_DH_DSS_WITH_AES_256_GCM_SHA384"),
    (0x00b0, "TLS_PSK_WITH_NULL_SHA256"),
    (0x00b1, "TLS_PSK_WITH_NULL_SHA384"),
    (0x00b4, "TLS_DHE_PSK_WITH_NULL_SHA256"),
    (0x00b5, "TLS_DHE_PSK_WITH_NULL_SHA384"),
    (0x00b8, "TLS_RSA_PSK_WITH_NULL_SHA256"),
    (0x00b9, "TLS_RSA_PSK_WITH_NULL_SHA384"),
    (0x00ba, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    (0x00bb, "TLS_DH_DSS_WITH_CAMELLIA_128_CBC_SHA256"),
    (0x00bc, "TLS_DH_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    (0x00bd, "TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA256"),
    (0x00be, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    (0x00bf, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA256"),
    (0x00c0, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256"),
    (0x00c1, "TLS_DH_DSS_WITH_CAMELLIA_256_CBC_SHA256"),
    (0x00c2, "TLS_DH_RSA_WITH_CAMELLIA_256_CBC_SHA256"),
    (0x00c3, "TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA256"),
    (0x00c4, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256"),
    (0x00c5, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA256"),
    (0x00c6, "TLS_SM4_GCM_SM3"),
    (0x00c7, "TLS_SM4_CCM_SM3"),
    (0x1306, "TLS_AEGIS_256_SHA512"),
    (0x1307, "TLS_AEGIS_128L_SHA256"),
    (0xc001, "TLS_ECDH_ECDSA_WITH_NULL_SHA"),
    (0xc006, "TLS_ECDHE_ECDSA_WITH_NULL_SHA"),
    (0xc00b, "TLS_ECDH_RSA_WITH_NULL_SHA"),
    (0xc010, "TLS_ECDHE_RSA_WITH_NULL_SHA"),
    (0xc015, "TLS_ECDH_anon_WITH_NULL_SHA"),
    (0xc016, "TLS_ECDH_anon_WITH_RC4_128_SHA"),
    (0xc039, "TLS_ECDHE_PSK_WITH_NULL_SHA"),
    (0xc03a, "TLS_ECDHE_PSK_WITH_NULL_SHA256"),
    (0xc03b, "TLS_ECDHE_PSK_WITH_NULL_SHA384"),
    (0xc03c, "TLS_RSA_WITH_ARIA_128_CBC_SHA256"),
    (0xc03d, "TLS_RSA_WITH_ARIA_256_CBC_SHA384"),
    (0xc03e, "TLS_DH_DSS_WITH_ARIA_128_CBC_SHA256"),
    (0xc03f, "TLS_DH_DSS_WITH_ARIA_256_CBC_SHA384"),
    (0xc040, "TLS_DH_RSA_WITH_ARIA_128_CBC_SHA256"),
    (0xc041, "TLS_DH_RSA_WITH_ARIA_256_CBC_SHA384"),
    (0xc042, "TLS_DHE_DSS_WITH_ARIA_128_CBC_SHA256"),
    (0xc043, "TLS_DHE_DSS_WITH_ARIA_256_CBC_SHA384"),
    (0xc044, "TLS_DHE_RSA_WITH_ARIA_128_CBC_SHA256"),
    (0xc045, "TLS_DHE_RSA_WITH_ARIA_256_CBC_SHA384"),
    (0xc046, "TLS_DH_anon_WITH_ARIA_128_CBC_SHA256"),
    (0xc047, "TLS_DH_anon_WITH_ARIA_256_CBC_SHA384"),
    (0xc048, "TLS_ECDHE_ECDSA_WITH_ARIA_128_CBC_SHA256"),
    (0xc049, "TLS_ECDHE_ECDSA_WITH_ARIA_256_CBC_SHA384"),
    (0xc04a, "TLS_ECDH_ECDSA_WITH_ARIA_128_CBC_SHA256"),
    (0xc04b, "TLS_ECDH_ECDSA_WITH_ARIA_256_CBC_SHA384"),
    (0xc04c, "TLS_ECDHE_RSA_WITH_ARIA_128_CBC_SHA256"),
    (0xc04d, "TLS_ECDHE_RSA_WITH_ARIA_256_CBC_SHA384"),
    (0xc04e, "TLS_ECDH_RSA_WITH_ARIA_128_CBC_SHA256"),
    (0xc04f, "TLS_ECDH_RSA_WITH_ARIA_256_CBC_SHA384"),
    (0xc050, "TLS_RSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc051, "TLS_RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc052, "TLS_DHE_RSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc053, "TLS_DHE_RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc054, "TLS_DH_RSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc055, "TLS_DH_RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc056, "TLS_DHE_DSS_WITH_ARIA_128_GCM_SHA256"),
    (0xc057, "TLS_DHE_DSS_WITH_ARIA_256_GCM_SHA384"),
    (0xc058, "TLS_DH_DSS_WITH_ARIA_128_GCM_SHA256"),
    (0xc059, "TLS_DH_DSS_WITH_ARIA_256_GCM_SHA384"),
    (0xc05a, "TLS_DH_anon_WITH_ARIA_128_GCM_SHA256"),
    (0xc05b, "TLS_DH_anon_WITH_ARIA_256_GCM_SHA384"),
    (0xc05c, "TLS_ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc05d, "TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc05e, "TLS_ECDH_ECDSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc05f, "TLS_ECDH_ECDSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc060, "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc061, "TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc062, "TLS_ECDH_RSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc063, "TLS_ECDH_RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc064, "TLS_PSK_WITH_ARIA_128_CBC_SHA256"),
    (0xc065, "TLS_PSK_WITH_ARIA_256_CBC_SHA384"),
    (0xc066, "TLS_DHE_PSK_WITH_ARIA_128_CBC_SHA256"),
    (0xc067, "TLS_DHE_PSK_WITH_ARIA_256_CBC_SHA384"),
    (0xc068, "TLS_RSA_PSK_WITH_ARIA_128_CBC_SHA256"),
    (0xc069, "TLS_RSA_PSK_WITH_ARIA_256_CBC_SHA384"),
    (0xc06a, "TLS_PSK_WITH_ARIA_128_GCM_SHA256"),
    (0xc06b, "TLS_PSK_WITH_ARIA_256_GCM_SHA384"),
    (0xc06c, "TLS_DHE_PSK_WITH_ARIA_128_GCM_SHA256"),
    (0xc06d, "TLS_DHE_PSK_WITH_ARIA_256_GCM_SHA384"),
    (0xc06e, "TLS_RSA_PSK_WITH_ARIA_128_GCM_SHA256"),
    (0xc06f, "TLS_RSA_PSK_WITH_ARIA_256_GCM_SHA384"),
    (0xc070, "TLS_ECDHE_PSK_WITH_ARIA_128_CBC_SHA256"),
    (0xc071, "TLS_ECDHE_PSK_WITH_ARIA_256_CBC_SHA384"),
    (0xc072, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256"),
    (0xc073, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc074, "TLS_ECDH_ECDSA_WITH_CAMELLIA_128_CBC_SHA256"),
    (0xc075, "TLS_ECDH_ECDSA_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc076, "TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    (0xc077, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc078, "TLS_ECDH_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    (0xc079, "TLS_ECDH_RSA_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc07a, "TLS_RSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc07b, "TLS_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc07c, "TLS_DHE_RSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc07d, "TLS_DHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc07e, "TLS_DH_RSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc07f, "TLS_DH_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc080, "TLS_DHE_DSS_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc081, "TLS_DHE_DSS_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc082, "TLS_DH_DSS_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc083, "TLS_DH_DSS_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc084, "TLS_DH_anon_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc085, "TLS_DH_anon_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc086, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc087, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc088, "TLS_ECDH_ECDSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc089, "TLS_ECDH_ECDSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc08a, "TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc08b, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc08c, "TLS_ECDH_RSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc08d, "TLS_ECDH_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc08e, "TLS_PSK_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc08f, "TLS_PSK_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc090, "TLS_DHE_PSK_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc091, "TLS_DHE_PSK_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc092, "TLS_RSA_PSK_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc093, "TLS_RSA_PSK_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc094, "TLS_PSK_WITH_CAMELLIA_128_CBC_SHA256"),
    (0xc095, "TLS_PSK_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc096, "TLS_DHE_PSK_WITH_CAMELLIA_128_CBC_SHA256"),
    (0xc097, "TLS_DHE_PSK_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc098, "TLS_RSA_PSK_WITH_CAMELLIA_128_CBC_SHA256"),
    (0xc099, "TLS_RSA_PSK_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc09a, "TLS_ECDHE_PSK_WITH_CAMELLIA_128_CBC_SHA256"),
    (0xc09b, "TLS_ECDHE_PSK_WITH_CAMELLIA_256_CBC_SHA384"),
    (0xc09c, "TLS_RSA_WITH_AES_128_CCM"),
    (0xc09d, "TLS_RSA_WITH_AES_256_CCM"),
    (0xc09e, "TLS_DHE_RSA_WITH_AES_128_CCM"),
    (0xc09f, "TLS_DHE_RSA_WITH_AES_256_CCM"),
    (0xc0a0, "TLS_RSA_WITH_AES_128_CCM_8"),
    (0xc0a1, "TLS_RSA_WITH_AES_256_CCM_8"),
    (0xc0a2, "TLS_DHE_RSA_WITH_AES_128_CCM_8"),
    (0xc0a3, "TLS_DHE_RSA_WITH_AES_256_CCM_8"),
    (0xc0b0, "TLS_ECCPWD_WITH_AES_128_GCM_SHA256"),
    (0xc0b1, "TLS_ECCPWD_WITH_AES_256_GCM_SHA384"),
    (0xc0b2, "TLS_ECCPWD_WITH_AES_128_CCM_SHA256"),
    (0xc0b3, "TLS_ECCPWD_WITH_AES_256_CCM_SHA384"),
    (0xc0b4, "TLS_SHA256_SHA256"),
    (0xc0b5, "TLS_SHA384_SHA384"),
    (0xc0ff, "TLS_ECJPAKE_WITH_AES_128_CCM_8"),
    (0xc100, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC"),
    (0xc101, "TLS_GOSTR341112_256_WITH_MAGMA_CTR_OMAC"),
    (0xc102, "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT"),
    (0xc103, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L"),
    (0xc104, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_L"),
    (0xc105, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S"),
    (0xc106, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S"),
    (0xcc13, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256_OLD"),
    (0xcc14, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256_OLD"),
    (0xcc15, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256_OLD"),
    (0xccab, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256"),
    (0xccad, "TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256"),
    (0xccae, "TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_has_nothing_that_the_library_has() {
        assert!(OTHERS.is_sorted_by_key(|(code, _)| *code));
        let mut names: Vec<_> = all().map(|code| name(code).unwrap()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for (code, name) in OTHERS {
            assert_eq!(CipherSuite(*code).info(), None, "{name}");
            assert!(name.starts_with("TLS_"), "{name}");
        }
        // How many there are: a row that is lost is missed.
        assert_eq!((CipherSuite::KNOWN.len(), OTHERS.len()), (133, 236));
    }

    /// What is read from a name is what the library knows otherwise.
    #[test]
    fn names_say_what_the_library_says() {
        use portcullis::suite::{Authentication, KeyExchange};
        for suite in CipherSuite::KNOWN {
            let (info, read) = (suite.info().unwrap(), Suite::of(suite.0).unwrap());
            let is_new = info.key_exchange == KeyExchange::Any;
            assert_eq!(read.is_new(), is_new, "{suite}");
            let is_anonymous = info.authentication == Authentication::Anonymous;
            assert_eq!(read.is_anonymous(), is_anonymous, "{suite}");
            let is_rsa = matches!(info.key_exchange, KeyExchange::Rsa | KeyExchange::RsaPsk);
            assert_eq!(read.has_rsa_key_exchange(), is_rsa, "{suite}");
            let is_kept = is_anonymous
                || !matches!(
                    info.key_exchange,
                    KeyExchange::Rsa | KeyExchange::RsaPsk | KeyExchange::Psk | KeyExchange::Ecdh
                ) && !read.has("_DH_");
            assert_eq!(read.lacks_forward_secrecy(), !is_kept, "{suite}");
            let exchange = match info.key_exchange {
                KeyExchange::Ecdhe | KeyExchange::EcdhePsk => Exchange::Curve,
                KeyExchange::Dhe | KeyExchange::DhePsk => Exchange::Field,
                _ => Exchange::Other,
            };
            assert_eq!(read.exchange(), exchange, "{suite}");
        }
    }

    #[test]
    fn what_the_library_does_not_speak_has_its_class() {
        let says = |code: u16| {
            let suite = Suite::of(code).unwrap();
            let is = [
                (suite.is_new(), "new"),
                (suite.is_null(), "null"),
                (suite.is_anonymous(), "anonymous"),
                (suite.has_rsa_key_exchange(), "rsa-kx"),
                (suite.lacks_forward_secrecy(), "no-fs"),
                (suite.has_certificate(), "certificate"),
            ];
            let is = is.into_iter().filter(|(is, _)| *is);
            (
                suite.name,
                is.map(|(_, word)| word).collect::<Vec<_>>().join(" "),
            )
        };
        for (code, name, expected) in [
            (0x0000, "TLS_NULL_WITH_NULL_NULL", "null anonymous no-fs"),
            (
                0x0003,
                "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
                "rsa-kx no-fs certificate",
            ),
            (
                0x0014,
                "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA",
                "certificate",
            ),
            (0x0019, "TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA", "anonymous"),
            (0x0021, "TLS_KRB5_WITH_IDEA_CBC_SHA", "no-fs"),
            (
                0x003b,
                "TLS_RSA_WITH_NULL_SHA256",
                "null rsa-kx no-fs certificate",
            ),
            (
                0x0041,
                "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA",
                "rsa-kx no-fs certificate",
            ),
            (
                0x0062,
                "TLS_RSA_EXPORT1024_WITH_DES_CBC_SHA",
                "rsa-kx no-fs certificate",
            ),
            (0x009b, "TLS_DH_anon_WITH_SEED_CBC_SHA", "anonymous"),
            (0x00c6, "TLS_SM4_GCM_SM3", "new"),
            (
                0xc009 - 3,
                "TLS_ECDHE_ECDSA_WITH_NULL_SHA",
                "null certificate",
            ),
            (
                0xc050,
                "TLS_RSA_WITH_ARIA_128_GCM_SHA256",
                "rsa-kx no-fs certificate",
            ),
            (
                0xc058,
                "TLS_DH_DSS_WITH_ARIA_128_GCM_SHA256",
                "no-fs certificate",
            ),
            (
                0xc077,
                "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384",
                "certificate",
            ),
            (0xc08e, "TLS_PSK_WITH_CAMELLIA_128_GCM_SHA256", "no-fs"),
            (0xc0b0, "TLS_ECCPWD_WITH_AES_128_GCM_SHA256", ""),
            (0xc0b4, "TLS_SHA256_SHA256", "new null"),
            (
                0xc102,
                "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT",
                "no-fs certificate",
            ),
            (0xc103, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L", "new"),
        ] {
            assert_eq!(says(code), (name, expected.to_owned()));
        }
        // What is no suite.
        for code in [0x00ff, 0x5600, 0x0a0a, 0xffff] {
            assert!(Suite::of(code).is_none(), "{code:#06x}");
        }
    }
}
