//! Every rule a peer can break: its name, the alert it costs, a sentence, and the RFC section.
//!
//! State files name violations, never alerts. A bare § means RFC 8446.

use crate::alert::AlertDescription;

/// Whether it does not begin with the name of its RFC.
const fn is_bare(section: &str) -> bool {
    // "§" in UTF-8.
    matches!(section.as_bytes(), [0xc2, 0xa7, ..])
}

macro_rules! violations {
    ($($group:literal { $($name:ident => $alert:ident, $section:literal, $sentence:literal;)+ })+) => {
        /// A rule the peer broke.
        ///
        /// Each has exactly one alert, which is what the peer is told. A bare § means RFC 8446.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Violation {
            $($(
                #[doc = concat!($sentence, " (", $section, ", `", stringify!($alert), "`).")]
                $name,
            )+)+
        }

        impl Violation {
            /// Every violation, in the order of this file.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)+];

            /// The alert the peer is sent.
            pub const fn alert(self) -> AlertDescription {
                match self { $($(Self::$name => AlertDescription::$alert,)+)+ }
            }

            /// Where the rule stands: each RFC with its sections.
            pub const fn section(self) -> &'static str {
                match self {
                    $($(Self::$name if is_bare($section) => concat!("RFC 8446 ", $section),
                    Self::$name => $section,)+)+
                }
            }

            /// What the peer did, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $($(Self::$name => $sentence,)+)+ }
            }

            /// The name of the violation, as in this file.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)+)+ }
            }
        }
    };
}

