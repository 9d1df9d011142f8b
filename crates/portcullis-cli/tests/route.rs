//! The ways to a server: families of addresses, the own end, proxies, and the name that is asked for.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;
use support::{Certificates, Server, client, printed, run, sentence};

/// Takes connections, and says what they began with, and from where; then it closes.
fn listening() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (seen, receiver) = channel();
    std::thread::spawn(move || {
        for io in listener.incoming() {
            let mut io = io.unwrap();
            let mut first = vec![0; 4_000];
            let count = io.read(&mut first).unwrap_or(0);
            first.truncate(count);
            let from = io.peer_addr().unwrap().ip().to_string();
            let _ = seen.send((from, first));
        }
    });
    (address, receiver)
}

#[test]
fn a_family_of_addresses_is_kept_to() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let target = format!("localhost:{}", server.port());
    let connect = |more: &[&str]| {
        let fixed = [&*target, "--cafile", &made.ca, "--resolve", "::1,127.0.0.1"];
        client(&[&fixed[..], more].concat(), b"hello\n")
    };
    assert_eq!(printed(connect(&["-4"])), "hello\n");
    // Nobody listens there.
    let said = sentence(connect(&["-6"]), 1);
    assert!(
        said.contains("[::1]:") && !said.contains("127.0.0.1"),
        "{said}"
    );
    let literal = ["client", &server.address, "--ipv6", "--insecure"];
    let said = sentence(run(&literal), 1);
    assert!(said.contains("127.0.0.1: no address of IPv6"), "{said}");
    assert_eq!(
        run(&["client", "a.test", "-4", "-6"]).status.code(),
        Some(2)
    );
    let shown = run(&["cert", "show", &made.ca, "-4"]);
    assert!(sentence(shown, 2).contains("--ipv4 has no effect"));
}

#[test]
fn connections_come_from_where_they_are_to() {
    let (address, seen) = listening();
    // All of 127.0.0.0/8 is this machine's on Linux.
    let own = if cfg!(target_os = "linux") {
        "127.0.0.2"
    } else {
        "127.0.0.1"
    };
    let output = run(&["client", &address, "--insecure", "--bind", own]);
    assert!(!output.status.success());
    assert_eq!(seen.recv().unwrap().0, own);
    let said = sentence(run(&["client", &address, "--insecure", "--bind", "::1"]), 1);
    assert!(said.contains("no address of IPv6"), "{said}");
    for (more, expected) in [
        (
            &["--bind", "::1", "-4"][..],
            "--bind ::1 and --ipv4 contradict each other",
        ),
        (
            &["--bind", "a.test"],
            "it is an IP address, or one and a port",
        ),
        (&["--bind", "127.0.0.1", "--dtls"], "cannot be used with"),
    ] {
        let output = run(&[&["client", "127.0.0.1:1", "--insecure"][..], more].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}

/// A proxy that knows one server, and says whom it was asked for.
fn proxy(server: &str, says: &'static str) -> (String, Receiver<String>) {
    let server = server.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asked, receiver) = channel();
    std::thread::spawn(move || {
        for io in listener.incoming() {
            let mut io = io.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if io.read_exact(&mut byte).is_err() {
                    break;
                }
                head.extend(byte);
            }
            let _ = asked.send(String::from_utf8(head).unwrap());
            let _ = io.write_all(says.as_bytes());
            if !says.contains(" 200 ") {
                continue;
            }
            let to = TcpStream::connect(&server).unwrap();
            let copied = |mut from: TcpStream, mut to: TcpStream| {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                })
            };
            copied(io.try_clone().unwrap(), to.try_clone().unwrap());
            copied(to, io);
        }
    });
    (address, receiver)
}

#[test]
fn a_proxy_of_http_opens_the_way() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let (address, asked) = proxy(&server.address, "HTTP/1.1 200 OK\r\n\r\n");
    let fixed = [
        "--name",
        "localhost",
        "--cafile",
        &made.ca,
        "--proxy",
        &address,
    ];
    // Whom only the proxy has to find.
    let target = "nowhere.invalid:4433";
    let output = client(&[&[target][..], &fixed].concat(), b"hello\n");
    assert_eq!(printed(output), "hello\n");
    let expected = "CONNECT nowhere.invalid:4433 HTTP/1.1\r\nHost: nowhere.invalid:4433\r\n\r\n";
    assert_eq!(asked.recv().unwrap(), expected);
    let scanned = [
        "scan",
        target,
        "--rate",
        "1000",
        "--json",
        "--fail-on",
        "bad,incomplete",
    ];
    let report: Value =
        serde_json::from_str(&printed(run(&[&scanned[..], &fixed].concat()))).unwrap();
    assert_eq!(report["trusted"], true, "{report}");
    // The server's address is the proxy's to know.
    let output = client(&[&[target, "--json"][..], &fixed].concat(), b"");
    let facts: Value = serde_json::from_str(&printed(output)).unwrap();
    for said in [&report, &facts] {
        assert!(said["address"].is_null(), "{said}");
        assert_eq!(said["proxy"], address, "{said}");
    }
    let injected = "a HTTP/1.1\r\n\r\nb";
    let output = client(&[&[injected][..], &fixed].concat(), b"");
    assert!(sentence(output, 2).contains("is not HOST"));
    let (refusing, _asked) = proxy(&server.address, "HTTP/1.1 403 Not you\r\n\r\n");
    let output = client(&[target, "--insecure", "--proxy", &refusing], b"");
    assert_eq!(
        sentence(output, 1),
        "portcullis: the proxy: it says 403 Not you\n"
    );
    for more in [&["--resolve", "127.0.0.1"][..], &["--dtls"]] {
        let arguments = [&["client", target, "--proxy", &address][..], more].concat();
        assert_eq!(run(&arguments).status.code(), Some(2), "{more:?}");
    }
}

