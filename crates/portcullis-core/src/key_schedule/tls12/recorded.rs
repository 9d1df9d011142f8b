//! Connections of OpenSSL and GnuTLS, recorded by `recorded/record.py`: what they derived is what
//! is derived here.

use super::*;
use crate::SignatureScheme;
use crate::crypto::aead::TAG_LEN;
use crate::crypto::hash::Digest;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::secret::SharedSecret;
use crate::crypto::{hex, scheme_fits_key_before_tls13, verify_before_tls13};
use crate::key_schedule::{AddMessage, Hashed};
use crate::role::Role;
use crate::suite::CipherSuite;
use crate::wire::extension::ExtendedMasterSecret;
use crate::wire::{
    CertificateVerify, ClientHello, ContentType, Finished, HandshakeHeader, HandshakeMessage,
    HandshakeType, RecordHeader, ServerHello, round_trip, tls12,
};

macro_rules! recordings {
    ($($name:literal,)+) => {
        [$(($name, include_str!(concat!("recorded/", $name, ".txt")))),+]
    };
}

const RECORDINGS: [(&str, &str); 7] = recordings! {
    "openssl-ecdhe-rsa-aes128-gcm",
    "openssl-ecdhe-ecdsa-aes256-gcm",
    "openssl-ecdhe-ecdsa-chacha20",
    "openssl-rsa-aes256-gcm-extended",
    "gnutls-ecdhe-ecdsa-aes128-gcm",
    "gnutls-ecdhe-rsa-chacha20",
    "gnutls-openssl-rsa-aes128-gcm-randoms",
};

/// A section of the file.
fn section(text: &str, title: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("[{title}]\n"))?;
    Some(hex(rest.split('[').next()?))
}

/// What one side sent, message by message.
struct Sent {
    /// Before change_cipher_spec.
    clear: Vec<Vec<u8>>,
    /// Type and body of the records after it.
    protected: Vec<(u8, Vec<u8>)>,
}

fn sent(bytes: &[u8]) -> Sent {
    let (mut clear, mut protected) = (Vec::new(), Vec::new());
    let (mut rest, mut has_switched) = (bytes, false);
    while !rest.is_empty() {
        let header = RecordHeader::decode(rest).unwrap();
        let (record, later) = rest.split_at(RecordHeader::SIZE + usize::from(header.length));
        let body = &record[RecordHeader::SIZE..];
        rest = later;
        match header.content_type {
            ContentType::CHANGE_CIPHER_SPEC => has_switched = true,
            typ if has_switched => protected.push((typ.0, body.to_vec())),
            typ => {
                assert_eq!(typ, ContentType::HANDSHAKE);
                clear.extend_from_slice(body);
            }
        }
    }
    Sent {
        clear: messages(&clear),
        protected,
    }
}

fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let header = HandshakeHeader::decode(bytes).unwrap();
        let length = HandshakeHeader::SIZE + header.length as usize;
        let (message, rest) = bytes.split_at(length);
        all.push(message.to_vec());
        bytes = rest;
    }
    all
}

/// Opens all records of a direction, as RFC 5288 §3 and RFC 7905 §2 say.
fn opened(keys: &DirectionKeys, protected: &[(u8, Vec<u8>)]) -> Vec<(u8, Vec<u8>)> {
    let OlderCipher::Aead(aead) = keys.suite.cipher else {
        panic!("recorded were connections with an AEAD");
    };
    let mut key = keys.aead_key(aead).unwrap();
    let is_explicit = aead != AeadAlgorithm::ChaCha20Poly1305;
    let open = |(seq, (typ, body)): (u64, &(u8, Vec<u8>))| {
        let (number, mut body) = match body.split_first_chunk() {
            Some((explicit, rest)) if is_explicit => (u64::from_be_bytes(*explicit), rest.to_vec()),
            _ => (seq, body.clone()),
        };
        let length = u16::try_from(body.len() - TAG_LEN).unwrap().to_be_bytes();
        let aad = [&seq.to_be_bytes()[..], &[*typ, 3, 3], &length].concat();
        let content = key.open_in_place(number, &aad, &mut body);
        (*typ, content.expect("the record opens").to_vec())
    };
    (0..).zip(protected).map(open).collect()
}

/// A recording, read and opened.
struct Recording {
    text: &'static str,
    suite: OlderParameters,
    randoms: [[u8; 32]; 2],
    is_extended: bool,
    master: MasterSecret,
    client: Sent,
    server: Sent,
    /// Opened records.
    from_client: Vec<(u8, Vec<u8>)>,
    from_server: Vec<(u8, Vec<u8>)>,
}

