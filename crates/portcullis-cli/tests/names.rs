//! Names as people write them, and servers that are reached by theirs or are not.

mod support;

use serde_json::Value;
use support::{Certificates, Server, client, printed, sentence};

/// As OpenSSL and the summary write them, in small letters, and with a blank behind a comma.
#[test]
fn names_are_read_as_people_write_them() {
    let suites = "tls_aes_128_gcm_sha256, ecdhe-ecdsa-aes128-gcm-sha256";
    let server = Server::start(&[
        "--ciphers",
        suites,
        "--groups",
        "X25519, secp256r1",
        "--tls",
        "TLSv1.2 .. tlsv1.3",
        "--sigalgs",
        "ed25519, ECDSA_SHA1",
    ]);
    for (version, suite) in [
        ("TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("tlsv1.3", "TLS_AES_128_GCM_SHA256"),
    ] {
        let arguments = [&server.address, "--insecure", "--json", "--tls", version];
        let output = client(&arguments, b"");
        let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(facts["cipher_suite"], suite, "{facts}");
        assert_eq!(facts["version"], version.replace("tlsv", "TLSv"), "{facts}");
    }
    for wrong in ["1.4", "tlsv", "TLSv1.1.1", "é1.2"] {
        let output = client(&["localhost:1", "--tls", wrong], b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("give one of 1.3, 1.2, 1.1, 1.0"), "{said}");
    }
}

#[test]
fn a_transport_that_is_not_there_is_exit_code_1() {
    let said = sentence(client(&["127.0.0.1:1", "--insecure"], b""), 1);
    assert!(said.contains("connecting to 127.0.0.1:1"), "{said}");
    // No resolver is asked for what cannot be a name.
    let route = ["a..b:1", "--name", "a.test", "--insecure"];
    let said = sentence(client(&route, b""), 1);
    assert!(said.contains("the address of a..b"), "{said}");
}

#[test]
fn the_next_address_is_tried_if_one_does_not_answer() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let localhost = format!("localhost:{}", server.port());
    // Nobody listens at the first.
    let route = [
        &localhost,
        "--resolve",
        "127.0.0.9,127.0.0.1",
        "--cafile",
        &made.ca,
    ];
    assert_eq!(printed(client(&route, b"hello")), "hello");
}

#[test]
fn a_wrong_name_is_blamed_and_not_the_host() {
    let output = client(&["localhost:1", "--insecure", "--name", "not a name"], b"");
    let said = sentence(output, 2);
    assert!(said.contains("--name \"not a name\""), "{said}");
    assert!(!said.contains("localhost"), "{said}");
}
