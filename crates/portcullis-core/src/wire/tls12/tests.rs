//! What is written is read, and what is malformed or cut anywhere is refused.

use super::*;
use crate::named_group::NamedGroup;
use crate::signature_scheme::SignatureScheme;
use crate::wire::codec::DecodeError;
use crate::wire::extension::{
    EncryptThenMac, ExtendedMasterSecret, Extension, Extensions, RenegotiationInfo, SessionTicket,
    StatusRequestEmpty,
};
use crate::wire::handshake::{HandshakeHeader, HandshakeMessage};
use crate::wire::handshake_type::HandshakeType;
use crate::wire::round_trip;

const POINT: &[u8] = &[9; 32];
const SRP_PARAMS: ServerParams<'_> = ServerParams::Srp(ServerSrpParams {
    prime: b"prime",
    generator: b"g",
    salt: b"salt",
    public: b"number",
});
const DH_PARAMS: ServerParams<'_> = ServerParams::Dh(ServerDhParams {
    prime: b"prime",
    generator: &[2],
    public: b"number",
});
const PARAMS: ServerParams<'static> = ServerParams::Ecdh(ServerEcdhParams {
    group: NamedGroup::X25519,
    public: POINT,
});
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
const SIGNED: ServerKeyExchangeForm =
    ServerKeyExchangeForm::signed(ServerParamsForm::Ecdh, SignatureForm::Said);
const SHARED: ClientKeyExchangeForm = ClientKeyExchangeForm {
    psk: false,
    share: Some(ClientShareForm::Point),
};

fn signed(scheme: Option<SignatureScheme>) -> ServerKeyExchange<'static> {
    ServerKeyExchange {
        hint: None,
        params: Some(PARAMS),
        signature: Some(ServerSignature {
            scheme,
            signature: b"signature",
        }),
    }
}

/// One of each message, with its header.
fn messages() -> [Vec<u8>; 10] {
    let mut out = [const { Vec::new() }; 10];
    let [
        hello_request,
        chain,
        no_chain,
        status,
        ske,
        request,
        done,
        cke,
        ticket,
        next_protocol,
    ] = &mut out;
    HelloRequest::put(hello_request);
    Certificate::put(chain, [&b"leaf"[..], b"root"]);
    Certificate::put(no_chain, [b""; 0]);
    CertificateStatus::put(status, b"ocsp");
    signed(Some(SCHEME)).put(ske);
    let types = [
        ClientCertificateType::ECDSA_SIGN,
        ClientCertificateType::RSA_SIGN,
    ];
    CertificateRequest::put(request, types, [SCHEME], [b"name"]);
    ServerHelloDone::put(done);
    let share = Some(ClientShare::Point(POINT));
    let psk_identity = None;
    ClientKeyExchange {
        psk_identity,
        share,
    }
    .put(cke);
    NewSessionTicket::put(ticket, 7200, b"ticket");
    NextProtocol::put(next_protocol, b"h2");
    out
}

/// Whether it decodes as the form of TLS 1.2.
fn decodes(typ: HandshakeType, body: &[u8]) -> bool {
    fn is<'a, M: HandshakeMessage<'a>>(body: &'a [u8]) -> bool {
        M::decode(body).is_ok()
    }
    match typ {
        HandshakeType::HELLO_REQUEST => is::<HelloRequest>(body),
        HandshakeType::CERTIFICATE => is::<Certificate<'_>>(body),
        HandshakeType::CERTIFICATE_STATUS => is::<CertificateStatus<'_>>(body),
        HandshakeType::SERVER_KEY_EXCHANGE => ServerKeyExchange::decode(body, SIGNED).is_ok(),
        HandshakeType::CERTIFICATE_REQUEST => is::<CertificateRequest<'_>>(body),
        HandshakeType::SERVER_HELLO_DONE => is::<ServerHelloDone>(body),
        HandshakeType::CLIENT_KEY_EXCHANGE => ClientKeyExchange::decode(body, SHARED).is_ok(),
        HandshakeType::NEW_SESSION_TICKET => is::<NewSessionTicket<'_>>(body),
        HandshakeType::NEXT_PROTOCOL => is::<NextProtocol<'_>>(body),
        other => panic!("{other} is not of TLS 1.2 alone"),
    }
}

