//! Early data (RFC 8446 §2.3, RFC 9147 §5.6): a message with the hello.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis::config::ServerConfigBuilder;
use portcullis::pki_types::{ServerName, UnixTime};
use portcullis::question::{Answer, ClaimEarlyData};
use portcullis::session::{AntiReplay, BloomFilters, ClientSession};
use portcullis::{
    Answers, ClientConfig, CookiePolicy, DatagramTransport, DtlsAcceptor, DtlsConnection,
    DtlsConnector, DtlsListener, DtlsOptions, EarlyDataOutcome, EarlyDataRejection,
    EarlyDataStatus, Error, NamedGroup, Questions, TlsAcceptor, TlsConnector,
};
use tokio::io::ReadBuf;

use crate::ends::*;
use crate::link::{End, link};
use crate::listen;

/// As the system has it.
const EMSGSIZE: i32 = if cfg!(target_os = "linux") { 90 } else { 40 };

fn anti_replay() -> AntiReplay {
    let long_ago = UnixTime::since_unix_epoch(Duration::ZERO);
    AntiReplay::local(BloomFilters::SMALL, long_ago).unwrap()
}

/// Which takes early data, and remembers it by itself.
fn acceptor() -> TlsAcceptor {
    TlsAcceptor::new(taking().build().unwrap())
}

fn taking() -> ServerConfigBuilder {
    let server = server_config().to_builder().early_data(anti_replay());
    // Of a group whose share is in the first hello: a second one has no early data.
    server.groups([NamedGroup::X25519])
}

/// A listener that asks for no cookie.
async fn listener() -> (DtlsListener, std::net::SocketAddr) {
    let options = DtlsOptions::new().cookies(CookiePolicy::UnderLoad { handshakes: 100 });
    listen(DtlsAcceptor::new(acceptor()).options(options)).await
}

fn connector() -> DtlsConnector {
    DtlsConnector::new(TlsConnector::new(client_config()))
}

/// The server's side of a connection without early data, after which the client has a session.
async fn first(listener: &DtlsListener) -> Result<DtlsConnection, Error> {
    let server = listener.accept().await?.handshake().await?;
    // Behind the ticket.
    server.send(&[b"hello"]).await?;
    Ok(server)
}

async fn with_session(
    dtls: &DtlsConnector,
    listener: &DtlsListener,
    address: std::net::SocketAddr,
) {
    let connecting = dtls.connect_with_early_data(address, name(), "too early");
    let (client, server) = tokio::join!(connecting, first(listener));
    let (mut client, outcome) = client.unwrap();
    // There was no session yet.
    assert_eq!(outcome, EarlyDataOutcome::NotOffered("too early".into()));
    let _server = server.unwrap();
    assert_eq!(&client.recv().await.unwrap()[..], b"hello");
}

#[tokio::test]
async fn a_message_comes_with_the_hello() {
    let (listener, address) = listener().await;
    let dtls = connector();
    with_session(&dtls, &listener, address).await;
    let connecting = dtls.connect_with_early_data(address, name(), "what time is it?");
    let serving = async {
        let mut early = listener.accept().await?.handshake_with_early_data()?;
        assert!(early.peer_addr().is_some());
        let mut messages = Vec::new();
        while let Some(message) = early.recv().await? {
            messages.push(message);
        }
        assert!(early.recv().await?.is_none());
        Ok::<_, Error>((messages, early.handshake().await?))
    };
    let (client, served) = tokio::join!(connecting, serving);
    let ((mut client, outcome), (messages, server)) = (client.unwrap(), served.unwrap());
    assert_eq!(outcome, EarlyDataOutcome::Accepted);
    assert_eq!(messages, ["what time is it?"]);
    assert_eq!(server.information().early_data(), EarlyDataStatus::Accepted);
    server.send(&[b"noon"]).await.unwrap();
    assert_eq!(&client.recv().await.unwrap()[..], b"noon");
}

