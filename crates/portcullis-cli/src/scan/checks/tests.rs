//! Servers that answer what they like, and what is known of them then.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::connect::Route;

/// What a server of these tests says to a hello; nothing: it waits until the client has enough of it.
enum Says {
    Alert(u8),
    /// ServerHello of TLS 1.2, and nothing behind it.
    Suite(u16),
    /// The same with ServerKeyExchange, whatever that is, and ServerHelloDone.
    Exchange(u16, Vec<u8>),
    Nothing,
}

/// What a hello wants, as far as these servers care.
struct Wants {
    number: usize,
    suites: Vec<u16>,
    /// `legacy_version`.
    version: u16,
    /// Whether it has `supported_versions`.
    is_new: bool,
}

impl Wants {
    fn of(number: usize, hello: &[u8]) -> Self {
        let pairs = |bytes: &[u8]| -> Vec<u16> {
            let pairs = bytes.chunks_exact(2);
            pairs
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect()
        };
        // Type and length of the message, the version, the random, and a session id of no bytes.
        let suites = &hello[4 + 2 + 32 + 1..];
        let length = usize::from(pairs(suites)[0]);
        Self {
            number,
            version: pairs(&hello[4..])[0],
            is_new: hello.windows(7).any(|part| part == [0, 43, 0, 3, 2, 3, 4]),
            suites: pairs(&suites[2..2 + length]),
        }
    }

    fn has(&self, suite: u16) -> bool {
        self.suites.contains(&suite)
    }
}

/// One that asks the server which answers so, and does not wait long.
async fn prober(answer: impl Fn(Wants) -> Says + Send + 'static) -> Prober {
    patient(1, Duration::from_secs(60), answer).await
}

/// The same with so many seconds for an answer, and a time for all of them.
async fn patient(
    seconds: u64,
    total: Duration,
    answer: impl Fn(Wants) -> Says + Send + 'static,
) -> Prober {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = Route {
        starttls: None,
        name: Some("server.test".to_owned()),
        resolve: Vec::new(),
        ipv4: false,
        ipv6: false,
        bind: None,
        proxy: None,
        unix: None,
        timeout: Some(seconds),
    };
    let destination = route.to(&listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        for number in 0.. {
            let (mut io, _) = listener.accept().await.unwrap();
            if let Ok(hello) = hello(&mut io).await {
                let _ = io.write_all(&said(answer(Wants::of(number, &hello)))).await;
                let _ = io.read_to_end(&mut Vec::new()).await;
            }
        }
    });
    let mut prober = Prober::new(destination.unwrap(), 300, 1_000, total);
    prober.pause = Duration::ZERO;
    prober
}

async fn hello(io: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 5];
    io.read_exact(&mut head).await?;
    let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    io.read_exact(&mut hello).await?;
    Ok(hello)
}

fn said(says: Says) -> Vec<u8> {
    let (suite, exchange) = match says {
        Says::Nothing => return Vec::new(),
        Says::Alert(code) => return vec![21, 3, 3, 0, 2, 2, code],
        Says::Suite(suite) => (suite, None),
        Says::Exchange(suite, exchange) => (suite, Some(exchange)),
    };
    let mut messages = vec![2, 0, 0, 38, 3, 3];
    messages.extend([7; 32]);
    messages.push(0);
    messages.extend(suite.to_be_bytes());
    messages.push(0);
    if let Some(exchange) = exchange {
        messages.extend([12, 0, 0, exchange.len() as u8]);
        messages.extend(exchange);
        messages.extend([14, 0, 0, 0]);
    }
    let mut record = vec![22, 3, 3, 0, messages.len() as u8];
    record.extend(messages);
    record
}

const ECDHE: u16 = 0xc02f;
const DHE: u16 = 0x009e;

fn unknown<T>(why: &str, of: impl Fn(String) -> T) -> T {
    of(format!("alert {why}"))
}

