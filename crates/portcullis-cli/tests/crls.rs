//! `crl check` and `crl fetch`, and `--crl` of client and server.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use support::{Certificates, Server, client, printed, run, sentence};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The list of the authority in DER, with these certificates in it.
fn list(made: &Certificates, revoked: &[&str]) -> Vec<u8> {
    let key = KeyPair::from_pem(&fs::read_to_string(made.path("ca-key.pem")).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&fs::read_to_string(&made.ca).unwrap(), key).unwrap();
    let serial = |file: &&str| {
        let pem = pem::parse(fs::read(file).unwrap()).unwrap();
        let (_, certificate) = X509Certificate::from_der(pem.contents()).unwrap();
        certificate.raw_serial().to_vec()
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(2049, 1, 1),
        crl_number: SerialNumber::from(7_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked
            .iter()
            .map(|file| RevokedCertParams {
                serial_number: SerialNumber::from(serial(file)),
                revocation_time: date_time_ymd(2026, 1, 2),
                reason_code: Some(rcgen::RevocationReason::Superseded),
                invalidity_date: None,
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(&issuer).unwrap().der().to_vec()
}

fn write(made: &Certificates, name: &str, list: &[u8]) -> String {
    let path = made.path(name);
    fs::write(&path, list).unwrap();
    path
}

#[test]
fn a_file_is_looked_for_in_lists() {
    let made = Certificates::make();
    let lists = write(&made, "list.der", &list(&made, &[&made.client_cert]));
    let check = |file: &str, more: &[&str]| {
        let mut arguments = vec!["crl", "check", file, "--cafile", &made.ca];
        arguments.extend(more);
        run(&arguments)
    };
    let said = printed(check(&made.cert, &["--crl", &lists]));
    assert!(said.starts_with("not revoked: CN="), "{said}");
    let said = sentence(check(&made.client_cert, &["--crl", &lists]), 3);
    assert!(
        said.contains("was revoked on Jan  2") && said.contains("(superseded), says the CRL 7"),
        "{said}"
    );
    // There are no points in these certificates, so nothing is where they say.
    let said = sentence(check(&made.cert, &["--crl", "http"]), 3);
    assert!(
        said.contains(
            " is there (the certificate names no point that --crl http could fetch it from): provide the CRL with --crl \
             FILE, or accept that with --crl-check best-effort"
        ),
        "{said}"
    );
    printed(check(&made.cert, &["--crl", "http", "--crl", &lists]));
    let folder = made.folder.path().to_str().unwrap();
    assert!(sentence(check(&made.cert, &["--crl", folder]), 3).contains("cannot be told"));
    let output = check(&made.cert, &["--crl", folder, "--crl-check", "best-effort"]);
    assert!(output.status.success(), "{output:?}");
    assert!(sentence(check(&made.cert, &[]), 2).contains("--crl"));
    assert!(sentence(check(&made.cert, &["--crl", &made.key]), 2).contains("no revocation list"));
    let said = sentence(
        check(&made.cert, &["--crl", &lists, "--crl-allow", "10.0.0.0/8"]),
        2,
    );
    assert!(said.contains("no effect"), "{said}");
}

#[test]
fn what_is_in_lists_is_shown() {
    let made = Certificates::make();
    let der = list(&made, &[&made.client_cert]);
    let file = write(&made, "list.der", &der);
    // Two of them in PEM, and one in DER.
    let pem = pem::encode(&pem::Pem::new("X509 CRL", der));
    let both = write(&made, "list.pem", pem.repeat(2).as_bytes());
    let said = printed(run(&["crl", "show", &file, &both]));
    assert_eq!(said.matches("number    7\n").count(), 3, "{said}");
    assert!(said.contains("issued    2020-01-01") && said.contains("good to   2049-01-01"));
    assert!(said.contains("signature not verified\n") && !said.contains("superseded"));
    let said = printed(run(&["crl", "show", &file, "--revoked"]));
    let pem = pem::parse(fs::read(&made.client_cert).unwrap()).unwrap();
    let (_, certificate) = X509Certificate::from_der(pem.contents()).unwrap();
    let serial = certificate.raw_serial().iter();
    let serial: Vec<_> = serial.map(|byte| format!("{byte:02x}")).collect();
    let shown = |text: &str| text.replace(':', "").to_lowercase();
    let last = said.lines().last().unwrap();
    assert!(shown(last).contains(&serial.concat()), "{last}");
    assert!(
        last.contains(" at 2026-01-02T00:00:00Z, Superseded"),
        "{last}"
    );
    let said = printed(run(&["crl", "show", &file, "--revoked", "--json"]));
    let line: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&line["count"], &line["number"], &line["over"]),
        (&1.into(), &"7".into(), &false.into()),
        "{line}"
    );
    assert_eq!(
        shown(line["revoked"][0]["serial"].as_str().unwrap()),
        serial.concat()
    );
    assert_eq!(line["revoked"][0]["reason"], "Superseded");
    let line = printed(run(&["crl", "show", &file, "--json"]));
    assert!(!line.contains("revoked"), "{line}");
    assert!(sentence(run(&["crl", "show", &made.key]), 2).contains("no revocation list"));
}

#[test]
fn peers_are_looked_for_in_lists() {
    let made = Certificates::make();
    let none = write(&made, "none.der", &list(&made, &[]));
    let both = write(
        &made,
        "both.der",
        &list(&made, &[&made.client_cert, &made.cert]),
    );
    let server = Server::start(&made.server());
    let target = format!("localhost:{}", server.port());
    let connect = |more: &[&str]| {
        let mut arguments = vec![&*target, "--resolve", "127.0.0.1", "--cafile", &made.ca];
        arguments.extend(more);
        client(&arguments, b"hello\n")
    };
    assert_eq!(printed(connect(&["--crl", &none])), "hello\n");
    let output = connect(&["--crl", &both, "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("certificate revoked") || said.contains("certificate_revoked"),
        "{said}"
    );
    assert!(said.contains("was revoked on"), "{said}");

    for (lists, code) in [(&none, 0), (&both, 3)] {
        let mut arguments = made.server().to_vec();
        arguments.extend([
            "--client-auth",
            "required",
            "--cafile",
            &made.ca,
            "--crl",
            lists,
        ]);
        let mut server = Server::once(&arguments);
        let target = format!("localhost:{}", server.port());
        let own = ["--cert", &made.client_cert, "--key", &made.client_key];
        let mut arguments = vec![&*target, "--resolve", "127.0.0.1", "--cafile", &made.ca];
        arguments.extend(own);
        client(&arguments, b"hello\n");
        assert_eq!(server.exit_code(), Some(code));
    }
    // Without clients' certificates there is nothing to look for.
    let mut arguments = vec!["server", "--listen", "127.0.0.1:0", "--crl", &none];
    arguments.extend(made.server());
    let said = sentence(run(&arguments), 2);
    assert!(
        said.contains("--crl: no chain of a client is verified"),
        "{said}"
    );
}

#[test]
fn a_list_is_fetched_if_that_is_allowed() {
    let made = Certificates::make();
    let der = list(&made, &[&made.cert]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ca.crl", listener.local_addr().unwrap());
    let body = der.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 2_048]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body);
        }
    });
    let said = sentence(run(&["crl", "fetch", &url]), 4);
    assert!(said.contains("127.0.0.1 is of this machine"), "{said}");
    let out = made.path("fetched.der");
    let fetch = [
        "crl",
        "fetch",
        &url,
        "--allow",
        "127.0.0.0/8",
        "--out",
        &out,
    ];
    let said = printed(run(&fetch));
    assert!(
        said.contains("number    7")
            && said.contains("revoked   1")
            && said.contains("issuer    CN=")
            && said.contains("issued    2020-01-01")
            && said.contains("good to   2049-01-01"),
        "{said}"
    );
    assert_eq!(fs::read(&out).unwrap(), der);
    // It is there now.
    assert!(sentence(run(&fetch), 2).contains("--out"));
}
