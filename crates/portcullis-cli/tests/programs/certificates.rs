//! Certificates that the command makes and judges, beside OpenSSL and Python.

use std::fs;

use crate::support::{Certificates, Server, path, printed, run};
use crate::{program, ran};

#[test]
fn strict_verifiers_of_openssl_accept_what_is_made() {
    let made = Certificates::make();
    let verified = |purpose: &str, more: &[&str], file: &str| {
        let fixed = [
            "verify",
            "-x509_strict",
            "-policy_check",
            "-check_ss_sig",
            "-CAfile",
        ];
        let arguments = [&fixed[..], &[&made.ca, "-purpose", purpose], more, &[file]].concat();
        let output = ran(program("openssl", &arguments));
        output.status.success()
    };
    for more in [
        &["-verify_hostname", "localhost"],
        &["-verify_ip", "127.0.0.1"],
        &["-verify_ip", "::1"],
    ] {
        assert!(verified("sslserver", more, &made.cert), "{more:?}");
    }
    assert!(verified(
        "sslclient",
        &["-verify_email", "alice@a.test"],
        &made.client_cert
    ));
    assert!(verified("any", &[], &made.ca));
    // What it is not for is not accepted: the checks above can fail.
    assert!(!verified(
        "sslserver",
        &["-verify_hostname", "other.test"],
        &made.cert
    ));
    assert!(!verified("sslclient", &[], &made.cert));
    assert!(!verified("sslserver", &[], &made.client_cert));

    // A name that is too long for the subject leaves it empty; the names are critical then.
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{0}.{0}.test", "a".repeat(40));
    let out = folder.path().to_str().unwrap();
    printed(run(&["cert", "dev", "--out", out, &long]));
    let (ca, cert) = (
        path(folder.path(), "ca.pem"),
        path(folder.path(), "cert.pem"),
    );
    let strict = [
        "verify",
        "-x509_strict",
        "-CAfile",
        &ca,
        "-verify_hostname",
        &long,
        &cert,
    ];
    assert!(ran(program("openssl", &strict)).status.success());

    // Names of each kind, whatever is first: a server is shown as a host, a client as what it is called first.
    let names = ["alice@a.test", "a.test", "127.0.0.1"];
    for (more, file, purpose, subject) in [
        (&[][..], "cert.pem", "sslserver", "subject=CN = a.test\n"),
        (
            &["--client"],
            "client.pem",
            "sslclient",
            "subject=CN = alice@a.test\n",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let made = [&["cert", "dev", "--out", out], more, &names[..]].concat();
        printed(run(&made));
        let (ca, cert) = (path(folder.path(), "ca.pem"), path(folder.path(), file));
        for name in [
            ["-verify_hostname", "a.test"],
            ["-verify_ip", "127.0.0.1"],
            ["-verify_email", "alice@a.test"],
        ] {
            let fixed = [
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                "-CAfile",
                &ca,
            ];
            let output = ran(program("openssl", &[&fixed[..], &name, &[&cert]].concat()));
            assert!(output.status.success(), "{file}, {name:?}: {output:?}");
        }
        let shown = ["x509", "-in", &cert, "-noout", "-subject"];
        assert_eq!(printed(ran(program("openssl", &shown))), subject);
    }
}

#[test]
fn fingerprints_and_pins_are_those_of_openssl() {
    let made = Certificates::make();
    let text = printed(run(&["cert", "show", &made.cert]));
    let x509 = [
        "x509",
        "-in",
        &made.cert,
        "-noout",
        "-fingerprint",
        "-sha256",
    ];
    let printed_by_openssl = printed(ran(program("openssl", &x509)));
    let (_, fingerprint) = printed_by_openssl.trim().split_once('=').unwrap();
    assert!(text.contains(&fingerprint.to_lowercase()), "{text}");
    let serial = printed(ran(program(
        "openssl",
        &["x509", "-in", &made.cert, "-noout", "-serial"],
    )));
    let serial = serial.trim().trim_start_matches("serial=").to_lowercase();
    assert!(text.replace(':', "").contains(&serial), "{text}");
}

/// Verifies as Python 3.13 does by default.
const PYTHON: &str = r#"
import socket, ssl, sys
host, port, ca, cert, key = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
context.load_cert_chain(cert, key)
with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname=host) as tls:
        tls.sendall(b"hello")
        assert tls.recv(5) == b"hello"
        print(tls.version(), tls.getpeercert()["subject"])
"#;

