//! `portcullis ech front`: decrypts hellos for servers that are behind it, and passes connections on.
//!
//! RFC 9849 §3.1 (split mode).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use portcullis::{EchFront, Fronted, HowEnded, RelayOutcome, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::said::say;

/// The most connections at a time, where the system gives as many descriptors; others wait to be accepted.
const MAX_CONNECTIONS: usize = 1_024;
/// Descriptors that no connection gets.
const SPARE: u64 = 32;
/// How long a server behind may take to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct Front {
    /// Where to listen: ADDRESS:PORT; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = crate::parse_listen, default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    /// The keys, in files as `portcullis ech new` makes them.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    ech_keys: Vec<PathBuf>,
    /// A name that hellos hide, and the server that has it, which runs with `--ech-backend`. May be said several times.
    /// Between here and there has to be something that others cannot read.
    #[arg(long, value_name = "NAME=HOST:PORT", required = true)]
    route: Vec<String>,
    /// The server for everything else: it has the certificate of the public name, and the same --ech-keys, and
    /// tells clients of them that have others.
    #[arg(long, value_name = "HOST:PORT")]
    other: String,
    /// Seconds without a byte after which a connection is ended, 1 to 86,400; 30 at most once one direction has ended.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle: u64,
}

/// Why a connection was not passed on to its end. The name that a hello hides is not to be told by the log: no line has
/// both the client and the server behind that it was for.
enum Trouble {
    OfClient(Failure),
    OfBackend(Failure),
}

/// Where connections go.
#[derive(Debug)]
struct Routes {
    /// By names in lower case.
    by_name: HashMap<String, String>,
    other: String,
}

impl Front {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let routes = Arc::new(Routes::new(&self.route, &self.other)?);
        let Some(keys) = crate::ech::keys(&self.ech_keys)? else {
            return Err(Failure::usage("--ech-keys: there is none"));
        };
        let idle = Duration::from_secs(self.idle);
        let front = EchFront::new(keys).idle_timeout(idle);
        let listen = |error| Failure::transport(&format!("listening on {}", self.listen), &error);
        let listener = TcpListener::bind(self.listen).await.map_err(listen)?;
        println!("READY {}", listener.local_addr().map_err(listen)?);
        let places = Arc::new(Semaphore::new(places()));
        let mut is_failing = false;
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let (io, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Once, until it is over.
                    if !std::mem::replace(&mut is_failing, true) {
                        say(format!("portcullis: accepting: {error}"));
                    }
                    // Out of descriptors, as a rule: some are given back meanwhile.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            is_failing = false;
            let (front, routes) = (front.clone(), Arc::clone(&routes));
            tokio::spawn(async move {
                match routes.pass(&front, io).await {
                    Ok(()) => {}
                    Err(Trouble::OfClient(failure)) => {
                        say(format!("portcullis: {peer}: {failure}"));
                    }
                    Err(Trouble::OfBackend(failure)) => say(format!("portcullis: {failure}")),
                }
                drop(place);
            });
        }
    }
}

impl Routes {
    fn new(routes: &[String], other: &str) -> Result<Self, Failure> {
        let mut by_name = HashMap::new();
        for route in routes {
            let usage = |why: &str| Failure::usage(format!("--route {route}: {why}"));
            let (name, address) = route
                .split_once('=')
                .ok_or_else(|| usage("it is NAME=HOST:PORT"))?;
            if !matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_))) {
                return Err(usage(
                    "that is no name of a host, which is what a hello has",
                ));
            }
            check(address).map_err(usage)?;
            let before = by_name.insert(name.to_ascii_lowercase(), address.to_owned());
            if before.is_some() {
                return Err(usage("the name has a route already"));
            }
        }
        check(other).map_err(|why| Failure::usage(format!("--other {other}: {why}")))?;
        Ok(Self {
            by_name,
            other: other.to_owned(),
        })
    }

    /// One connection, to its end.
    async fn pass(&self, front: &EchFront, io: TcpStream) -> Result<(), Trouble> {
        // A handshake is a dialogue of small messages.
        let _ = io.set_nodelay(true);
        let failed = |error: portcullis::Error| Trouble::OfClient(Failure::handshake(&error));
        let fronted = front.accept(io).await.map_err(failed)?;
        let address = match &fronted {
            Fronted::Routed(routed) => routed.server_name().and_then(|name| self.by_name.get(name)),
            Fronted::NotOurs { .. } => Some(&self.other),
        };
        let Some(address) = address else {
            fronted.decline().await;
            // Which name it is, is what was hidden.
            let failure = Failure::usage("the name in its hello has no --route");
            return Err(Trouble::OfClient(failure));
        };
        let server = match reach(address).await {
            Ok(server) => server,
            Err(failure) => {
                fronted.decline().await;
                return Err(Trouble::OfBackend(failure));
            }
        };
        let passed = match fronted {
            Fronted::Routed(routed) => routed.splice(server).await,
            Fronted::NotOurs { io, received } => front.pass_on(io, received, server).await,
        };
        worth_a_line(&passed.map_err(failed)?).map_err(Trouble::OfClient)
    }
}

/// A side that has ended in good order, or was left because of the other one, has no line.
fn worth_a_line(outcome: &RelayOutcome) -> Result<(), Failure> {
    for way in [&outcome.a_to_b, &outcome.b_to_a] {
        match &way.end {
            HowEnded::Idle | HowEnded::HalfClosed => {
                return Err(Failure::timeout("timed out: no byte came for too long"));
            }
            HowEnded::Stalled => {
                return Err(Failure::timeout("timed out: one side took nothing"));
            }
            HowEnded::Reset => {
                let reset = io::ErrorKind::ConnectionReset.into();
                return Err(Failure::transport("passing on", &reset));
            }
            HowEnded::Failed(error) => return Err(Failure::handshake(error)),
            _ => {}
        }
    }
    Ok(())
}

/// How many connections there may be, each of which has two descriptors; some are left for the rest.
fn places() -> usize {
    let descriptors = crate::bench::process::raise_descriptor_limit();
    let pairs = descriptors.map(|descriptors| descriptors.saturating_sub(SPARE) / 2);
    let pairs = pairs.and_then(|pairs| usize::try_from(pairs).ok());
    pairs.map_or(MAX_CONNECTIONS, |pairs| pairs.clamp(1, MAX_CONNECTIONS))
}

/// Whether it has a host and a port.
fn check(address: &str) -> Result<(), &'static str> {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(()),
        _ => Err("an address is HOST:PORT"),
    }
}

async fn reach(address: &str) -> Result<TcpStream, Failure> {
    let connecting = || format!("connecting to {address}");
    let io = match timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
        Ok(io) => io.map_err(|error| Failure::transport(&connecting(), &error))?,
        Err(_) => {
            let seconds = CONNECT_WITHIN.as_secs();
            let what = format!("{}: not in {seconds} seconds", connecting());
            return Err(Failure::timeout(what));
        }
    };
    let _ = io.set_nodelay(true);
    Ok(io)
}
