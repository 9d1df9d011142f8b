//! The trace of a known handshake, byte for byte: our server as its server, our client as its
//! client as far as the certificate allows, and our records from both sides.
//!
//! RFC 8448 §3, "Simple 1-RTT Handshake".

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName};

use super::attack::{client, read_all, server, transmitted};
use super::tamper::{Put, first};
use crate::crypto::hex;
use crate::crypto::hkdf::LabelPrefix;
use crate::crypto::random::Random;
use crate::crypto::secret::SharedSecret;
use crate::key_schedule::rfc_8448::{
    CLIENT_HELLO, CLIENT_VERIFY_DATA, SERVER_FLIGHT, SERVER_HELLO, SERVER_VERIFY_DATA, SHARED,
    SUITE,
};
use crate::key_schedule::{AddMessage, EarlySecret, Hashed, TranscriptBuffer};
use crate::question::Question;
use crate::record::stream::{Incoming, Outgoing};
use crate::record::{Keys, Mailbox, Message};
use crate::role::Role;
use crate::suite::CipherSuite;
use crate::testing::now;
use crate::wire::{
    Certificate, CertificateVerify, EncryptedExtensions, Finished, HandshakeMessage,
    HandshakeType as T, ServerHello,
};
use crate::x509::{CertificateErrorKind, Identity};
use crate::{Handshake, NamedGroup, Reason, SignatureScheme, Stage, Step};

const CLIENT_KEY: &str = "49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005";
const SERVER_KEY: &str = "b1580eeadf6dd589b8ef4f2d5652578cc810e9980191ec8d058308cea216a21e";

const SERVER_FLIGHT_RECORD: &str = "
    17030302a2d1ff334a56f5bff6594a07cc87b580233f500f45e489e7f33af35edf7869fcf40aa40aa2b8ea73f848a7ca
    07612ef9f945cb960b4068905123ea78b111b429ba9191cd05d2a389280f526134aadc7fc78c4b729df828b5ecf7b13b
    d9aefb0e57f271585b8ea9bb355c7c79020716cfb9b1183ef3ab20e37d57a6b9d7477609aee6e122a4cf51427325250c
    7d0e509289444c9b3a648f1d71035d2ed65b0e3cdd0cbae8bf2d0b227812cbb360987255cc744110c453baa4fcd61092
    8d809810e4b7ed1a8fd991f06aa6248204797e36a6a73b70a2559c09ead686945ba246ab66e5edd8044b4c6de3fcf2a8
    9441ac66272fd8fb330ef8190579b3684596c960bd596eea520a56a8d650f563aad27409960dca63d3e688611ea5e22f
    4415cf9538d51a200c27034272968a264ed6540c84838d89f72c24461aad6d26f59ecaba9acbbb317b66d902f4f292a3
    6ac1b639c637ce343117b659622245317b49eeda0c6258f100d7d961ffb138647e92ea330faeea6dfa31c7a84dc3bd7e
    1b7a6c7178af36879018e3f252107f243d243dc7339d5684c8b0378bf30244da8c87c843f5e56eb4c5e8280a2b48052c
    f93b16499a66db7cca71e4599426f7d461e66f99882bd89fc50800becca62d6c74116dbd2972fda1fa80f85df881edbe
    5a37668936b335583b599186dc5c6918a396fa48a181d6b6fa4f9d62d513afbb992f2b992f67f8afe67f76913fa388cb
    5630c8ca01e0c65d11c66a1e2ac4c85977b7c7a6999bbf10dc35ae69f5515614636c0b9b68c19ed2e31c0b3b66763038
    ebba42f3b38edc0399f3a9f23faa63978c317fc9fa66a73f60f0504de93b5b845e275592c12335ee340bbc4fddd50278
    4016e4b3be7ef04dda49f4b440a30cb5d2af939828fd4ae3794e44f94df5a631ede42c1719bfdabf0253fe5175be898e
    750edc53370d2b";
const CLIENT_FINISHED_RECORD: &str = "
    170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f80338ac98fc46deb384bd1c
    aeacab6867d726c40546";
