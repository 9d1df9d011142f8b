//! A hidden node of Erlang's distribution over TLS 1.3 or 1.2: `erl -proto_dist inet_tls` links to it, and it to such a node.
//!
//! Without arguments two nodes of this kind link to each other, each way, and end:
//!
//! `cargo run --example erlang_node`
//!
//! As a node among others, with the file that `-ssl_dist_optfile` names (certificates of all nodes must be good for
//! both roles, and name the host):
//!
//! ```text
//! erl -proto_dist inet_tls -ssl_dist_optfile ssl_dist.conf -sname a@localhost -setcookie secret
//! cargo run --example erlang_node -- --name r@localhost --cookie secret \
//!     --optfile ssl_dist.conf --connect a@localhost
//! ```
//!
//! Instead of the file, or before what is in it, `-ssl_dist_opt` as `erl` has it:
//! `-ssl_dist_opt server_certfile cert.pem server_cacertfile ca.pem client_certfile cert.pem client_cacertfile ca.pem`.
//!
//! * `net_adm:ping('r@localhost')` is `pong`, `{echo, 'r@localhost'} ! {self(), Term}` sends `Term` back.
//! * `rpc:call('r@localhost', …)` is `{badrpc, notsup}`: no code is run here.
//! * What is sent to this node is looked at before it is decoded: see `terms.rs`.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use erl_dist::message::Message;
use erl_dist::term::{FixInteger, Term};
use portcullis::{ClientAuthentication, ClientConfig, ServerConfig, TlsAcceptor, TlsConnector};
use portcullis_examples::Authority;
use tokio::sync::mpsc;

use link::{Link, atom, tuple};
use node::{Node, PeerNames, Result, Settings};
use options::OptionFile;

mod challenges;
mod frames;
mod link;
mod literal;
mod node;
mod options;
mod terms;

const MAX_LINKS: usize = 256;

#[tokio::main]
async fn main() -> Result {
    match std::env::args().len() {
        0 | 1 => two_nodes().await,
        _ => one_node().await,
    }
}

/// Two nodes that need neither Erlang nor its epmd.
async fn two_nodes() -> Result {
    let authority = Authority::new()?;
    let settings = |name: &str| -> Result<Settings> {
        let server = ServerConfig::builder()
            .identity(authority.identity("localhost")?)
            .client_authentication(ClientAuthentication::Required(authority.roots()?));
        let client =
            ClientConfig::builder(authority.roots()?).identity(authority.identity("localhost")?);
        Ok(Settings {
            name: name.to_owned(),
            cookie: "a secret of both".into(),
            server: TlsAcceptor::new(server.build()?),
            client: TlsConnector::new(client.build()?),
            listen: "127.0.0.1:0".parse()?,
            epmd: None,
            addresses: HashMap::from([("localhost".to_owned(), "127.0.0.1".parse()?)]),
            peer_names: PeerNames::Host,
            tick_time: Duration::from_secs(60),
            max_links: MAX_LINKS,
        })
    };
    let (one, _entrance) = Node::start(settings("one@localhost")?).await?;
    let (two, entrance) = Node::start(settings("two@localhost")?).await?;
    let port = entrance.local_addr().port();
    let (links, mut accepted) = mpsc::channel(8);
    tokio::spawn(two.serve(entrance, links));

    let mut to_two = one.connect_at("two@localhost", port).await?;
    let mut to_one = accepted.recv().await.ok_or("nobody connected")??;
    assert_eq!(to_one.peer(), "one@localhost");
    let answering = tokio::spawn(async move {
        let message = to_one.recv().await?;
        assert!(echo(&to_one, &message).await?);
        // The answer to the ping, and the end of the link.
        let end = to_one.recv().await;
        assert!(end.is_err(), "{end:?}");
        Result::<_>::Ok(())
    });
    let term = tuple([atom("hello"), FixInteger::from(42).into()]);
    let sent = tuple([to_two.pid().into(), term.clone()]);
    to_two.send_to("echo", sent).await?;
    let Message::Send(answer) = to_two.recv().await? else {
        return Err("that is no answer".into());
    };
    assert_eq!(answer.message, term);
    assert!(to_two.ping().await?);
    to_two.close().await;
    answering.await??;
    println!("one@localhost and two@localhost have spoken with each other");
    Ok(())
}

/// Answers `{echo, Node} ! {Pid, Term}` with `Term`; says whether it was one.
async fn echo(link: &Link, message: &Message) -> Result<bool> {
    if let Message::RegSend(sent) = message
        && sent.to_name.name == "echo"
        && let Term::Tuple(pair) = &sent.message
        && let [Term::Pid(pid), term] = pair.elements.as_slice()
    {
        link.send(pid.clone(), term.clone()).await?;
        return Ok(true);
    }
    Ok(false)
}

