//! Lists by HTTP: which requests are made, how many, and what becomes of what is answered.

mod authority;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use authority::{Authority, query_at, resumption_query_at, verdict};
use portcullis_crl_fetch::{
    CrlFuture, CrlSource as _, HttpCrls, Layered, Lookup, MemoryCrls, Resolve,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Answers every request with the same, and counts them.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    async fn new(answer: Vec<u8>, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
        };
        let (connections, requests, answer) = (
            this.connections.clone(),
            this.requests.clone(),
            this.answer.clone(),
        );
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (requests, answer) = (requests.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    requests
                        .lock()
                        .unwrap()
                        .push(String::from_utf8(head).unwrap());
                    sleep(delay).await;
                    let answer = answer.lock().unwrap().clone();
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        this
    }

    async fn with_list(list: &[u8]) -> Self {
        Self::new(ok(list), Duration::ZERO).await
    }

    fn uri(&self) -> String {
        format!("http://{}/ca.crl", self.address)
    }

    fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn ok(body: &[u8]) -> Vec<u8> {
    ok_as("1", body)
}

fn ok_as(tag: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"{tag}\"\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn crls() -> HttpCrls {
    HttpCrls::new().allow("127.0.0.0/8".parse().unwrap())
}

fn why(lookup: Lookup) -> String {
    match lookup {
        Lookup::NotAvailable(why) => why.unwrap_or_default(),
        Lookup::Found(lists) => panic!("{lists:?}"),
    }
}

#[tokio::test]
async fn a_list_is_fetched_once_and_kept() {
    let ca = Authority::new();
    let server = Server::with_list(&ca.list(1, &[9])).await;
    let crls = crls();
    for (serial, good) in [(8, true), (9, false), (8, true)] {
        assert_eq!(
            verdict(&ca, &ca.leaf(serial, &[&server.uri()]), &crls)
                .await
                .is_ok(),
            good
        );
    }
    assert_eq!((server.count(), crls.requests(), crls.len()), (1, 1, 1));
    let request = server.requests.lock().unwrap()[0].to_ascii_lowercase();
    for line in [
        "get /ca.crl http/1.1",
        "accept-encoding: identity",
        "connection: close",
    ] {
        assert!(request.contains(line), "{request}");
    }
    assert!(
        request.contains(&format!("host: {}", server.address)),
        "{request}"
    );
}

/// The figure of docs/performance.md: as many handshakes as one wants cost one request.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_make_one_request() {
    let ca = Arc::new(Authority::new());
    let server = Server::new(ok(&ca.list(1, &[])), Duration::from_millis(300)).await;
    let crls = crls();
    let leaf = ca.leaf(8, &[&server.uri()]);
    let begun = Instant::now();
    let all: Vec<_> = (0..1_000)
        .map(|_| {
            let (ca, leaf, crls) = (ca.clone(), leaf.clone(), crls.clone());
            tokio::spawn(async move { verdict(&ca, &leaf, &crls).await })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!((server.count(), crls.requests()), (1, 1));
    println!("1,000 in {:?}", begun.elapsed());
}

#[tokio::test]
async fn addresses_that_are_not_everybodys_are_not_connected_to() {
    let ca = Authority::new();
    let server = Server::with_list(&ca.list(1, &[])).await;
    let port = server.address.port();
    // Nothing is allowed.
    let crls = HttpCrls::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "user@127.0.0.1",
        "0.0.0.0",
    ] {
        let uri = format!("http://{host}:{port}/ca.crl");
        let query = query_at(&ca, &uri);
        let why = why(crls.lookup(&query).await);
        assert!(
            why.contains("not fetched") || why.contains("not found"),
            "{uri}: {why}"
        );
    }
    for uri in [
        "file:///etc/passwd",
        "https://127.0.0.1/",
        "ldap://127.0.0.1/",
        "http://127.0.0.1:25/",
    ] {
        assert!(
            why(crls.lookup(&query_at(&ca, uri)).await).contains("not fetched"),
            "{uri}"
        );
    }
    assert_eq!(server.count(), 0);
}

/// A resolver that says something else each time.
struct Changing(AtomicUsize, Vec<Vec<&'static str>>);

impl Resolve for Changing {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> CrlFuture<'a, io::Result<Vec<SocketAddr>>> {
        assert_eq!(host, "crl.test");
        let at = self.0.fetch_add(1, Ordering::Relaxed).min(self.1.len() - 1);
        let addresses = self.1[at].iter();
        let addresses = addresses
            .map(|address| SocketAddr::new(address.parse().unwrap(), port))
            .collect();
        Box::pin(async move { Ok(addresses) })
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_and_all_of_its_addresses_count() {
    let ca = Authority::new();
    let server = Server::with_list(&ca.list(1, &[])).await;
    let uri = format!("http://crl.test:{}/ca.crl", server.address.port());
    let one_is_private = Changing(
        AtomicUsize::new(0),
        vec![vec!["93.184.216.34", "127.0.0.1"]],
    );
    let crls = HttpCrls::new().resolver(one_is_private);
    assert!(why(crls.lookup(&query_at(&ca, &uri)).await).contains("127.0.0.1 is of this machine"));
    assert_eq!(server.count(), 0);
    // What was looked at is what is connected to: a second answer would be another.
    let rebinding = Changing(
        AtomicUsize::new(0),
        vec![vec!["127.0.0.1"], vec!["127.0.0.2"]],
    );
    let crls = HttpCrls::new()
        .allow("127.0.0.1/32".parse().unwrap())
        .resolver(rebinding);
    assert!(matches!(
        crls.lookup(&query_at(&ca, &uri)).await,
        Lookup::Found(_)
    ));
    assert_eq!(server.count(), 1);
    // By its name whatever its address is.
    let crls = HttpCrls::new()
        .allow_host("CRL.test")
        .resolver(Changing(AtomicUsize::new(0), vec![vec!["127.0.0.1"]]));
    assert!(matches!(
        crls.lookup(&query_at(&ca, &uri)).await,
        Lookup::Found(_)
    ));
}

#[tokio::test]
async fn only_a_plain_answer_is_taken() {
    let ca = Authority::new();
    let list = ca.list(1, &[]);
    let loopback = Server::with_list(&list).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        loopback.uri()
    );
    let packed = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        list.len()
    );
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n".to_vec();
    let mut endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        endless.extend(b"1000\r\n");
        endless.extend([0; 0x1000]);
        endless.extend(b"\r\n");
    }
    let head = [b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 20_000][..], b"\r\n\r\n"].concat();
    for (answer, expected) in [
        (
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "404 after",
        ),
        (
            redirect.into_bytes(),
            "302, and redirections are not followed",
        ),
        ([packed.as_bytes(), &list].concat(), "Content-Encoding"),
        (huge, "it has more than 65536 bytes"),
        (endless, "it has more than 65536 bytes"),
        (head, "after"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "after"),
        (ok(b"not a list"), "no revocation list"),
        (ok(&list[..list.len() - 1]), "damaged at byte"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), "304"),
    ] {
        let server = Server::new(answer, Duration::ZERO).await;
        let crls = crls().max_bytes(65_536);
        let why = why(crls.lookup(&query_at(&ca, &server.uri())).await);
        assert!(why.contains(expected), "{expected}: {why}");
        assert!(why.contains(&server.uri()), "{why}");
        assert_eq!(server.count(), 1, "{expected}");
        assert!(crls.is_empty());
    }
    assert_eq!(loopback.count(), 0);
}

