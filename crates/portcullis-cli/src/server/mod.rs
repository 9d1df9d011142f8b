//! `portcullis server`: echo, a page with what was negotiated, or the files of a folder.

mod changes;
mod datagrams;
mod folder;
mod http;
mod reload;
mod sessions;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientAuthentication, Identity, Incoming, LoadedFiles, MemoryCrls, ProtocolVersion, Roots,
    ServerConfig, SignatureScheme, Stapler, Stapling, TlsAcceptor, TlsListener, TlsStream,
};
use portcullis_pkcs11::{Pkcs11Signer, Pkcs11Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::cert::KeyPassword;
use crate::crl::Lists;
use crate::failure::Failure;
use crate::logins::Users;
use crate::said::{say, tell};
use crate::shared_keys::SharedKeys;
use crate::spoken::Spoken;
use crate::{Verbosity, algorithms, cert, key_log, report};
use folder::Folder;
use sessions::{Opened, Sessions};

/// How long a client may take to close after we have.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// The most connections at a time; others wait to be accepted.
const MAX_CONNECTIONS: usize = 1_024;
/// What HTTP is spoken here, as ALPN calls it (RFC 7301 §6).
const HTTP: [&str; 2] = ["http/1.1", "http/1.0"];

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Where to listen: ADDRESS:PORT; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::parse_listen, default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    /// The certificate chain (PEM). Without one a certificate is made for localhost.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of --cert (PEM), if it is in a file of its own.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    #[command(flatten)]
    password: KeyPassword,
    /// The key of --cert is in a token: a PKCS#11 URI (RFC 7512) with `module-path`. The PIN is where it says
    /// (`pin-source`), or in --password-file or --password-env.
    #[arg(long, value_name = "URI", requires = "cert", conflicts_with_all = ["key", "reload"])]
    pkcs11: Option<Pkcs11Uri>,
    /// Take over --cert, --key, --cafile and files of --crl when they change: all together, or none of them if something is
    /// wrong. SIGHUP has them looked at.
    #[arg(long, requires = "cert", conflicts_with = "once")]
    reload: bool,
    /// Show this OCSP response (DER) to clients that ask for one, or by `auto` the one of the responder that the
    /// certificate names, fetched anew before it is over. With --reload `auto`: a certificate that is taken over has its own.
    #[arg(long, value_name = "FILE|auto", requires = "cert")]
    ocsp: Option<PathBuf>,
    /// Answer HTTP with a page that shows what was negotiated, instead of echoing.
    #[arg(long)]
    www: bool,
    /// With --client-auth: ask for the client's certificate not in the handshake, but when with --www this path is asked for,
    /// or with --dtls this message comes, which is then given back or refused (TLS 1.3, RFC 8446 §4.6.2). Clients have to have
    /// offered that in their hello.
    #[arg(long, value_name = "PATH|MESSAGE")]
    ask_later: Option<String>,
    /// Answer HTTP with the files of this folder; links do not lead out of it.
    #[arg(long, value_name = "FOLDER", conflicts_with = "www")]
    dir: Option<PathBuf>,
    /// Whether clients show a certificate.
    #[arg(long, value_enum, default_value_t = ClientAuth::None, requires_ifs = [("optional", "cafile"), ("required", "cafile")])]
    client_auth: ClientAuth,
    /// The authorities of client certificates (PEM).
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    #[command(flatten)]
    spoken: Spoken,
    /// Signature schemes that are accepted of the client, in order of preference, separated by commas. Named with
    /// SHA-1 or SHA-224, they are signed with, too.
    #[arg(long, value_delimiter = ',', value_parser = algorithms::signature_scheme, value_name = "NAMES")]
    sigalgs: Vec<SignatureScheme>,
    #[command(flatten)]
    keys: SharedKeys,
    #[command(flatten)]
    users: Users,
    /// Decrypt hellos (RFC 9849) with the keys in these files, as `portcullis ech new` makes them. Clients that have another
    /// configuration are told of the first.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    ech_keys: Vec<PathBuf>,
    /// This server is behind one that decrypts hellos for it, as `portcullis ech front` does. Between the two has to be
    /// something that others cannot read.
    #[arg(long, conflicts_with_all = ["ech_keys", "dtls"])]
    ech_backend: bool,
    #[command(flatten)]
    lists: Lists,
    #[command(flatten)]
    sessions: Sessions,
    /// Append the connections' secrets to this file (SSLKEYLOGFILE format).
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Speak DTLS, over UDP, and give back each message that comes. With --early-data clients of DTLS 1.3 are asked for a
    /// cookie only under load, or if their hello is in pieces or short beside the answer, since a second hello has no early
    /// data; older ones are always asked.
    #[arg(long, conflicts_with_all = ["www", "dir"])]
    dtls: bool,
    /// With --dtls: the longest datagram of the handshake, in bytes of UDP payload. [default: 1200]
    #[arg(long, value_name = "BYTES", requires = "dtls", value_parser = clap::value_parser!(u16).range(228..=65_507))]
    mtu: Option<u16>,
    /// With --dtls: connection ids, so that a connection goes on when an address changes (RFC 9146, RFC 9147). The
    /// peer's records have one of so many random bytes, 8 to 32; with 0 they have none, and this side's what the
    /// peer wants. [default without a number: 8]
    #[arg(long, value_name = "BYTES", requires = "dtls", num_args = 0..=1, default_missing_value = "8", value_parser = crate::parse_cid)]
    cid: Option<usize>,
    /// Print each handshake, and what failed, as a line of JSON on standard output, behind READY.
    #[arg(long)]
    json: bool,
    /// Serve one connection and exit; the exit code says how it went.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClientAuth {
    None,
    Optional,
    Required,
}

