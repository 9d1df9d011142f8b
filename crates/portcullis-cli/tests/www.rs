//! `server --www` and `--dir`: what is answered, and what is not given out.

mod support;

use std::fs;
use std::time::Duration;

use portcullis::{ClientConfig, Roots, ServerName, TlsConnector, TlsStream};
use support::{Certificates, Server, client, path, printed, sentence};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn connect(
    server: &Server,
    made: &Certificates,
    alpn: &[&str],
) -> Result<TlsStream<TcpStream>, portcullis::Error> {
    let roots = Roots::from_pem_file(&made.ca).unwrap();
    let config = ClientConfig::builder(roots).alpn(alpn).build().unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::new(config)
        .connect(&*server.address, name)
        .await
}

/// The answer to one request, and how many records it came in.
async fn ask(server: &Server, made: &Certificates, request: &[u8]) -> (String, usize) {
    let mut stream = connect(server, made, &[]).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let mut records = 0;
    while let Ok(part) = stream.recv(0).await {
        answer.extend_from_slice(&part);
        records += 1;
    }
    (String::from_utf8(answer).unwrap(), records)
}

async fn get(server: &Server, made: &Certificates, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ask(server, made, request.as_bytes()).await.0
}

fn status(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

#[tokio::test]
async fn head_and_body_are_one_write() {
    let made = Certificates::make();
    let mut arguments = made.server().to_vec();
    arguments.push("--www");
    let server = Server::start(&arguments);
    let (answer, records) = ask(&server, &made, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.contains("\r\n\r\nversion:         TLSv1.3\n"),
        "{answer}"
    );
    assert_eq!(records, 1);
    let (head, records) = ask(&server, &made, b"HEAD / HTTP/1.0\r\n\r\n").await;
    assert!(
        head.ends_with("\r\n\r\n") && answer.starts_with(&head),
        "{head}"
    );
    assert_eq!(records, 1);
}

#[tokio::test]
async fn http_2_is_never_agreed_on() {
    let made = Certificates::make();
    let mut arguments = made.server().to_vec();
    arguments.push("--www");
    let server = Server::start(&arguments);
    let stream = connect(&server, &made, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.information().alpn_protocol(), Some(&b"http/1.1"[..]));
    // A client that speaks nothing else hears so in the handshake.
    let error = connect(&server, &made, &["h2"]).await.unwrap_err();
    assert!(
        error.to_string().contains("no_application_protocol"),
        "{error}"
    );
}

#[tokio::test]
async fn requests_are_bounded_and_understood() {
    let made = Certificates::make();
    let mut arguments = made.server().to_vec();
    arguments.push("--www");
    let server = Server::start(&arguments);
    let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(70 * 1024));
    for (request, expected) in [
        (
            &b"POST / HTTP/1.1\r\n\r\n"[..],
            "HTTP/1.0 405 Method Not Allowed",
        ),
        (
            b"GET http://localhost/ HTTP/1.1\r\n\r\n",
            "HTTP/1.0 400 Bad Request",
        ),
        (b"nonsense\r\n\r\n", "HTTP/1.0 400 Bad Request"),
        (
            long.as_bytes(),
            "HTTP/1.0 431 Request Header Fields Too Large",
        ),
    ] {
        let (answer, _) = ask(&server, &made, request).await;
        assert_eq!(status(&answer), expected);
    }
    // One that comes byte by byte is one all the same.
    let mut stream = connect(&server, &made, &[]).await.unwrap();
    for byte in b"GET / HTTP/1.0\r\n\r\n" {
        stream.send(&[&[*byte]]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), "HTTP/1.0 200 OK");
    // Who closes without a word has done nothing wrong.
    let mut silent = Server::once(&arguments);
    let stream = connect(&silent, &made, &[]).await.unwrap();
    stream.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(silent.exit_code(), Some(0));
}

