//! What is said when something is wrong: it names options, which people have, and says what can be done.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use support::{Certificates, Server, client, printed, run, sentence};

/// What a server says, line by line.
fn lines(server: &mut Server) -> Receiver<String> {
    let said = BufReader::new(server.child.stderr.take().unwrap());
    let (say, lines) = channel();
    std::thread::spawn(move || {
        for line in said.lines() {
            let _ = say.send(line.unwrap());
        }
    });
    lines
}

fn next(lines: &Receiver<String>) -> String {
    let line = lines.recv_timeout(Duration::from_secs(30));
    line.expect("a line in time")
}

fn serve(made: &Certificates, more: &[&str]) -> Server {
    Server::start(&[&made.server()[..], more].concat())
}

/// Of a client that trusts the authority.
fn refused(made: &Certificates, server: &Server, more: &[&str], code: i32) -> String {
    let arguments = [&[&*server.address, "--cafile", &made.ca], more].concat();
    let said = sentence(client(&arguments, b""), code);
    said.trim_end().to_owned()
}

#[test]
fn certificates_in_files_have_no_peer_and_no_clock() {
    let made = Certificates::make();
    let verify = |more: &[&str]| {
        let arguments = [&["cert", "verify", &made.cert], more].concat();
        sentence(run(&arguments), 3)
    };
    let trusting = |more: &[&str]| verify(&[&["--cafile", &made.ca], more].concat());
    let early = trusting(&["--time", "0"]);
    assert!(early.contains(" is valid from "), "{early}");
    let end = " on and is looked at as of Jan  1 00:00:00 1970 +00:00\n";
    assert!(early.ends_with(end), "{early}");
    let late = trusting(&["--time", "2099-01-01T00:00:00Z"]);
    let end = " and is looked at as of Jan  1 00:00:00 2099 +00:00\n";
    assert!(
        late.contains(" expired on ") && late.ends_with(end),
        "{late}"
    );
    assert_eq!(
        trusting(&["--name", "other.test"]),
        "portcullis: the certificate (CN=localhost) is not valid for other.test: it is for the DNS name \"localhost\", \
         the IP address 127.0.0.1, the IP address ::1 only\n"
    );
    let unknown = verify(&["--cafile", &made.client_cert]);
    let begin = "portcullis: the certificate (CN=localhost) was issued by CN=portcullis development authority ";
    let end = "which is neither in the chain nor among the 1 trust anchors: give the files with its intermediate \
               certificates, too, or that CA has to be named with --cafile\n";
    assert!(
        unknown.starts_with(begin) && unknown.ends_with(end),
        "{unknown}"
    );
    let empty = made.path("empty.crl");
    fs::create_dir(&empty).unwrap();
    let unlisted = trusting(&["--crl", &empty]);
    let begin =
        "portcullis: whether the certificate (CN=localhost) was revoked cannot be told: no CRL of ";
    let end = ": provide the CRL with --crl FILE, or accept that with --crl-check best-effort\n";
    assert!(
        unlisted.starts_with(begin) && unlisted.ends_with(end),
        "{unlisted}"
    );
    let check = [
        "crl", "check", &made.cert, "--cafile", &made.ca, "--crl", &empty,
    ];
    assert_eq!(sentence(run(&check), 3), unlisted);
}

/// It is asked whether two files are swapped only where there are two.
#[test]
fn keys_and_certificates_in_each_others_place() {
    let made = Certificates::make();
    let listen = ["server", "--listen", "127.0.0.1:0"];
    let (cert, key) = (&*made.cert, &*made.key);
    let swapped = sentence(
        run(&[&listen[..], &["--cert", key, "--key", cert]].concat()),
        2,
    );
    assert!(
        swapped.contains("are --cert and --key swapped?"),
        "{swapped}"
    );
    for more in [&[][..], &["--reload"]] {
        let without = sentence(run(&[&listen[..], &["--cert", cert], more].concat()), 2);
        let end = "; if it is in a file of its own, name that with --key\n";
        assert!(without.contains("there is no private key"), "{without}");
        assert!(without.ends_with(end), "{without}");
    }
    for arguments in [
        &["cert", "show", key][..],
        &["client", "localhost:1", "--cafile", key],
        &["server", "--listen", "127.0.0.1:0", "--cert", key],
    ] {
        let said = sentence(run(arguments), 2);
        let end = "there is a private key and no certificate: name a file with certificates\n";
        assert!(said.ends_with(end), "{said}");
    }
}

