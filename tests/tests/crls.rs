//! Revoked certificates between real peers: one authority by OpenSSL's command line, its lists in memory, in a
//! directory of `rehash` and by HTTP, and the verdicts of portcullis, OpenSSL and Erlang side by side.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use portcullis::{
    ClientAuthentication, ClientConfig, CrlCheck, CrlInput, CrlSource, Error, HashDirCrls,
    HttpCrls, Identity, MemoryCrls, Roots, ServerConfig, TlsAcceptor, TlsConnector, TlsListener,
};
use portcullis_tests::peers::Program;
use portcullis_tests::scratch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const CONFIGURATION: &str = "
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
crl_extensions = list
[any]
commonName = supplied
[list]
authorityKeyIdentifier = keyid:always
[leaf]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:localhost
crlDistributionPoints = URI:@POINT@
";

/// An authority that has issued `good` and `bad`, and then revoked `bad`.
struct Authority {
    folder: PathBuf,
}

impl Authority {
    fn new(name: &str, point: &str) -> Self {
        let folder = scratch::directory().join(format!("crl-{name}"));
        std::fs::create_dir(&folder).unwrap();
        let this = Self { folder };
        let write = |name: &str, text: &str| std::fs::write(this.path(name), text).unwrap();
        write("ca.cnf", &CONFIGURATION.replace("@POINT@", point));
        write("index.txt", "");
        write("serial", "01\n");
        write("crlnumber", "01\n");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        this.openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Lists -days 30 \
             -addext keyUsage=critical,keyCertSign,cRLSign"
        ));
        for leaf in ["good", "bad"] {
            this.openssl(&format!(
                "req -new {key} -keyout {leaf}.key -out {leaf}.csr -subj /CN={leaf}"
            ));
            this.openssl(&format!(
                "ca -batch -config ca.cnf -in {leaf}.csr -out {leaf}.pem -extensions leaf -notext"
            ));
        }
        this.openssl("ca -config ca.cnf -gencrl -out base.pem");
        this.openssl("ca -config ca.cnf -revoke bad.pem -crl_reason keyCompromise");
        this.openssl("ca -config ca.cnf -gencrl -out list.pem");
        this.openssl("crl -in base.pem -gendelta list.pem -key ca.key -sha256 -out delta.pem");
        this.openssl("crl -in list.pem -outform DER -out list.der");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn openssl(&self, arguments: &str) -> String {
        let output = Command::new("openssl")
            .current_dir(&self.folder)
            .args(arguments.split_whitespace())
            .output()
            .expect("openssl is there");
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn roots(&self) -> Roots {
        Roots::from_pem_file(self.path("ca.pem")).unwrap()
    }

    fn identity(&self, leaf: &str) -> Identity {
        Identity::from_pem_files(
            self.path(&format!("{leaf}.pem")),
            self.path(&format!("{leaf}.key")),
        )
        .unwrap()
    }

    fn memory(&self, files: &[&str]) -> Arc<MemoryCrls> {
        let crls = MemoryCrls::new();
        for file in files {
            crls.insert(CrlInput::File(self.path(file)), None).unwrap();
        }
        Arc::new(crls)
    }

    fn connector(&self, check: CrlCheck, crls: Arc<dyn CrlSource>) -> TlsConnector {
        let config = ClientConfig::builder(self.roots())
            .crl_check(check)
            .build()
            .unwrap();
        TlsConnector::new(config)
            .crls(crls)
            .alert_timeout(Duration::from_millis(500))
    }

    async fn listener(&self, check: CrlCheck, crls: Arc<dyn CrlSource>) -> TlsListener {
        let config = ServerConfig::builder()
            .identity(self.identity("good"))
            .client_authentication(ClientAuthentication::Required(self.roots()))
            .crl_check(check)
            .build()
            .unwrap();
        let acceptor = TlsAcceptor::new(config)
            .crls(crls)
            .alert_timeout(Duration::from_millis(500));
        TlsListener::bind("127.0.0.1:0", acceptor).await.unwrap()
    }

    /// A server that looks at no lists.
    async fn server(&self, leaf: &str) -> TlsListener {
        let config = ServerConfig::builder()
            .identity(self.identity(leaf))
            .build()
            .unwrap();
        TlsListener::bind("127.0.0.1:0", TlsAcceptor::new(config))
            .await
            .unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn verdict<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "good",
        Err(error) if error.to_string().contains(" was revoked on ") => "revoked",
        Err(error) if error.to_string().contains("was revoked cannot be told") => "unknown",
        Err(error) => panic!("{error}"),
    }
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_whitespace().map(str::to_owned)
}