#[tokio::test]
async fn alerts_that_refuse_nothing_of_the_hello_are_no_answer() {
    for (code, expected) in [
        (40, Offered::No),
        (47, Offered::No),
        (70, Offered::No),
        (71, Offered::No),
        (86, Offered::No),
        (80, unknown("internal_error", Offered::Unknown)),
        (112, unknown("unrecognized_name", Offered::Unknown)),
        (49, unknown("access_denied", Offered::Unknown)),
        (50, unknown("decode_error", Offered::Unknown)),
    ] {
        let mut prober = prober(move |_| Says::Alert(code)).await;
        for version in [TLS_1_3, TLS_1_2, 0x0300] {
            assert_eq!(prober.version(version).await, expected, "{code}");
        }
    }
}

#[tokio::test]
async fn an_internal_error_is_a_no_of_old_versions_where_a_new_one_goes_well() {
    let versions = async |answer: fn(Wants) -> Says| {
        let mut seen = Seen::default();
        prober(answer).await.versions(&mut seen).await;
        seen.versions
            .into_iter()
            .map(|(_, offered)| offered.unwrap().word())
            .collect::<Vec<_>>()
    };
    // As OpenSSL 3 does it.
    let openssl = versions(|wants| match wants.version {
        TLS_1_2 if wants.is_new => Says::Alert(70),
        TLS_1_2 => Says::Suite(ECDHE),
        _ => Says::Alert(80),
    });
    assert_eq!(openssl.await, ["no", "yes", "no", "no", "no"]);
    // One that has had enough says the same of what it spoke before.
    let tired = versions(|wants| match (wants.number, wants.version) {
        (0, _) => Says::Alert(70),
        (1, _) => Says::Suite(ECDHE),
        _ => Says::Alert(80),
    });
    let unknown = "unknown";
    assert_eq!(tired.await, ["no", "yes", unknown, unknown, unknown]);
    // And one that speaks nothing but TLS 1.3, or says so.
    let new = versions(|_| Says::Alert(80));
    assert_eq!(new.await, [unknown; 5]);
}

#[tokio::test]
async fn a_list_that_another_alert_ends_may_be_longer() {
    // Two suites, and then the server has had enough, for good or for once.
    for (from, to, expected) in [(3, usize::MAX, Some("alert internal_error")), (1, 2, None)] {
        let mut prober = prober(move |wants: Wants| {
            let mut suites = [ECDHE, DHE].into_iter();
            match suites.find(|suite| wants.has(*suite)) {
                _ if (from..to).contains(&wants.number) => Says::Alert(80),
                Some(suite) => Says::Suite(suite),
                None => Says::Alert(40),
            }
        })
        .await;
        let suites = prober.suites(TLS_1_2).await;
        let seen = Seen {
            suites: vec![suites.clone()],
            ..Seen::default()
        };
        assert_eq!(suites.accepted.unknown.as_deref(), expected);
        assert_eq!(suites.accepted.codes.len(), 2, "{suites:?}");
        assert_eq!(seen.is_complete(), expected.is_none());
    }
}

#[tokio::test]
async fn a_version_without_a_suite_is_not_known() {
    let mut prober = prober(|_| Says::Alert(40)).await;
    let suites = prober.suites(TLS_1_2).await;
    assert!(suites.accepted.codes.is_empty());
    let why = suites.accepted.unknown.unwrap();
    assert!(why.contains("none of its suites"), "{why}");
}

/// ServerKeyExchange of a prime of so many bytes, with a signature of rsa_pkcs1_sha256 that nobody looks at.
fn prime(length: u8) -> Vec<u8> {
    let mut exchange = vec![0, length];
    exchange.extend(vec![0xff; length.into()]);
    exchange.extend([0, 1, 2, 0, 1, 3, 4, 1, 0, 1, 0]);
    exchange
}

