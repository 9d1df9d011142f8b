//! `client --status` and `server --ocsp`.

mod support;

use std::fs;
use std::process::Command;

use serde_json::Value;
use support::{Server, client, printed, sentence};

const CONFIGURATION: &str = "
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
policy = any
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
subjectAltName = DNS:localhost
authorityInfoAccess = OCSP;URI:http://127.0.0.1:@PORT@/
";

/// An authority of OpenSSL with a certificate, and what its responder says of that.
struct Authority(tempfile::TempDir);

impl Authority {
    fn new() -> Self {
        Self::naming(1)
    }

    /// Whose certificate says that its responder is at this port.
    fn naming(port: u16) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| fs::write(this.0.path().join(name), text).unwrap();
        write(
            "ca.cnf",
            &CONFIGURATION.replace("@PORT@", &port.to_string()),
        );
        write("index.txt", "");
        write("serial", "01\n");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        this.openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Statuses -days 30"
        ));
        this.openssl(&format!(
            "req -new {key} -keyout leaf.key -out leaf.csr -subj /CN=leaf"
        ));
        this.openssl(
            "ca -batch -config ca.cnf -in leaf.csr -out leaf.pem -extensions leaf -notext",
        );
        this.openssl("ocsp -issuer ca.pem -cert leaf.pem -no_nonce -reqout leaf.req");
        this.respond("good.ocsp");
        this.openssl("ca -config ca.cnf -revoke leaf.pem -crl_reason superseded");
        this.respond("revoked.ocsp");
        let chain = fs::read(this.path("leaf.pem")).unwrap();
        let ca = fs::read(this.path("ca.pem")).unwrap();
        fs::write(this.path("chain.pem"), [chain, ca].concat()).unwrap();
        this
    }

    fn respond(&self, out: &str) {
        self.openssl(&format!(
            "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 2 -reqin leaf.req -respout {out}"
        ));
    }

    fn path(&self, name: &str) -> String {
        support::path(self.0.path(), name)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .current_dir(self.0.path())
            .args(arguments.split_whitespace())
            .output()
            .expect("openssl is there");
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    }

    fn server(&self, ocsp: Option<&str>) -> Server {
        let (chain, key) = (self.path("chain.pem"), self.path("leaf.key"));
        let mut arguments = vec!["--cert", &chain, "--key", &key];
        arguments.extend(ocsp.iter().flat_map(|ocsp| ["--ocsp", *ocsp]));
        Server::start(&arguments)
    }

    fn client(&self, server: &Server, more: &[&str]) -> std::process::Output {
        let (target, ca) = (format!("localhost:{}", server.port()), self.path("ca.pem"));
        let mut arguments = vec![&*target, "--resolve", "127.0.0.1", "--cafile", &ca];
        arguments.extend(more);
        client(&arguments, b"")
    }
}

fn json(output: std::process::Output) -> Value {
    let said = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(said.lines().next().unwrap()).unwrap()
}

#[test]
fn a_client_says_what_the_response_says() {
    let ca = Authority::new();
    let server = ca.server(Some(&ca.path("good.ocsp")));
    let said = json(ca.client(&server, &["--status", "--json"]));
    assert_eq!(said["ocsp"]["status"], "good");
    assert_eq!(said["ocsp"]["responder"], "CN=Statuses");
    assert_eq!(said["ocsp"]["unusable"], Value::Null);
    let response = fs::read(ca.path("good.ocsp")).unwrap();
    let digits: String = response.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(said["ocsp"]["response"], digits);
    let output = ca.client(&server, &["--status=require", "-v"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    printed(output);
    assert!(
        text.contains("OCSP response:   good, says CN=Statuses, until 20"),
        "{text}"
    );
    // Nobody has asked.
    let said = json(ca.client(&server, &["--json"]));
    assert_eq!(said["ocsp"], Value::Null);
}

#[test]
fn a_server_is_refused_for_its_response_or_for_none() {
    let ca = Authority::new();
    let server = ca.server(Some(&ca.path("revoked.ocsp")));
    let output = ca.client(&server, &["--status", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = json(output);
    let reason = said["verdict"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("(superseded), says an OCSP response of CN=Statuses"),
        "{reason}"
    );
    let server = ca.server(None);
    let said = json(ca.client(&server, &["--status", "--json"]));
    assert_eq!(said["ocsp"]["response"], Value::Null);
    let said = sentence(ca.client(&server, &["--status=require"]), 3);
    assert!(said.contains("must come with an OCSP response"), "{said}");
}

#[test]
fn what_no_client_could_use_is_not_shown() {
    let ca = Authority::new();
    let (chain, key) = (ca.path("chain.pem"), ca.path("leaf.key"));
    let serve =
        |ocsp: &str| support::run(&["server", "--cert", &chain, "--key", &key, "--ocsp", ocsp]);
    let said = sentence(serve(&ca.path("leaf.req")), 2);
    assert!(
        said.contains("leaf.req: the OCSP response is malformed"),
        "{said}"
    );
    assert!(sentence(serve(&ca.path("none")), 2).contains("none"));
    assert!(!support::run(&["server", "--ocsp", "auto"]).status.success());
}

/// Where the responder is not there, the server is all the same, and says so.
#[test]
fn a_responder_that_is_gone_keeps_no_server() {
    let ca = Authority::new();
    let server = ca.server(Some("auto"));
    let said = json(ca.client(&server, &["--status", "--json"]));
    assert_eq!(said["ocsp"]["response"], Value::Null);
    assert_eq!(said["ok"], true);
}

/// By OpenSSL's responder, of a certificate that names it.
#[test]
fn a_server_asks_the_responder_of_its_certificate() {
    use std::io::{BufRead as _, BufReader};
    // Free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let ca = Authority::naming(port);
    let mut responder = Command::new("openssl")
        .current_dir(ca.0.path())
        .args(["ocsp", "-index", "index.txt", "-port", &port.to_string()])
        .args("-CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 2".split(' '))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(responder.stdout.as_mut().unwrap());
    while !line.contains("ACCEPT") {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0);
    }
    let server = ca.server(Some("auto"));
    let output = ca.client(&server, &["--status", "--json"]);
    responder.kill().unwrap();
    responder.wait().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = json(output);
    let reason = said["verdict"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("(superseded), says an OCSP response"),
        "{reason}"
    );
}