violations! {
    "records" {
        UnknownRecordType => UNEXPECTED_MESSAGE, "§5", "the peer sent a record of an unknown type";
        WrongRecordVersion => PROTOCOL_VERSION, "§5.1", "the peer sent a record with a version that is not TLS";
        RecordVersionChanged => PROTOCOL_VERSION, "§5.1, §5.2; RFC 5246 §6.2.1", "the peer sent a record whose version is not that of all records since the version was negotiated";
        RecordTooLong => RECORD_OVERFLOW, "§5.1, §5.2; RFC 5246 §6.2.3", "the peer sent a record longer than the protocol allows";
        PlaintextTooLong => RECORD_OVERFLOW, "§5.1, §5.4; RFC 5246 §6.2.1", "the peer sent a record with more content than the protocol allows";
        RecordBeyondLimit => RECORD_OVERFLOW, "RFC 8449 §4", "the peer sent a record longer than the limit it was told";
        BadRecordMac => BAD_RECORD_MAC, "§5.2; RFC 5246 §6.2.3", "the peer sent a record that does not open under the current key";
        NoContentType => UNEXPECTED_MESSAGE, "§5.4", "the peer sent a protected record with nothing but padding";
        WrongOuterType => UNEXPECTED_MESSAGE, "§5.2", "the peer sent a protected record whose outer type is not application_data";
        UnprotectedRecord => UNEXPECTED_MESSAGE, "§5", "the peer sent an unprotected record where a protected one is due";
        EmptyRecord => UNEXPECTED_MESSAGE, "§5.1", "the peer sent an empty handshake or alert record";
        TooManyEmptyRecords => UNEXPECTED_MESSAGE, "§5.1", "the peer sent too many empty records in a row";
        MalformedChangeCipherSpec => UNEXPECTED_MESSAGE, "§5; RFC 5246 §7.1", "the peer sent a change_cipher_spec that is not the single byte 1";
        UnexpectedChangeCipherSpec => UNEXPECTED_MESSAGE, "§5; RFC 5246 §7.1", "the peer sent a change_cipher_spec where none is allowed";
        TooManyChangeCipherSpecs => UNEXPECTED_MESSAGE, "§5, D.4", "the peer sent more change_cipher_spec records than middlebox compatibility needs";
        MessageAfterFlight => UNEXPECTED_MESSAGE, "§2.1, §5.1", "the peer sent handshake bytes before it had seen what they have to answer";
        InterleavedRecord => UNEXPECTED_MESSAGE, "§5.1", "the peer put another record between the fragments of a handshake message";
        MessageSpansKeyChange => UNEXPECTED_MESSAGE, "§5.1", "the peer sent handshake bytes beyond a message after which the keys change";
        ApplicationDataTooEarly => UNEXPECTED_MESSAGE, "§2", "the peer sent application data before the handshake was over";
        TooMuchEarlyData => UNEXPECTED_MESSAGE, "§4.2.10", "the peer sent more early data than may be skipped";
        EarlyDataBeyondLimit => UNEXPECTED_MESSAGE, "§4.2.10, §4.6.1", "the client sent more early data than its ticket allows";
        MalformedAck => DECODE_ERROR, "RFC 9147 §7", "the peer sent an acknowledgement that cannot be decoded";
        MalformedFragment => DECODE_ERROR, "RFC 9147 §5.5", "the peer sent a fragment of a message that cannot be decoded";
        FragmentContradictsMessage => ILLEGAL_PARAMETER, "RFC 9147 §5.5", "the peer sent a fragment whose message has another type or length than before";
        MessageInOldEpoch => UNEXPECTED_MESSAGE, "RFC 9147 §8", "the peer sent a new handshake message under a key that it has replaced";
        ConnectionIdTooLong => ILLEGAL_PARAMETER, "RFC 9146 §3; RFC 9147 §9", "the server wants a connection id on each record that is longer than this side writes";
        ConnectionIdsNotNegotiated => UNEXPECTED_MESSAGE, "RFC 9147 §9", "the peer spoke of other connection ids where its records, or those it receives, have none";
        BadConnectionIdUsage => ILLEGAL_PARAMETER, "RFC 9147 §9", "the peer sent connection ids to be used at a time that does not exist";
        NoUsableConnectionId => ILLEGAL_PARAMETER, "RFC 9147 §9", "the peer wants a new connection id to be used at once, and gave none that can be";
        MalformedPathMessage => DECODE_ERROR, "RFC 9853 §4", "the peer sent a return_routability_check that cannot be decoded";
        TooManyConnectionIds => UNEXPECTED_MESSAGE, "RFC 9147 §9", "the peer sent new connection ids too often in a row";
        TooManyConnectionIdsRequested => TOO_MANY_CIDS_REQUESTED, "RFC 9147 §9", "the peer asked for new connection ids too often in a row";
        AeadLimitReached => BAD_RECORD_MAC, "§5.5", "the peer sent more records under one key than the cipher can protect";
    }
    "alerts" {
        MalformedAlert => DECODE_ERROR, "§6", "the peer sent an alert that is not two bytes";
        UnknownAlertLevel => ILLEGAL_PARAMETER, "§6", "the peer sent an alert of an unknown level";
        WrongAlertLevel => DECODE_ERROR, "§6", "the peer sent an alert that names an error at the level of a warning";
        TooManyWarnings => UNEXPECTED_MESSAGE, "§6", "the peer sent too many warning alerts";
    }
    "handshake messages" {
        UnexpectedMessage => UNEXPECTED_MESSAGE, "§4", "the peer sent a handshake message that does not belong here";
        UnknownHandshakeType => UNEXPECTED_MESSAGE, "§4", "the peer sent a handshake message of an unknown type";
        HandshakeMessageTooLong => ILLEGAL_PARAMETER, "§4", "the peer sent a handshake message longer than this side accepts (`max_handshake_size`; a ClientHello at most 47 KiB)";
        MalformedMessage => DECODE_ERROR, "§6.2", "the peer sent a message that cannot be decoded";
        MalformedExtension => DECODE_ERROR, "§4.2", "the peer sent an extension that cannot be decoded";
        DuplicateExtension => ILLEGAL_PARAMETER, "§4.2", "the peer sent an extension twice in one message";
        DuplicateNegotiation => DECODE_ERROR, "§4.2", "the peer sent an extension twice in its ClientHello, in EncryptedExtensions, or in a ServerHello of before TLS 1.3";
        ExtensionNotOffered => UNSUPPORTED_EXTENSION, "§4.2", "the peer answered an extension that was not offered";
        ExtensionMisplaced => ILLEGAL_PARAMETER, "§4.2", "the peer sent an extension in a message it does not belong to";
    }
    "ServerHello and HelloRetryRequest" {
        SelectedPskNotOffered => ILLEGAL_PARAMETER, "§4.2.11", "the server selected a pre-shared key that was not offered";
        PskHashMismatch => ILLEGAL_PARAMETER, "§4.2.11", "the server selected a cipher suite with another hash than that of the pre-shared key it selected";
        VersionNotOffered => PROTOCOL_VERSION, "§4.1.3", "the server selected a version that was not offered";
        LegacyVersionInServerHello => ILLEGAL_PARAMETER, "§4.1.3", "the server sent a legacy_version that is not TLS 1.2";
        SelectedVersionNotOffered => ILLEGAL_PARAMETER, "§4.2.1", "the server selected a version in supported_versions that was not offered";
        DowngradeDetected => ILLEGAL_PARAMETER, "§4.1.3", "the server says that it was talked down from TLS 1.3";
        SessionIdNotEchoed => ILLEGAL_PARAMETER, "§4.1.3", "the server did not echo legacy_session_id";
        SuiteNotOffered => ILLEGAL_PARAMETER, "§4.1.3", "the server selected a cipher suite that was not offered";
        CompressionSelected => DECODE_ERROR, "§4.1.3", "the server selected a compression method";
        PskNotSelected => MISSING_EXTENSION, "§4.2.11", "the server selected no pre-shared key, and this side takes nothing else for a proof of who it is";
        PskWithoutKeyShare => ILLEGAL_PARAMETER, "§4.2.11", "the server selected a pre-shared key without a key exchange, which was not offered";
        ServerKeyShareMissing => MISSING_EXTENSION, "§4.2.8", "the server sent no key share";
        KeyShareGroupNotOffered => ILLEGAL_PARAMETER, "§4.2.8", "the server sent a key share of a group for which there was none";
        BadKeyShare => ILLEGAL_PARAMETER, "§4.2.8", "the peer sent a key share that is not a valid public key of its group";
        RetryWithoutChange => ILLEGAL_PARAMETER, "§4.1.4", "the server asked for a new hello that would be the same as the first";
        RetryGroupNotOffered => ILLEGAL_PARAMETER, "§4.2.8", "the server asked for a key share of a group that was not offered";
        RetryGroupAlreadyShared => ILLEGAL_PARAMETER, "§4.2.8", "the server asked for a key share that the first hello already had";
        CookieTooLong => ILLEGAL_PARAMETER, "§4.2.2", "the server sent a cookie that does not fit into the second hello";
        SecondRetry => UNEXPECTED_MESSAGE, "§4.1.4", "the server sent a second HelloRetryRequest";
        SuiteChangedAfterRetry => ILLEGAL_PARAMETER, "§4.1.4", "the server selected another cipher suite than in its HelloRetryRequest";
        VersionChangedAfterRetry => ILLEGAL_PARAMETER, "§4.1.4", "the server selected another version than in its HelloRetryRequest";
        VersionChangedAfterVerify => ILLEGAL_PARAMETER, "RFC 9147 §5.1", "the server asked for a cookie as DTLS 1.2 does, and then selected DTLS 1.3";
        GroupChangedAfterRetry => ILLEGAL_PARAMETER, "§4.2.8", "the server selected another group than in its HelloRetryRequest";
    }
    "Encrypted ClientHello" {
        EchTypeUnknown => ILLEGAL_PARAMETER, "RFC 9849 §7", "the client sent an encrypted_client_hello that is neither outer nor inner";
        EchInnerFromNetwork => ILLEGAL_PARAMETER, "RFC 9849 §7", "the client sent a ClientHelloInner that is not encrypted";
        EchOuterAtBackend => ILLEGAL_PARAMETER, "RFC 9849 §7", "a ClientHelloOuter came to a server that is behind the one that decrypts";
        EchPaddingNotZero => ILLEGAL_PARAMETER, "RFC 9849 §5.1", "the client sent a ClientHelloInner whose padding is not zero";
        EchSessionIdNotEmpty => ILLEGAL_PARAMETER, "RFC 9849 §5.1", "the client sent a ClientHelloInner with a session id of its own";
        OuterExtensionMissing => ILLEGAL_PARAMETER, "RFC 9849 §5.1", "the client's ClientHelloInner refers to an extension that ClientHelloOuter does not have there";
        OuterExtensionSelfReference => ILLEGAL_PARAMETER, "RFC 9849 §5.1", "the client's ClientHelloInner refers to encrypted_client_hello";
        InnerWithoutEch => ILLEGAL_PARAMETER, "RFC 9849 §7.1", "the client sent a ClientHelloInner that does not say that it is one";
        InnerOffersOldVersion => ILLEGAL_PARAMETER, "RFC 9849 §7.1", "the client sent a ClientHelloInner that offers a version before TLS 1.3";
        EchMissingInSecondHello => MISSING_EXTENSION, "RFC 9849 §7.1.1", "the client sent a second ClientHello without encrypted_client_hello, and the first was accepted";
        EchChangedInSecondHello => ILLEGAL_PARAMETER, "RFC 9849 §7.1.1", "the client's second ClientHello is encrypted for another configuration, or with a key of its own";
        SecondEchNotOpened => DECRYPT_ERROR, "RFC 9849 §7.1.1", "the client sent a second ClientHello that does not decrypt";
        EchAcceptanceRevoked => ILLEGAL_PARAMETER, "RFC 9849 §6.1.5", "the server accepted the encrypted ClientHello in HelloRetryRequest, and not in ServerHello";
        EchRejectedButResumed => ILLEGAL_PARAMETER, "RFC 9849 §6.1.2", "the server did not accept the encrypted ClientHello, and selected a pre-shared key, of which the other has none";
    }
    "ServerHello before TLS 1.3" {
        SuiteOfAnotherVersion => ILLEGAL_PARAMETER, "RFC 5246 §A.5", "the server selected a cipher suite that does not exist in the version it selected";
        CompressionNotOffered => ILLEGAL_PARAMETER, "RFC 5246 §7.4.1.3", "the server selected a compression method, and null alone was offered";
        CompatibilitySessionIdEchoed => ILLEGAL_PARAMETER, "§D.4", "the server says that it resumes a session, and none was offered";
        ExtendedMasterSecretMissing => HANDSHAKE_FAILURE, "RFC 7627 §5.2", "the peer does not use the extended master secret, which is required here";
        RenegotiationInfoMismatch => HANDSHAKE_FAILURE, "RFC 5746 §3.4 to §3.7", "the peer's renegotiation_info is not that of this connection";
        SecureRenegotiationMissing => HANDSHAKE_FAILURE, "RFC 5746 §4.1, §4.3", "the peer does not say that it knows secure renegotiation, which is demanded here";
        ResumedWithAnotherVersion => ILLEGAL_PARAMETER, "RFC 5246 §7.4.1.3", "the server resumes the session with another version";
        ResumedWithAnotherSuite => ILLEGAL_PARAMETER, "RFC 5246 §7.4.1.3", "the server resumes the session with another cipher suite";
        ResumedWithoutExtendedMasterSecret => HANDSHAKE_FAILURE, "RFC 7627 §5.3", "the peer resumes a session that has the extended master secret as if it had not";
        ResumedWithExtendedMasterSecret => HANDSHAKE_FAILURE, "RFC 7627 §5.3", "the server resumes a session that does not have the extended master secret as if it had";
        EncryptThenMacWithoutBlockCipher => ILLEGAL_PARAMETER, "RFC 7366 §3", "the server says that it encrypts before it makes the MAC, and chose a cipher suite that is not of a block cipher";
        BothProtocolNegotiations => ILLEGAL_PARAMETER, "draft-agl-tls-nextprotoneg-04 §5", "the server answers both ALPN and NPN";
        UncompressedPointsMissing => ILLEGAL_PARAMETER, "RFC 8422 §5.1.2", "the peer's ec_point_formats has no uncompressed";
    }
    "renegotiation" {
        RenegotiationInfoMissing => HANDSHAKE_FAILURE, "RFC 5746 §3.5, §3.7", "the peer renegotiates without renegotiation_info";
        ScsvInRenegotiation => HANDSHAKE_FAILURE, "RFC 5746 §3.7", "the client renegotiates with the cipher suite that belongs to a first handshake";
        RenegotiationChangedVersion => PROTOCOL_VERSION, "RFC 5246 §7.4.1", "the peer renegotiates with another version";
        RenegotiationChangedCertificate => ILLEGAL_PARAMETER, "RFC 7627 §1", "the server renegotiates with another certificate";
        RenegotiationChangedClient => ILLEGAL_PARAMETER, "RFC 5246 §7.4.6, RFC 7627 §1", "the client renegotiates as somebody else than it has proved to be, or as nobody";
        RenegotiationChangedProtection => ILLEGAL_PARAMETER, "RFC 7366 §3.1, RFC 7627 §5.2", "the peer renegotiates without the extended master secret or encrypt-then-MAC that the connection has, or with the extended master secret where the connection had none";
        RenegotiationChangedProtocol => ILLEGAL_PARAMETER, "RFC 7301 §3.2", "the client renegotiates without the application protocol of the connection among those that it offers";
        RenegotiationChangedConnectionId => ILLEGAL_PARAMETER, "RFC 9146 §3", "a renegotiation says other connection ids than the handshake before, or none";
        RenegotiationChangedSrtp => ILLEGAL_PARAMETER, "RFC 5764 §4.1", "a renegotiation settles another profile of SRTP, or none, where the handshake before settled one";
        RenegotiationChangedName => ILLEGAL_PARAMETER, "RFC 6066 §11.1", "the client renegotiates with another server name";
        DataBeforeFinished => UNEXPECTED_MESSAGE, "RFC 5246 §7.4.9", "the peer sent data between the change_cipher_spec and the Finished of a renegotiation";
    }
    "the flight before TLS 1.3" {
        CurveNotOffered => ILLEGAL_PARAMETER, "RFC 8422 §5.4", "the server chose a curve that was not offered";
        WeakGroup => INSUFFICIENT_SECURITY, "RFC 7919 §3, §3.1", "the server chose a Diffie-Hellman group whose prime is even, or has fewer bits than `dh_minimum` or more than 8,192 (4,096 if no RFC has it), or whose generator is none";
        BadDhShare => HANDSHAKE_FAILURE, "RFC 7919 §3, §4, §5.1", "the peer sent a Diffie-Hellman share that is not above 1 and below the prime less 1";
        KeyDoesNotFitSuite => ILLEGAL_PARAMETER, "RFC 5246 §7.4.2", "the key in the server's certificate is of another kind than the cipher suite says";
        RequestByAnonymousServer => HANDSHAKE_FAILURE, "RFC 5246 §7.4.4", "the server asked for a certificate, and chose a cipher suite by which it shows nothing of itself";
        LeafCurveNotOffered => ILLEGAL_PARAMETER, "RFC 8422 §5.1", "the key in the server's certificate is on a curve that was not offered";
        NoClientCertificateBefore13 => HANDSHAKE_FAILURE, "RFC 5246 §7.4.6", "the client sent no certificate although one is required";
        BadSrpGroup => INSUFFICIENT_SECURITY, "RFC 5054 §2.5.3", "the server chose a prime and generator for SRP that are none of the RFC's, or a prime of fewer bits than `dh_minimum`";
        BadSrpValue => ILLEGAL_PARAMETER, "RFC 5054 §2.5.3, §2.5.4", "the peer sent a public value of SRP that is not above 0 and below the prime, or makes the scrambler 0";
        SrpUserMissing => UNKNOWN_PSK_IDENTITY, "RFC 5054 §2.5.1.2", "the client offers only cipher suites of SRP that could be used here, and names no user";
        UnknownPskIdentity => UNKNOWN_PSK_IDENTITY, "§6.2; RFC 4279 §2", "the client named a pre-shared key that is not known here";
        NullCompressionMissing => ILLEGAL_PARAMETER, "RFC 5246 §7.4.1.2", "the client's compression methods have no null";
    }
    "early data" {
        OlderVersionAfterEarlyData => PROTOCOL_VERSION, "§D.3", "the server goes on with an older version after it was sent early data";
        EarlyDataWithAnotherPsk => ILLEGAL_PARAMETER, "§4.2.10", "the server accepts early data and has not selected the first pre-shared key, with which it was sent";
        EarlyDataWithAnotherSuite => ILLEGAL_PARAMETER, "§4.2.10", "the server accepts early data and selected another cipher suite than that of the session";
        EarlyDataWithAnotherProtocol => ILLEGAL_PARAMETER, "§4.2.10", "the server accepts early data and selected another application protocol than that of the session";
    }
    "EncryptedExtensions" {
        ProtocolNotOffered => ILLEGAL_PARAMETER, "RFC 7301 §3.1", "the server selected an application protocol that was not offered";
        SrtpProfileNotOffered => ILLEGAL_PARAMETER, "RFC 5764 §4.1.1", "the server selected a profile of SRTP that was not offered";
        SrtpMkiChanged => ILLEGAL_PARAMETER, "RFC 5764 §4.1.3", "the server answered with another identifier for keys of SRTP (srtp_mki) than was offered";
        ServerNameAckNotEmpty => DECODE_ERROR, "RFC 6066 §3", "the server answered server_name with something";
        BadRecordSizeLimit => ILLEGAL_PARAMETER, "RFC 8449 §4", "the peer sent a record_size_limit below 64 or, as a server, above the protocol's limit";
        RecordSizeLimitWithMaxFragment => ILLEGAL_PARAMETER, "RFC 8449 §5", "the server answered both record_size_limit and max_fragment_length";
        MaxFragmentLengthChanged => ILLEGAL_PARAMETER, "RFC 6066 §4", "the server answered max_fragment_length with another value";
        BadMaxFragmentLength => ILLEGAL_PARAMETER, "RFC 6066 §4", "the client asked for a max_fragment_length that does not exist";
    }
    "authentication" {
        RequestContextNotEmpty => ILLEGAL_PARAMETER, "§4.3.2", "the server sent a context in a CertificateRequest of the handshake";
        RequestWithoutSignatureAlgorithms => MISSING_EXTENSION, "§4.3.2", "the server's CertificateRequest has no signature_algorithms";
        CertificateContextMismatch => ILLEGAL_PARAMETER, "§4.4.2", "the peer's Certificate does not carry the context of the request";
        DuplicateOidFilter => ILLEGAL_PARAMETER, "§4.2.5", "the server lists an object identifier twice in oid_filters";
        BadOidFilter => ILLEGAL_PARAMETER, "§4.2.5", "the server's oid_filters have a value for keyUsage or extKeyUsage that is none, or anyExtendedKeyUsage";
        TooManyOidFilters => ILLEGAL_PARAMETER, "§4.2.5", "the server's oid_filters have more than 64 object identifiers";
        OidFiltersNotMet => UNSUPPORTED_CERTIFICATE, "§4.2.5", "the client's certificate does not have what oid_filters asked for";
        DuplicateCompression => DECODE_ERROR, "RFC 8879 §3", "the peer lists an algorithm for compressing certificates twice";
        CertificateCompressionNotOffered => ILLEGAL_PARAMETER, "RFC 8879 §4", "the peer compressed its certificate by an algorithm that was not offered";
        CompressedCertificateTooLong => BAD_CERTIFICATE, "RFC 8879 §4", "the peer's certificate would have more bytes than are accepted, or none, once it is decompressed";
        BadCompressedCertificate => BAD_CERTIFICATE, "RFC 8879 §4", "the peer sent a compressed certificate that does not decompress to just the bytes that it announced";
        BadCertificateTypes => ILLEGAL_PARAMETER, "RFC 7250 §4.1", "the client's list of certificate types is empty, or has nothing but the default, which is left out";
        NoSharedServerCertificateType => UNSUPPORTED_CERTIFICATE, "RFC 7250 §4.2", "the client takes none of the types of certificate that this side can show";
        NoSharedClientCertificateType => UNSUPPORTED_CERTIFICATE, "RFC 7250 §4.2", "the client can show none of the types of certificate that this side accepts";
        CertificateTypeNotOffered => UNSUPPORTED_CERTIFICATE, "RFC 7250 §4.2", "the server chose a type of certificate that was not offered; one that says nothing chooses X.509";
        RawPublicKeyWithMore => ILLEGAL_PARAMETER, "§4.4.2", "the peer sent more than one raw public key, or extensions with it";
        NoServerCertificate => DECODE_ERROR, "§4.4.2.4; RFC 5246 §7.4.2", "the server sent an empty certificate list";
        NoClientCertificate => CERTIFICATE_REQUIRED, "§4.4.2.4", "the client sent no certificate although one is required";
        SchemeNotOffered => ILLEGAL_PARAMETER, "§4.4.3; RFC 5246 §7.4.1.4.1", "the peer signed with a scheme that was not offered";
        SchemeDoesNotFitKey => ILLEGAL_PARAMETER, "§4.4.3; RFC 5246 §7.4.2", "the peer signed with a scheme that does not fit the key in its certificate";
        UnsupportedKey => UNSUPPORTED_CERTIFICATE, "§4.4.2.2; RFC 5246 §7.4.2", "the peer's certificate has a key of a kind that is not supported";
        BadSignature => DECRYPT_ERROR, "§4.4.3; RFC 5246 §7.4.3, §7.4.8", "the peer's signature in CertificateVerify or ServerKeyExchange does not verify";
        FinishedMismatch => DECRYPT_ERROR, "§4.4.4; RFC 5246 §7.4.9", "the peer's Finished does not match the handshake";
    }
    "ClientHello" {
        NotTls => UNEXPECTED_MESSAGE, "§5", "the peer does not speak TLS";
        UnsupportedVersion => PROTOCOL_VERSION, "§4.2.1", "the client offered no version that is enabled here";
        InappropriateFallback => INAPPROPRIATE_FALLBACK, "RFC 7507 §3", "the client says that it fell back to fewer versions than it and this server can speak";
        LegacyVersionInClientHello => PROTOCOL_VERSION, "§D.5", "the client sent a legacy_version older than TLS 1.0";
        LegacyCookieInHello => ILLEGAL_PARAMETER, "RFC 9147 §5.3", "the client sent a legacy_cookie with DTLS 1.3";
        CompressionOffered => ILLEGAL_PARAMETER, "§4.1.2", "the client offered compression together with TLS 1.3";
        NoSharedCipherSuite => HANDSHAKE_FAILURE, "§4.1.1", "the client offered no cipher suite that can be used here";
        NoSharedGroup => HANDSHAKE_FAILURE, "§4.1.1", "the client offered no group that is enabled here";
        NoSharedFiniteField => INSUFFICIENT_SECURITY, "RFC 7919 §4", "the client lists groups of finite fields of which none is enabled here, and offered nothing else that can be used here";
        NoSharedSignatureScheme => HANDSHAKE_FAILURE, "§4.4.2.2", "the peer accepts no signature scheme that an identity here can produce";
        NoSharedCertificateCurve => HANDSHAKE_FAILURE, "RFC 8422 §5.1", "the client does not list the curve of any ECDSA certificate that would do here";
        NoSharedProtocol => NO_APPLICATION_PROTOCOL, "RFC 7301 §3.2", "the client offered no application protocol that is enabled here";
        UnrecognizedName => UNRECOGNIZED_NAME, "RFC 6066 §3", "the client asked for a server name that is not served here";
        ServerNameMissing => MISSING_EXTENSION, "§9.2", "the client sent no server_name, and this server demands one (`require_server_name`)";
        BadServerName => ILLEGAL_PARAMETER, "RFC 6066 §3", "the client sent a server name that is no host name";
        SupportedGroupsMissing => MISSING_EXTENSION, "§9.2", "the client sent no supported_groups";
        KeyShareMissing => MISSING_EXTENSION, "§9.2", "the client sent no key_share";
        SignatureAlgorithmsMissing => MISSING_EXTENSION, "§9.2", "the client sent no signature_algorithms";
        KeyShareOutsideGroups => ILLEGAL_PARAMETER, "§4.2.8", "the client sent a key share of a group it did not list";
        DuplicateKeyShare => ILLEGAL_PARAMETER, "§4.2.8", "the client sent two key shares of one group";
        PskNotLast => ILLEGAL_PARAMETER, "§4.2.11", "the client's pre_shared_key is not its last extension";
        PskWithoutModes => MISSING_EXTENSION, "§4.2.9", "the client sent pre_shared_key without psk_key_exchange_modes";
        PskNotOffered => HANDSHAKE_FAILURE, "§4.1.1", "the client offered no pre-shared key, and this side has nothing else to prove who it is";
        NoSharedPskMode => HANDSHAKE_FAILURE, "§4.2.9", "the client uses pre-shared keys in no way that is enabled here";
        PskOmittedAfterRetry => MISSING_EXTENSION, "§4.1.2", "the client's second hello leaves out a pre-shared key that goes with the selected suite";
        PskReplacedAfterRetry => ILLEGAL_PARAMETER, "§4.1.2", "the client's second hello leaves out the pre-shared key that goes with the selected suite, and offers others";
        PskBinderCount => ILLEGAL_PARAMETER, "§4.2.11", "the client sent another number of binders than of pre-shared keys";
        BadPskBinder => DECRYPT_ERROR, "§4.2.11.2", "the client's binder does not prove that it has the pre-shared key";
        SecondHelloChanged => ILLEGAL_PARAMETER, "§4.1.2", "the client's second hello differs from the first where it may not";
        RetryIgnored => ILLEGAL_PARAMETER, "§4.1.2", "the client's second hello does not have just the key share it was asked for";
        BadCookie => ILLEGAL_PARAMETER, "§4.2.2", "the client did not send back the cookie it was given";
        UnexpectedCookie => ILLEGAL_PARAMETER, "§4.2.2", "the client sent a cookie that it was not given";
    }
    "after the handshake" {
        BadKeyUpdate => ILLEGAL_PARAMETER, "§4.6.3", "the peer sent a KeyUpdate with an unknown request";
        TooManyKeyUpdates => UNEXPECTED_MESSAGE, "§4.6.3", "the peer sent too many KeyUpdates for the little that they protect";
        TooManyTickets => UNEXPECTED_MESSAGE, "§4.6.1", "the server sent too many tickets in a row";
        TooManyRenegotiations => UNEXPECTED_MESSAGE, "RFC 5246 §7.4.1", "the peer asks again and again for a renegotiation, which was declined";
        RenegotiationForbidden => NO_RENEGOTIATION, "RFC 5246 §7.2.2", "the peer asks for a renegotiation, which is forbidden here";
        TicketLifetimeTooLong => ILLEGAL_PARAMETER, "§4.6.1", "the server sent a ticket that lives longer than 7 days";
        AuthenticationNotOffered => UNEXPECTED_MESSAGE, "§4.6.2; RFC 9113 §9.2.3", "the server asked for a certificate after the handshake, which was not offered to it, or which HTTP/2 forbids";
        TooManyAuthenticationRequests => UNEXPECTED_MESSAGE, "§4.6.2", "the server asked for more certificates than are shown at a time, or again and again without sending data";
        TooManySignaturesAsked => UNEXPECTED_MESSAGE, "§4.6.2", "the server has asked for a certificate again, after 64 requests over one connection that took a signature or a choice";
        RequestContextReused => ILLEGAL_PARAMETER, "§4.3.2", "the server asked for a certificate with the context of a request that is not yet answered";
        UnaskedCertificate => UNEXPECTED_MESSAGE, "§4.6.2", "the client sent what answers a request for its certificate, and was not asked";
        CertificateContextUnknown => ILLEGAL_PARAMETER, "§4.4.2", "the client's Certificate after the handshake carries the context of no request that is still to be answered";
        AuthenticationInterleaved => UNEXPECTED_MESSAGE, "§4.4", "the client put something between the messages with which it authenticates after the handshake";
        UnexpectedPostHandshakeMessage => UNEXPECTED_MESSAGE, "§4.6", "the peer sent a handshake message that is not allowed after the handshake";
    }
}

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.sentence(), self.section())
    }
}
