//! The file of `-ssl_dist_optfile`, and what becomes of its options.

use std::path::{Path, PathBuf};

use portcullis::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis::suite::CipherSuite;
use portcullis::{
    ClientAuthentication, ClientConfig, Identity, PemIdentity, ProtocolVersion, Roots, ServerConfig,
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
}

/// What is in the file.
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

    /// The configuration for connections that are accepted.
    ///
    /// # Errors
    /// When a file is missing or wrong, or options do not fit together.
    pub(crate) fn server(&self) -> Result<ServerConfig, String> {
        self.with_server(self.identity()?, self.roots()?)
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
        config.build().map_err(|error| error.to_string())
    }

    /// The configuration for connections that are made.
    ///
    /// # Errors
    /// As [`server`](Self::server).
    pub(crate) fn client(&self) -> Result<ClientConfig, String> {
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
        config.build().map_err(|error| error.to_string())
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
