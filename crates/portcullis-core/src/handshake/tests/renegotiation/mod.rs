//! Another handshake on a connection of before TLS 1.3, both ends ours: who may begin it, what it
//! changes, and what it leaves as it was.

mod policies;
mod violations;
mod worn_out;

use super::attack::{read_all, ticket_keys};
use super::older::{older_client, older_server};
use super::tamper::{Put, first};
use crate::config::{ClientConfigBuilder, Renegotiation, ServerConfigBuilder};
use crate::connection::Connection;
use crate::suite::CipherSuite;
use crate::testing::{Pair, now, resuming};
use crate::wire::ContentType;
use crate::{Frame, Handshake, Opened, PeerRequest, Step};

/// Both ends agree to every renegotiation, and to a protocol that allows it.
fn client() -> ClientConfigBuilder {
    older_client().alpn(["dot"]).renegotiation(ALWAYS)
}

fn server() -> ServerConfigBuilder {
    older_server().alpn(["dot"]).renegotiation(ALWAYS)
}

const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: core::time::Duration::ZERO,
};

/// Both ends of a connection.
struct Ends {
    client: Connection,
    server: Connection,
}

/// Who asks for a renegotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

impl Ends {
    fn new(client: ClientConfigBuilder, server: ServerConfigBuilder) -> Self {
        let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
        let (client, server) = pair.run();
        let (client, server) = (client.unwrap(), server.unwrap());
        assert!(!client.information.is_renegotiated());
        assert!(!server.information.is_renegotiated());
        let mut this = Self { client, server };
        this.exchange();
        this
    }

    /// Data goes both ways, more than fits into two records.
    fn exchange(&mut self) {
        let Self { client, server } = self;
        for (from, to) in [(0, 1), (1, 0)] {
            let ends = [&mut *client, &mut *server];
            let sent = sealed(ends[from], &data());
            let unread = core::mem::take(&mut ends[to].unread);
            let received = read_all(&mut ends[to].reader, [unread, sent].concat()).unwrap();
            assert!(received == data());
        }
    }

    /// The one that begins, whose request is on its way, and the other, which has seen it.
    fn begin(mut self, from: From) -> Pair {
        let (first, second) = match from {
            From::Client => (&mut self.client, &mut self.server),
            From::Server => (&mut self.server, &mut self.client),
        };
        let mut first =
            Handshake::renegotiate(&mut first.reader, &mut first.writer, now()).unwrap();
        let request = super::attack::transmitted(&mut first);
        assert!(asks(second, request));
        let second = Handshake::renegotiate(&mut second.reader, &mut second.writer, now()).unwrap();
        match from {
            From::Client => pair(first, second),
            From::Server => pair(second, first),
        }
    }

    fn renegotiate(self, from: From) -> Self {
        let (client, server) = self.begin(from).run();
        let (client, server) = (client.unwrap(), server.unwrap());
        for connection in [&client, &server] {
            assert_eq!(connection.writer.bytes_under_key(), 0);
        }
        let (one, other) = (&client.information, &server.information);
        assert_eq!(one.cipher_suite(), other.cipher_suite());
        assert_eq!(one.client_random(), other.client_random());
        assert_eq!(one.server_random(), other.server_random());
        assert_eq!(one.tls_unique().unwrap(), other.tls_unique().unwrap());
        for information in [one, other] {
            assert!(information.is_renegotiated());
            assert_eq!(information.alpn_protocol(), Some(&b"dot"[..]));
            assert_eq!(information.server_name(), Some("localhost"));
        }
        let mut this = Self { client, server };
        this.exchange();
        this
    }
}

fn pair(client: Handshake, server: Handshake) -> Pair {
    Pair {
        client,
        server,
        events: Vec::new(),
        client_sent: Vec::new(),
        server_sent: Vec::new(),
        delivered: Default::default(),
    }
}

fn data() -> Vec<u8> {
    (0..40_000_u32).map(|at| at as u8).collect()
}

fn sealed(from: &mut Connection, data: &[u8]) -> Vec<u8> {
    let mut sealed = core::mem::take(&mut from.transmit);
    let at = sealed.len();
    sealed.resize(at + from.writer.max_sealed_len(data.len()), 0);
    let written = from.writer.seal(data, &mut sealed[at..]).unwrap();
    assert_eq!(written.consumed, data.len());
    sealed.truncate(at + written.written);
    sealed
}

