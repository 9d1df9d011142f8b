//! One property for every codec: what decodes is written back byte for byte.

use super::extension::{
    Alpn, AlpnSelected, CertificateAuthorities, CertificateStatus, ClientCertificateTypeSelected,
    ClientCertificateTypes, CompressCertificate, ConnectionId, Cookie, EarlyData, EcPointFormats,
    EchConfirmation, EchOuterExtensions, EchRetryConfigs, EncryptThenMac, EncryptedClientHello,
    ExpectedTickets, ExtendedMasterSecret, Extension, Extensions, KeyShareClientHello,
    KeyShareHelloRetryRequest, KeyShareServerHello, MaxEarlyDataSize, MaxFragmentLength,
    NextProtocolOffer, NextProtocols, OfferedPsks, OidFilters, Padding, PostHandshakeAuth,
    PskKeyExchangeModes, RecordSizeLimit, RenegotiationInfo, Rrc, SelectedIdentity,
    SelectedVersion, ServerCertificateTypeSelected, ServerCertificateTypes, ServerName,
    ServerNameAcknowledgement, SessionTicket, SignatureAlgorithms, SignatureAlgorithmsCert,
    SignedCertificateTimestamp, StatusRequest, StatusRequestEmpty, SupportedGroups,
    SupportedVersions, TicketRequest, UseSrtp, UseSrtpSelected,
};
use super::handshake::{HandshakeMessage, Syntax};
use super::handshake_type::HandshakeType;
use super::{
    Ack, Certificate, CertificateRequest, CertificateVerify, ClientHello, CompressedCertificate,
    EncryptedExtensions, EndOfEarlyData, Finished, FragmentHeader, HelloVerifyRequest,
    ImportedIdentity, KeyUpdate, NewConnectionId, NewSessionTicket, RequestConnectionId,
    ReturnRoutabilityCheck, ServerHello, tls10, tls12,
};

/// Decodes `body` as a message of type `msg_type` with all its extensions, encodes what was
/// understood and compares. A message that has one form in TLS 1.3 and others before it is tried as
/// each; so is one whose form the cipher suite says.
///
/// `false` is a defect of this crate: something decoded and came back as other bytes. Types
/// without a codec and bytes that do not decode are `true`.
pub fn round_trip(msg_type: HandshakeType, body: &[u8]) -> bool {
    match msg_type {
        HandshakeType::CLIENT_HELLO => {
            imported_identity(body)
                && ack(body)
                && routability(body)
                && fragment(body)
                && hello_with_cookie(body)
                && message::<ClientHello<'_>>(body, |m| {
                    extensions(m.extensions) && identities(m.extensions)
                })
        }
        HandshakeType::SERVER_HELLO => {
            message::<ServerHello<'_>>(body, |m| extensions(m.extensions))
        }
        HandshakeType::HELLO_VERIFY_REQUEST => message::<HelloVerifyRequest<'_>>(body, |_| true),
        HandshakeType::ENCRYPTED_EXTENSIONS => {
            message::<EncryptedExtensions<'_>>(body, |m| extensions(m.extensions))
        }
        HandshakeType::CERTIFICATE_REQUEST => {
            message::<CertificateRequest<'_>>(body, |m| extensions(m.extensions))
                && message::<tls12::CertificateRequest<'_>>(body, |_| true)
                && message::<tls10::CertificateRequest<'_>>(body, |_| true)
        }
        HandshakeType::CERTIFICATE => {
            message::<Certificate<'_>>(body, |m| {
                m.certificate_list
                    .iter()
                    .all(|entry| extensions(entry.extensions))
            }) && message::<tls12::Certificate<'_>>(body, |_| true)
                && message::<tls12::RawPublicKeyCertificate<'_>>(body, |_| true)
        }
        HandshakeType::COMPRESSED_CERTIFICATE => {
            message::<CompressedCertificate<'_>>(body, |_| true)
        }
        HandshakeType::NEW_SESSION_TICKET => {
            message::<NewSessionTicket<'_>>(body, |m| extensions(m.extensions))
                && message::<tls12::NewSessionTicket<'_>>(body, |_| true)
        }
        HandshakeType::CERTIFICATE_VERIFY => {
            message::<CertificateVerify<'_>>(body, |_| true)
                && message::<tls10::CertificateVerify<'_>>(body, |_| true)
        }
        HandshakeType::FINISHED => message::<Finished<'_>>(body, |_| true),
        HandshakeType::KEY_UPDATE => message::<KeyUpdate>(body, |_| true),
        HandshakeType::NEW_CONNECTION_ID => message::<NewConnectionId<'_>>(body, |_| true),
        HandshakeType::REQUEST_CONNECTION_ID => message::<RequestConnectionId>(body, |_| true),
        HandshakeType::HELLO_REQUEST => message::<tls12::HelloRequest>(body, |_| true),
        HandshakeType::SERVER_KEY_EXCHANGE => {
            tls12::ServerKeyExchangeForm::ALL.iter().all(|form| {
                let message = tls12::ServerKeyExchange::decode(body, *form);
                message.map_or(true, |message| {
                    written(body, |out| message.encode_body(out))
                })
            })
        }
        HandshakeType::SERVER_HELLO_DONE => message::<tls12::ServerHelloDone>(body, |_| true),
        HandshakeType::CLIENT_KEY_EXCHANGE => {
            tls12::ClientKeyExchangeForm::ALL.iter().all(|form| {
                let message = tls12::ClientKeyExchange::decode(body, *form);
                message.map_or(true, |message| {
                    written(body, |out| message.encode_body(out))
                })
            })
        }
        HandshakeType::CERTIFICATE_STATUS => {
            message::<tls12::CertificateStatus<'_>>(body, |_| true)
        }
        HandshakeType::NEXT_PROTOCOL => message::<tls12::NextProtocol<'_>>(body, |_| true),
        HandshakeType::END_OF_EARLY_DATA => message::<EndOfEarlyData>(body, |_| true),
        _ => true,
    }
}

