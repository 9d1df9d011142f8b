//! Servers that are one to their clients: three `portcullis server` behind HAProxy, one Redis, and clients that come
//! back, while keys change, Redis dies, first flights are replayed, and a server is killed.
//!
//! It takes a minute and a half, most of it until a guard that has just begun accepts early data; its figures are
//! printed with `--nocapture`.

mod flight;
mod nodes;
mod traffic;

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::{
    ClientConfig, EarlyDataOutcome, MemorySessionStore, ProtocolVersion, Roots, TlsConnector,
};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;
use tokio::time::sleep;

use flight::Flight;
use nodes::{Balancer, Node, Redis};
use traffic::{Phase, Traffic};

/// How long a store may take, as the command has it.
const LIMIT: Duration = Duration::from_millis(50);
/// What a busy machine may add to a handshake.
const SLACK: Duration = Duration::from_millis(750);
/// How long a key of tickets seals.
const PERIOD: u64 = 20;
/// How old a ticket may be beside what it says, and for how long a claim is remembered.
const WINDOW: Duration = Duration::from_secs(10);
const CLAIM: Duration = Duration::from_secs(2 * WINDOW.as_secs() + 60);
/// How often a flight is replayed to each node.
const REPLAYS: usize = 100;

/// The connections that resume by what their tickets have in them.
const STATELESS: &str = "TLS 1.3, stateless";

const V12: ProtocolVersion = ProtocolVersion::TLS_1_2;
const V13: ProtocolVersion = ProtocolVersion::TLS_1_3;

fn connector(version: ProtocolVersion) -> TlsConnector {
    let mut roots = Roots::empty();
    roots.add_der(pki().root.certificate.clone()).unwrap();
    let config = ClientConfig::builder(roots).versions([version]);
    TlsConnector::new(config.build().unwrap())
        .session_store(Arc::new(MemorySessionStore::default()))
}

/// How many keys there were since 1970.
fn period() -> u64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() / PERIOD
}