impl Server {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let service = self.service()?;
        let own = Arc::new(Own {
            sessions: self.sessions.open().await?,
            server: self,
        });
        let mut files = Vec::new();
        let crls = own.server.lists.source_with(&mut files)?;
        let Made {
            mut acceptor,
            identity,
            loaded,
        } = own.acceptor(&files).await?;
        let Own { server, .. } = &*own;
        if let Some(log) = key_log(server.keylog.as_deref())? {
            acceptor = acceptor.key_log(log);
        }
        if let Some(crls) = crls {
            acceptor = acceptor.crls(crls);
        }
        acceptor
            .check()
            .map_err(|misuse| Failure::usage(misuse.to_string()))?;
        if let Some(loaded) = loaded {
            tokio::spawn(reload::report(loaded.watch(acceptor.reloadable())));
        }
        let listen = |error| Failure::transport(&format!("listening on {}", server.listen), &error);
        // Shows what it has until this ends.
        let _stapling = server.staple(identity.as_ref()).await?;
        if server.dtls {
            return server.serve_datagrams(acceptor).await;
        }
        let socket = TcpListener::bind(server.listen).await.map_err(listen)?;
        let listener = TlsListener::from_listener(socket, acceptor);
        println!("READY {}", listener.local_addr().map_err(listen)?);
        crate::bench::process::raise_descriptor_limit();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let incoming = match listener.accept().await {
                Ok(incoming) => incoming,
                Err(error) if server.once => return Err(Failure::transport("accepting", &error)),
                Err(error) => {
                    say(format!("portcullis: accepting: {error}"));
                    continue;
                }
            };
            let conduct = Conduct {
                is_verbose: server.verbosity.is_verbose(),
                tells: server.json,
                takes_early_data: server.sessions.takes_early_data(),
            };
            let peer = incoming.peer_addr();
            if server.once {
                let served = service.serve(incoming, conduct).await;
                return served.inspect_err(|failure| conduct.tell(peer, failure));
            }
            let service = service.clone();
            tokio::spawn(async move {
                if let Err(failure) = service.serve(incoming, conduct).await {
                    conduct.tell(peer, &failure);
                    say(format!("portcullis: {peer}: {failure}"));
                }
                drop(place);
            });
        }
    }

    /// What to do, if the options go together.
    fn service(&self) -> Result<Service, Failure> {
        if self.cafile.is_some() && self.client_auth == ClientAuth::None {
            return Err(Failure::usage(
                "--cafile has no effect without --client-auth optional or required",
            ));
        }
        if self.reload && self.ocsp.is_some() && !self.asks_responder() {
            return Err(Failure::usage(
                "--ocsp FILE is about one certificate, and --reload takes others over: give --ocsp auto, which fetches a \
                 response for each, or leave one of them out",
            ));
        }
        if let Some(path) = &self.ask_later {
            if self.client_auth == ClientAuth::None {
                return Err(Failure::usage(
                    "--ask-later has no effect without --client-auth optional or required",
                ));
            }
            if !self.www && !self.dtls {
                return Err(Failure::usage(
                    "--ask-later has no effect without --www or --dtls",
                ));
            }
            if self.www && !path.starts_with('/') {
                return Err(Failure::usage(format!(
                    "--ask-later {path}: a path begins with /"
                )));
            }
        }
        let versions = self.spoken.tls.as_ref();
        algorithms::check_alpn(&self.spoken.alpn)?;
        algorithms::check_groups(&self.spoken.groups, &self.suites(), versions)?;
        let names_none = !self
            .sigalgs
            .iter()
            .copied()
            .any(algorithms::signs_only_by_name);
        if !self.sigalgs.is_empty() && names_none && self.client_auth == ClientAuth::None {
            return Err(Failure::usage(
                "--sigalgs has no effect without --client-auth optional or required, but for schemes with SHA-1 or \
                 SHA-224, which are signed with only where they are named",
            ));
        }
        self.check_ciphers()?;
        let service = match (&self.dir, self.www) {
            (Some(folder), _) => Service::Files(Folder::open(folder)?),
            (None, true) => Service::Page {
                private: self.ask_later.as_deref().map(Arc::from),
            },
            (None, false) => return Ok(Service::Echo),
        };
        match self
            .spoken
            .alpn
            .iter()
            .find(|name| !HTTP.contains(&name.as_str()))
        {
            Some(other) => Err(Failure::usage(format!(
                "--alpn {other}: --www and --dir speak {} alone",
                HTTP.join(" and ")
            ))),
            None => Ok(service),
        }
    }

    /// Whether keys, passwords, versions and the certificate go with the cipher suites.
    fn check_ciphers(&self) -> Result<(), Failure> {
        self.keys
            .check(&self.spoken.ciphers, self.spoken.tls.as_ref())?;
        self.users
            .check(&self.spoken.ciphers, self.spoken.tls.as_ref())?;
        let suites = self.suites();
        let may_show = |suite| algorithms::has_certificates(suite, self.spoken.tls.as_ref());
        // Suites that there are not in these versions are refused for that.
        let spoken = |suite: &CipherSuite| algorithms::is_spoken(*suite, self.spoken.tls.as_ref());
        if !self.spoken.ciphers.is_empty() && !self.spoken.ciphers.iter().any(spoken) {
            return Ok(());
        }
        if self.cert.is_none() || suites.is_empty() || suites.into_iter().any(may_show) {
            return Ok(());
        }
        Err(Failure::usage(match self.spoken.ciphers.is_empty() {
            true => {
                "--cert has no effect with a pre-shared key or a password, and no --ciphers that have certificates; for a \
                 password these are such as TLS_SRP_SHA_RSA_WITH_AES_256_CBC_SHA"
            }
            false => "--cert has no effect: no suite of --ciphers has certificates",
        }))
    }

    /// The cipher suites that are accepted; none are those of every server.
    fn suites(&self) -> Vec<CipherSuite> {
        let named = self
            .keys
            .ciphers(&self.spoken.ciphers, self.spoken.tls.as_ref());
        algorithms::with_old(self.users.ciphers(&named), self.spoken.tls.as_ref())
    }

    /// Who the server is, and whom it trusts.
    fn parts(&self) -> Result<(Option<Identity>, Option<Roots>), Failure> {
        let usage = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let identity = match &self.cert {
            Some(cert) => Some(self.password.identity(cert, self.key.as_deref())?),
            // Whoever has no key is to get nothing in its place.
            None if self.keys.are_there() && self.spoken.ciphers.is_empty() => None,
            None => {
                let made = cert::Leaf::for_localhost()?;
                let made = (made.certificate.as_bytes(), Some(made.key.as_bytes()));
                Some(Identity::from_pem(made.0, made.1).map_err(usage)?)
            }
        };
        Ok((identity, self.roots()?))
    }

    /// Whether responses are fetched.
    fn asks_responder(&self) -> bool {
        self.ocsp
            .as_ref()
            .is_some_and(|from| from.as_os_str() == "auto")
    }

    /// Shows an OCSP response with the certificate, if that is wanted.
    async fn staple(&self, identity: Option<&Identity>) -> Result<Option<Stapling>, Failure> {
        let usage = |error: portcullis::Misuse| Failure::usage(format!("--ocsp: {error}"));
        let (Some(from), Some(identity)) = (&self.ocsp, identity) else {
            return Ok(None);
        };
        if !self.asks_responder() {
            let about = |error: &dyn std::fmt::Display| {
                Failure::usage(format!("--ocsp {}: {error}", from.display()))
            };
            let read = std::fs::read(from).map_err(|error| about(&error))?;
            let set = identity.set_ocsp_response(Some(read));
            set.map_err(|error| about(&error))?;
            return Ok(None);
        }
        let stapling = Stapler::new(identity).start().map_err(usage)?;
        if let Err(why) = stapling.ready().await {
            eprintln!("portcullis: no OCSP response yet: {why}");
        }
        Ok(Some(stapling))
    }

    fn roots(&self) -> Result<Option<Roots>, Failure> {
        let roots = self.cafile.as_ref().map(Roots::from_pem_file);
        roots
            .transpose()
            .map_err(|error| Failure::usage(error.to_string()))
    }

    fn config(
        &self,
        sessions: &Opened,
        identity: Option<Identity>,
        roots: Option<Roots>,
    ) -> Result<ServerConfig, Failure> {
        let usage = |error: portcullis::Misuse| Failure::usage(error.to_string());
        let mut builder = ServerConfig::builder();
        if let Some(keys) = crate::ech::keys(&self.ech_keys)? {
            if let Some(warning) = crate::ech::unproved(&keys, identity.as_ref()) {
                say(warning);
            }
            builder = builder.ech_keys(keys);
        }
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        // Without --client-auth there is no --cafile.
        if let Some(roots) = roots {
            builder = builder.client_authentication(match self.client_auth {
                ClientAuth::Required => ClientAuthentication::Required(roots),
                _ => ClientAuthentication::Optional(roots),
            });
        }
        builder = self.spoken.server(builder, self.suites());
        if !self.sigalgs.is_empty() {
            builder = builder.signature_schemes(self.sigalgs.clone());
        }
        for key in self.keys.load(self.spoken.tls.as_ref())? {
            builder = builder.psk(key);
        }
        if let Some(users) = self.users.load()? {
            builder = builder.srp_users(users);
        }
        if self.ech_backend {
            builder = builder.ech_backend(true);
        }
        builder = sessions.configure(builder);
        // A client that speaks HTTP/2 alone is to hear so in the handshake, not in its midst.
        let speaks_http = self.www || self.dir.is_some();
        if self.spoken.alpn.is_empty() && speaks_http {
            builder = builder.alpn(HTTP);
        }
        builder
            .crl_check(self.lists.check())
            .key_log(self.keylog.is_some())
            .post_handshake_authentication(self.ask_later.is_some())
            .build()
            .map_err(usage)
    }
}

