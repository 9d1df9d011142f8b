//! Links that stand.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use erl_dist::message::Message;
use erl_dist::term::{Atom, BigInteger, Binary, FixInteger, List, Map, Term};
use portcullis::ProtocolVersion;
use portcullis_tests::peers::program::LIMIT;

use super::erlang::{Epmd, Erlang, Family, Options};
use super::link::{Link, atom, tuple};
use super::{OURS, ours, ours_with, soon};

const VERSIONS: [(&str, ProtocolVersion); 2] = [
    ("tlsv1.2", ProtocolVersion::TLS_1_2),
    ("tlsv1.3", ProtocolVersion::TLS_1_3),
];

/// Data of all kinds.
fn colourful() -> Term {
    let map = HashMap::from([
        (
            atom("grüße"),
            Term::from(Binary::from("日本".as_bytes().to_vec())),
        ),
        (Term::from(FixInteger::from(-7)), List::nil().into()),
    ]);
    tuple([
        BigInteger::from(u64::MAX).into(),
        Binary::from(vec![0xa5; 1 << 20]).into(),
        Map { map }.into(),
        List::from(vec![atom("a"), FixInteger::from(1_000_000).into()]).into(),
        List::from(vec![
            FixInteger::from(-1).into(),
            FixInteger::from(300).into(),
        ])
        .into(),
        List::from(vec![FixInteger::from(-1).into()]).into(),
    ])
}

/// A ping each way, a message each way, and a call.
async fn converse(link: &mut Link, erlang: &mut Erlang, family: Family) {
    assert!(soon(link.ping()).await.expect("a pong"));
    let ping = format!("net_adm:ping('{OURS}')");
    assert_eq!(erlang.ask(&ping).await, "pong");

    // What Erlang sends back is what it has understood.
    let sink = "register(sink, spawn(fun() -> receive {From, Term} -> From ! {got, Term} end end))";
    assert_eq!(erlang.ask(sink).await, "true");
    let sent = tuple([link.pid().into(), colourful()]);
    link.send_to("sink", sent).await.expect("it is sent");
    match soon(link.recv()).await.expect("an answer") {
        Message::Send(answer) => {
            assert_eq!(answer.to_pid, link.pid());
            assert!(answer.message == tuple([atom("got"), colourful()]));
        }
        other => panic!("{other:?}"),
    }
    let send = format!("{{ours, '{OURS}'}} ! {{hello, [1, two, \"three\"], <<\"4\">>}}, sent");
    assert_eq!(erlang.ask(&send).await, "sent");
    match soon(link.recv()).await.expect("a message") {
        Message::RegSend(message) => {
            assert_eq!(message.to_name, Atom::from("ours"));
            assert_eq!(
                message.message.to_string(),
                "{'hello',[1,'two',[116,104,114,101,101]],<<52>>}"
            );
        }
        other => panic!("{other:?}"),
    }

    // A port, as it is a term like others, but with a tag of its own.
    let send = format!("{{ours, '{OURS}'}} ! hd(erlang:ports()), sent");
    assert_eq!(erlang.ask(&send).await, "sent");
    match soon(link.recv()).await.expect("a message") {
        Message::RegSend(message) => assert!(matches!(message.message, Term::Port(_))),
        other => panic!("{other:?}"),
    }

    let answer = link.rpc("erlang", "node", Vec::new(), LIMIT);
    assert_eq!(answer.await.expect("an answer"), atom(&erlang.name));
    let numbers = List::from(
        (1..=4)
            .map(|n| FixInteger::from(n).into())
            .collect::<Vec<_>>(),
    );
    let sum = link.rpc("lists", "sum", vec![numbers.into()], LIMIT);
    assert_eq!(sum.await.expect("an answer"), FixInteger::from(10).into());
    // The list of the arguments is [-5].
    let positive = link.rpc("erlang", "abs", vec![FixInteger::from(-5).into()], LIMIT);
    assert_eq!(
        positive.await.expect("an answer"),
        FixInteger::from(5).into()
    );
    // Nothing is run here.
    let call = format!("rpc:call('{OURS}', erlang, node, [], 5000)");
    assert_eq!(erlang.ask(&call).await, "{badrpc,notsup}");

    // How Erlang sees it: hidden, over TLS, by this kind of address.
    assert_eq!(
        erlang.ask("{nodes(), nodes(hidden)}").await,
        format!("{{[],[{OURS}]}}")
    );
    let info = format!("element(2, net_kernel:node_info('{OURS}', address))");
    let info = erlang.ask(&info).await;
    let address = match family {
        Family::V4 => "{127,0,0,1}",
        Family::V6 => "{0,0,0,0,0,0,0,1}",
    };
    assert!(info.contains(address) && info.contains("tls"), "{info}");
}

#[tokio::test]
async fn our_node_connects() {
    for family in [Family::V4, Family::V6] {
        for (version, expected) in VERSIONS {
            let epmd = Epmd::start().await;
            let options = Options {
                family,
                version,
                ..Options::new()
            };
            let mut erlang = Erlang::start(&epmd, options).await;
            let ours = ours(&epmd, options).await;
            let mut link = soon(ours.node.connect(&erlang.name))
                .await
                .unwrap_or_else(|why| panic!("{family:?}, {version}: {why}\n{}", erlang.output()));
            assert_eq!(
                (link.version(), link.peer()),
                (expected, erlang.name.clone())
            );
            converse(&mut link, &mut erlang, family).await;
            link.close().await;
        }
    }
}

