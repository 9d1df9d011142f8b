//! From the name of a server to a transport on which it waits for TLS.

#[cfg(unix)]
use std::net::Ipv4Addr;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use portcullis::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;
use crate::io::Io;
use crate::starttls::{self, Parties, Protocol};
use crate::target::{Target, is_odd};
use crate::tunnel;

/// Seconds for connecting and the handshake, if nothing else is said.
const DEFAULT_TIMEOUT: u64 = 10;

/// Options of every command that connects.
#[derive(Debug, Args)]
pub(crate) struct Route {
    /// Begin in plain text with this protocol, and ask for TLS in it.
    #[arg(long, value_enum, value_name = "PROTOCOL")]
    pub(crate) starttls: Option<Protocol>,
    /// The name the server must have, if it is not HOST.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Connect to these addresses in place of those of HOST, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESSES")]
    pub(crate) resolve: Vec<IpAddr>,
    /// Connect to addresses of IPv4 alone.
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Connect to addresses of IPv6 alone.
    #[arg(short = '6', long = "ipv6")]
    pub(crate) ipv6: bool,
    /// Connect from this address of this machine, or from this address and port.
    #[arg(long, value_parser = from, value_name = "ADDRESS[:PORT]")]
    pub(crate) bind: Option<SocketAddr>,
    /// Connect through this proxy of HTTP (CONNECT), which looks for HOST.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "resolve")]
    pub(crate) proxy: Option<String>,
    /// Connect to this Unix socket; HOST is then whose certificate is expected, and the name in the hello.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["resolve", "ipv4", "ipv6", "bind", "proxy"])]
    pub(crate) unix: Option<PathBuf>,
    /// Seconds for connecting and the handshake. [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: Option<u64>,
}

impl Route {
    /// The first of these options that was used.
    pub(crate) fn used(&self) -> Option<&'static str> {
        let used = [
            (self.starttls.is_some(), "--starttls"),
            (self.name.is_some(), "--name"),
            (!self.resolve.is_empty(), "--resolve"),
            (self.ipv4, "--ipv4"),
            (self.ipv6, "--ipv6"),
            (self.bind.is_some(), "--bind"),
            (self.proxy.is_some(), "--proxy"),
            (self.unix.is_some(), "--unix"),
            (self.timeout.is_some(), "--timeout"),
        ];
        used.into_iter()
            .find_map(|(used, name)| used.then_some(name))
    }

    /// What leads to this target.
    pub(crate) fn to(&self, target: &str) -> Result<Destination, Failure> {
        let target = Target::parse(target, self.starttls)?;
        if cfg!(not(unix)) && self.unix.is_some() {
            return Err(Failure::usage("--unix: this system has no such sockets"));
        }
        // Not by clap, which shows what it cannot read: there may be a password in it.
        let proxy = self.proxy.as_deref().map(proxy).transpose();
        let proxy = proxy.map_err(|why| Failure::usage(format!("--proxy: {why}")))?;
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        };
        if let (Some(family), Some(own)) = (family, self.bind)
            && !family.has(own.ip())
        {
            let ip = own.ip();
            return Err(Failure::usage(format!(
                "--bind {ip} and {} contradict each other",
                family.option()
            )));
        }
        Ok(Destination {
            family: family.or(self.bind.map(|own| Family::of(own.ip()))),
            bind: self.bind,
            proxy,
            unix: self.unix.clone(),
            name: target.name(self.name.as_deref())?,
            addresses: self.resolve.clone(),
            limit: Duration::from_secs(self.timeout.unwrap_or(DEFAULT_TIMEOUT)),
            target,
        })
    }
}

/// Reads an address, with a port or without.
fn from(text: &str) -> Result<SocketAddr, String> {
    let alone = || {
        let ip = text.parse().ok()?;
        Some(SocketAddr::new(ip, 0))
    };
    let read = text.parse().ok().or_else(alone);
    read.ok_or_else(|| {
        "it is an IP address, or one and a port: 192.0.2.1, [2001:db8::1]:4000".to_owned()
    })
}