/// A node among others, until it is killed.
async fn one_node() -> Result {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let mut file = match &arguments.optfile {
        Some(path) => OptionFile::open(path)?,
        None => OptionFile::default(),
    };
    file.add_arguments(&arguments.dist_opts)?;
    for option in &file.ignored {
        if arguments.strict {
            return Err(format!("{option}: this node does not know it").into());
        }
        eprintln!("warning: {option}: this node does not know it, and goes on without");
    }
    let settings = Settings {
        name: arguments.name,
        cookie: arguments.cookie.as_str().into(),
        server: file.server.server()?,
        client: file.client.client()?,
        listen: arguments.listen,
        epmd: Some(arguments.epmd),
        addresses: arguments.addresses,
        peer_names: arguments.peer_names,
        tick_time: Duration::from_secs(60),
        max_links: MAX_LINKS,
    };
    let (node, entrance) = Node::start(settings).await?;
    println!("{} is at {}", node.name(), entrance.local_addr());
    let (links, mut accepted) = mpsc::channel(8);
    for peer in arguments.connect {
        let (node, links) = (node.clone(), links.clone());
        tokio::spawn(async move {
            let link = node.connect(&peer).await;
            let _ = links.send(link).await;
        });
    }
    let serving = tokio::spawn(node.serve(entrance, links));
    while let Some(link) = accepted.recv().await {
        match link {
            Ok(link) => drop(tokio::spawn(converse(link))),
            Err(why) => eprintln!("no link: {why}"),
        }
    }
    serving.await?
}

async fn converse(mut link: Link) {
    let release = vec![atom("otp_release")];
    let within = Duration::from_secs(5);
    let (peer, version) = (link.peer(), link.version());
    match link.rpc("erlang", "system_info", release, within).await {
        Ok(release) => {
            // Whatever has come.
            let release = release.to_string();
            let release = release.escape_debug();
            println!("{peer} is linked over {version}; it is OTP {release}");
        }
        Err(why) => println!("{peer} is linked over {version}; which OTP it is: {why}"),
    }
    loop {
        let message = match link.recv().await {
            Ok(message) => message,
            Err(why) => {
                println!("{} is down: {why}", link.peer());
                return;
            }
        };
        match echo(&link, &message).await {
            Ok(true) => {}
            Ok(false) => println!("{} has sent something that is not for echo", link.peer()),
            Err(why) => println!("{}: {why}", link.peer()),
        }
    }
}

struct Arguments {
    name: String,
    cookie: String,
    optfile: Option<PathBuf>,
    /// Pairs of `-ssl_dist_opt`.
    dist_opts: Vec<String>,
    listen: SocketAddr,
    epmd: u16,
    addresses: HashMap<String, IpAddr>,
    peer_names: PeerNames,
    connect: Vec<String>,
    strict: bool,
}

impl Arguments {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = arguments.peekable();
        let (mut name, mut cookie) = (None, None);
        let mut read = Self {
            name: String::new(),
            cookie: String::new(),
            optfile: None,
            dist_opts: Vec::new(),
            listen: "0.0.0.0:0".parse()?,
            epmd: erl_dist::epmd::DEFAULT_EPMD_PORT,
            addresses: HashMap::new(),
            peer_names: PeerNames::Host,
            connect: Vec::new(),
            strict: false,
        };
        while let Some(option) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{option}: its value is missing"))
            };
            match option.as_str() {
                "--name" => name = Some(value()?),
                "--cookie" => cookie = Some(value()?),
                "--optfile" => read.optfile = Some(value()?.into()),
                // As `erl` reads it: up to the next option, and as often as one likes.
                "-ssl_dist_opt" => {
                    while let Some(word) = arguments.next_if(|word| !word.starts_with('-')) {
                        read.dist_opts.push(word);
                    }
                }
                "--listen" => read.listen = value()?.parse()?,
                "--epmd" => read.epmd = value()?.parse()?,
                "--connect" => read.connect.push(value()?),
                "--host" => {
                    let value = value()?;
                    let (host, address) = value.split_once('=').ok_or("--host HOST=ADDRESS")?;
                    read.addresses.insert(host.to_owned(), address.parse()?);
                }
                "--check-node-names" => read.peer_names = PeerNames::Node,
                "--any-trusted-peer" => read.peer_names = PeerNames::Any,
                "--strict" => read.strict = true,
                other => {
                    let known = "--name N@HOST --cookie COOKIE [--optfile FILE] \
                        [-ssl_dist_opt NAME VALUE...]... [--listen ADDRESS] [--epmd PORT] [--connect N@HOST]... [--host HOST=ADDRESS]... \
                        [--check-node-names | --any-trusted-peer] [--strict]";
                    return Err(format!("{other}: no option; there are {known}").into());
                }
            }
        }
        read.name = name.ok_or("--name N@HOST is missing")?;
        read.cookie = cookie.ok_or("--cookie COOKIE is missing")?;
        if read.optfile.is_none() && read.dist_opts.is_empty() {
            return Err("--optfile FILE, or -ssl_dist_opt, is missing".into());
        }
        Ok(read)
    }
}