fn count(nodes: &[Node], flight: &Flight) -> usize {
    let nodes = nodes.iter();
    nodes.map(|node| node.count(&flight.told())).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_one_server() {
    let begun = Instant::now();
    let program = nodes::program();
    println!("the command is built after {:.1?}", begun.elapsed());
    let begun = Instant::now();
    let mut redis = Redis::start();
    let place = redis.url();
    let seed = scratch::file("seed", [0x5e; 48]);
    let key = scratch::file("store.key", [0x6b; 32]);
    let (seed, key) = (seed.to_str().unwrap(), key.to_str().unwrap());
    let (period_text, window) = (PERIOD.to_string(), WINDOW.as_secs().to_string());

    // Tickets that are the sessions, of keys that all derive from one seed.
    let stateless = ["-v", "--ticket-seed", seed, "--ticket-period", &period_text];
    let early = [
        "--early-data",
        "--early-data-window",
        &window,
        "--replay-guard",
        &place,
    ];
    let stateless = [&stateless[..], &early].concat();
    let stateless: Vec<_> = (0..3).map(|_| Node::start(&program, &stateless)).collect();
    // Tickets that are names, and ids of TLS 1.2, of sessions in Redis.
    let stateful = ["--store", &place, "--store-key", key, "--tls", "1.2..1.3"];
    let stateful: Vec<_> = (0..3).map(|_| Node::start(&program, &stateful)).collect();
    // The same of a file.
    let file = format!("disk:{}", scratch::directory().join("sessions").display());
    let on_disk = ["--store", &file, "--store-key", key, "--tls", "1.2..1.3"];
    let mut on_disk = [Node::start(&program, &on_disk)];
    let balancer = Balancer::start(&[&stateless, &stateful, &on_disk]);
    let ports = &balancer.ports;

    let began = period();
    let phase = Phase::default();
    let traffic = [
        Traffic::start(STATELESS, connector(V13), ports[0], &phase),
        Traffic::start("TLS 1.3, stateful", connector(V13), ports[1], &phase),
        Traffic::start("TLS 1.2, ids", connector(V12), ports[1], &phase),
    ];

    // Nobody knows what was accepted before the guard began.
    let early_client = connector(V13);
    let young = Flight::record(&early_client, ports[0], 51).await;
    let outcome = young.deliver(ports[0]).await;
    assert!(
        matches!(outcome, EarlyDataOutcome::Rejected(_)),
        "{outcome:?}"
    );

    // What a killed server has given is good for the one that takes its place.
    for version in [V13, V12] {
        let connector = connector(version);
        let mut resumed = Vec::new();
        for round in 0..9 {
            if round % 3 == 2 {
                on_disk[0].kill();
                on_disk[0].restart();
            }
            let port = ports[2];
            resumed.push(traffic::connect(&connector, port).await.unwrap().resumed);
        }
        println!("{version}, a file, killed 3 times: {resumed:?}");
        assert_eq!(resumed[..1], [false]);
        assert!(resumed[1..].iter().all(|resumed| *resumed), "{version}");
    }

    // Redis is there for longer than a claim is remembered.
    sleep(CLAIM + Duration::from_secs(2) - begun.elapsed()).await;

    // A flight that nobody has seen yet: of all who get it, again and again, one takes it.
    let first = Flight::record(&early_client, ports[0], 101).await;
    let age = first.replay(&stateless, REPLAYS).await;
    println!("a flight, {REPLAYS} times to each node: the last {age:.1?} old");
    // One that has arrived.
    let second = Flight::record(&early_client, ports[0], 102).await;
    let outcome = second.deliver(ports[0]).await;
    assert_eq!(outcome, EarlyDataOutcome::Accepted);

    phase.outage();
    redis.stop();
    second.replay(&stateless, 5).await;
    sleep(Duration::from_millis(700)).await;
    redis.kill();
    sleep(Duration::from_millis(700)).await;
    redis.restart();
    let back = Instant::now();
    // Right after it is back, and until its claims would be refused by their age alone.
    let mut replays = 5;
    let age = loop {
        let age = second.replay(&stateless, REPLAYS / 4).await;
        replays += REPLAYS / 4;
        if replays > REPLAYS && back.elapsed() > Duration::from_secs(3) {
            break age;
        }
    };
    println!(
        "another, {replays} times to each node, while Redis was stopped, gone and new: the last {age:.1?} old"
    );
    assert!(
        second.is_fresh_at(back),
        "it was too old when Redis came back"
    );
    // A new one, while the guard is young again.
    let third = Flight::record(&early_client, ports[0], 103).await;
    third.replay(&stateless, REPLAYS / 4).await;
    phase.normal();
    sleep(Duration::from_secs(4)).await;
    let changes = period() - began;

    let delivered = [&young, &first, &second, &third].map(|flight| count(&stateless, flight));
    println!(
        "flights delivered, before a guard was old, with it, once before, after a loss: {delivered:?}"
    );
    assert_eq!(delivered, [0, 1, 1, 0]);
    println!("keys of tickets changed {changes} times");
    assert!(changes >= 2);
    for traffic in traffic {
        let figures = traffic.end().await;
        println!("{figures}");
        assert_eq!(figures.failures, Vec::<String>::new());
        let [normal, outage] = &figures.phases;
        assert!(normal.count > 300 && outage.count > 20, "{figures}");
        let resumes_all = |phase: &traffic::Counted| phase.resumed * 100 >= phase.count * 99;
        assert!(resumes_all(normal), "{figures}");
        // What needs no store goes on without one.
        assert!(
            resumes_all(outage) || figures.name != STATELESS,
            "{figures}"
        );
        assert!(
            outage.slowest <= normal.slowest + LIMIT + SLACK,
            "{figures}"
        );
    }
    println!("in all {:.1?}", begun.elapsed());
    drop(balancer);
}
