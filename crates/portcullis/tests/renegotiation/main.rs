//! Another handshake on a stream of before TLS 1.3: by either side, between the data.

#[path = "../ends/mod.rs"]
mod ends;

mod halves;
mod worn_out;

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use portcullis::config::Renegotiation;
use portcullis::question::{Answer, Question, Sign, VerifyChain};
use portcullis::{
    Active, AlertDescription, Answers, Direction, EofPolicy, LogLevel, Message, ProtocolVersion,
    Questions, ReadHalf, Reason, RuntimeOptions, TlsAcceptor, TlsConnector, TlsStream, WriteHalf,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use ends::{client_config, name, pattern, server_config};

const ALWAYS: Renegotiation = Renegotiation::Accept {
    apart: Duration::ZERO,
};
const LONG: usize = 300_000;

type Stream = TlsStream<DuplexStream>;

fn ends(client: Renegotiation, server: Renegotiation) -> (TlsConnector, TlsAcceptor) {
    let versions = [ProtocolVersion::TLS_1_2];
    let client = client_config()
        .to_builder()
        .versions(versions)
        .renegotiation(client);
    let server = server_config()
        .to_builder()
        .versions(versions)
        .renegotiation(server);
    let connector = TlsConnector::new(client.build().unwrap()).without_resumption();
    (connector, TlsAcceptor::new(server.build().unwrap()))
}

async fn connected(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (Stream, Stream) {
    // Small, so that nothing goes through at once.
    let (client, server) = duplex(1_000);
    let (client, server) =
        tokio::join!(connector.upgrade(client, name()), acceptor.upgrade(server));
    (client.unwrap(), server.unwrap())
}

async fn pair(client: Renegotiation, server: Renegotiation) -> (Stream, Stream) {
    let (connector, acceptor) = ends(client, server);
    connected(&connector, &acceptor).await
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("it hangs")
}

async fn passes(from: &mut Stream, to: &mut Stream) {
    let data = pattern(50_000);
    let send = async {
        from.write_all(&data).await.unwrap();
        from.flush().await.unwrap();
    };
    let mut received = vec![0; data.len()];
    let receive = async { to.read_exact(&mut received).await.unwrap() };
    soon(async { tokio::join!(send, receive) }).await;
    assert!(received == data);
}

fn same(one: &Stream, other: &Stream) {
    let (one, other) = (one.information(), other.information());
    assert_eq!(one.client_random(), other.client_random());
    assert_eq!(one.tls_unique().unwrap(), other.tls_unique().unwrap());
    let [key, same_key] = [one, other].map(|information| {
        let mut key = [0; 32];
        let exported = information.export_keying_material(b"key", None, &mut key);
        exported.map(|()| key).unwrap()
    });
    assert_eq!(key, same_key);
}

/// The other end answers while it reads, and gives what comes.
#[tokio::test]
async fn either_side_again_and_again() {
    let (mut client, mut server) = pair(ALWAYS, ALWAYS).await;
    passes(&mut client, &mut server).await;
    for of_client in [true, false, false, true] {
        let before = *client.information().client_random();
        let (one, other) = match of_client {
            true => (&mut client, &mut server),
            false => (&mut server, &mut client),
        };
        let begin = async {
            one.renegotiate().await.unwrap();
            one.write_all(b"done").await.unwrap();
            one.flush().await.unwrap();
        };
        let mut received = [0; 4];
        let answer = async { other.read_exact(&mut received).await.unwrap() };
        soon(async { tokio::join!(begin, answer) }).await;
        assert_eq!(&received, b"done");
        assert_ne!(*client.information().client_random(), before);
        same(&client, &server);
        passes(&mut client, &mut server).await;
        passes(&mut server, &mut client).await;
    }
}

/// The other end writes a lot, and reads only then: what was under way arrives in order.
#[tokio::test]
async fn with_data_under_way() {
    for of_client in [true, false] {
        let (mut client, mut server) = pair(ALWAYS, ALWAYS).await;
        let (one, other) = match of_client {
            true => (&mut client, &mut server),
            false => (&mut server, &mut client),
        };
        let data = pattern(LONG);
        let begin = async {
            one.write_all(b"before").await.unwrap();
            one.renegotiate().await.unwrap();
            one.write_all(b"behind").await.unwrap();
            one.flush().await.unwrap();
            let mut received = vec![0; LONG];
            one.read_exact(&mut received).await.unwrap();
            received
        };
        let answer = async {
            other.write_all(&data).await.unwrap();
            let mut received = [0; 12];
            other.read_exact(&mut received).await.unwrap();
            received
        };
        let (received, answered) = soon(async { tokio::join!(begin, answer) }).await;
        assert!(received == data);
        assert_eq!(&answered, b"beforebehind");
        same(&client, &server);
    }
}

#[tokio::test]
async fn both_at_once() {
    let (mut client, mut server) = pair(ALWAYS, ALWAYS).await;
    let (one, other) =
        soon(async { tokio::join!(client.renegotiate(), server.renegotiate()) }).await;
    one.unwrap();
    other.unwrap();
    same(&client, &server);
    passes(&mut client, &mut server).await;
    passes(&mut server, &mut client).await;
}

/// In messages, with credits and without.
#[tokio::test]
async fn an_active_stream_answers() {
    let (mut client, server) = pair(ALWAYS, ALWAYS).await;
    let mut server = server.into_active(Active::N(2));
    let begin = async {
        client.write_all(b"one").await.unwrap();
        client.renegotiate().await.unwrap();
        client.write_all(b"two").await.unwrap();
        client.flush().await.unwrap();
    };
    let answer = async {
        let mut messages = Vec::new();
        for _ in 0..3 {
            messages.push(server.next().await.unwrap());
        }
        messages
    };
    let ((), messages) = soon(async { tokio::join!(begin, answer) }).await;
    assert!(matches!(&messages[0], Message::Data(data) if data[..] == b"one"[..]));
    assert!(matches!(&messages[1], Message::Data(data) if data[..] == b"two"[..]));
    assert!(matches!(messages[2], Message::Passive));
    let server = server.into_passive();
    same(&client, &server);
}

/// RFC 8446 §4.1.2: at once, and the connection goes on (otp#7064).
#[tokio::test]
async fn tls13_says_no_at_once() {
    let (mut client, mut server) = ends::pair().await;
    for end in [&mut client, &mut server] {
        let error = soon(end.renegotiate()).await.unwrap_err();
        assert!(matches!(error.reason(), Some(Reason::Misuse(_))), "{error}");
        assert!(error.to_string().contains("TLS 1.3 has no renegotiation"));
        assert!(!error.is_renegotiation_refused());
    }
    passes_any(&mut client, &mut server).await;
}

async fn passes_any<A, B>(from: &mut A, to: &mut B)
where
    A: tokio::io::AsyncWrite + Unpin,
    B: tokio::io::AsyncRead + Unpin,
{
    from.write_all(b"still there").await.unwrap();
    from.flush().await.unwrap();
    let mut received = [0; 11];
    soon(to.read_exact(&mut received)).await.unwrap();
    assert_eq!(&received, b"still there");
}

#[tokio::test]
async fn one_that_is_not_allowed_here() {
    let (mut client, mut server) = pair(Renegotiation::Decline, ALWAYS).await;
    let error = client.renegotiate().await.unwrap_err();
    assert!(matches!(error.reason(), Some(Reason::Misuse(_))), "{error}");
    passes(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_peer_that_declines_costs_nothing() {
    let (mut client, mut server) = pair(ALWAYS, Renegotiation::Decline).await;
    for _ in 0..3 {
        let begin = async {
            let error = client.renegotiate().await.unwrap_err();
            assert!(error.is_renegotiation_refused(), "{error}");
            client.write_all(b"done").await.unwrap();
            client.flush().await.unwrap();
        };
        let mut received = [0; 4];
        let answer = async { server.read_exact(&mut received).await.unwrap() };
        soon(async { tokio::join!(begin, answer) }).await;
        passes(&mut server, &mut client).await;
    }
}

#[tokio::test]
async fn a_peer_that_forbids_ends_the_connection() {
    let (mut client, mut server) = pair(ALWAYS, Renegotiation::Forbid).await;
    let (begun, answered) =
        soon(async { tokio::join!(client.renegotiate(), async { server.recv(1).await }) }).await;
    let error = begun.unwrap_err();
    assert!(!error.is_renegotiation_refused());
    assert!(
        matches!(error.reason(), Some(Reason::AlertReceived(_))),
        "{error}"
    );
    assert!(answered.unwrap_err().violation().is_some());
    assert!(client.write_all(b"more").await.is_err());
    assert!(client.recv(1).await.is_err());
}

#[tokio::test]
async fn a_peer_that_closes_instead() {
    let (mut client, mut server) = pair(ALWAYS, ALWAYS).await;
    let begin = async {
        let error = client.renegotiate().await.unwrap_err();
        assert!(error.is_renegotiation_refused(), "{error}");
        let last = client.recv(4).await.unwrap();
        assert_eq!(last[..], b"last"[..]);
        assert!(client.recv(1).await.unwrap_err().is_closed());
    };
    let answer = async {
        server.write_all(b"last").await.unwrap();
        server.shutdown().await.unwrap();
    };
    soon(async { tokio::join!(begin, answer) }).await;
}

/// A peer that ignores the request: that takes as long as a handshake may.
#[tokio::test]
async fn it_takes_no_longer_than_a_handshake() {
    let (connector, acceptor) = ends(Renegotiation::Ignore, ALWAYS);
    let acceptor = acceptor.handshake_timeout(Duration::from_millis(200));
    let (mut client, mut server) = connected(&connector, &acceptor).await;
    let (waited, _) =
        soon(async { tokio::join!(server.renegotiate(), async { client.recv(1).await }) }).await;
    assert!(waited.unwrap_err().is_timeout());
    assert!(
        server
            .write_all(b"more")
            .await
            .unwrap_err()
            .to_string()
            .contains("timed out")
    );
}

/// Dropped, it goes on in reads.
#[tokio::test]
async fn it_can_be_dropped() {
    let (mut client, mut server) = pair(ALWAYS, ALWAYS).await;
    {
        let mut renegotiation = Box::pin(client.renegotiate());
        assert!(futures_util::poll!(&mut renegotiation).is_pending());
    }
    let before = *client.information().client_random();
    let (one, other) = (async { client.recv(4).await.unwrap() }, async {
        // Writing waits for it, and answers it as far as reading has seen it.
        let read = timeout(Duration::from_millis(200), server.recv(1)).await;
        assert!(read.is_err());
        server.write_all(b"done").await.unwrap();
        server.flush().await.unwrap();
    });
    let (received, ()) = soon(async { tokio::join!(one, other) }).await;
    assert_eq!(received[..], b"done"[..]);
    assert_ne!(*client.information().client_random(), before);
    same(&client, &server);
}

/// A stream that is dropped on the way says so.
#[tokio::test]
async fn the_stream_can_be_dropped() {
    let (mut client, mut server) = pair(ALWAYS, ALWAYS).await;
    {
        let mut renegotiation = Box::pin(client.renegotiate());
        assert!(futures_util::poll!(&mut renegotiation).is_pending());
    }
    drop(client);
    let error = soon(server.recv(1)).await.unwrap_err();
    assert!(
        matches!(error.reason(), Some(Reason::AlertReceived(_))),
        "{error}"
    );
}

/// Two tasks of one stream: reading and writing both wait for it, and both go on.
#[tokio::test]
async fn under_a_lock_of_tokio() {
    for of_client in [true, false] {
        let (client, server) = pair(ALWAYS, ALWAYS).await;
        let (mut one, other) = match of_client {
            true => (client, server),
            false => (server, client),
        };
        let (mut reader, mut writer) = tokio::io::split(other);
        let data = pattern(LONG);
        let sent = data.clone();
        let write = tokio::spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer.flush().await.unwrap();
            writer
        });
        let read = tokio::spawn(async move {
            let mut received = [0; 4];
            reader.read_exact(&mut received).await.unwrap();
            (received, reader)
        });
        let begin = async {
            one.renegotiate().await.unwrap();
            one.write_all(b"done").await.unwrap();
            one.flush().await.unwrap();
            let mut received = vec![0; LONG];
            one.read_exact(&mut received).await.unwrap();
            received
        };
        let received = soon(begin).await;
        assert!(received == data);
        let writer = soon(write).await.unwrap();
        let (received, reader) = soon(read).await.unwrap();
        assert_eq!(&received, b"done");
        same(&one, &reader.unsplit(writer));
    }
}

/// One that is taken apart on the way goes on in the halves, and in what they make together.
#[tokio::test]
async fn taken_apart_on_the_way() {
    let (mut client, mut server) = pair(ALWAYS, ALWAYS).await;
    {
        let mut renegotiation = Box::pin(client.renegotiate());
        assert!(futures_util::poll!(&mut renegotiation).is_pending());
    }
    let before = *client.information().client_random();
    let (mut reader, mut writer) = client.into_split();
    {
        let mut read = Box::pin(reader.read_u8());
        assert!(futures_util::poll!(&mut read).is_pending());
        writer.flush().await.unwrap();
    }
    let mut client = reader.reunite(writer).unwrap();
    let one = async { client.recv(4).await.unwrap() };
    let other = async {
        assert!(
            timeout(Duration::from_millis(200), server.recv(1))
                .await
                .is_err()
        );
        server.write_all(b"done").await.unwrap();
        server.flush().await.unwrap();
    };
    let (received, ()) = soon(async { tokio::join!(one, other) }).await;
    assert_eq!(received[..], b"done"[..]);
    assert_ne!(*client.information().client_random(), before);
    same(&client, &server);
}

/// Who is asked in a handshake is asked again.
#[tokio::test]
async fn its_questions_are_asked() {
    #[derive(Clone, Default)]
    struct Judge(Arc<AtomicUsize>);

    impl Answers for Judge {
        fn questions(&self) -> Questions {
            Questions::none().and_chain()
        }

        async fn verify_chain(&self, question: VerifyChain) -> Answer {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
            Question::VerifyChain(Box::new(question)).default_answer()
        }
    }

    let (connector, acceptor) = ends(ALWAYS, ALWAYS);
    let judge = Judge::default();
    let connector = connector.answers(judge.clone());
    let (mut client, mut server) = connected(&connector, &acceptor).await;
    let asked = || judge.0.load(Ordering::Relaxed);
    assert_eq!(asked(), 1);
    let begin = async {
        client.renegotiate().await.unwrap();
        client.shutdown().await.unwrap();
    };
    soon(async { tokio::join!(begin, async { server.recv(1).await }) })
        .await
        .1
        .unwrap_err();
    assert_eq!(asked(), 2);
}

/// It ends both ends, and the peer is told.
#[tokio::test]
async fn the_answer_to_anothers_question() {
    /// Keeps the question of the first connection, and answers it in the second handshake of the other.
    struct Mixed(Mutex<Vec<Sign>>, AtomicUsize);

    impl Answers for Mixed {
        fn questions(&self) -> Questions {
            Questions::none().and_signature()
        }

        async fn sign(&self, question: Sign) -> Answer {
            match self.1.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    self.0.lock().unwrap().push(question);
                    std::future::pending().await
                }
                1 => question.sign_with_local_key(),
                _ => self.0.lock().unwrap().remove(0).sign_with_local_key(),
            }
        }
    }

    let (connector, acceptor) = ends(ALWAYS, ALWAYS);
    let acceptor = acceptor.answers(Mixed(Mutex::default(), AtomicUsize::new(0)));
    let (here, there) = duplex(64 * 1024);
    let both = async { tokio::join!(connector.upgrade(here, name()), acceptor.upgrade(there)) };
    timeout(Duration::from_millis(50), both).await.unwrap_err();
    let (mut client, mut server) = connected(&connector, &acceptor).await;
    let begin = async { client.renegotiate().await.unwrap_err() };
    let answer = async { server.read_u8().await.unwrap_err() };
    let (here, there) = soon(async { tokio::join!(begin, answer) }).await;
    assert!(there.to_string().contains("another connection"), "{there}");
    let told = (Direction::Received, AlertDescription::USER_CANCELED);
    assert_eq!(here.alert(), Some(told), "{here}");
}