#[tokio::test]
async fn files_are_given_out_whole() {
    let made = Certificates::make();
    let site = tempfile::tempdir().unwrap();
    let file = |name: &str| site.path().join(name);
    fs::create_dir(file("sub")).unwrap();
    fs::write(file("index.html"), "<p>hello").unwrap();
    fs::write(file("sub/index.html"), "<p>below").unwrap();
    fs::write(file("a b.css"), "x{}").unwrap();
    fs::write(file("empty.txt"), "").unwrap();
    let large: String = (0..60_000).map(|number| format!("{number}\n")).collect();
    fs::write(file("large.txt"), &large).unwrap();
    let mut arguments = made.server().to_vec();
    arguments.extend(["--dir", site.path().to_str().unwrap()]);
    let server = Server::start(&arguments);

    let answer = get(&server, &made, "/").await;
    assert!(answer.contains("Content-Type: text/html\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n<p>hello"), "{answer}");
    let (_, records) = ask(&server, &made, b"GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(records, 1);
    let answer = get(&server, &made, "/a%20b.css?version=1").await;
    assert!(
        answer.contains("Content-Type: text/css\r\n") && answer.ends_with("x{}"),
        "{answer}"
    );
    let answer = get(&server, &made, "/empty.txt").await;
    assert!(answer.contains("Content-Length: 0\r\n"), "{answer}");
    let answer = get(&server, &made, "/large.txt").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", large.len())),
        "{head}"
    );
    assert!(body == large);
    let answer = get(&server, &made, "/sub").await;
    assert_eq!(status(&answer), "HTTP/1.0 301 Moved Permanently");
    assert!(answer.contains("Location: /sub/\r\n"), "{answer}");
    let answer = get(&server, &made, "//sub").await;
    assert!(answer.contains("Location: /sub/\r\n"), "{answer}");
    assert!(get(&server, &made, "/sub/").await.ends_with("<p>below"));
    let (head, _) = ask(&server, &made, b"HEAD /large.txt HTTP/1.0\r\n\r\n").await;
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_outside_the_folder_is_given_out() {
    use std::os::unix::fs::symlink;

    let made = Certificates::make();
    let outer = tempfile::tempdir().unwrap();
    let site = outer.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::create_dir(site.join("sub")).unwrap();
    fs::write(outer.path().join("secret.txt"), "SECRET").unwrap();
    fs::write(outer.path().join("index.html"), "SECRET").unwrap();
    fs::write(site.join("inside.txt"), "inside").unwrap();
    fs::write(site.join(".hidden"), "SECRET").unwrap();
    symlink("../secret.txt", site.join("relative")).unwrap();
    symlink(outer.path().join("secret.txt"), site.join("absolute")).unwrap();
    symlink("..", site.join("up")).unwrap();
    symlink("sub/../../secret.txt", site.join("winding")).unwrap();
    symlink("loop", site.join("loop")).unwrap();
    symlink("inside.txt", site.join("link")).unwrap();
    let made_pipe = std::process::Command::new("mkfifo")
        .arg(site.join("pipe"))
        .status();
    assert!(made_pipe.unwrap().success());
    let mut arguments = made.server().to_vec();
    arguments.extend(["--dir", site.to_str().unwrap()]);
    let server = Server::start(&arguments);

    let absolute = path(outer.path(), "secret.txt");
    for path in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/relative",
        "/absolute",
        "/up/secret.txt",
        "/up/",
        "/up",
        "/winding",
        "/loop",
        "/.hidden",
        "/missing",
        "/inside.txt/",
        "/inside.txt/x",
        "/inside.txt%00.html",
        "/sub/",
        "/pipe",
        &absolute,
        &format!("/{absolute}"),
    ] {
        let answer = get(&server, &made, path).await;
        assert_eq!(status(&answer), "HTTP/1.0 404 Not Found", "{path}");
        assert!(!answer.contains("SECRET"), "{path}");
    }
    // A link that stays inside is a file like others.
    assert!(get(&server, &made, "/link").await.ends_with("inside"));
}

#[test]
fn a_folder_that_is_not_there_is_a_mistake() {
    let said = sentence(support::run(&["server", "--dir", "/does/not/exist"]), 2);
    assert!(said.contains("--dir /does/not/exist"), "{said}");
}

#[test]
fn the_command_gets_a_file() {
    let made = Certificates::make();
    let mut arguments = made.server().to_vec();
    let folder = made.folder.path().to_str().unwrap();
    arguments.extend(["--dir", folder]);
    let mut server = Server::once(&arguments);
    let request = b"GET /ca.pem HTTP/1.0\r\n\r\n";
    let answer = printed(client(&[&server.address, "--cafile", &made.ca], request));
    assert!(
        answer.ends_with(&fs::read_to_string(&made.ca).unwrap()),
        "{answer}"
    );
    assert_eq!(server.exit_code(), Some(0));
}

/// The status and the body of a page, for a client of the command.
fn page(server: &Server, made: &Certificates, path: &str, more: &[&str]) -> (String, String) {
    let target = format!("localhost:{}", server.port());
    let fixed = [&*target, "--resolve", "127.0.0.1", "--cafile", &made.ca];
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    let output = client(&[&fixed[..], more].concat(), request.as_bytes());
    let answer = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    (status(&answer).to_owned(), answer + &told)
}

#[test]
fn one_path_is_for_clients_with_a_certificate() {
    let made = Certificates::make();
    let fixed = ["--www", "--ask-later", "/private", "--cafile", &made.ca];
    let fixed = [&made.server()[..], &fixed].concat();
    let server = Server::start(&[&fixed[..], &["--client-auth", "optional"]].concat());
    let willing = ["--post-handshake-auth"];
    let alice = ["--cert", &made.client_cert, "--key", &made.client_key];
    let alice = [&willing[..], &alice].concat();
    let ok = "HTTP/1.0 200 OK";
    // Who asks for another page is not asked.
    let (head, text) = page(&server, &made, "/", &alice);
    assert_eq!(head, ok, "{text}");
    assert!(!text.contains("alice@a.test"), "{text}");
    let (head, text) = page(&server, &made, "/private", &alice);
    assert_eq!(head, ok, "{text}");
    assert!(text.contains("alice@a.test"), "{text}");
    // Without a certificate, without having offered it, and before TLS 1.3.
    let (head, text) = page(&server, &made, "/private", &willing);
    assert_eq!(head, "HTTP/1.0 403 Forbidden");
    assert!(text.contains("clients with a certificate"), "{text}");
    for more in [&alice[1..], &[&alice[1..], &["--tls", "1.2"]].concat()] {
        let (head, text) = page(&server, &made, "/private", more);
        assert_eq!(head, "HTTP/1.0 403 Forbidden", "{text}");
    }
    // Required: the connection ends.
    let server = Server::start(&[&fixed[..], &["--client-auth", "required"]].concat());
    let (head, text) = page(&server, &made, "/private", &alice);
    assert_eq!(head, ok, "{text}");
    let (head, text) = page(&server, &made, "/private", &willing);
    assert_eq!(head, "");
    assert!(text.contains("certificate_required"), "{text}");

    for (arguments, said) in [
        (&["--www", "--ask-later", "/private"][..], "--client-auth"),
        (
            &[
                "--www",
                "--ask-later",
                "private",
                "--client-auth",
                "optional",
                "--cafile",
                &made.ca,
            ],
            "begins with /",
        ),
    ] {
        let told = sentence(support::run(&[&["server"][..], arguments].concat()), 2);
        assert!(told.contains(said), "{told}");
    }
    let output = support::run(&["server", "--ask-later", "/private"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