#[test]
fn nothing_may_be_cut_off_or_left_over() {
    for message in messages() {
        let (typ, body) = HandshakeHeader::split(&message).unwrap();
        assert!(decodes(typ, body), "{typ}");
        assert!(round_trip(typ, body), "{typ}");
        for end in 0..body.len() {
            assert!(!decodes(typ, &body[..end]), "{typ} of {end} bytes");
        }
        assert!(!decodes(typ, &[body, &[0]].concat()), "{typ} and a byte");
    }
}

/// The bytes of the RFCs, written down by hand.
#[test]
fn messages_look_as_the_rfcs_say() {
    let [
        hello_request,
        chain,
        no_chain,
        status,
        ske,
        request,
        done,
        cke,
        ticket,
        next_protocol,
    ] = messages();
    assert_eq!(hello_request, [0, 0, 0, 0]);
    assert_eq!(chain, b"\x0b\0\0\x11\0\0\x0e\0\0\x04leaf\0\0\x04root");
    assert_eq!(no_chain, [11, 0, 0, 3, 0, 0, 0]);
    assert_eq!(status, b"\x16\0\0\x08\x01\0\0\x04ocsp");
    let expected = [
        b"\x0c\0\0\x31\x03\0\x1d\x20",
        &[9; 32][..],
        b"\x04\x03\0\x09signature",
    ];
    assert_eq!(ske, expected.concat());
    assert_eq!(
        request,
        b"\x0d\0\0\x0f\x02\x40\x01\0\x02\x04\x03\0\x06\0\x04name"
    );
    assert_eq!(done, [14, 0, 0, 0]);
    assert_eq!(cke, [b"\x10\0\0\x21\x20", &[9; 32][..]].concat());
    assert_eq!(ticket, b"\x04\0\0\x0c\0\0\x1c\x20\0\x06ticket");
    assert_eq!(
        next_protocol,
        [b"\x43\0\0\x20\x02h2\x1c", &[0; 28][..]].concat()
    );
}

#[test]
fn fields_are_what_was_put() {
    let [
        _,
        chain,
        no_chain,
        status,
        ske,
        request,
        _,
        cke,
        ticket,
        next_protocol,
    ] = messages();
    let certificate = Certificate::decode(&chain[4..]).unwrap();
    let expected = [Asn1Cert(b"leaf"), Asn1Cert(b"root")];
    assert!(certificate.certificate_list.iter().eq(expected));
    let certificate = Certificate::decode(&no_chain[4..]).unwrap();
    assert!(certificate.certificate_list.is_empty());
    let status = CertificateStatus::decode(&status[4..]).unwrap();
    assert_eq!(status.0.ocsp_response, b"ocsp");
    let exchange = ServerKeyExchange::decode(&ske[4..], SIGNED).unwrap();
    assert_eq!(exchange, signed(Some(SCHEME)));
    // What is signed is what stands in the message.
    let mut params = Vec::new();
    exchange.params.unwrap().put(&mut params);
    assert_eq!(params, ske[4..4 + params.len()]);
    let request = CertificateRequest::decode(&request[4..]).unwrap();
    assert_eq!(
        request.certificate_types.first(),
        Some(ClientCertificateType::ECDSA_SIGN)
    );
    let schemes = request.supported_signature_algorithms;
    assert!(schemes.iter().eq([SignatureScheme::ECDSA_SECP256R1_SHA256]));
    assert_eq!(request.certificate_authorities.first().unwrap().0, b"name");
    let exchange = ClientKeyExchange::decode(&cke[4..], SHARED).unwrap();
    assert_eq!(exchange.share, Some(ClientShare::Point(POINT)));
    let ticket = NewSessionTicket::decode(&ticket[4..]).unwrap();
    assert_eq!(ticket.ticket_lifetime_hint, 7200);
    assert_eq!(ticket.ticket, b"ticket");
    let next_protocol = NextProtocol::decode(&next_protocol[4..]).unwrap();
    assert_eq!(next_protocol.selected, b"h2");
    assert!(!format!("{ticket:?}").contains("116"), "{ticket:?}");
}

