//! Where to listen, and where servers are: TCP or a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A place to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// As a configuration has it: `127.0.0.1:443`, `[::]:443`, `unix:/run/a.sock`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ListenAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.strip_prefix("unix:") {
            Some(path) => unix(path).map(Self::Unix),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                "an address to listen on is IP:PORT, e.g. \"0.0.0.0:443\" or \"[::]:443\", or \"unix:/path\""
            }),
        }
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ServerAddress {
    /// A name or an address, which is looked up for each connection.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ServerAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a server is HOST:PORT, e.g. \"10.2.0.11:8080\" or \"db.internal:5432\", or \"unix:/path\"";
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path).map(Self::Unix);
        }
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        let port = port.parse().ok().filter(|port| *port != 0);
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = match bare {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
            None if is_host(host) => host,
            _ => return Err(EXPECTED),
        };
        Ok(Self::Tcp {
            host: host.to_owned(),
            port: port.ok_or(EXPECTED)?,
        })
    }

    /// The name that a certificate of the server's has, if it has one.
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp { host, .. } => Some(host),
            Self::Unix(_) => None,
        }
    }
}

/// Whether it is made of what names of hosts have.
pub(crate) fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn unix(path: &str) -> Result<PathBuf, &'static str> {
    // What the system takes, with its end.
    match path.len() {
        0 => Err("behind unix: is the path of the socket, e.g. \"unix:/run/db.sock\""),
        1..=107 => Ok(path.into()),
        _ => Err("the path of a Unix socket has at most 107 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_a_host_and_a_port() {
        for (text, shown) in [
            ("10.2.0.11:8080", "10.2.0.11:8080"),
            ("db.internal:5432", "db.internal:5432"),
            ("[::1]:443", "[::1]:443"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            ":80",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "::1:443",
            "[::1]",
            "[host]:1",
            "a b:1",
            "unix:",
        ] {
            assert!(ServerAddress::parse(text).is_err(), "{text}");
        }
        assert!(ServerAddress::parse(&format!("unix:/{}", "x".repeat(107))).is_err());
    }
}
