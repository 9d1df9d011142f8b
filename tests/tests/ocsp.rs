//! OCSP responses between real peers: an authority and its responder by OpenSSL's command line, staples of OpenSSL,
//! GnuTLS, and of Go with timestamps, read by portcullis, and those of portcullis and its Stapler read by OpenSSL,
//! GnuTLS and curl. Erlang's client of 2022 fails at any staple (`badarg`), also at those of OpenSSL.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use portcullis::pki_types::UnixTime;
use portcullis::x509::{OcspStatus, ocsp_request};
use portcullis::{
    ClientAuthentication, ClientConfig, Error, Identity, IdentityFiles, OcspPolicy,
    ProtocolVersion, ReloadEvent, Reloader, Roots, ServerConfig, Stapler, TlsAcceptor,
    TlsConnector, TlsListener, TlsStream,
};
use portcullis_tests::peers::Program;
use portcullis_tests::scratch;
use tokio::task::JoinHandle;

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
authorityInfoAccess = OCSP;URI:http://127.0.0.1:1/
[staple]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
subjectAltName = DNS:localhost
tlsfeature = status_request
[responder]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = yes
";

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];

/// An authority that has issued `good`, `staple`, which demands a response, `bad`, which it has revoked, and the
/// certificate of its responder.
struct Authority {
    folder: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = scratch::directory().join(format!("ocsp-{name}"));
        std::fs::create_dir(&folder).unwrap();
        let this = Self { folder };
        let write = |name: &str, text: &str| std::fs::write(this.path(name), text).unwrap();
        write("ca.cnf", CONFIGURATION);
        write("index.txt", "");
        write("serial", "01\n");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        this.openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Statuses -days 30 \
             -addext keyUsage=critical,keyCertSign,cRLSign"
        ));
        for (leaf, section) in [
            ("good", "leaf"),
            ("bad", "leaf"),
            ("staple", "staple"),
            ("next", "staple"),
            ("responder", "responder"),
        ] {
            this.openssl(&format!(
                "req -new {key} -keyout {leaf}.key -out {leaf}.csr -subj /CN={leaf}"
            ));
            this.openssl(&format!(
                "ca -batch -config ca.cnf -in {leaf}.csr -out {leaf}.pem -extensions {section} -notext"
            ));
            let chain = this.read(&format!("{leaf}.pem")) + &this.read("ca.pem");
            write(&format!("{leaf}-chain.pem"), &chain);
        }
        this.openssl("ca -config ca.cnf -revoke bad.pem -crl_reason keyCompromise");
        for leaf in ["good", "bad", "staple"] {
            this.openssl(&format!(
                "ocsp -issuer ca.pem -cert {leaf}.pem -no_nonce -reqout {leaf}.req"
            ));
            this.openssl(&format!(
                "ocsp -index index.txt -CA ca.pem -rsigner responder.pem -rkey responder.key -ndays 2 \
                 -reqin {leaf}.req -respout {leaf}.ocsp"
            ));
        }
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .current_dir(&self.folder)
            .args(arguments.split_whitespace())
            .output()
            .expect("openssl is there");
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    }

    fn roots(&self) -> Roots {
        Roots::from_pem_file(self.path("ca.pem")).unwrap()
    }

    /// With the certificate of the CA, which curl needs to make sense of a response.
    fn identity(&self, leaf: &str) -> Identity {
        let chain = self.path(&format!("{leaf}-chain.pem"));
        Identity::from_pem_files(chain, self.path(&format!("{leaf}.key"))).unwrap()
    }

    fn connector(&self, version: ProtocolVersion, policy: OcspPolicy) -> TlsConnector {
        let config = ClientConfig::builder(self.roots())
            .versions([version])
            .ocsp(policy)
            .build()
            .unwrap();
        TlsConnector::new(config).alert_timeout(Duration::from_millis(500))
    }

    /// `openssl ocsp` as a responder, and where it is.
    async fn responder(&self) -> (Program, String) {
        let arguments = format!(
            "ocsp -index {} -port 0 -CA {} -rsigner {} -rkey {} -ndays 2",
            self.text("index.txt"),
            self.text("ca.pem"),
            self.text("responder.pem"),
            self.text("responder.key")
        );
        let mut program = Program::start("openssl", "openssl", words(&arguments));
        let line = program.wait_for_line("ACCEPT ").await;
        let address = line.split_whitespace().nth(1).unwrap();
        let port = address.rsplit(':').next().unwrap();
        let url = format!("http://127.0.0.1:{port}/");
        (program, url)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_whitespace().map(str::to_owned)
}