/// Reads what has come, which is nothing but a request; whether it is granted.
fn asks(end: &mut Connection, mut bytes: Vec<u8>) -> bool {
    let mut rest = &mut bytes[..];
    while !rest.is_empty() {
        assert_eq!(end.reader.take_request(now()), None);
        let Frame::Record { len, .. } = end.reader.frame(rest).unwrap() else {
            panic!("more than records: {rest:?}");
        };
        let (record, behind) = core::mem::take(&mut rest).split_at_mut(len);
        assert_eq!(end.reader.open_in_place(record).unwrap(), Opened::Nothing);
        rest = behind;
    }
    end.reader.take_request(now()) == Some(PeerRequest::Renegotiation)
}

#[test]
fn after_data_from_either_side_again_and_again() {
    let mut ends = Ends::new(client(), server());
    let first = ends.client.information.tls_unique().unwrap();
    for from in [From::Client, From::Server, From::Server, From::Client] {
        ends = ends.renegotiate(from);
    }
    assert_ne!(ends.client.information.tls_unique().unwrap(), first);
}

/// What an application does while the other end already waits for the handshake.
#[test]
fn data_under_way_arrives() {
    for from in [From::Client, From::Server] {
        let mut ends = Ends::new(client(), server());
        let (first, second) = match from {
            From::Client => (&mut ends.client, &mut ends.server),
            From::Server => (&mut ends.server, &mut ends.client),
        };
        let mut begun =
            Handshake::renegotiate(&mut first.reader, &mut first.writer, now()).unwrap();
        let request = super::attack::transmitted(&mut begun);
        // Sent before the request is seen.
        let under_way = sealed(second, &data());
        begun.receive(&under_way, now());
        assert!(asks(second, request));
        let answering =
            Handshake::renegotiate(&mut second.reader, &mut second.writer, now()).unwrap();
        let mut both = match from {
            From::Client => pair(begun, answering),
            From::Server => pair(answering, begun),
        };
        both.turn(&mut |_, question| Some(question.default_answer()));
        let delivered = both.delivered.concat();
        assert!(delivered == data(), "{from:?}: {}", delivered.len());
        let (client, server) = both.run();
        let mut ends = Ends {
            client: client.unwrap(),
            server: server.unwrap(),
        };
        ends.exchange();
    }
}

/// Wherever its data stands that is under the keys before, RFC 5246 §6.2.1: the peer's messages have begun.
#[test]
fn data_between_the_messages_arrives() {
    use super::attack::{By, talk};
    use crate::wire::HandshakeType as T;
    for (by, typ) in [
        (By::Server, T::SERVER_HELLO),
        (By::Server, T::CERTIFICATE),
        (By::Server, T::SERVER_KEY_EXCHANGE),
        (By::Server, T::SERVER_HELLO_DONE),
        (By::Client, T::CLIENT_KEY_EXCHANGE),
    ] {
        let context = format!("{by:?}, {typ}");
        let tamper = first(typ, |raw| {
            let message = Put::Message(raw.to_vec());
            vec![
                data_record(b"one"),
                message,
                data_record(b"two"),
                data_record(b"three"),
            ]
        });
        let mut both = violations::attacked(Ends::new(client(), server()), by, tamper);
        talk(&mut both);
        let [to_client, to_server] = &both.delivered;
        let delivered = match by {
            By::Client => to_server,
            By::Server => to_client,
        };
        assert_eq!(delivered, b"onetwothree", "{context}");
        let (client, server) = both.run();
        let (client, server) = (client.unwrap(), server.unwrap());
        Ends { client, server }.exchange();
    }
}

/// NSS' and Java's clients write while they wait for the answer to their hello.
#[test]
fn data_behind_the_hello_arrives() {
    use crate::wire::HandshakeType as T;
    let mut ends = Ends::new(client(), server());
    let end = &mut ends.client;
    let tamper = first(T::CLIENT_HELLO, |raw| {
        let message = Put::Message(raw.to_vec());
        vec![message, data_record(b"GET / "), data_record(b"HTTP/1.0")]
    });
    let mut begun = Handshake::renegotiate_tampering(&mut end.reader, &mut end.writer, tamper);
    let sent = super::attack::transmitted(&mut begun);
    let length = 5 + usize::from(u16::from_be_bytes([sent[3], sent[4]]));
    let (hello, behind) = sent.split_at(length);
    let end = &mut ends.server;
    assert!(asks(end, hello.to_vec()));
    let mut answering = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
    // Byte by byte: what is there is given out at once.
    let mut delivered = Vec::new();
    let mut answer = Vec::new();
    for byte in behind {
        answering.receive(&[*byte], now());
        loop {
            match answering.poll().unwrap() {
                Step::Data(data) => delivered.push(data),
                Step::Transmit(bytes) => answer.extend(bytes),
                Step::Wait { .. } => break,
                step => panic!("{step:?}"),
            }
        }
    }
    assert_eq!(delivered, [&b"GET / "[..], b"HTTP/1.0"]);
    begun.receive(&answer, now());
    let (client, server) = pair(begun, answering).run();
    let (client, server) = (client.unwrap(), server.unwrap());
    Ends { client, server }.exchange();
}

