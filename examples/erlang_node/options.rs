//! The file of `-ssl_dist_optfile`, the arguments of `-ssl_dist_opt`, and what becomes of their options.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis::config::{ClientConfigBuilder, SecureRenegotiation, ServerConfigBuilder};
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientAuthentication, ClientConfig, Identity, PemIdentity, ProtocolVersion, Roots,
    ServerConfig, TlsAcceptor, TlsConnector,
};

use super::literal::{self, Literal};

/// Options of one side of a link, as this node accepts or connects.
#[derive(Default)]
pub(crate) struct Section {
    certfile: Option<PathBuf>,
    keyfile: Option<PathBuf>,
    password: Option<String>,
    cacertfile: Option<PathBuf>,
    depth: Option<usize>,
    versions: Vec<ProtocolVersion>,
    ciphers: Vec<CipherSuite>,
    secure_renegotiate: bool,
    /// Whether sessions are resumed, if that was said.
    reuse_sessions: Option<bool>,
    hibernate_after: Option<Duration>,
}

/// What is in the file, or stands on the command line.
#[derive(Default)]
pub(crate) struct OptionFile {
    pub(crate) server: Section,
    pub(crate) client: Section,
    /// Options that nothing was done about, each named.
    pub(crate) ignored: Vec<String>,
}

/// What Erlang's distribution sets itself; its manual forbids them in the file.
const FORBIDDEN: [&str; 7] = [
    "list",
    "binary",
    "active",
    "packet",
    "nodelay",
    "deliver",
    "packet_size",
];

impl OptionFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is none, or has an option that this node cannot do without and cannot do.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        text.and_then(|text| Self::read(&text))
            .map_err(|why| format!("{}: {why}", path.display()))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let Literal::List(sections) = literal::read(text)? else {
            return Err("a list of `{server, Options}` and `{client, Options}` is missing".into());
        };
        let mut file = Self::default();
        for section in sections {
            let (name, options) = match section {
                Literal::Tuple(pair) => match <[Literal; 2]>::try_from(pair) {
                    Ok([Literal::Atom(name), Literal::List(options)]) => (name, options),
                    _ => {
                        return Err(
                            "a section is `{server, Options}` or `{client, Options}`".into()
                        );
                    }
                },
                _ => return Err("a section is `{server, Options}` or `{client, Options}`".into()),
            };
            let into = match name.as_str() {
                "server" => &mut file.server,
                "client" => &mut file.client,
                _ => {
                    return Err(format!(
                        "{name}: there are sections for server and client only"
                    ));
                }
            };
            for option in options {
                let (option, value) = pair(option)?;
                let known = into.set(&option, value);
                if !known.map_err(|why| format!("{name}, {option}: {why}"))? {
                    file.ignored.push(format!("{name}, {option}"));
                }
            }
        }
        Ok(file)
    }

    /// What stands behind `-ssl_dist_opt`: pairs of an option, with `server_` or `client_` in front, and its value.
    /// They count before those of the file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn add_arguments(&mut self, arguments: &[String]) -> Result<(), String> {
        for pair in arguments.chunks(2) {
            let [name, text] = pair else {
                return Err(format!("{}: its value is missing", pair[0]));
            };
            let (into, option, of_server) = if let Some(option) = name.strip_prefix("server_") {
                (&mut self.server, option, true)
            } else if let Some(option) = name.strip_prefix("client_") {
                (&mut self.client, option, false)
            } else {
                return Err(format!(
                    "{name}: an option begins with `server_` or `client_`"
                ));
            };
            let about = |why: String| format!("{name}: {why}");
            let is_known = ARGUMENTS.contains(&option) || of_server && OF_SERVERS.contains(&option);
            if !is_known {
                return Err(about(
                    "no option of the command line; the file of `-ssl_dist_optfile` takes others"
                        .to_owned(),
                ));
            }
            let known = argument(option, text).and_then(|value| into.set(option, value));
            if !known.map_err(about)? {
                self.ignored.push(name.clone());
            }
        }
        Ok(())
    }
}

