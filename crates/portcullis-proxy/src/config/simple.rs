//! The simple cases, without a file: one listener, one backend.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Config, Problems};

/// One listener whose connections go to the servers of one backend.
#[derive(Clone, Debug)]
pub struct Simple {
    /// Where to listen: `127.0.0.1:8443`, `unix:/run/a.sock`.
    pub listen: Vec<String>,
    /// The servers: `127.0.0.1:8080`.
    pub to: Vec<String>,
    /// What becomes of TLS.
    pub mode: Mode,
}

/// What becomes of TLS.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Clients speak TLS, which ends here.
    Terminate {
        /// The certificate chain (PEM).
        cert: PathBuf,
        /// The key, unless it is in the same file.
        key: Option<PathBuf>,
        /// The authorities of clients, which then have to show a certificate.
        client_roots: Option<PathBuf>,
        /// Application protocols.
        alpn: Vec<String>,
        /// Whether the servers speak TLS as well.
        originate: Option<Originate>,
    },
    /// Clients speak no TLS, servers do.
    Originate(Originate),
    /// TLS is passed on as it is.
    Pass,
    /// Nobody speaks TLS.
    Off,
}

/// TLS to the servers.
#[derive(Clone, Debug, Default)]
pub struct Originate {
    /// Whose certificate is expected; without it that of the server's host.
    pub name: Option<String>,
    /// The authorities (PEM); without them those of the system.
    pub roots: Option<PathBuf>,
}

impl Simple {
    /// The file that says the same.
    pub fn to_toml(&self) -> String {
        let mut text = "version = 1\n".to_owned();
        let route = match &self.mode {
            Mode::Terminate { cert, key, .. } => {
                text.push_str("[[identity]]\nname = \"own\"\n");
                let _ = writeln!(text, "certificate = {}", quoted(&cert.to_string_lossy()));
                if let Some(key) = key {
                    let _ = writeln!(text, "key = {}", quoted(&key.to_string_lossy()));
                }
                "identity = [\"own\"]"
            }
            Mode::Pass => "tls = \"pass\"",
            Mode::Originate(_) | Mode::Off => "tls = \"off\"",
        };
        let _ = writeln!(
            text,
            "[[listen]]\nname = \"front\"\naddress = {}\n[[backend]]\nname = \"back\"\nservers = {}",
            list(&self.listen),
            list(&self.to)
        );
        let originate = match &self.mode {
            Mode::Terminate { originate, .. } => originate.as_ref(),
            Mode::Originate(originate) => Some(originate),
            Mode::Pass | Mode::Off => None,
        };
        if let Some(Originate { name, roots }) = originate {
            let name = name.as_ref().map(|name| format!("name = {}", quoted(name)));
            let roots = roots
                .as_ref()
                .map(|roots| format!("roots = {}", quoted(&roots.to_string_lossy())));
            let keys: Vec<_> = name.into_iter().chain(roots).collect();
            let _ = writeln!(text, "tls = {{ {} }}", keys.join(", "));
        }
        let _ = writeln!(text, "[[route]]\nlisten = \"front\"\n{route}");
        if let Mode::Terminate {
            client_roots, alpn, ..
        } = &self.mode
        {
            if !alpn.is_empty() {
                let _ = writeln!(text, "alpn = {}", list(alpn));
            }
            if let Some(roots) = client_roots {
                let roots = quoted(&roots.to_string_lossy());
                let _ = writeln!(text, "clients = {{ roots = {roots} }}");
            }
        }
        text.push_str("backend = \"back\"\n");
        text
    }

    /// The configuration.
    ///
    /// # Errors
    /// All that is wrong with it; places are those in [`to_toml`](Self::to_toml).
    pub fn load(&self) -> Result<Config, Problems> {
        Config::parse("(flags)", &self.to_toml())
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}
