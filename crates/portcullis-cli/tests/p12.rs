//! Files of PKCS#12, which OpenSSL and GnuTLS write and read. `apt-get install openssl gnutls-bin`

mod support;

use std::fs;
use std::process::Command;

use support::{Certificates, portcullis, printed, run, sentence};

const PASSWORD: &str = "Kürbis kern 7";

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.expect("openssl is in Debian's package openssl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output.stdout
}

/// Certificates, and a file with the password.
fn made() -> (Certificates, String) {
    let made = Certificates::make();
    let password = made.path("password");
    fs::write(&password, format!("{PASSWORD}\nnot this line\n")).unwrap();
    (made, password)
}

/// The certificates of PEM, without what stands between them.
fn certificates(pem: &str) -> Vec<String> {
    let end = "-----END CERTIFICATE-----";
    let begins = pem.match_indices("-----BEGIN CERTIFICATE-----");
    let whole = begins.map(|(at, _)| &pem[at..at + pem[at..].find(end).unwrap() + end.len()]);
    whole.map(str::to_owned).collect()
}

fn key(file: &str) -> Vec<u8> {
    openssl(&["pkey", "-in", file, "-outform", "DER"])
}

#[cfg(unix)]
fn mode(file: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_openssl_writes_is_read() {
    let (made, password) = made();
    let expected = [&made.client_cert, &made.ca].map(|file| fs::read_to_string(file).unwrap());
    let expected = certificates(&expected.concat());
    for (case, (empty, more)) in [
        // PBES2 and SHA-256.
        (false, &[][..]),
        // RC2 with 40 bits, 3DES and SHA-1.
        (false, &["-legacy"]),
        (false, &["-descert", "-legacy"]),
        (
            false,
            &[
                "-keypbe",
                "AES-128-CBC",
                "-certpbe",
                "AES-192-CBC",
                "-macalg",
                "sha512",
            ],
        ),
        (
            false,
            &["-certpbe", "NONE", "-keypbe", "NONE", "-macalg", "sha384"],
        ),
        (false, &["-nomac"]),
        (true, &[]),
        (true, &["-legacy"]),
    ]
    .into_iter()
    .enumerate()
    {
        let file = made.path(&format!("{case}.p12"));
        let from = match empty {
            true => "pass:".to_owned(),
            false => format!("file:{password}"),
        };
        let fixed = [
            "pkcs12",
            "-export",
            "-in",
            &made.client_cert,
            "-inkey",
            &made.client_key,
        ];
        let ends = [
            "-certfile",
            &made.ca,
            "-name",
            "Alice",
            "-out",
            &file,
            "-passout",
            &from,
        ];
        openssl(&[&fixed[..], &ends, more].concat());
        let given: &[&str] = match empty {
            true => &[],
            false => &["--password-file", &password],
        };
        let shown = run(&[&["cert", "p12", "show", &file], given].concat());
        let warned = String::from_utf8_lossy(&shown.stderr).contains("has no MAC");
        assert_eq!(warned, more == ["-nomac"], "{more:?}");
        let shown = printed(shown);
        assert!(shown.contains("alice@a.test"), "{more:?}: {shown}");
        assert!(
            shown.ends_with("private key 0: of certificate 0, called Alice\n"),
            "{more:?}: {shown}"
        );
        assert!(!shown.contains("PRIVATE"), "{shown}");
        let out = made.path(&format!("{case}.pem"));
        let extract = [&["cert", "p12", "extract", &file, "--out", &out], given].concat();
        assert_eq!(printed(run(&extract)), "", "{more:?}");
        let text = fs::read_to_string(&out).unwrap();
        assert_eq!(certificates(&text), expected, "{more:?}");
        assert_eq!(key(&out), key(&made.client_key), "{more:?}");
        #[cfg(unix)]
        assert_eq!(mode(&out), 0o600);
        // What is there is kept.
        let again = run(&extract);
        let said = String::from_utf8_lossy(&again.stderr);
        assert_eq!(again.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("--out {out}: ")), "{said}");
        assert_eq!(fs::read_to_string(&out).unwrap(), text);
        let public = printed(run(&[
            &["cert", "p12", "extract", &file, "--no-key"],
            given,
        ]
        .concat()));
        assert_eq!(certificates(&public), expected, "{more:?}");
        assert!(!public.contains("PRIVATE"), "{public}");
    }
}