/// The options, and what was opened for them.
struct Own {
    server: Server,
    sessions: Opened,
}

/// What takes connections.
struct Made {
    acceptor: TlsAcceptor,
    /// Who the server is, unless files are read again, which may say otherwise.
    identity: Option<Identity>,
    loaded: Option<LoadedFiles<ServerConfig>>,
}

impl Own {
    /// With what reads the files again, if that is wanted.
    async fn acceptor(self: &Arc<Self>, crls: &[(PathBuf, MemoryCrls)]) -> Result<Made, Failure> {
        let (server, sessions) = (&self.server, &self.sessions);
        let equipped = |config| sessions.equip(TlsAcceptor::new(config));
        if let (Some(uri), Some(cert)) = (&server.pkcs11, &server.cert) {
            let key = reload::token(uri, &server.password).await?;
            let identity = key.identity(cert::read(cert)?).await;
            let identity =
                identity.map_err(|error| Failure::usage(format!("--pkcs11: {error}")))?;
            let config = server.config(sessions, Some(identity.clone()), server.roots()?)?;
            return Ok(Made {
                identity: Some(identity.clone()),
                acceptor: equipped(config).answers(Pkcs11Signer::new(identity, key)),
                loaded: None,
            });
        }
        let cert = server.cert.as_deref().filter(|_| server.reload);
        let Some(cert) = cert else {
            let (identity, roots) = server.parts()?;
            let config = server.config(sessions, identity.clone(), roots)?;
            return Ok(Made {
                acceptor: equipped(config),
                identity,
                loaded: None,
            });
        };
        let files = reload::Files {
            cert,
            key: server.key.as_deref(),
            password: &server.password,
            roots: server.cafile.as_deref(),
            crls,
            asks_responder: server.asks_responder(),
        };
        let own = Arc::clone(self);
        let loaded = files.load(move |parts| {
            let identity = parts.identities().first().cloned();
            own.server
                .config(&own.sessions, identity, parts.roots().cloned())
        });
        let loaded = loaded.await?;
        Ok(Made {
            acceptor: equipped(loaded.config()),
            identity: None,
            loaded: Some(loaded),
        })
    }
}

