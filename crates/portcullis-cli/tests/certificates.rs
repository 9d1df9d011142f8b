//! `cert dev` and `cert show`: what is made, what is kept, what is refused, what is shown.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Certificates, Server, client, path, printed, run, sentence};

fn dev(folder: &Path, more: &[&str]) -> std::process::Output {
    let mut arguments = vec!["cert", "dev", "--out", folder.to_str().unwrap()];
    arguments.extend(more);
    run(&arguments)
}

/// What `cert show --json` says of the first certificate in a file.
fn shown(file: &str) -> Value {
    let line = printed(run(&["cert", "show", file, "--json"]));
    let facts: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(facts["schema"], "portcullis.certificates/1");
    facts["certificates"][0].clone()
}

#[test]
fn an_authority_is_made_once_and_signs_whatever_is_made_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| path(folder.path(), name);
    let said = printed(dev(folder.path(), &["A.test", "*.b.test", "::1", "a.test"]));
    assert!(said.contains("a.test, *.b.test, ::1"), "{said}");
    assert!(said.contains("the authority made now"), "{said}");
    let authority = fs::read(file("ca.pem")).unwrap();
    let key = fs::read(file("ca-key.pem")).unwrap();
    let leaf = shown(&file("cert.pem"));
    assert_eq!(leaf["subject"], "CN=a.test");
    assert_eq!(
        leaf["names"],
        serde_json::json!(["a.test", "*.b.test", "::1"])
    );
    assert_eq!(leaf["purposes"], serde_json::json!(["serverAuth"]));
    assert_eq!(leaf["authority"], false);
    assert_eq!(leaf["days_left"], 396);

    let said = printed(dev(
        folder.path(),
        &["--client", "bob@a.test", "bob.a.test"],
    ));
    assert!(said.contains("the authority that was there"), "{said}");
    let own = shown(&file("client.pem"));
    assert_eq!(own["subject"], "CN=bob@a.test");
    assert_eq!(
        own["names"],
        serde_json::json!(["bob@a.test", "bob.a.test"])
    );
    assert_eq!(own["purposes"], serde_json::json!(["clientAuth"]));
    assert_eq!(own["issuer"], leaf["issuer"]);

    let workload = ["--force", "--client", "spiffe://a.test/ns/one/sa/web"];
    printed(dev(folder.path(), &workload));
    let own = shown(&file("client.pem"));
    assert_eq!(own["names"], serde_json::json!([workload[2]]));

    let again = dev(folder.path(), &["c.test"]);
    assert!(sentence(again, 2).contains("--force"));
    printed(dev(folder.path(), &["--force", "--days", "7", "c.test"]));
    let fresh = shown(&file("cert.pem"));
    assert_eq!(fresh["subject"], "CN=c.test");
    assert_eq!(fresh["days_left"], 6);
    assert_eq!(fs::read(file("ca.pem")).unwrap(), authority);
    assert_eq!(fs::read(file("ca-key.pem")).unwrap(), key);

    // Another folder has another authority, by name and by key.
    let other = tempfile::tempdir().unwrap();
    printed(dev(other.path(), &[]));
    let (first, second) = (shown(&file("ca.pem")), shown(&path(other.path(), "ca.pem")));
    assert_ne!(first["subject"], second["subject"]);
    assert_ne!(first["spki_pin"], second["spki_pin"]);
    assert_eq!(first["authority"], true);
}

#[test]
fn a_long_name_is_no_common_name() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{0}.{0}.test", "a".repeat(40));
    printed(dev(folder.path(), &[&long]));
    let leaf = shown(&path(folder.path(), "cert.pem"));
    assert_eq!(
        (&leaf["subject"], &leaf["names"][0]),
        (&"".into(), &long.as_str().into())
    );
}

