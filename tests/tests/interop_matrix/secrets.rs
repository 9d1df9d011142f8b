//! What both sides derive must be the same: exported keys, channel bindings, the key log.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::session::TicketKeys;
use portcullis::{ConnectionInformation, KeyLogFile, KeyLogLine};
use portcullis_tests::peers::{Output, Program, Settings, Version, gnutls, openssl, rustls};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::ours;

pub(crate) const LABEL: &str = "EXPORTER-portcullis-test";
pub(crate) const OPENSSL: [&str; 4] = ["-keymatexport", LABEL, "-keymatexportlen", "48"];
pub(crate) const GNUTLS: [&str; 2] = [
    "--keymatexport=EXPORTER-portcullis-test",
    "--keymatexportsize=48",
];

fn exported(information: &ConnectionInformation, context: &[u8]) -> String {
    let mut key = [0; 48];
    information
        .export_keying_material(LABEL.as_bytes(), Some(context), &mut key)
        .expect("an exported key");
    hex(&key)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits until the program has printed `marker` and, behind it, this.
pub(crate) async fn wait_for_value(program: &Program, marker: &str, value: &str) {
    let same = |output: &Output| {
        let mut lines = output.stdout.lines();
        lines.any(|line| {
            let found = line.split(marker).nth(1);
            found.is_some_and(|found| found.trim().eq_ignore_ascii_case(value))
        })
    };
    let found = program.wait_until(same).await;
    assert!(found.is_ok(), "no {marker}{value}:\n{}", program.output());
}

async fn wait_for_gnutls_values(program: &Program, information: &ConnectionInformation) {
    let end_point = information.tls_server_end_point().expect("a binding");
    let exporter = information.tls_exporter().expect("a binding");
    wait_for_value(program, "'tls-server-end-point': ", &hex(&end_point)).await;
    wait_for_value(program, "'tls-exporter': ", &hex(&exporter)).await;
    wait_for_value(program, "- Key material: ", &exported(information, b"")).await;
}

#[tokio::test]
async fn openssl_and_gnutls_servers_export_what_our_client_does() {
    let settings = Settings::server(&pki().ecdsa_p256);
    let server = openssl::server(openssl::Mode::Terminal, &settings.clone().extra(&OPENSSL)).await;
    let stream = ours::connect(server.address, ours::client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let value = exported(stream.information(), b"");
    let program = server.program().expect("a program");
    wait_for_value(program, "Keying material: ", &value).await;

    let server = gnutls::server(gnutls::Mode::Echo, &settings.extra(&GNUTLS)).await;
    let stream = ours::connect(server.address, ours::client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let program = server.program().expect("a program");
    wait_for_gnutls_values(program, stream.information()).await;
}

#[tokio::test]
async fn openssl_and_gnutls_clients_export_what_our_server_does() {
    let mut server = ours::Server::echo(ours::server(&pki().ecdsa_p256)).await;
    let client = openssl::client(server.address, &Settings::client().extra(&OPENSSL));
    let found = client.wait_until(|output| output.line("Keying material: ").is_some());
    let output = found.await.unwrap_or_else(|output| panic!("{output}"));
    client.finish().await;
    let served = server.served().await;
    let value = exported(served.information("s_client"), b"");
    let line = output.line("Keying material: ").unwrap_or_default();
    assert!(
        line.to_ascii_lowercase().ends_with(&value),
        "{line}, not {value}"
    );

    let client = gnutls::client(server.address, &Settings::client().extra(&GNUTLS));
    let found = client.wait_until(|output| output.line("- Simple Client Mode").is_some());
    found.await.unwrap_or_else(|output| panic!("{output}"));
    let (_, output) = client.finish().await;
    let served = server.served().await;
    let value = exported(served.information("gnutls-cli"), b"");
    assert!(output.stdout.contains(&value), "no {value}:\n{output}");
}

/// What the OpenSSL command computes of a certificate, which was signed with SHA-256.
async fn openssl_end_point(certificate: &Path) -> String {
    let run = async |words: &[&str], input: Vec<u8>| {
        let mut openssl = Command::new("openssl")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl");
        let mut stdin = openssl.stdin.take().expect("a pipe");
        stdin.write_all(&input).await.expect("input");
        drop(stdin);
        openssl.wait_with_output().await.expect("output").stdout
    };
    let pem = std::fs::read(certificate).expect("a certificate");
    let der = run(&["x509", "-outform", "DER"], pem).await;
    hex(&run(&["dgst", "-sha256", "-binary"], der).await)
}

/// RFC 5929 §4: a server that resumes shows no certificate, and both ends have that of the first handshake.
#[tokio::test]
async fn gnutls_has_the_same_end_point_when_it_resumes() {
    let expected = openssl_end_point(&pki().ecdsa_p256.certificate_file).await;
    for version in [Version::Tls12, Version::Tls13] {
        let keys = TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period");
        let config = ours::server_of(version, &pki().ecdsa_p256).ticket_keys(keys);
        let mut server = ours::Server::echo(config).await;
        let settings = Settings::client().version(version);
        let client = gnutls::client(server.address, &settings.extra(&["--resume", "--verbose"]));
        let resumed = client.wait_until(|output| {
            let again = output.stdout.split("*** This is a resumed session").nth(1);
            again.is_some_and(|rest| rest.contains("- Simple Client Mode"))
        });
        resumed.await.unwrap_or_else(|output| panic!("{output}"));
        let (_, output) = client.finish().await;
        for is_resumed in [false, true] {
            let served = server.served().await;
            let information = served.information("gnutls-cli");
            assert_eq!(information.is_resumed(), is_resumed, "{version:?}");
            let ours = information.tls_server_end_point().expect("a binding");
            assert_eq!(hex(&ours), expected, "{version:?}");
        }
        let theirs = format!("'tls-server-end-point': {expected}");
        assert_eq!(output.stdout.matches(&theirs).count(), 2, "{output}");
    }
}

#[tokio::test]
async fn rustls_exports_what_our_server_does_with_a_context_too() {
    let mut server = ours::Server::echo(ours::server(&pki().ecdsa_p256)).await;
    let tcp = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let mut stream = ours::soon(rustls::connect(tcp, &Settings::client()))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let mut theirs = Vec::new();
    for context in [None, Some(&b""[..]), Some(b"a context")] {
        let connection = stream.get_ref().1;
        let key = connection.export_keying_material([0; 48], LABEL.as_bytes(), context);
        theirs.push(hex(&key.expect("an exported key")));
    }
    stream.shutdown().await.expect("a close");
    let served = server.served().await;
    let information = served.information("rustls");
    let ours: Vec<_> = [&b""[..], b"", b"a context"]
        .map(|context| exported(information, context))
        .into();
    assert_eq!(ours, theirs);
}

/// Collects the lines of our key log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<BTreeSet<String>>>);

impl Lines {
    pub(crate) fn log(&self) -> impl Fn(&KeyLogLine) + Send + Sync + 'static {
        let lines = self.0.clone();
        move |line| {
            let line = line.to_line().to_string();
            lines.lock().expect("no panic elsewhere").insert(line);
        }
    }

    pub(crate) fn all(&self) -> BTreeSet<String> {
        self.0.lock().expect("no panic elsewhere").clone()
    }
}

pub(crate) fn lines_of(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.trim_end().to_owned()).collect()
}

#[tokio::test]
async fn openssl_and_we_log_the_same_keys() {
    let path = scratch::file("server.keylog", "");
    let word = path.display().to_string();
    let settings = Settings::server(&pki().ecdsa_p256).extra(&["-keylogfile", &word]);
    let server = openssl::server(openssl::Mode::Reverse, &settings).await;
    let lines = Lines::default();
    let stream = ours::connector(ours::client())
        .key_log(lines.log())
        .connect(server.address, ours::name("localhost"))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    // All that s_server does at its end is done when it has answered ours.
    assert!(ours::close(stream, "our client to s_server").await.is_ok());
    assert_eq!(lines.all(), lines_of(&path));
    assert_eq!(labels(&lines.all()), LABELS);

    let theirs = scratch::file("client.keylog", "");
    let ours = theirs.with_extension("ours");
    let word = theirs.display().to_string();
    let key_log = KeyLogFile::open(&ours).expect("a key log");
    let acceptor = ours::acceptor(ours::server(&pki().ecdsa_p256)).key_log(key_log);
    let mut server =
        ours::Server::run(
            acceptor,
            |stream| async move { stream.close(ours::LIMIT).await },
        )
        .await;
    let settings = Settings::client().extra(&["-keylogfile", &word]);
    openssl::client(server.address, &settings).finish().await;
    assert!(server.served().await.handshake.is_ok());
    assert_eq!(lines_of(&ours), lines_of(&theirs));
    assert_eq!(labels(&lines_of(&ours)), LABELS);
}

/// In the order of the alphabet.
const LABELS: [&str; 5] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_TRAFFIC_SECRET_0",
];

pub(crate) fn labels(lines: &BTreeSet<String>) -> Vec<&str> {
    let labels = lines.iter().filter_map(|line| line.split(' ').next());
    labels.collect()
}