const TICKET: &str = "
    040000c90000001efad6aac502000000b22c035d829359ee5ff7af4ec900000000262a6494dc486d2c8a34cb33fa90bf
    1b0070ad3c498883c9367c09a2be785abc55cd226097a3a982117283f82a03a143efd3ff5dd36d64e861be7fd61d2827
    db279cce145077d454a3664d4e6da4d29ee03725a6a4dafcd0fc67d2aea70529513e3da2677fa5906c5b3f7d8f92f228
    bda40dda721470f9fbf297b5aea617646fac5c03272e970727c621a79141ef5f7de6505e5bfbc388e93343694093934a
    e4d3570008002a000400000400";
const TICKET_RECORD: &str = "
    17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758db289a
    015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e0
    9c30ba1e62972ac46f75f7b981be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77
    f81b5ab05b94c01346755f69232c86519d86cbeeac87aac347d143f9605d64f650db4d023e70e952ca49fe5137121c74
    bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b37bf15985684f";
const CLIENT_DATA_RECORD: &str = "
    1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b
    62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";
const SERVER_DATA_RECORD: &str = "
    17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8
    fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d";
const CLIENT_CLOSE_RECORD: &str = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";
const SERVER_CLOSE_RECORD: &str = "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9";

/// What both sides send once they are connected.
fn payload() -> Vec<u8> {
    (0..50).collect()
}

fn record(version: u8, message: &str) -> Vec<u8> {
    let message = hex(message);
    [
        &[22, 3, version, 0, u8::try_from(message.len()).unwrap()][..],
        &message,
    ]
    .concat()
}

fn finished(verify_data: &str) -> Vec<u8> {
    [&[20, 0, 0, 32][..], &hex(verify_data)].concat()
}

/// EncryptedExtensions, Certificate and CertificateVerify.
fn flight() -> [Vec<u8>; 3] {
    let all = hex(SERVER_FLIGHT);
    let mut rest = &all[..];
    [(); 3].map(|()| {
        let length = 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let (message, after) = rest.split_at(length);
        rest = after;
        message.to_vec()
    })
}

fn certificate() -> CertificateDer<'static> {
    let [_, message, _] = flight();
    let certificate = Certificate::decode(&message[4..]).unwrap();
    certificate
        .certificate_list
        .first()
        .unwrap()
        .cert_data
        .to_vec()
        .into()
}

/// The server says what it says in the trace: its choices are put into its mouth, because it
/// orders extensions otherwise; keys, certificate, Finished and records are its own.
#[test]
fn our_server() {
    let [encrypted_extensions, _, certificate_verify] = flight();
    let schemes = vec![SignatureScheme::RSA_PSS_RSAE_SHA256];
    let identity = Identity::with_external_key(vec![certificate()], schemes).unwrap();
    let config = server()
        .clear_identities()
        .identity(identity)
        .key_minimum(1_024)
        // The trace has no change_cipher_spec, and its client does not ask for one.
        .middlebox_compatibility(false)
        .groups([NamedGroup::X25519])
        .cipher_suites([CipherSuite::TLS_AES_128_GCM_SHA256])
        .build()
        .unwrap();
    let server_random = hex(SERVER_HELLO)[6..38].to_vec();
    let random = Random::script([server_random, hex(SERVER_KEY)].concat());
    let mut server = Handshake::server_with_random(config, random);
    // The trace has all of the flight in one record, while ours goes out as far as it can
    // before it waits for the signature.
    let mut held = Vec::new();
    server.tamper(Box::new(move |raw| {
        let message = match T(raw[0]) {
            T::SERVER_HELLO => return vec![Put::Message(hex(SERVER_HELLO))],
            T::ENCRYPTED_EXTENSIONS => encrypted_extensions.clone(),
            _ => raw.to_vec(),
        };
        held.extend_from_slice(&message);
        let mut puts = vec![Put::Hashed(message)];
        if raw[0] == T::FINISHED.0 {
            puts.push(Put::Unhashed(core::mem::take(&mut held)));
        }
        puts
    }));

    server.receive(&record(1, CLIENT_HELLO), now());
    assert_eq!(next_bytes(&mut server), record(3, SERVER_HELLO));
    let Ok(Step::Ask(question)) = server.poll() else {
        panic!("no question");
    };
    let Question::Sign(question) = question else {
        panic!("another question");
    };
    let verify = CertificateVerify::decode(&certificate_verify[4..]).unwrap();
    assert_eq!(question.scheme(), verify.algorithm);
    server
        .answer(question.signature(verify.signature.to_vec()), now())
        .unwrap();
    assert_eq!(next_bytes(&mut server), hex(SERVER_FLIGHT_RECORD));

    server.receive(&hex(CLIENT_FINISHED_RECORD), now());
    assert!(matches!(server.poll(), Ok(Step::Connected)));
    server.put(&Put::Unhashed(hex(TICKET)));
    let mut connection = server.into_connection().unwrap();
    assert_eq!(connection.transmit, hex(TICKET_RECORD));
    let mut out = [0; 128];
    let sealed = connection.writer.seal(&payload(), &mut out).unwrap();
    assert_eq!(out[..sealed.written], hex(SERVER_DATA_RECORD));
    let written = connection.writer.close_notify(&mut out).unwrap();
    assert_eq!(out[..written], hex(SERVER_CLOSE_RECORD));
    let theirs = [hex(CLIENT_DATA_RECORD), hex(CLIENT_CLOSE_RECORD)].concat();
    assert_eq!(read_all(&mut connection.reader, theirs).unwrap(), payload());
    assert!(connection.reader.is_closed());
}