/// What `-ssl_dist_opt` takes, for both sides.
const ARGUMENTS: [&str; 13] = [
    "certfile",
    "keyfile",
    "password",
    "cacertfile",
    "verify",
    "verify_fun",
    "crl_check",
    "crl_cache",
    "reuse_sessions",
    "secure_renegotiate",
    "depth",
    "hibernate_after",
    "ciphers",
];
/// What it takes for the accepting side alone.
const OF_SERVERS: [&str; 2] = ["dhfile", "fail_if_no_peer_cert"];

/// The value of an option on the command line, where strings have no quotation marks.
fn argument(option: &str, text: &str) -> Result<Literal, String> {
    Ok(match option {
        "certfile" | "keyfile" | "password" | "cacertfile" | "dhfile" => {
            Literal::String(text.to_owned())
        }
        "ciphers" => {
            let names = text.split(':');
            Literal::List(names.map(|name| Literal::String(name.to_owned())).collect())
        }
        _ => literal::read(&format!("{text}."))?,
    })
}

/// `{Option, Value}`, or `Option` for `{Option, true}`.
fn pair(option: Literal) -> Result<(String, Literal), String> {
    match option {
        Literal::Atom(name) => Ok((name, Literal::Atom("true".to_owned()))),
        Literal::Tuple(pair) => match <[Literal; 2]>::try_from(pair) {
            Ok([Literal::Atom(name), value]) => Ok((name, value)),
            _ => Err("an option is `{Name, Value}`".to_owned()),
        },
        _ => Err("an option is `{Name, Value}`".to_owned()),
    }
}

