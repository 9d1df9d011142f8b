//! Links that do not come to be, and who says so.

use erl_dist::handshake::ClientSideHandshake;
use erl_dist::node::{Creation, LocalNode};
use portcullis_tests::pki::pki;
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::erlang::{Epmd, Erlang, Options};
use super::{COOKIE, OURS, OptionFile, Ours, PeerNames, ours, ours_with, soon};

async fn ping(erlang: &mut Erlang) -> String {
    erlang.ask(&format!("net_adm:ping('{OURS}')")).await
}

/// Why the next link of our node does not stand.
async fn refused(ours: &mut Ours) -> String {
    match soon(ours.accepted.recv()).await.expect("our node runs") {
        Ok(link) => panic!("{} is linked", link.peer()),
        Err(why) => why.to_string(),
    }
}

#[tokio::test]
async fn a_wrong_cookie() {
    let epmd = Epmd::start().await;
    let mut erlang = Erlang::start(&epmd, Options::new()).await;
    let other = Options {
        cookie: "anothercookie",
        ..Options::new()
    };
    let mut ours = ours(&epmd, other).await;
    // Erlang sees that ours is wrong, and we see that its is.
    soon(ours.node.connect(&erlang.name))
        .await
        .expect_err("a refusal");
    assert_eq!(ping(&mut erlang).await, "pang");
    let why = refused(&mut ours).await;
    assert!(why.contains("cookie"), "{why}");
    erlang.shows("challenge").await;
}

#[tokio::test]
async fn certificates_for_another_host() {
    let epmd = Epmd::start().await;
    let elsewhere = Options {
        server: &pki().other_node,
        client: Some(&pki().other_node),
        ..Options::new()
    };
    let mut erlang = Erlang::start(&epmd, elsewhere).await;
    let mut trusting = ours(&epmd, Options::new()).await;
    let why = soon(trusting.node.connect(&erlang.name)).await;
    let why = why.expect_err("a refusal").to_string();
    assert!(
        why.contains("localhost") && why.contains("other.example"),
        "{why}"
    );
    assert_eq!(ping(&mut erlang).await, "pang");
    let why = refused(&mut trusting).await;
    assert!(why.contains("not for localhost"), "{why}");
    drop(trusting);

    // As Erlang itself has it.
    let epmd_again = Epmd::start().await;
    let mut erlang = Erlang::start(&epmd_again, elsewhere).await;
    let mut any = ours_with(&epmd_again, Options::new(), |settings| {
        settings.peer_names = PeerNames::Any;
    })
    .await;
    assert_eq!(ping(&mut erlang).await, "pong");
    soon(any.accepted.recv())
        .await
        .expect("it runs")
        .expect("a link");
    drop(any);

    // And more than it has: the whole name must be certified.
    let epmd_again = Epmd::start().await;
    let mut erlang = Erlang::start(&epmd_again, Options::new()).await;
    let mut strict = ours_with(&epmd_again, Options::new(), |settings| {
        settings.peer_names = PeerNames::Node;
    })
    .await;
    assert_eq!(ping(&mut erlang).await, "pang");
    let why = refused(&mut strict).await;
    assert!(why.contains("rfc822Name"), "{why}");
    // Whoever has called.
    let why = soon(strict.node.connect(&erlang.name)).await;
    let why = why.expect_err("a refusal").to_string();
    assert!(why.contains("rfc822Name"), "{why}");
}