#[tokio::test]
async fn a_slow_server_is_waited_for_no_longer_than_said() {
    let ca = Authority::new();
    let server = Server::new(ok(&ca.list(1, &[])), Duration::from_millis(600)).await;
    let crls = crls().wait(Duration::from_millis(50));
    let query = query_at(&ca, &server.uri());
    let begun = Instant::now();
    let why = why(crls.lookup(&query).await);
    assert!(
        begun.elapsed() < Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
    assert!(why.contains("may be there next time"), "{why}");
    // It goes on behind the handshake that gave up.
    for _ in 0..100 {
        sleep(Duration::from_millis(50)).await;
        if let Lookup::Found(_) = crls.lookup(&query).await {
            break;
        }
    }
    assert_eq!((server.count(), crls.len()), (1, 1));

    // One byte now and then.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            .await;
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    let crls = self::crls().request_timeout(Duration::from_millis(400));
    let text = self::why(crls.lookup(&query_at(&ca, &uri)).await);
    assert!(text.contains("longer than 400ms"), "{text}");
}

#[tokio::test]
async fn after_a_failure_the_server_is_left_alone() {
    let ca = Authority::new();
    let server = Server::new(
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        Duration::ZERO,
    )
    .await;
    let crls = crls();
    for _ in 0..20 {
        let why = why(crls.lookup(&query_at(&ca, &server.uri())).await);
        assert!(why.contains("500 after"), "{why}");
        assert!(why.contains("asked again in "), "{why}");
    }
    assert_eq!(server.count(), 1);
    // One that is over is as good as none.
    let server = Server::with_list(&ca.old_list(1)).await;
    for _ in 0..20 {
        let why = why(crls.lookup(&query_at(&ca, &server.uri())).await);
        assert!(why.contains("over"), "{why}");
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn memory_alone_makes_no_request() {
    let ca = Authority::new();
    let server = Server::with_list(&ca.list(1, &[])).await;
    let crls = crls();
    let query = query_at(&ca, &server.uri());
    let resumption = resumption_query_at(&ca, &server.uri());
    assert!(why(crls.lookup(&resumption).await).contains("in memory"));
    assert_eq!(server.count(), 0);
    assert!(matches!(crls.lookup(&query).await, Lookup::Found(_)));
    assert!(matches!(crls.lookup(&resumption).await, Lookup::Found(_)));
    assert_eq!(server.count(), 1);
}

/// Whoever forges an answer of HTTP pushes no good list out.
#[tokio::test]
async fn a_forged_list_does_not_displace_a_good_one() {
    let (ca, forger) = (Authority::new(), Authority::new());
    for (answer, number, kept) in [
        // Newer, and of nobody: it is offered beside the good one.
        (forger.list(9, &[]), "5", 2),
        // Genuine, and older.
        (ca.list(4, &[]), "5", 1),
        // Genuine, and newer.
        (ca.list(6, &[9]), "6", 1),
    ] {
        let server = Server::with_list(&ca.list(5, &[9])).await;
        let crls = crls();
        let leaf = ca.leaf(9, &[&server.uri()]);
        assert!(verdict(&ca, &leaf, &crls).await.is_err());
        let query = query_at(&ca, &server.uri());
        let Lookup::Found(lists) = crls.lookup(&query).await else {
            panic!();
        };
        assert!(lists.len() == 1 && lists[0].is_verified());
        // As if it were over.
        *server.answer.lock().unwrap() = ok(&answer);
        let _ = crls.fresh(&query, &lists[0]).await;
        assert_eq!(server.count(), 2);
        let error = verdict(&ca, &leaf, &crls).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("says the CRL {number}")),
            "{error}"
        );
        assert!(matches!(crls.lookup(&query).await, Lookup::Found(lists) if lists.len() == kept));
    }
}

/// So many seconds pass.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Waits until so many were made.
async fn requests_to(server: &Server, count: usize) {
    for _ in 0..200 {
        if server.requests.lock().unwrap().len() >= count {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.requests.lock().unwrap().len(), count);
}

/// The other URLs of the point are tried then, and the list is fetched again.
#[tokio::test]
async fn a_forged_list_alone_is_not_believed_for_long() {
    let (ca, forger) = (Authority::new(), Authority::new());
    let forged = Server::with_list(&forger.list(9, &[])).await;
    let mirror = Server::with_list(&ca.list(5, &[9])).await;
    let crls = crls();
    let leaf = ca.leaf_with_point(9, &[forged.uri(), mirror.uri()]);
    let alone = ca.leaf_with_point(9, &[forged.uri()]);
    let error = verdict(&ca, &leaf, &crls).await.unwrap_err();
    assert!(error.to_string().contains("cannot be told"), "{error}");
    assert_eq!((forged.count(), mirror.count()), (1, 0));
    later(11).await;
    let error = verdict(&ca, &leaf, &crls).await.unwrap_err();
    assert!(error.to_string().contains("says the CRL 5"), "{error}");
    assert_eq!((forged.count(), mirror.count()), (1, 1));
    // It is left alone as after a failure; until then the error says what is wrong with it.
    let error = verdict(&ca, &alone, &crls).await.unwrap_err();
    assert!(error.to_string().contains("CRL 9 of"), "{error}");
    assert_eq!(forged.count(), 1);
    later(31).await;
    assert!(verdict(&ca, &alone, &crls).await.is_err());
    let requests = forged.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 2);
    assert!(!requests[1].contains("if-none-match"), "{requests:?}");
    // The same again: for twice as long. Then the server is what it was.
    *forged.answer.lock().unwrap() = ok(&ca.list(6, &[9]));
    later(31).await;
    assert!(verdict(&ca, &alone, &crls).await.is_err());
    assert_eq!(forged.count(), 2);
    later(31).await;
    let error = verdict(&ca, &alone, &crls).await.unwrap_err();
    assert!(error.to_string().contains("says the CRL 6"), "{error}");
}

/// Neither its time nor its ETag counts.
#[tokio::test]
async fn a_forged_list_keeps_no_newer_one_away() {
    let (ca, forger) = (Authority::new(), Authority::new());
    let server = Server::with_list(&ca.list(5, &[])).await;
    let crls = crls();
    let leaf = ca.leaf(9, &[&server.uri()]);
    assert!(verdict(&ca, &leaf, &crls).await.is_ok());
    let query = query_at(&ca, &server.uri());
    let Lookup::Found(lists) = crls.lookup(&query).await else {
        panic!();
    };
    *server.answer.lock().unwrap() = ok_as("2", &forger.list(9, &[]));
    let _ = crls.fresh(&query, &lists[0]).await;
    assert!(verdict(&ca, &leaf, &crls).await.is_ok());
    *server.answer.lock().unwrap() = ok(&ca.list(6, &[9]));
    later(11).await;
    assert!(verdict(&ca, &leaf, &crls).await.is_ok(), "the genuine one");
    later(61).await;
    requests_to(&server, 3).await;
    let request = server.requests.lock().unwrap()[2].clone();
    assert!(request.contains("if-none-match: \"1\""), "{request}");
    for _ in 0..100 {
        if let Err(error) = verdict(&ca, &leaf, &crls).await {
            assert!(error.to_string().contains("says the CRL 6"), "{error}");
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("the newer list is not taken");
}

/// What another authority says is at the same URL displaces nothing.
#[tokio::test]
async fn a_url_of_two_authorities_is_two_places() {
    let (ca, other) = (Authority::new(), Authority::named("Other"));
    let server = Server::with_list(&ca.list(5, &[9])).await;
    let crls = crls();
    let leaf = ca.leaf(9, &[&server.uri()]);
    assert!(verdict(&ca, &leaf, &crls).await.is_err());
    *server.answer.lock().unwrap() = ok(&other.list(6, &[]));
    let theirs = other.leaf(9, &[&server.uri()]);
    assert!(verdict(&other, &theirs, &crls).await.is_ok());
    let error = verdict(&ca, &leaf, &crls).await.unwrap_err();
    assert!(error.to_string().contains("says the CRL 5"), "{error}");
    assert_eq!((server.count(), crls.len()), (2, 2));
}

/// Here the server says for how long it is good.
#[tokio::test]
async fn a_list_that_was_used_is_fetched_again_before_it_is_over() {
    let ca = Authority::new();
    let list = ca.list(1, &[]);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=600\r\nETag: \"x\"\r\nContent-Length: {}\r\n\r\n",
        list.len()
    );
    let answer = [answer.as_bytes(), &list].concat();
    let (used, unused) = (
        Server::new(answer.clone(), Duration::ZERO).await,
        Server::new(answer, Duration::ZERO).await,
    );
    let crls = crls();
    for server in [&used, &unused] {
        let leaf = ca.leaf(9, &[&server.uri()]);
        assert!(verdict(&ca, &leaf, &crls).await.is_ok());
    }
    later(300).await;
    let query = query_at(&ca, &used.uri());
    assert!(matches!(crls.lookup(&query).await, Lookup::Found(_)));
    assert_eq!((used.count(), unused.count()), (1, 1));
    later(600).await;
    requests_to(&used, 2).await;
    assert_eq!((used.count(), unused.count()), (2, 1));
    assert!(used.requests.lock().unwrap()[1].contains("if-none-match: \"x\""));
    // What waits ends with the source.
    drop(crls);
}

#[tokio::test]
async fn memory_comes_before_the_network() {
    let ca = Authority::new();
    let server = Server::with_list(&ca.list(1, &[])).await;
    let memory = MemoryCrls::new();
    let layered = Layered::new(memory.clone(), crls());
    assert!(
        verdict(&ca, &ca.leaf(9, &[&server.uri()]), &layered)
            .await
            .is_ok()
    );
    assert_eq!(server.count(), 1);
    let list = portcullis_crl_fetch::CrlInput::Der(ca.list(2, &[9]));
    memory.insert(list, None).unwrap();
    assert!(
        verdict(&ca, &ca.leaf(9, &[&server.uri()]), &layered)
            .await
            .is_err()
    );
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_thousand_urls_are_a_few_requests() {
    let ca = Authority::new();
    let server = Server::with_list(&ca.list(1, &[])).await;
    let uris: Vec<String> = (0..1_000)
        .map(|at| format!("{}?{at}", server.uri()))
        .collect();
    // One point with all of them; all the same list of another authority.
    let other = Authority::new();
    let crls = crls();
    let leaf = other.leaf_with_point(9, &uris);
    assert!(verdict(&other, &leaf, &crls).await.is_err());
    assert!(server.count() <= 4, "{}", server.count());
}