/// RFC 8017 §9.1.1: two hashes of 64 bytes and two more do not fit into 1,023 bits.
#[test]
fn its_key_is_too_short_for_sha_512() {
    let external = |scheme| Identity::with_external_key(vec![certificate()], vec![scheme]);
    assert!(external(SignatureScheme::RSA_PSS_RSAE_SHA384).is_ok());
    let misuse = external(SignatureScheme::RSA_PSS_RSAE_SHA512).unwrap_err();
    assert!(misuse.to_string().contains("too short"), "{misuse}");
}

fn next_bytes(end: &mut Handshake) -> Vec<u8> {
    match end.poll().unwrap() {
        Step::Transmit(bytes) => bytes,
        step => panic!("{step:?}"),
    }
}

/// The client with the hello and the key of the trace follows it up to the server's signature,
/// which is by an RSA key of 1,024 bits.
#[test]
fn our_client() {
    let config = client()
        .middlebox_compatibility(false)
        .groups([NamedGroup::X25519])
        .cipher_suites([CipherSuite::TLS_AES_128_GCM_SHA256])
        .record_size_limit(16_385)
        .ask_verification(true)
        .build()
        .unwrap();
    let client_random = hex(CLIENT_HELLO)[6..38].to_vec();
    let random = Random::script([client_random, hex(CLIENT_KEY)].concat());
    let name = ServerName::try_from("server").unwrap();
    let tamper = first(T::CLIENT_HELLO, |_| vec![Put::Message(hex(CLIENT_HELLO))]);
    let mut client = Handshake::client_tampering(config, name, random, tamper);
    assert_eq!(transmitted(&mut client), record(1, CLIENT_HELLO));
    client.receive(&record(3, SERVER_HELLO), now());
    client.receive(&hex(SERVER_FLIGHT_RECORD), now());
    let Ok(Step::Ask(question)) = client.poll() else {
        panic!("no question");
    };
    let Question::VerifyChain(question) = question else {
        panic!("another question");
    };
    assert_eq!(question.chain().certificates(), [certificate()]);
    client
        .answer(question.dangerous_accept_without_verification(), now())
        .unwrap();
    transmitted(&mut client);
    let error = client.poll().unwrap_err();
    // The RFC's server has an RSA key that nobody should accept.
    let Reason::Certificate(reason) = error.reason() else {
        panic!("{error}");
    };
    assert_eq!(
        reason.kind(),
        &CertificateErrorKind::RsaKeyLength {
            bits: 1_024,
            least: 2_048
        }
    );
    assert_eq!(error.stage(), Stage::VerifyingChain);
}

