//! Every cipher suite of TLS 1.2 that Erlang lists, in both roles: a handshake, and data both ways.
//!
//! The files beside this one say more of most of them; this one says that none is left out. `erlang_suites.txt` has
//! what Erlang/OTP 25 (ssl 10.8.7) gives for `ssl:cipher_suites(all, 'tlsv1.2')` and `(anonymous, 'tlsv1.2')`, 120
//! together, and is held against the Erlang that is here. Erlang is started for each: with `PORTCULLIS_SUITES=1/4` only
//! each fourth is tried, beginning with the second.

use std::collections::BTreeSet;

use portcullis::suite::CipherSuite;
use portcullis_tests::peers::{Message, Peer, Settings, Version, erlang};

use super::legacy_ciphers::{check, client, identity, server, their_settings};
use crate::ours;

const LISTED: &str = include_str!("erlang_suites.txt");
const HELLO: Message<'static> = Message {
    line: "nobody is left out",
    count: 1,
};

fn suites() -> impl Iterator<Item = CipherSuite> {
    LISTED.lines().map(|name| {
        let suite = name.parse::<CipherSuite>();
        suite.unwrap_or_else(|error| panic!("{name}: {error}"))
    })
}

/// Those that are tried.
fn tried() -> impl Iterator<Item = CipherSuite> {
    let part = std::env::var("PORTCULLIS_SUITES").unwrap_or_else(|_| "0/1".to_owned());
    let (turn, of) = part.split_once('/').expect("a part is TURN/OF");
    let (turn, of): (usize, usize) = (turn.parse().unwrap(), of.parse().unwrap());
    suites().skip(turn % of).step_by(of)
}

#[tokio::test]
async fn the_list_is_erlangs_and_all_of_it_is_here() {
    let listed: BTreeSet<_> = LISTED.lines().collect();
    assert_eq!(listed.len(), 120);
    let theirs = erlang::suites_of_tls12().await;
    assert_eq!(
        theirs.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        listed
    );
    let lacking: Vec<_> = suites()
        .filter(|suite| !CipherSuite::SUPPORTED.contains(suite))
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

/// All are tried before the first that does not work is told of.
#[tokio::test]
async fn our_client_to_erlang() {
    let mut failed = Vec::new();
    for suite in tried() {
        let settings = Settings::server(identity(suite).0);
        let settings = their_settings(settings, Version::Tls12, suite, "srp_user");
        let theirs = Peer::Erlang.server(&settings).await;
        let config = client(Version::Tls12, suite);
        match ours::connect(theirs.address, config).await {
            Ok(mut stream) => {
                let context = suite.to_string();
                check(stream.information(), Version::Tls12, suite, &context);
                let answer = theirs.answer_to_message(&HELLO);
                ours::exchange(&mut stream, HELLO, &answer, &context).await;
            }
            Err(error) => failed.push(format!("{suite}: {error}")),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn erlang_to_our_server() {
    let mut failed = Vec::new();
    for suite in tried() {
        let context = suite.to_string();
        let mut server = ours::Server::echo(server(Version::Tls12, suite)).await;
        let settings = Settings::client().root(identity(suite).1);
        let settings = their_settings(settings, Version::Tls12, suite, "srp_identity");
        let exchange = Peer::Erlang
            .transfer(server.address, &settings, HELLO)
            .await;
        let served = server.served().await;
        match &served.handshake {
            Ok(information) => check(information, Version::Tls12, suite, &context),
            Err(error) => failed.push(format!("{suite}: {error}")),
        }
        if exchange.reply.as_deref() != Ok(HELLO.line) {
            failed.push(format!("{suite}: {:?}", exchange.reply));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
