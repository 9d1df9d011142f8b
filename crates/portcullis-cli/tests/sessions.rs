//! Clients that come back: sessions in files, tickets, stores, and early data.

mod support;

use std::fs;
use std::io::Read as _;
use std::process::Output;

use serde_json::Value;
use support::{Certificates, Server, client, printed, run, sentence};

fn serve(made: &Certificates, more: &[&str]) -> Server {
    Server::start(&[&made.server()[..], more].concat())
}

/// What a client is told of a connection, and what it was answered.
fn connect(server: &Server, made: &Certificates, more: &[&str], input: &[u8]) -> (Value, String) {
    let arguments = [&[&*server.address, "--cafile", &made.ca, "--json"], more].concat();
    let output = client(&arguments, input);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (facts, answer) = text.split_once('\n').unwrap();
    (serde_json::from_str(facts).unwrap(), answer.to_owned())
}

fn resumes(server: &Server, made: &Certificates, more: &[&str]) -> bool {
    let (facts, answer) = connect(server, made, more, b"hello");
    assert_eq!(answer, "hello");
    facts["resumed"].as_bool().unwrap()
}

/// What a server has said, which ends it.
fn said(mut server: Server) -> String {
    let mut text = String::new();
    server.child.kill().unwrap();
    let mut stderr = server.child.stderr.take().unwrap();
    stderr.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn sessions_go_from_one_start_to_the_next() {
    let made = Certificates::make();
    let file = made.path("sessions");
    for (tickets, tls) in [
        ("stateless", "1.3"),
        ("stateful", "1.3"),
        ("stateless", "1.2"),
        ("stateful", "1.2"),
    ] {
        let server = serve(&made, &["--tickets", tickets]);
        let keeping = ["--tls", tls, "--sess-out", &file];
        assert!(!resumes(&server, &made, &keeping), "{tickets} {tls}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        for _ in 0..3 {
            let both = ["--tls", tls, "--sess-in", &file, "--sess-out", &file];
            assert!(resumes(&server, &made, &both), "{tickets} {tls}");
        }
        // A ticket of TLS 1.3 that is kept is good for one connection; others can be used again.
        let again = ["--tls", tls, "--sess-in", &file];
        assert!(resumes(&server, &made, &again));
        if (tickets, tls) != ("stateful", "1.3") {
            assert!(resumes(&server, &made, &again));
        }
    }
    // A server that gives none: nothing is written, and it is said.
    fs::remove_file(&file).unwrap();
    let server = serve(&made, &[]);
    let arguments = [&*server.address, "--cafile", &made.ca, "--sess-out", &file];
    let output = client(&arguments, b"");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("has given no session"), "{text}");
    assert!(fs::metadata(&file).is_err());
}

#[test]
fn a_damaged_file_of_sessions_is_one_sentence() {
    let made = Certificates::make();
    let file = made.path("sessions");
    let server = serve(&made, &["--tickets"]);
    resumes(&server, &made, &["--sess-out", &file]);
    let good = fs::read_to_string(&file).unwrap();
    let (head, first) = good.split_once('\n').unwrap();
    let first = first.lines().next().unwrap();
    let refused = |contents: &[u8], says: &str| {
        fs::write(&file, contents).unwrap();
        let arguments = [&*server.address, "--cafile", &made.ca, "--sess-in", &file];
        let said = sentence(client(&arguments, b""), 2);
        let about = format!("portcullis: --sess-in {file}: ");
        assert!(said.starts_with(&about) && said.contains(says), "{said}");
        // Not one word of what is there.
        assert!(!said.contains(&first[..8]), "{said}");
    };
    // Cut anywhere but behind the head, within a session, or at the end of a line.
    for at in (0..first.len() + head.len()).step_by(97) {
        refused(&good.as_bytes()[..at], "");
    }
    refused(&good.as_bytes()[..good.len() - 1], "damaged");
    refused(good.replace(first, &first[4..]).as_bytes(), "damaged");
    refused(good.replacen(" 1\n", " 2\n", 1).as_bytes(), "is no file");
    refused(&[0xff; 100], "is no file");
    refused(b"", "is no file");
    refused(&vec![b'a'; 2 << 20], "longer than");
    // Whole, it is good.
    fs::write(&file, &good).unwrap();
    assert!(resumes(&server, &made, &["--sess-in", &file]));
    let arguments = [&*server.address, "--sess-in", "/nowhere/at/all"];
    sentence(client(&arguments, b""), 2);
    let arguments = [&*server.address, "--sess-out", "/nowhere/at/all"];
    assert!(sentence(client(&arguments, b""), 2).contains("no file can be there"));
}

fn early(server: &Server, made: &Certificates, file: &str, data: &str) -> (Output, Value) {
    let arguments = [
        [&*server.address, "--cafile", &made.ca],
        ["--json", "--sess-in", file],
        ["--sess-out", file, "--early-data"],
    ];
    let output = client(&[arguments.as_flattened(), &[data]].concat(), b" second");
    assert!(output.status.success(), "{output:?}");
    let line = output.stdout.split(|byte| *byte == b'\n').next().unwrap();
    let facts = serde_json::from_slice(line).unwrap();
    (output, facts)
}