fn data_record(data: &[u8]) -> Put {
    Put::Record(ContentType::APPLICATION_DATA, data.to_vec())
}

/// The HelloRequest crosses the ClientHello (RFC 5246 §7.4.1.1).
#[test]
fn both_begin_at_once() {
    let mut ends = Ends::new(client(), server());
    let [client, server] = [&mut ends.client, &mut ends.server]
        .map(|end| Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap());
    let (client, server) = pair(client, server).run();
    let mut ends = Ends {
        client: client.unwrap(),
        server: server.unwrap(),
    };
    ends.exchange();
}

/// A kind of cipher holds from change_cipher_spec on, for each direction by itself (CVE-2017-3733).
#[test]
fn from_every_kind_of_cipher_to_every_other() {
    const KINDS: &[(CipherSuite, bool)] = &[
        (CipherSuite(0xc02b), false),
        (CipherSuite(0xcca9), false),
        (CipherSuite(0xc009), false),
        (CipherSuite(0xc009), true),
        #[cfg(feature = "legacy-ciphers")]
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA, true),
        #[cfg(feature = "legacy-ciphers")]
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, false),
    ];
    for before in KINDS.iter().copied() {
        for after in KINDS.iter().copied() {
            // RFC 7366 §3.1.
            let loses = before.1 && after == KINDS[2];
            if loses {
                continue;
            }
            let mut suites: Vec<_> = KINDS.iter().map(|(suite, _)| *suite).collect();
            suites.dedup();
            let server = server().cipher_suites(suites);
            let client = |(suite, first): (CipherSuite, bool)| {
                client().cipher_suites([suite]).encrypt_then_mac(first)
            };
            let mut ends = Ends::new(client(before), server);
            replace_client(&mut ends.client, client(after));
            let ends = ends.renegotiate(From::Client);
            let information = &ends.client.information;
            assert_eq!(information.cipher_suite(), after.0);
            assert_eq!(information.encrypt_then_mac(), after.1);
        }
    }
}

/// As if the client had had this configuration from the beginning.
fn replace_client(connection: &mut Connection, config: ClientConfigBuilder) {
    use super::super::renegotiation::Kept;
    let another = connection.reader.another().unwrap();
    let kept = another.kept.downcast_mut::<Kept>().unwrap();
    kept.end = super::super::client::end(config.build().unwrap());
}

/// A secret that is encrypted for the server's key, beside the one that both have: other stacks lost one of them.
#[cfg(feature = "ffi")]
#[test]
fn with_a_key_and_a_secret_that_is_encrypted() {
    let (client, server) = super::tls12::rsa_psk::ends();
    let client = client.alpn(["dot"]).renegotiation(ALWAYS);
    let server = server.alpn(["dot"]).renegotiation(ALWAYS);
    let mut ends = Ends::new(client, server);
    let suite = ends.client.information.cipher_suite();
    let exchange = suite.info().unwrap().key_exchange;
    assert_eq!(exchange, crate::suite::KeyExchange::RsaPsk);
    for from in [From::Client, From::Server, From::Server, From::Client] {
        ends = ends.renegotiate(from);
        for end in [&ends.client, &ends.server] {
            assert_eq!(end.information.cipher_suite(), suite);
            assert_eq!(end.information.psk_identity(), Some(&b"meter-17"[..]));
        }
        assert!(!ends.client.information.peer_certificates().is_empty());
    }
}

/// RFC 5246 §7.4.7.1: what is encrypted begins with the version that the hello of this handshake says, which is that of
/// the first one, and not with the one that is spoken.
#[cfg(feature = "ffi")]
#[test]
fn the_version_in_an_encrypted_secret() {
    use super::tls12::{decryption, rsa};
    use crate::ProtocolVersion as P;
    use crate::question::Question;
    let suite = [CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA];
    let client = rsa::client().versions([P::TLS_1_2, P::TLS_1_1]);
    let client = client.cipher_suites(suite).alpn(["dot"]);
    let server = rsa::server().versions([P::TLS_1_1]).alpn(["dot"]);
    let server = server.cipher_suites(suite).clear_identities();
    let server = server.identity(decryption::elsewhere());
    let mut seen = Vec::new();
    let mut run = |mut pair: Pair| {
        pair.turn(&mut |_, question| {
            Some(match question {
                Question::Decrypt(question) => {
                    let block = decryption::raw(question.ciphertext()).unwrap();
                    // The padding, a zero, and 48 bytes.
                    seen.push(block[block.len() - 48..][..2].to_vec());
                    decryption::answer(*question)
                }
                other => other.default_answer(),
            })
        });
        let (client, server) = pair.run();
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.information.version(), P::TLS_1_1);
        Ends { client, server }
    };
    let client = client.renegotiation(ALWAYS).build().unwrap();
    let server = server.renegotiation(ALWAYS).build().unwrap();
    let mut ends = run(Pair::new(client, server));
    for from in [From::Client, From::Server] {
        ends.exchange();
        ends = run(ends.begin(from));
    }
    assert_eq!(seen, [[3, 3], [3, 3], [3, 3]]);
}