#[test]
fn names_that_cannot_be_are_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (names, expected) in [
        (&["not a name"][..], "it is not a host name"),
        (
            &["a.test", "https://a.test"],
            "write the host of the URL alone",
        ),
        (&["localhost:443"], "without a port"),
        (&["*.test"], "no wildcard above a single label"),
        (&["bücher.test"], "xn--"),
        (&["alice@a.test"], "use --client"),
        (&["spiffe://a.test/web"], "use --client"),
        (&["a.test", "spiffe://a.test/a//b"], "not a SPIFFE ID"),
        (
            &["--client", "spiffe://a.test/a", "spiffe://a.test/b"],
            "one SPIFFE ID at most",
        ),
        (&[""], "it is not a host name"),
    ] {
        let said = sentence(dev(folder.path(), names), 2);
        assert!(said.contains(expected), "{names:?}: {said}");
    }
    for days in ["0", "398"] {
        assert_eq!(dev(folder.path(), &["--days", days]).status.code(), Some(2));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_authority_that_is_not_whole_is_not_replaced_in_silence() {
    let other = Certificates::make();
    let broken = |change: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        printed(dev(folder.path(), &[]));
        change(folder.path());
        let before = fs::read(folder.path().join("cert.pem")).unwrap();
        let said = sentence(dev(folder.path(), &["--force"]), 2);
        assert_eq!(fs::read(folder.path().join("cert.pem")).unwrap(), before);
        said
    };
    let said = broken(&|folder| fs::remove_file(folder.join("ca-key.pem")).unwrap());
    assert!(said.contains("there is no ca-key.pem"), "{said}");
    let said = broken(&|folder| fs::remove_file(folder.join("ca.pem")).unwrap());
    assert!(said.contains("ca.pem: is not there"), "{said}");
    let said = broken(&|folder| {
        fs::write(folder.join("ca.pem"), fs::read(&other.ca).unwrap()).unwrap();
    });
    assert!(said.contains("the key of another certificate"), "{said}");
    let said = broken(&|folder| {
        fs::copy(folder.join("key.pem"), folder.join("ca-key.pem")).unwrap();
        fs::copy(folder.join("cert.pem"), folder.join("ca.pem")).unwrap();
    });
    assert!(
        said.contains("not the certificate of an authority"),
        "{said}"
    );
    let said = broken(&|folder| fs::write(folder.join("ca-key.pem"), "x").unwrap());
    assert!(said.contains("ca-key.pem is not a key"), "{said}");
}