#[test]
fn early_data_is_echoed_early_or_sent_later() {
    let made = Certificates::make();
    let (file, data) = (made.path("sessions"), made.path("early"));
    fs::write(&data, "first").unwrap();
    for tickets in ["stateless", "stateful"] {
        let server = serve(&made, &["--tickets", tickets, "--early-data", "-v"]);
        resumes(&server, &made, &["--sess-out", &file]);
        for _ in 0..3 {
            let (output, facts) = early(&server, &made, &file, &data);
            assert!(output.stdout.ends_with(b"\nfirst second"), "{output:?}");
            assert_eq!(facts["early_data"], "accepted", "{tickets}");
            assert_eq!(output.stderr, b"early data: accepted\n");
        }
        let said = said(server);
        let told = ": 5 bytes of early data\n";
        assert_eq!(said.matches(told).count(), 3, "{said}");
        assert_eq!(said.matches("early data:      accepted\n").count(), 3);
    }
    // A server that takes none gets it after the handshake, and so does one without the session.
    for (more, status) in [
        (&["--tickets"][..], Value::Null),
        (
            &["--tickets", "--early-data"],
            Value::from("rejected: the session was not resumed"),
        ),
    ] {
        let server = serve(&made, more);
        if status.is_null() {
            resumes(&server, &made, &["--sess-out", &file]);
        }
        let (output, facts) = early(&server, &made, &file, &data);
        assert!(output.stdout.ends_with(b"\nfirst second"), "{output:?}");
        assert_eq!(facts["early_data"], status, "{more:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("sent after the handshake"), "{text}");
        // The next round has a session that allows it, of a server that is gone.
        let server = serve(&made, &["--tickets", "--early-data"]);
        resumes(&server, &made, &["--sess-out", &file]);
    }
    fs::write(&data, "").unwrap();
    let arguments = ["localhost:1", "--insecure", "--early-data", &data];
    assert!(sentence(client(&arguments, b""), 2).contains("nothing in it"));
}

#[test]
fn an_early_request_is_answered() {
    let made = Certificates::make();
    let (file, data) = (made.path("sessions"), made.path("early"));
    // Also where the end of the head comes after the handshake.
    for (request, rest) in [
        ("GET / HTTP/1.0\r\n\r\n", &b""[..]),
        ("GET / HTTP/1.0\r\n", b"\r\n"),
    ] {
        fs::write(&data, request).unwrap();
        let server = serve(&made, &["--tickets", "--early-data", "100", "--www"]);
        let request = b"GET / HTTP/1.0\r\n\r\n";
        connect(&server, &made, &["--sess-out", &file], request);
        let options = ["--sess-in", &file, "--early-data", &data];
        let (facts, answer) = connect(&server, &made, &options, rest);
        assert_eq!(facts["early_data"], "accepted");
        assert!(answer.contains("\nearly data:      accepted\n"), "{answer}");
    }
}

#[test]
fn servers_with_the_same_keys_are_one() {
    let made = Certificates::make();
    let (keys, seed) = (made.path("tickets.key"), made.path("seed"));
    let file = made.path("sessions");
    let first = printed(run(&["ticket-key", "new", &keys]));
    let next = |said: &str| said.lines().nth(1).unwrap()["next:  ".len()..].to_owned();
    let said = sentence(run(&["ticket-key", "new", &keys]), 2);
    assert_eq!(
        said,
        format!("portcullis: {keys}: is there already; `ticket-key rotate` changes its keys\n")
    );
    fs::write(&seed, [7; 48]).unwrap();
    let both = ["--sess-in", &file, "--sess-out", &file];
    for shared in [["--ticket-key", &keys], ["--ticket-seed", &seed]] {
        let servers = [serve(&made, &shared), serve(&made, &shared)];
        resumes(&servers[0], &made, &["--sess-out", &file]);
        for round in 0..4 {
            assert!(resumes(&servers[round % 2], &made, &both), "{shared:?}");
        }
    }
    // A server that has not yet seen the change opens what the others seal after it.
    let old = made.path("old.key");
    fs::copy(&keys, &old).unwrap();
    let second = printed(run(&["ticket-key", "rotate", &keys]));
    assert!(second.starts_with(&format!("seals: {}\n", next(&first))));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&keys).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let servers = [&old, &keys].map(|keys| serve(&made, &["--ticket-key", keys]));
    resumes(&servers[0], &made, &["--sess-out", &file]);
    for round in 0..4 {
        assert!(resumes(&servers[round % 2], &made, &both), "{round}");
    }
    let refused = |contents: &[u8]| {
        let bad = made.path("bad.key");
        fs::write(&bad, contents).unwrap();
        let said = sentence(run(&["ticket-key", "rotate", &bad]), 2);
        assert!(said.contains("no file of ticket keys"), "{said}");
        assert_eq!(fs::read(&bad).unwrap(), contents);
    };
    refused(b"");
    refused(&[1; 47]);
    sentence(run(&["ticket-key", "rotate", "/nowhere"]), 2);
}