/// Nobody reads it, a server asks for a cookie, or it is longer than the session allows: it comes back.
#[tokio::test]
async fn what_is_not_taken_comes_back() {
    let (listener, address) = listener().await;
    let dtls = connector();
    with_session(&dtls, &listener, address).await;
    let connecting = dtls.connect_with_early_data(address, name(), "hello?");
    let (client, server) = tokio::join!(connecting, first(&listener));
    let (mut client, outcome) = client.unwrap();
    assert_eq!(outcome.into_unsent().unwrap(), "hello?");
    let server = server.unwrap();
    let why = EarlyDataStatus::Rejected(EarlyDataRejection::Disabled);
    assert_eq!(server.information().early_data(), why);
    assert!(server.information().is_resumed());
    assert_eq!(&client.recv().await.unwrap()[..], b"hello");

    let long = vec![7; 17_000];
    let connecting = dtls.connect_with_early_data(address, name(), long.clone());
    let (client, server) = tokio::join!(connecting, first(&listener));
    assert_eq!(client.unwrap().1, EarlyDataOutcome::NotOffered(long.into()));
    let status = server.unwrap().information().early_data();
    assert_eq!(status, EarlyDataStatus::NotOffered);
}

#[tokio::test(start_paused = true)]
async fn over_a_transport_and_with_a_cookie() {
    for cookies in [CookiePolicy::Never, CookiePolicy::Always] {
        let options = DtlsOptions::new().cookies(cookies);
        let (dtls, acceptor) = (connector(), DtlsAcceptor::new(acceptor()).options(options));
        let (near, far) = link(64);
        let (client, server) = tokio::join!(dtls.upgrade(near, name()), acceptor.accept(far));
        let (client, server) = (client.unwrap(), server.unwrap());
        // Tickets come behind the handshake.
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop((client, server));
        let (near, far) = link(64);
        let serving = async {
            let mut early = acceptor.accept_with_early_data(far).await?;
            let first = early.recv().await?;
            Ok::<_, Error>((first, early.handshake().await?))
        };
        let connecting = dtls.upgrade_with_early_data(near, name(), "early");
        let (client, served) = tokio::join!(connecting, serving);
        let ((_client, outcome), (message, server)) = (client.unwrap(), served.unwrap());
        assert!(server.information().is_resumed());
        match cookies {
            CookiePolicy::Never => {
                assert_eq!(outcome, EarlyDataOutcome::Accepted);
                assert_eq!(message.unwrap(), "early");
            }
            _ => {
                assert_eq!(outcome, EarlyDataOutcome::Rejected("early".into()));
                assert!(message.is_none());
            }
        }
    }
}

/// A server that asks for no cookie.
fn without_cookie(acceptor: TlsAcceptor) -> DtlsAcceptor {
    DtlsAcceptor::new(acceptor).options(DtlsOptions::new().cookies(CookiePolicy::Never))
}

/// A client that is given sessions by hand.
fn by_hand() -> ClientConfig {
    let client = client_config().to_builder().session_tickets(true);
    client.build().unwrap()
}

/// A session of the server with this name.
async fn session(acceptor: &DtlsAcceptor, name: ServerName<'static>) -> ClientSession {
    let dtls = DtlsConnector::new(TlsConnector::new(by_hand()));
    let (near, far) = link(64);
    let (client, server) = tokio::join!(dtls.upgrade(near, name), acceptor.accept(far));
    let (mut client, _server) = (client.unwrap(), server.unwrap());
    // Tickets come behind the handshake.
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.take_session().unwrap()
}

/// What became of the message, and what the server knows of it.
async fn say(
    dtls: &DtlsConnector,
    acceptor: &DtlsAcceptor,
    message: &[u8],
    refuses_it: bool,
) -> (EarlyDataOutcome, EarlyDataStatus) {
    let (near, far) = link(64);
    let serving = async {
        let mut early = acceptor.accept_with_early_data(far).await?;
        let heard = early.recv().await?;
        assert_eq!(heard, None);
        early.handshake().await
    };
    let near = Refusing(near, refuses_it);
    let connecting = dtls.upgrade_with_early_data(near, name(), message.to_vec());
    let (client, server) = tokio::join!(connecting, serving);
    let ((client, outcome), server) = (client.unwrap(), server.unwrap());
    assert!(server.information().is_resumed() && client.information().is_resumed());
    (outcome, server.information().early_data())
}