#[tokio::test]
async fn erlang_connects() {
    for family in [Family::V4, Family::V6] {
        for (version, expected) in VERSIONS {
            let epmd = Epmd::start().await;
            let options = Options {
                family,
                version,
                ..Options::new()
            };
            let mut erlang = Erlang::start(&epmd, options).await;
            let mut ours = ours(&epmd, options).await;
            let ping = erlang.ask(&format!("net_adm:ping('{OURS}')")).await;
            assert_eq!(ping, "pong", "{family:?}, {version}:\n{}", erlang.output());
            let link = soon(ours.accepted.recv()).await.expect("our node runs");
            let mut link = link.expect("a link");
            assert_eq!(
                (link.version(), link.peer()),
                (expected, erlang.name.clone())
            );
            converse(&mut link, &mut erlang, family).await;
        }
    }
}

/// Twice the time after which Erlang takes a link down that it hears nothing of.
#[tokio::test]
async fn ticks_keep_an_idle_link() {
    let epmd = Epmd::start().await;
    let erlang = Erlang::start(&epmd, Options::new()).await;
    let node = ours(&epmd, Options::new()).await.node.clone();
    let mut link = soon(node.connect(&erlang.name)).await.expect("a link");
    let idle = tokio::time::timeout(Duration::from_secs(9), link.recv()).await;
    assert!(idle.is_err(), "{idle:?}");
    assert!(soon(link.ping()).await.expect("a pong"));

    // Neither end forgets a link whose other end says nothing.
    erlang.signal("-STOP").await;
    let before = Instant::now();
    let why = soon(link.recv()).await.expect_err("silence");
    assert!(why.to_string().contains("silent"), "{why}");
    assert!(
        before.elapsed() > Duration::from_secs(3),
        "{:?}",
        before.elapsed()
    );
    erlang.signal("-CONT").await;
}

#[tokio::test]
async fn a_node_without_ticks_is_taken_down_by_erlang() {
    let epmd = Epmd::start().await;
    let erlang = Erlang::start(&epmd, Options::new()).await;
    let quiet = ours_with(&epmd, Options::new(), |settings| {
        settings.tick_time = Duration::from_secs(3600);
    });
    let quiet = quiet.await;
    let mut link = soon(quiet.node.connect(&erlang.name))
        .await
        .expect("a link");
    let why = soon(link.recv()).await.expect_err("it is taken down");
    assert!(!why.to_string().contains("silent"), "{why}");
}

#[tokio::test]
async fn a_node_that_is_killed_is_down() {
    let epmd = Epmd::start().await;
    let erlang = Erlang::start(&epmd, Options::new()).await;
    let ours = ours(&epmd, Options::new()).await;
    let mut link = soon(ours.node.connect(&erlang.name)).await.expect("a link");
    erlang.signal("-KILL").await;
    let call = link.rpc("erlang", "node", Vec::new(), LIMIT);
    let (call, down) = tokio::join!(
        call,
        tokio::time::timeout(LIMIT, link_down(&ours.node, &erlang.name))
    );
    drop(call);
    down.expect("it is gone");
    soon(link.recv()).await.expect_err("it is down");
}

/// Until it cannot be connected to.
async fn link_down(node: &super::Node, name: &str) {
    while node.connect(name).await.is_ok() {}
}

/// The old link of a node that comes again is over, and not in the way of the new one.
#[tokio::test]
async fn a_node_that_comes_again_is_welcome() {
    let epmd = Epmd::start().await;
    let mut erlang = Erlang::start(&epmd, Options::new()).await;
    let mut ours = ours(&epmd, Options::new()).await;
    let ping = format!("net_adm:ping('{OURS}')");
    assert_eq!(erlang.ask(&ping).await, "pong");
    let mut first = soon(ours.accepted.recv())
        .await
        .expect("it runs")
        .expect("a link");
    assert_eq!(
        erlang
            .ask(&format!("erlang:disconnect_node('{OURS}')"))
            .await,
        "true"
    );
    assert_eq!(erlang.ask(&ping).await, "pong");
    let mut second = soon(ours.accepted.recv())
        .await
        .expect("it runs")
        .expect("a link");
    soon(first.recv()).await.expect_err("it is over");
    assert_eq!(
        erlang.ask(&format!("{{ours, '{OURS}'}} ! again")).await,
        "again"
    );
    soon(second.recv()).await.expect("a message");
}

#[tokio::test]
async fn ten_thousand_messages_come_in_order() {
    let epmd = Epmd::start().await;
    let mut erlang = Erlang::start(&epmd, Options::new()).await;
    let ours = ours(&epmd, Options::new()).await;
    let mut link = soon(ours.node.connect(&erlang.name)).await.expect("a link");
    let send = format!("[{{ours, '{OURS}'}} ! N || N <- lists:seq(1, 10000)], sent");
    let (sent, ()) = tokio::join!(erlang.ask(&send), async {
        for number in 1..=10_000 {
            match soon(link.recv()).await.expect("a message") {
                Message::RegSend(message) => {
                    assert_eq!(message.message, FixInteger::from(number).into());
                }
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(sent, "sent");
}