#[test]
fn lists_are_fetched_from_single_addresses_too() {
    let made = Certificates::make();
    for net in ["10.0.0.1", "10.0.0.0/8", "fd00::1,10.0.0.1"] {
        let arguments = ["cert", "verify", &made.cert, "--cafile", &made.ca];
        let lists = [
            "--crl",
            "http",
            "--crl-check",
            "best-effort",
            "--crl-allow",
            net,
        ];
        let text = printed(run(&[&arguments[..], &lists].concat()));
        assert!(text.starts_with("trusted: CN=localhost\n"), "{text}");
    }
    // Nobody is there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ca.crl", nobody.local_addr().unwrap());
    drop(nobody);
    for option in ["--allow", "--crl-allow"] {
        let fetch = ["crl", "fetch", &url, option, "127.0.0.1"];
        let said = String::from_utf8(run(&fetch).stderr).unwrap();
        assert!(!said.contains("is not fetched"), "{said}");
        let wrong = ["crl", "fetch", &url, option, "localhost"];
        let output = run(&wrong);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            said.contains("neither an address nor a net, as 10.0.0.0/8"),
            "{said}"
        );
    }
    let low = "http://127.0.0.1:25/ca.crl";
    let fetch = ["crl", "fetch", low, "--allow", "127.0.0.1"];
    let said = sentence(run(&fetch), 4);
    let what = "port 25 is that of another service; allow it with --crl-port";
    assert!(said.contains(what), "{said}");
    for option in ["--port", "--crl-port"] {
        let allowed = [&fetch[..], &[option, "24,25"]].concat();
        let said = String::from_utf8(run(&allowed).stderr).unwrap();
        assert!(!said.contains("is not fetched"), "{said}");
        let wrong = [&fetch[..], &[option, "0"]].concat();
        assert_eq!(run(&wrong).status.code(), Some(2), "{option}");
    }
    for option in ["--crl-port", "--crl-allow"] {
        let with = ["--crl", made.ca.as_str(), option, "10"];
        let with = match option {
            "--crl-port" => with,
            _ => ["--crl", made.ca.as_str(), option, "10.0.0.1"],
        };
        let verify = ["cert", "verify", &made.cert, "--cafile", &made.ca];
        let said = sentence(run(&[&verify[..], &with].concat()), 2);
        let expected = format!("portcullis: {option} has no effect without --crl http\n");
        assert_eq!(said, expected);
    }
    // What the text says can be done.
    let said = sentence(run(&["crl", "fetch", &url]), 4);
    let what = "127.0.0.1 is of this machine; allow it with --crl-allow";
    assert!(said.contains(what), "{said}");
}

/// With `-vv` the library's own log is shown: it names what people here have as well, and a word for what is wrong.
#[test]
fn the_log_names_options() {
    let made = Certificates::make();
    let empty = made.path("empty.crl");
    fs::create_dir(&empty).unwrap();
    let server = serve(&made, &[]);
    let arguments = [
        &*server.address,
        "--cafile",
        &made.ca,
        "--crl",
        &empty,
        "-vv",
    ];
    let output = client(&arguments, b"");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    let logged = said
        .lines()
        .find(|line| line.contains("the handshake failed"));
    let logged = logged.unwrap_or_else(|| panic!("{said}"));
    for part in [
        "provide the CRL with --crl FILE, or accept that with --crl-check best-effort",
        r#"reason="revocation_status_undetermined""#,
    ] {
        assert!(logged.contains(part), "{logged}");
    }
    assert!(!said.contains("CrlCheck"), "{said}");
}

