//! A hidden node: its name, its certificate, and how its links come to be, in either direction.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use erl_dist::epmd::{EpmdClient, NodeEntry};
use erl_dist::handshake::{ClientSideHandshake, HandshakeStatus, ServerSideHandshake};
use erl_dist::node::{Creation, LocalNode, NodeName, PeerNode};
use erl_dist::{DistributionFlags, LOWEST_DISTRIBUTION_PROTOCOL_VERSION};
use portcullis::x509::{SubjectAltName, general_names};
use portcullis::{Connections, TlsAcceptor, TlsConnector, TlsListener, TlsStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::challenges::{Challenges, Side, Watch};
use super::frames::HandshakeFrames;
use super::link::Link;

/// What can go wrong with a node: anything.
pub(crate) type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> =
    std::result::Result<T, E>;

/// For a whole handshake, as Erlang's `net_setuptime`.
const SETUP_TIME: Duration = Duration::from_secs(7);
/// Handshakes at once, of TLS and behind it.
const HANDSHAKES: usize = 64;

/// Which names the certificate of another node must have. That of a node that is connected to must always have the
/// host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PeerNames {
    /// The host part of the name that it says it has.
    #[default]
    Host,
    /// That, and the whole name (`a@host`) as an rfc822Name.
    Node,
    /// None: whoever has a certificate that is trusted may have any name.
    Any,
}

/// What all nodes that may be linked know. It is not shown.
///
/// `erl_dist` copies it for each handshake and does not wipe its copies, so this one is not wiped either.
pub(crate) struct Cookie(String);

impl From<&str> for Cookie {
    fn from(cookie: &str) -> Self {
        Self(cookie.to_owned())
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// What a node is made of.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `name@host`.
    pub(crate) name: String,
    pub(crate) cookie: Cookie,
    /// How it accepts: with a certificate for its host, and clients' certificates required.
    pub(crate) server: TlsAcceptor,
    /// How it connects.
    pub(crate) client: TlsConnector,
    /// Where it accepts; IPv4 and IPv6 are different nodes.
    pub(crate) listen: SocketAddr,
    /// The port of `epmd`, here and on all hosts. Without it nobody finds the node by its name, nor it others.
    pub(crate) epmd: Option<u16>,
    /// Addresses of hosts that the system does not know, or knows others of.
    pub(crate) addresses: HashMap<String, IpAddr>,
    /// What is checked of another node, besides that its certificate is trusted.
    pub(crate) peer_names: PeerNames,
    /// A link is down after this time of silence and a quarter; Erlang's `net_ticktime`.
    pub(crate) tick_time: Duration,
    /// Links at once; each may take some memory, see `link.rs`.
    pub(crate) max_links: usize,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    local: LocalNode,
    cookie: Cookie,
    connector: TlsConnector,
    epmd: Option<u16>,
    /// The node has its name as long as this is open.
    _registered: Option<Compat<TcpStream>>,
    addresses: HashMap<String, IpAddr>,
    peer_names: PeerNames,
    tick_time: Duration,
    max_links: usize,
    links: Mutex<Links>,
    challenges: Challenges,
}

#[derive(Debug, Default)]
struct Links {
    /// Names that are being connected to.
    connecting: HashSet<String>,
    /// What ends the link to a name.
    up: HashMap<String, AbortHandle>,
}

/// What accepts links: see [`Node::serve`].
#[derive(Debug)]
pub(crate) struct Entrance {
    connections: Connections,
    address: SocketAddr,
}

impl Entrance {
    /// Where it listens.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Node {
    /// A node that listens, and is registered if there is an epmd.
    ///
    /// # Errors
    /// When the name is none, or taken, or the address cannot be listened on.
    pub(crate) async fn start(settings: Settings) -> Result<(Arc<Self>, Entrance)> {
        let name: NodeName = settings.name.parse()?;
        let listener = TlsListener::bind(settings.listen, settings.server).await?;
        let address = listener.local_addr()?;
        let connections = listener.connections(HANDSHAKES);
        let mut creation = Creation::random();
        let mut registered = None;
        if let Some(port) = settings.epmd {
            let epmd = SocketAddr::new(loopback(address.ip()), port);
            let client = EpmdClient::new(TcpStream::connect(epmd).await?.compat());
            let entry = NodeEntry::new_hidden(name.name(), address.port());
            let (kept, given) = timeout(SETUP_TIME, client.register(entry)).await??;
            (registered, creation) = (Some(kept), given);
        }
        let node = Self {
            local: LocalNode {
                name,
                flags: flags(),
                creation,
            },
            cookie: settings.cookie,
            connector: settings.client,
            epmd: settings.epmd,
            _registered: registered,
            addresses: settings.addresses,
            peer_names: settings.peer_names,
            tick_time: settings.tick_time,
            max_links: settings.max_links,
            links: Mutex::default(),
            challenges: Challenges::default(),
        };
        let entrance = Entrance {
            connections,
            address,
        };
        Ok((Arc::new(node), entrance))
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        self.local.name.to_string()
    }