/// What portcullis says of a server of OpenSSL with this certificate.
async fn of_openssl_server(ca: &Authority, leaf: &str, connector: &TlsConnector) -> &'static str {
    let arguments = format!(
        "s_server -accept 127.0.0.1:0 -cert {} -key {} -www",
        ca.text(&format!("{leaf}.pem")),
        ca.text(&format!("{leaf}.key"))
    );
    let mut server = Program::start("openssl", "openssl", words(&arguments));
    let line = server.wait_for_line("ACCEPT ").await;
    let address = line.trim_start_matches("ACCEPT ").trim().to_owned();
    verdict(connector.connect(address, "localhost").await)
}

/// What portcullis says of OpenSSL's client with this certificate, and whether that saw certificate_revoked.
async fn of_openssl_client(
    ca: &Authority,
    leaf: &str,
    listener: &TlsListener,
) -> (&'static str, bool) {
    let arguments = format!(
        "s_client -connect {} -servername localhost -CAfile {} -cert {} -key {}",
        listener.local_addr().unwrap(),
        ca.text("ca.pem"),
        ca.text(&format!("{leaf}.pem")),
        ca.text(&format!("{leaf}.key"))
    );
    let mut client = Program::start("openssl", "openssl", words(&arguments));
    let accepted = listener.accept().await.unwrap().handshake().await;
    let verdict = match accepted {
        Ok(mut stream) => {
            let _ = stream.shutdown().await;
            "good"
        }
        Err(error) => verdict::<()>(Err(error)),
    };
    client.send(b"\n").await;
    let (_, output) = client.finish().await;
    (verdict, output.to_string().contains("certificate revoked"))
}

#[tokio::test]
async fn openssl_is_looked_for_as_client_and_server() {
    let ca = Authority::new("openssl", "http://crl.invalid/ca.crl");
    let lists = ca.memory(&["list.pem"]);
    let connector = ca.connector(CrlCheck::chain(), lists.clone());
    assert_eq!(of_openssl_server(&ca, "good", &connector).await, "good");
    assert_eq!(of_openssl_server(&ca, "bad", &connector).await, "revoked");
    let nothing = ca.connector(CrlCheck::chain(), Arc::new(MemoryCrls::new()));
    assert_eq!(of_openssl_server(&ca, "good", &nothing).await, "unknown");
    let listener = ca.listener(CrlCheck::peer(), lists).await;
    assert_eq!(
        of_openssl_client(&ca, "good", &listener).await,
        ("good", false)
    );
    assert_eq!(
        of_openssl_client(&ca, "bad", &listener).await,
        ("revoked", true)
    );
    let listener = ca
        .listener(CrlCheck::peer(), Arc::new(MemoryCrls::new()))
        .await;
    assert_eq!(
        of_openssl_client(&ca, "good", &listener).await,
        ("unknown", false)
    );
}

/// A complete list that does not have it, and the delta list that `openssl crl -gendelta` made of two.
#[tokio::test]
async fn a_delta_list_of_openssl_counts() {
    let ca = Authority::new("delta", "http://crl.invalid/ca.crl");
    let old = ca.connector(CrlCheck::chain(), ca.memory(&["base.pem"]));
    assert_eq!(of_openssl_server(&ca, "bad", &old).await, "good");
    let with_delta = ca.connector(CrlCheck::chain(), ca.memory(&["base.pem", "delta.pem"]));
    assert_eq!(of_openssl_server(&ca, "bad", &with_delta).await, "revoked");
    assert_eq!(of_openssl_server(&ca, "good", &with_delta).await, "good");
    let delta = ca.connector(CrlCheck::chain(), ca.memory(&["delta.pem"]));
    assert_eq!(of_openssl_server(&ca, "good", &delta).await, "unknown");
}

#[tokio::test]
async fn a_directory_of_rehash_is_what_openssl_finds() {
    let ca = Authority::new("rehash", "http://crl.invalid/ca.crl");
    std::fs::create_dir(ca.path("lists")).unwrap();
    std::fs::copy(ca.path("list.pem"), ca.path("lists/list.pem")).unwrap();
    let crls = Arc::new(HashDirCrls::new(ca.path("lists")));
    let connector = ca.connector(CrlCheck::chain(), crls.clone());
    assert_eq!(of_openssl_server(&ca, "good", &connector).await, "unknown");
    ca.openssl("rehash lists");
    crls.recheck();
    assert_eq!(of_openssl_server(&ca, "good", &connector).await, "good");
    assert_eq!(of_openssl_server(&ca, "bad", &connector).await, "revoked");
    for (leaf, is_good) in [("good", true), ("bad", false)] {
        let output = Command::new("openssl")
            .current_dir(&ca.folder)
            .args([
                "verify",
                "-CAfile",
                "ca.pem",
                "-CApath",
                "lists",
                "-crl_check_all",
            ])
            .arg(format!("{leaf}.pem"))
            .output()
            .unwrap();
        assert_eq!(output.status.success(), is_good, "{output:?}");
    }
}

