//! Keys of the configuration that no other test has: each does what it says.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis::{ClientAuthentication, Identity, ServerConfig, TlsAcceptor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{self, Files, Running, connect, echo, talk};

/// Plain on this side, with this backend.
fn plain(files: &Files, more: &str, backend: &str) -> Running {
    files.start(&format!(
        r#"
        {more}
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        [[route]]
        tls = "off"
        backend = {{ {backend} }}
        "#
    ))
}

/// TLS that ends here, on a route with these keys.
fn terminating(files: &Files, more: &str, backend: SocketAddr, route: &str) -> Running {
    files.server("one", &["one.test"]);
    files.start(&support::terminating(more, backend, route))
}

async fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server that is connected to and says nothing.
pub(crate) async fn silent() -> SocketAddr {
    let (listener, address) = listening().await;
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept().await.unwrap());
        }
    });
    address
}

#[tokio::test]
async fn a_server_is_told_whose_the_connection_is() {
    let files = Files::new();
    for version in ["v1", "v2"] {
        let back = echo("").await;
        let backend = format!("servers = [\"{back}\"], send_proxy = \"{version}\"");
        let proxy = plain(&files, "", &backend);
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        let (from, to) = (io.local_addr().unwrap().port(), proxy.address().port());
        io.write_all(b"hello").await.unwrap();
        io.shutdown().await.unwrap();
        let mut all = Vec::new();
        io.read_to_end(&mut all).await.unwrap();
        let expected = match version {
            "v1" => format!(":PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\nhello").into_bytes(),
            _ => [
                &b":\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\0\0\x01\x7f\0\0\x01"[..],
                &from.to_be_bytes(),
                &to.to_be_bytes(),
                b"hello",
            ]
            .concat(),
        };
        assert_eq!(all, expected, "{version}");
    }
}

#[tokio::test]
async fn servers_are_shown_a_certificate_and_asked_for_a_protocol() {
    let files = Files::new();
    files.server("back", &["localhost"]);
    files.server("proxy", &["proxy.test"]);
    let identity = Identity::from_pem_files(files.path("back.pem"), files.path("back.key"));
    let config = ServerConfig::builder()
        .identity(identity.unwrap())
        .client_authentication(ClientAuthentication::Required(files.roots()))
        .alpn(["b", "a"])
        .build()
        .unwrap();
    let (listener, address) = listening().await;
    let served = tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::new(config).accept(io).await.unwrap();
        let names = portcullis::x509::subject_alt_names(&stream.peer_certificates()[0]);
        (names, stream.alpn_protocol().map(<[u8]>::to_vec))
    });
    let backend = format!(
        "servers = [\"localhost:{}\"], tls = {{ roots = \"@/ca.pem\", identity = \"own\", alpn = [\"a\"] }}",
        address.port()
    );
    let own =
        "[[identity]]\nname = \"own\"\ncertificate = \"@/proxy.pem\"\nkey = \"@/proxy.key\"\n";
    let proxy = plain(&files, own, &backend);
    let _io = TcpStream::connect(proxy.address()).await.unwrap();
    let (names, protocol) = served.await.unwrap();
    assert_eq!(names, ["proxy.test"]);
    assert_eq!(protocol.as_deref(), Some(&b"a"[..]));
}

#[tokio::test]
async fn a_part_is_not_taken_for_the_whole_unless_the_route_says_so() {
    let files = Files::new();
    for (truncation, is_whole) in [("strict", false), ("lenient", true)] {
        let (listener, address) = listening().await;
        let route = format!("truncation = \"{truncation}\"");
        let proxy = terminating(&files, "", address, &route);
        let connector = files.connector(&[]);
        let mut stream = connect(&connector, proxy.address(), "one.test")
            .await
            .unwrap();
        stream.write_all(b"half").await.unwrap();
        stream.flush().await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut half = [0; 4];
        server.read_exact(&mut half).await.unwrap();
        // FIN without close_notify.
        let mut io = stream.into_inner();
        io.shutdown().await.unwrap();
        let end = server.read(&mut half).await;
        match is_whole {
            true => assert_eq!(end.unwrap(), 0),
            false => {
                let error = end.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            }
        }
    }
}