/// A transport that does not take datagrams of early data, if so.
struct Refusing(End, bool);

impl DatagramTransport for Refusing {
    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_recv(cx, buf)
    }

    fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        // RFC 9147 §4: epoch 1 under a unified header.
        if self.1 && datagram[0] & 0b1110_0011 == 0b0010_0001 {
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        self.0.try_send(datagram)
    }

    fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send_ready(cx)
    }
}

/// It comes back, whoever accepts what was not there.
#[tokio::test(start_paused = true)]
async fn what_is_not_sent_whole_comes_back() {
    let big = without_cookie(acceptor());
    let not_offered = |message: &[u8]| {
        let outcome = EarlyDataOutcome::NotOffered(message.to_vec().into());
        (outcome, EarlyDataStatus::NotOffered)
    };
    // A record of this side is shorter, or a datagram.
    let short = by_hand().to_builder().max_fragment_sent(512);
    let short = TlsConnector::new(short.build().unwrap());
    for (tls, length) in [(short, 600), (TlsConnector::new(by_hand()), 1_300)] {
        let dtls = DtlsConnector::new(tls.offering([session(&big, name()).await]));
        let message = vec![7; length];
        let said = say(&dtls, &big, &message, false).await;
        assert_eq!(said, not_offered(&message));
    }
    // The first session is another server's, and the second one allows less.
    let other = taking().identity(pki().other.clone()).build().unwrap();
    let other = without_cookie(TlsAcceptor::new(other));
    let small = taking().max_early_data(10);
    let small = without_cookie(TlsAcceptor::new(small.build().unwrap()));
    let sessions = [
        session(&other, other_name()).await,
        session(&small, name()).await,
    ];
    assert!(sessions[0].max_early_data() > 20);
    let tls = TlsConnector::new(by_hand()).offering(sessions);
    let said = say(&DtlsConnector::new(tls), &small, &[7; 20], false).await;
    assert_eq!(said, not_offered(&[7; 20]));
    // The system does not take it.
    let tls = TlsConnector::new(by_hand()).offering([session(&big, name()).await]);
    let (outcome, status) = say(&DtlsConnector::new(tls), &big, b"early", true).await;
    assert_eq!(status, EarlyDataStatus::Accepted);
    assert_eq!(outcome, EarlyDataOutcome::NotOffered("early".into()));
}

/// A transport that loses what is not let through.
struct Through<F>(End, F);

impl<F: Fn(&[u8]) -> io::Result<bool> + Send + Sync + 'static> DatagramTransport for Through<F> {
    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_recv(cx, buf)
    }

    fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        match self.1(datagram)? {
            true => self.0.try_send(datagram),
            false => Ok(()),
        }
    }

    fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send_ready(cx)
    }
}

/// RFC 9147 §4, §6.1: whether a datagram begins with a record of an epoch that ends so.
fn is_of_epoch(datagram: &[u8], low_bits: u8) -> bool {
    datagram[0] & 0b1110_0011 == 0b0010_0000 | low_bits
}

/// Has to think about whether it knows early data: more comes meanwhile.
struct Thinking;

impl Answers for Thinking {
    fn questions(&self) -> Questions {
        Questions::none().and_early_data()
    }

    async fn claim_early_data(&self, question: ClaimEarlyData) -> Answer {
        tokio::time::sleep(Duration::from_millis(100)).await;
        question.accept()
    }
}

/// The client has the answer although its Finished has not come.
#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_for_the_end_of_the_handshake() {
    let asking = taking().early_data(AntiReplay::asked()).build().unwrap();
    let thinking = TlsAcceptor::new(asking).answers(Thinking);
    answered_early(without_cookie(acceptor())).await;
    answered_early(without_cookie(thinking)).await;
}