#[cfg(unix)]
#[test]
fn certificates_are_for_everyone_and_keys_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let made = Certificates::make();
    let modes = || {
        [
            "ca.pem",
            "cert.pem",
            "client.pem",
            "ca-key.pem",
            "key.pem",
            "client-key.pem",
        ]
        .map(|name| {
            let metadata = fs::symlink_metadata(made.folder.path().join(name)).unwrap();
            assert!(metadata.is_file(), "{name}");
            metadata.permissions().mode() & 0o777
        })
    };
    let expected = [0o644, 0o644, 0o644, 0o600, 0o600, 0o600];
    assert_eq!(modes(), expected);
    printed(dev(made.folder.path(), &["--force"]));
    assert_eq!(modes(), expected);

    // Whoever can read the authority's key can be any server.
    let key = made.folder.path().join("ca-key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let said = sentence(dev(made.folder.path(), &["--force"]), 2);
    assert!(
        said.contains("mode 640") && said.contains("chmod 600"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn files_are_replaced_whole_and_links_are_not_followed() {
    use std::os::unix::fs::symlink;

    let made = Certificates::make();
    let folder = made.folder.path();
    let elsewhere = folder.join("elsewhere");
    let open = fs::File::open(&made.key).unwrap();
    let before = fs::read(&made.key).unwrap();
    fs::write(&elsewhere, "mine").unwrap();
    fs::remove_file(&made.cert).unwrap();
    symlink(&elsewhere, &made.cert).unwrap();
    let count = fs::read_dir(folder).unwrap().count();

    assert!(sentence(dev(folder, &[]), 2).contains("is there already"));
    printed(dev(folder, &["--force"]));
    assert!(fs::symlink_metadata(&made.cert).unwrap().is_file());
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "mine");
    assert_eq!(std::io::read_to_string(open).unwrap().as_bytes(), before);
    assert_eq!(fs::read_dir(folder).unwrap().count(), count);
}

#[test]
fn each_certificate_is_for_its_purpose_alone() {
    let made = Certificates::make();
    let mut arguments = vec!["--cert", &made.client_cert, "--key", &made.client_key];
    let server = Server::start(&arguments);
    let output = client(
        &[
            &server.address,
            "--name",
            "alice.test",
            "--cafile",
            &made.ca,
        ],
        b"",
    );
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    arguments = made.server().to_vec();
    arguments.extend(["--client-auth", "required", "--cafile", &made.ca]);
    let server = Server::start(&arguments);
    let own = ["--cert", &made.cert, "--key", &made.key];
    let all = [&[server.address.as_str(), "--cafile", &made.ca], &own[..]].concat();
    assert_eq!(client(&all, b"x").status.code(), Some(5));
}

#[test]
fn the_certificates_of_a_file_are_shown() {
    let made = Certificates::make();
    let bundle = made.path("bundle.pem");
    let parts = [&made.cert, &made.key, &made.ca].map(|file| fs::read_to_string(file).unwrap());
    fs::write(&bundle, parts.concat()).unwrap();
    let text = printed(run(&["cert", "show", &bundle]));
    assert!(
        text.contains("certificate 1\n  subject:   CN=localhost\n"),
        "{text}"
    );
    assert!(
        text.contains("certificate 2\n  subject:   CN=portcullis development"),
        "{text}"
    );
    assert!(
        text.contains("  authority: yes\n") && text.contains("(396 days left)"),
        "{text}"
    );

    let mistake = |contents: &[u8]| {
        let file = made.path("mistake.pem");
        fs::write(&file, contents).unwrap();
        sentence(run(&["cert", "show", &file]), 2)
    };
    let key = fs::read_to_string(&made.key).unwrap();
    let said = mistake(key.as_bytes());
    assert!(said.contains("a private key and no certificate"), "{said}");
    // What other readers of PEM pass over without a word.
    let pem = fs::read_to_string(&made.cert).unwrap();
    let old = pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    let said = mistake((pem.clone() + &old).as_bytes());
    assert!(said.contains("OpenSSL's own format"), "{said}");
    let glued = made.path("glued.pem");
    fs::write(&glued, format!("\u{feff}{}{pem}", pem.trim_end())).unwrap();
    let text = printed(run(&["cert", "show", &glued]));
    assert_eq!(
        text.matches("subject:   CN=localhost\n").count(),
        2,
        "{text}"
    );
    // A damaged key is not printed either.
    let line = key.lines().nth(1).unwrap();
    let said = mistake(format!("-----BEGIN PRIVATE KEY {line}\n").as_bytes());
    assert!(!said.contains(line), "{said}");
    assert!(mistake(b"hello").contains("neither PEM nor"));
    assert!(mistake(b"").contains("neither PEM nor"));
    let half = parts[0].len() / 2;
    assert!(mistake(&parts[0].as_bytes()[..half]).contains("damaged"));
    let mut large = parts[0].clone().into_bytes();
    large.resize(5 * 1024 * 1024, b'\n');
    assert!(mistake(&large).contains("more than 4194304 bytes"));
    assert!(sentence(run(&["cert", "show", "missing.pem"]), 2).contains("missing.pem"));
}

/// A certificate that says much, in words and for programs.
#[test]
fn what_stands_in_extensions_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let own =
        |oid: &[u64], value: &[u8]| rcgen::CustomExtension::from_oid_content(oid, value.to_vec());
    let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(1));
    params.crl_distribution_points = vec![rcgen::CrlDistributionPoint {
        uris: vec!["http://crl.test/a\u{7}.crl".to_owned()],
    }];
    params.name_constraints = Some(rcgen::NameConstraints {
        permitted_subtrees: vec![
            rcgen::GeneralSubtree::DnsName("example.com".to_owned()),
            rcgen::GeneralSubtree::IpAddress(rcgen::CidrSubnet::V4([10, 0, 0, 0], [255, 0, 0, 0])),
        ],
        excluded_subtrees: vec![rcgen::GeneralSubtree::Rfc822Name("bad.test".to_owned())],
    });
    params.use_authority_key_identifier_extension = true;
    params.custom_extensions = vec![
        // OCSP at http://o, the issuer at http://i.
        own(
            &[1, 3, 6, 1, 5, 5, 7, 1, 1],
            b"\x30\x2a\x30\x13\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01\x86\x07http://\x30\x13\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x07http://",
        ),
        own(&[1, 3, 6, 1, 5, 5, 7, 1, 24], &[0x30, 3, 2, 1, 5]),
        own(
            &[2, 5, 29, 32],
            b"\x30\x12\x30\x08\x06\x06\x67\x81\x0c\x01\x02\x01\x30\x06\x06\x04\x2a\x03\x04\x05",
        ),
        // One timestamp: version 1, a log of 7s, at 2026-01-01.
        own(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], &{
            let mut sct = vec![0];
            sct.extend([7; 32]);
            sct.extend(1_767_225_600_000_u64.to_be_bytes());
            sct.extend([0, 0, 4, 3, 0, 2, 1, 1]);
            let one = [&[0, u8::try_from(sct.len()).unwrap()][..], &sct].concat();
            let list = [&[0, u8::try_from(one.len()).unwrap()][..], &one].concat();
            [&[4, u8::try_from(list.len()).unwrap()][..], &list].concat()
        }),
    ];
    let key = rcgen::KeyPair::generate().unwrap();
    let file = path(folder.path(), "much.pem");
    fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    let text = printed(run(&["cert", "show", &file]));
    for line in [
        "  below it:  one authority\n",
        "  permitted: example.com, 10.0.0.0/8\n",
        "  excluded:  e-mail bad.test\n",
        "  CRL:       http://crl.test/a\\u{7}.crl\n",
        "  OCSP:      http://\n",
        "  issuer at: http://\n",
        "  staple:    required (RFC 7633)\n",
        "  SCT:       2026-01-01T00:00:00Z by the log 0707",
        "  policies:  2.23.140.1.2.1 (domain validated), 1.2.3.4.5",
        "  key id:    ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let facts = shown(&file);
    assert_eq!(facts["path_length"], 1);
    assert_eq!(facts["permitted_names"][0], "example.com");
    assert_eq!(facts["excluded_names"][0], "e-mail bad.test");
    assert_eq!(
        facts["crl_distribution_points"][0],
        "http://crl.test/a\\u{7}.crl"
    );
    assert_eq!(facts["ocsp_responders"][0], "http://");
    assert_eq!(facts["must_staple"], true);
    assert_eq!(facts["timestamps"].as_array().unwrap().len(), 1);
    assert_eq!(facts["policies"].as_array().unwrap().len(), 2);
    assert_eq!(facts["key_identifier"].as_str().unwrap().len(), 59);
    // Of what is not there nothing is said.
    let plain = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
    fs::write(&file, plain.self_signed(&key).unwrap().pem()).unwrap();
    let facts = shown(&file);
    assert!(facts.get("must_staple").is_none() && facts.get("path_length").is_none());
}