/// What is done with a connection.
#[derive(Clone, Debug)]
enum Service {
    /// What comes goes back.
    Echo,
    /// A page with what was negotiated; of one path only for clients with a certificate.
    Page { private: Option<Arc<str>> },
    /// The files of a folder.
    Files(Folder),
}

/// How it is done.
#[derive(Clone, Copy, Debug)]
struct Conduct {
    is_verbose: bool,
    /// Whether programs are told, too.
    tells: bool,
    takes_early_data: bool,
}

impl Conduct {
    fn tell(self, peer: SocketAddr, failure: &Failure) {
        if self.tells {
            tell(&report::of_failure(Some(peer), failure));
        }
    }
}

impl Service {
    /// One connection from handshake to close.
    async fn serve(&self, incoming: Incoming, conduct: Conduct) -> Result<(), Failure> {
        let peer = incoming.peer_addr();
        let (stream, first) = match conduct.takes_early_data {
            true => self.early(incoming, conduct.is_verbose).await?,
            false => (incoming.handshake().await.map_err(failed)?, Vec::new()),
        };
        if conduct.tells {
            tell(&report::of_client(Some(peer), stream.information()));
        }
        if conduct.is_verbose {
            let facts = report::text(stream.information());
            say(format!("{:<17}{peer}\n{facts}", "client:"));
        }
        let served = match self {
            Self::Echo => echo(stream).await,
            Self::Page { private } => http::page(stream, first, private.as_deref()).await,
            Self::Files(folder) => http::file(stream, folder, first).await,
        };
        served.map_err(|error| Failure::connection(&error))
    }

