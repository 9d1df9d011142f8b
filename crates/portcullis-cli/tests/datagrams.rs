//! `client --dtls` and `server --dtls`.

mod support;

use std::io::Read as _;

use support::*;

#[test]
fn lines_are_messages_and_come_back() {
    let certificates = Certificates::make();
    let server = Server::start(&[&["--dtls", "--mtu", "600"][..], &certificates.server()].concat());
    let target = format!("localhost:{}", server.port());
    let common = [
        "--dtls",
        "--resolve",
        "127.0.0.1",
        "--cafile",
        &certificates.ca,
    ];
    let output = client(
        &[&[&*target][..], &common, &["--json"]].concat(),
        b"one\ntwo\nthree",
    );
    let printed = printed(output);
    let (report, messages) = printed.split_once('\n').unwrap();
    assert!(report.contains("\"DTLSv1.3\""), "{report}");
    assert!(report.contains("\"ok\":true"), "{report}");
    let mut messages: Vec<_> = messages.split_inclusive('\n').collect();
    messages.sort_unstable();
    assert_eq!(messages, ["one\n", "three", "two\n"]);
}

/// With tickets, as over TCP; and who gives none has each client begin anew.
#[test]
fn connections_are_resumed() {
    let certificates = Certificates::make();
    for (tickets, versions, second) in [
        (&["--tickets", "stateless"][..], "1.3..1.3", "resumed"),
        (&["--tickets", "stateless"], "1.2..1.2", "resumed"),
        (
            &["--tickets", "stateful", "--tls", "1.2..1.2"],
            "1.2..1.2",
            "resumed",
        ),
        (&[], "1.2..1.3", "full handshake"),
    ] {
        let server = Server::start(&[&["--dtls"][..], tickets, &certificates.server()].concat());
        let target = format!("localhost:{}", server.port());
        let output = client(
            &[
                &target,
                "--dtls",
                "--tls",
                versions,
                "--resolve",
                "127.0.0.1",
                "--cafile",
                &certificates.ca,
                "--reconnect",
                "1",
            ],
            b"hello\n",
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("connection 1: full handshake"), "{said}");
        let second = format!("connection 2: {second}");
        assert!(said.contains(&second), "{tickets:?} {versions}: {said}");
        assert_eq!(printed(output), "hello\n");
    }
}

#[test]
fn one_client_is_served_and_that_is_all() {
    let certificates = Certificates::make();
    let mut server = Server::once(&[&["--dtls"][..], &certificates.server()].concat());
    let target = format!("localhost:{}", server.port());
    // It trusts nobody who has issued this.
    let other = Certificates::make();
    let refused = client(
        &[
            &target,
            "--dtls",
            "--resolve",
            "127.0.0.1",
            "--cafile",
            &other.ca,
        ],
        b"",
    );
    sentence(refused, 3);
    assert_eq!(server.exit_code(), Some(4));
}

/// What each side has on its records, if both want it.
#[test]
fn connection_ids_are_agreed_on() {
    let certificates = Certificates::make();
    for (versions, of_server, of_client, said) in [
        (
            "1.3..1.3",
            &["--cid"][..],
            &["--cid"][..],
            Some(("none", 16)),
        ),
        (
            "1.2..1.2",
            &["--cid", "32"],
            &["--cid", "8"],
            Some(("", 64)),
        ),
        ("1.3..1.3", &["--cid"], &[], None),
        ("1.2..1.2", &[], &["--cid"], None),
    ] {
        let server = Server::start(&[&["--dtls"][..], of_server, &certificates.server()].concat());
        let target = format!("localhost:{}", server.port());
        let common = [
            &target,
            "--dtls",
            "--verbose",
            "--tls",
            versions,
            "--resolve",
            "127.0.0.1",
            "--cafile",
            &certificates.ca,
        ];
        let output = client(&[&common[..], of_client].concat(), b"hello\n");
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = report
            .lines()
            .find(|line| line.starts_with("connection ids:"));
        match said {
            None => assert_eq!(line, None, "{report}"),
            Some((theirs, digits)) => {
                let line = line.unwrap_or_else(|| panic!("{report}"));
                let (on_theirs, on_ours) = line.split_once(", on what goes ").unwrap();
                assert!(on_theirs.contains(theirs), "{line}");
                assert_eq!(on_ours.len(), digits, "{line}");
            }
        }
        assert_eq!(printed(output), "hello\n");
    }
}