#[tokio::test]
async fn certificates_of_nobody_that_is_trusted() {
    for version in ["tlsv1.2", "tlsv1.3"] {
        let trusted = Options {
            version,
            ..Options::new()
        };
        let untrusted = Options {
            server: &pki().unknown_node,
            client: Some(&pki().unknown_node),
            ..trusted
        };
        // Theirs.
        let epmd = Epmd::start().await;
        let mut erlang = Erlang::start(&epmd, untrusted).await;
        let mut trusting = ours(&epmd, trusted).await;
        let why = soon(trusting.node.connect(&erlang.name)).await;
        let why = why.expect_err("a refusal").to_string();
        assert!(why.contains("unknown root"), "{why}");
        assert_eq!(ping(&mut erlang).await, "pang");
        let why = refused(&mut trusting).await;
        assert!(why.contains("unknown root"), "{why}");

        // Ours.
        let epmd = Epmd::start().await;
        let mut erlang = Erlang::start(&epmd, trusted).await;
        let distrusted = ours(&epmd, untrusted).await;
        let why = soon(distrusted.node.connect(&erlang.name)).await;
        let why = why.expect_err("a refusal").to_string();
        assert!(why.contains("unknown_ca"), "{why}");
        assert_eq!(ping(&mut erlang).await, "pang");
        erlang.shows("CLIENT ALERT: Fatal - Unknown CA").await;
    }
}

#[tokio::test]
async fn no_certificate_and_no_tls() {
    for version in ["tlsv1.2", "tlsv1.3"] {
        let epmd = Epmd::start().await;
        let trusted = Options {
            version,
            ..Options::new()
        };
        let nameless = Options {
            client: None,
            ..trusted
        };
        let mut erlang = Erlang::start(&epmd, nameless).await;
        let mut ours = ours(&epmd, trusted).await;
        assert_eq!(ping(&mut erlang).await, "pang");
        let why = refused(&mut ours).await;
        assert!(why.contains("no certificate"), "{why}");
    }
    let epmd = Epmd::start().await;
    let plain = Options {
        tls: false,
        ..Options::new()
    };
    let mut erlang = Erlang::start(&epmd, plain).await;
    let mut ours = ours(&epmd, Options::new()).await;
    assert_eq!(ping(&mut erlang).await, "pang");
    let why = refused(&mut ours).await;
    assert!(why.contains("does not speak TLS"), "{why}");
    soon(ours.node.connect(&erlang.name))
        .await
        .expect_err("it does not speak TLS");
    // It still accepts.
    drop(erlang);
    let mut erlang = Erlang::start(&epmd, Options::new()).await;
    assert_eq!(ping(&mut erlang).await, "pong");
}

/// Why there are frames of our own.
#[tokio::test]
async fn erlang_refuses_frames_of_two_bytes() {
    let epmd = Epmd::start().await;
    let mut erlang = Erlang::start(&epmd, Options::new()).await;
    let port = "element(2, erl_epmd:port_please(\"erlang\", {127,0,0,1}))";
    let port: u16 = erlang.ask(port).await.parse().expect("a port");
    let file = OptionFile::open(&Options::new().file()).expect("a file");
    let connector = file.client.client().expect("a configuration");
    let io = TcpStream::connect(("127.0.0.1", port)).await.expect("TCP");
    let stream = soon(connector.upgrade(io, "localhost")).await.expect("TLS");
    let local = LocalNode::new(OURS.parse().expect("a name"), Creation::new(1));
    let mut handshake = ClientSideHandshake::new(stream.compat(), local, COOKIE);
    soon(handshake.execute_send_name(6))
        .await
        .expect_err("nothing that is understood");
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let epmd = Epmd::start().await;
    let _first = ours(&epmd, Options::new()).await;
    let file = OptionFile::open(&Options::new().file()).expect("a file");
    let settings = super::Settings {
        name: OURS.to_owned(),
        cookie: COOKIE.into(),
        server: file.server.server().expect("a configuration"),
        client: file.client.client().expect("a configuration"),
        listen: "127.0.0.1:0".parse().expect("an address"),
        epmd: Some(epmd.port),
        addresses: Default::default(),
        peer_names: PeerNames::Host,
        tick_time: std::time::Duration::from_secs(4),
        max_links: 8,
    };
    soon(super::Node::start(settings))
        .await
        .expect_err("the name is taken");
}
