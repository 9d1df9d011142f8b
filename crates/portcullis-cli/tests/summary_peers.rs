//! What the client says of a connection, as OpenSSL's server has it. `apt-get install openssl`

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use support::{Certificates, client, printed};

fn openssl(arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments).env("LC_ALL", "C");
    command
}

/// A server that sends each line back to front, and says of each connection what was negotiated.
struct OpenSsl {
    child: Child,
    port: String,
}

impl OpenSsl {
    fn start(made: &Certificates, connections: &str, more: &[&str]) -> Self {
        let fixed = ["s_server", "-accept", "127.0.0.1:0", "-rev"];
        let fixed = [
            &fixed[..],
            &["-naccept", connections, "-cert_chain", &made.ca],
            &["-cert", &made.cert, "-key", &made.key],
        ];
        let mut child = openssl(&[&fixed.concat(), more].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("ACCEPT ")?;
            Some(address.rsplit(':').next()?.to_owned())
        });
        let port = port.unwrap();
        Self { child, port }
    }

    /// What it has said of its connections, when it has had all.
    fn said(mut self) -> String {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the client says of the last of its connections: as JSON and for people; and what OpenSSL says of all.
fn said(made: &Certificates, server: &[&str], more: &[&str]) -> (Value, String, String) {
    let reconnects = more.contains(&"--reconnect");
    let connections = if reconnects { "2" } else { "1" };
    let server = OpenSsl::start(made, connections, server);
    let target = format!("localhost:{}", server.port);
    let fixed = [
        &target,
        "--resolve",
        "127.0.0.1",
        "--cafile",
        &made.ca,
        "--json",
        "-v",
    ];
    let output = client(&[&fixed[..], more].concat(), b"hello\n");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let (line, echo) = stdout.split_once('\n').unwrap_or_else(|| panic!("{text}"));
    assert_eq!(echo, "olleh\n", "{text}");
    let facts: Value = serde_json::from_str(line).unwrap();
    assert_eq!(facts["target"], target);
    let address = format!("127.0.0.1:{}", server.port);
    assert_eq!(facts["address"], address);
    assert!(
        text.contains(&format!("address:         {address}\n")),
        "{text}"
    );
    (facts, text, server.said())
}

#[test]
fn what_openssl_has_negotiated_is_what_is_said() {
    let made = Certificates::make();
    let alpn = ["--alpn", "h2,http/1.1"];
    let retry = [&alpn[..], &["--groups", "x25519,secp384r1"]].concat();
    for (server, more, version, suite, group, protocol) in [
        (
            &[
                "-tls1_3",
                "-ciphersuites",
                "TLS_AES_256_GCM_SHA384",
                "-groups",
                "P-384",
                "-alpn",
                "http/1.1",
            ][..],
            &retry[..],
            "TLSv1.3",
            "TLS_AES_256_GCM_SHA384",
            "secp384r1",
            Some("http/1.1"),
        ),
        (
            &[
                "-tls1_3",
                "-ciphersuites",
                "TLS_CHACHA20_POLY1305_SHA256",
                "-groups",
                "X25519",
                "-alpn",
                "h2",
            ],
            &alpn,
            "TLSv1.3",
            "TLS_CHACHA20_POLY1305_SHA256",
            "x25519",
            Some("h2"),
        ),
        (
            &[
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES128-GCM-SHA256",
                "-groups",
                "P-256",
            ],
            &[],
            "TLSv1.2",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "secp256r1",
            None,
        ),
    ] {
        let (facts, text, of_openssl) = said(&made, server, more);
        assert_eq!(facts["ok"], true);
        assert_eq!(facts["version"], version);
        assert_eq!(facts["cipher_suite"], suite);
        assert_eq!(facts["group"], group);
        assert_eq!(facts["hello_retried"], group == "secp384r1");
        assert_eq!(facts["alpn"].as_str(), protocol);
        assert_eq!(facts["resumed"], false);
        let scheme = facts["peer_signature_scheme"].as_str().unwrap();
        // Before TLS 1.3 any hash goes with any curve.
        let of_key = scheme == "ecdsa_secp256r1_sha256";
        assert!(
            of_key || version == "TLSv1.2" && scheme.starts_with("ecdsa_"),
            "{scheme}"
        );
        assert_eq!(facts["verdict"]["verified"], true);
        assert_eq!(facts["local_certificate"], Value::Null);
        for line in [
            format!("version:         {version}"),
            format!("cipher suite:    {suite}"),
            format!("group:           {group}"),
            format!("ALPN:            {}", protocol.unwrap_or("none")),
            "resumed:         no".to_owned(),
            "own certificate: not shown".to_owned(),
            format!("verdict:         verified against {} (1 trusted)", made.ca),
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line}: {text}");
        }
        let agreed = format!("Protocol version: {version}\n");
        assert!(of_openssl.contains(&agreed), "{of_openssl}");
        let suite = server
            .iter()
            .skip_while(|word| !word.starts_with("-cipher"));
        let agreed = format!("Ciphersuite: {}\n", suite.copied().nth(1).unwrap());
        assert!(of_openssl.contains(&agreed), "{of_openssl}");
    }
}

