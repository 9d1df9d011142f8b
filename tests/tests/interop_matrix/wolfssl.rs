//! wolfSSL, in both roles, with a HelloRetryRequest and without. Its second hello has its
//! extensions in another order than the first (RFC 8446 §4.1.2 allows it).

use portcullis_tests::peers::{Group, Message, Settings, wolfssl};
use portcullis_tests::pki::pki;

use crate::ours;

const HELLO: Message<'static> = Message {
    line: "hello from one of them",
    count: 1,
};

#[tokio::test]
async fn wolfssl_and_our_server() {
    for (ours, shared, retried) in [
        (Group::X25519, Group::X25519, false),
        (Group::Secp256r1, Group::Secp256r1, false),
        (Group::Secp384r1, Group::X25519, true),
        (Group::Secp384r1, Group::Secp256r1, true),
    ] {
        for cookie in [false, true] {
            let context = format!("a share of {shared:?} to {ours:?}, cookie: {cookie}");
            let config = ours::server(&pki().ecdsa_p256)
                .groups([ours::group(ours)])
                .cookie(cookie);
            let mut server = ours::Server::echo(config).await;
            let settings = Settings::client();
            let line = HELLO.line;
            let exchange = wolfssl::exchange(server.address, &settings, shared, line).await;
            let served = server.served().await;
            let information = served.information(&context);
            assert_eq!(exchange.reply.as_deref(), Ok(line), "{context}");
            assert_eq!(information.hello_retried(), retried, "{context}");
            assert_eq!(information.group(), Some(ours::group(ours)), "{context}");
        }
    }
}

/// Our first hello has shares for the hybrid and X25519 only.
#[tokio::test]
async fn our_client_and_wolfssl() {
    for (group, retried) in [(Group::X25519, false), (Group::Secp384r1, true)] {
        let context = format!("our client to {group:?}");
        let (mut program, address) =
            wolfssl::server(&Settings::server(&pki().ecdsa_p256), group).await;
        let connected = ours::connect(address, ours::client()).await;
        let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
        let information = stream.shared_information();
        assert_eq!(information.hello_retried(), retried, "{context}");
        assert_eq!(information.group(), Some(ours::group(group)), "{context}");
        ours::exchange(&mut stream, HELLO, HELLO.line, &context).await;
        let line = program.wait_for_line("CONNECTED ").await;
        let line = line.to_ascii_lowercase();
        assert!(line.contains(group.name()), "{context}: {line}");
    }
}
