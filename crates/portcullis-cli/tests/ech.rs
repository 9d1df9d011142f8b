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