/// What is seen of a server.
async fn seen(connector: &TlsConnector, address: &str) -> String {
    match connector.connect(address, "localhost").await {
        Ok(stream) => match stream.information().ocsp_verdict() {
            None => "no response".to_owned(),
            Some(Ok(verdict)) if verdict.status() == OcspStatus::Good => {
                format!("good, says {}", verdict.responder())
            }
            other => format!("{other:?}"),
        },
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &Error) -> String {
    let error = error.to_string();
    for why in [
        "was revoked on",
        "must come with an OCSP response",
        "is about 1 other certificates",
    ] {
        if error.contains(why) {
            return why.to_owned();
        }
    }
    error
}

const GOOD: &str = "good, says CN=responder";

#[tokio::test]
async fn staples_of_openssl_are_read_and_judged() {
    let ca = Authority::new("of-openssl");
    for (leaf, staple, accepting, requiring) in [
        ("good", Some("good"), GOOD, GOOD),
        ("staple", Some("staple"), GOOD, GOOD),
        ("bad", Some("bad"), "was revoked on", "was revoked on"),
        (
            "good",
            None,
            "no response",
            "must come with an OCSP response",
        ),
        (
            "staple",
            None,
            "must come with an OCSP response",
            "must come with an OCSP response",
        ),
        (
            "good",
            Some("staple"),
            "is about 1 other certificates",
            "is about 1 other certificates",
        ),
    ] {
        let mut arguments = format!(
            "s_server -accept 127.0.0.1:0 -cert {} -key {} -www",
            ca.text(&format!("{leaf}.pem")),
            ca.text(&format!("{leaf}.key"))
        );
        if let Some(staple) = staple {
            arguments += &format!(" -status_file {}", ca.text(&format!("{staple}.ocsp")));
        }
        let mut server = Program::start("openssl", "openssl", words(&arguments));
        let line = server.wait_for_line("ACCEPT ").await;
        let address = line.trim_start_matches("ACCEPT ").trim().to_owned();
        for version in VERSIONS {
            let connector = ca.connector(version, OcspPolicy::Accept);
            assert_eq!(
                seen(&connector, &address).await,
                accepting,
                "{leaf} {staple:?}"
            );
            let connector = ca.connector(version, OcspPolicy::Require);
            assert_eq!(
                seen(&connector, &address).await,
                requiring,
                "{leaf} {staple:?}"
            );
        }
    }
}

#[tokio::test]
async fn staples_of_gnutls_are_read() {
    let ca = Authority::new("of-gnutls");
    let port = portcullis_tests::peers::free_port();
    let arguments = format!(
        "--port {port} --http --x509certfile {} --x509keyfile {} --ocsp-response {}",
        ca.text("staple.pem"),
        ca.text("staple.key"),
        ca.text("staple.ocsp")
    );
    let mut server = Program::start("gnutls-serv", "gnutls-bin", words(&arguments));
    server.wait_for_line("listening on IPv4").await;
    for version in VERSIONS {
        let connector = ca.connector(version, OcspPolicy::Require);
        assert_eq!(seen(&connector, &format!("127.0.0.1:{port}")).await, GOOD);
    }
}

/// A client of Go's shows its response to a server that asks (RFC 8446 §4.4.2.1), and is judged by it.
async fn go_is_asked_as_a_client(
    ca: &Authority,
    program: &'static str,
    of: impl Fn(&str) -> [String; 4],
) {
    for (leaf, policy, expected) in [
        ("staple", Some(OcspPolicy::Require), Ok(true)),
        ("good", Some(OcspPolicy::Accept), Ok(true)),
        ("good", None, Ok(false)),
        ("bad", Some(OcspPolicy::Accept), Err("was revoked on")),
    ] {
        let config = ServerConfig::builder()
            .identity(ca.identity("good"))
            .client_authentication(ClientAuthentication::Required(ca.roots()))
            .versions([ProtocolVersion::TLS_1_3]);
        let config = match policy {
            Some(policy) => config.ocsp(policy),
            None => config,
        };
        let listener = TlsListener::bind("127.0.0.1:0", config.build().unwrap());
        let listener = listener.await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let words = of(leaf).into_iter().chain([address]);
        let client = Program::start(program, "golang-go", words);
        let seen = match listener.accept().await.unwrap().handshake().await {
            Ok(mut stream) => {
                stream.send(&[b"hi\n"]).await.unwrap();
                let verdict = stream.information().ocsp_verdict().cloned();
                assert_eq!(
                    verdict.is_some(),
                    stream.information().ocsp_response().is_some()
                );
                stream.close(Duration::from_secs(5)).await.unwrap();
                let (status, output) = client.finish().await;
                assert!(status.success() && output.stdout == "hi\n", "{output}");
                Ok(verdict.is_some_and(|verdict| verdict.unwrap().status() == OcspStatus::Good))
            }
            Err(error) => Err(refusal(&error)),
        };
        assert_eq!(seen, expected.map_err(str::to_owned), "{leaf}");
    }
}

/// Go's server sends timestamps, too, which ours does not.
#[tokio::test]
async fn go_shows_a_response_and_timestamps() {
    let ca = Authority::new("of-go");
    let program = ca.text("stapled");
    let built = Command::new("go")
        .args(["build", "-o", &program])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/go/stapled.go"))
        .env("GO111MODULE", "off")
        .env("GOCACHE", scratch::directory().join("go-cache"))
        .output()
        .expect("go is there (Debian: golang-go)");
    assert!(built.status.success(), "{built:?}");
    // As of no log: what comes is what was sent.
    let of = |leaf: &str| {
        [
            ca.text(&format!("{leaf}-chain.pem")),
            ca.text(&format!("{leaf}.key")),
            ca.text(&format!("{leaf}.ocsp")),
            "0102,03".to_owned(),
        ]
    };
    let program: &str = program.leak();
    go_is_asked_as_a_client(&ca, program, of).await;
    let mut server = Program::start(program, "golang-go", of("staple"));
    let line = server.wait_for_line("READY ").await;
    let address = format!("127.0.0.1:{}", line.trim_start_matches("READY ").trim());
    for version in VERSIONS {
        for asks in [false, true] {
            let config = ClientConfig::builder(ca.roots())
                .versions([version])
                .ocsp(OcspPolicy::Require)
                .request_scts(asks)
                .build()
                .unwrap();
            let connector = TlsConnector::new(config).without_resumption();
            assert_eq!(seen(&connector, &address).await, GOOD);
            let stream = connector.connect(&*address, "localhost").await.unwrap();
            let scts = stream.information().scts();
            let seen: Vec<_> = scts.iter().map(|sct| sct.as_bytes()).collect();
            let sent: &[&[u8]] = if asks { &[&[1, 2], &[3]] } else { &[] };
            assert_eq!(seen, sent);
        }
    }
}

/// Says nothing, and closes when the client does.
fn serve(listener: TlsListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let Ok(mut stream) = incoming.handshake().await else {
                    return;
                };
                let _ = stream.read(&mut [0; 1_024]).await;
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            });
        }
    })
}

