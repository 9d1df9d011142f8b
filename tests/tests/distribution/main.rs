//! Erlang's distribution over TLS: the example `erlang_node` beside real nodes, and what it does about hostile ones.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use erlang::{Epmd, Options};
use link::Link;
use node::{Node, PeerNames, Result, Settings};
use options::OptionFile;
use portcullis_tests::peers::program::LIMIT;

mod bounds;
mod erlang;
mod hostile;
mod links;
mod refusals;

#[path = "../../../examples/erlang_node/challenges.rs"]
mod challenges;
#[path = "../../../examples/erlang_node/frames.rs"]
mod frames;
#[path = "../../../examples/erlang_node/link.rs"]
mod link;
#[path = "../../../examples/erlang_node/literal.rs"]
mod literal;
#[path = "../../../examples/erlang_node/node.rs"]
mod node;
#[path = "../../../examples/erlang_node/options.rs"]
mod options;
#[path = "../../../examples/erlang_node/terms.rs"]
mod terms;

const COOKIE: &str = "secretcookie";
const OURS: &str = "ours@localhost";

/// Our node, which reads the same kind of file as Erlang does.
struct Ours {
    node: Arc<Node>,
    accepted: mpsc::Receiver<Result<Link>>,
    /// Where it accepts.
    address: SocketAddr,
    serving: AbortHandle,
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn ours(epmd: &Epmd, options: Options) -> Ours {
    ours_with(epmd, options, |_| {}).await
}

async fn ours_with(epmd: &Epmd, options: Options, change: impl FnOnce(&mut Settings)) -> Ours {
    ours_at(Some(epmd.port), options, change).await
}

async fn ours_at(epmd: Option<u16>, options: Options, change: impl FnOnce(&mut Settings)) -> Ours {
    let file = OptionFile::open(&options.file()).expect("a file of options");
    assert!(file.ignored.is_empty(), "{:?}", file.ignored);
    let loopback = options.family.loopback();
    let mut settings = Settings {
        name: OURS.to_owned(),
        cookie: options.cookie.into(),
        server: file.server.server().expect("a configuration"),
        client: file.client.client().expect("a configuration"),
        listen: (loopback, 0).into(),
        epmd,
        addresses: HashMap::from([("localhost".to_owned(), loopback)]),
        peer_names: PeerNames::Host,
        tick_time: Duration::from_secs(4),
        max_links: 8,
    };
    change(&mut settings);
    let (node, entrance) = Node::start(settings).await.expect("our node");
    let address = entrance.local_addr();
    assert_eq!(address.ip(), loopback);
    let (links, accepted) = mpsc::channel(8);
    let serving = tokio::spawn(Arc::clone(&node).serve(entrance, links)).abort_handle();
    Ours {
        node,
        accepted,
        address,
        serving,
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(LIMIT, future).await.expect("it comes in time")
}