/// Serves a file to everybody, and counts them.
async fn serve(listener: TcpListener, body: Vec<u8>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = [0; 2_048];
        let _ = stream.read(&mut head).await;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.write_all(&body).await;
    }
}

#[tokio::test]
async fn lists_are_fetched_from_where_certificates_say() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let point = format!("http://{}/ca.crl", server.local_addr().unwrap());
    let ca = Authority::new("http", &point);
    tokio::spawn(serve(server, std::fs::read(ca.path("list.der")).unwrap()));
    // By default nothing is fetched from this machine.
    let guarded = ca.connector(CrlCheck::peer(), Arc::new(HttpCrls::new()));
    assert_eq!(of_openssl_server(&ca, "good", &guarded).await, "unknown");
    let crls = Arc::new(HttpCrls::new().allow("127.0.0.1/32".parse().unwrap()));
    let connector = ca.connector(CrlCheck::peer(), crls.clone());
    assert_eq!(of_openssl_server(&ca, "good", &connector).await, "good");
    assert_eq!(of_openssl_server(&ca, "bad", &connector).await, "revoked");
    assert_eq!(crls.requests(), 1);
}

/// What OpenSSL's client says of a server of portcullis with this certificate.
async fn by_openssl(ca: &Authority, leaf: &str, list: Option<&str>) -> &'static str {
    let listener = ca.server(leaf).await;
    let mut arguments = format!(
        "s_client -connect {} -servername localhost -CAfile {} -verify_return_error -crl_check_all",
        listener.local_addr().unwrap(),
        ca.text("ca.pem")
    );
    if let Some(list) = list {
        arguments += &format!(" -CRL {}", ca.text(list));
    }
    let client = Program::start("openssl", "openssl", words(&arguments));
    let _ = listener.accept().await.unwrap().handshake().await;
    let (_, output) = client.finish().await;
    judged(
        &output.to_string(),
        "certificate revoked",
        "unable to get certificate CRL",
    )
}

fn judged(output: &str, revoked: &str, unknown: &str) -> &'static str {
    match (output.contains(revoked), output.contains(unknown)) {
        (true, _) => "revoked",
        (_, true) => "unknown",
        _ => "good",
    }
}

/// What Erlang's client says of it: with its cache in memory, by `crl_check`.
async fn by_erlang(ca: &Authority, leaf: &str, check: &str, list: Option<&str>) -> &'static str {
    let listener = ca.server(leaf).await;
    let insert = list.map_or_else(String::new, |list| {
        format!("ok = ssl_crl_cache:insert({{file, {:?}}}),", ca.text(list))
    });
    let program = format!(
        "{{ok, _}} = application:ensure_all_started(ssl), {insert} \
         Result = ssl:connect(\"127.0.0.1\", {}, [{{verify, verify_peer}}, {{cacertfile, {:?}}}, \
         {{server_name_indication, \"localhost\"}}, {{crl_check, {check}}}, \
         {{crl_cache, {{ssl_crl_cache, {{internal, []}}}}}}], 10000), \
         io:format(\"~n~p~n\", [Result]), halt().",
        listener.local_addr().unwrap().port(),
        ca.text("ca.pem")
    );
    let arguments = ["-noshell".to_owned(), "-eval".to_owned(), program];
    let client = Program::start("erl", "erlang-base erlang-ssl erlang-inets", arguments);
    let _ = listener.accept().await.unwrap().handshake().await;
    let (_, output) = client.finish().await;
    let output = output.to_string();
    assert!(
        output.contains("{ok,") || output.contains("tls_alert"),
        "{output}"
    );
    judged(&output, "certificate_revoked", "bad_certificate")
}

/// The same authority, lists and certificates: portcullis, OpenSSL and Erlang say the same.
#[tokio::test]
async fn verdicts_are_those_of_openssl_and_erlang() {
    let ca = Authority::new("verdicts", "http://crl.invalid/ca.crl");
    for (leaf, list) in [
        ("good", Some("list.pem")),
        ("bad", Some("list.pem")),
        ("bad", Some("base.pem")),
        ("good", None),
    ] {
        let files: Vec<_> = list.into_iter().collect();
        for (check, erlang) in [
            (CrlCheck::chain(), "true"),
            (CrlCheck::peer(), "peer"),
            (CrlCheck::best_effort(), "best_effort"),
        ] {
            let listener = ca.server(leaf).await;
            let connector = ca.connector(check, ca.memory(&files));
            let address = listener.local_addr().unwrap();
            let (own, _) = tokio::join!(connector.connect(address, "localhost"), async {
                listener.accept().await.unwrap().handshake().await
            });
            let own = verdict(own);
            let row = format!("{leaf} by {list:?}, {erlang}");
            assert_eq!(by_erlang(&ca, leaf, erlang, list).await, own, "{row}");
            if check == CrlCheck::chain() {
                assert_eq!(by_openssl(&ca, leaf, list).await, own, "{row}");
            }
        }
    }
}