async fn server(identity: &Identity) -> std::net::SocketAddr {
    let config = ServerConfig::builder()
        .versions(VERSIONS)
        .identity(identity.clone())
        .build()
        .unwrap();
    let listener = TlsListener::bind("127.0.0.1:0", TlsAcceptor::new(config))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener);
    address
}

/// OpenSSL's client asks, and verifies nothing of it but prints it.
#[tokio::test]
async fn openssl_reads_what_the_stapler_has_fetched() {
    let ca = Authority::new("openssl-reads");
    let (_responder, url) = ca.responder().await;
    let identity = ca.identity("staple");
    let stapling = Stapler::new(&identity).responder(&url).start().unwrap();
    stapling.ready().await.unwrap();
    let address = server(&identity).await;
    for version in ["-tls1_3", "-tls1_2"] {
        let arguments = format!(
            "s_client -connect {address} -servername localhost -CAfile {} -status {version}",
            ca.text("ca.pem")
        );
        let mut client = Program::start("openssl", "openssl", words(&arguments));
        client.send(b"Q\n").await;
        let (_, output) = client.finish().await;
        let output = output.to_string();
        assert!(
            output.contains("OCSP Response Status: successful"),
            "{output}"
        );
        assert!(output.contains("Cert Status: good"), "{output}");
        assert!(output.contains("Verify return code: 0"), "{output}");
    }
    // Who does not ask gets none.
    let arguments = format!("s_client -connect {address} -servername localhost");
    let mut client = Program::start("openssl", "openssl", words(&arguments));
    client.send(b"Q\n").await;
    let (_, output) = client.finish().await;
    assert!(!output.to_string().contains("OCSP"), "{output}");
}

