//! Certificates, servers behind the proxy, and clients before it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use portcullis::{
    ClientConfig, DtlsConnection, DtlsConnector, DtlsListener, Identity, Roots, ServerConfig,
    TlsConnector, TlsStream,
};
use portcullis_proxy::{Config, ListenAddress, Proxy};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// A folder with files, and the authority that has issued what is in them.
pub(crate) struct Files {
    folder: TempDir,
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
}

impl Files {
    /// With `ca.pem`.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Test CA");
        let key = KeyPair::generate().unwrap();
        let authority_pem = params.self_signed(&key).unwrap().pem();
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Issuer::new(params, key),
            authority_pem,
        };
        files.write("ca.pem", &files.authority_pem);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: &str) {
        use std::os::unix::fs::PermissionsExt as _;

        std::fs::write(self.path(name), contents).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    fn issue(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// `NAME.pem` and `NAME.key`, for these hosts.
    pub(crate) fn server(&self, name: &str, hosts: &[&str]) -> &Self {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(hosts).unwrap();
        let (certificate, key) = self.issue(&params);
        self.write(&format!("{name}.pem"), &certificate);
        self.write(&format!("{name}.key"), &key);
        self
    }

    /// What a client shows that has this URI.
    pub(crate) fn client(&self, uri: &str) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let uri = uri.to_owned().try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        let (certificate, key) = self.issue(&params);
        Identity::from_pem(certificate, Some(key.as_bytes())).unwrap()
    }

    /// A client with one key, which two authorities have certified.
    pub(crate) fn client_of_both(one: &Self, other: &Self) -> [Identity; 2] {
        let params = CertificateParams::new(vec!["client.test".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        [one, other].map(|files| {
            let certificate = params.signed_by(&key, &files.authority).unwrap();
            let key = key.serialize_pem();
            Identity::from_pem(certificate.pem(), Some(key.as_bytes())).unwrap()
        })
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::from_pem(&self.authority_pem).unwrap()
    }

    /// A client that trusts the authority, and speaks these protocols.
    pub(crate) fn connector(&self, alpn: &[&str]) -> TlsConnector {
        let config = ClientConfig::builder(self.roots()).alpn(alpn);
        TlsConnector::new(config.build().unwrap())
    }

    /// A configuration; `@/` in it is the folder, and the log is off unless it says otherwise.
    pub(crate) fn config(&self, text: &str) -> Config {
        let log = match text.contains("log = ") {
            true => "",
            false => "log = { access = \"off\" }",
        };
        let folder = format!("{}/", self.folder.path().display());
        let text = format!("version = 1\n{log}\n{}", text.replace("@/", &folder));
        Config::parse("test.toml", &text).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The lines of `access.log`, as soon as there are so many.
    pub(crate) async fn lines(&self, count: usize) -> Vec<Value> {
        for _ in 0..500 {
            let text = std::fs::read_to_string(self.path("access.log")).unwrap_or_default();
            if text.lines().count() >= count {
                let lines = text.lines().map(serde_json::from_str);
                return lines.collect::<Result<_, _>>().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} lines in 10 seconds");
    }

    pub(crate) fn start(&self, text: &str) -> Running {
        Running(Proxy::start(self.config(text)).unwrap())
    }
}

/// A listener that terminates for `one.test`, with this server; what `more` has stands before, and `route` in the route.
pub(crate) fn terminating(more: &str, server: impl Display, route: &str) -> String {
    format!(
        r#"
        {more}
        [[listen]]
        name = "in"
        address = "127.0.0.1:0"
        [[identity]]
        name = "one"
        certificate = "@/one.pem"
        key = "@/one.key"
        [[backend]]
        name = "back"
        servers = ["{server}"]
        [[route]]
        names = ["one.test"]
        identity = "one"
        {route}
        backend = "back"
        "#
    )
}

/// The same over datagrams.
pub(crate) fn dtls_terminating(more: &str, server: impl Display, route: &str) -> String {
    terminating(more, format!("udp:{server}"), route)
        .replace("address = \"127.0.0.1:0\"", "address = \"udp:127.0.0.1:0\"")
}

/// A proxy that runs.
pub(crate) struct Running(pub(crate) Proxy);

impl Running {
    /// Where its first listener is, or another.
    pub(crate) fn at(&self, which: usize) -> SocketAddr {
        match &self.0.listening()[which].1 {
            ListenAddress::Tcp(address) | ListenAddress::Udp(address) => *address,
            ListenAddress::Unix(path) => panic!("{}", path.display()),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.at(0)
    }
}

/// A server that says its name and `:`, then what it is told, until that ends.
pub(crate) async fn echo(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = io.write_all(format!("{name}:").as_bytes()).await;
                let (mut from, mut to) = io.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    address
}

/// A server of TLS that says its name, the protocol that was agreed on, and whether it saw a session again.
pub(crate) async fn tls_echo(name: &'static str, config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = portcullis::TlsAcceptor::new(config);
    tokio::spawn(async move {
        loop {
            let (io, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(io).await else {
                    return;
                };
                let again = if stream.is_resumed() { "again" } else { "new" };
                let said = format!("{name},{again}:");
                let _ = stream.write_all(said.as_bytes()).await;
                let mut all = Vec::new();
                let _ = stream.read_to_end(&mut all).await;
                let _ = stream.write_all(&all).await;
                let _ = stream.close(Duration::from_secs(5)).await;
            });
        }
    });
    address
}

/// Says something, ends, and gives what comes back up to the end.
pub(crate) async fn talk<S>(stream: &mut S, said: &str) -> std::io::Result<String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(said.as_bytes()).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .expect("an end within 10 seconds")?;
    Ok(answer)
}

/// Connects to the proxy by this name.
pub(crate) async fn connect(
    connector: &TlsConnector,
    address: SocketAddr,
    name: &str,
) -> Result<TlsStream<TcpStream>, portcullis::Error> {
    let io = TcpStream::connect(address).await.unwrap();
    connector.upgrade(io, name).await
}

/// An address that nobody listens on.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// What the administration's port answers: its first line, and the page.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut io = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// A server of UDP that says its name, `:`, and what it was told, to each datagram.
pub(crate) async fn udp_echo(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut area = vec![0; 65_536];
        loop {
            let (length, peer) = socket.recv_from(&mut area).await.unwrap();
            let answer = [name.as_bytes(), b":", &area[..length]].concat();
            let _ = socket.send_to(&answer, peer).await;
        }
    });
    address
}

/// A server of DTLS at this address that says its name, whether it saw a session again, and what it was told.
pub(crate) async fn dtls_echo(
    address: SocketAddr,
    name: &'static str,
    config: ServerConfig,
) -> SocketAddr {
    let listener = DtlsListener::bind(address, config).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let incoming = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let Ok(mut connection) = incoming.handshake().await else {
                    return;
                };
                let is_resumed = connection.information().is_resumed();
                let again = if is_resumed { "again" } else { "new" };
                let said = format!("{name},{again}:");
                while let Ok(message) = connection.recv().await {
                    let _ = connection.send(&[said.as_bytes(), &message]).await;
                }
            });
        }
    });
    address
}

