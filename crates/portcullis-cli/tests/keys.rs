//! Keys in place of certificates, and nothing in place of them.

mod support;

use std::fs;

use serde_json::Value;
use support::{Certificates, Server, client, run, sentence};

/// Nobody can listen there: a server that is not refused ends all the same.
const NOWHERE: [&str; 3] = ["server", "--listen", "192.0.2.1:1"];
const KEYS: &str =
    "alice:00112233445566778899aabbccddeeff\n\nmeter:17:0102030405060708090a0b0c0d0e0f10\n";

/// A file of keys, in a folder that goes with the value.
fn keys() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.psk");
    fs::write(&file, KEYS).unwrap();
    let file = file.display().to_string();
    (folder, file)
}

#[test]
fn both_ends_have_the_key() {
    let (_folder, file) = keys();
    let server = Server::start(&["--psk-file", &file, "--tickets"]);
    let address = server.address.as_str();
    let key = "meter:17:0102030405060708090a0b0c0d0e0f10";
    for (option, value, identity) in [
        ("--psk-file", file.as_str(), "alice"),
        ("--psk", key, "meter:17"),
    ] {
        let output = client(&[address, option, value, "--json", "-v"], b"reading");
        let (line, echo) = output.stdout.split_at(
            output
                .stdout
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap()
                + 1,
        );
        assert_eq!(echo, b"reading");
        let facts: Value = serde_json::from_slice(line).unwrap();
        assert_eq!(facts["psk_identity"], identity);
        assert_eq!(facts["cipher_suite"], "TLS_AES_128_GCM_SHA256");
        assert_eq!(facts["verdict"], Value::Null);
        let summary = String::from_utf8(output.stderr).unwrap();
        let expected = format!("pre-shared key:  {identity}");
        assert!(summary.lines().any(|line| line == expected), "{summary}");
        assert!(!summary.contains("0a0b0c"), "{summary}");
    }
    let again = client(&[address, "--psk-file", &file, "--reconnect", "1"], b"x");
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("connection 2: resumed"), "{said}");
}

/// Also what is no key is not shown: it may be one with a slip of the pen.
#[test]
fn what_cannot_be_read_is_not_shown() {
    for (text, why) in [
        ("meter:0011zz445566", "pairs of hexadecimal digits"),
        ("0011zz445566", "IDENTITY:HEX"),
    ] {
        let output = client(&["localhost:1", "--psk", text], b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("--psk") && said.contains(why), "{said}");
        assert!(!said.contains("445566"), "{said}");
    }
}

#[test]
fn who_has_another_is_refused() {
    let (_folder, file) = keys();
    let server = Server::start(&["--psk-file", &file]);
    for (key, says) in [
        (
            "bob:00112233445566778899aabbccddeeff",
            "unknown_psk_identity",
        ),
        ("alice:ff", "decrypt_error"),
    ] {
        let output = client(&[&server.address, "--psk", key], b"");
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(says), "{said}");
    }
    let older = ["--psk", "alice:ff", "--tls", "1.2"];
    let output = client(&[&[server.address.as_str()], &older[..]].concat(), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("bad_record_mac"), "{said}");
    // Nobody without a key gets a certificate in its place.
    let output = client(&[&server.address, "--insecure"], b"");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

/// The same keys before TLS 1.3.
#[test]
fn an_older_client_has_the_key() {
    let (_folder, file) = keys();
    let server = Server::start(&["--psk-file", &file]);
    let key = ["--psk-file", &file, "--tls", "1.2", "-v"];
    let output = client(&[&[server.address.as_str()], &key[..]].concat(), b"reading");
    assert_eq!(output.stdout, b"reading");
    let summary = String::from_utf8(output.stderr).unwrap();
    assert!(
        summary.contains("TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384"),
        "{summary}"
    );
}

/// RFC 9258: both ends have to know the context.
#[test]
fn keys_that_are_imported() {
    let (_folder, file) = keys();
    let arguments = ["--psk-file", &file, "--psk-import", "alice to us"];
    let server = Server::start(&arguments);
    let with = |more: &[&str]| {
        let arguments = [&[server.address.as_str(), "--psk-file", &file], more].concat();
        client(&arguments, b"x")
    };
    let output = with(&["--psk-import", "alice to us", "-v"]);
    assert_eq!(output.stdout, b"x");
    let summary = String::from_utf8(output.stderr).unwrap();
    assert!(summary.contains("pre-shared key:  alice"), "{summary}");
    for more in [&["--psk-import", "us to alice"][..], &[]] {
        let output = with(more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("unknown_psk_identity"), "{said}");
    }
    let said = client(&["localhost:1", "--psk-import", "c"], b"");
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("--psk-import: there is no key"), "{said}");
    for versions in ["1.2", "1.2..1.3"] {
        let old = [&arguments[..], &["--tls", versions]].concat();
        for mut command in [vec!["client", "localhost:1"], NOWHERE.to_vec()] {
            command.extend(&old);
            let said = sentence(run(&command), 2);
            assert!(
                said.contains("--psk-import: imported keys are for TLS 1.3 alone"),
                "{said}"
            );
        }
    }
    let newest = [&arguments[..], &["--tls", "1.3"]].concat();
    let server = Server::start(&newest);
    let output = client(&[&[&*server.address], &newest[..]].concat(), b"x");
    assert_eq!(output.stdout, b"x", "{output:?}");
}

