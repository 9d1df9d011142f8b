//! Users with passwords, at both ends.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::{fs, thread};

use serde_json::Value;
use support::{Server, portcullis, with_input};

/// Made by `openssl srp` of OpenSSL 3.0.22: alice has the password "wonderland", and carol is revoked.
const OPENSSL: &str = concat!(
    "V\t0hc7krzu7WaJAyic8KcBwxd51ung.SZ/GNZA084TwjDCdGbWflozdPtqY7y.C8KWcX9zJFKBitQ25meyFbtA0N4hcIilr",
    "GAoCMqD1eZuWIvCe8VBN2znsMVRL7pb3uIqyTEju90pV65p81kE5wi.N0umdCryMdrSyBjlzUpZJ92DdrpaMCNKqU6eRTW7z",
    "8CUvkuXTxAKQlH5Sgsex7n./u8ZHBfJ9UY0/2j75rwIeUoFMZSKmwBeZ13MjrKZhTNx/xmocV7WzE98KgQQcau2Yw/pOptWX",
    "tzgzH/5nxk43aSSLEu0QAVyJLvFCgbK5JJ6qPZalK1Fa9HSdTP6uWpRhF\tBbwalEBLJn8FuqVEShuKQfcH98U\talice\t2",
    "048\t\n",
    "R\t2AyEXXkyIgNDaDMVg2/aaO6/4w.ShnD/VtQQMyFsNzwIAf6uXfZCJr4u9TDo788Rr5gpGdveN5aNwlKn0j.59CYYr52cE",
    ".5naMUbfO6R2NW.fk3Lz9vWli/kLrttIYipiUDZ6huL9Avs4/tLfXvxzON85ugGPTngEWPIG4dcmZEzNAB0qrGT5DqTWOn1G",
    ".0g1izc/udu1mcdUJ8/rSuq/YjBEndhn0Y3gbkWROJPq2s4ks37Dxpl5TlnlXpqfXO4NZCMtlLuKjNe19SXdaCByWUMpDjVf",
    "IDi0QbXsJ0E9vcfW4uGKWgZIPZCDlbzbdrN8vayuWyK.jp4bu/CYaOlNv\tFg872HLPuIQdBWliUiVjXEzQ64i\tcarol\t2",
    "048\t\n",
);

/// The file of users and one with the password, in a folder that goes with the value.
fn files(password: &str) -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let files = (file("users.srpv", OPENSSL), file("password", password));
    (folder, files.0, files.1)
}

/// A client without a password of the surroundings, or with this one.
fn client(arguments: &[&str], variable: Option<&str>, input: &[u8]) -> std::process::Output {
    let mut command = portcullis(&[&["client"], arguments].concat());
    command.env_remove("PORTCULLIS_SRP_PASSWORD");
    if let Some(password) = variable {
        command.env("PORTCULLIS_SRP_PASSWORD", password);
    }
    with_input(command, input)
}

#[test]
fn who_knows_the_password_is_let_in_and_may_come_back() {
    let (_folder, users, password) = files("wonderland\r\nnothing of this\n");
    let server = Server::start(&["--srp-file", &users, "--tickets"]);
    let login = [&server.address, "--srp", "alice", "--json", "-v"];
    let from_file = [&login[..], &["--srp-password-file", &password]].concat();
    for (arguments, variable) in [
        (&from_file[..], None),
        (&from_file[..], Some("a file goes before it")),
        (&login[..], Some("wonderland")),
    ] {
        let output = client(arguments, variable, b"down the hole");
        let text = String::from_utf8(output.stdout).unwrap();
        let (line, echo) = text.split_once('\n').unwrap();
        assert_eq!(echo, "down the hole");
        let facts: Value = serde_json::from_str(line).unwrap();
        assert_eq!(facts["srp_user"], "alice");
        assert_eq!(facts["cipher_suite"], "TLS_SRP_SHA_WITH_AES_256_CBC_SHA");
        assert_eq!(facts["version"], "TLSv1.2");
        let summary = String::from_utf8(output.stderr).unwrap();
        let expected = "user:            alice";
        assert!(summary.lines().any(|line| line == expected), "{summary}");
        assert!(!summary.contains("wonderland"), "{summary}");
    }
    let twice = [&server.address, "--srp", "alice", "--reconnect", "1"];
    let again = client(&twice, Some("wonderland"), b"x");
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("connection 2: resumed"), "{said}");
}

/// A wrong password, a name that nobody has, and one that is revoked: nobody is told which it was.
#[test]
fn who_does_not_is_refused_alike() {
    let (_folder, users, _password) = files("");
    let server = Server::start(&["--srp-file", &users]);
    for (user, password) in [
        ("alice", "looking-glass"),
        ("bob", "wonderland"),
        ("carol", "lobster"),
    ] {
        let login = [&server.address, "--srp", user];
        let output = client(&login, Some(password), b"");
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("bad_record_mac"), "{said}");
        assert!(!said.contains(password), "{said}");
    }
}