/// While connections live and others begin, none of which takes a certificate without its response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_with_its_response_under_connections() {
    const LIVE: usize = 20;
    let ca = Authority::new("replaced");
    let (_responder, url) = ca.responder().await;
    let put = |leaf: &str| {
        for (from, to) in [(".key", "live.key"), ("-chain.pem", "live.pem")] {
            let fresh = ca.path("fresh");
            std::fs::copy(ca.path(&format!("{leaf}{from}")), &fresh).unwrap();
            std::fs::rename(fresh, ca.path(to)).unwrap();
        }
    };
    put("staple");
    let files = IdentityFiles::new(ca.path("live.pem")).key(ca.path("live.key"));
    let files = files.stapler(move |identity| Stapler::new(identity).responder(&url));
    let reloader = Reloader::new()
        .identity(files)
        .settle(Duration::from_millis(30));
    let loaded = reloader.load(|parts| {
        ServerConfig::builder()
            .versions(VERSIONS)
            .identity(parts.identity()?)
            .build()
    });
    let loaded = loaded.await.unwrap();
    let listener = TlsListener::bind("127.0.0.1:0", loaded.config())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut watching = loaded.watch(listener.reloadable());
    let serving = tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = incoming.handshake().await.unwrap();
                while let Ok(word) = stream.recv(4).await {
                    if word.is_empty() || stream.send(&[&word]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let connect = async |version| {
        let connector = ca
            .connector(version, OcspPolicy::Require)
            .without_resumption();
        let stream = connector.connect(&*address, "localhost").await.unwrap();
        let verdict = stream.information().ocsp_verdict().unwrap();
        assert_eq!(verdict.as_ref().unwrap().status(), OcspStatus::Good);
        stream
    };
    let subject = |stream: &TlsStream<_>| {
        let chain = stream.information().peer_certificates();
        portcullis::x509::subject(&chain[0]).unwrap()
    };
    let mut live = Vec::new();
    for at in 0..LIVE {
        live.push(connect(VERSIONS[at % 2]).await);
    }
    for (generation, leaf) in [(1, "next"), (2, "staple")] {
        put(leaf);
        let published = async {
            match watching.next_event().await.unwrap() {
                ReloadEvent::Published { generation, .. } => generation,
                other => panic!("{other:?}"),
            }
        };
        let mut published =
            std::pin::pin!(tokio::time::timeout(Duration::from_secs(20), published));
        // Whoever comes meanwhile has one of the two, with its own response.
        let seen = loop {
            tokio::select! {
                seen = &mut published => break seen.unwrap(),
                stream = connect(VERSIONS[0]) => drop(stream),
            }
        };
        assert_eq!(seen, generation);
        for version in VERSIONS {
            assert_eq!(subject(&connect(version).await), format!("CN={leaf}"));
        }
        for stream in &mut live {
            stream.send(&[b"ping"]).await.unwrap();
            assert_eq!(&stream.recv(4).await.unwrap()[..], b"ping");
            assert_eq!(subject(stream), "CN=staple");
        }
        let arguments = format!(
            "s_client -connect {address} -servername localhost -CAfile {} -status",
            ca.text("ca.pem")
        );
        let mut client = Program::start("openssl", "openssl", words(&arguments));
        client.send(b"Q\n").await;
        let (_, output) = client.finish().await;
        let output = output.to_string();
        assert!(output.contains("Cert Status: good"), "{output}");
        assert!(output.contains(&format!("CN = {leaf}")), "{output}");
    }
    serving.abort();
}

/// curl and gnutls-cli refuse a server without a staple, and verify the one that there is; it comes and goes while the
/// server runs.
#[tokio::test]
async fn curl_and_gnutls_verify_staples() {
    let ca = Authority::new("curl-gnutls");
    let identity = ca.identity("staple");
    let address = server(&identity).await;
    let curl = async |version: &str| {
        let arguments = format!(
            "--silent --show-error --cert-status --cacert {} --noproxy * --max-time 15 {version} --resolve \
             localhost:{port}:127.0.0.1 https://localhost:{port}/",
            ca.text("ca.pem"),
            port = address.port()
        );
        let program = Program::start("curl", "curl", words(&arguments));
        let (status, output) = program.finish().await;
        (status.code(), output.to_string())
    };
    let gnutls = async |version: &str| {
        let arguments = format!(
            "--x509cafile {} --port {} --priority NORMAL:-VERS-ALL:+VERS-{version} localhost",
            ca.text("ca.pem"),
            address.port()
        );
        let mut program = Program::start("gnutls-cli", "gnutls-bin", words(&arguments));
        program.send(b"GET / HTTP/1.0\r\n\r\n").await;
        let (_, output) = program.finish().await;
        output.to_string()
    };
    for (curl_version, gnutls_version) in [
        ("--tlsv1.3", "TLS1.3"),
        ("--tlsv1.2 --tls-max 1.2", "TLS1.2"),
    ] {
        identity.set_ocsp_response(None).unwrap();
        let (code, output) = curl(curl_version).await;
        assert_eq!(code, Some(91), "{output}");
        let output = gnutls(gnutls_version).await;
        assert!(!output.contains("Handshake was completed"), "{output}");
        identity
            .set_ocsp_response(Some(ca.bytes("staple.ocsp")))
            .unwrap();
        let (code, output) = curl(curl_version).await;
        assert_eq!(code, Some(0), "{output}");
        let output = gnutls(gnutls_version).await;
        assert!(output.contains("Handshake was completed"), "{output}");
        assert!(output.contains("The certificate is trusted"), "{output}");
    }
}

/// What the responder says of a revoked certificate is shown, and every peer refuses it.
#[tokio::test]
async fn a_revoked_certificate_is_shown_as_that() {
    let ca = Authority::new("revoked");
    let (_responder, url) = ca.responder().await;
    let identity = ca.identity("bad");
    let stapling = Stapler::new(&identity).responder(&url).start().unwrap();
    stapling.ready().await.unwrap();
    let verdict = stapling.state().verdict.unwrap();
    assert!(matches!(verdict.status(), OcspStatus::Revoked { .. }));
    let address = server(&identity).await;
    for version in VERSIONS {
        let connector = ca.connector(version, OcspPolicy::Accept);
        assert_eq!(
            seen(&connector, &address.to_string()).await,
            "was revoked on"
        );
    }
    let arguments = format!(
        "--silent --show-error --cert-status --cacert {} --noproxy * --max-time 15 --resolve \
         localhost:{port}:127.0.0.1 https://localhost:{port}/",
        ca.text("ca.pem"),
        port = address.port()
    );
    let (status, output) = Program::start("curl", "curl", words(&arguments))
        .finish()
        .await;
    assert_eq!(status.code(), Some(91), "{output}");
    assert!(
        output.to_string().contains("reason: keyCompromise"),
        "{output}"
    );
}

/// What is asked is byte for byte what OpenSSL asks.
#[test]
fn requests_are_those_of_openssl() {
    let ca = Authority::new("requests");
    for leaf in ["good", "bad", "staple"] {
        let identity = ca.identity(leaf);
        let [leaf_der, issuer] = identity.chain() else {
            panic!("two certificates");
        };
        let request = ocsp_request(leaf_der, issuer).unwrap();
        assert_eq!(request, ca.bytes(&format!("{leaf}.req")));
    }
}

/// A responder of OpenSSL's that names keys by SHA-256 and itself by its key, and answers for itself.
#[test]
fn other_forms_of_openssl_are_read() {
    let ca = Authority::new("forms");
    ca.openssl("ocsp -sha256 -issuer ca.pem -cert good.pem -no_nonce -reqout other.req");
    let respond = "ocsp -index index.txt -CA ca.pem -ndays 2";
    ca.openssl(&format!(
        "{respond} -rsigner responder.pem -rkey responder.key -resp_key_id -reqin other.req -respout 1.ocsp"
    ));
    ca.openssl(&format!(
        "{respond} -rsigner ca.pem -rkey ca.key -resp_no_certs -reqin other.req -respout 2.ocsp"
    ));
    let policy = portcullis::x509::ChainPolicy::new(ca.roots());
    let identity = ca.identity("good");
    let [leaf, issuer] = identity.chain() else {
        panic!("two certificates");
    };
    for (file, by) in [("1.ocsp", "CN=responder"), ("2.ocsp", "CN=Statuses")] {
        let response = ca.bytes(file);
        let now = UnixTime::now();
        let verdict =
            portcullis::x509::verify_ocsp_response(&response, leaf, issuer, now, &policy).unwrap();
        assert_eq!(verdict.responder(), by);
        assert_eq!(verdict.status(), OcspStatus::Good);
    }
}