/// The same of servers, some of which never say close_notify.
#[tokio::test]
async fn a_server_may_be_one_that_never_says_close_notify() {
    let files = Files::new();
    files.server("back", &["back.test"]);
    let identity = Identity::from_pem_files(files.path("back.pem"), files.path("back.key"));
    let config = ServerConfig::builder().identity(identity.unwrap());
    let acceptor = TlsAcceptor::new(config.build().unwrap());
    let (listener, address) = listening().await;
    let serving = tokio::spawn(async move {
        loop {
            let (io, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.upgrade(io).await.unwrap();
            stream.write_all(b"all").await.unwrap();
            stream.flush().await.unwrap();
            // FIN without close_notify.
            stream.into_inner().shutdown().await.unwrap();
        }
    });
    for (truncation, is_whole) in [
        ("", false),
        (", truncation = \"strict\"", false),
        (", truncation = \"lenient\"", true),
    ] {
        let tls = format!("tls = {{ name = \"back.test\", roots = \"@/ca.pem\"{truncation} }}");
        let backend = format!("servers = [\"{address}\"], {tls}");
        let proxy = plain(&files, "", &backend);
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        let mut all = Vec::new();
        let end = io.read_to_end(&mut all).await;
        assert_eq!(all, b"all", "{truncation}");
        match is_whole {
            true => assert_eq!(end.unwrap(), 3),
            false => {
                let error = end.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            }
        }
    }
    serving.abort();
}

#[tokio::test]
async fn who_has_not_ended_is_not_waited_for_without_end() {
    let files = Files::new();
    let (listener, address) = listening().await;
    let backend = format!("servers = [\"{address}\"]");
    let proxy = plain(&files, "timeouts = { half_close = \"200ms\" }", &backend);
    let mut io = TcpStream::connect(proxy.address()).await.unwrap();
    io.shutdown().await.unwrap();
    let (_server, _) = listener.accept().await.unwrap();
    let began = Instant::now();
    let error = io.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let time = began.elapsed();
    assert!((150..2_000).contains(&time.as_millis()), "{time:?}");
}

#[tokio::test]
async fn who_takes_nothing_is_cut() {
    let files = Files::new();
    let (listener, address) = listening().await;
    let backend = format!("servers = [\"{address}\"]");
    let proxy = plain(&files, "timeouts = { stall = \"300ms\" }", &backend);
    let mut io = TcpStream::connect(proxy.address()).await.unwrap();
    let (_server, _) = listener.accept().await.unwrap();
    let began = Instant::now();
    let sending = async {
        let many = vec![0; 1 << 20];
        while io.write_all(&many).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(10), sending)
        .await
        .expect("a cut");
    assert!(began.elapsed() >= Duration::from_millis(250));
}

/// A server that accepts and says nothing costs its share of the time, and then the next is tried.
#[tokio::test]
async fn a_server_that_is_no_answer_is_passed_over_in_time() {
    let files = Files::new();
    files.server("back", &["back.test"]);
    let identity = Identity::from_pem_files(files.path("back.pem"), files.path("back.key"));
    let config = ServerConfig::builder()
        .identity(identity.unwrap())
        .build()
        .unwrap();
    let good = support::tls_echo("good", config).await;
    let [first, second] = [silent().await, silent().await];
    let tls = "tls = { name = \"back.test\", roots = \"@/ca.pem\" }";
    let times = "timeouts = { connect = \"900ms\" }";
    let backend = format!("servers = [\"{first}\", \"{second}\", \"{good}\"], {tls}");
    let proxy = plain(&files, times, &backend);
    for _ in 0..3 {
        let mut io = TcpStream::connect(proxy.address()).await.unwrap();
        let said = talk(&mut io, "x").await.unwrap();
        assert!(said.starts_with("good,") && said.ends_with(":x"), "{said}");
    }
    let backend = format!("servers = [\"{first}\"], {tls}");
    let proxy = plain(&files, times, &backend);
    let mut io = TcpStream::connect(proxy.address()).await.unwrap();
    let began = Instant::now();
    assert!(talk(&mut io, "x").await.is_err());
    let time = began.elapsed();
    assert!((700..3_000).contains(&time.as_millis()), "{time:?}");
}

#[tokio::test]
async fn more_connections_than_may_be_wait() {
    let files = Files::new();
    let backend = format!("servers = [\"{}\"]", echo("a").await);
    let proxy = plain(&files, "limits = { connections = 1 }", &backend);
    let mut first = TcpStream::connect(proxy.address()).await.unwrap();
    first.read_exact(&mut [0; 2]).await.unwrap();
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    let mut name = [0; 2];
    let early = tokio::time::timeout(Duration::from_millis(200), second.read_exact(&mut name));
    assert!(early.await.is_err());
    drop(first);
    second.read_exact(&mut name).await.unwrap();
    assert_eq!(&name, b"a:");
}

/// `docs/proxy.md` has every key, and its examples are right.
#[test]
fn the_page_has_every_key_and_its_examples_work() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/proxy.md");
    let page = std::fs::read_to_string(path).unwrap();
    let files = Files::new();
    files.server("api", &["api.example.com", "*.api.example.com"]);
    let folder = files.path("");
    let mut examples = 0;
    for block in page.split("```toml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let text = text
            .replace("/etc/portcullis/clients.pem", "@/ca.pem")
            .replace("/etc/portcullis/internal-ca.pem", "@/ca.pem")
            .replace("/etc/portcullis/", "@/")
            .replace("@/", &format!("{}/", folder.display()));
        if let Err(problems) = portcullis_proxy::Config::parse("proxy.md", &text) {
            panic!("{problems}\n{text}");
        }
        examples += 1;
    }
    assert!(examples > 0);

    // Each table with a key that it does not have says which it has.
    let text = "version = 1\nx = 1\nadmin = { x = 1 }\nlog = { x = 1 }\ntimeouts = { x = 1 }\nlimits = { x = 1 }\n\
                [[listen]]\nname = \"l\"\nx = 1\nproxy_protocol = { x = 1 }\n[[identity]]\nx = 1\n[[backend]]\nname = \"b\"\nx = 1\n\
                tls = { x = 1 }\nhealth = { x = 1 }\n[[route]]\nx = 1\nclients = { x = 1, allow = [{ x = 1 }] }\n";
    let problems = portcullis_proxy::Config::parse("x", text).unwrap_err();
    let mut tables = 0;
    for problem in &problems.0 {
        let Some((_, keys)) = problem.text.split_once("Keys here: ") else {
            continue;
        };
        tables += 1;
        for key in keys.split(", ") {
            assert!(page.contains(&format!("`{key}`")), "{key}: {problem}");
        }
    }
    assert_eq!(tables, 14, "{problems}");
}