/// As it was asked for, and not to the nanosecond.
#[test]
fn who_never_answers_is_waited_for_as_long_as_is_said() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let arguments = [&*address, "--dtls", "--insecure", "--timeout", "1"];
    let said = sentence(client(&arguments, b""), 6);
    assert!(said.contains("timed out after 1s, while"), "{said}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let arguments = [&*address, "--insecure", "--timeout", "1"];
    let said = sentence(client(&arguments, b""), 6);
    assert!(said.contains("timed out after 1s, while"), "{said}");
}

/// The network says so of each hello; it is believed of the second one.
#[cfg(target_os = "linux")]
#[test]
fn who_is_not_there_is_not_waited_for() {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    let begun = std::time::Instant::now();
    let arguments = [&*address, "--dtls", "--insecure", "--timeout", "20"];
    let said = sentence(client(&arguments, b""), 1);
    assert!(said.contains("nobody listens there"), "{said}");
    assert!(said.contains(&address), "{said}");
    let took = begun.elapsed().as_millis();
    assert!((900..10_000).contains(&took), "{took} ms");
}

/// Stops a server; gives what it has said meanwhile.
fn told(mut server: Server) -> String {
    server.child.kill().unwrap();
    let mut told = String::new();
    let said = server.child.stderr.as_mut().unwrap();
    said.read_to_string(&mut told).unwrap();
    told
}

/// RFC 8446 §4.6.2: the server asks when a message comes that is for those with a certificate.
#[test]
fn a_certificate_is_shown_after_the_handshake() {
    let made = Certificates::make();
    let asks = ["--dtls", "--verbose", "--client-auth", "optional"];
    let later = ["--cafile", &made.ca, "--ask-later", "secret"];
    let alice = ["--cert", &made.client_cert, "--key", &made.client_key];
    let offers = ["--post-handshake-auth"];
    for (more, answer, knows) in [
        ([&offers[..], &alice].concat(), "secret\n", true),
        (offers.to_vec(), "with a certificate", false),
        (alice.to_vec(), "not offered", false),
    ] {
        let server = Server::start(&[&made.server()[..], &asks, &later].concat());
        let target = format!("localhost:{}", server.port());
        let common = [&*target, "--dtls", "--resolve", "127.0.0.1", "--cafile"];
        let arguments = [&common[..], &[&made.ca], &more].concat();
        let printed = printed(client(&arguments, b"open\nsecret\n"));
        assert!(printed.contains("open\n"), "{printed}");
        assert!(printed.contains(answer), "{more:?}: {printed}");
        let told = told(server);
        assert_eq!(told.contains("alice@a.test"), knows, "{told}");
    }
}

/// What comes early goes back, and what does not is sent after the handshake.
#[test]
fn early_data_is_a_message() {
    let made = Certificates::make();
    let folder = made.folder.path();
    let (sessions, data) = (folder.join("sessions"), folder.join("early"));
    let (sessions, data) = (sessions.to_str().unwrap(), data.to_str().unwrap());
    std::fs::write(data, "early\n").unwrap();
    let takes = ["--dtls", "--verbose", "--tickets", "--early-data"];
    for (more, groups, outcome, is_early) in [
        (&takes[..], &["--groups", "x25519"][..], "accepted", true),
        // A share with ML-KEM does not fit into the first hello, and this server asks for a cookie.
        (&takes, &[], "rejected", false),
        (&takes[..3], &["--groups", "x25519"], "sent after", false),
    ] {
        let server = Server::start(&[&made.server()[..], more].concat());
        let target = format!("localhost:{}", server.port());
        let common = [&*target, "--dtls", "--resolve", "127.0.0.1", "--cafile"];
        let common = [&common[..], &[&made.ca], groups].concat();
        let first = client(&[&common[..], &["--sess-out", sessions]].concat(), b"one\n");
        assert_eq!(printed(first), "one\n");
        let early = ["--sess-in", sessions, "--early-data", data];
        let second = client(&[&common[..], &early].concat(), b"two\n");
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        let is_said = said.contains(&format!("early data: {outcome}"));
        assert!(is_said, "{more:?} {groups:?}: {said}");
        let printed = printed(second);
        let mut lines: Vec<_> = printed.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["early", "two"]);
        let told = told(server);
        assert_eq!(told.contains("6 bytes of early data"), is_early, "{told}");
    }
}

