//! `cert verify`, `cert fingerprint` and `cert bundle`; keys with a password; files that are taken over.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ChildStderr, Command};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use support::{Certificates, Server, client, path, portcullis, printed, run, sentence};

/// A root, two authorities below it and a server, each in a file of its own.
struct Chain {
    folder: tempfile::TempDir,
}

impl Chain {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut above: Option<Issuer<'static, KeyPair>> = None;
        for name in ["root", "first", "second", "server"] {
            let mut params = CertificateParams::new(vec![format!("{name}.test")]).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            params.use_authority_key_identifier_extension = true;
            if name != "server" {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.subject_alt_names.clear();
            }
            let key = KeyPair::generate().unwrap();
            let made = match &above {
                None => params.self_signed(&key),
                Some(issuer) => params.signed_by(&key, issuer),
            };
            fs::write(
                folder.path().join(format!("{name}.pem")),
                made.unwrap().pem(),
            )
            .unwrap();
            above = Some(Issuer::new(params, key));
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        path(self.folder.path(), name)
    }
}

#[test]
fn a_chain_is_verified_by_name_time_and_purpose() {
    let chain = Chain::make();
    let [root, first, second, server] =
        ["root.pem", "first.pem", "second.pem", "server.pem"].map(|name| chain.path(name));
    let verify = |more: &[&str]| {
        let fixed = [
            "cert", "verify", &server, &first, &second, "--cafile", &root,
        ];
        run(&[&fixed, more].concat())
    };
    assert_eq!(
        printed(verify(&["--name", "server.test"])),
        "trusted: CN=server\n  issued by CN=second\n  issued by CN=first\n  issued by CN=root, which is trusted\n"
    );
    printed(verify(&["--purpose", "client"]));
    for (more, expected) in [
        (&["--name", "other.test"][..], "other.test"),
        (&["--time", "0"], "valid"),
        (&["--time", "4200-01-01T00:00:00Z"], "expired"),
    ] {
        let said = sentence(verify(more), 3);
        assert!(said.contains(expected), "{said}");
    }
    for (more, expected) in [
        (
            &["--name", "a.test", "--purpose", "client"][..],
            "--name has no effect",
        ),
        (&["--time", "tomorrow"], "2027-01-31T12:00:00Z"),
    ] {
        let output = verify(more);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
    let said = sentence(
        run(&["cert", "verify", &server, &first, "--cafile", &root]),
        3,
    );
    assert!(said.contains("CN=second"), "{said}");
}

#[test]
fn certificates_are_put_in_order_and_completed() {
    let chain = Chain::make();
    let [root, first, second, server] =
        ["root.pem", "first.pem", "second.pem", "server.pem"].map(|name| chain.path(name));
    let text = |names: &[&str]| -> String {
        names
            .iter()
            .map(|name| fs::read_to_string(name).unwrap())
            .collect()
    };
    let mixed = chain.path("mixed.pem");
    fs::write(&mixed, text(&[&root, &first, &server, &second])).unwrap();
    let wanted = text(&[&server, &second, &first]);
    assert_eq!(printed(run(&["cert", "bundle", &mixed])), wanted);
    let whole = text(&[&server, &second, &first, &root]);
    assert_eq!(printed(run(&["cert", "bundle", &mixed, "--root"])), whole);
    // From others, of which what does not belong to it is left out.
    let (other, out) = (Certificates::make(), chain.path("out.pem"));
    let from = [
        "--from", &first, "--from", &second, "--from", &root, "--from", &other.ca,
    ];
    printed(run(&[
        &["cert", "bundle", &server, "--out", &out],
        &from[..],
    ]
    .concat()));
    assert_eq!(fs::read_to_string(&out).unwrap(), wanted);

    let output = run(&["cert", "bundle", &server, "--from", &first]);
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(printed(output), text(&[&server]));
    assert!(
        said.contains("the chain ends with CN=server; if CN=second is no root"),
        "{said}"
    );
    let said = sentence(run(&["cert", "bundle", &server, &other.cert]), 2);
    assert!(
        said.contains("have both issued none of the others"),
        "{said}"
    );
}

#[test]
fn fingerprints_of_certificates_and_keys() {
    let made = Certificates::make();
    let said = printed(run(&["cert", "fingerprint", &made.cert, &made.ca]));
    assert_eq!(said.lines().count(), 2);
    let shown = printed(run(&["cert", "show", &made.cert]));
    let first = said.lines().next().unwrap().split(' ').collect::<Vec<_>>();
    assert_eq!(first[0], "sha256");
    assert!(
        shown.contains(&format!("SHA-256:   {}", first[1])),
        "{said} {shown}"
    );
    let line = printed(run(&[
        "cert",
        "fingerprint",
        &made.cert,
        "--spki",
        "--hash",
        "sha1",
        "--json",
    ]));
    let facts: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(facts["schema"], "portcullis.fingerprints/1");
    assert_eq!(facts["of"], "spki");
    assert_eq!(
        facts["certificates"][0]["fingerprint"]
            .as_str()
            .unwrap()
            .len(),
        40
    );
    sentence(run(&["cert", "fingerprint", &made.key]), 2);
}

fn reports(name: &str) -> String {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../portcullis-core/src/x509/tests/reports");
    path(&folder, name)
}

#[test]
fn keys_with_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (path(folder.path(), "right"), path(folder.path(), "wrong"));
    fs::write(&right, "Gruß aus 7\nand more\n").unwrap();
    fs::write(&wrong, "Geheimes Wort\n").unwrap();
    let (cert, ca) = (reports("pem/chain.pem"), reports("pem/root.pem"));
    for key in ["default", "scrypt", "old_aes256", "pbe_sha1_3des"] {
        let key = reports(&format!("encrypted/{key}.pem"));
        let own = ["--cert", &cert, "--key", &key, "--password-file", &right];
        let server = Server::once(&own);
        let _ = client(
            &[
                &server.address,
                "--insecure",
                "--cert",
                &cert,
                "--key",
                &key,
                "--password-file",
                &right,
            ],
            b"",
        );
        let with = |option: &str, value: &str| {
            let mut server = portcullis(&["server", "--cert", &cert, "--key", &key, option, value]);
            server
                .env("WRONG_PASSWORD", "Geheimes Wort")
                .output()
                .unwrap()
        };
        for output in [
            with("--password-file", &wrong),
            with("--password-env", "WRONG_PASSWORD"),
        ] {
            let said = sentence(output, 2);
            assert!(
                said.contains("the password does not open the private key"),
                "{said}"
            );
            assert!(!said.contains("Geheim"), "{said}");
        }
    }
    let key = reports("encrypted/default.pem");
    let said = sentence(run(&["server", "--cert", &cert, "--key", &key]), 2);
    assert!(said.contains("give its password"), "{said}");
    let said = sentence(
        run(&[
            "server",
            "--cert",
            &cert,
            "--key",
            &key,
            "--password-env",
            "NOT_THERE",
        ]),
        2,
    );
    assert!(said.contains("no such variable"), "{said}");
    let key = reports("pem/key.pem");
    let said = sentence(
        run(&[
            "server",
            "--cert",
            &cert,
            "--key",
            &key,
            "--password-file",
            &right,
        ]),
        2,
    );
    assert!(said.contains("--password-file has no effect"), "{said}");
    assert!(fs::metadata(ca).is_ok());
}