impl Recording {
    fn read(text: &'static str) -> Self {
        let client = sent(&section(text, "client").unwrap());
        let server = sent(&section(text, "server").unwrap());
        let client_hello = ClientHello::decode(&client.clear[0][4..]).unwrap();
        let server_hello = ServerHello::decode(&server.clear[0][4..]).unwrap();
        let suite = parameters(server_hello.cipher_suite);
        let randoms = [*client_hello.random, *server_hello.random];
        let is_extended = server_hello
            .extensions
            .find::<ExtendedMasterSecret>()
            .is_some();
        let logged = section(text, "master_secret").unwrap();
        let master = MasterSecret::from_bytes(suite.hash, &logged).unwrap();
        let block = master.key_block(suite, &randoms[0], &randoms[1]).unwrap();
        let from_client = opened(&block.client, &client.protected);
        let from_server = opened(&block.server, &server.protected);
        Self {
            text,
            suite,
            randoms,
            is_extended,
            master,
            client,
            server,
            from_client,
            from_server,
        }
    }

    /// All messages in the clear in their order, the client's from its first flight to
    /// `last_of_client`.
    fn transcript(&self, last_of_client: HandshakeType) -> Transcript {
        let mut transcript = Transcript::new(self.suite.hash);
        let (hello, flight) = self.client.clear.split_first().unwrap();
        // In a full handshake a NewSessionTicket comes after the client's Finished.
        let is_in_flight = |message: &&Vec<u8>| message[0] != HandshakeType::NEW_SESSION_TICKET.0;
        let flight_of_server = self.server.clear.iter().filter(is_in_flight);
        for message in core::iter::once(hello).chain(flight_of_server) {
            transcript.add(Hashed::new(message));
        }
        for message in flight {
            transcript.add(Hashed::new(message));
            if message[0] == last_of_client.0 {
                return transcript;
            }
        }
        panic!("the client sent no {last_of_client}");
    }

    fn last_of_client(&self) -> HandshakeType {
        HandshakeType(self.client.clear.last().unwrap()[0])
    }
}

/// Those of suites with RSA too, which nobody can negotiate here: their key schedule is the same.
fn parameters(suite: CipherSuite) -> OlderParameters {
    let aes_256 = OlderParameters {
        version: ProtocolVersion::TLS_1_2,
        hash: HashAlgorithm::Sha384.into(),
        cipher: OlderCipher::Aead(AeadAlgorithm::Aes256Gcm),
    };
    let aes_128 = OlderParameters {
        version: ProtocolVersion::TLS_1_2,
        hash: HashAlgorithm::Sha256.into(),
        cipher: OlderCipher::Aead(AeadAlgorithm::Aes128Gcm),
    };
    match suite {
        CipherSuite::TLS_RSA_WITH_AES_256_GCM_SHA384 => aes_256,
        CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256 => aes_128,
        suite => suite.older_parameters(ProtocolVersion::TLS_1_2).unwrap(),
    }
}

fn each(mut look: impl FnMut(Recording)) {
    for (name, text) in RECORDINGS {
        println!("{name}");
        look(Recording::read(text));
    }
}

#[test]
fn the_key_block_opens_the_records_of_both() {
    each(|recording| {
        for (records, said) in [
            (&recording.from_client, "data of the client"),
            (&recording.from_server, "client"),
        ] {
            assert_eq!(records[0].0, ContentType::HANDSHAKE.0);
            let is_data = |(typ, _): &&(u8, Vec<u8>)| *typ == ContentType::APPLICATION_DATA.0;
            let data = records.iter().filter(is_data);
            let data: Vec<u8> = data.flat_map(|(_, content)| content.clone()).collect();
            let data = String::from_utf8(data).unwrap();
            // One of the servers gives lines back in reverse.
            let reversed: String = data.chars().rev().collect();
            assert!(data.contains(said) || reversed.contains(said), "{data:?}");
        }
    });
}

#[test]
fn master_secrets_of_both_kinds() {
    let mut seen = Vec::new();
    each(|recording| {
        let Some(premaster) = section(recording.text, "premaster_secret") else {
            return;
        };
        let session_hash = recording
            .transcript(HandshakeType::CLIENT_KEY_EXCHANGE)
            .current();
        let [client, server] = &recording.randoms;
        let (extended, randoms) = (
            MasterSeed::Extended(session_hash),
            MasterSeed::Randoms { client, server },
        );
        let derive = |seed| {
            let premaster = PremasterSecret::from(SharedSecret::new(&premaster));
            premaster.into_master(recording.suite.hash, seed)
        };
        let (right, wrong) = match recording.is_extended {
            true => (extended, randoms),
            false => (randoms, extended),
        };
        let logged = recording.master.as_bytes();
        assert_eq!(derive(right).as_bytes(), logged);
        assert_ne!(derive(wrong).as_bytes(), logged);
        seen.push(recording.is_extended);
    });
    assert_eq!(seen, [true, false]);
}

#[test]
fn both_finished() {
    each(|recording| {
        let check = |side, transcript: &Digest, message: &[u8]| {
            let (typ, body) = HandshakeHeader::split(message).unwrap();
            assert_eq!(typ, HandshakeType::FINISHED);
            let received = Finished::decode(body).unwrap().verify_data;
            let master = &recording.master;
            assert_eq!(master.verify_data(side, transcript), received);
            assert!(master.verify_finished(side, transcript, received));
        };
        let mut transcript = recording.transcript(recording.last_of_client());
        let (_, finished) = &recording.from_client[0];
        check(Role::Client, &transcript.current(), finished);
        transcript.add(Hashed::new(finished));
        let ticket = recording.server.clear.last().unwrap();
        if ticket[0] == HandshakeType::NEW_SESSION_TICKET.0 {
            transcript.add(Hashed::new(ticket));
        }
        let (_, finished) = &recording.from_server[0];
        check(Role::Server, &transcript.current(), finished);
    });
}