async fn answered_early(acceptor: DtlsAcceptor) {
    let session = session(&acceptor, name()).await;
    let dtls = DtlsConnector::new(TlsConnector::new(by_hand()).offering([session]));
    let (near, far) = link(64);
    let loses = Arc::new(AtomicBool::new(true));
    let losing = Arc::clone(&loses);
    let near = Through(near, move |datagram: &[u8]| {
        Ok(!is_of_epoch(datagram, 2) || !losing.load(Relaxed))
    });
    let serving = tokio::spawn(async move {
        let mut early = acceptor.accept_with_early_data(far).await?;
        // Before anybody has looked whether there is any; what comes meanwhile waits.
        assert!(early.send(&[b"hello", b", ", b"you"]).await?);
        assert_eq!(early.recv().await?.unwrap(), "what time is it?");
        assert!(early.send(&[b"noon"]).await?);
        assert!(early.recv().await?.is_none());
        // The connection is not taken yet.
        assert!(early.send(&[b"or later"]).await?);
        early.handshake().await
    });
    let connecting = dtls.upgrade_with_early_data(near, name(), "what time is it?");
    let (mut client, outcome) = connecting.await.unwrap();
    assert_eq!(outcome, EarlyDataOutcome::Accepted);
    for expected in ["hello, you", "noon"] {
        assert_eq!(&client.recv().await.unwrap()[..], expected.as_bytes());
    }
    assert!(!serving.is_finished());
    loses.store(false, Relaxed);
    let server = serving.await.unwrap().unwrap();
    assert_eq!(server.information().early_data(), EarlyDataStatus::Accepted);
    server.send(&[b"bye"]).await.unwrap();
    for expected in ["or later", "bye"] {
        assert_eq!(&client.recv().await.unwrap()[..], expected.as_bytes());
    }
}

/// What the server has not said early it can say later.
#[tokio::test(start_paused = true)]
async fn what_may_not_be_said_early_is_not() {
    let cookies = DtlsOptions::new().cookies(CookiePolicy::Always);
    let asking = DtlsAcceptor::new(acceptor()).options(cookies);
    let plain = without_cookie(TlsAcceptor::new(server_config()));
    let open = without_cookie(acceptor());
    let early = Some("early");
    for (acceptor, is_resumed, message, answer, refuses) in [
        // No session, no early data, a cookie, a server that takes none.
        (&open, false, None, &b"answer"[..], false),
        (&open, true, None, b"answer", false),
        (&asking, true, early, b"answer", false),
        (&plain, true, early, b"answer", false),
        // None, too long, and not taken by the system.
        (&open, true, early, b"", false),
        (&open, true, early, &[7; 1_300], false),
        (&open, true, early, b"answer", true),
    ] {
        let mut tls = TlsConnector::new(by_hand());
        if is_resumed {
            tls = tls.offering([session(acceptor, name()).await]);
        }
        let dtls = DtlsConnector::new(tls);
        let (near, far) = link(64);
        // The link tries a second time: it may be told of an earlier datagram.
        let refused = AtomicUsize::new(0);
        let far = Through(far, move |datagram: &[u8]| {
            let is_refused = refuses && is_of_epoch(datagram, 3);
            match is_refused && refused.fetch_add(1, Relaxed) < 2 {
                true => Err(io::Error::from_raw_os_error(EMSGSIZE)),
                false => Ok(true),
            }
        });
        let serving = async {
            let mut early = acceptor.accept_with_early_data(far).await?;
            assert!(!early.send(&[answer]).await?);
            let heard = early.recv().await?;
            if heard.is_some() {
                assert!(early.recv().await?.is_none());
            }
            let server = early.handshake().await?;
            server.send(&[answer]).await?;
            Ok::<_, Error>((server, heard))
        };
        let message = message.unwrap_or_default();
        let connecting = dtls.upgrade_with_early_data(near, name(), message);
        let (client, served) = tokio::join!(connecting, serving);
        let ((mut client, _), (_server, heard)) = (client.unwrap(), served.unwrap());
        assert_eq!(
            heard.is_some(),
            std::ptr::eq(acceptor, &open) && !message.is_empty()
        );
        assert_eq!(&client.recv().await.unwrap()[..], answer);
    }
}

