//! The proxy between programs of others: curl, OpenSSL and HAProxy.

#![cfg(unix)]

#[path = "loopback/support.rs"]
#[allow(dead_code, reason = "each test program uses a part")]
mod support;

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use support::{Files, dtls_terminating, echo, terminating, udp_echo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::process::Command;

/// A program that runs; it is killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = std::process::Command::new(program);
        let command = command.args(arguments);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{program}: {error}")))
    }
}

/// One that nobody has had before, below those that systems give away.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);

    let first = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap();
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

async fn until_there(address: SocketAddr) {
    for _ in 0..200 {
        if TcpStream::connect(address).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nobody listens on {address}");
}

/// What a program says that goes well.
async fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.await.unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// HAProxy says at `answers` whose a connection is, by the header before it, over HTTP; and passes connections on to `to`
/// from two other places, with headers of version 1 and 2.
async fn haproxy(files: &Files, answers: SocketAddr, to: SocketAddr) -> (Program, [SocketAddr; 2]) {
    let [one, two] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
    files.write(
        "haproxy.cfg",
        &format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 10s\n timeout server 10s\n\
             frontend answers\n mode http\n bind {answers} accept-proxy\n http-request return status 200 \
             content-type text/plain lf-string \"%[src] %[src_port] %[dst_port] [%[fc_pp_authority]]\"\n\
             listen one\n bind {one}\n server us {to} send-proxy\n\
             listen two\n bind {two}\n server us {to} send-proxy-v2\n"
        ),
    );
    let config = files.path("haproxy.cfg");
    let program = Program::start("haproxy", &["-db", "-f", config.to_str().unwrap()]);
    until_there(one).await;
    (program, [one, two])
}

/// curl by this way: the port that it came from, and what it was answered.
async fn curl(files: &Files, to: SocketAddr, name: &str) -> (String, String) {
    let authority = files.path("ca.pem");
    let answer = said(
        "curl",
        &[
            "--silent",
            "--show-error",
            "--max-time",
            "10",
            "--cacert",
            authority.to_str().unwrap(),
            "--connect-to",
            &format!("{name}:443:{to}"),
            "--write-out",
            "\n%{local_port}",
            &format!("https://{name}/"),
        ],
    )
    .await;
    let (page, port) = answer.rsplit_once('\n').unwrap();
    (port.to_owned(), page.to_owned())
}