/// The rest of the client's way: everything it reads and writes, with its keys.
#[test]
fn our_records() {
    let mut transcript = TranscriptBuffer::new();
    transcript.add(Hashed::new(&hex(CLIENT_HELLO)));
    let mut transcript = transcript.start(SUITE.hash);
    let mut incoming = Incoming::new(Role::Client, 4096);
    let mut outgoing = Outgoing::new(Role::Client);
    outgoing.queue(&hex(CLIENT_HELLO));
    assert_eq!(outgoing.take().unwrap(), record(1, CLIENT_HELLO));

    incoming.feed(&record(3, SERVER_HELLO));
    let message = next(&mut incoming);
    let hello = ServerHello::decode(message.body()).unwrap();
    assert_eq!(hello.cipher_suite, CipherSuite::TLS_AES_128_GCM_SHA256);
    transcript.add(message.hashed());
    let shared = SharedSecret::new(&hex(SHARED));
    let handshake = EarlySecret::without_psk(SUITE.hash, LabelPrefix::Tls13)
        .into_handshake(SUITE.aead, &shared);
    let hellos = transcript.current();
    let server_secret = handshake.server_handshake_traffic_secret(&hellos);
    let client_secret = handshake.client_handshake_traffic_secret(&hellos);
    let (key, server_finished) = server_secret.handshake_keys().unwrap();
    incoming
        .install_read(Keys::ready(server_secret, key))
        .unwrap();
    let (key, client_finished) = client_secret.handshake_keys().unwrap();
    outgoing
        .install_write(Keys::ready(client_secret, key))
        .unwrap();

    incoming.feed(&hex(SERVER_FLIGHT_RECORD));
    let message = next(&mut incoming);
    let parameters = EncryptedExtensions::decode(message.body()).unwrap();
    assert_eq!(parameters.extensions.iter().count(), 3);
    transcript.add(message.hashed());
    let message = next(&mut incoming);
    Certificate::decode(message.body()).unwrap();
    transcript.add(message.hashed());
    let message = next(&mut incoming);
    CertificateVerify::decode(message.body()).unwrap();
    transcript.add(message.hashed());
    let message = next(&mut incoming);
    assert_eq!(message.raw(), finished(SERVER_VERIFY_DATA));
    let verify_data = Finished::decode(message.body()).unwrap().verify_data;
    assert!(server_finished.verify(&transcript.current(), verify_data));
    transcript.add(message.hashed());

    let before = transcript.current();
    let application = handshake.into_master().into_application_secrets(&before);
    incoming.install_read(application.server).unwrap();
    let mut ours = Vec::new();
    Finished::put(&mut ours, client_finished.verify_data(&before).as_slice());
    assert_eq!(ours, finished(CLIENT_VERIFY_DATA));
    outgoing.queue(&ours);
    outgoing.install_write(application.client).unwrap();
    let mailbox = Arc::new(Mailbox::default());
    let (mut writer, sent) = outgoing
        .take_writer(Arc::clone(&mailbox), u64::MAX)
        .unwrap();
    assert_eq!(sent, hex(CLIENT_FINISHED_RECORD));
    let mut out = [0; 128];
    let sealed = writer.seal(&payload(), &mut out).unwrap();
    assert_eq!(out[..sealed.written], hex(CLIENT_DATA_RECORD));
    let written = writer.close_notify(&mut out).unwrap();
    assert_eq!(out[..written], hex(CLIENT_CLOSE_RECORD));

    let (mut reader, unread) = incoming.take_reader(mailbox).unwrap();
    assert!(unread.is_empty());
    let theirs = [TICKET_RECORD, SERVER_DATA_RECORD, SERVER_CLOSE_RECORD]
        .map(hex)
        .concat();
    assert_eq!(read_all(&mut reader, theirs).unwrap(), payload());
    assert!(reader.is_closed());
}

fn next(incoming: &mut Incoming) -> crate::record::HandshakeBytes {
    match incoming.next().unwrap() {
        Some(Message::Handshake(message)) => message,
        other => panic!("{other:?}"),
    }
}