#[test]
fn another_name_is_asked_for_or_none() {
    let made = Certificates::make();
    for (more, expected) in [
        (&[][..], "localhost"),
        (&["--sni", "other.test"], "other.test"),
        (&["--sni", "none"], "none"),
    ] {
        let mut server = Server::once(&[&made.server()[..], &["-v"]].concat());
        let target = format!("localhost:{}", server.port());
        let fixed = [&*target, "--cafile", &made.ca, "--resolve", "127.0.0.1"];
        // The certificate has to have the name of the target all the same.
        assert_eq!(printed(client(&[&fixed[..], more].concat(), b"a\n")), "a\n");
        assert_eq!(server.exit_code(), Some(0));
        let mut said = String::new();
        let stderr = server.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let name = said
            .lines()
            .find_map(|line| line.strip_prefix("server's name:"));
        assert_eq!(name.map(str::trim), Some(expected), "{said}");
    }
    let output = run(&["client", "a.test", "--sni", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("RFC 6066")
    );
}

#[test]
fn keying_material_is_printed_where_it_is_wanted() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let target = format!("localhost:{}", server.port());
    let connect = |more: &[&str]| {
        let fixed = [&*target, "--cafile", &made.ca, "--resolve", "127.0.0.1"];
        client(&[&fixed[..], more].concat(), b"")
    };
    let label = ["--keying-material", "EXPORTER-test"];
    let json = |more: &[&str]| -> Value {
        let output = connect(&[&["--json"], more].concat());
        serde_json::from_str(&printed(output)).unwrap()
    };
    let said = json(&label);
    assert_eq!(said["keying_material"].as_str().unwrap().len(), 64);
    let long = json(
        &[
            &label[..],
            &["--keying-length", "100", "--keying-context", "c"],
        ]
        .concat(),
    );
    assert_eq!(long["keying_material"].as_str().unwrap().len(), 200);
    assert!(json(&[])["keying_material"].is_null());
    let text = String::from_utf8(connect(&label).stderr).unwrap();
    let material = text.strip_prefix("keying material: ").unwrap().trim();
    assert!(material.len() == 64 && material.bytes().all(|byte| byte.is_ascii_hexdigit()));
    // What the protocol itself derives with is nobody's.
    let own = connect(&["--keying-material", "master secret", "--tls", "1.2"]);
    assert!(sentence(own, 2).contains("--keying-material: "));
    let alone = run(&["client", "a.test", "--keying-length", "10"]);
    assert_eq!(alone.status.code(), Some(2));
}

/// Whoever connects takes the socket in place of an address: `client`, `scan`, `cert show` and `bench`, here to a proxy that
/// listens at it.
#[cfg(unix)]
#[test]
fn a_unix_socket_is_a_way_for_all_that_connect() {
    let made = Certificates::make();
    let behind = Server::start(&made.server());
    let socket = made.path("a.sock");
    let at = format!("unix:{socket}");
    let mut proxy =
        support::portcullis(&["proxy", "--listen", &at, "--pass", "--to", &behind.address]);
    let mut proxy = proxy.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    let mut lines = std::io::BufReader::new(proxy.stdout.as_mut().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut ready).unwrap();
    let way = ["--cafile", &made.ca, "--unix", &socket];
    let output = client(&[&["localhost"][..], &way].concat(), b"hello\n");
    let json = client(&[&["localhost", "--json"][..], &way].concat(), b"");
    let shown = run(&[&["cert", "show", "localhost"][..], &way].concat());
    let few = ["--connections", "9", "--rate", "1000", "--json"];
    let scanned = run(&[&["scan", "localhost"][..], &few, &way].concat());
    let short = [
        "--warm-up",
        "0",
        "--duration",
        "1",
        "--rounds",
        "1",
        "--json",
    ];
    let measured = run(&[&["bench", "pingpong", "localhost"][..], &short, &way].concat());
    let plain = run(&[
        &["client", "localhost", "--starttls", "smtp", "--insecure"][..],
        &way[2..],
    ]
    .concat());
    let _ = proxy.kill();
    let _ = proxy.wait();
    assert!(ready.starts_with("READY "), "{ready}");
    assert_eq!(printed(output), "hello\n");
    let facts: Value = serde_json::from_str(&printed(json)).unwrap();
    assert_eq!(facts["address"], Value::Null, "{facts}");
    assert!(printed(shown).contains("CN=localhost"));
    let scan: Value = serde_json::from_str(&printed(scanned)).unwrap();
    assert_eq!(scan["protocols"][0]["offered"], "yes", "{scan}");
    let bench: Value = serde_json::from_str(&printed(measured)).unwrap();
    assert_eq!(bench["complete"], true, "{bench}");
    assert!(sentence(plain, 4).contains("--starttls smtp"));

    let gone = client(
        &["localhost", "--insecure", "--unix", &made.path("none")],
        b"",
    );
    assert!(sentence(gone, 1).contains("connecting to the socket"));
    for more in [
        &["--resolve", "127.0.0.1"][..],
        &["-4"],
        &["--bind", "127.0.0.1"],
        &["--proxy", "a.test:1"],
        &["--dtls"],
    ] {
        let all = [
            &["client", "localhost", "--insecure", "--unix", "a"][..],
            more,
        ]
        .concat();
        assert_eq!(run(&all).status.code(), Some(2), "{more:?}");
    }
    let shown = run(&["cert", "show", &made.ca, "--unix", "a"]);
    assert!(sentence(shown, 2).contains("--unix has no effect"));
}