impl Section {
    /// Sets an option; false when it is none that is known here.
    fn set(&mut self, name: &str, value: Literal) -> Result<bool, String> {
        match (name, value) {
            ("certfile", Literal::String(path)) => self.certfile = Some(path.into()),
            ("keyfile", Literal::String(path)) => self.keyfile = Some(path.into()),
            ("cacertfile", Literal::String(path)) => self.cacertfile = Some(path.into()),
            ("password", Literal::String(text)) => self.password = Some(text),
            ("depth", Literal::Integer(depth)) => {
                let depth = usize::try_from(depth).map_err(|_| "it is less than 0".to_owned())?;
                self.depth = Some(depth);
            }
            ("versions", Literal::List(versions)) => {
                self.versions = versions.iter().map(version).collect::<Result<_, _>>()?;
            }
            ("ciphers", Literal::List(ciphers)) => {
                self.ciphers = ciphers.iter().map(cipher).collect::<Result<_, _>>()?;
            }
            ("verify", Literal::Atom(what)) if what == "verify_peer" => {}
            ("verify", _) => {
                return Err("this node verifies whom it speaks with: `verify_peer`".to_owned());
            }
            ("fail_if_no_peer_cert", Literal::Atom(what)) if what == "true" => {}
            ("fail_if_no_peer_cert", _) => {
                return Err("this node accepts nobody without a certificate: `true`".to_owned());
            }
            ("secure_renegotiate", Literal::Atom(what)) if what == "true" => {
                self.secure_renegotiate = true;
            }
            ("secure_renegotiate", _) => {
                return Err("nobody renegotiates in the old way here: `true`".to_owned());
            }
            ("reuse_sessions", Literal::Atom(what)) if what == "true" || what == "false" => {
                self.reuse_sessions = Some(what == "true");
            }
            ("reuse_sessions", _) => return Err("its value is `true` or `false`".to_owned()),
            ("hibernate_after", Literal::Integer(time)) => {
                let time = u64::try_from(time).map_err(|_| "it is less than 0".to_owned())?;
                self.hibernate_after = Some(Duration::from_millis(time));
            }
            ("hibernate_after", _) => return Err("its value is in milliseconds".to_owned()),
            // To go on without would be to accept what somebody wants refused.
            ("crl_check", Literal::Atom(what)) if what == "false" => {}
            ("crl_check", _) => {
                return Err("this node looks at no revocation lists: `false`".to_owned());
            }
            ("verify_fun" | "partial_chain" | "sni_fun" | "user_lookup_fun", _) => {
                return Err("it is code of Erlang's, which is not run here".to_owned());
            }
            ("server_name_indication", _) => {
                return Err("it is the host of the node that is connected to".to_owned());
            }
            (name, _) if FORBIDDEN.contains(&name) => {
                return Err("the distribution sets it itself".to_owned());
            }
            ("certfile" | "keyfile" | "cacertfile" | "password", _) => {
                return Err("its value is a string".to_owned());
            }
            ("depth", _) => return Err("its value is an integer".to_owned()),
            ("versions" | "ciphers", _) => return Err("its value is a list".to_owned()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn identity(&self) -> Result<Identity, String> {
        let chain = self.certfile.as_ref().ok_or("certfile is missing")?;
        // As in `ssl`, the key may be in the same file.
        let key = self.keyfile.as_ref().unwrap_or(chain);
        let password = self.password.as_ref().map(String::as_bytes);
        PemIdentity::read_files(chain, key)
            .and_then(|read| read.identity(password))
            .map_err(|error| error.to_string())
    }

    fn roots(&self) -> Result<Roots, String> {
        let file = self.cacertfile.as_ref().ok_or("cacertfile is missing")?;
        Roots::from_pem_file(file).map_err(|error| error.to_string())
    }

    /// What accepts connections.
    ///
    /// # Errors
    /// When a file is missing or wrong, or options do not fit together.
    pub(crate) fn server(&self) -> Result<TlsAcceptor, String> {
        let acceptor = TlsAcceptor::new(self.with_server(self.identity()?, self.roots()?)?);
        Ok(match self.hibernate_after {
            Some(time) => acceptor.hibernate_after(time),
            None => acceptor,
        })
    }

    fn with_server(&self, identity: Identity, roots: Roots) -> Result<ServerConfig, String> {
        let mut config: ServerConfigBuilder = ServerConfig::builder()
            .identity(identity)
            .client_authentication(ClientAuthentication::Required(roots));
        if let Some(depth) = self.depth {
            config = config.depth(depth);
        }
        if !self.versions.is_empty() {
            config = config.versions(self.versions.clone());
        }
        if !self.ciphers.is_empty() {
            config = config.cipher_suites(self.ciphers.clone());
        }
        if self.secure_renegotiate {
            config = config.secure_renegotiation(SecureRenegotiation::Demanded);
        }
        if self.reuse_sessions == Some(false) {
            config = config.resumption(false);
        }
        config.build().map_err(|error| error.to_string())
    }

    /// What makes connections.
    ///
    /// # Errors
    /// As [`server`](Self::server).
    pub(crate) fn client(&self) -> Result<TlsConnector, String> {
        let mut config: ClientConfigBuilder =
            ClientConfig::builder(self.roots()?).identity(self.identity()?);
        if let Some(depth) = self.depth {
            config = config.depth(depth);
        }
        if !self.versions.is_empty() {
            config = config.versions(self.versions.clone());
        }
        if !self.ciphers.is_empty() {
            config = config.cipher_suites(self.ciphers.clone());
        }
        if self.secure_renegotiate {
            config = config.secure_renegotiation(SecureRenegotiation::Demanded);
        }
        let mut connector = TlsConnector::new(config.build().map_err(|error| error.to_string())?);
        if self.reuse_sessions == Some(false) {
            connector = connector.without_resumption();
        }
        Ok(match self.hibernate_after {
            Some(time) => connector.hibernate_after(time),
            None => connector,
        })
    }
}

fn version(literal: &Literal) -> Result<ProtocolVersion, String> {
    match literal {
        Literal::Atom(name) if name == "tlsv1.3" => Ok(ProtocolVersion::TLS_1_3),
        Literal::Atom(name) if name == "tlsv1.2" => Ok(ProtocolVersion::TLS_1_2),
        other => Err(format!("{other:?} is neither 'tlsv1.2' nor 'tlsv1.3'")),
    }
}

fn cipher(literal: &Literal) -> Result<CipherSuite, String> {
    match literal {
        Literal::String(name) => name.parse().map_err(|error| format!("{error}")),
        other => Err(format!(
            "{other:?} is no name of a suite in quotation marks"
        )),
    }
}
