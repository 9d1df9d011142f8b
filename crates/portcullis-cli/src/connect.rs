//! From the name of a server to a transport on which it waits for TLS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Args;
use portcullis::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;
use crate::starttls::{self, Parties, Protocol};
use crate::target::Target;

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
            (self.timeout.is_some(), "--timeout"),
        ];
        used.into_iter()
            .find_map(|(used, name)| used.then_some(name))
    }

    /// What leads to this target.
    pub(crate) fn to(&self, target: &str) -> Result<Destination, Failure> {
        let target = Target::parse(target, self.starttls)?;
        Ok(Destination {
            name: target.name(self.name.as_deref())?,
            addresses: self.resolve.clone(),
            limit: Duration::from_secs(self.timeout.unwrap_or(DEFAULT_TIMEOUT)),
            target,
        })
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

    /// When a connection that begins now has to stand.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }

    /// Connects, and comes to the point where TLS begins.
    ///
    /// # Cancel safety
    /// Dropped, the connection is closed.
    pub(crate) async fn connect(&self, deadline: Instant) -> Result<TcpStream, Failure> {
        let mut io = self.reach(deadline).await?;
        let Some(protocol) = self.target.starttls else {
            return Ok(io);
        };
        let own = io.local_addr().map_err(|error| self.failed(&error))?.ip();
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

    async fn reach(&self, deadline: Instant) -> Result<TcpStream, Failure> {
        let addresses = self.resolved(deadline).await?;
        let mut last = None;
        for (at, address) in addresses.iter().enumerate() {
            // An address that does not answer leaves time for the others.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = u32::try_from(addresses.len().saturating_sub(at)).unwrap_or(u32::MAX);
            let until = Instant::now() + left / share.max(1);
            let failure = match timeout_at(until, TcpStream::connect(address)).await {
                Ok(Ok(io)) => {
                    // A handshake is a dialogue of small messages.
                    let _ = io.set_nodelay(true);
                    return Ok(io);
                }
                Ok(Err(error)) => Failure::transport(
                    &format!("connecting to {} at {address}", self.target),
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

    /// The addresses of the host.
    ///
    /// # Cancel safety
    /// Dropped, nothing has happened.
    pub(crate) async fn resolved(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        let port = self.target.port;
        if !self.addresses.is_empty() {
            let addresses = self.addresses.iter();
            return Ok(addresses.map(|ip| SocketAddr::new(*ip, port)).collect());
        }
        let found = tokio::net::lookup_host((&*self.target.host, port));
        match timeout_at(deadline, found).await {
            Ok(Ok(addresses)) => Ok(addresses.collect()),
            Ok(Err(error)) => Err(Failure::transport(
                &format!("looking for the address of {}", self.target.host),
                &error,
            )
            .at("Resolve")),
            Err(_) => Err(self.late("looking for the address").at("Resolve")),
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