fn message<'a, M: HandshakeMessage<'a>>(body: &'a [u8], inside: impl FnOnce(M) -> bool) -> bool {
    let Ok(message) = M::decode(body) else {
        return true;
    };
    written(body, |out| message.encode_body(out)) && inside(message)
}

/// A hello as it comes over datagrams.
fn hello_with_cookie(body: &[u8]) -> bool {
    let Ok(hello) = ClientHello::decode_as(Syntax::Dtls, body) else {
        return true;
    };
    written(body, |out| hello.encode_body(out)) && extensions(hello.extensions)
}

/// The content of a record, which no message holds.
fn ack(content: &[u8]) -> bool {
    let Ok(ack) = Ack::decode(content) else {
        return true;
    };
    written(content, |out| Ack::put(out, ack.record_numbers.iter()))
}

/// The same of whoever asks for a way back.
fn routability(content: &[u8]) -> bool {
    let Ok(Some(message)) = ReturnRoutabilityCheck::decode(content) else {
        return true;
    };
    message.encode() == content
}

/// A fragment, which holds a message or a part of one.
fn fragment(content: &[u8]) -> bool {
    let Ok((header, fragment, rest)) = FragmentHeader::split(content) else {
        return true;
    };
    written(content, |out| {
        header.put(out);
        out.extend_from_slice(fragment);
        out.extend_from_slice(rest);
    })
}

/// Whether `put` writes just these bytes.
fn written(body: &[u8], put: impl FnOnce(&mut Vec<u8>)) -> bool {
    let mut out = Vec::new();
    put(&mut out);
    out == body
}

fn extensions(extensions: Extensions<'_>) -> bool {
    let mut rebuilt = Vec::new();
    for extension in extensions {
        super::list::Element::put(&extension, &mut rebuilt);
    }
    // Every form of every extension is tried, wherever it stands.
    rebuilt == extensions.as_bytes() && extensions.iter().all(|raw| extension(raw.body))
}