/// Every form, written and read by itself, and cut anywhere.
#[test]
fn forms_of_the_key_exchange() {
    for form in ServerKeyExchangeForm::ALL {
        let scheme = (form.signature == Some(SignatureForm::Said)).then_some(SCHEME);
        let message = ServerKeyExchange {
            hint: form.hint.then_some(b"hint"),
            params: form.params.map(|form| match form {
                ServerParamsForm::Ecdh => PARAMS,
                ServerParamsForm::Dh => DH_PARAMS,
                ServerParamsForm::Srp => SRP_PARAMS,
            }),
            signature: form.signature.and_then(|_| signed(scheme).signature),
        };
        let mut out = Vec::new();
        message.put(&mut out);
        let body = &out[4..];
        assert_eq!(ServerKeyExchange::decode(body, *form), Ok(message));
        assert!(round_trip(HandshakeType::SERVER_KEY_EXCHANGE, body));
        for end in 0..body.len() {
            let cut = ServerKeyExchange::decode(&body[..end], *form);
            assert!(cut.is_err(), "{form:?} of {end} bytes");
        }
        let longer = [body, &[0]].concat();
        assert!(ServerKeyExchange::decode(&longer, *form).is_err());
    }
    for form in ClientKeyExchangeForm::ALL {
        let message = ClientKeyExchange {
            psk_identity: form.psk.then_some(b"identity"),
            share: form.share.map(|form| match form {
                ClientShareForm::Point => ClientShare::Point(POINT),
                ClientShareForm::Number => ClientShare::Number(b"number"),
                ClientShareForm::Encrypted => ClientShare::Encrypted(b"ciphertext"),
            }),
        };
        let mut out = Vec::new();
        message.put(&mut out);
        let body = &out[4..];
        assert_eq!(ClientKeyExchange::decode(body, *form), Ok(message));
        assert!(round_trip(HandshakeType::CLIENT_KEY_EXCHANGE, body));
        for end in 0..body.len() {
            let cut = ClientKeyExchange::decode(&body[..end], *form);
            assert!(cut.is_err(), "{form:?} of {end} bytes");
        }
        let longer = [body, &[0]].concat();
        assert!(ClientKeyExchange::decode(&longer, *form).is_err());
    }
}

/// RFC 4346 §7.4.3; RFC 4279 §2; RFC 5489 §2.
#[test]
fn forms_look_as_the_rfcs_say() {
    let mut out = Vec::new();
    let mut written = |message: ServerKeyExchange<'_>| {
        out.clear();
        message.encode_body(&mut out);
        out.clone()
    };
    let params = [b"\x03\0\x1d\x20", POINT].concat();
    assert_eq!(
        written(signed(None)),
        [&params[..], b"\0\x09signature"].concat()
    );
    let unsigned = ServerKeyExchange {
        signature: None,
        ..signed(None)
    };
    assert_eq!(written(unsigned), params);
    let hinted = ServerKeyExchange {
        hint: Some(b"hint"),
        ..unsigned
    };
    assert_eq!(written(hinted), [b"\0\x04hint", &params[..]].concat());
    let hint_alone = ServerKeyExchange {
        params: None,
        ..hinted
    };
    assert_eq!(written(hint_alone), b"\0\x04hint");
    let mut out = Vec::new();
    let message = ClientKeyExchange {
        psk_identity: Some(b"me"),
        share: Some(ClientShare::Point(b"point")),
    };
    message.encode_body(&mut out);
    assert_eq!(out, b"\0\x02me\x05point");
    assert!(!format!("{message:?}").contains("109"), "{message:?}");
}