#[tokio::test]
async fn a_prime_that_is_not_seen_is_not_known() {
    for (exchange, expected) in [
        (Some(prime(96)), Ok(768)),
        (Some(vec![0]), Err("no prime that can be read")),
        (None, Err("no answer within 1 s")),
    ] {
        let mut prober = prober(move |wants: Wants| match (&exchange, wants.has(DHE)) {
            (Some(exchange), true) => Says::Exchange(DHE, exchange.clone()),
            (None, true) if wants.number < 2 => Says::Nothing,
            (None, true) => Says::Exchange(DHE, prime(96)),
            _ => Says::Alert(40),
        })
        .await;
        let mut seen = Seen {
            suites: vec![Suites {
                version: 0x0302,
                order: Order::None,
                accepted: Accepted {
                    codes: vec![DHE],
                    ..Accepted::default()
                },
            }],
            ..Seen::default()
        };
        prober.of_older(0x0302, &mut seen).await;
        // What else is asked is not what this is about.
        seen.facts.clear();
        match (seen.dh_bits.clone().unwrap(), expected) {
            (Ok(bits), Ok(expected)) => assert_eq!(bits, expected),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (bits, expected) => panic!("{bits:?}, {expected:?}"),
        }
        assert_eq!(seen.is_complete(), expected.is_ok());
    }
}

#[tokio::test]
async fn an_order_that_could_not_be_asked_about_is_not_known() {
    let mut prober = prober(|wants: Wants| match wants.number {
        0 => Says::Suite(ECDHE),
        _ => Says::Alert(80),
    })
    .await;
    let order = prober.order(TLS_1_2, &[ECDHE, DHE]).await;
    assert_eq!(order, unknown("internal_error", Order::Unknown));
    let seen = Seen {
        suites: vec![Suites {
            version: TLS_1_2,
            order,
            accepted: Accepted::default(),
        }],
        ..Seen::default()
    };
    assert!(!seen.is_complete());
    // Of one alone nothing is asked.
    assert_eq!(prober.order(TLS_1_2, &[ECDHE]).await, Order::None);
}

#[tokio::test]
async fn an_answer_that_does_not_say_which_ends_no_list() {
    // A curve that has no name (RFC 8422 §5.4).
    let mut prober = prober(|_| Says::Exchange(ECDHE, vec![1, 0, 0])).await;
    let groups = prober.groups_of_older(TLS_1_2, &[ECDHE]).await;
    assert!(groups.unknown.unwrap().contains("does not say which"));
    assert!(groups.codes.is_empty());
}

#[tokio::test]
async fn a_question_takes_no_longer_than_all_of_them_may() {
    let total = Duration::from_millis(200);
    let began = std::time::Instant::now();
    let mut prober = patient(3_600, total, |_| Says::Nothing).await;
    prober.pause = Duration::from_secs(3_600);
    let expected = Offered::Unknown("time is over (--total)".to_owned());
    assert_eq!(prober.version(TLS_1_3).await, expected);
    assert!(began.elapsed() < Duration::from_secs(60));
}

/// One that asks a server of datagrams, which answers what it is told to each of them.
async fn prober_of_datagrams(
    seconds: u64,
    answer: impl Fn(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> Prober {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let route = Route {
        starttls: None,
        name: None,
        resolve: Vec::new(),
        ipv4: false,
        ipv6: false,
        bind: None,
        proxy: None,
        unix: None,
        timeout: Some(seconds),
    };
    let destination = route.to(&socket.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        let mut part = [0; 2_000];
        for number in 0.. {
            let Ok((count, peer)) = socket.recv_from(&mut part).await else {
                return;
            };
            for datagram in answer(number, &part[..count]) {
                socket.send_to(&datagram, peer).await.unwrap();
            }
        }
    });
    let total = Duration::from_secs(60);
    Prober::new(destination.unwrap(), 300, 1_000, total).over_datagrams()
}

/// An unfragmented message with its number, in a record.
fn in_datagram(kind: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u8;
    let mut datagram = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, length + 12];
    datagram.extend([kind, 0, 0, length, 0, number, 0, 0, 0, 0, 0, length]);
    datagram.extend(body);
    datagram
}