    /// Links to a node, which its host's epmd knows.
    ///
    /// # Errors
    /// When it is not known, its certificate is not for the host, or it refuses.
    pub(crate) async fn connect(&self, peer: &str) -> Result<Link> {
        let name: NodeName = peer.parse()?;
        let port = self.epmd.ok_or("there is no epmd to ask")?;
        let found = async {
            let epmd = EpmdClient::new(self.reach(name.host(), port).await?.compat());
            Result::<_>::Ok(epmd.get_node(name.name()).await?)
        };
        let entry = timeout(SETUP_TIME, found).await??;
        let entry = entry.ok_or_else(|| format!("epmd of {} knows no {peer}", name.host()))?;
        self.connect_at(peer, entry.port).await
    }

    /// Links to a node, whose port is known.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub(crate) async fn connect_at(&self, peer: &str, port: u16) -> Result<Link> {
        let name: NodeName = peer.parse()?;
        let _connecting = Connecting::new(self, peer)?;
        timeout(SETUP_TIME, self.connect_now(&name, port)).await?
    }

    async fn connect_now(&self, name: &NodeName, port: u16) -> Result<Link> {
        let io = self.reach(name.host(), port).await?;
        io.set_nodelay(true)?;
        // Server name indication and the name that the certificate must have: the host. A whole node name is no
        // DNS name (RFC 6066 §3), and Erlang sends the host, too.
        let stream = self.connector.upgrade(io, name.host()).await?;
        self.judge_whole_name(name, &names_of(&stream))?;
        let frames = self.frames(stream, Side::Client);
        let mut handshake = ClientSideHandshake::new(frames, self.local.clone(), &self.cookie.0);
        let status = handshake.execute_send_name(LOWEST_DISTRIBUTION_PROTOCOL_VERSION);
        match status.await? {
            HandshakeStatus::Ok | HandshakeStatus::OkSimultaneous => {}
            // `erl_dist` does not flush the answer to this one.
            HandshakeStatus::Alive => return Err(format!("{name} has a link to us still").into()),
            other => return Err(format!("{name} does not want a link: {other:?}").into()),
        }
        let (frames, peer) = handshake.execute_rest(true).await?;
        if peer.name != *name {
            let other = peer.name.to_string();
            return Err(format!("{other:?} answers for {name}").into());
        }
        self.link(frames, peer)
    }

    async fn reach(&self, host: &str, port: u16) -> Result<TcpStream> {
        Ok(match self.addresses.get(host) {
            Some(address) => TcpStream::connect((*address, port)).await?,
            None => TcpStream::connect((host, port)).await?,
        })
    }

    /// Accepts for ever: each link that stands, and why each other does not.
    ///
    /// # Errors
    /// When the listener has failed.
    pub(crate) async fn serve(
        self: Arc<Self>,
        entrance: Entrance,
        links: mpsc::Sender<Result<Link>>,
    ) -> Result {
        let refused = links.clone();
        let mut connections = entrance.connections.on_failed(move |failed| {
            // Accepting does not wait for who reads of it.
            let _ = refused.try_send(Err(failed.to_string().into()));
        });
        let mut handshakes = JoinSet::new();
        loop {
            let (stream, _) = connections.accept().await?;
            if handshakes.len() >= HANDSHAKES {
                handshakes.join_next().await;
            }
            while handshakes.try_join_next().is_some() {}
            let (this, links) = (Arc::clone(&self), links.clone());
            handshakes.spawn(async move {
                let link = match timeout(SETUP_TIME, this.accept(stream)).await {
                    Ok(link) => link,
                    Err(late) => Err(late.into()),
                };
                // Nobody may be interested any more.
                let _ = links.send(link).await;
            });
        }
    }

    async fn accept(&self, stream: TlsStream<TcpStream>) -> Result<Link> {
        let names = names_of(&stream);
        let frames = self.frames(stream, Side::Server);
        let mut handshake = ServerSideHandshake::new(frames, self.local.clone(), &self.cookie.0);
        let Some(name) = handshake.execute_recv_name().await? else {
            let _ = handshake.execute_rest(HandshakeStatus::NotAllowed).await;
            return Err("a node wants to be given a name".into());
        };
        if let Err(why) = self.judge(&name, &names) {
            let _ = handshake.execute_rest(HandshakeStatus::NotAllowed).await;
            return Err(why.into());
        }
        // Both have called: the one with the greater name goes on.
        let status = match self.locked().connecting.contains(&name.to_string()) {
            true if self.name() > name.to_string() => HandshakeStatus::Nok,
            true => HandshakeStatus::OkSimultaneous,
            false => HandshakeStatus::Ok,
        };
        let (frames, peer) = handshake.execute_rest(status).await?;
        self.link(frames, peer)
    }

