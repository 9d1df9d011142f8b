//! Where to listen, and where servers are: TCP, UDP or a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A place to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The same for datagrams.
    Udp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// As a configuration has it: `127.0.0.1:443`, `[::]:443`, `udp:0.0.0.0:5684`, `unix:/run/a.sock`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Udp(address) => write!(f, "udp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ListenAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path).map(Self::Unix);
        }
        let parsed = match text.strip_prefix("udp:") {
            Some(address) => address.parse().map(Self::Udp),
            None => text.parse().map(Self::Tcp),
        };
        parsed.map_err(|_| {
            "an address to listen on is IP:PORT, e.g. \"0.0.0.0:443\" or \"[::]:443\", \"udp:IP:PORT\" for datagrams, \
             or \"unix:/path\""
        })
    }

    /// Whether datagrams come there.
    pub(crate) const fn is_udp(&self) -> bool {
        matches!(self, Self::Udp(_))
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
    /// The same for datagrams.
    Udp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => host_and_port(f, host, *port),
            Self::Udp { host, port } => {
                f.write_str("udp:")?;
                host_and_port(f, host, *port)
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn host_and_port(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    match host.contains(':') {
        true => write!(f, "[{host}]:{port}"),
        false => write!(f, "{host}:{port}"),
    }
}

impl ServerAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a server is HOST:PORT, e.g. \"10.2.0.11:8080\" or \"db.internal:5432\", \
                                \"udp:HOST:PORT\" for datagrams, or \"unix:/path\"";
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path).map(Self::Unix);
        }
        let (is_udp, text) = match text.strip_prefix("udp:") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
        let port = port.parse().ok().filter(|port| *port != 0);
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = match bare {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
            None if is_host(host) => host,
            _ => return Err(EXPECTED),
        };
        let (host, port) = (host.to_owned(), port.ok_or(EXPECTED)?);
        Ok(match is_udp {
            true => Self::Udp { host, port },
            false => Self::Tcp { host, port },
        })
    }

    /// Whether it is sent datagrams.
    pub(crate) const fn is_udp(&self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    /// The name that a certificate of the server's has, if it has one.
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp { host, .. } | Self::Udp { host, .. } => Some(host),
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
            ("udp:db.internal:5684", "udp:db.internal:5684"),
            ("udp:[::1]:5684", "udp:[::1]:5684"),
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
            "udp:",
            "udp:host",
        ] {
            assert!(ServerAddress::parse(text).is_err(), "{text}");
        }
        assert!(ServerAddress::parse(&format!("unix:/{}", "x".repeat(107))).is_err());
    }
}