fn hello_in_datagram(number: u8) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend([7; 32]);
    body.extend([0, 0xc0, 0x2f, 0]);
    in_datagram(2, number, &body)
}

/// The cookie that a hello has, if it is one.
fn cookie_of(datagram: &[u8]) -> Option<&[u8]> {
    let (22, length) = (datagram[0], usize::from(*datagram.get(60)?)) else {
        return None;
    };
    datagram.get(61..61 + length)
}

#[tokio::test]
async fn over_datagrams_a_cookie_is_given_back_and_remembered() {
    let request = in_datagram(3, 0, &[0xfe, 0xff, 2, 5, 6]);
    for wants_cookie in [true, false] {
        let request = request.clone();
        let mut prober = prober_of_datagrams(5, move |_, datagram| match cookie_of(datagram) {
            Some([]) if wants_cookie => vec![request.clone()],
            // The second hello has a number of its own (RFC 6347 §4.2.2), and that of the first is answered late once more.
            Some([5, 6]) if datagram[17..19] == [0, 1] => {
                vec![request.clone(), hello_in_datagram(1)]
            }
            Some([]) => vec![hello_in_datagram(0)],
            _ => Vec::new(),
        })
        .await;
        let mut seen = Seen {
            over: Over::Datagrams,
            ..Seen::default()
        };
        prober.versions(&mut seen).await;
        let offered: Vec<_> = seen
            .versions
            .iter()
            .map(|(_, offered)| offered.as_ref().unwrap().word())
            .collect();
        assert_eq!(offered, ["no", "yes", "no"], "{seen:?}");
        assert_eq!(prober.cookies, [(TLS_1_2, wants_cookie)]);
    }
}

#[tokio::test]
async fn over_datagrams_what_is_lost_is_said_again_and_silence_is_not_known() {
    // What is sent first is lost.
    let mut prober = prober_of_datagrams(10, |number, _| match number {
        0 => Vec::new(),
        _ => vec![b"noise".to_vec(), hello_in_datagram(0)],
    })
    .await;
    assert_eq!(prober.version(TLS_1_2).await, Offered::Yes);
    assert_eq!(prober.used(), 1);
    // Each of these is asked once, and no oftener than there is time.
    let cookies = |number: usize, datagram: &[u8]| match cookie_of(datagram) {
        Some(_) => vec![in_datagram(3, 0, &[0xfe, 0xff, 1, number as u8])],
        None => Vec::new(),
    };
    let mut prober = prober_of_datagrams(10, cookies).await;
    let offered = prober.version(TLS_1_2).await;
    assert!(
        offered
            .why()
            .unwrap()
            .contains("one cookie after the other"),
        "{offered:?}"
    );
    for (says, why) in [
        (None, "within 1 s"),
        (Some(&b"HTTP/1.1 400"[..]), "is not DTLS"),
    ] {
        let mut prober = prober_of_datagrams(1, move |_, _| {
            says.map(<[u8]>::to_vec).into_iter().collect()
        })
        .await;
        let offered = prober.version(TLS_1_2).await;
        assert!(offered.why().unwrap().ends_with(why), "{offered:?}");
        assert_eq!(prober.used(), 1);
    }
}

#[tokio::test]
async fn over_datagrams_no_question_has_many_of_them() {
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = count.clone();
    let mut prober = prober_of_datagrams(1, move |_, _| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Vec::new()
    })
    .await;
    // There would be time for ten. Who has not answered hears no farewell.
    prober.again_after = Duration::from_millis(1);
    assert!(prober.version(TLS_1_2).await.why().is_some());
    let count = count.load(std::sync::atomic::Ordering::Relaxed);
    assert!((1..=8).contains(&count), "{count}");
}