/// HAProxy reads the headers that are sent to it, and those that it sends are read here: what it says at the end is the
/// address of the first client.
#[tokio::test(flavor = "multi_thread")]
async fn haproxy_reads_our_headers_and_we_its() {
    let files = Files::new();
    files.server("one", &["v1.test", "v2.test"]);
    let answers = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let proxy = files.start(&format!(
        r#"
            [[listen]]
            name = "direct"
            address = "127.0.0.1:0"
            [[listen]]
            name = "behind"
            address = "127.0.0.1:0"
            proxy_protocol = {{ from = ["127.0.0.0/8"] }}
            [[identity]]
            name = "one"
            certificate = "@/one.pem"
            key = "@/one.key"
            [[backend]]
            name = "v1"
            servers = ["{answers}"]
            send_proxy = "v1"
            [[backend]]
            name = "v2"
            servers = ["{answers}"]
            send_proxy = "v2"
            [[route]]
            listen = "direct"
            names = ["v1.test"]
            identity = "one"
            backend = "v1"
            [[route]]
            listen = "direct"
            names = ["v2.test"]
            identity = "one"
            backend = "v2"
            [[route]]
            listen = "behind"
            names = ["v1.test"]
            identity = "one"
            backend = "v1"
            [[route]]
            listen = "behind"
            names = ["v2.test"]
            identity = "one"
            backend = "v2"
            "#
    ));
    let (direct, behind) = (proxy.at(0), proxy.at(1));
    let (_program, passes) = haproxy(&files, answers, behind).await;

    for (name, authority) in [("v1.test", "[]"), ("v2.test", "[v2.test]")] {
        let (port, page) = curl(&files, direct, name).await;
        let expected = format!("127.0.0.1 {port} {} {authority}", direct.port());
        assert_eq!(page, expected, "from here to HAProxy");
        for through in passes {
            let (port, page) = curl(&files, through, name).await;
            let expected = format!("127.0.0.1 {port} {} {authority}", through.port());
            assert_eq!(page, expected, "from HAProxy to here, and back");
        }
    }
    // Without a header HAProxy is not listened to, as nobody else there.
    let mut io = TcpStream::connect(behind).await.unwrap();
    io.write_all(b"\x16\x03\x01\x00\x10").await.unwrap();
    io.write_all(&[1; 16]).await.unwrap();
    let mut all = Vec::new();
    let _ = io.read_to_end(&mut all).await;
    assert!(all.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_is_the_client_and_the_server() {
    let files = Files::new();
    files.server("front", &["front.test"]);
    files.server("back", &["back.test"]);
    let plain = echo("plain").await;
    let port = free_port();
    let path = |name: &str| files.path(name).display().to_string();
    let _server = Program::start(
        "openssl",
        &[
            "s_server",
            "-quiet",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-www",
            "-cert",
            &path("back.pem"),
            "-key",
            &path("back.key"),
        ],
    );
    until_there(SocketAddr::from(([127, 0, 0, 1], port))).await;
    let proxy = files.start(&format!(
        r#"
        [[listen]]
        name = "tls"
        address = "127.0.0.1:0"
        [[listen]]
        name = "plain"
        address = "127.0.0.1:0"
        [[identity]]
        name = "front"
        certificate = "@/front.pem"
        key = "@/front.key"
        [[backend]]
        name = "openssl"
        servers = ["127.0.0.1:{port}"]
        tls = {{ name = "back.test", roots = "@/ca.pem" }}
        [[route]]
        listen = "tls"
        names = ["front.test"]
        identity = "front"
        backend = {{ servers = ["{plain}"] }}
        [[route]]
        listen = "tls"
        names = ["back.test"]
        tls = "pass"
        backend = {{ servers = ["127.0.0.1:{port}"] }}
        [[route]]
        listen = "plain"
        tls = "off"
        backend = "openssl"
        "#
    ));
    let (tls, plain) = (proxy.at(0).to_string(), proxy.at(1));
    for (name, version) in [
        ("front.test", "-tls1_3"),
        ("front.test", "-tls1_2"),
        ("back.test", "-tls1_3"),
        ("back.test", "-tls1_2"),
    ] {
        let authority = path("ca.pem");
        let arguments = [
            "s_client",
            "-brief",
            "-connect",
            &tls,
            "-servername",
            name,
            "-verify_hostname",
            name,
            "-verify_return_error",
            "-CAfile",
            &authority,
            version,
        ];
        let told = said("openssl", &arguments);
        // It says what it found, and ends because its input does.
        let told = tokio::time::timeout(Duration::from_secs(10), told);
        told.await.unwrap_or_else(|_| panic!("{name} {version}"));
    }
    let mut io = TcpStream::connect(plain).await.unwrap();
    io.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut page = String::new();
    io.read_to_string(&mut page).await.unwrap();
    assert!(page.contains("TLSv1.3"), "{page}");
}

const EARLY: &str = "early_data = { backend_is_idempotent = true }";

/// What comes back of early data, and whether it was accepted, by a client that has been there before.
#[cfg(feature = "redis")]
async fn again(
    connector: &portcullis::TlsConnector,
    [first, second]: [SocketAddr; 2],
) -> (portcullis::EarlyDataOutcome, bool, String) {
    let mut stream = support::connect(connector, first, "one.test")
        .await
        .unwrap();
    support::talk(&mut stream, "x").await.unwrap();
    let io = TcpStream::connect(second).await.unwrap();
    let early = connector.upgrade_with_early_data(io, "one.test", "early");
    let (mut stream, outcome) = early.await.unwrap();
    let is_resumed = stream.is_resumed();
    (
        outcome,
        is_resumed,
        support::talk(&mut stream, "x").await.unwrap(),
    )
}

/// Proxies that share one resume each other's sessions, and none takes early data that another one may have taken. Without it
/// they go on. `apt-get install redis-server`
#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_early_data_are_remembered_in_redis() {
    use portcullis::EarlyDataOutcome::{Accepted, Rejected};

    const MARKER: &str = "portcullis:{r}:since";

    let files = Files::new();
    files.server("one", &["one.test"]);
    std::fs::write(files.path("key"), [7; 32]).unwrap();
    std::fs::write(files.path("tickets"), [7; 48]).unwrap();
    let socket = files.path("redis.sock").to_str().unwrap().to_owned();
    // Known to who has the file, and with signs that mean something in a URL.
    let password = "s/e:c r@e?t&+%";
    files.write("password", &format!("{password}\n"));
    let wants = ["--requirepass", password];
    let arguments = ["--port", "0", "--save", "", "--unixsocket", &socket];
    let redis = Program::start("redis-server", &[&arguments[..], &wants].concat());
    let cli = async |words: &[&str]| {
        let arguments = [&["-s", &socket, "--no-auth-warning", "-a", password], words].concat();
        said("redis-cli", &arguments).await.trim().to_owned()
    };
    for _ in 0..500 {
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let back = echo("a").await;
    let in_store = "tickets = { store = \"unix://@/redis.sock\", store_key = \"@/key\", redis_password_file = \"@/password\" }";
    let in_file = "tickets = { file = \"@/tickets\", replay_guard = \"unix://@/redis.sock\", redis_password_file = \"@/password\" }";
    let both = |tickets: &str| [(); 2].map(|()| files.start(&terminating(tickets, back, EARLY)));
    let at = |proxies: &[support::Running; 2]| [0, 1].map(|it| proxies[it].address());
    let connector = files.connector(&[]);

    // A Redis that has just begun to remember may have forgotten something. A proxy that starts has it begin.
    let proxies = both(in_store);
    for _ in 0..500 {
        if cli(&["EXISTS", MARKER]).await == "1" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (outcome, is_resumed, answer) = again(&connector, at(&proxies)).await;
    assert_eq!(outcome, Rejected("early".into()));
    assert!(is_resumed);
    assert_eq!(answer, "a:x");
    drop(proxies);

    // Two minutes later.
    let left: u64 = cli(&["PTTL", MARKER]).await.parse().unwrap();
    let later = (left - 120_000).to_string();
    assert_eq!(cli(&["PEXPIRE", MARKER, &later]).await, "1");
    let proxies = both(in_store);
    let (outcome, is_resumed, answer) = again(&connector, at(&proxies)).await;
    assert_eq!((outcome, is_resumed), (Accepted, true));
    assert_eq!(answer, "a:earlyx");
    let of_files = both(in_file);
    let (outcome, is_resumed, answer) = again(&connector, at(&of_files)).await;
    assert_eq!((outcome, is_resumed), (Accepted, true));
    assert_eq!(answer, "a:earlyx");

    drop(redis);
    let (outcome, is_resumed, answer) = again(&connector, at(&of_files)).await;
    assert_eq!(outcome, Rejected("early".into()));
    assert!(is_resumed, "tickets are the sessions");
    assert_eq!(answer, "a:x");
    let (outcome, is_resumed, answer) = again(&files.connector(&[]), at(&proxies)).await;
    assert_ne!(outcome, Accepted);
    assert!(!is_resumed, "sessions are nowhere");
    assert_eq!(answer, "a:x");
}

/// OpenSSL is the client, whose early data is accepted.
#[tokio::test(flavor = "multi_thread")]
async fn openssl_sends_early_data() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    files.write("early", "early");
    let more = "log = { access = \"@/access.log\" }";
    let proxy = files.start(&terminating(more, echo("a").await, EARLY));
    let path = |name: &str| files.path(name).to_str().unwrap().to_owned();
    let client = format!(
        "openssl s_client -connect {} -servername one.test -verify_return_error -CAfile {}",
        proxy.address(),
        path("ca.pem")
    );
    let session = path("session");
    // Tickets come behind the handshake.
    let first = format!("sleep 1 | {client} -sess_out {session}");
    said("sh", &["-c", &first]).await;
    let second = format!(
        "sleep 1 | {client} -sess_in {session} -early_data {}",
        path("early")
    );
    let told = said("sh", &["-c", &second]).await;
    assert!(told.contains("Early data was accepted"), "{told}");
    assert!(told.contains("a:early"), "{told}");
    let line = files.lines(2).await.remove(1);
    assert_eq!(line["early_data"], 5, "{line}");
}

/// Clients of DTLS 1.2 that are others' come to a server that speaks UDP.
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_openssl_and_gnutls_speak_dtls_to_the_proxy() {
    let files = Files::new();
    files.server("one", &["one.test"]);
    let more = "log = { access = \"@/access.log\" }";
    let proxy = files.start(&dtls_terminating(more, udp_echo("a").await, ""));
    let authority = files.path("ca.pem").display().to_string();
    let to = proxy.address();
    let openssl = format!(
        "timeout 30 openssl s_client -dtls1_2 -quiet -no_ign_eof -connect {to} -servername one.test -verify_hostname one.test \
         -verify_return_error -CAfile {authority}"
    );
    let gnutls = format!(
        "timeout 30 gnutls-cli --udp --port {} --x509cafile {authority} --sni-hostname one.test --verify-hostname one.test 127.0.0.1",
        to.port()
    );
    for (at, client) in [openssl, gnutls].iter().enumerate() {
        // What it says is a datagram each time, and it ends because its input does.
        let both = format!("(sleep 1; echo one; sleep 1; echo two; sleep 1) | {client}");
        let told = said("sh", &["-c", &both]).await;
        for answer in ["a:one\n", "a:two\n"] {
            assert!(told.contains(answer), "{client}\n{told}");
        }
        let line = files.lines(at + 1).await.remove(at);
        assert_eq!(line["outcome"], "clean", "{line}");
        assert_eq!(line["version"], "DTLSv1.2", "{line}");
        assert_eq!(line["server_name"], "one.test", "{line}");
        assert_eq!(line["datagrams_in"], 2, "{line}");
        assert_eq!(line["bytes_out"], 12, "{line}");
    }
}

/// A client that speaks UDP, behind the proxy a server of DTLS 1.2 that is another's.
async fn through(files: &Files, port: u16) -> (support::Running, UdpSocket) {
    let proxy = files.start(&format!(
        r#"
        [[listen]]
        name = "plain"
        address = "udp:127.0.0.1:0"
        [[route]]
        tls = "off"
        backend = {{ servers = ["udp:127.0.0.1:{port}"], tls = {{ name = "back.test", roots = "@/ca.pem" }} }}
        "#
    ));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(proxy.address()).await.unwrap();
    (proxy, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_speaks_dtls_to_a_server_of_openssl() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let files = Files::new();
    files.server("back", &["back.test"]);
    let port = free_port();
    let path = |name: &str| files.path(name).display().to_string();
    let mut server = Command::new("openssl")
        .args(["s_server", "-dtls1_2", "-quiet", "-accept"])
        .arg(format!("127.0.0.1:{port}"))
        .args(["-cert", &path("back.pem"), "-key", &path("back.key")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (_proxy, client) = through(&files, port).await;
    let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut line = String::new();
    for _ in 0..40 {
        client.send(b"to the server\n").await.unwrap();
        let next = tokio::time::timeout(Duration::from_millis(500), told.next_line());
        if let Ok(next) = next.await {
            line = next.unwrap().unwrap();
            break;
        }
    }
    assert_eq!(line, "to the server");
    let mut says = server.stdin.take().unwrap();
    says.write_all(b"to the client\n").await.unwrap();
    let mut answer = [0; 100];
    let answered = tokio::time::timeout(Duration::from_secs(10), client.recv(&mut answer));
    let length = answered.await.expect("an answer").unwrap();
    assert_eq!(&answer[..length], b"to the client\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_speaks_dtls_to_a_server_of_gnutls() {
    let files = Files::new();
    files.server("back", &["back.test"]);
    let port = free_port();
    let path = |name: &str| files.path(name).display().to_string();
    let _server = Program::start(
        "gnutls-serv",
        &[
            "--udp",
            "--echo",
            "--port",
            &port.to_string(),
            "--x509certfile",
            &path("back.pem"),
            "--x509keyfile",
            &path("back.key"),
        ],
    );
    let (_proxy, client) = through(&files, port).await;
    // It sends back what it gets, of which it reads 255 bytes.
    let mut answer = [0; 2_000];
    for said in [vec![b'x'; 5], vec![b'y'; 200]] {
        let mut length = 0;
        for _ in 0..40 {
            client.send(&said).await.unwrap();
            let receiving = client.recv(&mut answer);
            let received = tokio::time::timeout(Duration::from_millis(500), receiving).await;
            if let Ok(Ok(received)) = received {
                length = received;
                if answer[0] == said[0] {
                    break;
                }
            }
        }
        assert_eq!(&answer[..length], &said);
    }
}

/// Clients and servers of others shake hands through the proxy, each with the server of its name, which asks it for a cookie.
#[tokio::test(flavor = "multi_thread")]
async fn openssl_and_gnutls_meet_where_dtls_is_passed_on() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let files = Files::new();
    files.server("gnutls", &["gnutls.test"]);
    files.server("openssl", &["openssl.test"]);
    let path = |name: &str| files.path(name).display().to_string();
    let ports = [free_port(), free_port()];
    let _gnutls = Program::start(
        "gnutls-serv",
        &[
            "--udp",
            "--echo",
            "--port",
            &ports[0].to_string(),
            "--x509certfile",
            &path("gnutls.pem"),
            "--x509keyfile",
            &path("gnutls.key"),
        ],
    );
    let mut openssl = Command::new("openssl")
        .args(["s_server", "-dtls1_2", "-listen", "-quiet", "-accept"])
        .arg(format!("127.0.0.1:{}", ports[1]))
        .args(["-cert", &path("openssl.pem"), "-key", &path("openssl.key")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let routes = ["gnutls", "openssl"].iter().zip(ports).map(|(name, port)| {
        format!(
            "[[route]]\nnames = \"{name}.test\"\ntls = \"pass\"\nbackend = {{ servers = \"udp:127.0.0.1:{port}\" }}\n"
        )
    });
    let proxy = files.start(&format!(
        "[[listen]]\nname = \"in\"\naddress = \"udp:127.0.0.1:0\"\n{}",
        routes.collect::<String>()
    ));
    let (to, authority) = (proxy.address(), path("ca.pem"));
    for client in [
        format!(
            "openssl s_client -dtls1_2 -quiet -no_ign_eof -connect {to} -servername gnutls.test -verify_hostname gnutls.test \
             -verify_return_error -CAfile {authority}"
        ),
        format!(
            "gnutls-cli --udp --port {} --x509cafile {authority} --sni-hostname gnutls.test --verify-hostname gnutls.test 127.0.0.1",
            to.port()
        ),
    ] {
        // It may not listen yet.
        let both = format!("(sleep 1; echo one; sleep 1; echo two; sleep 1) | timeout 30 {client}");
        let told = said("sh", &["-c", &both]).await;
        for answer in ["one\n", "two\n"] {
            assert!(told.contains(answer), "{client}\n{told}");
        }
    }
    // It speaks with one client.
    let config = portcullis::ClientConfig::builder(files.roots())
        .versions([portcullis::ProtocolVersion::TLS_1_2]);
    let connector = portcullis::DtlsConnector::new(config.build().unwrap());
    let mut client = connector.connect(to, "openssl.test").await.unwrap();
    client.send(&[b"to the server\n"]).await.unwrap();
    let mut told = BufReader::new(openssl.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_secs(10), told.next_line()).await;
    assert_eq!(line.unwrap().unwrap().unwrap(), "to the server");
    let mut says = openssl.stdin.take().unwrap();
    says.write_all(b"to the client\n").await.unwrap();
    let answer = client.recv_timeout(Duration::from_secs(10)).await;
    assert_eq!(answer.unwrap(), "to the client\n");
}