#[test]
fn python_accepts_what_is_made_and_shows_what_is_made_for_a_client() {
    let made = Certificates::make();
    let mut arguments = made.server().to_vec();
    arguments.extend(["--client-auth", "required", "--cafile", &made.ca]);
    let server = Server::start(&arguments);
    for (host, accepted) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("other.test", false),
    ] {
        let arguments = [
            "-c",
            PYTHON,
            host,
            server.port(),
            &made.ca,
            &made.client_cert,
            &made.client_key,
        ];
        let output = ran(program("python3", &arguments));
        assert_eq!(output.status.success(), accepted, "{host}: {output:?}");
        if accepted {
            assert_eq!(
                printed(output),
                "TLSv1.3 ((('commonName', 'localhost'),),)\n"
            );
        }
    }
}

/// What `cert verify` says of a chain is what OpenSSL says, good or bad; and so with fingerprints and chains in order.
#[test]
fn openssl_judges_and_hashes_alike() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| path(folder.path(), name);
    let openssl = |arguments: &[&str]| ran(program("openssl", arguments));
    // An authority between, and a server below it.
    let conf = "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
                subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n[leaf]\nsubjectAltName=DNS:leaf.test\n\
                extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n";
    fs::write(file("ext.cnf"), conf).unwrap();
    let (root, root_key) = (file("ca.pem"), file("ca-key.pem"));
    let output = openssl(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=root",
        "-keyout", &root_key, "-out", &root,
    ]);
    assert!(output.status.success(), "{output:?}");
    for (name, above, section) in [("between", "ca", "ca"), ("leaf", "between", "leaf")] {
        let (key, csr, cert) = (
            file(&format!("{name}-key.pem")),
            file("csr"),
            file(&format!("{name}.pem")),
        );
        let (ca, ca_key) = (
            file(&format!("{above}.pem")),
            file(&format!("{above}-key.pem")),
        );
        let subject = format!("/CN={name}");
        for arguments in [
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-out",
                &key,
            ][..],
            &["req", "-new", "-key", &key, "-subj", &subject, "-out", &csr],
            &[
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                &ca,
                "-CAkey",
                &ca_key,
                "-CAcreateserial",
                "-days",
                "30",
                "-extfile",
                &file("ext.cnf"),
                "-extensions",
                section,
                "-out",
                &cert,
            ],
        ] {
            let output = openssl(arguments);
            assert!(output.status.success(), "{output:?}");
        }
    }
    let [leaf, between, ca] = ["leaf.pem", "between.pem", "ca.pem"].map(file);
    for (name, time, purpose, untrusted, is_good) in [
        ("leaf.test", None, "server", true, true),
        ("other.test", None, "server", true, false),
        ("leaf.test", Some("4102444800"), "server", true, false),
        ("leaf.test", None, "client", true, false),
        ("leaf.test", None, "server", false, false),
    ] {
        let purposes = format!("ssl{purpose}");
        let mut theirs = vec!["verify", "-CAfile", &ca, "-purpose", &purposes];
        let mut ours = vec![
            "cert",
            "verify",
            &leaf,
            "--cafile",
            &ca,
            "--purpose",
            purpose,
        ];
        if purpose == "server" {
            theirs.extend(["-verify_hostname", name]);
            ours.extend(["--name", name]);
        }
        if let Some(time) = time {
            theirs.extend(["-attime", time]);
            ours.extend(["--time", time]);
        }
        if untrusted {
            theirs.extend(["-untrusted", &between]);
            ours.push(&between);
        }
        theirs.push(&leaf);
        let (theirs, ours) = (openssl(&theirs), run(&ours));
        assert_eq!(theirs.status.success(), is_good, "{theirs:?}");
        assert_eq!(
            ours.status.code(),
            Some(if is_good { 0 } else { 3 }),
            "{ours:?}"
        );
    }
    let bundle = file("bundle.pem");
    printed(run(&[
        "cert", "bundle", &between, &leaf, "--from", &ca, "--out", &bundle,
    ]));
    let output = openssl(&["verify", "-CAfile", &ca, "-untrusted", &bundle, &bundle]);
    assert!(output.status.success(), "{output:?}");
    for (hash, option) in [
        ("sha256", "-sha256"),
        ("sha1", "-sha1"),
        ("sha512", "-sha512"),
    ] {
        let theirs = openssl(&["x509", "-in", &leaf, "-noout", "-fingerprint", option]);
        let theirs = String::from_utf8(theirs.stdout).unwrap();
        let (_, theirs) = theirs.trim().split_once('=').unwrap();
        let theirs = theirs.to_lowercase();
        let ours = printed(run(&["cert", "fingerprint", &leaf, "--hash", hash]));
        assert_eq!(ours, format!("{hash} {theirs}  CN=leaf\n"));
    }
}