/// What the servers sign (RFC 8422 §5.4), and what the clients do: all messages before, with
/// a hash that need not be the suite's (RFC 5246 §7.4.8).
const SIGNED: tls12::ServerKeyExchangeForm =
    tls12::ServerKeyExchangeForm::signed(tls12::ServerParamsForm::Ecdh, tls12::SignatureForm::Said);
const POINT: tls12::ClientKeyExchangeForm = tls12::ClientKeyExchangeForm {
    psk: false,
    share: Some(tls12::ClientShareForm::Point),
};

#[test]
fn signatures_of_servers_and_clients() {
    let mut seen = Vec::new();
    each(|recording| {
        let find = |messages: &[Vec<u8>], typ: HandshakeType| {
            messages.iter().find(|one| one[0] == typ.0).cloned()
        };
        let leaf = |messages: &[Vec<u8>]| {
            let message = find(messages, HandshakeType::CERTIFICATE)?;
            let certificate = tls12::Certificate::decode(&message[4..]).unwrap();
            let leaf = certificate.certificate_list.first()?.0;
            let leaf = crate::x509::PresentedChain::new(vec![leaf.to_vec().into()]).unwrap();
            Some(leaf.end_entity_spki().to_vec())
        };
        let mut check = |scheme, key: &[u8], message: &[u8], signature: &[u8]| {
            assert!(scheme_fits_key_before_tls13(scheme, key), "{scheme}");
            let verdict = verify_before_tls13(scheme, key, message, signature);
            assert_eq!(verdict, Ok(()), "{scheme}");
            assert!(verify_before_tls13(scheme, key, &message[1..], signature).is_err());
            seen.push(scheme);
        };
        let server = &recording.server.clear;
        if let Some(message) = find(server, HandshakeType::SERVER_KEY_EXCHANGE) {
            let exchange = tls12::ServerKeyExchange::decode(&message[4..], SIGNED).unwrap();
            let mut signed = recording.randoms.concat();
            exchange.params.unwrap().put(&mut signed);
            let key = leaf(server).unwrap();
            let signature = exchange.signature.unwrap();
            let scheme = signature.scheme.unwrap();
            check(scheme, &key, &signed, signature.signature);
        }
        let client = &recording.client.clear;
        if let Some(message) = find(client, HandshakeType::CERTIFICATE_VERIFY) {
            let verify = CertificateVerify::decode(&message[4..]).unwrap();
            let transcript = recording.transcript(HandshakeType::CLIENT_KEY_EXCHANGE);
            let key = leaf(client).unwrap();
            check(
                verify.algorithm,
                &key,
                transcript.messages(),
                verify.signature,
            );
        }
    });
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert!(
        seen.contains(&SignatureScheme::RSA_PKCS1_SHA512),
        "{seen:?}"
    );
}

/// What other implementations send has the syntax that is read here.
#[test]
fn every_message_round_trips() {
    let mut types = Vec::new();
    each(|recording| {
        for message in recording.client.clear.iter().chain(&recording.server.clear) {
            let (typ, body) = HandshakeHeader::split(message).unwrap();
            assert!(round_trip(typ, body));
            let is_read = match typ {
                HandshakeType::CLIENT_HELLO => ClientHello::decode(body).is_ok(),
                HandshakeType::SERVER_HELLO => ServerHello::decode(body).is_ok(),
                HandshakeType::CERTIFICATE => tls12::Certificate::decode(body).is_ok(),
                HandshakeType::CERTIFICATE_REQUEST => {
                    tls12::CertificateRequest::decode(body).is_ok()
                }
                HandshakeType::SERVER_KEY_EXCHANGE => {
                    tls12::ServerKeyExchange::decode(body, SIGNED).is_ok()
                }
                HandshakeType::SERVER_HELLO_DONE => tls12::ServerHelloDone::decode(body).is_ok(),
                HandshakeType::CERTIFICATE_VERIFY => CertificateVerify::decode(body).is_ok(),
                HandshakeType::NEW_SESSION_TICKET => tls12::NewSessionTicket::decode(body).is_ok(),
                // With RSA it is another message.
                HandshakeType::CLIENT_KEY_EXCHANGE => {
                    let is_ecdhe = section(recording.text, "premaster_secret").is_none();
                    tls12::ClientKeyExchange::decode(body, POINT).is_ok() == is_ecdhe
                }
                other => panic!("{other}"),
            };
            assert!(is_read, "{typ}");
            types.push(typ);
        }
    });
    types.sort();
    types.dedup();
    assert_eq!(types.len(), 9, "{types:?}");
}