    /// A handshake, and the early data that is to be answered after it. An echo goes back at once; a request, of
    /// which none but GET and HEAD are answered, waits.
    async fn early(
        &self,
        incoming: Incoming,
        is_verbose: bool,
    ) -> Result<(TlsStream<TcpStream>, Vec<u8>), Failure> {
        let peer = incoming.peer_addr();
        let mut early = incoming.handshake_with_early_data().await.map_err(failed)?;
        let broken = |error: std::io::Error| Failure::connection(&error);
        let (mut first, mut part) = (Vec::new(), vec![0; 16 * 1024]);
        // It ends within what the tickets allow; there is none unless it was accepted.
        loop {
            let count = early.reader().read(&mut part).await.map_err(broken)?;
            let Some(data) = part.get(..count).filter(|data| !data.is_empty()) else {
                break;
            };
            if is_verbose {
                say(format!("{peer}: {count} bytes of early data"));
            }
            match (self, early.writer()) {
                (Self::Echo, Some(mut writer)) => {
                    writer.write_all(data).await.map_err(broken)?;
                    writer.flush().await.map_err(broken)?;
                }
                _ => first.extend_from_slice(data),
            }
        }
        Ok((early.handshake().await.map_err(failed)?, first))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: portcullis::Error) -> Failure {
    Failure::handshake(&error)
}

/// What a client hears that cannot be asked for a certificate after the handshake.
fn not_to_be_asked(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLS_1_3 | ProtocolVersion::DTLS_1_3 => {
            "This client has not offered to be asked for a certificate after the handshake; `portcullis client` does with \
             --post-handshake-auth, `openssl s_client` with -enable_pha."
                .to_owned()
        }
        older => format!(
            "This is {older}, in which no client is asked for a certificate after the handshake; `portcullis client` and this \
             server speak TLS 1.3 unless --tls leaves it out."
        ),
    }
}

/// Gives back what comes.
async fn echo(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        let Some(data) = buffer.get(..count).filter(|data| !data.is_empty()) else {
            break;
        };
        stream.write_all(data).await?;
        stream.flush().await?;
    }
    Ok(stream.close(CLOSE_WITHIN).await?)
}