/// The same for the body of an extension, tried as every form there is.
fn extension(body: &[u8]) -> bool {
    macro_rules! all {
        ($($name:ty),+ $(,)?) => { true $(&& one::<$name>(body))+ };
    }
    all!(
        Alpn<'_>,
        AlpnSelected<'_>,
        CertificateAuthorities<'_>,
        CertificateStatus<'_>,
        ClientCertificateTypeSelected,
        ClientCertificateTypes<'_>,
        CompressCertificate<'_>,
        ConnectionId<'_>,
        Cookie<'_>,
        EarlyData,
        EcPointFormats<'_>,
        EchConfirmation<'_>,
        EchOuterExtensions<'_>,
        EchRetryConfigs<'_>,
        EncryptThenMac,
        EncryptedClientHello<'_>,
        ExpectedTickets,
        ExtendedMasterSecret,
        KeyShareClientHello<'_>,
        KeyShareHelloRetryRequest,
        KeyShareServerHello<'_>,
        MaxEarlyDataSize,
        MaxFragmentLength,
        NextProtocolOffer,
        NextProtocols<'_>,
        OfferedPsks<'_>,
        OidFilters<'_>,
        Padding<'_>,
        PostHandshakeAuth,
        PskKeyExchangeModes<'_>,
        RecordSizeLimit,
        RenegotiationInfo<'_>,
        Rrc,
        SelectedIdentity,
        SelectedVersion,
        ServerCertificateTypeSelected,
        ServerCertificateTypes<'_>,
        ServerName<'_>,
        ServerNameAcknowledgement,
        SessionTicket<'_>,
        SignatureAlgorithms<'_>,
        SignatureAlgorithmsCert<'_>,
        SignedCertificateTimestamp<'_>,
        StatusRequest<'_>,
        StatusRequestEmpty,
        SupportedGroups<'_>,
        SupportedVersions<'_>,
        TicketRequest,
        UseSrtp<'_>,
        UseSrtpSelected<'_>,
    )
}

/// The identities of pre-shared keys, which may be of imported ones.
fn identities(extensions: Extensions<'_>) -> bool {
    let Some(Ok(offered)) = extensions.find::<OfferedPsks<'_>>() else {
        return true;
    };
    let mut identities = offered.identities.iter();
    identities.all(|one| imported_identity(one.identity))
}

fn imported_identity(identity: &[u8]) -> bool {
    let Ok(imported) = ImportedIdentity::decode(identity) else {
        return true;
    };
    written(identity, |out| imported.put(out))
}

fn one<'a, E: Extension<'a>>(body: &'a [u8]) -> bool {
    let Ok(extension) = E::decode_body(body) else {
        return true;
    };
    written(body, |out| extension.encode_body(out))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::extension_type::ExtensionType;

    /// An interpreter is slow.
    const EXTENSIONS: usize = if cfg!(miri) { 4 } else { 20 };

    /// Bytes that are small numbers more often than not, so that lengths add up by chance.
    fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![3 => 0_u8..6, 1 => any::<u8>()];
        proptest::collection::vec(byte, 0..max)
    }

    proptest! {
        #[test]
        fn any_message(msg_type in 0_u8..26, body in bytes(120)) {
            prop_assert!(round_trip(HandshakeType(msg_type), &body));
        }

        #[test]
        fn any_extension(body in bytes(24)) {
            prop_assert!(extension(&body));
        }

        #[test]
        fn any_hello(
            random: [u8; 32],
            session_id in proptest::collection::vec(any::<u8>(), 0..=32),
            suites in proptest::collection::vec(any::<u16>(), 1..40),
            bodies in proptest::collection::vec((any::<u16>(), bytes(40)), 0..EXTENSIONS),
        ) {
            let suites: Vec<_> = suites.into_iter().map(crate::suite::CipherSuite).collect();
            let mut out = Vec::new();
            ClientHello::put(&mut out, crate::ProtocolVersion::TLS_1_2, &random, &session_id, &suites, |out| {
                for (extension_type, body) in &bodies {
                    super::super::extension::put_extension(
                        out, ExtensionType(*extension_type), |out| out.extend_from_slice(body),
                    );
                }
            });
            prop_assert!(round_trip(HandshakeType::CLIENT_HELLO, &out[4..]));
            let hello = ClientHello::decode(&out[4..]).unwrap();
            prop_assert_eq!(hello.random, &random);
            prop_assert_eq!(hello.legacy_session_id, &session_id);
            prop_assert!(hello.cipher_suites.iter().eq(suites));
            let read = hello.extensions.iter().map(|e| (e.extension_type.0, e.body.to_vec()));
            prop_assert!(read.eq(bodies));
        }
    }
}