/// Where no cookie is asked for anybody can have written a hello, and there is nobody who could be served.
#[test]
fn a_hello_alone_is_not_the_client_that_is_served() {
    let made = Certificates::make();
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let limit = std::time::Duration::from_secs(20);
    stranger.set_read_timeout(Some(limit)).unwrap();
    let own = stranger.local_addr().unwrap().to_string();
    // So long that it can be answered without a cookie.
    let protocol = "p".repeat(200);
    let recorded = ["--dtls", "--insecure", "--groups", "x25519", "--timeout"];
    let recorded = [&[&*own][..], &recorded, &["1", "--alpn", &protocol]].concat();
    sentence(client(&recorded, b""), 6);
    let mut hello = [0; 2_048];
    let length = stranger.recv(&mut hello).unwrap();

    let takes = ["--dtls", "--tickets", "--early-data"];
    let mut server = Server::once(&[&made.server()[..], &takes].concat());
    let target: std::net::SocketAddr = format!("127.0.0.1:{}", server.port()).parse().unwrap();
    stranger.send_to(&hello[..length], target).unwrap();
    let mut answer = [0; 2_048];
    while stranger.recv_from(&mut answer).unwrap().1 != target {}
    // RFC 8446 §4.1.3: a ServerHello that asks for no second hello.
    assert_eq!((answer[0], answer[13]), (22, 2));
    assert_ne!(answer[27..31], [0xcf, 0x21, 0xad, 0x74]);

    let target = format!("localhost:{}", server.port());
    let honest = ["--dtls", "--resolve", "127.0.0.1", "--cafile"];
    let honest = [&[&*target][..], &honest, &[&made.ca]].concat();
    assert_eq!(printed(client(&honest, b"hello\n")), "hello\n");
    assert_eq!(server.exit_code(), Some(0));
}

/// One that has shown that it is there is the one, also where it wants nothing of this server.
#[test]
fn a_client_that_refuses_is_the_one_that_is_served() {
    let (made, other) = (Certificates::make(), Certificates::make());
    let takes = ["--dtls", "--tickets", "--early-data"];
    let mut server = Server::once(&[&made.server()[..], &takes].concat());
    let target = format!("localhost:{}", server.port());
    let common = ["--dtls", "--groups", "x25519", "--resolve", "127.0.0.1"];
    let protocol = "p".repeat(200);
    let more = ["--alpn", &protocol, "--cafile", &other.ca];
    sentence(client(&[&[&*target][..], &common, &more].concat(), b""), 3);
    assert_eq!(server.exit_code(), Some(4));
}

#[test]
fn what_has_no_effect_over_datagrams_is_refused() {
    for arguments in [
        &["client", "localhost:1", "--dtls", "--commands"][..],
        &["client", "localhost:1", "--dtls", "--starttls", "smtp"],
        &["client", "localhost:1", "--mtu", "600"],
        &["client", "localhost:1", "--dtls", "--mtu", "100"],
        &["server", "--dtls", "--www"],
        &["server", "--mtu", "600"],
        &["client", "localhost:1", "--cid"],
        &["client", "localhost:1", "--dtls", "--cid", "7"],
        &["server", "--dtls", "--ask-later", "secret"],
        &["server", "--ask-later", "/secret"],
        &["server", "--dtls", "--cid", "33"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}