#[test]
fn the_certificates_of_a_server_are_shown_with_a_verdict() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let text = printed(run(&[
        "cert",
        "show",
        &server.address,
        "--cafile",
        &made.ca,
    ]));
    assert!(text.contains("\n  subject:   CN=localhost\n"), "{text}");
    assert!(
        text.contains("verdict:         verified against "),
        "{text}"
    );
    // What is not trusted is shown all the same, and the name that was looked for.
    let line = printed(run(&["cert", "show", &server.address, "--json"]));
    let facts: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(facts["verdict"]["verified"], false);
    let reason = facts["verdict"]["reason"].as_str().unwrap();
    let issuer = facts["peer_certificates"][0]["issuer"].as_str().unwrap();
    assert!(reason.contains(issuer), "{reason}");
    let pem = facts["peer_certificates"][0]["pem"].as_str().unwrap();
    assert_eq!(pem, fs::read_to_string(&made.cert).unwrap());

    assert_eq!(run(&["cert", "show", "127.0.0.1:1"]).status.code(), Some(1));
}

#[test]
fn a_certificate_that_expires_soon_is_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    printed(dev(folder.path(), &["--days", "7"]));
    let file = path(folder.path(), "cert.pem");
    printed(run(&["cert", "show", &file, "--expires-within", "6"]));
    let output = run(&["cert", "show", &file, "--expires-within", "7"]);
    assert!(!output.stdout.is_empty());
    assert!(sentence(output, 3).contains("certificate 1 (CN=localhost) expires in 6 days"));
}