    /// The frames of a handshake, in which nobody has us answer challenges of our own.
    fn frames(&self, stream: TlsStream<TcpStream>, side: Side) -> Frames {
        let watch = Watch::new(self.challenges.clone(), side);
        HandshakeFrames::new(stream.compat()).watched(watch)
    }

    /// Whether a node that connects may have this name.
    fn judge(&self, name: &NodeName, certified: &[SubjectAltName]) -> Result<(), String> {
        let text = name.to_string();
        // Erlang has letters, digits and few signs; and who reads of this name reads no more than that.
        if text.contains(char::is_control) {
            return Err(format!("{text:?} has control characters in it"));
        }
        if *name == self.local.name {
            return Err(format!("{name} is our own name"));
        }
        let host = name.host();
        if self.peer_names != PeerNames::Any && !is_of_host(certified, host) {
            return Err(format!(
                "{name} has a certificate that is not for {host}, but for {certified:?}"
            ));
        }
        self.judge_whole_name(name, certified)
    }

    /// Whether a node may have this name, if all of it has to be certified.
    fn judge_whole_name(
        &self,
        name: &NodeName,
        certified: &[SubjectAltName],
    ) -> Result<(), String> {
        let whole = SubjectAltName::MailAddress(name.to_string());
        match self.peer_names {
            PeerNames::Node if !certified.contains(&whole) => Err(format!(
                "{name} has a certificate without that name as an rfc822Name, but {certified:?}"
            )),
            _ => Ok(()),
        }
    }

    fn link(&self, frames: Frames, peer: PeerNode) -> Result<Link> {
        let missing = required().bits() & !peer.flags.bits();
        if missing != 0 {
            return Err(format!("{} lacks what is needed: flags {missing:#x}", peer.name).into());
        }
        let stream = frames.into_inner()?.into_inner();
        let name = peer.name.to_string();
        let mut links = self.locked();
        links.up.retain(|_, link| !link.is_finished());
        if links.up.len() >= self.max_links && !links.up.contains_key(&name) {
            let why = format!(
                "{name} comes when there are {} links already",
                self.max_links
            );
            return Err(why.into());
        }
        let link = Link::new(stream, &self.local, peer, self.tick_time);
        // A node that has come again knows of no other link; this one has the cookie, too.
        if let Some(before) = links.up.insert(name, link.abort_handle()) {
            before.abort();
        }
        Ok(link)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Frames = HandshakeFrames<Compat<TlsStream<TcpStream>>>;

/// The names in the certificate of the other node.
fn names_of(stream: &TlsStream<TcpStream>) -> Vec<SubjectAltName> {
    let shown = stream.peer_certificates().first();
    shown.map_or_else(Vec::new, |leaf| general_names(leaf))
}

/// Whether a certificate is for a host. A wildcard is its first label, and stands for one (RFC 9525 §6.3).
pub(crate) fn is_of_host(certified: &[SubjectAltName], host: &str) -> bool {
    certified.iter().any(|certified| match certified {
        SubjectAltName::DnsName(dns) => match dns.strip_prefix("*.") {
            Some(domain) => host.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && label != "*" && rest.eq_ignore_ascii_case(domain)
            }),
            None => dns.eq_ignore_ascii_case(host),
        },
        SubjectAltName::IpAddress(address) => host.parse() == Ok(*address),
        _ => false,
    })
}

/// A name that is being connected to, as long as this lives.
struct Connecting<'a> {
    node: &'a Node,
    name: &'a str,
}

impl<'a> Connecting<'a> {
    fn new(node: &'a Node, name: &'a str) -> Result<Self> {
        match node.locked().connecting.insert(name.to_owned()) {
            true => Ok(Self { node, name }),
            false => Err(format!("{name} is being connected to already").into()),
        }
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.node.locked().connecting.remove(self.name);
    }
}

/// What this node can do. Without PUBLISHED it is hidden; without DIST_HDR_ATOM_CACHE and FRAGMENTS each message
/// comes whole and by itself, which is what `erl_dist` reads.
fn flags() -> DistributionFlags {
    DistributionFlags::mandatory() | DistributionFlags::DIST_MONITOR
}

/// What the other node must be able to do: what it would send, and we could not read, without.
fn required() -> DistributionFlags {
    DistributionFlags::UTF8_ATOMS
        | DistributionFlags::NEW_FLOATS
        | DistributionFlags::MAP_TAGS
        | DistributionFlags::BIG_CREATION
        | DistributionFlags::HANDSHAKE_23
        | DistributionFlags::V4_NC
}

/// Where the epmd of this host is, for a node that listens here.
fn loopback(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}
