//! `portcullis ech front`: decrypts hellos for servers that are behind it, and passes connections on.
//!
//! RFC 9849 §3.1 (split mode).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use portcullis::{EchFront, Fronted, ServerName};
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::said::say;

/// The most connections at a time; others wait to be accepted.
const MAX_CONNECTIONS: usize = 1_024;
/// How long a server behind may take to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct Front {
    /// Where to listen: ADDRESS:PORT; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4433")]
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
        let front = EchFront::new(keys);
        let listen = |error| Failure::transport(&format!("listening on {}", self.listen), &error);
        let listener = TcpListener::bind(self.listen).await.map_err(listen)?;
        println!("READY {}", listener.local_addr().map_err(listen)?);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let (io, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    say(format!("portcullis: accepting: {error}"));
                    // Out of descriptors, as a rule: some are given back meanwhile.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (front, routes) = (front.clone(), Arc::clone(&routes));
            tokio::spawn(async move {
                if let Err(failure) = routes.pass(&front, io).await {
                    say(format!("portcullis: {peer}: {failure}"));
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
    async fn pass(&self, front: &EchFront, io: TcpStream) -> Result<(), Failure> {
        // A handshake is a dialogue of small messages.
        let _ = io.set_nodelay(true);
        let failed = |error: portcullis::Error| Failure::handshake(&error);
        match front.accept(io).await.map_err(failed)? {
            Fronted::Routed(routed) => {
                let address = routed.server_name().and_then(|name| self.by_name.get(name));
                // Which name it is, is what was hidden.
                let Some(address) = address else {
                    return Err(Failure::usage("the name in its hello has no --route"));
                };
                let backend = reach(address).await?;
                routed.splice(backend).await.map_err(failed)?;
            }
            Fronted::NotOurs { mut io, received } => {
                let mut other = reach(&self.other).await?;
                let passed = async {
                    other.write_all(&received).await?;
                    copy_bidirectional(&mut io, &mut other).await
                };
                let broken = |error| Failure::transport(&self.other, &error);
                passed.await.map_err(broken)?;
            }
        }
        Ok(())
    }
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