#[test]
fn a_killed_server_resumes_from_its_disk() {
    let made = Certificates::make();
    let (file, key) = (made.path("sessions"), made.path("store.key"));
    fs::write(&key, [5; 32]).unwrap();
    let place = format!("disk:{}", made.path("server.sessions"));
    let options = ["--store", &place, "--store-key", &key];
    let both = ["--sess-in", &file, "--sess-out", &file];
    let mut server = serve(&made, &options);
    resumes(&server, &made, &["--sess-out", &file]);
    for _ in 0..3 {
        // By SIGKILL.
        drop(server);
        server = serve(&made, &options);
        assert!(resumes(&server, &made, &both));
    }
    // A second one may not have the file.
    let mut arguments = vec!["server", "--listen", "127.0.0.1:0"];
    arguments.extend(options);
    let said = sentence(run(&arguments), 2);
    assert!(said.contains("--store: "), "{said}");
    drop(server);
    fs::write(&key, [6; 33]).unwrap();
    let said = sentence(run(&arguments), 2);
    assert!(said.contains("no file of store keys"), "{said}");
    assert!(
        said.contains("`openssl rand 32`") && said.contains("it has 33 bytes"),
        "{said}"
    );
}

/// Options that would have no effect, or would let replays through.
#[test]
fn options_that_do_not_go_together() {
    let made = Certificates::make();
    let key = made.path("key");
    fs::write(&key, [5; 48]).unwrap();
    let secret = "redis://:hidden@127.0.0.1:1/";
    for (options, says) in [
        (
            &["--early-data"][..],
            "--early-data has no effect without --tickets",
        ),
        (
            &["--ticket-period", "60"],
            "--ticket-period has no effect without --tickets",
        ),
        (
            &["--early-data", "--ticket-period", "60"],
            "--early-data and --ticket-period have no effect without --tickets",
        ),
        (
            &["--store", "memory", "--ticket-seed", &key],
            "--ticket-seed has no effect with --store, where tickets are names of sessions",
        ),
        (&["--early-data-window", "5"], "--early-data"),
        (
            &["--tickets", "stateless", "--store", "memory"],
            "--store has no effect",
        ),
        (
            &["--tickets", "stateful", "--ticket-seed", &key],
            "--ticket-seed has no effect with --tickets stateful",
        ),
        (
            &["--ticket-key", &key, "--ticket-seed", &key],
            "cannot be used with",
        ),
        (&["--ticket-seed", &key, "--early-data"], "--replay-guard"),
        (
            &[
                "--ticket-seed",
                &key,
                "--early-data",
                "--replay-guard",
                "disk:x",
            ],
            "none on disk",
        ),
        (
            &[
                "--ticket-seed",
                &key,
                "--early-data",
                "--replay-guard",
                "x:hidden",
            ],
            "no such place; there are memory, redis://, ",
        ),
        (
            &["--store", "memory", "--store-key", &key],
            "--store-key has no effect",
        ),
        (
            &[
                "--store",
                "memory",
                "--early-data",
                "--replay-guard",
                "memory",
            ],
            "no effect",
        ),
        (&["--store", secret], "name a --store-key"),
        (
            &["--store", "elsewhere:hidden"],
            "no such place; there are memory, disk:PATH, redis://, ",
        ),
        (
            &["--store", "redis:hidden", "--store-key", &key],
            "no file of store keys",
        ),
        (
            &["--tickets", "--store-cafile", &key],
            "--store-cafile has no effect",
        ),
        (
            &["--store", "memory", "--store-password-file", &key],
            "--store-password-file has no effect",
        ),
        (&["--tickets", "--early-data", "0"], "0 bytes are none"),
        (
            &["--tickets", "--early-data", "--early-data-window", "61"],
            "'--early-data-window <SECONDS>': 61 is not in 1..=60",
        ),
        (
            &["--tickets", "--ticket-period", "0"],
            "'--ticket-period <SECONDS>': 0 is not in 1..=604800",
        ),
        (
            &["--tickets", "--ticket-period", "604801"],
            "'--ticket-period <SECONDS>': 604801 is not in 1..=604800",
        ),
    ] {
        let mut arguments = vec!["server", "--listen", "127.0.0.1:0"];
        arguments.extend(options);
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(says) && !said.contains("hidden"),
            "{options:?}: {said}"
        );
    }
    // A Redis that is not there is said, and costs resumption alone.
    fs::write(&key, [5; 32]).unwrap();
    let server = serve(&made, &["--store", secret, "--store-key", &key]);
    assert!(!resumes(&server, &made, &["--reconnect", "1"]));
    let said = said(server);
    assert!(said.contains("portcullis: --store: Redis: "), "{said}");
    assert!(!said.contains("hidden"), "{said}");
}