/// Records have the length that the last handshake has settled (otp#10599).
#[test]
fn lengths_of_records_are_those_of_the_last_handshake() {
    use crate::config::MaxFragmentLength::{Bytes512, Bytes4096};
    for (before, after) in [
        (None, Some(Bytes512)),
        (Some(Bytes512), None),
        (Some(Bytes512), Some(Bytes4096)),
        (Some(Bytes4096), Some(Bytes512)),
    ] {
        let config = |length| match length {
            None => client(),
            Some(length) => client().max_fragment_length(length),
        };
        let mut ends = Ends::new(config(before), server());
        replace_client(&mut ends.client, config(after));
        let ends = ends.renegotiate(From::Client);
        let most = after.map_or(16_384, |length| usize::from(length.bytes()));
        assert_eq!(ends.client.writer.fragment_len(), most);
        assert_eq!(ends.server.writer.fragment_len(), most);
    }
}

/// After a resumed handshake the server's Finished is the first of the two.
#[test]
fn after_a_resumption() {
    let client = client().session_tickets(true).build().unwrap();
    let server = server().ticket_keys(ticket_keys()).build().unwrap();
    let sessions = crate::testing::sessions_of(client.clone(), server.clone());
    let (client, server) = resuming(client, server, sessions).run();
    let (client, server) = (client.unwrap(), server.unwrap());
    assert!(client.information.is_resumed());
    let mut ends = Ends { client, server };
    for from in [From::Client, From::Server] {
        ends = ends.renegotiate(from);
        assert!(!ends.client.information.is_resumed());
        // Its session would be that of two handshakes.
        assert!(ends.client.reader.take_ticket().is_none());
    }
}

/// A peer that does not want to says so, and nothing has happened.
#[test]
fn a_peer_declines() {
    for from in [From::Client, From::Server] {
        let mut ends = match from {
            From::Client => Ends::new(client(), server().renegotiation(Renegotiation::Decline)),
            From::Server => Ends::new(client().renegotiation(Renegotiation::Decline), server()),
        };
        for _ in 0..3 {
            let (first, second) = match from {
                From::Client => (&mut ends.client, &mut ends.server),
                From::Server => (&mut ends.server, &mut ends.client),
            };
            let information = first.information.clone();
            // The key stays, and so does what it has protected.
            let (content, records) = (
                first.writer.bytes_under_key(),
                first.writer.sequence_number(),
            );
            assert!(content >= data().len() as u64);
            let mut request =
                Handshake::renegotiate(&mut first.reader, &mut first.writer, now()).unwrap();
            assert!(!request.was_declined());
            let bytes = super::attack::transmitted(&mut request);
            assert!(!asks(second, bytes));
            let mut warning = vec![0; 100];
            let written = second.writer.drain_mailbox(&mut warning).unwrap();
            request.receive(&warning[..written], now());
            assert!(matches!(request.poll(), Ok(Step::Connected)));
            assert!(request.was_declined());
            *first = request.into_connection().unwrap();
            assert!(std::sync::Arc::ptr_eq(&first.information, &information));
            assert_eq!(first.writer.bytes_under_key(), content);
            assert!(first.writer.sequence_number() > records);
            ends.exchange();
        }
    }
}

/// Or it closes: that is no failure.
#[test]
fn a_peer_closes_instead() {
    let mut ends = Ends::new(client(), server());
    let last = sealed(&mut ends.server, b"the last");
    let mut close = vec![0; 100];
    let written = ends.server.writer.close_notify(&mut close).unwrap();
    let end = &mut ends.client;
    let mut request = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
    super::attack::transmitted(&mut request);
    request.receive(&[&last, &close[..written]].concat(), now());
    let Step::Data(data) = request.poll().unwrap() else {
        panic!("no data");
    };
    assert_eq!(data, b"the last");
    assert!(matches!(request.poll(), Ok(Step::Connected)));
    assert!(request.was_declined());
    let mut connection = request.into_connection().unwrap();
    assert!(connection.reader.is_closed());
    assert!(connection.reader.eof().is_ok());
}