/// The salt that a server says for a user: its ServerKeyExchange is in clear.
fn salt(server: &Server, user: &str) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = server.address.clone();
    let relay = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(server).unwrap();
        let mut said = vec![0; 4096];
        let length = client.read(&mut said).unwrap();
        server.write_all(&said[..length]).unwrap();
        // Up to ServerHelloDone, which is empty.
        let mut answer = Vec::new();
        while !answer.ends_with(&[14, 0, 0, 0]) {
            let length = server.read(&mut said).unwrap();
            assert!(length > 0, "{answer:02x?}");
            answer.extend_from_slice(&said[..length]);
        }
        answer
    });
    let output = client(&[&address, "--srp", user], Some("x"), b"");
    assert_ne!(output.status.code(), Some(0));
    let answer = relay.join().unwrap();
    // Behind the end of the prime of 2,048 bits (RFC 5054, appendix A) and its generator.
    let generator = [0x9e, 0x4a, 0xff, 0x73, 0, 1, 2];
    let mut windows = answer.windows(generator.len());
    let at = windows.position(|window| window == generator).unwrap() + generator.len();
    answer[at + 1..][..usize::from(answer[at])].to_vec()
}

/// After a new start, too, nobody can tell who is not there by a salt that has changed.
#[test]
fn a_salt_that_stays_tells_nothing() {
    let (folder, users, _) = files("");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let (seed, short) = (file("seed", &[7; 16]), file("short", &[7; 15]));
    let seeded = || Server::start(&["--srp-file", &users, "--srp-seed", &seed]);
    let salts: Vec<_> = (0..2).map(|_| salt(&seeded(), "bob")).collect();
    assert_eq!(salts[0], salts[1]);
    let plain = Server::start(&["--srp-file", &users]);
    assert_ne!(salt(&plain, "bob"), salts[0]);
    assert_eq!(salt(&plain, "alice"), salt(&seeded(), "alice"));
    for (arguments, why) in [
        (
            &["--srp-file", &users, "--srp-seed", &short][..],
            "15 bytes, and at least 16",
        ),
        (&["--srp-seed", &seed], "--srp-file <FILE>"),
    ] {
        let all = [&["server", "--listen", "127.0.0.1:0"], arguments].concat();
        let output = portcullis(&all).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let (folder, users, empty) = files("\nwonderland\n");
    let refused = |arguments: &[&str], why: &str| {
        let output = client(&[&["localhost:1"], arguments].concat(), None, b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why) && !said.contains("wonderland"), "{said}");
    };
    let alice = ["--srp", "alice"];
    refused(&alice, "PORTCULLIS_SRP_PASSWORD");
    refused(&["--srp-password-file", &empty], "--srp <USER>");
    let with_file = |file| [&alice[..], &["--srp-password-file", file]].concat();
    refused(&with_file(&empty), "its first line is empty");
    refused(&with_file("/nowhere"), "--srp-password-file /nowhere: ");
    let output = client(&["localhost:1", "--srp", "alice"], Some(""), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("PORTCULLIS_SRP_PASSWORD is empty"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
    refused(
        &[&alice[..], &["--psk", "a:00"]].concat(),
        "cannot be used with",
    );
    fs::write(&empty, "wonderland").unwrap();
    let no_effect = [&with_file(&empty)[..], &["--cafile", &users]].concat();
    refused(&no_effect, "--cafile has no effect");
    let modern = ["--ciphers", "TLS_AES_128_GCM_SHA256", "--insecure"];
    refused(&[&with_file(&empty)[..], &modern].concat(), "srp: ");
    // Suites that nobody has named are not spoken of.
    for (versions, why) in [
        (
            "1.3",
            "passwords are for TLS 1.2 and older; name such a version in --tls",
        ),
        ("1.2..1.3", "leave 1.3 out of --tls"),
    ] {
        let versions = ["--tls", versions];
        let of_client = [&with_file(&empty)[..], &versions].concat();
        refused(&of_client, why);
        let of_server = [
            // Nobody can listen there: one that is not refused ends all the same.
            &["server", "--listen", "192.0.2.1:1", "--srp-file", &users],
            &versions[..],
        ];
        let output = portcullis(&of_server.concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("--srp-file: passwords") && said.contains(why),
            "{said}"
        );
    }
    let bad = folder.path().join("bad.srpv").display().to_string();
    fs::write(&bad, "V\t0F\t0F\talice\t1023\t\n").unwrap();
    for (file, why) in [
        (bad.as_str(), "line 1: "),
        ("/nowhere", "--srp-file /nowhere: "),
    ] {
        let mut server = portcullis(&["server", "--listen", "127.0.0.1:0", "--srp-file", file]);
        let output = server.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why) && !said.contains("0F"), "{said}");
    }
}
