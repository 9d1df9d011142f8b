//! Which suites there are in this build, and which are on unless a configuration says otherwise.

use super::CipherSuite;

impl CipherSuite {
    /// The suites that this build can negotiate: those of [`Self::DEFAULT`], and those that are
    /// offered and accepted only where the configuration names them.
    ///
    /// These are the suites of `DHE`, with the feature `finite-field`, for peers that have no curves; and
    /// those with CBC. RFC 9325 §4.2 advises against them: their MAC is made before
    /// the encryption unless both sides have [`encrypt_then_mac`], and what then keeps the plaintext
    /// is the care of both implementations. And they are those without a certificate: of `PSK`,
    /// `ECDHE_PSK` and, with that feature, `DHE_PSK`, for which there has to be a [`psk`], and of
    /// `ECDH_anon` and, with that feature, `DH_anon`, with which nothing proves who either end is.
    ///
    /// With `finite-field` those of SRP, too, with which a user logs in by a password
    /// ([`srp`](crate::config::ClientConfigBuilder::srp), RFC 5054): all have CBC with SHA-1.
    ///
    /// With the feature `ffi` those with AES-CCM, too, which devices have that have little else: it takes
    /// longer than GCM. With CCM_8 a forged record is accepted once in 2^64 tries, instead of 2^128; DTLS 1.3
    /// has no CCM_8, because its connections outlive such tries (RFC 9147 §4.5.3).
    ///
    /// And they are those where the key in the server's certificate is part of the secret, for peers that have
    /// no other: of `ECDH_ECDSA` and `ECDH_RSA` and, with the feature `ffi`, of `RSA` and, with a pre-shared key
    /// besides, `RSA_PSK`. The server's key, once it is stolen, opens what was recorded before, and RFC 9325
    /// §4.1 forbids them where there is a choice. `ECDH_RSA` is for an ECDSA key too: the name says which kind
    /// of key has signed its certificate.
    ///
    /// The feature `legacy-ciphers` brings those of 3DES, RC4 and DES, **which protect little and take a time that
    /// depends on the key**: for a peer that has nothing else and cannot be replaced. A key of DES can be
    /// tried out, what RC4 encrypts again and again can be read (RFC 7465 forbids it), and of 3DES a
    /// connection can send some 369 MB before its blocks begin to repeat; then it ends with an error
    /// (RFC 9325 §4.1). A server chooses one of them only where it shares nothing else with the client, wherever
    /// either list has it. RFC 5469 §3 has DES in TLS 1.1 and older alone; Erlang and OpenSSL 1.0 have it in TLS 1.2,
    /// too, and so has this.
    ///
    /// [`encrypt_then_mac`]: crate::config::ClientConfigBuilder::encrypt_then_mac
    /// [`psk`]: crate::config::ClientConfigBuilder::psk
    pub const SUPPORTED: &'static [Self] = &[
        Self::TLS_AES_256_GCM_SHA384,
        Self::TLS_AES_128_GCM_SHA256,
        Self::TLS_CHACHA20_POLY1305_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_AES_128_CCM_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_AES_128_CCM_8_SHA256,
        Self::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Self::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        #[cfg(feature = "ffi")]
        Self::TLS_ECDHE_ECDSA_WITH_AES_256_CCM,
        #[cfg(feature = "ffi")]
        Self::TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8,
        Self::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
        Self::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,
        Self::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        Self::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        Self::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Self::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
        #[cfg(feature = "ffi")]
        Self::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
        Self::TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384,
        Self::TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384,
        Self::TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384,
        Self::TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384,
        Self::TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256,
        Self::TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256,
        Self::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
        Self::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
        Self::TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256,
        Self::TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_DHE_DSS_WITH_AES_256_GCM_SHA384,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_RSA_WITH_AES_256_CBC_SHA256,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_DHE_DSS_WITH_AES_256_CBC_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_DHE_DSS_WITH_AES_128_GCM_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_RSA_WITH_AES_128_CBC_SHA256,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_DHE_DSS_WITH_AES_128_CBC_SHA256,
        Self::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
        Self::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
        Self::TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA,
        Self::TLS_ECDH_RSA_WITH_AES_256_CBC_SHA,
        Self::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
        Self::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
        Self::TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA,
        Self::TLS_ECDH_RSA_WITH_AES_128_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_RSA_WITH_AES_256_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_DHE_DSS_WITH_AES_256_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_RSA_WITH_AES_128_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_DHE_DSS_WITH_AES_128_CBC_SHA,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_PSK_WITH_AES_256_GCM_SHA384,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_PSK_WITH_AES_256_CBC_SHA384,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_PSK_WITH_AES_128_GCM_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_PSK_WITH_AES_128_CBC_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_PSK_WITH_AES_256_CBC_SHA,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_PSK_WITH_AES_128_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_SRP_SHA_DSS_WITH_AES_256_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_SRP_SHA_DSS_WITH_AES_128_CBC_SHA,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_WITH_AES_256_GCM_SHA384,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_WITH_AES_256_CBC_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_WITH_AES_128_GCM_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_WITH_AES_128_CBC_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_WITH_AES_256_CBC_SHA,
        #[cfg(feature = "ffi")]
        Self::TLS_RSA_WITH_AES_128_CBC_SHA,
        Self::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_PSK_WITH_AES_256_GCM_SHA384,
        Self::TLS_PSK_WITH_AES_256_GCM_SHA384,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_DHE_PSK_WITH_AES_256_CCM,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_PSK_DHE_WITH_AES_256_CCM_8,
        #[cfg(feature = "ffi")]
        Self::TLS_PSK_WITH_AES_256_CCM,
        #[cfg(feature = "ffi")]
        Self::TLS_PSK_WITH_AES_256_CCM_8,
        Self::TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
        Self::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256,
        #[cfg(feature = "ffi")]
        Self::TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_PSK_WITH_AES_128_GCM_SHA256,
        Self::TLS_PSK_WITH_AES_128_GCM_SHA256,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_DHE_PSK_WITH_AES_128_CCM,
        #[cfg(all(feature = "ffi", feature = "finite-field"))]
        Self::TLS_PSK_DHE_WITH_AES_128_CCM_8,
        #[cfg(feature = "ffi")]
        Self::TLS_PSK_WITH_AES_128_CCM,
        #[cfg(feature = "ffi")]
        Self::TLS_PSK_WITH_AES_128_CCM_8,
        #[cfg(feature = "finite-field")]
        Self::TLS_DH_anon_WITH_AES_128_GCM_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DH_anon_WITH_AES_256_GCM_SHA384,
        #[cfg(feature = "finite-field")]
        Self::TLS_DH_anon_WITH_AES_128_CBC_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DH_anon_WITH_AES_256_CBC_SHA256,
        Self::TLS_ECDH_anon_WITH_AES_128_CBC_SHA,
        Self::TLS_ECDH_anon_WITH_AES_256_CBC_SHA,
        Self::TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_PSK_WITH_AES_256_CBC_SHA384,
        Self::TLS_PSK_WITH_AES_256_CBC_SHA384,
        Self::TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_PSK_WITH_AES_128_CBC_SHA256,
        Self::TLS_PSK_WITH_AES_128_CBC_SHA256,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_PSK_WITH_AES_256_CBC_SHA,
        Self::TLS_PSK_WITH_AES_256_CBC_SHA,
        Self::TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_DHE_PSK_WITH_AES_128_CBC_SHA,
        Self::TLS_PSK_WITH_AES_128_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_SRP_SHA_WITH_AES_128_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_SRP_SHA_WITH_AES_256_CBC_SHA,
        Self::TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_DH_anon_WITH_AES_128_CBC_SHA,
        #[cfg(feature = "finite-field")]
        Self::TLS_DH_anon_WITH_AES_256_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "legacy-ciphers"))]
        Self::TLS_RSA_WITH_3DES_EDE_CBC_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "legacy-ciphers"))]
        Self::TLS_RSA_PSK_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_SRP_SHA_DSS_WITH_3DES_EDE_CBC_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDHE_PSK_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_DHE_PSK_WITH_3DES_EDE_CBC_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_PSK_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_DH_anon_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_SRP_SHA_WITH_3DES_EDE_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "legacy-ciphers"))]
        Self::TLS_RSA_PSK_WITH_RC4_128_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDHE_RSA_WITH_RC4_128_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDH_ECDSA_WITH_RC4_128_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDH_RSA_WITH_RC4_128_SHA,
        #[cfg(all(feature = "ffi", feature = "legacy-ciphers"))]
        Self::TLS_RSA_WITH_RC4_128_SHA,
        #[cfg(all(feature = "ffi", feature = "legacy-ciphers"))]
        Self::TLS_RSA_WITH_RC4_128_MD5,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_DH_anon_WITH_RC4_128_MD5,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_ECDHE_PSK_WITH_RC4_128_SHA,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_DHE_PSK_WITH_RC4_128_SHA,
        #[cfg(feature = "legacy-ciphers")]
        Self::TLS_PSK_WITH_RC4_128_SHA,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_DHE_RSA_WITH_DES_CBC_SHA,
        #[cfg(all(feature = "ffi", feature = "legacy-ciphers"))]
        Self::TLS_RSA_WITH_DES_CBC_SHA,
        #[cfg(all(feature = "finite-field", feature = "legacy-ciphers"))]
        Self::TLS_DH_anon_WITH_DES_CBC_SHA,
    ];

    /// The default offer, strongest first.
    pub const DEFAULT: &'static [Self] = &[
        Self::TLS_AES_256_GCM_SHA384,
        Self::TLS_AES_128_GCM_SHA256,
        Self::TLS_CHACHA20_POLY1305_SHA256,
        Self::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Self::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        Self::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        Self::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        Self::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Self::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ];
}
