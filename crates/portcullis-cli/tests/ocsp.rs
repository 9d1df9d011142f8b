//! `client --status` and `server --ocsp`.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

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
[staple]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
subjectAltName = DNS:localhost
authorityInfoAccess = OCSP;URI:http://127.0.0.1:@PORT@/
tlsfeature = status_request
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
        this.issue("leaf", "leaf");
        this.openssl("ocsp -issuer ca.pem -cert leaf.pem -no_nonce -reqout leaf.req");
        this.respond("good.ocsp");
        this.openssl("ca -config ca.cnf -revoke leaf.pem -crl_reason superseded");
        this.respond("revoked.ocsp");
        fs::copy(this.path("leaf-chain.pem"), this.path("chain.pem")).unwrap();
        this
    }

    /// With the certificate of the authority behind it in a file of its own.
    fn issue(&self, leaf: &str, section: &str) {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.openssl(&format!(
            "req -new {key} -keyout {leaf}.key -out {leaf}.csr -subj /CN={leaf}"
        ));
        self.openssl(&format!(
            "ca -batch -config ca.cnf -in {leaf}.csr -out {leaf}.pem -extensions {section} -notext"
        ));
        let chain = fs::read(self.path(&format!("{leaf}.pem"))).unwrap();
        let ca = fs::read(self.path("ca.pem")).unwrap();
        let out = self.path(&format!("{leaf}-chain.pem"));
        fs::write(out, [chain, ca].concat()).unwrap();
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

/// OpenSSL's responder at a port, which knows what was issued before it began.
struct Responder(Child);

impl Responder {
    fn start(ca: &Authority, port: u16) -> Self {
        let mut responder = Command::new("openssl")
            .current_dir(ca.0.path())
            .args(["ocsp", "-index", "index.txt", "-port", &port.to_string()])
            .args("-CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 2".split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(responder.stdout.as_mut().unwrap());
        while !line.contains("ACCEPT") {
            line.clear();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0);
        }
        Self(responder)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Free a moment ago.
fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// By OpenSSL's responder, of a certificate that names it.
#[test]
fn a_server_asks_the_responder_of_its_certificate() {
    let port = free_port();
    let ca = Authority::naming(port);
    let responder = Responder::start(&ca, port);
    let server = ca.server(Some("auto"));
    let output = ca.client(&server, &["--status", "--json"]);
    drop(responder);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = json(output);
    let reason = said["verdict"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("(superseded), says an OCSP response"),
        "{reason}"
    );
}

/// A certificate that demands a response waits for it, and what was there is served meanwhile; SIGHUP has the responder
/// asked.
#[test]
fn a_certificate_that_is_taken_over_has_its_own_response() {
    let port = free_port();
    let ca = Authority::naming(port);
    let issue = |leaf: &str, section: &str| {
        ca.issue(leaf, section);
        for (from, to) in [(".key", "live.key"), ("-chain.pem", "live.pem")] {
            let fresh = ca.path("fresh");
            fs::copy(ca.path(&format!("{leaf}{from}")), &fresh).unwrap();
            fs::rename(fresh, ca.path(to)).unwrap();
        }
    };
    issue("first", "staple");
    let responder = Responder::start(&ca, port);
    let (chain, key) = (ca.path("live.pem"), ca.path("live.key"));
    let arguments = ["--cert", &chain, "--key", &key, "--reload", "--ocsp"];
    let mut server = Server::start(&[&arguments[..], &["auto"]].concat());
    let mut stderr = BufReader::new(server.child.stderr.take().unwrap());
    // What is logged besides is for others.
    let mut next = || {
        let mut line = String::new();
        while !line.starts_with("portcullis: ") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0);
        }
        line
    };
    let shows = |server: &Server, name: &str| {
        let said = json(ca.client(server, &["--status=require", "--json"]));
        assert_eq!(said["ocsp"]["status"], "good", "{said}");
        let subject = said["peer_certificates"][0]["subject"].as_str().unwrap();
        assert_eq!(subject, format!("CN={name}"));
    };
    shows(&server, "first");
    drop(responder);
    issue("second", "staple");
    let line = next();
    assert!(
        line.contains("not taken over, what was there stays: "),
        "{line}"
    );
    assert!(
        line.contains("live.pem: the certificate demands an OCSP response"),
        "{line}"
    );
    shows(&server, "first");
    let responder = Responder::start(&ca, port);
    let pid = server.child.id().to_string();
    let told = Command::new("kill").args(["-HUP", &pid]).status();
    assert!(told.unwrap().success());
    let line = next();
    assert!(
        line.contains("taken over: ") && line.contains("live.pem"),
        "{line}"
    );
    shows(&server, "second");
    // One that demands none is taken over without, which is said.
    drop(responder);
    issue("third", "leaf");
    let line = next();
    assert!(line.contains("taken over: "), "{line}");
    let line = next();
    assert!(
        line.contains("live.pem: no OCSP response is shown"),
        "{line}"
    );
    let said = json(ca.client(&server, &["--status", "--json"]));
    assert_eq!(said["ocsp"]["response"], Value::Null);
    // A file is about one of them.
    let said = sentence(
        support::run(&[&["server"], &arguments[..], &["file"]].concat()),
        2,
    );
    assert!(said.contains("--ocsp auto"), "{said}");
}