#[test]
fn malformed_bodies() {
    // An empty certificate in the list.
    assert_eq!(Certificate::decode(&[0, 0, 3, 0, 0, 0]), Err(DecodeError));
    // No type of certificate, no scheme, half a scheme, an empty name.
    for body in [
        &[0, 0, 2, 4, 3, 0, 0][..],
        &[1, 64, 0, 0, 0, 0],
        &[1, 64, 0, 1, 4, 0, 0],
        &[1, 64, 0, 2, 4, 3, 0, 2, 0, 0],
    ] {
        assert_eq!(CertificateRequest::decode(body), Err(DecodeError));
    }
    assert!(CertificateRequest::decode(&[1, 64, 0, 2, 4, 3, 0, 0]).is_ok());
    // A curve by its parameters, and a share of no bytes.
    for (body, expected) in [
        (&[3, 0, 29, 1, 9, 4, 3, 0, 0][..], true),
        (&[1, 0, 29, 1, 9, 4, 3, 0, 0], false),
        (&[2, 0, 29, 1, 9, 4, 3, 0, 0], false),
        (&[3, 0, 29, 0, 4, 3, 0, 0], false),
    ] {
        assert_eq!(
            ServerKeyExchange::decode(body, SIGNED).is_ok(),
            expected,
            "{body:?}"
        );
    }
    assert_eq!(ClientKeyExchange::decode(&[0], SHARED), Err(DecodeError));
    // Another kind of status, and no response.
    assert!(CertificateStatus::decode(&[2, 0, 0, 1, 7]).is_err());
    assert!(CertificateStatus::decode(&[1, 0, 0, 0]).is_err());
    // A server that has no ticket after all (RFC 5077 §3.3).
    let none = NewSessionTicket::decode(&[0, 0, 0, 0, 0, 0]).unwrap();
    assert!(none.ticket.is_empty());
}

#[test]
fn extensions_there_and_back() {
    let mut block = Vec::new();
    ExtendedMasterSecret::put(&mut block);
    EncryptThenMac::put(&mut block);
    StatusRequestEmpty::put(&mut block);
    RenegotiationInfo::put(&mut block, b"verify_data");
    SessionTicket::put(&mut block, b"ticket");
    let expected = [
        &[0, 23, 0, 0, 0, 22, 0, 0, 0, 5, 0, 0, 0xff, 1, 0, 12, 11][..],
        b"verify_data\0\x23\0\x06ticket",
    ];
    assert_eq!(block, expected.concat());
    let extensions = Extensions::decode(&block).unwrap();
    assert_eq!(extensions.find(), Some(Ok(ExtendedMasterSecret)));
    assert_eq!(extensions.find(), Some(Ok(EncryptThenMac)));
    assert_eq!(extensions.find(), Some(Ok(StatusRequestEmpty)));
    let info: RenegotiationInfo<'_> = extensions.find().unwrap().unwrap();
    assert_eq!(info.renegotiated_connection, b"verify_data");
    let ticket: SessionTicket<'_> = extensions.find().unwrap().unwrap();
    assert_eq!(ticket.0, b"ticket");
    assert_eq!(format!("{ticket:?}"), "SessionTicket(6 bytes)");
}

#[test]
fn malformed_extensions() {
    assert!(ExtendedMasterSecret::decode_body(&[0]).is_err());
    assert!(EncryptThenMac::decode_body(&[0]).is_err());
    assert!(RenegotiationInfo::decode_body(&[0]).is_ok());
    for body in [&[][..], &[1], &[2, 7], &[1, 7, 7], &[0, 0]] {
        assert!(RenegotiationInfo::decode_body(body).is_err(), "{body:?}");
    }
    assert!(SessionTicket::decode_body(&[]).is_ok());
}