#[test]
fn keys_that_cannot_be_read_are_named_and_not_shown() {
    let (folder, file) = keys();
    let refused = |arguments: &[&str]| {
        let output = client(&[&["localhost"], arguments].concat(), b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&["--psk", "alice:secretkey"]);
    assert!(said.contains("pairs of hexadecimal digits"), "{said}");
    let bad = folder.path().join("bad.psk").display().to_string();
    fs::write(&bad, "alice:00\nbob:secretkey\n").unwrap();
    let said = refused(&["--psk-file", &bad]);
    assert!(
        said.contains("line 2: ") && !said.contains("secretkey"),
        "{said}"
    );
    fs::write(&bad, "\n").unwrap();
    assert!(refused(&["--psk-file", &bad]).contains("there is no key in it"));
    assert!(refused(&["--psk-file", "/nowhere"]).contains("--psk-file /nowhere: "));
    // What would have no effect.
    let said = refused(&["--psk-file", &file, "--cafile", &file]);
    assert!(said.contains("--cafile has no effect"), "{said}");
    let said = refused(&[
        "--psk-file",
        &file,
        "--ciphers",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "--insecure",
    ]);
    assert!(
        said.contains("--ciphers: none goes with a pre-shared key"),
        "{said}"
    );
}

/// No certificate can come, so nothing can be done with one; where one could and none came, that is said.
#[test]
fn what_needs_a_certificate_is_refused_where_none_can_come() {
    let (folder, file) = keys();
    let new = folder.path().join("chain.pem").display().to_string();
    let anonymous = [
        "--insecure",
        "--ciphers",
        "TLS_ECDH_anon_WITH_AES_128_CBC_SHA",
    ];
    let keys = ["--psk-file", &file];
    let alone = [&keys[..], &["--insecure", "--tls", "1.2"]].concat();
    let named = [&keys[..], &["--ciphers", "TLS_PSK_WITH_AES_128_GCM_SHA256"]].concat();
    let login = ["--srp", "alice", "--srp-password-file", &file, "--insecure"];
    for option in [
        &["--showcerts"][..],
        &["--save-cert", &new],
        &["--status"],
        &["--status=require"],
        &["--crl", "http"],
        &["--showcerts", "--json"],
    ] {
        for (secret, why) in [
            (&keys[..], "and no --ciphers that have certificates"),
            (&alone, "and no --ciphers that have certificates"),
            (&login, "and no --ciphers that have certificates"),
            (&named, "no suite of --ciphers has certificates"),
            (&anonymous, "no suite of --ciphers has certificates"),
        ] {
            let arguments = [&["localhost:1"], secret, option].concat();
            let output = client(&arguments, b"");
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            let name = option[0].trim_end_matches("=require");
            let expected = format!("{name} has no effect");
            assert!(
                said.contains(&expected) && said.contains(why),
                "{arguments:?}: {said}"
            );
        }
    }
    // A server cannot show its own, either.
    let made = Certificates::make();
    let verifiers = folder.path().join("users.srpv").display().to_string();
    let users = ["--srp-file", &verifiers];
    let old = [&keys[..], &["--tls", "1.2"]].concat();
    for (secret, why) in [
        (&old[..], "and no --ciphers that have certificates"),
        (&users, "TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA"),
        (&named, "no suite of --ciphers has certificates"),
        (&anonymous[1..], "no suite of --ciphers has certificates"),
    ] {
        let arguments = [&NOWHERE[..], &made.server(), secret].concat();
        let said = sentence(run(&arguments), 2);
        assert!(
            said.contains("--cert has no effect") && said.contains(why),
            "{arguments:?}: {said}"
        );
    }
    let cafile = [&["localhost:1"], &named[..], &["--cafile", &file]].concat();
    let said = String::from_utf8(client(&cafile, b"").stderr).unwrap();
    assert!(said.contains("--cafile has no effect"), "{said}");

    let server = Server::start(&keys);
    let options = ["--insecure", "--showcerts", "--save-cert", &new, "--status"];
    let output = client(
        &[&[server.address.as_str()], &keys[..], &options].concat(),
        b"x",
    );
    assert_eq!(output.stdout, b"x", "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "--showcerts, --save-cert, --status: the server has shown no certificate\n";
    assert!(said.contains(expected), "{said}");
    assert!(!fs::exists(&new).unwrap());
}

/// Nobody is anybody: whoever wants that has to say so, and is told once more.
#[test]
fn anonymous_servers_are_for_who_wants_no_verification() {
    let suite = "TLS_ECDH_anon_WITH_AES_128_CBC_SHA";
    let server = Server::start(&["--ciphers", suite]);
    let refused = client(&[&server.address, "--ciphers", suite], b"");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let output = client(
        &[&server.address, "--ciphers", suite, "--insecure", "-v"],
        b"x",
    );
    assert_eq!(output.stdout, b"x");
    let summary = String::from_utf8(output.stderr).unwrap();
    let expected = "verdict:         NOT VERIFIED; the server has shown nothing";
    assert!(summary.lines().any(|line| line == expected), "{summary}");
}