/// Options that are set while another handshake goes on are in force then, and afterwards.
#[tokio::test]
async fn options_are_set_meanwhile() {
    let (mut client, mut server) = pair(ALWAYS, ALWAYS).await;
    assert!(client.renegotiate().now_or_never().is_none());
    let changed = RuntimeOptions::new()
        .eof_policy(EofPolicy::Lenient)
        .log_level(Some(LogLevel::Error))
        .reads_per_turn(NonZeroU16::new(7).unwrap());
    client.apply(&changed).unwrap();
    let in_force = |client: &Stream| {
        let options = client.options();
        let told = options
            .iter()
            .map(|option| format!("{}: {};", option.name, option.value));
        let told: String = told.collect();
        for one in [
            "eof_policy: Lenient;",
            "log_level: Error;",
            "reads_per_turn: 7;",
        ] {
            assert!(told.contains(one), "{told}");
        }
    };
    in_force(&client);
    let before = *client.information().client_random();
    let mut received = [0; 4];
    let answer = async {
        server.write_all(b"more").await.unwrap();
        server.flush().await.unwrap();
        server.read_exact(&mut received).await.unwrap();
    };
    let finish = async {
        client.renegotiate().await.unwrap();
        client.write_all(b"done").await.unwrap();
        client.flush().await.unwrap();
    };
    soon(async { tokio::join!(answer, finish) }).await;
    assert_ne!(*client.information().client_random(), before);
    in_force(&client);
}