#[test]
fn encrypted_hellos() {
    let made = Certificates::make();
    let said = sentence(run(&["ech", "show", "not base64"]), 2);
    assert_eq!(
        said,
        "portcullis: not base64: there is no such file, and it is no base64\n"
    );
    let said = sentence(run(&["ech", "show", "AAAA"]), 2);
    let end = "it is the value of `ech` in the server's HTTPS record, in base64\n";
    assert!(said.ends_with(end), "{said}");
    let [old, new] = ["old", "new"].map(|name| {
        let file = made.path(name);
        let list = printed(run(&["ech", "new", "--public-name", "localhost", &file]));
        (file, list.lines().next().unwrap().to_owned())
    });
    let server = serve(&made, &["--ech-keys", &new.0]);
    let target = format!("localhost:{}", server.port());
    let fixed = [&*target, "--resolve", "127.0.0.1", "--cafile", &made.ca];
    let said = sentence(client(&[&fixed[..], &["--ech", &old.1]].concat(), b""), 4);
    assert!(
        said.contains(
            "localhost did not accept the encrypted ClientHello: connect with the configurations that it sends by \
             --ech-retry"
        ),
        "{said}"
    );
}

#[test]
fn pre_shared_keys_that_nobody_takes() {
    let made = Certificates::make();
    let server = serve(&made, &[]);
    let key = ["--psk", "alice:00112233445566778899aabbccddeeff"];
    let said = sentence(client(&[&[&*server.address], &key[..]].concat(), b""), 3);
    assert_eq!(
        said,
        "portcullis: the server shows a certificate, and the pre-shared key, or the password, was to prove who it is: it \
         has not taken it, because it has none, or has another one; with --ciphers that have certificates it would be \
         judged by this one, while verifying the peer's certificate chain; the peer was sent the alert unknown_ca\n"
    );
    let none = "portcullis: --ciphers: none goes with a pre-shared key; in TLS 1.3 these are the ones with SHA-256, as \
                TLS_AES_128_GCM_SHA256, or all with --psk-import, and before the ones of PSK and ECDHE_PSK\n";
    let other = ["--ciphers", "TLS_AES_256_GCM_SHA384"];
    let of_client = [&["client", &*server.address], &key[..], &other].concat();
    assert_eq!(sentence(run(&of_client), 2), none);
    let of_server = [&["server", "--listen", "127.0.0.1:0"], &key[..], &other].concat();
    assert_eq!(sentence(run(&of_server), 2), none);
    // Imported, it goes with all.
    let imported = [&key[..], &other, &["--psk-import", "context"]].concat();
    let server = Server::start(&imported);
    let output = client(&[&[&*server.address], &imported[..]].concat(), b"x");
    assert_eq!(output.stdout, b"x", "{output:?}");
}

