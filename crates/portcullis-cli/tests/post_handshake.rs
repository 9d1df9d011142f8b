//! Authentication after the handshake (RFC 8446 §4.6.2) in the command, with OpenSSL at the other end.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use support::{Certificates, Server, portcullis};

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn our_server_asks_openssl_on_one_path() {
    let made = Certificates::make();
    let more = [
        "--www",
        "--ask-later",
        "/private",
        "--client-auth",
        "optional",
    ];
    let more = [&more[..], &["--cafile", &made.ca]].concat();
    let server = Server::start(&[&made.server()[..], &more].concat());
    let fixed = [
        "s_client",
        "-connect",
        &server.address,
        "-CAfile",
        &made.ca,
        "-quiet",
        "-ign_eof",
    ];
    let alice = ["-cert", &made.client_cert, "-key", &made.client_key];
    let offers = ["-enable_pha"];
    for (more, status, said) in [
        ([&offers[..], &alice].concat(), "200 OK", "alice@a.test"),
        (offers.to_vec(), "403 Forbidden", "with a certificate"),
        (alice.to_vec(), "403 Forbidden", "not offered"),
    ] {
        let output = support::with_input(
            openssl(&[&fixed[..], &more].concat()),
            b"GET /private HTTP/1.0\r\n\r\n",
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.starts_with(&format!("HTTP/1.0 {status}\r\n")),
            "{output:?}"
        );
        assert!(text.contains(said), "{text}");
    }
}

/// Until OpenSSL has shown that so many of these have come.
fn wait_for(lines: &mut impl Iterator<Item = String>, message: &str) {
    let found = lines.any(|line| line.starts_with("<<<") && line.ends_with(message));
    assert!(found, "no {message}");
}

#[test]
fn openssl_asks_our_client() {
    let made = Certificates::make();
    let fixed = [
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-naccept",
        "1",
        "-msg",
    ];
    let verify = ["-verify", "4", "-CAfile", &made.ca, "-verify_return_error"];
    let cert = ["-cert", &made.cert, "-key", &made.key];
    let alice = ["--cert", &made.client_cert, "--key", &made.client_key];
    // With a certificate, and with none to show.
    for (alice, last) in [(&alice[..], "CertificateVerify"), (&[], "Finished")] {
        let mut server = openssl(&[&fixed[..], &verify, &cert].concat())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let port = lines.find_map(|line| {
            let address = line.strip_prefix("ACCEPT ")?;
            Some(address.rsplit(':').next()?.to_owned())
        });
        let target = format!("localhost:{}", port.unwrap());
        let more = [
            "--resolve",
            "127.0.0.1",
            "--cafile",
            &made.ca,
            "--post-handshake-auth",
        ];
        let mut command = portcullis(&[&["client", &*target][..], &more, alice].concat());
        let mut client = command.spawn().unwrap();
        // It says nothing for now. The first request is that of the handshake.
        wait_for(&mut lines, "Finished");
        for _ in 0..2 {
            server.stdin.as_mut().unwrap().write_all(b"c\n").unwrap();
            wait_for(&mut lines, last);
            if last != "Finished" {
                wait_for(&mut lines, "Finished");
            }
        }
        // The connection is as good as before.
        client
            .stdin
            .take()
            .unwrap()
            .write_all(b"still here\n")
            .unwrap();
        assert!(lines.any(|line| line == "still here"));
        // Which ends five seconds after its input, and says so.
        lines.for_each(drop);
        server.wait().unwrap();
        let mut told = String::new();
        client
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut told)
            .unwrap();
        assert!(client.wait().unwrap().success(), "{told}");
    }
}