/// RFC 9147 §5.1: somebody else may have to read it.
#[tokio::test]
async fn an_address_is_sent_three_times_what_came_from_there() {
    let (listener, address) = listener().await;
    let dtls = connector();
    with_session(&dtls, &listener, address).await;
    let connecting = dtls.connect_with_early_data(address, name(), "early");
    let serving = async {
        let mut early = listener.accept().await?.handshake_with_early_data()?;
        let mut said = 0;
        while early.send(&[&[7; 100]]).await? {
            said += 1;
        }
        assert!(!early.is_proved());
        while early.recv().await?.is_some() {}
        assert!(early.is_proved());
        assert!(early.send(&[&[7; 1_100]]).await?);
        Ok::<_, Error>((early.handshake().await?, said))
    };
    let (client, served) = tokio::join!(connecting, serving);
    let ((mut client, outcome), (_server, said)) = (client.unwrap(), served.unwrap());
    assert_eq!(outcome, EarlyDataOutcome::Accepted);
    // Of hello and message less than 700 bytes have come.
    assert!((1..=3 * 700 / 122).contains(&said), "{said}");
    for _ in 0..said {
        assert_eq!(&client.recv().await.unwrap()[..], [7; 100]);
    }
    assert_eq!(&client.recv().await.unwrap()[..], [7; 1_100]);
}

/// The first session that is offered in fact counts, whatever was allowed in those that are passed over.
#[tokio::test(start_paused = true)]
async fn a_session_behind_another_allows_it() {
    let open = without_cookie(acceptor());
    let none = server_config().to_builder().identity(pki().other.clone());
    let none = without_cookie(TlsAcceptor::new(none.build().unwrap()));
    let sessions = [
        session(&none, other_name()).await,
        session(&open, name()).await,
    ];
    assert_eq!(sessions[0].max_early_data(), 0);
    let tls = TlsConnector::new(by_hand()).offering(sessions);
    let (near, far) = link(64);
    let serving = async {
        let mut early = open.accept_with_early_data(far).await?;
        let heard = early.recv().await?;
        Ok::<_, Error>((heard, early.handshake().await?))
    };
    let dtls = DtlsConnector::new(tls);
    let connecting = dtls.upgrade_with_early_data(near, name(), "early");
    let (client, served) = tokio::join!(connecting, serving);
    assert_eq!(client.unwrap().1, EarlyDataOutcome::Accepted);
    assert_eq!(served.unwrap().0.unwrap(), "early");
}

/// A hello that the system does not take is said again, and says nothing of the early data behind it.
#[tokio::test(start_paused = true)]
async fn a_hello_that_is_not_taken_is_no_lost_early_data() {
    let open = without_cookie(acceptor());
    let session = session(&open, name()).await;
    let (near, far) = link(64);
    let (was_refused, held) = (AtomicBool::new(false), AtomicBool::new(false));
    let near = Through(near, move |datagram: &[u8]| {
        if !was_refused.swap(true, Relaxed) {
            return Err(io::Error::other("not now"));
        }
        // It would be the first that the server sees.
        Ok(held.swap(true, Relaxed) || !is_of_epoch(datagram, 1))
    });
    let serving = async {
        let early = open.accept_with_early_data(far).await?;
        early.handshake().await
    };
    let dtls = DtlsConnector::new(TlsConnector::new(by_hand()).offering([session]));
    let connecting = dtls.upgrade_with_early_data(near, name(), "early");
    let (client, server) = tokio::join!(connecting, serving);
    assert_eq!(client.unwrap().1, EarlyDataOutcome::Accepted);
    let status = server.unwrap().information().early_data();
    assert_eq!(status, EarlyDataStatus::Accepted);
}