#[test]
fn a_chain_and_a_session_of_openssl_are_said() {
    let made = Certificates::make();
    let alice = ["--cert", &made.client_cert, "--key", &made.client_key];
    let asks = ["-verify", "4", "-CAfile", &made.ca, "-verify_return_error"];
    for version in ["-tls1_2", "-tls1_3"] {
        let server = [&asks[..], &[version]].concat();
        let (facts, text, of_openssl) = said(&made, &server, &alice);
        assert_eq!(facts["local_certificate"], "CN=alice@a.test");
        assert!(
            text.contains("own certificate: CN=alice@a.test\n"),
            "{text}"
        );
        assert!(
            of_openssl.contains("Peer certificate: CN = alice@a.test\n"),
            "{of_openssl}"
        );
        let chain = facts["peer_certificates"].as_array().unwrap();
        for (shown, file) in chain.iter().zip([&made.cert, &made.ca]) {
            let x509 = [
                "x509",
                "-in",
                file,
                "-noout",
                "-fingerprint",
                "-sha256",
                "-subject",
            ];
            let x509 = printed(
                openssl(&[&x509[..], &["-nameopt", "RFC2253"]].concat())
                    .output()
                    .unwrap(),
            );
            let x509 = x509.replace(':', "").to_lowercase();
            let [sha256, subject] = ["sha256", "subject"].map(|name| shown[name].as_str().unwrap());
            assert!(x509.contains(&format!("fingerprint={sha256}\n")), "{x509}");
            assert!(
                x509.contains(&format!("subject={subject}\n").to_lowercase()),
                "{x509}"
            );
            let spaced = text.replace(':', "");
            assert!(
                spaced.contains(&format!("  SHA-256   {sha256}\n")),
                "{text}"
            );
        }
        assert_eq!(chain.len(), 2);

        let again = ["--reconnect", "1"];
        let (facts, text, of_openssl) = said(&made, &[version], &again);
        assert_eq!(facts["resumed"], true);
        assert_eq!(facts["verdict"]["verified"], true);
        // That of the session.
        assert_eq!(facts["peer_certificates"].as_array().unwrap().len(), 2);
        assert!(text.contains("connection 2: resumed\n"), "{text}");
        assert!(text.contains("resumed:         yes\n"), "{text}");
        assert_eq!(
            of_openssl.matches("CONNECTION ESTABLISHED").count(),
            2,
            "{of_openssl}"
        );
    }
}

/// Both ends have the same keying material, with and without a context before and in TLS 1.3.
#[test]
fn keying_material_is_that_of_openssl() {
    let made = Certificates::make();
    for version in ["-tls1_3", "-tls1_2"] {
        let fixed = [
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-naccept",
            "1",
            version,
        ];
        let exported = ["-keymatexport", "EXPORTER-test", "-keymatexportlen", "20"];
        let own = ["-cert", &made.cert, "-key", &made.key];
        let mut child = openssl(&[&fixed[..], &exported, &own].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("ACCEPT ")?;
            Some(address.rsplit(':').next()?.to_owned())
        });
        let target = format!("localhost:{}", port.unwrap());
        let wanted = [
            "--keying-material",
            "EXPORTER-test",
            "--keying-length",
            "20",
        ];
        let fixed = [
            &*target,
            "--resolve",
            "127.0.0.1",
            "--cafile",
            &made.ca,
            "--json",
        ];
        let output = client(&[&fixed[..], &wanted].concat(), b"");
        let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
        let theirs = lines.map_while(Result::ok).find_map(|line| {
            let material = line.trim().strip_prefix("Keying material: ")?;
            Some(material.to_lowercase())
        });
        let _ = child.kill();
        let _ = child.wait();
        let ours = facts["keying_material"].as_str().map(str::to_lowercase);
        assert!(ours.is_some() && ours == theirs, "{version}: {facts}");
    }
}