impl Files {
    /// What a server of this name shows.
    pub(crate) fn shown(&self, name: &str) -> ServerConfig {
        let paths = [format!("{name}.pem"), format!("{name}.key")].map(|it| self.path(&it));
        let [chain, key] = paths;
        let identity = Identity::from_pem_files(chain, key).unwrap();
        ServerConfig::builder().identity(identity).build().unwrap()
    }

    /// Connects to the proxy over DTLS by this name.
    pub(crate) async fn dtls(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> Result<DtlsConnection, portcullis::Error> {
        let connector = DtlsConnector::new(self.connector(&[]));
        connector.connect(address, name).await
    }
}

/// Says something in one message, and gives the next one that comes.
pub(crate) async fn ask(connection: &mut DtlsConnection, said: &[u8]) -> Vec<u8> {
    connection.send(&[said]).await.unwrap();
    let answer = connection.recv_timeout(Duration::from_secs(10)).await;
    answer.unwrap().to_vec()
}

/// The same from a socket without DTLS.
pub(crate) async fn ask_udp(socket: &UdpSocket, to: SocketAddr, said: &[u8]) -> Vec<u8> {
    socket.send_to(said, to).await.unwrap();
    let mut area = vec![0; 65_536];
    let receiving = socket.recv_from(&mut area);
    let received = tokio::time::timeout(Duration::from_secs(10), receiving).await;
    let (length, _) = received.expect("an answer within 10 seconds").unwrap();
    area.truncate(length);
    area
}