/// What only old versions have is used with these, and nothing is to be named for that.
#[test]
fn old_versions_alone() {
    let made = Certificates::make();
    for versions in ["1.1", "1.0", "1.0..1.1", "1.1..1.3"] {
        let server = serve(&made, &["--tls", versions]);
        for (of_client, is_spoken) in [(versions, true), ("1.2", versions.ends_with("1.3"))] {
            let arguments = [
                &*server.address,
                "--cafile",
                &made.ca,
                "--tls",
                of_client,
                "-v",
            ];
            let output = client(&arguments, b"x");
            assert_eq!(output.status.success(), is_spoken, "{versions}: {output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            let is_old = said.contains("_CBC_SHA");
            let wants_old = is_spoken && !versions.ends_with("1.3");
            assert_eq!(is_old, wants_old, "{versions}: {said}");
        }
    }
}

#[test]
fn certificates_that_come_without_a_response() {
    let made = Certificates::make();
    let server = serve(&made, &[]);
    let said = refused(&made, &server, &["--status=require"], 3);
    assert!(
        said.contains("must come with an OCSP response (--status=require) and has none"),
        "{said}"
    );
    let auto = [
        &["server", "--listen", "127.0.0.1:0", "--ocsp", "auto"],
        &made.server()[..],
    ];
    let said = sentence(run(&auto.concat()), 2);
    assert!(!said.contains('`'), "{said}");
    let suites = [
        "--ciphers",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "--tls",
        "1.2",
    ];
    let old = serve(&made, &suites);
    let said = refused(&made, &old, &[], 4);
    assert!(
        said.contains("are offered only if --ciphers names them"),
        "{said}"
    );
}

#[test]
fn commands_of_another_version() {
    let made = Certificates::make();
    let server = serve(&made, &["--tls", "1.3"]);
    let arguments = [&*server.address, "--cafile", &made.ca, "--commands"];
    let output = client(&arguments, b":renegotiate\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("TLS 1.3 has no renegotiation; `:update-keys` changes keys"),
        "{said}"
    );
}

#[test]
fn a_file_of_sessions_that_is_none() {
    let made = Certificates::make();
    let (store, key) = (made.path("store"), made.path("store-key"));
    fs::write(&store, "something else").unwrap();
    fs::write(&key, [7; 32]).unwrap();
    let place = format!("disk:{store}");
    let arguments = ["server", "--store", &place, "--store-key", &key];
    let said = sentence(run(&arguments), 2);
    assert!(said.contains("; move it away, or remove it: "), "{said}");
}

/// A file of ticket keys that is gone, that is wrong, and that is there again: each is said once.
#[test]
fn a_file_of_ticket_keys_that_cannot_be_read_any_more() {
    let made = Certificates::make();
    let file = made.path("tickets");
    printed(run(&["ticket-key", "new", &file]));
    let keys = fs::read(&file).unwrap();
    let mut server = serve(&made, &["--ticket-key", &file]);
    let lines = lines(&mut server);
    fs::remove_file(&file).unwrap();
    assert_eq!(
        next(&lines),
        format!(
            "portcullis: ticket keys from {file}: No such file or directory (os error 2); those that were read before \
             stay"
        )
    );
    // Nobody has to come for it, and who comes changes nothing.
    for _ in 0..3 {
        let output = client(&[&*server.address, "--cafile", &made.ca], b"x");
        assert_eq!(output.stdout, b"x");
    }
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(lines.try_recv().is_err(), "it is said once");
    let fresh = made.path("fresh");
    fs::write(&fresh, &keys).unwrap();
    fs::rename(&fresh, &file).unwrap();
    assert_eq!(
        next(&lines),
        "portcullis: --ticket-key: the file is right again"
    );
}

/// Sessions on a disk that another key has sealed cost full handshakes, and whoever has mistaken the file of keys hears why.
#[test]
fn sessions_that_another_key_has_sealed() {
    let made = Certificates::make();
    let (store, key, session) = (made.path("store"), made.path("key"), made.path("session"));
    let place = format!("disk:{store}");
    let options = ["--store", &place, "--store-key", &key];
    fs::write(&key, [5; 32]).unwrap();
    let first = serve(&made, &options);
    let connect = |server: &Server, more: &[&str]| {
        let arguments = [&*server.address, "--cafile", &made.ca, "--tls", "1.2", "-v"];
        let output = client(&[&arguments[..], more].concat(), b"");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    connect(&first, &["--sess-out", &session]);
    // A server stores a session beside the connection: this one is there once it is resumed.
    let resumed = |server: &Server| {
        connect(server, &["--sess-in", &session]).contains("resumed:         yes\n")
    };
    let begun = std::time::Instant::now();
    while !resumed(&first) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is stored");
    }
    drop(first);
    fs::write(&key, [6; 32]).unwrap();
    let mut second = serve(&made, &options);
    let lines = lines(&mut second);
    for _ in 0..2 {
        let summary = connect(&second, &["--sess-in", &session]);
        assert!(summary.contains("resumed:         no\n"), "{summary}");
    }
    let line = next(&lines);
    assert!(
        line.starts_with(
            "portcullis: --store: a session in the store was not sealed with any of its store keys"
        ),
        "{line}"
    );
    assert!(line.contains("those sessions expire"), "{line}");
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(lines.try_recv().is_err(), "it is said once");
}

/// A key that does not fit is said within seconds, and at once to those who ask.
#[cfg(unix)]
#[test]
fn what_is_not_taken_over_is_said_soon() {
    let (made, other) = (Certificates::make(), Certificates::make());
    let mut server = serve(&made, &["--reload"]);
    let lines = lines(&mut server);
    let begun = std::time::Instant::now();
    fs::copy(&other.key, &made.key).unwrap();
    let line = next(&lines);
    let begin = "portcullis: not taken over, what was there stays: ";
    assert!(line.starts_with(begin), "{line}");
    // 10 seconds are what the library waits for somebody who writes.
    assert!(begun.elapsed() < Duration::from_secs(10), "{line}");
    fs::copy(&other.cert, &made.cert).unwrap();
    let line = next(&lines);
    assert!(line.starts_with("portcullis: taken over: "), "{line}");
}