/// The next line on standard error.
fn next_line(stderr: &mut BufReader<ChildStderr>) -> String {
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    line
}

/// The name of the certificate that a server shows.
fn shown_name(server: &Server) -> Value {
    let output = client(&[&server.address, "--insecure", "--json"], b"");
    let line = output.stdout.split(|byte| *byte == b'\n').next().unwrap();
    let facts: Value = serde_json::from_slice(line).unwrap();
    facts["peer_certificates"][0]["names"].clone()
}

#[test]
fn files_are_taken_over_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let dev = |name: &str| printed(run(&["cert", "dev", "--out", out, "--force", name]));
    dev("first.test");
    let (cert, key) = (
        path(folder.path(), "cert.pem"),
        path(folder.path(), "key.pem"),
    );
    let mut server = Server::start(&["--cert", &cert, "--key", &key, "--reload"]);
    let mut stderr = BufReader::new(server.child.stderr.take().unwrap());
    assert_eq!(shown_name(&server), serde_json::json!(["first.test"]));
    dev("second.test");
    let line = next_line(&mut stderr);
    assert!(line.starts_with("portcullis: taken over: "), "{line}");
    assert!(
        line.contains("cert.pem") && line.contains("key.pem"),
        "{line}"
    );
    assert_eq!(shown_name(&server), serde_json::json!(["second.test"]));

    fs::write(&key, "no key").unwrap();
    let line = next_line(&mut stderr);
    assert!(
        line.contains("not taken over, what was there stays: "),
        "{line}"
    );
    assert_eq!(shown_name(&server), serde_json::json!(["second.test"]));
    dev("third.test");
    // It is told to look, and has been told by the system, too.
    let pid = server.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-HUP", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(next_line(&mut stderr).contains("taken over"));
    assert_eq!(shown_name(&server), serde_json::json!(["third.test"]));

    let once = run(&["server", "--cert", &cert, "--reload", "--once"]);
    assert_eq!(once.status.code(), Some(2));
}
