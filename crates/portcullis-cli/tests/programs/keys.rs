//! Keys of a server that are not in a plain file: encrypted, and in a token.

use std::fs;
use std::io::{BufRead as _, BufReader};

use crate::support::{Certificates, Server, path, portcullis, sentence};
use crate::{program, ran};

/// OpenSSL encrypts a key, the command serves with it, and OpenSSL is content.
#[test]
fn openssl_encrypts_the_key_of_a_server() {
    let made = Certificates::make();
    let file = |name: &str| path(made.folder.path(), name);
    fs::write(file("password"), "from a file\n").unwrap();
    for arguments in [
        &["pkcs8", "-topk8"][..],
        &["pkcs8", "-topk8", "-scrypt"],
        &["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"],
        &["ec", "-aes256"],
    ] {
        let key = file("encrypted.pem");
        let more = [
            "-in",
            &made.key,
            "-out",
            &key,
            "-passout",
            "pass:from a file",
        ];
        let output = ran(program("openssl", &[arguments, &more].concat()));
        assert!(output.status.success(), "{output:?}");
        let server = Server::start(&[
            "--cert",
            &made.cert,
            "--key",
            &key,
            "--password-file",
            &file("password"),
        ]);
        let connect = [
            "s_client",
            "-connect",
            &server.address,
            "-CAfile",
            &made.ca,
            "-verify_return_error",
        ];
        let output = ran(program("openssl", &connect));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Verify return code: 0 (ok)"), "{output:?}");
    }
}

/// The key of a server is in SoftHSM2, where OpenSSL has put it, and nowhere else.
#[test]
fn the_key_of_a_server_is_in_a_token() {
    let made = Certificates::make();
    let file = |name: &str| path(made.folder.path(), name);
    fs::create_dir(file("tokens")).unwrap();
    let conf = file("softhsm2.conf");
    fs::write(
        &conf,
        format!("directories.tokendir = {}\n", file("tokens")),
    )
    .unwrap();
    let util = |arguments: &[&str]| {
        let mut command = program("softhsm2-util", arguments);
        command.env("SOFTHSM2_CONF", &conf);
        let output = ran(command);
        assert!(output.status.success(), "{output:?}");
    };
    util(&[
        "--init-token",
        "--free",
        "--label",
        "web",
        "--so-pin",
        "123456",
        "--pin",
        "4821",
    ]);
    let key = file("pkcs8.pem");
    let pkcs8 = [
        "pkcs8", "-topk8", "-nocrypt", "-in", &made.key, "-out", &key,
    ];
    assert!(ran(program("openssl", &pkcs8)).status.success());
    util(&[
        "--import", &key, "--token", "web", "--label", "server", "--id", "01", "--pin", "4821",
    ]);
    fs::remove_file(key).unwrap();
    fs::write(file("pin"), "4821\n").unwrap();
    let uri = |more: &str| {
        format!("pkcs11:token=web;object=server?module-path=/usr/lib/softhsm/libsofthsm2.so{more}")
    };
    let with_pin = uri(&format!("&pin-source={}", file("pin")));
    let arguments = [
        "server",
        "--listen",
        "127.0.0.1:0",
        "--cert",
        &made.cert,
        "--pkcs11",
    ];
    let mut command = portcullis(&[&arguments[..], &[&with_pin]].concat());
    let mut child = command.env("SOFTHSM2_CONF", &conf).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .strip_prefix("READY ")
        .expect("READY first")
        .trim()
        .to_owned();
    let server = Server { child, address };
    let connect = [
        "s_client",
        "-connect",
        &server.address,
        "-CAfile",
        &made.ca,
        "-verify_return_error",
    ];
    let output = ran(program("openssl", &connect));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("Verify return code: 0 (ok)"), "{output:?}");

    fs::write(file("wrong"), "9917\n").unwrap();
    for (uri, cert, more, expected) in [
        (
            uri(""),
            &made.cert,
            &["--password-file", &file("wrong")][..],
            "the PIN for the PKCS#11 token \"web\" is wrong",
        ),
        (
            with_pin.clone(),
            &made.client_cert,
            &[],
            "does not belong to the certificate",
        ),
        (
            with_pin.clone(),
            &made.cert,
            &["--password-file", &file("wrong")],
            "the URI has a PIN",
        ),
    ] {
        let arguments = ["server", "--cert", cert.as_str(), "--pkcs11", &uri];
        let mut command = portcullis(&[&arguments[..], more].concat());
        let output = command.env("SOFTHSM2_CONF", &conf).output().unwrap();
        let said = sentence(output, 2);
        assert!(said.contains(expected) && !said.contains("9917"), "{said}");
    }
}