/// Keys of every format and kind, and a password that is not ASCII.
#[test]
fn what_is_made_openssl_and_gnutls_read() {
    let (made, password) = made();
    let from = format!("file:{password}");
    let (rsa, rsa_cert) = (made.path("rsa.pem"), made.path("rsa-cert.pem"));
    openssl(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", &rsa, "-out", &rsa_cert,
        "-subj", "/CN=rsa",
    ]);
    let (pkcs1, sec1) = (made.path("pkcs1.pem"), made.path("sec1.pem"));
    openssl(&["rsa", "-in", &rsa, "-traditional", "-out", &pkcs1]);
    openssl(&["ec", "-in", &made.client_key, "-out", &sec1]);
    for (kind, begins) in [(&pkcs1, "BEGIN RSA"), (&sec1, "BEGIN EC")] {
        assert!(fs::read_to_string(kind).unwrap().contains(begins));
    }
    for (case, (cert, key_file, chain)) in [
        (&made.client_cert, &made.client_key, 1),
        (&made.client_cert, &sec1, 1),
        (&rsa_cert, &pkcs1, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let file = made.path(&format!("{case}.p12"));
        let make = [
            "cert", "p12", "make", "--cert", cert, "--key", key_file, "--out", &file,
        ];
        let named = ["--name", "Zoë", "--password-env", "P12"];
        let mut command = portcullis(&[&make[..], &named].concat());
        let output = command.env("P12", PASSWORD).output().unwrap();
        assert_eq!(printed(output), "");
        #[cfg(unix)]
        assert_eq!(mode(&file), 0o600);
        let both = openssl(&["pkcs12", "-in", &file, "-passin", &from, "-nodes"]);
        // It prints the name in Latin-1.
        let both = String::from_utf8_lossy(&both).into_owned();
        assert!(both.contains("friendlyName: Zo"), "{both}");
        assert_eq!(certificates(&both).len(), chain);
        let out = made.path(&format!("{case}.pem"));
        fs::write(&out, &both).unwrap();
        assert_eq!(key(&out), key(key_file), "{key_file}");
        let info = openssl(&[
            "pkcs12", "-in", &file, "-passin", &from, "-noout", "-nokeys",
        ]);
        assert_eq!(info, b"");
        // GnuTLS takes the password from its command line.
        let info = [
            "--p12-info",
            "--inder",
            "--infile",
            &file,
            "--password",
            PASSWORD,
        ];
        let output = Command::new("certtool").args(info).output();
        let output = output.expect("certtool is in Debian's package gnutls-bin");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        assert!(
            text.contains("BEGIN CERTIFICATE") && text.contains("BEGIN"),
            "{text}"
        );
        // And here.
        let shown = printed(run(&[
            "cert",
            "p12",
            "show",
            &file,
            "--password-file",
            &password,
        ]));
        assert!(
            shown.ends_with("private key 0: of certificate 0, called Zoë\n"),
            "{shown}"
        );
    }
}

/// Each says which file, and nothing that is secret.
#[test]
fn what_cannot_be_done_is_said() {
    let (made, password) = made();
    let from = format!("file:{password}");
    let file = made.path("good.p12");
    let fixed = [
        "pkcs12",
        "-export",
        "-in",
        &made.client_cert,
        "-inkey",
        &made.client_key,
    ];
    let export = |out: &str, more: &[&str]| {
        openssl(&[&fixed[..], &["-out", out, "-passout", &from], more].concat());
    };
    export(&file, &[]);
    let (rc4, bare, two) = (
        made.path("rc4.p12"),
        made.path("bare.p12"),
        made.path("two"),
    );
    export(&rc4, &["-legacy", "-keypbe", "PBE-SHA1-RC4-128"]);
    openssl(&[
        "pkcs12", "-export", "-nokeys", "-in", &made.ca, "-out", &bare, "-passout", &from,
    ]);
    fs::write(&two, b"\x30\x80\x02\x01\x03").unwrap();
    let wrong = made.path("wrong");
    fs::write(&wrong, "Melone").unwrap();
    let cut = made.path("cut.p12");
    let whole = fs::read(&file).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let missing = made.path("missing.p12");
    let right = ["--password-file", &password];
    for (file, given, why) in [
        (&file, &[][..], "no password was given"),
        (&file, &["--password-file", &wrong], "the wrong one"),
        (&file, &["--password-file", &missing], "No such file"),
        (&rc4, &right, "RC4, which is broken"),
        (&bare, &right, "no private key in it"),
        (&two, &right, "BER"),
        (&cut, &right, "damaged"),
        (&missing, &right, "No such file"),
        (&made.client_cert, &right, "it is PEM"),
        (&file, &right, "never printed"),
    ] {
        let said = sentence(run(&[&["cert", "p12", "extract", file], given].concat()), 2);
        assert!(said.contains(why), "{said}");
        let is_named = said.contains(file.as_str()) || said.contains(&missing);
        assert!(is_named || why == "never printed", "{said}");
        assert!(
            !said.contains("Melone") && !said.contains("Kürbis"),
            "{said}"
        );
    }
    let encrypted = made.path("encrypted.pem");
    openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        &made.client_key,
        "-out",
        &encrypted,
        "-passout",
        &from,
    ]);
    let out = made.path("new.p12");
    for (key, given, why) in [
        (&made.client_key, &[][..], "no password"),
        (&made.key, &right, "the private key"),
        (&encrypted, &right, "encrypted"),
        (&made.ca, &right, "no private key"),
    ] {
        let make = [
            "cert",
            "p12",
            "make",
            "--cert",
            &made.client_cert,
            "--key",
            key,
            "--out",
            &out,
        ];
        let said = sentence(run(&[&make[..], given].concat()), 2);
        assert!(said.contains(why), "{said}");
        assert!(said.contains(key.as_str()) || given.is_empty(), "{said}");
        assert!(!fs::exists(&out).unwrap());
    }
}
