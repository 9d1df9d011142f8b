//! `portcullis ech`, and a client and a server that use what it makes.

mod support;

use std::fs;

use serde_json::Value;
use support::{Certificates, Server, client, run};

fn new_key(file: &str) -> String {
    let output = run(&["ech", "new", "--public-name", "localhost", file]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (list, record) = text.split_once('\n').unwrap();
    assert_eq!(record.trim(), format!("HTTPS record: 1 . ech={list}"));
    list.to_owned()
}

fn connect(made: &Certificates, server: &Server, ech: &str) -> (Value, Option<i32>) {
    let arguments = [
        &server.address,
        "--cafile",
        &made.ca,
        "--json",
        "--ech",
        ech,
    ];
    let output = client(&arguments, b"hello\n");
    let text = String::from_utf8(output.stdout).unwrap();
    let json = text.lines().next().unwrap_or_default();
    (serde_json::from_str(json).unwrap(), output.status.code())
}

#[test]
fn a_key_for_both_ends() {
    let made = Certificates::make();
    let (key, other) = (made.path("one.pem"), made.path("two.pem"));
    let list = new_key(&key);
    let second = new_key(&other);
    let mut arguments = made.server().to_vec();
    arguments.extend(["--ech-keys", &key]);
    for ech in [&list, &format!("@{key}")] {
        let server = Server::once(&arguments);
        let (facts, code) = connect(&made, &server, ech);
        assert_eq!((&facts["ech"], code), (&Value::from("accepted"), Some(0)));
    }
    let server = Server::once(&arguments);
    let (facts, code) = connect(&made, &server, "grease");
    assert_eq!((&facts["ech"], code), (&Value::from("pretended"), Some(0)));
    // Both are decrypted, and of the first clients are told.
    arguments.push(&other);
    let server = Server::once(&arguments);
    let (facts, code) = connect(&made, &server, &second);
    assert_eq!((&facts["ech"], code), (&Value::from("accepted"), Some(0)));
    // One that cannot be read is left out, and said.
    let broken = made.path("broken.pem");
    fs::write(&broken, "nothing").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&broken, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut with_broken = made.server().to_vec();
    with_broken.extend(["--ech-keys", &broken, &key]);
    let server = Server::once(&with_broken);
    let (facts, code) = connect(&made, &server, &list);
    assert_eq!((&facts["ech"], code), (&Value::from("accepted"), Some(0)));
    // One that is not known any more.
    let gone = new_key(&made.path("three.pem"));
    let server = Server::once(&arguments);
    let (facts, code) = connect(&made, &server, &gone);
    assert_eq!(code, Some(4));
    let reason = facts["error"].to_string();
    assert!(
        reason.contains("did not accept the encrypted ClientHello"),
        "{facts}"
    );
}

#[test]
fn files_are_private_and_shown_without_the_key() {
    let made = Certificates::make();
    let file = made.path("ech.pem");
    let list = new_key(&file);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("BEGIN PRIVATE KEY") && text.contains("BEGIN ECHCONFIG"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let shown: Vec<_> = [&file, &list]
        .map(|what| run(&["ech", "show", what]).stdout)
        .into();
    assert_eq!(shown[0], shown[1]);
    let shown = String::from_utf8(shown[0].clone()).unwrap();
    assert!(shown.contains("public name localhost, X25519"), "{shown}");
    // It is not written over.
    let output = run(&["ech", "new", "--public-name", "localhost", &file]);
    assert_eq!(output.status.code(), Some(2));
    for bad in ["not base64", "AAAA"] {
        assert_eq!(run(&["ech", "show", bad]).status.code(), Some(2));
    }
}

/// The client's JSON and what it says besides.
fn connect_to(made: &Certificates, target: &str, more: &[&str]) -> (Value, String, Option<i32>) {
    let fixed = [
        target,
        "--resolve",
        "127.0.0.1",
        "--cafile",
        &made.ca,
        "--json",
    ];
    let output = client(&[&fixed[..], more].concat(), b"hello\n");
    let text = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let json = text.lines().next().unwrap_or_default();
    let json = serde_json::from_str(json).unwrap_or_else(|_| panic!("{text}{told}"));
    (json, told, output.status.code())
}

#[test]
fn a_client_takes_the_keys_that_the_server_has_by_now() {
    let made = Certificates::make();
    let (gone, key) = (made.path("gone.pem"), made.path("key.pem.ech"));
    let (gone, list) = (new_key(&gone), new_key(&key));
    let mut arguments = made.server().to_vec();
    arguments.extend(["--ech-keys", &key]);
    let server = Server::start(&arguments);
    let target = format!("localhost:{}", server.port());
    let (facts, told, code) = connect_to(&made, &target, &["--ech", &gone, "--ech-retry"]);
    assert_eq!(
        (&facts["ech"], code),
        (&Value::from("accepted"), Some(0)),
        "{told}"
    );
    assert!(
        told.contains(&format!("other keys by now, --ech {list}")),
        "{told}"
    );
    // What it has said is good for the next time, and then nothing is said.
    let (facts, told, code) = connect_to(&made, &target, &["--ech", &list, "--ech-retry"]);
    assert_eq!(
        (&facts["ech"], code),
        (&Value::from("accepted"), Some(0)),
        "{told}"
    );
    assert_eq!(told, "");
    let (_, _, code) = connect_to(&made, &target, &["--ech", &gone]);
    assert_eq!(code, Some(4));
    // A server that has switched it off sends nothing to try again with.
    let off = Server::start(&made.server());
    let target = format!("localhost:{}", off.port());
    let (facts, _, code) = connect_to(&made, &target, &["--ech", &gone, "--ech-retry"]);
    assert_eq!(code, Some(4), "{facts}");
    // Nobody there: the exit code is that of the transport, as without.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("localhost:{}", nobody.local_addr().unwrap().port());
    drop(nobody);
    let (_, _, code) = connect_to(&made, &target, &["--ech", &gone, "--ech-retry"]);
    assert_eq!(code, Some(1));
    for useless in [&["--ech-retry"][..], &["--ech", "grease", "--ech-retry"]] {
        let output = run(&[&["client", &target][..], useless].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn over_datagrams_as_over_tcp() {
    let made = Certificates::make();
    let (gone, key) = (made.path("gone.pem"), made.path("key.pem.ech"));
    let (gone, list) = (new_key(&gone), new_key(&key));
    let mut arguments = made.server().to_vec();
    arguments.extend(["--dtls", "--ech-keys", &key]);
    let server = Server::start(&arguments);
    let target = format!("localhost:{}", server.port());
    let connect = |more: &[&str]| connect_to(&made, &target, &[&["--dtls"][..], more].concat());
    for (ech, status) in [(&*list, "accepted"), ("grease", "pretended")] {
        let (facts, told, code) = connect(&["--ech", ech]);
        let found = (&facts["ech"], code);
        assert_eq!(found, (&Value::from(status), Some(0)), "{told}");
        assert_eq!(facts["version"], "DTLSv1.3");
    }
    let (_, _, code) = connect(&["--ech", &gone]);
    assert_eq!(code, Some(4));
    let (facts, told, code) = connect(&["--ech", &gone, "--ech-retry"]);
    let found = (&facts["ech"], code);
    assert_eq!(found, (&Value::from("accepted"), Some(0)), "{told}");
    let other = format!("other keys by now, --ech {list}");
    assert!(told.contains(&other), "{told}");
}

/// `portcullis ech front` that runs; it is killed when dropped.
fn front(arguments: &[&str]) -> Server {
    let mut command = support::portcullis(&["ech", "front", "--listen", "127.0.0.1:0"]);
    let mut child = command.args(arguments).spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    let address = line.strip_prefix("READY ").expect("READY first").trim();
    Server {
        address: address.to_owned(),
        child,
    }
}

#[test]
fn a_server_in_front_decrypts_for_those_behind() {
    let made = Certificates::make();
    let out = made.folder.path().to_str().unwrap();
    let names = ["localhost", "secret.test", "other.test"];
    let dev = [&["cert", "dev", "--force", "--out", out][..], &names].concat();
    assert!(run(&dev).status.success());
    let (gone, key) = (made.path("gone.pem"), made.path("ech.pem"));
    let (gone, list) = (new_key(&gone), new_key(&key));
    let behind = [&made.server()[..], &["--ech-backend"]].concat();
    let backend = Server::start(&behind);
    let own = Server::start(&[&made.server()[..], &["--ech-keys", &key]].concat());
    let route = format!("Secret.test={}", backend.address);
    let front = front(&[
        "--ech-keys",
        &key,
        "--route",
        &route,
        "--other",
        &own.address,
    ]);
    let target = |name: &str| format!("{name}:{}", front.port());

    // Only one that has read the inner hello can say that it accepts; `own` does not know of a server behind it.
    let (facts, told, code) = connect_to(&made, &target("secret.test"), &["--ech", &list]);
    assert_eq!(
        (&facts["ech"], code),
        (&Value::from("accepted"), Some(0)),
        "{told}"
    );
    // Also after a second hello, which this group costs.
    let retried = ["--ech", &list, "--groups", "secp521r1,x25519"];
    let (facts, told, code) = connect_to(&made, &target("secret.test"), &retried);
    assert_eq!(
        (&facts["ech"], code),
        (&Value::from("accepted"), Some(0)),
        "{told}"
    );
    // With keys that are gone: the front's own server says so, and the second connection is for the one behind.
    let again = ["--ech", &gone, "--ech-retry"];
    let (facts, told, code) = connect_to(&made, &target("secret.test"), &again);
    assert_eq!(
        (&facts["ech"], code),
        (&Value::from("accepted"), Some(0)),
        "{told}"
    );
    // In the clear.
    let (facts, told, code) = connect_to(&made, &target("localhost"), &[]);
    assert_eq!((&facts["ech"], code), (&Value::Null, Some(0)), "{told}");
    // A name without a route.
    let (facts, _, code) = connect_to(&made, &target("other.test"), &["--ech", &list]);
    assert_ne!(code, Some(0), "{facts}");
}

/// The next line that it says, which it does within ten seconds.
fn next_line(lines: &std::sync::mpsc::Receiver<String>) -> String {
    let limit = std::time::Duration::from_secs(10);
    lines.recv_timeout(limit).expect("a line")
}

#[test]
fn nobody_keeps_a_place_in_front_and_the_log_does_not_tell_who_was_for_whom() {
    let made = Certificates::make();
    let key = made.path("ech.pem");
    let list = new_key(&key);
    let own = Server::start(&made.server());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = nobody.local_addr().unwrap();
    drop(nobody);
    let route = format!("secret.test={backend}");
    let with = ["--ech-keys", &key, "--route", &route, "--idle", "1"];
    let mut front = front(&[&with[..], &["--other", &own.address]].concat());
    let said = std::io::BufReader::new(front.child.stderr.take().unwrap());
    let (say, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(said) {
            let _ = say.send(line.unwrap());
        }
    });
    // The server behind refuses it and closes; the client does not.
    let mut io = std::net::TcpStream::connect(&front.address).unwrap();
    std::io::Write::write_all(&mut io, &[0]).unwrap();
    let line = next_line(&lines);
    let peer = io.local_addr().unwrap();
    assert!(line.starts_with(&format!("portcullis: {peer}: ")), "{line}");
    assert!(line.contains("timed out"), "{line}");
    // Nobody is behind: the client hears that it is not its fault, and the log has no word of the client.
    let target = format!("secret.test:{}", front.port());
    let (facts, _, code) = connect_to(&made, &target, &["--ech", &list]);
    assert_eq!(code, Some(4), "{facts}");
    assert_eq!(facts["error"]["alert"]["name"], "internal_error", "{facts}");
    let line = next_line(&lines);
    let start = format!("portcullis: connecting to {backend}: ");
    assert!(line.starts_with(&start), "{line}");
}

#[test]
fn routes_that_are_none() {
    let made = Certificates::make();
    let key = made.path("ech.pem");
    new_key(&key);
    for (route, other, said) in [
        ("a.test", "a:1", "NAME=HOST:PORT"),
        ("a.test=b", "a:1", "an address is HOST:PORT"),
        ("127.0.0.1=b:1", "a:1", "no name of a host"),
        ("a.test=b:1", "a", "--other a"),
    ] {
        let arguments = [
            "ech",
            "front",
            "--ech-keys",
            &key,
            "--route",
            route,
            "--other",
            other,
        ];
        let told = support::sentence(run(&arguments), 2);
        assert!(told.contains(said), "{told}");
    }
    let twice = [
        "--route",
        "a.test=b:1",
        "--route",
        "A.test=c:1",
        "--other",
        "a:1",
    ];
    let arguments = [&["ech", "front", "--ech-keys", &key][..], &twice].concat();
    let told = support::sentence(run(&arguments), 2);
    assert!(told.contains("has a route already"), "{told}");
}
