//! Suites with AES-CCM (feature `ffi`), which both sides have to name: every peer that has them, both
//! directions, both lengths of the tag, TLS 1.3 and 1.2.

use portcullis_tests::peers::{Message, Peer, Settings, Suite, Version};
use portcullis_tests::pki::pki;

use crate::{ours, transfer};

const HELLO: Message<'static> = Message {
    line: "hello from a small device",
    count: 1,
};

fn suites() -> impl Iterator<Item = Suite> {
    Suite::CCM_TLS13.into_iter().chain(Suite::CCM_ECDSA)
}

/// `@SECLEVEL=0`: OpenSSL takes tags of 8 bytes for weak.
fn settings(peer: Peer, settings: Settings, suite: Suite) -> Settings {
    let settings = settings.version(suite.version()).suite(suite);
    let ciphers = match suite.version() {
        // Those of TLS 1.3 have a list of their own.
        Version::Tls13 => "DEFAULT:@SECLEVEL=0".to_owned(),
        _ => format!("{}:@SECLEVEL=0", suite.openssl_name()),
    };
    match peer {
        Peer::Openssl => settings.extra(&["-cipher", &ciphers]),
        _ => settings,
    }
}

async fn our_client(peer: Peer) {
    for suite in suites() {
        let context = format!("our client to {peer:?}, {suite:?}");
        let settings = settings(peer, Settings::server(&pki().ecdsa_p256), suite);
        let server = peer.server(&settings).await;
        let config = || ours::client_of(suite.version()).cipher_suites([ours::suite(suite)]);
        let (line, count) = transfer::message();
        let long = Message { line: &line, count };
        for (number, message) in [HELLO, long].into_iter().enumerate() {
            let mut stream = ours::connect(server.address, config())
                .await
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let information = stream.shared_information();
            assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
            let answer = server.answer_to_message(&message);
            ours::exchange(&mut stream, message, &answer, &context).await;
            ours::compare(&information, &server.report(number).await, &context);
        }
    }
}

async fn our_server(peer: Peer) {
    for suite in suites() {
        let context = format!("{peer:?} to our server, {suite:?}");
        let config = ours::server_of(suite.version(), &pki().ecdsa_p256);
        let mut server = ours::Server::echo(config.cipher_suites([ours::suite(suite)])).await;
        let settings = settings(peer, Settings::client(), suite);
        let exchange = peer.transfer(server.address, &settings, HELLO).await;
        assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
        let served = server.served().await;
        let information = served.information(&context);
        assert_eq!(information.cipher_suite(), ours::suite(suite), "{context}");
        assert!(served.end.is_ok(), "{context}: {served:?}");
        ours::compare(information, &exchange.report, &context);
    }
}

of_each_peer! {
    our_client_and_openssl: our_client(Openssl);
    our_client_and_gnutls: our_client(Gnutls);
    our_client_and_erlang: our_client(Erlang);
    openssl_and_our_server: our_server(Openssl);
    gnutls_and_our_server: our_server(Gnutls);
    erlang_and_our_server: our_server(Erlang);
}