/// Reads where a proxy is.
fn proxy(text: &str) -> Result<(String, u16), &'static str> {
    let hint = "it is a host and a port, as proxy.example:3128, speaks HTTP, and does not want to know who asks";
    let text = text.strip_prefix("http://").unwrap_or(text);
    let (host, port) = text.rsplit_once(':').ok_or(hint)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(hint)?,
        None => host,
    };
    let port = port.parse().map_err(|_| hint)?;
    match host.is_empty() || host.contains(is_odd) {
        true => Err(hint),
        false => Ok((host.to_owned(), port)),
    }
}

/// Which addresses are connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    fn has(self, ip: IpAddr) -> bool {
        self == Self::of(ip)
    }

    fn option(self) -> &'static str {
        match self {
            Self::V4 => "--ipv4",
            Self::V6 => "--ipv6",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// What is left until then, in whole tenths of a second: people read it where time runs out.
pub(crate) fn left(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    let tenths = u64::try_from(left.as_millis().div_ceil(100)).unwrap_or(u64::MAX);
    Duration::from_millis(tenths.saturating_mul(100))
}

/// A server, and how it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) target: Target,
    /// The name its certificate must have.
    pub(crate) name: ServerName<'static>,
    /// Instead of those that the system finds for the host.
    addresses: Vec<IpAddr>,
    family: Option<Family>,
    /// The own end of connections.
    bind: Option<SocketAddr>,
    proxy: Option<(String, u16)>,
    /// A socket in place of all addresses.
    unix: Option<PathBuf>,
    /// How long it may take until a connection stands.
    pub(crate) limit: Duration,
}

impl Destination {
    /// The same at addresses that are known.
    pub(crate) fn at(self, addresses: Vec<IpAddr>) -> Self {
        Self { addresses, ..self }
    }

    /// The same with no more time than this.
    pub(crate) fn limited_to(self, most: Duration) -> Self {
        Self {
            limit: self.limit.min(most),
            ..self
        }
    }

    /// Of the other end of a connection: whether it is the server's address, which comes first, or the proxy's.
    pub(crate) fn whose(
        &self,
        end: Option<SocketAddr>,
    ) -> (Option<SocketAddr>, Option<SocketAddr>) {
        match self.proxy.is_some() {
            true => (None, end),
            false => (end, None),
        }
    }

    /// When a connection that begins now has to stand.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }

    /// Connects, and comes to the point where TLS begins.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub(crate) async fn connect(&self, deadline: Instant) -> Result<Io, Failure> {
        let mut io = self.reach(deadline).await?;
        if self.proxy.is_some() {
            match timeout_at(deadline, tunnel::ask(&mut io, &self.target)).await {
                Ok(asked) => asked?,
                Err(_) => return Err(self.late("asking the proxy").at("Connect")),
            }
        }
        let Some(protocol) = self.target.starttls else {
            return Ok(io);
        };
        let own = match &io {
            Io::Tcp(io) => io.local_addr().map_err(|error| self.failed(&error))?.ip(),
            #[cfg(unix)]
            Io::Unix(_) => Ipv4Addr::LOCALHOST.into(),
        };
        let parties = Parties {
            host: &self.target.host,
            own,
        };
        match timeout_at(deadline, starttls::start(&mut io, protocol, parties)).await {
            Ok(started) => started.map(|()| io),
            Err(_) => Err(self
                .late(&format!("asking for TLS with {protocol}"))
                .at("StartTls")),
        }
    }

    #[cfg(unix)]
    async fn reach_unix(&self, path: &Path, deadline: Instant) -> Result<Io, Failure> {
        let doing = || format!("connecting to the socket {}", path.display());
        let connected = timeout_at(deadline, tokio::net::UnixStream::connect(path)).await;
        let connected = connected.map_err(|_| self.late(&doing()))?;
        connected
            .map(Io::Unix)
            .map_err(|error| Failure::transport(&doing(), &error).at("Connect"))
    }

    async fn reach(&self, deadline: Instant) -> Result<Io, Failure> {
        #[cfg(unix)]
        if let Some(path) = &self.unix {
            return self.reach_unix(path, deadline).await;
        }
        let addresses = self.resolved(deadline).await?;
        let mut last = None;
        for (at, address) in addresses.iter().enumerate() {
            // An address that does not answer leaves time for the others.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = u32::try_from(addresses.len().saturating_sub(at)).unwrap_or(u32::MAX);
            let until = Instant::now() + left / share.max(1);
            let failure = match timeout_at(until, self.reach_one(*address)).await {
                Ok(Ok(io)) => {
                    // A handshake is a dialogue of small messages.
                    let _ = io.set_nodelay(true);
                    return Ok(Io::Tcp(io));
                }
                Ok(Err(error)) => Failure::transport(
                    &match &self.proxy {
                        Some(_) => format!("connecting to the proxy at {address}"),
                        None => format!("connecting to {} at {address}", self.target),
                    },
                    &error,
                ),
                Err(_) => self.late(&format!("connecting to {address}")),
            };
            last = Some(failure.at("Connect"));
        }
        Err(last.unwrap_or_else(|| {
            Failure::usage(format!("{}: the host has no address", self.target)).at("Resolve")
        }))
    }

    async fn reach_one(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let Some(own) = self.bind else {
            return TcpStream::connect(address).await;
        };
        let socket = match own {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.bind(own)?;
        socket.connect(address).await
    }

    /// The addresses of the host; none where it is a socket that is connected to.
    ///
    /// # Cancel safety
    /// Dropped, nothing has happened.
    pub(crate) async fn resolved(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        if self.unix.is_some() {
            return Ok(Vec::new());
        }
        // Of a target behind a proxy only that has to be found.
        let (host, port) = match &self.proxy {
            Some((host, port)) => (&**host, *port),
            None => (&*self.target.host, self.target.port),
        };
        let found: Vec<SocketAddr> = match self.addresses.is_empty() {
            false => {
                let addresses = self.addresses.iter();
                addresses.map(|ip| SocketAddr::new(*ip, port)).collect()
            }
            true => {
                let found = tokio::net::lookup_host((host, port));
                match timeout_at(deadline, found).await {
                    Ok(Ok(addresses)) => addresses.collect(),
                    Ok(Err(error)) => {
                        let doing = format!("looking for the address of {host}");
                        return Err(Failure::transport(&doing, &error).at("Resolve"));
                    }
                    Err(_) => return Err(self.late("looking for the address").at("Resolve")),
                }
            }
        };
        let Some(family) = self.family else {
            return Ok(found);
        };
        let fitting: Vec<_> = found
            .into_iter()
            .filter(|address| family.has(address.ip()))
            .collect();
        match fitting.is_empty() {
            true => {
                let error = std::io::Error::other(format!("no address of {}", family.name()));
                Err(Failure::transport(host, &error).at("Resolve"))
            }
            false => Ok(fitting),
        }
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::transport(&self.target.to_string(), error).at("Connect")
    }

    fn late(&self, doing: &str) -> Failure {
        let seconds = self.limit.as_secs();
        Failure::timeout(format!(
            "{}: timed out while {doing} (--timeout {seconds})",
            self.target
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_and_proxies_are_read_or_explained() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1:0"),
            ("127.0.0.1:7", "127.0.0.1:7"),
            ("::1", "[::1]:0"),
            ("[::1]:7", "[::1]:7"),
        ] {
            assert_eq!(from(text).unwrap().to_string(), expected);
        }
        for text in ["", "a.test", "127.0.0.1:70000", ":7"] {
            assert!(from(text).unwrap_err().contains("an IP address"), "{text}");
        }
        for (text, host) in [
            ("a.test:80", "a.test"),
            ("http://a.test:80", "a.test"),
            ("[::1]:80", "::1"),
        ] {
            assert_eq!(proxy(text), Ok((host.to_owned(), 80)));
        }
        for text in [
            "",
            "a.test",
            ":80",
            "https://a.test:80",
            "u@a.test:80",
            "a.test:80/",
            "a\r\nb:80",
            "[::1:80",
        ] {
            assert!(
                proxy(text).unwrap_err().contains("a host and a port"),
                "{text}"
            );
        }
    }
}
