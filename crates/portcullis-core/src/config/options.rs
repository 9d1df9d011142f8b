//! What clients and servers configure alike.

/// The builder methods that client and server share.
macro_rules! common_options {
    ($role:ident) => {
        /// The protocol versions that may be negotiated (RFC 8446 §4.2.1). Default:
        /// [`ProtocolVersion::DEFAULT`].
        ///
        /// ```
        /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
        /// use portcullis::{ClientConfig, ProtocolVersion, Roots};
        ///
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
        /// # let roots = Roots::from_pem(&pem)?;
        /// let builder = ClientConfig::builder(roots);
        /// let config = builder.versions([ProtocolVersion::TLS_1_3]).build()?;
        /// # Ok(())
        /// # }
        /// ```
        pub fn versions(mut self, versions: impl Into<Vec<ProtocolVersion>>) -> Self {
            self.$role.policy.versions = versions.into();
            self.$role.policy.named.versions = true;
            self
        }

        /// The cipher suites, in order of preference. Default: [`CipherSuite::DEFAULT`].
        pub fn cipher_suites(mut self, suites: impl Into<Vec<CipherSuite>>) -> Self {
            self.$role.policy.cipher_suites = suites.into();
            self.$role.policy.named.cipher_suites = true;
            self
        }

        /// The groups for key exchange, in order of preference. Default:
        /// [`NamedGroup::DEFAULT`], post-quantum hybrids first.
        ///
        /// ```no_run
        /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*, suite::*}; }
        /// use portcullis::{ClientConfig, NamedGroup, Roots};
        ///
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// let groups = [NamedGroup::X25519_MLKEM768, NamedGroup::X25519];
        /// let config = ClientConfig::builder(Roots::os()?).groups(groups).build()?;
        /// # let _ = config;
        /// # Ok(())
        /// # }
        /// ```
        pub fn groups(mut self, groups: impl Into<Vec<NamedGroup>>) -> Self {
            self.$role.policy.groups = groups.into();
            self.$role.policy.named.groups = true;
            self
        }

        /// The fewest bits that the prime of DHE may have before TLS 1.3: 1,024 to 8,192. A client refuses
        /// a server whose group is smaller with `insufficient_security` (RFC 7919 §3, §3.1), also one of SRP
        /// (RFC 5054 §2.5.3). A server uses none but for users whose verifiers were made in it, and no
        /// [group](Self::groups) that is named for DHE may be smaller.
        /// Default: 2,048. Fewer than that are within reach of states (Logjam).
        #[cfg(feature = "finite-field")]
        #[cfg_attr(docsrs, doc(cfg(feature = "finite-field")))]
        pub fn dh_minimum(mut self, bits: u32) -> Self {
            self.$role.policy.dh_minimum = bits;
            self
        }

        /// The fewest bits that the modulus of an RSA key and the prime of a DSA key may have: 1,024 to 2,048.
        /// It is about the peer's certificates, and about this side's identities, too. Default: 2,048. RSA
        /// keys of 1,024 bits are within reach of states, and no certificate on the web has had one since
        /// 2014; RFC 9325 §4.5 forbids them.
        #[cfg(any(feature = "ffi", test))]
        #[cfg_attr(docsrs, doc(cfg(feature = "ffi")))]
        pub fn key_minimum(mut self, bits: u32) -> Self {
            self.$role.policy.key_minimum = bits;
            self
        }

        /// The schemes accepted in the peer's CertificateVerify, and in TLS 1.2 in the server's
        /// ServerKeyExchange. Default: [`SignatureScheme::DEFAULT`].
        ///
        /// This side signs with what its key has and the peer accepts; but with SHA-1 and SHA-224, in TLS 1.2,
        /// only where they are named here. An attacker that finds two messages with one hash of SHA-1 can
        /// use the signature of one for the other (RFC 9155): name them for peers that have nothing else. Keys of DSA are
        /// accepted where one of their schemes is named, also in TLS 1.1 and 1.0, where a signature does not
        /// say how it was made.
        pub fn signature_schemes(mut self, schemes: impl Into<Vec<SignatureScheme>>) -> Self {
            self.$role.policy.schemes = schemes.into();
            self.$role.policy.named.schemes = true;
            self
        }

        /// The schemes accepted in the signatures of the peer's certificates. Default: those
        /// of [`signature_schemes`](Self::signature_schemes) but for SHA-1, SHA-224 and DSA, and PKCS#1 with
        /// SHA-256 and longer. SHA-1 and SHA-224 can be named, for authorities of old; DSA cannot, since no
        /// chain is verified with it here, only leaves that another kind of key has signed.
        pub fn certificate_signature_schemes(
            mut self,
            schemes: impl Into<Vec<SignatureScheme>>,
        ) -> Self {
            self.$role.policy.certificate_schemes = Some(schemes.into());
            self
        }

        /// How many signatures of the peers' certificates are remembered as good, so that they
        /// are not verified again when a chain comes back; 0 remembers none. Default: 1,024,
        /// about 200 bytes each. Everything else about a chain is verified each time, and so is
        /// the peer's CertificateVerify. Clones of the configuration share what they remember,
        /// and so does what is built from it by `to_builder` unless the trust anchors change.
        pub fn remembered_signatures(mut self, count: usize) -> Self {
            self.$role.policy.memo = SignatureMemo::new(count);
            self.$role.policy.memo_is_chosen = true;
            self
        }

        /// Whether the peer's certificates are looked for in revocation lists (RFC 5280 §6.3). Default: no.
        ///
        /// [`VerifyChain`](crate::question::VerifyChain) is then asked, whatever
        /// [`ask_verification`](Self::ask_verification) says, and its
        /// [`revocation_check`](crate::question::VerifyChain::revocation_check) says which lists are wanted. In `portcullis` the connector
        /// or acceptor has a source of lists, `crls`. A revoked peer gets `certificate_revoked`, one of which it
        /// cannot be told `bad_certificate`, unless the check accepts that.
        ///
        /// A client decides before it offers a session in which the server showed a chain, and a server before it
        /// resumes one: by the lists that are in memory. Where they do not suffice the handshake is a full one. The
        /// core by itself has no lists: [`note_revocation`](crate::session::ClientSession::note_revocation) takes what
        /// they say of a session, and without that none is offered.
        pub fn crl_check(mut self, check: $crate::x509::CrlCheck) -> Self {
            self.$role.policy.crl_check = check;
            self
        }

        /// The application protocols, in order of preference (RFC 7301).
        ///
        /// ```
        /// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
        /// use portcullis::{ClientConfig, Roots};
        ///
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        /// # let pem = made.cert.pem() + &made.signing_key.serialize_pem();
        /// # let roots = Roots::from_pem(&pem)?;
        /// let config = ClientConfig::builder(roots).alpn(["h2", "http/1.1"]).build()?;
        /// assert_eq!(config.alpn_protocols().count(), 2);
        /// # Ok(())
        /// # }
        /// ```
        pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
            self.$role.policy.alpn = protocols
                .into_iter()
                .map(|name| name.as_ref().into())
                .collect();
            self
        }

        /// The application protocols of NPN (draft-agl-tls-nextprotoneg-04), which ALPN has replaced,
        /// in order of preference; before TLS 1.3 alone, and not where ALPN settles it. A server names
        /// them, also if there are none, and a client chooses one that it likes, whether it was
        /// named or not. Default: no NPN.
        pub fn next_protocols<P: AsRef<[u8]>>(
            mut self,
            protocols: impl IntoIterator<Item = P>,
        ) -> Self {
            let protocols = protocols.into_iter().map(|name| name.as_ref().into());
            self.$role.policy.next_protocols = Some(protocols.collect());
            self
        }

        /// For which profiles of SRTP a connection gives keys, in order of preference (RFC 5764); the server chooses by its own.
        /// Over datagrams alone: over TLS a handshake with this is refused. Default: none, as with an empty list.
        /// Where the peer has none of them the connection is there all the same:
        /// [`srtp_profile`](crate::ConnectionInformation::srtp_profile) says what was settled,
        /// [`srtp_keys`](crate::ConnectionInformation::srtp_keys) gives the keys.
        pub fn srtp(mut self, profiles: impl Into<Vec<$crate::SrtpProfile>>) -> Self {
            self.$role.policy.srtp.profiles = profiles.into();
            self
        }

        /// The largest record this side wants to receive, in bytes of inner plaintext with its
        /// content type: 64 to 16,385 (RFC 8449).
        pub fn record_size_limit(mut self, limit: u16) -> Self {
            self.$role.policy.record_size_limit = Some(limit);
            self
        }

        /// The most content in a record this side sends, in bytes: 64 to 16,384, the default.
        /// Smaller records come sooner and cost more. What the peer asks for binds as well.
        pub fn max_fragment_sent(mut self, bytes: u16) -> Self {
            self.$role.policy.max_fragment_sent = bytes;
            self
        }

        /// Sends `alert` instead of the RFC's alert for this violation, during the handshake: for
        /// a peer that understands only what another implementation would say.
        pub fn alert_instead(mut self, violation: Violation, alert: AlertDescription) -> Self {
            self.$role.policy.alerts.push((violation, alert));
            self
        }

        /// The longest handshake message accepted, in bytes: 1,024 to 2^24-1. Default: 256 KiB.
        /// A server accepts 47 KiB of ClientHello and no more, whatever this says: until it has
        /// answered, a client costs it 64 KiB at most.
        pub fn max_handshake_size(mut self, bytes: usize) -> Self {
            self.$role.policy.max_handshake_size = bytes;
            self
        }

        /// Changes the write key after this many bytes. The limits of each cipher
        /// (RFC 8446 §5.5) are kept in any case. Default: 388,736,063,997 (389 GB), as in Erlang.
        ///
        /// Before TLS 1.3 only another handshake changes a key, and there is one for this where
        /// [`renegotiation`](Self::renegotiation) allows it; see
        /// [`Renegotiation`](crate::config::Renegotiation). Ciphers without a limit, as ChaCha20, keep their key
        /// then unless this has another value than the default.
        pub fn key_update_at(mut self, bytes: u64) -> Self {
            self.$role.policy.key_update_at = bytes;
            self
        }

        /// How records are padded (RFC 8446 §5.4). Default: not at all.
        pub fn padding(mut self, padding: PaddingPolicy) -> Self {
            self.$role.policy.padding = padding;
            self
        }

        /// Whether the master secret of before TLS 1.3 depends on the whole handshake (RFC 7627). Default:
        /// [`ExtendedMasterSecret::IfOffered`](crate::config::ExtendedMasterSecret::IfOffered). TLS
        /// 1.3 always has this.
        pub fn extended_master_secret(
            mut self,
            when: $crate::config::ExtendedMasterSecret,
        ) -> Self {
            self.$role.policy.extended_master_secret = when;
            self
        }

        /// Whether a connection of before TLS 1.3 without the extended master secret gives keying material all the
        /// same (`export_keying_material`, `prf` of its master secret). Default: no. Whoever is between the ends can
        /// have arranged that another connection has the same, so it must not be what proves who somebody
        /// is (RFC 7627 §5.4): no EAP; and there is no channel binding in any case, neither `tls_exporter` nor, in a
        /// connection that resumes, `tls_unique`. Yes, for old peers of protocols that take no more than keys from it.
        pub fn exporters_without_extended_master_secret(mut self, on: bool) -> Self {
            self.$role.policy.exports_without_extended_master_secret = on;
            self
        }

        /// Whether records of before TLS 1.3 with CBC are encrypted before they get their MAC, where the
        /// peer can do that, too (RFC 7366). Default: yes, because a forged record is then refused
        /// before anything is decrypted. With other cipher suites it means nothing. No, for peers
        /// that fail over it.
        pub fn encrypt_then_mac(mut self, on: bool) -> Self {
            self.$role.policy.encrypt_then_mac = on;
            self
        }

        /// What a peer gets that asks for another handshake on a connection of before TLS 1.3.
        /// Default: [`Renegotiation::Decline`](crate::config::Renegotiation::Decline).
        pub fn renegotiation(mut self, policy: $crate::config::Renegotiation) -> Self {
            self.$role.policy.renegotiation = policy;
            self
        }

        /// Whether a peer that does not know RFC 5746 is talked to before TLS 1.3. Default:
        /// [`ForRenegotiation`](crate::config::SecureRenegotiation::ForRenegotiation): it is, but not
        /// renegotiated with.
        pub fn secure_renegotiation(mut self, when: $crate::config::SecureRenegotiation) -> Self {
            self.$role.policy.secure_renegotiation = when;
            self
        }

        /// What is done about the chained IVs of TLS 1.0. Default:
        /// [`BeastMitigation::OneNMinusOne`](crate::config::BeastMitigation::OneNMinusOne).
        pub fn beast_mitigation(mut self, mitigation: $crate::config::BeastMitigation) -> Self {
            self.$role.policy.beast_mitigation = mitigation;
            self
        }

        /// Whether every byte of the padding in a record of TLS 1.0 must be right (RFC 4346 §6.2.3.2
        /// demands it of TLS 1.1 and newer, where it is always so). Default: yes. No, for peers that
        /// fill it with anything, as SSL 3.0 did: then only its length counts, and an attacker that can have
        /// one secret sent many times may read it (POODLE).
        pub fn padding_check(mut self, on: bool) -> Self {
            self.$role.policy.padding_check = on;
            self
        }

        /// How certificates may be compressed in TLS 1.3 (RFC 8879), best first: the peer's, which is told of all, and
        /// this side's, where the peer has one of them. Before TLS 1.3 there is no such thing. Default: none.
        ///
        /// Building the configuration compresses the chains of its identities with each algorithm, once for
        /// each identity, which takes milliseconds; an identity that is chosen later is sent as it is, unless some
        /// configuration has had it.
        pub fn certificate_compression(
            mut self,
            algorithms: impl IntoIterator<Item = CertificateCompression>,
        ) -> Self {
            self.$role.policy.compression = algorithms.into_iter().collect();
            self
        }

        /// Whether the handshake looks like TLS 1.2 to middleboxes (RFC 8446 D.4).
        /// Default: yes. A server then sends the change_cipher_spec to every client; one that
        /// does not want to still sends it to a client that asks with a session id.
        pub fn middlebox_compatibility(mut self, on: bool) -> Self {
            self.$role.policy.middlebox_compatibility = on;
            self
        }

        /// Whether an alert that names an error at the level of a warning is an offence of its
        /// own, answered with `decode_error`. Default: no; the connection ends with the error
        /// that the peer named, since the level says nothing (RFC 8446 §6). `close_notify` and
        /// `user_canceled` may be warnings in any case.
        pub fn strict_alert_levels(mut self, on: bool) -> Self {
            self.$role.policy.strict_alert_levels = on;
            self
        }

        /// Reports secrets as [`Event::Secret`](crate::Event::Secret), for debugging.
        /// With them one can read the connection. Default: no. With feature `key-log`. In `portcullis` the
        /// method of this name of a connector or acceptor switches it on and gets them; without one
        /// nobody sees them.
        #[cfg(any(feature = "key-log", test))]
        pub fn key_log(mut self, on: bool) -> Self {
            self.$role.policy.key_log = on;
            self
        }

        /// Reports every handshake message by name as [`Event::Message`](crate::Event::Message).
        /// Default: no. In `portcullis` they are events of `tracing`, and are reported whenever somebody
        /// listens to its level DEBUG.
        pub fn observe_messages(mut self, on: bool) -> Self {
            self.$role.policy.observe_messages = on;
            self
        }

        /// Whether a connection can say which options are in force
        /// ([`ConnectionInformation::options`](crate::ConnectionInformation::options)). Default: no. It keeps the
        /// configuration for that, private keys and all, for as long as it lasts, also when that was replaced.
        pub fn keep_options(mut self, on: bool) -> Self {
            self.$role.policy.keeps_options = on;
            self
        }

        /// Asks [`ChooseIdentity`](crate::question::ChooseIdentity) instead of choosing among the
        /// configured identities. A server asks before it resumes a session, too: it does so only
        /// if the identity has the name that the certificate of the first connection had.
        pub fn ask_identity(mut self, on: bool) -> Self {
            self.$role.policy.asked.identity = on;
            self
        }

        /// A pre-shared key, which takes the place of certificates: whoever has the key is the one it is for, on either
        /// side. Call again for further ones.
        ///
        /// In TLS 1.3 (RFC 8446 §2.2) it goes with every cipher suite that has [its
        /// hash](crate::config::PreSharedKey::for_hash). A client offers all of its keys, behind a session if it
        /// has one; a server takes the first of its own that is offered, and shows a certificate, if it has any, where
        /// none is. A client with no trust anchors, and one that is built from `Roots::empty()`, takes nobody but those who
        /// have a key; a server needs no identity. There is no early data with a key but when a session is
        /// resumed that began with it: nothing says how old such a hello is.
        ///
        /// Before TLS 1.3 it is for the cipher suites of `PSK`, `ECDHE_PSK` and, with the feature
        /// `finite-field`, `DHE_PSK` (RFC 4279, RFC 5489), which have to be
        /// [named](Self::cipher_suites). With the feature `ffi` there is
        /// `RSA_PSK`, too: there the server shows a certificate besides, and the client none. A server takes the key
        /// that its client names, a client the first.
        ///
        /// ```
        /// # mod portcullis { pub use portcullis_core::{config::*, suite, x509::*}; }
        /// use portcullis::suite::CipherSuite;
        /// use portcullis::{ClientConfig, PreSharedKey, Roots, ServerConfig};
        ///
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// # let random = [7; 32];
        /// let psk = PreSharedKey::new("meter-17", random)?;
        /// let server = ServerConfig::builder().psk(psk.clone()).build()?;
        /// let client = ClientConfig::builder(Roots::empty()).psk(psk.clone()).build()?;
        /// // For peers of TLS 1.2, too.
        /// let suites = [
        ///     CipherSuite::TLS_AES_128_GCM_SHA256,
        ///     CipherSuite::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
        /// ];
        /// let client = ClientConfig::builder(Roots::empty()).cipher_suites(suites).psk(psk).build()?;
        /// # Ok(())
        /// # }
        /// ```
        pub fn psk(mut self, psk: $crate::config::PreSharedKey) -> Self {
            self.$role.policy.psks.add(psk);
            self
        }

        /// Asks [`ChoosePsk`](crate::question::ChoosePsk) for the pre-shared key instead of taking
        /// one of those that are [configured](Self::psk). A client is asked before TLS 1.3 alone: in TLS 1.3 its
        /// hello has the keys that are configured.
        pub fn ask_psk(mut self, on: bool) -> Self {
            self.$role.policy.asked.psk = on;
            self
        }

        /// Whether a pre-shared key of TLS 1.3 may be used alone, without a key exchange (`psk_ke`, RFC 8446 §4.2.9):
        /// then whoever learns the key later can read what was said before. A server does so where its client offers
        /// nothing else, a client where its server wants it. On a client it is
        /// for sessions that are resumed, too. Default: no.
        pub fn psk_ke(mut self, on: bool) -> Self {
            self.$role.policy.psk_ke = on;
            self
        }

        /// Asks [`Sign`](crate::question::Sign) even when the key is local, and
        /// [`Decrypt`](crate::question::Decrypt) where a server's key decrypts. For an external key
        /// they are always asked.
        pub fn ask_signature(mut self, on: bool) -> Self {
            self.$role.policy.asked.signature = on;
            self
        }

        /// Asks [`VerifyChain`](crate::question::VerifyChain) instead of verifying at once.
        pub fn ask_verification(mut self, on: bool) -> Self {
            self.$role.policy.asked.verification = on;
            self
        }
    };
}

pub(super) use common_options;
